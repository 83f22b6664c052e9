/* Another handler, in the middle of a conversation.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"
#include "fixture.h"
#include "toy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

/* --- handlers that say who they are --- */

/* The event at which a test does something, each time. */
static const char *when;
static hook then;

static void say(struct fixture *f, const char *who, const char *event,
                const void *data, size_t len)
{
    size_t at = f->log_len;
    const char *bytes = data;
    int n = snprintf(f->log + at, sizeof f->log - at, "%s%s:%s",
                     at > 0 ? " " : "", who, event);
    f->log_len += (size_t)n;
    for (size_t i = 0; data && i < len; i++)
        f->log[f->log_len++] = bytes[i] == '\r'   ? '<'
                               : bytes[i] == '\n' ? '>'
                                                  : bytes[i];
    if (data)
        f->log[f->log_len++] = ')';
    f->log[f->log_len] = '\0';
    if (when && strstr(f->log + at, when))
        then(f);
}

/* Runs of data are joined. */
static void say_data(struct fixture *f, const char *who, const void *data,
                     size_t len)
{
    char event[16];
    size_t last = f->log_len;
    snprintf(event, sizeof event, "%s:data(", who);
    while (last > 0 && f->log[last - 1] != ' ')
        last--;
    f->data_len = len;
    if (len > f->data_max)
        f->data_max = len;
    if (strncmp(f->log + last, event, strlen(event)) != 0) {
        say(f, who, "data(", data, len);
        return;
    }
    f->log_len--;
    for (size_t i = 0; i < len; i++) {
        char c = ((const char *)data)[i];
        f->log[f->log_len++] = c == '\r' ? '<' : c == '\n' ? '>' : c;
    }
    f->log[f->log_len++] = ')';
    f->log[f->log_len] = '\0';
    if (when && strstr(f->log + last, when))
        then(f);
}

