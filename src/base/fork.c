/* What fork(2) leaves to a child.
 *
 * The handlers are the program's from the first loop on, and not before. When a
 * library that was loaded by dlopen(3) goes, so do its handlers.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fork.h"

#include <pthread.h>

/* Written by a child before it has other threads. */
static unsigned forks;

static void fork_count(void)
{
    forks++;
}

/* A child's handlers run in the order in which they were set. */
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
