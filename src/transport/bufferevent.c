/* The bufferevent transport: works with any bufferevent that the program
 * brings, by the bufferevent's callbacks.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "transport/transport.h"

#include <errno.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/event.h>

#include <asynchat/error.h>

#include "base/fork.h"
#include "base/memory.h"
#include "base/sigpipe.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "transport/stage.h"

/* The most pieces that are looked at for one write. */
#define GIVEN_PIECES 64

/* A filter that passes nothing on, and has more bytes than this, is given no
 * more. */
#define KEPT_MOST (1u << 20)

/* Makes a TLS bufferevent of libevent 2.2 ask OpenSSL once more, as if its
 * socket had become readable. If such a bufferevent has the socket itself, it
 * drops an end or an error that SSL_read() reports behind bytes. It asks
 * OpenSSL again only when more arrives, which may never happen. A plain
 * bufferevent cannot be told from a TLS bufferevent; it asks the system once
 * more. */
static void transport_read_again(const struct transport *t)
{
    if (event_get_version_number() >= 0x02020000 &&
        bufferevent_getfd(t->bev) >= 0 && !bufferevent_get_underlying(t->bev))
        event_active(&t->bev->ev_read, EV_READ, 0);
}

/* Output has gone. The channel looks at the input as well. */
static void transport_moved(struct bufferevent *bev, void *arg)
{
    struct transport *t = arg;
    (void)bev;
    t->ready(t);
}

/* Input has come. `ready` is called last, since the channel may be gone when it
 * returns. */
static void transport_received(struct bufferevent *bev, void *arg)
{
    struct transport *t = arg;
    transport_read_again(t);
    transport_moved(bev, arg);
}

/* If TLS itself has found the error, errno is as it was before: 0, or the error
 * of an earlier call, which mostly says that the call has to wait. These values
 * can be told from an error of the connection. */
static int event_error(short what)
{
    if (what & BEV_EVENT_TIMEOUT)
        return -ETIMEDOUT;
    int error = EVUTIL_SOCKET_ERROR();
    switch (error) {
    case 0:
    case EAGAIN:
    case EINTR:
    case EINPROGRESS:
        return -EIO;
    default:
        return -error;
    }
}

/* Has each bufferevent of a stack take the bytes that the bufferevent below it
 * has received, from the lowest up. When bytes come, libevent calls a callback
 * of the lower bufferevent for that. While reading was off this callback did
 * nothing, and libevent does not call it again. */
static void transport_lift(struct bufferevent *bev)
{
    struct bufferevent *below = bufferevent_get_underlying(bev);
    bufferevent_data_cb take;
    void *arg;
    if (!below)
        return;
    transport_lift(below);
    bufferevent_getcb(below, &take, NULL, NULL, &arg);
    if (take && evbuffer_get_length(bufferevent_get_input(below)) > 0)
        take(below, arg);
}

/* TRANSPORT_WATCH is like TRANSPORT_STOP: a bufferevent with reading off still
 * reports what it happens to hear of. */
static int transport_read(struct transport *t, enum transport_reading how)
{
    bool on = how == TRANSPORT_READ;
    if (t->reading == how)
        return 0;
    if ((on ? bufferevent_enable(t->bev, EV_READ)
            : bufferevent_disable(t->bev, EV_READ)) < 0)
        return -ENOMEM;
    t->reading = how;
    if (on) {
        transport_lift(t->bev);
        transport_read_again(t);
    }
    return 0;
}

/* Reading is turned on for this, since a bufferevent with reading off takes
 * nothing from the bufferevent below it. */
static bool transport_rest(struct transport *t)
{
    struct evbuffer *input = bufferevent_get_input(t->bev);
    size_t before = evbuffer_get_length(input);
    bool off = t->reading != TRANSPORT_READ;
    if (!bufferevent_get_underlying(t->bev))
        return false;
    if (off)
        bufferevent_enable(t->bev, EV_READ);
    transport_lift(t->bev);
    if (off)
        bufferevent_disable(t->bev, EV_READ);
    return evbuffer_get_length(input) > before;
}

