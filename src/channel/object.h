/* struct asynchat_channel, the parts that it is made of, and what the files of
 * src/channel/ offer each other, the lowest file first.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_CHANNEL_OBJECT_H
#define ASYNCHAT_CHANNEL_OBJECT_H

#include <errno.h>

#include <asynchat/channel.h>
#include <asynchat/error.h>
#include <asynchat/log.h>
#include <asynchat/stats.h>

#include "base/address.h"
#include "framer/framer.h"
#include "loop/loop.h"
#include "output/marks.h"
#include "output/outq.h"
#include "transport/stage.h"
#include "transport/transport.h"

struct channel_proxy;
struct channel_rate;
struct channel_time;
struct channel_transcript;

/* The state of a channel. Only asynchat__channel_enter() changes it:
 *
 *                       +--------------------+
 *                       |                    v
 *   CONNECTING --> OPEN +--> SENDING --> LINGERING --> ENDED --> FREED
 *                       |                                ^
 *                       +--> RECEIVING ------------------+
 *
 * and from each of them straight to ENDED or FREED. */
enum channel_state {
    CHANNEL_CONNECTING, /* the connection is not up yet */
    CHANNEL_OPEN,
    CHANNEL_SENDING,   /* the input is over; the queue is still sent */
    CHANNEL_RECEIVING, /* the output is over; what the peer sends, or had sent,
                          is still delivered */
    CHANNEL_LINGERING, /* all is sent; what the peer still sends is dropped
                          until the peer has seen our end */
    CHANNEL_ENDED,     /* handle_close is due */
    CHANNEL_FREED      /* no callback runs any more */
};

/* Which direction of the connection may end before the other. Only
 * asynchat__channel_halve() changes it. */
enum channel_half {
    /* When the peer ends its output, the channel ends once all is sent. */
    HALF_NEITHER,
    /* When the peer ends its output, this side's output goes on. */
    HALF_KEPT,
    /* When all is sent, this side's output ends, and the input goes on. */
    HALF_SHUT,
    /* When all is sent, this side's output ends. The channel then waits until
     * the peer ends its own output, and drops what it still sends. */
    HALF_STAGES
};

/* How far a channel has come that is to end between two messages. Only
 * asynchat__channel_take_leave() changes it. */
enum channel_leave {
    LEAVE_NOT,
    LEAVE_BETWEEN,  /* the program has asked for it */
    LEAVE_STOPPING, /* the owner stops */
    LEAVE_TOLD,     /* the owner stops, and handle_stopping sees to the rest */
    LEAVE_NOW       /* the owner's grace is over */
};

/* Reasons why the input is not delivered. Several can hold at the same time. */
enum channel_pause {
    PAUSE_PROGRAM = 1,  /* the program has asked for it */
    PAUSE_PRESSURE = 2, /* the channel joined with this one is under pressure */
    PAUSE_TURN = 4,     /* the budget is used up; other channels go first */
    PAUSE_RATE = 8,     /* a rate does not allow it now */
    PAUSE_BORDER = 16,  /* a layer begins when what was pushed before is sent */
    PAUSE_SLOTS = 32,   /* as many slots wait as there may be */
    PAUSE_CLOSE = 64    /* the channel closes, and delivers nothing more */
};

/* The evbuffer of the input. Over a bufferevent, which fills it, EMPTY says
 * nothing. */
enum in_buffer {
    BUFFER_EMPTY,
    BUFFER_HOLDS,  /* it holds input that comes before what is received next */
    BUFFER_DRAINS, /* libevent drains it now: nobody else may touch it */
    BUFFER_DROPPED /* asynchat_discard_buffers() was called: all input goes */
};

/* Input: from the evbuffer through the framer to the handler. deliver.c writes
 * it; settings.c sets its sizes, and wake.c its pauses.
 *
 * Invariants: `turn` <= `allowed` <= `budget` at the end of a wake-up.
 * `message` has no memory while nothing of a message was kept. The framer is
 * paused exactly while `paused` is not 0 or the state receives nothing. The
 * framer is ASIDE while bytes that were kept wait for a handler that takes
 * pieces. What is kept lies at the beginning of `message`, or, if it is
 * `turned`, at its end; it is turned only while the framer is ASIDE. */
