/* The socket transport, as batched.c needs it.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SOCKET_TRANSPORT_H
#define ASYNCHAT_SOCKET_TRANSPORT_H

#include <sys/types.h>

#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>

#include "transport/transport.h"

/* The operations over a socket. */
extern const struct transport_ops asynchat__socket_ops;

static inline int socket_fd(const struct transport *t)
{
    return t->bev->ev_read.ev_fd;
}

/* To be called when recv has given no bytes: none have come yet, or the input
 * is over. `n` and `error` say which of the two, and why. */
void asynchat__socket_received(struct transport *t, ssize_t n, int error);

/* Receives once, behind the `had` bytes that lie in loop->received. */
void asynchat__socket_receive(struct transport *t, size_t had);

/* The callback of the read event in a loop that has no batch. */
void asynchat__socket_readable(evutil_socket_t fd, short what, void *arg);

/* Operations that are the same in a batch: they do not touch the socket, or are
 * for connecting, or for a stage, whose transport the batch does not take. */
int asynchat__socket_write(struct transport *t, bool on);
void asynchat__socket_wake(struct transport *t);
void asynchat__socket_look(struct transport *t);
bool asynchat__socket_left(const struct transport *t);
size_t asynchat__socket_pull(struct transport *t, void *to, size_t most);
void asynchat__socket_put(struct transport *t, const void *data, size_t len);

/* Chooses the callback of the read event. Replaces nothing but that, since this
 * event may be pending. */
void asynchat__socket_choose(struct transport *t);

#endif
