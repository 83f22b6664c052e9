/* The common part of the peers that speak TLS by hand.
 *
 * usage: PEER MODE PORT CERTIFICATE KEY     MODE is line, sink or source
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef PEER_TLS_H
#define PEER_TLS_H

#include <openssl/ssl.h>

/* Reads the command line, or ends the program. Returns the context of all
 * connections, as OpenSSL makes it: for what else it offers, such as tickets,
 * the peers keep its defaults. */
SSL_CTX *peer_tls_begin(int argc, char **argv);

#endif
