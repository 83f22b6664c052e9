/* The channel's life: it is made, woken by its transport, ended, and freed.
 *
 * The loop enters a channel in two places only: channel_ready() here, which the
 * transport calls, and time_fired() in times.c. Everything else is called from
 * these two, or by the program. What a call of the program asks for is done at
 * the end of the wake-up under way, or in a wake-up that the call asks for.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "channel/object.h"

#include <errno.h>

#include <sys/socket.h>

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/util.h>

#include <asynchat/error.h>

#include "base/address.h"
#include "base/apart.h"
#include "base/handler.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/probe.h"
#include "channel/post.h"
#include "loop/base.h"

/* --- wake-ups --- */

/* The channel is over, and with it what is still to be sent. */
static void channel_drop_output(struct asynchat_channel *ch)
{
    if (!asynchat__channel_out_empty(ch))
        channel_out_lose(ch);
    asynchat__channel_out_discard(ch);
}

/* From here to asynchat__channel_release() the channel's memory stays, whatever
 * its callbacks do, and whatever they push is sent without another wake-up. */
void asynchat__channel_hold(struct asynchat_channel *ch)
{
    ch->running = true;
}

/* Release callbacks that run here may still use the channel: they find it
 * running, and its state FREED. Posts may run when the last share of the loop
 * is given up: by then the channel's number is forgotten, so they find no
 * channel. */
static void channel_destroy(struct asynchat_channel *ch)
{
    struct loop *loop = ch->transport.loop;
    ch->running = true;
    asynchat__loop_hold(loop);
    asynchat__loop_part(loop);
    channel_drop_output(ch);
    asynchat__post_forget(ch);
    ch->transport.ops->close(&ch->transport);
    asynchat__channel_in_free(&ch->in);
    asynchat__channel_rate_free(ch);
    asynchat__channel_time_free(ch->time);
    asynchat__transcript_free(ch->transcript);
    if (ch->proxy)
        asynchat__proxied_free(ch->proxy);
    asynchat__channel_disown(ch);
    asynchat__free(ch->out.queue.slots);
    asynchat__free(ch);
    asynchat__loop_release(loop);
}

/* Ends what asynchat__channel_hold() has begun. This is the one place where a
 * channel is freed during a wake-up. */
void asynchat__channel_release(struct asynchat_channel *ch)
{
    /* Release callbacks may free the channel: so the state is asked twice. */
    if (ch->state == CHANNEL_ENDED)
        channel_drop_output(ch);
    if (ch->state == CHANNEL_ENDED) {
        asynchat__channel_enter(ch, CHANNEL_FREED);
        asynchat__channel_log(ch, ASYNCHAT_LOG_DEBUG, ASYNCHAT_LOG_CLOSED,
                              ch->status, "closes");
        probe_close(ch, ch->status);
        if (ch->handler->handle_close)
            ch->handler->handle_close(ch, ch->status, ch->arg);
    }
    ch->running = false;
    if (ch->state == CHANNEL_FREED)
        channel_destroy(ch);
}

/* Meanwhile nobody could wake the channel, as it seemed to be awake: so it is
 * woken now. */
void asynchat__channel_let_go(struct asynchat_channel *ch, bool running)
{
    ch->running = running;
    if (ch->state == CHANNEL_FREED && !running)
        channel_destroy(ch);
    else
        asynchat__channel_wake(ch);
}

/* Whether the connection is up. It counts as up also if the peer has sent all
 * it had to say, and has gone already. */
static bool channel_is_up(const struct asynchat_channel *ch)
{
    const struct transport *t = &ch->transport;
    return t->phase == TRANSPORT_UP && !(t->stage && t->stage->shaking);
}

/* handle_connect is the first callback: its settings hold from the first byte
 * on. */
static void channel_open(struct asynchat_channel *ch)
{
    asynchat__channel_enter(ch, CHANNEL_OPEN);
    if (ch->time)
        asynchat__channel_time_up(ch);
    if (ch->proxy)
        asynchat__proxied_up(ch);
    asynchat__channel_log(ch, ASYNCHAT_LOG_DEBUG, ASYNCHAT_LOG_CONNECTED, 0,
                          "is connected");
    if (ch->handler->handle_connect)
        ch->handler->handle_connect(ch, ch->arg);
}

/* Both directions are over: the peer ends its output, and this side has ended
 * its own before. */
static void channel_both_over(struct asynchat_channel *ch, int cut_off)
{
    if (ch->handler->handle_eof)
        ch->handler->handle_eof(ch, cut_off, ch->arg);
    asynchat__channel_end(ch, ASYNCHAT_EOF);
}

/* Whether the end has to wait until input is delivered. The end of file always
 * waits for that. An error does not wait if the program, a joined channel, or
 * the limit of slots has paused the input: it is reported at once, and the
 * input is lost. But if the input is only paused for its turn, or by a rate, an
 * error waits for it too. If the program wants no more input, its end is no
 * news. */
