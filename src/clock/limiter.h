/* A limiter: how many bytes a connection may move now, in each direction. It
 * has rates of its own, and may share the rates of a group.
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

/* Invariant: `next` and `link` are the limiter's place in the list of its
 * group, and mean nothing while `group` is NULL. */
struct limiter {
    struct limiter_rates own;
    uint64_t paid[LIMITER_WAYS]; /* how many of the bytes that moved are paid */
    /* bytes moved since asynchat__limiter_next() */
    bool served;
    struct limiter_group *group; /* or NULL */
    struct limiter *next, **link;
};

/* Makes a limiter without rates, for a connection that has received `read`
 * bytes and sent `written` bytes already. */
void asynchat__limiter_init(struct limiter *l, uint64_t read, uint64_t written);

void asynchat__limiter_join(struct limiter *l, struct limiter_group *group);
void asynchat__limiter_leave(struct limiter *l);

/* Whether the limiter limits nothing. */
bool asynchat__limiter_is_idle(const struct limiter *l);

/* Pays for the bytes that have moved since the last call. `moved` counts all
 * bytes that have ever moved. */
void asynchat__limiter_pay(struct limiter *l, enum limiter_way way,
                           uint64_t moved);

/* How many bytes may move now. The bytes of a group are shared out, so that
 * each member gets some. */
uint64_t asynchat__limiter_may(struct limiter *l, enum limiter_way way,
                               uint32_t now);

/* In how many milliseconds, at least 1, it is worth looking again whether bytes
 * may move. `reads` and `writes` tell whether the connection waits to read or
 * to write; 0: it waits for neither. A member of a group that has just moved
 * bytes waits a millisecond longer, so that it comes after the members that
 * wait for the same moment. */
uint32_t asynchat__limiter_next(struct limiter *l, bool reads, bool writes);

#endif
