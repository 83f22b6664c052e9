/* The recipe for a line to everybody: two members at every cut and with
 * faults, one who leaves, one who reads nothing, and more than there is room
 * for.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <asynchat/testing.h>

#include <stdio.h>
#include <string.h>

#include "check.h"

extern const struct asynchat_handler broadcast;

static void chat(struct asynchat_test *t, void *arg)
{
    struct asynchat_test *other = asynchat_test_beside(t);
    asynchat_test_open(t, &broadcast, arg);
    asynchat_test_open(other, &broadcast, arg);
    asynchat_test_say(t, "hello\r\n");
    asynchat_test_say(other, "and\ngoodbye\n");
    asynchat_test_hear(t, "hello\nand\ngoodbye\n");
    asynchat_test_hear(other, "hello\nand\ngoodbye\n");
    asynchat_test_end(other);
    asynchat_test_expect_closed(other, ASYNCHAT_EOF);
    asynchat_test_say(t, "\n");
    asynchat_test_hear(t, "\n");
}

/* A line for which there is no memory is nobody's, and its member goes: so one
 * alone, or the other one would hear less. */
static void talk_alone(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &broadcast, arg);
    asynchat_test_say(t, "hello\r\nand\n\n");
    asynchat_test_hear(t, "hello\nand\n\n");
}

static void do_not_read(struct asynchat_test *t, void *arg)
{
    struct asynchat_test *other = asynchat_test_beside(t);
    char line[1001];
    memset(line, 'x', 1000);
    line[1000] = '\n';
    asynchat_test_open(t, &broadcast, arg);
    asynchat_test_open(other, &broadcast, arg);
    asynchat_pause_reading(asynchat_test_peer(other));
    for (int i = 0; i < 2000; i++) {
        asynchat_test_feed(t, line, sizeof line);
        asynchat_test_expect(t, line, sizeof line);
    }
    CHECK(asynchat_test_channel(t) && !asynchat_test_channel(other));
}

static void say_too_much(struct asynchat_test *t, void *arg)
{
    char line[1001];
    memset(line, 'x', sizeof line);
    asynchat_test_open(t, &broadcast, arg);
    asynchat_test_feed(t, line, sizeof line);
    asynchat_test_expect_closed(t, ASYNCHAT_ETOOLONG);
}

static void be_too_many(struct asynchat_test *t, void *arg)
{
    struct asynchat_test *last = t;
    asynchat_test_open(t, &broadcast, arg);
    for (int i = 1; i < 1001; i++) {
        last = asynchat_test_beside(t);
        asynchat_test_open(last, &broadcast, arg);
    }
    asynchat_test_say(t, "hello\n");
    asynchat_test_hear(t, "hello\n");
    asynchat_test_expect_closed(last, 0);
}

int main(void)
{
    asynchat_test_cuts(chat, NULL);
    unsigned long places = asynchat_test_faults(
        chat, NULL, ASYNCHAT_TEST_RESET | ASYNCHAT_TEST_SHORT);
    places += asynchat_test_faults(talk_alone, NULL, ASYNCHAT_TEST_ALLOC);
    asynchat_test_run(do_not_read, NULL);
    asynchat_test_run(say_too_much, NULL);
    asynchat_test_run(be_too_many, NULL);
    printf("%lu places of faults\n", places);
    return 0;
}
