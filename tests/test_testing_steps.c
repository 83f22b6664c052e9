/* The test kit: the steps of a peer, and which callbacks are seen.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include <asynchat.h>

#include "child.h"
#include "told.h"

/* --- callbacks --- */

static void begins(struct asynchat_channel *ch, void *arg)
{
    const struct asynchat_timeouts times = {.size = sizeof times, .idle = 1000};
    (void)arg;
    assert_int_equal(asynchat_set_terminator(ch, "\n", 1), 0);
    assert_int_equal(asynchat_set_message_limit(ch, 4), 0);
    assert_int_equal(asynchat_set_timeouts(ch, &times), 0);
}

static void takes_data(struct asynchat_channel *ch, const void *data,
                       size_t len, void *arg)
{
    (void)ch;
    (void)data;
    (void)len;
    (void)arg;
}

static void found(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
}

static void ends(struct asynchat_channel *ch, int cut_off, void *arg)
{
    (void)arg;
    assert_int_equal(asynchat_push(ch, cut_off ? "cut" : "eof", 3), 0);
}

static void fails(struct asynchat_channel *ch, int error, void *arg)
{
    (void)arg;
    if (error == ASYNCHAT_ETOOLONG)
        assert_int_equal(asynchat_push(ch, "long", 4), 0);
}

static void drops(struct asynchat_channel *ch, const void *data, size_t len,
                  uint64_t total, void *arg)
{
    (void)data;
    (void)len;
    (void)arg;
    assert_int_equal(total, 7);
    assert_int_equal(asynchat_push(ch, "dropped", 7), 0);
}

static void is_gone(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    if (arg)
        *(int *)arg = status;
}

/* As a later version of the library may have it. */
static const struct {
    struct asynchat_handler handler;
    void (*later)(struct asynchat_channel *ch);
} longer = {.handler = {.size = sizeof longer,
                        .collect_incoming_data = takes_data,
                        .found_terminator = found,
                        .handle_connect = begins,
                        .handle_eof = ends,
                        .handle_error = fails,
                        .handle_close = is_gone,
                        .handle_idle = found,
                        .message_dropped = drops}};

static void each_callback_is_an_event(void **state)
{
    struct asynchat_test *t = asynchat_test_new();
    int status = 0;
    (void)state;
    asynchat_test_open(t, &longer.handler, &status);
    asynchat_test_say(t, "ab\n");
    asynchat_test_feed(t, "\000\001\377\"efg\n", 8);
    asynchat_test_hear(t, "dropped");
    asynchat_test_advance(t, 1000);
    asynchat_test_say(t, "x");
    asynchat_test_end(t);
    asynchat_test_hear(t, "cut");
    asynchat_test_expect_closed(t, ASYNCHAT_EOF);
    asynchat_test_expect_events(t, "connect data(ab) found "
                                   "data(\\000\\001\\377\\\") dropped(7) idle "
                                   "data(x) cut close(ASYNCHAT_EOF)");
    asynchat_test_free(t);
    expect_no_failure();
    assert_int_equal(status, ASYNCHAT_EOF);
}

static const struct asynchat_handler errs = {.size = sizeof errs,
                                             .collect_incoming_data =
                                                 takes_data,
                                             .handle_connect = begins,
                                             .handle_error = fails};

static void an_error_is_an_event(void **state)
{
    struct asynchat_test *t = asynchat_test_new();
    (void)state;
    asynchat_test_open(t, &errs, NULL);
    asynchat_test_say(t, "abcdef");
    asynchat_test_hear(t, "long");
    asynchat_test_expect_closed(t, ASYNCHAT_ETOOLONG);
    asynchat_test_expect_events(t, "connect data(abcd) "
                                   "error(ASYNCHAT_ETOOLONG) "
                                   "close(ASYNCHAT_ETOOLONG)");
    asynchat_test_free(t);
    expect_no_failure();
}

/* The events of a handler that has little: its messages are one run of data. */
static const struct asynchat_handler collects = {
    .size = sizeof collects, .collect_incoming_data = takes_data};

