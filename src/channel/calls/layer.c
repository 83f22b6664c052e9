/* Layers: what a channel does until its layer is up.
 *
 * Tested by tests/test_layer.c. SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/layer.h>

#include <limits.h>

#include <event2/buffer.h>

#include "base/memory.h"
#include "base/table.h"
#include "channel/calls/layer.h"
#include "channel/object.h"
#include "channel/proxied.h"
#include "transport/stage.h"

#define HANDSHAKE_TIME 10000
#define LAYER_FLAGS ASYNCHAT_LAYER_REFUSE_EARLY

_Static_assert(sizeof(struct asynchat_layer_ops) ==
                   sizeof(size_t) + 6 * sizeof(void (*)(void)),
               "asynchat_layer_ops has padding");
_Static_assert(sizeof(struct asynchat_layer_options) ==
                   sizeof(size_t) + 2 * sizeof(unsigned) +
                       sizeof(void (*)(void)),
               "asynchat_layer_options has padding");

/* The transport frees it, as a stage. `ready` is what the transport, or the
 * stage, calls as long as there is no layer, or it is up: until then it is a
 * function of this file, so that nobody else looks. */
struct channel_layer {
    struct stage stage;
    void (*ready)(struct transport *t);
    void (*up)(struct asynchat_channel *ch, void *arg);
    unsigned time; /* milliseconds, or 0 */
    bool timed;    /* that time has begun */
    bool refuses;  /* what came before the layer */
};

static struct channel_layer *layer_of(const struct transport *t)
{
    return (struct channel_layer *)t->stage;
}

static struct asynchat_channel *layer_channel(struct transport *t)
{
    return (struct asynchat_channel *)t;
}

/* --- the handshake --- */

/* The layer is up behind handle_connect. */
static void layer_tell_up(struct asynchat_channel *ch)
{
    asynchat__channel_hold(ch);
    if (ch->time)
        asynchat__channel_time_up(ch);
    if (layer_of(&ch->transport)->up)
        layer_of(&ch->transport)->up(ch, ch->arg);
    asynchat__channel_release(ch);
}

/* What the stage calls until the layer is up. */
static void layer_shakes(struct transport *t)
{
    struct channel_layer *layer = layer_of(t);
    struct asynchat_channel *ch = layer_channel(t);
    const bool *gone = layer->stage.gone;
    if (t->phase != TRANSPORT_CONNECTING && !layer->timed) {
        layer->timed = true;
        if (asynchat__channel_time_shake(ch, layer->time) < 0) {
            channel_end_now(ch, -ENOMEM);
            return;
        }
    }
    if (layer->stage.shaking && t->ended == ASYNCHAT_EOF &&
        ch->state != CHANNEL_CONNECTING)
        t->ended = ASYNCHAT_EHANDSHAKE;
    if (t->phase != TRANSPORT_CONNECTING && !layer->stage.shaking) {
        layer->stage.ready = layer->ready;
        if (ch->state != CHANNEL_CONNECTING && ch->state < CHANNEL_ENDED)
            layer_tell_up(ch);
    }
    if (!*gone)
        layer->ready(t);
}

/* The stage takes over from whoever was called. A PROXY header that is to be
 * sent goes in front of the layer. */
static void layer_begin(struct asynchat_channel *ch)
{
    struct channel_layer *layer = layer_of(&ch->transport);
    struct channel_proxy *p = ch->proxy;
    bool goes = p && p->state == PROXIED_GOES;
    ch->transport.ready = layer_shakes;
    channel_out_busy(ch);
    asynchat__stage_begin(&ch->transport, &layer->stage, goes ? p->bytes : NULL,
                          goes ? p->len : 0);
    if (goes)
        p->state = PROXIED_WENT;
    ch->transport.ops->wake(&ch->transport);
}

unsigned asynchat__channel_layer_take_time(struct asynchat_channel *ch)
{
    struct channel_layer *layer = layer_of(&ch->transport);
    layer->timed = true;
    return layer->time;
}

void asynchat__channel_layer_hand_over(struct asynchat_channel *ch,
                                       void (*ready)(struct transport *t))
{
    layer_of(&ch->transport)->ready = ready;
}

void asynchat__channel_layer_undo(struct asynchat_channel *ch)
{
    struct channel_layer *layer = layer_of(&ch->transport);
    void (*ready)(struct transport * t) = layer->ready;
    asynchat__stage_retract(&ch->transport);
    ch->transport.ready = ready;
}

/* --- the border --- */

/* Nothing that came as it is meets the framer again. */
static void layer_forget_input(struct asynchat_channel *ch)
{
    channel_in_drop(&ch->in);
    ch->in.buffer = BUFFER_EMPTY;
}

/* Before the connection is up, only asynchat_unread() can have given bytes to
 * the channel. The layer opens them, and what it makes of them counts as
 * received. */
static void layer_take_unread(struct asynchat_channel *ch)
{
    if (ch->in.received == 0)
        return;
    ch->in.received = 0;
    ch->in.buffer = BUFFER_EMPTY;
}

static bool layer_has_early(const struct asynchat_channel *ch)
{
    struct evbuffer *input = asynchat__transport_input(&ch->transport);
    return evbuffer_get_length(input) > 0 || framer_held(&ch->in.framer) > 0;
}

