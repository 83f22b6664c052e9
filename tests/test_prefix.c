/* A number in front of each message, in all its forms, compared with a model
 * that sees the whole stream.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/error.h>
#include <asynchat/framing.h>

#include <errno.h>

#include "framing_driver.h"

static struct asynchat_framing *make(const struct naive *ends)
{
    return asynchat_framing_prefix(&ends->prefix);
}

static struct asynchat_prefix prefix_of(unsigned bytes, unsigned flags)
{
    return (struct asynchat_prefix){
        .size = sizeof(struct asynchat_prefix), .bytes = bytes, .flags = flags};
}

static struct naive naive_of(const struct asynchat_prefix *p)
{
    return (struct naive){.kind = NAIVE_PREFIX, .prefix = *p};
}

static void expect(const struct asynchat_prefix *p, const void *stream,
                   size_t len, const char *wanted)
{
    struct naive ends = naive_of(p);
    drive_expect(make, &ends, stream, len, wanted);
}

/* --- all forms --- */

/* Puts a message of `len` bytes behind the stream. Sometimes the number is
 * wrong. */
static size_t put(const struct asynchat_prefix *p, uint8_t *to, unsigned len)
{
    for (unsigned i = 0; i < p->offset; i++)
        *to++ = (uint8_t)rand();
    if (asynchat_prefix_write(p, len, to) != 0 || rand() % 40 == 0)
        for (unsigned i = 0; i < p->bytes; i++)
            to[i] = (uint8_t)(rand() % 4);
    to += p->bytes;
    for (unsigned i = 0; i < len; i++)
        *to++ = (uint8_t)('a' + i % 26);
    return p->offset + p->bytes + len;
}

static void try_form(const struct asynchat_prefix *p)
{
    uint8_t stream[1024];
    struct naive ends = naive_of(p);
    for (unsigned round = 0; round < 3; round++) {
        size_t len = 0;
        for (unsigned i = 0; i < 4; i++)
            len += put(p, stream + len, rand() % 3 ? (unsigned)rand() % 12 : 0);
        len -= (size_t)rand() % 4 % len;
        drive_one(make, &ends, stream, len);
    }
}

static void every_form_equals_the_model(void **state)
{
    static const unsigned bytes[] = {1, 2, 3, 4, 8}, offsets[] = {0, 1, 7, 56};
    static const int adjustments[] = {0, -4, 2, -1};
    (void)state;
    for (unsigned i = 0; i < COUNT(bytes) * COUNT(offsets) * 8 * 4; i++) {
        struct asynchat_prefix p = prefix_of(bytes[i / 128], i % 8);
        p.offset = offsets[i / 8 % 4];
        p.adjustment = adjustments[i / 32 % 4];
        try_form(&p);
    }
}

/* --- cases --- */

static void empty_messages_are_messages(void **state)
{
    struct asynchat_prefix p = prefix_of(4, 0);
    (void)state;
    expect(&p, "\0\0\0\0\0\0\0\1x\0\0\0\0", 13, "|x||");
    p = prefix_of(1, ASYNCHAT_PREFIX_KEPT | ASYNCHAT_PREFIX_INCLUSIVE);
    expect(&p, "\1\2x\1", 4, "_|_x|_|");
}

static void message_is_cut_off_from_the_first_byte_of_its_head(void **state)
{
    struct asynchat_prefix p = prefix_of(4, 0);
    (void)state;
    expect(&p, "\0\0", 2, "__~");
    expect(&p, "\0\0\0\5", 4, "~");
    expect(&p, "\0\0\0\5ab", 6, "ab~");
    expect(&p, "\0\0\0\0", 4, "|");
}

static void length_is_adjusted_first(void **state)
{
    struct asynchat_prefix p = prefix_of(4, ASYNCHAT_PREFIX_INCLUSIVE);
    struct asynchat_prefix less = prefix_of(4, 0), more = prefix_of(4, 0);
    less.adjustment = -4;
    more.adjustment = 2;
    (void)state;
    expect(&p, "\0\0\0\16abcdefghij", 14, "abcdefghij|");
    expect(&p, "\0\0\0\4", 4, "|");
    expect(&p, "\0\0\0\3", 4, "!10017");
    expect(&p, "\0\0\0\5x\0\0\0\0abc", 12, "x|!10017");
    expect(&less, "\0\0\0\16abcdefghij", 14, "abcdefghij|");
    expect(&less, "\0\0\0\3", 4, "!10017");
    expect(&more, "\0\0\0\0ab\0\0\0\1cde", 13, "ab|cde|");
}

/* Gives the length that a head announces. */
static uint64_t whole_of(const struct asynchat_prefix *p, const void *head,
                         size_t len)
{
    struct framing_step found;
    struct asynchat_framing *f = asynchat_framing_prefix(p);
    assert_false(find_step(f, head, len, &found));
    struct framing_step step = f->ops->step(f, head, len);
    assert_true(f->begun);
    assert_int_equal(step.verdict, FRAMING_GOES_ON);
    assert_int_equal(step.data, len - step.skip);
    f->ops->release(f);
    return step.whole;
}

