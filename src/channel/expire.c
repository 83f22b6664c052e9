/* Time: how long a peer may take.
 *
 * Wake-ups note what has moved, and when. One timer looks at that when the first
 * of the times that run could be over, and if it is not, goes on until it could
 * be: no message sets a timer. Most channels never have one.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "channel/object.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

#include <event2/event.h>

#include <asynchat/error.h>

#include "base/table.h"

#define RATE_TIME 10000

enum clock {
    CLOCK_IDLE, /* the first two have their beginning in the channel's moves */
    CLOCK_READ,
    CLOCK_WRITE,
    CLOCK_MESSAGE,
    CLOCK_RATE,
    CLOCK_LINGER,
    CLOCK_ALLOW,
    CLOCK_CONNECT,
    CLOCKS
};

struct channel_time {
    struct event *timer;
    struct asynchat_timeouts limits;
    uint32_t since[CLOCKS]; /* milliseconds, of a clock that wraps */
    uint32_t due;           /* the timer */
    unsigned running;       /* which times ran when it was set or left as it
                               was; 0: a limit has changed since */
    uint32_t allow;         /* what a rate did not, after so long */
    uint32_t connect;       /* how long the connection may take; 0: for ever */
    uint32_t stopped_at;    /* when the clocks about reading did */
    uint64_t rated;         /* what had come when CLOCK_RATE began */
    size_t unsent;          /* when CLOCK_WRITE or CLOCK_LINGER began */
    bool armed;
    bool lingers;
    bool stalls;  /* something waits for the peer to take it */
    bool told;    /* that it is idle */
    bool kept;    /* a rate keeps the output, and not the peer */
    bool stopped; /* nothing is read: the clocks about that stand still */
    bool passing; /* of use only until the connection is up */
};

_Static_assert(sizeof(struct asynchat_timeouts) ==
                   sizeof(size_t) + 6 * sizeof(unsigned),
               "asynchat_timeouts has padding");

uint32_t asynchat__channel_time_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint32_t)now.tv_sec * 1000 + (uint32_t)(now.tv_nsec / 1000000);
}

/* --- which times run --- */

/* What comes is waited for, also when this side's output has ended. */
static bool time_is_reading(const struct asynchat_channel *ch)
{
    bool open = ch->state == CHANNEL_OPEN ||
                (ch->state == CHANNEL_RECEIVING && ch->shuts);
    return open && !ch->in.paused;
}

/* Its clocks run: from the wake-up on that has set them right after a pause. */
static bool time_reads(const struct asynchat_channel *ch)
{
    return time_is_reading(ch) && !ch->time->stopped;
}

/* 0: it does not. */
static uint32_t time_limit(const struct asynchat_channel *ch, enum clock clock)
{
    const struct channel_time *time = ch->time;
    const struct asynchat_timeouts *limits = &time->limits;
    bool reads = time_reads(ch);
    bool in_message = reads && ch->in.timed;
    switch (clock) {
    case CLOCK_IDLE:
        return reads && !time->told ? limits->idle : 0;
    case CLOCK_READ:
        return reads && !time->told ? limits->read_idle : 0;
    case CLOCK_WRITE:
        return time->stalls && !time->kept ? limits->write_idle : 0;
    case CLOCK_MESSAGE:
        return in_message ? limits->message : 0;
    case CLOCK_RATE:
        return in_message && limits->min_rate ? limits->rate_time : 0;
    case CLOCK_LINGER:
        return time->lingers && !time->kept ? ch->linger : 0;
    case CLOCK_ALLOW:
        return time->allow;
    case CLOCK_CONNECT:
        return ch->state == CHANNEL_CONNECTING ? time->connect : 0;
    default:
        return 0;
    }
}

static uint32_t *time_since(struct asynchat_channel *ch, enum clock clock)
{
    if (clock == CLOCK_IDLE)
        return &ch->moves.moved_at;
    if (clock == CLOCK_READ)
        return &ch->moves.read_at;
    return &ch->time->since[clock];
}

/* Changes when one begins to run, but for those that set the timer themselves;
 * never 0. */
static unsigned time_running(const struct asynchat_channel *ch)
{
    const struct channel_time *time = ch->time;
    bool reads = time_reads(ch);
    return 1u | (unsigned)reads << 1 | (unsigned)time->told << 2 |
           (unsigned)ch->in.timed << 3 | (unsigned)time->stalls << 4;
}

/* The milliseconds until a time is over, at most `limit`. */
static uint32_t time_left(struct asynchat_channel *ch, enum clock clock,
                          uint32_t limit, uint32_t now)
{
    uint32_t passed = now - *time_since(ch, clock);
    return passed < limit ? limit - passed : 0;
}

