/* Producers: a program's own, of bytes, and several in a row.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "output/producer.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* --- a producer of our own: a series of answers --- */

struct own {
    struct fixture *f;
    const char *script;
    int asked, released;
    size_t room;
    hook in_more, in_release;
};

static struct own owns[16]; /* each of them must be released once */
static size_t owns_used;

static int answer(char c)
{
    switch (c) {
    case '+':
        return ASYNCHAT_MORE;
    case '.':
        return ASYNCHAT_DONE;
    case '?':
        return ASYNCHAT_LATER;
    case '!':
        return -EIO;
    default:
        return 7; /* not a valid answer */
    }
}

/* Each call gives the next text of the script, such as "one+two.", and returns
 * the answer that the character behind the text stands for. At a '*' it calls
 * in_more. */
static int own_more(struct asynchat_channel *ch, struct evbuffer *out,
                    size_t room, void *arg)
{
    struct own *own = arg;
    size_t len = strcspn(own->script, "*+.?!7");
    (void)ch;
    own->asked++;
    own->room = room;
    assert_int_equal(own->released, 0);
    assert_true(own->script[len] != '\0' && len <= room);
    evbuffer_add(out, own->script, len);
    own->script += len;
    if (*own->script == '*') {
        own->script++;
        own->in_more(own->f);
    }
    return answer(*own->script++);
}

static void own_release(void *arg)
{
    struct own *own = arg;
    if (own->released++ == 0 && own->in_release)
        own->in_release(own->f);
}

static const struct asynchat_producer_ops own_ops = {
    .size = sizeof own_ops,
    .more = own_more,
    .release = own_release,
};

/* Makes the next of `owns`. */
static struct asynchat_producer *make(struct fixture *f, const char *script)
{
    struct asynchat_producer *producer;
    assert_true(owns_used < COUNT(owns));
    struct own *own = &owns[owns_used++];
    *own = (struct own){.f = f, .script = script};
    assert_int_equal(asynchat_producer_new(&own_ops, own, &producer), 0);
    return producer;
}

static struct own *push_own(struct fixture *f, const char *script)
{
    assert_int_equal(asynchat_push_producer(f->ch, make(f, script)), 0);
    return &owns[owns_used - 1];
}

static int teardown(void **state)
{
    int wrong = fixture_teardown(state);
    for (size_t i = 0; i < owns_used; i++)
        if (owns[i].released != 1) {
            print_error("producer %zu: released %d times\n", i,
                        owns[i].released);
            wrong++;
        }
    owns_used = 0;
    return wrong;
}

static struct asynchat_producer *simple(const char *text)
{
    return asynchat_producer_simple(text, strlen(text), 0);
}

static void push(struct fixture *f, const char *text)
{
    assert_int_equal(asynchat_push(f->ch, text, strlen(text)), 0);
}

static void push_producer(struct fixture *f, struct asynchat_producer *producer)
{
    assert_int_equal(asynchat_push_producer(f->ch, producer), 0);
}

/* The channel failed with `error` after it had sent these bytes. */
static void expect_failure(struct fixture *f, int error, const char *sent)
{
    char events[64];
    settle(f);
    snprintf(events, sizeof events, "error(%d) closed(%d)", error, error);
    expect(f, events);
    expect_got(f, sent);
    assert_true(f->got_eof);
}

/* --- own producers --- */

static void a_producer_is_asked_until_it_is_done(void **state)
{
    struct fixture *f = start(state);
    push(f, "<");
    struct own *own = push_own(f, "one +two +three.");
    push(f, ">");
    assert_int_equal(own->asked, 0); /* no call runs a callback */
    settle(f);
    expect_got(f, "<one two three>");
    assert_int_equal(own->asked, 3);
    assert_int_equal(own->released, 1);
}

static void done_with_nothing_is_done(void **state)
{
    struct fixture *f = start(state);
    push_own(f, ".");
    push(f, "next");
    settle(f);
    expect_got(f, "next");
}