/* A filter passes bytes on at once, unless it needs more bytes first. Bytes are
 * not sent until the lowest bufferevent has sent them, so the outputs of all
 * bufferevents count. */
static size_t transport_given(const struct transport *t)
{
    size_t given = 0;
    struct bufferevent *bev = t->bev;
    for (; bev; bev = bufferevent_get_underlying(bev))
        given += evbuffer_get_length(bufferevent_get_output(bev));
    return given;
}

/* When the lowest bufferevent has nothing to send, the bytes in those above it
 * wait for more output. */
static size_t transport_on_its_way(const struct transport *t)
{
    size_t given = 0, last = 0;
    struct bufferevent *bev = t->bev;
    for (; bev; bev = bufferevent_get_underlying(bev)) {
        last = evbuffer_get_length(bufferevent_get_output(bev));
        given += last;
    }
    return last > 0 || given > KEPT_MOST ? given : 0;
}

/* Whole pieces change hands. If the first piece is longer than a write, a part
 * of it is copied. (evbuffer_remove_buffer() would do both, but if there is no
 * memory it loses that part, and does not say so.) A filter works inside of
 * this call, and the evbuffers may have callbacks of the program's. The output
 * is lent meanwhile, since evbuffer_remove_buffer() is not done with it when
 * the first callback runs. */
static int transport_give(struct transport *t, size_t most)
{
    struct evbuffer *given = bufferevent_get_output(t->bev);
    struct evbuffer_iovec pieces[GIVEN_PIECES];
    int count = evbuffer_peek(t->output, -1, NULL, pieces, GIVEN_PIECES);
    size_t whole = 0;
    for (int i = 0; i < count && pieces[i].iov_len <= most - whole; i++)
        whole += pieces[i].iov_len;
    size_t n = whole > 0 ? whole : most;
    size_t left = evbuffer_get_length(t->output) - n;
    struct transport_lending before = asynchat__transport_lend(t, left);
    bool gone = whole > 0
                    ? evbuffer_remove_buffer(t->output, given, whole) >= 0
                    : evbuffer_add(given, pieces[0].iov_base, most) == 0 &&
                          evbuffer_drain(t->output, most) == 0;
    asynchat__transport_take_back(t, before);
    t->sent += gone ? n : 0;
    return gone ? 0 : -ENOMEM;
}

/* A bufferevent that was given bytes begins to write by itself. But if it has
 * no memory for that, it says nothing, and never writes. bufferevent_enable()
 * begins again, and answers whether that was possible. */
static int transport_begin(struct transport *t)
{
    struct bufferevent *bev = t->bev;
    for (; bev; bev = bufferevent_get_underlying(bev))
        if (evbuffer_get_length(bufferevent_get_output(bev)) > 0 &&
            (bufferevent_get_enabled(bev) & EV_WRITE) &&
            bufferevent_enable(bev, EV_WRITE) < 0)
            return -ENOMEM;
    return 0;
}

/* Gives bytes away only after all earlier ones have gone, so that at most one
 * write is out of the transport's hands at a time. */
static void transport_send(struct transport *t, size_t most)
{
    if (evbuffer_get_length(t->output) == 0 || transport_on_its_way(t) > 0)
        return;
    int error = transport_give(t, most);
    if (!error)
        error = transport_begin(t);
    if (error)
        t->broken = error;
}

/* All bytes count only now, since the bufferevent itself has put them into the
 * input. */
static size_t transport_drained(const struct transport *t, size_t len)
{
    (void)t;
    return len;
}

static void transport_woken(evutil_socket_t fd, short what, void *arg)
{
    struct transport *t = arg;
    (void)fd;
    (void)what;
    t->ready(t);
}

static void transport_wake(struct transport *t)
{
    event_active(&t->waker->event, 0, 0);
}

/* Uses a timer, which comes after the input that the loop receives in the same
 * pass. */
static void transport_look(struct transport *t)
{
    if (asynchat__timer_set(t->waker, 0) < 0)
        transport_wake(t);
}

