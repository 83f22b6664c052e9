/* What channels and servers have done so far.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "serving.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "channel/object.h"

static struct asynchat_stats stats_of(const struct fixture *f)
{
    struct asynchat_stats stats;
    memset(&stats, 0xff, sizeof stats);
    assert_int_equal(asynchat_get_stats(f->ch, &stats, sizeof stats), 0);
    return stats;
}

/* --- channels --- */

static void a_new_channel_has_done_nothing(void **state)
{
    static const struct asynchat_stats nothing;
    struct fixture *f = start(state);
    struct asynchat_stats stats = stats_of(f);
    assert_memory_equal(&stats, &nothing, sizeof stats);
}

static void bytes_and_messages_are_counted(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    feed_string(f, "one\r\n\r\nthree\r\nfo");
    assert_int_equal(asynchat_push(f->ch, "answer", 6), 0);
    settle(f);
    struct asynchat_stats stats = stats_of(f);
    assert_int_equal(stats.received, 16);
    assert_int_equal(stats.messages, 3);
    assert_int_equal(stats.sent, 6);
    assert_int_equal(stats.queued, 0);
    feed_string(f, "ur\r\n");
    settle(f);
    assert_int_equal(stats_of(f).received, 20);
    assert_int_equal(stats_of(f).messages, 4);
}

static void what_is_matched_again_is_counted_once(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    feed_string(f, "a\r");
    settle(f);
    assert_int_equal(asynchat_set_terminator(f->ch, "\rb", 2), 0);
    settle(f);
    assert_int_equal(asynchat_set_terminator(f->ch, "\n", 1), 0);
    settle(f);
    feed_string(f, "bc\n");
    settle(f);
    expect(f, "data(a\\rbc) found");
    assert_int_equal(stats_of(f).received, 5);
}

static void set_another_and_discard(struct fixture *f)
{
    f->on_data = NULL;
    assert_int_equal(asynchat_set_terminator(f->ch, "\n", 1), 0);
    asynchat_discard_buffers(f->ch);
}

/* The rest of the bytes held back is dropped before they are matched again. */
static void what_is_dropped_is_counted_once(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_terminator(f->ch, "abcabd", 6), 0);
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 1), 0);
    feed_string(f, "abcab");
    settle(f);
    f->on_data = set_another_and_discard;
    feed_string(f, "c");
    settle(f);
    expect(f, "data(a)");
    feed_string(f, "0123456789\n");
    settle(f);
    expect(f, "data(0123456789) found");
    assert_int_equal(stats_of(f).received, 17);
}

static unsigned random_state;

static unsigned random_below(unsigned n)
{
    random_state = random_state * 1103515245 + 12345;
    return (random_state >> 16) % n;
}

/* Sets one of a few terminators, and may drop or pause. */
static void do_anything(struct fixture *f)
{
    static const char *const strings[] = {"b", "aab", "aaaab", "abaab"};
    unsigned which = random_below(8);
    if (which < 4)
        assert_int_equal(asynchat_set_terminator(f->ch, strings[which],
                                                 strlen(strings[which])),
                         0);
    else if (which == 4)
        assert_int_equal(asynchat_set_terminator_length(f->ch, 5), 0);
    if (random_below(10) == 0)
        asynchat_discard_buffers(f->ch);
    if (random_below(5) == 0)
        asynchat_pause_reading(f->ch);
}

static void feed_anything(struct fixture *f)
{
    char text[40];
    size_t len = 1 + random_below(sizeof text);
    for (size_t i = 0; i < len; i++)
        text[i] = random_below(4) == 0 ? 'b' : 'a';
    feed(f, text, len);
    f->count += (int)len;
    settle(f);
    if (random_below(3) == 0)
        do_anything(f);
    settle(f);
    asynchat_resume_reading(f->ch);
    settle(f);
}