static void more_with_nothing_is_the_end_as_in_python(void **state)
{
    struct fixture *f = start(state);
    struct own *own = push_own(f, "one ++");
    push(f, "next");
    settle(f);
    expect_got(f, "one next");
    assert_int_equal(own->asked, 2);
    assert_int_equal(own->released, 1);
}

static void producers_go_out_in_order(void **state)
{
    struct fixture *f = start(state);
    for (char c = 'a'; c < 'e'; c++) {
        push_own(f, "1+2 .");
        push_producer(f, asynchat_producer_simple(&c, 1, 0));
    }
    settle(f);
    expect_got(f, "12 a12 b12 c12 d");
}

static void later_waits_for_resume(void **state)
{
    struct fixture *f = start(state);
    struct own *own = push_own(f, "one ??two .");
    push(f, "next");
    settle(f);
    feed_string(f, "data"); /* another wake-up does not ask the producer */
    settle(f);
    expect_got(f, "one ");
    assert_int_equal(own->asked, 1);
    asynchat_resume_producer(f->ch);
    assert_int_equal(own->asked, 1);
    settle(f);
    assert_int_equal(own->asked, 2);
    asynchat_resume_producer(f->ch);
    settle(f);
    expect_got(f, "one two next");
    asynchat_resume_producer(f->ch); /* no producer waits */
    settle(f);
}

static void close_when_done_waits_for_later(void **state)
{
    struct fixture *f = start(state);
    push_own(f, "one ?two.");
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    settle(f);
    expect(f, "");
    asynchat_resume_producer(f->ch);
    settle(f);
    expect(f, "closed(0)");
    expect_got(f, "one two");
}

static void room_is_at_most_out_buffer_size(void **state)
{
    struct fixture *f = start(state);
    struct own *own = push_own(f, "abc.");
    settle(f);
    assert_int_equal(own->room, 65536);
    assert_int_equal(asynchat_set_out_buffer_size(f->ch, 3), 0);
    own = push_own(f, "def.");
    settle(f);
    assert_int_equal(own->room, 3);
    expect_got(f, "abcdef");
}

static void a_failure_ends_the_channel_after_what_was_before(void **state)
{
    struct fixture *f = start(state);
    push(f, "before ");
    push_own(f, "one +!");
    push(f, "never");
    struct own *never = push_own(f, "never.");
    expect_failure(f, -EIO, "before one ");
    assert_int_equal(owns[0].released, 1);
    assert_int_equal(never->released, 1);
    assert_int_equal(never->asked, 0);
}

static void push_bye(struct fixture *f)
{
    push(f, "bye");
}

static void a_push_in_handle_error_is_sent(void **state)
{
    struct fixture *f = start(state);
    f->on_error = push_bye;
    push(f, "before ");
    push_own(f, "!");
    expect_failure(f, -EIO, "before bye");
}

static void an_answer_that_is_none_is_EINVAL(void **state)
{
    struct fixture *f = start(state);
    push(f, "before");
    push_own(f, "7");
    expect_failure(f, -EINVAL, "before");
}

