/* Two channels connected in memory.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Over a pair, the fixture's channel is the first, and f->far is the second. */

static void push(struct asynchat_channel *ch, const char *text)
{
    assert_int_equal(asynchat_push(ch, text, strlen(text)), 0);
}

static void each_hears_what_the_other_sends(void **state)
{
    struct fixture *f = start(state);
    push(f->ch, "there");
    push(f->far, "back");
    expect(f, "");
    settle(f);
    expect(f, "data(back)");
    expect_got(f, "there");
}

static const struct asynchat_handler quiet = {
    .size = sizeof quiet,
    .handle_close = (void (*)(struct asynchat_channel *, int, void *))abort,
};

static void what_is_pushed_before_the_loop_runs_arrives(void **state)
{
    struct fixture *f = *state;
    struct asynchat_channel *pair[2];
    const struct asynchat_handler *handlers[2] = {&recorder, &quiet};
    void *args[2] = {f, NULL};
    assert_int_equal(asynchat_pair_new(f->base, handlers, args, pair), 0);
    push(pair[1], "early");
    expect(f, "");
    settle(f);
    expect(f, "connect data(early)");
    asynchat_channel_free(pair[1]);
}

static void much_arrives_whole(void **state)
{
    struct fixture *f = start(state);
    size_t len = 8 << 20;
    char *data = malloc(len);
    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)(i % 251);
    assert_int_equal(asynchat_push(f->ch, data, len), 0);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    settle(f);
    assert_int_equal(f->got_len, len);
    assert_memory_equal(f->got, data, len);
    assert_true(f->got_eof);
    expect(f, "closed(0)");
    free(data);
}

static void answer_ball(struct fixture *f)
{
    if (++f->count < 1000) {
        push(f->ch, "ball\n");
        push(f->far, "ball\r\n");
    }
}

static void they_can_talk_without_end(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = answer_ball;
    push(f->far, "ball\r\n");
    settle(f);
    assert_int_equal(f->count, 1000);
    assert_int_equal(f->got_len, 999 * strlen("ball\n"));
}

/* --- ends --- */

static void when_one_closes_the_other_hears_it(void **state)
{
    struct fixture *f = start(state);
    asynchat_close(f->far);
    settle(f);
    expect(f, "eof closed(EOF)");
    assert_null(f->far);
}

static void when_one_is_freed_the_other_hears_it(void **state)
{
    struct fixture *f = start(state);
    asynchat_channel_free(f->far);
    f->far = NULL;
    settle(f);
    expect(f, "eof closed(EOF)");
}

static void what_cannot_be_sent_any_more_is_an_error(void **state)
{
    struct fixture *f = start(state);
    asynchat_channel_free(f->far);
    f->far = NULL;
    push(f->ch, "lost");
    settle(f);
    expect(f, "eof error(EPIPE) closed(EPIPE)");
}

static void what_was_sent_comes_before_the_end(void **state)
{
    struct fixture *f = start(state);
    push(f->far, "last words");
    assert_int_equal(asynchat_close_when_done(f->far), 0);
    settle(f);
    expect(f, "data(last words) eof closed(EOF)");
}

static void both_may_close_at_once(void **state)
{
    struct fixture *f = start(state);
    push(f->ch, "dropped");
    asynchat_close(f->ch);
    asynchat_close(f->far);
    settle(f);
    expect(f, "closed(0)");
    assert_null(f->far);
}

static void both_may_be_freed_at_once(void **state)
{
    struct fixture *f = start(state);
    asynchat_channel_free(f->ch);
    asynchat_channel_free(f->far);
    f->ch = f->far = NULL;
    settle(f);
    expect(f, "");
}

static void free_far(struct fixture *f)
{
    asynchat_channel_free(f->far);
    f->far = NULL;
}

static void one_may_be_freed_in_the_other_s_callback(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_found = free_far;
    push(f->far, "one\r\ntwo");
    settle(f);
    expect(f, "data(one) found data(two) eof(cut off) closed(EOF)");
}

static void free_both(struct fixture *f)
{
    free_far(f);
    asynchat_channel_free(f->ch);
    f->ch = NULL;
}

static void both_may_be_freed_in_one_s_callback(void **state)
{
    struct fixture *f = start(state);
    f->on_data = free_both;
    push(f->far, "one");
    settle(f);
    expect(f, "data(one)");
}

/* --- each way in which one goes --- */

enum way { WAY_CLOSE, WAY_WHEN_DONE, WAY_FREE, WAY_ABORT, WAYS };

static void leave(struct asynchat_channel *ch, enum way way)
{
    if (way == WAY_CLOSE)
        asynchat_close(ch);
    else if (way == WAY_WHEN_DONE)
        assert_int_equal(asynchat_close_when_done(ch), 0);
    else if (way == WAY_FREE)
        asynchat_channel_free(ch);
    else
        asynchat_abort(ch);
}

/* f->count chooses how it leaves. */
static void far_leaves(struct fixture *f)
{
    if (f->far)
        leave(f->far, (enum way)f->count);
    if (f->count == WAY_FREE)
        f->far = NULL;
}

