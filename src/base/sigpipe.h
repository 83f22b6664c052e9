/* SIGPIPE, where no flag of the system call can keep it away.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SIGPIPE_H
#define ASYNCHAT_SIGPIPE_H

/* Once in a process, and only if it is SIG_DFL, sets SIGPIPE to SIG_IGN. */
void asynchat__sigpipe_ignore(void);

#endif
