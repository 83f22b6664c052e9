/* Messages over the limit: the channel ends, or they are dropped. The result is
 * the same however the bytes came. SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

static struct fixture *start_limited(void **state,
                                     const struct asynchat_handler *handler,
                                     size_t limit)
{
    struct fixture *f = start_with(state, handler);
    expect(f, "connect");
    set_crlf(f);
    assert_int_equal(asynchat_set_message_limit(f->ch, limit), 0);
    return f;
}

static void whole_messages_are_dropped(void **state)
{
    struct fixture *f = start_limited(state, &dropping_whole_recorder, 5);
    feed_every_way(f, "12345\r\n1234567\r\n\r\nabc\r\n",
                   "message(12345) dropped(12345,7) message() message(abc)");
}

static void pieces_are_dropped(void **state)
{
    struct fixture *f = start_limited(state, &dropping_recorder, 5);
    feed_every_way(f, "12345\r\n1234567\r\n\r\nabc\r\n",
                   "data(12345) found data(12345) dropped(,7) found data(abc) "
                   "found");
}

/* Bytes that looked like the terminator are dropped as well, or kept. */
static void bytes_given_back_count(void **state)
{
    struct fixture *f = start_limited(state, &dropping_recorder, 4);
    assert_int_equal(asynchat_set_terminator(f->ch, "aaab", 4), 0);
    feed_every_way(f, "aaaaaaacaaabxaaab",
                   "data(aaaa) dropped(,8) data(x) found");
}

static void a_number_is_dropped(void **state)
{
    struct fixture *f = start_limited(state, &dropping_whole_recorder, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(asynchat_set_terminator_length(f->ch, 5), 0);
        feed(f, "abcde", (size_t)i);
        settle(f);
        feed_string(f, &"abcde"[i]);
        settle(f);
        expect(f, "dropped(abc,5)");
    }
}

static void no_more_than_the_first_bytes_are_told(void **state)
{
    struct fixture *f = start_limited(state, &dropping_whole_recorder, 1000);
    char *data = big(5000), *wanted = malloc(400);
    snprintf(wanted, 400, "dropped(%.*s,5000) message(x)",
             ASYNCHAT_DROPPED_FIRST, data);
    feed(f, data, 5000);
    feed_string(f, "\r\nx\r\n");
    settle(f);
    expect(f, wanted);
    free(wanted);
    free(data);
}

static void without_the_callback_the_channel_ends(void **state)
{
    struct fixture *f = start_limited(state, &recorder, 3);
    feed_string(f, "abc\r\nabcd\r\nx\r\n");
    settle(f);
    if (f->ch) /* it waits for the peer, except over a pair */
        feed_eof(f);
    settle(f);
    expect(f, "data(abc) found data(abc) error(ETOOLONG) closed(ETOOLONG)");
}

static void pieces_have_no_limit_unless_set(void **state)
{
    struct fixture *f = start(state);
    assert_true(asynchat_get_message_limit(f->ch) == SIZE_MAX);
}

static void a_message_cut_off_by_the_end_is_told(void **state)
{
    struct fixture *f = start_limited(state, &dropping_whole_recorder, 3);
    feed_string(f, "abcdef\r");
    feed_eof(f);
    settle(f);
    expect(f, "dropped(abc,7) eof(cut off) closed(EOF)");
}

static void a_message_that_ends_with_the_input_is_told(void **state)
{
    struct fixture *f = start_limited(state, &dropping_recorder, 3);
    assert_int_equal(asynchat_set_terminator_none(f->ch), 0);
    feed_string(f, "abcd");
    feed_eof(f);
    settle(f);
    expect(f, "data(abc) dropped(,4) eof closed(EOF)");
}

/* Under the previous terminator the bytes beyond the limit were not
 * searched. */
static void semicolon(struct fixture *f)
{
    assert_int_equal(asynchat_set_terminator(f->ch, ";", 1), 0);
}

static void a_terminator_set_at_the_limit_holds_behind_it(void **state)
{
    struct fixture *f = start_limited(state, &dropping_recorder, 3);
    f->on_data = semicolon;
    feed_string(f, "abcd;x\r\n;");
    settle(f);
    expect(f, "data(abc) dropped(,4) data(x\\r\\n) found");
}

