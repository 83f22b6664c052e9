/* Names of servers: see names.h. SPDX-License-Identifier: BSD-3-Clause */
#include "tls/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

/* --- the form --- */

static char to_lower(char c)
{
    static const char small[] = "abcdefghijklmnopqrstuvwxyz";
    if (c >= 'A' && c <= 'Z')
        return small[c - 'A'];
    return c;
}

/* Letters, digits and "-" (RFC 1123, 2.1), and "_", which is in use. */
static bool is_of_label(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

bool asynchat__tls_name_write(char to[NAME_SIZE], const char *name, size_t len)
{
    size_t label = 0;
    if (len > 0 && name[len - 1] == '.')
        len--;
    if (len == 0 || len >= NAME_SIZE)
        return false;
    for (size_t i = 0; i < len; i++) {
        to[i] = to_lower(name[i]);
        if (to[i] == '.' ? label == 0 : !is_of_label(to[i]) || label == 63)
            return false;
        label = to[i] == '.' ? 0 : label + 1;
    }
    to[len] = '\0';
    return label > 0;
}

bool asynchat__tls_name_write_pattern(char to[NAME_SIZE], const char *name)
{
    char rest[NAME_SIZE];
    if (strncmp(name, "*.", 2) != 0)
        return asynchat__tls_name_write(to, name, strlen(name));
    if (!asynchat__tls_name_write(rest, name + 2, strlen(name + 2)))
        return false;
    size_t size = strlen(rest) + 1;
    if (size + 2 > NAME_SIZE)
        return false;
    to[0] = '*';
    to[1] = '.';
    memcpy(to + 2, rest, size);
    return true;
}

bool asynchat__tls_name_is_address(const char *name)
{
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(name);
    ASN1_OCTET_STRING_free(address);
    ERR_clear_error();
    return address != NULL;
}

/* --- the table --- */

/* The first entry whose name is not before `name`: the entries are sorted. */
static size_t place_of(const struct names *names, const char *name)
{
    size_t from = 0, to = names->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (strcmp(names->entries[middle]->name, name) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static struct names_entry *find(const struct names *names, const char *name)
{
    size_t at = place_of(names, name);
    return at < names->count && strcmp(names->entries[at]->name, name) == 0
               ? names->entries[at]
               : NULL;
}

/* Makes room for one more entry. False: there is no memory. */
static bool grow(struct names *names)
{
    struct names_entry **more =
        realloc(names->entries, (names->count + 1) * sizeof(void *));
    if (!more)
        return false;
    names->entries = more;
    return true;
}

/* Moves the entries from one place on to another place. */
static void shift(struct names *names, size_t from, size_t to)
{
    memmove(names->entries + to, names->entries + from,
            (names->count - from) * sizeof(void *));
}

int asynchat__tls_names_add(struct names *names, const char *name,
                            struct asynchat_tls *tls,
                            struct asynchat_tls **before)
{
    size_t at = place_of(names, name), size = strlen(name) + 1;
    struct names_entry *entry = find(names, name);
    *before = entry ? entry->tls : NULL;
    if (!entry) {
        entry = grow(names) ? malloc(sizeof *entry + size) : NULL;
        if (!entry)
            return -ENOMEM;
        memcpy(entry->name, name, size);
        shift(names, at, at + 1);
        names->entries[at] = entry;
        names->count++;
    }
    entry->tls = tls;
    return 0;
}

struct asynchat_tls *asynchat__tls_names_remove(struct names *names,
                                                const char *name)
{
    struct names_entry *entry = find(names, name);
    if (!entry)
        return NULL;
    struct asynchat_tls *tls = entry->tls;
    size_t at = place_of(names, name);
    shift(names, at + 1, at);
    names->count--;
    free(entry);
    return tls;
}

struct asynchat_tls *asynchat__tls_names_find(const struct names *names,
                                              const char *name)
{
    const struct names_entry *entry = find(names, name);
    const char *rest = strchr(name, '.');
    if (!entry && rest) {
        char pattern[NAME_SIZE + 1] = "*";
        memcpy(pattern + 1, rest, strlen(rest) + 1);
        entry = find(names, pattern);
    }
    return entry ? entry->tls : NULL;
}

void asynchat__tls_names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->entries[i]);
    free(names->entries);
}
