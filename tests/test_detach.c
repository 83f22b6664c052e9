/* Handing over: every byte that was not delivered leaves with the connection,
 * in the order of the stream, wherever the stream was cut and whatever kept the
 * bytes; and comes to another channel in the same order.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "child.h"
#include "serving.h"
#include "toy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

/* --- a connection that has left its channel --- */

static struct {
    struct evbuffer *rest;
    struct bufferevent *bev; /* or NULL */
    int fd;                  /* or -1 */
    int result;
    size_t delivered; /* bytes of the stream, with the terminators */
    unsigned events, at;
} out;

static void out_begin(void)
{
    out.rest = evbuffer_new();
    out.bev = NULL;
    out.fd = -1;
    out.delivered = 0;
    out.events = out.at = 0;
}

static void out_end(void)
{
    evbuffer_free(out.rest);
    if (out.fd >= 0)
        close(out.fd);
    if (out.bev)
        bufferevent_free(out.bev);
    out_begin();
    evbuffer_free(out.rest);
}

/* Takes the connection from the channel, if that is possible. */
static int take(struct fixture *f)
{
    if (f->over == OVER_BUFFEREVENT) {
        out.result = asynchat_detach_bufferevent(f->ch, &out.bev);
    } else {
        out.result = asynchat_detach(f->ch, out.rest);
        out.fd = out.result >= 0 ? out.result : -1;
        out.result = out.result >= 0 ? 0 : out.result;
    }
    if (out.result == 0)
        f->ch = NULL;
    return out.result;
}

/* The rest of the stream: what was given, and what can still be read. */
static const char *rest_of(struct fixture *f)
{
    static char text[1 << 16];
    if (out.bev) {
        assert_int_equal(bufferevent_get_enabled(out.bev) & EV_READ, 0);
        bufferevent_enable(out.bev, EV_READ);
        settle(f);
        bufferevent_disable(out.bev, EV_READ);
        evbuffer_add_buffer(out.rest, bufferevent_get_input(out.bev));
    }
    while (out.fd >= 0 && evbuffer_read(out.rest, out.fd, -1) > 0)
        ;
    ev_ssize_t len = evbuffer_remove(out.rest, text, sizeof text - 1);
    text[len > 0 ? len : 0] = '\0';
    return text;
}

/* The connection works in both directions. */
static void expect_alive(struct fixture *f)
{
    char text[8] = "";
    int fd = out.bev ? bufferevent_getfd(out.bev) : out.fd;
    assert_int_equal(send(fd, "ping", 4, MSG_NOSIGNAL), 4);
    assert_int_equal(recv(f->peer, text, sizeof text, 0), 4);
    assert_string_equal(text, "ping");
    assert_int_equal(send(f->peer, "pong", 4, MSG_NOSIGNAL), 4);
    assert_string_equal(rest_of(f), "pong");
}

/* --- at every place of a stream --- */

#define STREAM "UP\r\nabc\rd\r\r\n\r\nxy\r"

/* What keeps bytes from being delivered. */
enum hold { NOTHING, PAUSED, BUDGET, RATED, PIECES, TOLD, HOLDS };
static enum hold hold;

static void tell(struct asynchat_channel *ch, enum asynchat_transcript what,
                 const void *data, size_t len, void *arg)
{
    (void)ch;
    (void)what;
    (void)data;
    (void)len;
    (void)arg;
}

static void prepare(struct fixture *f)
{
    struct asynchat_rates rates = {.size = sizeof rates, .read = 1};
    rates.read_burst = out.at + 1;
    set_crlf(f);
    if (hold == BUDGET)
        assert_int_equal(asynchat_set_message_budget(f->ch, 1), 0);
    if (hold == RATED)
        assert_int_equal(asynchat_set_rates(f->ch, &rates), 0);
    if (hold == PIECES)
        assert_int_equal(asynchat_set_in_buffer_size(f->ch, 3), 0);
    if (hold == TOLD)
        assert_int_equal(asynchat_set_transcript(f->ch, tell, NULL), 0);
}

/* Counts what was delivered. At its event the connection leaves, and what was
 * lent to the callback can still be read. */
static void count_event(struct fixture *f, size_t len, bool lent)
{
    char before[64];
    out.delivered += len;
    if (out.events++ != out.at)
        return;
    if (hold == PAUSED) {
        asynchat_pause_reading(f->ch);
        return;
    }
    if (lent)
        memcpy(before, f->data, f->data_len);
    assert_int_equal(take(f), 0);
    assert_int_equal(asynchat_push(f->ch, "x", 1), -EINVAL);
    if (lent)
        assert_memory_equal(before, f->data, f->data_len);
}

static void count_data(struct fixture *f)
{
    count_event(f, f->data_len, true);
}

static void count_found(struct fixture *f)
{
    count_event(f, 2, false);
}

static void count_message(struct fixture *f)
{
    count_event(f, f->data_len + 2, true);
}

/* The connection leaves in a callback; or later, if the stream has no such
 * event, or if reading is paused there. */
static void leave_at(void **state, const struct asynchat_handler *handler,
                     size_t cut, unsigned at)
{
    struct fixture *f = start_with(state, handler);
    out_begin();
    out.at = at;
    f->on_data = count_data;
    f->on_found = count_found;
    f->on_message = count_message;
    prepare(f);
    feed(f, STREAM, cut);
    settle(f);
    if (hold == RATED && f->ch)
        assert_int_equal(take(f), 0);
    feed_string(f, &STREAM[cut]);
    settle(f);
    if (f->ch)
        assert_int_equal(take(f), 0);
    settle(f);
    size_t events = f->log_len;
    assert_string_equal(rest_of(f), &STREAM[out.delivered]);
    expect_alive(f);
    assert_int_equal(f->log_len, events);
    out_end();
    close_connection(f);
}

static void every_byte_leaves_at_every_cut_and_event(void **state)
{
    static const struct asynchat_handler *const handlers[] = {
        &recorder, &whole_recorder, &dropping_recorder,
        &dropping_whole_recorder};
    unsigned events = ((struct fixture *)*state)->over == OVER_TCP ? 3 : 9;
    for (hold = NOTHING; hold < HOLDS; hold++)
        for (size_t i = 0; i < COUNT(handlers); i++)
            for (size_t cut = 0; cut < sizeof STREAM; cut++)
                for (unsigned at = 0; at < events; at++)
                    leave_at(state, handlers[i], cut, at);
}

static void leave(struct fixture *f)
{
    assert_int_equal(take(f), 0);
}

static void what_follows_an_upgrade_is_not_delivered(void **state)
{
    for (size_t cut = 0; cut <= 9; cut++) {
        struct fixture *f = start_whole(state);
        out_begin();
        set_crlf(f);
        f->on_message = leave;
        feed(f, "UP\r\nabc\rd", cut);
        settle(f);
        feed_string(f, &"UP\r\nabc\rd"[cut]);
        settle(f);
        expect(f, "message(UP)");
        assert_string_equal(rest_of(f), "abc\rd");
        out_end();
        close_connection(f);
    }
}

/* Bytes that are matched again under another terminator. */
static void set_other(struct fixture *f)
{
    assert_int_equal(asynchat_set_terminator(f->ch, "a-a-b", 5), 0);
}

