/* Socket addresses, and their form as text: "127.0.0.1:25", "[::1]:25",
 * "unix:/run/x", "unix:@name".
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <asynchat/channel.h>

#include <asynchat/error.h>

#include "base/escape.h"

static const char unix_prefix[] = "unix:";

#define PATH_OFFSET offsetof(struct sockaddr_un, sun_path)
#define PATH_MOST sizeof(((struct sockaddr_un *)NULL)->sun_path)

_Static_assert(ASYNCHAT_ADDRESS_SIZE >
                   sizeof unix_prefix + ESCAPED_MOST(PATH_MOST),
               "no room for an address as text");

/* A path may fill sun_path entirely: its NUL then lies behind sun_path. A
 * longer path is refused, since its beginning would be another path; and so is
 * a path with a NUL in it, since it would end there. */
static int parse_path(struct address *address, const char *text)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&address->storage;
    size_t len;
    if (!asynchat__unescape(un->sun_path, PATH_MOST, text, &len) || len == 0)
        return ASYNCHAT_EADDRESS;
    if (len > PATH_MOST)
        return -ENAMETOOLONG;
    if (memchr(un->sun_path, '\0', len))
        return ASYNCHAT_EADDRESS;
    address->len = (socklen_t)(PATH_OFFSET + len + (len < PATH_MOST));
    return 0;
}

/* A name in Linux's abstract namespace is a NUL, followed by any bytes: see
 * unix(7). */
static int parse_name(struct address *address, const char *text)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&address->storage;
    size_t len;
    if (!asynchat__unescape(un->sun_path + 1, PATH_MOST - 1, text, &len))
        return ASYNCHAT_EADDRESS;
    if (len > PATH_MOST - 1)
        return -ENAMETOOLONG;
    address->len = (socklen_t)(PATH_OFFSET + 1 + len);
    return 0;
}

static int parse_unix(struct address *address, const char *text)
{
    address->storage.ss_family = AF_UNIX;
    return *text == '@' ? parse_name(address, text + 1)
                        : parse_path(address, text);
}

/* Takes digits and nothing else. strtoul alone would take "+1", " 1" and "1x"
 * too. */
static bool parse_number(const char *text, unsigned long most,
                         unsigned long *value)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *value = strtoul(text, &end, 10);
    return !errno && !*end && *value <= most;
}

static int parse_port(const char *text, uint16_t *port)
{
    unsigned long value;
    if (!parse_number(text, UINT16_MAX, &value))
        return ASYNCHAT_EADDRESS;
    *port = htons((uint16_t)value);
    return 0;
}

/* inet_pton takes four decimal numbers and no other form. */
static int parse_four(struct address *address, const char *host, uint16_t port)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&address->storage;
    in->sin_family = AF_INET;
    in->sin_port = port;
    address->len = sizeof *in;
    return inet_pton(AF_INET, host, &in->sin_addr) == 1 ? 0 : ASYNCHAT_EADDRESS;
}

/* A zone is the name or the number of an interface. The number may be that of
 * an interface that does not exist (RFC 4007, 11.2). The text is looked up as a
 * name first, as in glibc, since a name may consist of digits. */
static int parse_zone(const char *text, uint32_t *zone)
{
    unsigned long number;
    bool digits = *text != '\0' && text[strspn(text, "0123456789")] == '\0';
    if (*text == '\0')
        return ASYNCHAT_EADDRESS;
    errno = 0;
    *zone = if_nametoindex(text);
    if (*zone > 0)
        return 0;
    if (!digits)
        return errno ? -errno : -ENODEV;
    if (!parse_number(text, UINT32_MAX, &number) || number == 0)
        return ASYNCHAT_EADDRESS;
    *zone = (uint32_t)number;
    return 0;
}

/* `host` is the text between the brackets, with or without a zone:
 * "fe80::1%lo". The zone is cut off. */
