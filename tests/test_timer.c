/* Timers in a loop with a clock of the program's own.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#define DAY (24u * 60 * 60 * 1000)

/* A loop with a clock, and pairs of channels in it. */
struct world {
    struct event_base *base;
    uint64_t now;
    char log[4096];
};

struct idler {
    struct world *world;
    const char *name;
    struct asynchat_channel *ch, *far;
    unsigned again;                 /* what it sets when it is idle */
    struct asynchat_server *server; /* which it stops when it is idle */
};

static uint64_t world_now(void *arg)
{
    return ((struct world *)arg)->now;
}

static void world_log(struct world *w, const char *text)
{
    strncat(w->log, text, sizeof w->log - strlen(w->log) - 2);
    strcat(w->log, " ");
}

static void expect_log(struct world *w, const char *text)
{
    assert_string_equal(w->log, text);
    w->log[0] = '\0';
}

static void idle_after(struct asynchat_channel *ch, unsigned milliseconds)
{
    struct asynchat_timeouts times = {.size = sizeof times,
                                      .idle = milliseconds};
    assert_int_equal(asynchat_set_timeouts(ch, &times), 0);
}

static void is_idle(struct asynchat_channel *ch, void *arg)
{
    struct idler *idler = arg;
    world_log(idler->world, idler->name);
    if (idler->again > 0)
        idle_after(ch, idler->again);
}

static void gets(struct asynchat_channel *ch, const void *data, size_t len,
                 void *arg)
{
    struct idler *idler = arg;
    char text[64];
    (void)ch;
    snprintf(text, sizeof text, "%s(%.*s)", idler->name, (int)len,
             (const char *)data);
    world_log(idler->world, text);
}

static void ends(struct asynchat_channel *ch, int status, void *arg)
{
    struct idler *idler = arg;
    (void)status;
    if (ch == idler->ch)
        idler->ch = NULL;
    else
        idler->far = NULL;
}

static const struct asynchat_handler idles = {.size = sizeof idles,
                                              .collect_incoming_data = gets,
                                              .handle_idle = is_idle,
                                              .handle_close = ends};

static void pass(const struct world *w)
{
    for (int i = 0; i < 4; i++)
        event_base_loop(w->base, EVLOOP_NONBLOCK);
}

static struct idler make_idler_with(struct world *w, const char *name,
                                    const struct asynchat_handler *handler,
                                    unsigned first)
{
    struct idler idler = {.world = w, .name = name};
    struct asynchat_channel *pair[2];
    const struct asynchat_handler *handlers[2] = {handler, handler};
    assert_int_equal(asynchat_pair_new(w->base, handlers, NULL, pair), 0);
    idler.ch = pair[0];
    idler.far = pair[1];
    idle_after(idler.ch, first);
    return idler;
}

static struct idler make_idler(struct world *w, const char *name,
                               unsigned first)
{
    return make_idler_with(w, name, &idles, first);
}

static void begin_idler(struct idler *idler)
{
    asynchat_set_arg(idler->ch, idler);
    asynchat_set_arg(idler->far, idler);
    pass(idler->world);
}

static void end_idler(struct idler *idler)
{
    asynchat_channel_free(idler->ch);
    asynchat_channel_free(idler->far);
}

static int step(struct world *w, unsigned milliseconds)
{
    w->now += milliseconds;
    return asynchat_run_timers(w->base);
}

static bool no_memory;

static void *get_memory(size_t size)
{
    return no_memory ? NULL : malloc(size);
}

static int world_setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    if (!w)
        return -1;
    *state = w;
    w->base = event_base_new();
    w->now = UINT32_MAX - 100u; /* it is about to wrap */
    return w->base ? asynchat_set_clock(w->base, world_now, w) : -1;
}

static int world_teardown(void **state)
{
    struct world *w = *state;
    pass(w);
    int error = asynchat_set_clock(w->base, NULL, NULL);
    event_base_free(w->base);
    free(w);
    return error;
}

static void timers_fire_in_the_order_of_their_times(void **state)
{
    struct world *w = *state;
    struct idler a = make_idler(w, "a", 300), b = make_idler(w, "b", 250);
    a.again = 300;
    b.again = 250;
    begin_idler(&a);
    begin_idler(&b);
    assert_int_equal(asynchat_run_timers(w->base), 250);
    assert_int_equal(step(w, 1000), 200);
    expect_log(w, "b a b a b a b ");
    assert_int_equal(step(w, 199), 1);
    expect_log(w, "");
    assert_int_equal(step(w, 1), 50);
    expect_log(w, "a ");
    end_idler(&a);
    end_idler(&b);
}

