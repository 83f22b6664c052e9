/* The server: a listening socket that makes a channel of each connection.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/server.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "address.h"
#include "channel.h"
#include "handler.h"
#include "loop.h"
#include "socket.h"
#include "table.h"

/* Connections accepted in one wake-up: enough to keep up, few enough that those
 * there are do not wait for it. */
#define ACCEPT_BUDGET 64

/* How long accepting pauses when the system has no room for another connection.
 */
static const struct timeval accept_pause = {.tv_usec = 100L * 1000};

struct asynchat_server {
    const struct asynchat_handler *handler;
    void *arg;
    struct event *acceptable;
    struct event *resume;
    struct loop *loop; /* kept between connections */
    int fd;
    int waiting; /* accepted, when there was no memory for it; or -1 */
    bool bound;  /* a Unix socket's path is ours to remove */
    struct address address;
};

_Static_assert(sizeof(struct asynchat_server_options) ==
                   sizeof(size_t) + 2 * sizeof(int),
               "asynchat_server_options has padding");

/* The timer for that is always pending, so that it has its place in libevent's
 * heap and can be set without memory, which may be what has run out. */
static const struct timeval accept_idle = {.tv_sec = 24L * 60 * 60};

/* --- accepting --- */

/* Without a timer that would wake it, accepting is better not paused. */
static void server_pause(struct asynchat_server *server)
{
    if (evtimer_add(server->resume, &accept_pause) == 0)
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
    int error = 0;
    (void)fd;
    (void)what;
    for (int budget = ACCEPT_BUDGET; !error && budget > 0; budget--)
        error = server_accept(server);
    if (error && error != -EAGAIN && error != -EWOULDBLOCK)
        server_pause(server);
}

static void server_resume(evutil_socket_t fd, short what, void *arg)
{
    struct asynchat_server *server = arg;
    evtimer_add(server->resume, &accept_idle);
    if (event_add(server->acceptable, NULL) < 0)
        evtimer_add(server->resume, &accept_pause);
    else
        server_acceptable(fd, what, server);
}

/* --- making and ending --- */

/* SO_REUSEADDR, so that a server can be started again while connections of the
 * last one are in TIME_WAIT. */
static int server_bind(struct asynchat_server *server,
                       const struct asynchat_server_options *options)
{
    int on = 1;
    int backlog = options->backlog > 0 ? options->backlog : SOMAXCONN;
    struct address *address = &server->address;
    server->fd = asynchat__socket_new(address->storage.ss_family);
    if (server->fd < 0)
        return server->fd;
    if (address->storage.ss_family != AF_UNIX &&
        setsockopt(server->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        return -errno;
    if ((options->flags & ASYNCHAT_REUSE_PORT) &&
        setsockopt(server->fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0)
        return -errno;
    if (bind(server->fd, (struct sockaddr *)&address->storage, address->len) <
        0)
        return -errno;
    server->bound = true;
    if (listen(server->fd, backlog) < 0)
        return -errno;
    return asynchat__address_of(server->fd, getsockname, address);
}

static int server_listen(struct asynchat_server *server,
                         struct event_base *base,
                         const struct asynchat_server_options *options)
{
    int error = server_bind(server, options);
    if (error)
        return error;
    server->loop = asynchat__loop_share(base);
    server->acceptable = event_new(base, server->fd, EV_READ | EV_PERSIST,
                                   server_acceptable, server);
    server->resume = evtimer_new(base, server_resume, server);
    if (!server->loop || !server->acceptable || !server->resume ||
        evtimer_add(server->resume, &accept_idle) < 0 ||
        event_add(server->acceptable, NULL) < 0)
        return -ENOMEM;
    return 0;
}

static int options_check(const struct asynchat_server_options *options)
{
    int error =
        asynchat__table_check(options, sizeof *options, sizeof *options);
    if (error)
        return error;
    return (options->flags & ~ASYNCHAT_REUSE_PORT) || options->backlog < 0
               ? -EINVAL
               : 0;
}

int asynchat_server_new(struct event_base *base, const char *address,
                        const struct asynchat_handler *handler, void *arg,
                        const struct asynchat_server_options *options,
                        struct asynchat_server **out)
{
    static const struct asynchat_server_options defaults = {
        .size = sizeof defaults};
    if (!options)
        options = &defaults;
    if (!base || !address || !out)
        return -EINVAL;
    int error = options_check(options);
    if (!error)
        error = asynchat__handler_check(handler);
    if (error)
        return error;

    struct asynchat_server *server = calloc(1, sizeof *server);
    if (!server)
        return -ENOMEM;
    server->fd = -1;
    server->waiting = -1;
    server->handler = handler;
    server->arg = arg;
    error = asynchat__address_parse(&server->address, address);
    if (!error)
        error = server_listen(server, base, options);
    if (error)
        asynchat_server_free(server);
    else
        *out = server;
    return error;
}

void asynchat_server_free(struct asynchat_server *server)
{
    if (!server)
        return;
    if (server->acceptable)
        event_free(server->acceptable);
    if (server->resume)
        event_free(server->resume);
    if (server->bound && server->address.storage.ss_family == AF_UNIX)
        unlink(((struct sockaddr_un *)&server->address.storage)->sun_path);
    if (server->loop)
        asynchat__loop_release(server->loop);
    if (server->waiting >= 0)
        close(server->waiting);
    if (server->fd >= 0)
        close(server->fd);
    free(server);
}

int asynchat_server_address(const struct asynchat_server *server, char *text,
                            size_t size)
{
    if (!server || !text)
        return -EINVAL;
    return asynchat__address_format(&server->address, text, size);
}

int asynchat_server_port(const struct asynchat_server *server)
{
    return server ? asynchat__address_port(&server->address) : 0;
}
