/* The handshake of a codec.
 *
 * Tested by tests/openssl/test_tls.c, test_tls_refused.c and
 * test_tls_starttls.c. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TLS_SHAKE_H
#define ASYNCHAT_TLS_SHAKE_H

#include "tls/codec.h"

/* To be called when the connection is up. Answers as `seal` of a layer does. */
int asynchat__tls_shake_begin(struct codec *c);

/* Goes on with the handshake, with the bytes of the wire. Answers as `open` of
 * a layer does. */
int asynchat__tls_shake(struct codec *c);

/* The handshake is over, one way or another: it is no longer counted. */
void asynchat__tls_shake_over(struct codec *c);

/* Ends the session by an error, with a text for it. Answers `error`. */
int asynchat__tls_fail(struct codec *c, int error, const char *text);

/* The same, by what OpenSSL has to say. */
int asynchat__tls_fail_by_openssl(struct codec *c);

#endif
