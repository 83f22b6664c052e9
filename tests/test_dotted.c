/* Dotted data, alone, beside a naive model.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/framing.h>

#include <errno.h>

#include <asynchat/error.h>

#include "framing_driver.h"
#include "no_memory.h"

#define LETTERS ".\r\na"

static struct asynchat_framing *make(void *arg)
{
    return asynchat_framing_dotted(*(const unsigned *)arg);
}

/* --- the model --- */

/* Where the message that begins at 0 ends, with its end mark; or 0. */
static size_t model_end(const uint8_t *bytes, size_t len)
{
    for (size_t end = 3; end <= len; end++)
        if (memcmp(bytes + end - 3, ".\r\n", 3) == 0 &&
            (end == 3 || (end >= 5 && memcmp(bytes + end - 5, "\r\n", 2) == 0)))
            return end;
    return 0;
}

static bool model_begins_line(const uint8_t *bytes, size_t at)
{
    return at == 0 || (at >= 2 && memcmp(bytes + at - 2, "\r\n", 2) == 0);
}

/* Whether a bare CR or LF stands there. Of the last byte of a stream that is
 * cut off this cannot be said. */
static bool model_is_bare(const uint8_t *bytes, size_t at, size_t len)
{
    if (bytes[at] == '\r')
        return at + 1 < len && bytes[at + 1] != '\n';
    return bytes[at] == '\n' && (at == 0 || bytes[at - 1] != '\r');
}

/* Whether the dot there is taken away. A beginning of the end mark is what it
 * is if the stream ends there. */
static bool model_is_stuffed(const uint8_t *bytes, size_t at, size_t len)
{
    if (bytes[at] != '.' || !model_begins_line(bytes, at))
        return false;
    return at + 2 < len || (at + 2 == len && bytes[at + 1] != '\r');
}

/* One message, or what there is of it. `body` of its bytes are not the end
 * mark. */
static void model_message(const uint8_t *bytes, size_t body, size_t len,
                          bool strict, struct trace *wanted)
{
    size_t have = 0;
    bool bad = false;
    for (size_t i = 0; i < body; i++) {
        if (model_is_stuffed(bytes, i, len))
            continue;
        have++;
        if (strict && !bad && model_is_bare(bytes, i, len)) {
            bad = true;
            trace_add(wanted, TRACE_ERROR, -ASYNCHAT_EBARE);
        }
        if (!bad)
            trace_bytes(wanted, bytes + i, 1);
    }
    if (bad)
        trace_add(wanted, TRACE_DROPPED, have);
    else if (body < len)
        trace_add(wanted, TRACE_END, 0);
}

static void model(const uint8_t *stream, size_t len, bool strict,
                  struct trace *wanted)
{
    size_t begin = 0, end;
    wanted->len = 0;
    while ((end = model_end(stream + begin, len - begin)) > 0) {
        model_message(stream + begin, end - 3, end, strict, wanted);
        begin += end;
    }
    model_message(stream + begin, len - begin, len - begin, strict, wanted);
    if (begin < len || begin == 0)
        trace_add(wanted, TRACE_CUT, 0);
}

static struct drive *prepare(const void *stream, size_t len, unsigned *flags)
{
    static struct drive v;
    v.make = make;
    v.arg = flags;
    v.stream = stream;
    v.len = len;
    v.shorts = 0;
    model(stream, len, *flags & ASYNCHAT_DOTTED_STRICT, &v.wanted);
    return &v;
}

static void try(const void *stream, size_t len)
{
    for (unsigned flags = 0; flags <= ASYNCHAT_DOTTED_STRICT; flags++)
        drive(prepare(stream, len, &flags));
}

/* --- many streams --- */

static void every_short_stream_is_as_the_model_says(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 8; len++) {
        uint8_t stream[] = "........";
        do
            try(stream, len);
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
        try(stream, strlen(stream));
    }
}

