/* What fork(2) leaves to a child.
 *
 * The handlers are the program's from the first loop on, and not before. The
 * locks are taken in the order of the library, so that none is held by a thread
 * that the child has not. When a library that was loaded by dlopen(3) goes, so do
 * its handlers.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fork.h"

#include <pthread.h>

#include "loop.h"
#include "mailbox.h"

/* Written by a child before it has other threads. */
static unsigned forks;

/* Of setting the handlers: 0 or -ENOMEM. */
static int expected;

static void fork_prepare(void)
{
    asynchat__loops_lock();
    asynchat__mailboxes_lock();
}

static void fork_parent(void)
{
    asynchat__mailboxes_unlock();
    asynchat__loops_unlock();
}

static void fork_child(void)
{
    forks++;
    asynchat__mailboxes_inherit();
    asynchat__loops_unlock();
}

static void fork_expect(void)
{
    expected = -pthread_atfork(fork_prepare, fork_parent, fork_child);
}

int asynchat__fork_expect(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fork_expect);
    return expected;
}

unsigned asynchat__forks(void)
{
    return forks;
}
