/* Work for workers, whose answer comes in the loop of a channel.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <event2/event.h>

/* What a work does, and what became of it. */
struct job {
    pthread_mutex_t *waits; /* or NULL */
    int worker;             /* where it was done, or -1 */
    atomic_int done;        /* how often */
    bool gone;              /* without the channel */
    pthread_t told;
    struct asynchat_slot *slot;
};

static struct asynchat_workers *workers;

static void work(void *arg)
{
    struct job *job = arg;
    if (job->waits) {
        pthread_mutex_lock(job->waits);
        pthread_mutex_unlock(job->waits);
    }
    job->worker = asynchat_worker_index();
}

static void done(struct asynchat_channel *ch, void *arg)
{
    struct job *job = arg;
    job->gone = !ch;
    job->told = pthread_self();
    if (ch)
        asynchat_push(ch, "done", 4);
    job->done++;
}

static struct fixture *begin(void **state, unsigned count)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_workers_new(count, NULL, NULL, &workers), 0);
    return f;
}

static void run(struct fixture *f, struct job *job)
{
    job->worker = -1;
    assert_int_equal(asynchat_workers_run(workers, f->ch, work, done, job), 0);
}

static void run_until_done(struct fixture *f, struct job *job)
{
    while (job->done == 0)
        event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void it_is_done_in_a_worker_and_told_in_the_loop(void **state)
{
    struct job job = {.gone = true};
    struct fixture *f = begin(state, 2);
    run(f, &job);
    run_until_done(f, &job);
    settle(f);
    assert_true(job.worker >= 0);
    assert_false(job.gone);
    assert_true(pthread_equal(job.told, pthread_self()));
    assert_int_equal(job.done, 1);
    expect_got(f, "done");
    assert_int_equal(asynchat_workers_free(workers), 0);
}

/* Each of the workers is kept busy, so each gets one. */
static void the_one_with_least_work_gets_it(void **state)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct job jobs[6] = {{.waits = &lock}, {.waits = &lock}, {.waits = &lock}};
    struct fixture *f = begin(state, 3);
    int count[3] = {0};
    pthread_mutex_lock(&lock);
    for (int i = 0; i < 6; i++)
        run(f, &jobs[i]);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < 6; i++) {
        run_until_done(f, &jobs[i]);
        count[jobs[i].worker]++;
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(count[i], 2);
    assert_int_equal(asynchat_workers_free(workers), 0);
}

static void too_much_of_it_is_refused(void **state)
{
    static struct job jobs[2 * ASYNCHAT_WORK_MOST];
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct fixture *f = begin(state, 2);
    memset(jobs, 0, sizeof jobs);
    jobs[0].waits = jobs[1].waits = &lock;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < 2 * ASYNCHAT_WORK_MOST; i++)
        run(f, &jobs[i]);
    assert_int_equal(asynchat_workers_run(workers, f->ch, work, done, &jobs[0]),
                     -EAGAIN);
    pthread_mutex_unlock(&lock);
    run_until_done(f, &jobs[0]);
    assert_int_equal(asynchat_workers_free(workers), 0); /* the rest is done */
    for (int i = 0; i < 2 * ASYNCHAT_WORK_MOST; i++)
        run_until_done(f, &jobs[i]);
}

/* First the channel goes, and then its loop. */
static void without_the_channel_it_is_told_as_well(void **state)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct job one = {.waits = &lock}, other = {.waits = &lock};
    struct fixture *f = begin(state, 1);
    struct asynchat_channel *rest[2];
    assert_int_equal(asynchat_pair_new(f->base,
                                       (const struct asynchat_handler *const[]){
                                           &recorder, &recorder},
                                       (void *const[]){f, f}, rest),
                     0);
    pthread_mutex_lock(&lock);
    run(f, &one);
    close_connection(f);
    pthread_mutex_unlock(&lock);
    run_until_done(f, &one);
    assert_true(one.gone);
    assert_true(pthread_equal(one.told, pthread_self()));
    pthread_mutex_lock(&lock);
    assert_int_equal(asynchat_workers_run(workers, rest[0], work, done, &other),
                     0);
    asynchat_channel_free(rest[0]);
    asynchat_channel_free(rest[1]);
    f->ch = NULL; /* the recorder had noted one of them */
    pthread_mutex_unlock(&lock);
    assert_int_equal(asynchat_workers_free(workers), 0);
    assert_int_equal(other.done, 1);
    assert_true(other.gone);
    assert_false(pthread_equal(other.told, pthread_self()));
}

static void fill(void *arg)
{
    struct job *job = arg;
    asynchat_slot_push(job->slot, "slot", 4);
    asynchat_slot_finish(job->slot);
}

static void it_may_be_told_nowhere(void **state)
{
    struct job job = {0};
    struct fixture *f = begin(state, 1);
    assert_int_equal(asynchat_reserve(f->ch, &job.slot), 0);
    assert_int_equal(asynchat_workers_run(workers, NULL, fill, NULL, &job), 0);
    assert_int_equal(asynchat_workers_free(workers), 0);
    settle(f);
    expect_got(f, "slot");
}

static void what_cannot_be_is_refused(void **state)
{
    struct job job = {0};
    struct fixture *f = begin(state, 1);
    assert_int_equal(asynchat_workers_run(NULL, f->ch, work, done, &job),
                     -EINVAL);
    assert_int_equal(asynchat_workers_run(workers, NULL, work, done, &job),
                     -EINVAL);
    assert_int_equal(asynchat_workers_run(workers, f->ch, NULL, done, &job),
                     -EINVAL);
    assert_int_equal(asynchat_workers_free(workers), 0);
    assert_int_equal(job.done, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_ALL(it_is_done_in_a_worker_and_told_in_the_loop),
        OVER(PAIR, the_one_with_least_work_gets_it),
        OVER(PAIR, too_much_of_it_is_refused),
        OVER(SOCKETPAIR, without_the_channel_it_is_told_as_well),
        OVER_ALL(it_may_be_told_nowhere),
        OVER(PAIR, what_cannot_be_is_refused),
    };
    return RUN(tests);
}
