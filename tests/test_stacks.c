/* Nothing is lost and nothing stands still over any stack of bufferevents.
 * Random conversations with pauses, budgets, rates, terminators, sizes and ends
 * run over each kind of transport in the table at the end.
 *
 * SEED=n COUNT=1 runs one conversation of each kind again. ONLY="*TLS*" runs
 * those over TLS, and LEAVE_OUT leaves some out.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"
#include "fixture.h"
#include "toy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#define SEEDS 300
#define TERMINATOR_MAX 4
#define LEVELS_MAX 4

/* After this many passes of the loop in which nothing moves, a conversation
 * stands still. A side that is paused, or has a rate, needs a few dozen. Each
 * pass lasts a millisecond of the clock. */
#define QUIET_PASSES 1000

/* --- chance --- */

static uint64_t chance;

static uint32_t draw(uint32_t below)
{
    chance ^= chance >> 12;
    chance ^= chance << 25;
    chance ^= chance >> 27;
    return (uint32_t)((chance * UINT64_C(2685821657736338717)) >> 33) % below;
}

static bool one_in(uint32_t n)
{
    return draw(n) == 0;
}

/* Small sizes are as likely as large ones. */
static size_t draw_size(size_t most)
{
    size_t size = (size_t)1 << draw(20);
    size += draw((uint32_t)size);
    return size < most ? size : most;
}

/* --- a conversation --- */

enum end {
    END_DONE,   /* the first closes when done, and only it sends */
    END_SHUT,   /* the first ends its output, and then the second closes */
    END_AGREED, /* the first closes when both sides have everything */
    END_GONE,   /* the first aborts or closes somewhere in between */
    ENDS
};

static const char *const end_names[] = {"closing when done", "half closing",
                                        "closing when all has come", "going"};

struct talk;

struct side {
    struct talk *talk;
    struct asynchat_channel *ch; /* NULL once it has closed */
    struct side *other;
    unsigned char *sent, *got;
    size_t len, pushed, got_len;
    unsigned char terminator[TERMINATOR_MAX];
    size_t terminator_len;
    uint32_t pauses; /* one in `pauses` callbacks and passes pauses; 0: none */
    uint32_t paused; /* how many passes until reading goes on */
    uint32_t piece;  /* the most that is pushed at a time */
    bool up, changes, kept, told_eof, ended;
    int status, closes;
};

struct talk {
    struct event_base *base;
    struct side side[2];
    enum end end;
    unsigned connecting; /* ASYNCHAT_CONNECTING, or 0 */
    bool whole;          /* messages are wanted whole */
    bool keeps;          /* a filter keeps bytes until there are more */
    bool defers;         /* every level defers its callbacks */
    bool layers;         /* layers tell an end from one that was cut off */
    int later;           /* layers that begin in handle_connect, at a border:
                            the number of words of a handshake, and 1 */
    int trailers;        /* how many ends of filters came */
    int trailing;        /* how many ends of filters are expected */
    char wrong[256];
};

static void wrong(struct talk *talk, const char *what)
{
    if (!talk->wrong[0])
        snprintf(talk->wrong, sizeof talk->wrong, "%s", what);
}

/* --- its callbacks --- */

static void got(struct side *side, const void *data, size_t len)
{
    if (side->told_eof || side->closes > 0)
        wrong(side->talk, "bytes after the end");
    if (len > side->other->len - side->got_len) {
        wrong(side->talk, "more came than was sent");
        return;
    }
    if (memcmp(side->other->sent + side->got_len, data, len) != 0)
        wrong(side->talk, "other bytes came than were sent");
    memcpy(side->got + side->got_len, data, len);
    side->got_len += len;
}

static void set_terminator(struct side *side)
{
    static const char letters[] = "ab\r\n";
    uint32_t kind = draw(4);
    int error;
    side->terminator_len = 0;
    if (kind == 0) {
        error = asynchat_set_terminator_none(side->ch);
    } else if (kind == 1) {
        error = asynchat_set_terminator_length(side->ch, 4 + draw_size(3000));
    } else {
        side->terminator_len = 1 + draw(TERMINATOR_MAX);
        for (size_t i = 0; i < side->terminator_len; i++)
            side->terminator[i] = (unsigned char)letters[draw(4)];
        error = asynchat_set_terminator(side->ch, side->terminator,
                                        side->terminator_len);
    }
    assert_int_equal(error, 0);
}

static void may_pause(struct side *side)
{
    if (side->pauses == 0 || !one_in(side->pauses) || side->paused > 0)
        return;
    asynchat_pause_reading(side->ch);
    side->paused = 1 + draw(12);
}

