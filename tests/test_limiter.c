/* A limiter: no loop, and no waiting. SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock/limiter.h"

static void limit(struct limiter_rates *rates, uint64_t read, uint64_t write)
{
    asynchat__bucket_set(&rates->bucket[LIMITER_READ], read, 0, 100);
    asynchat__bucket_set(&rates->bucket[LIMITER_WRITE], write, 0, 100);
}

static void without_rates_all_may_move(void **state)
{
    struct limiter l;
    (void)state;
    asynchat__limiter_init(&l, 0, 0);
    assert_true(asynchat__limiter_is_idle(&l));
    asynchat__limiter_pay(&l, LIMITER_READ, 1u << 30);
    assert_true(asynchat__limiter_may(&l, LIMITER_READ, 100) == UINT64_MAX);
}

static void each_way_has_its_own(void **state)
{
    struct limiter l;
    (void)state;
    asynchat__limiter_init(&l, 0, 0);
    limit(&l.own, 500, 0);
    assert_false(asynchat__limiter_is_idle(&l));
    asynchat__limiter_pay(&l, LIMITER_READ, 500);
    asynchat__limiter_pay(&l, LIMITER_WRITE, 500);
    assert_int_equal(asynchat__limiter_may(&l, LIMITER_READ, 100), 0);
    assert_true(asynchat__limiter_may(&l, LIMITER_WRITE, 100) == UINT64_MAX);
}

static void one_that_writes_alone_is_limited_as_well(void **state)
{
    struct limiter l;
    (void)state;
    asynchat__limiter_init(&l, 0, 0);
    limit(&l.own, 0, 500);
    assert_false(asynchat__limiter_is_idle(&l));
}

static void what_moved_is_paid_for_once(void **state)
{
    struct limiter l;
    (void)state;
    asynchat__limiter_init(&l, 7000, 9000);
    limit(&l.own, 500, 600);
    asynchat__limiter_pay(&l, LIMITER_READ, 7100);
    asynchat__limiter_pay(&l, LIMITER_READ, 7100);
    asynchat__limiter_pay(&l, LIMITER_WRITE, 9200);
    assert_int_equal(asynchat__limiter_may(&l, LIMITER_READ, 100), 400);
    assert_int_equal(asynchat__limiter_may(&l, LIMITER_WRITE, 100), 400);
    assert_int_equal(asynchat__limiter_may(&l, LIMITER_READ, 200), 450);
}

/* --- groups --- */

static struct limiter_group group;
static struct limiter members[3];

static int make_group(void **state)
{
    (void)state;
    group = (struct limiter_group){.count = 0};
    limit(&group.rates, 30000, 3000);
    for (int i = 0; i < 3; i++) {
        asynchat__limiter_init(&members[i], 0, 0);
        asynchat__limiter_join(&members[i], &group);
    }
    return 0;
}

static void members_share_what_the_group_has(void **state)
{
    (void)state;
    assert_int_equal(asynchat__limiter_may(&members[0], LIMITER_READ, 100),
                     10000);
    asynchat__limiter_pay(&members[0], LIMITER_READ, 10000);
    assert_int_equal(asynchat__limiter_may(&members[1], LIMITER_READ, 100),
                     6666);
}

/* Where a share would be less than 1 KiB, it is 1 KiB, as long as there is
 * more. */
static void a_share_is_worth_a_wake_up(void **state)
{
    (void)state;
    asynchat__limiter_pay(&members[0], LIMITER_WRITE, 1000);
    assert_int_equal(asynchat__limiter_may(&members[1], LIMITER_WRITE, 100),
                     1024);
    asynchat__limiter_pay(&members[1], LIMITER_WRITE, 1500);
    assert_int_equal(asynchat__limiter_may(&members[2], LIMITER_WRITE, 100),
                     500);
}

static void the_smaller_of_its_own_and_the_group_s_holds(void **state)
{
    (void)state;
    limit(&members[0].own, 400, 4000);
    assert_int_equal(asynchat__limiter_may(&members[0], LIMITER_READ, 100),
                     400);
    assert_int_equal(asynchat__limiter_may(&members[0], LIMITER_WRITE, 100),
                     1024);
}

static void a_member_that_leaves_leaves_its_share(void **state)
{
    (void)state;
    asynchat__limiter_leave(&members[1]);
    asynchat__limiter_leave(&members[1]);
    assert_int_equal(group.count, 2);
    assert_int_equal(asynchat__limiter_may(&members[0], LIMITER_READ, 100),
                     15000);
    assert_true(asynchat__limiter_is_idle(&members[1]));
    asynchat__limiter_leave(&members[2]);
    asynchat__limiter_leave(&members[0]);
    assert_null(group.members);
    assert_int_equal(group.count, 0);
}

/* --- when to look again --- */

static void one_that_waits_for_nothing_is_not_woken(void **state)
{
    (void)state;
    assert_int_equal(asynchat__limiter_next(&members[0], false, false), 0);
}

static void one_that_waits_is_woken_when_it_is_worth_it(void **state)
{
    struct limiter l;
    (void)state;
    asynchat__limiter_init(&l, 0, 0);
    limit(&l.own, 1000, 100);
    asynchat__limiter_pay(&l, LIMITER_READ, 1500);
    asynchat__limiter_pay(&l, LIMITER_WRITE, 600);
    uint32_t read = asynchat__limiter_next(&l, true, false);
    uint32_t write = asynchat__limiter_next(&l, false, true);
    assert_in_range(read, 500, 1500);
    assert_in_range(write, 5000, 6000);
    assert_int_equal(asynchat__limiter_next(&l, true, true), read);
    assert_true(asynchat__limiter_may(&l, LIMITER_READ, 100 + read) > 0);
}

static void what_may_move_already_is_looked_at_soon(void **state)
{
    struct limiter l;
    (void)state;
    asynchat__limiter_init(&l, 0, 0);
    assert_int_equal(asynchat__limiter_next(&l, true, false), 1);
}

/* For one millisecond, and once. */
static void who_had_something_comes_behind_the_others(void **state)
{
    (void)state;
    asynchat__limiter_pay(&members[0], LIMITER_READ, 40000);
    uint32_t first = asynchat__limiter_next(&members[0], true, false);
    uint32_t others = asynchat__limiter_next(&members[1], true, false);
    assert_int_equal(first, others + 1);
    assert_int_equal(asynchat__limiter_next(&members[0], true, false), others);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_rates_all_may_move),
        cmocka_unit_test(each_way_has_its_own),
        cmocka_unit_test(one_that_writes_alone_is_limited_as_well),
        cmocka_unit_test(what_moved_is_paid_for_once),
        cmocka_unit_test_setup(members_share_what_the_group_has, make_group),
        cmocka_unit_test_setup(a_share_is_worth_a_wake_up, make_group),
        cmocka_unit_test_setup(the_smaller_of_its_own_and_the_group_s_holds,
                               make_group),
        cmocka_unit_test_setup(a_member_that_leaves_leaves_its_share,
                               make_group),
        cmocka_unit_test_setup(one_that_waits_for_nothing_is_not_woken,
                               make_group),
        cmocka_unit_test(one_that_waits_is_woken_when_it_is_worth_it),
        cmocka_unit_test(what_may_move_already_is_looked_at_soon),
        cmocka_unit_test_setup(who_had_something_comes_behind_the_others,
                               make_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
