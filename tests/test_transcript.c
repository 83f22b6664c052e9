/* The transcript. SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

/* --- what was told --- */

static char told[4096];
static enum asynchat_transcript last;

static void tell(struct asynchat_channel *ch, enum asynchat_transcript what,
                 const void *data, size_t len, void *arg)
{
    static const char *const names[] = {"<", "found", ">"};
    size_t at = strlen(told), room = sizeof told - at;
    assert_non_null(ch);
    assert_ptr_equal(arg, told);
    if (at > 0 && what == last && data)
        snprintf(told + at, room, "%.*s", (int)len, (const char *)data);
    else if (data)
        snprintf(told + at, room, " %s%.*s", names[what], (int)len,
                 (const char *)data);
    else
        snprintf(told + at, room, " %s(%zu)", names[what], len);
    last = what;
}

static void transcribe(struct fixture *f)
{
    told[0] = '\0';
    assert_int_equal(asynchat_set_transcript(f->ch, tell, told), 0);
}

static void expect_told(const char *expected)
{
    assert_string_equal(told, expected);
    told[0] = '\0';
}

static struct fixture *start_told(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    transcribe(f);
    return f;
}

/* --- input --- */

static void what_comes_is_told_in_order(void **state)
{
    struct fixture *f = start_told(state);
    feed_string(f, "one\r\n\r\nthree\r\nfo");
    settle(f);
    expect_told(" <one found(0) found(0) <three found(0) <fo");
    expect(f, "data(one) found found data(three) found data(fo)");
}

static void a_whole_message_is_told_before_the_handler_has_it(void **state)
{
    struct fixture *f = start_whole(state);
    set_crlf(f);
    transcribe(f);
    feed_string(f, "one\r\n\r\n");
    settle(f);
    expect_told(" <one found(0) found(0)");
    expect(f, "message(one) message()");
}

static void so_is_a_message_that_was_dropped(void **state)
{
    struct fixture *f = start_with(state, &dropping_whole_recorder);
    set_crlf(f);
    assert_int_equal(asynchat_set_message_limit(f->ch, 4), 0);
    transcribe(f);
    feed_string(f, "fives\r\nabc\r\n");
    settle(f);
    expect_told(" found(5) <abc found(0)");
}

static void ask_nothing(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (*(int *)arg)++;
}

