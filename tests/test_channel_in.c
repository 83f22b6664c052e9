/* Terminators, messages, limits: what arrives.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <event2/bufferevent.h>

#include "channel/object.h"

static void set_string(struct fixture *f, const char *text)
{
    assert_int_equal(asynchat_set_terminator(f->ch, text, strlen(text)), 0);
}

static void set_length(struct fixture *f, uint64_t len)
{
    assert_int_equal(asynchat_set_terminator_length(f->ch, len), 0);
}

static void set_none(struct fixture *f)
{
    assert_int_equal(asynchat_set_terminator_none(f->ch), 0);
}

/* --- terminators --- */

static void lines_end_at_the_terminator(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    feed_string(f, "one\r\ntwo\r\nthr");
    settle(f);
    expect(f, "data(one) found data(two) found data(thr)");
    feed_string(f, "ee\r\n");
    settle(f);
    expect(f, "data(ee) found");
}

static void empty_line_calls_found_terminator_only(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    feed_string(f, "\r\n\r\na\r\n");
    settle(f);
    expect(f, "found found data(a) found");
}

static void only_the_beginning_of_a_terminator_is_held_back(void **state)
{
    struct fixture *f = start(state);
    set_string(f, "abcd");
    feed_string(f, "xxabc");
    settle(f);
    expect(f, "data(xx)");
    feed_string(f, "d");
    settle(f);
    expect(f, "found");
    feed_string(f, "abc");
    settle(f);
    expect(f, "");
    feed_string(f, "x");
    settle(f);
    expect(f, "data(abcx)");
}

static void terminators_may_overlap_themselves(void **state)
{
    struct fixture *f = start(state);
    set_string(f, "aaab");
    feed_string(f, "aaa");
    settle(f);
    expect(f, "");
    feed_string(f, "aab");
    settle(f);
    expect(f, "data(aa) found");
}

static void a_terminator_of_1_MiB_is_found(void **state)
{
    struct fixture *f = start(state);
    size_t len = ASYNCHAT_TERMINATOR_MAX;
    char *bytes = malloc(len);
    assert_non_null(bytes);
    memset(bytes, 'a', len);
    bytes[len - 1] = 'b';
    assert_int_equal(asynchat_set_terminator(f->ch, bytes, len), 0);
    feed(f, "aa", 2);
    feed(f, bytes, len);
    feed(f, "x", 1);
    settle(f);
    expect(f, "data(aa) found data(x)");
    free(bytes);
}

static void a_number_counts_down(void **state)
{
    struct fixture *f = start(state);
    uint64_t left;
    set_length(f, 5);
    feed_string(f, "abc");
    settle(f);
    expect(f, "data(abc)");
    assert_int_equal(asynchat_get_terminator(f->ch, NULL, &left),
                     ASYNCHAT_LENGTH);
    assert_int_equal(left, 2);
    feed_string(f, "defgh");
    settle(f);
    expect(f, "data(de) found data(fgh)"); /* the number is 0 now */
    asynchat_get_terminator(f->ch, NULL, &left);
    assert_int_equal(left, 0);
}

static void a_number_of_2_to_63_counts_down(void **state)
{
    struct fixture *f = start(state);
    uint64_t left;
    set_length(f, INT64_MAX);
    feed_string(f, "abc");
    settle(f);
    expect(f, "data(abc)");
    asynchat_get_terminator(f->ch, NULL, &left);
    assert_true(left == (uint64_t)INT64_MAX - 3);
}

static void none_number_0_and_the_empty_string_collect_all(void **state)
{
    struct fixture *f = start(state);
    feed_string(f, "a\r\n");
    settle(f);
    expect(f, "data(a\\r\\n)");
    set_length(f, 0);
    feed_string(f, "b\r\n");
    settle(f);
    expect(f, "data(b\\r\\n)");
    set_string(f, "");
    feed_string(f, "c\r\n");
    settle(f);
    expect(f, "data(c\\r\\n)");
}

static void the_terminator_in_force_can_be_asked(void **state)
{
    struct fixture *f = start(state);
    const void *bytes = f;
    uint64_t len = 7;
    assert_int_equal(asynchat_get_terminator(f->ch, &bytes, &len),
                     ASYNCHAT_NONE);
    assert_null(bytes);
    assert_int_equal(len, 0);
    set_crlf(f);
    assert_int_equal(asynchat_get_terminator(f->ch, &bytes, &len),
                     ASYNCHAT_STRING);
    assert_int_equal(len, 2);
    assert_memory_equal(bytes, "\r\n", 2);
    set_length(f, 9);
    assert_int_equal(asynchat_get_terminator(f->ch, &bytes, &len),
                     ASYNCHAT_LENGTH);
    assert_null(bytes);
    assert_int_equal(len, 9);
    set_string(f, "");
    assert_int_equal(asynchat_get_terminator(f->ch, NULL, NULL),
                     ASYNCHAT_STRING);
    bytes = f;
    asynchat_get_terminator(f->ch, &bytes, &len);
    assert_null(bytes);
    assert_int_equal(len, 0);
}

