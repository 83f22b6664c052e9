/* Times that a peer may take, with a clock of the test's own.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/util.h>

/* This clock replaces that of libc, for the library and for libevent. */
static uint64_t now = 1000000; /* milliseconds */

int clock_gettime(clockid_t id, struct timespec *time)
{
    (void)id;
    time->tv_sec = (time_t)(now / 1000);
    time->tv_nsec = (long)(now % 1000) * 1000000;
    return 0;
}

static void pass(struct fixture *f, unsigned milliseconds)
{
    now += milliseconds;
    turn_loop(f);
}

static void forget(struct fixture *f)
{
    f->log_len = 0;
    f->log[0] = '\0';
    f->in_data = false;
}

static void set(struct fixture *f, struct asynchat_timeouts times)
{
    times.size = sizeof times;
    assert_int_equal(asynchat_set_timeouts(f->ch, &times), 0);
    turn_loop(f);
}

static void an_idle_channel_ends(void **state)
{
    struct fixture *f = start(state);
    set(f, (struct asynchat_timeouts){.idle = 1000});
    pass(f, 999);
    expect(f, "");
    pass(f, 1);
    expect(f, "error(EIDLE) closed(EIDLE)");
}

static void what_moves_begins_it_anew(void **state)
{
    struct fixture *f = start(state);
    set(f, (struct asynchat_timeouts){.idle = 1000});
    pass(f, 600);
    feed_string(f, "x");
    turn_loop(f);
    pass(f, 600);
    assert_int_equal(asynchat_push(f->ch, "y", 1), 0);
    turn_loop(f);
    pass(f, 999);
    expect(f, "data(x)");
    pass(f, 1);
    expect(f, "error(EIDLE) closed(EIDLE)");
}

static void what_is_sent_is_nothing_read(void **state)
{
    struct fixture *f = start(state);
    set(f, (struct asynchat_timeouts){.read_idle = 1000});
    pass(f, 600);
    feed_string(f, "x");
    turn_loop(f);
    pass(f, 600);
    assert_int_equal(asynchat_push(f->ch, "y", 1), 0);
    turn_loop(f);
    pass(f, 399);
    expect(f, "data(x)");
    pass(f, 1);
    expect(f, "error(EIDLE) closed(EIDLE)");
}

static void apologize(struct fixture *f)
{
    assert_int_equal(asynchat_push(f->ch, "too late", 8), 0);
}

static void the_peer_can_be_told(void **state)
{
    struct fixture *f = start(state);
    set(f, (struct asynchat_timeouts){.idle = 1000});
    f->on_error = apologize;
    pass(f, 1000);
    settle(f);
    expect_got(f, "too late");
}

/* --- handle_idle --- */

static void count_idle(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    ((struct fixture *)arg)->count++;
}

static struct asynchat_handler idle_recorder;

static struct fixture *start_idle(void **state)
{
    idle_recorder = recorder;
    idle_recorder.handle_idle = count_idle;
    struct fixture *f = start_with(state, &idle_recorder);
    expect(f, "connect");
    return f;
}

/* The timer, which then waits for the message, is not too late for the idle
 * time. */
static void a_handler_is_told_again_in_a_message(void **state)
{
    struct fixture *f = start_idle(state);
    set(f, (struct asynchat_timeouts){.idle = 1000, .message = 10000});
    feed_string(f, "x");
    turn_loop(f);
    pass(f, 1000);
    assert_int_equal(f->count, 1);
    feed_string(f, "y");
    turn_loop(f);
    pass(f, 999);
    assert_int_equal(f->count, 1);
    pass(f, 1);
    assert_int_equal(f->count, 2);
}

static void a_handler_is_told_once_until_something_comes(void **state)
{
    struct fixture *f = start_idle(state);
    set(f, (struct asynchat_timeouts){.read_idle = 1000});
    pass(f, 1000);
    assert_int_equal(f->count, 1);
    pass(f, 5000);
    assert_int_equal(f->count, 1);
    feed_string(f, "x");
    turn_loop(f);
    pass(f, 999);
    assert_int_equal(f->count, 1);
    pass(f, 1);
    assert_int_equal(f->count, 2);
    set(f, (struct asynchat_timeouts){.read_idle = 500});
    pass(f, 500);
    assert_int_equal(f->count, 3);
    set(f, (struct asynchat_timeouts){0});
    pass(f, 100000);
    assert_int_equal(f->count, 3);
    expect(f, "data(x)");
}

