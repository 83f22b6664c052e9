/* What a test program may be asked to switch on in libevent before it begins:
 *
 *     ASYNCHAT_TEST_LIBEVENT=locks,debug
 *
 * debug: libevent watches how events are used, and ends the process where one is
 * set up anew while it is added, or used without having been set up. locks: the
 * event bases have locks, and it is watched how these are taken. With threads the
 * first is of use only behind the second.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <event2/thread.h>

static void set_mode(const char *mode)
{
    if (strcmp(mode, "debug") == 0) {
        event_enable_debug_mode();
    } else if (strcmp(mode, "locks") == 0) {
        evthread_enable_lock_debugging();
        evthread_use_pthreads();
    } else {
        fprintf(stderr, "ASYNCHAT_TEST_LIBEVENT: what is %s?\n", mode);
        exit(2);
    }
}

/* Before main(), since libevent allows neither once there is an event. */
__attribute__((constructor)) static void set_modes(void)
{
    const char *asked = getenv("ASYNCHAT_TEST_LIBEVENT");
    char modes[32], *rest = modes, *mode;
    snprintf(modes, sizeof modes, "%s", asked ? asked : "");
    while ((mode = strsep(&rest, ",")))
        if (*mode)
            set_mode(mode);
}
