/* Answers: they give NULL, and so does a command that ends with one.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kv.h"

/* Ends a client when its answers are sent, and reads no further request. */
const char *goodbye(struct client *c)
{
    asynchat_close_after(c->ch);
    return NULL;
}

/* Sends bytes. If the channel refuses them, the client ends. */
const char *say_bytes(struct client *c, const void *bytes, size_t len)
{
    asynchat_push(c->ch, bytes, len);
    return NULL;
}

const char *say_number(struct client *c, char kind, long long n)
{
    char text[NUMBER_MOST], *at = print_number(text, kind, n);
    return say_bytes(c, at, (size_t)(text + sizeof text - at));
}

/* Sends a word; NULL is the answer "none". A large word is shared with the
 * channel until it is sent, dropped or refused. */
const char *say_word(struct client *c, struct word *w)
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
const char *say_words_from(struct client *c, size_t first)
{
    say_number(c, '*', (long long)(c->count - first));
    for (size_t i = first; i < c->count; i++)
        say_word(c, c->words[i]);
    return NULL;
}

/* Sends a single line, whatever bytes a client has put into it. */
const char *say_error(struct client *c, const char *format, ...)
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
