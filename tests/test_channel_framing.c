/* Channels with framings, blocks, and bytes that are skipped, over each kind of
 * connection and through a layer. SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/util.h>

#include "framer/framing.h"
#include "toy.h"

/* --- memory that can run out, but for libevent --- */

static bool lacks;

static void *take_memory(size_t size)
{
    return lacks ? NULL : malloc(size);
}

static void *take_more(void *old, size_t size)
{
    return lacks ? NULL : realloc(old, size);
}

/* --- lines --- */

static void set_lines(struct fixture *f, unsigned flags)
{
    assert_int_equal(asynchat_set_framing(f->ch, asynchat_framing_lines(flags)),
                     0);
}

static struct fixture *start_lines(void **state,
                                   const struct asynchat_handler *handler,
                                   unsigned flags)
{
    struct fixture *f = start_with(state, handler);
    expect(f, "connect");
    set_lines(f, flags);
    return f;
}

/* --- lines --- */

static void a_line_ends_with_either_end(void **state)
{
    struct fixture *f = start_lines(state, &recorder, 0);
    feed_every_way(f, "a\r\nb\n\r\n\nc\rd\r\r\n",
                   "data(a) found data(b) found found found data(c\\rd\\r) "
                   "found");
}

static void whole_lines_end_with_either_end(void **state)
{
    struct fixture *f = start_lines(state, &whole_recorder, 0);
    feed_every_way(f, "a\r\nb\n\r\n\nc\rd\r\r\n",
                   "message(a) message(b) message() message() "
                   "message(c\\rd\\r)");
}

static void a_cr_that_comes_last_is_cut_off(void **state)
{
    struct fixture *f = start_lines(state, &recorder, 0);
    feed_string(f, "a\r\n\r");
    feed_eof(f);
    settle_closed(f);
    expect(f, "data(a) found data(\\r) eof(cut off) closed(EOF)");
}

static void lines_have_a_limit(void **state)
{
    struct fixture *f = start_lines(state, &dropping_whole_recorder, 0);
    assert_int_equal(asynchat_set_message_limit(f->ch, 3), 0);
    feed_every_way(f, "ab\r\nabc\r\nabcd\r\nabc\rd\nabc\nab\r\r\n",
                   "message(ab) message(abc) dropped(abc,4) dropped(abc,5) "
                   "message(abc) message(ab\\r)");
}

static void take_whole_lines(struct fixture *f)
{
    f->on_data = NULL;
    set_lines(f, 0);
    assert_int_equal(asynchat_set_handler(f->ch, &whole_recorder), 0);
}

/* The line goes on under the framing and the handler that are new, and the rest
 * of it is nothing. The limit shows that it is over. */
static void the_rest_of_a_line_may_be_empty(void **state)
{
    struct fixture *f = start_lines(state, &recorder, 0);
    assert_int_equal(asynchat_set_message_limit(f->ch, 3), 0);
    f->on_data = take_whole_lines;
    feed_string(f, "ab\r\nabc\r\n\r\nab\r\n");
    settle(f);
    expect(f, "data(ab) message() message(abc) message() message(ab)");
}

static int errors[8];

static void keep_error(struct fixture *f)
{
    errors[f->count++ % 8] = asynchat_get_dropped_error(f->ch);
}

static void a_bare_line_is_dropped(void **state)
{
    struct fixture *f =
        start_lines(state, &dropping_whole_recorder, ASYNCHAT_LINES_STRICT);
    assert_int_equal(asynchat_get_dropped_error(f->ch), 0);
    assert_int_equal(asynchat_set_message_limit(f->ch, 5), 0);
    f->on_dropped = keep_error;
    feed_every_way(f, "ab\r\nab\rx\r\n\n\r\nabcdef\r\na\r\r\nok\r\n",
                   "message(ab) dropped(ab,4) dropped(,1) dropped(abcde,6) "
                   "dropped(a,2) message(ok)");
    assert_int_equal(errors[0], ASYNCHAT_EBARE);
    assert_int_equal(errors[1], ASYNCHAT_EBARE);
    assert_int_equal(errors[2], ASYNCHAT_ETOOLONG);
    assert_int_equal(errors[3], ASYNCHAT_EBARE);
}

