/* A stage: the codec of a layer between a transport and its channel.
 *
 * It is another table of operations, by which the channel sends and receives plain
 * bytes, and stands on the transport's own table, which moves sealed ones. So there
 * is no test for a layer in the plain one. Sealed bytes that have to stay lie in the
 * evbuffers of the bufferevent; plain ones in evbuffers of the stage.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_STAGE_H
#define ASYNCHAT_STAGE_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event_struct.h>

#include <asynchat/layer.h>

#include "transport/transport.h"

/* Invariants:
 *
 * - Nothing is sealed while sealed bytes lie in the output of the bufferevent.
 * - While sealed bytes lie in its input, or the layer has answered LATER, nothing is
 *   received.
 * - `gone` is set while the stage is at work for the loop, and points to its stack:
 *   what frees the transport says so there, and nothing is touched any more. */
struct stage {
    const struct transport_ops *below;  /* the transport's own */
    struct transport_ops waiting;       /* the same, until the stage begins */
    void (*ready)(struct transport *t); /* who is told, by the stage */
    const struct asynchat_layer_ops *codec;
    void *layer;
    struct evbuffer *input; /* plain bytes: opened, and not delivered yet */
    struct evbuffer
        *output;        /* plain bytes to be sent, over a socket; a pair has
                                an evbuffer for them already */
    struct event later; /* a timer that is over at once */
    bool *gone;         /* see the invariants */
    uint64_t put;       /* how many sealed bytes there were */
    uint64_t loaded; /* the same, at the end of the last piece of the channel's
                        output: bytes behind it are the layer's own words */
    int error; /* of the layer; but for words about it the layer is not called
                        any more */
    enum transport_reading how; /* how the channel wants to read */
    bool shaking;               /* the layer is not up */
    bool writes;   /* the channel wants to be told when it can write */
    bool dialing;  /* the connection itself is not up */
    bool readable; /* there may be something to receive */
    bool waits;    /* the layer has answered LATER */
    bool due;      /* the next pass after that answer has come */
    bool says;     /* the layer has words of its own */
    bool over;     /* the peer has ended in order */
    bool asked;    /* the layer was asked how the peer ended */
    bool hidden;   /* the end of the input waits for what came before it */
    bool worded;   /* the layer has had the last word */
    bool lossy;    /* output was dropped: there are no last words */
    bool drops;    /* what the peer still sends is dropped */
    bool shuts;    /* the output ends when all is sent */
};

/* What was received and is not opened, and what is sealed and not sent. */
static inline struct evbuffer *stage_unopened(const struct transport *t)
{
    return bufferevent_get_input(t->bev);
}

static inline size_t stage_unsent(const struct transport *t)
{
    return evbuffer_get_length(bufferevent_get_output(t->bev));
}

/* --- stage: made, and begun --- */

/* Makes one for the transport, of memory that is all zero, and that is freed by
 * free() when the transport is closed; the memory begins with the stage. 0, -ENOTSUP
 * or -ENOMEM; on success takes `layer`, but not before the next call. */
int asynchat__stage_init(struct stage *s, struct transport *t,
                         const struct asynchat_layer_ops *codec, void *layer);

/* The other end of that, if none of the following was called. */
void asynchat__stage_undo(struct stage *s);

/* The stage is the transport's, which goes on without it for now. */
void asynchat__stage_wait(struct transport *t, struct stage *s);

/* The stage is the transport's, or was, and begins. The transport has no output that
 * is to be sent as it is. */
void asynchat__stage_begin(struct transport *t, struct stage *s);

/* What was dropped would be missing before the layer's last words: there are none. */
static inline void stage_lose(struct stage *s)
{
    s->lossy = true;
}

/* --- seal: outwards --- */

/* Sends what is gathered, and what the transport did not take before. */
void asynchat__stage_flush(struct transport *t);

/* The gather is this one's, and has room for a piece. False: what was sealed before is
 * not sent, and so nothing more is sealed. */
bool asynchat__stage_has_room(struct transport *t);

/* The layer has answered that, or an error. */
void asynchat__stage_answered(struct transport *t, int how);

/* Gathers the layer's own words, if it has some. */
void asynchat__stage_say(struct transport *t);

/* Seals what was pushed and the output, at most `most` bytes, and gathers it. Answers
 * how many bytes. */
size_t asynchat__stage_seal_output(struct transport *t, size_t most);

/* Gathers the last words, which the gather has room for, and sends them. None if
 * output was dropped: the peer is not told that all is well. */
void asynchat__stage_last_words(struct transport *t);

/* --- open: inwards --- */

/* Whether the channel wants what can be opened, */
bool asynchat__stage_opens(const struct transport *t);

/* and some of that was received before. */
bool asynchat__stage_has_more(const struct transport *t);

/* Opens what there is, behind loop->received. Code of the program may run, which frees
 * the transport, and says so by *gone. */
void asynchat__stage_receive(struct transport *t, const bool *gone);

/* All is sent, and what still comes is not looked at. */
void asynchat__stage_drop(struct transport *t);

/* If the input has ended, that comes behind all that came before it, and the layer
 * says which end it is. */
void asynchat__stage_end(struct transport *t);

#endif