struct channel_in {
    struct framer framer;
    struct framer_cursor *cursor; /* the delivery under way; or NULL */
    struct spare message; /* a message in progress, for handler->message */
    /* How many bytes of the message in progress went to a handler in pieces,
     * and so are not in `message`. Means nothing while the handler takes
     * pieces, unless the framer is ASIDE. */
    uint64_t given;
    uint64_t received;       /* bytes received in all */
    uint64_t messages;       /* messages delivered in earlier wake-ups */
    uint64_t too_long;       /* messages of which bytes were dropped */
    uint64_t too_long_bytes; /* the sum of their lengths */
    uint32_t budget;         /* the most messages of a wake-up */
    uint32_t allowed;        /* the budget as this wake-up began */
    uint32_t turn;           /* messages that this wake-up may still deliver */
    bool timed; /* the clocks of the message in progress have begun */
    bool turned;
    enum in_buffer buffer : 8;
    uint8_t paused; /* the reasons, of channel_pause */
};

#define CHANNEL_MESSAGE_LIMIT (1u << 20)
#define CHANNEL_OUT_BUFFER_SIZE 65536
#define CHANNEL_LINGER 30000
#define CHANNEL_CONNECT_TIME 60000

/* Which way a push takes. */
enum out_way {
    WAY_LONG,  /* to the transport's evbuffer, or behind what is queued */
    WAY_SHORT, /* the same; but in the next wake-up the way is open */
    WAY_OPEN   /* into loop->pushed, to be sent when the wake-up ends */
};

/* Output: from the queue into the transport's evbuffer, and on. send.c and
 * push.c write it; settings.c sets its sizes.
 *
 * Invariants: unless the way is long, the channel is OPEN, nothing is queued,
 * pending or due, and nobody looks at pushes. The way is open in a wake-up
 * only. */
struct channel_out {
    struct outq queue;
    uint32_t chunk; /* the most bytes of one write, or asked of a producer */
    enum out_way way : 8;
    /* How many writes this wake-up has made; outside of wake-ups, how many
     * writes pushes have made since the last one. */
    uint8_t writes;
    size_t left; /* bytes pending at the end of the last wake-up */
    struct marks marks;
    uint64_t pressures; /* how often the program was told of the high mark */
    size_t limit;       /* the most bytes that may be queued */
};

/* The part of a channel's times that each wake-up looks at. The rest of the
 * times is memory that a wake-up does not touch while the channel is calm, so
 * this part lies in the channel. times.c writes it. Times are in milliseconds,
 * of a clock that wraps. */
struct channel_moves {
    uint32_t received; /* the low bits of in.received, when last seen */
    uint32_t sent;     /* the low bits of transport.sent, when last seen */
    uint32_t read_at;  /* when something came, or CLOCK_READ began */
    uint32_t moved_at; /* when something came or went, or CLOCK_IDLE began */
};

/* The owner of a channel, such as the server that has made it. The owner is
 * told when the channel is gone. */
struct channel_owner {
    /* Called once for a channel whose peer's address came in a PROXY header,
     * when it is known. 0: the channel may stay, maybe with another owner.
     * ASYNCHAT_ECLOSED: it is turned away, has no owner any more, and is to be
     * freed; -ENOMEM. */
    int (*meet)(struct channel_owner *owner, struct asynchat_channel *ch);
    /* Called once, right before the channel's memory is freed. */
    void (*gone)(struct channel_owner *owner,
                 const struct asynchat_channel *ch);
    /* Whatever the owner needs in `gone`. */
    void *arg;
    /* The errors of its channels are details in the log, since it tells of them
     * itself. */
    bool quiet;
};

/* Invariants: `next` and `link` mean something only while there is an owner.
 * Two channels are `joined` with each other, or neither is. `status` stays once
 * it is an error. The transport comes first, since its `ready` gets the
 * transport and finds the channel by it. */
