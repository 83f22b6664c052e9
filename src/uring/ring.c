/* The ring: what makes the calls of a batch.
 *
 * The kernel makes each call inside io_uring_enter(2), because of MSG_DONTWAIT.
 * So one system call does it all, and there is no need to wait. Should a kernel
 * put a call off nevertheless, the run waits for it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "uring/ring.h"

#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

/* The most calls of a run. */
#define RING_MOST 64

/* So many runs in a row, of which the kernel has taken no call for now, make
 * the ring useless: otherwise a loop might spin. */
#define RING_REFUSALS 16

/* Invariant: outside of a run both queues are empty. */
struct ring {
    struct io_uring uring;
    int error; /* which makes the ring useless, or 0 */
    unsigned refusals;
};

/* --- a run --- */

/* The queue has room for all calls of a run. */
static void ring_queue(struct ring *r, struct asynchat_batch_call *c)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&r->uring);
    if (c->sends)
        io_uring_prep_send(sqe, c->fd, c->data, c->len,
                           MSG_DONTWAIT | MSG_NOSIGNAL);
    else
        io_uring_prep_recv(sqe, c->fd, c->data, c->len, MSG_DONTWAIT);
    io_uring_sqe_set_data(sqe, c);
    c->result = -EAGAIN;
}

/* Takes calls back that the kernel has not taken, and answers how many. The
 * kernel looks at the queue only inside a system call. */
static unsigned ring_withdraw(struct ring *r)
{
    struct io_uring_sq *sq = &r->uring.sq;
    unsigned count = io_uring_sq_ready(&r->uring);
    sq->sqe_tail -= count;
    sq->sqe_head = sq->sqe_tail;
    __atomic_store_n(sq->ktail, sq->sqe_tail, __ATOMIC_RELEASE);
    return count;
}

/* Hears of the calls that are over, and answers how many they are. */
static unsigned ring_reap(struct ring *r)
{
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;
    io_uring_for_each_cqe(&r->uring, head, cqe)
    {
        struct asynchat_batch_call *c = io_uring_cqe_get_data(cqe);
        c->result = cqe->res;
        count++;
    }
    io_uring_cq_advance(&r->uring, count);
    return count;
}

/* Whether the kernel has refused the calls that it has not taken. */
static bool ring_refused(const struct ring *r, int result)
{
    return result < 0 && result != -EINTR && io_uring_sq_ready(&r->uring) > 0;
}

/* A run has ended in which the kernel has made `made` calls, and refused others
 * by the error, if it is not 0. */
static int ring_end_run(struct ring *r, unsigned made, int error)
{
    bool for_now = error == -EAGAIN || error == -EBUSY;
    r->refusals = for_now && made == 0 ? r->refusals + 1 : 0;
    if (!for_now || r->refusals == RING_REFUSALS)
        r->error = error;
    return made == 0 ? r->error : 0;
}

/* The kernel writes into the memory of calls that it has taken, so the run
 * waits for them, whatever happens. */
static int ring_run(void *ring, struct asynchat_batch_call *calls,
                    unsigned count)
{
    struct ring *r = ring;
    unsigned over = 0;
    int result, error = 0;
    if (r->error)
        return r->error;
    for (unsigned i = 0; i < count; i++)
        ring_queue(r, &calls[i]);
    result = io_uring_submit(&r->uring);
    for (;;) {
        if (ring_refused(r, result)) {
            error = result;
            count -= ring_withdraw(r);
        }
        over += ring_reap(r);
        if (over == count)
            return ring_end_run(r, over, error);
        result = io_uring_submit_and_wait(&r->uring, count - over);
    }
}

static void ring_release(void *ring)
{
    asynchat__ring_free(ring);
}

const struct asynchat_batch_ops asynchat__ring_ops = {
    .size = sizeof asynchat__ring_ops,
    .run = ring_run,
    .release = ring_release,
};

/* --- its life --- */

/* An older kernel refuses the newer flags: Linux 6.1 has the first ones, and
 * 5.19 the second ones. */
static int ring_open(struct ring *r)
{
    static const unsigned flags[] = {
        IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER |
            IORING_SETUP_DEFER_TASKRUN,
        IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN, 0};
    int error = -EINVAL;
    for (unsigned i = 0; i < 3 && error == -EINVAL; i++) {
        struct io_uring_params params = {.flags = flags[i]};
        error = io_uring_queue_init_params(RING_MOST, &r->uring, &params);
    }
    return error;
}

/* Linux 5.6 has both operations. */
static bool ring_can_call(struct ring *r)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(&r->uring);
    bool can = probe && io_uring_opcode_supported(probe, IORING_OP_RECV) &&
               io_uring_opcode_supported(probe, IORING_OP_SEND);
    io_uring_free_probe(probe);
    return can;
}

/* What an error of io_uring_setup(2) means. */
static int ring_explain(int error, const char **text)
{
    *text = NULL;
    if (error == -ENOSYS)
        *text = "the kernel has no io_uring";
    else if (error == -EPERM || error == -EACCES)
        *text = "io_uring is forbidden, by seccomp or by "
                "kernel.io_uring_disabled";
    else if (error == -EINVAL)
        *text = "the kernel's io_uring is too old";
    return *text ? -ENOTSUP : error;
}

/* The descriptor is not registered with the thread: in a child or in another
 * thread, its number there could be that of another ring. */
static int ring_make(struct ring *r, const char **text)
{
    int error = ring_open(r);
    if (error < 0)
        return ring_explain(error, text);
    if (!ring_can_call(r)) {
        io_uring_queue_exit(&r->uring);
        return ring_explain(-EINVAL, text);
    }
    return 0;
}

int asynchat__ring_new(struct ring **out, const char **text)
{
    struct ring *r = calloc(1, sizeof *r);
    *text = NULL;
    if (!r)
        return -ENOMEM;
    int error = ring_make(r, text);
    if (error < 0)
        free(r);
    else
        *out = r;
    return error;
}

void asynchat__ring_free(struct ring *r)
{
    if (r)
        io_uring_queue_exit(&r->uring);
    free(r);
}
