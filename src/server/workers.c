/* Workers: threads with a loop each.
 *
 * The thread that makes the workers starts them one after the other, and each
 * waits when it has started. Then all of them go on: they serve, or they end if
 * one of them failed to start. A worker ends in the same way in both cases.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/workers.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include <event2/event.h>

#include <asynchat/error.h>

#include "base/fork.h"
#include "base/memory.h"
#include "base/table.h"
#include "base/thread.h"
#include "channel/object.h"
#include "channel/calls/options.h"
#include "channel/calls/proxy.h"
#include "channel/post.h"
#include "loop/base.h"
#include "loop/batch.h"
#include "loop/loop.h"
#include "loop/mailbox.h"

/* One worker. The thread that makes the workers writes `all`, `index`, `thread`
 * and `end`; the worker writes the others while it starts, and then nobody
 * does. */
struct worker {
    /* The workers that this one belongs to. */
    struct asynchat_workers *all;
    /* The number of the worker, by which the program knows it. */
    unsigned index;
    pthread_t thread;
    /* The event base that the thread runs. */
    struct event_base *base;
    /* The loop of that base, with the mailbox that `id` is for. */
    struct loop *loop;
    /* The number by which other threads post to the worker. */
    uint64_t id;
    /* The post that ends the worker. It is a field, so that ending needs no
     * memory. */
    struct post end;
    /* How many pieces of work it was given and has not done. Any thread. */
    atomic_uint waiting;
};

/* What the workers that have started are told to do. */
enum word { WORKERS_WAIT, WORKERS_SERVE, WORKERS_END };

/* Invariants: `lock` guards `started`, `error` and `word`. Nothing else changes
 * once the workers serve. */
struct asynchat_workers {
    const struct asynchat_worker_ops *ops;
    void *arg;
    /* How many threads there are. */
    unsigned count;
    /* How many forks there were when the workers were made: see base/fork.h. A
     * child has no workers. */
    unsigned forks;
    pthread_mutex_t lock;
    /* `started` or `word` has changed. */
    pthread_cond_t changed;
    /* How many threads have tried to start. */
    unsigned started;
    /* Why the last thread that has tried to start failed, or 0. */
    int error;
    enum word word;
    struct worker workers[];
};

/* The worker that this thread is, or NULL. */
static _Thread_local const struct worker *self;

_Static_assert(sizeof(struct asynchat_worker_ops) == 3 * sizeof(void *),
               "asynchat_worker_ops has padding");

/* --- a worker begins --- */

static int worker_make(struct worker *w)
{
    int error = asynchat__base_new(&w->base);
    if (error)
        return error;
    w->loop = asynchat__loop_share(w->base);
    if (!w->loop)
        return -ENOMEM;
    asynchat__loop_own(w->loop);
    error = asynchat__loop_need_mailbox(w->loop);
    if (error)
        return error;
    w->id = asynchat__mailbox_give_id(w->loop->mailbox);
    w->loop->mailbox->everyone = true;
    return 0;
}

static int worker_start(struct worker *w)
{
    const struct asynchat_workers *all = w->all;
    int error = worker_make(w);
    if (!error && all->ops->start)
        error = all->ops->start(w->base, w->index, all->arg);
    return error;
}

/* Reports how the start went, and waits for the word of the thread that makes
 * the workers. True: the worker is to serve. */
static bool worker_report(const struct worker *w, int error)
{
    struct asynchat_workers *all = w->all;
    pthread_mutex_lock(&all->lock);
    all->started++;
    all->error = error;
    pthread_cond_broadcast(&all->changed);
    while (all->word == WORKERS_WAIT)
        pthread_cond_wait(&all->changed, &all->lock);
    bool serve = all->word == WORKERS_SERVE;
    pthread_mutex_unlock(&all->lock);
    return serve;
}

/* --- a worker ends --- */

static void end_run(struct post *post, struct mailbox *mailbox)
{
    (void)post;
    if (!mailbox)
        return;
    mailbox->over = true;
    event_base_loopbreak(mailbox->base);
}

/* If a callback of the program breaks the loop, the loop is entered again. */
static void worker_serve(const struct worker *w)
{
    int result = 0;
    while (!w->loop->mailbox->over && result >= 0)
        result = event_base_dispatch(w->base);
}

