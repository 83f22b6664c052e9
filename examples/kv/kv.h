/* What the files of kv share.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef KV_H
#define KV_H

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

unsigned hash(const void *bytes, size_t len);

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

extern unsigned char secret[crypto_shorthash_KEYBYTES];
extern struct event_base *base;
extern struct entry *keys;
extern struct client *listeners;
extern long long clients, last_client_id, expiring;
/* The bytes of words, entries and clients. Beyond the limit, unless that is 0,
 * commands that need memory are refused. */
extern size_t memory_used;
extern long long memory_limit;
extern const struct asynchat_handler handler;

/* text.c */

bool parse_number(const char *text, size_t len, long long *n);
bool is_number(const struct word *w, long long *n);
char *print_number(char text[NUMBER_MOST], char kind, long long n);
char *append_bytes(char *to, const void *bytes, size_t len);
bool matches(const struct word *pattern, const char *name, size_t len);

/* table.c */

void require(int error, const char *what);
void *allocate(void *old, size_t size);
struct word *word_new(const char *bytes, size_t len, size_t more);
struct word *word_share(struct word *w);
void word_release(struct word *w);
void word_sent(const void *bytes, size_t len, void *w);
bool is(const struct word *w, const char *text);
void add_word(struct client *c, struct word *w);
void drop_words(struct client *c);
long long now(void);
void expire(struct entry *e, long long at);
void entry_delete(struct entry *e);
struct entry *find(struct entry **table, const struct word *name);
struct entry *entry_of(struct entry **table, struct word *name);
void store(struct word *key, struct word *value, long long expires);
struct word *value_of(const struct word *key);
void delete_all(struct entry **table);

/* answers.c */

const char *goodbye(struct client *c);
const char *say_bytes(struct client *c, const void *bytes, size_t len);
const char *say_number(struct client *c, char kind, long long n);
const char *say_word(struct client *c, struct word *w);
const char *say_words_from(struct client *c, size_t first);
ASYNCHAT_FORMAT(2, 3)
const char *say_error(struct client *c, const char *format, ...);

#define say(c, text) say_bytes(c, text, strlen(text))

/* keys.c */

const char *run_ping(struct client *c);
const char *run_set(struct client *c);
const char *run_get(struct client *c);
const char *run_mset(struct client *c);
const char *run_strlen(struct client *c);
const char *run_append(struct client *c);
const char *run_incr(struct client *c);
const char *run_exists(struct client *c);
const char *run_expire(struct client *c);
const char *run_ttl(struct client *c);
const char *run_scan(struct client *c);
const char *run_dbsize(struct client *c);
const char *run_flushall(struct client *c);

/* topics.c */

const char *run_subscribe(struct client *c);
const char *run_unsubscribe(struct client *c);
const char *run_publish(struct client *c);

/* commands.c */

const char *run_request(struct client *c);

#endif
