/* Batches: what a program sees is what it sees without them. The calls are
 * plain ones, made by a function of this file, which may fail, change their
 * order, or move less. SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#define CLIENTS 40

/* --- calls, made by this file --- */

static struct {
    unsigned runs, received, sent; /* runs, and calls in them */
    unsigned released;
    size_t most;    /* of a call; 0: as many as can be */
    unsigned skips; /* each n-th send is not made, if not 0 */
    bool backwards;
    unsigned fails; /* this run fails, from 1 on; 0: none */
    int fd_at;      /* a descriptor of the last run */
} made;

static void make_call(struct asynchat_batch_call *c, unsigned i)
{
    size_t len = made.most && made.most < c->len ? made.most : c->len;
    assert_true(c->fd >= 0 && c->len > 0 && c->sends <= 1);
    made.received += !c->sends;
    made.sent += c->sends;
    if (c->sends && made.skips && (i + made.runs) % made.skips == 0) {
        c->result = -EAGAIN;
        return;
    }
    ssize_t n = c->sends
                    ? send(c->fd, c->data, len, MSG_DONTWAIT | MSG_NOSIGNAL)
                    : recv(c->fd, c->data, len, MSG_DONTWAIT);
    c->result = n < 0 ? -errno : (int)n;
}

static int run(void *ring, struct asynchat_batch_call *calls, unsigned count)
{
    assert_ptr_equal(ring, &made);
    assert_in_range(count, 4, 64);
    if (++made.runs == made.fails)
        return -ENOSYS;
    for (unsigned i = 0; i < count; i++)
        make_call(&calls[made.backwards ? count - 1 - i : i], i);
    return 0;
}

static void released(void *ring)
{
    assert_ptr_equal(ring, &made);
    made.released++;
}

static const struct asynchat_batch_ops plain = {sizeof plain, run, released};

/* --- a server of lines, and its clients --- */

static struct world {
    struct event_base *base;
    struct asynchat_channel *ch[CLIENTS]; /* NULL: it has closed */
    int peer[CLIENTS];
    unsigned count, lines, closed;
    void (*on_line)(unsigned i, const char *line, size_t len);
} w;

static unsigned index_of(const struct asynchat_channel *ch)
{
    unsigned i = 0;
    while (w.ch[i] != ch)
        i++;
    return i;
}

static void message(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    (void)arg;
    w.lines++;
    if (w.on_line) {
        w.on_line(index_of(ch), data, len);
        return;
    }
    asynchat_push(ch, data, len);
    asynchat_push(ch, "\n", 1);
}

static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    (void)status;
    (void)arg;
    w.ch[index_of(ch)] = NULL;
    w.closed++;
}

static const struct asynchat_handler handler = {
    .size = sizeof handler, .message = message, .handle_close = closed};

static void add_client(void)
{
    int fds[2];
    make_socketpair(fds);
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    w.peer[w.count] = fds[1];
    struct asynchat_channel **ch = &w.ch[w.count++];
    assert_int_equal(
        asynchat_channel_new_socket(w.base, fds[0], &handler, NULL, ch), 0);
    assert_int_equal(asynchat_set_terminator(*ch, "\n", 1), 0);
}

static void settle_all(void)
{
    for (int i = 0; i < 20; i++)
        event_base_loop(w.base, EVLOOP_NONBLOCK);
}

static void start_clients(unsigned count)
{
    while (w.count < count)
        add_client();
    settle_all();
}

static void say(unsigned i, const char *text)
{
    ssize_t len = (ssize_t)strlen(text);
    assert_int_equal(send(w.peer[i], text, (size_t)len, MSG_NOSIGNAL), len);
}

static void expect_heard(unsigned i, const char *text)
{
    char got[200] = "";
    ssize_t n = recv(w.peer[i], got, sizeof got - 1, 0);
    assert_string_equal(n > 0 ? got : "", text);
}

static int setup(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    memset(&made, 0, sizeof made);
    w.base = event_base_new();
    return asynchat_set_batch(w.base, &plain, &made);
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < w.count; i++) {
        asynchat_channel_free(w.ch[i]);
        close(w.peer[i]);
    }
    assert_int_equal(asynchat_set_batch(w.base, NULL, NULL), 0);
    assert_int_equal(made.released, 1);
    event_base_free(w.base);
    return 0;
}

/* --- tests --- */

