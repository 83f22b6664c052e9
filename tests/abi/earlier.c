/* A program of an earlier version, with a later library. The memory of each of
 * its tables ends with the table, so that nothing past its size can be read.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <event2/buffer.h>
#include <event2/event.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int received;

/* Makes a copy with an unreadable page behind it. */
static void *at_the_end(const void *table, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_NONE))
        return NULL;
    return memcpy(pages + page - size, table, size);
}

static void start(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    if (asynchat_set_terminator(ch, "\r\n", 2))
        asynchat_close(ch);
}

static void line(struct asynchat_channel *ch, const void *data, size_t len,
                 void *arg)
{
    (void)arg;
    received = len == 5 && memcmp(data, "hello", 5) == 0;
    asynchat_close(ch);
}

static int more(struct asynchat_channel *ch, struct evbuffer *out, size_t room,
                void *arg)
{
    (void)ch;
    (void)room;
    (void)arg;
    return evbuffer_add(out, "hello\r\n", 7) ? ASYNCHAT_MORE : ASYNCHAT_DONE;
}

/* Reports the first call that failed. */
static int fails(const char *what, int error)
{
    if (error)
        fprintf(stderr, "%s: %s\n", what, asynchat_strerror(error));
    return error != 0;
}

int main(void)
{
    const struct asynchat_handler *handler = at_the_end(
        &(struct asynchat_handler){
            .size = sizeof *handler, .handle_connect = start, .message = line},
        sizeof *handler);
    const struct asynchat_producer_ops *ops = at_the_end(
        &(struct asynchat_producer_ops){sizeof *ops, more, NULL}, sizeof *ops);
    const struct asynchat_server_options *options =
        at_the_end(&(struct asynchat_server_options){.size = sizeof *options,
                                                     .backlog = 1},
                   sizeof *options);
    const struct asynchat_timeouts *times = at_the_end(
        &(struct asynchat_timeouts){.size = sizeof *times, .idle = 60000},
        sizeof *times);
    const struct asynchat_handler *const handlers[2] = {handler, handler};
    struct asynchat_channel *ends[2];
    struct asynchat_producer *producer;
    struct asynchat_server *server;
    struct event_base *base = event_base_new();

    if (!base || !handler || !ops || !options || !times)
        return 1;
    if (fails("server", asynchat_server_new(base, "127.0.0.1:0", handler, NULL,
                                            options, &server)))
        return 1;
    asynchat_server_free(server);
    if (fails("pair", asynchat_pair_new(base, handlers, NULL, ends)) ||
        fails("timeouts", asynchat_set_timeouts(ends[0], times)) ||
        fails("producer", asynchat_producer_new(ops, NULL, &producer)) ||
        fails("push", asynchat_push_producer(ends[0], producer)))
        return 1;
    if (event_base_dispatch(base) < 0 || !received) {
        fprintf(stderr, "no line came\n");
        return 1;
    }
    event_base_free(base);
    return 0;
}
