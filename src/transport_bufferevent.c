/* The bufferevent transport: any bufferevent that the user brings, by its
 * callbacks. SPDX-License-Identifier: BSD-3-Clause */
#include "transport.h"

#include <errno.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/event.h>

#include <asynchat/error.h>

#include "loop.h"
#include "sigpipe.h"

/* The pieces looked at for one write. */
#define GIVEN_PIECES 64

static const struct timeval at_once = {0, 0};

/* Input came, or output went: the channel looks at both anyway. */
static void transport_moved(struct bufferevent *bev, void *arg)
{
    struct transport *t = arg;
    (void)bev;
    t->ready(t);
}

/* An error that TLS itself has found leaves errno as it was: 0, or what an
 * earlier call has said, which mostly is that it has to wait. That much can be
 * told apart. */
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

/* An event without a direction, as a failed connect has, is about reading: that
 * ends everything. One about writing leaves what can still be received. */
static void transport_event(struct bufferevent *bev, short what, void *arg)
{
    struct transport *t = arg;
    bool writing = what & BEV_EVENT_WRITING;
    bool reading = (what & BEV_EVENT_READING) || !writing || t->connecting;
    bool eof = what & BEV_EVENT_EOF;
    int error = event_error(what);
    (void)bev;
    if (what & BEV_EVENT_CONNECTED) {
        t->connecting = false;
    } else {
        if (reading)
            t->ended = eof ? ASYNCHAT_EOF : error;
        if (writing && !t->broken)
            t->broken = eof ? -EPIPE : error;
    }
    t->ready(t);
}

/* A bufferevent that is not to read tells what it happens to hear of. */
static int transport_read(struct transport *t, enum transport_reading how)
{
    bool on = how == TRANSPORT_READ;
    if (t->reading == how)
        return 0;
    if ((on ? bufferevent_enable(t->bev, EV_READ)
            : bufferevent_disable(t->bev, EV_READ)) < 0)
        return -ENOMEM;
    t->reading = how;
    return 0;
}

/* A filter passes everything on at once; it is on its way until the last
 * bufferevent below has sent it. */
size_t asynchat__transport_given(const struct transport *t)
{
    size_t given = 0;
    struct bufferevent *bev = t->bev;
    for (; bev; bev = bufferevent_get_underlying(bev))
        given += evbuffer_get_length(bufferevent_get_output(bev));
    return given;
}

/* Whole pieces change hands; of one that is longer than a write, a part is
 * copied. (evbuffer_remove_buffer() would do both, but for want of memory it
 * loses that part, and does not say so.) A filter works inside of this, and the
 * evbuffers may have callbacks of the program's: evbuffer_remove_buffer() is not
 * done with the output when the first of them runs. */
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

/* A bufferevent that was given something begins to write by itself; but when it
 * has no memory for that it says nothing, and never does. Asked, it answers. */
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

/* Not more than one write is out of our hands at a time. */
static void transport_send(struct transport *t, size_t most)
{
    if (asynchat__transport_given(t) > 0)
        return;
    int error = transport_give(t, most);
    if (!error)
        error = transport_begin(t);
    if (error)
        t->broken = error;
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
    event_active(t->waker, 0, 0);
}

/* A timer comes after what the loop receives in the same pass. */
static void transport_look(struct transport *t)
{
    if (event_add(t->waker, &at_once) < 0)
        transport_wake(t);
}

/* Once it has sent all it was given, a bufferevent calls back by itself; or
 * has, as a pair gives everything away at once. Then it is a timer's turn,
 * which comes after everybody else's. */
static int transport_write(struct transport *t, bool on)
{
    if (on && asynchat__transport_given(t) == 0 &&
        event_add(t->waker, &at_once) < 0)
        return -ENOMEM;
    return 0;
}

/* A pair tells its partner, a filter may add what ends its stream and is yet to
 * be sent; to sockets and TLS it is nothing. The socket below is not shut down
 * here: handle_close may still say something, such as TLS's close_notify. */
static bool transport_finish(struct transport *t, bool more)
{
    if (!t->finished)
        bufferevent_flush(t->bev, EV_WRITE, BEV_FINISHED);
    t->finished = true;
    t->shuts = t->shuts || more;
    return asynchat__transport_given(t) > 0;
}

