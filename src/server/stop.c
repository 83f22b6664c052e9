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
#include "base/memory.h"

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

struct server_signal {
    struct asynchat_server *server;
    struct server_signal *next;
    struct event *event;
    unsigned grace;
    void (*stopped)(void *arg);
    void *arg;
};

/* Stopping frees all of the server's signals, and this one with them. */
static void server_signalled(evutil_socket_t number, short what, void *arg)
{
    struct server_signal *s = arg;
    (void)number;
    (void)what;
    (void)asynchat_server_stop(s->server, s->grace, s->stopped, s->arg);
}

static void signal_free(struct server_signal *s)
{
    if (s->event)
        event_free(s->event);
    asynchat__free(s);
}

void asynchat__server_forget_signals(struct asynchat_server *server)
{
    while (server->signals) {
        struct server_signal *s = server->signals;
        server->signals = s->next;
        signal_free(s);
    }
}

/* Whether the signal can be caught. *now is what the signal does now. */
static bool can_be_caught(int number, struct sigaction *now)
{
    return number != SIGKILL && number != SIGSTOP &&
           sigaction(number, NULL, now) == 0;
}

/* If memory runs out late in event_add(), libevent fails and leaves its own
 * handler in place, which does nothing: the signal would be lost. So the
 * handler that was there before is put back. */
static int signal_catch(struct server_signal *s, int number,
                        const struct sigaction *before)
{
    s->event = evsignal_new(event_get_base(&s->server->timer.event), number,
                            server_signalled, s);
    if (s->event && event_add(s->event, NULL) == 0)
        return 0;
    sigaction(number, before, NULL);
    return -ENOMEM;
}

int asynchat_server_stop_on_signal(struct asynchat_server *server, int number,
                                   unsigned grace, void (*stopped)(void *arg),
                                   void *arg)
{
    struct sigaction before;
    if (!server || grace > INT_MAX || !can_be_caught(number, &before))
        return -EINVAL;
    if (server_is_stopping(server))
        return ASYNCHAT_ESTOPPED;
    struct server_signal *s = asynchat__malloc(sizeof *s);
    if (!s)
        return -ENOMEM;
    *s = (struct server_signal){server, server->signals, NULL,
                                grace,  stopped,         arg};
    int error = signal_catch(s, number, &before);
    if (error) {
        signal_free(s);
        return error;
    }
    server->signals = s;
    return 0;
}