/* All that was pushed before is sent. The channel may be gone afterwards. */
static void layer_reach(struct asynchat_channel *ch)
{
    struct channel_layer *layer = layer_of(&ch->transport);
    int error = ch->status;
    if (ch->state == CHANNEL_OPEN)
        error = layer->refuses && layer_has_early(ch) ? ASYNCHAT_EPROTOCOL : 0;
    if (error || ch->state != CHANNEL_OPEN) {
        channel_end_now(ch, error);
        return;
    }
    asynchat__outq_pass(&ch->out.queue);
    layer_forget_input(ch);
    asynchat__channel_resume(ch, PAUSE_BORDER);
    layer_begin(ch);
}

/* What is called, in place of `ready`, until the border is reached. */
static void layer_waits(struct transport *t)
{
    struct channel_layer *layer = layer_of(t);
    struct asynchat_channel *ch = layer_channel(t);
    bool gone = false;
    layer->stage.gone = &gone;
    layer->ready(t);
    if (gone)
        return;
    layer->stage.gone = NULL;
    if (channel_sends(ch) && channel_out_at_border(ch) &&
        !ch->out.queue.block && asynchat__transport_pending(t) == 0 &&
        t->hold == OUTPUT_FREE && !t->broken)
        layer_reach(ch);
}

/* 0 or -ENOMEM. */
static int layer_set_border(struct asynchat_channel *ch,
                            struct channel_layer *layer)
{
    struct transport *t = &ch->transport;
    if (asynchat__outq_border(&ch->out.queue) < 0)
        return -ENOMEM;
    asynchat__stage_wait(t, &layer->stage);
    t->ready = layer_waits;
    channel_out_busy(ch);
    asynchat__channel_pause(ch, PAUSE_BORDER);
    t->ops->wake(t);
    return 0;
}

/* --- calls of the program --- */

/* `finish` may be NULL, and so may each function behind it. */
static int layer_ops_check(const struct asynchat_layer_ops *ops)
{
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): a pointer is last */
    const size_t least = TABLE_SIZE(struct asynchat_layer_ops, release);
    int error = asynchat__table_check(ops, least, sizeof *ops);
    if (error)
        return error;
    return ops->open && ops->seal && ops->ended && ops->release ? 0 : -EINVAL;
}

/* Copies what was asked for, or the defaults. */
static int layer_options_check(struct asynchat_layer_options *copy,
                               const struct asynchat_layer_options *options)
{
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): a pointer is last */
    const size_t least = TABLE_SIZE(struct asynchat_layer_options, up);
    int error = asynchat__table_take(copy, options, least, sizeof *copy);
    if (error)
        return error;
    bool long_time = copy->time > INT_MAX && copy->time != UINT_MAX;
    if ((copy->flags & ~LAYER_FLAGS) || long_time)
        return -EINVAL;
    if (copy->time == 0)
        copy->time = HANDSHAKE_TIME;
    return 0;
}

/* Whether a layer can begin on that channel, now or at a border. Before the
 * connection is up, nothing of what is queued has been sent, whatever ends
 * behind it. */
static int layer_may_begin(const struct asynchat_channel *ch)
{
    bool connecting = ch->state == CHANNEL_CONNECTING;
    if (!connecting && (ch->state != CHANNEL_OPEN || ch->out.queue.ends))
        return ASYNCHAT_ECLOSED;
    if (ch->transport.stage ||
        (connecting && ch->transport.hold != OUTPUT_FREE))
        return -EBUSY;
    return 0;
}

static int layer_make(struct asynchat_channel *ch,
                      const struct asynchat_layer_ops *ops, void *arg,
                      const struct asynchat_layer_options *options,
                      struct channel_layer **out)
{
    struct channel_layer *layer = asynchat__calloc(1, sizeof *layer);
    if (!layer)
        return -ENOMEM;
    int error = asynchat__stage_init(&layer->stage, &ch->transport, ops, arg);
    if (error) {
        asynchat__free(layer);
        return error;
    }
    layer->ready = ch->transport.ready;
    layer->up = options->up;
    layer->time = options->time == UINT_MAX ? 0 : options->time;
    layer->refuses = options->flags & ASYNCHAT_LAYER_REFUSE_EARLY;
    *out = layer;
    return 0;
}

int asynchat_set_layer(struct asynchat_channel *ch,
                       const struct asynchat_layer_ops *ops, void *layer,
                       const struct asynchat_layer_options *options)
{
    struct asynchat_layer_options copy;
    struct channel_layer *made;
    int error = ch ? layer_ops_check(ops) : -EINVAL;
    if (!error)
        error = layer_options_check(&copy, options);
    if (!error)
        error = layer_may_begin(ch);
    if (!error)
        error = layer_make(ch, ops, layer, &copy, &made);
    if (error)
        return error;
    if (ch->state != CHANNEL_CONNECTING) {
        error = layer_set_border(ch, made);
        if (error)
            asynchat__stage_undo(&made->stage);
        return error;
    }
    ch->transport.stage = &made->stage;
    layer_take_unread(ch);
    layer_begin(ch);
    return 0;
}

void *asynchat_get_layer(const struct asynchat_channel *ch,
                         const struct asynchat_layer_ops *ops)
{
    const struct stage *stage = ch ? ch->transport.stage : NULL;
    return stage && stage->codec == ops ? stage->layer : NULL;
}
