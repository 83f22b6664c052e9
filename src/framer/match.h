/* The matcher: finds terminators in a stream, and sees each byte once. Pure C,
 * no libevent.
 *
 * Between two pieces of the stream the matcher remembers how many bytes of the
 * terminator have matched. These bytes are held back: they are not data yet.
 * They equal the beginning of the terminator, so they need not be kept anywhere
 * else.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_MATCH_H
#define ASYNCHAT_MATCH_H

#include <stdbool.h>
#include <string.h>

#include <asynchat/channel.h>

#include "framer/search.h"

/* A needle: a string terminator with its border table (Knuth, Morris and Pratt
 * 1977). A needle does not change, and is shared by count: connections that
 * wait for the same string have one needle. Bytes that were held back are
 * delivered from the needle, while the program may be setting the next
 * terminator. */
struct needle {
    /* How many shares there are. The needle is freed with the last one. */
    uint32_t shares;
    /* How many bytes the terminator has. */
    uint32_t len;
    struct search search;
    /* border[k], 1 <= k < len, is the length of the longest prefix that ends
     * the first k bytes, and is not all of them. The bytes of the terminator
     * follow behind the table. */
    uint32_t border[];
};

struct match {
    enum asynchat_terminator kind;
    /* STRING: how many bytes have matched so far, < needle->len. FRAMING: how
     * many bytes the framing holds back. */
    uint32_t held;
    /* LENGTH: how many bytes are still to come. STRING: the terminator's
     * length. NONE: 0. FRAMING: 1. */
    uint64_t left;
    /* STRING: the terminator, if it has bytes. Otherwise the last needle, or
     * NULL. */
    struct needle *needle;
};

/* The terminators that were set most recently, to be shared. A protocol has a
 * few. */
#define NEEDLES 4
struct needles {
    struct needle *all[NEEDLES];
    /* Which place the next terminator takes. */
    size_t next;
};

static inline const uint8_t *needle_bytes(const struct needle *needle)
{
    return (const uint8_t *)(needle->border + needle->len);
}

/* What a look at one piece has found. `used` bytes of the piece are dealt with.
 * The last `matched` bytes up to there, including bytes that were held back
 * before, are the terminator's. They are all of it if the message is complete,
 * or else the beginning that is held back now. The struct fits into two
 * registers. */
struct match_step {
    size_t used;
    size_t matched;
};

/* Sets the terminator: STRING of `len` bytes (0 to ASYNCHAT_TERMINATOR_MAX),
 * LENGTH of `len`, NONE, with `len` 0, or FRAMING, with `len` 1. Nothing may be
 * held back. 0; or -ENOMEM, and the old terminator stays. */
int asynchat__match_set(struct match *m, struct needles *recent,
                        enum asynchat_terminator kind, const void *bytes,
                        uint64_t len);

/* The same for everything but a string. */
static inline void match_set_count(struct match *m,
                                   enum asynchat_terminator kind, uint64_t len)
{
    m->kind = kind;
    m->left = len;
}

/* With STRING: whether messages end with this string already. */
static inline bool match_is(const struct match *m, const void *bytes,
                            size_t len)
{
    return m->left == len && len > 0 &&
           memcmp(needle_bytes(m->needle), bytes, len) == 0;
}

/* Whether messages have an end. They have none with NONE, nor with a string or
 * a length of 0, which mean the same. */
static inline bool match_ends(const struct match *m)
{
    return m->left > 0;
}

/* Whether the message is complete. (Every step uses at least one byte, so no
 * step completes a message while `left` is 0.) */
static inline bool match_found(const struct match *m, struct match_step step)
{
    if (m->kind == ASYNCHAT_STRING)
        return step.matched > 0 && step.matched == m->needle->len;
    return step.used == m->left;
}

/* How many of the bytes that were held back turned out to be data. In the
 * stream they come before those of match_data(). */
static inline size_t match_released(const struct match *m,
                                    struct match_step step)
{
    size_t data = m->held + step.used - step.matched;
    return data < m->held ? data : m->held;
}

/* How many bytes of the piece are data. */
static inline size_t match_data(struct match_step step)
{
    return step.used > step.matched ? step.used - step.matched : 0;
}

/* Whether all of a terminator stands at `place`. Most terminators have two
 * bytes. */
static inline bool needle_stands(const struct needle *needle,
                                 const uint8_t *place)
{
    const uint8_t *bytes = needle_bytes(needle);
    uint32_t len = needle->len;
    if (len == 2)
        return memcmp(place, bytes, 2) == 0;
    for (uint32_t i = 0; i < len; i++)
        if (place[i] != bytes[i])
            return false;
    return true;
}

/* The first step of a look at the next piece. It is enough most often: nothing
 * is held back, and the search finds all of a terminator at once, which begins
 * at *at. Otherwise asynchat__match_from() goes on from *at. Both steps change
 * nothing: the caller sets m->held, and takes data off m->left, as it
 * delivers. */
static inline bool match_find(const struct match *m, const uint8_t *piece,
                              size_t len, size_t *at)
{
    const struct needle *needle = m->needle;
    *at = 0;
    if (m->kind != ASYNCHAT_STRING || m->held > 0 || m->left == 0 || len < 2)
        return false;
    *at = asynchat__search(&needle->search, piece, 0, len);
    return needle->len <= len - *at && needle_stands(needle, piece + *at);
}

/* The second step: looks at the piece from `at` on, where the first step
 * stopped. */
struct match_step asynchat__match_from(const struct match *m,
                                       const uint8_t *piece, size_t at,
                                       size_t len);

struct needle *asynchat__needle_share(struct needle *needle);
void asynchat__needle_release(struct needle *needle);
void asynchat__needles_free(struct needles *recent);

#endif
