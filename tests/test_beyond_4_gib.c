/* Counts do not end at 4 GiB, even if a pointer has 32 bits. The bytes are one
 * block, sent by reference again and again over a pair, so nothing is copied.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include <cmocka.h>

#include <asynchat.h>

#define BLOCK (1u << 20)
#define GIB4 (UINT64_C(1) << 32)

struct world {
    struct event_base *base;
    struct asynchat_channel *ch, *far;
    char *block;

    uint64_t collected;        /* since the last message */
    uint64_t message;          /* the length of the last message */
    unsigned found;            /* how many messages there were */
    uint64_t number;           /* the length each must have; 0: any */
    uint64_t dropped;          /* the bytes message_dropped was told */
    size_t transcribed;        /* the bytes the transcript was told */
    unsigned pushed, released; /* references */
    unsigned errors;           /* how many errors there were */
    int error;
    int status; /* the status that the channel closed with */
};

/* --- the channel under test --- */

/* Each piece is counted before it is delivered. */
static void collect(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    struct world *w = arg;
    uint64_t left;
    (void)data;
    w->collected += len;
    if (w->number > 0) {
        assert_int_equal(asynchat_get_terminator(ch, NULL, &left),
                         ASYNCHAT_LENGTH);
        assert_true(left == w->number - w->collected);
    }
}

static void end_message(struct asynchat_channel *ch, void *arg)
{
    struct world *w = arg;
    (void)ch;
    w->found++;
    w->message = w->collected;
    w->collected = w->number = 0;
}

static void drop(struct asynchat_channel *ch, const void *data, size_t len,
                 uint64_t total, void *arg)
{
    struct world *w = arg;
    (void)ch;
    (void)data;
    (void)len;
    w->found++;
    w->dropped = total;
}

static void whole(struct asynchat_channel *ch, const void *data, size_t len,
                  void *arg)
{
    struct world *w = arg;
    (void)ch;
    (void)data;
    w->found++;
    w->message = len;
}

static void fail_with(struct asynchat_channel *ch, int error, void *arg)
{
    struct world *w = arg;
    (void)ch;
    w->errors++;
    w->error = error;
}

static void close_with(struct asynchat_channel *ch, int status, void *arg)
{
    struct world *w = arg;
    if (ch == w->far) {
        w->far = NULL;
        return;
    }
    w->ch = NULL;
    w->status = status;
}

static const struct asynchat_handler pieces = {
    .size = sizeof pieces,
    .collect_incoming_data = collect,
    .found_terminator = end_message,
    .handle_error = fail_with,
    .handle_close = close_with,
};

static const struct asynchat_handler dropping_pieces = {
    .size = sizeof dropping_pieces,
    .collect_incoming_data = collect,
    .found_terminator = end_message,
    .handle_error = fail_with,
    .handle_close = close_with,
    .message_dropped = drop,
};

static const struct asynchat_handler dropping_whole = {
    .size = sizeof dropping_whole,
    .message = whole,
    .handle_error = fail_with,
    .handle_close = close_with,
    .message_dropped = drop,
};

static int make_world(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->base = event_base_new();
    w->block = malloc(BLOCK);
    assert_non_null(w->base);
    assert_non_null(w->block);
    memset(w->block, 'x', BLOCK);
    *state = w;
    return 0;
}

static int free_world(void **state)
{
    struct world *w = *state;
    asynchat_channel_free(w->ch);
    asynchat_channel_free(w->far);
    event_base_loop(w->base, EVLOOP_NONBLOCK);
    assert_int_equal(w->released, w->pushed);
    event_base_free(w->base);
    free(w->block);
    free(w);
    return 0;
}

/* Pieces are sent and delivered whole. */
static struct world *connect_world(void **state,
                                   const struct asynchat_handler *handler)
{
    struct world *w = *state;
    const struct asynchat_handler *handlers[2] = {handler, &pieces};
    struct asynchat_channel *pair[2];
    void *const args[2] = {w, w};
    assert_int_equal(asynchat_pair_new(w->base, handlers, args, pair), 0);
    w->ch = pair[0];
    w->far = pair[1];
    assert_int_equal(
        asynchat_set_in_buffer_size(w->ch, ASYNCHAT_BUFFER_SIZE_MAX), 0);
    assert_int_equal(
        asynchat_set_out_buffer_size(w->far, ASYNCHAT_BUFFER_SIZE_MAX), 0);
    event_base_loop(w->base, EVLOOP_NONBLOCK);
    return w;
}

/* --- the far end --- */

static void release(const void *data, size_t len, void *arg)
{
    struct world *w = arg;
    (void)data;
    (void)len;
    w->released++;
}

static int push_block(struct world *w, size_t len)
{
    w->pushed++;
    return asynchat_push_reference(w->far, w->block, len, release, w);
}

/* Sends that number of bytes, and lets them arrive. */
static void feed(struct world *w, uint64_t len)
{
    while (len > 0) {
        size_t part = len < BLOCK ? (size_t)len : BLOCK;
        assert_int_equal(push_block(w, part), 0);
        event_base_loop(w->base, EVLOOP_NONBLOCK);
        len -= part;
    }
    for (int i = 0; i < 3; i++)
        event_base_loop(w->base, EVLOOP_NONBLOCK);
}

static struct asynchat_stats stats_of(const struct asynchat_channel *ch)
{
    struct asynchat_stats stats;
    assert_int_equal(asynchat_get_stats(ch, &stats, sizeof stats), 0);
    return stats;
}

/* --- messages --- */