/* --- changed in mid-stream --- */

static void number_then_line(struct fixture *f)
{
    if (f->count++ % 2 == 0)
        set_length(f, 3);
    else
        set_crlf(f);
}

static void found_terminator_may_change_it_inside_one_read(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = number_then_line;
    feed_string(f, "head\r\n\r\nxtail\r\nabc");
    settle(f);
    expect(f, "data(head) found data(\\r\\nx) found data(tail) found data(abc) "
              "found");
}

static void set_semicolon_once(struct fixture *f)
{
    if (f->count++ == 0)
        set_string(f, ";");
}

static void set_in_collect_it_holds_from_the_next_byte(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_data = set_semicolon_once;
    feed_string(f, "one\r\ntwo;three");
    settle(f);
    expect(f, "data(one\\r\\ntwo) found data(three)");
}

static void set_2_once(struct fixture *f)
{
    if (f->count++ == 0)
        set_length(f, 2);
}

static void set_in_collect_a_number_is_not_counted_down(void **state)
{
    struct fixture *f = start(state);
    uint64_t left;
    set_length(f, 100);
    f->on_data = set_2_once;
    feed_string(f, "abc");
    settle(f);
    asynchat_get_terminator(f->ch, NULL, &left);
    assert_int_equal(left, 2);
    feed_string(f, "defg");
    settle(f);
    expect(f, "data(abcde) found data(fg)");
}

static void set_in_the_last_collect_of_a_number_the_message_is_found(
    void **state)
{
    struct fixture *f = start(state);
    set_length(f, 3);
    f->on_data = set_2_once;
    feed_string(f, "abcdefg");
    settle(f);
    expect(f, "data(abc) found data(de) found data(fg)");
}

static void set_in_collect_of_bytes_held_back_the_rest_is_matched_anew(
    void **state)
{
    struct fixture *f = start(state);
    set_string(f, "aab");
    feed_string(f, "aa");
    settle(f);
    f->on_data = set_semicolon_once;
    feed_string(f, "a;x"); /* delivers one byte, and holds the other */
    settle(f);
    expect(f, "data(aaa) found data(x)");
}

static void set_from_outside_bytes_held_back_are_matched_again(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    feed_string(f, "ab\r");
    settle(f);
    expect(f, "data(ab)");
    set_string(f, "\r");
    expect(f, ""); /* no call runs a callback */
    settle(f);
    expect(f, "found");
}

static void a_size_that_is_raised_holds_as_well(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 2), 0);
    feed_string(f, "abc");
    settle(f);
    assert_int_equal(f->data_max, 2);
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 100), 0);
    feed_string(f, "0123456789");
    settle(f);
    assert_int_equal(f->data_max, 10);
}

static void take_one_at_a_time(struct fixture *f)
{
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 1), 0);
}

/* The size is set before the end of the terminator, which is longer. */
static void a_size_may_be_smaller_than_the_terminator(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_data = take_one_at_a_time;
    feed_string(f, "ab\r\ncd\r\n");
    settle(f);
    expect(f, "data(ab) found data(cd) found");
    assert_int_equal(f->data_len, 1);
}

static void discard_all(struct fixture *f)
{
    f->on_data = NULL;
    asynchat_discard_buffers(f->ch);
}

static void take_two_at_a_time(struct fixture *f)
{
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 2), 0);
    f->on_data = discard_all;
}

/* By then the rest of a read is delivered in smaller pieces. */
static void discarding_drops_the_pieces_that_are_left(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = take_two_at_a_time;
    feed_string(f, "x\r\nabcdef");
    settle(f);
    expect(f, "data(x) found data(ab)");
    feed_string(f, "gh");
    settle(f);
    expect(f, "data(gh)");
}

/* The same terminator is set again: it holds back the same bytes, and nothing
 * is put back. */
static void set_aaab_again(struct fixture *f)
{
    const struct framer *framer = &f->ch->in.framer;
    uint32_t held = framer->match.held;
    const struct needle *needle = framer->match.needle;
    set_string(f, "aaab");
    assert_int_equal(framer->match.held, held);
    assert_ptr_equal(framer->match.needle, needle);
    assert_null(framer->replay);
}

