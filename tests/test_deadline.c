/* The deadline of a request. Time passes only when a test says so.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"
#include "fixture.h"
#include "toy.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/util.h>

static void pass(struct fixture *f, long milliseconds)
{
    clock_advance(milliseconds);
    turn_loop(f);
}

static void set(struct fixture *f, unsigned milliseconds)
{
    assert_int_equal(asynchat_set_deadline(f->ch, milliseconds), 0);
}

static void set_steady(struct fixture *f, unsigned milliseconds)
{
    assert_int_equal(asynchat_set_steady_deadline(f->ch, milliseconds), 0);
}

static void say_421(struct fixture *f)
{
    f->count++;
    assert_int_equal(asynchat_push(f->ch, "421 late\r\n", 10), 0);
}

/* --- what the time is --- */

static void it_ends_the_channel(void **state)
{
    struct fixture *f = start(state);
    set(f, 1000);
    pass(f, 999);
    expect(f, "");
    pass(f, 1);
    expect(f, "error(EDEADLINE) closed(EDEADLINE)");
}

static void no_byte_begins_it_anew(void **state)
{
    struct fixture *f = start(state);
    f->on_error = say_421;
    set(f, 60000);
    for (int second = 0; second < 59; second++) {
        feed_string(f, "x");
        pass(f, 1000);
        if (second % 7 == 0)
            assert_int_equal(asynchat_push(f->ch, "y", 1), 0);
    }
    assert_int_equal(f->count, 0);
    pass(f, 999);
    assert_int_equal(f->count, 0);
    pass(f, 1);
    assert_int_equal(f->count, 1);
    settle(f);
    expect_got(f, "yyyyyyyyy421 late\r\n");
    if (f->ch && f->peer >= 0)
        feed_eof(f); /* TCP may have kept a byte back until now */
    settle(f);
    assert_null(f->ch);
}

static void it_is_for_many_messages(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    set(f, 1000);
    for (int i = 0; i < 9; i++) {
        feed_string(f, "a\r\n\r\n");
        pass(f, 100);
        expect(f, "data(a) found found");
    }
    pass(f, 100);
    expect(f, "error(EDEADLINE) closed(EDEADLINE)");
}

static void what_comes_after_it_is_not_delivered(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_error = say_421;
    set(f, 1000);
    pass(f, 1000);
    if (f->far)
        (void)asynchat_push(f->far, "NOOP\r\n", 6);
    settle(f);
    expect(f, "error(EDEADLINE) closed(EDEADLINE)");
    expect_got(f, "421 late\r\n");
}

static void set_again_it_begins_anew(void **state)
{
    struct fixture *f = start(state);
    set(f, 1000);
    pass(f, 900);
    set(f, 500);
    pass(f, 499);
    expect(f, "");
    set(f, 2000);
    pass(f, 1999);
    expect(f, "");
    pass(f, 1);
    expect(f, "error(EDEADLINE) closed(EDEADLINE)");
}

static void it_can_be_taken_away(void **state)
{
    struct fixture *f = start(state);
    set(f, 0);
    set(f, 1000);
    pass(f, 999);
    set(f, 0);
    pass(f, 100000);
    expect(f, "");
    assert_int_equal(asynchat_get_deadline(f->ch), 0);
}

static void other_times_do_not_change_it(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_timeouts times = {.size = sizeof times, .idle = 5000};
    set(f, 1000);
    pass(f, 500);
    assert_int_equal(asynchat_set_timeouts(f->ch, &times), 0);
    pass(f, 499);
    expect(f, "");
    pass(f, 1);
    expect(f, "error(EDEADLINE) closed(EDEADLINE)");
}

/* --- at its very moment --- */

static void take_away(struct fixture *f)
{
    set(f, 0);
}

static void set_and_take_away(struct fixture *f)
{
    set(f, 1);
    set(f, 0);
}

static void set_for_the_next(struct fixture *f)
{
    set(f, 1000);
}

/* The message is delivered in the pass of the loop in which the time is
 * over. */
