/* Spares: memory in which a whole message was put together, for the next
 * message. It goes from one connection to the next, so idle connections keep
 * none.
 *
 * Tested by tests/test_spares.c. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SPARES_H
#define ASYNCHAT_SPARES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For copies of more than some 2 KiB memcpy uses an instruction (rep movsb)
 * that is slow on some processors, by 27 times on an AMD EPYC of 2023, if the
 * destination lies up to 15 bytes further behind a page's beginning than the
 * source. So long messages begin at a page, and received bytes begin a little
 * behind one, see LOOP_ASIDE. */
#define SPARES_PAGE 4096

#define SPARES_COUNT 4
#define SPARES_MOST (1u << 20) /* the most bytes of a spare */

/* Invariant: `capacity` is 0 exactly while `bytes` is NULL. */
struct spare {
    uint8_t *bytes;
    size_t capacity;
};

struct spares {
    struct spare kept[SPARES_COUNT];
};

/* Frees the memory. */
void asynchat__spare_free(struct spare memory);

/* Takes memory from among the spares. If there are none, the memory is
 * empty. */
struct spare asynchat__spares_take(struct spares *spares);

/* Makes the memory a spare. Frees the memory if it is too large, or if there
 * are enough spares. */
void asynchat__spares_give(struct spares *spares, struct spare memory);

/* Gives the memory another capacity. Its first `used` bytes stay as they were.
 * False: there is no memory, and nothing has changed. */
bool asynchat__spare_grow(struct spare *memory, size_t used, size_t capacity);

void asynchat__spares_free(struct spares *spares);

#endif