/* However often input is put back, is dropped, or has to wait. */
static void what_comes_is_counted_once(void **state)
{
    struct fixture *f = start(state);
    for (unsigned seed = 0; seed < 40; seed++) {
        random_state = seed;
        assert_int_equal(
            asynchat_set_in_buffer_size(f->ch, 1 + random_below(6)), 0);
        f->on_data = f->on_found = do_anything;
        for (int i = 0; i < 20; i++)
            feed_anything(f);
        f->on_data = f->on_found = NULL;
        assert_int_equal(asynchat_set_terminator_none(f->ch), 0);
        asynchat_resume_reading(f->ch);
        settle(f);
        f->log_len = 0;
        if (stats_of(f).received != (uint64_t)f->count)
            fail_msg("seed %u: %llu bytes are counted, %d came", seed,
                     (unsigned long long)stats_of(f).received, f->count);
    }
}

static void whole_messages_are_counted(void **state)
{
    struct fixture *f = start_whole(state);
    set_crlf(f);
    feed_string(f, "one\r\n\r\nthr");
    settle(f);
    feed_string(f, "ee\r\n");
    settle(f);
    assert_int_equal(stats_of(f).messages, 3);
}

static void the_count_goes_on_over_a_budget(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    assert_int_equal(asynchat_set_message_budget(f->ch, 2), 0);
    feed_string(f, "1\r\n2\r\n3\r\n4\r\n5\r\n");
    settle(f);
    expect(f, "data(1) found data(2) found data(3) found data(4) found data(5) "
              "found");
    assert_int_equal(stats_of(f).messages, 5);
}

/* Sets the state after 2^32 - 2 messages of one wake-up, which are not counted
 * yet. */
static void fill_the_counter(struct fixture *f)
{
    struct channel_in *in = &f->ch->in;
    f->on_found = NULL;
    in->allowed -= in->turn - 1;
    in->turn = 1;
}

static void without_a_budget_a_wake_up_goes_on_when_its_counter_is_full(
    void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = fill_the_counter;
    feed_string(f, "1\r\n2\r\n3\r\n4\r\n5\r\n");
    settle(f);
    expect(f, "data(1) found data(2) found data(3) found data(4) found data(5) "
              "found");
    assert_int_equal(stats_of(f).messages, 5);
}

static void dropped_messages_are_counted_apart(void **state)
{
    struct fixture *f = start_with(state, &dropping_whole_recorder);
    set_crlf(f);
    assert_int_equal(asynchat_set_message_limit(f->ch, 4), 0);
    feed_string(f, "four\r\nfives\r\nsixsix\r\nabc\r\n");
    settle(f);
    struct asynchat_stats stats = stats_of(f);
    assert_int_equal(stats.messages, 2);
    assert_int_equal(stats.dropped, 2);
    assert_int_equal(stats.dropped_bytes, 11);
}

static void pressure_and_what_is_queued_are_counted(void **state)
{
    struct fixture *f = start(state);
    char *data = big(8 << 20);
    assert_int_equal(asynchat_push(f->ch, data, 8 << 20), 0);
    assert_int_equal(stats_of(f).pressures, 0);
    assert_true(stats_of(f).queued > 0);
    assert_int_equal(stats_of(f).queued, asynchat_get_queued(f->ch));
    settle(f);
    assert_int_equal(stats_of(f).sent, 8 << 20);
    assert_int_equal(stats_of(f).queued, 0);
    assert_int_equal(stats_of(f).pressures, 1);
    free(data);
}

static void a_program_may_know_fewer_fields_or_more(void **state)
{
    struct fixture *f = start(state);
    struct {
        struct asynchat_stats known;
        uint64_t unknown;
    } longer = {.unknown = 7};
    uint64_t shorter[2] = {7, 7};
    feed_string(f, "x");
    settle(f);
    assert_int_equal(asynchat_get_stats(f->ch, &longer.known, sizeof longer),
                     0);
    assert_int_equal(longer.known.received, 1);
    assert_int_equal(longer.unknown, 0);
    assert_int_equal(
        asynchat_get_stats(f->ch, (void *)shorter, sizeof shorter[0]), 0);
    assert_int_equal(shorter[0], 1);
    assert_int_equal(shorter[1], 7);
    assert_int_equal(asynchat_get_stats(NULL, &longer.known, sizeof longer),
                     -EINVAL);
    assert_int_equal(asynchat_get_stats(f->ch, NULL, 0), -EINVAL);
}

/* --- servers --- */

