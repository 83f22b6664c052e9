/* Pushing, closing, discarding: what goes out.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wchar.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

static void push(struct fixture *f, const char *text)
{
    assert_int_equal(asynchat_push(f->ch, text, strlen(text)), 0);
}

static void pushes_go_out_in_order(void **state)
{
    struct fixture *f = start(state);
    push(f, "one ");
    push(f, "two ");
    push(f, "three");
    settle(f);
    expect_got(f, "one two three");
}

#define LONG 300000

static void push_long_between_short(struct fixture *f)
{
    char *data = big(LONG);
    push(f, "before ");
    assert_int_equal(asynchat_push(f->ch, data, LONG), 0);
    memset(data, 'x', LONG);
    push(f, " after");
    free(data);
}

/* A push that is too long to be put aside is sent at once, as far as the system
 * takes it. */
static void a_long_push_keeps_its_place(void **state)
{
    struct fixture *f = start(state);
    char *data = big(LONG);
    set_crlf(f);
    f->on_found = push_long_between_short;
    feed_string(f, "a\r\n");
    settle(f);
    assert_int_equal(f->got_len, 7 + LONG + 6);
    assert_memory_equal(f->got, "before ", 7);
    assert_memory_equal(f->got + 7, data, LONG);
    assert_memory_equal(f->got + 7 + LONG, " after", 6);
    free(data);
}

static void a_long_push_waits_for_what_is_queued(void **state)
{
    struct fixture *f = start(state);
    push_long_between_short(f);
    settle(f);
    assert_int_equal(f->got_len, 7 + LONG + 6);
    assert_memory_equal(f->got, "before ", 7);
    assert_memory_equal(f->got + 7 + LONG, " after", 6);
}

static void push_copies(void **state)
{
    struct fixture *f = start(state);
    char text[] = "before";
    push(f, text);
    memset(text, 'x', sizeof text);
    settle(f);
    expect_got(f, "before");
}

static void nothing_pushed_is_nothing_sent(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_push(f->ch, "", 0), 0);
    assert_int_equal(asynchat_push(f->ch, NULL, 0), 0);
    push(f, "x");
    settle(f);
    expect_got(f, "x");
}

static void bad_pushes_are_refused(void **state)
{
    struct fixture *f = start(state);
    struct evbuffer *buffer = evbuffer_new();
    assert_int_equal(asynchat_push(NULL, "x", 1), -EINVAL);
    assert_int_equal(asynchat_push(f->ch, NULL, 1), -EINVAL);
    assert_int_equal(asynchat_push(f->ch, "x", SIZE_MAX), -EINVAL);
    assert_int_equal(asynchat_push_reference(NULL, "x", 1, NULL, NULL),
                     -EINVAL);
    assert_int_equal(asynchat_push_reference(f->ch, NULL, 1, NULL, NULL),
                     -EINVAL);
    assert_int_equal(asynchat_push_reference(f->ch, "x", SIZE_MAX, NULL, NULL),
                     -EINVAL);
    assert_int_equal(asynchat_push_evbuffer(NULL, buffer), -EINVAL);
    assert_int_equal(asynchat_push_evbuffer(f->ch, NULL), -EINVAL);
    assert_int_equal(asynchat_close_when_done(NULL), -EINVAL);
    assert_int_equal(asynchat_set_out_buffer_size(NULL, 1), -EINVAL);
    assert_int_equal(asynchat_set_out_buffer_size(f->ch, 0), -EINVAL);
    assert_int_equal(
        asynchat_set_out_buffer_size(f->ch, ASYNCHAT_BUFFER_SIZE_MAX + 1ul),
        -EINVAL);
    assert_int_equal(
        asynchat_set_out_buffer_size(f->ch, ASYNCHAT_BUFFER_SIZE_MAX), 0);
    assert_int_equal(asynchat_get_out_buffer_size(f->ch),
                     ASYNCHAT_BUFFER_SIZE_MAX);
    assert_int_equal(asynchat_set_out_buffer_size(f->ch, 65536), 0);
    assert_int_equal(asynchat_set_linger(NULL, 1), -EINVAL);
    assert_int_equal(asynchat_set_linger(f->ch, 0), -EINVAL);
    assert_int_equal(asynchat_set_linger(f->ch, 1u << 31), -EINVAL);
    assert_int_equal(asynchat_set_linger(f->ch, INT_MAX), 0);
    assert_int_equal(asynchat_get_linger(f->ch), INT_MAX);
    asynchat_resume_producer(NULL);
    asynchat_resume_producer(f->ch);
    settle(f);
    expect_got(f, "");
    evbuffer_free(buffer);
}

