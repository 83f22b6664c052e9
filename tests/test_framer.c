/* The framer gives the same events for every cut, and the same events as a
 * model that sees the whole stream. This program does not link libevent.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <asynchat/error.h>

#include "framer/framer.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof(a)[0])

/* --- a framer, its input, and what it said --- */

struct run {
    struct framer f;
    struct framer_cursor c;
    struct needles recent;
    char said[4096];
    size_t len;
    bool in_data;
    bool leaves;   /* the turn ends after each event */
    uint8_t *rest; /* the rest of a span after such an end */
    size_t left;
};

static void say(struct run *r, const char *text, size_t len)
{
    assert_true(r->len + len < sizeof r->said);
    memcpy(r->said + r->len, text, len);
    r->len += len;
    r->said[r->len] = '\0';
}

/* Bytes are recorded as one word, such as "ab", together or apart. */
static void say_data(struct run *r, const uint8_t *data, size_t len)
{
    assert_true(len > 0);
    if (!r->in_data)
        say(r, " ", 1);
    r->in_data = true;
    say(r, (const char *)data, len);
}

static void say_word(struct run *r, const char *word)
{
    r->in_data = false;
    say(r, " ", 1);
    say(r, word, strlen(word));
}

static void begin(struct run *r, size_t limit, bool drops)
{
    memset(r, 0, sizeof *r);
    asynchat__framer_init(&r->f);
    asynchat__framer_limit(&r->f, NULL, limit, drops);
}

static void finish(struct run *r)
{
    asynchat__framer_free(&r->f);
    asynchat__needles_free(&r->recent);
    free(r->rest);
}

/* Sets a terminator: "5" is a number, "" is none, and any other text is a
 * string. */
static void set(struct run *r, const char *terminator)
{
    struct framer_cursor *c = r->c.at ? &r->c : NULL;
    bool number = terminator[0] >= '0' && terminator[0] <= '9';
    enum asynchat_terminator kind = number        ? ASYNCHAT_LENGTH
                                    : *terminator ? ASYNCHAT_STRING
                                                  : ASYNCHAT_NONE;
    uint64_t len = number ? strtoull(terminator, NULL, 10) : strlen(terminator);
    assert_int_equal(asynchat__framer_set(&r->f, c, &r->recent, kind,
                                          number ? NULL : terminator, len),
                     0);
}

/* In the next turn the rest of the span is elsewhere in memory. */
static void leave(struct run *r)
{
    size_t left = (size_t)(r->c.end - r->c.at);
    uint8_t *rest = malloc(left + 1);
    if (left > 0)
        memcpy(rest, r->c.at, left);
    asynchat__framer_leave(&r->f, &r->c);
    free(r->rest);
    r->rest = rest;
    framer_feed(&r->c, rest, left);
    memset(&r->c.plan, 0xee, sizeof r->c.plan);
    r->c.data = NULL;
}

static void say_event(struct run *r, enum framer_event event)
{
    char word[40];
    switch (event) {
    case FRAMER_DATA:
    case FRAMER_LAST:
        say_data(r, r->c.data, r->c.len);
        break;
    case FRAMER_END:
    case FRAMER_OVER:
        say_word(r, "|");
        break;
    case FRAMER_DROPPED:
        snprintf(word, sizeof word, "dropped:%llu",
                 (unsigned long long)r->c.total);
        say_word(r, word);
        break;
    default:
        say_word(r, "too-long");
        break;
    }
}

/* Records all events. Returns false if a message was too long. */
static bool say_all(struct run *r)
{
    enum framer_event event = FRAMER_MORE;
    while (event != FRAMER_TOO_LONG &&
           (event = framer_next(&r->f, &r->c)) != FRAMER_MORE) {
        say_event(r, event);
        if (r->leaves)
            leave(r);
        else if (event == FRAMER_LAST && framer_end(&r->f, &r->c))
            say_event(r, FRAMER_END);
    }
    return event == FRAMER_MORE;
}

/* Feeds from memory of its own, so that a sanitizer sees each read beyond
 * it. */
static bool feed(struct run *r, const char *bytes, size_t len)
{
    uint8_t *copy = malloc(len + 1);
    memcpy(copy, bytes, len);
    framer_feed(&r->c, copy, len);
    bool goes_on = say_all(r);
    framer_feed(&r->c, "", 0);
    free(copy);
    return goes_on;
}

/* --- whole conversations --- */

struct conversation {
    const char *stream, *terminator;
    size_t limit;
    bool drops;
    const char *said;
};

