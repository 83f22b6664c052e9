/* Settings that a bufferevent already has when a channel is made over it, and
 * which of them stay. SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"
#include "child.h"
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/time.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/event.h>

/* Settling takes far less than a second, since the clock stands still. */
static const struct timeval second = {1, 0};

static struct bufferevent *socket_bufferevent(struct fixture *f)
{
    int fds[2];
    make_socketpair(fds);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    f->peer = fds[1];
    struct bufferevent *bev =
        bufferevent_socket_new(f->base, fds[0], BEV_OPT_CLOSE_ON_FREE);
    assert_non_null(bev);
    return bev;
}

static struct bufferevent *filter(struct bufferevent *below)
{
    struct bufferevent *bev = bufferevent_filter_new(
        below, NULL, NULL, BEV_OPT_CLOSE_ON_FREE, NULL, NULL);
    assert_non_null(bev);
    return bev;
}

static void open_over(struct fixture *f, struct bufferevent *bev)
{
    assert_int_equal(asynchat_channel_new(bev, 0, &recorder, f, &f->ch), 0);
    settle(f);
    expect(f, "connect");
}

/* --- watermarks --- */

static void a_low_mark_holds_nothing_back(void **state)
{
    struct fixture *f = *state;
    struct bufferevent *bev = socket_bufferevent(f);
    bufferevent_setwatermark(bev, EV_READ, 16, 0);
    open_over(f, bev);
    feed_string(f, "hello");
    settle(f);
    expect(f, "data(hello)");
}

static void nor_does_one_below_a_filter(void **state)
{
    struct fixture *f = *state;
    struct bufferevent *bev = socket_bufferevent(f);
    bufferevent_setwatermark(bev, EV_READ, 16, 0);
    open_over(f, filter(filter(bev)));
    feed_string(f, "hello");
    settle(f);
    expect(f, "data(hello)");
}

static void low_marks_hold_nothing_back_at_the_end(void **state)
{
    struct fixture *f = *state;
    struct bufferevent *bev = socket_bufferevent(f), *middle = filter(bev);
    bufferevent_setwatermark(bev, EV_READ, 16, 0);
    bufferevent_setwatermark(middle, EV_READ, 16, 0);
    open_over(f, filter(middle));
    feed_string(f, "hello");
    feed_eof(f);
    settle(f);
    expect(f, "data(hello) eof closed(EOF)");
}

static void with_high_marks_all_comes_after_a_pause(void **state)
{
    struct fixture *f = *state;
    struct bufferevent *bev = socket_bufferevent(f), *top = filter(bev);
    bufferevent_setwatermark(bev, EV_READ, 0, 3);
    bufferevent_setwatermark(top, EV_READ, 0, 3);
    open_over(f, top);
    asynchat_pause_reading(f->ch);
    feed_string(f, "hello");
    settle(f);
    expect(f, "");
    asynchat_resume_reading(f->ch);
    settle(f);
    expect(f, "data(hello)");
}

static void the_marks_of_a_refused_bufferevent_stay(void **state)
{
    struct fixture *f = *state;
    static const struct asynchat_handler empty = {.size = sizeof empty};
    struct bufferevent *bev = socket_bufferevent(f);
    size_t low, high;
    bufferevent_setwatermark(bev, EV_READ, 16, 32);
    assert_int_equal(asynchat_channel_new(bev, 0, &empty, f, &f->ch), -EINVAL);
    bufferevent_getwatermark(bev, EV_READ, &low, &high);
    assert_int_equal(low, 16);
    assert_int_equal(high, 32);
    bufferevent_free(bev);
}

/* --- timeouts --- */

static void a_timeout_does_not_end_the_channel(void **state)
{
    struct fixture *f = *state;
    struct bufferevent *bev = socket_bufferevent(f);
    bufferevent_set_timeouts(bev, &second, &second);
    open_over(f, bev);
    clock_advance(5000);
    settle(f);
    feed_string(f, "still here");
    settle(f);
    expect(f, "data(still here)");
}

static void one_below_a_filter_does(void **state)
{
    struct fixture *f = *state;
    struct bufferevent *bev = socket_bufferevent(f), *top = filter(bev);
    bufferevent_set_timeouts(bev, &second, NULL);
    open_over(f, top);
    clock_advance(5000);
    settle(f);
    expect(f, "error(ETIMEDOUT) closed(ETIMEDOUT)");
}

static void timeouts_hold_until_it_is_connected(void **state)
{
    struct fixture *f = *state;
    struct bufferevent *bev = socket_bufferevent(f);
    bufferevent_set_timeouts(bev, &second, &second);
    assert_int_equal(
        asynchat_channel_new(bev, ASYNCHAT_CONNECTING, &recorder, f, &f->ch),
        0);
    settle(f);
    expect(f, "");
    assert_true(evutil_timerisset(&bev->timeout_write));
    bufferevent_trigger_event(bev, BEV_EVENT_CONNECTED, 0);
    settle(f);
    expect(f, "connect");
    assert_false(evutil_timerisset(&bev->timeout_read));
    assert_false(evutil_timerisset(&bev->timeout_write));
}

