/* Layers: a codec between a channel and its connection. In most tests both ends
 * have one, over a pair or over sockets; in others the far end is a plain
 * descriptor, which sees what is on the wire.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "child.h"
#include "clock.h"
#include "fixture.h"
#include "toy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/bufferevent.h>
#include <event2/event.h>

#include "serving.h"

/* --- two ends --- */

enum kind { PAIR, SOCKET, SMALL };

struct end {
    struct two *two;
    struct asynchat_channel *ch; /* NULL once it has closed */
    struct toy *toy;
    char log[1 << 12];
    char *got;
    size_t got_len;
    int status;
    void (*on_connect)(struct end *e);
    void (*on_up)(struct end *e);
    void (*on_data)(struct end *e);
    void (*on_eof)(struct end *e);
    void (*on_error)(struct end *e);
};

struct two {
    enum kind kind;
    struct event_base *base;
    struct end a, b;
    int peer; /* in place of b, a descriptor; or -1 */
    int descriptors;
};

#define GOT_MOST (4u << 20)

static void note(struct end *e, const char *what)
{
    strncat(e->log, what, sizeof e->log - strlen(e->log) - 1);
    strncat(e->log, " ", sizeof e->log - strlen(e->log) - 1);
}

static void note_status(struct end *e, const char *what, int status)
{
    char text[256];
    snprintf(text, sizeof text, "%s(%s)", what, asynchat_strerror(status));
    note(e, text);
}

static void call(void (*hook)(struct end *e), struct end *e)
{
    if (hook)
        hook(e);
}

static void on_connect(struct asynchat_channel *ch, void *arg)
{
    struct end *e = arg;
    e->ch = ch;
    note(e, "connect");
    call(e->on_connect, e);
}

static void on_data(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    struct end *e = arg;
    (void)ch;
    assert_true(e->got_len + len <= GOT_MOST);
    memcpy(e->got + e->got_len, data, len);
    e->got_len += len;
    call(e->on_data, e);
}

static void on_eof(struct asynchat_channel *ch, int cut_off, void *arg)
{
    struct end *e = arg;
    (void)ch;
    (void)cut_off;
    note(e, "eof");
    call(e->on_eof, e);
}

static void on_error(struct asynchat_channel *ch, int error, void *arg)
{
    (void)ch;
    note_status(arg, "error", error);
    call(((struct end *)arg)->on_error, arg);
}

static void on_close(struct asynchat_channel *ch, int status, void *arg)
{
    struct end *e = arg;
    (void)ch;
    e->status = status;
    note_status(e, "closed", status);
    e->ch = NULL;
}

static void on_up(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    note(arg, "up");
    call(((struct end *)arg)->on_up, arg);
}

static const struct asynchat_handler handler = {
    .size = sizeof handler,
    .collect_incoming_data = on_data,
    .handle_connect = on_connect,
    .handle_eof = on_eof,
    .handle_error = on_error,
    .handle_close = on_close,
};

static const struct asynchat_layer_options with_up = {.size = sizeof with_up,
                                                      .up = on_up};

static int setup(void **state)
{
    struct two *two = calloc(1, sizeof *two);
    if (!two)
        return -1;
    two->kind = (enum kind)(intptr_t)*state;
    two->descriptors = count_descriptors();
    two->base = event_base_new();
    two->peer = -1;
    two->a.two = two->b.two = two;
    two->a.got = malloc(GOT_MOST);
    two->b.got = malloc(GOT_MOST);
    *state = two;
    return two->base && two->a.got && two->b.got ? 0 : -1;
}

static int teardown(void **state)
{
    struct two *two = *state;
    asynchat_channel_free(two->a.ch);
    asynchat_channel_free(two->b.ch);
    event_base_loop(two->base, EVLOOP_NONBLOCK); /* who hears of that */
    event_base_free(two->base);
    if (two->peer >= 0)
        close(two->peer);
    assert_int_equal(toys, 0);
    assert_int_equal(count_descriptors(), two->descriptors);
    free(two->a.got);
    free(two->b.got);
    free(two);
    return 0;
}

static void settle_two(struct two *two)
{
    for (int i = 0; i < 400; i++)
        event_base_loop(two->base, EVLOOP_NONBLOCK);
}

static void make_small(struct asynchat_channel *ch)
{
    int fd = bufferevent_getfd(asynchat_get_bufferevent(ch)), size = 1;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

static void make_channel(struct two *two, struct end *e, int fd)
{
    assert_int_equal(
        asynchat_channel_new_socket(two->base, fd, &handler, e, &e->ch), 0);
}

static void make_sockets(struct two *two)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    make_channel(two, &two->a, fds[0]);
    make_channel(two, &two->b, fds[1]);
    if (two->kind == SMALL) {
        make_small(two->a.ch);
        make_small(two->b.ch);
    }
}

static void make_pair(struct two *two)
{
    const struct asynchat_handler *handlers[2] = {&handler, &handler};
    void *args[2] = {&two->a, &two->b};
    struct asynchat_channel *chs[2];
    assert_int_equal(asynchat_pair_new(two->base, handlers, args, chs), 0);
    two->a.ch = chs[0];
    two->b.ch = chs[1];
}

static void set_toy(struct end *e, int steps,
                    const struct asynchat_layer_options *options)
{
    e->toy = toy_new(e == &e->two->a);
    e->toy->steps = steps;
    assert_int_equal(asynchat_set_layer(e->ch, &toy_ops, e->toy, options), 0);
}

/* Two channels with a layer each, not up yet. */
static struct two *begin(void **state, int steps)
{
    struct two *two = *state;
    if (two->kind == PAIR)
        make_pair(two);
    else
        make_sockets(two);
    set_toy(&two->a, steps, NULL);
    set_toy(&two->b, steps, NULL);
    return two;
}

/* The same, that are up. */
static struct two *begin_up(void **state)
{
    struct two *two = begin(state, 3);
    settle_two(two);
    assert_string_equal(two->a.log, "connect ");
    assert_string_equal(two->b.log, "connect ");
    two->a.log[0] = two->b.log[0] = '\0';
    return two;
}

/* A channel without a layer, and a descriptor. */
static struct two *begin_raw(void **state)
{
    struct two *two = *state;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    two->peer = fds[1];
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    make_channel(two, &two->a, fds[0]);
    return two;
}