static const struct conversation conversations[] = {
    {"ab\r\n\r\nc\r\n", "\r\n", SIZE_MAX, false, " ab | | c | over"},
    {"ab\rc\r\r\n", "\r\n", SIZE_MAX, false, " ab\rc\r | over"},
    {"ab\r", "\r\n", SIZE_MAX, false, " ab\r cut-off"},
    {"ab\r\n", "", SIZE_MAX, false, " ab\r\n | over"},
    {"", "", SIZE_MAX, false, " over"},
    {"aaaaab", "aab", SIZE_MAX, false, " aaa | over"},
    {"aaaabaaaab", "aaab", SIZE_MAX, false, " a | a | over"},
    {"abababac", "abac", SIZE_MAX, false, " abab | over"},
    {"12345\r\n1234567\r\n\r\nabc\r\n", "\r\n", 5, true,
     " 12345 | 12345 dropped:7 | abc | over"},
    {"aaaaaaacaaabxaaab", "aaab", 4, true, " aaaa dropped:8 x | over"},
    {"abcdef\r", "\r\n", 3, true, " abc dropped:7 cut-off"},
    {"abcdef", "", 3, true, " abc dropped:6 over"},
    {"abc\r\nabcd\r\nx\r\n", "\r\n", 3, false, " abc | abc too-long"},
    {"abc\r\r\r\r\n", "\r\n", 3, false, " abc too-long"},
};

static void expect(struct run *r, const struct conversation *k, const char *how,
                   size_t at)
{
    if (strcmp(r->said, k->said) != 0)
        fail_msg(
            "\"%s\", terminator \"%s\", limit %zu, %s %zu:\n  said \"%s\"\n"
            "  not \"%s\"",
            k->stream, k->terminator, k->limit, how, at, r->said, k->said);
}

static void say_over(struct run *r)
{
    asynchat__framer_finish(&r->f);
    if (!say_all(r))
        return;
    asynchat__framer_leave(&r->f, &r->c);
    say_word(r, r->f.end == FRAMER_CUT_OFF ? "cut-off" : "over");
}

/* Feeds the stream cut in two at `cut`, or in single bytes. */
static void converse(const struct conversation *k, size_t cut, bool bytes,
                     bool leaves)
{
    struct run r;
    size_t len = strlen(k->stream);
    bool goes_on = true;
    begin(&r, k->limit, k->drops);
    r.leaves = leaves;
    set(&r, k->terminator);
    if (bytes) {
        for (size_t i = 0; i < len && goes_on; i++)
            goes_on = feed(&r, k->stream + i, 1);
    } else {
        goes_on =
            feed(&r, k->stream, cut) && feed(&r, k->stream + cut, len - cut);
    }
    if (goes_on)
        say_over(&r);
    expect(&r, k, bytes ? "byte by byte" : leaves ? "left, cut" : "cut", cut);
    finish(&r);
}

static void conversations_are_the_same_for_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(conversations); i++) {
        const struct conversation *k = &conversations[i];
        for (size_t cut = 0; cut <= strlen(k->stream); cut++) {
            converse(k, cut, false, false);
            converse(k, cut, false, true);
        }
        converse(k, 0, true, false);
        converse(k, 0, true, true);
    }
}

/* --- changes between two events --- */

static enum framer_event next(struct run *r)
{
    return framer_next(&r->f, &r->c);
}

static void expect_data(struct run *r, enum framer_event event,
                        const char *data)
{
    assert_int_equal(next(r), event);
    assert_int_equal(r->c.len, strlen(data));
    assert_memory_equal(r->c.data, data, strlen(data));
}

static void feed_text(struct run *r, const char *text)
{
    framer_feed(&r->c, text, strlen(text));
}

static void a_framer_begins_without_a_limit(void **state)
{
    struct run r;
    (void)state;
    memset(&r, 0, sizeof r);
    asynchat__framer_init(&r.f);
    set(&r, "\n");
    feed_text(&r, "ab\ncd");
    expect_data(&r, FRAMER_LAST, "ab");
    assert_true(r.f.busy & FRAMER_QUICK);
    assert_true(framer_end(&r.f, &r.c));
    expect_data(&r, FRAMER_DATA, "cd");
    finish(&r);
}

static void another_terminator_holds_behind_the_data(void **state)
{
    struct run r;
    (void)state;
    begin(&r, SIZE_MAX, false);
    set(&r, "\r\n");
    feed_text(&r, "ab\r\ncd;");
    expect_data(&r, FRAMER_LAST, "ab");
    set(&r, ";");
    assert_false(framer_end(&r.f, &r.c));
    expect_data(&r, FRAMER_LAST, "\r\ncd");
    assert_int_equal(next(&r), FRAMER_END);
    assert_int_equal(next(&r), FRAMER_MORE);
    finish(&r);
}

