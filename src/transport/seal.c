/* A stage, outwards: seals what the channel sends and the layer's own words,
 * and gathers both, so that they leave together.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "transport/stage.h"

#include <errno.h>
#include <string.h>

#include <asynchat/error.h>

#include "loop/loop.h"

/* --- the gather --- */

/* If there is no memory for sealed bytes, they are missing in the stream. The
 * peer can open nothing that comes behind them, and nothing that it says is an
 * answer. So the input ends as well. */
void asynchat__stage_flush(struct transport *t)
{
    struct loop_layers *layers = t->loop->layers;
    size_t len = 0;
    if (layers->gather_of == t) {
        len = layers->gathered;
        layers->gathered = 0;
        layers->gather_of = NULL;
    }
    t->stage->put += len;
    if (len > 0 || stage_unsent(t) > 0)
        t->stage->below->put(t, layers->gather, len);
    if (t->broken == -ENOMEM && !t->ended)
        t->ended = -ENOMEM;
}

/* Makes the gather this transport's own, with room for a piece. False: nothing
 * more may be sealed, since bytes that were sealed before are not sent. */
bool asynchat__stage_has_room(struct transport *t)
{
    struct loop_layers *layers = t->loop->layers;
    if (layers->gather_of && layers->gather_of != t)
        asynchat__stage_flush(layers->gather_of);
    if (layers->gather_of &&
        LOOP_GATHER - layers->gathered < ASYNCHAT_LAYER_ROOM)
        asynchat__stage_flush(t);
    layers->gather_of = t;
    return stage_unsent(t) == 0 && !t->broken;
}

/* --- the layer seals --- */

/* Seals bytes into the gather, which has room for them. Answers what the layer
 * has answered. */
static int stage_seal(struct transport *t, const void *data, size_t len)
{
    struct loop_layers *layers = t->loop->layers;
    size_t given = 0, room = LOOP_GATHER - layers->gathered;
    int how =
        t->stage->codec->seal(t->stage->layer, data, len,
                              layers->gather + layers->gathered, room, &given);
    if (given > room)
        return -EPROTO;
    layers->gathered += given;
    return how;
}

/* Words that tell the peer of the error leave with the rest. If the connection
 * was found broken before, the layer's error is the reason for that. */
static void stage_fail(struct transport *t, int error)
{
    struct stage *s = t->stage;
    if (s->error)
        return;
    s->error = error;
    if (t->broken == -EPIPE || t->broken == -ECONNRESET)
        t->broken = error;
    if (!s->worded && asynchat__stage_has_room(t))
        stage_seal(t, NULL, 0);
    t->ended = error;
}

void asynchat__stage_answered(struct transport *t, int how)
{
    struct stage *s = t->stage;
    if (how < 0) {
        stage_fail(t, how);
        return;
    }
    if (how & ASYNCHAT_LAYER_UP)
        t->stage->shaking = false;
    if (how & ASYNCHAT_LAYER_SAYS)
        s->says = true;
    if (how & (ASYNCHAT_LAYER_LATER | ASYNCHAT_LAYER_WAIT))
        s->waits = true;
    s->slow = s->slow || (how & ASYNCHAT_LAYER_WAIT);
    if (how & ASYNCHAT_LAYER_OVER) {
        s->over = true;
        t->ended = ASYNCHAT_EOF;
    }
}

/* Bytes that the layer has given in all. */
static uint64_t stage_given(const struct transport *t)
{
    return t->stage->put + t->loop->layers->gathered;
}

/* Gathers the layer's own words, as long as there are any. After its last words
 * the layer has none. */
void asynchat__stage_say(struct transport *t)
{
    struct stage *s = t->stage;
    uint64_t before = UINT64_MAX;
    while (s->says && !s->error && !s->worded && asynchat__stage_has_room(t) &&
           stage_given(t) != before) {
        before = stage_given(t);
        s->says = false;
        asynchat__stage_answered(t, stage_seal(t, NULL, 0));
    }
}

