/* The life of a channel: making, ending, freeing, asking; any call in any
 * callback.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

/* --- any call in any callback --- */

static void do_close(struct fixture *f)
{
    asynchat_close(f->ch);
    asynchat_close(f->ch);
}

static void do_close_when_done(struct fixture *f)
{
    asynchat_close_when_done(f->ch);
}

static void do_free(struct fixture *f)
{
    asynchat_channel_free(f->ch);
    f->ch = NULL;
}

static void do_discard(struct fixture *f)
{
    asynchat_discard_buffers(f->ch);
}

static void do_push(struct fixture *f)
{
    asynchat_push(f->ch, "pushed", 6);
    asynchat_push_producer(f->ch, asynchat_producer_simple("more", 4, 1));
    asynchat_resume_producer(f->ch);
}

static void do_set_terminator(struct fixture *f)
{
    assert_int_equal(asynchat_set_terminator(f->ch, ";", 1), 0);
    assert_int_equal(asynchat_set_terminator_length(f->ch, 3), 0);
    assert_int_equal(asynchat_set_terminator_none(f->ch), 0);
    assert_int_equal(asynchat_set_terminator(f->ch, "two", 3), 0);
}

static void do_everything(struct fixture *f)
{
    do_push(f);
    do_discard(f);
    do_set_terminator(f);
    do_push(f);
    do_close_when_done(f);
    do_close(f);
}

/* Frees the channel and still uses it, which is allowed until the callback
 * returns. */
static void do_free_and_the_rest(struct fixture *f)
{
    struct asynchat_channel *ch = f->ch;
    do_free(f);
    f->ch = ch;
    do_everything(f);
    do_free(f);
}

static const hook actions[] = {
    do_close, do_close_when_done, do_free,       do_discard,
    do_push,  do_set_terminator,  do_everything, do_free_and_the_rest,
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static size_t offsets[] = {
    offsetof(struct fixture, on_connect), offsetof(struct fixture, on_data),
    offsetof(struct fixture, on_found),   offsetof(struct fixture, on_message),
    offsetof(struct fixture, on_eof),     offsetof(struct fixture, on_error),
    offsetof(struct fixture, on_close),   offsetof(struct fixture, on_drained),
};

static int closes(const char *log)
{
    int count = 0;
    for (const char *at = log; (at = strstr(at, "closed(")); at++)
        count++;
    return count;
}

/* Acts only once, since the same action again and again might never end. */
static hook action;

static void act_once(struct fixture *f)
{
    if (f->count++ == 0)
        action(f);
}

static void converse(struct fixture *f)
{
    if (f->ch)
        asynchat_push(f->ch, "hello", 5);
    settle(f);
    if (f->ch && !f->got_eof)
        feed_string(f, "one\r\ntwo\r\nthree");
    settle(f);
    if (f->ch && (f->far || f->peer >= 0))
        feed_eof(f);
    settle(f);
}

static void run_action(void **state, const struct asynchat_handler *handler,
                       size_t offset, hook what)
{
    struct fixture *f = *state;
    action = what;
    *(hook *)((char *)f + offset) = act_once;
    start_with(state, handler);
    if (f->ch)
        set_crlf(f);
    converse(f);
    bool freed = what == do_free || what == do_free_and_the_rest;
    const char *closed = strstr(f->log, "closed(");
    assert_int_equal(closes(f->log), closed ? 1 : 0);
    if (closed) /* and handle_close was the last */
        assert_null(strchr(closed, ' '));
    assert_true(closed || (freed && f->count > 0) || f->ch);
}

static void any_call_in_any_callback(void **state)
{
    intptr_t over = ((struct fixture *)*state)->over;
    for (size_t i = 0; i < COUNT(offsets); i++)
        for (size_t j = 0; j < COUNT(actions); j++)
            for (int whole = 0; whole < 2; whole++) {
                run_action(state, whole ? &whole_recorder : &recorder,
                           offsets[i], actions[j]);
                assert_int_equal(fixture_teardown(state), 0);
                *state = (void *)over;
                assert_int_equal(fixture_setup(state), 0);
            }
}

/* --- ending --- */

static void close_is_told_once_from_the_loop(void **state)
{
    struct fixture *f = start(state);
    asynchat_close(f->ch);
    asynchat_close(f->ch);
    expect(f, "");
    settle(f);
    expect(f, "closed(0)");
    assert_true(f->got_eof);
}

static void free_tells_nothing(void **state)
{
    struct fixture *f = start(state);
    asynchat_push(f->ch, "dropped", 7);
    do_free(f);
    settle(f);
    expect(f, "");
    expect_got(f, "");
    assert_true(f->got_eof);
}

static void free_after_close_tells_nothing(void **state)
{
    struct fixture *f = start(state);
    asynchat_close(f->ch);
    do_free(f);
    settle(f);
    expect(f, "");
}

static void between_messages_it_closes_at_once(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    feed_string(f, "one\r\n");
    settle(f);
    asynchat_push(f->ch, "bye", 3);
    assert_int_equal(asynchat_close_between_messages(f->ch), 0);
    settle_closed(f);
    settle(f);
    expect(f, "data(one) found closed(0)");
    expect_got(f, "bye");
}

/* A limit of one byte leaves no doubt whether a byte has come. */
static void between_messages_with_a_limit_of_a_byte_is_now(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    assert_int_equal(asynchat_set_message_limit(f->ch, 1), 0);
    assert_int_equal(asynchat_close_between_messages(f->ch), 0);
    settle_closed(f);
    expect(f, "closed(0)");
}

static void close_between_messages(struct fixture *f)
{
    assert_int_equal(asynchat_close_between_messages(f->ch), 0);
    f->on_data = NULL;
}

static void a_message_in_progress_is_delivered_before(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_data = close_between_messages;
    f->on_found = do_push;
    feed_string(f, "one");
    settle(f);
    settle(f);
    feed_string(f, " more\r");
    settle(f);
    expect(f, "data(one more)");
    feed_string(f, "\n");
    settle_closed(f);
    settle(f);
    expect(f, "found closed(0)");
    assert_true(f->got_len > 0);
}

/* There is more than one read takes. */
static void what_had_arrived_is_delivered_before(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 5), 0);
    settle(f);
    feed_string(f, "one\r\ntwo\r\nsix\r\n");
    assert_int_equal(asynchat_close_between_messages(f->ch), 0);
    settle_closed(f);
    expect(f, "data(one) found data(two) found data(six) found closed(0)");
}