static void the_same_set_again_changes_nothing(void **state)
{
    struct fixture *f = start(state);
    const char *text = "xaaaaaabaaacaaabaab";
    f->on_data = f->on_found = set_aaab_again;
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        set_string(f, "aaab");
        feed(f, text, cut);
        settle(f);
        set_aaab_again(f);
        feed_string(f, text + cut);
        feed_string(f, "-");
        settle(f);
        set_aaab_again(f);
        expect(f, "data(xaaa) found data(aaac) found data(aab-)");
        set_none(f);
    }
}

/* The count of bytes begins anew. */
static void the_same_number_set_again_counts_from_there(void **state)
{
    struct fixture *f = start(state);
    set_length(f, 3);
    feed_string(f, "ab");
    settle(f);
    set_length(f, 3);
    feed_string(f, "cde");
    settle(f);
    expect(f, "data(abcde) found");
}

static void set_from_outside_to_none_bytes_held_back_are_delivered(void **state)
{
    struct fixture *f = start(state);
    set_string(f, "abcdef");
    feed_string(f, "abcde");
    settle(f);
    set_length(f, 2);
    set_none(f);
    settle(f);
    expect(f, "data(abcde)");
}

static void the_terminator_may_be_set_from_itself(void **state)
{
    struct fixture *f = start(state);
    const void *bytes;
    set_string(f, "xyz");
    asynchat_get_terminator(f->ch, &bytes, NULL);
    assert_int_equal(asynchat_set_terminator(f->ch, (const char *)bytes + 1, 2),
                     0);
    feed_string(f, "x;yz;");
    settle(f);
    expect(f, "data(x;) found data(;)");
}

static void set_to_the_data(struct fixture *f)
{
    char before[4] = "";
    if (f->count++ > 0)
        return;
    memcpy(before, f->data, f->data_len);
    assert_int_equal(asynchat_set_terminator(f->ch, "....", 4), 0);
    assert_memory_equal(f->data, before, f->data_len); /* it is lent */
    assert_int_equal(asynchat_set_terminator(f->ch, f->data, f->data_len), 0);
    assert_memory_equal(f->data, before, f->data_len);
}

static void bytes_held_back_stay_lent_while_a_terminator_is_set(void **state)
{
    struct fixture *f = start(state);
    set_string(f, "abcx");
    feed_string(f, "abc");
    settle(f);
    f->on_data = set_to_the_data;
    feed_string(f, "d1abc2");
    settle(f);
    expect(f, "data(abcd1) found data(2)");
}

/* --- the end of file --- */

static void a_message_cut_off_is_told_at_eof(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    feed_string(f, "one\r\nab\r");
    feed_eof(f);
    settle(f);
    expect(f, "data(one) found data(ab\\r) eof(cut off) closed(EOF)");
}

static void a_whole_message_before_eof_is_not_cut_off(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    feed_string(f, "one\r\n");
    feed_eof(f);
    settle(f);
    expect(f, "data(one) found eof closed(EOF)");
}

static void without_a_terminator_nothing_is_cut_off(void **state)
{
    struct fixture *f = start(state);
    feed_string(f, "one");
    feed_eof(f);
    settle(f);
    expect(f, "data(one) eof closed(EOF)");
}

static void eof_in_the_middle_of_a_number_is_cut_off(void **state)
{
    struct fixture *f = start(state);
    set_length(f, 5);
    feed_string(f, "abc");
    feed_eof(f);
    settle(f);
    expect(f, "data(abc) eof(cut off) closed(EOF)");
}

static void count_bytes(struct fixture *f)
{
    f->count += (int)f->data_len;
    f->log_len = 0;
}

static void all_that_was_sent_is_delivered_before_the_end(void **state)
{
    struct fixture *f = start(state);
    char data[1000] = "";
    f->on_data = count_bytes;
    for (int i = 0; i < 1000; i++)
        feed(f, data, sizeof data);
    feed_eof(f);
    settle(f);
    assert_int_equal(f->count, 1000000);
    assert_int_equal(f->status, ASYNCHAT_EOF);
}

/* --- sizes --- */

static void discard(struct fixture *f)
{
    asynchat_discard_buffers(f->ch);
}

static void in_buffer_size_bounds_every_piece(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 7), 0);
    assert_int_equal(asynchat_get_in_buffer_size(f->ch), 7);
    feed_string(f, "abcdefghijklmnopqrstuvwxyz");
    settle(f);
    expect(f, "data(abcdefghijklmnopqrstuvwxyz)");
    assert_int_equal(f->data_max, 7);
}

static void set_size_4(struct fixture *f)
{
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 4), 0);
    f->data_max = 0;
}

