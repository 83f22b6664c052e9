/* The framer: bytes in, events out.
 *
 * A look at the source, which is the replay or the span, gives a plan. The plan
 * says how many of the bytes that were held back are data after all, how many
 * bytes of the source are data, and which bytes are the terminator, or are held
 * back from then on. The plan is handed out in this order, one event at a time.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "framer/framer.h"

#include <errno.h>

#include "base/apart.h"
#include "framer/plan.h"
#include "framer/say.h"

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
    f->spoiled = false;
    f->fresh = f->limit;
}

/* Counts a message that framer_quick() has given whole. Such a message is not
 * counted before its end, unless something happens in between. */
static void message_count(struct framer *f, const struct framer_cursor *c)
{
    if (!(f->busy & FRAMER_QUICK))
        return;
    f->have += c->len;
    f->fresh = 0;
    f->busy &= (uint16_t)~FRAMER_QUICK;
}

static enum framer_event message_over(struct framer *f, struct framer_cursor *c)
{
    bool dropped = f->spoiled;
    c->kept = f->have;
    c->total = f->have + f->dropped;
    message_begin(f);
    return dropped ? FRAMER_DROPPED : FRAMER_END;
}

/* --- the replay --- */

static void lender_release(void *lender, bool is_framing)
{
    if (is_framing)
        asynchat__framing_release(lender);
    else
        asynchat__needle_release(lender);
}

static void replay_end(struct framer *f)
{
    lender_release(f->replay, f->replay_framing);
    f->replay = NULL;
}

/* Begins a replay of the bytes that are held back, by the framing or else by
 * that needle. */
static void replay_begin(struct framer *f, const struct framer_cursor *c,
                         struct needle *needle)
{
    f->replay_framing = f->framing != NULL;
    if (f->framing) {
        f->replay = asynchat__framing_share(f->framing);
        f->from = f->framing->said;
    } else {
        f->replay = asynchat__needle_share(needle);
        f->from = f->busy & FRAMER_PLAN ? c->said : 0;
    }
    f->to = f->from + f->match.held;
    f->busy |= FRAMER_OTHER;
}

/* The bytes that are held back now will be matched again. If there is a replay,
 * they were the last to be taken from it, and go back to it. */
static void replay_held(struct framer *f, const struct framer_cursor *c,
                        struct needle *needle)
{
    if (f->replay)
        f->from -= f->match.held;
    else if (f->match.held > 0)
        replay_begin(f, c, needle);
    f->match.held = 0;
}

/* --- one event --- */

/* Hands out bytes that were held back, and are the message's after all. */
static enum framer_event say_released(struct framer *f, struct framer_cursor *c,
                                      size_t len)
{
    struct needle *needle = f->match.needle;
    f->lent = asynchat__needle_share(needle);
    f->lent_framing = false;
    return say_held(f, c, needle_bytes(needle), &c->said, len);
}

/* Passes over bytes of the source, as far as it has them. */
static void say_pass(struct framer *f, struct framer_cursor *c)
{
    size_t len;
    source(f, c, &len);
    if (f->ends < len)
        len = (size_t)f->ends;
    source_take(f, c, len);
    f->ends -= len;
    f->busy &= (uint16_t)~FRAMER_PASS;
    if (f->ends > 0)
        f->busy |= FRAMER_PASS;
}

/* Only the terminator of a framing may have bytes that are not in the source
 * yet: they are passed over as they come. */
static enum framer_event say_end(struct framer *f, struct framer_cursor *c)
{
    message_count(f, c);
    f->match.held = 0;
    f->busy &= (uint16_t)~FRAMER_FOUND;
    say_pass(f, c);
    if (f->framing)
        asynchat__plan_over(f);
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
    f->busy &= (uint16_t)~FRAMER_PLAN;
    if (found) {
        f->ends = step.used - part;
        f->busy |= FRAMER_FOUND;
    } else {
        m->held = (uint32_t)step.matched;
    }
    source_take(f, c, found ? part : step.used);
    return part == 0 ? FRAMER_SILENT
                     : message_say(f, c, bytes, part,
                                   found ? FRAMER_LAST : FRAMER_DATA);
}

/* Hands out bytes that are held back when nothing more comes. With a string
 * that is a plan, of which `said` is all that counts. */
static enum framer_event say_rest(struct framer *f, struct framer_cursor *c)
{
    if (f->framing)
        return asynchat__plan_released(f, c, f->match.held);
    if (!(f->busy & FRAMER_PLAN))
        c->said = 0;
    f->busy |= FRAMER_PLAN;
    return say_released(f, c, f->match.held);
}

/* To be called when the stream has ended. A message that is left is over if
 * bytes of it were dropped, or if nothing else would have ended it. */
