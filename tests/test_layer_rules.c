/* What a layer may do, and what ends the channel: each test has a codec that
 * copies its bytes, but for one function of it, which the test brings. The
 * channel's layer begins at a border, and the far end has none: it sees what is
 * on the wire. SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"
#include "fixture.h"
#include "serving.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

/* --- the codec --- */

struct codec {
    int (*open)(struct codec *c, const char *data, size_t len, size_t *taken,
                char *to, size_t room, size_t *given);
    int (*seal)(struct codec *c, const char *data, size_t len, char *to,
                size_t room, size_t *given);
    int (*finish)(char *to, size_t room, size_t *given);
    int end; /* what `ended` answers */

    /* How often each function was called. */
    int opens, asks, pieces, ends, lasts, releases;
    size_t left; /* a test's own */
};

static int plain_open(struct codec *c, const char *data, size_t len,
                      size_t *taken, char *to, size_t room, size_t *given)
{
    (void)c;
    *taken = *given = len < room ? len : room;
    memcpy(to, data, *taken);
    return *taken < len ? ASYNCHAT_LAYER_LATER : 0;
}

static int plain_seal(struct codec *c, const char *data, size_t len, char *to,
                      size_t room, size_t *given)
{
    assert_true(len <= room);
    memcpy(to, data, len);
    *given = len;
    return c->asks == 1 && len == 0 ? ASYNCHAT_LAYER_UP : 0;
}

static int codec_open(void *layer, const void *data, size_t len, size_t *taken,
                      void *to, size_t room, size_t *given)
{
    struct codec *c = layer;
    c->opens++;
    return (c->open ? c->open : plain_open)(c, data, len, taken, to, room,
                                            given);
}

static int codec_seal(void *layer, const void *data, size_t len, void *to,
                      size_t room, size_t *given)
{
    struct codec *c = layer;
    if (len > 0)
        c->pieces++;
    else
        c->asks++;
    return (c->seal ? c->seal : plain_seal)(c, len > 0 ? data : "", len, to,
                                            room, given);
}

static int codec_ended(void *layer)
{
    struct codec *c = layer;
    c->ends++;
    return c->end;
}

static int codec_finish(void *layer, void *to, size_t room, size_t *given)
{
    struct codec *c = layer;
    c->lasts++;
    if (c->finish)
        return c->finish(to, room, given);
    memcpy(to, "bye", 3);
    *given = 3;
    return 0;
}

static void codec_release(void *layer)
{
    ((struct codec *)layer)->releases++;
}

static const struct asynchat_layer_ops ops = {
    .size = sizeof ops,
    .open = codec_open,
    .seal = codec_seal,
    .ended = codec_ended,
    .finish = codec_finish,
    .release = codec_release,
};

/* The codec of the test, which lasts until the channel is freed behind the
 * test. */
static struct codec *codec(struct codec made)
{
    static struct codec c;
    c = made;
    return &c;
}

/* The channel has the codec, which has begun. */
static struct fixture *dress(void **state, struct codec *c)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_layer(f->ch, &ops, c, NULL), 0);
    settle(f);
    expect(f, "");
    return f;
}

/* The same on a channel whose answers go the short way: nobody is told when
 * they are sent. */
static struct fixture *dress_short(void **state, struct codec *c)
{
    static struct asynchat_handler untold;
    untold = recorder;
    untold.handle_drained = NULL;
    struct fixture *f = start_with(state, &untold);
    assert_int_equal(asynchat_set_layer(f->ch, &ops, c, NULL), 0);
    settle(f);
    expect(f, "connect");
    return f;
}

static void expect_end(struct fixture *f, const struct codec *c, int status)
{
    settle_closed(f);
    assert_int_equal(f->status, status);
    assert_int_equal(c->releases, 1);
}

static void push(struct fixture *f, const char *text)
{
    assert_int_equal(asynchat_push(f->ch, text, strlen(text)), 0);
}

/* --- opening --- */

static int open_takes_too_many(struct codec *c, const char *data, size_t len,
                               size_t *taken, char *to, size_t room,
                               size_t *given)
{
    plain_open(c, data, len, taken, to, room, given);
    *taken = len + 1;
    return 0;
}

static void to_take_more_than_there_is_ends_the_channel(void **state)
{
    struct codec *c = codec((struct codec){.open = open_takes_too_many});
    struct fixture *f = dress(state, c);
    int asks = c->asks;
    feed_string(f, "abc");
    expect_end(f, c, -EPROTO);
    assert_int_equal(c->asks, asks + 1); /* for words about it */
    assert_int_equal(c->lasts, 0);
    assert_null(strstr(f->log, "data"));
}

