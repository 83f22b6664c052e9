/* A program outside the build that tests a handler with the test kit, by plain
 * asserts. SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <asynchat/testing.h>

#include <assert.h>

static void start(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    if (asynchat_set_terminator(ch, "\r\n", 2))
        asynchat_close(ch);
}

static void line(struct asynchat_channel *ch, const void *data, size_t len,
                 void *arg)
{
    (void)arg;
    if (asynchat_push(ch, data, len))
        asynchat_close(ch);
}

static void echoes(struct asynchat_test *t, void *arg)
{
    static const struct asynchat_handler handler = {
        .size = sizeof handler, .handle_connect = start, .message = line};
    asynchat_test_open(t, &handler, arg);
    asynchat_test_say(t, "hello\r\n");
    asynchat_test_hear(t, "hello");
    asynchat_test_end(t);
    asynchat_test_expect_closed(t, ASYNCHAT_EOF);
}

int main(void)
{
    asynchat_test_run(echoes, NULL);
    asynchat_test_cuts(echoes, NULL);
    assert(asynchat_test_faults(echoes, NULL,
                                ASYNCHAT_TEST_ALLOC | ASYNCHAT_TEST_RESET) > 8);
    return 0;
}
