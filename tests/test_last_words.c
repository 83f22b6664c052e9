/* The output that is still sent when a channel ends by an error: the bytes that
 * handle_error pushes, or nothing. Time passes only when a test says so.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"
#include "fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#define MUCH (16u << 20) /* more bytes than fit into all buffers */

/* There is no memory for a message. Volatile, since compilers take it for
 * granted that an allocator reads no variable of the program. */
static volatile bool no_memory;

/* The test is linked with --wrap for this function. */
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return no_memory ? NULL : __real_aligned_alloc(alignment, size);
}

static void say_bye(struct fixture *f)
{
    f->count = asynchat_push(f->ch, "bye", 3);
}

static void pass(struct fixture *f, long milliseconds)
{
    turn_loop(f);
    clock_advance(milliseconds);
    turn_loop(f);
}

static void push_much(struct fixture *f)
{
    char *data = big(MUCH);
    assert_int_equal(asynchat_push(f->ch, data, MUCH), 0);
    free(data);
    turn_loop(f);
}

/* --- what goes wrong --- */

static void a_message_is_too_long(struct fixture *f)
{
    assert_int_equal(asynchat_set_message_limit(f->ch, 4), 0);
    feed_string(f, "hello");
}

static void for_a_message_there_is_no_memory(struct fixture *f)
{
    char *data = big(10000);
    assert_int_equal(asynchat_set_terminator(f->ch, "\n", 1), 0);
    no_memory = true;
    feed(f, data, 10000);
    turn_loop(f);
    no_memory = false;
    free(data);
}

static void set_times(struct fixture *f, struct asynchat_timeouts times)
{
    times.size = sizeof times;
    assert_int_equal(asynchat_set_timeouts(f->ch, &times), 0);
}

static void nothing_moves(struct fixture *f)
{
    set_times(f, (struct asynchat_timeouts){.idle = 1000});
    pass(f, 1000);
}

static void nothing_comes(struct fixture *f)
{
    set_times(f, (struct asynchat_timeouts){.read_idle = 1000});
    pass(f, 1000);
}

static void a_message_takes_too_long(struct fixture *f)
{
    set_times(f, (struct asynchat_timeouts){.message = 1000});
    set_crlf(f);
    feed_string(f, "he");
    pass(f, 1000);
}

static void a_message_comes_too_slowly(struct fixture *f)
{
    set_times(f, (struct asynchat_timeouts){.min_rate = 10, .rate_time = 1000});
    set_crlf(f);
    feed_string(f, "he");
    pass(f, 1000);
}

static void a_request_is_late(struct fixture *f)
{
    assert_int_equal(asynchat_set_deadline(f->ch, 1000), 0);
    pass(f, 1000);
}

static int fails(struct asynchat_channel *ch, struct evbuffer *out, size_t room,
                 void *arg)
{
    (void)ch;
    (void)out;
    (void)room;
    (void)arg;
    return -EIO;
}

static void a_producer_fails(struct fixture *f)
{
    static const struct asynchat_producer_ops ops = {.size = sizeof ops,
                                                     .more = fails};
    struct asynchat_producer *producer;
    assert_int_equal(asynchat_producer_new(&ops, NULL, &producer), 0);
    assert_int_equal(asynchat_push_producer(f->ch, producer), 0);
}

static void a_file_is_too_short(struct fixture *f)
{
    char name[] = "/tmp/asynchat-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(
        asynchat_push_producer(f->ch, asynchat_producer_file(fd, 0, 5)), 0);
    turn_loop(f);
}

static void too_much_is_queued(struct fixture *f)
{
    assert_int_equal(asynchat_set_output_limit(f->ch, 1), 0);
    assert_int_equal(asynchat_push(f->ch, "one", 3), 0);
    assert_int_equal(asynchat_push(f->ch, "two", 3), ASYNCHAT_EFULL);
}

static void for_a_push_there_is_no_memory(struct fixture *f)
{
    assert_int_equal(asynchat_push_producer(f->ch, NULL), -ENOMEM);
}

static void the_peer_takes_nothing(struct fixture *f)
{
    set_times(f, (struct asynchat_timeouts){.write_idle = 1000});
    push_much(f);
    pass(f, 1000);
}

static void a_closing_peer_takes_nothing(struct fixture *f)
{
    push_much(f);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    pass(f, 30000);
}

static void the_peer_resets(struct fixture *f)
{
    feed_reset(f);
}

static void the_peer_resets_with_output_waiting(struct fixture *f)
{
    push_much(f);
    feed_reset(f);
}

static void forget_server(void *arg)
{
    ((struct fixture *)arg)->server = NULL;
}

static void the_server_stops(struct fixture *f)
{
    set_crlf(f);
    feed_string(f, "he");
    settle(f);
    assert_int_equal(asynchat_server_stop(f->server, 10, forget_server, f), 0);
    pass(f, 10);
}

static void push_queued(struct fixture *f)
{
    assert_int_equal(asynchat_push(f->ch, "queued", 6), 0);
}

/* The peer does not read before the time is up. */
static void stop_with_much_waiting(struct fixture *f)
{
    set_crlf(f);
    feed_string(f, "he");
    push_much(f);
    assert_int_equal(asynchat_server_stop(f->server, 10, forget_server, f), 0);
}

static void the_server_stops_with_little_waiting(struct fixture *f)
{
    set_crlf(f);
    feed_string(f, "he");
    turn_loop(f);
    assert_int_equal(asynchat_server_stop(f->server, 10, forget_server, f), 0);
    turn_loop(f);
    push_queued(f);
    pass(f, 10);
}

