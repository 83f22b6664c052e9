/* Stopping: what the channels of a server hear, in which order they end, and
 * when the server is gone. Time passes only when a test says so.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"
#include "serving.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "server/server.h"

#define GRACE 1000

/* --- a server whose channels say what they hear --- */

static char events[4096]; /* the events of all channels */

/* The event at which a test does something, once. */
static const char *when;
static void (*then)(struct fixture *f, struct asynchat_channel *ch);

static void heard(struct fixture *f, struct asynchat_channel *ch,
                  const char *event, int status)
{
    size_t len = strlen(events);
    void (*now)(struct fixture * f, struct asynchat_channel * ch) = then;
    const char *name = status == ASYNCHAT_ESTOPPED ? "(ESTOPPED)"
                       : status == ASYNCHAT_EOF    ? "(EOF)"
                       : status != 0               ? "(other)"
                                                   : "";
    snprintf(events + len, sizeof events - len, "%s%s%s", len > 0 ? " " : "",
             event, name);
    if (now && strcmp(event, when) == 0) {
        then = NULL;
        now(f, ch);
    }
}

static void on_connect(struct asynchat_channel *ch, void *arg)
{
    struct fixture *f = arg;
    f->own = ch;
    assert_int_equal(asynchat_set_terminator(ch, "\r\n", 2), 0);
    heard(arg, ch, "connect", 0);
}

static void on_message(struct asynchat_channel *ch, const void *data,
                       size_t len, void *arg)
{
    (void)asynchat_push(ch, data, len);
    (void)asynchat_push(ch, "\r\n", 2);
    heard(arg, ch, "message", 0);
}

static void on_eof(struct asynchat_channel *ch, int cut_off, void *arg)
{
    (void)cut_off;
    heard(arg, ch, "eof", 0);
}

static void on_error(struct asynchat_channel *ch, int error, void *arg)
{
    heard(arg, ch, "error", error);
}

static void on_close(struct asynchat_channel *ch, int status, void *arg)
{
    heard(arg, ch, "closed", status);
}

static void on_stopping(struct asynchat_channel *ch, void *arg)
{
    heard(arg, ch, "stopping", 0);
}

/* f->server is freed after this. */
static void on_stopped(void *arg)
{
    struct fixture *f = arg;
    heard(f, NULL, "stopped", 0);
    f->server = NULL;
}

static void on_stopped_after_all(void *arg)
{
    ((struct fixture *)arg)->server = NULL;
    heard(arg, NULL, "stopped after all", 0);
}

static const struct asynchat_handler untold = {
    .size = sizeof untold,
    .message = on_message,
    .handle_connect = on_connect,
    .handle_eof = on_eof,
    .handle_error = on_error,
    .handle_close = on_close,
};

static const struct asynchat_handler told = {
    .size = sizeof told,
    .message = on_message,
    .handle_connect = on_connect,
    .handle_eof = on_eof,
    .handle_error = on_error,
    .handle_close = on_close,
    .handle_stopping = on_stopping,
};

static void expect_events(const char *expected)
{
    assert_string_equal(events, expected);
    events[0] = '\0';
}

static struct fixture *begin_with(void **state,
                                  const struct asynchat_handler *handler,
                                  const struct asynchat_server_options *options)
{
    struct fixture *f = *state;
    events[0] = '\0';
    then = NULL;
    assert_int_equal(asynchat_server_new(f->base, "127.0.0.1:0", handler, f,
                                         options, &f->server),
                     0);
    return f;
}

/* A server and a client, connected. */
static struct fixture *begin(void **state,
                             const struct asynchat_handler *handler)
{
    struct fixture *f = begin_with(state, handler, NULL);
    f->peer = dial_server(f);
    turn(f);
    expect_events("connect");
    return f;
}

