/* Rates of channels and of groups of them.
 *
 * At the end of each wake-up a channel pays for what has moved in it, and is told
 * how much may move in the next. When that is nothing, its reading is paused, or
 * its output kept, until a timer says that it is worth looking again.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/rate.h>

#include <errno.h>
#include <stdlib.h>

#include "clock/bucket.h"
#include "channel/object.h"
#include "base/table.h"

/* A member of a group is not bothered with less at a time, if there is more. */
#define SHARE_LEAST 1024

enum direction { READ, WRITE, DIRECTIONS };

struct rates {
    struct bucket bucket[DIRECTIONS];
};

struct asynchat_rate_group {
    struct event_base *base;
    struct rates rates;
    struct channel_rate *members;
    size_t count;
};

struct channel_rate {
    struct rates own;
    uint64_t paid[DIRECTIONS]; /* so many bytes, of all that have moved */
    bool served;               /* something has, in this wake-up */
    struct asynchat_channel *ch;
    struct asynchat_rate_group *group;
    struct channel_rate *next, **link; /* of its members */
};

_Static_assert(sizeof(struct asynchat_rates) ==
                   TABLE_SIZE(struct asynchat_rates, write_burst),
               "asynchat_rates ends with padding");

/* --- what may move --- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What a member may take of a group's at a time, so that all get some. */
static uint64_t group_share(struct asynchat_rate_group *group,
                            enum direction way, uint32_t now)
{
    uint64_t level = asynchat__bucket_level(&group->rates.bucket[way], now);
    uint64_t share = level / group->count;
    return least(level, share > SHARE_LEAST ? share : SHARE_LEAST);
}

static uint64_t rate_allows(struct channel_rate *rate, enum direction way,
                            uint32_t now)
{
    uint64_t level = asynchat__bucket_level(&rate->own.bucket[way], now);
    return rate->group ? least(level, group_share(rate->group, way, now))
                       : level;
}

static uint32_t rate_wait(const struct channel_rate *rate, enum direction way)
{
    uint32_t alone = asynchat__bucket_wait(&rate->own.bucket[way]);
    uint32_t group = 0;
    if (rate->group)
        group = asynchat__bucket_wait(&rate->group->rates.bucket[way]);
    return alone > group ? alone : group;
}

/* `moved` bytes have in all. */
static void rate_pay(struct channel_rate *rate, enum direction way,
                     uint64_t moved)
{
    uint64_t bytes = moved - rate->paid[way];
    rate->paid[way] = moved;
    rate->served = rate->served || bytes > 0;
    asynchat__bucket_spend(&rate->own.bucket[way], bytes);
    if (rate->group)
        asynchat__bucket_spend(&rate->group->rates.bucket[way], bytes);
}

/* --- the channel --- */

size_t asynchat__channel_rate_send(struct asynchat_channel *ch)
{
    rate_pay(ch->rate, WRITE, ch->transport.sent);
    uint64_t most = rate_allows(ch->rate, WRITE, asynchat__channel_time_now());
    return (size_t)least(ch->out.chunk, most);
}

/* The next read is no longer than what may come, as far as that is known now: if
 * others of the group take it first, it is a debt. */
static void rate_read(struct asynchat_channel *ch, uint32_t now)
{
    rate_pay(ch->rate, READ, ch->in.received);
    uint64_t most = rate_allows(ch->rate, READ, now);
    if (ch->state != CHANNEL_CONNECTING && !channel_receives(ch))
        return;
    if (most == 0)
        asynchat__channel_pause(ch, PAUSE_RATE);
    ch->transport.read_size =
        most > 0 ? (unsigned)least(ch->in.framer.piece, most) : 1;
}

/* Something is to be sent, and may not be yet. */
static bool rate_keeps(struct asynchat_channel *ch)
{
    return channel_sends(ch) && !asynchat__channel_out_empty(ch) &&
           asynchat__channel_rate_send(ch) == 0;
}

/* When to look again; 0: nothing waits for that. Who has just had something comes
 * behind the others of its group, who wait for the same moment. */
