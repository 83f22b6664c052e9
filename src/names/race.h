/* The race between the addresses of a name, as in RFC 8305: which address is
 * tried when, and which one wins. Time is an argument, and nothing here does
 * any I/O.
 *
 * The addresses keep their order, but each attempt goes to another family than
 * the one before it, if there is one (RFC 8305, 4). The next attempt begins
 * `delay` milliseconds after the one before, or at once when one has failed.
 * An attempt goes on until the race is over: a slow address can still win.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_RACE_H
#define ASYNCHAT_RACE_H

#include <stdbool.h>
#include <stdint.h>

enum race_state {
    RACE_WAITS,      /* no attempt was made */
    RACE_CONNECTING, /* an attempt is under way */
    RACE_PUT_OFF,    /* an attempt is to be made again */
    RACE_PARKED,     /* the connection is up, and waits to be taken */
    RACE_TAKEN,      /* the connection was given to the channel */
    RACE_LOST        /* the attempt has failed */
};

struct race_runner {
    enum race_state state : 8;
    uint8_t family; /* any number; addresses of one family have the same */
    uint16_t pause; /* the last pause before another attempt */
    int error;      /* why it has LOST */
    uint32_t at;    /* when the next attempt is due, if PUT_OFF */
};

/* What is to be done next. */
enum race_step {
    RACE_WAIT,    /* nothing, for `wait` milliseconds at most */
    RACE_CONNECT, /* an attempt is to be made */
    RACE_TAKE,    /* the connection is to be given to the channel */
    RACE_FAILED   /* nothing more can be done: see asynchat__race_error() */
};

/* Memory that is all zero is a race without addresses, to which none are added
 * any more. */
struct race {
    struct race_runner *runners;
    unsigned count, room;
    uint32_t delay; /* milliseconds between attempts */
    uint32_t next;  /* when the next attempt begins, if one has begun before */
    int family;     /* of the last attempt */
    bool begun;     /* an attempt was made */
    bool hurries;   /* one has failed since the last attempt began */
    bool more;      /* addresses may still be added */
};

/* Adds an address, as the last one. 0 or -ENOMEM. */
int asynchat__race_add(struct race *race, uint8_t family);

/* Says what to do next, with the address of index *which, and changes the
 * address's state accordingly. With RACE_WAIT, *wait is how long there is
 * nothing to do, unless something is told; UINT32_MAX: for ever. */
enum race_step asynchat__race_next(struct race *race, uint32_t now,
                                   unsigned *which, uint32_t *wait);

/* Tells that a connection is up (0), or that an attempt or a connection that
 * was taken has failed with this error. */
void asynchat__race_told(struct race *race, unsigned which, int error);

/* Whether no other address can win any more. */
bool asynchat__race_is_last(const struct race *race, unsigned which);

/* Tells that an attempt could not begin, and may be made again a little later:
 * 10 ms at first, then twice as long each time, up to 250 ms. */
void asynchat__race_put_off(struct race *race, unsigned which, uint32_t now);

/* The error of the whole race: that of the first address of a family that the
 * system has, if there is one. 0 if there was no address. */
int asynchat__race_error(const struct race *race);

void asynchat__race_end(struct race *race);

#endif