static void send_text(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Expects everything that a client gets, with or without the end of file. */
static void expect_received(int fd, const char *text, bool end)
{
    char got[256];
    size_t len = 0;
    ssize_t n;
    while ((n = recv(fd, got + len, sizeof got - 1 - len, MSG_DONTWAIT)) > 0)
        len += (size_t)n;
    got[len] = '\0';
    assert_string_equal(got, text);
    assert_int_equal(n, end ? 0 : -1);
}

static void stop(struct fixture *f, unsigned grace)
{
    assert_int_equal(asynchat_server_stop(f->server, grace, on_stopped, f), 0);
}

/* The calls that a test can make at an event. */
static void stop_now(struct fixture *f, struct asynchat_channel *ch)
{
    (void)ch;
    stop(f, GRACE);
}

static void free_channel(struct fixture *f, struct asynchat_channel *ch)
{
    (void)f;
    asynchat_channel_free(ch);
}

static void free_the_server(struct fixture *f, struct asynchat_channel *ch)
{
    (void)ch;
    asynchat_server_free(f->server);
    f->server = NULL;
}

static void close_in_order(struct fixture *f, struct asynchat_channel *ch)
{
    (void)f;
    assert_int_equal(asynchat_push(ch, "bye\r\n", 5), 0);
    assert_int_equal(asynchat_close_when_done(ch), 0);
}

/* More bytes than fit into all buffers on the way to a client that does not
 * read. */
#define MUCH (16 << 20)

static void push_much(struct fixture *f, struct asynchat_channel *ch)
{
    char *data = big(MUCH);
    (void)f;
    assert_int_equal(asynchat_push(ch, data, MUCH), 0);
    free(data);
}

static void push_much_and_close(struct fixture *f, struct asynchat_channel *ch)
{
    push_much(f, ch);
    assert_int_equal(asynchat_close_when_done(ch), 0);
}

static void answer_with_much(struct fixture *f,
                             void (*answer)(struct fixture *f,
                                            struct asynchat_channel *ch))
{
    when = "message";
    then = answer;
    send_text(f->peer, "one\r\n");
    turn(f);
    expect_events("message");
}

/* Nothing is left to wait for. */
static void expect_over(struct fixture *f)
{
    assert_null(f->server);
    assert_int_equal(event_base_loop(f->base, EVLOOP_NONBLOCK), 1);
}

/* --- without handle_stopping --- */

static void idle_channels_are_closed_and_then_the_server_is_gone(void **state)
{
    struct fixture *f = begin(state, &untold);
    stop(f, GRACE);
    assert_int_equal(asynchat_server_connections(f->server), 1);
    expect_events(""); /* no call runs a callback */
    turn(f);
    expect_events("closed stopped");
    expect_received(f->peer, "", true);
    expect_over(f);
}

static void without_channels_it_is_gone_at_once_from_the_loop(void **state)
{
    struct fixture *f = begin_with(state, &untold, NULL);
    stop(f, GRACE);
    expect_events("");
    turn(f);
    expect_events("stopped");
    expect_over(f);
}

static void without_stopped_it_is_gone_as_well(void **state)
{
    struct fixture *f = begin(state, &untold);
    assert_int_equal(asynchat_server_stop(f->server, 0, NULL, NULL), 0);
    f->server = NULL;
    turn(f);
    expect_events("closed");
    expect_over(f);
}

static void a_message_in_progress_is_finished_and_answered(void **state)
{
    struct fixture *f = begin(state, &untold);
    send_text(f->peer, "he");
    turn(f);
    stop(f, GRACE);
    turn(f);
    send_text(f->peer, "llo");
    turn(f);
    expect_events("");
    send_text(f->peer, "\r\n");
    turn(f);
    expect_events("message closed stopped");
    expect_received(f->peer, "hello\r\n", true);
    expect_over(f);
}

static void the_beginning_of_a_terminator_is_a_message_in_progress(void **state)
{
    struct fixture *f = begin(state, &untold);
    send_text(f->peer, "\r");
    turn(f);
    stop(f, GRACE);
    turn(f);
    expect_events("");
    send_text(f->peer, "\n");
    turn(f);
    expect_events("message closed stopped");
    expect_received(f->peer, "\r\n", true);
}

static void what_had_arrived_is_answered_before(void **state)
{
    struct fixture *f = begin(state, &untold);
    send_text(f->peer, "one\r\ntwo\r\n");
    stop(f, GRACE); /* the loop has not seen the connection yet */
    turn(f);
    expect_events("message message closed stopped");
    expect_received(f->peer, "one\r\ntwo\r\n", true);
}

static void say_more_and_stop(struct fixture *f, struct asynchat_channel *ch)
{
    send_text(f->peer, "two\r\nthree\r\n");
    stop_now(f, ch);
}

static void also_by_a_channel_whose_turn_is_over(void **state)
{
    struct fixture *f = begin(state, &untold);
    assert_int_equal(asynchat_set_message_budget(f->own, 1), 0);
    when = "message";
    then = say_more_and_stop;
    send_text(f->peer, "one\r\n");
    turn(f);
    expect_events("message message message closed stopped");
    expect_received(f->peer, "one\r\ntwo\r\nthree\r\n", true);
}

static void pause_and_stop(struct fixture *f, struct asynchat_channel *ch)
{
    asynchat_pause_reading(ch);
    say_more_and_stop(f, ch);
}

static void a_channel_that_is_paused_is_waited_for(void **state)
{
    struct fixture *f = begin(state, &untold);
    when = "message";
    then = pause_and_stop;
    send_text(f->peer, "one\r\n");
    turn(f);
    expect_events("message");
    assert_int_equal(asynchat_push(f->own, "later\r\n", 7), 0);
    asynchat_resume_reading(f->own);
    turn(f);
    expect_events("message message closed stopped");
    expect_received(f->peer, "one\r\nlater\r\ntwo\r\nthree\r\n", true);
}

static void keep_open(struct fixture *f, struct asynchat_channel *ch)
{
    (void)f;
    asynchat_keep_open(ch);
}

static struct fixture *begin_half_open(void **state,
                                       const struct asynchat_handler *handler)
{
    struct fixture *f = begin(state, handler);
    when = "eof";
    then = keep_open;
    assert_int_equal(shutdown(f->peer, SHUT_WR), 0);
    turn(f);
    expect_events("eof");
    return f;
}

static void without_the_peers_side_it_closes_at_once(void **state)
{
    struct fixture *f = begin_half_open(state, &untold);
    stop(f, GRACE);
    turn(f);
    expect_events("closed(EOF) stopped");
}

static void without_the_peers_side_it_is_told(void **state)
{
    struct fixture *f = begin_half_open(state, &told);
    stop(f, GRACE);
    turn(f);
    expect_events("stopping");
    assert_int_equal(asynchat_push(f->own, "bye", 3), 0);
    assert_int_equal(asynchat_close_between_messages(f->own), 0);
    turn(f);
    expect_events("closed(EOF) stopped");
    expect_received(f->peer, "bye", true);
}

static void without_its_own_side_it_hears_the_message_in_progress(void **state)
{
    struct fixture *f = begin(state, &untold);
    assert_int_equal(asynchat_shutdown_write(f->own), 0);
    send_text(f->peer, "he");
    turn(f);
    stop(f, GRACE);
    turn(f);
    expect_events("");
    send_text(f->peer, "llo\r\n");
    turn(f);
    expect_events("message closed stopped");
}

static void a_connection_just_accepted_is_told_first_that_it_is_up(void **state)
{
    struct fixture *f = begin_with(state, &untold, NULL);
    f->peer = dial_server(f);
    send_text(f->peer, "one\r\n");
    when = "connect";
    then = stop_now;
    turn(f);
    expect_events("connect message closed stopped");
    expect_received(f->peer, "one\r\n", true);
}

static void what_is_queued_is_still_sent(void **state)
{
    struct fixture *f = begin(state, &untold);
    char piece[65536];
    size_t got = 0;
    ssize_t n;
    answer_with_much(f, push_much);
    stop(f, GRACE);
    turn(f);
    expect_events("");
    for (; (n = recv(f->peer, piece, sizeof piece, 0)) > 0; turn(f))
        got += (size_t)n;
    assert_int_equal(n, 0);
    assert_int_equal(got, strlen("one\r\n") + MUCH);
    expect_events("closed stopped");
}

static const struct asynchat_handler without_terminator = {
    .size = sizeof without_terminator,
    .handle_error = on_error,
    .handle_close = on_close,
};

static void with_no_terminator_what_has_begun_has_no_end(void **state)
{
    struct fixture *f = begin_with(state, &without_terminator, NULL);
    f->peer = dial_server(f);
    send_text(f->peer, "hello");
    turn(f);
    stop(f, GRACE);
    turn(f);
    expect_events("");
    clock_advance(GRACE);
    turn(f);
    expect_events("error(ESTOPPED) closed(ESTOPPED) stopped");
}

/* --- with handle_stopping --- */

static void it_is_told_once_and_goes_on_until_it_ends(void **state)
{
    struct fixture *f = begin(state, &told);
    stop(f, GRACE);
    turn(f);
    expect_events("stopping");
    for (int i = 0; i < 2; i++) {
        send_text(f->peer, "one\r\n");
        turn(f);
        expect_events("message");
    }
    expect_received(f->peer, "one\r\none\r\n", false);
    assert_int_equal(shutdown(f->peer, SHUT_WR), 0);
    turn(f);
    expect_events("eof closed(EOF) stopped");
    expect_over(f);
}

static void it_may_say_goodbye(void **state)
{
    struct fixture *f = begin(state, &told);
    when = "stopping";
    then = close_in_order;
    stop(f, GRACE);
    turn(f);
    expect_events("stopping closed stopped");
    expect_received(f->peer, "bye\r\n", true);
}

static void it_may_free_the_channel(void **state)
{
    struct fixture *f = begin(state, &told);
    when = "stopping";
    then = free_channel;
    stop(f, GRACE);
    turn(f);
    expect_events("stopping stopped");
    expect_received(f->peer, "", true);
}

static void a_channel_that_is_ending_is_not_told(void **state)
{
    struct fixture *f = begin(state, &told);
    answer_with_much(f, push_much_and_close);
    stop(f, GRACE);
    turn(f);
    expect_events("");
    clock_advance(GRACE);
    turn(f);
    expect_events("error(ESTOPPED) closed(ESTOPPED) stopped");
}

/* --- the grace --- */

static void what_is_left_after_the_grace_is_ended(void **state)
{
    struct fixture *f = begin(state, &told);
    stop(f, GRACE);
    turn(f);
    clock_advance(GRACE - 1);
    turn(f);
    expect_events("stopping");
    clock_advance(1);
    turn(f);
    expect_events("error(ESTOPPED) closed(ESTOPPED) stopped");
    expect_received(f->peer, "", true);
    expect_over(f);
}

static void without_a_grace_only_what_is_idle_ends_in_order(void **state)
{
    struct fixture *f = begin(state, &untold);
    send_text(f->peer, "he");
    int idle = dial_server(f);
    turn(f);
    expect_events("connect");
    stop(f, 0);
    turn(f);
    expect_events("closed error(ESTOPPED) closed(ESTOPPED) stopped");
    close(idle);
}

static void without_a_grace_it_is_told_before_it_ends(void **state)
{
    struct fixture *f = begin(state, &told);
    stop(f, 0);
    turn(f);
    expect_events("stopping error(ESTOPPED) closed(ESTOPPED) stopped");
}

static void stopped_again_another_grace_begins(void **state)
{
    struct fixture *f = begin(state, &told);
    stop(f, GRACE);
    turn(f);
    clock_advance(GRACE - 1);
    assert_int_equal(
        asynchat_server_stop(f->server, 10, on_stopped_after_all, f), 0);
    turn(f);
    clock_advance(9);
    turn(f);
    expect_events("stopping");
    clock_advance(1);
    turn(f);
    expect_events("error(ESTOPPED) closed(ESTOPPED) stopped after all");
    expect_over(f);
}

static void stopped_twice_at_once_it_is_told_once(void **state)
{
    struct fixture *f = begin_with(state, &told, NULL);
    stop(f, GRACE);
    assert_int_equal(
        asynchat_server_stop(f->server, 0, on_stopped_after_all, f), 0);
    turn(f);
    expect_events("stopped after all");
    expect_over(f);
}

/* --- from anywhere --- */

static void stop_when(void **state, const char *event, const char *expected)
{
    struct fixture *f = begin_with(state, &told, NULL);
    f->peer = dial_server(f);
    send_text(f->peer, "one\r\n");
    assert_int_equal(shutdown(f->peer, SHUT_WR), 0);
    when = event;
    then = stop_now;
    turn(f);
    expect_events(expected);
    expect_received(f->peer, "one\r\n", true);
    expect_over(f);
}

static void stopped_in_handle_connect(void **state)
{
    stop_when(state, "connect",
              "connect message stopping eof closed(EOF) stopped");
}

static void stopped_in_message(void **state)
{
    stop_when(state, "message", "connect message eof closed(EOF) stopped");
}

static void stopped_in_handle_eof(void **state)
{
    stop_when(state, "eof", "connect message eof closed(EOF) stopped");
}

static void stopped_in_handle_close(void **state)
{
    stop_when(state, "closed", "connect message eof closed(EOF) stopped");
}

static void stopped_in_handle_stopping(void **state)
{
    struct fixture *f = begin(state, &told);
    when = "stopping";
    then = stop_now;
    stop(f, 0);
    turn(f);
    expect_events("stopping");
    clock_advance(GRACE);
    turn(f);
    expect_events("error(ESTOPPED) closed(ESTOPPED) stopped");
}

static void stop_once_more(struct fixture *f, struct asynchat_channel *ch)
{
    (void)ch;
    assert_int_equal(asynchat_server_stop(f->server, 0, on_stopped, f),
                     ASYNCHAT_ESTOPPED);
    asynchat_server_free(f->server);
}

static void in_stopped_the_server_is_ending_already(void **state)
{
    struct fixture *f = begin_with(state, &told, NULL);
    when = "stopped";
    then = stop_once_more;
    stop(f, 0);
    turn(f);
    expect_events("stopped");
    expect_over(f);
}

/* --- freeing --- */

static void the_last_channel_freed_by_the_program_is_told_from_the_loop(
    void **state)
{
    struct fixture *f = begin(state, &told);
    send_text(f->peer, "one\r\n");
    turn(f);
    expect_events("message");
    stop(f, GRACE);
    turn(f);
    expect_events("stopping");
    asynchat_channel_free(f->own);
    expect_events("");
    assert_int_equal(asynchat_server_connections(f->server), 0);
    turn(f);
    expect_events("stopped");
    expect_over(f);
}

static void freed_while_it_stops_its_channels_live_on(void **state)
{
    struct fixture *f = begin(state, &told);
    stop(f, GRACE);
    turn(f);
    asynchat_server_free(f->server);
    f->server = NULL;
    clock_advance(GRACE);
    send_text(f->peer, "one\r\n");
    turn(f);
    expect_events("stopping message");
    assert_int_equal(shutdown(f->peer, SHUT_WR), 0);
    turn(f);
    expect_events("eof closed(EOF)");
    expect_over(f);
}

static void freed_in_handle_stopping(void **state)
{
    struct fixture *f = begin(state, &told);
    when = "stopping";
    then = free_the_server;
    stop(f, 0);
    turn(f);
    expect_events("stopping");
    assert_int_equal(shutdown(f->peer, SHUT_WR), 0);
    turn(f);
    expect_events("eof closed(EOF)");
    expect_over(f);
}

static void freed_in_the_handle_close_of_the_last(void **state)
{
    struct fixture *f = begin(state, &untold);
    when = "closed";
    then = free_the_server;
    stop(f, GRACE);
    turn(f);
    expect_events("closed");
    expect_over(f);
}

/* --- several --- */

static void all_that_are_left_are_told(void **state)
{
    struct fixture *f = begin_with(state, &told, NULL);
    int fds[8];
    for (size_t i = 0; i < COUNT(fds); i++) {
        fds[i] = dial_server(f);
        turn(f);
    }
    hang_up(f, fds[0]);
    hang_up(f, fds[3]);
    hang_up(f, fds[2]);
    hang_up(f, fds[7]);
    events[0] = '\0';
    assert_int_equal(asynchat_server_connections(f->server), 4);
    stop(f, GRACE);
    turn(f);
    expect_events("stopping stopping stopping stopping");
    hang_up(f, fds[4]);
    hang_up(f, fds[1]);
    expect_events("eof closed(EOF) eof closed(EOF)");
    clock_advance(GRACE);
    turn(f);
    expect_events("error(ESTOPPED) closed(ESTOPPED) "
                  "error(ESTOPPED) closed(ESTOPPED) stopped");
    close(fds[5]);
    close(fds[6]);
    expect_over(f);
}

static void counted_by_address_they_are_told_as_well(void **state)
{
    const struct asynchat_server_options options = {.size = sizeof options,
                                                    .max_per_address = 5};
    struct fixture *f = begin_with(state, &untold, &options);
    int one = dial_server(f), two = dial_server(f);
    turn(f);
    stop(f, GRACE);
    turn(f);
    expect_events("connect connect closed closed stopped");
    close(one);
    close(two);
    expect_over(f);
}

/* --- no more connections --- */

static void nothing_is_accepted_any_more(void **state)
{
    struct fixture *f = begin(state, &told);
    char text[ASYNCHAT_ADDRESS_SIZE];
    stop(f, GRACE);
    assert_int_equal(asynchat_server_get_socket(f->server), ASYNCHAT_ESTOPPED);
    assert_int_equal(asynchat_server_address(f->server, text, sizeof text), 0);
    assert_int_equal(dial(text), -ECONNREFUSED);
    turn(f);
    expect_events("stopping");
    clock_advance(GRACE);
    turn(f);
    expect_events("error(ESTOPPED) closed(ESTOPPED) stopped");
}

/* --- what waits to be accepted --- */

/* Connects clients that ask something. The loop has not seen them yet. */
static void ask(struct fixture *f, int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        fds[i] = dial_server(f);
        send_text(fds[i], "one\r\n");
    }
}

