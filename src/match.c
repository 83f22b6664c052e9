/* The matcher: finds terminators in a stream, seeing each byte once.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "match.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Room for "\r\n" and "\r\n\r\n" alike, so that a protocol that alternates
 * between them allocates once. */
#define NEEDLE_LEAST 4

/* A terminator longer than this gives its memory back when the next one is set.
 */
#define NEEDLE_REUSED 64

/* --- the terminator --- */

/* The bytes stand behind the table, which has room for `capacity` of them. */
static uint8_t *needle_storage(struct needle *needle)
{
    return (uint8_t *)(needle->border + needle->capacity);
}

struct needle *asynchat__needle_share(struct needle *needle)
{
    needle->shares++;
    return needle;
}

void asynchat__needle_release(struct needle *needle)
{
    if (needle && --needle->shares == 0)
        free(needle);
}

/* A terminator that somebody else still looks at must not be written over. */
static bool needle_reusable(const struct needle *needle, size_t len)
{
    return needle && needle->shares == 1 && len <= needle->capacity &&
           needle->capacity <= NEEDLE_REUSED;
}

static struct needle *needle_new(size_t len)
{
    size_t capacity = len < NEEDLE_LEAST ? NEEDLE_LEAST : len;
    struct needle *needle =
        malloc(sizeof *needle + capacity * (sizeof needle->border[0] + 1));
    if (!needle)
        return NULL;
    needle->shares = 1;
    needle->capacity = (uint32_t)capacity;
    return needle;
}

/* The table of Knuth, Morris and Pratt, in one pass: `prefix` is the border of
 * the bytes before k, and grows by one or falls back to a shorter border.
 * `bytes` may be this needle's own. */
static void needle_fill(struct needle *needle, const void *bytes, size_t len)
{
    uint8_t *storage = needle_storage(needle);
    memmove(storage, bytes, len);
    needle->len = (uint32_t)len;

    uint32_t prefix = 0;
    needle->border[0] = 0;
    for (uint32_t k = 1; k < needle->len; k++) {
        needle->border[k] = prefix;
        while (prefix > 0 && storage[k] != storage[prefix])
            prefix = needle->border[prefix];
        if (storage[k] == storage[prefix])
            prefix++;
    }
    asynchat__search_set(&needle->search, storage, len);
}

/* Most programs set the same few terminators again and again; what is set
 * already costs a comparison. */
static int match_set_needle(struct match *m, const void *bytes, size_t len)
{
    if (m->needle && m->needle->len == len &&
        memcmp(needle_bytes(m->needle), bytes, len) == 0)
        return 0;
    struct needle *needle = m->needle;
    if (!needle_reusable(needle, len)) {
        needle = needle_new(len);
        if (!needle)
            return -ENOMEM;
    }
    needle_fill(needle, bytes, len);
    if (needle != m->needle)
        asynchat__needle_release(m->needle);
    m->needle = needle;
    return 0;
}

int asynchat__match_set(struct match *m, enum asynchat_terminator kind,
                        const void *bytes, uint64_t len)
{
    if (kind == ASYNCHAT_STRING && len > 0) {
        int error = match_set_needle(m, bytes, (size_t)len);
        if (error)
            return error;
    }
    m->kind = kind;
    m->left = kind == ASYNCHAT_NONE ? 0 : len;
    return 0;
}

/* --- the search --- */

/* A match falls back so often before it is doubted. */
#define PATIENCE 32

static struct match_step length_step(const struct match *m, size_t len)
{
    size_t used = len < m->left ? len : (size_t)m->left;
    return (struct match_step){.used = used};
}

/* Takes one byte: how much has matched after it. Only bytes taken make a match
 * longer, and each turn of the loop makes it shorter: for all bytes together it
 * has no more turns than there are bytes. */
static inline uint32_t needle_take(const struct needle *needle,
                                   const uint8_t *bytes, uint32_t matched,
                                   uint8_t byte)
{
    while (byte != bytes[matched]) {
        if (matched == 0)
            return 0;
        matched = needle->border[matched];
    }
    return matched + 1;
}

/* A match that fell back is likely to do so again, as often as somebody wants it
 * to. From time to time the search is asked whether it can begin where it does
 * now; if not, it is given up for the next that can. */
static size_t string_doubt(const struct needle *needle, const uint8_t *piece,
                           size_t at, size_t len, uint32_t *matched)
{
    if (*matched > at || *matched > needle->search.reach)
        return at;
    size_t next = asynchat__search(&needle->search, piece, at - *matched, len);
    if (next < at)
        return at;
    *matched = 0;
    return next;
}

/* From `at` on, where `matched` bytes have matched. */
SEARCH_APART static struct match_step string_walk(const struct needle *needle,
                                                  const uint8_t *piece,
                                                  size_t at, size_t len,
                                                  uint32_t matched)
{
    const uint8_t *bytes = needle_bytes(needle);
    unsigned falls = 0;
    while (at < len && matched < needle->len) {
        uint32_t before = matched;
        matched = needle_take(needle, bytes, before, piece[at++]);
        if (matched == 0)
            at = asynchat__search(&needle->search, piece, at, len);
        else if (matched <= before && ++falls % PATIENCE == 0)
            at = string_doubt(needle, piece, at, len, &matched);
    }
    return (struct match_step){at, matched};
}

/* Whether all of the terminator stands at a place. */
static inline bool needle_stands(const struct needle *needle,
                                 const uint8_t *place)
{
    const uint8_t *bytes = needle_bytes(needle);
    uint32_t i = 0;
    while (i < needle->len && place[i] == bytes[i])
        i++;
    return i == needle->len;
}

/* Most often nothing is held back, and the search finds all of it at once. */
static struct match_step string_step(const struct needle *needle,
                                     const uint8_t *piece, size_t len,
                                     uint32_t held)
{
    if (held > 0)
        return string_walk(needle, piece, 0, len, held);
    size_t at = asynchat__search(&needle->search, piece, 0, len);
    if (needle->len <= len - at && needle_stands(needle, piece + at))
        return (struct match_step){at + needle->len, needle->len};
    return string_walk(needle, piece, at, len, 0);
}

/* A stream may come byte by byte. */
static inline struct match_step byte_step(const struct needle *needle,
                                          uint8_t byte, uint32_t held)
{
    const uint8_t *bytes = needle_bytes(needle);
    if (held == 0)
        return (struct match_step){1, byte == bytes[0]};
    return (struct match_step){1, needle_take(needle, bytes, held, byte)};
}

struct match_step asynchat__match_step(const struct match *m,
                                       const uint8_t *piece, size_t len)
{
    if (!match_ends(m))
        return (struct match_step){.used = len};
    if (m->kind == ASYNCHAT_LENGTH)
        return length_step(m, len);
    if (len == 1)
        return byte_step(m->needle, *piece, m->held);
    return string_step(m->needle, piece, len, m->held);
}
