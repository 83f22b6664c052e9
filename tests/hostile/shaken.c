/* A TLS server that sends each line back: shaken CERTIFICATE KEY BUDGET. BUDGET
 * is the handshake_budget. Prints its port, and at the end of input how many
 * handshakes were done and failed. SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>

#include <asynchat.h>
#include <asynchat/tls.h>

static struct event_base *base;

static void check(int error, const char *what)
{
    if (error >= 0)
        return;
    fprintf(stderr, "shaken: %s: %s\n", what, asynchat_strerror(error));
    exit(1);
}

static void handle_connect(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    check(asynchat_set_terminator(ch, "\n", 1), "terminator");
}

static void message(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    (void)arg;
    asynchat_push(ch, data, len);
    asynchat_push(ch, "\n", 1);
}

static void stop(evutil_socket_t fd, short what, void *arg)
{
    char byte;
    (void)what;
    (void)arg;
    if (read(fd, &byte, 1) <= 0)
        event_base_loopbreak(base);
}

int main(int argc, char **argv)
{
    static const struct asynchat_handler handler = {.size = sizeof handler,
                                                    .handle_connect =
                                                        handle_connect,
                                                    .message = message};
    struct asynchat_server *server;
    struct asynchat_tls *tls;
    struct asynchat_tls_stats stats;
    if (argc != 4)
        return 2;
    struct asynchat_tls_options options = {
        .size = sizeof options,
        .certificate = argv[1],
        .key = argv[2],
        .handshake_budget = (unsigned)strtoul(argv[3], NULL, 10)};
    base = event_base_new();
    struct event *input =
        event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, stop, NULL);
    check(event_add(input, NULL), "input");
    check(asynchat_tls_new(&options, &tls), "context");
    check(
        asynchat_server_new(base, "127.0.0.1:0", &handler, NULL, NULL, &server),
        "server");
    check(asynchat_tls_serve(server, tls), "serve");
    printf("%d\n", asynchat_server_port(server));
    fflush(stdout);
    event_base_dispatch(base);
    check(asynchat_tls_get_stats(tls, &stats, sizeof stats), "stats");
    printf("%" PRIu64 " %" PRIu64 "\n", stats.done, stats.failed);
    return 0;
}