static void push(struct end *e, const char *text)
{
    assert_int_equal(asynchat_push(e->ch, text, strlen(text)), 0);
}

static void expect_log(struct end *e, const char *log)
{
    assert_string_equal(e->log, log);
    e->log[0] = '\0';
}

static void expect_data(struct end *e, const char *text)
{
    assert_int_equal(e->got_len, strlen(text));
    assert_memory_equal(e->got, text, e->got_len);
    e->got_len = 0;
}

/* --- on the wire --- */

static void wire(struct two *two, const void *bytes, size_t len)
{
    assert_int_equal(write(two->peer, bytes, len), len);
}

static void expect_wire(struct two *two, const void *bytes, size_t len)
{
    char got[4096];
    settle_two(two);
    ssize_t n = read(two->peer, got, sizeof got);
    assert_int_equal(n < 0 ? 0 : n, len);
    assert_memory_equal(got, bytes, len);
}

#define HELLO "H\0\0"
#define WIRE(two, bytes) wire(two, bytes, sizeof bytes - 1)
#define EXPECT_WIRE(two, bytes) expect_wire(two, bytes, sizeof bytes - 1)

/* --- the handshake --- */

static void handle_connect_waits_until_the_layer_is_up(void **state)
{
    struct two *two = begin_raw(state);
    set_toy(&two->a, 2, NULL);
    EXPECT_WIRE(two, HELLO);
    expect_log(&two->a, "");
    WIRE(two, HELLO);
    settle_two(two);
    expect_log(&two->a, "connect ");
}

static void a_layer_without_a_handshake_is_up_at_once(void **state)
{
    struct two *two = begin(state, 0);
    settle_two(two);
    expect_log(&two->a, "connect ");
    expect_log(&two->b, "connect ");
}

static void handshakes_of_any_length(void **state)
{
    for (int steps = 1; steps < 8; steps++) {
        struct two *two = begin(state, steps);
        push(&two->a, "one");
        push(&two->b, "two");
        settle_two(two);
        expect_log(&two->a, "connect ");
        expect_log(&two->b, "connect ");
        expect_data(&two->a, "two");
        expect_data(&two->b, "one");
        asynchat_channel_free(two->a.ch);
        asynchat_channel_free(two->b.ch);
        two->a.ch = two->b.ch = NULL;
    }
}

static void what_is_pushed_before_waits(void **state)
{
    struct two *two = begin_raw(state);
    push(&two->a, "a");
    set_toy(&two->a, 2, NULL);
    push(&two->a, "b");
    EXPECT_WIRE(two, HELLO);
    WIRE(two, HELLO);
    EXPECT_WIRE(two, "D\0\002a\236b\235");
}

static void a_pause_does_not_keep_the_handshake(void **state)
{
    struct two *two = begin_raw(state);
    set_toy(&two->a, 2, NULL);
    asynchat_pause_reading(two->a.ch);
    EXPECT_WIRE(two, HELLO);
    WIRE(two, HELLO "D\0\001x\207");
    settle_two(two);
    expect_log(&two->a, "connect ");
    expect_data(&two->a, "");
    asynchat_resume_reading(two->a.ch);
    settle_two(two);
    expect_data(&two->a, "x");
}

static void a_handshake_that_takes_too_long(void **state)
{
    struct two *two = begin_raw(state);
    set_toy(&two->a, 4, NULL);
    settle_two(two);
    clock_advance(9999);
    WIRE(two, "H"); /* which does not move the time */
    settle_two(two);
    expect_log(&two->a, "");
    clock_advance(1);
    settle_two(two);
    expect_log(&two->a, "error(the handshake took too long) closed(the "
                        "handshake took too long) ");
}

static void the_time_can_be_set(void **state)
{
    struct two *two = begin_raw(state);
    const struct asynchat_layer_options options = {.size = sizeof options,
                                                   .time = 50};
    set_toy(&two->a, 2, &options);
    settle_two(two);
    clock_advance(50);
    settle_two(two);
    assert_int_equal(two->a.status, ASYNCHAT_ELATE);
}

static void a_handshake_may_take_for_ever(void **state)
{
    struct two *two = begin_raw(state);
    const struct asynchat_layer_options options = {.size = sizeof options,
                                                   .time = UINT_MAX};
    set_toy(&two->a, 2, &options);
    settle_two(two);
    clock_advance(100000000);
    settle_two(two);
    expect_log(&two->a, "");
}

static void the_time_ends_with_the_handshake(void **state)
{
    struct two *two = begin_up(state);
    clock_advance(100000);
    settle_two(two);
    expect_log(&two->a, "");
    expect_log(&two->b, "");
}

static void a_peer_that_goes_in_the_handshake(void **state)
{
    struct two *two = begin_raw(state);
    set_toy(&two->a, 2, NULL);
    settle_two(two);
    shutdown(two->peer, SHUT_WR);
    settle_two(two);
    expect_log(&two->a,
               "error(the connection was cut off) closed(the connection was "
               "cut off) ");
}

/* --- bytes --- */

static void much_goes_both_ways(void **state)
{
    struct two *two = begin(state, 3);
    const size_t len = 1 << 20;
    char *text = big(len);
    two->a.toy->talks = 3;
    two->b.toy->talks = 2;
    two->a.toy->takes = 2;
    two->b.toy->waits = 3;
    assert_int_equal(asynchat_push(two->a.ch, text, len), 0);
    for (size_t at = 0; at < len; at += 1024)
        assert_int_equal(asynchat_push(two->b.ch, text + at, 1024), 0);
    for (int i = 0; i < 50 && two->a.got_len + two->b.got_len < 2 * len; i++)
        settle_two(two);
    assert_int_equal(two->a.got_len, len);
    assert_int_equal(two->b.got_len, len);
    assert_memory_equal(two->a.got, text, len);
    assert_memory_equal(two->b.got, text, len);
    settle_two(two);
    assert_true(two->a.toy->words > 0 && two->b.toy->words > 0);
    assert_int_equal(two->a.toy->words, two->a.toy->answers);
    assert_int_equal(two->b.toy->words, two->b.toy->answers);
    assert_int_equal(asynchat_get_queued(two->a.ch), 0);
    free(text);
}

/* Many small ones are sealed as one. */
static void small_pushes_share_a_piece(void **state)
{
    struct two *two = begin_up(state);
    for (int i = 0; i < 100; i++)
        push(&two->a, "line\r\n");
    settle_two(two);
    assert_int_equal(two->b.got_len, 600);
    assert_int_equal(two->a.toy->pieces, 1);
}

