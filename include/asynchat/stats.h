/* What channels and servers have done so far, in numbers.
 *
 *     struct asynchat_server_stats stats;
 *     if (asynchat_server_get_stats(server, &stats, sizeof stats) == 0)
 *         printf("%" PRIu64 " messages\n", stats.messages);
 *
 * No number is ever reset. For a rate, ask twice and subtract. A channel needs
 * these numbers anyway, so they cost nothing more.
 *
 * `size` is sizeof the struct as the program knows it. If it is shorter than
 * this version's struct, only `size` bytes are written. If it is longer, the
 * fields that this version does not know become 0. New fields are only ever
 * added at the end. These functions may be called only from the thread of the
 * channel or server.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_STATS_H
#define ASYNCHAT_STATS_H

#include <asynchat/api.h>

ASYNCHAT_BEGIN_DECLS

/* What a channel has done. Input is counted once, even if it is matched again
 * because of a new terminator. Over a socket it is counted when it is received;
 * over a bufferevent of your own, when it is delivered, held back or
 * dropped. */
struct asynchat_stats {
    uint64_t received;      /* bytes received */
    uint64_t sent;          /* bytes that the system, or a bufferevent, took */
    uint64_t messages;      /* messages delivered */
    uint64_t dropped;       /* messages dropped: too long, or badly framed */
    uint64_t dropped_bytes; /* the length of these messages in all */
    uint64_t pressures;     /* how often the high mark was passed */
    uint64_t queued;        /* bytes queued now, as asynchat_get_queued() */
};

/* Writes what the channel has done to *stats. Errors: -EINVAL (`ch` or `stats`
 * is NULL). Since 0.1. */
ASYNCHAT_API int asynchat_get_stats(const struct asynchat_channel *ch,
                                    struct asynchat_stats *stats, size_t size);

/* What a server and all its channels have done, including channels that are
 * gone. The fields from `received` on are the sums of the same fields of
 * asynchat_stats over all channels. Connections given to workers count as
 * accepted; the server knows nothing else of them. */
struct asynchat_server_stats {
    uint64_t accepted;    /* connections that became channels */
    uint64_t turned_away; /* connections turned away because of a limit */
    uint64_t pauses;      /* how often accepting paused for lack of descriptors
                             or memory */
    uint64_t connections; /* channels now, as asynchat_server_connections() */
    uint64_t errors;      /* channels that ended with an error */
    uint64_t received;    /* bytes received */
    uint64_t sent;        /* bytes that the system, or bufferevents, took */
    uint64_t messages;    /* messages delivered */
    uint64_t dropped;     /* messages dropped: too long, or badly framed */
    uint64_t dropped_bytes; /* the length of these messages in all */
    uint64_t pressures;     /* how often the high mark was passed */
    uint64_t queued;        /* bytes queued now */
};

/* Writes what the server has done to *stats. The call looks at each channel.
 * Errors: -EINVAL (`server` or `stats` is NULL). Since 0.1. */
ASYNCHAT_API int asynchat_server_get_stats(const struct asynchat_server *server,
                                           struct asynchat_server_stats *stats,
                                           size_t size);

/* Returns how many channels of the server have ended with `status`: 0,
 * ASYNCHAT_EOF or an error. This is the status that handle_close was given. For
 * a channel that the program freed, it is the status that handle_close would
 * have been given. At most 47 different statuses are counted; any further ones
 * are not. Since 0.1. */
ASYNCHAT_API uint64_t
asynchat_server_get_ended(const struct asynchat_server *server, int status);

ASYNCHAT_END_DECLS

#endif