/* When a bufferevent has sent all that it was given, it calls back by itself.
 * But it may have done so already, since a pair gives everything away at once.
 * In this case a timer calls, after everybody else has had a turn. */
static int transport_write(struct transport *t, bool on)
{
    if (on && transport_on_its_way(t) == 0 &&
        asynchat__timer_set(t->waker, 0) < 0)
        return -ENOMEM;
    return 0;
}

/* Tells a pair's partner of the end. A filter passes on the bytes that it has
 * kept, and may add bytes that end its stream. Sockets and TLS do nothing. */
static void transport_last(struct transport *t)
{
    if (t->end != END_NOT)
        return;
    bufferevent_flush(t->bev, EV_WRITE, BEV_FINISHED);
    t->end = END_FINISHED;
}

static struct bufferevent *transport_lowest(const struct transport *t)
{
    struct bufferevent *bev = t->bev, *below;
    while ((below = bufferevent_get_underlying(bev)))
        bev = below;
    return bev;
}

/* Bytes that a filter has added are still to be sent, if they can be. The
 * socket is not shut down here: handle_close may still say something, such as
 * TLS's close_notify. */
static bool transport_finish(struct transport *t, bool more)
{
    transport_last(t);
    if (more)
        t->end = END_SHUTS_LAST;
    return !t->broken && transport_given(t) > 0;
}

/* Ends the output of the lowest bufferevent, since TLS passes nothing of an end
 * on to it. */
static void transport_shut_lowest(const struct transport *t)
{
    struct bufferevent *lowest = transport_lowest(t);
    int fd = bufferevent_getfd(lowest);
    if (fd >= 0)
        shutdown(fd, SHUT_WR);
    else
        bufferevent_flush(lowest, EV_WRITE, BEV_FINISHED);
}

static void transport_shut_if_sent(struct transport *t)
{
    if (transport_given(t) > 0)
        return;
    t->end = END_FINISHED;
    transport_shut_lowest(t);
}

static void transport_shut(struct transport *t)
{
    transport_last(t);
    t->end = END_SHUTS;
    transport_shut_if_sent(t);
}

/* Makes a bufferevent with a socket write once, as if its socket had become
 * writable. */
static void transport_write_now(struct bufferevent *bev)
{
    int fd = bufferevent_getfd(bev);
    struct event *writable = &bev->ev_write;
    if (fd >= 0 && evbuffer_get_length(bufferevent_get_output(bev)) > 0)
        event_get_callback(writable)(fd, EV_WRITE,
                                     event_get_callback_arg(writable));
}

/* A bufferevent that must not write has its writing turned off. */
static void transport_flush(struct transport *t)
{
    struct bufferevent *lowest = transport_lowest(t);
    if (bufferevent_get_enabled(lowest) & EV_WRITE)
        transport_write_now(lowest);
}

/* If TLS is a filter, the close_notify of handle_close lies in the output of
 * the socket bufferevent below it, and is lost when that bufferevent is
 * freed. */
static void transport_last_words(struct transport *t)
{
    struct bufferevent *lowest = transport_lowest(t);
    if (lowest != t->bev)
        transport_write_now(lowest);
}

/* To be called when the input is over and the output goes on. TLS stops sending
 * at this point, so it is made to begin again. TLS may also report an end where
 * there was an error below it. The bufferevent below has then turned its
 * writing off, which shows the error. */
static int transport_go_on(struct transport *t)
{
    struct bufferevent *below = t->bev;
    while ((below = bufferevent_get_underlying(below)))
        if (!(bufferevent_get_enabled(below) & EV_WRITE))
            return -EPIPE;
    return transport_begin(t);
}

/* An event without a direction, such as that of a failed connect, is about
 * reading, and ends everything. An event about writing leaves the input that
 * can still be received. TLS reports the end before it has handed over the last
 * bytes, so the channel looks a little later. */
