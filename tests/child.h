/* A test's child process ends. SPDX-License-Identifier: BSD-3-Clause */
#ifndef CHILD_H
#define CHILD_H

#include <unistd.h>

#ifdef TEST_COVERAGE
void __gcov_dump(void);
#else
static inline void __gcov_dump(void)
{
}
#endif

/* Ends a child without the work that exit(3) does for the parent, but records
 * the child's coverage. */
static inline _Noreturn void child_exit(int status)
{
    __gcov_dump();
    _exit(status);
}

#endif
