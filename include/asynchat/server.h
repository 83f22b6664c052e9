/* The server: a listening socket that makes a channel of each connection.
 *
 *     struct asynchat_server *server;
 *     int error = asynchat_server_new(base, "127.0.0.1:8080", &handler,
 *                                     NULL, NULL, &server);
 *
 * Each channel begins with the handler and the `arg` of the server. Its first
 * callback is handle_connect, which sets the channel's terminator and, if it
 * needs one, an `arg` of its own. When descriptors or memory run out, accepting
 * pauses and is tried again later; existing connections go on. An error that
 * concerns a single connection ends only that connection.
 *
 * A server ends in one of two ways, both allowed inside any callback:
 * asynchat_server_free() stops listening, and the server's channels live on;
 * asynchat_server_stop() also ends the channels, in order and within a given
 * time.
 *
 * To replace a program by its next version without refusing a connection, call
 * asynchat_server_restart_on_signal(): at a signal the program starts again, on
 * the same sockets, and this process stops when the new one is ready.
 *
 * A program can also do that itself. It hands the listening socket of
 * asynchat_server_get_socket() from the old process to the new one, by exec or
 * SCM_RIGHTS. The new process calls asynchat_server_new_socket(). Once the old
 * process has heard that the new one is ready, it calls
 * asynchat_server_set_remove_path() with 0, and then asynchat_server_stop(). A
 * connection that waits to be accepted is accepted by either process.
 *
 * The next version may instead have a socket of its own on the port
 * (ASYNCHAT_REUSE_PORT). Then asynchat_server_stop() of the old process accepts
 * the connections that wait for its socket. Two kinds of connections are not
 * accepted in this way: those that come in the moment before the socket is
 * closed, and those whose handshake is not complete then. Only the system can
 * save these. Linux, since 5.14, gives them to the other socket if the sysctl
 * net.ipv4.tcp_migrate_req is 1; otherwise it resets them.
 *
 * With `workers`, the channels are made in the workers, whose threads call the
 * handler. A worker that has no memory for a channel closes its connection.
 * Workers can also have a server each on the same address, with
 * ASYNCHAT_REUSE_PORT: then nothing passes from one thread to another.
 *
 * A server of several processes has one listening socket, made before fork(2):
 * by the program itself, or by a server, from which
 * asynchat_server_get_socket() returns it. Each child makes an event base of
 * its own and calls asynchat_server_new_socket() with that socket. The other
 * rules for a child after fork(2):
 *
 * - The child may make everything that a process can make: event bases,
 *   channels, servers, workers.
 * - The child may free channels and servers that it has inherited, in any
 *   order. This closes the child's descriptors and does nothing else: the
 *   connections of the parent go on, and the path of a Unix socket stays. Until
 *   event_reinit() the event base shares its epoll set with the parent, so the
 *   first such call in a loop calls event_reinit().
 * - The child may go on with an event base that it has inherited, if it calls
 *   event_reinit() for that event base before anything else. Both processes
 *   have the connections then: for each connection, one of the processes should
 *   call asynchat_channel_free().
 * - Functions posted before fork(2) run only in the parent. Each process runs
 *   what it posts itself.
 * - Workers are threads and stay with the parent. In the child, posts to
 *   workers and to their channels return ASYNCHAT_ECLOSED, and so does
 *   asynchat_workers_free(). The workers' connections stay open in the child
 *   until it ends or calls exec. So call fork(2) before you make workers. A
 *   server that has `workers` must be freed in the child.
 * - Until event_reinit(), a signal of asynchat_server_stop_on_signal() that the
 *   child gets is handled by the parent.
 * - These rules hold for fork(2) by any thread except a worker; the child of a
 *   worker may only call exec or _exit(2). The library does not notice clone(2)
 *   and _Fork(3). exec, vfork(2) and posix_spawn(3) need no care, since all
 *   descriptors are close-on-exec.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SERVER_H
#define ASYNCHAT_SERVER_H

#include <sys/socket.h>

#include <asynchat/options.h>

ASYNCHAT_BEGIN_DECLS

/* --- How to listen, and whom to accept --- */

/* Several servers may listen on the same address and share its connections
 * (SO_REUSEPORT). Each server has its own queue of connections that wait to be
 * accepted: see asynchat_server_stop(). */
