/* A fuzzer: a channel with TLS, and a peer made with OpenSSL that makes valid
 * moves in any order. Bytes in are bytes out, and an end in order is only
 * reported, on either side, if everything had come.
 *
 * An input: a byte that says which side and which version, and then moves, each
 * of two bytes. SPDX-License-Identifier: BSD-3-Clause */
#include "tls.h"

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include <openssl/err.h>

#define STREAM (1 << 18)
#define MOVES 200

/* --- the state of a run --- */

struct bytes {
    uint8_t data[STREAM];
    size_t from, to;
};

static struct run {
    struct event_base *base;
    struct asynchat_channel *ch;   /* ours; NULL once it is closed */
    struct asynchat_channel *wire; /* the other end; NULL once it is closed */
    int fd;                        /* or a socket; or -1 */
    SSL *ssl;                      /* the peer */
    bool client;                   /* that is our side */
    bool starttls, started, secure;
    char line[8];
    unsigned line_len, plain_left; /* of our answer, before TLS */
    size_t written, got;           /* by the peer, by us */
    size_t pushed, read;           /* by us, by the peer */
    size_t moved;                  /* to the peer */
    unsigned updates;
    bool shut;   /* the peer has said close_notify */
    bool broken; /* the peer's session */
    bool told;   /* the peer has got our close_notify */
    bool cut;    /* the wire has ended */
    bool ended;  /* we have ended our output, or more */
    bool eof;
    int error, status;
    bool closed;
} run;

/* Sealed bytes that have not been moved yet. */
static struct bytes to_ours, from_ours;

static void bytes_add(struct bytes *b, const void *data, size_t len)
{
    if (b->to + len > STREAM) {
        memmove(b->data, b->data + b->from, b->to - b->from);
        b->to -= b->from;
        b->from = 0;
    }
    CHECK(b->to + len <= STREAM);
    memcpy(b->data + b->to, data, len);
    b->to += len;
}

/* What both sides send. */
static uint8_t pattern[1 << 16];

static const uint8_t *pattern_at(size_t at)
{
    return pattern + at % 251;
}

/* --- our side --- */

static void secure(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
    run.secure = true;
}

static void start(struct asynchat_channel *ch)
{
    run.started = true;
    asynchat_set_terminator_none(ch);
    if (asynchat_tls_start(ch, run.client ? fuzz_tls.client : fuzz_tls.server,
                           run.client ? "a.example" : NULL, 0, secure) < 0)
        asynchat_close(ch);
}

static void handle_connect(struct asynchat_channel *ch, void *arg)
{
    if (!run.starttls)
        secure(ch, arg);
}

static void collect(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    (void)ch;
    (void)arg;
    if (!run.started) {
        CHECK(run.line_len + len <= sizeof run.line);
        memcpy(run.line + run.line_len, data, len);
        run.line_len += (unsigned)len;
        return;
    }
    CHECK(run.secure && run.got + len <= run.written);
    for (size_t at = 0; at < len; at++)
        CHECK(((const uint8_t *)data)[at] == *pattern_at(run.got + at));
    run.got += len;
}

static void found(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    bool wanted = run.line_len == 1 && run.line[0] == 'T';
    run.line_len = 0;
    if (!wanted)
        return;
    if (asynchat_push(ch, "ok\n", 3) == 0)
        run.plain_left = 3;
    start(ch);
}

static void handle_eof(struct asynchat_channel *ch, int cut_off, void *arg)
{
    (void)ch;
    (void)cut_off;
    (void)arg;
    run.eof = true;
    CHECK(!run.secure || (run.shut && run.got == run.written));
}

static void handle_error(struct asynchat_channel *ch, int error, void *arg)
{
    (void)arg;
    CHECK(error < 0 && asynchat_tls_get_error(ch));
    run.error = error;
}

static void handle_close(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    (void)arg;
    CHECK(run.error == 0 || run.error == status);
    CHECK(status != ASYNCHAT_EOF || run.eof || !run.secure);
    run.closed = true;
    run.status = status;
    run.ch = NULL;
}

static const struct asynchat_handler handler = {
    .size = sizeof handler,
    .collect_incoming_data = collect,
    .found_terminator = found,
    .handle_connect = handle_connect,
    .handle_eof = handle_eof,
    .handle_error = handle_error,
    .handle_close = handle_close,
};

static void push(size_t len, bool reference)
{
    const uint8_t *data = pattern_at(run.pushed);
    if (!run.ch || !run.started || run.pushed > STREAM / 2)
        return;
    if ((reference ? asynchat_push_reference(run.ch, data, len, NULL, NULL)
                   : asynchat_push(run.ch, data, len)) == 0)
        run.pushed += len;
}

/* --- the wire --- */

static void wire_bytes(const void *data, size_t len)
{
    const char *at = data;
    for (; run.plain_left > 0 && len > 0; at++, len--)
        CHECK(*at == "ok\n"[3 - run.plain_left--]);
    bytes_add(&from_ours, at, len);
}

static void wire_collect(struct asynchat_channel *ch, const void *data,
                         size_t len, void *arg)
{
    (void)ch;
    (void)arg;
    wire_bytes(data, len);
}

