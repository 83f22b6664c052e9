/* The TLS of the peer asynchat_tls, as a user would write it.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "asynchat.h"

#include <asynchat/tls.h>

#include <stdio.h>

int secure(struct asynchat_server *server, const char *certificate,
           const char *key)
{
    struct asynchat_tls_options options = {
        .size = sizeof options, .certificate = certificate, .key = key};
    struct asynchat_tls *tls;
    int error = asynchat_tls_new(&options, &tls);
    if (error) {
        fprintf(stderr, "%s\n", asynchat_tls_get_error(NULL));
        return error;
    }
    return asynchat_tls_serve(server, tls);
}
