/* The marks of an output: no channel, and no loop.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "output/marks.h"

static void the_high_mark_is_passed_once(void **state)
{
    struct marks marks = {.low = 10, .high = 100};
    (void)state;
    assert_false(asynchat__marks_rise(&marks, 100));
    assert_true(asynchat__marks_rise(&marks, 101));
    assert_false(asynchat__marks_rise(&marks, 500));
}

static void and_again_after_the_low_one(void **state)
{
    struct marks marks = {.low = 10, .high = 100};
    (void)state;
    assert_true(asynchat__marks_rise(&marks, 101));
    assert_int_equal(asynchat__marks_look(&marks, 11), MARKS_NOTHING);
    assert_false(asynchat__marks_rise(&marks, 101));
    assert_int_equal(asynchat__marks_look(&marks, 10), MARKS_DRAINED);
    assert_true(asynchat__marks_rise(&marks, 101));
}

static void the_program_is_told_once(void **state)
{
    struct marks marks = {.low = 10, .high = 100};
    (void)state;
    assert_int_equal(asynchat__marks_look(&marks, 100), MARKS_NOTHING);
    assert_int_equal(asynchat__marks_look(&marks, 101), MARKS_TELL);
    assert_int_equal(asynchat__marks_look(&marks, 101), MARKS_NOTHING);
    assert_int_equal(asynchat__marks_look(&marks, 50), MARKS_NOTHING);
    assert_int_equal(asynchat__marks_look(&marks, 101), MARKS_NOTHING);
}

static void what_rose_before_is_still_told(void **state)
{
    struct marks marks = {.low = 10, .high = 100};
    (void)state;
    assert_true(asynchat__marks_rise(&marks, 101));
    assert_int_equal(asynchat__marks_look(&marks, 101), MARKS_TELL);
}

static void low_is_said_as_long_as_it_is(void **state)
{
    struct marks marks = {.low = 10, .high = 100};
    (void)state;
    assert_int_equal(asynchat__marks_look(&marks, 0), MARKS_LOW);
    assert_int_equal(asynchat__marks_look(&marks, 10), MARKS_LOW);
    assert_int_equal(asynchat__marks_look(&marks, 101), MARKS_TELL);
    assert_int_equal(asynchat__marks_look(&marks, 10), MARKS_DRAINED);
    assert_int_equal(asynchat__marks_look(&marks, 10), MARKS_LOW);
    assert_int_equal(asynchat__marks_look(&marks, 101), MARKS_TELL);
}

static void what_passed_the_low_mark_alone_is_drained_as_well(void **state)
{
    struct marks marks = {.low = 10, .high = 100};
    (void)state;
    marks_push(&marks, 10);
    assert_int_equal(asynchat__marks_look(&marks, 5), MARKS_LOW);
    marks_push(&marks, 11);
    assert_int_equal(asynchat__marks_look(&marks, 11), MARKS_NOTHING);
    assert_int_equal(asynchat__marks_look(&marks, 5), MARKS_DRAINED);
    assert_int_equal(asynchat__marks_look(&marks, 5), MARKS_LOW);
}

static void a_push_lowers_nothing(void **state)
{
    struct marks marks = {.low = 10, .high = 100};
    (void)state;
    assert_int_equal(asynchat__marks_look(&marks, 101), MARKS_TELL);
    marks_push(&marks, 102);
    assert_int_equal(marks.level, MARKS_TOLD);
    assert_false(asynchat__marks_rise(&marks, 103));
}

static void what_is_dropped_is_not_told(void **state)
{
    struct marks marks = {.low = 10, .high = 100};
    (void)state;
    assert_int_equal(asynchat__marks_look(&marks, 101), MARKS_TELL);
    marks_drop(&marks, 10);
    assert_int_equal(asynchat__marks_look(&marks, 10), MARKS_LOW);
    assert_int_equal(asynchat__marks_look(&marks, 101), MARKS_TELL);
}

static void unless_too_much_is_left(void **state)
{
    struct marks marks = {.low = 10, .high = 100};
    (void)state;
    assert_int_equal(asynchat__marks_look(&marks, 102), MARKS_TELL);
    marks_drop(&marks, 101);
    assert_int_equal(asynchat__marks_look(&marks, 101), MARKS_NOTHING);
    marks_drop(&marks, 11);
    assert_int_equal(asynchat__marks_look(&marks, 10), MARKS_DRAINED);
}

static void what_passes_both_marks_rises_from_busy(void **state)
{
    struct marks marks = {.low = 10, .high = 100};
    (void)state;
    marks_push(&marks, 101);
    assert_true(asynchat__marks_rise(&marks, 101));
    assert_int_equal(asynchat__marks_look(&marks, 101), MARKS_TELL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_high_mark_is_passed_once),
        cmocka_unit_test(and_again_after_the_low_one),
        cmocka_unit_test(the_program_is_told_once),
        cmocka_unit_test(what_rose_before_is_still_told),
        cmocka_unit_test(low_is_said_as_long_as_it_is),
        cmocka_unit_test(what_passed_the_low_mark_alone_is_drained_as_well),
        cmocka_unit_test(a_push_lowers_nothing),
        cmocka_unit_test(what_is_dropped_is_not_told),
        cmocka_unit_test(unless_too_much_is_left),
        cmocka_unit_test(what_passes_both_marks_rises_from_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
