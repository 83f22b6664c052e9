/* The options of a context: checking and copying them.
 *
 * Tested by tests/openssl/test_tls_context.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TLS_OPTIONS_H
#define ASYNCHAT_TLS_OPTIONS_H

#include <stdbool.h>

#include <asynchat/tls.h>

/* Copies the options of the program, with all texts, and gives each field that
 * is 0 its default. On failure sets the text of the thread. 0, -EINVAL,
 * -ENOTSUP or -ENOMEM. */
int asynchat__tls_options_copy(struct asynchat_tls_options *copy,
                               const struct asynchat_tls_options *options);

/* Frees the texts of such a copy. */
void asynchat__tls_options_free(struct asynchat_tls_options *copy);

static inline bool options_has(const struct asynchat_tls_options *options,
                               unsigned flag)
{
    return (options->flags & flag) != 0;
}

#endif