/* Also those that are lent, each of which is a piece of the output of its own. */
static void small_references_share_a_piece(void **state)
{
    struct two *two = begin_up(state);
    char text[1001];
    push(&two->a, "0");
    for (int i = 0; i < 1000; i++) {
        text[i] = (char)('a' + i % 26);
        assert_int_equal(
            asynchat_push_reference(two->a.ch, text + i, 1, NULL, NULL), 0);
    }
    text[1000] = '\0';
    settle_two(two);
    assert_int_equal(two->b.got_len, 1001);
    assert_memory_equal(two->b.got + 1, text, 1000);
    assert_int_equal(two->a.toy->pieces, 1);
}

static void producers_and_references(void **state)
{
    struct two *two = begin_up(state);
    char path[] = "/tmp/asynchat-layer-XXXXXX";
    int fd = mkstemp(path);
    unlink(path);
    assert_int_equal(write(fd, "from a file", 11), 11);
    push(&two->a, "pushed, ");
    assert_int_equal(
        asynchat_push_reference(two->a.ch, "lent, ", 6, NULL, NULL), 0);
    assert_int_equal(
        asynchat_push_producer(two->a.ch, asynchat_producer_file(fd, 0, 11)),
        0);
    push(&two->a, ", pushed");
    settle_two(two);
    expect_data(&two->b, "pushed, lent, from a file, pushed");
}

static void echo_data(struct end *e)
{
    assert_int_equal(asynchat_push(e->ch, e->got + e->got_len - 1, 1), 0);
}

static void own_words_ride_along(void **state)
{
    struct two *two = begin_raw(state);
    set_toy(&two->a, 0, NULL);
    settle_two(two);
    two->a.on_data = echo_data;
    WIRE(two, "T\0\0D\0\001x\207");
    EXPECT_WIRE(two, "R\0\0D\0\001x\207");
}

static void own_words_leave_alone_when_nothing_is_answered(void **state)
{
    struct two *two = begin_raw(state);
    set_toy(&two->a, 0, NULL);
    settle_two(two);
    WIRE(two, "T\0\0");
    EXPECT_WIRE(two, "R\0\0");
}

static void a_layer_speaks_by_itself(void **state)
{
    struct two *two = begin(state, 2);
    two->a.toy->greedy = 5;
    settle_two(two);
    assert_int_equal(two->a.toy->words, 5);
    assert_true(two->a.toy->answers > 0);
}

/* One at a time, and others have their turn. */
static void later_is_the_next_pass(void **state)
{
    struct two *two = begin_raw(state);
    set_toy(&two->a, 0, NULL);
    settle_two(two);
    two->a.toy->waits = 1;
    WIRE(two, "D\0\001a\236D\0\001b\235D\0\001c\234");
    event_base_loop(two->base, EVLOOP_ONCE);
    expect_data(&two->a, "a");
    event_base_loop(two->base, EVLOOP_ONCE);
    expect_data(&two->a, "b");
    event_base_loop(two->base, EVLOOP_ONCE);
    expect_data(&two->a, "c");
}

static void paused_in_the_middle(struct end *e)
{
    e->on_data = NULL;
    asynchat_pause_reading(e->ch);
}

static void a_pause_keeps_what_is_not_opened(void **state)
{
    struct two *two = begin_up(state);
    two->b.on_data = paused_in_the_middle;
    two->b.toy->waits = 1;
    push(&two->a, "one");
    settle_two(two);
    push(&two->a, "two");
    asynchat_close_when_done(two->a.ch);
    settle_two(two);
    expect_data(&two->b, "one");
    expect_log(&two->b, "");
    asynchat_resume_reading(two->b.ch);
    settle_two(two);
    expect_data(&two->b, "two");
    expect_log(&two->b, "eof closed(the peer ended the connection) ");
}

/* What wakes it meanwhile does not put that off. */
static void later_comes_to_who_is_to_end_between_messages(void **state)
{
    struct two *two = begin_up(state);
    two->b.toy->waits = 1;
    assert_int_equal(asynchat_set_out_buffer_size(two->a.ch, 10), 0);
    for (int i = 0; i < 10; i++)
        push(&two->a, "0123456789");
    settle_two(two);
    two->b.got_len = 0;
    for (int i = 0; i < 10; i++)
        push(&two->a, "0123456789");
    assert_int_equal(asynchat_set_terminator(two->b.ch, "\n", 1), 0);
    assert_int_equal(asynchat_close_between_messages(two->b.ch), 0);
    settle_two(two);
    assert_int_equal(two->b.got_len, 100);
    push(&two->a, "\n");
    settle_two(two);
    assert_null(two->b.ch);
}

static void the_same_with_more_than_one_to_open(void **state)
{
    struct two *two = begin_raw(state);
    set_toy(&two->a, 0, NULL);
    settle_two(two);
    two->a.toy->waits = 1;
    assert_int_equal(asynchat_set_terminator(two->a.ch, "\n", 1), 0);
    WIRE(two, "D\0\001a\236D\0\001b\235D\0\001c\234");
    event_base_loop(two->base, EVLOOP_ONCE);
    assert_int_equal(asynchat_close_between_messages(two->a.ch), 0);
    settle_two(two);
    expect_data(&two->a, "abc");
}

static void a_budget_of_messages(void **state)
{
    struct two *two = begin_up(state);
    assert_int_equal(asynchat_set_message_budget(two->b.ch, 2), 0);
    assert_int_equal(asynchat_set_terminator(two->b.ch, "\n", 1), 0);
    push(&two->a, "1\n2\n3\n4\n5\n6\n7\n");
    settle_two(two);
    expect_data(&two->b, "1234567");
}

static void a_rate_is_about_plain_bytes(void **state)
{
    struct two *two = begin_up(state);
    const struct asynchat_rates rates = {
        .size = sizeof rates, .write = 1000, .write_burst = 100};
    char *text = big(300);
    assert_int_equal(asynchat_set_rates(two->a.ch, &rates), 0);
    assert_int_equal(asynchat_push(two->a.ch, text, 300), 0);
    settle_two(two);
    assert_int_equal(two->b.got_len, 100);
    clock_advance(100);
    settle_two(two);
    assert_int_equal(two->b.got_len, 200);
    clock_advance(200);
    settle_two(two);
    assert_int_equal(two->b.got_len, 300);
    free(text);
}