static void the_server_stops_with_much_waiting(struct fixture *f)
{
    stop_with_much_waiting(f);
    pass(f, 10);
}

static void the_server_stops_and_the_channel_closes(struct fixture *f)
{
    stop_with_much_waiting(f);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    pass(f, 10);
}

/* --- when the program had ended the output before --- */

static void a_message_of_a_closing_channel_is_too_long(struct fixture *f)
{
    assert_int_equal(asynchat_push(f->ch, "queued", 6), 0);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    a_message_is_too_long(f);
}

static void nothing_comes_after_the_output(struct fixture *f)
{
    assert_int_equal(asynchat_push(f->ch, "queued", 6), 0);
    assert_int_equal(asynchat_shutdown_write(f->ch), 0);
    nothing_comes(f);
}

/* --- all of them --- */

static const struct row {
    const char *name;
    void (*happens)(struct fixture *f);
    int error;
    bool sent;
    bool tcp;        /* this runs over TCP only */
    const char *got; /* the queued bytes that arrive, if known */
} rows[] = {
#define ROW(happens, error, sent, ...)                                         \
    {                                                                          \
#happens, happens, error, sent, __VA_ARGS__                            \
    }
    ROW(a_message_is_too_long, ASYNCHAT_ETOOLONG, true, false, ""),
    ROW(for_a_message_there_is_no_memory, -ENOMEM, true, false, ""),
    ROW(nothing_moves, ASYNCHAT_EIDLE, true, false, ""),
    ROW(nothing_comes, ASYNCHAT_EIDLE, true, false, ""),
    ROW(a_message_takes_too_long, ASYNCHAT_ESLOW, true, false, ""),
    ROW(a_message_comes_too_slowly, ASYNCHAT_ESLOW, true, false, ""),
    ROW(a_request_is_late, ASYNCHAT_EDEADLINE, true, false, ""),
    ROW(a_producer_fails, -EIO, true, false, ""),
    ROW(a_file_is_too_short, ASYNCHAT_ETRUNCATED, true, false, ""),
    ROW(too_much_is_queued, ASYNCHAT_EFULL, false, false, NULL),
    ROW(for_a_push_there_is_no_memory, -ENOMEM, false, false, ""),
    ROW(the_peer_takes_nothing, ASYNCHAT_ESTALLED, false, false, NULL),
    ROW(a_closing_peer_takes_nothing, -ETIMEDOUT, false, false, NULL),
    ROW(the_peer_resets, -ECONNRESET, false, true, NULL),
    ROW(the_peer_resets_with_output_waiting, -ECONNRESET, false, true, NULL),
    ROW(the_server_stops, ASYNCHAT_ESTOPPED, true, true, ""),
    ROW(the_server_stops_with_little_waiting, ASYNCHAT_ESTOPPED, true, true,
        "queued"),
    ROW(the_server_stops_with_much_waiting, ASYNCHAT_ESTOPPED, true, true,
        NULL),
    ROW(the_server_stops_and_the_channel_closes, ASYNCHAT_ESTOPPED, false, true,
        NULL),
    ROW(a_message_of_a_closing_channel_is_too_long, ASYNCHAT_ETOOLONG, false,
        false, "queued"),
    ROW(nothing_comes_after_the_output, ASYNCHAT_EIDLE, false, false, "queued"),
};

static bool is_as_expected(struct fixture *f, const struct row *row)
{
    const char *got = f->got_len > 0 ? (const char *)f->got : "";
    size_t before = row->got ? strlen(row->got) : f->got_len;
    return !f->ch && f->status == row->error &&
           f->count == (row->sent ? 0 : ASYNCHAT_ECLOSED) &&
           (!row->got || strncmp(got, row->got, before) == 0) &&
           (!row->got || strcmp(got + before, row->sent ? "bye" : "") == 0);
}

static void try_row(void **state, const struct row *row)
{
    struct fixture *f = start_whole(state);
    f->got_len = 0;
    f->on_error = say_bye;
    f->count = 1;
    row->happens(f);
    settle(f);
    if (f->ch && f->peer >= 0)
        feed_eof(f); /* the channel waits for a peer that was sending */
    settle(f);
    if (!is_as_expected(f, row))
        fail_msg("%s: %s; status %d, the push answered %d, got %zu bytes",
                 row->name, f->ch ? "goes on" : "has ended", f->status,
                 f->count, f->got_len);
    close_connection(f);
}

/* Not under valgrind, which uses an allocator of its own. */
static bool memory_can_fail(void)
{
    no_memory = true;
    void *memory = aligned_alloc(4096, 4096);
    no_memory = false;
    free(memory);
    return !memory;
}

static void what_handle_error_pushes_is_sent_or_refused(void **state)
{
    struct fixture *f = *state;
    if (!memory_can_fail())
        skip();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (f->over == OVER_TCP || !rows[i].tcp)
            try_row(state, &rows[i]);
}

static void a_connection_that_failed_takes_nothing(void **state)
{
    struct fixture *f = *state;
    f->on_error = say_bye;
    assert_int_equal(asynchat_connect(f->base, "unix:/tmp/asynchat-none/x", 0,
                                      &recorder, f, &f->ch),
                     0);
    assert_int_equal(asynchat_push(f->ch, "hello", 5), 0);
    turn_loop(f);
    assert_null(f->ch);
    assert_int_equal(f->status, -ENOENT);
    assert_int_equal(f->count, ASYNCHAT_ECLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_SOCKETS(what_handle_error_pushes_is_sent_or_refused),
        OVER(SOCKETPAIR, a_connection_that_failed_takes_nothing),
    };
    return RUN(tests);
}
