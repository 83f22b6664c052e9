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
 * - The callbacks of a handler run from the event loop only. No call runs one,
 *   so any call is allowed inside any callback.
 * - Other functions of yours may run inside a call of yours, and may call
 *   anything: `release`, the `tell` of a transcript, the callbacks that an evbuffer
 *   or a filter has, where the call moves bytes through these. The channel that the
 *   call is about may be freed there: its memory lives until the call returns.
 *   What such a function pushes goes behind what the call pushes; when it discards,
 *   what the call pushes is discarded too. Only the function of asynchat_set_log()
 *   may call nothing of the library.
 * - What says that bytes or a producer are no longer needed, `release`, runs
 *   as soon as that is so: also inside the call that drops or refuses them. Of a
 *   channel that is freed inside one of these functions, or inside a callback of
 *   its own, it runs when the outermost of these has returned. Over a bufferevent
 *   of yours it may run after handle_close.
 * - handle_connect comes first, handle_close exactly once and last; then the
 *   library frees the channel.
 * - asynchat_close() and asynchat_close_when_done() end a channel in order,
 *   with handle_close. Where that is not wanted, asynchat_channel_free() ends
 *   it at once, and no callback of it runs after that.
 * - What handle_connect has made for a channel is freed in handle_close, and
 *   by whoever calls asynchat_channel_free().
 * - Answers pushed during one wake-up leave in one write at its end, but for
 *   asynchat_push() of 64 KiB or more, which begins at once where nothing waits
 *   to be sent before, and answers that take more than one write. Output that the
 *   peer does not read stays in memory; more of it than the output limit, 64 MiB,
 *   ends the channel. A peer that
 *   sends many requests at once and only then reads can come to that: a server
 *   whose answers are long calls asynchat_join(ch, ch), so that it reads the next
 *   request when the last answers are taken.
 * - The loop ends by itself when the last channel and server are gone.
 * - Free channels and servers before their event base. What is left behind by
 *   event_base_free() may not be used any more, nor freed, and keeps its memory
 *   and descriptors; posts to it answer ASYNCHAT_ECLOSED.
 * - One thread for each event base: a channel is used from the thread that
 *   runs its loop. Others post to it: see post.h.
 * - libevent's select cannot have descriptors from FD_SETSIZE (1024) on. In a loop
 *   with it what would need one answers -EMFILE, as if there were none left.
 * - After fork(2) a child may free what it has inherited, or call
 *   event_reinit() and go on with it: see server.h.
 * - Sockets never raise SIGPIPE here. libevent's own writes and sendfile(2)
 *   can, so the first channel over a bufferevent of yours and the first file
 *   sent set SIGPIPE to SIG_IGN, if it is SIG_DFL then.
 *
 * The words are those of Python's asynchat and asyncore: collect_incoming_data,
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

/* So many bytes of a message that was dropped are kept. */
#define ASYNCHAT_DROPPED_FIRST 256

/* What a channel calls. Caller-owned and borrowed until the channel is gone, so
 * usually a static const. `size` is sizeof the struct; every other field may be
 * NULL, but not all. Fields are only ever appended.
 *
 * Messages are delivered in one of two ways: piece by piece with
 * collect_incoming_data and found_terminator, or whole with `message`. Setting
 * both is refused with -EINVAL, and so is a handler without `size`, or without
 * any callback. */
struct asynchat_handler {
    size_t size;

    /* Bytes of the message in progress: 1 to in_buffer_size of them, never any
     * of the terminator. Lends `data` until it returns. (Python:
     * collect_incoming_data) */
    void (*collect_incoming_data)(struct asynchat_channel *ch, const void *data,
                                  size_t len, void *arg);

    /* The terminator was found, or the number of bytes reached: what was
     * collected since the last call is one message; nothing collected is an
     * empty message. The terminator is already consumed, so whatever is set
     * here holds from the next byte. A number is 0 now: set the next
     * terminator, or everything else is collected without end. (Python:
     * found_terminator) */
    void (*found_terminator)(struct asynchat_channel *ch, void *arg);

    /* Instead of the two above: one whole message, contiguous, without a copy
     * where it arrived in one piece. Lends `data` until it returns; never NULL.
     * With the terminator none, the end of file ends the message. */
    void (*message)(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg);

    /* The connection is up: accepted, connected, or the channel made over one
     * that was. Always the first callback of a channel that gets that far.
     * (Python: handle_connect) */
    void (*handle_connect)(struct asynchat_channel *ch, void *arg);

