/* A test's child process. SPDX-License-Identifier: BSD-3-Clause */
#ifndef CHILD_H
#define CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
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

#define CHILD_ABORTED 99

static inline void child_aborted(int number)
{
    (void)number;
    child_exit(CHILD_ABORTED);
}

/* Runs the function in a process of its own. Answers whether the function has
 * answered true: 1 or 0; CHILD_ABORTED if it has called abort(3); or -1 if the
 * process could not be made, or has ended in another way. */
static inline int child_runs(bool (*function)(void *arg), void *arg)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        close(STDERR_FILENO);
        (void)signal(SIGABRT, child_aborted);
        child_exit(function(arg) ? 1 : 0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

#endif
