/* Stopping: the server accepts the connections that wait, closes its socket,
 * and asks its channels to end. What happens when the grace is over, or when
 * the last channel is gone, is in server.c.
 *
 * Tested by tests/test_server_stop.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/server.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include <event2/event.h>

#include <asynchat/error.h>

#include "base/log.h"

/* When the socket is closed, the system resets the connections that wait to be
 * accepted, even if another socket listens on the port. So these are accepted
 * first. The path is removed before that, so that nobody connects by it
 * meanwhile. */
static void server_accept_no_more(struct asynchat_server *server)
{
    event_del(server->acceptable);
    asynchat__listen_remove_path(&server->listener);
    asynchat__server_accept_rest(server);
    asynchat__listen_end(&server->listener);
    if (server->waiting >= 0)
        close(server->waiting);
    server->waiting = -1;
}

/* From now on the timer is not always pending. So the guest gives it up: from a
 * timer that is not pending the loop would conclude that the event base is
 * gone. */
static void server_begin_to_stop(struct asynchat_server *server)
{
    asynchat__log_address(ASYNCHAT_LOG_INFO, ASYNCHAT_LOG_STOPS,
                          &server->listener.address, 0, "stops");
    asynchat__server_forget_signals(server);
    server_accept_no_more(server);
    asynchat__server_enter(&server->state, SERVER_STOPPING);
    server->guest.timer = NULL;
}

/* Setting the timer needs no memory while the timer is pending. When the server
 * is stopped again after the grace, setting it may fail: then there is no
 * second grace, since without the timer the grace would never end. */
int asynchat_server_stop(struct asynchat_server *server, unsigned grace,
                         void (*stopped)(void *arg), void *arg)
{
    if (!server || grace > INT_MAX)
        return -EINVAL;
    if (server->state == SERVER_ENDED)
        return ASYNCHAT_ESTOPPED;
    if (server->state != SERVER_STOPPING)
        server_begin_to_stop(server);
    server->stopped = stopped;
    server->stopped_arg = arg;
    asynchat__channels_stop(server->channels);
    if (asynchat__timer_set(&server->timer, grace) < 0 ||
        server->connections == 0)
        asynchat__timer_hurry(&server->timer);
    return 0;
}

/* --- by a signal --- */

/* Stopping forgets the signal. */
static void server_signalled(struct server_signal *s)
{
    (void)asynchat_server_stop(s->server, s->grace, s->function, s->arg);
}

int asynchat_server_stop_on_signal(struct asynchat_server *server, int number,
                                   unsigned grace, void (*stopped)(void *arg),
                                   void *arg)
{
    if (grace > INT_MAX)
        return -EINVAL;
    return asynchat__server_catch(server, number,
                                  (struct server_signal){
                                      .run = server_signalled,
                                      .function = stopped,
                                      .arg = arg,
                                      .grace = grace,
                                  });
}

int asynchat_server_stop_on_termination(struct asynchat_server *server,
                                        unsigned grace,
                                        void (*stopped)(void *arg), void *arg)
{
    int error =
        asynchat_server_stop_on_signal(server, SIGTERM, grace, stopped, arg);
    if (error)
        return error;
    error = asynchat_server_stop_on_signal(server, SIGINT, grace, stopped, arg);
    if (error)
        asynchat__server_forget_signal(server);
    return error;
}