    /* The peer sends no more. All it sent has been delivered, bytes held back
     * included; `cut_off` is 1 when the last are the beginning of a message
     * that was not finished, which with `message` is not delivered, but can be
     * had from asynchat_get_collected(). What is queued, and what this callback
     * pushes, is still sent; then the channel closes with ASYNCHAT_EOF, unless
     * this callback calls asynchat_keep_open(). */
    void (*handle_eof)(struct asynchat_channel *ch, int cut_off, void *arg);

    /* The channel ends because of `error`; handle_close with the same code
     * follows.
     *
     * What was queued before, and what this callback pushes, is still sent after
     * - ASYNCHAT_ETOOLONG, ASYNCHAT_EIDLE, ASYNCHAT_ESLOW,
     * - the error of a producer that failed, such as ASYNCHAT_ETRUNCATED: what is
     *   queued behind it is dropped,
     * - -ENOMEM, if it was a message that there was no memory for.
     * If the program had ended the output before, as by asynchat_close_when_done(),
     * a push is refused then with ASYNCHAT_ECLOSED.
     *
     * Nothing more is sent, and a push answers ASYNCHAT_ECLOSED, after
     * - ASYNCHAT_EFULL, ASYNCHAT_ESTALLED, ASYNCHAT_ESTOPPED,
     * - -ETIMEDOUT, of connecting or closing,
     * - -ENOMEM otherwise,
     * - errors of the connection, such as -ECONNRESET or -ECONNREFUSED.
     * (Python: handle_error) */
    void (*handle_error)(struct asynchat_channel *ch, int error, void *arg);

    /* The channel has ended; exactly one call for each channel that was not
     * freed, and the last. `status` is 0 when this side ended it, ASYNCHAT_EOF
     * when the peer did, or the error. The channel can still be asked, also,
     * over TCP, for its peer's address. It is freed when this returns. (Python:
     * handle_close) */
    void (*handle_close)(struct asynchat_channel *ch, int status, void *arg);

    /* What is queued has fallen to the low mark: with 0, which it is unless set,
     * the last byte was handed to the system. Not after
     * asynchat_discard_buffers(). */
    void (*handle_drained)(struct asynchat_channel *ch, void *arg);

    /* More than the high mark is queued at the end of a wake-up: the peer does
     * not take it as fast as it comes. Called again only after the queue has
     * fallen to the low mark. (asyncio: pause_writing) */
    void (*handle_pressure)(struct asynchat_channel *ch, void *arg);

    /* Instead of ending the channel: the time `idle` or `read_idle` is over. Called
     * again only after something has come, or the times were set again. (medusa:
     * a channel's last_use) */
    void (*handle_idle)(struct asynchat_channel *ch, void *arg);

    /* Instead of ending the channel: a message was longer than the message
     * limit, and is over, or cut off by the end of file. `total` is its length, of which
     * message is given nothing, and collect_incoming_data the first bytes, up to
     * the limit. Lends `data`, the first `len` bytes for a log: with message up
     * to ASYNCHAT_DROPPED_FIRST, with pieces none. Never NULL. */
    void (*message_dropped)(struct asynchat_channel *ch, const void *data,
                            size_t len, uint64_t total, void *arg);

    /* The server that accepted the connection stops: asynchat_server_stop().
     * The channel has the grace to come to its end; it may say goodbye, close
     * when done, now or after the messages to come, or let the time pass. Once,
     * after handle_connect, and not for a channel that is ending already.
     * Without it the channel is closed when done as soon as it is between
     * messages. */
    void (*handle_stopping)(struct asynchat_channel *ch, void *arg);
};

/* --- Making a channel --- */

/* For asynchat_channel_new(): the bufferevent is still connecting, or shaking
 * hands. handle_connect then waits for its BEV_EVENT_CONNECTED, at most the time
 * of asynchat_set_connect_time(). Make the channel first, and call
 * bufferevent_socket_connect() then: a connection that is refused at once tells
 * only those who are there already. */
#define ASYNCHAT_CONNECTING 0x1u