static void say_all(const char *text)
{
    for (unsigned i = 0; i < w.count; i++)
        if (w.ch[i])
            say(i, text);
}

static void expect_all(const char *text)
{
    for (unsigned i = 0; i < w.count; i++)
        expect_heard(i, text);
}

static void a_pass_has_two_runs(void **state)
{
    (void)state;
    start_clients(10);
    say_all("one\n");
    event_base_loop(w.base, EVLOOP_NONBLOCK);
    assert_int_equal(made.runs, 2);
    assert_int_equal(made.received, 10);
    assert_int_equal(made.sent, 10);
    expect_all("one\n");
}

static void a_few_go_by_plain_calls(void **state)
{
    (void)state;
    start_clients(3);
    say_all("one\n");
    settle_all();
    assert_int_equal(made.runs, 0);
    expect_all("one\n");
}

static void more_than_32_are_served_in_turns(void **state)
{
    (void)state;
    start_clients(40);
    say_all("one\n");
    event_base_loop(w.base, EVLOOP_NONBLOCK);
    expect_all("one\n");
    assert_int_equal(made.runs, 4);
    assert_int_equal(made.received, 40);
}

/* --- calls that do less than they could --- */

static void say_long(void)
{
    for (unsigned i = 0; i < w.count; i++) {
        char line[200];
        snprintf(line, sizeof line, "%0*u\n", (int)(1 + i * 4), i);
        say(i, line);
    }
}

static void expect_long(void)
{
    for (unsigned i = 0; i < w.count; i++) {
        char line[200];
        snprintf(line, sizeof line, "%0*u\n", (int)(1 + i * 4), i);
        expect_heard(i, line);
    }
}

static void answers_are_whole_whatever_the_calls_do(void **state)
{
    (void)state;
    start_clients(30);
    for (unsigned i = 0; i < 8; i++) {
        made.most = i & 1 ? 7 : 0;
        made.backwards = i & 2;
        made.skips = i & 4 ? 3 : 0;
        say_long();
        settle_all();
        expect_long();
    }
    assert_true(made.runs > 16);
}

static void when_a_run_fails_plain_calls_go_on(void **state)
{
    (void)state;
    for (made.fails = 1; made.fails <= 3; made.fails++) {
        made.runs = 0;
        start_clients(10);
        for (int i = 0; i < 3; i++) {
            say_all("one\n");
            settle_all();
            expect_all("one\n");
        }
        assert_int_equal(made.runs, made.fails);
        assert_int_equal(asynchat_set_batch(w.base, NULL, NULL), 0);
        assert_int_equal(asynchat_set_batch(w.base, &plain, &made), 0);
        made.released = 0;
    }
}

/* The socket takes less than all answers. */
static void what_a_socket_does_not_take_waits(void **state)
{
    (void)state;
    static char line[8000], got[8000];
    start_clients(6);
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    for (unsigned i = 0; i < w.count; i++) {
        const int small = 4096;
        int fd = bufferevent_getfd(asynchat_get_bufferevent(w.ch[i]));
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        assert_int_equal(send(w.peer[i], line, sizeof line, 0), sizeof line);
    }
    settle_all();
    for (unsigned i = 0; i < w.count; i++) {
        size_t have = 0;
        while (have < sizeof line) {
            ssize_t n = recv(w.peer[i], got + have, sizeof got - have, 0);
            settle_all();
            have += n > 0 ? (size_t)n : 0;
        }
        assert_memory_equal(got, line, sizeof line);
    }
}

/* All say a line of 60,000 bytes, and hear it within one pass. */
static void exchange_bulk(void)
{
    static char line[60000], got[60000];
    unsigned lines = w.lines;
    memset(line, 'y', sizeof line);
    line[sizeof line - 1] = '\n';
    for (unsigned i = 0; i < w.count; i++)
        assert_int_equal(send(w.peer[i], line, sizeof line, 0), sizeof line);
    event_base_loop(w.base, EVLOOP_NONBLOCK);
    assert_int_equal(w.lines, lines + w.count);
    for (unsigned i = 0; i < w.count; i++) {
        assert_int_equal(recv(w.peer[i], got, sizeof got, 0), sizeof got);
        assert_memory_equal(got, line, sizeof line);
    }
}

static void long_input_is_received_behind_the_slot(void **state)
{
    (void)state;
    start_clients(6);
    exchange_bulk();
    assert_int_equal(made.received, 6);
}

