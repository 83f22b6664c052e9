/* A server for the protocol of Redis (RESP2): kv [--port N] [--unix PATH]
 * [--maxmemory BYTES]
 *
 *     kv --port 7000 & redis-cli -p 7000 SET greeting hello
 *
 * A request is a line, "GET greeting", or an array: "*2", then for each word its
 * length, "$3", and its bytes. So the terminator is a string, a number, and a
 * string again, hundreds of times in a read that has a hundred requests. The
 * tables come from uthash, and their hash function from libsodium (Debian:
 * uthash-dev, libsodium-dev).
 *
 * The server listens on 127.0.0.1:6379, or on port N, or on any free port if N
 * is 0. At SIGINT or SIGTERM it finishes requests that have begun, within half a
 * second, and ends.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <sodium.h>
#include <asynchat.h>

/* Names come from strangers, who must not be able to choose many names that all
 * fall into one chain. So the hash is SipHash, with a secret. */
static unsigned char secret[crypto_shorthash_KEYBYTES];

static unsigned hash(const void *bytes, size_t len)
{
    unsigned hash[crypto_shorthash_BYTES / sizeof(unsigned)];
    crypto_shorthash((unsigned char *)hash, bytes, len, secret);
    return hash[0];
}

#define HASH_FUNCTION(bytes, len, result) (result) = hash(bytes, len)
#include <uthash.h>
#include <utlist.h>

#define VERSION "7.0.15" /* of Redis: its answers and limits are used here */
#define LINE_MOST 65536
#define WORD_MOST (512 << 20)
#define REQUEST_MOST (1u << 30)

/* While QUEUE_HIGH bytes wait for a client, the server does not read from it:
 * many clients send all their requests before they read. At QUEUE_MOST bytes the
 * client is dropped. A subscriber, whose queue is filled by others, is dropped
 * sooner. */
#define QUEUE_HIGH (256u << 20)
#define QUEUE_MOST (1u << 30)
#define SUBSCRIBER_QUEUE_MOST (32u << 20)

#define WORDS_KEPT 1024 /* room that a client keeps for its next request */
#define LARGE 16384     /* bytes; from this size on a value is shared */
#define NUMBER_MOST 24  /* bytes of a number as text, with kind and line end */
#define BLANKS " \f\n\r\t\v" /* a NUL ends a line */
#define SYNTAX "ERR syntax error"
#define NO_NUMBER "ERR value is not an integer or out of range"
#define WRONG_COUNT "ERR wrong number of arguments for '%s' command"

/* Bytes with a reference count, and a NUL at the end, so that they can be used as
 * a string. A large value is not copied to be sent: it may be in the table and at
 * the same time on its way to ten clients. */
struct word {
    unsigned shares;
    size_t len, room;
    char bytes[];
};

/* A name: either of a key, with its value, or of something that a client listens
 * to: a topic (which Redis calls a channel) or a pattern of topics. */
struct entry {
    UT_hash_handle hh;
    struct entry **table;
    struct word *name, *value;
    long long expires; /* milliseconds since 1970, or 0 */
    struct event *timer;
};

enum { TOPICS, PATTERNS };
struct client {
    struct asynchat_channel *ch;
    long long id;
    struct word *name, **words;
    size_t count, room; /* how many words there are, and fit */
    size_t size;        /* the bytes of the words */
    long long expected; /* words of the array in progress; <= 0: no array */
    bool counted;       /* the next message is the bytes of a word */
    bool stops;         /* the client ends with this request */
    const struct command *command;
    struct entry *topics[2];    /* the topics and patterns it listens to */
    unsigned listens;           /* the number of these topics and patterns */
    struct client *prev, *next; /* in the list of listeners */
};

struct command {
    const char *name;
    const char *(*run)(struct client *c); /* returns NULL or an error text */
    int arity; /* the number of words; if negative, the least number */
    int flags;
    int last, step; /* the last key and its step, from word 1 on; 0: no keys */
    int n;          /* distinguishes commands with the same function */
};

static struct event_base *base;
static struct entry *keys;
static struct client *listeners;
static long long clients, last_client_id, expiring;
/* The bytes of words, entries and clients. Beyond the limit, unless that is 0,
 * commands that need memory are refused. */
static size_t memory_used;
static long long memory_limit;

/* --- numbers and patterns, as Redis has them --- */

/* Reads a number in the form that print_number() writes: without spaces, "+1" or
 * "01". */
static bool parse_number(const char *text, size_t len, long long *n)
{
    bool negative = len > 1 && *text == '-';
    if (len == 0 || (text[negative] == '0' && len > 1))
        return false;
    *n = 0;
    for (size_t i = negative; i < len; i++)
        if (text[i] < '0' || text[i] > '9' ||
            __builtin_mul_overflow(*n, 10, n) ||
            __builtin_sub_overflow(*n, text[i] - '0', n))
            return false;
    return negative || !__builtin_sub_overflow(0, *n, n);
}

static bool is_number(const struct word *w, long long *n)
{
    return parse_number(w->bytes, w->len, n);
}

/* Writes a number with its kind and a line end, such as ":5", "$5" or "*5", to
 * the end of `text`. Returns where it begins. */
