/* A version of a context: see version.h. SPDX-License-Identifier:
 * BSD-3-Clause */
#include "tls/version.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <asynchat/error.h>

#include "tls/credentials.h"
#include "tls/fault.h"
#include "tls/options.h"

#define KEYS_TIME 86400 /* seconds that the keys of tickets are used */

/* The most sessions of one connection that a client keeps, so that a server
 * with many tickets does not push out the sessions of others. */
#define KEPT_MOST 4

/* --- callbacks of OpenSSL --- */

static int party_place = -1;

int asynchat__tls_party_prepare(void)
{
    if (party_place < 0)
        party_place = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    return party_place < 0 ? -ENOMEM : 0;
}

struct tls_party *asynchat__tls_party_of(const SSL *ssl)
{
    return SSL_get_ex_data(ssl, party_place);
}

/* The server's own order counts. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    const struct tls_version *version = arg;
    unsigned char *chosen;
    (void)ssl;
    if (SSL_select_next_proto(&chosen, len, version->alpn, version->alpn_len,
                              in, in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* Reads the host name of a server_name extension (RFC 6066, 3): the length of
 * the list, the type of the name, the length of the name, the name. False: it
 * has another form, or is not a single name. */
static bool read_server_name(const unsigned char *bytes, size_t len,
                             const char **name, size_t *name_len)
{
    if (len < 5 || bytes[2] != TLSEXT_NAMETYPE_host_name)
        return false;
    *name = (const char *)bytes + 5;
    *name_len = (size_t)(bytes[3] << 8 | bytes[4]);
    return (size_t)(bytes[0] << 8 | bytes[1]) == len - 2 &&
           *name_len == len - 5;
}

/* Keeps the name that the client asks for. A name that is no host name cannot
 * be known. */
static bool keep_name(struct tls_party *party, SSL *ssl, int *alert)
{
    const unsigned char *bytes;
    const char *name;
    size_t size, len;
    char form[NAME_SIZE];
    if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &bytes, &size))
        return true;
    *alert = SSL_AD_DECODE_ERROR;
    if (!read_server_name(bytes, size, &name, &len))
        return false;
    if (!asynchat__tls_name_write(form, name, len))
        return true;
    *alert = SSL_AD_INTERNAL_ERROR;
    party->name = strdup(form);
    return party->name != NULL;
}

/* Whatever goes wrong here is a failed handshake, and never the certificate of
 * another name. If the name has a version of its own, the session is made anew,
 * so that all of that version holds and nothing of the first one. */
static int choose_version(SSL *ssl, int *alert, void *arg)
{
    struct tls_party *party = asynchat__tls_party_of(ssl);
    (void)arg;
    if (party->chosen)
        return SSL_CLIENT_HELLO_SUCCESS;
    if (!keep_name(party, ssl, alert))
        return SSL_CLIENT_HELLO_ERROR;
    party->chosen = true;
    struct tls_version *found =
        party->name ? asynchat__tls_version_find(party->tls, party->name)
                    : NULL;
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    if (!found)
        return options_has(&party->version->options, ASYNCHAT_TLS_KNOWN_NAMES)
                   ? SSL_CLIENT_HELLO_ERROR
                   : SSL_CLIENT_HELLO_SUCCESS;
    asynchat__tls_version_give(party->version);
    party->version = found;
    return SSL_CLIENT_HELLO_RETRY;
}

/* In TLS 1.3, sessions come after the handshake, one or more of them. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    asynchat__tls_party_keep(asynchat__tls_party_of(ssl), ssl, session);
    return 0; /* the store has a share of its own */
}

/* --- making an SSL_CTX --- */

