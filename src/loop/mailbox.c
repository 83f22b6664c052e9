/* The mailbox of a loop: what other threads want done in that loop.
 *
 * Tested by tests/test_post.c and tests/test_fork.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "loop/mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include <asynchat/error.h>

#include "base/memory.h"
#include "loop/base.h"

/* A box: everything that a thread touches when it posts. That is one lock for
 * each loop, and nothing that the loop or another thread writes for each of its
 * messages.
 *
 * The descriptor is readable from when the first post comes into an empty box
 * until the loop has seen that, so there is one write for a batch of posts. The
 * write is made under the lock. So if the write fails nothing has changed, and
 * the descriptor is not closed meanwhile. */
struct box {
    _Alignas(64) pthread_mutex_t lock;
    /* The mailbox that has the box; or NULL. */
    struct mailbox *mailbox;
    /* Shows whether the event base of that mailbox is still there. */
    const struct event *witness;
    /* The posts, in order. `last` means something only if there is a first. */
    struct post *first, *last;
    /* Numbers up to this one belong to mailboxes that had the box before. */
    uint64_t before;
    /* The eventfd that wakes the loop; or -1: it was lost. */
    int fd;
    /* Why the box has no descriptor of this process's own; or 0. */
    int broken;
};

#define FOUR(x) x, x, x, x
static struct box boxes[MAILBOXES] = {
    FOUR(FOUR(FOUR(FOUR(FOUR({.lock = PTHREAD_MUTEX_INITIALIZER})))))};
_Static_assert(MAILBOXES == 4 * 4 * 4 * 4 * 4, "boxes without a lock");

/* Guards which mailbox has which box. That changes under this lock and the
 * box's own lock, which are taken in this order. */
static pthread_mutex_t claims = PTHREAD_MUTEX_INITIALIZER;
/* How many boxes have ever been used. They are the first ones. */
static size_t claimed;

/* Whether the event base is still there. An event base that is freed removes
 * all events from itself. The witness is an event that nothing else changes, so
 * any thread may look at it. It waits for the far end of the descriptor to
 * close, and an eventfd has no far end. */
static bool witness_sees(const struct event *witness)
{
    return witness &&
           (witness->ev_evcallback.evcb_flags & EVLIST_INSERTED) != 0;
}

