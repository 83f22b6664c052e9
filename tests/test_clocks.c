/* Clocks: no loop, and no waiting. SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock/clocks.h"

#define ALL (~0u)

/* Begun at `now`: 300 ms for idle, 200 for a message, 200 for lingering. */
static struct clocks three(uint32_t now)
{
    struct clocks clocks = {
        .limit = {
            [CLOCK_IDLE] = 300, [CLOCK_MESSAGE] = 200, [CLOCK_LINGER] = 200}};
    asynchat__clocks_begin(&clocks, ALL, now);
    return clocks;
}

static void the_first_of_those_that_run_counts(void **state)
{
    const struct clocks clocks = three(1000);
    (void)state;
    assert_int_equal(asynchat__clocks_next(&clocks, ALL, 1000), 200);
    assert_int_equal(asynchat__clocks_next(&clocks, ALL, 1199), 1);
    assert_int_equal(
        asynchat__clocks_next(&clocks, CLOCK_BIT(CLOCK_IDLE), 1199), 101);
}

static void a_clock_is_over_at_its_limit(void **state)
{
    const struct clocks clocks = three(1000);
    (void)state;
    assert_int_equal(asynchat__clocks_over(&clocks, ALL, 1199), -1);
    assert_int_equal(asynchat__clocks_over(&clocks, ALL, 1200), CLOCK_MESSAGE);
    assert_int_equal(asynchat__clocks_next(&clocks, ALL, 1200), 0);
    assert_int_equal(asynchat__clocks_next(&clocks, ALL, 5000), 0);
}

static void of_two_that_are_over_the_first_is_told_first(void **state)
{
    const struct clocks clocks = three(1000);
    unsigned later = ~((CLOCK_BIT(CLOCK_MESSAGE) << 1) - 1);
    (void)state;
    assert_int_equal(asynchat__clocks_over(&clocks, later, 1250), CLOCK_LINGER);
    assert_int_equal(asynchat__clocks_over(&clocks, ALL, 1300), CLOCK_IDLE);
}

static void what_does_not_run_or_has_no_limit_is_never_over(void **state)
{
    const struct clocks clocks = three(1000);
    (void)state;
    assert_int_equal(asynchat__clocks_next(&clocks, 0, 9000), UINT32_MAX);
    assert_int_equal(asynchat__clocks_over(&clocks, 0, 9000), -1);
    assert_int_equal(
        asynchat__clocks_next(&clocks, CLOCK_BIT(CLOCK_WRITE), 9000),
        UINT32_MAX);
    assert_int_equal(
        asynchat__clocks_over(&clocks, CLOCK_BIT(CLOCK_WRITE), 9000), -1);
}

/* Milliseconds in 32 bits go round once in seven weeks. */
static void time_may_wrap(void **state)
{
    const struct clocks clocks = three(UINT32_MAX - 50);
    (void)state;
    assert_int_equal(asynchat__clocks_next(&clocks, ALL, 48), 101);
    assert_int_equal(asynchat__clocks_over(&clocks, ALL, 148), -1);
    assert_int_equal(asynchat__clocks_over(&clocks, ALL, 149), CLOCK_MESSAGE);
}

static void a_clock_that_is_begun_anew_has_all_its_time(void **state)
{
    struct clocks clocks = three(1000);
    (void)state;
    asynchat__clocks_begin(&clocks, CLOCK_BIT(CLOCK_MESSAGE), 1150);
    assert_int_equal(asynchat__clocks_over(&clocks, ALL, 1200), CLOCK_LINGER);
    assert_int_equal(
        asynchat__clocks_next(&clocks, CLOCK_BIT(CLOCK_MESSAGE), 1200), 150);
}

static void clocks_that_stood_still_go_on_where_they_stood(void **state)
{
    struct clocks clocks = three(1000);
    (void)state;
    clocks.standing_since = 1150;
    asynchat__clocks_go_on(&clocks, CLOCK_BIT(CLOCK_MESSAGE), 4150);
    assert_int_equal(
        asynchat__clocks_next(&clocks, CLOCK_BIT(CLOCK_MESSAGE), 4150), 50);
    assert_int_equal(asynchat__clocks_over(&clocks, ALL, 4150), CLOCK_IDLE);
}

static void a_clock_begun_while_the_others_stood_begins_now(void **state)
{
    struct clocks clocks = three(1000);
    (void)state;
    clocks.standing_since = 1150;
    asynchat__clocks_begin(&clocks, CLOCK_BIT(CLOCK_IDLE), 2000);
    asynchat__clocks_go_on(
        &clocks, CLOCK_BIT(CLOCK_IDLE) | CLOCK_BIT(CLOCK_MESSAGE), 4150);
    assert_int_equal(
        asynchat__clocks_next(&clocks, CLOCK_BIT(CLOCK_IDLE), 4150), 300);
    assert_int_equal(
        asynchat__clocks_next(&clocks, CLOCK_BIT(CLOCK_MESSAGE), 4150), 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_of_those_that_run_counts),
        cmocka_unit_test(a_clock_is_over_at_its_limit),
        cmocka_unit_test(of_two_that_are_over_the_first_is_told_first),
        cmocka_unit_test(what_does_not_run_or_has_no_limit_is_never_over),
        cmocka_unit_test(time_may_wrap),
        cmocka_unit_test(a_clock_that_is_begun_anew_has_all_its_time),
        cmocka_unit_test(clocks_that_stood_still_go_on_where_they_stood),
        cmocka_unit_test(a_clock_begun_while_the_others_stood_begins_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
