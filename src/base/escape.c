/* Writes bytes that somebody else chose, such as a peer's, as text; and reads
 * such text back.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/escape.h"

#include <stdint.h>
#include <string.h>

/* --- to text --- */

/* How many bytes a UTF-8 character has that begins with the byte `first`; 0: no
 * character begins with it. */
static size_t utf8_length(uint8_t first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return 2;
    if (first >= 0xe0 && first <= 0xef)
        return 3;
    return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/* Gives the character at `bytes`, and its length in *used; or -1. The answer is
 * -1 also for an encoding that is longer than necessary, for half of a
 * surrogate pair, and for a number that is too large (RFC 3629, 3). */
static int32_t utf8_decode(const uint8_t *bytes, size_t len, size_t *used)
{
    static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = utf8_length(*bytes);
    if (n == 0 || n > len)
        return -1;
    int32_t c = n == 1 ? *bytes : *bytes & (0x7f >> n);
    for (size_t i = 1; i < n; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return -1;
        c = c << 6 | (bytes[i] & 0x3f);
    }
    *used = n;
    bool half = c >= 0xd800 && c <= 0xdfff;
    return c < least[n] || half || c > 0x10ffff ? -1 : c;
}

/* Whether a reader sees the character, and sees the rest of the line where it
 * stands. The ranges in `turns` are the characters that turn the direction of
 * text, and the line and paragraph separators (UAX 9). A backslash is not
 * plain, since it begins an escape; nor is -1, which stands for bytes that are
 * not UTF-8. */
static bool is_plain(int32_t c)
{
    bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
    bool turns = c == 0x61c || c == 0x200e || c == 0x200f ||
                 (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
    return !control && !turns && c != '\\';
}

static size_t escape_byte(char *text, uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";
    text[0] = '\\';
    if (byte == '\\') {
        text[1] = '\\';
        return 2;
    }
    text[1] = 'x';
    text[2] = digits[byte >> 4];
    text[3] = digits[byte & 15];
    return 4;
}

size_t asynchat__escape(char *text, const void *bytes, size_t len)
{
    const uint8_t *at = bytes, *end = at + len;
    char *to = text;
    while (at < end) {
        size_t n = 1;
        if (is_plain(utf8_decode(at, (size_t)(end - at), &n))) {
            memcpy(to, at, n);
            to += n;
            at += n;
            continue;
        }
        for (; n > 0; n--)
            to += escape_byte(to, *at++);
    }
    return (size_t)(to - text);
}

/* --- from text --- */

/* The value of a hexadecimal digit; -1: `c` is not one. */
static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that the beginning of `text` stands for, or -1. *used is how many
 * characters of the text stand for that byte. */
static int unescape_byte(const char *text, size_t *used)
{
    *used = 1;
    if (text[0] != '\\')
        return (uint8_t)text[0];
    *used = 2;
    if (text[1] == '\\')
        return '\\';
    int high = text[1] == 'x' ? digit(text[2]) : -1;
    int low = high >= 0 ? digit(text[3]) : -1;
    *used = 4;
    return low >= 0 ? high << 4 | low : -1;
}

bool asynchat__unescape(void *bytes, size_t room, const char *text, size_t *len)
{
    uint8_t *to = bytes;
    size_t count = 0, used;
    for (; *text; text += used, count++) {
        int byte = unescape_byte(text, &used);
        if (byte < 0)
            return false;
        if (count < room)
            to[count] = (uint8_t)byte;
    }
    *len = count;
    return true;
}
