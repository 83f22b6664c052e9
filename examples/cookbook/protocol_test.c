/* The test of a protocol
 *
 * Use this for every protocol; here it is that of the line server above. The
 * trap is a test that sends each line in one piece, as networks do not, and
 * that waits in real time. The test kit cuts the conversation at every place,
 * lets each allocation fail, has the peer reset and vanish at each byte, and
 * has a clock that moves only when it is told to. If anything is not as
 * expected, a text says what, and the test ends.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <asynchat/testing.h>

extern const struct asynchat_handler line_server;

static void talk(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &line_server, arg);
    asynchat_test_hear(t, "220 hello\r\n");
    asynchat_test_say(t, "abc\r\na\rb\n\r\n");
    asynchat_test_hear(t, "250 3 bytes\r\n250 3 bytes\r\n");
    asynchat_test_hear(t, "250 0 bytes\r\n");
    asynchat_test_say(t, "QUIT\r\nabc\r\n"); /* abc gets no answer */
    asynchat_test_hear(t, "221 bye\r\n");
    asynchat_test_expect_closed(t, 0);
}

static void be_silent(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &line_server, arg);
    asynchat_test_hear(t, "220 hello\r\n");
    asynchat_test_advance(t, 300000);
    asynchat_test_expect_closed(t, ASYNCHAT_EIDLE);
}

int main(void)
{
    asynchat_test_run(be_silent, NULL);
    asynchat_test_cuts(talk, NULL);
    asynchat_test_faults(talk, NULL,
                         ASYNCHAT_TEST_ALLOC | ASYNCHAT_TEST_RESET |
                             ASYNCHAT_TEST_VANISH | ASYNCHAT_TEST_SHORT);
}
