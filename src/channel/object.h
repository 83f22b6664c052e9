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

struct channel_rate;
struct channel_time;
struct channel_transcript;

/* asynchat__channel_enter() alone changes it:
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
    CHANNEL_RECEIVING, /* the output is over, and so is the peer's input; what
                          the peer sends, or had sent, is still delivered */
    CHANNEL_LINGERING, /* all is sent; what the peer still sends is dropped
                          until the peer has seen our end */
    CHANNEL_ENDED,     /* handle_close is due */
    CHANNEL_FREED      /* no callback runs any more */
};

/* Which half of the connection ends before the other. asynchat__channel_halve()
 * alone changes it. */
enum channel_half {
    HALF_NEITHER, /* the peer's end ends the channel, when all is sent */
    HALF_KEPT,    /* the peer's end does not: this side's output goes on */
    HALF_SHUT,    /* when all is sent the output ends, and the input goes on */
    HALF_STAGES   /* the channel may end before the peer has sent all */
};

/* How far a channel that is to end between two messages has come.
 * asynchat__channel_take_leave() alone changes it. */
enum channel_leave {
    LEAVE_NOT,
    LEAVE_BETWEEN,  /* the program has asked for it */
    LEAVE_STOPPING, /* the owner stops */
    LEAVE_TOLD,     /* the owner stops, and handle_stopping sees to the rest */
    LEAVE_NOW       /* the owner's grace is over */
};

/* Why the input is not delivered. Reasons add up. */
enum channel_pause {
    PAUSE_PROGRAM = 1,  /* the program has asked for that */
    PAUSE_PRESSURE = 2, /* the channel that this one is joined with is under
                           pressure */
    PAUSE_TURN = 4, /* the message budget is used up: others have their turn */
    PAUSE_RATE = 8, /* a rate does not allow it now */
    PAUSE_BORDER = 16 /* a layer begins when what was pushed before is sent */
};

/* The evbuffer of the input. */
enum in_buffer {
    BUFFER_EMPTY,   /* over a bufferevent, which fills it, nothing is known */
    BUFFER_HOLDS,   /* it holds input that comes before what is received next */
    BUFFER_DRAINS,  /* libevent drains it now: nobody else may touch it */
    BUFFER_DROPPED, /* discard_buffers was called: all of it is to go */
};

/* Input: from the evbuffer through the framer to the handler. deliver.c writes
 * it; settings.c sets its sizes, and wake.c its pauses.
 *
 * Invariants: `turn` <= `allowed` <= `budget` at the end of a wake-up.
 * `message` has no memory while nothing of a message was kept. The framer is
 * paused exactly while `paused` is not 0 or the state receives nothing. */
struct channel_in {
    struct framer framer;
    struct framer_cursor *cursor; /* of the delivery under way; or NULL */
    struct spare message;    /* a message in progress, for handler->message */
    uint64_t received;       /* bytes received in all */
    uint64_t messages;       /* messages delivered in earlier wake-ups */
    uint64_t too_long;       /* messages of which bytes were dropped */
    uint64_t too_long_bytes; /* the sum of their lengths */
    uint32_t budget;         /* the most messages of a wake-up */
    uint32_t allowed;        /* the budget as this wake-up began */
    uint32_t turn;           /* messages that this wake-up may still deliver */
    bool timed; /* the clocks of the message in progress have begun */
    enum in_buffer buffer : 8;
    uint8_t paused; /* the reasons, of channel_pause */
};

#define CHANNEL_OUT_BUFFER_SIZE 65536
#define CHANNEL_LINGER 30000
#define CHANNEL_CONNECT_TIME 60000

/* Which way a push takes. */
enum out_way {
    WAY_LONG,  /* to the transport's evbuffer, or behind what is queued */
    WAY_SHORT, /* the same; but in the next wake-up the way is open */
    WAY_OPEN   /* into loop->pushed, to be sent when the wake-up ends */
};

/* Output: from the queue into the transport's evbuffer, and on. send.c and push.c
 * write it; settings.c sets its sizes.
 *
 * Invariants: unless the way is long, the channel is OPEN, nothing is queued,
 * pending or due, and nobody looks at pushes. The way is open in a wake-up only. */
struct channel_out {
    struct outq queue;
    uint32_t chunk; /* the most bytes of one write, or asked of a producer */
    enum out_way way : 8;
    uint8_t writes; /* writes made in this wake-up, or since the last one by a
                       push */
    size_t left;    /* bytes pending at the end of the last wake-up */
    struct marks marks;
    uint64_t pressures; /* how often the program was told of the high mark */
    size_t limit;       /* the most bytes that may be queued */
};

/* What a wake-up of a channel with times looks at in any case. The rest of the
 * times is memory that a wake-up does not touch while the channel is calm.
 * times.c writes it. Times are in milliseconds, of a clock that wraps. */