static void lengths_have_64_bits_and_do_not_wrap(void **state)
{
    struct asynchat_prefix p = prefix_of(8, 0);
    (void)state;
    assert_int_equal(whole_of(&p, "\0\0\0\1\0\0\0\5", 8), (1ull << 32) + 5);
    assert_int_equal(whole_of(&p, "\x80\0\0\0\0\0\0\0abc", 11), 1ull << 63);
    assert_int_equal(whole_of(&p, "\xff\xff\xff\xff\xff\xff\xff\xff", 8),
                     UINT64_MAX);
    p.adjustment = 1;
    assert_int_equal(whole_of(&p,
                              "\xff\xff\xff\xff\xff\xff\xff\xff"
                              "0123456789",
                              18),
                     UINT64_MAX);
    p = prefix_of(8, ASYNCHAT_PREFIX_KEPT);
    assert_int_equal(whole_of(&p,
                              "\xff\xff\xff\xff\xff\xff\xff\xff"
                              "0123456789",
                              18),
                     UINT64_MAX);
    p = prefix_of(8, ASYNCHAT_PREFIX_INCLUSIVE);
    assert_int_equal(whole_of(&p, "\x80\0\0\0\0\0\0\0abc", 11),
                     (1ull << 63) - 8);
}

/* The length is counted in 64 bits, though a span has fewer. */
static void message_of_more_than_4_gib_ends_where_it_should(void **state)
{
    static const uint8_t span[1 << 20];
    struct asynchat_prefix p = prefix_of(8, 0);
    struct asynchat_framing *f = asynchat_framing_prefix(&p);
    struct framing_step step =
        f->ops->step(f, (const uint8_t *)"\0\0\0\1\0\0\0\5", 8);
    uint64_t left = (1ull << 32) + 5;
    (void)state;
    while (left > 0) {
        assert_int_equal(step.verdict, FRAMING_GOES_ON);
        step = f->ops->step(f, span, sizeof span);
        left -= step.data;
    }
    assert_int_equal(step.verdict, FRAMING_ENDS);
    assert_int_equal(step.data, 5);
    f->ops->release(f);
}

/* Another terminator gets the bytes of a head that are held back; and if they
 * are dropped, the next byte begins a head. */
static void head_can_be_taken_back(void **state)
{
    struct asynchat_prefix p = prefix_of(2, 0);
    struct asynchat_framing *f = asynchat_framing_prefix(&p);
    (void)state;
    f->ops->step(f, (const uint8_t *)"a", 1);
    assert_int_equal(f->held, 1);
    assert_int_equal(f->ops->held(f)[0], 'a');
    f->held = 0;
    f->begun = false;
    struct framing_step step = f->ops->step(f, (const uint8_t *)"\0\1x", 3);
    assert_int_equal(step.verdict, FRAMING_ENDS);
    assert_int_equal(step.skip, 2);
    assert_int_equal(step.data, 1);
    f->ops->release(f);
}

/* --- arguments --- */

static void bad_tables_are_told(void **state)
{
    struct asynchat_prefix p = prefix_of(4, 0);
    struct {
        struct asynchat_prefix p;
        int more;
    } later = {p, 1};
    (void)state;
    expect_bad(asynchat_framing_prefix(NULL), -EINVAL);
    p.size = 0;
    expect_bad(asynchat_framing_prefix(&p), -EINVAL);
    static const unsigned bytes[] = {0, 5, 6, 7, 9, 1000};
    for (unsigned i = 0; i < COUNT(bytes); i++) {
        p = prefix_of(bytes[i], 0);
        expect_bad(asynchat_framing_prefix(&p), -EINVAL);
        assert_int_equal(asynchat_prefix_write(&p, 1, &later), -EINVAL);
    }
    p = prefix_of(4, 8);
    expect_bad(asynchat_framing_prefix(&p), -EINVAL);
    p = prefix_of(4, 0);
    p.offset = 57;
    expect_bad(asynchat_framing_prefix(&p), -EINVAL);
    later.p.size = sizeof later;
    expect_bad(asynchat_framing_prefix(&later.p), -ENOTSUP);
    assert_int_equal(asynchat_prefix_write(&later.p, 1, &p), -ENOTSUP);
    assert_int_equal(asynchat_prefix_write(NULL, 1, &p), -EINVAL);
    p = prefix_of(4, 0);
    assert_int_equal(asynchat_prefix_write(&p, 1, NULL), -EINVAL);
}

static void lack_of_memory_is_null(void **state)
{
    struct asynchat_prefix p = prefix_of(4, 0), bad = prefix_of(5, 0);
    struct naive good_ends = naive_of(&p), bad_ends = naive_of(&bad);
    (void)state;
    expect_no_memory(make, &good_ends);
    expect_no_memory(make, &bad_ends);
}

/* --- the other direction --- */

