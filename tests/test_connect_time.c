/* How long a connection may take to come up, with a clock of the test's own.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/bufferevent.h>
#include <event2/event.h>

#include "base/address.h"
#include "clock.h"

#define GIVEN_UP "error(ETIMEDOUT) closed(ETIMEDOUT)"

static void pass(struct fixture *f, long milliseconds)
{
    clock_advance(milliseconds);
    turn_loop(f);
}

/* The channel is given up after this time, not before, and it is reported
 * once. */
static void expect_given_up_after(struct fixture *f, long milliseconds)
{
    pass(f, milliseconds - 1);
    expect(f, "");
    pass(f, 1);
    expect(f, GIVEN_UP);
    assert_null(f->ch);
    pass(f, 1000000);
    expect(f, "");
}

/* --- connections that do not come up --- */

/* A bufferevent that is never connected. */
static struct bufferevent *begin_bufferevent(struct fixture *f)
{
    struct bufferevent *bev =
        bufferevent_socket_new(f->base, -1, BEV_OPT_CLOSE_ON_FREE);
    assert_non_null(bev);
    assert_int_equal(
        asynchat_channel_new(bev, ASYNCHAT_CONNECTING, &recorder, f, &f->ch),
        0);
    return bev;
}

/* A listening socket that no longer answers, since its backlog is full. It is
 * the peer; the connections that it still answers fill the backlog. */
static int listen_full(struct fixture *f, char *address)
{
    struct address at;
    assert_int_equal(asynchat__address_parse(&at, "127.0.0.1:0"), 0);
    f->peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->peer, (struct sockaddr *)&at.storage, at.len), 0);
    assert_int_equal(listen(f->peer, 0), 0);
    assert_int_equal(asynchat__address_of(f->peer, getsockname, &at), 0);
    assert_int_equal(
        asynchat__address_format(&at, address, ASYNCHAT_ADDRESS_SIZE), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at.storage, at.len), 0);
    return fd;
}

static void begin_connect(struct fixture *f, const char *address,
                          unsigned timeout)
{
    assert_int_equal(
        asynchat_connect(f->base, address, timeout, &recorder, f, &f->ch), 0);
    turn_loop(f);
    expect(f, "");
}

static void connecting_takes_the_time_it_was_given(void **state)
{
    struct fixture *f = *state;
    char address[ASYNCHAT_ADDRESS_SIZE];
    int fd = listen_full(f, address);
    begin_connect(f, address, 5000);
    assert_int_equal(asynchat_get_connect_time(f->ch), 5000);
    expect_given_up_after(f, 5000);
    close(fd);
}

static void without_a_time_connecting_is_left_to_the_system(void **state)
{
    struct fixture *f = *state;
    char address[ASYNCHAT_ADDRESS_SIZE];
    int fd = listen_full(f, address);
    begin_connect(f, address, 0);
    assert_int_equal(asynchat_get_connect_time(f->ch), 0);
    pass(f, 1000000);
    expect(f, "");
    assert_int_equal(asynchat_set_connect_time(f->ch, 1000), 0);
    assert_int_equal(asynchat_get_connect_time(f->ch), 1000);
    expect_given_up_after(f, 1000);
    close(fd);
}

static void a_bufferevent_has_a_minute(void **state)
{
    struct fixture *f = *state;
    begin_bufferevent(f);
    assert_int_equal(asynchat_get_connect_time(f->ch), 60000);
    expect_given_up_after(f, 60000);
}

static void a_shorter_time_begins_when_it_is_set(void **state)
{
    struct fixture *f = *state;
    begin_bufferevent(f);
    pass(f, 30000);
    assert_int_equal(asynchat_set_connect_time(f->ch, 1000), 0);
    assert_int_equal(asynchat_get_connect_time(f->ch), 1000);
    expect_given_up_after(f, 1000);
}