static char *print_number(char text[NUMBER_MOST], char kind, long long n)
{
    char *at = text + NUMBER_MOST - 2;
    long long rest = n < 0 ? n : -n; /* there are more numbers below 0 */
    memcpy(at, "\r\n", 2);
    do
        *--at = (char)('0' - rest % 10);
    while ((rest /= 10) < 0);
    if (n < 0)
        *--at = '-';
    *--at = kind;
    return at;
}

static char *append_bytes(char *to, const void *bytes, size_t len)
{
    memcpy(to, bytes, len);
    return to + len;
}

/* Reads the first element of a pattern, which is ? [a-z] [^a-z] \x or x. Returns
 * whether it matches a byte. A class without an end ends with the pattern. */
static bool matches_byte(const char **pattern, const char *end, char byte)
{
    const char *at = (*pattern)++;
    if (*at == '\\' && *pattern < end)
        return *(*pattern)++ == byte;
    if (*at++ != '[')
        return at[-1] == '?' || at[-1] == byte;
    bool found = false, none = at < end && *at == '^';
    for (at += none; at < end && *at != ']'; at++) {
        bool escaped = *at == '\\' && end - at >= 2;
        bool range = !escaped && end - at >= 3 && at[1] == '-';
        char a = at[escaped], b = range ? at[2] : a;
        found |= a < b ? a <= byte && byte <= b : b <= byte && byte <= a;
        at += range ? 2 : escaped;
    }
    *pattern = at < end ? at + 1 : end;
    return found != none;
}

/* Only the last * is tried again, so the number of steps is at most one length
 * times the other. (In Redis, * does not match an empty name.) */
static bool matches(const struct word *pattern, const char *name, size_t len)
{
    const char *at = pattern->bytes, *end = at + pattern->len;
    const char *stop = name + len, *star = NULL, *retry = NULL;
    if (len == 0)
        return pattern->len == 0;
    while (name < stop || (at < end && *at == '*')) {
        if (at < end && *at == '*') {
            star = ++at;
            retry = name;
        } else if (at < end && matches_byte(&at, end, *name)) {
            name++;
        } else if (star) {
            at = star;
            name = ++retry;
        } else {
            return false;
        }
    }
    return at == end;
}

/* --- words --- */

static void require(int error, const char *what)
{
    if (error) {
        fprintf(stderr, "kv: %s: %s\n", what, asynchat_strerror(error));
        exit(1);
    }
}

/* As in Redis and uthash, the server ends when memory runs out. */
static void *allocate(void *old, size_t size)
{
    void *new = realloc(old, size);
    require(new ? 0 : -ENOMEM, "memory");
    return new;
}

static struct word *word_new(const char *bytes, size_t len, size_t more)
{
    struct word *w = allocate(NULL, sizeof *w + len + more + 1);
    *w = (struct word){.shares = 1, .len = len, .room = len + more};
    memcpy(w->bytes, bytes, len);
    w->bytes[len] = '\0';
    memory_used += sizeof *w + w->room;
    return w;
}

static struct word *word_share(struct word *w)
{
    w->shares++;
    return w;
}

static void word_release(struct word *w)
{
    if (!w || --w->shares > 0)
        return;
    memory_used -= sizeof *w + w->room;
    free(w);
}

static void word_sent(const void *bytes, size_t len, void *w)
{
    (void)bytes, (void)len;
    word_release(w);
}

/* Whether a word is `text`; upper and lower case are the same. */
static bool is(const struct word *w, const char *text)
{
    return w->len == strlen(text) &&
           evutil_ascii_strcasecmp(w->bytes, text) == 0;
}

/* Adds a word to a request or to an answer. Takes the word. */
static void add_word(struct client *c, struct word *w)
{
    if (c->count == c->room) {
        c->room = c->room * 2 + 8;
        c->words = allocate(c->words, c->room * sizeof *c->words);
    }
    c->words[c->count++] = w;
    c->size += sizeof *w + w->room;
}

static void drop_words(struct client *c)
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

/* --- answers: they give NULL, and so does a command that ends with one --- */

/* Ends a client when its answers are sent, and reads no further request. */
static const char *goodbye(struct client *c)
{
    asynchat_close_after(c->ch);
    return NULL;
}

/* Sends bytes. If the channel refuses them, the client ends. */
static const char *say_bytes(struct client *c, const void *bytes, size_t len)
{
    asynchat_push(c->ch, bytes, len);
    return NULL;
}

#define say(c, text) say_bytes(c, text, strlen(text))

static const char *say_number(struct client *c, char kind, long long n)
{
    char text[NUMBER_MOST], *at = print_number(text, kind, n);
    return say_bytes(c, at, (size_t)(text + sizeof text - at));
}

/* Sends a word; NULL is the answer "none". A large word is shared with the
 * channel until it is sent, dropped or refused. */
static const char *say_word(struct client *c, struct word *w)
{
    if (!w)
        return say(c, "$-1\r\n");
    say_number(c, '$', (long long)w->len);
    if (w->len < LARGE)
        say_bytes(c, w->bytes, w->len);
    else
        asynchat_push_reference(c->ch, w->bytes, w->len, word_sent,
                                word_share(w));
    return say(c, "\r\n");
}