static void witness_called(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

bool asynchat__mailbox_is_alive(const struct mailbox *mailbox)
{
    return witness_sees(mailbox->witness);
}

/* --- posting --- */

static int box_signal(const struct box *box)
{
    const uint64_t one = 1;
    ssize_t n;
    if (box->broken)
        return box->broken;
    do
        n = write(box->fd, &one, sizeof one);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

static void box_append(struct box *box, struct post *post)
{
    post->next = NULL;
    if (box->first)
        box->last->next = post;
    else
        box->first = post;
    box->last = post;
}

static struct post *box_take(struct box *box)
{
    pthread_mutex_lock(&box->lock);
    struct post *first = box->first;
    box->first = NULL;
    pthread_mutex_unlock(&box->lock);
    return first;
}

int asynchat__mailbox_post(uint64_t id, struct post *post)
{
    struct box *box = &boxes[id % MAILBOXES];
    int error = 0;
    pthread_mutex_lock(&box->lock);
    if (!box->mailbox || id / MAILBOXES <= box->before ||
        !witness_sees(box->witness))
        error = ASYNCHAT_ECLOSED;
    else if (!box->first)
        error = box_signal(box);
    if (!error)
        box_append(box, post);
    pthread_mutex_unlock(&box->lock);
    return error;
}

/* --- running --- */

/* Runs the posts that were there when the run began. Posts that are made
 * meanwhile run in the loop's next pass, so that they cannot keep the loop from
 * everything else. A post may fork: in the child no other posts are left. */
static void posts_run(struct mailbox *mailbox)
{
    struct post *post;
    while ((post = mailbox->running)) {
        mailbox->running = post->next;
        post->run(post, mailbox);
    }
}

static void posts_free(struct mailbox *mailbox)
{
    struct post *post;
    while ((post = mailbox->dropped)) {
        mailbox->dropped = post->next;
        asynchat__free(post);
    }
}

/* A broken box has the descriptor of the parent process, which stays readable
 * until the parent reads it. So the loop listens to it no longer. */
void asynchat__mailbox_run(struct mailbox *mailbox)
{
    struct box *box = &boxes[mailbox->box];
    uint64_t count;
    if (box->broken)
        event_del(mailbox->event);
    else
        (void)!read(box->fd, &count, sizeof count);
    posts_free(mailbox);
    mailbox->running = box_take(box);
    posts_run(mailbox);
}

/* --- making and ending --- */

static struct box *box_free(void)
{
    size_t i = 0;
    while (i < MAILBOXES && boxes[i].mailbox)
        i++;
    if (i == claimed && i < MAILBOXES)
        claimed++;
    return i < MAILBOXES ? &boxes[i] : NULL;
}

/* From now on the descriptor belongs to the box. */
static void box_claim(struct box *box, struct mailbox *mailbox, int fd)
{
    pthread_mutex_lock(&box->lock);
    box->mailbox = mailbox;
    box->fd = fd;
    box->broken = 0;
    mailbox->given = box->before;
    mailbox->box = (unsigned)(box - boxes);
    pthread_mutex_unlock(&box->lock);
}

static int mailbox_claim(struct mailbox *mailbox)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    int error = asynchat__base_check(mailbox->base, fd);
    if (error) {
        close(fd);
        return error;
    }
    pthread_mutex_lock(&claims);
    struct box *box = box_free();
    if (box)
        box_claim(box, mailbox, fd);
    pthread_mutex_unlock(&claims);
    if (box)
        return 0;
    close(fd);
    return -EAGAIN;
}

/* From now on posts are refused. Leaves the posts that were accepted in
 * mailbox->running, and answers the descriptor. */
static int box_leave(struct box *box, struct mailbox *mailbox)
{
    pthread_mutex_lock(&box->lock);
    int fd = box->fd;
    mailbox->running = box->first;
    box->first = NULL;
    box->mailbox = NULL;
    box->witness = NULL;
    box->before = mailbox->given;
    pthread_mutex_unlock(&box->lock);
    return fd;
}

static void mailbox_leave(struct mailbox *mailbox)
{
    pthread_mutex_lock(&claims);
    int fd = box_leave(&boxes[mailbox->box], mailbox);
    pthread_mutex_unlock(&claims);
    if (mailbox->event)
        event_free(mailbox->event);
    if (mailbox->witness)
        event_free(mailbox->witness);
    if (fd >= 0)
        close(fd);
    mailbox->closed = true;
}

static struct event *event_begin(const struct mailbox *mailbox, short what,
                                 event_callback_fn function, void *arg)
{
    struct event *event = event_new(mailbox->base, boxes[mailbox->box].fd,
                                    (short)(what | EV_PERSIST), function, arg);
    if (!event || event_add(event, NULL) == 0)
        return event;
    event_free(event);
    return NULL;
}

static void box_watch(struct box *box, const struct event *witness)
{
    pthread_mutex_lock(&box->lock);
    box->witness = witness;
    pthread_mutex_unlock(&box->lock);
}

static int mailbox_watch(struct mailbox *mailbox, event_callback_fn ready,
                         void *arg)
{
    mailbox->event = event_begin(mailbox, EV_READ, ready, arg);
    mailbox->witness = event_begin(mailbox, EV_CLOSED, witness_called, NULL);
    if (mailbox->event && mailbox->witness) {
        box_watch(&boxes[mailbox->box], mailbox->witness);
        return 0;
    }
    mailbox_leave(mailbox);
    return -ENOMEM;
}

int asynchat__mailbox_new(struct event_base *base, event_callback_fn ready,
                          void *arg, struct mailbox **out)
{
    struct mailbox *mailbox = asynchat__calloc(1, sizeof *mailbox);
    if (!mailbox)
        return -ENOMEM;
    mailbox->base = base;
    int error = mailbox_claim(mailbox);
    if (!error)
        error = mailbox_watch(mailbox, ready, arg);
    if (error)
        asynchat__free(mailbox);
    else
        *out = mailbox;
    return error;
}

uint64_t asynchat__mailbox_give_id(struct mailbox *mailbox)
{
    return ++mailbox->given * MAILBOXES + mailbox->box;
}

static void mailbox_close(struct mailbox *mailbox)
{
    if (mailbox->closed)
        return;
    mailbox_leave(mailbox);
    posts_run(mailbox);
    posts_free(mailbox);
}

void asynchat__mailbox_abandon(struct mailbox *mailbox)
{
    if (!mailbox)
        return;
    mailbox->base = NULL;
    asynchat__ids_free(&mailbox->channels);
    mailbox_close(mailbox);
}

void asynchat__mailbox_free(struct mailbox *mailbox)
{
    if (!mailbox)
        return;
    mailbox_close(mailbox);
    asynchat__ids_free(&mailbox->channels);
    asynchat__free(mailbox);
}

/* --- fork --- */

void asynchat__mailboxes_lock(void)
{
    pthread_mutex_lock(&claims);
    for (size_t i = 0; i < claimed; i++)
        if (boxes[i].mailbox)
            pthread_mutex_lock(&boxes[i].lock);
}

void asynchat__mailboxes_unlock(void)
{
    for (size_t i = 0; i < claimed; i++)
        if (boxes[i].mailbox)
            pthread_mutex_unlock(&boxes[i].lock);
    pthread_mutex_unlock(&claims);
}

/* Puts a new descriptor under the number that the event base has. If no number
 * is free, the old descriptor is closed first, to make its number free. If
 * there is no new one even so, that number may become somebody else's. */
static int box_renew(struct box *box)
{
    const int flags = EFD_CLOEXEC | EFD_NONBLOCK;
    int fd = eventfd(0, flags);
    if (fd < 0 && errno == EMFILE) {
        close(box->fd);
        fd = eventfd(0, flags);
        box->fd = fd < 0 ? -1 : box->fd;
    }
    if (fd < 0)
        return -errno;
    if (fd == box->fd)
        return 0;
    int error = dup3(fd, box->fd, O_CLOEXEC) < 0 ? -errno : 0;
    close(fd);
    return error;
}

/* Frees nothing yet: exec may follow fork(2), and another thread may have been
 * in malloc when the process forked. */
static void posts_drop(struct mailbox *mailbox, struct post *post)
{
    while (post) {
        struct post *next = post->next;
        post->run(post, NULL);
        post->next = mailbox->dropped;
        mailbox->dropped = post;
        post = next;
    }
}

/* Nobody knows what the worker's thread was doing. So nothing of the worker is
 * touched but what is here, and its memory is never freed. */
static void box_inherit_worker(struct box *box)
{
    box->mailbox->over = true;
    box->before = box->mailbox->given;
    box->mailbox = NULL;
    close(box->fd);
}

/* A box that is broken stays so: its descriptor may be another's by now. */
static void box_inherit(struct box *box)
{
    struct mailbox *mailbox = box->mailbox;
    posts_drop(mailbox, mailbox->running);
    posts_drop(mailbox, box->first);
    mailbox->running = NULL;
    box->first = NULL;
    if (mailbox->everyone)
        box_inherit_worker(box);
    else if (!box->broken)
        box->broken = box_renew(box);
}

/* If no mailbox has a box, the box may still be locked by a thread that posts
 * to a mailbox that is gone. So its lock is made anew. */
void asynchat__mailboxes_inherit(void)
{
    for (size_t i = 0; i < claimed; i++) {
        struct box *box = &boxes[i];
        if (!box->mailbox) {
            pthread_mutex_init(&box->lock, NULL);
            continue;
        }
        box_inherit(box);
        pthread_mutex_unlock(&box->lock);
    }
    pthread_mutex_unlock(&claims);
}
