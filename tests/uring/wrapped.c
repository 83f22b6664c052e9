/* liburing with faults. SPDX-License-Identifier: BSD-3-Clause */
#include "wrapped.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

struct wrapped wrapped;

/* --- making a ring --- */

int __real_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *p);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *p);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *p)
{
    if (wrapped.open_refusals > 0) {
        wrapped.open_refusals--;
        return wrapped.open_error;
    }
    unsigned flags = p->flags;
    int error = __real_io_uring_queue_init_params(entries, ring, p);
    wrapped.opened += error == 0;
    if (error == 0)
        wrapped.flags = flags;
    return error;
}

void __real_io_uring_queue_exit(struct io_uring *ring);
void __wrap_io_uring_queue_exit(struct io_uring *ring);
void __wrap_io_uring_queue_exit(struct io_uring *ring)
{
    wrapped.closed++;
    __real_io_uring_queue_exit(ring);
}

struct io_uring_probe *__real_io_uring_get_probe_ring(struct io_uring *ring);
struct io_uring_probe *__wrap_io_uring_get_probe_ring(struct io_uring *ring);
struct io_uring_probe *__wrap_io_uring_get_probe_ring(struct io_uring *ring)
{
    struct io_uring_probe *probe =
        wrapped.no_probe ? NULL : __real_io_uring_get_probe_ring(ring);
    if (probe && wrapped.no_operation)
        probe->ops[wrapped.no_operation].flags = 0;
    return probe;
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return wrapped.no_memory ? NULL : __real_calloc(count, size);
}

/* --- a run --- */

/* The queued requests that the kernel has not been told of. */
static void change_requests(struct io_uring *ring)
{
    struct io_uring_sq *sq = &ring->sq;
    for (unsigned i = sq->sqe_head; i != sq->sqe_tail; i++) {
        struct io_uring_sqe *sqe = &sq->sqes[i & *sq->kring_mask];
        wrapped.queued++;
        if (wrapped.short_len && sqe->len > wrapped.short_len)
            sqe->len = wrapped.short_len;
        if (wrapped.blocks && i == sq->sqe_head)
            sqe->msg_flags &= ~(unsigned)MSG_DONTWAIT;
    }
}

static void turn_completions_around(struct io_uring *ring)
{
    struct io_uring_cq *cq = &ring->cq;
    unsigned from = *cq->khead, to = __atomic_load_n(cq->ktail, 2);
    for (; wrapped.backwards && (int)(to - from) > 1; from++) {
        struct io_uring_cqe *a = &cq->cqes[from & *cq->kring_mask];
        struct io_uring_cqe *b = &cq->cqes[--to & *cq->kring_mask];
        struct io_uring_cqe kept = {a->user_data, a->res, a->flags};
        a->user_data = b->user_data;
        a->res = b->res;
        b->user_data = kept.user_data;
        b->res = kept.res;
    }
}

/* The kernel takes only some of the requests. */
static int call(struct io_uring *ring, unsigned wait,
                int real(struct io_uring *),
                int real_wait(struct io_uring *, unsigned))
{
    struct io_uring_sq *sq = &ring->sq;
    unsigned tail = sq->sqe_tail, ready = io_uring_sq_ready(ring);
    bool some = wrapped.most > 0 && ready > wrapped.most;
    if (some)
        sq->sqe_tail = tail - ready + wrapped.most;
    int result = wait > 0 && !some ? real_wait(ring, wait) : real(ring);
    sq->sqe_tail = tail;
    turn_completions_around(ring);
    return result;
}

/* As liburing does before it asks the kernel, which then refuses. */
static void show_the_kernel(struct io_uring *ring)
{
    struct io_uring_sq *sq = &ring->sq;
    sq->sqe_head = sq->sqe_tail;
    __atomic_store_n(sq->ktail, sq->sqe_tail, __ATOMIC_RELEASE);
}

static int call_or_fail(struct io_uring *ring, unsigned wait,
                        int real(struct io_uring *),
                        int real_wait(struct io_uring *, unsigned))
{
    unsigned number = ++wrapped.calls;
    bool fails = wrapped.fail_at > 0 && number >= wrapped.fail_at &&
                 number < wrapped.fail_at + wrapped.fail_for;
    change_requests(ring);
    if (fails && !wrapped.fails_after) {
        show_the_kernel(ring);
        return wrapped.fail_error;
    }
    int result = call(ring, wait, real, real_wait);
    return fails ? wrapped.fail_error : result;
}

int __real_io_uring_submit(struct io_uring *ring);
int __real_io_uring_submit_and_wait(struct io_uring *ring, unsigned wait);
int __wrap_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring)
{
    return call_or_fail(ring, 0, __real_io_uring_submit,
                        __real_io_uring_submit_and_wait);
}

int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned wait);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned wait)
{
    wrapped.waits++;
    if (wrapped.on_wait)
        wrapped.on_wait();
    return call_or_fail(ring, wait, __real_io_uring_submit,
                        __real_io_uring_submit_and_wait);
}