#define CALLBACKS(WHO)                                                         \
    static void WHO##_connect(struct asynchat_channel *ch, void *arg)          \
    {                                                                          \
        ((struct fixture *)arg)->ch = ch;                                      \
        say(arg, #WHO, "connect", NULL, 0);                                    \
    }                                                                          \
    static void WHO##_data(struct asynchat_channel *ch, const void *data,      \
                           size_t len, void *arg)                              \
    {                                                                          \
        (void)ch;                                                              \
        say_data(arg, #WHO, data, len);                                        \
    }                                                                          \
    static void WHO##_found(struct asynchat_channel *ch, void *arg)            \
    {                                                                          \
        (void)ch;                                                              \
        say(arg, #WHO, "found", NULL, 0);                                      \
    }                                                                          \
    static void WHO##_message(struct asynchat_channel *ch, const void *data,   \
                              size_t len, void *arg)                           \
    {                                                                          \
        (void)ch;                                                              \
        say(arg, #WHO, "message(", data, len);                                 \
    }                                                                          \
    static void WHO##_dropped(struct asynchat_channel *ch, const void *data,   \
                              size_t len, uint64_t total, void *arg)           \
    {                                                                          \
        char event[32];                                                        \
        (void)ch;                                                              \
        snprintf(event, sizeof event, "dropped(%d,", (int)total);              \
        say(arg, #WHO, event, data, len);                                      \
    }                                                                          \
    static void WHO##_eof(struct asynchat_channel *ch, int cut_off, void *arg) \
    {                                                                          \
        (void)ch;                                                              \
        say(arg, #WHO, cut_off ? "eof(cut off)" : "eof", NULL, 0);             \
    }                                                                          \
    static void WHO##_error(struct asynchat_channel *ch, int error, void *arg) \
    {                                                                          \
        (void)ch;                                                              \
        say(arg, #WHO,                                                         \
            error == ASYNCHAT_ETOOLONG ? "error(ETOOLONG)"                     \
            : error == ASYNCHAT_EIDLE  ? "error(EIDLE)"                        \
                                       : "error",                               \
            NULL, 0);                                                          \
    }                                                                          \
    static void WHO##_close(struct asynchat_channel *ch, int status,           \
                            void *arg)                                         \
    {                                                                          \
        struct fixture *f = arg;                                               \
        (void)ch;                                                              \
        f->status = status;                                                    \
        say(f, #WHO, "closed", NULL, 0);                                       \
        f->ch = NULL;                                                          \
    }                                                                          \
    static void WHO##_drained(struct asynchat_channel *ch, void *arg)          \
    {                                                                          \
        (void)ch;                                                              \
        say(arg, #WHO, "drained", NULL, 0);                                    \
    }                                                                          \
    static void WHO##_idle(struct asynchat_channel *ch, void *arg)             \
    {                                                                          \
        (void)ch;                                                              \
        say(arg, #WHO, "idle", NULL, 0);                                       \
    }                                                                          \
    static void WHO##_stopping(struct asynchat_channel *ch, void *arg)         \
    {                                                                          \
        (void)ch;                                                              \
        say(arg, #WHO, "stopping", NULL, 0);                                   \
    }
/* clang-format off */
CALLBACKS(A)
CALLBACKS(B)
/* clang-format on */

#define BASIC(WHO)                                                             \
    .size = sizeof(struct asynchat_handler), .handle_connect = WHO##_connect,  \
    .handle_eof = WHO##_eof, .handle_error = WHO##_error,                      \
    .handle_close = WHO##_close
#define PIECES(WHO)                                                            \
    BASIC(WHO), .collect_incoming_data = WHO##_data,                           \
                .found_terminator = WHO##_found
#define WHOLE(WHO) BASIC(WHO), .message = WHO##_message
#define ALL(WHO)                                                               \
    .message_dropped = WHO##_dropped, .handle_drained = WHO##_drained,         \
    .handle_idle = WHO##_idle, .handle_stopping = WHO##_stopping

static const struct asynchat_handler a_whole = {WHOLE(A)}, b_whole = {WHOLE(B)},
                                     a_pieces = {PIECES(A)},
                                     b_pieces = {PIECES(B)},
                                     a_whole_all = {WHOLE(A), ALL(A)},
                                     b_whole_all = {WHOLE(B), ALL(B)},
                                     a_pieces_all = {PIECES(A), ALL(A)},
                                     b_pieces_all = {PIECES(B), ALL(B)};

static void set(struct fixture *f, const struct asynchat_handler *handler)
{
    size_t len = f->log_len;
    assert_int_equal(asynchat_set_handler(f->ch, handler), 0);
    assert_int_equal(f->log_len, len); /* no call runs a callback */
}

static void set_a_whole(struct fixture *f)
{
    set(f, &a_whole);
}

static void set_b_whole(struct fixture *f)
{
    set(f, &b_whole);
}

static void set_b_pieces(struct fixture *f)
{
    set(f, &b_pieces);
}

static struct fixture *begin(void **state,
                             const struct asynchat_handler *handler)
{
    when = NULL;
    struct fixture *f = start_with(state, handler);
    set_crlf(f);
    f->log_len = 0;
    f->log[0] = '\0';
    return f;
}

static void feed_and_settle(struct fixture *f, const char *text)
{
    feed_string(f, text);
    settle(f);
}

/* --- between messages --- */

static void what_was_read_already_is_for_the_next(void **state)
{
    static const char stream[] = "UP\r\nabc\rd";
    struct fixture *f;
    for (size_t cut = 0; cut < sizeof stream; cut++) {
        f = begin(state, &a_whole);
        when = "A:message(UP)";
        then = set_b_pieces;
        feed(f, stream, cut);
        settle(f);
        feed_and_settle(f, stream + cut);
        expect(f, "A:message(UP) B:data(abc<d)");
        close_connection(f);
    }
}

static void change_and_back(struct fixture *f)
{
    bool line = strstr(f->log, "UP") && !strstr(f->log, "B:found");
    set(f, line ? &b_pieces : &a_whole);
}

static void there_and_back(void **state)
{
    static const char stream[] = "UP\r\nabc\r\ndef\r\n";
    struct fixture *f;
    for (size_t cut = 0; cut < sizeof stream; cut++) {
        f = begin(state, &a_whole);
        when = ":";
        then = change_and_back;
        feed(f, stream, cut);
        settle(f);
        feed_and_settle(f, stream + cut);
        expect(f, "A:message(UP) B:data(abc) B:found A:message(def)");
        close_connection(f);
    }
}

static void set_twice(struct fixture *f)
{
    set(f, &a_pieces);
    set(f, &b_whole);
    when = NULL;
}

static void of_two_in_one_callback_the_second_counts(void **state)
{
    struct fixture *f = begin(state, &a_whole);
    when = "A:message(one)";
    then = set_twice;
    feed_and_settle(f, "one\r\ntwo\r\n");
    expect(f, "A:message(one) B:message(two)");
}

static void between_two_reads(void **state)
{
    struct fixture *f = begin(state, &a_pieces);
    feed_and_settle(f, "one\r\n");
    set_b_whole(f);
    feed_and_settle(f, "two\r\n");
    set(f, &a_whole);
    feed_and_settle(f, "three\r\n");
    expect(f, "A:data(one) A:found B:message(two) A:message(three)");
}

/* --- in the middle of a message: from whole ones to pieces --- */

static void what_was_kept_is_given_first(void **state)
{
    struct fixture *f = begin(state, &a_whole);
    feed_and_settle(f, "abc\r");
    set_b_pieces(f);
    settle(f);
    expect(f, "B:data(abc)");
    feed_and_settle(f, "\nnext\r\n");
    expect(f, "B:found B:data(next) B:found");
}

static void it_is_given_first_when_more_has_come(void **state)
{
    struct fixture *f = begin(state, &a_whole);
    feed_and_settle(f, "abc");
    feed_string(f, "def\r\n");
    set_b_pieces(f);
    settle(f);
    expect(f, "B:data(abcdef) B:found");
}

static void it_is_given_in_pieces_of_the_size(void **state)
{
    struct fixture *f = begin(state, &a_whole);
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 4), 0);
    feed_and_settle(f, "abcdefghijklm");
    f->data_max = 0;
    set_b_pieces(f);
    feed_and_settle(f, "n\r\n");
    assert_int_equal(f->data_max, 4);
    expect(f, "B:data(abcdefghijklmn) B:found");
}

static void changed_back_at_once_nothing_has_happened(void **state)
{
    struct fixture *f = begin(state, &a_whole);
    const void *data;
    feed_and_settle(f, "abc");
    set_b_pieces(f);
    assert_int_equal(asynchat_get_collected(f->ch, &data), 0);
    assert_null(data);
    set_b_whole(f);
    assert_int_equal(asynchat_get_collected(f->ch, &data), 3);
    assert_memory_equal(data, "abc", 3);
    feed_and_settle(f, "def\r\nghi\r\n");
    expect(f, "B:message(abcdef) B:message(ghi)");
}

static void what_is_left_is_for_a_handler_with_message_again(void **state)
{
    struct fixture *f = begin(state, &a_whole);
    const void *data;
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 4), 0);
    feed_and_settle(f, "abcdefghij");
    when = "B:data(abcd)";
    then = set_a_whole;
    set_b_pieces(f);
    settle(f);
    expect(f, "B:data(abcd)");
    assert_int_equal(asynchat_get_collected(f->ch, &data), 6);
    assert_memory_equal(data, "efghij", 6);
    feed_and_settle(f, "k\r\nnext\r\n");
    expect(f, "A:message(efghijk) A:message(next)");
}

static void pause_reading(struct fixture *f)
{
    asynchat_pause_reading(f->ch);
}

static void it_can_be_paused_in_the_middle(void **state)
{
    struct fixture *f = begin(state, &a_whole);
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 4), 0);
    feed_and_settle(f, "abcdefghij");
    when = "B:data(abcd)";
    then = pause_reading;
    set_b_pieces(f);
    feed_and_settle(f, "kl\r\n");
    expect(f, "B:data(abcd)");
    asynchat_resume_reading(f->ch);
    settle(f);
    expect(f, "B:data(efghijkl) B:found");
}