static void feed_a_line(struct fixture *f)
{
    feed_string(f, "new\r\n");
}

/* Otherwise a peer that sends without end would keep the channel open. */
static void what_comes_later_is_not(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 5), 0);
    f->on_found = feed_a_line;
    feed_string(f, "one\r\ntwo\r\n");
    assert_int_equal(asynchat_close_between_messages(f->ch), 0);
    for (int i = 0; i < 20; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    expect(f, "data(one) found data(two) found");
    feed_eof(f);
    settle_closed(f);
    expect(f, "closed(0)");
}

static void while_it_is_paused_it_waits_to_close(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    asynchat_pause_reading(f->ch);
    settle(f);
    feed_string(f, "one\r\n");
    assert_int_equal(asynchat_close_between_messages(f->ch), 0);
    settle(f);
    expect(f, "");
    asynchat_resume_reading(f->ch);
    settle_closed(f);
    expect(f, "data(one) found closed(0)");
}

static void pause_reading(struct fixture *f)
{
    asynchat_pause_reading(f->ch);
}

static void paused_by_the_last_message_it_waits_for_the_answer(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_data = close_between_messages;
    f->on_found = pause_reading;
    feed_string(f, "one");
    settle(f);
    feed_string(f, "\r\n");
    settle(f);
    expect(f, "data(one) found");
    assert_int_equal(asynchat_push(f->ch, "later", 5), 0);
    asynchat_resume_reading(f->ch);
    settle_closed(f);
    settle(f);
    expect(f, "closed(0)");
    expect_got(f, "later");
}

static void discarding_takes_back_that_it_closes(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    feed_string(f, "one");
    settle(f);
    assert_int_equal(asynchat_close_between_messages(f->ch), 0);
    settle(f);
    asynchat_discard_buffers(f->ch);
    settle(f);
    feed_string(f, "two\r\n");
    settle(f);
    expect(f, "data(onetwo) found");
}

