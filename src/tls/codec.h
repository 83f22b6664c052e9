/* The codec: TLS as a layer of a channel.
 *
 * Tested by tests/openssl/test_tls.c. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TLS_CODEC_H
#define ASYNCHAT_TLS_CODEC_H

#include <asynchat/layer.h>

#include "tls/wire.h"
#include "tls/context.h"
#include "tls/fault.h"
#include "tls/options.h"

enum codec_phase {
    CODEC_NEW,     /* the connection is not up yet */
    CODEC_SHAKING, /* the handshake is under way */
    CODEC_UP,
    CODEC_FAILED
};

/* The bytes of a ClientHello that has not come in whole: first those of a
 * record that OpenSSL has not seen, later all that it has seen. */
struct hello {
    uint8_t *bytes;
    size_t len;
};

/* Invariants: `ssl` is NULL until the first record of a client is there in
 * whole, and `party.version` is NULL exactly as long. `counted` holds while
 * this is one of the handshakes of budget.h. */
struct codec {
    struct tls_party party; /* the first field */
    struct asynchat_channel *ch;
    SSL *ssl;
    struct wire wire;
    struct hello hello;
    struct refusal refusal;
    enum codec_phase phase;
    uint32_t records;       /* how many were sealed with the key in use */
    uint32_t updates;       /* key updates of the peer since `updates_since` */
    uint64_t updates_since; /* asynchat__tls_now() at that time */
    uint64_t begun;         /* asynchat__tls_now() when the connection was up */
    char *text;             /* says what went wrong; or NULL */
    char *alpn;             /* the protocol agreed on; or NULL */
    unsigned told;          /* *told of asynchat__tls_budget_left() */
    bool counted;           /* see above */
    bool waits; /* the handshake waits until another handshake is over */
    bool heard; /* the peer has sent something */
    bool quiet; /* a peer that says nothing at all is no error */
    bool owes;  /* the first bytes that are sealed come with a ticket */
};

static inline struct tls_counts *codec_counts(struct codec *c)
{
    return &c->party.tls->counts;
}

static inline bool codec_is_client(const struct codec *c)
{
    return c->party.tls->client;
}

/* Whether the version has this flag. */
static inline bool codec_has_flag(const struct codec *c, unsigned flag)
{
    return options_has(&c->party.version->options, flag);
}

extern const struct asynchat_layer_ops asynchat__tls_codec;

/* Makes a codec for a channel, and takes a share of `tls`. `name` is the name
 * of the server, for a client, in its form of names.h, or an IP address. NULL:
 * there is no memory. */
struct codec *asynchat__tls_codec_new(struct asynchat_channel *ch,
                                      struct asynchat_tls *tls,
                                      const char *name);

/* Frees a codec that no channel has taken. */
void asynchat__tls_codec_free(struct codec *c);

#endif
