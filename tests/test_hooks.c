/* Code of the program that runs inside the program's own call to the library:
 * callbacks of evbuffers, `release`, the transcript. Whatever this code does,
 * the channel's memory outlives the call, no callback of the handler runs
 * during the call, and the queue is in order and counted.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

/* --- what the code does, once --- */

enum deed { FREE, CLOSE, DISCARD, PUSH, DETACH, DEEDS };
static const char *const deeds[DEEDS] = {"frees", "closes", "discards",
                                         "pushes", "detaches"};

static enum deed deed;
static unsigned done;   /* how often the code ran */
static unsigned before; /* how often it does nothing first */
static size_t queued;   /* bytes queued after it discarded */
static bool left;       /* the connection has left the channel */

static struct evbuffer *output_of(struct fixture *f)
{
    return bufferevent_get_output(asynchat_get_bufferevent(f->ch));
}

/* Bytes that a bufferevent was given are still sent. */
static size_t given(struct fixture *f)
{
    bool lent = f->over == OVER_PAIR || f->over == OVER_BUFFEREVENT;
    return lent ? evbuffer_get_length(output_of(f)) : 0;
}

/* Output that is at work, or is pushed by the call, keeps the connection. Only
 * where nothing is pushed can it leave; then it is closed. */
static void detach(struct fixture *f)
{
    struct evbuffer *rest = evbuffer_new();
    struct bufferevent *bev = NULL;
    int fd = asynchat_detach(f->ch, rest);
    int error = fd == -ENOTSUP ? asynchat_detach_bufferevent(f->ch, &bev) : fd;
    evbuffer_free(rest);
    if (fd >= 0)
        close(fd);
    if (bev)
        bufferevent_free(bev);
    left = error >= 0;
    if (left)
        f->ch = NULL;
    else if (f->over != OVER_PAIR)
        assert_true(error == -EBUSY || error == ASYNCHAT_ECLOSED);
}

static void act(struct fixture *f)
{
    if (done++ != before)
        return;
    switch (deed) {
    case FREE:
        asynchat_channel_free(f->ch);
        f->ch = NULL;
        break;
    case CLOSE:
        asynchat_close(f->ch);
        break;
    case DISCARD:
        asynchat_discard_buffers(f->ch);
        queued = asynchat_get_queued(f->ch) - given(f);
        break;
    case DETACH:
        detach(f);
        break;
    default:
        if (asynchat_push(f->ch, " behind", 7) != 0)
            done = 0; /* the channel was told to close */
    }
}

static void act_on_change(struct evbuffer *buffer,
                          const struct evbuffer_cb_info *info, void *arg)
{
    (void)buffer;
    if (info->n_added + info->n_deleted > 0)
        act(arg);
}

static void act_on_drain(struct evbuffer *buffer,
                         const struct evbuffer_cb_info *info, void *arg)
{
    (void)buffer;
    if (info->n_deleted > 0)
        act(arg);
}

static void act_on_release(const void *data, size_t len, void *arg)
{
    (void)data;
    (void)len;
    act(arg);
}

static void act_on_free(void *arg)
{
    act(arg);
}

static void act_on_sent(struct asynchat_channel *ch,
                        enum asynchat_transcript what, const void *data,
                        size_t len, void *arg)
{
    struct fixture *f = arg;
    char *copy = malloc(len + 1); /* every byte can be read */
    (void)ch;
    if (data)
        memcpy(copy, data, len);
    free(copy);
    if (what == ASYNCHAT_TRANSCRIPT_SENT)
        act(f);
}

/* --- helpers --- */

static struct evbuffer *buffer_of(const char *text)
{
    struct evbuffer *buffer = evbuffer_new();
    assert_non_null(buffer);
    assert_int_equal(evbuffer_add(buffer, text, strlen(text)), 0);
    return buffer;
}

static int wait_then_done(struct asynchat_channel *ch, struct evbuffer *out,
                          size_t room, void *arg)
{
    unsigned *asked = arg;
    (void)ch;
    (void)out;
    (void)room;
    return (*asked)++ == 0 ? ASYNCHAT_LATER : ASYNCHAT_DONE;
}

/* Pushes a producer that waits, so that later pushes stay in the queue. */
static void push_waiting(struct fixture *f)
{
    static const struct asynchat_producer_ops ops = {.size = sizeof ops,
                                                     .more = wait_then_done};
    static unsigned asked;
    struct asynchat_producer *producer;
    asked = 0;
    assert_int_equal(asynchat_producer_new(&ops, &asked, &producer), 0);
    assert_int_equal(asynchat_push_producer(f->ch, producer), 0);
    settle(f);
    assert_int_equal(asked, 1);
}

