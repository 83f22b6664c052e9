/* Sending at once: what the far end has before the loop goes on.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "channel/object.h"
#include "clock.h"
#include "fixture.h"
#include "toy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#define MUCH (16u << 20) /* more bytes than fit into all buffers */

static void push(struct fixture *f, const char *text)
{
    assert_int_equal(asynchat_push(f->ch, text, strlen(text)), 0);
}

static void flush(struct fixture *f)
{
    size_t len = f->log_len;
    assert_int_equal(asynchat_flush(f->ch), 0);
    assert_int_equal(f->log_len, len); /* no call runs a callback */
}

/* What has arrived at the far end and was not read, without the loop. */
static size_t arrived(struct fixture *f, char *to, size_t room)
{
    if (f->far) {
        struct evbuffer *input =
            bufferevent_get_input(asynchat_get_bufferevent(f->far));
        ev_ssize_t n = evbuffer_copyout(input, to, room);
        return n > 0 ? (size_t)n : 0;
    }
    ssize_t n = recv(f->peer, to, room, MSG_PEEK | MSG_DONTWAIT);
    return n > 0 ? (size_t)n : 0;
}

static void expect_arrived(struct fixture *f, const char *text)
{
    char bytes[256];
    size_t len = arrived(f, bytes, sizeof bytes - 1);
    bytes[len] = '\0';
    assert_string_equal(bytes, text);
}

/* --- at once --- */

static void push_and_flush(struct fixture *f)
{
    push(f, "no line end");
    expect_arrived(f, "");
    flush(f);
    expect_arrived(f, "no line end");
    assert_int_equal(asynchat_get_queued(f->ch), 0);
    push(f, ", twice");
    flush(f);
    expect_arrived(f, "no line end, twice");
    push(f, ", and more");
    expect_arrived(f, "no line end, twice");
}

static void it_sends_inside_a_callback(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = push_and_flush;
    feed_string(f, "go\r\n");
    settle(f);
    expect_got(f, "no line end, twice, and more");
    expect(f, "data(go) found");
}

static void it_sends_outside_of_callbacks(void **state)
{
    struct fixture *f = start(state);
    push_and_flush(f);
    settle(f);
    expect_got(f, "no line end, twice, and more");
    flush(f);
    settle(f);
    expect_got(f, "no line end, twice, and more");
    expect(f, "");
}

/* The first block of an idle channel is sent from where it lies. */
static void a_shared_block_is_sent_as_well(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_block *block = asynchat_block_new("a block", 7);
    assert_int_equal(asynchat_push_shared(f->ch, block), 0);
    expect_arrived(f, "");
    flush(f);
    expect_arrived(f, "a block");
    assert_int_equal(asynchat_push_shared(f->ch, block), 0);
    push(f, " and more");
    flush(f);
    expect_arrived(f, "a blocka block and more");
    asynchat_block_free(block);
}

static void free_data(const void *data, size_t len, void *arg)
{
    (void)len;
    (void)arg;
    free((void *)(uintptr_t)data);
}

static void push_long_and_flush(struct fixture *f)
{
    char *data = big(5000), *expected = big(5000);
    char got[8192];
    assert_int_equal(
        asynchat_push_reference(f->ch, data, 5000, free_data, NULL), 0);
    push(f, "short");
    flush(f);
    assert_int_equal(arrived(f, got, sizeof got), 5005);
    assert_memory_equal(got, expected, 5000);
    assert_memory_equal(got + 5000, "short", 5);
    free(expected);
}

static void it_sends_by_all_ways(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = push_long_and_flush;
    feed_string(f, "go\r\n");
    settle(f);
    assert_int_equal(f->got_len, 5005);
}

static void say_bye(struct fixture *f)
{
    push(f, "bye");
    flush(f);
    expect_arrived(f, "bye");
}

