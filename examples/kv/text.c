/* Numbers and patterns, as Redis has them.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kv.h"

/* Reads a number in the form that print_number() writes: without spaces, "+1" or
 * "01". */
bool parse_number(const char *text, size_t len, long long *n)
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

bool is_number(const struct word *w, long long *n)
{
    return parse_number(w->bytes, w->len, n);
}

/* Writes a number with its kind and a line end, such as ":5", "$5" or "*5", to
 * the end of `text`. Returns where it begins. */
char *print_number(char text[NUMBER_MOST], char kind, long long n)
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

/* Whether a word is `text`; upper and lower case are the same. */
bool is(const struct word *w, const char *text)
{
    return w->len == strlen(text) &&
           evutil_ascii_strcasecmp(w->bytes, text) == 0;
}
