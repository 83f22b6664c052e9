/* Answers of threads, in order
 *
 * Use this for requests that take long, each with its length in four bytes in
 * front: a pool of threads works on them, and the peer sends more of them
 * before it has an answer. The traps are answers that overtake each other, and
 * an answer whose channel is gone. A slot has its place in the output from the
 * moment of its request, may be filled in any thread, and outlives its
 * channel. While too many slots are open, nothing more is read.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <stdlib.h>
#include <string.h>

void answer(void *data, size_t len); /* yours, in several threads */

enum { THREADS = 4 }; /* of asynchat_workers_new() */
static const struct asynchat_prefix prefix = {sizeof prefix, .bytes = 4};

struct job {
    struct asynchat_slot *slot;
    size_t len;
    char head[4], data[];
};

static void work(struct event_base *base, unsigned thread, void *arg)
{
    struct job *job = arg;
    answer(job->data, job->len);
    asynchat_slot_push(job->slot, job->head, sizeof job->head);
    asynchat_slot_push(job->slot, job->data, job->len);
    asynchat_slot_finish(job->slot);
    free(job);
}

static void request(struct asynchat_channel *ch, const void *data,
                    size_t len, void *pool)
{
    static unsigned turn;
    struct job *job = malloc(sizeof *job + len);
    if (!job || asynchat_prefix_write(&prefix, len, job->head) ||
        asynchat_reserve(ch, &job->slot)) {
        free(job);
        asynchat_close(ch);
        return;
    }
    job->len = len;
    memcpy(job->data, data, len);
    if (asynchat_workers_post(pool, turn++ % THREADS, work, job))
        work(NULL, 0, job); /* here, then */
}

static void start(struct asynchat_channel *ch, void *pool)
{
    if (asynchat_set_framing(ch, asynchat_framing_prefix(&prefix)))
        asynchat_close(ch);
}

const struct asynchat_handler ordered_answers = {
    .size = sizeof ordered_answers,
    .handle_connect = start,
    .message = request,
};