static void it_sends_in_handle_eof_and_handle_error(void **state)
{
    struct fixture *f = start(state);
    f->on_eof = say_bye;
    feed_eof(f);
    settle(f);
    expect(f, "eof closed(EOF)");
    close_connection(f);
    f->got_len = 0;
    f = start(state);
    assert_int_equal(asynchat_set_message_limit(f->ch, 1), 0);
    f->on_error = say_bye;
    feed_string(f, "xx");
    feed_eof(f);
    settle(f);
    expect_got(f, "bye");
    expect(f, "data(x) error(ETOOLONG) closed(ETOOLONG)");
}

/* --- what is left --- */

static char events[64];

static void on_pressure(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
    strcat(events, "pressure ");
}

static void on_drained(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
    strcat(events, "drained ");
}

static struct fixture *start_told(void **state)
{
    static struct asynchat_handler told;
    told = recorder;
    told.handle_pressure = on_pressure;
    told.handle_drained = on_drained;
    events[0] = '\0';
    struct fixture *f = start_with(state, &told);
    expect(f, "connect");
    return f;
}

static void push_much_and_flush(struct fixture *f)
{
    char *data = big(MUCH);
    push(f, "x");
    assert_int_equal(
        asynchat_push_reference(f->ch, data, MUCH, free_data, NULL), 0);
    size_t queued = asynchat_get_queued(f->ch);
    flush(f);
    assert_in_range(asynchat_get_queued(f->ch), 1, queued - 1);
    assert_string_equal(events, "");
}

static void what_is_not_taken_is_sent_later(void **state)
{
    struct fixture *f = start_told(state);
    char *data = big(MUCH);
    set_crlf(f);
    f->on_found = push_much_and_flush;
    feed_string(f, "go\r\n");
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    assert_string_equal(events, "pressure ");
    settle(f);
    assert_string_equal(events, "pressure drained ");
    assert_int_equal(f->got_len, MUCH + 1);
    assert_memory_equal(f->got + 1, data, MUCH);
    free(data);
}

#define PIECE 50000

/* Flushes until the system takes no more, and then goes on pushing. */
static void push_more_and_more(struct fixture *f)
{
    char *data = big(PIECE);
    while (asynchat_get_queued(f->ch) == 0) {
        assert_int_equal(asynchat_push(f->ch, data, PIECE), 0);
        flush(f);
        f->count++;
    }
    push(f, "the");
    push(f, " end");
    free(data);
}

static void what_is_pushed_after_it_comes_after_what_was_left(void **state)
{
    struct fixture *f = start(state);
    char *data = big(PIECE);
    set_crlf(f);
    f->on_found = push_more_and_more;
    feed_string(f, "go\r\n");
    settle(f);
    assert_int_equal(f->got_len, f->count * PIECE + 7);
    for (int i = 0; i < f->count; i++)
        assert_memory_equal(f->got + i * PIECE, data, PIECE);
    assert_memory_equal(f->got + f->count * PIECE, "the end", 7);
    free(data);
}

static void push_some_and_flush(struct fixture *f)
{
    push(f, "some");
    flush(f);
    assert_string_equal(events, "");
}

static void handle_drained_comes_at_the_end(void **state)
{
    struct fixture *f = start_told(state);
    set_crlf(f);
    f->on_found = push_some_and_flush;
    feed_string(f, "go\r\n");
    settle(f);
    assert_string_equal(events, "drained ");
}

/* --- where it stops --- */

static int give(struct asynchat_channel *ch, struct evbuffer *out, size_t room,
                void *arg)
{
    struct fixture *f = arg;
    (void)room;
    f->count++;
    assert_int_equal(asynchat_flush(ch), -EBUSY);
    evbuffer_add(out, "made ", 5);
    assert_int_equal(asynchat_flush(ch), -EBUSY);
    return ASYNCHAT_DONE;
}

