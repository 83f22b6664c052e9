/* The socket transport in a loop that has a batch: see loop/batch.h.
 *
 * The read event only queues the transport. Whatever the socket is used for
 * otherwise has to come behind the bytes that are put off, and before what was
 * received and not delivered. So each operation that uses the socket first
 * settles that.
 *
 * Tested by tests/test_batch.c. SPDX-License-Identifier: BSD-3-Clause */
#include "transport/batched.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "loop/loop.h"
#include "transport/socket.h"

/* --- receiving --- */

/* A slot that is full may not be all, so more is received behind it. */
static void batched_received(struct transport *t, const uint8_t *bytes,
                             int result)
{
    if (result <= 0) {
        asynchat__socket_received(t, result < 0 ? -1 : 0, -result);
        return;
    }
    memcpy(t->loop->received, bytes, (size_t)result);
    t->received = (uint32_t)result;
    if (result == BATCH_SLOT && t->read_size > BATCH_SLOT)
        asynchat__socket_receive(t, BATCH_SLOT);
}

void asynchat__batched_serve(struct transport *t, uint32_t most,
                             const uint8_t *bytes, int result)
{
    t->queued = false;
    t->woken = false;
    if (most > 0 && !t->ended) {
        if (result == BATCH_NOT)
            asynchat__socket_receive(t, 0);
        else
            batched_received(t, bytes, result);
        t->bulky = t->received > BATCH_SLOT;
    }
    t->ready(t);
}

/* Takes the transport out of the queue. Answers what was received for it. */
static int batched_leave(struct transport *t, const uint8_t **bytes)
{
    if (!t->queued)
        return BATCH_NOT;
    t->queued = false;
    return asynchat__batch_leave(t->loop->batch, t, bytes);
}

/* Whether the batch may take the transport: if it has the batch's priority, is
 * not asked to look for its input right now, and is not likely to receive so
 * much that the copies cost more than system calls. */
static bool batched_may_wait(const struct transport *t, short what)
{
    const struct batch *b = t->loop->batch;
    return b && t->reading != TRANSPORT_WATCH &&
           !((what & EV_READ) && (t->woken || t->bulky)) &&
           event_get_priority(&t->bev->ev_read) == asynchat__batch_priority(b);
}

/* Gives the transport its turn, in the batch or now. After that it may be
 * gone. */
static void batched_turn(struct transport *t, int fd, short what, uint32_t most)
{
    const uint8_t *bytes = NULL;
    if (batched_may_wait(t, what)) {
        t->queued = true;
        if (asynchat__batch_queue(t->loop, t, fd, most))
            return;
        t->queued = false;
    }
    int result = batched_leave(t, &bytes);
    if (result == BATCH_NOT && t->reading == TRANSPORT_WATCH)
        asynchat__socket_readable(fd, what, t->bev);
    else
        asynchat__batched_serve(t, most, bytes, result);
}

/* An event without EV_READ that nobody has asked for is that of a transport
 * which has had its turn in the batch. */
void asynchat__batched_readable(evutil_socket_t fd, short what, void *arg)
{
    struct transport *t = ((struct bufferevent *)arg)->cbarg;
    uint32_t most = (what & EV_READ) && !t->ended ? t->read_size : 0;
    bool asked = (what & EV_READ) || t->woken;
    if (t->queued && batched_may_wait(t, what)) {
        if (most > 0)
            asynchat__batch_ask(t->loop->batch, t, most);
    } else if (asked || t->reading == TRANSPORT_WATCH) {
        batched_turn(t, fd, what, most);
    }
}

/* Puts what was received for the transport, and not delivered, into its input.
 * True: there was something. */
static bool batched_rest(struct transport *t)
{
    const uint8_t *bytes = NULL;
    int result = batched_leave(t, &bytes);
    if (result == BATCH_NOT)
        return false;
    if (result <= 0)
        asynchat__socket_received(t, result < 0 ? -1 : 0, -result);
    else if (evbuffer_add(bufferevent_get_input(t->bev), bytes,
                          (size_t)result) < 0)
        t->ended = -ENOMEM;
    return result > 0;
}

/* A transport that no longer reads does not receive, unless it has. */
static int batched_read(struct transport *t, enum transport_reading how)
{
    if (t->queued && how != TRANSPORT_READ)
        asynchat__batch_ask(t->loop->batch, t, 0);
    return asynchat__socket_ops.read(t, how);
}

/* --- sending --- */

