/* Workers: what a server gives them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_WORKER_H
#define ASYNCHAT_WORKER_H

#include <asynchat/workers.h>

struct address;
struct asynchat_handler;

/* Has worker number turn % count make a channel of a connected socket that is
 * non-blocking, and whose peer has the address `from`. 0, or -ENOMEM and others
 * of posting; on success takes `fd`, and a worker that has no memory for the
 * channel closes it. */
int asynchat__workers_give(const struct asynchat_workers *workers,
                           unsigned turn, int fd, const struct address *from,
                           const struct asynchat_handler *handler, void *arg);

#endif
