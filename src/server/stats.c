/* What servers have done so far.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/stats.h>

#include <errno.h>

#include <asynchat/error.h>

#include "base/table.h"
#include "channel/object.h"
#include "server.h"

_Static_assert(sizeof(struct asynchat_server_stats) == 12 * sizeof(uint64_t),
               "asynchat_server_stats has padding");

static void server_add(struct asynchat_server_stats *sum,
                       const struct asynchat_stats *stats)
{
    sum->received += stats->received;
    sum->sent += stats->sent;
    sum->messages += stats->messages;
    sum->dropped += stats->dropped;
    sum->dropped_bytes += stats->dropped_bytes;
    sum->pressures += stats->pressures;
}

/* A status has a place as soon as there was one; there are fewer than places. */
static void server_count_end(struct server_counts *counts, int status)
{
    size_t i = 0;
    while (i < SERVER_ENDS - 1 && counts->ends[i].count > 0 &&
           counts->ends[i].status != status)
        i++;
    if (i == SERVER_ENDS - 1)
        return; /* a producer may make up any error */
    counts->ends[i].status = status;
    counts->ends[i].count++;
}

void asynchat__server_count_gone(struct asynchat_server *server,
                                 const struct asynchat_channel *ch)
{
    struct asynchat_stats stats = asynchat__channel_stats(ch);
    server_add(&server->counts.sum, &stats);
    server_count_end(&server->counts, ch->status);
    if (ch->status != 0 && ch->status != ASYNCHAT_EOF)
        server->counts.sum.errors++;
}

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
        server_add(&all, &one);
        all.queued += asynchat_get_queued(ch);
    }
    asynchat__table_answer(stats, size, &all, sizeof all);
    return 0;
}

uint64_t asynchat_server_get_ended(const struct asynchat_server *server,
                                   int status)
{
    for (size_t i = 0; server && i < SERVER_ENDS; i++)
        if (server->counts.ends[i].count > 0 &&
            server->counts.ends[i].status == status)
            return server->counts.ends[i].count;
    return 0;
}
