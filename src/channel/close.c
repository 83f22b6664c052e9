/* How the program ends a channel: at once, when all is sent, in stages, or
 * between messages.
 *
 * Tested by tests/test_channel.c and tests/test_half_close.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "channel/object.h"

#include <errno.h>

#include <sys/socket.h>

#include <event2/bufferevent.h>

#include <asynchat/error.h>

/* The status stays as it was: 0, or the reason why the channel was ending
 * already. */
void asynchat_close(struct asynchat_channel *ch)
{
    if (!ch || ch->state >= CHANNEL_ENDED)
        return;
    asynchat__channel_end(ch, ch->status);
    asynchat__channel_wake(ch);
}

void asynchat_abort(struct asynchat_channel *ch)
{
    static const struct linger none = {.l_onoff = 1, .l_linger = 0};
    if (!ch)
        return;
    int fd = bufferevent_getfd(ch->transport.bev);
    if (fd >= 0) /* fails where there are no resets */
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    ch->transport.end = END_RESET;
    asynchat_close(ch);
}

static int close_output(struct asynchat_channel *ch, bool shuts)
{
    if (!ch)
        return -EINVAL;
    if (ch->state != CHANNEL_CONNECTING && !channel_sends(ch))
        return ASYNCHAT_ECLOSED;
    ch->out.queue.ends = true;
    if (shuts && ch->half != HALF_KEPT)
        asynchat__channel_halve(ch, HALF_SHUT);
    else if (ch->half == HALF_SHUT)
        asynchat__channel_halve(ch, HALF_NEITHER);
    channel_out_busy(ch);
    asynchat__channel_wake(ch);
    return 0;
}

/* If the output has ended before, by asynchat_shutdown_write(), all is sent:
 * the channel closes at once. */
int asynchat_close_when_done(struct asynchat_channel *ch)
{
    if (ch && ch->half == HALF_SHUT && ch->state == CHANNEL_RECEIVING) {
        asynchat_close(ch);
        return 0;
    }
    return close_output(ch, false);
}

int asynchat_close_in_stages(struct asynchat_channel *ch)
{
    int error = asynchat_close_when_done(ch);
    if (!error && ch->half != HALF_KEPT)
        asynchat__channel_halve(ch, HALF_STAGES);
    return error;
}

/* If the program has asked before to close when done, the channel still closes:
 * this call does not make it end its output only. */
int asynchat_shutdown_write(struct asynchat_channel *ch)
{
    return close_output(ch,
                        ch && (!ch->out.queue.ends || ch->half == HALF_SHUT));
}

void asynchat_keep_open(struct asynchat_channel *ch)
{
    if (ch && ch->state == CHANNEL_SENDING &&
        ch->transport.ended == ASYNCHAT_EOF && ch->status == ASYNCHAT_EOF)
        asynchat__channel_halve(ch, HALF_KEPT);
}

/* Counts wrap: a number of bytes that is behind what was received looks like a
 * very large one. */
uint32_t asynchat__channel_awaits(const struct asynchat_channel *ch)
{
    uint32_t left = ch->transport.until - (uint32_t)ch->in.received;
    return left <= INT32_MAX ? left : 0;
}

/* The first byte is enough to wait for: a channel does not leave in the middle
 * of a message. */
void asynchat__channel_await(struct asynchat_channel *ch)
{
    asynchat__channel_take_leave(ch, LEAVE_STOPPING);
    ch->transport.until = (uint32_t)(ch->in.received + 1);
}

/* Input that has arrived by now is received before the channel ends, since the
 * peer may expect an answer to it. A channel that is running is woken once
 * more. */
void asynchat__channel_receive_rest(struct asynchat_channel *ch)
{
    size_t arrived = asynchat__transport_arrived(&ch->transport);
    if (arrived > asynchat__channel_awaits(ch))
        ch->transport.until = (uint32_t)(ch->in.received + arrived);
    ch->transport.ops->look(&ch->transport);
}

int asynchat_close_between_messages(struct asynchat_channel *ch)
{
    if (!ch)
        return -EINVAL;
    if (ch->state >= CHANNEL_ENDED)
        return ASYNCHAT_ECLOSED;
    if (asynchat__channel_may_leave(ch->leave, LEAVE_BETWEEN))
        asynchat__channel_take_leave(ch, LEAVE_BETWEEN);
    asynchat__channel_receive_rest(ch);
    return 0;
}

void asynchat_set_busy(struct asynchat_channel *ch, int busy)
{
    if (!ch)
        return;
    ch->busy = busy != 0;
    if (channel_is_leaving(ch))
        asynchat__channel_wake(ch);
}

int asynchat_get_busy(const struct asynchat_channel *ch)
{
    return ch && ch->busy;
}
