/* The channel's parts, as its three files see them: channel (life), channel_in,
 * channel_out. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_CHANNEL_H
#define ASYNCHAT_SRC_CHANNEL_H

#include <errno.h>

#include <asynchat/channel.h>
#include <asynchat/error.h>
#include <asynchat/log.h>

#include "base/address.h"
#include "loop/loop.h"
#include "framer/framer.h"
#include "output/marks.h"
#include "output/outq.h"
#include "transport/transport.h"

struct asynchat_stats;
struct channel_rate;
struct channel_time;
struct channel_transcript;

/* Changed by asynchat__channel_enter() alone:
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
    CHANNEL_SENDING,   /* the input is over; what is queued is still sent */
    CHANNEL_RECEIVING, /* the output is over, and so is the peer's input; what
                          the peer sends, or had sent, is still delivered */
    CHANNEL_LINGERING, /* all is sent; what the peer still sends is dropped
                          until it has seen our end */
    CHANNEL_ENDED,     /* handle_close is due */
    CHANNEL_FREED      /* no callback runs any more */
};

/* Which half of the connection ends before the other. Changed by
 * asynchat__channel_halve() alone. */
enum channel_half {
    HALF_NEITHER, /* the peer's end ends the channel, when all is sent */
    HALF_KEPT,    /* the peer's end does not: this side's output goes on */
    HALF_SHUT,    /* when all is sent the output ends, and the input goes on */
    HALF_STAGES   /* when all is sent, and before the peer has sent all */
};

/* How far a channel that is to end between two messages has come. Changed by
 * asynchat__channel_take_leave() alone. */
enum channel_leave {
    LEAVE_NOT,
    LEAVE_BETWEEN,  /* the program has asked for it */
    LEAVE_STOPPING, /* its owner stops */
    LEAVE_TOLD,     /* its owner stops, and handle_stopping sees to the rest */
    LEAVE_NOW       /* its owner has no more patience */
};

/* Why the input is not delivered: any of these, and they add up. */
enum channel_pause {
    PAUSE_PROGRAM = 1,  /* it has asked for that */
    PAUSE_PRESSURE = 2, /* the channel it is joined with is under pressure */
    PAUSE_TURN = 4,     /* it is the others' turn */
    PAUSE_RATE = 8      /* its rate, or its group's, does not allow it now */
};

/* What becomes of the evbuffer of the input. */
enum in_drain {
    DRAIN_NOTHING,
    DRAIN_DELIVERED, /* it is being drained, and must stay as it is */
    DRAIN_ALL        /* discard_buffers was called: all of it is to go */
};

/* Input: from the evbuffer through the framer to the handler. */
struct channel_in {
    struct framer framer;
    struct framer_cursor
        *cursor;                /* of the delivery that is under way, or NULL */
    struct loop_memory message; /* the bytes of the message in progress, for
                                     handler->message */
    uint64_t received;          /* bytes in all */
    uint64_t messages;          /* delivered in earlier wake-ups */
    uint64_t too_long;          /* messages of which bytes were dropped, */
    uint64_t too_long_bytes;    /* and how long these were in all */
    uint32_t budget;            /* the most messages of a wake-up; */
    uint32_t allowed;           /* of this one, at its beginning, */
    uint32_t turn;              /* and how many are left */
    bool waits;                 /* over a socket: the evbuffer holds input */
    bool timed; /* the message in progress has a time it began at */
    enum in_drain drain : 8;
    uint8_t paused; /* the reasons */
};

#define CHANNEL_OUT_BUFFER_SIZE 65536
#define CHANNEL_LINGER 30000
#define CHANNEL_CONNECT_TIME 60000

/* Output: from the queue into the evbuffer, and on. */
struct channel_out {
    struct outq queue;
    uint32_t chunk; /* at most so many bytes for each write, and asked of a
                       producer */
    bool idle;      /* nothing is queued, waits to be sent, or is due then */
    bool busy;      /* handle_drained is due at the low mark */
    uint8_t writes; /* so many were made in this wake-up; 0 between them, unless
                         a push has made some */
    size_t left;    /* what was in the evbuffer after the last wake-up */
    struct marks marks;
    uint64_t pressures; /* how often the program was told of the high mark */
    size_t limit;       /* the most bytes that may be queued */
};

/* Of a channel with times, what a wake-up looks at in any case: the rest is memory
 * that it does not touch as long as it is calm, which is that there is nothing to
 * wait for but the next message. */
struct channel_moves {
    uint32_t received, sent; /* what was seen of that, wrapped */
    uint32_t read_at;        /* in milliseconds, when something came; */
    uint32_t moved_at;       /* or went; both, the time is counted from there */
};