static void counters_are_about_plain_bytes(void **state)
{
    struct two *two = begin_up(state);
    struct asynchat_stats stats;
    push(&two->a, "hello");
    settle_two(two);
    assert_int_equal(asynchat_get_stats(two->a.ch, &stats, sizeof stats), 0);
    assert_int_equal(stats.sent, 5);
    assert_int_equal(asynchat_get_stats(two->b.ch, &stats, sizeof stats), 0);
    assert_int_equal(stats.received, 5);
}

/* --- ends --- */

static void the_end_is_clean_behind_the_last_word(void **state)
{
    struct two *two = begin_up(state);
    push(&two->a, "bye");
    asynchat_close_when_done(two->a.ch);
    settle_two(two);
    expect_data(&two->b, "bye");
    expect_log(&two->a, "closed(success) ");
    expect_log(&two->b, "eof closed(the peer ended the connection) ");
}

static void closing_says_the_last_word(void **state)
{
    struct two *two = begin_up(state);
    asynchat_close(two->a.ch);
    settle_two(two);
    expect_log(&two->b, "eof closed(the peer ended the connection) ");
}

static void freeing_says_the_last_word(void **state)
{
    struct two *two = begin_up(state);
    asynchat_channel_free(two->a.ch);
    two->a.ch = NULL;
    settle_two(two);
    expect_log(&two->b, "eof closed(the peer ended the connection) ");
}

static void aborting_says_none(void **state)
{
    struct two *two = begin_up(state);
    asynchat_abort(two->a.ch);
    settle_two(two);
    assert_true(two->b.status == ASYNCHAT_ECUTOFF ||
                two->b.status == -ECONNRESET);
}

/* It would say that all came. */
static void nobody_says_the_last_word_with_output_dropped(void **state)
{
    struct two *two = begin_up(state);
    char *text = big(1 << 20);
    asynchat_pause_reading(two->b.ch);
    settle_two(two);
    assert_int_equal(asynchat_push(two->a.ch, text, 1 << 20), 0);
    settle_two(two);
    asynchat_close(two->a.ch);
    settle_two(two);
    if (two->b.ch)
        asynchat_resume_reading(two->b.ch);
    settle_two(two);
    assert_true(two->b.got_len < 1 << 20);
    assert_true(two->b.status == ASYNCHAT_ECUTOFF ||
                two->b.status == -ECONNRESET);
    free(text);
}

static void output_that_the_program_discards_does_not_count(void **state)
{
    struct two *two = begin_up(state);
    push(&two->a, "never said");
    asynchat_discard_buffers(two->a.ch);
    push(&two->a, "said");
    asynchat_close_when_done(two->a.ch);
    settle_two(two);
    expect_data(&two->b, "said");
    assert_int_equal(two->b.status, ASYNCHAT_EOF);
}

static void a_file_that_is_too_short_is_no_clean_end(void **state)
{
    struct two *two = begin_up(state);
    char path[] = "/tmp/asynchat-layer-XXXXXX";
    int fd = mkstemp(path);
    unlink(path);
    assert_int_equal(write(fd, "short", 5), 5);
    assert_int_equal(
        asynchat_push_producer(two->a.ch, asynchat_producer_file(fd, 0, 11)),
        0);
    settle_two(two);
    assert_int_equal(two->a.status, ASYNCHAT_ETRUNCATED);
    assert_int_equal(two->b.status, ASYNCHAT_ECUTOFF);
}

static void a_layer_that_was_never_up_has_no_last_word(void **state)
{
    struct two *two = begin_raw(state);
    set_toy(&two->a, 2, NULL);
    settle_two(two);
    asynchat_close(two->a.ch);
    EXPECT_WIRE(two, HELLO);
}

static void only_one_side_ends(void **state)
{
    struct two *two = begin_up(state);
    push(&two->a, "question");
    assert_int_equal(asynchat_shutdown_write(two->a.ch), 0);
    two->b.on_eof = (void (*)(struct end *))NULL;
    asynchat_pause_reading(two->b.ch);
    settle_two(two);
    push(&two->b, "answer");
    asynchat_resume_reading(two->b.ch);
    settle_two(two);
    expect_data(&two->b, "question");
    expect_data(&two->a, "answer");
    assert_int_equal(two->a.status, ASYNCHAT_EOF);
    assert_int_equal(two->b.status, ASYNCHAT_EOF);
}

static void the_clean_end_may_come_before_the_connection_s(void **state)
{
    struct two *two = begin_raw(state);
    set_toy(&two->a, 0, NULL);
    settle_two(two);
    WIRE(two, "D\0\001x\207X\0\0");
    EXPECT_WIRE(two, "X\0\0");
    expect_data(&two->a, "x");
    expect_log(&two->a, "connect eof closed(the peer ended the connection) ");
}

static void who_lingers_opens_nothing(void **state)
{
    struct two *two = begin_up(state);
    if (two->kind == PAIR)
        skip();
    asynchat_pause_reading(two->b.ch);
    settle_two(two);
    push(&two->b, "unread");
    asynchat_close_in_stages(two->a.ch);
    int frames = two->a.toy->frames;
    settle_two(two);
    if (two->a.ch)
        assert_int_equal(two->a.toy->frames, frames);
    asynchat_resume_reading(two->b.ch);
    settle_two(two);
    assert_int_equal(two->b.status, ASYNCHAT_EOF);
}

/* --- failures --- */

static void what_fails_in_opening_ends_both(void **state)
{
    struct two *two = begin_up(state);
    two->b.toy->fail_open = two->b.toy->frames + 2;
    push(&two->a, "one");
    settle_two(two);
    push(&two->a, "two");
    settle_two(two);
    expect_data(&two->b, "onetwo");
    expect_log(&two->b,
               "error(the peer does not speak what was agreed) closed(the "
               "peer does not speak what was agreed) ");
    /* who was told why */
    expect_log(&two->a, "error(the handshake failed) closed(the handshake "
                        "failed) ");
}

static char logged[1024];

static void log_line(const struct asynchat_log_record *record, void *arg)
{
    (void)arg;
    strncat(logged, record->text, sizeof logged - strlen(logged) - 1);
    strncat(logged, "\n", sizeof logged - strlen(logged) - 1);
}

