/* The loop: what the channels of one event base share, such as the buffers that
 * a wake-up works in, and the terminators.
 *
 * One channel at a time is awake in a loop. So bytes that were just received,
 * and bytes that are about to be sent, need not lie in evbuffers of each
 * channel. They go to an evbuffer only if they have to stay, and idle
 * connections keep no buffers. Memory for messages goes from one connection to
 * the next.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_LOOP_H
#define ASYNCHAT_LOOP_H

#include "framer/match.h"
#include "framer/spares.h"

#define LOOP_BUFFER 65536

/* The size of the buffer in which a layer opens bytes: 64 KiB that were
 * received, and a record of 16 KiB that had begun before. */
#define LOOP_OPENED (LOOP_BUFFER + 16384)

/* The sizes of the buffers that layers work in. Bytes are there for a moment
 * only. */
#define LOOP_STAGE 16384
#define LOOP_GATHER 83968

/* How far behind a multiple of 16 bytes, and behind a page's beginning, some
 * buffers begin. OpenSSL copies between them and memory of its own, where the
 * content of a record begins 8 bytes behind a multiple of 16. So the two never
 * lie 1 to 15 bytes apart, which is slow. Memory of malloc begins at a multiple
 * of 16, mapped memory 16 bytes behind a page's beginning: a program that
 * copies received bytes there copies them downwards. */
#define LOOP_ASIDE 24

struct batch;
struct event;
struct event_base;
struct mailbox;
struct transport;

/* A guest of the loop: the part of an object that needs the loop, and that has
 * to end before the loop does. The object has a share of the loop meanwhile.
 * The loop has a list of its guests. */
struct loop_guest {
    struct loop_guest *next, **at; /* the guest's place in the list */
    /* Makes the guest leave the loop, for good. */
    void (*end)(struct loop_guest *guest);
    /* A timer that is pending as long as the event base is there; or NULL. */
    const struct event *timer;
};

/* The buffers in which all layers of the loop's channels work, one layer at a
 * time.
 *
 * - `sealed` holds the bytes that were just received.
 * - `stage` is where short pieces of output come together before they are
 *   sealed.
 * - `gather` holds sealed bytes that are about to be sent. There are `gathered`
 *   of them, and they belong to the transport `gather_of`, or to nobody. */
struct loop_layers {
    uint8_t sealed[LOOP_BUFFER];
    uint8_t aside[LOOP_ASIDE];
    uint8_t stage[LOOP_STAGE];
    uint8_t gather[LOOP_GATHER];
    size_t gathered;
    struct transport *gather_of;
};

/* The program may free an event base before its channels, and make another
 * event base that malloc puts at the same address. The new event base has a
 * loop of its own. An event base that is freed removes all events from itself.
 * So if an event of the library should be pending and is not, its event base
 * was freed. If no event should be pending, as in a loop with nothing but
 * pairs, nobody can know, and the loop serves the next event base as well. */
struct loop {
    struct event_base *base; /* NULL: the event base is gone */
    /* The next loop of the process. */
    struct loop *next;
    /* How many shares of the loop there are. The loop is freed with the last
     * one. */
    unsigned shares;
    /* The count of forks at which the event base was this process's alone. */
    unsigned forks;
    struct mailbox *mailbox; /* made when first needed; or NULL */
    struct loop_guest *guests;
    /* One of the loop's transports over a socket; or NULL. */
    const struct transport *socket;
    /* Whether an event of that transport should be pending and is not. */
    bool (*socket_is_lost)(const struct transport *socket);
    /* The terminators that were set most recently. */
    struct needles needles;
    /* Memory for whole messages. */
    struct spares spares;
    struct loop_layers *layers; /* made when first needed; or NULL */
    /* Set by the program, and begins with struct parked; or NULL. */
    struct batch *batch;
    /* Where buffers lie in their pages decides how fast they are copied: see
     * SPARES_PAGE. Received bytes begin LOOP_ASIDE bytes behind a page's
     * beginning, and pushed bytes half a page further, since often they are the
     * received bytes with a few bytes before them. */
    _Alignas(SPARES_PAGE) uint8_t aside[LOOP_ASIDE];
    uint8_t received[LOOP_OPENED];
    uint8_t apart[SPARES_PAGE / 2];
    uint8_t pushed[LOOP_BUFFER];
};

/* Takes a share of the event base's loop, and makes the loop if there is none.
 * NULL: there is no memory for it. Any thread. */
struct loop *asynchat__loop_share(struct event_base *base);

/* Says that this thread runs the loop, for as long as it has a share of the
 * loop, and that no other thread touches the loop. So this thread takes no lock
 * for its shares. NULL: this thread runs no loop any more. */
void asynchat__loop_own(struct loop *loop);

/* The loop that this thread runs, if it is the loop of `base`; or NULL. */
struct loop *asynchat__loop_owned(const struct event_base *base);

/* Whether the event base has a loop. Any thread. */
bool asynchat__loop_exists(const struct event_base *base);

/* Puts the guest into the loop's list. */
void asynchat__loop_invite(struct loop *loop, struct loop_guest *guest);

/* Takes the guest out of the loop's list. */
void asynchat__loop_dismiss(struct loop_guest *guest);

/* To be called when the loop is about to end. Ends each guest. */
void asynchat__loop_end_guests(struct loop *loop);

/* Makes the loop's mailbox, if the loop has none. 0, ASYNCHAT_ECLOSED (the
 * event base is gone), or an error of asynchat__mailbox_new(). */
int asynchat__loop_need_mailbox(struct loop *loop);

/* Makes the loop's buffers for layers, if the loop has none. 0 or -ENOMEM. */
int asynchat__loop_need_layers(struct loop *loop);

/* Takes one more share. Any thread. */
void asynchat__loop_hold(struct loop *loop);

/* Gives a share back. With the last share the loop is freed, and posts that are
 * left in its mailbox run. Any thread. */
void asynchat__loop_release(struct loop *loop);

/* To be called when something of the loop is about to be freed. In a child, the
 * event base shares its epoll set with the parent's event base until
 * event_reinit(), and whatever is removed from the set would be lost for the
 * parent. So this function calls event_reinit(), once. */
void asynchat__loop_part(struct loop *loop);

#endif
