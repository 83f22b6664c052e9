/* The framer for programs: a framer with a cursor and terminators of its own.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/framer.h>

#include <errno.h>

#include "base/memory.h"
#include "framer/framer.h"

struct asynchat_framer {
    struct framer f;
    struct framer_cursor c;
    struct needles recent;
    uint64_t total; /* the length of the message that ended last */
};

struct asynchat_framer *asynchat_framer_new(void)
{
    struct asynchat_framer *framer = asynchat__calloc(1, sizeof *framer);
    if (framer)
        asynchat__framer_init(&framer->f);
    return framer;
}

void asynchat_framer_free(struct asynchat_framer *framer)
{
    if (!framer)
        return;
    asynchat__framer_free(&framer->f);
    asynchat__needles_free(&framer->recent);
    asynchat__free(framer);
}

static int framer_set(struct asynchat_framer *framer,
                      enum asynchat_terminator kind, const void *bytes,
                      uint64_t len)
{
    return asynchat__framer_set(&framer->f, &framer->c, &framer->recent, kind,
                                bytes, len);
}

int asynchat_framer_set_terminator(struct asynchat_framer *framer,
                                   const void *bytes, size_t len)
{
    if (!framer || (!bytes && len > 0) || len > ASYNCHAT_TERMINATOR_MAX)
        return -EINVAL;
    return framer_set(framer, ASYNCHAT_STRING, bytes, len);
}

int asynchat_framer_set_terminator_length(struct asynchat_framer *framer,
                                          uint64_t len)
{
    if (!framer || len > INT64_MAX)
        return -EINVAL;
    return framer_set(framer, ASYNCHAT_LENGTH, NULL, len);
}

int asynchat_framer_set_terminator_none(struct asynchat_framer *framer)
{
    return framer ? framer_set(framer, ASYNCHAT_NONE, NULL, 0) : -EINVAL;
}

int asynchat_framer_set_framing(struct asynchat_framer *framer,
                                struct asynchat_framing *framing)
{
    if (!framer) {
        asynchat_framing_free(framing);
        return -EINVAL;
    }
    int error = asynchat__framing_check(framing);
    if (!error)
        asynchat__framer_set_framing(&framer->f, &framer->c, framing);
    return error;
}

int asynchat_framer_set_block(struct asynchat_framer *framer, uint64_t len)
{
    if (!framer || len > INT64_MAX)
        return -EINVAL;
    asynchat__framer_set_block(&framer->f, &framer->c, len);
    return 0;
}

int asynchat_framer_skip(struct asynchat_framer *framer, uint64_t len)
{
    return framer ? asynchat__framer_skip(&framer->f, &framer->c, len)
                  : -EINVAL;
}

int asynchat_framer_set_limit(struct asynchat_framer *framer, size_t limit,
                              int drops)
{
    if (!framer || limit == 0)
        return -EINVAL;
    asynchat__framer_limit(&framer->f, &framer->c, limit, drops != 0);
    return 0;
}

int asynchat_framer_feed(struct asynchat_framer *framer, const void *bytes,
                         size_t len)
{
    if (!framer || (!bytes && len > 0))
        return -EINVAL;
    if (framer->c.at != framer->c.end)
        return -EBUSY;
    asynchat__framer_leave(&framer->f, &framer->c);
    if (len > 0)
        framer_feed(&framer->c, bytes, len);
    return 0;
}

/* Whether the event ends a message. */
static bool is_end(enum framer_event event)
{
    return event == FRAMER_END || event == FRAMER_DROPPED ||
           event == FRAMER_OVER;
}

static enum asynchat_framer_event framer_say(enum framer_event event)
{
    switch (event) {
    case FRAMER_DATA:
    case FRAMER_LAST:
    case FRAMER_WHOLE:
        return ASYNCHAT_FRAMER_DATA;
    case FRAMER_END:
    case FRAMER_OVER:
        return ASYNCHAT_FRAMER_END;
    case FRAMER_DROPPED:
        return ASYNCHAT_FRAMER_DROPPED;
    case FRAMER_TOO_LONG:
        return ASYNCHAT_FRAMER_TOO_LONG;
    case FRAMER_BAD:
        return ASYNCHAT_FRAMER_BAD;
    default:
        return ASYNCHAT_FRAMER_MORE;
    }
}

/* A program that sets blocks of 0 bytes without end has its own loop to keep
 * others waiting. */
static enum framer_event framer_go_on(struct asynchat_framer *framer)
{
    enum framer_event event;
    do
        event = framer_next(&framer->f, &framer->c);
    while (event == FRAMER_REST);
    return event;
}

enum asynchat_framer_event asynchat_framer_next(struct asynchat_framer *framer,
                                                const void **data, size_t *len)
{
    enum framer_event event = framer ? framer_go_on(framer) : FRAMER_MORE;
    bool bytes = framer_say(event) == ASYNCHAT_FRAMER_DATA;
    if (data)
        *data = bytes ? framer->c.data : NULL;
    if (len)
        *len = bytes ? framer->c.len : 0;
    if (is_end(event))
        framer->total = framer->c.total;
    return framer_say(event);
}

uint64_t asynchat_framer_get_total(const struct asynchat_framer *framer)
{
    return framer ? framer->total : 0;
}

int asynchat_framer_get_error(const struct asynchat_framer *framer)
{
    return framer ? framer->f.error : 0;
}

unsigned asynchat_framer_get_matched(const struct asynchat_framer *framer)
{
    return framer ? framer_matched(&framer->f) : 0;
}

void asynchat_framer_finish(struct asynchat_framer *framer)
{
    if (framer)
        asynchat__framer_finish(&framer->f);
}

int asynchat_framer_is_cut_off(const struct asynchat_framer *framer)
{
    return framer && framer->f.end == FRAMER_CUT_OFF;
}

void asynchat_framer_discard(struct asynchat_framer *framer)
{
    if (framer)
        asynchat__framer_drop(&framer->f, &framer->c);
}