/* Bytes delivered under the previous terminator belong to the same message. */
static void a_message_counts_on_under_a_new_terminator(void **state)
{
    struct fixture *f = start_limited(state, &dropping_recorder, 5);
    f->on_data = semicolon;
    feed_string(f, "abc\r\nxyz;");
    settle(f);
    expect(f, "data(abc\\r\\n) dropped(,8)");
}

static void raise_limit(struct fixture *f)
{
    assert_int_equal(asynchat_set_message_limit(f->ch, 100), 0);
}

static void a_message_that_lost_bytes_stays_dropped(void **state)
{
    struct fixture *f = start_limited(state, &dropping_whole_recorder, 3);
    feed_string(f, "abcd");
    settle(f);
    raise_limit(f);
    feed_string(f, "efg\r\nlonger\r\n");
    settle(f);
    expect(f, "dropped(abc,7) message(longer)");
}

static void a_limit_set_in_the_middle_keeps_what_came(void **state)
{
    struct fixture *f = start_limited(state, &dropping_whole_recorder, 3);
    feed_string(f, "abc");
    settle(f);
    raise_limit(f);
    feed_string(f, "d\r\n");
    settle(f);
    expect(f, "message(abcd)");
}

static void a_limit_below_what_came_drops_the_rest(void **state)
{
    struct fixture *f = start_limited(state, &dropping_recorder, 10);
    feed_string(f, "abcdef");
    settle(f);
    assert_int_equal(asynchat_set_message_limit(f->ch, 2), 0);
    feed_string(f, "gh\r\nab\r\nabc\r\n");
    settle(f);
    expect(f, "data(abcdef) dropped(,8) data(ab) found data(ab) dropped(,3)");
}

static void pause_reading(struct fixture *f)
{
    asynchat_pause_reading(f->ch);
}

static void pausing_at_the_limit_drops_the_rest_later(void **state)
{
    struct fixture *f = start_limited(state, &dropping_recorder, 3);
    f->on_data = pause_reading;
    feed_string(f, "abcdef\r\nx\r\n");
    settle(f);
    expect(f, "data(abc)");
    f->on_data = NULL;
    asynchat_resume_reading(f->ch);
    settle(f);
    expect(f, "dropped(,6) data(x) found");
}

static void discarding_forgets_what_was_dropped(void **state)
{
    struct fixture *f = start_limited(state, &dropping_recorder, 3);
    feed_string(f, "abcdef");
    settle(f);
    asynchat_discard_buffers(f->ch);
    feed_string(f, "gh\r\n");
    settle(f);
    expect(f, "data(abcgh) found");
}

static void what_was_dropped_is_told_before_eof_also_when_paused(void **state)
{
    struct fixture *f = start_limited(state, &dropping_recorder, 5);
    feed_string(f, "too lo");
    settle(f);
    expect(f, "data(too l)");
    asynchat_pause_reading(f->ch);
    settle(f);
    feed_eof(f);
    settle(f);
    expect(f, "");
    asynchat_resume_reading(f->ch);
    settle_closed(f);
    expect(f, "dropped(,6) eof(cut off) closed(EOF)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_ALL(whole_messages_are_dropped),
        OVER_ALL(pieces_are_dropped),
        OVER_ALL(bytes_given_back_count),
        OVER_ALL(a_number_is_dropped),
        OVER_ALL(no_more_than_the_first_bytes_are_told),
        OVER_ALL(without_the_callback_the_channel_ends),
        OVER_ALL(pieces_have_no_limit_unless_set),
        OVER_ALL(a_message_cut_off_by_the_end_is_told),
        OVER_ALL(a_message_that_ends_with_the_input_is_told),
        OVER_ALL(a_terminator_set_at_the_limit_holds_behind_it),
        OVER_ALL(a_message_counts_on_under_a_new_terminator),
        OVER_ALL(a_message_that_lost_bytes_stays_dropped),
        OVER_ALL(a_limit_set_in_the_middle_keeps_what_came),
        OVER_ALL(a_limit_below_what_came_drops_the_rest),
        OVER_ALL(pausing_at_the_limit_drops_the_rest_later),
        OVER_ALL(discarding_forgets_what_was_dropped),
        OVER_ALL(what_was_dropped_is_told_before_eof_also_when_paused),
    };
    return RUN(tests);
}
