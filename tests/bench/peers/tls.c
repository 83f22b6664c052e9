/* The common part of the peers that speak TLS by hand.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tls.h"

#include "peer.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>

SSL_CTX *peer_tls_begin(int argc, char **argv)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (argc != 5) {
        fprintf(stderr, "usage: %s line|sink|source PORT CERTIFICATE KEY\n",
                argv[0]);
        exit(2);
    }
    peer_begin(argc - 2, argv, PEER_FILE);
    if (!ctx || SSL_CTX_use_certificate_chain_file(ctx, argv[3]) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, argv[4], SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        exit(1);
    }
    return ctx;
}
