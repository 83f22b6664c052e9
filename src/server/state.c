/* The states of a server, and which state may follow which.
 *
 * Tested by tests/test_server_state.c. SPDX-License-Identifier: BSD-3-Clause */
#include "server/state.h"

#include <stdlib.h>

#define TO(state) (1u << SERVER_##state)

/* For each state, the states that may follow it. */
static const unsigned may_enter[SERVER_STATES] = {
    [SERVER_NEW] = TO(ACCEPTING),
    [SERVER_ACCEPTING] = TO(FULL) | TO(STARVED) | TO(STOPPING),
    [SERVER_FULL] = TO(ACCEPTING) | TO(STOPPING),
    [SERVER_STARVED] = TO(ACCEPTING) | TO(STOPPING),
    [SERVER_STOPPING] = TO(ENDED),
    [SERVER_ENDED] = 0,
};

#undef TO

bool asynchat__server_may_enter(enum server_state from, enum server_state to)
{
    return (may_enter[from] & 1u << to) != 0;
}

void asynchat__server_enter(enum server_state *state, enum server_state next)
{
    if (!asynchat__server_may_enter(*state, next))
        abort();
    *state = next;
}
