/* Dialing: what a channel does until it has its connection, if it connects to a
 * name, or if there are hooks of the program's for each address.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_DIAL_H
#define ASYNCHAT_DIAL_H

#include <asynchat/connect.h>

#include "base/address.h"

struct loop;
struct lookup;
struct lookup_answer;

/* How a name is looked up: asynchat__lookup_begin() and
 * asynchat__lookup_cancel(). A static program that connects to addresses only
 * has no resolver in it, so nobody but asynchat_connect_name() names them. */
struct dial_lookup {
    int (*begin)(struct loop *loop, const char *host, const char *service,
                 void (*answered)(void *arg,
                                  const struct lookup_answer *answer),
                 void *arg, struct lookup **out);
    void (*cancel)(struct lookup *lookup);
};

/* Whom to dial: an address, or a name that is to be looked up. The log has
 * `host` in both cases. */
struct dial_target {
    const struct address *address; /* or NULL */
    const char *host, *service;
    const struct dial_lookup *lookup; /* for a name */
};

/* Makes a channel that dials. The options were checked and copied. 0, -ENOMEM,
 * or an error of a look-up that cannot begin. */
int asynchat__dial(struct event_base *base, const struct dial_target *target,
                   const struct asynchat_connect_options *options,
                   const struct asynchat_handler *handler, void *arg,
                   struct asynchat_channel **out);

/* Makes a channel that connects to an address, whose text is `name`. */
int asynchat__dial_address(struct event_base *base, const char *name,
                           const struct address *to,
                           const struct asynchat_connect_options *options,
                           const struct asynchat_handler *handler, void *arg,
                           struct asynchat_channel **out);

/* Begins connect(2). 0, -EINPROGRESS, or an error, which is -ECONNREFUSED if
 * the socket has met itself. An interrupted connect(2) goes on by itself, as a
 * connect(2) in progress does. */
int asynchat__dial_connect(int fd, const struct address *address);

#endif
