/* The table of keys.
 * SPDX-License-Identifier: BSD-3-Clause */
#define _POSIX_C_SOURCE 200809L
#include "keys.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <event2/event.h>

#include <asynchat.h>

#include "text.h"

struct entry *entries;
long long expiring;

long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static size_t entry_size(const struct entry *e)
{
    return sizeof *e + 2 * sizeof *e->key + e->key->room + e->value->room;
}

void entry_persist(struct entry *e)
{
    if (e->timer)
        event_free(e->timer);
    expiring -= e->timer != NULL;
    e->timer = NULL;
    e->expires = 0;
}

void entry_delete(struct entry *e)
{
    HASH_DELETE(hh, entries, e);
    entry_persist(e);
    memory_used -= entry_size(e);
    word_release(e->key);
    word_release(e->value);
    free(e);
}

static void entry_expired(evutil_socket_t fd, short what, void *e)
{
    (void)fd, (void)what;
    entry_delete(e);
}

void entry_expire(struct client *c, struct entry *e, long long at)
{
    long long left = at - now();
    struct timeval tv = {.tv_sec = (time_t)(left / 1000),
                         .tv_usec = (suseconds_t)(left % 1000 * 1000)};
    entry_persist(e);
    e->expires = at;
    e->timer = evtimer_new(asynchat_get_base(c->ch), entry_expired, e);
    expiring += e->timer != NULL;
    if (!e->timer || event_add(e->timer, &tv) < 0)
        check(c, -ENOMEM);
}

/* Its time may be over, and its timer's turn not have come yet. */
static bool entry_is_alive(const struct entry *e)
{
    return e->expires == 0 || e->expires > now();
}

struct entry *entry_find(const struct word *key)
{
    struct entry *e;
    HASH_FIND(hh, entries, key->bytes, (unsigned)key->len, e);
    if (!e || entry_is_alive(e))
        return e;
    entry_delete(e);
    return NULL;
}

struct word *find_value(const struct word *key)
{
    struct entry *e = entry_find(key);
    return e ? e->value : NULL;
}

/* Shares both words; NULL for want of memory. */
static struct entry *entry_add(struct word *key, struct word *value)
{
    struct entry *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    HASH_ADD_KEYPTR(hh, entries, key->bytes, (unsigned)key->len, e);
    if (!e->hh.tbl) {
        free(e);
        return NULL;
    }
    e->key = word_share(key);
    e->value = word_share(value);
    memory_used += entry_size(e);
    return e;
}

struct entry *store(struct client *c, struct entry *e, struct word *key,
                    struct word *value)
{
    if (!e) {
        e = entry_add(key, value);
        check(c, e ? 0 : -ENOMEM);
        return e;
    }
    memory_used -= entry_size(e);
    word_share(value);
    word_release(e->value);
    e->value = value;
    memory_used += entry_size(e);
    return e;
}

void flush_entries(void)
{
    struct entry *e, *next;
    HASH_ITER(hh, entries, e, next)
    {
        entry_delete(e);
    }
}

/* --- lists of keys --- */

static bool scan_add(struct scan *s, struct entry *e)
{
    if (s->count == s->room) {
        size_t room = s->room * 2 + 16;
        struct entry **more = realloc(s->found, room * sizeof(struct entry *));
        if (!more)
            return false;
        s->found = more;
        s->room = room;
    }
    s->found[s->count++] = e;
    return true;
}

/* False: there was no memory. */
static bool scan_bucket(struct scan *s)
{
    UT_hash_table *table = entries->hh.tbl;
    UT_hash_handle *at = table->buckets[s->cursor].hh_head;
    for (; at; at = at->hh_next) {
        struct entry *e = ELMT_FROM_HH(table, at);
        bool fits = !s->pattern || word_is(s->pattern, "*") ||
                    word_matches(e->key, s->pattern);
        s->seen++;
        if (fits && entry_is_alive(e) && !scan_add(s, e))
            return false;
    }
    return true;
}

bool scan(struct scan *s)
{
    long long visited = 0;
    if (!entries) {
        s->cursor = 0;
        return true;
    }
    unsigned buckets = entries->hh.tbl->num_buckets;
    s->cursor %= buckets;
    do {
        if (!scan_bucket(s))
            return false;
        s->cursor = (s->cursor + 1) % buckets;
    } while (s->cursor != 0 && s->seen < s->most && ++visited / 10 < s->most);
    return true;
}