/* Sends the words that were added behind the request. */
static const char *say_words_from(struct client *c, size_t first)
{
    say_number(c, '*', (long long)(c->count - first));
    for (size_t i = first; i < c->count; i++)
        say_word(c, c->words[i]);
    return NULL;
}

/* Sends a single line, whatever bytes a client has put into it. */
ASYNCHAT_FORMAT(2, 3)
static const char *say_error(struct client *c, const char *format, ...)
{
    char text[512], *at = text;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    while ((at = strpbrk(at, "\r\n")))
        *at = ' ';
    asynchat_push_printf(c->ch, "-%s\r\n", text);
    return NULL;
}

static long long now(void)
{
    struct timeval t;
    evutil_gettimeofday(&t, NULL);
    return (long long)t.tv_sec * 1000 + t.tv_usec / 1000;
}

static void expired(evutil_socket_t fd, short what, void *e);

/* Sets the time at which an entry is deleted; 0 stands for never. */
static void expire(struct entry *e, long long at)
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

static void entry_delete(struct entry *e)
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
static struct entry *find(struct entry **table, const struct word *name)
{
    struct entry *e;
    HASH_FIND(hh, *table, name->bytes, (unsigned)name->len, e);
    if (!e || !e->expires || e->expires > now())
        return e;
    entry_delete(e);
    return NULL;
}

/* Returns the entry of that name, and makes it if there is none. */
static struct entry *entry_of(struct entry **table, struct word *name)
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

static void store(struct word *key, struct word *value, long long expires)
{
    struct entry *e = entry_of(&keys, key);
    word_release(e->value);
    e->value = word_share(value);
    expire(e, expires);
}

static struct word *value_of(const struct word *key)
{
    struct entry *e = find(&keys, key);
    return e ? e->value : NULL;
}

static void delete_all(struct entry **table)
{
    while (*table)
        entry_delete(*table);
}

/* --- commands about keys and values --- */

static const char *run_ping(struct client *c)
{
    if (c->count > 2)
        return WRONG_COUNT;
    if (c->listens > 0)
        say(c, "*2\r\n$4\r\npong\r\n");
    if (c->count == 2)
        return say_word(c, c->words[1]);
    return c->listens > 0 ? say(c, "$0\r\n\r\n") : say(c, "+PONG\r\n");
}

/* Gives the time that lies the number `w` of units from now. Returns an error if
 * the number is less than `least`. */
static const char *read_time(const struct word *w, int unit, long long least,
                             long long *at)
{
    long long n, from = now();
    if (!is_number(w, &n))
        return NO_NUMBER;
    if (n < least || n > (LLONG_MAX - from) / unit)
        return "ERR invalid expire time in '%s' command";
    *at = n * unit + from;
    return NULL;
}

static const char *run_set(struct client *c)
{
    size_t time = 0; /* the place of EX or PX */
    int exists = -1; /* 0: must not exist, 1: must exist */
    long long at = 0;
    for (size_t i = 3; i < c->count; i++) {
        const struct word *option = c->words[i];
        if (is(option, "nx") && exists != 1)
            exists = 0;
        else if (is(option, "xx") && exists != 0)
            exists = 1;
        else if ((is(option, "ex") || is(option, "px")) && i + 1 < c->count &&
                 (time == 0 || is(option, c->words[time]->bytes)))
            time = i++;
        else
            return SYNTAX;
    }
    int unit = time > 0 && is(c->words[time], "ex") ? 1000 : 1;
    const char *error =
        time > 0 ? read_time(c->words[time + 1], unit, 1, &at) : NULL;
    if (error)
        return error;
    if (exists >= 0 && (find(&keys, c->words[1]) != NULL) != exists)
        return say_word(c, NULL);
    store(c->words[1], c->words[2], at);
    return say(c, "+OK\r\n");
}

/* GET; MGET, whose n is 1. */
static const char *run_get(struct client *c)
{
    if (c->command->n)
        say_number(c, '*', (long long)c->count - 1);
    for (size_t i = 1; i < c->count; i++)
        say_word(c, value_of(c->words[i]));
    return NULL;
}

/* MSET; GETSET, whose n is 1. */
static const char *run_mset(struct client *c)
{
    if (c->count % 2 == 0)
        return WRONG_COUNT;
    if (c->command->n)
        say_word(c, value_of(c->words[1]));
    for (size_t i = 1; i < c->count; i += 2)
        store(c->words[i], c->words[i + 1], 0);
    return c->command->n ? NULL : say(c, "+OK\r\n");
}

static const char *run_strlen(struct client *c)
{
    const struct word *w = value_of(c->words[1]);
    return say_number(c, ':', w ? (long long)w->len : 0);
}

/* A value that grows doubles its room. A client to whom the value is being sent
 * gets the old length. */
static const char *run_append(struct client *c)
{
    struct entry *e = entry_of(&keys, c->words[1]);
    struct word *old = e->value, *more = c->words[2];
    size_t begin = old ? old->len : 0, len = begin + more->len;
    if (len > WORD_MOST)
        return "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    if (!old || len > old->room) {
        e->value =
            word_new(old ? old->bytes : "", begin, old ? len + more->len : len);
        word_release(old);
    }
    memcpy(e->value->bytes + begin, more->bytes, more->len + 1);
    e->value->len = len;
    return say_number(c, ':', (long long)len);
}

