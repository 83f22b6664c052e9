/* A server for the protocol of Redis (RESP2): kv [--port N] [--unix PATH]
 * [--maxmemory BYTES]
 *
 *     kv --port 7000 & redis-cli -p 7000 SET greeting hello
 *
 * A request is a line, "GET greeting", or an array: "*2", then for each word
 * its length, "$3", and so many bytes. So the terminator is a string, then a
 * number, then a string again, and where one read has a hundred requests it
 * changes hundreds of times inside it. That is this file; what a request does
 * is in kv/, whose tables are uthash's (Debian: uthash-dev).
 *
 * It listens on 127.0.0.1:6379 unless told otherwise, on any free port if N is
 * 0, until SIGINT or SIGTERM; then requests that have begun are finished,
 * within half a second.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include <asynchat.h>

#include "kv/client.h"
#include "kv/commands.h"
#include "kv/keys.h"
#include "kv/run.h"
#include "kv/text.h"
#include "kv/topics.h"

#define PORT "6379"
#define GRACE 500 /* milliseconds */

/* Redis's limits, in bytes. */
#define LINE_MOST 65536
#define WORD_MOST (512LL << 20)
#define REQUEST_MOST (1LL << 30)

/* A client that asks on and on and reads nothing is not heard while so much
 * waits for it, in bytes. It is that much since many a client sends all its
 * requests before it reads an answer. */
#define QUEUE_HIGH (256u << 20)
#define QUEUE_LOW (QUEUE_HIGH / 2)

static struct event_base *base;

/* The request is complete. */
static void run(struct client *c)
{
    request_run(c);
    drop_words(c);
    if (c->stops && !c->quits)
        client_goodbye(c);
    else if (asynchat_get_queued(c->ch) > QUEUE_HIGH)
        asynchat_pause_reading(c->ch);
}

/* --- a request on a line --- */

/* False: its quotes are not balanced. */
static bool read_words(struct client *c, const char *at, const char *end)
{
    char bytes[LINE_MOST];
    size_t len;
    while (at < end) {
        if (is_blank(*at)) {
            at++;
            continue;
        }
        at = read_word(at, end, bytes, &len);
        if (!at)
            return false;
        if (!add_word(c, word_new(bytes, len, len)))
            return true;
    }
    return true;
}

static void got_inline(struct client *c, const char *line, size_t len)
{
    if (len > 0 && line[len - 1] == '\r')
        len--;
    if (!read_words(c, line, line + len))
        say_protocol_error(c, "unbalanced quotes in request");
    else if (c->count > 0 && !c->quits)
        run(c);
    drop_words(c);
}

/* --- a request in an array --- */

/* What is on a line behind its first byte. */
static bool line_number(const char *line, size_t len, long long *n)
{
    return len >= 2 && line[len - 1] == '\r' &&
           parse_number(line + 1, len - 2, n);
}

/* An array of nothing is no request. */
static void got_count(struct client *c, const char *line, size_t len)
{
    long long n;
    if (!line_number(line, len, &n) || n > INT_MAX)
        say_protocol_error(c, "invalid multibulk length");
    else if (n > 0)
        c->expected = n;
}

/* Also of the line end behind it, which Redis skips without a look as well. */
static void expect_word(struct client *c, size_t len)
{
    c->size += (long long)(len + sizeof(struct word) + sizeof(struct word *));
    if (c->size > REQUEST_MOST) {
        client_close(c);
        return;
    }
    c->counted = true;
    check(c, asynchat_set_terminator_length(c->ch, len + 2));
    if (len + 2 > LINE_MOST)
        check(c, asynchat_set_message_limit(c->ch, len + 2));
}

static void got_length(struct client *c, const char *line, size_t len)
{
    char text[] = "expected '$', got 'x'";
    char first = len > 0 ? line[0] : '\n';
    long long n;
    if (first != '$') {
        text[sizeof text - 3] = first;
        say_protocol_error(c, text);
    } else if (!line_number(line, len, &n) || n < 0 || n > WORD_MOST) {
        say_protocol_error(c, "invalid bulk length");
    } else {
        expect_word(c, (size_t)n);
    }
}

static void got_word(struct client *c, const char *bytes, size_t len)
{
    c->counted = false;
    check(c, asynchat_set_terminator(c->ch, "\n", 1));
    if (len + 2 > LINE_MOST)
        check(c, asynchat_set_message_limit(c->ch, LINE_MOST));
    if (add_word(c, word_new(bytes, len, len)) &&
        (long long)c->count == c->expected)
        run(c);
}

/* --- the callbacks --- */

static void connected(struct asynchat_channel *ch, void *arg)
{
    struct client *c = client_new(ch);
    (void)arg;
    asynchat_set_arg(ch, c);
    if (!c) {
        asynchat_close(ch);
        return;
    }
    check(c, asynchat_set_terminator(ch, "\n", 1));
    check(c, asynchat_set_message_limit(ch, LINE_MOST));
    check(c, asynchat_set_output_marks(ch, QUEUE_LOW, QUEUE_HIGH));
    check(c, asynchat_set_output_limit(ch, QUEUE_MOST));
}

