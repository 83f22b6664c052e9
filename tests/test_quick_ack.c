/* What comes over TCP is acknowledged at once, if the program asks for that.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"
#include "toy.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <event2/event.h>

/* --- the peer's view --- */

/* How many bytes of the peer's are not acknowledged. */
static int unacknowledged(const struct fixture *f)
{
    int bytes = -1;
    assert_int_equal(ioctl(f->peer, SIOCOUTQ, &bytes), 0);
    return bytes;
}

static void answer(struct fixture *f)
{
    asynchat_push(f->ch, "ok\r\n", 4);
}

/* Questions and answers, after which the system waits for an answer that can
 * carry its acknowledgement. */
static void converse(struct fixture *f)
{
    for (int i = 0; i < 40; i++) {
        feed_string(f, "a\r\n");
        settle(f);
    }
}

/* A request in several writes, of which each waits for the acknowledgement of
 * the one before. Answers how many bytes are not acknowledged when the first
 * was read. The delay may be over by then on a slow machine. */
static int begin_request(struct fixture *f, const char *text)
{
    feed_string(f, text);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    return unacknowledged(f);
}

static struct fixture *start_asked(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = answer;
    return f;
}

/* --- tests --- */

static void half_a_request_is_acknowledged_at_once(void **state)
{
    struct fixture *f = start_asked(state);
    assert_int_equal(asynchat_set_quick_ack(f->ch, 1), 0);
    assert_int_equal(asynchat_get_quick_ack(f->ch), 1);
    converse(f);
    for (int i = 0; i < 10; i++)
        assert_int_equal(begin_request(f, "half"), 0);
}

/* The delay of some 40 ms is the system's, and may be over once or twice. */
static void otherwise_the_system_waits_for_an_answer(void **state)
{
    int waited = 0;
    for (int i = 0; i < 10 && waited == 0; i++) {
        struct fixture *f = start_asked(state);
        assert_int_equal(asynchat_get_quick_ack(f->ch), 0);
        assert_int_equal(asynchat_set_quick_ack(f->ch, 1), 0);
        assert_int_equal(asynchat_set_quick_ack(f->ch, 0), 0);
        converse(f);
        waited = begin_request(f, "half");
        close_connection(f);
    }
    assert_int_equal(waited, 4);
}

/* The layer waits for more of the peer's first words, and says nothing. */
static void through_a_layer_too(void **state)
{
    struct fixture *f = start_asked(state);
    struct toy *toy = toy_new(false);
    converse(f);
    assert_int_equal(asynchat_set_quick_ack(f->ch, 1), 0);
    assert_int_equal(asynchat_set_layer(f->ch, &toy_ops, toy, NULL), 0);
    settle(f);
    assert_int_equal(begin_request(f, "H"), 0);
    close_connection(f);
    assert_int_equal(toys, 0);
}

static void elsewhere_it_has_no_effect(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    assert_int_equal(asynchat_set_quick_ack(f->ch, 1), 0);
    feed_string(f, "one\r\n");
    settle(f);
    expect(f, "data(one) found");
}

static void bad_values_are_told(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_quick_ack(NULL, 1), -EINVAL);
    assert_int_equal(asynchat_set_quick_ack(f->ch, 2), -EINVAL);
    assert_int_equal(asynchat_set_quick_ack(f->ch, -1), -EINVAL);
    assert_int_equal(asynchat_get_quick_ack(f->ch), 0);
    assert_int_equal(asynchat_get_quick_ack(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER(TCP, half_a_request_is_acknowledged_at_once),
        OVER(TCP, otherwise_the_system_waits_for_an_answer),
        OVER(TCP, through_a_layer_too),
        OVER_ALL(elsewhere_it_has_no_effect),
        OVER(TCP, bad_values_are_told),
    };
    return RUN(tests);
}
