/* Netstrings, compared with a model that sees the whole stream.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/error.h>
#include <asynchat/framing.h>

#include "framing_driver.h"

static const struct naive ends = {.kind = NAIVE_NETSTRING};

static struct asynchat_framing *make(const struct naive *what)
{
    (void)what;
    return asynchat_framing_netstring();
}

static void expect(const char *stream, const char *wanted)
{
    drive_expect(make, &ends, stream, strlen(stream), wanted);
}

static void random_netstrings_equal_the_model(void **state)
{
    char stream[1024];
    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        size_t len = 0;
        for (unsigned message = 0; message < 5; message++) {
            int n = rand() % 4 ? rand() % 12 : rand() % 120;
            len += (size_t)sprintf(stream + len, "%d:", n);
            for (int k = 0; k < n; k++)
                stream[len++] = (char)("0:,a"[rand() % 4]);
            stream[len++] = rand() % 50 ? ',' : ';';
        }
        drive_one(make, &ends, stream, len - (size_t)rand() % 4);
    }
}

static void random_bytes_equal_the_model(void **state)
{
    uint8_t stream[40];
    (void)state;
    for (unsigned i = 0; i < 4000; i++) {
        for (size_t k = 0; k < sizeof stream; k++)
            stream[k] = (uint8_t)("0129:::,,,"[rand() % 10]);
        drive_one(make, &ends, stream, 1 + (size_t)rand() % sizeof stream);
    }
}

/* --- cases --- */

static void netstrings(void **state)
{
    (void)state;
    expect("5:hello,0:,1:,,", "hello||,|");
    expect("12:hello world!,", "hello world!|");
    expect("3:abc,3:ab", "abc|ab~");
    expect("3:abc", "abc~");
    expect("3", "3~");
    expect("0:", "~");
}

static void broken_netstrings(void **state)
{
    static const char *const broken[] = {
        ":,",   ",",    "a",    "-1:a,", " 1:a,", "00:,", "01:a",
        "1a:a", "0:a,", "+1:a", "0x1:",  "1.0:a", "/1:a,"};
    (void)state;
    for (unsigned i = 0; i < COUNT(broken); i++)
        expect(broken[i], "!10017");
    expect("2:ok,x", "ok|!10017");
    expect("3:abcd,", "abc!10017");
    expect("1:a;", "a!10017");
    expect("1::a,", ":!10017");
}

static void largest_number(void **state)
{
    (void)state;
    expect("18446744073709551615:ab", "ab~");
    expect("18446744073709551616", "!10017");
    expect("18446744073709551620", "!10017");
    expect("184467440737095516150", "!10017");
    expect("99999999999999999999", "!10017");
    expect("99999999999999999990:a", "!10017");
}

/* The comma is not the message's: one of exactly the limit is not too long. */
static void comma_is_not_counted(void **state)
{
    struct asynchat_framing *f = make(&ends);
    struct framing_step step;
    (void)state;
    assert_true(find_step(f, "3:abc,", 6, &step));
    assert_int_equal(step.data, 3);
    assert_int_equal(step.tail, 1);
    step = f->ops->step(f, (const uint8_t *)"3:abc", 5);
    assert_int_equal(step.whole, 3);
    assert_int_equal(step.verdict, FRAMING_GOES_ON);
    assert_true(f->begun);
    step = f->ops->step(f, (const uint8_t *)",", 1);
    assert_int_equal(step.data, 0);
    assert_int_equal(step.tail, 1);
    assert_int_equal(step.verdict, FRAMING_ENDS);
    assert_false(f->begun);
    f->ops->release(f);
}

/* Nothing more is found, so that it makes no difference that the message was to
 * be dropped. */
static void wrong_comma_fails_behind_a_message_that_is_too_long(void **state)
{
    struct asynchat_framer *f = asynchat_framer_new();
    (void)state;
    assert_int_equal(asynchat_framer_set_limit(f, 3, 1), 0);
    assert_int_equal(asynchat_framer_set_framing(f, make(&ends)), 0);
    assert_int_equal(asynchat_framer_feed(f, "5:abcde", 7), 0);
    assert_int_equal(asynchat_framer_next(f, NULL, NULL), ASYNCHAT_FRAMER_MORE);
    assert_int_equal(asynchat_framer_feed(f, ";", 1), 0);
    assert_int_equal(asynchat_framer_next(f, NULL, NULL), ASYNCHAT_FRAMER_BAD);
    assert_int_equal(asynchat_framer_get_error(f), ASYNCHAT_EFRAMING);
    asynchat_framer_free(f);
}

static void lack_of_memory_is_null(void **state)
{
    (void)state;
    expect_no_memory(make, &ends);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_netstrings_equal_the_model),
        cmocka_unit_test(random_bytes_equal_the_model),
        cmocka_unit_test(netstrings),
        cmocka_unit_test(broken_netstrings),
        cmocka_unit_test(largest_number),
        cmocka_unit_test(comma_is_not_counted),
        cmocka_unit_test(wrong_comma_fails_behind_a_message_that_is_too_long),
        cmocka_unit_test(lack_of_memory_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, print_driven);
}