static void push_made(struct fixture *f)
{
    static const struct asynchat_producer_ops ops = {.size = sizeof ops,
                                                     .more = give};
    struct asynchat_producer *producer;
    assert_int_equal(asynchat_producer_new(&ops, f, &producer), 0);
    assert_int_equal(asynchat_push_producer(f->ch, producer), 0);
}

static void producers_are_left_to_the_loop(void **state)
{
    struct fixture *f = start(state);
    push(f, "before ");
    push_made(f);
    push(f, "behind");
    flush(f);
    expect_arrived(f, "before ");
    assert_int_equal(f->count, 0);
    assert_int_equal(asynchat_get_queued(f->ch), 512 + 6);
    settle(f);
    assert_int_equal(f->count, 1);
    expect_got(f, "before made behind");
}

static void a_rate_is_obeyed(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_rates rates = {
        .size = sizeof rates, .write = 10, .write_burst = 10};
    assert_int_equal(asynchat_set_rates(f->ch, &rates), 0);
    push(f, "0123456789abcdef");
    flush(f);
    flush(f);
    expect_arrived(f, "0123456789");
    assert_int_equal(asynchat_get_queued(f->ch), 6);
    settle(f);
    clock_advance(600);
    settle(f);
    expect_got(f, "0123456789abcdef");
}

static void before_the_connection_is_up_it_waits(void **state)
{
    struct fixture *f = *state;
    int fds[2];
    struct bufferevent *bev =
        bufferevent_socket_new(f->base, -1, BEV_OPT_CLOSE_ON_FREE);
    assert_int_equal(
        asynchat_channel_new(bev, ASYNCHAT_CONNECTING, &recorder, f, &f->ch),
        0);
    push(f, "early");
    flush(f);
    make_socketpair(fds);
    evutil_make_socket_nonblocking(fds[0]);
    bufferevent_setfd(bev, fds[0]);
    f->peer = fds[1];
    flush(f);
    expect_arrived(f, "");
    bufferevent_trigger_event(bev, BEV_EVENT_CONNECTED, 0);
    settle(f);
    expect_got(f, "early");
}

static void begin_layer(struct asynchat_channel *ch, bool client)
{
    assert_int_equal(asynchat_set_layer(ch, &toy_ops, toy_new(client), NULL),
                     0);
}

static void up_to_a_border(void **state)
{
    struct fixture *f = start(state);
    push(f, "plain");
    begin_layer(f->ch, false);
    push(f, "sealed");
    flush(f);
    expect_arrived(f, "plain");
    settle(f);
    assert_true(f->got_len > 11);
    assert_memory_equal(f->got, "plain", 5);
    assert_null(memmem(f->got, f->got_len, "sealed", 6));
}

static void push_sealed_and_flush(struct fixture *f)
{
    char got[64];
    size_t before = arrived(f, got, sizeof got);
    push(f, "sealed");
    flush(f);
    assert_int_equal(asynchat_get_queued(f->ch), 0);
    size_t len = arrived(f, got, sizeof got);
    assert_true(len > before + 6);
    assert_null(memmem(got, len, "sealed", 6));
}

/* A handshake of no words. */
static void through_a_layer(void **state)
{
    struct fixture *f = start(state);
    begin_layer(f->ch, false);
    settle(f);
    f->got_len = 0;
    push_sealed_and_flush(f);
    push_sealed_and_flush(f);
}

static void through_a_layer_in_a_callback(void **state)
{
    struct fixture *f = start(state);
    begin_layer(f->ch, false);
    begin_layer(f->far, true);
    settle(f);
    set_crlf(f);
    f->on_found = push_sealed_and_flush;
    feed_string(f, "go\r\nagain\r\n");
    settle(f);
    expect(f, "data(go) found data(again) found");
    expect_got(f, "sealedsealed");
}

/* --- code of the program that runs meanwhile --- */

static void push_on_release(const void *data, size_t len, void *arg)
{
    struct fixture *f = arg;
    (void)data;
    (void)len;
    if (f->count++ == 9)
        return;
    assert_int_equal(asynchat_flush(f->ch), -EBUSY);
    assert_int_equal(
        asynchat_push_reference(f->ch, "again ", 6, push_on_release, f), 0);
}