static void timers_of_the_same_time_fire_in_the_order_of_setting(void **state)
{
    struct world *w = *state;
    struct idler a = make_idler(w, "a", 500), b = make_idler(w, "b", 500),
                 c = make_idler(w, "c", 500);
    begin_idler(&b);
    begin_idler(&a);
    begin_idler(&c);
    step(w, 499);
    expect_log(w, "");
    step(w, 1);
    expect_log(w, "a b c ");
    end_idler(&a);
    end_idler(&b);
    end_idler(&c);
}

/* The timer that a callback sets is counted from the callback's own time. */
static void what_a_callback_sets_fires_in_the_same_step(void **state)
{
    struct world *w = *state;
    struct idler a = make_idler(w, "a", 100);
    a.again = 100;
    begin_idler(&a);
    assert_int_equal(step(w, 1050), 50);
    expect_log(w, "a a a a a a a a a a ");
    end_idler(&a);
}

static void input_before_the_step_counts_from_its_own_time(void **state)
{
    struct world *w = *state;
    struct idler a = make_idler(w, "a", 300);
    begin_idler(&a);
    step(w, 200);
    assert_int_equal(asynchat_push(a.far, "x", 1), 0);
    pass(w);
    step(w, 299);
    expect_log(w, "a(x) ");
    step(w, 1);
    expect_log(w, "a ");
    end_idler(&a);
}

static void a_day_in_one_step_costs_no_time(void **state)
{
    struct world *w = *state;
    struct idler a = make_idler(w, "a", DAY);
    begin_idler(&a);
    assert_int_equal(asynchat_run_timers(w->base), DAY);
    assert_int_equal(step(w, DAY), -1);
    expect_log(w, "a ");
    end_idler(&a);
    assert_int_equal(step(w, 30u * DAY), -1);
}

static void a_clock_that_goes_back_stands_still(void **state)
{
    struct world *w = *state;
    struct idler a = make_idler(w, "a", 300);
    begin_idler(&a);
    w->now += 100;
    assert_int_equal(asynchat_run_timers(w->base), 200);
    w->now -= 50;
    assert_int_equal(asynchat_run_timers(w->base), 200);
    end_idler(&a);
}

/* --- libevent has no timer --- */

static int count_timeout(const struct event_base *base,
                         const struct event *event, void *arg)
{
    (void)base;
    *(int *)arg += (event->ev_evcallback.evcb_flags & EVLIST_TIMEOUT) != 0;
    return 0;
}

static int timers_of_libevent(const struct world *w)
{
    int count = 0;
    event_base_foreach_event(w->base, count_timeout, &count);
    return count;
}

static const struct asynchat_handler counts_nothing = {
    .size = sizeof counts_nothing, .collect_incoming_data = gets};

static struct asynchat_server *serve(struct world *w)
{
    struct asynchat_server *server;
    assert_int_equal(asynchat_server_new(w->base, "127.0.0.1:0",
                                         &counts_nothing, NULL, NULL, &server),
                     0);
    return server;
}

static void libevent_gets_no_timer(void **state)
{
    struct world *w = *state;
    struct idler a = make_idler(w, "a", 300);
    begin_idler(&a);
    struct asynchat_server *server = serve(w);
    assert_int_equal(timers_of_libevent(w), 0);
    assert_int_equal(step(w, 2 * DAY), DAY);
    expect_log(w, "a ");
    asynchat_server_free(server);
    end_idler(&a);
}

static void has_stopped(void *arg)
{
    world_log(arg, "stopped");
}

static void a_server_without_channels_stops_with_the_next_timers(void **state)
{
    struct world *w = *state;
    assert_int_equal(asynchat_server_stop(serve(w), 5000, has_stopped, w), 0);
    pass(w);
    expect_log(w, "");
    asynchat_run_timers(w->base);
    expect_log(w, "stopped ");
}

static void stops_the_server(struct asynchat_channel *ch, void *arg)
{
    struct idler *idler = arg;
    (void)ch;
    world_log(idler->world, idler->name);
    assert_int_equal(
        asynchat_server_stop(idler->server, 0, has_stopped, idler->world), 0);
}

static void what_is_put_off_to_the_next_pass_waits_for_it(void **state)
{
    static struct asynchat_handler handler;
    struct world *w = *state;
    handler = idles;
    handler.handle_idle = stops_the_server;
    struct idler a = make_idler_with(w, "a", &handler, 100);
    a.server = serve(w);
    begin_idler(&a);
    assert_int_equal(step(w, 200), 0);
    expect_log(w, "a ");
    assert_int_equal(asynchat_run_timers(w->base), -1);
    expect_log(w, "stopped ");
    end_idler(&a);
}

