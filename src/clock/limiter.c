/* A limiter: its own rates, and those of its group.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "clock/limiter.h"

/* A member of a group gets at least this many bytes at a time, if the group has
 * as many. */
#define SHARE_LEAST 1024

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void asynchat__limiter_init(struct limiter *l, uint64_t read, uint64_t written)
{
    *l = (struct limiter){.paid = {read, written}};
}

void asynchat__limiter_join(struct limiter *l, struct limiter_group *group)
{
    group->count++;
    l->group = group;
    l->link = &group->members;
    l->next = group->members;
    if (l->next)
        l->next->link = &l->next;
    group->members = l;
}

void asynchat__limiter_leave(struct limiter *l)
{
    if (!l->group)
        return;
    l->group->count--;
    *l->link = l->next;
    if (l->next)
        l->next->link = l->link;
    l->group = NULL;
}

bool asynchat__limiter_is_idle(const struct limiter *l)
{
    return !l->group && l->own.bucket[LIMITER_READ].rate == 0 &&
           l->own.bucket[LIMITER_WRITE].rate == 0;
}

void asynchat__limiter_pay(struct limiter *l, enum limiter_way way,
                           uint64_t moved)
{
    uint64_t bytes = moved - l->paid[way];
    l->paid[way] = moved;
    l->served = l->served || bytes > 0;
    asynchat__bucket_spend(&l->own.bucket[way], bytes);
    if (l->group)
        asynchat__bucket_spend(&l->group->rates.bucket[way], bytes);
}

/* How many bytes of the group's a member may take at a time. */
static uint64_t group_share(struct limiter_group *group, enum limiter_way way,
                            uint32_t now)
{
    uint64_t level = asynchat__bucket_level(&group->rates.bucket[way], now);
    uint64_t share = level / group->count;
    return least(level, share > SHARE_LEAST ? share : SHARE_LEAST);
}

uint64_t asynchat__limiter_may(struct limiter *l, enum limiter_way way,
                               uint32_t now)
{
    uint64_t level = asynchat__bucket_level(&l->own.bucket[way], now);
    return l->group ? least(level, group_share(l->group, way, now)) : level;
}

static uint32_t limiter_wait(const struct limiter *l, enum limiter_way way)
{
    uint32_t alone = asynchat__bucket_wait(&l->own.bucket[way]);
    uint32_t group = 0;
    if (l->group)
        group = asynchat__bucket_wait(&l->group->rates.bucket[way]);
    return alone > group ? alone : group;
}

uint32_t asynchat__limiter_next(struct limiter *l, bool reads, bool writes)
{
    uint32_t read = reads ? limiter_wait(l, LIMITER_READ) : UINT32_MAX;
    uint32_t write = writes ? limiter_wait(l, LIMITER_WRITE) : UINT32_MAX;
    uint32_t next = read < write ? read : write;
    bool behind = l->group && l->served;
    l->served = false;
    if (next == UINT32_MAX)
        return 0;
    return (next > 0 ? next : 1) + behind;
}