static void in_buffer_size_holds_from_the_next_piece(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = set_size_4;
    feed_string(f, "one\r\nabcdefghij");
    settle(f);
    expect(f, "data(one) found data(abcdefghij)");
    assert_int_equal(f->data_max, 4);
}

static void pause_reading(struct fixture *f)
{
    asynchat_pause_reading(f->ch);
}

/* The rest stays with the system. */
static void in_buffer_size_bounds_every_read(void **state)
{
    struct fixture *f = start(state);
    int fd = bufferevent_getfd(asynchat_get_bufferevent(f->ch)), unread = 0;
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 7), 0);
    f->on_data = pause_reading;
    feed_string(f, "abcdefghijklmnopqrstuvwxyz");
    settle(f);
    expect(f, "data(abcdefg)");
    assert_int_equal(ioctl(fd, FIONREAD, &unread), 0);
    assert_int_equal(unread, 19);
}

static void in_buffer_size_bounds_bytes_held_back(void **state)
{
    struct fixture *f = start(state);
    asynchat_set_in_buffer_size(f->ch, 3);
    set_string(f, "abcdefghij");
    feed_string(f, "abcdefghi");
    settle(f);
    expect(f, "");
    feed_string(f, "x");
    settle(f);
    expect(f, "data(abcdefghix)");
    assert_int_equal(f->data_max, 3);
}

/* The terminator is set twice: the second time must not put back again what the
 * first time put back. */
static void set_f_once(struct fixture *f)
{
    if (f->count++ == 0) {
        set_string(f, "x");
        set_string(f, "f");
    }
}

static void set_between_two_pieces_held_back_the_rest_is_matched_anew(
    void **state)
{
    struct fixture *f = start(state);
    asynchat_set_in_buffer_size(f->ch, 3);
    set_string(f, "abcdefghij");
    feed_string(f, "abcdefghi");
    settle(f);
    f->on_data = set_f_once;
    feed_string(f, "x");
    settle(f);
    expect(f, "data(abcde) found data(ghix)");
}

/* Some of the bytes came in this piece, and some before it. */
static void set_among_bytes_held_back_over_pieces_none_is_lost(void **state)
{
    struct fixture *f = start(state);
    asynchat_set_in_buffer_size(f->ch, 1);
    set_string(f, "abcabd");
    f->on_data = set_crlf;
    feed_string(f, "abca");
    settle(f);
    expect(f, "");
    feed_string(f, "bca\r\n");
    settle(f);
    expect(f, "data(abcabca) found");
}

static void set_between_two_pieces_held_back_at_eof_too(void **state)
{
    struct fixture *f = start(state);
    asynchat_set_in_buffer_size(f->ch, 3);
    set_string(f, "abcdefghij");
    feed_string(f, "abcdefghi");
    settle(f);
    f->on_data = set_f_once;
    feed_eof(f);
    settle(f);
    expect(f, "data(abcde) found data(ghi) eof(cut off) closed(EOF)");
}

static void discard_between_two_pieces_held_back_drops_the_rest(void **state)
{
    struct fixture *f = start(state);
    asynchat_set_in_buffer_size(f->ch, 3);
    set_string(f, "abcdefghij");
    feed_string(f, "abcdefghi");
    settle(f);
    f->on_data = discard;
    feed_string(f, "x");
    settle(f);
    expect(f, "data(abc)");
}

static void set_and_discard(struct fixture *f)
{
    set_string(f, ";");
    discard(f);
}

static void discard_drops_what_was_put_back_before(void **state)
{
    struct fixture *f = start(state);
    asynchat_set_in_buffer_size(f->ch, 1);
    set_string(f, "abcd");
    feed_string(f, "abc");
    settle(f);
    f->on_data = set_and_discard;
    feed_string(f, "x");
    settle(f);
    expect(f, "data(a)");
    feed_string(f, ";");
    settle(f);
    expect(f, "found");
}

static void discard_and_set(struct fixture *f)
{
    discard(f);
    set_string(f, ";");
}

static void what_was_dropped_is_not_put_back(void **state)
{
    struct fixture *f = start(state);
    asynchat_set_in_buffer_size(f->ch, 1);
    set_string(f, "abcd");
    feed_string(f, "abc");
    settle(f);
    f->on_data = discard_and_set;
    feed_string(f, "x");
    settle(f);
    expect(f, "data(a)");
    feed_string(f, ";");
    settle(f);
    expect(f, "found");
}

static void set_aab_and_then_close(struct fixture *f)
{
    if (f->count++ == 0)
        set_string(f, "aab");
    else
        asynchat_close(f->ch);
}

