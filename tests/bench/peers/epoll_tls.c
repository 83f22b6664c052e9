/* A peer on epoll with OpenSSL on the socket, as a competent programmer would
 * write it: it reads until there is no more, then answers with one SSL_write.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "peer.h"
#include "tls.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#define BUFFER 65536
#define TURNS 16 /* records for one connection before the others get a turn */

struct connection {
    int fd;
    unsigned watched; /* events */
    SSL *ssl;
    size_t out_len, out_at; /* output that OpenSSL has not taken yet */
    char *out;
    uint64_t left, at; /* bytes to send from memory; the place in it */
    struct peer_request request;
    struct peer_upload upload;
    char held; /* see peer_line_end */
};

static _Alignas(4096) char input[BUFFER];
static char output[BUFFER];

static int poll_fd;
static SSL_CTX *ctx;

static void end(struct connection *c)
{
    SSL_free(c->ssl);
    ERR_clear_error();
    close(c->fd);
    free(c->out);
    free(c);
}

static void watch(struct connection *c, unsigned events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (c->watched == events)
        return;
    epoll_ctl(poll_fd, c->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd,
              &event);
    c->watched = events;
}

/* Returns whether OpenSSL only waits for the socket. */
static int waits(struct connection *c, int n)
{
    int why = SSL_get_error(c->ssl, n);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

/* --- sending: 0, or -1 when the connection is to end --- */

static int keep(struct connection *c, const char *rest, size_t len)
{
    c->out = malloc(len);
    if (!c->out)
        return -1;
    memcpy(c->out, rest, len);
    c->out_len = len;
    c->out_at = 0;
    watch(c, EPOLLOUT);
    return 0;
}

static int flush(struct connection *c, const char *data, size_t len)
{
    while (len > 0) {
        int n = SSL_write(c->ssl, data, (int)len);
        if (n <= 0)
            return waits(c, n) ? keep(c, data, len) : -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

static int flush_rest(struct connection *c)
{
    while (c->out_at < c->out_len) {
        int n = SSL_write(c->ssl, c->out + c->out_at,
                          (int)(c->out_len - c->out_at));
        if (n <= 0)
            return waits(c, n) ? 0 : -1;
        c->out_at += (size_t)n;
    }
    free(c->out);
    c->out = NULL;
    watch(c, EPOLLIN);
    return 0;
}

static int pump(struct connection *c)
{
    for (int turn = 0; turn < TURNS && c->left > 0; turn++) {
        size_t len = c->left < PEER_CHUNK ? (size_t)c->left : PEER_CHUNK;
        int n = SSL_write(c->ssl, peer_block(c->at), (int)len);
        if (n <= 0 && waits(c, n))
            break;
        if (n <= 0)
            return -1;
        c->at += (uint64_t)n;
        c->left -= (uint64_t)n;
    }
    watch(c, c->left > 0 ? EPOLLOUT : EPOLLIN);
    return 0;
}

/* --- the modes: what is done with bytes received; 0, or -1 as above --- */

/* Every line is found, and copied to the output with its end. */
static int line(struct connection *c, const char *data, size_t len)
{
    const char *end = data + len;
    size_t out = 0;
    while (data < end) {
        const char *next = peer_line_end(&c->held, data, end);
        size_t n = (size_t)((next ? next : end) - data);
        memcpy(output + out, data, n);
        out += n;
        data += n;
    }
    return flush(c, output, out);
}

static int sink(struct connection *c, const char *data, size_t len)
{
    const char *end = data + len;
    while (data < end) {
        char answer[PEER_ANSWER];
        const char *next = peer_line_end(&c->held, data, end);
        c->upload.length += (size_t)((next ? next : end) - data);
        if (!next)
            return 0;
        data = next;
        c->upload.length -= 2;
        size_t n = peer_upload_line(&c->upload, answer);
        if (n > 0 && flush(c, answer, n) < 0)
            return -1;
    }
    return 0;
}

static int request(struct connection *c, const char *data, size_t len)
{
    if (!peer_request(&c->request, data, len, &c->left))
        return 0;
    c->at = 0;
    return pump(c);
}

static int received(struct connection *c, const char *data, size_t len)
{
    static int (*const modes[])(struct connection *, const char *, size_t) = {
        [PEER_LINE] = line, [PEER_SINK] = sink, [PEER_SOURCE] = request};
    return modes[peer_mode](c, data, len);
}

/* --- the loop --- */

/* Reads what there is, up to a full buffer. Returns how many bytes; *why is
 * OpenSSL's reason for no more. */
static size_t fill(struct connection *c, int *why)
{
    size_t len = 0;
    *why = SSL_ERROR_NONE;
    while (len < sizeof input) {
        int n = SSL_read(c->ssl, input + len, (int)(sizeof input - len));
        if (n <= 0) {
            *why = SSL_get_error(c->ssl, n);
            break;
        }
        len += (size_t)n;
    }
    return len;
}

/* The rest of a record that is in OpenSSL already makes no event. */
static void readable(struct connection *c)
{
    int why;
    do {
        size_t len = fill(c, &why);
        if (len > 0 && received(c, input, len) < 0) {
            end(c);
            return;
        }
    } while (why == SSL_ERROR_NONE && SSL_pending(c->ssl) > 0 && !c->out &&
             c->left == 0);
    if (why == SSL_ERROR_ZERO_RETURN)
        SSL_shutdown(c->ssl); /* answers close_notify */
    if (why != SSL_ERROR_NONE && why != SSL_ERROR_WANT_READ &&
        why != SSL_ERROR_WANT_WRITE)
        end(c);
}

static void writable(struct connection *c)
{
    if ((c->out ? flush_rest(c) : pump(c)) < 0)
        end(c);
    else if (!c->out && c->left == 0 && SSL_pending(c->ssl) > 0)
        readable(c);
}

static void acceptable(int listening)
{
    int fd;
    while ((fd = accept4(listening, NULL, NULL,
                         SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        if (!c || !(c->ssl = SSL_new(ctx)) || !SSL_set_fd(c->ssl, fd))
            abort();
        SSL_set_accept_state(c->ssl);
        c->fd = fd;
        watch(c, EPOLLIN);
    }
}

static void loop(int listening)
{
    struct epoll_event events[64];
    for (;;) {
        int n = epoll_wait(poll_fd, events, 64, -1);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c)
                acceptable(listening);
            else if (events[i].events & EPOLLOUT)
                writable(c);
            else
                readable(c);
        }
    }
}

int main(int argc, char **argv)
{
    int on = 1, listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    ctx = peer_tls_begin(argc, argv);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes with write(2) */
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    peer_nodelay(listening);
    if (bind(listening, (struct sockaddr *)&peer_address, sizeof peer_address) <
            0 ||
        listen(listening, PEER_BACKLOG) < 0) {
        perror("epoll_tls");
        return 1;
    }
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, listening, &event);
    loop(listening);
}
