/* Who made a channel, and is to know of it until it is gone: the list of an
 * owner's channels. SPDX-License-Identifier: BSD-3-Clause */
#include "channel.h"

void asynchat__channel_join(struct asynchat_channel *ch,
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

void asynchat__channel_leave(struct asynchat_channel *ch)
{
    struct channel_owner *owner = ch->owner;
    if (!owner)
        return;
    ch->owner = NULL;
    *ch->link = ch->next;
    if (ch->next)
        ch->next->link = ch->link;
    owner->gone(owner);
}

void asynchat__channels_disown(struct asynchat_channel *list)
{
    for (; list; list = list->next)
        list->owner = NULL;
}
