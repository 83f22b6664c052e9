/* Sums over the channels of a server that are gone. This file knows no server
 * and no channel.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_COUNTS_H
#define ASYNCHAT_SRC_COUNTS_H

#include <asynchat/stats.h>

/* How many different statuses are counted. A connection can end with some
 * twenty errors of the system and ten of the library; a producer can make up
 * others. stats.h names this number. */
#define SERVER_ENDS 47

/* Invariants:
 * - the places of `ends` are taken in order: behind a place with count 0, all
 *   places have count 0;
 * - a status has one place at most, and keeps it. */
struct server_counts {
    /* `connections` and `queued` stay 0: they are found out when they are asked
     * for. */
    struct asynchat_server_stats sum;
    /* How many channels ended with which status. */
    struct {
        int status;
        uint64_t count;
    } ends[SERVER_ENDS];
};

/* Adds what one channel has done to the sums. */
void asynchat__counts_add(struct asynchat_server_stats *sum,
                          const struct asynchat_stats *stats);

/* A channel that has done this is gone, and ended with `status`. */
void asynchat__counts_gone(struct server_counts *counts,
                           const struct asynchat_stats *stats, int status);

/* How many channels ended with `status`. */
uint64_t asynchat__counts_ended(const struct server_counts *counts, int status);

#endif
