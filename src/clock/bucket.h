/* A token bucket: what a rate gives, and has been spent of it.
 *
 * Nothing fills it as time goes by; what came since is added when it is looked
 * at. Spending more than there is makes a debt.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_BUCKET_H
#define ASYNCHAT_BUCKET_H

#include <stdint.h>

/* Levels are in thousandths of a byte, so that every millisecond counts. */
struct bucket {
    uint64_t rate; /* bytes per second; 0: without end */
    int64_t full;
    int64_t level;  /* at the time `since`, in milliseconds of a clock that */
    uint32_t since; /* wraps */
};

/* Full, from now on. */
void asynchat__bucket_set(struct bucket *b, uint64_t rate, uint64_t burst,
                          uint32_t now);

/* So many bytes may move now; UINT64_MAX without end. */
uint64_t asynchat__bucket_level(struct bucket *b, uint32_t now);

void asynchat__bucket_spend(struct bucket *b, uint64_t bytes);

/* The milliseconds from when it was last looked at until moving is worth it:
 * not just a byte, and not all that may be saved. */
uint32_t asynchat__bucket_wait(const struct bucket *b);

#endif