static int time_set(struct channel_time *time, uint32_t now, uint32_t wait)
{
    struct timeval in = {.tv_sec = (time_t)(wait / 1000),
                         .tv_usec = (suseconds_t)(wait % 1000) * 1000};
    if (evtimer_add(time->timer, &in) < 0)
        return -ENOMEM;
    time->armed = true;
    time->due = now + wait;
    return 0;
}

/* Sets the timer, unless it looks early enough. 0 or -ENOMEM. */
static int time_try_to_arm(struct asynchat_channel *ch, uint32_t now)
{
    struct channel_time *time = ch->time;
    uint32_t nearest = UINT32_MAX;
    time->running = time_running(ch);
    for (int clock = 0; clock < CLOCKS; clock++) {
        uint32_t limit = time_limit(ch, (enum clock)clock);
        uint32_t left = time_left(ch, (enum clock)clock, limit, now);
        if (limit > 0 && left < nearest)
            nearest = left;
    }
    if (nearest == UINT32_MAX || (time->armed && time->due - now <= nearest))
        return 0;
    return time_set(time, now, nearest);
}

static void time_arm(struct asynchat_channel *ch, uint32_t now)
{
    int error = time_try_to_arm(ch, now);
    if (error)
        asynchat__channel_end(ch, error);
}

/* Those that ran already are not over before the timer, also begun anew; one
 * that began to run since may be. */
static void time_arm_if_changed(struct asynchat_channel *ch, uint32_t now)
{
    if (ch->time->running != time_running(ch))
        time_arm(ch, now);
}

/* A timer that is over at once comes after what is ready in the next pass of the
 * loop; what is woken comes in this. */
void asynchat__channel_time_turn(struct asynchat_channel *ch)
{
    int error = time_set(ch->time, asynchat__channel_time_now(), 0);
    if (error)
        asynchat__channel_end(ch, error);
}

/* --- what has moved --- */

static void time_begin_message(struct asynchat_channel *ch, uint32_t now)
{
    ch->time->since[CLOCK_MESSAGE] = now;
    ch->time->since[CLOCK_RATE] = now;
    ch->time->rated = ch->in.received;
}

/* The clocks about reading go on where they stood; those that something has set
 * meanwhile begin now. */
static void time_go_on(struct asynchat_channel *ch, uint32_t now)
{
    static const enum clock clocks[] = {CLOCK_IDLE, CLOCK_READ, CLOCK_MESSAGE,
                                        CLOCK_RATE};
    uint32_t stood = now - ch->time->stopped_at;
    for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
        uint32_t *since = time_since(ch, clocks[i]);
        *since = now - *since > stood ? *since + stood : now;
    }
}

static void time_read(struct asynchat_channel *ch, uint32_t now)
{
    struct channel_time *time = ch->time;
    bool in_message = !channel_in_is_between(ch);
    bool stopped = !time_is_reading(ch);
    if (time->stopped && !stopped)
        time_go_on(ch, now);
    if (!time->stopped && stopped)
        time->stopped_at = now;
    time->stopped = stopped;
    if (in_message && !ch->in.timed)
        time_begin_message(ch, now);
    ch->in.timed = in_message;
}

static void time_write(struct asynchat_channel *ch, uint32_t now, bool sent)
{
    struct channel_time *time = ch->time;
    bool ready = asynchat__transport_moving(&ch->transport) > 0 ||
                 (ch->out.queue.first && !ch->out.waiting);
    bool stalls = time->limits.write_idle > 0 && channel_sends(ch) && ready;
    if (stalls && (sent || !time->stalls)) {
        time->since[CLOCK_WRITE] = now;
        time->unsent = asynchat__transport_unsent(&ch->transport);
    }
    time->stalls = stalls;
}

/* It is open, as its output is idle. */
static bool time_is_calm(const struct asynchat_channel *ch)
{
    return ch->out.idle && !ch->in.paused && channel_in_is_between(ch);
}

void asynchat__channel_time(struct asynchat_channel *ch)
{
    struct channel_moves *moves = &ch->moves;
    uint32_t now = asynchat__channel_time_now();
    bool received = moves->received != (uint32_t)ch->in.received;
    bool sent = moves->sent != (uint32_t)ch->transport.sent;
    moves->received = (uint32_t)ch->in.received;
    moves->sent = (uint32_t)ch->transport.sent;
    if (received)
        moves->read_at = now;
    if (received || sent)
        moves->moved_at = now;
    if (ch->calm && time_is_calm(ch))
        return;
    if (received)
        ch->time->told = false;
    time_read(ch, now);
    time_write(ch, now, sent);
    time_arm_if_changed(ch, now);
    ch->calm = time_is_calm(ch) && !ch->time->told;
}

