/* The keys and their values. SPDX-License-Identifier: BSD-3-Clause */
#include "kv.h"

/* The table has PARTS parts, each of which is a table of GLib. So a table that
 * grows never moves more than a part at once, and SCAN goes from part to part.
 */
#define SLOT 20 /* bytes that GLib needs for a key, on average */

struct event_base *base;
size_t keys_used, key_count, timed_count;
static GHashTable *parts[PARTS];
static GQueue flushed = G_QUEUE_INIT; /* parts to be freed little by little */
static unsigned swept;                /* the part that was looked at last */

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

/* GLib asks for the hash of what it is given, and compares it with entries. What
 * it is given is always `wanted` or an entry with the same name. */
static struct word wanted;
static unsigned wanted_hash;

static unsigned hash_wanted(const void *key)
{
    (void)key;
    return wanted_hash;
}

static int is_wanted(const void *a, const void *b)
{
    const struct entry *e = a == &wanted ? b : a;
    return e->key_len == wanted.len &&
           memcmp(e->key, wanted.bytes, wanted.len) == 0;
}

/* Returns NULL if there is no such key, or if its time is over. */
struct entry *find(const struct word *key)
{
    wanted = *key;
    wanted_hash = hash(key->bytes, key->len);
    GHashTable *part = parts[wanted_hash % PARTS];
    struct entry *e = part ? g_hash_table_lookup(part, &wanted) : NULL;
    if (!e || e->expires == 0 || e->expires > now())
        return e;
    entry_delete(e);
    return NULL;
}

/* --- storing --- */

/* Rounded as malloc rounds it, so a value may be replaced by one that is a
 * little longer. */
static size_t entry_size(size_t key_len, size_t value_len)
{
    size_t size =
        sizeof(struct entry) + key_len + (value_len < LARGE ? value_len : 0);
    return ((size + 8 + 15) & ~(size_t)15) - 8;
}

/* GLib calls this for an entry that it removes, or that is replaced. */
static void entry_free(void *entry)
{
    struct entry *e = entry;
    keys_used -= entry_size(e->key_len, e->value_len) + SLOT;
    if (e->value_len >= LARGE)
        share_release(NULL, 0, e->value);
    g_free(e);
}

/* In most cases the new value fits into the block of the old one. The value may
 * be the entry's own. GLib takes the hash modulo a prime, so it may share bits
 * with the part. */
void store(struct entry *old, const struct word *key, const struct word *value,
           long long expires)
{
    GHashTable **part = &parts[wanted_hash % PARTS];
    bool large = value->len >= LARGE;
    size_t size = entry_size(key->len, value->len);
    bool fits = old && !large && old->value_len < LARGE &&
                entry_size(key->len, old->value_len) == size;
    struct entry *e = fits ? old : g_malloc(size);
    e->expires = old ? old->expires : 0;
    e->value_len = (uint32_t)value->len;
    e->value = large ? g_rc_box_acquire(value->bytes) : e->key + key->len;
    if (!large)
        memmove(e->value, value->bytes, value->len);
    if (!fits) {
        e->key_len = (uint32_t)key->len;
        memcpy(e->key, key->bytes, key->len);
        key_count += !old;
        keys_used += size + SLOT;
        if (!*part)
            *part =
                g_hash_table_new_full(hash_wanted, is_wanted, entry_free, NULL);
        g_hash_table_add(*part, e);
    }
    entry_expire(e, expires);
}

/* A key changes: at least the time at which it is deleted. */
void entry_expire(struct entry *e, long long expires)
{
    touch(e->key, e->key_len);
    timed_count += (expires != 0) - (size_t)(e->expires != 0);
    e->expires = expires;
    if (expires)
        work_soon(TICK);
}

/* A large value that grows doubles its room. A client to whom the value is being
 * sent gets the old length. */
void entry_append(struct entry *e, const struct word *key,
                  const struct word *more)
{
    size_t len = e->value_len + more->len;
    bool fits = e->value_len >= LARGE && len < g_rc_box_get_size(e->value);
    char *bytes =
        fits ? e->value : share_new(e->value, e->value_len, len + e->value_len);
    memcpy(bytes + e->value_len, more->bytes, more->len + 1);
    store(e, key, &(struct word){bytes, len}, e->expires);
    if (!fits)
        share_release(NULL, 0, bytes);
}

/* An entry is about to go. */
static void forget(const struct entry *e)
{
    touch(e->key, e->key_len);
    key_count--;
    timed_count -= e->expires != 0;
}

void entry_delete(struct entry *e)
{
    forget(e);
    g_hash_table_remove(parts[wanted_hash % PARTS], e);
}

/* --- all keys --- */

/* Adds the names in a part that match the pattern to what the client has
 * found. */
void table_part(struct client *c, unsigned part, const struct word *pattern)
{
    GHashTableIter iter;
    void *key;
    long long time = now();
    bool all = is(pattern, "*");
    if (!parts[part])
        return;
    g_hash_table_iter_init(&iter, parts[part]);
    for (; g_hash_table_iter_next(&iter, &key, NULL); c->spent++) {
        const struct entry *e = key;
        if ((e->expires == 0 || e->expires > time) &&
            (all || matches(pattern, e->key, e->key_len))) {
            append(&c->to, e->key, e->key_len);
            c->total++;
        }
    }
}

/* Frees what was flushed, and deletes keys whose time is over, among about STEP
 * keys at once. Returns whether to go on at once: as in Redis, if many of them
 * were. */
bool table_sweep(void)
{
    size_t seen = 0, gone = 0;
    long long time = now();
    GHashTableIter iter;
    void *key;
    for (; flushed.length > 0 && seen < STEP; gone = seen) {
        GHashTable *part = g_queue_pop_head(&flushed);
        seen += g_hash_table_size(part);
        g_hash_table_destroy(part);
    }
    for (int i = 0; i < PARTS && timed_count > 0 && seen < STEP; i++) {
        swept = (swept + 1) % PARTS;
        if (!parts[swept])
            continue;
        g_hash_table_iter_init(&iter, parts[swept]);
        for (; g_hash_table_iter_next(&iter, &key, NULL); seen++) {
            const struct entry *e = key;
            if (e->expires == 0 || e->expires > time)
                continue;
            forget(e);
            g_hash_table_iter_remove(&iter);
            gone++;
        }
    }
    return gone > seen / 4;
}

void table_flush(void)
{
    for (int i = 0; i < PARTS; i++)
        if (parts[i])
            g_queue_push_tail(&flushed, g_steal_pointer(&parts[i]));
    key_count = timed_count = 0;
    work_soon(0);
}

void table_open(void)
{
    crypto_shorthash_keygen(secret);
}

void table_close(void)
{
    table_flush();
    while (table_sweep())
        continue;
}
