/* A slot of the queue, as others know it: who has a share, and whether its
 * entry is still there.
 *
 * Tested by tests/test_slots.c. SPDX-License-Identifier: BSD-3-Clause */
#include "output/slot.h"

#include "base/memory.h"

void asynchat__slot_share(struct slot *slot)
{
    atomic_fetch_add_explicit(&slot->shares, 1, memory_order_relaxed);
}

void asynchat__slot_release(struct slot *slot)
{
    if (atomic_fetch_sub_explicit(&slot->shares, 1, memory_order_acq_rel) == 1)
        asynchat__free(slot);
}

void asynchat__slot_part(struct slot *slot, bool gone)
{
    slot->entry = NULL;
    atomic_store(&slot->gone, gone);
    asynchat__slot_release(slot);
}
