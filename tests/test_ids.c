/* The set of things known by a number.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/ids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MANY 5000

static struct ids ids;

static int empty_again(void **state)
{
    (void)state;
    asynchat__ids_free(&ids);
    return 0;
}

static void put(uint64_t *id)
{
    assert_true(asynchat__ids_reserve(&ids));
    asynchat__ids_add(&ids, id);
}

static void nothing_is_found_in_an_empty_set(void **state)
{
    size_t place = 0;
    (void)state;
    assert_null(asynchat__ids_find(&ids, 1));
    assert_null(asynchat__ids_next(&ids, &place));
}

static void what_is_in_is_found_and_nothing_else(void **state)
{
    uint64_t one = 1, last = UINT64_MAX;
    (void)state;
    put(&one);
    put(&last);
    assert_ptr_equal(asynchat__ids_find(&ids, 1), &one);
    assert_ptr_equal(asynchat__ids_find(&ids, UINT64_MAX), &last);
    assert_null(asynchat__ids_find(&ids, 2));
    asynchat__ids_remove(&ids, &one);
    assert_null(asynchat__ids_find(&ids, 1));
    assert_ptr_equal(asynchat__ids_find(&ids, UINT64_MAX), &last);
}

/* Compared with an array that knows the members. */
static void any_order_of_coming_and_going_is_remembered(void **state)
{
    static uint64_t numbers[MANY];
    static bool in[MANY];
    size_t count = 0;
    unsigned random = 1;
    (void)state;
    for (size_t i = 0; i < MANY; i++)
        numbers[i] = (i + 1) * 1024 + i % 3;
    for (int step = 0; step < 20 * MANY; step++) {
        random = random * 1103515245u + 12345u;
        size_t i = (random >> 8) % (step % 7 ? MANY : 50);
        if (in[i])
            asynchat__ids_remove(&ids, &numbers[i]);
        else
            put(&numbers[i]);
        in[i] = !in[i];
        count += in[i] ? 1 : (size_t)-1;
        size_t other = (random >> 4) % MANY;
        assert_ptr_equal(asynchat__ids_find(&ids, numbers[other]),
                         in[other] ? &numbers[other] : NULL);
        assert_int_equal(ids.count, count);
    }
    for (size_t i = 0; i < MANY; i++)
        assert_ptr_equal(asynchat__ids_find(&ids, numbers[i]),
                         in[i] ? &numbers[i] : NULL);
}

static void a_walk_meets_each_once(void **state)
{
    static uint64_t numbers[MANY];
    static int met[MANY];
    size_t place = 0;
    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        numbers[i] = i;
        put(&numbers[i]);
    }
    for (uint64_t *id; (id = asynchat__ids_next(&ids, &place));)
        met[*id]++;
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(met[i], 1);
}

/* As in a server where many connections stay, and others come and go after
 * them: there are no long runs in the table. */
static void numbers_that_follow_each_other_are_scattered(void **state)
{
    static uint64_t stay[4096];
    size_t run = 0, longest = 0;
    (void)state;
    for (size_t i = 0; i < 4096; i++) {
        stay[i] = (i + 1) * 1024;
        put(&stay[i]);
    }
    for (size_t i = 0; i < ids.room; i++) {
        run = ids.at[i] ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    assert_true(longest < 64);
    assert_true(ids.room <= 4 * 4096);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(nothing_is_found_in_an_empty_set,
                                  empty_again),
        cmocka_unit_test_teardown(what_is_in_is_found_and_nothing_else,
                                  empty_again),
        cmocka_unit_test_teardown(any_order_of_coming_and_going_is_remembered,
                                  empty_again),
        cmocka_unit_test_teardown(a_walk_meets_each_once, empty_again),
        cmocka_unit_test_teardown(numbers_that_follow_each_other_are_scattered,
                                  empty_again),
    };
    cmocka_set_skip_filter(getenv("LEAVE_OUT"));
    return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
