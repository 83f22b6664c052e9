/* Rings for event bases, and for workers.
 *
 * Tested by tests/uring/test_uring.c. SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/uring.h>

#include <errno.h>
#include <stddef.h>

#include <asynchat/error.h>
#include <asynchat/log.h>

#include "uring/ring.h"

/* Logs why there is no ring. Answers the error. */
static int uring_fail(int error, const char *text)
{
    const struct asynchat_log_record record = {
        .size = sizeof record,
        .level = ASYNCHAT_LOG_WARNING,
        .event = ASYNCHAT_LOG_BATCH,
        .peer = "io_uring",
        .code = error,
        .text = text ? text : asynchat_strerror(error),
    };
    asynchat_log(&record);
    return error;
}

static int uring_new(struct ring **out)
{
    const char *text;
    int error = asynchat__ring_new(out, &text);
    return error < 0 ? uring_fail(error, text) : 0;
}

int asynchat_uring_use(struct event_base *base)
{
    struct ring *r;
    if (!base)
        return -EINVAL;
    int error = uring_new(&r);
    if (error < 0)
        return error;
    error = asynchat_set_batch(base, &asynchat__ring_ops, r);
    if (error < 0) {
        asynchat__ring_free(r);
        uring_fail(error, NULL);
    }
    return error;
}

static void uring_worker(struct event_base *base, unsigned index, void *arg)
{
    (void)index;
    (void)arg;
    asynchat_uring_use(base);
}

/* There is no worker behind the last one. */
int asynchat_uring_use_workers(struct asynchat_workers *workers)
{
    struct ring *r;
    unsigned count = 0;
    if (!workers)
        return -EINVAL;
    int error = uring_new(&r);
    if (error < 0)
        return error;
    asynchat__ring_free(r);
    while (!error)
        error = asynchat_workers_post(workers, count++, uring_worker, NULL);
    return error == -EINVAL && count > 1 ? 0 : error;
}
