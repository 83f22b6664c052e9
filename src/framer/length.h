/* Lengths: what all framings have in common in which each message begins with a
 * head that says how long the message is.
 *
 * A head that is cut is collected in the framing's own memory, and is held back
 * meanwhile. Nothing else is kept: the data is counted, in 64 bits.
 *
 * Tested by tests/test_prefix.c, test_varint.c, test_netstring.c and
 * test_head.c. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_LENGTH_H
#define ASYNCHAT_LENGTH_H

#include <asynchat/error.h>
#include <asynchat/framing.h>

#include "framer/framing.h"

/* Invariant: while a message is `inside`, nothing is held back. */
struct length {
    struct asynchat_framing f;
    /* Looks at the first `len` bytes of a message, at least 1, and answers as a
     * function of the program's does. */
    int (*look)(const struct length *l, const uint8_t *bytes, size_t len,
                struct asynchat_head *head);
    uint64_t left;  /* how many bytes of the message are still to come */
    uint32_t most;  /* the most bytes of a head */
    uint32_t comma; /* how many bytes stand behind each message: 0 or 1 */
    uint32_t from;  /* where in the block the bytes begin that are held back */
    /* The head is over, and `left` bytes or the comma are still to come; or the
     * framing has failed, and has told so. */
    bool inside;
    uint8_t *block; /* the bytes of a head that is cut */
};

/* Makes a framing of `size` bytes, which begin with a struct length. Its block
 * has room for a head, and with `skips` for another one behind bytes that are
 * skipped. NULL: there is no memory. */
struct length *asynchat__length_new(const struct framing_ops *ops, size_t size,
                                    uint32_t most, bool skips);

/* Makes a framing that has failed with `error`. NULL: there is no memory. */
struct asynchat_framing *asynchat__length_failed(int error);

/* The operations of these framings; each has its own `find`. */
struct framing_step asynchat__length_step(struct asynchat_framing *f,
                                          const uint8_t *bytes, size_t len);
const uint8_t *asynchat__length_held(const struct asynchat_framing *f);
void asynchat__length_reset(struct asynchat_framing *f);
void asynchat__length_release(struct asynchat_framing *f);

/* A whole message was found, with `tail` bytes behind it. */
static inline struct framing_whole length_found(const uint8_t *data, size_t len,
                                                size_t tail,
                                                const uint8_t **next)
{
    *next = data + len + tail;
    return (struct framing_whole){data, len};
}

/* A `find` for all heads: looks, and sees whether the message lies in the span.
 * It knows no comma. */
struct framing_whole asynchat__length_find(struct asynchat_framing *f,
                                           const uint8_t *bytes, size_t len,
                                           const uint8_t **next);

/* Gives the head of a message that has `length` bytes behind `head` bytes,
 * which are a part of the message if they are `kept`. A sum that is too large
 * for 64 bits is more than ever comes, and over every limit. */
static inline int length_known(struct asynchat_head *head, size_t size,
                               uint64_t length, bool kept)
{
    head->skip = kept ? 0 : size;
    head->length = length;
    if (kept)
        head->length = length > UINT64_MAX - size ? UINT64_MAX : length + size;
    return ASYNCHAT_HEAD_KNOWN;
}

#endif
