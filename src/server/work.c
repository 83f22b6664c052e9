/* Work for a thread, with an answer in the loop of a channel. The memory of the
 * post that brings the work also brings the answer, so this cannot fail for
 * want of memory.
 *
 * Tested by tests/test_work.c. SPDX-License-Identifier: BSD-3-Clause */
#include "server/workers.h"

#include <errno.h>

#include <asynchat/post.h>

#include "base/memory.h"
#include "channel/post.h"
#include "loop/mailbox.h"

struct work {
    struct post post;
    uint64_t id;          /* of the channel */
    atomic_uint *waiting; /* the worker's count */
    void (*work)(void *arg);
    void (*done)(struct asynchat_channel *ch, void *arg);
    void *arg;
};

/* In the loop of the channel. The memory is freed first, since the function may
 * do anything. */
static void work_told(struct post *post, struct mailbox *mailbox)
{
    struct work it = *(struct work *)post;
    if (!mailbox)
        return;
    asynchat__free(post);
    it.done(asynchat__post_find(mailbox, it.id), it.arg);
}

/* In the worker. If there is no loop any more to tell it to, this thread is
 * told. */
/* cppcheck-suppress constParameter; it has the type of a posted function */
static void work_run(struct post *post, struct mailbox *mailbox)
{
    struct work *w = (struct work *)post, it = *w;
    if (!mailbox)
        return;
    it.work(it.arg);
    atomic_fetch_sub(it.waiting, 1);
    post->run = work_told;
    if (it.done && asynchat__mailbox_post(it.id, post) == 0)
        return;
    asynchat__free(w);
    if (it.done)
        it.done(NULL, it.arg);
}

/* Has the worker that has least to do run this. */
static int work_give(struct asynchat_workers *workers, struct work *w)
{
    uint64_t worker = asynchat__workers_idlest(workers, &w->waiting);
    if (atomic_fetch_add(w->waiting, 1) >= ASYNCHAT_WORK_MOST) {
        atomic_fetch_sub(w->waiting, 1);
        return -EAGAIN;
    }
    int error = asynchat__mailbox_post(worker, &w->post);
    if (error)
        atomic_fetch_sub(w->waiting, 1);
    return error;
}

int asynchat_workers_run(struct asynchat_workers *workers,
                         struct asynchat_channel *ch, void (*work)(void *arg),
                         void (*done)(struct asynchat_channel *ch, void *arg),
                         void *arg)
{
    if (!workers || !work || (done && !ch))
        return -EINVAL;
    uint64_t id = done ? asynchat_get_id(ch) : 0;
    struct work *w = done && id == 0 ? NULL : asynchat__malloc(sizeof *w);
    if (!w)
        return -ENOMEM;
    *w = (struct work){.id = id, .work = work, .done = done, .arg = arg};
    w->post.run = work_run;
    int error = work_give(workers, w);
    if (error)
        asynchat__free(w);
    return error;
}