static void expect_answers(const int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        expect_received(fds[i], "one\r\n", true);
        close(fds[i]);
    }
}

/* There are more connections than are accepted in a wake-up. */
static void what_waits_is_accepted_and_answered(void **state)
{
    struct fixture *f = begin_with(state, &untold, NULL);
    int fds[70];
    ask(f, fds, COUNT(fds));
    stop(f, GRACE);
    expect_events(""); /* no call runs a callback */
    assert_int_equal(asynchat_server_connections(f->server), COUNT(fds));
    turn(f);
    assert_null(f->server);
    expect_answers(fds, COUNT(fds));
    expect_over(f);
}

/* The clock stands still, so even a grace of 0 does not end earlier. */
static void also_without_a_grace(void **state)
{
    struct fixture *f = begin_with(state, &untold, NULL);
    int fds[3];
    ask(f, fds, COUNT(fds));
    stop(f, 0);
    turn(f);
    expect_events("connect message closed connect message closed "
                  "connect message closed stopped");
    expect_answers(fds, COUNT(fds));
}

static void who_waited_is_told_and_has_the_grace(void **state)
{
    struct fixture *f = begin_with(state, &told, NULL);
    f->peer = dial_server(f);
    stop(f, GRACE);
    turn(f);
    expect_events("connect stopping");
    send_text(f->peer, "one\r\n");
    turn(f);
    expect_events("message");
    expect_received(f->peer, "one\r\n", false);
    clock_advance(GRACE);
    turn(f);
    expect_events("error(ESTOPPED) closed(ESTOPPED) stopped");
}

