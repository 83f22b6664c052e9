/* The matcher: finds terminators in a stream, seeing each byte once. Pure C, no
 * libevent.
 *
 * Between two pieces of the stream it remembers how many bytes of the
 * terminator have matched. Those are held back: they are not data yet. They
 * equal the beginning of the terminator, so they need not be kept anywhere
 * else.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_MATCH_H
#define ASYNCHAT_MATCH_H

#include <stdbool.h>
#include <string.h>

#include <asynchat/channel.h>

#include "search.h"

/* A string terminator with its border table (Knuth, Morris and Pratt 1977). It
 * does not change, and is shared by count: connections that wait for the same
 * have one; and bytes that were held back are delivered from it while the
 * program may be setting the next. */
struct needle {
    uint32_t shares;
    uint32_t len;
    struct search search;
    /* border[k], 1 <= k < len: how long the longest prefix is that ends the
     * first k bytes, and is not all of them. The bytes themselves follow behind
     * the table. */
    uint32_t border[];
};

struct match {
    enum asynchat_terminator kind;
    uint32_t held;         /* STRING: the bytes matched so far, < needle->len */
    uint64_t left;         /* LENGTH: the bytes still to come */
    struct needle *needle; /* STRING: the terminator; else the last one */
};

/* Those set most recently, to be shared: a protocol has a few. */
#define NEEDLES 4
struct needles {
    struct needle *all[NEEDLES];
    size_t next;
};

static inline const uint8_t *needle_bytes(const struct needle *needle)
{
    return (const uint8_t *)(needle->border + needle->len);
}

/* What a look at one piece found: `used` bytes of it are dealt with, and the
 * last `matched` bytes up to there, those held back before included, are the
 * terminator's: all of it if the message is complete, or else the beginning that
 * is held back now. It fits into two registers. */
struct match_step {
    size_t used;
    size_t matched;
};

/* Sets the terminator: STRING of `len` bytes (0 to ASYNCHAT_TERMINATOR_MAX),
 * LENGTH of `len`, or NONE, with 0. Nothing may be held back. Answers 0 or -ENOMEM, and
 * the old terminator stays then. */
int asynchat__match_set(struct match *m, struct needles *recent,
                        enum asynchat_terminator kind, const void *bytes,
                        uint64_t len);

/* With STRING: whether messages end with that string already. */
static inline bool match_is(const struct match *m, const void *bytes,
                            size_t len)
{
    return m->left == len && len > 0 &&
           memcmp(needle_bytes(m->needle), bytes, len) == 0;
}

/* Whether messages have an end: not with none, nor with what is the same. */
static inline bool match_ends(const struct match *m)
{
    return m->left > 0;
}

/* The message is complete. (No step uses nothing, so none ends with 0 left.) */
static inline bool match_found(const struct match *m, struct match_step step)
{
    if (m->kind == ASYNCHAT_STRING)
        return step.matched > 0 && step.matched == m->needle->len;
    return step.used == m->left;
}

/* The data of a step, in the order of the stream: so many of the bytes that were
 * held back turned out to be data, */
static inline size_t match_released(const struct match *m,
                                    struct match_step step)
{
    size_t data = m->held + step.used - step.matched;
    return data < m->held ? data : m->held;
}

/* and then so many of the piece are. */
static inline size_t match_data(struct match_step step)
{
    return step.used > step.matched ? step.used - step.matched : 0;
}

/* Whether all of a terminator stands at a place. Most have two bytes. */
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

/* Looks at the next piece, in two steps, which change nothing: the caller sets
 * m->held, and takes data off m->left, as it delivers. The first is enough most
 * often: nothing is held back, and the search finds all of a terminator at once.
 * That begins at *at then; if not, the second goes on from there. */
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

struct match_step asynchat__match_from(const struct match *m,
                                       const uint8_t *piece, size_t at,
                                       size_t len);

struct needle *asynchat__needle_share(struct needle *needle);
void asynchat__needle_release(struct needle *needle);
void asynchat__needles_free(struct needles *recent);

#endif