static int parse_six(struct address *address, char *host, uint16_t port)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address->storage;
    char *zone = strchr(host, '%');
    if (zone)
        *zone++ = '\0';
    in6->sin6_family = AF_INET6;
    in6->sin6_port = port;
    address->len = sizeof *in6;
    if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
        return ASYNCHAT_EADDRESS;
    return zone ? parse_zone(zone, &in6->sin6_scope_id) : 0;
}

/* The last colon stands before the port: the colons of an IPv6 address are
 * inside brackets. */
static int parse_inet(struct address *address, const char *text)
{
    char host[INET6_ADDRSTRLEN + IF_NAMESIZE + sizeof "[%]"];
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
    if (len <= 2 || host[0] != '[' || host[len - 1] != ']')
        return parse_four(address, host, port);
    host[len - 1] = '\0';
    return parse_six(address, host + 1, port);
}

int asynchat__address_parse(struct address *address, const char *text)
{
    memset(address, 0, sizeof *address);
    if (strncmp(text, unix_prefix, strlen(unix_prefix)) == 0)
        return parse_unix(address, text + strlen(unix_prefix));
    return parse_inet(address, text);
}

bool asynchat__address_among(const struct address *address,
                             const struct address *others, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (others[i].len == address->len &&
            memcmp(&others[i].storage, &address->storage, address->len) == 0)
            return true;
    return false;
}

bool asynchat__address_has_path(const struct address *address)
{
    const struct sockaddr_un *un =
        (const struct sockaddr_un *)&address->storage;
    return un->sun_family == AF_UNIX && un->sun_path[0] != '\0';
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

/* Whether asynchat__address_parse() reads the name as it is, and a reader sees
 * it as it is. */
static bool is_plain_zone(const char *name)
{
    for (; *name; name++)
        if (*name <= ' ' || *name > '~' || strchr("%]\\", *name))
            return false;
    return true;
}

/* Writes the zone's name; or its number, if the interface is gone or has a name
 * that is not plain. */
static void format_zone(uint32_t zone, char text[IF_NAMESIZE])
{
    if (!if_indextoname(zone, text) || !is_plain_zone(text))
        (void)snprintf(text, IF_NAMESIZE, "%" PRIu32, zone);
}

static int format_six(const struct address *address, char *text, size_t size)
{
    const struct sockaddr_in6 *in6 =
        (const struct sockaddr_in6 *)&address->storage;
    char host[INET6_ADDRSTRLEN], zone[IF_NAMESIZE] = "";
    if (!inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host))
        return -errno;
    if (in6->sin6_scope_id > 0)
        format_zone(in6->sin6_scope_id, zone);
    return snprintf(text, size, "[%s%s%s]:%d", host, *zone ? "%" : "", zone,
                    ntohs(in6->sin6_port));
}

/* A name in the abstract namespace begins with a NUL, which is written as "@".
 * If a path begins with "@", this "@" is escaped. */
static size_t format_path(const char *path, size_t len, char *text)
{
    if (path[0] == '\0' || path[0] == '@') {
        size_t at = path[0] == '\0' ? 1 : ESCAPED_MOST(1);
        memcpy(text, path[0] == '\0' ? "@" : "\\x40", at);
        return at + asynchat__escape(text + at, path + 1, len - 1);
    }
    return asynchat__escape(text, path, len);
}

/* The address of a socket without a name ends where sun_path begins. If a path
 * fills sun_path, Linux counts the NUL behind sun_path in the length. */
static int format_unix(const struct address *address, char *text)
{
    const char *path = (const char *)&address->storage + PATH_OFFSET;
    size_t len = address->len > PATH_OFFSET ? address->len - PATH_OFFSET : 0;
    size_t at = strlen(unix_prefix);
    if (len > 0 && path[0] != '\0')
        len = strnlen(path, len);
    memcpy(text, unix_prefix, at);
    if (len > 0)
        at += format_path(path, len < PATH_MOST ? len : PATH_MOST, text + at);
    text[at] = '\0';
    return (int)at;
}

/* Writes the whole text, or nothing. */
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
        len = format_unix(address, whole);
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
