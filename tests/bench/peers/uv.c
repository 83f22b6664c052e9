/* A peer on libuv: the answers to one read leave in one uv_try_write, and what
 * the socket does not take in a uv_write.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "peer.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#define BUFFER 65536

/* For connections that send from memory or file. */
struct transfer {
    uv_write_t write;
    bool busy;              /* `write` is libuv's until sent() is called */
    char piece[PEER_CHUNK]; /* a piece of the file */
};

struct connection {
    uv_tcp_t tcp; /* first: a pointer to it also points to this struct */
    struct transfer *transfer;
    uint64_t left; /* bytes to send from memory or file */
    uint64_t at;   /* the place in it, or in a message that is received */
    struct peer_request request;
    struct peer_upload upload;
    char held; /* see peer_line_end */
};

static _Alignas(4096) char input[BUFFER]; /* recv is slow into some places */
static char output[BUFFER];

/* --- sending --- */

static void written(uv_write_t *request, int status)
{
    (void)status;
    free(request);
}

static void flush(struct connection *c, const char *data, size_t len)
{
    uv_stream_t *stream = (uv_stream_t *)&c->tcp;
    uv_buf_t buffer = uv_buf_init((char *)data, (unsigned)len);
    int sent = uv_try_write(stream, &buffer, 1);
    if (sent == (int)len)
        return;
    if (sent < 0)
        sent = 0;
    len -= (size_t)sent;
    uv_write_t *request = malloc(sizeof *request + len);
    if (!request)
        abort();
    buffer = uv_buf_init((char *)(request + 1), (unsigned)len);
    memcpy(buffer.base, data + sent, len);
    uv_write(request, stream, &buffer, 1, written);
}

/* Returns the next bytes to send, from memory or read from the file. uv_fs_read
 * without a callback works at once. uv_fs_sendfile is no gain: on a socket it
 * copies 8 KiB at a time. */
static uv_buf_t next_piece(struct connection *c)
{
    uv_fs_t request;
    unsigned len = c->left < PEER_CHUNK ? (unsigned)c->left : PEER_CHUNK;
    if (peer_mode == PEER_SOURCE)
        return uv_buf_init((char *)peer_block(c->at), len);
    uv_buf_t piece = uv_buf_init(c->transfer->piece, len);
    int got = uv_fs_read(c->tcp.loop, &request, peer_file, &piece, 1,
                         (int64_t)c->at, NULL);
    uv_fs_req_cleanup(&request);
    if (got <= 0)
        abort();
    return uv_buf_init(piece.base, (unsigned)got);
}

static void sent(uv_write_t *request, int status);

/* uv_write sends what it can at once, and waits for the socket by itself. */
static void pump(struct connection *c)
{
    uv_buf_t piece = next_piece(c);
    c->at += piece.len;
    c->left -= piece.len;
    c->transfer->write.data = c;
    c->transfer->busy = true;
    uv_write(&c->transfer->write, (uv_stream_t *)&c->tcp, &piece, 1, sent);
}

static void sent(uv_write_t *request, int status)
{
    struct connection *c = request->data;
    c->transfer->busy = false;
    if (status == 0 && c->left > 0)
        pump(c);
}

/* --- the modes: what is done with bytes received --- */

/* Every line is found, and copied to the output with its end. */
static void line(struct connection *c, const char *data, size_t len)
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
    flush(c, output, out);
}

static void length(struct connection *c, const char *data, size_t len)
{
    c->at = (c->at + len) % PEER_MESSAGE;
    flush(c, data, len);
}

static void sink(struct connection *c, const char *data, size_t len)
{
    const char *end = data + len;
    while (data < end) {
        char answer[PEER_ANSWER];
        const char *next = peer_line_end(&c->held, data, end);
        c->upload.length += (size_t)((next ? next : end) - data);
        if (!next)
            return;
        data = next;
        c->upload.length -= 2;
        size_t n = peer_upload_line(&c->upload, answer);
        if (n > 0)
            flush(c, answer, n);
    }
}

/* The peer may have received all of one transfer, and asked for the next, before
 * libuv has called sent() for its last piece. */
static void request(struct connection *c, const char *data, size_t len)
{
    if (!peer_request(&c->request, data, len, &c->left))
        return;
    c->at = 0;
    if (!c->transfer && !(c->transfer = calloc(1, sizeof *c->transfer)))
        abort();
    if (c->left > 0 && !c->transfer->busy)
        pump(c);
}

/* --- the loop --- */

static void allocate(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    (void)handle;
    (void)size;
    *buffer = uv_buf_init(input, sizeof input);
}

static void freed(uv_handle_t *handle)
{
    struct connection *c = (struct connection *)handle;
    free(c->transfer);
    free(c);
}

static void readable(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    static void (*const modes[])(struct connection *, const char *, size_t) = {
        line, length, sink, request, request};
    if (n < 0)
        uv_close((uv_handle_t *)stream, freed);
    if (n > 0)
        modes[peer_mode]((struct connection *)stream, buffer->base, (size_t)n);
}

static void connected(uv_stream_t *server, int status)
{
    struct connection *c = status < 0 ? NULL : calloc(1, sizeof *c);
    if (!c)
        return;
    uv_tcp_init(server->loop, &c->tcp);
    if (uv_accept(server, (uv_stream_t *)&c->tcp) < 0) {
        uv_close((uv_handle_t *)&c->tcp, freed);
        return;
    }
    uv_read_start((uv_stream_t *)&c->tcp, allocate, readable);
}

int main(int argc, char **argv)
{
    uv_os_fd_t fd;
    uv_tcp_t server;
    uv_loop_t *loop = uv_default_loop();
    peer_begin(argc, argv, PEER_FILE);
    signal(SIGPIPE, SIG_IGN);
    uv_tcp_init(loop, &server);
    if (uv_tcp_bind(&server, (struct sockaddr *)&peer_address, 0) < 0 ||
        uv_listen((uv_stream_t *)&server, PEER_BACKLOG, connected) < 0)
        return 1;
    uv_fileno((uv_handle_t *)&server, &fd);
    peer_nodelay(fd);
    return uv_run(loop, UV_RUN_DEFAULT);
}
