/* Framings: ways in which a message ends, other than by a string, by a number
 * of bytes, or by nothing. A framing looks at the stream and answers in counts
 * of bytes; it hands nothing out, and knows no limit.
 *
 * A framing belongs to one stream. The stream, as a framing sees it, is first
 * the bytes that are held back, and then the new bytes.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_FRAMING_H
#define ASYNCHAT_SRC_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct asynchat_framing;

enum {
    FRAMING_GOES_ON,
    FRAMING_ENDS /* the message ends */
};

/* What a look at the stream has found: first `skip` bytes that are dropped in
 * silence, then `data` bytes of the message, then `tail` bytes. If the message
 * ends, the tail is its terminator; if it goes on, the tail is held back from
 * then on. A step may leave bytes of the stream over, also such that were held
 * back: the next step begins with them. A step that neither ends a message nor
 * fails deals with at least one new byte. */
struct framing_step {
    size_t skip, data, tail;
    /* The length of the message that begins with this step, if it is known; or
     * 0. */
    uint64_t whole;
    int verdict; /* FRAMING_GOES_ON, FRAMING_ENDS, or an error below 0 */
};

struct framing_ops {
    /* The short way, while nothing is held back and no byte of a message has
     * come: whether a whole message lies in the `len` bytes, of which there is
     * at least one. False, without a change, if the framing cannot say. May be
     * NULL. */
    bool (*find)(struct asynchat_framing *f, const uint8_t *bytes, size_t len,
                 struct framing_step *step);
    /* Looks at the `len` new bytes, at least one, and goes on from where the
     * last step has ended: each step is handed out in full before the next one
     * is asked for. After an error the step says how many bytes it is about,
     * and the framing looks for the end of the bad message. */
    struct framing_step (*step)(struct asynchat_framing *f,
                                const uint8_t *bytes, size_t len);
    /* The bytes that are held back; readable until the next step has
     * returned. */
    const uint8_t *(*held)(const struct asynchat_framing *f);
    void (*release)(struct asynchat_framing *f);
};

/* The part that all framings begin with. */
struct asynchat_framing {
    const struct framing_ops *ops;
    uint32_t shares; /* released with the last one */
    uint32_t held;   /* how many bytes are held back; the framing's to write */
    /* A message has begun, though perhaps none of its data has come: an end of
     * the stream cuts it off. */
    bool begun;
    uint32_t matched; /* which of the alternatives has ended the last message */
};

#endif
