/* How a channel asks the loop for a turn, and how its input is paused, for one
 * reason or several.
 *
 * As long as there is a reason, nothing is read, and input that was received
 * and not delivered stays where it is.
 *
 * Tested by tests/test_channel_pause.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "channel/object.h"

/* Calls of the program end with this: the loop does what they have asked
 * for. */
void asynchat__channel_wake(struct asynchat_channel *ch)
{
    if (!ch->running)
        ch->transport.ops->wake(&ch->transport);
}

/* If a callback of the input is running, it is the last one before the
 * pause. */
void asynchat__channel_pause(struct asynchat_channel *ch,
                             enum channel_pause why)
{
    ch->in.paused |= (uint8_t)why;
    channel_in_look(ch);
    asynchat__channel_wake(ch);
}

void asynchat__channel_resume(struct asynchat_channel *ch,
                              enum channel_pause why)
{
    if (!(ch->in.paused & why))
        return;
    ch->in.paused &= (uint8_t)~why;
    channel_in_look(ch);
    if (!ch->in.paused)
        ch->transport.ops->wake(&ch->transport);
}

void asynchat_pause_reading(struct asynchat_channel *ch)
{
    if (ch)
        asynchat__channel_pause(ch, PAUSE_PROGRAM);
}

void asynchat_resume_reading(struct asynchat_channel *ch)
{
    if (ch)
        asynchat__channel_resume(ch, PAUSE_PROGRAM);
}
