/* Names of hosts and services, as text.
 *
 * What is no name is refused here, before anybody looks it up. getaddrinfo(3)
 * alone would take "010.0.0.1" for 8.0.0.1, "1.2" for 1.0.0.2 and "+25" for a
 * port.
 *
 * Tested by tests/test_name.c. SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include <asynchat/error.h>

#include "names/lookup.h"

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static bool name_is_number(const char *text)
{
    return *text && !text[strspn(text, DIGITS)];
}

/* --- numeric --- */

/* Writes the address in one text, which has room for it. */
static void name_join(char *text, const char *host, size_t len,
                      const char *service)
{
    bool six = memchr(host, ':', len) != NULL;
    if (six)
        *text++ = '[';
    memcpy(text, host, len);
    text += len;
    if (six)
        *text++ = ']';
    *text++ = ':';
    memcpy(text, service, strlen(service) + 1);
}

int asynchat__name_numeric(const char *host, const char *service,
                           struct address *to)
{
    char text[NAME_HOST + NAME_SERVICE + 3];
    size_t len = strlen(host);
    bool six = memchr(host, ':', len) != NULL;
    if (!name_is_number(service) || len >= NAME_HOST ||
        strlen(service) >= NAME_SERVICE || (!six && !strchr(DIGITS, *host)))
        return ASYNCHAT_EADDRESS;
    name_join(text, host, len, service);
    return asynchat__address_parse(to, text);
}

/* --- what can be a name --- */

/* Letters and digits, and bytes of UTF-8, which the hosts file may have. */
static bool name_has_only(const char *text, const char *others)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x80 && !strchr(LETTERS DIGITS, *text) &&
            !strchr(others, *text))
            return false;
    return true;
}

/* A number at the end, as in "127.1" or "0x7f.1", makes it an address that
 * somebody has written in a form of old. */
static bool name_ends_in_number(const char *host, size_t len)
{
    size_t begin = len;
    while (begin > 0 && host[begin - 1] != '.')
        begin--;
    const char *label = host + begin;
    size_t rest = len - begin;
    if (rest > 1 && label[0] == '0' && (label[1] | 0x20) == 'x')
        return strspn(label + 2, DIGITS "abcdefABCDEF") >= rest - 2;
    return strspn(label, DIGITS) >= rest;
}

/* A dot at the end means that no search domain is tried. */
static bool host_is_name(const char *host)
{
    size_t len = strlen(host);
    if (len > 0 && host[len - 1] == '.')
        len--;
    return len > 0 && *host != '.' && !strstr(host, "..") &&
           name_has_only(host, "-_.") && !name_ends_in_number(host, len);
}

static int host_check(const char *host)
{
    struct address address;
    if (host_is_name(host))
        return 0;
    return asynchat__name_numeric(host, "0", &address);
}

static bool service_is_good(const char *service)
{
    unsigned long port = 0;
    if (!name_is_number(service))
        return *service && strchr(LETTERS DIGITS, *service) &&
               name_has_only(service, "-_.+");
    for (; *service && port <= UINT16_MAX; service++)
        port = port * 10 + (unsigned long)(*service - '0');
    return port <= UINT16_MAX;
}

int asynchat__name_check(const char *host, const char *service)
{
    if (strnlen(host, NAME_HOST) == NAME_HOST ||
        strnlen(service, NAME_SERVICE) == NAME_SERVICE)
        return -ENAMETOOLONG;
    return service_is_good(service) ? host_check(host) : ASYNCHAT_EADDRESS;
}

/* --- in one text --- */

static int name_copy(char *to, size_t size, const char *from, size_t len)
{
    if (len == 0)
        return ASYNCHAT_EADDRESS;
    if (len >= size)
        return -ENAMETOOLONG;
    memcpy(to, from, len);
    to[len] = '\0';
    return 0;
}

int asynchat__name_split(const char *text, char *host, size_t host_size,
                         char *service, size_t service_size)
{
    const char *colon = strrchr(text, ':');
    if (!colon)
        return ASYNCHAT_EADDRESS;
    size_t len = (size_t)(colon - text);
    bool bracketed = len > 1 && text[0] == '[' && text[len - 1] == ']';
    if (bracketed != (memchr(text, ':', len) != NULL))
        return ASYNCHAT_EADDRESS;
    int error = name_copy(service, service_size, colon + 1, strlen(colon + 1));
    if (error)
        return error;
    return bracketed ? name_copy(host, host_size, text + 1, len - 2)
                     : name_copy(host, host_size, text, len);
}
