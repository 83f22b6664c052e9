/* Parts of a text that is kept elsewhere, and how they are taken apart, for
 * httpd. SPDX-License-Identifier: BSD-3-Clause */
#ifndef HTTPD_TEXT_H
#define HTTPD_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
    const char *at;
    size_t len;
};

#define TEXT(literal)                                                          \
    {                                                                          \
        literal, sizeof literal - 1                                            \
    }
#define SPAN(literal) ((struct span)TEXT(literal))

/* What a byte may be part of. */
enum {
    TOKEN = 1,
    VALUE = 2,
    TARGET = 4,
    HOST_NAME = 8,
    ADDRESS = 16,
    DIGIT = 32
};

extern unsigned char kinds[256];

/* Says what each byte is, before anything else is asked. */
void set_kinds(void);

/* Whether all bytes are of a kind. */
bool is_all(struct span s, int kind);

/* Whether they are the same, in lower case or upper. */
bool is(struct span s, struct span other);
bool begins(struct span s, struct span with);

/* Without the first bytes. */
struct span skip(struct span s, size_t len);

/* Cuts off what is before `end`, which goes too, or all of it if there is none.
 */
struct span cut(struct span *s, char end);

/* A space or a tab; and without those around it. */
bool is_blank(char byte);
struct span trim(struct span s);

/* One digit or more, and nothing else. What is too large is UINT64_MAX. */
bool parse_number(struct span s, unsigned radix, uint64_t *n);

/* Text that comes in pieces. */
struct text {
    char *bytes;
    size_t len;
    size_t capacity;
};

#define TEXT_KEPT 4096 /* memory that may stay when a text is forgotten */

/* Adds to it. False: there was no memory. */
bool keep_text(struct text *text, const void *data, size_t len);
struct span span_of(const struct text *text);
void forget_text(struct text *text);

#endif