struct asynchat_channel {
    struct transport transport;
    const struct asynchat_handler *handler;
    void *arg;
    uint64_t id; /* 0 until the program asks for it */
    struct peer_address peer;
    struct channel_in in;
    struct channel_out out;
    struct asynchat_channel *joined; /* or NULL */
    struct channel_moves moves;
    struct channel_time *time;             /* made when first needed; or NULL */
    struct channel_transcript *transcript; /* or NULL */
    struct channel_proxy *proxy;           /* a PROXY header; or NULL */
    struct channel_owner *owner;           /* or NULL */
    struct asynchat_channel *next, **link; /* among the owner's channels */
    unsigned linger;                       /* a time in milliseconds */
    int status;                            /* for handle_close */
    enum channel_state state : 8;
    enum channel_half half : 8;
    enum channel_leave leave : 8;
    bool running; /* in a wake-up, at whose end what was pushed is sent */
    bool calm;    /* waits only for the next message; the timer is set */
    bool limited; /* the program has set the message limit */
    bool busy;    /* the program has said that it must not leave now */
};

/* --- questions about the state --- */

/* Whether a status is an error. The peer's end of file is a reason to close,
 * and not an error. */
static inline bool channel_is_error(int status)
{
    return status < 0 && status != ASYNCHAT_EOF;
}

/* Whether the channel ends when the queue is sent. */
static inline bool channel_closing(const struct asynchat_channel *ch)
{
    return ch->out.queue.ends ||
           (ch->state == CHANNEL_SENDING && ch->half != HALF_KEPT);
}

/* Whether the channel is on its way to its end. It is not if only one direction
 * is over, and the other goes on. */
static inline bool channel_is_ending(const struct asynchat_channel *ch)
{
    switch (ch->state) {
    case CHANNEL_OPEN:
        return ch->out.queue.ends && ch->half != HALF_SHUT;
    case CHANNEL_SENDING:
        return ch->out.queue.ends || ch->half != HALF_KEPT;
    default:
        return ch->state != CHANNEL_RECEIVING || ch->half != HALF_SHUT;
    }
}

/* Whether what the peer sends is still to be delivered. */
static inline bool channel_receives(const struct asynchat_channel *ch)
{
    return ch->state == CHANNEL_OPEN || ch->state == CHANNEL_RECEIVING;
}

/* Whether input is to be delivered now. */
static inline bool channel_delivers(const struct asynchat_channel *ch)
{
    return !(ch->in.framer.busy & FRAMER_PAUSED);
}

static inline bool channel_sends(const struct asynchat_channel *ch)
{
    return ch->state == CHANNEL_OPEN || ch->state == CHANNEL_SENDING;
}

static inline bool channel_is_leaving(const struct asynchat_channel *ch)
{
    return ch->leave != LEAVE_NOT;
}

/* Whether no byte of the next message has come. */
static inline bool channel_in_is_between(const struct asynchat_channel *ch)
{
    return framer_is_between(&ch->in.framer);
}

/* How many bytes of the message in progress are kept, for a handler with
 * `message`. */
static inline size_t channel_in_kept(const struct channel_in *in)
{
    return (size_t)(in->framer.have - in->given);
}

/* Where these bytes lie. */
static inline const uint8_t *channel_in_kept_bytes(const struct channel_in *in)
{
    size_t at = in->turned ? in->message.capacity - channel_in_kept(in) : 0;
    return in->message.bytes + at;
}

/* How many messages were delivered or dropped. */
static inline uint64_t channel_messages(const struct asynchat_channel *ch)
{
    return ch->in.messages + (uint32_t)(ch->in.allowed - ch->in.turn);
}

/* Whether output was refused, for want of memory or of room in the queue. Then
 * nothing that follows this output is sent either. */
static inline bool channel_out_gap(const struct asynchat_channel *ch)
{
    int error = ch->transport.broken;
    return error == -ENOMEM || error == ASYNCHAT_EFULL;
}

/* Whether all that is to be sent before a layer begins is out of the queue. */
static inline bool channel_out_at_border(const struct asynchat_channel *ch)
{
    return (ch->in.paused & PAUSE_BORDER) && outq_is_at_border(&ch->out.queue);
}

/* Whether the first entry of the queue can go. */
static inline bool channel_out_is_ready(const struct asynchat_channel *ch)
{
    return outq_is_ready(&ch->out.queue) && !channel_out_at_border(ch);
}

/* --- changes of the state --- */

/* To be called when the state, or the reasons that pause the input, have
 * changed. */
static inline void channel_in_look(struct asynchat_channel *ch)
{
    asynchat__framer_pause(&ch->in.framer, ch->in.cursor,
                           !channel_receives(ch) || ch->in.paused);
}

