/* Look-ups by a resolver of the program's.
 *
 * Tested by tests/test_resolver.c. SPDX-License-Identifier: BSD-3-Clause */
#include "names/resolver.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <asynchat/error.h>

#include "base/memory.h"
#include "base/table.h"
#include "names/asker.h"
#include "names/pool.h"

_Static_assert(sizeof(struct asynchat_resolver) == 3 * sizeof(void *),
               "asynchat_resolver has padding");

/* Invariant: `found` has room for `room` addresses, of which `told` of `count`
 * have been told. What was told last is lent while it is told: if there must be
 * more room meanwhile, `lent` keeps the old memory. */
struct asynchat_lookup {
    struct lookup lookup;
    struct resolver_own own;
    struct address *found, *lent;
    unsigned room, count, told;
    bool done;
    int error;
};

/* --- the resolvers of event bases --- */

struct resolver {
    struct resolver *next;
    const struct event_base *base;
    struct resolver_own own;
};

/* Guarded by the lock of names/pool.h, for programs that have event bases in
 * several threads. */
static struct resolver *resolvers;

/* Where the one of `base` is, or where one more would be. */
static struct resolver **resolver_place(const struct event_base *base)
{
    struct resolver **at = &resolvers;
    while (*at && (*at)->base != base)
        at = &(*at)->next;
    return at;
}

bool asynchat__resolver_find(const struct event_base *base,
                             struct resolver_own *own)
{
    asynchat__pool_lock();
    const struct resolver *resolver = *resolver_place(base);
    if (resolver)
        *own = resolver->own;
    asynchat__pool_unlock();
    return resolver != NULL;
}

/* Puts `made` in place of the one that the event base has, or takes that one
 * away. */
static void resolver_put(const struct event_base *base, struct resolver *made)
{
    asynchat__pool_lock();
    struct resolver **at = resolver_place(base), *old = *at;
    struct resolver *next = old ? old->next : NULL;
    if (made)
        made->next = next;
    *at = made ? made : next;
    asynchat__pool_unlock();
    asynchat__free(old);
}

static int resolver_make(const struct event_base *base,
                         const struct asynchat_resolver *ops, void *arg,
                         struct resolver **out)
{
    int error = asynchat__table_check(ops, sizeof *ops, sizeof *ops);
    if (!error && (!ops->begin || !ops->cancel))
        error = -EINVAL;
    if (error)
        return error;
    struct resolver *made = asynchat__calloc(1, sizeof *made);
    if (!made)
        return -ENOMEM;
    made->base = base;
    asynchat__table_copy(&made->own.ops, ops, sizeof *ops);
    made->own.arg = arg;
    *out = made;
    return 0;
}

int asynchat_set_resolver(struct event_base *base,
                          const struct asynchat_resolver *resolver, void *arg)
{
    struct resolver *made = NULL;
    if (!base)
        return -EINVAL;
    int error = asynchat__pool_ready();
    if (!error && resolver)
        error = resolver_make(base, resolver, arg, &made);
    if (!error)
        resolver_put(base, made);
    return error;
}

/* --- the source --- */

static void own_take_back(struct asynchat_lookup *it)
{
    if (it->lent != it->found)
        asynchat__free(it->lent);
    it->lent = NULL;
}

static bool own_news(struct lookup *lookup, struct lookup_answer *answer,
                     uint32_t *wait)
{
    struct asynchat_lookup *it = (struct asynchat_lookup *)lookup;
    *wait = UINT32_MAX; /* whatever is new comes from the program */
    own_take_back(it);
    if (it->told == it->count && !it->done)
        return false;
    answer->addresses = it->found ? it->found + it->told : NULL;
    answer->count = it->count - it->told;
    answer->more = !it->done;
    answer->error = it->count > 0 ? 0 : it->error;
    it->told = it->count;
    it->lent = it->found;
    return true;
}

static void own_leave(struct lookup *lookup)
{
    struct asynchat_lookup *it = (struct asynchat_lookup *)lookup;
    if (!it->done)
        it->own.ops.cancel(it, it->own.arg);
    own_take_back(it);
    asynchat__free(it->found);
}

static const struct lookup_source own_source = {own_news, own_leave};

int asynchat__resolver_begin(const struct resolver_own *own,
                             const struct lookup_wish *wish,
                             struct lookup **out)
{
    struct asynchat_lookup *it = asynchat__calloc(1, sizeof *it);
    if (!it)
        return -ENOMEM;
    it->own = *own;
    asynchat__asker_begin(&it->lookup, &own_source, wish);
    int error = own->ops.begin(it, wish->host, wish->service, own->arg);
    if (error) {
        own_take_back(it);
        asynchat__free(it->found);
        asynchat__asker_free(&it->lookup);
        return error < 0 ? error : -EINVAL;
    }
    *out = &it->lookup;
    return 0;
}

/* --- answers --- */

static int address_check(const struct sockaddr *address, socklen_t len)
{
    if (len < sizeof address->sa_family)
        return -EINVAL;
    if (address->sa_family == AF_INET)
        return len < sizeof(struct sockaddr_in) ? -EINVAL : 0;
    if (address->sa_family == AF_INET6)
        return len < sizeof(struct sockaddr_in6) ? -EINVAL : 0;
    return -EAFNOSUPPORT;
}

/* `len` may be that of a larger struct, in which the address lies. */
static void address_copy(struct address *to, const struct sockaddr *from)
{
    memset(to, 0, sizeof *to);
    to->len = from->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                         : sizeof(struct sockaddr_in6);
    memcpy(&to->storage, from, to->len);
}

static int own_grow(struct asynchat_lookup *it)
{
    unsigned room = it->room ? 2 * it->room : 4;
    if (it->count < it->room)
        return 0;
    if (it->count >= LOOKUP_ADDRESSES)
        return -ENOSPC;
    struct address *found = asynchat__calloc(room, sizeof *found);
    if (!found)
        return -ENOMEM;
    if (it->count > 0)
        memcpy(found, it->found, it->count * sizeof *found);
    if (it->lent != it->found)
        asynchat__free(it->found);
    it->found = found;
    it->room = room;
    return 0;
}

int asynchat_lookup_add(struct asynchat_lookup *lookup,
                        const struct sockaddr *address, socklen_t len)
{
    struct address copy;
    if (!lookup || !address || lookup->done)
        return -EINVAL;
    int error = address_check(address, len);
    if (error)
        return error;
    address_copy(&copy, address);
    if (asynchat__address_among(&copy, lookup->found, lookup->count))
        return 0;
    error = own_grow(lookup);
    if (error)
        return error;
    lookup->found[lookup->count++] = copy;
    asynchat__timer_hurry(&lookup->lookup.timer);
    return 0;
}

void asynchat_lookup_done(struct asynchat_lookup *lookup, int error)
{
    if (!lookup || lookup->done)
        return;
    lookup->done = true;
    lookup->error = error < 0 ? error : ASYNCHAT_ENOADDRESS;
    asynchat__timer_hurry(&lookup->lookup.timer);
}
