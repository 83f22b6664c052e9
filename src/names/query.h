/* What several look-ups wait for together: one host and service, asked of the
 * system once. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_QUERY_H
#define ASYNCHAT_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "names/ask.h"

struct query;
struct lookup_answer;

/* One who waits: the beginning of an object of the caller's. */
struct query_asker {
    struct query_asker *next, **at;
    struct query *query;
    bool told; /* has got the addresses that came first */
    /* There is something new. Has the lock; called on any thread. */
    void (*notify)(struct query_asker *asker);
};

/* All of this is to be called with the lock of names/pool.h. */

/* Has the asker wait, together with others that have asked for the same not
 * long ago, or else has the system asked. 0, -ENOMEM, or what
 * asynchat__pool_add() answers. */
int asynchat__query_join(struct query_asker *asker, const char *host,
                         const char *service);

/* The asker does not wait any more. What it was given is gone. */
void asynchat__query_leave(struct query_asker *asker);

/* Gives what the asker has not been told yet, which stays until it leaves.
 * False: there is nothing. Sets *wait to the milliseconds after which this is to
 * be called again in any case. */
bool asynchat__query_news(struct query_asker *asker,
                          struct lookup_answer *answer, uint32_t *wait);

#endif
