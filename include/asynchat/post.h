/* Posting: how one thread has something done in the loop of another.
 *
 *     uint64_t id = asynchat_get_id(ch);
 *     int error = asynchat_post(id, tell, text);
 *
 * The first is called in the channel's own thread, the second in any.
 *
 * A channel is used from the thread of its loop only, and may be gone when
 * somebody else wants it; so others know it by a number, and say what is to be
 * done there. The rules:
 * - What is posted runs from the loop, as the callback of a timer would: never
 *   inside another callback, and any call is allowed in it.
 * - What one thread posts to channels of one loop runs in that order.
 * - Every function whose post was answered with 0 is called, exactly once:
 *   with the channel, or with NULL if that is gone by then. So what `arg`
 *   points to may be given away, and freed by the function.
 * - A loop whose last channel and server go calls what has not run yet with
 *   NULL, then and there: inside the call that freed the last of them, or
 *   after its handle_close. From then on a post answers ASYNCHAT_ECLOSED.
 * - An event base that is freed before its channels runs no posts: from then on
 *   they answer ASYNCHAT_ECLOSED. What had not run is called with NULL when the
 *   first channel or server is made in another event base at the same address,
 *   or never. So end the threads that post before.
 * - In a loop where an id was asked for, posts may come at any time: it runs
 *   until its last channel and server are gone, also if none of them waits for
 *   anything else.
 * - A channel whose id nobody asks for costs nothing. Messages take no lock in
 *   any case.
 * - After fork(2) ids hold in both processes, each for its own channels. What was
 *   posted before runs in the parent only; in the child `arg` is nobody's.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_POST_H
#define ASYNCHAT_POST_H

#include <asynchat/channel.h>

ASYNCHAT_BEGIN_DECLS

/* The number by which other threads know the channel: always the same for it,
 * and never that of another channel of this process, also when it is gone. 0
 * for NULL, for a channel that has had its handle_close without being asked
 * before, and where memory, descriptors (the loop needs one, the first time) or
 * the 1024 loops that can be posted to at a time have run out. From the
 * channel's thread only. Since 0.1. */
ASYNCHAT_API uint64_t asynchat_get_id(struct asynchat_channel *ch);

/* Has `function` called in the loop of the channel, and in its thread; `ch` is
 * NULL if the channel is gone by then. Borrows `arg` until that. Any thread, and
 * inside any callback; not from a signal handler. On failure the function is not
 * called. Errors: -EINVAL (`id` is 0, or `function` NULL), -ENOMEM,
 * ASYNCHAT_ECLOSED (the channel is gone, and so is its loop's last, or its event
 * base; or it is a worker's, and this is a child after fork(2)), those of write(2),
 * and in a child those of eventfd(2). Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_post(
    uint64_t id, void (*function)(struct asynchat_channel *ch, void *arg),
    void *arg);

ASYNCHAT_END_DECLS

#endif