static void bytes_that_are_matched_again_leave(void **state)
{
    struct fixture *f = start(state);
    out_begin();
    assert_int_equal(asynchat_set_terminator(f->ch, "-a-a-a!", 7), 0);
    feed_string(f, "x-a-a-a");
    settle(f);
    expect(f, "data(x)");
    set_other(f);
    assert_int_equal(take(f), 0);
    assert_string_equal(rest_of(f), "-a-a-a");
    out_end();
    close_connection(f);

    f = start(state);
    out_begin();
    assert_int_equal(asynchat_set_terminator(f->ch, "-a-a-a!", 7), 0);
    feed_string(f, "x-a-a-a");
    settle(f);
    expect(f, "data(x)");
    set_other(f);
    f->on_data = leave;
    settle(f);
    expect(f, "data(-a-)");
    feed_string(f, "-b");
    assert_string_equal(rest_of(f), "a-a-b");
    out_end();
}

static void bytes_that_are_released_one_by_one_leave(void **state)
{
    struct fixture *f = start(state);
    out_begin();
    assert_int_equal(asynchat_set_terminator(f->ch, "abcde", 5), 0);
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 1), 0);
    feed_string(f, "abcd");
    settle(f);
    expect(f, "");
    f->on_data = leave;
    feed_string(f, "x");
    settle(f);
    expect(f, "data(a)");
    assert_string_equal(rest_of(f), "bcdx");
    out_end();
}

static void long_input_leaves_in_order(void **state)
{
    struct fixture *f = start(state);
    char *text = big(50000);
    out_begin();
    set_crlf(f);
    asynchat_pause_reading(f->ch);
    for (size_t i = 0; i < 50000; i += 5000) {
        feed(f, text + i, 5000);
        settle(f);
    }
    f->on_data = leave;
    asynchat_resume_reading(f->ch);
    settle(f);
    assert_null(f->ch);
    assert_string_equal(rest_of(f), text + f->data_len);
    free(text);
    out_end();
}

/* --- in other callbacks --- */

static void a_connection_leaves_in_handle_connect(void **state)
{
    struct fixture *f = *state;
    out_begin();
    f->on_connect = leave;
    start_with(state, &recorder);
    expect(f, "connect");
    feed_string(f, "hello");
    settle(f);
    assert_string_equal(rest_of(f), "hello");
    expect_alive(f);
    expect(f, "");
    out_end();
}

static void bytes_that_come_before_handle_connect_leave(void **state)
{
    struct fixture *f = *state;
    struct evbuffer *before = evbuffer_new();
    int fds[2];
    for (int more = 0; more < 3; more++) {
        out_begin();
        make_socketpair(fds);
        f->peer = fds[1];
        f->on_connect = more < 2 ? leave : NULL;
        f->on_data = leave;
        assert_int_equal(
            asynchat_channel_new_socket(f->base, fds[0], &recorder, f, &f->ch),
            0);
        if (more) {
            evbuffer_add_reference(before, "oh ", 3, NULL, NULL);
            assert_int_equal(asynchat_unread(f->ch, before), 0);
        }
        feed_string(f, "hello");
        settle(f);
        expect(f, more < 2 ? "connect" : "connect data(oh )");
        assert_string_equal(rest_of(f), more == 1 ? "oh hello" : "hello");
        out_end();
        close_connection(f);
    }
    evbuffer_free(before);
}

static void a_connection_leaves_before_handle_connect(void **state)
{
    struct fixture *f = *state;
    int fds[2];
    out_begin();
    make_socketpair(fds);
    f->peer = fds[1];
    assert_int_equal(
        asynchat_channel_new_socket(f->base, fds[0], &recorder, f, &f->ch), 0);
    feed_string(f, "hello");
    leave(f);
    settle(f);
    expect(f, "");
    assert_string_equal(rest_of(f), "hello");
    out_end();
}

static void keep_channel(struct asynchat_channel *ch, void *arg)
{
    ((struct fixture *)arg)->ch = ch;
}

static void idle(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    leave(arg);
}

static void a_connection_leaves_in_handle_idle(void **state)
{
    static const struct asynchat_handler handler = {.size = sizeof handler,
                                                    .handle_connect =
                                                        keep_channel,
                                                    .handle_idle = idle};
    struct asynchat_timeouts times = {.size = sizeof times, .idle = 1};
    struct fixture *f = start_with(state, &handler);
    out_begin();
    set_crlf(f);
    assert_int_equal(asynchat_set_timeouts(f->ch, &times), 0);
    while (f->ch)
        event_base_loop(f->base, EVLOOP_ONCE);
    expect_alive(f);
    out_end();
}

/* httpd in small: the answer is sent before the connection leaves. */
static void answer_upgrade(struct fixture *f)
{
    asynchat_pause_reading(f->ch);
    assert_int_equal(asynchat_push(f->ch, "HTTP/1.1 101 ...\r\n\r\n", 20), 0);
    assert_int_equal(take(f), -EBUSY);
}

static void an_answer_is_sent_before_the_connection_leaves(void **state)
{
    static const char request[] = "GET / HTTP/1.1\r\nUpgrade: x\r\n\r\nabc\r\n";
    struct fixture *f = start_whole(state);
    out_begin();
    assert_int_equal(asynchat_set_terminator(f->ch, "\r\n\r\n", 4), 0);
    f->on_message = answer_upgrade;
    f->on_drained = leave;
    feed_string(f, request);
    settle(f);
    expect(f, "message(GET / HTTP/1.1\\r\\nUpgrade: x)");
    expect_got(f, "HTTP/1.1 101 ...\r\n\r\n");
    assert_string_equal(rest_of(f), "abc\r\n");
    expect_alive(f);
    out_end();
}

/* --- what is refused, and changes nothing --- */

static void a_message_that_is_dropped_keeps_the_connection(void **state)
{
    static const struct asynchat_handler *const handlers[] = {
        &dropping_recorder, &dropping_whole_recorder};
    for (size_t i = 0; i < COUNT(handlers); i++) {
        struct fixture *f = start_with(state, handlers[i]);
        out_begin();
        set_crlf(f);
        assert_int_equal(asynchat_set_message_limit(f->ch, 3), 0);
        feed_string(f, "abcdef\r");
        settle(f);
        assert_int_equal(take(f), -EBUSY);
        f->on_dropped = leave;
        feed_string(f, "\nrest\r");
        settle(f);
        assert_null(f->ch);
        assert_string_equal(rest_of(f), "rest\r");
        out_end();
        close_connection(f);
        f->on_dropped = NULL;
    }
}

static void output_keeps_the_connection(void **state)
{
    struct fixture *f = start(state);
    out_begin();
    assert_int_equal(asynchat_push(f->ch, "x", 1), 0);
    assert_int_equal(take(f), -EBUSY);
    settle(f);
    expect_got(f, "x");
    feed_string(f, "y");
    settle(f);
    expect(f, "data(y)");
    leave(f);
    out_end();
}

/* While bytes are being sent, the output is at work. */
static void leave_on_release(const void *data, size_t len, void *arg)
{
    struct fixture *f = arg;
    (void)data;
    (void)len;
    f->count++;
    assert_int_equal(take(f), -EBUSY);
}

static void output_that_is_released_keeps_the_connection(void **state)
{
    struct fixture *f = start(state);
    out_begin();
    assert_int_equal(
        asynchat_push_reference(f->ch, "x", 1, leave_on_release, f), 0);
    settle(f);
    assert_int_equal(f->count, 1);
    expect_got(f, "x");
    leave(f);
    out_end();
}

