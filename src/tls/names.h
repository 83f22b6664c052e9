/* Names of servers: the form they have, and a table of contexts by name.
 *
 * Tested by tests/openssl/test_tls_names.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TLS_NAMES_H
#define ASYNCHAT_TLS_NAMES_H

#include <stdbool.h>
#include <stddef.h>

struct asynchat_tls;

/* Room for a name, with the NUL at its end. */
#define NAME_SIZE 254

/* Writes a host name to `to` in the form in which names are compared: in small
 * letters, without the dot at its end. False: `name` is no host name. */
bool asynchat__tls_name_write(char to[NAME_SIZE], const char *name, size_t len);

/* The same, but the first label may be "*". */
bool asynchat__tls_name_write_pattern(char to[NAME_SIZE], const char *name);

/* Whether `name` is an IP address as text. */
bool asynchat__tls_name_is_address(const char *name);

struct names_entry {
    struct asynchat_tls *tls;
    char name[]; /* in the form above, perhaps with "*" */
};

struct names {
    struct names_entry **entries; /* sorted by name */
    size_t count;
};

/* Gives the name this context. Answers the one that it had before in *before,
 * or NULL. 0 or -ENOMEM. */
int asynchat__tls_names_add(struct names *names, const char *name,
                            struct asynchat_tls *tls,
                            struct asynchat_tls **before);

/* Takes a name away, and answers its context. NULL: there is no such name. */
struct asynchat_tls *asynchat__tls_names_remove(struct names *names,
                                                const char *name);

/* The context of the name itself, or else of "*" and the name without its first
 * label. NULL: there is none. */
struct asynchat_tls *asynchat__tls_names_find(const struct names *names,
                                              const char *name);

void asynchat__tls_names_free(struct names *names);

#endif