/* Runs the loop; meanwhile the far end does not read. */
static void turn(struct fixture *f)
{
    for (int i = 0; i < 200; i++)
        event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void it_is_asked_when_all_before_it_went_out(void **state)
{
    struct fixture *f = start(state);
    size_t len = 8 << 20;
    char *data = big(len);
    assert_int_equal(asynchat_push(f->ch, data, len), 0);
    struct own *own = push_own(f, "end.");
    turn(f);
    assert_int_equal(own->asked, 0);
    settle(f);
    assert_int_equal(own->asked, 1);
    assert_int_equal(f->got_len, len + 3);
    free(data);
}

static int endless_more(struct asynchat_channel *ch, struct evbuffer *out,
                        size_t room, void *arg)
{
    static const char data[65536];
    (void)ch;
    ++*(int *)arg;
    return evbuffer_add(out, data, room) < 0 ? -ENOMEM : ASYNCHAT_MORE;
}

static const struct asynchat_producer_ops endless = {
    .size = sizeof endless,
    .more = endless_more,
};

static void a_peer_that_does_not_read_stops_it(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_producer *producer;
    assert_int_equal(asynchat_producer_new(&endless, &f->count, &producer), 0);
    push_producer(f, producer);
    turn(f);
    int asked = f->count;
    turn(f);
    assert_true(asked > 0);
    assert_int_equal(f->count, asked);
}

/* --- calls inside more and release --- */

static void push_x(struct fixture *f)
{
    asynchat_push(f->ch, "x", 1);
}

static void push_simple(struct fixture *f)
{
    asynchat_push_producer(f->ch, simple("simple"));
}

static void resume(struct fixture *f)
{
    asynchat_resume_producer(f->ch);
}

static void discard(struct fixture *f)
{
    asynchat_discard_buffers(f->ch);
}

static void close_channel(struct fixture *f)
{
    asynchat_close(f->ch);
}

static void close_when_done(struct fixture *f)
{
    asynchat_close_when_done(f->ch);
}

static void free_channel(struct fixture *f)
{
    struct asynchat_channel *ch = f->ch;
    f->ch = NULL;
    asynchat_channel_free(ch);
}

static void everything(struct fixture *f)
{
    push_simple(f);
    resume(f);
    discard(f);
    push_x(f);
    close_when_done(f);
    close_channel(f);
    free_channel(f);
}

static void resumed_inside_more_it_is_asked_again(void **state)
{
    struct fixture *f = start(state);
    push_own(f, "one *?two *+three?")->in_more = resume;
    settle(f);
    expect_got(f, "one two three");
    assert_int_equal(owns[0].asked, 3);
}

static void a_push_inside_more_goes_after_the_producer(void **state)
{
    struct fixture *f = start(state);
    push_own(f, "one *+two .")->in_more = push_x;
    push_own(f, "three *+four .")->in_more = push_simple;
    settle(f);
    expect_got(f, "one two three four xsimple");
}

static void discard_inside_more_drops_the_producer(void **state)
{
    static const char *const scripts[] = {"dropped*+", "dropped*?", "dropped*!",
                                          "dropped*."};
    struct fixture *f = start(state);
    for (size_t i = 0; i < COUNT(scripts); i++) {
        struct own *own = push_own(f, scripts[i]);
        struct own *behind = push_own(f, "never.");
        own->in_more = discard;
        push(f, "never");
        settle(f);
        assert_int_equal(own->asked, 1);
        assert_int_equal(own->released, 1);
        assert_int_equal(behind->asked, 0);
        assert_int_equal(behind->released, 1);
    }
    push(f, "kept");
    settle(f);
    expect(f, "");
    expect_got(f, "kept");
}

static void close_inside_more_closes(void **state)
{
    struct fixture *f = start(state);
    push_own(f, "never*+")->in_more = close_channel;
    struct own *behind = push_own(f, "never.");
    settle(f);
    expect(f, "closed(0)");
    expect_got(f, "");
    assert_int_equal(behind->asked, 0);
}

static void close_inside_more_comes_before_its_error(void **state)
{
    struct fixture *f = start(state);
    push_own(f, "*!")->in_more = close_channel;
    settle(f);
    expect(f, "closed(0)");
}

static void close_when_done_inside_more_sends_the_rest(void **state)
{
    struct fixture *f = start(state);
    push_own(f, "one *+two .")->in_more = close_when_done;
    push(f, "three");
    settle(f);
    expect(f, "closed(0)");
    expect_got(f, "one two three");
}

static void free_inside_more_frees(void **state)
{
    struct fixture *f = start(state);
    push_own(f, "never*+")->in_more = free_channel;
    push_own(f, "never.");
    settle(f);
    expect(f, "");
    expect_got(f, "");
    assert_true(f->got_eof);
}

static void a_push_inside_release_goes_after_what_is_queued(void **state)
{
    struct fixture *f = start(state);
    push_own(f, "one .")->in_release = push_x;
    push(f, "two ");
    settle(f);
    expect_got(f, "one two x");
}

/* Whatever releases the producers, and whatever they call then, nothing breaks,
 * and each producer is released once, as teardown() checks. */
static void release_inside(void **state, const char *script, hook end,
                           hook call)
{
    struct fixture *f = start(state);
    for (int i = 0; i < 3; i++)
        push_own(f, script)->in_release = call;
    if (end)
        end(f);
    settle(f);
    if (f->ch)
        push_x(f);
    settle(f);
}

static void any_call_inside_release(void **state)
{
    static const char *const scripts[] = {"done.", "failed!"};
    static const hook ends[] = {NULL, discard, close_channel, free_channel};
    static const hook calls[] = {push_x,       push_simple,     resume,
                                 discard,      close_when_done, close_channel,
                                 free_channel, everything};
    void *over = (void *)(intptr_t)((struct fixture *)*state)->over;
    for (size_t i = 0; i < COUNT(scripts); i++)
        for (size_t j = 0; j < COUNT(ends); j++)
            for (size_t k = 0; k < COUNT(calls); k++) {
                release_inside(state, scripts[i], ends[j], calls[k]);
                assert_int_equal(teardown(state), 0);
                *state = over;
                assert_int_equal(fixture_setup(state), 0);
            }
}

/* --- who frees it --- */

static void a_producer_refused_is_freed(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_push_producer(NULL, make(f, ".")), -EINVAL);
    assert_int_equal(owns[0].released, 1);
    asynchat_close_when_done(f->ch);
    assert_int_equal(asynchat_push_producer(f->ch, make(f, ".")),
                     ASYNCHAT_ECLOSED);
    assert_int_equal(owns[1].released, 1);
    asynchat_close(f->ch);
    assert_int_equal(asynchat_push_producer(f->ch, make(f, ".")),
                     ASYNCHAT_ECLOSED);
    assert_int_equal(owns[2].released, 1);
}

