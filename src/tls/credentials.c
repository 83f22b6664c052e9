/* Loads certificates, keys, and whom to trust: see credentials.h.
 *
 * Everything is read into memory first, so that a file and a text go one way,
 * and OpenSSL gets a BIO over memory and a callback that never asks at the
 * terminal. SPDX-License-Identifier: BSD-3-Clause */
#include "tls/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <asynchat/error.h>

#include "tls/fault.h"
#include "tls/options.h"

/* The most bytes of names that a server can send when it asks for a client's
 * certificate. */
#define NAMES_MAX 65535

/* One source of PEM: what it is called in a fault, and its bytes. */
struct source {
    const char *name;
    BIO *bytes;
};

/* --- sources --- */

static int read_all(int fd, BIO *to, const char *path)
{
    char piece[16384];
    ssize_t n;
    while ((n = read(fd, piece, sizeof piece)) > 0)
        if (BIO_write(to, piece, (int)n) != n)
            return asynchat__tls_fault(-ENOMEM, "%s: no memory", path);
    int error = n < 0 ? -errno : 0;
    return error ? asynchat__tls_fault(error, "%s: %s", path,
                                       asynchat_strerror(error))
                 : 0;
}

static int read_file(const char *path, BIO *to)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return asynchat__tls_fault(-errno, "%s: %s", path,
                                   asynchat_strerror(-errno));
    int error = read_all(fd, to, path);
    close(fd);
    return error;
}

/* `what` is the name of a text in faults. */
static int open_source(struct source *source, const char *file,
                       const char *text, const char *what)
{
    source->name = file ? file : what;
    source->bytes = BIO_new(BIO_s_mem());
    if (!source->bytes)
        return asynchat__tls_fault(-ENOMEM, "%s: no memory", source->name);
    int error = 0;
    if (file)
        error = read_file(file, source->bytes);
    else if (BIO_puts(source->bytes, text) < 0)
        error = asynchat__tls_fault(-ENOMEM, "%s: no memory", what);
    if (error)
        BIO_free(source->bytes);
    return error;
}

/* --- passphrases --- */

/* Who is asked for a passphrase. */
struct asked {
    const struct asynchat_tls_options *options;
    bool was; /* OpenSSL has asked */
};

static int give_passphrase(char *to, int room, int writes, void *arg)
{
    struct asked *asked = arg;
    const struct asynchat_tls_options *o = asked->options;
    (void)writes;
    asked->was = true;
    if (!o->passphrase)
        return -1;
    int n = o->passphrase(to, (size_t)room, o->arg);
    return n <= room ? n : -1;
}

/* --- certificates and keys --- */

static int source_fault(const struct source *source)
{
    return asynchat__tls_openssl_fault(ASYNCHAT_ECERTIFICATE, source->name);
}

