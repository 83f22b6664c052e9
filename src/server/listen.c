/* What a server listens on: a socket that it makes or is given, and the path of
 * a Unix socket.
 *
 * Options that are set on the socket hold for its connections too: see
 * asynchat__socket_accept().
 *
 * Tested by tests/test_server_listen.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/util.h>

#include <asynchat/server.h>

#include "base/fork.h"
#include "base/socket.h"

static bool is_unix(const struct listener *l)
{
    return l->address.storage.ss_family == AF_UNIX;
}

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) < 0 ? -errno : 0;
}

static bool has_path(const struct listener *l)
{
    return asynchat__address_has_path(&l->address);
}

/* The path of a Unix socket. Its NUL may lie behind sun_path. */
static const char *listener_path(const struct listener *l)
{
    const char *storage = (const char *)&l->address.storage;
    return storage + offsetof(struct sockaddr_un, sun_path);
}

/* --- the lock of a path --- */

/* Two servers that begin on one path at the same time could harm each other.
 * Between bind(2) and listen(2) a socket refuses connections, as a socket does
 * that a dead process has left; and a socket that was left is removed by its
 * name, which may be another server's by then. So only one server at a time
 * does this: the one that has locked a file beside the path. The file is
 * removed before it is unlocked: if the process is killed in between, the next
 * one removes the file. */
#define LOCK_TRIES 100

struct path_lock {
    char name[sizeof(struct sockaddr_un) + sizeof ".." + sizeof "asynchat"];
    int fd; /* or -1 */
};

static void lock_name(struct path_lock *lock, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    (void)snprintf(lock->name, sizeof lock->name, "%.*s.%s.asynchat",
                   (int)(name - path), path, name);
}

/* 0: the lock file still has its name. 1: the server that had the lock before
 * has removed the file. */
static int lock_check(const struct path_lock *lock)
{
    struct stat own, there;
    if (fstat(lock->fd, &own) < 0)
        return -errno;
    if (lstat(lock->name, &there) < 0)
        return errno == ENOENT ? 1 : -errno;
    return own.st_dev != there.st_dev || own.st_ino != there.st_ino;
}

/* Locks the file. 0: it is locked. 1: another file has its name now, and has to
 * be locked instead. -EADDRINUSE: another server has the lock. -ENOLCK: this
 * file system has no locks. */
static int lock_file(const struct path_lock *lock)
{
    if (flock(lock->fd, LOCK_EX | LOCK_NB) == 0)
        return lock_check(lock);
    return errno == EWOULDBLOCK ? -EADDRINUSE : -ENOLCK;
}

static int lock_open(struct path_lock *lock)
{
    lock->fd = open(lock->name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                    S_IRUSR | S_IWUSR);
    return lock->fd < 0 ? -errno : 0;
}

static void lock_close(struct path_lock *lock, bool remove)
{
    if (lock->fd < 0)
        return;
    if (remove)
        unlink(lock->name);
    close(lock->fd);
    lock->fd = -1;
}

/* Takes the lock of a path. -EADDRINUSE: another server has the lock, and is
 * about to listen. Answers 0 without a lock where the file system has none, or
 * where a policy allows sockets in the directory and no files. */
static int lock_take(struct path_lock *lock, const char *path)
{
    lock_name(lock, path);
    for (int i = 0; i < LOCK_TRIES; i++) {
        int error = lock_open(lock);
        if (error)
            return error == -EACCES || error == -EPERM ? 0 : error;
        error = lock_file(lock);
        if (error == 0)
            return 0;
        lock_close(lock, error == -ENOLCK);
        if (error < 0)
            return error == -ENOLCK ? 0 : error;
    }
    return -EADDRINUSE;
}

/* --- the path --- */

/* Finds out by a connection, which is closed at once, whether somebody listens
 * there. -ECONNREFUSED: nobody does. -EAGAIN: somebody does, and is too busy to
 * accept. */