static void a_handler_is_told_again_between_messages(void **state)
{
    struct fixture *f = start_idle(state);
    set_crlf(f);
    set(f, (struct asynchat_timeouts){.idle = 1000});
    for (int n = 1; n <= 3; n++) {
        feed_string(f, "x\r\n");
        turn_loop(f);
        pass(f, 999);
        assert_int_equal(f->count, n - 1);
        pass(f, 1);
        assert_int_equal(f->count, n);
    }
    expect(f, "data(x) found data(x) found data(x) found");
}

static void push_ping(struct asynchat_channel *ch, void *arg)
{
    count_idle(ch, arg);
    assert_int_equal(asynchat_push(ch, "PING", 4), 0);
}

static void what_is_sent_is_no_reason_to_tell_again(void **state)
{
    struct fixture *f = start_idle(state);
    idle_recorder.handle_idle = push_ping;
    set(f, (struct asynchat_timeouts){.read_idle = 1000});
    pass(f, 1000);
    pass(f, 5000);
    assert_int_equal(f->count, 1);
    feed_string(f, "x");
    turn_loop(f);
    pass(f, 1000);
    assert_int_equal(f->count, 2);
    settle(f);
    expect_got(f, "PINGPING");
}

/* It takes its time, and sets the other times, which would run then. */
static void set_times_slowly(struct asynchat_channel *ch, void *arg)
{
    static const struct asynchat_timeouts times = {
        .size = sizeof times, .idle = 1000, .read_idle = 2000, .message = 9000};
    count_idle(ch, arg);
    now += 10;
    assert_int_equal(asynchat_set_timeouts(ch, &times), 0);
}

static void a_handler_may_set_times_and_take_its_time(void **state)
{
    struct fixture *f = start_idle(state);
    idle_recorder.handle_idle = set_times_slowly;
    set(f, (struct asynchat_timeouts){.idle = 1000, .message = 9000});
    feed_string(f, "x");
    turn_loop(f);
    for (int n = 1; n <= 3; n++) {
        pass(f, 1000);
        assert_int_equal(f->count, n);
    }
    expect(f, "data(x)");
}

/* --- messages --- */

static void a_message_that_dribbles_ends_the_channel(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    set(f, (struct asynchat_timeouts){.message = 1000});
    pass(f, 5000); /* no message has begun */
    for (int i = 0; i < 10; i++) {
        feed_string(f, "x");
        turn_loop(f);
        pass(f, i < 9 ? 100 : 99);
    }
    expect(f, "data(xxxxxxxxxx)");
    pass(f, 1);
    expect(f, "error(ESLOW) closed(ESLOW)");
}

static void each_message_has_its_own_time(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    set(f, (struct asynchat_timeouts){.message = 1000});
    for (int i = 0; i < 5; i++) {
        feed_string(f, "a");
        turn_loop(f);
        pass(f, 900);
        feed_string(f, "b\r\nc\r\n");
        turn_loop(f);
        expect(f, "data(ab) found data(c) found");
        feed_string(f, "d"); /* begins in the wake-up in which another ends */
        turn_loop(f);
        pass(f, 900);
        feed_string(f, "\r\n");
        turn_loop(f);
        expect(f, "data(d) found");
        pass(f, 5000);
    }
}

static void a_message_begins_with_what_is_held_back(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    set(f, (struct asynchat_timeouts){.message = 1000});
    feed_string(f, "\r");
    turn_loop(f);
    pass(f, 1000);
    expect(f, "error(ESLOW) closed(ESLOW)");
}

static void one_ends_and_the_next_begins_in_one_read(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    set(f, (struct asynchat_timeouts){.message = 1000});
    feed_string(f, "a");
    turn_loop(f);
    pass(f, 900);
    feed_string(f, "\r\nb");
    turn_loop(f);
    pass(f, 999);
    expect(f, "data(a) found data(b)");
    pass(f, 1);
    expect(f, "error(ESLOW) closed(ESLOW)");
}

