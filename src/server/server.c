/* A server's life: it is made, takes its place in its loop, has one timer
 * there, answers questions, and is freed.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/server.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include <asynchat/error.h>
#include <asynchat/layer.h>

#include "base/handler.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/table.h"
#include "channel/calls/proxy.h"
#include "channel/object.h"
#include "channel/post.h"
#include "loop/base.h"
#include "server/inherited.h"

_Static_assert(sizeof(struct asynchat_server_options) ==
                   sizeof(size_t) + 6 * sizeof(int) + 5 * sizeof(void *),
               "asynchat_server_options has padding");

#define FLAGS                                                                  \
    (ASYNCHAT_REUSE_PORT | ASYNCHAT_DELAY | ASYNCHAT_KEEPALIVE |               \
     ASYNCHAT_IPV6_ONLY | ASYNCHAT_INHERIT)
#define PERMISSIONS 0777u

/* --- making --- */

static int options_check(const struct asynchat_server_options *options)
{
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): last field is a pointer */
    const size_t least = TABLE_SIZE(struct asynchat_server_options, workers);
    int error = asynchat__table_check(options, least, sizeof *options);
    if (error)
        return error;
    bool limits = options->max_connections || options->max_per_address ||
                  options->turn_away;
    return (options->flags & ~FLAGS) || options->backlog < 0 ||
                   (options->mode & ~PERMISSIONS) ||
                   (options->workers && limits)
               ? -EINVAL
               : 0;
}

/* Copies options that were checked, and what they point to. */
static int server_copy_options(struct asynchat_server *server,
                               const struct asynchat_server_options *options)
{
    struct asynchat_server_options *copy = &server->options;
    asynchat__table_copy(copy, options, sizeof *copy);
    int error = copy->channels ? asynchat__options_new(copy->channels,
                                                       &server->dress.options)
                               : 0;
    if (!error && copy->proxy)
        error = asynchat__policy_new(copy->proxy, &server->dress.proxy);
    copy->channels = NULL;
    copy->proxy = NULL;
    if (!error && copy->turn_away) {
        copy->turn_away = asynchat__strdup(copy->turn_away);
        error = copy->turn_away ? 0 : -ENOMEM;
    }
    if (error)
        asynchat__dress_release(&server->dress);
    return error;
}

/* Makes a server that does not listen yet. */
static int server_make(const struct asynchat_handler *handler, void *arg,
                       const struct asynchat_server_options *options,
                       struct asynchat_server **out)
{
    static const struct asynchat_server_options defaults = {
        .size = sizeof defaults};
    if (!options)
        options = &defaults;
    int error = options_check(options);
    if (!error)
        error = asynchat__handler_check(handler);
    if (error)
        return error;

    struct asynchat_server *server = asynchat__calloc(1, sizeof *server);
    if (!server)
        return -ENOMEM;
    server->listener.fd = -1;
    server->waiting = -1;
    server->handler = handler;
    server->arg = arg;
    error = server_copy_options(server, options);
    if (error)
        asynchat__free(server);
    else
        *out = server;
    return error;
}

/* --- its place in the loop --- */

static void server_guest_end(struct loop_guest *guest)
{
    asynchat_server_free(asynchat__server_of(guest));
}

struct asynchat_server *asynchat__server_of(struct loop_guest *guest)
{
    char *place = (char *)guest - offsetof(struct asynchat_server, guest);
    return guest->end == server_guest_end
               ? (struct asynchat_server *)(void *)place
               : NULL;
}

static int server_join_loop(struct asynchat_server *server,
                            struct event_base *base)
{
    server->loop = asynchat__loop_share(base);
    if (!server->loop)
        return -ENOMEM;
    server->guest = (struct loop_guest){.end = server_guest_end};
    asynchat__loop_invite(server->loop, &server->guest);
    return 0;
}

static void server_leave_loop(struct asynchat_server *server)
{
    if (!server->loop)
        return;
    asynchat__loop_dismiss(&server->guest);
    asynchat__loop_release(server->loop);
}

/* --- ending --- */

static void server_destroy(struct asynchat_server *server)
{
    if (server->loop)
        asynchat__loop_part(server->loop);
    if (server->acceptable)
        event_free(server->acceptable);
    asynchat__timer_end(&server->timer);
    asynchat__server_forget_signals(server);
    asynchat__listen_end(&server->listener);
    server_leave_loop(server);
    if (server->waiting >= 0)
        close(server->waiting);
    asynchat__channels_disown(server->channels);
    asynchat__peers_free(&server->peers);
    asynchat__dress_release(&server->dress);
    asynchat__free((char *)server->options.turn_away);
    asynchat__free(server);
}

/* `stopped` may call anything: asynchat_server_free() of this server does
 * nothing once the state is ENDED. */
static void server_end(struct asynchat_server *server)
{
    asynchat__server_enter(&server->state, SERVER_ENDED);
    asynchat__log_address(ASYNCHAT_LOG_INFO, ASYNCHAT_LOG_STOPPED,
                          &server->listener.address, 0, "has stopped");
    if (server->stopped)
        server->stopped(server->stopped_arg);
    server_destroy(server);
}

