/* Spares: memory that a whole message was put together in, for the next message.
 * It goes from one connection to the next, so idle connections keep none.
 *
 * Tested by tests/test_spares.c. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SPARES_H
#define ASYNCHAT_SPARES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A processor that copies upwards is slow, by 14 times in the worst case that was
 * measured, where the destination is a few bytes further behind a page's
 * beginning than the source: each load seems to need the store before it. So
 * what is received, and a long message, begins at a page. */
#define SPARES_PAGE 4096

#define SPARES_COUNT 4
#define SPARES_MOST (1u << 20) /* bytes of memory that is kept */

/* Invariant: `capacity` is 0 exactly while `bytes` is NULL. */
struct spare {
    uint8_t *bytes;
    size_t capacity;
};

struct spares {
    struct spare kept[SPARES_COUNT];
};

/* Memory from among the spares, or none. */
struct spare asynchat__spares_take(struct spares *spares);

/* Makes the memory a spare, or frees it if it is large or there are enough. */
void asynchat__spares_give(struct spares *spares, struct spare memory);

/* Gives the memory another capacity, of which the first `used` bytes stay as they
 * were. False: there is none, and nothing has changed. */
bool asynchat__spare_grow(struct spare *memory, size_t used, size_t capacity);

void asynchat__spares_free(struct spares *spares);

#endif
