/* Sockets that a service manager has passed to the process, by the protocol of
 * systemd: sd_listen_fds(3). SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/server.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

/* The first descriptor that is passed: those before are standard ones. */
#define FIRST 3

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
static int inherited_count(void)
{
    int process = variable("LISTEN_PID"), count = variable("LISTEN_FDS");
    if (process < 0 || count < 0 || count > INT_MAX - FIRST)
        return -EINVAL;
    return process == getpid() ? count : 0;
}

static void inherited_forget(void)
{
    static const char *const names[] = {"LISTEN_PID", "LISTEN_FDS",
                                        "LISTEN_FDNAMES"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unsetenv(names[i]); /* NOLINT(concurrency-mt-unsafe) */
}

int asynchat_inherited_sockets(int *first)
{
    if (!first)
        return -EINVAL;
    int count = inherited_count();
    inherited_forget();
    for (int fd = FIRST; fd < FIRST + count; fd++)
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
            return -errno;
    if (count >= 0)
        *first = FIRST;
    return count;
}
