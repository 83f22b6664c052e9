/* The matcher alone: no libevent, pieces that end at a guard page.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "every.h"
#include "match_step.h"

static struct needles recent; /* shared by all tests */

static int forget_recent(void **state)
{
    (void)state;
    asynchat__needles_free(&recent);
    return 0;
}

/* --- pieces that end where reading on is a fault --- */

static uint8_t *guard; /* the first byte that must not be read */
static size_t guarded; /* how many bytes before it may be read */

static int make_guard(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    guarded = 512 * page;
    uint8_t *memory = mmap(NULL, guarded + page, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -1;
    guard = memory + guarded;
    return mprotect(guard, page, PROT_NONE);
}

static const uint8_t *at_guard(const void *data, size_t len)
{
    assert_true(len <= guarded);
    return memcpy(guard - len, data, len);
}

/* --- what a stream under one terminator is delivered as --- */

struct record {
    char *text; /* data as it is, and '|' for each end of a message */
    size_t len;
};

static void note(struct record *r, const void *bytes, size_t len)
{
    memcpy(r->text + r->len, bytes, len);
    r->len += len;
}

static void feed_piece(struct match *m, struct record *r, const uint8_t *piece,
                       size_t len)
{
    while (len > 0) {
        struct match_step step = match_step(m, piece, len);
        bool found = match_found(m, step);
        if (match_released(m, step) > 0)
            note(r, needle_bytes(m->needle), match_released(m, step));
        note(r, piece, match_data(step));
        if (m->kind == ASYNCHAT_LENGTH && m->left > 0)
            m->left -= step.used;
        m->held = found ? 0 : (uint32_t)step.matched;
        if (found)
            note(r, "|", 1);
        assert_true(step.used > 0 && step.used <= len);
        piece += step.used;
        len -= step.used;
    }
}

static void feed_guarded(struct match *m, struct record *r, const char *piece,
                         size_t len)
{
    if (len > 0)
        feed_piece(m, r, at_guard(piece, len), len);
}

struct vector {
    const char *terminator;
    const char *stream;
    const char *expected; /* '|' for each end; without bytes held back */
};

static const struct vector vectors[] = {
    {"\r\n", "", ""},
    {"\r\n", "abc", "abc"},
    {"\r\n", "\r\n", "|"},
    {"\r\n", "\r\n\r\n", "||"},
    {"\r\n", "a\r\nb\r\n", "a|b|"},
    {"\r\n", "a\rb\r\n", "a\rb|"},
    {"\r\n", "\r\r\r\n", "\r\r|"},
    {"\r\n", "\n\r\n\n", "\n|\n"},
    {"\r\n", "a\r", "a"},
    {"\n", "a\nb\n\n", "a|b||"},
    {"x", "xxaxx", "||a||"},
    {"ab", "aab", "a|"},
    {"aab", "aaaab", "aa|"},
    {"aaab", "aaaaab", "aa|"},
    {"abab", "abaabab", "aba|"},
    {"ababc", "abababc", "ab|"},
    {"abcabd", "abcabcabd", "abc|"},
    {"aba", "ababa", "|b"},
    {"aa", "aaaaa", "||"},
    {"aabaaab", "aabaaabaabaabaaab", "|aab|"},
    {"abcdefgh", "abcdefgabcdefgh", "abcdefg|"},
    {"qwertyuiop", "qwertyuioqwertyuiop", "qwertyuio|"},
    {"\r\n.\r\n", "text\r\n.\r\r\n.\r\n", "text\r\n.\r|"},
    {"--boundary--", "----boundary----boundary--", "--||"},
};

static void expect_vector(const struct vector *v, struct record *r)
{
    if (r->len != strlen(v->expected) ||
        memcmp(r->text, v->expected, r->len) != 0)
        fail_msg("\"%s\" in \"%s\": \"%.*s\", not \"%s\"", v->terminator,
                 v->stream, (int)r->len, r->text, v->expected);
}

static void run_vector(const struct vector *v, size_t first, size_t second)
{
    char text[256];
    struct record r = {.text = text};
    struct match m = {0};
    size_t len = strlen(v->stream);
    assert_int_equal(asynchat__match_set(&m, &recent, ASYNCHAT_STRING,
                                         v->terminator, strlen(v->terminator)),
                     0);
    feed_guarded(&m, &r, v->stream, first);
    feed_guarded(&m, &r, v->stream + first, second - first);
    feed_guarded(&m, &r, v->stream + second, len - second);
    asynchat__needle_release(m.needle);
    expect_vector(v, &r);
}

static void vectors_hold_at_every_two_cuts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        for (size_t a = 0; a <= strlen(vectors[i].stream); a++)
            for (size_t b = a; b <= strlen(vectors[i].stream); b++)
                run_vector(&vectors[i], a, b);
}

