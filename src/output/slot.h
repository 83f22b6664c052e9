/* A slot of the queue: an entry that holds back what is behind it until it is
 * finished, and collects bytes meanwhile.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_SLOT_H
#define ASYNCHAT_SRC_SLOT_H

#include <stdatomic.h>
#include <stdbool.h>

struct outq_entry;

/* How many slots there may be, unless the program says. */
#define SLOTS_MOST 100

/* The beginning of an object that free() can free. Its shares belong to the
 * entry, to whoever fills the slot, and to what is under way to the slot.
 * `entry` is touched in the queue's thread only. */
struct slot {
    struct outq_entry *entry; /* or NULL: the slot is gone, or finished */
    atomic_uint shares;
    atomic_bool gone; /* the entry was dropped before the slot was finished */
};

/* The slots of a queue. A slot counts until it, and all before it, is finished.
 * Invariant: `open` is the first entry that is a slot and is not finished; or
 * NULL, and `count` is 0. */
struct outq_slots {
    struct outq_entry *open;
    unsigned count, limit;
};

void asynchat__slot_share(struct slot *slot);

/* Gives a share back. The object is freed with its last share. */
void asynchat__slot_release(struct slot *slot);

/* The entry goes, with its share. `gone` says whether it was dropped. */
void asynchat__slot_part(struct slot *slot, bool gone);

#endif
