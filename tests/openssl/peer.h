/* A peer made with OpenSSL alone, which may do what a channel never does.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>

#include "talk.h"

/* A session between buffers, and a socket. Nothing moves between both but by
 * the functions below. */
struct peer {
    SSL *ssl;
    BIO *in, *out;
    int fd;
};

/* An SSL_CTX for a peer. A server shows the identity, unless it is NULL; a
 * client verifies nobody. `version` is the only one, or 0. */
SSL_CTX *peer_context(bool server, const struct identity *identity,
                      int version);

/* Makes a peer of `ctx`, and answers a socket that is connected with it.
 * `server` says that the other end is to be a server. */
int peer_connect(struct peer *peer, SSL_CTX *ctx, bool server);

/* Gives the server's side of `talk`, or else the client's, a channel of ours
 * over a socket, and makes a peer of `ctx` at the other end. `tls` is the
 * channel's. */
void peer_new(struct peer *peer, struct talk *talk, SSL_CTX *ctx, bool server,
              struct asynchat_tls *tls);

/* Sends up to `most` bytes of what the session has written. Answers how
 * many. */
size_t peer_send(struct peer *peer, size_t most);

/* Gives the session what has come. Answers how many bytes. */
size_t peer_receive(struct peer *peer);

/* Runs both sides until the handshake is done. */
void peer_shake(struct peer *peer, struct talk *talk);

/* Runs the loop until nothing happens any more, and sends and receives. */
void peer_run(struct peer *peer, struct talk *talk);

void peer_free(struct peer *peer);

#endif