static void a_handler_without_callbacks_for_data_has_a_transcript(void **state)
{
    static const struct asynchat_handler only = {
        .size = sizeof only, .found_terminator = ask_nothing};
    struct fixture *f = *state;
    int fds[2], count = 0;
    struct asynchat_channel *ch;
    make_socketpair(fds);
    assert_int_equal(
        asynchat_channel_new_socket(f->base, fds[0], &only, &count, &ch), 0);
    assert_int_equal(asynchat_set_terminator(ch, "\n", 1), 0);
    told[0] = '\0';
    assert_int_equal(asynchat_set_transcript(ch, tell, told), 0);
    assert_int_equal(write(fds[1], "a\nb\n", 4), 4);
    for (int i = 0; i < 5; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    expect_told(" <a found(0) <b found(0)");
    assert_int_equal(count, 2);
    asynchat_channel_free(ch);
    close(fds[1]);
}

static void count_bytes(struct asynchat_channel *ch, const void *data,
                        size_t len, void *arg)
{
    (void)ch;
    (void)data;
    *(int *)arg += (int)len;
}

static void so_has_one_that_is_told_of_no_terminator(void **state)
{
    static const struct asynchat_handler only = {
        .size = sizeof only, .collect_incoming_data = count_bytes};
    struct fixture *f = *state;
    int fds[2], count = 0;
    struct asynchat_channel *ch;
    make_socketpair(fds);
    assert_int_equal(
        asynchat_channel_new_socket(f->base, fds[0], &only, &count, &ch), 0);
    assert_int_equal(asynchat_set_terminator(ch, "\n", 1), 0);
    told[0] = '\0';
    assert_int_equal(asynchat_set_transcript(ch, tell, told), 0);
    assert_int_equal(write(fds[1], "a\nb\n", 4), 4);
    for (int i = 0; i < 5; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    expect_told(" <a found(0) <b found(0)");
    assert_int_equal(count, 2);
    asynchat_channel_free(ch);
    close(fds[1]);
}

/* --- output --- */

static void what_is_pushed_is_told(void **state)
{
    struct fixture *f = start_told(state);
    struct evbuffer *buffer = evbuffer_new();
    evbuffer_add(buffer, "three", 5);
    evbuffer_add_reference(buffer, " and", 4, NULL, NULL);
    assert_int_equal(asynchat_push(f->ch, "one ", 4), 0);
    assert_int_equal(asynchat_push_reference(f->ch, "two ", 4, NULL, NULL), 0);
    assert_int_equal(asynchat_push_evbuffer(f->ch, buffer), 0);
    assert_int_equal(
        asynchat_push_producer(f->ch, asynchat_producer_simple(" four", 5, 3)),
        0);
    assert_int_equal(asynchat_push(f->ch, " five", 5), 0);
    expect_told(" >one two three and five");
    settle(f);
    expect_told(" > four");
    expect_got(f, "one two three and four five");
    evbuffer_free(buffer);
}

static void what_was_refused_is_not(void **state)
{
    struct fixture *f = start_told(state);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    assert_int_equal(asynchat_push(f->ch, "late", 4), ASYNCHAT_ECLOSED);
    expect_told("");
}

static void of_a_file_it_is_told_how_much(void **state)
{
    struct fixture *f = start_told(state);
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite("0123456789", 1, 10, file), 10);
    fflush(file);
    int fd = dup(fileno(file));
    fclose(file);
    assert_int_equal(
        asynchat_push_producer(f->ch, asynchat_producer_file(fd, 2, 5)), 0);
    settle(f);
    expect_told(f->over == OVER_SOCKETPAIR || f->over == OVER_TCP ? " >(5)"
                                                                  : " >23456");
    expect_got(f, "23456");
}

static void answer(struct fixture *f)
{
    assert_int_equal(asynchat_push(f->ch, "yes", 3), 0);
}

static void it_is_the_order_of_the_conversation(void **state)
{
    struct fixture *f = start_told(state);
    f->on_found = answer;
    feed_string(f, "one\r\ntwo\r\n");
    settle(f);
    expect_told(" <one found(0) >yes <two found(0) >yes");
    expect_got(f, "yesyes");
}

/* --- secrets, and the end --- */

static void secret(struct fixture *f)
{
    asynchat_set_secret(f->ch, f->count++ == 0);
}

static void of_what_is_secret_only_the_length_is_told(void **state)
{
    struct fixture *f = start_told(state);
    f->on_found = secret;
    feed_string(f, "user\r\npassword\r\nhello\r\n");
    settle(f);
    expect_told(" <user found(0) <(8) found(0) <hello found(0)");
    asynchat_set_secret(f->ch, 1);
    assert_int_equal(asynchat_push(f->ch, "key", 3), 0);
    asynchat_set_secret(f->ch, 0);
    assert_int_equal(asynchat_push(f->ch, "all", 3), 0);
    expect_told(" >(3)all");
}

static void end_it(struct fixture *f)
{
    assert_int_equal(asynchat_set_transcript(f->ch, NULL, NULL), 0);
}

static void it_may_end_inside_a_callback(void **state)
{
    struct fixture *f = start_told(state);
    f->on_data = end_it;
    feed_string(f, "one\r\ntwo\r\n");
    settle(f);
    assert_int_equal(asynchat_push(f->ch, "x", 1), 0);
    settle(f);
    expect_told(" <one");
    expect(f, "data(one) found data(two) found");
    transcribe(f);
    f->on_data = NULL;
    feed_string(f, "three\r\n");
    settle(f);
    expect_told(" <three found(0)");
}

static void tell_once(struct asynchat_channel *ch,
                      enum asynchat_transcript what, const void *data,
                      size_t len, void *arg)
{
    tell(ch, what, data, len, arg);
    assert_int_equal(asynchat_set_transcript(ch, NULL, NULL), 0);
}

/* The handler has the rest of the message, of which nothing more is told. */
static void it_may_end_inside_its_own_report(void **state)
{
    struct fixture *f = start_with(state, &whole_recorder);
    set_crlf(f);
    told[0] = '\0';
    assert_int_equal(asynchat_set_transcript(f->ch, tell_once, told), 0);
    feed_string(f, "one\r\ntwo\r\n");
    settle(f);
    expect_told(" <one");
    expect(f, "connect message(one) message(two)");
}

/* The transcript ends the channel at this report. */
static enum asynchat_transcript end_at;
static bool frees;

static void tell_and_end(struct asynchat_channel *ch,
                         enum asynchat_transcript what, const void *data,
                         size_t len, void *arg)
{
    struct fixture *f = arg;
    tell(ch, what, data, len, told);
    if (what != end_at)
        return;
    if (frees)
        f->ch = NULL;
    (frees ? asynchat_channel_free : asynchat_close)(ch);
}

static void expect_end(void **state, const struct asynchat_handler *handler,
                       const char *expected, const char *events)
{
    struct fixture *f = start_with(state, handler);
    set_crlf(f);
    expect(f, "connect");
    assert_int_equal(asynchat_set_message_limit(f->ch, 4), 0);
    assert_int_equal(asynchat_set_transcript(f->ch, tell_and_end, f), 0);
    told[0] = '\0';
    feed_string(f, "one\r\ntoo long\r\nthree\r\n");
    settle(f);
    expect_told(expected);
    expect(f, events);
    close_connection(f);
}

static void nothing_is_delivered_once_it_has_ended_the_channel(void **state)
{
    for (int i = 0; i < 2; i++) {
        const char *end = i == 0 ? "closed(0)" : "";
        frees = i == 1;
        end_at = ASYNCHAT_TRANSCRIPT_RECEIVED;
        expect_end(state, &recorder, " <one", end);
        expect_end(state, &whole_recorder, " <one", end);
        end_at = ASYNCHAT_TRANSCRIPT_FOUND;
        expect_end(state, &recorder, " <one found(0)",
                   i == 0 ? "data(one) closed(0)" : "data(one)");
        expect_end(state, &whole_recorder, " <one found(0)", end);
    }
}

static void nor_is_what_was_dropped(void **state)
{
    frees = true;
    end_at = ASYNCHAT_TRANSCRIPT_FOUND;
    struct fixture *f = start_with(state, &dropping_whole_recorder);
    set_crlf(f);
    assert_int_equal(asynchat_set_message_limit(f->ch, 4), 0);
    assert_int_equal(asynchat_set_transcript(f->ch, tell_and_end, f), 0);
    feed_string(f, "too long\r\nthree\r\n");
    settle(f);
    expect_told(" found(8)");
    expect(f, "connect");
}

static void bad_calls_are_refused(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_transcript(NULL, tell, told), -EINVAL);
    asynchat_set_secret(NULL, 1);
    asynchat_set_secret(f->ch, 1);
    transcribe(f);
    assert_int_equal(asynchat_push(f->ch, "x", 1), 0);
    expect_told(" >x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_ALL(what_comes_is_told_in_order),
        OVER_ALL(a_whole_message_is_told_before_the_handler_has_it),
        OVER_ALL(so_is_a_message_that_was_dropped),
        OVER(SOCKETPAIR, a_handler_without_callbacks_for_data_has_a_transcript),
        OVER(SOCKETPAIR, so_has_one_that_is_told_of_no_terminator),
        OVER_ALL(what_is_pushed_is_told),
        OVER_ALL(what_was_refused_is_not),
        OVER_ALL(of_a_file_it_is_told_how_much),
        OVER_ALL(it_is_the_order_of_the_conversation),
        OVER_ALL(of_what_is_secret_only_the_length_is_told),
        OVER_ALL(it_may_end_inside_a_callback),
        OVER_ALL(it_may_end_inside_its_own_report),
        OVER_ALL(nothing_is_delivered_once_it_has_ended_the_channel),
        OVER_ALL(nor_is_what_was_dropped),
        OVER_ALL(bad_calls_are_refused),
    };
    return RUN(tests);
}
