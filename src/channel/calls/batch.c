/* Batches: the sockets of a loop receive together, and send together.
 *
 * Tested by tests/test_batch.c. SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/batch.h>

#include <errno.h>

#include "base/table.h"
#include "channel/object.h"
#include "loop/loop.h"
#include "transport/batched.h"

/* Output that is there again goes the long way. So does output that waits for
 * what was put off, and nobody else wakes the channel for it. */
static void batch_moved(struct transport *t, bool again)
{
    struct asynchat_channel *ch = (struct asynchat_channel *)t;
    if (again)
        channel_out_busy(ch);
    if (ch->out.way == WAY_LONG)
        asynchat__channel_wake(ch);
}

static const struct batch_user channels = {
    .ops = &asynchat__batched_ops,
    .readable = asynchat__batched_readable,
    .serve = asynchat__batched_serve,
    .sent = asynchat__batched_sent,
    .moved = batch_moved,
};

int asynchat_set_batch(struct event_base *base,
                       const struct asynchat_batch_ops *ops, void *ring)
{
    int error = base ? 0 : -EINVAL;
    if (!error && ops)
        error = asynchat__table_check(
            ops, TABLE_SIZE(struct asynchat_batch_ops, release), sizeof *ops);
    if (error || (ops && !ops->run))
        return error ? error : -EINVAL;
    struct loop *loop = asynchat__loop_share(base);
    if (!loop)
        return -ENOMEM;
    error = asynchat__batch_set(loop, &channels, ops, ring);
    asynchat__loop_release(loop);
    return error;
}
