/* A server for the protocol of Redis (RESP2): kv [--port N] [--unix PATH]
 * [--maxmemory BYTES]
 *
 *     kv --port 7000 & redis-cli -p 7000 SET greeting hello
 *
 * A request is a line, "GET greeting", or an array: "*2", then for each word
 * its length, "$3", and so many bytes. So the terminator is a string, then a
 * number, then a string again, and where one read has a hundred requests it
 * changes hundreds of times inside it: see "requests". The tables are uthash's
 * (Debian: uthash-dev).
 *
 * It listens on 127.0.0.1:6379 unless told otherwise, on any free port if N is
 * 0, until SIGINT or SIGTERM; then requests that have begun are finished,
 * within half a second.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <event2/event.h>

#include <asynchat.h>

static unsigned hash(const void *bytes, size_t len);

#define HASH_FUNCTION(bytes, len, result) (result) = hash(bytes, len)
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#define VERSION "7.0.15" /* of Redis, whose answers these are */

/* Redis's limits, in bytes. */
#define LINE_MOST 65536
#define WORD_MOST (512LL << 20)
#define REQUEST_MOST (1ULL << 30)

/* A client that asks on and on and reads nothing is not heard while so much
 * waits for it, in bytes. It is that much since many a client sends all its
 * requests before it reads an answer. One that has the most waiting is given
 * up; a subscriber, whose queue others fill, sooner, as in Redis. */
#define QUEUE_HIGH (256u << 20)
#define QUEUE_LOW (QUEUE_HIGH / 2)
#define QUEUE_MOST (1u << 30)
#define SUBSCRIBER_QUEUE_MOST (32u << 20)

#define LARGE 16384    /* bytes that are rather counted than copied */
#define WORDS_KEPT 64  /* room for words that an idle client keeps */
#define NUMBER_MOST 24 /* bytes of one as text, its kind and line end too */

/* Counted bytes, and a NUL for where a string will do. A value may be in the
 * table and on its way to ten clients: a large one is sent from where it is. */
struct word {
    unsigned shares;
    size_t len, room;
    char bytes[];
};

/* A name: of a key, with its value, or of a topic (what Redis calls a channel)
 * or a pattern of topics, with who listens to it. */
enum { KEYS, TOPICS, PATTERNS };
struct entry {
    UT_hash_handle hh;
    int table;
    struct word *name, *value;
    long long expires; /* milliseconds since 1970, or 0 */
    struct event *timer;
    struct listener *listeners;
};

struct client {
    struct asynchat_channel *ch;
    long long id;
    struct word *name;
    long long expected; /* words of the array in progress; 0: none is */
    bool counted;       /* what comes is the bytes of a word */
    bool quits;         /* nothing more of it is heard */
    bool stops;         /* it ends with the request in progress */
    const struct command *command;
    struct word **words;
    size_t count, room;
    unsigned long long size; /* of the words, in bytes */
    struct listener *listens;
    long long topics; /* and patterns that it listens to */
};

struct listener {
    struct entry *topic;
    struct client *client;
    struct listener *prev, *next;    /* of the topic, */
    struct listener *before, *after; /* and of the client */
};

struct command {
    const char *name;
    int (*run)(struct client *c); /* 0, or an error that ends the client */
    int arity;                    /* words; if negative, at least so many */
    int flags;
    int last, step; /* of the words that are keys, from 1 on; 0: none is */
    int n;          /* what one of several with the same function does */
};

static struct event_base *base;
static struct entry *tables[3];
static long long clients, last_client_id, expiring;

/* In bytes, by all of these; not what libc and the library have beside it. Over
 * the limit, unless it is 0, what takes memory is refused. */
static unsigned long long memory_used, memory_limit;

/* --- the hash: SipHash-1-3 (Aumasson and Bernstein 2012) --- */

/* Chosen by chance: names come from strangers, who must not be able to choose
 * some that all go into one chain. */
static uint64_t secret[2];

#define ROTATE(x, by) ((x) << (by) | (x) >> (64 - (by)))

static inline void sip(uint64_t v[4], uint64_t word, int rounds)
{
    v[3] ^= word;
    while (rounds-- > 0) {
        v[0] += v[1], v[2] += v[3];
        v[1] = ROTATE(v[1], 13) ^ v[0], v[3] = ROTATE(v[3], 16) ^ v[2];
        v[0] = ROTATE(v[0], 32);
        v[2] += v[1], v[0] += v[3];
        v[1] = ROTATE(v[1], 17) ^ v[2], v[3] = ROTATE(v[3], 21) ^ v[0];
        v[2] = ROTATE(v[2], 32);
    }
    v[0] ^= word;
}

static unsigned hash(const void *bytes, size_t len)
{
    uint64_t v[4] = {
        secret[0] ^ 0x736f6d6570736575, secret[1] ^ 0x646f72616e646f6d,
        secret[0] ^ 0x6c7967656e657261, secret[1] ^ 0x7465646279746573};
    const unsigned char *at = bytes, *end = at + len;
    uint64_t word;
    for (; end - at >= 8; at += 8) {
        memcpy(&word, at, 8);
        sip(v, word, 1);
    }
    word = (uint64_t)len << 56;
    for (int i = 0; at < end; i += 8)
        word |= (uint64_t)*at++ << i;
    sip(v, word, 1);
    v[2] ^= 0xff;
    sip(v, 0, 3);
    return (unsigned)(v[0] ^ v[1] ^ v[2] ^ v[3]);
}

/* --- numbers and patterns, as Redis has them --- */

