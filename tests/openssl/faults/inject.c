/* Deliberate faults for TLS. SPDX-License-Identifier: BSD-3-Clause */
#include "inject.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct inject inject;

enum source { OWN, OPENSSL, CALL };

static bool is_counted(enum source source)
{
    switch (inject.what) {
    case INJECT_CALLS:
        return source == CALL;
    case INJECT_ALLOCATIONS:
        return source != CALL;
    default:
        return source == OWN;
    }
}

static bool fails(enum source source, const char *what)
{
    if (!inject.armed || !is_counted(source))
        return false;
    inject.count++;
    if (inject.at == 0 || inject.count < inject.at ||
        (!inject.from && inject.count > inject.at))
        return false;
    inject.last = what;
    return true;
}

/* --- allocations of the library --- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *memory);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t most);

static void *made(void *memory)
{
    inject.live += memory != NULL;
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return fails(OWN, "malloc") ? NULL : made(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails(OWN, "calloc") ? NULL : made(__real_calloc(count, size));
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails(OWN, "aligned_alloc")
               ? NULL
               : made(__real_aligned_alloc(alignment, size));
}

void *__wrap_realloc(void *old, size_t size)
{
    if (fails(OWN, "realloc"))
        return NULL;
    inject.live += !old;
    return __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return fails(OWN, "strdup") ? NULL : made(__real_strdup(text));
}

char *__wrap_strndup(const char *text, size_t most)
{
    return fails(OWN, "strndup") ? NULL : made(__real_strndup(text, most));
}

void __wrap_free(void *memory)
{
    inject.live -= memory != NULL;
    __real_free(memory);
}

/* --- allocations of OpenSSL --- */

static void *openssl_malloc(size_t size, const char *file, int line)
{
    (void)line;
    if (size == 0 || fails(OPENSSL, file))
        return NULL;
    inject.live_openssl++;
    return __real_malloc(size);
}

static void *openssl_realloc(void *old, size_t size, const char *file, int line)
{
    (void)line;
    if (fails(OPENSSL, file))
        return NULL;
    inject.live_openssl += !old;
    return __real_realloc(old, size);
}

static void openssl_free(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    inject.live_openssl -= memory != NULL;
    __real_free(memory);
}

void inject_prepare(void)
{
    if (!CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc,
                                  openssl_free))
        abort();
}

/* --- calls of OpenSSL --- */

