/* struct asynchat_server, and what the files of src/server/ offer each other.
 * server.c makes and frees a server, and has its timer; accept.c accepts;
 * stop.c stops; signals.c does what a signal asks for; restart.c starts the
 * next process. listen.c, peers.c, counts.c and state.c each have a struct of
 * their own, and know no server.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_SERVER_H
#define ASYNCHAT_SRC_SERVER_H

#include <stdbool.h>

#include <asynchat/server.h>

#include "base/address.h"
#include "channel/calls/options.h"
#include "channel/object.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "server/counts.h"
#include "server/listen.h"
#include "server/peers.h"
#include "server/state.h"

struct event;
struct successor;

/* Invariants, once the server is ACCEPTING:
 * - `state` is changed by asynchat__server_enter() alone;
 * - `listener.fd` is the listening socket until the server is STOPPING, then
 *   -1;
 * - while the server is ACCEPTING or STARVED, `acceptable` is in the loop, or
 *   `timer` is set to the end of a pause, after which `acceptable` is put back.
 *   It is not in the loop while the server is FULL, nor from STOPPING on;
 * - `timer` is set until the server is STOPPING, and for exactly as long
 *   `guest.timer` is its event, unless the event base has a clock of the
 *   program's. In STOPPING, `timer` is set to the end of the grace;
 * - `waiting` is a descriptor only while the server is STARVED;
 * - `connections` is the length of the list `channels`. With options.workers
 *   both stay empty;
 * - `signals` is empty from STOPPING on. */
struct asynchat_server {
    enum server_state state;

    /* The handler, and its argument, of each channel at its beginning. */
    const struct asynchat_handler *handler;
    void *arg;
    struct channel_dress dress;
    /* The program's options. `turn_away` is a copy that the server frees. */
    struct asynchat_server_options options;

    /* The server's share of the loop. It keeps the loop while there are no
     * channels. */
    struct loop *loop;
    /* The server's place in the loop: a worker that ends frees the server. */
    struct loop_guest guest;
    /* The event of the listening socket: a connection waits to be accepted. */
    struct event *acceptable;
    /* The one timer: see server_time_is_up(). */
    struct timer timer;

    struct listener listener;

    /* A connection that was accepted, but for which there was no memory or no
     * room; or -1. */
    int waiting;
    /* Where the connection that was accepted last is from. */
    struct address from;
    /* The number of the worker that gets the next connection; it wraps. */
    unsigned turn;
    /* How many calls of accept4(2) in a row had an error of one connection
     * only. */
    unsigned failures;

    /* The channels that the server has made and that are not gone. */
    struct asynchat_channel *channels;
    /* How many channels there are in `channels`. */
    size_t connections;
    /* The owner of channels that are not counted by address. */
    struct channel_owner owner;
    /* The owners of channels that are counted by address. */
    struct peers peers;
    /* What the channels that are gone have done. */
    struct server_counts counts;

    /* Called with `stopped_arg` when the last channel is gone; or NULL. */
    void (*stopped)(void *arg);
    void *stopped_arg;
    /* The signals that the server knows. */
    struct server_signal *signals;
};

/* Whether the server stops, or has stopped. */
static inline bool server_is_stopping(const struct asynchat_server *server)
{
    return server->state >= SERVER_STOPPING;
}

/* --- accept.c --- */

/* Begins to accept. The server listens already, and has its timer. 0 or
 * -ENOMEM. */
int asynchat__server_accept(struct asynchat_server *server,
                            struct event_base *base);

/* Tries again to accept: the pause for want of descriptors or memory is
 * over. */
void asynchat__server_accept_again(struct asynchat_server *server);

/* Accepts the connections that wait now, since the socket is about to be
 * closed. The limits hold, and accepting ends when the system has no room. */
void asynchat__server_accept_rest(struct asynchat_server *server);

/* --- signals.c --- */

/* A signal that the server knows, and what is done when it comes. */
struct server_signal {
    struct asynchat_server *server;
    struct server_signal *next;
    struct event *event;
    int number;
    void (*run)(struct server_signal *s);
    /* Ends what `run` has begun; or NULL. */
    void (*end)(struct server_signal *s);
    /* For `run`: of the program. */
    void (*function)(void *arg);
    void *arg;
    unsigned grace;
    char *const *argv;
    struct successor *successor; /* a process that starts; or NULL */
};

/* From now on the signal does `what`: the first four fields are filled in
 * here. 0, -EINVAL, ASYNCHAT_ESTOPPED or -ENOMEM. */
int asynchat__server_catch(struct asynchat_server *server, int number,
                           struct server_signal what);

/* The signal that was caught last does nothing any more. */
void asynchat__server_forget_signal(struct asynchat_server *server);

/* From now on signals do nothing to the server. */
void asynchat__server_forget_signals(struct asynchat_server *server);

/* --- server.c --- */

/* The server that this is a part of, or NULL: the guest is no server. */
struct asynchat_server *asynchat__server_of(struct loop_guest *guest);

#endif
