/* Closing when all is sent, with nothing more delivered.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"
#include "fixture.h"
#include "toy.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/util.h>

#define MUCH (16u << 20) /* more bytes than fit into all buffers */

static void push(struct fixture *f, const char *text)
{
    assert_int_equal(asynchat_push(f->ch, text, strlen(text)), 0);
}

static void close_after(struct fixture *f)
{
    assert_int_equal(asynchat_close_after(f->ch), 0);
}

static void say_221(struct fixture *f)
{
    push(f, "221 bye\r\n");
    close_after(f);
    assert_int_equal(asynchat_push(f->ch, "x", 1), ASYNCHAT_ECLOSED);
}

/* The channel may be gone already. */
static void try_to_feed(struct fixture *f, const char *text)
{
    if (f->far)
        (void)asynchat_push(f->far, text, strlen(text));
    else if (f->peer >= 0)
        (void)send(f->peer, text, strlen(text), MSG_NOSIGNAL);
}

static void at_every_cut_nothing_more_is_delivered(void **state)
{
    static const char stream[] = "QUIT\r\nNOOP\r\nMAIL FROM:<a@b.c>\r\n";
    char rest[sizeof stream], *quit = strstr(stream, "NOOP");
    struct fixture *f;
    for (size_t cut = 0; cut < sizeof stream; cut++) {
        f = start_whole(state);
        f->got_len = 0;
        set_crlf(f);
        f->on_message = say_221;
        feed(f, stream, cut);
        if (stream + cut >= quit)
            settle(f);
        else
            event_base_loop(f->base, EVLOOP_NONBLOCK);
        strcpy(rest, stream + cut);
        try_to_feed(f, rest);
        settle(f);
        if (f->ch && f->peer >= 0)
            assert_int_equal(shutdown(f->peer, SHUT_WR), 0);
        settle(f);
        expect(f, "message(QUIT) closed(0)");
        expect_got(f, "221 bye\r\n");
        close_connection(f);
    }
}

static void the_peers_end_is_not_delivered_either(void **state)
{
    static const char stream[] = "QUIT\r\nNOOP";
    struct fixture *f;
    for (size_t cut = 0; cut < sizeof stream; cut++) {
        f = start(state);
        f->got_len = 0;
        set_crlf(f);
        f->on_found = say_221;
        feed(f, stream, cut);
        event_base_loop(f->base, EVLOOP_NONBLOCK);
        try_to_feed(f, stream + cut);
        shutdown(f->peer, SHUT_WR);
        settle(f);
        expect(f, "data(QUIT) found closed(0)");
        expect_got(f, "221 bye\r\n");
        close_connection(f);
    }
}

static void in_a_piece_it_is_the_last(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_data = say_221;
    feed_string(f, "QUIT\r\nNOOP\r\n");
    settle(f);
    expect(f, "data(QUIT) closed(0)");
    expect_got(f, "221 bye\r\n");
}

static void push_much_and_close(struct fixture *f)
{
    char *data = big(MUCH);
    assert_int_equal(asynchat_push(f->ch, data, MUCH), 0);
    close_after(f);
    close_after(f);
    free(data);
}

