/* Bytes that somebody else chose, as text.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/escape.h"

static void expect_text(const char *bytes, size_t len, const char *expected)
{
    char text[256] = "";
    unsigned char again[64] = {0};
    size_t again_len = 99;
    size_t n = asynchat__escape(text, bytes, len);
    text[n] = '\0';
    assert_string_equal(text, expected);
    assert_true(asynchat__unescape(again, sizeof again, text, &again_len));
    assert_int_equal(again_len, len);
    assert_memory_equal(again, bytes, len);
}

#define EXPECT(bytes, expected) expect_text(bytes, sizeof bytes - 1, expected)

static void what_can_be_read_stays(void **state)
{
    (void)state;
    EXPECT("", "");
    EXPECT("/run/a b~", "/run/a b~");
    EXPECT("\xc2\xa0\xdf\xbf", "\xc2\xa0\xdf\xbf");
    EXPECT("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf",
           "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf");
    EXPECT("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
           "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
}

static void what_cannot_is_escaped(void **state)
{
    (void)state;
    EXPECT("a\\b", "a\\\\b");
    EXPECT("\r\n\t\0\x1f", "\\x0d\\x0a\\x09\\x00\\x1f");
    EXPECT("\x7f\xc2\x80\xc2\x9f", "\\x7f\\xc2\\x80\\xc2\\x9f");
}

static void so_is_what_moves_the_rest_of_the_line(void **state)
{
    (void)state;
    EXPECT("\xe2\x80\xa8", "\\xe2\\x80\\xa8"); /* line separator */
    EXPECT("\xe2\x80\xae", "\\xe2\\x80\\xae"); /* to the left */
    EXPECT("\xe2\x81\xa6", "\\xe2\\x81\\xa6");
    EXPECT("\xe2\x80\x8f", "\\xe2\\x80\\x8f");
    EXPECT("\xd8\x9c", "\\xd8\\x9c");
    EXPECT("\xe2\x80\xaf", "\xe2\x80\xaf"); /* a space */
}

static void what_is_no_character_is_escaped(void **state)
{
    (void)state;
    EXPECT("\x80", "\\x80");
    EXPECT("\xc3", "\\xc3");
    EXPECT("\xc3x", "\\xc3x");
    EXPECT("\xe2\x82", "\\xe2\\x82");
    EXPECT("\xc0\xaf", "\\xc0\\xaf"); /* too long */
    EXPECT("\xe0\x9f\xbf", "\\xe0\\x9f\\xbf");
    EXPECT("\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf");
    EXPECT("\xed\xa0\x80", "\\xed\\xa0\\x80");          /* half a pair */
    EXPECT("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* too large */
    EXPECT("\xff\xfe", "\\xff\\xfe");
}

static void any_bytes_come_back(void **state)
{
    char bytes[40], text[ESCAPED_MOST(sizeof bytes) + 1];
    unsigned char again[sizeof bytes];
    size_t len;
    (void)state;
    srandom(1);
    for (int round = 0; round < 20000; round++) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (char)(random() >> 8);
        size_t n = asynchat__escape(text, bytes, sizeof bytes);
        text[n] = '\0';
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
                fail_msg("round %d of seed 1: a control character", round);
        if (!asynchat__unescape(again, sizeof again, text, &len) ||
            len != sizeof bytes || memcmp(again, bytes, len) != 0)
            fail_msg("round %d of seed 1: \"%s\"", round, text);
    }
}

static void another_backslash_is_refused(void **state)
{
    static const char *const bad[] = {"\\",    "a\\",   "\\n",   "\\0",
                                      "\\x",   "\\x1",  "\\xg1", "\\x1g",
                                      "\\X41", "\\\\\\"};
    char bytes[8];
    size_t len;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(asynchat__unescape(bytes, sizeof bytes, bad[i], &len));
    assert_true(asynchat__unescape(bytes, sizeof bytes, "\\xAb", &len));
    assert_int_equal((unsigned char)bytes[0], 0xab);
}

static void no_more_is_written_than_there_is_room_for(void **state)
{
    char bytes[3] = "zzz";
    size_t len;
    (void)state;
    assert_true(asynchat__unescape(bytes, 2, "ab\\x63d", &len));
    assert_int_equal(len, 4);
    assert_memory_equal(bytes, "abz", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_read_stays),
        cmocka_unit_test(what_cannot_is_escaped),
        cmocka_unit_test(so_is_what_moves_the_rest_of_the_line),
        cmocka_unit_test(what_is_no_character_is_escaped),
        cmocka_unit_test(any_bytes_come_back),
        cmocka_unit_test(another_backslash_is_refused),
        cmocka_unit_test(no_more_is_written_than_there_is_room_for),
    };
    return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