static void pieces_without_a_limit_have_none(void **state)
{
    struct world *w = connect_world(state, &pieces);
    uint64_t len = GIB4 + 3 * BLOCK + 5;
    assert_true(asynchat_get_message_limit(w->ch) == SIZE_MAX);
    feed(w, len);
    assert_int_equal(w->errors, 0);
    assert_true(w->collected == len);
    assert_true(stats_of(w->ch).received == len);
    assert_true(stats_of(w->far).sent == len);
    asynchat_close_when_done(w->far);
    feed(w, 0);
    assert_int_equal(w->status, ASYNCHAT_EOF);
}

/* The getter returns what was set, and SIZE_MAX is no limit again. */
static void a_limit_may_be_taken_back(void **state)
{
    struct world *w = connect_world(state, &pieces);
    assert_int_equal(asynchat_set_message_limit(w->ch, 10), 0);
    assert_int_equal(asynchat_set_message_limit(w->ch, SIZE_MAX), 0);
    assert_true(asynchat_get_message_limit(w->ch) == SIZE_MAX);
    feed(w, GIB4 + 1);
    assert_true(w->collected == GIB4 + 1);
}

static void a_number_ends_where_it_should(void **state)
{
    struct world *w = connect_world(state, &pieces);
    w->number = GIB4 + 12345;
    assert_int_equal(asynchat_set_terminator_length(w->ch, w->number), 0);
    feed(w, GIB4 + 12344);
    assert_int_equal(w->found, 0);
    feed(w, 3);
    assert_int_equal(w->found, 1);
    assert_true(w->message == GIB4 + 12345);
    assert_int_equal(w->collected, 2);
}

/* Only a part is sent; the number still to come is right. */
static void a_number_of_2_to_the_40_counts_down(void **state)
{
    struct world *w = connect_world(state, &pieces);
    w->number = UINT64_C(1) << 40;
    assert_int_equal(asynchat_set_terminator_length(w->ch, w->number), 0);
    feed(w, GIB4 + 7);
    assert_int_equal(w->errors, 0);
    assert_true(w->collected == GIB4 + 7);
}

/* A little less than 4 GiB is a limit like any other. */
static void a_limit_below_4_gib_holds_to_the_byte(void **state)
{
    struct world *w = connect_world(state, &pieces);
    uint64_t limit = GIB4 - 2;
    assert_int_equal(asynchat_set_message_limit(w->ch, (size_t)limit), 0);
    feed(w, limit);
    assert_int_equal(w->errors, 0);
    feed(w, 1);
    assert_int_equal(w->errors, 1);
    assert_int_equal(w->error, ASYNCHAT_ETOOLONG);
    assert_true(w->collected == limit);
}

/* --- messages that are dropped --- */

static void transcribe(struct asynchat_channel *ch,
                       enum asynchat_transcript what, const void *data,
                       size_t len, void *arg)
{
    struct world *w = arg;
    (void)ch;
    (void)data;
    if (what == ASYNCHAT_TRANSCRIPT_FOUND)
        w->transcribed = len;
}

/* The transcript's length is a size_t: SIZE_MAX stands for that or more. */
static void drop_one(struct world *w)
{
    uint64_t len = GIB4 + 777;
    assert_int_equal(asynchat_set_message_limit(w->ch, 1000), 0);
    assert_int_equal(asynchat_set_transcript(w->ch, transcribe, w), 0);
    assert_int_equal(asynchat_set_terminator_length(w->ch, len), 0);
    feed(w, len);
    assert_int_equal(w->found, 1);
    assert_true(w->dropped == len);
    assert_true(w->transcribed == (len < SIZE_MAX ? len : SIZE_MAX));
    assert_int_equal(stats_of(w->ch).dropped, 1);
    assert_true(stats_of(w->ch).dropped_bytes == len);
}

static void pieces_that_are_dropped_are_told_in_full(void **state)
{
    struct world *w = connect_world(state, &dropping_pieces);
    drop_one(w);
    assert_int_equal(w->collected, 1000);
}

static void a_whole_message_that_is_dropped_is_told_in_full(void **state)
{
    struct world *w = connect_world(state, &dropping_whole);
    drop_one(w);
    assert_int_equal(asynchat_set_terminator(w->ch, "x", 1), 0);
    feed(w, 1);
    assert_int_equal(w->found, 2);
    assert_int_equal(w->message, 0);
}

/* --- the queue --- */

/* Bytes by reference take no memory, so more can be pushed than a size_t
 * counts. Bytes that cannot be counted are refused, and not lost. */
static void a_queue_is_counted_or_refused(void **state)
{
    struct world *w = connect_world(state, &pieces);
    int error = 0;
    uint64_t len = 0;
    assert_int_equal(asynchat_set_output_limit(w->far, SIZE_MAX), 0);
    while (!error && len <= GIB4) {
        assert_true(asynchat_get_queued(w->far) == len);
        error = push_block(w, BLOCK);
        len += BLOCK;
    }
    if (sizeof(size_t) > 4) {
        assert_int_equal(error, 0);
        feed(w, 0);
        assert_true(w->collected == len);
        return;
    }
    assert_int_equal(error, ASYNCHAT_EFULL);
    assert_true(len - BLOCK <= PTRDIFF_MAX && len > PTRDIFF_MAX);
    feed(w, 0);
    assert_int_equal(w->error, ASYNCHAT_EFULL);
    assert_null(w->far);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, make_world, free_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(pieces_without_a_limit_have_none),
        ROW(a_limit_may_be_taken_back),
        ROW(a_number_ends_where_it_should),
        ROW(a_number_of_2_to_the_40_counts_down),
        ROW(a_limit_below_4_gib_holds_to_the_byte),
        ROW(pieces_that_are_dropped_are_told_in_full),
        ROW(a_whole_message_that_is_dropped_is_told_in_full),
        ROW(a_queue_is_counted_or_refused),
    };
    return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
