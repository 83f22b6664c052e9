/* What went wrong: a code of error.h, and a text for people.
 *
 * Tested by tests/openssl/test_tls_context.c and test_tls_refused.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TLS_FAULT_H
#define ASYNCHAT_TLS_FAULT_H

#include <stdarg.h>
#include <stddef.h>

#include <openssl/types.h>

#include <asynchat/api.h>

/* Room for the text of a fault. Longer texts are cut. */
#define FAULT_TEXT 256

/* --- of a call that has no channel --- */

/* Sets the text of this thread, empties OpenSSL's error queue, and answers
 * `error`. */
int asynchat__tls_fault(int error, const char *format, ...)
    ASYNCHAT_FORMAT(2, 3);

/* Returns the text of this thread, lent until it is set again. */
const char *asynchat__tls_last_fault(void);

/* Does the same with the text "WHAT: " and the newest reason in the queue.
 * Answers -ENOMEM if that is the reason, or else `error`. */
int asynchat__tls_openssl_fault(int error, const char *what);

/* --- of a session --- */

/* Empties OpenSSL's error queue, which must be empty before a call about a
 * session: SSL_get_error() takes what lies there for an error of that call.
 * Emptying costs OpenSSL some 700 instructions even if there is nothing. */
void asynchat__tls_forget_errors(void);

/* What the certificate of a peer lacks. `error` is X509_V_OK if it was not
 * refused. */
struct refusal {
    int error;
    int depth;         /* 0 is the peer's own certificate */
    X509 *certificate; /* the peer's own, if it is for another name; or NULL */
};

/* Answers the code for the oldest error in OpenSSL's error queue, which it
 * empties, and writes the text of at most FAULT_TEXT bytes to `text`. `shaking`
 * says that the handshake is not done. */
int asynchat__tls_session_fault(const struct refusal *refusal, int shaking,
                                char *text);

/* Takes down what OpenSSL has found out about a certificate. */
void asynchat__tls_refuse(struct refusal *refusal, X509_STORE_CTX *store);

#endif
