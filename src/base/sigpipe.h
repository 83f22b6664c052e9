/* Ignores SIGPIPE, for the sake of system calls that have no flag against it.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SIGPIPE_H
#define ASYNCHAT_SIGPIPE_H

/* Sets SIGPIPE to SIG_IGN, if it is SIG_DFL. Only the first call in a process
 * does anything. */
void asynchat__sigpipe_ignore(void);

#endif
