/* Pausing the input, and going on.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

static void pause_reading(struct fixture *f)
{
    asynchat_pause_reading(f->ch);
}

static void resume_reading(struct fixture *f)
{
    asynchat_resume_reading(f->ch);
}

static void nothing_is_delivered_while_paused(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    pause_reading(f);
    feed_string(f, "one\r\ntwo\r\n");
    settle(f);
    expect(f, "");
    resume_reading(f);
    settle(f);
    expect(f, "data(one) found data(two) found");
}

/* The callback that pauses is the last one, whatever has arrived after it. */
static void pausing_in_found_terminator_holds_the_rest(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = pause_reading;
    feed_string(f, "one\r\ntwo\r\nthree\r\n");
    settle(f);
    expect(f, "data(one) found");
    resume_reading(f);
    settle(f);
    expect(f, "data(two) found");
    resume_reading(f);
    settle(f);
    expect(f, "data(three) found");
}

static void pausing_in_collect_holds_the_terminator(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_data = pause_reading;
    feed_string(f, "one\r\n\r\n");
    settle(f);
    expect(f, "data(one)");
    resume_reading(f);
    settle(f);
    expect(f, "found found");
}

static void pausing_in_message_holds_the_next(void **state)
{
    struct fixture *f = start_whole(state);
    set_crlf(f);
    f->on_message = pause_reading;
    feed_string(f, "one\r\n\r\nthree\r\n");
    settle(f);
    expect(f, "message(one)");
    resume_reading(f);
    settle(f);
    expect(f, "message()");
    resume_reading(f);
    settle(f);
    expect(f, "message(three)");
}

static void pausing_in_a_number_counts_on(void **state)
{
    struct fixture *f = start(state);
    asynchat_set_in_buffer_size(f->ch, 2);
    assert_int_equal(asynchat_set_terminator_length(f->ch, 5), 0);
    f->on_data = pause_reading;
    feed_string(f, "abcdef");
    settle(f);
    expect(f, "data(ab)");
    resume_reading(f);
    settle(f);
    expect(f, "data(cd)");
    resume_reading(f);
    settle(f);
    expect(f, "data(e)");
    f->on_data = NULL;
    resume_reading(f);
    settle(f);
    expect(f, "found data(f)");
}

/* Five bytes were held back. Two of them are delivered at a time. */
static void pausing_while_bytes_are_given_back(void **state)
{
    struct fixture *f = start(state);
    asynchat_set_in_buffer_size(f->ch, 2);
    assert_int_equal(asynchat_set_terminator(f->ch, "aaaaab", 6), 0);
    feed_string(f, "aaaaa");
    settle(f);
    expect(f, "");
    f->on_data = pause_reading;
    feed_string(f, "c");
    settle(f);
    expect(f, "data(aa)");
    resume_reading(f);
    settle(f);
    expect(f, "data(aa)");
    f->on_data = NULL;
    resume_reading(f);
    settle(f);
    expect(f, "data(ac)");
}

static void a_number_reached_while_pausing_is_told_after_it(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_terminator_length(f->ch, 3), 0);
    f->on_data = pause_reading;
    feed_string(f, "abc");
    feed_eof(f);
    settle(f);
    expect(f, "data(abc)");
    set_crlf(f);
    resume_reading(f);
    settle(f);
    expect(f, "found eof closed(EOF)");
}

static void discarding_drops_a_number_that_was_reached(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_terminator_length(f->ch, 3), 0);
    f->on_data = pause_reading;
    feed_string(f, "abc");
    settle(f);
    asynchat_discard_buffers(f->ch);
    resume_reading(f);
    settle(f);
    expect(f, "data(abc)");
}

static void pause_and_resume(struct fixture *f)
{
    pause_reading(f);
    pause_reading(f);
    resume_reading(f);
}

/* Three of the five bytes are delivered. The other two are again the beginning
 * of the terminator. */
