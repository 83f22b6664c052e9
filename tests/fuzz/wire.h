/* What one side of a connection pushes, and whether the other gets just that.
 *
 * A wire is a row of segments, one for each push. What bytes they are made of
 * follows from their numbers, so none are kept. After the sender has discarded,
 * the receiver may go on with what is pushed next from anywhere before it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FUZZ_WIRE_H
#define FUZZ_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENTS 256
#define PLACES 16

struct segment {
    size_t len;
    bool open; /* grows as its producer is asked */
};

struct place {
    unsigned segment;
    size_t at;
};

struct wire {
    struct segment segments[SEGMENTS];
    bool cut[SEGMENTS + 1]; /* may follow anything before it */
    bool cuts;              /* there is one that may */
    unsigned count;
    struct place places[PLACES]; /* where the receiver can be */
    unsigned place_count;
    bool lost; /* nobody knows any more */
};

void wire_init(struct wire *wire);

/* A new last segment; its number, or SEGMENTS if there is no room. */
unsigned wire_add(struct wire *wire, size_t len, bool open);

/* Fills `bytes` with those of a segment from `at` on. */
void wire_fill(uint8_t *bytes, unsigned segment, size_t at, size_t len);

/* So many more bytes of a segment that is open. */
void wire_grow(struct wire *wire, unsigned segment, size_t len);

/* No more of it. */
void wire_end(struct wire *wire, unsigned segment);

/* The sender has dropped what was not sent yet, however much that is. */
void wire_cut(struct wire *wire);

/* The receiver got that. False: it was never sent so. */
bool wire_got(struct wire *wire, const void *data, size_t len);

/* The receiver can have got all. */
bool wire_is_at_end(const struct wire *wire);

#endif