static void set_layer(struct side *side, int steps);

static void on_connect(struct asynchat_channel *ch, void *arg)
{
    struct side *side = arg;
    side->ch = ch;
    side->up = true;
    if (side->talk->later > 0)
        set_layer(side, side->talk->later - 1);
    set_terminator(side);
    may_pause(side);
}

static void on_data(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    struct side *side = arg;
    (void)ch;
    got(side, data, len);
    may_pause(side);
}

static void on_found(struct asynchat_channel *ch, void *arg)
{
    struct side *side = arg;
    (void)ch;
    got(side, side->terminator, side->terminator_len);
    if (side->changes || side->terminator_len == 0)
        set_terminator(side);
    may_pause(side);
}

static void on_message(struct asynchat_channel *ch, const void *data,
                       size_t len, void *arg)
{
    const void *bytes;
    uint64_t left;
    enum asynchat_terminator kind = asynchat_get_terminator(ch, &bytes, &left);
    got(arg, data, len);
    if (kind != ASYNCHAT_NONE)
        on_found(ch, arg);
}

/* If whole messages are wanted, a message that is cut off is not delivered. */
static void got_rest(struct side *side)
{
    const void *data;
    size_t len = asynchat_get_collected(side->ch, &data);
    if (len > 0 && !side->kept)
        got(side, data, len);
    side->kept = true;
}

static void on_eof(struct asynchat_channel *ch, int cut_off, void *arg)
{
    struct side *side = arg;
    (void)cut_off;
    got_rest(side);
    if (side->told_eof)
        wrong(side->talk, "a second end of file");
    side->told_eof = true;
    if (side->pushed < side->len)
        asynchat_keep_open(ch);
}

static void on_error(struct asynchat_channel *ch, int error, void *arg)
{
    struct side *side = arg;
    (void)ch;
    (void)error;
    if (!side->told_eof)
        got_rest(side);
}

static void on_close(struct asynchat_channel *ch, int status, void *arg)
{
    struct side *side = arg;
    (void)ch;
    side->status = status;
    if (side->closes++ > 0)
        wrong(side->talk, "handle_close twice");
    side->ch = NULL;
}

static const struct asynchat_handler pieces_handler = {
    .size = sizeof pieces_handler,
    .collect_incoming_data = on_data,
    .found_terminator = on_found,
    .handle_connect = on_connect,
    .handle_eof = on_eof,
    .handle_error = on_error,
    .handle_close = on_close,
};

static const struct asynchat_handler whole_handler = {
    .size = sizeof whole_handler,
    .message = on_message,
    .handle_connect = on_connect,
    .handle_eof = on_eof,
    .handle_error = on_error,
    .handle_close = on_close,
};

static const struct asynchat_handler *handler(const struct talk *talk)
{
    return talk->whole ? &whole_handler : &pieces_handler;
}

/* --- filters --- */

#define BLOCK 7

/* In the escaped code the bytes 'e' and 'a' become more than one byte, and "e."
 * comes once, at the end. */
struct code {
    enum { PLAIN, LIMITED, DOUBLED, ESCAPED, BLOCKS, KEPT, CODES } kind;
    struct talk *talk;
    unsigned char rest[BLOCK]; /* KEPT */
    size_t kept;
    bool trailed;
};

/* The bytes that a filter may take and give in one call. */
struct step {
    struct code *code;
    struct evbuffer *from, *to;
    size_t have, room;
    bool last;
};

static enum bufferevent_filter_result moved(size_t n)
{
    return n > 0 ? BEV_OK : BEV_NEED_MORE;
}

/* Gives the output in one go, as the last action of a call, because libevent
 * passes it on at once, which may call the same filter again. For the same
 * reason evbuffer_remove_buffer() is not safe in a filter over another
 * filter. */
static enum bufferevent_filter_result give(struct step s, const void *bytes,
                                           size_t len, size_t taken)
{
    if (len > 0)
        evbuffer_add(s.to, bytes, len);
    return moved(taken);
}

/* The most bytes that a filter takes in one call. */
#define CALL_MOST 2048

/* Takes the first bytes: at most `most`, and at most as many as a call may. */
static size_t take(struct step s, unsigned char *bytes, size_t most)
{
    size_t n = s.have < most ? s.have : most;
    n = n < CALL_MOST ? n : CALL_MOST;
    return n > 0 ? (size_t)evbuffer_remove(s.from, bytes, n) : 0;
}

