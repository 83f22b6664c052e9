/* Two channels connected to each other in memory: for tests, and for talking
 * within a program. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_PAIR_H
#define ASYNCHAT_PAIR_H

#include <asynchat/channel.h>

ASYNCHAT_BEGIN_DECLS

/* Makes two connected channels, the i-th with handlers[i] and args[i], and
 * gives them in out[0] and out[1]. If `args` is NULL, both channels get NULL.
 * Each channel receives what the other sends. When one channel closes or is
 * freed, handle_eof is called for the other; when one aborts, handle_error is
 * called for the other with -ECONNRESET. Borrows the handlers until the
 * channels are gone, and the arrays until the call returns. On failure `out` is
 * unchanged. Errors: -EINVAL (`base`, `handlers`, `out` or a handler is NULL,
 * or a handler is filled in wrongly), -ENOTSUP (a handler has fields that this
 * version does not know), -ENOMEM. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_pair_new(
    struct event_base *base, const struct asynchat_handler *const handlers[2],
    void *const args[2], struct asynchat_channel *out[2]);

ASYNCHAT_END_DECLS

#endif
