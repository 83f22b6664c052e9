/* Reply slots: answers leave in the order of the requests.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "channel/object.h"
#include "child.h"
#include "clock.h"
#include "output/block.h"
#include "toy.h"

#define LONG 100000 /* more than a write */

/* --- in short --- */

static struct asynchat_slot *reserve(struct fixture *f)
{
    struct asynchat_slot *slot = NULL;
    assert_int_equal(asynchat_reserve(f->ch, &slot), 0);
    assert_non_null(slot);
    return slot;
}

static void give(struct asynchat_slot *slot, const char *text)
{
    assert_int_equal(asynchat_slot_push(slot, text, strlen(text)), 0);
}

static void finish(struct asynchat_slot *slot)
{
    assert_int_equal(asynchat_slot_finish(slot), 0);
}

static void expect_gone(struct asynchat_slot *slot)
{
    assert_int_equal(asynchat_slot_push(slot, "", 0), ASYNCHAT_ECLOSED);
    assert_int_equal(asynchat_slot_push(slot, "x", 1), ASYNCHAT_ECLOSED);
    assert_int_equal(asynchat_slot_finish(slot), ASYNCHAT_ECLOSED);
}

static void push(struct fixture *f, const char *text)
{
    assert_int_equal(asynchat_push(f->ch, text, strlen(text)), 0);
}

static void settle_and_expect(struct fixture *f, const char *text)
{
    settle(f);
    expect_got(f, text);
}

/* A thread that does one thing. Nothing of cmocka is called there. */
struct errand {
    struct asynchat_slot *slot;
    const char *text; /* or NULL: to finish the slot */
    struct asynchat_block *block;
    int answer;
};

static void *run_errand(void *arg)
{
    struct errand *e = arg;
    if (e->block)
        e->answer = asynchat_slot_push_shared(e->slot, e->block);
    else if (e->text)
        e->answer = asynchat_slot_push(e->slot, e->text, strlen(e->text));
    else
        e->answer = asynchat_slot_finish(e->slot);
    return NULL;
}

static int elsewhere(struct errand e)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_errand, &e), 0);
    pthread_join(thread, NULL);
    return e.answer;
}

static void give_elsewhere(struct asynchat_slot *slot, const char *text)
{
    assert_int_equal(elsewhere((struct errand){slot, text, NULL, 0}), 0);
}

static int finish_elsewhere(struct asynchat_slot *slot)
{
    return elsewhere((struct errand){slot, NULL, NULL, 0});
}

/* The memory of the library. */
static bool no_memory;

static void *get_memory(size_t size)
{
    return no_memory ? NULL : malloc(size);
}

static void *resize_memory(void *old, size_t size)
{
    return no_memory ? NULL : realloc(old, size);
}

/* --- order --- */

static void answers_leave_in_the_order_of_the_requests(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_slot *a = reserve(f), *b = reserve(f), *c = reserve(f);
    give(c, "three ");
    finish(c);
    settle_and_expect(f, "");
    give(b, "two ");
    settle_and_expect(f, "");
    give(a, "one ");
    settle_and_expect(f, "one ");
    finish(b);
    settle_and_expect(f, "one ");
    finish(a);
    settle_and_expect(f, "one two three ");
}

static void answers_of_other_threads_do_so_too(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_slot *a = reserve(f), *b = reserve(f), *c = reserve(f);
    give_elsewhere(c, "three ");
    assert_int_equal(finish_elsewhere(c), 0);
    give_elsewhere(b, "two ");
    settle_and_expect(f, "");
    give_elsewhere(a, "one ");
    settle_and_expect(f, "one ");
    assert_int_equal(finish_elsewhere(b), 0);
    settle_and_expect(f, "one ");
    assert_int_equal(finish_elsewhere(a), 0);
    settle_and_expect(f, "one two three ");
}

/* The second is ready while the first comes in a hundred parts. */
static void nothing_leaves_before_the_one_before_is_finished(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_slot *a = reserve(f), *b = reserve(f);
    char all[120] = "";
    give(b, "last");
    finish(b);
    for (int i = 0; i < 100; i++) {
        if (i % 2)
            give(a, "x");
        else
            give_elsewhere(a, "x");
        settle(f);
        strcat(all, "x");
        expect_got(f, all);
    }
    finish(a);
    strcat(all, "last");
    settle_and_expect(f, all);
}

/* A part of another thread is under way, and the channel's own thread goes
 * on. */
static void parts_of_a_slot_keep_their_order(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_slot *a = reserve(f);
    give_elsewhere(a, "one ");
    give(a, "two ");
    give_elsewhere(a, "three ");
    finish(a);
    settle_and_expect(f, "one two three ");
}

static void what_is_pushed_goes_behind(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_block *block = asynchat_block_new("block ", 6);
    push(f, "before ");
    struct asynchat_slot *a = reserve(f);
    push(f, "pushed ");
    assert_int_equal(asynchat_push_shared(f->ch, block), 0);
    struct asynchat_slot *b = reserve(f);
    assert_int_equal(asynchat_push_producer(
                         f->ch, asynchat_producer_simple("produced", 8, 3)),
                     0);
    settle_and_expect(f, "before ");
    give(b, "b ");
    give(a, "a ");
    settle_and_expect(f, "before a ");
    finish(a);
    settle_and_expect(f, "before a pushed block b ");
    finish(b);
    settle_and_expect(f, "before a pushed block b produced");
    push(f, " end");
    settle_and_expect(f, "before a pushed block b produced end");
    asynchat_block_free(block);
}

static void a_slot_goes_behind_a_block(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_block *block = asynchat_block_new("block ", 6);
    assert_int_equal(asynchat_push_shared(f->ch, block), 0);
    struct asynchat_slot *a = reserve(f);
    give(a, "slot ");
    assert_int_equal(asynchat_push_shared(f->ch, block), 0);
    finish(a);
    settle_and_expect(f, "block slot block ");
    asynchat_block_free(block);
}

static void a_slot_that_is_given_up_lets_the_others_go(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_slot *a = reserve(f), *b = reserve(f), *c = reserve(f);
    give(c, "three");
    finish(c);
    finish(b);
    settle_and_expect(f, "");
    finish(a);
    settle_and_expect(f, "three");
}

