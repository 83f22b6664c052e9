/* Blocks: bytes that are made once and pushed to many channels.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "clock.h"
#include "output/block.h"
#include "toy.h"

#define LONG 100000 /* more than a write */

/* --- one channel --- */

static struct asynchat_block *block_of(const char *text)
{
    struct asynchat_block *block = asynchat_block_new(text, strlen(text));
    assert_non_null(block);
    return block;
}

static struct asynchat_block *long_block(void)
{
    char *text = big(LONG);
    struct asynchat_block *block = block_of(text);
    free(text);
    return block;
}

/* Gives the test's own share back, which has to be the last one. */
static void last_share(struct asynchat_block *block)
{
    assert_int_equal(atomic_load(&block->shares), 1);
    asynchat_block_free(block);
}

static void shared(struct fixture *f, struct asynchat_block *block)
{
    assert_int_equal(asynchat_push_shared(f->ch, block), 0);
}

static void push(struct fixture *f, const char *text)
{
    assert_int_equal(asynchat_push(f->ch, text, strlen(text)), 0);
}

/* The far end has got what `texts` say, one after the other. */
static void expect_all(struct fixture *f, const char *const *texts)
{
    size_t at = 0;
    for (; *texts; at += strlen(*texts++)) {
        assert_true(at + strlen(*texts) <= f->got_len);
        assert_memory_equal(f->got + at, *texts, strlen(*texts));
    }
    assert_int_equal(f->got_len, at);
}

static void it_is_sent_and_freed(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_block *block = block_of("hello");
    asynchat__block_share(block);
    shared(f, block);
    assert_int_equal(asynchat_get_queued(f->ch), 5);
    asynchat_block_free(block);
    settle(f);
    expect_got(f, "hello");
    assert_int_equal(asynchat_get_queued(f->ch), 0);
    last_share(block);
}

static void a_long_one_is_sent_in_several_writes(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_block *block = long_block();
    char *text = big(LONG);
    shared(f, block);
    assert_int_equal(asynchat_get_queued(f->ch), LONG);
    settle(f);
    expect_all(f, (const char *[]){text, NULL});
    last_share(block);
    free(text);
}

static void push_all(struct fixture *f)
{
    struct asynchat_block *const *blocks = f->own;
    shared(f, blocks[0]);
    push(f, " two ");
    shared(f, blocks[1]);
    shared(f, blocks[0]);
    shared(f, blocks[1]);
    assert_int_equal(
        asynchat_push_producer(f->ch, asynchat_producer_simple(" four ", 6, 2)),
        0);
    shared(f, blocks[0]);
    push(f, " five");
    assert_int_equal(asynchat_get_queued(f->ch),
                     3 * 3 + 2 * LONG + 5 + 512 + 5);
}

/* In a wake-up of the channel, and outside of one. */
static void all_that_is_pushed_stays_in_order(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_block *blocks[] = {block_of("one"), long_block()};
    char *text = big(LONG);
    const char *const all[] = {"one", " two ",  text,  "one",   text, " four ",
                               "one", " five",  "one", " two ", text, "one",
                               text,  " four ", "one", " five", NULL};
    f->own = blocks;
    f->on_found = push_all;
    set_crlf(f);
    feed_string(f, "\r\n");
    settle(f);
    push_all(f);
    settle(f);
    expect_all(f, all);
    last_share(blocks[0]);
    last_share(blocks[1]);
    free(text);
}

static void long_after_short(struct fixture *f)
{
    push(f, "first ");
    shared(f, f->own);
}

static void long_before_short(struct fixture *f)
{
    shared(f, f->own);
    push(f, "last");
}

static void a_long_one_keeps_its_place_in_a_wake_up(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_block *block = long_block();
    char *text = big(LONG);
    f->own = block;
    set_crlf(f);
    f->on_found = long_after_short;
    feed_string(f, "\r\n");
    settle(f);
    f->on_found = long_before_short;
    feed_string(f, "\r\n");
    settle(f);
    expect_all(f, (const char *[]){"first ", text, text, "last", NULL});
    last_share(block);
    free(text);
}

static void a_producer_comes_behind_it(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_block *block = long_block();
    char *text = big(LONG);
    shared(f, block);
    assert_int_equal(
        asynchat_push_producer(f->ch, asynchat_producer_simple("last", 4, 2)),
        0);
    settle(f);
    expect_all(f, (const char *[]){text, "last", NULL});
    last_share(block);
    free(text);
}

