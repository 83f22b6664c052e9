/* Noticing that a peer has vanished. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SILENCE_H
#define ASYNCHAT_SILENCE_H

#include <sys/socket.h>

/* Has the system end the connection of this socket with ETIMEDOUT after the
 * peer was silent for `time` milliseconds. Does nothing for sockets of another
 * family than IP. 0 or an error of setsockopt(2). */
int asynchat__silence_limit(int fd, const struct sockaddr *to, unsigned time);

#endif
