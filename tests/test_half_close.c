/* One side ends, and the other goes on; and the reset.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

static void push(struct fixture *f, const char *text)
{
    assert_int_equal(asynchat_push(f->ch, text, strlen(text)), 0);
}

static void keep_open(struct fixture *f)
{
    asynchat_keep_open(f->ch);
}

/* --- our side ends --- */

static void the_output_ends_and_the_input_goes_on(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    push(f, "last");
    assert_int_equal(asynchat_shutdown_write(f->ch), 0);
    assert_int_equal(asynchat_push(f->ch, "x", 1), ASYNCHAT_ECLOSED);
    settle(f);
    expect_got(f, "last");
    if (f->peer >= 0) /* otherwise the fixture's channel would close */
        assert_true(f->got_eof);
    feed_string(f, "one\r\ntwo\r\nthr");
    settle(f);
    expect(f, "data(one) found data(two) found data(thr)");
    assert_int_equal(asynchat_push(f->ch, "x", 1), ASYNCHAT_ECLOSED);
    feed_eof(f);
    settle(f);
    expect(f, "eof(cut off) closed(EOF)");
}

static void what_is_queued_goes_out_before(void **state)
{
    struct fixture *f = start(state);
    char *data = big(8u << 20);
    assert_int_equal(asynchat_push(f->ch, data, 8u << 20), 0);
    assert_int_equal(asynchat_shutdown_write(f->ch), 0);
    assert_int_equal(asynchat_shutdown_write(f->ch), 0);
    settle(f);
    assert_int_equal(f->got_len, 8u << 20);
    assert_true(f->got_eof);
    feed_string(f, "x");
    settle(f);
    expect(f, "data(x)");
    free(data);
}

static void the_peer_ends_first(void **state)
{
    struct fixture *f = start(state);
    feed_string(f, "x");
    feed_eof(f);
    assert_int_equal(asynchat_shutdown_write(f->ch), 0);
    settle(f);
    expect(f, "data(x) eof closed(EOF)");
}

static void closing_when_done_after_it_closes(void **state)
{
    struct fixture *f = start(state);
    push(f, "last");
    assert_int_equal(asynchat_shutdown_write(f->ch), 0);
    settle(f);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    settle(f);
    expect_got(f, "last");
    expect(f, "closed(0)");
}

static void closing_when_done_is_not_taken_back(void **state)
{
    struct fixture *f = start(state);
    push(f, "last");
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    assert_int_equal(asynchat_shutdown_write(f->ch), 0);
    settle(f);
    expect_got(f, "last");
    expect(f, "closed(0)");
}

static void bad_calls_are_refused(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_shutdown_write(NULL), -EINVAL);
    asynchat_keep_open(NULL);
    asynchat_keep_open(f->ch);
    asynchat_abort(NULL);
    feed_eof(f);
    settle(f);
    expect(f, "eof closed(EOF)");
}

/* --- the peer's side ends --- */

static void keep_and_close_in_stages(struct fixture *f)
{
    asynchat_keep_open(f->ch);
    push(f, "last");
    assert_int_equal(asynchat_close_in_stages(f->ch), 0);
}

/* The peer has ended already: there are no stages left. */
static void what_was_kept_open_is_closed_in_one_stage(void **state)
{
    struct fixture *f = start(state);
    f->on_eof = keep_and_close_in_stages;
    feed_eof(f);
    settle(f);
    expect_got(f, "last");
    assert_null(f->ch);
}

static void the_output_stays_open(void **state)
{
    struct fixture *f = start(state);
    f->on_eof = keep_open;
    feed_eof(f);
    settle(f);
    expect(f, "eof");
    push(f, "one ");
    settle(f);
    push(f, "two");
    settle(f);
    expect_got(f, "one two");
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    settle(f);
    assert_true(f->got_eof);
    expect(f, "closed(EOF)");
}

static void a_reset_is_noticed_with_the_output_open(void **state)
{
    struct fixture *f = start(state);
    need_edges(f);
    f->on_eof = keep_open;
    feed_eof(f);
    settle(f);
    expect(f, "eof");
    feed_reset(f);
    settle(f);
    expect(f, "error(EPIPE) closed(EPIPE)");
}

static void with_both_sides_over_the_channel_closes(void **state)
{
    struct fixture *f = start(state);
    f->on_eof = keep_open;
    feed_eof(f);
    settle(f);
    expect(f, "eof");
    push(f, "x");
    assert_int_equal(asynchat_shutdown_write(f->ch), 0);
    settle(f);
    expect_got(f, "x");
    expect(f, "closed(EOF)");
}

/* --- the reset --- */

static void aborting_sends_a_reset(void **state)
{
    struct fixture *f = start(state);
    char byte;
    push(f, "never sent");
    asynchat_abort(f->ch);
    settle_closed(f);
    expect(f, "closed(0)");
    assert_int_equal(recv(f->peer, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, ECONNRESET);
}

static void aborting_closes_where_there_is_no_reset(void **state)
{
    struct fixture *f = start(state);
    asynchat_abort(f->ch);
    asynchat_abort(f->ch);
    settle(f);
    expect(f, "closed(0)");
}

static void pause_now(struct fixture *f)
{
    asynchat_pause_reading(f->ch);
}

/* What had come and was not delivered goes with what comes next. */
static void who_lingers_keeps_no_input(void **state)
{
    struct fixture *f = start(state);
    struct evbuffer *input =
        bufferevent_get_input(asynchat_get_bufferevent(f->ch));
    set_crlf(f);
    f->on_found = pause_now;
    feed_string(f, "a\r\nthe rest");
    settle(f);
    assert_int_equal(evbuffer_get_length(input), 8);
    assert_int_equal(asynchat_close_in_stages(f->ch), 0);
    settle(f);
    feed_string(f, "more");
    settle(f);
    assert_non_null(f->ch);
    assert_int_equal(evbuffer_get_length(input), 0);
    feed_eof(f);
    settle_closed(f);
    expect(f, "data(a) found closed(0)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_SOCKETS(who_lingers_keeps_no_input),
        OVER_SOCKETS(the_output_ends_and_the_input_goes_on),
        OVER(BUFFEREVENT, the_output_ends_and_the_input_goes_on),
        OVER_SOCKETS(what_is_queued_goes_out_before),
        OVER(BUFFEREVENT, what_is_queued_goes_out_before),
        OVER_ALL(the_peer_ends_first),
        OVER_SOCKETS(closing_when_done_after_it_closes),
        OVER(BUFFEREVENT, closing_when_done_after_it_closes),
        OVER_ALL(closing_when_done_is_not_taken_back),
        OVER_ALL(bad_calls_are_refused),
        OVER_SOCKETS(the_output_stays_open),
        OVER(SOCKETPAIR, what_was_kept_open_is_closed_in_one_stage),
        OVER(TCP, what_was_kept_open_is_closed_in_one_stage),
        OVER(BUFFEREVENT, the_output_stays_open),
        OVER(TCP, a_reset_is_noticed_with_the_output_open),
        OVER_SOCKETS(with_both_sides_over_the_channel_closes),
        OVER(BUFFEREVENT, with_both_sides_over_the_channel_closes),
        OVER(TCP, aborting_sends_a_reset),
        OVER_ALL(aborting_closes_where_there_is_no_reset),
    };
    return RUN(tests);
}
