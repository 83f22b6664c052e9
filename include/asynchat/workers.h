/* Workers: threads with a loop each, for programs that need more than one core.
 *
 *     static const struct asynchat_worker_ops ops = {
 *         .size = sizeof ops,
 *         .start = listen_here, // makes a server in its loop
 *     };
 *     struct asynchat_workers *workers;
 *     int error = asynchat_workers_new(8, &ops, NULL, &workers);
 *
 * Each worker has a server of its own on one port, as here, with
 * ASYNCHAT_REUSE_PORT: the system shares out the connections. Or one server
 * hands its connections to the workers in turn: asynchat_server_options has
 * `workers`. The rules:
 * - A channel stays with the worker it began in: its callbacks run in that
 *   thread, and it is used there only. Others post to it, or to the worker.
 * - A handler, and an `arg`, that several workers have is used by several
 *   threads at once.
 * - Signals are blocked in the workers, apart from those that report a fault:
 *   the program's own threads handle them.
 * - A child after fork(2) has no workers but those it makes: see server.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_WORKERS_H
#define ASYNCHAT_WORKERS_H

#include <asynchat/api.h>

ASYNCHAT_BEGIN_DECLS

/* The most workers there can be. */
#define ASYNCHAT_WORKERS_MAX 1000

/* What a worker calls, in its thread and outside its loop. Caller-owned and
 * borrowed until the workers are freed. `size` is sizeof the struct; the others
 * may be NULL. Fields are only ever appended. */
struct asynchat_worker_ops {
    size_t size;

    /* The worker is about to begin: makes what its loop starts with. 0, or an
     * error code, which asynchat_workers_new() answers with. One worker after
     * the other starts, in the order of `index`, and no loop runs before all
     * have; so these need no lock among them. */
    int (*start)(struct event_base *base, unsigned index, void *arg);

    /* The worker is about to end, and had started: frees what is no server and
     * no channel, such as timers. Channels are made no more, but those that
     * are there have callbacks until all are closed, so what these use is freed
     * after asynchat_workers_free(). Several workers may do this at once. */
    void (*stop)(struct event_base *base, unsigned index, void *arg);
};

/* Makes 1 to ASYNCHAT_WORKERS_MAX threads, each with an event base of its own,
 * and gives them in *out; their loops begin when that is done. `ops` may be
 * NULL, for workers that are only given connections and posts. On failure *out is
 * as it was, and those that had started are ended as by asynchat_workers_free().
 * An error that `start` answers is this call's. Errors: -EINVAL (`out` is NULL,
 * `count` out of range, or `ops` filled in wrongly), -ENOTSUP (`ops` has fields
 * that this version does not know), -ENOMEM, -EAGAIN (there are too many threads
 * or loops), and those of eventfd(2), such as -EMFILE: a worker takes four
 * descriptors, one more with evthread_use_pthreads(), and one more with
 * EVENT_PRECISE_TIMER in the environment. libevent ends the process where an
 * event base does not get its own, so they are counted before; another thread
 * that opens descriptors at that moment can still take them. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_workers_new(
    unsigned count, const struct asynchat_worker_ops *ops, void *arg,
    struct asynchat_workers **out);

/* Ends the workers, waits for their threads, and frees all. In each of them, at
 * the same time: `stop` is called, servers that are left are freed, channels
 * that are left are closed and have their handle_close with status 0, what was
 * posted and has not run yet does, and the event base is freed. From when that
 * begins a channel made there is refused with -ECANCELED. All this is at once: to
 * lose no connection, have asynchat_server_stop() called for each server, by
 * asynchat_workers_post() where it is a worker's, and end the workers when the
 * servers have stopped. NULL is allowed.
 * Errors: -EDEADLK (one of the workers has called, and nothing is changed),
 * ASYNCHAT_ECLOSED (this is a child after fork(2), and nothing is changed: the
 * workers are its parent's). Since 0.1. */
ASYNCHAT_API int asynchat_workers_free(struct asynchat_workers *workers);

/* Has `function` called in a worker's loop. Order and threads are as for
 * asynchat_post(); it is called exactly once, at the latest when the worker
 * ends. Borrows `arg` until that. On failure the function is not called. Errors:
 * -EINVAL (`workers` or `function` is NULL, or there is no such worker), -ENOMEM,
 * ASYNCHAT_ECLOSED (the worker has ended, or is a thread of the parent before
 * fork(2)), and those of write(2). Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_workers_post(
    struct asynchat_workers *workers, unsigned index,
    void (*function)(struct event_base *base, unsigned index, void *arg),
    void *arg);

/* Which worker the calling thread is. Returns its number, from 0, or -1 when it is
 * none. Since 0.1. */
ASYNCHAT_API int asynchat_worker_index(void);

ASYNCHAT_END_DECLS

#endif
