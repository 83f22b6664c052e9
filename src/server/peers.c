/* How many connections there are from each address. The addresses are in the C
 * library's tree, which is balanced: so nobody can make it deep by connecting.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/peers.h"

#include <netinet/in.h>
#include <search.h>

#include "base/memory.h"

/* --- keys --- */

static uint64_t key_of_bytes(const uint8_t *bytes, size_t len)
{
    uint64_t key = 0;
    for (size_t i = 0; i < len; i++)
        key = key << 8 | bytes[i];
    return key;
}

/* The key of an IPv4 address has ffff in front of its 32 bits. No IPv6 network
 * has such a number as its first 64 bits. */
static uint64_t key_of_four(const void *address)
{
    return UINT64_C(0xffff) << 32 | key_of_bytes(address, 4);
}

/* The key of an IPv6 address is its first 64 bits. They name a network, which
 * often is one customer's. Link-local addresses all have the same first 64
 * bits, so their key is the host's part, behind bits that no network has. */
static uint64_t key_of_six(const struct in6_addr *address)
{
    const uint8_t *bytes = address->s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(address))
        return key_of_four(bytes + 12);
    if (IN6_IS_ADDR_LINKLOCAL(address))
        return UINT64_C(0xfe80) << 48 | key_of_bytes(bytes + 10, 6);
    return key_of_bytes(bytes, 8);
}

bool asynchat__peers_key(const struct address *address, uint64_t *key)
{
    const void *storage = &address->storage;
    if (address->storage.ss_family == AF_INET)
        *key = key_of_four(&((const struct sockaddr_in *)storage)->sin_addr);
    else if (address->storage.ss_family == AF_INET6)
        *key = key_of_six(&((const struct sockaddr_in6 *)storage)->sin6_addr);
    else
        return false;
    return true;
}

/* --- counting --- */

static int compare(const void *a, const void *b)
{
    uint64_t one = ((const struct peer *)a)->key;
    uint64_t other = ((const struct peer *)b)->key;
    return (one > other) - (one < other);
}

/* tfind(3) answers a node, which begins with the pointer that was put there. */
static struct peer *peers_find(const struct peers *peers, uint64_t key)
{
    const struct peer wanted = {.key = key};
    struct peer **found = tfind(&wanted, &peers->tree, compare);
    return found ? *found : NULL;
}

unsigned asynchat__peers_count(const struct peers *peers, uint64_t key)
{
    const struct peer *peer = peers_find(peers, key);
    return peer ? peer->count : 0;
}

static struct peer *peers_insert(struct peers *peers, uint64_t key,
                                 const struct channel_owner *owner)
{
    struct peer *peer = asynchat__malloc(sizeof *peer);
    if (!peer)
        return NULL;
    *peer = (struct peer){.owner = *owner, .key = key};
    if (tsearch(peer, &peers->tree, compare))
        return peer;
    asynchat__free(peer);
    return NULL;
}

struct peer *asynchat__peers_add(struct peers *peers, uint64_t key,
                                 const struct channel_owner *owner)
{
    struct peer *peer = peers_find(peers, key);
    if (!peer)
        peer = peers_insert(peers, key, owner);
    if (peer)
        peer->count++;
    return peer;
}

void asynchat__peers_remove(struct peers *peers, struct peer *peer)
{
    if (--peer->count > 0)
        return;
    tdelete(peer, &peers->tree, compare);
    asynchat__free(peer);
}

void asynchat__peers_free(struct peers *peers)
{
    while (peers->tree) {
        struct peer *first = *(struct peer **)peers->tree;
        tdelete(first, &peers->tree, compare);
        asynchat__free(first);
    }
}
