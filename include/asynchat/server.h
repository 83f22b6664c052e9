/* The server: a listening socket that makes a channel of each connection.
 *
 *     struct asynchat_server *server;
 *     int error = asynchat_server_new(base, "127.0.0.1:8080", &handler,
 *                                     NULL, NULL, &server);
 *
 * Each channel begins with the server's handler and arg, and with
 * handle_connect, where it sets its terminator and, if it wants one, an arg of
 * its own. When descriptors or memory run out, accepting pauses and is tried
 * again; the connections there are go on. An error that is about one connection
 * only costs that one.
 *
 * A server ends in one of two ways, both allowed inside any callback:
 * asynchat_server_free() ends the listening, and its channels live on;
 * asynchat_server_stop() ends the channels as well, in order and in time.
 *
 * A program is replaced by its next version, and no connection refused, when
 * the listening socket goes from one process to the other: that of
 * asynchat_server_get_socket(), by exec or SCM_RIGHTS. The new one calls
 * asynchat_server_new_socket(); the old one, once it has heard that the new one
 * is ready, asynchat_server_set_remove_path() with 0, and
 * asynchat_server_stop(). What waits to be accepted is accepted by either.
 *
 * Where the next version has a socket of its own on the port instead
 * (ASYNCHAT_REUSE_PORT), asynchat_server_stop() of the old one accepts what waits
 * for it. What only the system can save are the connections that come in the moment
 * before the socket is closed, and those whose handshake is not complete then: Linux,
 * since 5.14, gives them to the other socket with the sysctl
 * net.ipv4.tcp_migrate_req = 1, and resets them otherwise.
 *
 * With `workers` the channels are made in the workers, whose threads call the
 * handler; a worker that has no memory for one closes its connection. Workers
 * can also have a server each on one address, for which there is
 * ASYNCHAT_REUSE_PORT: then nothing passes from one thread to another.
 *
 * A server of several processes has one listening socket, made before fork(2):
 * by the program, or by a server whose asynchat_server_get_socket() it is. Each
 * child makes an event base of its own and calls asynchat_server_new_socket()
 * with it. What else a child may do after fork(2):
 * - It may make all that a process can make: event bases, channels, servers,
 *   workers.
 * - It may free channels and servers that it has inherited, in any order. That
 *   closes the child's descriptors and no more: the connections of the parent go
 *   on, and the path of a Unix socket stays. The event base shares its epoll set
 *   with the parent until event_reinit(), so the first of these calls in a loop
 *   calls that.
 * - It may go on with an event base that it has inherited, after event_reinit()
 *   of it and of nothing else before. Both processes have the connections then:
 *   for each of them one should call asynchat_channel_free().
 * - What was posted before fork(2) runs in the parent only, and each process
 *   runs what it posts itself.
 * - Workers are threads, and stay with the parent: in the child posts to them and
 *   to their channels answer ASYNCHAT_ECLOSED, and so does
 *   asynchat_workers_free(). Their connections stay open in the child until it
 *   ends or calls exec, so fork before the workers are made. A server that has
 *   `workers` is to be freed in the child.
 * - Until event_reinit() a signal of asynchat_server_stop_on_signal() that the
 *   child gets is the parent's.
 * - fork(2) by any thread is meant, but for that of a worker: its child calls
 *   exec or _exit(2). clone(2) and _Fork(3) tell the library nothing; exec,
 *   vfork(2) and posix_spawn(3) are no matter, since all is close-on-exec.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SERVER_H
#define ASYNCHAT_SERVER_H

#include <asynchat/channel.h>

ASYNCHAT_BEGIN_DECLS

/* --- How to listen, and whom to accept --- */

/* Several servers may listen on one address, and share its connections
 * (SO_REUSEPORT). Each has its own queue of those that wait to be accepted: see
 * asynchat_server_stop(). */
#define ASYNCHAT_REUSE_PORT 0x1u
/* TCP connections are accepted without TCP_NODELAY: the system may hold small
 * writes back, to send fewer packets. */
#define ASYNCHAT_DELAY 0x2u
/* TCP connections are accepted with SO_KEEPALIVE: the system finds out that a
 * silent peer is gone, by its own times. */
#define ASYNCHAT_KEEPALIVE 0x4u
/* An IPv6 address is listened on for IPv6 alone. Without this "[::]:80" is for
 * IPv4 as well, whose peers then have addresses like
 * "[::ffff:192.0.2.1]:4711". */
#define ASYNCHAT_IPV6_ONLY 0x8u

/* How to listen, and whom to accept. `size` is sizeof the struct; a field left
 * 0 has its default. Fields are only ever appended. */
