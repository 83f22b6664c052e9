/* Parts of a text, and what their bytes may be. SPDX-License-Identifier: BSD-3-Clause */
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

unsigned char kinds[256];

static void set_kind(const char *bytes, int kind)
{
    for (; *bytes; bytes++)
        kinds[(unsigned char)*bytes] |= (unsigned char)kind;
}

/* RFC 9110, 5.5 and 5.6.2; RFC 3986, 2 and 3. */
void set_kinds(void)
{
    for (int i = 0; i < 256; i++)
        kinds[i] = (i >= ' ' && i != 127) || i == '\t' ? VALUE : 0;
    set_kind("0123456789", TOKEN | TARGET | HOST_NAME | DIGIT);
    set_kind("0123456789abcdefABCDEF:.", ADDRESS);
    set_kind("abcdefghijklmnopqrstuvwxyz", TOKEN | TARGET | HOST_NAME);
    set_kind("ABCDEFGHIJKLMNOPQRSTUVWXYZ", TOKEN | TARGET | HOST_NAME);
    set_kind("!$%&'*+-._~", TOKEN | TARGET | HOST_NAME);
    set_kind("(),;=", TARGET | HOST_NAME);
    set_kind("#^`|", TOKEN);
    set_kind("/?:@[]", TARGET);
    set_kind("{}|^`", TARGET); /* which browsers send as they are */
}

bool is_all(struct span s, int kind)
{
    size_t i = 0;
    while (i < s.len && (kinds[(unsigned char)s.at[i]] & kind))
        i++;
    return i == s.len;
}

bool is(struct span s, struct span other)
{
    return s.len == other.len && strncasecmp(s.at, other.at, s.len) == 0;
}

bool begins(struct span s, struct span with)
{
    return s.len >= with.len && strncasecmp(s.at, with.at, with.len) == 0;
}

struct span skip(struct span s, size_t len)
{
    return (struct span){s.at + len, s.len - len};
}

struct span cut(struct span *s, char end)
{
    const char *at = memchr(s->at, end, s->len);
    struct span first = {s->at, at ? (size_t)(at - s->at) : s->len};
    *s = skip(*s, at ? first.len + 1 : first.len);
    return first;
}

bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

struct span trim(struct span s)
{
    while (s.len > 0 && is_blank(s.at[0]))
        s = skip(s, 1);
    while (s.len > 0 && is_blank(s.at[s.len - 1]))
        s.len--;
    return s;
}

static int digit_value(char byte)
{
    char lower = (char)(byte | 0x20);
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool parse_number(struct span s, unsigned radix, uint64_t *n)
{
    *n = 0;
    for (size_t i = 0; i < s.len; i++) {
        int digit = digit_value(s.at[i]);
        if (digit < 0 || (unsigned)digit >= radix)
            return false;
        bool fits = *n <= (UINT64_MAX - (unsigned)digit) / radix;
        *n = fits ? *n * radix + (unsigned)digit : UINT64_MAX;
    }
    return s.len > 0;
}

bool keep_text(struct text *text, const void *data, size_t len)
{
    size_t capacity = text->capacity > 0 ? text->capacity : 512;
    while (capacity < text->len + len)
        capacity *= 2;
    if (capacity > text->capacity) {
        char *bytes = realloc(text->bytes, capacity);
        if (!bytes)
            return false;
        text->bytes = bytes;
        text->capacity = capacity;
    }
    memcpy(text->bytes + text->len, data, len);
    text->len += len;
    return true;
}

struct span span_of(const struct text *text)
{
    return (struct span){text->len > 0 ? text->bytes : "", text->len};
}

void forget_text(struct text *text)
{
    text->len = 0;
    if (text->capacity <= TEXT_KEPT)
        return;
    free(text->bytes);
    *text = (struct text){NULL, 0, 0};
}
