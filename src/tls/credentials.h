/* Loads certificates, keys, and whom to trust, from files or from memory.
 *
 * Tested by tests/openssl/test_tls_context.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TLS_CREDENTIALS_H
#define ASYNCHAT_TLS_CREDENTIALS_H

#include <asynchat/tls.h>

#define TRUST_ID 32

/* Loads into `ctx` what the options `o` name. `id` becomes a digest of whom to
 * trust: it is another one if that has changed. On failure sets the text of the
 * thread. 0, -ENOMEM, ASYNCHAT_ECERTIFICATE, or an error of a file. */
int asynchat__tls_load(SSL_CTX *ctx, const struct asynchat_tls_options *o,
                       unsigned char id[TRUST_ID]);

#endif
