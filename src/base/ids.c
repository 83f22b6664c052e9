/* A set of objects that are found by a number: see ids.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/ids.h"

#include "base/memory.h"

#define ROOM_LEAST 16

/* The place where the search for a number begins. Consecutive numbers would
 * fill long runs of places, of which some would stay for long. Multiplying a
 * number by 2^64 over the golden ratio scatters them. */
static size_t ids_home(const struct ids *ids, uint64_t id)
{
    uint64_t scattered = id * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(scattered >> 32) & (ids->room - 1);
}

static size_t ids_after(const struct ids *ids, size_t place)
{
    return (place + 1) & (ids->room - 1);
}

bool asynchat__ids_reserve(struct ids *ids)
{
    struct ids more = {.room = ids->room > 0 ? 2 * ids->room : ROOM_LEAST};
    size_t place = 0;
    if (2 * (ids->count + 1) <= ids->room)
        return true;
    more.at = asynchat__calloc(more.room, sizeof *more.at);
    if (!more.at)
        return false;
    for (uint64_t *id; (id = asynchat__ids_next(ids, &place));)
        asynchat__ids_add(&more, id);
    asynchat__free(ids->at);
    *ids = more;
    return true;
}

void asynchat__ids_add(struct ids *ids, uint64_t *id)
{
    size_t place = ids_home(ids, *id);
    while (ids->at[place])
        place = ids_after(ids, place);
    ids->at[place] = id;
    ids->count++;
}

/* Moves numbers into a gap. A number behind the gap, up to the next free place,
 * is found only if no free place lies between its home and itself. */
static void ids_close(struct ids *ids, size_t gap)
{
    size_t place = gap;
    for (;;) {
        place = ids_after(ids, place);
        if (!ids->at[place])
            return;
        size_t home = ids_home(ids, *ids->at[place]);
        size_t mask = ids->room - 1;
        if (((place - home) & mask) < ((place - gap) & mask))
            continue;
        ids->at[gap] = ids->at[place];
        ids->at[place] = NULL;
        gap = place;
    }
}

void asynchat__ids_remove(struct ids *ids, const uint64_t *id)
{
    size_t place = ids_home(ids, *id);
    while (ids->at[place] != id)
        place = ids_after(ids, place);
    ids->at[place] = NULL;
    ids->count--;
    ids_close(ids, place);
}

uint64_t *asynchat__ids_find(const struct ids *ids, uint64_t id)
{
    if (ids->count == 0)
        return NULL;
    size_t place = ids_home(ids, id);
    while (ids->at[place] && *ids->at[place] != id)
        place = ids_after(ids, place);
    return ids->at[place];
}

uint64_t *asynchat__ids_next(const struct ids *ids, size_t *place)
{
    while (*place < ids->room && !ids->at[*place])
        ++*place;
    return *place < ids->room ? ids->at[(*place)++] : NULL;
}

void asynchat__ids_free(struct ids *ids)
{
    asynchat__free(ids->at);
    *ids = (struct ids){0};
}
