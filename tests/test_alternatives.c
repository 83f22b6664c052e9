/* The framing with several terminators, alone, beside a naive model.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/framing.h>

#include <errno.h>

#include "framing_driver.h"

#define B(bytes)                                                               \
    {                                                                          \
        bytes, sizeof(bytes) - 1                                               \
    }
#define SET(n, ...)                                                            \
    {                                                                          \
        .kind = NAIVE_WORDS, .words = {__VA_ARGS__}, .count = n                \
    }

static struct asynchat_framing *make(const struct naive *set)
{
    return asynchat_framing_alternatives(set->words, set->count);
}

static unsigned try(const struct naive *set, const void *stream, size_t len)
{
    return drive_stream(make, set, stream, len);
}

/* --- sets that are hard, or common --- */

static const struct naive sets[] = {
    SET(1, B("\n")),
    SET(2, B("\r\n"), B("\n")),
    SET(2, B("\n"), B("\r\n")),
    SET(3, B("\r"), B("\r\n"), B("\n")),
    SET(2, B("abcd"), B("bc")),
    SET(3, B("bc"), B("abc"), B("c")),
    SET(3, B("aab"), B("aaab"), B("ab")),
    SET(3, B("aaaa"), B("aabaa"), B("bab")),
    SET(3, B("aba"), B("aba"), B("bb")),
    SET(2, B("a"), B("aa")),
    SET(3, B("abab"), B("babb"), B("bbaa")),
    SET(2, B("\0"), B("a\0b")),
    SET(3, B("aaab"), B("aac"), B("ad")),
    SET(3, B("abcabd"), B("bcaa"), B("cab")),
    SET(6, B("a"), B("b"), B("c"), B("d"), B("e"), B("f")),
    SET(2, B("1234"), B("112")),
};

/* The bytes that stand in a set, and one that does not. */
static const char *letters_of(const struct naive *set)
{
    static char letters[32];
    size_t n = 0;
    letters[n++] = 'x';
    for (size_t i = 0; i < set->count; i++)
        for (size_t k = 0; k < set->words[i].len; k++) {
            char c = ((const char *)set->words[i].data)[k];
            if (c != '\0' && !memchr(letters, c, n))
                letters[n++] = c;
        }
    letters[n] = '\0';
    return letters;
}

static void every_short_stream_is_as_the_model_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(sets); i++) {
        const char *letters = letters_of(&sets[i]);
        for (size_t len = 0; len <= (strlen(letters) < 4 ? 8 : 5); len++) {
            uint8_t stream[8];
            memset(stream, letters[0], sizeof stream);
            do
                drive_one(make, &sets[i], stream, len);
            while (string_next(stream, len, letters));
        }
    }
}

static void random_streams_of_hard_sets(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        const struct naive *set = &sets[random_below(COUNT(sets))];
        const char *letters = letters_of(set);
        uint8_t stream[48];
        size_t len = random_below(sizeof stream);
        for (size_t k = 0; k < len; k++)
            stream[k] =
                (uint8_t)letters[random_below((unsigned)strlen(letters) + 1)];
        drive_one(make, set, stream, len);
    }
}

/* Up to 16 terminators, of which many are equal, or begin or end others. */
static void random_sets(void **state)
{
    static uint8_t words[ASYNCHAT_ALTERNATIVES_MAX][8], stream[300];
    struct naive set = {.kind = NAIVE_WORDS};
    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        unsigned kinds = 1 + random_below(3), longest = 1 + random_below(8);
        set.count = 1 + random_below(ASYNCHAT_ALTERNATIVES_MAX);
        for (size_t w = 0; w < set.count; w++) {
            set.words[w].data = words[w];
            set.words[w].len = 1 + random_below(longest);
            for (size_t k = 0; k < set.words[w].len; k++)
                words[w][k] = (uint8_t)random_below(kinds);
        }
        size_t len = random_below(i % 50 == 0 ? sizeof stream : 30);
        for (size_t k = 0; k < len; k++)
            stream[k] = (uint8_t)random_below(kinds + i % 2);
        drive_one(make, &set, stream, len);
    }
}

/* --- single cases --- */

static void expect(const struct naive *set, const char *stream,
                   const char *wanted)
{
    drive_expect(make, set, stream, strlen(stream), wanted);
}

static void the_match_that_ends_first_wins(void **state)
{
    struct naive inner = SET(2, B("abcd"), B("bc"));
    struct naive line_ends = SET(3, B("\r"), B("\r\n"), B("\n"));
    struct naive overlaps = SET(2, B("1234"), B("112"));
    (void)state;
    expect(&inner, "xabcz", "xa|1|z~");
    expect(&inner, "xabcd", "xa|1|d~");
    expect(&inner, "xab", "xab~");
    expect(&line_ends, "a\r\nb\n", "a||2|b|2|");
    expect(&overlaps, "11234", "|1|34~");
    expect(&overlaps, "1112", "1|1|");
    expect(&overlaps, "x1234", "x|");
}

static void of_two_that_end_together_the_longer_wins(void **state)
{
    struct naive set = SET(3, B("\n"), B("\r\n"), B("\r\n"));
    (void)state;
    expect(&set, "a\r\nb\n\r\n\r", "a|1|b||1|_~");
}

/* No complete match waits for a byte that may never come. */
static void a_complete_match_is_never_held_back(void **state)
{
    struct naive set = SET(3, B("\r"), B("\r\n"), B("quit"));
    (void)state;
    static struct driver d;
    d = (struct driver){.f = make(&set), .stream = (const uint8_t *)"a\r"};
    driver_feed(&d, 2);
    assert_int_equal(d.held, 0);
    assert_int_equal(d.trace.len, 2);
    assert_int_equal(d.trace.what[1], TRACE_END);
    driver_finish(&d);
}

