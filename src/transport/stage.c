/* A stage: the table of operations that stands on the transport's own table,
 * and the work before and after the channel's turn.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "transport/stage.h"

#include <errno.h>
#include <sys/socket.h>

#include <event2/event.h>

#include <asynchat/error.h>

#include "base/fork.h"
#include "base/memory.h"
#include "loop/loop.h"

/* When the layer is asked again that has answered WAIT, in milliseconds. */
#define STAGE_SOON 10

/* The most bytes that are dropped while the peer does not stop sending. */
#define STAGE_DROPS (8u << 20)

/* --- wake-ups --- */

/* While bytes wait to be opened, nothing is received. */
static int stage_set_reading(struct transport *t)
{
    const struct stage *s = t->stage;
    enum transport_reading how = s->how;
    if (s->shaking && !t->ended)
        how = TRANSPORT_READ;
    if (!s->dialing && !s->drops && asynchat__stage_has_more(t))
        how = TRANSPORT_STOP;
    if (s->dropped > STAGE_DROPS)
        how = TRANSPORT_STOP;
    return s->below->read(t, how);
}

/* Until the layer is up, nothing waits to be sent but the layer's own words. */
static int stage_set_writing(struct transport *t)
{
    const struct stage *s = t->stage;
    bool up = !t->stage->shaking && !s->error;
    bool on = (stage_unsent(t) > 0 && !t->broken) || (s->writes && up);
    return s->dialing ? 0 : s->below->write(t, on);
}

/* Sets the timer if nobody else would call: there is more to open, or there is
 * news in `ended` or `broken`. A timer that is over, and has not run yet, is
 * not added again, since that would put it off. */
static void stage_set_later(struct transport *t, bool news)
{
    struct stage *s = t->stage;
    bool more =
        !t->ended && asynchat__stage_opens(t) && asynchat__stage_has_more(t);
    uint32_t wait = s->slow && !news ? STAGE_SOON : 0;
    if ((more || news) && !asynchat__timer_is_set(&s->later) &&
        asynchat__timer_set(&s->later, wait) < 0) {
        t->ended = -ENOMEM;
        s->below->wake(t);
    }
}

/* Begins the handshake, in which the layer may speak first. */
static void stage_shake(struct transport *t)
{
    t->stage->shaking = true;
    t->stage->says = true;
    asynchat__stage_say(t);
}

/* Does the work that comes before the channel's turn. */
static void stage_work(struct transport *t, const bool *gone)
{
    struct stage *s = t->stage;
    if (s->dialing && t->phase != TRANSPORT_CONNECTING) {
        s->dialing = false;
        if (t->phase != TRANSPORT_FAILED)
            stage_shake(t);
    }
    if (stage_unsent(t) > 0)
        asynchat__stage_flush(t);
    if (s->drops)
        asynchat__stage_drop(t);
    else
        asynchat__stage_receive(t, gone);
    if (*gone)
        return;
    s->readable = false;
    asynchat__stage_say(t);
    asynchat__stage_end(t);
}

/* Sends the layer's last words, and with them its own words that still wait,
 * since the layer may have no last words. */
static void stage_conclude(struct transport *t)
{
    if (asynchat__stage_has_room(t))
        asynchat__stage_last_words(t);
    asynchat__stage_flush(t);
}

/* While sealed bytes wait there is no room for the last words, and the output
 * does not end: the stage tries again when those bytes are sent. */
static void staged_shut(struct transport *t)
{
    struct stage *s = t->stage;
    stage_conclude(t);
    s->shuts = stage_unsent(t) > 0;
    if (!s->shuts)
        s->below->shut(t);
}

/* Does the work that comes after the channel's turn. The layer's own words have
 * waited until now, to leave with what the channel sends. An error that has
 * come up since the turn began is reported in the next pass. */
static void stage_settle(struct transport *t, int ended, int broken)
{
    struct stage *s = t->stage;
    if (t->loop->layers->gather_of == t)
        asynchat__stage_flush(t);
    if (s->shuts && stage_unsent(t) == 0)
        staged_shut(t);
    if (stage_set_reading(t) < 0 || stage_set_writing(t) < 0)
        t->ended = -ENOMEM;
    stage_set_later(t, t->ended != ended || t->broken != broken);
}

/* Gives the channel its turn, by `ready`, which may free the transport. */
static void stage_tell(struct transport *t, const bool *gone)
{
    int ended = t->ended, broken = t->broken;
    t->stage->ready(t);
    if (*gone)
        return;
    t->stage->gone = NULL;
    stage_settle(t, ended, broken);
}

/* The `ready` of a transport with a stage: the transport calls it from the
 * loop. */
