/* Ring: batches by io_uring. This header belongs to a library of its own,
 * libasynchat-uring, and <asynchat.h> does not include it.
 *
 * All sockets that libevent reports in one pass of its loop receive by one
 * system call, and all answers leave by another: see batch.h.
 *
 *     int error = asynchat_uring_use(base);
 *     if (error)
 *         warnx("plain calls are made: %s", asynchat_strerror(error));
 *
 * The rules:
 * - libevent still waits for sockets. Each call in the ring is a recv(2) or a
 *   send(2) that ends at once, so nothing is in the ring between two passes.
 * - If there is no ring, everything goes on by plain calls. The reason is in
 *   the log, as ASYNCHAT_LOG_BATCH. So is the reason why a ring can no longer
 *   be used.
 * - A ring takes one descriptor, and belongs to the thread in which it was
 *   made. If another thread runs the loop later, the kernel refuses, from Linux
 *   6.1 on: then plain calls are made.
 * - In a child of fork(2) plain calls are made, until the child asks for a ring
 *   of its own.
 * - asynchat_set_batch(base, NULL, NULL) ends the ring, and is to be called
 *   before event_base_free(). A worker ends its ring by itself.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_URING_H
#define ASYNCHAT_URING_H

#include <asynchat/batch.h>
#include <asynchat/workers.h>

ASYNCHAT_BEGIN_DECLS

/* Makes a ring, and has the channels of the event base that are made or
 * accepted later work in batches by it. May be called only in the thread of the
 * loop. On failure all is as before. Errors: -EINVAL (`base` is NULL), -ENOTSUP
 * (the kernel has no io_uring, or one that is too old; or seccomp(2) or the
 * setting kernel.io_uring_disabled forbids it), those of io_uring_setup(2),
 * such as -EMFILE, and those of asynchat_set_batch(). Since 0.1. */
ASYNCHAT_API int asynchat_uring_use(struct event_base *base);

/* Does the same in each of the workers, as soon as its loop comes to it, and
 * after functions that were posted before. First this call tries to make a
 * ring. If that fails, nothing is changed, and its error is returned. A worker
 * that cannot make a ring of its own goes on by plain calls, and logs the
 * reason. May be called from any thread. If the `start` of a worker calls
 * asynchat_uring_use() instead, a failure is known before the loop begins.
 * Errors: -EINVAL (`workers` is NULL), those of asynchat_uring_use(), and those
 * of asynchat_workers_post(): then some of the workers may work in batches.
 * Since 0.1. */
ASYNCHAT_API int asynchat_uring_use_workers(struct asynchat_workers *workers);

ASYNCHAT_END_DECLS

#endif
