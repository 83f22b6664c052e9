/* Which PROXY headers a server takes, and from whom.
 *
 * Tested by tests/test_proxy.c. SPDX-License-Identifier: BSD-3-Clause */
#include "channel/calls/proxy.h"

#include <errno.h>
#include <limits.h>

#include "base/memory.h"
#include "base/table.h"
#include "framer/proxy.h"

#define POLICY_TIME 5000
#define POLICY_MOST 4096

_Static_assert(sizeof(struct asynchat_proxy_options) ==
                   3 * sizeof(size_t) + 2 * sizeof(unsigned) + sizeof(void *),
               "asynchat_proxy_options has padding");

/* --- making --- */

/* A list is for networks: an empty one may have been meant as nobody, and may
 * have been meant as everybody. */
static int policy_check(const struct asynchat_proxy_options *o)
{
    return (o->flags & ~ASYNCHAT_PROXY_KEEP_TLVS) || o->time > INT_MAX ||
                   (o->from && !*o->from)
               ? -EINVAL
               : 0;
}

static size_t policy_count(const char *const *from)
{
    size_t count = 0;
    while (from && from[count])
        count++;
    return count;
}

static int policy_set_networks(struct proxy_policy *policy,
                               const char *const *from)
{
    int error = 0;
    for (size_t i = 0; !error && i < policy->count; i++)
        error = asynchat__network_parse(&policy->networks[i], from[i]);
    return error;
}

static void policy_fill(struct proxy_policy *policy,
                        const struct asynchat_proxy_options *o)
{
    atomic_init(&policy->shares, 1);
    atomic_init(&policy->waiting, 0);
    policy->flags = o->flags;
    policy->time = o->time > 0 ? o->time : POLICY_TIME;
    policy->limit = o->limit > 0 ? o->limit : PROXY_MOST;
    policy->most = o->most > 0 ? o->most : POLICY_MOST;
}

int asynchat__policy_new(const struct asynchat_proxy_options *from,
                         struct proxy_policy **out)
{
    struct asynchat_proxy_options o;
    const size_t least = TABLE_SIZE(struct asynchat_proxy_options, most);
    int error = asynchat__table_check(from, least, sizeof *from);
    if (error)
        return error;
    asynchat__table_copy(&o, from, sizeof o);
    error = policy_check(&o);
    if (error)
        return error;
    size_t count = policy_count(o.from);
    struct proxy_policy *policy =
        asynchat__calloc(1, sizeof *policy + count * sizeof(struct network));
    if (!policy)
        return -ENOMEM;
    policy->count = count;
    error = policy_set_networks(policy, o.from);
    if (error) {
        asynchat__free(policy);
        return error;
    }
    policy_fill(policy, &o);
    *out = policy;
    return 0;
}

/* --- sharing --- */

struct proxy_policy *asynchat__policy_share(struct proxy_policy *policy)
{
    if (policy)
        atomic_fetch_add(&policy->shares, 1);
    return policy;
}

void asynchat__policy_release(struct proxy_policy *policy)
{
    if (policy && atomic_fetch_sub(&policy->shares, 1) == 1)
        asynchat__free(policy);
}

/* --- asking --- */

bool asynchat__policy_asks(const struct proxy_policy *policy,
                           const struct peer_address *from)
{
    struct peer_address folded = *from;
    if (policy->count == 0)
        return true;
    asynchat__address_fold(&folded);
    for (size_t i = 0; i < policy->count; i++)
        if (asynchat__network_has(&policy->networks[i], &folded))
            return true;
    return false;
}
