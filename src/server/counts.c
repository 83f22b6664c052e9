/* Sums over the channels of a server that are gone.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/counts.h"

#include <stddef.h>

#include <asynchat/error.h>

void asynchat__counts_add(struct asynchat_server_stats *sum,
                          const struct asynchat_stats *stats)
{
    sum->received += stats->received;
    sum->sent += stats->sent;
    sum->messages += stats->messages;
    sum->dropped += stats->dropped;
    sum->dropped_bytes += stats->dropped_bytes;
    sum->pressures += stats->pressures;
}

/* Counts how a channel has ended. The first SERVER_ENDS statuses get a place,
 * and keep it; any others are not counted. There are enough places, unless a
 * producer makes up errors. */
static void counts_end(struct server_counts *counts, int status)
{
    size_t i = 0;
    while (i < SERVER_ENDS && counts->ends[i].count > 0 &&
           counts->ends[i].status != status)
        i++;
    if (i == SERVER_ENDS)
        return;
    counts->ends[i].status = status;
    counts->ends[i].count++;
}

void asynchat__counts_gone(struct server_counts *counts,
                           const struct asynchat_stats *stats, int status)
{
    asynchat__counts_add(&counts->sum, stats);
    counts_end(counts, status);
    if (status != 0 && status != ASYNCHAT_EOF)
        counts->sum.errors++;
}

uint64_t asynchat__counts_ended(const struct server_counts *counts, int status)
{
    for (size_t i = 0; i < SERVER_ENDS; i++)
        if (counts->ends[i].count > 0 && counts->ends[i].status == status)
            return counts->ends[i].count;
    return 0;
}
