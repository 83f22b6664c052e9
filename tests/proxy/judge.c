/* A server behind balancers, which tells what it has heard of each connection;
 * and a client, which tells balancers of a connection.
 *
 * usage: judge ADDRESS [CERT KEY CA]
 *
 * A PROXY header is required. Each line is answered with what is known of the
 * peer, but for these: "tell VERSION ADDRESS" and "tell-tls VERSION ADDRESS"
 * have a connection to that address told of the peer; what comes back is passed
 * on. Records of the log from INFO on are printed.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <err.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include <asynchat.h>
#include <asynchat/tls.h>

static struct event_base *base;
static struct asynchat_tls *server_tls, *client_tls;

static void check(int error, const char *what)
{
    if (error)
        errx(1, "%s: %s", what, asynchat_strerror(error));
}

static void log_record(const struct asynchat_log_record *r, void *arg)
{
    (void)arg;
    printf("log %s: %s\n", r->peer, r->text);
    fflush(stdout);
}

/* --- the connection that is told of another --- */

/* Who gets the answer; NULL: it has gone. */
struct teller {
    struct asynchat_channel *to;
};

static void told_connect(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_set_terminator(ch, "\n", 1);
    asynchat_push(ch, "who\n", 4);
}

static void told_line(struct asynchat_channel *ch, const void *data, size_t len,
                      void *arg)
{
    struct teller *t = arg;
    if (t->to) {
        asynchat_push(t->to, data, len);
        asynchat_push(t->to, "\n", 1);
    }
    asynchat_close(ch);
}

static void told_close(struct asynchat_channel *ch, int status, void *arg)
{
    struct teller *t = arg;
    (void)ch;
    if (t->to && status)
        asynchat_push_printf(t->to, "failed: %s\n", asynchat_strerror(status));
    if (t->to)
        asynchat_set_arg(t->to, NULL);
    free(t);
}

static const struct asynchat_handler told = {.size = sizeof told,
                                             .handle_connect = told_connect,
                                             .message = told_line,
                                             .handle_close = told_close};

static void tell(struct asynchat_channel *ch, unsigned version,
                 const char *address, bool secure)
{
    struct asynchat_channel *out;
    struct teller *t = calloc(1, sizeof *t);
    if (!t || asynchat_get_arg(ch))
        errx(1, "one at a time");
    t->to = ch;
    asynchat_set_arg(ch, t);
    check(asynchat_connect(base, address, 5000, &told, t, &out), address);
    check(asynchat_push_proxy(out, version, ch, NULL), "push_proxy");
    if (secure && asynchat_tls_start(out, client_tls, "localhost", 0, NULL))
        errx(1, "%s", asynchat_tls_get_error(NULL));
}

/* --- the server --- */

static void push_text(struct asynchat_channel *ch, const char *name,
                      const void *text, size_t len)
{
    if (len > 0)
        asynchat_push_printf(ch, " %s=%.*s", name, (int)len,
                             (const char *)text);
}

static void answer(struct asynchat_channel *ch)
{
    char peer[ASYNCHAT_ADDRESS_SIZE] = "?";
    struct asynchat_proxy p = {.size = sizeof p};
    check(asynchat_peer_address(ch, peer, sizeof peer), "peer");
    check(asynchat_get_proxy(ch, &p), "proxy");
    asynchat_push_printf(ch, "peer=%s version=%u local=%d", peer, p.version,
                         p.local);
    push_text(ch, "balancer", p.balancer, strlen(p.balancer));
    push_text(ch, "destination", p.destination, strlen(p.destination));
    push_text(ch, "alpn", p.alpn, p.alpn_len);
    push_text(ch, "authority", p.authority, p.authority_len);
    push_text(ch, "id", p.unique_id, p.unique_id_len);
    push_text(ch, "tls", p.ssl_version, p.ssl_version_len);
    push_text(ch, "name", p.ssl_name, p.ssl_name_len);
    asynchat_push_printf(ch, " ssl=%u verified=%d tlvs=%d\n", p.ssl, p.verified,
                         p.tlvs_len > 0);
}

static void on_connect(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_set_terminator(ch, "\n", 1);
}

static void on_line(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    char line[512], address[256];
    unsigned version;
    (void)arg;
    snprintf(line, sizeof line, "%.*s", (int)len, (const char *)data);
    if (sscanf(line, "tell %u %255s", &version, address) == 2)
        tell(ch, version, address, false);
    else if (sscanf(line, "tell-tls %u %255s", &version, address) == 2)
        tell(ch, version, address, true);
    else
        answer(ch);
}

static void on_close(struct asynchat_channel *ch, int status, void *arg)
{
    struct teller *t = arg;
    (void)ch;
    (void)status;
    if (t)
        t->to = NULL;
}

static const struct asynchat_handler handler = {.size = sizeof handler,
                                                .handle_connect = on_connect,
                                                .message = on_line,
                                                .handle_close = on_close};

static void make_tls(char **files)
{
    const struct asynchat_tls_options ours = {
        .size = sizeof ours, .certificate = files[0], .key = files[1]};
    const struct asynchat_tls_options theirs = {
        .size = sizeof theirs, .flags = ASYNCHAT_TLS_CLIENT, .trust = files[2]};
    if (asynchat_tls_new(&ours, &server_tls) ||
        asynchat_tls_new(&theirs, &client_tls))
        errx(1, "%s", asynchat_tls_get_error(NULL));
}

int main(int argc, char **argv)
{
    static const struct asynchat_proxy_options proxy = {
        .size = sizeof proxy, .flags = ASYNCHAT_PROXY_KEEP_TLVS};
    static const struct asynchat_server_options options = {
        .size = sizeof options, .proxy = &proxy};
    char address[ASYNCHAT_ADDRESS_SIZE];
    struct asynchat_server *server;
    if (argc != 2 && argc != 5)
        errx(2, "usage: judge ADDRESS [CERT KEY CA]");
    base = event_base_new();
    asynchat_set_log(ASYNCHAT_LOG_INFO, log_record, NULL);
    check(asynchat_server_new(base, argv[1], &handler, NULL, &options, &server),
          argv[1]);
    if (argc == 5) {
        make_tls(argv + 2);
        check(asynchat_tls_serve(server, server_tls), "tls");
    }
    check(asynchat_server_stop_on_signal(server, SIGTERM, 0, NULL, NULL),
          "signal");
    check(asynchat_server_address(server, address, sizeof address), "address");
    printf("listening on %s\n", address);
    fflush(stdout);
    event_base_dispatch(base);
    asynchat_tls_free(server_tls);
    asynchat_tls_free(client_tls);
    event_base_free(base);
    return 0;
}