static void the_same_terminator_changes_nothing(void **state)
{
    struct run r;
    (void)state;
    begin(&r, SIZE_MAX, false);
    set(&r, "\r\n");
    feed_text(&r, "ab\r\ncd\r");
    expect_data(&r, FRAMER_LAST, "ab");
    set(&r, "\r\n");
    assert_true(framer_end(&r.f, &r.c));
    expect_data(&r, FRAMER_DATA, "cd");
    assert_int_equal(next(&r), FRAMER_MORE);
    set(&r, "\r\n");
    assert_int_equal(r.f.match.held, 1);
    assert_null(r.f.replay);
    finish(&r);
}

static void a_number_that_was_reached_stays_reached(void **state)
{
    struct run r;
    (void)state;
    begin(&r, SIZE_MAX, false);
    set(&r, "3");
    feed_text(&r, "abcd\n");
    expect_data(&r, FRAMER_LAST, "abc");
    set(&r, "\n");
    assert_true(framer_end(&r.f, &r.c));
    expect_data(&r, FRAMER_LAST, "d");
    finish(&r);
}

static void bytes_held_back_are_matched_again(void **state)
{
    struct run r;
    (void)state;
    begin(&r, SIZE_MAX, false);
    set(&r, "aab");
    feed_text(&r, "xaa");
    expect_data(&r, FRAMER_DATA, "x");
    assert_int_equal(next(&r), FRAMER_MORE);
    assert_int_equal(framer_held(&r.f), 2);
    set(&r, "ac");
    assert_int_equal(framer_held(&r.f), 2);
    feed_text(&r, "cz");
    expect_data(&r, FRAMER_DATA, "a");
    assert_int_equal(next(&r), FRAMER_END);
    expect_data(&r, FRAMER_DATA, "z");
    finish(&r);
}

static void held_bytes_come_in_pieces(void **state)
{
    struct run r;
    (void)state;
    begin(&r, SIZE_MAX, false);
    r.f.piece = 2;
    set(&r, "aaaaab");
    feed_text(&r, "aaaaac");
    expect_data(&r, FRAMER_DATA, "aaaaac");
    feed_text(&r, "aaaaa");
    assert_int_equal(next(&r), FRAMER_MORE);
    feed_text(&r, "c");
    expect_data(&r, FRAMER_DATA, "aa");
    expect_data(&r, FRAMER_DATA, "aa");
    set(&r, "ac");
    assert_int_equal(framer_held(&r.f), 1);
    assert_int_equal(next(&r), FRAMER_END);
    finish(&r);
}

static void dropping_everything_leaves_the_terminator(void **state)
{
    struct run r;
    (void)state;
    begin(&r, 4, true);
    set(&r, "\r\n");
    feed_text(&r, "abcdef\r");
    expect_data(&r, FRAMER_DATA, "abcd");
    assert_int_equal(next(&r), FRAMER_MORE);
    asynchat__framer_drop(&r.f, &r.c);
    assert_int_equal(framer_held(&r.f), 0);
    feed_text(&r, "\nx\r\n");
    expect_data(&r, FRAMER_LAST, "\nx");
    asynchat__framer_drop(&r.f, &r.c);
    assert_false(framer_end(&r.f, &r.c));
    assert_int_equal(next(&r), FRAMER_MORE);
    finish(&r);
}

static void dropping_everything_leaves_a_number_that_was_reached(void **state)
{
    struct run r;
    (void)state;
    begin(&r, SIZE_MAX, false);
    set(&r, "3");
    feed_text(&r, "abcd");
    expect_data(&r, FRAMER_LAST, "abc");
    asynchat__framer_drop(&r.f, &r.c);
    assert_true(framer_end(&r.f, &r.c));
    assert_int_equal(next(&r), FRAMER_MORE);
    set(&r, "3");
    feed_text(&r, "abcd");
    expect_data(&r, FRAMER_LAST, "abc");
    asynchat__framer_leave(&r.f, &r.c);
    asynchat__framer_drop(&r.f, NULL);
    framer_feed(&r.c, "", 0);
    assert_int_equal(next(&r), FRAMER_MORE);
    finish(&r);
}

