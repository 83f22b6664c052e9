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

const char *say_null(struct client *c)
{
    return c->resp == 3 ? say(c, "_\r\n") : say(c, "$-1\r\n");
}

/* Sends a word; NULL is the answer "none". A large word is shared with the
 * channel until it is sent, dropped or refused; a short one is one push. */
const char *say_word(struct client *c, const struct word *w)
{
    char text[NUMBER_MOST + 512];
    if (!w)
        return say_null(c);
    if (w->len <= 512 - 2) {
        char *at = print_number(text, '$', (long long)w->len);
        memcpy(text + NUMBER_MOST, w->bytes, w->len);
        memcpy(text + NUMBER_MOST + w->len, "\r\n", 2);
        return say_bytes(c, at, (size_t)(text + NUMBER_MOST - at) + w->len + 2);
    }
    say_number(c, '$', (long long)w->len);
    if (w->large)
        asynchat_push_reference(c->ch, w->bytes, w->len, share_release,
                                g_rc_box_acquire(w->bytes));
    else
        say_bytes(c, w->bytes, w->len);
    return say(c, "\r\n");
}

/* Adds a word, as it is in an answer. */
void append_word(GByteArray *to, const struct word *w)
{
    char text[NUMBER_MOST], *at = print_number(text, '$', (long long)w->len);
    g_byte_array_append(to, (uint8_t *)at, (guint)(text + sizeof text - at));
    g_byte_array_append(to, (uint8_t *)w->bytes, (guint)w->len);
    g_byte_array_append(to, (const uint8_t *)"\r\n", 2);
}

static void free_bytes(const void *data, size_t len, void *bytes)
{
    (void)data, (void)len;
    g_byte_array_free(bytes, TRUE);
}

/* Sends what was appended, and frees it. */
const char *say_all(struct client *c, GByteArray *all)
{
    asynchat_push_reference(c->ch, all->data, all->len, free_bytes, all);
    return NULL;
}

const char *say_text(struct client *c, const char *text)
{
    return say_word(c, &(struct word){(char *)text, strlen(text), false});
}

/* The beginning of `n` pairs. */
const char *say_map(struct client *c, long long n)
{
    return c->resp == 3 ? say_number(c, '%', n) : say_number(c, '*', n * 2);
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