static int open_gives_too_many(struct codec *c, const char *data, size_t len,
                               size_t *taken, char *to, size_t room,
                               size_t *given)
{
    plain_open(c, data, len, taken, to, room, given);
    *given = room + 1;
    return 0;
}

static void to_give_more_than_there_is_room_for_ends_the_channel(void **state)
{
    struct codec *c = codec((struct codec){.open = open_gives_too_many});
    struct fixture *f = dress(state, c);
    feed_string(f, "abc");
    expect_end(f, c, -EPROTO);
    assert_int_equal(c->opens, 1);
    assert_null(strstr(f->log, "data"));
}

static int open_fails(struct codec *c, const char *data, size_t len,
                      size_t *taken, char *to, size_t room, size_t *given)
{
    plain_open(c, data, len, taken, to, room, given);
    return -EBADMSG;
}

static void what_was_opened_before_an_error_is_delivered(void **state)
{
    struct codec *c = codec((struct codec){.open = open_fails});
    struct fixture *f = dress(state, c);
    feed_string(f, "abc");
    expect_end(f, c, -EBADMSG);
    assert_non_null(strstr(f->log, "data(abc) error"));
}

static int seal_not_up(struct codec *c, const char *data, size_t len, char *to,
                       size_t room, size_t *given)
{
    (void)c;
    (void)data;
    (void)len;
    (void)to;
    (void)room;
    (void)given;
    return 0;
}

static void but_not_if_the_layer_is_not_up(void **state)
{
    struct codec *c =
        codec((struct codec){.open = open_fails, .seal = seal_not_up});
    struct fixture *f = dress(state, c);
    feed_string(f, "abc");
    expect_end(f, c, -EBADMSG);
    assert_null(strstr(f->log, "data"));
}

/* Gives a byte of its own before it takes those that it has. */
static int open_gives_first(struct codec *c, const char *data, size_t len,
                            size_t *taken, char *to, size_t room, size_t *given)
{
    if (c->opens % 2 == 0)
        return plain_open(c, data, len, taken, to, room, given);
    *to = '<';
    *given = 1;
    return 0;
}

static void a_layer_may_give_without_taking(void **state)
{
    struct codec *c = codec((struct codec){.open = open_gives_first});
    struct fixture *f = dress(state, c);
    feed_string(f, "abc");
    settle(f);
    expect(f, "data(<abc)");
    assert_int_equal(c->opens, 2);
}

static int open_waits_first(struct codec *c, const char *data, size_t len,
                            size_t *taken, char *to, size_t room, size_t *given)
{
    if (c->opens % 2 == 0)
        return plain_open(c, data, len, taken, to, room, given);
    return ASYNCHAT_LAYER_LATER;
}

static void later_may_be_all_that_it_answers(void **state)
{
    struct codec *c = codec((struct codec){.open = open_waits_first});
    struct fixture *f = dress(state, c);
    feed_string(f, "abc");
    settle(f);
    expect(f, "data(abc)");
    assert_int_equal(c->opens, 2);
}

static int open_waits_long(struct codec *c, const char *data, size_t len,
                           size_t *taken, char *to, size_t room, size_t *given)
{
    if (c->opens == 3)
        return plain_open(c, data, len, taken, to, room, given);
    return ASYNCHAT_LAYER_WAIT;
}

/* Each time the layer waits, it is asked again in 10 milliseconds. */
static void a_layer_may_wait_for_something_else(void **state)
{
    struct codec *c = codec((struct codec){.open = open_waits_long});
    struct fixture *f = dress(state, c);
    feed_string(f, "abc");
    settle(f);
    assert_int_equal(c->opens, 1);
    clock_advance(9);
    settle(f);
    assert_int_equal(c->opens, 1);
    clock_advance(1);
    settle(f);
    assert_int_equal(c->opens, 2);
    clock_advance(10);
    settle(f);
    assert_int_equal(c->opens, 3);
    expect(f, "data(abc)");
}

static int open_is_over(struct codec *c, const char *data, size_t len,
                        size_t *taken, char *to, size_t room, size_t *given)
{
    (void)c;
    (void)data;
    (void)len;
    (void)taken;
    (void)to;
    (void)room;
    (void)given;
    return ASYNCHAT_LAYER_OVER;
}

