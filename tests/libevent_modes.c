/* Modes of libevent that the environment can switch on before a test program
 * begins:
 *
 *     ASYNCHAT_TEST_LIBEVENT=locks,debug
 *
 * debug: libevent checks how events are used. It ends the process if an event
 * is set up again while it is added, or used without having been set up. locks:
 * the event bases have locks, and libevent checks how these are taken. In a
 * program with threads, debug needs locks, and before it.
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

/* Runs before main(), since libevent allows neither mode once there is an
 * event. */
__attribute__((constructor)) static void set_modes(void)
{
    const char *asked = getenv("ASYNCHAT_TEST_LIBEVENT");
    char modes[32], *rest = modes, *mode;
    snprintf(modes, sizeof modes, "%s", asked ? asked : "");
    while ((mode = strsep(&rest, ",")))
        if (*mode)
            set_mode(mode);
}