static void callbacks_that_are_not_there_are_no_events(void **state)
{
    struct asynchat_test *t = asynchat_test_new();
    struct asynchat_channel *ch = asynchat_test_open(t, &collects, NULL);
    (void)state;
    assert_int_equal(asynchat_set_terminator(ch, "\n", 1), 0);
    asynchat_test_say(t, "ab\ncd\n");
    asynchat_test_end(t);
    asynchat_test_expect_events(t, "data(abcd) close(ASYNCHAT_EOF)");
    asynchat_test_free(t);
    expect_no_failure();
}

static const struct asynchat_handler finds = {.size = sizeof finds,
                                              .found_terminator = found};

static void data_that_nobody_wants_is_no_event(void **state)
{
    struct asynchat_test *t = asynchat_test_new();
    struct asynchat_channel *ch = asynchat_test_open(t, &finds, NULL);
    (void)state;
    assert_int_equal(asynchat_set_terminator(ch, "\n", 1), 0);
    asynchat_test_say(t, "ab\ncd");
    asynchat_test_expect_events(t, "found");
    asynchat_test_free(t);
    expect_no_failure();
}

static void a_handler_that_is_refused_fails(void **state)
{
    const struct asynchat_handler shorter = {
        .size = offsetof(struct asynchat_handler, handle_stopping),
        .collect_incoming_data = takes_data};
    struct asynchat_test *t = asynchat_test_new();
    (void)state;
    assert_null(asynchat_test_open(t, &shorter, NULL));
    expect_failure(asynchat_strerror(-EINVAL));
    asynchat_test_free(t);
}

/* --- what the peer does --- */

static void a_reset_ends_the_channel_at_once(void **state)
{
    struct asynchat_test *t = asynchat_test_new();
    (void)state;
    asynchat_test_open(t, &collects, NULL);
    assert_non_null(asynchat_test_peer(t));
    asynchat_test_reset(t);
    assert_null(asynchat_test_peer(t));
    asynchat_test_expect_closed(t, -ECONNRESET);
    asynchat_test_free(t);
    expect_no_failure();
}

/* The peer is gone, and these do nothing. */
static void steps_of_a_peer_that_is_gone_do_nothing(void **state)
{
    struct asynchat_test *t = asynchat_test_new();
    (void)state;
    asynchat_test_end(t);
    asynchat_test_reset(t);
    asynchat_test_take(t, 1);
    asynchat_test_open(t, &collects, NULL);
    asynchat_test_reset(t);
    asynchat_test_end(t);
    asynchat_test_reset(t);
    asynchat_test_take(t, 1);
    asynchat_test_expect_events(t, "close(-ECONNRESET)");
    asynchat_test_free(t);
    asynchat_test_free(NULL);
    expect_no_failure();
}

static void in_a_conversation_that_is_over_nothing_happens(void **state)
{
    struct asynchat_test *t = asynchat_test_new();
    struct asynchat_test *other = asynchat_test_beside(t);
    (void)state;
    asynchat_test_open(t, &longer.handler, NULL);
    asynchat_test_expect_closed(t, -EDOM);
    expect_failure("the channel has not ended; -33 was expected");
    asynchat_test_advance(t, 1000);
    assert_int_equal(asynchat_test_now(t), 0);
    asynchat_test_end(t);
    asynchat_test_reset(t);
    asynchat_test_take(t, 1);
    asynchat_test_settle(t);
    asynchat_test_say(t, "x");
    asynchat_test_expect_nothing(t);
    asynchat_test_expect_closed(t, 0);
    asynchat_test_expect_events(t, "none of these");
    assert_null(asynchat_test_open(other, &longer.handler, NULL));
    assert_non_null(asynchat_test_peer(t));
    assert_non_null(asynchat_test_channel(t));
    asynchat_test_free(t);
    asynchat_test_free(other);
    assert_int_equal(failure.count, 0);
}

/* Aborts at an A. What the peer sends in the same piece is lost. */
static void aborts(struct asynchat_channel *ch, const void *data, size_t len,
                   void *arg)
{
    (void)arg;
    if (memchr(data, 'A', len))
        asynchat_abort(ch);
}

static const struct asynchat_handler aborter = {.size = sizeof aborter,
                                                .message = aborts};

