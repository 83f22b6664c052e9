/* A set of objects that are found by a number. The number lies in the object,
 * and the set keeps a pointer to it. Pure C, and no locks.
 *
 * The set is a hash table with open addressing, at most half full: it takes 16
 * to 32 bytes for each number.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_IDS_H
#define ASYNCHAT_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A set of all zeros is empty. */
struct ids {
    uint64_t **at; /* NULL: the place is free */
    size_t room;   /* a power of two, or 0 */
    size_t count;
};

/* Makes room for one more number. False: there is no memory for it. */
bool asynchat__ids_reserve(struct ids *ids);

/* Adds a number that is not in the set. There must be room for it. */
void asynchat__ids_add(struct ids *ids, uint64_t *id);

/* Removes a number that is in the set. */
void asynchat__ids_remove(struct ids *ids, const uint64_t *id);

/* Where the number `id` lies; NULL: it is not in the set. */
uint64_t *asynchat__ids_find(const struct ids *ids, uint64_t id);

/* The next number from the place *place on, or NULL. *place has to be 0 at
 * first, and each call moves it on. The set must not change between the
 * calls. */
uint64_t *asynchat__ids_next(const struct ids *ids, size_t *place);

/* Empties the set, and frees its memory. */
void asynchat__ids_free(struct ids *ids);

#endif
