/* The loop and the clock of tests, and which test has which channel.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "testing/test.h"

#include <stdlib.h>

#include <event2/event.h>

#include <asynchat/hooks.h>

#include "testing/alloc.h"

/* After so many passes of the loop it will not come to rest any more. */
#define PASSES 100000

/* --- all tests, the newest first --- */

static struct asynchat_test *tests;

struct asynchat_test *asynchat__test_new(struct world *w)
{
    struct asynchat_test *t = asynchat__testing_memory(sizeof *t);
    t->world = w;
    t->number = w->made++;
    t->next = tests;
    w->tests++;
    tests = t;
    return t;
}

void asynchat__test_unlink(struct asynchat_test *t)
{
    struct asynchat_test **at = &tests;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    t->world->tests--;
}

struct asynchat_test *asynchat__test_of(const struct asynchat_channel *ch)
{
    struct asynchat_test *t = tests;
    while (t && t->near != ch)
        t = t->next;
    if (!t) {
        asynchat__fail_at(asynchat__fail_file(), asynchat__fail_line(),
                          "a callback was called for a channel that is gone");
        abort();
    }
    return t;
}

struct asynchat_test *asynchat__test_in(const struct run *run)
{
    struct asynchat_test *t = tests;
    while (t && t->world->run != run)
        t = t->next;
    return t;
}

/* --- the loop and its clock --- */

static uint64_t world_now(void *arg)
{
    return ((struct world *)arg)->now;
}

static void world_lack(void)
{
    asynchat__fail_at(asynchat__fail_file(), asynchat__fail_line(),
                      "there is no memory for a test");
    abort();
}

/* Ends a pass of the loop: a timer comes behind all that is ready. */
static void world_break(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(((struct world *)arg)->base);
}

/* One pass of libevent's loop, which would go on as long as something is ready.
 * True: nothing was there to do. */
static bool world_pass(struct world *w)
{
    const struct timeval none = {0, 0};
    const unsigned active = EVENT_BASE_COUNT_ACTIVE;
    bool left = event_base_get_num_events(w->base, active) > 0;
    event_base_get_max_events(w->base, active, 1);
    bool exposed = asynchat__alloc_expose(false);
    if (event_add(w->end, &none) < 0)
        world_lack();
    asynchat__alloc_expose(exposed);
    event_base_loop(w->base, EVLOOP_NONBLOCK);
    return !left && event_base_get_max_events(w->base, active, 1) <= 1 &&
           event_base_get_num_events(w->base, active) == 0;
}

/* False: something moves for ever. Whoever asks again does not wait as long. */
bool asynchat__world_run(struct world *w)
{
    for (int i = w->restless ? PASSES - 1 : 0; i < PASSES; i++)
        if (world_pass(w))
            return true;
    w->restless = true;
    return false;
}

struct world *asynchat__world_new(struct run *run)
{
    struct world *w = asynchat__testing_memory(sizeof *w);
    w->run = run ? run : &w->own;
    w->base = event_base_new();
    if (w->base)
        w->end = event_new(w->base, -1, 0, world_break, w);
    if (!w->end || asynchat_set_clock(w->base, world_now, w) < 0)
        world_lack();
    return w;
}

/* If the program has left a channel of its own in the loop, the loop and its
 * clock stay. */
void asynchat__world_free(struct world *w)
{
    (void)asynchat__world_run(w);
    asynchat__run_free(&w->own);
    if (asynchat_set_clock(w->base, NULL, NULL) < 0)
        return;
    event_free(w->end);
    event_base_free(w->base);
    free(w);
}

/* What can be done now, and what is due. Answers the time until the next timer,
 * or -1; 0: there is more to do now. */
static int world_round(struct world *w)
{
    asynchat__alloc_expose(true);
    bool rests = asynchat__world_run(w);
    int wait = asynchat_run_timers(w->base);
    asynchat__alloc_expose(false);
    int active = event_base_get_num_events(w->base, EVENT_BASE_COUNT_ACTIVE);
    return rests && active == 0 ? wait : 0;
}

/* Answers the time until the next timer, or -1. */
static int world_settle(struct asynchat_test *t)
{
    struct world *w = t->world;
    int wait = world_round(w);
    for (int i = 0; wait == 0 && !w->restless && i < PASSES; i++)
        wait = world_round(w);
    if (wait == 0)
        asynchat__fail_why(
            w->run, "something moves for ever: the loop does not come to rest");
    return wait;
}

void asynchat__settle(struct asynchat_test *t)
{
    world_settle(t);
}

void asynchat__advance(struct asynchat_test *t, uint64_t milliseconds)
{
    struct world *w = t->world;
    uint64_t until = w->now + milliseconds;
    int wait = world_settle(t);
    while (wait > 0 && until - w->now >= (uint64_t)wait) {
        w->now += (uint64_t)wait;
        wait = world_settle(t);
    }
    w->now = until;
}