/* In pieces of all lengths, with lines around the width of a vector. */
static void long_streams(void **state)
{
    static char stream[7000];
    (void)state;
    for (unsigned flags = 0; flags <= ASYNCHAT_DOTTED_STRICT; flags++) {
        size_t len = 0;
        for (size_t line = 0; len < 6000; line++) {
            len += (size_t)sprintf(stream + len, "%s%*s\r\n",
                                   line % 5 == 0 ? ".." : "", (int)(line % 77),
                                   "");
            if (line % 40 == 39)
                len += (size_t)sprintf(stream + len, ".\r\n");
        }
        if (flags)
            memcpy(stream + 2000, "x\ry", 3);
        struct drive *v = prepare(stream, len, &flags);
        for (size_t length = 1; length < 200; length++)
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
        memcpy(stream, lines, sizeof lines);
        memcpy(stream + i / 6, things[i % 6], strlen(things[i % 6]));
        for (unsigned flags = 0; flags <= ASYNCHAT_DOTTED_STRICT; flags++) {
            struct drive *v = prepare(stream, sizeof stream, &flags);
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

/* The data of the message that the stream ends, and what is behind it is
 * another's. */
static void expect_body(const char *stream, const char *body)
{
    struct trace t;
    size_t len = strlen(stream);
    model((const uint8_t *)stream, len, false, &t);
    assert_int_equal(t.len, strlen(body) + 1);
    for (size_t i = 0; body[i] != '\0'; i++)
        assert_int_equal(t.what[i], (uint8_t)body[i]);
    assert_int_equal(t.what[t.len - 1], TRACE_END);
    try(stream, len);
}

static void the_beginning_of_the_data_is_the_beginning_of_a_line(void **state)
{
    (void)state;
    expect_body(".\r\n", "");
    expect_body("..x\r\n.\r\n", ".x\r\n");
    expect_body("\r\n.\r\n", "\r\n");
    expect_body("..\r\n.\r\n", ".\r\n");
}

static void only_a_single_dot_ends(void **state)
{
    (void)state;
    expect_body(".a\r\n.\r\n", "a\r\n");
    expect_body(". \r\n.\r\n", " \r\n");
    expect_body(".\r\r\n.\r\n", "\r\r\n");
    expect_body("a\n.\n.\r\n\r\n.\r\n", "a\n.\n.\r\n\r\n");
    expect_body("a\r.\rb\r\n.\r\n", "a\r.\rb\r\n");
    expect_body("a\r\n.\n\r\n.\r\n", "a\r\n\n\r\n");
    expect_body("a\n.\r\n\r\n.\r\n", "a\n.\r\n\r\n");
}

/* What a smuggler of mails tries. Only the stream's true end is an end, and
 * there is one refusal. */
static void no_other_line_end_ends_strict_data(void **state)
{
    static const char *const ends[] = {"\n",   "\r",   "\r\r\n",
                                       "\n\r", "\r\n", "0\r\n"};
    unsigned flags = ASYNCHAT_DOTTED_STRICT;
    (void)state;
    for (size_t i = 0; i < 36; i++) {
        const char *one = ends[i / 6], *two = ends[i % 6];
        char stream[64];
        sprintf(stream, "x%s.%s\r\nNOOP\r\n.\r\n", one, two);
        size_t len = strlen(stream);
        for (char *zero = stream; (zero = strchr(zero, '0'));)
            *zero = '\0';
        if (model_end((const uint8_t *)stream, len) != len) {
            /* CR LF "." CR LF is in it, as its bytes say */
            assert_int_equal(strcmp(two, "\r\n"), 0);
            assert_true(strlen(one) >= 2);
        }
        drive(prepare(stream, len, &flags));
    }
}

static void an_end_of_the_stream_cuts_off_from_the_start(void **state)
{
    unsigned flags = 0;
    (void)state;
    struct asynchat_framing *f = make(&flags);
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
    unsigned flags = ASYNCHAT_DOTTED_STRICT;
    const uint8_t *bytes = (const uint8_t *)"hello\r\nyou\r\n.\r\nQUIT\r\n";
    (void)state;
    struct asynchat_framing *f = make(&flags);
    assert_true(find_step(f, bytes, 21, &step));
    assert_int_equal(step.skip, 0);
    assert_int_equal(step.data, 12);
    assert_int_equal(step.tail, 3);
    assert_false(f->begun);
    assert_false(find_step(f, bytes, 14, &step));
    f->ops->release(f);
    struct drive *v = prepare(bytes, 21, &flags);
    drive_cut(v, 21, 1);
    assert_true(v->shorts > 0);
}

static void without_memory_or_with_other_flags_there_is_none(void **state)
{
    (void)state;
    errno = 0;
    assert_null(asynchat_framing_dotted(2));
    assert_int_equal(errno, EINVAL);
    no_memory = true;
    struct asynchat_framing *f = asynchat_framing_dotted(0);
    no_memory = false;
    assert_null(f);
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
    return cmocka_run_group_tests(tests, NULL, NULL);
}
