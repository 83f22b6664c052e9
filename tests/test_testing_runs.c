/* The test kit: conversations that run again and again, with cuts and with
 * faults, and what is said of those that fail.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include <event2/event.h>

#include <asynchat.h>

#include "told.h"

/* --- a channel that follows a rule about the pieces that come --- */

struct rule {
    size_t pieces, bytes; /* that have come */
    size_t bad_piece;     /* says 'n' at the piece of this number, or 0 */
    size_t long_inside;   /* says 'l' at a piece of 2 bytes or more that begins
                            * at 1 or later and ends before this one, or 0 */
    size_t bad_end;       /* says 'e' if a piece ends here, or 0 */
    size_t runs, bad_run; /* another run than others, or 0 */
    const char *text;     /* what the peer says */
    size_t first;         /* so many bytes by themselves, or 0 */
};

static void says(struct asynchat_channel *ch, const char *text)
{
    if (asynchat_push(ch, text, strlen(text)))
        asynchat_close(ch);
}

static void piece_comes(struct asynchat_channel *ch, const void *data,
                        size_t len, void *arg)
{
    struct rule *rule = arg;
    size_t from = rule->bytes, to = from + len;
    (void)data;
    rule->bytes = to;
    if (++rule->pieces == rule->bad_piece)
        says(ch, "n");
    if (len >= 2 && from > 0 && to < rule->long_inside)
        says(ch, "l");
    if (to == rule->bad_end)
        says(ch, "e");
}

static const struct asynchat_handler ruled = {
    .size = sizeof ruled, .collect_incoming_data = piece_comes};

static void says_it(struct asynchat_test *t, void *arg)
{
    struct rule *rule = arg;
    rule->pieces = rule->bytes = 0;
    asynchat_test_open(t, &ruled, rule);
    asynchat_test_say(t, rule->text);
    if (++rule->runs == rule->bad_run)
        asynchat_test_hear(t, "nobody says this");
}

static void hears_nothing(struct asynchat_test *t, void *arg)
{
    says_it(t, arg);
    asynchat_test_expect_nothing(t);
}

/* --- cuts --- */

static void a_failure_without_a_cut_is_told_as_such(void **state)
{
    struct rule rule = {.text = "abc", .bad_end = 3};
    (void)state;
    asynchat_test_cuts(hears_nothing, &rule);
    expect_failure("without a cut: the peer hears more than was expected");
    assert_int_equal(rule.runs, 1);
}

static void a_conversation_may_say_nothing(void **state)
{
    struct rule rule = {.text = ""};
    (void)state;
    asynchat_test_cuts(says_it, &rule);
    expect_no_failure();
}

static void an_expectation_that_fails_by_a_cut_is_told(void **state)
{
    struct rule rule = {.text = "abc", .bad_end = 2};
    (void)state;
    asynchat_test_cuts(hears_nothing, &rule);
    expect_failure("behind byte 2 (\"ab\" then \"c\"): the peer hears more "
                   "than was expected\n");
}

/* What is around a cut is shown, and not all. */
static void a_long_text_is_shown_around_a_cut(void **state)
{
    struct rule rule = {.text = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHI",
                        .bad_end = 20};
    (void)state;
    asynchat_test_cuts(says_it, &rule);
    expect_failure("behind byte 20 (\"456789abcdefghij\" then "
                   "\"klmnopqrstuvwxyz\"): something else happens\n");
}

static size_t cuts_told(void)
{
    size_t cuts = 0;
    const char *at = failure.text;
    while ((at = strstr(at, "behind byte ")) && ++cuts)
        at++;
    return cuts;
}

static void no_more_than_eight_cuts_are_told(void **state)
{
    struct rule rule = {.text = "abcdefghijkl", .bad_piece = 12};
    (void)state;
    asynchat_test_cuts(says_it, &rule);
    assert_int_equal(cuts_told(), 8);
    expect_failure("something else happens");
}

/* Neither one cut nor all cuts make such a piece. */
static void random_cuts_find_a_piece_between_two(void **state)
{
    struct rule rule = {.text = "abcdefghijklmnop", .long_inside = 16};
    (void)state;
    asynchat_test_cuts(says_it, &rule);
    assert_int_equal(cuts_told(), 2);
    expect_failure("something else happens");
}