/* One message a wake-up. */
static void a_message_budget_needs_timers(void **state)
{
    struct world *w = *state;
    struct idler a = make_idler(w, "a", 0);
    assert_int_equal(asynchat_set_terminator(a.ch, "\n", 1), 0);
    assert_int_equal(asynchat_set_message_budget(a.ch, 1), 0);
    begin_idler(&a);
    assert_int_equal(asynchat_push(a.far, "x\ny\n", 4), 0);
    pass(w);
    expect_log(w, "a(x) ");
    asynchat_run_timers(w->base);
    pass(w);
    expect_log(w, "a(y) ");
    end_idler(&a);
}

/* --- errors --- */

static void runs_timers(struct asynchat_channel *ch, void *arg)
{
    struct idler *idler = arg;
    (void)ch;
    assert_int_equal(asynchat_run_timers(idler->world->base), -EBUSY);
    assert_int_equal(asynchat_set_clock(idler->world->base, NULL, NULL),
                     -EBUSY);
    world_log(idler->world, "refused");
}

static void timers_do_not_run_inside_of_a_timer(void **state)
{
    static struct asynchat_handler handler;
    struct world *w = *state;
    handler = idles;
    handler.handle_idle = runs_timers;
    struct idler a = make_idler_with(w, "a", &handler, 100);
    begin_idler(&a);
    step(w, 100);
    expect_log(w, "refused ");
    end_idler(&a);
}

static void a_clock_needs_a_loop_without_channels(void **state)
{
    struct world *w = *state;
    struct event_base *other = event_base_new();
    struct idler a = make_idler(w, "a", 100);
    begin_idler(&a);
    assert_int_equal(asynchat_set_clock(w->base, world_now, w), -EBUSY);
    assert_int_equal(asynchat_set_clock(w->base, NULL, NULL), -EBUSY);
    assert_int_equal(asynchat_set_clock(NULL, world_now, w), -EINVAL);
    assert_int_equal(asynchat_run_timers(NULL), -EINVAL);
    assert_int_equal(asynchat_run_timers(other), -EINVAL);
    assert_int_equal(asynchat_set_clock(other, NULL, NULL), 0);
    end_idler(&a);
    pass(w);
    assert_int_equal(asynchat_set_clock(w->base, NULL, NULL), 0);
    assert_int_equal(asynchat_run_timers(w->base), -EINVAL);
    event_base_free(other);
}

static void each_event_base_has_a_clock_of_its_own(void **state)
{
    struct world *w = *state;
    struct world other = {.base = event_base_new()};
    assert_int_equal(asynchat_set_clock(other.base, world_now, &other), 0);
    assert_int_equal(asynchat_set_clock(other.base, world_now, &other), 0);
    struct idler a = make_idler(w, "a", 100), b = make_idler(&other, "b", 100);
    begin_idler(&a);
    begin_idler(&b);
    step(&other, 100);
    expect_log(w, "");
    expect_log(&other, "b ");
    step(w, 100);
    expect_log(w, "a ");
    end_idler(&a);
    end_idler(&b);
    pass(&other);
    assert_int_equal(asynchat_set_clock(other.base, NULL, NULL), 0);
    event_base_free(other.base);
}

#define WORLD(test)                                                            \
    cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

static void without_memory_there_is_no_clock(void **state)
{
    struct world w = {.base = event_base_new(), .now = 5};
    (void)state;
    no_memory = true;
    int error = asynchat_set_clock(w.base, world_now, &w);
    no_memory = false;
    assert_int_equal(error, -ENOMEM);
    assert_int_equal(asynchat_run_timers(w.base), -EINVAL);
    assert_int_equal(asynchat_set_clock(w.base, world_now, &w), 0);
    assert_int_equal(asynchat_run_timers(w.base), -1);
    assert_int_equal(asynchat_set_clock(w.base, NULL, NULL), 0);
    event_base_free(w.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD(timers_fire_in_the_order_of_their_times),
        WORLD(timers_of_the_same_time_fire_in_the_order_of_setting),
        WORLD(what_a_callback_sets_fires_in_the_same_step),
        WORLD(input_before_the_step_counts_from_its_own_time),
        WORLD(a_day_in_one_step_costs_no_time),
        WORLD(a_clock_that_goes_back_stands_still),
        WORLD(libevent_gets_no_timer),
        WORLD(a_server_without_channels_stops_with_the_next_timers),
        WORLD(what_is_put_off_to_the_next_pass_waits_for_it),
        WORLD(a_message_budget_needs_timers),
        WORLD(timers_do_not_run_inside_of_a_timer),
        WORLD(a_clock_needs_a_loop_without_channels),
        WORLD(each_event_base_has_a_clock_of_its_own),
        cmocka_unit_test(without_memory_there_is_no_clock),
    };
    if (asynchat_set_mem_functions(get_memory, realloc, free) != 0)
        return 1;
    return RUN(tests);
}