static void what_has_ended_closes_no_more(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_close_between_messages(NULL), -EINVAL);
    asynchat_close(f->ch);
    assert_int_equal(asynchat_close_between_messages(f->ch), ASYNCHAT_ECLOSED);
}

static void NULL_is_allowed_where_there_is_nothing_to_do(void **state)
{
    (void)state;
    asynchat_close(NULL);
    asynchat_discard_buffers(NULL);
    asynchat_channel_free(NULL);
    asynchat_set_arg(NULL, state);
    asynchat_resume_producer(NULL);
}

static void asked_of_NULL_everything_is_nothing(void **state)
{
    const void *bytes = state;
    uint64_t len = 1;
    char text[ASYNCHAT_ADDRESS_SIZE];
    assert_int_equal(asynchat_get_terminator(NULL, &bytes, &len),
                     ASYNCHAT_NONE);
    assert_null(bytes);
    assert_int_equal(len, 0);
    assert_int_equal(asynchat_get_in_buffer_size(NULL), 0);
    assert_int_equal(asynchat_get_out_buffer_size(NULL), 0);
    assert_int_equal(asynchat_get_message_limit(NULL), 0);
    assert_int_equal(asynchat_get_linger(NULL), 0);
    bytes = state;
    assert_int_equal(asynchat_get_collected(NULL, &bytes), 0);
    assert_null(bytes);
    assert_null(asynchat_get_arg(NULL));
    assert_null(asynchat_get_base(NULL));
    assert_null(asynchat_get_bufferevent(NULL));
    assert_int_equal(asynchat_peer_address(NULL, text, sizeof text), -EINVAL);
    assert_int_equal(asynchat_local_address(NULL, text, sizeof text), -EINVAL);
}

static void release_that_calls(const void *data, size_t len, void *arg)
{
    struct fixture *f = arg;
    (void)data;
    (void)len;
    f->count++;
    assert_int_equal(asynchat_push(f->ch, "x", 1), ASYNCHAT_ECLOSED);
    asynchat_discard_buffers(f->ch);
    asynchat_close(f->ch);
    asynchat_channel_free(f->ch);
}

static void release_callbacks_may_call_while_the_channel_is_freed(void **state)
{
    struct fixture *f = start(state);
    asynchat_push_reference(f->ch, "x", 1, release_that_calls, f);
    asynchat_push_producer(f->ch, asynchat_producer_simple("x", 1, 1));
    asynchat_push_reference(f->ch, "x", 1, release_that_calls, f);
    do_free(f);
    settle(f);
    assert_int_equal(f->count, 2);
}

static void a_channel_can_be_freed_before_the_loop_saw_it(void **state)
{
    struct fixture *f = *state;
    int fds[2];
    struct asynchat_channel *ch;
    static const struct asynchat_handler handler = {
        .size = sizeof handler,
        .handle_close = (void (*)(struct asynchat_channel *, int, void *))abort,
    };
    make_socketpair(fds);
    assert_int_equal(
        asynchat_channel_new_socket(f->base, fds[0], &handler, NULL, &ch), 0);
    asynchat_channel_free(ch);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    close(fds[1]);
}

/* --- making --- */

static void ignore(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
}

static void ignore_message(struct asynchat_channel *ch, const void *data,
                           size_t len, void *arg)
{
    (void)ch;
    (void)data;
    (void)len;
    (void)arg;
}

static int try_handler(struct fixture *f,
                       const struct asynchat_handler *handler)
{
    int fds[2];
    struct asynchat_channel *none = (void *)f, *ch = none;
    make_socketpair(fds);
    int error =
        asynchat_channel_new_socket(f->base, fds[0], handler, NULL, &ch);
    if (error) {
        assert_ptr_equal(ch, none);
        assert_int_equal(close(fds[0]), 0); /* it is still the caller's */
    } else {
        asynchat_channel_free(ch);
    }
    close(fds[1]);
    return error;
}

