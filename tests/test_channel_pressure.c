/* Marks, limits and joining, when a peer does not take its output.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#define MUCH (16u << 20)  /* more bytes than the system takes */
#define ANSWER (1u << 20) /* also more, over a Unix socket */

/* Both callbacks count in `count`: pressure adds ten, drained adds one. */
static void count_drained(struct fixture *f)
{
    f->count++;
}

static void handle_pressure(struct asynchat_channel *ch, void *arg)
{
    struct fixture *f = arg;
    (void)ch;
    f->count += 10;
}

static struct asynchat_handler pressed_recorder;

static struct fixture *start_pressed(void **state)
{
    pressed_recorder = recorder;
    pressed_recorder.handle_pressure = handle_pressure;
    struct fixture *f = start_with(state, &pressed_recorder);
    expect(f, "connect");
    f->on_drained = count_drained;
    return f;
}

static void push_much(struct fixture *f)
{
    char *data = big(MUCH);
    assert_int_equal(asynchat_push(f->ch, data, MUCH), 0);
    free(data);
}

static void what_is_queued_is_counted(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_producer *producer = asynchat_producer_simple("abc", 3, 0);
    assert_int_equal(asynchat_get_queued(f->ch), 0);
    assert_int_equal(asynchat_push(f->ch, "hello", 5), 0);
    assert_int_equal(asynchat_get_queued(f->ch), 5);
    assert_int_equal(asynchat_push_producer(f->ch, producer), 0);
    assert_int_equal(asynchat_get_queued(f->ch), 5 + 512);
    assert_int_equal(asynchat_push(f->ch, "more", 4), 0);
    assert_int_equal(asynchat_push_reference(f->ch, "bytes", 5, NULL, NULL), 0);
    assert_int_equal(asynchat_get_queued(f->ch), 5 + 512 + 9);
    settle(f);
    assert_int_equal(asynchat_get_queued(f->ch), 0);
    expect_got(f, "helloabcmorebytes");
    assert_int_equal(asynchat_get_queued(NULL), 0);
}

static void discarding_queues_nothing(void **state)
{
    struct fixture *f = start(state);
    asynchat_push_producer(f->ch, asynchat_producer_simple("abc", 3, 0));
    asynchat_push(f->ch, "more", 4);
    asynchat_discard_buffers(f->ch);
    assert_int_equal(asynchat_get_queued(f->ch), 0);
    settle(f);
    expect_got(f, "");
}

static void pressure_is_told_once_and_then_drained(void **state)
{
    struct fixture *f = start_pressed(state);
    push_much(f);
    turn_loop(f);
    assert_int_equal(f->count, 10);
    push_much(f);
    turn_loop(f);
    assert_int_equal(f->count, 10);
    settle(f);
    assert_int_equal(f->got_len, 2 * MUCH);
    assert_int_equal(f->count, 11);
    push_much(f);
    settle(f);
    assert_int_equal(f->count, 22);
}

static void what_is_taken_at_once_is_no_pressure(void **state)
{
    struct fixture *f = start_pressed(state);
    char data[60000] = {0};
    assert_int_equal(asynchat_push(f->ch, data, sizeof data), 0);
    settle(f);
    assert_int_equal(f->got_len, sizeof data);
    assert_int_equal(f->count, 1);
}

static void drained_comes_at_the_low_mark(void **state)
{
    struct fixture *f = start_pressed(state);
    char data[4096];
    assert_int_equal(asynchat_set_output_marks(f->ch, 1000, 100000), 0);
    assert_int_equal(asynchat_push(f->ch, "less than the low mark", 22), 0);
    settle(f);
    assert_int_equal(f->count, 0);
    push_much(f);
    turn_loop(f);
    while (f->count < 11) {
        assert_int_equal(f->count, 10);
        assert_true(asynchat_get_queued(f->ch) > 1000);
        recv(f->peer, data, sizeof data, MSG_DONTWAIT);
        turn_loop(f);
    }
    assert_true(asynchat_get_queued(f->ch) <= 1000);
}

/* A reference whose release pushes as much once more. */
static char reference[ANSWER];

static void push_as_much_again(const void *data, size_t len, void *arg)
{
    struct fixture *f = arg;
    int error = asynchat_push(f->ch, data, len);
    f->own = (void *)asynchat_strerror(error);
}

static void close_now(const void *data, size_t len, void *arg)
{
    (void)data;
    (void)len;
    asynchat_close(((struct fixture *)arg)->ch);
}

static void push_reference(struct fixture *f,
                           void (*release)(const void *, size_t, void *))
{
    assert_int_equal(
        asynchat_push_reference(f->ch, reference, ANSWER, release, f), 0);
    turn_loop(f);
    assert_int_equal(f->count, 10);
}

/* The peer reads nothing any more. What it says is still received, and nothing
 * waits for it. */