/* The system shares out the connections, so each server has some. */
static void of_two_on_a_port_one_stops_and_all_are_answered(void **state)
{
    const struct asynchat_server_options options = {
        .size = sizeof options, .flags = ASYNCHAT_REUSE_PORT};
    struct fixture *f = begin_with(state, &untold, &options);
    struct asynchat_server *other;
    char text[ASYNCHAT_ADDRESS_SIZE];
    int fds[40];
    assert_int_equal(asynchat_server_address(f->server, text, sizeof text), 0);
    assert_int_equal(
        asynchat_server_new(f->base, text, &untold, f, &options, &other), 0);
    ask(f, fds, COUNT(fds));
    stop(f, GRACE);
    turn(f);
    assert_null(f->server);
    f->server = other;
    assert_in_range(asynchat_server_connections(other), 1, COUNT(fds) - 1);
    stop(f, GRACE);
    turn(f);
    expect_answers(fds, COUNT(fds));
    expect_over(f);
}

/* The path is removed first, so that nobody connects after the last one. */
static void on_a_path_as_well(void **state)
{
    struct fixture *f = *state;
    int fds[3];
    events[0] = '\0';
    then = NULL;
    assert_int_equal(asynchat_server_new(f->base, unix_address(), &untold, f,
                                         NULL, &f->server),
                     0);
    ask(f, fds, COUNT(fds));
    stop(f, GRACE);
    assert_int_equal(access(unix_path(), F_OK), -1);
    turn(f);
    expect_answers(fds, COUNT(fds));
    expect_over(f);
}

