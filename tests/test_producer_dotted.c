/* The producer of dotted data: what it sends, and that the framing undoes it.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "framing_driver.h"
#include "output/producer.h"

#define LETTERS ".\r\na"

/* --- a source --- */

struct source {
    const uint8_t *bytes;
    size_t len, at;
    size_t piece; /* how much it gives at once */
    bool late;    /* it answers ASYNCHAT_LATER again and again */
    bool alone;   /* its end comes without bytes */
    int error;    /* its end is an error */
    bool over;    /* it has answered its last */
    int asked, lates, released;
};

static int source_more(struct asynchat_channel *ch, struct evbuffer *out,
                       size_t room, void *arg)
{
    struct source *s = arg;
    size_t n = s->len - s->at;
    (void)ch;
    assert_int_equal(s->released, 0);
    assert_true(room > 0 && !s->over);
    bool late = s->late && s->asked++ % 3 != 2;
    s->lates += late;
    if (late && s->asked % 3 == 1)
        return ASYNCHAT_LATER;
    n = n < s->piece ? n : s->piece;
    n = n < room ? n : room;
    evbuffer_add(out, s->bytes + s->at, n);
    s->at += n;
    s->over = s->at == s->len && (n == 0 || !s->alone);
    if (!s->over)
        return late ? ASYNCHAT_LATER : ASYNCHAT_MORE;
    s->lates -= late;
    return s->error;
}

static void source_release(void *arg)
{
    ((struct source *)arg)->released++;
}

static struct asynchat_producer *make(struct source *s)
{
    static const struct asynchat_producer_ops ops = {
        .size = sizeof ops, .more = source_more, .release = source_release};
    struct asynchat_producer *producer;
    assert_int_equal(asynchat_producer_new(&ops, s, &producer), 0);
    return producer;
}

/* --- the model --- */

static size_t model_put(uint8_t *to, const char *text)
{
    size_t len = strlen(text);
    memcpy(to, text, len);
    return len;
}

/* The source with CR LF as its only line end, also behind the last line; and
 * if `wire`, with dots and the end mark. */
static size_t model(const struct source *s, bool wire, uint8_t *to)
{
    size_t n = 0;
    bool begin = true;
    for (size_t i = 0; i < s->len; i++) {
        bool cr = s->bytes[i] == '\r', lf = s->bytes[i] == '\n';
        if (lf && i > 0 && s->bytes[i - 1] == '\r')
            continue;
        if (wire && begin && s->bytes[i] == '.')
            to[n++] = '.';
        if (cr || lf)
            n += model_put(to + n, "\r\n");
        else
            to[n++] = s->bytes[i];
        begin = cr || lf;
    }
    if (!begin)
        n += model_put(to + n, "\r\n");
    return wire ? n + model_put(to + n, ".\r\n") : n;
}

/* --- without a channel --- */

/* Asks until the end, for `room` bytes at a time. Answers the end. Nothing that
 * the source has given waits, but for the second half of two bytes. */
static int produce(struct source *s, size_t room, struct evbuffer *out)
{
    struct asynchat_producer *dotted = asynchat_producer_dotted(make(s));
    bool crs = s->len > 0 && memchr(s->bytes, '\r', s->len);
    int answer, lates = 0;
    assert_non_null(dotted);
    do {
        size_t before = evbuffer_get_length(out);
        answer = asynchat__producer_more(dotted, NULL, out, room);
        assert_true(evbuffer_get_length(out) - before <= room);
        assert_true(crs || s->at <= evbuffer_get_length(out));
        lates += answer == ASYNCHAT_LATER;
    } while (answer > ASYNCHAT_DONE);
    assert_true(room == 1 || lates == s->lates);
    assert_int_equal(s->released, answer == ASYNCHAT_DONE);
    asynchat_producer_free(dotted);
    assert_int_equal(s->released, 1);
    return answer;
}

static struct asynchat_framing *make_framing(const struct naive *ends)
{
    (void)ends;
    return asynchat_framing_dotted(ASYNCHAT_DOTTED_STRICT);
}

/* The framing gives back what the wire was made of. */
static void undo(const struct source *s, const uint8_t *wire, size_t len)
{
    static uint8_t lines[1000];
    static struct drive v;
    v.make = make_framing;
    v.stream = wire;
    v.len = len;
    v.wanted.len = 0;
    trace_bytes(&v.wanted, lines, model(s, false, lines));
    trace_add(&v.wanted, TRACE_END, 0);
    if (s->len < 5)
        drive(&v);
    drive_cut(&v, 1 + random_below((unsigned)len), 1 + random_below(8));
}

static void try(struct source s, size_t room)
{
    static uint8_t wire[1000], wanted[1000];
    struct evbuffer *out = evbuffer_new();
    assert_int_equal(produce(&s, room, out), ASYNCHAT_DONE);
    int len = evbuffer_remove(out, wire, sizeof wire);
    evbuffer_free(out);
    assert_int_equal(len, model(&s, true, wanted));
    assert_memory_equal(wire, wanted, (size_t)len);
    undo(&s, wire, (size_t)len);
}