static void a_limit_holds_for_the_message_in_progress(void **state)
{
    struct run r;
    (void)state;
    begin(&r, SIZE_MAX, false);
    set(&r, "9");
    feed_text(&r, "abcd");
    expect_data(&r, FRAMER_DATA, "abcd");
    asynchat__framer_limit(&r.f, &r.c, 6, true);
    feed_text(&r, "efghi");
    expect_data(&r, FRAMER_DATA, "ef");
    assert_int_equal(next(&r), FRAMER_DROPPED);
    assert_int_equal(r.c.total, 9);
    finish(&r);
}

/* A bad line of which no byte was handed out is bad for any limit. */
static void a_limit_makes_no_bad_message_good(void **state)
{
    struct run r;
    (void)state;
    begin(&r, 2, false);
    asynchat__framer_set_framing(&r.f, &r.c,
                                 asynchat_framing_lines(ASYNCHAT_LINES_STRICT));
    feed_text(&r, "\nab\r\nc\r\n");
    assert_int_equal(next(&r), FRAMER_BAD);
    asynchat__framer_limit(&r.f, &r.c, 9, true);
    assert_int_equal(next(&r), FRAMER_DROPPED);
    assert_int_equal(r.c.total, 3);
    assert_int_equal(r.f.error, ASYNCHAT_EBARE);
    expect_data(&r, FRAMER_WHOLE, "c");
    finish(&r);
}

static void a_limit_that_is_raised_brings_nothing_back(void **state)
{
    static const char text[] = "abcd";
    struct run r;
    (void)state;
    begin(&r, 2, true);
    set(&r, "\n");
    for (int i = 0; i < 4; i++) {
        if (i == 3)
            asynchat__framer_limit(&r.f, &r.c, 10, true);
        framer_feed(&r.c, &text[i], 1);
        assert_int_equal(next(&r), i < 2 ? FRAMER_DATA : FRAMER_MORE);
        assert_int_equal(next(&r), FRAMER_MORE);
    }
    feed_text(&r, "\n");
    assert_int_equal(next(&r), FRAMER_DROPPED);
    assert_int_equal(r.c.total, 4);
    finish(&r);
}

static void the_length_is_told_with_the_end(void **state)
{
    struct run r;
    (void)state;
    begin(&r, SIZE_MAX, false);
    set(&r, "\n");
    feed_text(&r, "ab\n");
    expect_data(&r, FRAMER_LAST, "ab");
    assert_int_equal(next(&r), FRAMER_END);
    assert_int_equal(r.c.total, 2);
    finish(&r);
}

/* This also holds on 32 bits. */
static void no_limit_is_none_beyond_4_gib(void **state)
{
    enum { SPAN = 1 << 20 };
    struct run r;
    char *span = calloc(1, SPAN);
    (void)state;
    begin(&r, SIZE_MAX, false);
    set(&r, "5000000001");
    for (uint64_t i = 0; i < 5000000001 / SPAN; i++) {
        framer_feed(&r.c, span, SPAN);
        assert_int_equal(next(&r), FRAMER_DATA);
        assert_int_equal(r.c.len, SPAN);
    }
    framer_feed(&r.c, span, SPAN);
    assert_int_equal(next(&r), FRAMER_LAST);
    assert_int_equal(r.c.len, 5000000001 % SPAN);
    assert_true(framer_end(&r.f, &r.c));
    assert_int_equal(r.c.end - r.c.at, SPAN - 5000000001 % SPAN);
    finish(&r);
    free(span);
}

/* --- random streams --- */

static uint64_t seed;

