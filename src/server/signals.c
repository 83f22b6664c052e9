/* The signals of a server: what each of them does, until the server stops.
 *
 * Tested by tests/test_server_stop.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/server.h"

#include <errno.h>
#include <signal.h>

#include <event2/event.h>

#include <asynchat/error.h>

#include "base/memory.h"

/* What is done may stop the server, and so free the signal. */
static void signal_came(evutil_socket_t number, short what, void *arg)
{
    struct server_signal *s = arg;
    (void)number;
    (void)what;
    s->run(s);
}

static void signal_free(struct server_signal *s)
{
    if (s->event)
        event_free(s->event);
    if (s->end)
        s->end(s);
    asynchat__free(s);
}

void asynchat__server_forget_signal(struct asynchat_server *server)
{
    struct server_signal *s = server->signals;
    server->signals = s->next;
    signal_free(s);
}

void asynchat__server_forget_signals(struct asynchat_server *server)
{
    while (server->signals)
        asynchat__server_forget_signal(server);
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
                            signal_came, s);
    if (s->event && event_add(s->event, NULL) == 0)
        return 0;
    sigaction(number, before, NULL);
    return -ENOMEM;
}

int asynchat__server_catch(struct asynchat_server *server, int number,
                           struct server_signal what)
{
    struct sigaction before;
    if (!server || !can_be_caught(number, &before))
        return -EINVAL;
    if (server_is_stopping(server))
        return ASYNCHAT_ESTOPPED;
    struct server_signal *s = asynchat__malloc(sizeof *s);
    if (!s)
        return -ENOMEM;
    *s = what;
    s->server = server;
    s->number = number;
    s->next = server->signals;
    int error = signal_catch(s, number, &before);
    if (error) {
        signal_free(s);
        return error;
    }
    server->signals = s;
    return 0;
}

/* --- a function of the program's --- */

static void signal_call(struct server_signal *s)
{
    s->function(s->arg);
}

int asynchat_server_call_on_signal(struct asynchat_server *server, int number,
                                   void (*function)(void *arg), void *arg)
{
    if (!function)
        return -EINVAL;
    return asynchat__server_catch(server, number,
                                  (struct server_signal){.run = signal_call,
                                                         .function = function,
                                                         .arg = arg});
}
