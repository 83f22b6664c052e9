/* What fork(2) leaves to a child, of what all loops of a process share.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_FORK_H
#define ASYNCHAT_SRC_FORK_H

/* From now on forks are seen to. Called before a lock of loops or mailboxes is
 * taken for the first time. Any thread. 0 or -ENOMEM. */
int asynchat__fork_expect(void);

/* How many forks lie between this process and the first. What was made at
 * another count is inherited. */
unsigned asynchat__forks(void);

#endif