static void the_seed_can_be_given(void **state)
{
    struct rule rule = {.text = "abcdefghijklmnop", .long_inside = 16};
    char first[sizeof failure.text];
    (void)state;
    assert_int_equal(setenv("ASYNCHAT_TEST_SEED", "12345", 1), 0);
    asynchat_test_cuts(says_it, &rule);
    strcpy(first, failure.text);
    expect_failure("with cuts of seed 12345, behind byte ");
    asynchat_test_cuts(says_it, &rule);
    expect_failure(first);
    assert_int_equal(setenv("ASYNCHAT_TEST_SEED", "0", 1), 0);
    asynchat_test_cuts(says_it, &rule);
    expect_failure("with cuts of seed 1, behind byte ");
    assert_int_equal(unsetenv("ASYNCHAT_TEST_SEED"), 0);
}

/* The second run is the first cut. The failure is told, although it does not
 * come again. */
static void a_failure_that_does_not_come_again_is_told(void **state)
{
    struct rule rule = {.text = "abc", .bad_run = 2};
    int line = 0;
    (void)state;
    asynchat_test_cuts(says_it, &rule), line = __LINE__;
    assert_true(failure.line <= line && failure.line >= line - 1);
    expect_failure("behind byte 1 (\"a\" then \"bc\"): ");
}

static void says_more_each_time(struct asynchat_test *t, void *arg)
{
    struct rule *rule = arg;
    rule->pieces = rule->bytes = 0;
    asynchat_test_open(t, &ruled, rule);
    asynchat_test_say(t, "abc");
    if (++rule->runs > 1)
        asynchat_test_say(t, "defgh");
}

static void a_peer_that_says_more_in_the_next_run_is_found(void **state)
{
    struct rule rule = {.text = ""};
    (void)state;
    asynchat_test_cuts(says_more_each_time, &rule);
    expect_failure("something else happens\n"
                   "  not cut   \"events: data(abc); heard: \"\n"
                   "  cut       \"events: data(abcdefgh); heard: \"");
}

/* --- faults --- */

static void a_failure_without_a_fault_is_told_as_such(void **state)
{
    struct rule rule = {.text = "abc", .bad_end = 3};
    (void)state;
    assert_int_equal(
        asynchat_test_faults(hears_nothing, &rule, ASYNCHAT_TEST_RESET), 0);
    expect_failure("without a fault: the peer hears more than was expected");
    asynchat_test_fault(hears_nothing, &rule, ASYNCHAT_TEST_RESET, 1);
    expect_failure("without a fault: the peer hears more than was expected");
    assert_int_equal(rule.runs, 2);
}

static void a_fault_that_is_not_known_fails(void **state)
{
    struct rule rule = {.text = "abc"};
    (void)state;
    assert_int_equal(asynchat_test_faults(says_it, &rule, 16), 0);
    expect_failure("no such fault, place 1: it is never reached");
    assert_int_equal(asynchat_test_faults(says_it, &rule, 1u << 31), 0);
    expect_failure("no such fault, place 1: it is never reached");
}

/* It fails in the first run with a fault, behind which the fault would be. */
static void fails_before(struct asynchat_test *t, void *arg)
{
    struct rule *rule = arg;
    asynchat_test_open(t, &ruled, rule);
    if (++rule->runs == 3)
        asynchat_test_hear(t, "nobody says this");
    asynchat_test_say(t, rule->text);
}

static void a_failure_before_the_fault_is_told(void **state)
{
    struct rule rule = {.text = "abc"};
    (void)state;
    assert_int_equal(
        asynchat_test_faults(fails_before, &rule, ASYNCHAT_TEST_RESET), 0);
    expect_failure("the peer resets the connection, place 1: the peer hears "
                   "something else");
    rule.runs = 0;
    asynchat_test_fault(fails_before, &rule, ASYNCHAT_TEST_RESET, 1);
    expect_failure("the peer resets the connection, place 1: the peer hears "
                   "something else");
}