static void NULL_is_want_of_memory(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_push_producer(NULL, NULL), -ENOMEM);
    asynchat_close(f->ch);
    assert_int_equal(asynchat_push_producer(f->ch, NULL), -ENOMEM);
}

static void behind_what_there_is_no_memory_for_nothing_is_sent(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_push_producer(f->ch, NULL), -ENOMEM);
    assert_int_equal(asynchat_push(f->ch, "x", 1), -ENOMEM);
    assert_int_equal(asynchat_push_printf(f->ch, "x"), -ENOMEM);
    assert_int_equal(asynchat_push_producer(f->ch, make(f, ".")), -ENOMEM);
    assert_int_equal(owns[0].released, 1);
    settle(f);
    expect(f, "error(ENOMEM) closed(ENOMEM)");
    expect_got(f, "");
}

static void a_producer_dropped_is_freed(void **state)
{
    struct fixture *f = start(state);
    struct own *own = push_own(f, "never.");
    asynchat_discard_buffers(f->ch);
    assert_int_equal(own->released, 1);
    own = push_own(f, "waits?");
    settle(f);
    asynchat_discard_buffers(f->ch);
    assert_int_equal(own->released, 1);
    own = push_own(f, "never.");
    asynchat_close(f->ch);
    settle(f);
    assert_int_equal(own->released, 1);
    assert_int_equal(own->asked, 0);
}

static void a_producer_never_pushed_is_freed_by_its_maker(void **state)
{
    asynchat_producer_free(make(*state, "."));
    assert_int_equal(owns[0].released, 1);
    asynchat_producer_free(NULL);
}

