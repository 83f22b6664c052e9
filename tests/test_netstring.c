/* Netstrings, compared with a model that sees the whole stream.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/error.h>
#include <asynchat/framing.h>

#include "length_driver.h"

static struct asynchat_framing *make(const void *what)
{
    (void)what;
    return asynchat_framing_netstring();
}

static void expect(const char *stream, const char *expected)
{
    stream_expect(make, NULL, stream, strlen(stream), expected);
}

/* --- the model --- */

static bool is_too_large(const uint8_t *digits, size_t len)
{
    return len > 20 ||
           (len == 20 && memcmp(digits, "18446744073709551615", 20) > 0);
}

/* Reads one message at `at`. Answers how many bytes it has with its head and
 * its comma; 0: nothing more can be said. */
static size_t model_one(const uint8_t *at, size_t len, struct said *s)
{
    size_t digits = 0;
    while (digits < len && at[digits] >= '0' && at[digits] <= '9')
        digits++;
    bool other = digits < len && (at[digits] != ':' || digits == 0);
    if ((digits > 1 && at[0] == '0') || is_too_large(at, digits) || other) {
        said_error(s, ASYNCHAT_EFRAMING);
        return 0;
    }
    if (digits == len) {
        said_cut(s, len);
        return 0;
    }
    size_t head = digits + 1, left = len - head;
    uint64_t number = strtoull((const char *)at, NULL, 10);
    if (number >= left) {
        said_add(s, at + head, left);
        said_cut(s, 0);
        return 0;
    }
    if (at[head + (size_t)number] != ',') {
        said_error(s, ASYNCHAT_EFRAMING);
        return 0;
    }
    said_message(s, at + head, (size_t)number);
    return head + (size_t)number + 1;
}

static void compare(const uint8_t *bytes, size_t len)
{
    static struct said s;
    size_t used = 1;
    said_begin(&s);
    for (size_t at = 0; at < len && used > 0; at += used)
        used = model_one(bytes + at, len - at, &s);
    stream_check(make, NULL, bytes, len, &s);
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
        compare((const uint8_t *)stream, len - (size_t)rand() % 4);
    }
}

static void random_bytes_equal_the_model(void **state)
{
    uint8_t stream[40];
    (void)state;
    for (unsigned i = 0; i < 4000; i++) {
        for (size_t k = 0; k < sizeof stream; k++)
            stream[k] = (uint8_t)("0129:::,,,"[rand() % 10]);
        compare(stream, 1 + (size_t)rand() % sizeof stream);
    }
}

/* --- cases --- */

static void netstrings(void **state)
{
    (void)state;
    expect("5:hello,0:,1:,,", "5:hello 0: 1:, ");
    expect("12:hello world!,", "12:hello world! ");
    expect("3:abc,3:ab", "3:abc ~2+0");
    expect("3:abc", "~3+0");
    expect("3", "~0+1");
    expect("0:", "~0+0");
}

static void broken_netstrings(void **state)
{
    static const char *const broken[] = {
        ":,",      ",",    "a",    "-1:a,", " 1:a,", "00:,", "01:a",  "1a:a",
        "3:abcd,", "0:a,", "1:a;", "1::a,", "+1:a",  "0x1:", "1.0:a", "/1:a,"};
    (void)state;
    for (unsigned i = 0; i < COUNT(broken); i++)
        expect(broken[i], "!-10017");
    expect("2:ok,x", "2:ok !-10017");
}

static void largest_number(void **state)
{
    (void)state;
    expect("18446744073709551615:ab", "~2+0");
    expect("18446744073709551616", "!-10017");
    expect("18446744073709551620", "!-10017");
    expect("184467440737095516150", "!-10017");
    expect("99999999999999999999", "!-10017");
    expect("99999999999999999990:a", "!-10017");
}

/* The comma is not the message's: one of exactly the limit is not too long. */
static void comma_is_not_counted(void **state)
{
    struct asynchat_framing *f = make(NULL);
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

static void lack_of_memory_is_null(void **state)
{
    (void)state;
    expect_no_memory(make, NULL);
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
        cmocka_unit_test(lack_of_memory_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