static void a_pause_holds_it_back_and_the_end_behind_it(void **state)
{
    struct fixture *f = begin(state, &a_whole);
    feed_and_settle(f, "abc");
    asynchat_pause_reading(f->ch);
    set_b_pieces(f);
    feed_eof(f);
    settle(f);
    expect(f, "");
    asynchat_resume_reading(f->ch);
    settle(f);
    expect(f, "B:data(abc) B:eof(cut off) B:closed");
}

static void at_the_end_it_is_given_before(void **state)
{
    struct fixture *f = begin(state, &a_whole);
    feed_and_settle(f, "abc\r");
    set_b_pieces(f);
    feed_eof(f);
    settle(f);
    expect(f, "B:data(abc<) B:eof(cut off) B:closed");
}

static void what_is_discarded_is_not_given(void **state)
{
    struct fixture *f = begin(state, &a_whole);
    feed_and_settle(f, "abc");
    set_b_pieces(f);
    asynchat_discard_buffers(f->ch);
    settle(f);
    expect(f, "");
    feed_and_settle(f, "def\r\n");
    set_a_whole(f);
    feed_and_settle(f, "ghi\r\n");
    expect(f, "B:data(def) B:found A:message(ghi)");
}

static void discard(struct fixture *f)
{
    when = NULL;
    asynchat_discard_buffers(f->ch);
}

