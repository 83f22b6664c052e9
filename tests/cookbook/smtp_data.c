/* The recipe for mail: bodies with dots at every cut and with every fault, line
 * ends that are not CR LF, a mail that is too long, one that comes too slowly,
 * and one that cannot be stored.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <asynchat/testing.h>

#include <stdio.h>
#include <string.h>

#include "check.h"

void expect_data(struct asynchat_channel *ch);
void answer(struct asynchat_channel *ch, const char *text);

static void command(struct asynchat_channel *ch, const void *line, size_t len,
                    void *file)
{
    if (len == 4 && memcmp(line, "DATA", 4) == 0) {
        rewind(file);
        expect_data(ch);
    } else {
        answer(ch, "250 command");
    }
}

static void expect_command(struct asynchat_channel *ch, void *file)
{
    static const struct asynchat_handler commands = {.size = sizeof commands,
                                                     .message = command};
    (void)file;
    if (asynchat_set_handler(ch, &commands) ||
        asynchat_set_framing(ch,
                             asynchat_framing_lines(ASYNCHAT_LINES_STRICT)) ||
        asynchat_set_message_limit(ch, 998) ||
        asynchat_set_deadline(ch, 300000))
        asynchat_close(ch);
}

/* Says how much was stored, too. */
void answer(struct asynchat_channel *ch, const char *text)
{
    FILE *file = asynchat_get_arg(ch);
    asynchat_push_printf(ch, "%s, %ld\r\n", text, ftell(file));
    expect_command(ch, file);
}

static const struct asynchat_handler smtp = {
    .size = sizeof smtp, .handle_connect = expect_command, .message = command};

static void send_mails(struct asynchat_test *t, void *file)
{
    rewind(file);
    asynchat_test_open(t, &smtp, file);
    asynchat_test_say(t, "DATA\r\n.\r\nDATA\r\n..a\r\n.b\r\n\r\n.\r\nNOOP\r\n");
    asynchat_test_hear(t, "354 go on\r\n250 stored, 0\r\n");
    asynchat_test_hear(t, "354 go on\r\n250 stored, 9\r\n250 command, 9\r\n");
    asynchat_test_say(t, "DATA\r\na\n.\nDATA\r\n.\r\nNOOP\r\n");
    asynchat_test_hear(t, "354 go on\r\n554 CR or LF, 1\r\n250 command, 1\r\n");
}

static void send_a_long_mail(struct asynchat_test *t, void *file)
{
    static char lines[1 << 20];
    memset(lines, 'x', sizeof lines);
    asynchat_test_open(t, &smtp, file);
    asynchat_test_say(t, "DATA\r\n");
    for (int i = 0; i < 10; i++)
        asynchat_test_feed(t, lines, sizeof lines);
    asynchat_test_say(t, "x\r\n.\r\nNOOP\r\n");
    asynchat_test_hear(t, "354 go on\r\n552 too long, 10485760\r\n");
    asynchat_test_hear(t, "250 command, 10485760\r\n");
}

/* A line each minute, and no end. */
static void be_slow(struct asynchat_test *t, void *file)
{
    asynchat_test_open(t, &smtp, file);
    asynchat_test_say(t, "DATA\r\n");
    asynchat_test_hear(t, "354 go on\r\n");
    for (int i = 0; i < 9; i++) {
        asynchat_test_advance(t, 60000);
        asynchat_test_say(t, "x\r\n");
    }
    asynchat_test_expect_nothing(t);
    asynchat_test_advance(t, 60000);
    asynchat_test_hear(t, "421 too slow\r\n");
    asynchat_test_expect_closed(t, ASYNCHAT_EDEADLINE);
}

static void send_one(struct asynchat_test *t, void *file)
{
    asynchat_test_open(t, &smtp, file);
    asynchat_test_say(t, "DATA\r\na\r\n.\r\n");
    asynchat_test_hear(t, "354 go on\r\n451 failed");
}

int main(void)
{
    FILE *file = tmpfile(), *full = fopen("/dev/full", "w");
    CHECK(file && full);
    asynchat_test_cuts(send_mails, file);
    unsigned long places =
        asynchat_test_faults(send_mails, file,
                             ASYNCHAT_TEST_ALLOC | ASYNCHAT_TEST_RESET |
                                 ASYNCHAT_TEST_VANISH | ASYNCHAT_TEST_SHORT);
    rewind(file);
    asynchat_test_run(send_a_long_mail, file);
    asynchat_test_run(be_slow, file);
    asynchat_test_run(send_one, full);
    printf("%lu places of faults\n", places);
    fclose(file);
    fclose(full);
    return 0;
}
