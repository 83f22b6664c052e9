/* The two peers on libasynchat, as a user would write them: asynchat_pieces.c
 * takes messages piece by piece, asynchat_whole.c whole, and asynchat.c is what
 * they share. In front of the mode there may be:
 *
 *     NUMBER  the number of workers, which get the connections in turn
 *     limits  every limit, budget and timeout is on; without workers
 *     shared  several processes share a port
 *     small   source pushes references to SMALL bytes each, all at once
 *     --io-uring  batches, by libasynchat-uring
 *
 * asynchat_framings.c is another one, with the modes of the framings.
 *
 * With PEER_TLS the peer takes pieces, and speaks TLS by libasynchat-openssl;
 * behind the port there are a certificate and its key:
 *
 *     asynchat_tls [OPTION...] MODE PORT CERTIFICATE KEY
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef PEER_ASYNCHAT_H
#define PEER_ASYNCHAT_H

#include <asynchat.h>

#include "peer.h"

/* The timeouts of "limits", in milliseconds. */
#define PEER_TIME 10000

/* Each of the peers has its own. Gives the handler of the mode, which is not
 * source or file. */
const struct asynchat_handler *echo_handler(void);

/* The last mode of the peer. */
#ifdef PEER_FRAMINGS
#define PEER_LAST PEER_TELL_SHARED
#else
#define PEER_LAST PEER_FILE
#endif

#define SMALL 41

#ifdef PEER_TLS
#define PEER_FILES 2 /* behind the port */
/* All connections of the server begin with TLS. Returns 0, or a code. */
int secure(struct asynchat_server *server, const char *certificate,
           const char *key);
#else
#define PEER_FILES 0
#endif

/* To be called in handle_connect: sets the limits, and the terminator unless
 * the mode is one of the framings'. */
void start(struct asynchat_channel *ch, void *arg);

/* To be called in handle_close, if `arg` was allocated. */
void finish(struct asynchat_channel *ch, int status, void *arg);

/* Makes the `arg` of a channel that is a sink. */
void start_sink(struct asynchat_channel *ch, void *arg);

/* A line has ended. Sends the answer if the line was empty. */
void sink_line(struct asynchat_channel *ch, struct peer_upload *upload);

/* For a handler that takes the lines in pieces. */
void sink_piece(struct asynchat_channel *ch, const void *data, size_t len,
                void *arg);
void sink_end(struct asynchat_channel *ch, void *arg);

#endif