static void stage_ready(struct transport *t)
{
    bool gone = false;
    t->stage->gone = &gone;
    stage_work(t, &gone);
    if (!gone)
        stage_tell(t, &gone);
}

static void stage_later(evutil_socket_t fd, short what, void *arg)
{
    struct transport *t = arg;
    (void)fd;
    (void)what;
    t->stage->due = true;
    stage_ready(t);
}

/* --- sending --- */

/* The sealed bytes that are not sent count only if output of the channel is
 * among them. The layer's own words are no loss if the peer takes nothing
 * more. */
static size_t staged_given(const struct transport *t)
{
    size_t unsent = stage_unsent(t);
    return t->stage->put - unsent < t->stage->loaded ? unsent : 0;
}

/* Output that was sealed is drained, whether it was sent or not. Meanwhile code
 * of the program may run, in callbacks of a pair's evbuffers. The output is
 * lent for this time, so that pushes of such code go to the queue. */
static void staged_send(struct transport *t, size_t most)
{
    struct stage *s = t->stage;
    if (t->stage->shaking || s->dialing)
        most = 0;
    if (s->error && !t->broken)
        t->broken = s->error;
    struct transport_lending before =
        asynchat__transport_lend(t, evbuffer_get_length(t->output));
    asynchat__stage_say(t);
    size_t n = t->broken ? 0 : asynchat__stage_seal_output(t, most);
    asynchat__stage_flush(t);
    if (s->error && !t->broken)
        t->broken = s->error;
    t->sent += n;
    asynchat__transport_sent(t, n);
    asynchat__transport_take_back(t, before);
}

static bool staged_send_pushed(struct transport *t, size_t most)
{
    staged_send(t, most);
    return !t->broken && staged_given(t) == 0 &&
           evbuffer_get_length(t->output) == 0;
}

/* --- ending --- */

static bool staged_finish(struct transport *t, bool more)
{
    struct stage *s = t->stage;
    stage_conclude(t);
    s->drops = true;
    if (!t->broken && stage_unsent(t) > 0)
        return true;
    return s->below->finish(t, more || s->stays);
}

/* If a connection is closed while it has unread input, it is reset, and the
 * peer would lose the words that tell it of an error. So input is received
 * here, and dropped. */
static void stage_say_why(struct transport *t)
{
    const struct stage *s = t->stage;
    int most = 4;
    if (!s->error || !s->below->pull)
        return;
    shutdown(bufferevent_getfd(t->bev), SHUT_WR);
    while (most > 0 &&
           s->below->pull(t, t->loop->layers->sealed, LOOP_BUFFER) > 0)
        most--;
}

/* What is gathered would leave with the next transport's words. */
static void stage_drop_gathered(struct loop_layers *layers)
{
    layers->gathered = 0;
    layers->gather_of = NULL;
}

/* Tries once to send the last words, which are lost if they are not taken at
 * once. A child after fork(2) says nothing. */
static void stage_part(struct transport *t)
{
    struct loop_layers *layers = t->loop->layers;
    bool ours = t->forks == asynchat__forks() && t->end != END_RESET;
    if (ours &&
        (asynchat__stage_has_room(t) || (!t->broken && staged_given(t) == 0)))
        asynchat__stage_last_words(t);
    if (ours && layers->gather_of == t)
        asynchat__stage_flush(t);
    if (ours)
        stage_say_why(t);
    if (layers->gather_of == t)
        stage_drop_gathered(layers);
}

/* Closes the transport before it frees the layer, since the transport's
 * evbuffers may have callbacks. */
static void stage_free(struct transport *t, struct stage *s)
{
    s->below->close(t);
    s->codec->release(s->layer);
    asynchat__stage_undo(s);
}

static void staged_close(struct transport *t)
{
    struct stage *s = t->stage;
    stage_part(t);
    if (s->gone)
        *s->gone = true;
    asynchat__timer_end(&s->later);
    stage_free(t, s);
}

/* --- the rest of the table --- */

static int staged_read(struct transport *t, enum transport_reading how)
{
    t->stage->how = how;
    return stage_set_reading(t);
}

static int staged_write(struct transport *t, bool on)
{
    t->stage->writes = on;
    return stage_set_writing(t);
}

static void staged_wake(struct transport *t)
{
    t->stage->below->wake(t);
}

/* While bytes wait to be opened, nothing is received, and the timer looks. The
 * channel asks for a look in each wake-up then: an event that made itself
 * active each time would keep the loop from all others. */
static void staged_look(struct transport *t)
{
    if (asynchat__stage_has_more(t))
        stage_set_later(t, true);
    else
        t->stage->below->look(t);
}

