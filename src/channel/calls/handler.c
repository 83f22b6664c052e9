/* Another handler, in the middle of a conversation.
 *
 * Tested by tests/test_set_handler.c. SPDX-License-Identifier: BSD-3-Clause */
#include "channel/object.h"

#include <errno.h>

#include "base/handler.h"

/* All that the channel remembers of the handler before follows the new one. */
static void handler_set(struct asynchat_channel *ch,
                        const struct asynchat_handler *handler)
{
    bool whole = ch->handler->message != NULL;
    ch->handler = ch->transcript
                      ? asynchat__transcript_follow(ch->transcript, handler)
                      : handler;
    asynchat__channel_in_follow(ch, whole);
    asynchat__channel_time_follow(ch);
    if (handler->handle_drained)
        marks_push(&ch->out.marks, asynchat_get_queued(ch));
}

/* A channel that leaves asks the handler whether it wants to be told, so it is
 * woken. Bytes that were kept are due without another byte, and the wake-up
 * under way may have looked for such bytes already. */
int asynchat_set_handler(struct asynchat_channel *ch,
                         const struct asynchat_handler *handler)
{
    int error = ch ? asynchat__handler_check(handler) : -EINVAL;
    if (error || ch->state == CHANNEL_FREED)
        return error;
    handler_set(ch, handler);
    if (ch->in.framer.busy & FRAMER_ASIDE)
        ch->transport.ops->wake(&ch->transport);
    else if (channel_is_leaving(ch))
        asynchat__channel_wake(ch);
    return 0;
}

const struct asynchat_handler *asynchat_get_handler(
    const struct asynchat_channel *ch)
{
    if (!ch)
        return NULL;
    return ch->transcript ? asynchat__transcript_handler(ch->transcript)
                          : ch->handler;
}