static enum bufferevent_filter_result pass(struct step s)
{
    unsigned char bytes[CALL_MOST];
    size_t most = one_in(2) ? 1 + draw(CALL_MOST) : CALL_MOST;
    size_t n = take(s, bytes, most < s.room ? most : s.room);
    return give(s, bytes, n, n);
}

static enum bufferevent_filter_result double_each(struct step s)
{
    unsigned char bytes[CALL_MOST], twice[2 * CALL_MOST];
    size_t n = take(s, bytes, s.room / 2);
    for (size_t i = 0; i < n; i++)
        twice[2 * i] = twice[2 * i + 1] = bytes[i];
    return give(s, twice, 2 * n, n);
}

static enum bufferevent_filter_result halve(struct step s)
{
    unsigned char bytes[CALL_MOST];
    size_t pairs = s.have / 2 < s.room ? s.have / 2 : s.room;
    size_t n = take(s, bytes, 2 * pairs);
    for (size_t i = 0; i < n; i += 2) {
        if (bytes[i] != bytes[i + 1])
            wrong(s.code->talk, "a doubled byte was torn apart");
        bytes[i / 2] = bytes[i];
    }
    return give(s, bytes, n / 2, n);
}

static enum bufferevent_filter_result escape(struct step s)
{
    unsigned char bytes[CALL_MOST], escaped[2 * CALL_MOST + 2];
    size_t len = 0, n = take(s, bytes, s.room / 2);
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == 'e' || bytes[i] == 'a')
            escaped[len++] = 'e';
        escaped[len++] = bytes[i];
    }
    if (s.last && n == s.have && !s.code->trailed) {
        s.code->trailed = true;
        escaped[len++] = 'e';
        escaped[len++] = '.';
    }
    return give(s, escaped, len, len);
}

/* Half of an escape is left in the buffer. */
static enum bufferevent_filter_result unescape(struct step s)
{
    unsigned char bytes[CALL_MOST];
    size_t at = 0, len = 0, n = s.have < CALL_MOST ? s.have : CALL_MOST;
    n = n > 0 ? (size_t)evbuffer_copyout(s.from, bytes, n) : 0;
    while (at < n && len < s.room) {
        bool escaped = bytes[at] == 'e';
        if (escaped && at + 1 == n)
            break;
        at += escaped;
        if (escaped && bytes[at] == '.')
            s.code->talk->trailers++;
        else
            bytes[len++] = bytes[at];
        at++;
    }
    evbuffer_drain(s.from, at);
    return give(s, bytes, len, at);
}

/* Passes on only whole blocks, until the end. */
static enum bufferevent_filter_result block(struct step s)
{
    unsigned char bytes[CALL_MOST];
    size_t most = s.have < s.room ? s.have : s.room;
    most = most < CALL_MOST ? most : CALL_MOST;
    if (!s.last || most < s.have)
        most -= most % BLOCK;
    size_t n = take(s, bytes, most);
    return give(s, bytes, n, n);
}

/* Like block(), but the rest is kept in the filter itself. */
static enum bufferevent_filter_result keep(struct step s)
{
    unsigned char bytes[CALL_MOST + BLOCK];
    struct code *code = s.code;
    size_t kept = code->kept;
    memcpy(bytes, code->rest, kept);
    size_t n = take(s, bytes + kept, s.room);
    size_t len = kept + n, left = s.last && n == s.have ? 0 : len % BLOCK;
    code->kept = left;
    memcpy(code->rest, bytes + len - left, left);
    return give(s, bytes, len - left, len - left + n);
}

typedef enum bufferevent_filter_result (*way)(struct step s);

static enum bufferevent_filter_result run(way go, struct evbuffer *from,
                                          struct evbuffer *to, ev_ssize_t limit,
                                          enum bufferevent_flush_mode mode,
                                          struct code *code)
{
    struct step s = {code,     from,
                     to,       evbuffer_get_length(from),
                     SIZE_MAX, mode == BEV_FINISHED};
    if (limit >= 0)
        s.room = (size_t)limit;
    return go(s);
}

static enum bufferevent_filter_result filter_in(
    struct evbuffer *from, struct evbuffer *to, ev_ssize_t limit,
    enum bufferevent_flush_mode mode, void *arg)
{
    static const way in[CODES] = {pass, pass, halve, unescape, pass, pass};
    return run(in[((struct code *)arg)->kind], from, to, limit, mode, arg);
}

