/* The token bucket. SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock/bucket.h"

#define RUN(tests) cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL)

static struct bucket make(uint64_t rate, uint64_t burst)
{
    struct bucket b;
    asynchat__bucket_set(&b, rate, burst, 100);
    return b;
}

static void without_a_rate_there_is_no_end(void **state)
{
    struct bucket b = make(0, 0);
    (void)state;
    asynchat__bucket_spend(&b, 1000000);
    assert_true(asynchat__bucket_level(&b, 100) == UINT64_MAX);
    assert_int_equal(asynchat__bucket_wait(&b), 0);
}

static void it_begins_full_of_a_second(void **state)
{
    struct bucket b = make(500, 0);
    (void)state;
    assert_int_equal(asynchat__bucket_level(&b, 100), 500);
    asynchat__bucket_spend(&b, 500);
    assert_int_equal(asynchat__bucket_level(&b, 100), 0);
}

static void or_of_a_burst(void **state)
{
    struct bucket b = make(500, 7000);
    (void)state;
    assert_int_equal(asynchat__bucket_level(&b, 100), 7000);
}

static void every_millisecond_counts(void **state)
{
    struct bucket b = make(300, 300);
    (void)state;
    asynchat__bucket_spend(&b, 300);
    for (uint32_t now = 101; now < 1100; now++)
        asynchat__bucket_level(&b, now);
    assert_int_equal(asynchat__bucket_level(&b, 1099), 299);
    assert_int_equal(asynchat__bucket_level(&b, 1100), 300);
}

static void nothing_is_saved_over_the_burst(void **state)
{
    struct bucket b = make(1000, 400);
    (void)state;
    asynchat__bucket_spend(&b, 400);
    assert_int_equal(asynchat__bucket_level(&b, 500), 400);
    assert_int_equal(asynchat__bucket_level(&b, 501), 400);
    assert_int_equal(asynchat__bucket_level(&b, 100 + UINT32_MAX / 2), 400);
}

static void a_debt_is_paid_first(void **state)
{
    struct bucket b = make(1000, 1000);
    (void)state;
    asynchat__bucket_spend(&b, 1500);
    assert_int_equal(asynchat__bucket_level(&b, 600), 0);
    assert_int_equal(asynchat__bucket_level(&b, 601), 1);
}

static void the_clock_may_wrap(void **state)
{
    struct bucket b;
    (void)state;
    asynchat__bucket_set(&b, 1000, 1000, UINT32_MAX - 9);
    asynchat__bucket_spend(&b, 1000);
    assert_int_equal(asynchat__bucket_level(&b, 10), 20);
}

static void the_highest_rate_does_not_overflow(void **state)
{
    uint64_t most = (uint64_t)1 << 40;
    struct bucket b = make(most, most);
    (void)state;
    asynchat__bucket_spend(&b, most);
    assert_true(asynchat__bucket_level(&b, 101) == most / 1000);
    assert_true(asynchat__bucket_level(&b, 101 + UINT32_MAX / 2) == most);
}

static void one_waits_for_what_is_worth_it(void **state)
{
    struct bucket b = make(1000, 1000);
    (void)state;
    assert_int_equal(asynchat__bucket_wait(&b), 0);
    asynchat__bucket_spend(&b, 1000);
    assert_int_equal(asynchat__bucket_wait(&b), 20);
    asynchat__bucket_level(&b, 105);
    assert_int_equal(asynchat__bucket_wait(&b), 15);
    asynchat__bucket_level(&b, 120);
    assert_int_equal(asynchat__bucket_wait(&b), 0);
}

static void at_least_for_a_byte_and_at_most_for_a_burst(void **state)
{
    struct bucket slow = make(3, 3);
    struct bucket small = make(100000, 10);
    (void)state;
    asynchat__bucket_spend(&slow, 3);
    assert_int_equal(asynchat__bucket_wait(&slow), 334);
    assert_int_equal(asynchat__bucket_level(&slow, 100 + 333), 0);
    assert_int_equal(asynchat__bucket_level(&slow, 100 + 334), 1);
    asynchat__bucket_spend(&small, 10);
    assert_int_equal(asynchat__bucket_wait(&small), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_rate_there_is_no_end),
        cmocka_unit_test(it_begins_full_of_a_second),
        cmocka_unit_test(or_of_a_burst),
        cmocka_unit_test(every_millisecond_counts),
        cmocka_unit_test(nothing_is_saved_over_the_burst),
        cmocka_unit_test(a_debt_is_paid_first),
        cmocka_unit_test(the_clock_may_wrap),
        cmocka_unit_test(the_highest_rate_does_not_overflow),
        cmocka_unit_test(one_waits_for_what_is_worth_it),
        cmocka_unit_test(at_least_for_a_byte_and_at_most_for_a_burst),
    };
    return RUN(tests);
}