/* A channel over a bufferevent of yours: TLS, filter, pair, anything. `flags`
 * is 0 or ASYNCHAT_CONNECTING. On success takes `bev` and gives the channel in
 * *out; on failure `bev` stays yours and *out as it was. For a plain socket
 * asynchat_channel_new_socket() is faster, and safer: over a bufferevent input
 * that is unread at the close makes the system reset the connection.
 *
 * From now on the callbacks, enabled events, buffers, watermarks and timeouts of
 * `bev` are the library's. What it brings of the last two is taken from it: marks
 * would hold bytes back, and a channel has times of its own. The timeouts of one
 * that is connecting hold until it is connected, and end the channel with
 * -ETIMEDOUT. What input `bev` has already is delivered.
 *
 * Of the bufferevents below it, which a filter or TLS is over, only the read
 * watermarks are taken. Their write watermarks stay, and their timeouts, which end
 * the channel with -ETIMEDOUT; and of all of them what else is set: priorities,
 * libevent's rate limits, and the sizes of single reads and writes.
 *
 * What a filter keeps until there is more is passed on when the channel closes,
 * when it is called with BEV_FINISHED; one that keeps more than 1 MiB, given to it
 * and not taken out of its buffer, gets no more. libevent does not tell a filter
 * that its input has ended. It may call a filter inside itself, when what that gives
 * goes on at once: a filter over another adds to its destination last and with one
 * call, and TLS is over one with BEV_OPT_DEFER_CALLBACKS. TLS over a filter or a
 * pair begins to shake hands when you enable reading.
 *
 * A half of bufferevent_pair_new() is told of the other half's end by the channel
 * over that. When the other half is not a channel's, and is freed, libevent tells
 * nobody: flush it with BEV_FINISHED before. Errors:
 * -EINVAL (`bev`, `handler` or `out` is NULL, the flag is unknown, or `handler`
 * is filled in wrongly), -ENOTSUP (`handler` has fields that this version does
 * not know), -ENOMEM, -EMFILE (the descriptor is too large for select). Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_channel_new(
    struct bufferevent *bev, unsigned flags,
    const struct asynchat_handler *handler, void *arg,
    struct asynchat_channel **out);

/* A channel over a connected stream socket, which becomes non-blocking and
 * close-on-exec. On success takes `fd` and gives the channel in *out; on failure
 * `fd` stays yours and *out as it was. Errors: -EINVAL (`base`, `handler` or
 * `out` is NULL, `fd` is no stream socket, or `handler` is filled in wrongly),
 * -ENOTSUP (`handler` has fields that this version does not know), -ENOMEM, -EMFILE
 * (`fd` is too large for select), and those of getsockopt(2) and fcntl(2). (Python: async_chat(sock)) Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_channel_new_socket(
    struct event_base *base, int fd, const struct asynchat_handler *handler,
    void *arg, struct asynchat_channel **out);

/* TLS is a bufferevent of bufferevent_openssl_socket_new(), or of
 * bufferevent_openssl_filter_new(), given to asynchat_channel_new() with
 * ASYNCHAT_CONNECTING. This library does without OpenSSL; the program has what
 * follows from <event2/bufferevent_ssl.h> and <openssl/ssl.h>.
 *
 * TLS has an end of its own, close_notify, without which the peer has to take
 * what it has received for cut off. libevent sends none, so handle_close does:
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
 * SSL_set_shutdown() says that nobody waits for the peer's own close_notify, so
 * that one call of SSL_shutdown() is all. By handle_close everything was sent,
 * unless the program has dropped it, as asynchat_close() does, or the status is
 * ASYNCHAT_EFULL, ASYNCHAT_ESTALLED or ASYNCHAT_ESTOPPED: then leave
 * SSL_shutdown() out if the peer is not to take what it has for all. After
 * asynchat_shutdown_write() it is too late for it.
 *
 * The peer's close_notify is its end of file, with handle_eof. If its connection
 * ends without one, that is an error of the connection, and there is no
 * handle_eof. For a protocol whose messages tell where they end it may be an end
 * of file as well: that is SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF),
 * with OpenSSL 3.0 or later, and where TLS is a filter
 * bufferevent_openssl_set_allow_dirty_shutdown(bev, 1).
 *
 * The code that handle_error is given for an error of TLS does not say what went
 * wrong. TLS does not set errno, so the code is -EIO, or what another call has
 * left in errno, such as -EPIPE. OpenSSL has the reason, for the handshake as
 * well (libevent 2.2, as its git was in June of 2026, answers 0 here, by a fault of
 * its own):
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

/* Ends the channel now: nothing more is delivered, output not yet sent is
 * dropped. handle_close with status 0 follows from the loop, unless the channel
 * has ended already; closing twice is allowed. (Python: close) Since 0.1. */
ASYNCHAT_API void asynchat_close(struct asynchat_channel *ch);

