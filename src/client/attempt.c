/* One attempt of a client, until its connection is up.
 *
 * Tested by tests/test_client.c. SPDX-License-Identifier: BSD-3-Clause */
#include "client/client.h"

#include <limits.h>

#include <event2/event.h>

#include "base/log.h"
#include "channel/calls/options.h"
#include "client/silence.h"

static void client_connected(struct asynchat_channel *ch, void *arg);

/* The handler of a channel that is not connected: so the program's handler does
 * not hear of attempts that fail. `arg` is the program's from the beginning,
 * since functions that a handshake calls may ask for it. */
static const struct asynchat_handler attempt_handler = {
    .size = sizeof attempt_handler, .handle_connect = client_connected};

/* --- the connection is up --- */

static void client_tell_up(struct asynchat_client *client,
                           struct asynchat_channel *ch)
{
    client->told = client->said = true;
    asynchat__channel_log(ch, ASYNCHAT_LOG_INFO, ASYNCHAT_LOG_UP, 0,
                          "is a client's connection, and up");
    if (client->options.up)
        client->options.up(client, ch, client->arg);
}

/* Setting the timer needs no memory: it was set when the attempt began. */
static void client_connected(struct asynchat_channel *ch, void *arg)
{
    struct asynchat_client *client = ch->owner->arg;
    const struct asynchat_handler *handler = client->next_handler;
    asynchat__client_hold(client);
    client->state = CLIENT_UP;
    client->owner.quiet = false;
    (void)asynchat__client_set(client, client->options.steady);
    (void)asynchat_set_handler(ch, handler);
    if (handler->handle_connect)
        handler->handle_connect(ch, arg);
    if (!client->freed && client->state == CLIENT_UP &&
        ch->state < CHANNEL_ENDED)
        client_tell_up(client, ch);
    asynchat__client_release(client);
}

/* --- the program's hooks --- */

static int attempt_prepares(int fd, const struct sockaddr *to, socklen_t len,
                            void *arg)
{
    struct asynchat_client *client = arg;
    int error = 0;
    asynchat__client_hold(client);
    if (client->options.vanished != UINT_MAX)
        error = asynchat__silence_limit(fd, to, client->options.vanished);
    if (!error && client->prepare)
        error = client->prepare(fd, to, len, client->arg);
    asynchat__client_release(client);
    return error;
}

/* The hook finds the channel as it will be when it is connected. */
static int attempt_ask(struct asynchat_client *client,
                       struct asynchat_channel *ch)
{
    (void)asynchat_set_handler(ch, client->handler);
    asynchat_set_arg(ch, client->arg);
    int error = client->candidate(ch, client->arg);
    client->next_handler = asynchat_get_handler(ch);
    (void)asynchat_set_handler(ch, &attempt_handler);
    return error;
}

/* What the hook has pushed for a connection that was given up, and the end that
 * it has asked for, are not for the next one. Release callbacks of what is
 * dropped may end the channel, or the client. */
static int attempt_asks(struct asynchat_channel *ch, void *arg)
{
    struct asynchat_client *client = arg;
    int error = ASYNCHAT_ECLOSED;
    asynchat__client_hold(client);
    asynchat_discard_buffers(ch);
    if (ch->state == CHANNEL_CONNECTING)
        error = attempt_ask(client, ch);
    asynchat__client_release(client);
    return error;
}

void asynchat__client_hook(struct asynchat_client *client)
{
    struct asynchat_connect_options *connect = &client->connect;
    client->prepare = connect->prepare;
    client->candidate = connect->candidate;
    if (client->prepare || client->options.vanished != UINT_MAX)
        connect->prepare = attempt_prepares;
    if (client->candidate)
        connect->candidate = attempt_asks;
}

/* --- dialing --- */

static int attempt_make(struct asynchat_client *client,
                        struct asynchat_channel **out)
{
    struct asynchat_channel *ch;
    int error = asynchat_connect_name(client->base, client->host,
                                      client->service, &client->connect,
                                      &attempt_handler, client->arg, &ch);
    if (error)
        return error;
    if (client->channels)
        error = asynchat__options_apply(ch, client->channels);
    if (error)
        asynchat_channel_free(ch);
    else
        *out = ch;
    return error;
}

/* A resolver of the program's is asked here, and may free or stop the
 * client. */
int asynchat__client_dial(struct asynchat_client *client)
{
    struct asynchat_channel *ch = NULL;
    client->state = CLIENT_DIALS;
    client->next_handler = client->handler;
    int error = attempt_make(client, &ch);
    if (client->freed || client->state != CLIENT_DIALS) {
        asynchat_channel_free(ch);
        return 0;
    }
    if (error)
        return error;
    client->owner.quiet = true;
    asynchat__channel_own(ch, &client->owner, &client->ch);
    return 0;
}
