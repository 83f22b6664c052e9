/* The handshake: from the first bytes to a session that is up, or has failed.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tls/shake.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <event2/bufferevent.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <asynchat/error.h>

#include "tls/budget.h"
#include "tls/options.h"

/* The type, the version in two bytes, and the length in two bytes. */
#define RECORD_HEADER 5
#define RECORD_MAX (16384 + 256)

/* The most bytes that are kept until it is known which version a client gets.
 * In records of one byte, OpenSSL would take six times as many. */
#define HELLO_MAX 131072

/* --- ends of a handshake --- */

void asynchat__tls_shake_over(struct codec *c)
{
    if (c->waits)
        atomic_fetch_sub(&codec_counts(c)->waiting, 1);
    if (c->counted)
        asynchat__tls_handshake_ends();
    if (c->phase == CODEC_SHAKING)
        atomic_fetch_sub(&codec_counts(c)->shaking, 1);
    c->waits = c->counted = false;
    free(c->hello.bytes);
    c->hello = (struct hello){0};
}

/* A session with which a handshake fails is of no use, and its server may have
 * forgotten all of them. Answers `error`. */
int asynchat__tls_fail(struct codec *c, int error, const char *text)
{
    asynchat__tls_shake_over(c);
    if (c->phase == CODEC_SHAKING)
        atomic_fetch_add(&codec_counts(c)->failed, 1);
    if (c->phase == CODEC_SHAKING && codec_is_client(c))
        asynchat__tls_sessions_drop(&c->party.tls->sessions, c->party.name);
    c->phase = CODEC_FAILED;
    free(c->text);
    c->text = strdup(text);
    return error;
}

/* Fails by what OpenSSL has to say. */
int asynchat__tls_fail_by_openssl(struct codec *c)
{
    char text[FAULT_TEXT];
    int shaking = c->phase == CODEC_SHAKING;
    int error = asynchat__tls_session_fault(&c->refusal, shaking, text);
    return asynchat__tls_fail(c, error, text);
}

static int fail_by_memory(struct codec *c)
{
    ERR_clear_error();
    return asynchat__tls_fail(c, -ENOMEM, asynchat_strerror(-ENOMEM));
}

/* --- callbacks of OpenSSL --- */

static struct codec *codec_of_session(const SSL *ssl)
{
    return (struct codec *)asynchat__tls_party_of(ssl);
}

/* OpenSSL itself forgets the depth, and the certificate. */
static int on_verify(int good, X509_STORE_CTX *store)
{
    const SSL *ssl =
        X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    if (!good)
        asynchat__tls_refuse(&codec_of_session(ssl)->refusal, store);
    return good;
}

/* Counts key updates, each of which costs more than a record of data. OpenSSL
 * has no limit of its own. */
static void on_message(int writes, int version, int type, const void *bytes,
                       size_t len, SSL *ssl, void *arg)
{
    struct codec *c = arg;
    (void)version;
    (void)ssl;
    if (writes || type != SSL3_RT_HANDSHAKE || len == 0 ||
        *(const uint8_t *)bytes != SSL3_MT_KEY_UPDATE)
        return;
    uint64_t now = asynchat__tls_now();
    if (now - c->updates_since >= 1000) {
        c->updates_since = now;
        c->updates = 0;
    }
    atomic_fetch_add(&codec_counts(c)->key_updates, 1);
    if (++c->updates > c->party.version->options.max_key_updates)
        c->wire.stopped = true;
}

/* --- making a session --- */

/* The server's name is verified, and sent unless it is an IP address. */
static bool set_name(struct codec *c)
{
    const char *name = c->party.name;
    bool verifies = !codec_has_flag(c, ASYNCHAT_TLS_NO_VERIFY);
    if (!*name)
        return true;
    if (asynchat__tls_name_is_address(name))
        return !verifies ||
               X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(c->ssl), name) == 1;
    return SSL_set_tlsext_host_name(c->ssl, name) == 1 &&
           (!verifies || SSL_set1_host(c->ssl, name) == 1);
}

static bool offer_session(struct codec *c)
{
    SSL_SESSION *session = asynchat__tls_sessions_take(
        &c->party.tls->sessions, c->party.name, time(NULL), &c->party.until);
    if (!session)
        return true;
    bool good = !asynchat__tls_party_may_resume(&c->party, session) ||
                SSL_set_session(c->ssl, session) == 1;
    SSL_SESSION_free(session);
    return good;
}

/* The session of the party's version, ready for a handshake. */
static bool make_session(struct codec *c)
{
    SSL_free(c->ssl);
    c->ssl = asynchat__tls_party_session(&c->party);
    if (!c->ssl || asynchat__tls_wire_attach(c->ssl, &c->wire) < 0)
        return false;
    SSL_set_msg_callback(c->ssl, on_message);
    SSL_set_msg_callback_arg(c->ssl, c);
    int mode = SSL_get_verify_mode(c->ssl);
    if (mode != SSL_VERIFY_NONE)
        SSL_set_verify(c->ssl, mode, on_verify);
    return !codec_is_client(c) || (set_name(c) && offer_session(c));
}