static void blocks_go_into_slots(void **state)
{
    struct fixture *f = start(state);
    char *text = big(LONG);
    struct asynchat_block *small = asynchat_block_new("small", 5);
    struct asynchat_block *large = asynchat_block_new(text, LONG);
    struct asynchat_slot *a = reserve(f), *b = reserve(f);
    assert_int_equal(asynchat_slot_push_shared(b, large), 0);
    assert_int_equal(asynchat_slot_push_shared(b, small), 0);
    finish(b);
    assert_int_equal(elsewhere((struct errand){a, NULL, small, 0}), 0);
    assert_int_equal(elsewhere((struct errand){a, NULL, large, 0}), 0);
    finish(a);
    settle(f);
    assert_int_equal(f->got_len, 2 * (5 + LONG));
    assert_memory_equal(f->got, "small", 5);
    assert_memory_equal(f->got + 5, text, LONG);
    assert_memory_equal(f->got + 5 + LONG, text, LONG);
    assert_memory_equal(f->got + 5 + 2 * LONG, "small", 5);
    assert_int_equal(atomic_load(&small->shares), 1);
    assert_int_equal(atomic_load(&large->shares), 1);
    asynchat_block_free(small);
    asynchat_block_free(large);
    free(text);
}

static void bad_arguments_are_refused(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_slot *a = reserve(f), *none = NULL;
    assert_int_equal(asynchat_reserve(NULL, &none), -EINVAL);
    assert_int_equal(asynchat_reserve(f->ch, NULL), -EINVAL);
    assert_int_equal(asynchat_slot_push(NULL, "x", 1), -EINVAL);
    assert_int_equal(asynchat_slot_push(a, NULL, 1), -EINVAL);
    assert_int_equal(asynchat_slot_push(a, "x", SIZE_MAX), -EINVAL);
    assert_int_equal(asynchat_slot_push_shared(a, NULL), -EINVAL);
    assert_int_equal(asynchat_slot_push_shared(NULL, (void *)f), -EINVAL);
    assert_int_equal(asynchat_slot_finish(NULL), -EINVAL);
    assert_int_equal(asynchat_set_slot_limit(NULL, 1), -EINVAL);
    assert_int_equal(asynchat_set_slot_limit(f->ch, 0), -EINVAL);
    assert_int_equal(asynchat_get_slot_limit(NULL), 0);
    assert_null(none);
    assert_int_equal(asynchat_slot_push(a, NULL, 0), 0);
    give(a, "x");
    finish(a);
    settle_and_expect(f, "x");
}

/* --- the limit --- */

static struct asynchat_slot *slots[16];

/* Each request reserves a slot. */
static void keep_slot(struct fixture *f)
{
    slots[f->count++] = reserve(f);
}

static struct fixture *start_limited(void **state, unsigned limit, hook hook)
{
    struct fixture *f = start_whole(state);
    f->on_message = hook;
    set_crlf(f);
    assert_int_equal(asynchat_set_slot_limit(f->ch, limit), 0);
    assert_int_equal(asynchat_get_slot_limit(f->ch), limit);
    return f;
}

static void answer_third_at_once(struct fixture *f)
{
    keep_slot(f);
    if (f->count != 3)
        return;
    give(slots[2], "3 ");
    finish(slots[2]);
}

/* Five requests come in one read. */
static void reading_is_paused_at_the_limit(void **state)
{
    struct fixture *f = start_limited(state, 2, answer_third_at_once);
    feed_string(f, "1\r\n2\r\n3\r\n4\r\n5\r\n");
    settle(f);
    expect(f, "message(1) message(2)");
    give(slots[1], "2 ");
    finish(slots[1]);
    settle(f);
    expect(f, "");
    finish(slots[0]);
    settle(f);
    expect(f, "message(3) message(4) message(5)");
    expect_got(f, "2 3 ");
    finish(slots[3]);
    give(slots[4], "5 ");
    finish(slots[4]);
    settle_and_expect(f, "2 3 5 ");
}

/* The end of a slot comes from another thread, and nothing else happens. */
static void it_resumes_at_the_limit_minus_one(void **state)
{
    struct fixture *f = start_limited(state, 3, keep_slot);
    feed_string(f, "1\r\n2\r\n3\r\n4\r\n5\r\n");
    settle(f);
    expect(f, "message(1) message(2) message(3)");
    assert_int_equal(finish_elsewhere(slots[0]), 0);
    settle(f);
    expect(f, "message(4)");
    finish(slots[2]);
    settle(f);
    expect(f, "");
    finish(slots[1]);
    settle(f);
    expect(f, "message(5)");
    finish(slots[3]);
    finish(slots[4]);
}

static void keep_slot_and_push(struct fixture *f)
{
    keep_slot(f);
    push(f, "x");
}

static void what_is_pushed_does_not_count(void **state)
{
    struct fixture *f = start_limited(state, 2, keep_slot_and_push);
    feed_string(f, "1\r\n2\r\n3\r\n4\r\n");
    settle(f);
    finish(slots[0]);
    settle(f);
    expect(f, "message(1) message(2) message(3)");
    finish(slots[1]);
    finish(slots[2]);
    settle(f);
    expect(f, "message(4)");
    finish(slots[3]);
    settle_and_expect(f, "xxxx");
}

static void answer_at_once(struct fixture *f)
{
    struct asynchat_slot *slot = reserve(f);
    assert_int_equal(asynchat_slot_push(slot, f->data, f->data_len), 0);
    finish(slot);
    f->count++;
}

/* Slots that are made and finished in one callback count right. */
static void answers_that_come_at_once_do_not_stop_the_reading(void **state)
{
    for (unsigned limit = 1; limit <= 10; limit += 9) {
        struct fixture *f = start_limited(state, limit, answer_at_once);
        char *requests = calloc(1001, 5), *answers = calloc(1001, 3);
        for (int i = 0; i < 1000; i++) {
            sprintf(requests + 5 * i, "%03d\r\n", i);
            sprintf(answers + 3 * i, "%03d", i);
        }
        f->count = 0;
        feed(f, requests, 5000);
        settle(f);
        assert_int_equal(f->count, 1000);
        assert_int_equal(f->got_len, 3000);
        assert_memory_equal(f->got, answers, 3000);
        free(requests);
        free(answers);
        close_connection(f);
        free(f->got);
        f->got = NULL;
        f->got_len = f->got_room = f->log_len = 0;
        f->log[0] = '\0';
    }
}

