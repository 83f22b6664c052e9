/* What the recipe's own test, protocol_test.c, leaves out: lines as long as may
 * be and longer, and a client that sends commands and reads nothing.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <asynchat/testing.h>

#include <string.h>

#include "check.h"

extern const struct asynchat_handler line_server;

static void say_too_much(struct asynchat_test *t, void *arg)
{
    char line[1001];
    memset(line, 'x', sizeof line);
    asynchat_test_open(t, &line_server, arg);
    asynchat_test_hear(t, "220 hello\r\n");
    for (size_t len = 1000; len <= 1001; len++) {
        asynchat_test_feed(t, line, len);
        asynchat_test_say(t, "\r\n");
    }
    asynchat_test_say(t, "a\r\n");
    asynchat_test_hear(t, "250 1000 bytes\r\n500 too long\r\n250 1 bytes\r\n");
}

static void read_nothing(struct asynchat_test *t, void *arg)
{
    static char lines[20000];
    struct asynchat_channel *ch = asynchat_test_open(t, &line_server, arg);
    asynchat_pause_reading(asynchat_test_peer(t));
    for (size_t i = 0; i < sizeof lines; i++)
        lines[i] = "a\n"[i % 2];
    for (int i = 0; i < 20; i++) /* with 2.6 MB of answers */
        asynchat_test_feed(t, lines, sizeof lines);
    CHECK(asynchat_get_queued(ch) < 1 << 20);
    asynchat_test_advance(t, 60000);
    CHECK(!asynchat_test_channel(t));
}

int main(void)
{
    asynchat_test_cuts(say_too_much, NULL);
    asynchat_test_run(read_nothing, NULL);
    return 0;
}