/* --- as printf has it --- */

static void a_text_of_any_length_is_pushed(void **state)
{
    static const int lengths[] = {1, 500, 510, 511, 512, 513, 1000, 100000};
    struct fixture *f = start(state);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char expected[100001];
        f->got_len = 0;
        assert_int_equal(asynchat_push_printf(f->ch, "%0*d", lengths[i], 7), 0);
        settle(f);
        snprintf(expected, sizeof expected, "%0*d", lengths[i], 7);
        assert_int_equal(f->got_len, lengths[i]);
        assert_memory_equal(f->got, expected, f->got_len);
    }
}

static void a_text_keeps_its_place(void **state)
{
    struct fixture *f = start(state);
    push(f, "a ");
    assert_int_equal(asynchat_push_printf(f->ch, "%s %c%d", "b", 'c', 1), 0);
    assert_int_equal(asynchat_push_printf(f->ch, "%s", ""), 0);
    push(f, " d");
    settle(f);
    expect_got(f, "a b c1 d");
}

static void a_text_may_have_the_error_of_the_caller(void **state)
{
    struct fixture *f = start(state);
    char expected[1000];
    errno = ENOENT;
    assert_int_equal(asynchat_push_printf(f->ch, "%m "), 0);
    errno = EBADF;
    assert_int_equal(asynchat_push_printf(f->ch, "%m%0700d", 0), 0);
    settle(f);
    snprintf(expected, sizeof expected, "%s %s%0700d", strerror(ENOENT),
             strerror(EBADF), 0);
    expect_got(f, expected);
}

static void a_text_that_cannot_be_made_is_refused(void **state)
{
    struct fixture *f = start(state);
    const wchar_t no_character[] = {0x7ffffff0, 0};
    assert_int_equal(asynchat_push_printf(NULL, "x"), -EINVAL);
    assert_int_equal(asynchat_push_printf(f->ch, NULL), -EINVAL);
    assert_int_equal(asynchat_push_printf(f->ch, "x%ls", no_character),
                     -EILSEQ);
    push(f, "goes on");
    settle(f);
    expect_got(f, "goes on");
    asynchat_close(f->ch);
    assert_int_equal(asynchat_push_printf(f->ch, "x"), ASYNCHAT_ECLOSED);
    assert_int_equal(asynchat_push_printf(f->ch, "%01000d", 1),
                     ASYNCHAT_ECLOSED);
    settle(f);
    expect_got(f, "goes on");
}

/* --- by reference, by evbuffer --- */

static int released;
static const char *released_data;

static void count_release(const void *data, size_t len, void *arg)
{
    (void)len;
    released_data = data;
    assert_ptr_equal(arg, &released);
    released++;
}

static void push_reference_releases_once_when_sent(void **state)
{
    static const char text[] = "reference";
    struct fixture *f = start(state);
    released = 0;
    assert_int_equal(
        asynchat_push_reference(f->ch, text, 9, count_release, &released), 0);
    assert_int_equal(released, 0);
    settle(f);
    expect_got(f, "reference");
    if (f->far) /* the far end shares the bytes until it is gone */
        asynchat_channel_free(f->far), f->far = NULL;
    settle(f);
    assert_int_equal(released, 1);
    assert_ptr_equal(released_data, text);
}

/* There are more references than one write takes. */
static void many_references_arrive_in_order(void **state)
{
    static const char text[] = "abcdefghijklmnopqrstuvwxyz0123456789"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ9876543210";
    struct fixture *f = start(state);
    for (const char *at = text; *at; at++)
        assert_int_equal(asynchat_push_reference(f->ch, at, 1, NULL, NULL), 0);
    settle(f);
    expect_got(f, text);
}

