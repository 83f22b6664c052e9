/* A client: one connection to a name, which comes back.
 *
 * Each attempt is a channel, with a handler of the client's until it is
 * connected, and with the program's from then on. That a channel is gone, in
 * whatever way, the client hears as its owner. Whatever follows is left to the
 * loop, by the timer: so no call of the program runs a callback.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_CLIENT_H
#define ASYNCHAT_SRC_CLIENT_H

#include <stdbool.h>

#include <asynchat/client.h>

#include "channel/object.h"
#include "client/backoff.h"
#include "loop/loop.h"
#include "loop/timer.h"

struct channel_options;

/*   DIALS <--> UP      DIALS, UP --> LOST --> WAITS --> DIALS
 *
 * and from each of these to STOPS, and then to ENDED. A client may be freed in
 * every state except ENDED, in which it frees itself. */
enum client_state {
    CLIENT_WAITS, /* for the next attempt */
    CLIENT_DIALS,
    CLIENT_UP,    /* the channel is connected; it may be ending */
    CLIENT_LOST,  /* the channel is gone; the program is to be told */
    CLIENT_STOPS, /* there will be no other attempt */
    CLIENT_ENDED  /* `stopped` runs, then the client is freed */
};

/* Invariants: there is a channel exactly while the state is UP or, unless an
 * attempt is just being begun, DIALS; or when it STOPS, if it was UP. `ch` is
 * the owner's list. */
struct asynchat_client {
    struct channel_owner owner;
    struct asynchat_channel *ch;
    struct event_base *base;
    struct loop *loop;
    struct loop_guest guest;
    struct timer timer; /* always set, unless there was no memory for it */
    struct backoff backoff;
    enum client_state state;
    unsigned busy; /* calls of the program's functions that are under way */
    bool freed;    /* the memory waits for their end */
    bool told;     /* the program knows that the connection is up */
    bool said;     /* the log has a record of this client */
    int reason;    /* why the last channel has ended */
    const struct asynchat_handler *handler;
    void *arg;
    const struct asynchat_handler *next_handler; /* of the channel that dials,
                                                    once it is connected */
    struct asynchat_client_options options; /* without its pointers to tables */
    struct asynchat_connect_options connect;
    int (*prepare)(int fd, const struct sockaddr *to, socklen_t len, void *arg);
    int (*candidate)(struct asynchat_channel *ch, void *arg);
    struct channel_options *channels; /* or NULL */
    void (*stopped)(void *arg);
    void *stopped_arg;
    const char *service; /* or NULL */
    char host[];         /* and behind it the service */
};

/* --- life.c --- */

/* From here to the release, the client's memory stays. */
void asynchat__client_hold(struct asynchat_client *client);

/* False: the client was freed meanwhile. */
bool asynchat__client_release(struct asynchat_client *client);

/* Sets the timer. 0 or -ENOMEM. */
int asynchat__client_set(struct asynchat_client *client, uint32_t wait);

/* Ends the channel, without a callback. NULL is allowed in `ch`. */
void asynchat__client_leave_channel(struct asynchat_client *client);

/* The client leaves the loop, and is freed when nobody holds it. */
void asynchat__client_end(struct asynchat_client *client);

/* --- options.c --- */

/* Checks options, or takes the defaults for NULL, and fills a copy in. 0 or an
 * error. */
int asynchat__client_check(struct asynchat_client_options *copy,
                           const struct asynchat_client_options *options);

/* Copies what the copy points to, into a client that has nothing yet. 0 or an
 * error. */
int asynchat__client_configure(struct asynchat_client *client,
                               const struct asynchat_client_options *options);

/* --- attempt.c --- */

/* Gives each attempt what the options say. */
void asynchat__client_hook(struct asynchat_client *client);

/* Begins an attempt. 0, also if a function of the program has freed or stopped
 * the client meanwhile; or an error. */
int asynchat__client_dial(struct asynchat_client *client);

#endif