#define ASYNCHAT_REUSE_PORT 0x1u
/* TCP connections are accepted without TCP_NODELAY: the system may hold small
 * writes back, to send fewer packets. */
#define ASYNCHAT_DELAY 0x2u
/* TCP connections are accepted with SO_KEEPALIVE: the system checks whether a
 * silent peer is still there, at intervals of its own. */
#define ASYNCHAT_KEEPALIVE 0x4u
/* An IPv6 address is listened on for IPv6 only. Without this flag, "[::]:80"
 * accepts IPv4 as well, and IPv4 peers have addresses like
 * "[::ffff:192.0.2.1]:4711". */
#define ASYNCHAT_IPV6_ONLY 0x8u
/* The server takes a socket that was passed to the process, by the service
 * manager (see asynchat_inherited_sockets()) or by the process before (see
 * asynchat_server_restart_on_signal()). Each server with this flag takes the
 * next socket, in the order in which they were passed, as
 * asynchat_server_new_socket() would take it. If no socket is left, the server
 * listens on its address. Make such servers before there are threads. */
#define ASYNCHAT_INHERIT 0x10u

/* How to listen, and whom to accept. `size` is sizeof the struct. A field that
 * is 0 has its default. New fields are only ever added at the end. */
struct asynchat_server_options {
    size_t size;
    unsigned flags; /* any of the flags above, or 0 */
    int backlog;    /* how many connections may wait; SOMAXCONN unless set */

    /* The permissions of a Unix socket, such as 0660. They are in force before
     * the first connection. Unless set, they are what the umask leaves. A mode
     * for a socket in the abstract namespace, which has no permissions, is
     * refused with -EINVAL. */
    unsigned mode;

    /* The most connections that are accepted or turned away in one wake-up, so
     * that existing connections do not have to wait. 64 unless set. */
    unsigned accept_budget;

    /* The most channels in all; no limit unless set. At the limit accepting
     * pauses: connections wait in the backlog until a channel is gone. With
     * `turn_away`, connections are turned away instead. */
    unsigned max_connections;

    /* The most channels for each peer address; no limit unless set. Further
     * connections from the address are turned away. An IPv6 peer is counted by
     * the first 64 bits of its address, a link-local IPv6 peer by the last 48
     * bits, and an IPv4 peer by all 32 bits. Peers over Unix sockets are not
     * counted. If a PROXY header is required, its address counts, once it has
     * come; peers without an address in it are not counted. */
    unsigned max_per_address;

    /* The text for connections beyond a limit. Such a connection is accepted,
     * sent this text, and closed; if the text is "", or a PROXY header has not
     * been read, it is only closed. For `max_per_address`, NULL is the same as
     * "". Copied. No callback is called for such a connection. The peer may
     * miss the text, since only as much of it is sent as can be sent at
     * once. */
    const char *turn_away;

    /* The workers whose threads get the connections, in turn. If this is NULL,
     * the server's own thread makes the channels. With workers there may be no
     * limits, and asynchat_server_stop() hands waiting connections to the
     * workers and does not wait for the workers' channels. */
    struct asynchat_workers *workers;

    /* The settings of each channel that the server makes. They are in force
     * before handle_connect. If there is no memory for them, the channel ends
     * with -ENOMEM, by handle_error and handle_close. Copied; NULL: the
     * settings are the usual ones. */
    const struct asynchat_options *channels;

    /* Called for the socket before bind(2) and listen(2), with the `arg` of the
     * server: for options of the socket that the library does not name. `fd` is
     * lent. If the answer is an error code, and not 0, no server is made, and
     * asynchat_server_new() returns it. May be NULL. Not for a server over a
     * socket that is listening already. */
    int (*prepare)(int fd, const struct sockaddr *at, socklen_t len, void *arg);

    /* From whom a PROXY header is required, and how long it may be and take:
     * see proxy.h. Copied; NULL: no header is read. */
    const struct asynchat_proxy_options *proxy;
};

/* --- Making a server --- */