static void bad_handlers_are_refused(void **state)
{
    struct fixture *f = *state;
    struct asynchat_handler good = {sizeof good, .found_terminator = ignore};
    struct asynchat_handler without_size = {.found_terminator = ignore};
    struct asynchat_handler small = {sizeof small - 1,
                                     .found_terminator = ignore};
    struct asynchat_handler empty = {.size = sizeof empty};
    struct asynchat_handler both = {sizeof both, .found_terminator = ignore,
                                    .message = ignore_message};
    assert_int_equal(try_handler(f, &good), 0);
    assert_int_equal(try_handler(f, NULL), -EINVAL);
    assert_int_equal(try_handler(f, &without_size), -EINVAL);
    assert_int_equal(try_handler(f, &small), -EINVAL);
    assert_int_equal(try_handler(f, &empty), -EINVAL);
    assert_int_equal(try_handler(f, &both), -EINVAL);
}

/* None of the callbacks is called: the channel is freed before the loop runs. */
static void any_one_callback_makes_a_handler(void **state)
{
    struct fixture *f = *state;
    void (*const callback)(struct asynchat_channel *, void *) = ignore;
    for (size_t at = sizeof(size_t); at < sizeof(struct asynchat_handler);
         at += sizeof callback) {
        struct asynchat_handler only = {.size = sizeof only};
        memcpy((char *)&only + at, &callback, sizeof callback);
        assert_int_equal(try_handler(f, &only), 0);
    }
}

static void a_handler_of_a_later_version_is_taken_if_it_asks_nothing_new(
    void **state)
{
    struct fixture *f = *state;
    struct {
        struct asynchat_handler known;
        void *later;
    } handler = {{sizeof handler, .found_terminator = ignore}, NULL};
    assert_int_equal(try_handler(f, &handler.known), 0);
    handler.later = f;
    assert_int_equal(try_handler(f, &handler.known), -ENOTSUP);
}

static void bad_sockets_are_refused(void **state)
{
    struct fixture *f = *state;
    struct asynchat_handler handler = {sizeof handler,
                                       .found_terminator = ignore};
    struct asynchat_channel *ch;
    int file = open("/dev/null", O_RDONLY);
    int datagram = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(
        asynchat_channel_new_socket(f->base, -1, &handler, NULL, &ch), -EBADF);
    assert_int_equal(
        asynchat_channel_new_socket(f->base, file, &handler, NULL, &ch),
        -ENOTSOCK);
    assert_int_equal(
        asynchat_channel_new_socket(f->base, datagram, &handler, NULL, &ch),
        -EINVAL);
    assert_int_equal(
        asynchat_channel_new_socket(NULL, datagram, &handler, NULL, &ch),
        -EINVAL);
    assert_int_equal(
        asynchat_channel_new_socket(f->base, datagram, &handler, NULL, NULL),
        -EINVAL);
    close(file);
    close(datagram);
}

static void bad_bufferevents_are_refused(void **state)
{
    struct fixture *f = *state;
    struct asynchat_handler handler = {sizeof handler,
                                       .found_terminator = ignore};
    struct asynchat_channel *ch;
    struct bufferevent *bev = bufferevent_socket_new(f->base, -1, 0);
    assert_int_equal(asynchat_channel_new(NULL, 0, &handler, NULL, &ch),
                     -EINVAL);
    assert_int_equal(asynchat_channel_new(bev, 0, &handler, NULL, NULL),
                     -EINVAL);
    assert_int_equal(asynchat_channel_new(bev, 0, NULL, NULL, &ch), -EINVAL);
    for (unsigned bit = 1; bit < 32; bit++)
        assert_int_equal(
            asynchat_channel_new(bev, 1u << bit, &handler, NULL, &ch), -EINVAL);
    bufferevent_free(bev);
}

