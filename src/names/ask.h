/* One question to the system's resolver.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_ASK_H
#define ASYNCHAT_ASK_H

#include <stdbool.h>

#include "base/address.h"

/* What was found. */
struct found {
    struct address *addresses; /* to be freed by asynchat__free(); or NULL */
    unsigned count;            /* none with an error, else at least one */
    unsigned rest; /* how many asynchat__found_without() has put behind these */
    int error;
    const char *text; /* of gai_strerror(3); or NULL */
};

/* Calls getaddrinfo(3), which takes as long as it takes. `family` is AF_UNSPEC
 * or AF_INET. Any thread. */
void asynchat__ask(const char *host, const char *service, int family,
                   struct found *found);

/* Whether to ask for AF_INET alone, since AF_UNSPEC had this error. */
bool asynchat__ask_again(const struct found *found);

/* Puts the addresses that are not in `told` behind all the addresses once more,
 * in the same order, and counts them in found->rest. */
void asynchat__found_without(struct found *found, const struct found *told);

#endif