/* In pieces, and into rooms, of several sizes. */
static void try_all(const uint8_t *bytes, size_t len)
{
    static const size_t sizes[] = {1, 2, 3, 4096};
    for (size_t i = is_left_out() ? 16 : 0; i < 16; i++)
        try((struct source){.bytes = bytes,
                            .len = len,
                            .piece = sizes[i % 4],
                            .late = (len + i) % 3 == 0,
                            .alone = i % 2},
            sizes[i / 4]);
}

static void every_short_body_is_stuffed_and_comes_back(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 7; len++) {
        uint8_t body[8] = "........";
        do
            try_all(body, len);
        while (string_next(body, len, LETTERS));
    }
}

static void random_bodies_come_back(void **state)
{
    uint8_t body[300];
    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        size_t len = random_below(i % 20 == 0 ? sizeof body : 13);
        for (size_t k = 0; k < len; k++)
            body[k] = (uint8_t)LETTERS[random_below(4)];
        try_all(body, len);
    }
}

/* --- over a channel --- */

static void push(struct fixture *f, const char *text)
{
    assert_int_equal(asynchat_push(f->ch, text, strlen(text)), 0);
}

static void push_dotted(struct fixture *f, struct asynchat_producer *inner)
{
    assert_int_equal(
        asynchat_push_producer(f->ch, asynchat_producer_dotted(inner)), 0);
}

static struct asynchat_producer *simple(const char *text, size_t piece)
{
    return asynchat_producer_simple(text, strlen(text), piece);
}

static void a_bare_line_end_is_made_one(void **state)
{
    struct fixture *f = start(state);
    push(f, "DATA\r\n");
    push_dotted(f, simple("a\n.\nb\n", 0));
    push_dotted(f, simple("a\r.\rb", 2));
    push_dotted(f, simple("a\r\nb\r\n\r", 1));
    push_dotted(f, simple("", 0));
    push_dotted(f, simple(".", 0));
    push(f, "QUIT\r\n");
    settle(f);
    expect_got(f, "DATA\r\na\r\n..\r\nb\r\n.\r\n"
                  "a\r\n..\r\nb\r\n.\r\n"
                  "a\r\nb\r\n\r\n.\r\n"
                  ".\r\n"
                  "..\r\n.\r\n"
                  "QUIT\r\n");
}

static void a_source_that_waits_makes_it_wait(void **state)
{
    struct fixture *f = start(state);
    struct source s = {
        .bytes = (const uint8_t *)"a\n.b", .len = 4, .piece = 2, .late = true};
    push_dotted(f, make(&s));
    settle(f);
    expect_got(f, "");
    assert_int_equal(s.asked, 1);
    asynchat_resume_producer(f->ch);
    settle(f);
    expect_got(f, "a\r\n");
    assert_int_equal(s.asked, 2);
    asynchat_resume_producer(f->ch);
    settle(f);
    expect_got(f, "a\r\n..b\r\n.\r\n");
    assert_int_equal(s.asked, 3);
    assert_int_equal(s.released, 1);
}

static void resume(struct fixture *f)
{
    asynchat_resume_producer(f->ch);
}

/* The source is resumed while a byte of its is still owed. */
static void with_room_for_one_byte_no_resume_is_lost(void **state)
{
    struct fixture *f = start(state);
    struct source s = {
        .bytes = (const uint8_t *)"\n.\n.", .len = 4, .piece = 1, .late = true};
    assert_int_equal(asynchat_set_out_buffer_size(f->ch, 1), 0);
    push_dotted(f, make(&s));
    for (int i = 0; i < 10; i++) {
        settle(f);
        resume(f);
    }
    settle(f);
    expect_got(f, "\r\n..\r\n..\r\n.\r\n");
    assert_int_equal(s.released, 1);
}

static void a_source_that_fails_gets_no_end_mark(void **state)
{
    struct fixture *f = start(state);
    struct source s = {.bytes = (const uint8_t *)"a\r\n.b\r\n",
                       .len = 7,
                       .piece = 5,
                       .alone = true,
                       .error = -EDOM};
    char events[64];
    push_dotted(f, make(&s));
    push(f, "QUIT\r\n");
    settle(f);
    snprintf(events, sizeof events, "error(%d) closed(%d)", -EDOM, -EDOM);
    expect(f, events);
    expect_got(f, "a\r\n..b\r\n");
    assert_true(f->got_eof);
    assert_int_equal(s.released, 1);
}

/* What the source has given together with its error counts. */
static void an_error_comes_after_the_bytes(void **state)
{
    (void)state;
    for (size_t room = 1; room < 20; room++) {
        struct source s = {.bytes = (const uint8_t *)".a\n.",
                           .len = 4,
                           .piece = 4,
                           .error = -EDOM};
        struct evbuffer *out = evbuffer_new();
        assert_int_equal(produce(&s, room, out), -EDOM);
        size_t len = evbuffer_get_length(out);
        assert_memory_equal(evbuffer_pullup(out, -1), "..a\r\n..", len);
        assert_true(len == 7 || room < 8);
        evbuffer_free(out);
    }
}

