/* Dotted data, alone, beside a naive model.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/framing.h>

#include <errno.h>

#include <asynchat/error.h>

#include "framing_driver.h"

#define LETTERS ".\r\na"

static struct asynchat_framing *make(const struct naive *ends)
{
    return asynchat_framing_dotted(ends->strict ? ASYNCHAT_DOTTED_STRICT : 0);
}

static const struct naive loose = {.kind = NAIVE_DOTTED, .first = true},
                          strict = {.kind = NAIVE_DOTTED,
                                    .first = true,
                                    .strict = true};
static const struct naive *const both[] = {&loose, &strict};

static void try(const void *stream, size_t len)
{
    for (size_t i = 0; i < COUNT(both); i++)
        drive_stream(make, both[i], stream, len);
}

/* --- many streams --- */

static void try_one(const void *stream, size_t len)
{
    if (!is_left_out())
        try(stream, len);
}

static void every_short_stream_is_as_the_model_says(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 8; len++) {
        uint8_t stream[] = "........";
        do
            try_one(stream, len);
        while (string_next(stream, len, LETTERS));
    }
}

/* Each stream is of parts that mean something, and at times has a second
 * message. */
static void random_streams(void **state)
{
    static const char *const parts[] = {
        ".", "\r", "\n", "a", "\r\n", "\r\n.", "\r\n.\r\n", "\r\n..\r\n"};
    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        char stream[80] = "";
        for (unsigned n = random_below(13); n > 0; n--)
            strcat(stream, parts[random_below(i % 3 == 0 ? 8 : 5)]);
        try_one(stream, strlen(stream));
    }
}

/* In pieces of all lengths, with lines around the width of a vector. */
static void long_streams(void **state)
{
    static char stream[7000];
    (void)state;
    for (size_t i = 0; i < COUNT(both); i++) {
        size_t len = 0;
        for (size_t line = 0; len < 6000; line++) {
            len += (size_t)sprintf(stream + len, "%s%*s\r\n",
                                   line % 5 == 0 ? ".." : "", (int)(line % 77),
                                   "");
            if (line % 40 == 39)
                len += (size_t)sprintf(stream + len, ".\r\n");
        }
        if (i > 0)
            memcpy(stream + 2000, "x\ry", 3);
        struct drive *v = drive_prepare(make, both[i], stream, len);
        for (size_t length = 1; length < 200; length++)
            if (!is_left_out())
                drive_cut(v, length, length);
        drive_cut(v, len, 1);
    }
}

/* Something to do at each place of many lines, which are passed over in
 * blocks. */
static void anything_anywhere_in_many_lines(void **state)
{
    static const char *const things[] = {".",     "\r",   "\n",
                                         "\r\n.", "\r\r", "\r\n.\r\n"};
    static char lines[700], stream[sizeof lines];
    (void)state;
    for (size_t at = 0; at + 80 < sizeof lines;)
        at += (size_t)sprintf(lines + at, "%0*d\r\n", (int)(at * 7 % 71), 0);
    for (size_t i = 0; i < 6 * 600; i++) {
        if (is_left_out())
            continue;
        memcpy(stream, lines, sizeof lines);
        memcpy(stream + i / 6, things[i % 6], strlen(things[i % 6]));
        for (size_t k = 0; k < COUNT(both); k++) {
            struct drive *v =
                drive_prepare(make, both[k], stream, sizeof stream);
            drive_cut(v, sizeof stream, 1);
            drive_cut(v, 1 + random_below(600), sizeof stream);
        }
    }
}

/* A span that ends in a line, where a block ends. */
static void a_dot_behind_the_last_block_is_data(void **state)
{
    char stream[300];
    (void)state;
    for (int length = 60; length < 200; length++) {
        sprintf(stream, "a\r\n%0*d.\r\n.\r\n", length, 0);
        try(stream, strlen(stream));
    }
}

/* --- single cases --- */

/* The bytes of a stream that is one message. CR and LF are "_" in `body`. */
static void expect_body(const char *stream, const char *body)
{
    char wanted[32];
    sprintf(wanted, "%s|", body);
    drive_expect(make, &loose, stream, strlen(stream), wanted);
    try(stream, strlen(stream));
}

static void the_beginning_of_the_data_is_the_beginning_of_a_line(void **state)
{
    (void)state;
    expect_body(".\r\n", "");
    expect_body("..x\r\n.\r\n", ".x__");
    expect_body("\r\n.\r\n", "__");
    expect_body("..\r\n.\r\n", ".__");
}