static void transport_event(struct bufferevent *bev, short what, void *arg)
{
    struct transport *t = arg;
    bool writing = what & BEV_EVENT_WRITING;
    bool reading = (what & BEV_EVENT_READING) || !writing ||
                   t->phase == TRANSPORT_CONNECTING;
    bool eof = what & BEV_EVENT_EOF;
    int error = event_error(what);
    if (what & BEV_EVENT_CONNECTED) {
        bufferevent_set_timeouts(bev, NULL, NULL);
        t->phase = TRANSPORT_UP;
        t->ready(t);
        return;
    }
    if (reading)
        t->ended = eof ? ASYNCHAT_EOF : error;
    if (writing && !t->broken)
        t->broken = eof ? -EPIPE : error;
    if (reading && !t->broken)
        t->broken = transport_go_on(t);
    transport_wake(t);
}

/* The callback of the outputs below a filter, since the filter does not report
 * that bytes have left them. */
static void transport_below_sent(struct evbuffer *output,
                                 const struct evbuffer_cb_info *info, void *arg)
{
    struct transport *t = arg;
    (void)output;
    if (info->n_deleted == 0)
        return;
    if (t->end == END_SHUTS)
        transport_shut_if_sent(t);
    transport_wake(t);
}

static bool transport_watch_below(struct transport *t, struct bufferevent *bev)
{
    struct bufferevent *below = bev;
    while ((below = bufferevent_get_underlying(below)))
        if (!evbuffer_add_cb(bufferevent_get_output(below),
                             transport_below_sent, t))
            return false;
    return true;
}

static void transport_unwatch_below(struct transport *t,
                                    struct bufferevent *bev)
{
    struct bufferevent *below = bev;
    while ((below = bufferevent_get_underlying(below)))
        evbuffer_remove_cb(bufferevent_get_output(below), transport_below_sent,
                           t);
}

/* Tells the other half of a pair that this half goes, since libevent does not
 * tell it. Nothing that the partner sends is received any more, and after a
 * reset nothing comes that the partner may still hope for. The error goes with
 * the event, in errno. The partner's writing is turned off, as that of a
 * socket's bufferevent is after EPIPE, since TLS may hide the event. */
static void transport_tell_partner(const struct transport *t)
{
    struct bufferevent *partner =
        bufferevent_pair_get_partner(transport_lowest(t));
    short what = BEV_EVENT_EOF | BEV_EVENT_WRITING;
    if (!partner)
        return;
    if (t->end == END_RESET) {
        what = BEV_EVENT_ERROR | BEV_EVENT_READING | BEV_EVENT_WRITING;
        EVUTIL_SET_SOCKET_ERROR(ECONNRESET);
    }
    bufferevent_disable(partner, EV_WRITE);
    bufferevent_trigger_event(partner, what, BEV_TRIG_DEFER_CALLBACKS);
}

/* Frees what was made. A transport may have been made in part only. */
static void transport_free(struct transport *t)
{
    if (t->output)
        evbuffer_free(t->output);
    if (t->waker)
        asynchat__timer_end(t->waker);
    asynchat__free(t->waker);
    if (t->loop)
        asynchat__loop_release(t->loop);
}

/* Ends the output, after handle_close. If the peer is still sending, the system
 * resets the connection when it is closed. Because of the shutdown before that,
 * the system sends at once the bytes that it holds back for Nagle's
 * algorithm. */
static void transport_end(struct transport *t)
{
    if (t->end != END_RESET) {
        transport_last_words(t);
        transport_last(t);
    }
    if (t->end == END_SHUTS_LAST)
        transport_shut_lowest(t);
}

/* A child after fork(2) that frees a transport which it has inherited says
 * nothing, since the connection is its parent's. */
static void transport_close(struct transport *t)
{
    bufferevent_setcb(t->bev, NULL, NULL, NULL, NULL);
    if (t->forks == asynchat__forks())
        transport_end(t);
    transport_tell_partner(t);
    transport_unwatch_below(t, t->bev);
    bufferevent_disable(t->bev, EV_READ | EV_WRITE);
    bufferevent_free(t->bev);
    transport_free(t);
}

