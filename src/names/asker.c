/* Who asks: answers are told from the loop only, by a timer or a post.
 *
 * Tested by tests/test_lookup.c and tests/test_resolver.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "names/asker.h"

#include "base/memory.h"
#include "loop/loop.h"

static void asker_fired(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    asynchat__asker_look(arg);
}

void asynchat__asker_begin(struct lookup *lookup,
                           const struct lookup_source *source,
                           const struct lookup_wish *wish)
{
    lookup->source = source;
    lookup->loop = wish->loop;
    lookup->answered = wish->answered;
    lookup->arg = wish->arg;
    asynchat__loop_hold(wish->loop);
    asynchat__timer_init(&lookup->timer, wish->loop->base, asker_fired, lookup);
}

void asynchat__asker_free(struct lookup *lookup)
{
    asynchat__timer_end(&lookup->timer);
    asynchat__loop_part(lookup->loop);
    asynchat__loop_release(lookup->loop);
    asynchat__free(lookup);
}

static void asker_end(struct lookup *lookup)
{
    lookup->source->leave(lookup);
    asynchat__asker_free(lookup);
}

/* Answers whether the look-up goes on. */
static bool asker_tell(struct lookup *lookup,
                       const struct lookup_answer *answer)
{
    bool last = !answer->more;
    lookup->telling = true;
    lookup->answered(lookup->arg, answer);
    lookup->telling = false;
    return !last && !lookup->over;
}

/* If the timer cannot be set, answers come by posts alone. */
void asynchat__asker_look(struct lookup *lookup)
{
    struct lookup_answer answer = {.count = 0};
    uint32_t wait = UINT32_MAX;
    bool news = lookup->source->news(lookup, &answer, &wait);
    if (news && !asker_tell(lookup, &answer))
        asker_end(lookup);
    else if (wait < UINT32_MAX)
        (void)asynchat__timer_set(&lookup->timer, wait);
}

void asynchat__lookup_cancel(struct lookup *lookup)
{
    if (!lookup)
        return;
    if (lookup->telling)
        lookup->over = true;
    else
        asker_end(lookup);
}
