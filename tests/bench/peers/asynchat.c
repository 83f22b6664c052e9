/* The common part of the two peers on libasynchat: the start of a channel,
 * sending from memory and from a file, and the main program.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "asynchat.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#ifdef PEER_URING
#include <asynchat/uring.h>
#endif

static unsigned workers; /* 0: the main thread */
static bool limited, shared, small, proxied, io_uring;

/* --- limits --- */

/* The load never reaches these limits. The times are short enough that their
 * timers run during the measurement. */
static void limit(struct asynchat_channel *ch)
{
    static const struct asynchat_timeouts times = {
        .size = sizeof times,
        .idle = PEER_TIME,
        .read_idle = PEER_TIME,
        .write_idle = PEER_TIME,
        .message = PEER_TIME,
        .min_rate = 1,
        .rate_time = PEER_TIME,
    };
    if (asynchat_set_timeouts(ch, &times) ||
        asynchat_set_linger(ch, PEER_TIME) ||
        asynchat_set_message_limit(ch, 65536) ||
        asynchat_set_message_budget(ch, 64) ||
        asynchat_set_output_marks(ch, 4096, 262144) ||
        asynchat_set_output_limit(ch, 1048576) || asynchat_join(ch, ch))
        abort();
}

/* These limits count connections, but turn nobody away. */
static void limit_server(struct asynchat_server_options *options)
{
    options->max_connections = 1000000;
    options->max_per_address = 1000000;
    options->accept_budget = 64;
    options->turn_away = "too many\r\n";
}

void start(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    if (limited)
        limit(ch);
    if (peer_mode == PEER_LENGTH)
        asynchat_set_terminator_length(ch, PEER_MESSAGE);
    else if (peer_mode <= PEER_FILE)
        asynchat_set_terminator(ch, "\r\n", 2);
}

void finish(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    (void)status;
    free(arg);
}

/* --- sink --- */

void start_sink(struct asynchat_channel *ch, void *arg)
{
    struct peer_upload *upload = calloc(1, sizeof *upload);
    if (!upload)
        abort();
    asynchat_set_arg(ch, upload);
    start(ch, arg);
}

void sink_line(struct asynchat_channel *ch, struct peer_upload *upload)
{
    char answer[PEER_ANSWER];
    size_t n = peer_upload_line(upload, answer);
    asynchat_push(ch, answer, n);
}

void sink_piece(struct asynchat_channel *ch, const void *data, size_t len,
                void *arg)
{
    struct peer_upload *upload = arg;
    (void)ch;
    (void)data;
    upload->length += len;
}

void sink_end(struct asynchat_channel *ch, void *arg)
{
    sink_line(ch, arg);
}

/* --- source and file --- */

struct source {
    uint64_t at, left;
};

static int more(struct asynchat_channel *ch, struct evbuffer *out, size_t room,
                void *arg)
{
    struct source *s = arg;
    size_t n = s->left < room ? (size_t)s->left : room;
    (void)ch;
    if (evbuffer_add_reference(out, peer_block(s->at), n, NULL, NULL) < 0)
        abort();
    s->at += n;
    s->left -= n;
    return s->left ? ASYNCHAT_MORE : ASYNCHAT_DONE;
}

static void push_source(struct asynchat_channel *ch, uint64_t len)
{
    static const struct asynchat_producer_ops ops = {
        .size = sizeof ops, .more = more, .release = free};
    struct source *s = calloc(1, sizeof *s);
    struct asynchat_producer *producer;
    if (!s)
        abort();
    s->left = len;
    if (asynchat_producer_new(&ops, s, &producer))
        abort();
    asynchat_push_producer(ch, producer);
}

static void push_small(struct asynchat_channel *ch, uint64_t len)
{
    size_t n;
    for (uint64_t at = 0; at < len; at += n) {
        n = len - at < SMALL ? (size_t)(len - at) : SMALL;
        if (asynchat_push_reference(ch, peer_block(at), n, NULL, NULL))
            abort();
    }
}

static void start_source(struct asynchat_channel *ch, void *arg)
{
    asynchat_set_out_buffer_size(ch, PEER_CHUNK);
    start(ch, arg);
}

static void request(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    char text[24] = "";
    (void)arg;
    if (len >= sizeof text) {
        asynchat_close(ch);
        return;
    }
    memcpy(text, data, len);
    uint64_t n = strtoull(text, NULL, 10);
    if (small)
        push_small(ch, n);
    else if (peer_mode == PEER_SOURCE)
        push_source(ch, n);
    else
        asynchat_push_producer(ch,
                               asynchat_producer_file(dup(peer_file), 0, n));
}

static const struct asynchat_handler source = {
    .size = sizeof source,
    .handle_connect = start_source,
    .message = request,
};

/* --- the program --- */

static void check(int error, const char *what)
{
    if (!error)
        return;
    fprintf(stderr, "%s: %s\n", what, asynchat_strerror(error));
    exit(1);
}

/* Reads the options in front of the mode, and returns how many there are. */
static int read_options(char **argument)
{
    char **first = argument;
    for (; *argument; argument++) {
        if (strcmp(*argument, "limits") == 0)
            limited = true;
        else if (strcmp(*argument, "shared") == 0)
            shared = true;
        else if (strcmp(*argument, "small") == 0)
            small = true;
        else if (strcmp(*argument, "proxied") == 0)
            proxied = true;
        else if (strcmp(*argument, "--io-uring") == 0)
            io_uring = true;
        else if (atoi(*argument) > 0)
            workers = (unsigned)atoi(*argument);
        else
            break;
    }
    return (int)(argument - first);
}

static const struct asynchat_handler *handler(void)
{
    return peer_mode == PEER_SOURCE || peer_mode == PEER_FILE ? &source
                                                              : echo_handler();
}

/* The workers of the server, which may be NULL, have rings as well. */
static void use_rings(struct event_base *base, struct asynchat_workers *all)
{
#ifdef PEER_URING
    check(asynchat_uring_use(base), "io_uring");
    if (all)
        check(asynchat_uring_use_workers(all), "io_uring");
#else
    (void)base;
    (void)all;
    check(-ENOTSUP, "io_uring");
#endif
}

static void listen_at(struct event_base *base, char **argument)
{
    char address[64];
    static const struct asynchat_proxy_options proxy = {.size = sizeof proxy};
    struct asynchat_server_options options = {.size = sizeof options,
                                              .backlog = PEER_BACKLOG};
    struct asynchat_server *server;
    if (proxied)
        options.proxy = &proxy;
    if (limited)
        limit_server(&options);
    if (shared)
        options.flags = ASYNCHAT_REUSE_PORT;
    if (workers > 0)
        check(asynchat_workers_new(workers, NULL, NULL, &options.workers),
              "workers");
    if (io_uring)
        use_rings(base, options.workers);
    snprintf(address, sizeof address, "127.0.0.1:%s", argument[2]);
    check(
        asynchat_server_new(base, address, handler(), NULL, &options, &server),
        address);
#ifdef PEER_TLS
    check(secure(server, argument[3], argument[4]), "TLS");
#endif
}

int main(int argc, char **argv)
{
    struct event_base *base = event_base_new();
    int options = argc > 0 ? read_options(argv + 1) : 0;
    char **argument = argv + options;
    if (!base)
        return 1;
    peer_begin(argc - options - PEER_FILES, argument, PEER_LAST);
    listen_at(base, argument);
    event_base_dispatch(base);
    return 0;
}
