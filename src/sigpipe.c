/* SIGPIPE, where no flag of the system call can keep it away: sendfile, and
 * libevent's own writev. SPDX-License-Identifier: BSD-3-Clause */
#include "sigpipe.h"

#include <signal.h>
#include <stdatomic.h>

static atomic_flag ignored = ATOMIC_FLAG_INIT;

void asynchat__sigpipe_ignore(void)
{
    struct sigaction action;
    if (atomic_flag_test_and_set_explicit(&ignored, memory_order_relaxed))
        return;
    if (sigaction(SIGPIPE, NULL, &action) == 0 &&
        !(action.sa_flags & SA_SIGINFO) && action.sa_handler == SIG_DFL) {
        action.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &action, NULL);
    }
}
