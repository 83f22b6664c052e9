/* What the files of kv share: text.c, table.c, answers.c, keys.c, topics.c,
 * commands.c and protocol.c. SPDX-License-Identifier: BSD-3-Clause */
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
#include <glib.h>
#include <sodium.h>
#include <asynchat.h>

#define VERSION "7.0.15" /* of Redis: its answers and limits are used here */
#define LINE_MOST 65536
#define WORD_MOST (512 << 20)
#define REQUEST_MOST (1u << 30)

/* While QUEUE_HIGH bytes wait for a client, the server does not read from it:
 * many clients send all their requests before they read. At QUEUE_MOST bytes the
 * client is dropped. A subscriber, whose queue is filled by others, has less. A
 * client whose queue stays above the first figure for UNREAD_TIME milliseconds
 * is ended. */
#define QUEUE_HIGH (512u << 20)
#define QUEUE_MOST (1u << 30)
#define SUBSCRIBER_QUEUE_HIGH (8u << 20)
#define SUBSCRIBER_QUEUE_MOST (32u << 20)
#define UNREAD_TIME 60000

#define SUBSCRIPTION 120 /* bytes of a client's place among those of a topic */
#define STEP 1000        /* keys or words; then other clients have their turn */
#define WORDS_KEPT 32    /* room that a client keeps for its next request */
#define LARGE 16384      /* bytes; from this size on a word is shared */
#define NUMBER_MOST 24   /* bytes of a number as text, with kind and line end */
#define SYNTAX "ERR syntax error"
#define NO_NUMBER "ERR value is not an integer or out of range"
#define WRONG_COUNT "ERR wrong number of arguments for '%s' command"
#define EXPIRE_TIME "ERR invalid expire time in '%s' command"
#define OUT_OF_MEMORY "OOM command not allowed when used memory > 'maxmemory'."

/* Bytes with a NUL behind them. Those of a `large` word are counted by GLib, and
 * shared: by a request, a key, and clients that they are being sent to. */
struct word {
    char *bytes;
    size_t len;
    bool large;
};

/* A client listens to topics, which Redis calls channels, and to patterns of
 * topics; and it watches keys. */
enum kind { TOPICS, PATTERNS, WATCHED, KINDS };

struct queued { /* a request of a transaction: some of the client's words */
    const struct command *command;
    size_t first, count;
};

struct client {
    struct asynchat_channel *ch;
    GList in_all; /* its place in the list of all clients */
    long long id;
    char *name;
    struct chunk *chunk; /* memory of the words; the newest */
    struct word *words;
    size_t count, room; /* how many words there are, and fit */
    size_t first;       /* the words before belong to a transaction */
    size_t size;        /* the bytes of the words, and of their tables */
    size_t held;        /* the bytes of the subscriptions */
    long long expected; /* words of the array in progress; <= 0: no array */
    bool counted;       /* the next message is the bytes of a word */
    bool long_word;     /* the word is longer than a line may be */
    char late;          /* the first byte of a line without a return, or 0 */
    const char *stuck;  /* what is too big when LINE_MOST bytes have come */
    bool stops;         /* the client ends with this request */
    bool limited;       /* it has the limits of those that listen */
    int resp;           /* the version of the protocol: 2 or 3 */

    /* The request that runs; and what is left of it, if it takes more steps. */
    const struct command *command;
    struct word *args;
    size_t argc;
    bool waits;       /* it is in the list of those with more steps */
    bool whole;       /* no steps: it is part of a transaction */
    size_t at, spent; /* how far it is; what this step has done */
    size_t total;     /* what it has counted so far */
    GByteArray *to;   /* what it has found so far */

    GArray *queue; /* the requests of a transaction, or NULL */
    size_t queued; /* the bytes of their words */
    bool fills;    /* one of them needs memory */
    bool dirty;    /* a watched key has changed */
    bool broken;   /* a request could not be queued */

    GHashTable *listens; /* topics, and the client's place in each; or NULL */
    unsigned listening[KINDS];
    unsigned deliveries; /* that it has published and that go on */
};