static void a_piece_of_it_may_discard_the_rest(void **state)
{
    struct fixture *f = begin(state, &a_whole);
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 4), 0);
    feed_and_settle(f, "abcdefghij");
    when = "B:data(abcd)";
    then = discard;
    set_b_pieces(f);
    settle(f);
    feed_and_settle(f, "k\r\n");
    expect(f, "B:data(abcdk) B:found");
    const void *data;
    set_a_whole(f);
    feed_and_settle(f, "pq");
    assert_int_equal(asynchat_get_collected(f->ch, &data), 2);
    assert_memory_equal(data, "pq", 2);
}

static void free_channel(struct fixture *f)
{
    asynchat_channel_free(f->ch);
    f->ch = NULL;
}

static void a_piece_of_it_may_free_the_channel(void **state)
{
    struct fixture *f = begin(state, &a_whole);
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 4), 0);
    feed_and_settle(f, "abcdefghij");
    when = "B:data(abcd)";
    then = free_channel;
    set_b_pieces(f);
    settle(f);
    expect(f, "B:data(abcd)");
}

static void set_on_release(const void *data, size_t len, void *arg)
{
    (void)data;
    (void)len;
    set(arg, &b_pieces);
}

/* The release callback runs between two pieces of the input. */
static void in_a_release_in_the_middle(void **state)
{
    struct fixture *f = begin(state, &a_whole);
    assert_int_equal(
        asynchat_push_reference(f->far, "abc", 3, set_on_release, f), 0);
    feed_and_settle(f, "def\r\n");
    expect(f, "B:data(abcdef) B:found");
}

/* --- in the middle of a message: from pieces to whole ones --- */

static void the_rest_is_one_message(void **state)
{
    struct fixture *f = begin(state, &a_pieces);
    feed_and_settle(f, "abc");
    set_b_whole(f);
    assert_int_equal(asynchat_get_collected(f->ch, NULL), 0);
    feed_and_settle(f, "de");
    assert_int_equal(asynchat_get_collected(f->ch, NULL), 2);
    feed_and_settle(f, "f\r");
    feed_and_settle(f, "\nghi\r\n");
    expect(f, "A:data(abc) B:message(def) B:message(ghi)");
}

static void byte_by_byte(void **state)
{
    struct fixture *f = begin(state, &a_pieces);
    feed_and_settle(f, "ab");
    set_b_whole(f);
    for (const char *at = "cde\r\nfg\r\n"; *at; at++)
        feed_and_settle(f, (char[]){*at, '\0'});
    expect(f, "A:data(ab) B:message(cde) B:message(fg)");
}

static void the_rest_may_be_empty(void **state)
{
    static const char stream[] = "abc\r\nnext\r\n";
    struct fixture *f;
    for (size_t cut = 3; cut < 6; cut++) {
        f = begin(state, &a_pieces);
        when = "A:data(abc)";
        then = set_b_whole;
        feed(f, stream, cut);
        settle(f);
        feed_and_settle(f, stream + cut);
        expect(f, "A:data(abc) B:message() B:message(next)");
        close_connection(f);
    }
}

static void the_rest_of_a_number_of_bytes(void **state)
{
    struct fixture *f = begin(state, &a_pieces);
    assert_int_equal(asynchat_set_terminator_length(f->ch, 5), 0);
    feed_and_settle(f, "abc");
    set_b_whole(f);
    feed_and_settle(f, "de");
    expect(f, "A:data(abc) B:message(de)");
    assert_int_equal(asynchat_set_terminator_length(f->ch, 3), 0);
    set(f, &a_pieces);
    when = "A:data(xyz)";
    then = set_b_whole;
    feed_and_settle(f, "xyz");
    expect(f, "A:data(xyz) B:message()");
}

static void without_a_terminator_the_end_ends_it(void **state)
{
    struct fixture *f = begin(state, &a_pieces);
    assert_int_equal(asynchat_set_terminator_none(f->ch), 0);
    feed_and_settle(f, "abc");
    set_b_whole(f);
    feed_and_settle(f, "def");
    feed_eof(f);
    settle(f);
    expect(f, "A:data(abc) B:message(def) B:eof B:closed");
}

static void what_is_discarded_is_not_counted(void **state)
{
    struct fixture *f = begin(state, &a_pieces);
    feed_and_settle(f, "abc");
    set_b_whole(f);
    asynchat_discard_buffers(f->ch);
    feed_and_settle(f, "d");
    feed_and_settle(f, "ef\r\n");
    expect(f, "A:data(abc) B:message(def)");
}

