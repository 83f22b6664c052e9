/* The search: skips to where in a piece a terminator could begin.
 *
 * The search may stop at a place where no terminator begins, but it never
 * passes a terminator by. The matcher looks exactly. Pure C, no libevent.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SEARCH_H
#define ASYNCHAT_SEARCH_H

#include <stddef.h>
#include <stdint.h>

/* A byte of the terminator, and how many bytes stand before it. */
struct search_byte {
    uint8_t byte;
    uint8_t at;
};

/* The bytes of a terminator that are looked for: its first byte, and the two
 * bytes that are rarest in text. */
struct search {
    size_t (*run)(const struct search *s, const uint8_t *piece, size_t at,
                  size_t len);
    struct search_byte rare[2];
    uint8_t first;
    uint8_t reach; /* one more than the larger `at` of the two */
};

/* Prepares the search for a terminator of `len` bytes, 1 or more. */
void asynchat__search_set(struct search *s, const uint8_t *bytes, size_t len);

/* The first place from `at` on where the terminator could begin, even if its
 * end is not in the piece; `len` if there is no such place. */
static inline size_t asynchat__search(const struct search *s,
                                      const uint8_t *piece, size_t at,
                                      size_t len)
{
    return s->run(s, piece, at, len);
}

#endif
