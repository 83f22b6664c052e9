/* The keys and their values. SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>

#include "kv.h"

/* The table has parts, each of which is a table of GLib. So a table that grows
 * never moves more than a part at once; SCAN goes from part to part; and keys
 * whose time is over are looked for in those parts that have one. */
#define PARTS 1024
#define SLOT 20 /* bytes that GLib needs for a key, on average */

/* One block of memory for a key, its value, and the time at which it is deleted,
 * if it has one. A large value is not in the block but shared. */
struct entry {
    uint32_t key_len;
    uint32_t value_len : 30, timed : 1, large : 1;
    char bytes[]; /* the time; the share; the key; the value */
};

struct table {
    GHashTable *parts[PARTS];
    long long next[PARTS]; /* no key of the part is deleted before that time */
    size_t count, timed;
    struct table *older;
};

struct event_base *base;
size_t keys_used;
static struct table *table, *flushed;
static unsigned sweep; /* the part that is looked at next */

/* Names come from strangers, who must not be able to choose many names that all
 * fall into one chain. So the hash is SipHash, with a secret. */
static unsigned char secret[crypto_shorthash_KEYBYTES];

unsigned hash(const void *bytes, size_t len)
{
    unsigned hash[crypto_shorthash_BYTES / sizeof(unsigned)];
    crypto_shorthash((unsigned char *)hash, bytes, len, secret);
    return hash[0];
}

void require(int error, const char *what)
{
    if (error) {
        fprintf(stderr, "kv: %s: %s\n", what, asynchat_strerror(error));
        exit(1);
    }
}

long long now(void)
{
    struct timeval t;
    evutil_gettimeofday(&t, NULL);
    return (long long)t.tv_sec * 1000 + t.tv_usec / 1000;
}

/* --- shared bytes --- */

char *share_new(const char *bytes, size_t len, size_t room)
{
    char *share = g_rc_box_alloc(room + 1);
    memcpy(share, bytes, len);
    share[len] = '\0';
    keys_used += room + 1;
    return share;
}

static void share_free(void *share)
{
    keys_used -= g_rc_box_get_size(share);
}

/* This is the callback of asynchat_push_reference(), too. */
void share_release(const void *bytes, size_t len, void *share)
{
    (void)bytes, (void)len;
    g_rc_box_release_full(share, share_free);
}

/* --- entries --- */

static size_t entry_before_key(const struct entry *e)
{
    return (e->timed ? sizeof(long long) : 0) + (e->large ? sizeof(char *) : 0);
}

static char *entry_key(const struct entry *e)
{
    return (char *)e->bytes + entry_before_key(e);
}

/* Rounded as malloc rounds it, so a value may be replaced by one that is a
 * little longer. */
static size_t entry_size(const struct entry *e)
{
    size_t value = e->large ? 0 : e->value_len;
    size_t size = offsetof(struct entry, bytes) + entry_before_key(e) +
                  e->key_len + value;
    return ((size + 8 + 15) & ~(size_t)15) - 8;
}

static char *entry_share(const struct entry *e)
{
    char *share = NULL;
    if (e->large)
        memcpy(&share, e->bytes + (e->timed ? sizeof(long long) : 0),
               sizeof share);
    return share;
}

struct word entry_value(const struct entry *e)
{
    char *bytes = e->large ? entry_share(e) : entry_key(e) + e->key_len;
    return (struct word){bytes, e->value_len, e->large};
}

long long entry_expires(const struct entry *e)
{
    long long at = 0;
    if (e->timed)
        memcpy(&at, e->bytes, sizeof at);
    return at;
}

/* Fills a block. The value may be in the block already, at its place. */
static void entry_fill(struct entry *e, const struct word *key,
                       const struct word *value, long long expires)
{
    char *to = e->bytes;
    if (e->timed) {
        memcpy(to, &expires, sizeof expires);
        to += sizeof expires;
    }
    if (e->large) {
        memcpy(to, &value->bytes, sizeof value->bytes);
        to += sizeof value->bytes;
    }
    memmove(to + key->len, value->bytes, e->large ? 0 : value->len);
    memcpy(to, key->bytes, key->len);
}

