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

/* Each of the two peers defines these: handlers of line, length and sink. */
extern const struct asynchat_handler *const echo_handlers[3];

/* To be called in handle_connect. */
void start(struct asynchat_channel *ch, void *arg);

/* To be called in handle_close, if `arg` was allocated. */
void finish(struct asynchat_channel *ch, int status, void *arg);

/* Makes the `arg` of a channel that is a sink. */
void start_sink(struct asynchat_channel *ch, void *arg);

/* A line has ended. Sends the answer if the line was empty. */
void sink_line(struct asynchat_channel *ch, struct peer_upload *upload);

#endif
