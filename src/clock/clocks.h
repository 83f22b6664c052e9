/* Clocks: which of the times that run is over, and how long until the first is.
 *
 * Nothing here asks for the time or waits. `now` is in milliseconds, of a clock
 * that wraps; a set of clocks is a mask of CLOCK_BIT(). A clock without a limit
 * never ends.
 *
 * Tested by tests/test_clocks.c. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_CLOCKS_H
#define ASYNCHAT_CLOCKS_H

#include <stdint.h>

/* Clocks that end at the same time are reported in this order. */
enum clock {
    CLOCK_IDLE,     /* nothing has moved */
    CLOCK_READ,     /* nothing has come */
    CLOCK_WRITE,    /* the peer has taken nothing of what waits */
    CLOCK_MESSAGE,  /* a message is in progress */
    CLOCK_RATE,     /* the peer has sent less than it should */
    CLOCK_DEADLINE, /* a request is not over */
    CLOCK_LINGER,   /* the channel closes, and the peer takes nothing */
    CLOCK_ALLOW,    /* a rate allows nothing before this clock ends */
    CLOCK_CONNECT,  /* the connection is not up */
    CLOCK_SHAKE,    /* the connection is up, and its layer is not */
    CLOCKS
};

#define CLOCK_BIT(clock) (1u << (clock))

/* Invariant: `standing_since` means nothing while no clock stands still. */
struct clocks {
    uint32_t limit[CLOCKS];  /* in milliseconds; 0: no limit */
    uint32_t since[CLOCKS];  /* when the clock began */
    uint32_t standing_since; /* when the clocks that stand still stopped */
};

/* How many milliseconds a clock has left; UINT32_MAX: it has no limit. */
uint32_t asynchat__clocks_left(const struct clocks *clocks, int clock,
                               uint32_t now);

/* In how many milliseconds the first of the clocks `running` is over; 0: one is
 * over; UINT32_MAX: none will ever be. */
uint32_t asynchat__clocks_next(const struct clocks *clocks, unsigned running,
                               uint32_t now);

/* The first of the clocks `running` that is over, or -1. */
int asynchat__clocks_over(const struct clocks *clocks, unsigned running,
                          uint32_t now);

/* Begins the clocks `which` anew. */
void asynchat__clocks_begin(struct clocks *clocks, unsigned which,
                            uint32_t now);

/* The clocks `which` go on after a time in which they stood still, which began
 * at `standing_since`. Each clock goes on from where it stood; a clock that was
 * begun anew meanwhile begins now. */
void asynchat__clocks_go_on(struct clocks *clocks, unsigned which,
                            uint32_t now);

#endif