static void a_message_that_comes_just_in_time_takes_it_away(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = take_away;
    set(f, 1000);
    turn_loop(f);
    feed_string(f, "a\r\n");
    pass(f, 1000);
    expect(f, "data(a) found");
    pass(f, 100000);
    f->on_found = set_and_take_away;
    set(f, 1000);
    turn_loop(f);
    feed_string(f, "\r\n");
    pass(f, 1000);
    pass(f, 100000);
    expect(f, "found");
}

static void a_message_that_comes_just_in_time_sets_the_next(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = set_for_the_next;
    set(f, 1000);
    turn_loop(f);
    for (int i = 0; i < 5; i++) {
        feed_string(f, "\r\n");
        pass(f, 1000);
        expect(f, "found");
    }
    pass(f, 999);
    expect(f, "");
    pass(f, 1);
    expect(f, "error(EDEADLINE) closed(EDEADLINE)");
}

static void idle_takes_away(struct asynchat_channel *ch, void *arg)
{
    struct fixture *f = arg;
    f->count++;
    assert_int_equal(asynchat_set_deadline(ch, 0), 0);
}

/* Both times are over when the one timer fires. */
static void another_time_takes_it_away(void **state)
{
    static struct asynchat_handler idle_recorder;
    struct asynchat_timeouts times = {.size = sizeof times, .idle = 1000};
    idle_recorder = recorder;
    idle_recorder.handle_idle = idle_takes_away;
    struct fixture *f = start_with(state, &idle_recorder);
    expect(f, "connect");
    assert_int_equal(asynchat_set_timeouts(f->ch, &times), 0);
    set(f, 1000);
    turn_loop(f);
    pass(f, 1000);
    assert_int_equal(f->count, 1);
    pass(f, 100000);
    expect(f, "");
}

/* --- pauses --- */

static void it_stands_still_while_reading_is_paused(void **state)
{
    struct fixture *f = start(state);
    set(f, 100);
    turn_loop(f);
    asynchat_pause_reading(f->ch);
    turn_loop(f);
    pass(f, 1000);
    expect(f, "");
    assert_int_equal(asynchat_get_deadline(f->ch), 100);
    asynchat_resume_reading(f->ch);
    turn_loop(f);
    pass(f, 60);
    asynchat_pause_reading(f->ch);
    turn_loop(f);
    pass(f, 1000);
    assert_int_equal(asynchat_get_deadline(f->ch), 40);
    asynchat_resume_reading(f->ch);
    turn_loop(f);
    pass(f, 39);
    expect(f, "");
    pass(f, 1);
    expect(f, "error(EDEADLINE) closed(EDEADLINE)");
}

static void set_in_a_pause_it_begins_with_its_end(void **state)
{
    struct fixture *f = start(state);
    asynchat_pause_reading(f->ch);
    turn_loop(f);
    pass(f, 1000);
    set(f, 100);
    turn_loop(f);
    pass(f, 1000);
    expect(f, "");
    assert_int_equal(asynchat_get_deadline(f->ch), 100);
    asynchat_resume_reading(f->ch);
    turn_loop(f);
    pass(f, 99);
    expect(f, "");
    pass(f, 1);
    expect(f, "error(EDEADLINE) closed(EDEADLINE)");
}

static void a_steady_one_counts_pauses(void **state)
{
    struct fixture *f = start(state);
    set_steady(f, 100);
    turn_loop(f);
    asynchat_pause_reading(f->ch);
    turn_loop(f);
    pass(f, 60);
    asynchat_resume_reading(f->ch);
    turn_loop(f);
    pass(f, 20);
    asynchat_pause_reading(f->ch);
    turn_loop(f);
    pass(f, 19);
    expect(f, "");
    assert_int_equal(asynchat_get_deadline(f->ch), 1);
    pass(f, 1);
    expect(f, "error(EDEADLINE) closed(EDEADLINE)");
}

static void each_replaces_the_other(void **state)
{
    struct fixture *f = start(state);
    set_steady(f, 100);
    set(f, 1000);
    turn_loop(f);
    asynchat_pause_reading(f->ch);
    turn_loop(f);
    pass(f, 5000);
    expect(f, "");
    set_steady(f, 200);
    turn_loop(f);
    pass(f, 199);
    expect(f, "");
    pass(f, 1);
    expect(f, "error(EDEADLINE) closed(EDEADLINE)");
}