static void a_longer_time_begins_when_it_is_set(void **state)
{
    struct fixture *f = *state;
    begin_bufferevent(f);
    pass(f, 59999);
    assert_int_equal(asynchat_set_connect_time(f->ch, INT_MAX), 0);
    pass(f, 1);
    assert_int_equal(asynchat_set_connect_time(f->ch, 90000), 0);
    expect_given_up_after(f, 90000);
}

/* --- what a program does meanwhile --- */

static void what_is_to_be_sent_does_not_keep_it(void **state)
{
    struct fixture *f = *state;
    begin_bufferevent(f);
    assert_int_equal(asynchat_push(f->ch, "hello", 5), 0);
    turn_loop(f);
    expect_given_up_after(f, 60000);
}

static void told_to_close_when_done_it_is_given_up_as_well(void **state)
{
    struct fixture *f = *state;
    begin_bufferevent(f);
    assert_int_equal(asynchat_push(f->ch, "hello", 5), 0);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    turn_loop(f);
    expect_given_up_after(f, 60000);
}

static void told_to_close_between_messages_it_is_given_up(void **state)
{
    struct fixture *f = *state;
    begin_bufferevent(f);
    assert_int_equal(asynchat_close_between_messages(f->ch), 0);
    turn_loop(f);
    expect_given_up_after(f, 60000);
}

static void a_pause_does_not_stop_it(void **state)
{
    struct fixture *f = *state;
    begin_bufferevent(f);
    asynchat_pause_reading(f->ch);
    turn_loop(f);
    expect_given_up_after(f, 60000);
}

/* These times stand still until the connection is up. */
static void shorter_times_of_the_peer_s_do_not_end_it(void **state)
{
    static const struct asynchat_timeouts times = {
        .size = sizeof times, .idle = 10, .read_idle = 10, .write_idle = 10};
    struct fixture *f = *state;
    begin_bufferevent(f);
    assert_int_equal(asynchat_set_timeouts(f->ch, &times), 0);
    assert_int_equal(asynchat_push(f->ch, "hello", 5), 0);
    turn_loop(f);
    expect_given_up_after(f, 60000);
}

static void closed_before_it_is_no_longer_waited_for(void **state)
{
    struct fixture *f = *state;
    begin_bufferevent(f);
    asynchat_close(f->ch);
    assert_int_equal(asynchat_get_connect_time(f->ch), 0);
    assert_int_equal(asynchat_set_connect_time(f->ch, 1), 0);
    pass(f, 60000);
    expect(f, "closed(0)");
}

static void free_it(struct fixture *f)
{
    asynchat_channel_free(f->ch);
    f->ch = NULL;
}

static void freed_in_handle_error_it_is_told_no_more(void **state)
{
    struct fixture *f = *state;
    begin_bufferevent(f);
    f->on_error = free_it;
    pass(f, 60000);
    expect(f, "error(ETIMEDOUT)");
    assert_null(f->ch);
}

static void freed_before_there_is_nothing(void **state)
{
    struct fixture *f = *state;
    begin_bufferevent(f);
    free_it(f);
    pass(f, 60000);
    expect(f, "");
}

static void one_attempt_after_the_other_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    char address[ASYNCHAT_ADDRESS_SIZE];
    int fd = listen_full(f, address);
    for (int i = 0; i < 20; i++) {
        begin_connect(f, address, 1000);
        expect_given_up_after(f, 1000);
        begin_bufferevent(f);
        expect_given_up_after(f, 60000);
    }
    assert_int_equal(event_base_get_num_events(f->base, EVENT_BASE_COUNT_ADDED),
                     0);
    close(fd);
}

/* --- when it is up --- */

/* There is no timer left either. */
static void up_it_has_no_time_any_more(void **state)
{
    struct fixture *f = *state;
    struct bufferevent *pair[2];
    assert_int_equal(bufferevent_pair_new(f->base, 0, pair), 0);
    assert_int_equal(asynchat_channel_new(pair[0], ASYNCHAT_CONNECTING,
                                          &recorder, f, &f->ch),
                     0);
    pass(f, 59999);
    bufferevent_trigger_event(pair[0], BEV_EVENT_CONNECTED, 0);
    turn_loop(f);
    expect(f, "connect");
    assert_int_equal(event_base_get_num_events(f->base, EVENT_BASE_COUNT_ADDED),
                     0);
    assert_int_equal(asynchat_get_connect_time(f->ch), 0);
    assert_int_equal(asynchat_set_connect_time(f->ch, 1000), 0);
    assert_int_equal(asynchat_get_connect_time(f->ch), 0);
    pass(f, 1000000);
    expect(f, "");
    bufferevent_free(pair[1]);
}