/* Begins the message budget anew. Messages are not counted one by one: a
 * wake-up has delivered as many as it was allowed minus those that it may still
 * deliver. */
static inline void channel_in_begin_turn(struct channel_in *in)
{
    in->messages += in->allowed - in->turn;
    in->allowed = in->turn = in->budget;
}

/* Drops all input that was received and not delivered, but for that in the
 * evbuffer. */
static inline void channel_in_drop(struct channel_in *in)
{
    asynchat__framer_drop(&in->framer, in->cursor);
    in->given = 0;
    in->turned = false;
    in->timed = false;
}

/* Gives the memory of the message back: between messages an idle connection
 * keeps none. */
static inline void channel_in_forget(struct asynchat_channel *ch)
{
    asynchat__spares_give(&ch->transport.loop->spares, ch->in.message);
    ch->in.message = (struct spare){NULL, 0};
}

/* The message limit, unless the program sets one. */
static inline size_t channel_in_limit(const struct asynchat_handler *handler)
{
    return handler->message ? CHANNEL_MESSAGE_LIMIT : SIZE_MAX;
}

/* Output that was to be sent is not: a layer does not tell the peer that all is
 * well. */
static inline void channel_out_lose(struct asynchat_channel *ch)
{
    if (ch->transport.stage)
        stage_lose(ch->transport.stage);
}

/* From now on pushes take the long way. */
static inline void channel_out_busy(struct asynchat_channel *ch)
{
    ch->out.way = WAY_LONG;
}

/* --- wake.c --- */

/* Asks the loop for a turn of the channel, unless the channel has its turn
 * now. */
void asynchat__channel_wake(struct asynchat_channel *ch);

void asynchat__channel_pause(struct asynchat_channel *ch,
                             enum channel_pause why);
void asynchat__channel_resume(struct asynchat_channel *ch,
                              enum channel_pause why);

/* --- ask.c --- */

/* What the channel has done so far. `queued` is left 0: finding it out is work,
 * and a channel that is gone has nothing queued. */
struct asynchat_stats asynchat__channel_stats(
    const struct asynchat_channel *ch);

/* --- backlog.c --- */

bool asynchat__channel_out_empty(const struct asynchat_channel *ch);

/* Drops what is queued and pending. */
void asynchat__channel_out_discard(struct asynchat_channel *ch);

/* Has the short way of pushes obey the output limit. */
void asynchat__channel_out_room(struct asynchat_channel *ch);

/* To be called before and after work on an evbuffer, of the output or of the
 * queue, during which code of the program may run. Bytes that such code pushes
 * go behind those that are there. Bytes that it discards are not counted any
 * more, and are dropped when the work is done. `left` is how many bytes the
 * output has when the work is done. The second call needs what the first has
 * answered. */
struct transport_lending asynchat__channel_out_lend(struct asynchat_channel *ch,
                                                    size_t left);
void asynchat__channel_out_take_back(struct asynchat_channel *ch,
                                     struct transport_lending before);

/* Pauses the input while as many slots count as there may be, and resumes it
 * after that. */
void asynchat__channel_out_slots(struct asynchat_channel *ch);

/* --- join.c --- */

void asynchat__channel_pressure_init(struct channel_out *out);

/* To be called after a push. If the high mark is passed now, the channel joined
 * with this one is paused at once, and not only at the end of the wake-up. */
void asynchat__channel_press(struct asynchat_channel *ch);

/* Looks whether what is queued has passed a mark, and tells the program. */
void asynchat__channel_pressure(struct asynchat_channel *ch);

/* Ends the joining of the channel with another one, if there is one. */
void asynchat__channel_part(struct asynchat_channel *ch);

/* --- times.c --- */

/* The time, in milliseconds of a clock that wraps. */
uint32_t asynchat__channel_time_now(const struct asynchat_channel *ch);

/* Makes what the channel needs for times, if need be. 0 or -ENOMEM. */
int asynchat__channel_time_make(struct asynchat_channel *ch);
void asynchat__channel_time_free(struct channel_time *time);

/* The rates of a channel that has some, or NULL. They lie with its times. */
struct channel_rate *asynchat__channel_get_rate(
    const struct asynchat_channel *ch);