/* Two of four clients are accepted. Expects this text for the others. */
static void expect_limited(struct fixture *f, const char *text)
{
    int fds[4];
    ask(f, fds, COUNT(fds));
    stop(f, GRACE);
    assert_int_equal(asynchat_server_connections(f->server), 2);
    turn(f);
    expect_answers(fds, 2);
    for (int i = 2; i < 4; i++) {
        if (text)
            expect_received(fds[i], text, true);
        else
            assert_int_equal(recv(fds[i], events, 1, MSG_DONTWAIT), -1);
        close(fds[i]);
    }
    expect_over(f);
}

static void limits_hold_for_what_waits(void **state)
{
    struct asynchat_server_options options = {.size = sizeof options,
                                              .max_connections = 2};
    expect_limited(begin_with(state, &untold, &options), NULL);
    options.turn_away = "full\r\n";
    expect_limited(begin_with(state, &untold, &options), "full\r\n");
    options.max_connections = 0;
    options.max_per_address = 2;
    expect_limited(begin_with(state, &untold, &options), "full\r\n");
}

/* A client that has just connected may not have asked yet. It has the grace
 * period to ask. */
static void who_waited_is_heard_before_it_closes(void **state)
{
    struct fixture *f = begin_with(state, &untold, NULL);
    int fds[3];
    for (int i = 0; i < 3; i++)
        fds[i] = dial_server(f);
    stop(f, GRACE);
    turn(f);
    expect_events("connect connect connect");
    send_text(fds[0], "one\r\n");
    turn(f);
    expect_events("message closed");
    assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
    turn(f);
    expect_events("eof closed(EOF)");
    clock_advance(GRACE);
    turn(f);
    expect_events("error(ESTOPPED) closed(ESTOPPED) stopped");
    expect_answers(fds, 1);
    close(fds[1]);
    close(fds[2]);
}

/* If two processes have the socket, no connection is lost. */
static void what_waits_goes_to_the_first_of_two_processes(void **state)
{
    struct fixture *f = begin_with(state, &untold, NULL);
    struct asynchat_server *next;
    int fds[2], fd = dup(asynchat_server_get_socket(f->server));
    assert_int_equal(
        asynchat_server_new_socket(f->base, fd, &untold, f, NULL, &next), 0);
    ask(f, fds, 1);
    stop(f, GRACE);
    assert_int_equal(asynchat_server_connections(f->server), 1);
    f->server = next;
    ask(f, fds + 1, 1);
    turn(f);
    f->server = next;
    stop(f, GRACE);
    turn(f);
    expect_answers(fds, COUNT(fds));
    expect_over(f);
}

/* As with a channel, freeing a server ends it at once. */
static void a_server_that_is_freed_accepts_nothing(void **state)
{
    struct fixture *f = begin_with(state, &untold, NULL);
    int fd = dial_server(f);
    asynchat_server_free(f->server);
    f->server = NULL;
    turn(f);
    expect_events("");
    close(fd);
    expect_over(f);
}

static void a_connection_for_the_next_process_is_not_waited_for(void **state)
{
    struct fixture *f = begin(state, &told);
    struct asynchat_server *next;
    char text[ASYNCHAT_ADDRESS_SIZE];
    int fd = dup(asynchat_server_get_socket(f->server));
    assert_int_equal(asynchat_server_address(f->server, text, sizeof text), 0);
    stop(f, GRACE);
    int client = dial(text);
    turn(f);
    clock_advance(GRACE - 1);
    turn(f);
    expect_events("stopping");
    clock_advance(1);
    turn(f);
    expect_events("error(ESTOPPED) closed(ESTOPPED) stopped");
    assert_int_equal(
        asynchat_server_new_socket(f->base, fd, &told, f, NULL, &next), 0);
    f->server = next;
    turn(f);
    expect_events("connect");
    hang_up(f, client);
}