static void is_aborted(struct asynchat_test *t, void *arg)
{
    struct asynchat_channel *ch = asynchat_test_open(t, &aborter, arg);
    assert_int_equal(asynchat_set_terminator(ch, "\n", 1), 0);
    asynchat_test_say(t, "A\nbcd\n");
    asynchat_test_expect_closed(t, 0);
}

static void a_channel_may_end_between_two_pieces(void **state)
{
    (void)state;
    asynchat_test_cuts(is_aborted, NULL);
    expect_no_failure();
}

/* --- a channel that the program frees --- */

static void a_freed_channel_has_ended_with_any_status(void **state)
{
    struct asynchat_test *t = asynchat_test_new();
    (void)state;
    asynchat_channel_free(asynchat_test_open(t, &collects, NULL));
    assert_null(asynchat_test_channel(t));
    asynchat_test_expect_closed(t, -EDOM);
    asynchat_test_expect_events(t, "");
    asynchat_test_free(t);
    expect_no_failure();
}

/* With the last channel of the loop gone, nothing tells of the channel. */
static void both_channels_may_go(void **state)
{
    struct asynchat_test *t = asynchat_test_new();
    (void)state;
    struct asynchat_channel *ch = asynchat_test_open(t, &collects, NULL);
    asynchat_abort(asynchat_test_peer(t));
    asynchat_channel_free(ch);
    asynchat_test_settle(t);
    assert_null(asynchat_test_peer(t));
    assert_null(asynchat_test_channel(t));
    asynchat_test_free(t);
    expect_no_failure();
}

/* --- the loop --- */

static void echoes(struct asynchat_channel *ch, const void *data, size_t len,
                   void *arg)
{
    (void)arg;
    assert_int_equal(asynchat_push(ch, data, len), 0);
}

static const struct asynchat_handler echo = {.size = sizeof echo,
                                             .collect_incoming_data = echoes};
static struct asynchat_channel *pair[2];

static void pair_up(struct asynchat_test *t)
{
    const struct asynchat_handler *const handlers[] = {&echo, &echo};
    assert_int_equal(
        asynchat_pair_new(asynchat_test_base(t), handlers, NULL, pair), 0);
}

/* The loop of a test goes with the last test. */
static void tests_are_freed_in_any_order(void **state)
{
    struct asynchat_test *a = asynchat_test_new(), *b = asynchat_test_beside(a),
                         *c = asynchat_test_beside(a);
    (void)state;
    asynchat_test_open(c, &collects, NULL);
    asynchat_test_free(a);
    asynchat_test_free(b);
    asynchat_test_say(c, "ab");
    asynchat_test_expect_events(c, "data(ab)");
    asynchat_test_free(c);
    expect_no_failure();
}

static void collects_ab(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &collects, arg);
    asynchat_test_say(t, "ab");
    asynchat_test_expect_events(t, "data(ab)");
    assert_ptr_not_equal(asynchat_test_base(t), asynchat_test_base(arg));
}

static void a_conversation_runs_beside_a_test(void **state)
{
    struct asynchat_test *t = asynchat_test_new();
    (void)state;
    asynchat_test_open(t, &collects, NULL);
    asynchat_test_run(collects_ab, t);
    asynchat_test_expect_events(t, "");
    asynchat_test_say(t, "x");
    asynchat_test_expect_events(t, "data(x)");
    asynchat_test_free(t);
    expect_no_failure();
}

/* The program may free the channels later. The loop goes with the process. */
static bool leaves_channels(void *arg)
{
    struct asynchat_test *t = asynchat_test_new();
    (void)arg;
    asynchat_test_open(t, &collects, NULL);
    pair_up(t);
    asynchat_test_free(t);
    t = asynchat_test_new();
    asynchat_test_open(t, &longer.handler, NULL);
    assert_int_equal(asynchat_push(pair[0], "a", 1), 0);
    asynchat_test_advance(t, 1000);
    asynchat_test_expect_events(t, "connect idle");
    asynchat_test_free(t);
    asynchat_channel_free(pair[0]);
    asynchat_channel_free(pair[1]);
    return failure.count == 0;
}