/* Only what print_number() would write: no spaces, no "+1", no "01". */
static bool parse_number(const char *text, size_t len, long long *n)
{
    const char *end = text + len;
    bool negative = len > 1 && *text == '-';
    unsigned long long value = 0;
    unsigned long long most = (unsigned long long)LLONG_MAX + negative;
    text += negative;
    if (text == end || (*text == '0' && (negative || end - text > 1)))
        return false;
    for (; text < end; text++) {
        unsigned digit = (unsigned char)*text - '0';
        if (digit > 9 || value > (most - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *n = (long long)(negative ? 0 - value : value);
    return true;
}

/* Writes it up to `end`; where it begins. */
static char *print_number(char *end, long long n)
{
    unsigned long long value = (unsigned long long)n;
    if (n < 0)
        value = 0 - value;
    do
        *--end = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    if (n < 0)
        *--end = '-';
    return end;
}

/* Whether what a pattern begins with, ? [a-z] [^a-z] \x or x, matches a byte;
 * reads it. A class without an end ends where the pattern does. */
static bool matches_byte(const char **pattern, const char *end, char byte)
{
    const char *at = (*pattern)++;
    bool none, found = false;
    if (*at == '\\' && *pattern < end)
        return *(*pattern)++ == byte;
    if (*at != '[')
        return *at == '?' || *at == byte;
    none = ++at < end && *at == '^';
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

/* Only the last * is ever tried anew: so it takes no more steps than the one
 * length times the other. (In Redis no * matches an empty name.) */
static bool matches(const struct word *w, const char *name, size_t len)
{
    const char *pattern = w->bytes, *end = pattern + w->len;
    const char *stop = name + len, *star = NULL, *retry = NULL;
    if (len == 0)
        return w->len == 0;
    while (name < stop || (pattern < end && *pattern == '*')) {
        const char *at = pattern;
        if (at < end && *at == '*') {
            star = ++pattern;
            retry = name;
        } else if (at < end && matches_byte(&at, end, *name)) {
            pattern = at;
            name++;
        } else if (star) {
            pattern = star;
            name = ++retry;
        } else {
            return false;
        }
    }
    return pattern == end;
}

/* --- words --- */

/* Of these bytes, with room for more; NULL for want of memory. */
static struct word *word_new(const char *bytes, size_t len, size_t room)
{
    struct word *w = malloc(sizeof *w + room + 1);
    if (!w)
        return NULL;
    *w = (struct word){.shares = 1, .len = len, .room = room};
    memcpy(w->bytes, bytes, len);
    w->bytes[len] = '\0';
    memory_used += sizeof *w + room;
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

/* Whether it is `text`, in any case. */
static bool is(const struct word *w, const char *text)
{
    return w->len == strlen(text) && strcasecmp(w->bytes, text) == 0;
}

/* One more word of a request, or of what is to be said. Takes the word; NULL is
 * want of memory. */
static int add_word(struct client *c, struct word *w)
{
    if (w && c->count == c->room) {
        size_t room = c->room * 2 + 8;
        struct word **more = realloc(c->words, room * sizeof(struct word *));
        c->room = more ? room : c->room;
        c->words = more ? more : c->words;
    }
    if (!w || c->count == c->room) {
        word_release(w);
        return -ENOMEM;
    }
    c->words[c->count++] = w;
    c->size += sizeof *w + w->room;
    return 0;
}

/* The request is done. */
static void drop_words(struct client *c)
{
    while (c->count > 0)
        word_release(c->words[--c->count]);
    c->expected = c->size = 0;
    if (c->room > WORDS_KEPT) {
        free(c->words);
        c->words = NULL;
        c->room = 0;
    }
}

/* --- answers: each gives 0, or the error that has ended the client --- */

/* When what was said is sent. */
static int goodbye(struct client *c)
{
    c->quits = true;
    return asynchat_close_when_done(c->ch);
}

/* One that memory is short for is closed; the others go on. One that was told
 * goodbye is refused more, and that is all. */
static int check(struct client *c, int error)
{
    if (error && error != ASYNCHAT_ECLOSED) {
        c->quits = true;
        asynchat_close(c->ch);
    }
    return error;
}

static int say_bytes(struct client *c, const void *bytes, size_t len)
{
    return check(c, asynchat_push(c->ch, bytes, len));
}

static inline int say(struct client *c, const char *text)
{
    return say_bytes(c, text, strlen(text));
}

/* A number with what it is of: ":5", "$5", "*5". */
static int say_number(struct client *c, char kind, long long n)
{
    char text[NUMBER_MOST], *end = text + sizeof text;
    char *at = print_number(end - 2, n);
    *--at = kind;
    memcpy(end - 2, "\r\n", 2);
    return say_bytes(c, at, (size_t)(end - at));
}

static int say_bulk(struct client *c, const char *text)
{
    say_number(c, '$', (long long)strlen(text));
    say(c, text);
    return say(c, "\r\n");
}

/* NULL is none. A share of a large one is the channel's, until it is sent,
 * dropped, or refused. */
static int say_word(struct client *c, struct word *w)
{
    if (!w)
        return say(c, "$-1\r\n");
    say_number(c, '$', (long long)w->len);
    if (w->len < LARGE)
        say_bytes(c, w->bytes, w->len);
    else
        check(c, asynchat_push_reference(c->ch, w->bytes, w->len, word_sent,
                                         word_share(w)));
    return say(c, "\r\n");
}

/* Those that were added behind the request. */
static int say_words_from(struct client *c, size_t first)
{
    say_number(c, '*', (long long)(c->count - first));
    for (size_t i = first; i < c->count; i++)
        say_word(c, c->words[i]);
    return 0;
}

/* One line, whatever a client has put into it. */
static int say_error(struct client *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int say_error(struct client *c, const char *format, ...)
{
    char text[512] = "-";
    va_list args;
    va_start(args, format);
    vsnprintf(text + 1, sizeof text - 1, format, args);
    va_end(args);
    for (char *at = text; *at; at++)
        if (*at == '\r' || *at == '\n')
            *at = ' ';
    say(c, text);
    return say(c, "\r\n");
}

static int say_wrong_count(struct client *c)
{
    return say_error(c, "ERR wrong number of arguments for '%s' command",
                     c->command->name);
}

/* False: it is none, which was said. */
static bool read_number(struct client *c, const struct word *w, long long *n)
{
    if (parse_number(w->bytes, w->len, n))
        return true;
    say_error(c, "ERR value is not an integer or out of range");
    return false;
}

/* --- entries --- */

/* In milliseconds since 1970. */
static long long now(void)
{
    struct timeval t;
    evutil_gettimeofday(&t, NULL);
    return (long long)t.tv_sec * 1000 + t.tv_usec / 1000;
}

static void entry_delete(struct entry *e)
{
    HASH_DELETE(hh, tables[e->table], e);
    if (e->timer)
        event_free(e->timer);
    expiring -= e->expires != 0;
    word_release(e->name);
    word_release(e->value);
    free(e);
    memory_used -= sizeof *e;
}

static void expired(evutil_socket_t fd, short what, void *e)
{
    (void)fd, (void)what;
    entry_delete(e);
}

/* It is deleted at that time; 0 is never. */
static int expire(struct entry *e, long long at)
{
    if (e->timer)
        event_free(e->timer);
    expiring += (at != 0) - (e->expires != 0);
    e->timer = NULL;
    e->expires = at;
    if (at == 0)
        return 0;
    long long left = at - now();
    struct timeval tv = {.tv_sec = (time_t)(left / 1000),
                         .tv_usec = (suseconds_t)(left % 1000 * 1000)};
    e->timer = evtimer_new(base, expired, e);
    return e->timer && event_add(e->timer, &tv) == 0 ? 0 : -ENOMEM;
}

/* NULL: there is none, or its time is over, and its timer's turn may not have
 * come yet. */
static struct entry *find(int table, const struct word *name)
{
    struct entry *e;
    HASH_FIND(hh, tables[table], name->bytes, (unsigned)name->len, e);
    if (!e || !e->expires || e->expires > now())
        return e;
    entry_delete(e);
    return NULL;
}

/* The one of that name, which is made if there is none; NULL for want of
 * memory. */
static struct entry *entry_of(int table, struct word *name)
{
    struct entry *e = find(table, name);
    if (!e)
        e = calloc(1, sizeof *e);
    if (!e || e->name)
        return e;
    HASH_ADD_KEYPTR(hh, tables[table], name->bytes, (unsigned)name->len, e);
    if (!e->hh.tbl) {
        free(e);
        return NULL;
    }
    e->table = table;
    e->name = word_share(name);
    memory_used += sizeof *e;
    return e;
}

/* What `e` is, or the entry of the key where it is NULL, has this value. Takes
 * the value; NULL is want of memory, and is answered with NULL. */
static struct entry *store(struct entry *e, struct word *key,
                           struct word *value)
{
    if (!e && value)
        e = entry_of(KEYS, key);
    if (!e || !value) {
        word_release(value);
        return NULL;
    }
    word_release(e->value);
    e->value = value;
    return e;
}

static struct word *value_of(const struct word *key)
{
    struct entry *e = find(KEYS, key);
    return e ? e->value : NULL;
}

static void delete_keys(void)
{
    while (tables[KEYS])
        entry_delete(tables[KEYS]);
}

/* Adds keys to the words of a client, until so many were seen, or all were; the
 * cursor is 0 then. Of empty buckets ten are enough for each. A cursor stays
 * right as the table grows, for uthash's buckets are doubled: what is in one
 * that is to come is then in two that are to come. */
static int add_keys(struct client *c, const struct word *pattern,
                    unsigned *cursor, long long most)
{
    UT_hash_table *table = tables[KEYS] ? tables[KEYS]->hh.tbl : NULL;
    unsigned buckets = table ? table->num_buckets : 1;
    bool all = !pattern || is(pattern, "*");
    long long seen = 0, visited = 0, time = now();
    *cursor %= buckets;
    do {
        UT_hash_handle *at = table ? table->buckets[*cursor].hh_head : NULL;
        for (; at; at = at->hh_next, seen++) {
            const struct entry *e = ELMT_FROM_HH(table, at);
            if ((!e->expires || e->expires > time) &&
                (all || matches(pattern, e->name->bytes, e->name->len)) &&
                add_word(c, word_share(e->name)))
                return -ENOMEM;
        }
        *cursor = (*cursor + 1) % buckets;
    } while (*cursor != 0 && seen < most && ++visited / 10 < most);
    return 0;
}

/* --- listeners --- */

/* Looks on both lists at once, so it is as fast as on the shorter. */
static struct listener *find_listener(const struct client *c,
                                      const struct entry *topic)
{
    struct listener *a = topic->listeners, *b = c->listens;
    for (; a && b; a = a->next, b = b->after)
        if (a->client == c || b->topic == topic)
            return a->client == c ? a : b;
    return NULL;
}

static void count_topics(struct client *c, int more)
{
    c->topics += more;
    check(c, asynchat_set_output_limit(c->ch, c->topics ? SUBSCRIBER_QUEUE_MOST
                                                        : QUEUE_MOST));
}

/* A topic that nobody listens to is none. */
static void tidy(struct entry *topic)
{
    if (!topic->listeners)
        entry_delete(topic);
}

static int listen_to(struct client *c, struct entry *topic)
{
    struct listener *l = malloc(sizeof *l);
    if (!l) {
        tidy(topic);
        return -ENOMEM;
    }
    l->topic = topic;
    l->client = c;
    DL_APPEND(topic->listeners, l);
    DL_APPEND2(c->listens, l, before, after);
    memory_used += sizeof *l;
    count_topics(c, 1);
    return 0;
}

static void listen_no_more(struct listener *l)
{
    DL_DELETE(l->topic->listeners, l);
    DL_DELETE2(l->client->listens, l, before, after);
    memory_used -= sizeof *l;
    count_topics(l->client, -1);
    tidy(l->topic);
    free(l);
}

/* --- commands about values --- */

/* PING, ECHO */
static int run_ping(struct client *c)
{
    struct word *text = c->count > 1 ? c->words[1] : NULL;
    if (c->count > 2)
        return say_wrong_count(c);
    if (c->topics == 0)
        return text ? say_word(c, text) : say(c, "+PONG\r\n");
    say(c, "*2\r\n$4\r\npong\r\n");
    return text ? say_word(c, text) : say_bulk(c, "");
}

/* When that is, of so many units from now, `least` or more. False: never, which
 * was said. */
static bool read_time(struct client *c, const struct word *w, int unit,
                      long long least, long long *at)
{
    long long n, from = now();
    if (!read_number(c, w, &n))
        return false;
    if (n < least || n > (LLONG_MAX - from) / unit) {
        say_error(c, "ERR invalid expire time in '%s' command",
                  c->command->name);
        return false;
    }
    *at = n * unit + from;
    return true;
}

static int run_set(struct client *c)
{
    const struct word *expiry = NULL;
    bool nx = false, xx = false;
    long long at = 0;
    int unit = 0;
    for (size_t i = 3; i < c->count; i++) {
        const struct word *option = c->words[i];
        int ms = is(option, "ex") ? 1000 : is(option, "px");
        if (is(option, "nx") && !xx)
            nx = true;
        else if (is(option, "xx") && !nx)
            xx = true;
        else if (ms && (!unit || unit == ms) && ++i < c->count)
            unit = ms, expiry = c->words[i];
        else
            return say_error(c, "ERR syntax error");
    }
    if (expiry && !read_time(c, expiry, unit, 1, &at))
        return 0;
    if ((nx || xx) && (find(KEYS, c->words[1]) != NULL) == nx)
        return say_word(c, NULL);
    struct entry *e = store(NULL, c->words[1], word_share(c->words[2]));
    return e && !expire(e, at) ? say(c, "+OK\r\n") : -ENOMEM;
}

/* GET; MGET, whose n is 1. */
static int run_get(struct client *c)
{
    if (c->command->n)
        say_number(c, '*', (long long)c->count - 1);
    for (size_t i = 1; i < c->count; i++)
        say_word(c, value_of(c->words[i]));
    return 0;
}

/* MSET; GETSET, whose n is 1. */
static int run_mset(struct client *c)
{
    bool get = c->command->n;
    if (c->count % 2 == 0)
        return say_wrong_count(c);
    if (get)
        say_word(c, value_of(c->words[1]));
    for (size_t i = 1; i < c->count; i += 2) {
        struct entry *e = store(NULL, c->words[i], word_share(c->words[i + 1]));
        if (!e || expire(e, 0))
            return -ENOMEM;
    }
    return get ? 0 : say(c, "+OK\r\n");
}

static int run_strlen(struct client *c)
{
    const struct word *w = value_of(c->words[1]);
    return say_number(c, ':', w ? (long long)w->len : 0);
}

/* What grows doubles its room. One who is being sent it has the length that it
 * had. */
static int run_append(struct client *c)
{
    struct word *w = value_of(c->words[1]), *more = c->words[2];
    size_t old = w ? w->len : 0, len = old + more->len;
    if ((long long)len > WORD_MOST)
        return say_error(c, "ERR string exceeds maximum allowed size "
                            "(proto-max-bulk-len)");
    if (!w || len > w->room) {
        w = word_new(w ? w->bytes : "", old, w ? len * 2 : len);
        if (!store(NULL, c->words[1], w))
            return -ENOMEM;
    }
    memcpy(w->bytes + old, more->bytes, more->len + 1);
    w->len = len;
    return say_number(c, ':', (long long)len);
}

/* INCR, DECR: by n. INCRBY: by a word. */
static int run_incr(struct client *c)
{
    struct entry *e = find(KEYS, c->words[1]);
    long long n = 0, by = c->command->n;
    char text[NUMBER_MOST], *end = text + sizeof text, *at;
    if ((e && !read_number(c, e->value, &n)) ||
        (by == 0 && !read_number(c, c->words[2], &by)))
        return 0;
    if (by > 0 ? n > LLONG_MAX - by : n < LLONG_MIN - by)
        return say_error(c, "ERR increment or decrement would overflow");
    at = print_number(end, n + by);
    size_t len = (size_t)(end - at);
    if (!store(e, c->words[1], word_new(at, len, len)))
        return -ENOMEM;
    return say_number(c, ':', n + by);
}

/* --- commands about keys --- */

/* EXISTS; DEL, whose n is 1. */
static int run_exists(struct client *c)
{
    long long count = 0;
    for (size_t i = 1; i < c->count; i++) {
        struct entry *e = find(KEYS, c->words[i]);
        count += e != NULL;
        if (e && c->command->n)
            entry_delete(e);
    }
    return say_number(c, ':', count);
}

/* EXPIRE, PEXPIRE: n is the unit, in milliseconds. */
static int run_expire(struct client *c)
{
    int unit = c->command->n;
    long long at;
    if (c->count > 3)
        return say_error(c, "ERR Unsupported option %.256s",
                         c->words[3]->bytes);
    if (!read_time(c, c->words[2], unit, LLONG_MIN / unit, &at))
        return 0;
    struct entry *e = find(KEYS, c->words[1]);
    say_number(c, ':', e != NULL);
    if (e && at > now())
        return expire(e, at);
    if (e)
        entry_delete(e);
    return 0;
}

/* TTL, PTTL: n is the unit. */
static int run_ttl(struct client *c)
{
    const struct entry *e = find(KEYS, c->words[1]);
    int unit = c->command->n;
    if (!e || !e->expires)
        return say_number(c, ':', e ? -1 : -2);
    return say_number(c, ':', (e->expires - now() + unit / 2) / unit);
}

static int run_persist(struct client *c)
{
    struct entry *e = find(KEYS, c->words[1]);
    say_number(c, ':', e && e->expires);
    return e ? expire(e, 0) : 0;
}

static int run_keys(struct client *c)
{
    unsigned cursor = 0;
    int error = add_keys(c, c->words[1], &cursor, LLONG_MAX);
    return error ? error : say_words_from(c, 2);
}

static int run_scan(struct client *c)
{
    const struct word *pattern = NULL, *first = c->words[1];
    long long n, most = 10;
    size_t asked = c->count;
    char text[NUMBER_MOST];
    if (!parse_number(first->bytes, first->len, &n))
        return say_error(c, "ERR invalid cursor");
    for (size_t i = 2; i < asked; i += 2) {
        if (i + 1 < asked && is(c->words[i], "match"))
            pattern = c->words[i + 1];
        else if (i + 1 == asked || !is(c->words[i], "count"))
            return say_error(c, "ERR syntax error");
        else if (!read_number(c, c->words[i + 1], &most))
            return 0;
        else if (most < 1)
            return say_error(c, "ERR syntax error");
    }
    unsigned cursor = (unsigned)n;
    if (add_keys(c, pattern, &cursor, most))
        return -ENOMEM;
    snprintf(text, sizeof text, "%u", cursor);
    say(c, "*2\r\n");
    say_bulk(c, text);
    return say_words_from(c, asked);
}

static int run_dbsize(struct client *c)
{
    return say_number(c, ':', HASH_COUNT(tables[KEYS]));
}

static int run_flushall(struct client *c)
{
    if (c->count > 2 || (c->count == 2 && !is(c->words[1], "sync") &&
                         !is(c->words[1], "async")))
        return say_error(c, "ERR syntax error");
    delete_keys();
    return say(c, "+OK\r\n");
}

/* --- commands about topics: n is which table --- */

static int say_topic(struct client *c, struct word *name)
{
    say(c, "*3\r\n");
    say_bulk(c, c->command->name);
    say_word(c, name);
    return say_number(c, ':', c->topics);
}

static int run_subscribe(struct client *c)
{
    for (size_t i = 1; i < c->count && !c->quits; i++) {
        struct entry *topic = entry_of(c->command->n, c->words[i]);
        if (!topic || (!find_listener(c, topic) && listen_to(c, topic)))
            return -ENOMEM;
        say_topic(c, c->words[i]);
    }
    return 0;
}

/* From all without a name, which are added to the request. */
static int run_unsubscribe(struct client *c)
{
    int table = c->command->n;
    struct listener *l = c->count == 1 ? c->listens : NULL;
    for (; l; l = l->after)
        if (l->topic->table == table && add_word(c, word_share(l->topic->name)))
            return -ENOMEM;
    if (c->count == 1)
        return say_topic(c, NULL);
    for (size_t i = 1; i < c->count; i++) {
        struct entry *topic = find(table, c->words[i]);
        l = topic ? find_listener(c, topic) : NULL;
        if (l)
            listen_no_more(l);
        say_topic(c, c->words[i]);
    }
    return 0;
}

/* To all that listen to a topic; how many they are. A push runs no callback, so
 * the list stays as it is. */
static long long publish(struct entry *topic, struct word **words)
{
    bool is_pattern = topic->table == PATTERNS;
    long long count = 0;
    for (struct listener *l = topic->listeners; l; l = l->next, count++) {
        struct client *c = l->client;
        say(c, is_pattern ? "*4\r\n$8\r\npmessage\r\n"
                          : "*3\r\n$7\r\nmessage\r\n");
        if (is_pattern)
            say_word(c, topic->name);
        say_word(c, words[1]);
        say_word(c, words[2]);
    }
    return count;
}

static int run_publish(struct client *c)
{
    const struct word *name = c->words[1];
    struct entry *topic = find(TOPICS, name);
    long long count = topic ? publish(topic, c->words) : 0;
    for (topic = tables[PATTERNS]; topic; topic = topic->hh.next)
        if (matches(topic->name, name->bytes, name->len))
            count += publish(topic, c->words);
    return say_number(c, ':', count);
}

/* --- commands about the server and the connection --- */

/* Those that clients ask for; nothing can be changed. */
static int run_config_get(struct client *c)
{
    char limit[NUMBER_MOST];
    const char *all[][2] = {
        {"appendonly", "no"}, {"save", ""}, {"maxmemory", limit}};
    size_t asked = c->count;
    snprintf(limit, sizeof limit, "%llu", memory_limit);
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        size_t i = 2, len = strlen(all[k][0]), size = strlen(all[k][1]);
        while (i < asked && !matches(c->words[i], all[k][0], len))
            i++;
        if (i < asked && (add_word(c, word_new(all[k][0], len, len)) ||
                          add_word(c, word_new(all[k][1], size, size))))
            return -ENOMEM;
    }
    return say_words_from(c, asked);
}

static int run_info(struct client *c)
{
    char text[512];
    snprintf(text, sizeof text,
             "# Server\r\nredis_version:%s\r\nredis_mode:standalone\r\n"
             "asynchat_version:%s\r\n\r\n# Clients\r\n"
             "connected_clients:%lld\r\n\r\n# Memory\r\nused_memory:%llu\r\n"
             "maxmemory:%llu\r\n\r\n# Keyspace\r\n"
             "db0:keys=%u,expires=%lld\r\n",
             VERSION, asynchat_version(), clients, memory_used, memory_limit,
             HASH_COUNT(tables[KEYS]), expiring);
    return say_bulk(c, text);
}

static int run_client_id(struct client *c)
{
    return say_number(c, ':', c->id);
}

static int run_client_getname(struct client *c)
{
    return say_word(c, c->name);
}

static int run_client_setname(struct client *c)
{
    struct word *name = c->words[2];
    for (size_t i = 0; i < name->len; i++)
        if (name->bytes[i] <= ' ' || name->bytes[i] > '~')
            return say_error(c, "ERR Client names cannot contain spaces, "
                                "newlines or special characters.");
    word_release(c->name);
    c->name = name->len > 0 ? word_share(name) : NULL;
    return say(c, "+OK\r\n");
}

static int run_select(struct client *c)
{
    long long n;
    if (!read_number(c, c->words[1], &n))
        return 0;
    return n == 0 ? say(c, "+OK\r\n")
                  : say_error(c, "ERR DB index is out of range");
}

static int run_quit(struct client *c)
{
    say(c, "+OK\r\n");
    return goodbye(c);
}

/* A browser that was told to talk to us begins with one of these. */
static int run_foreign(struct client *c)
{
    (void)c;
    return -EPROTO;
}

static int run_hello(struct client *c)
{
    const struct word *version = c->count > 1 ? c->words[1] : NULL;
    long long n = 2;
    if (version && !parse_number(version->bytes, version->len, &n))
        return say_error(c, "ERR Protocol version is not an integer or out of "
                            "range");
    if (n != 2)
        return say_error(c, "NOPROTO unsupported protocol version");
    if (c->count > 2)
        return say_error(c, "ERR Syntax error in HELLO option '%.256s'",
                         c->words[2]->bytes);
    say(c, "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n");
    say_bulk(c, VERSION);
    say(c, "$5\r\nproto\r\n:2\r\n$2\r\nid\r\n");
    say_number(c, ':', c->id);
    return say(c, "$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n"
                  "$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n");
}

static int run_command(struct client *c);

/* --- which command a request is --- */

enum {
    FILLS = 1,   /* takes memory */
    LISTENS = 2, /* allowed to a subscriber */
    GROUP = 4,   /* those behind it are below it, */
    BELOW = 8,   /* as these are */
    HIDDEN = 16, /* no command of its own; so are those below */
};

/* In order. */
static const struct command commands[] = {
    {"append", run_append, 3, FILLS, 1, 1, 0},
    {"client", NULL, -2, GROUP, 0, 0, 0},
    {"client|getname", run_client_getname, 2, BELOW, 0, 0, 0},
    {"client|id", run_client_id, 2, BELOW, 0, 0, 0},
    {"client|setname", run_client_setname, 3, BELOW, 0, 0, 0},
    {"command", run_command, -1, GROUP, 0, 0, 0},
    {"config", NULL, -2, GROUP, 0, 0, 0},
    {"config|get", run_config_get, -3, BELOW, 0, 0, 0},
    {"dbsize", run_dbsize, 1, 0, 0, 0, 0},
    {"decr", run_incr, 2, FILLS, 1, 1, -1},
    {"del", run_exists, -2, 0, -1, 1, true},
    {"echo", run_ping, 2, 0, 0, 0, 0},
    {"exists", run_exists, -2, 0, -1, 1, false},
    {"expire", run_expire, -3, 0, 1, 1, 1000},
    {"flushall", run_flushall, -1, 0, 0, 0, 0},
    {"get", run_get, 2, 0, 1, 1, false},
    {"getset", run_mset, 3, FILLS, 1, 1, true},
    {"hello", run_hello, -1, 0, 0, 0, 0},
    {"host:", run_foreign, -1, LISTENS | HIDDEN, 0, 0, 0},
    {"incr", run_incr, 2, FILLS, 1, 1, 1},
    {"incrby", run_incr, 3, FILLS, 1, 1, 0},
    {"info", run_info, -1, 0, 0, 0, 0},
    {"keys", run_keys, 2, 0, 0, 0, 0},
    {"mget", run_get, -2, 0, -1, 1, true},
    {"mset", run_mset, -3, FILLS, -1, 2, false},
    {"persist", run_persist, 2, 0, 1, 1, 0},
    {"pexpire", run_expire, -3, 0, 1, 1, 1},
    {"ping", run_ping, -1, LISTENS, 0, 0, 0},
    {"post", run_foreign, -1, LISTENS | HIDDEN, 0, 0, 0},
    {"psubscribe", run_subscribe, -2, LISTENS | FILLS, 0, 0, PATTERNS},
    {"pttl", run_ttl, 2, 0, 1, 1, 1},
    {"publish", run_publish, 3, 0, 0, 0, 0},
    {"punsubscribe", run_unsubscribe, -1, LISTENS, 0, 0, PATTERNS},
    {"quit", run_quit, -1, LISTENS, 0, 0, 0},
    {"scan", run_scan, -2, 0, 0, 0, 0},
    {"select", run_select, 2, 0, 0, 0, 0},
    {"set", run_set, -3, FILLS, 1, 1, 0},
    {"strlen", run_strlen, 2, 0, 1, 1, 0},
    {"subscribe", run_subscribe, -2, LISTENS | FILLS, 0, 0, TOPICS},
    {"ttl", run_ttl, 2, 0, 1, 1, 1000},
    {"unsubscribe", run_unsubscribe, -1, LISTENS, 0, 0, TOPICS},
};

#define COMMANDS (sizeof commands / sizeof *commands)

static int run_command(struct client *c)
{
    const struct command *at, *end = commands + COMMANDS;
    long long count = 0;
    for (at = commands; at < end; at++)
        count += !(at->flags & (BELOW | HIDDEN));
    say_number(c, '*', count);
    for (at = commands; at < end; at++) {
        if (at->flags & (BELOW | HIDDEN))
            continue;
        say(c, "*6\r\n");
        say_bulk(c, at->name);
        say_number(c, ':', at->arity);
        say(c, "*0\r\n"); /* flags; then the words that are keys */
        say_number(c, ':', at->last != 0);
        say_number(c, ':', at->last);
        say_number(c, ':', at->step);
    }
    return 0;
}

/* In any case: | 32 makes a capital a small letter, and nothing else one. */
static int by_name(const void *name, const void *element)
{
    const unsigned char *a = name;
    const char *b = ((const struct command *)element)->name;
    while (*b && (*a | 32) == *b)
        a++, b++;
    return *a ? (*a | 32) - *b : -*b;
}

static int say_unknown(struct client *c)
{
    char args[160] = "";
    size_t len = 0;
    for (size_t i = 1; i < c->count && len < 128; i++)
        len += (size_t)snprintf(args + len, sizeof args - len, "'%.*s' ",
                                (int)(128 - len), c->words[i]->bytes);
    return say_error(c,
                     "ERR unknown command '%.128s', with args beginning "
                     "with: %s",
                     c->words[0]->bytes, args);
}

/* The command of a request; NULL, which was said, if there is none. */
static const struct command *command_of(struct client *c)
{
    const struct word *name = c->words[0];
    const struct command *command, *below;
    command =
        bsearch(name->bytes, commands, COMMANDS, sizeof *command, by_name);
    if (!command || command->flags & BELOW ||
        strlen(command->name) != name->len) {
        say_unknown(c);
        return NULL;
    }
    if (!(command->flags & GROUP) || c->count == 1)
        return command;
    for (below = command + 1; below->flags & BELOW; below++)
        if (is(c->words[1], strchr(below->name, '|') + 1))
            return below;
    say_error(c, "ERR unknown subcommand '%.128s'. Try %s HELP.",
              c->words[1]->bytes, name->bytes);
    return NULL;
}

static int run_request(struct client *c)
{
    const struct command *command = c->command = command_of(c);
    long long count = (long long)c->count;
    if (!command)
        return 0;
    if (command->arity < 0 ? count < -command->arity : count != command->arity)
        return say_wrong_count(c);
    if (memory_limit && command->flags & FILLS &&
        memory_used - c->size > memory_limit)
        return say_error(c, "OOM command not allowed when used memory > "
                            "'maxmemory'.");
    if (c->topics > 0 && !(command->flags & LISTENS))
        return say_error(c,
                         "ERR Can't execute '%s': only (P|S)SUBSCRIBE / "
                         "(P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed "
                         "in this context",
                         command->name);
    return command->run(c);
}

/* --- requests --- */

static void run(struct client *c)
{
    check(c, run_request(c));
    drop_words(c);
    if (c->stops && !c->quits)
        goodbye(c);
    else if (asynchat_get_queued(c->ch) > QUEUE_HIGH)
        asynchat_pause_reading(c->ch);
}

static void say_protocol_error(struct client *c, const char *what)
{
    say_error(c, "ERR Protocol error: %s", what);
    goodbye(c);
}

static bool is_blank(char byte)
{
    return byte == '\0' || isspace((unsigned char)byte);
}

/* What is behind a \ in double quotes stands for a byte; its last byte. */
static const char *read_escape(const char *at, const char *end, char *byte)
{
    static const char names[] = "nrtba", bytes[] = "\n\r\t\b\a";
    const char *name = strchr(names, *at);
    *byte = name ? bytes[name - names] : *at;
    if (*at != 'x' || end - at < 3 || !isxdigit((unsigned char)at[1]) ||
        !isxdigit((unsigned char)at[2]))
        return at;
    *byte = (char)strtol((char[]){at[1], at[2], '\0'}, NULL, 16);
    return at + 2;
}

/* The next word, bare, 'in single quotes' or "in double quotes", from `at` on to
 * `to`; where it ends, or NULL if its quotes are not balanced. */
static const char *read_word(const char *at, const char *end, char **to)
{
    char quote = '\0';
    for (; at < end && (quote || !memchr(" \n\r\t", *at, 5)); at++) {
        bool escapes = quote && *at == '\\' && at + 1 < end;
        if (!quote && (*at == '"' || *at == '\''))
            quote = *at;
        else if (quote && *at == quote)
            return at + 1 == end || is_blank(at[1]) ? at + 1 : NULL;
        else if (escapes && quote == '"')
            at = read_escape(at + 1, end, (*to)++);
        else if (escapes && at[1] == '\'')
            *(*to)++ = *++at;
        else
            *(*to)++ = *at;
    }
    return quote ? NULL : at;
}

static void got_line(struct client *c, const char *at, size_t len)
{
    char bytes[LINE_MOST];
    const char *end = at + len;
    while (at < end) {
        char *to = bytes;
        if (is_blank(*at)) {
            at++;
            continue;
        }
        at = read_word(at, end, &to);
        if (!at) {
            say_protocol_error(c, "unbalanced quotes in request");
            return;
        }
        size_t size = (size_t)(to - bytes);
        if (check(c, add_word(c, word_new(bytes, size, size))))
            return;
    }
    if (c->count > 0)
        run(c);
}

/* What is on a line behind its first byte. */
static bool line_number(const char *line, size_t len, long long *n)
{
    return len >= 2 && line[len - 1] == '\r' &&
           parse_number(line + 1, len - 2, n);
}

/* An array of nothing is no request. */
static void got_count(struct client *c, const char *line, size_t len)
{
    long long n;
    if (!line_number(line, len, &n) || n > INT_MAX)
        say_protocol_error(c, "invalid multibulk length");
    else if (n > 0)
        c->expected = n;
}

/* The line end behind a word Redis skips without a look as well. */
static void got_length(struct client *c, const char *line, size_t len)
{
    char text[] = "expected '$', got '\n'";
    long long n;
    if (len > 0)
        text[sizeof text - 3] = line[0];
    if (len == 0 || line[0] != '$') {
        say_protocol_error(c, text);
    } else if (!line_number(line, len, &n) || n < 0 || n > WORD_MOST) {
        say_protocol_error(c, "invalid bulk length");
    } else if (c->size + sizeof(struct word) + (size_t)n > REQUEST_MOST) {
        check(c, -EMSGSIZE);
    } else {
        c->counted = true;
        check(c, asynchat_set_terminator_length(c->ch, (uint64_t)n + 2));
        if (n + 2 > LINE_MOST)
            check(c, asynchat_set_message_limit(c->ch, (size_t)n + 2));
    }
}

static void got_word(struct client *c, const char *bytes, size_t len)
{
    c->counted = false;
    check(c, asynchat_set_terminator(c->ch, "\n", 1));
    if (len + 2 > LINE_MOST)
        check(c, asynchat_set_message_limit(c->ch, LINE_MOST));
    if (check(c, add_word(c, word_new(bytes, len, len))) == 0 &&
        (long long)c->count == c->expected)
        run(c);
}

/* --- the callbacks --- */

static void connected(struct asynchat_channel *ch, void *arg)
{
    struct client *c = calloc(1, sizeof *c);
    (void)arg;
    asynchat_set_arg(ch, c);
    if (!c) {
        asynchat_close(ch);
        return;
    }
    c->ch = ch;
    c->id = ++last_client_id;
    clients++;
    memory_used += sizeof *c;
    check(c, asynchat_set_terminator(ch, "\n", 1));
    check(c, asynchat_set_message_limit(ch, LINE_MOST));
    check(c, asynchat_set_output_marks(ch, QUEUE_LOW, QUEUE_HIGH));
    check(c, asynchat_set_output_limit(ch, QUEUE_MOST));
}

static void message(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    struct client *c = arg;
    const char *bytes = data;
    (void)ch;
    if (c->quits)
        return;
    if (c->counted)
        got_word(c, bytes, len - 2);
    else if (c->expected > 0)
        got_length(c, bytes, len);
    else if (len > 0 && bytes[0] == '*')
        got_count(c, bytes, len);
    else
        got_line(c, bytes, len);
}

static void drained(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_resume_reading(ch);
}

static void failed(struct asynchat_channel *ch, int error, void *arg)
{
    struct client *c = arg;
    (void)ch;
    if (error == ASYNCHAT_ETOOLONG && !c->quits)
        say_protocol_error(c, c->expected > 0 ? "too big bulk count string"
                                              : "too big inline request");
}

/* The words of an array belong together: they are waited for. */
static void stopping(struct asynchat_channel *ch, void *arg)
{
    struct client *c = arg;
    (void)ch;
    c->stops = true;
    if (c->expected == 0 && !c->quits)
        goodbye(c);
}

static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    struct client *c = arg;
    (void)ch, (void)status;
    if (!c)
        return;
    while (c->listens)
        listen_no_more(c->listens);
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
    .handle_drained = drained,
    .handle_error = failed,
    .handle_stopping = stopping,
    .handle_close = closed,
};

/* --- from start to stop --- */

#define GRACE 500 /* milliseconds */

static int listening;

static void require(int error, const char *what)
{
    if (error) {
        fprintf(stderr, "kv: %s: %s\n", what, asynchat_strerror(error));
        exit(1);
    }
}

/* The loop ends when nobody and nothing is left in it. */
static void stopped(void *arg)
{
    (void)arg;
    if (--listening == 0)
        delete_keys();
}

static void listen_on(const char *kind, const char *where)
{
    static const int signals[] = {SIGINT, SIGTERM};
    char address[ASYNCHAT_ADDRESS_SIZE];
    struct asynchat_server *server;
    snprintf(address, sizeof address, "%s:%s", kind, where);
    require(asynchat_server_new(base, address, &handler, NULL, NULL, &server),
            address);
    for (int i = 0; i < 2; i++)
        require(asynchat_server_stop_on_signal(server, signals[i], GRACE,
                                               stopped, NULL),
                "signal");
    listening++;
    require(asynchat_server_address(server, address, sizeof address), where);
    if (printf("listening on %s\n", address) < 0 || fflush(stdout) != 0)
        require(-errno, "standard output");
}

/* The port, the path, the limit; what comes after no name of one is the last. */
static void read_options(int argc, char **argv, const char *values[4])
{
    static const char *const names[3] = {"--port", "--unix", "--maxmemory"};
    long long limit;
    for (int i = 1; i + 1 < argc; i += 2) {
        int k = 0;
        while (k < 3 && strcmp(argv[i], names[k]) != 0)
            k++;
        values[k] = argv[i + 1];
    }
    if (argc % 2 == 0 || values[3] ||
        !parse_number(values[2], strlen(values[2]), &limit) || limit < 0) {
        fprintf(stderr, "usage: kv [--port N] [--unix PATH] "
                        "[--maxmemory BYTES]\n");
        exit(1);
    }
    memory_limit = (unsigned long long)limit;
}

int main(int argc, char **argv)
{
    const char *options[] = {NULL, NULL, "0", NULL};
    read_options(argc, argv, options);
    evutil_secure_rng_get_bytes(secret, sizeof secret);
    base = event_base_new();
    require(base ? 0 : -ENOMEM, "event_base_new");
    if (options[0] || !options[1])
        listen_on("127.0.0.1", options[0] ? options[0] : "6379");
    if (options[1])
        listen_on("unix", options[1]);
    int ran = event_base_dispatch(base); /* until nothing is left in it */
    event_base_free(base);
    return ran < 0 ? 1 : 0;
}
