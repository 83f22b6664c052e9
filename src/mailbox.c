/* The mailbox of a loop: what other threads want done there.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

#include <asynchat/error.h>

#include "loop.h"

/* What a poster touches: one lock for each loop, and nothing that the loop or
 * another one writes for each of its messages.
 *
 * The descriptor is readable from when the first post comes into an empty box
 * until the loop has seen that; so there is one write for a batch. It is written
 * to under the lock: when that fails nothing has changed, and it is not closed
 * meanwhile. */
struct box {
    _Alignas(64) pthread_mutex_t lock;
    const struct mailbox *mailbox; /* that has the box; or NULL */
    struct post *first, *last;     /* if there is a first */
    uint64_t
        before; /* numbers up to this one are of those that had it before */
    int fd;
};

#define FOUR(x) x, x, x, x
static struct box boxes[MAILBOXES] = {
    FOUR(FOUR(FOUR(FOUR(FOUR({.lock = PTHREAD_MUTEX_INITIALIZER})))))};
_Static_assert(MAILBOXES == 4 * 4 * 4 * 4 * 4, "boxes without a lock");

/* --- posting --- */

static int box_signal(const struct box *box)
{
    const uint64_t one = 1;
    ssize_t n;
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
    if (!box->mailbox || id / MAILBOXES <= box->before)
        error = ASYNCHAT_ECLOSED;
    else if (!box->first)
        error = box_signal(box);
    if (!error)
        box_append(box, post);
    pthread_mutex_unlock(&box->lock);
    return error;
}

/* --- running --- */

/* Those that were there when it began: what they post comes in the loop's next
 * pass, so that nobody keeps it from everything else. */
static void posts_run(struct post *post, struct mailbox *mailbox)
{
    while (post) {
        struct post *next = post->next;
        post->run(post, mailbox);
        post = next;
    }
}

/* What runs here may free the last channel: until it is over the loop stays. */
static void mailbox_ready(evutil_socket_t fd, short what, void *arg)
{
    struct mailbox *mailbox = arg;
    struct loop *loop = mailbox->loop;
    uint64_t count;
    (void)what;
    asynchat__loop_hold(loop);
    (void)!read(fd, &count, sizeof count);
    posts_run(box_take(&boxes[mailbox->box]), mailbox);
    asynchat__loop_release(loop);
}

/* --- making and ending --- */

/* The descriptor is the box's from then on. */
static bool box_claim(struct box *box, struct mailbox *mailbox, int fd)
{
    pthread_mutex_lock(&box->lock);
    bool is_free = !box->mailbox;
    if (is_free) {
        box->mailbox = mailbox;
        box->fd = fd;
        mailbox->given = box->before;
        mailbox->box = (unsigned)(box - boxes);
    }
    pthread_mutex_unlock(&box->lock);
    return is_free;
}

static int mailbox_claim(struct mailbox *mailbox)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    int error = asynchat__loop_check(mailbox->loop->base, fd);
    for (size_t i = 0; i < MAILBOXES && !error; i++)
        if (box_claim(&boxes[i], mailbox, fd))
            return 0;
    close(fd);
    return error ? error : -EAGAIN;
}

/* From then on posts are refused. Answers those that were not. */
static struct post *mailbox_leave(const struct mailbox *mailbox)
{
    struct box *box = &boxes[mailbox->box];
    pthread_mutex_lock(&box->lock);
    struct post *first = box->first;
    box->first = NULL;
    box->mailbox = NULL;
    box->before = mailbox->given;
    close(box->fd);
    pthread_mutex_unlock(&box->lock);
    return first;
}

static int mailbox_watch(struct mailbox *mailbox)
{
    mailbox->event = event_new(mailbox->loop->base, boxes[mailbox->box].fd,
                               EV_READ | EV_PERSIST, mailbox_ready, mailbox);
    if (mailbox->event && event_add(mailbox->event, NULL) == 0)
        return 0;
    if (mailbox->event)
        event_free(mailbox->event);
    mailbox_leave(mailbox);
    return -ENOMEM;
}

int asynchat__mailbox_need(struct loop *loop)
{
    if (loop->mailbox)
        return 0;
    struct mailbox *mailbox = calloc(1, sizeof *mailbox);
    if (!mailbox)
        return -ENOMEM;
    mailbox->loop = loop;
    int error = mailbox_claim(mailbox);
    if (!error)
        error = mailbox_watch(mailbox);
    if (error)
        free(mailbox);
    else
        loop->mailbox = mailbox;
    return error;
}

uint64_t asynchat__mailbox_give_id(struct mailbox *mailbox)
{
    return ++mailbox->given * MAILBOXES + mailbox->box;
}

void asynchat__mailbox_free(struct mailbox *mailbox)
{
    if (!mailbox)
        return;
    event_free(mailbox->event);
    posts_run(mailbox_leave(mailbox), mailbox);
    asynchat__ids_free(&mailbox->channels);
    free(mailbox);
}