static void channels_that_are_left_keep_their_loop(void **state)
{
    (void)state;
    assert_int_equal(child_runs(leaves_channels, NULL), 1);
}

/* --- reports --- */

static void a_long_text_is_shown_where_it_differs(void **state)
{
    char text[101] = {0};
    struct asynchat_test *t = asynchat_test_new();
    (void)state;
    struct asynchat_channel *ch = asynchat_test_open(t, &collects, NULL);
    memset(text, 'a', sizeof text - 1);
    assert_int_equal(asynchat_push(ch, text, sizeof text - 1), 0);
    asynchat_test_settle(t);
    text[50] = 'b';
    asynchat_test_hear(t, text);
    assert_non_null(strstr(failure.text, "expected  ... \"aaaaa"));
    assert_non_null(strstr(failure.text, "aaabaaa"));
    assert_non_null(strstr(failure.text, "heard     ... \"aaaaa"));
    expect_failure("a\" ...\n  the first difference is behind byte 50\n");
    asynchat_test_free(t);
}

/* --- another handler --- */

static const struct asynchat_handler data_and_all, *before;

static void takes_command(struct asynchat_channel *ch, const void *data,
                          size_t len, void *arg)
{
    (void)arg;
    if (len != 4 || memcmp(data, "DATA", 4) != 0)
        return;
    before = asynchat_get_handler(ch);
    assert_int_equal(asynchat_set_handler(ch, &data_and_all), 0);
}

/* An empty piece of data goes back to the handler before. */
static void goes_back(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    assert_int_equal(asynchat_set_handler(ch, before), 0);
}

static const struct asynchat_handler commands = {.size = sizeof commands,
                                                 .handle_connect = begins,
                                                 .message = takes_command};
static const struct asynchat_handler data_and_all = {
    .size = sizeof data_and_all,
    .collect_incoming_data = takes_data,
    .found_terminator = goes_back,
    .handle_eof = ends};

static void another_handler_is_watched_too(void **state)
{
    struct asynchat_test *t = asynchat_test_new();
    (void)state;
    asynchat_test_open(t, &commands, NULL);
    asynchat_test_say(t, "a\nDATA\nbc\nd\nDATA\ne");
    asynchat_test_end(t);
    asynchat_test_hear(t, "cut");
    asynchat_test_expect_closed(t, ASYNCHAT_EOF);
    asynchat_test_expect_events(t, "connect message(a) message(DATA) data(bc) "
                                   "found message(d) message(DATA) data(e) "
                                   "cut close(ASYNCHAT_EOF)");
    asynchat_test_free(t);
    expect_no_failure();
}

/* The status is the new handler's: another one is not excused. */
static void its_close_is_known(void **state)
{
    struct asynchat_test *t = asynchat_test_new();
    (void)state;
    asynchat_test_open(t, &commands, NULL);
    asynchat_test_say(t, "DATA\n");
    asynchat_test_end(t);
    asynchat_test_hear(t, "eof");
    asynchat_test_expect_closed(t, 0);
    expect_failure("the channel has ended with ASYNCHAT_EOF; 0 was expected");
    asynchat_test_free(t);
}

/* The conversation sets the handler; and a handler is made anew where another
 * one was. */
static void a_handler_may_be_set_from_outside(void **state)
{
    struct asynchat_test *t = asynchat_test_new();
    struct asynchat_handler handler = {.size = sizeof handler,
                                       .collect_incoming_data = takes_data};
    (void)state;
    struct asynchat_channel *ch = asynchat_test_open(t, &commands, NULL);
    assert_int_equal(asynchat_set_handler(ch, &handler), 0);
    asynchat_test_say(t, "a\n");
    assert_int_equal(asynchat_set_handler(ch, &commands), 0);
    asynchat_test_say(t, "b\n");
    handler.found_terminator = found;
    assert_int_equal(asynchat_set_handler(ch, &handler), 0);
    asynchat_test_say(t, "c\n");
    asynchat_test_expect_events(t, "connect data(a) message(b) data(c) found");
    asynchat_test_free(t);
    expect_no_failure();
}

