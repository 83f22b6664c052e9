/* Certificates for tests, made in memory.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef AUTHORITY_H
#define AUTHORITY_H

#include <stdbool.h>

#include <openssl/ssl.h>

/* Who issues certificates. */
struct authority {
    X509 *certificate;
    EVP_PKEY *key;
    char *text; /* its certificate in PEM */
};

/* Makes an authority that `by` has certified, or, if that is NULL, one that has
 * certified itself. */
struct authority *authority_new(const char *name, const struct authority *by);
void authority_free(struct authority *authority);

/* A certificate and its key in PEM. */
struct identity {
    char *certificate, *key;
    long serial;
};

/* Issues a certificate for names such as "DNS:a.example,IP:127.0.0.1", good for
 * `seconds` from now. `purpose` is "serverAuth", "clientAuth", or both with a
 * comma between. The subject's common name is "somebody", and with NULL there
 * are no other names. */
struct identity *identity_new(const struct authority *by, const char *names,
                              long seconds, const char *purpose);
/* Issues a certificate for "a.example", with a key of RSA. */
struct identity *identity_new_rsa(const struct authority *by, unsigned bits);
/* Issues a certificate for one DNS name, whatever bytes it has. */
struct identity *identity_new_raw(const struct authority *by, const char *name);
void identity_free(struct identity *identity);

/* A revocation list in PEM: `serial` is on it, unless it is 0. It is good for
 * `seconds` from now, which may be negative. To be freed. */
char *authority_list(const struct authority *by, long serial, long seconds);

/* The key in PEM, encrypted. To be freed. */
char *identity_lock_key(const struct identity *identity, const char *phrase);

/* Two texts behind each other. To be freed. */
char *texts_join(const char *first, const char *second);

#endif