static void there_and_back_in_one_message(void **state)
{
    struct fixture *f = begin(state, &a_pieces);
    feed_and_settle(f, "ab");
    set_b_whole(f);
    feed_and_settle(f, "cd");
    set(f, &a_pieces);
    feed_and_settle(f, "ef");
    set_b_whole(f);
    feed_and_settle(f, "gh\r\n");
    expect(f, "A:data(abcdef) B:message(gh)");
}

/* --- limits --- */

static void a_limit_never_set_is_the_handlers(void **state)
{
    struct fixture *f = begin(state, &a_whole);
    assert_true(asynchat_get_message_limit(f->ch) == 1u << 20);
    set_b_pieces(f);
    assert_true(asynchat_get_message_limit(f->ch) == SIZE_MAX);
    set_b_whole(f);
    assert_true(asynchat_get_message_limit(f->ch) == 1u << 20);
    assert_int_equal(asynchat_set_message_limit(f->ch, 5), 0);
    set_b_pieces(f);
    assert_true(asynchat_get_message_limit(f->ch) == 5);
}

static void the_limit_counts_on(void **state)
{
    struct fixture *f = begin(state, &a_pieces);
    assert_int_equal(asynchat_set_message_limit(f->ch, 5), 0);
    feed_and_settle(f, "abc");
    set_b_whole(f);
    feed_and_settle(f, "de\r\nabcde\r\n");
    expect(f, "A:data(abc) B:message(de) B:message(abcde)");
    set(f, &a_pieces);
    feed_and_settle(f, "abc");
    set_b_whole(f);
    feed_and_settle(f, "def");
    expect(f, "A:data(abc) B:error(ETOOLONG)");
}

static void what_is_dropped_counts_all_of_the_message(void **state)
{
    struct fixture *f = begin(state, &a_pieces_all);
    assert_int_equal(asynchat_set_message_limit(f->ch, 5), 0);
    feed_and_settle(f, "abc");
    set(f, &b_whole_all);
    feed_and_settle(f, "defgh\r\nabcdef\r\n");
    expect(f, "A:data(abc) B:dropped(8,de) B:dropped(6,abcde)");
    feed_and_settle(f, "abcdefg");
    set(f, &a_pieces_all);
    feed_and_settle(f, "h\r\nab\r\n");
    expect(f, "A:data(abcde) A:dropped(8,) A:data(ab) A:found");
}

static void a_handler_that_drops_nothing_ends_it(void **state)
{
    static const char *const rests[] = {"\r\n", "g\r\n"};
    struct fixture *f;
    for (size_t i = 0; i < 4; i++) {
        f = begin(state, &a_whole_all);
        assert_int_equal(asynchat_set_message_limit(f->ch, 5), 0);
        feed_and_settle(f, "abcdef");
        set(f, i < 2 ? &b_whole : &b_pieces);
        feed_and_settle(f, rests[i % 2]);
        f->log[f->log_len = strcspn(f->log, "E")] = '\0';
        expect(f, i < 2 ? "B:error(" : "B:data(abcde) B:error(");
        close_connection(f);
    }
}

/* --- the other callbacks --- */

static void handle_connect_and_handle_close_are_the_new_ones(void **state)
{
    struct fixture *f = *state;
    struct asynchat_channel *pair[2];
    const struct asynchat_handler *handlers[2] = {&a_whole, &a_pieces};
    void *args[2] = {f, f};
    when = NULL;
    assert_int_equal(asynchat_pair_new(f->base, handlers, args, pair), 0);
    asynchat_channel_free(pair[1]);
    f->ch = pair[0];
    set_b_pieces(f);
    when = "B:connect";
    then = set_a_whole;
    settle(f);
    expect(f, "B:connect A:eof A:closed");
}

static void a_channel_that_has_ended_closes_with_the_new_one(void **state)
{
    struct fixture *f = begin(state, &a_whole);
    asynchat_close(f->ch);
    set_b_pieces(f);
    settle(f);
    expect(f, "B:closed");
}

#define MUCH (16u << 20)

static void handle_drained_is_due_for_what_is_queued(void **state)
{
    struct fixture *f = begin(state, &a_whole);
    char *data = big(MUCH);
    assert_int_equal(asynchat_set_output_marks(f->ch, 0, 2 * MUCH), 0);
    assert_int_equal(asynchat_push(f->ch, data, MUCH), 0);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    set(f, &b_whole_all);
    settle(f);
    expect(f, "B:drained");
    assert_int_equal(asynchat_push(f->ch, data, MUCH), 0);
    set(f, &a_whole);
    settle(f);
    expect(f, "");
    free(data);
}