static enum bufferevent_filter_result filter_out(
    struct evbuffer *from, struct evbuffer *to, ev_ssize_t limit,
    enum bufferevent_flush_mode mode, void *arg)
{
    static const way out[CODES] = {pass,   pass,  double_each,
                                   escape, block, keep};
    return run(out[((struct code *)arg)->kind], from, to, limit, mode, arg);
}

/* --- stacks --- */

static int options(const struct talk *talk)
{
    bool defers = talk->defers || one_in(2);
    return BEV_OPT_CLOSE_ON_FREE | (defers ? BEV_OPT_DEFER_CALLBACKS : 0);
}

/* Sets watermarks, as a program may have done before. */
static void mark(struct bufferevent *bev)
{
    size_t low = draw(64);
    if (one_in(4))
        bufferevent_setwatermark(bev, EV_READ, low,
                                 one_in(2) ? low + 1 + draw(64) : 0);
}

static struct bufferevent *filter(struct talk *talk, struct bufferevent *below,
                                  int kind)
{
    struct code *code = calloc(1, sizeof *code);
    assert_non_null(code);
    code->kind = kind;
    code->talk = talk;
    talk->trailing += kind == ESCAPED;
    talk->keeps = talk->keeps || kind == BLOCKS || kind == KEPT;
    if (kind == LIMITED) {
        size_t high = 2 + draw(5000);
        bufferevent_setwatermark(below, EV_WRITE, draw((uint32_t)high), high);
    }
    mark(below);
    struct bufferevent *bev = bufferevent_filter_new(
        below, filter_in, filter_out, options(talk), free, code);
    assert_non_null(bev);
    return bev;
}

/* Puts the same filters on both sides. */
static void filters(struct talk *talk, struct bufferevent *bevs[2], size_t most)
{
    size_t levels = 1 + draw((uint32_t)most);
    for (size_t i = 0; i < levels; i++) {
        int kind = (int)draw(CODES);
        bevs[0] = filter(talk, bevs[0], kind);
        bevs[1] = filter(talk, bevs[1], kind);
    }
}

static void sockets(int fds[2])
{
    make_socketpair(fds);
    for (int i = 0; i < 2; i++)
        assert_int_equal(fcntl(fds[i], F_SETFL, O_NONBLOCK), 0);
}

static void over_sockets(struct talk *talk, struct bufferevent *bevs[2])
{
    int fds[2];
    sockets(fds);
    for (int i = 0; i < 2; i++) {
        bevs[i] = bufferevent_socket_new(talk->base, fds[i], options(talk));
        assert_non_null(bevs[i]);
    }
}

static void over_pair(struct talk *talk, struct bufferevent *bevs[2])
{
    assert_int_equal(bufferevent_pair_new(talk->base, options(talk), bevs), 0);
}

/* Makes the channels over the bufferevents. */
static void over(struct talk *talk, struct bufferevent *bevs[2])
{
    for (int i = 0; i < 2; i++) {
        mark(bevs[i]);
        assert_int_equal(asynchat_channel_new(bevs[i], talk->connecting,
                                              handler(talk), &talk->side[i],
                                              &talk->side[i].ch),
                         0);
    }
}

/* --- the kinds of transport --- */

static void make_pair(struct talk *talk)
{
    const struct asynchat_handler *handlers[2] = {handler(talk), handler(talk)};
    void *args[2] = {&talk->side[0], &talk->side[1]};
    struct asynchat_channel *chs[2];
    assert_int_equal(asynchat_pair_new(talk->base, handlers, args, chs), 0);
    for (int i = 0; i < 2; i++)
        talk->side[i].ch = chs[i];
}

static void make_socket(struct talk *talk)
{
    int fds[2];
    sockets(fds);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            asynchat_channel_new_socket(talk->base, fds[i], handler(talk),
                                        &talk->side[i], &talk->side[i].ch),
            0);
}

/* --- layers --- */

/* What a layer may be like, but for errors. */
static struct toy *draw_toy(bool client, int steps)
{
    struct toy *toy = toy_new(client);
    toy->steps = steps;
    toy->talks = one_in(2) ? 0 : 1 + (int)draw(4);
    toy->waits = one_in(2) ? 0 : 1 + (int)draw(4);
    toy->takes = one_in(2) ? 0 : 1 + (int)draw(3);
    toy->greedy = one_in(2) ? 0 : (int)draw(3);
    return toy;
}

static void set_layer(struct side *side, int steps)
{
    bool client = side == &side->talk->side[0];
    assert_int_equal(
        asynchat_set_layer(side->ch, &toy_ops, draw_toy(client, steps), NULL),
        0);
}

