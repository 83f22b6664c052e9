/* Spares: memory for whole messages.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "framer/spares.h"

#include <string.h>

#include "base/memory.h"

void asynchat__spare_free(struct spare memory)
{
    if (memory.capacity < SPARES_PAGE)
        asynchat__free(memory.bytes);
    else
        asynchat__free_aligned(memory.bytes);
}

struct spare asynchat__spares_take(struct spares *spares)
{
    struct spare memory = {NULL, 0};
    for (size_t i = SPARES_COUNT; i-- > 0 && !memory.bytes;) {
        memory = spares->kept[i];
        spares->kept[i] = (struct spare){NULL, 0};
    }
    return memory;
}

void asynchat__spares_give(struct spares *spares, struct spare memory)
{
    size_t i = 0;
    while (i < SPARES_COUNT && spares->kept[i].bytes)
        i++;
    if (i < SPARES_COUNT && memory.capacity <= SPARES_MOST)
        spares->kept[i] = memory;
    else
        asynchat__spare_free(memory);
}

/* Does not use realloc, which would not keep the alignment. */
bool asynchat__spare_grow(struct spare *memory, size_t used, size_t capacity)
{
    if (capacity > SIZE_MAX - SPARES_PAGE)
        return false;
    size_t pages = (capacity + SPARES_PAGE - 1) / SPARES_PAGE * SPARES_PAGE;
    uint8_t *bytes = capacity < SPARES_PAGE
                         ? asynchat__malloc(capacity)
                         : asynchat__aligned_alloc(SPARES_PAGE, pages);
    if (!bytes)
        return false;
    if (used > 0)
        memcpy(bytes, memory->bytes, used);
    asynchat__spare_free(*memory);
    *memory = (struct spare){bytes, capacity};
    return true;
}

void asynchat__spares_free(struct spares *spares)
{
    for (size_t i = 0; i < SPARES_COUNT; i++)
        asynchat__spare_free(spares->kept[i]);
}