static void dropped_it_frees_the_source(void **state)
{
    struct fixture *f = start(state);
    struct source s = {
        .bytes = (const uint8_t *)"abc", .len = 3, .piece = 1, .late = true};
    push_dotted(f, make(&s));
    settle(f);
    asynchat_discard_buffers(f->ch);
    assert_int_equal(s.released, 1);
    push(f, "on");
    settle(f);
    expect_got(f, "on");
}

static void calls_nest(void **state)
{
    struct fixture *f = start(state);
    assert_null(asynchat_producer_dotted(NULL));
    push_dotted(f, asynchat_producer_dotted(simple(".", 0)));
    settle(f);
    expect_got(f, "...\r\n..\r\n.\r\n");
    assert_int_equal(
        asynchat_push_producer(f->ch, asynchat_producer_dotted(NULL)), -ENOMEM);
}

/* --- want of memory --- */

static unsigned failing; /* which allocation fails; 0: none */

static void *get_memory(size_t size)
{
    return failing > 0 && --failing == 0 ? NULL : malloc(size);
}

static void *resize_memory(void *old, size_t size)
{
    return failing > 0 && --failing == 0 ? NULL : realloc(old, size);
}

/* Gives two pieces that lie apart. */
static int give_pieces(struct asynchat_channel *ch, struct evbuffer *out,
                       size_t room, void *arg)
{
    (void)ch;
    (void)arg;
    assert_true(room >= 4);
    return evbuffer_add_reference(out, "a\n", 2, NULL, NULL) < 0 ||
                   evbuffer_add_reference(out, ".b", 2, NULL, NULL) < 0
               ? -ENOMEM
               : ASYNCHAT_DONE;
}

/* Answers the end of the producer, or -ENOMEM if there is no producer. */
static int produce_pieces(struct source *s, struct evbuffer *out)
{
    static const struct asynchat_producer_ops ops = {
        .size = sizeof ops, .more = give_pieces, .release = source_release};
    struct asynchat_producer *inner = NULL, *dotted = NULL;
    int answer = asynchat_producer_new(&ops, s, &inner);
    if (answer < 0) {
        s->released++;
        return answer;
    }
    dotted = asynchat_producer_dotted(inner);
    if (!dotted)
        return -ENOMEM;
    do
        answer = asynchat__producer_more(dotted, NULL, out, 4096);
    while (answer > 0);
    asynchat_producer_free(dotted);
    return answer;
}

/* Each allocation fails in turn, and the source is released once. */
static void want_of_memory_is_told(void **state)
{
    static const char wire[] = "a\r\n..b\r\n.\r\n";
    bool failed = true;
    unsigned n = 0;
    (void)state;
    while (failed) {
        struct source s = {.released = 0};
        struct evbuffer *out = evbuffer_new();
        failing = ++n;
        int answer = produce_pieces(&s, out);
        failed = failing == 0;
        failing = 0;
        assert_int_equal(answer, failed ? -ENOMEM : ASYNCHAT_DONE);
        assert_int_equal(s.released, 1);
        if (!failed)
            assert_memory_equal(evbuffer_pullup(out, -1), wire,
                                sizeof wire - 1);
        evbuffer_free(out);
    }
    assert_true(n > 6);
}

static void an_evbuffer_that_takes_nothing_is_told(void **state)
{
    struct source s = {.bytes = (const uint8_t *)"ab", .len = 2, .piece = 2};
    struct evbuffer *out = evbuffer_new();
    (void)state;
    struct asynchat_producer *dotted = asynchat_producer_dotted(make(&s));
    evbuffer_freeze(out, 0);
    assert_int_equal(asynchat__producer_more(dotted, NULL, out, 99), -ENOMEM);
    evbuffer_unfreeze(out, 0);
    assert_int_equal(evbuffer_get_length(out), 0);
    asynchat_producer_free(dotted);
    assert_int_equal(s.released, 1);
    evbuffer_free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_short_body_is_stuffed_and_comes_back),
        cmocka_unit_test(random_bodies_come_back),
        OVER_ALL(a_bare_line_end_is_made_one),
        OVER_ALL(a_source_that_waits_makes_it_wait),
        OVER_ALL(with_room_for_one_byte_no_resume_is_lost),
        OVER_ALL(a_source_that_fails_gets_no_end_mark),
        cmocka_unit_test(an_error_comes_after_the_bytes),
        OVER_ALL(dropped_it_frees_the_source),
        OVER_ALL(calls_nest),
        cmocka_unit_test(want_of_memory_is_told),
        cmocka_unit_test(an_evbuffer_that_takes_nothing_is_told),
    };
    event_set_mem_functions(get_memory, resize_memory, free);
    if (asynchat_set_mem_functions(get_memory, resize_memory, free) != 0)
        return 1;
    cmocka_set_skip_filter(getenv("LEAVE_OUT"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
