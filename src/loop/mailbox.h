/* The mailbox of a loop: what other threads want done there.
 *
 * A loop has one when the first id of a channel in it is asked for, or when a
 * worker runs it, and until it goes. Other threads reach it by any id that it
 * has given: the low bits of an id name the box, and the rest is a number that
 * counts up in that box for ever, from one mailbox that has it to the next. So
 * an id is never given twice, and tells whether its mailbox is still the one
 * that gave it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_MAILBOX_H
#define ASYNCHAT_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ids.h"

/* So many loops can be posted to at a time. */
#define MAILBOXES 1024

struct event;
struct event_base;
struct mailbox;

/* What is posted: the beginning of something that belongs to whoever posts it,
 * until it runs. In a child after fork(2) it does not: `mailbox` is NULL then,
 * what it holds open is closed, and no memory is freed. */
struct post {
    struct post *next;
    void (*run)(struct post *post, struct mailbox *mailbox);
};

/* The loop's own side, which no other thread touches. */
struct mailbox {
    struct event_base *base; /* NULL: it is gone */
    struct event *event;     /* posts are there */
    struct event *witness;   /* of the event base: see mailbox.c */
    struct ids channels;     /* those that have an id: their id */
    struct post *running;    /* of a batch, those that have not run */
    struct post *dropped;    /* at fork(2), to be freed */
    uint64_t given;          /* the number in the last one that was given */
    unsigned box;
    bool everyone; /* each channel has one, from its beginning */
    bool over;     /* and none is made any more */
    bool closed;   /* it has no box any more */
};

/* Makes a mailbox, which calls `ready` from the loop when posts are there. 0,
 * -ENOMEM, -EAGAIN (all boxes are in use), or the error of eventfd(2). */
int asynchat__mailbox_new(struct event_base *base,
                          void (*ready)(int fd, short what, void *arg),
                          void *arg, struct mailbox **out);

/* For `ready`: runs the posts that are there. One of them may have the mailbox
 * freed, unless the caller keeps it. */
void asynchat__mailbox_run(struct mailbox *mailbox);

/* Whether the mailbox's event base is still there. */
bool asynchat__mailbox_is_alive(const struct mailbox *mailbox);

/* An id that this mailbox is reached by. */
uint64_t asynchat__mailbox_give_id(struct mailbox *mailbox);

/* Has it run in the loop of the mailbox that gave the id. Any thread. 0,
 * ASYNCHAT_ECLOSED (that mailbox is gone), or the error of write(2). */
int asynchat__mailbox_post(uint64_t id, struct post *post);

/* The event base was freed before its channels: posts are refused, and what is
 * there is run with no channel, as if they were gone. NULL is allowed. */
void asynchat__mailbox_abandon(struct mailbox *mailbox);

/* The end: what is there is run, without a loop. NULL is allowed. */
void asynchat__mailbox_free(struct mailbox *mailbox);

/* For fork(2): no other thread is in the middle of anything here. */
void asynchat__mailboxes_lock(void);
void asynchat__mailboxes_unlock(void);

/* Instead of the second, in the child. Posts that were accepted before are the
 * parent's, and so are workers: their mailboxes are gone. The others have a
 * descriptor of their own, and go on. */
void asynchat__mailboxes_inherit(void);

#endif
