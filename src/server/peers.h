/* How many connections there are from each address.
 *
 * An address is here as long as it has one: nothing is kept of those that were.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_PEERS_H
#define ASYNCHAT_PEERS_H

#include "base/address.h"
#include "channel/object.h"

struct peer {
    struct channel_owner owner; /* of its channels */
    uint64_t key;
    unsigned count;
};

struct peers {
    void *tree;
};

/* What addresses have in common that are counted as one. False for those that
 * are not counted. */
bool asynchat__peers_key(const struct address *address, uint64_t *key);

/* How many connections are from there. */
unsigned asynchat__peers_count(const struct peers *peers, uint64_t key);

/* One more, whose channel is to have this owner. NULL for want of memory. */
struct peer *asynchat__peers_add(struct peers *peers, uint64_t key,
                                 const struct channel_owner *owner);

/* One less. */
void asynchat__peers_remove(struct peers *peers, struct peer *peer);

void asynchat__peers_free(struct peers *peers);

#endif
