/* Framings: ways in which a message ends, other than by a string, by a number
 * of bytes, or by nothing. A framing looks at the stream and answers in counts
 * of bytes; it hands nothing out, and knows no limit.
 *
 * A framing belongs to one stream. The stream, as a framing sees it, is first
 * the bytes that are held back, and then the new bytes. The framer, in plan.c,
 * asks a framing for one step after the other, and hands each step out in full
 * before it asks for the next one.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_FRAMING_H
#define ASYNCHAT_SRC_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <asynchat/framing.h>

enum {
    FRAMING_GOES_ON,
    FRAMING_ENDS /* the message ends */
};

/* What a look at the stream has found: first `skip` bytes that are dropped in
 * silence, then `data` bytes of the message, then `tail` bytes. If the message
 * ends, the tail is its terminator; if it goes on, the tail is held back from
 * then on. A step may leave bytes of the stream over. If some of these were
 * held back, they still are, and no new byte was dealt with. The next step
 * begins with what is left over. A step that neither ends a message nor fails
 * deals with at least one new byte. */
struct framing_step {
    size_t skip, data, tail;
    /* The length of the message that begins with this step, if it is known; or
     * 0. */
    uint64_t whole;
    /* FRAMING_GOES_ON, FRAMING_ENDS, or an error, which fits into 16 bits: what
     * comes behind the `data` of this step is bad, and the message with it. Its
     * tail is held back. */
    int verdict;
};

/* The bytes of a whole message. The struct fits into two registers. */
struct framing_whole {
    const uint8_t *data; /* NULL: the framing cannot say */
    size_t len;
};

/* How many of `len` bytes the short way looks at if it has to search: the
 * search may be in vain, and a long message gains nothing by it. */
static inline size_t framing_short(size_t len)
{
    const size_t most = 1024;
    return len < most ? len : most;
}

static inline struct framing_whole framing_not_found(void)
{
    return (struct framing_whole){NULL, 0};
}

struct framing_ops {
    /* The short way, at the beginning of a message, while nothing is held back:
     * looks for a whole message in the `len` bytes, of which there is at least
     * one, and says where the next one begins. Leaves no bytes held back. The
     * answer may be thrown away, and a step asked for instead: either way the
     * framing is as it was, or as after the end of the message. May be NULL. */
    struct framing_whole (*find)(struct asynchat_framing *f,
                                 const uint8_t *bytes, size_t len,
                                 const uint8_t **next);
    /* Looks at the `len` new bytes, at least one, and goes on from where the
     * last step has ended. After an error the framing looks for the end of the
     * bad message. */
    struct framing_step (*step)(struct asynchat_framing *f,
                                const uint8_t *bytes, size_t len);
    /* The bytes that are held back. Those of them that are data of the next
     * step stay readable, and as they are, until the step after that one is
     * asked for. */
    const uint8_t *(*held)(const struct asynchat_framing *f);
    void (*release)(struct asynchat_framing *f);
    /* Holds nothing back, since all input was discarded, and forgets the
     * message in progress; but a message of which the length is known goes on
     * being counted. Leaves the bytes that were held back as they are. NULL:
     * the framing goes on where it was. */
    void (*reset)(struct asynchat_framing *f);
};

/* The part that all framings begin with. A new framing is all 0 here, except
 * for `ops` and `shares`, which is 1; `begun` may be true. */
struct asynchat_framing {
    const struct framing_ops *ops;
    uint32_t shares; /* released with the last one */
    /* How many bytes are held back, as of the end of the last step; the
     * framing's to write. */
    uint32_t held;
    /* A message has begun, though perhaps none of its data has come: an end of
     * the stream cuts it off. */
    bool begun;
    uint32_t matched; /* which of the alternatives has ended the last message */
    /* Below 0: the framing has failed for good, and no end of a message will be
     * found any more. It was made of bad arguments, which is to be told when it
     * is set; or a step has just given this error as its verdict. All bytes
     * that come then are data of a bad message, so there is nothing to resume:
     * the error is told even if the handler takes messages that are too
     * long. */
    int error;

    /* What follows is the framer's, in plan.c. */

    /* How many bytes of `old` were dealt with. */
    uint32_t said;
    /* The bytes that are held back, or were when the step began. */
    const uint8_t *old;
    /* The part of the last step that is not handed out yet. */
    struct framing_step plan;
    /* A message was begun by a step, and did not end; or bytes are held
     * back. */
    bool amid;
    bool tailing; /* all but the tail is handed out, and the tail is held back
                     as far as it has come */
};

/* Whether a framing can be set. 0; or an error, and the framing is freed. */
int asynchat__framing_check(struct asynchat_framing *framing);

struct asynchat_framing *asynchat__framing_share(
    struct asynchat_framing *framing);
/* NULL is allowed. */
void asynchat__framing_release(struct asynchat_framing *framing);

#endif
