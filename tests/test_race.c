/* A race: no socket, no loop, and no waiting.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include <asynchat/hooks.h>
#include "names/race.h"

/* The first family is 6, the second 4. */
static struct race race_of(const char *families)
{
    struct race r = {.delay = 250};
    for (; *families; families++)
        assert_int_equal(asynchat__race_add(&r, (uint8_t)(*families - '0')), 0);
    return r;
}

static void connects(struct race *r, uint32_t now, unsigned expected)
{
    unsigned which = UINT_MAX;
    uint32_t wait;
    assert_int_equal(asynchat__race_next(r, now, &which, &wait), RACE_CONNECT);
    assert_int_equal(which, expected);
}

static void takes(struct race *r, uint32_t now, unsigned expected)
{
    unsigned which = UINT_MAX;
    uint32_t wait;
    assert_int_equal(asynchat__race_next(r, now, &which, &wait), RACE_TAKE);
    assert_int_equal(which, expected);
}

static void waits(struct race *r, uint32_t now, uint32_t expected)
{
    unsigned which;
    uint32_t wait;
    assert_int_equal(asynchat__race_next(r, now, &which, &wait), RACE_WAIT);
    assert_true(wait == expected);
}

static void fails(struct race *r, uint32_t now, int error)
{
    unsigned which;
    uint32_t wait;
    assert_int_equal(asynchat__race_next(r, now, &which, &wait), RACE_FAILED);
    assert_int_equal(asynchat__race_error(r), error);
}

static void without_addresses_there_is_nothing_to_do(void **state)
{
    struct race r = {.delay = 250};
    (void)state;
    fails(&r, 0, 0);
    r.more = true;
    waits(&r, 0, UINT32_MAX);
    r.more = false;
    fails(&r, 0, 0);
    asynchat__race_end(&r);
}

static void the_families_take_turns(void **state)
{
    struct race r = race_of("666444");
    const unsigned order[] = {0, 3, 1, 4, 2, 5};
    (void)state;
    for (unsigned i = 0; i < 6; i++)
        connects(&r, i * 250, order[i]);
    waits(&r, 1500, UINT32_MAX);
    asynchat__race_end(&r);
}

static void one_family_keeps_its_order(void **state)
{
    struct race r = race_of("444");
    (void)state;
    connects(&r, 0, 0);
    connects(&r, 250, 1);
    connects(&r, 500, 2);
    asynchat__race_end(&r);
}

static void the_next_attempt_begins_after_the_delay(void **state)
{
    struct race r = race_of("64");
    (void)state;
    connects(&r, UINT32_MAX - 10, 0);
    waits(&r, UINT32_MAX, 240);
    waits(&r, 238, 1); /* the clock wraps */
    connects(&r, 239, 1);
    waits(&r, 239, UINT32_MAX);
    asynchat__race_end(&r);
}

static void it_begins_at_once_when_one_has_failed(void **state)
{
    struct race r = race_of("644");
    (void)state;
    connects(&r, 0, 0);
    asynchat__race_told(&r, 0, -ECONNREFUSED);
    connects(&r, 3, 1);
    waits(&r, 3, 250);
    asynchat__race_told(&r, 1, -EHOSTUNREACH);
    connects(&r, 4, 2);
    asynchat__race_told(&r, 2, -ENETUNREACH);
    fails(&r, 5, -ECONNREFUSED);
    asynchat__race_end(&r);
}

static void the_first_that_is_up_is_taken(void **state)
{
    struct race r = race_of("64");
    (void)state;
    connects(&r, 0, 0);
    connects(&r, 250, 1);
    asynchat__race_told(&r, 1, 0);
    takes(&r, 260, 1);
    waits(&r, 260, UINT32_MAX);
    asynchat__race_end(&r);
}

static void a_slow_attempt_can_still_win(void **state)
{
    struct race r = race_of("64");
    (void)state;
    connects(&r, 0, 0);
    connects(&r, 250, 1);
    asynchat__race_told(&r, 1, -ECONNREFUSED);
    waits(&r, 260, UINT32_MAX);
    asynchat__race_told(&r, 0, 0);
    takes(&r, 1000, 0);
    asynchat__race_end(&r);
}

