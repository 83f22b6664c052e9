/* Tables with their size in front: handlers, options, producers' operations.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "table.h"

/* A table as this library knows it: `least` when it was new, then grown. */
struct known {
    size_t size;
    void (*first)(void);
    void (*second)(void);
};

static const size_t least = offsetof(struct known, second);

/* A table of a later version. */
struct later {
    struct known known;
    unsigned char tail[8];
};

static int check(const void *table)
{
    return asynchat__table_check(table, least, sizeof(struct known));
}

static void a_table_of_the_known_size_is_taken(void **state)
{
    (void)state;
    assert_int_equal(check(&(struct known){sizeof(struct known), NULL, NULL}),
                     0);
}

static void a_table_of_an_earlier_version_is_taken(void **state)
{
    (void)state;
    assert_int_equal(check(&least), 0); /* and nothing but its size is read */
}

static void NULL_and_a_table_that_is_too_small_are_refused(void **state)
{
    (void)state;
    assert_int_equal(check(NULL), -EINVAL);
    for (size_t size = 0; size < least; size++)
        assert_int_equal(check(&size), -EINVAL);
}

static void a_tail_of_zeros_is_taken(void **state)
{
    struct later later = {.known.size = sizeof later};
    (void)state;
    assert_int_equal(check(&later), 0);
}

static void a_tail_that_asks_for_something_is_not_supported(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(struct later) - sizeof(struct known); i++) {
        struct later later = {.known.size = sizeof later};
        later.tail[i] = 1;
        assert_int_equal(check(&later), -ENOTSUP);
    }
}

static void what_lies_behind_the_table_does_not_matter(void **state)
{
    struct later later = {.known.size = sizeof later - 1};
    (void)state;
    later.tail[sizeof later.tail - 1] = 1;
    assert_int_equal(check(&later), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_of_the_known_size_is_taken),
        cmocka_unit_test(a_table_of_an_earlier_version_is_taken),
        cmocka_unit_test(NULL_and_a_table_that_is_too_small_are_refused),
        cmocka_unit_test(a_tail_of_zeros_is_taken),
        cmocka_unit_test(a_tail_that_asks_for_something_is_not_supported),
        cmocka_unit_test(what_lies_behind_the_table_does_not_matter),
    };
    return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