static void what_comes_behind_the_end_is_not_opened(void **state)
{
    struct codec *c = codec((struct codec){.open = open_is_over});
    struct fixture *f = dress(state, c);
    feed_string(f, "abc");
    settle(f);
    expect(f, "eof closed(EOF)");
    assert_int_equal(c->opens, 1);
    assert_int_equal(c->ends, 0);
    expect_got(f, "bye");
}

#define MANY 1000

/* Each byte becomes MANY; `left` of the last one are still to be given. */
static int open_swells(struct codec *c, const char *data, size_t len,
                       size_t *taken, char *to, size_t room, size_t *given)
{
    while (*given < room && (c->left > 0 || *taken < len)) {
        if (c->left == 0) {
            c->left = MANY;
            ++*taken;
        }
        size_t n = c->left < room - *given ? c->left : room - *given;
        memset(to + *given, 'm', n);
        *given += n;
        c->left -= n;
    }
    (void)data;
    return c->left > 0 || *taken < len ? ASYNCHAT_LAYER_LATER : 0;
}

static void a_layer_may_give_much_for_little(void **state)
{
    struct codec *c = codec((struct codec){.open = open_swells});
    struct fixture *f = dress(state, c);
    struct asynchat_stats stats;
    char *text = big(300);
    feed(f, text, 300);
    settle(f);
    assert_int_equal(asynchat_get_stats(f->ch, &stats, sizeof stats), 0);
    assert_int_equal(stats.received, 300 * MANY);
    assert_true(f->data_max > MANY);
    free(text);
}

/* 81920 bytes in all: the room of a wake-up is used up, and the layer does not
 * say that there is more. */
static int open_fills(struct codec *c, const char *data, size_t len,
                      size_t *taken, char *to, size_t room, size_t *given)
{
    (void)data;
    *taken = len;
    if (c->opens > 1)
        return 0;
    memset(to, 'm', room);
    *given = c->left = room;
    return 0;
}

static void a_layer_that_fills_the_room_is_called_again(void **state)
{
    struct codec *c = codec((struct codec){.open = open_fills});
    struct fixture *f = dress(state, c);
    struct asynchat_stats stats;
    feed_string(f, "a");
    settle(f);
    assert_int_equal(asynchat_get_stats(f->ch, &stats, sizeof stats), 0);
    assert_int_equal(stats.received, c->left);
    assert_int_equal(c->opens, 2);
}

static void free_when_released(const void *data, size_t len, void *arg)
{
    struct fixture *f = arg;
    (void)data;
    (void)len;
    asynchat_channel_free(f->ch);
    f->ch = NULL;
}

/* Over a pair the far end's reference goes when its bytes were opened. */
static void what_was_opened_may_free_the_channel(void **state)
{
    struct codec *c = codec((struct codec){0});
    struct fixture *f = dress(state, c);
    assert_int_equal(
        asynchat_push_reference(f->far, "abc", 3, free_when_released, f), 0);
    assert_int_equal(asynchat_push(f->far, "def", 3), 0);
    settle(f);
    expect(f, "");
    assert_null(f->ch);
    assert_int_equal(c->opens, 1);
    assert_int_equal(c->releases, 1);
}

/* --- how the peer ends --- */

static void the_end_before_the_layer_is_up_is_no_handshake(void **state)
{
    struct codec *c =
        codec((struct codec){.seal = seal_not_up, .end = ASYNCHAT_EOF});
    struct fixture *f = dress(state, c);
    feed_eof(f);
    expect_end(f, c, ASYNCHAT_EHANDSHAKE);
    assert_int_equal(c->ends, 1);
}

static void never_connect(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
    fail_msg("connected");
}

static void never_fail(struct asynchat_channel *ch, int error, void *arg)
{
    (void)ch;
    (void)arg;
    fail_msg("%s", asynchat_strerror(error));
}

static void take_status(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    *(int *)arg = status;
}

/* The layer says that this is no error: the peer went without a word. */
static void the_end_before_the_connection_is_up_may_be_in_order(void **state)
{
    static const struct asynchat_handler handler = {
        .size = sizeof handler,
        .handle_connect = never_connect,
        .handle_error = never_fail,
        .handle_close = take_status};
    struct codec *c =
        codec((struct codec){.seal = seal_not_up, .end = ASYNCHAT_EOF});
    struct fixture *f = start(state);
    struct asynchat_channel *ch;
    int fds[2], status = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(
        asynchat_channel_new_socket(f->base, fds[0], &handler, &status, &ch),
        0);
    assert_int_equal(asynchat_set_layer(ch, &ops, c, NULL), 0);
    close(fds[1]);
    settle(f);
    assert_int_equal(status, ASYNCHAT_EOF);
    assert_int_equal(c->releases, 1);
}

