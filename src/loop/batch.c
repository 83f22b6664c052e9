/* A batch: sockets of one loop that receive together, have their turns one
 * after the other, and send together.
 *
 * Tested by tests/test_batch.c. SPDX-License-Identifier: BSD-3-Clause */
#include "loop/batch.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include <asynchat/error.h>

#include "base/fork.h"
#include "base/log.h"
#include "base/memory.h"
#include "loop/loop.h"
#include "loop/parked.h"

/* Slots begin half a page behind a page's beginning, so that copying between
 * them and the loop's buffers is fast: see SPARES_PAGE. */
#define ASIDE (SPARES_PAGE / 2)

/* A transport of the batch. */
struct batch_entry {
    struct transport *t; /* NULL: it has left */
    int fd;
    uint32_t most; /* it is to receive so many bytes, if not 0 */
    int result;    /* of receiving, or BATCH_NOT */
};

/* Bytes that were put off. */
struct batch_span {
    struct transport *t; /* NULL: they were taken back */
    int fd;
    uint32_t at, len; /* their place in `bytes` */
    int result;       /* of sending, or BATCH_NOT */
};

enum batch_state {
    BATCH_WAITS,
    BATCH_SERVES,
    /* The program has left the loop while the batch was served. */
    BATCH_STOPPED
};

/* Invariants: entries before `at` have had their turns. While the batch waits,
 * `at` and `spans` are 0. The event is active only while there are transports
 * that wait, so an event base may be freed before its batch. */
struct batch {
    struct parked parked;
    struct loop *loop; /* of the entries */
    const struct batch_user *user;
    const struct asynchat_batch_ops *ops;
    void *ring;
    struct event event;
    const struct transport *served; /* whose turn it is; or NULL */
    unsigned forks;                 /* the count when the batch was made */
    enum batch_state state;
    bool broken; /* plain calls from now on */
    bool over;   /* it ends when it was served */
    bool puts;   /* bytes can be put off */
    unsigned count, at, spans;
    unsigned waiting; /* entries that have not left, nor had their turns */
    uint32_t used;    /* of `bytes` */
    struct batch_entry entry[BATCH_MOST];
    struct batch_span span[BATCH_MOST];
    struct asynchat_batch_call call[BATCH_MOST];
    _Alignas(SPARES_PAGE) uint8_t bytes[BATCH_SPANS];
    uint8_t aside[ASIDE];
    uint8_t slot[BATCH_MOST][BATCH_SLOT];
};

/* --- calls --- */

static int batch_plain(const struct asynchat_batch_call *c)
{
    ssize_t n = c->sends
                    ? send(c->fd, c->data, c->len, MSG_DONTWAIT | MSG_NOSIGNAL)
                    : recv(c->fd, c->data, c->len, MSG_DONTWAIT);
    return n < 0 ? -errno : (int)n;
}

/* True: the program's function has made the calls. */
static bool batch_run(struct batch *b, unsigned count)
{
    int error = b->ops->run(b->ring, b->call, count);
    if (error >= 0)
        return true;
    b->broken = true;
    asynchat__log(
        (struct asynchat_log_record){.level = ASYNCHAT_LOG_WARNING,
                                     .event = ASYNCHAT_LOG_BATCH,
                                     .peer = "batch",
                                     .code = error,
                                     .text = asynchat_strerror(error)});
    return false;
}

/* Makes the calls. In a child the ring is the parent's. */
static void batch_call(struct batch *b, unsigned count)
{
    if (b->forks != asynchat__forks())
        b->broken = true;
    if (count >= BATCH_LEAST && !b->broken && batch_run(b, count))
        return;
    for (unsigned i = 0; i < count; i++)
        b->call[i].result = batch_plain(&b->call[i]);
}

/* --- receiving --- */

static unsigned batch_ask_all(struct batch *b)
{
    unsigned count = 0;
    for (unsigned i = 0; i < b->count; i++)
        if (b->entry[i].most > 0)
            b->call[count++] =
                (struct asynchat_batch_call){.fd = b->entry[i].fd,
                                             .data = b->slot[i],
                                             .len = b->entry[i].most,
                                             .result = -EAGAIN};
    return count;
}