static int path_ask(const struct address *address)
{
    int fd = asynchat__socket_new(AF_UNIX);
    if (fd < 0)
        return fd;
    int error = connect(fd, (const struct sockaddr *)&address->storage,
                        address->len) < 0
                    ? -errno
                    : 0;
    close(fd);
    return error;
}

/* Removes a socket on which nobody listens. If something else is at the path,
 * it stays, and the answer is -EADDRINUSE. */
static int path_clear(const struct listener *l)
{
    struct stat there;
    const char *path = listener_path(l);
    if (lstat(path, &there) < 0)
        return errno == ENOENT ? -EADDRINUSE : -errno;
    if (!S_ISSOCK(there.st_mode))
        return -EADDRINUSE;
    int answer = path_ask(&l->address);
    if (answer == -ECONNREFUSED)
        return unlink(path) < 0 ? -errno : 0;
    bool other = answer == 0 || answer == -EAGAIN || answer == -EPROTOTYPE;
    return other ? -EADDRINUSE : answer;
}

/* Remembers which file is at the path, so that no other file is taken for
 * it. */
static int path_look(struct listener *l)
{
    struct stat there;
    if (lstat(listener_path(l), &there) < 0)
        return -errno;
    if (!S_ISSOCK(there.st_mode))
        return -ENOTSOCK;
    l->device = there.st_dev;
    l->inode = there.st_ino;
    return 0;
}

void asynchat__listen_set_remove_path(struct listener *l, bool remove)
{
    l->remove_path = remove;
    l->path_forks = asynchat__forks();
}

/* bind(2) has made the path. Nobody can connect before listen(2), so the mode
 * holds from the first connection on. */
static int path_made(struct listener *l,
                     const struct asynchat_server_options *options)
{
    const char *path = listener_path(l);
    int error = path_look(l);
    if (error) {
        if (error != -ENOTSOCK)
            unlink(path);
        return error;
    }
    asynchat__listen_set_remove_path(l, true);
    return options->mode > 0 && chmod(path, options->mode) < 0 ? -errno : 0;
}

/* If lstat(2) fails, the file is removed too: it was the socket's when it was
 * made. */
void asynchat__listen_remove_path(struct listener *l)
{
    struct stat there;
    if (!l->remove_path || !has_path(l) || l->path_forks != asynchat__forks())
        return;
    l->remove_path = false;
    const char *path = listener_path(l);
    if (lstat(path, &there) < 0 ||
        (there.st_dev == l->device && there.st_ino == l->inode))
        unlink(path);
}

/* --- a socket that the server makes --- */

static int bind_address(const struct listener *l)
{
    const struct address *address = &l->address;
    return bind(l->fd, (const struct sockaddr *)&address->storage,
                address->len) < 0
               ? -errno
               : 0;
}

/* Takes over the path of a server that has ended and left its socket there. */
static int bind_path(struct listener *l,
                     const struct asynchat_server_options *options)
{
    int error = bind_address(l);
    if (error == -EADDRINUSE) {
        error = path_clear(l);
        if (!error)
            error = bind_address(l);
    }
    return error ? error : path_made(l, options);
}

/* A name in the abstract namespace has no file and so no mode: anybody who
 * knows the name may connect. */
static int bind_name(const struct listener *l,
                     const struct asynchat_server_options *options)
{
    return options->mode > 0 ? -EINVAL : bind_address(l);
}

/* Sets what the connections will have. A failure of TCP_NODELAY is ignored: it
 * makes them slower, and nothing else. */
static int set_connections(struct listener *l,
                           const struct asynchat_server_options *options)
{
    unsigned flags = options->flags;
    set_option(l->fd, IPPROTO_TCP, TCP_NODELAY, !(flags & ASYNCHAT_DELAY));
    return flags & ASYNCHAT_KEEPALIVE
               ? set_option(l->fd, SOL_SOCKET, SO_KEEPALIVE, 1)
               : 0;
}

/* SO_REUSEADDR lets a server start again while connections of the last one are
 * in TIME_WAIT. IPV6_V6ONLY is set to 0 or 1 in any case, since its default is
 * the choice of the machine's administrator. */
