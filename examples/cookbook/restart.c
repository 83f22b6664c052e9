/* A restart without loss
 *
 * Use this for a server that is replaced by its next version while clients
 * talk to it. The traps are the moment between two versions in which nobody
 * listens, and a client whose next message is under way when its channel is
 * closed. Here the next version gets the listening socket itself, and tells
 * the version before when it is ready; that version accepts no more, and its
 * channels go on to their ends, for half a minute at most, since go_on() is
 * the `handle_stopping` of their handler. SIGHUP starts the next version, and
 * SIGTERM ends a version, a second one at once. To call serve() is the last
 * thing that main() does. A Unix socket with a path also needs
 * asynchat_server_set_remove_path(), in both versions.
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

static struct asynchat_server *server;

void go_on(struct asynchat_channel *ch, void *arg)
{
}

static void start_next(evutil_socket_t number, short what, void *argv)
{
    char old[16];
    snprintf(old, sizeof old, "%d", (int)getpid());
    if (fork() != 0)
        return;
    setenv("REPLACES", old, 1);
    if (dup2(asynchat_server_get_socket(server), 3) == 3 &&
        fcntl(3, F_SETFD, 0) == 0)
        execvp(*(char **)argv, argv);
    _exit(1);
}

static void leave(void *base)
{
    event_base_loopbreak(base);
}

int serve(struct event_base *base, const char *address,
          const struct asynchat_handler *handler, char **argv)
{
    const char *old = getenv("REPLACES");
    int error = old ? asynchat_server_new_socket(base, 3, handler, NULL,
                                                 NULL, &server)
                    : asynchat_server_new(base, address, handler, NULL,
                                          NULL, &server);
    if (error)
        return error;
    asynchat_server_stop_on_signal(server, SIGTERM, 30000, leave, base);
    event_add(evsignal_new(base, SIGHUP, start_next, argv), NULL);
    if (old)
        kill(atoi(old), SIGTERM);
    return event_base_dispatch(base);
}
