/* Times: how long a peer may take.
 *
 * Wake-ups note what has moved, and when. One timer fires when the first of the
 * running clocks could be over. If no clock is over then, the timer is set to
 * when one could be. So no message sets a timer. Most channels never have one.
 *
 * Tested by tests/test_channel_time.c. SPDX-License-Identifier: BSD-3-Clause */
#include "channel/times.h"

#include <errno.h>

#include <event2/event.h>

#include "base/apart.h"
#include "base/memory.h"
#include "base/table.h"

#define RATE_TIME 10000

#define READING_CLOCKS                                                         \
    (CLOCK_BIT(CLOCK_IDLE) | CLOCK_BIT(CLOCK_READ) |                           \
     CLOCK_BIT(CLOCK_MESSAGE) | CLOCK_BIT(CLOCK_RATE))

_Static_assert(sizeof(struct asynchat_timeouts) ==
                   sizeof(size_t) + 6 * sizeof(unsigned),
               "asynchat_timeouts has padding");

/* A channel that is being made has no transport yet, but has times already. */
static APART uint32_t time_by_clock(const struct asynchat_channel *ch)
{
    return asynchat__time_by_clock(ch->time
                                       ? event_get_base(&ch->time->timer.event)
                                       : asynchat_get_base(ch));
}

static inline uint32_t time_now(const struct asynchat_channel *ch)
{
    return clocks_are_given() ? time_by_clock(ch) : time_of_system();
}

uint32_t asynchat__channel_time_now(const struct asynchat_channel *ch)
{
    return time_now(ch);
}

/* --- the two clocks that are kept in the channel --- */

static struct clocks *time_clocks(struct asynchat_channel *ch)
{
    ch->time->clocks.since[CLOCK_IDLE] = ch->moves.moved_at;
    ch->time->clocks.since[CLOCK_READ] = ch->moves.read_at;
    return &ch->time->clocks;
}

static void time_clocks_changed(struct asynchat_channel *ch)
{
    ch->moves.moved_at = ch->time->clocks.since[CLOCK_IDLE];
    ch->moves.read_at = ch->time->clocks.since[CLOCK_READ];
}

/* --- which clocks run --- */

/* Whether the channel waits for input; it may, also when its own output has
 * ended. */
static bool time_is_reading(const struct asynchat_channel *ch)
{
    bool open = ch->state == CHANNEL_OPEN ||
                (ch->state == CHANNEL_RECEIVING && ch->half == HALF_SHUT);
    return open && !ch->in.paused;
}

/* Whether a channel that is ending in order waits for nothing but an open slot,
 * or a producer that has nothing yet. Then it does not linger. */
static bool time_is_for_program(const struct asynchat_channel *ch)
{
    return channel_sends(ch) && !ch->time->lingers &&
           !channel_is_error(ch->status);
}

/* A steady deadline also runs while the connection is not up, and while the
 * channel waits for this side. Otherwise no deadline runs when the channel is
 * ending: what is left then has the linger time. */
static bool time_has_deadline(const struct asynchat_channel *ch, bool reads)
{
    bool connecting = ch->state == CHANNEL_CONNECTING && !ch->out.queue.ends;
    if (!ch->time->steady)
        return reads && !channel_is_ending(ch);
    return connecting || !channel_is_ending(ch) || time_is_for_program(ch);
}

static unsigned bits_if(bool runs, unsigned bits)
{
    return runs ? bits : 0;
}

/* After a pause, a wake-up sets the clocks about reading right. They run from
 * then on. */
