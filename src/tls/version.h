/* A version of a context: an SSL_CTX, and how it is made of options.
 *
 * Tested by tests/openssl/test_tls_context.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TLS_VERSION_H
#define ASYNCHAT_TLS_VERSION_H

#include "tls/context.h"

/* Makes a version, and gives it in *out. On failure sets the text of the
 * thread. Errors: those of asynchat_tls_new(). */
int asynchat__tls_version_new(const struct asynchat_tls *tls,
                              const struct asynchat_tls_options *options,
                              struct tls_version **out);

/* Takes over the keys of tickets, unless they are too old, so that sessions of
 * the version before can be resumed. To be called before `after` is used. */
void asynchat__tls_version_inherit(struct tls_version *after,
                                   const struct tls_version *before);

#endif
