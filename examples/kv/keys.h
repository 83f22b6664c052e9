/* The keys: what each one's value is, and when it expires, for which it has a
 * timer of libevent's.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef KV_KEYS_H
#define KV_KEYS_H

#include "client.h"
#include "table.h"

struct event;

struct entry {
    UT_hash_handle hh;
    struct word *key, *value;
    long long expires; /* milliseconds since 1970, or 0 */
    struct event *timer;
};

extern struct entry *entries; /* NULL: none */
extern long long expiring;    /* how many of them expire */

/* In milliseconds since 1970. */
long long now(void);

/* NULL: there is none. */
struct entry *entry_find(const struct word *key);
struct word *find_value(const struct word *key);

/* What `e` is, or what is added, has this value. NULL, and the client is closed,
 * for want of memory. */
struct entry *store(struct client *c, struct entry *e, struct word *key,
                    struct word *value);
void entry_delete(struct entry *e);

/* It is deleted at that time, */
void entry_expire(struct client *c, struct entry *e, long long at);

/* or not at all. */
void entry_persist(struct entry *e);
void flush_entries(void);

/* --- lists of keys --- */

/* What a list is to have: its length is said first. */
struct scan {
    const struct word *pattern; /* or NULL */
    unsigned cursor;
    long long most, seen;
    struct entry **found;
    size_t count, room;
};

/* On to where so many were seen, or all were, with the cursor 0 then. Of empty
 * buckets ten are enough for each. A cursor stays right as the table grows, for
 * uthash's buckets are doubled: what is in one that is to come is then in two
 * that are to come. False: there was no memory. */
bool scan(struct scan *s);

#endif
