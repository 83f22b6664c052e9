/* The work of handshakes in a pass of a loop: see budget.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tls/budget.h"

#include <time.h>

#include <event2/event.h>

/* What this thread does. All times are in nanoseconds. */
struct work {
    const struct event_base *base;
    struct timeval
        pass;       /* libevent's time of the pass; each pass has another */
    uint64_t used;  /* in this pass */
    uint64_t begun; /* when the step under way has begun */
    unsigned handshakes; /* under way */
};

static _Thread_local struct work work;

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

bool asynchat__tls_budget_left(struct event_base *base, unsigned budget)
{
    struct timeval pass;
    event_base_gettimeofday_cached(base, &pass);
    if (work.base != base || work.pass.tv_sec != pass.tv_sec ||
        work.pass.tv_usec != pass.tv_usec) {
        work.base = base;
        work.pass = pass;
        work.used = 0;
    }
    return work.used < budget * UINT64_C(1000);
}

void asynchat__tls_budget_begin(void)
{
    work.begun = now();
}

void asynchat__tls_budget_end(void)
{
    work.used += now() - work.begun;
}

bool asynchat__tls_handshake_begins(unsigned most)
{
    if (work.handshakes >= most)
        return false;
    work.handshakes++;
    return true;
}

void asynchat__tls_handshake_ends(void)
{
    work.handshakes--;
}