static void transport_shut_socket(const struct transport *t)
{
    int fd = bufferevent_getfd(t->bev);
    if (fd >= 0)
        shutdown(fd, SHUT_WR);
}

static void transport_shut(struct transport *t)
{
    transport_finish(t, false);
    transport_shut_socket(t);
}

/* Where TLS is a filter, the close_notify of handle_close lies in the output of
 * the socket bufferevent below, and is lost when that is freed. So that writes
 * once, as if its socket had become writable. */
static void transport_last_words(struct transport *t)
{
    struct bufferevent *below, *bev = t->bev;
    while ((below = bufferevent_get_underlying(bev)))
        bev = below;
    int fd = bufferevent_getfd(bev);
    if (bev == t->bev || fd < 0 ||
        evbuffer_get_length(bufferevent_get_output(bev)) == 0)
        return;
    struct event *writable = &bev->ev_write;
    event_get_callback(writable)(fd, EV_WRITE,
                                 event_get_callback_arg(writable));
}

/* Below a filter bytes leave without its being told. */
static void transport_below_sent(struct evbuffer *output,
                                 const struct evbuffer_cb_info *info, void *arg)
{
    struct transport *t = arg;
    (void)output;
    if (info->n_deleted > 0)
        event_active(t->waker, 0, 0);
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

/* The other half of the pair that the lowest bufferevent is one of. libevent does
 * not tell it, nor free it with this one. NULL once it is gone, and for all that
 * is no pair. */
static struct bufferevent *transport_partner(const struct transport *t)
{
    struct bufferevent *bev = t->bev, *below;
    while ((below = bufferevent_get_underlying(bev)))
        bev = below;
    return bufferevent_pair_get_partner(bev);
}

/* Nothing that it sends is received any more, and after a reset nothing that it
 * may still hope for comes. The error goes with the event in errno. */
static void transport_tell_partner(const struct transport *t)
{
    struct bufferevent *partner = transport_partner(t);
    short what = BEV_EVENT_EOF | BEV_EVENT_WRITING;
    if (!partner)
        return;
    if (t->reset) {
        what = BEV_EVENT_ERROR | BEV_EVENT_READING | BEV_EVENT_WRITING;
        EVUTIL_SET_SOCKET_ERROR(ECONNRESET);
    }
    bufferevent_trigger_event(partner, what, BEV_TRIG_DEFER_CALLBACKS);
}

/* As far as it was made. */
static void transport_free(struct transport *t)
{
    if (t->output)
        evbuffer_free(t->output);
    if (t->waker)
        event_free(t->waker);
    if (t->loop)
        asynchat__loop_release(t->loop);
}

/* handle_close was called. A peer that is still sending makes the system reset
 * the connection; the shutdown before has what the system still holds back, for
 * Nagle's algorithm, sent at once. */
static void transport_close(struct transport *t)
{
    bufferevent_setcb(t->bev, NULL, NULL, NULL, NULL);
    if (!t->reset) {
        transport_last_words(t);
        transport_finish(t, false);
    }
    if (t->shuts)
        transport_shut_socket(t);
    transport_tell_partner(t);
    transport_unwatch_below(t, t->bev);
    bufferevent_disable(t->bev, EV_READ | EV_WRITE);
    bufferevent_free(t->bev);
    transport_free(t);
}

static const struct transport_ops bufferevent_ops = {
    .read = transport_read,
    .send = transport_send,
    .write = transport_write,
    .wake = transport_wake,
    .look = transport_look,
    .finish = transport_finish,
    .shut = transport_shut,
    .close = transport_close,
};

int asynchat__transport_bufferevent(struct transport *t,
                                    struct bufferevent *bev, bool connecting)
{
    struct event_base *base = bufferevent_get_base(bev);
    t->output = evbuffer_new();
    t->waker = event_new(base, -1, 0, transport_woken, t);
    t->loop = asynchat__loop_share(base);
    if (!t->output || !t->waker || !t->loop || !transport_watch_below(t, bev)) {
        transport_unwatch_below(t, bev);
        transport_free(t);
        return -ENOMEM;
    }
    asynchat__sigpipe_ignore();
    t->ops = &bufferevent_ops;
    t->bev = bev;
    t->connecting = connecting;
    bufferevent_setcb(bev, transport_moved, transport_moved, transport_event,
                      t);
    bufferevent_enable(bev, EV_WRITE);
    return 0;
}
