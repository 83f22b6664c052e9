/* The deadline of a request. Which clocks run is in times.c, and what follows
 * from a clock that is over is in expire.c.
 *
 * Tested by tests/test_deadline.c. SPDX-License-Identifier: BSD-3-Clause */
#include "channel/times.h"

#include <errno.h>
#include <limits.h>

/* A deadline that is taken away needs no memory. */
static int deadline_set(struct asynchat_channel *ch, unsigned milliseconds,
                        bool steady)
{
    if (!ch || milliseconds > INT_MAX)
        return -EINVAL;
    if (milliseconds == 0 && !ch->time)
        return 0;
    int error = milliseconds > 0 ? asynchat__channel_time_make(ch) : 0;
    if (!error)
        asynchat__channel_time_deadline(ch, milliseconds, steady);
    return error;
}

int asynchat_set_deadline(struct asynchat_channel *ch, unsigned milliseconds)
{
    return deadline_set(ch, milliseconds, false);
}

int asynchat_set_steady_deadline(struct asynchat_channel *ch,
                                 unsigned milliseconds)
{
    return deadline_set(ch, milliseconds, true);
}

/* A deadline that is over, and was not reported yet, still has a moment. */
unsigned asynchat_get_deadline(const struct asynchat_channel *ch)
{
    uint32_t left = ch ? asynchat__channel_time_left(ch) : UINT32_MAX;
    if (left == UINT32_MAX)
        return 0;
    return left > 0 ? left : 1;
}