/* --- the rest --- */

static void what_it_has_received_is_delivered(void **state)
{
    struct fixture *f = *state;
    struct bufferevent *bev = filter(socket_bufferevent(f));
    bufferevent_enable(bev, EV_READ);
    feed_string(f, "early");
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    assert_int_equal(asynchat_channel_new(bev, 0, &recorder, f, &f->ch), 0);
    expect(f, "");
    settle(f);
    expect(f, "connect data(early)");
}

/* If the half is freed without the flush, nobody is told. */
static void a_half_that_is_flushed_and_freed_is_an_end(void **state)
{
    struct fixture *f = *state;
    struct bufferevent *halves[2];
    assert_int_equal(bufferevent_pair_new(f->base, 0, halves), 0);
    open_over(f, filter(halves[0]));
    bufferevent_write(halves[1], "last", 4);
    bufferevent_flush(halves[1], EV_WRITE, BEV_FINISHED);
    bufferevent_free(halves[1]);
    settle(f);
    expect(f, "data(last) eof closed(EOF)");
}

/* --- until it is connected --- */

static void input_that_is_there_waits_for_the_connection(void **state)
{
    struct fixture *f = *state;
    struct bufferevent *bev = socket_bufferevent(f);
    bufferevent_enable(bev, EV_READ);
    feed_string(f, "hello");
    for (int i = 0; i < 3; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    assert_int_equal(evbuffer_get_length(bufferevent_get_input(bev)), 5);
    assert_int_equal(
        asynchat_channel_new(bev, ASYNCHAT_CONNECTING, &recorder, f, &f->ch),
        0);
    assert_int_equal(asynchat_push(f->ch, "x", 1), 0); /* wakes the channel */
    settle(f);
    expect(f, "");
    bufferevent_trigger_event(bev, BEV_EVENT_CONNECTED, 0);
    settle(f);
    expect(f, "connect data(hello)");
}

static bool free_in_child(void *arg)
{
    struct fixture *f = arg;
    asynchat_channel_free(f->ch);
    return true;
}

/* Reads what the far end has, for as long as it is what is wanted. */
static size_t read_far(struct fixture *f, const char *wanted, size_t len)
{
    static char bytes[1 << 16];
    size_t at = 0;
    ssize_t n;
    while (at < len &&
           (n = recv(f->peer, bytes,
                     sizeof bytes < len - at ? sizeof bytes : len - at,
                     MSG_DONTWAIT)) > 0) {
        assert_memory_equal(bytes, wanted + at, (size_t)n);
        at += (size_t)n;
    }
    return at;
}

/* A child after fork(2) frees what it has inherited, while bytes wait in a
 * bufferevent below a filter, and the socket has room: they are the parent's. */
static void a_child_that_frees_it_says_nothing(void **state)
{
    enum { MUCH = 4 << 20 };
    struct fixture *f = *state;
    char *text = big(MUCH);
    int fds[2];
    make_socketpair(fds);
    evutil_make_socket_nonblocking(fds[0]);
    f->peer = fds[1];
    open_over(
        f, bufferevent_filter_new(
               bufferevent_socket_new(f->base, fds[0], BEV_OPT_CLOSE_ON_FREE),
               NULL, NULL, BEV_OPT_CLOSE_ON_FREE, NULL, NULL));
    assert_int_equal(asynchat_push(f->ch, text, MUCH), 0);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    for (int i = 0; i < 20; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    size_t at = read_far(f, text, MUCH);
    assert_in_range(at, 1, MUCH - 1);
    assert_int_equal(child_runs(free_in_child, f), 1);
    while (at < MUCH) {
        at += read_far(f, text + at, MUCH - at);
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    }
    settle(f);
    assert_true(f->got_eof);
    assert_int_equal(f->got_len, 0);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER(BUFFEREVENT, input_that_is_there_waits_for_the_connection),
        OVER(BUFFEREVENT, a_low_mark_holds_nothing_back),
        OVER(BUFFEREVENT, nor_does_one_below_a_filter),
        OVER(BUFFEREVENT, low_marks_hold_nothing_back_at_the_end),
        OVER(BUFFEREVENT, with_high_marks_all_comes_after_a_pause),
        OVER(BUFFEREVENT, the_marks_of_a_refused_bufferevent_stay),
        OVER(BUFFEREVENT, a_timeout_does_not_end_the_channel),
        OVER(BUFFEREVENT, one_below_a_filter_does),
        OVER(BUFFEREVENT, timeouts_hold_until_it_is_connected),
        OVER(BUFFEREVENT, what_it_has_received_is_delivered),
        OVER(BUFFEREVENT, a_half_that_is_flushed_and_freed_is_an_end),
        OVER(SOCKETPAIR, a_child_that_frees_it_says_nothing),
    };
    return RUN(tests);
}