/* Whoever made the channel, and is told when it is gone. */
struct channel_owner {
    /* Called once, right before the channel's memory is freed. */
    void (*gone)(struct channel_owner *owner,
                 const struct asynchat_channel *ch);
    /* Whatever the owner needs in `gone`. */
    void *arg;
};

struct asynchat_channel {
    struct transport transport;
    const struct asynchat_handler *handler;
    void *arg;
    uint64_t id; /* 0 until it is asked for */
    struct peer_address peer;
    struct channel_in in;
    struct channel_out out;
    struct asynchat_channel *joined;
    struct channel_moves moves;
    struct channel_time *time;             /* made when it is first needed */
    struct channel_transcript *transcript; /* or NULL */
    struct channel_owner *owner;           /* or NULL; */
    struct asynchat_channel *next, **link; /* in the list of its channels */
    unsigned linger;                       /* milliseconds */
    int status;                            /* for handle_close */
    enum channel_state state : 8;
    enum channel_half half : 8;
    enum channel_leave leave : 8;
    bool running; /* inside a wake-up, at whose end what was pushed is sent */
    bool awaited; /* it came as its owner stopped, and may not have asked yet */
    bool calm;    /* it was, after the wake-up before, and its timer is set */
};

/* Whether the channel ends when the queue is sent. */
static inline bool channel_closing(const struct asynchat_channel *ch)
{
    return ch->out.queue.ends ||
           (ch->state == CHANNEL_SENDING && ch->half != HALF_KEPT);
}

/* --- channel --- */

/* Whether a status is an error, and not an orderly end. */
bool asynchat__channel_is_error(int status);

/* A line of the log about the channel. */
void asynchat__channel_log(const struct asynchat_channel *ch,
                           enum asynchat_log_level level, const char *text);

/* The setters of what changes by rules. One that is asked for what the rules forbid
 * changes nothing, and in a debug build ends the process. */
void asynchat__channel_enter(struct asynchat_channel *ch,
                             enum channel_state state);
void asynchat__channel_halve(struct asynchat_channel *ch,
                             enum channel_half half);
void asynchat__channel_take_leave(struct asynchat_channel *ch,
                                  enum channel_leave leave);

/* The rules: whether the one may follow the other. Everything may follow itself. */
bool asynchat__channel_may_enter(enum channel_state from,
                                 enum channel_state to);
bool asynchat__channel_may_halve(enum channel_half from, enum channel_half to);
bool asynchat__channel_may_leave(enum channel_leave from,
                                 enum channel_leave to);

/* The one way in which a channel ends. The first status stays. */
void asynchat__channel_end(struct asynchat_channel *ch, int status);

/* The input is over, by its end or by an error that the peer can still be
 * answered after: what is queued is sent, then the channel ends with `status`.
 * Calls handle_eof or handle_error. */
void asynchat__channel_stop(struct asynchat_channel *ch, int status,
                            int cut_off);

/* Nothing can be sent any more; what the peer had sent is still delivered. */
void asynchat__channel_broken(struct asynchat_channel *ch, int error);

/* All is sent: waits for the peer if it is still sending, or else ends. */
void asynchat__channel_sent(struct asynchat_channel *ch);

/* Not all is sent, and the channel is closing: the peer has the linger time, anew
 * if it made `progress`. */
void asynchat__channel_linger(struct asynchat_channel *ch, bool progress);

/* Has the loop look at the channel, unless it is just doing so. */
void asynchat__channel_wake(struct asynchat_channel *ch);

/* Around what the loop enters. From one to the other the channel's memory stays,
 * whatever its callbacks do; then it is told that it has closed, and freed, if it
 * has come to that. */
void asynchat__channel_hold(struct asynchat_channel *ch);
void asynchat__channel_release(struct asynchat_channel *ch);

/* Around what a call of the program's does while other code of the program's may
 * run, which may free the channel or end it: the memory stays in between, and
 * what is to come of it comes from the loop. The first answers what the second
 * needs. */
static inline bool channel_keep(struct asynchat_channel *ch)
{
    bool running = ch->running;
    ch->running = true;
    return running;
}
void asynchat__channel_let_go(struct asynchat_channel *ch, bool running);

/* A channel over a socket that is non-blocking, to a peer of that address; NULL:
 * the socket is asked. It takes `fd` on success. */
int asynchat__channel_socket(struct event_base *base, int fd,
                             const struct address *peer,
                             const struct asynchat_handler *handler, void *arg,
                             struct asynchat_channel **out);

