/* Sockets as the library wants them: non-blocking, close-on-exec, without
 * Nagle's algorithm. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SOCKET_H
#define ASYNCHAT_SOCKET_H

#include <stdbool.h>

#include "base/address.h"

/* Makes a stream socket. Answers its descriptor, or -errno. */
int asynchat__socket_new(int family);

/* Accepts a connection, and gives the peer's address in *from. Answers the
 * descriptor; -EAGAIN when no connection waits; or another -errno. A connection
 * inherits the options of a listening TCP socket, TCP_NODELAY too. */
int asynchat__socket_accept(int fd, struct address *from);

/* Gives the socket a smaller descriptor, if one is free by now. Answers the
 * descriptor that the socket has then. */
int asynchat__socket_lower(int fd);

/* Whether an error of accept(2) is about one connection only, which is gone
 * then. The next connection may be good. */
bool asynchat__socket_is_passing(int error);

#endif