static void a_bare_line_is_counted(void **state)
{
    struct fixture *f =
        start_lines(state, &dropping_whole_recorder, ASYNCHAT_LINES_STRICT);
    struct asynchat_stats stats;
    feed_string(f, "ab\rx\r\nok\r\n");
    settle(f);
    assert_int_equal(asynchat_get_stats(f->ch, &stats, sizeof stats), 0);
    assert_int_equal(stats.messages, 1);
    assert_int_equal(stats.dropped, 1);
    assert_int_equal(stats.dropped_bytes, 4);
}

static void pieces_of_a_bare_line_come_up_to_the_fault(void **state)
{
    struct fixture *f =
        start_lines(state, &dropping_recorder, ASYNCHAT_LINES_STRICT);
    feed_every_way(f, "ab\rx\r\n\nx\n\r\nok\r\n",
                   "data(ab) dropped(,4) dropped(,3) data(ok) found");
}

static void say_sorry(struct fixture *f)
{
    assert_int_equal(asynchat_push(f->ch, "500\r\n", 5), 0);
}

static void a_bare_line_ends_the_channel(void **state)
{
    struct fixture *f = start_lines(state, &recorder, ASYNCHAT_LINES_STRICT);
    f->on_error = say_sorry;
    feed_string(f, "one\r\ntwo\nthree\r\nfour\r\n");
    settle(f);
    if (f->ch) { /* over a socket it waits for the peer's end */
        feed_eof(f);
        settle_closed(f);
    }
    expect(f, "data(one) found data(two) error(EBARE) closed(EBARE)");
    expect_got(f, "500\r\n");
}

/* --- changes --- */

static void the_terminator_is_a_framing(void **state)
{
    struct fixture *f = start_lines(state, &recorder, 0);
    const void *bytes = "";
    uint64_t len = 7;
    assert_int_equal(asynchat_get_terminator(f->ch, &bytes, &len),
                     ASYNCHAT_FRAMING);
    assert_null(bytes);
    assert_int_equal(len, 0);
    assert_int_equal(asynchat_get_matched(f->ch), 0);
    set_crlf(f);
    assert_int_equal(asynchat_get_terminator(f->ch, NULL, NULL),
                     ASYNCHAT_STRING);
    assert_int_equal(asynchat_get_matched(f->ch), 0);
}

static void a_held_cr_is_matched_again(void **state)
{
    struct fixture *f = start_lines(state, &recorder, 0);
    feed_string(f, "a\r");
    settle(f);
    expect(f, "data(a)");
    assert_int_equal(asynchat_set_terminator_none(f->ch), 0);
    settle(f);
    expect(f, "data(\\r)");
    set_lines(f, 0);
    feed_string(f, "b\r");
    settle(f);
    set_lines(f, ASYNCHAT_LINES_STRICT);
    feed_string(f, "\n");
    settle(f);
    expect(f, "data(b) found");
}

static void set_strict_lines(struct fixture *f)
{
    f->on_data = NULL;
    set_lines(f, ASYNCHAT_LINES_STRICT);
}

static void a_framing_set_in_a_callback_holds_from_the_next_byte(void **state)
{
    struct fixture *f = start_lines(state, &dropping_recorder, 0);
    f->on_data = set_strict_lines;
    feed_string(f, "ab\ncd\r\nef\r\n");
    settle(f);
    expect(f, "data(ab) dropped(,5) data(ef) found");
}

/* A channel that was given half of a message in this framing. */
static struct fixture *start_amid(void **state,
                                  struct asynchat_framing *framing,
                                  const char *text, size_t len,
                                  const char *events)
{
    struct fixture *f = start_with(state, &dropping_recorder);
    expect(f, "connect");
    assert_int_equal(asynchat_set_framing(f->ch, framing), 0);
    feed(f, text, len);
    settle(f);
    expect(f, events);
    asynchat_discard_buffers(f->ch);
    return f;
}

/* What was held back is gone, the message is still in progress, and its next
 * byte begins a line. */
static void discarding_leaves_dotted_data_at_a_line_s_beginning(void **state)
{
    static const char *const begun[] = {"a\r\n.", "a\r\n.\r", "a\r", "ab"};
    for (size_t i = 0; i < 4; i++) {
        struct fixture *f = start_amid(
            state, asynchat_framing_dotted(ASYNCHAT_DOTTED_STRICT), begun[i],
            strlen(begun[i]),
            i < 2 ? "data(a\\r\\n)" : (i == 2 ? "data(a)" : "data(ab)"));
        feed_string(f, "..c\r\n.\r\nd\r\n.\r\n");
        settle(f);
        expect(f, "data(.c\\r\\n) found data(d\\r\\n) found");
        close_connection(f);
    }
}