/* Makes a server that listens on `address`: "127.0.0.1:8080", "[::1]:8080",
 * "unix:/run/x" or "unix:@name". The forms are those of asynchat_connect().
 * Port 0 stands for any free port. TCP connections are accepted with
 * TCP_NODELAY. All descriptors are close-on-exec.
 *
 * If there is already a Unix socket at the path, and nobody listens on it any
 * more, it is replaced. Anything else at the path stays, and the call fails
 * with -EADDRINUSE. If several servers start on the same path at the same
 * moment, in any processes, one of them gets the path and the others fail with
 * -EADDRINUSE. For this, the call locks a file next to the path,
 * "/run/.x.asynchat" for "/run/x", and removes it before it returns. (If a
 * policy or the file system allows no such file or lock, one of these servers
 * may replace the other. If a process is killed during the call, the empty file
 * may be left; the next server there removes it.)
 *
 * `options` may be NULL. It is copied, and its workers are borrowed until the
 * server is freed. `handler` is borrowed until the server and its channels are
 * gone. Gives the server in *out. On failure *out is unchanged. Errors: -EINVAL
 * (`base`, `address`, `handler` or `out` is NULL, a flag is unknown, there are
 * both workers and limits, the mode is impossible, or `handler` or `options` is
 * filled in wrongly), ASYNCHAT_EADDRESS (`address` has none of these forms, or
 * `options` names a network that is none), -ENAMETOOLONG (the path or name is
 * too long), -ENODEV (there is no interface of that name), -ENOTSUP (`handler`
 * or `options` has fields that this version does not know), -ENOMEM, and those
 * of `prepare`, socket(2), bind(2), chmod(2), listen(2), and for a path
 * open(2), such as -EADDRINUSE. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_server_new(
    struct event_base *base, const char *address,
    const struct asynchat_handler *handler, void *arg,
    const struct asynchat_server_options *options,
    struct asynchat_server **out);

/* Makes a server over a socket that is listening already, because it was
 * inherited or handed over by another process. The socket becomes non-blocking
 * and close-on-exec. ASYNCHAT_DELAY and ASYNCHAT_KEEPALIVE take effect; the
 * other flags, `backlog` and `mode` do not. On success takes `fd`. On failure
 * `fd` stays yours, and *out is unchanged. The path of a Unix socket is not
 * removed: see asynchat_server_set_remove_path(). Everything else is as in
 * asynchat_server_new().
 *
 * Errors: -EINVAL (`base`, `handler` or `out` is NULL, `fd` is not a listening
 * stream socket, or `handler` or `options` is filled in wrongly),
 * ASYNCHAT_EADDRESS (`options` names a network that is none), -EAFNOSUPPORT
 * (`fd` is neither an IP nor a Unix socket), -ENOTSUP (`handler` or `options`
 * has fields that this version does not know), -ENOMEM, -EMFILE (`fd` is too
 * large for select), and those of getsockopt(2), such as -ENOTSOCK. Since
 * 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_server_new_socket(
    struct event_base *base, int fd, const struct asynchat_handler *handler,
    void *arg, const struct asynchat_server_options *options,
    struct asynchat_server **out);

/* Finds the descriptors that the service manager has passed to this process, as
 * systemd does (sd_listen_fds(3)). Returns how many there are, 0 or more, or an
 * error code. *first becomes the first descriptor; the others have the numbers
 * that follow. They belong to the caller, and are close-on-exec now. Sockets
 * that servers have taken by ASYNCHAT_INHERIT are not among them. The call
 * removes LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES from the environment, so
 * that no child takes the descriptors for its own. A second call returns 0.
 * Call this before there are threads. On failure *first is unchanged. Errors:
 * -EINVAL (`first` is NULL, or the environment does not contain a valid
 * number), -EBADF (there is no such descriptor). Since 0.1. */
ASYNCHAT_API int asynchat_inherited_sockets(int *first);

/* --- Ending a server --- */

/* Stops listening at once, and frees the server. Its channels live on. Unless
 * another process has the socket, the system resets the connections that wait
 * to be accepted; asynchat_server_stop() accepts them first. The path of a Unix
 * socket is removed if it still belongs to that socket: see
 * asynchat_server_set_remove_path().
 *
 * Allowed inside any callback. NULL is allowed. If the server is stopping,
 * channels that were already told to end do so, but there is no grace period
 * any more, and `stopped` is not called. Since 0.1. */
ASYNCHAT_API void asynchat_server_free(struct asynchat_server *server);

