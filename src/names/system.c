/* Look-ups by the system's resolver: how what a thread has found comes to the
 * loop.
 *
 * A thread posts no answer, but a notice that there is something new; the loop
 * looks then. So a notice that gets lost costs time and nothing else: the timer
 * of the look-up looks as well.
 *
 * Tested by tests/test_lookup.c. SPDX-License-Identifier: BSD-3-Clause */
#include "names/system.h"

#include <errno.h>

#include "base/memory.h"
#include "loop/loop.h"
#include "loop/mailbox.h"
#include "names/asker.h"
#include "names/pool.h"
#include "names/query.h"

struct notice;

/* Invariant: `notice` is the look-up's own while it is not posted, and the
 * mailbox's while it is; it is NULL if a fork has taken it away. The lock of
 * names/pool.h guards `asker`, `notice` and `posted`. */
struct system_lookup {
    struct lookup lookup;
    struct query_asker asker;
    uint64_t id; /* of the loop's mailbox */
    struct notice *notice;
    bool posted;
};

struct notice {
    struct post post;
    struct system_lookup *lookup; /* NULL: it has gone */
};

static struct system_lookup *system_of_asker(struct query_asker *asker)
{
    return (struct system_lookup *)((char *)asker -
                                    offsetof(struct system_lookup, asker));
}

/* --- notices --- */

/* In a child after fork(2) this thread has the lock. */
static void notice_drop(struct notice *notice)
{
    if (notice->lookup)
        notice->lookup->notice = NULL;
}

static void notice_run(struct post *post, struct mailbox *mailbox)
{
    struct notice *notice = (struct notice *)post;
    if (!mailbox) {
        notice_drop(notice);
        return;
    }
    asynchat__pool_lock();
    struct system_lookup *system = notice->lookup;
    if (system)
        system->posted = false;
    asynchat__pool_unlock();
    if (!system)
        asynchat__free(notice);
    else if (mailbox->base)
        asynchat__asker_look(&system->lookup);
}

/* If it cannot be posted, the loop is gone, or its timer looks. */
static void system_notify(struct query_asker *asker)
{
    struct system_lookup *system = system_of_asker(asker);
    if (!system->notice || system->posted)
        return;
    system->posted =
        asynchat__mailbox_post(system->id, &system->notice->post) == 0;
}

/* --- the source --- */

static bool system_news(struct lookup *lookup, struct lookup_answer *answer,
                        uint32_t *wait)
{
    struct system_lookup *system = (struct system_lookup *)lookup;
    asynchat__pool_lock();
    bool news = asynchat__query_news(&system->asker, answer, wait);
    asynchat__pool_unlock();
    return news;
}

static void notice_leave(struct system_lookup *system)
{
    if (system->posted && system->notice)
        system->notice->lookup = NULL;
    else
        asynchat__free(system->notice);
}

static void system_leave(struct lookup *lookup)
{
    struct system_lookup *system = (struct system_lookup *)lookup;
    asynchat__pool_lock();
    asynchat__query_leave(&system->asker);
    notice_leave(system);
    asynchat__pool_unlock();
}

static const struct lookup_source system_source = {system_news, system_leave};

/* --- the beginning --- */

static struct system_lookup *system_make(const struct lookup_wish *wish)
{
    struct system_lookup *system = asynchat__calloc(1, sizeof *system);
    struct notice *notice = asynchat__malloc(sizeof *notice);
    if (!system || !notice) {
        asynchat__free(system);
        asynchat__free(notice);
        return NULL;
    }
    *notice = (struct notice){{NULL, notice_run}, system};
    system->notice = notice;
    system->id = asynchat__mailbox_give_id(wish->loop->mailbox);
    system->asker.notify = system_notify;
    asynchat__asker_begin(&system->lookup, &system_source, wish);
    return system;
}

/* The timer is set first, since it needs memory, and does not need to be taken
 * back. It fires in the next pass of the loop, and is set anew from then on. */
static int system_start(struct system_lookup *system,
                        const struct lookup_wish *wish)
{
    int error = asynchat__timer_set(&system->lookup.timer, 0);
    if (error)
        return error;
    asynchat__pool_lock();
    error = asynchat__query_join(&system->asker, wish->host, wish->service);
    asynchat__pool_unlock();
    return error;
}

int asynchat__system_begin(const struct lookup_wish *wish, struct lookup **out)
{
    int error = asynchat__loop_need_mailbox(wish->loop);
    if (error)
        return error;
    struct system_lookup *system = system_make(wish);
    if (!system)
        return -ENOMEM;
    error = system_start(system, wish);
    if (error) {
        asynchat__free(system->notice);
        asynchat__asker_free(&system->lookup);
        return error;
    }
    *out = &system->lookup;
    return 0;
}