/* A bare line end behind it is refused again. */
static void discarding_forgets_a_bare_line_end_in_dotted_data(void **state)
{
    struct fixture *f =
        start_amid(state, asynchat_framing_dotted(ASYNCHAT_DOTTED_STRICT),
                   "a\nb", 4, "data(a)");
    feed_string(f, "c\nd\r\n.\r\nef\r\n.\r\n");
    settle(f);
    expect(f, "data(c) dropped(,5) data(ef\\r\\n) found");
}

/* A head that is not complete is forgotten, and another one comes. */
static void discarding_forgets_half_a_head(void **state)
{
    struct fixture *f =
        start_amid(state, asynchat_framing_netstring(), "12", 2, "");
    feed_string(f, "3:abc,1:d,");
    settle(f);
    expect(f, "data(abc) found data(d) found");
}

/* The peer may still be sending, and gets what it was just sent. */
static void a_broken_head_ends_the_channel(void **state)
{
    struct fixture *f = start_whole(state);
    assert_int_equal(asynchat_set_framing(f->ch, asynchat_framing_netstring()),
                     0);
    assert_int_equal(asynchat_push(f->ch, "hello", 5), 0);
    feed_string(f, "1:a,b:,");
    settle(f);
    expect_got(f, "hello");
    feed_eof(f);
    settle_closed(f);
    expect(f, "message(a) error(EFRAMING) closed(EFRAMING)");
}

/* What is left of a message that has a length is not taken for a head. */
static void discarding_leaves_the_rest_of_a_length(void **state)
{
    struct fixture *f =
        start_amid(state, asynchat_framing_netstring(), "5:ab", 4, "data(ab)");
    feed_string(f, "9:c,1:d,");
    settle(f);
    expect(f, "data(9:c) found data(d) found");
}

static void discarding_begins_a_new_line(void **state)
{
    struct fixture *f =
        start_lines(state, &dropping_recorder, ASYNCHAT_LINES_STRICT);
    feed_string(f, "a\nb\r");
    settle(f);
    expect(f, "data(a)");
    asynchat_discard_buffers(f->ch);
    feed_string(f, "c\r\n");
    settle(f);
    expect(f, "data(c) found");
}

static void pause_now(struct fixture *f)
{
    asynchat_pause_reading(f->ch);
}

/* A pause before the end of a message, and behind it. */
static void a_pause_changes_nothing(void **state)
{
    struct fixture *f = start_lines(state, &recorder, 0);
    f->on_data = f->on_found = pause_now;
    feed_string(f, "ab\r\ncd\n\ne\r\n");
    for (int i = 0; i < 12; i++) {
        settle(f);
        asynchat_resume_reading(f->ch);
    }
    settle(f);
    expect(f, "data(ab) found data(cd) found found data(e) found");
}

static void another_terminator_may_be_set_during_a_pause(void **state)
{
    struct fixture *f = start_lines(state, &recorder, 0);
    f->on_data = pause_now;
    feed_string(f, "ab\r\ncd;");
    settle(f);
    expect(f, "data(ab)");
    f->on_data = NULL;
    assert_int_equal(asynchat_set_terminator(f->ch, ";", 1), 0);
    asynchat_resume_reading(f->ch);
    settle(f);
    expect(f, "data(\\r\\ncd) found");
}

static void shrink(struct fixture *f)
{
    f->on_data = NULL;
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 1), 0);
}

/* The rest of the span is cut in the middle of an end that was found. */
static void the_size_of_pieces_may_change_anywhere(void **state)
{
    struct fixture *f = start_lines(state, &recorder, 0);
    for (int i = 0; i < 2; i++) {
        f->on_data = i == 0 ? shrink : NULL;
        feed_string(f, "ab\r\ncd\r\n\re\n");
        settle(f);
        expect(f, "data(ab) found data(cd) found data(\\re) found");
    }
}

static void lines_keep_to_the_budget(void **state)
{
    struct fixture *f = start_lines(state, &whole_recorder, 0);
    assert_int_equal(asynchat_set_message_budget(f->ch, 2), 0);
    feed_every_way(f, "a\nb\n\n\nc\n",
                   "message(a) message(b) message() message() message(c)");
}

