/* Producers: objects in a channel's queue that are asked for bytes when there
 * is room for more output.
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
 * - A producer is asked when everything before it in the queue has been sent.
 *   It is asked for one chunk at a time.
 * - A producer belongs to the program until it is pushed or put into another
 *   producer. From then on it belongs to the library, which frees it when it is
 *   done, has failed, or is dropped.
 * - The functions that make ready-made producers return NULL only if there is
 *   no memory. A bad argument is reported when the producer is asked. So calls
 *   can be nested, and asynchat_push_producer() returns -ENOMEM if it is given
 *   NULL.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_PRODUCER_H
#define ASYNCHAT_PRODUCER_H

#include <asynchat/api.h>

ASYNCHAT_BEGIN_DECLS

/* What `more` returns. Anything below 0 is an error. */
enum {
    ASYNCHAT_DONE = 0, /* the bytes just appended, if any, are the last ones */
    ASYNCHAT_MORE = 1, /* there is more; but if nothing was appended, the
                          producer is done, as in Python */
    ASYNCHAT_LATER = 2 /* nothing more now: ask again after
                          asynchat_resume_producer() */
};

/* The callbacks of a producer. The struct is the caller's, and is borrowed
 * until the producer is freed. `size` is sizeof the struct. */
struct asynchat_producer_ops {
    size_t size;

    /* Appends at most `room` bytes to `out`, and does nothing else with `out`.
     * `room` is 1 or more. Returns ASYNCHAT_DONE, ASYNCHAT_MORE, ASYNCHAT_LATER
     * or an error code. An error ends the channel: handle_error and
     * handle_close get the code. Output queued before the producer, and output
     * that handle_error pushes, is still sent. This callback is required.
     * (Python: more) */
    int (*more)(struct asynchat_channel *ch, struct evbuffer *out, size_t room,
                void *arg);

    /* The producer is being freed. Called exactly once, as the last call. It
     * can come inside any call that drops or refuses the producer, such as
     * asynchat_discard_buffers(), asynchat_channel_free() or
     * asynchat_push_producer(). This callback may call anything. May be
     * NULL. */
    void (*release)(void *arg);
};

/* Makes a producer of your own and gives it in *out. On failure `release` is
 * not called, and *out is unchanged. Errors: -EINVAL (`ops` or `out` is NULL,
 * or `ops` has no `more` or no size), -ENOTSUP (`ops` has fields that this
 * version does not know), -ENOMEM. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_producer_new(
    const struct asynchat_producer_ops *ops, void *arg,
    struct asynchat_producer **out);

/* Frees a producer that was never pushed. NULL is allowed. Since 0.1. */
ASYNCHAT_API void asynchat_producer_free(struct asynchat_producer *producer);

/* --- Ready-made producers --- */

/* Makes a producer of `len` bytes, which come in chunks of at most
 * `buffer_size` bytes. A `buffer_size` of 0 stands for 512, as in Python.
 * Copies. Gives the producer, or NULL if there is no memory. (Python:
 * simple_producer) Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD struct asynchat_producer *
asynchat_producer_simple(const void *data, size_t len, size_t buffer_size);

/* Makes a producer of `len` bytes of a file, beginning at `offset`. It uses
 * sendfile(2) on plain sockets and pread(2) elsewhere. The file's own position
 * does not move. Takes `fd`. If the file ends too early, the producer fails
 * with ASYNCHAT_ETRUNCATED. (If the file is cut short while sendfile(2) runs,
 * the peer may get zeros behind the cut.) If the file cannot be read at an
 * offset, such as a pipe, the producer fails with the error of pread(2). Gives
 * the producer, or NULL if there is no memory. (medusa: file_producer) Since
 * 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD struct asynchat_producer *
asynchat_producer_file(int fd, uint64_t offset, uint64_t len);

/* Makes a producer of everything that `count` other producers produce, one
 * after the other. Takes the producers and copies the array. If one of them is
 * NULL, there was no memory for it: the others are freed, and the result is
 * NULL. Gives the producer, or NULL if there is no memory. (medusa:
 * composite_producer) Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD struct asynchat_producer *
asynchat_producer_concat(struct asynchat_producer *const *producers,
                         size_t count);

/* Makes a producer of what `inner` produces as the data of a mail or of an
 * article (RFC 5321, section 4.5.2; RFC 3977, section 3.1.1; RFC 1939, section
 * 3): each line that begins with a dot gets one dot more, and a line that is a
 * single dot comes last. Each line ends with CR LF: not only CR LF, but also a
 * CR without LF and an LF without CR end a line of the source, and are sent as
 * CR LF. If the source does not end with a line end, CR LF is added; an empty
 * source is an empty mail. asynchat_framing_dotted() undoes all of this but the
 * changed and added line ends.
 *
 * The bytes are passed on as they come. If `inner` fails, the producer fails
 * with the same error, and does not send the end mark. If `inner` answers
 * ASYNCHAT_LATER, so does the producer; but if it is asked for single bytes,
 * `inner` may be asked again without asynchat_resume_producer().
 *
 * Takes `inner`. If `inner` is NULL, there was no memory for it, and the result
 * is NULL. Gives the producer, or NULL if there is no memory. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD struct asynchat_producer *
asynchat_producer_dotted(struct asynchat_producer *inner);

/* --- Producers for messages with a length --- */

