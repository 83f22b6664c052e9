/* A client that keeps one connection to a name: it is made, waits, comes back,
 * and stops. SPDX-License-Identifier: BSD-3-Clause */
#include "client/client.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/handler.h"
#include "base/log.h"
#include "base/memory.h"
#include "channel/calls/options.h"
#include "client/random.h"

/* The timer is always set, so that it can be set again without memory. It is
 * set to this many milliseconds when there is nothing to wait for. */
#define CLIENT_IDLE (24u * 60 * 60 * 1000)

/* --- the connection is lost --- */

/* Attempts that fail are details, unless the client was never up. */
static void client_log_down(struct asynchat_client *client, bool was_up,
                            unsigned wait)
{
    char text[160], again[32] = "";
    bool first = was_up || !client->said;
    enum asynchat_log_level level =
        first ? ASYNCHAT_LOG_INFO : ASYNCHAT_LOG_DEBUG;
    client->said = true;
    if (!asynchat__log_wants(level))
        return;
    if (wait < UINT_MAX)
        (void)snprintf(again, sizeof again, ", and again in %u ms", wait);
    (void)snprintf(text, sizeof text, "%s: %s%s",
                   was_up ? "is down" : "not reached",
                   asynchat_strerror(client->reason), again);
    asynchat__log((struct asynchat_log_record){.level = level,
                                               .event = ASYNCHAT_LOG_DOWN,
                                               .peer = client->host,
                                               .code = client->reason,
                                               .text = text});
}

static void client_tell_down(struct asynchat_client *client, unsigned wait)
{
    const struct asynchat_client_options *options = &client->options;
    bool was_up = client->told;
    client->told = false;
    client_log_down(client, was_up, wait);
    if (was_up && options->down)
        options->down(client, client->reason, wait, client->arg);
    else if (!was_up && options->failed)
        options->failed(client, client->reason, wait, client->arg);
}

static void client_lost(struct asynchat_client *client)
{
    unsigned wait =
        asynchat__backoff_next(&client->backoff, asynchat__random());
    client->state = CLIENT_WAITS;
    if (asynchat__client_set(client, wait) < 0)
        wait = UINT_MAX;
    client_tell_down(client, wait);
}

/* A channel can go inside any call of the program, so the rest is left to the
 * loop. */
static void client_gone(struct channel_owner *owner,
                        const struct asynchat_channel *ch)
{
    struct asynchat_client *client = owner->arg;
    client->reason = ch->status;
    if (client->state != CLIENT_STOPS)
        client->state = CLIENT_LOST;
    asynchat__timer_hurry(&client->timer);
}

static void client_dial(struct asynchat_client *client)
{
    int error = asynchat__client_dial(client);
    if (!error)
        return;
    client->reason = error;
    client_lost(client);
}

/* --- the end --- */

/* The functions of the program may free the client, until it has ended. */
static void client_stops(struct asynchat_client *client)
{
    if (client->ch) {
        asynchat__channels_end(client->ch);
        return;
    }
    if (client->told)
        client_tell_down(client, UINT_MAX);
    if (client->freed)
        return;
    client->state = CLIENT_ENDED;
    if (client->stopped)
        client->stopped(client->stopped_arg);
    asynchat__client_end(client);
}

/* --- the timer --- */

static void client_fired(evutil_socket_t fd, short what, void *arg)
{
    struct asynchat_client *client = arg;
    (void)fd;
    (void)what;
    asynchat__client_hold(client);
    (void)asynchat__client_set(client, CLIENT_IDLE);
    if (client->state == CLIENT_WAITS)
        client_dial(client);
    else if (client->state == CLIENT_LOST)
        client_lost(client);
    else if (client->state == CLIENT_UP)
        asynchat__backoff_begin(&client->backoff);
    else if (client->state == CLIENT_STOPS)
        client_stops(client);
    asynchat__client_release(client);
}

/* --- making --- */

/* A worker that ends closes the channels itself, in order. */
static void client_guest_end(struct loop_guest *guest)
{
    char *place = (char *)guest - offsetof(struct asynchat_client, guest);
    struct asynchat_client *client = (struct asynchat_client *)(void *)place;
    if (client->state == CLIENT_UP || client->state == CLIENT_STOPS) {
        asynchat__channels_disown(client->ch);
        client->ch = NULL;
    }
    asynchat_client_free(client);
}

