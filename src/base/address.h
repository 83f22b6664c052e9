/* Socket addresses as text: "127.0.0.1:25", "[::1]:25", "unix:/run/x",
 * "unix:@name".
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_ADDRESS_H
#define ASYNCHAT_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct address {
    struct sockaddr_storage storage;
    socklen_t len;
};

/* What a channel keeps of its peer's: all that an internet address has, or
 * nothing. */
struct peer_address {
    unsigned char ip[16];
    uint32_t scope;
    in_port_t port;
    sa_family_t family; /* 0: nothing */
};

void asynchat__address_keep(struct peer_address *kept,
                            const struct address *address);

/* False: nothing was kept. */
bool asynchat__address_kept(const struct peer_address *kept,
                            struct address *address);

/* ASYNCHAT_EADDRESS for text that is no address, -ENAMETOOLONG for a Unix path or
 * name that does not fit, and those of if_nametoindex(3) for a zone, such as
 * -ENODEV. */
int asynchat__address_parse(struct address *address, const char *text);

/* As asynchat__address_parse() takes it again, on one line and without control
 * characters, whatever it is. -ENOSPC, with `text` as it was, when `size` is too
 * small. */
int asynchat__address_format(const struct address *address, char *text,
                             size_t size);

/* Whether there is a file at it: so for a Unix socket that is not in the abstract
 * namespace. */
bool asynchat__address_has_path(const struct address *address);

/* 0 for a Unix socket. */
int asynchat__address_port(const struct address *address);

/* Asks getsockname or getpeername of `fd`. */
int asynchat__address_of(int fd,
                         int (*name)(int, struct sockaddr *, socklen_t *),
                         struct address *address);

#endif
