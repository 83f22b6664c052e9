/* Threads, with all signals blocked in them.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/thread.h"

#include <signal.h>

static void signals_block(sigset_t *before)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    sigset_t others;
    sigfillset(&others);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(&others, faults[i]);
    pthread_sigmask(SIG_SETMASK, &others, before);
}

/* Signals are blocked meanwhile, since a new thread inherits which of them
 * are. */
static int thread_make(pthread_t *thread, const pthread_attr_t *attributes,
                       void *(*function)(void *arg), void *arg)
{
    sigset_t before;
    signals_block(&before);
    int error = pthread_create(thread, attributes, function, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}

int asynchat__thread_new(pthread_t *thread, void *(*function)(void *arg),
                         void *arg)
{
    return thread_make(thread, NULL, function, arg);
}

/* If the system does not take the size, the stack has the system's own. */
int asynchat__thread_detached(size_t stack, void *(*function)(void *arg),
                              void *arg)
{
    pthread_t thread;
    pthread_attr_t attributes;
    int error = -pthread_attr_init(&attributes);
    if (error)
        return error;
    (void)pthread_attr_setstacksize(&attributes, stack);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    error = thread_make(&thread, &attributes, function, arg);
    pthread_attr_destroy(&attributes);
    return error;
}