static void the_limit_can_be_changed(void **state)
{
    struct fixture *f = start_limited(state, 10, keep_slot);
    feed_string(f, "1\r\n2\r\n");
    settle(f);
    assert_int_equal(asynchat_set_slot_limit(f->ch, 2), 0);
    feed_string(f, "3\r\n4\r\n");
    settle(f);
    expect(f, "message(1) message(2)");
    assert_int_equal(asynchat_set_slot_limit(f->ch, 3), 0);
    settle(f);
    expect(f, "message(3)");
    assert_int_equal(asynchat_set_slot_limit(f->ch, 100), 0);
    settle(f);
    expect(f, "message(4)");
    for (int i = 0; i < 4; i++)
        finish(slots[i]);
}

static void it_is_100_unless_set(void **state)
{
    struct fixture *f = start_whole(state);
    struct asynchat_slot *all[100];
    assert_int_equal(asynchat_get_slot_limit(f->ch), 100);
    set_crlf(f);
    for (int i = 0; i < 100; i++)
        all[i] = reserve(f);
    feed_string(f, "1\r\n");
    settle(f);
    expect(f, "");
    finish(all[0]);
    settle(f);
    expect(f, "message(1)");
    for (int i = 1; i < 100; i++)
        finish(all[i]);
}

static void discarding_resumes_the_reading(void **state)
{
    struct fixture *f = start_limited(state, 1, keep_slot);
    feed_string(f, "1\r\n");
    settle(f);
    asynchat_discard_buffers(f->ch);
    feed_string(f, "2\r\n");
    settle(f);
    expect(f, "message(1) message(2)");
    expect_gone(slots[0]);
    give(slots[1], "2");
    finish(slots[1]);
    settle_and_expect(f, "2");
}

/* An error does not wait for input that the limit keeps back. */
static void a_peer_that_resets_is_noticed(void **state)
{
    struct fixture *f = start_limited(state, 1, keep_slot);
    need_edges(f);
    feed_string(f, "1\r\n2\r\n");
    settle(f);
    feed_reset(f);
    settle_closed(f);
    expect(f, "message(1) error(ECONNRESET) closed(ECONNRESET)");
    expect_gone(slots[0]);
}