/* Ends the channel when all that is queued has been sent. Messages are
 * delivered until then, as in Python; a push that answers one of them is
 * refused with ASYNCHAT_ECLOSED, which is no reason to close. A peer that does
 * not read for the linger time is given up with -ETIMEDOUT. Calling it twice is
 * allowed. Errors: -EINVAL (`ch` is NULL), ASYNCHAT_ECLOSED (the channel has
 * ended). (Python: close_when_done) Since 0.1. */
ASYNCHAT_API int asynchat_close_when_done(struct asynchat_channel *ch);

/* As asynchat_close_when_done(), as soon as the channel is between messages: at
 * once, or when the message in progress is found. What had arrived by now is
 * delivered before, over a bufferevent of yours what that has read, and answers to it
 * are sent; in as many reads as the buffer size and the rate of the channel take for
 * that. While reading is paused it waits. A server that stops does this with a channel
 * without handle_stopping. asynchat_discard_buffers() takes it back. Errors: -EINVAL
 * (`ch` is NULL), ASYNCHAT_ECLOSED (the channel has ended). Since 0.1. */
ASYNCHAT_API int asynchat_close_between_messages(struct asynchat_channel *ch);

/* As asynchat_close_when_done(), messages until then included, with a peer that
 * may still be sending, as HTTP asks for (RFC 9112, 9.6). When all that is
 * queued has been sent, it sees the end of file, and what it sends is dropped,
 * until it ends its side or the linger time is over; handle_close comes then. To close at once would make the
 * system reset the connection when more comes, and the peer might lose what it
 * was just sent. Over a bufferevent of yours it is the same as
 * asynchat_close_when_done(); only, after handle_close, the socket is shut down
 * before the bufferevent is freed. Errors: -EINVAL (`ch` is NULL), ASYNCHAT_ECLOSED
 * (the channel has ended). Since 0.1. */
ASYNCHAT_API int asynchat_close_in_stages(struct asynchat_channel *ch);

/* Ends this side's output, when all that is queued has been sent: the peer sees
 * the end of file, and what it sends is delivered until it ends its side too.
 * Pushes are refused with ASYNCHAT_ECLOSED from now on. Over a bufferevent of
 * yours with a descriptor its socket is shut down, after what filters add at their
 * end; where TLS is in it, end that first. Errors: -EINVAL (`ch`
 * is NULL), ASYNCHAT_ECLOSED (the channel has ended). (Python: socket.shutdown)
 * Since 0.1. */
ASYNCHAT_API int asynchat_shutdown_write(struct asynchat_channel *ch);

/* Inside handle_eof: the output stays open though the input is over, until
 * asynchat_close_when_done(), asynchat_shutdown_write() or an error, which is
 * told as while reading is paused. Elsewhere it does nothing. (asyncio: eof_received)
 * Since 0.1. */
ASYNCHAT_API void asynchat_keep_open(struct asynchat_channel *ch);

/* As asynchat_close(), but the peer is sent a reset and not the end of file, so
 * that it cannot take what it has for all. Over asynchat_pair_new(), and a pair of
 * bufferevents of yours, the other channel ends with -ECONNRESET; where there is
 * neither that nor TCP it is the same as closing. Since 0.1. */
ASYNCHAT_API void asynchat_abort(struct asynchat_channel *ch);

/* Drops input that was not delivered and output that was not sent, release
 * callbacks of producers included, and takes asynchat_close_when_done() back.
 * The terminator stays. On a bufferevent of yours, what the bufferevent was
 * already given is still sent. (Python: discard_buffers) Since 0.1. */
ASYNCHAT_API void asynchat_discard_buffers(struct asynchat_channel *ch);

/* Ends and frees the channel: no callback of it runs any more, handle_close
 * included. Inside one of its own callbacks, or a function of yours that runs inside
 * a call about it, its memory lives until that has returned. In a child after
 * fork(2) only the child's descriptor is closed. NULL is allowed. Since 0.1. */
ASYNCHAT_API void asynchat_channel_free(struct asynchat_channel *ch);

/* --- What ends a message --- */

/* The longest terminator, in bytes. */
#define ASYNCHAT_TERMINATOR_MAX 1048576

/* What ends a message. */
enum asynchat_terminator {
    ASYNCHAT_NONE,   /* nothing: everything is collected */
    ASYNCHAT_LENGTH, /* a number of bytes */
    ASYNCHAT_STRING  /* a byte string */
};

