/* The channel: a connection whose input is split at terminators and whose
 * output is a queue of producers.
 *
 *     static const struct asynchat_handler echo = {
 *         .size = sizeof echo,
 *         .handle_connect = start,          // sets a terminator
 *         .collect_incoming_data = collect, // bytes, as they come
 *         .found_terminator = line,         // the message is complete
 *     };
 *
 * What everyone must know:
 * - The callbacks of a handler run from the event loop only. No function of the
 *   library calls them, so a callback may call any function of the library.
 * - Some other functions of yours may run inside a call to the library:
 *   `release`, the `tell` of a transcript, and the callbacks of an evbuffer or
 *   a filter if the call moves bytes through it. Such a function may call
 *   anything. It may even free the channel: the channel's memory lives until
 *   the outer call returns. Bytes that such a function pushes go behind the
 *   bytes that the outer call pushes. If such a function discards, the bytes
 *   that the outer call pushes are discarded too. Only the function given to
 *   asynchat_set_log() may not call the library.
 * - `release` callbacks run as soon as the library no longer needs the bytes or
 *   the producer. That may be inside the very call that drops or refuses them.
 *   If a channel is freed inside one of its own callbacks, or inside one of the
 *   functions above, its `release` callbacks run when the outermost of these
 *   has returned. Over a bufferevent of your own, they may run after
 *   handle_close.
 * - handle_connect comes first. handle_close comes last, exactly once; then the
 *   library frees the channel.
 * - asynchat_close() and asynchat_close_when_done() end a channel in order,
 *   with handle_close. asynchat_channel_free() ends it at once instead: no
 *   callback of the channel runs after that.
 * - Whatever handle_connect allocates for a channel, handle_close must free. A
 *   program that calls asynchat_channel_free() frees it itself, since
 *   handle_close does not run then.
 * - Everything pushed during one wake-up is sent when the wake-up ends, in a
 *   single write if it fits into one. There are two exceptions:
 *   asynchat_flush() sends at once, and so does an asynchat_push() of 64 KiB or
 *   more if nothing is queued ahead of it.
 * - If the peer does not read, output stays in memory. Once more than the
 *   output limit is queued (64 MiB unless set), the next push ends the channel.
 *   This can happen with a peer that sends many requests before it reads any
 *   answer. A server with long answers should therefore call
 *   asynchat_join(ch, ch), so that it reads further requests only when the peer
 *   has taken the earlier answers.
 * - The loop ends by itself when the last channel and server are gone.
 * - Free channels and servers before their event base. Those that are left when
 *   event_base_free() is called may be neither used nor freed afterwards, and
 *   keep their memory and descriptors. Posts to such a channel return
 *   ASYNCHAT_ECLOSED.
 * - Each event base belongs to one thread: use a channel only from the thread
 *   that runs its loop. Other threads post to it: see post.h.
 * - libevent's select cannot watch descriptors of FD_SETSIZE (1024) and above.
 *   In a loop that uses select, a call that would need such a descriptor
 *   returns -EMFILE, as if there were no descriptors left.
 * - After fork(2) a child may free the objects that it has inherited, or call
 *   event_reinit() and go on using them: see server.h.
 * - The library's own writes to sockets never raise SIGPIPE, but the writes of
 *   libevent and sendfile(2) can. Therefore the first channel over a
 *   bufferevent of your own, and the first file sent, set SIGPIPE to SIG_IGN if
 *   it is SIG_DFL at that time.
 *
 * The names are those of Python's asynchat and asyncore: collect_incoming_data,
 * found_terminator, set_terminator, push, push_with_producer, close_when_done,
 * discard_buffers, handle_connect, handle_error, handle_close.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_CHANNEL_H
#define ASYNCHAT_CHANNEL_H

#include <asynchat/api.h>

#include <stdarg.h>

ASYNCHAT_BEGIN_DECLS

/* --- The callbacks of a channel --- */

/* How many bytes of a dropped message are kept for message_dropped. */
#define ASYNCHAT_DROPPED_FIRST 256

/* The callbacks of a channel. The struct is the caller's, and is borrowed until
 * the channel is gone, or until asynchat_set_handler() has set another one, so
 * it is usually a static const. `size` is sizeof the struct. Each callback may
 * be NULL, but not all of them. New fields are only ever added at the end.
 *
 * Messages are delivered in one of two ways: piece by piece with
 * collect_incoming_data and found_terminator, or whole with `message`. A
 * handler that sets both is refused with -EINVAL, and so is a handler without
 * `size` or without any callback. */
struct asynchat_handler {
    size_t size;

    /* Bytes of the message in progress have come. `len` is 1 to the size set by
     * asynchat_set_in_buffer_size(). The bytes of a terminator are never among
     * them. Lends `data` until the callback returns. (Python:
     * collect_incoming_data) */
    void (*collect_incoming_data)(struct asynchat_channel *ch, const void *data,
                                  size_t len, void *arg);

    /* The terminator was found, or the number of bytes has been reached. The
     * bytes collected since the last call are one message; if there were none,
     * the message is empty. The terminator is already consumed, so a terminator
     * that is set here takes effect at the next byte. If the terminator was a
     * number, that number is 0 now: set the next terminator, or all further
     * input is collected without end. (Python: found_terminator) */
    void (*found_terminator)(struct asynchat_channel *ch, void *arg);

    /* A whole message, contiguous. Replaces collect_incoming_data and
     * found_terminator. A message that arrived in one piece is not copied.
     * Lends `data` until the callback returns; `data` is never NULL. There is
     * no NUL behind it: what lies there is not the message's. Without a
     * terminator (ASYNCHAT_NONE) the end of file ends the message. */
    void (*message)(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg);

    /* The connection is up: it was accepted, or connecting has succeeded, or
     * the channel was made over a connection that was up already. Always the
     * first callback of a channel that gets that far. (Python:
     * handle_connect) */
    void (*handle_connect)(struct asynchat_channel *ch, void *arg);

    /* The peer sends no more, and everything that it sent has been delivered,
     * including bytes that were held back as the possible beginning of a
     * terminator. `cut_off` is 1 if the input ended in the middle of a message,
     * or if more bytes were asked for than came, by asynchat_set_block(), by
     * asynchat_skip(), or by a framing that has begun a message: see framing.h.
     * A handler with `message` does not get that unfinished message, but can
     * look at it here with asynchat_get_collected(). Output that is queued, and
     * output that this callback pushes, is still sent. Then the channel closes
     * with ASYNCHAT_EOF, unless this callback has called
     * asynchat_keep_open(). */
    void (*handle_eof)(struct asynchat_channel *ch, int cut_off, void *arg);