static int client_join_loop(struct asynchat_client *client)
{
    client->loop = asynchat__loop_share(client->base);
    if (!client->loop)
        return -ENOMEM;
    client->guest = (struct loop_guest){.end = client_guest_end};
    asynchat__loop_invite(client->loop, &client->guest);
    asynchat__timer_init(&client->timer, client->base, client_fired, client);
    return 0;
}

/* Whether another attempt would fail for the same reason. */
static bool is_for_good(int error)
{
    return error == -EINVAL || error == -ENOTSUP || error == -ENOMEM ||
           error == ASYNCHAT_EADDRESS || error == -ENAMETOOLONG;
}

/* Begins the first attempt. */
static int client_begin(struct asynchat_client *client)
{
    int error = asynchat__client_set(client, CLIENT_IDLE);
    if (!error)
        error = asynchat__client_dial(client);
    if (!error || is_for_good(error))
        return error;
    client->reason = error;
    client->state = CLIENT_LOST;
    asynchat__timer_hurry(&client->timer);
    return 0;
}

static struct asynchat_client *client_make(struct event_base *base,
                                           const char *host,
                                           const char *service)
{
    size_t first = strlen(host) + 1, second = service ? strlen(service) + 1 : 0;
    struct asynchat_client *client =
        asynchat__calloc(1, sizeof *client + first + second);
    if (!client)
        return NULL;
    client->owner = (struct channel_owner){.gone = client_gone, .arg = client};
    client->base = base;
    memcpy(client->host, host, first);
    if (service)
        client->service = memcpy(client->host + first, service, second);
    return client;
}

/* Gives a client that was made all else. On failure it is freed. */
static int client_set_up(struct asynchat_client *client,
                         const struct asynchat_client_options *options)
{
    int error = asynchat__client_configure(client, options);
    if (!error)
        error = client_join_loop(client);
    if (error) {
        asynchat__options_release(client->channels);
        asynchat__free(client);
        return error;
    }
    asynchat__client_hook(client);
    error = client_begin(client);
    if (error)
        asynchat__client_end(client);
    return error;
}

int asynchat_client_new(struct event_base *base, const char *host,
                        const char *service,
                        const struct asynchat_handler *handler, void *arg,
                        const struct asynchat_client_options *options,
                        struct asynchat_client **out)
{
    struct asynchat_client_options copy;
    if (!base || !host || !out)
        return -EINVAL;
    int error = asynchat__handler_check(handler);
    if (!error)
        error = asynchat__client_check(&copy, options);
    if (error)
        return error;
    struct asynchat_client *client = client_make(base, host, service);
    if (!client)
        return -ENOMEM;
    client->handler = handler;
    client->arg = arg;
    error = client_set_up(client, &copy);
    if (!error)
        *out = client;
    return error;
}

/* --- what the program asks for --- */

struct asynchat_channel *asynchat_client_channel(
    const struct asynchat_client *client)
{
    bool up = client && client->ch && client->state != CLIENT_DIALS;
    return up && client->ch->state < CHANNEL_ENDED ? client->ch : NULL;
}

/* The timer is not set if there was no memory for it. */
int asynchat_client_reconnect(struct asynchat_client *client)
{
    if (!client)
        return -EINVAL;
    if (client->state >= CLIENT_STOPS)
        return ASYNCHAT_ESTOPPED;
    if (client->state == CLIENT_UP)
        asynchat_close(client->ch);
    if (client->state == CLIENT_WAITS &&
        !asynchat__timer_is_set(&client->timer))
        return asynchat__client_set(client, client->backoff.first);
    return 0;
}

/* Setting the timer needs no memory while the timer is set. Otherwise there is
 * no grace, since without the timer it would never end. */
int asynchat_client_stop(struct asynchat_client *client, unsigned grace,
                         void (*stopped)(void *arg), void *arg)
{
    if (!client || grace > INT_MAX)
        return -EINVAL;
    if (client->state == CLIENT_ENDED)
        return ASYNCHAT_ESTOPPED;
    if (client->state == CLIENT_DIALS)
        asynchat__client_leave_channel(client);
    client->state = CLIENT_STOPS;
    client->stopped = stopped;
    client->stopped_arg = arg;
    asynchat__channels_stop(client->ch);
    if (asynchat__client_set(client, grace) < 0 || !client->ch)
        asynchat__timer_hurry(&client->timer);
    return 0;
}

/* A client that calls `stopped` frees itself afterwards. */
void asynchat_client_free(struct asynchat_client *client)
{
    if (client && !client->freed && client->state != CLIENT_ENDED)
        asynchat__client_end(client);
}
