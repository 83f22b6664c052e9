/* Bytes that somebody else chose, as text: on one line, and to be read again.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_ESCAPE_H
#define ASYNCHAT_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

/* Room for the text of so many bytes, without a NUL. */
#define ESCAPED_MOST(len) ((len)*4)

/* Writes printable ASCII and UTF-8 as they are, a backslash as two, and every
 * other byte as "\xNN". Those are control characters, what ends a line or turns
 * its direction in Unicode, and what is no UTF-8. Answers the length of the text,
 * which has no NUL. */
size_t asynchat__escape(char *text, const void *bytes, size_t len);

/* The other way; bytes that stand for themselves are taken as they are. Writes at
 * most `room` bytes, and answers how many there are in *len. False: a backslash
 * is followed by something else. */
bool asynchat__unescape(void *bytes, size_t room, const char *text,
                        size_t *len);

#endif
