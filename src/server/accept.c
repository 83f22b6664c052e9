/* Accepting: connections become channels, or are turned away, until no
 * connection waits or there is no room. A server that is stopped accepts once
 * more.
 *
 * Room can be missing in two ways. A server that has as many channels as it may
 * is FULL, and waits until one of them is gone. A server for which the system
 * has no descriptor or no memory is STARVED, and tries again after a pause. In
 * both cases the listening socket is taken out of the loop, since the loop
 * would wake up for it all the time.
 *
 * Tested by tests/test_server_accept.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/server.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <event2/bufferevent.h>
#include <event2/event.h>

#include <asynchat/error.h>

#include "base/log.h"
#include "base/probe.h"
#include "base/socket.h"
#include "channel/calls/proxy.h"
#include "channel/object.h"
#include "loop/base.h"
#include "server/workers.h"

/* How many connections are accepted in one wake-up, unless the options say so:
 * enough to keep up, and few enough that the channels do not wait long for
 * it. */
#define ACCEPT_BUDGET 64

/* After this many errors in a row that are about one connection each, the fault
 * is not with the connections: accepting pauses. */
#define ACCEPT_FAILURES 64

/* How many milliseconds accepting pauses when the system has no room for one
 * more connection. */
#define ACCEPT_PAUSE 100

/* --- pausing --- */

/* Reports only the first of several failed attempts. */
static void server_starves(struct asynchat_server *server, int error)
{
    if (server->state == SERVER_STARVED)
        return;
    asynchat__server_enter(&server->state, SERVER_STARVED);
    server->counts.sum.pauses++;
    asynchat__log_address(ASYNCHAT_LOG_WARNING, ASYNCHAT_LOG_STARVED,
                          &server->listener.address, error,
                          asynchat_strerror(error));
}

static void server_has_room(struct asynchat_server *server)
{
    if (server->state != SERVER_STARVED)
        return;
    asynchat__server_enter(&server->state, SERVER_ACCEPTING);
    asynchat__log_address(ASYNCHAT_LOG_INFO, ASYNCHAT_LOG_ACCEPTS,
                          &server->listener.address, 0, "accepts again");
}

/* Takes the listening socket out of the loop for a while. If the timer cannot
 * be set, accepting would never begin again: then it does not pause. */
static void server_pause(struct asynchat_server *server)
{
    if (asynchat__timer_set(&server->timer, ACCEPT_PAUSE) == 0)
        event_del(server->acceptable);
}

/* Puts the listening socket back into the loop. False: libevent has no memory
 * for that, and the timer will try again. */
static bool server_resume(struct asynchat_server *server)
{
    if (event_add(server->acceptable, NULL) == 0)
        return true;
    (void)asynchat__timer_set(&server->timer, ACCEPT_PAUSE);
    return false;
}

static bool server_is_full(const struct asynchat_server *server)
{
    unsigned most = server->options.max_connections;
    return most > 0 && server->connections >= most;
}

/* Takes account of a channel that is gone. A channel can go inside any call of
 * the program, so whatever follows from it, accepting or the server's end, is
 * left to the loop. */
static void server_lost(struct asynchat_server *server)
{
    server->connections--;
    if (server->state == SERVER_STOPPING && server->connections == 0) {
        asynchat__timer_hurry(&server->timer);
    } else if (server->state == SERVER_FULL) {
        asynchat__server_enter(&server->state, SERVER_ACCEPTING);
        server_resume(server);
    }
}

static void server_gone(struct channel_owner *owner,
                        const struct asynchat_channel *ch)
{
    struct asynchat_server *server = owner->arg;
    struct asynchat_stats stats = asynchat__channel_stats(ch);
    asynchat__counts_gone(&server->counts, &stats, ch->status);
    if (owner != &server->owner)
        asynchat__peers_remove(&server->peers, (struct peer *)owner);
    server_lost(server);
}

/* --- turning away --- */

/* The policy by which the connection that was accepted last has to send a PROXY
 * header: then its address is not that of the peer. NULL: it sends none. */