/* In a first pass the channels that were just made get their handle_connect.
 * Then all are closed, and each gets its handle_close from the loop, which the
 * mailbox keeps running. If the loop fails, the channels that are left get no
 * handle_close. */
static void worker_close_channels(const struct worker *w)
{
    struct mailbox *mailbox = w->loop->mailbox;
    struct asynchat_channel *ch;
    size_t place = 0;
    int result = 0;
    event_base_loop(w->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    while ((ch = asynchat__post_channel(mailbox, &place)))
        asynchat_close(ch);
    while (mailbox->channels.count > 0 && result >= 0)
        result = event_base_loop(w->base, EVLOOP_ONCE);
    for (place = 0; (ch = asynchat__post_channel(mailbox, &place)); place = 0)
        asynchat_channel_free(ch);
}

static void worker_close(const struct worker *w, bool started)
{
    const struct asynchat_workers *all = w->all;
    w->loop->mailbox->over = true;
    if (started && all->ops->stop)
        all->ops->stop(w->base, w->index, all->arg);
    asynchat__loop_end_guests(w->loop);
    worker_close_channels(w);
    asynchat__mailbox_free(w->loop->mailbox); /* runs the posts in it */
    w->loop->mailbox = NULL;
}

/* The worker's share of the loop is the last one: servers and channels are
 * gone, and a batch has nobody left. */
static void worker_end(const struct worker *w, bool started)
{
    if (w->loop && w->loop->mailbox)
        worker_close(w, started);
    asynchat__loop_own(NULL);
    if (w->loop) {
        asynchat__batch_drop(w->loop);
        asynchat__loop_release(w->loop);
    }
    if (w->base)
        event_base_free(w->base);
}

static void *worker_run(void *arg)
{
    struct worker *w = arg;
    self = w;
    int error = worker_start(w);
    if (worker_report(w, error))
        worker_serve(w);
    worker_end(w, !error);
    return NULL;
}

/* --- all workers --- */

/* Starts one worker more, and waits until it has tried. */
static int workers_start_one(struct asynchat_workers *all)
{
    struct worker *w = &all->workers[all->count];
    w->all = all;
    w->index = all->count;
    w->end.run = end_run;
    int error = asynchat__thread_new(&w->thread, worker_run, w);
    if (error)
        return error;
    all->count++;
    pthread_mutex_lock(&all->lock);
    while (all->started < all->count)
        pthread_cond_wait(&all->changed, &all->lock);
    error = all->error;
    pthread_mutex_unlock(&all->lock);
    return error;
}

static void workers_tell(struct asynchat_workers *all, enum word word)
{
    pthread_mutex_lock(&all->lock);
    all->word = word;
    pthread_cond_broadcast(&all->changed);
    pthread_mutex_unlock(&all->lock);
}

static void workers_join(struct asynchat_workers *all)
{
    for (unsigned i = 0; i < all->count; i++)
        pthread_join(all->workers[i].thread, NULL);
    pthread_cond_destroy(&all->changed);
    pthread_mutex_destroy(&all->lock);
    asynchat__free(all);
}

static struct asynchat_workers *workers_make(
    unsigned count, const struct asynchat_worker_ops *ops, void *arg)
{
    static const struct asynchat_worker_ops none = {.size = sizeof none};
    struct asynchat_workers *all =
        asynchat__calloc(1, sizeof *all + count * sizeof all->workers[0]);
    if (!all)
        return NULL;
    all->ops = ops ? ops : &none;
    all->arg = arg;
    all->forks = asynchat__forks();
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->changed, NULL);
    return all;
}

/* *out is written before the loops begin, since their callbacks may read it. */
int asynchat_workers_new(unsigned count, const struct asynchat_worker_ops *ops,
                         void *arg, struct asynchat_workers **out)
{
    int error = 0;
    if (count == 0 || count > ASYNCHAT_WORKERS_MAX || !out)
        return -EINVAL;
    if (ops)
        error = asynchat__table_check(ops, sizeof *ops, sizeof *ops);
    if (error)
        return error;
    struct asynchat_workers *all = workers_make(count, ops, arg);
    if (!all)
        return -ENOMEM;
    while (!error && all->count < count)
        error = workers_start_one(all);
    if (error) {
        workers_tell(all, WORKERS_END);
        workers_join(all);
        return error;
    }
    *out = all;
    workers_tell(all, WORKERS_SERVE);
    return 0;
}