struct command {
    const char *name;
    const char *(*run)(struct client *c); /* returns NULL or an error text */
    int arity; /* the number of words; if negative, the least number */
    int flags;
    int last, step; /* the last key and its step, from word 1 on; 0: no keys */
    int n;          /* distinguishes commands with the same function */
};

/* A key and its value, in one block of memory: see table.c. */
struct entry;

extern struct event_base *base;
extern GQueue all_clients;
extern long long last_client_id, memory_limit;
/* The bytes of keys, and of what clients have. */
extern size_t keys_used, clients_used;
extern const struct asynchat_handler handler;

/* text.c */

bool parse_number(const char *text, size_t len, long long *n);
bool is_number(const struct word *w, long long *n);
char *print_number(char text[NUMBER_MOST], char kind, long long n);
bool matches(const struct word *pattern, const char *name, size_t len);
bool is(const struct word *w, const char *text);

/* table.c */

void require(int error, const char *what);
long long now(void);
unsigned hash(const void *bytes, size_t len);
char *share_new(const char *bytes, size_t len, size_t room);
void share_release(const void *bytes, size_t len, void *share);

void table_open(void);
void table_close(void);
size_t table_count(void);
size_t table_expiring(void);
bool table_sweep(size_t most);
void table_flush(void);
unsigned table_part(unsigned part, const struct word *pattern,
                    struct client *c);
struct entry *find(const struct word *key);
struct word entry_value(const struct entry *e);
long long entry_expires(const struct entry *e);
/* These three are for an entry, or none, that find() has just found. */
void store_at(struct entry *e, const struct word *key, const struct word *value,
              long long expires);
void entry_expire(struct entry *e, const struct word *key, long long at);
void entry_append(struct entry *e, const struct word *key,
                  const struct word *more);
void entry_delete(struct entry *e);
void store(const struct word *key, const struct word *value, long long expires);

/* answers.c: they give NULL, and so does a command that ends with one */

const char *goodbye(struct client *c);
const char *say_bytes(struct client *c, const void *bytes, size_t len);
const char *say_number(struct client *c, char kind, long long n);
const char *say_null(struct client *c);
const char *say_word(struct client *c, const struct word *w);
const char *say_all(struct client *c, GByteArray *all);
void append_word(GByteArray *to, const struct word *w);
const char *say_text(struct client *c, const char *text);
const char *say_map(struct client *c, long long n);
ASYNCHAT_FORMAT(2, 3)
const char *say_error(struct client *c, const char *format, ...);

#define say(c, text) say_bytes(c, text, strlen(text))

/* keys.c */

const char *run_ping(struct client *c);
const char *run_set(struct client *c);
const char *run_setex(struct client *c);
const char *run_get(struct client *c);
const char *run_mset(struct client *c);
const char *run_strlen(struct client *c);
const char *run_append(struct client *c);
const char *run_incr(struct client *c);
const char *run_exists(struct client *c);
const char *run_expire(struct client *c);
const char *run_ttl(struct client *c);
const char *run_keys(struct client *c);
const char *run_scan(struct client *c);
const char *run_dbsize(struct client *c);
const char *run_flushall(struct client *c);

/* topics.c */

void topics_open(void);
void topics_close(void);
void leave_all(struct client *c, unsigned kinds);
void touch(const char *bytes, size_t len);
void touch_all(void);
void touch_watched(struct client *c);
bool deliver(size_t most);
void deliveries_forget(const struct client *c);
const char *run_subscribe(struct client *c);
const char *run_unsubscribe(struct client *c);
const char *run_publish(struct client *c);
const char *run_watch(struct client *c);

/* commands.c */

const char *run_request(struct client *c);
void transaction_end(struct client *c);

/* protocol.c */

extern const char again[]; /* a command returns it if it has more steps */
bool step_over(struct client *c);
void set_limits(struct client *c, bool listens);
void work_open(void);
void work_soon(long milliseconds);
void work_close(void);
size_t memory_used(void);

#endif
