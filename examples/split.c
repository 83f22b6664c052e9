/* Splits standard input into messages, with no event loop: split TERMINATOR
 *
 * Each message is written as a line. In the terminator, \n, \r and \t have the
 * same meaning as in C. SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <asynchat/framer.h>

/* Replaces escapes in place, and returns the new length. */
static size_t unescape(char *text)
{
    static const char letters[] = "nrt\\", bytes[] = "\n\r\t\\";
    char *to = text;
    for (const char *from = text; *from; from++) {
        const char *at =
            *from == '\\' && from[1] ? strchr(letters, from[1]) : NULL;
        *to++ = at ? bytes[at - letters] : *from;
        from += at != NULL;
    }
    return (size_t)(to - text);
}

/* Writes the messages that the framer finds. */
static void copy(struct asynchat_framer *framer)
{
    enum asynchat_framer_event event;
    const void *data;
    size_t len;
    while ((event = asynchat_framer_next(framer, &data, &len)) !=
           ASYNCHAT_FRAMER_MORE) {
        fwrite(data ? data : "", 1, len, stdout);
        if (event == ASYNCHAT_FRAMER_END)
            putchar('\n');
    }
}

int main(int argc, char **argv)
{
    static char bytes[65536];
    struct asynchat_framer *framer = argc == 2 ? asynchat_framer_new() : NULL;
    ssize_t n;
    if (!framer ||
        asynchat_framer_set_terminator(framer, argv[1], unescape(argv[1]))) {
        fprintf(stderr, "usage: split TERMINATOR\n");
        asynchat_framer_free(framer);
        return 2;
    }
    while ((n = read(STDIN_FILENO, bytes, sizeof bytes)) > 0) {
        asynchat_framer_feed(framer, bytes, (size_t)n);
        copy(framer);
    }
    asynchat_framer_finish(framer);
    copy(framer);
    if (asynchat_framer_is_cut_off(framer))
        putchar('\n');
    asynchat_framer_free(framer);
    return n < 0 || fflush(stdout) != 0;
}