static void expect_closed(struct fixture *f)
{
    assert_int_equal(take(f), ASYNCHAT_ECLOSED);
}

static void a_channel_that_ends_keeps_its_connection(void **state)
{
    struct fixture *f = start(state);
    out_begin();
    f->on_close = expect_closed;
    asynchat_close(f->ch);
    expect_closed(f);
    settle(f);
    expect(f, "closed(0)");
    close_connection(f);

    f = start(state);
    f->on_close = f->on_eof = expect_closed;
    feed_eof(f);
    settle(f);
    expect(f, "eof closed(EOF)");
    close_connection(f);
    f->on_close = f->on_eof = NULL;

    f = start(state);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    expect_closed(f);
    close_connection(f);

    f = start(state);
    assert_int_equal(asynchat_shutdown_write(f->ch), 0);
    expect_closed(f);
    settle(f);
    expect_closed(f);
    out_end();
}

/* The channel ends with the push that was refused, and has not ended yet. */
static void a_refused_push_keeps_the_connection(void **state)
{
    struct fixture *f = start(state);
    out_begin();
    assert_int_equal(asynchat_set_output_limit(f->ch, 1), 0);
    assert_int_equal(asynchat_push(f->ch, "abc", 3), 0);
    assert_int_equal(asynchat_push(f->ch, "x", 1), ASYNCHAT_EFULL);
    expect_closed(f);
    settle(f);
    expect(f, "error(EFULL) closed(EFULL)");
    out_end();
}

static void a_connection_that_failed_is_none(void **state)
{
    struct fixture *f = *state;
    struct asynchat_channel *ch;
    out_begin();
    assert_int_equal(asynchat_connect(f->base, "unix:/nonexistent/socket", 0,
                                      &recorder, f, &ch),
                     0);
    f->ch = ch;
    assert_true(asynchat_detach(ch, out.rest) < 0);
    settle(f);
    expect(f, "error(-2) closed(-2)");
    out_end();
}

static void a_reset_keeps_the_connection(void **state)
{
    struct fixture *f = start(state);
    out_begin();
    f->on_error = f->on_close = expect_closed;
    feed_reset(f);
    settle_closed(f);
    out_end();
}

/* The end that was seen and not told is seen again. */
static void the_peer_s_end_leaves_too(void **state)
{
    struct fixture *f = start(state);
    char byte;
    out_begin();
    set_crlf(f);
    asynchat_pause_reading(f->ch);
    feed_string(f, "abc\r");
    settle(f);
    feed_eof(f);
    settle(f);
    leave(f);
    int fd = out.bev ? bufferevent_getfd(out.bev) : out.fd;
    assert_string_equal(rest_of(f), "abc\r");
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    expect(f, "");
    out_end();
}

static void bad_arguments_are_refused(void **state)
{
    struct fixture *f = start(state);
    struct bufferevent *bev = NULL;
    out_begin();
    assert_int_equal(asynchat_detach(NULL, out.rest), -EINVAL);
    assert_int_equal(asynchat_detach(f->ch, NULL), -EINVAL);
    assert_int_equal(asynchat_detach_bufferevent(NULL, &bev), -EINVAL);
    assert_int_equal(asynchat_detach_bufferevent(f->ch, NULL), -EINVAL);
    assert_int_equal(asynchat_unread(NULL, out.rest), -EINVAL);
    assert_int_equal(asynchat_unread(f->ch, NULL), -EINVAL);
    evbuffer_freeze(out.rest, 0);
    assert_int_equal(asynchat_detach(f->ch, out.rest), -EINVAL);
    evbuffer_unfreeze(out.rest, 0);
    if (f->over == OVER_BUFFEREVENT || f->over == OVER_PAIR)
        assert_int_equal(asynchat_detach(f->ch, out.rest), -ENOTSUP);
    if (f->over != OVER_BUFFEREVENT)
        assert_int_equal(asynchat_detach_bufferevent(f->ch, &bev), -ENOTSUP);
    assert_null(bev);
    feed_string(f, "on");
    settle(f);
    expect(f, "data(on)");
    out_end();
}

static void a_layer_keeps_the_connection(void **state)
{
    struct fixture *f = start(state);
    out_begin();
    assert_int_equal(asynchat_set_layer(f->ch, &toy_ops, toy_new(false), NULL),
                     0);
    assert_int_equal(asynchat_detach(f->ch, out.rest), -ENOTSUP);
    settle(f);
    assert_int_equal(asynchat_detach(f->ch, out.rest), -ENOTSUP);
    out_end();
}

static void a_connection_that_is_not_up_does_not_leave(void **state)
{
    struct fixture *f = start(state);
    char address[ASYNCHAT_ADDRESS_SIZE];
    struct asynchat_channel *ch;
    struct bufferevent *bev = bufferevent_socket_new(f->base, -1,
                                                     BEV_OPT_CLOSE_ON_FREE),
                       *got = NULL;
    out_begin();
    assert_int_equal(
        asynchat_server_address(f->server, address, sizeof address), 0);
    assert_int_equal(asynchat_connect(f->base, address, 0, &recorder, f, &ch),
                     0);
    assert_int_equal(asynchat_detach(ch, out.rest), -ENOTCONN);
    asynchat_channel_free(ch);
    assert_int_equal(
        asynchat_channel_new(bev, ASYNCHAT_CONNECTING, &recorder, f, &ch), 0);
    assert_int_equal(asynchat_detach_bufferevent(ch, &got), -ENOTCONN);
    asynchat_channel_free(ch);
    out_end();
}

/* --- want of memory --- */

static unsigned failing; /* which allocation of libevent fails; 0: none */

static void *get_memory(size_t size)
{
    return failing > 0 && --failing == 0 ? NULL : malloc(size);
}

/* Each allocation fails in turn, and nothing changes. */
static void leave_at_last(struct fixture *f)
{
    unsigned n = 0;
    int error;
    do {
        failing = ++n;
        error = take(f);
        failing = 0;
        assert_int_equal(evbuffer_get_length(out.rest) > 0,
                         error == 0 && !out.bev);
    } while (error == -ENOMEM);
    assert_int_equal(error, 0);
    assert_true(n > 2);
}

static void want_of_memory_keeps_the_connection(void **state)
{
    event_set_mem_functions(get_memory, realloc, free);
    for (int inside = 0; inside < 2; inside++) {
        struct fixture *f = start_whole(state);
        out_begin();
        set_crlf(f);
        f->on_message = inside ? leave_at_last : NULL;
        feed_string(f, "UP\r\nabc\rd\r");
        settle(f);
        if (!inside)
            leave_at_last(f);
        expect(f, "message(UP)");
        assert_string_equal(rest_of(f), "abc\rd\r");
        expect_alive(f);
        out_end();
        close_connection(f);
    }
}

/* The allocation number f->count fails, and nothing changes if it is needed. */
static void leave_at_second(struct fixture *f)
{
    failing = (unsigned)f->count;
    int error = take(f);
    f->count = failing == 0;
    failing = 0;
    assert_true(error == 0 || (error == -ENOMEM && f->count));
    if (error == 0)
        return;
    assert_int_equal(evbuffer_get_length(out.rest), 0);
    assert_int_equal(take(f), 0);
}

