/* The socket transport: a bufferevent whose two events have callbacks of this
 * file.
 *
 * The bufferevent itself stays disabled and never touches the socket. The
 * transport uses the bufferevent's events and has none of its own, since two
 * more events would be a quarter of what an idle connection costs. The events
 * are public in event2/bufferevent_struct.h, and bufferevent_free() removes
 * them whatever callback they have. Their argument must be the bufferevent,
 * since libevent finds the bufferevent again by it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "transport/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/event.h>
#include <event2/event_struct.h>

#include <asynchat/error.h>

#include "base/apart.h"
#include "loop/batch.h"
#include "loop/loop.h"
#include "transport/stage.h"

/* The most pieces of one sendmsg. */
#define SEND_PIECES 64

static struct transport *socket_transport(const struct bufferevent *bev)
{
    return bev->cbarg;
}

static bool is_retriable(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/* --- receiving --- */

/* To be called when recv has given no bytes: none have come yet, or the input
 * is over. `n` and `error` say which of the two, and why. */
static void socket_received(struct transport *t, ssize_t n, int error)
{
    if (n == 0)
        t->ended = ASYNCHAT_EOF;
    else if (n < 0 && !is_retriable(error))
        t->ended = -error;
}

/* Makes one recv for each wake-up. The event is level-triggered: if bytes are
 * left, libevent reports them again, after everybody else has had a turn. */
static void socket_receive(struct transport *t)
{
    size_t most = t->read_size < LOOP_BUFFER ? t->read_size : LOOP_BUFFER;
    ssize_t n = recv(socket_fd(t), t->loop->received, most, 0);
    if (n > 0)
        t->received = (uint32_t)n;
    else
        socket_received(t, n, errno);
}

/* Acknowledges what was received. The system may soon forget the option, so the
 * option is set after each recv. Setting it does nothing while there is more to
 * receive. */
static APART void socket_acknowledge(const struct transport *t)
{
    int on = 1;
    (void)setsockopt(socket_fd(t), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

/* For batched.c. The plain way has the static function, which is inlined. */
void asynchat__socket_received(struct transport *t, ssize_t n, int error)
{
    socket_received(t, n, error);
}

void asynchat__socket_receive(struct transport *t, size_t had)
{
    size_t most = t->read_size < LOOP_BUFFER ? t->read_size : LOOP_BUFFER;
    ssize_t n = recv(socket_fd(t), t->loop->received + had, most - had, 0);
    t->received = (uint32_t)(had + (n > 0 ? (size_t)n : 0));
    if (n <= 0)
        socket_received(t, n, errno);
}

static int socket_error(const struct transport *t)
{
    int error = 0;
    socklen_t len = sizeof error;
    return getsockopt(socket_fd(t), SOL_SOCKET, SO_ERROR, &error, &len) < 0
               ? -errno
               : -error;
}

static ssize_t socket_peek(const struct transport *t)
{
    char byte;
    ssize_t n;
    do
        n = recv(socket_fd(t), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n;
}

/* An error counts even if unread input lies before it, so it is looked for on
 * EV_WRITE alone, too. The end of file counts only if no input lies before
 * it. */
static void socket_look_for_end(struct transport *t, short what)
{
    int error = socket_error(t);
    if (error)
        t->ended = error;
    else if (!t->ended && what != EV_WRITE && socket_peek(t) == 0)
        t->ended = ASYNCHAT_EOF;
}

/* What the read event does while watching: looks for the end, and calls `ready`
 * if the end is news, or somebody has asked for the call. After that neither
 * the transport nor its loop may be touched. */
static APART void socket_watch(struct transport *t, short what)
{
    bool woken = t->woken;
    int before = t->ended;
    t->woken = false;
    what = (short)(what & ~EV_ET);
    if (what)
        socket_look_for_end(t, what);
    if (woken || t->ended != before)
        t->ready(t);
}

/* The callback of the read event. asynchat__socket_wake() has the loop call it
 * too, without EV_READ. */
static void socket_readable(evutil_socket_t fd, short what, void *arg)
{
    struct transport *t = socket_transport(arg);
    (void)fd;
    if (t->reading == TRANSPORT_WATCH) {
        socket_watch(t, what);
        return;
    }
    t->woken = false;
    if ((what & EV_READ) && !t->ended)
        socket_receive(t);
    t->ready(t);
}

/* For batched.c: see asynchat__socket_received(). */
void asynchat__socket_readable(evutil_socket_t fd, short what, void *arg)
{
    socket_readable(fd, what, arg);
}

/* The callback of the read event while `quick` is set. */
static void socket_readable_quick(evutil_socket_t fd, short what, void *arg)
{
    struct transport *t = socket_transport(arg);
    if (t->reading == TRANSPORT_WATCH || !(what & EV_READ) || t->ended) {
        socket_readable(fd, what, arg);
        return;
    }
    t->woken = false;
    socket_receive(t);
    if (t->received > 0)
        socket_acknowledge(t);
    t->ready(t);
}

/* The callback of the read event while there is a stage. The stage receives. */
static void socket_readable_for_stage(evutil_socket_t fd, short what, void *arg)
{
    struct transport *t = socket_transport(arg);
    (void)fd;
    if (t->reading == TRANSPORT_WATCH) {
        socket_watch(t, what);
        return;
    }
    t->woken = false;
    t->stage->readable = (what & EV_READ) != 0;
    t->ready(t);
}

/* Replaces nothing but the callback of the read event, since this event may be
 * pending. The plain callback does without a test of `stage` and `quick`. */
void asynchat__socket_choose(struct transport *t)
{
    t->bev->ev_read.ev_evcallback.evcb_cb_union.evcb_callback =
        t->stage         ? socket_readable_for_stage
        : t->quick       ? socket_readable_quick
        : t->loop->batch ? asynchat__batch_user(t->loop->batch)->readable
                         : socket_readable;
}

void asynchat__socket_wake(struct transport *t)
{
    if (t->woken)
        return;
    t->woken = true;
    event_active(&t->bev->ev_read, 0, 0);
}

void asynchat__socket_look(struct transport *t)
{
    t->woken = true;
    event_active(&t->bev->ev_read, t->reading ? EV_READ : 0, 0);
}

/* The events that report the peer's end while input stays where it is. An edge
 * is reported once, and not again and again for as long as there is input.
 * Where the system has an event for the peer's end, EV_CLOSED, input is not
 * reported at all. libevent reports an error as EV_READ and EV_WRITE and not as
 * EV_CLOSED, so EV_WRITE is waited for as well. EV_WRITE also comes once at the
 * beginning.
 *
 * The answer 0 says that there is no such event, and that the socket is looked
 * at from time to time. This is so in a loop without edges, as with poll and
 * select. It is also so while there is output to wait for, since the events of
 * a descriptor must be of one kind. */
static short socket_watch_events(const struct transport *t)
{
    int features = event_base_get_features(t->bev->ev_base);
    if (!(features & EV_FEATURE_ET) || t->writing)
        return 0;
    return (features & EV_FEATURE_EARLY_CLOSE) ? EV_WRITE | EV_CLOSED | EV_ET
                                               : EV_READ | EV_ET;
}

static const struct timeval watch_pause = {.tv_sec = 1};

/* Whether the socket is looked at from time to time. The first look is at
 * once. */
static bool socket_looks(const struct transport *t)
{
    return t->reading == TRANSPORT_WATCH && socket_watch_events(t) == 0;
}

static int socket_wait(struct transport *t, enum transport_reading how)
{
    struct event *event = &t->bev->ev_read;
    const int all = EV_READ | EV_WRITE | EV_CLOSED | EV_ET;
    int events = how == TRANSPORT_WATCH ? socket_watch_events(t) : EV_READ;
    event->ev_events = (short)((event->ev_events & ~all) | events);
    if (how == TRANSPORT_STOP)
        return 0;
    return event_add(event, events ? NULL : &watch_pause);
}

/* Forgets the edge before the event is removed. With a list of changes,
 * libevent takes the edge of an event that is removed for the edge of an event
 * that is added in the same pass, even if the descriptor of that number is a
 * new one. */
static void socket_wait_no_more(struct transport *t)
{
    struct event *event = &t->bev->ev_read;
    event->ev_events &= (short)~EV_ET;
    event_remove_timer(event);
    event_del(event);
}

/* If an event is active, as it is after asynchat__socket_wake(), event_add()
 * does not add it, and yet answers that it has. So the event is made inactive
 * first, then added, and then made active again. */
static int socket_read(struct transport *t, enum transport_reading how)
{
    int error = 0;
    if (t->reading == how)
        return 0;
    if (t->reading != TRANSPORT_STOP || t->woken)
        socket_wait_no_more(t);
    t->reading = TRANSPORT_STOP;
    if (socket_wait(t, how) < 0)
        error = -ENOMEM;
    else
        t->reading = how;
    if (t->woken || socket_looks(t))
        event_active(&t->bev->ev_read, socket_looks(t) ? EV_READ : 0, 0);
    return error;
}

/* --- sending --- */

/* Cuts the pieces off behind `most` bytes. Answers how many pieces are left. */
static size_t pieces_limit(struct evbuffer_iovec *pieces, size_t count,
                           size_t most)
{
    size_t used = 0;
    while (used < count && most > 0) {
        if (pieces[used].iov_len > most)
            pieces[used].iov_len = most;
        most -= pieces[used++].iov_len;
    }
    return used;
}

static ssize_t socket_sendmsg(struct transport *t, size_t most)
{
    struct evbuffer_iovec pieces[SEND_PIECES];
    int count = 0;
    if (t->pushed > 0)
        pieces[count++] = (struct evbuffer_iovec){t->loop->pushed, t->pushed};
    count += evbuffer_peek(t->output, (ev_ssize_t)most, NULL, pieces + count,
                           SEND_PIECES - count);
    if (count > SEND_PIECES)
        count = SEND_PIECES;
    struct msghdr message = {.msg_iov = pieces};
    message.msg_iovlen = pieces_limit(pieces, (size_t)count, most);
    return sendmsg(socket_fd(t), &message, MSG_NOSIGNAL);
}

/* Makes one write only, so that everybody else has a turn. Bytes that are left
 * wait for the write event. */
static void socket_send(struct transport *t, size_t most)
{
    ssize_t n = socket_sendmsg(t, most);
    if (n < 0 && !is_retriable(errno))
        t->broken = -errno;
    t->sent += n > 0 ? (size_t)n : 0;
    asynchat__transport_sent(t, n > 0 ? (size_t)n : 0);
}

static inline size_t socket_send_bytes(struct transport *t, const void *data,
                                       size_t len)
{
    ssize_t n = send(socket_fd(t), data, len, MSG_NOSIGNAL);
    if (n < 0 && !is_retriable(errno))
        t->broken = -errno;
    t->sent += n > 0 ? (size_t)n : 0;
    return n > 0 ? (size_t)n : 0;
}

static bool socket_send_pushed(struct transport *t, size_t most)
{
    size_t pushed = t->pushed;
    size_t n =
        socket_send_bytes(t, t->loop->pushed, pushed < most ? pushed : most);
    if (n == pushed)
        t->pushed = 0;
    else
        asynchat__transport_sent(t, n);
    return n == pushed;
}

static size_t socket_send_now(struct transport *t, const void *data, size_t len)
{
    return socket_send_bytes(t, data, len);
}

/* --- for a stage --- */

size_t asynchat__socket_pull(struct transport *t, void *to, size_t most)
{
    ssize_t n = recv(socket_fd(t), to, most, 0);
    if (n > 0 && t->quick)
        socket_acknowledge(t);
    if (n > 0)
        return (size_t)n;
    socket_received(t, n, errno);
    return 0;
}

/* Sends bytes that the socket did not take earlier. They go before all
 * others. */
static void socket_put_kept(struct transport *t, struct evbuffer *kept)
{
    struct evbuffer_iovec pieces[SEND_PIECES];
    int count = evbuffer_peek(kept, -1, NULL, pieces, SEND_PIECES);
    if (count > SEND_PIECES)
        count = SEND_PIECES;
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)count};
    ssize_t n = sendmsg(socket_fd(t), &message, MSG_NOSIGNAL);
    if (n > 0)
        evbuffer_drain(kept, (size_t)n);
    else if (n < 0 && !is_retriable(errno))
        t->broken = -errno;
}

void asynchat__socket_put(struct transport *t, const void *data, size_t len)
{
    struct evbuffer *kept = bufferevent_get_output(t->bev);
    ssize_t n = 0;
    if (evbuffer_get_length(kept) > 0)
        socket_put_kept(t, kept);
    if (evbuffer_get_length(kept) == 0 && len > 0 && !t->broken)
        n = send(socket_fd(t), data, len, MSG_NOSIGNAL);
    if (n < 0 && !is_retriable(errno))
        t->broken = -errno;
    size_t sent = n > 0 ? (size_t)n : 0;
    if (sent < len &&
        evbuffer_add(kept, (const char *)data + sent, len - sent) < 0)
        t->broken = -ENOMEM;
}

/* The write event is pending only while there is something to wait for: most
 * connections never need this event, and it costs two system calls. A transport
 * that is watching stops watching here, and the channel has to make it watch
 * anew, since the events to watch for depend on `writing`. */
int asynchat__socket_write(struct transport *t, bool on)
{
    if (t->writing == on)
        return 0;
    if (t->reading == TRANSPORT_WATCH)
        socket_read(t, TRANSPORT_STOP);
    if (on && event_add(&t->bev->ev_write, NULL) < 0)
        return -ENOMEM;
    if (!on)
        event_del(&t->bev->ev_write);
    t->writing = on;
    return 0;
}

/* --- connecting --- */

/* The event is removed, and not just left to wait for output. The descriptor is
 * then new to epoll when reading begins. So in a loop that has both sides of a
 * connection, the side that was sent to comes first. */
static void socket_connected(struct transport *t)
{
    event_del(&t->bev->ev_write);
    t->writing = false;
    t->ended = socket_error(t);
    t->phase = t->ended ? TRANSPORT_FAILED : TRANSPORT_UP;
}

/* The callback of the write event. An attempt to connect ends with this event
 * as well. */
static void socket_writable(evutil_socket_t fd, short what, void *arg)
{
    struct transport *t = socket_transport(arg);
    (void)fd;
    (void)what;
    if (t->phase == TRANSPORT_CONNECTING)
        socket_connected(t);
    t->ready(t);
}

int asynchat__transport_connect(struct transport *t, int error)
{
    if (error != -EINPROGRESS) {
        t->ended = error;
        t->phase = error ? TRANSPORT_FAILED : TRANSPORT_UP;
        return 0;
    }
    t->phase = TRANSPORT_CONNECTING;
    if (event_add(&t->bev->ev_write, NULL) < 0)
        return -ENOMEM;
    t->writing = true;
    return 0;
}

/* --- ending --- */

bool asynchat__socket_left(const struct transport *t)
{
    (void)t;
    return true;
}

/* If a socket is closed while it has unread input, or if it gets input later,
 * the system resets the connection, and the peer may lose bytes that it was
 * sent. In this case only the output is shut down for now. */
static bool socket_finish(struct transport *t, bool more)
{
    if (t->ended || t->end != END_NOT)
        return !t->ended;
    if (!more && socket_peek(t) <= 0)
        return false;
    if (shutdown(socket_fd(t), SHUT_WR) < 0)
        return false;
    t->end = END_FINISHED;
    return true;
}

static void socket_shut(struct transport *t)
{
    socket_finish(t, true);
}

/* An event that only looks from time to time, as in a loop without edges, has
 * nothing but its time. */
static bool is_set(const struct event *event)
{
    const int set =
        EVLIST_INSERTED | EVLIST_TIMEOUT | EVLIST_ACTIVE | EVLIST_ACTIVE_LATER;
    return (event->ev_evcallback.evcb_flags & set) != 0;
}

/* Whether an event that should be pending is not pending. In this case the
 * event base was freed. */
static bool socket_is_lost(const struct transport *t)
{
    return (t->reading != TRANSPORT_STOP && !is_set(&t->bev->ev_read)) ||
           (t->writing && !is_set(&t->bev->ev_write));
}

/* The descriptor is closed here, since bufferevent_free() would close it only
 * in the loop's next pass. */
static void socket_close(struct transport *t)
{
    socket_wait_no_more(t);
    event_del(&t->bev->ev_write);
    if (socket_fd(t) >= 0)
        close(socket_fd(t));
    bufferevent_free(t->bev);
    if (t->loop->socket == t)
        t->loop->socket = NULL;
    asynchat__loop_release(t->loop);
}

/* Gives the events a descriptor. They must not be pending. */
static void socket_set_fd(struct bufferevent *bev, int fd)
{
    struct event_base *base = bev->ev_base;
    event_assign(&bev->ev_read, base, fd, EV_READ | EV_PERSIST | EV_FINALIZE,
                 socket_readable, bev);
    event_assign(&bev->ev_write, base, fd, EV_WRITE | EV_PERSIST | EV_FINALIZE,
                 socket_writable, bev);
}

/* The events have no descriptor from now on. Answers the one that they had. */
static int socket_leave(struct transport *t)
{
    int fd = socket_fd(t);
    socket_wait_no_more(t);
    event_del(&t->bev->ev_write);
    t->reading = TRANSPORT_STOP;
    t->writing = false;
    socket_set_fd(t->bev, -1);
    return fd;
}

static int socket_give(struct transport *t)
{
    int fd = socket_leave(t);
    asynchat__transport_leave(t);
    return fd;
}

/* The program may have given the events a priority. The read event may be
 * active, by `wake`: then it is made so again. */
static void socket_adopt(struct transport *t, int fd)
{
    int priority = event_get_priority(&t->bev->ev_read);
    int before = socket_leave(t);
    if (before >= 0)
        close(before);
    socket_set_fd(t->bev, fd);
    event_priority_set(&t->bev->ev_read, priority);
    event_priority_set(&t->bev->ev_write, priority);
    asynchat__socket_choose(t);
    if (t->woken)
        event_active(&t->bev->ev_read, 0, 0);
}

const struct transport_ops asynchat__socket_ops = {
    .read = socket_read,
    .send = socket_send,
    .write = asynchat__socket_write,
    .wake = asynchat__socket_wake,
    .look = asynchat__socket_look,
    .finish = socket_finish,
    .shut = socket_shut,
    .close = socket_close,
    .left = asynchat__socket_left,
    .fd = socket_fd,
    .send_pushed = socket_send_pushed,
    .send_now = socket_send_now,
    .give_socket = socket_give,
    .adopt = socket_adopt,
    .quick = asynchat__socket_choose,
    .stage = asynchat__socket_choose,
    .pull = asynchat__socket_pull,
    .put = asynchat__socket_put,
};

/* A socket bufferevent freezes its evbuffers, to keep others away from them.
 * Here that would keep the transport away. The flag is cleared so that a file
 * segment that somebody adds lies in memory, which sendmsg can send. */
int asynchat__transport_socket(struct transport *t, struct event_base *base,
                               int fd)
{
    t->loop = asynchat__loop_share(base);
    if (!t->loop)
        return -ENOMEM;
    struct bufferevent *bev = bufferevent_socket_new(base, fd, 0);
    if (!bev) {
        asynchat__loop_release(t->loop);
        return -ENOMEM;
    }
    t->ops = t->loop->batch ? asynchat__batch_user(t->loop->batch)->ops
                            : &asynchat__socket_ops;
    t->bev = bev;
    t->output = bufferevent_get_output(bev);
    bufferevent_disable(bev, EV_READ | EV_WRITE);
    bufferevent_setcb(bev, NULL, NULL, NULL, t);
    socket_set_fd(bev, fd);
    if (t->loop->batch)
        asynchat__socket_choose(t);
    evbuffer_unfreeze(bufferevent_get_input(bev), 0);
    evbuffer_unfreeze(t->output, 1);
    evbuffer_clear_flags(t->output, EVBUFFER_FLAG_DRAINS_TO_FD);
    t->loop->socket = t;
    t->loop->socket_is_lost = socket_is_lost;
    return 0;
}