/* Gives the connection this many milliseconds from now on to come up. 0; or
 * -ENOMEM: nothing has changed. */
int asynchat__channel_time_connect(struct asynchat_channel *ch,
                                   struct event_base *base,
                                   unsigned milliseconds);

/* To be called when the connection is up. */
void asynchat__channel_time_up(struct asynchat_channel *ch);

/* Looks at what has moved in a wake-up that ends. 0 or -ENOMEM. */
int asynchat__channel_time(struct asynchat_channel *ch);

/* Ends the channel's turn: the channel goes on when all others have had theirs.
 * 0 or -ENOMEM. */
int asynchat__channel_time_turn(struct asynchat_channel *ch);

/* Gives the peer the linger time to take the rest. If there was `progress`, the
 * time begins anew. 0 or -ENOMEM. */
int asynchat__channel_time_linger(struct asynchat_channel *ch, bool progress);

/* Gives the handshake of the layer that many milliseconds from now on; 0: as
 * long as it wants. Ends with asynchat__channel_time_up(). 0 or -ENOMEM. */
int asynchat__channel_time_shake(struct asynchat_channel *ch,
                                 unsigned milliseconds);

/* Whether the peer has sent too much since the linger time began. */
bool asynchat__channel_linger_over(const struct asynchat_channel *ch);
/* Ends the linger time: the channel does not wait for the peer any more. */
void asynchat__channel_linger_stop(struct asynchat_channel *ch);

/* Has the channel look again in `wait` milliseconds, when a rate may allow
 * more; 0: nothing waits for that. `kept`: the rate keeps output back, so the
 * peer is not to blame. 0 or -ENOMEM. */
int asynchat__channel_time_allow(struct asynchat_channel *ch, uint32_t wait,
                                 bool kept);

/* To be called when the handler has changed. If the handler before was told
 * that the channel is idle, the idle times begin anew. */
void asynchat__channel_time_follow(struct asynchat_channel *ch);

/* To be called when the channel has no rate any more. */
void asynchat__channel_time_unrated(struct asynchat_channel *ch);

/* Whether the timer has begun the wake-up under way. */
bool asynchat__channel_time_has_fired(const struct asynchat_channel *ch);

/* --- proxied.c --- */

#define PROXIED_TEXT 256

/* The level at which an error of the channel is logged. */
enum asynchat_log_level asynchat__proxied_level(
    const struct asynchat_channel *ch, int error);

/* What is to be said of an error, maybe in `text`; or NULL. */
const char *asynchat__proxied_text(const struct asynchat_channel *ch, int error,
                                   char text[PROXIED_TEXT]);

/* The connection is up, and has no layer: a header that is to be sent goes in
 * front of the output. To be called only if there is a header. */
void asynchat__proxied_up(struct asynchat_channel *ch);

/* A connection was given up before it was up, and another one comes. A header
 * that was pushed is to be sent again, or, unless `keeps`, is dropped. */
void asynchat__proxied_again(struct asynchat_channel *ch, bool keeps);

/* Frees the bytes of a header. */
void asynchat__proxied_forget(struct channel_proxy *p);
void asynchat__proxied_free(struct channel_proxy *p);

/* --- state.c --- */

/* Logs what has happened to the channel. */
void asynchat__channel_log(const struct asynchat_channel *ch,
                           enum asynchat_log_level level,
                           enum asynchat_log_event event, int code,
                           const char *text);

/* What the layer has to say about an error, or NULL. */
const char *asynchat__channel_layer_text(const struct asynchat_channel *ch);

/* The setters. A setter that is asked for what the rules forbid changes
 * nothing, and ends the process in a debug build. */
void asynchat__channel_enter(struct asynchat_channel *ch,
                             enum channel_state state);
void asynchat__channel_halve(struct asynchat_channel *ch,
                             enum channel_half half);
void asynchat__channel_take_leave(struct asynchat_channel *ch,
                                  enum channel_leave leave);

/* The rules: whether `to` may follow `from`. Everything may follow itself. */
bool asynchat__channel_may_enter(enum channel_state from,
                                 enum channel_state to);
bool asynchat__channel_may_halve(enum channel_half from, enum channel_half to);
bool asynchat__channel_may_leave(enum channel_leave from,
                                 enum channel_leave to);

