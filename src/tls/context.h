/* A context: what one side shows and demands, by name, and what was done with
 * it.
 *
 * An SSL_CTX never changes once it is in force, since other threads use it. So
 * a context has versions: reloading makes a new one, and sessions keep a share
 * of the version that they began with.
 *
 * Tested by tests/openssl/test_tls_context.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TLS_CONTEXT_H
#define ASYNCHAT_TLS_CONTEXT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <openssl/ssl.h>

#include <asynchat/tls.h>

#include "tls/names.h"
#include "tls/sessions.h"

/* Never changes. */
struct tls_version {
    atomic_uint shares;
    SSL_CTX *ctx;
    struct asynchat_tls_options options; /* each field is set */
    unsigned char *alpn; /* the protocols, as on the wire; or NULL */
    unsigned alpn_len;
    unsigned char id[32]; /* the session id context */
    time_t keys_made;     /* when the keys of tickets were made */
};

/* The fields of struct asynchat_tls_stats. */
struct tls_counts {
    atomic_uint_fast64_t begun, done, resumed, failed, late, shaking, waiting,
        silent, cut_off, key_updates;
};

struct asynchat_tls {
    atomic_uint shares;
    bool client;
    pthread_mutex_t lock; /* for `version` and `names` */
    struct tls_version *version;
    struct names names;
    struct sessions sessions;
    struct tls_counts counts;
    unsigned char id[16]; /* a random number, part of the session id context */
};

/* Takes and gives back a share. NULL is allowed. */
struct asynchat_tls *asynchat__tls_take(struct asynchat_tls *tls);

/* Gives back the share that a name of `tls` has of its context. */
void asynchat__tls_names_give(const struct asynchat_tls *tls,
                              struct asynchat_tls *other);

/* Takes a share of the version in force. */
struct tls_version *asynchat__tls_version_take(struct asynchat_tls *tls);
/* Gives back a share. NULL is allowed. */
void asynchat__tls_version_give(struct tls_version *version);

/* Takes a share of the version in force of the context with that name. NULL:
 * there is none of that name. */
struct tls_version *asynchat__tls_version_find(struct asynchat_tls *tls,
                                               const char *name);

/* --- sessions of a version --- */

/* What a version has to know of a session, and what it has found out: OpenSSL
 * hands it back to the version's callbacks. */
struct tls_party {
    struct asynchat_tls *tls;    /* where the channel has its TLS from */
    struct tls_version *version; /* of `tls`, or of a name of `tls` */
    /* The server's name, in the form of names.h, or an IP address, or "". A
     * server learns it from the client. */
    char *name;
    time_t until;  /* when the session that this client has offered is over */
    bool chosen;   /* the server knows which version the client gets */
    unsigned kept; /* sessions of this connection that were kept */
};

/* Makes what all sessions share, as asynchat__tls_wire_prepare() does. */
int asynchat__tls_party_prepare(void);

/* Makes a session of the party's version, for one side. NULL: there is no
 * memory. */
SSL *asynchat__tls_party_session(struct tls_party *party);

/* The party of a session. */
struct tls_party *asynchat__tls_party_of(const SSL *ssl);

/* Whether the party's version demands of the server what was demanded when the
 * session began, and trusts the same. */
bool asynchat__tls_party_may_resume(const struct tls_party *party,
                                    const SSL_SESSION *session);

/* Whether the peer has shown a certificate that is no longer good, as it may
 * be on a session that was resumed. */
bool asynchat__tls_party_has_expired(const SSL *ssl);

/* Keeps a session of a client, to be resumed with the server of the same name:
 * for session_time after the full handshake, and no longer than the server's
 * certificate is good. */
void asynchat__tls_party_keep(struct tls_party *party, SSL *ssl,
                              SSL_SESSION *session);

#endif
