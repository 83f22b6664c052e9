/* Threads, with all signals blocked in them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_THREAD_H
#define ASYNCHAT_THREAD_H

#include <pthread.h>
#include <stddef.h>

/* Makes a thread in which all signals are blocked but those that the processor
 * raises, which cannot wait. 0 or -errno. */
int asynchat__thread_new(pthread_t *thread, void *(*function)(void *arg),
                         void *arg);

/* Makes a thread like this that nobody joins, with a stack of this size. 0 or
 * -errno. */
int asynchat__thread_detached(size_t stack, void *(*function)(void *arg),
                              void *arg);

#endif