static void a_whole_message_takes_the_short_way(void **state)
{
    struct naive set = SET(4, B("\r\n"), B("\n"), B("\0"), B("END"));
    static const char stream[] = "GET 12345678901234567890123456\r\n\n";
    (void)state;
    struct asynchat_framing *f = make(&set);
    struct framing_step step;
    const uint8_t *bytes = driver_span((const void *)stream, 33);
    assert_true(find_step(f, bytes, 33, &step));
    assert_int_equal(step.skip, 0);
    assert_int_equal(step.data, 30);
    assert_int_equal(step.tail, 2);
    assert_int_equal(f->matched, 0);
    assert_true(find_step(f, bytes + 32, 1, &step));
    assert_int_equal(step.data, 0);
    assert_int_equal(step.tail, 1);
    assert_int_equal(f->matched, 1);
    assert_false(find_step(f, bytes, 31, &step));
    f->ops->release(f);
    assert_true(try(&set, stream, 33) > 0);
}

/* A message of which the short way sees no end. */
static void long_messages(void **state)
{
    static uint8_t stream[7000];
    struct naive set = SET(3, B("\r\n"), B("\n"), B("--a--b"));
    (void)state;
    memset(stream, 'x', sizeof stream);
    memcpy(stream + 4000, "\r--a--a--b", 10);
    memcpy(stream + 6990, "\r\n\r\r\n", 5);
    struct drive *v = drive_prepare(make, &set, stream, sizeof stream);
    drive_cut(v, sizeof stream, 1);
    for (size_t length = 1; length < 40; length++)
        drive_cut(v, length, length);
    for (size_t cut = 3990; cut < 4012; cut++)
        drive_cut(v, cut, sizeof stream);
}

/* Falls back as often as can be. */
static void the_longest_terminators(void **state)
{
    static uint8_t bytes[ASYNCHAT_ALTERNATIVES_SIZE], stream[7000];
    struct naive set = SET(2, {bytes, 3000}, {bytes, 1096});
    (void)state;
    memset(bytes, 'a', sizeof bytes);
    bytes[1095] = 'b';
    memset(stream, 'a', sizeof stream);
    stream[1090] = 'c';
    stream[5000] = 'b';
    struct drive *v = drive_prepare(make, &set, stream, sizeof stream);
    assert_int_equal(v->wanted.what[5001 - 1096], TRACE_END | 1);
    drive_cut(v, sizeof stream, 1);
    drive_cut(v, 1, 1);
    drive_cut(v, 1090, 7);
}

static void the_list_is_copied(void **state)
{
    char bytes[] = "abc";
    struct asynchat_bytes list[] = {{bytes, 3}};
    struct framing_step step;
    (void)state;
    struct asynchat_framing *f = asynchat_framing_alternatives(list, 1);
    memset(bytes, 'x', 3);
    list[0].data = NULL;
    assert_true(find_step(f, "zabc", 4, &step));
    assert_false(f->begun);
    f->ops->release(f);
}

static void refused(const struct asynchat_bytes *list, size_t n, int error)
{
    errno = 0;
    assert_null(asynchat_framing_alternatives(list, n));
    assert_int_equal(errno, error);
}

static void wrong_lists_are_refused(void **state)
{
    static char big[ASYNCHAT_ALTERNATIVES_SIZE + 1];
    struct asynchat_bytes list[ASYNCHAT_ALTERNATIVES_MAX + 1];
    (void)state;
    for (size_t i = 0; i < COUNT(list); i++)
        list[i] = (struct asynchat_bytes){"ab", 2};
    refused(NULL, 1, EINVAL);
    refused(list, 0, EINVAL);
    refused(list, ASYNCHAT_ALTERNATIVES_MAX + 1, EINVAL);
    list[3].len = 0;
    refused(list, 4, EINVAL);
    list[3] = (struct asynchat_bytes){NULL, 2};
    refused(list, 4, EINVAL);
    list[0] = (struct asynchat_bytes){big, sizeof big};
    refused(list, 1, EINVAL);
    list[0].len = sizeof big - 2;
    refused(list, 2, EINVAL);
    list[0].len = SIZE_MAX;
    refused(list, 2, EINVAL);
    list[1].len = 1;
    list[0].len = sizeof big - 2;
    struct asynchat_framing *f = asynchat_framing_alternatives(list, 2);
    assert_non_null(f);
    f->ops->release(f);
}

static void without_memory_there_is_no_framing(void **state)
{
    (void)state;
    expect_no_memory(make, &sets[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_short_stream_is_as_the_model_says),
        cmocka_unit_test(random_streams_of_hard_sets),
        cmocka_unit_test(random_sets),
        cmocka_unit_test(the_match_that_ends_first_wins),
        cmocka_unit_test(of_two_that_end_together_the_longer_wins),
        cmocka_unit_test(a_complete_match_is_never_held_back),
        cmocka_unit_test(a_whole_message_takes_the_short_way),
        cmocka_unit_test(long_messages),
        cmocka_unit_test(the_longest_terminators),
        cmocka_unit_test(the_list_is_copied),
        cmocka_unit_test(wrong_lists_are_refused),
        cmocka_unit_test(without_memory_there_is_no_framing),
    };
    cmocka_set_skip_filter(getenv("LEAVE_OUT"));
    return cmocka_run_group_tests(tests, NULL, print_driven);
}
