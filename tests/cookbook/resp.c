/* The recipe for RESP: values of every kind at every cut and with every fault,
 * and what is no request.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <asynchat/testing.h>

#include <stdio.h>

extern const struct asynchat_handler resp;

static void ask(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &resp, arg);
    asynchat_test_say(t, "*2\r\n$4\r\nECHO\r\n$7\r\n\r\n$1\r\n*\r\n"
                         "*1\r\n$0\r\n\r\n*0\r\n*1\r\n$3\r\n*1\r\r\n");
    asynchat_test_hear(t, ":7\r\n:0\r\n:3\r\n");
    asynchat_test_say(t, "$1\r\na\r\n*1\r\n$1\r\na\r\n");
    asynchat_test_hear(t, "-ERR no request\r\n");
    asynchat_test_expect_closed(t, 0);
}

static void end_wrongly(struct asynchat_test *t, void *text)
{
    asynchat_test_open(t, &resp, NULL);
    asynchat_test_say(t, text);
    asynchat_test_hear(t, "-ERR no request\r\n");
    asynchat_test_expect_closed(t, 0);
}

static void break_the_framing(struct asynchat_test *t, void *text)
{
    asynchat_test_open(t, &resp, NULL);
    asynchat_test_say(t, text);
    asynchat_test_expect_closed(t, ASYNCHAT_EFRAMING);
}

int main(void)
{
    static char *wrong[] = {"*1\r\n*1\r\n", "*1\r\n$1\r\nabc", "$0\r\n\r\n"};
    static char *broken[] = {"PING\r\n",
                             "+5\r\n",
                             "$5\r5\r\n",
                             "$5x\n",
                             "$\n5\r\n",
                             "$+5\r\n",
                             "$ 5\r\n",
                             "$-1\r\n",
                             "$5\n",
                             "$5 \r\n",
                             "$0x5\r\n",
                             "$1048577\r\n",
                             "$18446744073709551616\r\n",
                             "$0000000000000000000000000000"};
    asynchat_test_cuts(ask, NULL);
    unsigned long places = asynchat_test_faults(
        ask, NULL,
        ASYNCHAT_TEST_ALLOC | ASYNCHAT_TEST_RESET | ASYNCHAT_TEST_SHORT);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        asynchat_test_cuts(end_wrongly, wrong[i]);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        asynchat_test_run(break_the_framing, broken[i]);
    printf("%lu places of faults\n", places);
    return 0;
}
