/* Stopping: the channels are asked to end, and then made to; after the last one
 * the server is freed. SPDX-License-Identifier: BSD-3-Clause */
#include "server.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include <event2/event.h>

#include <asynchat/error.h>

#include "log.h"

/* The program may call anything but what frees the server. */
static void server_end(struct asynchat_server *server)
{
    server->ended = true;
    asynchat__log_address(ASYNCHAT_LOG_INFO, &server->address, "has stopped");
    if (server->stopped)
        server->stopped(server->stopped_arg);
    asynchat__server_destroy(server);
}

void asynchat__server_stopping(struct asynchat_server *server)
{
    if (server->connections == 0)
        server_end(server);
    else
        asynchat__channels_end(server->channels);
}

static void server_accept_no_more(struct asynchat_server *server)
{
    event_del(server->acceptable);
    asynchat__server_close(server);
    if (server->waiting >= 0)
        close(server->waiting);
    server->waiting = -1;
}

/* The timer is pending, or should be: then setting it takes no memory. Otherwise
 * a grace that would not end is no better than none. */
int asynchat_server_stop(struct asynchat_server *server, unsigned grace,
                         void (*stopped)(void *arg), void *arg)
{
    struct timeval time = {.tv_sec = (time_t)(grace / 1000),
                           .tv_usec = (suseconds_t)(grace % 1000) * 1000};
    if (!server || grace > INT_MAX)
        return -EINVAL;
    if (server->ended)
        return ASYNCHAT_ESTOPPED;
    if (!server->stopping)
        asynchat__log_address(ASYNCHAT_LOG_INFO, &server->address, "stops");
    server->stopping = true;
    server->stopped = stopped;
    server->stopped_arg = arg;
    server_accept_no_more(server);
    asynchat__channels_stop(server->channels);
    if (evtimer_add(server->timer, &time) < 0 || server->connections == 0)
        event_active(server->timer, EV_TIMEOUT, 0);
    return 0;
}
