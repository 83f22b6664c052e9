/* The time that a closing channel gives its peer to take what was queued, and
 * to be done with sending.
 *
 * It is not a limit on all of it: a peer that takes something has it again. The
 * timer belongs to a channel only once it has had to wait; most never do.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "channel.h"

#include <errno.h>
#include <limits.h>

#include <event2/event.h>

#define LINGER_TIME 30000

void asynchat__channel_linger_init(struct asynchat_channel *ch)
{
    ch->linger_time = LINGER_TIME;
}

void asynchat__channel_linger_free(struct asynchat_channel *ch)
{
    if (ch->linger)
        event_free(ch->linger);
}

/* The peer had its time; unless it is slow, and the system has got rid of some
 * of what it took from us long ago. */
static void linger_over(evutil_socket_t fd, short what, void *arg)
{
    struct asynchat_channel *ch = arg;
    (void)fd;
    (void)what;
    asynchat__channel_hold(ch);
    if (asynchat__transport_unsent(&ch->transport) < ch->unsent)
        asynchat__channel_linger(ch, true);
    else if (ch->state == CHANNEL_RECEIVING)
        asynchat__channel_end(ch, ch->transport.broken);
    else
        asynchat__channel_end(ch, -ETIMEDOUT);
    asynchat__channel_release(ch);
}

/* Without progress the time that has begun goes on. */
void asynchat__channel_linger(struct asynchat_channel *ch, bool progress)
{
    struct timeval time = {.tv_sec = (time_t)(ch->linger_time / 1000),
                           .tv_usec =
                               (suseconds_t)(ch->linger_time % 1000) * 1000};
    if (!ch->linger)
        ch->linger = evtimer_new(asynchat_get_base(ch), linger_over, ch);
    if (ch->linger && !progress && evtimer_pending(ch->linger, NULL))
        return;
    ch->unsent = asynchat__transport_unsent(&ch->transport);
    if (!ch->linger || evtimer_add(ch->linger, &time) < 0)
        asynchat__channel_end(ch, -ENOMEM);
}

void asynchat__channel_linger_stop(struct asynchat_channel *ch)
{
    if (ch->linger)
        event_del(ch->linger);
}

int asynchat_set_linger(struct asynchat_channel *ch, unsigned milliseconds)
{
    if (!ch || milliseconds == 0 || milliseconds > INT_MAX)
        return -EINVAL;
    ch->linger_time = milliseconds;
    return 0;
}

unsigned asynchat_get_linger(const struct asynchat_channel *ch)
{
    return ch ? ch->linger_time : 0;
}
