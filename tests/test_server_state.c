/* The states of a server. SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "child.h"
#include "server/state.h"

/* A row for each state: which it may enter, in the order NEW, ACCEPTING, FULL,
 * STARVED, STOPPING, ENDED. */
static const char *const table[SERVER_STATES] = {
    "-x----", /* NEW */
    "--xxx-", /* ACCEPTING */
    "-x--x-", /* FULL */
    "-x--x-", /* STARVED */
    "-----x", /* STOPPING */
    "------"  /* ENDED */
};

static bool allowed(int from, int to)
{
    return table[from][to] == 'x';
}

static void what_the_table_allows_is_entered_and_nothing_else(void **state)
{
    (void)state;
    for (int from = 0; from < SERVER_STATES; from++)
        for (int to = 0; to < SERVER_STATES; to++) {
            enum server_state now = (enum server_state)from;
            if (asynchat__server_may_enter(now, (enum server_state)to) !=
                allowed(from, to))
                fail_msg("from state %d to state %d", from, to);
            if (!allowed(from, to))
                continue;
            asynchat__server_enter(&now, (enum server_state)to);
            assert_int_equal(now, to);
        }
}

struct change {
    enum server_state from, to;
};

static bool change_enters(void *arg)
{
    const struct change *change = arg;
    enum server_state now = change->from;
    asynchat__server_enter(&now, change->to);
    return now == change->to;
}

/* In a process of its own. */
static int change_try(int from, int to)
{
    struct change change = {(enum server_state)from, (enum server_state)to};
    return child_runs(change_enters, &change);
}

static void what_it_forbids_ends_the_process(void **state)
{
    (void)state;
    for (int from = 0; from < SERVER_STATES; from++)
        for (int to = 0; to < SERVER_STATES; to++)
            if (change_try(from, to) != (allowed(from, to) ? 1 : CHILD_ABORTED))
                fail_msg("from state %d to state %d", from, to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_table_allows_is_entered_and_nothing_else),
        cmocka_unit_test(what_it_forbids_ends_the_process),
    };
    return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