/* Two things are wrong then, of which the first is told. */
static void the_first_of_two_failures_is_told(void **state)
{
    struct rule rule = {.text = "abc", .bad_end = 2};
    (void)state;
    asynchat_test_fault(says_it, &rule, ASYNCHAT_TEST_VANISH, 3);
    expect_failure("the peer vanishes, place 3: the peer has heard something "
                   "else until then");
}

static void says_how_many(struct asynchat_channel *ch, const void *data,
                          size_t len, void *arg)
{
    const char digit[] = {(char)('0' + len), '\0'};
    (void)data;
    (void)arg;
    says(ch, digit);
}

static const struct asynchat_handler counter = {
    .size = sizeof counter, .collect_incoming_data = says_how_many};

static void is_counted(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &counter, arg);
    asynchat_test_say(t, "abc");
}

/* As many bytes as without the fault, and others. */
static void other_bytes_before_a_fault_are_told(void **state)
{
    (void)state;
    asynchat_test_faults(is_counted, NULL, ASYNCHAT_TEST_RESET);
    expect_failure("the peer resets the connection, place 2: the peer has "
                   "heard something else until then");
}

static void holds_open(struct asynchat_channel *ch, int cut_off, void *arg)
{
    (void)cut_off;
    (void)arg;
    asynchat_keep_open(ch);
}

static const struct asynchat_handler holder = {.size = sizeof holder,
                                               .collect_incoming_data =
                                                   piece_comes,
                                               .handle_eof = holds_open};

static void is_held_open(struct asynchat_test *t, void *arg)
{
    struct asynchat_channel *ch = asynchat_test_open(t, &holder, arg);
    if (ch)
        says(ch, "hello");
    asynchat_test_settle(t);
    asynchat_test_hear(t, "hello");
}

static void a_channel_that_stays_without_its_peer_is_found(void **state)
{
    struct rule rule = {.text = ""};
    (void)state;
    asynchat_test_run(is_held_open, &rule);
    expect_no_failure();
    assert_int_equal(
        asynchat_test_faults(is_held_open, &rule, ASYNCHAT_TEST_SHORT), 0);
    expect_failure("the peer takes a few bytes at a time, place 1: the channel "
                   "is still there a day after its peer");
}

static void is_reset(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &ruled, arg);
    asynchat_test_reset(t);
}

/* The fault has a place at the end of the conversation, where the peer has
 * gone. */
static void a_peer_may_be_gone_when_its_fault_comes(void **state)
{
    struct rule rule = {.text = ""};
    (void)state;
    assert_int_equal(
        asynchat_test_faults(is_reset, &rule,
                             ASYNCHAT_TEST_RESET | ASYNCHAT_TEST_VANISH),
        2);
    expect_no_failure();
}

#define MANY 17 /* of one fewer it is kept what they hear */

static void many_talk(struct asynchat_test *t, void *arg)
{
    struct rule *rule = arg;
    for (int i = 1; i < MANY; i++)
        t = asynchat_test_beside(t);
    says_it(t, rule);
}

/* The last one says a wrong thing when it is cut, which is not seen. */
static void what_many_peers_hear_is_not_kept(void **state)
{
    struct rule rule = {.text = "ab", .bad_end = 1};
    (void)state;
    assert_int_equal(
        asynchat_test_faults(many_talk, &rule, ASYNCHAT_TEST_RESET), 3);
    expect_no_failure();
    asynchat_test_cuts(many_talk, &rule);
    expect_failure("something else happens");
}

/* --- what a fault of memory excuses --- */

enum { SAYS_RIGHT = 1, SAYS_WRONG = 2, SAYS_MORE = 4 };
enum { ENDS, FREES };

struct excuse {
    int says, then;
    bool lacked;
};

/* Something is said when memory is lacking, and then the channel goes, or
 * not. */
static void lacks(struct asynchat_channel *ch, void *arg)
{
    struct excuse *excuse = arg;
    const char *said = "right";
    excuse->lacked = asynchat_set_terminator(ch, "\r\n", 2) != 0;
    if (excuse->lacked && excuse->says == SAYS_WRONG)
        said = "wrong";
    if (excuse->lacked && excuse->says == SAYS_MORE)
        said = "right and more";
    if (asynchat_push(ch, said, strlen(said)))
        asynchat_abort(ch);
    if (excuse->lacked && excuse->then == ENDS)
        asynchat_close_when_done(ch);
}