struct asynchat_server_options {
    size_t size;
    unsigned flags; /* of the above, or 0 */
    int backlog; /* connections that may wait to be accepted; SOMAXCONN unless
                    set */

    /* A Unix socket's permissions, such as 0660, in force before the first
     * connection; unless set those that the umask leaves. Refused with -EINVAL for
     * one in the abstract namespace, which has none. */
    unsigned mode;

    /* At most so many connections are accepted, or turned away, in one wake-up,
     * so that those there are do not wait for it; 64 unless set. */
    unsigned accept_budget;

    /* At most so many channels in all; no limit unless set. Over it, unless
     * `turn_away` is set, accepting pauses: connections wait in the backlog
     * until a channel is gone. */
    unsigned max_connections;

    /* At most so many channels for each peer address; no limit unless set. An
     * IPv6 peer is counted by the first 64 bits of its address, a link-local
     * one by the last 48, and one that came over IPv4 by all 32; Unix sockets
     * are not counted. Over it connections are turned away. */
    unsigned max_per_address;

    /* Connections over a limit are accepted, sent this text and closed; with ""
     * only closed. NULL is "" for `max_per_address`. Copied. No callback is
     * called for such a connection. Its peer may miss the text: it is sent
     * only as far as that is possible at once. */
    const char *turn_away;

    /* Whose threads get the connections, in turn; or NULL: this one makes the
     * channels. There are no limits then, and asynchat_server_stop() gives the
     * workers what waits to be accepted, and does not wait for their channels. */
    struct asynchat_workers *workers;
};

/* --- Making --- */

/* Listens on `address`: "127.0.0.1:8080", "[::1]:8080", port 0 for any that is
 * free, "unix:/run/x", "unix:@name". The forms are those of asynchat_connect(). TCP
 * connections are accepted with TCP_NODELAY, everything is close-on-exec. A Unix
 * socket that is at the path, and on which nobody listens any more, is replaced;
 * anything else that is there stays, and the answer is -EADDRINUSE. Of several that
 * begin at the same moment on one path, in any processes, one gets it, and the
 * others -EADDRINUSE: meanwhile "/run/.x.asynchat" is locked, for "/run/x", which is
 * removed again before the call returns. (Where a policy or the file system allows
 * no such file or lock there is none, and who begins at the same moment may replace
 * the other. After a process that was killed in the call the file may be left,
 * empty; the next server there removes it.) `options` may be NULL and is copied, and
 * its workers borrowed until the server is freed; `handler` is borrowed until the
 * server and its channels are gone. Gives the server in *out, which on failure is as
 * it was. Errors: -EINVAL (`base`, `address`, `handler` or `out` is NULL, a flag is
 * unknown, there are both workers and limits, the mode is impossible, or `handler`
 * or `options` is filled in wrongly), ASYNCHAT_EADDRESS (`address` has no such
 * form), -ENAMETOOLONG (the path or name is too long), -ENODEV (there is no
 * interface of that name), -ENOTSUP (`handler` or `options` has fields that this
 * version does not know), -ENOMEM, and those of socket(2), bind(2), chmod(2),
 * listen(2), and for a path open(2), such as -EADDRINUSE. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_server_new(
    struct event_base *base, const char *address,
    const struct asynchat_handler *handler, void *arg,
    const struct asynchat_server_options *options,
    struct asynchat_server **out);

/* The same over a socket that is listening already: inherited, or handed over
 * by another process. It becomes non-blocking and close-on-exec, and has what
 * the flags say of TCP connections; the other flags, `backlog` and `mode` have
 * no effect. On success takes `fd`; on failure it stays yours, and *out is as it
 * was. A Unix socket's path stays: see asynchat_server_set_remove_path().
 * Errors: -EINVAL (`base`, `handler` or `out` is NULL, the socket does not
 * listen, or not for streams, or `handler` or `options` is filled in wrongly),
 * -EAFNOSUPPORT (it is neither IP nor Unix), -ENOTSUP (`handler` or `options` has
 * fields that this version does not know), -ENOMEM, -EMFILE (`fd` is too large for
 * select), and those of getsockopt(2), such as -ENOTSOCK. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_server_new_socket(
    struct event_base *base, int fd, const struct asynchat_handler *handler,
    void *arg, const struct asynchat_server_options *options,
    struct asynchat_server **out);

/* How many descriptors the service manager has passed to this process, as
 * systemd does (sd_listen_fds(3)): those from *first on, which are the caller's
 * and close-on-exec now. Removes LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES from
 * the environment, so that no child takes them for its own, and a second call
 * answers 0; to be called before there are threads. On failure *first is as it
 * was. Errors: -EINVAL (`first` is NULL, or what the environment says is no
 * number), -EBADF (there is no such descriptor). Since 0.1. */