static void push_reference_releases_when_dropped_or_refused(void **state)
{
    struct fixture *f = start(state);
    released = 0;
    asynchat_push_reference(f->ch, "x", 1, count_release, &released);
    asynchat_discard_buffers(f->ch);
    assert_int_equal(released, 1);
    asynchat_push_reference(f->ch, "x", 0, count_release, &released);
    assert_int_equal(released, 2);
    assert_int_equal(
        asynchat_push_reference(f->ch, NULL, 1, count_release, &released),
        -EINVAL);
    assert_int_equal(released, 3);
    asynchat_close(f->ch);
    assert_int_equal(
        asynchat_push_reference(f->ch, "x", 1, count_release, &released),
        ASYNCHAT_ECLOSED);
    assert_int_equal(released, 4);
    settle(f);
    expect_got(f, "");
}

static void push_from_release(const void *data, size_t len, void *arg)
{
    struct fixture *f = arg;
    (void)data;
    (void)len;
    if (f->count++ == 0)
        assert_int_equal(asynchat_push(f->ch, " pushed", 7), 0);
}

static void a_release_callback_may_push(void **state)
{
    struct fixture *f = start(state);
    push(f, "first ");
    asynchat_push_reference(f->ch, "reference", 9, push_from_release, f);
    push(f, " last");
    settle(f);
    expect_got(f, "first reference last pushed");
    asynchat_push_reference(f->ch, "dropped", 7, push_from_release, f);
    f->count = 0;
    asynchat_discard_buffers(f->ch);
    settle(f);
    expect_got(f, "first reference last pushed pushed");
}

static void discard_from_release(const void *data, size_t len, void *arg)
{
    struct fixture *f = arg;
    (void)data;
    (void)len;
    f->count++;
    asynchat_discard_buffers(f->ch);
}

static void a_release_callback_may_discard(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_out_buffer_size(f->ch, 4), 0);
    asynchat_push_reference(f->ch, "1234", 4, discard_from_release, f);
    asynchat_push_reference(f->ch, "5678", 4, discard_from_release, f);
    push(f, "9");
    settle(f);
    expect_got(f, "1234");
    assert_int_equal(f->count, 2);
    push(f, "x");
    settle(f);
    expect_got(f, "1234x");
}

static void free_from_release(const void *data, size_t len, void *arg)
{
    struct fixture *f = arg;
    (void)data;
    (void)len;
    f->count++;
    asynchat_channel_free(f->ch);
    f->ch = NULL;
}

static void a_release_callback_may_free(void **state)
{
    struct fixture *f = start(state);
    asynchat_push_reference(f->ch, "x", 1, free_from_release, f);
    push(f, "y");
    settle(f);
    expect_got(f, "xy");
    assert_int_equal(f->count, 1);
    expect(f, "");
}

static void a_release_callback_may_free_in_discard(void **state)
{
    struct fixture *f = start(state);
    asynchat_push_reference(f->ch, "x", 1, free_from_release, f);
    asynchat_discard_buffers(f->ch);
    settle(f);
    assert_int_equal(f->count, 1);
    expect(f, "");
}

static void push_evbuffer_moves(void **state)
{
    struct fixture *f = start(state);
    struct evbuffer *buffer = evbuffer_new();
    assert_int_equal(asynchat_push_evbuffer(f->ch, buffer), 0); /* empty */
    evbuffer_add_reference(buffer, "moved", 5, count_release, &released);
    released = 0;
    push(f, "<");
    assert_int_equal(asynchat_push_evbuffer(f->ch, buffer), 0);
    assert_int_equal(evbuffer_get_length(buffer), 0);
    push(f, ">");
    settle(f);
    expect_got(f, "<moved>");
    evbuffer_add(buffer, "kept", 4);
    asynchat_close(f->ch);
    assert_int_equal(asynchat_push_evbuffer(f->ch, buffer), ASYNCHAT_ECLOSED);
    assert_int_equal(evbuffer_get_length(buffer), 4);
    evbuffer_free(buffer);
}