unsigned asynchat__channel_time_running(const struct asynchat_channel *ch)
{
    const struct channel_time *time = ch->time;
    bool reads = time_is_reading(ch) && !time->stopped;
    return bits_if(reads && !time->told,
                   CLOCK_BIT(CLOCK_IDLE) | CLOCK_BIT(CLOCK_READ)) |
           bits_if(reads && ch->in.timed,
                   CLOCK_BIT(CLOCK_MESSAGE) | CLOCK_BIT(CLOCK_RATE)) |
           bits_if(time_has_deadline(ch, reads), CLOCK_BIT(CLOCK_DEADLINE)) |
           bits_if(time->stalls && !time->kept, CLOCK_BIT(CLOCK_WRITE)) |
           bits_if(time->lingers && !time->kept, CLOCK_BIT(CLOCK_LINGER)) |
           bits_if(ch->state == CHANNEL_CONNECTING, CLOCK_BIT(CLOCK_CONNECT)) |
           CLOCK_BIT(CLOCK_ALLOW) | CLOCK_BIT(CLOCK_SHAKE);
}

int asynchat__channel_time_over(struct asynchat_channel *ch, unsigned which)
{
    unsigned running = asynchat__channel_time_running(ch) & which;
    return asynchat__clocks_over(time_clocks(ch), running,
                                 asynchat__channel_time_now(ch));
}

/* --- the timer --- */

/* A timer that is due already, and has not fired, fires in this pass of the
 * loop. This timer is left alone: libevent would take it back and set it
 * anew. */
static bool time_fires_before(const struct channel_time *time, uint32_t now,
                              uint32_t wait)
{
    return time->armed && (int32_t)(time->due - now) <= (int32_t)wait;
}

/* Has the timer fire in `wait` milliseconds, unless it fires before that. 0 or
 * -ENOMEM. */
static int time_set(struct channel_time *time, uint32_t now, uint32_t wait)
{
    if (time_fires_before(time, now, wait))
        return 0;
    if (asynchat__timer_set(&time->timer, wait) < 0)
        return -ENOMEM;
    time->armed = true;
    time->due = now + wait;
    return 0;
}

/* Leaves the timer as it is if it fires early enough. */
int asynchat__channel_time_arm(struct asynchat_channel *ch, uint32_t now)
{
    struct channel_time *time = ch->time;
    time->running = asynchat__channel_time_running(ch);
    uint32_t next = asynchat__clocks_next(time_clocks(ch), time->running, now);
    return next == UINT32_MAX ? 0 : time_set(time, now, next);
}

/* A clock that ran before is not over before the timer fires, even if it was
 * begun anew. But a clock that has begun to run since may be. */
static int time_arm_if_changed(struct asynchat_channel *ch, uint32_t now)
{
    return ch->time->running == asynchat__channel_time_running(ch)
               ? 0
               : asynchat__channel_time_arm(ch, now);
}

/* Sets the timer to 0. It fires after everything that is ready in the next pass
 * of the loop, while a channel that is woken has its turn in this pass. */
int asynchat__channel_time_turn(struct asynchat_channel *ch)
{
    return time_set(ch->time, asynchat__channel_time_now(ch), 0);
}

bool asynchat__channel_time_has_fired(const struct asynchat_channel *ch)
{
    return ch->time && ch->time->fired;
}

/* The timer calls the channel as the transport does. Input that a batch is
 * about to deliver comes first, as it does without a batch. */
static void time_fired(evutil_socket_t fd, short what, void *arg)
{
    struct asynchat_channel *ch = arg;
    (void)fd;
    (void)what;
    ch->time->armed = false;
    if (ch->transport.queued && asynchat__channel_time_turn(ch) == 0)
        return;
    ch->time->fired = true;
    ch->running = true;
    ch->transport.ready(&ch->transport);
}

/* --- what has moved --- */

/* Begins the clocks of a message. Bytes that came before do not count for
 * them. */
static void time_begin_message(struct asynchat_channel *ch, uint32_t now)
{
    asynchat__clocks_begin(&ch->time->clocks,
                           CLOCK_BIT(CLOCK_MESSAGE) | CLOCK_BIT(CLOCK_RATE),
                           now);
    ch->time->rated = ch->in.received;
}

static void time_go_on(struct asynchat_channel *ch, uint32_t now)
{
    unsigned stood = READING_CLOCKS;
    if (!ch->time->steady)
        stood |= CLOCK_BIT(CLOCK_DEADLINE);
    asynchat__clocks_go_on(time_clocks(ch), stood, now);
    time_clocks_changed(ch);
}

