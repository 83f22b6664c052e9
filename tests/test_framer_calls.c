/* The framer as programs use it: linked from libasynchat-framer.a and libc.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>

#include <cmocka.h>

#include <asynchat/error.h>
#include <asynchat/framer.h>
#include <asynchat/framing.h>

/* Returns all events of the framer, such as "data(ab) end". */
static const char *say(struct asynchat_framer *f)
{
    static char said[256];
    enum asynchat_framer_event event;
    const void *data;
    size_t len, n = 0;
    said[0] = '\0';
    while ((event = asynchat_framer_next(f, &data, &len)) !=
           ASYNCHAT_FRAMER_MORE) {
        const char *space = n > 0 ? " " : "";
        assert_true((event == ASYNCHAT_FRAMER_DATA) == (data != NULL));
        assert_true((event == ASYNCHAT_FRAMER_DATA) == (len > 0));
        if (event == ASYNCHAT_FRAMER_DATA)
            n += (size_t)snprintf(said + n, sizeof said - n, "%sdata(%.*s)",
                                  space, (int)len, (const char *)data);
        else if (event == ASYNCHAT_FRAMER_END)
            n += (size_t)snprintf(said + n, sizeof said - n, "%send", space);
        else if (event == ASYNCHAT_FRAMER_DROPPED)
            n += (size_t)snprintf(
                said + n, sizeof said - n, "%sdropped(%llu)", space,
                (unsigned long long)asynchat_framer_get_total(f));
        else
            n +=
                (size_t)snprintf(said + n, sizeof said - n, "%s%s", space,
                                 event == ASYNCHAT_FRAMER_BAD ? "bad" : "long");
    }
    return said;
}

static const char *feed(struct asynchat_framer *f, const char *bytes)
{
    assert_int_equal(asynchat_framer_feed(f, bytes, strlen(bytes)), 0);
    return say(f);
}

static const char *end(struct asynchat_framer *f)
{
    asynchat_framer_finish(f);
    return say(f);
}

static struct asynchat_framer *crlf(void)
{
    struct asynchat_framer *f = asynchat_framer_new();
    assert_non_null(f);
    assert_int_equal(asynchat_framer_set_terminator(f, "\r\n", 2), 0);
    return f;
}

static void lines_and_a_number_in_turn(void **state)
{
    struct asynchat_framer *f = crlf();
    const void *data;
    size_t len;
    (void)state;
    assert_string_equal(feed(f, "5\r"), "data(5)");
    assert_int_equal(asynchat_framer_feed(f, "\nabcdex\r\n", 9), 0);
    assert_int_equal(asynchat_framer_next(f, &data, &len), ASYNCHAT_FRAMER_END);
    assert_null(data);
    assert_int_equal(asynchat_framer_get_total(f), 1);
    assert_int_equal(asynchat_framer_set_terminator_length(f, 5), 0);
    assert_int_equal(asynchat_framer_next(f, &data, &len),
                     ASYNCHAT_FRAMER_DATA);
    assert_int_equal(asynchat_framer_next(f, NULL, NULL), ASYNCHAT_FRAMER_END);
    assert_int_equal(asynchat_framer_get_total(f), 5);
    assert_int_equal(asynchat_framer_set_terminator(f, "\r\n", 2), 0);
    assert_string_equal(say(f), "data(x) end");
    assert_string_equal(end(f), "");
    assert_false(asynchat_framer_is_cut_off(f));
    asynchat_framer_free(f);
}

static void what_is_held_back_comes_before_a_message_that_is_whole(void **state)
{
    struct asynchat_framer *f = crlf();
    (void)state;
    assert_string_equal(feed(f, "\r"), "");
    assert_int_equal(asynchat_framer_set_terminator(f, ";;", 2), 0);
    assert_string_equal(feed(f, "c;;"), "data(\r) data(c) end");
    asynchat_framer_free(f);
}

static void the_end_of_the_stream_ends_a_message_without_terminator(
    void **state)
{
    struct asynchat_framer *f = crlf();
    (void)state;
    assert_int_equal(asynchat_framer_set_terminator_none(f), 0);
    assert_string_equal(feed(f, "ab\r\n"), "data(ab\r\n)");
    assert_string_equal(end(f), "end");
    assert_false(asynchat_framer_is_cut_off(f));
    asynchat_framer_free(f);
}

