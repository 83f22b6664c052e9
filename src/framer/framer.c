/* The framer: bytes in, events out.
 *
 * A look at the source, which is the replay or the span, gives a plan. The plan
 * says how many of the bytes that were held back are data after all, how many
 * bytes of the source are data, and which bytes are the terminator, or are held
 * back from then on. The plan is handed out in this order, one event at a time.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "framer/framer.h"

#include "base/apart.h"

#define PIECE 65536

void asynchat__framer_init(struct framer *f)
{
    f->limit = SIZE_MAX;
    f->fresh = SIZE_MAX;
    f->piece = PIECE;
}

/* --- the message in progress --- */

static void message_begin(struct framer *f)
{
    f->have = 0;
    f->dropped = 0;
    f->fresh = f->limit;
}

/* How many bytes may still come of the message in progress. Without a limit
 * nothing is counted down, since a message may be longer than a size_t can
 * say. */
static size_t message_room(const struct framer *f)
{
    if (f->dropped > 0)
        return 0;
    if (f->limit == SIZE_MAX)
        return SIZE_MAX;
    return f->have < f->limit ? (size_t)(f->limit - f->have) : 0;
}

/* Bytes that reach over the limit are handed out in two parts, as if they had
 * come in two. The first part is within the limit, and the rest is too long.
 * Answers the length of the first part. */
static size_t message_part(const struct framer *f, size_t len)
{
    size_t room = message_room(f);
    return room > 0 && room < len ? room : len;
}

/* Counts a message that framer_quick() has given whole. Such a message is not
 * counted before its end, unless something happens in between. */
static void message_count(struct framer *f, const struct framer_cursor *c)
{
    if (!(f->busy & FRAMER_QUICK))
        return;
    f->have += c->len;
    f->fresh = 0;
    f->busy &= (uint8_t)~FRAMER_QUICK;
}

static enum framer_event message_over(struct framer *f, struct framer_cursor *c)
{
    bool dropped = f->dropped > 0;
    c->kept = f->have;
    c->total = f->have + f->dropped;
    message_begin(f);
    return dropped ? FRAMER_DROPPED : FRAMER_END;
}

/* Hands out bytes of the message in progress, or drops them if they are over
 * the limit. */
static enum framer_event message_say(struct framer *f, struct framer_cursor *c,
                                     const uint8_t *data, size_t len,
                                     enum framer_event event)
{
    c->data = data;
    c->len = len;
    f->fresh = 0;
    if (message_room(f) > 0) {
        f->have += len;
        return event;
    }
    f->dropped += len;
    return f->drops ? FRAMER_SILENT : FRAMER_TOO_LONG;
}

/* --- the replay --- */

static void replay_end(struct framer *f)
{
    asynchat__needle_release(f->replay);
    f->replay = NULL;
}

/* The bytes that are held back now will be matched again. If there is a replay,
 * they were the last to be taken from it, and go back to it. */
static void replay_held(struct framer *f, struct needle *held)
{
    if (f->replay) {
        f->from -= f->match.held;
    } else if (f->match.held > 0) {
        f->replay = asynchat__needle_share(held);
        f->from = f->said;
        f->to = f->said + f->match.held;
        f->busy |= FRAMER_OTHER;
    }
    f->match.held = 0;
}

/* --- where the bytes come from --- */

static const uint8_t *source(const struct framer *f,
                             const struct framer_cursor *c, size_t *len)
{
    if (f->replay) {
        *len = f->to - f->from < f->piece ? f->to - f->from : f->piece;
        return needle_bytes(f->replay) + f->from;
    }
    *len = (size_t)(c->end - c->at);
    return c->at;
}

static void source_take(struct framer *f, struct framer_cursor *c, size_t len)
{
    if (f->replay)
        f->from += (uint32_t)len;
    else
        c->at += len;
}

/* --- one event --- */

/* Hands out bytes that were held back, and are the message's after all. */
static enum framer_event say_released(struct framer *f, struct framer_cursor *c,
                                      size_t len)
{
    struct needle *needle = f->match.needle;
    const uint8_t *bytes = needle_bytes(needle) + f->said;
    if (message_room(f) > 0 && len > f->piece)
        len = f->piece;
    len = message_part(f, len);
    f->lent = asynchat__needle_share(needle);
    f->busy |= FRAMER_OTHER;
    f->match.held -= (uint32_t)len;
    f->said += (uint32_t)len;
    return message_say(f, c, bytes, len, FRAMER_DATA);
}