static int set_alpn(struct tls_version *version)
{
    const char *const *list = version->options.alpn;
    size_t len = 0;
    if (!list || !*list)
        return 0;
    for (unsigned i = 0; list[i]; i++)
        len += strlen(list[i]) + 1;
    unsigned char *at = malloc(len);
    if (!at)
        return asynchat__tls_fault(-ENOMEM, "no memory");
    version->alpn = at;
    version->alpn_len = (unsigned)len;
    for (; *list; list++) {
        size_t n = strlen(*list);
        *at++ = (unsigned char)n;
        memcpy(at, *list, n);
        at += n;
    }
    if (!options_has(&version->options, ASYNCHAT_TLS_CLIENT))
        SSL_CTX_set_alpn_select_cb(version->ctx, choose_alpn, version);
    else if (SSL_CTX_set_alpn_protos(version->ctx, version->alpn,
                                     version->alpn_len) != 0)
        return asynchat__tls_openssl_fault(-EIO, "alpn");
    return 0;
}

/* Sessions are resumed only where this is the same: by the same context, that
 * demands the same of its peers and trusts the same. */
static int set_session_id(const struct asynchat_tls *tls,
                          struct tls_version *version,
                          const unsigned char trust[TRUST_ID])
{
    unsigned char all[sizeof tls->id + 1 + TRUST_ID];
    memcpy(all, tls->id, sizeof tls->id);
    all[sizeof tls->id] = (unsigned char)SSL_CTX_get_verify_mode(version->ctx);
    memcpy(all + sizeof tls->id + 1, trust, TRUST_ID);
    if (!EVP_Q_digest(NULL, "SHA256", NULL, all, sizeof all, version->id,
                      NULL) ||
        !SSL_CTX_set_session_id_context(version->ctx, version->id,
                                        sizeof version->id))
        return asynchat__tls_openssl_fault(-EIO, "session id context");
    return 0;
}

/* A server keeps no sessions: tickets are all it needs. The first ticket of TLS
 * 1.3 is not sent in the handshake, since a client that only writes would not
 * read it, and its system would reset the connection. */
static void set_sessions(const struct tls_version *version)
{
    SSL_CTX *ctx = version->ctx;
    bool client = options_has(&version->options, ASYNCHAT_TLS_CLIENT);
    bool none = options_has(&version->options, ASYNCHAT_TLS_NO_TICKETS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 0);
    if (none)
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    if (client && !none) {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT |
                                                SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ctx, keep_session);
    }
}

static void set_verify(const struct tls_version *version)
{
    const struct asynchat_tls_options *o = &version->options;
    int mode = SSL_VERIFY_NONE;
    if (options_has(o, ASYNCHAT_TLS_CLIENT))
        mode = options_has(o, ASYNCHAT_TLS_NO_VERIFY) ? SSL_VERIFY_NONE
                                                      : SSL_VERIFY_PEER;
    else if (options_has(o, ASYNCHAT_TLS_DEMAND_CERTIFICATE))
        mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    else if (options_has(o, ASYNCHAT_TLS_ASK_CERTIFICATE))
        mode = SSL_VERIFY_PEER;
    SSL_CTX_set_verify(version->ctx, mode, NULL);
    X509_VERIFY_PARAM_set_hostflags(SSL_CTX_get0_param(version->ctx),
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                        X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
}

/* openssl.cnf may demand a higher version than the program. */
static int set_versions(const struct tls_version *version)
{
    SSL_CTX *ctx = version->ctx;
    int least = version->options.min_version;
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1); /* one read of the BIO, not two a record */
    if (SSL_CTX_get_min_proto_version(ctx) < least &&
        !SSL_CTX_set_min_proto_version(ctx, least))
        return asynchat__tls_openssl_fault(-EIO, "min_version");
    return 0;
}

/* A partial write would lose what was not written. */
static int configure(const struct tls_version *version)
{
    const struct asynchat_tls_options *o = &version->options;
    int error = o->configure ? o->configure(version->ctx, o->arg) : 0;
    SSL_CTX_clear_mode(version->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE);
    ERR_clear_error();
    return error < 0 ? asynchat__tls_fault(error, "configure: %s",
                                           asynchat_strerror(error))
                     : 0;
}