static void transcribe(struct fixture *f)
{
    assert_int_equal(asynchat_set_transcript(f->ch, act_on_sent, f), 0);
}

static void push_buffer(struct fixture *f, bool watched)
{
    struct evbuffer *buffer = buffer_of("hello");
    if (watched)
        assert_non_null(evbuffer_add_cb(buffer, act_on_drain, f));
    assert_int_equal(asynchat_push_evbuffer(f->ch, buffer), 0);
    assert_int_equal(evbuffer_get_length(buffer), 0);
    evbuffer_free(buffer);
}

/* --- the calls it runs in --- */

static void push_evbuffer(struct fixture *f)
{
    push_buffer(f, true);
}

static void push_evbuffer_behind_a_producer(struct fixture *f)
{
    push_waiting(f);
    push_buffer(f, true);
}

static void push_evbuffer_behind_other_bytes(struct fixture *f)
{
    push_waiting(f);
    assert_int_equal(asynchat_push(f->ch, "hello", 5), 0);
    struct evbuffer *buffer = buffer_of("");
    assert_int_equal(evbuffer_add_reference(buffer, " all", 4, NULL, NULL), 0);
    assert_non_null(evbuffer_add_cb(buffer, act_on_drain, f));
    assert_int_equal(asynchat_push_evbuffer(f->ch, buffer), 0);
    evbuffer_free(buffer);
}

static void push_where_the_output_is_watched(struct fixture *f)
{
    assert_non_null(evbuffer_add_cb(output_of(f), act_on_change, f));
    assert_int_equal(asynchat_push(f->ch, "hello", 5), 0);
}

static void push_printf_where_the_output_is_watched(struct fixture *f)
{
    char *text = big(2000);
    assert_non_null(evbuffer_add_cb(output_of(f), act_on_change, f));
    assert_int_equal(asynchat_push_printf(f->ch, "%shello", text + 1900), 0);
    free(text);
}

static void push_reference_where_the_output_is_watched(struct fixture *f)
{
    assert_non_null(evbuffer_add_cb(output_of(f), act_on_change, f));
    assert_int_equal(asynchat_push_reference(f->ch, "hello", 5, NULL, NULL), 0);
}

static void push_evbuffer_where_the_output_is_watched(struct fixture *f)
{
    assert_non_null(evbuffer_add_cb(output_of(f), act_on_change, f));
    push_buffer(f, false);
}

static void push_with_a_transcript(struct fixture *f)
{
    transcribe(f);
    assert_int_equal(asynchat_push(f->ch, "hello", 5), 0);
}

static void free_data(const void *data, size_t len, void *arg)
{
    (void)len;
    (void)arg;
    free((void *)(uintptr_t)data);
}

static void push_reference_with_a_transcript(struct fixture *f)
{
    transcribe(f);
    assert_int_equal(
        asynchat_push_reference(f->ch, strdup("hello"), 5, free_data, NULL), 0);
}

static void push_reference_watched_and_with_a_transcript(struct fixture *f)
{
    assert_non_null(evbuffer_add_cb(output_of(f), act_on_change, f));
    push_reference_with_a_transcript(f);
}

static void push_evbuffer_with_a_transcript(struct fixture *f)
{
    transcribe(f);
    push_buffer(f, false);
}

/* Pushes several pieces, so that there are several reports. */
static void push_pieces_with_a_transcript(struct fixture *f)
{
    struct evbuffer *buffer = buffer_of("he");
    transcribe(f);
    evbuffer_add_reference(buffer, "ll", 2, NULL, NULL);
    evbuffer_add_reference(buffer, "o", 1, NULL, NULL);
    assert_int_equal(asynchat_push_evbuffer(f->ch, buffer), 0);
    evbuffer_free(buffer);
}

static void push_pieces_behind_a_producer_with_a_transcript(struct fixture *f)
{
    push_waiting(f);
    push_pieces_with_a_transcript(f);
}

static void discard_what_is_released(struct fixture *f)
{
    push_waiting(f);
    assert_int_equal(
        asynchat_push_reference(f->ch, "gone", 4, act_on_release, f), 0);
    asynchat_discard_buffers(f->ch);
}

static void close_and_push_a_reference(struct fixture *f)
{
    asynchat_close_when_done(f->ch);
    assert_int_equal(asynchat_push_reference(f->ch, "x", 1, act_on_release, f),
                     ASYNCHAT_ECLOSED);
}

