/* Hooks: the clock and the memory of the library can be the program's own. They
 * are for simulations, and for tests: asynchat/testing.h is built on them.
 *
 *     static uint64_t now(void *arg)
 *     {
 *         return *(uint64_t *)arg;
 *     }
 *
 *     static int a_minute_later(struct event_base *base, uint64_t *time)
 *     {
 *         int error = asynchat_set_clock(base, now, time);
 *         if (error)
 *             return error;
 *         event_base_loop(base, EVLOOP_NONBLOCK);
 *         *time += 60000;
 *         return asynchat_run_timers(base); // fires what is due by then
 *     }
 *
 * A program that calls none of these functions pays nothing for them.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_HOOKS_H
#define ASYNCHAT_HOOKS_H

#include <asynchat/api.h>

ASYNCHAT_BEGIN_DECLS

/* Gives the event base a clock: `now` answers the time in milliseconds. Zero
 * may be anywhere, and a time that is before an earlier one counts as the
 * earlier one. All times of channels, servers and rates of this event base then
 * go by this clock: timeouts, connect times, linger times, handshakes, rates,
 * grace periods, and the pauses of a server without descriptors.
 *
 * libevent gets no timer from these channels and servers any more. So the
 * loop does not wake up for a time, and asynchat_run_timers() has to be called
 * between its passes. That holds for work too that a channel has put off to the
 * loop's next pass, as it does when its message budget is used up. Timers that
 * the program itself gives to libevent, and the timeouts of a bufferevent, go
 * by libevent's clock as before. So do the looks at a socket that is not read,
 * in a loop with poll or select: they ask the system, once in a second.
 *
 * If `now` is NULL, the event base gets the system's clock back. Do so before
 * the event base is freed, since another one may get its address. Borrows `arg`
 * until then. `now` is called in the thread of the event base, and may call
 * nothing of the library. Call this function before the event base has
 * channels, servers and rate groups, or after they are gone. On failure nothing
 * has changed. Errors: -EINVAL (`base` is NULL), -EBUSY (the event base has
 * channels or servers, or is a worker's), -ENOMEM. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_set_clock(
    struct event_base *base, uint64_t (*now)(void *arg), void *arg);

/* Fires the timers that are due by the clock of the event base, and returns the
 * number of milliseconds until the next one, at most INT_MAX, or -1 if no timer
 * is set. poll(2) takes this value as its timeout.
 *
 * Timers fire in the order of their times, and those of the same time in the
 * order in which they were set. While one fires, its own time is the time of
 * the library: whatever a callback sets is counted from there, and fires in
 * this call too if it is due by the end. What a channel puts off to the loop's
 * next pass meanwhile does not: then 0 is returned. Time that passes costs
 * nothing, however much it is.
 *
 * This call does not run the loop. To have input delivered first, run the loop
 * before the clock moves; to have what one timer sends arrive before the next
 * one fires, move the clock from timer to timer, by what was returned.
 *
 * Unlike all other functions of the library this one calls callbacks of
 * handlers, as the loop does. It may not be called inside a callback. Errors:
 * -EINVAL (`base` is NULL, or has no clock), -EBUSY (a timer is being fired).
 * Since 0.1. */
ASYNCHAT_API int asynchat_run_timers(struct event_base *base);

/* Sets the functions by which the library gets all of its memory: they do what
 * malloc, realloc and free do. Three times NULL stands for these, which is how
 * it begins. The functions are called by every thread that uses the library,
 * and never with a NULL to release or with a size of 0.
 *
 * To be called before anything else of the library: memory of one function must
 * not reach another. libevent has a function of its own for its memory,
 * event_set_mem_functions(); OpenSSL has CRYPTO_set_mem_functions();
 * libasynchat-framer.a, if it is linked beside the shared library, uses malloc.
 * On failure nothing has changed. Errors: -EINVAL (only some of the functions
 * are NULL), -EBUSY (the library has used memory before). Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_set_mem_functions(
    void *(*alloc)(size_t size), void *(*again)(void *old, size_t size),
    void (*release)(void *memory));

ASYNCHAT_END_DECLS

#endif