static void the_message_after_one_that_was_discarded_has_its_own_time(
    void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    set(f, (struct asynchat_timeouts){.message = 1000});
    feed_string(f, "a");
    turn_loop(f);
    pass(f, 900);
    asynchat_discard_buffers(f->ch);
    feed_string(f, "b");
    turn_loop(f);
    pass(f, 999);
    expect(f, "data(ab)");
    pass(f, 1);
    expect(f, "error(ESLOW) closed(ESLOW)");
}

static void the_message_after_one_that_was_dropped_has_its_own_time(
    void **state)
{
    struct fixture *f = start_with(state, &dropping_recorder);
    turn_loop(f);
    forget(f);
    set_crlf(f);
    assert_int_equal(asynchat_set_message_limit(f->ch, 1), 0);
    set(f, (struct asynchat_timeouts){.message = 1000});
    feed_string(f, "ab");
    turn_loop(f);
    pass(f, 900);
    feed_string(f, "\r\nc");
    turn_loop(f);
    pass(f, 999);
    expect(f, "data(a) dropped(,2) data(c)");
    pass(f, 1);
    expect(f, "error(ESLOW) closed(ESLOW)");
}

static void whole_messages_have_a_time_as_well(void **state)
{
    struct fixture *f = start_whole(state);
    set_crlf(f);
    set(f, (struct asynchat_timeouts){.message = 1000});
    feed_string(f, "abc\r\nd");
    turn_loop(f);
    pass(f, 1000);
    expect(f, "message(abc) error(ESLOW) closed(ESLOW)");
}

static void a_message_below_the_least_rate_ends_the_channel(void **state)
{
    struct fixture *f = start(state);
    char block[500] = {0};
    set_crlf(f);
    set(f, (struct asynchat_timeouts){.min_rate = 500, .rate_time = 2000});
    pass(f, 50000); /* there is no message */
    feed(f, block, 1);
    turn_loop(f);
    for (int i = 0; i < 4; i++) {
        pass(f, 500);
        feed(f, block, 500);
        turn_loop(f);
        pass(f, 1000);
        feed(f, block, 500);
        turn_loop(f);
        pass(f, 500);
    }
    assert_non_null(f->ch);
    feed(f, block, 499);
    turn_loop(f);
    pass(f, 1000);
    feed(f, block, 500);
    turn_loop(f);
    forget(f);
    pass(f, 999);
    expect(f, "");
    pass(f, 1);
    expect(f, "error(ESLOW) closed(ESLOW)");
}

/* --- output --- */

static void a_peer_that_takes_nothing_ends_the_channel(void **state)
{
    struct fixture *f = start(state);
    char *data = big(16u << 20);
    set(f, (struct asynchat_timeouts){.write_idle = 1000});
    pass(f, 5000); /* nothing is queued */
    assert_int_equal(asynchat_push(f->ch, data, 16u << 20), 0);
    turn_loop(f);
    pass(f, 999);
    expect(f, "");
    pass(f, 1);
    expect(f, "error(ESTALLED) closed(ESTALLED)");
    free(data);
}

static void a_peer_that_takes_something_has_its_time_again(void **state)
{
    struct fixture *f = start(state);
    char *data = big(16u << 20);
    char *block = malloc(1 << 20);
    set(f, (struct asynchat_timeouts){.write_idle = 1000});
    assert_int_equal(asynchat_push(f->ch, data, 16u << 20), 0);
    turn_loop(f);
    for (int i = 0; i < 5; i++) {
        pass(f, 900);
        assert_true(recv(f->peer, block, 1 << 20, 0) > 0);
        turn_loop(f);
    }
    assert_non_null(f->ch);
    pass(f, 1000);
    pass(f, 1000);
    expect(f, "error(ESTALLED) closed(ESTALLED)");
    free(block);
    free(data);
}

/* The system sends the file, and no byte of it is queued here. */
static void a_peer_that_takes_nothing_of_a_file_ends_the_channel(void **state)
{
    struct fixture *f = start(state);
    int fd = memfd_create("file", MFD_CLOEXEC);
    assert_int_equal(ftruncate(fd, 16 << 20), 0);
    set(f, (struct asynchat_timeouts){.write_idle = 1000});
    assert_int_equal(
        asynchat_push_producer(f->ch, asynchat_producer_file(fd, 0, 16 << 20)),
        0);
    turn_loop(f);
    pass(f, 999);
    expect(f, "");
    pass(f, 1);
    expect(f, "error(ESTALLED) closed(ESTALLED)");
}

