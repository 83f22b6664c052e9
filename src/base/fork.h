/* Counts forks, and sets handlers for fork(2).
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_FORK_H
#define ASYNCHAT_SRC_FORK_H

/* From now on forks are counted, and fork(2) calls three functions: `prepare`
 * and `parent` in this process, before and after the fork, and `child` in the
 * new process. Call this once, before a lock that these functions take is taken
 * for the first time. 0 or -ENOMEM. */
int asynchat__fork_expect(void (*prepare)(void), void (*parent)(void),
                          void (*child)(void));

/* How many forks lie between this process and the first one. An object that was
 * made at another count is inherited. */
unsigned asynchat__forks(void);

#endif
