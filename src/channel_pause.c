/* Pausing the input, for one reason or several.
 *
 * What was received and not delivered stays where it is; nothing more is read as
 * long as there is a reason.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "channel.h"

/* Ends the turn of a piece that is just being delivered. What is left of it goes to
 * the evbuffer, before what may be received before the next turn, as
 * asynchat_close_between_messages() has that look. */
void asynchat__channel_pause(struct asynchat_channel *ch,
                             enum channel_pause why)
{
    if (!ch->in.paused)
        ch->in.epoch++;
    ch->in.paused |= (uint8_t)why;
    ch->in.anew = true;
    asynchat__channel_wake(ch);
}

void asynchat__channel_resume(struct asynchat_channel *ch,
                              enum channel_pause why)
{
    if (!(ch->in.paused & why))
        return;
    ch->in.paused &= (uint8_t)~why;
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
