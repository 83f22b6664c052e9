/* The socket transport in a loop that has a batch.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_BATCHED_TRANSPORT_H
#define ASYNCHAT_BATCHED_TRANSPORT_H

#include <event2/util.h>

#include "loop/batch.h"
#include "transport/transport.h"

/* What the batch does with sockets: see struct batch_user. */
void asynchat__batched_serve(struct transport *t, uint32_t most,
                             const uint8_t *bytes, int result);
void asynchat__batched_sent(struct transport *t, const uint8_t *bytes,
                            uint32_t len, int result);

/* The operations: each that uses the socket settles first what the batch has of
 * the transport's. */
extern const struct transport_ops asynchat__batched_ops;

/* The callback of the read event. */
void asynchat__batched_readable(evutil_socket_t fd, short what, void *arg);

#endif
