/* The states of a server. SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

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

static void aborted(int number)
{
    (void)number;
    child_exit(1);
}

/* In a process of its own. */
static bool aborts(int from, int to)
{
    enum server_state now = (enum server_state)from;
    int status;
    pid_t child = fork();
    if (child == 0) {
        (void)signal(SIGABRT, aborted);
        asynchat__server_enter(&now, (enum server_state)to);
        child_exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status != 0;
}

static void what_it_forbids_ends_the_process(void **state)
{
    (void)state;
    for (int from = 0; from < SERVER_STATES; from++)
        for (int to = 0; to < SERVER_STATES; to++)
            if (aborts(from, to) == allowed(from, to))
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
