/* Text that grows, for reports. Without memory the program ends.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TESTING_TEXT_H
#define ASYNCHAT_TESTING_TEXT_H

#include <asynchat/api.h>

/* Invariant: `bytes` is NULL, or has a NUL behind the last byte. */
struct text {
    char *bytes;
    size_t len, room;
};

/* The bytes, NUL-terminated; never NULL. */
const char *asynchat__text(const struct text *text);

void asynchat__text_add(struct text *text, const void *bytes, size_t len);
void asynchat__text_say(struct text *text, const char *format, ...)
    ASYNCHAT_FORMAT(2, 3);

/* Adds bytes as a string of C would have them, without the quotes. */
void asynchat__text_escape(struct text *text, const void *bytes, size_t len);

/* Adds two lines that show where the bytes differ, with what is around, and one
 * that says at which byte. Each line begins with its name. */
void asynchat__text_differ(struct text *text, const char *name,
                           const void *bytes, size_t len, const char *other,
                           const void *others, size_t count);

/* The same for two texts that are escaped already, without the third line. */
void asynchat__text_compare(struct text *text, const char *name,
                            const char *one, const char *other_name,
                            const char *other);

/* Forgets the text, but not its memory. */
void asynchat__text_clear(struct text *text);

void asynchat__text_free(struct text *text);

/* Memory that is all zero. Never NULL. */
void *asynchat__testing_memory(size_t size);

#endif
