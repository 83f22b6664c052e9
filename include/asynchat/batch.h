/* Batches: the sockets of a loop receive together, and send together.
 *
 * Without this, an exchange over a socket costs three system calls: one says
 * that the socket is readable, one receives, and one sends. With a batch, all
 * sockets that libevent reports in one pass of its loop receive by one call of
 * a function of the program's, then their channels have their turns, and then
 * all answers are sent by a second call of that function. A function that can
 * make many system calls by one needs io_uring or the like:
 * libasynchat-uring has one, see uring.h. Tests can have one that does what
 * they want.
 *
 * The rules:
 * - What a program sees stays the same: the same callbacks in the same order
 *   for each channel, and the answers of a pass leave in that pass.
 * - Plain calls are made instead where a batch does not pay or does not serve:
 *   for fewer than 4 sockets, for channels with a layer such as TLS, for more
 *   than 8 KiB at a time, for sockets that wait to be writable, and for
 *   channels that have another priority than the batch. A channel that has
 *   received more than 8 KiB at a time receives by itself until less comes.
 * - At most 32 sockets are served in one batch.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_BATCH_H
#define ASYNCHAT_BATCH_H

#include <stddef.h>

#include <asynchat/api.h>

ASYNCHAT_BEGIN_DECLS

struct event_base;

/* A system call that is to be made: recv(2), or send(2) if `sends` is 1, both
 * with MSG_DONTWAIT, and send(2) with MSG_NOSIGNAL as well. */
struct asynchat_batch_call {
    int fd;
    unsigned sends; /* 0 or 1 */
    void *data;
    size_t len;
    int result; /* set by `run`: how many bytes, or -errno */
};

/* What makes the calls. `size` is sizeof the struct; `release` may be NULL.
 * Fields are only ever added at the end. */
struct asynchat_batch_ops {
    size_t size;

    /* Makes `count` calls, at most 64, each of another socket, in any order,
     * and sets the result of each. All are over when it returns: nothing of
     * them may happen later. A call that could not be made has the result
     * -EAGAIN. `run` answers 0, or an error code below 0 if no call was made
     * and none can be made from now on: then plain calls are made instead, for
     * good, and the error is logged. It runs in the thread of the loop. */
    int (*run)(void *ring, struct asynchat_batch_call *calls, unsigned count);

    /* The batch is over: see asynchat_set_batch(). */
    void (*release)(void *ring);
};

/* Has the channels of the event base work in batches, from now on: those that
 * are made or accepted later. `ops` is borrowed, and `ring` belongs to the
 * batch until `release` is called for it. That happens when another batch is
 * set, or none; if sockets are being served at that moment, it happens when
 * they have been served. If `ops` is NULL, there is no batch any more. To be
 * called in the thread of the loop, and with NULL before event_base_free(). A
 * batch that was set before fork(2) makes plain calls in the child. Errors:
 * -EINVAL (`base` is NULL, or `ops` is filled in wrongly), -ENOTSUP (`ops` has
 * fields that this version does not know), -EBUSY (a batch is being served, and
 * `ops` is not NULL), -ENOMEM. On failure all is as before, and `ring` remains
 * the program's. Since 0.1. */
ASYNCHAT_API int asynchat_set_batch(struct event_base *base,
                                    const struct asynchat_batch_ops *ops,
                                    void *ring);

ASYNCHAT_END_DECLS

#endif