/* Each allocation fails in turn, for a message in progress and a long input
 * inside of a callback, or for what is held back. */
static void any_want_of_memory_loses_nothing(void **state)
{
    char *text = big(9000);
    event_set_mem_functions(get_memory, realloc, free);
    for (int n = 1, inside = 1; inside >= 0; n++) {
        struct fixture *f =
            start_with(state, inside ? &whole_recorder : &recorder);
        out_begin();
        set_crlf(f);
        f->count = n;
        f->on_message = inside ? leave_at_second : NULL;
        feed_string(f, "UP\r\n");
        feed(f, text, 9000);
        feed_string(f, "\r");
        settle(f);
        if (!inside)
            leave_at_second(f);
        size_t rest = inside ? 9001 : 1;
        const char *left = rest_of(f);
        assert_int_equal(strlen(left), rest);
        assert_memory_equal(left, text + 9001 - rest, rest - 1);
        assert_int_equal(left[rest - 1], '\r');
        expect_alive(f);
        if (!f->count) {
            assert_true(n > 2);
            inside--;
            n = 0;
        }
        out_end();
        close_connection(f);
    }
    free(text);
}

/* --- what belongs to the channel --- */

static void the_channel_joined_with_it_goes_on(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_channel *ch = f->ch;
    int fds[2];
    out_begin();
    make_socketpair(fds);
    assert_int_equal(
        asynchat_channel_new_socket(f->base, fds[0], &recorder, f, &f->ch), 0);
    settle(f);
    expect(f, "connect");
    struct asynchat_channel *other = f->ch;
    assert_int_equal(asynchat_join(ch, other), 0);
    f->ch = ch;
    leave(f);
    assert_int_equal(send(fds[1], "hello", 5, 0), 5);
    assert_int_equal(asynchat_push(other, "world", 5), 0);
    settle(f);
    expect(f, "data(hello)");
    asynchat_channel_free(other);
    close(fds[1]);
    out_end();
}

static void note_post(struct asynchat_channel *ch, void *arg)
{
    *(int *)arg += ch ? 100 : 1;
}

static void posts_find_no_channel(void **state)
{
    struct fixture *f = start(state);
    int notes = 0;
    out_begin();
    uint64_t id = asynchat_get_id(f->ch);
    assert_int_equal(asynchat_post(id, note_post, &notes), 0);
    settle(f);
    assert_int_equal(notes, 100);
    leave(f);
    int error = asynchat_post(id, note_post, &notes);
    settle(f);
    assert_true(error == ASYNCHAT_ECLOSED || notes == 101);
    out_end();
}

static void note_stop(void *arg)
{
    ++*(int *)arg;
}

static void a_server_does_without_it(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_server_stats stats;
    int stopped = 0;
    out_begin();
    assert_int_equal(asynchat_server_connections(f->server), 1);
    leave(f);
    assert_int_equal(asynchat_server_connections(f->server), 0);
    assert_int_equal(asynchat_server_get_stats(f->server, &stats, sizeof stats),
                     0);
    assert_int_equal(stats.errors, 0);
    assert_int_equal(asynchat_server_get_ended(f->server, 0), 1);
    assert_int_equal(
        asynchat_server_stop(f->server, 60000, note_stop, &stopped), 0);
    settle(f);
    assert_int_equal(stopped, 1);
    f->server = NULL;
    expect_alive(f);
    out_end();
}

static void a_server_has_room_for_another_one(void **state)
{
    static const struct asynchat_server_options options = {
        .size = sizeof options, .max_per_address = 1, .max_connections = 1};
    struct fixture *f = *state;
    int kept[3], peers[3];
    f->on_connect = leave;
    out_begin();
    assert_int_equal(asynchat_server_new(f->base, "127.0.0.1:0", &recorder, f,
                                         &options, &f->server),
                     0);
    for (int i = 0; i < 3; i++) {
        peers[i] = dial_server(f);
        turn(f);
        assert_null(f->ch);
        kept[i] = out.fd;
        assert_true(kept[i] >= 0);
        out.fd = -1;
    }
    assert_int_equal(asynchat_server_connections(f->server), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(send(kept[i], "a", 1, 0), 1);
        assert_true(recv(peers[i], &(char){0}, 1, 0) == 1);
        close(kept[i]);
        close(peers[i]);
    }
    out_end();
}

static void leave_when_told(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    leave(arg);
}

static void a_server_that_stops_lets_it_go(void **state)
{
    static const struct asynchat_handler handler = {
        .size = sizeof handler,
        .handle_connect = keep_channel,
        .handle_stopping = leave_when_told};
    struct fixture *f = start_with(state, &handler);
    int stopped = 0;
    out_begin();
    assert_int_equal(
        asynchat_server_stop(f->server, 60000, note_stop, &stopped), 0);
    settle(f);
    assert_int_equal(stopped, 1);
    f->server = NULL;
    expect_alive(f);
    out_end();
}

/* --- in a child --- */

static bool leave_in_child(void *arg)
{
    struct fixture *f = arg;
    return take(f) == 0 && send(out.fd, "child", 5, 0) == 5;
}

/* The parent's event base still has the descriptor. */
static void a_connection_leaves_in_a_child_only(void **state)
{
    struct fixture *f = start(state);
    out_begin();
    assert_int_equal(child_runs(leave_in_child, f), 1);
    feed_string(f, "hello");
    settle(f);
    expect(f, "data(hello)");
    expect_got(f, "child");
    out_end();
}

/* --- in a worker --- */

static _Atomic int worker_fd, worker_rest;

static void worker_message(struct asynchat_channel *ch, const void *data,
                           size_t len, void *arg)
{
    struct evbuffer *rest = evbuffer_new();
    (void)data;
    (void)len;
    (void)arg;
    int fd = asynchat_detach(ch, rest);
    worker_rest = (int)evbuffer_get_length(rest);
    evbuffer_free(rest);
    worker_fd = fd;
}

static void worker_connect(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    if (asynchat_set_terminator(ch, "\n", 1) < 0)
        asynchat_close(ch);
}

static void a_connection_leaves_a_worker(void **state)
{
    static const struct asynchat_handler handler = {.size = sizeof handler,
                                                    .handle_connect =
                                                        worker_connect,
                                                    .message = worker_message};
    struct fixture *f = *state;
    static const struct asynchat_worker_ops ops = {.size = sizeof ops};
    struct asynchat_workers *workers;
    assert_int_equal(asynchat_workers_new(2, &ops, NULL, &workers), 0);
    struct asynchat_server_options options = {.size = sizeof options,
                                              .workers = workers};
    worker_fd = -1;
    assert_int_equal(asynchat_server_new(f->base, "127.0.0.1:0", &handler, f,
                                         &options, &f->server),
                     0);
    f->peer = dial_server(f);
    feed_string(f, "UP\nabc");
    for (int i = 0; i < 5000 && worker_fd < 0; i++) {
        event_base_loop(f->base, EVLOOP_NONBLOCK);
        usleep(1000);
    }
    assert_true(worker_fd >= 0);
    out_begin();
    out.fd = worker_fd;
    asynchat_server_free(f->server);
    f->server = NULL;
    asynchat_workers_free(workers);
    assert_int_equal(worker_rest, 3);
    expect_alive(f);
    out_end();
}

/* --- other bufferevents --- */

