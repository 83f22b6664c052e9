/* Socket addresses as text: "127.0.0.1:25", "[::1]:25", "unix:/run/x".
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_ADDRESS_H
#define ASYNCHAT_ADDRESS_H

#include <sys/socket.h>

#include <stddef.h>

struct address {
    struct sockaddr_storage storage;
    socklen_t len;
};

/* -EINVAL for text that is no address, -ENAMETOOLONG for a Unix path that does
 * not fit. */
int asynchat__address_parse(struct address *address, const char *text);

/* -ENOSPC, with `text` as it was, when `size` is too small. */
int asynchat__address_format(const struct address *address, char *text,
                             size_t size);

/* 0 for a Unix socket. */
int asynchat__address_port(const struct address *address);

/* Asks getsockname or getpeername of `fd`. */
int asynchat__address_of(int fd,
                         int (*name)(int, struct sockaddr *, socklen_t *),
                         struct address *address);

#endif