static struct proxy_policy *server_asks(const struct asynchat_server *server)
{
    struct peer_address from;
    if (!server->dress.proxy)
        return NULL;
    asynchat__address_keep(&from, &server->from);
    return asynchat__policy_asks(server->dress.proxy, &from)
               ? server->dress.proxy
               : NULL;
}

/* Whether there are as many connections from that address as there may be. */
static bool server_has_enough(const struct asynchat_server *server,
                              const struct address *from)
{
    uint64_t key;
    unsigned most = server->options.max_per_address;
    return most > 0 && asynchat__peers_key(from, &key) &&
           asynchat__peers_count(&server->peers, key) >= most;
}

/* Whether there is room for one more. A connection that has to send a header is
 * counted from then on, in a worker's thread, too. */
static bool server_admits(const struct asynchat_server *server,
                          struct proxy_policy *asks)
{
    if (server_is_full(server))
        return false;
    return asks ? policy_enter(asks)
                : !server_has_enough(server, &server->from);
}

/* Reads what the peer has sent so far: if that were left unread, the system
 * would reset the connection, and the peer would lose the text. A peer that
 * expects a layer could not read the text, so that one gets none; and so does a
 * peer whose header is not read. */
static void server_turn_away(struct asynchat_server *server,
                             const struct address *from, int fd, bool talks)
{
    const char *text = server->dress.make ? NULL : server->options.turn_away;
    server->counts.sum.turned_away++;
    asynchat__log_address(ASYNCHAT_LOG_INFO, ASYNCHAT_LOG_TURNED_AWAY, from, 0,
                          "is turned away");
    if (!talks)
        return;
    if (text && *text) {
        char unread[4096];
        (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
        (void)!recv(fd, unread, sizeof unread, 0);
    }
}

/* --- accepting --- */

/* The connection for which there was no room the last time, or else the next
 * one; or -errno. If the descriptor of the first kind is too large for
 * select(2), a smaller one takes its place, if one is free by now. */
static int server_next(struct asynchat_server *server)
{
    int fd = server->waiting;
    server->waiting = -1;
    if (fd < 0)
        return asynchat__socket_accept(server->listener.fd, &server->from);
    bool fits =
        asynchat__base_check(event_get_base(&server->timer.event), fd) == 0;
    return fits ? fd : asynchat__socket_lower(fd);
}

/* The owner of a channel with that peer, or NULL: there is no memory. */
static struct channel_owner *server_owner(struct asynchat_server *server,
                                          const struct address *from)
{
    uint64_t key;
    if (server->options.max_per_address == 0 ||
        !asynchat__peers_key(from, &key))
        return &server->owner;
    struct peer *peer =
        asynchat__peers_add(&server->peers, key, &server->owner);
    return peer ? &peer->owner : NULL;
}

/* A PROXY header has told whose connection it is. */
static int server_meet(struct channel_owner *owner, struct asynchat_channel *ch)
{
    struct asynchat_server *server = owner->arg;
    struct address from;
    asynchat__address_kept(&ch->peer, &from);
    if (!server_has_enough(server, &from)) {
        owner = server_owner(server, &from);
        ch->owner = owner ? owner : ch->owner;
        return owner ? 0 : -ENOMEM;
    }
    server_turn_away(server, &from, bufferevent_getfd(ch->transport.bev), true);
    server->counts.sum.accepted--;
    asynchat__channel_unlink(ch);
    server_lost(server);
    return ASYNCHAT_ECLOSED;
}

/* Makes a channel of a connection, or has a worker make it. `asks`: see
 * server_asks(). 0, -ENOMEM, and the errors of asynchat__workers_give(). */
static int server_take_in(struct asynchat_server *server, int fd,
                          struct proxy_policy *asks)
{
    struct asynchat_channel *ch;
    struct channel_dress dress = server->dress;
    dress.proxy = asks;
    if (server->options.workers)
        return asynchat__workers_give(server->options.workers, server->turn++,
                                      fd, &server->from, server->handler,
                                      server->arg, &dress);
    struct channel_owner *owner =
        asks ? &server->owner : server_owner(server, &server->from);
    if (!owner)
        return -ENOMEM;
    int error = asynchat__channel_socket(event_get_base(&server->timer.event),
                                         fd, &server->from, server->handler,
                                         server->arg, &ch);
    if (error) {
        if (owner != &server->owner)
            asynchat__peers_remove(&server->peers, (struct peer *)owner);
        return error;
    }
    server->connections++;
    probe_accept(ch, fd);
    asynchat__channel_own(ch, owner, &server->channels);
    asynchat__channel_begin(ch, &dress);
    return 0;
}

/* accept4(2) gave no connection: 0 if the next call may give one, or the
 * error. */
static int server_failed(struct asynchat_server *server, int error)
{
    bool passing = asynchat__socket_is_passing(error);
    server->failures = passing ? server->failures + 1 : 0;
    return passing && server->failures < ACCEPT_FAILURES ? 0 : error;
}

/* Accepts one connection. Answers 0, or the error for which accepting has to
 * stop for now. */
static int server_accept(struct asynchat_server *server)
{
    int fd = server_next(server);
    if (fd < 0)
        return server_failed(server, fd);
    server->failures = 0;
    struct proxy_policy *asks = server_asks(server);
    if (!server_admits(server, asks)) {
        server_turn_away(server, &server->from, fd, !asks);
        close(fd);
        return 0;
    }
    int error = server_take_in(server, fd, asks);
    if (error) {
        policy_leave(asks);
        server->waiting = fd;
        return error;
    }
    server->counts.sum.accepted++;
    server_has_room(server);
    return 0;
}

/* Whether connections have to wait until a channel is gone. */
static bool server_lets_wait(const struct asynchat_server *server)
{
    return server_is_full(server) && !server->options.turn_away;
}

/* Accepts at most `most` connections. Answers 0; -EAGAIN: no connection waits,
 * or the server is full; or another error: the system has no room for one
 * more. */
static int server_accept_some(struct asynchat_server *server, long long most)
{
    int error = 0;
    for (; !error && most > 0; most--)
        error = server_lets_wait(server) ? -EAGAIN : server_accept(server);
    return error;
}

static bool is_starving(int error)
{
    return error && error != -EAGAIN && error != -EWOULDBLOCK;
}

static void server_acceptable(evutil_socket_t fd, short what, void *arg)
{
    struct asynchat_server *server = arg;
    unsigned budget = server->options.accept_budget;
    int error = server_accept_some(server, budget > 0 ? budget : ACCEPT_BUDGET);
    (void)fd;
    (void)what;
    if (is_starving(error)) {
        server_starves(server, error);
        server_pause(server);
    } else if (server_lets_wait(server)) {
        asynchat__server_enter(&server->state, SERVER_FULL);
        event_del(server->acceptable);
    }
}

/* Marks channels that were just made. Their peers may not have asked for
 * anything yet, so each channel waits for its first message before it ends. */
static void channels_await(struct asynchat_channel *first,
                           const struct asynchat_channel *end)
{
    for (; first != end; first = first->next)
        asynchat__channel_await(first);
}

/* When the call began, at most as many connections waited as the backlog says,
 * and one more. More connections may come for ever, so they are not
 * waited for. */
void asynchat__server_accept_rest(struct asynchat_server *server)
{
    const struct asynchat_channel *before = server->channels;
    long long most = server->waiting >= 0 ? 2 : 1;
    int error = server_accept_some(server, most + server->listener.backlog);
    channels_await(server->channels, before);
    if (is_starving(error))
        server_starves(server, error);
}

void asynchat__server_accept_again(struct asynchat_server *server)
{
    if (server->state != SERVER_FULL && server_resume(server))
        server_acceptable(server->listener.fd, EV_READ, server);
}

int asynchat__server_accept(struct asynchat_server *server,
                            struct event_base *base)
{
    server->owner = (struct channel_owner){
        .meet = server_meet, .gone = server_gone, .arg = server};
    server->acceptable =
        event_new(base, server->listener.fd, EV_READ | EV_PERSIST,
                  server_acceptable, server);
    return server->acceptable && event_add(server->acceptable, NULL) == 0
               ? 0
               : -ENOMEM;
}
