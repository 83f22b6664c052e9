/* Events that a channel notices while it does not read, also in loops that are
 * not edge-triggered, such as poll and select, and while output waits. Time
 * passes only when a test says so. SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"
#include "fixture.h"

#include <string.h>

#include <event2/event.h>

/* Prevents libevent from using epoll, and poll. */
static int without(void **state, int count)
{
    static const char *const names[] = {"EVENT_NOEPOLL", "EVENT_NOPOLL"};
    for (int i = 0; i < count; i++)
        setenv(names[i], "1", 1);
    int error = fixture_setup(state);
    for (int i = 0; i < count; i++)
        unsetenv(names[i]);
    return error;
}

static int poll_setup(void **state)
{
    return without(state, 1);
}

static int select_setup(void **state)
{
    return without(state, 2);
}

static struct fixture *start_paused(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    asynchat_pause_reading(f->ch);
    settle(f);
    return f;
}

static void look_again(struct fixture *f)
{
    clock_advance(999);
    settle(f);
    expect(f, "");
    clock_advance(1);
    settle(f);
}

static void the_end_is_told_within_a_second(void **state)
{
    struct fixture *f = start_paused(state);
    feed_eof(f);
    settle(f);
    look_again(f);
    expect(f, "eof closed(EOF)");
}

static void the_end_waits_for_what_came_before_it(void **state)
{
    struct fixture *f = start_paused(state);
    feed_string(f, "one\r\n");
    feed_eof(f);
    settle(f);
    look_again(f);
    look_again(f);
    expect(f, "");
    asynchat_resume_reading(f->ch);
    settle(f);
    expect(f, "data(one) found eof closed(EOF)");
}

static void a_reset_is_told_within_a_second(void **state)
{
    struct fixture *f = start_paused(state);
    feed_string(f, "one\r\n");
    settle(f);
    feed_reset(f);
    settle(f);
    look_again(f);
    expect(f, "error(ECONNRESET) closed(ECONNRESET)");
}

static void keep_open(struct fixture *f)
{
    asynchat_keep_open(f->ch);
}

static void a_reset_is_told_with_the_output_open(void **state)
{
    struct fixture *f = start(state);
    f->on_eof = keep_open;
    feed_eof(f);
    settle(f);
    expect(f, "eof");
    feed_reset(f);
    settle(f);
    look_again(f);
    expect(f, "error(EPIPE) closed(EPIPE)");
}

static void a_reset_is_told_while_a_rate_allows_nothing(void **state)
{
    const struct asynchat_rates rates = {
        .size = sizeof rates, .read = 1, .read_burst = 3};
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_rates(f->ch, &rates), 0);
    feed_string(f, "onetwothree");
    settle(f);
    expect(f, "data(one)");
    feed_reset(f);
    settle(f);
    clock_advance(1000);
    settle(f);
    assert_null(f->ch);
}

static void a_reset_is_told_under_pressure(void **state)
{
    struct fixture *f = start(state);
    char *data = big(8u << 20);
    assert_int_equal(asynchat_join(f->ch, f->ch), 0);
    assert_int_equal(asynchat_push(f->ch, data, 8u << 20), 0);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    feed_reset(f);
    for (int i = 0; i < 3; i++) {
        settle(f);
        clock_advance(1000);
    }
    assert_null(f->ch);
    free(data);
}

/* Whatever the kind of loop, since output is waiting. */
static void the_end_is_told_with_output_waiting(void **state)
{
    struct fixture *f = start_paused(state);
    char *data = big(16u << 20);
    assert_int_equal(asynchat_push(f->ch, data, 16u << 20), 0);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    feed_eof(f);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    clock_advance(1000);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    expect(f, "eof");
    settle(f);
    expect(f, "closed(EOF)");
    assert_int_equal(f->got_len, 16u << 20);
    free(data);
}

/* When everything is sent, it is reported; at once in an edge-triggered
 * loop. */
static void a_reset_is_told_when_no_output_waits_any_more(void **state)
{
    struct fixture *f = start_paused(state);
    char *data = big(16u << 20);
    assert_int_equal(asynchat_push(f->ch, data, 16u << 20), 0);
    settle(f);
    assert_int_equal(f->got_len, 16u << 20);
    feed_string(f, "one\r\n");
    settle(f);
    feed_reset(f);
    settle(f);
    expect(f, "error(ECONNRESET) closed(ECONNRESET)");
    free(data);
}

/* A channel that is not paused needs no timer, and has none left. */
static void going_on_leaves_no_timer(void **state)
{
    struct fixture *f = start(state);
    int before = event_base_get_num_events(f->base, EVENT_BASE_COUNT_ADDED);
    set_crlf(f);
    asynchat_pause_reading(f->ch);
    settle(f);
    asynchat_resume_reading(f->ch);
    settle(f);
    feed_string(f, "one\r\n");
    settle(f);
    expect(f, "data(one) found");
    assert_int_equal(event_base_get_num_events(f->base, EVENT_BASE_COUNT_ADDED),
                     before);
    feed_eof(f);
    settle(f);
    expect(f, "eof closed(EOF)");
}

/* There is something to wait for. */
static void a_loop_with_nothing_else_goes_on(void **state)
{
    struct fixture *f = start_paused(state);
    assert_int_equal(event_base_loop(f->base, EVLOOP_NONBLOCK), 0);
}

#define IN(method, kind, test)                                                 \
    {                                                                          \
#test " with " #method " over " #kind, test, method##_setup,           \
            fixture_teardown, (void *)(intptr_t)OVER_##kind                    \
    }
#define IN_BOTH(kind, test) IN(poll, kind, test), IN(select, kind, test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOTH(SOCKETPAIR, the_end_is_told_within_a_second),
        IN_BOTH(TCP, the_end_is_told_within_a_second),
        IN_BOTH(TCP, the_end_waits_for_what_came_before_it),
        IN_BOTH(TCP, a_reset_is_told_within_a_second),
        IN_BOTH(TCP, a_reset_is_told_with_the_output_open),
        IN_BOTH(TCP, a_reset_is_told_while_a_rate_allows_nothing),
        IN_BOTH(TCP, a_reset_is_told_under_pressure),
        IN_BOTH(SOCKETPAIR, a_reset_is_told_under_pressure),
        IN_BOTH(TCP, the_end_is_told_with_output_waiting),
        OVER_SOCKETS(the_end_is_told_with_output_waiting),
        OVER(TCP, a_reset_is_told_when_no_output_waits_any_more),
        IN_BOTH(TCP, going_on_leaves_no_timer),
        IN_BOTH(SOCKETPAIR, a_loop_with_nothing_else_goes_on),
    };
    return RUN(tests);
}