static void only_a_single_dot_ends(void **state)
{
    (void)state;
    expect_body(".a\r\n.\r\n", "a__");
    expect_body(". \r\n.\r\n", " __");
    expect_body(".\r\r\n.\r\n", "___");
    expect_body("a\n.\n.\r\n\r\n.\r\n", "a_._.____");
    expect_body("a\r.\rb\r\n.\r\n", "a_._b__");
    expect_body("a\r\n.\n\r\n.\r\n", "a_____");
    expect_body("a\n.\r\n\r\n.\r\n", "a_.____");
}

static size_t messages_of(const struct trace *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->len; i++)
        n += t->what[i] == TRACE_END || t->what[i] >> 16 == TRACE_DROPPED >> 16;
    return n;
}

/* What a smuggler of mails tries. Only the stream's true end is an end, and
 * there is one refusal. */
static void no_other_line_end_ends_strict_data(void **state)
{
    static const char *const line_ends[] = {"\n",   "\r",   "\r\r\n",
                                            "\n\r", "\r\n", "0\r\n"};
    (void)state;
    for (size_t i = 0; i < 36; i++) {
        const char *one = line_ends[i / 6], *two = line_ends[i % 6];
        char stream[64];
        sprintf(stream, "x%s.%s\r\nNOOP\r\n.\r\n", one, two);
        size_t len = strlen(stream);
        for (char *zero = stream; (zero = strchr(zero, '0'));)
            *zero = '\0';
        struct drive *v = drive_prepare(make, &strict, stream, len);
        bool ends = strcmp(two, "\r\n") == 0 && strlen(one) >= 2 &&
                    strcmp(one + strlen(one) - 2, "\r\n") == 0;
        assert_int_equal(messages_of(&v->wanted), 1 + ends);
        drive(v);
    }
}

static void an_end_of_the_stream_cuts_off_from_the_start(void **state)
{
    (void)state;
    struct asynchat_framing *f = make(&loose);
    assert_true(f->begun);
    f->ops->step(f, driver_span((const uint8_t *)".\r\n", 3), 3);
    assert_false(f->begun); /* it is over, and no other one has begun */
    f->ops->step(f, driver_span((const uint8_t *)".", 1), 1);
    assert_true(f->begun);
    f->ops->step(f, driver_span((const uint8_t *)"\r", 1), 1);
    assert_true(f->begun);
    f->ops->release(f);
    try("", 0);
    try("hello\r\n.\r", 9);
}

static void a_whole_message_takes_the_short_way(void **state)
{
    struct framing_step step;
    const uint8_t *bytes = (const uint8_t *)"hello\r\nyou\r\n.\r\nQUIT\r\n";
    (void)state;
    struct asynchat_framing *f = make(&strict);
    assert_true(find_step(f, bytes, 21, &step));
    assert_int_equal(step.skip, 0);
    assert_int_equal(step.data, 12);
    assert_int_equal(step.tail, 3);
    assert_false(f->begun);
    assert_false(find_step(f, bytes, 14, &step));
    f->ops->release(f);
    struct drive *v = drive_prepare(make, &strict, bytes, 21);
    drive_cut(v, 21, 1);
    assert_true(v->shorts > 0);
}

static void without_memory_or_with_other_flags_there_is_none(void **state)
{
    (void)state;
    errno = 0;
    assert_null(asynchat_framing_dotted(2));
    assert_int_equal(errno, EINVAL);
    expect_no_memory(make, &loose);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_short_stream_is_as_the_model_says),
        cmocka_unit_test(random_streams),
        cmocka_unit_test(long_streams),
        cmocka_unit_test(anything_anywhere_in_many_lines),
        cmocka_unit_test(a_dot_behind_the_last_block_is_data),
        cmocka_unit_test(the_beginning_of_the_data_is_the_beginning_of_a_line),
        cmocka_unit_test(only_a_single_dot_ends),
        cmocka_unit_test(no_other_line_end_ends_strict_data),
        cmocka_unit_test(an_end_of_the_stream_cuts_off_from_the_start),
        cmocka_unit_test(a_whole_message_takes_the_short_way),
        cmocka_unit_test(without_memory_or_with_other_flags_there_is_none),
    };
    cmocka_set_skip_filter(getenv("LEAVE_OUT"));
    return cmocka_run_group_tests(tests, NULL, print_driven);
}
