/* What was kept of a message for a handler that takes whole messages, when a
 * handler that takes pieces comes in the middle of it.
 *
 * Setting a handler moves nothing, since bytes that are kept may be lent to the
 * program. They are moved, if need be, and given when the next event is due.
 *
 * Tested by tests/test_set_handler.c. SPDX-License-Identifier: BSD-3-Clause */
#include "channel/object.h"

#include <string.h>

/* Puts what is kept at the end of its memory, from where it is given in
 * parts. */
static void in_turn(struct channel_in *in)
{
    size_t kept = channel_in_kept(in);
    if (!in->turned)
        memmove(in->message.bytes + in->message.capacity - kept,
                in->message.bytes, kept);
    in->turned = true;
}

/* A handler with `message` has come again: what is left is for it. */
static void in_turn_back(struct channel_in *in)
{
    if (in->turned)
        memmove(in->message.bytes, channel_in_kept_bytes(in),
                channel_in_kept(in));
    in->turned = false;
    in->framer.busy &= (uint16_t)~FRAMER_ASIDE;
}

/* Gives a part of what is kept. */
static void in_give(struct asynchat_channel *ch)
{
    struct channel_in *in = &ch->in;
    size_t kept = channel_in_kept(in), len = kept;
    if (kept > in->framer.piece) {
        in_turn(in);
        len = in->framer.piece;
    }
    const uint8_t *data = channel_in_kept_bytes(in);
    in->given += len;
    if (len == kept) {
        in->turned = false;
        in->framer.busy &= (uint16_t)~FRAMER_ASIDE;
    }
    if (ch->handler->collect_incoming_data)
        ch->handler->collect_incoming_data(ch, data, len, ch->arg);
    if (channel_in_kept(in) == 0)
        channel_in_forget(ch);
}

void asynchat__channel_in_aside(struct asynchat_channel *ch)
{
    if (ch->handler->message)
        in_turn_back(&ch->in);
    else
        in_give(ch);
}

/* The wake-up that follows then takes the way of input that had to wait, on
 * which it looks for what is due. */
static void in_set_aside(struct channel_in *in)
{
    in->framer.busy |= FRAMER_ASIDE;
    if (in->buffer == BUFFER_EMPTY)
        in->buffer = BUFFER_HOLDS;
}

/* While a handler takes whole messages, no callback runs between two pieces of
 * a message. So what is kept is never due in the middle of a span. */
void asynchat__channel_in_follow(struct asynchat_channel *ch, bool whole)
{
    struct channel_in *in = &ch->in;
    struct framer *f = &in->framer;
    const struct asynchat_handler *handler = ch->handler;
    asynchat__framer_limit(f, in->cursor,
                           ch->limited ? f->limit : channel_in_limit(handler),
                           handler->message_dropped != NULL);
    if (f->busy & FRAMER_ASIDE)
        return;
    if (!whole)
        in->given = f->have;
    else if (!handler->message && channel_in_kept(in) > 0)
        in_set_aside(in);
}
