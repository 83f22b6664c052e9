/* A client made by hand, over a socket: a test sends its bytes as it wants.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef HAND_H
#define HAND_H

#include <stddef.h>

#include <openssl/ssl.h>

struct hand {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out; /* what the peer has sent; what is to be sent */
    int fd;
};

/* Takes `fd`. */
void hand_new(struct hand *hand, int fd);
void hand_free(struct hand *hand);

/* Connects to a port of 127.0.0.1. Returns the descriptor. */
int hand_connect(int port);

/* The bytes of a ClientHello. Returns how many. */
size_t hand_hello(struct hand *hand, char *to, size_t room);

#endif