    /* The channel ends because of `error`. handle_close with the same code
     * follows.
     *
     * After these errors, the output that was queued before is still sent, and
     * so is the output that this callback pushes:
     * - ASYNCHAT_ETOOLONG, ASYNCHAT_EIDLE, ASYNCHAT_ESLOW, ASYNCHAT_EDEADLINE,
     * - ASYNCHAT_EBARE, ASYNCHAT_EFRAMING,
     * - the error of a producer that failed, such as ASYNCHAT_ETRUNCATED,
     *   except that everything queued behind that producer is dropped,
     * - -ENOMEM, if memory ran out for a message that was being received.
     *
     * The output that was queued behind an open slot is dropped, and the slots
     * are gone already: see slot.h.
     *
     * If the program had already ended the output, for example with
     * asynchat_close_when_done(), a push is refused with ASYNCHAT_ECLOSED.
     *
     * After ASYNCHAT_ESTOPPED, the same output is sent as far as the system
     * takes it at once: so a goodbye that this callback pushes gets through,
     * unless the peer is behind with what was queued before.
     *
     * After these errors nothing more is sent, and a push returns
     * ASYNCHAT_ECLOSED:
     * - ASYNCHAT_EFULL, ASYNCHAT_ESTALLED, ASYNCHAT_EPROXY,
     * - -ETIMEDOUT, when connecting or closing took too long,
     * - -ENOMEM in all other cases,
     * - errors of the connection, such as -ECONNRESET or -ECONNREFUSED.
     *
     * (Python: handle_error) */
    void (*handle_error)(struct asynchat_channel *ch, int error, void *arg);

    /* The channel has ended. This is the last callback, and it is called
     * exactly once for each channel that the program has not freed itself.
     * `status` is 0 if this side ended the channel, ASYNCHAT_EOF if the peer
     * ended it, or the error. The getters still work here; over TCP,
     * asynchat_peer_address() does too. The library frees the channel when this
     * callback returns. (Python: handle_close) */
    void (*handle_close)(struct asynchat_channel *ch, int status, void *arg);

    /* The number of queued bytes has fallen to the low mark. If the low mark is
     * 0, its default, the last byte has been handed to the system. Not called
     * because of asynchat_discard_buffers(). */
    void (*handle_drained)(struct asynchat_channel *ch, void *arg);

    /* At the end of a wake-up, more bytes are queued than the high mark: the
     * peer takes output more slowly than the program pushes it. Called again
     * only after the queue has fallen to the low mark. (asyncio:
     * pause_writing) */
    void (*handle_pressure)(struct asynchat_channel *ch, void *arg);

    /* The time `idle` or `read_idle` has run out. If this callback is set, the
     * channel does not end for that reason. Called again only after something
     * has come, or after asynchat_set_timeouts(). (medusa: a channel's
     * last_use) */
    void (*handle_idle)(struct asynchat_channel *ch, void *arg);

    /* A message that was dropped has now ended, or was cut off by the end of
     * file. It was longer than the message limit, or its framing was broken, as
     * asynchat_get_dropped_error() tells. If this callback is set, the channel
     * does not end for that reason. `total` is the message's full length. A
     * handler with `message` got none of it; a handler with
     * collect_incoming_data got its first bytes, up to the limit or to what was
     * broken. `data` is lent for logging: with `message` it is the first `len`
     * bytes, at most ASYNCHAT_DROPPED_FIRST; otherwise `len` is 0. If a framing
     * tells in advance that the message will be too long, nothing of it is
     * delivered or kept, and `len` is 0. `data` is never NULL.
     *
     * As after any other message, a terminator that was a number, or a block,
     * is 0 now. A handler that sets the next terminator in `message` or
     * found_terminator must set it here too: otherwise all further input is one
     * message without end. */
    void (*message_dropped)(struct asynchat_channel *ch, const void *data,
                            size_t len, uint64_t total, void *arg);

    /* The server that accepted the connection stops: see
     * asynchat_server_stop(). The channel has the server's grace period to come
     * to its end. It may say goodbye, it may call asynchat_close_when_done()
     * now or after further messages, or it may let the time pass. Called once,
     * after handle_connect, and not for a channel that is ending already. For a
     * channel that is busy, this waits: see asynchat_set_busy().
     * Without this callback the channel is closed as by
     * asynchat_close_between_messages(). */
    void (*handle_stopping)(struct asynchat_channel *ch, void *arg);
};

/* Sets another handler, which gets everything from the next callback on. This
 * is allowed at any time, also inside a callback, and as often as the program
 * wants. So a protocol may take whole messages for its commands and pieces for
 * its data:
 *
 *     static void command(struct asynchat_channel *ch, const void *data,
 *                         size_t len, void *arg)
 *     {
 *         static const struct asynchat_handler mail = {
 *             .size = sizeof mail, .collect_incoming_data = collect};
 *         if (len == 4 && memcmp(data, "DATA", 4) == 0) {
 *             asynchat_set_terminator(ch, "\r\n.\r\n", 5);
 *             asynchat_set_handler(ch, &mail); // from the next byte on
 *         }
 *     }
 *
 * `arg` stays: asynchat_set_arg() changes it. Borrows `handler`, as a channel
 * does when it is made; the handler before is needed no more. Nothing that came
 * is lost: bytes that were read already, or held back as the possible beginning
 * of a terminator, are for the new handler.
 *
 * In the middle of a message, the new handler gets the rest of the message as
 * one message:
 * - Bytes that were kept for `message` were given to nobody. A handler with
 *   `message` gets them with the rest. A handler that takes pieces gets them
 *   first, from the loop.
 * - Bytes that collect_incoming_data got are not given again. A handler with
 *   `message` gets a message without them, which may be empty.
 * - The message limit counts all bytes of the message, and so does the `total`
 *   of message_dropped. If the new handler has no message_dropped, and bytes of
 *   the message were dropped already, the channel ends with ASYNCHAT_ETOOLONG.
 *
 * A message limit that the program has not set is the one of the new handler:
 * see asynchat_set_message_limit(). A handle_connect or handle_stopping that is
 * still due is the new handler's. handle_drained is due for what is queued now.
 * If handle_idle was called before, the idle times begin anew.
 *
 * Allocates nothing. Errors: -EINVAL (`ch` or `handler` is NULL, or `handler`
 * is filled in wrongly), -ENOTSUP (`handler` has fields that this version does
 * not know). (Python: assigning to the methods) Since 0.1. */
ASYNCHAT_API int asynchat_set_handler(struct asynchat_channel *ch,
                                      const struct asynchat_handler *handler);