static void pass(struct fixture *f, long milliseconds)
{
    clock_advance(milliseconds);
    settle(f);
}

static void the_idle_times_begin_anew(void **state)
{
    struct fixture *f = begin(state, &a_whole_all);
    struct asynchat_timeouts times = {.size = sizeof times, .idle = 1000};
    assert_int_equal(asynchat_set_timeouts(f->ch, &times), 0);
    settle(f);
    pass(f, 1000);
    pass(f, 5000);
    expect(f, "A:idle");
    set(f, &b_whole);
    pass(f, 999);
    expect(f, "");
    pass(f, 1);
    expect(f, "B:error(EIDLE) B:closed");
}

static void idle_times_that_have_not_ended_go_on(void **state)
{
    struct fixture *f = begin(state, &a_whole_all);
    struct asynchat_timeouts times = {.size = sizeof times, .idle = 1000};
    assert_int_equal(asynchat_set_timeouts(f->ch, &times), 0);
    pass(f, 600);
    set(f, &b_whole);
    pass(f, 399);
    expect(f, "");
    pass(f, 1);
    expect(f, "B:error(EIDLE) B:closed");
}

static void forget_server(void *arg)
{
    ((struct fixture *)arg)->server = NULL;
}

static struct fixture *stop(void **state,
                            const struct asynchat_handler *handler)
{
    struct fixture *f = begin(state, handler);
    feed_and_settle(f, "he");
    assert_int_equal(asynchat_server_stop(f->server, 100000, forget_server, f),
                     0);
    return f;
}

static void a_server_that_stops_tells_the_new_one(void **state)
{
    struct fixture *f = stop(state, &a_whole);
    settle(f);
    set(f, &b_whole_all);
    settle(f);
    expect(f, "B:stopping");
    feed_and_settle(f, "llo\r\n");
    expect(f, "B:message(hello)");
}

static void one_that_cannot_be_told_closes_between_messages(void **state)
{
    struct fixture *f = stop(state, &a_whole_all);
    settle(f);
    expect(f, "A:stopping");
    set(f, &b_whole);
    settle(f);
    expect(f, "");
    feed_and_settle(f, "llo\r\n");
    expect(f, "B:message(hello) B:closed");
}

/* --- with a transcript, and a layer --- */

static void tell(struct asynchat_channel *ch, enum asynchat_transcript what,
                 const void *data, size_t len, void *arg)
{
    struct fixture *f = arg;
    (void)ch;
    if (what == ASYNCHAT_TRANSCRIPT_RECEIVED)
        say(f, "T", "got(", data, len);
}

static void a_transcript_goes_on(void **state)
{
    struct fixture *f = begin(state, &a_whole);
    assert_int_equal(asynchat_set_transcript(f->ch, tell, f), 0);
    feed_and_settle(f, "ab\r\nc");
    set_b_pieces(f);
    feed_and_settle(f, "d\r\n");
    expect(f, "T:got(ab) A:message(ab) T:got(c) B:data(c) T:got(d) B:data(d) "
              "B:found");
    assert_int_equal(asynchat_set_transcript(f->ch, NULL, NULL), 0);
    feed_and_settle(f, "e\r\n");
    set_a_whole(f);
    feed_and_settle(f, "f\r\n");
    expect(f, "B:data(e) B:found A:message(f)");
    assert_int_equal(asynchat_set_transcript(f->ch, tell, f), 0);
    feed_and_settle(f, "g\r\n");
    expect(f, "T:got(g) A:message(g)");
}

/* The event under way is for the handler before. */
static void a_transcript_may_set_it(void **state)
{
    struct fixture *f = begin(state, &a_whole);
    assert_int_equal(asynchat_set_transcript(f->ch, tell, f), 0);
    when = "T:got(one)";
    then = set_b_pieces;
    feed_and_settle(f, "one\r\ntwo\r\n");
    expect(f, "T:got(one) A:message(one) T:got(two) B:data(two) B:found");
    when = "T:got(thr";
    then = set_a_whole;
    feed_and_settle(f, "thr");
    feed_and_settle(f, "ee\r\n");
    expect(f, "T:got(thr) B:data(thr) T:got(ee) A:message(ee)");
}