static void release_may_be_NULL(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_producer *producer;
    assert_int_equal(asynchat_producer_new(&endless, f, &producer), 0);
    asynchat_producer_free(producer);
    assert_int_equal(asynchat_producer_new(&endless, f, &producer), 0);
    push_producer(f, producer);
    asynchat_discard_buffers(f->ch);
}

static int refusal(const struct asynchat_producer_ops *ops)
{
    struct own own = {.f = NULL};
    struct asynchat_producer *none = (void *)&own, *producer = none;
    int error = asynchat_producer_new(ops, &own, &producer);
    if (!error)
        asynchat_producer_free(producer);
    else
        assert_ptr_equal(producer, none);
    assert_int_equal(own.released, error ? 0 : 1);
    return error;
}

static void bad_operations_are_refused(void **state)
{
    struct {
        struct asynchat_producer_ops known;
        void *later;
    } ops = {.known = own_ops};
    (void)state;
    assert_int_equal(asynchat_producer_new(&own_ops, NULL, NULL), -EINVAL);
    assert_int_equal(refusal(NULL), -EINVAL);
    for (size_t size = 0; size < sizeof own_ops; size++) {
        ops.known.size = size;
        assert_int_equal(refusal(&ops.known), -EINVAL);
    }
    ops.known.size = sizeof ops;
    assert_int_equal(refusal(&ops.known), 0);
    ops.later = &ops;
    assert_int_equal(refusal(&ops.known), -ENOTSUP);
    ops.known.size = sizeof ops.known;
    ops.known.more = NULL;
    assert_int_equal(refusal(&ops.known), -EINVAL);
}

/* --- bytes --- */

/* Asks for the next chunk, of `len` bytes. */
static void expect_chunk(struct asynchat_producer *producer, size_t room,
                         size_t len, int answer)
{
    struct evbuffer *out = evbuffer_new();
    assert_int_equal(asynchat__producer_more(producer, NULL, out, room),
                     answer);
    assert_int_equal(evbuffer_get_length(out), len);
    evbuffer_free(out);
}

static void simple_gives_512_bytes_at_a_time_as_python(void **state)
{
    struct asynchat_producer *producer;
    char *data = big(1100);
    (void)state;
    producer = asynchat_producer_simple(data, 1100, 0);
    free(data); /* it was copied */
    expect_chunk(producer, 65536, 512, ASYNCHAT_MORE);
    expect_chunk(producer, 65536, 512, ASYNCHAT_MORE);
    expect_chunk(producer, 65536, 76, ASYNCHAT_DONE);
    expect_chunk(producer, 65536, 0, ASYNCHAT_DONE);
    asynchat_producer_free(producer);
}

static void simple_gives_no_more_than_buffer_size_and_room(void **state)
{
    struct asynchat_producer *producer =
        asynchat_producer_simple("0123456789", 10, 4);
    (void)state;
    expect_chunk(producer, 65536, 4, ASYNCHAT_MORE);
    expect_chunk(producer, 1, 1, ASYNCHAT_MORE);
    expect_chunk(producer, 4, 4, ASYNCHAT_MORE);
    expect_chunk(producer, 4, 1, ASYNCHAT_DONE);
    asynchat_producer_free(producer);
}

static void simple_sends_all(void **state)
{
    struct fixture *f = start(state);
    size_t len = 1 << 20;
    char *data = big(len);
    push_producer(f, asynchat_producer_simple(data, len, 1000));
    push_producer(f, asynchat_producer_simple("end", 3, SIZE_MAX));
    settle(f);
    assert_int_equal(f->got_len, len + 3);
    assert_memory_equal(f->got, data, len);
    assert_memory_equal(f->got + len, "end", 3);
    free(data);
}

static void simple_of_nothing_is_nothing(void **state)
{
    struct fixture *f = start(state);
    push_producer(f, asynchat_producer_simple("", 0, 0));
    push_producer(f, asynchat_producer_simple(NULL, 0, 0));
    push(f, "next");
    settle(f);
    expect_got(f, "next");
}

