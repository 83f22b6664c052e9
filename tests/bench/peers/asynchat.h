/* The two peers on libasynchat, as a user would write them: asynchat_pieces.c
 * takes messages piece by piece, asynchat_whole.c whole, and asynchat.c is what
 * they share. In front of the mode there may be:
 *
 *     NUMBER  the number of workers, which get the connections in turn
 *     limits  every limit, budget and timeout is on; without workers
 *     shared  several processes share a port
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef PEER_ASYNCHAT_H
#define PEER_ASYNCHAT_H

#include <asynchat.h>

#include "peer.h"

/* The timeouts of "limits", in milliseconds. */
#define PEER_TIME 10000

/* What each of the two defines: handlers of line, length and sink. */
extern const struct asynchat_handler *const echo_handlers[3];

/* For their handle_connect. */
void start(struct asynchat_channel *ch, void *arg);

/* For their handle_close, where arg is malloced. */
void finish(struct asynchat_channel *ch, int status, void *arg);

/* The arg of a channel that sinks. */
void start_sink(struct asynchat_channel *ch, void *arg);

/* A line ended: answers if it was an empty one. */
void sink_line(struct asynchat_channel *ch, struct peer_upload *upload);

#endif
