/* A fuzzer: arbitrary bytes, or a ClientHello or the words of a server with
 * changes, come to a side that expects TLS. Nobody who has no keys gets through
 * the handshake; each end has a code; and the numbers of the statistics fit.
 *
 * An input: a byte that says which side and which bytes, then the changes, each
 * of four bytes, up to a zero; then bytes that are appended. From the back: how
 * many bytes come at a time. SPDX-License-Identifier: BSD-3-Clause */
#include "tls.h"

#include <stdbool.h>
#include <string.h>

#include <event2/event.h>

#include <openssl/err.h>

#define STREAM 65536

/* --- valid words --- */

struct words {
    uint8_t bytes[STREAM];
    size_t len;
};

static struct words hello, answer;

static void keep(struct words *words, SSL *from, SSL *to)
{
    words->len = 0;
    int n = BIO_read(SSL_get_wbio(from), words->bytes, 16384);
    CHECK(n > 0);
    words->len = (size_t)n;
    CHECK(BIO_write(SSL_get_rbio(to), words->bytes, n) == n);
}

static SSL *make_session(SSL_CTX *ctx)
{
    SSL *ssl = SSL_new(ctx);
    CHECK(ssl);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    return ssl;
}

/* A ClientHello that asks for the name, and what a server answers. */
static void record_words(void)
{
    SSL_CTX *client_ctx = fuzz_tls_peer(false, TLS1_3_VERSION);
    SSL_CTX *server_ctx = fuzz_tls_peer(true, TLS1_3_VERSION);
    CHECK(SSL_CTX_set_min_proto_version(client_ctx, TLS1_2_VERSION));
    SSL *client = make_session(client_ctx), *server = make_session(server_ctx);
    SSL_set_connect_state(client);
    SSL_set_accept_state(server);
    SSL_set_tlsext_host_name(client, "a.example");
    SSL_set_alpn_protos(client, (const unsigned char *)"\1x\2yy", 5);
    SSL_do_handshake(client);
    keep(&hello, client, server);
    SSL_do_handshake(server);
    keep(&answer, server, client);
    SSL_free(client);
    SSL_free(server);
    SSL_CTX_free(client_ctx);
    SSL_CTX_free(server_ctx);
    ERR_clear_error();
}

/* --- the stream --- */

static struct words stream;

static void insert(size_t at, uint8_t byte)
{
    if (stream.len == STREAM)
        return;
    memmove(stream.bytes + at + 1, stream.bytes + at, stream.len - at);
    stream.bytes[at] = byte;
    stream.len++;
}

/* Writes the words again as records of `size` bytes. */
static void cut_records(const struct words *words, size_t size)
{
    size_t len = words->len - 5;
    stream.len = 0;
    for (size_t at = 0; at < len; at += size) {
        size_t n = len - at < size ? len - at : size;
        if (stream.len + 5 + n > STREAM)
            return;
        uint8_t *to = stream.bytes + stream.len;
        memcpy(to, words->bytes, 3);
        to[3] = (uint8_t)(n >> 8);
        to[4] = (uint8_t)n;
        memcpy(to + 5, words->bytes + 5 + at, n);
        stream.len += 5 + n;
    }
}

/* What a change does. */
enum { SET = 1, INSERT, REMOVE, CUT, REPEAT, CHANGES };

static void change(struct input *in, unsigned what)
{
    size_t at = input_front(in) << 8;
    at += input_front(in);
    uint8_t byte = (uint8_t)input_front(in);
    if (stream.len == 0 || what % CHANGES == 0)
        return;
    at %= stream.len;
    switch (what % CHANGES) {
    case SET:
        stream.bytes[at] = byte;
        break;
    case INSERT:
        insert(at, byte);
        break;
    case REMOVE:
        stream.len--;
        memmove(stream.bytes + at, stream.bytes + at + 1, stream.len - at);
        break;
    case CUT:
        stream.len = at;
        break;
    default:
        for (unsigned i = 0; i < byte; i++)
            insert(at, stream.bytes[at]);
    }
}

static void make_stream(struct input *in, unsigned how)
{
    const struct words *words = how & 1 ? &answer : &hello;
    unsigned what;
    stream.len = 0;
    if ((how & 6) == 2)
        cut_records(words, 1 + input_front(in));
    else if ((how & 6) != 0)
        stream = *words;
    if (stream.len > 0)
        while ((what = input_front(in)) != 0)
            change(in, what);
    while (in->at < in->end && stream.len < STREAM)
        stream.bytes[stream.len++] = (uint8_t)input_front(in);
}

/* --- the channel --- */

static struct end {
    bool up, closed;
    int error;
} end;

static void never(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
    end.up = true;
}

static void never_data(struct asynchat_channel *ch, const void *data,
                       size_t len, void *arg)
{
    (void)data;
    (void)len;
    never(ch, arg);
}

static void handle_error(struct asynchat_channel *ch, int error, void *arg)
{
    (void)arg;
    CHECK(error < 0 && asynchat_tls_get_error(ch));
    end.error = error;
}

static void handle_close(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    (void)arg;
    CHECK(status == end.error);
    end.closed = true;
}

static const struct asynchat_handler handler = {
    .size = sizeof handler,
    .collect_incoming_data = never_data,
    .handle_error = handle_error,
    .handle_close = handle_close,
};

static void peer_closed(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    (void)status;
    *(struct asynchat_channel **)arg = NULL;
}

static const struct asynchat_handler peer_handler = {
    .size = sizeof peer_handler, .handle_close = peer_closed};

static void loop(struct event_base *base)
{
    for (int i = 0; i < 8; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static void play(struct input *in, bool client)
{
    const struct asynchat_handler *const handlers[] = {&handler, &peer_handler};
    struct asynchat_channel *both[2];
    void *const args[] = {NULL, &both[1]};
    struct event_base *base = event_base_new();
    CHECK(base && asynchat_pair_new(base, handlers, args, both) == 0);
    CHECK(asynchat_tls_start(both[0],
                             client ? fuzz_tls.client : fuzz_tls.server,
                             client ? "a.example" : NULL, 0, never) == 0);
    loop(base);
    for (size_t at = 0; at < stream.len && both[1];) {
        size_t n = input_back(in);
        n = n == 0 || n > stream.len - at ? stream.len - at : n;
        asynchat_push(both[1], stream.bytes + at, n);
        at += n;
        loop(base);
    }
    if (both[1])
        asynchat_close_when_done(both[1]);
    loop(base);
    CHECK(end.closed && end.error < 0 && !end.up);
    if (both[1])
        asynchat_channel_free(both[1]);
    loop(base);
    event_base_free(base);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_tls_begin();
    if (hello.len == 0)
        record_words();
    struct input in = {data, data + size};
    unsigned how = input_front(&in);
    size_t kept = (size_t)(in.end - in.at) / 4;
    struct input front = {in.at, in.end - kept};
    struct input back = {in.end - kept, in.end};
    end = (struct end){0};
    make_stream(&front, how);
    play(&back, how & 1);
    fuzz_tls_check();
    return 0;
}