/* Messages end at these 1 to ASYNCHAT_TERMINATOR_MAX bytes; 0 bytes are the
 * same as none. Copies. Holds from the next byte that was not delivered, also
 * inside collect_incoming_data; bytes that were held back as the beginning of
 * the terminator before are matched again, from the loop. A channel begins with
 * none.
 *
 * Finding terminators takes time in proportion to the bytes that come, however they
 * are cut and whatever they are. Setting one takes time in proportion to `len`, and
 * to the number of bytes held back, which is less than the length of the one before.
 * The string that is in force already is only compared: setting it again changes
 * nothing, and needs no memory. So a handler that sets a long terminator with each
 * piece pays for its bytes with each piece.
 *
 * Errors: -EINVAL (`ch` or `bytes` is NULL, or `len` is too large), -ENOMEM.
 * (Python: set_terminator with bytes) Since 0.1. */
ASYNCHAT_API int asynchat_set_terminator(struct asynchat_channel *ch,
                                         const void *bytes, size_t len);

/* The message ends after `len` bytes, at most 2^63 - 1; 0 is the same as none.
 * Allocates nothing. Errors: -EINVAL (`ch` is NULL, or `len` is too large).
 * (Python: set_terminator with an int) Since 0.1. */
ASYNCHAT_API int asynchat_set_terminator_length(struct asynchat_channel *ch,
                                                uint64_t len);

/* No terminator: everything is collected. Allocates nothing. Errors: -EINVAL (`ch`
 * is NULL). (Python: set_terminator(None)) Since 0.1. */
ASYNCHAT_API int asynchat_set_terminator_none(struct asynchat_channel *ch);

/* Returns the kind of terminator in force. *len, unless `len` is NULL: the
 * length of the string, or the number of bytes still to come, which is 0 once
 * they came. *bytes, unless `bytes` is NULL: the string, lent until the next
 * terminator is set, or NULL. (Python: get_terminator) Since 0.1. */
ASYNCHAT_API enum asynchat_terminator asynchat_get_terminator(
    const struct asynchat_channel *ch, const void **bytes, uint64_t *len);

/* With `message`: returns how many bytes of the message in progress have come,
 * and lends them in *data, unless `data` is NULL, until the callback returns, or
 * the loop goes on. In handle_eof they are what was cut off, in handle_error for
 * a message that is too long its beginning. 0 and NULL between messages, and with
 * pieces, which the handler was given. What may be the beginning of the
 * terminator is not among them. (Python: _get_data) Since 0.1. */
ASYNCHAT_API size_t asynchat_get_collected(const struct asynchat_channel *ch,
                                           const void **data);

/* --- Pausing --- */

/* A channel does not read while the program has paused it, while the channel it is
 * joined with is under pressure, and while its rate allows nothing. In the meantime the
 * peer's end is told when nothing that it sent before is undelivered, and an error of
 * the connection, such as a reset, at once, whatever is undelivered. After
 * asynchat_keep_open() there is no more input, and an error is told as well. What the
 * peer sends meanwhile wakes nobody.
 *
 * The end and an error are told up to a second later while there is output that the
 * system does not take, and in a loop without EV_FEATURE_ET, as libevent's poll and
 * select; over a bufferevent of yours only as far as that is told to one who does not
 * read. */

/* Nothing of the input is delivered from now on, also of what has arrived: a
 * callback of it that is running is the last. Nothing more is read, so the peer
 * soon cannot send. Pausing twice is pausing once. (Python: readable) Since 0.1. */
ASYNCHAT_API void asynchat_pause_reading(struct asynchat_channel *ch);
/* Goes on where asynchat_pause_reading() stopped, from the loop. Does nothing when
 * reading was not paused. Since 0.1. */
ASYNCHAT_API void asynchat_resume_reading(struct asynchat_channel *ch);

/* --- Queueing output --- */

/* All of these append to one queue, which is sent in order. What is queued
 * before the connection is up waits for it. With -ENOMEM and ASYNCHAT_EFULL the
 * channel ends, by handle_error and handle_close, as soon as it is connected, and
 * nothing more is sent: so the peer gets at most the beginning of what was refused,
 * and nothing behind it, and a program with nothing else to do about it need not
 * look at the answer. Errors: -EINVAL (`ch` or what to send is NULL, or its length
 * impossible), -ENOMEM, ASYNCHAT_ECLOSED (the channel has ended, or was told to
 * close when done), ASYNCHAT_EFULL (more than the output limit is queued, see
 * asynchat_set_output_limit()). */

/* Queues `len` bytes. Copies. 0 bytes are allowed and do nothing.
 *
 * 64 KiB or more over a socket, where nothing is queued before, begin at once: what
 * the system takes in up to sixteen writes, 1 MiB with the usual
 * asynchat_set_out_buffer_size(), is not copied, and the rest goes out in the
 * wake-ups that follow. So other channels wait for sixteen writes, and for the copy,
 * which takes time in proportion to the length: what is very long is better
 * pushed by reference, or as a producer. (Python: push) Since 0.1. */