ASYNCHAT_API int asynchat_inherited_sockets(int *first);

/* --- Ending --- */

/* Stops listening, at once. The channels it made live on. Unless another process
 * has the socket, the system resets the connections that wait to be accepted;
 * asynchat_server_stop() accepts them before. Allowed inside any callback; NULL is
 * allowed. A Unix socket's path is removed, if it still is that socket's: see
 * asynchat_server_set_remove_path(). During
 * asynchat_server_stop() the channels that were told so far end as they would,
 * but nobody is given a time any more, and `stopped` is not called. Since 0.1.
 */
ASYNCHAT_API void asynchat_server_free(struct asynchat_server *server);

/* Accepts the connections that wait for that, stops listening, and ends the
 * channels:
 *
 * - What waits to be accepted becomes channels like all others: handle_connect, what
 *   has arrived, and then what follows. The options' limits hold, and what is over
 *   them without `turn_away`, or for want of descriptors or memory cannot be
 *   accepted, is lost, unless another process has the socket. The path of a Unix
 *   socket is removed before. Since who has just come may not have asked yet, such a
 *   channel is not between messages before its first one.
 * - Each hears handle_stopping once, from the loop, and may do then and later
 *   what it wants: say goodbye, close when done, go on.
 * - Where the handler has none, it is asynchat_close_between_messages(): at
 *   once, or when the message in progress is found. What had arrived by now is
 *   delivered before. A message is what the terminator ends; who needs several of
 *   them, or time, for one answer, has a handle_stopping, and calls that itself.
 * - What is left after `grace` milliseconds, 0 to 2^31 - 1, is ended with
 *   ASYNCHAT_ESTOPPED: handle_error and handle_close.
 * - When the last channel is gone, stopped(arg) is called from the loop, once,
 *   also if there was none. When it returns, the server is freed; in it,
 *   asynchat_server_free() does nothing. `stopped` may be NULL.
 *
 * Called again it begins another grace, and another `stopped` takes the place
 * of the first. Errors: -EINVAL (`server` is NULL, or the time too long),
 * ASYNCHAT_ESTOPPED (inside `stopped`). Since 0.1. */
ASYNCHAT_API int asynchat_server_stop(struct asynchat_server *server,
                                      unsigned grace,
                                      void (*stopped)(void *arg), void *arg);

/* From now on a signal, such as SIGTERM, is asynchat_server_stop() with these, from
 * the loop. A program calls this once for each signal and server. When the server
 * stops, by this or otherwise, signals are again what they were: so the second one
 * ends a program that does not have it otherwise. libevent takes signals in one
 * event base of a process, which here is the server's. Errors: -EINVAL (`server`
 * is NULL, the time too long, or the signal is none that can be caught),
 * ASYNCHAT_ESTOPPED (it stops already), -ENOMEM. Since 0.1. */
ASYNCHAT_API int asynchat_server_stop_on_signal(
    struct asynchat_server *server, int number, unsigned grace,
    void (*stopped)(void *arg), void *arg);

/* Whether a Unix socket's path is removed when the server stops listening: 1
 * for a server of asynchat_server_new(), 0 for one of
 * asynchat_server_new_socket(), unless set. A process that has handed its
 * socket over sets 0, since the path is the next one's; who is the last may set
 * 1. A child after fork(2) does not remove the path of a server that it has
 * inherited, unless it has set 1 itself. Since 0.1. */
ASYNCHAT_API void asynchat_server_set_remove_path(
    struct asynchat_server *server, int remove);

/* --- Asking --- */

/* The listening socket, lent until the server stops listening: to be handed to
 * another process, which then accepts as well. It is non-blocking there too.
 * Errors: -EINVAL (`server` is NULL), ASYNCHAT_ESTOPPED (it listens no more).
 * Since 0.1. */
ASYNCHAT_API int asynchat_server_get_socket(
    const struct asynchat_server *server);

/* How many channels the server has made that are not gone yet; 0 of NULL. A
 * channel is gone when its handle_close has returned, or it was freed. Since
 * 0.1. */
ASYNCHAT_API size_t
asynchat_server_connections(const struct asynchat_server *server);

/* Writes the address listened on as text, with the port the system chose; the
 * forms are those of asynchat_peer_address(). On failure `text` is as it was.
 * Errors: -EINVAL (`server` or `text` is NULL), -ENOSPC (`size` is too small).
 * Since 0.1. */
ASYNCHAT_API int asynchat_server_address(const struct asynchat_server *server,
                                         char *text, size_t size);

/* Returns the port listened on, 0 for a Unix socket or NULL. Since 0.1. */
ASYNCHAT_API int asynchat_server_port(const struct asynchat_server *server);

ASYNCHAT_END_DECLS

#endif