static void the_end_of_the_stream_cuts_a_message_off(void **state)
{
    struct asynchat_framer *f = crlf();
    (void)state;
    assert_string_equal(feed(f, "ab\r\n\r"), "data(ab) end");
    assert_string_equal(end(f), "data(\r)");
    assert_true(asynchat_framer_is_cut_off(f));
    asynchat_framer_free(f);
}

static void messages_over_the_limit_are_dropped_or_too_long(void **state)
{
    struct asynchat_framer *f = crlf();
    (void)state;
    assert_int_equal(asynchat_framer_set_limit(f, 3, 1), 0);
    assert_string_equal(feed(f, "abcd\r\nefg\r\n"),
                        "data(abc) dropped(4) data(efg) end");
    assert_int_equal(asynchat_framer_set_limit(f, 3, 0), 0);
    assert_string_equal(feed(f, "abcd\r\n"), "data(abc) long dropped(4)");
    asynchat_framer_free(f);
}

static void a_span_is_handed_out_before_the_next(void **state)
{
    struct asynchat_framer *f = crlf();
    (void)state;
    assert_int_equal(asynchat_framer_feed(f, "a\r\nb", 4), 0);
    assert_int_equal(asynchat_framer_feed(f, "c", 1), -EBUSY);
    assert_string_equal(say(f), "data(a) end data(b)");
    assert_string_equal(feed(f, "c"), "data(c)");
    asynchat_framer_free(f);
}

static void discarded_input_is_gone(void **state)
{
    struct asynchat_framer *f = crlf();
    const void *data;
    size_t len;
    (void)state;
    assert_int_equal(asynchat_framer_feed(f, "a\r\nb\r", 5), 0);
    asynchat_framer_next(f, &data, &len);
    asynchat_framer_discard(f);
    assert_string_equal(feed(f, "\nc\r\n"), "data(\nc) end");
    asynchat_framer_free(f);
}

static void lines_end_with_either_end(void **state)
{
    struct asynchat_framer *f = crlf();
    (void)state;
    assert_int_equal(asynchat_framer_set_framing(f, asynchat_framing_lines(0)),
                     0);
    assert_string_equal(feed(f, "a\r\nb\n\nc\r"),
                        "data(a) end data(b) end end data(c)");
    assert_int_equal(asynchat_framer_get_matched(f), 0);
    assert_string_equal(feed(f, "\nd\r"), "end data(d)");
    assert_string_equal(end(f), "data(\r)");
    assert_true(asynchat_framer_is_cut_off(f));
    asynchat_framer_free(f);
}

static void a_bad_line_is_dropped_or_bad(void **state)
{
    struct asynchat_framer *f = crlf();
    (void)state;
    assert_int_equal(asynchat_framer_set_framing(
                         f, asynchat_framing_lines(ASYNCHAT_LINES_STRICT)),
                     0);
    assert_int_equal(asynchat_framer_get_error(f), 0);
    assert_string_equal(feed(f, "ab\nc\r\n"), "data(ab) bad bad dropped(4)");
    assert_int_equal(asynchat_framer_get_error(f), ASYNCHAT_EBARE);
    assert_int_equal(asynchat_framer_set_limit(f, 3, 1), 0);
    assert_string_equal(feed(f, "a\nb\r\nabcd\r\n"),
                        "data(a) dropped(3) data(abc) dropped(4)");
    assert_int_equal(asynchat_framer_get_error(f), ASYNCHAT_ETOOLONG);
    asynchat_framer_free(f);
}

static void set(struct asynchat_framer *f, struct asynchat_framing *framing)
{
    assert_int_equal(asynchat_framer_set_framing(f, framing), 0);
}