static void pausing_while_some_bytes_are_given_back(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_terminator(f->ch, "abcabd", 6), 0);
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 1), 0);
    feed_string(f, "abcab");
    settle(f);
    f->on_data = pause_reading;
    feed_string(f, "c");
    for (int i = 0; i < 4; i++) {
        settle(f);
        resume_reading(f);
    }
    feed_string(f, "abd");
    settle(f);
    expect(f, "data(abc) found");
}

static void pausing_and_resuming_in_one_callback_is_nothing(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_data = pause_and_resume;
    f->on_found = pause_and_resume;
    feed_string(f, "one\r\ntwo\r\n\r\n");
    settle(f);
    expect(f, "data(one) found data(two) found found");
}

static void pausing_before_the_connection_is_up(void **state)
{
    struct fixture *f = start_with(state, &recorder);
    expect(f, "connect");
    asynchat_pause_reading(NULL);
    asynchat_resume_reading(NULL);
    resume_reading(f);
    settle(f);
    expect(f, "");
}

static void resume_and_pause(struct fixture *f)
{
    resume_reading(f);
    pause_reading(f);
}

static void a_terminator_set_while_paused_holds(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = resume_and_pause;
    feed_string(f, "a\r\nb;c;\r");
    settle(f);
    expect(f, "data(a) found");
    assert_int_equal(asynchat_set_terminator(f->ch, ";", 1), 0);
    f->on_found = NULL;
    resume_reading(f);
    settle(f);
    expect(f, "data(b) found data(c) found data(\\r)");
}

/* --- in the meantime --- */

static void output_goes_on(void **state)
{
    struct fixture *f = start(state);
    pause_reading(f);
    feed_string(f, "x");
    assert_int_equal(asynchat_push(f->ch, "hello", 5), 0);
    settle(f);
    expect_got(f, "hello");
    expect(f, "");
}

/* Nothing more is read from the system. */
static void a_sender_has_to_wait(void **state)
{
    struct fixture *f = start(state);
    char block[4096] = {0};
    size_t taken = 0;
    ssize_t n;
    pause_reading(f);
    settle(f);
    do {
        n = send(f->peer, block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL);
        taken += n > 0 ? (size_t)n : 0;
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    } while (n > 0 && taken < 64u << 20);
    assert_true(n < 0);
    settle(f);
    expect(f, "");
}

static void the_end_is_told_when_nothing_is_undelivered(void **state)
{
    struct fixture *f = start(state);
    need_edges(f);
    set_crlf(f);
    feed_string(f, "one\r\n");
    settle(f);
    expect(f, "data(one) found");
    pause_reading(f);
    settle(f);
    feed_eof(f);
    settle(f);
    expect(f, "eof closed(EOF)");
}

static void the_end_is_told_when_no_whole_message_is_undelivered(void **state)
{
    struct fixture *f = start_whole(state);
    need_edges(f);
    set_crlf(f);
    feed_string(f, "one\r\n");
    settle(f);
    expect(f, "message(one)");
    pause_reading(f);
    settle(f);
    feed_eof(f);
    settle(f);
    expect(f, "eof closed(EOF)");
}

/* The pieces of that message were delivered. */
static void the_end_is_told_in_the_middle_of_a_message(void **state)
{
    struct fixture *f = start(state);
    need_edges(f);
    set_crlf(f);
    feed_string(f, "one");
    settle(f);
    expect(f, "data(one)");
    pause_reading(f);
    settle(f);
    feed_eof(f);
    settle(f);
    expect(f, "eof(cut off) closed(EOF)");
}

static void the_end_waits_for_a_byte_held_back(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    feed_string(f, "\r");
    settle(f);
    pause_reading(f);
    settle(f);
    feed_eof(f);
    settle(f);
    expect(f, "");
    resume_reading(f);
    settle(f);
    expect(f, "data(\\r) eof(cut off) closed(EOF)");
}

