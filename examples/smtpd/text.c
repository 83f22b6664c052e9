/* Texts of the protocol. SPDX-License-Identifier: BSD-3-Clause */
#include "smtpd.h"
#include <ctype.h>

#define ADDRESS_MOST 254            /* bytes; RFC 5321, 4.5.3.1.3 */
#define ATOM "!#$%&'*+-/=?^_`{|}~." /* besides letters and digits */

void *allocate(size_t size)
{
    void *to = calloc(1, size);
    if (!to)
        err(1, NULL);
    return to;
}

char *copy(const char *text)
{
    char *to = strdup(text);
    if (!to)
        err(1, NULL);
    return to;
}

bool has_prefix(const char *text, const char *prefix)
{
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

/* Reads a number of at most 18 digits, and nothing else. */
bool parse_number(const char *text, uint64_t *n)
{
    size_t digits = strspn(text, "0123456789");
    *n = strtoull(text, NULL, 10);
    return digits > 0 && digits <= 18 && text[digits] == '\0';
}

/* Takes "FROM:<path>" from the beginning. Returns the path, without a route in
 * front of it, such as "@a,@b:", which means nothing (RFC 5321, appendix C); or
 * NULL. A ">" may stand in quotes. */
char *take_path(char **args, const char *keyword)
{
    bool quoted = false;
    char *path = *args + strlen(keyword), *end;
    if (!has_prefix(*args, keyword) || *(path += strspn(path, " ")) != '<')
        return NULL;
    for (end = ++path; *end && (quoted || *end != '>'); end++)
        if (quoted && *end == '\\' && end[1])
            end++;
        else if (*end == '"')
            quoted = !quoted;
    if (!*end || !strchr(" ", end[1]))
        return NULL;
    *end = '\0';
    *args = end + 1;
    return *path == '@' && strchr(path, ':') ? strchr(path, ':') + 1 : path;
}

/* Whether there are only letters, digits, these, and bytes of UTF-8. */
static bool is_of(const char *text, const char *end, const char *others)
{
    while (text < end &&
           (*text & 0x80 || isalnum(*text) || strchr(others, *text)))
        text++;
    return text == end;
}

/* Returns what is wrong with an address, or NULL. (RFC 5321, 4.1.2; RFC 6531) */
const char *check_path(const char *path, bool utf8)
{
    const char *at = strrchr(path, '@'), *byte = path;
    while (*byte && !(*byte & 0x80))
        byte++;
    if (strlen(path) > ADDRESS_MOST || !at || at == path || !at[1] ||
        !is_of(at + 1, strchr(at, '\0'), ".-:[]") ||
        !((at > path + 1 && *path == '"' && at[-1] == '"') ||
          is_of(path, at, ATOM)))
        return "553 5.1.3 no address";
    return *byte && !utf8 ? "553 5.6.7 that needs SMTPUTF8" : NULL;
}

/* Decodes a text in its place, with a NUL behind it. Returns the length, or
 * -1. */
int decode_base64(char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = strlen(text), n = strspn(text, digits), used = 0;
    unsigned bits = 0;
    if (len % 4 || len - n > 2 || strspn(text + n, "=") != len - n)
        return -1;
    for (size_t i = 0; i < n; i++) {
        bits = bits << 6 | (unsigned)(strchr(digits, text[i]) - digits);
        if (i % 4)
            text[used++] = (char)(bits >> (6 - i % 4 * 2));
    }
    text[used] = '\0';
    return (int)used;
}
