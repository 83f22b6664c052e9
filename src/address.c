/* Socket addresses as text: "127.0.0.1:25", "[::1]:25", "unix:/run/x".
 * SPDX-License-Identifier: BSD-3-Clause */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <asynchat/channel.h>
#include <asynchat/error.h>

static const char unix_prefix[] = "unix:";

/* The path must fit with its NUL: one cut short would be another path. */
static int parse_unix(struct address *address, const char *path)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&address->storage;
    size_t len = strlen(path);
    if (len == 0)
        return ASYNCHAT_EADDRESS;
    if (len >= sizeof un->sun_path)
        return -ENAMETOOLONG;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, len + 1);
    address->len =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    return 0;
}

/* Digits and nothing else, as strtoul would take "+1", " 1" and "1x". */
static int parse_port(const char *text, uint16_t *port)
{
    char *end;
    if (*text < '0' || *text > '9')
        return ASYNCHAT_EADDRESS;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || *end || value > UINT16_MAX)
        return ASYNCHAT_EADDRESS;
    *port = htons((uint16_t)value);
    return 0;
}

/* inet_pton takes four decimal numbers and no other form. */
static bool parse_four(struct address *address, const char *host, uint16_t port)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&address->storage;
    in->sin_family = AF_INET;
    in->sin_port = port;
    address->len = sizeof *in;
    return inet_pton(AF_INET, host, &in->sin_addr) == 1;
}

/* `host` is what stood between the brackets, with or without a scope:
 * fe80::1%lo.
 */
static bool parse_six(struct address *address, char *host, uint16_t port)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address->storage;
    char *scope = strchr(host, '%');
    if (scope) {
        *scope = '\0';
        in6->sin6_scope_id = if_nametoindex(scope + 1);
        if (in6->sin6_scope_id == 0)
            return false;
    }
    in6->sin6_family = AF_INET6;
    in6->sin6_port = port;
    address->len = sizeof *in6;
    return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1;
}

/* The last colon is before the port; those of an IPv6 address are in brackets.
 */
static int parse_inet(struct address *address, const char *text)
{
    char host[ASYNCHAT_ADDRESS_SIZE];
    const char *colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof host)
        return ASYNCHAT_EADDRESS;
    size_t len = (size_t)(colon - text);
    memcpy(host, text, len);
    host[len] = '\0';

    uint16_t port;
    int error = parse_port(colon + 1, &port);
    if (error)
        return error;
    bool six = len > 2 && host[0] == '[' && host[len - 1] == ']';
    if (six)
        host[len - 1] = '\0';
    bool good = six ? parse_six(address, host + 1, port)
                    : parse_four(address, host, port);
    return good ? 0 : ASYNCHAT_EADDRESS;
}

int asynchat__address_parse(struct address *address, const char *text)
{
    memset(address, 0, sizeof *address);
    if (strncmp(text, unix_prefix, strlen(unix_prefix)) == 0)
        return parse_unix(address, text + strlen(unix_prefix));
    return parse_inet(address, text);
}

int asynchat__address_port(const struct address *address)
{
    switch (address->storage.ss_family) {
    case AF_INET:
        return ntohs(((const struct sockaddr_in *)&address->storage)->sin_port);
    case AF_INET6:
        return ntohs(
            ((const struct sockaddr_in6 *)&address->storage)->sin6_port);
    default:
        return 0;
    }
}

void asynchat__address_keep(struct peer_address *kept,
                            const struct address *address)
{
    const struct sockaddr_in *in =
        (const struct sockaddr_in *)&address->storage;
    const struct sockaddr_in6 *in6 =
        (const struct sockaddr_in6 *)&address->storage;
    *kept = (struct peer_address){.family = 0};
    if (address->storage.ss_family == AF_INET) {
        memcpy(kept->ip, &in->sin_addr, sizeof in->sin_addr);
        kept->port = in->sin_port;
        kept->family = AF_INET;
    } else if (address->storage.ss_family == AF_INET6) {
        memcpy(kept->ip, &in6->sin6_addr, sizeof in6->sin6_addr);
        kept->port = in6->sin6_port;
        kept->scope = in6->sin6_scope_id;
        kept->family = AF_INET6;
    }
}

bool asynchat__address_kept(const struct peer_address *kept,
                            struct address *address)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&address->storage;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address->storage;
    *address = (struct address){.storage.ss_family = kept->family};
    if (kept->family == AF_INET) {
        memcpy(&in->sin_addr, kept->ip, sizeof in->sin_addr);
        in->sin_port = kept->port;
    } else if (kept->family == AF_INET6) {
        memcpy(&in6->sin6_addr, kept->ip, sizeof in6->sin6_addr);
        in6->sin6_port = kept->port;
        in6->sin6_scope_id = kept->scope;
    }
    return kept->family != 0;
}

static int format_four(const struct address *address, char *text, size_t size)
{
    const struct sockaddr_in *in =
        (const struct sockaddr_in *)&address->storage;
    char host[INET_ADDRSTRLEN];
    if (!inet_ntop(AF_INET, &in->sin_addr, host, sizeof host))
        return -errno;
    return snprintf(text, size, "%s:%d", host, ntohs(in->sin_port));
}

static int format_six(const struct address *address, char *text, size_t size)
{
    const struct sockaddr_in6 *in6 =
        (const struct sockaddr_in6 *)&address->storage;
    char host[INET6_ADDRSTRLEN], scope[IF_NAMESIZE] = "";
    if (!inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host))
        return -errno;
    if (in6->sin6_scope_id > 0)
        if_indextoname(in6->sin6_scope_id, scope);
    return snprintf(text, size, "[%s%s%s]:%d", host, *scope ? "%" : "", scope,
                    ntohs(in6->sin6_port));
}

/* A socket without a name has a length and no path. */
static int format_unix(const struct address *address, char *text, size_t size)
{
    const struct sockaddr_un *un =
        (const struct sockaddr_un *)&address->storage;
    size_t before = offsetof(struct sockaddr_un, sun_path);
    size_t len = address->len > before
                     ? strnlen(un->sun_path, address->len - before)
                     : 0;
    return snprintf(text, size, "%s%.*s", unix_prefix, (int)len, un->sun_path);
}

/* Written whole or not at all. */
int asynchat__address_format(const struct address *address, char *text,
                             size_t size)
{
    char whole[ASYNCHAT_ADDRESS_SIZE];
    int len;
    if (address->storage.ss_family == AF_INET)
        len = format_four(address, whole, sizeof whole);
    else if (address->storage.ss_family == AF_INET6)
        len = format_six(address, whole, sizeof whole);
    else if (address->storage.ss_family == AF_UNIX)
        len = format_unix(address, whole, sizeof whole);
    else
        len = -EAFNOSUPPORT;
    if (len < 0)
        return len;
    if ((size_t)len >= sizeof whole || (size_t)len >= size)
        return -ENOSPC;
    memcpy(text, whole, (size_t)len + 1);
    return 0;
}

int asynchat__address_of(int fd,
                         int (*name)(int, struct sockaddr *, socklen_t *),
                         struct address *address)
{
    struct address found = {.len = sizeof found.storage};
    if (name(fd, (struct sockaddr *)&found.storage, &found.len) < 0)
        return -errno;
    *address = found;
    return 0;
}