static int begin_session(struct codec *c)
{
    c->party.version = asynchat__tls_version_take(c->party.tls);
    return make_session(c) ? 0 : fail_by_memory(c);
}

/* --- the first record of a client --- */

/* The length of the record with its header; RECORD_HEADER if that is not
 * known. */
static size_t record_len(const uint8_t *bytes, size_t len)
{
    if (len < RECORD_HEADER)
        return RECORD_HEADER;
    return RECORD_HEADER + (size_t)(bytes[3] << 8 | bytes[4]);
}

/* Whether that can be the beginning of a handshake. */
static bool record_is_handshake(const uint8_t *bytes, size_t len)
{
    return (len < 1 || bytes[0] == SSL3_RT_HANDSHAKE) &&
           (len < 2 || bytes[1] == SSL3_VERSION_MAJOR) &&
           record_len(bytes, len) <= RECORD_HEADER + RECORD_MAX;
}

static bool hello_append(struct hello *hello, const uint8_t *bytes, size_t len)
{
    uint8_t *more = realloc(hello->bytes, hello->len + len);
    if (!more)
        return false;
    memcpy(more + hello->len, bytes, len);
    hello->bytes = more;
    hello->len += len;
    return true;
}

/* Moves bytes to `hello` until the record there is whole. 1: it is; 0: more has
 * to come. */
static int collect_record(struct codec *c)
{
    struct hello *hello = &c->hello;
    struct wire *wire = &c->wire;
    for (;;) {
        size_t whole = record_len(hello->bytes, hello->len);
        if (hello->len >= RECORD_HEADER && hello->len >= whole)
            return 1;
        size_t n = whole - hello->len;
        n = n < wire->in_len ? n : wire->in_len;
        if (n == 0)
            return 0;
        if (!hello_append(hello, wire->in, n))
            return fail_by_memory(c);
        wire->in += n;
        wire->in_len -= n;
        if (!record_is_handshake(hello->bytes, hello->len))
            return asynchat__tls_fail(c, ASYNCHAT_EPROTOCOL,
                                      "the peer does not speak TLS");
    }
}

/* Nothing of OpenSSL is made for a client before its first record is there in
 * whole: OpenSSL would take 50 to 70 kB for it. 1: it is there, in `hello` or,
 * without a copy, in the bytes that have just come. */
static int await_record(struct codec *c)
{
    const struct wire *wire = &c->wire;
    if (c->hello.len == 0 && wire->in_len >= RECORD_HEADER &&
        record_is_handshake(wire->in, wire->in_len) &&
        wire->in_len >= record_len(wire->in, wire->in_len))
        return 1;
    return collect_record(c);
}

/* A client that has gone is not worth the work of a handshake. */
static bool peer_is_gone(const struct codec *c)
{
    struct pollfd polled = {
        .fd = bufferevent_getfd(asynchat_get_bufferevent(c->ch)),
        .events = POLLRDHUP};
    return polled.fd >= 0 && poll(&polled, 1, 0) > 0;
}

static int wait_for_others(struct codec *c)
{
    if (!c->waits)
        atomic_fetch_add(&codec_counts(c)->waiting, 1);
    c->waits = true;
    return ASYNCHAT_LAYER_WAIT;
}

/* 0: the session is made. */
static int begin_server(struct codec *c, const struct asynchat_tls_options *o)
{
    int whole = await_record(c);
    if (whole <= 0)
        return whole;
    if (!asynchat__tls_budget_left(asynchat_get_base(c->ch),
                                   o->handshake_budget, &c->told))
        return ASYNCHAT_LAYER_LATER;
    if (!asynchat__tls_handshake_begins(o->max_handshakes))
        return wait_for_others(c);
    c->counted = true;
    if (c->waits)
        atomic_fetch_sub(&codec_counts(c)->waiting, 1);
    c->waits = false;
    if (peer_is_gone(c))
        return asynchat__tls_fail(c, ASYNCHAT_EHANDSHAKE, "the peer has gone");
    return begin_session(c);
}

/* --- the handshake --- */

/* A step of the handshake, with the bytes there are. Answers as SSL_get_error()
 * does. */
static int step(struct codec *c)
{
    asynchat__tls_budget_begin();
    ERR_clear_error();
    int result = SSL_do_handshake(c->ssl);
    int what = result == 1 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, result);
    asynchat__tls_budget_end();
    return what;
}

/* The client asks for a name that has a version of its own: the session is made
 * anew by that version, and gets the same bytes again. */
static int step_anew(struct codec *c, const uint8_t *bytes, size_t len)
{
    struct wire *wire = &c->wire;
    if (!make_session(c))
        return SSL_ERROR_SYSCALL;
    int what = SSL_ERROR_WANT_READ;
    if (c->hello.len > 0) {
        wire->in = c->hello.bytes;
        wire->in_len = c->hello.len;
        what = step(c);
    }
    wire->in = bytes;
    wire->in_len = len;
    return what == SSL_ERROR_WANT_READ ? step(c) : what;
}

