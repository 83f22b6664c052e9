/* The settings of a channel, all at once. SPDX-License-Identifier:
 * BSD-3-Clause */
#include "serving.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

static const struct asynchat_timeouts times = {.size = sizeof times,
                                               .read_idle = 1};
static const struct asynchat_options all = {.size = sizeof all,
                                            .message_limit = 4,
                                            .output_limit = 1000,
                                            .low_mark = 10,
                                            .high_mark = 20,
                                            .in_buffer_size = 3,
                                            .out_buffer_size = 70000,
                                            .message_budget = 5,
                                            .linger = 77,
                                            .quick_ack = 1};

static void expect_all(const struct asynchat_channel *ch)
{
    assert_int_equal(asynchat_get_message_limit(ch), 4);
    assert_int_equal(asynchat_get_output_limit(ch), 1000);
    assert_int_equal(asynchat_get_in_buffer_size(ch), 3);
    assert_int_equal(asynchat_get_out_buffer_size(ch), 70000);
    assert_int_equal(asynchat_get_message_budget(ch), 5);
    assert_int_equal(asynchat_get_linger(ch), 77);
    assert_int_equal(asynchat_get_quick_ack(ch), 1);
}

static void expect_usual(const struct asynchat_channel *ch)
{
    assert_int_equal(asynchat_get_message_limit(ch), SIZE_MAX);
    assert_int_equal(asynchat_get_output_limit(ch), 64 << 20);
    assert_int_equal(asynchat_get_in_buffer_size(ch), 65536);
    assert_int_equal(asynchat_get_out_buffer_size(ch), 65536);
    assert_int_equal(asynchat_get_message_budget(ch), UINT_MAX);
    assert_int_equal(asynchat_get_linger(ch), 30000);
    assert_int_equal(asynchat_get_quick_ack(ch), 0);
}

static void all_are_set(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_options(f->ch, &all), 0);
    expect_all(f->ch);
}

static void what_is_0_stays(void **state)
{
    struct fixture *f = start(state);
    static const struct asynchat_options none = {.size = sizeof none};
    assert_int_equal(asynchat_set_options(f->ch, &none), 0);
    expect_usual(f->ch);
    assert_int_equal(asynchat_set_options(f->ch, &all), 0);
    assert_int_equal(asynchat_set_options(f->ch, &none), 0);
    expect_all(f->ch);
}

static int say_later(struct asynchat_channel *ch, struct evbuffer *out,
                     size_t room, void *arg)
{
    (void)ch;
    (void)out;
    (void)room;
    (void)arg;
    return ASYNCHAT_LATER;
}

static void count_pressure(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    ((struct fixture *)arg)->count++;
}

/* A producer that waits counts as 512 bytes. */
static void marks_are_set(void **state)
{
    static const struct asynchat_producer_ops ops = {.size = sizeof ops,
                                                     .more = say_later};
    struct asynchat_handler pressed = recorder;
    pressed.handle_pressure = count_pressure;
    struct fixture *f = start_with(state, &pressed);
    struct asynchat_options marks = {.size = sizeof marks, .high_mark = 600};
    struct asynchat_producer *producer;
    assert_int_equal(asynchat_set_options(f->ch, &marks), 0);
    assert_int_equal(asynchat_producer_new(&ops, NULL, &producer), 0);
    assert_int_equal(asynchat_push_producer(f->ch, producer), 0);
    settle(f);
    assert_int_equal(f->count, 0);
    marks.high_mark = 500;
    marks.low_mark = 499;
    assert_int_equal(asynchat_set_options(f->ch, &marks), 0);
    settle(f);
    assert_int_equal(f->count, 1);
    close_connection(f);
}

static void times_are_set(void **state)
{
    struct fixture *f = start(state);
    const struct asynchat_options options = {.size = sizeof options,
                                             .timeouts = &times};
    assert_int_equal(asynchat_set_options(f->ch, &options), 0);
    settle_closed(f);
    assert_int_equal(f->status, ASYNCHAT_EIDLE);
}

