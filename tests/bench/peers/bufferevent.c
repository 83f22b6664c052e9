/* A peer on bufferevents, written as in libevent's own documentation.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "peer.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

struct connection {
    uint64_t left, at; /* bytes to send from memory; the place in it */
    size_t searched;   /* bytes of the input without an end of line */
    struct peer_upload upload;
};

static void line(struct bufferevent *bev, void *arg)
{
    struct evbuffer *input = bufferevent_get_input(bev);
    size_t len;
    char *line;
    (void)arg;
    while ((line = evbuffer_readln(input, &len, EVBUFFER_EOL_CRLF_STRICT))) {
        bufferevent_write(bev, line, len);
        bufferevent_write(bev, "\r\n", 2);
        free(line);
    }
}

/* The bytes are moved, not copied. */
static void length(struct bufferevent *bev, void *arg)
{
    struct evbuffer *input = bufferevent_get_input(bev);
    struct connection *c = arg;
    c->at = (c->at + evbuffer_get_length(input)) % PEER_MESSAGE;
    bufferevent_write_buffer(bev, input);
}

/* Each search begins where the last one ended: evbuffer_readln would begin at
 * the start of the line with every 4 kB that arrive. */
static void sink(struct bufferevent *bev, void *arg)
{
    struct evbuffer *input = bufferevent_get_input(bev);
    struct connection *c = arg;
    for (;;) {
        char answer[PEER_ANSWER];
        struct evbuffer_ptr from;
        evbuffer_ptr_set(input, &from, c->searched, EVBUFFER_PTR_SET);
        struct evbuffer_ptr at =
            evbuffer_search_eol(input, &from, NULL, EVBUFFER_EOL_CRLF_STRICT);
        if (at.pos < 0)
            break;
        c->upload.length = (size_t)at.pos;
        c->searched = 0;
        evbuffer_drain(input, (size_t)at.pos + 2);
        size_t n = peer_upload_line(&c->upload, answer);
        if (n > 0)
            bufferevent_write(bev, answer, n);
    }
    size_t len = evbuffer_get_length(input);
    c->searched = len > 0 ? len - 1 : 0; /* the last byte may be '\r' */
}

/* Called when less than the low watermark is left of what was written. */
static void pump(struct bufferevent *bev, void *arg)
{
    struct evbuffer *output = bufferevent_get_output(bev);
    struct connection *c = arg;
    while (c->left > 0 && evbuffer_get_length(output) < 2 * PEER_CHUNK) {
        size_t n = c->left < PEER_CHUNK ? (size_t)c->left : PEER_CHUNK;
        evbuffer_add_reference(output, peer_block(c->at), n, NULL, NULL);
        c->at += n;
        c->left -= n;
    }
}

static void request(struct bufferevent *bev, void *arg)
{
    struct connection *c = arg;
    char *text = evbuffer_readln(bufferevent_get_input(bev), NULL,
                                 EVBUFFER_EOL_CRLF_STRICT);
    if (!text)
        return;
    uint64_t n = strtoull(text, NULL, 10);
    free(text);
    if (peer_mode == PEER_FILE) {
        evbuffer_add_file(bufferevent_get_output(bev), dup(peer_file), 0,
                          (ev_off_t)n);
        return;
    }
    c->left = n;
    c->at = 0;
    pump(bev, c);
}

static void event(struct bufferevent *bev, short what, void *arg)
{
    if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
        return;
    bufferevent_free(bev);
    free(arg);
}

static void accepted(struct evconnlistener *listener, evutil_socket_t fd,
                     struct sockaddr *from, int len, void *arg)
{
    static const bufferevent_data_cb modes[] = {line, length, sink, request,
                                                request};
    int sends = peer_mode == PEER_SOURCE;
    struct bufferevent *bev =
        bufferevent_socket_new(arg, fd, BEV_OPT_CLOSE_ON_FREE);
    struct connection *c = peer_mode == PEER_LINE ? NULL : calloc(1, sizeof *c);
    (void)listener;
    (void)from;
    (void)len;
    bufferevent_setcb(bev, modes[peer_mode], sends ? pump : NULL, event, c);
    if (sends) {
        bufferevent_set_max_single_write(bev, PEER_CHUNK);
        bufferevent_setwatermark(bev, EV_WRITE, PEER_CHUNK, 0);
    }
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}

int main(int argc, char **argv)
{
    struct event_base *base = event_base_new();
    peer_begin(argc, argv, PEER_FILE);
    signal(SIGPIPE, SIG_IGN);
    struct evconnlistener *listener = evconnlistener_new_bind(
        base, accepted, base,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC,
        PEER_BACKLOG, (struct sockaddr *)&peer_address, sizeof peer_address);
    if (!listener)
        return 1;
    peer_nodelay(evconnlistener_get_fd(listener));
    return event_base_dispatch(base);
}