/* The peer sends and sends, and reads nothing: write_idle ends that. */
static void a_peer_that_does_not_read_ends_by_write_idle(void **state)
{
    static const struct asynchat_timeouts times = {.size = sizeof times,
                                                   .write_idle = 500};
    struct fixture *f = start_limited(state, 2, keep_slot);
    char *text = big(10 * LONG);
    assert_int_equal(asynchat_set_timeouts(f->ch, &times), 0);
    feed_string(f, "1\r\n2\r\n");
    for (int i = 0; i < 5; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    clock_advance(10000); /* only the slot is waited for */
    for (int i = 0; i < 5; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    expect(f, "message(1) message(2)");
    for (int i = 0; i < 40; i++)
        assert_int_equal(asynchat_slot_push(slots[0], text, 10 * LONG), 0);
    while (send(f->peer, "x\r\n", 3, MSG_DONTWAIT) == 3)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    for (int i = 0; i < 20; i++) {
        clock_advance(600);
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    }
    settle_closed(f);
    expect(f, "error(ESTALLED) closed(ESTALLED)");
    expect_gone(slots[0]);
    expect_gone(slots[1]);
    free(text);
}

/* --- ends --- */

static void closing_when_done_waits_for_open_slots(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_slot *a = reserve(f), *b = reserve(f), *none = NULL;
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    assert_int_equal(asynchat_reserve(f->ch, &none), ASYNCHAT_ECLOSED);
    assert_int_equal(asynchat_push(f->ch, "x", 1), ASYNCHAT_ECLOSED);
    assert_null(none);
    settle(f);
    give_elsewhere(b, "two");
    give(a, "one ");
    finish(a);
    settle(f);
    expect(f, "");
    finish(b);
    settle(f);
    expect(f, "closed(0)");
    expect_got(f, "one two");
}

static void close_after_second(struct fixture *f)
{
    keep_slot(f);
    if (f->count == 2)
        assert_int_equal(asynchat_close_after(f->ch), 0);
}

/* What was asked before the goodbye is answered, and nothing behind it is
 * delivered, however it was cut. */
static void closing_after_a_message_answers_those_before(void **state)
{
    static const char text[] = "1\r\nQUIT\r\n3\r\n";
    for (size_t cut = 0; cut < sizeof text; cut++) {
        struct fixture *f = start_limited(state, 9, close_after_second);
        f->count = 0;
        feed(f, text, cut);
        settle(f);
        feed(f, text + cut, sizeof text - 1 - cut);
        settle(f);
        give(slots[1], "bye");
        finish(slots[1]);
        settle(f);
        expect(f, "message(1) message(QUIT)");
        give(slots[0], "one ");
        finish(slots[0]);
        settle_and_expect(f, "one bye");
        if (f->ch) { /* a socket with input that nobody reads */
            feed_eof(f);
            settle_closed(f);
        }
        expect(f, "closed(0)");
        close_connection(f);
        free(f->got);
        f->got = NULL;
        f->got_len = f->got_room = 0;
    }
}

static void the_output_ends_behind_open_slots(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_slot *a = reserve(f);
    assert_int_equal(asynchat_shutdown_write(f->ch), 0);
    settle(f);
    assert_false(f->got_eof);
    give(a, "one");
    finish(a);
    settle(f);
    assert_true(f->got_eof);
    expect_got(f, "one");
    expect(f, "");
}

static void a_peer_that_has_ended_its_output_is_answered(void **state)
{
    struct fixture *f = start_limited(state, 1, keep_slot);
    feed_string(f, "1\r\n2\r\n");
    feed_eof(f);
    settle(f);
    expect(f, "message(1)");
    give(slots[0], "one ");
    finish(slots[0]);
    settle(f);
    expect(f, "message(2) eof");
    give(slots[1], "two");
    finish(slots[1]);
    settle(f);
    expect(f, "closed(EOF)");
    expect_got(f, "one two");
}

static void close_it(struct fixture *f)
{
    asynchat_close(f->ch);
    settle(f);
}

static void abort_it(struct fixture *f)
{
    asynchat_abort(f->ch);
    settle(f);
}

static void free_it(struct fixture *f)
{
    asynchat_channel_free(f->ch);
    f->ch = NULL;
}

static void discard(struct fixture *f)
{
    asynchat_discard_buffers(f->ch);
    settle(f);
}

/* Slots that are open, finished behind an open one, and with a part and an end
 * that are under way. */
static void drop_by(void **state, void (*drop)(struct fixture *f))
{
    struct fixture *f = start(state);
    struct asynchat_slot *open = reserve(f), *done = reserve(f),
                         *under_way = reserve(f), *ended = reserve(f);
    give(done, "done");
    finish(done);
    give(open, "x");
    give_elsewhere(under_way, "under way");
    give_elsewhere(ended, "ended");
    assert_int_equal(finish_elsewhere(ended), 0);
    drop(f);
    settle_and_expect(f, "");
    expect_gone(open);
    assert_int_equal(finish_elsewhere(under_way), ASYNCHAT_ECLOSED);
    settle(f);
}

static void closing_drops_slots(void **state)
{
    drop_by(state, close_it);
}

static void aborting_drops_slots(void **state)
{
    drop_by(state, abort_it);
}

static void freeing_the_channel_drops_slots(void **state)
{
    drop_by(state, free_it);
}

static void discarding_drops_slots(void **state)
{
    drop_by(state, discard);
}

static void the_channel_goes_on_when_slots_were_discarded(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_slot *a = reserve(f), *b;
    give(a, "x");
    asynchat_discard_buffers(f->ch);
    assert_int_equal(asynchat_get_queued(f->ch), 0);
    b = reserve(f);
    give(b, "new");
    expect_gone(a);
    finish(b);
    push(f, " end");
    settle_and_expect(f, "new end");
}

static void use_after_the_loop(void **state)
{
    struct fixture *f = *state;
    struct event_base *base = event_base_new();
    struct asynchat_channel *ch;
    struct asynchat_slot *here, *there;
    int fds[2];
    make_socketpair(fds);
    assert_int_equal(
        asynchat_channel_new_socket(base, fds[0], &recorder, f, &ch), 0);
    assert_int_equal(asynchat_reserve(ch, &here), 0);
    assert_int_equal(asynchat_reserve(ch, &there), 0);
    give_elsewhere(there, "x");
    asynchat_channel_free(ch);
    event_base_free(base);
    expect_gone(here);
    assert_int_equal(elsewhere((struct errand){there, "x", NULL, 0}),
                     ASYNCHAT_ECLOSED);
    assert_int_equal(finish_elsewhere(there), ASYNCHAT_ECLOSED);
    close(fds[1]);
}

/* --- errors do not wait for slots --- */

static void count_release(const void *data, size_t len, void *arg)
{
    (void)data;
    (void)len;
    ++*(int *)arg;
}

static void say_goodbye(struct fixture *f)
{
    struct asynchat_slot *none = NULL;
    assert_int_equal(asynchat_reserve(f->ch, &none), ASYNCHAT_ECLOSED);
    assert_null(none);
    if (f->own)
        expect_gone(f->own);
    assert_int_equal(asynchat_push(f->ch, "late", 4), f->count);
}

static void let_deadline_pass(struct fixture *f)
{
    assert_int_equal(asynchat_set_deadline(f->ch, 100), 0);
    settle(f);
    clock_advance(200);
    settle(f);
}

static void answer_later(struct asynchat_slot *slot, struct fixture *f)
{
    assert_int_equal(asynchat_slot_push(slot, "x", 1), ASYNCHAT_ECLOSED);
    assert_int_equal(finish_elsewhere(slot), ASYNCHAT_ECLOSED);
    settle_and_expect(f, "before part late");
}

/* The peer gets what is in order, and then the goodbye. */
static void an_error_gives_open_slots_up(void **state)
{
    static int released;
    struct fixture *f = start(state);
    released = f->count = 0;
    push(f, "before ");
    struct asynchat_slot *open = reserve(f), *done = reserve(f),
                         *last = reserve(f);
    f->own = open;
    f->on_error = say_goodbye;
    give(open, "part ");
    give(done, "two ");
    finish(done);
    assert_int_equal(
        asynchat_push_reference(f->ch, "behind ", 7, count_release, &released),
        0);
    assert_int_equal(asynchat_push_producer(
                         f->ch, asynchat_producer_simple("produced", 8, 3)),
                     0);
    give_elsewhere(last, "under way");
    let_deadline_pass(f);
    expect(f, "error(EDEADLINE) closed(EDEADLINE)");
    assert_int_equal(released, 1);
    answer_later(last, f);
}

static int wait_for_more(struct asynchat_channel *ch, struct evbuffer *to,
                         size_t room, void *arg)
{
    (void)ch;
    (void)room;
    if (!*(int *)arg)
        return ASYNCHAT_LATER;
    return evbuffer_add(to, "before ", 7) == 0 ? ASYNCHAT_DONE : -ENOMEM;
}

/* What is queued in front of the slot is waited for, as ever. */
static void what_is_in_front_of_it_is_sent(void **state)
{
    static int ready;
    struct fixture *f = start(state);
    static const struct asynchat_producer_ops waits = {.size = sizeof waits,
                                                       .more = wait_for_more};
    struct asynchat_producer *first;
    assert_int_equal(asynchat_producer_new(&waits, &ready, &first), 0);
    ready = f->count = 0;
    assert_int_equal(asynchat_push_producer(f->ch, first), 0);
    struct asynchat_slot *open = reserve(f), *last = reserve(f);
    give(open, "part ");
    give(last, "behind ");
    f->on_error = say_goodbye;
    let_deadline_pass(f);
    expect(f, "error(EDEADLINE)");
    assert_int_equal(asynchat_get_queued(f->ch), 512 + 9);
    ready = 1;
    asynchat_resume_producer(f->ch);
    settle(f);
    expect(f, "closed(EDEADLINE)");
    finish_elsewhere(open);
    answer_later(last, f);
}

/* A message that is too long comes while an answer is awaited. */
static void a_bad_message_does_not_wait_either(void **state)
{
    struct fixture *f = start_limited(state, 2, keep_slot);
    assert_int_equal(asynchat_set_message_limit(f->ch, 3), 0);
    feed_string(f, "1\r\n12345\r\n");
    feed_eof(f);
    settle(f);
    expect(f, "message(1) error(ETOOLONG) closed(ETOOLONG)");
    expect_gone(slots[0]);
}

static void idle_time_ends_a_close_that_waits(void **state)
{
    static const struct asynchat_timeouts times = {.size = sizeof times,
                                                   .idle = 500};
    struct fixture *f = start(state);
    struct asynchat_slot *a = reserve(f);
    f->own = a;
    f->count = ASYNCHAT_ECLOSED;
    f->on_error = say_goodbye;
    assert_int_equal(asynchat_set_timeouts(f->ch, &times), 0);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    settle(f);
    clock_advance(600);
    settle(f);
    expect(f, "error(EIDLE) closed(EIDLE)");
}

/* Whoever was to finish the slot never does so. */
static void a_steady_deadline_ends_a_close_that_waits(void **state)
{
    for (int way = 0; way < 2; way++) {
        struct fixture *f = start(state);
        struct asynchat_slot *a = reserve(f);
        f->own = a;
        f->count = ASYNCHAT_ECLOSED;
        f->on_error = say_goodbye;
        if (way == 0)
            assert_int_equal(asynchat_close_when_done(f->ch), 0);
        else
            feed_eof(f);
        settle(f);
        assert_int_equal(asynchat_set_steady_deadline(f->ch, 500), 0);
        settle(f);
        clock_advance(499);
        settle(f);
        expect(f, way == 0 ? "" : "eof");
        clock_advance(1);
        settle(f);
        expect(f, "error(EDEADLINE) closed(EDEADLINE)");
        close_connection(f);
        f->own = NULL;
    }
}

/* The peer has ended its output, and waits for answers. */
static void a_server_that_stops_waits_for_its_grace(void **state)
{
    struct fixture *f = start_limited(state, 5, keep_slot);
    feed_string(f, "1\r\n2\r\n");
    feed_eof(f);
    settle(f);
    expect(f, "message(1) message(2) eof");
    f->count = ASYNCHAT_ECLOSED;
    f->on_error = say_goodbye;
    give(slots[1], "two");
    give(slots[0], "one ");
    assert_int_equal(asynchat_server_stop(f->server, 1000, NULL, NULL), 0);
    f->server = NULL;
    settle(f);
    clock_advance(900);
    settle(f);
    expect(f, "");
    clock_advance(200);
    settle(f);
    expect(f, "error(ESTOPPED) closed(ESTOPPED)");
    expect_got(f, "one ");
    expect_gone(slots[0]);
    expect_gone(slots[1]);
}

/* A layer was to begin behind the slot. Nothing leaves as it is that was to be
 * sealed. */
static void what_was_to_be_sealed_is_not_sent(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_slot *a = reserve(f);
    struct toy *toy = toy_new(true);
    give(a, "plain");
    push(f, " behind");
    assert_int_equal(asynchat_set_layer(f->ch, &toy_ops, toy, NULL), 0);
    struct asynchat_slot *b = reserve(f);
    push(f, "sealed");
    f->count = 0;
    f->on_error = say_goodbye;
    assert_int_equal(asynchat_set_steady_deadline(f->ch, 100), 0);
    settle(f);
    clock_advance(200);
    settle_and_expect(f, "plain");
    expect(f, "error(EDEADLINE) closed(EDEADLINE)");
    expect_gone(a);
    expect_gone(b);
}

/* --- in a child --- */

static bool drop_in_child(void *arg)
{
    struct fixture *f = arg;
    asynchat_channel_free(f->ch);
    return asynchat_slot_push(f->own, "child", 5) == ASYNCHAT_ECLOSED;
}

/* What is under way when the process forks is the parent's alone. */
static void a_child_does_not_fill_its_parent_s_slot(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_slot *a = reserve(f);
    f->own = a;
    give_elsewhere(a, "parent");
    assert_int_equal(child_runs(drop_in_child, f), 1);
    give_elsewhere(a, " only");
    assert_int_equal(finish_elsewhere(a), 0);
    settle_and_expect(f, "parent only");
    expect(f, "");
}

/* --- want of memory --- */

static void without_memory_nothing_is_reserved(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_slot *none = NULL;
    no_memory = true;
    int reserved = asynchat_reserve(f->ch, &none);
    int limited = asynchat_set_slot_limit(f->ch, 7);
    no_memory = false;
    assert_int_equal(reserved, -ENOMEM);
    assert_int_equal(limited, -ENOMEM);
    assert_null(none);
    assert_int_equal(asynchat_get_slot_limit(f->ch), 100);
    struct asynchat_slot *a = reserve(f);
    no_memory = true;
    reserved = asynchat_reserve(f->ch, &none);
    no_memory = false;
    assert_int_equal(reserved, -ENOMEM);
    give(a, "on");
    finish(a);
    push(f, "!");
    settle_and_expect(f, "on!");
}

/* Slots have errors of other threads: the limit of a slot is the channel's when
 * the slot was reserved. The channel ends with the error of
 * the slot that ends first. */
static void the_first_slot_with_missing_bytes_says_why(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_output_limit(f->ch, 10), 0);
    struct asynchat_block *block = asynchat_block_new("x", 1);
    struct asynchat_slot *a = reserve(f), *b = reserve(f), *c = reserve(f);
    assert_int_equal(asynchat_set_output_limit(f->ch, 1000), 0);
    give_elsewhere(a, "12345678901");
    assert_int_equal(elsewhere((struct errand){a, "x", NULL, 0}),
                     ASYNCHAT_EFULL);
    no_memory = true;
    int error = elsewhere((struct errand){b, "x", NULL, 0});
    int shared = elsewhere((struct errand){c, NULL, block, 0});
    no_memory = false;
    assert_int_equal(error, -ENOMEM);
    assert_int_equal(shared, -ENOMEM);
    assert_int_equal(atomic_load(&block->shares), 1);
    assert_int_equal(asynchat_slot_push_shared(c, block), -ENOMEM);
    assert_int_equal(finish_elsewhere(b), -ENOMEM);
    assert_int_equal(finish_elsewhere(c), -ENOMEM);
    assert_int_equal(finish_elsewhere(a), ASYNCHAT_EFULL);
    settle(f);
    expect(f, "error(ENOMEM) closed(ENOMEM)");
    asynchat_block_free(block);
}

/* A slot is finished in the channel's own thread after the channel has gone:
 * the error of its push is still the answer. */
static void an_error_is_told_by_a_slot_that_is_gone(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_slot *a = reserve(f);
    no_memory = true;
    int error = elsewhere((struct errand){a, "x", NULL, 0});
    no_memory = false;
    assert_int_equal(error, -ENOMEM);
    close_it(f);
    expect(f, "closed(0)");
    assert_int_equal(asynchat_slot_finish(a), -ENOMEM);
}

/* Bytes that cannot come into the output are missing, so the channel ends: the
 * part of a slot that is open, a slot that is finished, or what the socket has
 * left of a block. */
static void an_output_that_takes_nothing_ends_the_channel(void **state)
{
    char *text = big(50 * LONG);
    struct asynchat_block *block = asynchat_block_new(text, 50 * LONG);
    for (int what = 0; what < 3; what++) {
        struct fixture *f = start(state);
        evbuffer_freeze(f->ch->transport.output, 0);
        struct asynchat_slot *a = what < 2 ? reserve(f) : NULL;
        if (a)
            give(a, "x");
        else
            assert_int_equal(asynchat_push_shared(f->ch, block), 0);
        if (what == 1)
            finish(a);
        settle_closed(f);
        expect(f, "error(ENOMEM) closed(ENOMEM)");
        if (what == 0)
            expect_gone(a);
        assert_int_equal(atomic_load(&block->shares), 1);
        close_connection(f);
    }
    asynchat_block_free(block);
    free(text);
}

static void an_empty_block_only_asks(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_block *empty = asynchat_block_new("", 0);
    struct asynchat_slot *a = reserve(f);
    assert_int_equal(asynchat_slot_push_shared(a, empty), 0);
    assert_int_equal(asynchat_get_queued(f->ch), 0);
    close_it(f);
    expect(f, "closed(0)");
    assert_int_equal(asynchat_slot_push_shared(a, empty), ASYNCHAT_ECLOSED);
    assert_int_equal(asynchat_slot_finish(a), ASYNCHAT_ECLOSED);
    asynchat_block_free(empty);
}

/* --- the end of a channel --- */

static void finish_in_close(struct fixture *f)
{
    expect_gone(f->own);
}

static void a_slot_is_gone_in_handle_close(void **state)
{
    struct fixture *f = start(state);
    f->own = reserve(f);
    f->on_close = finish_in_close;
    asynchat_close(f->ch);
    settle(f);
    expect(f, "closed(0)");
}

/* --- what counts --- */

static void bytes_of_slots_count(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_slot *a = reserve(f), *b = reserve(f);
    struct asynchat_stats stats;
    give(b, "12345");
    assert_int_equal(asynchat_get_queued(f->ch), 5);
    give(a, "123");
    assert_int_equal(asynchat_get_queued(f->ch), 8);
    settle(f);
    assert_int_equal(asynchat_get_queued(f->ch), 5);
    finish(a);
    finish(b);
    settle(f);
    asynchat_get_stats(f->ch, &stats, sizeof stats);
    assert_int_equal(stats.queued, 0);
    assert_int_equal(stats.sent, 8);
}

static void they_share_the_output_limit(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_output_limit(f->ch, 10), 0);
    struct asynchat_slot *a = reserve(f), *b = reserve(f);
    give(b, "12345678901");
    assert_int_equal(asynchat_slot_push(b, "x", 1), ASYNCHAT_EFULL);
    settle(f);
    expect(f, "error(EFULL) closed(EFULL)");
    expect_gone(a);
    expect_gone(b);
}