/* --- what is over --- */

/* A slow peer may have taken what the system has had from us long ago. */
static bool time_is_taken(struct asynchat_channel *ch)
{
    size_t before = ch->time->unsent;
    ch->time->unsent = asynchat__transport_unsent(&ch->transport);
    return ch->time->unsent < before;
}

static bool time_is_enough(struct asynchat_channel *ch)
{
    struct channel_time *time = ch->time;
    uint64_t came = ch->in.received - time->rated;
    time->rated = ch->in.received;
    return came >=
           (uint64_t)time->limits.min_rate * time->limits.rate_time / 1000;
}

/* Some begin anew. */
static bool time_goes_on(struct asynchat_channel *ch, enum clock clock)
{
    if (clock == CLOCK_WRITE || clock == CLOCK_LINGER)
        return time_is_taken(ch);
    return clock == CLOCK_RATE && time_is_enough(ch);
}

static void time_idle(struct asynchat_channel *ch)
{
    ch->time->told = true;
    ch->calm = false;
    if (ch->handler->handle_idle)
        ch->handler->handle_idle(ch, ch->arg);
    else
        asynchat__channel_stop(ch, ASYNCHAT_EIDLE, 0);
}

/* The wake-up that follows tries, and says when to try again. */
static void time_allow(struct asynchat_channel *ch)
{
    ch->time->allow = 0;
    asynchat__channel_resume(ch, PAUSE_RATE);
}

static void time_over(struct asynchat_channel *ch, enum clock clock)
{
    if (clock == CLOCK_ALLOW)
        time_allow(ch);
    else if (clock == CLOCK_IDLE || clock == CLOCK_READ)
        time_idle(ch);
    else if (clock == CLOCK_MESSAGE || clock == CLOCK_RATE)
        asynchat__channel_stop(ch, ASYNCHAT_ESLOW, 0);
    else if (clock == CLOCK_WRITE)
        asynchat__channel_end(ch, ASYNCHAT_ESTALLED);
    else if (ch->state == CHANNEL_RECEIVING)
        asynchat__channel_end(ch, ch->transport.broken);
    else
        asynchat__channel_end(ch, -ETIMEDOUT);
}

/* A callback before may have taken its time, and set this clock. */
static void time_look(struct asynchat_channel *ch, enum clock clock)
{
    uint32_t now = asynchat__channel_time_now();
    uint32_t limit = time_limit(ch, clock);
    if (limit == 0 || time_left(ch, clock, limit, now) > 0)
        return;
    if (time_goes_on(ch, clock))
        *time_since(ch, clock) = now;
    else
        time_over(ch, clock);
}

/* What a callback pushed is sent in a wake-up of its own. */
static void time_fired(evutil_socket_t fd, short what, void *arg)
{
    struct asynchat_channel *ch = arg;
    (void)fd;
    (void)what;
    ch->time->armed = false;
    asynchat__channel_hold(ch);
    asynchat__channel_resume(ch, PAUSE_TURN);
    for (int clock = 0; clock < CLOCKS && ch->state < CHANNEL_ENDED; clock++)
        time_look(ch, (enum clock)clock);
    if (ch->state < CHANNEL_ENDED) {
        time_arm(ch, asynchat__channel_time_now());
        ch->transport.ops->wake(&ch->transport);
    }
    asynchat__channel_release(ch);
}

/* --- making --- */

static struct channel_time *time_new(struct asynchat_channel *ch,
                                     struct event_base *base)
{
    struct channel_time *time = calloc(1, sizeof *time);
    if (!time)
        return NULL;
    time->timer = evtimer_new(base, time_fired, ch);
    if (time->timer)
        return time;
    free(time);
    return NULL;
}

int asynchat__channel_time_make(struct asynchat_channel *ch)
{
    if (!ch->time)
        ch->time = time_new(ch, asynchat_get_base(ch));
    if (!ch->time)
        return -ENOMEM;
    ch->time->passing = false;
    return 0;
}

void asynchat__channel_time_free(struct channel_time *time)
{
    if (time)
        event_free(time->timer);
    free(time);
}

static void time_allow_in(struct channel_time *time, uint32_t now,
                          uint32_t wait, bool kept)
{
    if (time->kept && !kept) {
        time->since[CLOCK_WRITE] = now;
        time->since[CLOCK_LINGER] = now;
    }
    time->kept = kept;
    time->allow = wait;
    time->since[CLOCK_ALLOW] = now;
}

