/* What the peer does.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "testing/test.h"

#include <string.h>

#include <event2/bufferevent.h>
#include <event2/event.h>

#include "testing/alloc.h"

/* The peer's own memory does not fail. The end of the channel may come between
 * two pieces. */
static void peer_feed(struct asynchat_test *t, const char *data, size_t len)
{
    asynchat__text_add(&t->world->run->fed, data, len);
    if (t->far)
        (void)asynchat_push(t->far, data, len);
    asynchat__settle(t);
    asynchat__strike(t);
}

void asynchat_test_feed(struct asynchat_test *t, const void *data, size_t len)
{
    struct run *run = t->world->run;
    const char *at = data;
    asynchat__strike(t);
    bool ended = !asynchat_test_channel(t);
    if (!run->over && ended && asynchat__alloc_has_failed())
        run->over = true;
    if (!run->over && ended)
        asynchat__fail_why(t->world->run,
                           "the peer cannot send: the channel has ended");
    while (!run->over && len > 0) {
        size_t n = asynchat__strike_piece(run, len);
        peer_feed(t, at, n);
        at += n;
        len -= n;
    }
}

void asynchat_test_say(struct asynchat_test *t, const char *text)
{
    asynchat_test_feed(t, text, strlen(text));
}

void asynchat_test_end(struct asynchat_test *t)
{
    if (t->world->run->over)
        return;
    if (t->far)
        (void)asynchat_shutdown_write(t->far);
    asynchat__settle(t);
}

void asynchat_test_reset(struct asynchat_test *t)
{
    if (t->world->run->over)
        return;
    if (t->far)
        asynchat_abort(t->far);
    asynchat__settle(t);
}

/* A pair moves at most as many bytes as the mark leaves room for, so the
 * channel sees its peer take them piece by piece. */
void asynchat_test_take(struct asynchat_test *t, size_t most)
{
    if (!t->far || t->world->run->over)
        return;
    bufferevent_setwatermark(asynchat_get_bufferevent(t->far), EV_READ, 0,
                             most);
}

void asynchat_test_advance(struct asynchat_test *t, uint64_t milliseconds)
{
    if (!t->world->run->over)
        asynchat__advance(t, milliseconds);
}

void asynchat_test_settle(struct asynchat_test *t)
{
    if (!t->world->run->over)
        asynchat__settle(t);
}