static void output_that_is_lost_is_no_pressure(void **state)
{
    struct fixture *f = start_pressed(state);
    push_reference(f, push_as_much_again);
    assert_int_equal(shutdown(f->peer, SHUT_RD), 0);
    settle(f); /* so that the system takes more, which then fails */
    assert_int_equal(f->count, 10);
    assert_string_equal(f->own, asynchat_strerror(ASYNCHAT_ECLOSED));
    assert_int_equal(asynchat_get_queued(f->ch), 0);
    feed_string(f, "bye");
    feed_eof(f);
    settle_closed(f);
    expect(f, "data(bye) error(EPIPE) closed(EPIPE)");
    assert_int_equal(f->count, 10);
}

/* Here the channel ends at once. */
static void output_that_is_lost_at_the_end_is_no_pressure(void **state)
{
    struct fixture *f = start_pressed(state);
    push_reference(f, push_as_much_again);
    assert_int_equal(shutdown(f->peer, SHUT_RD), 0);
    settle(f);
    assert_int_equal(f->count, 10);
    assert_string_equal(f->own, asynchat_strerror(ASYNCHAT_ECLOSED));
    expect(f, "error(EPIPE) closed(EPIPE)");
}

static void the_release_of_lost_output_may_close(void **state)
{
    struct fixture *f = start_pressed(state);
    push_reference(f, close_now);
    assert_int_equal(shutdown(f->peer, SHUT_RD), 0);
    settle(f);
    expect(f, "closed(0)");
}

/* The bufferevent was given some bytes, and these are not dropped. */
static void given_bytes_are_still_pressure_when_the_rest_is_dropped(
    void **state)
{
    struct fixture *f = start_pressed(state);
    assert_int_equal(asynchat_set_output_marks(f->ch, 0, 1000), 0);
    push_much(f);
    turn_loop(f);
    assert_int_equal(f->count, 10);
    asynchat_discard_buffers(f->ch);
    assert_true(asynchat_get_queued(f->ch) > 1000);
    turn_loop(f);
    assert_int_equal(f->count, 10);
    settle(f);
    assert_int_equal(f->count, 11);
    push_much(f);
    turn_loop(f);
    assert_int_equal(f->count, 21);
    asynchat_discard_buffers(f->ch);
}

static void bad_marks_and_limits_are_refused(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_output_marks(NULL, 0, 1), -EINVAL);
    assert_int_equal(asynchat_set_output_marks(f->ch, 0, 0), -EINVAL);
    assert_int_equal(asynchat_set_output_marks(f->ch, 2, 1), -EINVAL);
    assert_int_equal(asynchat_set_output_limit(NULL, 1), -EINVAL);
    assert_int_equal(asynchat_set_output_limit(f->ch, 0), -EINVAL);
    assert_int_equal(asynchat_get_output_limit(f->ch), 64 << 20);
    assert_int_equal(asynchat_get_output_limit(NULL), 0);
    assert_int_equal(asynchat_join(NULL, f->ch), -EINVAL);
}

static void over_the_limit_the_channel_ends(void **state)
{
    struct fixture *f = start_pressed(state);
    assert_int_equal(asynchat_set_output_limit(f->ch, 1000), 0);
    assert_int_equal(asynchat_get_output_limit(f->ch), 1000);
    push_much(f); /* a single push may be longer */
    assert_int_equal(asynchat_push(f->ch, "x", 1), ASYNCHAT_EFULL);
    assert_int_equal(asynchat_push_reference(f->ch, "x", 1, NULL, NULL),
                     ASYNCHAT_EFULL);
    assert_int_equal(
        asynchat_push_producer(f->ch, asynchat_producer_simple("x", 1, 0)),
        ASYNCHAT_EFULL);
    turn_loop(f);
    expect(f, "error(EFULL) closed(EFULL)");
    assert_null(f->ch);
}

static void over_the_limit_it_ends_also_if_all_is_dropped(void **state)
{
    struct fixture *f = start_pressed(state);
    assert_int_equal(asynchat_set_output_limit(f->ch, 1000), 0);
    push_much(f);
    assert_int_equal(asynchat_push(f->ch, "x", 1), ASYNCHAT_EFULL);
    asynchat_discard_buffers(f->ch);
    assert_int_equal(asynchat_push(f->ch, "x", 1), ASYNCHAT_EFULL);
    turn_loop(f);
    expect(f, "error(EFULL) closed(EFULL)");
    assert_null(f->ch);
}

static void producers_have_a_limit_as_well(void **state)
{
    struct fixture *f = start(state);
    int pushed = 0;
    assert_int_equal(asynchat_set_output_limit(f->ch, 512 * 10), 0);
    while (asynchat_push_producer(f->ch, asynchat_producer_simple("x", 1, 0)) ==
           0)
        pushed++;
    assert_int_equal(pushed, 11);
    settle(f);
    expect(f, "error(EFULL) closed(EFULL)");
}

