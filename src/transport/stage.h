/* A stage: the codec of a layer, between a transport and its channel.
 *
 * A stage is another table of operations. By this table the channel sends and
 * receives plain bytes. The table stands on the transport's own table, which
 * moves sealed bytes. So the plain way has no test for a layer. Sealed bytes
 * that have to stay lie in the evbuffers of the bufferevent; plain bytes that
 * have to stay lie in evbuffers of the stage.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_STAGE_H
#define ASYNCHAT_STAGE_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include <asynchat/layer.h>

#include "loop/timer.h"
#include "transport/transport.h"

/* Invariants:
 *
 * - Nothing is sealed while sealed bytes lie in the output of the bufferevent.
 * - Nothing is received while sealed bytes lie in the input of the bufferevent,
 *   or while `waits` is set.
 * - `gone` is set while the stage is at work for the loop, and points to a flag
 *   on the stack. Code that frees the transport sets this flag, and nothing of
 *   the stage is touched after that. */
struct stage {
    const struct transport_ops *below; /* the transport's own table */
    /* A copy of that table, with another `close`. The transport uses it until
     * the stage begins. */
    struct transport_ops waiting;
    void (*ready)(struct transport *t); /* called by the stage */
    const struct asynchat_layer_ops *codec;
    void *layer;
    /* Plain bytes that were opened and are not delivered yet. */
    struct evbuffer *input;
    /* Plain bytes that are to be sent over a socket. A pair's transport has an
     * evbuffer for them already. */
    struct evbuffer *output;
    /* A timer that is over at once: it looks in the loop's next pass. */
    struct timer later;
    bool *gone;   /* see the invariants */
    uint64_t put; /* sealed bytes given to the transport in all */
    /* What `put` is at the end of the last piece of the channel's output.
     * Sealed bytes behind that are the layer's own words. */
    uint64_t loaded;
    /* The layer's error, or 0. After an error the layer is called at most once
     * more, for words about the error. */
    int error;
    uint32_t dropped;           /* bytes, by `drops` */
    enum transport_reading how; /* what the channel wants to read */
    bool shaking;               /* the handshake is not done */
    bool writes;                /* the channel wants `ready` when it can send */
    bool dialing;               /* the connection itself is not up yet */
    bool readable;              /* there may be something to receive */
    /* The layer has answered LATER or WAIT, or loop->received is full. */
    bool waits;
    bool slow;   /* the layer has answered WAIT */
    bool due;    /* the timer has fired since `waits` was set */
    bool says;   /* the layer has words of its own to send */
    bool over;   /* the layer says that the peer has ended in order */
    bool asked;  /* the layer was asked how the peer ended */
    bool hidden; /* the end of the input waits for bytes before it */
    bool worded; /* the layer was asked for its last words */
    bool stays;  /* the layer has answered LINGER */
    bool lossy;  /* output was dropped, so there are no last words */
    bool drops;  /* bytes that the peer still sends are dropped */
    bool shuts;  /* the output ends when all is sent */
};

/* Sealed bytes that were received and are not opened yet. */
static inline struct evbuffer *stage_unopened(const struct transport *t)
{
    return bufferevent_get_input(t->bev);
}

/* How many sealed bytes the transport was given and has not sent yet. */
static inline size_t stage_unsent(const struct transport *t)
{
    return evbuffer_get_length(bufferevent_get_output(t->bev));
}

/* --- stage.c: making a stage, and beginning it --- */

/* Makes a stage for the transport. The memory has to be all zero, begins with
 * the stage, and is freed by asynchat__free() when the transport is closed. 0,
 * -ENOTSUP or -ENOMEM. On success the stage takes `layer`, but only when
 * asynchat__stage_wait() or asynchat__stage_begin() is called. */
int asynchat__stage_init(struct stage *s, struct transport *t,
                         const struct asynchat_layer_ops *codec, void *layer);

/* Frees what asynchat__stage_init() has made. The channel calls this function
 * only if it has called neither asynchat__stage_wait() nor
 * asynchat__stage_begin(). */
void asynchat__stage_undo(struct stage *s);

/* Gives the stage to the transport, which goes on without using it for now. */
void asynchat__stage_wait(struct transport *t, struct stage *s);

/* Begins the stage, and gives it to the transport, if the transport does not
 * have it already. The transport must have no output that is to be sent as it
 * is, but for `len` bytes of `first`, which go before all that is sealed. */
void asynchat__stage_begin(struct transport *t, struct stage *s,
                           const void *first, size_t len);

/* Takes the stage, which has begun and is not up, off the transport again.
 * Words about an error are sent if they can be sent now. Output is as it was
 * before the stage began; what lies there as sealed bytes is dropped. The stage
 * is freed. If it is at work for the loop, `gone` is set, as if the transport
 * were freed. */
void asynchat__stage_retract(struct transport *t);

/* To be called when output was dropped. This output would be missing before the
 * layer's last words, so there are no last words. */
static inline void stage_lose(struct stage *s)
{
    s->lossy = true;
}

/* --- seal.c: outwards --- */

/* Sends the gathered bytes, and before them those that the transport did not
 * take earlier. */
void asynchat__stage_flush(struct transport *t);

/* Makes the gather this transport's own, with room for a piece. False: nothing
 * more may be sealed, since bytes that were sealed before are not sent. */
bool asynchat__stage_has_room(struct transport *t);

/* To be called with what the layer has answered, which may be an error. */
void asynchat__stage_answered(struct transport *t, int how);

/* Gathers the layer's own words, if it has any. */
void asynchat__stage_say(struct transport *t);

/* Seals and gathers at most `most` bytes: those that were pushed, then those of
 * the output. Answers how many bytes it has sealed. */
size_t asynchat__stage_seal_output(struct transport *t, size_t most);

/* Gathers the layer's last words, and sends them. The gather must have room for
 * them. There are none if output was dropped: the peer is not told that all is
 * well. */
void asynchat__stage_last_words(struct transport *t);

/* --- open.c: inwards --- */

/* Whether more can be opened, and the channel wants it. */
bool asynchat__stage_opens(const struct transport *t);

/* Whether something that was received before is still to be opened. */
bool asynchat__stage_has_more(const struct transport *t);

/* Opens the sealed bytes that there are, and puts the plain bytes behind those
 * in loop->received. Code of the program may run, and may free the transport.
 * Then *gone is set. */
void asynchat__stage_receive(struct transport *t, const bool *gone);

/* Drops the sealed bytes that have come. To be called in each wake-up after all
 * is sent. */
void asynchat__stage_drop(struct transport *t);

/* If the input has ended, puts this end behind all bytes that came before it,
 * and asks the layer which end it is. */
void asynchat__stage_end(struct transport *t);

#endif