static void set_idle_time(struct fixture *f)
{
    static const struct asynchat_timeouts times = {.size = sizeof times,
                                                   .idle = 500};
    assert_int_equal(asynchat_set_timeouts(f->ch, &times), 0);
}

static void other_times_can_be_set_then(void **state)
{
    struct fixture *f = *state;
    struct bufferevent *pair[2];
    assert_int_equal(bufferevent_pair_new(f->base, 0, pair), 0);
    assert_int_equal(asynchat_channel_new(pair[0], ASYNCHAT_CONNECTING,
                                          &recorder, f, &f->ch),
                     0);
    f->on_connect = set_idle_time;
    pass(f, 50000);
    bufferevent_trigger_event(pair[0], BEV_EVENT_CONNECTED, 0);
    turn_loop(f);
    pass(f, 499);
    expect(f, "connect");
    pass(f, 1);
    expect(f, "error(EIDLE) closed(EIDLE)");
    bufferevent_free(pair[1]);
}

static void what_connects_in_time_is_connected(void **state)
{
    struct fixture *f = *state;
    char address[ASYNCHAT_ADDRESS_SIZE];
    int fd = listen_full(f, address);
    assert_int_equal(listen(f->peer, 10), 0);
    assert_int_equal(
        asynchat_connect(f->base, address, 1000, &recorder, f, &f->ch), 0);
    turn_loop(f);
    expect(f, "connect");
    assert_int_equal(asynchat_get_connect_time(f->ch), 0);
    pass(f, 1000000);
    expect(f, "");
    close(fd);
}

/* --- wrong use --- */

static void bad_times_are_refused(void **state)
{
    struct fixture *f = *state;
    begin_bufferevent(f);
    assert_int_equal(asynchat_set_connect_time(NULL, 1), -EINVAL);
    assert_int_equal(asynchat_set_connect_time(f->ch, 0), -EINVAL);
    assert_int_equal(asynchat_set_connect_time(f->ch, 1u + INT_MAX), -EINVAL);
    assert_int_equal(asynchat_get_connect_time(f->ch), 60000);
    assert_int_equal(asynchat_get_connect_time(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER(TCP, connecting_takes_the_time_it_was_given),
        OVER(TCP, without_a_time_connecting_is_left_to_the_system),
        OVER(BUFFEREVENT, a_bufferevent_has_a_minute),
        OVER(BUFFEREVENT, a_shorter_time_begins_when_it_is_set),
        OVER(BUFFEREVENT, a_longer_time_begins_when_it_is_set),
        OVER(BUFFEREVENT, what_is_to_be_sent_does_not_keep_it),
        OVER(BUFFEREVENT, told_to_close_when_done_it_is_given_up_as_well),
        OVER(BUFFEREVENT, told_to_close_between_messages_it_is_given_up),
        OVER(BUFFEREVENT, a_pause_does_not_stop_it),
        OVER(BUFFEREVENT, shorter_times_of_the_peer_s_do_not_end_it),
        OVER(BUFFEREVENT, closed_before_it_is_no_longer_waited_for),
        OVER(BUFFEREVENT, freed_in_handle_error_it_is_told_no_more),
        OVER(BUFFEREVENT, freed_before_there_is_nothing),
        OVER(TCP, one_attempt_after_the_other_leaves_nothing),
        OVER(PAIR, up_it_has_no_time_any_more),
        OVER(PAIR, other_times_can_be_set_then),
        OVER(TCP, what_connects_in_time_is_connected),
        OVER(BUFFEREVENT, bad_times_are_refused),
    };
    return RUN(tests);
}
