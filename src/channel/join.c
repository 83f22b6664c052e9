/* Pressure: what happens when too much is queued for a peer that takes less
 * than it is given. The program is told, and the channel joined with this one
 * is paused.
 *
 * Tested by tests/test_channel_pressure.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "channel/object.h"

#include <errno.h>

#include "base/probe.h"

#define HIGH_MARK 65536
#define OUTPUT_LIMIT (64u << 20)

void asynchat__channel_pressure_init(struct channel_out *out)
{
    out->marks.high = HIGH_MARK;
    out->limit = OUTPUT_LIMIT;
}

/* --- the marks --- */

void asynchat__channel_press(struct asynchat_channel *ch)
{
    if (asynchat__marks_rise(&ch->out.marks, asynchat_get_queued(ch)) &&
        ch->joined)
        asynchat__channel_pause(ch->joined, PAUSE_PRESSURE);
}

static void pressure_tell(struct asynchat_channel *ch)
{
    ch->out.pressures++;
    probe_pressure(ch, asynchat_get_queued(ch));
    if (!channel_closing(ch) && ch->handler->handle_pressure)
        ch->handler->handle_pressure(ch, ch->arg);
}

static void pressure_ends(struct asynchat_channel *ch, bool drained)
{
    if (ch->joined)
        asynchat__channel_resume(ch->joined, PAUSE_PRESSURE);
    if (drained && !channel_closing(ch) && ch->handler->handle_drained)
        ch->handler->handle_drained(ch, ch->arg);
}

static void pressure_look(struct asynchat_channel *ch)
{
    asynchat__channel_press(ch);
    enum marks_event event =
        asynchat__marks_look(&ch->out.marks, asynchat_get_queued(ch));
    if (event == MARKS_TELL)
        pressure_tell(ch);
    else if (event != MARKS_NOTHING)
        pressure_ends(ch, event == MARKS_DRAINED);
}

/* The output is over. Bytes that are left, such as those that a layer has
 * sealed for a connection that has broken, are no pressure. */
static void pressure_is_over(struct asynchat_channel *ch)
{
    marks_drop(&ch->out.marks, 0);
    pressure_ends(ch, false);
}

void asynchat__channel_pressure(struct asynchat_channel *ch)
{
    if (ch->state == CHANNEL_CONNECTING)
        asynchat__channel_press(ch); /* handle_connect comes first */
    else if (channel_sends(ch))
        pressure_look(ch);
    else
        pressure_is_over(ch);
}

/* --- joining --- */

void asynchat__channel_part(struct asynchat_channel *ch)
{
    struct asynchat_channel *other = ch->joined;
    if (!other)
        return;
    ch->joined = NULL;
    other->joined = NULL;
    asynchat__channel_resume(ch, PAUSE_PRESSURE);
    asynchat__channel_resume(other, PAUSE_PRESSURE);
}

static void pressure_join(struct asynchat_channel *ch,
                          struct asynchat_channel *other)
{
    ch->joined = other;
    if (ch->out.marks.level >= MARKS_HIGH)
        asynchat__channel_pause(other, PAUSE_PRESSURE);
}

int asynchat_join(struct asynchat_channel *ch, struct asynchat_channel *other)
{
    if (!ch || (other && asynchat_get_base(ch) != asynchat_get_base(other)))
        return -EINVAL;
    asynchat__channel_part(ch);
    if (!other)
        return 0;
    asynchat__channel_part(other);
    if (ch->state >= CHANNEL_ENDED || other->state >= CHANNEL_ENDED)
        return 0; /* a channel that has ended never parts */
    pressure_join(ch, other);
    pressure_join(other, ch);
    return 0;
}
