/* The test kit: what it finds, and what it says.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <asynchat.h>
#include <asynchat/testing.h>

#include "told.h"
#include "toy.h"

#define DAY (24u * 60 * 60 * 1000)

static jmp_buf left;

static void leave(const char *file, int line, const char *text)
{
    note_failure(file, line, text);
    longjmp(left, 1);
}

/* --- a server --- */

static void hello(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    if (asynchat_set_terminator(ch, "\r\n", 2) ||
        asynchat_push(ch, "220 hello\r\n", 11))
        asynchat_abort(ch);
}

static void answer(struct asynchat_channel *ch, const void *data, size_t len,
                   void *arg)
{
    (void)arg;
    if (asynchat_push(ch, data, len) || asynchat_push(ch, "\r\n", 2))
        asynchat_abort(ch);
    if (len == 4 && memcmp(data, "QUIT", 4) == 0)
        asynchat_close_when_done(ch);
}

static const struct asynchat_handler server = {
    .size = sizeof server, .handle_connect = hello, .message = answer};

static void says_it_again(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &server, arg);
    asynchat_test_hear(t, "220 hello\r\n");
    asynchat_test_say(t, "abc\r\n\r\nQUIT\r\n");
    asynchat_test_hear(t, "abc\r\n");
    asynchat_test_expect(t, "\r\nQUIT\r\n", 8);
    asynchat_test_expect_closed(t, 0);
    asynchat_test_expect_events(
        t, "connect message(abc) message() message(QUIT) close(0)");
}

static void a_conversation_that_is_right_passes(void **state)
{
    (void)state;
    asynchat_test_run(says_it_again, NULL);
    asynchat_test_cuts(says_it_again, NULL);
    expect_no_failure();
}

/* --- what is said --- */

static void differs(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &server, arg);
    asynchat_test_hear(t, "220 hello\r\n");
    asynchat_test_say(t, "abc\r\n");
    *(int *)arg = __LINE__ + 1;
    asynchat_test_hear(t, "abd\r\n");
    assert_int_equal(asynchat_test_is_over(t), 1);
    asynchat_test_hear(t, "what comes later is not looked at");
}

static void the_report_shows_the_difference(void **state)
{
    int line = 0;
    (void)state;
    asynchat_test_run(differs, &line);
    assert_int_equal(failure.line, line);
    expect_failure("the peer hears something else\n"
                   "  expected  \"abd\\r\\n\"\n"
                   "  heard     \"abc\\r\\n\"\n"
                   "  the first difference is behind byte 2\n"
                   "  the channel is open; its events: connect message(abc)");
}

static void hears_too_little(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &server, arg);
    asynchat_test_hear(t, "220 hello\r\n221");
}

static void hears_too_much(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &server, arg);
    asynchat_test_expect_nothing(t);
}

static void is_not_closed(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &server, arg);
    asynchat_test_hear(t, "220 hello\r\n");
    asynchat_test_expect_closed(t, 0);
}

static void is_closed_otherwise(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &server, arg);
    asynchat_test_hear(t, "220 hello\r\n");
    asynchat_test_end(t);
    asynchat_test_expect_closed(t, -EPIPE);
}

static void calls_others(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &server, arg);
    asynchat_test_expect_events(t, "connect eof");
}

static void says_too_late(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &server, arg);
    asynchat_test_say(t, "QUIT\r\n");
    asynchat_test_say(t, "more\r\n");
}

static void opens_twice(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &server, arg);
    assert_null(asynchat_test_open(t, &server, arg));
}

static void each_expectation_fails(void **state)
{
    (void)state;
    asynchat_test_run(hears_too_little, NULL);
    expect_failure("the first difference is behind byte 11");
    asynchat_test_run(hears_too_much, NULL);
    expect_failure("the peer hears more than was expected");
    asynchat_test_run(is_not_closed, NULL);
    expect_failure("the channel has not ended; 0 was expected");
    asynchat_test_run(is_closed_otherwise, NULL);
    expect_failure(
        "the channel has ended with ASYNCHAT_EOF; -EPIPE was expected");
    asynchat_test_run(calls_others, NULL);
    expect_failure("other callbacks were called");
    asynchat_test_run(says_too_late, NULL);
    expect_failure("the peer cannot send: the channel has ended");
    asynchat_test_run(opens_twice, NULL);
    expect_failure("a test has only one channel");
}

