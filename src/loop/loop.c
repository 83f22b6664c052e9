/* The loop: what the channels of one event base share.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "loop/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include <asynchat/error.h>

#include "base/apart.h"
#include "base/fork.h"
#include "base/memory.h"
#include "loop/mailbox.h"
#include "loop/parked.h"

/* All loops. There are as many as the program has event bases, which are few.
 * The lock is for programs that have event bases in several threads of their
 * own. It is taken twice for each connection, and in workers not at all. */
static pthread_mutex_t loops_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct loop *loops;

/* In a worker's thread: the worker's loop. In other threads: NULL. */
static _Thread_local struct loop *own_loop;

static struct loop *loop_find(const struct event_base *base)
{
    struct loop *loop = loops;
    while (loop && loop->base != base)
        loop = loop->next;
    return loop;
}

static struct loop *loop_new(struct event_base *base)
{
    struct loop *loop = asynchat__aligned_alloc(SPARES_PAGE, sizeof *loop);
    if (!loop)
        return NULL;
    memset(loop, 0, offsetof(struct loop, received));
    loop->base = base;
    loop->forks = asynchat__forks();
    loop->batch = (struct batch *)asynchat__unpark(base);
    loop->next = loops;
    loops = loop;
    return loop;
}

static void loop_unlink(const struct loop *loop)
{
    struct loop **at = &loops;
    while (*at != loop)
        at = &(*at)->next;
    *at = loop->next;
}

/* Posts that are left run first. If a post makes a channel in the same event
 * base, this channel gets another loop. */
static void loop_free(struct loop *loop)
{
    asynchat__mailbox_free(loop->mailbox);
    if (loop->batch)
        asynchat__park((struct parked *)loop->batch);
    asynchat__needles_free(&loop->needles);
    asynchat__spares_free(&loop->spares);
    asynchat__free_aligned(loop->layers);
    asynchat__free_aligned(loop);
}

void asynchat__loop_own(struct loop *loop)
{
    own_loop = loop;
}

struct loop *asynchat__loop_owned(const struct event_base *base)
{
    return own_loop && own_loop->base == base ? own_loop : NULL;
}

static bool timer_is_pending(const struct event *timer)
{
    const int pending = EVLIST_TIMEOUT | EVLIST_ACTIVE | EVLIST_ACTIVE_LATER;
    return (timer->ev_evcallback.evcb_flags & pending) != 0;
}

/* A timer that is pending as long as the event base is there; or NULL. */
static const struct event *loop_timer(const struct loop *loop)
{
    const struct loop_guest *guest = loop->guests;
    while (guest && !guest->timer)
        guest = guest->next;
    return guest ? guest->timer : NULL;
}

/* Whether the loop's event base was freed, as far as that can be seen. */
static bool loop_is_orphan(const struct loop *loop)
{
    const struct event *timer = loop_timer(loop);
    return (loop->mailbox && !asynchat__mailbox_is_alive(loop->mailbox)) ||
           (timer && !timer_is_pending(timer)) ||
           (loop->socket && loop->socket_is_lost(loop->socket));
}

/* If the event base that the loop had was freed, takes the loop away from
 * `base`, which is a new event base at the same address, and answers the loop.
 * The loop stays for as long as it has channels and servers that nobody has
 * freed. */
static struct loop *loop_disown(struct event_base *base)
{
    struct loop *loop = loop_find(base);
    if (!loop || !loop_is_orphan(loop))
        return NULL;
    loop->base = NULL;
    return loop;
}

/* Holds the loop meanwhile: a post that runs here may do what no post should,
 * and free a channel of the loop. */
static void loop_abandon(struct loop *loop)
{
    asynchat__loop_hold(loop);
    asynchat__mailbox_abandon(loop->mailbox);
    asynchat__loop_release(loop);
}

/* --- fork --- */

/* The locks are taken in the order of the library, so that no lock is held by a
 * thread that the child does not have. */
static void fork_prepare(void)
{
    pthread_mutex_lock(&loops_mutex);
    asynchat__parked_lock();
    asynchat__mailboxes_lock();
}