/* Returns the handler in force, lent by the program as ever: the one that was
 * set last, or that the channel was made with. So a part of a program can set a
 * handler of its own, and give the channel back when it is done. NULL if `ch`
 * is NULL. In a conversation of testing.h, what this returns is a table that
 * calls the program's. (Python: reading the methods) Since 0.1. */
ASYNCHAT_API const struct asynchat_handler *asynchat_get_handler(
    const struct asynchat_channel *ch);

/* --- Making a channel --- */

/* For asynchat_channel_new(): the bufferevent is still connecting, or still in
 * its handshake. handle_connect is called at its BEV_EVENT_CONNECTED, which
 * must come within the time of asynchat_set_connect_time(). Make the channel
 * first and call bufferevent_socket_connect() afterwards: if the connection is
 * refused at once, libevent reports it only to callbacks that are already
 * set. */
#define ASYNCHAT_CONNECTING 0x1u

/* Makes a channel over a bufferevent of your own: TLS, a filter, a pair,
 * anything. `flags` is 0 or ASYNCHAT_CONNECTING. On success takes `bev` and
 * gives the channel in *out. On failure `bev` stays yours and *out is
 * unchanged. For a plain socket, asynchat_channel_new_socket() is faster, and
 * safer: over a bufferevent, input that is still unread at the close makes the
 * system reset the connection.
 *
 * From now on the callbacks, enabled events, buffers, watermarks and timeouts
 * of `bev` belong to the library. The watermarks and timeouts that `bev` has
 * are removed: watermarks would hold bytes back, and a channel has timeouts of
 * its own. Only while `bev` is connecting do its timeouts stay in force; they
 * end the channel with -ETIMEDOUT. Input that is in `bev` already is delivered.
 *
 * If `bev` is a filter, or TLS over another bufferevent, only the read
 * watermarks of the bufferevents below it are removed. Their write watermarks
 * stay. Their timeouts stay too, and end the channel with -ETIMEDOUT. All other
 * settings of `bev` and of those below stay: priorities, libevent's rate
 * limits, and the sizes of single reads and writes.
 *
 * A filter may keep bytes until more of them come. They are passed on when the
 * channel closes, since the library then calls the filter with BEV_FINISHED. If
 * more than 1 MiB of output lies unread in the buffer of a filter, the filter
 * is given no more. libevent does not tell a filter that its input has ended.
 *
 * libevent may call a filter again while the filter is running, if the filter's
 * output is passed on at once. Therefore a filter over another filter must add
 * to its destination with a single call, as the last thing it does; and a
 * filter below TLS must have BEV_OPT_DEFER_CALLBACKS. TLS over a filter or a
 * pair starts its handshake when you enable reading.
 *
 * A channel over a half of bufferevent_pair_new() tells the other half when it
 * ends. If a half without a channel is freed, libevent does not tell the other:
 * flush that half with BEV_FINISHED before you free it.
 *
 * Errors: -EINVAL (`bev`, `handler` or `out` is NULL, the flag is unknown, or
 * `handler` is filled in wrongly), -ENOTSUP (`handler` has fields that this
 * version does not know), -ENOMEM, -EMFILE (the descriptor is too large for
 * select). Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_channel_new(
    struct bufferevent *bev, unsigned flags,
    const struct asynchat_handler *handler, void *arg,
    struct asynchat_channel **out);

/* Makes a channel over a connected stream socket, which becomes non-blocking
 * and close-on-exec. On success takes `fd` and gives the channel in *out. On
 * failure `fd` stays yours and *out is unchanged. Errors: -EINVAL (`base`,
 * `handler` or `out` is NULL, `fd` is not a stream socket, or `handler` is
 * filled in wrongly), -ENOTSUP (`handler` has fields that this version does not
 * know), -ENOMEM, -EMFILE (`fd` is too large for select), and those of
 * getsockopt(2) and fcntl(2). (Python: async_chat(sock)) Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_channel_new_socket(
    struct event_base *base, int fd, const struct asynchat_handler *handler,
    void *arg, struct asynchat_channel **out);

/* For TLS, make a bufferevent with bufferevent_openssl_socket_new() or
 * bufferevent_openssl_filter_new(), and give it to asynchat_channel_new() with
 * ASYNCHAT_CONNECTING. This library does not use OpenSSL: the program includes
 * <event2/bufferevent_ssl.h> and <openssl/ssl.h> for the functions below.
 *
 * TLS ends with a message of its own, close_notify. Without it the peer must
 * assume that the data was cut off. libevent does not send it, so handle_close
 * must:
 *
 *     static void handle_close(struct asynchat_channel *ch, int status, void *arg)
 *     {
 *         if (status == 0 || status <= ASYNCHAT_EOF) { // the session still works
 *             SSL *ssl = bufferevent_openssl_get_ssl(asynchat_get_bufferevent(ch));
 *             SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
 *             SSL_shutdown(ssl);
 *             ERR_clear_error();
 *         }
 *     }
 *
 * SSL_set_shutdown() tells OpenSSL not to wait for the peer's close_notify, so
 * that a single call of SSL_shutdown() is enough. By the time of handle_close
 * everything has been sent, with two exceptions: the program has dropped
 * output, as asynchat_close() does; or the status is ASYNCHAT_EFULL,
 * ASYNCHAT_ESTALLED or ASYNCHAT_ESTOPPED. In these cases leave out
 * SSL_shutdown() if the peer must not mistake what it has received for the
 * complete data. After asynchat_shutdown_write() it is too late for a
 * close_notify.
 *
 * The peer's close_notify is reported as its end of file, by handle_eof. If the
 * peer's connection ends without a close_notify, that is an error of the
 * connection, and handle_eof is not called. If the messages of a protocol show
 * where they end, the program may have this treated as an end of file too: with
 * SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF), from OpenSSL 3.0 on,
 * and if TLS is a filter, also with
 * bufferevent_openssl_set_allow_dirty_shutdown(bev, 1).
 *
 * For an error of TLS, the code given to handle_error does not say what went
 * wrong. TLS does not set errno, so the code is -EIO, or whatever another call
 * has left in errno, such as -EPIPE. OpenSSL knows the reason, also for a
 * failed handshake. (bufferevent_get_openssl_error() of libevent 2.2, as of its
 * git in June 2026, returns 0 because of a fault of its own.)
 *
 *     static void handle_error(struct asynchat_channel *ch, int error, void *arg)
 *     {
 *         struct bufferevent *bev = asynchat_get_bufferevent(ch);
 *         const char *why = asynchat_strerror(error);
 *         for (unsigned long e; (e = bufferevent_get_openssl_error(bev));)
 *             if (ERR_GET_LIB(e)) // the others are those of SSL_get_error(3)
 *                 why = ERR_reason_error_string(e);
 *         fprintf(stderr, "%s\n", why);
 *     }
 */

