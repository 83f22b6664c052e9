/* Addresses. SPDX-License-Identifier: BSD-3-Clause */
#include "smtpd.h"

#define ADDRESS_MOST 254            /* bytes; RFC 5321, 4.5.3.1.3 */
#define ATOM "!#$%&'*+-/=?^_`{|}~." /* besides letters and digits */

/* Takes "FROM:<path>" from the beginning. Returns the path, without a route in
 * front of it, such as "@a,@b:", which means nothing (RFC 5321, appendix C); or
 * NULL. A ">" may stand in quotes. */
char *take_path(char **args, const char *keyword)
{
    bool quoted = false;
    char *path = *args + strlen(keyword), *end;
    if (g_ascii_strncasecmp(*args, keyword, strlen(keyword)) != 0 ||
        *g_strchug(path) != '<')
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
           (*text & 0x80 || g_ascii_isalnum(*text) || strchr(others, *text)))
        text++;
    return text == end;
}

/* Returns what is wrong with an address, or NULL: RFC 5321, 4.1.2; RFC 6531. */
const char *check_path(const char *path, bool utf8)
{
    const char *at = strrchr(path, '@');
    if (strlen(path) > ADDRESS_MOST || !at || at == path || !at[1] ||
        !is_of(at + 1, strchr(at, '\0'), ".-:[]") ||
        !((at > path + 1 && *path == '"' && at[-1] == '"') ||
          is_of(path, at, ATOM)))
        return "553 5.1.3 no address";
    return utf8 || g_str_is_ascii(path) ? NULL
                                        : "553 5.6.7 that needs SMTPUTF8";
}
