/* A client, the words of its request, and the answers to it.
 *
 * A word is counted bytes: a value may be in the table and on its way to ten
 * clients, and a large one is sent from where it is.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef KV_CLIENT_H
#define KV_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct asynchat_channel;

/* --- words --- */

struct word {
    unsigned shares;
    size_t len, room;
    char bytes[];
};

/* Of these bytes, with room for more; NULL for want of memory. */
struct word *word_new(const char *bytes, size_t len, size_t room);
struct word *word_share(struct word *w);

/* Takes a share; NULL is allowed. */
void word_release(struct word *w);

/* Whether it is `text`, which is in lower case. */
bool word_is(const struct word *w, const char *text);
bool word_matches(const struct word *w, const struct word *pattern);

/* --- clients --- */

struct client {
    struct asynchat_channel *ch;
    long long id;
    struct word *name;
    long long expected; /* words of the array in progress; 0: none is */
    bool counted;       /* what comes is the bytes of a word */
    bool quits;         /* nothing more of it is heard */
    bool stops;         /* it ends with the request in progress */
    struct word **words;
    size_t count, room;
    long long size; /* of the request in progress, in bytes */
    struct subscription *subscriptions;
    long long subscribed;
};

/* One that has so much waiting for it, in bytes, is given up; a subscriber, whose
 * queue others fill, sooner, as in Redis. */
#define QUEUE_MOST (1u << 30)
#define SUBSCRIBER_QUEUE_MOST (32u << 20)

/* How many there are, and the number of the last that came. */
extern long long clients, last_client_id;

/* By all that stays when a request is done, in bytes; not what libc and the
 * library have beside it. */
extern unsigned long long memory_used;

/* NULL for want of memory. */
struct client *client_new(struct asynchat_channel *ch);
void client_free(struct client *c);

/* Ends it now, */
void client_close(struct client *c);

/* or when what was said to it is sent. */
void client_goodbye(struct client *c);

/* One that memory is short for is closed; the others go on. One that was told
 * goodbye is refused more, and that is all. False: there was an error. */
bool check(struct client *c, int error);

/* One more word of its request. Takes the word; NULL is want of memory, which
 * ends the client: false. */
bool add_word(struct client *c, struct word *w);

/* Its request is done. */
void drop_words(struct client *c);

/* --- answers --- */

void say_bytes(struct client *c, const void *bytes, size_t len);

static inline void say(struct client *c, const char *text)
{
    say_bytes(c, text, strlen(text));
}

/* A number with what it is of: ":5", "$5", "*5". */
void say_number(struct client *c, char kind, long long n);
void say_bulk(struct client *c, const char *text);

/* Bytes with their length; NULL is none. */
void say_word(struct client *c, struct word *w);

/* One line, whatever a client has put into it. */
__attribute__((format(printf, 2, 3))) void say_error(struct client *c,
                                                     const char *format, ...);

/* Ends the client as well. */
void say_protocol_error(struct client *c, const char *what);

/* False: it is none, which was said. */
bool read_number(struct client *c, const struct word *w, long long *n);

#endif
