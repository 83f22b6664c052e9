/* How names are looked up.
 *
 * asynchat_connect_name() and asynchat_client_new() look names up as the system
 * does: by getaddrinfo(3), on threads of the library's. What nsswitch.conf(5)
 * says holds: the hosts file, mDNS, resolved and others. An event base can have
 * a resolver of the program's instead:
 *
 *     static int begin(struct asynchat_lookup *lookup, const char *host,
 *                      const char *service, void *arg)
 *     {
 *         struct sockaddr_in at = {.sin_family = AF_INET};
 *         (void)arg;
 *         if (strcmp(host, "mail.example") != 0 || strcmp(service, "25") != 0)
 *             return ASYNCHAT_ENONAME;
 *         at.sin_port = htons(2525);
 *         at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
 *         int error = asynchat_lookup_add(lookup, (struct sockaddr *)&at,
 *                                         sizeof at);
 *         if (!error)
 *             asynchat_lookup_done(lookup, 0);
 *         return error;
 *     }
 *
 *     static void cancel(struct asynchat_lookup *lookup, void *arg)
 *     {
 *         (void)lookup; // `begin` has answered, so nothing is under way
 *         (void)arg;
 *     }
 *
 *     static const struct asynchat_resolver resolver = {sizeof resolver, begin,
 *                                                       cancel};
 *
 *     static int use(struct event_base *base)
 *     {
 *         return asynchat_set_resolver(base, &resolver, NULL);
 *     }
 *
 * The system's resolver:
 *
 * - One call serves all channels of the process that ask for the same host and
 *   service at the same time, unless the call is ten seconds old. Nothing is
 *   kept: the next look-up asks anew.
 * - Threads are made when they are needed, and end when they have had nothing
 *   to do for some seconds. Nobody waits for one: a channel that goes, a loop
 *   that is freed, and the end of the program leave a thread alone that hangs.
 *   So the shared library is not unloaded by dlclose(3). A plugin that has the
 *   static library in it must not be unloaded after a look-up.
 * - IPv4 is asked for alone too, if the answer for both families takes longer
 *   than a second, or fails in a way that says nothing about the name. Of this
 *   second call only a success counts.
 * - In a program that is linked statically, getaddrinfo(3) of glibc needs the
 *   shared libraries of the same glibc at run time, and the linker says so of
 *   ask.c. It says the same of libevent, which has calls that this library does
 *   not use. A program that looks no names up has nothing of ask.c.
 * - After fork(2) the child asks anew for what its channels wait for.
 *
 * Tests want the same addresses each time, and at the same time: give the event
 * base a resolver. With a clock of the program's (asynchat/hooks.h), answers of
 * such a resolver come when timers are run. Those of the system come when its
 * threads have them, whatever the clock says.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_RESOLVER_H
#define ASYNCHAT_RESOLVER_H

#include <sys/socket.h>

#include <asynchat/api.h>

ASYNCHAT_BEGIN_DECLS

/* Sets how many look-ups of the system's may run at a time in the process: 1 to
 * 64, and 2 unless it is set. The others wait, in the order in which they came.
 *
 * A call of getaddrinfo(3) that takes longer than 250 milliseconds does not
 * count any more. So names whose servers do not answer keep the others waiting
 * for a moment only, and there may be more threads than `most`, but never more
 * than 64. A thread has a stack of 512 KiB.
 *
 * Any thread may call this function at any time. Errors: -EINVAL (`most` is 0
 * or more than 64). Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_set_lookup_threads(unsigned most);

/* One question to a resolver of the program's. */
struct asynchat_lookup;

/* A resolver of the program's. Both functions have to be there, and are called
 * in the thread of the event base. */
struct asynchat_resolver {
    size_t size; /* sizeof this struct */

    /* Begins to look a name up. `host` and `service` are lent until the
     * function returns. `host` is a name, or a numeric address if `service` is
     * a name. The answer may be given at once or later, by
     * asynchat_lookup_add() and asynchat_lookup_done(). A result other than 0
     * is an error code: then the look-up is gone, and the call that wanted it
     * fails with this code. */
    int (*begin)(struct asynchat_lookup *lookup, const char *host,
                 const char *service, void *arg);

    /* Nobody wants the answer any more, which was not complete yet. The look-up
     * is gone when this function has returned. */
    void (*cancel)(struct asynchat_lookup *lookup, void *arg);
};

/* Gives the event base a resolver, which is copied, in place of the one that it
 * has. NULL stands for the system's. Look-ups that are under way end with the
 * resolver that they have begun with. Borrows `arg` until these are over and
 * the event base has another resolver. Set it to NULL before the event base is
 * freed, since another one may get its address.
 *
 * The channels of the event base need not be gone. On failure nothing has
 * changed. Errors: -EINVAL (`base` is NULL, `size` is wrong, or a function is
 * missing), -ENOTSUP (`resolver` has fields that this version does not know),
 * -ENOMEM. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_set_resolver(
    struct event_base *base, const struct asynchat_resolver *resolver,
    void *arg);

/* Adds an address to the answer of a look-up: one of AF_INET or AF_INET6, with
 * its port. It may be connected to at once, before the other addresses are
 * known. An address that the answer already has is left out. The loop tells it:
 * no callback is called here.
 *
 * To be called in the thread of the event base. On failure nothing has changed.
 * Errors: -EINVAL (an argument is NULL, `len` is too small for the family, or
 * the answer is complete), -EAFNOSUPPORT (another family), -ENOSPC (the answer
 * has 64 addresses), -ENOMEM. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_lookup_add(
    struct asynchat_lookup *lookup, const struct sockaddr *address,
    socklen_t len);

/* Completes the answer of a look-up, which is gone for the program then. If it
 * has an address, `error` does not matter. Otherwise `error` says why:
 * ASYNCHAT_ENONAME (there is no such name), ASYNCHAT_ENOADDRESS (the name has
 * no address; 0 stands for it), ASYNCHAT_ETRYAGAIN, or another code. The loop
 * tells it: no callback is called here. NULL is allowed.
 *
 * To be called in the thread of the event base. Since 0.1. */
ASYNCHAT_API void asynchat_lookup_done(struct asynchat_lookup *lookup,
                                       int error);

ASYNCHAT_END_DECLS

#endif
