/* A proxy, as in: proxy 127.0.0.1:8080 127.0.0.1:80
 *
 * Each side gets what the other side sends, no faster than it can take it. When
 * one side ends, the proxy passes the end on, and the other direction stays
 * open. SIGTERM ends the proxy. The channels are in cookbook/proxy.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <signal.h>
#include <stdio.h>

#include <event2/event.h>

#include <asynchat.h>

extern const struct asynchat_handler proxy; /* its `arg` is where to connect */

int main(int argc, char **argv)
{
    struct event_base *base = event_base_new();
    struct asynchat_server *server;
    int error = -1;
    if (base && argc == 3)
        error =
            asynchat_server_new(base, argv[1], &proxy, argv[2], NULL, &server);
    if (!error)
        error =
            asynchat_server_stop_on_signal(server, SIGTERM, 1000, NULL, NULL);
    if (error)
        return fprintf(stderr, "proxy FROM TO: %s\n", asynchat_strerror(error));
    event_base_dispatch(base); /* until all channels are gone */
    event_base_free(base);
    return 0;
}
