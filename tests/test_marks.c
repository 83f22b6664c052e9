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
    assert_int_equal(asynchat__marks_look(&marks, 10), MARKS_LOW);
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
    assert_int_equal(asynchat__marks_look(&marks, 10), MARKS_LOW);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