static void entry_free(void *entry)
{
    struct entry *e = entry;
    keys_used -= entry_size(e) + SLOT;
    if (e->large)
        share_release(NULL, 0, entry_share(e));
    g_free(e);
}

/* --- finding --- */

/* GLib asks for the hash of what it is given, and compares it with entries. What
 * it is given is always `wanted` or an entry with the same name. */
static struct {
    const char *bytes;
    size_t len;
    unsigned hash;
} wanted;

static unsigned wanted_hash(const void *key)
{
    (void)key;
    return wanted.hash;
}

static int equal_names(const void *a, const void *b)
{
    const struct entry *e = a == &wanted ? b : a;
    return e->key_len == wanted.len &&
           memcmp(entry_key(e), wanted.bytes, wanted.len) == 0;
}

/* Remembers the name, and returns its part. */
static unsigned want(const char *bytes, size_t len)
{
    wanted.bytes = bytes;
    wanted.len = len;
    wanted.hash = hash(bytes, len);
    return wanted.hash % PARTS;
}

/* GLib takes the hash modulo a prime, so it may share bits with the part. It
 * frees an entry that it removes, and one in whose place another comes. */
static void insert(struct entry *e, unsigned part)
{
    if (!table->parts[part])
        table->parts[part] =
            g_hash_table_new_full(wanted_hash, equal_names, entry_free, NULL);
    g_hash_table_add(table->parts[part], e);
}

static struct entry *look_up(const struct word *key)
{
    unsigned part = want(key->bytes, key->len);
    return table->parts[part] ? g_hash_table_lookup(table->parts[part], &wanted)
                              : NULL;
}

void entry_delete(struct entry *e)
{
    unsigned part = want(entry_key(e), e->key_len);
    touch(entry_key(e), e->key_len);
    table->count--;
    table->timed -= e->timed;
    g_hash_table_remove(table->parts[part], e);
}

/* Returns NULL if there is no such key, or if its time is over. */
struct entry *find(const struct word *key)
{
    struct entry *e = look_up(key);
    if (!e || !e->timed || entry_expires(e) > now())
        return e;
    entry_delete(e);
    wanted.bytes = key->bytes; /* the hash is the same */
    return NULL;
}

/* --- storing --- */

/* Makes a block in place of the old one, if there is one, for a key that was
 * just looked up. */
static void replace(struct entry *old, const struct entry *like,
                    const struct word *key, const struct word *value,
                    long long expires)
{
    struct entry *e = g_malloc(entry_size(like));
    *e = *like;
    entry_fill(e, key, value, expires);
    if (e->large)
        g_rc_box_acquire(value->bytes);
    keys_used += entry_size(e) + SLOT;
    table->count += !old;
    table->timed += e->timed - (old ? old->timed : 0u);
    insert(e, wanted.hash % PARTS);
}

static void set_next(long long expires)
{
    unsigned part = wanted.hash % PARTS;
    if (table->timed == 1)
        work_soon(100);
    if (!table->next[part] || expires < table->next[part])
        table->next[part] = expires;
}

/* In most cases the new value fits into the block. */
void store_at(struct entry *old, const struct word *key,
              const struct word *value, long long expires)
{
    struct entry like = {.key_len = (uint32_t)key->len,
                         .value_len = value->len & 0x3fffffff,
                         .timed = expires != 0,
                         .large = value->large};
    touch(key->bytes, key->len);
    if (old && !old->large && !like.large && old->timed == like.timed &&
        entry_size(old) == entry_size(&like)) {
        *old = like;
        entry_fill(old, key, value, expires);
    } else {
        replace(old, &like, key, value, expires);
    }
    if (expires)
        set_next(expires);
}

void store(const struct word *key, const struct word *value, long long expires)
{
    store_at(look_up(key), key, value, expires);
}

/* Sets the time at which a key is deleted; 0 stands for never. */
void entry_expire(struct entry *e, const struct word *key, long long at)
{
    struct word value = entry_value(e);
    store_at(e, key, &value, at);
}

