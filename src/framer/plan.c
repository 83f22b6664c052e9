/* Plans: what a framing has found in the stream is handed out.
 *
 * A step of the framing is the plan. Its parts are dealt with in this order:
 * the length of the whole, what is skipped, the data, and the tail.
 * The first bytes of the plan are those that were held back when the step
 * began, and the others come from the source, as far as the source has them: in
 * the next turn the span may be shorter.
 *
 * Tested by tests/test_framing.c. SPDX-License-Identifier: BSD-3-Clause */
#include "framer/plan.h"

#include <assert.h>

#include "base/apart.h"
#include "framer/say.h"

static size_t smaller(size_t one, size_t other)
{
    return one < other ? one : other;
}

/* The bytes that are held back are the first `held` of the framing's own again,
 * and not those from before the step. */
static void plan_hold(struct framer *f, size_t held)
{
    struct asynchat_framing *framing = f->framing;
    f->match.held = (uint32_t)held;
    framing->said = 0;
    framing->old = framing->held > 0 ? framing->ops->held(framing) : NULL;
}

void asynchat__plan_over(struct framer *f)
{
    struct asynchat_framing *framing = f->framing;
    plan_hold(f, framing->held);
    framing->amid = framing->amid || framing->held > 0;
}

/* Asks the framing for a step. False: there is nothing to look at. */
static bool plan_make(struct framer *f, struct framer_cursor *c)
{
    struct asynchat_framing *framing = f->framing;
    size_t len;
    const uint8_t *bytes = source(f, c, &len);
    if (len == 0)
        return false;
    framing->plan = framing->ops->step(framing, bytes, len);
    framing->amid = framing->plan.verdict != FRAMING_ENDS;
    framing->tailing = false;
    f->busy |= FRAMER_PLAN;
    return true;
}

/* Takes up to `len` bytes of the source. Answers how many. */
static size_t plan_take(struct framer *f, struct framer_cursor *c, size_t len)
{
    size_t have;
    source(f, c, &have);
    len = smaller(len, have);
    source_take(f, c, len);
    return len;
}

static enum framer_event plan_skip(struct framer *f, struct framer_cursor *c)
{
    struct framing_step *plan = &f->framing->plan;
    size_t old = smaller(plan->skip, f->match.held);
    f->match.held -= (uint32_t)old;
    f->framing->said += (uint32_t)old;
    size_t taken = old + plan_take(f, c, plan->skip - old);
    plan->skip -= taken;
    return taken > 0 ? FRAMER_SILENT : FRAMER_MORE;
}

/* A message that will be too long is so before a byte of it is kept. */
static enum framer_event plan_announce(struct framer *f)
{
    uint64_t whole = f->framing->plan.whole;
    f->framing->plan.whole = 0;
    if (f->limit == SIZE_MAX || whole <= message_room(f))
        return FRAMER_SILENT;
    return message_spoil(f, ASYNCHAT_ETOOLONG);
}

/* The message ends: its terminator is what the tail has in the source, behind
 * `old` bytes that were held back. */
static void plan_found(struct framer *f, size_t old)
{
    f->ends = f->framing->plan.tail - old;
    f->busy &= (uint16_t)~FRAMER_PLAN;
    f->busy |= FRAMER_FOUND;
}

enum framer_event asynchat__plan_released(struct framer *f,
                                          struct framer_cursor *c, size_t len)
{
    struct asynchat_framing *framing = f->framing;
    f->lent = asynchat__framing_share(framing);
    f->lent_framing = true;
    return say_held(f, c, framing->old, &framing->said, len);
}

/* Hands out data that was held back. */
static enum framer_event plan_released(struct framer *f,
                                       struct framer_cursor *c)
{
    struct framing_step *plan = &f->framing->plan;
    enum framer_event event =
        asynchat__plan_released(f, c, smaller(plan->data, f->match.held));
    plan->data -= c->len;
    if (plan->data > 0 || plan->verdict != FRAMING_ENDS)
        return event;
    plan_found(f, smaller(plan->tail, f->match.held));
    return event == FRAMER_DATA ? FRAMER_LAST : event;
}