static int fill(const struct asynchat_tls *tls, struct tls_version *version)
{
    unsigned char trust[TRUST_ID];
    set_sessions(version);
    set_verify(version);
    if (!tls->client)
        SSL_CTX_set_client_hello_cb(version->ctx, choose_version, NULL);
    int error = set_versions(version);
    if (!error)
        error = set_alpn(version);
    if (!error)
        error = asynchat__tls_load(version->ctx, &version->options, trust);
    if (!error)
        error = set_session_id(tls, version, trust);
    return error ? error : configure(version);
}

/* --- life --- */

int asynchat__tls_version_new(const struct asynchat_tls *tls,
                              const struct asynchat_tls_options *options,
                              struct tls_version **out)
{
    struct tls_version *version = calloc(1, sizeof *version);
    if (!version)
        return asynchat__tls_fault(-ENOMEM, "no memory");
    int error = asynchat__tls_options_copy(&version->options, options);
    if (error) {
        free(version);
        return error;
    }
    ERR_clear_error();
    version->shares = 1;
    version->keys_made = time(NULL);
    version->ctx =
        SSL_CTX_new(tls->client ? TLS_client_method() : TLS_server_method());
    if (!version->ctx)
        error = asynchat__tls_openssl_fault(-EIO, "SSL_CTX_new");
    else
        error = fill(tls, version);
    if (error)
        asynchat__tls_version_give(version);
    else
        *out = version;
    return error;
}

void asynchat__tls_version_inherit(struct tls_version *after,
                                   const struct tls_version *before)
{
    unsigned char keys[256];
    long len = SSL_CTX_get_tlsext_ticket_keys(before->ctx, NULL, 0);
    if (after->keys_made - before->keys_made >= KEYS_TIME || len <= 0 ||
        len > (long)sizeof keys)
        return;
    if (SSL_CTX_get_tlsext_ticket_keys(before->ctx, keys, len) == 1 &&
        SSL_CTX_set_tlsext_ticket_keys(after->ctx, keys, len) == 1)
        after->keys_made = before->keys_made;
    OPENSSL_cleanse(keys, sizeof keys);
    ERR_clear_error();
}

/* --- sessions --- */

SSL *asynchat__tls_party_session(struct tls_party *party)
{
    SSL *ssl = SSL_new(party->version->ctx);
    if (!ssl || !SSL_set_ex_data(ssl, party_place, party)) {
        SSL_free(ssl);
        return NULL;
    }
    if (party->tls->client)
        SSL_set_connect_state(ssl);
    else
        SSL_set_accept_state(ssl);
    return ssl;
}

/* A server that accepts a session of another version would make OpenSSL fail
 * the handshake. */
bool asynchat__tls_party_may_resume(const struct tls_party *party,
                                    const SSL_SESSION *session)
{
    unsigned len;
    const unsigned char *id = SSL_SESSION_get0_id_context(session, &len);
    return len == sizeof party->version->id &&
           memcmp(id, party->version->id, len) == 0;
}

/* How many seconds the peer's certificate is still good, or `most` if that is
 * less or there is no certificate. */
static time_t party_time_left(const SSL *ssl, time_t most)
{
    const X509 *certificate = SSL_get0_peer_certificate(ssl);
    int days, seconds;
    if (!certificate ||
        !ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)))
        return most;
    time_t left = (time_t)days * 86400 + seconds;
    return left < most ? left : most;
}

bool asynchat__tls_party_has_expired(const SSL *ssl)
{
    return party_time_left(ssl, 1) <= 0;
}

/* A session that was resumed is as old as it was before. Without a name, nobody
 * knows whose session it is. */
void asynchat__tls_party_keep(struct tls_party *party, SSL *ssl,
                              SSL_SESSION *session)
{
    const struct asynchat_tls_options *o = &party->version->options;
    time_t now = time(NULL), until = party->until;
    if (!SSL_session_reused(ssl))
        until = now + party_time_left(ssl, (time_t)o->session_time);
    if (until > now && *party->name && party->kept++ < KEPT_MOST)
        asynchat__tls_sessions_put(&party->tls->sessions, o->sessions,
                                   party->name, session, until);
}