/* A few transports receive by themselves, without a copy. */
static void batch_receive(struct batch *b)
{
    unsigned count = batch_ask_all(b);
    if (count < BATCH_LEAST)
        return;
    batch_call(b, count);
    count = 0;
    for (unsigned i = 0; i < b->count; i++)
        if (b->entry[i].most > 0)
            b->entry[i].result = b->call[count++].result;
}

/* --- sending --- */

/* Makes the calls before anybody hears of them: code of the program may run
 * then, and take back what another transport has put off. */
static void batch_send(struct batch *b)
{
    unsigned count = 0;
    b->puts = false;
    for (unsigned i = 0; i < b->spans; i++)
        if (b->span[i].t)
            b->call[count++] =
                (struct asynchat_batch_call){.fd = b->span[i].fd,
                                             .sends = 1,
                                             .data = b->bytes + b->span[i].at,
                                             .len = b->span[i].len,
                                             .result = -EAGAIN};
    batch_call(b, count);
    count = 0;
    for (unsigned i = 0; i < b->spans; i++)
        if (b->span[i].t)
            b->span[i].result = b->call[count++].result;
}

static void batch_tell(struct batch *b)
{
    for (unsigned i = 0; i < b->spans; i++) {
        struct batch_span *s = &b->span[i];
        struct transport *t = s->t;
        s->t = NULL;
        if (t)
            b->user->sent(t, b->bytes + s->at, s->len, s->result);
    }
    b->spans = 0;
    b->used = 0;
}

/* --- serving --- */

static void batch_free(struct batch *b)
{
    event_debug_unassign(&b->event);
    if (b->ops->release)
        b->ops->release(b->ring);
    asynchat__free_aligned(b);
}

/* Gives turns, until the program leaves the loop. */
static void batch_give_turns(struct batch *b)
{
    struct event_base *base = b->loop->base;
    b->puts = b->count - b->at >= BATCH_LEAST;
    while (b->at < b->count && !(b->at > 0 && event_base_got_break(base))) {
        unsigned i = b->at++;
        struct batch_entry *e = &b->entry[i];
        struct transport *t = e->t;
        e->t = NULL;
        b->served = t;
        b->waiting -= t != NULL;
        if (t)
            b->user->serve(t, e->most, b->slot[i], e->result);
    }
    b->served = NULL;
}

static void batch_end(struct batch *b, struct loop *loop)
{
    loop->batch = NULL;
    batch_free(b);
}

/* The last channel may go, so the loop is held. */
static void batch_serve(struct batch *b)
{
    struct loop *loop = b->loop;
    asynchat__loop_hold(loop);
    if (b->state == BATCH_WAITS)
        batch_receive(b);
    b->state = BATCH_SERVES;
    batch_give_turns(b);
    batch_send(b);
    batch_tell(b);
    b->state = b->at < b->count ? BATCH_STOPPED : BATCH_WAITS;
    if (b->state == BATCH_STOPPED)
        event_active(&b->event, 0, 0);
    else
        b->count = b->at = 0;
    if (b->over && b->state == BATCH_WAITS)
        batch_end(b, b->loop);
    asynchat__loop_release(loop);
}

static void batch_ready(evutil_socket_t fd, short what, void *arg)
{
    struct batch *b = arg;
    (void)fd;
    (void)what;
    if (b->count > 0)
        batch_serve(b);
}

/* --- the queue --- */

static struct batch_entry *batch_find(struct batch *b,
                                      const struct transport *t)
{
    unsigned i = b->at;
    while (i < b->count && b->entry[i].t != t)
        i++;
    return i < b->count ? &b->entry[i] : NULL;
}

/* The event base is that of before, or one at the same address. */
static void batch_join(struct batch *b, struct loop *loop)
{
    event_assign(&b->event, loop->base, -1, 0, batch_ready, b);
    b->loop = loop;
}

/* A batch that was stopped takes nobody until it goes on. */
bool asynchat__batch_queue(struct loop *loop, struct transport *t, int fd,
                           uint32_t most)
{
    struct batch *b = loop->batch;
    if (b->state != BATCH_WAITS || b->broken || b->over)
        return false;
    if (b->loop != loop)
        batch_join(b, loop);
    b->waiting++;
    if (b->count == 0)
        event_active(&b->event, 0, 0);
    b->entry[b->count++] = (struct batch_entry){
        t, fd, most < BATCH_SLOT ? most : BATCH_SLOT, BATCH_NOT};
    if (b->count == BATCH_MOST)
        batch_serve(b);
    return true;
}