/* As long as much comes, the calls are plain ones. */
static void who_has_sent_much_is_received_by_itself(void **state)
{
    (void)state;
    start_clients(6);
    exchange_bulk();
    made.runs = 0;
    for (int i = 0; i < 3; i++) {
        exchange_bulk();
        settle_all();
    }
    assert_int_equal(made.runs, 0);
    for (unsigned i = 0; i < 3; i++) {
        say_all("one\n");
        settle_all();
        expect_all("one\n");
        assert_int_equal(made.runs, 2 * i);
    }
}

/* --- what callbacks do to channels that wait for their turns --- */

static void (*act_on)(struct asynchat_channel *ch);

/* The first channel acts on all others, each of which has received and waits
 * for its turn, or has had its turn and its answer waits. */
static unsigned actor;

static void act(unsigned i, const char *line, size_t len)
{
    asynchat_push(w.ch[i], line, len);
    asynchat_push(w.ch[i], "\n", 1);
    for (unsigned k = 0; i == actor && k < w.count; k++)
        if (k != i && w.ch[k])
            act_on(w.ch[k]);
}

static void start_acting(unsigned who, void (*what)(struct asynchat_channel *))
{
    start_clients(10);
    actor = who;
    act_on = what;
    w.on_line = act;
    say_all("one\n");
    event_base_loop(w.base, EVLOOP_NONBLOCK);
}

static void free_it(struct asynchat_channel *ch)
{
    w.ch[index_of(ch)] = NULL;
    asynchat_channel_free(ch);
}

/* Answers up to the actor's were given, and leave. */
static void expect_up_to_actor(void)
{
    for (unsigned i = 0; i < w.count; i++)
        expect_heard(i, i <= actor ? "one\n" : "");
}

static void a_channel_that_is_freed_has_no_turn(void **state)
{
    (void)state;
    start_acting(5, free_it);
    settle_all();
    assert_int_equal(w.lines, 6);
    expect_up_to_actor();
}

static void abort_it(struct asynchat_channel *ch)
{
    asynchat_abort(ch);
}

static void nor_has_one_that_is_aborted(void **state)
{
    (void)state;
    start_acting(5, abort_it);
    settle_all();
    assert_int_equal(w.lines, 6);
    assert_int_equal(w.closed, 9);
    expect_heard(5, "one\n");
}

/* The answers that wait are output, for which the channel waits. */
static void end_it(struct asynchat_channel *ch)
{
    size_t waits = index_of(ch) < actor ? 4 : 0;
    assert_int_equal(asynchat_get_queued(ch), waits);
    asynchat_close_when_done(ch);
}

static void who_closes_when_done_waits_for_its_answer(void **state)
{
    (void)state;
    made.skips = 2;
    start_acting(5, end_it);
    settle_all();
    expect_up_to_actor();
    assert_int_equal(w.closed, 9);
}

static void pause_it(struct asynchat_channel *ch)
{
    asynchat_pause_reading(ch);
}

static void what_was_received_waits_during_a_pause(void **state)
{
    (void)state;
    start_acting(5, pause_it);
    settle_all();
    assert_int_equal(w.lines, 6);
    for (unsigned i = 0; i < w.count; i++)
        asynchat_resume_reading(w.ch[i]);
    actor = CLIENTS;
    settle_all();
    assert_int_equal(w.lines, 10);
    expect_all("one\n");
}

static void detach_it(struct asynchat_channel *ch)
{
    unsigned i = index_of(ch);
    struct evbuffer *rest = evbuffer_new();
    int fd = asynchat_detach(ch, rest);
    if (i < actor) {
        assert_int_equal(fd, -EBUSY); /* its answer has not left */
    } else {
        assert_true(fd >= 0);
        assert_int_equal(evbuffer_get_length(rest), 4);
        close(fd);
        w.ch[i] = NULL;
    }
    evbuffer_free(rest);
}

static void what_was_received_goes_with_a_socket(void **state)
{
    (void)state;
    start_acting(5, detach_it);
    settle_all();
    assert_int_equal(w.lines, 6);
    expect_up_to_actor();
}

static void flush_it(struct asynchat_channel *ch)
{
    unsigned i = index_of(ch);
    assert_int_equal(asynchat_flush(ch), 0);
    expect_heard(i, i < actor ? "one\n" : "");
}

static void a_flush_sends_what_waits(void **state)
{
    (void)state;
    start_acting(5, flush_it);
    for (unsigned i = 0; i < w.count; i++)
        expect_heard(i, i < 5 ? "" : "one\n");
}

