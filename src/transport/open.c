/* A stage, inwards: opens the bytes that the transport receives, and asks the
 * layer how the input has ended.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "transport/stage.h"

#include <errno.h>

#include <asynchat/error.h>

#include "loop/loop.h"

/* Whether more can be opened at all. */
static bool stage_can_open(const struct transport *t)
{
    const struct stage *s = t->stage;
    return !s->dialing && !s->over && !s->error && !s->drops;
}

/* Whether more can be opened, and the channel wants it. */
bool asynchat__stage_opens(const struct transport *t)
{
    return (t->stage->how == TRANSPORT_READ || t->stage->shaking) &&
           stage_can_open(t);
}

/* Checks what the layer has done. Answers `how`, or -EPROTO if a layer may not
 * do that. */
static int stage_check(const struct transport *t, int how, size_t len,
                       size_t taken, size_t room, size_t given)
{
    bool up = !t->stage->shaking || (how > 0 && (how & ASYNCHAT_LAYER_UP));
    bool stands = taken == 0 && given == 0 && len > 0 &&
                  (how & (ASYNCHAT_LAYER_LATER | ASYNCHAT_LAYER_WAIT)) == 0;
    if (how < 0)
        return how;
    if (taken > len || given > room || (given > 0 && !up))
        return -EPROTO;
    return stands && !(how & ASYNCHAT_LAYER_OVER) ? -EPROTO : how;
}

/* Has the layer open bytes, and puts the plain bytes behind those that were
 * opened earlier in this wake-up. Answers how many bytes the layer has
 * taken. */
static size_t stage_open_some(struct transport *t, const uint8_t *data,
                              size_t len)
{
    struct stage *s = t->stage;
    size_t taken = 0, given = 0, room = LOOP_OPENED - t->received;
    int how = s->codec->open(s->layer, data, len, &taken,
                             t->loop->received + t->received, room, &given);
    how = stage_check(t, how, len, taken, room, given);
    if (taken > len || given > room)
        taken = given = 0;
    if (how >= 0 || !t->stage->shaking)
        t->received += (uint32_t)given;
    asynchat__stage_answered(t, how);
    if (t->received == LOOP_OPENED)
        s->waits = true;
    return taken;
}

static size_t stage_open(struct transport *t, const uint8_t *data, size_t len)
{
    size_t taken = 0;
    do
        taken += stage_open_some(t, data + taken, len - taken);
    while (taken < len && !t->stage->waits && asynchat__stage_opens(t));
    return taken;
}

/* Opens bytes that were received earlier. Over a pair, bytes that came by
 * reference are released when they are drained, and code of the program
 * runs. */
static void stage_open_kept(struct transport *t, const bool *gone)
{
    struct evbuffer *kept = stage_unopened(t);
    struct evbuffer_iovec piece;
    size_t left = LOOP_BUFFER;
    while (!*gone && left > 0 && evbuffer_get_length(kept) > 0 &&
           !t->stage->waits && asynchat__stage_opens(t)) {
        evbuffer_peek(kept, 1, NULL, &piece, 1);
        size_t len = piece.iov_len < left ? piece.iov_len : left;
        size_t taken = stage_open(t, piece.iov_base, len);
        left -= len;
        evbuffer_drain(kept, taken);
    }
}

/* Receives once for each wake-up. Bytes that the layer does not take now are
 * kept. False: nothing was received. */
static bool stage_open_new(struct transport *t)
{
    uint8_t *sealed = t->loop->layers->sealed;
    size_t most = t->read_size < LOOP_BUFFER ? t->read_size : LOOP_BUFFER;
    size_t len = t->stage->below->pull(t, sealed, most);
    size_t taken = len > 0 ? stage_open(t, sealed, len) : 0;
    if (taken < len && stage_can_open(t) &&
        evbuffer_add(stage_unopened(t), sealed + taken, len - taken) < 0)
        t->ended = -ENOMEM;
    return len > 0;
}

/* The channel has sent all, so input is dropped without being opened. The
 * socket's buffers fill up if the peer does not stop, and the linger time ends
 * that. */
void asynchat__stage_drop(struct transport *t)
{
    struct stage *s = t->stage;
    struct evbuffer *kept = stage_unopened(t);
    if (s->readable && s->below->pull)
        s->dropped +=
            (uint32_t)s->below->pull(t, t->loop->layers->sealed, LOOP_BUFFER);
    evbuffer_drain(kept, evbuffer_get_length(kept));
}

/* Opens bytes that were received earlier, or else receives. False: there was
 * nothing to open. */
static bool stage_receive(struct transport *t, const bool *gone)
{
    struct stage *s = t->stage;
    bool later = s->waits;
    if (t->ended || !asynchat__stage_opens(t) || (s->waits && !s->due))
        return true;
    s->waits = s->slow = s->due = false;
    if (evbuffer_get_length(stage_unopened(t)) > 0)
        stage_open_kept(t, gone);
    else if (later)
        stage_open_some(t, NULL, 0);
    else
        return s->readable && s->below->pull && stage_open_new(t);
    return true;
}

/* A peer that takes nothing any more during the handshake may have said why. If
 * its words are there, they are the reason. Otherwise the handshake has failed
 * by the error of sending. */
void asynchat__stage_receive(struct transport *t, const bool *gone)
{
    bool broken = t->stage->shaking && t->broken;
    t->stage->readable = t->stage->readable || broken;
    if (!stage_receive(t, gone) && broken && !t->ended)
        t->ended = t->broken;
}

/* Whether something that was received before is still to be opened. */
bool asynchat__stage_has_more(const struct transport *t)
{
    return t->stage->waits || evbuffer_get_length(stage_unopened(t)) > 0;
}

/* Puts the end of the input behind all bytes that came before it, and asks the
 * layer which end it is. */
void asynchat__stage_end(struct transport *t)
{
    struct stage *s = t->stage;
    if (s->error)
        return;
    if (s->hidden && (s->drops || !asynchat__stage_has_more(t))) {
        s->hidden = false;
        t->ended = ASYNCHAT_EOF;
    }
    if (t->ended != ASYNCHAT_EOF || s->over || s->drops || s->asked)
        return;
    s->hidden = asynchat__stage_has_more(t);
    s->asked = !s->hidden;
    int how = s->hidden ? 0 : s->codec->ended(s->layer);
    t->ended = s->asked && how >= 0 ? ASYNCHAT_EOF : how;
}