static void line(struct asynchat_channel *ch, const void *data, size_t len,
                 void *arg)
{
    (void)data;
    (void)len;
    (void)arg;
    says(ch, "line");
}

static const struct asynchat_handler lacker = {
    .size = sizeof lacker, .handle_connect = lacks, .message = line};

static void two_lines(struct asynchat_test *t, void *arg)
{
    struct excuse *excuse = arg;
    struct asynchat_channel *ch = asynchat_test_open(t, &lacker, excuse);
    if (ch && excuse->lacked && excuse->then == FREES)
        asynchat_channel_free(ch);
    asynchat_test_hear(t, "right");
    asynchat_test_expect_nothing(t);
    asynchat_test_say(t, "a\r\n");
    asynchat_test_hear(t, "line");
    asynchat_test_say(t, "b\r\n");
    asynchat_test_hear(t, "line");
    asynchat_test_end(t);
    asynchat_test_expect_closed(t, ASYNCHAT_EOF);
    asynchat_test_expect_events(
        t, "connect message(a) message(b) close(ASYNCHAT_EOF)");
}

static void who_says_nothing_wrong_may_end(void **state)
{
    struct excuse ends = {.says = SAYS_RIGHT, .then = ENDS};
    struct excuse frees = {.says = SAYS_RIGHT, .then = FREES};
    (void)state;
    assert_true(asynchat_test_faults(two_lines, &ends, ASYNCHAT_TEST_ALLOC) >
                2);
    expect_no_failure();
    assert_true(asynchat_test_faults(two_lines, &frees, ASYNCHAT_TEST_ALLOC) >
                2);
    expect_no_failure();
}

static void who_says_a_wrong_thing_is_not_excused(void **state)
{
    struct excuse excuses[] = {{.says = SAYS_WRONG, .then = ENDS},
                               {.says = SAYS_WRONG, .then = FREES}};
    (void)state;
    for (int i = 0; i < 2; i++) {
        asynchat_test_faults(two_lines, &excuses[i], ASYNCHAT_TEST_ALLOC);
        expect_failure(": the peer hears something else\n  expected  "
                       "\"right\"\n  heard     \"wrong\"");
    }
}

static void who_says_more_is_not_excused(void **state)
{
    struct excuse excuse = {.says = SAYS_MORE, .then = ENDS};
    (void)state;
    asynchat_test_faults(two_lines, &excuse, ASYNCHAT_TEST_ALLOC);
    expect_failure("the peer hears more than was expected");
}

/* Says that there is no memory, or only ends with that error. */
static void lacks_memory(struct asynchat_channel *ch, int error, void *arg)
{
    assert_int_equal(error, -ENOMEM);
    if (arg)
        says(ch, arg);
}

static const struct asynchat_handler receiver = {
    .size = sizeof receiver, .message = line, .handle_error = lacks_memory};

/* The message comes in two pieces, so it is collected. */
static void begins_a_line(struct asynchat_test *t, void *arg)
{
    struct asynchat_channel *ch = asynchat_test_open(t, &receiver, arg);
    if (ch)
        assert_int_equal(asynchat_set_terminator(ch, "\r\n", 2), 0);
    asynchat_test_say(t, "abc");
}

static void one_line(struct asynchat_test *t, void *arg)
{
    begins_a_line(t, arg);
    asynchat_test_say(t, "d\r\n");
    asynchat_test_hear(t, "line");
}

static void half_a_line(struct asynchat_test *t, void *arg)
{
    begins_a_line(t, arg);
    asynchat_test_expect_nothing(t);
}

static void half_a_line_and_the_end(struct asynchat_test *t, void *arg)
{
    begins_a_line(t, arg);
    asynchat_test_end(t);
    asynchat_test_expect_closed(t, ASYNCHAT_EOF);
    asynchat_test_expect_events(t, "close(ASYNCHAT_EOF)");
}

static void who_tells_of_the_error_may_say_anything(void **state)
{
    char text[] = "no memory";
    (void)state;
    assert_true(asynchat_test_faults(one_line, text, ASYNCHAT_TEST_ALLOC) > 0);
    expect_no_failure();
    assert_true(asynchat_test_faults(half_a_line, text, ASYNCHAT_TEST_ALLOC) >
                0);
    expect_no_failure();
}

