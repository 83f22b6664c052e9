/* The server's parts, as its files see them: server (life), server_listen,
 * server_accept, server_stop. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_SERVER_H
#define ASYNCHAT_SRC_SERVER_H

#include <stdbool.h>

#include <asynchat/server.h>

#include "base/address.h"
#include "loop/loop.h"
#include "counts.h"
#include "listen.h"
#include "peers.h"
#include "state.h"

struct event;

struct asynchat_server {
    enum server_state state;
    const struct asynchat_handler *handler;
    void *arg;
    struct asynchat_server_options options; /* turn_away is our own, and the
                                               backlog never 0 */
    struct event *acceptable;
    struct event *timer;     /* always pending: see server_idle */
    struct loop *loop;       /* kept between connections */
    struct loop_guest guest; /* of the loop */

    struct listener listener;

    int waiting;         /* accepted, when there was no room for it; or -1 */
    struct address from; /* where it, or the last one, is from */
    unsigned turn;       /* whose of the workers it is */
    unsigned failures;   /* to accept, one after the other */

    struct asynchat_channel *channels;
    size_t connections; /* so many channels, whose owner is */
    struct channel_owner owner;
    struct server_counts counts;
    struct peers peers; /* or, if they are counted by address, one of these */

    void (*stopped)(void *arg); /* to be called when no channel is left */
    void *stopped_arg;
    struct server_signal *signals; /* that make it stop */
};

static inline bool server_is_stopping(const struct asynchat_server *server)
{
    return server->state >= SERVER_STOPPING;
}

/* --- server_accept --- */

/* The server listens, and has its timer: begins to accept. 0 or -ENOMEM. */
int asynchat__server_accept(struct asynchat_server *server,
                            struct event_base *base);

/* The pause for want of descriptors or memory is over. */
void asynchat__server_accept_again(struct asynchat_server *server);

/* Accepts what waits, as far as the limits and the system allow: the socket is about
 * to be closed. */
void asynchat__server_accept_rest(struct asynchat_server *server);

/* --- server_stop --- */

/* Signals do not make it stop any more. */
void asynchat__server_forget_signals(struct asynchat_server *server);

#endif