static bool channel_end_waits(const struct asynchat_channel *ch, int status)
{
    const unsigned others = PAUSE_PROGRAM | PAUSE_PRESSURE | PAUSE_SLOTS;
    bool asked = ch->in.paused & others;
    if (ch->in.paused & PAUSE_CLOSE)
        return status == ASYNCHAT_EOF;
    return (status == ASYNCHAT_EOF || !asked) && asynchat__channel_in_waits(ch);
}

/* To be called in each wake-up after the transport has stopped receiving. Once
 * the channel is SENDING or LINGERING, only an error is news. */
static APART void channel_input_over(struct asynchat_channel *ch)
{
    struct transport *t = &ch->transport;
    if (channel_receives(ch) && t->ops->rest && t->ops->rest(t))
        asynchat__channel_in_run(ch);
    int status = t->ended;
    int cut_off = channel_receives(ch) ? asynchat__channel_in_finish(ch) : 0;
    if (channel_end_waits(ch, status))
        return;
    if (ch->state == CHANNEL_OPEN && status == ASYNCHAT_EOF)
        asynchat__channel_stop(ch, status, cut_off);
    else if (ch->state == CHANNEL_RECEIVING && ch->half != HALF_SHUT)
        asynchat__channel_end(ch, ch->transport.broken);
    else if (ch->state == CHANNEL_RECEIVING && status == ASYNCHAT_EOF)
        channel_both_over(ch, cut_off);
    else if (channel_is_error(status) ||
             !(channel_sends(ch) || ch->state == CHANNEL_LINGERING))
        asynchat__channel_end(ch, status);
}

/* Tells the transport whether to read. It reads while input is delivered or
 * dropped; while input is paused, it only looks whether the peer has gone.
 * After the end of the input it does not read, since an event would report the
 * end again and again; but while input is still to be delivered, or the output
 * goes on, it looks for an error. When reading begins again for a channel
 * that is to end between messages, the channel first gets the input that has
 * come meanwhile. */
static void channel_watch(struct asynchat_channel *ch)
{
    enum transport_reading how = TRANSPORT_STOP;
    if (channel_delivers(ch) || ch->state == CHANNEL_LINGERING)
        how = TRANSPORT_READ;
    else if (channel_receives(ch) && ch->in.paused != PAUSE_TURN)
        how = TRANSPORT_WATCH;
    if (ch->transport.ended && how != TRANSPORT_WATCH)
        how = ch->half == HALF_KEPT ? TRANSPORT_WATCH : TRANSPORT_STOP;
    bool begins = how == TRANSPORT_READ && ch->transport.reading != how;
    if (ch->transport.ops->read(&ch->transport, how) < 0)
        asynchat__channel_end(ch, -ENOMEM);
    else if (begins && channel_is_leaving(ch))
        ch->transport.ops->look(&ch->transport);
}

/* Counts what has moved for the rates and the times. 0 or -ENOMEM. */
static int channel_account(struct asynchat_channel *ch)
{
    int error = 0;
    if (asynchat__channel_get_rate(ch))
        error = asynchat__channel_rate(ch);
    if (!error)
        error = asynchat__channel_time(ch);
    if (!error && (ch->in.paused & PAUSE_TURN))
        error = asynchat__channel_time_turn(ch);
    return error;
}

/* One wake-up. Input comes first, so that the answers to all of it leave in one
 * write. If a callback makes the channel leave, it has also asked for another
 * wake-up, which looks at the input before the channel may end. So whether the
 * channel is leaving is asked at the beginning. */
static void channel_turn(struct asynchat_channel *ch)
{
    bool stopping = channel_is_leaving(ch);
    if (ch->state == CHANNEL_CONNECTING && channel_is_up(ch))
        channel_open(ch);
    else
        asynchat__channel_out_begin(ch);
    asynchat__channel_in_run(ch);
    if (ch->transport.ended)
        channel_input_over(ch);
    if (stopping)
        asynchat__channel_stopping(ch);
    asynchat__channel_out_run(ch);
    if (ch->state == CHANNEL_LINGERING)
        asynchat__channel_sent(ch);
    if (ch->time && channel_account(ch) < 0)
        asynchat__channel_end(ch, -ENOMEM);
    channel_watch(ch);
}

/* Output that callbacks push here is sent in a wake-up of its own. */
static APART void channel_expired(struct asynchat_channel *ch)
{
    asynchat__channel_expire(ch);
    asynchat__channel_release(ch);
}

/* The transport and the timer call this. A bufferevent may call it in the
 * middle of a wake-up. */
static void channel_ready(struct transport *t)
{
    struct asynchat_channel *ch = (struct asynchat_channel *)t;
    if (ch->running) {
        if (asynchat__channel_time_has_fired(ch))
            channel_expired(ch);
        else
            t->ops->wake(t);
        return;
    }
    asynchat__channel_hold(ch);
    channel_turn(ch);
    asynchat__channel_release(ch);
}

/* --- making --- */