static void an_empty_one_is_nothing(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_block *block = asynchat_block_new(NULL, 0);
    shared(f, block);
    assert_int_equal(asynchat_get_queued(f->ch), 0);
    settle(f);
    expect_got(f, "");
    last_share(block);
}

static void bad_arguments_are_refused(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_block *block = block_of("x");
    assert_null(asynchat_block_new(NULL, 1));
    assert_null(asynchat_block_new("x", SIZE_MAX));
    asynchat_block_free(NULL);
    assert_int_equal(asynchat_push_shared(NULL, block), -EINVAL);
    assert_int_equal(asynchat_push_shared(f->ch, NULL), -EINVAL);
    settle(f);
    expect_got(f, "");
    expect(f, "");
    last_share(block);
}

static void it_is_refused_when_the_output_has_ended(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_block *blocks[] = {block_of("x"), long_block()};
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(asynchat_push_shared(f->ch, blocks[i]),
                         ASYNCHAT_ECLOSED);
        last_share(blocks[i]);
    }
}

static void closing_waits_for_it(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_block *block = long_block();
    char *text = big(LONG);
    shared(f, block);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    settle(f);
    expect_all(f, (const char *[]){text, NULL});
    expect(f, "closed(0)");
    last_share(block);
    free(text);
}

static void discard(struct fixture *f)
{
    asynchat_discard_buffers(f->ch);
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

/* Each kind of block: one that lies, one that was copied, one by reference. */
static void drop_by(void **state, void (*drop)(struct fixture *f))
{
    for (int before = 0; before < 2; before++) {
        struct fixture *f = start(state);
        struct asynchat_block *blocks[] = {block_of("x"), long_block()};
        if (before)
            push(f, "y");
        shared(f, blocks[1]);
        shared(f, blocks[0]);
        shared(f, blocks[1]);
        drop(f);
        settle(f);
        expect_got(f, "");
        last_share(blocks[0]);
        last_share(blocks[1]);
        close_connection(f);
        free(f->got);
        f->got = NULL;
        f->got_len = f->got_room = 0;
    }
}

static void what_is_discarded_is_not_sent(void **state)
{
    drop_by(state, discard);
}

static void closing_drops_it(void **state)
{
    drop_by(state, close_it);
}

static void aborting_drops_it(void **state)
{
    drop_by(state, abort_it);
}

static void freeing_the_channel_drops_it(void **state)
{
    drop_by(state, free_it);
}

static void a_single_one_is_discarded(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_block *block = block_of("x");
    shared(f, block);
    asynchat_discard_buffers(f->ch);
    assert_int_equal(asynchat_get_queued(f->ch), 0);
    last_share(block);
    push(f, "y");
    settle(f);
    expect_got(f, "y");
}

/* --- a peer that does not read --- */

static void fill(struct fixture *f, struct asynchat_block *block, int times)
{
    for (int i = 0; i < times; i++) {
        shared(f, block);
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    }
}

static void a_peer_that_does_not_read_costs_no_copy(void **state)
{
    enum { TIMES = 200 };
    struct fixture *f = start(state);
    struct asynchat_block *block = long_block();
    char *text = big(LONG);
    size_t before = mallinfo2().uordblks;
    fill(f, block, TIMES);
    size_t queued = asynchat_get_queued(f->ch);
    assert_true(queued > (size_t)TIMES * LONG / 2);
    assert_true(mallinfo2().uordblks - before < TIMES * 2048);
    settle(f);
    assert_int_equal(f->got_len, (size_t)TIMES * LONG);
    for (int i = 0; i < TIMES; i++)
        assert_memory_equal(f->got + (size_t)i * LONG, text, LONG);
    last_share(block);
    free(text);
}

static void it_counts_for_the_limit(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_block *block = long_block();
    assert_int_equal(asynchat_set_output_limit(f->ch, LONG - 1), 0);
    shared(f, block);
    assert_int_equal(asynchat_push_shared(f->ch, block), ASYNCHAT_EFULL);
    settle(f);
    expect(f, "error(EFULL) closed(EFULL)");
    last_share(block);
}

static int pressed;

static void count_pressure(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
    pressed++;
}

static void count_drained(struct fixture *f)
{
    f->count++;
}

static void it_counts_for_the_marks(void **state)
{
    struct asynchat_handler handler = recorder;
    struct fixture *f;
    struct asynchat_block *block = long_block();
    handler.handle_pressure = count_pressure;
    f = start_with(state, &handler);
    f->on_drained = count_drained;
    pressed = 0;
    fill(f, block, 100);
    assert_int_equal(pressed, 1);
    f->count = 0;
    settle(f);
    assert_int_equal(f->count, 1);
    last_share(block);
}

static void it_counts_in_the_statistics(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_block *block = block_of("hello");
    struct asynchat_stats stats;
    shared(f, block);
    asynchat_get_stats(f->ch, &stats, sizeof stats);
    assert_int_equal(stats.queued, 5);
    settle(f);
    asynchat_get_stats(f->ch, &stats, sizeof stats);
    assert_int_equal(stats.queued, 0);
    assert_int_equal(stats.sent, 5);
    last_share(block);
}

static void a_peer_that_has_gone_drops_it(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_block *block = long_block();
    fill(f, block, 20);
    feed_reset(f);
    settle_closed(f);
    last_share(block);
}

/* The peer has gone before the block is sent the first time. */
static void a_peer_that_went_before_drops_it(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_block *block = block_of("x");
    feed_reset(f);
    shared(f, block);
    settle_closed(f);
    last_share(block);
}

static void a_peer_that_takes_no_more_is_told(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_block *block = block_of("x");
    assert_int_equal(shutdown(f->peer, SHUT_RD), 0);
    shared(f, block);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    last_share(block);
    assert_int_equal(asynchat_push(f->ch, "y", 1), ASYNCHAT_ECLOSED);
    feed_eof(f);
    settle(f);
    expect(f, "error(EPIPE) closed(EPIPE)");
}

static void it_is_told_when_it_is_sent(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_block *block = block_of("x");
    f->on_drained = count_drained;
    shared(f, block);
    settle(f);
    assert_int_equal(f->count, 1);
    last_share(block);
}

static struct asynchat_block *drained_block;

static void answer_once(struct fixture *f)
{
    if (f->count++ == 0)
        shared(f, drained_block);
}

static void reply_ok(struct fixture *f)
{
    push(f, "ok");
}

/* What was pushed in a wake-up is sent in it; so handle_drained runs in it. */
static void one_pushed_when_all_is_sent_is_sent(void **state)
{
    struct fixture *f = start(state);
    drained_block = block_of("block");
    f->on_drained = answer_once;
    f->on_found = reply_ok;
    set_crlf(f);
    feed_string(f, "\r\n");
    settle(f);
    expect_got(f, "okblock");
    assert_int_equal(f->count, 2);
    assert_int_equal(asynchat_get_queued(f->ch), 0);
    last_share(drained_block);
}

/* --- transcripts, rates, layers --- */

static char told[64];

static void tell(struct asynchat_channel *ch, enum asynchat_transcript what,
                 const void *data, size_t len, void *arg)
{
    (void)ch;
    (void)arg;
    if (what == ASYNCHAT_TRANSCRIPT_SENT)
        strncat(told, data, len);
}

static void a_transcript_tells_it(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_block *block = block_of("hello");
    told[0] = '\0';
    assert_int_equal(asynchat_set_transcript(f->ch, tell, NULL), 0);
    shared(f, block);
    settle(f);
    assert_string_equal(told, "hello");
    expect_got(f, "hello");
    last_share(block);
}

static void rate_of(struct fixture *f, unsigned write)
{
    const struct asynchat_rates rates = {
        .size = sizeof rates, .write = write, .write_burst = write};
    assert_int_equal(asynchat_set_rates(f->ch, &rates), 0);
}

/* Also if the rate is set when the block waits already. */
static void it_keeps_to_a_rate(void **state)
{
    for (int later = 0; later < 2; later++) {
        struct fixture *f = start(state);
        struct asynchat_block *block = long_block();
        char *text = big(LONG);
        if (!later)
            rate_of(f, LONG / 2);
        shared(f, block);
        if (later)
            rate_of(f, LONG / 2);
        settle(f);
        assert_true(f->got_len <= LONG / 2 + 1);
        for (int i = 0; i < 300; i++) {
            clock_advance(10);
            settle(f);
        }
        expect_all(f, (const char *[]){text, NULL});
        last_share(block);
        free(text);
        close_connection(f);
        free(f->got);
        f->got = NULL;
        f->got_len = f->got_room = 0;
        expect(f, "");
    }
}

struct sealed {
    struct asynchat_channel *ch[2];
    struct toy *toys[2];
    size_t got;
    char text[LONG + 100];
};

static void sealed_data(struct asynchat_channel *ch, const void *data,
                        size_t len, void *arg)
{
    struct sealed *s = arg;
    (void)ch;
    assert_true(s->got + len < sizeof s->text);
    memcpy(s->text + s->got, data, len);
    s->got += len;
}

static const struct asynchat_handler sealed_handler = {
    .size = sizeof sealed_handler, .collect_incoming_data = sealed_data};

static void set_layer(struct sealed *s, int i)
{
    s->toys[i] = toy_new(i == 0);
    assert_int_equal(asynchat_set_layer(s->ch[i], &toy_ops, s->toys[i], NULL),
                     0);
}

static void open_sealed(struct fixture *f, struct sealed *s, bool pair)
{
    const struct asynchat_handler *handlers[2] = {&sealed_handler,
                                                  &sealed_handler};
    void *args[2] = {s, s};
    int fds[2];
    if (pair) {
        assert_int_equal(asynchat_pair_new(f->base, handlers, args, s->ch), 0);
        return;
    }
    make_socketpair(fds);
    for (int i = 0; i < 2; i++)
        assert_int_equal(asynchat_channel_new_socket(
                             f->base, fds[i], &sealed_handler, s, &s->ch[i]),
                         0);
}

static void settle_sealed(struct fixture *f)
{
    for (int i = 0; i < 40; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
}

/* "plain" leaves before the layer begins, and the rest through it. */
static void it_goes_through_a_layer(void **state)
{
    struct fixture *f = *state;
    char *text = big(LONG);
    for (int pair = 0; pair < 2; pair++) {
        struct sealed *s = calloc(1, sizeof *s);
        struct asynchat_block *blocks[] = {block_of("plain "), long_block(),
                                           block_of(" end")};
        open_sealed(f, s, pair);
        settle_sealed(f);
        assert_int_equal(asynchat_push_shared(s->ch[0], blocks[0]), 0);
        set_layer(s, 0);
        settle_sealed(f);
        assert_memory_equal(s->text, "plain ", 6);
        set_layer(s, 1);
        assert_int_equal(asynchat_push_shared(s->ch[0], blocks[1]), 0);
        assert_int_equal(asynchat_push_shared(s->ch[0], blocks[2]), 0);
        settle_sealed(f);
        assert_int_equal(s->got, 6 + LONG + 4);
        assert_memory_equal(s->text + 6, text, LONG);
        assert_memory_equal(s->text + 6 + LONG, " end", 4);
        for (int i = 0; i < 3; i++)
            last_share(blocks[i]);
        asynchat_channel_free(s->ch[0]);
        asynchat_channel_free(s->ch[1]);
        settle_sealed(f);
        free(s);
    }
    free(text);
}

/* --- many channels --- */

enum { MANY = 200, STALLED = 10 }; /* select watches 1024 */

struct many {
    struct asynchat_channel *ch[MANY];
    int far[MANY];
};

static void forget_member(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    (void)status;
    *(struct asynchat_channel **)arg = NULL;
}

static const struct asynchat_handler member = {.size = sizeof member,
                                               .handle_close = forget_member};

static void open_many(struct fixture *f, struct many *m)
{
    int fds[2];
    for (int i = 0; i < MANY; i++) {
        make_socketpair(fds);
        assert_int_equal(asynchat_channel_new_socket(f->base, fds[0], &member,
                                                     &m->ch[i], &m->ch[i]),
                         0);
        m->far[i] = fds[1];
        assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    }
    event_base_loop(f->base, EVLOOP_NONBLOCK);
}

static void close_many(struct fixture *f, struct many *m)
{
    for (int i = 0; i < MANY; i++) {
        asynchat_channel_free(m->ch[i]);
        close(m->far[i]);
    }
    event_base_loop(f->base, EVLOOP_NONBLOCK);
}

static void one_allocation_is_enough_for_all(void **state)
{
    struct fixture *f = *state;
    struct many m;
    open_many(f, &m);
    size_t before = mallinfo2().uordblks;
    struct asynchat_block *line = block_of("hello\r\n");
    for (int i = 0; i < MANY; i++)
        assert_int_equal(asynchat_push_shared(m.ch[i], line), 0);
    assert_true(mallinfo2().uordblks - before < 256);
    assert_int_equal(atomic_load(&line->shares), 1 + MANY);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    for (int i = 0; i < MANY; i++) {
        char got[8] = "";
        assert_int_equal(recv(m.far[i], got, sizeof got, 0), 7);
        assert_memory_equal(got, "hello\r\n", 7);
    }
    last_share(line);
    close_many(f, &m);
}

/* How many bytes a member gets from now on. */
static size_t drain_member(struct fixture *f, const struct many *m, int i)
{
    char got[65536];
    size_t all = 0;
    ssize_t n;
    do {
        event_base_loop(f->base, EVLOOP_NONBLOCK);
        n = recv(m->far[i], got, sizeof got, 0);
        all += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    return all;
}

/* Some members do not read, some end while the block is sent, and the program
 * gives its own share back first. */
static void it_is_freed_once_whatever_the_order(void **state)
{
    struct fixture *f = *state;
    struct many m;
    struct asynchat_block *block = long_block();
    open_many(f, &m);
    asynchat__block_share(block); /* so that the test can look */
    for (int round = 0; round < 4; round++)
        for (int i = 0; i < MANY; i++)
            assert_int_equal(asynchat_push_shared(m.ch[i], block), 0);
    asynchat_block_free(block);
    for (int i = 1; i < MANY; i += 2) {
        if (i % 3 == 0)
            asynchat_channel_free(m.ch[i]);
        else
            asynchat_close(m.ch[i]);
        if (i % 3 == 0)
            m.ch[i] = NULL;
    }
    for (int i = 2 * STALLED; i < MANY; i += 2)
        assert_int_equal(drain_member(f, &m, i), 4 * LONG);
    assert_in_range(atomic_load(&block->shares), 1 + STALLED, 1 + 4 * STALLED);
    for (int i = 0; i < 2 * STALLED; i += 2)
        asynchat_close(m.ch[i]);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    last_share(block);
    close_many(f, &m);
}

/* --- threads --- */

/* A loop with members that all get the same block. */
struct party {
    struct fixture f;
    struct many m;
    struct asynchat_block *block;
    int errors;
};

/* Nothing of cmocka is called here. */
static void *serve_members(void *arg)
{
    struct party *p = arg;
    for (int i = 0; i < MANY; i++)
        p->errors += asynchat_push_shared(p->m.ch[i], p->block) != 0;
    asynchat_block_free(p->block);
    for (int i = 0; i < MANY; i++)
        p->errors += drain_member(&p->f, &p->m, i) != LONG;
    return NULL;
}

static void loops_in_several_threads_share_it(void **state)
{
    static struct party parties[2];
    pthread_t threads[2];
    struct asynchat_block *block = long_block();
    (void)state;
    for (int i = 0; i < 2; i++) {
        parties[i] = (struct party){.f.base = event_base_new(), .block = block};
        open_many(&parties[i].f, &parties[i].m);
        asynchat__block_share(block);
        assert_int_equal(
            pthread_create(&threads[i], NULL, serve_members, &parties[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(parties[i].errors, 0);
        close_many(&parties[i].f, &parties[i].m);
        event_base_free(parties[i].f.base);
    }
    last_share(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_ALL(it_is_sent_and_freed),
        OVER_ALL(a_long_one_is_sent_in_several_writes),
        OVER_ALL(all_that_is_pushed_stays_in_order),
        OVER_ALL(a_long_one_keeps_its_place_in_a_wake_up),
        OVER_ALL(a_producer_comes_behind_it),
        OVER_ALL(an_empty_one_is_nothing),
        OVER_ALL(bad_arguments_are_refused),
        OVER_ALL(it_is_refused_when_the_output_has_ended),
        OVER_ALL(closing_waits_for_it),
        OVER_ALL(what_is_discarded_is_not_sent),
        OVER_ALL(closing_drops_it),
        OVER_ALL(aborting_drops_it),
        OVER_ALL(freeing_the_channel_drops_it),
        OVER_ALL(a_single_one_is_discarded),
        OVER_SOCKETS(a_peer_that_does_not_read_costs_no_copy),
        OVER(BUFFEREVENT, a_peer_that_does_not_read_costs_no_copy),
        OVER_ALL(it_counts_for_the_limit),
        OVER_SOCKETS(it_counts_for_the_marks),
        OVER_ALL(it_counts_in_the_statistics),
        OVER_SOCKETS(a_peer_that_has_gone_drops_it),
        OVER_SOCKETS(a_peer_that_went_before_drops_it),
        OVER(SOCKETPAIR, a_peer_that_takes_no_more_is_told),
        OVER_ALL(it_is_told_when_it_is_sent),
        OVER_ALL(one_pushed_when_all_is_sent_is_sent),
        OVER_ALL(a_transcript_tells_it),
        OVER_SOCKETS(it_keeps_to_a_rate),
        OVER(SOCKETPAIR, it_goes_through_a_layer),
        OVER(SOCKETPAIR, one_allocation_is_enough_for_all),
        OVER(SOCKETPAIR, it_is_freed_once_whatever_the_order),
        OVER(SOCKETPAIR, loops_in_several_threads_share_it),
    };
    return RUN(tests);
}