/* What is under way has the same limit, and what is missing ends the
 * channel. */
static void other_threads_share_it_too(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_output_limit(f->ch, 10), 0);
    struct asynchat_slot *a = reserve(f);
    give_elsewhere(a, "12345678901");
    for (int i = 0; i < 2; i++)
        assert_int_equal(elsewhere((struct errand){a, "x", NULL, 0}),
                         ASYNCHAT_EFULL);
    assert_int_equal(finish_elsewhere(a), ASYNCHAT_EFULL);
    settle(f);
    expect(f, "error(EFULL) closed(EFULL)");
}

static void count_drained(struct fixture *f)
{
    f->count++;
}

static int pressed;

static void count_pressure(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
    pressed++;
}

static void they_share_the_marks(void **state)
{
    struct asynchat_handler handler = recorder;
    handler.handle_pressure = count_pressure;
    struct fixture *f = start_with(state, &handler);
    char *text = big(LONG);
    struct asynchat_slot *a = reserve(f), *b = reserve(f);
    pressed = 0;
    f->on_drained = count_drained;
    assert_int_equal(asynchat_slot_push(b, text, LONG), 0);
    settle(f);
    assert_int_equal(pressed, 1);
    assert_int_equal(f->count, 0);
    finish(a);
    settle(f);
    assert_int_equal(f->count, 1);
    assert_int_equal(f->got_len, LONG);
    finish(b);
    settle(f);
    assert_int_equal(f->count, 1);
    free(text);
}

