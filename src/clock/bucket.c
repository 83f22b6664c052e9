/* A token bucket: see bucket.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "clock/bucket.h"

#define BYTE 1000

/* A wake-up is worth it for the bytes that come in this many milliseconds. */
#define WORTH 20

void asynchat__bucket_set(struct bucket *b, uint64_t rate, uint64_t burst,
                          uint32_t now)
{
    b->rate = rate;
    b->full = (int64_t)(burst > 0 ? burst : rate) * BYTE;
    b->level = b->full;
    b->since = now;
}

/* Each millisecond brings as many thousandths of a byte as the rate has bytes
 * per second. */
static void bucket_fill(struct bucket *b, uint32_t now)
{
    uint64_t missing = (uint64_t)(b->full - b->level);
    uint32_t passed = now - b->since;
    if (passed > missing / b->rate)
        b->level = b->full;
    else
        b->level += (int64_t)(passed * b->rate);
    b->since = now;
}

uint64_t asynchat__bucket_level(struct bucket *b, uint32_t now)
{
    if (b->rate == 0)
        return UINT64_MAX;
    bucket_fill(b, now);
    return b->level > 0 ? (uint64_t)b->level / BYTE : 0;
}

void asynchat__bucket_spend(struct bucket *b, uint64_t bytes)
{
    if (b->rate > 0)
        b->level -= (int64_t)bytes * BYTE;
}

static int64_t bucket_worth(const struct bucket *b)
{
    int64_t worth = (int64_t)b->rate * WORTH;
    if (worth > b->full)
        worth = b->full;
    return worth > BYTE ? worth : BYTE;
}

uint32_t asynchat__bucket_wait(const struct bucket *b)
{
    int64_t missing = bucket_worth(b) - b->level;
    if (b->rate == 0 || missing <= 0)
        return 0;
    uint64_t wait = ((uint64_t)missing + b->rate - 1) / b->rate;
    return wait < INT32_MAX ? (uint32_t)wait : INT32_MAX;
}