void asynchat__channel_time_allow(struct asynchat_channel *ch, uint32_t wait,
                                  bool kept)
{
    uint32_t now = asynchat__channel_time_now();
    time_allow_in(ch->time, now, wait, kept);
    time_arm(ch, now);
}

/* A limit has changed, perhaps to one that is over before the timer. */
static void time_set_anew(struct asynchat_channel *ch)
{
    ch->time->running = 0;
    ch->calm = false;
    asynchat__channel_wake(ch);
}

void asynchat__channel_time_unrated(struct asynchat_channel *ch)
{
    time_allow_in(ch->time, asynchat__channel_time_now(), 0, false);
    time_set_anew(ch);
}

/* --- linger --- */

/* It is not a limit on all of it: a peer that takes something has it again. */
void asynchat__channel_linger(struct asynchat_channel *ch, bool progress)
{
    uint32_t now = asynchat__channel_time_now();
    int error = asynchat__channel_time_make(ch);
    if (error) {
        asynchat__channel_end(ch, error);
        return;
    }
    if (progress || !ch->time->lingers) {
        ch->time->lingers = true;
        ch->time->since[CLOCK_LINGER] = now;
        ch->time->unsent = asynchat__transport_unsent(&ch->transport);
    }
    time_arm(ch, now);
}

void asynchat__channel_linger_stop(struct asynchat_channel *ch)
{
    if (ch->time)
        ch->time->lingers = false;
}

int asynchat_set_linger(struct asynchat_channel *ch, unsigned milliseconds)
{
    if (!ch || milliseconds == 0 || milliseconds > INT_MAX)
        return -EINVAL;
    ch->linger = milliseconds;
    if (ch->time)
        time_set_anew(ch);
    return 0;
}

unsigned asynchat_get_linger(const struct asynchat_channel *ch)
{
    return ch ? ch->linger : 0;
}

/* --- until the connection is up --- */

/* Without a transport yet, where the channel is just being made. */
int asynchat__channel_time_connect(struct asynchat_channel *ch,
                                   struct event_base *base,
                                   unsigned milliseconds)
{
    uint32_t now = asynchat__channel_time_now();
    if (!ch->time) {
        ch->time = time_new(ch, base);
        if (!ch->time)
            return -ENOMEM;
        ch->time->passing = true;
    }
    struct channel_time before = *ch->time;
    ch->time->connect = milliseconds;
    ch->time->since[CLOCK_CONNECT] = now;
    int error = time_try_to_arm(ch, now);
    if (error)
        *ch->time = before;
    return error;
}

/* Most channels need no more of it, and go on without. */
void asynchat__channel_time_up(struct asynchat_channel *ch)
{
    if (!ch->time->passing)
        return;
    asynchat__channel_time_free(ch->time);
    ch->time = NULL;
    ch->calm = false;
}

int asynchat_set_connect_time(struct asynchat_channel *ch,
                              unsigned milliseconds)
{
    if (!ch || milliseconds == 0 || milliseconds > INT_MAX)
        return -EINVAL;
    if (ch->state != CHANNEL_CONNECTING)
        return 0;
    return asynchat__channel_time_connect(ch, asynchat_get_base(ch),
                                          milliseconds);
}

unsigned asynchat_get_connect_time(const struct asynchat_channel *ch)
{
    bool connecting = ch && ch->state == CHANNEL_CONNECTING;
    return connecting && ch->time ? ch->time->connect : 0;
}

/* --- timeouts --- */

static int timeouts_check(const struct asynchat_timeouts *times)
{
    int error = asynchat__table_check(
        times, TABLE_SIZE(struct asynchat_timeouts, rate_time), sizeof *times);
    if (error)
        return error;
    const unsigned all[] = {times->idle,    times->read_idle, times->write_idle,
                            times->message, times->min_rate,  times->rate_time};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i] > INT_MAX)
            return -EINVAL;
    return 0;
}

int asynchat_set_timeouts(struct asynchat_channel *ch,
                          const struct asynchat_timeouts *times)
{
    if (!ch || !times)
        return -EINVAL;
    int error = timeouts_check(times);
    if (error)
        return error;
    error = asynchat__channel_time_make(ch);
    if (error)
        return error;
    struct channel_time *time = ch->time;
    uint32_t now = asynchat__channel_time_now();
    asynchat__table_copy(&time->limits, times, sizeof time->limits);
    if (times->rate_time == 0)
        time->limits.rate_time = RATE_TIME;
    time->told = false;
    for (int clock = 0; clock < CLOCK_LINGER; clock++)
        *time_since(ch, (enum clock)clock) = now;
    time->rated = ch->in.received;
    time->unsent = asynchat__transport_unsent(&ch->transport);
    time_set_anew(ch);
    return 0;
}