/* A program may make and free a test by itself, as in a setup and teardown, and
 * its function may return. */
static void a_test_of_the_programs_own_fails_at_once(void **state)
{
    struct asynchat_test *t = asynchat_test_new();
    (void)state;
    asynchat_test_open(t, &server, NULL);
    asynchat_test_hear(t, "no");
    expect_failure("the peer hears something else");
    asynchat_test_hear(t, "no");
    assert_int_equal(failure.count, 0);
    asynchat_test_free(t);
}

static void the_program_may_leave_by_longjmp(void **state)
{
    struct asynchat_test *t = asynchat_test_new();
    (void)state;
    asynchat_test_set_fail(leave);
    asynchat_test_open(t, &server, NULL);
    if (setjmp(left) == 0)
        asynchat_test_expect_closed(t, 0);
    expect_failure("the peer hears more than was expected");
    asynchat_test_free(t);
}

/* --- time --- */

struct idle {
    struct asynchat_test *t;
    unsigned idle, again;
    char times[256];
};

static void idles(struct asynchat_channel *ch, unsigned milliseconds)
{
    struct asynchat_timeouts times = {.size = sizeof times,
                                      .idle = milliseconds};
    assert_int_equal(asynchat_set_timeouts(ch, &times), 0);
}

static void idle_begins(struct asynchat_channel *ch, void *arg)
{
    struct idle *idle = arg;
    idles(ch, idle->idle);
}

static void idle_is_over(struct asynchat_channel *ch, void *arg)
{
    struct idle *idle = arg;
    size_t len = strlen(idle->times);
    snprintf(idle->times + len, sizeof idle->times - len, "%u ",
             (unsigned)asynchat_test_now(idle->t));
    assert_int_equal(asynchat_push(ch, "?", 1), 0);
    if (idle->again > 0)
        idles(ch, idle->again);
}

static void idle_data(struct asynchat_channel *ch, const void *data, size_t len,
                      void *arg)
{
    (void)ch;
    (void)data;
    (void)len;
    (void)arg;
}

static const struct asynchat_handler idler = {.size = sizeof idler,
                                              .handle_connect = idle_begins,
                                              .collect_incoming_data =
                                                  idle_data,
                                              .handle_idle = idle_is_over};
static const struct asynchat_handler times_out = {.size = sizeof times_out,
                                                  .handle_connect = idle_begins,
                                                  .collect_incoming_data =
                                                      idle_data};

static void time_passes(struct asynchat_test *t, void *arg)
{
    struct idle *idle = arg;
    idle->t = t;
    asynchat_test_open(t, &idler, idle);
    asynchat_test_advance(t, 299);
    asynchat_test_expect_nothing(t);
    asynchat_test_say(t, "x");
    asynchat_test_advance(t, 1000);
    assert_string_equal(idle->times, "599 699 799 899 999 1099 1199 1299 ");
    asynchat_test_hear(t, "????????");
    asynchat_test_expect_nothing(t);
}

static void time_passes_from_timer_to_timer(void **state)
{
    struct idle idle = {.idle = 300, .again = 100};
    (void)state;
    asynchat_test_run(time_passes, &idle);
    expect_no_failure();
}

static void a_day_passes(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &times_out, arg);
    asynchat_test_advance(t, DAY - 1);
    asynchat_test_advance(t, 1);
    asynchat_test_expect_closed(t, ASYNCHAT_EIDLE);
    assert_int_equal(asynchat_test_now(t), DAY);
}

static void a_day_of_timeouts_takes_no_time(void **state)
{
    struct idle idle = {.idle = DAY};
    (void)state;
    asynchat_test_run(a_day_passes, &idle);
    expect_no_failure();
}

/* --- several peers --- */

static struct asynchat_channel *others[2];

static void joins(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    others[others[0] != NULL] = ch;
}

