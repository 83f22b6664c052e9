/* The framer: splits a stream into messages, for a program that has a loop of
 * its own, or no loop. The framer knows neither sockets nor libevent. A channel
 * splits its input in the same way.
 *
 *     static void take(struct asynchat_framer *framer, const void *bytes,
 *                      size_t n)
 *     {
 *         enum asynchat_framer_event event;
 *         const void *data;
 *         size_t len;
 *         asynchat_framer_feed(framer, bytes, n);
 *         while ((event = asynchat_framer_next(framer, &data, &len)) !=
 *                ASYNCHAT_FRAMER_MORE)
 *             if (event == ASYNCHAT_FRAMER_DATA)
 *                 fwrite(data, 1, len, stdout);
 *             else
 *                 putchar('\n');
 *     }
 *
 * What everyone must know:
 * - The input may be cut anywhere. The events are the same however it is cut,
 *   except for the places where ASYNCHAT_FRAMER_DATA is divided.
 * - Between two events the program may call any of these functions. A new
 *   terminator takes effect at the first byte that was not handed out yet.
 * - The framer copies no input. Bytes that may be the beginning of a terminator
 *   are held back, and come with a later event.
 * - The work is linear in the number of bytes that are fed.
 * - A framer may be used by one thread at a time. None of these functions may
 *   be called from a signal handler.
 *
 * The framer is part of libasynchat. It is also a library of its own,
 * libasynchat-framer.a, which needs nothing but libc: cc program.c
 * -lasynchat-framer.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_FRAMER_H
#define ASYNCHAT_FRAMER_H

#include <asynchat/channel.h>

ASYNCHAT_BEGIN_DECLS

/* The events that asynchat_framer_next() returns. */
enum asynchat_framer_event {
    ASYNCHAT_FRAMER_MORE,    /* no more events: feed more, or finish */
    ASYNCHAT_FRAMER_DATA,    /* bytes of the message in progress, 1 or more; the
                                terminator is never among them */
    ASYNCHAT_FRAMER_END,     /* the message is complete; an empty message has no
                                other event */
    ASYNCHAT_FRAMER_DROPPED, /* a message that was longer than the limit, or
                                whose framing was broken, is complete: its first
                                bytes came as data, and the rest was dropped */
    ASYNCHAT_FRAMER_TOO_LONG, /* the message is longer than the limit. A
                                 program that goes on gets this event for each
                                 span of bytes that is dropped, and at the end
                                 of the message ASYNCHAT_FRAMER_DROPPED */
    ASYNCHAT_FRAMER_BAD /* the framing of the message is broken; otherwise as
                           ASYNCHAT_FRAMER_TOO_LONG */
};

/* Gives a framer without a terminator and without a limit, to be freed by
 * asynchat_framer_free(), or NULL if there is no memory. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD struct asynchat_framer *asynchat_framer_new(
    void);
/* Frees the framer. NULL is allowed. Since 0.1. */
ASYNCHAT_API void asynchat_framer_free(struct asynchat_framer *framer);

/* Sets a byte string as the terminator: 1 to ASYNCHAT_TERMINATOR_MAX bytes. 0
 * bytes are the same as asynchat_framer_set_terminator_none(). Copies. Errors:
 * -EINVAL (`framer` or `bytes` is NULL, or `len` is too large), -ENOMEM.
 * (Python: set_terminator with bytes) Since 0.1. */
ASYNCHAT_API int asynchat_framer_set_terminator(struct asynchat_framer *framer,
                                                const void *bytes, size_t len);
/* Ends the message after `len` bytes, at most 2^63 - 1. 0 is the same as
 * asynchat_framer_set_terminator_none(). Allocates nothing. When all the bytes
 * have come the number is 0: set the next terminator at ASYNCHAT_FRAMER_END.
 * Errors: -EINVAL (`framer` is NULL, or `len` is too large). (Python:
 * set_terminator with an int) Since 0.1. */
ASYNCHAT_API int asynchat_framer_set_terminator_length(
    struct asynchat_framer *framer, uint64_t len);
/* Removes the terminator: everything is data, until asynchat_framer_finish().
 * Allocates nothing. Errors: -EINVAL (`framer` is NULL). (Python:
 * set_terminator(None)) Since 0.1. */
ASYNCHAT_API int asynchat_framer_set_terminator_none(
    struct asynchat_framer *framer);

