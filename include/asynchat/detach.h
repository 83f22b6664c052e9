/* Handing a connection over: a channel gives its connection to the program
 * without closing it, together with all bytes that were received and not
 * delivered. These bytes, and the connection, may then go to other code, to
 * another process, or to a new channel.
 *
 * A server that changes the protocol sends its answer first, with reading
 * paused, since what follows belongs to the other protocol. It detaches in
 * handle_drained:
 *
 *     struct evbuffer *rest = evbuffer_new();
 *     int fd = rest ? asynchat_detach(ch, rest) : -ENOMEM;
 *     if (fd < 0)
 *         asynchat_close(ch);
 *
 * The rest of the stream is then what is in the evbuffer, and behind it what
 * can be read from the descriptor. Another channel, in this process or in
 * another one, goes on with both of them:
 *
 *     int go_on(struct event_base *base, int fd, struct evbuffer *rest)
 *     {
 *         struct asynchat_channel *other;
 *         int error =
 *             asynchat_channel_new_socket(base, fd, &handler, NULL, &other);
 *         return error ? error : asynchat_unread(other, rest);
 *     }
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_DETACH_H
#define ASYNCHAT_DETACH_H

#include <asynchat/channel.h>

ASYNCHAT_BEGIN_DECLS

/* Takes the socket away from its channel. The descriptor is yours from now on.
 * It is non-blocking and close-on-exec, and has left the event base. The
 * channel is gone as after asynchat_channel_free(): no callback of the channel
 * runs any more, not even handle_close, and the channel's memory lives until
 * the callback or call that is running has returned. Nothing is sent or shut
 * down, so the peer notices nothing. May be called inside any callback.
 *
 * Adds all bytes that were received and not delivered to the end of `rest`, in
 * the order in which the peer has sent them: the beginning of a message that is
 * kept for `message`; bytes that are held back as the possible beginning of a
 * terminator; and whatever lies behind them. Together with what can still be
 * read from the descriptor they are the rest of the stream. No byte is read
 * after this call. What collect_incoming_data has got was delivered, and is not
 * in `rest`, also if its message is not complete. If it is complete but for
 * found_terminator, the terminator is in `rest`. What a transcript is being
 * told of was delivered, too. Copies what the running callback may still look
 * at, and moves the rest. `rest` stays yours; its callbacks run inside this
 * call.
 *
 * What a framing has taken away from a message in progress, such as the length
 * in front of it, is not in `rest`: so with a framing, call this between
 * messages.
 *
 * What belongs to the channel ends with it: its times and rates, its
 * transcript, and its id; the channel joined with it goes on by itself. A
 * server counts it as a connection that has ended with 0, has room for another
 * one, and does not wait for it when it stops.
 *
 * The channel must be open in both directions. If the peer has ended its side
 * and handle_eof was not called yet, since reading is paused or input waits,
 * then the channel counts as open: whoever reads from the descriptor sees the
 * end again. A channel that waits for a server's stop, or for
 * asynchat_close_between_messages(), counts as open too.
 *
 * In an event base with EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST the descriptor
 * leaves epoll when the loop goes on: do not close it before.
 *
 * Returns the descriptor, or a negative error code. On failure the channel is
 * as it was. Errors: -EINVAL (`ch` or `rest` is NULL, or `rest` is frozen),
 * ASYNCHAT_ECLOSED (the channel has ended or is ending, was told to close when
 * done, has ended its output, has called handle_eof, or is about to report an
 * error of the connection), -ENOTCONN (the connection is not up yet), -ENOTSUP
 * (the channel has a layer, or is not over a socket of the library), -EBUSY
 * (output is queued: call asynchat_flush(), or wait for handle_drained; or a
 * message is being dropped, or bytes are being skipped: wait for their end; or
 * the channel is at work on its input or output in the call or callback that
 * this call is made from), -ENOMEM. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_detach(struct asynchat_channel *ch,
                                                    struct evbuffer *rest);

/* Like asynchat_detach(), for a channel of asynchat_channel_new(): gives the
 * bufferevent in *bev. Bytes that were received and not delivered lie at the
 * beginning of its input, in front of those that it receives later. It has no
 * callbacks, timeouts or watermarks, as asynchat_channel_new() has removed
 * them. Reading is disabled, and writing is enabled. Its other settings, its
 * filters, its TLS and the other half of a pair are as they were. libevent
 * calls no callback for input that is there already: look at the input, or call
 * bufferevent_trigger(). Another asynchat_channel_new() delivers it.
 *
 * On failure the channel is as it was, and *bev is unchanged. Errors: -EINVAL
 * (`ch` or `bev` is NULL), ASYNCHAT_ECLOSED (as for asynchat_detach(); or the
 * peer has ended its side, and the bufferevent has no socket of its own, so
 * that it would not report this again), -ENOTCONN (the connection is not up
 * yet), -ENOTSUP (the channel is over a socket of the library or over
 * asynchat_pair_new()), -EBUSY (as for asynchat_detach()), -ENOMEM. Since
 * 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_detach_bufferevent(
    struct asynchat_channel *ch, struct bufferevent **bev);

/* Gives the channel bytes that were received from its connection before the
 * channel was made. The channel delivers them first, after handle_connect, from
 * the loop. They count as received. Budgets, limits and pauses hold for them; a
 * rate counts them, but does not keep them back. If a layer is set afterwards,
 * the layer opens them. To be called before handle_connect. If it is called
 * again, the bytes of the later call come first. `bytes` stays yours, and is
 * empty afterwards; its contents are not copied, and its callbacks run inside
 * this call. On failure it is unchanged. Errors: -EINVAL (`ch` or `bytes` is
 * NULL, or `bytes` is frozen), -EBUSY (handle_connect was called already),
 * -ENOTSUP (the channel has a layer), ASYNCHAT_ECLOSED (the channel has ended).
 * Since 0.1. */
ASYNCHAT_API int asynchat_unread(struct asynchat_channel *ch,
                                 struct evbuffer *bytes);

ASYNCHAT_END_DECLS

#endif