static void wire_eof(struct asynchat_channel *ch, int cut_off, void *arg)
{
    (void)cut_off;
    (void)arg;
    asynchat_keep_open(ch);
}

static void wire_close(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    (void)status;
    (void)arg;
    run.wire = NULL;
}

static const struct asynchat_handler wire_handler = {
    .size = sizeof wire_handler,
    .collect_incoming_data = wire_collect,
    .handle_eof = wire_eof,
    .handle_close = wire_close,
};

static void loop(void)
{
    event_base_loop(run.base, EVLOOP_NONBLOCK);
}

/* Takes what the session has written, and moves up to `len` bytes to us. */
static void deliver(size_t len)
{
    char piece[4096];
    int n;
    while ((n = BIO_read(SSL_get_wbio(run.ssl), piece, sizeof piece)) > 0)
        bytes_add(&to_ours, piece, (size_t)n);
    if (len > to_ours.to - to_ours.from)
        len = to_ours.to - to_ours.from;
    if (run.cut || len == 0)
        return;
    if (run.fd >= 0) {
        ssize_t sent = send(run.fd, to_ours.data + to_ours.from, len,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        len = sent > 0 ? (size_t)sent : 0;
    } else if (run.wire) {
        asynchat_push(run.wire, to_ours.data + to_ours.from, len);
    } else {
        return;
    }
    to_ours.from += len;
}

/* From a socket: what is not received here stays in the system, and then with
 * us. */
static void take(size_t len)
{
    char piece[4096];
    ssize_t n = 1;
    while (run.fd >= 0 && n > 0 && len > 0) {
        n = recv(run.fd, piece, len < sizeof piece ? len : sizeof piece,
                 MSG_DONTWAIT);
        if (n <= 0)
            return;
        wire_bytes(piece, (size_t)n);
        len -= (size_t)n;
    }
}

/* --- the peer --- */

/* What the session answers. It may be broken, by a request to renegotiate that
 * is refused, or because we have ended by an error. */
static void look(int result)
{
    int what = SSL_get_error(run.ssl, result);
    if (what == SSL_ERROR_SSL || what == SSL_ERROR_SYSCALL)
        run.broken = true;
    ERR_clear_error();
}

static void shake(void)
{
    if (run.broken || SSL_is_init_finished(run.ssl))
        return;
    look(SSL_do_handshake(run.ssl));
}

static void read_all(void)
{
    uint8_t piece[4096];
    int n;
    while (!run.broken && SSL_is_init_finished(run.ssl) &&
           (n = SSL_read(run.ssl, piece, sizeof piece)) > 0) {
        CHECK(run.read + (size_t)n <= run.pushed);
        for (int at = 0; at < n; at++)
            CHECK(piece[at] == *pattern_at(run.read + (size_t)at));
        run.read += (size_t)n;
    }
    ERR_clear_error();
    if (!run.broken && SSL_is_init_finished(run.ssl))
        look(SSL_read(run.ssl, piece, 0));
    if (SSL_get_shutdown(run.ssl) & SSL_RECEIVED_SHUTDOWN && !run.broken) {
        CHECK(run.told || run.read == run.pushed);
        run.told = true;
    }
}

static void receive(size_t len)
{
    take(len);
    if (len > from_ours.to - from_ours.from)
        len = from_ours.to - from_ours.from;
    if (len > 0) {
        int n = BIO_write(SSL_get_rbio(run.ssl),
                          from_ours.data + from_ours.from, (int)len);
        CHECK(n == (int)len);
        from_ours.from += len;
        run.moved += len;
    }
    shake();
    read_all();
}

static bool peer_writes(void)
{
    return !run.broken && !run.shut && SSL_is_init_finished(run.ssl) &&
           run.written < STREAM / 4;
}

static void write_once(size_t len)
{
    if (len == 0 || !peer_writes())
        return;
    int n = SSL_write(run.ssl, pattern_at(run.written), (int)len);
    if (n > 0)
        run.written += (size_t)n;
    else
        run.broken = true;
    ERR_clear_error();
}

static void shut(void)
{
    if (!peer_writes())
        return;
    run.shut = SSL_shutdown(run.ssl) >= 0;
    ERR_clear_error();
}

static void update_keys(unsigned how)
{
    if (!peer_writes() || SSL_version(run.ssl) != TLS1_3_VERSION)
        return;
    if (SSL_key_update(run.ssl, how & 1 ? SSL_KEY_UPDATE_REQUESTED
                                        : SSL_KEY_UPDATE_NOT_REQUESTED))
        run.updates++;
    look(SSL_do_handshake(run.ssl));
}

static void renegotiate(void)
{
    if (!peer_writes() || SSL_version(run.ssl) == TLS1_3_VERSION)
        return;
    SSL_renegotiate(run.ssl);
    SSL_do_handshake(run.ssl);
    run.broken = true; /* it will be refused */
    ERR_clear_error();
}

/* --- moves --- */

static void end_ours(unsigned how)
{
    if (!run.ch)
        return;
    run.ended = true;
    if (how == 0)
        asynchat_close_when_done(run.ch);
    else if (how == 1)
        asynchat_shutdown_write(run.ch);
    else if (how == 2)
        asynchat_close(run.ch);
    else if (how == 3)
        asynchat_close_in_stages(run.ch);
    else
        asynchat_abort(run.ch);
}

static void cut_wire(void)
{
    if (run.fd >= 0)
        shutdown(run.fd, SHUT_WR);
    else if (run.wire && !run.cut)
        asynchat_shutdown_write(run.wire);
    run.cut = true;
}

static void move(unsigned what, unsigned n)
{
    switch (what % 16) {
    case 0:
        deliver(n ? n : SIZE_MAX);
        break;
    case 1:
        write_once(n * 16);
        break;
    case 2:
        for (unsigned i = 0; i < n % 64; i++)
            write_once(1);
        break;
    case 3:
        shut();
        break;
    case 4:
        update_keys(n);
        break;
    case 5:
        renegotiate();
        break;
    case 6:
        receive(n ? n : SIZE_MAX);
        break;
    case 7:
        push(n * 16, false);
        break;
    case 8:
        end_ours(n % 5);
        break;
    case 9:
        push(n * 16, true);
        break;
    case 10:
        if (run.ch)
            asynchat_pause_reading(run.ch);
        break;
    case 11:
        if (run.ch)
            asynchat_resume_reading(run.ch);
        break;
    case 12:
        if (n % 4 == 0)
            cut_wire();
        break;
    case 13:
        deliver(SIZE_MAX);
        loop();
        receive(SIZE_MAX);
        break;
    case 14:
        if (run.ch)
            asynchat_set_in_buffer_size(run.ch, 1 + n * n);
        loop();
        break;
    default:
        loop();
    }
}

/* Everything moves until nothing does. */
static void settle(void)
{
    size_t before = SIZE_MAX;
    for (int quiet = 0; quiet < 10; quiet++) {
        if (run.ch)
            asynchat_resume_reading(run.ch);
        deliver(SIZE_MAX);
        loop();
        receive(SIZE_MAX);
        loop();
        size_t moved = run.got + run.read + run.moved + to_ours.from;
        if (moved != before)
            quiet = 0;
        before = moved;
    }
}

/* --- a run --- */

static void connect_pair(void)
{
    const struct asynchat_handler *const handlers[] = {&handler, &wire_handler};
    struct asynchat_channel *both[2];
    void *const args[] = {NULL, NULL};
    CHECK(asynchat_pair_new(run.base, handlers, args, both) == 0);
    run.ch = both[0];
    run.wire = both[1];
}

/* The system takes few bytes at a time. */
static void connect_sockets(void)
{
    int ends[2], size = 1;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    CHECK(asynchat_channel_new_socket(run.base, ends[0], &handler, NULL,
                                      &run.ch) == 0);
    run.fd = ends[1];
}

static void begin(unsigned how)
{
    run = (struct run){.client = how & 1, .starttls = how & 4, .fd = -1};
    to_ours.from = to_ours.to = from_ours.from = from_ours.to = 0;
    SSL_CTX *ctx =
        fuzz_tls_peer(run.client, how & 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
    run.ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    SSL_set_bio(run.ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_tlsext_host_name(run.ssl, "a.example");
    run.base = event_base_new();
    CHECK(run.base);
    if (how & 8)
        connect_sockets();
    else
        connect_pair();
    if (run.client)
        SSL_set_accept_state(run.ssl);
    else
        SSL_set_connect_state(run.ssl);
    if (run.starttls) {
        CHECK(asynchat_set_terminator(run.ch, "\n", 1) == 0);
        bytes_add(&to_ours, "hi\n\nT\n", 6);
    } else {
        start(run.ch);
    }
    shake();
}

/* What must have happened if nobody has broken anything off. */
static void check_end(void)
{
    bool whole = run.secure && !run.broken && !run.cut && run.updates <= 100;
    if (!whole)
        return;
    if (!run.ended)
        CHECK(run.got == run.written && run.read == run.pushed);
    if (!run.ended && run.shut)
        CHECK(run.eof && run.closed && run.status == ASYNCHAT_EOF && run.told);
    if (!run.ended && !run.shut)
        CHECK(!run.closed && !run.eof && !run.told);
}

static void finish(void)
{
    asynchat_channel_free(run.ch);
    asynchat_channel_free(run.wire);
    if (run.fd >= 0)
        close(run.fd);
    loop();
    event_base_free(run.base);
    SSL_free(run.ssl);
    ERR_clear_error();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    fuzz_tls_begin();
    for (size_t i = 0; pattern[sizeof pattern - 1] == 0 && i < sizeof pattern;
         i++)
        pattern[i] = (uint8_t)(i % 251);
    begin(input_front(&in));
    for (unsigned i = 0; i < MOVES && in.at < in.end; i++) {
        unsigned what = input_front(&in);
        move(what, input_front(&in));
    }
    settle();
    check_end();
    finish();
    fuzz_tls_check();
    return 0;
}
