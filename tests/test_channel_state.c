/* What may follow what: the state of a channel, its halves, and how it takes
 * leave. SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "channel/object.h"
#include "child.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* One row for each that there may be before, one letter for each that may
 * follow: "x" may. */
static void check_rules(const char *const *rows, unsigned count,
                        bool (*may)(unsigned from, unsigned to))
{
    for (unsigned from = 0; from < count; from++) {
        char found[16] = "";
        for (unsigned to = 0; to < count; to++)
            found[to] = may(from, to) ? 'x' : '-';
        assert_string_equal(found, rows[from]);
    }
}

static bool may_enter(unsigned from, unsigned to)
{
    return asynchat__channel_may_enter(from, to);
}

/* As the diagram in channel/object.h has it. */
static void the_states_follow_each_other(void **state)
{
    static const char *const rows[] = {
        [CHANNEL_CONNECTING] = "xx---xx", [CHANNEL_OPEN] = "-xxxxxx",
        [CHANNEL_SENDING] = "--x-xxx",    [CHANNEL_RECEIVING] = "---x-xx",
        [CHANNEL_LINGERING] = "----xxx",  [CHANNEL_ENDED] = "-----xx",
        [CHANNEL_FREED] = "------x"};
    (void)state;
    check_rules(rows, COUNT(rows), may_enter);
}

static bool may_halve(unsigned from, unsigned to)
{
    return asynchat__channel_may_halve(from, to);
}

static void a_half_that_is_kept_is_not_shut(void **state)
{
    static const char *const rows[] = {[HALF_NEITHER] = "xxxx",
                                       [HALF_KEPT] = "xx--",
                                       [HALF_SHUT] = "xxxx",
                                       [HALF_STAGES] = "x--x"};
    (void)state;
    check_rules(rows, COUNT(rows), may_halve);
}

static bool may_leave(unsigned from, unsigned to)
{
    return asynchat__channel_may_leave(from, to);
}

static void only_the_program_takes_leave_back(void **state)
{
    static const char *const rows[] = {[LEAVE_NOT] = "xxx-x",
                                       [LEAVE_BETWEEN] = "xx--x",
                                       [LEAVE_STOPPING] = "-xxxx",
                                       [LEAVE_TOLD] = "-x-xx",
                                       [LEAVE_NOW] = "----x"};
    (void)state;
    check_rules(rows, COUNT(rows), may_leave);
}

/* --- the setters --- */

/* What the functions below come to: in a debug build the setter ends the
 * process; in any other build it changes nothing. */
#ifdef NDEBUG
#define REFUSED 1
#else
#define REFUSED CHILD_ABORTED
#endif

static bool halve_changes_nothing(void *arg)
{
    struct asynchat_channel *ch = arg;
    ch->half = HALF_STAGES;
    asynchat__channel_halve(ch, HALF_SHUT);
    return ch->half == HALF_STAGES;
}

static bool leave_changes_nothing(void *arg)
{
    struct asynchat_channel *ch = arg;
    ch->leave = LEAVE_NOW;
    asynchat__channel_take_leave(ch, LEAVE_NOT);
    return ch->leave == LEAVE_NOW;
}

static bool enter_changes_nothing(void *arg)
{
    struct asynchat_channel *ch = arg;
    ch->state = CHANNEL_LINGERING;
    asynchat__channel_enter(ch, CHANNEL_OPEN);
    return ch->state == CHANNEL_LINGERING;
}

static void what_is_forbidden_is_refused(void **state)
{
    struct asynchat_channel *ch = calloc(1, sizeof *ch);
    (void)state;
    assert_non_null(ch);
    assert_int_equal(child_runs(halve_changes_nothing, ch), REFUSED);
    assert_int_equal(child_runs(leave_changes_nothing, ch), REFUSED);
    assert_int_equal(child_runs(enter_changes_nothing, ch), REFUSED);
    free(ch);
}

static void what_is_allowed_is_done(void **state)
{
    struct asynchat_channel *ch = calloc(1, sizeof *ch);
    (void)state;
    assert_non_null(ch);
    asynchat__channel_halve(ch, HALF_STAGES);
    assert_int_equal(ch->half, HALF_STAGES);
    asynchat__channel_take_leave(ch, LEAVE_BETWEEN);
    assert_int_equal(ch->leave, LEAVE_BETWEEN);
    asynchat__channel_take_leave(ch, LEAVE_NOT);
    assert_int_equal(ch->leave, LEAVE_NOT);
    free(ch);
}

/* Bytes are counted in 32 bits here. */
static void a_channel_that_begins_to_leave_waits_for_nothing(void **state)
{
    struct asynchat_channel *ch = calloc(1, sizeof *ch);
    (void)state;
    assert_non_null(ch);
    ch->in.received = 3000000000;
    asynchat__channel_take_leave(ch, LEAVE_BETWEEN);
    assert_int_equal(asynchat__channel_awaits(ch), 0);
    ch->in.received += 3000000000;
    asynchat__channel_take_leave(ch, LEAVE_NOT);
    asynchat__channel_take_leave(ch, LEAVE_STOPPING);
    assert_int_equal(asynchat__channel_awaits(ch), 0);
    free(ch);
}

static void a_channel_that_comes_late_waits_for_a_byte(void **state)
{
    struct asynchat_channel *ch = calloc(1, sizeof *ch);
    (void)state;
    assert_non_null(ch);
    ch->in.received = UINT32_MAX;
    asynchat__channel_await(ch);
    assert_int_equal(ch->leave, LEAVE_STOPPING);
    assert_int_equal(asynchat__channel_awaits(ch), 1);
    ch->in.received += 1;
    assert_int_equal(asynchat__channel_awaits(ch), 0);
    free(ch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_states_follow_each_other),
        cmocka_unit_test(a_half_that_is_kept_is_not_shut),
        cmocka_unit_test(only_the_program_takes_leave_back),
        cmocka_unit_test(what_is_forbidden_is_refused),
        cmocka_unit_test(what_is_allowed_is_done),
        cmocka_unit_test(a_channel_that_begins_to_leave_waits_for_nothing),
        cmocka_unit_test(a_channel_that_comes_late_waits_for_a_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
