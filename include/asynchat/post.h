/* Posting: how one thread has a function run in the loop of another thread.
 *
 *     uint64_t id = asynchat_get_id(ch);
 *     int error = asynchat_post(id, tell, text);
 *
 * asynchat_get_id() is called in the channel's own thread, asynchat_post() in
 * any.
 *
 * A channel may be used only from the thread of its loop, and may be gone by
 * the time another thread needs it. Therefore other threads refer to it by a
 * number, its id, and post functions to it. The rules:
 *
 * - A posted function runs from the loop, as the callback of a timer would. It
 *   never runs inside another callback, and it may call any function.
 * - Functions that one thread posts to channels of the same loop run in the
 *   order in which they were posted.
 * - If a post returned 0, its function is called exactly once: with the
 *   channel, or with NULL if the channel is gone by then. So the function may
 *   free what `arg` points to.
 * - When the last channel and server of a loop go, the functions that have not
 *   run yet are called with NULL at that moment: inside the call that freed the
 *   last of them, or after its handle_close. From then on a post returns
 *   ASYNCHAT_ECLOSED.
 * - If an event base is freed before its channels, it runs no more posts, and
 *   from then on a post returns ASYNCHAT_ECLOSED. The functions that have not
 *   run are called with NULL when the first channel or server is made in
 *   another event base at the same address, or never. So end the threads that
 *   post before you free the event base.
 * - Once an id was asked for in a loop, posts may come at any time. Such a loop
 *   runs until its last channel and server are gone, even if none of them waits
 *   for anything else.
 * - A channel whose id is never asked for costs nothing more. Messages take no
 *   lock in any case.
 * - After fork(2) ids are valid in both processes, each for its own channels.
 *   Functions posted before fork(2) run only in the parent. In the child nobody
 *   frees their `arg`.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_POST_H
#define ASYNCHAT_POST_H

#include <asynchat/channel.h>

ASYNCHAT_BEGIN_DECLS

/* Returns the id by which other threads refer to the channel. It is the same
 * each time, and no other channel of this process ever gets it, not even after
 * the channel is gone. Returns 0 if `ch` is NULL, or if an id is first asked
 * for in handle_close or after asynchat_channel_free(). Also returns 0 if there
 * is no memory, if there is no descriptor (the first id of a loop needs one),
 * or if 1024 loops can already be posted to. May be called only from the
 * channel's thread. Since 0.1. */
ASYNCHAT_API uint64_t asynchat_get_id(struct asynchat_channel *ch);

/* Has `function` called in the loop of the channel, and in its thread. The
 * function gets NULL for `ch` if the channel is gone by then. Borrows `arg`
 * until the function is called. May be called from any thread and inside any
 * callback, but not from a signal handler. On failure the function is not
 * called. Errors: -EINVAL (`id` is 0, or `function` is NULL), -ENOMEM,
 * ASYNCHAT_ECLOSED (the channel is gone, and no other channel or server is left
 * in its loop; or its event base is gone; or the channel is a worker's, and
 * this is a child after fork(2)), those of write(2), and in a child those of
 * eventfd(2). Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_post(
    uint64_t id, void (*function)(struct asynchat_channel *ch, void *arg),
    void *arg);

ASYNCHAT_END_DECLS

#endif