static void expect_end(struct fixture *f, const char *before)
{
    char events[256];
    snprintf(events, sizeof events, "%s%s", before,
             f->count == WAY_ABORT ? "error(ECONNRESET) closed(ECONNRESET)"
                                   : "eof closed(EOF)");
    expect(f, events);
    assert_null(f->ch);
    assert_null(f->far);
}

static void the_other_hears_each_end(void **state)
{
    for (int way = 0; way < WAYS; way++) {
        struct fixture *f = start(state);
        f->count = way;
        push(f->far, "all");
        settle(f);
        far_leaves(f);
        settle(f);
        expect_end(f, "data(all) ");
        close_connection(f);
    }
}

static void the_other_hears_each_end_in_its_callback(void **state)
{
    for (int way = 0; way < WAYS; way++) {
        struct fixture *f = start(state);
        set_crlf(f);
        f->count = way;
        f->on_found = far_leaves;
        push(f->far, "one\r\ntwo\r\n");
        settle(f);
        expect_end(f, "data(one) found data(two) found ");
        f->on_found = NULL;
        close_connection(f);
    }
}

static void leave_in_callback(struct asynchat_channel *ch, const void *data,
                              size_t len, void *arg)
{
    struct fixture *f = arg;
    (void)data;
    (void)len;
    leave(ch, (enum way)f->count);
}

static const struct asynchat_handler leaver = {
    .size = sizeof leaver,
    .collect_incoming_data = leave_in_callback,
};

static void the_other_hears_an_end_in_one_s_own_callback(void **state)
{
    struct fixture *f = *state;
    const struct asynchat_handler *handlers[2] = {&recorder, &leaver};
    void *args[2] = {f, f};
    for (f->count = 0; f->count < WAYS; f->count++) {
        struct asynchat_channel *pair[2];
        assert_int_equal(asynchat_pair_new(f->base, handlers, args, pair), 0);
        push(pair[0], "leave");
        settle(f);
        expect_end(f, "connect ");
        close_connection(f);
    }
}

/* While the channel is paused, an orderly end waits for undelivered input; a
 * reset does not. */
static void the_other_hears_each_end_after_its_bytes(void **state)
{
    for (int way = 0; way < WAYS; way++) {
        struct fixture *f = start(state);
        f->count = way;
        asynchat_pause_reading(f->ch);
        push(f->far, "all");
        settle(f);
        far_leaves(f);
        settle(f);
        if (way != WAY_ABORT) {
            expect(f, "");
            asynchat_resume_reading(f->ch);
            settle(f);
        }
        expect_end(f, way != WAY_ABORT ? "data(all) " : "");
        close_connection(f);
    }
}

/* Input that only waits for its turn is delivered first. */
static void a_budget_loses_nothing_to_a_reset(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_message_budget(f->ch, 1), 0);
    set_crlf(f);
    f->count = WAY_ABORT;
    f->on_found = far_leaves;
    push(f->far, "one\r\ntwo\r\nthree\r\n");
    settle(f);
    expect_end(f, "data(one) found data(two) found data(three) found ");
}

static void an_end_is_not_an_error_afterwards(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_close_when_done(f->far), 0);
    asynchat_pause_reading(f->ch);
    settle(f);
    asynchat_resume_reading(f->ch);
    settle(f);
    expect(f, "eof closed(EOF)");
}

/* --- making --- */

static void without_args_both_get_NULL(void **state)
{
    struct fixture *f = *state;
    struct asynchat_channel *pair[2];
    const struct asynchat_handler *handlers[2] = {&recorder, &recorder};
    assert_int_equal(asynchat_pair_new(f->base, handlers, NULL, pair), 0);
    assert_null(asynchat_get_arg(pair[0]));
    assert_null(asynchat_get_arg(pair[1]));
    asynchat_channel_free(pair[0]);
    asynchat_channel_free(pair[1]);
}

static void each_has_its_handler_and_arg(void **state)
{
    struct fixture *f = *state;
    struct asynchat_channel *pair[2];
    const struct asynchat_handler *handlers[2] = {&recorder, &quiet};
    void *args[2] = {f, state};
    assert_int_equal(asynchat_pair_new(f->base, handlers, args, pair), 0);
    assert_ptr_equal(asynchat_get_arg(pair[0]), f);
    assert_ptr_equal(asynchat_get_arg(pair[1]), state);
    assert_ptr_equal(asynchat_get_base(pair[0]), f->base);
    assert_ptr_equal(asynchat_get_base(pair[1]), f->base);
    settle(f);
    expect(f, "connect");
    asynchat_channel_free(pair[1]);
}

static int refusal(struct event_base *base,
                   const struct asynchat_handler *const *handlers)
{
    struct asynchat_channel *none = (void *)&base, *pair[2] = {none, none};
    int error = asynchat_pair_new(base, handlers, NULL, pair);
    assert_ptr_equal(pair[0], none);
    assert_ptr_equal(pair[1], none);
    return error;
}