static void simple_with_a_bad_argument_says_so_when_asked(void **state)
{
    struct fixture *f = start(state);
    push(f, "before");
    push_producer(f, asynchat_producer_simple(NULL, 1, 0));
    push(f, "never");
    expect_failure(f, -EINVAL, "before");
}

static void simple_of_an_impossible_length_says_so_when_asked(void **state)
{
    struct fixture *f = start(state);
    push_producer(f, asynchat_producer_simple("x", SIZE_MAX, 0));
    expect_failure(f, -EINVAL, "");
}

/* --- one after the other --- */

static struct asynchat_producer *concat(struct asynchat_producer *first,
                                        struct asynchat_producer *second)
{
    struct asynchat_producer *parts[2] = {first, second};
    return asynchat_producer_concat(parts, 2);
}

static void concat_sends_one_after_the_other(void **state)
{
    struct fixture *f = start(state);
    push(f, "<");
    push_producer(f, concat(concat(simple("one "), simple("")),
                            concat(simple("two "), simple("three"))));
    push(f, ">");
    settle(f);
    expect_got(f, "<one two three>");
}

static void concat_of_nothing_is_nothing(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_producer *none[1] = {NULL};
    push_producer(f, concat(asynchat_producer_concat(NULL, 0),
                            asynchat_producer_concat(none, 0)));
    push(f, "next");
    settle(f);
    expect_got(f, "next");
}

static void concat_waits_for_a_part_that_waits(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_producer *first = make(f, "a+b?c.");
    push_producer(f, concat(first, make(f, "A+B?C.")));
    settle(f);
    expect_got(f, "ab");
    asynchat_resume_producer(f->ch);
    settle(f);
    expect_got(f, "abcAB");
    assert_int_equal(owns[0].released, 1); /* as soon as it was done */
    assert_int_equal(owns[1].released, 0);
    asynchat_resume_producer(f->ch);
    settle(f);
    expect_got(f, "abcABC");
    assert_int_equal(owns[1].released, 1);
}

static void a_part_that_ends_as_in_python_is_not_the_end_of_all(void **state)
{
    struct fixture *f = start(state);
    push_producer(f, concat(make(f, "one ++"), make(f, "two ++")));
    push(f, "three");
    settle(f);
    expect_got(f, "one two three");
}

static void a_part_that_fails_fails_all(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_producer *fails = make(f, "!");
    push_producer(f, concat(simple("one"), concat(fails, make(f, "never."))));
    push(f, "never");
    expect_failure(f, -EIO, "one");
    assert_int_equal(owns[0].released, 1);
    assert_int_equal(owns[1].released, 1);
    assert_int_equal(owns[1].asked, 0);
}

static void concat_gives_chunks_of_one_part(void **state)
{
    struct asynchat_producer *producer =
        concat(asynchat_producer_simple("012", 3, 2), simple("abc"));
    (void)state;
    expect_chunk(producer, 4, 2, ASYNCHAT_MORE);
    expect_chunk(producer, 4, 1, ASYNCHAT_MORE);
    expect_chunk(producer, 2, 2, ASYNCHAT_MORE);
    expect_chunk(producer, 2, 1, ASYNCHAT_DONE);
    asynchat_producer_free(producer);
}

static void concat_dropped_frees_its_parts(void **state)
{
    struct fixture *f = start(state);
    push_producer(f, concat(make(f, "one ?"), make(f, "never.")));
    settle(f);
    asynchat_discard_buffers(f->ch);
    assert_int_equal(owns[0].released, 1);
    assert_int_equal(owns[1].released, 1);
}

static void a_NULL_among_the_parts_frees_the_others(void **state)
{
    struct fixture *f = start(state);
    assert_null(concat(NULL, make(f, ".")));
    assert_int_equal(owns[0].released, 1);
    assert_null(concat(make(f, "."), NULL));
    assert_int_equal(owns[1].released, 1);
    assert_null(concat(NULL, NULL));
    assert_null(asynchat_producer_concat(NULL, 1));
    assert_int_equal(
        asynchat_push_producer(f->ch, concat(make(f, "."), concat(NULL, NULL))),
        -ENOMEM);
    assert_int_equal(owns[2].released, 1);
}