static enum framer_event plan_data(struct framer *f, struct framer_cursor *c)
{
    struct framing_step *plan = &f->framing->plan;
    size_t len;
    if (f->match.held > 0)
        return plan_released(f, c);
    const uint8_t *bytes = source(f, c, &len);
    if (len == 0)
        return FRAMER_MORE;
    len = message_part(f, smaller(plan->data, len));
    source_take(f, c, len);
    plan->data -= len;
    bool last = plan->data == 0 && plan->verdict == FRAMING_ENDS;
    if (last)
        plan_found(f, 0);
    return message_say(f, c, bytes, len, last ? FRAMER_LAST : FRAMER_DATA);
}

/* From now on what is held back is the part of the tail that has come. */
static void plan_begin_tail(struct framer *f)
{
    struct asynchat_framing *framing = f->framing;
    size_t rest = framing->plan.tail;
    rest -= smaller(rest, f->match.held);
    assert(framing->held >= rest);
    framing->plan.tail = rest;
    framing->tailing = true;
    plan_hold(f, framing->held - rest);
}

/* A framing that has failed for good has no end of the message to go on to. So
 * this error counts, even if the message was too long before. */
static enum framer_event plan_spoil(struct framer *f)
{
    enum framer_event event = message_spoil(f, f->framing->plan.verdict);
    if (!f->framing->error)
        return event;
    f->error = (int16_t)f->framing->error;
    return FRAMER_BAD;
}

static enum framer_event plan_tail(struct framer *f, struct framer_cursor *c)
{
    struct asynchat_framing *framing = f->framing;
    struct framing_step *plan = &framing->plan;
    if (!framing->tailing)
        plan_begin_tail(f);
    size_t taken = plan_take(f, c, plan->tail);
    plan->tail -= taken;
    f->match.held += (uint32_t)taken;
    if (plan->tail > 0)
        return taken > 0 ? FRAMER_SILENT : FRAMER_MORE;
    f->busy &= (uint16_t)~FRAMER_PLAN;
    return plan->verdict < 0 ? plan_spoil(f) : FRAMER_SILENT;
}

/* Whether the plan, which is new, is nothing but data of the span that can be
 * handed out in one piece, and perhaps bytes to skip in front of it. */
static bool plan_is_plain(const struct framer *f)
{
    const struct framing_step *plan = &f->framing->plan;
    return plan->data > 0 && plan->tail == 0 && plan->whole == 0 &&
           plan->verdict == FRAMING_GOES_ON && f->match.held == 0 &&
           !f->replay && plan->data <= message_room(f);
}

/* Nothing of the plan is left, and nothing is held back, as before. */
static enum framer_event plan_plain(struct framer *f, struct framer_cursor *c)
{
    const struct framing_step *plan = &f->framing->plan;
    const uint8_t *data = c->at + plan->skip;
    c->at = data + plan->data;
    f->busy &= (uint16_t)~FRAMER_PLAN;
    return message_say(f, c, data, plan->data, FRAMER_DATA);
}

APART enum framer_event asynchat__plan_next(struct framer *f,
                                            struct framer_cursor *c)
{
    struct framing_step *plan = &f->framing->plan;
    if (!(f->busy & FRAMER_PLAN)) {
        if (!plan_make(f, c))
            return FRAMER_MORE;
        if (plan_is_plain(f))
            return plan_plain(f, c);
    }
    if (plan->whole > 0)
        return plan_announce(f);
    if (plan->skip > 0)
        return plan_skip(f, c);
    if (plan->data > 0)
        return plan_data(f, c);
    if (plan->verdict != FRAMING_ENDS)
        return plan_tail(f, c);
    plan_found(f, smaller(plan->tail, f->match.held));
    return FRAMER_SILENT;
}

void asynchat__plan_reset(struct framer *f)
{
    struct asynchat_framing *framing = f->framing;
    if (framing->ops->reset) {
        framing->ops->reset(framing);
        framing->amid = framing->begun;
    }
    asynchat__plan_over(f);
}