static void expect_fits(const struct asynchat_prefix *p, uint64_t most)
{
    uint8_t to[9];
    memset(to, 0xee, sizeof to);
    assert_int_equal(asynchat_prefix_write(p, most, to), 0);
    for (unsigned i = 0; i < p->bytes; i++)
        assert_int_equal(to[i], 0xff);
    assert_int_equal(to[p->bytes], 0xee);
    assert_int_equal(asynchat_prefix_write(p, most + 1, to), -EMSGSIZE);
    if (p->bytes < 8)
        assert_int_equal(asynchat_prefix_write(p, UINT64_MAX, to), -EMSGSIZE);
}

static void lengths_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    for (unsigned bytes = 1; bytes <= 4; bytes++) {
        struct asynchat_prefix p = prefix_of(bytes, 0);
        uint64_t most = (1ull << (8 * bytes)) - 1;
        expect_fits(&p, most);
        p.flags = ASYNCHAT_PREFIX_LITTLE;
        expect_fits(&p, most);
        p.flags = ASYNCHAT_PREFIX_INCLUSIVE;
        p.offset = 1;
        expect_fits(&p, most - bytes - 1);
        p.adjustment = 3;
        expect_fits(&p, most - bytes + 2);
    }
    struct asynchat_prefix p = prefix_of(8, ASYNCHAT_PREFIX_INCLUSIVE);
    expect_fits(&p, UINT64_MAX - 8);
}

static void numbers_below_0_are_refused(void **state)
{
    struct asynchat_prefix p = prefix_of(2, 0);
    uint8_t to[2] = {1, 1};
    p.adjustment = 2;
    (void)state;
    assert_int_equal(asynchat_prefix_write(&p, 1, to), -EMSGSIZE);
    assert_int_equal(to[0], 1);
    assert_int_equal(asynchat_prefix_write(&p, 2, to), 0);
    assert_int_equal(to[0] + to[1], 0);
}

static void numbers_are_written_in_their_order(void **state)
{
    struct asynchat_prefix p = prefix_of(3, 0);
    uint8_t to[8];
    (void)state;
    assert_int_equal(asynchat_prefix_write(&p, 0x010203, to), 0);
    assert_memory_equal(to, "\1\2\3", 3);
    p.flags = ASYNCHAT_PREFIX_LITTLE;
    assert_int_equal(asynchat_prefix_write(&p, 0x010203, to), 0);
    assert_memory_equal(to, "\3\2\1", 3);
    p.bytes = 8;
    assert_int_equal(asynchat_prefix_write(&p, 0x0102030405060708, to), 0);
    assert_memory_equal(to, "\10\7\6\5\4\3\2\1", 8);
}

/* Four bytes, the first one counts most, have a way of their own. */
static void each_field_may_be_another_than_usual(void **state)
{
    const struct asynchat_prefix usual = {.size = sizeof usual, .bytes = 4};
    /* As long as a later version's table, and without padding. */
    struct {
        struct asynchat_prefix p;
        size_t more;
    } later = {.p = usual};
    struct asynchat_prefix p = usual;
    uint8_t to[8];
    (void)state;
    assert_int_equal(asynchat_prefix_write(&p, 7, to), 0);
    assert_memory_equal(to, "\0\0\0\7", 4);
    assert_int_equal(asynchat_prefix_write(&p, UINT64_C(1) << 32, to),
                     -EMSGSIZE);
    p.offset = UINT16_MAX;
    assert_int_equal(asynchat_prefix_write(&p, 7, to), -EINVAL);
    p = usual;
    p.adjustment = 1;
    assert_int_equal(asynchat_prefix_write(&p, 7, to), 0);
    assert_memory_equal(to, "\0\0\0\6", 4);
    p = usual;
    p.flags = ASYNCHAT_PREFIX_LITTLE;
    assert_int_equal(asynchat_prefix_write(&p, 7, to), 0);
    assert_memory_equal(to, "\7\0\0\0", 4);
    p = usual;
    p.bytes = 2;
    assert_int_equal(asynchat_prefix_write(&p, 7, to), 0);
    assert_memory_equal(to, "\0\7", 2);
    later.p.size = sizeof later;
    assert_int_equal(asynchat_prefix_write(&later.p, 7, to), 0);
    assert_memory_equal(to, "\0\0\0\7", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_equals_the_model),
        cmocka_unit_test(empty_messages_are_messages),
        cmocka_unit_test(message_is_cut_off_from_the_first_byte_of_its_head),
        cmocka_unit_test(length_is_adjusted_first),
        cmocka_unit_test(lengths_have_64_bits_and_do_not_wrap),
        cmocka_unit_test(message_of_more_than_4_gib_ends_where_it_should),
        cmocka_unit_test(head_can_be_taken_back),
        cmocka_unit_test(bad_tables_are_told),
        cmocka_unit_test(lack_of_memory_is_null),
        cmocka_unit_test(lengths_that_do_not_fit_are_refused),
        cmocka_unit_test(numbers_below_0_are_refused),
        cmocka_unit_test(numbers_are_written_in_their_order),
        cmocka_unit_test(each_field_may_be_another_than_usual),
    };
    cmocka_set_skip_filter(getenv("LEAVE_OUT"));
    return cmocka_run_group_tests(tests, NULL, print_driven);
}