struct channel_moves {
    uint32_t received; /* the low bits of in.received, when last seen */
    uint32_t sent;     /* the low bits of transport.sent, when last seen */
    uint32_t read_at;  /* when something came, or CLOCK_READ began */
    uint32_t moved_at; /* when something came or went, or CLOCK_IDLE began */
};

/* Whoever made the channel, and is told when it is gone. */
struct channel_owner {
    /* Called once, right before the channel's memory is freed. */
    void (*gone)(struct channel_owner *owner,
                 const struct asynchat_channel *ch);
    /* Whatever the owner needs in `gone`. */
    void *arg;
};

/* Invariants: `next` and `link` mean something only while there is an owner.
 * Two channels are `joined` with each other, or neither is. `status` stays once
 * it is an error. The transport comes first: its `ready` finds the channel by
 * that. */
struct asynchat_channel {
    struct transport transport;
    const struct asynchat_handler *handler;
    void *arg;
    uint64_t id; /* 0 until it is asked for */
    struct peer_address peer;
    struct channel_in in;
    struct channel_out out;
    struct asynchat_channel *joined; /* or NULL */
    struct channel_moves moves;
    struct channel_time *time;             /* made when first needed; or NULL */
    struct channel_transcript *transcript; /* or NULL */
    struct channel_owner *owner;           /* or NULL */
    struct asynchat_channel *next, **link; /* among the owner's channels */
    unsigned linger;                       /* milliseconds */
    int status;                            /* for handle_close */
    enum channel_state state : 8;
    enum channel_half half : 8;
    enum channel_leave leave : 8;
    bool running; /* in a wake-up, at whose end what was pushed is sent */
    bool calm;    /* only the next message is waited for, and the timer is set
                     */
};

/* --- the state, asked --- */

/* Whether the channel ends when the queue is sent. */
static inline bool channel_closing(const struct asynchat_channel *ch)
{
    return ch->out.queue.ends ||
           (ch->state == CHANNEL_SENDING && ch->half != HALF_KEPT);
}

/* Whether what the peer sends is still to be delivered. */
static inline bool channel_receives(const struct asynchat_channel *ch)
{
    return ch->state == CHANNEL_OPEN || ch->state == CHANNEL_RECEIVING;
}

/* Whether it is to be delivered now. */
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

/* Whether nothing has come of the next message. */
static inline bool channel_in_is_between(const struct asynchat_channel *ch)
{
    return framer_is_between(&ch->in.framer);
}

/* How many messages were delivered or dropped. */
static inline uint64_t channel_messages(const struct asynchat_channel *ch)
{
    return ch->in.messages + (uint32_t)(ch->in.allowed - ch->in.turn);
}

/* Whether something was refused that was to be sent: nothing behind it is sent
 * either. */
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

/* --- the state, changed --- */

/* To be called when the state has changed, or what pauses the input. */
static inline void channel_in_look(struct asynchat_channel *ch)
{
    asynchat__framer_pause(&ch->in.framer, ch->in.cursor,
                           !channel_receives(ch) || ch->in.paused);
}

/* Messages are not counted one by one: the count of a wake-up is what it was
 * allowed minus what is left of that. */
static inline void channel_in_begin_turn(struct channel_in *in)
{
    in->messages += in->allowed - in->turn;
    in->allowed = in->turn = in->budget;
}

/* Output that was to be sent is not: a layer does not tell the peer that all is
 * well. */
static inline void channel_out_lose(struct asynchat_channel *ch)
{
    if (ch->transport.stage)
        stage_lose(ch->transport.stage);
}

/* What is pushed from now on takes the long way. */
static inline void channel_out_busy(struct asynchat_channel *ch)
{
    ch->out.way = WAY_LONG;
}

/* --- wake.c --- */

/* Has the loop look at the channel, unless it is just doing so. */
void asynchat__channel_wake(struct asynchat_channel *ch);

void asynchat__channel_pause(struct asynchat_channel *ch,
                             enum channel_pause why);
void asynchat__channel_resume(struct asynchat_channel *ch,
                              enum channel_pause why);

/* --- ask.c --- */

/* What the channel has done so far, all but `queued`: that is work to find out,
 * and 0 of a channel that is gone. */
struct asynchat_stats asynchat__channel_stats(
    const struct asynchat_channel *ch);

/* --- backlog.c --- */

bool asynchat__channel_out_empty(const struct asynchat_channel *ch);

/* Drops what is queued and pending. */
void asynchat__channel_out_discard(struct asynchat_channel *ch);

/* Has the short way of pushes obey the output limit. */
void asynchat__channel_out_room(struct asynchat_channel *ch);

/* Around work on an evbuffer of the output or of the queue during which code of
 * the program may run. Bytes that such code pushes go behind what is there;
 * bytes that it discards are not counted any more, and go when the work is
 * done. `left` is how many bytes the output has then. The second call needs
 * what the first has answered. */
