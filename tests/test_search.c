/* The search alone, over pieces that end at a guard page. It skips no place
 * where the terminator could begin, and stops at few other places.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "every.h"
#include "framer/search.h"

#define LONGEST 4096

static uint8_t *guard; /* the first byte that must not be read */

static int make_guard(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = (LONGEST + page - 1) / page * page;
    uint8_t *memory = mmap(NULL, room + page, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -1;
    guard = memory + room;
    return mprotect(guard, page, PROT_NONE);
}

/* --- the plain definition --- */

static bool could_begin(const uint8_t *place, size_t left, const uint8_t *bytes,
                        size_t n)
{
    return memcmp(place, bytes, left < n ? left : n) == 0;
}

static size_t plain(const uint8_t *piece, size_t at, size_t len,
                    const uint8_t *bytes, size_t n)
{
    while (at < len && !could_begin(piece + at, len - at, bytes, n))
        at++;
    return at;
}

/* From every place the search makes progress, and does not pass the place that
 * the plain definition finds. */
static void check(const uint8_t *stream, size_t len, const uint8_t *bytes,
                  size_t n)
{
    if (is_left_out())
        return;
    struct search s;
    const uint8_t *piece = memcpy(guard - len, stream, len);
    asynchat__search_set(&s, bytes, n);
    for (size_t at = 0; at <= len; at += 1 + (size_t)(rand() % 3)) {
        size_t found = asynchat__search(&s, piece, at, len);
        size_t expected = plain(piece, at, len, bytes, n);
        assert_true(found >= at);
        assert_true(found <= expected);
    }
}

/* --- the tests --- */

static void random_bytes(uint8_t *out, size_t len, const char *letters)
{
    size_t count = strlen(letters);
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)letters[(size_t)rand() % count];
}

static void no_place_is_passed_by_in_random_bytes(void **state)
{
    static const char *const alphabets[] = {
        "a", "ab", "aab\n", "\r\nx", "xxxxxxxxxxxxxxxx\r\n", "--\r\na"};
    (void)state;
    srand(1);
    for (int i = 0; i < 3000; i++) {
        uint8_t stream[700], bytes[100];
        const char *letters = alphabets[rand() % 6];
        size_t len = (size_t)rand() % sizeof stream;
        size_t n = 1 + (size_t)rand() % (rand() % 2 ? 4 : sizeof bytes);
        random_bytes(stream, len, letters);
        random_bytes(bytes, n, letters);
        if (len > n && rand() % 2)
            memcpy(stream + (size_t)rand() % (len - n), bytes, n);
        check(stream, len, bytes, n);
    }
}

/* The stream is long enough for several stretches. In each, one of the two rare
 * bytes stands alone. */
static void no_place_is_passed_by_after_many_false_ones(void **state)
{
    static const char boundary[] = "\r\n--boundary";
    (void)state;
    for (size_t every = 1; every < 300; every += 7) {
        uint8_t stream[LONGEST];
        memset(stream, 'x', sizeof stream);
        for (size_t i = 0; i < sizeof stream; i += every)
            stream[i] = i / every % 2 ? '\r' : '-';
        memcpy(stream + sizeof stream - every - 12, boundary, 12);
        check(stream, sizeof stream, (const uint8_t *)boundary, 12);
    }
}

static void every_place_of_a_piece_is_found(void **state)
{
    (void)state;
    for (size_t len = 2; len < 400; len++) {
        uint8_t stream[400];
        struct search s;
        asynchat__search_set(&s, (const uint8_t *)"\r\n", 2);
        for (size_t at = 0; at + 2 <= len; at++) {
            memset(stream, 'x', len);
            memcpy(stream + at, "\r\n", 2);
            const uint8_t *piece = memcpy(guard - len, stream, len);
            assert_int_equal(asynchat__search(&s, piece, 0, len), at);
        }
    }
}

static void the_rare_bytes_are_of_two_kinds(void **state)
{
    struct search s;
    (void)state;
    asynchat__search_set(&s, (const uint8_t *)"\r\n--boundary", 12);
    assert_int_equal(s.rare[0].byte, '\r');
    assert_int_equal(s.rare[1].byte, '-');
    assert_int_equal(s.rare[1].at, 3); /* the last byte, far from the first */
    asynchat__search_set(&s, (const uint8_t *)"end of it.", 10);
    assert_int_equal(s.rare[0].byte, '.');
    assert_int_equal(s.rare[0].at, 9);
    asynchat__search_set(&s, (const uint8_t *)"x", 1);
    assert_int_equal(s.rare[0].at, s.rare[1].at);
}

/* The search looks for the rarer of two bytes, or else for the first. */
static void kinds_of_bytes_have_an_order(void **state)
{
    static const char *const kinds[] = {"\x1f\x7f\xff", "!/:@[`{~", "09AZ",
                                        "az", " "};
    (void)state;
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 5; j++)
            for (const char *a = kinds[i]; *a; a++)
                for (const char *b = kinds[j]; *b; b++) {
                    const uint8_t bytes[] = {(uint8_t)*a, (uint8_t)*b};
                    struct search s;
                    asynchat__search_set(&s, bytes, 2);
                    assert_int_equal(s.rare[0].at, j < i);
                }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_place_is_passed_by_in_random_bytes),
        cmocka_unit_test(no_place_is_passed_by_after_many_false_ones),
        cmocka_unit_test(every_place_of_a_piece_is_found),
        cmocka_unit_test(the_rare_bytes_are_of_two_kinds),
        cmocka_unit_test(kinds_of_bytes_have_an_order),
    };
    cmocka_set_skip_filter(getenv("LEAVE_OUT"));
    return cmocka_run_group_tests_name(__FILE__, tests, make_guard, NULL);
}
