/* What channels and servers have done so far, in numbers.
 *
 *     struct asynchat_server_stats stats;
 *     if (asynchat_server_get_stats(server, &stats, sizeof stats) == 0)
 *         printf("%" PRIu64 " messages\n", stats.messages);
 *
 * Nothing is reset: who wants a rate asks twice, and subtracts. Counting is part
 * of what a channel does anyway, and costs nothing more.
 *
 * `size` is sizeof the struct as the program knows it: of a shorter one only that
 * much is written, and what this version does not know of a longer one is 0.
 * Fields are only ever appended. All from the thread of the channel or server.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_STATS_H
#define ASYNCHAT_STATS_H

#include <asynchat/api.h>

ASYNCHAT_BEGIN_DECLS

/* A channel's. What comes is counted once, also if a new terminator has it matched
 * again: over a socket when it is received, over a bufferevent of yours when it is
 * delivered, held back or dropped. */
struct asynchat_stats {
    uint64_t received;      /* bytes */
    uint64_t sent;          /* bytes that the system, or a bufferevent, took */
    uint64_t messages;      /* that were delivered */
    uint64_t dropped;       /* messages over the limit, and */
    uint64_t dropped_bytes; /* how long they were in all */
    uint64_t pressures;     /* times that the high mark was passed */
    uint64_t queued;        /* now, as asynchat_get_queued() */
};

/* Writes what the channel has done to *stats. Errors: -EINVAL (`ch` or `stats` is
 * NULL). Since 0.1. */
ASYNCHAT_API int asynchat_get_stats(const struct asynchat_channel *ch,
                                    struct asynchat_stats *stats, size_t size);

/* A server's, and of all its channels, those that are gone included. Of
 * connections that it gave to workers it knows no more than that. */
struct asynchat_server_stats {
    uint64_t accepted;    /* connections that became channels */
    uint64_t turned_away; /* connections, for a limit */
    uint64_t pauses;      /* of accepting, for want of descriptors or memory */
    uint64_t connections; /* now, as asynchat_server_connections() */
    uint64_t errors;      /* channels that ended with one */
    uint64_t received;    /* and the sums of what their stats say: */
    uint64_t sent;
    uint64_t messages;
    uint64_t dropped;
    uint64_t dropped_bytes;
    uint64_t pressures;
    uint64_t queued;
};

/* Writes what the server has done to *stats; looks at each channel. Errors: -EINVAL
 * (`server` or `stats` is NULL). Since 0.1. */
ASYNCHAT_API int asynchat_server_get_stats(
    const struct asynchat_server *server, struct asynchat_server_stats *stats,
    size_t size);

/* How many of its channels have ended with that status: what handle_close was
 * told, or would have been for one that was freed, so 0, ASYNCHAT_EOF, or an
 * error. The first 47 that there are, are counted. Since 0.1. */
ASYNCHAT_API uint64_t asynchat_server_get_ended(
    const struct asynchat_server *server, int status);

ASYNCHAT_END_DECLS

#endif