/* Makes a channel without a transport, which asynchat__free() can free. */
static struct asynchat_channel *channel_make(
    const struct asynchat_handler *handler, void *arg)
{
    struct asynchat_channel *ch = asynchat__calloc(1, sizeof *ch);
    if (!ch)
        return NULL;
    ch->handler = handler;
    ch->arg = arg;
    ch->linger = CHANNEL_LINGER;
    ch->transport.ready = channel_ready;
    asynchat__channel_in_init(&ch->in, handler);
    asynchat__channel_out_init(&ch->out);
    asynchat__channel_out_room(ch);
    ch->transport.read_size = ch->in.framer.piece;
    return ch;
}

/* Keeps the peer's address for the time after the peer has gone: after a reset
 * the system does not know the address any more. */
static void channel_keep_peer(struct asynchat_channel *ch, int fd,
                              const struct address *peer)
{
    struct address found;
    if (!peer && asynchat__address_of(fd, getpeername, &found) == 0)
        peer = &found;
    if (peer)
        asynchat__address_keep(&ch->peer, peer);
}

int asynchat__channel_socket(struct event_base *base, int fd,
                             const struct address *peer,
                             const struct asynchat_handler *handler, void *arg,
                             struct asynchat_channel **out)
{
    int error = asynchat__base_check(base, fd);
    if (!error)
        error = asynchat__post_expect(base);
    if (error)
        return error;
    struct asynchat_channel *ch = channel_make(handler, arg);
    if (!ch)
        return -ENOMEM;
    error = asynchat__transport_socket(&ch->transport, base, fd);
    if (error) {
        asynchat__free(ch);
        return error;
    }
    channel_keep_peer(ch, fd, peer);
    asynchat__post_enrol(ch);
    *out = ch;
    return 0;
}

/* Reading begins at once, and not in the first wake-up. If both sides of a
 * connection are in one loop, epoll then knows the accepting side before the
 * other side sends, and each side is served before the other sends more. If
 * reading cannot begin, channel_watch() tries again. */
void asynchat__channel_start(struct asynchat_channel *ch)
{
    ch->transport.ops->read(&ch->transport, TRANSPORT_READ);
    asynchat__channel_wake(ch);
}

/* 0: the socket is a stream socket. */
static int socket_check(int fd)
{
    int type;
    socklen_t len = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
        return -errno;
    return type == SOCK_STREAM ? 0 : -EINVAL;
}

/* Everything that can fail is done before the channel takes the socket. */
int asynchat_channel_new_socket(struct event_base *base, int fd,
                                const struct asynchat_handler *handler,
                                void *arg, struct asynchat_channel **out)
{
    if (!base || !out)
        return -EINVAL;
    int error = asynchat__handler_check(handler);
    if (!error)
        error = socket_check(fd);
    if (error)
        return error;
    if (evutil_make_socket_nonblocking(fd) < 0 ||
        evutil_make_socket_closeonexec(fd) < 0)
        return -errno;
    error = asynchat__channel_socket(base, fd, NULL, handler, arg, out);
    if (!error)
        asynchat__channel_start(*out);
    return error;
}

/* Takes `bev`. A channel that connects has its connect time, which can fail and
 * so is made before. */
static int channel_take(struct asynchat_channel *ch, struct bufferevent *bev,
                        bool connecting)
{
    int error = 0;
    if (connecting)
        error = asynchat__channel_time_connect(ch, bufferevent_get_base(bev),
                                               CHANNEL_CONNECT_TIME);
    if (!error)
        error =
            asynchat__transport_bufferevent(&ch->transport, bev, connecting);
    return error;
}

/* A bufferevent cannot be asked whether it is connected. It counts as connected
 * unless the flag says that it is still connecting. */
int asynchat_channel_new(struct bufferevent *bev, unsigned flags,
                         const struct asynchat_handler *handler, void *arg,
                         struct asynchat_channel **out)
{
    if (!bev || !out || (flags & ~ASYNCHAT_CONNECTING))
        return -EINVAL;
    int error = asynchat__handler_check(handler);
    if (!error)
        error = asynchat__base_check(bufferevent_get_base(bev),
                                     bufferevent_getfd(bev));
    if (!error)
        error = asynchat__post_expect(bufferevent_get_base(bev));
    if (error)
        return error;
    struct asynchat_channel *ch = channel_make(handler, arg);
    if (!ch)
        return -ENOMEM;
    ch->running = true; /* what TLS reports at once waits for the loop */
    error = channel_take(ch, bev, flags & ASYNCHAT_CONNECTING);
    ch->running = false;
    if (error) {
        asynchat__channel_time_free(ch->time);
        asynchat__free(ch);
        return error;
    }
    asynchat__post_enrol(ch);
    if (!(flags & ASYNCHAT_CONNECTING))
        asynchat__channel_wake(ch);
    *out = ch;
    return 0;
}

/* --- freeing --- */

void asynchat_channel_free(struct asynchat_channel *ch)
{
    if (!ch)
        return;
    asynchat__channel_enter(ch, CHANNEL_FREED);
    if (!ch->running)
        channel_destroy(ch);
}