static void nothing_held_back_is_delivered_after_close_at_eof(void **state)
{
    struct fixture *f = start(state);
    asynchat_set_in_buffer_size(f->ch, 1);
    set_string(f, "baaac");
    feed_string(f, "baaa");
    settle(f);
    f->on_data = set_aab_and_then_close;
    feed_eof(f);
    settle(f);
    expect(f, "data(ba) closed(0)");
}

static void sizes_have_defaults(void **state)
{
    struct fixture *f = start_whole(state);
    assert_int_equal(asynchat_get_in_buffer_size(f->ch), 65536);
    assert_int_equal(asynchat_get_message_limit(f->ch), 1048576);
    assert_int_equal(asynchat_get_in_buffer_size(NULL), 0);
    assert_int_equal(asynchat_get_message_limit(NULL), 0);
}

static void bad_arguments_change_nothing(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    assert_int_equal(asynchat_set_terminator(NULL, "x", 1), -EINVAL);
    assert_int_equal(asynchat_set_terminator(f->ch, NULL, 1), -EINVAL);
    assert_int_equal(
        asynchat_set_terminator(f->ch, "x", ASYNCHAT_TERMINATOR_MAX + 1),
        -EINVAL);
    assert_int_equal(asynchat_set_terminator(f->ch, "x", SIZE_MAX), -EINVAL);
    assert_int_equal(asynchat_set_terminator_length(NULL, 1), -EINVAL);
    assert_int_equal(asynchat_set_terminator_length(f->ch, (uint64_t)-1),
                     -EINVAL);
    assert_int_equal(
        asynchat_set_terminator_length(f->ch, (uint64_t)INT64_MAX + 1),
        -EINVAL);
    assert_int_equal(asynchat_set_terminator_none(NULL), -EINVAL);
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 0), -EINVAL);
    assert_int_equal(
        asynchat_set_in_buffer_size(f->ch, ASYNCHAT_BUFFER_SIZE_MAX + 1ul),
        -EINVAL);
    assert_int_equal(
        asynchat_set_in_buffer_size(f->ch, ASYNCHAT_BUFFER_SIZE_MAX), 0);
    assert_int_equal(asynchat_set_in_buffer_size(NULL, 1), -EINVAL);
    assert_int_equal(asynchat_set_message_limit(f->ch, 0), -EINVAL);
    assert_int_equal(asynchat_set_message_limit(NULL, 1), -EINVAL);
    feed_string(f, "a\r\nb");
    settle(f);
    expect(f, "data(a) found data(b)");
}

/* --- discarding and closing inside callbacks --- */

static void discard_in_found_drops_the_rest_of_the_read(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = discard;
    feed_string(f, "one\r\ntwo\r\n");
    settle(f);
    expect(f, "data(one) found");
    f->on_found = NULL;
    feed_string(f, "three\r\n");
    settle(f);
    expect(f, "data(three) found");
}

/* This also holds when the channel looks at its input again without new
 * bytes. */
static void what_was_dropped_of_a_read_stays_so(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = discard;
    feed_string(f, "one\r\ntwo\r\n");
    settle(f);
    expect(f, "data(one) found");
    asynchat_pause_reading(f->ch);
    asynchat_resume_reading(f->ch);
    settle(f);
    expect(f, "");
}

static void discard_in_collect_drops_the_rest_of_the_read(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_data = discard;
    feed_string(f, "one\r\ntwo\r\n");
    settle(f);
    expect(f, "data(one)");
}

static void discard_drops_what_is_held_back_and_keeps_the_terminator(
    void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    feed_string(f, "ab\r");
    settle(f);
    discard(f);
    feed_string(f, "\nc\r\n");
    settle(f);
    expect(f, "data(ab\\nc) found");
}

static void close_channel(struct fixture *f)
{
    asynchat_close(f->ch);
}

static void nothing_is_delivered_after_close(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = close_channel;
    feed_string(f, "one\r\ntwo\r\n");
    settle(f);
    expect(f, "data(one) found closed(0)");
}

static void nothing_is_delivered_after_close_in_collect(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_data = close_channel;
    feed_string(f, "one\r\ntwo\r\n");
    settle(f);
    expect(f, "data(one) closed(0)");
}

static void set_semicolon_and_free(struct fixture *f)
{
    set_string(f, ";");
    asynchat_channel_free(f->ch);
    f->ch = NULL;
}

/* The bytes that were put back are freed with the channel. */
static void a_channel_freed_with_bytes_put_back_leaves_none(void **state)
{
    struct fixture *f = start(state);
    asynchat_set_in_buffer_size(f->ch, 1);
    set_string(f, "abcd");
    feed_string(f, "abc");
    settle(f);
    f->on_data = set_semicolon_and_free;
    feed_string(f, "x");
    settle(f);
    expect(f, "data(a)");
}

