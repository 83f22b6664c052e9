/* Numbers and patterns, as Redis has them; and answers.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kv.h"

/* Reads a number in the form that print_number() writes: without spaces, "+1" or
 * "01". */
bool is_number(const struct word *w, long long *n)
{
    bool negative = w->len > 1 && *w->bytes == '-';
    const char *at = w->bytes + negative, *end = w->bytes + w->len;
    unsigned long long sum = 0;
    if (w->len == 0 || w->len - negative > 19 || (*at == '0' && w->len > 1))
        return false;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        sum = sum * 10 + (unsigned)(*at - '0'); /* 19 digits fit */
    *n = negative ? (long long)-sum : (long long)sum;
    return at == end && sum <= (unsigned long long)LLONG_MAX + negative;
}

/* Writes a number with its kind and a line end, such as ":5", "$5" or "*5", to
 * the end of `text`. Returns where it begins. */
char *print_number(char text[NUMBER_MOST], char kind, long long n)
{
    char *at = text + NUMBER_MOST - 2;
    unsigned long long rest =
        n < 0 ? -(unsigned long long)n : (unsigned long long)n;
    memcpy(at, "\r\n", 2);
    do
        *--at = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (n < 0)
        *--at = '-';
    *--at = kind;
    return at;
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
bool matches(const struct word *pattern, const char *name, size_t len)
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

/* Returns which of the names, between spaces, a word is, or -1. Upper and lower
 * case are the same. */
int which(const struct word *w, const char *names)
{
    for (int n = 0;; n++) {
        size_t len = strcspn(names, " ");
        if (w->len == len && g_ascii_strncasecmp(w->bytes, names, len) == 0)
            return n;
        if (!names[len])
            return -1;
        names += len + 1;
    }
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

/* Sends a word. A large word is shared with the channel until it is sent,
 * dropped or refused; a short one is one push. */
const char *say_word(struct client *c, const struct word *w)
{
    char text[NUMBER_MOST + 512];
    char *at = print_number(text, '$', (long long)w->len);
    size_t len = (size_t)(text + NUMBER_MOST - at);
    if (w->len <= 512 - 2) {
        memcpy(at + len, w->bytes, w->len);
        memcpy(at + len + w->len, "\r\n", 2);
        return say_bytes(c, at, len + w->len + 2);
    }
    say_bytes(c, at, len);
    if (w->len >= LARGE)
        asynchat_push_reference(c->ch, w->bytes, w->len, share_release,
                                g_rc_box_acquire(w->bytes));
    else
        say_bytes(c, w->bytes, w->len);
    return say(c, "\r\n");
}

const char *say_text(struct client *c, const char *text)
{
    asynchat_push_printf(c->ch, "$%zu\r\n%s\r\n", strlen(text), text);
    return NULL;
}

/* The beginning of `n` pairs. */
const char *say_map(struct client *c, size_t n)
{
    return c->resp == 3 ? say_number(c, '%', (long long)n)
                        : say_number(c, '*', (long long)n * 2);
}

/* Adds a word, as it is in an answer. */
void append(GString **to, const char *bytes, size_t len)
{
    *to = *to ? *to : g_string_new(NULL);
    g_string_append_printf(*to, "$%zu\r\n", len);
    g_string_append_len(*to, bytes, (gssize)len);
    g_string_append(*to, "\r\n");
}

/* Sends what was found, and forgets it. */
const char *say_found(struct client *c)
{
    if (c->to) {
        say_bytes(c, c->to->str, c->to->len);
        g_string_free(g_steal_pointer(&c->to), TRUE);
    }
    return NULL;
}

/* Sends a single line, whatever bytes a client has put into it. */
const char *say_error(struct client *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = g_strdup_vprintf(format, args);
    va_end(args);
    for (size_t len = strlen(text); len > 0 && strchr("\r\n", text[len - 1]);)
        text[--len] = '\0';
    asynchat_push_printf(c->ch, "-%s\r\n", g_strdelimit(text, "\r\n", ' '));
    g_free(text);
    return "";
}
