/* The client: a channel that connects to an address.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_CONNECT_H
#define ASYNCHAT_CONNECT_H

#include <asynchat/channel.h>

ASYNCHAT_BEGIN_DECLS

/* Connects to `address`, which has one of these forms; host names are not looked
 * up:
 *
 * - "192.0.2.1:25" and "[2001:db8::1]:25". An IPv6 address may be one in a zone,
 *   which is an interface's name or its number: "[fe80::1%eth0]:25".
 * - "unix:/run/x": a Unix socket at a path, of at most 108 bytes on Linux.
 * - "unix:@name": one in Linux's abstract namespace, with a name of at most 107
 *   bytes.
 *
 * In a path and a name "\xNN" stands for any byte, by two hexadecimal digits, and
 * "\\" for a backslash. A path that begins with "@" is "unix:./@x" or
 * "unix:\x40x".
 *
 * Gives the channel at once in *out; it can be pushed to, and closed. How the
 * attempt ended is told from the loop: by handle_connect, or by handle_error and
 * handle_close with the error of connect(2), or -ETIMEDOUT after `timeout`
 * milliseconds; 0 leaves the time to the system. asynchat_set_connect_time() sets
 * another. TCP connections have TCP_NODELAY. `handler` is borrowed until the channel is gone. On failure *out is
 * as it was. Errors: -EINVAL (`base`, `address`, `handler` or `out` is NULL, or
 * `handler` is filled in wrongly), ASYNCHAT_EADDRESS (`address` has none of these
 * forms), -ENAMETOOLONG (the path or name is too long), -ENODEV (there is no
 * interface of that name), -ENOTSUP (`handler` has fields that this version does
 * not know), -ENOMEM, and those of socket(2). (Python: connect) Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_connect(
    struct event_base *base, const char *address, unsigned timeout,
    const struct asynchat_handler *handler, void *arg,
    struct asynchat_channel **out);

ASYNCHAT_END_DECLS

#endif
