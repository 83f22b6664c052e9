/* The first of some bytes in a piece. SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "framer/any.h"

/* The bytes as a string too: two bytes need no struct. */
static size_t find(const struct any *any, const char *bytes,
                   const uint8_t *piece, size_t at, size_t len)
{
    size_t found = asynchat__any_find(any, piece, at, len);
    size_t n = strlen(bytes);
    if (n <= 2)
        assert_int_equal(asynchat__any_of_two(piece + at, len - at,
                                              (uint8_t)bytes[n - 1],
                                              (uint8_t)bytes[0]),
                         found - at);
    return found;
}

/* Puts each of the bytes, and each two of them, everywhere into pieces of all
 * lengths. Each piece has memory of its own. */
static void check(const struct any *any, const char *bytes, size_t len,
                  char other)
{
    uint8_t *piece = malloc(len + 1);
    assert_non_null(piece);
    memset(piece, other, len);
    for (size_t at = 0; at <= len; at++)
        assert_int_equal(find(any, bytes, piece, at, len), len);
    for (const char *byte = bytes; *byte != '\0'; byte++)
        for (size_t place = 0; place < len; place++) {
            piece[place] = (uint8_t)*byte;
            piece[len - 1] = (uint8_t)bytes[0];
            for (size_t at = 0; at <= place; at++)
                assert_int_equal(find(any, bytes, piece, at, len), place);
            size_t next = place + 1 < len ? len - 1 : len;
            assert_int_equal(find(any, bytes, piece, place + 1, len), next);
            piece[place] = (uint8_t)other;
            piece[len - 1] = (uint8_t)other;
        }
    free(piece);
}

static void the_first_of_the_bytes_is_found(void **state)
{
    static const char *const sets[] = {
        "a",
        "ab",
        "a\xff",
        "abc",
        "ab\r\n",
        "abcde",
        "\r\n\t\x80z()",
        "\x01\x12\x23\x34\x45\x56\x67\x79\x89\x9a\xab\xbc\xcd\xde\xef\xf0"};
    (void)state;
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        struct any any;
        memset(&any, 0, sizeof any);
        for (const char *byte = sets[i]; *byte != '\0'; byte++) {
            asynchat__any_add(&any, (uint8_t)*byte);
            asynchat__any_add(&any, (uint8_t)sets[i][0]);
        }
        assert_int_equal(any.count, strlen(sets[i]));
        for (size_t len = 1; len < 70; len++) {
            check(&any, sets[i], len, 'x');
            check(&any, sets[i], len, '\0');
            check(&any, sets[i], len, '\x81'); /* halves of others */
        }
    }
}

/* As on a processor without vectors. */
static void without_vectors_it_is_the_same(void **state)
{
    struct any any;
    (void)state;
    memset(&any, 0, sizeof any);
    asynchat__any_add(&any, 'a');
    asynchat__any_add(&any, 'b');
    any.wide = false;
    check(&any, "ab", 70, 'x');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_of_the_bytes_is_found),
        cmocka_unit_test(without_vectors_it_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
