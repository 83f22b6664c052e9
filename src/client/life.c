/* A client's memory, its place in the loop, and its end.
 *
 * Tested by tests/test_client.c. SPDX-License-Identifier: BSD-3-Clause */
#include "client/client.h"

#include "base/memory.h"
#include "channel/calls/options.h"

void asynchat__client_hold(struct asynchat_client *client)
{
    client->busy++;
}

bool asynchat__client_release(struct asynchat_client *client)
{
    bool freed = client->freed;
    if (--client->busy == 0 && freed)
        asynchat__free(client);
    return !freed;
}

/* A timer that is not set says nothing about the event base. */
int asynchat__client_set(struct asynchat_client *client, uint32_t wait)
{
    int error = asynchat__timer_set(&client->timer, wait);
    client->guest.timer = error ? NULL : timer_witness(&client->timer);
    return error;
}

void asynchat__client_leave_channel(struct asynchat_client *client)
{
    struct asynchat_channel *ch = client->ch;
    asynchat__channels_disown(ch);
    client->ch = NULL;
    asynchat_channel_free(ch);
}

/* The names are needed while the client is held, by nobody. */
void asynchat__client_end(struct asynchat_client *client)
{
    client->freed = true;
    asynchat__client_hold(client);
    asynchat__loop_part(client->loop);
    asynchat__timer_end(&client->timer);
    asynchat__client_leave_channel(client);
    asynchat__loop_dismiss(&client->guest);
    asynchat__loop_release(client->loop);
    asynchat__options_release(client->channels);
    asynchat__client_release(client);
}
