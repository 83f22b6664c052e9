/* What happens to a channel when one of its times is over.
 *
 * Tested by tests/test_channel_time.c. SPDX-License-Identifier: BSD-3-Clause */
#include "channel/times.h"

#include <errno.h>

static void expire_idle(struct asynchat_channel *ch)
{
    ch->time->told = true;
    ch->calm = false;
    if (ch->handler->handle_idle)
        ch->handler->handle_idle(ch, ch->arg);
    else
        asynchat__channel_stop(ch, ASYNCHAT_EIDLE, 0);
}

/* The wake-up that follows tries to read and to write, and says when to try
 * again. */
static void expire_allow(struct asynchat_channel *ch)
{
    ch->time->clocks.limit[CLOCK_ALLOW] = 0;
    asynchat__channel_resume(ch, PAUSE_RATE);
}

static void expire_clock(struct asynchat_channel *ch, enum clock clock)
{
    if (clock == CLOCK_ALLOW)
        expire_allow(ch);
    else if (clock == CLOCK_IDLE || clock == CLOCK_READ)
        expire_idle(ch);
    else if (clock == CLOCK_MESSAGE || clock == CLOCK_RATE)
        asynchat__channel_stop(ch, ASYNCHAT_ESLOW, 0);
    else if (clock == CLOCK_DEADLINE)
        asynchat__channel_stop(ch, ASYNCHAT_EDEADLINE, 0);
    else if (clock == CLOCK_WRITE)
        asynchat__channel_end(ch, ASYNCHAT_ESTALLED);
    else if (clock == CLOCK_SHAKE)
        asynchat__channel_end(ch, ASYNCHAT_ELATE);
    else if (ch->state == CHANNEL_RECEIVING)
        asynchat__channel_end(ch, ch->transport.broken);
    else
        asynchat__channel_end(ch, -ETIMEDOUT);
}

/* Looks at each clock once, in order. A callback may take long, and may set the
 * clocks that come after its own: so these are looked at after it has
 * returned. */
void asynchat__channel_expire(struct asynchat_channel *ch)
{
    unsigned left = ~0u;
    int clock;
    ch->time->fired = false;
    asynchat__channel_resume(ch, PAUSE_TURN);
    while (ch->state < CHANNEL_ENDED &&
           (clock = asynchat__channel_time_over(ch, left)) >= 0) {
        left &= ~((CLOCK_BIT(clock) << 1) - 1);
        if (!asynchat__channel_time_goes_on(ch, (enum clock)clock))
            expire_clock(ch, (enum clock)clock);
    }
    if (ch->state >= CHANNEL_ENDED)
        return;
    if (asynchat__channel_time_arm(ch, asynchat__channel_time_now(ch)) < 0)
        asynchat__channel_end(ch, -ENOMEM);
    ch->transport.ops->wake(&ch->transport);
}
