/* A test is made, gets its channel, and is freed.
 *
 * Tested by tests/test_testing*.c. SPDX-License-Identifier: BSD-3-Clause */
#include "testing/test.h"

#include <stdlib.h>

#include <asynchat/error.h>
#include <asynchat/pair.h>
#include <asynchat/post.h>

#include "testing/alloc.h"

struct asynchat_test *asynchat__test_make(struct run *run)
{
    return asynchat__test_new(asynchat__world_new(run));
}

/* A test before this one may have been left by longjmp. */
struct asynchat_test *asynchat_test_new(void)
{
    asynchat__alloc_fail(0);
    return asynchat__test_make(NULL);
}

struct asynchat_test *asynchat_test_beside(struct asynchat_test *t)
{
    return asynchat__test_new(t->world);
}

/* The id shows whether the channel is still there, if the program frees it. */
static void test_connect(struct asynchat_test *t,
                         const struct asynchat_handler *watched)
{
    const struct asynchat_handler *handlers[2] = {watched, &asynchat__peer};
    void *args[2] = {t->arg, t};
    struct asynchat_channel *pair[2];
    int error = asynchat_pair_new(t->world->base, handlers, args, pair);
    if (error) {
        asynchat__fail_why(t->world->run, asynchat_strerror(error));
        return;
    }
    t->near = pair[0];
    t->far = pair[1];
    t->id = asynchat_get_id(t->near);
}

struct asynchat_channel *asynchat_test_open(
    struct asynchat_test *t, const struct asynchat_handler *handler, void *arg)
{
    if (t->world->run->over)
        return NULL;
    if (t->watches) {
        asynchat__fail_why(t->world->run, "a test has only one channel");
        return NULL;
    }
    t->arg = arg;
    test_connect(t, asynchat__watch(t, handler));
    if (t->world->run->take > 0)
        asynchat_test_take(t, t->world->run->take);
    asynchat__settle(t);
    return asynchat_test_channel(t);
}

/* Notes what has happened, for whoever compares runs. */
static void test_note(struct asynchat_test *t)
{
    struct run *run = t->world->run;
    struct text *record = &run->record;
    asynchat__text_say(record, "%sevents: ", record->len > 0 ? "; " : "");
    asynchat__text_add(record, asynchat__text(&t->events), t->events.len);
    asynchat__text_say(record, "; heard: ");
    asynchat__text_escape(record, asynchat__text(&t->heard), t->heard.len);
    if (t->number < RUN_HEARD)
        asynchat__text_add(&run->heard[t->number], asynchat__text(&t->heard),
                           t->heard.len);
    if (t->heard.len > run->most_heard)
        run->most_heard = t->heard.len;
}

/* The peer goes. In a run with a fault, the channel has to go then. */
static void test_part(struct asynchat_test *t)
{
    asynchat_channel_free(t->far);
    t->far = NULL;
    asynchat__settle(t);
    if (t->world->run->fault && asynchat_test_channel(t))
        asynchat__advance(t, TESTING_DAY);
    if (t->world->run->fault && asynchat_test_channel(t))
        asynchat__fail_why(t->world->run,
                           "the channel is still there a day after its peer");
    asynchat_channel_free(asynchat_test_channel(t));
    t->near = NULL;
}

void asynchat_test_free(struct asynchat_test *t)
{
    if (!t)
        return;
    struct world *w = t->world;
    test_note(t);
    test_part(t);
    asynchat__test_unlink(t);
    asynchat__watches_free(t);
    asynchat__text_free(&t->heard);
    asynchat__text_free(&t->events);
    free(t);
    if (w->tests == 0)
        asynchat__world_free(w);
}

void asynchat__tests_end(struct run *run)
{
    struct asynchat_test *t;
    while ((t = asynchat__test_in(run)))
        asynchat_test_free(t);
}
