/* Asking for a turn; and pausing the input, for one reason or several.
 *
 * What was received and not delivered stays where it is; nothing more is read
 * as long as there is a reason.
 *
 * Tested by tests/test_channel_pause.c. SPDX-License-Identifier: BSD-3-Clause
 */
#include "channel/object.h"

/* Calls of the program end here: what they ask for is done from the loop. */
void asynchat__channel_wake(struct asynchat_channel *ch)
{
    if (!ch->running)
        ch->transport.ops->wake(&ch->transport);
}

/* A callback that is running is the last. */
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
