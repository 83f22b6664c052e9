/* A certificate for tests, which signs itself.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CERTIFICATE_H
#define CERTIFICATE_H

#include <stdbool.h>

#include <openssl/ssl.h>

/* Makes a certificate for "localhost" and lets `context` use it. Writes it to
 * the file `path` for the peers, unless `path` is NULL. */
bool certificate_use(SSL_CTX *context, const char *path);

#endif
