/* A certificate for tests, which signs itself.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "certificate.h"

#include <stdio.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define DAY (24L * 60 * 60)

static bool certificate_fill(X509 *x509, EVP_PKEY *key)
{
    X509_NAME *name = X509_get_subject_name(x509);
    return X509_set_version(x509, 2) &&
           ASN1_INTEGER_set(X509_get_serialNumber(x509), 1) &&
           X509_gmtime_adj(X509_getm_notBefore(x509), -DAY) &&
           X509_gmtime_adj(X509_getm_notAfter(x509), DAY) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                      (const unsigned char *)"localhost", -1,
                                      -1, 0) &&
           X509_set_issuer_name(x509, name) && X509_set_pubkey(x509, key) &&
           X509_sign(x509, key, EVP_sha256());
}

static bool certificate_write(X509 *x509, const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return false;
    bool written = PEM_write_X509(file, x509);
    return fclose(file) == 0 && written;
}

bool certificate_use(SSL_CTX *context, const char *path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    bool good = key && x509 && certificate_fill(x509, key) &&
                SSL_CTX_use_certificate(context, x509) == 1 &&
                SSL_CTX_use_PrivateKey(context, key) == 1 &&
                (!path || certificate_write(x509, path));
    X509_free(x509);
    EVP_PKEY_free(key);
    return good;
}