/* Ends the channel: the one way to ENDED. The first error stays as the status;
 * if there is none, the first status does. */
void asynchat__channel_end(struct asynchat_channel *ch, int status);

/* Ends the input, because of its end or of an error after which the peer can
 * still be answered. The queue is sent, then the channel ends with `status`.
 * Calls handle_eof or handle_error. */
void asynchat__channel_stop(struct asynchat_channel *ch, int status,
                            int cut_off);

/* To be called when nothing can be sent any more. What the peer had sent is
 * still delivered. */
void asynchat__channel_broken(struct asynchat_channel *ch, int error);

/* To be called when all is sent. Waits for the peer if it is still sending, or
 * else ends the channel. */
void asynchat__channel_sent(struct asynchat_channel *ch);

/* To be called when the channel is closing, and not all is sent. Gives the peer
 * the linger time; if there was `progress`, the time begins anew. */
void asynchat__channel_linger(struct asynchat_channel *ch, bool progress);

/* --- rates.c, for a channel that has rates --- */

/* Accounts for what has moved in a wake-up that ends. 0 or -ENOMEM. */
int asynchat__channel_rate(struct asynchat_channel *ch);

/* How many bytes may be sent now, and at most those of one write. */
size_t asynchat__channel_rate_send(struct asynchat_channel *ch);

/* Frees the rates of the channel, if it has any. */
void asynchat__channel_rate_free(struct asynchat_channel *ch);

/* --- transcript.c, for a channel that has one --- */

/* Tells the transcript that these bytes were queued. NULL: bytes that were sent
 * from a file. */
void asynchat__transcript_sent(struct asynchat_channel *ch, const void *data,
                               size_t len);

/* Tells the transcript that `len` bytes were queued: the bytes of `buffer` from
 * `from` on. The buffer has to be lent. */
void asynchat__transcript_added(struct asynchat_channel *ch,
                                struct evbuffer *buffer, size_t from,
                                size_t len);

/* Puts another handler of the program's in place of the one before. Answers the
 * table that the channel is to call. */
const struct asynchat_handler *asynchat__transcript_follow(
    struct channel_transcript *t, const struct asynchat_handler *handler);

/* The program's handler. */
const struct asynchat_handler *asynchat__transcript_handler(
    const struct channel_transcript *t);

void asynchat__transcript_free(struct channel_transcript *t);

/* --- aside.c --- */

/* To be called when the handler has changed. `whole`: the one before took whole
 * messages. */
void asynchat__channel_in_follow(struct asynchat_channel *ch, bool whole);

/* To be called while the framer is ASIDE and input is delivered: gives a part
 * of what was kept. */
void asynchat__channel_in_aside(struct asynchat_channel *ch);

/* --- deliver.c --- */

void asynchat__channel_in_init(struct channel_in *in,
                               const struct asynchat_handler *handler);
void asynchat__channel_in_free(struct channel_in *in);

/* Delivers what was received. */
void asynchat__channel_in_run(struct asynchat_channel *ch);

/* At the end of file: delivers what is held back. Answers whether a message was
 * cut off. */
int asynchat__channel_in_finish(struct asynchat_channel *ch);

/* Whether input has come that is not delivered because the input is paused. */
bool asynchat__channel_in_waits(const struct asynchat_channel *ch);

/* Drops input that was received and not delivered. If a callback is running,
 * the input is dropped when the callback returns. */
void asynchat__channel_in_discard(struct asynchat_channel *ch);

/* --- send.c --- */

void asynchat__channel_out_init(struct channel_out *out);

/* Whether the channel has neither rates, which limit how much may be sent, nor
 * a transcript, which looks at each push. */
static inline bool channel_is_plain(const struct asynchat_channel *ch)
{
    return !asynchat__channel_get_rate(ch) && !ch->transcript;
}

/* At the beginning of a wake-up: opens the short way of pushes. */
void asynchat__channel_out_begin(struct asynchat_channel *ch);

/* At the end of a wake-up: fills the transport's evbuffer from the queue, and
 * sends. */
void asynchat__channel_out_run(struct asynchat_channel *ch);

/* Sends bytes at once, from where they lie. Nothing may be queued before them.
 * Answers how many bytes went. */
size_t asynchat__channel_out_now(struct asynchat_channel *ch, const void *data,
                                 size_t len);

