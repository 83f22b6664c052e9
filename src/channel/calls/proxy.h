/* Which PROXY headers the channels of a server wait for, and the wait.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_CHANNEL_PROXY_H
#define ASYNCHAT_CHANNEL_PROXY_H

#include <stdatomic.h>

#include <asynchat/proxy.h>

#include "base/networks.h"
#include "channel/object.h"

/* What was set for a server. But for the two counts it does not change, and is
 * shared by the threads of workers. */
struct proxy_policy {
    atomic_uint shares;
    atomic_size_t waiting; /* connections whose header is not complete */
    unsigned flags, time;
    size_t limit, most;
    size_t count; /* of the networks; 0: headers come from everywhere */
    struct network networks[];
};

/* Checks and copies options, with one share. 0 or an error. */
int asynchat__policy_new(const struct asynchat_proxy_options *from,
                         struct proxy_policy **out);

/* Takes one more share, or gives one back. Any thread. NULL is allowed. */
struct proxy_policy *asynchat__policy_share(struct proxy_policy *policy);
void asynchat__policy_release(struct proxy_policy *policy);

/* Whether a peer with that address has to send a header. */
bool asynchat__policy_asks(const struct proxy_policy *policy,
                           const struct peer_address *from);

/* Counts a connection that has to send a header. False: as many connections
 * wait for their headers as may, and this one is not counted. To be called in
 * the server's thread alone. */
static inline bool policy_enter(struct proxy_policy *policy)
{
    if (atomic_load(&policy->waiting) >= policy->most)
        return false;
    atomic_fetch_add(&policy->waiting, 1);
    return true;
}

/* A connection that was counted waits no more. Any thread. NULL is allowed. */
static inline void policy_leave(struct proxy_policy *policy)
{
    if (policy)
        atomic_fetch_sub(&policy->waiting, 1);
}

/* Has a channel that was just made, and counted, wait for a header, before
 * anything else. Then make(ch, arg), which may be NULL, gives it a layer. 0 or
 * -ENOMEM. */
int asynchat__proxy_await(struct asynchat_channel *ch,
                          struct proxy_policy *policy,
                          int (*make)(struct asynchat_channel *ch, void *arg),
                          void *arg);

#endif
