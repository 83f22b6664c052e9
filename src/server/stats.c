/* What a server answers about what it has done so far.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/stats.h>

#include <errno.h>

#include "base/table.h"
#include "channel/object.h"
#include "server/server.h"

_Static_assert(sizeof(struct asynchat_server_stats) == 12 * sizeof(uint64_t),
               "asynchat_server_stats has padding");

int asynchat_server_get_stats(const struct asynchat_server *server,
                              struct asynchat_server_stats *stats, size_t size)
{
    if (!server || !stats)
        return -EINVAL;
    struct asynchat_server_stats all = server->counts.sum;
    all.connections = server->connections;
    for (const struct asynchat_channel *ch = server->channels; ch;
         ch = ch->next) {
        struct asynchat_stats one = asynchat__channel_stats(ch);
        asynchat__counts_add(&all, &one);
        all.queued += asynchat_get_queued(ch);
    }
    asynchat__table_answer(stats, size, &all, sizeof all);
    return 0;
}

uint64_t asynchat_server_get_ended(const struct asynchat_server *server,
                                   int status)
{
    return server ? asynchat__counts_ended(&server->counts, status) : 0;
}