static void a_full_server_does_not_resume_when_it_stops(void **state)
{
    const struct asynchat_server_options options = {.size = sizeof options,
                                                    .max_connections = 1};
    struct fixture *f = begin_with(state, &untold, &options);
    f->peer = dial_server(f);
    int waiting = dial_server(f);
    turn(f);
    stop(f, GRACE);
    turn(f);
    expect_events("connect closed stopped");
    close(waiting);
    expect_over(f);
}

static void its_path_is_removed_at_once_or_stays(void **state)
{
    struct fixture *f = serve(state, unix_address());
    stop(f, GRACE);
    assert_int_equal(access(unix_path(), F_OK), -1);
    turn(f);
    serve(state, unix_address());
    asynchat_server_set_remove_path(f->server, 0);
    stop(f, GRACE);
    turn(f);
    assert_int_equal(unlink(unix_path()), 0);
}

static bool no_memory; /* libevent gets no memory */
static int reallocs;
static int allocations = -1; /* of libevent's that succeed; or all */

static bool has_memory(void)
{
    if (no_memory || allocations == 0)
        return false;
    allocations -= allocations > 0;
    return true;
}

static void *maybe_malloc(size_t size)
{
    return has_memory() ? malloc(size) : NULL;
}

static void *maybe_realloc(void *old, size_t size)
{
    reallocs++;
    return has_memory() ? realloc(old, size) : NULL;
}

static void without_memory_it_stops_as_well(void **state)
{
    struct fixture *f = begin(state, &told);
    int waiting = dial_server(f);
    no_memory = true;
    turn(f); /* it is accepted, and waits for memory */
    stop(f, GRACE);
    turn(f);
    expect_events("stopping");
    clock_advance(GRACE);
    turn(f);
    no_memory = false;
    expect_events("error(ESTOPPED) closed(ESTOPPED) stopped");
    expect_received(waiting, "", true);
    close(waiting);
    expect_over(f);
}

/* Adds a timer, if there is memory for it. */
static bool add_timer(struct fixture *f, struct event **timer)
{
    const struct timeval late = {.tv_sec = 1000000};
    *timer = evtimer_new(f->base, NULL, NULL);
    no_memory = reallocs > 0;
    bool added = evtimer_add(*timer, &late) == 0;
    no_memory = false;
    return added;
}

/* libevent's heap of timers has grown and is full, and another timer has the
 * place of the server's timer. */
static void without_memory_for_a_timer_there_is_no_grace(void **state)
{
    struct fixture *f = begin(state, &told);
    struct event *timers[64];
    size_t count = 0;
    event_del(&f->server->timer.event);
    reallocs = 0;
    while (add_timer(f, &timers[count++]))
        assert_true(count < COUNT(timers));
    no_memory = true;
    stop(f, GRACE);
    turn(f);
    no_memory = false;
    expect_events("stopping error(ESTOPPED) closed(ESTOPPED) stopped");
    while (count > 0)
        event_free(timers[--count]);
    expect_over(f);
}

/* --- channels that are busy --- */

static void a_busy_channel_is_told_when_it_is_busy_no_more(void **state)
{
    struct fixture *f = begin(state, &told);
    assert_int_equal(asynchat_get_busy(f->own), 0);
    asynchat_set_busy(f->own, 1);
    assert_int_equal(asynchat_get_busy(f->own), 1);
    stop(f, GRACE);
    turn(f);
    expect_events("");
    asynchat_set_busy(f->own, 0);
    turn(f);
    expect_events("stopping");
    asynchat_set_busy(f->own, 1); /* that was once */
    asynchat_set_busy(f->own, 0);
    turn(f);
    expect_events("");
    clock_advance(GRACE);
    turn(f);
    expect_events("error(ESTOPPED) closed(ESTOPPED) stopped");
    expect_over(f);
}

/* Also if that is in a callback. */
static void set_idle(struct fixture *f, struct asynchat_channel *ch)
{
    (void)f;
    asynchat_set_busy(ch, 0);
}

static void a_busy_channel_ends_when_it_is_busy_no_more(void **state)
{
    struct fixture *f = begin(state, &untold);
    asynchat_set_busy(f->own, 1);
    stop(f, GRACE);
    for (int i = 0; i < 2; i++) {
        send_text(f->peer, "x\r\n");
        turn(f);
        expect_events("message");
    }
    when = "message";
    then = set_idle;
    send_text(f->peer, "x\r\n");
    turn(f);
    expect_events("message closed stopped");
    expect_over(f);
}

static void the_grace_ends_a_busy_channel(void **state)
{
    struct fixture *f = begin(state, &told);
    asynchat_set_busy(f->own, 1);
    stop(f, GRACE);
    turn(f);
    clock_advance(GRACE);
    turn(f);
    expect_events("error(ESTOPPED) closed(ESTOPPED) stopped");
    expect_over(f);
}

static void between_messages_a_busy_channel_waits_as_well(void **state)
{
    struct fixture *f = begin(state, &untold);
    asynchat_set_busy(f->own, 1);
    assert_int_equal(asynchat_close_between_messages(f->own), 0);
    turn(f);
    expect_events("");
    asynchat_set_busy(f->own, 0);
    turn(f);
    expect_events("closed");
    asynchat_set_busy(NULL, 1);
    assert_int_equal(asynchat_get_busy(NULL), 0);
}

/* --- by a signal --- */

#define SIGNAL SIGWINCH /* it does nothing to a program without a handler */

static void stop_on_signal(struct fixture *f)
{
    assert_int_equal(
        asynchat_server_stop_on_signal(f->server, SIGNAL, GRACE, on_stopped, f),
        0);
}

/* Whether there is a handler, or the signal is blocked for a signalfd. */
static bool is_caught(int number)
{
    struct sigaction now;
    sigset_t blocked;
    assert_int_equal(sigaction(number, NULL, &now), 0);
    assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &blocked), 0);
    return now.sa_handler != SIG_DFL || sigismember(&blocked, number);
}

