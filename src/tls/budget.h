/* How much of a loop's pass handshakes may take, and how many handshakes there
 * may be at a time. Both are counted for each thread.
 *
 * Tested by tests/openssl/test_tls_limits.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TLS_BUDGET_H
#define ASYNCHAT_TLS_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct event_base;

/* Milliseconds of a clock that never goes back. */
uint64_t asynchat__tls_now(void);

/* Whether handshakes have used less than `budget` microseconds in this pass of
 * the loop. If not, the caller has to ask again in the next pass. *told belongs
 * to the handshake, is 0 at first, and is how the next pass is noticed. */
bool asynchat__tls_budget_left(struct event_base *base, unsigned budget,
                               unsigned *told);

/* To be called before and after a step of a handshake. */
void asynchat__tls_budget_begin(void);
void asynchat__tls_budget_end(void);

/* Counts a handshake that begins, and one that is over. False: there are `most`
 * already, and the handshake does not begin. */
bool asynchat__tls_handshake_begins(unsigned most);
void asynchat__tls_handshake_ends(void);

#endif