ASYNCHAT_API int asynchat_push(struct asynchat_channel *ch, const void *data,
                               size_t len);

/* Queues a text of any length, as printf(3) makes it of `format` and what follows,
 * without a NUL. Errors also: those of printf(3), such as -EILSEQ, with which
 * nothing is queued and the channel goes on.
 *
 *     asynchat_push_printf(ch, "250 %s\r\n", text);
 *
 * (Python: push with a formatted string) Since 0.1. */
ASYNCHAT_API int asynchat_push_printf(struct asynchat_channel *ch,
                                      const char *format, ...)
    ASYNCHAT_FORMAT(2, 3);
/* The same with a va_list, for functions of yours that take a format. Since 0.1. */
ASYNCHAT_API int asynchat_push_vprintf(struct asynchat_channel *ch,
                                       const char *format, va_list args)
    ASYNCHAT_FORMAT(2, 0);

/* Queues `len` bytes without a copy. Borrows `data` until release(data, len,
 * arg) is called: sent, dropped, or refused. `release` may be NULL, for bytes
 * that live for ever. Since 0.1. */
ASYNCHAT_API int asynchat_push_reference(
    struct asynchat_channel *ch, const void *data, size_t len,
    void (*release)(const void *data, size_t len, void *arg), void *arg);

/* Queues what an evbuffer holds, moved and not copied; the evbuffer stays
 * yours, and is empty. Callbacks that it has run inside this call. On failure it is
 * as it was; also with -EINVAL, where it is frozen. Since 0.1. */
ASYNCHAT_API int asynchat_push_evbuffer(struct asynchat_channel *ch,
                                        struct evbuffer *buffer);

/* Queues a producer, which is asked for bytes when all before it went out.
 * Takes `producer`: on failure it is freed. NULL is answered with -ENOMEM, so
 * that calls nest:
 *
 *     asynchat_push_producer(ch, asynchat_producer_file(fd, 0, n));
 *
 * (Python: push_with_producer) Since 0.1. */
ASYNCHAT_API int asynchat_push_producer(struct asynchat_channel *ch,
                                        struct asynchat_producer *producer);

/* A producer that answered ASYNCHAT_LATER has something now: it is asked again,
 * from the loop. Does nothing when none waits. Since 0.1. */
ASYNCHAT_API void asynchat_resume_producer(struct asynchat_channel *ch);

/* --- Pressure --- */

/* What is queued, in bytes: all that was pushed and not handed to the system. A
 * producer that is not done counts as 512, and what it has given. Since 0.1. */
ASYNCHAT_API size_t asynchat_get_queued(const struct asynchat_channel *ch);

/* The marks of handle_drained and handle_pressure, in bytes: `low` less than
 * `high`; 0 and 65536 unless set. Errors: -EINVAL (`ch` is NULL, or the marks are
 * not so). Since 0.1. */
ASYNCHAT_API int asynchat_set_output_marks(struct asynchat_channel *ch,
                                           size_t low, size_t high);

/* With more than this queued, in bytes, the next push answers ASYNCHAT_EFULL, and
 * the channel ends with it: nothing more is sent to a peer that far behind. 1 or
 * more, 64 MiB unless set. One push may be longer; but with that push the queue has
 * at most PTRDIFF_MAX bytes, 2 GiB - 1 on a 32-bit machine, whatever the limit.
 * Errors: -EINVAL (`ch` is NULL, or the limit 0). Since 0.1. */
ASYNCHAT_API int asynchat_set_output_limit(struct asynchat_channel *ch,
                                           size_t limit);
/* The limit in force, in bytes. Since 0.1. */
ASYNCHAT_API size_t
asynchat_get_output_limit(const struct asynchat_channel *ch);

/* From now on one's reading pauses, as by asynchat_pause_reading(), while the
 * other has had more than its high mark queued, until that has fallen to its low
 * mark: as in a proxy, where each sends what the other receives. A channel joined
 * with itself reads no further requests while its peer does not take the answers;
 * two programs that both do this, and both send without reading, wait for each
 * other. A peer that takes nothing is then no idle one, since nobody reads:
 * write_idle is for that. A channel is joined with one other; that ends with
 * either, at once if one has ended before, or by joining with NULL. Both must be
 * in one event base. Errors: -EINVAL (`ch` is NULL, or they are not). Since 0.1. */
