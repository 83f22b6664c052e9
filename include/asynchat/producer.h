/* Producers: objects in a channel's queue that are asked for bytes when there
 * is room for them.
 *
 *     static int more(struct asynchat_channel *ch, struct evbuffer *out,
 *                     size_t room, void *arg)
 *     {
 *         char row[512];
 *         size_t n = next_row(arg, row, room < 512 ? room : 512);
 *         evbuffer_add(out, row, n);
 *         return n ? ASYNCHAT_MORE : ASYNCHAT_DONE;
 *     }
 *
 * The rules:
 * - A producer is asked when all before it in the queue went out, one chunk at
 *   a time.
 * - A producer belongs to whoever made it until it is pushed, or put into
 *   another; from then on to the library, which frees it when it is done, has
 *   failed, or is dropped.
 * - Ready-made producers given a bad argument answer with the error when they
 *   are asked, and are NULL only for want of memory; so they nest, and
 *   asynchat_push_producer() answers -ENOMEM for the NULL.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_PRODUCER_H
#define ASYNCHAT_PRODUCER_H

#include <asynchat/api.h>

ASYNCHAT_BEGIN_DECLS

/* What `more` answers; anything below 0 is an error. */
enum {
    ASYNCHAT_DONE = 0, /* what was appended is the last of it */
    ASYNCHAT_MORE = 1, /* there is more; or, with nothing appended, there is
                          not, as in Python */
    ASYNCHAT_LATER = 2 /* nothing more now: asked again after
                          asynchat_resume_producer() */
};

/* A producer's side. Caller-owned and borrowed until the producer is freed.
 * `size` is sizeof the struct. */
struct asynchat_producer_ops {
    size_t size;

    /* Appends at most `room` bytes (1 or more) to `out`, and does nothing else
     * with it. Answers with one of the above, or with an error code, which ends
     * the channel: handle_error and handle_close get the code, and what was queued
     * before, and what handle_error pushes, is still sent. Required. (Python:
     * more) */
    int (*more)(struct asynchat_channel *ch, struct evbuffer *out, size_t room,
                void *arg);

    /* The producer is being freed; the last call, and it comes exactly once.
     * May be NULL. It can come from inside whatever call drops or refuses the
     * producer: asynchat_discard_buffers, asynchat_channel_free,
     * asynchat_push_producer. It may call anything. */
    void (*release)(void *arg);
};

/* Makes a producer of your own, and gives it in *out. On failure `release` is
 * not called, and *out as it was. Errors: -EINVAL (`ops` or `out` is NULL, or
 * `ops` has no `more` or no size), -ENOTSUP (`ops` has fields that this version
 * does not know), -ENOMEM. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_producer_new(
    const struct asynchat_producer_ops *ops, void *arg,
    struct asynchat_producer **out);

/* Frees a producer that was never pushed. NULL is allowed. Since 0.1. */
ASYNCHAT_API void asynchat_producer_free(struct asynchat_producer *producer);

/* --- Ready-made producers --- */

/* Makes a producer of `len` bytes, in chunks of at most `buffer_size`; 0 stands
 * for 512, as in Python. Copies. Gives the producer, or NULL for want of
 * memory. (Python: simple_producer) Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD struct asynchat_producer *
asynchat_producer_simple(const void *data, size_t len, size_t buffer_size);

/* Makes a producer of `len` bytes of a file from `offset`, by sendfile(2) on
 * plain sockets and by pread(2) elsewhere; the file's own position does not
 * move. Takes `fd`. A file that ends too early is ASYNCHAT_ETRUNCATED (one cut
 * short while sendfile is at it may arrive with zeros behind the cut); one that
 * cannot be read at an offset, such as a pipe, is the error of pread(2). Gives
 * the producer, or NULL for want of memory. (medusa: file_producer) Since 0.1.
 */
ASYNCHAT_API ASYNCHAT_NODISCARD struct asynchat_producer *
asynchat_producer_file(int fd, uint64_t offset, uint64_t len);

/* Makes a producer of all that `count` others produce, one after the other.
 * Takes the producers and copies the array. A NULL among them is want of
 * memory: the others are freed then. Gives the producer, or NULL for want of
 * memory. (medusa: composite_producer) Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD struct asynchat_producer *
asynchat_producer_concat(struct asynchat_producer *const *producers,
                         size_t count);

ASYNCHAT_END_DECLS

#endif
