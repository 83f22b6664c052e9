/* What the files of kv share: text.c, table.c, keys.c, topics.c, commands.c and
 * protocol.c. SPDX-License-Identifier: BSD-3-Clause */
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
#define WORD_MOST (512 << 20)
#define PARTS 1024     /* of the table of keys */
#define STEP 1000      /* keys or words; then other clients have their turn */
#define TICK 100       /* milliseconds between two looks at what is over */
#define LARGE 16384    /* bytes; from this size on a word is shared */
#define NUMBER_MOST 24 /* bytes of a number as text, with kind and line end */
#define SYNTAX "ERR syntax error"
#define NO_NUMBER "ERR value is not an integer or out of range"
#define WRONG_COUNT "ERR wrong number of arguments for '%s' command"

/* Bytes. The words of a request have a NUL behind them. If there are LARGE or
 * more, GLib counts who has them: a request, a key, a topic, and clients that
 * they are being sent to. */
struct word {
    char *bytes;
    size_t len;
};

/* A key and its value, in one block of memory; a large value is shared. */
struct entry {
    long long expires; /* milliseconds; 0: never */
    char *value;
    uint32_t key_len, value_len;
    char key[];
};

/* A client listens to topics, which Redis calls channels, and to patterns of
 * topics; and it watches keys. */
enum kind { TOPICS, PATTERNS, WATCHED, KINDS };

struct client {
    struct asynchat_channel *ch;
    GList in_all; /* its place in the list of all clients */
    long long id;
    char *name;
    int resp; /* the version of the protocol: 2 or 3 */

    struct chunk *chunk; /* memory of the words; the newest */
    struct word *words;
    size_t count, room; /* how many words there are, and fit */
    size_t first;       /* the words before belong to a transaction */
    size_t size;        /* bytes of the words and of what it listens to */
    size_t kept;        /* bytes that it had before this request */
    long long expected; /* words of the array in progress; <= 0: no array */
    size_t head;        /* bytes of "*2" or "$3" in the next message, or 0 */
    long long number;   /* the number there */
    bool begun;         /* something of the next message has come */
    char *line;         /* the first bytes of a long line, or NULL */
    const char *broken; /* what is wrong, to be told at the next message */
    char late;          /* the first byte of a line that is no number */
    bool stops;         /* the client ends with this request */

    /* The request that runs; and what is left of it, if it takes more steps. */
    const struct command *command;
    struct word *args;
    size_t argc;
    size_t at, spent; /* the next word or part; what this step has done */
    size_t total;     /* what it has counted so far */
    GString *to;      /* what it has found so far */
    bool waits;       /* it is in the list of those with more steps */
    bool whole;       /* no steps: it is part of a transaction */

    GArray *queue; /* the requests of a transaction, or NULL */
    bool fills;    /* one of them needs memory */
    bool dirty;    /* a watched key has changed */
    bool refused;  /* a request could not be queued */

    GHashTable *listens; /* topics, and the client's place in each; or NULL */
    unsigned listening[KINDS];
};

/* Does a piece of the work. Returns `again` if there is more, NULL, or an
 * error, which is "" if the client has been told. */
typedef const char *run(struct client *c);
extern const char again[];

/* The options of SET, and of EXPIRE. */
enum { NX = 1, XX = 2, GET = 4, KEEPTTL = 8, EX = 16, PX = 32, EXAT = 64 };
enum { PXAT = 128, TIMES = EX | PX | EXAT | PXAT, GT = 4, LT = 8 };

struct command {
    const char *name;
    run *run;
    int arity; /* the number of words; if negative, the least number */
    int flags;
    int last, step; /* the last key and its step, from word 1 on; 0: no keys */
    int n;          /* distinguishes commands with the same function */
};

extern struct event_base *base;
extern GQueue all_clients;
extern long long last_client_id, memory_limit;
/* The bytes of keys and shared words, and of what else clients have. */
extern size_t keys_used, clients_used;
extern size_t key_count, timed_count;
extern const struct asynchat_handler handler;

/* text.c. Answers give NULL, and so does a command that ends with one. */
bool is_number(const struct word *w, long long *n);
char *print_number(char text[NUMBER_MOST], char kind, long long n);
bool matches(const struct word *pattern, const char *name, size_t len);
int which(const struct word *w, const char *names);
#define is(w, name) (which(w, name) == 0)
void append(GString **to, const char *bytes, size_t len);
const char *say_bytes(struct client *c, const void *bytes, size_t len);
const char *say_number(struct client *c, char kind, long long n);
const char *say_null(struct client *c);
const char *say_word(struct client *c, const struct word *w);
const char *say_text(struct client *c, const char *text);
const char *say_map(struct client *c, size_t n);
const char *say_found(struct client *c);
ASYNCHAT_FORMAT(2, 3)
const char *say_error(struct client *c, const char *format, ...);
#define say(c, text) say_bytes(c, text, strlen(text))
#define say_ok(c) say(c, "+OK\r\n")

/* table.c */
void require(int error, const char *what);
long long now(void);
unsigned hash(const void *bytes, size_t len);
char *share_new(const char *bytes, size_t len, size_t room);
void share_release(const void *bytes, size_t len, void *share);
void table_open(void);
void table_close(void);
bool table_sweep(void);
void table_flush(void);
void table_part(struct client *c, unsigned part, const struct word *pattern);
struct entry *find(const struct word *key);
/* These are for an entry, or none, that find() has just found. */
void store(struct entry *e, const struct word *key, const struct word *value,
           long long expires);
void entry_append(struct entry *e, const struct word *key,
                  const struct word *more);
void entry_expire(struct entry *e, long long expires);
void entry_delete(struct entry *e);

/* topics.c */
void topics_open(void);
void topics_close(void);
bool listens(const struct client *c);
void leave_all(struct client *c, unsigned kinds);
void touch(const char *bytes, size_t len);
void touch_all(void);
void touch_watched(struct client *c);
void publish_end(const struct client *c);

/* protocol.c */
void count(struct client *c, long bytes);
void set_limits(struct client *c);
void work_open(void);
void work_soon(long milliseconds);
void work_close(void);
size_t memory_used(void);

/* commands.c */
const char *run_request(struct client *c);
const char *run_pieces(struct client *c);
void transaction_end(struct client *c);
const char *set_name(struct client *c, const char *name);

/* The commands. */
run run_ping, run_set, run_get, run_mset, run_strlen, run_append;
run run_incr, run_exists, run_expire, run_ttl, run_keys, run_scan, run_dbsize;
run run_flushall, run_subscribe, run_unsubscribe, run_publish, run_watch;
run run_unwatch;

#endif