static void discard_inside_a_part_drops_all(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_producer *first = make(f, "*.");
    owns[0].in_more = discard;
    push_producer(f, concat(first, make(f, "dropped.")));
    push(f, "never");
    settle(f);
    push(f, "kept");
    settle(f);
    expect_got(f, "kept");
}

int main(void)
{
    struct CMUnitTest tests[] = {
        OVER_ALL(a_producer_is_asked_until_it_is_done),
        OVER_ALL(done_with_nothing_is_done),
        OVER_ALL(more_with_nothing_is_the_end_as_in_python),
        OVER_ALL(producers_go_out_in_order),
        OVER_ALL(later_waits_for_resume),
        OVER_ALL(close_when_done_waits_for_later),
        OVER_ALL(room_is_at_most_out_buffer_size),
        OVER_ALL(a_failure_ends_the_channel_after_what_was_before),
        OVER_ALL(a_push_in_handle_error_is_sent),
        OVER_ALL(an_answer_that_is_none_is_EINVAL),
        OVER_SOCKETS(it_is_asked_when_all_before_it_went_out),
        OVER(BUFFEREVENT, it_is_asked_when_all_before_it_went_out),
        OVER_SOCKETS(a_peer_that_does_not_read_stops_it),
        OVER(BUFFEREVENT, a_peer_that_does_not_read_stops_it),
        OVER_ALL(resumed_inside_more_it_is_asked_again),
        OVER_ALL(a_push_inside_more_goes_after_the_producer),
        OVER_ALL(discard_inside_more_drops_the_producer),
        OVER_ALL(close_inside_more_closes),
        OVER_ALL(close_inside_more_comes_before_its_error),
        OVER_ALL(close_when_done_inside_more_sends_the_rest),
        OVER_ALL(free_inside_more_frees),
        OVER_ALL(a_push_inside_release_goes_after_what_is_queued),
        OVER_ALL(any_call_inside_release),
        OVER_ALL(a_producer_refused_is_freed),
        OVER_ALL(NULL_is_want_of_memory),
        OVER_ALL(behind_what_there_is_no_memory_for_nothing_is_sent),
        OVER_ALL(a_producer_dropped_is_freed),
        OVER(PAIR, a_producer_never_pushed_is_freed_by_its_maker),
        OVER_ALL(release_may_be_NULL),
        OVER(PAIR, bad_operations_are_refused),
        OVER(PAIR, simple_gives_512_bytes_at_a_time_as_python),
        OVER(PAIR, simple_gives_no_more_than_buffer_size_and_room),
        OVER_ALL(simple_sends_all),
        OVER_ALL(simple_of_nothing_is_nothing),
        OVER_ALL(simple_with_a_bad_argument_says_so_when_asked),
        OVER_ALL(simple_of_an_impossible_length_says_so_when_asked),
        OVER_ALL(concat_sends_one_after_the_other),
        OVER_ALL(concat_of_nothing_is_nothing),
        OVER_ALL(concat_waits_for_a_part_that_waits),
        OVER_ALL(a_part_that_ends_as_in_python_is_not_the_end_of_all),
        OVER_ALL(a_part_that_fails_fails_all),
        OVER(PAIR, concat_gives_chunks_of_one_part),
        OVER_ALL(concat_dropped_frees_its_parts),
        OVER_ALL(a_NULL_among_the_parts_frees_the_others),
        OVER_ALL(discard_inside_a_part_drops_all),
    };
    for (size_t i = 0; i < COUNT(tests); i++)
        tests[i].teardown_func = teardown; /* which counts releases as well */
    return RUN(tests);
}