static void the_log_has_the_text_of_the_layer(void **state)
{
    struct two *two = begin_up(state);
    logged[0] = '\0';
    asynchat_set_log(ASYNCHAT_LOG_INFO, log_line, NULL);
    two->b.toy->fail_open = two->b.toy->frames + 1;
    push(&two->a, "one");
    settle_two(two);
    asynchat_set_log(ASYNCHAT_LOG_INFO, NULL, NULL);
    assert_non_null(
        strstr(logged, "does not speak what was agreed: a toy is broken\n"));
}

static void what_fails_in_sealing_ends_both(void **state)
{
    struct two *two = begin_up(state);
    two->a.toy->fail_seal = 2;
    push(&two->a, "one");
    settle_two(two);
    push(&two->a, "two");
    settle_two(two);
    expect_data(&two->b, "one");
    assert_int_equal(two->a.status, ASYNCHAT_EPROTOCOL);
    assert_int_equal(two->b.status, ASYNCHAT_EHANDSHAKE);
}

static void what_fails_in_the_handshake_ends_both(void **state)
{
    struct two *two = begin(state, 4);
    two->b.toy->fail_open = 1;
    two->b.toy->error = ASYNCHAT_EHANDSHAKE;
    settle_two(two);
    expect_log(&two->a,
               "error(the handshake failed) closed(the handshake failed) ");
    expect_log(&two->b,
               "error(the handshake failed) closed(the handshake failed) ");
}

static void a_layer_may_fail_to_have_a_last_word(void **state)
{
    struct two *two = begin_up(state);
    two->a.toy->fail_finish = true;
    asynchat_close_when_done(two->a.ch);
    settle_two(two);
    assert_int_equal(two->a.status, 0);
    assert_int_equal(two->b.status, ASYNCHAT_ECUTOFF);
}

static void the_layer_says_how_the_peer_ended(void **state)
{
    struct two *two = begin_raw(state);
    set_toy(&two->a, 0, NULL);
    settle_two(two);
    two->a.toy->fail_end = true;
    two->a.toy->error = -EBADMSG;
    shutdown(two->peer, SHUT_WR);
    settle_two(two);
    assert_int_equal(two->a.status, -EBADMSG);
}

static void a_layer_that_stands_still(void **state)
{
    struct two *two = begin_up(state);
    two->b.toy->stands = true;
    push(&two->a, "one");
    settle_two(two);
    assert_int_equal(two->b.status, -EPROTO);
}

static void a_layer_that_gives_before_it_is_up(void **state)
{
    struct two *two = begin(state, 2);
    two->b.toy->babbles = true;
    settle_two(two);
    assert_int_equal(two->b.status, -EPROTO);
    expect_data(&two->b, "");
}

/* --- anything in callbacks --- */

static void free_it(struct end *e)
{
    asynchat_channel_free(e->ch);
    e->ch = NULL;
}

static void close_it(struct end *e)
{
    asynchat_close(e->ch);
}

static void abort_it(struct end *e)
{
    asynchat_abort(e->ch);
}

static void any_end_in_any_callback(void **state)
{
    void (*const ends[])(struct end *) = {free_it, close_it, abort_it};
    for (int where = 0; where < 4; where++)
        for (size_t i = 0; i < COUNT(ends); i++) {
            struct two *two = begin(state, 3);
            struct end *e = &two->b;
            e->on_connect = where == 0 ? ends[i] : NULL;
            e->on_data = where == 1 ? ends[i] : NULL;
            e->on_eof = where == 2 ? ends[i] : NULL;
            e->on_error = where == 3 ? ends[i] : NULL;
            e->toy->talks = 1;
            if (where == 3)
                e->toy->fail_open = 3;
            push(&two->a, "one");
            push(e, "two");
            asynchat_close_when_done(two->a.ch);
            settle_two(two);
            assert_null(e->ch);
            asynchat_channel_free(two->a.ch);
            two->a.ch = NULL;
        }
}

/* --- the border --- */

static void the_layer_begins_behind_what_was_pushed(void **state)
{
    struct two *two = begin_raw(state);
    settle_two(two);
    push(&two->a, "go\n");
    set_toy(&two->a, 2, &with_up);
    push(&two->a, "x");
    EXPECT_WIRE(two, "go\n" HELLO);
    expect_log(&two->a, "connect ");
    WIRE(two, HELLO "D\0\001y\206");
    EXPECT_WIRE(two, "D\0\001x\207");
    expect_log(&two->a, "up ");
    expect_data(&two->a, "y");
}

static void start_toy(struct end *e)
{
    if (e->toy || !memchr(e->got, '\n', e->got_len))
        return;
    push(e, "go\n");
    set_toy(e, 1, &with_up);
    push(e, "x");
}

static void set_lines(struct end *e)
{
    assert_int_equal(asynchat_set_terminator(e->ch, "\n", 1), 0);
}

static void found(struct asynchat_channel *ch, void *arg)
{
    struct end *e = arg;
    (void)ch;
    e->got[e->got_len++] = '\n';
    start_toy(e);
}

/* STARTTLS: the peer's first words may have come with the line that asks. */
static void early_words_go_into_the_layer(void **state)
{
    struct asynchat_handler lines = handler;
    lines.found_terminator = found;
    struct two *two = *state;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    two->peer = fds[1];
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    two->a.on_connect = set_lines;
    assert_int_equal(asynchat_channel_new_socket(two->base, fds[0], &lines,
                                                 &two->a, &two->a.ch),
                     0);
    settle_two(two);
    WIRE(two, "START\nD\0\002i\226\n\365");
    EXPECT_WIRE(two, "go\n" HELLO "D\0\001x\207");
    assert_int_equal(two->a.got_len, 8);
    assert_memory_equal(two->a.got, "START\ni\n", 8);
    expect_log(&two->a, "connect up ");
}

static void early_words_may_be_refused(void **state)
{
    struct two *two = begin_raw(state);
    const struct asynchat_layer_options options = {
        .size = sizeof options, .flags = ASYNCHAT_LAYER_REFUSE_EARLY};
    settle_two(two);
    asynchat_pause_reading(two->a.ch);
    WIRE(two, "early");
    settle_two(two);
    asynchat_resume_reading(two->a.ch);
    asynchat_pause_reading(two->a.ch);
    settle_two(two);
    asynchat_resume_reading(two->a.ch);
    two->a.on_data = NULL;
    settle_two(two);
    expect_data(&two->a, "early");
    assert_int_equal(asynchat_set_terminator(two->a.ch, "xyz", 3), 0);
    WIRE(two, "xy"); /* which is held back */
    settle_two(two);
    set_toy(&two->a, 2, &options);
    settle_two(two);
    expect_data(&two->a, "");
    assert_int_equal(two->a.status, ASYNCHAT_EPROTOCOL);
    EXPECT_WIRE(two, "");
}

