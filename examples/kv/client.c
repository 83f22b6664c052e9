/* Words, clients, and what is said to them.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <errno.h>

#include <asynchat.h>

#include "text.h"

#define LARGE 16384   /* bytes that are rather counted than copied */
#define WORDS_KEPT 64 /* room for words that an idle client keeps */

long long clients, last_client_id;
unsigned long long memory_used;

/* --- words --- */

struct word *word_new(const char *bytes, size_t len, size_t room)
{
    struct word *w = malloc(sizeof *w + room);
    if (!w)
        return NULL;
    *w = (struct word){.shares = 1, .len = len, .room = room};
    memcpy(w->bytes, bytes, len);
    return w;
}

struct word *word_share(struct word *w)
{
    w->shares++;
    return w;
}

void word_release(struct word *w)
{
    if (w && --w->shares == 0)
        free(w);
}

static void word_sent(const void *bytes, size_t len, void *w)
{
    (void)bytes, (void)len;
    word_release(w);
}

bool word_is(const struct word *w, const char *text)
{
    return w->len == strlen(text) && strncasecmp(w->bytes, text, w->len) == 0;
}

bool word_matches(const struct word *w, const struct word *pattern)
{
    return matches(pattern->bytes, pattern->len, w->bytes, w->len);
}

/* --- clients --- */

struct client *client_new(struct asynchat_channel *ch)
{
    struct client *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->ch = ch;
    c->id = ++last_client_id;
    clients++;
    memory_used += sizeof *c;
    return c;
}

void client_close(struct client *c)
{
    c->quits = true;
    asynchat_close(c->ch);
}

void client_goodbye(struct client *c)
{
    c->quits = true;
    asynchat_close_when_done(c->ch);
}

bool check(struct client *c, int error)
{
    if (error && error != ASYNCHAT_ECLOSED)
        client_close(c);
    return !error;
}

bool add_word(struct client *c, struct word *w)
{
    if (w && c->count == c->room) {
        size_t room = c->room * 2 + 8;
        struct word **more = realloc(c->words, room * sizeof(struct word *));
        if (!more) {
            word_release(w);
            return check(c, -ENOMEM);
        }
        c->words = more;
        c->room = room;
    }
    if (!w)
        return check(c, -ENOMEM);
    c->words[c->count++] = w;
    return true;
}

void drop_words(struct client *c)
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

void client_free(struct client *c)
{
    drop_words(c);
    free(c->words);
    word_release(c->name);
    free(c);
    clients--;
    memory_used -= sizeof *c;
}

/* --- answers --- */

void say_bytes(struct client *c, const void *bytes, size_t len)
{
    check(c, asynchat_push(c->ch, bytes, len));
}

void say_number(struct client *c, char kind, long long n)
{
    char text[NUMBER_MOST];
    text[0] = kind;
    size_t len = 1 + print_number(text + 1, n);
    text[len++] = '\r';
    text[len++] = '\n';
    say_bytes(c, text, len);
}

void say_bulk(struct client *c, const char *text)
{
    say_number(c, '$', (long long)strlen(text));
    say(c, text);
    say(c, "\r\n");
}

/* A share of a large one is the channel's, until it is sent, dropped, or
 * refused. */
void say_word(struct client *c, struct word *w)
{
    if (!w) {
        say(c, "$-1\r\n");
        return;
    }
    say_number(c, '$', (long long)w->len);
    if (w->len < LARGE)
        say_bytes(c, w->bytes, w->len);
    else
        check(c, asynchat_push_reference(c->ch, w->bytes, w->len, word_sent,
                                         word_share(w)));
    say(c, "\r\n");
}

void say_error(struct client *c, const char *format, ...)
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
    say(c, "\r\n");
}

void say_protocol_error(struct client *c, const char *what)
{
    say_error(c, "ERR Protocol error: %s", what);
    client_goodbye(c);
}

bool read_number(struct client *c, const struct word *w, long long *n)
{
    if (parse_number(w->bytes, w->len, n))
        return true;
    say_error(c, "ERR value is not an integer or out of range");
    return false;
}