static void an_end_of_any_other_kind_is_an_end_of_file(void **state)
{
    struct codec *c = codec((struct codec){.end = 0});
    struct fixture *f = dress(state, c);
    feed_eof(f);
    settle(f);
    expect(f, "eof closed(EOF)");
    assert_int_equal(c->ends, 1);
}

/* Output is still to be sent then. */
static void a_layer_is_asked_once_how_the_peer_ended(void **state)
{
    struct codec *c = codec((struct codec){.end = ASYNCHAT_EOF});
    struct fixture *f = dress(state, c);
    const size_t len = 4 << 20;
    char *text = big(len);
    assert_int_equal(asynchat_push(f->ch, text, len), 0);
    feed_eof(f);
    settle(f);
    expect(f, "eof closed(EOF)");
    assert_int_equal(c->ends, 1);
    assert_int_equal(f->got_len, len + 3);
    assert_memory_equal(f->got, text, len);
    free(text);
}

/* --- sealing --- */

static int seal_gives_too_many(struct codec *c, const char *data, size_t len,
                               char *to, size_t room, size_t *given)
{
    int how = plain_seal(c, data, len, to, room, given);
    if (len > 0)
        *given = room + 1;
    return how;
}

static void to_seal_more_than_there_is_room_for_ends_the_channel(void **state)
{
    struct codec *c = codec((struct codec){.seal = seal_gives_too_many});
    struct fixture *f = dress(state, c);
    push(f, "abc");
    expect_end(f, c, -EPROTO);
    settle(f);
    expect_got(f, "");
    assert_int_equal(c->pieces, 1);
}

static int seal_always_says(struct codec *c, const char *data, size_t len,
                            char *to, size_t room, size_t *given)
{
    return plain_seal(c, data, len, to, room, given) | ASYNCHAT_LAYER_SAYS;
}

static void a_layer_that_only_says_that_it_says_keeps_nobody(void **state)
{
    struct codec *c = codec((struct codec){.seal = seal_always_says});
    struct fixture *f = dress(state, c);
    push(f, "abc");
    settle(f);
    expect_got(f, "abc");
    assert_int_equal(c->pieces, 1);
    assert_true(c->asks < 100);
}

static int seal_fails(struct codec *c, const char *data, size_t len, char *to,
                      size_t room, size_t *given)
{
    int how = plain_seal(c, data, len, to, room, given);
    return c->pieces == 2 ? -EBADMSG : how;
}

static void answer(struct fixture *f)
{
    push(f, "answer");
}

static void an_answer_that_cannot_be_sealed_ends_the_channel(void **state)
{
    struct codec *c = codec((struct codec){.seal = seal_fails});
    struct fixture *f = dress_short(state, c);
    f->on_data = answer;
    for (int i = 0; i < 2; i++) {
        feed_string(f, "question");
        settle(f);
    }
    expect_end(f, c, -EBADMSG);
    assert_int_equal(c->pieces, 2);
}

/* An answer for which a write has no room, */
static void an_answer_may_be_longer_than_a_write(void **state)
{
    struct codec *c = codec((struct codec){0});
    struct fixture *f = dress_short(state, c);
    assert_int_equal(asynchat_set_out_buffer_size(f->ch, 4), 0);
    f->on_data = answer;
    for (int i = 0; i < 3; i++) {
        feed_string(f, "?");
        settle(f);
    }
    expect_got(f, "answeransweranswer");
}

static void answer_much(struct fixture *f)
{
    char text[4096] = {0};
    memset(text, 'a', sizeof text);
    assert_int_equal(asynchat_push(f->ch, text, sizeof text), 0);
}

/* or for which the peer has none. */
static void a_peer_may_take_no_answer(void **state)
{
    struct codec *c = codec((struct codec){0});
    struct fixture *f = dress_short(state, c);
    int size = 1, fd = bufferevent_getfd(asynchat_get_bufferevent(f->ch));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    f->on_data = answer_much;
    for (int i = 0; i < 40; i++) {
        assert_int_equal(write(f->peer, "?", 1), 1);
        for (int turns = 0; turns < 4; turns++)
            event_base_loop(f->base, EVLOOP_NONBLOCK);
    }
    assert_true(asynchat_get_queued(f->ch) > 0);
    settle(f);
    assert_int_equal(asynchat_get_queued(f->ch), 0);
    assert_int_equal(f->got_len, 40 * 4096);
}

