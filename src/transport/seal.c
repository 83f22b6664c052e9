/* A stage, outwards: what the channel sends, and the layer's own words, are sealed and
 * gathered, and leave together. SPDX-License-Identifier: BSD-3-Clause */
#include "transport/stage.h"

#include <errno.h>
#include <string.h>

#include <asynchat/error.h>

#include "loop/loop.h"

/* The pieces of output that are looked at for one write. */
#define STAGE_PIECES 64

/* --- the gather --- */

/* Sealed bytes that there is no memory for are missing in the stream: nothing that
 * comes behind them can be opened, nor is what the peer says an answer. */
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

/* The gather is this one's, and has room for a piece. False: what was sealed before
 * is not sent, and so nothing more is sealed. */
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

/* Adds the sealed bytes to the gather, which has room. Answers what the layer did. */
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

/* What the peer is to be told of the error leaves with the rest. An error that the
 * layer finds is the reason for one that sending has had. */
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
    if (how & ASYNCHAT_LAYER_LATER)
        s->waits = true;
    if (how & ASYNCHAT_LAYER_OVER) {
        s->over = true;
        t->ended = ASYNCHAT_EOF;
    }
}

/* The layer's own words: behind its last ones there are none. */
void asynchat__stage_say(struct transport *t)
{
    struct stage *s = t->stage;
    size_t before = SIZE_MAX;
    while (s->says && !s->error && !s->worded && asynchat__stage_has_room(t) &&
           t->loop->layers->gathered != before) {
        before = t->loop->layers->gathered;
        s->says = false;
        asynchat__stage_answered(t, stage_seal(t, NULL, 0));
    }
}

/* --- the output --- */

static void piece_advance(struct evbuffer_iovec *pieces, int *at, size_t len)
{
    pieces[*at].iov_base = (char *)pieces[*at].iov_base + len;
    pieces[*at].iov_len -= len;
    if (pieces[*at].iov_len == 0)
        ++*at;
}

/* The next bytes to seal, at most `most`: from where they lie, unless they are short
 * and others follow. Answers how many. */
static size_t piece_next(struct evbuffer_iovec *pieces, int count, int *at,
                         size_t most, uint8_t *together, const void **data)
{
    size_t len = pieces[*at].iov_len < most ? pieces[*at].iov_len : most;
    *data = pieces[*at].iov_base;
    if (len == most || *at + 1 == count) {
        piece_advance(pieces, at, len);
        return len;
    }
    *data = together;
    for (len = 0; *at < count && len < most;) {
        size_t left = most - len, part = pieces[*at].iov_len;
        if (part > left)
            part = left;
        memcpy(together + len, pieces[*at].iov_base, part);
        piece_advance(pieces, at, part);
        len += part;
    }
    return len;
}

/* Seals what was pushed and the output, at most `most` bytes. Answers how many. */
size_t asynchat__stage_seal_output(struct transport *t, size_t most)
{
    struct evbuffer_iovec pieces[STAGE_PIECES];
    int at = 0, count = 0;
    size_t done = 0;
    if (t->pushed > 0)
        pieces[count++] = (struct evbuffer_iovec){t->loop->pushed, t->pushed};
    count += evbuffer_peek(t->output, -1, NULL, pieces + count,
                           STAGE_PIECES - count);
    if (count > STAGE_PIECES)
        count = STAGE_PIECES;
    while (at < count && done < most && !t->stage->error &&
           asynchat__stage_has_room(t)) {
        const void *data;
        size_t piece =
            most - done < LOOP_STAGE ? most - done : (size_t)LOOP_STAGE;
        size_t len = piece_next(pieces, count, &at, piece,
                                t->loop->layers->stage, &data);
        asynchat__stage_answered(t, stage_seal(t, data, len));
        t->stage->loaded = t->stage->put + t->loop->layers->gathered;
        done += len;
    }
    return done;
}

/* A peer is not told that all is well if something was dropped. */
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
    if (s->codec->finish(s->layer, layers->gather + layers->gathered, room,
                         &given) >= 0 &&
        given <= room)
        layers->gathered += given;
    asynchat__stage_flush(t);
}
