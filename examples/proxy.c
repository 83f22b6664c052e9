/* A proxy, as in: proxy 127.0.0.1:8080 www.example:80
 *
 * Each side gets what the other side sends, no faster than it can take it. When
 * one side ends, the proxy passes the end on, and the other direction stays
 * open; if nothing moves there for a minute, or for the seconds of --silence,
 * the proxy gives both sides up. With --proxy-protocol 1 or 2, it tells the
 * server whom the connection is from, by a PROXY header of that version.
 * SIGTERM ends the proxy. The rest of the channels is in cookbook/proxy.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include <asynchat.h>

extern const struct asynchat_handler proxy_side;

static struct asynchat_handler side; /* what the recipe has, and silence */
static unsigned version;             /* of the PROXY header; 0: there is none */
static unsigned silence = 60;

/* When one direction is over, silence in the other one may mean that its
 * machine is gone. Without a time the connection might stay for ever. */
static int give_up_if_silent(struct asynchat_channel *ch)
{
    struct asynchat_timeouts times = {.size = sizeof times};
    times.idle = times.write_idle = silence * 1000;
    return asynchat_set_timeouts(ch, &times);
}

static void pass_end_on(struct asynchat_channel *ch, int cut_off, void *other)
{
    proxy_side.handle_eof(ch, cut_off, other);
    if (give_up_if_silent(ch) || give_up_if_silent(other))
        asynchat_close(ch);
}

/* From here on the arg of each channel is the channel on the other side. */
static void accepted(struct asynchat_channel *ch, void *to)
{
    static const struct asynchat_connect_options options = {
        .size = sizeof options, .timeout = 5000};
    struct asynchat_channel *other = NULL;
    if (asynchat_set_handler(ch, &side) ||
        asynchat_connect_name(asynchat_get_base(ch), to, NULL, &options, &side,
                              ch, &other) ||
        asynchat_join(ch, other) ||
        (version > 0 && asynchat_push_proxy(other, version, ch, NULL)))
        asynchat_close(ch);
    asynchat_set_arg(ch, other);
}

/* Reads the options, and answers how many arguments they are. */
static int read_options(int argc, char **argv)
{
    int at = 1;
    for (; at + 1 < argc && argv[at][0] == '-'; at += 2)
        if (strcmp(argv[at], "--proxy-protocol") == 0)
            version = (unsigned)strtoul(argv[at + 1], NULL, 10);
        else if (strcmp(argv[at], "--silence") == 0)
            silence = (unsigned)strtoul(argv[at + 1], NULL, 10);
        else
            return argc;
    return at - 1;
}

int main(int argc, char **argv)
{
    static const struct asynchat_handler front = {.size = sizeof front,
                                                  .handle_connect = accepted};
    struct event_base *base = event_base_new();
    struct asynchat_server *server;
    int error = -1, options = read_options(argc, argv);
    side = proxy_side;
    side.handle_eof = pass_end_on;
    if (base && argc == 3 + options && version <= 2)
        error = asynchat_server_new(base, argv[argc - 2], &front,
                                    argv[argc - 1], NULL, &server);
    if (!error)
        error =
            asynchat_server_stop_on_signal(server, SIGTERM, 1000, NULL, NULL);
    if (error)
        return fprintf(stderr,
                       "proxy [--proxy-protocol 1|2] [--silence SECONDS] FROM "
                       "TO: %s\n",
                       asynchat_strerror(error));
    event_base_dispatch(base); /* until all channels are gone */
    event_base_free(base);
    return 0;
}