/* Pushed bytes came later than those that were put off. */
static void batched_put_back(struct transport *t, const uint8_t *bytes,
                             size_t len)
{
    asynchat__transport_settle(t);
    if (evbuffer_prepend(t->output, bytes, len) < 0)
        t->broken = -ENOMEM;
}

void asynchat__batched_sent(struct transport *t, const uint8_t *bytes,
                            uint32_t len, int result)
{
    uint32_t n = result > 0 ? (uint32_t)result : 0;
    t->put_off = false;
    t->sent += n;
    if (result < 0 && result != -EAGAIN && result != -EINTR)
        t->broken = result;
    if (n < len)
        batched_put_back(t, bytes + n, len - n);
    asynchat__batch_user(t->loop->batch)->moved(t, n < len);
}

/* Sends what is put off. */
static void batched_settle(struct transport *t)
{
    const uint8_t *bytes = NULL;
    uint32_t len;
    if (!t->put_off)
        return;
    int result = asynchat__batch_take(t->loop->batch, t, &bytes, &len);
    if (result == BATCH_NOT) {
        ssize_t n = send(socket_fd(t), bytes, len, MSG_NOSIGNAL);
        result = n < 0 ? -errno : (int)n;
    }
    asynchat__batched_sent(t, bytes, len, result);
}

static bool batched_put_off(struct transport *t, const void *data, size_t len)
{
    struct batch *b = t->loop->batch;
    if (t->put_off || !b || evbuffer_get_length(t->output) > 0)
        return false;
    t->put_off = asynchat__batch_put_off(b, t, socket_fd(t), data, len);
    return t->put_off;
}

static bool batched_send_pushed(struct transport *t, size_t most)
{
    if (t->pushed <= most && batched_put_off(t, t->loop->pushed, t->pushed)) {
        t->pushed = 0;
        return true;
    }
    batched_settle(t);
    return t->pushed > 0 && asynchat__socket_ops.send_pushed(t, most);
}

static void batched_send(struct transport *t, size_t most)
{
    batched_settle(t);
    if (t->pushed > 0 || evbuffer_get_length(t->output) > 0)
        asynchat__socket_ops.send(t, most);
}

static size_t batched_send_now(struct transport *t, const void *data,
                               size_t len)
{
    batched_settle(t);
    return evbuffer_get_length(t->output) > 0
               ? 0
               : asynchat__socket_ops.send_now(t, data, len);
}

static size_t batched_given(const struct transport *t)
{
    return t->put_off ? asynchat__batch_waiting(t->loop->batch, t) : 0;
}

/* --- ending --- */

static bool batched_finish(struct transport *t, bool more)
{
    batched_settle(t);
    return asynchat__socket_ops.finish(t, more);
}

static void batched_shut(struct transport *t)
{
    batched_settle(t);
    asynchat__socket_ops.shut(t);
}

/* What the socket does not take now is lost, as with any socket that is closed
 * while output waits. */
static void batched_close(struct transport *t)
{
    const uint8_t *bytes = NULL;
    uint32_t len;
    batched_leave(t, &bytes);
    if (t->put_off &&
        asynchat__batch_take(t->loop->batch, t, &bytes, &len) == BATCH_NOT)
        (void)send(socket_fd(t), bytes, len, MSG_NOSIGNAL);
    asynchat__socket_ops.close(t);
}

static int batched_give(struct transport *t)
{
    batched_rest(t);
    batched_settle(t);
    return asynchat__socket_ops.give_socket(t);
}

static void batched_adopt(struct transport *t, int fd)
{
    const uint8_t *bytes = NULL;
    batched_leave(t, &bytes);
    batched_settle(t);
    asynchat__socket_ops.adopt(t, fd);
}

static void batched_stage(struct transport *t)
{
    batched_rest(t);
    batched_settle(t);
    asynchat__socket_ops.stage(t);
}

/* --- the table --- */

const struct transport_ops asynchat__batched_ops = {
    .read = batched_read,
    .send = batched_send,
    .write = asynchat__socket_write,
    .wake = asynchat__socket_wake,
    .look = asynchat__socket_look,
    .finish = batched_finish,
    .shut = batched_shut,
    .close = batched_close,
    .rest = batched_rest,
    .left = asynchat__socket_left,
    .given = batched_given,
    .on_its_way = batched_given,
    .fd = socket_fd,
    .send_pushed = batched_send_pushed,
    .send_now = batched_send_now,
    .put_off = batched_put_off,
    .give_socket = batched_give,
    .adopt = batched_adopt,
    .quick = asynchat__socket_choose,
    .stage = batched_stage,
    .pull = asynchat__socket_pull,
    .put = asynchat__socket_put,
};
