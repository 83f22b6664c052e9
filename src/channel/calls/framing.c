/* The terminators of framing.h: framings, blocks, and bytes that are skipped.
 *
 * Tested by tests/test_channel_framing.c. SPDX-License-Identifier:
 * BSD-3-Clause */
#include <asynchat/framing.h>

#include <errno.h>

#include "channel/object.h"
#include "framer/framing.h"

/* Bytes that were held back, or a block of 0 bytes, may be due without another
 * byte. The delivery under way deals with that; if there is none, the loop is
 * asked for a turn. */
static void framing_changed(struct asynchat_channel *ch)
{
    if ((ch->in.framer.busy & FRAMER_DUE) && !ch->in.cursor)
        ch->transport.ops->wake(&ch->transport);
}

int asynchat_set_framing(struct asynchat_channel *ch,
                         struct asynchat_framing *framing)
{
    if (!ch) {
        asynchat_framing_free(framing);
        return -EINVAL;
    }
    int error = asynchat__framing_check(framing);
    if (error)
        return error;
    asynchat__framer_set_framing(&ch->in.framer, ch->in.cursor, framing);
    framing_changed(ch);
    return 0;
}

unsigned asynchat_get_matched(const struct asynchat_channel *ch)
{
    return ch ? framer_matched(&ch->in.framer) : 0;
}

int asynchat_set_block(struct asynchat_channel *ch, uint64_t len)
{
    if (!ch || len > INT64_MAX)
        return -EINVAL;
    asynchat__framer_set_block(&ch->in.framer, ch->in.cursor, len);
    framing_changed(ch);
    return 0;
}

int asynchat_skip(struct asynchat_channel *ch, uint64_t len)
{
    if (!ch)
        return -EINVAL;
    int error = asynchat__framer_skip(&ch->in.framer, ch->in.cursor, len);
    if (!error)
        framing_changed(ch);
    return error;
}

int asynchat_get_dropped_error(const struct asynchat_channel *ch)
{
    return ch ? ch->in.framer.error : 0;
}
