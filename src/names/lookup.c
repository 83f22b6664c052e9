/* Look-ups begin here: by the program's resolver if there is one, else by the
 * system's.
 *
 * Tested by tests/test_lookup.c. SPDX-License-Identifier: BSD-3-Clause */
#include "names/lookup.h"

#include <asynchat/error.h>

#include "loop/loop.h"
#include "names/asker.h"
#include "names/pool.h"
#include "names/resolver.h"
#include "names/system.h"

int asynchat__lookup_begin(struct loop *loop, const char *host,
                           const char *service,
                           void (*answered)(void *arg,
                                            const struct lookup_answer *answer),
                           void *arg, struct lookup **out)
{
    const struct lookup_wish wish = {loop, host, service, answered, arg};
    struct resolver_own own;
    int error = asynchat__name_check(host, service);
    if (error)
        return error;
    if (!loop->base)
        return ASYNCHAT_ECLOSED;
    error = asynchat__pool_ready();
    if (error)
        return error;
    return asynchat__resolver_find(loop->base, &own)
               ? asynchat__resolver_begin(&own, &wish, out)
               : asynchat__system_begin(&wish, out);
}