struct transport_lending asynchat__channel_out_lend(struct asynchat_channel *ch,
                                                    size_t left);
void asynchat__channel_out_take_back(struct asynchat_channel *ch,
                                     struct transport_lending before);

/* --- join.c --- */

void asynchat__channel_pressure_init(struct channel_out *out);

/* More was pushed: the channel joined with is paused at once, and not only at
 * the end of the wake-up. */
void asynchat__channel_press(struct asynchat_channel *ch);

/* Looks whether what is queued has passed a mark, and tells the program. */
void asynchat__channel_pressure(struct asynchat_channel *ch);

/* Ends a joining. */
void asynchat__channel_part(struct asynchat_channel *ch);

/* --- times.c --- */

/* In milliseconds, of a clock that wraps. */
uint32_t asynchat__channel_time_now(void);

/* Makes what the channel needs for times. 0 or -ENOMEM. */
int asynchat__channel_time_make(struct asynchat_channel *ch);
void asynchat__channel_time_free(struct channel_time *time);

/* The rates of a channel that has some, or NULL. They lie with its times. */
struct channel_rate *asynchat__channel_get_rate(
    const struct asynchat_channel *ch);

/* Gives the connection that many milliseconds from now on to come up. 0 or
 * -ENOMEM, which has changed nothing. */
int asynchat__channel_time_connect(struct asynchat_channel *ch,
                                   struct event_base *base,
                                   unsigned milliseconds);

/* The connection is up. */
void asynchat__channel_time_up(struct asynchat_channel *ch);

/* Looks at what has moved in a wake-up that ends. 0 or -ENOMEM. */
int asynchat__channel_time(struct asynchat_channel *ch);

/* The turn of the channel is over: it goes on when all others have had theirs.
 * 0 or -ENOMEM. */
int asynchat__channel_time_turn(struct asynchat_channel *ch);

/* Gives the peer the linger time to take the rest; again, if there was
 * `progress`. 0 or -ENOMEM. */
int asynchat__channel_time_linger(struct asynchat_channel *ch, bool progress);

/* Gives the handshake of the layer that many milliseconds from now on; 0: as long as
 * it wants. Ends with asynchat__channel_time_up(). 0 or -ENOMEM. */
int asynchat__channel_time_shake(struct asynchat_channel *ch,
                                 unsigned milliseconds);

/* The channel waits no longer, or not for the peer. */
void asynchat__channel_linger_stop(struct asynchat_channel *ch);

/* A rate may allow more in `wait` milliseconds; 0: nothing waits for that.
 * `kept`: the rate keeps output, so the peer is not to blame. 0 or -ENOMEM. */
int asynchat__channel_time_allow(struct asynchat_channel *ch, uint32_t wait,
                                 bool kept);

/* The channel has no rate any more. */
void asynchat__channel_time_unrated(struct asynchat_channel *ch);

/* In a wake-up: whether the timer has begun it. */
bool asynchat__channel_time_has_fired(const struct asynchat_channel *ch);

/* --- state.c --- */

/* Whether a status is an error, and not an orderly end. */
bool asynchat__channel_is_error(int status);

/* A line of the log about the channel. */
void asynchat__channel_log(const struct asynchat_channel *ch,
                           enum asynchat_log_level level, const char *text);

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

/* The one way to ENDED. The first error stays, or else the first status. */
void asynchat__channel_end(struct asynchat_channel *ch, int status);

/* The input is over, by its end or by an error after which the peer can still
 * be answered: the queue is sent, then the channel ends with `status`. Calls
 * handle_eof or handle_error. */
void asynchat__channel_stop(struct asynchat_channel *ch, int status,
                            int cut_off);

/* Nothing can be sent any more. What the peer had sent is still delivered. */
void asynchat__channel_broken(struct asynchat_channel *ch, int error);

/* All is sent: waits for the peer if it is still sending, or else ends. */
void asynchat__channel_sent(struct asynchat_channel *ch);

/* The channel is closing, and not all is sent: the peer has the linger time;
 * again, if there was `progress`. */
void asynchat__channel_linger(struct asynchat_channel *ch, bool progress);

/* --- rates.c, for a channel that has rates --- */

/* Accounts for what has moved in a wake-up that ends. 0 or -ENOMEM. */
int asynchat__channel_rate(struct asynchat_channel *ch);

/* How many bytes may be sent now, at most those of one write. */
size_t asynchat__channel_rate_send(struct asynchat_channel *ch);

/* For a channel without rates too. */
void asynchat__channel_rate_free(struct asynchat_channel *ch);

/* --- transcript.c, for a channel that has one --- */

/* These bytes were queued. NULL: bytes that were sent from a file. */
void asynchat__transcript_sent(struct asynchat_channel *ch, const void *data,
                               size_t len);

