/* The times of a channel that has limits, as the files of src/channel/ see
 * them. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_CHANNEL_TIMES_H
#define ASYNCHAT_CHANNEL_TIMES_H

#include "channel/object.h"
#include "clock/clocks.h"
#include "loop/timer.h"

/* Invariants: the beginnings of CLOCK_IDLE and CLOCK_READ are in the channel's
 * `moves`; they are here only while clocks are looked at. While `armed`, the
 * timer fires no later than the first of the clocks `running` is over; it fires
 * earlier if that clock was begun anew. */
struct channel_time {
    struct timer timer;
    struct channel_rate *rate; /* or NULL */
    struct clocks clocks;
    uint32_t due; /* when the timer fires */
    /* The clocks that ran when the timer was last looked at; 0: a limit has
     * changed since. */
    unsigned running;
    uint64_t rated;  /* bytes received in all when CLOCK_RATE began */
    uint64_t enough; /* bytes that have to come within CLOCK_RATE */
    size_t unsent;   /* bytes unsent when CLOCK_WRITE or CLOCK_LINGER began */
    uint64_t closed; /* bytes received in all when CLOCK_LINGER began */
    bool armed;
    /* The timer has begun the wake-up, and no clock was looked at yet. */
    bool fired;
    bool lingers; /* the channel is closing, and not all is sent */
    bool stalls;  /* something waits for the peer to take it */
    bool told;    /* handle_idle was called, and nothing has come since */
    bool kept;    /* a rate keeps the output, so the peer is not to blame */
    bool stopped; /* nothing is read, so the clocks about reading stand still */
    bool steady;  /* the deadline runs whether or not anything is read */
    bool passing; /* the clocks are of use only until the connection is up */
};

/* The clocks that run now. This is never 0. */
unsigned asynchat__channel_time_running(const struct asynchat_channel *ch);

/* The first of `which` that runs and is over, or -1. */
int asynchat__channel_time_over(struct asynchat_channel *ch, unsigned which);

/* Begins a clock that is over anew, if the peer has done enough. Answers
 * whether it has. */
bool asynchat__channel_time_goes_on(struct asynchat_channel *ch,
                                    enum clock clock);

/* Sets the timer for the clocks that run now. 0 or -ENOMEM. */
int asynchat__channel_time_arm(struct asynchat_channel *ch, uint32_t now);

/* Sets limits that were checked: they hold from now on. */
void asynchat__channel_time_limits(struct asynchat_channel *ch,
                                   const struct asynchat_timeouts *limits);

/* Begins the deadline, of that many milliseconds; 0: takes it away. */
void asynchat__channel_time_deadline(struct asynchat_channel *ch,
                                     unsigned milliseconds, bool steady);

/* How many milliseconds the deadline has left; 0: it is over. UINT32_MAX: there
 * is none. */
uint32_t asynchat__channel_time_left(const struct asynchat_channel *ch);

/* To be called when a limit has changed: a clock may now be over before the
 * timer fires. */
void asynchat__channel_time_changed(struct asynchat_channel *ch);

#endif