/* While libevent drains the input, nobody else may touch it. */
static void leave_inside(const void *data, size_t len, void *arg)
{
    struct fixture *f = arg;
    (void)data;
    (void)len;
    assert_int_equal(take(f), -EBUSY);
    if (f->count > 0)
        asynchat_discard_buffers(f->ch);
    assert_int_equal(take(f), -EBUSY);
    f->count++;
}

static void the_input_does_not_leave_while_it_is_drained(void **state)
{
    struct fixture *f = *state;
    struct bufferevent *pair[2];
    out_begin();
    assert_int_equal(bufferevent_pair_new(f->base, 0, pair), 0);
    assert_int_equal(asynchat_channel_new(pair[0], 0, &recorder, f, &f->ch), 0);
    settle(f);
    f->over = OVER_BUFFEREVENT;
    for (int i = 0; i < 2; i++) {
        evbuffer_add_reference(bufferevent_get_output(pair[1]), "ab", 2,
                               leave_inside, f);
        settle(f);
        assert_int_equal(f->count, i + 1);
    }
    expect(f, "connect data(abab)");
    leave(f);
    bufferevent_free(pair[1]);
    out_end();
}

static void a_half_of_a_pair_leaves(void **state)
{
    struct fixture *f = *state;
    struct bufferevent *pair[2];
    out_begin();
    assert_int_equal(bufferevent_pair_new(f->base, 0, pair), 0);
    assert_int_equal(asynchat_channel_new(pair[0], 0, &recorder, f, &f->ch), 0);
    settle(f);
    set_crlf(f);
    f->on_found = leave;
    f->over = OVER_BUFFEREVENT;
    evbuffer_add_reference(bufferevent_get_output(pair[1]), "UP\r\nab", 6, NULL,
                           NULL);
    settle(f);
    expect(f, "connect data(UP) found");
    assert_ptr_equal(out.bev, pair[0]);
    bufferevent_write(pair[1], "c", 1);
    assert_string_equal(rest_of(f), "abc");
    bufferevent_write(pair[0], "d", 1);
    bufferevent_enable(pair[1], EV_READ);
    settle(f);
    assert_int_equal(evbuffer_get_length(bufferevent_get_input(pair[1])), 1);
    bufferevent_free(pair[1]);
    out_end();
}

/* An end that would not be reported again keeps the connection. */
static void a_pair_s_end_keeps_it(void **state)
{
    struct fixture *f = *state;
    struct bufferevent *pair[2];
    out_begin();
    assert_int_equal(bufferevent_pair_new(f->base, 0, pair), 0);
    assert_int_equal(asynchat_channel_new(pair[0], 0, &recorder, f, &f->ch), 0);
    settle(f);
    f->over = OVER_BUFFEREVENT;
    asynchat_pause_reading(f->ch);
    bufferevent_write(pair[1], "ab", 2);
    settle(f);
    bufferevent_enable(pair[0], EV_READ);
    bufferevent_flush(pair[1], EV_WRITE, BEV_FINISHED);
    settle(f);
    assert_int_equal(take(f), ASYNCHAT_ECLOSED);
    bufferevent_free(pair[1]);
    out_end();
}

/* So does an end that a filter has seen below it, and an error. */
static void an_end_below_a_filter_keeps_it(void **state)
{
    struct fixture *f = *state;
    int fds[2];
    out_begin();
    make_socketpair(fds);
    evutil_make_socket_nonblocking(fds[0]);
    f->peer = fds[1];
    f->over = OVER_BUFFEREVENT;
    struct bufferevent *filter = bufferevent_filter_new(
        bufferevent_socket_new(f->base, fds[0], BEV_OPT_CLOSE_ON_FREE), NULL,
        NULL, BEV_OPT_CLOSE_ON_FREE, NULL, NULL);
    assert_int_equal(asynchat_channel_new(filter, 0, &recorder, f, &f->ch), 0);
    settle(f);
    set_crlf(f);
    asynchat_pause_reading(f->ch);
    feed_string(f, "abc");
    settle(f);
    feed_eof(f);
    settle(f);
    bufferevent_enable(filter, EV_READ);
    settle(f);
    assert_int_equal(take(f), ASYNCHAT_ECLOSED);
    asynchat_resume_reading(f->ch);
    settle(f);
    expect(f, "connect data(abc) eof(cut off) closed(EOF)");
    out_end();
}

static void bufferevents_below_leave_with_it(void **state)
{
    struct fixture *f = *state;
    int fds[2];
    out_begin();
    make_socketpair(fds);
    evutil_make_socket_nonblocking(fds[0]);
    f->peer = fds[1];
    f->over = OVER_BUFFEREVENT;
    struct bufferevent *filter = bufferevent_filter_new(
        bufferevent_socket_new(f->base, fds[0], BEV_OPT_CLOSE_ON_FREE), NULL,
        NULL, BEV_OPT_CLOSE_ON_FREE, NULL, NULL);
    assert_int_equal(asynchat_channel_new(filter, 0, &recorder, f, &f->ch), 0);
    settle(f);
    set_crlf(f);
    f->on_found = leave;
    feed_string(f, "UP\r\nab");
    settle(f);
    expect(f, "connect data(UP) found");
    feed_string(f, "c");
    assert_string_equal(rest_of(f), "abc");
    bufferevent_write(out.bev, "d", 1);
    settle(f);
    expect_got(f, "d");
    out_end();
}

/* Frees the bufferevent in the callback that it has left in. */
static void leave_and_free(struct fixture *f)
{
    leave(f);
    bufferevent_free(out.bev);
    out.bev = NULL;
}

static void a_bufferevent_that_has_left_may_be_freed(void **state)
{
    struct fixture *f = start(state);
    out_begin();
    f->on_data = leave_and_free;
    feed_string(f, "abc");
    settle(f);
    expect(f, "data(abc)");
    assert_true(f->got_eof);
    out_end();
}

/* --- code of the program's inside of the call --- */

static void act_on_rest(struct evbuffer *buffer,
                        const struct evbuffer_cb_info *info, void *arg)
{
    struct asynchat_channel *ch = arg;
    (void)buffer;
    if (info->n_added == 0)
        return;
    assert_int_equal(asynchat_push(ch, "x", 1), ASYNCHAT_ECLOSED);
    assert_int_equal(asynchat_detach(ch, buffer), ASYNCHAT_ECLOSED);
    assert_int_equal(asynchat_close_when_done(ch), ASYNCHAT_ECLOSED);
    assert_int_equal(asynchat_get_queued(ch), 0);
    assert_non_null(asynchat_get_base(ch));
    asynchat_resume_reading(ch);
    asynchat_discard_buffers(ch);
    asynchat_abort(ch);
    asynchat_channel_free(ch);
}

static void code_inside_the_call_finds_the_channel_gone(void **state)
{
    struct fixture *f = start(state);
    out_begin();
    asynchat_pause_reading(f->ch);
    feed_string(f, "abc");
    settle(f);
    struct asynchat_channel *ch = f->ch;
    assert_non_null(evbuffer_add_cb(out.rest, act_on_rest, ch));
    leave(f);
    evbuffer_remove_cb(out.rest, act_on_rest, ch);
    assert_string_equal(rest_of(f), "abc");
    expect_alive(f);
    out_end();
}

