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

/* In the order in which those that end at the same time are told. */
enum clock {
    CLOCK_IDLE,    /* nothing has moved */
    CLOCK_READ,    /* nothing has come */
    CLOCK_WRITE,   /* the peer has taken nothing of what waits */
    CLOCK_MESSAGE, /* a message is in progress */
    CLOCK_RATE,    /* the peer has sent less than it should */
    CLOCK_LINGER,  /* the peer has taken nothing since the channel closes */
    CLOCK_ALLOW,   /* a rate allows nothing until then */
    CLOCK_CONNECT, /* the connection is not up */
    CLOCK_SHAKE,   /* the connection is up, and its layer is not */
    CLOCKS
};

#define CLOCK_BIT(clock) (1u << (clock))

/* Invariant: `standing_since` means nothing while no clock stands still. */
struct clocks {
    uint32_t limit[CLOCKS];  /* in milliseconds; 0: no limit */
    uint32_t since[CLOCKS];  /* when the clock began */
    uint32_t standing_since; /* when the clocks that stand still stopped */
};

/* How long until one of `running` is over; 0 if one is; UINT32_MAX: never. */
uint32_t asynchat__clocks_next(const struct clocks *clocks, unsigned running,
                               uint32_t now);

/* The first of `running` that is over, or -1. */
int asynchat__clocks_over(const struct clocks *clocks, unsigned running,
                          uint32_t now);

/* Begins `which` anew. */
void asynchat__clocks_begin(struct clocks *clocks, unsigned which,
                            uint32_t now);

/* Ends a time in which `which` stood still, since `standing_since`: each goes
 * on from where it stood. A clock that was begun anew meanwhile begins now. */
void asynchat__clocks_go_on(struct clocks *clocks, unsigned which,
                            uint32_t now);

#endif