static void who_lacks_memory_may_end_with_another_status(void **state)
{
    (void)state;
    assert_true(asynchat_test_faults(half_a_line_and_the_end, NULL,
                                     ASYNCHAT_TEST_ALLOC) > 0);
    expect_no_failure();
}

struct timer {
    struct asynchat_test *t;
    int lacked;
};

static void never(evutil_socket_t none, short what, void *arg)
{
    (void)none;
    (void)what;
    (void)arg;
    fail();
}

/* Timers of libevent's, for which libevent's table of timers has to grow. */
#define TIMERS 40
static void has_timers(struct asynchat_channel *ch, void *arg)
{
    const struct timer *timer = arg;
    const struct timeval day = {24 * 60 * 60, 0};
    struct event_base *base = asynchat_test_base(timer->t);
    int error = 0;
    for (int i = 0; i < TIMERS && !error; i++)
        error = event_base_once(base, -1, EV_TIMEOUT, never, NULL, &day);
    if (error)
        asynchat_abort(ch);
}

static const struct asynchat_handler timed = {.size = sizeof timed,
                                              .handle_connect = has_timers};

static void begins_with_timers(struct asynchat_test *t, void *arg)
{
    struct timer *timer = arg;
    timer->t = t;
    if (!asynchat_test_open(t, &timed, timer))
        timer->lacked++;
    asynchat_test_end(t);
    asynchat_test_expect_closed(t, ASYNCHAT_EOF);
}

/* The memory for each timer, for the table, and for a larger one. libevent's
 * debug modes end the program if they get no memory. */
static void memory_of_libevent_fails_as_well(void **state)
{
    struct timer timer = {NULL, 0};
    (void)state;
    if (getenv("ASYNCHAT_TEST_LIBEVENT"))
        skip();
    assert_true(asynchat_test_faults(begins_with_timers, &timer,
                                     ASYNCHAT_TEST_ALLOC) > TIMERS);
    expect_no_failure();
    assert_true(timer.lacked > TIMERS + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_failure_without_a_cut_is_told_as_such, begin),
        cmocka_unit_test_setup(a_conversation_may_say_nothing, begin),
        cmocka_unit_test_setup(an_expectation_that_fails_by_a_cut_is_told,
                               begin),
        cmocka_unit_test_setup(a_long_text_is_shown_around_a_cut, begin),
        cmocka_unit_test_setup(no_more_than_eight_cuts_are_told, begin),
        cmocka_unit_test_setup(random_cuts_find_a_piece_between_two, begin),
        cmocka_unit_test_setup(the_seed_can_be_given, begin),
        cmocka_unit_test_setup(a_failure_that_does_not_come_again_is_told,
                               begin),
        cmocka_unit_test_setup(a_peer_that_says_more_in_the_next_run_is_found,
                               begin),
        cmocka_unit_test_setup(a_failure_without_a_fault_is_told_as_such,
                               begin),
        cmocka_unit_test_setup(a_fault_that_is_not_known_fails, begin),
        cmocka_unit_test_setup(a_failure_before_the_fault_is_told, begin),
        cmocka_unit_test_setup(the_first_of_two_failures_is_told, begin),
        cmocka_unit_test_setup(other_bytes_before_a_fault_are_told, begin),
        cmocka_unit_test_setup(a_channel_that_stays_without_its_peer_is_found,
                               begin),
        cmocka_unit_test_setup(a_peer_may_be_gone_when_its_fault_comes, begin),
        cmocka_unit_test_setup(what_many_peers_hear_is_not_kept, begin),
        cmocka_unit_test_setup(who_says_nothing_wrong_may_end, begin),
        cmocka_unit_test_setup(who_says_a_wrong_thing_is_not_excused, begin),
        cmocka_unit_test_setup(who_says_more_is_not_excused, begin),
        cmocka_unit_test_setup(who_tells_of_the_error_may_say_anything, begin),
        cmocka_unit_test_setup(who_lacks_memory_may_end_with_another_status,
                               begin),
        cmocka_unit_test_setup(memory_of_libevent_fails_as_well, begin),
    };
    return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