static void use_after(struct fixture *f)
{
    struct asynchat_channel *ch = f->ch;
    leave(f);
    asynchat_pause_reading(ch);
    asynchat_resume_reading(ch);
    assert_int_equal(asynchat_push(ch, "x", 1), ASYNCHAT_ECLOSED);
    asynchat_discard_buffers(ch);
    asynchat_channel_free(ch);
}

static void the_channel_s_memory_lives_until_the_callback_returns(void **state)
{
    for (int paused = 0; paused < 2; paused++) {
        struct fixture *f = start(state);
        out_begin();
        set_crlf(f);
        f->on_found = use_after;
        if (paused)
            asynchat_pause_reading(f->ch);
        feed_string(f, "UP\r\nabc");
        settle(f);
        if (paused)
            asynchat_resume_reading(f->ch);
        settle(f);
        expect(f, "data(UP) found");
        assert_string_equal(rest_of(f), "abc");
        out_end();
        close_connection(f);
    }
}

/* What a callback has dropped does not leave, also what is behind the span in
 * hand. */
static void discard_and_leave(struct fixture *f)
{
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 2), 0);
    asynchat_discard_buffers(f->ch);
    leave(f);
}

static void input_that_was_discarded_does_not_leave(void **state)
{
    for (int paused = 0; paused < 2; paused++) {
        struct fixture *f = start(state);
        out_begin();
        set_crlf(f);
        f->on_found = discard_and_leave;
        if (paused)
            asynchat_pause_reading(f->ch);
        feed_string(f, "UP\r\nabcdef");
        settle(f);
        if (paused)
            asynchat_resume_reading(f->ch);
        settle(f);
        feed_string(f, "g");
        assert_string_equal(rest_of(f), "g");
        out_end();
        close_connection(f);
    }
}

/* --- the way back --- */

static struct evbuffer *bytes_of(const char *text, size_t len)
{
    struct evbuffer *bytes = evbuffer_new();
    assert_non_null(bytes);
    assert_int_equal(evbuffer_add(bytes, text, len), 0);
    return bytes;
}

static void unread(struct fixture *f, const char *text, size_t len)
{
    struct evbuffer *bytes = bytes_of(text, len);
    assert_int_equal(asynchat_unread(f->ch, bytes), 0);
    assert_int_equal(evbuffer_get_length(bytes), 0);
    evbuffer_free(bytes);
}

/* A channel that is not connected yet; f->over says over what. */
static void open_again(struct fixture *f,
                       const struct asynchat_handler *handler)
{
    int fds[2];
    make_socketpair(fds);
    f->peer = fds[1];
    if (f->over == OVER_BUFFEREVENT) {
        evutil_make_socket_nonblocking(fds[0]);
        struct bufferevent *bev =
            bufferevent_socket_new(f->base, fds[0], BEV_OPT_CLOSE_ON_FREE);
        assert_int_equal(asynchat_channel_new(bev, 0, handler, f, &f->ch), 0);
    } else {
        assert_int_equal(
            asynchat_channel_new_socket(f->base, fds[0], handler, f, &f->ch),
            0);
    }
}

static void bytes_from_before_are_delivered_first(void **state)
{
    static const char text[] = "ab\r\ncd\re\r\n\r\nf\r";
    const size_t len = sizeof text - 1;
    struct fixture *f = *state;
    struct asynchat_stats stats;
    for (size_t cut = 0; cut <= len; cut++)
        for (int whole = 0; whole < 2; whole++) {
            open_again(f, whole ? &whole_recorder : &recorder);
            f->on_connect = set_crlf;
            unread(f, text, cut);
            expect(f, "");
            feed(f, text + cut, len - cut);
            settle(f);
            expect(f, whole ? "connect message(ab) message(cd\\re) message()"
                            : "connect data(ab) found data(cd\\re) found found "
                              "data(f)");
            assert_int_equal(asynchat_get_stats(f->ch, &stats, sizeof stats),
                             0);
            assert_int_equal(stats.received, len);
            feed_eof(f);
            settle(f);
            expect(f, whole ? "eof(cut off) closed(EOF)"
                            : "data(\\r) eof(cut off) closed(EOF)");
            close_connection(f);
        }
}

static void what_is_unread_later_comes_earlier(void **state)
{
    struct fixture *f = *state;
    open_again(f, &recorder);
    unread(f, "cd", 2);
    unread(f, "ab", 2);
    feed_string(f, "ef");
    settle(f);
    expect(f, "connect data(abcdef)");
}

static void pause_at_once(struct fixture *f)
{
    set_crlf(f);
    asynchat_pause_reading(f->ch);
}

static void one_message(struct fixture *f)
{
    set_crlf(f);
    assert_int_equal(asynchat_set_message_budget(f->ch, 1), 0);
}

static void at_most_two(struct fixture *f)
{
    set_crlf(f);
    assert_int_equal(asynchat_set_message_limit(f->ch, 2), 0);
}

static void in_pieces(struct fixture *f)
{
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 2), 0);
}

static void bytes_from_before_obey_what_holds(void **state)
{
    struct fixture *f = *state;
    open_again(f, &recorder);
    f->on_connect = pause_at_once;
    unread(f, "ab\r\nc", 5);
    settle(f);
    expect(f, "connect");
    asynchat_resume_reading(f->ch);
    settle(f);
    expect(f, "data(ab) found data(c)");
    close_connection(f);

    open_again(f, &whole_recorder);
    f->on_connect = one_message;
    unread(f, "a\r\nb\r\nc\r\n", 9);
    event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    expect(f, "connect message(a)");
    settle(f);
    expect(f, "message(b) message(c)");
    close_connection(f);

    open_again(f, &dropping_whole_recorder);
    f->on_connect = at_most_two;
    unread(f, "abc\r\nde\r\n", 9);
    settle(f);
    expect(f, "connect dropped(ab,3) message(de)");
    close_connection(f);

    open_again(f, &recorder);
    f->on_connect = in_pieces;
    unread(f, "abcde", 5);
    settle(f);
    expect(f, "connect data(abcde)");
    assert_int_equal(f->data_max, 2);
}

static void a_layer_opens_bytes_from_before(void **state)
{
    struct fixture *f = *state;
    struct asynchat_stats stats;
    char sealed[256];
    int fds[2];
    make_socketpair(fds);
    assert_int_equal(
        asynchat_channel_new_socket(f->base, fds[0], &recorder, f, &f->ch), 0);
    assert_int_equal(asynchat_set_layer(f->ch, &toy_ops, toy_new(true), NULL),
                     0);
    settle(f);
    assert_int_equal(asynchat_push(f->ch, "hello", 5), 0);
    settle(f);
    expect(f, "connect");
    ssize_t len = recv(fds[1], sealed, sizeof sealed, MSG_DONTWAIT);
    assert_true(len > 5);
    asynchat_channel_free(f->ch);
    close(fds[1]);

    for (ssize_t cut = 0; cut <= len; cut++) {
        open_again(f, &recorder);
        unread(f, sealed, (size_t)cut);
        assert_int_equal(
            asynchat_set_layer(f->ch, &toy_ops, toy_new(false), NULL), 0);
        feed(f, sealed + cut, (size_t)(len - cut));
        settle(f);
        expect(f, "connect data(hello)");
        assert_int_equal(asynchat_get_stats(f->ch, &stats, sizeof stats), 0);
        assert_int_equal(stats.received, 5);
        close_connection(f);
    }
}

