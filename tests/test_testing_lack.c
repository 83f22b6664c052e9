/* The test kit: what happens without memory, and how a failure ends a program
 * that has not set a function for failures.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include <asynchat.h>

#include "child.h"
#include "told.h"

#include "testing/test.h"

/* --- what can fail --- */

static struct {
    bool calloc, realloc, strdup, base, clock, rest;
} lacks;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return lacks.calloc ? NULL : __real_calloc(count, size);
}

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size)
{
    return lacks.realloc ? NULL : __real_realloc(old, size);
}

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text)
{
    return lacks.strdup ? NULL : __real_strdup(text);
}

struct event_base *__real_event_base_new(void);
struct event_base *__wrap_event_base_new(void);
struct event_base *__wrap_event_base_new(void)
{
    return lacks.base ? NULL : __real_event_base_new();
}

typedef uint64_t get_now(void *arg);
int __real_asynchat_set_clock(struct event_base *base, get_now *now, void *arg);
int __wrap_asynchat_set_clock(struct event_base *base, get_now *now, void *arg);
int __wrap_asynchat_set_clock(struct event_base *base, get_now *now, void *arg)
{
    return lacks.clock ? -ENOMEM : __real_asynchat_set_clock(base, now, arg);
}

int __real_asynchat_run_timers(struct event_base *base);
int __wrap_asynchat_run_timers(struct event_base *base);
int __wrap_asynchat_run_timers(struct event_base *base)
{
    return lacks.rest ? 0 : __real_asynchat_run_timers(base);
}

static int begin_with_all(void **state)
{
    memset(&lacks, 0, sizeof lacks);
    return begin(state);
}

/* --- a process that ends --- */

/* What a child has to say, and to whom. */
static struct {
    void (*step)(void);
    int to;
} ending;

/* The child writes what the kit has told it. */
static void aborted(int number)
{
    if (failure.count > 0)
        (void)!write(ending.to, failure.text, strlen(failure.text));
    child_aborted(number);
}

static bool ends(void *arg)
{
    (void)arg;
    (void)signal(SIGABRT, aborted);
    if (dup2(ending.to, STDERR_FILENO) != STDERR_FILENO)
        return false;
    ending.step();
    return false;
}

/* The process aborts in this step, and has said this. */
static void expect_abort(void (*step)(void), const char *said)
{
    char text[512];
    int ends_of[2];
    assert_int_equal(pipe(ends_of), 0);
    ending.step = step;
    ending.to = ends_of[1];
    assert_int_equal(child_runs(ends, NULL), CHILD_ABORTED);
    close(ends_of[1]);
    ssize_t len = read(ends_of[0], text, sizeof text - 1);
    close(ends_of[0]);
    assert_true(len >= 0);
    text[len] = '\0';
    if (!strstr(text, said))
        fail_msg("\"%s\" is not in: %s", said, text);
}

static void makes_a_test(void)
{
    asynchat_test_free(asynchat_test_new());
}

static void without_memory_a_test_cannot_be_made(void **state)
{
    (void)state;
    lacks.calloc = true;
    expect_abort(makes_a_test, "asynchat-testing: there is no memory\n");
}

static void without_an_event_base_a_test_cannot_be_made(void **state)
{
    (void)state;
    lacks.base = true;
    expect_abort(makes_a_test, "there is no memory for a test");
}

static void without_a_clock_a_test_cannot_be_made(void **state)
{
    (void)state;
    lacks.clock = true;
    expect_abort(makes_a_test, "there is no memory for a test");
}

static void says_something(void)
{
    struct text text = {NULL, 0, 0};
    asynchat__text_say(&text, "something");
}

static void a_text_without_memory_ends_the_program(void **state)
{
    (void)state;
    lacks.realloc = true;
    expect_abort(says_something, "asynchat-testing: there is no memory\n");
}

static void asks_for_no_channel(void)
{
    int none = 0;
    (void)asynchat__test_of((const struct asynchat_channel *)(void *)&none);
}

static void a_callback_without_its_test_ends_the_program(void **state)
{
    (void)state;
    expect_abort(asks_for_no_channel,
                 "a callback was called for a channel that is gone");
}

/* --- without a function for failures --- */

static void eats(struct asynchat_channel *ch, const void *data, size_t len,
                 void *arg)
{
    (void)ch;
    (void)data;
    (void)len;
    (void)arg;
}

static const struct asynchat_handler eater = {.size = sizeof eater,
                                              .collect_incoming_data = eats};

static void hears_nothing(void)
{
    struct asynchat_test *t = asynchat_test_new();
    asynchat_test_set_fail(NULL);
    asynchat_test_open(t, &eater, NULL);
    asynchat_test_at("test_testing_lack.c", 7);
    asynchat_test_hear(t, "a");
}

static void a_failure_is_printed_and_ends_the_program(void **state)
{
    (void)state;
    expect_abort(hears_nothing,
                 "test_testing_lack.c:7: the peer hears something else\n");
}

/* --- a loop in which something is always due --- */

static void a_loop_without_rest_fails(void **state)
{
    struct asynchat_test *t = asynchat_test_new();
    (void)state;
    asynchat_test_open(t, &eater, NULL);
    lacks.rest = true;
    asynchat_test_settle(t);
    lacks.rest = false;
    expect_failure("the loop does not come to rest");
    assert_int_equal(asynchat_test_is_over(t), 1);
    asynchat_test_free(t);
}

/* --- reports --- */

static void hears_pieces(struct asynchat_channel *ch, const void *data,
                         size_t len, void *arg)
{
    (void)arg;
    (void)data;
    if (len == 1 && asynchat_push(ch, "1", 1))
        asynchat_close(ch);
}

static const struct asynchat_handler hears = {
    .size = sizeof hears, .collect_incoming_data = hears_pieces};

static void says_two(struct asynchat_test *t, void *arg)
{
    asynchat_test_open(t, &hears, arg);
    asynchat_test_say(t, "ab");
}

/* What is left out is where the cut is. */
static void without_memory_for_the_place_a_cut_is_told(void **state)
{
    (void)state;
    asynchat_test_cuts(says_two, NULL);
    expect_failure("behind byte 1 (\"a\" then \"b\"): something else happens");
    lacks.strdup = true;
    asynchat_test_cuts(says_two, NULL);
    assert_ptr_equal(strstr(failure.text, "something else"), failure.text);
    expect_failure("something else happens\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_memory_a_test_cannot_be_made,
                               begin_with_all),
        cmocka_unit_test_setup(without_an_event_base_a_test_cannot_be_made,
                               begin_with_all),
        cmocka_unit_test_setup(without_a_clock_a_test_cannot_be_made,
                               begin_with_all),
        cmocka_unit_test_setup(a_text_without_memory_ends_the_program,
                               begin_with_all),
        cmocka_unit_test_setup(a_callback_without_its_test_ends_the_program,
                               begin_with_all),
        cmocka_unit_test_setup(a_failure_is_printed_and_ends_the_program,
                               begin_with_all),
        cmocka_unit_test_setup(a_loop_without_rest_fails, begin_with_all),
        cmocka_unit_test_setup(without_memory_for_the_place_a_cut_is_told,
                               begin_with_all),
    };
    return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
