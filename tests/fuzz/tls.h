/* What the fuzzers of TLS have in common: contexts, and random numbers that are
 * the same in each run.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FUZZ_TLS_H
#define FUZZ_TLS_H

#include <asynchat.h>
#include <asynchat/tls.h>

#include "../openssl/authority.h"
#include "input.h"

/* The identity is for "a.example". `server` has a context of its own for that
 * name. `client` trusts whom it should. */
struct fuzz_tls {
    struct identity *identity;
    struct asynchat_tls *server, *named, *client;
};
extern struct fuzz_tls fuzz_tls;

/* To be called for each input. Makes the contexts once. Afterwards OpenSSL's
 * random numbers begin anew. */
void fuzz_tls_begin(void);

/* What must hold when no channel is left. */
void fuzz_tls_check(void);

/* An SSL_CTX for a peer made with OpenSSL alone, for one version. */
SSL_CTX *fuzz_tls_peer(bool server, int version);

#endif
