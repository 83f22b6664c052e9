/* A set of things that are known by a number: each has its id, and the set finds
 * the place of that. Pure C, and no locks.
 *
 * Open addressing, at most half full: 16 to 32 bytes for each that is in it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_IDS_H
#define ASYNCHAT_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zeros is an empty one. */
struct ids {
    uint64_t **at; /* NULL where there is none */
    size_t room;   /* a power of two, or 0 */
    size_t count;
};

/* Makes room for one more. False: there is no memory for it. */
bool asynchat__ids_reserve(struct ids *ids);

/* Puts it in; there is room, and it is not in. */
void asynchat__ids_add(struct ids *ids, uint64_t *id);

/* Takes it out again. */
void asynchat__ids_remove(struct ids *ids, const uint64_t *id);

/* NULL: it is not in. */
uint64_t *asynchat__ids_find(const struct ids *ids, uint64_t id);

/* The next one from *place on, which begins with 0 and moves behind it; or NULL.
 * The set must not change in between. */
uint64_t *asynchat__ids_next(const struct ids *ids, size_t *place);

/* Empties it. */
void asynchat__ids_free(struct ids *ids);

#endif
