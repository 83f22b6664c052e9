/* Answers of threads, in order
 *
 * Use this for requests that take long, each with its length in four bytes in
 * front: a pool of four threads, of asynchat_workers_new(), works on them, and
 * the peer sends more of them before it has an answer. The traps are answers
 * that overtake each other, and an answer whose channel is gone, which is not
 * worth the work. A slot has its place in the output from the moment of its
 * request, may be filled in any thread, and outlives its channel: a push of 0
 * bytes asks whether that is still there. While too many slots are open,
 * nothing more is read.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <stdlib.h>
#include <string.h>

/* Yours, in several threads: calls asynchat_slot_push(), once or more. */
void answer(struct asynchat_slot *slot, const void *data, size_t len);

struct job {
    struct asynchat_slot *slot;
    size_t len;
    char data[];
};

static void work(void *arg)
{
    struct job *job = arg;
    if (asynchat_slot_push(job->slot, "", 0) == 0) /* somebody waits */
        answer(job->slot, job->data, job->len);
    asynchat_slot_finish(job->slot);
    free(job);
}

static void request(struct asynchat_channel *ch, const void *data,
                    size_t len, void *pool)
{
    struct job *job = malloc(sizeof *job + len);
    if (!job || asynchat_reserve(ch, &job->slot)) {
        free(job);
        asynchat_close(ch);
        return;
    }
    job->len = len;
    memcpy(job->data, data, len);
    if (asynchat_workers_run(pool, NULL, work, NULL, job))
        work(job); /* here, then */
}

static void start(struct asynchat_channel *ch, void *pool)
{
    static const struct asynchat_prefix head = {sizeof head, .bytes = 4};
    if (asynchat_set_framing(ch, asynchat_framing_prefix(&head)))
        asynchat_close(ch);
}

const struct asynchat_handler ordered_answers = {
    sizeof ordered_answers, .handle_connect = start, .message = request};