/* Its connection is up: begins to read, and tells the program from the loop. */
void asynchat__channel_start(struct asynchat_channel *ch);

/* Whether there is still something that the peer sends to be delivered, */
static inline bool channel_receives(const struct asynchat_channel *ch)
{
    return ch->state == CHANNEL_OPEN || ch->state == CHANNEL_RECEIVING;
}

/* and that now. */
static inline bool channel_delivers(const struct asynchat_channel *ch)
{
    return !(ch->in.framer.busy & FRAMER_PAUSED);
}

/* The state has changed, or what pauses the input. */
static inline void channel_in_look(struct asynchat_channel *ch)
{
    asynchat__framer_pause(&ch->in.framer, ch->in.cursor,
                           !channel_receives(ch) || ch->in.paused);
}

static inline bool channel_sends(const struct asynchat_channel *ch)
{
    return ch->state == CHANNEL_OPEN || ch->state == CHANNEL_SENDING;
}

/* The rates of a channel that has some, or NULL. They lie with its times. */
struct channel_rate *asynchat__channel_get_rate(
    const struct asynchat_channel *ch);

/* Whether nobody has to look at each push, or at how much may be sent. */
static inline bool channel_is_plain(const struct asynchat_channel *ch)
{
    return !asynchat__channel_get_rate(ch) && !ch->transcript;
}

/* --- channel_owner --- */

/* The channel is the owner's, which has it in a list, until it is gone. */
void asynchat__channel_join(struct asynchat_channel *ch,
                            struct channel_owner *owner,
                            struct asynchat_channel **list);

/* It is gone. */
void asynchat__channel_leave(struct asynchat_channel *ch);

/* The owner is gone before its channels. */
void asynchat__channels_disown(struct asynchat_channel *list);

/* The owner stops: its channels are asked to end, and then made to. No callback
 * runs before the loop does. */
void asynchat__channels_stop(struct asynchat_channel *list);
void asynchat__channels_end(struct asynchat_channel *list);

static inline bool channel_is_leaving(const struct asynchat_channel *ch)
{
    return ch->leave != LEAVE_NOT;
}

/* What has arrived by now is received before the channel ends. */
void asynchat__channel_leaves(struct asynchat_channel *ch);

/* What comes of it, in each wake-up from then on. */
void asynchat__channel_stopping(struct asynchat_channel *ch);

/* --- channel_pause --- */

void asynchat__channel_pause(struct asynchat_channel *ch,
                             enum channel_pause why);
void asynchat__channel_resume(struct asynchat_channel *ch,
                              enum channel_pause why);

/* --- channel_pressure --- */

void asynchat__channel_pressure_init(struct channel_out *out);

/* More was pushed: what that means for the channel joined with is not left until
 * the end of the wake-up. */
void asynchat__channel_press(struct asynchat_channel *ch);

/* Looks whether what is queued has passed a mark, and tells. */
void asynchat__channel_pressure(struct asynchat_channel *ch);

/* Ends a joining. */
void asynchat__channel_part(struct asynchat_channel *ch);

/* --- channel_time --- */

/* Looks at what has moved in a wake-up that ends. 0 or -ENOMEM. */
int asynchat__channel_time(struct asynchat_channel *ch);

/* What the channel needs for times; 0 or -ENOMEM. */
int asynchat__channel_time_make(struct asynchat_channel *ch);

/* The connection may take so many milliseconds from now on to come up. 0 or
 * -ENOMEM, which has changed nothing. */
int asynchat__channel_time_connect(struct asynchat_channel *ch,
                                   struct event_base *base,
                                   unsigned milliseconds);

/* It is up. */
void asynchat__channel_time_up(struct asynchat_channel *ch);

/* Its turn is over: it goes on when all others have had theirs. 0 or -ENOMEM. */
int asynchat__channel_time_turn(struct asynchat_channel *ch);

/* The channel is closing, and not all is sent: gives the peer the linger time
 * to take it, anew if `progress`. 0 or -ENOMEM. */
int asynchat__channel_time_linger(struct asynchat_channel *ch, bool progress);

/* It is not, or no longer, the peer that the channel waits for. */
void asynchat__channel_linger_stop(struct asynchat_channel *ch);

/* What a rate does not allow yet may be tried again in `wait` milliseconds; 0:
 * there is nothing of that. The output is `kept`, and the peer not to blame. 0 or
 * -ENOMEM. */
int asynchat__channel_time_allow(struct asynchat_channel *ch, uint32_t wait,
                                 bool kept);

/* There is no rate any more. */
void asynchat__channel_time_unrated(struct asynchat_channel *ch);