/* The post must arrive, so it is tried until it does. ASYNCHAT_ECLOSED: the
 * worker has ended already, because its loop failed. */
static void worker_tell_end(struct worker *w)
{
    int error;
    do
        error = asynchat__mailbox_post(w->id, &w->end);
    while (error && error != ASYNCHAT_ECLOSED);
}

int asynchat_workers_free(struct asynchat_workers *workers)
{
    if (!workers)
        return 0;
    if (self && self->all == workers)
        return -EDEADLK;
    if (workers->forks != asynchat__forks())
        return ASYNCHAT_ECLOSED;
    for (unsigned i = 0; i < workers->count; i++)
        worker_tell_end(&workers->workers[i]);
    workers_join(workers);
    return 0;
}

int asynchat_worker_index(void)
{
    return self ? (int)self->index : -1;
}

/* --- posting --- */

struct worker_post {
    struct post post;
    unsigned index;
    void (*function)(struct event_base *base, unsigned index, void *arg);
    void *arg;
};

static void worker_post_run(struct post *post, struct mailbox *mailbox)
{
    struct worker_post it = *(struct worker_post *)post;
    if (!mailbox)
        return;
    asynchat__free(post);
    it.function(mailbox->base, it.index, it.arg);
}

int asynchat_workers_post(struct asynchat_workers *workers, unsigned index,
                          void (*function)(struct event_base *base,
                                           unsigned index, void *arg),
                          void *arg)
{
    if (!workers || index >= workers->count || !function)
        return -EINVAL;
    struct worker_post *post = asynchat__malloc(sizeof *post);
    if (!post)
        return -ENOMEM;
    *post = (struct worker_post){{NULL, worker_post_run}, index, function, arg};
    int error = asynchat__mailbox_post(workers->workers[index].id, &post->post);
    if (error)
        asynchat__free(post);
    return error;
}

uint64_t asynchat__workers_idlest(struct asynchat_workers *workers,
                                  atomic_uint **waiting)
{
    struct worker *w = workers->workers, *end = w + workers->count;
    struct worker *idlest = w;
    for (; w < end; w++)
        if (atomic_load(&w->waiting) < atomic_load(&idlest->waiting))
            idlest = w;
    *waiting = &idlest->waiting;
    return idlest->id;
}

/* --- connections --- */

struct gift {
    struct post post;
    int fd;
    struct address from;
    const struct asynchat_handler *handler;
    void *arg;
    struct channel_dress dress;
};

/* In a child after fork(2) the post is dropped, and nothing is freed. */
static void gift_run(struct post *post, struct mailbox *mailbox)
{
    struct gift it = *(struct gift *)post;
    struct asynchat_channel *ch;
    if (!mailbox) {
        close(it.fd);
        return;
    }
    asynchat__free(post);
    if (asynchat__channel_socket(mailbox->base, it.fd, &it.from, it.handler,
                                 it.arg, &ch) < 0) {
        policy_leave(it.dress.proxy);
        close(it.fd);
    } else {
        asynchat__channel_begin(ch, &it.dress);
    }
    asynchat__dress_release(&it.dress);
}

int asynchat__workers_give(const struct asynchat_workers *workers,
                           unsigned turn, int fd, const struct address *from,
                           const struct asynchat_handler *handler, void *arg,
                           const struct channel_dress *dress)
{
    const struct worker *w = &workers->workers[turn % workers->count];
    int error = asynchat__base_check(w->base, fd);
    struct gift *gift = error ? NULL : asynchat__malloc(sizeof *gift);
    if (!gift)
        return error ? error : -ENOMEM;
    *gift = (struct gift){{NULL, gift_run}, fd, *from, handler, arg, *dress};
    asynchat__dress_share(dress);
    error = asynchat__mailbox_post(w->id, &gift->post);
    if (error) {
        asynchat__dress_release(dress);
        asynchat__free(gift);
    }
    return error;
}