/* Makes a framing the terminator. Takes `framing`: on failure it is freed.
 * Allocates nothing. See asynchat_set_framing() in framing.h. Errors: -EINVAL
 * (`framer` is NULL, or the framing was made of bad arguments), -ENOMEM
 * (`framing` is NULL), -ENOTSUP (the framing was made of a table with fields
 * that this version does not know). Since 0.1. */
ASYNCHAT_API int asynchat_framer_set_framing(struct asynchat_framer *framer,
                                             struct asynchat_framing *framing);
/* Returns which of the terminators of a framing has ended the last message, as
 * asynchat_get_matched() does. Since 0.1. */
ASYNCHAT_API unsigned asynchat_framer_get_matched(
    const struct asynchat_framer *framer);

/* Ends the message after `len` bytes, at most 2^63 - 1, where a block of 0
 * bytes is an empty message: the next event is ASYNCHAT_FRAMER_END. Allocates
 * nothing. Errors: -EINVAL (`framer` is NULL, or `len` is too large). See
 * asynchat_set_block() in framing.h. Since 0.1. */
ASYNCHAT_API int asynchat_framer_set_block(struct asynchat_framer *framer,
                                           uint64_t len);
/* Drops the next `len` bytes that were not handed out, without an event. The
 * terminator stays. Allocates nothing. Errors: -EINVAL (`framer` is NULL, or
 * more than 2^63 - 1 bytes would be dropped), -EBUSY (a framing is in the
 * middle of a message). See asynchat_skip() in framing.h. Since 0.1. */
ASYNCHAT_API int asynchat_framer_skip(struct asynchat_framer *framer,
                                      uint64_t len);

/* Sets the longest message, in bytes: 1 or more; SIZE_MAX is no limit. Bytes
 * beyond the limit are dropped until the message ends, and so is what a framing
 * finds bad. If `drops` is 0, ASYNCHAT_FRAMER_TOO_LONG or ASYNCHAT_FRAMER_BAD
 * comes first, for a program that wants to end the stream then. The limit
 * applies to the message in progress as well. Errors: -EINVAL (`framer` is
 * NULL, or the limit is 0). Since 0.1. */
ASYNCHAT_API int asynchat_framer_set_limit(struct asynchat_framer *framer,
                                           size_t limit, int drops);

/* Feeds the next `len` bytes of the stream. Borrows `bytes` until
 * asynchat_framer_next() returns ASYNCHAT_FRAMER_MORE. Errors: -EINVAL
 * (`framer` or `bytes` is NULL), -EBUSY (the bytes that were fed before are not
 * all handed out). Since 0.1. */
ASYNCHAT_API int asynchat_framer_feed(struct asynchat_framer *framer,
                                      const void *bytes, size_t len);

/* Returns the next event. Lends the bytes of ASYNCHAT_FRAMER_DATA in *data and
 * *len, until the next call for this framer. With other events, *data is NULL
 * and *len is 0. `data` and `len` may be NULL. Since 0.1. */
ASYNCHAT_API enum asynchat_framer_event asynchat_framer_next(
    struct asynchat_framer *framer, const void **data, size_t *len);

/* Returns the length, in bytes, of the message that ended with the last
 * ASYNCHAT_FRAMER_END or ASYNCHAT_FRAMER_DROPPED. Since 0.1. */
ASYNCHAT_API uint64_t
asynchat_framer_get_total(const struct asynchat_framer *framer);

/* Returns the error of the last ASYNCHAT_FRAMER_TOO_LONG, ASYNCHAT_FRAMER_BAD
 * or ASYNCHAT_FRAMER_DROPPED: ASYNCHAT_ETOOLONG, or the error of the framing.
 * Returns 0 if there was none. Since 0.1. */
ASYNCHAT_API int asynchat_framer_get_error(
    const struct asynchat_framer *framer);

/* Ends the stream. Bytes held back become data. Without a terminator the
 * message ends here, if it has at least one byte. Call asynchat_framer_next()
 * until it returns ASYNCHAT_FRAMER_MORE. Nothing may be fed after that. Since
 * 0.1. */
ASYNCHAT_API void asynchat_framer_finish(struct asynchat_framer *framer);
/* Returns 1 if the stream has ended in the middle of a message and all events
 * have been returned; otherwise 0. Since 0.1. */
ASYNCHAT_API int asynchat_framer_is_cut_off(
    const struct asynchat_framer *framer);

/* Drops the message in progress and all input that was not handed out. The
 * terminator stays. (Python: discard_buffers) Since 0.1. */
ASYNCHAT_API void asynchat_framer_discard(struct asynchat_framer *framer);

ASYNCHAT_END_DECLS

#endif
