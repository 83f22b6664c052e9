/* The output queue: no channel, and no loop.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/buffer.h>

#include <asynchat/producer.h>

#include "output/outq.h"

static struct outq q;
static struct evbuffer *to;
static struct {
    int answer;         /* of the next producer that is asked */
    const char *gives;  /* before it answers */
    void (*does)(void); /* and that too */
    size_t room;        /* that it was asked for */
    int released;       /* producers */
} told;

/* --- a producer that does as it is told --- */

static int more(struct asynchat_channel *ch, struct evbuffer *out, size_t room,
                void *arg)
{
    (void)arg;
    (void)ch;
    told.room = room;
    evbuffer_add(out, told.gives, strlen(told.gives));
    if (told.does)
        told.does();
    return told.answer;
}

static void release(void *arg)
{
    (void)arg;
    told.released++;
}

static const struct asynchat_producer_ops ops = {
    .size = sizeof ops, .more = more, .release = release};

static void add_producer(void)
{
    struct asynchat_producer *producer;
    assert_int_equal(asynchat_producer_new(&ops, NULL, &producer), 0);
    assert_int_equal(asynchat__outq_producer(&q, producer), 0);
}

static void add_bytes(const char *text)
{
    evbuffer_add(asynchat__outq_bytes(&q), text, strlen(text));
    q.size += strlen(text);
}

/* The whole turn of the first producer: false when the queue was emptied. */
static bool ask(int answer, const char *gives, void (*does)(void))
{
    told.answer = answer;
    told.gives = gives;
    told.does = does;
    int said = asynchat__outq_ask(&q, NULL, to, 100);
    assert_int_equal(said, answer);
    return asynchat__outq_answered(&q, said);
}

static void check_given(const char *text)
{
    char found[64] = "";
    evbuffer_copyout(to, found, sizeof found - 1);
    assert_string_equal(found, text);
}

static int begin(void **state)
{
    (void)state;
    memset(&told, 0, sizeof told);
    asynchat__outq_init(&q);
    to = evbuffer_new();
    return to ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    asynchat__outq_free(&q, asynchat__outq_take(&q));
    evbuffer_free(to);
    return 0;
}

/* --- what is in it --- */

static void bytes_behind_bytes_share_an_entry(void **state)
{
    (void)state;
    add_bytes("one");
    add_bytes("two");
    assert_int_equal(q.size, 6);
    assert_null(q.first->next);
    add_producer();
    add_bytes("three");
    assert_int_equal(q.size, 6 + OUTQ_PRODUCER_SIZE + 5);
    assert_non_null(q.first->next->next);
}

static void entries_go_out_in_order(void **state)
{
    (void)state;
    add_bytes("one");
    add_producer();
    struct outq_entry *entry = asynchat__outq_shift(&q);
    assert_int_equal(evbuffer_get_length(entry->bytes), 3);
    assert_int_equal(q.size, OUTQ_PRODUCER_SIZE);
    asynchat__outq_free(&q, entry);
    assert_non_null(q.first->producer);
    asynchat__outq_pop(&q);
    assert_int_equal(told.released, 1);
    assert_int_equal(q.size, 0);
    add_bytes("again");
    assert_int_equal(evbuffer_get_length(q.first->bytes), 5);
}

static void taking_it_takes_the_end_as_well(void **state)
{
    (void)state;
    add_producer();
    add_bytes("one");
    q.ends = true;
    struct outq_entry *entries = asynchat__outq_take(&q);
    assert_null(q.first);
    assert_false(q.ends);
    assert_int_equal(q.size, 0);
    add_bytes("two");
    asynchat__outq_free(&q, entries);
    assert_int_equal(told.released, 1);
    assert_int_equal(q.size, 3);
}

static void what_is_freed_while_it_is_lent_goes_later(void **state)
{
    (void)state;
    add_producer();
    asynchat__outq_lend(&q);
    asynchat__outq_lend(&q);
    asynchat__outq_free(&q, asynchat__outq_take(&q));
    asynchat__outq_take_back(&q);
    assert_int_equal(told.released, 0);
    asynchat__outq_take_back(&q);
    assert_int_equal(told.released, 1);
}

/* --- producers --- */

static void a_producer_that_has_more_stays_first(void **state)
{
    (void)state;
    add_producer();
    assert_true(ask(ASYNCHAT_MORE, "some", NULL));
    assert_int_equal(told.room, 100);
    check_given("some");
    assert_true(outq_is_ready(&q));
    assert_int_equal(told.released, 0);
}