static void the_end_waits_for_what_came_before_it(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = pause_reading;
    feed_string(f, "one\r\ntwo\r\nthr\r");
    feed_eof(f);
    settle(f);
    expect(f, "data(one) found");
    resume_reading(f);
    settle(f);
    expect(f, "data(two) found");
    f->on_data = pause_reading;
    resume_reading(f);
    settle(f);
    expect(f, "data(thr)");
    f->on_data = NULL;
    resume_reading(f);
    settle(f);
    expect(f, "data(\\r) eof(cut off) closed(EOF)");
}

static void a_whole_message_that_ends_with_the_input_waits(void **state)
{
    struct fixture *f = start_whole(state);
    feed_string(f, "a");
    settle(f);
    pause_reading(f);
    feed_eof(f);
    settle(f);
    expect(f, "");
    resume_reading(f);
    settle(f);
    expect(f, "message(a) eof closed(EOF)");
}

static void keep_open(struct fixture *f)
{
    asynchat_keep_open(f->ch);
}

/* There is no input left that could wait. */
static void the_output_outlives_a_paused_input(void **state)
{
    struct fixture *f = start(state);
    f->on_eof = keep_open;
    feed_eof(f);
    settle(f);
    expect(f, "eof");
    pause_reading(f);
    assert_int_equal(asynchat_push(f->ch, "late", 4), 0);
    settle(f);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    settle(f);
    expect_got(f, "late");
    expect(f, "closed(EOF)");
}

static void a_reset_is_told_at_once(void **state)
{
    struct fixture *f = start(state);
    need_edges(f);
    set_crlf(f);
    f->on_found = pause_reading;
    feed_string(f, "one\r\ntwo\r\n");
    settle(f);
    expect(f, "data(one) found");
    feed_string(f, "three\r\n"); /* this stays in the system */
    settle(f);
    feed_reset(f);
    settle(f);
    expect(f, "error(ECONNRESET) closed(ECONNRESET)");
}

/* If the peer goes away while output waits for it, the output fails. */
static void a_reset_is_told_with_output_waiting(void **state)
{
    struct fixture *f = start(state);
    char *data = big(16u << 20);
    pause_reading(f);
    assert_int_equal(asynchat_push(f->ch, data, 16u << 20), 0);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    feed_reset(f);
    settle_closed(f);
    assert_true(f->status < 0);
    free(data);
}

static int wakeups; /* descriptors that were ready, over all wake-ups */

int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout)
{
    int n =
        (int)syscall(SYS_epoll_pwait, epoll, events, most, timeout, NULL, 8);
    wakeups += n > 0 ? n : 0;
    return n;
}

static void input_that_comes_meanwhile_wakes_nobody(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    pause_reading(f);
    feed_string(f, "one\r\n");
    settle(f);
    wakeups = 0;
    for (int i = 0; i < 10; i++) {
        feed_string(f, "more\r\n");
        settle(f);
    }
    assert_int_equal(wakeups, 0);
    feed_eof(f);
    settle(f);
    assert_true(wakeups <= 1); /* a later libevent calls another function */
    expect(f, "");
    asynchat_set_terminator_none(f->ch);
    resume_reading(f);
    settle(f);
    expect(f, "data(one\\r\\nmore\\r\\nmore\\r\\nmore\\r\\nmore\\r\\n"
              "more\\r\\nmore\\r\\nmore\\r\\nmore\\r\\nmore\\r\\nmore\\r\\n) "
              "eof closed(EOF)");
}

/* The input before the end was either read already, or not. */
static void a_reset_behind_the_end_is_told(void **state)
{
    for (int i = 0; i < 2; i++) {
        struct fixture *f = start(state);
        need_edges(f);
        pause_reading(f);
        if (i == 1)
            settle(f);
        feed_string(f, "one");
        feed_eof(f);
        settle(f);
        expect(f, "");
        feed_reset(f);
        settle(f);
        expect(f, "error(EPIPE) closed(EPIPE)");
        close_connection(f);
    }
}

/* Input that stays where it is does not wake the loop. An event of its own
 * counts each turn of the loop. */