static void many_references_leave_in_order(void **state)
{
    struct codec *c = codec((struct codec){0});
    struct fixture *f = dress(state, c);
    char *text = big(200);
    for (int i = 0; i < 200; i++)
        assert_int_equal(
            asynchat_push_reference(f->ch, text + i, 1, NULL, NULL), 0);
    settle(f);
    assert_int_equal(f->got_len, 200);
    assert_memory_equal(f->got, text, 200);
    free(text);
}

#define MANY_WORDS 300000

/* Says it all as soon as the connection is up, as far as there is room. */
static int seal_says_many(struct codec *c, const char *data, size_t len,
                          char *to, size_t room, size_t *given)
{
    if (len > 0)
        return plain_seal(c, data, len, to, room, given);
    *given = c->left < room ? c->left : room;
    memset(to, 'w', *given);
    c->left -= *given;
    return ASYNCHAT_LAYER_UP | (c->left > 0 ? ASYNCHAT_LAYER_SAYS : 0);
}

/* More than is gathered for one send. The peer says nothing meanwhile, and
 * waits for the rest. */
static void own_words_may_be_many(void **state)
{
    struct codec *c =
        codec((struct codec){.seal = seal_says_many, .left = MANY_WORDS});
    struct fixture *f = dress(state, c);
    assert_int_equal(c->left, 0);
    assert_int_equal(f->got_len, MANY_WORDS);
}

/* --- last words --- */

static int finish_gives_too_many(char *to, size_t room, size_t *given)
{
    memcpy(to, "bye", 3);
    *given = room + 1;
    return 0;
}

static void last_words_that_are_too_many_are_none(void **state)
{
    struct codec *c = codec((struct codec){.finish = finish_gives_too_many});
    struct fixture *f = dress(state, c);
    push(f, "abc");
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    expect_end(f, c, 0);
    settle(f);
    expect_got(f, "abc");
    assert_true(f->got_eof);
    assert_int_equal(c->lasts, 1);
}

static void a_layer_may_have_no_last_words(void **state)
{
    struct codec *c = codec((struct codec){0});
    static struct asynchat_layer_ops silent;
    struct fixture *f = start(state);
    silent = ops;
    silent.finish = NULL;
    assert_int_equal(asynchat_set_layer(f->ch, &silent, c, NULL), 0);
    push(f, "abc");
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    expect_end(f, c, 0);
    settle(f);
    expect_got(f, "abc");
    assert_true(f->got_eof);
}

static int finish_lingers(char *to, size_t room, size_t *given)
{
    (void)room;
    memcpy(to, "bye", 3);
    *given = 3;
    return ASYNCHAT_LAYER_LINGER;
}

/* What comes meanwhile is dropped, and not opened. */
static void behind_its_last_words_a_layer_may_wait_for_the_peer(void **state)
{
    struct codec *c = codec((struct codec){.finish = finish_lingers});
    struct fixture *f = dress(state, c);
    push(f, "abc");
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    settle(f);
    expect_got(f, "abcbye");
    assert_true(f->got_eof);
    assert_int_equal(c->releases, 0);
    int opens = c->opens;
    assert_int_equal(write(f->peer, "late", 4), 4);
    settle(f);
    assert_int_equal(c->releases, 0);
    assert_int_equal(c->opens, opens);
    assert_int_equal(shutdown(f->peer, SHUT_WR), 0);
    expect_end(f, c, 0);
}

/* A peer that never stops is not read for ever: the linger time ends it. */
static void what_comes_behind_the_last_words_has_a_limit(void **state)
{
    static char much[65536];
    struct codec *c = codec((struct codec){.finish = finish_lingers});
    struct fixture *f = dress(state, c);
    size_t taken = 0;
    assert_int_equal(asynchat_set_linger(f->ch, 300), 0);
    push(f, "abc");
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    settle(f);
    assert_int_equal(c->releases, 0);
    for (int i = 0; i < 2000; i++) {
        ssize_t n = send(f->peer, much, sizeof much, MSG_DONTWAIT);
        taken += n > 0 ? (size_t)n : 0;
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    }
    assert_in_range(taken, 8 << 20, 16 << 20);
    assert_int_equal(c->releases, 0);
    for (int i = 0; i < 10 && f->ch; i++) {
        clock_advance(100);
        settle(f);
    }
    expect_end(f, c, 0);
}

#define WORDS 30000

/* Many words of its own for each byte that it opens. */
static int open_makes_talk(struct codec *c, const char *data, size_t len,
                           size_t *taken, char *to, size_t room, size_t *given)
{
    (void)data;
    (void)to;
    (void)room;
    (void)given;
    *taken = len;
    c->left += len;
    return ASYNCHAT_LAYER_SAYS;
}

