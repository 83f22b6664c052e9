/* What the socket transport and the bufferevent transport have in common.
 *
 * Tested by tests/test_transport_socket.c and
 * tests/test_transport_bufferevent.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "transport/transport.h"

#include <errno.h>
#include <sys/ioctl.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "base/memory.h"
#include "loop/loop.h"

struct evbuffer *asynchat__transport_input(const struct transport *t)
{
    return t->ops->input ? t->ops->input(t) : bufferevent_get_input(t->bev);
}

void asynchat__transport_settle(struct transport *t)
{
    size_t pushed = t->pushed;
    t->pushed = 0;
    if (pushed > 0 && evbuffer_prepend(t->output, t->loop->pushed, pushed) < 0)
        t->broken = -ENOMEM;
}

size_t asynchat__transport_left(const struct transport *t)
{
    return t->hold != OUTPUT_FREE ? t->left : evbuffer_get_length(t->output);
}

struct transport_lending asynchat__transport_lend(struct transport *t,
                                                  size_t left)
{
    struct transport_lending before = {t->hold != OUTPUT_FREE, t->left};
    if (!before.lent)
        t->hold = OUTPUT_LENT;
    t->left = left;
    return before;
}

void asynchat__transport_take_back(struct transport *t,
                                   struct transport_lending before)
{
    bool dropped = t->hold == OUTPUT_DROPPED;
    t->left = dropped ? 0 : before.left;
    if (before.lent)
        return;
    t->hold = OUTPUT_FREE;
    if (dropped)
        asynchat__transport_discard(t);
}

void asynchat__transport_drain(struct transport *t, size_t sent)
{
    size_t left = evbuffer_get_length(t->output) - sent;
    struct transport_lending before = asynchat__transport_lend(t, left);
    evbuffer_drain(t->output, sent);
    asynchat__transport_take_back(t, before);
}

void asynchat__transport_sent(struct transport *t, size_t n)
{
    size_t pushed = t->pushed;
    t->pushed = 0;
    if (n > pushed)
        asynchat__transport_drain(t, n - pushed);
    else if (n < pushed &&
             evbuffer_prepend(t->output, t->loop->pushed + n, pushed - n) < 0)
        t->broken = -ENOMEM;
}

void asynchat__transport_discard(struct transport *t)
{
    t->pushed = 0;
    t->left = 0;
    if (t->hold != OUTPUT_FREE)
        t->hold = OUTPUT_DROPPED;
    else
        asynchat__transport_drain(t, evbuffer_get_length(t->output));
}

size_t asynchat__transport_pending(const struct transport *t)
{
    size_t pending = t->pushed + asynchat__transport_left(t);
    if (t->ops->given)
        pending += t->ops->given(t);
    return pending;
}

size_t asynchat__transport_moving(const struct transport *t)
{
    size_t moving = t->pushed + evbuffer_get_length(t->output);
    if (t->ops->on_its_way)
        moving += t->ops->on_its_way(t);
    return moving;
}

size_t asynchat__transport_unsent(const struct transport *t)
{
    int unsent = 0;
    int fd = bufferevent_getfd(t->bev);
    if (fd >= 0 && ioctl(fd, TIOCOUTQ, &unsent) < 0)
        unsent = 0;
    return (size_t)unsent + asynchat__transport_pending(t);
}

size_t asynchat__transport_arrived(const struct transport *t)
{
    int arrived = 0;
    int fd = asynchat__transport_fd(t);
    if (fd >= 0 && ioctl(fd, FIONREAD, &arrived) < 0)
        arrived = 0;
    return (size_t)arrived;
}

int asynchat__transport_fd(const struct transport *t)
{
    return t->ops->fd ? t->ops->fd(t) : -1;
}

/* --- a transport that has given everything away --- */

static int gone_switch(struct transport *t, bool on)
{
    (void)t;
    (void)on;
    return 0;
}

static int gone_read(struct transport *t, enum transport_reading how)
{
    return gone_switch(t, how == TRANSPORT_READ);
}

static void gone_act(struct transport *t)
{
    (void)t;
}

static void gone_send(struct transport *t, size_t most)
{
    (void)t;
    (void)most;
}

static bool gone_finish(struct transport *t, bool more)
{
    (void)t;
    (void)more;
    return false;
}

static void gone_close(struct transport *t)
{
    if (t->output != bufferevent_get_output(t->bev))
        evbuffer_free(t->output);
    asynchat__free(t->waker);
    bufferevent_free(t->bev);
    asynchat__loop_release(t->loop);
}

/* The table has all operations that may not be NULL, and no others. */
static const struct transport_ops gone_ops = {
    .read = gone_read,
    .send = gone_send,
    .write = gone_switch,
    .wake = gone_act,
    .look = gone_act,
    .finish = gone_finish,
    .shut = gone_act,
    .close = gone_close,
};

void asynchat__transport_leave(struct transport *t)
{
    t->ops = &gone_ops;
    t->reading = TRANSPORT_STOP;
    t->writing = false;
    t->woken = false;
    if (t->loop->socket == t)
        t->loop->socket = NULL;
}
