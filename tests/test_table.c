/* Tables with their size in front: handlers, options, producers' operations.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/table.h"

/* A table as this library knows it. Its first version had `least` bytes; then
 * it grew. */
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

static void nothing(void)
{
}

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
    assert_int_equal(check(&least), 0); /* nothing but its size is read */
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

static void a_copy_of_a_shorter_table_ends_with_zeros(void **state)
{
    struct known copy, table = {least, nothing, nothing};
    (void)state;
    memset(&copy, 0xff, sizeof copy);
    asynchat__table_copy(&copy, &table, sizeof copy);
    assert_int_equal(copy.size, least);
    assert_true(copy.first == table.first);
    assert_true(copy.second == NULL);
}

static void a_copy_of_a_longer_table_is_as_long_as_is_known(void **state)
{
    struct later table = {{sizeof table, nothing, nothing}, {0}};
    struct later copy = {.tail = {1}};
    (void)state;
    asynchat__table_copy(&copy, &table, sizeof copy.known);
    assert_true(copy.known.second == nothing);
    assert_int_equal(copy.tail[0], 1);
}

static void a_table_that_is_left_out_is_all_zero(void **state)
{
    struct known copy, table = {least, nothing, nothing},
                       wrong = {1, NULL, NULL};
    (void)state;
    memset(&copy, 0xff, sizeof copy);
    assert_int_equal(asynchat__table_take(&copy, NULL, least, sizeof copy), 0);
    assert_int_equal(copy.size, sizeof copy);
    assert_true(copy.first == NULL && copy.second == NULL);
    assert_int_equal(asynchat__table_take(&copy, &table, least, sizeof copy),
                     0);
    assert_int_equal(copy.size, sizeof copy);
    assert_true(copy.first == nothing && copy.second == NULL);
    assert_int_equal(asynchat__table_take(&copy, &wrong, least, sizeof copy),
                     -EINVAL);
}

static void a_caller_is_answered_what_both_know_and_zeros(void **state)
{
    const struct known table = {sizeof table, nothing, nothing};
    struct later more = {.tail = {1}};
    struct known less = {0, NULL, NULL};
    (void)state;
    asynchat__table_answer(&more, sizeof more, &table, sizeof table);
    assert_true(more.known.second == nothing);
    assert_int_equal(more.tail[0], 0);
    asynchat__table_answer(&less, least, &table, sizeof table);
    assert_true(less.first == nothing);
    assert_true(less.second == NULL);
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
        cmocka_unit_test(a_copy_of_a_shorter_table_ends_with_zeros),
        cmocka_unit_test(a_copy_of_a_longer_table_is_as_long_as_is_known),
        cmocka_unit_test(a_table_that_is_left_out_is_all_zero),
        cmocka_unit_test(a_caller_is_answered_what_both_know_and_zeros),
    };
    return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