/* These producers put a length in front of what another producer gives, or in
 * front of each piece of it.
 *
 *     asynchat_push_producer(
 *         ch, asynchat_producer_netstring(asynchat_producer_file(fd, 0, n), n));
 *
 * - They take the other producer in every case. If it is NULL, there was no
 *   memory for it, and the result is NULL, so that calls can be nested.
 * - An error of the other producer ends the channel, as it does elsewhere: what
 *   the peer gets then ends in the middle of the message.
 * - asynchat_push_producer() refuses at once a producer whose message cannot be
 *   sent for a reason that is known when the producer is made. Nothing is
 *   queued then, and the channel goes on. This holds for a producer that was
 *   put into another one of this library, too, such as
 *   asynchat_producer_concat(). */

struct asynchat_prefix;

/* Makes a producer of a message with a number in front: see
 * asynchat_framing_prefix(), whose other direction this is. `len` is the number
 * of bytes behind the number, all of which `inner` gives. The bytes in front of
 * the number are not given: if `prefix->offset` is not 0, they have to be
 * pushed before, or come first in asynchat_producer_concat(). Copies the table,
 * takes `inner`, and gives the producer, or NULL if there is no memory.
 *
 * The push is refused with -EMSGSIZE if the number does not fit into its bytes
 * or would be below 0, and with -EINVAL or -ENOTSUP if the table is bad. The
 * producer fails with ASYNCHAT_ETRUNCATED if `inner` gives less than `len`
 * bytes. If `inner` gives more, the producer fails with -EMSGSIZE, and nothing
 * of what is too much is sent. For bytes that are at hand, a push of the number
 * that asynchat_prefix_write() gives, and a push of the bytes, do the same.
 * Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD struct asynchat_producer *
asynchat_producer_prefixed(const struct asynchat_prefix *prefix,
                           struct asynchat_producer *inner, uint64_t len);

/* Makes a producer of a netstring, of whose `len` bytes all are given by
 * `inner`. Takes `inner`, and gives the producer, or NULL if there is no
 * memory. The producer fails as that of asynchat_producer_prefixed() does if
 * `inner` gives less or more. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD struct asynchat_producer *
asynchat_producer_netstring(struct asynchat_producer *inner, uint64_t len);

/* Makes a producer of a body in the chunked coding of HTTP/1.1 (RFC 9112,
 * section 7.1). Each piece that `inner` gives is a chunk, and the end mark,
 * with no trailers, follows when `inner` is done. Pieces without bytes give no
 * chunk. After an error of `inner` there is no end mark. Takes `inner`, and
 * gives the producer, or NULL if there is no memory. If the room for output is
 * less than a chunk's marks, `inner` may be asked once more after it has
 * returned ASYNCHAT_LATER. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD struct asynchat_producer *
asynchat_producer_chunked(struct asynchat_producer *inner);

ASYNCHAT_END_DECLS

#endif