static void the_program_is_told_when_a_slot_is_sent(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_slot *a = reserve(f);
    f->on_drained = count_drained;
    give(a, "x");
    settle(f);
    assert_int_equal(f->count, 1);
    give_elsewhere(a, "y");
    settle(f);
    assert_int_equal(f->count, 2);
    finish(a);
    settle(f);
    assert_int_equal(f->count, 2);
}

/* Open slots keep a joined channel paused while too much waits in them. */
static void a_joined_channel_is_paused(void **state)
{
    struct fixture *f = start_whole(state);
    char *text = big(LONG);
    set_crlf(f);
    assert_int_equal(asynchat_join(f->ch, f->ch), 0);
    struct asynchat_slot *a = reserve(f), *b = reserve(f);
    assert_int_equal(asynchat_slot_push(b, text, LONG), 0);
    feed_string(f, "1\r\n");
    settle(f);
    expect(f, "");
    finish(a);
    settle(f);
    expect(f, "message(1)");
    finish(b);
    free(text);
}

/* --- transcripts, layers, times --- */

static char told[64];
static struct asynchat_slot *to_finish;

static void tell(struct asynchat_channel *ch, enum asynchat_transcript what,
                 const void *data, size_t len, void *arg)
{
    (void)ch;
    (void)arg;
    if (what != ASYNCHAT_TRANSCRIPT_SENT)
        return;
    strncat(told, data, len);
    if (to_finish)
        asynchat_slot_finish(to_finish);
    to_finish = NULL;
}

static void a_transcript_is_told_when_bytes_come(void **state)
{
    struct fixture *f = start(state);
    told[0] = '\0';
    assert_int_equal(asynchat_set_transcript(f->ch, tell, NULL), 0);
    struct asynchat_slot *a = reserve(f), *b = reserve(f);
    give(b, "two ");
    give_elsewhere(a, "one ");
    settle(f);
    assert_string_equal(told, "two one ");
    to_finish = a;
    give(a, "more ");
    to_finish = b;
    give(b, "end");
    settle_and_expect(f, "one more two end");
}

static void discard_in_tell(struct asynchat_channel *ch,
                            enum asynchat_transcript what, const void *data,
                            size_t len, void *arg)
{
    (void)data;
    (void)len;
    (void)arg;
    if (what == ASYNCHAT_TRANSCRIPT_SENT)
        asynchat_discard_buffers(ch);
}