static void count_piece_of(struct asynchat_channel *ch, const void *data,
                           size_t len, void *arg)
{
    struct fixture *f = arg;
    (void)ch;
    (void)data;
    f->count += (int)len;
}

static void count_messages(struct asynchat_channel *ch, void *arg)
{
    struct fixture *f = arg;
    (void)ch;
    f->count++;
}

static void who_wants_no_pieces_is_told_of_messages(void **state)
{
    static const struct asynchat_handler handler = {
        .size = sizeof handler, .found_terminator = count_messages};
    struct fixture *f = start_with(state, &handler);
    set_crlf(f);
    feed_string(f, "one\r\n\r\nthree\r\n");
    settle(f);
    assert_int_equal(f->count, 3);
}

static void who_wants_pieces_need_not_be_told_of_messages(void **state)
{
    static const struct asynchat_handler handler = {
        .size = sizeof handler, .collect_incoming_data = count_piece_of};
    struct fixture *f = start_with(state, &handler);
    set_crlf(f);
    feed_string(f, "one\r\n\r\nthree\r\n");
    settle(f);
    assert_int_equal(f->count, 8);
}

/* --- whole messages --- */

static void a_message_comes_whole(void **state)
{
    struct fixture *f = start_whole(state);
    set_crlf(f);
    feed_string(f, "one\r\n\r\nth");
    settle(f);
    expect(f, "message(one) message()");
    feed_string(f, "r");
    settle(f);
    feed_string(f, "ee\r");
    settle(f);
    expect(f, "");
    feed_string(f, "\n");
    settle(f);
    expect(f, "message(three)");
}

/* A thousand channels may be idle. */
static void between_messages_no_memory_is_kept(void **state)
{
    struct fixture *f = start_whole(state);
    set_crlf(f);
    feed_string(f, "thr");
    settle(f);
    assert_non_null(f->ch->in.message.bytes);
    feed_string(f, "ee\r\n");
    settle(f);
    assert_null(f->ch->in.message.bytes);
}

static void a_message_by_number_comes_whole(void **state)
{
    struct fixture *f = start_whole(state);
    f->on_message = number_then_line;
    set_length(f, 4);
    feed_string(f, "ab");
    settle(f);
    expect(f, "");
    feed_string(f, "cdxyzline\r\n");
    settle(f);
    expect(f, "message(abcd) message(xyz) message(line)");
}

static void bytes_given_back_are_in_the_message(void **state)
{
    struct fixture *f = start_whole(state);
    set_crlf(f);
    feed_string(f, "a\r");
    settle(f);
    feed_string(f, "\rb\r");
    settle(f);
    feed_string(f, "\n");
    settle(f);
    expect(f, "message(a\\r\\rb)");
}

static void without_a_terminator_the_end_of_file_ends_the_message(void **state)
{
    struct fixture *f = start_whole(state);
    feed_string(f, "one\r\n");
    settle(f);
    feed_string(f, "two");
    feed_eof(f);
    settle(f);
    expect(f, "message(one\\r\\ntwo) eof closed(EOF)");
}

static void a_message_may_be_one_byte(void **state)
{
    struct fixture *f = start_whole(state);
    set_crlf(f);
    feed_string(f, "a\r\n");
    settle(f);
    set_none(f);
    feed_string(f, "b");
    feed_eof(f);
    settle(f);
    expect(f, "message(a) message(b) eof closed(EOF)");
}

static void an_unfinished_message_is_not_delivered(void **state)
{
    struct fixture *f = start_whole(state);
    set_crlf(f);
    feed_string(f, "one");
    feed_eof(f);
    settle(f);
    expect(f, "eof(cut off) closed(EOF)");
}

static void check_collected(struct fixture *f)
{
    const void *data = f;
    const char *expected = f->own;
    size_t len = strlen(expected);
    assert_int_equal(asynchat_get_collected(f->ch, NULL), len);
    assert_int_equal(asynchat_get_collected(f->ch, &data), len);
    if (len == 0)
        assert_null(data);
    else
        assert_memory_equal(data, expected, len);
    f->count++;
}

static void what_was_collected_of_a_message_can_be_had(void **state)
{
    struct fixture *f = start_whole(state);
    set_crlf(f);
    feed_string(f, "m");
    settle(f);
    f->own = "m";
    check_collected(f);
    f->own = "";
    f->on_message = check_collected;
    feed_string(f, "essage\r\n");
    settle(f);
    check_collected(f);
    feed_string(f, "one\r");
    settle(f);
    f->own = "one";
    check_collected(f);
    feed_string(f, "two\r");
    settle(f);
    f->own = "one\rtwo";
    check_collected(f);
    f->own = "one\rtwo\r";
    f->on_eof = check_collected;
    feed_eof(f);
    settle_closed(f);
    assert_int_equal(f->count, 6);
    expect(f, "message(message) eof(cut off) closed(EOF)");
}

