/* The client: a channel that connects to an address.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_CONNECT_H
#define ASYNCHAT_CONNECT_H

#include <asynchat/channel.h>

ASYNCHAT_BEGIN_DECLS

/* Connects to `address`: "192.0.2.1:25", "[2001:db8::1]:25", "unix:/run/x".
 * Host names are not looked up. Gives the channel at once in *out; it can be
 * pushed to, and closed. How the attempt ended is told from the loop: by
 * handle_connect, or by handle_error and handle_close with the error of
 * connect(2), or -ETIMEDOUT after `timeout` milliseconds; 0 leaves the time to
 * the system. TCP connections have TCP_NODELAY. `handler` is borrowed until the
 * channel is gone. On failure *out is as it was. Errors: -EINVAL (`base`,
 * `address`, `handler` or `out` is NULL, or `handler` is filled in wrongly),
 * ASYNCHAT_EADDRESS (`address` has no such form), -ENAMETOOLONG (the path is too long),
 * -ENOTSUP (`handler` has fields that this version does not know), -ENOMEM, and
 * those of socket(2). (Python: connect) Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_connect(
    struct event_base *base, const char *address, unsigned timeout,
    const struct asynchat_handler *handler, void *arg,
    struct asynchat_channel **out);

ASYNCHAT_END_DECLS

#endif
