/* The settings of a channel, all at once: for a program that keeps them in one
 * place, and for a server, which gives them to each channel that it makes.
 *
 *     static const struct asynchat_options options = {
 *         .size = sizeof options,
 *         .message_limit = 1000,
 *         .linger = 5000,
 *     };
 *     int error = asynchat_set_options(ch, &options);
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_OPTIONS_H
#define ASYNCHAT_OPTIONS_H

#include <asynchat/channel.h>

ASYNCHAT_BEGIN_DECLS

/* The settings. `size` is sizeof the struct. A field left 0 leaves the setting
 * as it is; each other field does what the function named there does, which has
 * the units and the range. New fields are only ever added at the end. */
struct asynchat_options {
    size_t size;
    size_t message_limit; /* asynchat_set_message_limit() */
    size_t output_limit;  /* asynchat_set_output_limit() */
    size_t low_mark;  /* of asynchat_set_output_marks(): needs a high mark */
    size_t high_mark; /* of asynchat_set_output_marks(): sets both marks */
    size_t in_buffer_size;   /* asynchat_set_in_buffer_size() */
    size_t out_buffer_size;  /* asynchat_set_out_buffer_size() */
    unsigned message_budget; /* asynchat_set_message_budget() */
    unsigned linger;         /* asynchat_set_linger() */

    /* asynchat_set_timeouts(), or NULL. Copied. */
    const struct asynchat_timeouts *timeouts;

    size_t quick_ack; /* asynchat_set_quick_ack(), if this is 1 */
};

/* Sets all of the settings, or on failure none of them. Copies. Errors: -EINVAL
 * (`ch` or `options` is NULL, or `options` is filled in wrongly, for example if
 * a value is out of range, or if there is a low mark without a high mark),
 * -ENOTSUP (`options` or its `timeouts` has fields that this version does not
 * know), -ENOMEM. Since 0.1. */
ASYNCHAT_API int asynchat_set_options(struct asynchat_channel *ch,
                                      const struct asynchat_options *options);

ASYNCHAT_END_DECLS

#endif
