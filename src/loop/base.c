/* Event bases, and how few descriptors they can do with.
 *
 * libevent ends the process by exit(1) if an event base does not get the pipe
 * that it keeps for signals. If another descriptor is missing, libevent says
 * nothing but NULL. So the library first opens as many descriptors as an event
 * base takes, and closes them again. A race remains: between that close and
 * libevent's open another thread, or for ENFILE another process, may take the
 * last descriptors. libevent's API has no way to avoid that.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "loop/base.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

/* How many descriptors an event base always has, which are those of epoll and
 * of the pipe, and how many it has at most. */
#define ALWAYS 3
#define MOST (ALWAYS + 2)

/* Whether the program has called evthread_use_pthreads() or the like. If it
 * has, an event base has one more descriptor, by which other threads wake
 * it. */
static bool has_locks(void)
{
    struct evbuffer *buffer = evbuffer_new();
    bool locks = buffer && evbuffer_enable_locking(buffer, NULL) == 0;
    if (buffer)
        evbuffer_free(buffer);
    return locks;
}

/* Whether libevent uses a timerfd. The environment can ask for one. */
static bool has_timerfd(void)
{
    return secure_getenv("EVENT_PRECISE_TIMER") != NULL;
}

/* Whether a descriptor is too large for libevent. The environment can ask for
 * select, which can have no descriptor from FD_SETSIZE on: libevent aborts
 * then. */
static bool is_too_large(int fd)
{
    return fd >= FD_SETSIZE && secure_getenv("EVENT_NOEPOLL") &&
           secure_getenv("EVENT_NOPOLL");
}

static int descriptors_check(int needed)
{
    int fds[MOST], count = 0, error = 0;
    while (count < needed && !error) {
        fds[count] = eventfd(0, EFD_CLOEXEC);
        if (fds[count] < 0)
            error = -errno;
        else if (is_too_large(fds[count++]))
            error = -EMFILE;
    }
    while (count > 0)
        close(fds[--count]);
    return error;
}

/* Why libevent has given no event base. The reason is want of memory, unless
 * the descriptors have gone meanwhile. */
static int base_error(int error)
{
    return error == EMFILE || error == ENFILE ? -error : -ENOMEM;
}

int asynchat__base_new(struct event_base **out)
{
    int error = descriptors_check(ALWAYS + has_locks() + has_timerfd());
    if (error)
        return error;
    errno = 0;
    struct event_base *base = event_base_new();
    if (!base)
        return base_error(errno);
    *out = base;
    return 0;
}

int asynchat__base_check(const struct event_base *base, int fd)
{
    return fd >= FD_SETSIZE &&
                   strcmp(event_base_get_method(base), "select") == 0
               ? -EMFILE
               : 0;
}
