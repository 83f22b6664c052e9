/* Requests of Redis (RESP)
 *
 * Use this for protocols in which a line says how many bytes follow. The traps
 * are values with CR LF in them, a value of no bytes, and strtoul(): that
 * function accepts signs and blanks, and reads on behind a message, where
 * nothing ends the number. A framing with a function of the program's makes
 * each part of a request one message: "*2\r\n" is one, and so is
 * "$5\r\nhello\r\n", the value together with its line. Such a function reads
 * the number only when the whole line is there. A line of at most nine bytes
 * has a number below a million. Here the answer to a request says how long its
 * last value is.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static int look(const void *bytes, size_t len, struct asynchat_head *head,
                void *arg)
{
    const char *text = bytes, *end = memchr(text, '\n', len);
    char *rest;
    if (!end)
        return ASYNCHAT_HEAD_MORE;
    if ((*text != '*' && *text != '$') || !isdigit((unsigned char)text[1]))
        return ASYNCHAT_EFRAMING;
    size_t n = strtoul(text + 1, &rest, 10);
    head->length = (size_t)(end + 1 - text) + (*text == '$' ? n + 2 : 0);
    return rest + 1 == end && *rest == '\r' ? 0 : ASYNCHAT_EFRAMING;
}

static void part(struct asynchat_channel *ch, const void *data, size_t len,
                 void *arg)
{
    const char *s = data;
    uintptr_t left = (uintptr_t)arg; /* how many values are to come */
    size_t n = strtoul(s + 1, NULL, 10);
    if ((*s == '*') != (left == 0) || memcmp(s + len - 2, "\r\n", 2)) {
        asynchat_push(ch, "-ERR no request\r\n", 17);
        asynchat_close_after(ch);
    } else if (*s == '*') {
        left = n;
    } else if (--left == 0) {
        asynchat_push_printf(ch, ":%zu\r\n", n);
    }
    asynchat_set_arg(ch, (void *)left);
}

static void start(struct asynchat_channel *ch, void *arg)
{
    if (asynchat_set_framing(ch, asynchat_framing_function(look, 9, NULL)))
        asynchat_close(ch);
}

const struct asynchat_handler resp = {sizeof resp, .handle_connect = start,
                                      .message = part};