static enum framer_event say_over(struct framer *f, struct framer_cursor *c)
{
    if (f->match.held > 0)
        return say_rest(f, c);
    f->busy &= (uint16_t)~FRAMER_PLAN;
    if (framer_is_within(f))
        f->end = FRAMER_CUT_OFF;
    if (f->fresh > 0)
        return FRAMER_MORE;
    if (f->spoiled)
        return message_over(f, c);
    if (match_ends(&f->match))
        return FRAMER_MORE;
    message_over(f, c);
    return FRAMER_OVER;
}

/* Gives back what was lent for the last event, and ends a replay that is used
 * up. */
static void settle(struct framer *f)
{
    lender_release(f->lent, f->lent_framing);
    f->lent = NULL;
    if (f->replay && f->from == f->to)
        replay_end(f);
    if (!f->replay && f->end == FRAMER_GOES_ON)
        f->busy &= (uint16_t)~FRAMER_OTHER;
}

/* A block of 0 bytes is due. */
static enum framer_event say_empty(struct framer *f, struct framer_cursor *c)
{
    f->busy ^= FRAMER_EMPTIED;
    if (!(f->busy & FRAMER_EMPTIED))
        return FRAMER_REST;
    f->busy &= (uint16_t)~FRAMER_EMPTY;
    return message_over(f, c);
}

/* Passes over bytes, or else says that all of the source is used up. */
static enum framer_event say_passing(struct framer *f, struct framer_cursor *c)
{
    size_t len;
    source(f, c, &len);
    say_pass(f, c);
    return len > 0 ? FRAMER_SILENT : FRAMER_MORE;
}

/* Deals with what comes before the terminator. False: it is the terminator's
 * turn. */
static bool say_due(struct framer *f, struct framer_cursor *c,
                    enum framer_event *event)
{
    uint16_t busy = f->busy;
    if (busy & FRAMER_OTHER)
        settle(f);
    if (busy & FRAMER_FOUND)
        *event = say_end(f, c);
    else if (busy & FRAMER_PASS)
        *event = say_passing(f, c);
    else if (busy & FRAMER_EMPTY)
        *event = say_empty(f, c);
    else
        f->busy &= (uint16_t)~FRAMER_EMPTIED;
    return busy & (FRAMER_FOUND | FRAMER_PASS | FRAMER_EMPTY);
}

/* Gives the next event of a stream with a string, a number or none, or
 * FRAMER_SILENT. FRAMER_MORE: all of the source is used up. `looked` is how far
 * the source was searched in vain. */
static inline enum framer_event say_next(struct framer *f,
                                         struct framer_cursor *c, size_t looked)
{
    size_t len, released = 0;
    const uint8_t *bytes = source(f, c, &len);
    if (len == 0)
        return FRAMER_MORE;
    if (!(f->busy & FRAMER_PLAN)) {
        c->plan = asynchat__match_from(&f->match, bytes, looked, len);
        c->said = 0;
    }
    f->busy |= FRAMER_PLAN;
    if (f->match.held > 0)
        released = match_released(&f->match, c->plan);
    return released > 0 ? say_released(f, c, released)
                        : say_planned(f, c, bytes);
}

/* Gives the next event, or FRAMER_SILENT. */
static APART enum framer_event say_event(struct framer *f,
                                         struct framer_cursor *c, size_t looked)
{
    enum framer_event event = FRAMER_SILENT;
    if (!(f->busy & FRAMER_DUE) || !say_due(f, c, &event)) {
        event = f->framing ? asynchat__plan_next(f, c) : say_next(f, c, looked);
    }
    if (event != FRAMER_MORE || f->end == FRAMER_GOES_ON)
        return event;
    return say_over(f, c);
}

/* Whether the span is one byte of data. A stream may come byte by byte, and
 * most bytes begin no terminator. */