static uint32_t rate_next(const struct asynchat_channel *ch, bool kept)
{
    uint32_t read =
        ch->in.paused & PAUSE_RATE ? rate_wait(ch->rate, READ) : UINT32_MAX;
    uint32_t write = kept ? rate_wait(ch->rate, WRITE) : UINT32_MAX;
    uint32_t next = (uint32_t)least(read, write);
    if (next == UINT32_MAX)
        return 0;
    bool behind = ch->rate->group && ch->rate->served;
    return (next > 0 ? next : 1) + behind;
}

int asynchat__channel_rate(struct asynchat_channel *ch)
{
    rate_pay(ch->rate, WRITE, ch->transport.sent);
    rate_read(ch, asynchat__channel_time_now());
    bool kept = rate_keeps(ch);
    uint32_t next = rate_next(ch, kept);
    ch->rate->served = false;
    return asynchat__channel_time_allow(ch, next, kept);
}

/* What a channel needs for rates; 0 or -ENOMEM. */
static int rate_make(struct asynchat_channel *ch)
{
    if (ch->rate)
        return 0;
    int error = asynchat__channel_time_make(ch);
    struct channel_rate *rate = error ? NULL : calloc(1, sizeof *rate);
    if (!rate)
        return -ENOMEM;
    rate->ch = ch;
    rate->paid[READ] = ch->in.received;
    rate->paid[WRITE] = ch->transport.sent;
    ch->rate = rate;
    return 0;
}

/* Other rates hold, and what was waited for may be there. */
static void rate_changed(struct asynchat_channel *ch)
{
    channel_out_busy(ch);
    asynchat__channel_resume(ch, PAUSE_RATE);
    rate_read(ch, asynchat__channel_time_now());
    asynchat__channel_wake(ch);
}

/* Without a limit the channel is as fast as before it had one. */
static void rate_drop(struct asynchat_channel *ch)
{
    const struct bucket *buckets = ch->rate->own.bucket;
    if (ch->rate->group || buckets[READ].rate > 0 || buckets[WRITE].rate > 0)
        return;
    asynchat__channel_rate_free(ch->rate);
    ch->rate = NULL;
    asynchat__channel_time_unrated(ch);
}

static void rate_leave(struct channel_rate *rate)
{
    if (!rate->group)
        return;
    rate->group->count--;
    *rate->link = rate->next;
    if (rate->next)
        rate->next->link = rate->link;
    rate->group = NULL;
}

static void rate_join(struct channel_rate *rate,
                      struct asynchat_rate_group *group)
{
    group->count++;
    rate->group = group;
    rate->link = &group->members;
    rate->next = group->members;
    if (rate->next)
        rate->next->link = &rate->next;
    group->members = rate;
}

void asynchat__channel_rate_free(struct channel_rate *rate)
{
    if (rate)
        rate_leave(rate);
    free(rate);
}

/* --- calls of the program --- */

static bool in_range(uint64_t bytes)
{
    return bytes <= ASYNCHAT_RATE_MAX;
}

/* Copies what was asked for, or no limit. */
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

static void rates_set(struct rates *rates, const struct asynchat_rates *to)
{
    uint32_t now = asynchat__channel_time_now();
    asynchat__bucket_set(&rates->bucket[READ], to->read, to->read_burst, now);
    asynchat__bucket_set(&rates->bucket[WRITE], to->write, to->write_burst,
                         now);
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
    rates_set(&ch->rate->own, &copy);
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
    rate_leave(ch->rate);
    if (group)
        rate_join(ch->rate, group);
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
    struct asynchat_rate_group *group = calloc(1, sizeof *group);
    if (!group)
        return -ENOMEM;
    group->base = base;
    rates_set(&group->rates, &copy);
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
    rates_set(&group->rates, &copy);
    for (struct channel_rate *rate = group->members; rate; rate = rate->next)
        rate_changed(rate->ch);
    return 0;
}

void asynchat_rate_group_free(struct asynchat_rate_group *group)
{
    while (group && group->members) {
        struct channel_rate *rate = group->members;
        struct asynchat_channel *ch = rate->ch;
        rate_leave(rate);
        rate_changed(ch);
        rate_drop(ch);
    }
    free(group);
}