static void message(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    struct client *c = arg;
    const char *bytes = data;
    (void)ch;
    if (c->quits)
        return;
    if (c->counted)
        got_word(c, bytes, len - 2);
    else if (c->expected > 0)
        got_length(c, bytes, len);
    else if (len > 0 && bytes[0] == '*')
        got_count(c, bytes, len);
    else
        got_inline(c, bytes, len);
}

static void drained(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_resume_reading(ch);
}

static void failed(struct asynchat_channel *ch, int error, void *arg)
{
    struct client *c = arg;
    (void)ch;
    if (error == ASYNCHAT_ETOOLONG && !c->quits)
        say_protocol_error(c, c->expected > 0 ? "too big bulk count string"
                                              : "too big inline request");
}

/* The words of an array belong together: they are waited for. */
static void stopping(struct asynchat_channel *ch, void *arg)
{
    struct client *c = arg;
    (void)ch;
    c->stops = true;
    if (c->expected == 0 && !c->quits)
        client_goodbye(c);
}

static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    struct client *c = arg;
    (void)ch, (void)status;
    if (!c)
        return;
    while (c->subscriptions)
        subscription_end(c->subscriptions);
    client_free(c);
}

static const struct asynchat_handler handler = {
    .size = sizeof handler,
    .handle_connect = connected,
    .message = message,
    .handle_drained = drained,
    .handle_error = failed,
    .handle_stopping = stopping,
    .handle_close = closed,
};

/* --- from start to stop --- */

static struct asynchat_server *servers[2];
static int listening;

static void require(int error, const char *what)
{
    if (error) {
        fprintf(stderr, "kv: %s: %s\n", what, asynchat_strerror(error));
        exit(1);
    }
}

static void listen_on(const char *kind, const char *where)
{
    char address[ASYNCHAT_ADDRESS_SIZE];
    snprintf(address, sizeof address, "%s:%s", kind, where);
    require(asynchat_server_new(base, address, &handler, NULL, NULL,
                                &servers[listening]),
            address);
    require(
        asynchat_server_address(servers[listening++], address, sizeof address),
        where);
    if (printf("listening on %s\n", address) < 0 || fflush(stdout) != 0)
        require(-errno, "standard output");
}

static void stopped(void *arg)
{
    (void)arg;
    if (--listening == 0)
        event_base_loopbreak(base);
}

/* Once; a second signal ends the program at once. */
static void stop(evutil_socket_t number, short what, void *arg)
{
    struct event *const *signals = arg;
    (void)number, (void)what;
    event_del(signals[0]);
    event_del(signals[1]);
    for (int i = listening; i > 0; i--)
        require(asynchat_server_stop(servers[i - 1], GRACE, stopped, NULL),
                "stop");
}

static struct event *stop_at(int number, struct event **signals)
{
    struct event *event = evsignal_new(base, number, stop, signals);
    if (!event || event_add(event, NULL) < 0)
        require(-ENOMEM, "signal");
    return event;
}

/* The port, the path, the limit; NULL where they are not given. */
static void read_options(int argc, char **argv, const char *values[3])
{
    static const char *const names[3] = {"--port", "--unix", "--maxmemory"};
    long long n = 0;
    for (int i = 1; i < argc; i += 2) {
        int k = 0;
        while (k < 3 && strcmp(argv[i], names[k]) != 0)
            k++;
        if (k == 3 || i + 1 == argc)
            n = -1;
        else
            values[k] = argv[i + 1];
    }
    const char *limit = values[2] ? values[2] : "0";
    if (n < 0 || !parse_number(limit, strlen(limit), &n) || n < 0) {
        fprintf(stderr, "usage: kv [--port N] [--unix PATH] "
                        "[--maxmemory BYTES]\n");
        exit(1);
    }
    memory_limit = (unsigned long long)n;
}

int main(int argc, char **argv)
{
    const char *options[3] = {NULL};
    struct event *signals[2];
    read_options(argc, argv, options);
    base = event_base_new();
    require(base ? 0 : -ENOMEM, "event_base_new");
    choose_hash();
    require(open_commands() ? 0 : -ENOMEM, "commands");
    if (options[0] || !options[1])
        listen_on("127.0.0.1", options[0] ? options[0] : PORT);
    if (options[1])
        listen_on("unix", options[1]);
    signals[0] = stop_at(SIGINT, signals);
    signals[1] = stop_at(SIGTERM, signals);

    int ran = event_base_dispatch(base); /* until the servers have stopped */

    event_free(signals[0]);
    event_free(signals[1]);
    flush_entries();
    close_commands();
    event_base_free(base);
    return ran < 0 ? 1 : 0;
}