/* --- Ending a channel --- */

/* Ends the channel now. Nothing more is delivered, and output not yet sent is
 * dropped. handle_close with status 0 follows from the loop, unless the channel
 * has ended already. Closing twice is allowed. (Python: close) Since 0.1. */
ASYNCHAT_API void asynchat_close(struct asynchat_channel *ch);

/* Ends the channel when all queued output has been sent. Messages are delivered
 * until then, as in Python; asynchat_close_after() delivers none. A push that
 * answers such a message is refused with ASYNCHAT_ECLOSED; that is no reason to
 * call asynchat_close(). If the peer reads nothing for the linger time, the
 * channel ends with -ETIMEDOUT. Calling this twice is allowed. Errors: -EINVAL
 * (`ch` is NULL), ASYNCHAT_ECLOSED (the channel has ended). (Python:
 * close_when_done) Since 0.1. */
ASYNCHAT_API int asynchat_close_when_done(struct asynchat_channel *ch);

/* Like asynchat_close_when_done(), and nothing more is delivered, however the
 * input was cut: neither messages that came together with the one that is being
 * delivered, nor handle_eof. If this is called inside a callback that delivers
 * input, that callback is the last one. So this is for a peer that has said
 * goodbye:
 *
 *     asynchat_push(ch, "221 bye\r\n", 9);
 *     asynchat_close_after(ch);
 *
 * What was pushed before is still sent, as after asynchat_close_when_done().
 * asynchat_discard_buffers() cancels this call too. Errors of the connection
 * are still reported. Nothing more is read from the peer until all is sent; if
 * the peer may still be sending then, call asynchat_close_in_stages() as well.
 * If the output has ended before, the channel closes at once. Calling this
 * twice is allowed. Errors: -EINVAL (`ch` is NULL), ASYNCHAT_ECLOSED (the
 * channel has ended). Since 0.1. */
ASYNCHAT_API int asynchat_close_after(struct asynchat_channel *ch);

/* Like asynchat_close_when_done(), but only once the channel is between
 * messages: that is at once, or when the message in progress is complete. Input
 * that has already arrived is delivered first, in as many reads as the
 * channel's buffer size and rate require, and the answers to it are sent. Over
 * a bufferevent of your own, this is the input that the bufferevent has already
 * read. If reading is paused, the channel waits until it is resumed. A server
 * that stops does this with each channel whose handler has no handle_stopping.
 * asynchat_discard_buffers() cancels it. Errors: -EINVAL (`ch` is NULL),
 * ASYNCHAT_ECLOSED (the channel has ended). Since 0.1. */
ASYNCHAT_API int asynchat_close_between_messages(struct asynchat_channel *ch);

/* Says whether the channel is in the middle of something that it must not leave
 * (1), or not (0, unless set): a request of several messages, or an answer that
 * is still being made. The library knows where a message ends, but not which
 * messages belong together.
 *
 *     asynchat_set_busy(ch, 1); // at DATA, until the mail is complete
 *
 * While the channel is busy, asynchat_close_between_messages() waits. So does
 * the stop of its server: handle_stopping is called, or the channel closed,
 * when the channel is no longer busy. So a server that stops closes channels
 * that have nothing to do at once, lets the others finish, and needs no list of
 * them. The grace of asynchat_server_stop() ends in any case. NULL is allowed.
 * Since 0.1. */
ASYNCHAT_API void asynchat_set_busy(struct asynchat_channel *ch, int busy);
/* Returns what is set, 0 or 1. Since 0.1. */
ASYNCHAT_API int asynchat_get_busy(const struct asynchat_channel *ch);

/* Like asynchat_close_when_done(), for a peer that may still be sending, as
 * HTTP asks for (RFC 9112, 9.6). Messages are delivered until all queued output
 * has been sent. Then the peer sees the end of file, and everything it sends is
 * dropped until it ends its side or the linger time is over. Then handle_close
 * is called. If the connection were closed at once, further input would make
 * the system reset it, and the peer might lose the last output. Over a
 * bufferevent of your own this function is the same as
 * asynchat_close_when_done(), except that the socket is shut down after
 * handle_close, before the bufferevent is freed. Errors: -EINVAL (`ch` is
 * NULL), ASYNCHAT_ECLOSED (the channel has ended). Since 0.1. */
ASYNCHAT_API int asynchat_close_in_stages(struct asynchat_channel *ch);

/* Ends this side's output when all queued output has been sent: the peer then
 * sees the end of file. The peer's messages are delivered until it ends its
 * side too. From now on pushes are refused with ASYNCHAT_ECLOSED. Over a
 * bufferevent of your own that has a descriptor, its socket is shut down, after
 * the bytes that filters add at their end; if the bufferevents include TLS, end
 * the TLS session first. Errors: -EINVAL (`ch` is NULL), ASYNCHAT_ECLOSED (the
 * channel has ended). (Python: socket.shutdown) Since 0.1. */
ASYNCHAT_API int asynchat_shutdown_write(struct asynchat_channel *ch);

/* Inside handle_eof, keeps the output open although the input has ended. The
 * output then ends with asynchat_close_when_done(), asynchat_shutdown_write()
 * or an error. An error is reported as it is while reading is paused. Outside
 * handle_eof this function does nothing. (asyncio: eof_received) Since 0.1. */
ASYNCHAT_API void asynchat_keep_open(struct asynchat_channel *ch);

/* Like asynchat_close(), but resets the connection, so that the peer cannot
 * mistake what it has received so far for the complete data. Over
 * asynchat_pair_new(), or a pair of bufferevents of your own, the other channel
 * ends with -ECONNRESET. Over anything else that is not TCP this is the same as
 * asynchat_close(). Since 0.1. */
ASYNCHAT_API void asynchat_abort(struct asynchat_channel *ch);

/* Drops input that was not delivered and output that was not sent, and cancels
 * asynchat_close_when_done(). `release` callbacks of what is dropped are
 * called. The terminator stays. Over a bufferevent of your own, bytes that the
 * bufferevent was already given are still sent. (Python: discard_buffers) Since
 * 0.1. */
ASYNCHAT_API void asynchat_discard_buffers(struct asynchat_channel *ch);

/* Ends and frees the channel. None of its callbacks runs after this, not even
 * handle_close. If this is called inside one of the channel's callbacks, or
 * inside another function of yours that runs during a call about the channel,
 * the channel's memory lives until that callback or call has returned. In a
 * child after fork(2) only the child's descriptor is closed. NULL is allowed.
 * Since 0.1. */