static enum framer_event say_end(struct framer *f, struct framer_cursor *c)
{
    message_count(f, c);
    source_take(f, c, f->ends);
    f->match.held = 0;
    f->busy &= (uint8_t)~FRAMER_FOUND;
    return message_over(f, c);
}

/* Hands out the part of the plan that is in the source. */
static enum framer_event say_planned(struct framer *f, struct framer_cursor *c,
                                     const uint8_t *bytes)
{
    struct match *m = &f->match;
    struct match_step step = c->plan;
    size_t data = match_data(step), part = message_part(f, data);
    if (part < data)
        step = (struct match_step){part, 0};
    bool found = part == data && match_found(m, step);
    if (m->kind == ASYNCHAT_LENGTH && m->left > 0)
        m->left -= part;
    f->said = 0;
    f->busy &= (uint8_t)~FRAMER_PLAN;
    if (found) {
        f->ends = (uint32_t)(step.used - part);
        f->busy |= FRAMER_FOUND;
    } else {
        m->held = (uint32_t)step.matched;
    }
    source_take(f, c, found ? part : step.used);
    return part == 0 ? FRAMER_SILENT
                     : message_say(f, c, bytes, part,
                                   found ? FRAMER_LAST : FRAMER_DATA);
}

/* To be called when the stream has ended. A message that is left is over if
 * bytes of it were dropped, or if nothing else would have ended it. */
static enum framer_event say_over(struct framer *f, struct framer_cursor *c)
{
    bool ends = match_ends(&f->match);
    if (f->match.held > 0)
        return say_released(f, c, f->match.held);
    if (f->fresh > 0)
        return FRAMER_MORE;
    f->end = ends ? FRAMER_CUT_OFF : FRAMER_ENDED;
    if (f->dropped > 0)
        return message_over(f, c);
    if (ends)
        return FRAMER_MORE;
    message_over(f, c);
    return FRAMER_OVER;
}

/* Gives back the needle that was lent for the last event, and ends a replay
 * that is used up. */
static void settle(struct framer *f)
{
    asynchat__needle_release(f->lent);
    f->lent = NULL;
    if (f->replay && f->from == f->to)
        replay_end(f);
    if (!f->replay && f->end == FRAMER_GOES_ON)
        f->busy &= (uint8_t)~FRAMER_OTHER;
}

/* Gives the next event, or FRAMER_SILENT. `looked` is how far the source was
 * searched in vain. */
static APART enum framer_event say_next(struct framer *f,
                                        struct framer_cursor *c, size_t looked)
{
    size_t len, released = 0;
    if (f->busy & FRAMER_OTHER)
        settle(f);
    if (f->busy & FRAMER_FOUND)
        return say_end(f, c);
    const uint8_t *bytes = source(f, c, &len);
    if (len == 0)
        return f->end == FRAMER_GOES_ON ? FRAMER_MORE : say_over(f, c);
    if (!(f->busy & FRAMER_PLAN))
        c->plan = asynchat__match_from(&f->match, bytes, looked, len);
    f->busy |= FRAMER_PLAN;
    if (f->match.held > 0)
        released = match_released(&f->match, c->plan);
    return released > 0 ? say_released(f, c, released)
                        : say_planned(f, c, bytes);
}

/* Whether the span is one byte of data. A stream may come byte by byte, and
 * most bytes begin no terminator. */
static bool is_lone_byte(const struct framer *f, const struct framer_cursor *c)
{
    const struct match *m = &f->match;
    return c->end - c->at == 1 && m->kind == ASYNCHAT_STRING && m->left > 0 &&
           m->held == 0 && *c->at != *needle_bytes(m->needle) &&
           f->dropped == 0 && f->have < f->limit;
}

static enum framer_event say_lone_byte(struct framer *f,
                                       struct framer_cursor *c)
{
    c->data = c->at++;
    c->len = 1;
    f->have++;
    f->fresh = 0;
    return FRAMER_DATA;
}