/* --- joining --- */

static void push_back(struct asynchat_channel *ch, const void *data, size_t len,
                      void *arg)
{
    (void)arg;
    assert_int_equal(asynchat_push(ch, data, len), 0);
}

static void remember(struct asynchat_channel *ch, void *arg)
{
    ((struct fixture *)arg)->ch = ch;
}

static const struct asynchat_handler echo = {
    .size = sizeof echo,
    .handle_connect = remember,
    .collect_incoming_data = push_back,
};

/* An echo server whose peer only sends: its memory stays small. */
static void a_channel_joined_with_itself_reads_no_more_than_it_can_answer(
    void **state)
{
    struct fixture *f = start_with(state, &echo);
    char block[65536] = {0};
    size_t sent = 0, most = 0;
    int refused = 0;
    assert_int_equal(asynchat_join(f->ch, f->ch), 0);
    while (refused < 50 && sent < 256u << 20) {
        ssize_t n = send(f->peer, block, sizeof block, MSG_DONTWAIT);
        refused = n > 0 ? 0 : refused + 1;
        sent += n > 0 ? (size_t)n : 0;
        turn_loop(f);
        if (asynchat_get_queued(f->ch) > most)
            most = asynchat_get_queued(f->ch);
    }
    assert_int_equal(refused, 50);
    assert_true(most <= 2 * 65536);
    settle(f); /* everything goes on when the peer reads */
    assert_int_equal(f->got_len, sent);
    asynchat_channel_free(f->ch);
    f->ch = NULL;
}

static void answer_long(struct fixture *f)
{
    char *data = big(ANSWER);
    asynchat_push(f->ch, data, ANSWER);
    free(data);
}

/* One read has many requests. The first long answers stop the other
 * requests. */
static void many_requests_in_one_read_are_not_all_answered_at_once(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = answer_long;
    assert_int_equal(asynchat_join(f->ch, f->ch), 0);
    for (int i = 0; i < 100; i++)
        feed_string(f, "\r\n");
    turn_loop(f);
    assert_true(asynchat_get_queued(f->ch) <= 2 * ANSWER);
    settle(f);
    assert_int_equal(f->got_len, 100 * ANSWER);
}

static void collect_nothing(struct asynchat_channel *ch, const void *data,
                            size_t len, void *arg)
{
    (void)ch;
    (void)data;
    *(size_t *)arg += len;
}

static const struct asynchat_handler other_handler = {
    .size = sizeof other_handler,
    .collect_incoming_data = collect_nothing,
};

/* Another channel of the loop, which counts the bytes that it receives. */
static struct asynchat_channel *open_other(struct fixture *f, int *peer,
                                           size_t *received)
{
    struct asynchat_channel *other;
    int fds[2];
    make_socketpair(fds);
    assert_int_equal(asynchat_channel_new_socket(
                         f->base, fds[0], &other_handler, received, &other),
                     0);
    *peer = fds[1];
    turn_loop(f);
    return other;
}

static void pressure_on_one_pauses_the_other(void **state)
{
    struct fixture *f = start(state);
    int peer;
    size_t received = 0;
    struct asynchat_channel *other = open_other(f, &peer, &received);
    assert_int_equal(asynchat_join(f->ch, other), 0);
    push_much(f);
    turn_loop(f);
    assert_int_equal(send(peer, "hello", 5, 0), 5);
    turn_loop(f);
    assert_int_equal(received, 0);
    settle(f);
    turn_loop(f);
    assert_int_equal(f->got_len, MUCH);
    assert_int_equal(received, 5);

    push_much(f);
    turn_loop(f);
    assert_int_equal(send(peer, "more", 4, 0), 4);
    turn_loop(f);
    assert_int_equal(received, 5);
    assert_int_equal(asynchat_join(other, NULL), 0); /* ends it on both sides */
    turn_loop(f);
    assert_int_equal(received, 9);

    assert_int_equal(asynchat_join(other, f->ch), 0); /* still under pressure */
    turn_loop(f);
    assert_int_equal(send(peer, "last", 4, 0), 4);
    turn_loop(f);
    assert_int_equal(received, 9);
    asynchat_channel_free(f->ch);
    f->ch = NULL;
    turn_loop(f);
    assert_int_equal(received, 13);
    asynchat_channel_free(other);
    close(peer);
}

static void join_with_own(struct fixture *f)
{
    assert_int_equal(asynchat_join(f->ch, f->own), 0);
}