ASYNCHAT_API void asynchat_channel_free(struct asynchat_channel *ch);

/* --- What ends a message --- */

/* The longest terminator, in bytes. */
#define ASYNCHAT_TERMINATOR_MAX 1048576

/* What ends a message. More ways to end one, such as lines with either line
 * end, or a length in front of the message, are in framing.h. */
enum asynchat_terminator {
    ASYNCHAT_NONE,   /* nothing: everything is collected */
    ASYNCHAT_LENGTH, /* a number of bytes */
    ASYNCHAT_STRING, /* a byte string */
    ASYNCHAT_FRAMING /* what a framing finds: see framing.h */
};

/* Sets a byte string as the terminator: 1 to ASYNCHAT_TERMINATOR_MAX bytes. 0
 * bytes are the same as asynchat_set_terminator_none(). Copies. The new
 * terminator takes effect at the next byte that was not delivered, also inside
 * collect_incoming_data. Bytes that were held back as the possible beginning of
 * the previous terminator are matched again, from the loop. A channel begins
 * without a terminator.
 *
 * Finding terminators takes time in proportion to the number of bytes that
 * come, whatever they are and however they are cut. Setting a terminator takes
 * time in proportion to `len` plus the number of bytes held back, which is less
 * than the length of the previous terminator. If the terminator in force is set
 * again, it is only compared: nothing changes, and no memory is needed. So a
 * handler that sets a long terminator at each piece pays for the terminator's
 * length at each piece.
 *
 * Errors: -EINVAL (`ch` or `bytes` is NULL, or `len` is too large), -ENOMEM.
 * (Python: set_terminator with bytes) Since 0.1. */
ASYNCHAT_API int asynchat_set_terminator(struct asynchat_channel *ch,
                                         const void *bytes, size_t len);

/* Ends the message after `len` bytes, at most 2^63 - 1. 0 is the same as
 * asynchat_set_terminator_none(). Allocates nothing. Errors: -EINVAL (`ch` is
 * NULL, or `len` is too large). (Python: set_terminator with an int) Since
 * 0.1. */
ASYNCHAT_API int asynchat_set_terminator_length(struct asynchat_channel *ch,
                                                uint64_t len);

/* Removes the terminator: everything is collected. Allocates nothing. Errors:
 * -EINVAL (`ch` is NULL). (Python: set_terminator(None)) Since 0.1. */
ASYNCHAT_API int asynchat_set_terminator_none(struct asynchat_channel *ch);

/* Returns the kind of terminator in force. Unless `len` is NULL, *len becomes
 * the length of the byte string, or the number of bytes still to come, which is
 * 0 once all of them have come. Unless `bytes` is NULL, *bytes becomes the byte
 * string, lent until the next terminator is set, or NULL if the terminator is
 * not a byte string. For a framing, *len becomes 0. (Python: get_terminator)
 * Since 0.1. */
ASYNCHAT_API enum asynchat_terminator asynchat_get_terminator(
    const struct asynchat_channel *ch, const void **bytes, uint64_t *len);

/* Returns how many bytes of the message in progress have come, for a handler
 * with `message`. Lends these bytes in *data, unless `data` is NULL, until the
 * callback returns or, outside callbacks, until the loop goes on. In handle_eof
 * they are the message that was cut off; in handle_error for a message that is
 * too long, they are its beginning. Between messages, and for a handler with
 * collect_incoming_data, the result is 0 and *data NULL. Bytes that may be the
 * beginning of the terminator are not included. (Python: _get_data) Since
 * 0.1. */
ASYNCHAT_API size_t asynchat_get_collected(const struct asynchat_channel *ch,
                                           const void **data);

/* --- Pausing --- */

/* Reading of a channel is paused while the program has paused it, while the
 * channel that it is joined with is under pressure, and while its rate allows
 * nothing. While reading is paused, an error of the connection, such as a
 * reset, is still reported at once, even if input is undelivered. The peer's
 * end of file is reported once everything sent before it has been delivered.
 * After asynchat_keep_open(), when there is no more input, errors are still
 * reported in this way. Bytes that the peer sends while reading is paused do
 * not wake the program.
 *
 * The end of file and errors may be reported up to a second late while there is
 * output that the system does not take, and in a loop without EV_FEATURE_ET,
 * such as libevent's poll and select. Over a bufferevent of your own they may
 * go unnoticed until reading resumes: they are reported only as far as the
 * bufferevent reports them while it does not read. */

/* Stops delivering input, including input that has already arrived. If this is
 * called inside a callback that delivers input, that callback is the last one.
 * Nothing more is read, so soon the peer cannot send. Pausing twice is the same
 * as pausing once. (Python: readable) Since 0.1. */
ASYNCHAT_API void asynchat_pause_reading(struct asynchat_channel *ch);
/* Continues where asynchat_pause_reading() stopped, from the loop. Does nothing
 * if reading was not paused. Since 0.1. */
ASYNCHAT_API void asynchat_resume_reading(struct asynchat_channel *ch);

/* --- Queueing output --- */

/* All functions of this group append to one queue, which is sent in order.
 * Output queued before the connection is up waits for it. If a push fails with
 * -ENOMEM or ASYNCHAT_EFULL, the channel ends, by handle_error and
 * handle_close, as soon as it is connected, and nothing more is sent. The peer
 * therefore gets at most the beginning of the refused bytes and nothing after
 * them, and a program that has nothing else to do about the error need not
 * check the result. Errors: -EINVAL (`ch` or what to send is NULL, or its
 * length is impossible), -ENOMEM, ASYNCHAT_ECLOSED (the channel has ended, or
 * was told to close when done), ASYNCHAT_EFULL (more than the output limit is
 * queued, see asynchat_set_output_limit()). */

/* Queues `len` bytes. Copies. 0 bytes are allowed and do nothing.
 *
 * Over a socket, 64 KiB or more are sent at once if nothing is queued ahead of
 * them. Whatever the system takes in up to sixteen writes is not copied; with
 * the default asynchat_set_out_buffer_size() this is up to 1 MiB. The rest is
 * copied, and sent in the wake-ups that follow. Other channels wait for the
 * sixteen writes and for the copy, which takes time in proportion to its
 * length. Very long data is therefore better pushed by reference, or as a
 * producer. (Python: push) Since 0.1. */
ASYNCHAT_API int asynchat_push(struct asynchat_channel *ch, const void *data,
                               size_t len);

