/* The messages of the framings that are compared with the string terminator:
 * for the load, and for what is counted in counts/.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FRAMED_H
#define FRAMED_H

#include <stddef.h>

enum framed {
    FRAMED_STRING, /* "\r\n" */
    FRAMED_BLOCK,  /* messages of a length that both sides know */
    FRAMED_PREFIX, /* the length in four bytes, the first one counts most */
    FRAMED_KEPT,   /* the same, and they are delivered with the message */
    FRAMED_VARINT,
    FRAMED_NETSTRING,
    FRAMED_LINES,  /* "\r\n" again, but "\n" would do */
    FRAMED_STRICT, /* "\r\n", and nothing else would do */
    FRAMED_ALTERNATIVES,
    FRAMED_KINDS
};

/* The name of each of them on command lines. */
extern const char *const framed_names[FRAMED_KINDS];

/* Each message of FRAMED_ALTERNATIVES ends with one of these. */
#define FRAMED_ENDS 4
extern const char framed_ends[FRAMED_ENDS][3];

/* Gives the kind with this name, or FRAMED_KINDS. */
enum framed framed_find(const char *name);

/* Write a number as a varint, or in decimal digits, up to FRAMED_HEAD_MOST - 1
 * bytes. Return how many bytes they have written. */
#define FRAMED_HEAD_MOST 24
size_t framed_varint(char *to, size_t number);
size_t framed_digits(char *to, size_t number);

/* Writes message `number`, of `size` bytes with all that belongs to it: 16 to
 * 99, but from 2 on with FRAMED_STRING. */
void framed_put(enum framed kind, char *to, size_t size, size_t number);

#endif