static void waiting_input_costs_nothing(void **state)
{
    struct fixture *f = start(state);
    pause_reading(f);
    feed_string(f, "x");
    settle(f);
    assert_int_equal(
        event_base_get_num_events(f->base, EVENT_BASE_COUNT_ACTIVE), 0);
    for (int i = 0; i < 10; i++) {
        event_base_loop(f->base, EVLOOP_NONBLOCK);
        assert_int_equal(asynchat_push(f->ch, "y", 1), 0);
    }
    settle(f);
    expect_got(f, "yyyyyyyyyy");
    resume_reading(f);
    settle(f);
    expect(f, "data(x)");
}

static void ends_while_paused(void **state)
{
    struct fixture *f = start(state);
    pause_reading(f);
    feed_string(f, "x");
    settle(f);
    assert_int_equal(asynchat_push(f->ch, "bye", 3), 0);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    settle(f);
    feed_eof(f);
    settle(f);
    expect_got(f, "bye");
    expect(f, "closed(0)");
}

static void discard_while_paused(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = pause_reading;
    feed_string(f, "one\r\ntwo\r\n");
    settle(f);
    expect(f, "data(one) found");
    asynchat_discard_buffers(f->ch);
    resume_reading(f);
    feed_string(f, "three\r\n");
    settle(f);
    expect(f, "data(three) found");
}

/* --- the budget of messages --- */

/* Another channel of the loop. It notes how much the first channel had recorded
 * each time it had a turn. */
static void note_turn(struct asynchat_channel *ch, const void *data, size_t len,
                      void *arg)
{
    struct fixture *f = arg;
    (void)ch;
    (void)data;
    f->count += (int)len;
}

static const struct asynchat_handler neighbour = {
    .size = sizeof neighbour, .collect_incoming_data = note_turn};

static int seen_by_then;

static void note_neighbour(struct fixture *f)
{
    if (f->log_len < 10) /* the first message: now feed the neighbour */
        assert_int_equal(send(*(int *)f->own, "x", 1, 0), 1);
    if (seen_by_then < 0 && f->count > 0)
        seen_by_then = (int)(f->log_len);
}

/* One read has 1000 messages. Meanwhile something comes for another channel. */
static void others_have_their_turn_after_so_many_messages(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_channel *other;
    int fds[2];
    make_socketpair(fds);
    assert_int_equal(
        asynchat_channel_new_socket(f->base, fds[0], &neighbour, f, &other), 0);
    settle(f);
    set_crlf(f);
    assert_int_equal(asynchat_set_message_budget(f->ch, 10), 0);
    assert_int_equal(asynchat_get_message_budget(f->ch), 10);
    seen_by_then = -1;
    f->own = &fds[1];
    f->on_found = note_neighbour;
    char lines[2000];
    for (size_t i = 0; i < sizeof lines; i++)
        lines[i] = "\r\n"[i % 2];
    feed(f, lines, sizeof lines);
    settle(f);
    assert_int_equal(f->log_len, 1000 * strlen("found ") - 1);
    assert_in_range(seen_by_then, 1, 30 * strlen("found "));
    asynchat_channel_free(other);
    close(fds[1]);
}

static void a_budget_of_one_delivers_all(void **state)
{
    struct fixture *f = start_whole(state);
    set_crlf(f);
    assert_int_equal(asynchat_set_message_budget(f->ch, 1), 0);
    feed_string(f, "a\r\n\r\nc\r\nd");
    settle(f);
    assert_int_equal(asynchat_set_terminator_length(f->ch, 2), 0);
    feed_string(f, "efg");
    feed_eof(f);
    settle(f);
    expect(f, "message(a) message() message(c) message(def) message(g) eof "
              "closed(EOF)");
}

static int give_without_end(struct asynchat_channel *ch, struct evbuffer *out,
                            size_t room, void *arg)
{
    static const char zeros[4096];
    (void)ch;
    (void)arg;
    evbuffer_add(out, zeros, room < sizeof zeros ? room : sizeof zeros);
    return ASYNCHAT_MORE;
}