static void a_frozen_evbuffer_is_refused_and_unchanged(void **state)
{
    struct fixture *f = start(state);
    struct evbuffer *buffer = evbuffer_new();
    evbuffer_add(buffer, "kept", 4);
    evbuffer_freeze(buffer, 1);
    assert_int_equal(asynchat_push_evbuffer(f->ch, buffer), -EINVAL);
    assert_int_equal(evbuffer_get_length(buffer), 4);
    evbuffer_free(buffer);
}

/* --- much of it --- */

static void what_the_socket_does_not_take_is_sent_later(void **state)
{
    struct fixture *f = start(state);
    size_t len = 3 << 20;
    char *data = big(len);
    assert_int_equal(asynchat_push(f->ch, data, len / 2), 0);
    assert_int_equal(asynchat_push_reference(f->ch, data + len / 2,
                                             len - len / 2, NULL, NULL),
                     0);
    settle(f);
    assert_int_equal(f->got_len, len);
    assert_memory_equal(f->got, data, len);
    free(data);
}

static void out_buffer_size_bounds_every_write(void **state)
{
    struct fixture *f = start(state);
    char data[64];
    assert_int_equal(asynchat_set_out_buffer_size(f->ch, 5), 0);
    assert_int_equal(asynchat_get_out_buffer_size(f->ch), 5);
    push(f, "abcdefghij");
    event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assert_int_equal(recv(f->peer, data, sizeof data, MSG_DONTWAIT), 5);
    event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assert_int_equal(recv(f->peer, data, sizeof data, MSG_DONTWAIT), 5);
}

/* --- handle_drained --- */

static void count_call(struct fixture *f)
{
    f->count++;
}

static void drained_is_told_once_for_each_time(void **state)
{
    struct fixture *f = start(state);
    f->on_drained = count_call;
    settle(f);
    assert_int_equal(f->count, 0); /* nothing had been queued */
    push(f, "a");
    push(f, "b");
    settle(f);
    assert_int_equal(f->count, 1);
    push(f, "c");
    settle(f);
    assert_int_equal(f->count, 2);
}

static void push_three_times(struct fixture *f)
{
    if (f->count++ < 3)
        push(f, "x");
}

static void push_in_drained_is_sent(void **state)
{
    struct fixture *f = start(state);
    f->on_drained = push_three_times;
    push(f, "0");
    settle(f);
    expect_got(f, "0xxx");
    assert_int_equal(f->count, 4);
}

/* --- close_when_done --- */

static void close_when_done_sends_everything_first(void **state)
{
    struct fixture *f = start(state);
    char *data = big(1 << 20);
    asynchat_push(f->ch, data, 1 << 20);
    asynchat_push_producer(f->ch, asynchat_producer_simple("end", 3, 0));
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    expect(f, "");
    settle(f);
    expect(f, "closed(0)");
    assert_int_equal(f->got_len, (1 << 20) + 3);
    assert_memory_equal(f->got + (1 << 20), "end", 3);
    assert_true(f->got_eof);
    free(data);
}

static void close_when_done_on_an_empty_queue_closes_from_the_loop(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    expect(f, "");
    settle(f);
    expect(f, "closed(0)");
    assert_true(f->got_eof);
}

static void push_after_close_when_done_is_refused(void **state)
{
    struct fixture *f = start(state);
    push(f, "last");
    asynchat_close_when_done(f->ch);
    assert_int_equal(asynchat_push(f->ch, "x", 1), ASYNCHAT_ECLOSED);
    assert_int_equal(
        asynchat_push_producer(f->ch, asynchat_producer_simple("x", 1, 0)),
        ASYNCHAT_ECLOSED);
    settle(f);
    expect_got(f, "last");
}

static void quit_at_quit(struct fixture *f)
{
    push(f, "bye");
    asynchat_close_when_done(f->ch);
}

static void answers_are_sent_before_the_close_they_ask_for(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = quit_at_quit;
    feed_string(f, "quit\r\n");
    settle(f);
    expect(f, "data(quit) found closed(0)");
    expect_got(f, "bye");
}

