/* The hash, numbers, patterns, and the words of a line.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "text.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

#include <event2/util.h>

/* --- the hash: SipHash-1-3 (Aumasson and Bernstein 2012) --- */

static uint64_t secret[2];

static inline uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1], v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0], v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1], v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2], v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

void choose_hash(void)
{
    evutil_secure_rng_get_bytes(secret, sizeof secret);
}

unsigned hash(const void *bytes, size_t len)
{
    uint64_t v[4] = {
        secret[0] ^ 0x736f6d6570736575, secret[1] ^ 0x646f72616e646f6d,
        secret[0] ^ 0x6c7967656e657261, secret[1] ^ 0x7465646279746573};
    const unsigned char *at = bytes, *end = at + len;
    uint64_t word;
    for (; end - at >= 8; at += 8) {
        memcpy(&word, at, 8);
        sip_word(v, word);
    }
    word = (uint64_t)len << 56;
    for (int i = 0; at < end; i += 8)
        word |= (uint64_t)*at++ << i;
    sip_word(v, word);
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return (unsigned)(v[0] ^ v[1] ^ v[2] ^ v[3]);
}

/* --- numbers, as Redis reads and writes them --- */

/* Only what it would write itself: no spaces, no "+1", no "01". */
bool parse_number(const char *text, size_t len, long long *n)
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

size_t print_number(char *to, long long n)
{
    char digits[NUMBER_MOST], *at = digits + sizeof digits;
    unsigned long long value = (unsigned long long)n;
    if (n < 0)
        value = 0 - value;
    do
        *--at = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    if (n < 0)
        *--at = '-';
    size_t len = (size_t)(digits + sizeof digits - at);
    memcpy(to, at, len);
    return len;
}

/* --- patterns: * ? [a-z] [^a-z] \x --- */

/* Whether a class, of which the [ was read, has a byte; reads it. One without
 * an end ends where the pattern does. */
static bool class_has(const char **pattern, const char *end, char byte)
{
    const char *at = *pattern;
    bool none = at < end && *at == '^', found = false;
    for (at += none; at < end && *at != ']'; at++) {
        if (*at == '\\' && end - at >= 2) {
            found = *++at == byte || found;
        } else if (end - at >= 3 && at[1] == '-') {
            char low = at[0] < at[2] ? at[0] : at[2];
            char high = at[0] < at[2] ? at[2] : at[0];
            found = (byte >= low && byte <= high) || found;
            at += 2;
        } else {
            found = *at == byte || found;
        }
    }
    *pattern = at < end ? at + 1 : end;
    return found != none;
}

/* Whether what a pattern begins with, which is no *, matches a byte; reads it. */
static bool matches_byte(const char **pattern, const char *end, char byte)
{
    const char *at = (*pattern)++;
    if (*at == '?')
        return true;
    if (*at == '[')
        return class_has(pattern, end, byte);
    if (*at == '\\' && *pattern < end)
        at = (*pattern)++;
    return *at == byte;
}

bool matches(const char *pattern, size_t pattern_len, const char *name,
             size_t len)
{
    const char *end = pattern + pattern_len, *name_end = name + len;
    const char *star = NULL, *retry = NULL;
    if (len == 0)
        return pattern_len == 0;
    while (name < name_end) {
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
    while (pattern < end && *pattern == '*')
        pattern++;
    return pattern == end;
}

int at_most(size_t len, size_t most)
{
    return (int)(len < most ? len : most);
}

/* --- the words of a line: bare 'single quotes' "double\x20quotes" --- */

bool is_blank(char byte)
{
    return byte == '\0' || isspace((unsigned char)byte);
}

static int hex_digit(char byte)
{
    return !isxdigit((unsigned char)byte) ? -1
           : isdigit((unsigned char)byte) ? byte - '0'
                                          : (byte | 32) - 'a' + 10;
}

/* What stands for a byte after a \, in double quotes; where it ends. */
static const char *read_escape(const char *at, const char *end, char *byte)
{
    static const char names[] = "nrtba", bytes[] = "\n\r\t\b\a";
    const char *name = memchr(names, *at, sizeof names - 1);
    if (*at == 'x' && end - at >= 3 && hex_digit(at[1]) >= 0 &&
        hex_digit(at[2]) >= 0) {
        *byte = (char)(hex_digit(at[1]) * 16 + hex_digit(at[2]));
        return at + 3;
    }
    *byte = name ? bytes[name - names] : *at;
    return at + 1;
}

/* The rest of a word, from a quote on, to `to`; where it ends, or NULL if the
 * quotes are not balanced. */
static const char *read_quoted(const char *at, const char *end, char **to)
{
    char quote = *at++;
    while (at < end && *at != quote) {
        char byte = *at;
        if (quote == '"' && byte == '\\' && end - at >= 2)
            at = read_escape(at + 1, end, &byte);
        else if (quote == '\'' && end - at >= 2 && memcmp(at, "\\'", 2) == 0)
            byte = '\'', at += 2;
        else
            at++;
        *(*to)++ = byte;
    }
    if (at == end || (at + 1 < end && !is_blank(at[1])))
        return NULL;
    return at + 1;
}

const char *read_word(const char *at, const char *end, char *word, size_t *len)
{
    char *to = word;
    while (at && at < end && !memchr(" \n\r\t", *at, 5)) {
        if (*at == '"' || *at == '\'') {
            at = read_quoted(at, end, &to);
            break;
        }
        *to++ = *at++;
    }
    *len = (size_t)(to - word);
    return at;
}