static void a_signal_stops_it(void **state)
{
    struct fixture *f = begin(state, &told);
    stop_on_signal(f);
    assert_true(is_caught(SIGNAL));
    turn(f);
    expect_events("");
    raise(SIGNAL);
    turn(f);
    turn(f);
    expect_events("stopping");
    assert_false(is_caught(SIGNAL)); /* a second signal goes to the program */
    clock_advance(GRACE);
    turn(f);
    expect_events("error(ESTOPPED) closed(ESTOPPED) stopped");
    expect_over(f);
}

static void any_of_several_signals_stops_it(void **state)
{
    struct fixture *f = begin(state, &untold);
    stop_on_signal(f);
    stop_on_signal(f);
    assert_int_equal(
        asynchat_server_stop_on_signal(f->server, SIGURG, GRACE, NULL, NULL),
        0);
    raise(SIGURG);
    f->server = NULL; /* `stopped` is not called */
    turn(f);
    turn(f);
    expect_events("closed");
    assert_false(is_caught(SIGNAL) || is_caught(SIGURG));
    expect_over(f);
}

static void both_signals_that_end_a_program_stop_it(void **state)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < COUNT(numbers); i++) {
        struct fixture *f = begin(state, &told);
        assert_int_equal(asynchat_server_stop_on_termination(f->server, GRACE,
                                                             on_stopped, f),
                         0);
        raise(numbers[i]);
        turn(f);
        turn(f);
        expect_events("stopping");
        assert_false(is_caught(SIGTERM) || is_caught(SIGINT));
        clock_advance(GRACE);
        turn(f);
        expect_events("error(ESTOPPED) closed(ESTOPPED) stopped");
        expect_over(f);
        close(f->peer);
        f->peer = -1;
    }
}

/* What a call answers for which only `count` of libevent's allocations succeed,
 * and whether the signal has a handler afterwards. */
static int stop_on_signal_with(int count, bool *handled, bool both)
{
    struct event_base *base = event_base_new();
    struct asynchat_server *server;
    struct sigaction now;
    assert_int_equal(
        asynchat_server_new(base, "127.0.0.1:0", &untold, NULL, NULL, &server),
        0);
    allocations = count;
    int error =
        both
            ? asynchat_server_stop_on_termination(server, GRACE, NULL, NULL)
            : asynchat_server_stop_on_signal(server, SIGNAL, GRACE, NULL, NULL);
    allocations = -1;
    if (error)
        assert_null(server->signals);
    assert_int_equal(sigaction(both ? SIGTERM : SIGNAL, NULL, &now), 0);
    *handled = now.sa_handler != SIG_DFL;
    asynchat_server_free(server);
    event_base_free(base);
    return error;
}

static void without_memory_a_signal_is_as_it_was(void **state)
{
    const char *modes = getenv("ASYNCHAT_TEST_LIBEVENT");
    bool handled = false;
    int count = 0;
    (void)state;
    /* In its debug mode libevent ends a process that has no memory. */
    if (modes && strstr(modes, "debug"))
        skip();
    for (int both = 0; both < 2; both++) {
        count = 0;
        while (stop_on_signal_with(count, &handled, both) == -ENOMEM) {
            if (handled)
                fail_msg("allocation %d", count);
            count++;
        }
        assert_int_equal(stop_on_signal_with(count, &handled, both), 0);
        assert_true(count > 1);
    }
}

static void stopped_or_freed_otherwise_it_knows_no_signals(void **state)
{
    struct fixture *f = begin(state, &told);
    stop_on_signal(f);
    stop(f, GRACE);
    assert_false(is_caught(SIGNAL));
    assert_int_equal(
        asynchat_server_stop_on_signal(f->server, SIGNAL, GRACE, on_stopped, f),
        ASYNCHAT_ESTOPPED);
    asynchat_server_free(f->server);
    begin_with(state, &told, NULL);
    stop_on_signal(f);
    asynchat_server_free(f->server);
    f->server = NULL;
    assert_false(is_caught(SIGNAL));
}

static int calls;

static void count_call(void *arg)
{
    calls++;
    if (arg)
        asynchat_server_stop(arg, 0, NULL, NULL);
}

/* The last one stops the server, and is called no more. */
static void a_signal_calls_a_function_until_the_server_stops(void **state)
{
    struct fixture *f = begin(state, &untold);
    calls = 0;
    assert_int_equal(
        asynchat_server_call_on_signal(f->server, SIGNAL, count_call, NULL), 0);
    assert_int_equal(asynchat_server_call_on_signal(f->server, SIGURG,
                                                    count_call, f->server),
                     0);
    for (int i = 1; i <= 2; i++) {
        raise(SIGNAL);
        turn(f);
        assert_int_equal(calls, i);
    }
    raise(SIGURG);
    f->server = NULL; /* which frees itself */
    turn(f);
    assert_int_equal(calls, 3);
    assert_false(is_caught(SIGNAL) || is_caught(SIGURG));
    expect_events("closed");
    expect_over(f);
}

static void a_call_on_a_signal_that_cannot_be_is_refused(void **state)
{
    struct fixture *f = begin(state, &told);
    assert_int_equal(
        asynchat_server_call_on_signal(NULL, SIGNAL, count_call, NULL),
        -EINVAL);
    assert_int_equal(
        asynchat_server_call_on_signal(f->server, SIGNAL, NULL, NULL), -EINVAL);
    assert_int_equal(
        asynchat_server_call_on_signal(f->server, SIGKILL, count_call, NULL),
        -EINVAL);
    stop(f, GRACE);
    assert_int_equal(
        asynchat_server_call_on_signal(f->server, SIGNAL, count_call, NULL),
        ASYNCHAT_ESTOPPED);
}