static void close_and_push_a_producer(struct fixture *f)
{
    static const struct asynchat_producer_ops ops = {
        .size = sizeof ops, .more = wait_then_done, .release = act_on_free};
    struct asynchat_producer *producer;
    assert_int_equal(asynchat_producer_new(&ops, f, &producer), 0);
    asynchat_close_when_done(f->ch);
    assert_int_equal(asynchat_push_producer(f->ch, producer), ASYNCHAT_ECLOSED);
}

static void set_a_terminator_where_the_input_is_watched(struct fixture *f)
{
    set_crlf(f);
    feed_string(f, "ab\r");
    settle(f);
    expect(f, "data(ab)");
    struct evbuffer *input =
        bufferevent_get_input(asynchat_get_bufferevent(f->ch));
    assert_non_null(evbuffer_add_cb(input, act_on_change, f));
    assert_int_equal(asynchat_set_terminator(f->ch, "\n", 1), 0);
}

/* More than one write, so that the flush goes on after the first release. */
static void flush_references(struct fixture *f)
{
    assert_int_equal(asynchat_set_out_buffer_size(f->ch, 3), 0);
    push_waiting(f);
    asynchat_resume_producer(f->ch);
    settle(f);
    assert_int_equal(
        asynchat_push_reference(f->ch, "hel", 3, act_on_release, f), 0);
    assert_int_equal(asynchat_push_reference(f->ch, "lo", 2, act_on_release, f),
                     0);
    (void)asynchat_flush(f->ch);
}

static void flush_to_a_watched_output(struct fixture *f)
{
    push_buffer(f, false);
    assert_non_null(evbuffer_add_cb(output_of(f), act_on_change, f));
    (void)asynchat_flush(f->ch);
}

/* --- the same in the loop, without a call --- */

static void move_to_a_watched_output(struct fixture *f)
{
    push_waiting(f);
    push_buffer(f, false);
    assert_non_null(evbuffer_add_cb(output_of(f), act_on_change, f));
    asynchat_resume_producer(f->ch);
}

static void send_a_reference_that_is_released(struct fixture *f)
{
    assert_int_equal(
        asynchat_push_reference(f->ch, "hello", 5, act_on_release, f), 0);
}

static int give(struct asynchat_channel *ch, struct evbuffer *out, size_t room,
                void *arg)
{
    (void)ch;
    (void)arg;
    assert_true(room >= 5);
    evbuffer_add(out, "he", 2);
    evbuffer_add_reference(out, "ll", 2, NULL, NULL);
    evbuffer_add_reference(out, "o", 1, NULL, NULL);
    return ASYNCHAT_DONE;
}

static void ask_a_producer_with_a_transcript(struct fixture *f)
{
    static const struct asynchat_producer_ops ops = {.size = sizeof ops,
                                                     .more = give};
    struct asynchat_producer *producer;
    transcribe(f);
    assert_int_equal(asynchat_producer_new(&ops, f, &producer), 0);
    assert_int_equal(asynchat_push_producer(f->ch, producer), 0);
}

static struct asynchat_producer *hello_file(void)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    fputs("hello", file);
    fflush(file);
    int fd = dup(fileno(file));
    fclose(file);
    return asynchat_producer_file(fd, 0, 5);
}

static void send_a_file_with_a_transcript(struct fixture *f)
{
    transcribe(f);
    assert_int_equal(asynchat_push_producer(f->ch, hello_file()), 0);
}

static int give_hello(struct asynchat_channel *ch, struct evbuffer *out,
                      size_t room, void *arg)
{
    (void)ch;
    (void)room;
    (void)arg;
    return evbuffer_add(out, "hello", 5) < 0 ? -ENOMEM : ASYNCHAT_DONE;
}

/* The first of two parts is released before the second is asked. */
static void ask_a_producer_whose_part_is_released(struct fixture *f)
{
    static const struct asynchat_producer_ops ops = {
        .size = sizeof ops, .more = give_hello, .release = act_on_free};
    struct asynchat_producer *parts[2];
    assert_int_equal(asynchat_producer_new(&ops, f, &parts[0]), 0);
    parts[1] = asynchat_producer_simple(" all", 4, 0);
    assert_int_equal(
        asynchat_push_producer(f->ch, asynchat_producer_concat(parts, 2)), 0);
}