static void who_refuses_early_words_may_free(void **state)
{
    struct two *two = begin_raw(state);
    const struct asynchat_layer_options options = {
        .size = sizeof options, .flags = ASYNCHAT_LAYER_REFUSE_EARLY};
    settle_two(two);
    assert_int_equal(asynchat_set_terminator(two->a.ch, "xyz", 3), 0);
    WIRE(two, "xy");
    settle_two(two);
    two->a.on_error = free_it;
    set_toy(&two->a, 2, &options);
    settle_two(two);
    expect_log(&two->a,
               "connect error(the peer does not speak what was agreed) ");
}

static void what_was_held_back_is_forgotten(void **state)
{
    struct two *two = begin_raw(state);
    settle_two(two);
    assert_int_equal(asynchat_set_terminator(two->a.ch, "xyz", 3), 0);
    WIRE(two, "xy");
    settle_two(two);
    set_toy(&two->a, 0, &with_up);
    settle_two(two);
    WIRE(two, "D\0\001z\205");
    settle_two(two);
    expect_data(&two->a, "z");
}

static void much_goes_before_the_border(void **state)
{
    struct two *two = *state;
    if (two->kind == PAIR)
        make_pair(two);
    else
        make_sockets(two);
    settle_two(two);
    const size_t len = 1 << 20;
    char *text = big(len);
    asynchat_pause_reading(two->b.ch);
    assert_int_equal(asynchat_push(two->a.ch, text, len), 0);
    assert_int_equal(asynchat_push_producer(
                         two->a.ch, asynchat_producer_simple(text, len, 4096)),
                     0);
    set_toy(&two->a, 1, &with_up);
    push(&two->a, "sealed");
    settle_two(two);
    expect_log(&two->a, "connect ");
    asynchat_resume_reading(two->b.ch);
    for (int i = 0; i < 50 && two->b.got_len < 2 * len; i++)
        settle_two(two);
    settle_two(two);
    expect_log(&two->a, "up ");
    assert_int_equal(two->b.got_len, 2 * len + 3 + 3 + 12);
    assert_memory_equal(two->b.got, text, len);
    assert_memory_equal(two->b.got + len, text, len);
    assert_memory_equal(two->b.got + 2 * len, "H\0\0D\0\006s", 7);
    free(text);
}

static void discarding_does_not_take_the_border_away(void **state)
{
    struct two *two = begin_raw(state);
    settle_two(two);
    push(&two->a, "go\n");
    assert_int_equal(asynchat_push_producer(
                         two->a.ch, asynchat_producer_simple("a", 1, 4096)),
                     0);
    set_toy(&two->a, 2, NULL);
    push(&two->a, "dropped");
    asynchat_discard_buffers(two->a.ch);
    push(&two->a, "x");
    EXPECT_WIRE(two, HELLO);
    WIRE(two, HELLO);
    EXPECT_WIRE(two, "D\0\001x\207");
}

static void closing_when_done_waits_for_the_layer(void **state)
{
    struct two *two = begin_raw(state);
    settle_two(two);
    push(&two->a, "go\n");
    set_toy(&two->a, 2, NULL);
    push(&two->a, "x");
    asynchat_close_when_done(two->a.ch);
    EXPECT_WIRE(two, "go\n" HELLO);
    WIRE(two, HELLO);
    EXPECT_WIRE(two, "D\0\001x\207X\0\0");
    expect_log(&two->a, "connect closed(success) ");
}

static void a_channel_may_end_before_its_border(void **state)
{
    void (*const ends[])(struct end *) = {free_it, close_it, abort_it};
    for (size_t i = 0; i < COUNT(ends); i++) {
        struct two *two = *state;
        make_sockets(two);
        settle_two(two);
        asynchat_pause_reading(two->b.ch);
        settle_two(two);
        char *text = big(1 << 20);
        assert_int_equal(asynchat_push(two->a.ch, text, 1 << 20), 0);
        set_toy(&two->a, 2, NULL);
        settle_two(two);
        ends[i](&two->a);
        settle_two(two);
        assert_null(two->a.ch);
        assert_int_equal(toys, 0);
        free_it(&two->b);
        free(text);
    }
}

static void the_peer_may_end_before_the_border(void **state)
{
    struct two *two = begin_raw(state);
    settle_two(two);
    char *text = big(1 << 20);
    assert_int_equal(asynchat_push(two->a.ch, text, 1 << 20), 0);
    set_toy(&two->a, 2, NULL);
    push(&two->a, "never in plain text");
    settle_two(two);
    shutdown(two->peer, SHUT_WR);
    for (int i = 0; i < 100 && two->a.ch; i++) {
        char got[65536];
        settle_two(two);
        ssize_t n = read(two->peer, got, sizeof got);
        assert_null(n > 0 ? memmem(got, (size_t)n, "never", 5) : NULL);
    }
    assert_null(two->a.ch);
    free(text);
}

static void free_when_up(struct end *e)
{
    free_it(e);
}

static void up_may_do_anything(void **state)
{
    void (*const ends[])(struct end *) = {free_when_up, close_it, abort_it};
    for (size_t i = 0; i < COUNT(ends); i++) {
        struct two *two = begin_raw(state);
        settle_two(two);
        two->a.on_up = ends[i];
        set_toy(&two->a, 2, &with_up);
        settle_two(two);
        WIRE(two, HELLO "D\0\001x\207");
        settle_two(two);
        assert_null(two->a.ch);
        expect_data(&two->a, "");
        close(two->peer);
        two->peer = -1;
    }
}

static void a_border_s_handshake_has_its_time(void **state)
{
    struct two *two = begin_raw(state);
    settle_two(two);
    set_toy(&two->a, 2, NULL);
    settle_two(two);
    clock_advance(10000);
    settle_two(two);
    assert_int_equal(two->a.status, ASYNCHAT_ELATE);
}

/* --- asking --- */

