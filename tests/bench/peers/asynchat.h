/* The two peers on libasynchat, as a user would write them: asynchat_pieces.c
 * takes messages piece by piece, asynchat_whole.c whole, and asynchat.c is what
 * they share. In front of the mode there may be:
 *
 *     NUMBER  the number of workers, which get the connections in turn
 *     limits  every limit, budget and timeout is on; without workers
 *     shared  several processes share a port
 *     small   source pushes references to SMALL bytes each, all at once
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

/* Each of the two peers defines these: handlers of line, length and sink. */
extern const struct asynchat_handler *const echo_handlers[3];

#define SMALL 41

#ifdef PEER_TLS
#define PEER_FILES 2 /* behind the port */
/* All connections of the server begin with TLS. Returns 0, or a code. */
int secure(struct asynchat_server *server, const char *certificate,
           const char *key);
#else
#define PEER_FILES 0
#endif

/* To be called in handle_connect. */
void start(struct asynchat_channel *ch, void *arg);

/* To be called in handle_close, if `arg` was allocated. */
void finish(struct asynchat_channel *ch, int status, void *arg);

/* Makes the `arg` of a channel that is a sink. */
void start_sink(struct asynchat_channel *ch, void *arg);

/* A line has ended. Sends the answer if the line was empty. */
void sink_line(struct asynchat_channel *ch, struct peer_upload *upload);

#endif
