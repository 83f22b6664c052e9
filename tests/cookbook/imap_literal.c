/* The recipe for IMAP: literals that wait and that do not, of no bytes, and with
 * line ends in them; commands that are too long in every way.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <asynchat/testing.h>

#include <stdio.h>
#include <string.h>

#include "check.h"

extern const struct asynchat_handler imap_literal;

static struct command {
    size_t len;
    char text[8000], guard[2000];
} command;

static void open_one(struct asynchat_test *t)
{
    command.len = 0;
    asynchat_test_open(t, &imap_literal, &command);
}

static void log_in(struct asynchat_test *t, void *arg)
{
    (void)arg;
    open_one(t);
    asynchat_test_say(t, "a NOOP {\r\nb {x}\r\nc }\r\n\r\nd {5x}\r\n");
    asynchat_test_hear(t, "OK\r\nOK\r\nOK\r\nOK\r\nOK\r\n");
    asynchat_test_say(t, "d {5x\r\nd {5\r\nd {}\r\nd {+5}\r\n");
    asynchat_test_hear(t, "OK\r\nOK\r\nOK\r\nOK\r\n");
    asynchat_test_say(t, "e {4}\r\n");
    asynchat_test_hear(t, "+ go on\r\n");
    asynchat_test_say(t, "\r\n{9 {0+}\r\n {3+}\r\n}\r\n\r\nf\r\n");
    asynchat_test_hear(t, "OK\r\nOK\r\n");
    asynchat_test_expect_nothing(t);
    static const char kept[] = "e {4}\r\n{9 {0+} {3+}}\r\n";
    if (!asynchat_test_is_over(t))
        CHECK(memcmp(command.text + 1, kept + 1, sizeof kept - 2) == 0);
}

/* Its bytes look like commands. */
static void say_too_much(struct asynchat_test *t, void *arg)
{
    char bytes[8001];
    (void)arg;
    memset(bytes, '\n', sizeof bytes);
    open_one(t);
    asynchat_test_say(t, "a {8001+}\r\n");
    asynchat_test_feed(t, bytes, 8001);
    asynchat_test_say(t, " {4+}\r\na\r\n {9}\r\nb {8001}\r\nc\r\n");
    asynchat_test_hear(t, "BAD\r\nBAD\r\nOK\r\n");
    asynchat_test_say(t, "{4000+}\r\n");
    asynchat_test_feed(t, bytes, 4000);
    asynchat_test_say(t, "{4000+}\r\n");
    asynchat_test_feed(t, bytes, 4000);
    asynchat_test_say(t, "\r\nd\r\n");
    asynchat_test_hear(t, "BAD\r\nOK\r\n");
    asynchat_test_feed(t, bytes, 8001);
    asynchat_test_say(t, "\r\nd\r\n");
    asynchat_test_hear(t, "BAD\r\nOK\r\n");
    CHECK(command.guard[0] == 0);
    asynchat_test_say(t, "e {18446744073709551615+}\r\n");
    asynchat_test_expect_closed(t, 0);
}

int main(void)
{
    asynchat_test_cuts(log_in, NULL);
    unsigned long places = asynchat_test_faults(
        log_in, NULL,
        ASYNCHAT_TEST_ALLOC | ASYNCHAT_TEST_RESET | ASYNCHAT_TEST_SHORT);
    asynchat_test_run(say_too_much, NULL);
    printf("%lu places of faults\n", places);
    return 0;
}