static void vectors_hold_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const struct vector *v = &vectors[i];
        char text[256];
        struct record r = {.text = text};
        struct match m = {0};
        asynchat__match_set(&m, &recent, ASYNCHAT_STRING, v->terminator,
                            strlen(v->terminator));
        for (const char *at = v->stream; *at; at++)
            feed_guarded(&m, &r, at, 1);
        asynchat__needle_release(m.needle);
        expect_vector(v, &r);
    }
}

/* --- against the plain definition, at random --- */

static size_t naive(const char *terminator, size_t n, const char *stream,
                    size_t len, char *out)
{
    size_t start = 0, written = 0, at = 0;
    while (at + n <= len) {
        if (memcmp(stream + at, terminator, n) != 0) {
            at++;
            continue;
        }
        memcpy(out + written, stream + start, at - start);
        written += at - start;
        out[written++] = '|';
        start = at = at + n;
    }
    size_t held = len - start < n ? len - start : n - 1;
    while (held > 0 && memcmp(stream + len - held, terminator, held) != 0)
        held--;
    memcpy(out + written, stream + start, len - held - start);
    return written + len - held - start;
}

static void random_letters(char *out, size_t len, int letters)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (char)('a' + rand() % letters);
}

#define STREAM 1500

/* In pieces of at most `longest` bytes, the stream gives the same result as the
 * plain definition. */
static void check_stream(const char *terminator, size_t n, const char *stream,
                         size_t len, size_t longest)
{
    char expected[2 * STREAM], text[2 * STREAM];
    size_t expected_len = naive(terminator, n, stream, len, expected);
    struct record r = {.text = text};
    struct match m = {0};
    asynchat__match_set(&m, &recent, ASYNCHAT_STRING, terminator, n);
    for (size_t at = 0; at < len;) {
        size_t piece = 1 + (size_t)rand() % longest;
        if (piece > len - at)
            piece = len - at;
        feed_guarded(&m, &r, stream + at, piece);
        at += piece;
    }
    asynchat__needle_release(m.needle);
    assert_int_equal(r.len, expected_len);
    assert_memory_equal(text, expected, expected_len);
}

static void random_streams_match_the_plain_definition(void **state)
{
    char terminator[90], stream[STREAM];
    (void)state;
    srand(1);
    for (int i = 0; i < 10000; i++) {
        int letters = 1 + rand() % 4;
        size_t n = 1 + (size_t)rand() % (rand() % 2 ? 4 : sizeof terminator);
        size_t len = (size_t)rand() % STREAM;
        random_letters(terminator, n, letters);
        random_letters(stream, len, letters);
        size_t longest = rand() % 2 ? 20 : 700;
        if (!is_left_out())
            check_stream(terminator, n, stream, len, longest);
    }
}

/* Terminators that fall back again and again, and are found in the end. */
static void runs_match_the_plain_definition(void **state)
{
    char terminator[90], stream[STREAM];
    (void)state;
    srand(2);
    for (int i = 0; i < 10000; i++) {
        size_t n = 2 + (size_t)rand() % (sizeof terminator - 2);
        size_t len = (size_t)rand() % STREAM;
        memset(terminator, 'a', n);
        terminator[n - 1 - (size_t)rand() % (n / 8 + 1)] = 'b';
        memset(stream, 'a', len);
        for (int b = rand() % 4; b > 0 && len > 0; b--)
            stream[(size_t)rand() % len] = 'b';
        size_t longest = rand() % 2 ? 80 : 700;
        if (!is_left_out())
            check_stream(terminator, n, stream, len, longest);
    }
}

/* A match that fell back again and again, and was held back from an earlier
 * piece, is given up. The search then stops at a place that has only the two
 * bytes it looks for. */
static void after_a_doubt_all_of_it_is_matched(void **state)
{
    char terminator[65], stream[300];
    (void)state;
    memset(terminator, 'c', sizeof terminator);
    memcpy(terminator, "aab", 3);
    memcpy(terminator + 63, "xx", 2);
    memset(stream, 'c', sizeof stream);
    memset(stream, 'a', 40);
    memcpy(stream + 41, terminator + 1, 64);
    for (int i = 0; i < 1000; i++)
        check_stream(terminator, 65, stream, 300, 300);
}

/* --- numbers, none --- */

static void a_number_ends_after_so_many_bytes(void **state)
{
    (void)state;
    char text[64];
    struct record r = {.text = text};
    struct match m = {0};
    assert_int_equal(asynchat__match_set(&m, &recent, ASYNCHAT_LENGTH, NULL, 5),
                     0);
    feed_guarded(&m, &r, "abc", 3);
    assert_int_equal(m.left, 2);
    feed_guarded(&m, &r, "defg", 4);
    assert_int_equal(m.left, 0);
    assert_int_equal(r.len, 8);
    assert_memory_equal(text, "abcde|fg", 8);
}