static void sets_in_drained(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    assert_int_equal(asynchat_set_handler(ch, &data_and_all), 0);
}

static const struct asynchat_handler drains = {
    .size = sizeof drains,
    .handle_connect = begins,
    .collect_incoming_data = takes_data,
    .handle_drained = sets_in_drained,
    .handle_pressure = sets_in_drained};

static void callbacks_that_are_no_events_may_set_one(void **state)
{
    (void)state;
    for (int pressed = 0; pressed < 2; pressed++) {
        struct asynchat_test *t = asynchat_test_new();
        struct asynchat_channel *ch = asynchat_test_open(t, &drains, NULL);
        if (pressed) {
            assert_int_equal(asynchat_set_output_marks(ch, 0, 1), 0);
            asynchat_test_take(t, 1);
        }
        assert_int_equal(asynchat_push(ch, "xyz", 3), 0);
        asynchat_test_settle(t);
        asynchat_test_end(t);
        asynchat_test_expect_events(t, "connect eof close(ASYNCHAT_EOF)");
        asynchat_test_free(t);
    }
    expect_no_failure();
}

/* --- no rest --- */

static void two_echo(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &commands, arg);
    pair_up(t);
    assert_int_equal(asynchat_push(pair[0], "x", 1), 0);
    asynchat_test_settle(t);
    asynchat_channel_free(pair[0]);
    asynchat_channel_free(pair[1]);
}

#define NO_REST "something moves for ever: the loop does not come to rest"

static void channels_that_answer_each_other_for_ever_fail(void **state)
{
    (void)state;
    asynchat_test_run(two_echo, NULL);
    expect_failure(NO_REST);
}

/* The conversation goes on, and so do the channels: nothing hangs. */
static void the_test_is_freed_nevertheless(void **state)
{
    struct asynchat_test *t = asynchat_test_new();
    (void)state;
    asynchat_test_open(t, &commands, NULL);
    pair_up(t);
    assert_int_equal(asynchat_push(pair[0], "x", 1), 0);
    asynchat_test_say(t, "a\n");
    expect_failure(NO_REST);
    asynchat_test_say(t, "b\n");
    asynchat_test_advance(t, 1000);
    assert_non_null(asynchat_test_channel(t));
    asynchat_test_free(t);
    expect_no_failure();
    asynchat_channel_free(pair[0]);
    asynchat_channel_free(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_callback_is_an_event, begin),
        cmocka_unit_test_setup(an_error_is_an_event, begin),
        cmocka_unit_test_setup(callbacks_that_are_not_there_are_no_events,
                               begin),
        cmocka_unit_test_setup(data_that_nobody_wants_is_no_event, begin),
        cmocka_unit_test_setup(a_handler_that_is_refused_fails, begin),
        cmocka_unit_test_setup(a_reset_ends_the_channel_at_once, begin),
        cmocka_unit_test_setup(steps_of_a_peer_that_is_gone_do_nothing, begin),
        cmocka_unit_test_setup(in_a_conversation_that_is_over_nothing_happens,
                               begin),
        cmocka_unit_test_setup(a_channel_may_end_between_two_pieces, begin),
        cmocka_unit_test_setup(a_freed_channel_has_ended_with_any_status,
                               begin),
        cmocka_unit_test_setup(both_channels_may_go, begin),
        cmocka_unit_test_setup(tests_are_freed_in_any_order, begin),
        cmocka_unit_test_setup(a_conversation_runs_beside_a_test, begin),
        cmocka_unit_test_setup(channels_that_are_left_keep_their_loop, begin),
        cmocka_unit_test_setup(a_long_text_is_shown_where_it_differs, begin),
        cmocka_unit_test_setup(another_handler_is_watched_too, begin),
        cmocka_unit_test_setup(its_close_is_known, begin),
        cmocka_unit_test_setup(a_handler_may_be_set_from_outside, begin),
        cmocka_unit_test_setup(callbacks_that_are_no_events_may_set_one, begin),
        cmocka_unit_test_setup(channels_that_answer_each_other_for_ever_fail,
                               begin),
        cmocka_unit_test_setup(the_test_is_freed_nevertheless, begin),
    };
    return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
