/* The codec: TLS as a layer of a channel. SPDX-License-Identifier:
 * BSD-3-Clause */
#include "tls/codec.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include <asynchat/error.h>

#include "tls/budget.h"
#include "tls/shake.h"

/* Milliseconds by which the timer of a channel may be early. */
#define LATE_SLACK 20

/* The most bytes of its own that a session keeps for a peer that does not read:
 * answers to what the peer asks for. */
#define ANSWERS_MAX 65536

/* With AES-GCM a key is good for some 2^24 records (RFC 8446, 5.5). */
#ifndef KEY_RECORDS
#define KEY_RECORDS (1u << 24)
#endif

/* --- opening --- */

static int read_failed(struct codec *c, int what)
{
    if (c->wire.stopped)
        return asynchat__tls_fail(c, ASYNCHAT_EPROTOCOL,
                                  "the peer updates its key too often");
    if (what == SSL_ERROR_WANT_READ)
        return 0;
    return what == SSL_ERROR_ZERO_RETURN ? ASYNCHAT_LAYER_OVER
                                         : asynchat__tls_fail_by_openssl(c);
}

/* OpenSSL gives a record at a time. It is not asked once more if it has nothing
 * left. */
static int open_records(struct codec *c, uint8_t *to, size_t room,
                        size_t *given)
{
    size_t n;
    while (*given < room) {
        asynchat__tls_forget_errors();
        int result = SSL_read_ex(c->ssl, to + *given, room - *given, &n);
        if (result != 1)
            return read_failed(c, SSL_get_error(c->ssl, result));
        *given += n;
        if (c->wire.in_len == 0 && !SSL_has_pending(c->ssl))
            return 0;
    }
    return ASYNCHAT_LAYER_LATER;
}

/* OpenSSL answers each request to renegotiate. */
static int check_answers(struct codec *c, int how)
{
    if (how < 0 || c->wire.kept_len <= ANSWERS_MAX)
        return how;
    return asynchat__tls_fail(c, ASYNCHAT_EPROTOCOL,
                              "the peer does not read the answers to "
                              "what it asks for");
}

/* What is lent for the call under way is given back. */
static int leave(struct codec *c, int how)
{
    c->wire.in = c->wire.out = NULL;
    c->wire.in_len = 0;
    return how >= 0 && c->wire.kept_len > 0 ? how | ASYNCHAT_LAYER_SAYS : how;
}

static int codec_open(void *layer, const void *data, size_t len, size_t *taken,
                      void *to, size_t room, size_t *given)
{
    struct codec *c = layer;
    int how = 0;
    c->wire.in = data;
    c->wire.in_len = len;
    c->heard = true;
    if (c->phase == CODEC_SHAKING)
        how = asynchat__tls_shake(c);
    if (how >= 0 && c->phase == CODEC_UP) {
        int more = check_answers(c, open_records(c, to, room, given));
        how = more < 0 ? more : how | more;
    }
    *taken = len - c->wire.in_len;
    return leave(c, how);
}

/* --- sealing --- */

