/* The states of a server. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_SERVER_STATE_H
#define ASYNCHAT_SRC_SERVER_STATE_H

#include <stdbool.h>

/*   NEW --> ACCEPTING <--> FULL
 *               ^
 *               |
 *               v
 *            STARVED
 *
 *   ACCEPTING, FULL, STARVED --> STOPPING --> ENDED
 *
 * A server may be freed in every state except ENDED, in which it frees itself.
 */
enum server_state {
    SERVER_NEW,       /* it is being made, and may still fail */
    SERVER_ACCEPTING, /* connections become channels */
    SERVER_FULL,      /* accepting pauses until one of its channels is gone */
    SERVER_STARVED,   /* the system had no descriptor or no memory for the last
                         connection; the timer will try again */
    SERVER_STOPPING,  /* it listens no more; its channels have the grace */
    SERVER_ENDED,     /* no channel is left: `stopped` runs, then it is freed */
    SERVER_STATES     /* how many there are */
};

/* Whether a server may go from one state to another. */
bool asynchat__server_may_enter(enum server_state from, enum server_state to);

/* Changes the state; nothing else changes it. A change that is not allowed is a
 * fault of this library, after which memory would be freed twice or a
 * connection lost: so it ends the process. */
void asynchat__server_enter(enum server_state *state, enum server_state next);

#endif