static void set_layers(struct talk *talk)
{
    int steps = (int)draw(5);
    talk->layers = true;
    for (int i = 0; i < 2; i++)
        set_layer(&talk->side[i], steps);
}

/* In handle_connect, at a border. */
static void set_layers_later(struct talk *talk)
{
    talk->layers = true;
    talk->later = 1 + (int)draw(5);
}

static void make_later_layer_over_pair(struct talk *talk)
{
    make_pair(talk);
    set_layers_later(talk);
}

static void make_later_layer_over_socket(struct talk *talk)
{
    make_socket(talk);
    set_layers_later(talk);
}

static void make_layer_over_pair(struct talk *talk)
{
    make_pair(talk);
    set_layers(talk);
}

static void make_layer_over_socket(struct talk *talk)
{
    make_socket(talk);
    set_layers(talk);
}

static void make_layer_over_small_socket(struct talk *talk)
{
    make_socket(talk);
    for (int i = 0; i < 2; i++) {
        int fd = bufferevent_getfd(asynchat_get_bufferevent(talk->side[i].ch));
        int size = 1;
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    }
    set_layers(talk);
}

static void make_socket_bufferevent(struct talk *talk)
{
    struct bufferevent *bevs[2];
    over_sockets(talk, bevs);
    over(talk, bevs);
}

static void make_pair_bufferevent(struct talk *talk)
{
    struct bufferevent *bevs[2];
    over_pair(talk, bevs);
    over(talk, bevs);
}

static void make_filter_over_socket(struct talk *talk)
{
    struct bufferevent *bevs[2];
    over_sockets(talk, bevs);
    filters(talk, bevs, 1);
    over(talk, bevs);
}

static void make_filters_over_socket(struct talk *talk)
{
    struct bufferevent *bevs[2];
    over_sockets(talk, bevs);
    filters(talk, bevs, LEVELS_MAX);
    over(talk, bevs);
}

static void make_filter_over_pair(struct talk *talk)
{
    struct bufferevent *bevs[2];
    over_pair(talk, bevs);
    filters(talk, bevs, 1);
    over(talk, bevs);
}

static void make_filters_over_pair(struct talk *talk)
{
    struct bufferevent *bevs[2];
    over_pair(talk, bevs);
    filters(talk, bevs, LEVELS_MAX);
    over(talk, bevs);
}

#ifdef TEST_OPENSSL
#include <event2/bufferevent_ssl.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

static SSL_CTX *tls;