/* In milliseconds, of a clock that wraps. */
uint32_t asynchat__channel_time_now(void);

void asynchat__channel_time_free(struct channel_time *time);

/* In a wake-up: whether the timer has begun it. */
bool asynchat__channel_time_has_fired(const struct asynchat_channel *ch);

/* --- expire --- */

/* The timer has fired: looks which clocks are over, and what comes of it. */
void asynchat__channel_expire(struct asynchat_channel *ch);

/* --- rate, of a channel that has one --- */

/* At the end of a wake-up: accounts for what has moved. 0 or -ENOMEM. */
int asynchat__channel_rate(struct asynchat_channel *ch);

/* At most so many bytes may be sent now, and no more than in one write. */
size_t asynchat__channel_rate_send(struct asynchat_channel *ch);

void asynchat__channel_rate_free(struct asynchat_channel *ch);

/* --- transcript, of a channel that has one --- */

/* What is queued; and what was added to an evbuffer, `from` on, which is lent. */
void asynchat__transcript_sent(struct asynchat_channel *ch, const void *data,
                               size_t len);
void asynchat__transcript_added(struct asynchat_channel *ch,
                                struct evbuffer *buffer, size_t from,
                                size_t len);

void asynchat__transcript_free(struct channel_transcript *t);

/* --- ask --- */

/* What the channel has done so far, all but `queued`: that is work to find out,
 * and 0 of a channel that is gone. */
struct asynchat_stats asynchat__channel_stats(
    const struct asynchat_channel *ch);

/* --- channel_in --- */

void asynchat__channel_in_init(struct channel_in *in,
                               const struct asynchat_handler *handler);
void asynchat__channel_in_free(struct channel_in *in);

/* Delivers what the input evbuffer holds. */
void asynchat__channel_in_run(struct asynchat_channel *ch);

/* At the end of file: delivers what is held back. Answers whether a message was
 * cut off. */
int asynchat__channel_in_finish(struct asynchat_channel *ch);

/* Messages are not counted one by one: a wake-up's count is its budget minus what
 * is left of it at the end. */
static inline void channel_in_begin_turn(struct channel_in *in)
{
    in->messages += in->allowed - in->turn;
    in->allowed = in->turn = in->budget;
}

/* How many messages were delivered or dropped. */
static inline uint64_t channel_messages(const struct asynchat_channel *ch)
{
    return ch->in.messages + (uint32_t)(ch->in.allowed - ch->in.turn);
}

/* Whether something came that is undelivered as the input is paused. */
bool asynchat__channel_in_waits(const struct asynchat_channel *ch);

void asynchat__channel_in_discard(struct asynchat_channel *ch);

/* Nothing has come of the next message. */
static inline bool channel_in_is_between(const struct asynchat_channel *ch)
{
    return framer_is_between(&ch->in.framer);
}

/* --- channel_out --- */

void asynchat__channel_out_init(struct channel_out *out);

/* At the beginning of a wake-up. */
void asynchat__channel_out_begin(struct asynchat_channel *ch);

/* The output limit holds for the short way as well. */
void asynchat__channel_out_room(struct asynchat_channel *ch);

/* Something was refused that was to be sent: what comes behind it is not. */
static inline bool channel_out_gap(const struct asynchat_channel *ch)
{
    int error = ch->transport.broken;
    return error == -ENOMEM || error == ASYNCHAT_EFULL;
}

/* What is pushed from now on takes the long way: something is not as it is while
 * a channel is idle. */
static inline void channel_out_busy(struct asynchat_channel *ch)
{
    ch->out.idle = false;
    ch->transport.open = false;
}

/* Fills the output evbuffer from the queue and sends from it. */
void asynchat__channel_out_run(struct asynchat_channel *ch);

/* Sends of bytes that need not be copied what can be sent at once, and answers how
 * much that was. Nothing may be queued before them. */
size_t asynchat__channel_out_now(struct asynchat_channel *ch, const void *data,
                                 size_t len);

void asynchat__channel_out_discard(struct asynchat_channel *ch);

/* Around work on an evbuffer of the output's or of the queue's during which code
 * of the program may run. What that pushes goes behind what is there; what it
 * discards is not counted any more, and goes when the work is done. `left` is
 * how much the output's has then. The first answers what the second needs. */
struct transport_lending asynchat__channel_out_lend(struct asynchat_channel *ch,
                                                    size_t left);
void asynchat__channel_out_take_back(struct asynchat_channel *ch,
                                     struct transport_lending before);
bool asynchat__channel_out_empty(const struct asynchat_channel *ch);

#endif