/* Queues a text of any length, which is formatted as by printf(3), without the
 * final NUL. The call can also fail with the errors of printf(3), such as
 * -EILSEQ: then nothing is queued, and the channel goes on.
 *
 *     asynchat_push_printf(ch, "250 %s\r\n", text);
 *
 * (Python: push with a formatted string) Since 0.1. */
ASYNCHAT_API int asynchat_push_printf(struct asynchat_channel *ch,
                                      const char *format, ...)
    ASYNCHAT_FORMAT(2, 3);
/* Like asynchat_push_printf(), but with a va_list, for functions of your own
 * that take a format. Since 0.1. */
ASYNCHAT_API int asynchat_push_vprintf(struct asynchat_channel *ch,
                                       const char *format, va_list args)
    ASYNCHAT_FORMAT(2, 0);

/* Queues `len` bytes without a copy. Borrows `data` until release(data, len,
 * arg) is called, which happens once the bytes have been sent, dropped or
 * refused. `release` may be NULL, for bytes that live for ever. Since 0.1. */
ASYNCHAT_API int asynchat_push_reference(
    struct asynchat_channel *ch, const void *data, size_t len,
    void (*release)(const void *data, size_t len, void *arg), void *arg);

/* Queues the contents of an evbuffer, without a copy. The evbuffer stays yours,
 * and is empty afterwards. Callbacks of the evbuffer run inside this call. A
 * frozen evbuffer is refused with -EINVAL. On failure the evbuffer is
 * unchanged. Since 0.1. */
ASYNCHAT_API int asynchat_push_evbuffer(struct asynchat_channel *ch,
                                        struct evbuffer *buffer);

/* Queues a producer, which is asked for bytes when everything queued before it
 * has been sent. Takes `producer`: on failure it is freed. If `producer` is
 * NULL, the call returns -ENOMEM, so that calls can be nested:
 *
 *     asynchat_push_producer(ch, asynchat_producer_file(fd, 0, n));
 *
 * (Python: push_with_producer) Since 0.1. */
ASYNCHAT_API int asynchat_push_producer(struct asynchat_channel *ch,
                                        struct asynchat_producer *producer);

/* Tells the channel that a producer which returned ASYNCHAT_LATER has something
 * now: it is asked again, from the loop. Does nothing if no producer waits.
 * Since 0.1. */
ASYNCHAT_API void asynchat_resume_producer(struct asynchat_channel *ch);

/* Sends now what is queued, also inside a callback, as far as the system takes
 * it. Otherwise everything that is pushed is sent when the callback has
 * returned, which is better for the network, and enough for most programs. So
 * this is for a program that pushes and then works for a long time, or that
 * wants the peer to have the bytes before something else happens.
 *
 * Bytes are sent up to the first producer, which is asked by the loop only, and
 * up to a border behind which a layer begins; with a layer they are sealed. A
 * rate is obeyed. Whatever is left, asynchat_get_queued() says how much, is
 * sent by the loop as usual. Before the connection is up nothing is sent. Other
 * channels wait while a peer that is fast takes all that is queued.
 *
 * No callback of the handler runs inside this call. handle_pressure and
 * handle_drained are called at the end of the wake-up, and if the connection is
 * found to be broken, the channel ends by handle_error from the loop. Over a
 * bufferevent of your own, filters work inside this call.
 *
 * If an earlier push was refused for lack of memory or of room, the result is
 * the error of that push. Errors: -EINVAL (`ch` is NULL), ASYNCHAT_ECLOSED (the
 * channel has ended, or its output has), -EBUSY (the output of this channel is
 * being worked on: inside `release`, the `more` of a producer, the `tell` of a
 * transcript or a callback of an evbuffer), and those of sendmsg(2). (Python:
 * initiate_send) Since 0.1. */
ASYNCHAT_API int asynchat_flush(struct asynchat_channel *ch);

/* --- Pressure --- */

/* Returns how many bytes are queued: everything that was pushed and has not
 * been handed to the system. A producer that is not done counts as 512 bytes,
 * plus the bytes that it has produced and that are not sent. Since 0.1. */
ASYNCHAT_API size_t asynchat_get_queued(const struct asynchat_channel *ch);

/* Sets the low mark of handle_drained and the high mark of handle_pressure, in
 * bytes. `low` must be less than `high`. Unless set, they are 0 and 65536.
 * Errors: -EINVAL (`ch` is NULL, or `low` is not less than `high`). Since
 * 0.1. */
ASYNCHAT_API int asynchat_set_output_marks(struct asynchat_channel *ch,
                                           size_t low, size_t high);

/* Sets the output limit, in bytes: 1 or more, 64 MiB unless set. If more than
 * this is queued, the next push returns ASYNCHAT_EFULL and the channel ends
 * with that error: nothing more is sent to a peer that is this far behind. A
 * single push may be longer than the limit. Whatever the limit, the queue holds
 * at most PTRDIFF_MAX bytes, which is 2 GiB - 1 on a 32-bit machine. Errors:
 * -EINVAL (`ch` is NULL, or the limit is 0). Since 0.1. */
ASYNCHAT_API int asynchat_set_output_limit(struct asynchat_channel *ch,
                                           size_t limit);
/* Returns the limit in force, in bytes. Since 0.1. */
ASYNCHAT_API size_t
asynchat_get_output_limit(const struct asynchat_channel *ch);

/* Joins two channels. When the output queued on one of them exceeds its high
 * mark, reading of the other pauses, as by asynchat_pause_reading(), until that
 * queue has fallen to its low mark. This suits a proxy, where each channel
 * sends what the other receives. A channel may be joined with itself: it then
 * reads no further requests while its peer does not take the answers. Two
 * programs that both do this, and both send without reading, wait for each
 * other for ever. While reading is paused this way, the times `idle` and
 * `read_idle` stand still; use write_idle to catch a peer that reads nothing.
 *
 * A channel can be joined with one channel at a time. The joining ends when
 * either channel ends, or when one of them is joined with another channel or
 * with NULL. If a channel has already ended, the joining ends at once. Both
 * channels must be in the same event base. Errors: -EINVAL (`ch` is NULL, or
 * the event bases differ). Since 0.1. */
ASYNCHAT_API int asynchat_join(struct asynchat_channel *ch,
                               struct asynchat_channel *other);

/* --- Sizes and times of a channel --- */

/* The largest buffer size, in bytes. */
#define ASYNCHAT_BUFFER_SIZE_MAX 1073741824

/* Sets the largest size, in bytes, of a read and of a call of
 * collect_incoming_data: 1 to ASYNCHAT_BUFFER_SIZE_MAX, 65536 unless set.
 * Errors: -EINVAL (`ch` is NULL, or the value is out of range). (Python:
 * ac_in_buffer_size) Since 0.1. */