static EVP_PKEY *tls_key(void)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
    assert_true(EVP_PKEY_keygen_init(ctx) > 0);
    assert_true(
        EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1) > 0);
    assert_true(EVP_PKEY_keygen(ctx, &key) > 0);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static X509 *tls_certificate(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    assert_non_null(certificate);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

/* For both sides. The end of the stream is an end of file, whatever reports it.
 */
static int tls_begin(void **state)
{
    EVP_PKEY *key = tls_key();
    X509 *certificate = tls_certificate(key);
    (void)state;
    tls = SSL_CTX_new(TLS_method());
    assert_non_null(tls);
    assert_int_equal(SSL_CTX_use_certificate(tls, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(tls, key), 1);
    SSL_CTX_set_num_tickets(tls, 0);
#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF
    SSL_CTX_set_options(tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
#endif
    X509_free(certificate);
    EVP_PKEY_free(key);
    return 0;
}

static int tls_end(void **state)
{
    (void)state;
    SSL_CTX_free(tls);
    return 0;
}

static enum bufferevent_ssl_state tls_role(int side)
{
    return side == 0 ? BUFFEREVENT_SSL_CONNECTING : BUFFEREVENT_SSL_ACCEPTING;
}

static void tls_is_made(struct talk *talk, struct bufferevent *bev)
{
    assert_non_null(bev);
    bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
    talk->connecting = ASYNCHAT_CONNECTING;
}

static void tls_over_fds(struct talk *talk, struct bufferevent *bevs[2])
{
    int fds[2];
    sockets(fds);
    for (int i = 0; i < 2; i++) {
        bevs[i] = bufferevent_openssl_socket_new(
            talk->base, fds[i], SSL_new(tls), tls_role(i), options(talk));
        tls_is_made(talk, bevs[i]);
    }
}

static void tls_over(struct talk *talk, struct bufferevent *bevs[2])
{
    for (int i = 0; i < 2; i++) {
        bevs[i] = bufferevent_openssl_filter_new(
            talk->base, bevs[i], SSL_new(tls), tls_role(i), options(talk));
        tls_is_made(talk, bevs[i]);
    }
}

static void make_tls(struct talk *talk)
{
    struct bufferevent *bevs[2];
    tls_over_fds(talk, bevs);
    over(talk, bevs);
}

static void make_tls_over_socket(struct talk *talk)
{
    struct bufferevent *bevs[2];
    over_sockets(talk, bevs);
    tls_over(talk, bevs);
    over(talk, bevs);
}

/* Over a filter or a pair, nothing tells the connecting side to begin. A filter
 * that does not defer its callbacks would call TLS while TLS is running. */
static void make_tls_over_filters(struct talk *talk)
{
    struct bufferevent *bevs[2];
    talk->defers = true;
    over_sockets(talk, bevs);
    bevs[0] = filter(talk, bevs[0], PLAIN);
    bevs[1] = filter(talk, bevs[1], PLAIN);
    tls_over(talk, bevs);
    assert_int_equal(bufferevent_enable(bevs[0], EV_READ), 0);
    over(talk, bevs);
}

static void make_tls_over_pair(struct talk *talk)
{
    struct bufferevent *bevs[2];
    over_pair(talk, bevs);
    tls_over(talk, bevs);
    assert_int_equal(bufferevent_enable(bevs[0], EV_READ), 0);
    over(talk, bevs);
}

static void make_filters_over_tls(struct talk *talk)
{
    struct bufferevent *bevs[2];
    if (one_in(2)) {
        tls_over_fds(talk, bevs);
    } else {
        over_sockets(talk, bevs);
        tls_over(talk, bevs);
    }
    filters(talk, bevs, 2);
    over(talk, bevs);
}
#endif

/* --- how it goes --- */

static void fill(struct side *side)
{
    static const char letters[] = "abcde\r\n\0";
    side->sent = malloc(side->len + 1);
    side->got = malloc(side->other->len + 1);
    assert_true(side->sent && side->got);
    for (size_t i = 0; i < side->len; i++)
        side->sent[i] = (unsigned char)letters[draw(sizeof letters - 1)];
    if (side->len > 0) /* no terminator begins with this byte */
        side->sent[side->len - 1] = 'c';
}

static void set_rates(struct side *side)
{
    const struct asynchat_rates rates = {.size = sizeof rates,
                                         .read = 4000000,
                                         .write = one_in(2) ? 4000000 : 0,
                                         .read_burst = 2000,
                                         .write_burst = 20000};
    assert_int_equal(asynchat_set_rates(side->ch, &rates), 0);
}

/* Draws a size of pieces, such that `len` bytes are not too many pieces. */
static size_t draw_piece(size_t len)
{
    return 1 + len / 100 + draw_size(70000);
}

static void set_up(struct side *side)
{
    side->pauses = one_in(3) ? 0 : 2 + draw(30);
    side->piece = (uint32_t)draw_piece(side->len);
    side->changes = one_in(2);
    assert_int_equal(asynchat_set_message_limit(side->ch, SIZE_MAX), 0);
    /* a reader that pauses at each byte takes long */
    assert_int_equal(asynchat_set_linger(side->ch, 1u << 30), 0);
    if (one_in(2))
        asynchat_set_in_buffer_size(side->ch, draw_piece(side->other->len));
    if (one_in(2))
        asynchat_set_out_buffer_size(side->ch, draw_piece(side->len));
    if (one_in(2))
        assert_int_equal(asynchat_set_message_budget(side->ch, 1 + draw(20)),
                         0);
    if (one_in(8))
        set_rates(side);
}

/* Draws one of the ends that this kind of transport allows. */
static enum end draw_end(const struct talk *talk)
{
    enum end end = (enum end)draw(ENDS);
    if (end == END_AGREED && (talk->keeps || talk->whole))
        end = END_SHUT; /* a filter gives its last bytes only at the end */
    return end;
}

static void push_piece(struct side *side)
{
    size_t len = side->len - side->pushed;
    const unsigned char *from = side->sent + side->pushed;
    if (len > side->piece)
        len = 1 + draw(side->piece);
    side->pushed += len;
    int error = one_in(4)
                    ? asynchat_push_reference(side->ch, from, len, NULL, NULL)
                    : asynchat_push(side->ch, from, len);
    if (error && side->talk->end != END_GONE)
        wrong(side->talk, "a push was refused");
    if (one_in(4) && asynchat_flush(side->ch) && side->talk->end != END_GONE)
        wrong(side->talk, "a flush was refused");
}

static bool all_has_come(const struct talk *talk)
{
    return talk->side[0].got_len == talk->side[1].len &&
           talk->side[1].got_len == talk->side[0].len;
}

/* Everything is pushed: ends the conversation. */
static void end(struct side *side)
{
    struct talk *talk = side->talk;
    bool first = side == &talk->side[0];
    bool ends = first ? talk->end == END_DONE : side->told_eof;
    if (first && talk->end == END_SHUT) {
        side->ended = true;
        assert_int_equal(asynchat_shutdown_write(side->ch), 0);
    } else if (first && talk->end == END_AGREED && all_has_come(talk)) {
        asynchat_close(side->ch);
    } else if (ends) {
        side->ended = true;
        asynchat_close_when_done(side->ch);
    }
}

/* The actions of a side between two passes of the loop. */
static void act(struct side *side)
{
    if (!side->ch || !side->up)
        return;
    if (side->paused > 0 && --side->paused == 0)
        asynchat_resume_reading(side->ch);
    else if (one_in(4))
        may_pause(side);
    if (side->pushed < side->len && one_in(2))
        push_piece(side);
    if (side->talk->end == END_GONE && side == &side->talk->side[0] &&
        one_in(16)) {
        if (one_in(2))
            asynchat_abort(side->ch);
        else
            asynchat_close(side->ch);
    }
    if (side->ch && side->pushed == side->len && !side->ended)
        end(side);
}

static size_t progress(const struct talk *talk)
{
    size_t sum = 0;
    for (int i = 0; i < 2; i++) {
        const struct side *side = &talk->side[i];
        sum += side->got_len + side->pushed + (size_t)side->closes +
               side->told_eof + side->up;
    }
    return sum;
}

/* Runs until both channels have closed. */
static void converse(struct talk *talk)
{
    size_t before = 0, quiet = 0;
    while ((talk->side[0].ch || talk->side[1].ch) && !talk->wrong[0]) {
        event_base_loop(talk->base, EVLOOP_NONBLOCK);
        act(&talk->side[0]);
        act(&talk->side[1]);
        quiet = progress(talk) == before ? quiet + 1 : 0;
        before = progress(talk);
        if (quiet > 0)
            clock_advance(1);
        if (quiet > QUIET_PASSES)
            wrong(talk, "it stands still");
    }
}

/* --- what came of it --- */

static void judge_end(struct talk *talk)
{
    int first = talk->side[0].status, second = talk->side[1].status;
    int expected = talk->end == END_SHUT ? ASYNCHAT_EOF : 0;
    if (talk->end == END_GONE) {
        bool cut = second == ASYNCHAT_ECUTOFF || second == ASYNCHAT_EHANDSHAKE;
        if (second != ASYNCHAT_EOF && second != -ECONNRESET &&
            second != -EPIPE && !(talk->layers && cut))
            wrong(talk, "an unexpected status when the other has gone");
        return;
    }
    if (talk->layers && talk->end == END_AGREED &&
        (second == ASYNCHAT_ECUTOFF || second == -ECONNRESET ||
         second == -EPIPE))
        second =
            ASYNCHAT_EOF; /* words of a layer may still have been on the way */
    if (first != expected || second != ASYNCHAT_EOF)
        wrong(talk, "an unexpected status");
    if (!talk->side[1].told_eof && talk->side[1].status == ASYNCHAT_EOF)
        wrong(talk, "no end of file");
    if (!all_has_come(talk))
        wrong(talk, "bytes were lost");
}

/* If a filter sends something at its end, that was sent: on the side that ended
 * in order, and after a half close on both sides. */
static void judge_trailers(struct talk *talk)
{
    int sides = talk->end == END_SHUT ? 4 : 2;
    if (talk->end != END_GONE && talk->end != END_AGREED &&
        talk->trailers * 4 < talk->trailing * sides)
        wrong(talk, "what a filter sends at its end was lost");
}

static void report(const struct talk *talk, const char *name, uint64_t seed)
{
    print_error("SEED=%" PRIu64 " COUNT=1, over %s, %s: %s\n", seed, name,
                end_names[talk->end], talk->wrong);
    for (int i = 0; i < 2; i++) {
        const struct side *side = &talk->side[i];
        print_error("  side %d: pushed %zu of %zu, got %zu of %zu, %s, "
                    "status %d\n",
                    i, side->pushed, side->len, side->got_len, side->other->len,
                    side->ch ? "open" : "closed", side->status);
    }
}

struct kind {
    const char *name;
    void (*make)(struct talk *talk);
};

/* Only a few are longer than sockets and single reads can hold. */
static size_t draw_len(void)
{
    return draw_size(one_in(12) ? 300000 : 9000);
}

static void begin(struct talk *talk, const struct kind *kind)
{
    talk->base = event_base_new();
    talk->whole = one_in(3);
    assert_non_null(talk->base);
    for (int i = 0; i < 2; i++) {
        talk->side[i].talk = talk;
        talk->side[i].other = &talk->side[1 - i];
        talk->side[i].status = 1;
    }
    kind->make(talk);
    talk->end = draw_end(talk);
    talk->side[0].len = draw_len();
    talk->side[1].len = talk->end == END_DONE ? 0 : draw_len();
    for (int i = 0; i < 2; i++) {
        fill(&talk->side[i]);
        set_up(&talk->side[i]);
    }
}

/* A bufferevent is freed after its deferred callbacks, and the bufferevent
 * below it after that. */
static void finish(struct talk *talk)
{
    for (int i = 0; i < 2; i++)
        asynchat_channel_free(talk->side[i].ch);
    for (int i = 0; i < 2 * LEVELS_MAX + 4; i++)
        event_base_loop(talk->base, EVLOOP_NONBLOCK);
    event_base_free(talk->base);
    for (int i = 0; i < 2; i++) {
        free(talk->side[i].sent);
        free(talk->side[i].got);
    }
}

static bool nothing_is_lost_with(const struct kind *kind, uint64_t seed)
{
    struct talk talk = {0};
    chance = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
    begin(&talk, kind);
    converse(&talk);
    if (!talk.wrong[0])
        judge_end(&talk);
    if (!talk.wrong[0])
        judge_trailers(&talk);
    if (talk.wrong[0])
        report(&talk, kind->name, seed);
    finish(&talk);
    return !talk.wrong[0];
}

static uint64_t fresh_seed(void)
{
    return (uint64_t)time(NULL) * 100000 + (uint64_t)getpid();
}

static void nothing_is_lost(void **state)
{
    const struct kind *kind = *state;
    uint64_t seed = from_environment("SEED", fresh_seed());
    uint64_t count = from_environment("COUNT", SEEDS);
    int descriptors = count_descriptors(), failed = 0;
    for (uint64_t i = 0; i < count && failed < 10; i++)
        failed += !nothing_is_lost_with(kind, seed + i);
    assert_int_equal(failed, 0);
    assert_int_equal(toys, 0);
    assert_int_equal(count_descriptors(), descriptors);
}

/* A new kind of transport needs one row here. */
static const struct kind kinds[] = {
    {"asynchat_pair_new", make_pair},
    {"asynchat_channel_new_socket", make_socket},
    {"a layer over asynchat_pair_new", make_layer_over_pair},
    {"a layer over asynchat_channel_new_socket", make_layer_over_socket},
    {"a layer over a small socket", make_layer_over_small_socket},
    {"a layer that begins later over asynchat_pair_new",
     make_later_layer_over_pair},
    {"a layer that begins later over a socket", make_later_layer_over_socket},
    {"a socket bufferevent", make_socket_bufferevent},
    {"a bufferevent pair", make_pair_bufferevent},
    {"a filter over a socket bufferevent", make_filter_over_socket},
    {"filters over a socket bufferevent", make_filters_over_socket},
    {"a filter over a bufferevent pair", make_filter_over_pair},
    {"filters over a bufferevent pair", make_filters_over_pair},
#ifdef TEST_OPENSSL
    {"TLS over a socket", make_tls},
    {"TLS over a socket bufferevent", make_tls_over_socket},
    {"TLS over a bufferevent pair", make_tls_over_pair},
    {"TLS over a filter", make_tls_over_filters},
    {"filters over TLS", make_filters_over_tls},
#endif
};

#define KINDS (sizeof kinds / sizeof kinds[0])

#ifndef TEST_OPENSSL
#define tls_begin NULL
#define tls_end NULL
#endif

int main(void)
{
    static char names[KINDS][64];
    struct CMUnitTest tests[KINDS];
    memset(tests, 0, sizeof tests);
    for (size_t i = 0; i < KINDS; i++) {
        snprintf(names[i], sizeof names[i], "nothing is lost over %s",
                 kinds[i].name);
        tests[i].name = names[i];
        tests[i].test_func = nothing_is_lost;
        tests[i].initial_state = (void *)(uintptr_t)&kinds[i];
    }
#ifndef TEST_OPENSSL
    print_message("OpenSSL is not here: the kinds over TLS are left out\n");
#endif
    cmocka_set_skip_filter(getenv("LEAVE_OUT"));
    cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests_name(__FILE__, tests, tls_begin, tls_end);
}
