/* Counts forks, so that the library can tell what a child of fork(2) has
 * inherited, and sets handlers for fork(2).
 *
 * The handlers are set when the program makes its first loop, and not before.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/fork.h"

#include <pthread.h>

/* A child writes this before it has other threads. */
static unsigned forks;

static void fork_count(void)
{
    forks++;
}

/* In a child, handlers run in the order in which they were set: the fork is
 * counted before `child` runs. */
int asynchat__fork_expect(void (*prepare)(void), void (*parent)(void),
                          void (*child)(void))
{
    int error = pthread_atfork(NULL, NULL, fork_count);
    if (!error)
        error = pthread_atfork(prepare, parent, child);
    return -error;
}

unsigned asynchat__forks(void)
{
    return forks;
}
