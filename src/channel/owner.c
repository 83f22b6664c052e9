/* The owner of channels, such as a server: the list of an owner's channels,
 * which they are in until they are gone, and how they end when the owner stops.
 *
 * Tested by tests/test_server_stop.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "channel/object.h"

#include <event2/buffer.h>

#include <asynchat/error.h>

void asynchat__channel_own(struct asynchat_channel *ch,
                           struct channel_owner *owner,
                           struct asynchat_channel **list)
{
    ch->owner = owner;
    ch->next = *list;
    ch->link = list;
    if (ch->next)
        ch->next->link = &ch->next;
    *list = ch;
}

void asynchat__channel_unlink(struct asynchat_channel *ch)
{
    ch->owner = NULL;
    *ch->link = ch->next;
    if (ch->next)
        ch->next->link = ch->link;
}

void asynchat__channel_disown(struct asynchat_channel *ch)
{
    struct channel_owner *owner = ch->owner;
    if (!owner)
        return;
    asynchat__channel_unlink(ch);
    owner->gone(owner, ch);
}

void asynchat__channels_disown(struct asynchat_channel *list)
{
    for (; list; list = list->next)
        list->owner = NULL;
}

/* --- stopping --- */

void asynchat__channels_stop(struct asynchat_channel *list)
{
    for (; list; list = list->next) {
        if (list->leave == LEAVE_NOT)
            asynchat__channel_take_leave(list, LEAVE_STOPPING);
        asynchat__channel_receive_rest(list);
    }
}

void asynchat__channels_end(struct asynchat_channel *list)
{
    for (; list; list = list->next) {
        asynchat__channel_take_leave(list, LEAVE_NOW);
        list->transport.ops->wake(&list->transport);
    }
}

/* Whether input that the channel waits for before it ends is still to be
 * received. This is asked in each wake-up, so that the two counts, which wrap,
 * stay close to each other. */
static bool is_arriving(struct asynchat_channel *ch)
{
    if (asynchat__channel_awaits(ch) > 0)
        return true;
    ch->transport.until = (uint32_t)ch->in.received;
    return false;
}

/* Whether no byte of the next message has come, and the program is not in the
 * middle of something that takes several messages. While reading is paused this
 * is not known, and the program that has paused it may still have to answer the
 * last message: then the answer is false. */
static bool is_between_messages(const struct asynchat_channel *ch)
{
    struct evbuffer *input = asynchat__transport_input(&ch->transport);
    if (ch->state == CHANNEL_SENDING)
        return true;
    return !ch->busy && ch->transport.reading == TRANSPORT_READ &&
           !ch->in.paused && channel_in_is_between(ch) &&
           evbuffer_get_length(input) == 0;
}

/* Ends a channel when the grace is over. A goodbye that handle_error pushes is
 * sent now, with all that is queued before it, or never. If the connection had
 * broken before, the channel ends with the error of the connection. */
static void channel_over(struct asynchat_channel *ch)
{
    int error = ch->state == CHANNEL_RECEIVING ? ch->transport.broken : 0;
    if (channel_sends(ch)) {
        asynchat__channel_stop(ch, ASYNCHAT_ESTOPPED, 0);
        asynchat__channel_out_flush(ch);
    }
    asynchat__channel_end(ch, error ? error : ASYNCHAT_ESTOPPED);
}

/* Whether the handler is told that the owner stops, and sees to the end of the
 * channel. It is not told if the program has asked for this end itself. */
static bool is_to_be_told(const struct asynchat_channel *ch)
{
    return ch->handler->handle_stopping && ch->leave != LEAVE_BETWEEN;
}

void asynchat__channel_stopping(struct asynchat_channel *ch)
{
    bool ending = channel_is_ending(ch), arriving = is_arriving(ch);
    bool told = ch->leave == LEAVE_TOLD;
    if (ch->leave == LEAVE_NOW) {
        channel_over(ch);
    } else if (!ending && is_to_be_told(ch)) {
        if (ch->busy)
            return;
        asynchat__channel_take_leave(ch, LEAVE_TOLD);
        if (!told)
            ch->handler->handle_stopping(ch, ch->arg);
    } else if (!ending && !arriving && is_between_messages(ch)) {
        asynchat_close_when_done(ch);
    }
}