static int bind_ip(struct listener *l,
                   const struct asynchat_server_options *options)
{
    int fd = l->fd;
    unsigned flags = options->flags;
    int error = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (!error && (flags & ASYNCHAT_REUSE_PORT))
        error = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (!error && l->address.storage.ss_family == AF_INET6)
        error = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY,
                           (flags & ASYNCHAT_IPV6_ONLY) != 0);
    if (!error)
        error = set_connections(l, options);
    return error ? error : bind_address(l);
}

/* Listens, unless binding has failed with `error`. */
static int listener_listen(const struct listener *l, int error)
{
    if (error)
        return error;
    return listen(l->fd, l->backlog) < 0 ? -errno : 0;
}

static int listen_path(struct listener *l,
                       const struct asynchat_server_options *options)
{
    struct path_lock lock = {.fd = -1};
    int error = lock_take(&lock, listener_path(l));
    if (error)
        return error;
    error = listener_listen(l, bind_path(l, options));
    if (error)
        asynchat__listen_remove_path(l);
    lock_close(&lock, true);
    return error;
}

/* Binds the socket and listens. */
static int listener_settle(struct listener *l,
                           const struct asynchat_server_options *options)
{
    if (has_path(l))
        return listen_path(l, options);
    return listener_listen(l, is_unix(l) ? bind_name(l, options)
                                         : bind_ip(l, options));
}

/* A hook's answer as an error code, or 0. */
static int listener_prepare(const struct listener *l,
                            const struct asynchat_server_options *options,
                            void *arg)
{
    const struct address *at = &l->address;
    int answer =
        options->prepare
            ? options->prepare(l->fd, (const struct sockaddr *)&at->storage,
                               at->len, arg)
            : 0;
    return answer > 0 ? -ECONNABORTED : answer;
}

int asynchat__listen_begin(struct listener *l,
                           const struct asynchat_server_options *options,
                           void *arg)
{
    l->backlog = options->backlog > 0 ? options->backlog : SOMAXCONN;
    l->fd = asynchat__socket_new(l->address.storage.ss_family);
    if (l->fd < 0)
        return l->fd;
    int error = listener_prepare(l, options, arg);
    if (!error)
        error = listener_settle(l, options);
    if (error)
        return error;
    return asynchat__address_of(l->fd, getsockname, &l->address);
}

/* --- a socket that the server is given --- */

/* The system does not say how many connections may wait at a socket that
 * another process has made. The number is hardly larger than this. */
#define BACKLOG_MOST 65535

static int get_option(int fd, int name)
{
    int value = 0;
    socklen_t len = sizeof value;
    return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -errno : value;
}

/* 0: the socket listens for streams. */
static int listening_check(int fd)
{
    int listens = get_option(fd, SO_ACCEPTCONN);
    int type = listens > 0 ? get_option(fd, SO_TYPE) : listens;
    if (type < 0)
        return type;
    return type == SOCK_STREAM ? 0 : -EINVAL;
}

static int socket_settle(struct listener *l, int fd,
                         const struct asynchat_server_options *options)
{
    if (evutil_make_socket_nonblocking(fd) < 0 ||
        evutil_make_socket_closeonexec(fd) < 0)
        return -errno;
    l->fd = fd;
    l->backlog = BACKLOG_MOST;
    if (!is_unix(l))
        return set_connections(l, options);
    if (has_path(l))
        path_look(l); /* the path may be gone: then there is none to remove */
    return 0;
}

int asynchat__listen_take(struct listener *l, int fd,
                          const struct asynchat_server_options *options)
{
    int error = listening_check(fd);
    if (!error)
        error = asynchat__address_of(fd, getsockname, &l->address);
    if (error)
        return error;
    int family = l->address.storage.ss_family;
    bool known = family == AF_INET || family == AF_INET6 || family == AF_UNIX;
    return known ? socket_settle(l, fd, options) : -EAFNOSUPPORT;
}

/* --- ending --- */

void asynchat__listen_end(struct listener *l)
{
    asynchat__listen_remove_path(l);
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}