static void the_beginning_of_a_message_too_long_can_be_had(void **state)
{
    struct fixture *f = start_whole(state);
    set_crlf(f);
    assert_int_equal(asynchat_set_message_limit(f->ch, 5), 0);
    f->own = "too l";
    f->on_error = check_collected;
    feed_string(f, "too long");
    settle(f);
    assert_int_equal(f->count, 1);
}

static void pieces_are_the_programs(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->own = "";
    feed_string(f, "one");
    settle(f);
    check_collected(f);
    expect(f, "data(one)");
}

static void push_sorry(struct fixture *f)
{
    assert_int_equal(asynchat_push(f->ch, "sorry", 5), 0);
}

static void a_message_over_the_limit_ends_the_channel(void **state)
{
    struct fixture *f = start_whole(state);
    assert_int_equal(asynchat_get_message_limit(f->ch), 1048576);
    assert_int_equal(asynchat_set_message_limit(f->ch, 4), 0);
    set_crlf(f);
    f->on_error = push_sorry;
    feed_string(f, "four\r\nfiver\r\nx\r\n");
    settle(f);
    if (f->peer >= 0) /* the bytes behind the limit must be gone */
        feed_eof(f);
    settle_closed(f);
    expect(f, "message(four) error(ETOOLONG) closed(ETOOLONG)");
    settle(f);
    expect_got(f, "sorry"); /* the answer still goes out */
}

static void a_peer_may_be_in_the_middle_of_a_message_too_long(void **state)
{
    struct fixture *f = start_whole(state);
    assert_int_equal(asynchat_set_message_limit(f->ch, 4), 0);
    set_crlf(f);
    f->on_error = push_sorry;
    feed_string(f, "fiver");
    settle(f);
    expect(f, "error(ETOOLONG)");
    assert_true(f->got_eof);
    feed_string(f, " and more, which would meet a closed socket");
    settle(f);
    expect(f, "");
    feed_eof(f);
    settle_closed(f);
    expect(f, "closed(ETOOLONG)");
    expect_got(f, "sorry");
}

static void the_limit_does_not_depend_on_how_bytes_are_cut(void **state)
{
    struct fixture *f = start_whole(state);
    assert_int_equal(asynchat_set_message_limit(f->ch, 4), 0);
    set_crlf(f);
    for (const char *at = "four\r\nfive"; *at; at++) {
        feed(f, at, 1);
        settle(f);
    }
    expect(f, "message(four)");
    feed_string(f, "r");
    feed_eof(f);
    settle_closed(f);
    expect(f, "error(ETOOLONG) closed(ETOOLONG)");
}

static void a_message_of_1_MiB_is_the_longest_unless_set(void **state)
{
    struct fixture *f = start_whole(state);
    char *data = calloc(1, 1 << 20);
    assert_int_equal(asynchat_set_terminator_length(f->ch, (1 << 20) + 1), 0);
    feed(f, data, 1 << 20);
    settle(f);
    expect(f, "");
    feed(f, data, 1);
    feed_eof(f);
    settle_closed(f);
    expect(f, "error(ETOOLONG) closed(ETOOLONG)");
    free(data);
}

static void discard_and_look(struct fixture *f)
{
    asynchat_discard_buffers(f->ch);
    assert_memory_equal(f->data, "one", 3);
}

static void discard_in_message_keeps_the_data_lent(void **state)
{
    struct fixture *f = start_whole(state);
    set_crlf(f);
    f->on_message = discard_and_look;
    feed_string(f, "on");
    settle(f);
    feed_string(f, "e\r\ntwo\r\n");
    settle(f);
    expect(f, "message(one)");
}

