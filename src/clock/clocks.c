/* Clocks: which of the times that run is over. See clocks.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "clock/clocks.h"

#include <stdbool.h>

static bool is_in(unsigned set, int clock)
{
    return set & CLOCK_BIT(clock);
}

uint32_t asynchat__clocks_left(const struct clocks *clocks, int clock,
                               uint32_t now)
{
    uint32_t limit = clocks->limit[clock];
    uint32_t passed = now - clocks->since[clock];
    if (limit == 0)
        return UINT32_MAX;
    return passed < limit ? limit - passed : 0;
}

uint32_t asynchat__clocks_next(const struct clocks *clocks, unsigned running,
                               uint32_t now)
{
    uint32_t next = UINT32_MAX;
    for (int clock = 0; clock < CLOCKS; clock++) {
        uint32_t left = is_in(running, clock)
                            ? asynchat__clocks_left(clocks, clock, now)
                            : UINT32_MAX;
        if (left < next)
            next = left;
    }
    return next;
}

int asynchat__clocks_over(const struct clocks *clocks, unsigned running,
                          uint32_t now)
{
    for (int clock = 0; clock < CLOCKS; clock++)
        if (is_in(running, clock) &&
            asynchat__clocks_left(clocks, clock, now) == 0)
            return clock;
    return -1;
}

void asynchat__clocks_begin(struct clocks *clocks, unsigned which, uint32_t now)
{
    for (int clock = 0; clock < CLOCKS; clock++)
        if (is_in(which, clock))
            clocks->since[clock] = now;
}

void asynchat__clocks_go_on(struct clocks *clocks, unsigned which, uint32_t now)
{
    uint32_t stood = now - clocks->standing_since;
    for (int clock = 0; clock < CLOCKS; clock++) {
        uint32_t *since = &clocks->since[clock];
        if (is_in(which, clock))
            *since = now - *since > stood ? *since + stood : now;
    }
}