/* INCR, DECR: by n. INCRBY: by a word. */
static const char *run_incr(struct client *c)
{
    long long n = 0, by = c->command->n;
    if (by == 0 && !is_number(c->words[2], &by))
        return NO_NUMBER;
    struct entry *e = entry_of(&keys, c->words[1]);
    if (e->value && !is_number(e->value, &n))
        return NO_NUMBER;
    if (by > 0 ? n > LLONG_MAX - by : n < LLONG_MIN - by)
        return "ERR increment or decrement would overflow";
    char text[NUMBER_MOST], *at = print_number(text, ':', n + by);
    size_t len = (size_t)(text + sizeof text - at);
    word_release(e->value);
    e->value = word_new(at + 1, len - 3, 0);
    return say_bytes(c, at, len);
}

/* EXISTS; DEL, whose n is 1. */
static const char *run_exists(struct client *c)
{
    long long count = 0;
    for (size_t i = 1; i < c->count; i++) {
        struct entry *e = find(&keys, c->words[i]);
        count += e != NULL;
        if (e && c->command->n)
            entry_delete(e);
    }
    return say_number(c, ':', count);
}

/* EXPIRE, PEXPIRE: n is the unit, in milliseconds. PERSIST, whose n is 0. */
static const char *run_expire(struct client *c)
{
    int unit = c->command->n;
    long long at = 0;
    if (c->count > 3)
        return say_error(c, "ERR Unsupported option %.256s",
                         c->words[3]->bytes);
    const char *error =
        unit ? read_time(c->words[2], unit, LLONG_MIN / unit, &at) : NULL;
    if (error)
        return error;
    struct entry *e = find(&keys, c->words[1]);
    say_number(c, ':', e && (unit > 0 || e->expires));
    if (e && unit > 0 && at <= now())
        entry_delete(e);
    else if (e)
        expire(e, at);
    return NULL;
}

/* TTL, PTTL: n is the unit. */
static const char *run_ttl(struct client *c)
{
    const struct entry *e = find(&keys, c->words[1]);
    int unit = c->command->n;
    if (!e || !e->expires)
        return say_number(c, ':', e ? -1 : -2);
    long long left = e->expires - now();
    return say_number(c, ':', left > 0 ? (left + unit / 2) / unit : 0);
}

/* Adds keys to the words of a client until `most` keys were seen, or all keys.
 * Returns the next cursor, which is 0 after all keys. A bucket counts as a tenth
 * of a key. When uthash doubles its buckets, the keys of a bucket that was not
 * seen yet go to two buckets that were not seen yet. */
static unsigned add_keys(struct client *c, const struct word *pattern,
                         unsigned cursor, long long most)
{
    const UT_hash_table *table = keys ? keys->hh.tbl : NULL;
    unsigned buckets = table ? table->num_buckets : 1;
    bool all = !pattern || is(pattern, "*");
    long long tenths = 0, time = now();
    cursor %= buckets;
    do {
        UT_hash_handle *at = table ? table->buckets[cursor].hh_head : NULL;
        for (; at; at = at->hh_next, tenths += 10) {
            const struct entry *e = ELMT_FROM_HH(table, at);
            if ((!e->expires || e->expires > time) &&
                (all || matches(pattern, e->name->bytes, e->name->len)))
                add_word(c, word_share(e->name));
        }
        cursor = (cursor + 1) % buckets;
    } while (cursor != 0 && ++tenths / 10 < most);
    return cursor;
}

/* SCAN; KEYS, whose n is 1. */
static const char *run_scan(struct client *c)
{
    bool scans = !c->command->n;
    const struct word *pattern = scans ? NULL : c->words[1];
    long long first = 0, most = scans ? 10 : LLONG_MAX;
    size_t asked = c->count;
    if (scans && !is_number(c->words[1], &first))
        return "ERR invalid cursor";
    for (size_t i = 2; i < asked; i += 2) {
        if (i + 1 < asked && is(c->words[i], "match"))
            pattern = c->words[i + 1];
        else if (i + 1 == asked || !is(c->words[i], "count"))
            return SYNTAX;
        else if (!is_number(c->words[i + 1], &most))
            return NO_NUMBER;
        else if (most < 1)
            return SYNTAX;
    }
    unsigned cursor = add_keys(c, pattern, (unsigned)first, most);
    if (scans)
        asynchat_push_printf(c->ch, "*2\r\n$%d\r\n%u\r\n",
                             snprintf(NULL, 0, "%u", cursor), cursor);
    return say_words_from(c, asked);
}

/* DBSIZE; CLIENT ID, whose n is 1. */
static const char *run_dbsize(struct client *c)
{
    return say_number(c, ':', c->command->n ? c->id : HASH_COUNT(keys));
}

static const char *run_flushall(struct client *c)
{
    if (c->count > 2 || (c->count == 2 && !is(c->words[1], "sync") &&
                         !is(c->words[1], "async")))
        return SYNTAX;
    delete_all(&keys);
    return say(c, "+OK\r\n");
}

