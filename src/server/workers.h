/* Workers: how a server gives them connections.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_WORKER_H
#define ASYNCHAT_WORKER_H

#include <stdatomic.h>
#include <stdint.h>

#include <asynchat/workers.h>

#include "channel/object.h"

struct address;
struct channel_dress;
struct asynchat_handler;

/* Has a worker make a channel of a connected, non-blocking socket, whose peer
 * has the address `from`, and give the channel the layer of `dress`. `turn`
 * modulo the number of workers is the worker's number. On success takes `fd`; a
 * worker that has no memory for the channel closes it. Errors: -ENOMEM, -EMFILE
 * (`fd` is too large for select), and those of asynchat__mailbox_post(). */
int asynchat__workers_give(const struct asynchat_workers *workers,
                           unsigned turn, int fd, const struct address *from,
                           const struct asynchat_handler *handler, void *arg,
                           const struct channel_dress *dress);

/* Answers the id of the worker that has the least to do, for a post to it, and
 * gives the count of what that worker has not done. Any thread. */
uint64_t asynchat__workers_idlest(struct asynchat_workers *workers,
                                  atomic_uint **waiting);

#endif