/* A function that answers `bad` if it fails. It says why in OpenSSL's queue. */
#define WRAP(type, name, bad, types, names)                                    \
    type __real_##name types;                                                  \
    type __wrap_##name types;                                                  \
    type __wrap_##name types                                                   \
    {                                                                          \
        if (!fails(CALL, #name))                                               \
            return __real_##name names;                                        \
        ERR_raise(ERR_LIB_SSL, ERR_R_INTERNAL_ERROR);                          \
        return bad;                                                            \
    }

WRAP(BIO *, BIO_new, NULL, (const BIO_METHOD *a), (a))
WRAP(int, BIO_puts, -1, (BIO * a, const char *b), (a, b))
WRAP(int, BIO_write, -1, (BIO * a, const void *b, int c), (a, b, c))
WRAP(int, BIO_read, -1, (BIO * a, void *b, int c), (a, b, c))
WRAP(int, EVP_Q_digest, 0,
     (OSSL_LIB_CTX * a, const char *b, const char *c, const void *d, size_t e,
      unsigned char *f, size_t *g),
     (a, b, c, d, e, f, g))
WRAP(STACK_OF(X509_INFO) *, PEM_X509_INFO_read_bio, NULL,
     (BIO * a, STACK_OF(X509_INFO) * b, pem_password_cb *c, void *d),
     (a, b, c, d))
WRAP(EVP_PKEY *, PEM_read_bio_PrivateKey, NULL,
     (BIO * a, EVP_PKEY **b, pem_password_cb *c, void *d), (a, b, c, d))
WRAP(X509 *, PEM_read_bio_X509, NULL,
     (BIO * a, X509 **b, pem_password_cb *c, void *d), (a, b, c, d))
WRAP(int, RAND_bytes, 0, (unsigned char *a, int b), (a, b))
WRAP(OPENSSL_STACK *, OPENSSL_sk_new_null, NULL, (void), ())
WRAP(int, OPENSSL_sk_push, 0, (OPENSSL_STACK * a, const void *b), (a, b))
WRAP(int, SSL_CTX_check_private_key, 0, (const SSL_CTX *a), (a))
WRAP(SSL_CTX *, SSL_CTX_new, NULL, (const SSL_METHOD *a), (a))
WRAP(int, SSL_CTX_set_alpn_protos, 1,
     (SSL_CTX * a, const unsigned char *b, unsigned c), (a, b, c))
WRAP(int, SSL_CTX_set_session_id_context, 0,
     (SSL_CTX * a, const unsigned char *b, unsigned c), (a, b, c))
WRAP(int, SSL_CTX_use_PrivateKey, 0, (SSL_CTX * a, EVP_PKEY *b), (a, b))
WRAP(int, SSL_CTX_use_certificate, 0, (SSL_CTX * a, X509 *b), (a, b))
WRAP(int, SSL_SESSION_up_ref, 0, (SSL_SESSION * a), (a))
WRAP(int, SSL_do_handshake, -1, (SSL * a), (a))
WRAP(int, SSL_key_update, 0, (SSL * a, int b), (a, b))
WRAP(SSL *, SSL_new, NULL, (SSL_CTX * a), (a))
WRAP(int, SSL_new_session_ticket, 0, (SSL * a), (a))
WRAP(int, SSL_read_ex, 0, (SSL * a, void *b, size_t c, size_t *d), (a, b, c, d))
WRAP(int, SSL_set1_host, 0, (SSL * a, const char *b), (a, b))
WRAP(int, SSL_set_ex_data, 0, (SSL * a, int b, void *c), (a, b, c))
WRAP(int, SSL_set_session, 0, (SSL * a, SSL_SESSION *b), (a, b))
WRAP(int, SSL_shutdown, -1, (SSL * a), (a))
WRAP(int, SSL_write_ex, 0, (SSL * a, const void *b, size_t c, size_t *d),
     (a, b, c, d))
WRAP(X509_NAME *, X509_NAME_dup, NULL, (const X509_NAME *a), (a))
WRAP(int, X509_STORE_add_cert, 0, (X509_STORE * a, X509 *b), (a, b))
WRAP(int, X509_VERIFY_PARAM_set1_ip_asc, 0,
     (X509_VERIFY_PARAM * a, const char *b), (a, b))
WRAP(void *, X509_get_ext_d2i, NULL, (const X509 *a, int b, int *c, int *d),
     (a, b, c, d))
WRAP(ASN1_OCTET_STRING *, a2i_IPADDRESS, NULL, (const char *a), (a))

/* Most of what these two do cannot fail. */
long __real_SSL_ctrl(SSL *ssl, int what, long number, void *arg);
long __real_SSL_CTX_ctrl(SSL_CTX *ctx, int what, long number, void *arg);

long __wrap_SSL_ctrl(SSL *ssl, int what, long number, void *arg)
{
    return what == SSL_CTRL_SET_TLSEXT_HOSTNAME && fails(CALL, "SSL_ctrl")
               ? 0
               : __real_SSL_ctrl(ssl, what, number, arg);
}

long __wrap_SSL_CTX_ctrl(SSL_CTX *ctx, int what, long number, void *arg)
{
    switch (what) {
    case SSL_CTRL_SET_MIN_PROTO_VERSION:
    case SSL_CTRL_CHAIN_CERT:
    case SSL_CTRL_SET_TLSEXT_TICKET_KEYS:
    case SSL_CTRL_GET_TLSEXT_TICKET_KEYS:
        if (fails(CALL, "SSL_CTX_ctrl"))
            return 0;
        break;
    default:
        break;
    }
    return __real_SSL_CTX_ctrl(ctx, what, number, arg);
}