/* Checks that wrong settings are refused, and that none of them is set. */
static void refused(struct fixture *f, struct asynchat_options wrong, int error)
{
    assert_int_equal(asynchat_set_options(f->ch, &wrong), error);
    expect_usual(f->ch);
}

static void wrong_ones_are_refused_together(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_timeouts wrong = times;
    struct asynchat_options o = all;
    wrong.idle = UINT_MAX;
    assert_int_equal(asynchat_set_options(NULL, &all), -EINVAL);
    assert_int_equal(asynchat_set_options(f->ch, NULL), -EINVAL);
    o.size = offsetof(struct asynchat_options, quick_ack) - 1;
    refused(f, o, -EINVAL);
    o = all, o.low_mark = 20;
    refused(f, o, -EINVAL);
    o = all, o.high_mark = 0;
    refused(f, o, -EINVAL);
    o = all, o.linger = UINT_MAX;
    refused(f, o, -EINVAL);
    o = all, o.in_buffer_size = (size_t)ASYNCHAT_BUFFER_SIZE_MAX + 1;
    refused(f, o, -EINVAL);
    o = all, o.out_buffer_size = (size_t)ASYNCHAT_BUFFER_SIZE_MAX + 1;
    refused(f, o, -EINVAL);
    o = all, o.quick_ack = 2;
    refused(f, o, -EINVAL);
    o = all, o.timeouts = &wrong;
    refused(f, o, -EINVAL);
}

static void fields_of_later_versions_are_refused(void **state)
{
    struct fixture *f = start(state);
    struct {
        struct asynchat_options known;
        size_t later;
    } o = {.known = all};
    o.known.size = sizeof o;
    assert_int_equal(asynchat_set_options(f->ch, &o.known), 0);
    o.later = 1;
    assert_int_equal(asynchat_set_options(f->ch, &o.known), -ENOTSUP);
}

/* --- want of memory --- */

static unsigned failing; /* which allocation of the library fails; 0: none */

static void *get_memory(size_t size)
{
    return failing > 0 && --failing == 0 ? NULL : malloc(size);
}

/* What needs memory is set first, so the rest is as it was. */
static void without_memory_nothing_is_set(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_options o = all;
    o.timeouts = &times;
    failing = 1;
    int error = asynchat_set_options(f->ch, &o);
    failing = 0;
    assert_int_equal(error, -ENOMEM);
    expect_usual(f->ch);
    assert_int_equal(asynchat_set_options(f->ch, &all), 0);
    expect_all(f->ch);
}

/* --- of a server --- */

static void expect_all_at_once(struct asynchat_channel *ch, void *arg)
{
    struct fixture *f = arg;
    expect_all(ch);
    f->count++;
}

static const struct asynchat_handler asked = {
    .size = sizeof asked, .handle_connect = expect_all_at_once};

static struct fixture *serve_settings(void **state,
                                      const struct asynchat_options *options)
{
    struct fixture *f = *state;
    const struct asynchat_server_options o = {.size = sizeof o,
                                              .channels = options};
    assert_int_equal(
        asynchat_server_new(f->base, "127.0.0.1:0", &asked, f, &o, &f->server),
        0);
    return f;
}

/* The server has a copy. */
static void a_server_s_channels_begin_with_them(void **state)
{
    struct asynchat_timeouts my_times = times;
    struct asynchat_options mine = all;
    my_times.read_idle = 20;
    mine.timeouts = &my_times;
    struct fixture *f = serve_settings(state, &mine);
    memset(&mine, 0, sizeof mine);
    memset(&my_times, 0, sizeof my_times);
    int fds[2] = {dial_server(f), dial_server(f)};
    for (int i = 0; i < 100 && asynchat_server_connections(f->server) == 0; i++)
        event_base_loop(f->base, EVLOOP_ONCE);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    assert_int_equal(f->count, 2);
    while (asynchat_server_connections(f->server) > 0)
        event_base_loop(f->base, EVLOOP_ONCE);
    for (int i = 0; i < 2; i++)
        hang_up(f, fds[i]);
}