/* To be called when the grace is over, or when the last channel is gone. */
static void server_grace_is_over(struct asynchat_server *server)
{
    if (server->connections == 0)
        server_end(server);
    else
        asynchat__channels_end(server->channels);
}

/* --- its timer --- */

/* Until the server stops, its timer is always set. So the timer has a place in
 * libevent's heap, and can be set again without memory, which may have run out.
 * The timer is set to this many milliseconds when there is nothing to wait
 * for. */
#define SERVER_IDLE (24u * 60 * 60 * 1000)

/* The timer ends the grace of a server that stops, and the pauses of all
 * others. */
static void server_time_is_up(evutil_socket_t fd, short what, void *arg)
{
    struct asynchat_server *server = arg;
    (void)fd;
    (void)what;
    if (server->state == SERVER_STOPPING) {
        server_grace_is_over(server);
        return;
    }
    (void)asynchat__timer_set(&server->timer, SERVER_IDLE);
    asynchat__server_accept_again(server);
}

static int server_make_timer(struct asynchat_server *server,
                             struct event_base *base)
{
    asynchat__timer_init(&server->timer, base, server_time_is_up, server);
    int error = asynchat__timer_set(&server->timer, SERVER_IDLE);
    if (!error)
        server->guest.timer = timer_witness(&server->timer);
    return error;
}

/* --- beginning --- */

/* Gives a server that listens its place in the loop, and begins to accept. */
static int server_begin(struct asynchat_server *server, struct event_base *base)
{
    int error = asynchat__base_check(base, server->listener.fd);
    if (!error)
        error = asynchat__post_expect(base);
    if (!error)
        error = server_join_loop(server, base);
    if (!error)
        error = server_make_timer(server, base);
    if (!error)
        error = asynchat__server_accept(server, base);
    if (!error)
        asynchat__server_enter(&server->state, SERVER_ACCEPTING);
    return error;
}

/* Listens on its address, or on a socket that was passed to the process. */
static int server_listen(struct asynchat_server *server, void *arg)
{
    struct listener *l = &server->listener;
    int fd = -1, error = 0;
    if (server->options.flags & ASYNCHAT_INHERIT)
        error = asynchat__inherited_next(&fd);
    if (error || fd < 0)
        return error ? error
                     : asynchat__listen_begin(l, &server->options, arg);
    error = asynchat__listen_take(l, fd, &server->options);
    if (error)
        l->fd = -1;
    else
        asynchat__inherited_take();
    return error;
}

int asynchat_server_new(struct event_base *base, const char *address,
                        const struct asynchat_handler *handler, void *arg,
                        const struct asynchat_server_options *options,
                        struct asynchat_server **out)
{
    struct asynchat_server *server;
    if (!base || !address || !out)
        return -EINVAL;
    int error = server_make(handler, arg, options, &server);
    if (error)
        return error;
    error = asynchat__address_parse(&server->listener.address, address);
    if (!error)
        error = server_listen(server, arg);
    if (!error)
        error = server_begin(server, base);
    if (error)
        asynchat_server_free(server);
    else
        *out = server;
    return error;
}

/* After an error the socket belongs to the caller again, so the server must not
 * close it. */
int asynchat_server_new_socket(struct event_base *base, int fd,
                               const struct asynchat_handler *handler,
                               void *arg,
                               const struct asynchat_server_options *options,
                               struct asynchat_server **out)
{
    struct asynchat_server *server;
    if (!base || !out)
        return -EINVAL;
    int error = server_make(handler, arg, options, &server);
    if (error)
        return error;
    error = asynchat__listen_take(&server->listener, fd, &server->options);
    if (!error)
        error = server_begin(server, base);
    if (error) {
        server->listener.fd = -1;
        asynchat_server_free(server);
    } else {
        *out = server;
    }
    return error;
}

/* A server that calls `stopped` frees itself afterwards. */
void asynchat_server_free(struct asynchat_server *server)
{
    if (server && server->state != SERVER_ENDED)
        server_destroy(server);
}

void asynchat_server_set_remove_path(struct asynchat_server *server, int remove)
{
    if (server && server->listener.fd >= 0)
        asynchat__listen_set_remove_path(&server->listener, remove != 0);
}

/* --- layers --- */

int asynchat_server_set_layer(struct asynchat_server *server,
                              int (*make)(struct asynchat_channel *ch,
                                          void *arg),
                              void *arg)
{
    if (!server)
        return -EINVAL;
    server->dress.make = make;
    server->dress.arg = arg;
    return 0;
}

/* --- questions about a server --- */

int asynchat_server_get_socket(const struct asynchat_server *server)
{
    if (!server)
        return -EINVAL;
    return server_is_stopping(server) ? ASYNCHAT_ESTOPPED : server->listener.fd;
}

size_t asynchat_server_connections(const struct asynchat_server *server)
{
    return server ? server->connections : 0;
}

int asynchat_server_address(const struct asynchat_server *server, char *text,
                            size_t size)
{
    if (!server || !text)
        return -EINVAL;
    return asynchat__address_format(&server->listener.address, text, size);
}

int asynchat_server_port(const struct asynchat_server *server)
{
    return server ? asynchat__address_port(&server->listener.address) : 0;
}