ASYNCHAT_API int asynchat_join(struct asynchat_channel *ch,
                               struct asynchat_channel *other);

/* --- Sizes and times of a channel --- */

/* The largest buffer size, in bytes. */
#define ASYNCHAT_BUFFER_SIZE_MAX 1073741824

/* At most this many bytes for each read, and for each call of
 * collect_incoming_data: 1 to ASYNCHAT_BUFFER_SIZE_MAX, 65536 unless set.
 * Errors: -EINVAL (`ch` is NULL, or the value out of range). (Python:
 * ac_in_buffer_size) Since 0.1. */
ASYNCHAT_API int asynchat_set_in_buffer_size(struct asynchat_channel *ch,
                                             size_t size);
/* Returns the size in force, in bytes. Since 0.1. */
ASYNCHAT_API size_t
asynchat_get_in_buffer_size(const struct asynchat_channel *ch);

/* At most this many bytes for each write, and for each chunk asked of a
 * producer: 1 to ASYNCHAT_BUFFER_SIZE_MAX, 65536 unless set. A peer that takes
 * whole writes of 65536 bytes to 256 MiB gets up to four in a wake-up; smaller and
 * larger ones go out one at a time. An asynchat_push() that begins at once, see
 * there, makes up to sixteen; after four of them nothing else is sent in that
 * wake-up. Errors: -EINVAL (`ch` is NULL, or the value out of range).
 * (Python: ac_out_buffer_size) Since 0.1. */
ASYNCHAT_API int asynchat_set_out_buffer_size(struct asynchat_channel *ch,
                                              size_t size);
/* Returns the size in force, in bytes. Since 0.1. */
ASYNCHAT_API size_t
asynchat_get_out_buffer_size(const struct asynchat_channel *ch);

/* The longest message, in bytes, the terminator not counted: 1 or more. Unless
 * set it is 1 MiB for a handler with `message`, and SIZE_MAX, which stands for no
 * limit, for one that gets pieces. Over it handle_error is called with
 * ASYNCHAT_ETOOLONG, and the channel ends; or message_dropped, if the handler has
 * it, when the message is over. How the bytes came makes no difference. Lengths are
 * counted in 64 bits on all machines. Holds for the message in progress, and inside
 * `message` or found_terminator from the next one. Errors: -EINVAL (`ch` is NULL,
 * or the limit 0). Since 0.1. */
ASYNCHAT_API int asynchat_set_message_limit(struct asynchat_channel *ch,
                                            size_t limit);
/* Returns the limit in force, in bytes. Since 0.1. */
ASYNCHAT_API size_t
asynchat_get_message_limit(const struct asynchat_channel *ch);

/* At most this many messages in one wake-up, so that one peer with a thousand
 * requests in a read does not keep the others waiting: 1 or more, UINT_MAX unless
 * set. The rest is delivered when each of them had its turn. Errors: -EINVAL
 * (`ch` is NULL, or the budget 0), -ENOMEM. Since 0.1. */
ASYNCHAT_API int asynchat_set_message_budget(struct asynchat_channel *ch,
                                             unsigned messages);
/* The budget in force. Since 0.1. */
ASYNCHAT_API unsigned asynchat_get_message_budget(
    const struct asynchat_channel *ch);

/* How long a peer may take, in milliseconds, at most 2^31 - 1; 0 is for ever.
 * `size` is sizeof the struct. Fields are only ever appended. What the channel
 * ends with, by handle_error and handle_close, is ASYNCHAT_EIDLE for the first
 * two, unless the handler has handle_idle, ASYNCHAT_ESTALLED for write_idle, which
 * drops what is queued, and else ASYNCHAT_ESLOW. While nothing is read, as reading
 * is paused or the connection is not up yet, time stands still but for write_idle;
 * and that, and the linger time, while a rate keeps the output. Until the
 * connection is up it is the time of asynchat_set_connect_time() that runs. */
struct asynchat_timeouts {
    size_t size;
    unsigned idle;       /* nothing moves, in or out */
    unsigned read_idle;  /* nothing comes */
    unsigned write_idle; /* something is queued, and the peer takes nothing */
    unsigned message;    /* a message, from its first byte to its last */
    unsigned min_rate;   /* the bytes per second that come on average in each */
    unsigned rate_time;  /* such time during a message; 0 stands for 10000 */
};

/* Copies; all begin now. Exact to some milliseconds. They cost no system call for
 * a message. Errors: -EINVAL (NULL, or a time out of range), -ENOTSUP (a field
 * that this version does not know), -ENOMEM. Since 0.1. */