static void tells_all(struct asynchat_channel *ch, const void *data, size_t len,
                      void *arg)
{
    (void)ch;
    (void)arg;
    for (int i = 0; i < 2; i++)
        if (others[i] && asynchat_push(others[i], data, len))
            asynchat_close(others[i]);
}

static void leaves(struct asynchat_channel *ch, int status, void *arg)
{
    (void)status;
    (void)arg;
    others[ch == others[1]] = NULL;
}

static const struct asynchat_handler chat = {.size = sizeof chat,
                                             .handle_connect = joins,
                                             .collect_incoming_data = tells_all,
                                             .handle_close = leaves};

static void two_chat(struct asynchat_test *t, void *arg)
{
    struct asynchat_test *other = asynchat_test_beside(t);
    asynchat_test_open(t, &chat, arg);
    asynchat_test_open(other, &chat, arg);
    asynchat_test_say(t, "hello");
    asynchat_test_hear(other, "hello");
    asynchat_test_say(other, "good day");
    asynchat_test_hear(t, "hellogood day");
    assert_ptr_equal(asynchat_test_base(t), asynchat_test_base(other));
}

static void there_can_be_several_peers(void **state)
{
    (void)state;
    asynchat_test_run(two_chat, NULL);
    asynchat_test_cuts(two_chat, NULL);
    expect_no_failure();
}

/* --- layers --- */

static void line_or_layer(struct asynchat_channel *ch, const void *data,
                          size_t len, void *arg)
{
    answer(ch, data, len, arg);
    if (len == 8 && memcmp(data, "STARTTOY", 8) == 0 &&
        asynchat_set_layer(ch, &toy_ops, toy_new(false), NULL))
        asynchat_abort(ch);
}

static const struct asynchat_handler layered = {
    .size = sizeof layered, .handle_connect = hello, .message = line_or_layer};

static void talks_plainly_and_then_not(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &layered, arg);
    asynchat_test_hear(t, "220 hello\r\n");
    asynchat_test_say(t, "STARTTOY\r\n");
    asynchat_test_hear(t, "STARTTOY\r\n");
    assert_int_equal(asynchat_set_layer(asynchat_test_peer(t), &toy_ops,
                                        toy_new(true), NULL),
                     0);
    asynchat_test_settle(t);
    asynchat_test_say(t, "abc\r\nQUIT\r\n");
    asynchat_test_hear(t, "abc\r\nQUIT\r\n");
    asynchat_test_expect_closed(t, 0);
}

static void the_peer_can_have_a_layer(void **state)
{
    (void)state;
    asynchat_test_run(talks_plainly_and_then_not, NULL);
    asynchat_test_cuts(talks_plainly_and_then_not, NULL);
    expect_no_failure();
}

/* --- cuts --- */

struct lines {
    bool loses;  /* a CR that was held is lost, if LF comes by itself */
    bool has_cr; /* a CR came at the end of the last piece */
    size_t pieces, bad_piece;
};

/* Lines by hand: LF is answered by the number of CR before it. */
static void lines_come(struct asynchat_channel *ch, const void *data,
                       size_t len, void *arg)
{
    struct lines *lines = arg;
    const char *at = data;
    for (size_t i = 0; i < len; i++) {
        bool cr = i > 0 ? at[i - 1] == '\r' : lines->has_cr && !lines->loses;
        if (at[i] == '\n' && asynchat_push(ch, cr ? "1" : "0", 1))
            asynchat_close(ch);
    }
    lines->has_cr = at[len - 1] == '\r';
    if (++lines->pieces == lines->bad_piece &&
        asynchat_push(ch, "too many pieces", 15))
        asynchat_close(ch);
}

static const struct asynchat_handler by_hand = {
    .size = sizeof by_hand, .collect_incoming_data = lines_come};

static void some_lines(struct asynchat_test *t, void *arg)
{
    struct lines *lines = arg;
    lines->has_cr = false;
    lines->pieces = 0;
    asynchat_test_open(t, &by_hand, lines);
    asynchat_test_say(t, "ab\r\ncd\r");
    asynchat_test_say(t, "x\nef\r\n");
}

