/* Words, and tables of entries.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kv.h"

/* Names come from strangers, who must not be able to choose many names that all
 * fall into one chain. So the hash is SipHash, with a secret. */
unsigned char secret[crypto_shorthash_KEYBYTES];
struct event_base *base;
struct entry *keys;
long long expiring, memory_limit;
size_t memory_used;

unsigned hash(const void *bytes, size_t len)
{
    unsigned hash[crypto_shorthash_BYTES / sizeof(unsigned)];
    crypto_shorthash((unsigned char *)hash, bytes, len, secret);
    return hash[0];
}

/* --- words --- */

void require(int error, const char *what)
{
    if (error) {
        fprintf(stderr, "kv: %s: %s\n", what, asynchat_strerror(error));
        exit(1);
    }
}

/* As in Redis and uthash, the server ends when memory runs out. */
void *allocate(void *old, size_t size)
{
    void *new = realloc(old, size);
    require(new ? 0 : -ENOMEM, "memory");
    return new;
}

struct word *word_new(const char *bytes, size_t len, size_t more)
{
    struct word *w = allocate(NULL, sizeof *w + len + more + 1);
    *w = (struct word){.shares = 1, .len = len, .room = len + more};
    memcpy(w->bytes, bytes, len);
    w->bytes[len] = '\0';
    memory_used += sizeof *w + w->room;
    return w;
}

struct word *word_share(struct word *w)
{
    w->shares++;
    return w;
}

void word_release(struct word *w)
{
    if (!w || --w->shares > 0)
        return;
    memory_used -= sizeof *w + w->room;
    free(w);
}

void word_sent(const void *bytes, size_t len, void *w)
{
    (void)bytes, (void)len;
    word_release(w);
}

/* Whether a word is `text`; upper and lower case are the same. */
bool is(const struct word *w, const char *text)
{
    return w->len == strlen(text) &&
           evutil_ascii_strcasecmp(w->bytes, text) == 0;
}

/* Adds a word to a request or to an answer. Takes the word. */
void add_word(struct client *c, struct word *w)
{
    if (c->count == c->room) {
        c->room = c->room * 2 + 8;
        c->words = allocate(c->words, c->room * sizeof *c->words);
    }
    c->words[c->count++] = w;
    c->size += sizeof *w + w->room;
}

void drop_words(struct client *c)
{
    while (c->count > 0)
        word_release(c->words[--c->count]);
    if (c->room > WORDS_KEPT) {
        free(c->words);
        c->words = NULL;
        c->room = 0;
    }
    c->expected = 0;
    c->size = 0;
}

/* --- entries --- */

long long now(void)
{
    struct timeval t;
    evutil_gettimeofday(&t, NULL);
    return (long long)t.tv_sec * 1000 + t.tv_usec / 1000;
}

static void expired(evutil_socket_t fd, short what, void *e);

/* Sets the time at which an entry is deleted; 0 stands for never. */
void expire(struct entry *e, long long at)
{
    expiring += (at != 0) - (e->expires != 0);
    e->expires = at;
    if (e->timer) {
        event_free(e->timer);
        memory_used -= event_get_struct_event_size();
    }
    e->timer = at ? evtimer_new(base, expired, e) : NULL;
    if (at == 0)
        return;
    memory_used += event_get_struct_event_size();
    long long left = at - now();
    struct timeval tv = {left / 1000, left % 1000 * 1000};
    require(e->timer && event_add(e->timer, &tv) == 0 ? 0 : -ENOMEM, "timer");
}

void entry_delete(struct entry *e)
{
    HASH_DELETE(hh, *e->table, e);
    expire(e, 0);
    word_release(e->name);
    word_release(e->value);
    free(e);
    memory_used -= sizeof *e;
}

/* The loop counts from the beginning of its turn, which may be a while ago. */
static void expired(evutil_socket_t fd, short what, void *arg)
{
    struct entry *e = arg;
    (void)fd, (void)what;
    if (e->expires > now())
        expire(e, e->expires);
    else
        entry_delete(e);
}

/* Returns NULL if there is no entry, or if its time is over. In the second case
 * its timer may not have run yet. */
struct entry *find(struct entry **table, const struct word *name)
{
    struct entry *e;
    HASH_FIND(hh, *table, name->bytes, (unsigned)name->len, e);
    if (!e || !e->expires || e->expires > now())
        return e;
    entry_delete(e);
    return NULL;
}

/* Returns the entry of that name, and makes it if there is none. */
struct entry *entry_of(struct entry **table, struct word *name)
{
    struct entry *e = find(table, name);
    if (e)
        return e;
    e = allocate(NULL, sizeof *e);
    *e = (struct entry){.table = table, .name = word_share(name)};
    HASH_ADD_KEYPTR(hh, *table, name->bytes, (unsigned)name->len, e);
    memory_used += sizeof *e;
    return e;
}

void store(struct word *key, struct word *value, long long expires)
{
    struct entry *e = entry_of(&keys, key);
    word_release(e->value);
    e->value = word_share(value);
    expire(e, expires);
}

struct word *value_of(const struct word *key)
{
    struct entry *e = find(&keys, key);
    return e ? e->value : NULL;
}

void delete_all(struct entry **table)
{
    while (*table)
        entry_delete(*table);
}
