/* Timers: libevent's, or those of an event base with a clock of the program's.
 *
 * Tested by tests/test_timer.c. SPDX-License-Identifier: BSD-3-Clause */
#include "loop/timer.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>

#include <event2/event.h>

#include <asynchat/hooks.h>

#include "base/apart.h"
#include "base/memory.h"
#include "loop/loop.h"

/* The clock of an event base, and its timers.
 *
 * Invariants: `first` is in the order of `due`, and timers of the same time are
 * in the order in which they were set. `soon` has the timers that were set to
 * 0, in that order; they join the others when timers are run the next time, so
 * that timers which set each other to 0 keep nobody for ever. */
struct timers {
    struct timers *next; /* the next clock of the process */
    const struct event_base *base;
    uint64_t (*now)(void *arg);
    void *arg;
    struct timer *first, *soon;
    uint64_t at; /* the time when it was last asked for */
    bool running;
};

/* The lock is for programs that have event bases in several threads. Nobody
 * takes it as long as there are no clocks. */
static pthread_mutex_t clocks_mutex = PTHREAD_MUTEX_INITIALIZER;
_Atomic(struct timers *) asynchat__clocks;

static struct timers *clocks_find(const struct event_base *base)
{
    pthread_mutex_lock(&clocks_mutex);
    struct timers *all = asynchat__clocks;
    while (all && all->base != base)
        all = all->next;
    pthread_mutex_unlock(&clocks_mutex);
    return all;
}

static struct timers *timers_of(const struct event_base *base)
{
    return clocks_are_given() ? clocks_find(base) : NULL;
}

/* While a timer fires, its time is the time. */
static uint64_t timers_now(struct timers *all)
{
    if (all->running)
        return all->at;
    uint64_t now = all->now(all->arg);
    if (now > all->at)
        all->at = now;
    return all->at;
}

APART uint32_t asynchat__time_by_clock(const struct event_base *base)
{
    struct timers *all = clocks_find(base);
    return all ? (uint32_t)timers_now(all) : time_of_system();
}

/* --- the lists --- */

static void timer_link(struct timer *timer, struct timer **at)
{
    timer->at = at;
    timer->next = *at;
    if (timer->next)
        timer->next->at = &timer->next;
    *at = timer;
}

static void timer_unlink(struct timer *timer)
{
    if (!timer->at)
        return;
    *timer->at = timer->next;
    if (timer->next)
        timer->next->at = timer->at;
    timer->at = NULL;
}

/* Puts the timer behind all that are not later. */
static void timer_sort_in(struct timer *timer, struct timer **first)
{
    struct timer **at = first;
    while (*at && (*at)->due <= timer->due)
        at = &(*at)->next;
    timer_link(timer, at);
}

static void timer_list(struct timer *timer, uint32_t wait)
{
    struct timers *all = timer->timers;
    timer_unlink(timer);
    timer->due = timers_now(all) + wait;
    timer_sort_in(timer, wait > 0 ? &all->first : &all->soon);
}

/* --- one timer --- */

void asynchat__timer_init(struct timer *timer, struct event_base *base,
                          event_callback_fn fired, void *arg)
{
    evtimer_assign(&timer->event, base, fired, arg);
    timer->timers = timers_of(base);
}

int asynchat__timer_set(struct timer *timer, uint32_t wait)
{
    const struct timeval in = {
        .tv_sec = (time_t)(wait / 1000),
        .tv_usec = (suseconds_t)(wait % 1000) * 1000,
    };
    if (!timer->timers)
        return evtimer_add(&timer->event, &in) < 0 ? -ENOMEM : 0;
    timer_list(timer, wait);
    return 0;
}

void asynchat__timer_hurry(struct timer *timer)
{
    if (timer->timers)
        timer_list(timer, 0);
    else
        event_active(&timer->event, EV_TIMEOUT, 0);
}

bool asynchat__timer_is_set(const struct timer *timer)
{
    return timer->at || evtimer_pending(&timer->event, NULL);
}

void asynchat__timer_end(struct timer *timer)
{
    if (!event_initialized(&timer->event))
        return;
    timer_unlink(timer);
    event_del(&timer->event);
    event_debug_unassign(&timer->event);
}

/* --- running them --- */

static void timer_fire(struct timer *timer)
{
    event_callback_fn fired = event_get_callback(&timer->event);
    void *arg = event_get_callback_arg(&timer->event);
    timer_unlink(timer);
    fired(-1, EV_TIMEOUT, arg);
}

static void timers_admit(struct timers *all)
{
    struct timer *timer;
    while ((timer = all->soon)) {
        timer_unlink(timer);
        timer_sort_in(timer, &all->first);
    }
}

static void timers_fire(struct timers *all, uint64_t until)
{
    all->running = true;
    while (all->first && all->first->due <= until) {
        if (all->first->due > all->at)
            all->at = all->first->due;
        timer_fire(all->first);
    }
    all->running = false;
}

/* The milliseconds until the first timer is due, or -1. */
static int timers_wait(struct timers *all)
{
    if (all->soon)
        return 0;
    if (!all->first)
        return -1;
    uint64_t now = timers_now(all), due = all->first->due;
    uint64_t wait = due > now ? due - now : 0;
    return wait < INT_MAX ? (int)wait : INT_MAX;
}

int asynchat_run_timers(struct event_base *base)
{
    struct timers *all = timers_of(base);
    if (!all)
        return -EINVAL;
    if (all->running)
        return -EBUSY;
    uint64_t before = all->at, until = timers_now(all);
    timers_admit(all);
    all->at = before;
    timers_fire(all, until);
    return timers_wait(all);
}

/* --- a clock for an event base --- */

static int clock_give(const struct event_base *base, uint64_t (*now)(void *arg),
                      void *arg)
{
    struct timers *all = asynchat__calloc(1, sizeof *all);
    if (!all)
        return -ENOMEM;
    all->base = base;
    all->now = now;
    all->arg = arg;
    pthread_mutex_lock(&clocks_mutex);
    all->next = asynchat__clocks;
    asynchat__clocks = all;
    pthread_mutex_unlock(&clocks_mutex);
    return 0;
}

static struct timers *clock_unlink(const struct event_base *base)
{
    struct timers *all = asynchat__clocks, *before = NULL;
    while (all && all->base != base) {
        before = all;
        all = all->next;
    }
    if (before && all)
        before->next = all->next;
    else if (all)
        asynchat__clocks = all->next;
    return all;
}

static void clock_take(const struct event_base *base)
{
    pthread_mutex_lock(&clocks_mutex);
    struct timers *all = clock_unlink(base);
    pthread_mutex_unlock(&clocks_mutex);
    asynchat__free(all);
}

/* A clock that is there already is replaced. */
int asynchat_set_clock(struct event_base *base, uint64_t (*now)(void *arg),
                       void *arg)
{
    if (!base)
        return -EINVAL;
    struct timers *all = timers_of(base);
    if (asynchat__loop_exists(base) || (all && all->running))
        return -EBUSY;
    if (!now)
        clock_take(base);
    else if (!all)
        return clock_give(base, now, arg);
    else
        *all = (struct timers){all->next, base, now, arg, NULL, NULL, 0, false};
    return 0;
}