static void a_server_refuses_wrong_ones(void **state)
{
    struct fixture *f = *state;
    struct asynchat_options wrong = {.size = sizeof wrong, .low_mark = 1};
    const struct asynchat_server_options o = {
        .size = sizeof o, .turn_away = "full", .channels = &wrong};
    assert_int_equal(refusal(f, "127.0.0.1:0", &asked, &o), -EINVAL);
}

/* Each allocation of a new server fails in turn. */
static void a_server_without_memory_for_them_is_not_made(void **state)
{
    struct fixture *f = *state;
    const struct asynchat_server_options o = {.size = sizeof o,
                                              .channels = &all};
    unsigned n = 0;
    int error;
    do {
        failing = ++n;
        error = asynchat_server_new(f->base, "127.0.0.1:0", &asked, f, &o,
                                    &f->server);
        failing = 0;
        assert_true(error == 0 || f->server == NULL);
    } while (error == -ENOMEM);
    assert_int_equal(error, 0);
    assert_true(n > 2);
}

/* What becomes of channels that may have no memory for their settings. */
static void count_error(struct asynchat_channel *ch, int error, void *arg)
{
    struct fixture *f = arg;
    (void)ch;
    f->status = error;
}

static void count_end(struct asynchat_channel *ch, int status, void *arg)
{
    struct fixture *f = arg;
    (void)ch;
    assert_int_equal(status, f->status ? f->status : ASYNCHAT_EOF);
    f->log_len += f->status != 0;
}

static const struct asynchat_handler counted = {.size = sizeof counted,
                                                .handle_connect =
                                                    expect_all_at_once,
                                                .handle_error = count_error,
                                                .handle_close = count_end};

/* Each allocation of an accepted connection fails in turn: the channel comes
 * later, or ends without handle_connect. Then the server goes on. */
static void a_channel_without_memory_for_them_ends(void **state)
{
    struct fixture *f = *state;
    static const struct asynchat_timeouts long_times = {
        .size = sizeof long_times, .read_idle = 60000};
    struct asynchat_options mine = all;
    const struct asynchat_server_options o = {.size = sizeof o,
                                              .channels = &mine};
    mine.timeouts = &long_times;
    assert_int_equal(asynchat_server_new(f->base, "127.0.0.1:0", &counted, f,
                                         &o, &f->server),
                     0);
    unsigned n = 0, left;
    do {
        int fd = dial_server(f), before = f->count;
        size_t ended = f->log_len;
        f->status = 0;
        failing = ++n;
        while (f->count == before && f->log_len == ended)
            event_base_loop(f->base, EVLOOP_ONCE);
        left = failing;
        failing = 0;
        if (f->log_len > ended) {
            assert_int_equal(f->status, -ENOMEM);
            assert_int_equal(f->count, before);
            close(fd);
        } else {
            hang_up(f, fd);
        }
    } while (left == 0);
    assert_true(n > 2);
    assert_int_equal(f->log_len, 1);
    f->log_len = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_ALL(all_are_set),
        OVER_ALL(what_is_0_stays),
        OVER_ALL(marks_are_set),
        OVER_ALL(times_are_set),
        OVER(PAIR, wrong_ones_are_refused_together),
        OVER(PAIR, fields_of_later_versions_are_refused),
        OVER(TCP, a_server_s_channels_begin_with_them),
        OVER(TCP, a_server_refuses_wrong_ones),
        OVER_ALL(without_memory_nothing_is_set),
        OVER(TCP, a_server_without_memory_for_them_is_not_made),
        OVER(TCP, a_channel_without_memory_for_them_ends),
    };
    if (asynchat_set_mem_functions(get_memory, realloc, free) != 0)
        return 1;
    return RUN(tests);
}