static void bad_calls_are_refused(void **state)
{
    struct fixture *f = start_lines(state, &recorder, 0);
    assert_int_equal(asynchat_set_framing(f->ch, NULL), -ENOMEM);
    assert_int_equal(asynchat_set_framing(NULL, asynchat_framing_lines(0)),
                     -EINVAL);
    assert_int_equal(asynchat_set_framing(NULL, NULL), -EINVAL);
    asynchat_framing_free(asynchat_framing_lines(0));
    asynchat_framing_free(NULL);
    assert_null(asynchat_framing_lines(2));
    assert_int_equal(asynchat_get_matched(NULL), 0);
    assert_int_equal(asynchat_get_dropped_error(NULL), 0);
    assert_int_equal(asynchat_set_block(NULL, 1), -EINVAL);
    assert_int_equal(asynchat_set_block(f->ch, (uint64_t)INT64_MAX + 1),
                     -EINVAL);
    assert_int_equal(asynchat_skip(NULL, 1), -EINVAL);
    assert_int_equal(asynchat_skip(f->ch, (uint64_t)INT64_MAX + 1), -EINVAL);
    assert_int_equal(asynchat_skip(f->ch, INT64_MAX), 0);
    assert_int_equal(asynchat_skip(f->ch, 1), -EINVAL);
}

/* --- blocks --- */

/* A line is a digit, which says how many bytes follow. */
static void line_and_block(struct fixture *f)
{
    bool line = asynchat_get_terminator(f->ch, NULL, NULL) == ASYNCHAT_FRAMING;
    if (line)
        assert_int_equal(asynchat_set_block(f->ch, (uint64_t)f->count), 0);
    else
        set_lines(f, 0);
}

static void keep_digit(struct fixture *f)
{
    char last = ((const char *)f->data)[f->data_len - 1];
    if (asynchat_get_terminator(f->ch, NULL, NULL) == ASYNCHAT_FRAMING)
        f->count = last - '0';
}

static void a_block_of_0_is_an_empty_message(void **state)
{
    struct fixture *f = start_lines(state, &recorder, 0);
    f->on_data = keep_digit;
    f->on_found = line_and_block;
    feed_every_way(f, "3\r\nabc0\r\n1\r\n\n0\r\n",
                   "data(3) found data(abc) found data(0) found found data(1) "
                   "found data(\\n) found data(0) found found");
}

static void a_block_of_0_comes_from_the_loop(void **state)
{
    struct fixture *f = start_with(state, &whole_recorder);
    expect(f, "connect");
    assert_int_equal(asynchat_set_block(f->ch, 0), 0);
    expect(f, "");
    settle(f);
    expect(f, "message()");
    assert_int_equal(asynchat_set_block(f->ch, 0), 0);
    set_crlf(f);
    feed_string(f, "a\r\n");
    settle(f);
    expect(f, "message(a)");
}

static void a_block_that_does_not_come_is_cut_off(void **state)
{
    struct fixture *f = start_with(state, &whole_recorder);
    expect(f, "connect");
    assert_int_equal(asynchat_set_block(f->ch, 5), 0);
    feed_eof(f);
    settle_closed(f);
    expect(f, "eof(cut off) closed(EOF)");
    close_connection(f);
    f = start_with(state, &whole_recorder);
    expect(f, "connect");
    assert_int_equal(asynchat_set_terminator_length(f->ch, 5), 0);
    feed_eof(f);
    settle_closed(f);
    expect(f, "eof closed(EOF)");
}

static void set_empty(struct fixture *f)
{
    if (++f->count < 100)
        assert_int_equal(asynchat_set_block(f->ch, 0), 0);
    else
        set_lines(f, 0);
}

struct other {
    struct fixture *f;
    struct event *event;
    int before, calls;
};

static void others_turn(evutil_socket_t fd, short what, void *arg)
{
    struct other *o = arg;
    (void)fd;
    (void)what;
    assert_in_range(o->f->count - o->before, 0, 2);
    o->before = o->f->count;
    o->calls++;
    if (o->f->count == 100)
        event_del(o->event);
}