/* One pass of the loop after another, in each of which the channel can send. */
static void pass_while_it_sends(struct fixture *f, int passes)
{
    char got[65536];
    for (int i = 0; i < passes; i++) {
        event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        while (recv(f->peer, got, sizeof got, MSG_DONTWAIT) > 0)
            ;
    }
}

/* The timer that gives a channel its turn is set once: whatever else wakes the
 * channel does not put the turn off. */
static void a_turn_comes_while_the_output_goes_on(void **state)
{
    static const struct asynchat_producer_ops ops = {.size = sizeof ops,
                                                     .more = give_without_end};
    struct fixture *f = start_whole(state);
    struct asynchat_producer *endless;
    set_crlf(f);
    assert_int_equal(asynchat_set_message_budget(f->ch, 1), 0);
    assert_int_equal(asynchat_set_out_buffer_size(f->ch, 4096), 0);
    assert_int_equal(asynchat_producer_new(&ops, NULL, &endless), 0);
    assert_int_equal(asynchat_push_producer(f->ch, endless), 0);
    pass_while_it_sends(f, 5);
    feed_string(f, "a\r\nb\r\nc\r\nd\r\n");
    pass_while_it_sends(f, 50);
    expect(f, "message(a) message(b) message(c) message(d)");
    asynchat_channel_free(f->ch);
    f->ch = NULL;
}

static void count_and_leave(struct fixture *f)
{
    f->count++;
    event_base_loopbreak(f->base);
}

static void count_and_go_on(struct fixture *f)
{
    count_and_leave(f);
    assert_int_equal(asynchat_set_terminator_length(f->ch, 2), 0);
}

/* The loop is left after each wake-up that had a message. */
static void expect_two_in_each(struct fixture *f)
{
    assert_int_equal(asynchat_set_message_budget(f->ch, 2), 0);
    f->on_dropped = count_and_leave;
    for (int i = 1; i <= 2; i++) {
        event_base_loop(f->base, 0);
        assert_int_equal(f->count, 2 * i);
    }
    settle(f);
    assert_int_equal(f->count, 5);
}

static void two_lines_are_a_turn(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = count_and_leave;
    feed_string(f, "a\r\n\r\nb\r\nc\r\n\r\n");
    expect_two_in_each(f);
}

static void two_whole_lines_are_a_turn(void **state)
{
    struct fixture *f = start_whole(state);
    set_crlf(f);
    f->on_message = count_and_leave;
    feed_string(f, "a\r\n\r\nb\r\nc\r\n\r\n");
    expect_two_in_each(f);
}

static void two_numbers_are_a_turn(void **state)
{
    struct fixture *f = start_whole(state);
    f->on_message = count_and_go_on;
    assert_int_equal(asynchat_set_terminator_length(f->ch, 2), 0);
    feed_string(f, "aabbccddee");
    expect_two_in_each(f);
}

/* Each message comes in two pieces. */
static void two_that_were_kept_are_a_turn(void **state)
{
    struct fixture *f = start_whole(state);
    set_crlf(f);
    f->on_message = count_and_leave;
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 2), 0);
    feed_string(f, "aaa\r\nbbb\r\nccc\r\nddd\r\neee\r\n");
    expect_two_in_each(f);
}

static void two_that_were_dropped_are_a_turn(void **state)
{
    struct fixture *f = start_with(state, &dropping_recorder);
    set_crlf(f);
    assert_int_equal(asynchat_set_message_limit(f->ch, 1), 0);
    feed_string(f, "aa\r\nbb\r\ncc\r\ndd\r\nee\r\n");
    expect_two_in_each(f);
}

static void count_and_set_one(struct fixture *f)
{
    count_and_leave(f);
    if (f->count == 1)
        assert_int_equal(asynchat_set_message_budget(f->ch, 1), 0);
}

