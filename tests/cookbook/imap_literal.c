/* The recipe for IMAP: literals that wait and that do not, of no bytes, and with
 * line ends in them; commands that are too long in every way.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <asynchat/testing.h>

#include <stdio.h>
#include <string.h>

#include "check.h"

extern const struct asynchat_handler imap_literal;
int add(struct asynchat_channel *ch, const char *s, size_t len, int64_t n);

#define MOST 8000 /* bytes of a command, with its literals */

static size_t length; /* more than MOST: the command is refused */
static char kept[MOST];

int add(struct asynchat_channel *ch, const char *s, size_t len, int64_t n)
{
    if (length + len <= MOST)
        memcpy(kept + length, s, len);
    length += len;
    if (length > MOST || n > (int64_t)(MOST - length))
        length = MOST + 1;
    int agreed = length <= MOST;
    if (n < 0) {
        asynchat_push_printf(ch, agreed ? "OK\r\n" : "BAD\r\n");
        length = 0;
    }
    return agreed;
}

static void open_one(struct asynchat_test *t)
{
    length = 0;
    asynchat_test_open(t, &imap_literal, NULL);
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
    static const char whole[] = "e {4}\r\n{9 {0+} {3+}}\r\n";
    if (!asynchat_test_is_over(t)) /* "f" has come since */
        CHECK(memcmp(kept + 1, whole + 1, sizeof whole - 2) == 0);
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
    asynchat_test_say(t, "e {18446744073709551615+}\r\nf\r\n"); /* endless */
    asynchat_test_expect_nothing(t);
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
