/* Running a conversation once.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "testing/test.h"

#include "testing/alloc.h"

void asynchat__run(struct run *run)
{
    long before = asynchat__alloc_live();
    bool memory = run->fault == ASYNCHAT_TEST_ALLOC;
    struct asynchat_test *t = asynchat__test_make(run);
    asynchat__alloc_fail(memory ? run->place : 0);
    run->talk(t, run->arg);
    asynchat__strike_last(t);
    run->reached |= memory && asynchat__alloc_has_failed();
    asynchat__tests_end(run);
    asynchat__alloc_fail(0);
    run->left = asynchat__alloc_live() - before;
}

void asynchat_test_run(void (*talk)(struct asynchat_test *t, void *arg),
                       void *arg)
{
    struct run run = {.talk = talk, .arg = arg};
    asynchat__run(&run);
    if (run.failed)
        asynchat__run_tell(&run, run.file, run.line, "");
    else
        asynchat__run_free(&run);
}
