/* A client that keeps one connection to a name, and comes back by itself when
 * the connection is lost.
 *
 *     static void up(struct asynchat_client *client,
 *                    struct asynchat_channel *ch, void *arg)
 *     {
 *         (void)client;
 *         (void)arg;
 *         asynchat_push(ch, "SUBSCRIBE news\r\n", 16);
 *     }
 *
 *     static int follow(struct event_base *base,
 *                       const struct asynchat_handler *handler,
 *                       struct asynchat_client **client)
 *     {
 *         static const struct asynchat_client_options options = {
 *             .size = sizeof options, .up = up};
 *         return asynchat_client_new(base, "news.example", "7000", handler,
 *                                    NULL, &options, client);
 *     }
 *
 * With TLS, an attempt has failed if its handshake has (<asynchat/tls.h>):
 *
 *     static int secure(struct asynchat_channel *ch, void *arg)
 *     {
 *         (void)arg;
 *         return asynchat_tls_start(ch, tls, "news.example", 0, NULL);
 *     }
 *
 *     static int follow_secure(struct event_base *base,
 *                              const struct asynchat_handler *handler,
 *                              struct asynchat_client **client)
 *     {
 *         static const struct asynchat_connect_options how = {
 *             .size = sizeof how,
 *             .flags = ASYNCHAT_CONNECT_HANDSHAKE,
 *             .candidate = secure};
 *         static const struct asynchat_client_options options = {
 *             .size = sizeof options, .connect = &how};
 *         return asynchat_client_new(base, "news.example", "7001", handler,
 *                                    NULL, &options, client);
 *     }
 *
 * - Each connection has a channel of its own, so what was pushed on one
 *   connection never leaves on another. While there is no connection there is
 *   no channel, and a push is refused with -EINVAL.
 * - The name is looked up for each attempt, and all of its addresses are tried,
 *   as asynchat_connect_name() does.
 * - After a connection is lost, and after each attempt that fails, the client
 *   waits for a random time before it tries again: between 0 and `first_delay`.
 *   This window is doubled each time, up to `most_delay`. It is `first_delay`
 *   again only when a connection was up for the time `steady`. So a server that
 *   starts again does not meet all of its clients at once, and one that accepts
 *   and closes is not dialed all the time. A look-up that fails counts as every
 *   other attempt that fails.
 * - A peer that vanished is noticed, see `vanished`.
 *
 * The functions of this file may be called in every callback, also for the
 * client whose callback runs, and so may be those of channels. They are for the
 * thread of the event base, whose loop does not end by itself while it has a
 * client. Free a client before its event base. A worker that ends frees the
 * clients of its event base, and closes their channels. After fork(2) a child
 * may free a client that it has inherited, as server.h says of servers.
 *
 * (Python has no such class; asyncio's users write it around
 * create_connection)
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_CLIENT_H
#define ASYNCHAT_CLIENT_H

#include <asynchat/connect.h>
#include <asynchat/options.h>

ASYNCHAT_BEGIN_DECLS

/* Keeps one connection. */
struct asynchat_client;

/* How a client behaves. `size` is sizeof the struct. A field that is 0 has its
 * default. New fields are only ever added at the end. Times are in
 * milliseconds, at most 2^31 - 1. `arg` of the functions is that of the
 * client. */
struct asynchat_client_options {
    size_t size;

    /* How each attempt connects, or NULL. Copied. With TLS, `candidate` calls
     * asynchat_tls_start(), and the flag ASYNCHAT_CONNECT_HANDSHAKE is set.
     * What `candidate` pushes is dropped if another connection is taken, and an
     * end such as asynchat_close_when_done() is cancelled. */
    const struct asynchat_connect_options *connect;

    /* The settings of each channel, or NULL. Copied. */
    const struct asynchat_options *channels;

    unsigned first_delay; /* the first window; 5000 unless set */
    unsigned most_delay;  /* the longest window; 60000 unless set, but no less
                             than the first */
    unsigned steady;      /* after this time up, the window is the first one
                             again; 10000 unless set */

    /* After this time a peer that says nothing counts as gone, and the
     * connection is lost with -ETIMEDOUT: 30000 unless set, and UINT_MAX for
     * never. The client sets keepalive, which notices it while nothing is sent,
     * and TCP_USER_TIMEOUT, which notices it while sent bytes are not
     * acknowledged (RFC 1122, 4.2.3.6; RFC 5482). Keepalive counts in seconds.
     * A peer that is there, but takes no byte of the output for this time, is
     * dropped as well. Unix sockets need neither. */
    unsigned vanished;