/* Moves a block that waits where it lies to the output, since something is to
 * follow it. 0; or -ENOMEM: nothing has changed. The channel has to be kept. */
int asynchat__channel_out_unblock(struct asynchat_channel *ch);

/* Whether code of the program runs while the output is being worked on, so that
 * nothing can be sent now. */
static inline bool channel_out_is_lent(const struct asynchat_channel *ch)
{
    const struct outq_entry *first = ch->out.queue.first;
    return ch->transport.hold != OUTPUT_FREE ||
           (first && first->state >= OUTQ_ASKED);
}

/* Sends what is queued up to the first producer, or up to a border, as far as
 * it is taken. Release callbacks run. */
void asynchat__channel_out_flush(struct asynchat_channel *ch);

/* --- expire.c --- */

/* To be called when the timer has fired: looks which clocks are over, and does
 * what follows from that. */
void asynchat__channel_expire(struct asynchat_channel *ch);

/* --- close.c --- */

/* Asks for a turn that receives the input that has arrived by now: a channel
 * that is leaving does not end before. */
void asynchat__channel_receive_rest(struct asynchat_channel *ch);

/* The channel has come while its owner stops: the peer has its first message
 * answered before the channel leaves. */
void asynchat__channel_await(struct asynchat_channel *ch);

/* How many bytes are to be received before the channel leaves. */
uint32_t asynchat__channel_awaits(const struct asynchat_channel *ch);

/* --- owner.c --- */

/* Puts the channel into the owner's list, until it is gone. */
void asynchat__channel_own(struct asynchat_channel *ch,
                           struct channel_owner *owner,
                           struct asynchat_channel **list);

/* Takes the channel out of its owner's list, and tells the owner that it is
 * gone. */
void asynchat__channel_disown(struct asynchat_channel *ch);

/* Takes the channel out of its owner's list. The owner is told nothing. */
void asynchat__channel_unlink(struct asynchat_channel *ch);

/* To be called when the owner is freed before its channels, which go on without
 * one. */
void asynchat__channels_disown(struct asynchat_channel *list);

/* The owner stops. The first call asks its channels to end, and the second,
 * after the grace, makes them end. Callbacks run only when the loop does. */
void asynchat__channels_stop(struct asynchat_channel *list);
void asynchat__channels_end(struct asynchat_channel *list);

/* To be called in each wake-up of a channel that is leaving: tells the program,
 * or ends the channel, if it is time for that. */
void asynchat__channel_stopping(struct asynchat_channel *ch);

/* --- calls/settings.c --- */

/* Whether a table of times is filled in well: 0 or an error. */
int asynchat__timeouts_check(const struct asynchat_timeouts *times);

/* --- channel.c --- */

/* Makes a channel over a non-blocking socket to `peer`, and takes `fd` on
 * success. `peer` may be NULL: then the socket is asked for the address. 0 or
 * an error. */
int asynchat__channel_socket(struct event_base *base, int fd,
                             const struct address *peer,
                             const struct asynchat_handler *handler, void *arg,
                             struct asynchat_channel **out);

/* To be called when the connection is up. Begins to read; handle_connect is
 * called from the loop. */
void asynchat__channel_start(struct asynchat_channel *ch);

/* To be called at the beginning and at the end of everything that the loop
 * enters. In between the channel's memory stays, whatever its callbacks do. At
 * the end, a channel that has ended gets handle_close, and is freed. */
void asynchat__channel_hold(struct asynchat_channel *ch);
void asynchat__channel_release(struct asynchat_channel *ch);

/* Ends the channel from the loop, outside of a turn. The channel is gone then:
 * callbacks run that may free it. */
static inline void channel_end_now(struct asynchat_channel *ch, int status)
{
    asynchat__channel_hold(ch);
    asynchat__channel_end(ch, status);
    asynchat__channel_release(ch);
}

/* To be called before and after work of a call of the program during which
 * other code of the program may run, which may free or end the channel. In
 * between the channel's memory stays, and whatever such code has begun goes on
 * from the loop. The second call needs what the first has answered. */
static inline bool channel_keep(struct asynchat_channel *ch)
{
    bool running = ch->running;
    ch->running = true;
    return running;
}
void asynchat__channel_let_go(struct asynchat_channel *ch, bool running);

#endif