/* With AES-GCM a key must not seal too many records. */
static void count_record(struct codec *c)
{
    if (++c->records < KEY_RECORDS || SSL_version(c->ssl) < TLS1_3_VERSION)
        return;
    c->records = 0;
    SSL_key_update(c->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
}

/* The BIO takes everything, and the bytes are one record, so OpenSSL writes all
 * of them or none. It writes none while half a message of the peer's handshake
 * has come, which can only be if the peer has cut that message into records. */
static int seal_record(struct codec *c, const void *data, size_t len)
{
    size_t n;
    bool owes = c->owes;
    asynchat__tls_forget_errors();
    if (owes)
        SSL_new_session_ticket(c->ssl);
    c->owes = false;
    count_record(c);
    int result = SSL_write_ex(c->ssl, data, len, &n);
    if (result != 1 && SSL_get_error(c->ssl, result) == SSL_ERROR_WANT_READ)
        return asynchat__tls_fail(
            c, ASYNCHAT_EPROTOCOL,
            "the peer has sent a ticket or a key update by half");
    if (result != 1)
        return asynchat__tls_fail_by_openssl(c);
    if (owes) /* the ticket has made OpenSSL take a buffer for reading */
        SSL_free_buffers(c->ssl);
    return 0;
}

static int codec_seal(void *layer, const void *data, size_t len, void *to,
                      size_t room, size_t *given)
{
    struct codec *c = layer;
    int how = 0;
    c->wire.out = to;
    c->wire.out_room = room;
    c->wire.out_len = asynchat__tls_wire_take(&c->wire, to, room);
    if (c->phase == CODEC_NEW)
        how = asynchat__tls_shake_begin(c);
    else if (len > 0)
        how = seal_record(c, data, len);
    *given = c->wire.out_len;
    return leave(c, how);
}

/* --- ending --- */

static int ended_early(struct codec *c)
{
    if (c->quiet && !c->heard) {
        atomic_fetch_add(&codec_counts(c)->silent, 1);
        asynchat__tls_shake_over(c);
        c->phase = CODEC_FAILED;
        return ASYNCHAT_EOF;
    }
    return asynchat__tls_fail(c, ASYNCHAT_EHANDSHAKE,
                              "the peer ended the connection in the handshake");
}

/* The peer has sent no close_notify, since nobody asks after
 * ASYNCHAT_LAYER_OVER. OpenSSL does not see the end of the connection, which
 * would break its session: this side may still send. */
static int codec_ended(void *layer)
{
    struct codec *c = layer;
    if (c->phase == CODEC_SHAKING)
        return ended_early(c);
    atomic_fetch_add(&codec_counts(c)->cut_off, 1);
    if (codec_has_flag(c, ASYNCHAT_TLS_CUT_OFF_IS_EOF))
        return ASYNCHAT_EOF;
    free(c->text);
    c->text = strdup("the connection ended without a close_notify");
    return ASYNCHAT_ECUTOFF;
}

/* Called only while the session works. A server sends its tickets when it gets
 * to it, and that may be after a client has sent everything. */
static int codec_finish(void *layer, void *to, size_t room, size_t *given)
{
    struct codec *c = layer;
    c->wire.out = to;
    c->wire.out_room = room;
    c->wire.out_len = asynchat__tls_wire_take(&c->wire, to, room);
    ERR_clear_error();
    int result = SSL_shutdown(c->ssl);
    ERR_clear_error();
    *given = c->wire.out_len;
    leave(c, 0);
    if (result < 0)
        return -EIO;
    return codec_is_client(c) ? ASYNCHAT_LAYER_LINGER : 0;
}

static const char *codec_text(const void *layer)
{
    const struct codec *c = layer;
    return c->text;
}

/* --- life --- */

void asynchat__tls_codec_free(struct codec *c)
{
    SSL_free(c->ssl);
    ERR_clear_error();
    X509_free(c->refusal.certificate);
    asynchat__tls_wire_free(&c->wire);
    asynchat__tls_version_give(c->party.version);
    asynchat_tls_free(c->party.tls);
    free(c->party.name);
    free(c->hello.bytes);
    free(c->text);
    free(c->alpn);
    free(c);
}

/* A handshake that is not done was given up, by its time or by somebody. */
static void codec_release(void *layer)
{
    struct codec *c = layer;
    if (c->phase == CODEC_SHAKING) {
        struct tls_version *version = asynchat__tls_version_take(c->party.tls);
        unsigned time = version->options.handshake_time;
        asynchat__tls_version_give(version);
        if (time != UINT_MAX &&
            asynchat__tls_now() - c->begun + LATE_SLACK >= time)
            atomic_fetch_add(&codec_counts(c)->late, 1);
        asynchat__tls_fail(c, ASYNCHAT_EHANDSHAKE, "");
    }
    asynchat__tls_codec_free(c);
}

struct codec *asynchat__tls_codec_new(struct asynchat_channel *ch,
                                      struct asynchat_tls *tls,
                                      const char *name)
{
    struct codec *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->ch = ch;
    c->party.tls = asynchat__tls_take(tls);
    if (name && !(c->party.name = strdup(name))) {
        asynchat__tls_codec_free(c);
        return NULL;
    }
    return c;
}

const struct asynchat_layer_ops asynchat__tls_codec = {
    .size = sizeof asynchat__tls_codec,
    .open = codec_open,
    .seal = codec_seal,
    .ended = codec_ended,
    .finish = codec_finish,
    .text = codec_text,
    .release = codec_release,
};