/* --- commands about topics: n is which table --- */

static const char *say_topic(struct client *c, struct word *name)
{
    unsigned listened = c->listens;
    const char *what = c->command->name;
    c->listens = HASH_COUNT(c->topics[0]) + HASH_COUNT(c->topics[1]);
    if (c->listens > 0 && listened == 0)
        DL_APPEND(listeners, c);
    if (c->listens == 0 && listened > 0)
        DL_DELETE(listeners, c);
    asynchat_set_output_limit(c->ch,
                              c->listens ? SUBSCRIBER_QUEUE_MOST : QUEUE_MOST);
    asynchat_push_printf(c->ch, "*3\r\n$%zu\r\n%s\r\n", strlen(what), what);
    say_word(c, name);
    return say_number(c, ':', c->listens);
}

static const char *run_subscribe(struct client *c)
{
    for (size_t i = 1; i < c->count; i++) {
        entry_of(&c->topics[c->command->n], c->words[i]);
        say_topic(c, c->words[i]);
    }
    return NULL;
}

/* Without a name: from all, whose names are added to the request. */
static const char *run_unsubscribe(struct client *c)
{
    struct entry **table = &c->topics[c->command->n];
    struct entry *e = c->count == 1 ? *table : NULL;
    for (; e; e = e->hh.next)
        add_word(c, word_share(e->name));
    if (c->count == 1)
        return say_topic(c, NULL);
    for (size_t i = 1; i < c->count; i++) {
        e = find(table, c->words[i]);
        if (e)
            entry_delete(e);
        say_topic(c, c->words[i]);
    }
    return NULL;
}

/* The bytes that listeners get: made once, and shared by all of them. Without
 * memory there are none, and the client that tells them ends. */
static struct asynchat_block *block_of(struct client *c, const char *head,
                                       struct word **words, size_t count)
{
    size_t len = strlen(head), room = len;
    for (size_t i = 0; i < count; i++)
        room += NUMBER_MOST + words[i]->len + 2;
    char *bytes = allocate(NULL, room), *to = bytes + len, text[NUMBER_MOST];
    memcpy(bytes, head, len);
    for (size_t i = 0; i < count; i++) {
        char *at = print_number(text, '$', (long long)words[i]->len);
        to = append_bytes(to, at, (size_t)(text + sizeof text - at));
        to = append_bytes(to, words[i]->bytes, words[i]->len);
        to = append_bytes(to, "\r\n", 2);
    }
    struct asynchat_block *block =
        asynchat_block_new(bytes, (size_t)(to - bytes));
    free(bytes);
    if (!block)
        asynchat_close(c->ch);
    return block;
}

/* Tells those that match a pattern; returns how many times. */
static int tell_by_pattern(struct client *c, struct client *l)
{
    int count = 0;
    struct word **words = c->words;
    for (struct entry *e = l->topics[PATTERNS]; e; e = e->hh.next) {
        if (!matches(e->name, words[1]->bytes, words[1]->len))
            continue;
        struct asynchat_block *block =
            block_of(c, "*4\r\n$8\r\npmessage\r\n",
                     (struct word *[]){e->name, words[1], words[2]}, 3);
        count += asynchat_push_shared(l->ch, block) != ASYNCHAT_ECLOSED;
        asynchat_block_free(block);
    }
    return count;
}

/* A push runs no callback, so the list stays as it is. A client that has said
 * QUIT refuses it. */
static const char *run_publish(struct client *c)
{
    long long count = 0;
    struct asynchat_block *block = NULL;
    for (struct client *l = listeners; l; l = l->next) {
        if (find(&l->topics[TOPICS], c->words[1])) {
            if (!block)
                block = block_of(c, "*3\r\n$7\r\nmessage\r\n", c->words + 1, 2);
            count += asynchat_push_shared(l->ch, block) != ASYNCHAT_ECLOSED;
        }
        count += tell_by_pattern(c, l);
    }
    asynchat_block_free(block);
    return say_number(c, ':', count);
}

/* --- commands about the server and the connection --- */

/* The settings that clients ask for; no setting can be changed. */
static const char *run_config_get(struct client *c)
{
    char limit[NUMBER_MOST];
    const char *all[][2] = {
        {"appendonly", "no"}, {"save", ""}, {"maxmemory", limit}};
    size_t asked = c->count;
    snprintf(limit, sizeof limit, "%lld", memory_limit);
    for (size_t k = 0; k < 3; k++) {
        size_t i = 2, len = strlen(all[k][0]);
        while (i < asked && !matches(c->words[i], all[k][0], len))
            i++;
        for (int j = 0; i < asked && j < 2; j++)
            add_word(c, word_new(all[k][j], strlen(all[k][j]), 0));
    }
    return say_words_from(c, asked);
}

static const char *run_info(struct client *c)
{
    char text[512];
    int len = snprintf(
        text, sizeof text,
        "# Server\r\nredis_version:" VERSION "\r\nredis_mode:standalone\r\n"
        "# Clients\r\nconnected_clients:%lld\r\n# Memory\r\n"
        "used_memory:%zu\r\nmaxmemory:%lld\r\n# Keyspace\r\n"
        "db0:keys=%u,expires=%lld\r\n",
        clients, memory_used, memory_limit, HASH_COUNT(keys), expiring);
    asynchat_push_printf(c->ch, "$%d\r\n%s\r\n", len, text);
    return NULL;
}

