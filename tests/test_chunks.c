/* It never matters how a stream is cut. Whole, cut at every place, byte by byte
 * and at random, it gives the same events, for every framing, size and limit.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "every.h"
#include "fixture.h"
#include "framings.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define STREAM_MOST 256
#define RANDOM_CUTS 3 /* for each framing, and each way */

/* The settings that must not make a difference. */
struct way {
    const struct asynchat_handler *handler;
    size_t in_buffer_size, message_limit;
    bool chained; /* all pieces arrive at once, in one evbuffer */
};

/* A piece begins at each byte that is marked. */
struct cuts {
    char at[STREAM_MOST];
};

static const struct cuts uncut;

/* --- one stream --- */

static const struct framing *framing; /* the framing that is played */

static void set_next(struct fixture *f)
{
    const struct terminator *t =
        &framing->terminators[(unsigned)f->count++ % framing->count];
    int error = t->bytes
                    ? asynchat_set_terminator(f->ch, t->bytes, strlen(t->bytes))
                    : asynchat_set_terminator_length(f->ch, t->number);
    assert_int_equal(error, 0);
}

static void open_way(void **state, const struct way *way)
{
    struct fixture *f = *state;
    close_connection(f);
    start_with(state, way->handler);
    expect(f, "connect");
    f->on_found = set_next;
    f->on_message = set_next;
    f->count = 0;
    f->data_max = 0;
    set_next(f);
    asynchat_set_in_buffer_size(f->ch, way->in_buffer_size);
    asynchat_set_message_limit(f->ch, way->message_limit);
}

/* Nothing is sent to a channel that has closed. */
static void feed_piece(struct fixture *f, const char *piece, size_t len,
                       bool chained)
{
    if (!f->ch)
        return;
    if (!chained) {
        feed(f, piece, len);
        settle(f);
        return;
    }
    assert_int_equal(asynchat_push_reference(f->far, piece, len, NULL, NULL),
                     0);
}

/* Leaves the events in f->log. */
static void play(void **state, const struct way *way, const struct cuts *cuts)
{
    struct fixture *f = *state;
    size_t len = strlen(framing->stream), begin = 0;
    open_way(state, way);
    for (size_t end = 1; end <= len; end++)
        if (end == len || cuts->at[end]) {
            feed_piece(f, framing->stream + begin, end - begin, way->chained);
            begin = end;
        }
    if (f->ch)
        feed_eof(f);
    settle_closed(f);
    assert_true(f->data_max <= way->in_buffer_size);
}

/* --- cuts --- */

static unsigned long random_state;
static unsigned long played;

static unsigned random_below(unsigned limit)
{
    random_state = random_state * 1103515245 + 12345;
    return (unsigned)(random_state >> 16) % limit;
}

static void play_expecting(void **state, const struct way *way,
                           const struct cuts *cuts, const char *events)
{
    struct fixture *f = *state;
    if (is_left_out())
        return;
    play(state, way, cuts);
    played++;
    if (strcmp(f->log, events) == 0)
        return;
    print_error("a piece begins at:");
    for (size_t i = 0; i < STREAM_MOST; i++)
        if (cuts->at[i])
            print_error(" %zu", i);
    print_error("; at most %zu bytes in a read, %zu in a message\n",
                way->in_buffer_size, way->message_limit);
    assert_string_equal(f->log, events);
}

static void play_all_cuts(void **state, const struct way *way,
                          const char *events)
{
    struct cuts every = uncut;
    size_t len = strlen(framing->stream);
    play_expecting(state, way, &uncut, events);
    for (size_t i = 1; i < len; i++) {
        struct cuts two = uncut;
        two.at[i] = every.at[i] = 1;
        play_expecting(state, way, &two, events);
    }
    play_expecting(state, way, &every, events);
    for (int n = 0; n < RANDOM_CUTS; n++) {
        struct cuts some = uncut;
        for (size_t i = 1; i < len; i++)
            some.at[i] = random_below(3) == 0;
        play_expecting(state, way, &some, events);
    }
}

/* Over a pair, also in pieces of one evbuffer. */
static void play_every_way(void **state, struct way way, const char *events)
{
    static const size_t sizes[] = {65536, 3, 1};
    const struct fixture *f = *state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        way.in_buffer_size = sizes[i];
        way.chained = false;
        play_all_cuts(state, &way, events);
        way.chained = true;
        if (f->over == OVER_PAIR)
            play_all_cuts(state, &way, events);
    }
}

/* --- the tests --- */

static void in_pieces(void **state)
{
    for (framing = framings; framing < framings + FRAMINGS; framing++)
        play_every_way(state, (struct way){&recorder, 65536, 65536, false},
                       framing->events);
}

/* Whether the uncut stream has a message that is longer than this limit. */
static bool is_over(void **state, size_t limit)
{
    struct way way = {&whole_recorder, 65536, limit, false};
    play(state, &way, &uncut);
    return strstr(((struct fixture *)*state)->log, "error(ETOOLONG)") != NULL;
}

/* Every cut must give the same events as the uncut stream. */
static void whole_with_limit(void **state, size_t limit)
{
    struct fixture *f = *state;
    struct way way = {&whole_recorder, 65536, limit, false};
    play(state, &way, &uncut);
    char *events = strdup(f->log);
    assert_non_null(events);
    play_every_way(state, way, events);
    free(events);
}

/* With the smallest limit that no message exceeds, and with one byte less. */
static void whole(void **state)
{
    for (framing = framings; framing < framings + FRAMINGS; framing++) {
        size_t limit = 1;
        while (is_over(state, limit))
            limit++;
        assert_true(limit <= strlen(framing->stream));
        whole_with_limit(state, limit);
        if (limit > 1)
            whole_with_limit(state, limit - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER(PAIR, in_pieces), OVER(SOCKETPAIR, in_pieces),
        OVER(TCP, in_pieces),  OVER(BUFFEREVENT, in_pieces),
        OVER(PAIR, whole),     OVER(SOCKETPAIR, whole),
        OVER(TCP, whole),      OVER(BUFFEREVENT, whole),
    };
    random_state = (unsigned long)time(NULL);
    printf("seed %lu\n", random_state);
    int failed = RUN(tests);
    printf("%lu streams\n", played);
    return failed;
}