static void messages_are_delivered_until_the_queue_is_sent(void **state)
{
    struct fixture *f = start(state);
    size_t len = 16 << 20;
    char *data = big(len);
    set_crlf(f);
    asynchat_push(f->ch, data, len); /* more than a socket takes */
    asynchat_close_when_done(f->ch);
    for (int i = 0; i < 3; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    assert_int_equal(send(f->peer, "hi\r\n", 4, MSG_NOSIGNAL), 4);
    for (int i = 0; i < 3; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    expect(f, "data(hi) found");
    settle(f);
    expect(f, "closed(0)");
    assert_int_equal(f->got_len, len);
    free(data);
}

/* An answer must not be lost because the peer is still sending: the system
 * resets a socket that is closed with unread input. */
static void input_unread_at_the_end_does_not_reset_the_answer(void **state)
{
    struct fixture *f = start(state);
    char *data = big(1 << 20);
    f->on_data = quit_at_quit;
    asynchat_set_in_buffer_size(f->ch, 1);
    feed(f, data, 100000);
    settle(f);
    expect(f, "data(a)");
    expect_got(f, "bye");
    assert_true(f->got_eof);
    feed(f, data, 100000); /* still taken, and dropped */
    feed_eof(f);
    settle(f);
    expect(f, "closed(0)");
    free(data);
}

static void a_peer_that_never_reads_is_given_up(void **state)
{
    struct fixture *f = start(state);
    char *data = big(8 << 20);
    assert_int_equal(asynchat_get_linger(f->ch), 30000);
    assert_int_equal(asynchat_set_linger(f->ch, 50), 0);
    assert_int_equal(asynchat_get_linger(f->ch), 50);
    asynchat_push(f->ch, data, 8 << 20);
    asynchat_close_when_done(f->ch);
    settle_closed(f);
    expect(f, "error(ETIMEDOUT) closed(ETIMEDOUT)");
    free(data);
}

static void a_peer_that_never_closes_is_not_waited_for_long(void **state)
{
    struct fixture *f = start(state);
    f->on_data = quit_at_quit;
    asynchat_set_in_buffer_size(f->ch, 1);
    assert_int_equal(asynchat_set_linger(f->ch, 50), 0);
    feed_string(f, "more than one byte");
    settle_closed(f);
    expect(f, "data(m) closed(0)");
}

/* --- closing in stages --- */

static void a_peer_that_sends_on_is_not_reset(void **state)
{
    struct fixture *f = start(state);
    push(f, "refused");
    assert_int_equal(asynchat_close_in_stages(f->ch), 0);
    assert_int_equal(asynchat_push(f->ch, "x", 1), ASYNCHAT_ECLOSED);
    settle(f);
    expect_got(f, "refused");
    assert_true(f->got_eof);
    expect(f, ""); /* no input is unread, but it waits as well */
    feed_string(f, "more");
    settle(f);
    feed_string(f, "and more");
    feed_eof(f);
    settle(f);
    expect(f, "closed(0)");
}

static void stages_take_no_longer_than_the_linger_time(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_linger(f->ch, 50), 0);
    push(f, "refused");
    assert_int_equal(asynchat_close_in_stages(f->ch), 0);
    settle_closed(f);
    expect(f, "closed(0)");
}

/* Without a limit of bytes this channel would stay for the linger time. */
static void a_peer_that_sends_without_end_is_left(void **state)
{
    struct fixture *f = start(state);
    enum { PIECE = 1 << 16, PIECES = ASYNCHAT_LINGER_MOST / PIECE };
    char *piece = big(PIECE);
    push(f, "refused");
    assert_int_equal(asynchat_close_in_stages(f->ch), 0);
    settle(f);
    expect_got(f, "refused");
    for (int i = 0; i < PIECES; i++) {
        feed(f, piece, PIECE);
        settle(f);
    }
    expect(f, "");
    feed(f, piece, 1);
    settle(f);
    expect(f, "closed(0)");
    free(piece);
}

static void stages_after_the_peer_has_ended_are_one(void **state)
{
    struct fixture *f = start(state);
    feed_eof(f);
    push(f, "last");
    assert_int_equal(asynchat_close_in_stages(f->ch), 0);
    settle(f);
    expect_got(f, "last");
    expect(f, "eof closed(0)");
}

/* As TLS does. */
static void say_goodbye(struct fixture *f)
{
    int fd = bufferevent_getfd(asynchat_get_bufferevent(f->ch));
    assert_int_equal(send(fd, " goodbye", 8, MSG_NOSIGNAL), 8);
}

static void push_sorry(struct fixture *f)
{
    push(f, "sorry");
}

static void handle_close_still_has_the_socket_below(void **state)
{
    struct fixture *f = start(state);
    f->on_close = say_goodbye;
    push(f, "refused");
    assert_int_equal(asynchat_close_in_stages(f->ch), 0);
    settle(f);
    expect_got(f, "refused goodbye");
    assert_true(f->got_eof);
    expect(f, "closed(0)");
}

static void handle_close_has_it_after_a_message_that_is_too_long(void **state)
{
    struct fixture *f = start(state);
    f->on_error = push_sorry;
    f->on_close = say_goodbye;
    set_crlf(f);
    assert_int_equal(asynchat_set_message_limit(f->ch, 3), 0);
    feed_string(f, "long");
    settle(f);
    expect_got(f, "sorry goodbye");
    assert_true(f->got_eof);
    expect(f, "data(lon) error(ETOOLONG) closed(ETOOLONG)");
}

static void discarding_takes_stages_back(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_close_in_stages(f->ch), 0);
    asynchat_discard_buffers(f->ch);
    settle(f);
    push(f, "last");
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    settle(f);
    expect_got(f, "last");
    expect(f, "closed(0)");
}