/* --- when the channel is ending, or half of it --- */

#define MUCH (16u << 20)

static void what_is_queued_is_still_sent(void **state)
{
    struct fixture *f = start(state);
    char *data = big(MUCH);
    f->on_error = say_421;
    assert_int_equal(asynchat_push(f->ch, data, MUCH), 0);
    set(f, 1000);
    pass(f, 1000);
    assert_int_equal(f->count, 1);
    settle(f);
    assert_int_equal(f->got_len, MUCH + 10);
    assert_memory_equal(f->got + MUCH, "421 late\r\n", 10);
    expect(f, "error(EDEADLINE) closed(EDEADLINE)");
    free(data);
}

static void a_channel_that_closes_has_its_linger_time_instead(void **state)
{
    struct fixture *f = start(state);
    char *data = big(MUCH);
    set_steady(f, 1000);
    assert_int_equal(asynchat_push(f->ch, data, MUCH), 0);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    turn_loop(f);
    pass(f, 29999);
    expect(f, "");
    pass(f, 1);
    expect(f, "error(ETIMEDOUT) closed(ETIMEDOUT)");
    free(data);
}

static void an_answer_to_come_has_it_after_our_end(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_shutdown_write(f->ch), 0);
    set(f, 1000);
    turn_loop(f);
    feed_string(f, "x");
    turn_loop(f);
    pass(f, 999);
    expect(f, "data(x)");
    pass(f, 1);
    expect(f, "error(EDEADLINE) closed(EDEADLINE)");
}

static void keep_open(struct fixture *f)
{
    asynchat_keep_open(f->ch);
}

static void after_the_peers_end_only_a_steady_one_runs(void **state)
{
    struct fixture *f = start(state);
    f->on_eof = keep_open;
    f->on_error = say_421;
    set(f, 1000);
    feed_eof(f);
    turn_loop(f);
    pass(f, 5000);
    expect(f, "eof");
    set_steady(f, 1000);
    turn_loop(f);
    pass(f, 1000);
    settle(f);
    expect_got(f, "421 late\r\n");
    expect(f, "error(EDEADLINE) closed(EDEADLINE)");
}

/* --- connecting --- */

static struct fixture *begin_to_connect(void **state, struct bufferevent **bev)
{
    struct fixture *f = *state;
    *bev = bufferevent_socket_new(f->base, -1, BEV_OPT_CLOSE_ON_FREE);
    assert_non_null(*bev);
    assert_int_equal(
        asynchat_channel_new(*bev, ASYNCHAT_CONNECTING, &recorder, f, &f->ch),
        0);
    turn_loop(f);
    return f;
}

static void connect_now(struct fixture *f, struct bufferevent *bev)
{
    int fds[2];
    make_socketpair(fds);
    assert_int_equal(evutil_make_socket_nonblocking(fds[0]), 0);
    bufferevent_setfd(bev, fds[0]);
    f->peer = fds[1];
    bufferevent_trigger_event(bev, BEV_EVENT_CONNECTED, 0);
    turn_loop(f);
    expect(f, "connect");
}

static void it_begins_when_the_connection_is_up(void **state)
{
    struct bufferevent *bev;
    struct fixture *f = begin_to_connect(state, &bev);
    set(f, 1000);
    turn_loop(f);
    pass(f, 5000);
    connect_now(f, bev);
    pass(f, 999);
    expect(f, "");
    pass(f, 1);
    expect(f, "error(EDEADLINE) closed(EDEADLINE)");
}

static void a_steady_one_counts_connecting(void **state)
{
    struct bufferevent *bev;
    struct fixture *f = begin_to_connect(state, &bev);
    set_steady(f, 1000);
    turn_loop(f);
    pass(f, 400);
    connect_now(f, bev);
    pass(f, 599);
    expect(f, "");
    pass(f, 1);
    expect(f, "error(EDEADLINE) closed(EDEADLINE)");
}