static void a_slot_may_go_while_it_is_filled(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_transcript(f->ch, discard_in_tell, NULL), 0);
    struct asynchat_slot *a = reserve(f);
    give(a, "x");
    expect_gone(a);
    a = reserve(f);
    give_elsewhere(a, "x");
    settle_and_expect(f, "");
    expect_gone(a);
    assert_int_equal(asynchat_get_queued(f->ch), 0);
}

/* Drops the output twice while the slot's bytes come into it. */
static void discard_twice(struct evbuffer *output,
                          const struct evbuffer_cb_info *info, void *arg)
{
    struct fixture *f = arg;
    (void)output;
    if (info->n_added == 0 || f->own)
        return;
    f->own = f;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(asynchat_push_reference(f->ch, "dropped", 7,
                                                 count_release, &f->count),
                         0);
        asynchat_discard_buffers(f->ch);
    }
    push(f, "on");
}

static void output_may_be_dropped_while_a_slot_moves(void **state)
{
    struct fixture *f = start(state);
    struct evbuffer *output = f->ch->transport.output;
    struct asynchat_slot *a = reserve(f);
    assert_non_null(evbuffer_add_cb(output, discard_twice, f));
    give(a, "x");
    settle(f);
    evbuffer_remove_cb(output, discard_twice, f);
    assert_ptr_equal(f->own, f);
    assert_int_equal(f->count, 2);
    expect_gone(a);
    settle(f);
    assert_int_equal(asynchat_get_queued(f->ch), 0);
    assert_memory_equal(f->got + f->got_len - 2, "on", 2);
    f->own = NULL;
}

/* The slot was reserved before the layer, so its answer leaves as it is. */
static void a_layer_begins_behind_open_slots(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_slot *a = reserve(f);
    struct toy *toy = toy_new(true);
    assert_int_equal(asynchat_set_layer(f->ch, &toy_ops, toy, NULL), 0);
    push(f, "sealed");
    settle_and_expect(f, "");
    give(a, "plain");
    settle_and_expect(f, "plain");
    assert_false(toy->up);
    finish(a);
    settle(f);
    assert_true(f->got_len > 5 || toy->up);
    assert_memory_equal(f->got, "plain", 5);
}

/* A closing channel gives its peer no more than the linger time; but here the
 * peer waits, and not the channel. */
static void the_linger_time_stands_still(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_slot *a = reserve(f);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    settle(f);
    clock_advance(100000);
    settle(f);
    give(a, "late");
    finish(a);
    settle_and_expect(f, "late");
    expect(f, "closed(0)");
}

/* --- threads --- */

enum { REQUESTS = 100, MOST = 100 * REQUESTS, WORKERS = 2, WAITING = 64 };

/* A list of slots that wait for a worker, which takes any of them. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct {
        struct asynchat_slot *slot;
        unsigned number;
    } jobs[MOST];
    unsigned count;
    bool over;
    int errors;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

static unsigned draw(uint64_t *chance, unsigned below)
{
    *chance ^= *chance >> 12;
    *chance ^= *chance << 25;
    *chance ^= *chance >> 27;
    return (unsigned)((*chance * UINT64_C(2685821657736338717)) >> 33) % below;
}

/* How long the parts of an answer are: the same each time. */
static size_t draw_part(uint64_t *chance)
{
    if (draw(chance, 4) > 0)
        return 1 + draw(chance, 100);
    return draw(chance, 16) > 0 ? 1 + draw(chance, 2000)
                                : 1 + draw(chance, LONG);
}

static void answer_job(struct asynchat_slot *slot, unsigned number,
                       const char *text)
{
    uint64_t chance = number + 1;
    int errors = 0;
    for (unsigned parts = 1 + draw(&chance, 4); parts > 0; parts--) {
        size_t len = draw_part(&chance);
        errors += asynchat_slot_push(slot, text + number % 20, len) != 0;
        if (draw(&chance, 8) == 0)
            sched_yield();
    }
    errors += asynchat_slot_finish(slot) != 0;
    pthread_mutex_lock(&pool.lock);
    pool.errors += errors;
    pthread_mutex_unlock(&pool.lock);
}

static bool take_job(struct asynchat_slot **slot, unsigned *number,
                     uint64_t *chance)
{
    pthread_mutex_lock(&pool.lock);
    while (pool.count == 0 && !pool.over)
        pthread_cond_wait(&pool.more, &pool.lock);
    bool any = pool.count > 0;
    if (any) {
        unsigned which = draw(chance, pool.count);
        *slot = pool.jobs[which].slot;
        *number = pool.jobs[which].number;
        pool.jobs[which] = pool.jobs[--pool.count];
    }
    pthread_mutex_unlock(&pool.lock);
    return any;
}

static void *work(void *arg)
{
    uint64_t chance = 99;
    struct asynchat_slot *slot;
    unsigned number;
    while (take_job(&slot, &number, &chance))
        answer_job(slot, number, arg);
    return NULL;
}

/* One in ten is answered here. */
static void give_to_worker(struct fixture *f)
{
    struct asynchat_slot *slot = reserve(f);
    unsigned number = (unsigned)f->count++;
    f->log_len = 0;
    if (number % 10 == 7) {
        answer_job(slot, number, f->own);
        return;
    }
    pthread_mutex_lock(&pool.lock);
    pool.jobs[pool.count].slot = slot;
    pool.jobs[pool.count++].number = number;
    pthread_cond_signal(&pool.more);
    pthread_mutex_unlock(&pool.lock);
}

static size_t expected_answer(struct fixture *f, unsigned number, size_t at)
{
    uint64_t chance = number + 1;
    for (unsigned parts = 1 + draw(&chance, 4); parts > 0; parts--) {
        size_t len = draw_part(&chance);
        assert_true(at + len <= f->got_len);
        assert_memory_equal(f->got + at, (char *)f->own + number % 20, len);
        at += len;
        draw(&chance, 8);
    }
    return at;
}

/* The requests come a hundred at a time. Under valgrind, COUNT=10 makes a
 * thousand of them. */
