/* The example kv, with the test kit: a conversation at every cut, with each
 * allocation failing, and with peers that reset and take few bytes; and two
 * clients, of whom one tells the other something.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../../examples/kv/kv.h"

#include <asynchat/testing.h>

/* Values with CR LF in them, commands in both forms, an empty value, commands
 * behind one another, and the end. */
static void talk(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &handler, arg);
    asynchat_test_say(t, "FLUSHALL\r\nPING\r\n");
    asynchat_test_hear(t, "+OK\r\n+PONG\r\n");
    asynchat_test_say(t, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n"
                         "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
                         "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n"
                         "*2\r\n$3\r\nGET\r\n$1\r\nk\r\nGET none\r\n");
    asynchat_test_hear(t, "+OK\r\n$4\r\na\r\nb\r\n+OK\r\n$0\r\n\r\n$-1\r\n");
    asynchat_test_say(t, "QUIT\r\n");
    asynchat_test_hear(t, "+OK\r\n");
    asynchat_test_expect_closed(t, 0);
}

static char megabyte[1 << 20];

static void publish(struct asynchat_test *t, void *arg)
{
    struct asynchat_test *other = asynchat_test_beside(t);
    asynchat_test_open(t, &handler, arg);
    asynchat_test_open(other, &handler, arg);
    asynchat_test_say(t, "SUBSCRIBE c\r\n");
    asynchat_test_hear(t, "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
    asynchat_test_say(other, "PUBLISH c hello\r\n");
    asynchat_test_hear(other, ":1\r\n");
    asynchat_test_hear(t, "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\nhello\r\n");
}

/* What is not valid ends the client, and what it sends then is not waited for.
 */
static void broken(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &handler, arg);
    asynchat_test_say(t, "PING\r\n*x\r\n");
    asynchat_test_hear(t, "+PONG\r\n-ERR Protocol error: "
                          "invalid multibulk length\r\n");
}

static void is_open(struct asynchat_test *t, bool open)
{
    if ((asynchat_test_channel(t) != NULL) == open)
        return;
    fprintf(stderr, "the client %s\n", open ? "is gone" : "is still there");
    abort();
}

/* Below 8 MB for minutes, and then above for 60 s. */
static void unread(struct asynchat_test *t, void *arg)
{
    struct asynchat_test *other = asynchat_test_beside(t);
    asynchat_test_open(t, &handler, arg);
    asynchat_test_open(other, &handler, arg);
    asynchat_test_say(t, "SUBSCRIBE c\r\n");
    asynchat_test_hear(t, "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
    asynchat_pause_reading(asynchat_test_peer(t));
    for (int i = 0; i < 8; i++) {
        is_open(t, true);
        asynchat_test_advance(t, 70000);
        asynchat_test_say(other,
                          "*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$1048576\r\n");
        asynchat_test_feed(other, megabyte, sizeof megabyte);
        asynchat_test_say(other, "\r\n");
        asynchat_test_hear(other, ":1\r\n");
    }
    asynchat_test_advance(t, 59999);
    is_open(t, true);
    asynchat_test_advance(t, 1);
    is_open(t, false);
    asynchat_test_say(other, "QUIT\r\n");
}

/* A client that asks for more than is kept for it, and never reads. It is not
 * read from, then told why, and ended. */
static void never_reads(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &handler, arg);
    asynchat_test_say(t, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048576\r\n");
    asynchat_test_feed(t, megabyte, sizeof megabyte);
    asynchat_test_say(t, "\r\n");
    asynchat_test_hear(t, "+OK\r\n");
    asynchat_pause_reading(asynchat_test_peer(t));
    for (int i = 0; i < 520; i++)
        asynchat_test_say(t, "GET k\r\n");
    asynchat_test_advance(t, 59999);
    is_open(t, true);
    asynchat_test_advance(t, 1 + 30000);
    is_open(t, false);
}

int main(void)
{
    const unsigned faults =
        ASYNCHAT_TEST_ALLOC | ASYNCHAT_TEST_RESET | ASYNCHAT_TEST_SHORT;
    if (sodium_init() < 0)
        return 1;
    table_open();
    topics_open();
    asynchat_test_cuts(talk, NULL);
    unsigned long places = asynchat_test_faults(talk, NULL, faults);
    asynchat_test_cuts(broken, NULL);
    asynchat_test_run(unread, NULL);
    asynchat_test_run(never_reads, NULL);
    asynchat_test_cuts(publish, NULL);
    places += asynchat_test_faults(publish, NULL, faults);
    table_close();
    topics_close();
    work_close();
    printf("%lu places of faults\n", places);
    return 0;
}