/* CLIENT GETNAME, CLIENT SETNAME */
static const char *run_client_name(struct client *c)
{
    if (c->count == 2)
        return say_word(c, c->name);
    struct word *name = c->words[2];
    for (size_t i = 0; i < name->len; i++)
        if (name->bytes[i] <= ' ' || name->bytes[i] > '~')
            return "ERR Client names cannot contain spaces, newlines or "
                   "special characters.";
    word_release(c->name);
    c->name = name->len > 0 ? word_share(name) : NULL;
    return say(c, "+OK\r\n");
}

static const char *run_select(struct client *c)
{
    long long n;
    if (!is_number(c->words[1], &n))
        return NO_NUMBER;
    return n == 0 ? say(c, "+OK\r\n") : "ERR DB index is out of range";
}

static const char *run_quit(struct client *c)
{
    say(c, "+OK\r\n");
    return goodbye(c);
}

static const char *run_hello(struct client *c)
{
    long long n = 2;
    if (c->count > 1 && !is_number(c->words[1], &n))
        return "ERR Protocol version is not an integer or out of range";
    if (n != 2)
        return "NOPROTO unsupported protocol version";
    if (c->count > 2)
        return say_error(c, "ERR Syntax error in HELLO option '%.256s'",
                         c->words[2]->bytes);
    say(c, "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n"
           "$6\r\n" VERSION "\r\n$5\r\nproto\r\n:2\r\n$2\r\nid\r\n");
    say_number(c, ':', c->id);
    return say(c, "$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n"
                  "$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n");
}

static const char *run_command(struct client *c);

/* --- which command a request is --- */

/* The flags of a command: it takes memory; a subscriber may use it; its
 * subcommands are below. */
enum { FILLS = 1, LISTENS = 2, GROUP = 4 };
static const struct command commands[] = {
    {"append", run_append, 3, FILLS, 1, 1, 0},
    {"client", NULL, -2, GROUP, 0, 0, 0},
    {"command", run_command, -1, GROUP, 0, 0, 0},
    {"config", NULL, -2, GROUP, 0, 0, 0},
    {"dbsize", run_dbsize, 1, 0, 0, 0, false},
    {"decr", run_incr, 2, FILLS, 1, 1, -1},
    {"del", run_exists, -2, 0, -1, 1, true},
    {"echo", run_ping, 2, 0, 0, 0, 0},
    {"exists", run_exists, -2, 0, -1, 1, false},
    {"expire", run_expire, -3, 0, 1, 1, 1000},
    {"flushall", run_flushall, -1, 0, 0, 0, 0},
    {"get", run_get, 2, 0, 1, 1, false},
    {"getset", run_mset, 3, FILLS, 1, 1, true},
    {"hello", run_hello, -1, 0, 0, 0, 0},
    {"incr", run_incr, 2, FILLS, 1, 1, 1},
    {"incrby", run_incr, 3, FILLS, 1, 1, 0},
    {"info", run_info, -1, 0, 0, 0, 0},
    {"keys", run_scan, 2, 0, 0, 0, true},
    {"mget", run_get, -2, 0, -1, 1, true},
    {"mset", run_mset, -3, FILLS, -1, 2, false},
    {"persist", run_expire, 2, 0, 1, 1, 0},
    {"pexpire", run_expire, -3, 0, 1, 1, 1},
    {"ping", run_ping, -1, LISTENS, 0, 0, 0},
    {"psubscribe", run_subscribe, -2, LISTENS | FILLS, 0, 0, PATTERNS},
    {"pttl", run_ttl, 2, 0, 1, 1, 1},
    {"publish", run_publish, 3, 0, 0, 0, 0},
    {"punsubscribe", run_unsubscribe, -1, LISTENS, 0, 0, PATTERNS},
    {"quit", run_quit, -1, LISTENS, 0, 0, 0},
    {"scan", run_scan, -2, 0, 0, 0, false},
    {"select", run_select, 2, 0, 0, 0, 0},
    {"set", run_set, -3, FILLS, 1, 1, 0},
    {"strlen", run_strlen, 2, 0, 1, 1, 0},
    {"subscribe", run_subscribe, -2, LISTENS | FILLS, 0, 0, TOPICS},
    {"ttl", run_ttl, 2, 0, 1, 1, 1000},
    {"unsubscribe", run_unsubscribe, -1, LISTENS, 0, 0, TOPICS},
};

