/* Ignores SIGPIPE, for the sake of system calls that have no flag against it:
 * sendfile(2), and the writev(2) of libevent.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/sigpipe.h"

#include <pthread.h>
#include <signal.h>

static void sigpipe_ignore(void)
{
    struct sigaction action;
    if (sigaction(SIGPIPE, NULL, &action) == 0 &&
        !(action.sa_flags & SA_SIGINFO) && action.sa_handler == SIG_DFL) {
        action.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &action, NULL);
    }
}

void asynchat__sigpipe_ignore(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, sigpipe_ignore);
}
