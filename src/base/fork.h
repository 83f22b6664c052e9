/* What fork(2) leaves to a child.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_FORK_H
#define ASYNCHAT_SRC_FORK_H

/* From now on forks are counted, and these are called: `prepare` and `parent` in
 * this process before and after fork(2), `child` in the new one. Called once, before
 * a lock of those three is taken for the first time. 0 or -ENOMEM. */
int asynchat__fork_expect(void (*prepare)(void), void (*parent)(void),
                          void (*child)(void));

/* How many forks lie between this process and the first. What was made at
 * another count is inherited. */
unsigned asynchat__forks(void);

#endif