static void begin_layer(struct asynchat_channel *ch, bool client)
{
    assert_int_equal(asynchat_set_layer(ch, &toy_ops, toy_new(client), NULL),
                     0);
}

static void through_a_layer(void **state)
{
    struct fixture *f = begin(state, &a_whole);
    begin_layer(f->ch, false);
    begin_layer(f->far, true);
    settle(f);
    when = "A:message(UP)";
    then = set_b_pieces;
    feed_and_settle(f, "UP\r\nabc");
    set(f, &b_whole);
    feed_and_settle(f, "de");
    set_b_pieces(f);
    feed_and_settle(f, "f\r\n");
    expect(f, "A:message(UP) B:data(abcdef) B:found");
}

/* Nothing of before the border is given behind it. */
static void a_border_drops_what_was_kept(void **state)
{
    struct fixture *f = begin(state, &a_whole);
    feed_and_settle(f, "plain");
    set_b_pieces(f);
    begin_layer(f->ch, false);
    begin_layer(f->far, true);
    settle(f);
    feed_and_settle(f, "sealed\r\n");
    set_a_whole(f);
    feed_and_settle(f, "too\r\n");
    expect(f, "B:data(sealed) B:found A:message(too)");
}

/* --- at random --- */

static unsigned random_of(unsigned *seed, unsigned most)
{
    *seed = *seed * 1103515245 + 12345;
    return (*seed >> 16) % most;
}

static unsigned change_seed;

static void change_at_random(struct fixture *f)
{
    static const struct asynchat_handler *const all[] = {&a_whole, &a_pieces,
                                                         &b_whole, &b_pieces};
    if (f->ch && random_of(&change_seed, 3) == 0)
        set(f, all[random_of(&change_seed, 4)]);
}

/* The bytes that were delivered, with "<>" at each end of a message. */
static void delivered(const char *log, char *to)
{
    for (; *log; log++) {
        const char *end = strstr(log, "found") == log ? "<>" : "";
        bool whole = strncmp(log, "message(", 8) == 0;
        if (whole || strncmp(log, "data(", 5) == 0)
            for (log = strchr(log, '(') + 1; *log != ')'; log++)
                *to++ = *log;
        if (whole)
            end = "<>";
        to = stpcpy(to, end);
    }
    *to = '\0';
}

static void try_at_random(void **state, unsigned seed)
{
    char got[4096], sent[4096], *to = sent;
    struct fixture *f = begin(state, &a_whole);
    change_seed = seed;
    when = ":";
    then = change_at_random;
    assert_int_equal(
        asynchat_set_in_buffer_size(f->ch, 1 + random_of(&seed, 6)), 0);
    for (int i = 0; i < 30; i++) {
        size_t len = 1 + random_of(&seed, 12);
        for (size_t k = 0; k < len; k++)
            to[k] = "ab\r\n\r\n"[random_of(&seed, 6)];
        feed(f, to, len);
        to += len;
        if (random_of(&seed, 2))
            settle(f);
        change_at_random(f);
    }
    *to = '\0';
    feed_string(f, "\r\n");
    when = NULL;
    set_b_pieces(f);
    settle(f);
    strcat(sent, "\r\n");
    for (to = sent; *to; to++)
        *to = *to == '\r' ? '<' : *to == '\n' ? '>' : *to;
    delivered(f->log, got);
    assert_string_equal(got, sent);
    close_connection(f);
}

static void nothing_is_lost_however_often_it_is_set(void **state)
{
    for (unsigned seed = 1; seed <= 300; seed++)
        try_at_random(state, seed);
}

/* --- bad tables --- */

static void bad_tables_are_refused(void **state)
{
    struct fixture *f = begin(state, &a_whole);
    struct {
        struct asynchat_handler handler;
        void *more;
    } table = {{WHOLE(B)}, f};
    assert_int_equal(asynchat_set_handler(NULL, &b_whole), -EINVAL);
    assert_int_equal(asynchat_set_handler(f->ch, NULL), -EINVAL);
    table.handler.found_terminator = B_found;
    assert_int_equal(asynchat_set_handler(f->ch, &table.handler), -EINVAL);
    table.handler.found_terminator = NULL;
    table.handler.size = 8;
    assert_int_equal(asynchat_set_handler(f->ch, &table.handler), -EINVAL);
    table.handler.size = sizeof table;
    assert_int_equal(asynchat_set_handler(f->ch, &table.handler), -ENOTSUP);
    feed_and_settle(f, "abc\r\n");
    expect(f, "A:message(abc)");
    table.more = NULL;
    assert_int_equal(asynchat_set_handler(f->ch, &table.handler), 0);
    feed_and_settle(f, "abc\r\n");
    expect(f, "B:message(abc)");
}

