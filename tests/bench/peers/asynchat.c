/* What the two peers on libasynchat share: the start of a channel, sending from
 * memory and from a file, and the main program.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "asynchat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

void start(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    if (peer_mode == PEER_LENGTH)
        asynchat_set_terminator_length(ch, PEER_MESSAGE);
    else
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
    if (peer_mode == PEER_SOURCE)
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

/* The number in front of the other arguments: 0 if it is not there. */
static unsigned workers_asked_for(int argc, char **argv)
{
    return argc > 3 ? (unsigned)atoi(argv[1]) : 0;
}

int main(int argc, char **argv)
{
    char address[64];
    struct asynchat_server_options options = {.size = sizeof options,
                                              .backlog = PEER_BACKLOG};
    struct asynchat_server *server;
    struct event_base *base = event_base_new();
    unsigned workers = workers_asked_for(argc, argv);
    if (!base)
        return 1;
    if (workers > 0) {
        check(asynchat_workers_new(workers, NULL, NULL, &options.workers),
              argv[1]);
        argc--;
        argv++;
    }
    peer_begin(argc, argv);
    snprintf(address, sizeof address, "127.0.0.1:%s", argv[2]);
    check(asynchat_server_new(base, address,
                              peer_mode < PEER_SOURCE ? echo_handlers[peer_mode]
                                                      : &source,
                              NULL, &options, &server),
          address);
    event_base_dispatch(base);
    return 0;
}
