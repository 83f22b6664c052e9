/* Text that grows, for reports.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "testing/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How many bytes are shown before and behind the first difference. */
#define TEXT_AROUND 40

static void *text_have(void *memory)
{
    if (memory)
        return memory;
    (void)fputs("asynchat-testing: there is no memory\n", stderr);
    abort();
}

void *asynchat__testing_memory(size_t size)
{
    return text_have(calloc(1, size));
}

const char *asynchat__text(const struct text *text)
{
    return text->bytes ? text->bytes : "";
}

static void text_need(struct text *text, size_t more)
{
    if (text->len + more < text->room)
        return;
    text->room = 2 * (text->len + more + 32);
    text->bytes = text_have(realloc(text->bytes, text->room));
}

void asynchat__text_add(struct text *text, const void *bytes, size_t len)
{
    text_need(text, len);
    if (len > 0)
        memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
    text->bytes[text->len] = '\0';
}

void asynchat__text_say(struct text *text, const char *format, ...)
{
    char said[512];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(said, sizeof said, format, args);
    va_end(args);
    if (len > 0)
        asynchat__text_add(text, said, strlen(said));
}

static void text_escape_byte(struct text *text, unsigned char byte)
{
    static const char special[] = "\a\b\f\n\r\t\v\\\"",
                      letter[] = "abfnrtv\\\"";
    const char *found = byte ? strchr(special, byte) : NULL;
    if (found)
        asynchat__text_say(text, "\\%c", letter[found - special]);
    else if (byte < ' ' || byte > '~')
        asynchat__text_say(text, "\\%03o", byte);
    else
        asynchat__text_add(text, &byte, 1);
}

void asynchat__text_escape(struct text *text, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < len; i++)
        text_escape_byte(text, at[i]);
}

static void text_add_plain(struct text *text, const void *bytes, size_t len)
{
    asynchat__text_add(text, bytes, len);
}

/* One line: the bytes around the place, as `add` adds them. */
static void text_around(struct text *text, const char *name, const char *bytes,
                        size_t len, size_t place,
                        void (*add)(struct text *, const void *, size_t))
{
    size_t from = place > TEXT_AROUND ? place - TEXT_AROUND : 0;
    size_t to = len - place > TEXT_AROUND ? place + TEXT_AROUND : len;
    asynchat__text_say(text, "  %-10s%s\"", name, from > 0 ? "... " : "");
    add(text, bytes + from, to - from);
    asynchat__text_say(text, "\"%s", to < len ? " ..." : "");
}

static size_t text_same(const char *a, size_t len, const char *b, size_t count)
{
    size_t same = 0;
    while (same < len && same < count && a[same] == b[same])
        same++;
    return same;
}

void asynchat__text_differ(struct text *text, const char *name,
                           const void *bytes, size_t len, const char *other,
                           const void *others, size_t count)
{
    size_t same = text_same(bytes, len, others, count);
    text_around(text, name, bytes, len, same, asynchat__text_escape);
    asynchat__text_say(text, "\n");
    text_around(text, other, others, count, same, asynchat__text_escape);
    asynchat__text_say(text, "\n  the first difference is behind byte %zu",
                       same);
}

void asynchat__text_compare(struct text *text, const char *name,
                            const char *one, const char *other_name,
                            const char *other)
{
    size_t len = strlen(one), count = strlen(other);
    size_t same = text_same(one, len, other, count);
    text_around(text, name, one, len, same, text_add_plain);
    asynchat__text_say(text, "\n");
    text_around(text, other_name, other, count, same, text_add_plain);
}

void asynchat__text_clear(struct text *text)
{
    text->len = 0;
    if (text->bytes)
        text->bytes[0] = '\0';
}

void asynchat__text_free(struct text *text)
{
    free(text->bytes);
    *text = (struct text){NULL, 0, 0};
}
