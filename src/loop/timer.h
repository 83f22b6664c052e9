/* Timers: the only way to one, for everybody in the library.
 *
 * A timer is libevent's, unless the program has given the event base a clock.
 * libevent's clock cannot be moved, so the timers of such an event base lie in
 * a list, and asynchat_run_timers() fires them.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TIMER_H
#define ASYNCHAT_TIMER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <event2/event.h>
#include <event2/event_struct.h>

struct event_base;
struct timers;

/* Invariant: if there are `timers`, the event has no timeout, and the timer is
 * set while `at` is not NULL. */
struct timer {
    struct event event;
    struct timers *timers; /* of the event base with a clock; or NULL */
    struct timer *next, **at;
    uint64_t due;
};

/* Prepares memory that is all zero. The timer has no time yet. When it fires,
 * `fired` is called as libevent calls it. */
void asynchat__timer_init(struct timer *timer, struct event_base *base,
                          event_callback_fn fired, void *arg);

/* Sets the timer to fire once, in that many milliseconds, in place of what it
 * was set to. With 0 it fires after everything that is ready in the next pass
 * of the loop. 0; or -ENOMEM, which cannot be while it is set. */
int asynchat__timer_set(struct timer *timer, uint32_t wait);

/* Has the timer fire as soon as possible, in place of what it was set to. Needs
 * no memory. */
void asynchat__timer_hurry(struct timer *timer);

/* Whether the timer is set, and has not fired. */
bool asynchat__timer_is_set(const struct timer *timer);

/* Ends the timer; allowed for memory that is all zero. */
void asynchat__timer_end(struct timer *timer);

/* The event by which one can see that the event base is there for as long as
 * the timer is set; or NULL. */
static inline const struct event *timer_witness(const struct timer *timer)
{
    return timer->timers ? NULL : &timer->event;
}

/* --- the time, in milliseconds of a clock that wraps --- */

/* The clocks that programs have given to event bases; mostly NULL. */
extern _Atomic(struct timers *) asynchat__clocks;

static inline bool clocks_are_given(void)
{
    return __builtin_expect(
        atomic_load_explicit(&asynchat__clocks, memory_order_relaxed) != NULL,
        0);
}

/* The time of the system. */
static inline uint32_t time_of_system(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint32_t)now.tv_sec * 1000 + (uint32_t)now.tv_nsec / 1000000;
}

/* The time of an event base that may have a clock. */
uint32_t asynchat__time_by_clock(const struct event_base *base);

static inline uint32_t time_of_base(const struct event_base *base)
{
    return clocks_are_given() ? asynchat__time_by_clock(base)
                              : time_of_system();
}

#endif