static void other_framings_have_their_messages(void **state)
{
    static const struct asynchat_bytes ends[] = {{";", 1}, {"END", 3}};
    struct asynchat_framer *f = crlf();
    (void)state;
    assert_int_equal(asynchat_framer_set_limit(f, 3, 1), 0);
    set(f, asynchat_framing_varint(0, 0));
    assert_string_equal(feed(f, "\3abc\5toolg\1"), "data(abc) end dropped(5)");
    assert_int_equal(asynchat_framer_get_error(f), ASYNCHAT_ETOOLONG);
    assert_string_equal(feed(f, "d"), "data(d) end");
    set(f, asynchat_framing_alternatives(ends, 2));
    assert_string_equal(feed(f, "aEN"), "data(a)");
    assert_string_equal(feed(f, "D"), "end");
    assert_int_equal(asynchat_framer_get_matched(f), 1);
    set(f, asynchat_framing_dotted(0));
    assert_string_equal(feed(f, "..\r\n.\r\n"), "data(.\r\n) end");
    set(f, asynchat_framing_netstring());
    assert_string_equal(end(f), "");
    assert_false(asynchat_framer_is_cut_off(f));
    asynchat_framer_free(f);
}

/* Whether or not bytes over the limit are dropped, and however many bytes came
 * with the broken head. */
static void a_broken_head_is_bad(void **state)
{
    (void)state;
    for (int drops = 0; drops < 2; drops++) {
        struct asynchat_framer *f = crlf();
        const void *data;
        size_t len;
        assert_int_equal(asynchat_framer_set_limit(f, 3, drops), 0);
        set(f, asynchat_framing_netstring());
        assert_int_equal(asynchat_framer_feed(f, "x:abcdefgh,", 11), 0);
        assert_int_equal(asynchat_framer_next(f, &data, &len),
                         ASYNCHAT_FRAMER_BAD);
        assert_int_equal(asynchat_framer_get_error(f), ASYNCHAT_EFRAMING);
        say(f);
        assert_int_equal(asynchat_framer_get_error(f), ASYNCHAT_EFRAMING);
        asynchat_framer_free(f);
    }
}

static void a_block_of_0_is_the_next_event(void **state)
{
    struct asynchat_framer *f = crlf();
    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(asynchat_framer_set_block(f, 0), 0);
        assert_int_equal(asynchat_framer_next(f, NULL, NULL),
                         ASYNCHAT_FRAMER_END);
    }
    assert_int_equal(asynchat_framer_set_block(f, 2), 0);
    assert_string_equal(feed(f, "abcd"), "data(ab) end data(cd)");
    assert_int_equal(asynchat_framer_set_block(f, 0), 0);
    assert_string_equal(say(f), "end");
    assert_int_equal(asynchat_framer_get_total(f), 2);
    assert_int_equal(asynchat_framer_set_block(f, 2), 0);
    assert_string_equal(end(f), "");
    assert_true(asynchat_framer_is_cut_off(f));
    asynchat_framer_free(f);
}

static void skipped_bytes_are_passed_over(void **state)
{
    struct asynchat_framer *f = crlf();
    (void)state;
    assert_int_equal(asynchat_framer_skip(f, 5), 0);
    assert_string_equal(feed(f, "ab\r"), "");
    assert_string_equal(feed(f, "\nxab\r\n"), "data(ab) end");
    asynchat_framer_free(f);
}

