/* The recipe for HTTP: bodies of some bytes and of none, a request behind
 * another, a head that is refused with bytes behind it, and a client that sends
 * a byte now and then. SPDX-License-Identifier: BSD-3-Clause */
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
void body_piece(struct asynchat_channel *ch, const void *data, size_t len,
                void *arg);

#define LONG (4 << 20) /* more than is kept */

static int heads;
static size_t total;
static char first[64]; /* bytes of all bodies */

/* The last byte of the head. */
long body_length(const void *head, size_t len)
{
    const char *text = head, last = text[len - 1];
    heads++;
    return last == 'L' ? LONG : last >= '0' && last <= '9' ? last - '0' : -1;
}

void body_piece(struct asynchat_channel *ch, const void *data, size_t len,
                void *arg)
{
    size_t room = sizeof first - 1 - strlen(first);
    total += len;
    strncat(first, data, len < room ? len : room);
}

#define OK "HTTP/1.1 204 No Content\r\n\r\n"

static void begin(struct asynchat_test *t)
{
    heads = 0;
    total = 0;
    first[0] = '\0';
    asynchat_test_open(t, &http_body, NULL);
}

/* Nobody looks at what comes behind the head that is refused. */
static void post(struct asynchat_test *t, void *arg)
{
    begin(t);
    asynchat_test_say(t, "POST / 7\r\n\r\na\r\n\r\nbcPOST / 0\r\n\r\n"
                         "POST / 1\r\n\r\nd");
    asynchat_test_hear(t, OK OK OK);
    asynchat_test_say(t, "POST / x\r\n\r\nPOST / 0\r\n\r\n");
    asynchat_test_hear(t, "HTTP/1.1 400 Bad Request\r\n\r\n");
    asynchat_test_expect_nothing(t);
    if (!asynchat_test_is_over(t))
        CHECK(heads == 4 && strcmp(first, "a\r\n\r\nbcd") == 0);
}

static void post_much(struct asynchat_test *t, void *arg)
{
    static const char body[LONG];
    begin(t);
    asynchat_test_say(t, "POST / L\r\n\r\n");
    asynchat_test_feed(t, body, sizeof body);
    asynchat_test_hear(t, OK);
    CHECK(total == LONG);
}

static void be_slow(struct asynchat_test *t, void *arg)
{
    begin(t);
    asynchat_test_say(t, "POST / 9\r\n\r\n");
    for (int i = 0; i < 5; i++) {
        asynchat_test_advance(t, 3000);
        asynchat_test_say(t, "x");
    }
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
    asynchat_test_run(post_much, NULL);
    refuse_over_a_socket();
    printf("%lu places of faults\n", places);
    return 0;
}
