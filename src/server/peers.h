/* How many connections there are from each address.
 *
 * An address is kept as long as it has a connection, and no longer.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_PEERS_H
#define ASYNCHAT_PEERS_H

#include "base/address.h"
#include "channel/object.h"

/* One address. Invariants: `count` is not 0; no two peers of a tree have the
 * same key. */
struct peer {
    /* The owner of the address's channels; the first field: see accept.c. */
    struct channel_owner owner;
    /* What stands for the address: see asynchat__peers_key(). */
    uint64_t key;
    /* How many connections there are from the address. */
    unsigned count;
};

struct peers {
    void *tree; /* of struct peer, by key; see tsearch(3) */
};

/* Gives the key of an address. Addresses that are counted as one have the same
 * key. False: the address is not counted. */
bool asynchat__peers_key(const struct address *address, uint64_t *key);

/* How many connections there are from addresses with that key. */
unsigned asynchat__peers_count(const struct peers *peers, uint64_t key);

/* Counts one connection more. Answers its peer; the owner of a new peer is a
 * copy of `owner`. NULL: there is no memory. */
struct peer *asynchat__peers_add(struct peers *peers, uint64_t key,
                                 const struct channel_owner *owner);

/* Counts one connection less. Frees the peer if that was its last
 * connection. */
void asynchat__peers_remove(struct peers *peers, struct peer *peer);

void asynchat__peers_free(struct peers *peers);

#endif