static void stages_of_no_channel_are_refused(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_close_in_stages(NULL), -EINVAL);
    asynchat_close(f->ch);
    assert_int_equal(asynchat_close_in_stages(f->ch), ASYNCHAT_ECLOSED);
    settle(f);
    expect(f, "closed(0)");
}

static void close_in_drained(struct fixture *f)
{
    asynchat_close_when_done(f->ch);
}

static void close_when_done_in_drained_closes(void **state)
{
    struct fixture *f = start(state);
    f->on_drained = close_in_drained;
    push(f, "last");
    settle(f);
    expect(f, "closed(0)");
    expect_got(f, "last");
}

static void discard_takes_the_linger_time_back(void **state)
{
    struct fixture *f = start(state);
    char *data = big(8 << 20);
    assert_int_equal(asynchat_set_linger(f->ch, 300), 0);
    asynchat_push(f->ch, data, 8 << 20);
    asynchat_close_when_done(f->ch);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    asynchat_discard_buffers(f->ch);
    struct timeval longer = {.tv_usec = 400 * 1000};
    event_base_loopexit(f->base, &longer);
    event_base_dispatch(f->base);
    expect(f, "");
    assert_non_null(f->ch);
    free(data);
}

/* The peer of a Unix socket may refuse to read and go on sending: the error of
 * the write is reported, though perhaps not at once. */
static void a_peer_that_refuses_to_read_is_not_listened_to_for_ever(
    void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_linger(f->ch, 30), 0);
    assert_int_equal(shutdown(f->peer, SHUT_RD), 0);
    push(f, "x");
    settle_closed(f);
    expect(f, "error(EPIPE) closed(EPIPE)");
}

/* A bufferevent calls back only when everything it was given has gone. Here
 * that takes longer than the linger time. */
static void a_peer_that_reads_slowly_is_waited_for(void **state)
{
    struct fixture *f = start(state);
    size_t len = 1 << 20;
    char *data = big(len), piece[1000];
    int small = 8192;
    int fd = bufferevent_getfd(asynchat_get_bufferevent(f->ch));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    assert_int_equal(asynchat_set_linger(f->ch, 400), 0);
    asynchat_push(f->ch, data, len);
    asynchat_close_when_done(f->ch);
    for (int i = 0; i < 45; i++) {
        struct timeval while_ = {.tv_usec = 20 * 1000};
        event_base_loopexit(f->base, &while_);
        event_base_dispatch(f->base);
        f->count += (int)recv(f->peer, piece, sizeof piece, MSG_DONTWAIT);
    }
    assert_true(f->count > 0);
    expect(f, "");
    assert_non_null(f->ch);
    free(data);
}