static void push_it(struct asynchat_channel *ch)
{
    asynchat_push(ch, "more\n", 5);
}

static void pushes_come_behind_what_waits(void **state)
{
    (void)state;
    made.skips = 3;
    start_acting(5, push_it);
    settle_all();
    for (unsigned i = 0; i < 5; i++)
        expect_heard(i, "one\nmore\n");
    expect_heard(5, "one\n");
    for (unsigned i = 6; i < 10; i++)
        expect_heard(i, "more\none\n");
}

/* A new socket gets the descriptor of one that was freed, and nothing of what
 * that one had to send. */
static void reuse_it(struct asynchat_channel *ch)
{
    unsigned i = index_of(ch);
    int fds[2], fd = bufferevent_getfd(asynchat_get_bufferevent(ch));
    free_it(ch);
    make_socketpair(fds);
    assert_true(fds[0] == fd || fds[1] == fd);
    expect_heard(i, i < actor ? "one\n" : "");
    close(w.peer[i]);
    w.peer[i] = fds[1];
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    assert_int_equal(
        asynchat_channel_new_socket(w.base, fds[0], &handler, NULL, &w.ch[i]),
        0);
    assert_int_equal(asynchat_set_terminator(w.ch[i], "\n", 1), 0);
}

static void a_descriptor_that_is_used_again_gets_nothing(void **state)
{
    (void)state;
    start_acting(5, reuse_it);
    w.on_line = NULL;
    settle_all();
    for (unsigned i = 0; i < w.count; i++)
        expect_heard(i, i == 5 ? "one\n" : "");
    say_all("two\n");
    settle_all();
    expect_all("two\n");
}

/* --- the loop --- */

static void break_loop(unsigned i, const char *line, size_t len)
{
    (void)line;
    (void)len;
    asynchat_push(w.ch[i], "one\n", 4);
    if (i == 4)
        event_base_loopbreak(w.base);
}

static void after_a_break_the_others_have_their_turns(void **state)
{
    (void)state;
    start_clients(10);
    w.on_line = break_loop;
    say_all("one\n");
    event_base_loop(w.base, EVLOOP_NONBLOCK);
    assert_int_equal(w.lines, 5);
    for (unsigned i = 0; i < w.count; i++)
        expect_heard(i, i < 5 ? "one\n" : "");
    free_it(w.ch[6]);
    say_all("two\n");
    settle_all();
    for (unsigned i = 0; i < w.count; i++)
        expect_heard(i, i < 5 ? "one\n" : i == 6 ? "" : "one\none\n");
}

static void another_priority_goes_by_itself(void **state)
{
    (void)state;
    event_base_priority_init(w.base, 3);
    assert_int_equal(asynchat_set_batch(w.base, NULL, NULL), 0);
    assert_int_equal(asynchat_set_batch(w.base, &plain, &made), 0);
    made.released = 0;
    start_clients(10);
    for (unsigned i = 0; i < 5; i++)
        bufferevent_priority_set(asynchat_get_bufferevent(w.ch[i]), 0);
    say_all("one\n");
    settle_all();
    assert_int_equal(made.received, 5);
    expect_all("one\n");
}

/* --- to many at once --- */

static void push_to_all(void)
{
    struct asynchat_block *block = asynchat_block_new("news\n", 5);
    for (unsigned i = 0; i < w.count; i++)
        assert_int_equal(asynchat_push_shared(w.ch[i], block), 0);
    asynchat_block_free(block);
}

static void tell_all(unsigned i, const char *line, size_t len)
{
    (void)i;
    (void)line;
    (void)len;
    push_to_all();
}

static void news_from_a_callback_leave_together(void **state)
{
    (void)state;
    start_clients(40);
    w.on_line = tell_all;
    say(7, "go\n"); /* alone, so it has a plain turn, and sends by itself */
    settle_all();
    expect_all("news\n");
    assert_int_equal(made.sent, 39);
    assert_int_equal(made.runs, 2);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    push_to_all();
}

static void news_from_a_timer_leave_together(void **state)
{
    (void)state;
    const struct timeval now = {0, 0};
    start_clients(40);
    event_base_once(w.base, -1, EV_TIMEOUT, on_timer, NULL, &now);
    settle_all();
    expect_all("news\n");
    assert_int_equal(made.sent, 40);
    assert_int_equal(made.runs, 2);
}

