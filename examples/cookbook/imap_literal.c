/* Lines with literals, as in IMAP
 *
 * Use this for protocols in which a line may say "{5}" at its end: five bytes
 * follow, whatever they are, and then the line goes on. The client waits until
 * it is asked for these bytes; with "{5+}" it does not wait. The trap is a
 * literal that is refused when it is already under way: it must be skipped, or
 * its bytes are read as commands.
 *
 * The function add() is yours. It keeps a part of a command, and says whether
 * n more bytes may come: one limit has to be for the whole of a command, since
 * a command may have any number of short literals. If n is -1, the command has
 * ended, and add() gives the answer, which is "BAD" after a refusal.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE 1
#include <asynchat.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

int add(struct asynchat_channel *ch, const char *s, size_t len, int64_t n);

static int64_t announced(const char *line, size_t len)
{
    const char *open = memrchr(line, '{', len);
    char *end;
    if (!open || line[len - 1] != '}' || !isdigit((unsigned char)open[1]))
        return -1;
    int64_t n = strtoll(open + 1, &end, 10);
    return end + (*end == '+') == line + len - 1 ? n : -1;
}

static void expect_line(struct asynchat_channel *ch, void *arg)
{
    if (asynchat_set_terminator(ch, "\r\n", 2))
        asynchat_close(ch);
}

static void part(struct asynchat_channel *ch, const void *data, size_t len,
                 void *arg)
{
    const char *line = data;
    int64_t n = announced(line, len);
    if (asynchat_get_terminator(ch, NULL, NULL) != ASYNCHAT_STRING) {
        add(ch, line, len, 0); /* a literal */
        expect_line(ch, arg);
    } else if (add(ch, line, len, n) && n >= 0) {
        if (line[len - 2] != '+')
            asynchat_push(ch, "+ go on\r\n", 9);
        asynchat_set_block(ch, (uint64_t)n);
    } else if (n >= 0 && line[len - 2] == '+') {
        asynchat_skip(ch, (uint64_t)n);
    } else if (n >= 0) {
        add(ch, "", 0, -1); /* it was not asked for: the command ends */
    }
}

const struct asynchat_handler imap_literal = {
    sizeof imap_literal, .handle_connect = expect_line, .message = part};
