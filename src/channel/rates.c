/* Rates of channels, and of groups of channels.
 *
 * At the end of each wake-up a channel pays for the bytes that have moved in
 * it, and asks the limiter how many bytes may move in the next one. If none
 * may, reading is paused, or the output is kept back, until a timer says that
 * it is worth looking again.
 *
 * Tested by tests/test_rate.c. SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/rate.h>

#include <errno.h>

#include "base/memory.h"
#include "base/table.h"
#include "channel/times.h"
#include "clock/limiter.h"
#include "loop/timer.h"

/* The channels of a group are found by the members of `group`. */
struct asynchat_rate_group {
    struct event_base *base;
    struct limiter_group group;
};

/* The limiter comes first, so that a member of a group leads to its channel. */
struct channel_rate {
    struct limiter limiter;
    struct asynchat_channel *ch;
};

_Static_assert(sizeof(struct asynchat_rates) ==
                   TABLE_SIZE(struct asynchat_rates, write_burst),
               "asynchat_rates ends with padding");

static struct asynchat_channel *rate_channel(struct limiter *limiter)
{
    return ((struct channel_rate *)limiter)->ch;
}

static uint64_t rate_least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* --- in a wake-up --- */

size_t asynchat__channel_rate_send(struct asynchat_channel *ch)
{
    struct limiter *limiter = &ch->time->rate->limiter;
    asynchat__limiter_pay(limiter, LIMITER_WRITE, ch->transport.sent);
    uint64_t most = asynchat__limiter_may(limiter, LIMITER_WRITE,
                                          asynchat__channel_time_now(ch));
    return (size_t)rate_least(ch->out.chunk, most);
}

/* Limits the next read to the bytes that may come, as far as that is known now.
 * If other members of the group take these bytes first, the read makes a
 * debt. */
static void rate_read(struct asynchat_channel *ch)
{
    struct limiter *limiter = &ch->time->rate->limiter;
    asynchat__limiter_pay(limiter, LIMITER_READ, ch->in.received);
    uint64_t most = asynchat__limiter_may(limiter, LIMITER_READ,
                                          asynchat__channel_time_now(ch));
    if (ch->state != CHANNEL_CONNECTING && !channel_receives(ch))
        return;
    if (most == 0)
        asynchat__channel_pause(ch, PAUSE_RATE);
    ch->transport.read_size =
        most > 0 ? (unsigned)rate_least(ch->in.framer.piece, most) : 1;
}

/* Whether output waits to be sent, and a rate does not allow it yet. */
static bool rate_keeps(struct asynchat_channel *ch)
{
    return channel_sends(ch) && !asynchat__channel_out_empty(ch) &&
           asynchat__channel_rate_send(ch) == 0;
}

int asynchat__channel_rate(struct asynchat_channel *ch)
{
    struct limiter *limiter = &ch->time->rate->limiter;
    asynchat__limiter_pay(limiter, LIMITER_WRITE, ch->transport.sent);
    rate_read(ch);
    bool kept = rate_keeps(ch);
    uint32_t next =
        asynchat__limiter_next(limiter, ch->in.paused & PAUSE_RATE, kept);
    return asynchat__channel_time_allow(ch, next, kept);
}

/* --- making and ending --- */

/* Makes what a channel needs for rates. 0 or -ENOMEM. */
static int rate_make(struct asynchat_channel *ch)
{
    if (asynchat__channel_get_rate(ch))
        return 0;
    int error = asynchat__channel_time_make(ch);
    struct channel_rate *rate =
        error ? NULL : asynchat__calloc(1, sizeof *rate);
    if (!rate)
        return -ENOMEM;
    rate->ch = ch;
    asynchat__limiter_init(&rate->limiter, ch->in.received, ch->transport.sent);
    ch->time->rate = rate;
    return 0;
}

/* To be called when the rates have changed: bytes that had to wait may move
 * now. */
static void rate_changed(struct asynchat_channel *ch)
{
    channel_out_busy(ch);
    asynchat__channel_resume(ch, PAUSE_RATE);
    rate_read(ch);
    asynchat__channel_wake(ch);
}

/* Frees rates that limit nothing, so that the channel is as fast as before it
 * had any. */
