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

#include <asynchat/channel.h>

/* A string terminator with its border table (Knuth, Morris and Pratt 1977).
 * Shared by count, since bytes that were held back are delivered from it while
 * the program may be setting the next one. */
struct needle {
    uint32_t shares;
    uint32_t len;
    uint32_t capacity;
    /* border[k], 1 <= k < len: how long the longest prefix is that ends the
     * first k bytes, and is not all of them. The bytes themselves follow behind
     * the table. */
    uint32_t border[];
};

struct match {
    enum asynchat_terminator kind;
    uint32_t held;         /* STRING: the bytes matched so far, < needle->len */
    uint64_t left;         /* LENGTH: the bytes still to come */
    struct needle *needle; /* STRING: the terminator, or an older one, kept for
                              its memory */
};

/* What a look at one piece found, in the order of the stream: first `released`
 * of the bytes held back turned out to be data, then `data` bytes of the piece
 * are; `used` bytes of the piece are dealt with, and `held` are held back after
 * that; found: the message is complete. */
struct match_step {
    size_t released;
    size_t data;
    size_t used;
    uint32_t held;
    bool found;
};

/* Sets the terminator: STRING of `len` bytes (0 to ASYNCHAT_TERMINATOR_MAX),
 * LENGTH of `len`, or NONE. Nothing may be held back. Answers 0 or -ENOMEM, and
 * the old terminator stays then. */
int asynchat__match_set(struct match *m, enum asynchat_terminator kind,
                        const void *bytes, uint64_t len);

/* Whether messages have an end: not with none, nor with what is the same. */
bool asynchat__match_ends(const struct match *m);

/* Looks at the next piece and changes nothing: the caller sets m->held, and
 * takes data off m->left, as it delivers. */
struct match_step asynchat__match_step(const struct match *m,
                                       const uint8_t *piece, size_t len);

const uint8_t *asynchat__needle_bytes(const struct needle *needle);
struct needle *asynchat__needle_share(struct needle *needle);
void asynchat__needle_release(struct needle *needle);

#endif
