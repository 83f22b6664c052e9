/* The search: skips to where in a piece a terminator could begin.
 *
 * It may stop at a place where none does, and never passes one by; the matcher
 * looks exactly. Pure C, no libevent.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SEARCH_H
#define ASYNCHAT_SEARCH_H

#include <stddef.h>
#include <stdint.h>

/* A byte of the terminator, and how many stand before it. */
struct search_byte {
    uint8_t byte;
    uint8_t at;
};

/* What of a terminator is looked for: its first byte, and the two that text has
 * least of. */
struct search {
    size_t (*run)(const struct search *s, const uint8_t *piece, size_t at,
                  size_t len);
    struct search_byte rare[2];
    uint8_t first;
    uint8_t reach; /* one more than the larger `at` */
};

/* For a terminator of `len` bytes, 1 or more. */
void asynchat__search_set(struct search *s, const uint8_t *bytes, size_t len);

/* The first place from `at` on where the terminator could begin, also one whose
 * end is not in the piece; `len` if there is none. */
static inline size_t asynchat__search(const struct search *s,
                                      const uint8_t *piece, size_t at,
                                      size_t len)
{
    return s->run(s, piece, at, len);
}

#endif