static void nothing_is_delivered_after_close_in_message(void **state)
{
    struct fixture *f = start_whole(state);
    set_crlf(f);
    f->on_message = close_channel;
    feed_string(f, "one\r\ntwo\r\n");
    settle(f);
    expect(f, "message(one) closed(0)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_ALL(lines_end_at_the_terminator),
        OVER_ALL(empty_line_calls_found_terminator_only),
        OVER_ALL(only_the_beginning_of_a_terminator_is_held_back),
        OVER_ALL(terminators_may_overlap_themselves),
        OVER_ALL(a_terminator_of_1_MiB_is_found),
        OVER_ALL(a_number_counts_down),
        OVER_ALL(a_number_of_2_to_63_counts_down),
        OVER_ALL(none_number_0_and_the_empty_string_collect_all),
        OVER(PAIR, the_terminator_in_force_can_be_asked),
        OVER_ALL(found_terminator_may_change_it_inside_one_read),
        OVER_ALL(set_in_collect_it_holds_from_the_next_byte),
        OVER_ALL(set_in_collect_a_number_is_not_counted_down),
        OVER_ALL(set_in_the_last_collect_of_a_number_the_message_is_found),
        OVER_ALL(set_in_collect_of_bytes_held_back_the_rest_is_matched_anew),
        OVER_ALL(set_from_outside_bytes_held_back_are_matched_again),
        OVER_ALL(a_size_that_is_raised_holds_as_well),
        OVER_ALL(a_size_may_be_smaller_than_the_terminator),
        OVER_ALL(discarding_drops_the_pieces_that_are_left),
        OVER_ALL(the_same_set_again_changes_nothing),
        OVER_ALL(the_same_number_set_again_counts_from_there),
        OVER_ALL(set_from_outside_to_none_bytes_held_back_are_delivered),
        OVER_ALL(the_terminator_may_be_set_from_itself),
        OVER_ALL(bytes_held_back_stay_lent_while_a_terminator_is_set),
        OVER_ALL(a_message_cut_off_is_told_at_eof),
        OVER_ALL(a_whole_message_before_eof_is_not_cut_off),
        OVER_ALL(without_a_terminator_nothing_is_cut_off),
        OVER_ALL(eof_in_the_middle_of_a_number_is_cut_off),
        OVER_ALL(all_that_was_sent_is_delivered_before_the_end),
        OVER_ALL(in_buffer_size_bounds_every_piece),
        OVER_ALL(in_buffer_size_holds_from_the_next_piece),
        OVER_SOCKETS(in_buffer_size_bounds_every_read),
        OVER_ALL(in_buffer_size_bounds_bytes_held_back),
        OVER_ALL(set_between_two_pieces_held_back_the_rest_is_matched_anew),
        OVER_ALL(set_among_bytes_held_back_over_pieces_none_is_lost),
        OVER_ALL(set_between_two_pieces_held_back_at_eof_too),
        OVER_ALL(discard_between_two_pieces_held_back_drops_the_rest),
        OVER_ALL(discard_drops_what_was_put_back_before),
        OVER_ALL(what_was_dropped_is_not_put_back),
        OVER_ALL(nothing_held_back_is_delivered_after_close_at_eof),
        OVER(PAIR, sizes_have_defaults),
        OVER(PAIR, bad_arguments_change_nothing),
        OVER_ALL(discard_in_found_drops_the_rest_of_the_read),
        OVER_ALL(what_was_dropped_of_a_read_stays_so),
        OVER_ALL(discard_in_collect_drops_the_rest_of_the_read),
        OVER_ALL(discard_drops_what_is_held_back_and_keeps_the_terminator),
        OVER_ALL(nothing_is_delivered_after_close),
        OVER_ALL(nothing_is_delivered_after_close_in_collect),
        OVER_ALL(a_channel_freed_with_bytes_put_back_leaves_none),
        OVER(PAIR, who_wants_no_pieces_is_told_of_messages),
        OVER(SOCKETPAIR, who_wants_no_pieces_is_told_of_messages),
        OVER(PAIR, who_wants_pieces_need_not_be_told_of_messages),
        OVER(SOCKETPAIR, who_wants_pieces_need_not_be_told_of_messages),
        OVER_ALL(a_message_comes_whole),
        OVER_ALL(between_messages_no_memory_is_kept),
        OVER_ALL(a_message_by_number_comes_whole),
        OVER_ALL(bytes_given_back_are_in_the_message),
        OVER_ALL(without_a_terminator_the_end_of_file_ends_the_message),
        OVER_ALL(a_message_may_be_one_byte),
        OVER_ALL(an_unfinished_message_is_not_delivered),
        OVER_ALL(what_was_collected_of_a_message_can_be_had),
        OVER_ALL(the_beginning_of_a_message_too_long_can_be_had),
        OVER_ALL(pieces_are_the_programs),
        OVER_ALL(a_message_over_the_limit_ends_the_channel),
        OVER_SOCKETS(a_peer_may_be_in_the_middle_of_a_message_too_long),
        OVER_ALL(the_limit_does_not_depend_on_how_bytes_are_cut),
        OVER_ALL(a_message_of_1_MiB_is_the_longest_unless_set),
        OVER_ALL(discard_in_message_keeps_the_data_lent),
        OVER_ALL(nothing_is_delivered_after_close_in_message),
    };
    return RUN(tests);
}
