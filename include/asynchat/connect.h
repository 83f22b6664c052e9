/* The client: a channel that connects to an address.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_CONNECT_H
#define ASYNCHAT_CONNECT_H

#include <asynchat/channel.h>

ASYNCHAT_BEGIN_DECLS

/* Connects to `address`. Host names are not looked up. The address has one of
 * these forms:
 *
 * - "192.0.2.1:25" and "[2001:db8::1]:25". An IPv6 address may have a zone,
 *   which is the name or the number of an interface: "[fe80::1%eth0]:25".
 * - "unix:/run/x": a Unix socket at a path of at most 108 bytes on Linux.
 * - "unix:@name": a Unix socket in Linux's abstract namespace, with a name of
 *   at most 107 bytes.
 *
 * In a path or a name, "\xNN" stands for any byte, with two hexadecimal digits,
 * and "\\" for a backslash. A path that begins with "@" is written as
 * "unix:./@x" or "unix:\x40x".
 *
 * Gives the channel in *out at once: the program can already push to it or
 * close it. The result of the attempt is reported from the loop. Success is
 * reported by handle_connect. Failure is reported by handle_error and
 * handle_close, with the error of connect(2), or with -ETIMEDOUT after
 * `timeout` milliseconds. A `timeout` of 0 leaves the time to the system.
 * asynchat_set_connect_time() can change it later.
 *
 * TCP connections have TCP_NODELAY. `handler` is borrowed until the channel is
 * gone. On failure *out is unchanged. Errors: -EINVAL (`base`, `address`,
 * `handler` or `out` is NULL, or `handler` is filled in wrongly),
 * ASYNCHAT_EADDRESS (`address` has none of these forms), -ENAMETOOLONG (the
 * path or name is too long), -ENODEV (there is no interface of that name),
 * -ENOTSUP (`handler` has fields that this version does not know), -ENOMEM, and
 * those of socket(2). (Python: connect) Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_connect(
    struct event_base *base, const char *address, unsigned timeout,
    const struct asynchat_handler *handler, void *arg,
    struct asynchat_channel **out);

ASYNCHAT_END_DECLS

#endif