static const struct command below[] = {
    {"client|getname", run_client_name, 2, 0, 0, 0, 0},
    {"client|id", run_dbsize, 2, 0, 0, 0, true},
    {"client|setname", run_client_name, 3, 0, 0, 0, 0},
    {"config|get", run_config_get, -3, 0, 0, 0, 0},
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const char *run_command(struct client *c)
{
    say_number(c, '*', COUNT(commands));
    for (const struct command *k = commands; k < commands + COUNT(commands);
         k++)
        asynchat_push_printf(
            c->ch, "*6\r\n$%zu\r\n%s\r\n:%d\r\n*0\r\n:%d\r\n:%d\r\n:%d\r\n",
            strlen(k->name), k->name, k->arity, k->last != 0, k->last, k->step);
    return NULL;
}

/* Ignores case: | 32 turns a capital into a small letter, and nothing else into
 * a letter. */
static int by_name(const void *name, const void *element)
{
    const unsigned char *a = name;
    const char *b = ((const struct command *)element)->name;
    while (*b && (*a | 32) == *b)
        a++, b++;
    return *a ? (*a | 32) - *b : -*b;
}

static const char *say_unknown(struct client *c)
{
    char args[160] = "";
    size_t len = 0;
    for (size_t i = 1; i < c->count && len < 128; i++)
        len += (size_t)snprintf(args + len, sizeof args - len, "'%.*s' ",
                                (int)(128 - len), c->words[i]->bytes);
    if (is(c->words[0], "post") || is(c->words[0], "host:"))
        asynchat_close(c->ch); /* a browser that was tricked into calling us */
    return say_error(
        c, "ERR unknown command '%.128s', with args beginning with: %s",
        c->words[0]->bytes, args);
}

static const char *run_request(struct client *c)
{
    const struct word *name = c->words[0];
    long long count = (long long)c->count;
    const struct command *command = bsearch(
        name->bytes, commands, COUNT(commands), sizeof *command, by_name);
    if (!command || strlen(command->name) != name->len)
        return say_unknown(c);
    if (command->flags & GROUP && count > 1) {
        const struct word *sub = c->words[1];
        char full[32];
        snprintf(full, sizeof full, "%s|%s", command->name, sub->bytes);
        command = bsearch(full, below, COUNT(below), sizeof *command, by_name);
        if (!command || strlen(command->name) != name->len + 1 + sub->len)
            return say_error(c, "ERR unknown subcommand '%.128s'. Try %s HELP.",
                             sub->bytes, name->bytes);
    }
    c->command = command;
    if (command->arity < 0 ? count < -command->arity : count != command->arity)
        return WRONG_COUNT;
    if (memory_limit && command->flags & FILLS &&
        memory_used - c->size > (unsigned long long)memory_limit)
        return "OOM command not allowed when used memory > 'maxmemory'.";
    if (c->listens > 0 && !(command->flags & LISTENS))
        return "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE "
               "/ PING / QUIT / RESET are allowed in this context";
    return command->run(c);
}

/* --- requests: NULL, or what is wrong with the protocol --- */

static const char *run(struct client *c)
{
    const char *error = run_request(c);
    if (error)
        say_error(c, error, c->command->name);
    drop_words(c);
    return c->stops ? goodbye(c) : NULL;
}

/* Reads an escape, behind a \ in double quotes, as a byte. Returns its last
 * character. */
static char *read_escape(char *at, char *byte)
{
    static const char names[] = "nrtba", bytes[] = "\n\r\t\b\a";
    const char *name = strchr(names, *at);
    *byte = name ? bytes[name - names] : *at;
    if (*at != 'x' || strspn(at + 1, "0123456789abcdefABCDEF") < 2)
        return at;
    *byte = (char)strtol((char[]){at[1], at[2], '\0'}, NULL, 16);
    return at + 2;
}

/* Reads a word: bare, 'in single quotes' or "in double quotes". Puts its meaning
 * in its place, up to *to. Returns where the word ends, or NULL if its quotes are
 * not balanced. */
static char *read_word(char *at, char **to)
{
    char quote = '\0';
    for (*to = at; *at && (quote || !strchr(" \n\r\t", *at)); at++) {
        if (!quote && (*at == '"' || *at == '\''))
            quote = *at;
        else if (quote && *at == quote)
            return strchr(BLANKS, at[1]) ? at + 1 : NULL;
        else if (quote == '"' && *at == '\\' && at[1])
            at = read_escape(at + 1, (*to)++);
        else if (quote && *at == '\\' && at[1] == '\'')
            *(*to)++ = *++at;
        else
            *(*to)++ = *at;
    }
    return quote ? NULL : at;
}

static const char *got_line(struct client *c, const char *bytes, size_t len)
{
    char line[LINE_MOST + 1], *at = line, *end;
    memcpy(line, bytes, len);
    line[len] = '\0';
    while (*(at += strspn(at, BLANKS))) {
        const char *word = at;
        at = read_word(at, &end);
        if (!at)
            return "unbalanced quotes in request";
        add_word(c, word_new(word, (size_t)(end - word), 0));
    }
    return c->count > 0 ? run(c) : NULL;
}

/* Reads "*2", or "$3" if an array is in progress. An empty array is no request.
 * Like Redis, this skips the line end behind a word without checking it. */
static const char *got_number(struct client *c, const char *line, size_t len)
{
    static char expected[] = "expected '$', got ' '";
    bool counts = c->expected <= 0;
    long long n, most = counts ? INT_MAX : WORD_MOST;
    expected[sizeof expected - 3] = len > 0 ? line[0] : ' ';
    if (!counts && (len == 0 || line[0] != '$'))
        return expected;
    if (len < 3 || line[len - 1] != '\r' ||
        !parse_number(line + 1, len - 2, &n) || n > most || (!counts && n < 0))
        return counts ? "invalid multibulk length" : "invalid bulk length";
    if (counts) {
        c->expected = n;
        return NULL;
    }
    if (c->size + sizeof(struct word) + (size_t)n > REQUEST_MOST)
        asynchat_close(c->ch);
    c->counted = true;
    asynchat_set_terminator_length(c->ch, (uint64_t)n + 2);
    asynchat_set_message_limit(c->ch, (size_t)n + 2);
    return NULL;
}

static void expect_line(struct client *c)
{
    if (asynchat_set_terminator(c->ch, "\n", 1)) /* no memory */
        asynchat_close(c->ch);
    asynchat_set_message_limit(c->ch, LINE_MOST);
    c->counted = false;
}

static const char *got_word(struct client *c, const char *bytes, size_t len)
{
    expect_line(c);
    add_word(c, word_new(bytes, len, 0));
    return (long long)c->count == c->expected ? run(c) : NULL;
}

/* --- the callbacks --- */

static const struct asynchat_options options = {
    .size = sizeof options,
    .message_limit = LINE_MOST,
    .output_limit = QUEUE_MOST,
    .low_mark = QUEUE_HIGH / 2,
    .high_mark = QUEUE_HIGH,
};

static void connected(struct asynchat_channel *ch, void *arg)
{
    struct client *c = allocate(NULL, sizeof *c);
    (void)arg;
    *c = (struct client){.ch = ch, .id = ++last_client_id};
    clients++;
    memory_used += sizeof *c;
    asynchat_set_arg(ch, c);
    asynchat_set_options(ch, &options);
    expect_line(c);
    asynchat_join(ch, ch); /* reading pauses while much is queued */
}

static void message(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    struct client *c = arg;
    const char *bytes = data, *error;
    (void)ch;
    if (c->counted)
        error = got_word(c, bytes, len - 2);
    else if (c->expected > 0 || (len > 0 && bytes[0] == '*'))
        error = got_number(c, bytes, len);
    else
        error = got_line(c, bytes, len);
    if (error) {
        say_error(c, "ERR Protocol error: %s", error);
        goodbye(c);
    }
}

static void failed(struct asynchat_channel *ch, int error, void *arg)
{
    struct client *c = arg;
    (void)ch;
    if (error == ASYNCHAT_ETOOLONG)
        say_error(c, "ERR Protocol error: too big %s",
                  c->expected > 0 ? "bulk count string" : "inline request");
}

/* The server waits for the rest of a line that has begun, and for the words of
 * an array, which belong together. */
static void stopping(struct asynchat_channel *ch, void *arg)
{
    struct client *c = arg;
    c->stops = true;
    if (c->expected <= 0)
        asynchat_close_between_messages(ch);
}

static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    struct client *c = arg;
    (void)ch, (void)status;
    if (c->listens > 0)
        DL_DELETE(listeners, c);
    delete_all(&c->topics[TOPICS]);
    delete_all(&c->topics[PATTERNS]);
    drop_words(c);
    free(c->words);
    word_release(c->name);
    free(c);
    clients--;
    memory_used -= sizeof *c;
}

