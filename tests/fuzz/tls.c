/* What the fuzzers of TLS have in common. SPDX-License-Identifier: BSD-3-Clause */
#define OPENSSL_SUPPRESS_DEPRECATED /* RAND_METHOD is the simple way */
#include "tls.h"

#include <event2/event.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

struct fuzz_tls fuzz_tls;

/* --- random numbers --- */

static uint64_t state;

static int number_bytes(unsigned char *to, int len)
{
    for (int i = 0; i < len; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        to[i] = (unsigned char)(state >> 56);
    }
    return 1;
}

static int number_status(void)
{
    return 1;
}

static const RAND_METHOD numbers = {
    .bytes = number_bytes,
    .pseudorand = number_bytes,
    .status = number_status,
};

/* --- contexts --- */

static struct asynchat_tls *context(struct asynchat_tls_options options)
{
    struct asynchat_tls *tls;
    options.size = sizeof options;
    options.handshake_budget = 1000000;
    CHECK(asynchat_tls_new(&options, &tls) == 0);
    return tls;
}

static void hush(int severity, const char *text)
{
    (void)severity;
    (void)text;
}

static void prepare(void)
{
    static const char *const alpn[] = {"x", "yy", NULL};
    CHECK(RAND_set_rand_method(&numbers) == 1);
    event_set_log_callback(hush);
    struct authority *authority = authority_new("authority", NULL);
    struct identity *first =
        identity_new(authority, "DNS:first", 86400, "serverAuth");
    fuzz_tls.identity =
        identity_new(authority, "DNS:a.example", 86400, "serverAuth");
    fuzz_tls.server = context(
        (struct asynchat_tls_options){.certificate_text = first->certificate,
                                      .key_text = first->key,
                                      .alpn = alpn});
    fuzz_tls.named = context((struct asynchat_tls_options){
        .certificate_text = fuzz_tls.identity->certificate,
        .key_text = fuzz_tls.identity->key});
    fuzz_tls.client =
        context((struct asynchat_tls_options){.flags = ASYNCHAT_TLS_CLIENT,
                                              .trust_text = authority->text,
                                              .alpn = alpn});
    CHECK(asynchat_tls_add_name(fuzz_tls.server, "a.example", fuzz_tls.named) ==
          0);
    identity_free(first);
    authority_free(authority);
}

void fuzz_tls_begin(void)
{
    if (!fuzz_tls.server)
        prepare();
    state = 1;
}

static void check_stats(const struct asynchat_tls *tls)
{
    struct asynchat_tls_stats s;
    CHECK(asynchat_tls_get_stats(tls, &s, sizeof s) == 0);
    CHECK(s.begun == s.done + s.failed + s.silent);
    CHECK(s.shaking == 0 && s.waiting == 0);
}

void fuzz_tls_check(void)
{
    check_stats(fuzz_tls.server);
    check_stats(fuzz_tls.client);
    CHECK(ERR_peek_error() == 0);
}

SSL_CTX *fuzz_tls_peer(bool server, int version)
{
    SSL_CTX *ctx =
        SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    CHECK(ctx && SSL_CTX_set_min_proto_version(ctx, version) &&
          SSL_CTX_set_max_proto_version(ctx, version));
    if (!server)
        return ctx;
    BIO *bio = BIO_new_mem_buf(fuzz_tls.identity->certificate, -1);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    bio = BIO_new_mem_buf(fuzz_tls.identity->key, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    CHECK(SSL_CTX_use_certificate(ctx, certificate) == 1 &&
          SSL_CTX_use_PrivateKey(ctx, key) == 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return ctx;
}
