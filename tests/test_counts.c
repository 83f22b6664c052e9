/* Sums over channels that are gone. SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <asynchat/error.h>

#include "server/counts.h"

static const struct asynchat_stats nothing;

static void a_channel_that_is_gone_is_added_to_the_sums(void **state)
{
    const struct asynchat_stats stats = {.received = 1,
                                         .sent = 2,
                                         .messages = 3,
                                         .dropped = 4,
                                         .dropped_bytes = 5,
                                         .pressures = 6};
    struct server_counts counts = {0};
    (void)state;
    asynchat__counts_gone(&counts, &stats, 0);
    asynchat__counts_gone(&counts, &stats, 0);
    assert_true(counts.sum.received == 2);
    assert_true(counts.sum.sent == 4);
    assert_true(counts.sum.messages == 6);
    assert_true(counts.sum.dropped == 8);
    assert_true(counts.sum.dropped_bytes == 10);
    assert_true(counts.sum.pressures == 12);
}

static void an_end_of_file_is_counted_and_is_no_error(void **state)
{
    struct server_counts counts = {0};
    (void)state;
    asynchat__counts_gone(&counts, &nothing, 0);
    asynchat__counts_gone(&counts, &nothing, ASYNCHAT_EOF);
    asynchat__counts_gone(&counts, &nothing, ASYNCHAT_EOF);
    assert_true(counts.sum.errors == 0);
    asynchat__counts_gone(&counts, &nothing, ASYNCHAT_ESTOPPED);
    assert_true(counts.sum.errors == 1);
    assert_true(asynchat__counts_ended(&counts, 0) == 1);
    assert_true(asynchat__counts_ended(&counts, ASYNCHAT_EOF) == 2);
    assert_true(asynchat__counts_ended(&counts, ASYNCHAT_ESTOPPED) == 1);
}

static void no_status_was_counted_of_a_server_without_channels(void **state)
{
    struct server_counts counts = {0};
    (void)state;
    assert_true(asynchat__counts_ended(&counts, 0) == 0);
}

/* stats.h promises that many. */
static void the_first_47_statuses_are_counted_and_others_are_errors(
    void **state)
{
    struct server_counts counts = {0};
    (void)state;
    for (int status = -1; status >= -60; status--)
        asynchat__counts_gone(&counts, &nothing, status);
    asynchat__counts_gone(&counts, &nothing, -47);
    assert_true(asynchat__counts_ended(&counts, -1) == 1);
    assert_true(asynchat__counts_ended(&counts, -47) == 2);
    assert_true(asynchat__counts_ended(&counts, -48) == 0);
    assert_true(counts.sum.errors == 61);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_channel_that_is_gone_is_added_to_the_sums),
        cmocka_unit_test(an_end_of_file_is_counted_and_is_no_error),
        cmocka_unit_test(no_status_was_counted_of_a_server_without_channels),
        cmocka_unit_test(
            the_first_47_statuses_are_counted_and_others_are_errors),
    };
    return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
