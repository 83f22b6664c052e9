/* CPython's Lib/test/test_asynchat.py, test by test and under the same names,
 * over TCP, with each way of libevent to wait; CPython, too, runs its tests
 * with select and with poll.
 *
 * - echo_server: the bytes before "QUIT\n" are sent back, and then it closes.
 *   It reads and sends pieces of 1, 2 or 3 bytes, by in_buffer_size and
 *   out_buffer_size.
 * - echo_client: found_terminator moves `buffer` to the end of `contents`.
 * - push of an int or a str is a TypeError in CPython. Here NULL is the wrong
 *   thing to push.
 * - blockingioerror: recv fails with EAGAIN, since something else has read the
 *   bytes.
 * - find_prefix_at_end: the bytes that are delivered show how many are held
 *   back.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/bufferevent.h>
#include <event2/event.h>

#define SERVER_QUIT "QUIT\n"

/* --- echo_server --- */

struct echo_server {
    struct fixture *f;
    size_t chunk_size;
    char buffer[256];
};

static void server_connect(struct asynchat_channel *ch, void *arg)
{
    struct echo_server *s = arg;
    asynchat_server_free(s->f->server); /* one connection is all */
    s->f->server = NULL;
    assert_int_equal(
        asynchat_set_terminator(ch, SERVER_QUIT, strlen(SERVER_QUIT)), 0);
    assert_int_equal(asynchat_set_out_buffer_size(ch, s->chunk_size), 0);
}

static void server_message(struct asynchat_channel *ch, const void *data,
                           size_t len, void *arg)
{
    struct echo_server *s = arg;
    snprintf(s->buffer, sizeof s->buffer, "%.*s", (int)len, (const char *)data);
    assert_int_equal(asynchat_push(ch, data, len), 0);
    assert_int_equal(asynchat_close_when_done(ch), 0);
}

static const struct asynchat_handler server_handler = {
    .size = sizeof server_handler,
    .handle_connect = server_connect,
    .message = server_message,
};

/* --- echo_client --- */

struct echo_client {
    struct asynchat_channel *ch;
    char buffer[256];
    char contents[256]; /* each in quotes */
    size_t longest;     /* piece that was collected */
    int errors, closed;
};

static void client_collect(struct asynchat_channel *ch, const void *data,
                           size_t len, void *arg)
{
    struct echo_client *c = arg;
    (void)ch;
    strncat(c->buffer, data, len);
    if (len > c->longest)
        c->longest = len;
}

static void client_found(struct asynchat_channel *ch, void *arg)
{
    struct echo_client *c = arg;
    size_t len = strlen(c->contents);
    (void)ch;
    snprintf(c->contents + len, sizeof c->contents - len, "\"%s\"", c->buffer);
    c->buffer[0] = '\0';
}

static void client_error(struct asynchat_channel *ch, int error, void *arg)
{
    (void)ch;
    (void)error;
    ((struct echo_client *)arg)->errors++;
}

static void client_close(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    (void)status;
    ((struct echo_client *)arg)->closed++;
}

static const struct asynchat_handler client_handler = {
    .size = sizeof client_handler,
    .collect_incoming_data = client_collect,
    .found_terminator = client_found,
    .handle_error = client_error,
    .handle_close = client_close,
};

/* --- both in one loop --- */

static struct echo_server s;
static struct echo_client c;

static struct fixture *begin(void **state, size_t server_chunk)
{
    struct fixture *f = *state;
    char address[ASYNCHAT_ADDRESS_SIZE];
    s = (struct echo_server){f, server_chunk, ""};
    c = (struct echo_client){.ch = NULL};
    assert_int_equal(asynchat_server_new(f->base, "127.0.0.1:0",
                                         &server_handler, &s, NULL, &f->server),
                     0);
    assert_int_equal(
        asynchat_server_address(f->server, address, sizeof address), 0);
    assert_int_equal(
        asynchat_connect(f->base, address, 0, &client_handler, &c, &c.ch), 0);
    assert_int_equal(asynchat_set_in_buffer_size(c.ch, server_chunk), 0);
    return f;
}

static void set_terminator(const char *text)
{
    assert_int_equal(asynchat_set_terminator(c.ch, text, strlen(text)), 0);
}

static void push(const char *text)
{
    assert_int_equal(asynchat_push(c.ch, text, strlen(text)), 0);
}

/* The loop ends when both have closed. */
static void run(struct fixture *f)
{
    assert_int_equal(event_base_dispatch(f->base), 1);
    assert_int_equal(c.errors, 0);
    assert_int_equal(c.closed, 1);
}

/* --- TestAsynchat --- */

static void line_terminator_check(void **state, const char *term)
{
    for (size_t chunk = 1; chunk <= 3; chunk++) {
        struct fixture *f = begin(state, chunk);
        set_terminator(term);
        push("hello ");
        push("world");
        push(term);
        push("I'm not dead yet!");
        push(term);
        push(SERVER_QUIT);
        run(f);
        assert_string_equal(c.contents, "\"hello world\"\"I'm not dead yet!\"");
        assert_true(c.longest <= chunk);
    }
}

static void line_terminator1(void **state)
{
    line_terminator_check(state, "\n");
}

static void line_terminator2(void **state)
{
    line_terminator_check(state, "\r\n");
}

static void line_terminator3(void **state)
{
    line_terminator_check(state, "qqq");
}

static void numeric_terminator_check(void **state, unsigned len,
                                     const char *contents, const char *rest)
{
    struct fixture *f = begin(state, 1);
    assert_int_equal(asynchat_set_terminator_length(c.ch, len), 0);
    push("hello world, I'm not dead yet!\n");
    push(SERVER_QUIT);
    run(f);
    assert_string_equal(c.contents, contents);
    assert_string_equal(c.buffer, rest);
}

