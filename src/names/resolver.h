/* Look-ups by a resolver of the program's.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_RESOLVER_H
#define ASYNCHAT_SRC_RESOLVER_H

#include <stdbool.h>

#include <asynchat/resolver.h>

struct lookup;
struct lookup_wish;

/* A resolver, and what it gets. */
struct resolver_own {
    struct asynchat_resolver ops;
    void *arg;
};

/* Gives the resolver of the event base. False: it has none. */
bool asynchat__resolver_find(const struct event_base *base,
                             struct resolver_own *own);

/* As asynchat__lookup_begin(). */
int asynchat__resolver_begin(const struct resolver_own *own,
                             const struct lookup_wish *wish,
                             struct lookup **out);

#endif