ASYNCHAT_API int asynchat_set_in_buffer_size(struct asynchat_channel *ch,
                                             size_t size);
/* Returns the size in force, in bytes. Since 0.1. */
ASYNCHAT_API size_t
asynchat_get_in_buffer_size(const struct asynchat_channel *ch);

/* Sets the largest size, in bytes, of a write and of a chunk from a producer: 1
 * to ASYNCHAT_BUFFER_SIZE_MAX, 65536 unless set. With a size from 65536 bytes
 * to 256 MiB, a peer that takes whole writes gets up to four of them in a
 * wake-up. With a smaller or larger size there is one write in each wake-up. An
 * asynchat_push() that sends at once makes up to sixteen writes; after four or
 * more of them nothing else is sent in that wake-up. Errors: -EINVAL (`ch` is
 * NULL, or the value is out of range). (Python: ac_out_buffer_size) Since
 * 0.1. */
ASYNCHAT_API int asynchat_set_out_buffer_size(struct asynchat_channel *ch,
                                              size_t size);
/* Returns the size in force, in bytes. Since 0.1. */
ASYNCHAT_API size_t
asynchat_get_out_buffer_size(const struct asynchat_channel *ch);

/* Says whether this side acknowledges what comes over TCP at once (1), or when
 * the system thinks fit (0, unless set). The system waits up to some 40 ms for
 * an answer that can carry the acknowledgement. A peer that sends a request in
 * two writes, and whose second write waits for the acknowledgement of the first
 * (Nagle's algorithm), pauses for that time; msmtp sends mail that way. The
 * price is a system call for each read, and a segment more for most of them.
 * Linux forgets TCP_QUICKACK by itself, so the library sets it after each read.
 * Has no effect over a transport other than a TCP socket of the library's.
 * Errors: -EINVAL (`ch` is NULL, or the value is neither 0 nor 1). Since
 * 0.1. */
ASYNCHAT_API int asynchat_set_quick_ack(struct asynchat_channel *ch, int on);
/* Returns what is set, 0 or 1. Since 0.1. */
ASYNCHAT_API int asynchat_get_quick_ack(const struct asynchat_channel *ch);

/* Sets the message limit: the longest message, in bytes, not counting the
 * terminator. It is 1 or more; SIZE_MAX stands for no limit. Unless set it is 1
 * MiB while the handler has `message`, and SIZE_MAX while it has not. When a
 * message is longer, handle_error is called with ASYNCHAT_ETOOLONG and the
 * channel ends. If the handler has message_dropped, that is called instead, at
 * the end of the message, and the channel goes on. It makes no difference how
 * the bytes were cut. Lengths are counted in 64 bits
 * on all machines. The limit applies to the message in progress; set inside
 * `message` or found_terminator, it applies from the next message on. Errors:
 * -EINVAL (`ch` is NULL, or the limit is 0). Since 0.1. */
ASYNCHAT_API int asynchat_set_message_limit(struct asynchat_channel *ch,
                                            size_t limit);
/* Returns the limit in force, in bytes. Since 0.1. */
ASYNCHAT_API size_t
asynchat_get_message_limit(const struct asynchat_channel *ch);

/* Sets how many messages are delivered in one wake-up at most: 1 or more,
 * UINT_MAX unless set. With a budget, a peer that sends a thousand requests in
 * one read does not keep other peers waiting: its remaining messages are
 * delivered after all other channels have had their turn. Errors: -EINVAL (`ch`
 * is NULL, or the budget is 0), -ENOMEM. Since 0.1. */
ASYNCHAT_API int asynchat_set_message_budget(struct asynchat_channel *ch,
                                             unsigned messages);
/* Returns the budget in force. Since 0.1. */
ASYNCHAT_API unsigned asynchat_get_message_budget(
    const struct asynchat_channel *ch);

/* How long a peer may take. Times are in milliseconds, at most 2^31 - 1; 0
 * stands for no limit. `size` is sizeof the struct. New fields are only ever
 * added at the end.
 *
 * When a time runs out, the channel ends, by handle_error and handle_close. For
 * `idle` and `read_idle` the error is ASYNCHAT_EIDLE; if the handler has
 * handle_idle, that is called instead and the channel goes on. For `write_idle`
 * the error is ASYNCHAT_ESTALLED, and queued output is dropped. For `message`
 * and `min_rate` the error is ASYNCHAT_ESLOW.
 *
 * All timeouts except write_idle stand still while nothing is read, that is,
 * while reading is paused or the connection is not up yet. write_idle and the
 * linger time stand still while a rate limit holds the output back. Until the
 * connection is up, the time of asynchat_set_connect_time() runs instead. */
struct asynchat_timeouts {
    size_t size;
    unsigned idle;       /* how long nothing may move, neither in nor out */
    unsigned read_idle;  /* how long nothing may come */
    unsigned write_idle; /* how long the peer may take no queued output */
    unsigned message;    /* how long a message may take, first byte to last */
    unsigned min_rate;   /* the least rate of a message, in bytes per second */
    unsigned rate_time;  /* the time for the average of min_rate; 0: 10000 */
};

/* Sets the timeouts of a channel. Copies. All times begin anew now. They are
 * exact to a few milliseconds, and cost no system call for each message.
 * Errors: -EINVAL (`ch` or `times` is NULL, or a value is out of range),
 * -ENOTSUP (`times` has a field that this version does not know), -ENOMEM.
 * Since 0.1. */
ASYNCHAT_API int asynchat_set_timeouts(struct asynchat_channel *ch,
                                       const struct asynchat_timeouts *times);

/* Sets a deadline for what the program calls a request, which may be a part of
 * a message, or many messages. The time is `milliseconds` from now on, at most
 * 2^31 - 1. 0 takes the deadline away. Whatever moves meanwhile, the time goes
 * on, until the program sets a deadline again or takes it away.
 *
 *     asynchat_push(ch, "354 go on\r\n", 11);
 *     asynchat_set_deadline(ch, 600000); // for all of the mail, not for a line
 *
 * When the time is over, handle_error is called with ASYNCHAT_EDEADLINE, and
 * the channel ends. Output that is queued, and a goodbye that handle_error
 * pushes, are still sent. If the deadline is set again or taken away in a
 * callback, even at the very moment at which it is due, handle_error is not
 * called.
 *
 * The time stands still while nothing is read, that is, while reading is paused
 * or the connection is not up yet: a request that waits for this side is not
 * late. It goes on during a handshake such as STARTTLS begins, which has a time
 * of its own, too. When the channel is told to close, the linger time takes the
 * place of the deadline. asynchat_set_timeouts() does not change the deadline.
 * Errors: -EINVAL (`ch` is NULL, or the time is out of range), -ENOMEM (there
 * is no memory for a deadline; taking it away needs none). Since 0.1. */
