/* Echoes lines on libuv: the answers to one read leave in one uv_try_write, and
 * what the socket does not take in a uv_write.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#define BUFFER 65536

struct connection {
    uv_tcp_t tcp;
    char held; /* a '\r' at the end of the last read */
};

static char input[BUFFER];
static char output[BUFFER + 2];

static void allocate(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    (void)handle;
    (void)size;
    *buffer = uv_buf_init(input, sizeof input);
}

static void freed(uv_handle_t *handle)
{
    free(handle);
}

static void written(uv_write_t *request, int status)
{
    (void)status;
    free(request);
}

/* Every line is found, and copied to the output with its end. */
static size_t echo_lines(struct connection *c, const char *data, size_t len)
{
    size_t out = 0;
    const char *end_of_data = data + len;
    if (c->held) {
        output[out++] = '\r';
        if (*data == '\n')
            output[out++] = *data++;
        c->held = 0;
    }
    while (data < end_of_data) {
        const char *cr = memchr(data, '\r', (size_t)(end_of_data - data));
        size_t n = cr ? (size_t)(cr - data) : (size_t)(end_of_data - data);
        if (cr && cr + 1 == end_of_data)
            c->held = 1;
        else if (cr)
            n += cr[1] == '\n' ? 2 : 1;
        memcpy(output + out, data, n);
        out += n;
        data += n + (size_t)c->held;
    }
    return out;
}

static void flush(uv_stream_t *stream, char *data, size_t len)
{
    uv_buf_t buffer = uv_buf_init(data, (unsigned)len);
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

static void readable(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    if (n < 0) {
        uv_close((uv_handle_t *)stream, freed);
        return;
    }
    if (n == 0)
        return;
    size_t len =
        echo_lines((struct connection *)stream, buffer->base, (size_t)n);
    if (len > 0)
        flush(stream, output, len);
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
    uv_tcp_nodelay(&c->tcp, 1);
    uv_read_start((uv_stream_t *)&c->tcp, allocate, readable);
}

int main(int argc, char **argv)
{
    uv_tcp_t server;
    struct sockaddr_in at;
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_init(loop, &server);
    uv_ip4_addr("127.0.0.1", atoi(argv[argc - 1]), &at);
    if (uv_tcp_bind(&server, (struct sockaddr *)&at, 0) < 0 ||
        uv_listen((uv_stream_t *)&server, 4096, connected) < 0)
        return 1;
    return uv_run(loop, UV_RUN_DEFAULT);
}
