/* What the test kit tells a program of, for tests of the kit.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TOLD_H
#define TOLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <asynchat/testing.h>

static struct {
    int count, line;
    char text[4096];
} failure;

static inline void note_failure(const char *file, int line, const char *text)
{
    assert_true(strstr(file, "told.h") || strstr(file, "test_testing"));
    failure.count++;
    failure.line = line;
    snprintf(failure.text, sizeof failure.text, "%s", text);
}

static inline int begin(void **state)
{
    (void)state;
    failure.count = 0;
    asynchat_test_set_fail(note_failure);
    ASYNCHAT_TEST_HERE;
    return 0;
}

static inline void expect_failure(const char *part)
{
    assert_int_equal(failure.count, 1);
    if (!strstr(failure.text, part))
        fail_msg("\"%s\" is not in: %s", part, failure.text);
    failure.count = 0;
}

static inline void expect_no_failure(void)
{
    if (failure.count > 0)
        fail_msg("%s", failure.text);
}

#endif