/* Another descriptor, which is always ready, has its turn in between. */
static void empty_blocks_without_end_starve_nobody(void **state)
{
    struct fixture *f = start_with(state, &recorder);
    struct other o = {.f = f};
    int fds[2];
    expect(f, "connect");
    make_socketpair(fds);
    evutil_make_socket_nonblocking(fds[0]);
    assert_int_equal(send(fds[1], "x", 1, 0), 1);
    o.event = event_new(f->base, fds[0], EV_READ | EV_PERSIST, others_turn, &o);
    event_add(o.event, NULL);
    f->on_found = set_empty;
    assert_int_equal(asynchat_set_block(f->ch, 0), 0);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    assert_int_equal(f->count, 100);
    assert_in_range(o.calls, 50, 1000);
    event_free(o.event);
    close(fds[0]);
    close(fds[1]);
    f->log_len = 0;
    f->on_found = NULL;
    feed_string(f, "b\n");
    settle(f);
    expect(f, "data(b) found");
}

/* --- bytes that are skipped --- */

static void skip_3(struct fixture *f)
{
    assert_int_equal(asynchat_skip(f->ch, 2), 0);
    assert_int_equal(asynchat_skip(f->ch, 0), 0);
    assert_int_equal(asynchat_skip(f->ch, 1), 0);
}

static void skipped_bytes_belong_to_no_message(void **state)
{
    struct fixture *f = start_lines(state, &recorder, 0);
    f->on_found = skip_3;
    feed_every_way(f, "ab\nxyzcd\r\nx\r\n\nxyz",
                   "data(ab) found data(cd) found "
                   "found");
}

static void bytes_are_skipped_in_front_of_a_block(void **state)
{
    struct fixture *f = start_with(state, &whole_recorder);
    expect(f, "connect");
    for (int i = 0; i < 2; i++) {
        skip_3(f);
        assert_int_equal(asynchat_set_block(f->ch, 0), 0);
        feed_string(f, "ab");
        settle(f);
        expect(f, "");
        feed_string(f, "cde");
        settle(f);
        expect(f, "message()");
        asynchat_discard_buffers(f->ch);
        set_crlf(f);
    }
    feed_string(f, "a\r\n");
    settle(f);
    expect(f, "message(a)");
}

static void skip_some_data(struct fixture *f)
{
    f->on_data = NULL;
    assert_int_equal(asynchat_skip(f->ch, 2), 0);
}

/* In the middle of a message, and what was held back counts. */
static void bytes_are_skipped_within_a_message(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    f->on_data = skip_some_data;
    feed_string(f, "ab\r\ncd\r\n");
    settle(f);
    expect(f, "data(abcd) found");
    feed_string(f, "ef\r");
    settle(f);
    assert_int_equal(asynchat_skip(f->ch, 2), 0);
    feed_string(f, "xgh\r\n");
    settle(f);
    expect(f, "data(efgh) found");
}

static void a_framing_in_a_message_is_busy(void **state)
{
    struct fixture *f = start_lines(state, &recorder, 0);
    feed_string(f, "ab\r");
    settle(f);
    assert_int_equal(asynchat_skip(f->ch, 2), -EBUSY);
    feed_string(f, "\n");
    settle(f);
    expect(f, "data(ab) found");
}

static void skipped_bytes_that_do_not_come_are_cut_off(void **state)
{
    struct fixture *f = start_lines(state, &recorder, 0);
    f->on_found = skip_3;
    feed_string(f, "ab\nxy");
    settle(f);
    feed_eof(f);
    settle_closed(f);
    expect(f, "data(ab) found eof(cut off) closed(EOF)");
}

static void discarding_takes_a_skip_back(void **state)
{
    struct fixture *f = start_lines(state, &recorder, 0);
    skip_3(f);
    asynchat_discard_buffers(f->ch);
    feed_string(f, "ab\n");
    settle(f);
    expect(f, "data(ab) found");
}

static void a_channel_that_waits_for_bytes_is_not_between_messages(void **state)
{
    struct fixture *f = start_lines(state, &recorder, 0);
    skip_3(f);
    assert_int_equal(asynchat_close_between_messages(f->ch), 0);
    feed_string(f, "xy");
    settle(f);
    expect(f, "");
    assert_int_equal(asynchat_set_block(f->ch, 2), 0);
    feed_string(f, "z");
    settle(f);
    expect(f, "");
    feed_string(f, "ab");
    settle(f);
    if (f->ch) {
        feed_eof(f);
        settle_closed(f);
    }
    expect(f, "data(ab) found closed(0)");
}

/* --- lengths that are told in advance --- */

/* A digit, which is no data, says how long the message is. */
struct digit {
    struct asynchat_framing framing;
    size_t left;
};

