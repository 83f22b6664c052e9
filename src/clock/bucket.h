/* A token bucket: how many bytes a rate allows to move now. Time fills the
 * bucket, and bytes that move are taken out of it.
 *
 * No timer fills it: the bytes that time has brought are added when the bucket
 * is looked at. Taking out more than there is makes a debt.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_BUCKET_H
#define ASYNCHAT_BUCKET_H

#include <stdint.h>

/* Levels are in thousandths of a byte, so that every millisecond counts. */
struct bucket {
    uint64_t rate;  /* bytes per second; 0: no limit */
    int64_t full;   /* the level of a full bucket */
    int64_t level;  /* the level at the time `since`; negative: a debt */
    uint32_t since; /* milliseconds of a clock that wraps */
};

/* Sets the rate, and the most bytes that the bucket holds; a `burst` of 0
 * stands for the bytes of one second. The bucket is full now. */
void asynchat__bucket_set(struct bucket *b, uint64_t rate, uint64_t burst,
                          uint32_t now);

/* How many bytes may move now; UINT64_MAX: there is no limit. */
uint64_t asynchat__bucket_level(struct bucket *b, uint32_t now);

/* Takes bytes that have moved out of the bucket. */
void asynchat__bucket_spend(struct bucket *b, uint64_t bytes);

/* In how many milliseconds it is worth moving bytes, counted from when the
 * bucket was last looked at. A single byte is not worth a wake-up; but the
 * bucket need not be full either. */
uint32_t asynchat__bucket_wait(const struct bucket *b);

#endif
