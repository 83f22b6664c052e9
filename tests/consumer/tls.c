/* A program outside the build, with libasynchat-openssl: it makes a context.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <asynchat/tls.h>

#include <errno.h>
#include <stdio.h>

int main(void)
{
    struct asynchat_tls_options options = {.size = sizeof options,
                                           .flags = ASYNCHAT_TLS_CLIENT |
                                                    ASYNCHAT_TLS_NO_VERIFY};
    struct asynchat_tls *tls = NULL;
    int error = asynchat_tls_new(&options, &tls);

    if (error) {
        fprintf(stderr, "no context: %s, %s\n", asynchat_strerror(error),
                asynchat_tls_get_error(NULL));
        return 1;
    }
    asynchat_tls_free(tls);
    error = asynchat_tls_new(NULL, &tls);
    if (error != -EINVAL) {
        fprintf(stderr, "without options: %s\n", asynchat_strerror(error));
        return 1;
    }
    return 0;
}
