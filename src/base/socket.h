/* Sockets as the library wants them: non-blocking, close-on-exec, without
 * Nagle's algorithm. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SOCKET_H
#define ASYNCHAT_SOCKET_H

#include <stdbool.h>

#include "address.h"

/* A stream socket, or -errno. */
int asynchat__socket_new(int family);

/* Accepts a connection, and says from where; -EAGAIN when there is none, or
 * another -errno. What was set on a listening TCP socket holds for it,
 * TCP_NODELAY too. */
int asynchat__socket_accept(int fd, struct address *from);

/* The same socket by a smaller number, if there is one by now. */
int asynchat__socket_lower(int fd);

/* Whether such an error is about one connection, which is gone with it. The next
 * one may be good. */
bool asynchat__socket_is_passing(int error);

#endif