static void numeric_terminator1(void **state)
{
    numeric_terminator_check(state, 1, "\"h\"",
                             "ello world, I'm not dead yet!\n");
}

static void numeric_terminator2(void **state)
{
    numeric_terminator_check(state, 6, "\"hello \"",
                             "world, I'm not dead yet!\n");
}

static void none_terminator(void **state)
{
    struct fixture *f = begin(state, 1);
    assert_int_equal(asynchat_set_terminator_none(c.ch), 0);
    push("hello world, I'm not dead yet!\n");
    push(SERVER_QUIT);
    run(f);
    assert_string_equal(c.contents, "");
    assert_string_equal(c.buffer, "hello world, I'm not dead yet!\n");
}

static const char two_lines[] = "hello world\nI'm not dead yet!\n" SERVER_QUIT;

static void simple_producer(void **state)
{
    struct fixture *f = begin(state, 1);
    set_terminator("\n");
    assert_int_equal(
        asynchat_push_producer(
            c.ch, asynchat_producer_simple(two_lines, strlen(two_lines), 8)),
        0);
    run(f);
    assert_string_equal(c.contents, "\"hello world\"\"I'm not dead yet!\"");
}

/* In CPython, bytes can serve as a producer. Here they are pushed without a
 * copy. */
static void string_producer(void **state)
{
    struct fixture *f = begin(state, 1);
    set_terminator("\n");
    assert_int_equal(
        asynchat_push_reference(c.ch, two_lines, strlen(two_lines), NULL, NULL),
        0);
    run(f);
    assert_string_equal(c.contents, "\"hello world\"\"I'm not dead yet!\"");
}

static void empty_line(void **state)
{
    struct fixture *f = begin(state, 1);
    set_terminator("\n");
    push("hello world\n\nI'm not dead yet!\n");
    push(SERVER_QUIT);
    run(f);
    assert_string_equal(c.contents, "\"hello world\"\"\"\"I'm not dead yet!\"");
}

static void close_when_done(void **state)
{
    struct fixture *f = begin(state, 1);
    set_terminator("\n");
    push(two_lines);
    assert_int_equal(asynchat_close_when_done(c.ch), 0);
    run(f);
    assert_string_equal(c.contents, "");
    assert_string_equal(s.buffer, "hello world\nI'm not dead yet!\n");
}

static void test_push(void **state)
{
    struct fixture *f = begin(state, 1);
    const char data[] = "bytes\n";
    set_terminator("\n");
    push(data);
    push(data);
    push(data);
    assert_int_equal(asynchat_push(c.ch, NULL, 10), -EINVAL);
    assert_int_equal(asynchat_push(NULL, data, 6), -EINVAL);
    push(SERVER_QUIT);
    run(f);
    assert_string_equal(c.contents, "\"bytes\"\"bytes\"\"bytes\"");
}

/* --- TestAsynchatMocked --- */

static void steal(evutil_socket_t fd, short what, void *arg)
{
    char data[16];
    (void)what;
    *(bool *)arg = recv(fd, data, sizeof data, MSG_DONTWAIT) > 0;
}

/* An event of a higher priority first reads the bytes for which the channel was
 * woken. */
static void blockingioerror(void **state)
{
    struct fixture *f = *state;
    bool stolen = false;
    assert_int_equal(event_base_priority_init(f->base, 2), 0);
    start(state);
    int fd = bufferevent_getfd(asynchat_get_bufferevent(f->ch));
    struct event *thief = event_new(f->base, fd, EV_READ, steal, &stolen);
    assert_int_equal(event_priority_set(thief, 0), 0);
    assert_int_equal(event_add(thief, NULL), 0);
    feed_string(f, "stolen");
    settle(f);
    assert_true(stolen);
    expect(f, "");
    feed_string(f, "next");
    settle(f);
    expect(f, "data(next)");
    event_free(thief);
}

/* --- TestHelperFunctions --- */

static void find_prefix_at_end(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    feed_string(f, "qwerty\r");
    settle(f);
    expect(f, "data(qwerty)");
    feed_string(f, "qwertydkjf");
    settle(f);
    expect(f, "data(\\rqwertydkjf)");
}

/* --- TestNotConnected --- */

static void disallow_negative_terminator(void **state)
{
    struct fixture *f = begin(state, 1);
    assert_int_equal(asynchat_set_terminator_length(c.ch, (uint64_t)-1),
                     -EINVAL);
    asynchat_channel_free(c.ch);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
}

/* --- with each way to wait --- */

static int setup(void **state, const char *method)
{
    *state = (void *)(intptr_t)OVER_TCP;
    return fixture_setup_by(state, method);
}

static int setup_epoll(void **state)
{
    return setup(state, "epoll");
}

static int setup_poll(void **state)
{
    return setup(state, "poll");
}

static int setup_select(void **state)
{
    return setup(state, "select");
}

#define BY(method, test)                                                       \
    {                                                                          \
#test " by " #method, test, setup_##method, fixture_teardown, NULL     \
    }
#define BY_ALL(test) BY(epoll, test), BY(poll, test), BY(select, test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BY_ALL(line_terminator1),    BY_ALL(line_terminator2),
        BY_ALL(line_terminator3),    BY_ALL(numeric_terminator1),
        BY_ALL(numeric_terminator2), BY_ALL(none_terminator),
        BY_ALL(simple_producer),     BY_ALL(string_producer),
        BY_ALL(empty_line),          BY_ALL(close_when_done),
        BY_ALL(test_push),           BY_ALL(blockingioerror),
        BY_ALL(find_prefix_at_end),  BY_ALL(disallow_negative_terminator),
    };
    return RUN(tests);
}