static unsigned any(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

/* The model knows the stream, how far it was handed out, and from where on the
 * current terminator is in force. */
struct model {
    char stream[256];
    size_t len, fed, at, since;
    const char *terminator;
    uint64_t number; /* bytes to come, if the terminator is a number */
};

static const char *const terminators[] = {
    "\r\n", "a",      "ab", "aab", "abab", "\n", "abaabab",
    "aa",   "aaaaab", "1",  "3",   "7",    ""};

static void set_any(struct run *r, struct model *m)
{
    m->terminator = terminators[any(ARRAY_SIZE(terminators))];
    m->number = strtoull(m->terminator, NULL, 10);
    m->since = m->at;
    set(r, m->terminator);
}

static bool is_string(const struct model *m)
{
    return *m->terminator && m->number == 0 &&
           (*m->terminator < '0' || *m->terminator > '9');
}

/* Returns the first place of the terminator, or `len` if there is none. */
static size_t first(const struct model *m, size_t len)
{
    size_t n = strlen(m->terminator);
    for (size_t i = m->since; i + n <= len; i++)
        if (memcmp(m->stream + i, m->terminator, n) == 0)
            return i;
    return len;
}

static void check_data(struct run *r, struct model *m)
{
    assert_true(r->c.len > 0 && m->at + r->c.len <= m->fed);
    assert_memory_equal(r->c.data, m->stream + m->at, r->c.len);
    m->at += r->c.len;
    if (is_string(m))
        assert_true(m->at <= first(m, m->len));
    else if (*m->terminator)
        assert_true(r->c.len <= m->number);
    if (!is_string(m) && *m->terminator)
        m->number -= r->c.len;
}

static void check_end(struct run *r, struct model *m)
{
    if (is_string(m)) {
        assert_int_equal(m->at, first(m, m->len));
        m->at += strlen(m->terminator);
        m->since = m->at;
    } else {
        assert_true(*m->terminator && m->number == 0);
        set_any(r, m);
    }
}

/* Bytes are held back only if they could be the beginning of the terminator. */
static void check_held(const struct run *r, const struct model *m)
{
    size_t longest = 0;
    assert_int_equal(m->at + r->f.match.held, m->fed);
    if (is_string(m)) {
        assert_int_equal(first(m, m->fed), m->fed);
        for (size_t n = 1; n < strlen(m->terminator); n++)
            if (n <= m->fed - m->since &&
                memcmp(m->stream + m->fed - n, m->terminator, n) == 0)
                longest = n;
    }
    assert_int_equal(r->f.match.held, longest);
}

/* A callback may do anything, even end the turn. */
static void meddle(struct run *r, struct model *m, enum framer_event event)
{
    bool reached = event == FRAMER_LAST && !is_string(m);
    if (any(5) == 0 && !reached)
        set_any(r, m);
    if (any(5) == 0)
        leave(r);
}

static void take_all(struct run *r, struct model *m)
{
    enum framer_event event;
    while ((event = framer_next(&r->f, &r->c)) != FRAMER_MORE) {
        if (event == FRAMER_END) {
            check_end(r, m);
            continue;
        }
        assert_true(event == FRAMER_DATA || event == FRAMER_LAST);
        check_data(r, m);
        meddle(r, m, event);
        if (event == FRAMER_LAST && any(4) > 0 && framer_end(&r->f, &r->c))
            check_end(r, m);
    }
}

static void run_stream(uint64_t which)
{
    struct run r;
    struct model m = {.len = 1};
    seed = which;
    m.len += any(250);
    for (size_t i = 0; i < m.len; i++)
        m.stream[i] = "aab\r\nab"[any(7)];
    begin(&r, SIZE_MAX, false);
    r.f.piece = 1 + any(4);
    set_any(&r, &m);
    while (m.fed < m.len) {
        size_t len = 1 + any(any(3) > 0 ? 4 : 60);
        len = len < m.len - m.fed ? len : m.len - m.fed;
        uint8_t *span = malloc(len);
        memcpy(span, m.stream + m.fed, len);
        framer_feed(&r.c, span, len);
        m.fed += len;
        take_all(&r, &m);
        check_held(&r, &m);
        asynchat__framer_leave(&r.f, &r.c);
        if (any(6) == 0)
            set_any(&r, &m);
        free(span);
    }
    finish(&r);
}

/* If a stream fails, its number is the last one that was printed. */
static void random_streams_are_split_as_the_model_does(void **state)
{
    const char *wanted = getenv("STREAM");
    (void)state;
    if (wanted) {
        run_stream(strtoull(wanted, NULL, 10));
        return;
    }
    for (uint64_t i = 0; i < 20000; i++) {
        FILE *which = i % 1000 == 0 ? stdout : NULL;
        if (which)
            fprintf(which, "streams from %llu on\n", (unsigned long long)i);
        run_stream(i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversations_are_the_same_for_every_cut),
        cmocka_unit_test(a_framer_begins_without_a_limit),
        cmocka_unit_test(another_terminator_holds_behind_the_data),
        cmocka_unit_test(the_same_terminator_changes_nothing),
        cmocka_unit_test(a_number_that_was_reached_stays_reached),
        cmocka_unit_test(bytes_held_back_are_matched_again),
        cmocka_unit_test(held_bytes_come_in_pieces),
        cmocka_unit_test(dropping_everything_leaves_the_terminator),
        cmocka_unit_test(dropping_everything_leaves_a_number_that_was_reached),
        cmocka_unit_test(a_limit_holds_for_the_message_in_progress),
        cmocka_unit_test(a_limit_makes_no_bad_message_good),
        cmocka_unit_test(a_limit_that_is_raised_brings_nothing_back),
        cmocka_unit_test(the_length_is_told_with_the_end),
        cmocka_unit_test(no_limit_is_none_beyond_4_gib),
        cmocka_unit_test(random_streams_are_split_as_the_model_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