static struct asynchat_server_stats all_of(const struct fixture *f)
{
    struct asynchat_server_stats stats;
    memset(&stats, 0xff, sizeof stats);
    assert_int_equal(asynchat_server_get_stats(f->server, &stats, sizeof stats),
                     0);
    return stats;
}

static void a_server_counts_channels_that_are_there_and_that_are_gone(
    void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    int one = dial_server(f), two = dial_server(f);
    expect_served(f, one);
    expect_served(f, two);
    expect_served(f, two);
    struct asynchat_server_stats before = all_of(f);
    assert_int_equal(before.accepted, 2);
    assert_int_equal(before.connections, 2);
    assert_int_equal(before.messages, 3);
    assert_true(before.received > 0);
    assert_int_equal(before.received, before.sent);
    hang_up(f, two);
    struct asynchat_server_stats after = all_of(f);
    assert_int_equal(after.connections, 1);
    assert_int_equal(after.accepted, 2);
    assert_int_equal(after.messages, 3);
    assert_int_equal(after.received, before.received);
    assert_int_equal(after.sent, before.sent);
    assert_int_equal(after.errors, 0);
    hang_up(f, one);
}

static void and_what_they_ended_with(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    int one = dial_server(f), two = dial_server(f), three = dial_server(f);
    turn(f);
    reset(one);
    reset(two);
    hang_up(f, three);
    assert_int_equal(asynchat_server_get_ended(f->server, -ECONNRESET), 2);
    assert_int_equal(asynchat_server_get_ended(f->server, ASYNCHAT_EOF), 1);
    assert_int_equal(asynchat_server_get_ended(f->server, 0), 0);
    assert_int_equal(asynchat_server_get_ended(f->server, -EPIPE), 0);
    assert_int_equal(asynchat_server_get_ended(NULL, 0), 0);
    assert_int_equal(all_of(f).errors, 2);
}

static void and_whom_it_turned_away(void **state)
{
    static const struct asynchat_server_options options = {
        .size = sizeof options, .max_connections = 1, .turn_away = "busy\n"};
    struct fixture *f = serve_with(state, "127.0.0.1:0", &options);
    int one = dial_server(f), two = dial_server(f);
    turn(f);
    assert_int_equal(all_of(f).accepted, 1);
    assert_int_equal(all_of(f).turned_away, 1);
    close(one);
    close(two);
    turn(f);
}

static void and_that_there_was_no_descriptor(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    struct rlimit before;
    int one = dial_server(f);
    assert_int_equal(all_of(f).pauses, 0);
    limit_descriptors(&before, 0);
    turn(f);
    assert_int_equal(all_of(f).pauses, 1);
    assert_int_equal(all_of(f).accepted, 0);
    setrlimit(RLIMIT_NOFILE, &before);
    close(one);
}

static void bad_calls_are_refused(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    struct asynchat_server_stats stats;
    assert_int_equal(asynchat_server_get_stats(NULL, &stats, sizeof stats),
                     -EINVAL);
    assert_int_equal(asynchat_server_get_stats(f->server, NULL, sizeof stats),
                     -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_ALL(a_new_channel_has_done_nothing),
        OVER_ALL(bytes_and_messages_are_counted),
        OVER_ALL(what_is_matched_again_is_counted_once),
        OVER_ALL(what_is_dropped_is_counted_once),
        OVER_ALL(what_comes_is_counted_once),
        OVER_ALL(whole_messages_are_counted),
        OVER_ALL(the_count_goes_on_over_a_budget),
        OVER_ALL(without_a_budget_a_wake_up_goes_on_when_its_counter_is_full),
        OVER_ALL(dropped_messages_are_counted_apart),
        OVER_ALL(pressure_and_what_is_queued_are_counted),
        OVER(SOCKETPAIR, a_program_may_know_fewer_fields_or_more),
        OVER(TCP, a_server_counts_channels_that_are_there_and_that_are_gone),
        OVER(TCP, and_what_they_ended_with),
        OVER(TCP, and_whom_it_turned_away),
        OVER(TCP, and_that_there_was_no_descriptor),
        OVER(TCP, bad_calls_are_refused),
    };
    return RUN(tests);
}
