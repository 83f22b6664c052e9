/* A BIO between buffers: OpenSSL reads what the stage has received, and writes
 * where the stage gathers.
 *
 * Tested by tests/openssl/test_tls_wire.c and tests/openssl/test_tls.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TLS_WIRE_H
#define ASYNCHAT_TLS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

/* The buffers of one session. Both ways never block: reading more than there is
 * asks OpenSSL to try again, and what finds no room at `out` is kept in
 * `kept`. */
struct wire {
    const uint8_t *in; /* lent for the call under way */
    size_t in_len;
    uint8_t *out; /* lent for the call under way; or NULL */
    size_t out_len, out_room;
    uint8_t *kept; /* sealed bytes that wait to be taken */
    size_t kept_len, kept_room;
    bool stopped; /* nothing is read any more */
};

/* Makes what all sessions share; to be called by one thread at a time, before
 * the first session is made. A call that failed may be tried again. 0 or
 * -ENOMEM. */
int asynchat__tls_wire_prepare(void);

/* Gives the session a BIO over the buffers, which must live as long as the
 * session. 0 or -ENOMEM. */
int asynchat__tls_wire_attach(SSL *ssl, struct wire *wire);

/* Moves kept bytes to `to`, at most `room`. Answers how many. */
size_t asynchat__tls_wire_take(struct wire *wire, void *to, size_t room);

void asynchat__tls_wire_free(struct wire *wire);

#endif