/* Accepts the connections that wait to be accepted, stops listening, and ends
 * the channels:
 *
 * - The waiting connections become channels like all others: handle_connect is
 *   called, then what has arrived is delivered, and then the steps below
 *   follow. The limits in the options apply. If a connection is over a limit
 *   without `turn_away`, or if there is no descriptor or memory for it, it is
 *   lost, unless another process has the socket as well. The path of a Unix
 *   socket is removed first. A peer that has just connected may not have sent
 *   its request yet, so such a channel does not count as between messages
 *   before its first message.
 * - handle_stopping is called once for each channel, from the loop. Then and
 *   later, the channel may do what it wants: say goodbye, close when done, or
 *   go on.
 * - A channel that the program has called busy, by asynchat_set_busy(), goes on
 *   until it is no longer busy, and only then takes these steps.
 * - If the handler has no handle_stopping, the channel is closed as by
 *   asynchat_close_between_messages(): at once, or when the message in progress
 *   is complete. Input that has already arrived is delivered first. In this
 *   sense a message is what the terminator ends. A program that needs several
 *   messages, or time, for one answer calls asynchat_set_busy() meanwhile.
 * - Channels that are left after `grace` milliseconds, 0 to 2^31 - 1, end with
 *   ASYNCHAT_ESTOPPED, by handle_error and handle_close. A goodbye that
 *   handle_error pushes is sent behind what is queued, as far as the system
 *   takes it at once.
 * - When the last channel is gone, stopped(arg) is called from the loop,
 *   exactly once, even if there was no channel. When it returns, the server is
 *   freed. Inside it, asynchat_server_free() does nothing. `stopped` may be
 *   NULL.
 *
 * If this is called again, another grace period begins, and the new `stopped`
 * replaces the first one. Errors: -EINVAL (`server` is NULL, or the time is too
 * long), ASYNCHAT_ESTOPPED (inside `stopped`). Since 0.1. */
ASYNCHAT_API int asynchat_server_stop(struct asynchat_server *server,
                                      unsigned grace,
                                      void (*stopped)(void *arg), void *arg);

/* From now on the signal `number`, such as SIGTERM, calls
 * asynchat_server_stop() from the loop, with these arguments. Call this once
 * for each signal and server. Once the server begins to stop, for whatever
 * reason, the previous signal handling is restored. A second signal therefore
 * kills a program that has no handler of its own. libevent can handle signals
 * in only one event base of a process; here that is the server's. Errors:
 * -EINVAL (`server` is NULL, the time is too long, or the signal cannot be
 * caught), ASYNCHAT_ESTOPPED (the server is already stopping), -ENOMEM. Since
 * 0.1. */
ASYNCHAT_API int asynchat_server_stop_on_signal(struct asynchat_server *server,
                                                int number, unsigned grace,
                                                void (*stopped)(void *arg),
                                                void *arg);

/* The same for both SIGTERM and SIGINT, by which service managers and users end
 * a program. Errors: those of asynchat_server_stop_on_signal(). Since 0.1. */
ASYNCHAT_API int asynchat_server_stop_on_termination(
    struct asynchat_server *server, unsigned grace, void (*stopped)(void *arg),
    void *arg);

/* From now on the signal `number`, such as SIGHUP, calls function(arg) from the
 * loop, each time that it comes. Once the server begins to stop, for whatever
 * reason, or is freed, the previous signal handling is restored. So, unlike an
 * event of the program's own, this does not keep the loop running when the
 * server is gone. `function` may call anything, and may stop or free the
 * server. Borrows `arg` until then. The signals of several servers are
 * independent of each other. Errors: -EINVAL (`server` or `function` is NULL,
 * or the signal cannot be caught), ASYNCHAT_ESTOPPED (the server is already
 * stopping), -ENOMEM. (Python: asyncio's add_signal_handler) Since 0.1. */
ASYNCHAT_API int asynchat_server_call_on_signal(struct asynchat_server *server,
                                                int number,
                                                void (*function)(void *arg),
                                                void *arg);

/* --- The next process --- */

