/* Two channels connected to each other in memory: for tests, and for talking
 * within a program. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_PAIR_H
#define ASYNCHAT_PAIR_H

#include <asynchat/channel.h>

ASYNCHAT_BEGIN_DECLS

/* Makes two connected channels, the i-th with handlers[i] and args[i], and
 * gives them in out[0] and out[1]. `args` may be NULL: both get NULL. What one
 * sends the other receives, ends included: when one closes, or is freed, the other
 * hears handle_eof, and when one aborts handle_error with -ECONNRESET. Borrows the handlers until the channels are gone, and the arrays
 * until it returns. On failure `out` is as it was. Errors: -EINVAL (`base`,
 * `handlers`, `out` or a handler is NULL, or a handler is filled in wrongly),
 * -ENOTSUP (a handler has fields that this version does not know), -ENOMEM.
 * Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_pair_new(
    struct event_base *base, const struct asynchat_handler *const handlers[2],
    void *const args[2], struct asynchat_channel *out[2]);

ASYNCHAT_END_DECLS

#endif
