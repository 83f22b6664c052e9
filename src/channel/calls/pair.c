/* Two channels connected to each other in memory.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/pair.h>

#include <errno.h>

#include <event2/bufferevent.h>

#include "channel/object.h"

int asynchat_pair_new(struct event_base *base,
                      const struct asynchat_handler *const handlers[2],
                      void *const args[2], struct asynchat_channel *out[2])
{
    struct bufferevent *bevs[2];
    struct asynchat_channel *first;
    if (!base || !handlers || !out)
        return -EINVAL;
    if (bufferevent_pair_new(base, 0, bevs) < 0)
        return -ENOMEM;
    int error = asynchat_channel_new(bevs[0], 0, handlers[0],
                                     args ? args[0] : NULL, &first);
    if (error) {
        bufferevent_free(bevs[0]);
        bufferevent_free(bevs[1]);
        return error;
    }
    error = asynchat_channel_new(bevs[1], 0, handlers[1], args ? args[1] : NULL,
                                 &out[1]);
    if (error) {
        asynchat_channel_free(first);
        bufferevent_free(bevs[1]);
        return error;
    }
    asynchat__transport_pair(&first->transport);
    asynchat__transport_pair(&out[1]->transport);
    out[0] = first;
    return 0;
}