static void a_layer_is_asked_for_by_its_kind(void **state)
{
    struct two *two = begin(state, 1);
    struct asynchat_layer_ops other = toy_ops;
    assert_ptr_equal(asynchat_get_layer(two->a.ch, &toy_ops), two->a.toy);
    assert_null(asynchat_get_layer(two->a.ch, &other));
    assert_null(asynchat_get_layer(NULL, &toy_ops));
}

static int refused(struct asynchat_channel *ch,
                   const struct asynchat_layer_ops *ops,
                   const struct asynchat_layer_options *options)
{
    struct toy *toy = toy_new(true);
    int error = asynchat_set_layer(ch, ops, toy, options);
    if (error)
        toy_ops.release(toy);
    return error;
}

static void what_is_refused(void **state)
{
    struct two *two = begin_raw(state);
    struct asynchat_channel *ch = two->a.ch;
    struct asynchat_layer_ops ops = toy_ops;
    struct asynchat_layer_options options = {.size = sizeof options};
    assert_int_equal(refused(NULL, &toy_ops, NULL), -EINVAL);
    assert_int_equal(refused(ch, NULL, NULL), -EINVAL);
    ops.size--;
    assert_int_equal(refused(ch, &ops, NULL), -EINVAL);
    ops = toy_ops;
    ops.seal = NULL;
    assert_int_equal(refused(ch, &ops, NULL), -EINVAL);
    options.flags = 2;
    assert_int_equal(refused(ch, &toy_ops, &options), -EINVAL);
    options.flags = 0;
    options.time = 1u << 31;
    assert_int_equal(refused(ch, &toy_ops, &options), -EINVAL);
    options.time = 0;
    options.size = 1;
    assert_int_equal(refused(ch, &toy_ops, &options), -EINVAL);
    assert_null(asynchat_get_layer(ch, &toy_ops));
    assert_int_equal(refused(ch, &toy_ops, NULL), 0);
    assert_int_equal(refused(ch, &toy_ops, NULL), -EBUSY);
    asynchat_close(ch);
    assert_int_equal(refused(ch, &toy_ops, NULL), ASYNCHAT_ECLOSED);
}

static void a_bufferevent_of_the_program_s_has_none(void **state)
{
    struct two *two = *state;
    struct bufferevent *bevs[2];
    assert_int_equal(bufferevent_pair_new(two->base, 0, bevs), 0);
    assert_int_equal(
        asynchat_channel_new(bevs[0], 0, &handler, &two->a, &two->a.ch), 0);
    assert_int_equal(refused(two->a.ch, &toy_ops, NULL), -ENOTSUP);
    bufferevent_free(bevs[1]);
}

static void a_channel_that_is_told_to_close_has_none(void **state)
{
    struct two *two = begin_raw(state);
    settle_two(two);
    asynchat_close_when_done(two->a.ch);
    assert_int_equal(refused(two->a.ch, &toy_ops, NULL), ASYNCHAT_ECLOSED);
}

/* --- others --- */

static void a_child_says_nothing(void **state)
{
    struct two *two = begin_raw(state);
    set_toy(&two->a, 0, NULL);
    settle_two(two);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        asynchat_channel_free(two->a.ch);
        child_exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    EXPECT_WIRE(two, "");
    push(&two->a, "x");
    EXPECT_WIRE(two, "D\0\001x\207");
}

static int make_toy(struct asynchat_channel *ch, void *arg)
{
    struct toy *toy = toy_new(false);
    (void)arg;
    toy->steps = 2;
    int error = asynchat_set_layer(ch, &toy_ops, toy, NULL);
    if (error)
        toy_ops.release(toy);
    return error;
}

static int make_none(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
    return -EACCES;
}

static void read_all(int fd, char *to, size_t len)
{
    while (len > 0) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&ready, 1, 10000), 1);
        ssize_t n = read(fd, to, len);
        assert_true(n > 0);
        to += n;
        len -= (size_t)n;
    }
}

static void a_server_s_channels_have_layers(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    char got[16];
    assert_int_equal(asynchat_server_set_layer(NULL, make_toy, NULL), -EINVAL);
    assert_int_equal(asynchat_server_set_layer(f->server, make_toy, NULL), 0);
    int fd = dial_server(f);
    assert_int_equal(write(fd, HELLO, 3), 3);
    turn(f);
    assert_int_equal(connected, 1);
    read_all(fd, got, 3);
    assert_memory_equal(got, HELLO, 3);
    assert_int_equal(write(fd, "D\0\002a\236\n\365", 7), 7);
    turn(f);
    read_all(fd, got, 7);
    assert_memory_equal(got, "D\0\002a\236\n\365", 7);
    hang_up(f, fd);
    turn(f);
    assert_int_equal(closed, 1);
    assert_int_equal(toys, 0);
}

static void a_channel_that_has_no_layer_ends(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    assert_int_equal(asynchat_server_set_layer(f->server, make_none, NULL), 0);
    int fd = dial_server(f);
    turn(f);
    assert_int_equal(connected, 0);
    assert_int_equal(closed, 1);
    hang_up(f, fd);
}

static void who_is_turned_away_is_sent_no_plain_text(void **state)
{
    const struct asynchat_server_options options = {
        .size = sizeof options, .max_connections = 1, .turn_away = "busy\n"};
    struct fixture *f = serve_with(state, "127.0.0.1:0", &options);
    char got[16];
    assert_int_equal(asynchat_server_set_layer(f->server, make_toy, NULL), 0);
    int first = dial_server(f);
    turn(f);
    int second = dial_server(f);
    turn(f);
    assert_int_equal(read(second, got, sizeof got), 0);
    close(second);
    hang_up(f, first);
}

static void a_client_has_a_layer(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    struct two two = {.base = f->base};
    char text[ASYNCHAT_ADDRESS_SIZE];
    two.a.two = &two;
    two.a.got = malloc(16);
    assert_non_null(two.a.got);
    assert_int_equal(asynchat_server_set_layer(f->server, make_toy, NULL), 0);
    assert_int_equal(asynchat_server_address(f->server, text, sizeof text), 0);
    assert_int_equal(
        asynchat_connect(f->base, text, 1000, &handler, &two.a, &two.a.ch), 0);
    push(&two.a, "a");
    set_toy(&two.a, 2, NULL);
    push(&two.a, "\n");
    for (int i = 0; i < 100 && two.a.got_len < 2; i++)
        turn(f);
    expect_log(&two.a, "connect ");
    assert_int_equal(two.a.got_len, 2);
    assert_memory_equal(two.a.got, "a\n", 2);
    clock_advance(20000);
    turn(f);
    expect_log(&two.a, "");
    asynchat_close(two.a.ch);
    turn(f);
    assert_int_equal(toys, 0);
    free(two.a.got);
}

