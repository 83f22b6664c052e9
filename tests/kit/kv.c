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
    asynchat_test_cuts(publish, NULL);
    places += asynchat_test_faults(publish, NULL, faults);
    table_close();
    topics_close();
    work_close();
    printf("%lu places of faults\n", places);
    return 0;
}
