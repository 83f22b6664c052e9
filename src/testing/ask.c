/* What a program may ask about a test.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "testing/test.h"

#include <asynchat/post.h>

struct event_base *asynchat_test_base(const struct asynchat_test *t)
{
    return t->world->base;
}

struct asynchat_channel *asynchat_test_peer(const struct asynchat_test *t)
{
    return t->far;
}

uint64_t asynchat_test_now(const struct asynchat_test *t)
{
    return t->world->now;
}

int asynchat_test_is_over(const struct asynchat_test *t)
{
    return t->world->run->over;
}

/* cppcheck-suppress constParameter; it has the type of a posted function */
static void test_told(struct asynchat_channel *ch, void *arg)
{
    if (!ch)
        ((struct asynchat_test *)arg)->near = NULL;
}

/* Looks whether the program has freed the channel, or given it another
 * handler. */
struct asynchat_channel *asynchat_test_channel(const struct asynchat_test *t)
{
    struct asynchat_test *own = (struct asynchat_test *)t;
    if (t->near && asynchat_post(t->id, test_told, own) < 0)
        own->near = NULL;
    else if (t->near)
        (void)asynchat__world_run(t->world);
    if (t->near)
        asynchat__watch_follow(own);
    return t->near;
}
