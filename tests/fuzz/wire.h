/* The bytes that one side of a connection pushes, and whether the other side
 * gets exactly these.
 *
 * A wire is a row of segments, one for each push. The bytes of a segment follow
 * from its number, so no bytes are kept. After the sender has discarded, the
 * receiver may skip from anywhere before the next push to that push.
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
    bool cut[SEGMENTS + 1]; /* this segment may follow anything before it */
    bool cuts;              /* there is such a segment */
    unsigned count;
    struct place places[PLACES]; /* where the receiver can be */
    unsigned place_count;
    bool lost; /* there are too many places to know */
};

void wire_init(struct wire *wire);

/* Adds a segment. Returns its number, or SEGMENTS if there is no room. */
unsigned wire_add(struct wire *wire, size_t len, bool open);

/* Fills `bytes` with the bytes of a segment from `at` on. */
void wire_fill(uint8_t *bytes, unsigned segment, size_t at, size_t len);

/* An open segment grows by `len` bytes. */
void wire_grow(struct wire *wire, unsigned segment, size_t len);

/* The segment does not grow any more. */
void wire_end(struct wire *wire, unsigned segment);

/* The sender has dropped what was not sent yet, however much that is. */
void wire_cut(struct wire *wire);

/* The receiver got these bytes. Returns false if they were not sent like
 * this. */
bool wire_got(struct wire *wire, const void *data, size_t len);

/* Whether the receiver can have got everything. */
bool wire_is_at_end(const struct wire *wire);

#endif