static const struct asynchat_handler handler = {
    .size = sizeof handler,
    .handle_connect = connected,
    .message = message,
    .handle_error = failed,
    .handle_stopping = stopping,
    .handle_close = closed,
};

/* Deletes all keys, because their timers would keep the loop running. */
static void stopped(void *arg)
{
    (void)arg;
    if (clients == 0)
        delete_all(&keys);
}

static void listen_on(const char *kind, const char *where)
{
    char address[ASYNCHAT_ADDRESS_SIZE];
    struct asynchat_server *server;
    snprintf(address, sizeof address, "%s:%s", kind, where);
    require(asynchat_server_new(base, address, &handler, NULL, NULL, &server),
            address);
    for (int i = 0; i < 2; i++)
        require(asynchat_server_stop_on_signal(server, i ? SIGTERM : SIGINT,
                                               500, stopped, NULL),
                "signal");
    require(asynchat_server_address(server, address, sizeof address), where);
    if (printf("listening on %s\n", address) < 0 || fflush(stdout) != 0)
        require(-errno, "standard output");
}

int main(int argc, char **argv)
{
    const char *port = NULL, *path = NULL;
    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (value && strcmp(name, "--port") == 0) {
            port = value;
        } else if (value && strcmp(name, "--unix") == 0) {
            path = value;
        } else if (!value || strcmp(name, "--maxmemory") != 0 ||
                   !parse_number(value, strlen(value), &memory_limit) ||
                   memory_limit < 0) {
            fprintf(stderr, "usage: kv [--port N] [--unix PATH] "
                            "[--maxmemory BYTES]\n");
            return 1;
        }
    }
    require(sodium_init() < 0 ? -EIO : 0, "sodium_init");
    crypto_shorthash_keygen(secret);
    base = event_base_new();
    require(base ? 0 : -ENOMEM, "event_base_new");
    if (port || !path)
        listen_on("127.0.0.1", port ? port : "6379");
    if (path)
        listen_on("unix", path);
    int ran = event_base_dispatch(base);
    event_base_free(base);
    return ran < 0 ? 1 : 0;
}
