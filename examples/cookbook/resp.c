/* Requests of Redis (RESP)
 *
 * Use this for protocols in which a line says how many bytes follow. The traps
 * are values with CR LF in them, a value of no bytes, and strtoul(): that
 * function accepts signs and blanks, and reads on behind a message, where
 * nothing ends the number. A framing with a function of the program's makes
 * each part of a request one message, a value together with its line. Such a
 * function reads the number only when the whole line is there.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* "*2\r\n" is a message, and so is "$5\r\nhello\r\n". */
static int look(const void *bytes, size_t len, struct asynchat_head *head,
                void *arg)
{
    const char *text = bytes, *end = memchr(text, '\n', len);
    char *rest;
    if (*text != '*' && *text != '$')
        return ASYNCHAT_EFRAMING;
    if (!end)
        return ASYNCHAT_HEAD_MORE;
    if (!isdigit((unsigned char)text[1]))
        return ASYNCHAT_EFRAMING;
    unsigned long n = strtoul(text + 1, &rest, 10);
    if (rest + 1 != end || *rest != '\r' || n > 1 << 20)
        return ASYNCHAT_EFRAMING;
    head->length = (size_t)(end + 1 - text) + (*text == '$' ? n + 2 : 0);
    return ASYNCHAT_HEAD_KNOWN;
}

/* A request is "*N" and N values; the answer is how long the last is. */
static void part(struct asynchat_channel *ch, const void *data, size_t len,
                 void *arg)
{
    const char *text = data;
    uintptr_t left = (uintptr_t)arg; /* how many values are to come */
    ptrdiff_t head = (const char *)memchr(text, '\n', len) + 1 - text;
    if ((*text == '*') != (left == 0) ||
        memcmp(text + len - 2, "\r\n", 2) != 0) {
        asynchat_push(ch, "-ERR no request\r\n", 17);
        asynchat_close_after(ch);
    } else if (*text == '*') {
        left = strtoul(text + 1, NULL, 10);
    } else if (--left == 0) {
        asynchat_push_printf(ch, ":%zu\r\n", len - head - 2);
    }
    asynchat_set_arg(ch, (void *)left);
}

static void start(struct asynchat_channel *ch, void *arg)
{
    if (asynchat_set_framing(ch,
                             asynchat_framing_function(look, 24, NULL)))
        asynchat_close(ch);
}

const struct asynchat_handler resp = {
    .size = sizeof resp,
    .handle_connect = start,
    .message = part,
};