/* Gives more than one write, in pieces of which one is cut. */
static void give_a_part_to_a_watched_output(struct fixture *f)
{
    assert_int_equal(asynchat_set_out_buffer_size(f->ch, 4), 0);
    struct evbuffer *buffer = buffer_of("he");
    evbuffer_add_reference(buffer, "llo", 3, NULL, NULL);
    assert_int_equal(asynchat_push_evbuffer(f->ch, buffer), 0);
    assert_non_null(evbuffer_add_cb(output_of(f), act_on_change, f));
    evbuffer_free(buffer);
}

/* --- one of them --- */

struct site {
    const char *name;
    void (*call)(struct fixture *f);
    const char *sent; /* sent before the bytes that the code pushes */
    const char *kept; /* sent when the code discards */
    bool closes;      /* the channel closes at the end */
    bool from_loop;
};

#define SITE(call, sent)                                                       \
    {                                                                          \
#call, call, sent, "", false, false                                    \
    }
#define SENT_SITE(call, sent)                                                  \
    {                                                                          \
#call, call, sent, NULL, false, false                                  \
    }
#define LOOP_SITE(call, sent, kept)                                            \
    {                                                                          \
#call, call, sent, kept, false, true                                   \
    }
#define CLOSED_SITE(call)                                                      \
    {                                                                          \
#call, call, "", "", true, false                                       \
    }

static const struct site sites[] = {
    SITE(push_evbuffer, "hello"),
    SITE(push_evbuffer_behind_a_producer, "hello"),
    SITE(push_evbuffer_behind_other_bytes, "hello all"),
    SITE(push_where_the_output_is_watched, "hello"),
    SITE(push_printf_where_the_output_is_watched, NULL),
    SITE(push_reference_where_the_output_is_watched, "hello"),
    SITE(push_evbuffer_where_the_output_is_watched, "hello"),
    SITE(push_with_a_transcript, "hello"),
    SITE(push_reference_with_a_transcript, "hello"),
    SITE(push_reference_watched_and_with_a_transcript, "hello"),
    SITE(push_evbuffer_with_a_transcript, "hello"),
    SITE(push_pieces_with_a_transcript, "hello"),
    SITE(push_pieces_behind_a_producer_with_a_transcript, "hello"),
    SITE(discard_what_is_released, ""),
    CLOSED_SITE(close_and_push_a_reference),
    CLOSED_SITE(close_and_push_a_producer),
    SITE(set_a_terminator_where_the_input_is_watched, ""),
    SENT_SITE(flush_references, "hello"),
    SENT_SITE(flush_to_a_watched_output, "hello"),
    LOOP_SITE(move_to_a_watched_output, "hello", NULL),
    LOOP_SITE(send_a_reference_that_is_released, "hello", "hello"),
    LOOP_SITE(ask_a_producer_with_a_transcript, "hello", ""),
    LOOP_SITE(send_a_file_with_a_transcript, "hello", NULL),
    LOOP_SITE(ask_a_producer_whose_part_is_released, "hello all", ""),
    LOOP_SITE(give_a_part_to_a_watched_output, "hello", NULL),
};
#define TIMES 3 /* the deed is done at the first, second or third run */
#define SITES (sizeof sites / sizeof sites[0])

/* Checks the result after the loop has run. `called`: the code ran in the
 * call. */
static void check(struct fixture *f, const struct site *site, bool called)
{
    const char *kept = called || site->from_loop ? site->kept : NULL;
    bool closes = site->closes && deed != DISCARD; /* which cancels the close */
    char sent[64];
    snprintf(sent, sizeof sent, "%s behind", site->sent ? site->sent : "");
    bool closed = strstr(f->log, "closed(0)") != NULL;
    bool gone = deed == FREE || left;
    assert_int_equal(closed, deed == CLOSE || (closes && !gone));
    if (deed == DETACH && !left && site->sent && !closes)
        expect_got(f, site->sent);
    if (deed == DISCARD)
        assert_int_equal(queued, 0);
    if (deed == DISCARD && kept && before == 0)
        expect_got(f, kept);
    if (deed == PUSH && site->sent && !closes)
        expect_got(f, sent);
}

static void run_site(struct fixture *f, const struct site *site)
{
    site->call(f);
    bool called = done > before, open = f->ch != NULL;
    if (called || !open)
        assert_int_equal(f->log_len, 0);
    if (open && deed != CLOSE)
        asynchat_resume_producer(f->ch);
    settle(f);
    if (done <= before)
        return; /* it runs less often over this kind of connection */
    check(f, site, called);
    if (f->ch)
        assert_int_equal(asynchat_get_queued(f->ch), 0);
}

/* --- all of them --- */

static struct row {
    char name[160];
    enum over over;
    const struct site *site;
    enum deed deed;
    unsigned before;
} rows[SITES * DEEDS * OVER_KINDS * TIMES];