APART enum framer_event asynchat__framer_step(struct framer *f,
                                              struct framer_cursor *c)
{
    size_t looked = f->busy ? 0 : c->looked;
    if (!f->busy && c->at == c->end)
        return FRAMER_MORE;
    if (!f->busy && is_lone_byte(f, c))
        return say_lone_byte(f, c);
    enum framer_event event = say_next(f, c, looked);
    while (event == FRAMER_SILENT)
        event = say_next(f, c, 0);
    return event;
}

bool asynchat__framer_end(struct framer *f, struct framer_cursor *c)
{
    if (!(f->busy & FRAMER_FOUND))
        return false;
    say_end(f, c);
    return true;
}

/* --- changes between two events --- */

/* Whatever was found in the source is looked for again, and bytes that were
 * held back are matched again. A number that was reached stays reached: its
 * message ends before the byte from which another terminator holds. */
static void forget_plan(struct framer *f, struct needle *held)
{
    replay_held(f, held);
    f->busy &= (uint8_t)~FRAMER_PLAN;
    if (f->ends > 0)
        f->busy &= (uint8_t)~FRAMER_FOUND;
}

/* Sets a terminator while something is held back or due. If the string is in
 * force already, nothing changes, since everything would be found again. */
static APART int set_anew(struct framer *f, struct framer_cursor *c,
                          struct needles *recent, enum asynchat_terminator kind,
                          const void *bytes, uint64_t len)
{
    struct match *m = &f->match;
    struct needle *before = m->needle;
    if (kind == ASYNCHAT_STRING && m->kind == kind &&
        match_is(m, bytes, (size_t)len))
        return 0;
    if (before)
        asynchat__needle_share(before);
    int error = asynchat__match_set(m, recent, kind, bytes, len);
    if (!error) {
        message_count(f, c);
        forget_plan(f, before);
    }
    asynchat__needle_release(before);
    return error;
}

/* Has a short way, since most terminators are set while nothing is held back or
 * due. */
int asynchat__framer_set(struct framer *f, struct framer_cursor *c,
                         struct needles *recent, enum asynchat_terminator kind,
                         const void *bytes, uint64_t len)
{
    if (f->busy || f->match.held > 0)
        return set_anew(f, c, recent, kind, bytes, len);
    return asynchat__match_set(&f->match, recent, kind, bytes, len);
}

void asynchat__framer_limit(struct framer *f, struct framer_cursor *c,
                            size_t limit, bool drops)
{
    message_count(f, c);
    f->limit = limit;
    f->drops = drops;
    f->fresh = f->have == 0 ? limit : 0;
}

void asynchat__framer_drop(struct framer *f, struct framer_cursor *c)
{
    uint8_t stays = FRAMER_OTHER | FRAMER_PAUSED;
    if (c && f->ends == 0)
        stays |= FRAMER_FOUND;
    if (c)
        c->at = c->end;
    if (f->replay)
        f->from = f->to;
    f->match.held = 0;
    f->busy &= stays;
    message_begin(f);
}

void asynchat__framer_leave(struct framer *f, struct framer_cursor *c)
{
    message_count(f, c);
    if (f->busy & (FRAMER_PLAN | FRAMER_FOUND))
        forget_plan(f, f->match.needle);
}

void asynchat__framer_pause(struct framer *f, struct framer_cursor *c, bool on)
{
    if (c && on)
        asynchat__framer_leave(f, c);
    f->busy &= (uint8_t)~FRAMER_PAUSED;
    f->busy |= on ? FRAMER_PAUSED : 0;
}

void asynchat__framer_piece(struct framer *f, struct framer_cursor *c,
                            uint32_t piece)
{
    f->piece = piece;
    if (!c || (size_t)(c->end - c->at) <= piece)
        return;
    asynchat__framer_leave(f, c);
    c->end = c->at + piece;
}

void asynchat__framer_finish(struct framer *f)
{
    f->end = FRAMER_ENDED;
    f->busy |= FRAMER_OTHER;
}

void asynchat__framer_free(struct framer *f)
{
    asynchat__needle_release(f->match.needle);
    asynchat__needle_release(f->replay);
    asynchat__needle_release(f->lent);
}
