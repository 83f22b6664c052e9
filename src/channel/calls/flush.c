/* Sending at once, also in the middle of a wake-up.
 *
 * Tested by tests/test_flush.c. SPDX-License-Identifier: BSD-3-Clause */
#include "channel/object.h"

#include <errno.h>

/* What else follows from the flush, such as handle_drained, is left to the end
 * of the wake-up, or to the wake-up that this call asks for. */
int asynchat_flush(struct asynchat_channel *ch)
{
    if (!ch)
        return -EINVAL;
    if (ch->state == CHANNEL_CONNECTING)
        return 0;
    if (!channel_sends(ch))
        return ASYNCHAT_ECLOSED;
    if (channel_out_is_lent(ch))
        return -EBUSY;
    bool running = channel_keep(ch);
    asynchat__channel_out_flush(ch);
    int error = channel_sends(ch) ? ch->transport.broken : ASYNCHAT_ECLOSED;
    asynchat__channel_let_go(ch, running);
    return error;
}