static void who_cannot_connect_releases_the_layer(void **state)
{
    struct two *two = *state;
    assert_int_equal(asynchat_connect(two->base, "unix:/no/such/path", 0,
                                      &handler, &two->a, &two->a.ch),
                     0);
    set_toy(&two->a, 2, NULL);
    settle_two(two);
    assert_int_equal(two->a.status, -ENOENT);
    assert_int_equal(toys, 0);
}

static void workers_channels_have_layers(void **state)
{
    struct fixture *f = *state;
    struct asynchat_workers *workers;
    char got[8];
    assert_int_equal(asynchat_workers_new(2, NULL, NULL, &workers), 0);
    const struct asynchat_server_options options = {.size = sizeof options,
                                                    .workers = workers};
    serve_with(state, "127.0.0.1:0", &options);
    assert_int_equal(asynchat_server_set_layer(f->server, make_toy, NULL), 0);
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = dial_server(f);
        turn(f);
        assert_int_equal(write(fds[i], HELLO, 3), 3);
        read_all(fds[i], got, 3);
        assert_memory_equal(got, HELLO, 3);
        assert_int_equal(write(fds[i], "D\0\002a\236\n\365", 7), 7);
        read_all(fds[i], got, 7);
        assert_memory_equal(got, "D\0\002a\236\n\365", 7);
    }
    assert_int_equal(asynchat_workers_free(workers), 0);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    assert_int_equal(toys, 0);
}

#define ON(kind, test)                                                         \
    {                                                                          \
#test " over " #kind, test, setup, teardown, (void *)(intptr_t)kind    \
    }
#define ON_ALL(test) ON(PAIR, test), ON(SOCKET, test), ON(SMALL, test)
#define ON_SOCKET(test) ON(SOCKET, test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_SOCKET(handle_connect_waits_until_the_layer_is_up),
        ON_ALL(a_layer_without_a_handshake_is_up_at_once),
        ON_ALL(handshakes_of_any_length),
        ON_SOCKET(what_is_pushed_before_waits),
        ON_SOCKET(a_pause_does_not_keep_the_handshake),
        ON_SOCKET(a_handshake_that_takes_too_long),
        ON_SOCKET(the_time_can_be_set),
        ON_SOCKET(a_handshake_may_take_for_ever),
        ON_ALL(the_time_ends_with_the_handshake),
        ON_SOCKET(a_peer_that_goes_in_the_handshake),
        ON_ALL(much_goes_both_ways),
        ON_ALL(small_pushes_share_a_piece),
        ON_ALL(small_references_share_a_piece),
        ON_ALL(producers_and_references),
        ON_SOCKET(own_words_ride_along),
        ON_SOCKET(own_words_leave_alone_when_nothing_is_answered),
        ON_ALL(a_layer_speaks_by_itself),
        ON_SOCKET(later_is_the_next_pass),
        ON_ALL(a_pause_keeps_what_is_not_opened),
        ON_ALL(later_comes_to_who_is_to_end_between_messages),
        ON_SOCKET(the_same_with_more_than_one_to_open),
        ON_ALL(a_budget_of_messages),
        ON_ALL(a_rate_is_about_plain_bytes),
        ON_ALL(counters_are_about_plain_bytes),
        ON_ALL(the_end_is_clean_behind_the_last_word),
        ON_ALL(closing_says_the_last_word),
        ON_ALL(freeing_says_the_last_word),
        ON_ALL(aborting_says_none),
        ON(SOCKET, nobody_says_the_last_word_with_output_dropped),
        ON(SMALL, nobody_says_the_last_word_with_output_dropped),
        ON_ALL(output_that_the_program_discards_does_not_count),
        ON_ALL(a_file_that_is_too_short_is_no_clean_end),
        ON_SOCKET(a_layer_that_was_never_up_has_no_last_word),
        ON_ALL(only_one_side_ends),
        ON_SOCKET(the_clean_end_may_come_before_the_connection_s),
        ON_ALL(who_lingers_opens_nothing),
        ON_ALL(what_fails_in_opening_ends_both),
        ON_SOCKET(the_log_has_the_text_of_the_layer),
        ON_ALL(what_fails_in_sealing_ends_both),
        ON_ALL(what_fails_in_the_handshake_ends_both),
        ON_ALL(a_layer_may_fail_to_have_a_last_word),
        ON_SOCKET(the_layer_says_how_the_peer_ended),
        ON_ALL(a_layer_that_stands_still),
        ON_ALL(a_layer_that_gives_before_it_is_up),
        ON_ALL(any_end_in_any_callback),
        ON_SOCKET(the_layer_begins_behind_what_was_pushed),
        ON_SOCKET(early_words_go_into_the_layer),
        ON_SOCKET(early_words_may_be_refused),
        ON_SOCKET(who_refuses_early_words_may_free),
        ON_SOCKET(what_was_held_back_is_forgotten),
        ON_ALL(much_goes_before_the_border),
        ON_SOCKET(discarding_does_not_take_the_border_away),
        ON_SOCKET(closing_when_done_waits_for_the_layer),
        ON_SOCKET(a_channel_may_end_before_its_border),
        ON_SOCKET(the_peer_may_end_before_the_border),
        ON_SOCKET(up_may_do_anything),
        ON_SOCKET(a_border_s_handshake_has_its_time),
        ON_ALL(a_layer_is_asked_for_by_its_kind),
        ON_SOCKET(what_is_refused),
        ON_SOCKET(a_bufferevent_of_the_program_s_has_none),
        ON_SOCKET(a_channel_that_is_told_to_close_has_none),
        ON_SOCKET(a_child_says_nothing),
        ON_SOCKET(who_cannot_connect_releases_the_layer),
        OVER(TCP, a_server_s_channels_have_layers),
        OVER(TCP, a_channel_that_has_no_layer_ends),
        OVER(TCP, who_is_turned_away_is_sent_no_plain_text),
        OVER(TCP, a_client_has_a_layer),
        OVER(TCP, workers_channels_have_layers),
    };
    cmocka_set_test_filter(getenv("ONLY"));
    return RUN(tests);
}
