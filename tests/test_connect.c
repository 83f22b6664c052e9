/* Connecting: up, refused, given up.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/util.h>

#include "base/address.h"

/* --- what to connect to --- */

/* f->peer: a socket at `address`, where nobody listens. */
static void bind_peer(struct fixture *f, const char *address)
{
    struct address at;
    assert_int_equal(asynchat__address_parse(&at, address), 0);
    f->peer = socket(at.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(f->peer >= 0);
    assert_int_equal(bind(f->peer, (struct sockaddr *)&at.storage, at.len), 0);
}

static const char *peer_address(struct fixture *f)
{
    static char text[ASYNCHAT_ADDRESS_SIZE];
    struct address at;
    assert_int_equal(asynchat__address_of(f->peer, getsockname, &at), 0);
    assert_int_equal(asynchat__address_format(&at, text, sizeof text), 0);
    return text;
}

static struct fixture *listen_on(void **state, const char *address)
{
    struct fixture *f = *state;
    bind_peer(f, address);
    assert_int_equal(listen(f->peer, 100), 0);
    return f;
}

static void begin(struct fixture *f, const char *address, unsigned timeout)
{
    assert_int_equal(
        asynchat_connect(f->base, address, timeout, &recorder, f, &f->ch), 0);
    expect(f, ""); /* no call runs a callback */
}

/* Accepts the connection that was begun, as the far end. */
static void answer(struct fixture *f)
{
    int fd = accept(f->peer, NULL, NULL);
    assert_true(fd >= 0);
    close(f->peer);
    f->peer = fd;
    f->got_eof = false;
    settle(f);
}

static void expect_failure(struct fixture *f, int error)
{
    char events[64];
    snprintf(events, sizeof events, "error(%d) closed(%d)", error, error);
    settle_closed(f);
    settle(f);
    expect(f, events);
}

/* A listening socket that no longer answers, since its backlog is full. */
static int full(struct fixture *f, int family)
{
    struct address at;
    assert_int_equal(listen(f->peer, 0), 0);
    assert_int_equal(asynchat__address_of(f->peer, getsockname, &at), 0);
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at.storage, at.len), 0);
    return fd;
}

static const char *unix_address(void)
{
    static char text[64];
    snprintf(text, sizeof text, "unix:/tmp/asynchat-%d", (int)getpid());
    return text;
}

static void unlink_unix(void)
{
    assert_int_equal(unlink(unix_address() + strlen("unix:")), 0);
}

/* --- up --- */

static void converse(struct fixture *f)
{
    settle(f);
    expect(f, "connect");
    answer(f);
    set_crlf(f);
    assert_int_equal(asynchat_push(f->ch, "hello", 5), 0);
    feed_string(f, "welcome\r\n");
    settle(f);
    expect(f, "data(welcome) found");
    expect_got(f, "hello");
    feed_eof(f);
    settle(f);
    expect(f, "eof closed(EOF)");
}

static void connects_over_ipv4(void **state)
{
    struct fixture *f = listen_on(state, "127.0.0.1:0");
    begin(f, peer_address(f), 0);
    converse(f);
}

static void tell_pressure(struct asynchat_channel *ch, void *arg)
{
    struct fixture *f = arg;
    (void)ch;
    assert_string_equal(f->log, "connect");
    f->count++;
}