static void rate_drop(struct asynchat_channel *ch)
{
    if (!asynchat__limiter_is_idle(&ch->time->rate->limiter))
        return;
    asynchat__channel_rate_free(ch);
    asynchat__channel_time_unrated(ch);
}

void asynchat__channel_rate_free(struct asynchat_channel *ch)
{
    struct channel_rate *rate = asynchat__channel_get_rate(ch);
    if (!rate)
        return;
    ch->time->rate = NULL;
    asynchat__limiter_leave(&rate->limiter);
    asynchat__free(rate);
}

/* --- calls of the program --- */

static bool in_range(uint64_t bytes)
{
    return bytes <= ASYNCHAT_RATE_MAX;
}

/* Checks and copies the rates that the program has asked for; NULL is no
 * limit. */
static int rates_check(struct asynchat_rates *copy,
                       const struct asynchat_rates *rates)
{
    *copy = (struct asynchat_rates){.size = sizeof *copy};
    if (!rates)
        return 0;
    int error = asynchat__table_check(
        rates, TABLE_SIZE(struct asynchat_rates, write_burst), sizeof *rates);
    if (error)
        return error;
    asynchat__table_copy(copy, rates, sizeof *copy);
    return in_range(copy->read) && in_range(copy->write) &&
                   in_range(copy->read_burst) && in_range(copy->write_burst)
               ? 0
               : -EINVAL;
}

static void rates_set(struct limiter_rates *rates,
                      const struct asynchat_rates *to, uint32_t now)
{
    asynchat__bucket_set(&rates->bucket[LIMITER_READ], to->read, to->read_burst,
                         now);
    asynchat__bucket_set(&rates->bucket[LIMITER_WRITE], to->write,
                         to->write_burst, now);
}

int asynchat_set_rates(struct asynchat_channel *ch,
                       const struct asynchat_rates *rates)
{
    struct asynchat_rates copy;
    int error = !ch ? -EINVAL : rates_check(&copy, rates);
    if (!error)
        error = rate_make(ch);
    if (error)
        return error;
    rates_set(&ch->time->rate->limiter.own, &copy,
              asynchat__channel_time_now(ch));
    rate_changed(ch);
    rate_drop(ch);
    return 0;
}

int asynchat_set_rate_group(struct asynchat_channel *ch,
                            struct asynchat_rate_group *group)
{
    if (!ch || (group && group->base != asynchat_get_base(ch)))
        return -EINVAL;
    int error = rate_make(ch);
    if (error)
        return error;
    asynchat__limiter_leave(&ch->time->rate->limiter);
    if (group)
        asynchat__limiter_join(&ch->time->rate->limiter, &group->group);
    rate_changed(ch);
    rate_drop(ch);
    return 0;
}

int asynchat_rate_group_new(struct event_base *base,
                            const struct asynchat_rates *rates,
                            struct asynchat_rate_group **out)
{
    struct asynchat_rates copy;
    if (!base || !rates || !out)
        return -EINVAL;
    int error = rates_check(&copy, rates);
    if (error)
        return error;
    struct asynchat_rate_group *group = asynchat__calloc(1, sizeof *group);
    if (!group)
        return -ENOMEM;
    group->base = base;
    rates_set(&group->group.rates, &copy, time_of_base(group->base));
    *out = group;
    return 0;
}

int asynchat_rate_group_set(struct asynchat_rate_group *group,
                            const struct asynchat_rates *rates)
{
    struct asynchat_rates copy;
    int error = !group ? -EINVAL : rates_check(&copy, rates);
    if (error)
        return error;
    rates_set(&group->group.rates, &copy, time_of_base(group->base));
    for (struct limiter *l = group->group.members; l; l = l->next)
        rate_changed(rate_channel(l));
    return 0;
}

void asynchat_rate_group_free(struct asynchat_rate_group *group)
{
    while (group && group->group.members) {
        struct limiter *limiter = group->group.members;
        struct asynchat_channel *ch = rate_channel(limiter);
        asynchat__limiter_leave(limiter);
        rate_changed(ch);
        rate_drop(ch);
    }
    asynchat__free(group);
}
