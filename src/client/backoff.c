/* Exponential back-off with full jitter.
 *
 * A time of the whole window, and not one around its end, spreads clients best
 * that were all lost at once. SPDX-License-Identifier: BSD-3-Clause */
#include "client/backoff.h"

void asynchat__backoff_begin(struct backoff *b)
{
    b->window = b->first;
}

uint32_t asynchat__backoff_next(struct backoff *b, uint32_t random)
{
    uint64_t times = (uint64_t)b->window + 1;
    b->window = b->window < b->most / 2 ? b->window * 2 : b->most;
    return (uint32_t)(random * times >> 32);
}
