/* Lines with literals, as in IMAP
 *
 * Use this for protocols in which a line may say "{5}" at its end: five bytes
 * follow, whatever they are, and then the line goes on. The client waits until
 * it is asked for these bytes; with "{5+}" it does not wait. The trap is a
 * literal that is refused when it is already under way: it must be skipped, or
 * its bytes are read as commands. One limit is for the whole of a command,
 * since a command may have any number of short literals.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE 1
#include <asynchat.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 8000 }; /* bytes of a command, with its literals */
struct command {      /* each channel has one, of zeros at first */
    size_t len;       /* more than MOST: the command is refused */
    char text[MOST];
};

/* Returns '}' if "{5}" ends the line, '+' if "{5+}" does, or else 0. */
static char announces(const char *line, size_t len, uint64_t *n)
{
    const char *open = memrchr(line, '{', len);
    char *end;
    if (!open || line[len - 1] != '}' || !isdigit((unsigned char)open[1]))
        return 0;
    *n = strtoull(open + 1, &end, 10);
    return end + (*end == '+') == line + len - 1 ? *end : 0;
}

static void keep(struct command *c, const void *bytes, size_t len)
{
    if (c->len + len <= MOST)
        memcpy(c->text + c->len, bytes, len);
    c->len += len;
}

static void expect_line(struct asynchat_channel *ch, void *arg)
{
    if (asynchat_set_terminator(ch, "\r\n", 2))
        asynchat_close(ch);
}

static void message(struct asynchat_channel *ch, const void *data,
                    size_t len, void *arg)
{
    struct command *c = arg;
    uint64_t n = 0;
    keep(c, data, len);
    if (asynchat_get_terminator(ch, NULL, NULL) != ASYNCHAT_STRING) {
        expect_line(ch, arg); /* this was a literal: the line goes on */
        return;
    }
    char how = announces(data, len, &n);
    if (c->len > MOST || (how && n > MOST - c->len))
        c->len = MOST + 1;
    if (how == '}' && c->len <= MOST)
        asynchat_push(ch, "+ go on\r\n", 9);
    if (how && c->len <= MOST) {
        asynchat_set_block(ch, n);
    } else if (how == '+') {
        if (asynchat_skip(ch, n))
            asynchat_close(ch);
    } else {
        asynchat_push_printf(ch, c->len > MOST ? "BAD\r\n" : "OK\r\n");
        c->len = 0;
    }
}

const struct asynchat_handler imap_literal = {
    .size = sizeof imap_literal,
    .handle_connect = expect_line,
    .message = message,
};