static int row_setup(void **state)
{
    const struct row *row = *state;
    *state = (void *)(intptr_t)row->over;
    if (fixture_setup(state))
        return -1;
    ((struct fixture *)*state)->own = (void *)(uintptr_t)row;
    deed = row->deed;
    before = row->before;
    done = 0;
    queued = 1;
    left = false;
    return 0;
}

static void run_row(void **state)
{
    struct fixture *f = start(state);
    run_site(f, ((const struct row *)f->own)->site);
}

static void name_row(struct row *row)
{
    static const char *const kinds[OVER_KINDS] = {"PAIR", "SOCKETPAIR", "TCP",
                                                  "BUFFEREVENT"};
    snprintf(row->name, sizeof row->name, "%s %s, time %u, over %s",
             row->site->name, deeds[row->deed], row->before + 1,
             kinds[row->over]);
}

/* --- others --- */

static int pushed; /* the result of the push */

static void push_again(const void *data, size_t len, void *arg)
{
    struct fixture *f = arg;
    (void)data;
    (void)len;
    if (f->count++ == 0)
        pushed = asynchat_push(f->ch, "again", 5);
}

static void what_was_sent_is_not_queued_when_it_is_released(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_output_limit(f->ch, 4), 0);
    assert_int_equal(asynchat_push_reference(f->ch, "hello ", 6, push_again, f),
                     0);
    settle(f);
    assert_int_equal(f->count, 1);
    assert_int_equal(pushed, 0);
    expect_got(f, "hello again");
    expect(f, "");
}

static enum bufferevent_filter_result pass_and_act(
    struct evbuffer *from, struct evbuffer *to, ev_ssize_t limit,
    enum bufferevent_flush_mode mode, void *arg)
{
    (void)limit;
    if (mode == BEV_FINISHED)
        act(arg);
    return evbuffer_add_buffer(to, from) < 0 ? BEV_ERROR : BEV_OK;
}

/* A channel over a filter over a socket. */
static struct fixture *start_filtered(void **state)
{
    struct fixture *f = *state;
    int fds[2];
    make_socketpair(fds);
    evutil_make_socket_nonblocking(fds[0]);
    f->peer = fds[1];
    struct bufferevent *below =
        bufferevent_socket_new(f->base, fds[0], BEV_OPT_CLOSE_ON_FREE);
    struct bufferevent *filter = bufferevent_filter_new(
        below, NULL, pass_and_act, BEV_OPT_CLOSE_ON_FREE, NULL, f);
    assert_non_null(filter);
    assert_int_equal(asynchat_channel_new(filter, 0, &recorder, f, &f->ch), 0);
    settle(f);
    expect(f, "connect");
    done = before = 0;
    return f;
}

static void a_filter_may_free_the_channel_at_the_output_s_end(void **state)
{
    struct fixture *f = start_filtered(state);
    deed = FREE;
    assert_int_equal(asynchat_shutdown_write(f->ch), 0);
    settle(f);
    assert_null(f->ch);
    assert_int_equal(send(f->peer, "more", 4, MSG_NOSIGNAL), -1);
    assert_int_equal(errno, EPIPE);
    expect(f, "");
}

static void a_filter_may_close_the_channel_at_the_output_s_end(void **state)
{
    struct fixture *f = start_filtered(state);
    deed = CLOSE;
    assert_int_equal(asynchat_shutdown_write(f->ch), 0);
    settle(f);
    expect(f, "closed(0)");
}

#define OTHERS 4
static const struct CMUnitTest others[OTHERS] = {
    OVER_SOCKETS(what_was_sent_is_not_queued_when_it_is_released),
    OVER(BUFFEREVENT, a_filter_may_free_the_channel_at_the_output_s_end),
    OVER(BUFFEREVENT, a_filter_may_close_the_channel_at_the_output_s_end),
};

int main(void)
{
    static struct CMUnitTest tests[sizeof rows / sizeof rows[0] + OTHERS];
    memcpy(tests + sizeof rows / sizeof rows[0], others, sizeof others);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct row *row = &rows[i];
        row->over = (enum over)(i % OVER_KINDS);
        row->before = (unsigned)(i / OVER_KINDS % TIMES);
        row->deed = (enum deed)(i / OVER_KINDS / TIMES % DEEDS);
        row->site = &sites[i / OVER_KINDS / TIMES / DEEDS];
        name_row(row);
        tests[i] = (struct CMUnitTest){row->name, run_row, row_setup,
                                       fixture_teardown, row};
    }
    return RUN(tests);
}