static void a_socket_given_is_nonblocking_and_close_on_exec(void **state)
{
    struct fixture *f = start(state);
    int fd = bufferevent_getfd(asynchat_get_bufferevent(f->ch));
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

/* A bufferevent that is not connected yet. */
static void a_connecting_bufferevent_is_waited_for(void **state)
{
    struct fixture *f = start(state);
    const struct asynchat_handler handler = {sizeof handler,
                                             .handle_connect = ignore};
    struct asynchat_channel *ch;
    struct bufferevent *pair[2];
    assert_int_equal(bufferevent_pair_new(f->base, 0, pair), 0);
    assert_int_equal(
        asynchat_channel_new(pair[0], ASYNCHAT_CONNECTING, &handler, f, &ch),
        0);
    assert_int_equal(asynchat_push(ch, "early", 5), 0);
    bufferevent_enable(pair[1], EV_READ);
    settle(f);
    assert_int_equal(evbuffer_get_length(bufferevent_get_input(pair[1])), 0);
    bufferevent_trigger_event(pair[0], BEV_EVENT_CONNECTED, 0);
    settle(f);
    assert_int_equal(evbuffer_get_length(bufferevent_get_input(pair[1])), 5);
    asynchat_channel_free(ch);
    bufferevent_free(pair[1]);
}

static void a_connecting_bufferevent_that_times_out_says_so(void **state)
{
    struct fixture *f = *state;
    struct bufferevent *pair[2];
    assert_int_equal(bufferevent_pair_new(f->base, 0, pair), 0);
    assert_int_equal(asynchat_channel_new(pair[0], ASYNCHAT_CONNECTING,
                                          &recorder, f, &f->ch),
                     0);
    bufferevent_trigger_event(pair[0], BEV_EVENT_TIMEOUT | BEV_EVENT_WRITING,
                              0);
    settle(f);
    expect(f, "error(ETIMEDOUT) closed(ETIMEDOUT)");
    bufferevent_free(pair[1]);
}

/* As with TLS, whose errors are not errors of the system: errno only says that
 * somebody had to wait before. */
static void an_error_without_errno_is_EIO(void **state)
{
    static const int stale[] = {0, EAGAIN, EINTR, EINPROGRESS};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof stale / sizeof stale[0]; i++) {
        start(state);
        errno = stale[i];
        bufferevent_trigger_event(asynchat_get_bufferevent(f->ch),
                                  BEV_EVENT_ERROR | BEV_EVENT_READING, 0);
        settle(f);
        expect(f, "error(-5) closed(-5)");
        close_connection(f);
    }
}

/* The connection was up, even if it is not any more. */
static void reset_before_the_loop_saw_it_it_begins_with_connect(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(listening, 1), 0);
    getsockname(listening, (struct sockaddr *)&at, &len);
    f->peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(f->peer, (struct sockaddr *)&at, len), 0);
    int fd = accept(listening, NULL, NULL);
    feed_reset(f);
    assert_int_equal(
        asynchat_channel_new_socket(f->base, fd, &recorder, f, &f->ch), 0);
    settle(f);
    expect(f, "connect error(ECONNRESET) closed(ECONNRESET)");
    close(listening);
}

/* --- bufferevents that call back at once --- */

static enum bufferevent_filter_result pass(struct evbuffer *from,
                                           struct evbuffer *to, ev_ssize_t most,
                                           enum bufferevent_flush_mode mode,
                                           void *arg)
{
    (void)most;
    (void)mode;
    (void)arg;
    if (evbuffer_get_length(from) == 0)
        return BEV_NEED_MORE;
    evbuffer_add_buffer(to, from);
    return BEV_OK;
}

static void push_line(struct fixture *f)
{
    asynchat_push(f->ch, "line\r\n", 6);
}

/* Replaces the channel by a channel over a filter over a socket. */
static struct fixture *start_over_filter(void **state)
{
    struct fixture *f = start(state);
    int fds[2];
    make_socketpair(fds);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    asynchat_channel_free(f->ch);
    close(f->peer);
    f->peer = fds[1];
    f->got_eof = false;

    struct bufferevent *below =
        bufferevent_socket_new(f->base, fds[0], BEV_OPT_CLOSE_ON_FREE);
    struct bufferevent *filter = bufferevent_filter_new(
        below, pass, pass, BEV_OPT_CLOSE_ON_FREE, NULL, NULL);
    assert_int_equal(asynchat_channel_new(filter, 0, &recorder, f, &f->ch), 0);
    settle(f);
    expect(f, "connect");
    return f;
}

static void a_filter_that_calls_back_at_once_works(void **state)
{
    struct fixture *f = start_over_filter(state);
    set_crlf(f);
    f->on_found = push_line;
    feed_string(f, "one\r\ntwo\r\n");
    settle(f);
    asynchat_push(f->ch, "outside\r\n", 9);
    settle(f);
    expect(f, "data(one) found data(two) found");
    expect_got(f, "line\r\nline\r\noutside\r\n");
    feed_eof(f);
    settle(f);
    expect(f, "eof closed(EOF)");
}