static void one_that_is_done_goes(void **state)
{
    (void)state;
    add_producer();
    assert_true(ask(ASYNCHAT_DONE, "last", NULL));
    check_given("last");
    assert_int_equal(told.released, 1);
    assert_null(q.first);
    assert_false(outq_is_ready(&q));
}

static void one_that_wants_to_be_asked_later_waits(void **state)
{
    (void)state;
    add_producer();
    assert_true(ask(ASYNCHAT_LATER, "", NULL));
    assert_false(outq_is_ready(&q));
    assert_true(asynchat__outq_resume(&q));
    assert_true(outq_is_ready(&q));
    assert_false(asynchat__outq_resume(&q));
}

static void one_that_waits_goes_with_the_queue(void **state)
{
    (void)state;
    add_producer();
    assert_true(ask(ASYNCHAT_LATER, "", NULL));
    asynchat__outq_free(&q, asynchat__outq_take(&q));
    assert_int_equal(told.released, 1);
    assert_null(q.first);
}

static void nothing_can_be_resumed_in_an_empty_queue(void **state)
{
    (void)state;
    assert_false(asynchat__outq_resume(&q));
    add_bytes("one");
    assert_false(asynchat__outq_resume(&q));
}

static void resume_it(void)
{
    assert_false(outq_is_ready(&q));
    assert_true(asynchat__outq_resume(&q));
}

static void one_that_is_resumed_before_it_answers_does_not_wait(void **state)
{
    (void)state;
    add_producer();
    assert_true(ask(ASYNCHAT_LATER, "", resume_it));
    assert_true(outq_is_ready(&q));
}

static void push_behind(void)
{
    add_bytes("behind");
}

static void what_it_pushes_comes_behind_it(void **state)
{
    (void)state;
    add_producer();
    assert_true(ask(ASYNCHAT_DONE, "own", push_behind));
    check_given("own");
    assert_int_equal(evbuffer_get_length(q.first->bytes), 6);
    assert_int_equal(q.size, 6);
}

static void empty_it(void)
{
    asynchat__outq_free(&q, asynchat__outq_take(&q));
    assert_int_equal(told.released, 1);
    assert_int_equal(q.size, 0);
    add_bytes("kept");
}

/* It still answers, and is gone then; what it pushes after that stays. */
static void one_that_empties_the_queue_goes_with_its_answer(void **state)
{
    (void)state;
    add_producer();
    add_producer();
    q.ends = true;
    told.gives = "";
    told.does = empty_it;
    told.answer = ASYNCHAT_MORE;
    int answer = asynchat__outq_ask(&q, NULL, to, 100);
    assert_true(asynchat__outq_is_dropped(&q));
    assert_false(asynchat__outq_answered(&q, answer));
    assert_int_equal(told.released, 2);
    assert_false(q.ends);
    assert_int_equal(q.size, 4);
    assert_int_equal(evbuffer_get_length(q.first->bytes), 4);
}

static void an_entry_that_is_held_goes_when_it_is_let_go(void **state)
{
    (void)state;
    add_producer();
    asynchat__outq_hold(&q);
    assert_false(outq_is_ready(&q));
    assert_true(asynchat__outq_let_go(&q));
    assert_true(outq_is_ready(&q));
    asynchat__outq_hold(&q);
    asynchat__outq_free(&q, asynchat__outq_take(&q));
    assert_int_equal(told.released, 0);
    assert_false(asynchat__outq_let_go(&q));
    assert_int_equal(told.released, 1);
    assert_null(q.first);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(bytes_behind_bytes_share_an_entry),
        TEST(entries_go_out_in_order),
        TEST(taking_it_takes_the_end_as_well),
        TEST(what_is_freed_while_it_is_lent_goes_later),
        TEST(a_producer_that_has_more_stays_first),
        TEST(one_that_is_done_goes),
        TEST(one_that_wants_to_be_asked_later_waits),
        TEST(one_that_waits_goes_with_the_queue),
        TEST(nothing_can_be_resumed_in_an_empty_queue),
        TEST(one_that_is_resumed_before_it_answers_does_not_wait),
        TEST(what_it_pushes_comes_behind_it),
        TEST(one_that_empties_the_queue_goes_with_its_answer),
        TEST(an_entry_that_is_held_goes_when_it_is_let_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