static void on_post(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
    push_to_all();
}

static void news_from_a_post_leave_together(void **state)
{
    (void)state;
    start_clients(40);
    assert_int_equal(asynchat_post(asynchat_get_id(w.ch[0]), on_post, NULL), 0);
    settle_all();
    expect_all("news\n");
    assert_int_equal(made.sent, 40);
    assert_int_equal(made.runs, 2);
}

/* --- setting it --- */

static void wrong_tables_are_refused(void **state)
{
    (void)state;
    struct asynchat_batch_ops ops = plain;
    struct {
        struct asynchat_batch_ops known;
        size_t later;
    } later = {plain, 1};
    later.known.size = sizeof later;
    assert_int_equal(asynchat_set_batch(NULL, &plain, &made), -EINVAL);
    ops.size--;
    assert_int_equal(asynchat_set_batch(w.base, &ops, &made), -EINVAL);
    ops.size++;
    ops.run = NULL;
    assert_int_equal(asynchat_set_batch(w.base, &ops, &made), -EINVAL);
    assert_int_equal(asynchat_set_batch(w.base, &later.known, &made), -ENOTSUP);
    assert_int_equal(made.released, 0);
}

static void set_in_callback(unsigned i, const char *line, size_t len)
{
    asynchat_push(w.ch[i], line, len);
    asynchat_push(w.ch[i], "\n", 1);
    assert_int_equal(asynchat_set_batch(w.base, &plain, &made), -EBUSY);
    if (i == 3)
        assert_int_equal(asynchat_set_batch(w.base, NULL, NULL), 0);
    assert_int_equal(made.released, 0);
}

static void a_batch_ends_when_it_was_served(void **state)
{
    (void)state;
    start_clients(10);
    w.on_line = set_in_callback;
    say_all("one\n");
    event_base_loop(w.base, EVLOOP_NONBLOCK);
    assert_int_equal(made.released, 1);
    assert_int_equal(made.runs, 2);
    expect_all("one\n");
    w.on_line = NULL;
    say_all("two\n");
    settle_all();
    expect_all("two\n");
    assert_int_equal(made.runs, 2);
}

static void a_batch_outlives_the_last_channel(void **state)
{
    (void)state;
    start_clients(10);
    for (unsigned i = 0; i < w.count; i++)
        free_it(w.ch[i]);
    settle_all();
    assert_int_equal(event_base_loop(w.base, EVLOOP_NONBLOCK), 1);
    for (unsigned i = 0; i < w.count; i++)
        close(w.peer[i]);
    w.count = 0;
    start_clients(10);
    say_all("one\n");
    settle_all();
    assert_int_equal(made.runs, 2);
    expect_all("one\n");
}

/* A ring is the parent's. */
static void a_child_makes_plain_calls(void **state)
{
    (void)state;
    start_clients(10);
    pid_t child = fork();
    if (child == 0) {
        event_reinit(w.base);
        say_all("one\n");
        settle_all();
        _exit(w.lines == 10 && made.runs == 0 ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    expect_all("one\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_pass_has_two_runs),
        TEST(a_few_go_by_plain_calls),
        TEST(more_than_32_are_served_in_turns),
        TEST(answers_are_whole_whatever_the_calls_do),
        TEST(when_a_run_fails_plain_calls_go_on),
        TEST(what_a_socket_does_not_take_waits),
        TEST(long_input_is_received_behind_the_slot),
        TEST(who_has_sent_much_is_received_by_itself),
        TEST(a_channel_that_is_freed_has_no_turn),
        TEST(nor_has_one_that_is_aborted),
        TEST(who_closes_when_done_waits_for_its_answer),
        TEST(what_was_received_waits_during_a_pause),
        TEST(what_was_received_goes_with_a_socket),
        TEST(a_flush_sends_what_waits),
        TEST(pushes_come_behind_what_waits),
        TEST(a_descriptor_that_is_used_again_gets_nothing),
        TEST(after_a_break_the_others_have_their_turns),
        TEST(another_priority_goes_by_itself),
        TEST(news_from_a_callback_leave_together),
        TEST(news_from_a_timer_leave_together),
        TEST(news_from_a_post_leave_together),
        TEST(wrong_tables_are_refused),
        TEST(a_batch_ends_when_it_was_served),
        TEST(a_batch_outlives_the_last_channel),
        TEST(a_child_makes_plain_calls),
    };
    return RUN(tests);
}