ASYNCHAT_API int asynchat_set_timeouts(struct asynchat_channel *ch,
                                       const struct asynchat_timeouts *times);

/* How long a channel that is closing waits for a peer that takes nothing, in
 * milliseconds: 1 to 2^31 - 1, 30000 unless set. Each byte that the peer takes
 * begins it anew, as far as the system tells. Errors: -EINVAL (`ch` is NULL, or
 * the value out of range). Since 0.1. */
ASYNCHAT_API int asynchat_set_linger(struct asynchat_channel *ch,
                                     unsigned milliseconds);
/* Returns the time in force, in milliseconds. Since 0.1. */
ASYNCHAT_API unsigned asynchat_get_linger(const struct asynchat_channel *ch);

/* How long the connection, and the handshake of a bufferevent of yours, may take
 * to come up, in milliseconds from this call on: 1 to 2^31 - 1. Unless set it is
 * 60000 from the making of the channel, if that is with ASYNCHAT_CONNECTING, and
 * for asynchat_connect() what that was given as `timeout`. When it is over the
 * channel ends with -ETIMEDOUT, by handle_error and handle_close, without
 * handle_connect; also one that was told to close when done. No byte of a
 * handshake prolongs it. Once the connection is up it has no effect. Errors:
 * -EINVAL (`ch` is NULL, or the value out of range), -ENOMEM. Since 0.1. */
ASYNCHAT_API int asynchat_set_connect_time(struct asynchat_channel *ch,
                                           unsigned milliseconds);
/* Returns the time in force, in milliseconds; 0 when there is none, as it is left
 * to the system, or the connection is up, or the channel has ended. Since 0.1. */
ASYNCHAT_API unsigned asynchat_get_connect_time(
    const struct asynchat_channel *ch);

/* --- What belongs to a channel --- */

/* What is asked of a channel that is NULL is 0, NULL or none. */

/* Sets the pointer that callbacks get last. Borrows it; the library never
 * looks. Since 0.1. */
ASYNCHAT_API void asynchat_set_arg(struct asynchat_channel *ch, void *arg);
/* Returns the pointer that callbacks get last. Since 0.1. */
ASYNCHAT_API void *asynchat_get_arg(const struct asynchat_channel *ch);

/* Returns the bufferevent below the channel, lent until the channel is gone:
 * for its descriptor, its priority, its TLS. Its callbacks, enabled events,
 * watermarks, timeouts and buffers are the library's; over a socket that the
 * library made it is disabled, and what else is set has no effect. Since 0.1. */
ASYNCHAT_API struct bufferevent *asynchat_get_bufferevent(
    const struct asynchat_channel *ch);
/* Returns the event base whose loop serves the channel. Since 0.1. */
ASYNCHAT_API struct event_base *asynchat_get_base(
    const struct asynchat_channel *ch);

/* --- The addresses of a channel --- */

/* Room for any address as text, its NUL included. */
#define ASYNCHAT_ADDRESS_SIZE 448

/* Writes the peer's address in the form that asynchat_connect() takes, such as
 * "192.0.2.1:25", "[2001:db8::1]:25", "unix:/run/x" or "unix:@name", or "unix:" for a
 * socket without a name, NUL-terminated. A Unix peer chooses its name: of that,
 * what is neither printable ASCII nor UTF-8, or would not stay in its place on the
 * line, is written as "\xNN", a backslash as two, and a "@" that begins a path as
 * "\x40". Over TCP it is kept, and known before the connection is up, for
 * asynchat_connect(), and after it has broken; of a Unix socket, and a bufferevent
 * of yours, the system is asked, which does not know it then. On failure `text` is
 * as it was. Errors: -EINVAL (`ch` or `text` is NULL), -ENOSPC (`size` is too
 * small), -ENOTSOCK (the channel has no socket), and those of getpeername(2).
 * (Python: addr) Since 0.1. */
ASYNCHAT_API int asynchat_peer_address(const struct asynchat_channel *ch,
                                       char *text, size_t size);
/* Writes this side's address, in the same forms. On failure `text` is as it
 * was. Errors: -EINVAL (`ch` or `text` is NULL), -ENOSPC (`size` is too small),
 * -ENOTSOCK (the channel has no socket), and those of getsockname(2). Since
 * 0.1. */
ASYNCHAT_API int asynchat_local_address(const struct asynchat_channel *ch,
                                        char *text, size_t size);

ASYNCHAT_END_DECLS

#endif
