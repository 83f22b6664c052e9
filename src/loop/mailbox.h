/* The mailbox of a loop: what other threads want done in that loop.
 *
 * A loop gets a mailbox when the first id of a channel in it is asked for, or
 * when a worker runs it, and keeps the mailbox until the loop goes. Other
 * threads reach the mailbox by any id that it has given. The low bits of an id
 * name a box. The rest of the id is a number that counts up in this box for
 * ever, from one mailbox that has the box to the next. So no id is ever given
 * twice, and an id tells whether the box still belongs to the mailbox that has
 * given the id.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_MAILBOX_H
#define ASYNCHAT_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ids.h"

/* The most loops that can be posted to at a time. */
#define MAILBOXES 1024

struct event;
struct event_base;
struct mailbox;

/* A post: the beginning of an object that belongs to whoever posts it, until it
 * runs. In a child after fork(2) a post is not carried out: `run` gets NULL for
 * `mailbox`, and then closes whatever the post holds open, and frees no
 * memory. */
struct post {
    struct post *next;
    void (*run)(struct post *post, struct mailbox *mailbox);
};

/* The loop's own side of a mailbox. No other thread touches it. */
struct mailbox {
    struct event_base *base; /* NULL: the event base is gone */
    struct event *event;     /* called when posts are there */
    struct event *witness;   /* shows whether the event base is still there */
    struct ids channels;     /* the ids of the loop's channels that have one */
    /* Posts of the batch under way that have not run. */
    struct post *running;
    struct post *dropped; /* posts that fork(2) has dropped, to be freed */
    uint64_t given;       /* the number in the id that was given last */
    /* Which box the mailbox has, as an index. */
    unsigned box;
    bool everyone; /* each channel has an id, from its beginning */
    bool over;     /* no channel is made any more */
    bool closed;   /* the mailbox has no box any more */
};

/* Makes a mailbox, which has the loop call `ready` when posts are there. 0,
 * -ENOMEM, -EAGAIN (all boxes are in use), or an error of eventfd(2). */
int asynchat__mailbox_new(struct event_base *base,
                          void (*ready)(int fd, short what, void *arg),
                          void *arg, struct mailbox **out);

/* To be called by `ready`: runs the posts that are there. A post may have the
 * mailbox freed, unless the caller keeps it. */
void asynchat__mailbox_run(struct mailbox *mailbox);

/* Whether the mailbox's event base is still there. */
bool asynchat__mailbox_is_alive(const struct mailbox *mailbox);

/* Gives a new id, by which this mailbox is reached. */
uint64_t asynchat__mailbox_give_id(struct mailbox *mailbox);

/* Has the post run in the loop of the mailbox that has given the id. Any
 * thread. 0, ASYNCHAT_ECLOSED (that mailbox is gone), or an error of
 * write(2). */
int asynchat__mailbox_post(uint64_t id, struct post *post);

/* To be called when the event base was freed before its channels. From now on
 * posts are refused. Posts that are there run with no channel, as if their
 * channels were gone. NULL is allowed. */
void asynchat__mailbox_abandon(struct mailbox *mailbox);

/* Ends the mailbox. Posts that are there run without a loop. NULL is
 * allowed. */
void asynchat__mailbox_free(struct mailbox *mailbox);

/* To be called before fork(2), so that no other thread is in the middle of
 * anything here, and after it in the parent. */
void asynchat__mailboxes_lock(void);
void asynchat__mailboxes_unlock(void);

/* To be called after fork(2) in the child, in place of
 * asynchat__mailboxes_unlock(). Posts that were accepted before are the
 * parent's, and so are workers: the mailboxes of workers are gone. The other
 * mailboxes get descriptors of their own, and go on. */
void asynchat__mailboxes_inherit(void);

#endif