static struct framing_step digit_step(struct asynchat_framing *f,
                                      const uint8_t *bytes, size_t len)
{
    struct digit *digit = (struct digit *)f;
    struct framing_step step = {0};
    if (digit->left == 0) {
        step.skip = 1;
        digit->left = step.whole = (size_t)(*bytes - '0');
    }
    len -= step.skip;
    step.data = len < digit->left ? len : digit->left;
    digit->left -= step.data;
    f->begun = digit->left > 0;
    if (!f->begun)
        step.verdict = FRAMING_ENDS;
    return step;
}

static void digit_release(struct asynchat_framing *f)
{
    free((struct digit *)f);
}

static void set_digit(struct fixture *f)
{
    static const struct framing_ops ops = {.step = digit_step,
                                           .release = digit_release};
    struct digit *digit = calloc(1, sizeof *digit);
    assert_non_null(digit);
    digit->framing.ops = &ops;
    digit->framing.shares = 1;
    assert_int_equal(asynchat_set_framing(f->ch, &digit->framing), 0);
    assert_int_equal(asynchat_set_message_limit(f->ch, 3), 0);
}

static void nothing_is_kept_of_a_message_that_will_be_too_long(void **state)
{
    struct fixture *f = start_with(state, &dropping_whole_recorder);
    expect(f, "connect");
    set_digit(f);
    feed_every_way(f, "3abc94abcd234501x",
                   "message(abc) dropped(,9) message() message(x)");
    close_connection(f);
    f = start_with(state, &dropping_recorder);
    expect(f, "connect");
    set_digit(f);
    feed_every_way(f, "3abc94abcd234501x",
                   "data(abc) found dropped(,9) found data(x) found");
    feed_string(f, "4ab");
    feed_eof(f);
    settle_closed(f);
    expect(f, "dropped(,2) eof(cut off) closed(EOF)");
}

static void a_length_over_the_limit_is_told_at_once(void **state)
{
    struct fixture *f = start_whole(state);
    set_digit(f);
    feed_string(f, "4");
    settle(f);
    if (f->ch) { /* over a socket it waits for the peer's end */
        feed_eof(f);
        settle_closed(f);
    }
    expect(f, "error(ETOOLONG) closed(ETOOLONG)");
}

static void a_length_alone_is_cut_off(void **state)
{
    struct fixture *f = start_whole(state);
    set_digit(f);
    feed_string(f, "3");
    settle(f);
    assert_int_equal(asynchat_close_between_messages(f->ch), 0);
    settle(f);
    expect(f, "");
    feed_eof(f);
    settle_closed(f);
    expect(f, "eof(cut off) closed(EOF)");
    close_connection(f);
    f = start_whole(state);
    set_digit(f);
    feed_string(f, "1a");
    feed_eof(f);
    settle_closed(f);
    expect(f, "message(a) eof closed(EOF)");
}

/* --- through a layer --- */

static char said[4096];

static void sealed_connect(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_set_framing(ch, asynchat_framing_lines(ASYNCHAT_LINES_STRICT));
}

static void sealed_message(struct asynchat_channel *ch, const void *data,
                           size_t len, void *arg)
{
    (void)ch;
    (void)arg;
    snprintf(said + strlen(said), sizeof said - strlen(said), "(%.*s)",
             (int)len, (const char *)data);
}

static void sealed_dropped(struct asynchat_channel *ch, const void *data,
                           size_t len, uint64_t total, void *arg)
{
    (void)data;
    (void)len;
    (void)arg;
    snprintf(said + strlen(said), sizeof said - strlen(said), "dropped(%d,%d)",
             asynchat_get_dropped_error(ch) == ASYNCHAT_EBARE, (int)total);
}

static const struct asynchat_handler sealed = {.size = sizeof sealed,
                                               .handle_connect = sealed_connect,
                                               .message = sealed_message,
                                               .message_dropped =
                                                   sealed_dropped};

