/* Look-ups: the addresses of a host, for one channel that wants to connect.
 *
 * The system's resolver answers, by getaddrinfo(3) on threads of the library's,
 * or a resolver that the program has given to the event base.
 *
 * All functions belong to the thread of the loop.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_LOOKUP_H
#define ASYNCHAT_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"

/* The longest host and service that are looked up, with their NUL. */
#define NAME_HOST 256
#define NAME_SERVICE 64

/* The most addresses of one look-up. What is behind them is dropped. */
#define LOOKUP_ADDRESSES 64

struct loop;
struct lookup;

/* A part of the answer, or all of it. It is lent until the function that gets
 * it returns. */
struct lookup_answer {
    /* Addresses that are new. They are in the resolver's order, and no address
     * comes twice in all the answers of a look-up. */
    const struct address *addresses;
    unsigned count;
    /* Further answers will come. Otherwise this is the last one. */
    bool more;
    /* 0 as long as there was an address in this answer or in an earlier one.
     * Otherwise ASYNCHAT_ENONAME, ASYNCHAT_ENOADDRESS, ASYNCHAT_ETRYAGAIN,
     * -ENOMEM, another error of the system, or what the program's resolver has
     * said. Only the last answer has an error. */
    int error;
    /* The text of gai_strerror(3) for the error, which stays; or NULL. */
    const char *text;
};

/* Begins to look a host and a service up. The loop calls `answered` once with
 * the last answer, and before that as often as there is a part of it to give;
 * never inside this function. With the last answer the look-up is gone; it may
 * still be cancelled while `answered` runs.
 *
 * Errors: ASYNCHAT_EADDRESS (this cannot be a host or a service),
 * -ENAMETOOLONG, -ENOMEM, -EAGAIN (there is no thread, and none can be made),
 * those of asynchat__loop_need_mailbox(), and what the program's resolver
 * returns. Then `answered` is not called. */
int asynchat__lookup_begin(struct loop *loop, const char *host,
                           const char *service,
                           void (*answered)(void *arg,
                                            const struct lookup_answer *answer),
                           void *arg, struct lookup **out);

/* Ends a look-up: `answered` is not called any more. Never waits. NULL is
 * allowed. */
void asynchat__lookup_cancel(struct lookup *lookup);

/* Reads an address for which nothing needs to be looked up: "192.0.2.1" or
 * "2001:db8::1", and a number as the port. ASYNCHAT_EADDRESS: it is not such an
 * address, so it may be a name. Other errors are final, such as -ENODEV for a
 * zone that does not exist. */
int asynchat__name_numeric(const char *host, const char *service,
                           struct address *to);

/* Whether it can be looked up: 0, ASYNCHAT_EADDRESS or -ENAMETOOLONG. */
int asynchat__name_check(const char *host, const char *service);

/* Divides "host:service", where a host with colons is in brackets: "[::1]:25".
 * The brackets are left out. Checks no more than that; see
 * asynchat__name_check(). Errors: ASYNCHAT_EADDRESS, -ENAMETOOLONG (a part does
 * not fit). */
int asynchat__name_split(const char *text, char *host, size_t host_size,
                         char *service, size_t service_size);

#endif