static void expect_too_late(struct fixture *f)
{
    struct evbuffer *bytes = bytes_of("x", 1);
    assert_int_equal(asynchat_unread(f->ch, bytes), -EBUSY);
    assert_int_equal(evbuffer_get_length(bytes), 1);
    evbuffer_free(bytes);
}

static void it_can_be_too_late_to_unread(void **state)
{
    struct fixture *f = *state;
    struct evbuffer *bytes = bytes_of("x", 1);
    f->on_connect = expect_too_late;
    open_again(f, &recorder);
    evbuffer_freeze(bytes, 1);
    assert_int_equal(asynchat_unread(f->ch, bytes), -EINVAL);
    evbuffer_unfreeze(bytes, 1);
    settle(f);
    expect_too_late(f);
    asynchat_close(f->ch);
    assert_int_equal(asynchat_unread(f->ch, bytes), ASYNCHAT_ECLOSED);
    close_connection(f);
    if (f->over != OVER_BUFFEREVENT) {
        open_again(f, &recorder);
        assert_int_equal(
            asynchat_set_layer(f->ch, &toy_ops, toy_new(false), NULL), 0);
        assert_int_equal(asynchat_unread(f->ch, bytes), -ENOTSUP);
    }
    assert_int_equal(evbuffer_get_length(bytes), 1);
    evbuffer_free(bytes);
}

static void free_when_taken(struct evbuffer *buffer,
                            const struct evbuffer_cb_info *info, void *arg)
{
    struct fixture *f = arg;
    (void)buffer;
    if (info->n_deleted > 0 && f->ch) {
        asynchat_channel_free(f->ch);
        f->ch = NULL;
    }
}

static void the_channel_may_be_freed_while_bytes_come(void **state)
{
    struct fixture *f = *state;
    struct evbuffer *bytes = bytes_of("abc", 3);
    open_again(f, &recorder);
    assert_non_null(evbuffer_add_cb(bytes, free_when_taken, f));
    assert_int_equal(asynchat_unread(f->ch, bytes), 0);
    assert_null(f->ch);
    settle(f);
    expect(f, "");
    evbuffer_free(bytes);
}

/* --- to another process --- */

#define NUMBERS 150000 /* some 1 MB */

/* Sends the descriptor, and then the bytes. */
static bool give_to(int control, int fd, struct evbuffer *rest)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } space = {0};
    size_t len = evbuffer_get_length(rest);
    struct iovec length = {&len, sizeof len};
    struct msghdr message = {.msg_iov = &length,
                             .msg_iovlen = 1,
                             .msg_control = &space,
                             .msg_controllen = sizeof space};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    if (sendmsg(control, &message, 0) != sizeof len)
        return false;
    while (evbuffer_get_length(rest) > 0)
        if (evbuffer_write(rest, control) <= 0)
            return false;
    return true;
}

static int get_from(int control, struct evbuffer *rest)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } space;
    size_t len = 0;
    struct iovec length = {&len, sizeof len};
    struct msghdr message = {.msg_iov = &length,
                             .msg_iovlen = 1,
                             .msg_control = &space,
                             .msg_controllen = sizeof space};
    int fd = -1;
    if (recvmsg(control, &message, 0) != sizeof len || !CMSG_FIRSTHDR(&message))
        return -1;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    while (evbuffer_get_length(rest) < len)
        if (evbuffer_read(rest, control,
                          (int)(len - evbuffer_get_length(rest))) <= 0)
            return -1;
    return fd;
}

/* What the program, and then the child, has got. */
struct count {
    struct fixture *f;
    unsigned next;
    bool gap, ended;
};

static void number(struct asynchat_channel *ch, const void *data, size_t len,
                   void *arg)
{
    struct count *count = arg;
    char text[16];
    int wanted = snprintf(text, sizeof text, "%u", count->next++);
    count->gap |= (size_t)wanted != len || memcmp(text, data, len) != 0;
    if (!count->f || count->next != 10)
        return;
    if (hold == PAUSED)
        asynchat_pause_reading(ch);
    else
        leave(count->f);
}

static void numbers_end(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    ((struct count *)arg)->ended = status == ASYNCHAT_EOF;
}

static void numbers_begin(struct asynchat_channel *ch, void *arg)
{
    struct count *count = arg;
    if (asynchat_set_terminator(ch, "\r\n", 2) < 0)
        count->gap = true;
}

static const struct asynchat_handler numbers = {
    .size = sizeof numbers,
    .handle_connect = numbers_begin,
    .message = number,
    .handle_close = numbers_end,
};

/* The child: makes a channel of what it is given, and gets the rest. */
static bool go_on(void *arg)
{
    int control = *(int *)arg;
    struct count count = {.next = 10};
    struct asynchat_channel *ch;
    struct event_base *base = event_base_new();
    struct evbuffer *rest = evbuffer_new();
    int fd = get_from(control, rest);
    if (fd < 0 || asynchat_channel_new_socket(base, fd, &numbers, &count, &ch))
        return false;
    if (asynchat_unread(ch, rest) < 0)
        return false;
    event_base_dispatch(base);
    return count.ended && !count.gap && count.next == NUMBERS;
}

/* The peer: writes all the time. */
static pid_t write_numbers(int fd, int other)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    close(other);
    FILE *file = fdopen(fd, "w");
    for (unsigned i = 0; i < NUMBERS; i++)
        fprintf(file, "%u\r\n", i);
    child_exit(fclose(file) == 0 ? 0 : 1);
}

static pid_t begin_child(bool (*function)(void *arg), void *arg, int other)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    close(other);
    child_exit(function(arg) ? 0 : 1);
}

