/* The first of some bytes in a piece. Pure C, no libevent.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_ANY_H
#define ASYNCHAT_ANY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes that are looked for. The struct begins as zeros. */
struct any {
    uint32_t table[8]; /* one bit for each byte */
    /* Bytes with the same upper half are a group, and a group has a bit. The
     * bits of a byte's halves have one in common if the byte is looked for. If
     * there are more than eight groups, some share a bit. */
    uint8_t lower[16], upper[16];
    uint8_t groups;
    uint8_t one;    /* the first byte that was added */
    uint16_t count; /* how many different ones there are */
    bool wide;      /* the processor has vectors of 32 bytes */
};

static inline bool any_is(const struct any *any, uint8_t byte)
{
    return any->table[byte >> 5] >> (byte & 31) & 1;
}

/* Adds a byte; a byte that is there already changes nothing. */
void asynchat__any_add(struct any *any, uint8_t byte);

/* The place of the first of the bytes from `at` on; `len` if there is none. At
 * least one byte was added. */
size_t asynchat__any_find(const struct any *any, const uint8_t *piece,
                          size_t at, size_t len);

/* The place of the first of two bytes, which need no struct, in a piece; or
 * `len`. */
size_t asynchat__any_of_two(const uint8_t *piece, size_t len, uint8_t one,
                            uint8_t other);

#endif