static int seal_talks(struct codec *c, const char *data, size_t len, char *to,
                      size_t room, size_t *given)
{
    int how = plain_seal(c, data, len, to, room, given);
    if (len > 0 || c->left == 0)
        return how;
    memset(to, 'w', WORDS);
    *given = WORDS;
    c->left--;
    return how | (c->left > 0 ? ASYNCHAT_LAYER_SAYS : 0);
}

/* They fill the connection, and it is the last word that comes last. */
static void the_last_words_wait_for_those_before(void **state)
{
    struct codec *c =
        codec((struct codec){.open = open_makes_talk, .seal = seal_talks});
    struct fixture *f = dress(state, c);
    int size = 1, fd = bufferevent_getfd(asynchat_get_bufferevent(f->ch));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    assert_int_equal(write(f->peer, "abc", 3), 3);
    for (int turns = 0; turns < 10; turns++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    assert_int_equal(asynchat_shutdown_write(f->ch), 0);
    for (int turns = 0; turns < 10; turns++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    assert_false(f->got_eof);
    settle(f);
    assert_true(f->got_eof);
    assert_int_equal(c->lasts, 1);
    assert_true(f->got_len > 3 && f->got_len % WORDS == 3);
    assert_memory_equal(f->got + f->got_len - 3, "bye", 3);
}

static int open_gives_and_talks(struct codec *c, const char *data, size_t len,
                                size_t *taken, char *to, size_t room,
                                size_t *given)
{
    c->left = 1;
    return plain_open(c, data, len, taken, to, room, given) |
           ASYNCHAT_LAYER_SAYS;
}

static void shut_now(struct fixture *f)
{
    assert_int_equal(asynchat_shutdown_write(f->ch), 0);
}

/* The same without last words, with which they would leave. */
static void own_words_leave_before_the_output_ends(void **state)
{
    static struct asynchat_layer_ops silent;
    struct codec *c =
        codec((struct codec){.open = open_gives_and_talks, .seal = seal_talks});
    struct fixture *f = start(state);
    silent = ops;
    silent.finish = NULL;
    assert_int_equal(asynchat_set_layer(f->ch, &silent, c, NULL), 0);
    settle(f);
    f->on_data = shut_now;
    feed_string(f, "abc");
    settle(f);
    expect(f, "data(abc)");
    assert_true(f->got_eof);
    assert_int_equal(f->got_len, WORDS);
}

/* --- a connection that breaks --- */

static int seal_greets(struct codec *c, const char *data, size_t len, char *to,
                       size_t room, size_t *given)
{
    (void)data;
    (void)len;
    assert_true(room >= 5);
    memcpy(to, "hello", 5);
    *given = c->asks == 1 ? 5 : 0;
    return 0;
}

/* The greeting fails, and what the peer said before is the reason. */
static void who_cannot_greet_may_still_hear_why(void **state)
{
    struct codec *c =
        codec((struct codec){.open = open_fails, .seal = seal_greets});
    struct fixture *f = start(state);
    feed_string(f, "go away");
    feed_reset(f);
    assert_int_equal(asynchat_set_layer(f->ch, &ops, c, NULL), 0);
    expect_end(f, c, -EBADMSG);
    assert_int_equal(c->opens, 1);
}

static void alert_and_more(struct fixture *f, int *size)
{
    assert_int_equal(
        setsockopt(f->peer, SOL_SOCKET, SO_SNDBUF, size, sizeof *size), 0);
    char *text = big(400000);
    size_t sent = 0;
    ssize_t n;
    while (sent < 400000 &&
           (n = send(f->peer, text, 400000 - sent, MSG_DONTWAIT)) > 0)
        sent += (size_t)n;
    free(text);
}

/* It is not read for ever: what the peer sends behind that is its own
 * affair. */
static void a_peer_that_sends_on_behind_an_error(void **state)
{
    struct codec *c = codec((struct codec){.open = open_fails});
    struct fixture *f = dress(state, c);
    int size = 212992;
    alert_and_more(f, &size);
    expect_end(f, c, -EBADMSG);
    assert_int_equal(c->opens, 1);
}

/* --- connecting --- */

static struct codec *client(struct fixture *f, struct codec *c,
                            const char *address)
{
    assert_int_equal(
        asynchat_connect(f->base, address, 1000, &recorder, f, &f->ch), 0);
    assert_int_equal(asynchat_set_layer(f->ch, &ops, c, NULL), 0);
    return c;
}

static void who_is_refused_has_asked_the_layer_nothing(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    struct codec *c = codec((struct codec){0});
    char text[ASYNCHAT_ADDRESS_SIZE];
    assert_int_equal(asynchat_server_address(f->server, text, sizeof text), 0);
    asynchat_server_free(f->server);
    f->server = NULL;
    client(f, c, text);
    expect_end(f, c, -ECONNREFUSED);
    assert_int_equal(c->asks + c->lasts + c->ends, 0);
}

static void nor_who_closes_while_connecting(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    struct codec *c = codec((struct codec){0});
    char text[ASYNCHAT_ADDRESS_SIZE];
    assert_int_equal(asynchat_server_address(f->server, text, sizeof text), 0);
    client(f, c, text);
    asynchat_close(f->ch);
    expect_end(f, c, 0);
    assert_int_equal(c->asks + c->lasts + c->ends, 0);
    turn(f);
}

static void count_pressure(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    ((struct fixture *)arg)->count++;
}

/* The peer reads nothing any more, but has spoken before. Bytes that are sealed
 * and can never be sent are no pressure, and hold up no input. */
static void sealed_bytes_that_are_lost_are_no_pressure(void **state)
{
    static struct asynchat_handler pressed;
    struct codec *c = codec((struct codec){.end = ASYNCHAT_EOF});
    char *text = big(1 << 20);
    pressed = recorder;
    pressed.handle_pressure = count_pressure;
    struct fixture *f = start_with(state, &pressed);
    assert_int_equal(asynchat_set_layer(f->ch, &ops, c, NULL), 0);
    settle(f);
    assert_int_equal(asynchat_join(f->ch, f->ch), 0);
    assert_int_equal(asynchat_set_output_marks(f->ch, 0, 1000), 0);
    assert_int_equal(asynchat_push(f->ch, text, 1 << 20), 0);
    turn(f);
    assert_int_equal(f->count, 1);
    feed_string(f, "abc");
    assert_int_equal(shutdown(f->peer, SHUT_RD), 0);
    settle(f);
    expect(f, "connect data(abc)");
    feed_eof(f);
    settle_closed(f);
    expect(f, "error(EPIPE) closed(EPIPE)");
    assert_int_equal(f->count, 1);
    free(text);
}

static int busy;
static struct codec busy_codec;

static void set_when_released(const void *data, size_t len, void *arg)
{
    struct fixture *f = arg;
    (void)data;
    (void)len;
    busy = asynchat_set_layer(f->ch, &ops, &busy_codec, NULL);
}

/* What is discarded is released in the middle of the output. */
static void no_layer_while_output_is_released(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    char text[ASYNCHAT_ADDRESS_SIZE];
    assert_int_equal(asynchat_server_address(f->server, text, sizeof text), 0);
    assert_int_equal(
        asynchat_connect(f->base, text, 1000, &recorder, f, &f->ch), 0);
    assert_int_equal(
        asynchat_push_reference(f->ch, "abc", 3, set_when_released, f), 0);
    busy = 0;
    asynchat_discard_buffers(f->ch);
    assert_int_equal(busy, -EBUSY);
    assert_null(asynchat_get_layer(f->ch, &ops));
    asynchat_close(f->ch);
    settle_closed(f);
    turn(f);
}

/* --- the border --- */

static void note_up(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    ((struct fixture *)arg)->count++;
}

static void a_layer_without_a_time_limit_comes_up(void **state)
{
    const struct asynchat_layer_options options = {
        .size = sizeof options, .time = UINT_MAX, .up = note_up};
    struct fixture *f = start(state);
    struct codec *c = codec((struct codec){0});
    assert_int_equal(asynchat_set_layer(f->ch, &ops, c, &options), 0);
    settle(f);
    assert_int_equal(f->count, 1);
}

/* The peer ends before the border, on a channel that closes when it is done:
 * then it is done, and there is no handshake. */
static void nobody_begins_a_layer_with_a_peer_that_has_ended(void **state)
{
    struct fixture *f = start(state);
    struct codec *c = codec((struct codec){0});
    const size_t len = 1 << 20;
    char *text = big(len);
    assert_int_equal(asynchat_push(f->ch, text, len), 0);
    assert_int_equal(asynchat_set_layer(f->ch, &ops, c, NULL), 0);
    push(f, "never in plain text");
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    feed_eof(f);
    settle(f);
    assert_null(f->ch);
    assert_int_equal(f->got_len, len);
    assert_int_equal(c->releases, 1);
    assert_int_equal(c->pieces, 0);
    free(text);
}

/* What came before it is opened first. */
static void an_end_before_the_border_is_told_behind_it(void **state)
{
    struct fixture *f = start(state);
    struct codec *c = codec((struct codec){.end = ASYNCHAT_EOF});
    const size_t len = 1 << 20;
    char *text = big(len);
    asynchat_pause_reading(f->far);
    assert_int_equal(asynchat_push(f->ch, text, len), 0);
    assert_int_equal(asynchat_set_layer(f->ch, &ops, c, NULL), 0);
    assert_int_equal(asynchat_push(f->far, "abc", 3), 0);
    assert_int_equal(asynchat_shutdown_write(f->far), 0);
    settle(f);
    expect(f, "");
    assert_int_equal(c->opens + c->ends, 0);
    asynchat_resume_reading(f->far);
    settle(f);
    expect(f, "data(abc) eof closed(EOF)");
    assert_int_equal(c->ends, 1);
    assert_int_equal(f->got_len, len + 3);
    assert_memory_equal(f->got + len, "bye", 3);
    free(text);
}

/* --- tables --- */

static void each_function_is_needed_but_the_last_words(void **state)
{
    struct fixture *f = start(state);
    struct codec *c = codec((struct codec){0});
    struct asynchat_layer_ops without[] = {ops, ops, ops, ops};
    without[0].open = NULL;
    without[1].seal = NULL;
    without[2].ended = NULL;
    without[3].release = NULL;
    for (size_t i = 0; i < COUNT(without); i++)
        assert_int_equal(asynchat_set_layer(f->ch, &without[i], c, NULL),
                         -EINVAL);
    assert_int_equal(c->releases, 0);
}

#define BOTH(test) OVER(PAIR, test), OVER(SOCKETPAIR, test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(to_take_more_than_there_is_ends_the_channel),
        BOTH(to_give_more_than_there_is_room_for_ends_the_channel),
        BOTH(what_was_opened_before_an_error_is_delivered),
        BOTH(but_not_if_the_layer_is_not_up),
        BOTH(a_layer_may_give_without_taking),
        BOTH(later_may_be_all_that_it_answers),
        BOTH(what_comes_behind_the_end_is_not_opened),
        BOTH(a_layer_may_give_much_for_little),
        BOTH(a_layer_that_fills_the_room_is_called_again),
        OVER(PAIR, what_was_opened_may_free_the_channel),
        BOTH(the_end_before_the_layer_is_up_is_no_handshake),
        BOTH(an_end_of_any_other_kind_is_an_end_of_file),
        OVER(SOCKETPAIR, the_end_before_the_connection_is_up_may_be_in_order),
        OVER(SOCKETPAIR, a_layer_may_wait_for_something_else),
        OVER(SOCKETPAIR, a_layer_is_asked_once_how_the_peer_ended),
        BOTH(to_seal_more_than_there_is_room_for_ends_the_channel),
        BOTH(a_layer_that_only_says_that_it_says_keeps_nobody),
        BOTH(an_answer_that_cannot_be_sealed_ends_the_channel),
        BOTH(an_answer_may_be_longer_than_a_write),
        OVER(SOCKETPAIR, a_peer_may_take_no_answer),
        BOTH(many_references_leave_in_order),
        BOTH(own_words_may_be_many),
        BOTH(last_words_that_are_too_many_are_none),
        BOTH(a_layer_may_have_no_last_words),
        OVER(SOCKETPAIR, behind_its_last_words_a_layer_may_wait_for_the_peer),
        OVER(SOCKETPAIR, what_comes_behind_the_last_words_has_a_limit),
        OVER(SOCKETPAIR, the_last_words_wait_for_those_before),
        OVER(SOCKETPAIR, own_words_leave_before_the_output_ends),
        OVER(TCP, who_cannot_greet_may_still_hear_why),
        OVER(SOCKETPAIR, who_cannot_greet_may_still_hear_why),
        OVER(SOCKETPAIR, a_peer_that_sends_on_behind_an_error),
        OVER(TCP, who_is_refused_has_asked_the_layer_nothing),
        OVER(TCP, nor_who_closes_while_connecting),
        OVER(SOCKETPAIR, sealed_bytes_that_are_lost_are_no_pressure),
        OVER(TCP, no_layer_while_output_is_released),
        BOTH(a_layer_without_a_time_limit_comes_up),
        OVER(SOCKETPAIR, nobody_begins_a_layer_with_a_peer_that_has_ended),
        OVER(PAIR, an_end_before_the_border_is_told_behind_it),
        BOTH(each_function_is_needed_but_the_last_words),
    };
    return RUN(tests);
}
