/* Where what a peer sends is cut, and where a fault strikes.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "testing/test.h"

#include <string.h>

#include <asynchat/error.h>

#define STRIKES (ASYNCHAT_TEST_RESET | ASYNCHAT_TEST_VANISH)

/* The place of a fault that strikes when that many bytes were sent. */
static size_t strike_at(const struct run *run)
{
    return (size_t)run->place - 1;
}

static bool strike_cuts(const struct run *run, size_t behind)
{
    if ((run->fault & STRIKES) && behind == strike_at(run))
        return true;
    return run->cuts && behind <= run->length && run->cuts[behind - 1];
}

size_t asynchat__strike_piece(const struct run *run, size_t len)
{
    size_t n = 1;
    if (!run->cuts && !(run->fault & STRIKES))
        return len;
    while (n < len && !strike_cuts(run, run->fed.len + n))
        n++;
    return n;
}

/* Whether the peer has heard the beginning of what it hears without a fault. */
static bool strike_is_right(const struct asynchat_test *t)
{
    const struct run *whole = t->world->run->whole;
    if (t->number >= RUN_HEARD)
        return true;
    const struct text *all = &whole->heard[t->number];
    return t->heard.len <= all->len &&
           memcmp(asynchat__text(&t->heard), asynchat__text(all),
                  t->heard.len) == 0;
}

/* A peer that has vanished takes nothing more. */
void asynchat__strike(struct asynchat_test *t)
{
    struct run *run = t->world->run;
    if (run->over || !(run->fault & STRIKES) || run->fed.len != strike_at(run))
        return;
    run->reached = true;
    if (t->far && run->fault == ASYNCHAT_TEST_RESET)
        asynchat_abort(t->far);
    else if (t->far)
        asynchat_pause_reading(t->far);
    asynchat__advance(t, TESTING_DAY);
    if (!strike_is_right(t))
        asynchat__fail_why(run, "the peer has heard something else until then");
    if (asynchat_test_channel(t))
        asynchat__fail_why(run, "the channel is still there a day later");
    run->over = true;
}

void asynchat__strike_last(struct asynchat_test *t)
{
    if (!t->world->run->reached)
        asynchat__strike(t);
}