/* The partner of a pair is told nothing, since the half lives on. */
static struct bufferevent *transport_give_away(struct transport *t,
                                               struct bufferevent *instead)
{
    struct bufferevent *bev = t->bev;
    bufferevent_setcb(bev, NULL, NULL, NULL, NULL);
    transport_unwatch_below(t, bev);
    bufferevent_disable(bev, EV_READ);
    asynchat__timer_end(t->waker);
    t->bev = instead;
    asynchat__transport_leave(t);
    return bev;
}

/* --- a pair that the library has made --- */

/* Has the loop call `ready`, and does not call it now. The partner may have
 * caused this call in the middle of another channel's wake-up, and a stage
 * works in the buffers of that wake-up, too. */
static void pair_moved(struct bufferevent *bev, void *arg)
{
    struct transport *t = arg;
    (void)bev;
    t->stage->readable = true;
    transport_wake(t);
}

static void pair_stage(struct transport *t)
{
    bufferevent_setcb(t->bev, pair_moved, pair_moved, transport_event, t);
}

static void pair_put(struct transport *t, const void *data, size_t len)
{
    int error = 0;
    if (len > 0 && evbuffer_add(bufferevent_get_output(t->bev), data, len) < 0)
        error = -ENOMEM;
    if (!error)
        error = transport_begin(t);
    if (error)
        t->broken = error;
}

#define BUFFEREVENT_OPS                                                        \
    .read = transport_read, .send = transport_send, .write = transport_write,  \
    .wake = transport_wake, .look = transport_look,                            \
    .finish = transport_finish, .shut = transport_shut,                        \
    .close = transport_close, .rest = transport_rest, .last = transport_last,  \
    .drained = transport_drained, .given = transport_given,                    \
    .on_its_way = transport_on_its_way, .flush = transport_flush

static const struct transport_ops bufferevent_ops = {
    BUFFEREVENT_OPS,
    .give_bufferevent = transport_give_away,
};

static const struct transport_ops pair_ops = {
    BUFFEREVENT_OPS,
    .stage = pair_stage,
    .put = pair_put,
};

void asynchat__transport_pair(struct transport *t)
{
    t->ops = &pair_ops;
}

/* A bufferevent without watermarks is left as it is, since setting them to 0
 * may make it read. */
static void transport_unmark(struct bufferevent *bev, short direction)
{
    size_t low, high;
    bufferevent_getwatermark(bev, direction, &low, &high);
    if (low > 0 || high > 0)
        bufferevent_setwatermark(bev, direction, 0, 0);
}

/* Takes back callbacks, watermarks and timeouts that the program has set for
 * its own use: they would hold bytes back, or end the channel in silence. The
 * timeouts stay while connecting, since they also limit how long that takes.
 * Nobody's callback is called meanwhile. */
static void transport_take_over(struct bufferevent *bev, bool connecting)
{
    struct bufferevent *below = bev;
    bufferevent_setcb(bev, NULL, NULL, NULL, NULL);
    transport_unmark(bev, EV_READ);
    transport_unmark(bev, EV_WRITE);
    while ((below = bufferevent_get_underlying(below)))
        transport_unmark(below, EV_READ);
    if (!connecting)
        bufferevent_set_timeouts(bev, NULL, NULL);
}

int asynchat__transport_bufferevent(struct transport *t,
                                    struct bufferevent *bev, bool connecting)
{
    struct event_base *base = bufferevent_get_base(bev);
    t->output = evbuffer_new();
    t->waker = asynchat__calloc(1, sizeof *t->waker);
    t->loop = asynchat__loop_share(base);
    if (!t->output || !t->waker || !t->loop || !transport_watch_below(t, bev)) {
        transport_unwatch_below(t, bev);
        transport_free(t);
        return -ENOMEM;
    }
    asynchat__timer_init(t->waker, base, transport_woken, t);
    asynchat__sigpipe_ignore();
    t->ops = &bufferevent_ops;
    t->bev = bev;
    t->phase = connecting ? TRANSPORT_CONNECTING : TRANSPORT_UP;
    t->forks = asynchat__forks();
    transport_take_over(bev, connecting);
    bufferevent_setcb(bev, transport_received, transport_moved, transport_event,
                      t);
    bufferevent_enable(bev, EV_WRITE);
    return 0;
}
