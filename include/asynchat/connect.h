/* The client: a channel that connects to an address, or to a name.
 *
 *     struct asynchat_channel *ch;
 *     int error = asynchat_connect_name(base, "mail.example", "smtp", NULL,
 *                                       &handler, arg, &ch);
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_CONNECT_H
#define ASYNCHAT_CONNECT_H

#include <sys/socket.h>

#include <asynchat/channel.h>

ASYNCHAT_BEGIN_DECLS

/* Connects to `address`. Host names are not looked up: see
 * asynchat_connect_name(). The address has one of these forms:
 *
 * - "192.0.2.1:25" and "[2001:db8::1]:25". An IPv6 address may have a zone,
 *   which is the name or the number of an interface: "[fe80::1%eth0]:25".
 * - "unix:/run/x": a Unix socket at a path of at most 108 bytes on Linux.
 * - "unix:@name": a Unix socket in Linux's abstract namespace, with a name of
 *   at most 107 bytes.
 *
 * In a path or a name, "\xNN" stands for any byte, with two hexadecimal digits,
 * and "\\" for a backslash. A path that begins with "@" is written as
 * "unix:./@x" or "unix:\x40x".
 *
 * Gives the channel in *out at once: the program can already push to it or
 * close it. The result of the attempt is reported from the loop. Success is
 * reported by handle_connect. Failure is reported by handle_error and
 * handle_close, with the error of connect(2), or with -ETIMEDOUT after
 * `timeout` milliseconds, which may be any number. A `timeout` of 0 leaves the
 * time to the system. asynchat_set_connect_time() can change it later. If the
 * queue of a Unix socket is full, this is tried again until there is room.
 *
 * TCP connections have TCP_NODELAY. `handler` is borrowed until the channel is
 * gone. On failure *out is unchanged. Errors: -EINVAL (`base`, `address`,
 * `handler` or `out` is NULL, or `handler` is filled in wrongly),
 * ASYNCHAT_EADDRESS (`address` has none of these forms), -ENAMETOOLONG (the
 * path or name is too long), -ENODEV (there is no interface of that name),
 * -ENOTSUP (`handler` has fields that this version does not know), -ENOMEM, and
 * those of socket(2). (Python: connect) Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_connect(
    struct event_base *base, const char *address, unsigned timeout,
    const struct asynchat_handler *handler, void *arg,
    struct asynchat_channel **out);

/* The race between the addresses is over only when a layer is up, such as TLS,
 * that `candidate` has begun on the connection. */
#define ASYNCHAT_CONNECT_HANDSHAKE 0x1u

/* How to connect to a name. `size` is sizeof the struct. A field that is 0 has
 * its default. New fields are only ever added at the end. Times are at most
 * 2^31 - 1 milliseconds. `arg` of the functions is the channel's. */
struct asynchat_connect_options {
    size_t size;
    unsigned flags; /* ASYNCHAT_CONNECT_HANDSHAKE, or 0 */

    /* The time for everything until handle_connect, in milliseconds: looking
     * the name up, all attempts, and handshakes. 60000 unless set.
     * asynchat_set_connect_time() can change it later. */
    unsigned timeout;

    /* How many milliseconds after an attempt the next address is tried as well.
     * 250 unless set (RFC 8305, 5). */
    unsigned delay;

    /* Called for the socket of each attempt, before connect(2): for options of
     * the socket that the library does not name, and to bind(2) it. `fd` is
     * lent. If the answer is an error code, and not 0, this address is given
     * up. May be NULL. */
    int (*prepare)(int fd, const struct sockaddr *to, socklen_t len, void *arg);

    /* Called when a connection is up, and before handle_connect.
     * asynchat_peer_address() says which one it is. What belongs in front of
     * all that the program has pushed so far goes here: asynchat_push_proxy(),
     * and then asynchat_tls_start(). If the answer is an error code, and not 0,
     * the connection is closed and another address is tried. So this function
     * may be called for several connections, one after the other. A PROXY
     * header and a layer of this function's end with the connection. All else
     * stays with the channel, for example what this function has pushed, and
     * asynchat_close_when_done(). May be NULL. */
    int (*candidate)(struct asynchat_channel *ch, void *arg);
};

/* Connects to `host`, which is a name or an IP address, at `service`, which is
 * the name or the number of a port: "mail.example" and "smtp", or
 * "2001:db8::1" and "25". If `service` is NULL, `host` has both in one text:
 * "mail.example:25", "[2001:db8::1]:smtp", or any address that
 * asynchat_connect() takes.
 *
 * Gives the channel in *out at once, as asynchat_connect() does: the program
 * can already set a terminator, and push. The hook of asynchat_set_resolver()
 * or getaddrinfo(3) looks the name up; the latter is called on a thread of the
 * library's, see asynchat_set_lookup_threads(). No other thread is needed, and
 * none at all for IP addresses with a number for a port, and for Unix sockets.
 *
 * The addresses are tried in the order in which they came, but alternately IPv6
 * and IPv4 if there are both: the next one `delay` milliseconds after the one
 * before it, or at once when one has failed. An attempt goes on until a
 * connection is up; the others are then closed (RFC 8305). If the queue of a
 * Unix socket is full, this is tried again until there is room.
 *
 * Whatever happens is reported from the loop. Success is reported by
 * handle_connect. Failure is reported by handle_error and handle_close, with
 * one of:
 * - ASYNCHAT_ENONAME: there is no such host or service.
 * - ASYNCHAT_ENOADDRESS: the host has no address.
 * - ASYNCHAT_ETRYAGAIN: the name could not be looked up now.
 * - the error of the first address, if all attempts have failed: one of
 *   connect(2), of `candidate`, or of a handshake. But if an attempt could not
 *   be made, the error is that of socket(2), -ENOMEM, or that of `prepare`. An
 *   address of a family that the system does not have (-EAFNOSUPPORT) counts
 *   only if there is no other. If there is one address only, its layer can
 *   still be asked about a handshake, as by asynchat_tls_get_error(); the log
 *   has that of each attempt.
 * - -ETIMEDOUT: the time was over.
 * The log has a record for each look-up and each attempt (ASYNCHAT_LOG_LOOKUP,
 * ASYNCHAT_LOG_ATTEMPT).
 *
 * A layer may also be set right after this call: it begins on the first
 * connection that is up, and if its handshake fails, the channel ends.
 *
 * `options` may be NULL, and is copied, as are the names. `handler` is borrowed
 * until the channel is gone. On failure *out is unchanged. Errors: -EINVAL
 * (`base`, `host` or `out` is NULL, a flag is unknown, a time is too long, or
 * `handler` or `options` is filled in wrongly), ASYNCHAT_EADDRESS
 * (`service` is NULL, and `host` has none of these forms), -ENAMETOOLONG (a
 * name is longer than any host name or service can be), -ENODEV (there is no
 * interface of that name), -ENOTSUP (`handler` or `options` has fields that
 * this version does not know), -EAGAIN (no thread can be made), -ENOMEM, and
 * those of socket(2). (Python: asyncio.open_connection) Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_connect_name(
    struct event_base *base, const char *host, const char *service,
    const struct asynchat_connect_options *options,
    const struct asynchat_handler *handler, void *arg,
    struct asynchat_channel **out);

ASYNCHAT_END_DECLS

#endif