/* --- the end of file --- */

static void what_is_queued_at_eof_is_still_sent(void **state)
{
    struct fixture *f = start(state);
    size_t len = 4 << 20;
    char *data = big(len);
    asynchat_push(f->ch, data, len);
    feed_eof(f);
    settle(f);
    expect(f, "eof closed(EOF)");
    assert_int_equal(f->got_len, len);
    free(data);
}

static void push_bye(struct fixture *f)
{
    push(f, "bye");
}

static void a_push_in_handle_eof_is_sent(void **state)
{
    struct fixture *f = start(state);
    f->on_eof = push_bye;
    feed_eof(f);
    settle(f);
    expect(f, "eof closed(EOF)");
    expect_got(f, "bye");
}

static void answer(struct fixture *f)
{
    push(f, "answer");
}

static void a_peer_that_sends_and_ends_gets_its_answer(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = answer;
    assert_int_equal(send(f->peer, "hello\r\n", 7, MSG_NOSIGNAL), 7);
    feed_eof(f);
    settle(f);
    expect(f, "data(hello) found eof closed(EOF)");
    expect_got(f, "answer");
}

/* --- discarding --- */

static void discard_drops_what_was_not_sent(void **state)
{
    struct fixture *f = start(state);
    push(f, "dropped");
    asynchat_push_producer(f->ch, asynchat_producer_simple("too", 3, 0));
    asynchat_discard_buffers(f->ch);
    push(f, "sent");
    settle(f);
    expect_got(f, "sent");
}

static void discard_takes_close_when_done_back(void **state)
{
    struct fixture *f = start(state);
    push(f, "dropped");
    asynchat_close_when_done(f->ch);
    asynchat_discard_buffers(f->ch);
    push(f, "sent");
    settle(f);
    expect(f, "");
    expect_got(f, "sent");
}

static void discard_and_push(struct fixture *f)
{
    push(f, "dropped");
    asynchat_discard_buffers(f->ch);
    push(f, "kept");
}

static void discard_in_handle_eof_still_closes(void **state)
{
    struct fixture *f = start(state);
    f->on_eof = discard_and_push;
    feed_eof(f);
    settle(f);
    expect(f, "eof closed(EOF)");
    expect_got(f, "kept");
}

/* --- a peer that is gone --- */

static void a_reset_ends_the_channel(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    feed_reset(f);
    settle(f);
    expect(f, "error(ECONNRESET) closed(ECONNRESET)");
}

static void try_to_answer(struct fixture *f)
{
    int error = asynchat_push(f->ch, "answer", 6);
    assert_true(error == 0 || error == ASYNCHAT_ECLOSED);
}

static void what_the_peer_had_sent_is_delivered_before_a_reset(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = try_to_answer; /* although the peer is gone */
    asynchat_set_in_buffer_size(f->ch, 5);
    assert_int_equal(send(f->peer, "one\r\ntwo\r\nend\r\n", 15, MSG_NOSIGNAL),
                     15);
    close(f->peer);
    f->peer = -1;
    settle(f);
    settle_closed(f);
    f->log[strlen("data(one) found data(two) found data(end) found")] = '\0';
    expect(f, "data(one) found data(two) found data(end) found");
}