/* A large value that grows doubles its room. A client to whom the value is being
 * sent gets the old length. */
void entry_append(struct entry *e, const struct word *key,
                  const struct word *more)
{
    struct word value = entry_value(e);
    size_t len = value.len + more->len;
    bool fits = value.large && len < g_rc_box_get_size(value.bytes);
    char *bytes =
        fits ? value.bytes : share_new(value.bytes, value.len, len + value.len);
    memcpy(bytes + value.len, more->bytes, more->len + 1);
    struct word new = {bytes, len, len >= LARGE};
    store_at(e, key, &new, entry_expires(e));
    if (!fits)
        share_release(NULL, 0, bytes);
}

/* --- all keys --- */

size_t table_count(void)
{
    return table->count;
}

size_t table_expiring(void)
{
    return table->timed;
}

/* Appends the names of a part that match the pattern, or all if it is NULL, to
 * what the client has found. Returns the next part, which is 0 behind the last
 * one. */
unsigned table_part(unsigned part, const struct word *pattern, struct client *c)
{
    GHashTableIter iter;
    void *at;
    long long time = now();
    unsigned next = (part % PARTS + 1) % PARTS;
    if (!table->parts[part % PARTS])
        return next;
    g_hash_table_iter_init(&iter, table->parts[part % PARTS]);
    for (; g_hash_table_iter_next(&iter, &at, NULL); c->spent++) {
        const struct entry *e = at;
        struct word name = {entry_key(e), e->key_len, false};
        if ((e->timed && entry_expires(e) <= time) ||
            (pattern && !matches(pattern, name.bytes, name.len)))
            continue;
        append_word(c->to, &name);
        c->total++;
    }
    return next;
}

/* Deletes the keys of a part whose time is over. Returns how many keys there
 * were. */
static size_t sweep_part(unsigned part, long long time)
{
    GHashTableIter iter;
    void *at;
    size_t seen = g_hash_table_size(table->parts[part]);
    table->next[part] = 0;
    g_hash_table_iter_init(&iter, table->parts[part]);
    while (g_hash_table_iter_next(&iter, &at, NULL)) {
        struct entry *e = at;
        long long expires = entry_expires(e);
        if (!expires)
            continue;
        if (expires > time) {
            if (!table->next[part] || expires < table->next[part])
                table->next[part] = expires;
            continue;
        }
        touch(entry_key(e), e->key_len);
        table->count--;
        table->timed--;
        g_hash_table_iter_remove(&iter);
    }
    return seen;
}

static size_t free_part(GHashTable **part)
{
    size_t size = *part ? g_hash_table_size(*part) : 0;
    g_clear_pointer(part, g_hash_table_destroy);
    return size;
}

/* Frees a table that was flushed; returns how many keys that were. */
static size_t free_some(size_t most)
{
    size_t done = 0;
    for (int i = 0; i < PARTS && done < most; i++)
        done += free_part(&flushed->parts[i]);
    if (done < most) {
        struct table *older = flushed->older;
        g_free(flushed);
        flushed = older;
    }
    return done;
}

/* Frees what was flushed, and deletes keys whose time is over, about `most` at
 * once. Returns whether there are more. */
bool table_sweep(size_t most)
{
    size_t done = 0;
    long long time = now();
    while (flushed && done < most)
        done += free_some(most - done);
    for (int i = 0; i < PARTS && table->timed > 0 && done < most; i++) {
        sweep = (sweep + 1) % PARTS;
        if (table->next[sweep] && table->next[sweep] <= time)
            done += sweep_part(sweep, time);
    }
    return done >= most;
}

void table_flush(void)
{
    struct table *old = table;
    table = g_new0(struct table, 1);
    if (old) {
        old->older = flushed;
        flushed = old;
        work_soon(0);
    }
}

void table_open(void)
{
    crypto_shorthash_keygen(secret);
    table_flush();
}

void table_close(void)
{
    table_flush();
    while (table_sweep(STEP))
        continue;
    g_free(table);
    table = NULL;
}
