/* One question to the system's resolver. No other file calls getaddrinfo(3), so
 * a program that is linked statically, and looks no names up, has nothing of
 * it.
 *
 * The flag AI_ADDRCONFIG is not set. With AF_INET it makes glibc refuse
 * 127.0.0.1 where only lo is up. With AF_UNSPEC it would save questions for
 * families that the machine does not have; getaddrinfo(3) sorts the addresses
 * of such families to the end, and connecting to them fails at once.
 *
 * Tested by tests/test_lookup.c. SPDX-License-Identifier: BSD-3-Clause */
#include "names/ask.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>

#include <asynchat/error.h>

#include "base/memory.h"
#include "names/lookup.h"

/* --- errors --- */

/* A name that does not exist and a failure that passes are told apart as well
 * as the system does so. What is neither is taken for passing. */
static int ask_error(int code, int number)
{
    switch (code) {
    case EAI_NONAME:
    case EAI_SERVICE:
        return ASYNCHAT_ENONAME;
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        return ASYNCHAT_ENOADDRESS;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_SYSTEM:
        return number > 0 ? -number : ASYNCHAT_ETRYAGAIN;
    default:
        return ASYNCHAT_ETRYAGAIN;
    }
}

/* glibc says that there is no such name, or no address, only if that is so for
 * both families. Other libraries, such as musl, say so if it is so for one of
 * them, whatever there is for the other. */
bool asynchat__ask_again(const struct found *found)
{
#ifdef __GLIBC__
    return found->error && found->error != -ENOMEM &&
           found->error != ASYNCHAT_ENONAME &&
           found->error != ASYNCHAT_ENOADDRESS;
#else
    return found->error && found->error != -ENOMEM;
#endif
}

/* --- addresses --- */

static bool ask_usable(const struct addrinfo *info)
{
    return info->ai_addr &&
           info->ai_addrlen <= sizeof(struct sockaddr_storage) &&
           (info->ai_family == AF_INET || info->ai_family == AF_INET6);
}

static void found_add(struct found *found, const struct addrinfo *info)
{
    struct address *address = &found->addresses[found->count];
    memset(address, 0, sizeof *address);
    memcpy(&address->storage, info->ai_addr, info->ai_addrlen);
    address->len = info->ai_addrlen;
    if (!asynchat__address_among(address, found->addresses, found->count))
        found->count++;
}

static unsigned ask_count(const struct addrinfo *infos)
{
    unsigned count = 0;
    for (; infos && count < LOOKUP_ADDRESSES; infos = infos->ai_next)
        count += ask_usable(infos);
    return count;
}

/* There is room for all addresses twice, so that dividing them needs no
 * memory. */
static void ask_copy(struct found *found, const struct addrinfo *infos)
{
    unsigned most = ask_count(infos);
    if (most == 0) {
        found->error = ASYNCHAT_ENOADDRESS;
        return;
    }
    found->addresses = asynchat__calloc(most, 2 * sizeof *found->addresses);
    if (!found->addresses) {
        found->error = -ENOMEM;
        return;
    }
    for (; infos && found->count < most; infos = infos->ai_next)
        if (ask_usable(infos))
            found_add(found, infos);
}

void asynchat__found_without(struct found *found, const struct found *told)
{
    const struct address *address = found->addresses;
    for (unsigned i = 0; i < found->count; i++, address++)
        if (!asynchat__address_among(address, told->addresses, told->count))
            found->addresses[found->count + found->rest++] = *address;
}

/* The kind of socket is told, since otherwise each address comes three
 * times. */
void asynchat__ask(const char *host, const char *service, int family,
                   struct found *found)
{
    const struct addrinfo hints = {.ai_family = family,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *infos = NULL;
    *found = (struct found){.error = 0};
    errno = 0;
    int code = getaddrinfo(host, service, &hints, &infos);
    if (code) {
        found->error = ask_error(code, errno);
        found->text = gai_strerror(code);
        return;
    }
    ask_copy(found, infos);
    freeaddrinfo(infos);
}
