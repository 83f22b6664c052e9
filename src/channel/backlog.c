/* Output that waits to be sent: how much there is, how much there may be,
 * lending it, and dropping it.
 *
 * Tested by tests/test_channel_out.c. SPDX-License-Identifier: BSD-3-Clause */
#include "channel/object.h"

#include "output/slot.h"

bool asynchat__channel_out_empty(const struct asynchat_channel *ch)
{
    return !ch->out.queue.first && !ch->out.queue.block &&
           asynchat__transport_pending(&ch->transport) == 0;
}

/* How many bytes stay when the output is dropped: those that a bufferevent was
 * given, or a layer has sealed. */
static size_t backlog_given(const struct asynchat_channel *ch)
{
    const struct transport *t = &ch->transport;
    return t->ops->given ? t->ops->given(t) : 0;
}

/* The queue is empty before the first release callback runs, so that whatever
 * such a callback pushes stays. */
void asynchat__channel_out_discard(struct asynchat_channel *ch)
{
    struct outq_entry *entries = asynchat__outq_take(&ch->out.queue);
    marks_drop(&ch->out.marks, backlog_given(ch));
    asynchat__transport_discard(&ch->transport);
    asynchat__channel_out_slots(ch);
    asynchat__outq_free(&ch->out.queue, entries);
}

void asynchat__channel_out_slots(struct asynchat_channel *ch)
{
    const struct outq_slots *slots = ch->out.queue.slots;
    if (!slots || ch->state >= CHANNEL_ENDED)
        return;
    if (slots->count < slots->limit)
        asynchat__channel_resume(ch, PAUSE_SLOTS);
    else if (!(ch->in.paused & PAUSE_SLOTS))
        asynchat__channel_pause(ch, PAUSE_SLOTS);
}

struct transport_lending asynchat__channel_out_lend(struct asynchat_channel *ch,
                                                    size_t left)
{
    asynchat__outq_lend(&ch->out.queue);
    return asynchat__transport_lend(&ch->transport, left);
}

void asynchat__channel_out_take_back(struct asynchat_channel *ch,
                                     struct transport_lending before)
{
    asynchat__transport_take_back(&ch->transport, before);
    asynchat__outq_take_back(&ch->out.queue);
}

void asynchat__channel_out_room(struct asynchat_channel *ch)
{
    size_t limit = ch->out.limit;
    ch->transport.room = limit < LOOP_BUFFER ? (unsigned)limit : LOOP_BUFFER;
}

size_t asynchat_get_queued(const struct asynchat_channel *ch)
{
    return ch ? ch->out.queue.size + asynchat__transport_pending(&ch->transport)
              : 0;
}