/* These bytes of an evbuffer, which is lent, were queued. */
void asynchat__transcript_added(struct asynchat_channel *ch,
                                struct evbuffer *buffer, size_t from,
                                size_t len);

void asynchat__transcript_free(struct channel_transcript *t);

/* --- deliver.c --- */

void asynchat__channel_in_init(struct channel_in *in,
                               const struct asynchat_handler *handler);
void asynchat__channel_in_free(struct channel_in *in);

/* Delivers what was received. */
void asynchat__channel_in_run(struct asynchat_channel *ch);

/* At the end of file: delivers what is held back. Answers whether a message was
 * cut off. */
int asynchat__channel_in_finish(struct asynchat_channel *ch);

/* Whether something came that is undelivered because the input is paused. */
bool asynchat__channel_in_waits(const struct asynchat_channel *ch);

/* Drops what was received and not delivered; in a callback, when that returns.
 */
void asynchat__channel_in_discard(struct asynchat_channel *ch);

/* --- send.c --- */

void asynchat__channel_out_init(struct channel_out *out);

/* Whether nobody has to look at each push, or at how much may be sent. */
static inline bool channel_is_plain(const struct asynchat_channel *ch)
{
    return !asynchat__channel_get_rate(ch) && !ch->transcript;
}

/* At the beginning of a wake-up: opens the short way of pushes. */
void asynchat__channel_out_begin(struct asynchat_channel *ch);

/* At its end: fills the transport's evbuffer from the queue, and sends. */
void asynchat__channel_out_run(struct asynchat_channel *ch);

/* Sends at once, from where they lie, bytes before which nothing is queued.
 * Answers how many went. */
size_t asynchat__channel_out_now(struct asynchat_channel *ch, const void *data,
                                 size_t len);

/* --- expire.c --- */

/* The timer has fired: looks which clocks are over, and what comes of that. */
void asynchat__channel_expire(struct asynchat_channel *ch);

/* --- close.c --- */

/* Input that has arrived by now is received before the channel leaves. */
void asynchat__channel_receive_rest(struct asynchat_channel *ch);

/* The channel has come while its owner stops: the peer has its first message answered
 * before the channel leaves. */
void asynchat__channel_await(struct asynchat_channel *ch);

/* How many bytes are to be received before the channel leaves. */
uint32_t asynchat__channel_awaits(const struct asynchat_channel *ch);

/* --- owner.c --- */

/* Puts the channel into the owner's list, until it is gone. */
void asynchat__channel_own(struct asynchat_channel *ch,
                           struct channel_owner *owner,
                           struct asynchat_channel **list);

/* The channel is gone. */
void asynchat__channel_disown(struct asynchat_channel *ch);

/* The owner is gone before its channels. */
void asynchat__channels_disown(struct asynchat_channel *list);

/* The owner stops: asks its channels to end, and then makes them. No callback
 * runs before the loop does. */
void asynchat__channels_stop(struct asynchat_channel *list);
void asynchat__channels_end(struct asynchat_channel *list);

/* In each wake-up of a channel that is leaving: whether it ends now. */
void asynchat__channel_stopping(struct asynchat_channel *ch);

/* --- layer.c --- */

/* What a server gives each of its channels before the channel begins. `make` may be
 * NULL. */
struct channel_dress {
    int (*make)(struct asynchat_channel *ch, void *arg);
    void *arg;
};

/* Dresses a channel that was just made. Whatever `make` answers but 0 ends the
 * channel, from the loop. */
void asynchat__channel_dress(struct asynchat_channel *ch,
                             struct channel_dress dress);

/* --- channel.c --- */

/* A channel over a socket that is non-blocking, to a peer of that address;
 * NULL: the socket is asked for it. It takes `fd` on success. */
int asynchat__channel_socket(struct event_base *base, int fd,
                             const struct address *peer,
                             const struct asynchat_handler *handler, void *arg,
                             struct asynchat_channel **out);

/* The connection is up: begins to read, and tells the program from the loop. */
void asynchat__channel_start(struct asynchat_channel *ch);

/* Around what the loop enters: in between the channel's memory stays, whatever
 * its callbacks do. At the end a channel that has ended is told so, and freed.
 */
void asynchat__channel_hold(struct asynchat_channel *ch);
void asynchat__channel_release(struct asynchat_channel *ch);

/* Around what a call of the program's does while other code of the program's
 * may run, which may free the channel or end it: in between the memory stays,
 * and what that code has begun goes on from the loop. The second call needs
 * what the first has answered. */
static inline bool channel_keep(struct asynchat_channel *ch)
{
    bool running = ch->running;
    ch->running = true;
    return running;
}
void asynchat__channel_let_go(struct asynchat_channel *ch, bool running);

#endif
