/* The messages of the framings that are compared with the string terminator.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "framed.h"

#include <string.h>

const char *const framed_names[FRAMED_KINDS] = {
    "string",    "block", "prefix", "kept",        "varint",
    "netstring", "lines", "strict", "alternatives"};

const char framed_ends[FRAMED_ENDS][3] = {"\r\n", "$ ", "# ", "> "};

enum framed framed_find(const char *name)
{
    int kind = 0;
    while (kind < FRAMED_KINDS && strcmp(framed_names[kind], name) != 0)
        kind++;
    return (enum framed)kind;
}

size_t framed_digits(char *to, size_t number)
{
    size_t len = 1;
    if (number < 10) {
        *to = (char)('0' + number);
        return 1;
    }
    if (number < 100) {
        to[0] = (char)('0' + number / 10);
        to[1] = (char)('0' + number % 10);
        return 2;
    }
    for (size_t rest = number; rest >= 10; rest /= 10)
        len++;
    for (size_t at = len; at-- > 0; number /= 10)
        to[at] = (char)('0' + number % 10);
    return len;
}

size_t framed_varint(char *to, size_t number)
{
    size_t len = 0;
    for (; number >= 0x80; number >>= 7)
        to[len++] = (char)(number | 0x80);
    to[len++] = (char)number;
    return len;
}

static size_t put_head(enum framed kind, char *to, size_t len)
{
    size_t head = 0;
    switch (kind) {
    case FRAMED_PREFIX:
    case FRAMED_KEPT:
        for (; head < 4; head++)
            to[head] = (char)(len >> (24 - 8 * head));
        return head;
    case FRAMED_VARINT:
        return framed_varint(to, len);
    case FRAMED_NETSTRING:
        head = framed_digits(to, len);
        to[head++] = ':';
        return head;
    default:
        return head;
    }
}

static const char *end_of(enum framed kind, size_t number)
{
    switch (kind) {
    case FRAMED_BLOCK:
    case FRAMED_PREFIX:
    case FRAMED_KEPT:
    case FRAMED_VARINT:
        return "";
    case FRAMED_NETSTRING:
        return ",";
    case FRAMED_ALTERNATIVES:
        return framed_ends[number % FRAMED_ENDS];
    default:
        return "\r\n";
    }
}

/* With these sizes, a head is as long as that of a message of four bytes
 * less. */
void framed_put(enum framed kind, char *to, size_t size, size_t number)
{
    char head[FRAMED_HEAD_MOST];
    const char *end = end_of(kind, number);
    size_t tail = strlen(end), start = put_head(kind, head, size - 4);
    size_t data = size - start - tail;
    put_head(kind, to, data);
    for (size_t i = 0; i < data; i++)
        to[start + i] = (char)('a' + (number + start + i) % 26);
    memcpy(to + size - tail, end, tail);
}
