/* Socket addresses, and their form as text: "127.0.0.1:25", "[::1]:25",
 * "unix:/run/x", "unix:@name".
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

/* What a channel keeps of its peer's address: everything of an internet
 * address, and nothing of any other address. */
struct peer_address {
    unsigned char ip[16];
    uint32_t scope;
    in_port_t port;
    sa_family_t family; /* 0: no address is kept */
};

/* Keeps an internet address; of any other address, keeps nothing. */
void asynchat__address_keep(struct peer_address *kept,
                            const struct address *address);

/* Gives the address that was kept. False: none was kept. */
bool asynchat__address_kept(const struct peer_address *kept,
                            struct address *address);

/* Reads an address. Errors: ASYNCHAT_EADDRESS (the text is not an address),
 * -ENAMETOOLONG (a Unix path or name does not fit), and those of
 * if_nametoindex(3) for a zone, such as -ENODEV. */
int asynchat__address_parse(struct address *address, const char *text);

/* Writes an address in the form that asynchat__address_parse() reads: on one
 * line and without control characters, whatever bytes a Unix path or name has.
 * -ENOSPC: `size` is too small, and `text` is as it was. */
int asynchat__address_format(const struct address *address, char *text,
                             size_t size);

/* Whether the address is one of these. Memory behind an address that is not
 * part of it does not matter. */
bool asynchat__address_among(const struct address *address,
                             const struct address *others, unsigned count);

/* Whether a file stands for the address: it does for a Unix socket that has a
 * path and not a name in the abstract namespace. */
bool asynchat__address_has_path(const struct address *address);

/* The port of an internet address; 0 for a Unix socket. */
int asynchat__address_port(const struct address *address);

/* Gives the address that `name`, which is getsockname or getpeername, tells of
 * the socket `fd`. 0 or -errno. */
int asynchat__address_of(int fd,
                         int (*name)(int, struct sockaddr *, socklen_t *),
                         struct address *address);

#endif