static void none_ends_nothing(void **state)
{
    (void)state;
    char text[64];
    struct record r = {.text = text};
    struct match m = {0};
    assert_false(match_ends(&m));
    asynchat__match_set(&m, &recent, ASYNCHAT_NONE, NULL, 0);
    feed_guarded(&m, &r, "a\r\n", 3);
    asynchat__match_set(&m, &recent, ASYNCHAT_STRING, NULL, 0);
    assert_false(match_ends(&m));
    feed_guarded(&m, &r, "b\r\n", 3);
    asynchat__match_set(&m, &recent, ASYNCHAT_LENGTH, NULL, 0);
    feed_guarded(&m, &r, "c", 1);
    assert_int_equal(r.len, 7);
}

/* --- memory --- */

static void connections_share_a_terminator(void **state)
{
    (void)state;
    struct match m = {0}, other = {0};
    asynchat__match_set(&m, &recent, ASYNCHAT_STRING, "\r\n", 2);
    asynchat__match_set(&m, &recent, ASYNCHAT_STRING, "\r\n.\r\n", 5);
    asynchat__match_set(&m, &recent, ASYNCHAT_STRING, "\r\n", 2);
    asynchat__match_set(&other, &recent, ASYNCHAT_STRING, "\r\n", 2);
    assert_ptr_equal(m.needle, other.needle);
    asynchat__needle_release(m.needle);
    asynchat__needle_release(other.needle);
}

static void the_terminators_set_most_recently_are_shared(void **state)
{
    struct needles own = {0};
    struct match m = {0};
    (void)state;
    for (char c = 'a'; c < 'a' + NEEDLES; c++)
        asynchat__match_set(&m, &own, ASYNCHAT_STRING, &c, 1);
    const struct needles before = own;
    for (int i = 0; i < NEEDLES; i++) {
        char c = (char)('a' + i);
        asynchat__match_set(&m, &own, ASYNCHAT_STRING, &c, 1);
        assert_ptr_equal(m.needle, before.all[i]);
    }
    asynchat__needle_release(m.needle);
    asynchat__needles_free(&own);
}

static void a_terminator_stands_where_all_of_it_does(void **state)
{
    struct match m = {0};
    (void)state;
    asynchat__match_set(&m, &recent, ASYNCHAT_STRING, "abc", 3);
    assert_true(needle_stands(m.needle, (const uint8_t *)"abcd"));
    assert_false(needle_stands(m.needle, (const uint8_t *)"abd"));
    asynchat__needle_release(m.needle);
}

static void a_terminator_outlives_those_set_after_it(void **state)
{
    (void)state;
    struct match m = {0}, other = {0};
    asynchat__match_set(&m, &recent, ASYNCHAT_STRING, "ab", 2);
    for (char c = 'a'; c < 'z'; c++)
        asynchat__match_set(&other, &recent, ASYNCHAT_STRING, &c, 1);
    assert_memory_equal(needle_bytes(m.needle), "ab", 2);
    asynchat__needle_release(m.needle);
    asynchat__needle_release(other.needle);
}

static void a_terminator_may_be_set_from_itself(void **state)
{
    (void)state;
    struct match m = {0};
    asynchat__match_set(&m, &recent, ASYNCHAT_STRING, "abc", 3);
    asynchat__match_set(&m, &recent, ASYNCHAT_STRING,
                        needle_bytes(m.needle) + 1, 2);
    assert_memory_equal(needle_bytes(m.needle), "bc", 2);
    asynchat__needle_release(m.needle);
}

static void a_long_terminator_is_not_kept(void **state)
{
    (void)state;
    char *big = calloc(1, 100000);
    struct match m = {0};
    asynchat__match_set(&m, &recent, ASYNCHAT_STRING, big, 100000);
    assert_int_equal(m.needle->shares, 1);
    asynchat__match_set(&m, &recent, ASYNCHAT_STRING, big, 65);
    assert_int_equal(m.needle->shares, 1);
    asynchat__match_set(&m, &recent, ASYNCHAT_STRING, big, 64);
    assert_int_equal(m.needle->shares, 2);
    asynchat__needle_release(m.needle);
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_hold_at_every_two_cuts),
        cmocka_unit_test(vectors_hold_byte_by_byte),
        cmocka_unit_test(random_streams_match_the_plain_definition),
        cmocka_unit_test(runs_match_the_plain_definition),
        cmocka_unit_test(after_a_doubt_all_of_it_is_matched),
        cmocka_unit_test(a_number_ends_after_so_many_bytes),
        cmocka_unit_test(none_ends_nothing),
        cmocka_unit_test(connections_share_a_terminator),
        cmocka_unit_test(the_terminators_set_most_recently_are_shared),
        cmocka_unit_test(a_terminator_stands_where_all_of_it_does),
        cmocka_unit_test(a_terminator_outlives_those_set_after_it),
        cmocka_unit_test(a_terminator_may_be_set_from_itself),
        cmocka_unit_test(a_long_terminator_is_not_kept),
    };
    return cmocka_run_group_tests_name(__FILE__, tests, make_guard,
                                       forget_recent);
}