static void push_after_the_end_is_refused(void **state)
{
    struct fixture *f = start(state);
    asynchat_close(f->ch);
    assert_int_equal(asynchat_push(f->ch, "x", 1), ASYNCHAT_ECLOSED);
    assert_int_equal(asynchat_close_when_done(f->ch), ASYNCHAT_ECLOSED);
    settle(f);
    expect(f, "closed(0)");
    expect_got(f, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_ALL(pushes_go_out_in_order),
        OVER_ALL(a_long_push_keeps_its_place),
        OVER_ALL(a_long_push_waits_for_what_is_queued),
        OVER_ALL(push_copies),
        OVER_ALL(nothing_pushed_is_nothing_sent),
        OVER_ALL(bad_pushes_are_refused),
        OVER_ALL(a_text_of_any_length_is_pushed),
        OVER_ALL(a_text_keeps_its_place),
        OVER_ALL(a_text_may_have_the_error_of_the_caller),
        OVER_ALL(a_text_that_cannot_be_made_is_refused),
        OVER_ALL(push_reference_releases_once_when_sent),
        OVER_ALL(many_references_arrive_in_order),
        OVER_ALL(push_reference_releases_when_dropped_or_refused),
        OVER_ALL(a_release_callback_may_push),
        OVER_SOCKETS(a_release_callback_may_discard),
        OVER_SOCKETS(a_release_callback_may_free),
        OVER_ALL(a_release_callback_may_free_in_discard),
        OVER_ALL(push_evbuffer_moves),
        OVER_ALL(a_frozen_evbuffer_is_refused_and_unchanged),
        OVER_ALL(what_the_socket_does_not_take_is_sent_later),
        OVER_SOCKETS(out_buffer_size_bounds_every_write),
        OVER_ALL(drained_is_told_once_for_each_time),
        OVER_ALL(push_in_drained_is_sent),
        OVER_ALL(close_when_done_sends_everything_first),
        OVER_ALL(close_when_done_on_an_empty_queue_closes_from_the_loop),
        OVER_ALL(push_after_close_when_done_is_refused),
        OVER_ALL(answers_are_sent_before_the_close_they_ask_for),
        OVER_SOCKETS(messages_are_delivered_until_the_queue_is_sent),
        OVER_SOCKETS(input_unread_at_the_end_does_not_reset_the_answer),
        OVER_SOCKETS(a_peer_that_never_reads_is_given_up),
        OVER(BUFFEREVENT, a_peer_that_never_reads_is_given_up),
        OVER_ALL(close_when_done_in_drained_closes),
        OVER_SOCKETS(a_peer_that_sends_on_is_not_reset),
        OVER_SOCKETS(stages_take_no_longer_than_the_linger_time),
        OVER_SOCKETS(a_peer_that_sends_without_end_is_left),
        OVER_SOCKETS(stages_after_the_peer_has_ended_are_one),
        OVER(BUFFEREVENT, handle_close_still_has_the_socket_below),
        OVER(BUFFEREVENT, handle_close_has_it_after_a_message_that_is_too_long),
        OVER_SOCKETS(discarding_takes_stages_back),
        OVER_ALL(stages_of_no_channel_are_refused),
        OVER_SOCKETS(discard_takes_the_linger_time_back),
        OVER(SOCKETPAIR,
             a_peer_that_refuses_to_read_is_not_listened_to_for_ever),
        OVER(BUFFEREVENT, a_peer_that_reads_slowly_is_waited_for),
        OVER_SOCKETS(a_peer_that_never_closes_is_not_waited_for_long),
        OVER_SOCKETS(what_is_queued_at_eof_is_still_sent),
        OVER(BUFFEREVENT, what_is_queued_at_eof_is_still_sent),
        OVER_SOCKETS(a_push_in_handle_eof_is_sent),
        OVER(BUFFEREVENT, a_push_in_handle_eof_is_sent),
        OVER_SOCKETS(a_peer_that_sends_and_ends_gets_its_answer),
        OVER(BUFFEREVENT, a_peer_that_sends_and_ends_gets_its_answer),
        OVER_ALL(discard_drops_what_was_not_sent),
        OVER_ALL(discard_takes_close_when_done_back),
        OVER_SOCKETS(discard_in_handle_eof_still_closes),
        OVER(TCP, a_reset_ends_the_channel),
        OVER_SOCKETS(what_the_peer_had_sent_is_delivered_before_a_reset),
        OVER_ALL(push_after_the_end_is_refused),
    };
    return RUN(tests);
}
