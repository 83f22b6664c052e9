/* The framer: splits a stream into messages, for a program that has a loop of its
 * own, or no loop. It knows neither sockets nor libevent; a channel splits its
 * input in the same way.
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
 * - What arrives may be cut anywhere. The events are the same for each way of
 *   cutting, but for the places where ASYNCHAT_FRAMER_DATA is divided.
 * - Between two events the program may call any of these functions. A terminator
 *   that is set holds from the first byte that was not handed out yet.
 * - The framer copies no input. Bytes that may be the beginning of a terminator
 *   are held back: they come with a later event.
 * - The work is linear in the bytes that are fed.
 * - A framer is used by one thread at a time. Nothing here is called from a signal
 *   handler.
 *
 * It is in libasynchat, and alone in libasynchat-framer.a, which needs libc and
 * nothing else: cc program.c -lasynchat-framer.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_FRAMER_H
#define ASYNCHAT_FRAMER_H

#include <asynchat/channel.h>

ASYNCHAT_BEGIN_DECLS

/* What asynchat_framer_next() says. */
enum asynchat_framer_event {
    ASYNCHAT_FRAMER_MORE,    /* everything was said: feed more, or finish */
    ASYNCHAT_FRAMER_DATA,    /* bytes of the message in progress, 1 or more, and
                               none of the terminator */
    ASYNCHAT_FRAMER_END,     /* the message is complete; an empty message has no
                               other event */
    ASYNCHAT_FRAMER_DROPPED, /* the message is over, and was longer than the
                                limit: its first bytes came as data, and the rest
                                was dropped */
    ASYNCHAT_FRAMER_TOO_LONG /* the message is longer than the limit; who goes on
                                has its bytes dropped, with this for each
                                span of them, and ASYNCHAT_FRAMER_DROPPED */
};

/* Gives a framer with the terminator none and no limit, to be freed by
 * asynchat_framer_free(); or NULL, for want of memory. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD struct asynchat_framer *asynchat_framer_new(
    void);
/* Frees the framer. NULL is allowed. Since 0.1. */
ASYNCHAT_API void asynchat_framer_free(struct asynchat_framer *framer);

/* Messages end at these 1 to ASYNCHAT_TERMINATOR_MAX bytes; 0 bytes are the same
 * as none. Copies. Errors: -EINVAL (`framer` or `bytes` is NULL, or `len` is too
 * large), -ENOMEM. (Python: set_terminator with bytes) Since 0.1. */
ASYNCHAT_API int asynchat_framer_set_terminator(struct asynchat_framer *framer,
                                                const void *bytes, size_t len);
/* The message ends after `len` bytes, at most 2^63 - 1; 0 is the same as none.
 * It allocates nothing. When the bytes have come the number is 0: set the next
 * terminator at ASYNCHAT_FRAMER_END. Errors: -EINVAL (`framer` is NULL, or `len`
 * is too large). (Python: set_terminator with an int) Since 0.1. */
ASYNCHAT_API int asynchat_framer_set_terminator_length(
    struct asynchat_framer *framer, uint64_t len);
/* No terminator: everything is data, until asynchat_framer_finish(). It allocates
 * nothing. Errors: -EINVAL (`framer` is NULL). (Python: set_terminator(None))
 * Since 0.1. */
ASYNCHAT_API int asynchat_framer_set_terminator_none(
    struct asynchat_framer *framer);

/* The longest message, in bytes, 1 or more; SIZE_MAX is no limit. Bytes
 * over the limit are dropped until the message ends; without `drops`
 * ASYNCHAT_FRAMER_TOO_LONG comes before, for a program that ends the stream then.
 * The limit holds for the message in progress as well. Errors: -EINVAL (`framer` is NULL, or the limit 0). Since 0.1. */
ASYNCHAT_API int asynchat_framer_set_limit(struct asynchat_framer *framer,
                                           size_t limit, int drops);

/* The next `len` bytes of the stream. Borrows `bytes` until
 * asynchat_framer_next() says ASYNCHAT_FRAMER_MORE. Errors: -EINVAL (`framer` or
 * `bytes` is NULL), -EBUSY (bytes that were fed before are not all handed out).
 * Since 0.1. */
ASYNCHAT_API int asynchat_framer_feed(struct asynchat_framer *framer,
                                      const void *bytes, size_t len);

/* Returns the next event. Lends the bytes of ASYNCHAT_FRAMER_DATA in *data and
 * *len, until the next call for this framer; of other events these are NULL and
 * 0. `data` and `len` may be NULL. Since 0.1. */
ASYNCHAT_API enum asynchat_framer_event asynchat_framer_next(
    struct asynchat_framer *framer, const void **data, size_t *len);

/* Returns how long the message was that ended with the last
 * ASYNCHAT_FRAMER_END or ASYNCHAT_FRAMER_DROPPED, in bytes. Since 0.1. */
ASYNCHAT_API uint64_t
asynchat_framer_get_total(const struct asynchat_framer *framer);

/* The stream has ended: bytes held back are data, and with the terminator none the
 * message ends, if it has a byte. Call asynchat_framer_next() until it says
 * ASYNCHAT_FRAMER_MORE; nothing is fed after that. Since 0.1. */
ASYNCHAT_API void asynchat_framer_finish(struct asynchat_framer *framer);
/* Returns 1 if the stream has ended in the middle of a message, and all was said;
 * or else 0. Since 0.1. */
ASYNCHAT_API int asynchat_framer_is_cut_off(
    const struct asynchat_framer *framer);

/* Drops all input that was not handed out, and the message in progress. The
 * terminator stays. (Python: discard_buffers) Since 0.1. */
ASYNCHAT_API void asynchat_framer_discard(struct asynchat_framer *framer);

ASYNCHAT_END_DECLS

#endif