void asynchat__batch_ask(struct batch *b, const struct transport *t,
                         uint32_t most)
{
    struct batch_entry *e = batch_find(b, t);
    if (e && e->result == BATCH_NOT)
        e->most = most < BATCH_SLOT ? most : BATCH_SLOT;
}

/* Nobody waits any more, and the loop may end. An event base that is gone has
 * removed the event. */
static void batch_rest(struct batch *b)
{
    const int active = EVLIST_ACTIVE | EVLIST_ACTIVE_LATER;
    if (b->event.ev_evcallback.evcb_flags & active)
        event_del(&b->event);
    b->state = BATCH_WAITS;
    b->count = b->at = 0;
}

int asynchat__batch_leave(struct batch *b, const struct transport *t,
                          const uint8_t **bytes)
{
    struct batch_entry *e = batch_find(b, t);
    if (!e)
        return BATCH_NOT;
    e->t = NULL;
    e->most = 0;
    *bytes = b->slot[e - b->entry];
    if (--b->waiting == 0 && b->state != BATCH_SERVES)
        batch_rest(b);
    return e->result;
}

int asynchat__batch_priority(const struct batch *b)
{
    return event_get_priority(&b->event);
}

/* --- what is put off --- */

bool asynchat__batch_put_off(struct batch *b, struct transport *t, int fd,
                             const void *bytes, size_t len)
{
    if (!b->puts || b->served != t || len > BATCH_SLOT ||
        len > BATCH_SPANS - b->used || b->spans == BATCH_MOST)
        return false;
    b->span[b->spans++] =
        (struct batch_span){t, fd, b->used, (uint32_t)len, BATCH_NOT};
    memcpy(b->bytes + b->used, bytes, len);
    b->used += (uint32_t)len;
    return true;
}

static struct batch_span *batch_find_span(const struct batch *b,
                                          const struct transport *t)
{
    unsigned i = 0;
    while (i < b->spans && b->span[i].t != t)
        i++;
    return i < b->spans ? (struct batch_span *)&b->span[i] : NULL;
}

size_t asynchat__batch_waiting(const struct batch *b, const struct transport *t)
{
    const struct batch_span *s = b->served == t ? NULL : batch_find_span(b, t);
    return s && s->result == BATCH_NOT ? s->len : 0;
}

int asynchat__batch_take(struct batch *b, const struct transport *t,
                         const uint8_t **bytes, uint32_t *len)
{
    struct batch_span *s = batch_find_span(b, t);
    *len = 0;
    if (!s)
        return BATCH_NOT;
    s->t = NULL;
    *bytes = b->bytes + s->at;
    *len = s->len;
    return s->result;
}

/* --- its life --- */

const struct batch_user *asynchat__batch_user(const struct batch *b)
{
    return b->user;
}

static struct batch *batch_new(struct loop *loop, const struct batch_user *user,
                               const struct asynchat_batch_ops *ops, void *ring)
{
    struct batch *b = asynchat__aligned_alloc(SPARES_PAGE, sizeof *b);
    if (!b)
        return NULL;
    memset(b, 0, offsetof(struct batch, entry));
    b->parked.base = loop->base;
    b->user = user;
    b->ops = ops;
    b->ring = ring;
    b->forks = asynchat__forks();
    batch_join(b, loop);
    return b;
}

int asynchat__batch_set(struct loop *loop, const struct batch_user *user,
                        const struct asynchat_batch_ops *ops, void *ring)
{
    struct batch *before = loop->batch, *b = NULL;
    bool busy = before && (before->state != BATCH_WAITS || before->count > 0);
    if (busy && (before->over || ops))
        return -EBUSY;
    if (ops && !(b = batch_new(loop, user, ops, ring)))
        return -ENOMEM;
    if (busy)
        before->over = true;
    else if (before)
        batch_end(before, loop);
    if (b)
        loop->batch = b;
    return 0;
}

void asynchat__batch_drop(struct loop *loop)
{
    if (!loop->batch)
        return;
    event_del(&loop->batch->event);
    batch_end(loop->batch, loop);
}