static bool is_lone_byte(const struct framer *f, const struct framer_cursor *c)
{
    const struct match *m = &f->match;
    return c->end - c->at == 1 && m->kind == ASYNCHAT_STRING && m->left > 0 &&
           m->held == 0 && *c->at != *needle_bytes(m->needle) && !f->spoiled &&
           f->have < f->limit;
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

static APART bool is_whole(struct framer *f, struct framer_cursor *c)
{
    return framer_quick_framing(f, c);
}

APART enum framer_event asynchat__framer_step(struct framer *f,
                                              struct framer_cursor *c)
{
    size_t looked = 0;
    if (!f->busy) {
        if (c->at == c->end)
            return FRAMER_MORE;
        if (is_lone_byte(f, c))
            return say_lone_byte(f, c);
        if (f->framing && is_whole(f, c))
            return FRAMER_WHOLE;
        looked = c->looked;
    }
    enum framer_event event = say_event(f, c, looked);
    while (event == FRAMER_SILENT)
        event = say_event(f, c, 0);
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

/* Whether the end of a message was found, and bytes of the terminator are left
 * in the source. */
static bool has_ends(const struct framer *f)
{
    return (f->busy & (FRAMER_FOUND | FRAMER_PASS)) == FRAMER_FOUND &&
           f->ends > 0;
}

/* Whatever was found in the source is looked for again, and bytes that were
 * held back are matched again. A number that was reached stays reached: its
 * message ends before the byte from which another terminator holds. */
static void forget_plan(struct framer *f, const struct framer_cursor *c,
                        struct needle *needle)
{
    replay_held(f, c, needle);
    f->busy &= (uint16_t)~FRAMER_PLAN;
    if (has_ends(f))
        f->busy &= (uint16_t)~FRAMER_FOUND;
}

/* The terminator was another one: nothing of it is left but the bytes that it
 * held back. */
static void leave_terminator(struct framer *f, struct framer_cursor *c,
                             struct needle *needle)
{
    message_count(f, c);
    forget_plan(f, c, needle);
    asynchat__framing_release(f->framing);
    f->framing = NULL;
    f->asked = false;
    f->busy &= (uint16_t)~FRAMER_EMPTY;
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
    if (!error)
        leave_terminator(f, c, before);
    asynchat__needle_release(before);
    return error;
}

/* Has a short way, since most terminators are set while nothing is held back or
 * due. */
int asynchat__framer_set(struct framer *f, struct framer_cursor *c,
                         struct needles *recent, enum asynchat_terminator kind,
                         const void *bytes, uint64_t len)
{
    if ((f->busy | f->match.held) != 0 || f->asked)
        return set_anew(f, c, recent, kind, bytes, len);
    return asynchat__match_set(&f->match, recent, kind, bytes, len);
}

void asynchat__framer_set_framing(struct framer *f, struct framer_cursor *c,
                                  struct asynchat_framing *framing)
{
    leave_terminator(f, c, f->match.needle);
    match_set_count(&f->match, ASYNCHAT_FRAMING, 1);
    f->framing = framing;
    f->asked = true;
}

/* Has a short way too: nothing is left of the old terminator then. */
void asynchat__framer_set_block(struct framer *f, struct framer_cursor *c,
                                uint64_t len)
{
    if ((f->busy | f->match.held) != 0 || f->framing)
        leave_terminator(f, c, f->match.needle);
    match_set_count(&f->match, ASYNCHAT_LENGTH, len);
    f->asked = true;
    if (len == 0)
        f->busy |= FRAMER_EMPTY;
}

/* Whether a framing has looked at bytes of which not all is said and done. */
static bool framing_is_amid(const struct framer *f)
{
    return f->framing && (f->framing->amid || f->match.held > 0 ||
                          (f->busy & FRAMER_PLAN) || has_ends(f));
}

int asynchat__framer_skip(struct framer *f, struct framer_cursor *c,
                          uint64_t len)
{
    uint64_t before = f->busy & FRAMER_PASS ? f->ends : 0;
    if (framing_is_amid(f))
        return -EBUSY;
    if (len > INT64_MAX - before)
        return -EINVAL;
    if (len == 0)
        return 0;
    message_count(f, c);
    forget_plan(f, c, f->match.needle);
    f->ends = before + len;
    f->busy |= FRAMER_PASS;
    return 0;
}

void asynchat__framer_limit(struct framer *f, struct framer_cursor *c,
                            size_t limit, bool drops)
{
    message_count(f, c);
    f->limit = limit;
    f->drops = drops;
    f->fresh = f->have == 0 && !f->spoiled ? limit : 0;
}

void asynchat__framer_drop(struct framer *f, struct framer_cursor *c)
{
    uint16_t stays = FRAMER_OTHER | FRAMER_PAUSED | FRAMER_EMPTY;
    if (c && !has_ends(f))
        stays |= FRAMER_FOUND;
    if (c)
        c->at = c->end;
    if (f->replay)
        f->from = f->to;
    f->match.held = 0;
    f->busy &= stays;
    f->ends = 0;
    if (f->framing)
        asynchat__plan_reset(f);
    message_begin(f);
}

/* The plan of a framing stays, and so does the end of a message that it has
 * found: only the framing knows what comes behind. */
void asynchat__framer_leave(struct framer *f, struct framer_cursor *c)
{
    message_count(f, c);
    if ((f->busy & (FRAMER_PLAN | FRAMER_FOUND)) && !f->framing)
        forget_plan(f, c, f->match.needle);
}

/* Without a plan, the bytes that are held back under a string are its
 * beginning. With a replay, bytes that are held back are also the last ones
 * that were taken from it. */
size_t asynchat__framer_lend(const struct framer *f, const uint8_t **bytes)
{
    size_t held = framer_held(f);
    if (held == 0)
        return 0;
    if (f->replay)
        *bytes = replay_bytes(f) + f->from - f->match.held;
    else if (f->framing)
        *bytes = f->framing->old + f->framing->said;
    else
        *bytes = needle_bytes(f->match.needle);
    return held;
}

void asynchat__framer_pause(struct framer *f, struct framer_cursor *c, bool on)
{
    if (c && on)
        asynchat__framer_leave(f, c);
    f->busy &= (uint16_t)~FRAMER_PAUSED;
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
    asynchat__framing_release(f->framing);
    lender_release(f->replay, f->replay_framing);
    lender_release(f->lent, f->lent_framing);
}
