/* A layer for tests: a codec that frames, doubles each byte, speaks by itself,
 * takes its time, and fails where it is told to.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TOY_H
#define TOY_H

#include <stdbool.h>
#include <stddef.h>

#include <asynchat.h>

/* Made by toy_new(), and its own: how many toys there are is counted. What a
 * test sets holds from the next call on. */
struct toy {
    /* How it is: 0 for a plain one, which is up at once. */
    bool client;
    int steps; /* words of the handshake, by turns; the client begins */
    int talks; /* adds a word of its own to each nth piece, which is answered */
    int waits; /* answers LATER after each nth frame */
    int takes; /* takes so many frames in a call; 0: all */
    int greedy;    /* own words that it says of its own accord, once it is up */
    int fail_open; /* the nth frame is an error, */
    int fail_seal; /* or the nth piece, */
    bool fail_finish, fail_end, stands, babbles;
    int error; /* which it is then */

    /* What it did. */
    int frames, pieces, words, answers, alerts, lasts, ends;
    bool up, over; /* it is; the peer has ended in order */
    bool alerted;  /* the peer had an error */
    int calls;     /* of its functions that are running: 1 at most */

    /* Where it is in a frame. */
    int said, heard; /* of the handshake */
    bool alarm, bad;
    int owes; /* answers */
    unsigned char type;
    int header;
    unsigned have, length;
    int half; /* of a doubled byte, or -1 */
};

extern const struct asynchat_layer_ops toy_ops;
extern _Atomic int toys; /* made and not released; those of workers as well */

struct toy *toy_new(bool client);

#endif
