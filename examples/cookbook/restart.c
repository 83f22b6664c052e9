/* A restart without loss
 *
 * Use this for a server that is replaced by its next version while clients
 * talk to it. The traps are the moment between two versions in which nobody
 * listens, and a client whose next message is under way when its channel is
 * closed. Here the next version gets the listening socket itself, and tells
 * the version before when it is ready; that version accepts no more, and its
 * channels go on to their ends, for half a minute at most. SIGHUP starts the
 * next version, and SIGTERM ends the server.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE 1
#include <asynchat.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct event_base *base;
static struct asynchat_server *server;

static void set_number(const char *name, int n)
{
    char text[16];
    snprintf(text, sizeof text, "%d", n);
    setenv(name, text, 1);
}

static void start_next(evutil_socket_t number, short what, void *argv)
{
    int old = getpid();
    if (fork() != 0)
        return;
    set_number("REPLACES", old);
    set_number("LISTEN_PID", getpid());
    set_number("LISTEN_FDS", 1);
    if (dup2(asynchat_server_get_socket(server), 3) == 3 &&
        fcntl(3, F_SETFD, 0) == 0)
        execvp(*(char **)argv, argv);
    _exit(1);
}

/* The handler needs this as its handle_stopping. */
void go_on(struct asynchat_channel *ch, void *arg)
{
}

static void leave(void *arg)
{
    event_base_loopbreak(base);
}

static void stop(evutil_socket_t number, short what, void *arg)
{
    asynchat_server_set_remove_path(server, number == SIGTERM);
    asynchat_server_stop(server, 30000, leave, NULL);
}

/* The last call of main(), which has not changed argv. */
int serve(const char *address, const struct asynchat_handler *handler,
          char **argv)
{
    int fd, error = asynchat_inherited_sockets(&fd);
    const char *old = getenv("REPLACES");
    base = event_base_new();
    if (error == 1)
        error = asynchat_server_new_socket(base, fd, handler, NULL, NULL,
                                           &server);
    else if (error == 0)
        error = asynchat_server_new(base, address, handler, NULL, NULL,
                                    &server);
    if (error)
        return error;
    event_add(evsignal_new(base, SIGHUP, start_next, argv), NULL);
    event_add(evsignal_new(base, SIGUSR1, stop, NULL), NULL);
    event_add(evsignal_new(base, SIGTERM, stop, NULL), NULL);
    if (old)
        kill(atoi(old), SIGUSR1);
    return event_base_dispatch(base);
}
