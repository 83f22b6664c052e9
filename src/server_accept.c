/* Accepting: connections become channels, until there are none, or no room.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server.h"

#include <errno.h>

#include <event2/event.h>

#include "channel.h"
#include "socket.h"

/* Enough to keep up, few enough that those there are do not wait for it. */
#define ACCEPT_BUDGET 64

/* How long accepting pauses when the system has no room for another connection.
 */
static const struct timeval accept_pause = {.tv_usec = 100L * 1000};

/* The timer for that is always pending, so that it has its place in libevent's
 * heap and can be set without memory, which may be what has run out. */
static const struct timeval accept_idle = {.tv_sec = 24L * 60 * 60};

/* --- accepting --- */

/* Without a timer that would wake it, accepting is better not paused. */
static void server_pause(struct asynchat_server *server)
{
    if (evtimer_add(server->timer, &accept_pause) == 0)
        event_del(server->acceptable);
}

/* The connection that there was no memory for, or the next one, or -errno. */
static int server_next(struct asynchat_server *server)
{
    int fd = server->waiting;
    server->waiting = -1;
    return fd < 0 ? asynchat__socket_accept(server->fd) : fd;
}

/* 0, or why accepting is to stop for now. */
static int server_accept(struct asynchat_server *server)
{
    struct asynchat_channel *ch;
    int fd = server_next(server);
    if (fd < 0)
        return fd;
    int error = asynchat__channel_socket(event_get_base(server->acceptable), fd,
                                         server->handler, server->arg, &ch);
    if (error)
        server->waiting = fd;
    else
        asynchat__channel_start(ch);
    return error;
}

static void server_acceptable(evutil_socket_t fd, short what, void *arg)
{
    struct asynchat_server *server = arg;
    unsigned budget = server->options.accept_budget;
    int error = 0;
    (void)fd;
    (void)what;
    for (budget = budget > 0 ? budget : ACCEPT_BUDGET; !error && budget > 0;
         budget--)
        error = server_accept(server);
    if (error && error != -EAGAIN && error != -EWOULDBLOCK)
        server_pause(server);
}

static void server_resume(evutil_socket_t fd, short what, void *arg)
{
    struct asynchat_server *server = arg;
    evtimer_add(server->timer, &accept_idle);
    if (event_add(server->acceptable, NULL) < 0)
        evtimer_add(server->timer, &accept_pause);
    else
        server_acceptable(fd, what, server);
}

int asynchat__server_accept(struct asynchat_server *server,
                            struct event_base *base)
{
    server->loop = asynchat__loop_share(base);
    server->acceptable = event_new(base, server->fd, EV_READ | EV_PERSIST,
                                   server_acceptable, server);
    server->timer = evtimer_new(base, server_resume, server);
    if (!server->loop || !server->acceptable || !server->timer ||
        evtimer_add(server->timer, &accept_idle) < 0 ||
        event_add(server->acceptable, NULL) < 0)
        return -ENOMEM;
    return 0;
}
