/* Each event base of a test program has a clock of its own: the linker's --wrap
 * leads to these functions. So tests of times run a second time, with timers of
 * the library in place of libevent's. The clock is the one that the program has
 * anyway, which is a test's own too.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <time.h>

#include <event2/event.h>

#include <asynchat/hooks.h>

struct event_base *__real_event_base_new(void);
void __real_event_base_free(struct event_base *base);
int __real_event_base_loop(struct event_base *base, int flags);
struct event_base *__wrap_event_base_new(void);
void __wrap_event_base_free(struct event_base *base);
int __wrap_event_base_loop(struct event_base *base, int flags);

static uint64_t clock_of_program(void *arg)
{
    struct timespec now;
    (void)arg;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct event_base *__wrap_event_base_new(void)
{
    struct event_base *base = __real_event_base_new();
    if (base)
        (void)!asynchat_set_clock(base, clock_of_program, NULL);
    return base;
}

/* A test may leave channels behind, whose timers stay then. */
void __wrap_event_base_free(struct event_base *base)
{
    (void)!asynchat_set_clock(base, NULL, NULL);
    __real_event_base_free(base);
}

int __wrap_event_base_loop(struct event_base *base, int flags)
{
    int result = __real_event_base_loop(base, flags);
    asynchat_run_timers(base);
    return result;
}