/* The handshake is done. On a session that was resumed nobody has looked at the
 * peer's certificate now. */
static int come_up(struct codec *c)
{
    const struct asynchat_tls_options *o = &c->party.version->options;
    bool resumed = SSL_session_reused(c->ssl);
    if (resumed && asynchat__tls_party_has_expired(c->ssl) &&
        SSL_get_verify_mode(c->ssl) != SSL_VERIFY_NONE)
        return asynchat__tls_fail(
            c, ASYNCHAT_ECERTIFICATE,
            X509_verify_cert_error_string(X509_V_ERR_CERT_HAS_EXPIRED));
    int error = o->verify ? o->verify(c->ch, c->ssl, o->arg) : 0;
    ERR_clear_error();
    if (error < 0)
        return asynchat__tls_fail(c, error, asynchat_strerror(error));
    asynchat__tls_shake_over(c);
    c->phase = CODEC_UP;
    atomic_fetch_add(&codec_counts(c)->done, 1);
    if (resumed)
        atomic_fetch_add(&codec_counts(c)->resumed, 1);
    if (resumed && codec_is_client(c) && SSL_version(c->ssl) < TLS1_3_VERSION)
        asynchat__tls_party_keep(&c->party, c->ssl, SSL_get0_session(c->ssl));
    c->owes = !codec_is_client(c) && SSL_version(c->ssl) == TLS1_3_VERSION &&
              !options_has(o, ASYNCHAT_TLS_NO_TICKETS);
    return ASYNCHAT_LAYER_UP;
}

static int conclude(struct codec *c, int what)
{
    const unsigned char *alpn;
    unsigned len;
    if (what == SSL_ERROR_WANT_READ)
        return 0;
    if (what == SSL_ERROR_ZERO_RETURN)
        return asynchat__tls_fail(
            c, ASYNCHAT_EHANDSHAKE,
            "the peer has sent a close_notify in the handshake");
    if (what != SSL_ERROR_NONE)
        return asynchat__tls_fail_by_openssl(c);
    SSL_get0_alpn_selected(c->ssl, &alpn, &len);
    if (len > 0 && !(c->alpn = strndup((const char *)alpn, len)))
        return fail_by_memory(c);
    return come_up(c);
}

/* Goes on with the handshake. Until it is known which version the client gets,
 * the bytes have to be kept. */
static int shake(struct codec *c)
{
    const uint8_t *bytes = c->wire.in;
    size_t len = c->wire.in_len;
    int what = step(c);
    if (what == SSL_ERROR_WANT_CLIENT_HELLO_CB)
        what = step_anew(c, bytes, len);
    bool keeps = !codec_is_client(c) && !c->party.chosen &&
                 what == SSL_ERROR_WANT_READ && len > c->wire.in_len;
    size_t taken = len - c->wire.in_len;
    if (keeps && c->hello.len + taken > HELLO_MAX)
        return asynchat__tls_fail(c, ASYNCHAT_EPROTOCOL,
                                  "the ClientHello is too long");
    if (keeps && !hello_append(&c->hello, bytes, taken))
        return fail_by_memory(c);
    return conclude(c, what);
}

/* The first record was collected: it goes first, then the bytes that have come
 * behind it. */
static int shake_collected(struct codec *c)
{
    struct hello hello = c->hello;
    const uint8_t *bytes = c->wire.in;
    size_t len = c->wire.in_len;
    c->hello = (struct hello){0};
    c->wire.in = hello.bytes;
    c->wire.in_len = hello.len;
    int how = shake(c);
    free(hello.bytes);
    c->wire.in = bytes;
    c->wire.in_len = len;
    return how;
}

/* The first bytes of a client. Its session is made as soon as it can be. */
static int open_first(struct codec *c)
{
    struct tls_version *version = asynchat__tls_version_take(c->party.tls);
    int how = begin_server(c, &version->options);
    asynchat__tls_version_give(version);
    if (!c->ssl || how != 0)
        return how;
    if (c->hello.len > 0)
        how = shake_collected(c);
    return how == 0 && c->wire.in_len > 0 ? shake(c) : how;
}

int asynchat__tls_shake(struct codec *c)
{
    struct event_base *base = asynchat_get_base(c->ch);
    if (!c->ssl)
        return open_first(c);
    return asynchat__tls_budget_left(
               base, c->party.version->options.handshake_budget, &c->told)
               ? shake(c)
               : ASYNCHAT_LAYER_LATER;
}

/* The connection is up. A client speaks first. */
int asynchat__tls_shake_begin(struct codec *c)
{
    c->phase = CODEC_SHAKING;
    c->begun = asynchat__tls_now();
    atomic_fetch_add(&codec_counts(c)->begun, 1);
    atomic_fetch_add(&codec_counts(c)->shaking, 1);
    if (!codec_is_client(c))
        return 0;
    int error = begin_session(c);
    return error ? error : conclude(c, step(c));
}
