/* A limiter: how many bytes may move now, each way, for one that has rates of
 * its own and may share those of a group.
 *
 * Nothing here moves bytes, asks for the time, or waits. `now` is in
 * milliseconds, of a clock that wraps.
 *
 * Tested by tests/test_limiter.c. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_LIMITER_H
#define ASYNCHAT_LIMITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock/bucket.h"

enum limiter_way { LIMITER_READ, LIMITER_WRITE, LIMITER_WAYS };

struct limiter;

struct limiter_rates {
    struct bucket bucket[LIMITER_WAYS];
};

/* Invariant: `count` is the length of the list `members`. */
struct limiter_group {
    struct limiter_rates rates;
    struct limiter *members;
    size_t count;
};

/* Invariant: `next` and `link` mean something only while there is a `group`, of
 * whose list they are. */
struct limiter {
    struct limiter_rates own;
    uint64_t paid[LIMITER_WAYS]; /* bytes paid for, of all that have moved */
    bool served;                 /* something has moved since limiter_next() */
    struct limiter_group *group; /* or NULL */
    struct limiter *next, **link;
};

/* A limiter without rates, for one that has moved so much already. */
void asynchat__limiter_init(struct limiter *l, uint64_t read, uint64_t written);

void asynchat__limiter_join(struct limiter *l, struct limiter_group *group);
void asynchat__limiter_leave(struct limiter *l);

/* Whether it limits nothing. */
bool asynchat__limiter_is_idle(const struct limiter *l);

/* Pays for what has moved since the last time; `moved` is the number of bytes
 * in all. */
void asynchat__limiter_pay(struct limiter *l, enum limiter_way way,
                           uint64_t moved);

/* How many bytes may move. A group's are shared out, so that each member gets
 * some. */
uint64_t asynchat__limiter_may(struct limiter *l, enum limiter_way way,
                               uint32_t now);

/* In how many milliseconds it is worth looking again for one that waits to read
 * or to write, at least 1; 0: it waits for neither. A member that has just
 * moved something comes behind the others of its group, who wait for the same
 * moment. */
uint32_t asynchat__limiter_next(struct limiter *l, bool reads, bool writes);

#endif