static void a_held_byte_that_is_lost_is_found(void **state)
{
    struct lines lines = {.loses = true};
    (void)state;
    asynchat_test_run(some_lines, &lines);
    expect_no_failure();
    asynchat_test_cuts(some_lines, &lines);
    assert_non_null(strstr(failure.text, "behind byte 3 (\"ab\\r\" then "
                                         "\"\\ncd\\rx\\nef\\r\\n\")"));
    expect_failure("\\nef\\r\\n); heard: 101\"\n  cut ");
    lines.loses = false;
    asynchat_test_cuts(some_lines, &lines);
    expect_no_failure();
}

/* It takes two cuts, besides the two pieces that there are anyway. */
static void as_few_cuts_as_possible_are_told(void **state)
{
    struct lines lines = {.bad_piece = 4};
    const char *at = failure.text;
    size_t cuts = 0;
    (void)state;
    asynchat_test_cuts(some_lines, &lines);
    while ((at = strstr(at, "behind byte ")) && ++cuts)
        at++;
    assert_int_equal(cuts, 2);
    expect_failure("something else happens");
}

/* --- faults --- */

static void faults_have_places(void **state)
{
    (void)state;
    assert_int_equal(
        asynchat_test_faults(says_it_again, NULL, ASYNCHAT_TEST_RESET), 14);
    assert_true(
        asynchat_test_faults(says_it_again, NULL, ASYNCHAT_TEST_ALLOC) >= 3);
    assert_int_equal(
        asynchat_test_faults(says_it_again, NULL, ASYNCHAT_TEST_SHORT), 16);
    expect_no_failure();
}

static void a_peer_that_vanishes_is_waited_for(void **state)
{
    (void)state;
    asynchat_test_faults(says_it_again, NULL,
                         ASYNCHAT_TEST_RESET | ASYNCHAT_TEST_VANISH);
    expect_failure("the peer vanishes, place 1: the channel is still there");
}

/* This one answers at once if a piece ends inside of a line. */
static void answers_pieces(struct asynchat_channel *ch, const void *data,
                           size_t len, void *arg)
{
    (void)arg;
    if (((const char *)data)[len - 1] != '\n' && asynchat_push(ch, "?", 1))
        asynchat_close(ch);
}

static const struct asynchat_handler hasty = {
    .size = sizeof hasty, .collect_incoming_data = answers_pieces};

static void says_a_hasty_line(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &hasty, arg);
    asynchat_test_say(t, "ab\n");
}

static void what_was_heard_before_a_reset_has_to_be_right(void **state)
{
    (void)state;
    asynchat_test_faults(says_a_hasty_line, NULL, ASYNCHAT_TEST_RESET);
    expect_failure("the peer resets the connection, place 2: the peer has "
                   "heard something else until then");
}

static void says_little(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &times_out, arg);
    asynchat_test_say(t, "xyz");
}

static void a_time_ends_it(void **state)
{
    struct idle idle = {.idle = 1000};
    (void)state;
    assert_int_equal(
        asynchat_test_faults(says_little, &idle,
                             ASYNCHAT_TEST_RESET | ASYNCHAT_TEST_VANISH),
        8);
    expect_no_failure();
}

static void a_fault_that_is_never_reached_fails(void **state)
{
    struct idle idle = {.idle = 1000};
    (void)state;
    assert_int_equal(
        asynchat_test_faults(says_little, &idle, ASYNCHAT_TEST_SHORT), 0);
    expect_failure("the peer takes a few bytes at a time, place 1: it is "
                   "never reached");
    asynchat_test_fault(says_it_again, NULL, ASYNCHAT_TEST_RESET, 14);
    expect_no_failure();
    asynchat_test_fault(says_it_again, NULL, ASYNCHAT_TEST_RESET, 15);
    expect_failure("place 15: it is never reached");
    asynchat_test_fault(says_it_again, NULL, ASYNCHAT_TEST_ALLOC, 1000000);
    expect_failure("place 1000000: it is never reached");
}

