/* Exponential back-off with full jitter: how long to wait before the next
 * attempt. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_BACKOFF_H
#define ASYNCHAT_BACKOFF_H

#include <stdint.h>

/* Times are in milliseconds. Invariant: `first` <= `window` <= `most`. */
struct backoff {
    uint32_t first, most; /* the shortest and the longest window */
    uint32_t window;      /* the next one */
};

/* The next window is the first one. */
void asynchat__backoff_begin(struct backoff *b);

/* A time of the window, both ends included, that `random` chooses, of which all
 * 32 bits are random. The next window is twice as long. */
uint32_t asynchat__backoff_next(struct backoff *b, uint32_t random);

#endif