static void what_release_pushes_does_not_prolong_it(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(
        asynchat_push_reference(f->ch, "once ", 5, push_on_release, f), 0);
    flush(f);
    assert_int_equal(f->count, 1);
    expect_arrived(f, "once ");
    settle(f);
    assert_int_equal(f->count, 10);
}

static void close_on_release(const void *data, size_t len, void *arg)
{
    struct fixture *f = arg;
    free_data(data, len, NULL);
    if (f->count++ == 0)
        asynchat_close(f->ch);
}

/* The peer does not read, so nothing else wakes the channel. */
static void what_release_begins_goes_on_from_the_loop(void **state)
{
    struct fixture *f = start(state);
    char *got = malloc(MUCH);
    for (int i = 0; i < 300; i++)
        assert_int_equal(
            asynchat_push_reference(f->ch, big(PIECE), PIECE, free_data, NULL),
            0);
    assert_int_equal(
        asynchat_push_reference(f->ch, big(PIECE), PIECE, close_on_release, f),
        0);
    while (f->count == 0) {
        event_base_loop(f->base, EVLOOP_NONBLOCK);
        event_base_loop(f->base, EVLOOP_NONBLOCK);
        assert_true(recv(f->peer, got, MUCH, MSG_DONTWAIT) > 0);
        (void)asynchat_flush(f->ch);
    }
    assert_int_equal(f->count, 1);
    for (int i = 0; i < 4; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    expect(f, "closed(0)");
    free(got);
}

static void tell(struct asynchat_channel *ch, enum asynchat_transcript what,
                 const void *data, size_t len, void *arg)
{
    struct fixture *f = arg;
    (void)data;
    (void)len;
    if (what == ASYNCHAT_TRANSCRIPT_SENT)
        f->count = asynchat_flush(ch);
}

static void not_while_a_transcript_is_told(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_transcript(f->ch, tell, f), 0);
    push(f, "hello");
    assert_int_equal(f->count, -EBUSY);
    expect_arrived(f, "");
    flush(f);
    expect_arrived(f, "hello");
}

/* --- at the end --- */

static void after_the_last_push_it_sends_as_well(void **state)
{
    struct fixture *f = start(state);
    push(f, "last");
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    flush(f);
    expect_arrived(f, "last");
    assert_non_null(f->ch);
    settle(f);
    expect_got(f, "last");
    expect(f, "closed(0)");
}

static void after_the_end_it_is_refused(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_flush(NULL), -EINVAL);
    push(f, "never");
    asynchat_close(f->ch);
    assert_int_equal(asynchat_flush(f->ch), ASYNCHAT_ECLOSED);
    settle(f);
    expect_got(f, "");
    expect(f, "closed(0)");
}

static void an_error_of_the_connection_is_its_result(void **state)
{
    struct fixture *f = start(state);
    feed_reset(f);
    push(f, "lost");
    int error = asynchat_flush(f->ch);
    assert_true(error == -EPIPE || error == -ECONNRESET);
    expect(f, "");
    settle(f);
    assert_null(f->ch);
    assert_true(f->status == -EPIPE || f->status == -ECONNRESET);
}

static void the_error_of_a_push_is_its_result(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_output_limit(f->ch, 1), 0);
    push(f, "one");
    assert_int_equal(asynchat_push(f->ch, "two", 3), ASYNCHAT_EFULL);
    assert_int_equal(asynchat_flush(f->ch), ASYNCHAT_EFULL);
    settle(f);
    expect(f, "error(EFULL) closed(EFULL)");
    expect_got(f, "");
}