/* One more message, in the wake-up in which the budget is set. */
static void a_budget_holds_at_once(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = count_and_set_one;
    feed_string(f, "a\r\n\r\nb\r\n\r\n");
    event_base_loop(f->base, 0);
    assert_int_equal(f->count, 2);
    event_base_loop(f->base, 0);
    assert_int_equal(f->count, 3);
    settle(f);
    assert_int_equal(f->count, 4);
}

static void bad_budgets_are_refused(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_message_budget(NULL, 1), -EINVAL);
    assert_int_equal(asynchat_set_message_budget(f->ch, 0), -EINVAL);
    assert_int_equal(asynchat_get_message_budget(NULL), 0);
    assert_true(asynchat_get_message_budget(f->ch) == UINT_MAX);
}

/* When a turn ends, reading is resumed, and a part of the input is still kept.
 * Before the next turn asynchat_close_between_messages() receives more. */
static void pause_and_feed(struct fixture *f)
{
    f->on_message = NULL;
    asynchat_pause_reading(f->ch);
    asynchat_push(f->ch, "x", 1);
    feed_string(f, "three\r\nfour\r\n");
}

static void resume_and_close_between(struct fixture *f)
{
    f->on_drained = NULL;
    asynchat_resume_reading(f->ch);
    assert_int_equal(asynchat_close_between_messages(f->ch), 0);
}

static void what_is_received_comes_behind_what_was_kept(void **state)
{
    struct fixture *f = start_whole(state);
    set_crlf(f);
    f->on_message = pause_and_feed;
    f->on_drained = resume_and_close_between;
    feed_string(f, "one\r\ntwo\r\n");
    settle(f);
    expect(f, "message(one) message(two) message(three) message(four) "
              "closed(0)");
}

/* The same where a single byte is kept, of what an earlier pause has kept: an
 * empty message. */
static void pause_and_feed_again(struct fixture *f)
{
    f->on_message = NULL;
    asynchat_pause_reading(f->ch);
    asynchat_push(f->ch, "x", 1);
    feed_string(f, "four;five;");
}

static void pause_first(struct fixture *f)
{
    f->on_message = pause_and_feed_again;
    asynchat_pause_reading(f->ch);
}

static void what_is_received_comes_behind_a_byte_that_was_kept(void **state)
{
    struct fixture *f = start_whole(state);
    asynchat_set_terminator(f->ch, ";", 1);
    f->on_message = pause_first;
    f->on_drained = resume_and_close_between;
    feed_string(f, "one;;;");
    settle(f);
    asynchat_resume_reading(f->ch);
    settle(f);
    expect(f, "message(one) message() message() message(four) message(five) "
              "closed(0)");
}

static void count_post(struct asynchat_channel *ch, void *arg)
{
    struct fixture *f = arg;
    f->count += ch ? 1 : 100;
}

/* Where there are no edges, a channel that is paused waits for nothing but a
 * time. The event base is there nevertheless. */
static void another_channel_does_not_part_it_from_its_loop(void **state)
{
    struct fixture *f = start(state);
    const struct asynchat_handler *const handlers[] = {&recorder, &recorder};
    void *const args[] = {f, f};
    struct asynchat_channel *others[2];
    uint64_t id = asynchat_get_id(f->ch);
    asynchat_pause_reading(f->ch);
    settle(f);
    assert_int_equal(asynchat_pair_new(f->base, handlers, args, others), 0);
    assert_int_equal(asynchat_post(id, count_post, f), 0);
    asynchat_channel_free(others[0]);
    asynchat_channel_free(others[1]);
    settle(f);
    assert_int_equal(f->count, 1);
}

/* A loop that is not edge-triggered. */
static int setup_poll(void **state)
{
    return fixture_setup_by(state, "poll");
}

