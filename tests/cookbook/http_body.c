/* The recipe for HTTP: bodies of some bytes and of none, a request behind
 * another, a head that is refused with bytes behind it, and a client that sends
 * a byte each second. SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <asynchat/testing.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "check.h"

extern const struct asynchat_handler http_body;
long body_length(const void *head, size_t len);

static int heads;

/* The last byte of the head. */
long body_length(const void *head, size_t len)
{
    const char *text = head;
    heads++;
    return len > 0 && strchr("0123456789", text[len - 1]) ? text[len - 1] - '0'
                                                          : -1;
}

#define OK "HTTP/1.1 200 OK\r\nContent-Length: "

/* Nobody looks at what comes behind the head that is refused. */
static void post(struct asynchat_test *t, void *arg)
{
    heads = 0;
    asynchat_test_open(t, &http_body, arg);
    asynchat_test_say(t, "POST / 7\r\n\r\na\r\n\r\nbcPOST / 0\r\n\r\n"
                         "POST / 1\r\n\r\nd");
    asynchat_test_hear(t, OK "7\r\n\r\na\r\n\r\nbc" OK "0\r\n\r\n");
    asynchat_test_hear(t, OK "1\r\n\r\nd");
    asynchat_test_say(t, "POST / x\r\n\r\nPOST / 0\r\n\r\n");
    asynchat_test_hear(t, "HTTP/1.1 400 Bad Request\r\n\r\n");
    asynchat_test_expect_nothing(t);
    if (!asynchat_test_is_over(t))
        CHECK(heads == 4);
}

static void read_nothing(struct asynchat_test *t, void *arg)
{
    static const char request[] = "POST / 0\r\n\r\n";
    static char requests[1000 * (sizeof request - 1)];
    struct asynchat_channel *ch = asynchat_test_open(t, &http_body, arg);
    asynchat_pause_reading(asynchat_test_peer(t));
    for (size_t i = 0; i < sizeof requests; i++)
        requests[i] = request[i % (sizeof request - 1)];
    for (int i = 0; i < 100; i++) /* with 4 MB of answers */
        asynchat_test_feed(t, requests, sizeof requests);
    CHECK(asynchat_get_queued(ch) < 1 << 20);
}

static void be_slow(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &http_body, arg);
    asynchat_test_say(t, "POST / 9\r\n\r\n");
    for (int i = 0; i < 5; i++) {
        asynchat_test_advance(t, 3000);
        asynchat_test_say(t, "x");
    }
    asynchat_test_hear(t, OK "9\r\n\r\nxxxxx");
    asynchat_test_advance(t, 5000);
    asynchat_test_expect_closed(t, ASYNCHAT_EDEADLINE);
}

/* A peer that is still sending is not cut off: it gets the answer, and then the
 * end. */
static void refuse_over_a_socket(void)
{
    struct event_base *base = event_base_new();
    struct asynchat_channel *ch;
    char said[100];
    int fds[2];
    CHECK(base && socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    CHECK(asynchat_channel_new_socket(base, fds[0], &http_body, NULL, &ch) ==
          0);
    CHECK(send(fds[1], "POST / x\r\n\r\n", 12, 0) == 12);
    for (int i = 0; i < 10; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
    CHECK(send(fds[1], "more", 4, MSG_NOSIGNAL) == 4);
    CHECK(recv(fds[1], said, sizeof said, 0) == 28);
    CHECK(recv(fds[1], said, sizeof said, 0) == 0);
    close(fds[1]);
    event_base_dispatch(base);
    event_base_free(base);
}

int main(void)
{
    asynchat_test_cuts(post, NULL);
    unsigned long places =
        asynchat_test_faults(post, NULL,
                             ASYNCHAT_TEST_ALLOC | ASYNCHAT_TEST_RESET |
                                 ASYNCHAT_TEST_VANISH | ASYNCHAT_TEST_SHORT);
    asynchat_test_run(be_slow, NULL);
    asynchat_test_run(read_nothing, NULL);
    refuse_over_a_socket();
    printf("%lu places of faults\n", places);
    return 0;
}
