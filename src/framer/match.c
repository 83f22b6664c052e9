/* The matcher: finds terminators in a stream, and sees each byte once.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "framer/match.h"

#include <errno.h>
#include <string.h>

#include "base/apart.h"
#include "base/memory.h"

/* A terminator with more bytes than this is not kept for others. */
#define NEEDLE_RECENT 64

/* --- the terminator --- */

struct needle *asynchat__needle_share(struct needle *needle)
{
    needle->shares++;
    return needle;
}

void asynchat__needle_release(struct needle *needle)
{
    if (needle && --needle->shares == 0)
        asynchat__free(needle);
}

static bool needle_is(const struct needle *needle, const void *bytes,
                      size_t len)
{
    return needle && needle->len == len && needle_stands(needle, bytes);
}

/* Fills the table of Knuth, Morris and Pratt, in one pass. `prefix` is the
 * border of the bytes before k. It grows by one, or falls back to a shorter
 * border. */
static void needle_fill(struct needle *needle, const uint8_t *bytes)
{
    uint32_t prefix = 0;
    for (uint32_t k = 1; k < needle->len; k++) {
        needle->border[k] = prefix;
        while (prefix > 0 && bytes[k] != bytes[prefix])
            prefix = needle->border[prefix];
        if (bytes[k] == bytes[prefix])
            prefix++;
    }
    asynchat__search_set(&needle->search, bytes, needle->len);
}

static struct needle *needle_new(const void *bytes, size_t len)
{
    struct needle *needle =
        asynchat__malloc(sizeof *needle + len * (sizeof needle->border[0] + 1));
    if (!needle)
        return NULL;
    needle->shares = 1;
    needle->len = (uint32_t)len;
    memcpy(needle->border + len, bytes, len);
    needle_fill(needle, needle_bytes(needle));
    return needle;
}

/* Keeps the needle in place of the needle that has been there longest. */
static void needles_keep(struct needles *recent, struct needle *needle)
{
    struct needle **place = &recent->all[recent->next];
    recent->next = (recent->next + 1) % NEEDLES;
    asynchat__needle_release(*place);
    *place = asynchat__needle_share(needle);
}

void asynchat__needles_free(struct needles *recent)
{
    for (size_t i = 0; i < NEEDLES; i++)
        asynchat__needle_release(recent->all[i]);
}

/* Gives a needle that was set recently, or a new one. NULL: there is no
 * memory. */
static struct needle *needles_get(struct needles *recent, const void *bytes,
                                  size_t len)
{
    for (size_t i = 0; i < NEEDLES; i++)
        if (needle_is(recent->all[i], bytes, len))
            return asynchat__needle_share(recent->all[i]);
    struct needle *needle = needle_new(bytes, len);
    if (needle && len <= NEEDLE_RECENT)
        needles_keep(recent, needle);
    return needle;
}

/* `bytes` may lie in the old needle, so the old needle is released last. */
static APART int match_set_needle(struct match *m, struct needles *recent,
                                  const void *bytes, size_t len)
{
    struct needle *needle = needles_get(recent, bytes, len);
    if (!needle)
        return -ENOMEM;
    asynchat__needle_release(m->needle);
    m->needle = needle;
    return 0;
}

int asynchat__match_set(struct match *m, struct needles *recent,
                        enum asynchat_terminator kind, const void *bytes,
                        uint64_t len)
{
    if (kind == ASYNCHAT_STRING && len > 0 &&
        !needle_is(m->needle, bytes, (size_t)len)) {
        int error = match_set_needle(m, recent, bytes, (size_t)len);
        if (error)
            return error;
    }
    match_set_count(m, kind, len);
    return 0;
}

/* --- the search --- */

/* How often a match falls back before it is doubted. */
#define PATIENCE 32

static struct match_step length_step(const struct match *m, size_t len)
{
    size_t used = len < m->left ? len : (size_t)m->left;
    return (struct match_step){.used = used};
}

/* Takes one byte, and answers how many bytes have matched after it. Only bytes
 * that are taken make a match longer, and each turn of the loop makes the match
 * shorter. So for all bytes together the loop has no more turns than there are
 * bytes. */
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

/* A match that fell back is likely to fall back again, as often as somebody
 * wants it to. So from time to time the search is asked whether a terminator
 * can begin where the match does. If none can, the match is given up, and the
 * walk goes on where the next terminator can begin. */
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

/* Walks on from `at`, where `matched` bytes have matched. */
static APART struct match_step string_walk(const struct needle *needle,
                                           const uint8_t *piece, size_t at,
                                           size_t len, uint32_t matched)
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

/* A short way for one byte, since a stream may come byte by byte. */
static struct match_step byte_step(const struct needle *needle, uint8_t byte,
                                   uint32_t held)
{
    const uint8_t *bytes = needle_bytes(needle);
    if (held == 0)
        return (struct match_step){1, byte == bytes[0]};
    return (struct match_step){1, needle_take(needle, bytes, held, byte)};
}

struct match_step asynchat__match_from(const struct match *m,
                                       const uint8_t *piece, size_t at,
                                       size_t len)
{
    if (!match_ends(m))
        return (struct match_step){.used = len};
    if (m->kind == ASYNCHAT_LENGTH)
        return length_step(m, len);
    if (len == 1)
        return byte_step(m->needle, *piece, m->held);
    return string_walk(m->needle, piece, at, len, m->held);
}