static void threads_answer_as_if_one_had(void **state)
{
    int rounds = (int)from_environment("COUNT", MOST / REQUESTS);
    int requests = rounds * REQUESTS < MOST ? rounds * REQUESTS : MOST;
    struct fixture *f = start_limited(state, WAITING, give_to_worker);
    pthread_t threads[WORKERS];
    size_t at = 0;
    pool.over = false;
    pool.errors = 0;
    f->own = big(LONG + 20);
    for (int i = 0; i < WORKERS; i++)
        pthread_create(&threads[i], NULL, work, f->own);
    for (int i = 0; i < requests; i += REQUESTS) {
        for (int j = 0; j < REQUESTS; j++)
            feed(f, "x\r\n", 3);
        settle(f);
    }
    while (f->count < requests)
        settle(f);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    while (f->ch)
        settle(f);
    pthread_mutex_lock(&pool.lock);
    pool.over = true;
    pthread_cond_broadcast(&pool.more);
    pthread_mutex_unlock(&pool.lock);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    settle(f);
    assert_int_equal(f->count, requests);
    assert_int_equal(pool.errors, 0);
    for (int i = 0; i < requests; i++)
        at = expected_answer(f, (unsigned)i, at);
    assert_int_equal(f->got_len, at);
    free(f->own);
}

static void ignore(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
}

static const struct asynchat_handler far_end = {.size = sizeof far_end,
                                                .found_terminator = ignore};

/* Channels end while threads fill their slots. */
static void *fill_until_gone(void *arg)
{
    struct asynchat_slot *slot = arg;
    while (asynchat_slot_push(slot, "some bytes", 10) == 0)
        sched_yield();
    return (void *)(intptr_t)asynchat_slot_finish(slot);
}

static void channels_end_while_threads_fill_slots(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 100; i++) {
        struct asynchat_channel *ch;
        pthread_t threads[WORKERS];
        int fds[2];
        make_socketpair(fds);
        assert_int_equal(
            asynchat_channel_new_socket(f->base, fds[0], &far_end, NULL, &ch),
            0);
        for (int j = 0; j < WORKERS; j++) {
            struct asynchat_slot *slot;
            assert_int_equal(asynchat_reserve(ch, &slot), 0);
            pthread_create(&threads[j], NULL, fill_until_gone, slot);
        }
        for (int j = 0; j < 1 + i % 5; j++)
            event_base_loop(f->base, EVLOOP_NONBLOCK);
        if (i % 2)
            asynchat_channel_free(ch);
        else
            asynchat_close(ch);
        event_base_loop(f->base, EVLOOP_NONBLOCK);
        for (int j = 0; j < WORKERS; j++) {
            void *answer;
            pthread_join(threads[j], &answer);
            assert_int_equal((intptr_t)answer, ASYNCHAT_ECLOSED);
        }
        event_base_loop(f->base, EVLOOP_NONBLOCK);
        close(fds[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_ALL(answers_leave_in_the_order_of_the_requests),
        OVER_ALL(answers_of_other_threads_do_so_too),
        OVER_ALL(nothing_leaves_before_the_one_before_is_finished),
        OVER_ALL(parts_of_a_slot_keep_their_order),
        OVER_ALL(what_is_pushed_goes_behind),
        OVER_ALL(a_slot_goes_behind_a_block),
        OVER_ALL(a_slot_that_is_given_up_lets_the_others_go),
        OVER_ALL(blocks_go_into_slots),
        OVER_ALL(bad_arguments_are_refused),
        OVER_ALL(reading_is_paused_at_the_limit),
        OVER_ALL(it_resumes_at_the_limit_minus_one),
        OVER_ALL(what_is_pushed_does_not_count),
        OVER_ALL(answers_that_come_at_once_do_not_stop_the_reading),
        OVER_ALL(the_limit_can_be_changed),
        OVER_ALL(it_is_100_unless_set),
        OVER_ALL(discarding_resumes_the_reading),
        OVER(TCP, a_peer_that_resets_is_noticed),
        OVER_SOCKETS(a_peer_that_does_not_read_ends_by_write_idle),
        OVER_ALL(closing_when_done_waits_for_open_slots),
        OVER_ALL(closing_after_a_message_answers_those_before),
        OVER_SOCKETS(the_output_ends_behind_open_slots),
        OVER_SOCKETS(a_peer_that_has_ended_its_output_is_answered),
        OVER_ALL(closing_drops_slots),
        OVER_ALL(aborting_drops_slots),
        OVER_ALL(freeing_the_channel_drops_slots),
        OVER_ALL(discarding_drops_slots),
        OVER_ALL(the_channel_goes_on_when_slots_were_discarded),
        OVER_ALL(an_error_gives_open_slots_up),
        OVER_ALL(what_is_in_front_of_it_is_sent),
        OVER_ALL(a_bad_message_does_not_wait_either),
        OVER_ALL(idle_time_ends_a_close_that_waits),
        OVER_SOCKETS(a_steady_deadline_ends_a_close_that_waits),
        OVER(TCP, a_server_that_stops_waits_for_its_grace),
        OVER(SOCKETPAIR, what_was_to_be_sealed_is_not_sent),
        OVER(SOCKETPAIR, use_after_the_loop),
        OVER_SOCKETS(a_child_does_not_fill_its_parent_s_slot),
        OVER_ALL(without_memory_nothing_is_reserved),
        OVER_ALL(the_first_slot_with_missing_bytes_says_why),
        OVER_ALL(an_error_is_told_by_a_slot_that_is_gone),
        OVER_SOCKETS(an_output_that_takes_nothing_ends_the_channel),
        OVER_ALL(an_empty_block_only_asks),
        OVER_ALL(a_slot_is_gone_in_handle_close),
        OVER_ALL(bytes_of_slots_count),
        OVER_ALL(they_share_the_output_limit),
        OVER_ALL(other_threads_share_it_too),
        OVER_ALL(they_share_the_marks),
        OVER_ALL(the_program_is_told_when_a_slot_is_sent),
        OVER_ALL(a_joined_channel_is_paused),
        OVER_ALL(a_transcript_is_told_when_bytes_come),
        OVER_ALL(a_slot_may_go_while_it_is_filled),
        OVER(BUFFEREVENT, output_may_be_dropped_while_a_slot_moves),
        OVER(SOCKETPAIR, a_layer_begins_behind_open_slots),
        OVER_ALL(the_linger_time_stands_still),
        OVER(SOCKETPAIR, threads_answer_as_if_one_had),
        OVER(PAIR, threads_answer_as_if_one_had),
        OVER(SOCKETPAIR, channels_end_while_threads_fill_slots),
    };
    if (asynchat_set_mem_functions(get_memory, resize_memory, free) != 0)
        return 1;
    return RUN(tests);
}