static void set_slow(struct fixture *f)
{
    static const struct asynchat_rates rates = {
        .size = sizeof rates, .write = 1, .write_burst = 1};
    assert_int_equal(asynchat_set_rates(f->ch, &rates), 0);
    assert_int_equal(asynchat_push(f->ch, "12345", 5), 0);
}

/* The peer reads, so it is not to blame. */
static void while_a_rate_keeps_the_output_nobody_stalls(void **state)
{
    struct fixture *f = start(state);
    set(f, (struct asynchat_timeouts){.write_idle = 300});
    set_slow(f);
    for (int i = 0; i < 60; i++) {
        settle(f);
        pass(f, 100);
    }
    settle(f);
    expect_got(f, "12345");
    expect(f, "");
}

static void while_a_rate_keeps_the_output_nobody_lingers(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_linger(f->ch, 300), 0);
    set_slow(f);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    for (int i = 0; i < 60; i++) {
        settle(f);
        pass(f, 100);
    }
    settle(f);
    expect_got(f, "12345");
    expect(f, "closed(0)");
}

/* Fills the system's buffers for the channel. */
static void fill(struct fixture *f)
{
    static const char data[65536];
    int fd = bufferevent_getfd(asynchat_get_bufferevent(f->ch));
    while (send(fd, data, sizeof data, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        continue;
}

static void when_a_rate_allows_it_the_time_begins(void **state)
{
    struct fixture *f = start(state);
    set(f, (struct asynchat_timeouts){.write_idle = 300});
    set_slow(f);
    turn_loop(f);
    fill(f);
    pass(f, 1000);
    pass(f, 299);
    expect(f, "");
    pass(f, 1);
    expect(f, "error(ESTALLED) closed(ESTALLED)");
}

/* A peer that takes nothing although the rate allows it does stall. */
static void without_a_rate_the_time_begins(void **state)
{
    static const struct asynchat_rates none = {.size = sizeof none};
    struct fixture *f = start(state);
    char *data = big(16u << 20);
    set(f, (struct asynchat_timeouts){.write_idle = 300});
    set_slow(f);
    turn_loop(f);
    pass(f, 900);
    assert_int_equal(asynchat_push(f->ch, data, 16u << 20), 0);
    assert_int_equal(asynchat_set_rates(f->ch, &none), 0);
    turn_loop(f);
    pass(f, 299);
    expect(f, "");
    pass(f, 1);
    expect(f, "error(ESTALLED) closed(ESTALLED)");
    free(data);
}

/* --- pausing, setting --- */

static void resume(evutil_socket_t fd, short what, void *arg)
{
    struct fixture *f = arg;
    (void)fd;
    (void)what;
    asynchat_resume_reading(f->ch);
}

/* The channel's timer is due in the same pass of the loop, and runs next. */
static void a_pause_that_ends_with_the_timer_has_not_run(void **state)
{
    static const struct timeval before = {.tv_usec = 500000};
    struct fixture *f = start(state);
    set_crlf(f);
    set(f, (struct asynchat_timeouts){.read_idle = 1000});
    pass(f, 400);
    asynchat_pause_reading(f->ch);
    turn_loop(f);
    event_base_once(f->base, -1, EV_TIMEOUT, resume, f, &before);
    pass(f, 5000);
    pass(f, 599);
    expect(f, "");
    pass(f, 1);
    expect(f, "error(EIDLE) closed(EIDLE)");
}

static void what_is_sent_during_a_pause_begins_it_anew(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    set(f, (struct asynchat_timeouts){.idle = 1000});
    asynchat_pause_reading(f->ch);
    turn_loop(f);
    pass(f, 3000);
    assert_int_equal(asynchat_push(f->ch, "x", 1), 0);
    turn_loop(f);
    pass(f, 500);
    asynchat_resume_reading(f->ch);
    turn_loop(f);
    pass(f, 999);
    expect(f, "");
    pass(f, 1);
    expect(f, "error(EIDLE) closed(EIDLE)");
}

static void take_time(struct fixture *f)
{
    now += 5000;
    f->on_found = NULL;
}

static void what_waits_for_its_turn_has_come(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    assert_int_equal(asynchat_set_message_budget(f->ch, 1), 0);
    set(f, (struct asynchat_timeouts){.read_idle = 1000});
    f->on_found = take_time;
    feed_string(f, "a\r\nb\r\nc\r\n");
    turn_loop(f);
    turn_loop(f);
    expect(f, "data(a) found data(b) found data(c) found");
}

static void a_message_has_no_more_time_for_pauses(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    set(f, (struct asynchat_timeouts){.message = 1000});
    feed_string(f, "x");
    turn_loop(f);
    for (int i = 0; i < 3; i++) {
        pass(f, 300);
        asynchat_pause_reading(f->ch);
        turn_loop(f);
        pass(f, 700);
        asynchat_resume_reading(f->ch);
        turn_loop(f);
    }
    pass(f, 99);
    expect(f, "data(x)");
    pass(f, 1);
    expect(f, "error(ESLOW) closed(ESLOW)");
}

/* The time does not end before it begins. */
static void a_channel_that_connects_has_its_time_when_it_is_up(void **state)
{
    struct fixture *f = *state;
    int fds[2];
    f->base = f->base ? f->base : event_base_new();
    make_socketpair(fds);
    assert_int_equal(evutil_make_socket_nonblocking(fds[0]), 0);
    struct bufferevent *bev =
        bufferevent_socket_new(f->base, -1, BEV_OPT_CLOSE_ON_FREE);
    assert_int_equal(
        asynchat_channel_new(bev, ASYNCHAT_CONNECTING, &recorder, f, &f->ch),
        0);
    set(f, (struct asynchat_timeouts){.read_idle = 1000});
    pass(f, 5000);
    bufferevent_setfd(bev, fds[0]);
    f->peer = fds[1];
    bufferevent_trigger_event(bev, BEV_EVENT_CONNECTED, 0);
    turn_loop(f);
    expect(f, "connect");
    pass(f, 999);
    expect(f, "");
    pass(f, 1);
    expect(f, "error(EIDLE) closed(EIDLE)");
}

/* A channel that lingers gets another time, which is over at the end. */
static void shorten_linger(struct fixture *f)
{
    pass(f, 100);
    assert_int_equal(asynchat_set_linger(f->ch, 500), 0);
    turn_loop(f);
    pass(f, 399);
    expect(f, "");
    pass(f, 1);
}

static void a_shorter_linger_time_holds_at_once(void **state)
{
    struct fixture *f = start(state);
    char *data = big(16u << 20);
    assert_int_equal(asynchat_push(f->ch, data, 16u << 20), 0);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    turn_loop(f);
    shorten_linger(f);
    expect(f, "error(ETIMEDOUT) closed(ETIMEDOUT)");
    free(data);
}

/* Here no output is left that would make the channel look at its times. */
static void a_shorter_linger_time_holds_while_the_peer_does_not_end(
    void **state)
{
    struct fixture *f = start(state);
    char byte;
    assert_int_equal(asynchat_push(f->ch, "x", 1), 0);
    assert_int_equal(asynchat_close_in_stages(f->ch), 0);
    turn_loop(f);
    assert_int_equal(recv(f->peer, &byte, 1, 0), 1);
    shorten_linger(f);
    expect(f, "closed(0)");
}

/* The peer takes the last byte late, and does not end. */
static void what_was_taken_needs_no_second_linger_time(void **state)
{
    struct fixture *f = start(state);
    char byte;
    assert_int_equal(asynchat_set_linger(f->ch, 500), 0);
    assert_int_equal(asynchat_push(f->ch, "x", 1), 0);
    assert_int_equal(asynchat_close_in_stages(f->ch), 0);
    turn_loop(f);
    pass(f, 300);
    assert_int_equal(recv(f->peer, &byte, 1, 0), 1);
    pass(f, 199);
    expect(f, "");
    pass(f, 1);
    expect(f, "closed(0)");
}

static void keep_open(struct fixture *f)
{
    asynchat_keep_open(f->ch);
}

static void what_is_discarded_lingers_no_more(void **state)
{
    struct fixture *f = start(state);
    char *data = big(16u << 20);
    f->on_eof = keep_open;
    feed_eof(f);
    turn_loop(f);
    assert_int_equal(asynchat_push(f->ch, data, 16u << 20), 0);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    turn_loop(f);
    asynchat_discard_buffers(f->ch);
    turn_loop(f);
    pass(f, 100000);
    pass(f, 100000);
    expect(f, "eof");
    free(data);
}

static void time_stands_still_while_reading_is_paused(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    set(f, (struct asynchat_timeouts){.read_idle = 1000, .message = 1000});
    feed_string(f, "x");
    turn_loop(f);
    asynchat_pause_reading(f->ch);
    turn_loop(f);
    pass(f, 5000);
    asynchat_resume_reading(f->ch);
    turn_loop(f);
    pass(f, 999);
    expect(f, "data(x)");
    pass(f, 1);
    expect(f, "error(EIDLE) closed(EIDLE)");
}

static void it_stands_still_between_messages_too(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    set(f, (struct asynchat_timeouts){.read_idle = 1000});
    feed_string(f, "x\r\n");
    turn_loop(f);
    asynchat_pause_reading(f->ch);
    turn_loop(f);
    pass(f, 5000);
    asynchat_resume_reading(f->ch);
    turn_loop(f);
    pass(f, 999);
    expect(f, "data(x) found");
    pass(f, 1);
    expect(f, "error(EIDLE) closed(EIDLE)");
}

static void it_lingers_no_longer_than_the_linger_time(void **state)
{
    struct fixture *f = start(state);
    char *data = big(16u << 20);
    assert_int_equal(asynchat_set_linger(f->ch, 500), 0);
    set(f, (struct asynchat_timeouts){.idle = 100000});
    assert_int_equal(asynchat_push(f->ch, data, 16u << 20), 0);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    turn_loop(f);
    pass(f, 499);
    expect(f, "");
    pass(f, 1);
    expect(f, "error(ETIMEDOUT) closed(ETIMEDOUT)");
    free(data);
}

static void a_peer_that_is_only_listened_to_has_its_times(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    set(f, (struct asynchat_timeouts){.read_idle = 1000, .message = 3000});
    assert_int_equal(asynchat_shutdown_write(f->ch), 0);
    turn_loop(f);
    pass(f, 999);
    feed_string(f, "x");
    turn_loop(f);
    pass(f, 999);
    expect(f, "data(x)");
    pass(f, 1);
    expect(f, "error(EIDLE) closed(EIDLE)");
}

static void times_stop_with_the_channel(void **state)
{
    struct fixture *f = start(state);
    set(f, (struct asynchat_timeouts){.idle = 1000, .message = 1000});
    feed_string(f, "x");
    turn_loop(f);
    asynchat_close(f->ch);
    now += 5000;
    turn_loop(f);
    expect(f, "data(x) closed(0)");
}

static void a_shorter_time_is_set(void **state)
{
    struct fixture *f = start(state);
    set(f, (struct asynchat_timeouts){.idle = 100000});
    pass(f, 500);
    set(f, (struct asynchat_timeouts){.idle = 1000});
    pass(f, 999);
    expect(f, "");
    pass(f, 1);
    expect(f, "error(EIDLE) closed(EIDLE)");
}

/* Until then the timer is set for the longer time. */
static void a_shorter_time_may_begin_later(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    set(f, (struct asynchat_timeouts){.idle = 10000, .message = 1000});
    pass(f, 5000);
    feed_string(f, "x");
    turn_loop(f);
    pass(f, 999);
    expect(f, "data(x)");
    pass(f, 1);
    expect(f, "error(ESLOW) closed(ESLOW)");
}

/* There is one timer for a channel. It is set again only when it has run
 * out. */
static void messages_set_no_timer(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    set(f, (struct asynchat_timeouts){.idle = 1000, .message = 1000});
    for (int i = 0; i < 100; i++) {
        feed_string(f, "a\r\nb");
        turn_loop(f);
        now += 5;
        feed_string(f, "\r\n");
        turn_loop(f);
    }
    forget(f);
    pass(f, 500); /* the first timer runs out, and is set again */
    expect(f, "");
    pass(f, 499);
    expect(f, "");
    pass(f, 1);
    expect(f, "error(EIDLE) closed(EIDLE)");
}

static void bad_times_are_refused(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_timeouts times = {.size = sizeof times};
    assert_int_equal(asynchat_set_timeouts(NULL, &times), -EINVAL);
    assert_int_equal(asynchat_set_timeouts(f->ch, NULL), -EINVAL);
    unsigned *all[] = {&times.idle,    &times.read_idle, &times.write_idle,
                       &times.message, &times.min_rate,  &times.rate_time};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        *all[i] = 1u + INT_MAX;
        assert_int_equal(asynchat_set_timeouts(f->ch, &times), -EINVAL);
        *all[i] = 0;
    }
    times.size = 4;
    assert_int_equal(asynchat_set_timeouts(f->ch, &times), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_ALL(an_idle_channel_ends),
        OVER_ALL(what_moves_begins_it_anew),
        OVER_ALL(what_is_sent_is_nothing_read),
        OVER_ALL(the_peer_can_be_told),
        OVER_ALL(a_handler_is_told_once_until_something_comes),
        OVER_ALL(a_handler_is_told_again_in_a_message),
        OVER_ALL(a_handler_is_told_again_between_messages),
        OVER_ALL(what_is_sent_is_no_reason_to_tell_again),
        OVER_ALL(a_handler_may_set_times_and_take_its_time),
        OVER_ALL(a_message_that_dribbles_ends_the_channel),
        OVER_ALL(each_message_has_its_own_time),
        OVER_SOCKETS(the_message_after_one_that_was_discarded_has_its_own_time),
        OVER_ALL(the_message_after_one_that_was_dropped_has_its_own_time),
        OVER_ALL(a_message_begins_with_what_is_held_back),
        OVER_ALL(one_ends_and_the_next_begins_in_one_read),
        OVER_ALL(whole_messages_have_a_time_as_well),
        OVER_ALL(a_message_below_the_least_rate_ends_the_channel),
        OVER_SOCKETS(a_peer_that_takes_nothing_ends_the_channel),
        OVER(BUFFEREVENT, a_peer_that_takes_nothing_ends_the_channel),
        OVER(SOCKETPAIR, a_peer_that_takes_something_has_its_time_again),
        OVER(BUFFEREVENT, a_peer_that_takes_something_has_its_time_again),
        OVER(SOCKETPAIR, a_peer_that_takes_nothing_of_a_file_ends_the_channel),
        OVER_ALL(while_a_rate_keeps_the_output_nobody_stalls),
        OVER_ALL(while_a_rate_keeps_the_output_nobody_lingers),
        OVER(SOCKETPAIR, when_a_rate_allows_it_the_time_begins),
        OVER(SOCKETPAIR, without_a_rate_the_time_begins),
        OVER_ALL(time_stands_still_while_reading_is_paused),
        OVER_ALL(a_pause_that_ends_with_the_timer_has_not_run),
        OVER_ALL(what_is_sent_during_a_pause_begins_it_anew),
        OVER_ALL(what_waits_for_its_turn_has_come),
        OVER_ALL(a_message_has_no_more_time_for_pauses),
        OVER(BUFFEREVENT, a_channel_that_connects_has_its_time_when_it_is_up),
        OVER(SOCKETPAIR, a_shorter_linger_time_holds_at_once),
        OVER(SOCKETPAIR,
             a_shorter_linger_time_holds_while_the_peer_does_not_end),
        OVER(SOCKETPAIR, what_was_taken_needs_no_second_linger_time),
        OVER_SOCKETS(what_is_discarded_lingers_no_more),
        OVER_ALL(it_stands_still_between_messages_too),
        OVER_SOCKETS(it_lingers_no_longer_than_the_linger_time),
        OVER_SOCKETS(a_peer_that_is_only_listened_to_has_its_times),
        OVER(BUFFEREVENT, a_peer_that_is_only_listened_to_has_its_times),
        OVER_ALL(times_stop_with_the_channel),
        OVER_ALL(a_shorter_time_is_set),
        OVER_ALL(a_shorter_time_may_begin_later),
        OVER_ALL(messages_set_no_timer),
        OVER_ALL(bad_times_are_refused),
    };
    return RUN(tests);
}