static void fork_parent(void)
{
    asynchat__mailboxes_unlock();
    asynchat__parked_unlock();
    pthread_mutex_unlock(&loops_mutex);
}

static void fork_child(void)
{
    asynchat__mailboxes_inherit();
    asynchat__parked_unlock();
    pthread_mutex_unlock(&loops_mutex);
}

/* What setting the handlers has answered: 0 or -ENOMEM. */
static int fork_expected;

static void fork_expect(void)
{
    fork_expected =
        asynchat__fork_expect(fork_prepare, fork_parent, fork_child);
}

static APART int loops_expect_fork(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fork_expect);
    return fork_expected;
}

/* --- shares --- */

static struct loop *loop_get(struct event_base *base)
{
    struct loop *loop = loop_find(base);
    return loop ? loop : loop_new(base);
}

struct loop *asynchat__loop_share(struct event_base *base)
{
    struct loop *loop = asynchat__loop_owned(base);
    if (loop) {
        loop->shares++;
        return loop;
    }
    if (loops_expect_fork() < 0)
        return NULL;
    pthread_mutex_lock(&loops_mutex);
    struct loop *orphan = loop_disown(base);
    loop = loop_get(base);
    if (loop)
        loop->shares++;
    pthread_mutex_unlock(&loops_mutex);
    if (orphan)
        loop_abandon(orphan);
    return loop;
}

bool asynchat__loop_exists(const struct event_base *base)
{
    pthread_mutex_lock(&loops_mutex);
    bool exists = loop_find(base) != NULL;
    pthread_mutex_unlock(&loops_mutex);
    return exists;
}

void asynchat__loop_hold(struct loop *loop)
{
    if (loop != own_loop)
        pthread_mutex_lock(&loops_mutex);
    loop->shares++;
    if (loop != own_loop)
        pthread_mutex_unlock(&loops_mutex);
}

/* A loop that this thread owns has the owner's share as well, so the share that
 * is given back is not its last. */
void asynchat__loop_release(struct loop *loop)
{
    if (loop == own_loop) {
        loop->shares--;
        return;
    }
    pthread_mutex_lock(&loops_mutex);
    bool last = --loop->shares == 0;
    if (last)
        loop_unlink(loop);
    pthread_mutex_unlock(&loops_mutex);
    if (last)
        loop_free(loop);
}

void asynchat__loop_part(struct loop *loop)
{
    if (loop->forks == asynchat__forks())
        return;
    loop->forks = asynchat__forks();
    if (loop->base)
        event_reinit(loop->base);
}

/* --- guests --- */

void asynchat__loop_invite(struct loop *loop, struct loop_guest *guest)
{
    guest->at = &loop->guests;
    guest->next = loop->guests;
    loop->guests = guest;
    if (guest->next)
        guest->next->at = &guest->next;
}

void asynchat__loop_dismiss(struct loop_guest *guest)
{
    *guest->at = guest->next;
    if (guest->next)
        guest->next->at = guest->at;
}

void asynchat__loop_end_guests(struct loop *loop)
{
    while (loop->guests)
        loop->guests->end(loop->guests);
}

/* --- layers --- */

int asynchat__loop_need_layers(struct loop *loop)
{
    const size_t size =
        (sizeof *loop->layers + SPARES_PAGE - 1) / SPARES_PAGE * SPARES_PAGE;
    if (loop->layers)
        return 0;
    loop->layers = asynchat__aligned_alloc(SPARES_PAGE, size);
    if (!loop->layers)
        return -ENOMEM;
    loop->layers->gathered = 0;
    loop->layers->gather_of = NULL;
    return 0;
}

/* --- mailbox --- */

/* A post may free the last channel. So the loop is held until all posts have
 * run. */
static void loop_ready(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;
    (void)fd;
    (void)what;
    asynchat__loop_hold(loop);
    asynchat__mailbox_run(loop->mailbox);
    asynchat__loop_release(loop);
}

int asynchat__loop_need_mailbox(struct loop *loop)
{
    if (!loop->base)
        return ASYNCHAT_ECLOSED;
    if (loop->mailbox)
        return 0;
    return asynchat__mailbox_new(loop->base, loop_ready, loop, &loop->mailbox);
}