#define BY_POLL(kind, test)                                                    \
    {                                                                          \
#test " over " #kind " by poll", test, setup_poll, fixture_teardown,   \
            (void *)(intptr_t)OVER_##kind                                      \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_SOCKETS(another_channel_does_not_part_it_from_its_loop),
        BY_POLL(SOCKETPAIR, another_channel_does_not_part_it_from_its_loop),
        BY_POLL(TCP, another_channel_does_not_part_it_from_its_loop),
        OVER_ALL(nothing_is_delivered_while_paused),
        OVER_ALL(pausing_in_found_terminator_holds_the_rest),
        OVER_ALL(pausing_in_collect_holds_the_terminator),
        OVER_ALL(pausing_in_message_holds_the_next),
        OVER_ALL(pausing_in_a_number_counts_on),
        OVER_ALL(a_number_reached_while_pausing_is_told_after_it),
        OVER_ALL(discarding_drops_a_number_that_was_reached),
        OVER_ALL(pausing_while_bytes_are_given_back),
        OVER_ALL(pausing_while_some_bytes_are_given_back),
        OVER_ALL(pausing_and_resuming_in_one_callback_is_nothing),
        OVER_ALL(pausing_before_the_connection_is_up),
        OVER_ALL(a_terminator_set_while_paused_holds),
        OVER_ALL(output_goes_on),
        OVER(SOCKETPAIR, a_sender_has_to_wait),
        OVER(TCP, a_sender_has_to_wait),
        OVER(BUFFEREVENT, a_sender_has_to_wait),
        OVER(PAIR, the_end_is_told_when_nothing_is_undelivered),
        OVER_SOCKETS(the_end_is_told_when_nothing_is_undelivered),
        OVER(PAIR, the_end_is_told_when_no_whole_message_is_undelivered),
        OVER_SOCKETS(the_end_is_told_when_no_whole_message_is_undelivered),
        OVER(PAIR, the_end_is_told_in_the_middle_of_a_message),
        OVER_SOCKETS(the_end_is_told_in_the_middle_of_a_message),
        OVER(PAIR, the_end_waits_for_a_byte_held_back),
        OVER_SOCKETS(the_end_waits_for_a_byte_held_back),
        OVER_ALL(the_end_waits_for_what_came_before_it),
        OVER(PAIR, a_whole_message_that_ends_with_the_input_waits),
        OVER_SOCKETS(a_whole_message_that_ends_with_the_input_waits),
        OVER_SOCKETS(the_output_outlives_a_paused_input),
        OVER(BUFFEREVENT, the_output_outlives_a_paused_input),
        OVER(TCP, a_reset_is_told_at_once),
        OVER_SOCKETS(a_reset_is_told_with_output_waiting),
        OVER_SOCKETS(input_that_comes_meanwhile_wakes_nobody),
        OVER(TCP, a_reset_behind_the_end_is_told),
        BY_POLL(SOCKETPAIR, a_reset_is_told_with_output_waiting),
        BY_POLL(TCP, a_reset_is_told_with_output_waiting),
        BY_POLL(SOCKETPAIR, waiting_input_costs_nothing),
        OVER_ALL(waiting_input_costs_nothing),
        OVER_SOCKETS(ends_while_paused),
        OVER(BUFFEREVENT, ends_while_paused),
        OVER_ALL(discard_while_paused),
        OVER_SOCKETS(others_have_their_turn_after_so_many_messages),
        OVER(BUFFEREVENT, others_have_their_turn_after_so_many_messages),
        OVER_ALL(a_budget_of_one_delivers_all),
        OVER_SOCKETS(a_turn_comes_while_the_output_goes_on),
        OVER_ALL(two_lines_are_a_turn),
        OVER_ALL(two_whole_lines_are_a_turn),
        OVER_ALL(two_numbers_are_a_turn),
        OVER(PAIR, two_that_were_kept_are_a_turn),
        OVER_ALL(two_that_were_dropped_are_a_turn),
        OVER_ALL(a_budget_holds_at_once),
        OVER_SOCKETS(what_is_received_comes_behind_what_was_kept),
        OVER_SOCKETS(what_is_received_comes_behind_a_byte_that_was_kept),
        OVER_ALL(bad_budgets_are_refused),
    };
    return RUN(tests);
}
