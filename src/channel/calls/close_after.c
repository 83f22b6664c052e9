/* Closing when all is sent, with nothing more delivered.
 *
 * Tested by tests/test_close_after.c. SPDX-License-Identifier: BSD-3-Clause */
#include "channel/object.h"

/* If the output is over, by the program or because the connection has broken,
 * only the input is left: so nothing is. Otherwise the input is paused, and not
 * at its end, since a layer may still have to begin before all is sent. */
int asynchat_close_after(struct asynchat_channel *ch)
{
    if (ch && ch->state == CHANNEL_RECEIVING) {
        asynchat_close(ch);
        return 0;
    }
    int error = asynchat_close_when_done(ch);
    if (!error)
        asynchat__channel_pause(ch, PAUSE_CLOSE);
    return error;
}
