/* Workers: threads with a loop each, for programs that need more than one core.
 *
 *     static const struct asynchat_worker_ops ops = {
 *         .size = sizeof ops,
 *         .start = listen_here, // makes a server in its loop
 *     };
 *     struct asynchat_workers *workers;
 *     int error = asynchat_workers_new(8, &ops, NULL, &workers);
 *
 * There are three ways to use workers. As here, each worker may have a server
 * of its own on the same port, with ASYNCHAT_REUSE_PORT: the system shares out
 * the connections. Or one server hands its connections to the workers in turn:
 * see `workers` in asynchat_server_options. Or they do what would make another
 * loop wait: see asynchat_workers_run(). The rules:
 *
 * - A channel stays with the worker where it began. Its callbacks run in that
 *   worker's thread, and it may be used there only. Other threads post to the
 *   channel or to the worker.
 * - If several workers share a handler or an `arg`, several threads use it at
 *   once.
 * - Signals are blocked in the workers, except those that report a fault. The
 *   program's own threads handle signals.
 * - A child after fork(2) has only the workers that it makes itself: see
 *   server.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_WORKERS_H
#define ASYNCHAT_WORKERS_H

#include <asynchat/api.h>

ASYNCHAT_BEGIN_DECLS

/* The largest number of workers. */
#define ASYNCHAT_WORKERS_MAX 1000

/* The callbacks of a worker. They run in its thread, outside its loop. The
 * struct is the caller's, and is borrowed until the workers are freed. `size`
 * is sizeof the struct. The callbacks may be NULL. New fields are only ever
 * added at the end. */
struct asynchat_worker_ops {
    size_t size;

    /* The worker is about to begin. This callback makes what the worker's loop
     * starts with. It returns 0, or an error code that asynchat_workers_new()
     * then returns. The workers start one after the other, in the order of
     * `index`, and no loop runs before all of them have started. So these
     * callbacks need no lock among them. */
    int (*start)(struct event_base *base, unsigned index, void *arg);

    /* The worker is about to end. Called only if its `start` succeeded. This
     * callback frees everything except servers and channels, such as timers. No
     * more channels are made, but callbacks of existing channels run until all
     * are closed. Therefore free what these callbacks use only after
     * asynchat_workers_free(). Several workers may run this callback at
     * once. */
    void (*stop)(struct event_base *base, unsigned index, void *arg);
};

/* Makes `count` workers, 1 to ASYNCHAT_WORKERS_MAX threads, each with an event
 * base of its own, and gives them in *out. Their loops begin when all workers
 * have started. `ops` may be NULL, for workers that only get connections and
 * posts. If a `start` callback returns an error, this call returns it. On
 * failure *out is unchanged, and workers that had started end as by
 * asynchat_workers_free().
 *
 * A worker takes four descriptors, one more with evthread_use_pthreads(), and
 * one more with EVENT_PRECISE_TIMER in the environment. libevent ends the
 * process if an event base cannot get its descriptors, so this call first
 * checks that there are enough; another thread that opens descriptors at that
 * moment can still take them.
 *
 * Errors: -EINVAL (`out` is NULL, `count` is out of range, or `ops` is filled
 * in wrongly), -ENOTSUP (`ops` has fields that this version does not know),
 * -ENOMEM, -EAGAIN (there are too many threads or loops), and those of
 * eventfd(2), such as -EMFILE. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_workers_new(
    unsigned count, const struct asynchat_worker_ops *ops, void *arg,
    struct asynchat_workers **out);

/* Ends the workers, waits for their threads, and frees everything. All workers
 * do the following at the same time: `stop` is called, the servers that are
 * left are freed, the channels that are left are closed and get handle_close
 * with status 0, posted functions that have not run yet are run, and the event
 * base is freed. Once this has begun, a channel made in a worker is refused
 * with -ECANCELED.
 *
 * All this happens without a grace period. To lose no connection, first call
 * asynchat_server_stop() for each server, by asynchat_workers_post() for a
 * worker's server, and end the workers when the servers have stopped. NULL is
 * allowed. Errors: -EDEADLK (one of the workers has called this, and nothing is
 * changed), ASYNCHAT_ECLOSED (this is a child after fork(2), and nothing is
 * changed: the workers belong to the parent). Since 0.1. */
ASYNCHAT_API int asynchat_workers_free(struct asynchat_workers *workers);

/* Has `function` called in a worker's loop. The order of calls, and the threads
 * that may post, are as for asynchat_post(). The function is called exactly
 * once, at the latest when the worker ends. Borrows `arg` until then. On
 * failure the function is not called. Errors: -EINVAL (`workers` or `function`
 * is NULL, or there is no such worker), -ENOMEM, ASYNCHAT_ECLOSED (the worker
 * has ended, or is a thread of the parent before fork(2)), and those of
 * write(2). Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_workers_post(
    struct asynchat_workers *workers, unsigned index,
    void (*function)(struct event_base *base, unsigned index, void *arg),
    void *arg);

/* How many pieces of work may wait for one worker. */
#define ASYNCHAT_WORK_MOST 1000

/* Has work(arg) called in a worker's thread, and then done(ch, arg) in the loop
 * of the channel: for what would make the loop wait, such as a disk, or a
 * password that is checked.
 *
 *     int error = asynchat_workers_run(workers, ch, check, tell, arg);
 *
 * - The worker that has the least to do gets the work. A worker does one piece
 *   after the other, in the order in which they came, and serves no channel of
 *   its own meanwhile: so make workers for this alone. A piece that waits stays
 *   with its worker, even if another one has become idle.
 * - `work` may not use the channel. It is called even if the channel is gone.
 * - `done` gets NULL for `ch` if the channel is gone by then. If no channel or
 *   server is left in that loop, `done` is called in the worker's thread, and
 *   with NULL. Like `work` it is called exactly once. If it is NULL, nothing is
 *   called, and `ch` may be NULL as well: for work that pushes to a slot, see
 *   slot.h. Then any thread may call this function; otherwise it is called in
 *   the channel's thread.
 * - asynchat_workers_free() waits until all work is done.
 *
 * Borrows `arg` until `done`, or `work` if there is no other, is called. On
 * failure neither is called. Errors: -EINVAL (`workers` or `work` is
 * NULL, or `ch` is although there is a `done`), -EAGAIN (ASYNCHAT_WORK_MOST
 * pieces wait for each worker), -ENOMEM (there is no memory, or the channel can
 * have no id: see asynchat_get_id()), ASYNCHAT_ECLOSED (the worker has ended,
 * or is a thread of the parent before fork(2)), and those of write(2). (Python:
 * asyncio's run_in_executor) Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_workers_run(
    struct asynchat_workers *workers, struct asynchat_channel *ch,
    void (*work)(void *arg),
    void (*done)(struct asynchat_channel *ch, void *arg), void *arg);

/* Returns which worker the calling thread is, a number from 0, or -1 if it is
 * not a worker. Since 0.1. */
ASYNCHAT_API int asynchat_worker_index(void);

ASYNCHAT_END_DECLS

#endif
