/* Sockets that a service manager has passed to the process, by the protocol of
 * systemd: sd_listen_fds(3); or the process before, at a restart.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asynchat/server.h>

/* The sockets from `next` to before `end` belong to nobody. `ready` is where
 * the process before waits for this one, or -1. */
static struct {
    int next, end, ready;
} heritage = {INHERITED_FIRST, INHERITED_FIRST, -1};

/* --- the environment --- */

static const char *const inherited_variables[] = {
    "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "ASYNCHAT_READY"};

#define VARIABLES (sizeof inherited_variables / sizeof inherited_variables[0])

bool asynchat__inherited_names(const char *variable)
{
    size_t len = strcspn(variable, "=");
    for (size_t i = 0; i < VARIABLES; i++)
        if (strlen(inherited_variables[i]) == len &&
            memcmp(variable, inherited_variables[i], len) == 0)
            return true;
    return false;
}

/* The number in a variable of the environment: 0 to INT_MAX, 0 if there is no
 * such variable, or -EINVAL. */
static int variable(const char *name)
{
    char *end;
    const char *text = getenv(name); /* NOLINT(concurrency-mt-unsafe) */
    if (!text)
        return 0;
    if (*text < '0' || *text > '9')
        return -EINVAL;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    return errno || *end || value > INT_MAX ? -EINVAL : (int)value;
}

/* How many descriptors were passed to this process, or -EINVAL. 0 if LISTEN_PID
 * is another process, whose environment was inherited. */
static int inherited_count(int *ready)
{
    int process = variable("LISTEN_PID"), count = variable("LISTEN_FDS");
    *ready = variable("ASYNCHAT_READY");
    if (process < 0 || count < 0 || count > INT_MAX - INHERITED_FIRST)
        return -EINVAL;
    return process == getpid() ? count : 0;
}

static void inherited_forget(void)
{
    for (size_t i = 0; i < VARIABLES; i++)
        unsetenv(inherited_variables[i]); /* NOLINT(concurrency-mt-unsafe) */
}

/* Reads the variables, which are gone then. A child of fork(2) may be passed
 * sockets of its own. */
static int inherited_look(void)
{
    int ready, count = inherited_count(&ready);
    inherited_forget();
    for (int i = 0; i < count; i++)
        if (fcntl(INHERITED_FIRST + i, F_SETFD, FD_CLOEXEC) < 0)
            return -errno;
    if (count <= 0)
        return count;
    heritage.next = INHERITED_FIRST;
    heritage.end = INHERITED_FIRST + count;
    heritage.ready = -1;
    if (ready >= heritage.end && fcntl(ready, F_SETFD, FD_CLOEXEC) == 0)
        heritage.ready = ready;
    return 0;
}

/* --- taking them --- */

int asynchat__inherited_next(int *fd)
{
    int error = inherited_look();
    if (!error)
        *fd = heritage.next < heritage.end ? heritage.next : -1;
    return error;
}

void asynchat__inherited_take(void)
{
    heritage.next++;
}

int asynchat_inherited_sockets(int *first)
{
    if (!first)
        return -EINVAL;
    int error = inherited_look();
    if (error)
        return error;
    int count = heritage.end - heritage.next;
    *first = count > 0 ? heritage.next : INHERITED_FIRST;
    heritage.next = heritage.end;
    return count;
}

/* The process before may be gone: then there is no SIGPIPE. */
void asynchat_restart_done(void)
{
    (void)inherited_look();
    while (heritage.next < heritage.end)
        close(heritage.next++);
    if (heritage.ready < 0)
        return;
    (void)!send(heritage.ready, "", 1, MSG_NOSIGNAL);
    close(heritage.ready);
    heritage.ready = -1;
}