static void time_read(struct asynchat_channel *ch, uint32_t now)
{
    struct channel_time *time = ch->time;
    bool in_message = !channel_in_is_between(ch);
    bool stopped = !time_is_reading(ch);
    if (time->stopped && !stopped)
        time_go_on(ch, now);
    if (!time->stopped && stopped)
        time->clocks.standing_since = now;
    time->stopped = stopped;
    if (in_message && !ch->in.timed)
        time_begin_message(ch, now);
    ch->in.timed = in_message;
}

static void time_write(struct asynchat_channel *ch, uint32_t now, bool sent)
{
    struct channel_time *time = ch->time;
    bool ready = asynchat__transport_moving(&ch->transport) > 0 ||
                 outq_is_ready(&ch->out.queue);
    bool stalls =
        time->clocks.limit[CLOCK_WRITE] > 0 && channel_sends(ch) && ready;
    if (stalls && (sent || !time->stalls)) {
        asynchat__clocks_begin(&time->clocks, CLOCK_BIT(CLOCK_WRITE), now);
        time->unsent = asynchat__transport_unsent(&ch->transport);
    }
    time->stalls = stalls;
}

/* Whether the channel only waits for the next message. Its state is OPEN, since
 * its output is idle. */
static bool time_is_calm(const struct asynchat_channel *ch)
{
    return ch->out.way != WAY_LONG && !ch->in.paused &&
           channel_in_is_between(ch);
}

int asynchat__channel_time(struct asynchat_channel *ch)
{
    struct channel_moves *moves = &ch->moves;
    uint32_t now = time_now(ch);
    bool received = moves->received != (uint32_t)ch->in.received;
    bool sent = moves->sent != (uint32_t)ch->transport.sent;
    moves->received = (uint32_t)ch->in.received;
    moves->sent = (uint32_t)ch->transport.sent;
    if (received)
        moves->read_at = now;
    if (received || sent)
        moves->moved_at = now;
    if (ch->calm && time_is_calm(ch))
        return 0;
    if (received)
        ch->time->told = false;
    time_read(ch, now);
    time_write(ch, now, sent);
    int error = time_arm_if_changed(ch, now);
    ch->calm = time_is_calm(ch) && !ch->time->told;
    return error;
}

/* --- a clock that is over --- */

/* Whether the peer has taken something since the last look. A slow peer may
 * take bytes that the system has had from us for long. When it has taken all, a
 * channel that lingers has waited long enough. */
static bool time_is_taken(struct asynchat_channel *ch)
{
    size_t before = ch->time->unsent;
    ch->time->unsent = asynchat__transport_unsent(&ch->transport);
    return ch->time->unsent < before &&
           (ch->time->unsent > 0 || ch->state != CHANNEL_LINGERING);
}

static bool time_is_enough(struct asynchat_channel *ch)
{
    struct channel_time *time = ch->time;
    uint64_t came = ch->in.received - time->rated;
    time->rated = ch->in.received;
    return came >= time->enough;
}

static bool time_has_moved(struct asynchat_channel *ch, enum clock clock)
{
    if (clock == CLOCK_WRITE || clock == CLOCK_LINGER)
        return time_is_taken(ch);
    return clock == CLOCK_RATE && time_is_enough(ch);
}

bool asynchat__channel_time_goes_on(struct asynchat_channel *ch,
                                    enum clock clock)
{
    bool moved = time_has_moved(ch, clock);
    if (moved)
        asynchat__clocks_begin(&ch->time->clocks, CLOCK_BIT(clock),
                               asynchat__channel_time_now(ch));
    return moved;
}

/* --- making --- */

