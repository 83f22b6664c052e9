/* Text for bytes that somebody else chose, such as a peer's. The text has one
 * line, and can be read back into the same bytes.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_ESCAPE_H
#define ASYNCHAT_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

/* The most bytes that the text of `len` bytes can have, without a NUL. */
#define ESCAPED_MOST(len) ((len)*4)

/* Writes printable ASCII and UTF-8 as they are, a backslash as two, and every
 * other byte as "\xNN". The other bytes are control characters, the characters
 * of Unicode that end a line or turn its direction, and bytes that are not
 * UTF-8. Answers the length of the text, which has no NUL. */
size_t asynchat__escape(char *text, const void *bytes, size_t len);

/* Reads text that asynchat__escape() has written; characters that need no
 * escape stand for themselves. Writes at most `room` bytes, and gives in *len
 * how many bytes the text stands for. False: a backslash is followed by
 * something else than a backslash or "xNN". */
bool asynchat__unescape(void *bytes, size_t room, const char *text,
                        size_t *len);

#endif