static void what_a_filter_passed_on_is_sent_before_the_close(void **state)
{
    struct fixture *f = start_over_filter(state);
    size_t len = 3 << 20;
    char *data = big(len);
    assert_int_equal(asynchat_push(f->ch, data, len), 0);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    settle(f);
    expect(f, "closed(0)");
    assert_int_equal(f->got_len, len);
    assert_memory_equal(f->got, data, len);
    free(data);
}

/* --- asking --- */

static void arg_bufferevent_and_base_can_be_asked(void **state)
{
    struct fixture *f = start(state);
    assert_ptr_equal(asynchat_get_arg(f->ch), f);
    asynchat_set_arg(f->ch, state);
    assert_ptr_equal(asynchat_get_arg(f->ch), state);
    asynchat_set_arg(f->ch, f);
    assert_ptr_equal(asynchat_get_base(f->ch), f->base);
    assert_ptr_equal(bufferevent_get_base(asynchat_get_bufferevent(f->ch)),
                     f->base);
}

static void ask_all(struct fixture *f)
{
    char text[ASYNCHAT_ADDRESS_SIZE], expected[ASYNCHAT_ADDRESS_SIZE];
    struct sockaddr_in peer;
    socklen_t len = sizeof peer;
    getsockname(f->peer, (struct sockaddr *)&peer, &len);
    inet_ntop(AF_INET, &peer.sin_addr, expected, sizeof expected);
    sprintf(expected + strlen(expected), ":%u", ntohs(peer.sin_port));
    assert_int_equal(asynchat_peer_address(f->ch, text, sizeof text), 0);
    assert_string_equal(text, expected);
    assert_ptr_equal(asynchat_get_base(f->ch), f->base);
    f->count++;
}

static void the_channel_can_still_be_asked_in_handle_close(void **state)
{
    struct fixture *f = start(state);
    f->on_close = ask_all;
    asynchat_close(f->ch);
    settle(f);
    assert_int_equal(f->count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_ALL(between_messages_with_a_limit_of_a_byte_is_now),
        OVER_ALL(any_call_in_any_callback),
        OVER_ALL(close_is_told_once_from_the_loop),
        OVER_ALL(free_tells_nothing),
        OVER_ALL(between_messages_it_closes_at_once),
        OVER_ALL(a_message_in_progress_is_delivered_before),
        OVER_SOCKETS(what_had_arrived_is_delivered_before),
        OVER_SOCKETS(what_comes_later_is_not),
        OVER_ALL(while_it_is_paused_it_waits_to_close),
        OVER_ALL(paused_by_the_last_message_it_waits_for_the_answer),
        OVER_ALL(discarding_takes_back_that_it_closes),
        OVER_ALL(what_has_ended_closes_no_more),
        OVER_ALL(free_after_close_tells_nothing),
        OVER(PAIR, NULL_is_allowed_where_there_is_nothing_to_do),
        OVER(PAIR, asked_of_NULL_everything_is_nothing),
        OVER_ALL(release_callbacks_may_call_while_the_channel_is_freed),
        OVER(PAIR, a_channel_can_be_freed_before_the_loop_saw_it),
        OVER(PAIR, bad_handlers_are_refused),
        OVER(PAIR, any_one_callback_makes_a_handler),
        OVER(PAIR,
             a_handler_of_a_later_version_is_taken_if_it_asks_nothing_new),
        OVER(PAIR, bad_sockets_are_refused),
        OVER(PAIR, bad_bufferevents_are_refused),
        OVER_SOCKETS(a_socket_given_is_nonblocking_and_close_on_exec),
        OVER(PAIR, a_connecting_bufferevent_is_waited_for),
        OVER(PAIR, a_connecting_bufferevent_that_times_out_says_so),
        OVER(BUFFEREVENT, an_error_without_errno_is_EIO),
        OVER(TCP, reset_before_the_loop_saw_it_it_begins_with_connect),
        OVER(SOCKETPAIR, a_filter_that_calls_back_at_once_works),
        OVER(SOCKETPAIR, what_a_filter_passed_on_is_sent_before_the_close),
        OVER_ALL(arg_bufferevent_and_base_can_be_asked),
        OVER(TCP, the_channel_can_still_be_asked_in_handle_close),
    };
    return RUN(tests);
}