/* From now on the signal `number`, such as SIGUSR2, starts the program again,
 * by execvp(3), with the arguments `argv`. To be called for each server: those
 * of the same event base that restart at the same signal do so together.
 *
 *     int serve(struct event_base *base, char **argv)
 *     {
 *         const struct asynchat_server_options options = {
 *             .size = sizeof options, .flags = ASYNCHAT_INHERIT};
 *         struct asynchat_server *server;
 *         int error = asynchat_server_new(base, "127.0.0.1:8080", &handler,
 *                                         NULL, &options, &server);
 *         if (!error)
 *             error = asynchat_server_restart_on_signal(
 *                 server, SIGUSR2, argv, 30000, NULL, NULL);
 *         if (!error)
 *             asynchat_restart_done();
 *         return error;
 *     }
 *
 * - The new process has the listening sockets, in the order in which the
 *   servers were made, as if from a service manager (sd_listen_fds(3)): its
 *   servers take them by ASYNCHAT_INHERIT, or asynchat_inherited_sockets()
 *   finds them. It has the environment, the working directory, the standard
 *   streams and the ignored signals of this process, no blocked signal, and no
 *   other descriptor that is close-on-exec. It is not a child of this process.
 * - Meanwhile this process serves as before. When the new process calls
 *   asynchat_restart_done(), each of the servers stops, as by
 *   asynchat_server_stop() with the arguments given here. The path of a Unix
 *   socket stays: it belongs to the new process.
 * - If the new process ends without that call, or cannot be started, the
 *   servers go on, and the signal may come again. While a process starts, the
 *   signal does nothing. The log has a record in each case
 *   (ASYNCHAT_LOG_RESTART).
 * - As with asynchat_server_stop_on_signal(), the previous signal handling is
 *   restored once the server begins to stop, for whatever reason.
 *
 * Borrows `argv` until then. Errors: -EINVAL (`argv` is NULL or empty), and
 * those of asynchat_server_stop_on_signal(). Since 0.1. */
ASYNCHAT_API int asynchat_server_restart_on_signal(
    struct asynchat_server *server, int number, char *const *argv,
    unsigned grace, void (*stopped)(void *arg), void *arg);

/* Tells the process that has started this one, by
 * asynchat_server_restart_on_signal(), that this one is ready: the servers of
 * that process stop now. To be called once all servers listen and nothing more
 * can fail. Closes the sockets that were passed to this process and that nobody
 * has taken. Does nothing else if the process was started in another way. Call
 * this before there are threads, unless a server has ASYNCHAT_INHERIT. Since
 * 0.1. */
ASYNCHAT_API void asynchat_restart_done(void);

/* Sets whether the path of a Unix socket is removed when the server stops
 * listening. Unless set, it is 1 for a server made by asynchat_server_new(),
 * and 0 for one made by asynchat_server_new_socket(). A process that has handed
 * its socket over should set 0, since the path belongs to the next process. The
 * last process may set 1. A child after fork(2) does not remove the path of a
 * server that it has inherited, unless it has set 1 itself. Since 0.1. */
ASYNCHAT_API void asynchat_server_set_remove_path(
    struct asynchat_server *server, int remove);

/* --- The state of a server --- */

/* Returns the listening socket, lent until the server stops listening, or an
 * error code. Another process to which the socket is handed accepts connections
 * as well. The socket is non-blocking there too. Errors: -EINVAL (`server` is
 * NULL), ASYNCHAT_ESTOPPED (the server no longer listens). Since 0.1. */
ASYNCHAT_API int asynchat_server_get_socket(
    const struct asynchat_server *server);

/* Returns how many of the channels made by the server are not gone yet, or 0
 * for NULL. A channel is gone when its handle_close has returned, or when it
 * was freed. Since 0.1. */
ASYNCHAT_API size_t
asynchat_server_connections(const struct asynchat_server *server);

/* Writes the address that the server listens on, as text, with the port that
 * the system chose. The forms are those of asynchat_peer_address(). On failure
 * `text` is unchanged. Errors: -EINVAL (`server` or `text` is NULL), -ENOSPC
 * (`size` is too small). Since 0.1. */
ASYNCHAT_API int asynchat_server_address(const struct asynchat_server *server,
                                         char *text, size_t size);

/* Returns the port that the server listens on, or 0 for a Unix socket or NULL.
 * Since 0.1. */
ASYNCHAT_API int asynchat_server_port(const struct asynchat_server *server);

ASYNCHAT_END_DECLS

#endif