/* The end of the file is an error to OpenSSL, and none to us. */
static bool is_at_end(void)
{
    unsigned long error = ERR_peek_last_error();
    return ERR_GET_LIB(error) == ERR_LIB_PEM &&
           ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

/* Adds the certificates behind the first one, each of which must have issued
 * the one before it. */
static int use_chain(SSL_CTX *ctx, const struct source *source, X509 *first,
                     struct asked *asked)
{
    X509 *next;
    while ((next = PEM_read_bio_X509(source->bytes, NULL, give_passphrase,
                                     asked))) {
        bool issued = X509_check_issued(next, first) == X509_V_OK;
        bool added = issued && SSL_CTX_add0_chain_cert(ctx, next);
        if (!added)
            X509_free(next);
        if (!issued)
            return asynchat__tls_fault(ASYNCHAT_ECERTIFICATE,
                                       "%s: a certificate is not followed by "
                                       "the one of its issuer",
                                       source->name);
        if (!added)
            return source_fault(source);
        first = next; /* lives in ctx */
    }
    if (!is_at_end())
        return source_fault(source);
    ERR_clear_error();
    return 0;
}

static int use_certificate(SSL_CTX *ctx, const struct source *source,
                           struct asked *asked)
{
    X509 *first =
        PEM_read_bio_X509(source->bytes, NULL, give_passphrase, asked);
    if (!first || SSL_CTX_use_certificate(ctx, first) != 1) {
        X509_free(first);
        return source_fault(source);
    }
    int error = use_chain(ctx, source, first, asked);
    X509_free(first);
    return error;
}

static int key_fault(const struct source *source, const struct asked *asked)
{
    if (!asked->was)
        return source_fault(source);
    return asynchat__tls_fault(
        ASYNCHAT_ECERTIFICATE, "%s: the key is encrypted, and %s", source->name,
        asked->options->passphrase ? "the passphrase does not open it"
                                   : "there is no passphrase");
}

static int use_key(SSL_CTX *ctx, const struct source *source,
                   struct asked *asked)
{
    EVP_PKEY *key =
        PEM_read_bio_PrivateKey(source->bytes, NULL, give_passphrase, asked);
    if (!key)
        return key_fault(source, asked);
    int used = SSL_CTX_use_PrivateKey(ctx, key);
    EVP_PKEY_free(key);
    if (used != 1 || SSL_CTX_check_private_key(ctx) != 1)
        return source_fault(source);
    return 0;
}

static int load_certificate(SSL_CTX *ctx, const struct asynchat_tls_options *o)
{
    struct source source;
    struct asked asked = {.options = o};
    int error = open_source(&source, o->certificate, o->certificate_text,
                            "certificate");
    if (error)
        return error;
    error = use_certificate(ctx, &source, &asked);
    BIO_free(source.bytes);
    return error;
}

static int load_key(SSL_CTX *ctx, const struct asynchat_tls_options *o)
{
    struct source source;
    struct asked asked = {.options = o};
    bool own = o->key || o->key_text;
    int error = open_source(&source, own ? o->key : o->certificate,
                            own ? o->key_text : o->certificate_text, "key");
    if (error)
        return error;
    error = use_key(ctx, &source, &asked);
    BIO_free(source.bytes);
    return error;
}

/* --- whom to trust --- */

/* Adds what was read to the store. `*certificates` and `*lists` count. */
static bool add_to_store(X509_STORE *store, STACK_OF(X509_INFO) * all,
                         int *certificates, int *lists)
{
    for (int i = 0; i < sk_X509_INFO_num(all); i++) {
        const X509_INFO *info = sk_X509_INFO_value(all, i);
        if (info->x509 && !X509_STORE_add_cert(store, info->x509))
            return false;
        if (info->crl && !X509_STORE_add_crl(store, info->crl))
            return false;
        *certificates += info->x509 != NULL;
        *lists += info->crl != NULL;
    }
    return true;
}

/* A server names whom it trusts. If the names are more than it can send, it
 * sends none, and clients choose by themselves. */
static bool add_names(SSL_CTX *ctx, STACK_OF(X509_INFO) * all)
{
    STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
    size_t size = 0;
    for (int i = 0; names && i < sk_X509_INFO_num(all); i++) {
        const X509 *certificate = sk_X509_INFO_value(all, i)->x509;
        X509_NAME *name =
            certificate ? X509_NAME_dup(X509_get_subject_name(certificate))
                        : NULL;
        if (certificate && (!name || !sk_X509_NAME_push(names, name))) {
            X509_NAME_free(name);
            sk_X509_NAME_pop_free(names, X509_NAME_free);
            return false;
        }
        size += name ? 2 + (size_t)i2d_X509_NAME(name, NULL) : 0;
    }
    if (size > NAMES_MAX) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        names = sk_X509_NAME_new_null();
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    return names != NULL;
}

static int use_trust(SSL_CTX *ctx, const struct source *source, bool client)
{
    int certificates = 0, lists = 0;
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    struct asked asked = {.options = &(struct asynchat_tls_options){0}};
    STACK_OF(X509_INFO) *all =
        PEM_X509_INFO_read_bio(source->bytes, NULL, give_passphrase, &asked);
    bool good = all && add_to_store(store, all, &certificates, &lists) &&
                (client || add_names(ctx, all));
    sk_X509_INFO_pop_free(all, X509_INFO_free);
    if (!good)
        return source_fault(source);
    ERR_clear_error();
    if (certificates == 0)
        return asynchat__tls_fault(ASYNCHAT_ECERTIFICATE,
                                   "%s: there is no certificate in it",
                                   source->name);
    if (lists > 0)
        X509_STORE_set_flags(store,
                             X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return 0;
}

static int digest(const struct source *source, unsigned char id[TRUST_ID])
{
    char *bytes;
    long len = BIO_get_mem_data(source->bytes, &bytes);
    return EVP_Q_digest(NULL, "SHA256", NULL, bytes, (size_t)len, id, NULL)
               ? 0
               : source_fault(source);
}

static int load_trust_source(SSL_CTX *ctx, const struct asynchat_tls_options *o,
                             unsigned char id[TRUST_ID])
{
    struct source source;
    int error = open_source(&source, o->trust, o->trust_text, "trust");
    if (error)
        return error;
    error = digest(&source, id);
    if (!error)
        error = use_trust(ctx, &source, options_has(o, ASYNCHAT_TLS_CLIENT));
    BIO_free(source.bytes);
    return error;
}

static bool is_folder(const char *path)
{
    struct stat found;
    return path && stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

/* OpenSSL looks into a folder when it verifies, so nobody knows whether its
 * contents have changed: the digest is another one each time. */
static int load_folder(SSL_CTX *ctx, const char *path,
                       unsigned char id[TRUST_ID])
{
    if (RAND_bytes(id, TRUST_ID) != 1)
        return asynchat__tls_openssl_fault(-EIO, "random numbers");
    if (SSL_CTX_load_verify_dir(ctx, path) != 1)
        return asynchat__tls_openssl_fault(ASYNCHAT_ECERTIFICATE, path);
    return 0;
}

static int load_default(SSL_CTX *ctx)
{
    if (SSL_CTX_set_default_verify_paths(ctx) != 1)
        return asynchat__tls_openssl_fault(ASYNCHAT_ECERTIFICATE,
                                           "whom the system trusts");
    return 0;
}

static int load_trust(SSL_CTX *ctx, const struct asynchat_tls_options *o,
                      unsigned char id[TRUST_ID])
{
    memset(id, 0, TRUST_ID);
    if (is_folder(o->trust))
        return load_folder(ctx, o->trust, id);
    if (o->trust || o->trust_text)
        return load_trust_source(ctx, o, id);
    return options_has(o, ASYNCHAT_TLS_CLIENT) &&
                   !options_has(o, ASYNCHAT_TLS_NO_VERIFY)
               ? load_default(ctx)
               : 0;
}

int asynchat__tls_load(SSL_CTX *ctx, const struct asynchat_tls_options *o,
                       unsigned char id[TRUST_ID])
{
    int error = 0;
    if (o->certificate || o->certificate_text) {
        error = load_certificate(ctx, o);
        if (!error)
            error = load_key(ctx, o);
    }
    return error ? error : load_trust(ctx, o, id);
}