static void tell_nobody(struct asynchat_channel *ch,
                        enum asynchat_transcript what, const void *data,
                        size_t len, void *arg)
{
    (void)ch;
    (void)what;
    (void)data;
    (void)len;
    (void)arg;
}

/* A transcript does not show. */
static void the_handler_in_force_is_known(void **state)
{
    struct fixture *f = begin(state, &a_whole);
    assert_null(asynchat_get_handler(NULL));
    assert_ptr_equal(asynchat_get_handler(f->ch), &a_whole);
    assert_int_equal(asynchat_set_handler(f->ch, NULL), -EINVAL);
    assert_ptr_equal(asynchat_get_handler(f->ch), &a_whole);
    assert_int_equal(asynchat_set_transcript(f->ch, tell_nobody, NULL), 0);
    assert_ptr_equal(asynchat_get_handler(f->ch), &a_whole);
    const struct asynchat_handler *before = asynchat_get_handler(f->ch);
    assert_int_equal(asynchat_set_handler(f->ch, &b_whole), 0);
    assert_ptr_equal(asynchat_get_handler(f->ch), &b_whole);
    assert_int_equal(asynchat_set_transcript(f->ch, NULL, NULL), 0);
    assert_ptr_equal(asynchat_get_handler(f->ch), &b_whole);
    assert_int_equal(asynchat_set_handler(f->ch, before), 0);
    feed_and_settle(f, "abc\r\n");
    expect(f, "A:message(abc)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_ALL(what_was_read_already_is_for_the_next),
        OVER_ALL(there_and_back),
        OVER_ALL(of_two_in_one_callback_the_second_counts),
        OVER_ALL(between_two_reads),
        OVER_ALL(what_was_kept_is_given_first),
        OVER_ALL(it_is_given_first_when_more_has_come),
        OVER_ALL(it_is_given_in_pieces_of_the_size),
        OVER_ALL(changed_back_at_once_nothing_has_happened),
        OVER_ALL(what_is_left_is_for_a_handler_with_message_again),
        OVER_ALL(it_can_be_paused_in_the_middle),
        OVER_ALL(a_pause_holds_it_back_and_the_end_behind_it),
        OVER_ALL(at_the_end_it_is_given_before),
        OVER_ALL(what_is_discarded_is_not_given),
        OVER_ALL(a_piece_of_it_may_discard_the_rest),
        OVER_ALL(a_piece_of_it_may_free_the_channel),
        OVER(PAIR, in_a_release_in_the_middle),
        OVER_ALL(the_rest_is_one_message),
        OVER_ALL(byte_by_byte),
        OVER_ALL(the_rest_may_be_empty),
        OVER_ALL(the_rest_of_a_number_of_bytes),
        OVER_ALL(without_a_terminator_the_end_ends_it),
        OVER_ALL(what_is_discarded_is_not_counted),
        OVER_ALL(there_and_back_in_one_message),
        OVER_ALL(a_limit_never_set_is_the_handlers),
        OVER_SOCKETS(the_limit_counts_on),
        OVER_ALL(what_is_dropped_counts_all_of_the_message),
        OVER_ALL(a_handler_that_drops_nothing_ends_it),
        OVER(PAIR, handle_connect_and_handle_close_are_the_new_ones),
        OVER_ALL(a_channel_that_has_ended_closes_with_the_new_one),
        OVER_SOCKETS(handle_drained_is_due_for_what_is_queued),
        OVER(BUFFEREVENT, handle_drained_is_due_for_what_is_queued),
        OVER_ALL(the_idle_times_begin_anew),
        OVER_ALL(idle_times_that_have_not_ended_go_on),
        OVER(TCP, a_server_that_stops_tells_the_new_one),
        OVER(TCP, one_that_cannot_be_told_closes_between_messages),
        OVER_ALL(a_transcript_goes_on),
        OVER_ALL(a_transcript_may_set_it),
        OVER(PAIR, through_a_layer),
        OVER(PAIR, a_border_drops_what_was_kept),
        OVER_ALL(nothing_is_lost_however_often_it_is_set),
        OVER_ALL(bad_tables_are_refused),
        OVER_ALL(the_handler_in_force_is_known),
    };
    (void)b_pieces_all;
    return RUN(tests);
}