/* The block waits, and a push behind it has failed: nothing of it is sent. */
static void a_block_stays_after_the_error_of_a_push(void **state)
{
    struct fixture *f = start(state);
    char *text = big(100000);
    struct asynchat_block *block = asynchat_block_new(text, 100000);
    assert_int_equal(asynchat_set_output_limit(f->ch, 10), 0);
    assert_int_equal(asynchat_push_shared(f->ch, block), 0);
    assert_int_equal(asynchat_push(f->ch, "x", 1), ASYNCHAT_EFULL);
    assert_int_equal(asynchat_flush(f->ch), ASYNCHAT_EFULL);
    expect_arrived(f, "");
    settle_closed(f);
    expect(f, "error(EFULL) closed(EFULL)");
    asynchat_block_free(block);
    free(text);
}

/* The bytes of a finished slot are in the queue, and the output takes none. */
static void want_of_memory_is_its_result(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_slot *slot = NULL;
    assert_int_equal(asynchat_reserve(f->ch, &slot), 0);
    assert_int_equal(asynchat_slot_push(slot, "x", 1), 0);
    assert_int_equal(asynchat_slot_finish(slot), 0);
    evbuffer_freeze(f->ch->transport.output, 0);
    assert_int_equal(asynchat_flush(f->ch), -ENOMEM);
    expect_arrived(f, "");
    settle_closed(f);
    expect(f, "error(ENOMEM) closed(ENOMEM)");
}

/* Nobody is told when all is sent. */
static void it_sends_without_handle_drained(void **state)
{
    struct asynchat_handler handler = recorder;
    handler.handle_drained = NULL;
    struct fixture *f = start_with(state, &handler);
    expect(f, "connect");
    push(f, "outside");
    flush(f);
    expect_arrived(f, "outside");
    set_crlf(f);
    f->on_found = push_and_flush;
    settle(f);
    f->got_len = 0;
    feed_string(f, "go\r\n");
    settle(f);
    expect_got(f, "no line end, twice, and more");
    expect(f, "data(go) found");
    close_connection(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_ALL(it_sends_inside_a_callback),
        OVER_ALL(it_sends_outside_of_callbacks),
        OVER_ALL(a_shared_block_is_sent_as_well),
        OVER_ALL(it_sends_by_all_ways),
        OVER_SOCKETS(it_sends_in_handle_eof_and_handle_error),
        OVER(BUFFEREVENT, it_sends_in_handle_eof_and_handle_error),
        OVER_SOCKETS(what_is_not_taken_is_sent_later),
        OVER(BUFFEREVENT, what_is_not_taken_is_sent_later),
        OVER_SOCKETS(what_is_pushed_after_it_comes_after_what_was_left),
        OVER_ALL(handle_drained_comes_at_the_end),
        OVER_ALL(producers_are_left_to_the_loop),
        OVER_ALL(a_rate_is_obeyed),
        OVER(BUFFEREVENT, before_the_connection_is_up_it_waits),
        OVER_SOCKETS(up_to_a_border),
        OVER(PAIR, up_to_a_border),
        OVER_SOCKETS(through_a_layer),
        OVER(PAIR, through_a_layer),
        OVER(PAIR, through_a_layer_in_a_callback),
        OVER_SOCKETS(what_release_pushes_does_not_prolong_it),
        OVER(SOCKETPAIR, what_release_begins_goes_on_from_the_loop),
        OVER_ALL(not_while_a_transcript_is_told),
        OVER_ALL(after_the_last_push_it_sends_as_well),
        OVER_ALL(after_the_end_it_is_refused),
        OVER_SOCKETS(an_error_of_the_connection_is_its_result),
        OVER(BUFFEREVENT, an_error_of_the_connection_is_its_result),
        OVER_ALL(the_error_of_a_push_is_its_result),
        OVER_ALL(a_block_stays_after_the_error_of_a_push),
        OVER_SOCKETS(want_of_memory_is_its_result),
        OVER(BUFFEREVENT, want_of_memory_is_its_result),
        OVER_SOCKETS(it_sends_without_handle_drained),
    };
    return RUN(tests);
}
