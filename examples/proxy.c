/* A proxy, as in: proxy 127.0.0.1:8080 127.0.0.1:80
 *
 * Each side gets what the other side sends, no faster than it can take it. When
 * one side ends, the proxy passes the end on, and the other direction stays
 * open. SIGTERM ends the proxy. SPDX-License-Identifier: BSD-3-Clause */
#include <signal.h>
#include <stdio.h>

#include <event2/event.h>

#include <asynchat.h>

static struct event_base *base;
static const char *to;

/* The arg of each channel is the channel on the other side, until that is gone. */
static void forward(struct asynchat_channel *ch, const void *data, size_t len,
                    void *other)
{
    if (asynchat_push(other, data, len))
        asynchat_close(ch);
}

static void pass_end_on(struct asynchat_channel *ch, int cut_off, void *other)
{
    asynchat_keep_open(ch);
    /* without a terminator `cut_off` is always 0 */
    if (asynchat_shutdown_write(other) || cut_off)
        asynchat_close(ch);
}

static void gone(struct asynchat_channel *ch, int status, void *other)
{
    if (status != 0 && status != ASYNCHAT_EOF)
        fprintf(stderr, "proxy: %p: %s\n", (void *)ch,
                asynchat_strerror(status));
    asynchat_set_arg(other, NULL);
    asynchat_close_when_done(other);
}

static const struct asynchat_handler side = {
    .size = sizeof side,
    .collect_incoming_data = forward,
    .handle_eof = pass_end_on,
    .handle_close = gone,
};

static void accepted(struct asynchat_channel *ch, void *arg)
{
    struct asynchat_channel *other = arg; /* NULL: not there yet */
    if (asynchat_connect(base, to, 5000, &side, ch, &other) ||
        asynchat_join(ch, other))
        asynchat_close(ch);
    asynchat_set_arg(ch, other);
}

int main(int argc, char **argv)
{
    struct asynchat_handler front = side;
    struct asynchat_server *server;
    int error = -1;
    front.handle_connect = accepted;
    base = event_base_new();
    to = argv[argc - 1];
    if (base && argc == 3)
        error = asynchat_server_new(base, argv[1], &front, NULL, NULL, &server);
    if (!error)
        error =
            asynchat_server_stop_on_signal(server, SIGTERM, 1000, NULL, NULL);
    if (error)
        return fprintf(stderr, "proxy FROM TO: %s\n", asynchat_strerror(error));
    event_base_dispatch(base); /* until all channels are gone */
    event_base_free(base);
    return 0;
}