static void wrong_arguments_are_refused(void **state)
{
    struct asynchat_framer *f = crlf();
    (void)state;
    assert_int_equal(asynchat_framer_set_terminator(NULL, "a", 1), -EINVAL);
    assert_int_equal(asynchat_framer_set_terminator(f, NULL, 1), -EINVAL);
    assert_int_equal(
        asynchat_framer_set_terminator(f, "a", ASYNCHAT_TERMINATOR_MAX + 1),
        -EINVAL);
    assert_int_equal(asynchat_framer_set_terminator_length(NULL, 1), -EINVAL);
    assert_int_equal(
        asynchat_framer_set_terminator_length(f, (uint64_t)INT64_MAX + 1),
        -EINVAL);
    assert_int_equal(asynchat_framer_set_terminator_none(NULL), -EINVAL);
    assert_int_equal(asynchat_framer_set_framing(f, NULL), -ENOMEM);
    assert_int_equal(
        asynchat_framer_set_framing(NULL, asynchat_framing_lines(0)), -EINVAL);
    assert_int_equal(asynchat_framer_set_block(NULL, 1), -EINVAL);
    assert_int_equal(asynchat_framer_set_block(f, (uint64_t)INT64_MAX + 1),
                     -EINVAL);
    assert_int_equal(asynchat_framer_set_terminator(f, "\r\n", 2), 0);
    assert_int_equal(asynchat_framer_skip(NULL, 1), -EINVAL);
    assert_int_equal(asynchat_framer_skip(f, (uint64_t)INT64_MAX + 1), -EINVAL);
    assert_int_equal(asynchat_framer_get_error(NULL), 0);
    assert_int_equal(asynchat_framer_get_matched(NULL), 0);
    assert_int_equal(asynchat_framer_set_limit(NULL, 1, 0), -EINVAL);
    assert_int_equal(asynchat_framer_set_limit(f, 0, 0), -EINVAL);
    assert_int_equal(asynchat_framer_feed(NULL, "a", 1), -EINVAL);
    assert_int_equal(asynchat_framer_feed(f, NULL, 1), -EINVAL);
    assert_int_equal(asynchat_framer_next(NULL, NULL, NULL),
                     ASYNCHAT_FRAMER_MORE);
    assert_int_equal(asynchat_framer_get_total(NULL), 0);
    assert_int_equal(asynchat_framer_is_cut_off(NULL), 0);
    asynchat_framer_finish(NULL);
    asynchat_framer_discard(NULL);
    asynchat_framer_free(NULL);
    assert_string_equal(feed(f, "a\r\n"), "data(a) end");
    asynchat_framer_free(f);
}

static void bytes_of_none_and_of_nothing_are_fine(void **state)
{
    struct asynchat_framer *f = asynchat_framer_new();
    (void)state;
    assert_int_equal(asynchat_framer_feed(f, NULL, 0), 0);
    assert_string_equal(say(f), "");
    assert_int_equal(asynchat_framer_set_terminator(f, NULL, 0), 0);
    assert_string_equal(feed(f, "a"), "data(a)");
    asynchat_framer_free(f);
}

/* Feeds a line of `len` bytes and another one, in one span. The first bytes of
 * a span are searched before the others. */
static void try_a_long_line(unsigned flags, size_t len)
{
    static char bytes[6000];
    struct asynchat_framer *f = asynchat_framer_new();
    const void *data;
    size_t n;
    memset(bytes, 'a', len);
    memcpy(bytes + len, "\r\nb\r\n", 6);
    assert_int_equal(
        asynchat_framer_set_framing(f, asynchat_framing_lines(flags)), 0);
    assert_int_equal(asynchat_framer_feed(f, bytes, len + 5), 0);
    assert_int_equal(asynchat_framer_next(f, &data, &n), ASYNCHAT_FRAMER_DATA);
    assert_ptr_equal(data, bytes);
    assert_int_equal(n, len);
    assert_string_equal(say(f), "end data(b) end");
    asynchat_framer_free(f);
}

static void long_lines_end_where_they_end(void **state)
{
    (void)state;
    for (size_t len = 1000; len < 1040; len++) {
        try_a_long_line(0, len);
        try_a_long_line(ASYNCHAT_LINES_STRICT, len);
    }
    try_a_long_line(0, 5000);
    try_a_long_line(ASYNCHAT_LINES_STRICT, 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_and_a_number_in_turn),
        cmocka_unit_test(
            what_is_held_back_comes_before_a_message_that_is_whole),
        cmocka_unit_test(
            the_end_of_the_stream_ends_a_message_without_terminator),
        cmocka_unit_test(the_end_of_the_stream_cuts_a_message_off),
        cmocka_unit_test(messages_over_the_limit_are_dropped_or_too_long),
        cmocka_unit_test(a_span_is_handed_out_before_the_next),
        cmocka_unit_test(discarded_input_is_gone),
        cmocka_unit_test(lines_end_with_either_end),
        cmocka_unit_test(a_bad_line_is_dropped_or_bad),
        cmocka_unit_test(other_framings_have_their_messages),
        cmocka_unit_test(a_broken_head_is_bad),
        cmocka_unit_test(long_lines_end_where_they_end),
        cmocka_unit_test(a_block_of_0_is_the_next_event),
        cmocka_unit_test(skipped_bytes_are_passed_over),
        cmocka_unit_test(wrong_arguments_are_refused),
        cmocka_unit_test(bytes_of_none_and_of_nothing_are_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
