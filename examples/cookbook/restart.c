/* A restart without loss
 *
 * Use this for a server that is replaced by its next version while clients
 * talk to it. The traps are the moment between two versions in which nobody
 * listens, and a client whose next message is under way when its channel is
 * closed. Here the next version gets the listening socket itself, and tells
 * the version before when it is ready; that version accepts no more, and its
 * channels go on to their ends, for half a minute at most, since go_on() is
 * the `handle_stopping` of their handler. SIGHUP starts the next version, and
 * SIGTERM ends a version, a second one at once. If the next version does not
 * get ready, this one goes on. To call serve() is the last thing that main()
 * does. A Unix socket with a path also needs
 * asynchat_server_set_remove_path(), in the last version.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <event2/event.h>
#include <signal.h>

#define GRACE 30000 /* milliseconds */

void go_on(struct asynchat_channel *ch, void *arg)
{
}

int serve(struct event_base *base, const char *address,
          const struct asynchat_handler *handler, char **argv)
{
    const struct asynchat_server_options options = {
        .size = sizeof options, .flags = ASYNCHAT_INHERIT};
    struct asynchat_server *server;
    int error = asynchat_server_new(base, address, handler, NULL, &options,
                                    &server);
    if (!error)
        error = asynchat_server_stop_on_signal(server, SIGTERM, GRACE, NULL,
                                               NULL);
    if (!error)
        error = asynchat_server_restart_on_signal(server, SIGHUP, argv, GRACE,
                                                  NULL, NULL);
    if (error)
        return error;
    asynchat_restart_done();
    return event_base_dispatch(base) < 0;
}
