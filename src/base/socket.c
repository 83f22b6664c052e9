/* Sockets as the library wants them: non-blocking, close-on-exec, without
 * Nagle's algorithm.
 *
 * Few files depend on the platform: this one, search.c and producer_file.c.
 * Where a socket cannot be made non-blocking and close-on-exec in one call,
 * three calls are made here.
 *
 * Tested by tests/test_server_listen.c and tests/test_connect.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/util.h>

#if defined(SOCK_NONBLOCK) && defined(SOCK_CLOEXEC)
#define SOCKET_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)
#define socket_accept(fd, at, len) accept4(fd, at, len, SOCKET_FLAGS)
#else
#define SOCKET_FLAGS 0
#define socket_accept(fd, at, len) accept(fd, at, len)
#endif

static int socket_ready(int fd)
{
    if (SOCKET_FLAGS || (evutil_make_socket_nonblocking(fd) == 0 &&
                         evutil_make_socket_closeonexec(fd) == 0))
        return fd;
    int error = -errno;
    close(fd);
    return error;
}

int asynchat__socket_new(int family)
{
    int on = 1;
    int fd = socket(family, SOCK_STREAM | SOCKET_FLAGS, 0);
    if (fd < 0)
        return -errno;
    if (family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return socket_ready(fd);
}

int asynchat__socket_accept(int fd, struct address *from)
{
    from->len = sizeof from->storage;
    int connection =
        socket_accept(fd, (struct sockaddr *)&from->storage, &from->len);
    return connection < 0 ? -errno : socket_ready(connection);
}

int asynchat__socket_lower(int fd)
{
    int lower = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    bool found = lower >= 0 && lower < fd;
    if (lower >= 0)
        close(found ? fd : lower);
    return found ? lower : fd;
}

/* On Linux accept(2) also reports errors that the connection to be accepted has
 * had meanwhile: see its manual. */
bool asynchat__socket_is_passing(int error)
{
    switch (-error) {
    case ECONNABORTED:
    case EINTR:
    case EPERM:
    case EPROTO:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ETIMEDOUT:
#ifdef EHOSTDOWN
    case EHOSTDOWN:
#endif
#ifdef ENONET
    case ENONET:
#endif
        return true;
    default:
        return false;
    }
}