static void push_in_two(struct event_base *base, struct asynchat_channel *ch,
                        const char *text, size_t cut)
{
    asynchat_push(ch, text, cut);
    for (int i = 0; i < 8; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
    asynchat_push(ch, text + cut, strlen(text) - cut);
    for (int i = 0; i < 8; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static void lines_come_through_a_layer(void **state)
{
    static const char text[] = "ab\r\n\r\nx\ry\r\nlast\r\n";
    const struct asynchat_handler *handlers[2] = {&sealed, &sealed};
    (void)state;
    for (size_t cut = 0; cut < sizeof text; cut++) {
        struct event_base *base = event_base_new();
        struct asynchat_channel *ch[2];
        assert_int_equal(
            asynchat_pair_new(base, handlers, (void *[2]){NULL, NULL}, ch), 0);
        for (int i = 0; i < 2; i++)
            assert_int_equal(
                asynchat_set_layer(ch[i], &toy_ops, toy_new(i == 0), NULL), 0);
        said[0] = '\0';
        push_in_two(base, ch[0], text, cut);
        assert_string_equal(said, "(ab)()dropped(1,3)(last)");
        asynchat_channel_free(ch[0]);
        asynchat_channel_free(ch[1]);
        event_base_loop(base, EVLOOP_NONBLOCK);
        event_base_free(base);
    }
    assert_int_equal(toys, 0);
}

static void set_nothing(struct fixture *f)
{
    lacks = true;
    assert_int_equal(asynchat_set_block(f->ch, 0), 0);
}

/* The turn of other channels needs a timer. */
static void blocks_of_nothing_end_without_memory(void **state)
{
    struct fixture *f = start(state);
    f->on_found = set_nothing;
    assert_int_equal(asynchat_set_block(f->ch, 0), 0);
    settle_closed(f);
    lacks = false;
    assert_int_equal(f->status, -ENOMEM);
}

int main(void)
{
    assert_int_equal(asynchat_set_mem_functions(take_memory, take_more, free),
                     0);
    const struct CMUnitTest tests[] = {
        OVER_ALL(a_line_ends_with_either_end),
        OVER_ALL(whole_lines_end_with_either_end),
        OVER_ALL(a_cr_that_comes_last_is_cut_off),
        OVER(PAIR, lines_have_a_limit),
        OVER_ALL(the_rest_of_a_line_may_be_empty),
        OVER(PAIR, blocks_of_nothing_end_without_memory),
        OVER_ALL(a_bare_line_is_dropped),
        OVER_ALL(a_bare_line_is_counted),
        OVER_ALL(pieces_of_a_bare_line_come_up_to_the_fault),
        OVER_ALL(a_bare_line_ends_the_channel),
        OVER(PAIR, the_terminator_is_a_framing),
        OVER_ALL(a_held_cr_is_matched_again),
        OVER_ALL(a_framing_set_in_a_callback_holds_from_the_next_byte),
        OVER_ALL(discarding_begins_a_new_line),
        OVER_ALL(discarding_leaves_dotted_data_at_a_line_s_beginning),
        OVER_ALL(discarding_forgets_a_bare_line_end_in_dotted_data),
        OVER_ALL(discarding_forgets_half_a_head),
        OVER_ALL(discarding_leaves_the_rest_of_a_length),
        OVER_SOCKETS(a_broken_head_ends_the_channel),
        OVER_ALL(a_pause_changes_nothing),
        OVER_ALL(another_terminator_may_be_set_during_a_pause),
        OVER_ALL(the_size_of_pieces_may_change_anywhere),
        OVER_ALL(lines_keep_to_the_budget),
        OVER(PAIR, bad_calls_are_refused),
        OVER_ALL(a_block_of_0_is_an_empty_message),
        OVER_ALL(a_block_of_0_comes_from_the_loop),
        OVER_ALL(a_block_that_does_not_come_is_cut_off),
        OVER_ALL(empty_blocks_without_end_starve_nobody),
        OVER_ALL(skipped_bytes_belong_to_no_message),
        OVER_ALL(bytes_are_skipped_in_front_of_a_block),
        OVER_ALL(bytes_are_skipped_within_a_message),
        OVER(PAIR, a_framing_in_a_message_is_busy),
        OVER_ALL(skipped_bytes_that_do_not_come_are_cut_off),
        OVER(PAIR, discarding_takes_a_skip_back),
        OVER_SOCKETS(a_channel_that_waits_for_bytes_is_not_between_messages),
        OVER_ALL(nothing_is_kept_of_a_message_that_will_be_too_long),
        OVER_ALL(a_length_over_the_limit_is_told_at_once),
        OVER_ALL(a_length_alone_is_cut_off),
        cmocka_unit_test(lines_come_through_a_layer),
    };
    return RUN(tests);
}
