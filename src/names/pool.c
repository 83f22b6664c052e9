/* The threads of look-ups.
 *
 * A thread in getaddrinfo(3) cannot be stopped, and may hang there for a
 * minute. So threads are detached, nobody waits for one, and whatever a thread
 * touches stays until the thread has let go of it.
 *
 * At most `most` jobs run that are young. A job that takes longer does not
 * count any more, so names that hang keep the others waiting for a moment only.
 * Nobody but those that wait has to notice that a job has become old, so no
 * thread watches: the loops of those that wait call asynchat__pool_review().
 *
 * Tested by tests/test_lookup.c. SPDX-License-Identifier: BSD-3-Clause */
#include "names/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include <asynchat/resolver.h>

#include "base/thread.h"
#include "loop/timer.h"

/* How long a thread waits for work before it ends, in seconds. */
#define POOL_REST 5

/* Modules of the system's resolver run on this. A program's default for stacks
 * may be too small, see RLIMIT_STACK. */
#define POOL_STACK ((size_t)512 * 1024)

/* Invariants: `lock` guards all of it. `idle` of the threads wait for work, or
 * are about to look for it. Jobs that wait are in the order in which they
 * came. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct job *waiting, **last;
    struct job *running;
    unsigned threads, idle, most;
} pool = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .last = &pool.waiting,
    .most = 2,
};

void asynchat__pool_lock(void)
{
    pthread_mutex_lock(&pool.lock);
}

void asynchat__pool_unlock(void)
{
    pthread_mutex_unlock(&pool.lock);
}

/* --- the lists --- */

static void job_link(struct job *job, struct job **at, enum job_state state)
{
    job->state = state;
    job->at = at;
    job->next = *at;
    if (job->next)
        job->next->at = &job->next;
    else if (state == JOB_WAITS)
        pool.last = &job->next;
    *at = job;
}

static void job_unlink(struct job *job)
{
    *job->at = job->next;
    if (job->next)
        job->next->at = job->at;
    else if (job->state == JOB_WAITS)
        pool.last = job->at;
    job->state = JOB_IDLE;
}

/* How long the job will still count. */
static uint32_t job_youth(const struct job *job, uint32_t now)
{
    uint32_t age = now - job->began;
    return age < POOL_YOUNG ? POOL_YOUNG - age : 0;
}

static unsigned pool_young(uint32_t now, uint32_t *least)
{
    unsigned count = 0;
    *least = POOL_YOUNG;
    for (const struct job *job = pool.running; job; job = job->next) {
        uint32_t youth = job_youth(job, now);
        if (youth > 0 && youth < *least)
            *least = youth;
        count += youth > 0;
    }
    return count;
}

/* --- a thread --- */

/* The next job, unless as many run as may. */
static struct job *pool_take(void)
{
    uint32_t now = time_of_system(), least;
    struct job *job = pool.waiting;
    if (!job || pool_young(now, &least) >= pool.most)
        return NULL;
    job_unlink(job);
    job_link(job, &pool.running, JOB_RUNS);
    job->began = now;
    return job;
}

static void pool_do(struct job *job)
{
    pool.idle--;
    pthread_mutex_unlock(&pool.lock);
    job->run(job);
    pthread_mutex_lock(&pool.lock);
    pool.idle++;
    job_unlink(job);
    job->done(job);
}

/* False: no work has come for a long time. */
static bool pool_rest(void)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += POOL_REST;
    return pthread_cond_timedwait(&pool.work, &pool.lock, &until) != ETIMEDOUT;
}

/* A thread that ends looks for work once more, since work may have come as its
 * time was over. */
static void *pool_thread(void *arg)
{
    struct job *job;
    bool rested = true;
    pthread_mutex_lock(&pool.lock);
    while ((job = pool_take()) || rested) {
        if (job)
            pool_do(job);
        rested = job || pool_rest();
    }
    pool.idle--;
    pool.threads--;
    pthread_mutex_unlock(&pool.lock);
    return arg;
}

/* The thread counts as idle until it has found work. */
static int pool_grow(void)
{
    int error = asynchat__thread_detached(POOL_STACK, pool_thread, NULL);
    if (error)
        return error;
    pool.threads++;
    pool.idle++;
    return 0;
}

/* --- all threads --- */

static unsigned pool_waiting(unsigned most)
{
    unsigned count = 0;
    for (const struct job *job = pool.waiting; job && count < most;
         job = job->next)
        count++;
    return count;
}

/* Has as many threads look for work as may find some. 0, or why none was
 * made. */
static int pool_serve(unsigned may)
{
    int error = 0;
    unsigned needed = pool_waiting(may);
    if (needed > 0 && pool.idle > 0)
        pthread_cond_broadcast(&pool.work);
    while (!error && pool.idle < needed && pool.threads < POOL_MOST)
        error = pool_grow();
    return error;
}

int asynchat__pool_add(struct job *job)
{
    uint32_t least;
    unsigned young = pool_young(time_of_system(), &least);
    job_link(job, pool.last, JOB_WAITS);
    int error = pool_serve(young < pool.most ? pool.most - young : 0);
    if (!error || pool.threads > 0)
        return 0;
    job_unlink(job);
    return error;
}

void asynchat__pool_drop(struct job *job)
{
    job_unlink(job);
}

uint32_t asynchat__pool_review(void)
{
    uint32_t least;
    if (!pool.waiting)
        return UINT32_MAX;
    unsigned young = pool_young(time_of_system(), &least);
    (void)pool_serve(young < pool.most ? pool.most - young : 0);
    return least;
}

int asynchat_set_lookup_threads(unsigned most)
{
    if (most == 0 || most > POOL_MOST)
        return -EINVAL;
    pthread_mutex_lock(&pool.lock);
    pool.most = most;
    pthread_mutex_unlock(&pool.lock);
    return 0;
}

/* --- fork --- */

static void pool_begin(void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&pool.work, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* The child has no threads. Its jobs are idle, and whoever still wants one adds
 * it again: those that only the parent's other threads want are left alone. */
static void pool_inherit(void)
{
    while (pool.waiting)
        job_unlink(pool.waiting);
    while (pool.running)
        job_unlink(pool.running);
    pool.threads = pool.idle = 0;
    pool_begin();
    pthread_mutex_unlock(&pool.lock);
}

static int pool_error;

static void pool_expect(void)
{
    pool_begin();
    pool_error = -pthread_atfork(asynchat__pool_lock, asynchat__pool_unlock,
                                 pool_inherit);
}

int asynchat__pool_ready(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, pool_expect);
    return pool_error;
}