static void a_channel_that_has_closed_holds_up_no_other(void **state)
{
    struct fixture *f = start(state);
    int peer;
    size_t received = 0;
    f->own = open_other(f, &peer, &received);
    f->on_close = join_with_own;
    push_much(f);
    turn_loop(f);
    asynchat_close(f->ch);
    turn_loop(f);
    assert_int_equal(send(peer, "hello", 5, 0), 5);
    turn_loop(f);
    assert_int_equal(received, 5);
    asynchat_channel_free(f->own);
    close(peer);
}

static void a_channel_that_has_broken_holds_up_no_other(void **state)
{
    struct fixture *f = start(state);
    int peer;
    size_t received = 0;
    struct asynchat_channel *other = open_other(f, &peer, &received);
    assert_int_equal(asynchat_join(f->ch, other), 0);
    push_much(f);
    turn_loop(f);
    assert_int_equal(shutdown(f->peer, SHUT_RD), 0);
    settle(f);
    assert_non_null(f->ch); /* it may still have something to say */
    assert_int_equal(send(peer, "hello", 5, 0), 5);
    turn_loop(f);
    assert_int_equal(received, 5);
    asynchat_channel_free(other);
    close(peer);
}

static void a_higher_low_mark_holds_at_once(void **state)
{
    struct fixture *f = start_pressed(state);
    push_much(f);
    turn_loop(f);
    assert_int_equal(f->count, 10);
    assert_int_equal(asynchat_set_output_marks(f->ch, MUCH, 2 * MUCH), 0);
    turn_loop(f);
    assert_int_equal(f->count, 11);
}

static void push_100_often(struct fixture *f)
{
    char data[100] = {0};
    int error = 0;
    while (!error && f->count < 100) {
        error = asynchat_push(f->ch, data, sizeof data);
        f->count++;
    }
    assert_int_equal(error, ASYNCHAT_EFULL);
}

static void a_low_limit_holds_in_a_callback_as_well(void **state)
{
    struct fixture *f = start(state);
    turn_loop(f);
    assert_int_equal(asynchat_set_output_limit(f->ch, 1000), 0);
    f->on_data = push_100_often;
    feed_string(f, "x");
    settle_closed(f);
    assert_in_range(f->count, 10, 12);
    assert_int_equal(f->status, ASYNCHAT_EFULL);
}

static void joining_again_parts_from_the_one_before(void **state)
{
    struct fixture *f = start(state);
    int peers[2];
    size_t received = 0;
    struct asynchat_channel *first = open_other(f, &peers[0], &received);
    struct asynchat_channel *second = open_other(f, &peers[1], &received);
    push_much(f);
    turn_loop(f);
    assert_int_equal(asynchat_join(f->ch, first), 0);
    assert_int_equal(asynchat_join(f->ch, second), 0);
    assert_int_equal(send(peers[0], "1", 1, 0), 1);
    assert_int_equal(send(peers[1], "22", 2, 0), 2);
    turn_loop(f);
    assert_int_equal(received, 1);
    asynchat_channel_free(second);
    asynchat_channel_free(first);
    close(peers[0]);
    close(peers[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_ALL(what_is_queued_is_counted),
        OVER_ALL(discarding_queues_nothing),
        OVER_SOCKETS(pressure_is_told_once_and_then_drained),
        OVER(BUFFEREVENT, pressure_is_told_once_and_then_drained),
        OVER_ALL(what_is_taken_at_once_is_no_pressure),
        OVER_SOCKETS(drained_comes_at_the_low_mark),
        OVER(BUFFEREVENT, drained_comes_at_the_low_mark),
        OVER(SOCKETPAIR, output_that_is_lost_is_no_pressure),
        OVER(BUFFEREVENT, output_that_is_lost_at_the_end_is_no_pressure),
        OVER(SOCKETPAIR, the_release_of_lost_output_may_close),
        OVER(BUFFEREVENT,
             given_bytes_are_still_pressure_when_the_rest_is_dropped),
        OVER_ALL(bad_marks_and_limits_are_refused),
        OVER_ALL(over_the_limit_the_channel_ends),
        OVER_ALL(over_the_limit_it_ends_also_if_all_is_dropped),
        OVER_ALL(producers_have_a_limit_as_well),
        OVER_SOCKETS(
            a_channel_joined_with_itself_reads_no_more_than_it_can_answer),
        OVER(BUFFEREVENT,
             a_channel_joined_with_itself_reads_no_more_than_it_can_answer),
        OVER_SOCKETS(many_requests_in_one_read_are_not_all_answered_at_once),
        OVER_SOCKETS(pressure_on_one_pauses_the_other),
        OVER_SOCKETS(a_channel_that_has_closed_holds_up_no_other),
        OVER(SOCKETPAIR, a_channel_that_has_broken_holds_up_no_other),
        OVER_SOCKETS(a_higher_low_mark_holds_at_once),
        OVER_ALL(a_low_limit_holds_in_a_callback_as_well),
        OVER_SOCKETS(joining_again_parts_from_the_one_before),
    };
    return RUN(tests);
}
