/* A certificate for tests, which signs itself.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CERTIFICATE_H
#define CERTIFICATE_H

#include <stdbool.h>

#include <openssl/ssl.h>

/* Makes one for "localhost" and has `context` use it; writes it to the file
 * `path` for the peers, unless that is NULL. */
bool certificate_use(SSL_CTX *context, const char *path);

#endif