static void expect_success(pid_t child)
{
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void hand_over(struct fixture *f, enum hold how)
{
    struct count count = {.f = f};
    int stream[2], control[2];
    make_socketpair(stream);
    make_socketpair(control);
    pid_t receiver, writer = write_numbers(stream[1], stream[0]);
    close(stream[1]);
    receiver = begin_child(go_on, &control[1], stream[0]);
    close(control[1]);
    hold = how;
    out_begin();
    assert_int_equal(asynchat_channel_new_socket(f->base, stream[0], &numbers,
                                                 &count, &f->ch),
                     0);
    if (how == RATED) {
        struct asynchat_rates rates = {
            .size = sizeof rates, .read = 1000, .read_burst = 20};
        assert_int_equal(asynchat_set_rates(f->ch, &rates), 0);
    }
    while (f->ch && count.next < 10)
        event_base_loop(f->base, EVLOOP_ONCE);
    for (int i = 0; f->ch && i < 100; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    if (f->ch)
        leave(f);
    assert_int_equal(count.next, 10);
    assert_false(count.gap);
    assert_true(give_to(control[0], out.fd, out.rest));
    out_end();
    expect_success(writer);
    expect_success(receiver);
    close(control[0]);
}

static void another_process_goes_on_without_a_gap(void **state)
{
    hand_over(*state, NOTHING);
    hand_over(*state, PAUSED);
    hand_over(*state, RATED);
}

/* --- all of them --- */

#define OVER_ALL_THAT_LEAVE(test) OVER_SOCKETS(test), OVER(BUFFEREVENT, test)

/* --- framings, other handlers, and skipped bytes --- */

/* Feeds `before`, which the channel keeps or holds back, and takes the
 * connection. */
static void leave_behind(struct fixture *f, const char *before,
                         const char *rest)
{
    out_begin();
    feed_string(f, before);
    settle(f);
    assert_int_equal(take(f), 0);
    assert_string_equal(rest_of(f), rest);
    expect_alive(f);
    out_end();
}

static void what_a_framing_holds_back_is_in_the_rest(void **state)
{
    static const struct asynchat_bytes ends[] = {{"\r\n.\r\n", 5}, {"ab", 2}};
    static const struct asynchat_prefix prefix = {.size = sizeof prefix,
                                                  .bytes = 4};
    struct fixture *f = start_whole(state);
    assert_int_equal(asynchat_set_framing(f->ch, asynchat_framing_lines(0)), 0);
    leave_behind(f, "line\r\nxy\r", "xy\r");
    close_connection(f);
    f = start_whole(state);
    assert_int_equal(
        asynchat_set_framing(f->ch, asynchat_framing_alternatives(ends, 2)), 0);
    leave_behind(f, "oneabtwo\r\n.", "two\r\n.");
    close_connection(f);
    f = start(state);
    assert_int_equal(
        asynchat_set_framing(f->ch, asynchat_framing_prefix(&prefix)), 0);
    leave_behind(f, "0x", "0x");
}

static const struct asynchat_handler *other;

static void take_pieces(struct fixture *f)
{
    assert_int_equal(asynchat_set_handler(f->ch, other), 0);
    asynchat_pause_reading(f->ch);
}

/* Bytes that were kept for a handler with `message`, and wait for one that
 * takes pieces. */
static void what_waits_for_another_handler_is_in_the_rest(void **state)
{
    struct fixture *f = start_whole(state);
    set_crlf(f);
    other = &recorder;
    feed_string(f, "kept");
    settle(f);
    take_pieces(f);
    leave_behind(f, "", "kept");
}

static void discard(struct fixture *f)
{
    asynchat_discard_buffers(f->ch);
}

/* What came in the same read was discarded, and nothing is left of that. */
static void after_a_discard_the_connection_leaves(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = discard;
    feed_string(f, "a\r\nb\r\n");
    settle(f);
    out_begin();
    assert_int_equal(take(f), 0);
    assert_string_equal(rest_of(f), "");
    expect_alive(f);
    out_end();
    expect(f, "data(a) found");
}

static void not_while_bytes_are_skipped(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    out_begin();
    assert_int_equal(asynchat_skip(f->ch, 5), 0);
    feed_string(f, "abc");
    settle(f);
    assert_int_equal(take(f), -EBUSY);
    feed_string(f, "dex");
    settle(f);
    assert_int_equal(take(f), 0);
    assert_string_equal(rest_of(f), "");
    out_end();
    expect(f, "data(x)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_SOCKETS(what_a_framing_holds_back_is_in_the_rest),
        OVER_SOCKETS(what_waits_for_another_handler_is_in_the_rest),
        OVER_SOCKETS(after_a_discard_the_connection_leaves),
        OVER_SOCKETS(not_while_bytes_are_skipped),
        OVER_ALL_THAT_LEAVE(every_byte_leaves_at_every_cut_and_event),
        OVER_ALL_THAT_LEAVE(what_follows_an_upgrade_is_not_delivered),
        OVER_ALL_THAT_LEAVE(bytes_that_are_matched_again_leave),
        OVER_ALL_THAT_LEAVE(bytes_that_are_released_one_by_one_leave),
        OVER_ALL_THAT_LEAVE(long_input_leaves_in_order),
        OVER_ALL_THAT_LEAVE(a_connection_leaves_in_handle_connect),
        OVER(SOCKETPAIR, bytes_that_come_before_handle_connect_leave),
        OVER(SOCKETPAIR, a_connection_leaves_before_handle_connect),
        OVER_ALL_THAT_LEAVE(a_connection_leaves_in_handle_idle),
        OVER_ALL_THAT_LEAVE(an_answer_is_sent_before_the_connection_leaves),
        OVER_ALL_THAT_LEAVE(a_message_that_is_dropped_keeps_the_connection),
        OVER_ALL_THAT_LEAVE(output_keeps_the_connection),
        OVER_ALL_THAT_LEAVE(output_that_is_released_keeps_the_connection),
        OVER_ALL_THAT_LEAVE(a_channel_that_ends_keeps_its_connection),
        OVER_ALL_THAT_LEAVE(a_refused_push_keeps_the_connection),
        OVER(SOCKETPAIR, a_connection_that_failed_is_none),
        OVER(TCP, a_reset_keeps_the_connection),
        OVER(BUFFEREVENT, a_reset_keeps_the_connection),
        OVER_ALL_THAT_LEAVE(the_peer_s_end_leaves_too),
        OVER_ALL(bad_arguments_are_refused),
        OVER_SOCKETS(a_layer_keeps_the_connection),
        OVER(PAIR, a_layer_keeps_the_connection),
        OVER(TCP, a_connection_that_is_not_up_does_not_leave),
        OVER_ALL_THAT_LEAVE(want_of_memory_keeps_the_connection),
        OVER_ALL_THAT_LEAVE(any_want_of_memory_loses_nothing),
        OVER_ALL_THAT_LEAVE(the_channel_joined_with_it_goes_on),
        OVER_ALL_THAT_LEAVE(posts_find_no_channel),
        OVER(TCP, a_server_does_without_it),
        OVER(TCP, a_server_has_room_for_another_one),
        OVER(TCP, a_server_that_stops_lets_it_go),
        OVER(TCP, a_connection_leaves_a_worker),
        OVER(PAIR, the_input_does_not_leave_while_it_is_drained),
        OVER_SOCKETS(a_connection_leaves_in_a_child_only),
        OVER(PAIR, a_half_of_a_pair_leaves),
        OVER(PAIR, a_pair_s_end_keeps_it),
        OVER(PAIR, an_end_below_a_filter_keeps_it),
        OVER(PAIR, bufferevents_below_leave_with_it),
        OVER(BUFFEREVENT, a_bufferevent_that_has_left_may_be_freed),
        OVER_SOCKETS(code_inside_the_call_finds_the_channel_gone),
        OVER_ALL_THAT_LEAVE(
            the_channel_s_memory_lives_until_the_callback_returns),
        OVER_ALL_THAT_LEAVE(input_that_was_discarded_does_not_leave),
        OVER(SOCKETPAIR, bytes_from_before_are_delivered_first),
        OVER(BUFFEREVENT, bytes_from_before_are_delivered_first),
        OVER(SOCKETPAIR, what_is_unread_later_comes_earlier),
        OVER(BUFFEREVENT, what_is_unread_later_comes_earlier),
        OVER(SOCKETPAIR, bytes_from_before_obey_what_holds),
        OVER(BUFFEREVENT, bytes_from_before_obey_what_holds),
        OVER(SOCKETPAIR, a_layer_opens_bytes_from_before),
        OVER(SOCKETPAIR, it_can_be_too_late_to_unread),
        OVER(BUFFEREVENT, it_can_be_too_late_to_unread),
        OVER(SOCKETPAIR, the_channel_may_be_freed_while_bytes_come),
        OVER(BUFFEREVENT, the_channel_may_be_freed_while_bytes_come),
        OVER(SOCKETPAIR, another_process_goes_on_without_a_gap),
    };
    return RUN(tests);
}