static void bad_arguments_are_refused(void **state)
{
    struct fixture *f = *state;
    struct {
        struct asynchat_handler known;
        void *later;
    } later = {.known = recorder, .later = f};
    const struct asynchat_handler empty = {.size = sizeof empty};
    const struct asynchat_handler *good[2] = {&recorder, &recorder};
    const struct asynchat_handler *handlers[2];
    assert_int_equal(refusal(NULL, good), -EINVAL);
    assert_int_equal(refusal(f->base, NULL), -EINVAL);
    assert_int_equal(asynchat_pair_new(f->base, good, NULL, NULL), -EINVAL);
    later.known.size = sizeof later;
    for (int i = 0; i < 2; i++) {
        handlers[0] = handlers[1] = &recorder;
        handlers[i] = NULL;
        assert_int_equal(refusal(f->base, handlers), -EINVAL);
        handlers[i] = &empty;
        assert_int_equal(refusal(f->base, handlers), -EINVAL);
        handlers[i] = &later.known;
        assert_int_equal(refusal(f->base, handlers), -ENOTSUP);
    }
}

/* --- references travel to the other side, and are released in its input --- */

static void discard_the_other(const void *data, size_t len, void *arg)
{
    struct fixture *f = arg;
    (void)data;
    (void)len;
    f->count++;
    asynchat_discard_buffers(f->ch);
}

static void release_may_discard_the_other_s_input(void **state)
{
    struct fixture *f = start(state);
    asynchat_push_reference(f->far, "one", 3, discard_the_other, f);
    asynchat_push_reference(f->far, "two", 3, discard_the_other, f);
    settle(f);
    expect(f, "data(one)");
    assert_int_equal(f->count, 2);
    feed_string(f, "three");
    settle(f);
    expect(f, "data(three)");
}

static void set_none_of_the_other(const void *data, size_t len, void *arg)
{
    struct fixture *f = arg;
    (void)data;
    (void)len;
    assert_int_equal(asynchat_set_terminator_none(f->ch), 0);
}

static void release_may_set_the_other_s_terminator(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    asynchat_push_reference(f->far, "abc\r", 4, set_none_of_the_other, f);
    settle(f);
    expect(f, "data(abc\\r)");
}

static void free_the_other(const void *data, size_t len, void *arg)
{
    struct fixture *f = arg;
    (void)data;
    (void)len;
    asynchat_channel_free(f->ch);
    f->ch = NULL;
}

static void release_may_free_the_other(void **state)
{
    struct fixture *f = start(state);
    asynchat_push_reference(f->far, "abc", 3, free_the_other, f);
    settle(f);
    expect(f, "data(abc)");
    assert_null(f->ch);
}

/* A reference that the far end pushed is released when the input that contains
 * it is dropped. */
static void push_more(const void *data, size_t len, void *arg)
{
    struct fixture *f = arg;
    (void)data;
    (void)len;
    assert_int_equal(asynchat_push(f->ch, "kept", 4), 0);
}

static void pause_now(struct fixture *f)
{
    asynchat_pause_reading(f->ch);
}

static void what_is_pushed_as_input_is_dropped_stays(void **state)
{
    struct fixture *f = start(state);
    f->on_data = pause_now;
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 2), 0);
    assert_int_equal(
        asynchat_push_reference(f->far, "dropped", 7, push_more, f), 0);
    settle(f);
    assert_int_equal(asynchat_push(f->ch, "dropped too", 11), 0);
    asynchat_discard_buffers(f->ch);
    settle(f);
    expect_got(f, "kept");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER(PAIR, each_hears_what_the_other_sends),
        OVER(PAIR, what_is_pushed_before_the_loop_runs_arrives),
        OVER(PAIR, much_arrives_whole),
        OVER(PAIR, they_can_talk_without_end),
        OVER(PAIR, when_one_closes_the_other_hears_it),
        OVER(PAIR, when_one_is_freed_the_other_hears_it),
        OVER(PAIR, what_cannot_be_sent_any_more_is_an_error),
        OVER(PAIR, what_was_sent_comes_before_the_end),
        OVER(PAIR, both_may_close_at_once),
        OVER(PAIR, both_may_be_freed_at_once),
        OVER(PAIR, one_may_be_freed_in_the_other_s_callback),
        OVER(PAIR, both_may_be_freed_in_one_s_callback),
        OVER(PAIR, the_other_hears_each_end),
        OVER(PAIR, the_other_hears_each_end_in_its_callback),
        OVER(PAIR, the_other_hears_an_end_in_one_s_own_callback),
        OVER(PAIR, the_other_hears_each_end_after_its_bytes),
        OVER(PAIR, a_budget_loses_nothing_to_a_reset),
        OVER(PAIR, an_end_is_not_an_error_afterwards),
        OVER(PAIR, without_args_both_get_NULL),
        OVER(PAIR, each_has_its_handler_and_arg),
        OVER(PAIR, release_may_discard_the_other_s_input),
        OVER(PAIR, release_may_set_the_other_s_terminator),
        OVER(PAIR, release_may_free_the_other),
        OVER(PAIR, bad_arguments_are_refused),
        OVER(PAIR, what_is_pushed_as_input_is_dropped_stays),
    };
    return RUN(tests);
}