static bool staged_left(const struct transport *t)
{
    const struct transport_ops *below = t->stage->below;
    return below->left && below->left(t);
}

static struct evbuffer *staged_input(const struct transport *t)
{
    return t->stage->input;
}

static const struct transport_ops staged_ops = {
    .read = staged_read,
    .send = staged_send,
    .write = staged_write,
    .wake = staged_wake,
    .look = staged_look,
    .finish = staged_finish,
    .shut = staged_shut,
    .close = staged_close,
    .left = staged_left,
    .given = staged_given,
    .on_its_way = staged_given,
    .send_pushed = staged_send_pushed,
    .input = staged_input,
};

/* --- making --- */

static void stage_free_buffers(struct stage *s)
{
    if (s->input)
        evbuffer_free(s->input);
    if (s->output)
        evbuffer_free(s->output);
}

int asynchat__stage_init(struct stage *s, struct transport *t,
                         const struct asynchat_layer_ops *codec, void *layer)
{
    if (!t->ops->put)
        return -ENOTSUP;
    s->input = evbuffer_new();
    s->output = evbuffer_new();
    if (!s->input || !s->output || asynchat__loop_need_layers(t->loop) < 0) {
        stage_free_buffers(s);
        return -ENOMEM;
    }
    s->below = t->ops;
    s->codec = codec;
    s->layer = layer;
    s->how = t->reading;
    asynchat__timer_init(&s->later, bufferevent_get_base(t->bev), stage_later,
                         t);
    return 0;
}

void asynchat__stage_undo(struct stage *s)
{
    stage_free_buffers(s);
    asynchat__free(s);
}

static void waiting_close(struct transport *t)
{
    struct stage *s = t->stage;
    if (s->gone)
        *s->gone = true;
    stage_free(t, s);
}

void asynchat__stage_wait(struct transport *t, struct stage *s)
{
    s->waiting = *s->below;
    s->waiting.close = waiting_close;
    t->stage = s;
    t->ops = &s->waiting;
}

/* From now on the output of the bufferevent is for sealed bytes. Plain bytes
 * that were pushed before the connection was up may lie there; they go to the
 * stage's output. */
static void stage_part_output(struct transport *t, struct stage *s)
{
    struct evbuffer *before = t->output;
    if (before != bufferevent_get_output(t->bev))
        return;
    t->output = s->output;
    if (evbuffer_add_buffer(t->output, before) < 0)
        t->broken = -ENOMEM;
}

/* Bytes of which no part is sealed count as such that are. One write sends
 * them, unless the connection is not up yet. */
static void stage_put_first(struct transport *t, const void *first, size_t len)
{
    struct stage *s = t->stage;
    s->put += len;
    if (!s->dialing)
        s->below->put(t, first, len);
    else if (evbuffer_add(bufferevent_get_output(t->bev), first, len) < 0)
        t->broken = -ENOMEM;
}

void asynchat__stage_begin(struct transport *t, struct stage *s,
                           const void *first, size_t len)
{
    bool hidden = t->ended == ASYNCHAT_EOF;
    t->stage = s;
    t->ops = &staged_ops;
    t->forks = asynchat__forks();
    s->ready = t->ready;
    t->ready = stage_ready;
    stage_part_output(t, s);
    s->below->stage(t);
    s->dialing = t->phase == TRANSPORT_CONNECTING;
    s->readable = true;
    if (len > 0)
        stage_put_first(t, first, len);
    if (!s->dialing && t->phase != TRANSPORT_FAILED)
        stage_shake(t);
    if (hidden)
        asynchat__stage_end(t);
    stage_settle(t, t->ended, t->broken);
}

/* The table below knows the evbuffer of the output as the bufferevent's. */
static void stage_join_output(struct transport *t, struct stage *s)
{
    struct evbuffer *sealed = bufferevent_get_output(t->bev);
    evbuffer_drain(sealed, evbuffer_get_length(sealed));
    if (t->output != s->output)
        return;
    t->output = sealed;
    if (evbuffer_add_buffer(sealed, s->output) < 0)
        t->broken = -ENOMEM;
}

void asynchat__stage_retract(struct transport *t)
{
    struct stage *s = t->stage;
    struct evbuffer *unopened = stage_unopened(t);
    stage_part(t);
    if (s->gone)
        *s->gone = true;
    evbuffer_drain(unopened, evbuffer_get_length(unopened));
    stage_join_output(t, s);
    t->ops = s->below;
    t->stage = NULL;
    t->received = 0;
    asynchat__timer_end(&s->later);
    s->codec->release(s->layer);
    asynchat__stage_undo(s);
}
