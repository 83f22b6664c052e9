/* Certificates for tests. SPDX-License-Identifier: BSD-3-Clause */
#include "authority.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* What must not fail in a test. */
#define MUST(condition)                                                        \
    do {                                                                       \
        if (!(condition))                                                      \
            abort();                                                           \
    } while (0)

static long serials = 1000;

static char *text_of(BIO *bio)
{
    char *bytes;
    long len = BIO_get_mem_data(bio, &bytes);
    char *text = strndup(bytes, (size_t)len);
    MUST(text);
    BIO_free(bio);
    return text;
}

static char *certificate_text(X509 *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());
    MUST(bio && PEM_write_bio_X509(bio, certificate));
    return text_of(bio);
}

static void add_extension(X509 *to, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, to, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    MUST(extension && X509_add_ext(to, extension, -1));
    X509_EXTENSION_free(extension);
}

static X509 *begin_certificate(const char *name, EVP_PKEY *key, long from,
                               long seconds)
{
    X509 *made = X509_new();
    X509_NAME *subject = X509_get_subject_name(made);
    MUST(made && X509_set_version(made, 2) &&
         ASN1_INTEGER_set(X509_get_serialNumber(made), ++serials) &&
         X509_gmtime_adj(X509_getm_notBefore(made), from) &&
         X509_gmtime_adj(X509_getm_notAfter(made), seconds) &&
         X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                    (const unsigned char *)name, -1, -1, 0) &&
         X509_set_pubkey(made, key));
    return made;
}

struct authority *authority_new(const char *name, const struct authority *by)
{
    struct authority *made = calloc(1, sizeof *made);
    MUST(made);
    made->key = EVP_EC_gen("P-256");
    MUST(made->key);
    X509 *own = begin_certificate(name, made->key, -86400, 86400);
    X509 *issuer = by ? by->certificate : own;
    MUST(X509_set_issuer_name(own, X509_get_subject_name(issuer)));
    add_extension(own, issuer, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(own, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
    MUST(X509_sign(own, by ? by->key : made->key, EVP_sha256()));
    made->certificate = own;
    made->text = certificate_text(own);
    return made;
}

void authority_free(struct authority *authority)
{
    X509_free(authority->certificate);
    EVP_PKEY_free(authority->key);
    free(authority->text);
    free(authority);
}

static X509 *begin_identity(const struct authority *by, EVP_PKEY *key,
                            long seconds)
{
    X509 *own = begin_certificate("somebody", key, -86400, seconds);
    MUST(X509_set_issuer_name(own, X509_get_subject_name(by->certificate)));
    return own;
}

/* Takes both. */
static struct identity *end_identity(const struct authority *by, X509 *own,
                                     EVP_PKEY *key)
{
    struct identity *made = calloc(1, sizeof *made);
    MUST(made && X509_sign(own, by->key, EVP_sha256()));
    made->serial = serials;
    made->certificate = certificate_text(own);
    BIO *bio = BIO_new(BIO_s_mem());
    MUST(bio &&
         PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
    made->key = text_of(bio);
    X509_free(own);
    EVP_PKEY_free(key);
    return made;
}

struct identity *identity_new(const struct authority *by, const char *names,
                              long seconds, const char *purpose)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    MUST(key);
    X509 *own = begin_identity(by, key, seconds);
    if (names)
        add_extension(own, by->certificate, NID_subject_alt_name, names);
    add_extension(own, by->certificate, NID_ext_key_usage, purpose);
    return end_identity(by, own, key);
}

struct identity *identity_new_rsa(const struct authority *by, unsigned bits)
{
    EVP_PKEY *key = EVP_RSA_gen(bits);
    MUST(key);
    X509 *own = begin_identity(by, key, 86400);
    add_extension(own, by->certificate, NID_subject_alt_name, "DNS:a.example");
    return end_identity(by, own, key);
}

struct identity *identity_new_raw(const struct authority *by, const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *one = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    MUST(key && names && one && text &&
         ASN1_STRING_set(text, name, (int)strlen(name)) &&
         sk_GENERAL_NAME_push(names, one));
    GENERAL_NAME_set0_value(one, GEN_DNS, text);
    X509 *own = begin_identity(by, key, 86400);
    MUST(X509_add1_ext_i2d(own, NID_subject_alt_name, names, 0, 0));
    GENERAL_NAMES_free(names);
    return end_identity(by, own, key);
}

void identity_free(struct identity *identity)
{
    free(identity->certificate);
    free(identity->key);
    free(identity);
}

char *authority_list(const struct authority *by, long serial, long seconds)
{
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *last = X509_gmtime_adj(NULL, -86400);
    ASN1_TIME *next = X509_gmtime_adj(NULL, seconds);
    BIO *bio = BIO_new(BIO_s_mem());
    MUST(list && last && next && bio && X509_CRL_set_version(list, 1) &&
         X509_CRL_set_issuer_name(list,
                                  X509_get_subject_name(by->certificate)) &&
         X509_CRL_set1_lastUpdate(list, last) &&
         X509_CRL_set1_nextUpdate(list, next));
    if (serial) {
        X509_REVOKED *entry = X509_REVOKED_new();
        ASN1_INTEGER *number = ASN1_INTEGER_new();
        MUST(entry && number && ASN1_INTEGER_set(number, serial) &&
             X509_REVOKED_set_serialNumber(entry, number) &&
             X509_REVOKED_set_revocationDate(entry, last) &&
             X509_CRL_add0_revoked(list, entry));
        ASN1_INTEGER_free(number);
    }
    MUST(X509_CRL_sign(list, by->key, EVP_sha256()) &&
         PEM_write_bio_X509_CRL(bio, list));
    X509_CRL_free(list);
    ASN1_TIME_free(last);
    ASN1_TIME_free(next);
    return text_of(bio);
}

char *identity_lock_key(const struct identity *identity, const char *phrase)
{
    BIO *in = BIO_new_mem_buf(identity->key, -1), *out = BIO_new(BIO_s_mem());
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
    MUST(key && out &&
         PEM_write_bio_PKCS8PrivateKey(out, key, EVP_aes_128_cbc(), phrase,
                                       (int)strlen(phrase), NULL, NULL));
    EVP_PKEY_free(key);
    BIO_free(in);
    return text_of(out);
}

char *texts_join(const char *first, const char *second)
{
    size_t len = strlen(first);
    char *both = malloc(len + strlen(second) + 1);
    MUST(both);
    strcpy(both, first);
    strcpy(both + len, second);
    return both;
}
