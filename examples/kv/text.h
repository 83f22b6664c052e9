/* What kv does with bytes and numbers alone, all of it as Redis does.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef KV_TEXT_H
#define KV_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Chooses the hash of this process, by chance: names come from strangers, who
 * must not be able to choose some that all go into one chain. */
void choose_hash(void);
unsigned hash(const void *bytes, size_t len);

/* Reads what print_number() would write, and nothing else: no spaces, no "+1", no
 * "01". */
bool parse_number(const char *text, size_t len, long long *n);

/* Writes a number, and no NUL; how many bytes that is. NUMBER_MOST leaves room for
 * four more. */
#define NUMBER_MOST 24
size_t print_number(char *to, long long n);

/* Only the last * is ever tried anew: so it takes no more steps than the one
 * length times the other. (In Redis no * matches an empty name.) */
bool matches(const char *pattern, size_t pattern_len, const char *name,
             size_t len);

/* As the precision of a %.*s. */
int at_most(size_t len, size_t most);

/* What is between the words of a line. */
bool is_blank(char byte);

/* The next word of a line, to `word`, which has room for the line, and *len;
 * where it ends, or NULL. */
const char *read_word(const char *at, const char *end, char *word, size_t *len);

#endif