static void others_are_parked_while_one_is_taken(void **state)
{
    struct race r = race_of("646");
    (void)state;
    connects(&r, 0, 0);
    asynchat__race_told(&r, 0, 0);
    takes(&r, 1, 0);
    waits(&r, 1, 249);
    connects(&r, 250, 1);
    asynchat__race_told(&r, 1, 0);
    waits(&r, 260, 240);
    asynchat__race_told(&r, 0, -EPROTO);
    takes(&r, 300, 1);
    connects(&r, 300, 2); /* one has failed since the last attempt */
    asynchat__race_told(&r, 2, -ECONNREFUSED);
    asynchat__race_told(&r, 1, -ECONNRESET);
    fails(&r, 301, -EPROTO);
    asynchat__race_end(&r);
}

static void one_is_the_last_when_all_others_are_lost(void **state)
{
    struct race r = race_of("64");
    (void)state;
    connects(&r, 0, 0);
    connects(&r, 250, 1);
    assert_false(asynchat__race_is_last(&r, 0));
    asynchat__race_told(&r, 1, -ECONNREFUSED);
    assert_true(asynchat__race_is_last(&r, 0));
    r.more = true;
    assert_false(asynchat__race_is_last(&r, 0));
    asynchat__race_end(&r);
}

static void addresses_may_come_later(void **state)
{
    struct race r = race_of("4");
    (void)state;
    r.more = true;
    connects(&r, 0, 0);
    asynchat__race_told(&r, 0, -ECONNREFUSED);
    waits(&r, 1, UINT32_MAX);
    assert_int_equal(asynchat__race_add(&r, 6), 0);
    connects(&r, 2, 1);
    r.more = false;
    asynchat__race_told(&r, 1, -ECONNREFUSED);
    fails(&r, 3, -ECONNREFUSED);
    asynchat__race_end(&r);
}

static void what_is_put_off_is_tried_again(void **state)
{
    struct race r = race_of("1");
    uint32_t now = 5, pause = 10;
    (void)state;
    connects(&r, now, 0);
    for (int i = 0; i < 8; i++) {
        asynchat__race_put_off(&r, 0, now);
        waits(&r, now, pause);
        now += pause;
        connects(&r, now, 0);
        pause = pause * 2 < 250 ? pause * 2 : 250;
    }
    asynchat__race_told(&r, 0, 0);
    takes(&r, now, 0);
    asynchat__race_end(&r);
}

static void what_was_put_off_keeps_no_other_waiting(void **state)
{
    struct race r = race_of("114");
    (void)state;
    connects(&r, 0, 0);
    asynchat__race_put_off(&r, 0, 0);
    waits(&r, 0, 10);
    connects(&r, 10, 0);
    asynchat__race_put_off(&r, 0, 10);
    waits(&r, 20, 10);
    connects(&r, 30, 0);
    asynchat__race_put_off(&r, 0, 240);
    connects(&r, 250, 2); /* another family first */
    waits(&r, 250, 30);
    connects(&r, 280, 0);
    asynchat__race_end(&r);
}

static bool lacks;

static void *maybe(size_t size)
{
    return lacks ? NULL : malloc(size);
}

static void without_memory_no_address_is_added(void **state)
{
    struct race r;
    (void)state;
    r = race_of("44444444");
    lacks = true;
    assert_int_equal(asynchat__race_add(&r, 6), -ENOMEM);
    lacks = false;
    assert_int_equal(r.count, 8);
    assert_int_equal(asynchat__race_add(&r, 6), 0);
    connects(&r, 0, 0);
    connects(&r, 250, 8);
    asynchat__race_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_addresses_there_is_nothing_to_do),
        cmocka_unit_test(the_families_take_turns),
        cmocka_unit_test(one_family_keeps_its_order),
        cmocka_unit_test(the_next_attempt_begins_after_the_delay),
        cmocka_unit_test(it_begins_at_once_when_one_has_failed),
        cmocka_unit_test(the_first_that_is_up_is_taken),
        cmocka_unit_test(a_slow_attempt_can_still_win),
        cmocka_unit_test(others_are_parked_while_one_is_taken),
        cmocka_unit_test(one_is_the_last_when_all_others_are_lost),
        cmocka_unit_test(addresses_may_come_later),
        cmocka_unit_test(what_is_put_off_is_tried_again),
        cmocka_unit_test(what_was_put_off_keeps_no_other_waiting),
        cmocka_unit_test(without_memory_no_address_is_added),
    };
    assert_int_equal(asynchat_set_mem_functions(maybe, realloc, free), 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