/* This one says something wrong, and ends as if all were well. */
static void hello_wrongly(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    if (asynchat_set_terminator(ch, "\r\n", 2))
        asynchat_push(ch, "abd\r\n", 5);
}

static const struct asynchat_handler wrong = {
    .size = sizeof wrong, .handle_connect = hello_wrongly, .message = answer};

static void says_one_line_and_ends(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &wrong, arg);
    asynchat_test_say(t, "abc\r\n");
    asynchat_test_end(t);
    asynchat_test_hear(t, "abc\r\n");
}

static void a_wrong_answer_is_not_excused_by_a_fault(void **state)
{
    (void)state;
    asynchat_test_faults(says_one_line_and_ends, NULL, ASYNCHAT_TEST_ALLOC);
    expect_failure(": the peer hears something else\n"
                   "  expected  \"abc\\r\\n\"\n  heard     \"abd");
}

static struct asynchat_producer *forgotten;

static void forgets(struct asynchat_channel *ch, int error, void *arg)
{
    (void)ch;
    (void)error;
    (void)arg;
    forgotten = asynchat_producer_simple("x", 1, 1);
}

static const struct asynchat_handler forgetful = {.size = sizeof forgetful,
                                                  .handle_connect = hello,
                                                  .message = answer,
                                                  .handle_error = forgets};

static void says_a_line(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &forgetful, arg);
    asynchat_test_say(t, "abc\r\n");
}

static void what_a_fault_leaves_behind_is_found(void **state)
{
    (void)state;
    asynchat_test_faults(says_a_line, NULL, ASYNCHAT_TEST_RESET);
    expect_failure("place 1: 2 allocations were not given back");
    asynchat_producer_free(forgotten);
}

/* This one ignores that it has no terminator. */
static void hello_carelessly(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_set_terminator(ch, "\r\n", 2);
}

static const struct asynchat_handler careless = {.size = sizeof careless,
                                                 .handle_connect =
                                                     hello_carelessly,
                                                 .message = answer};

static void says_one_line(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &careless, arg);
    asynchat_test_say(t, "abc\r\n");
    asynchat_test_hear(t, "abc\r\n");
}

static void a_refused_call_that_is_ignored_is_found(void **state)
{
    (void)state;
    asynchat_test_faults(says_one_line, NULL, ASYNCHAT_TEST_ALLOC);
    assert_non_null(strstr(failure.text, "an allocation fails, place "));
    assert_non_null(strstr(failure.text, "the channel is open"));
    expect_failure(": the peer hears something else\n"
                   "  expected  \"abc\\r\\n\"\n  heard     \"\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_conversation_that_is_right_passes, begin),
        cmocka_unit_test_setup(the_report_shows_the_difference, begin),
        cmocka_unit_test_setup(each_expectation_fails, begin),
        cmocka_unit_test_setup(a_test_of_the_programs_own_fails_at_once, begin),
        cmocka_unit_test_setup(the_program_may_leave_by_longjmp, begin),
        cmocka_unit_test_setup(time_passes_from_timer_to_timer, begin),
        cmocka_unit_test_setup(a_day_of_timeouts_takes_no_time, begin),
        cmocka_unit_test_setup(there_can_be_several_peers, begin),
        cmocka_unit_test_setup(the_peer_can_have_a_layer, begin),
        cmocka_unit_test_setup(a_held_byte_that_is_lost_is_found, begin),
        cmocka_unit_test_setup(as_few_cuts_as_possible_are_told, begin),
        cmocka_unit_test_setup(faults_have_places, begin),
        cmocka_unit_test_setup(a_peer_that_vanishes_is_waited_for, begin),
        cmocka_unit_test_setup(what_was_heard_before_a_reset_has_to_be_right,
                               begin),
        cmocka_unit_test_setup(a_time_ends_it, begin),
        cmocka_unit_test_setup(a_fault_that_is_never_reached_fails, begin),
        cmocka_unit_test_setup(a_wrong_answer_is_not_excused_by_a_fault, begin),
        cmocka_unit_test_setup(what_a_fault_leaves_behind_is_found, begin),
        cmocka_unit_test_setup(a_refused_call_that_is_ignored_is_found, begin),
    };
    return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