static struct channel_time *time_new(struct asynchat_channel *ch,
                                     struct event_base *base)
{
    struct channel_time *time = asynchat__calloc(1, sizeof *time);
    if (time)
        asynchat__timer_init(&time->timer, base, time_fired, ch);
    return time;
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

struct channel_rate *asynchat__channel_get_rate(
    const struct asynchat_channel *ch)
{
    return ch->time ? ch->time->rate : NULL;
}

void asynchat__channel_time_free(struct channel_time *time)
{
    if (time)
        asynchat__timer_end(&time->timer);
    asynchat__free(time);
}

void asynchat__channel_time_changed(struct asynchat_channel *ch)
{
    ch->time->running = 0;
    ch->calm = false;
    asynchat__channel_wake(ch);
}

static uint32_t limit_of_rate(const struct asynchat_timeouts *limits)
{
    if (limits->min_rate == 0)
        return 0;
    return limits->rate_time > 0 ? limits->rate_time : RATE_TIME;
}

void asynchat__channel_time_limits(struct asynchat_channel *ch,
                                   const struct asynchat_timeouts *limits)
{
    struct asynchat_timeouts all;
    struct channel_time *time = ch->time;
    uint32_t *limit = time->clocks.limit;
    asynchat__table_copy(&all, limits, sizeof all);
    limit[CLOCK_IDLE] = all.idle;
    limit[CLOCK_READ] = all.read_idle;
    limit[CLOCK_WRITE] = all.write_idle;
    limit[CLOCK_MESSAGE] = all.message;
    limit[CLOCK_RATE] = limit_of_rate(&all);
    time->enough = (uint64_t)all.min_rate * limit[CLOCK_RATE] / 1000;
    time->told = false;
    asynchat__clocks_begin(&time->clocks,
                           READING_CLOCKS | CLOCK_BIT(CLOCK_WRITE),
                           asynchat__channel_time_now(ch));
    time_clocks_changed(ch);
    time->rated = ch->in.received;
    time->unsent = asynchat__transport_unsent(&ch->transport);
    asynchat__channel_time_changed(ch);
}

void asynchat__channel_time_follow(struct asynchat_channel *ch)
{
    struct channel_time *time = ch->time;
    if (!time || !time->told)
        return;
    time->told = false;
    asynchat__clocks_begin(&time->clocks,
                           CLOCK_BIT(CLOCK_IDLE) | CLOCK_BIT(CLOCK_READ),
                           asynchat__channel_time_now(ch));
    time_clocks_changed(ch);
    asynchat__channel_time_changed(ch);
}

/* --- the deadline --- */

void asynchat__channel_time_deadline(struct asynchat_channel *ch,
                                     unsigned milliseconds, bool steady)
{
    struct channel_time *time = ch->time;
    time->clocks.limit[CLOCK_DEADLINE] = milliseconds;
    time->steady = steady;
    asynchat__clocks_begin(&time->clocks, CLOCK_BIT(CLOCK_DEADLINE),
                           asynchat__channel_time_now(ch));
    if (milliseconds > 0)
        asynchat__channel_time_changed(ch);
}

/* A deadline that was set while nothing is read has not begun. */
uint32_t asynchat__channel_time_left(const struct asynchat_channel *ch)
{
    const struct channel_time *time = ch->time;
    if (!time)
        return UINT32_MAX;
    uint32_t since = time->clocks.since[CLOCK_DEADLINE];
    uint32_t now = asynchat__channel_time_now(ch);
    if (time->stopped && !time->steady)
        now = time->clocks.standing_since;
    if ((int32_t)(now - since) < 0)
        now = since;
    return asynchat__clocks_left(&time->clocks, CLOCK_DEADLINE, now);
}

/* --- rates --- */

/* CLOCK_WRITE and CLOCK_LINGER did not run while a rate kept the output back,
 * and begin anew when it does not any more. */
static void time_allow_in(struct channel_time *time, uint32_t now,
                          uint32_t wait, bool kept)
{
    if (time->kept && !kept)
        asynchat__clocks_begin(&time->clocks,
                               CLOCK_BIT(CLOCK_WRITE) | CLOCK_BIT(CLOCK_LINGER),
                               now);
    time->kept = kept;
    time->clocks.limit[CLOCK_ALLOW] = wait;
    asynchat__clocks_begin(&time->clocks, CLOCK_BIT(CLOCK_ALLOW), now);
}

int asynchat__channel_time_allow(struct asynchat_channel *ch, uint32_t wait,
                                 bool kept)
{
    uint32_t now = asynchat__channel_time_now(ch);
    time_allow_in(ch->time, now, wait, kept);
    return asynchat__channel_time_arm(ch, now);
}

void asynchat__channel_time_unrated(struct asynchat_channel *ch)
{
    time_allow_in(ch->time, asynchat__channel_time_now(ch), 0, false);
    asynchat__channel_time_changed(ch);
}

/* --- linger --- */

/* The linger time is no limit for all that is left: when the peer takes
 * something, the time begins anew. */
int asynchat__channel_time_linger(struct asynchat_channel *ch, bool progress)
{
    uint32_t now = asynchat__channel_time_now(ch);
    int error = asynchat__channel_time_make(ch);
    if (error)
        return error;
    struct channel_time *time = ch->time;
    time->clocks.limit[CLOCK_LINGER] = ch->linger;
    if (progress || !time->lingers) {
        time->lingers = true;
        asynchat__clocks_begin(&time->clocks, CLOCK_BIT(CLOCK_LINGER), now);
        time->unsent = asynchat__transport_unsent(&ch->transport);
        time->closed = ch->in.received;
    }
    return asynchat__channel_time_arm(ch, now);
}

bool asynchat__channel_linger_over(const struct asynchat_channel *ch)
{
    return ch->time &&
           ch->in.received - ch->time->closed > ASYNCHAT_LINGER_MOST;
}

void asynchat__channel_linger_stop(struct asynchat_channel *ch)
{
    if (ch->time)
        ch->time->lingers = false;
}

/* --- until the connection is up --- */

/* Times of which no more may be needed when the channel is up. 0 or -ENOMEM. */
static int time_make_passing(struct asynchat_channel *ch,
                             struct event_base *base)
{
    if (ch->time)
        return 0;
    ch->time = time_new(ch, base);
    if (!ch->time)
        return -ENOMEM;
    ch->time->passing = true;
    return 0;
}

/* Begins a clock with that limit. 0, or -ENOMEM, which has changed nothing. */
static int time_begin(struct asynchat_channel *ch, enum clock clock,
                      uint32_t limit)
{
    struct channel_time *time = ch->time;
    struct clocks before = time->clocks;
    unsigned running = time->running;
    uint32_t now = asynchat__channel_time_now(ch);
    time->clocks.limit[clock] = limit;
    asynchat__clocks_begin(&time->clocks, CLOCK_BIT(clock), now);
    int error = asynchat__channel_time_arm(ch, now);
    if (error) {
        time->clocks = before;
        time->running = running;
    }
    return error;
}

/* The caller gives the event base, since a channel that is being made has no
 * transport yet. */
int asynchat__channel_time_connect(struct asynchat_channel *ch,
                                   struct event_base *base,
                                   unsigned milliseconds)
{
    int error = time_make_passing(ch, base);
    return error ? error : time_begin(ch, CLOCK_CONNECT, milliseconds);
}

int asynchat__channel_time_shake(struct asynchat_channel *ch,
                                 unsigned milliseconds)
{
    if (milliseconds == 0)
        return 0;
    int error = time_make_passing(ch, asynchat_get_base(ch));
    return error ? error : time_begin(ch, CLOCK_SHAKE, milliseconds);
}

/* Frees the times if they were only for connecting: most channels need none
 * later. */
void asynchat__channel_time_up(struct asynchat_channel *ch)
{
    ch->time->clocks.limit[CLOCK_SHAKE] = 0;
    if (!ch->time->passing)
        return;
    asynchat__channel_time_free(ch->time);
    ch->time = NULL;
    ch->calm = false;
}