static void a_steady_one_ends_connecting(void **state)
{
    struct bufferevent *bev;
    struct fixture *f = begin_to_connect(state, &bev);
    set_steady(f, 1000);
    turn_loop(f);
    pass(f, 1000);
    expect(f, "error(EDEADLINE) closed(EDEADLINE)");
}

/* --- with a layer --- */

static void begin_layer(struct asynchat_channel *ch, bool client)
{
    struct toy *toy = toy_new(client);
    assert_non_null(toy);
    assert_int_equal(asynchat_set_layer(ch, &toy_ops, toy, NULL), 0);
}

static void the_goodbye_goes_through_a_layer(void **state)
{
    struct fixture *f = start(state);
    f->on_error = say_421;
    begin_layer(f->ch, false);
    begin_layer(f->far, true);
    settle(f);
    set(f, 1000);
    feed_string(f, "x");
    settle(f);
    pass(f, 999);
    expect(f, "data(x)");
    pass(f, 1);
    settle(f);
    expect(f, "error(EDEADLINE) closed(EDEADLINE)");
    expect_got(f, "421 late\r\n");
    assert_true(f->got_eof);
}

/* --- the calls --- */

static void it_says_what_is_left(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_get_deadline(f->ch), 0);
    set(f, 1000);
    assert_int_equal(asynchat_get_deadline(f->ch), 1000);
    clock_advance(400);
    assert_int_equal(asynchat_get_deadline(f->ch), 600);
    clock_advance(5000);
    assert_int_equal(asynchat_get_deadline(f->ch), 1);
    set(f, INT_MAX);
    assert_int_equal(asynchat_get_deadline(f->ch), INT_MAX);
}

static void bad_calls_are_refused(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_deadline(NULL, 1), -EINVAL);
    assert_int_equal(asynchat_set_steady_deadline(NULL, 1), -EINVAL);
    assert_int_equal(asynchat_set_deadline(f->ch, 1u + INT_MAX), -EINVAL);
    assert_int_equal(asynchat_set_steady_deadline(f->ch, UINT_MAX), -EINVAL);
    assert_int_equal(asynchat_get_deadline(NULL), 0);
    assert_int_equal(asynchat_get_deadline(f->ch), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_ALL(it_ends_the_channel),
        OVER_ALL(no_byte_begins_it_anew),
        OVER_ALL(it_is_for_many_messages),
        OVER_ALL(what_comes_after_it_is_not_delivered),
        OVER_ALL(set_again_it_begins_anew),
        OVER_ALL(it_can_be_taken_away),
        OVER_ALL(other_times_do_not_change_it),
        OVER_SOCKETS(a_message_that_comes_just_in_time_takes_it_away),
        OVER(BUFFEREVENT, a_message_that_comes_just_in_time_takes_it_away),
        OVER_SOCKETS(a_message_that_comes_just_in_time_sets_the_next),
        OVER(BUFFEREVENT, a_message_that_comes_just_in_time_sets_the_next),
        OVER_ALL(another_time_takes_it_away),
        OVER_ALL(it_stands_still_while_reading_is_paused),
        OVER_ALL(set_in_a_pause_it_begins_with_its_end),
        OVER_ALL(a_steady_one_counts_pauses),
        OVER_ALL(each_replaces_the_other),
        OVER_SOCKETS(what_is_queued_is_still_sent),
        OVER(BUFFEREVENT, what_is_queued_is_still_sent),
        OVER_SOCKETS(a_channel_that_closes_has_its_linger_time_instead),
        OVER_SOCKETS(an_answer_to_come_has_it_after_our_end),
        OVER(BUFFEREVENT, an_answer_to_come_has_it_after_our_end),
        OVER_SOCKETS(after_the_peers_end_only_a_steady_one_runs),
        OVER(BUFFEREVENT, after_the_peers_end_only_a_steady_one_runs),
        OVER(BUFFEREVENT, it_begins_when_the_connection_is_up),
        OVER(BUFFEREVENT, a_steady_one_counts_connecting),
        OVER(BUFFEREVENT, a_steady_one_ends_connecting),
        OVER(PAIR, the_goodbye_goes_through_a_layer),
        OVER_ALL(it_says_what_is_left),
        OVER_ALL(bad_calls_are_refused),
    };
    return RUN(tests);
}