/* --- the output --- */

/* Plain bytes that are to be sealed: first those that were pushed, then those
 * of the output, from `at` on. */
struct plain {
    const uint8_t *pushed;
    size_t pushed_len;
    struct evbuffer *output;
    size_t output_len;
    struct evbuffer_ptr at;
};

static void plain_init(struct plain *plain, const struct transport *t)
{
    plain->pushed = t->loop->pushed;
    plain->pushed_len = t->pushed;
    plain->output = t->output;
    plain->output_len = evbuffer_get_length(t->output);
    evbuffer_ptr_set(t->output, &plain->at, 0, EVBUFFER_PTR_SET);
}

/* How many of the first `len` bytes were pushed. */
static size_t plain_pushed(const struct plain *plain, size_t len)
{
    return len < plain->pushed_len ? len : plain->pushed_len;
}

/* Copies the first `len` bytes together. */
static void plain_copy(struct plain *plain, uint8_t *to, size_t len)
{
    size_t pushed = plain_pushed(plain, len);
    memcpy(to, plain->pushed, pushed);
    evbuffer_copyout_from(plain->output, &plain->at, to + pushed, len - pushed);
}

static void plain_advance(struct plain *plain, size_t len)
{
    size_t pushed = plain_pushed(plain, len);
    plain->pushed += pushed;
    plain->pushed_len -= pushed;
    plain->output_len -= len - pushed;
    if (plain->output_len > 0)
        evbuffer_ptr_set(plain->output, &plain->at, len - pushed,
                         EVBUFFER_PTR_ADD);
}

/* Gives the next `len` bytes: where they lie, if they lie in one piece, or
 * copied together. */
static const void *plain_next(struct plain *plain, size_t len,
                              uint8_t *together)
{
    struct evbuffer_iovec first = {(void *)plain->pushed, plain->pushed_len};
    const void *data = together;
    if (plain->pushed_len == 0)
        evbuffer_peek(plain->output, (ev_ssize_t)len, &plain->at, &first, 1);
    if (first.iov_len >= len)
        data = first.iov_base;
    else
        plain_copy(plain, together, len);
    plain_advance(plain, len);
    return data;
}

/* Seals and gathers at most `most` bytes: those that were pushed, then those of
 * the output. Answers how many bytes it has sealed. */
size_t asynchat__stage_seal_output(struct transport *t, size_t most)
{
    struct loop_layers *layers = t->loop->layers;
    struct plain plain;
    size_t done = 0;
    plain_init(&plain, t);
    if (most > plain.pushed_len + plain.output_len)
        most = plain.pushed_len + plain.output_len;
    while (done < most && !t->stage->error && asynchat__stage_has_room(t)) {
        size_t len =
            most - done < LOOP_STAGE ? most - done : (size_t)LOOP_STAGE;
        const void *data = plain_next(&plain, len, layers->stage);
        asynchat__stage_answered(t, stage_seal(t, data, len));
        t->stage->loaded = t->stage->put + layers->gathered;
        done += len;
    }
    return done;
}

/* There are no last words if output was dropped: the peer is not told that all
 * is well. */
void asynchat__stage_last_words(struct transport *t)
{
    struct stage *s = t->stage;
    size_t given = 0;
    bool up = !s->dialing && t->phase != TRANSPORT_FAILED && !t->stage->shaking;
    if (!up || s->worded || s->lossy || s->error || !s->codec->finish)
        return;
    struct loop_layers *layers = t->loop->layers;
    size_t room = LOOP_GATHER - layers->gathered;
    s->worded = true;
    int how = s->codec->finish(s->layer, layers->gather + layers->gathered,
                               room, &given);
    if (how >= 0 && given <= room)
        layers->gathered += given;
    s->stays = how >= 0 && (how & ASYNCHAT_LAYER_LINGER);
    asynchat__stage_flush(t);
}