static void signals_that_cannot_be_caught_are_refused(void **state)
{
    struct fixture *f = begin(state, &told);
    static const int numbers[] = {-1, 0, 1000, SIGKILL, SIGSTOP};
    for (size_t i = 0; i < COUNT(numbers); i++)
        assert_int_equal(asynchat_server_stop_on_signal(f->server, numbers[i],
                                                        0, NULL, NULL),
                         -EINVAL);
    assert_int_equal(
        asynchat_server_stop_on_signal(NULL, SIGNAL, 0, NULL, NULL), -EINVAL);
    assert_int_equal(asynchat_server_stop_on_signal(
                         f->server, SIGNAL, (unsigned)INT_MAX + 1, NULL, NULL),
                     -EINVAL);
    assert_int_equal(asynchat_server_stop_on_termination(NULL, 0, NULL, NULL),
                     -EINVAL);
    assert_false(is_caught(SIGNAL));
    assert_null(f->server->signals);
}

static void what_cannot_be_is_refused(void **state)
{
    struct fixture *f = begin(state, &told);
    assert_int_equal(asynchat_server_stop(NULL, 0, on_stopped, f), -EINVAL);
    assert_int_equal(
        asynchat_server_stop(f->server, (unsigned)INT_MAX + 1, on_stopped, f),
        -EINVAL);
    assert_int_equal(asynchat_server_connections(NULL), 0);
    turn(f);
    expect_events("");
    send_text(f->peer, "one\r\n");
    turn(f);
    expect_events("message");
}

int main(void)
{
    event_set_mem_functions(maybe_malloc, maybe_realloc, free);
    const struct CMUnitTest tests[] = {
        OVER(TCP, idle_channels_are_closed_and_then_the_server_is_gone),
        OVER(TCP, without_channels_it_is_gone_at_once_from_the_loop),
        OVER(TCP, without_stopped_it_is_gone_as_well),
        OVER(TCP, a_message_in_progress_is_finished_and_answered),
        OVER(TCP, the_beginning_of_a_terminator_is_a_message_in_progress),
        OVER(TCP, what_had_arrived_is_answered_before),
        OVER(TCP, also_by_a_channel_whose_turn_is_over),
        OVER(TCP, a_channel_that_is_paused_is_waited_for),
        OVER(TCP, without_the_peers_side_it_closes_at_once),
        OVER(TCP, without_the_peers_side_it_is_told),
        OVER(TCP, without_its_own_side_it_hears_the_message_in_progress),
        OVER(TCP, a_connection_just_accepted_is_told_first_that_it_is_up),
        OVER(TCP, what_is_queued_is_still_sent),
        OVER(TCP, with_no_terminator_what_has_begun_has_no_end),
        OVER(TCP, it_is_told_once_and_goes_on_until_it_ends),
        OVER(TCP, it_may_say_goodbye),
        OVER(TCP, it_may_free_the_channel),
        OVER(TCP, a_channel_that_is_ending_is_not_told),
        OVER(TCP, what_is_left_after_the_grace_is_ended),
        OVER(TCP, without_a_grace_only_what_is_idle_ends_in_order),
        OVER(TCP, without_a_grace_it_is_told_before_it_ends),
        OVER(TCP, stopped_again_another_grace_begins),
        OVER(TCP, stopped_twice_at_once_it_is_told_once),
        OVER(TCP, stopped_in_handle_connect),
        OVER(TCP, stopped_in_message),
        OVER(TCP, stopped_in_handle_eof),
        OVER(TCP, stopped_in_handle_close),
        OVER(TCP, stopped_in_handle_stopping),
        OVER(TCP, in_stopped_the_server_is_ending_already),
        OVER(TCP, the_last_channel_freed_by_the_program_is_told_from_the_loop),
        OVER(TCP, freed_while_it_stops_its_channels_live_on),
        OVER(TCP, freed_in_handle_stopping),
        OVER(TCP, freed_in_the_handle_close_of_the_last),
        OVER(TCP, all_that_are_left_are_told),
        OVER(TCP, counted_by_address_they_are_told_as_well),
        OVER(TCP, nothing_is_accepted_any_more),
        OVER(TCP, what_waits_is_accepted_and_answered),
        OVER(TCP, also_without_a_grace),
        OVER(TCP, who_waited_is_told_and_has_the_grace),
        OVER(TCP, of_two_on_a_port_one_stops_and_all_are_answered),
        OVER(TCP, on_a_path_as_well),
        OVER(TCP, limits_hold_for_what_waits),
        OVER(TCP, who_waited_is_heard_before_it_closes),
        OVER(TCP, what_waits_goes_to_the_first_of_two_processes),
        OVER(TCP, a_server_that_is_freed_accepts_nothing),
        OVER(TCP, a_connection_for_the_next_process_is_not_waited_for),
        OVER(TCP, a_full_server_does_not_resume_when_it_stops),
        OVER(TCP, its_path_is_removed_at_once_or_stays),
        OVER(TCP, without_memory_it_stops_as_well),
        OVER(TCP, without_memory_for_a_timer_there_is_no_grace),
        OVER(TCP, a_busy_channel_is_told_when_it_is_busy_no_more),
        OVER(TCP, a_busy_channel_ends_when_it_is_busy_no_more),
        OVER(TCP, the_grace_ends_a_busy_channel),
        OVER(TCP, between_messages_a_busy_channel_waits_as_well),
        OVER(TCP, a_signal_stops_it),
        OVER(TCP, any_of_several_signals_stops_it),
        OVER(TCP, both_signals_that_end_a_program_stop_it),
        OVER(TCP, without_memory_a_signal_is_as_it_was),
        OVER(TCP, stopped_or_freed_otherwise_it_knows_no_signals),
        OVER(TCP, a_signal_calls_a_function_until_the_server_stops),
        OVER(TCP, a_call_on_a_signal_that_cannot_be_is_refused),
        OVER(TCP, signals_that_cannot_be_caught_are_refused),
        OVER(TCP, what_cannot_be_is_refused),
    };
    return RUN(tests);
}