ASYNCHAT_API int asynchat_set_deadline(struct asynchat_channel *ch,
                                       unsigned milliseconds);
/* Like asynchat_set_deadline(), but the time also goes on while nothing is read
 * and while the connection is not up yet. So the time that this side takes
 * counts too, also when the channel closes, as long as it waits for an open
 * slot, or for a producer that has nothing yet. A channel has one deadline:
 * each of the two calls replaces the deadline of the other. Errors: -EINVAL
 * (`ch` is NULL, or the time is out of range), -ENOMEM (there is no memory for
 * a deadline; taking it away needs none). Since 0.1. */
ASYNCHAT_API int asynchat_set_steady_deadline(struct asynchat_channel *ch,
                                              unsigned milliseconds);
/* Returns how many milliseconds are left until the deadline, at least 1; or 0
 * if there is no deadline. Since 0.1. */
ASYNCHAT_API unsigned asynchat_get_deadline(const struct asynchat_channel *ch);

/* The most bytes from the peer that a channel drops when it has sent everything
 * and waits for the peer's end. A peer that sends more is not waited for. */
#define ASYNCHAT_LINGER_MOST 16777216

/* Sets the linger time: how long a channel that is closing waits for a peer
 * that takes nothing, in milliseconds. 1 to 2^31 - 1, 30000 unless set. The
 * time begins anew with each byte that the peer takes, as far as the system
 * reports that; but once the peer has taken everything, the time runs to its
 * end. Until then what the peer sends is dropped: at most ASYNCHAT_LINGER_MOST
 * bytes, and then the channel ends. Errors: -EINVAL (`ch` is NULL, or the value
 * is out of range). Since 0.1. */
ASYNCHAT_API int asynchat_set_linger(struct asynchat_channel *ch,
                                     unsigned milliseconds);
/* Returns the time in force, in milliseconds. Since 0.1. */
ASYNCHAT_API unsigned asynchat_get_linger(const struct asynchat_channel *ch);

/* Sets how long the connection, including a handshake over a bufferevent of
 * your own, may take to come up: 1 to 2^31 - 1 milliseconds from this call on.
 * Unless set, a channel made with ASYNCHAT_CONNECTING has 60000 milliseconds
 * from its making, and a channel of asynchat_connect() has the `timeout` given
 * there. When the time is over the channel ends with -ETIMEDOUT, by
 * handle_error and handle_close, without handle_connect. This also holds for a
 * channel that was told to close when done. Bytes of a handshake do not prolong
 * the time. Once the connection is up this function has no effect. Errors:
 * -EINVAL (`ch` is NULL, or the value is out of range), -ENOMEM. Since 0.1. */
ASYNCHAT_API int asynchat_set_connect_time(struct asynchat_channel *ch,
                                           unsigned milliseconds);
/* Returns the time in force, in milliseconds. Returns 0 if there is none:
 * because the time is left to the system, the connection is up, or the channel
 * has ended. Since 0.1. */
ASYNCHAT_API unsigned asynchat_get_connect_time(
    const struct asynchat_channel *ch);

/* --- What belongs to a channel --- */

/* Every getter accepts a NULL channel and returns 0, NULL or ASYNCHAT_NONE for
 * it. */

/* Sets `arg`, the pointer that callbacks get as their last argument. Borrows
 * it; the library never looks at what it points to. Since 0.1. */
ASYNCHAT_API void asynchat_set_arg(struct asynchat_channel *ch, void *arg);
/* Returns the pointer that callbacks get as their last argument. Since 0.1. */
ASYNCHAT_API void *asynchat_get_arg(const struct asynchat_channel *ch);

/* Returns the bufferevent below the channel, lent until the channel is gone.
 * Use it for its descriptor, its priority and its TLS. Its callbacks, enabled
 * events, watermarks, timeouts and buffers belong to the library. If the
 * channel is over a socket, and not over a bufferevent of your own, the
 * bufferevent is disabled, and its other settings have no effect. Since 0.1. */
ASYNCHAT_API struct bufferevent *asynchat_get_bufferevent(
    const struct asynchat_channel *ch);
/* Returns the event base whose loop serves the channel. Since 0.1. */
ASYNCHAT_API struct event_base *asynchat_get_base(
    const struct asynchat_channel *ch);

/* --- The addresses of a channel --- */

/* Room for any address as text, including the NUL at its end. */
#define ASYNCHAT_ADDRESS_SIZE 448

/* Writes the peer's address, NUL-terminated, in the form that
 * asynchat_connect() takes: "192.0.2.1:25", "[2001:db8::1]:25", "unix:/run/x"
 * or "unix:@name". A Unix socket without a name is "unix:". A Unix peer chooses
 * its name itself. Therefore bytes of it that are neither printable ASCII nor
 * UTF-8, and characters that would not stay in their place on the line, are
 * written as "\xNN". A backslash is written as two, and a "@" that begins a
 * path as "\x40".
 *
 * If a PROXY header has named the peer (see proxy.h), this is the address in
 * the header. Over TCP the address is remembered: it is available before the
 * connection is up (for asynchat_connect()) and after it has broken. For a Unix
 * socket or a bufferevent of your own the system is asked each time, and after
 * the connection has broken it no longer knows. On failure `text` is unchanged.
 * Errors: -EINVAL (`ch` or `text` is NULL), -ENOSPC (`size` is too small),
 * -ENOTSOCK (the channel has no socket), and those of getpeername(2). (Python:
 * addr) Since 0.1. */
ASYNCHAT_API int asynchat_peer_address(const struct asynchat_channel *ch,
                                       char *text, size_t size);
/* Returns the peer's address as asynchat_peer_address() writes it, or "unknown"
 * if that fails. Lent until the next call in the same thread. Since 0.1. */
ASYNCHAT_API const char *asynchat_get_peer(const struct asynchat_channel *ch);
/* Writes this side's address, in the forms of asynchat_peer_address(). On
 * failure `text` is unchanged. Errors: -EINVAL (`ch` or `text` is NULL),
 * -ENOSPC (`size` is too small), -ENOTSOCK (the channel has no socket), and
 * those of getsockname(2). Since 0.1. */
ASYNCHAT_API int asynchat_local_address(const struct asynchat_channel *ch,
                                        char *text, size_t size);

ASYNCHAT_END_DECLS

#endif
