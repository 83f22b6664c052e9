/* The times of a channel that has limits, as the files of src/channel/ see
 * them. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_CHANNEL_TIMES_H
#define ASYNCHAT_CHANNEL_TIMES_H

#include "channel/object.h"
#include "clock/clocks.h"

/* Invariants: the beginnings of CLOCK_IDLE and CLOCK_READ are in the channel's
 * `moves`, and here only while clocks are looked at. While `armed`, the timer
 * fires no later than the first of `running` is over, but for clocks that were
 * begun anew since. */
struct channel_time {
    struct event *timer;
    struct channel_rate *rate; /* or NULL */
    struct clocks clocks;
    uint32_t due; /* when the timer fires */
    unsigned
        running;    /* the clocks that ran when the timer was last looked at; 0:
                         a limit has changed since */
    uint64_t rated; /* bytes received in all when CLOCK_RATE began */
    uint64_t enough; /* bytes that have to come within CLOCK_RATE */
    size_t unsent;   /* bytes unsent when CLOCK_WRITE or CLOCK_LINGER began */
    bool armed;
    bool
        fired; /* the timer has begun the wake-up, and no clock was looked at */
    bool lingers; /* the channel is closing, and not all is sent */
    bool stalls;  /* something waits for the peer to take it */
    bool told;    /* handle_idle was called, and nothing has come since */
    bool kept;    /* a rate keeps the output, so the peer is not to blame */
    bool stopped; /* nothing is read, so the clocks about reading stand still */
    bool passing; /* the clocks are of use only until the connection is up */
};

/* The clocks that run now. Never 0. */
unsigned asynchat__channel_time_running(const struct asynchat_channel *ch);

/* The first of `which` that runs and is over, or -1. */
int asynchat__channel_time_over(struct asynchat_channel *ch, unsigned which);

/* Whether a clock that is over begins anew, since the peer has done enough. */
bool asynchat__channel_time_goes_on(struct asynchat_channel *ch,
                                    enum clock clock);

/* Sets the timer for the clocks that run now. 0 or -ENOMEM. */
int asynchat__channel_time_arm(struct asynchat_channel *ch, uint32_t now);

/* Limits that have been checked hold from now on. */
void asynchat__channel_time_limits(struct asynchat_channel *ch,
                                   const struct asynchat_timeouts *limits);

/* A limit has changed, perhaps to one that is over before the timer. */
void asynchat__channel_time_changed(struct asynchat_channel *ch);

#endif