static void a_slow_peer_gets_all(void **state, const char *meanwhile)
{
    struct fixture *f = start(state);
    char *data = big(MUCH);
    set_crlf(f);
    f->on_found = push_much_and_close;
    feed_string(f, "QUIT\r\n");
    for (int i = 0; i < 4; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    feed_string(f, meanwhile);
    asynchat_pause_reading(f->ch);
    asynchat_resume_reading(f->ch);
    for (int i = 0; i < 4; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    shutdown(f->peer, SHUT_WR);
    clock_advance(1000); /* a socket that is full is looked at then */
    for (int i = 0; i < 4; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    settle(f);
    expect(f, "data(QUIT) found closed(0)");
    assert_int_equal(f->got_len, MUCH);
    assert_memory_equal(f->got, data, MUCH);
    free(data);
}

static void a_slow_peer_gets_all_and_is_not_heard(void **state)
{
    a_slow_peer_gets_all(state, "NOOP\r\nNOOP\r\n");
}

static void a_slow_peer_may_end_meanwhile(void **state)
{
    a_slow_peer_gets_all(state, "");
}

static void without_a_callback(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    push(f, "answer");
    try_to_feed(f, "NOOP\r\n");
    close_after(f);
    settle(f);
    if (f->ch && f->peer >= 0)
        shutdown(f->peer, SHUT_WR);
    settle(f);
    expect(f, "closed(0)");
    expect_got(f, "answer");
}

static void a_peer_that_takes_nothing_has_the_linger_time(void **state)
{
    struct fixture *f = start(state);
    push_much_and_close(f);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    clock_advance(29999);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    expect(f, "");
    clock_advance(1);
    for (int i = 0; i < 4; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    expect(f, "error(ETIMEDOUT) closed(ETIMEDOUT)");
}

static void a_peer_that_is_still_sending_is_waited_for_in_stages(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    push(f, "221 bye\r\n");
    close_after(f);
    assert_int_equal(asynchat_close_in_stages(f->ch), 0);
    settle(f);
    assert_true(f->got_eof);
    assert_non_null(f->ch);
    feed_string(f, "NOOP\r\n");
    settle(f);
    feed_eof(f);
    settle(f);
    expect(f, "closed(0)");
    expect_got(f, "221 bye\r\n");
}

static void discarding_cancels_it(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    push(f, "never");
    close_after(f);
    asynchat_discard_buffers(f->ch);
    feed_string(f, "NOOP\r\n");
    settle(f);
    expect(f, "data(NOOP) found");
    push(f, "still here");
    settle(f);
    expect_got(f, "still here");
}

/* --- when a part of the connection is over, or not up yet --- */

static void after_the_outputs_end_it_is_at_once(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    assert_int_equal(asynchat_shutdown_write(f->ch), 0);
    settle(f);
    f->on_found = close_after;
    feed_string(f, "one\r\ntwo\r\n");
    settle(f);
    expect(f, "data(one) found closed(0)");
}

static void it_takes_the_place_of_the_outputs_end(void **state)
{
    struct fixture *f = start(state);
    push(f, "last");
    assert_int_equal(asynchat_shutdown_write(f->ch), 0);
    close_after(f);
    assert_int_equal(asynchat_shutdown_write(f->ch), 0);
    settle(f);
    expect_got(f, "last");
    expect(f, "closed(0)");
}

static void keep_open(struct fixture *f)
{
    asynchat_keep_open(f->ch);
}

static void after_the_peers_end_what_is_queued_is_sent(void **state)
{
    struct fixture *f = start(state);
    f->on_eof = keep_open;
    feed_eof(f);
    settle(f);
    push(f, "last");
    close_after(f);
    settle(f);
    expect_got(f, "last");
    expect(f, "eof closed(EOF)");
}

static void answer_and_close(struct fixture *f)
{
    (void)asynchat_push(f->ch, "221 bye\r\n", 9);
    if (f->count-- == 0)
        close_after(f);
}

/* The peer has sent two more lines, and has then reset the connection. */
static void reset_behind_lines(struct fixture *f)
{
    set_crlf(f);
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 6), 0);
    f->on_found = answer_and_close;
    feed_string(f, "QUIT\r\nNOOP\r\nRSET\r\n");
    feed_reset(f);
    settle(f);
    assert_null(f->ch);
}

static void a_peer_that_has_reset_is_not_heard(void **state)
{
    struct fixture *f = start(state);
    reset_behind_lines(f);
    assert_true(f->status == -EPIPE || f->status == -ECONNRESET);
    assert_non_null(strstr(f->log, "data(QUIT) found error("));
    close_connection(f);
    f = start(state);
    f->count = 1; /* the connection is broken before */
    reset_behind_lines(f);
    expect(f, "data(QUIT) found data(NOOP) found closed(0)");
}

static void before_the_connection_is_up(void **state)
{
    struct fixture *f = *state;
    int fds[2];
    struct bufferevent *bev =
        bufferevent_socket_new(f->base, -1, BEV_OPT_CLOSE_ON_FREE);
    assert_int_equal(
        asynchat_channel_new(bev, ASYNCHAT_CONNECTING, &recorder, f, &f->ch),
        0);
    push(f, "early");
    close_after(f);
    settle(f);
    expect(f, "");
    make_socketpair(fds);
    evutil_make_socket_nonblocking(fds[0]);
    bufferevent_setfd(bev, fds[0]);
    f->peer = fds[1];
    feed_string(f, "hello");
    bufferevent_trigger_event(bev, BEV_EVENT_CONNECTED, 0);
    settle(f);
    expect(f, "connect closed(0)");
    expect_got(f, "early");
}

static void what_is_behind_a_border_is_sent_sealed(void **state)
{
    struct fixture *f = start(state);
    struct toy *toy = toy_new(false);
    push(f, "plain");
    assert_int_equal(asynchat_set_layer(f->ch, &toy_ops, toy, NULL), 0);
    push(f, "sealed");
    close_after(f);
    settle(f);
    expect(f, "closed(0)");
    assert_true(f->got_len > 11);
    assert_memory_equal(f->got, "plain", 5);
    assert_null(memmem(f->got, f->got_len, "sealed", 6));
    assert_true(f->got_eof);
}

static void through_a_layer(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_layer(f->ch, &toy_ops, toy_new(false), NULL),
                     0);
    assert_int_equal(asynchat_set_layer(f->far, &toy_ops, toy_new(true), NULL),
                     0);
    settle(f);
    set_crlf(f);
    f->on_found = say_221;
    feed_string(f, "QUIT\r\nNOOP\r\n");
    settle(f);
    expect(f, "data(QUIT) found closed(0)");
    expect_got(f, "221 bye\r\n");
    assert_true(f->got_eof);
}

static void bad_calls_are_refused(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_close_after(NULL), -EINVAL);
    asynchat_close(f->ch);
    assert_int_equal(asynchat_close_after(f->ch), ASYNCHAT_ECLOSED);
    settle(f);
    expect(f, "closed(0)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_ALL(at_every_cut_nothing_more_is_delivered),
        OVER_SOCKETS(the_peers_end_is_not_delivered_either),
        OVER(BUFFEREVENT, the_peers_end_is_not_delivered_either),
        OVER_ALL(in_a_piece_it_is_the_last),
        OVER_SOCKETS(a_slow_peer_gets_all_and_is_not_heard),
        OVER(BUFFEREVENT, a_slow_peer_gets_all_and_is_not_heard),
        OVER_SOCKETS(a_slow_peer_may_end_meanwhile),
        OVER(BUFFEREVENT, a_slow_peer_may_end_meanwhile),
        OVER_ALL(without_a_callback),
        OVER_SOCKETS(a_peer_that_takes_nothing_has_the_linger_time),
        OVER_SOCKETS(a_peer_that_is_still_sending_is_waited_for_in_stages),
        OVER_ALL(discarding_cancels_it),
        OVER_SOCKETS(after_the_outputs_end_it_is_at_once),
        OVER(BUFFEREVENT, after_the_outputs_end_it_is_at_once),
        OVER_ALL(it_takes_the_place_of_the_outputs_end),
        OVER_SOCKETS(after_the_peers_end_what_is_queued_is_sent),
        OVER(TCP, a_peer_that_has_reset_is_not_heard),
        OVER(BUFFEREVENT, before_the_connection_is_up),
        OVER_SOCKETS(what_is_behind_a_border_is_sent_sealed),
        OVER(PAIR, through_a_layer),
        OVER_ALL(bad_calls_are_refused),
    };
    return RUN(tests);
}
