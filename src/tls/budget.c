/* The work of handshakes in a pass of a loop: see budget.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tls/budget.h"

#include <limits.h>
#include <time.h>

#include <event2/event.h>

/* What this thread does. All times are in nanoseconds. */
struct work {
    const struct event_base *base;
    struct timeval time; /* libevent's time of the pass */
    unsigned pass;       /* counts passes; never 0 */
    uint64_t used;       /* in this pass */
    uint64_t begun;      /* when the step under way has begun */
    unsigned handshakes; /* under way */
};

static struct work *own_work(void)
{
    static _Thread_local struct work work;
    return &work;
}

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

uint64_t asynchat__tls_now(void)
{
    return now() / 1000000;
}

/* libevent's time is that of the pass, but may be as coarse as 4
 * milliseconds. */
static bool is_another_time(struct work *work, struct event_base *base)
{
    struct timeval time;
    event_base_gettimeofday_cached(base, &time);
    bool other = work->base != base || work->time.tv_sec != time.tv_sec ||
                 work->time.tv_usec != time.tv_usec;
    work->base = base;
    work->time = time;
    return other;
}

/* A handshake that was told to wait for the next pass, and asks again, does so
 * in the next pass. The others that were told to wait are not the first
 * then. */
bool asynchat__tls_budget_left(struct event_base *base, unsigned budget,
                               unsigned *told)
{
    struct work *work = own_work();
    bool waited = *told != 0 && *told == work->pass;
    if (is_another_time(work, base) || waited) {
        work->pass += work->pass == UINT_MAX ? 2 : 1;
        work->used = 0;
    }
    bool left = work->used < budget * UINT64_C(1000);
    *told = left ? 0 : work->pass;
    return left;
}

void asynchat__tls_budget_begin(void)
{
    own_work()->begun = now();
}

void asynchat__tls_budget_end(void)
{
    struct work *work = own_work();
    work->used += now() - work->begun;
}

bool asynchat__tls_handshake_begins(unsigned most)
{
    struct work *work = own_work();
    if (work->handshakes >= most)
        return false;
    work->handshakes++;
    return true;
}

/* The program may have moved the loop to another thread meanwhile, where the
 * handshake was not counted. */
void asynchat__tls_handshake_ends(void)
{
    struct work *work = own_work();
    if (work->handshakes > 0)
        work->handshakes--;
}
