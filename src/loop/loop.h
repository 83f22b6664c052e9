/* What the channels of one event base share: the buffers that a wake-up works
 * in, and the terminators.
 *
 * One channel at a time is awake in a loop, so what was just received and what
 * is about to be sent need not lie in evbuffers of each. They go there only
 * when they have to stay; idle connections keep no buffers. Memory for messages
 * goes from one connection to the next.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_LOOP_H
#define ASYNCHAT_LOOP_H

#include "framer/match.h"
#include "framer/spares.h"

#define LOOP_BUFFER 65536

/* Where a layer opens what was received: 64 KiB, and a record of 16 KiB that had
 * begun before. */
#define LOOP_OPENED (LOOP_BUFFER + 16384)

/* Of the layers: what one of them works with is there for a moment only. */
#define LOOP_STAGE 16384
#define LOOP_GATHER 83968

struct event;
struct event_base;
struct mailbox;
struct transport;

/* Somebody who needs the loop and is to end before the loop does: a part of who
 * that is, who has a share of the loop meanwhile. The loop has a list of guests. */
struct loop_guest {
    struct loop_guest *next, **at; /* its place in the list */
    /* Makes the guest leave the loop, for good. */
    void (*end)(struct loop_guest *guest);
    /* A timer that is pending as long as the event base is there; or NULL. */
    const struct event *timer;
};

/* What all layers of the loop's channels work in, one at a time.
 *
 * - `sealed` has what was just received.
 * - `stage` is where short pieces of output come together before they are sealed.
 * - `gather` has sealed bytes that are about to be sent: `gathered` of them, of the
 *   transport `gather_of`, or of nobody. */
struct loop_layers {
    uint8_t sealed[LOOP_BUFFER];
    uint8_t stage[LOOP_STAGE];
    uint8_t gather[LOOP_GATHER];
    size_t gathered;
    struct transport *gather_of;
};

/* The program may free an event base before its channels, and make another one
 * that malloc puts at the same address. That one has a loop of its own: an event
 * base that is freed removes all events from itself, and any event of ours that
 * should be pending tells. Where none should be, as in a loop with nothing but
 * pairs, that is not known, and the loop is the next event base's as well. */
struct loop {
    struct event_base *base; /* NULL: it is gone */
    struct loop *next;
    unsigned shares;
    unsigned forks; /* at which the event base was this process's alone */
    struct mailbox *mailbox; /* made when it is first needed */
    struct loop_guest *guests;
    const struct transport *socket; /* one of those over a socket; or NULL */
    bool (*socket_is_lost)(const struct transport *socket);
    struct needles needles;
    struct spares spares;
    struct loop_layers *layers; /* made when first needed; or NULL */
    /* What is received begins at a page, as SPARES_PAGE says why. What is pushed
     * does not: often it is what was received with a few bytes before it. */
    _Alignas(SPARES_PAGE) uint8_t received[LOOP_OPENED];
    uint8_t apart[SPARES_PAGE / 2];
    uint8_t pushed[LOOP_BUFFER];
};

/* The base's one, shared; NULL for want of memory. Any thread. */
struct loop *asynchat__loop_share(struct event_base *base);

/* This thread runs that loop, as long as it has a share of it, and no other thread
 * touches it: so no lock is taken here for its shares. NULL: no longer. */
void asynchat__loop_own(struct loop *loop);

/* The loop that this thread runs, if it is the base's; or NULL. */
struct loop *asynchat__loop_owned(const struct event_base *base);

/* The guest comes, and goes. */
void asynchat__loop_invite(struct loop *loop, struct loop_guest *guest);
void asynchat__loop_dismiss(struct loop_guest *guest);

/* The loop is about to end: so does each guest. */
void asynchat__loop_end_guests(struct loop *loop);

/* Makes the loop's mailbox, if it has none. 0, ASYNCHAT_ECLOSED (the event base is
 * gone), and the errors of asynchat__mailbox_new(). */
int asynchat__loop_need_mailbox(struct loop *loop);

/* Makes the loop's buffers for layers, if it has none. 0 or -ENOMEM. */
int asynchat__loop_need_layers(struct loop *loop);

/* One share more. Any thread. */
void asynchat__loop_hold(struct loop *loop);

/* The last to let go of it frees it, and what was posted to it then runs. Any
 * thread. */
void asynchat__loop_release(struct loop *loop);

/* Something of the loop is about to be freed. In a child the event base shares
 * its epoll set with the parent's until event_reinit(), and what is removed from
 * it would be lost for the parent; so that is called here, once. */
void asynchat__loop_part(struct loop *loop);

#endif