static void what_is_pushed_before_is_pressure_when_it_is_up(void **state)
{
    static struct asynchat_handler handler;
    struct fixture *f = listen_on(state, "127.0.0.1:0");
    char *data = big(16u << 20);
    handler = recorder;
    handler.handle_pressure = tell_pressure;
    assert_int_equal(
        asynchat_connect(f->base, peer_address(f), 0, &handler, f, &f->ch), 0);
    assert_int_equal(asynchat_push(f->ch, data, 16u << 20), 0);
    for (int i = 0; i < 100 && f->count == 0; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    assert_int_equal(f->count, 1);
    free(data);
}

static void connects_over_ipv6(void **state)
{
    struct fixture *f = *state;
    struct asynchat_server *probe;
    int error =
        asynchat_server_new(f->base, "[::1]:0", &recorder, f, NULL, &probe);
    if (error) {
        print_message("no ::1 here: %s\n", asynchat_strerror(error));
        skip();
    }
    asynchat_server_free(probe);
    listen_on(state, "[::1]:0");
    begin(f, peer_address(f), 0);
    converse(f);
}

static void what_is_refused_before_it_is_up_ends_it_then(void **state)
{
    struct fixture *f = listen_on(state, "127.0.0.1:0");
    begin(f, peer_address(f), 0);
    assert_int_equal(asynchat_push(f->ch, "before", 6), 0);
    assert_int_equal(asynchat_push_producer(f->ch, NULL), -ENOMEM);
    assert_int_equal(asynchat_push(f->ch, "behind", 6), -ENOMEM);
    expect(f, "");
    settle_closed(f);
    expect(f, "connect error(ENOMEM) closed(ENOMEM)");
}

static void connects_over_a_unix_socket(void **state)
{
    struct fixture *f = listen_on(state, unix_address());
    begin(f, unix_address(), 0);
    converse(f);
    unlink_unix();
}

static void sockets_are_nonblocking_close_on_exec_and_without_delay(
    void **state)
{
    struct fixture *f = listen_on(state, "127.0.0.1:0");
    begin(f, peer_address(f), 0);
    int on = 0, fd = bufferevent_getfd(asynchat_get_bufferevent(f->ch));
    socklen_t len = sizeof on;
    settle(f);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_true(on);
}

static void a_greeting_comes_after_handle_connect(void **state)
{
    struct fixture *f = listen_on(state, "127.0.0.1:0");
    begin(f, peer_address(f), 0);
    f->on_connect = set_crlf;
    int fd = accept(f->peer, NULL, NULL);
    assert_int_equal(send(fd, "220 hello\r\n", 11, MSG_NOSIGNAL), 11);
    close(fd);
    settle(f);
    expect(f, "connect data(220 hello) found eof closed(EOF)");
}

/* --- before it is up --- */

static void what_is_pushed_before_is_sent_after(void **state)
{
    struct fixture *f = listen_on(state, "127.0.0.1:0");
    begin(f, peer_address(f), 0);
    assert_int_equal(asynchat_push(f->ch, "one ", 4), 0);
    assert_int_equal(
        asynchat_push_producer(f->ch, asynchat_producer_simple("two ", 4, 1)),
        0);
    assert_int_equal(asynchat_push_reference(f->ch, "three", 5, NULL, NULL), 0);
    answer(f);
    expect(f, "connect");
    expect_got(f, "one two three");
}

static void push_greeting(evutil_socket_t fd, short what, void *arg)
{
    struct fixture *f = arg;
    (void)fd;
    (void)what;
    assert_int_equal(asynchat_push(f->ch, "hello", 5), 0);
}

/* The push asks for a wake-up, which is due when reading begins. */
static void pushed_to_in_the_pass_it_comes_up_in_it_receives(void **state)
{
    struct fixture *f = listen_on(state, "127.0.0.1:0");
    int fds[2];
    make_socketpair(fds);
    assert_int_equal(evutil_make_socket_nonblocking(fds[0]), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    struct event *other = event_new(f->base, fds[0], EV_READ, push_greeting, f);
    event_add(other, NULL);
    begin(f, peer_address(f), 0);
    settle(f);
    expect(f, "connect");
    answer(f);
    expect_got(f, "hello");
    feed_string(f, "welcome");
    settle(f);
    expect(f, "data(welcome)");
    event_free(other);
    close(fds[0]);
    close(fds[1]);
}

static void close_when_done_before_sends_and_closes_after(void **state)
{
    struct fixture *f = listen_on(state, "127.0.0.1:0");
    begin(f, peer_address(f), 0);
    assert_int_equal(asynchat_push(f->ch, "all", 3), 0);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    assert_int_equal(asynchat_push(f->ch, "x", 1), ASYNCHAT_ECLOSED);
    answer(f);
    expect(f, "connect closed(0)");
    expect_got(f, "all");
    assert_true(f->got_eof);
}

static void discard_before_drops_what_was_pushed(void **state)
{
    struct fixture *f = listen_on(state, "127.0.0.1:0");
    begin(f, peer_address(f), 0);
    assert_int_equal(asynchat_push(f->ch, "dropped", 7), 0);
    asynchat_discard_buffers(f->ch);
    assert_int_equal(asynchat_push(f->ch, "kept", 4), 0);
    answer(f);
    expect(f, "connect");
    expect_got(f, "kept");
}

static void a_terminator_set_before_holds_after(void **state)
{
    struct fixture *f = listen_on(state, "127.0.0.1:0");
    begin(f, peer_address(f), 0);
    set_crlf(f);
    answer(f);
    feed_string(f, "a\r\nb\r\n");
    settle(f);
    expect(f, "connect data(a) found data(b) found");
}

static void closed_before_there_is_only_handle_close(void **state)
{
    struct fixture *f = listen_on(state, "127.0.0.1:0");
    begin(f, peer_address(f), 50);
    assert_int_equal(asynchat_push(f->ch, "dropped", 7), 0);
    asynchat_close(f->ch);
    expect(f, "");
    answer(f);
    expect(f, "closed(0)");
    expect_got(f, "");
    assert_true(f->got_eof);
}

static void freed_before_there_is_nothing(void **state)
{
    struct fixture *f = listen_on(state, "127.0.0.1:0");
    begin(f, peer_address(f), 50);
    asynchat_channel_free(f->ch);
    f->ch = NULL;
    answer(f);
    expect(f, "");
    assert_true(f->got_eof);
}

/* --- refused --- */

static void a_refusal_is_told_once_from_the_loop(void **state)
{
    struct fixture *f = *state;
    bind_peer(f, "127.0.0.1:0");
    begin(f, peer_address(f), 5000);
    expect_failure(f, -ECONNREFUSED);
}

static void a_refusal_drops_what_was_pushed(void **state)
{
    struct fixture *f = *state;
    bind_peer(f, "127.0.0.1:0");
    begin(f, peer_address(f), 0);
    assert_int_equal(asynchat_push(f->ch, "x", 1), 0);
    assert_int_equal(
        asynchat_push_producer(f->ch, asynchat_producer_simple("x", 1, 0)), 0);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    expect_failure(f, -ECONNREFUSED);
}

static void what_connect_says_at_once_is_told_from_the_loop(void **state)
{
    struct fixture *f = *state;
    begin(f, "unix:/tmp/asynchat-nobody", 0);
    expect_failure(f, -ENOENT);
    begin(f, "224.0.0.1:80", 0); /* a multicast group, not a host */
    expect_failure(f, -ENETUNREACH);
    bind_peer(f, unix_address());
    begin(f, unix_address(), 50);
    expect_failure(f, -ECONNREFUSED);
    unlink_unix();
}

static void closed_after_a_failure_it_is_told_as_closed(void **state)
{
    struct fixture *f = *state;
    begin(f, "unix:/tmp/asynchat-nobody", 0);
    asynchat_close(f->ch);
    settle(f);
    expect(f, "closed(0)");
}

static void free_channel(struct fixture *f)
{
    asynchat_channel_free(f->ch);
    f->ch = NULL;
}

static void freed_in_handle_error_there_is_no_handle_close(void **state)
{
    struct fixture *f = *state;
    f->on_error = free_channel;
    begin(f, "unix:/tmp/asynchat-nobody", 0);
    settle(f);
    assert_null(f->ch);
    assert_null(strstr(f->log, "closed"));
}

/* --- given up --- */

static void wait_milliseconds(struct fixture *f, int milliseconds)
{
    struct timeval time = {.tv_usec = milliseconds * 1000};
    event_base_loopexit(f->base, &time);
    event_base_dispatch(f->base);
}

static void a_connection_not_up_in_time_is_told_once(void **state)
{
    struct fixture *f = *state;
    bind_peer(f, "127.0.0.1:0");
    int fd = full(f, AF_INET);
    begin(f, peer_address(f), 250);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    expect(f, "");
    settle_closed(f);
    wait_milliseconds(f, 300); /* libevent itself would report it again */
    expect(f, "error(ETIMEDOUT) closed(ETIMEDOUT)");
    close(fd);
}

static void without_a_timeout_the_system_s_time_counts(void **state)
{
    struct fixture *f = *state;
    bind_peer(f, "127.0.0.1:0");
    int fd = full(f, AF_INET);
    begin(f, peer_address(f), 0);
    wait_milliseconds(f, 100);
    expect(f, "");
    close(fd);
}

static void closed_while_connecting_it_does_not_time_out(void **state)
{
    struct fixture *f = *state;
    bind_peer(f, "127.0.0.1:0");
    int fd = full(f, AF_INET);
    begin(f, peer_address(f), 200);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    asynchat_close(f->ch);
    wait_milliseconds(f, 250);
    expect(f, "closed(0)");
    close(fd);
}

static void a_connection_that_is_up_does_not_time_out(void **state)
{
    struct fixture *f = listen_on(state, "127.0.0.1:0");
    begin(f, peer_address(f), 250);
    answer(f);
    expect(f, "connect");
    wait_milliseconds(f, 300);
    expect(f, "");
    assert_int_equal(asynchat_push(f->ch, "here", 4), 0);
    settle(f);
    expect_got(f, "here");
}

static void any_timeout_can_be_set(void **state)
{
    struct fixture *f = listen_on(state, "127.0.0.1:0");
    begin(f, peer_address(f), UINT_MAX);
    answer(f);
    expect(f, "connect");
}

/* --- wrong use --- */

static int refusal(struct fixture *f, const char *address,
                   const struct asynchat_handler *handler)
{
    struct asynchat_channel *const none = (void *)f, *ch = none;
    int error = asynchat_connect(f->base, address, 0, handler, f, &ch);
    if (error)
        assert_ptr_equal(ch, none);
    else
        asynchat_channel_free(ch);
    return error;
}

static void bad_arguments_are_refused(void **state)
{
    struct fixture *f = *state;
    struct asynchat_channel *const none = (void *)f, *ch = none;
    char path[256] = "unix:/tmp/";
    memset(path + 10, 'x', sizeof path - 11);
    path[sizeof path - 1] = '\0';
    assert_int_equal(
        asynchat_connect(NULL, "127.0.0.1:1", 0, &recorder, f, &ch), -EINVAL);
    assert_ptr_equal(ch, none);
    assert_int_equal(
        asynchat_connect(f->base, "127.0.0.1:1", 0, &recorder, f, NULL),
        -EINVAL);
    assert_int_equal(refusal(f, NULL, &recorder), -EINVAL);
    assert_int_equal(refusal(f, "127.0.0.1:1", NULL), -EINVAL);
    assert_int_equal(refusal(f, "127.0.0.1", &recorder), ASYNCHAT_EADDRESS);
    assert_int_equal(refusal(f, "localhost:80", &recorder), ASYNCHAT_EADDRESS);
    assert_int_equal(refusal(f, "[fe80::1%nosuch]:80", &recorder), -ENODEV);
    assert_int_equal(refusal(f, path, &recorder), -ENAMETOOLONG);
}

static void bad_handlers_are_refused(void **state)
{
    struct fixture *f = *state;
    struct {
        struct asynchat_handler known;
        void *later;
    } handler = {.known = recorder};
    struct asynchat_handler *known = &handler.known;
    known->size = sizeof handler;
    assert_int_equal(refusal(f, "127.0.0.1:1", known), 0);
    handler.later = f;
    assert_int_equal(refusal(f, "127.0.0.1:1", known), -ENOTSUP);
    known->size = 0;
    assert_int_equal(refusal(f, "127.0.0.1:1", known), -EINVAL);
    known->size = sizeof *known;
    known->message = whole_recorder.message;
    assert_int_equal(refusal(f, "127.0.0.1:1", known), -EINVAL);
    *known = (struct asynchat_handler){.size = sizeof *known};
    assert_int_equal(refusal(f, "127.0.0.1:1", known), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER(TCP, connects_over_ipv4),
        OVER(TCP, what_is_pushed_before_is_pressure_when_it_is_up),
        OVER(TCP, connects_over_ipv6),
        OVER(TCP, what_is_refused_before_it_is_up_ends_it_then),
        OVER(TCP, connects_over_a_unix_socket),
        OVER(TCP, sockets_are_nonblocking_close_on_exec_and_without_delay),
        OVER(TCP, a_greeting_comes_after_handle_connect),
        OVER(TCP, what_is_pushed_before_is_sent_after),
        OVER(TCP, pushed_to_in_the_pass_it_comes_up_in_it_receives),
        OVER(TCP, close_when_done_before_sends_and_closes_after),
        OVER(TCP, discard_before_drops_what_was_pushed),
        OVER(TCP, a_terminator_set_before_holds_after),
        OVER(TCP, closed_before_there_is_only_handle_close),
        OVER(TCP, freed_before_there_is_nothing),
        OVER(TCP, a_refusal_is_told_once_from_the_loop),
        OVER(TCP, a_refusal_drops_what_was_pushed),
        OVER(TCP, what_connect_says_at_once_is_told_from_the_loop),
        OVER(TCP, closed_after_a_failure_it_is_told_as_closed),
        OVER(TCP, freed_in_handle_error_there_is_no_handle_close),
        OVER(TCP, a_connection_not_up_in_time_is_told_once),
        OVER(TCP, without_a_timeout_the_system_s_time_counts),
        OVER(TCP, closed_while_connecting_it_does_not_time_out),
        OVER(TCP, a_connection_that_is_up_does_not_time_out),
        OVER(TCP, any_timeout_can_be_set),
        OVER(TCP, bad_arguments_are_refused),
        OVER(TCP, bad_handlers_are_refused),
    };
    return RUN(tests);
}