    /* The connection is up: called right after handle_connect of the handler,
     * and with TLS, so, after the handshake. `ch` is its channel, which is
     * there until `down`, or until it ends. Not called if handle_connect has
     * ended the channel. `up` and `down` are called in turn, and `up` is the
     * first. May be NULL. */
    void (*up)(struct asynchat_client *client, struct asynchat_channel *ch,
               void *arg);

    /* The connection that was up is over; the channel has had its handle_close,
     * unless the program has freed or detached it. `reason` is the status of
     * handle_close: 0 if this side has ended it, ASYNCHAT_EOF, or an error. The
     * next attempt begins in `wait` milliseconds; UINT_MAX: there will be none,
     * since the client stops. May be NULL. */
    void (*down)(struct asynchat_client *client, int reason, unsigned wait,
                 void *arg);

    /* An attempt has failed, for `reason`: see asynchat_connect_name(). The
     * next one begins in `wait` milliseconds, whatever the reason is: a program
     * that wants to give up calls asynchat_client_free() here. May be NULL. */
    void (*failed)(struct asynchat_client *client, int reason, unsigned wait,
                   void *arg);
};

/* Makes a client of `host` and `service`, which are those of
 * asynchat_connect_name(): if `service` is NULL, `host` has both. The first
 * attempt begins at once. All callbacks come from the loop.
 *
 * The channel of each connection begins with `handler` and `arg`, when it is
 * connected: the handler does not hear of attempts that fail. If `candidate`
 * sets another handler or `arg`, these are the connection's. A function that a
 * handshake calls may set `arg`, but no handler. `handler` is borrowed until
 * the client and its channels are gone. `options` may be NULL, and is copied,
 * as are the names. Gives the client in *out.
 *
 * There is one case in which a client does not come back by itself: if there is
 * no memory for its timer. Then `wait` is UINT_MAX, although the client does
 * not stop, and asynchat_client_reconnect() has it go on.
 *
 * The log has a record when a connection is up, and when it is down
 * (ASYNCHAT_LOG_UP, ASYNCHAT_LOG_DOWN). Attempts that fail are logged at debug
 * level, except for the first one of a client that was never up.
 *
 * On failure *out is unchanged. Errors: -EINVAL (`base`, `host` or `out` is
 * NULL, a time is too long, `most_delay` is less than `first_delay`, or
 * `handler` or a table of options is filled in wrongly), ASYNCHAT_EADDRESS
 * (`service` is NULL, and `host` has none of the forms), -ENAMETOOLONG (a name
 * is longer than any host name or service can be), -ENOTSUP (a table has fields
 * that this version does not know), -ENOMEM. Other errors of the first attempt
 * are told by `failed`. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_client_new(
    struct event_base *base, const char *host, const char *service,
    const struct asynchat_handler *handler, void *arg,
    const struct asynchat_client_options *options,
    struct asynchat_client **out);

/* Returns the channel of the connection, lent until it ends, or NULL if the
 * client has no connection, or is about to drop it, or is NULL. Since 0.1. */
ASYNCHAT_API struct asynchat_channel *asynchat_client_channel(
    const struct asynchat_client *client);

/* Drops the connection, for example because the server says that another one
 * has its work now. The channel is closed as by asynchat_close(), and the
 * client comes back as after every loss. Further calls do nothing until the
 * next connection is up, and neither does this call while there is no
 * connection. Errors: -EINVAL (`client` is NULL), ASYNCHAT_ESTOPPED (the client
 * stops), -ENOMEM (see asynchat_client_new()). Since 0.1. */
ASYNCHAT_API int asynchat_client_reconnect(struct asynchat_client *client);

/* Ends the client in order. An attempt under way is given up, and there will be
 * no other. A connection that is up ends as those of a server do in
 * asynchat_server_stop(): the channel gets handle_stopping, or is closed
 * between two messages; after `grace` milliseconds, 0 to 2^31 - 1, it ends with
 * ASYNCHAT_ESTOPPED. Then `down` is called, and then stopped(arg), from the
 * loop, exactly once. When `stopped` returns, the client is freed; inside it,
 * asynchat_client_free() does nothing. `stopped` may be NULL.
 *
 * If this is called again, another grace period begins, and the new `stopped`
 * replaces the first one. Errors: -EINVAL (`client` is NULL, or the time is too
 * long), ASYNCHAT_ESTOPPED (inside `stopped`). Since 0.1. */
ASYNCHAT_API int asynchat_client_stop(struct asynchat_client *client,
                                      unsigned grace,
                                      void (*stopped)(void *arg), void *arg);

/* Ends the client at once, and frees it and its channel, as
 * asynchat_channel_free() does: no callback of either runs after that. NULL is
 * allowed. Since 0.1. */
ASYNCHAT_API void asynchat_client_free(struct asynchat_client *client);

ASYNCHAT_END_DECLS

#endif
