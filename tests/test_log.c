/* The log. SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"
#include "serving.h"
#include "toy.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* --- what was logged --- */

static char lines[4096];
static char latest[256]; /* the latest line, unchanged */
static int calls;
static struct asynchat_log_record last; /* its texts are gone */

/* Digits are left out, since ports vary. */
static void record(const struct asynchat_log_record *r, void *arg)
{
    size_t at = strlen(lines);
    const char *text = latest;
    assert_ptr_equal(arg, lines);
    assert_int_equal(r->size, sizeof *r);
    calls++;
    last = *r;
    snprintf(latest, sizeof latest, "%s: %s", r->peer, r->text);
    at += (size_t)snprintf(lines + at, sizeof lines - at, "%s%s ",
                           at > 0 ? "|" : "",
                           r->level == ASYNCHAT_LOG_WARNING ? "warning"
                           : r->level == ASYNCHAT_LOG_INFO  ? "info"
                                                            : "debug");
    for (; *text && at < sizeof lines - 1; text++)
        if (*text < '0' || *text > '9')
            lines[at++] = *text;
    lines[at] = '\0';
}

static void expect_lines(const char *expected)
{
    assert_string_equal(lines, expected);
    lines[0] = '\0';
}

static int log_setup(void **state)
{
    lines[0] = '\0';
    calls = 0;
    asynchat_set_log(ASYNCHAT_LOG_DEBUG, record, lines);
    return fixture_setup(state);
}

static int log_teardown(void **state)
{
    int error = fixture_teardown(state);
    asynchat_set_log(ASYNCHAT_LOG_DEBUG, NULL, NULL);
    return error;
}

/* --- channels --- */

static void a_channel_is_connected_and_closes(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    int fd = dial_server(f);
    turn(f);
    expect_lines("debug ...:: is connected");
    hang_up(f, fd);
    expect_lines("debug ...:: closes");
}

static void an_error_is_told_with_its_text(void **state)
{
    struct fixture *f = start_whole(state);
    set_crlf(f);
    assert_int_equal(asynchat_set_message_limit(f->ch, 4), 0);
    lines[0] = '\0';
    feed_string(f, "too long\r\n");
    settle(f);
    assert_non_null(strstr(lines, "info "));
    assert_non_null(strstr(lines, ": the message is too long"));
}

/* The layer fails, and has nothing to say about it. */
static void a_layer_without_a_text_adds_nothing(void **state)
{
    struct asynchat_layer_ops ops = toy_ops;
    struct fixture *f = start(state);
    struct toy *toy = toy_new(false);
    toy->fail_open = 1;
    toy->error = -EPROTO;
    ops.text = NULL;
    assert_int_equal(asynchat_set_layer(f->ch, &ops, toy, NULL), 0);
    lines[0] = '\0';
    feed(f, "\1\1aa", 4);
    feed_string(f, "anything that is no frame");
    settle(f);
    expect_lines("info unix:: Bad message|debug unix:: closes");
}

static void a_record_has_the_event_its_code_and_the_id(void **state)
{
    struct fixture *f = start_whole(state);
    assert_int_equal(last.event, ASYNCHAT_LOG_CONNECTED);
    assert_int_equal(last.code, 0);
    assert_int_equal(last.id, 0);
    uint64_t id = asynchat_get_id(f->ch);
    set_crlf(f);
    assert_int_equal(asynchat_set_message_limit(f->ch, 4), 0);
    asynchat_set_log(ASYNCHAT_LOG_INFO, record, lines);
    feed_string(f, "too long\r\n");
    settle(f);
    assert_int_equal(last.event, ASYNCHAT_LOG_ERROR);
    assert_int_equal(last.level, ASYNCHAT_LOG_INFO);
    assert_int_equal(last.code, ASYNCHAT_ETOOLONG);
    assert_true(last.id == id && id != 0);
}

static void after_a_reset_it_is_still_the_peers_address(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    int fd = dial_server(f);
    char expected[64];
    struct sockaddr_in peer;
    socklen_t len = sizeof peer;
    turn(f);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&peer, &len), 0);
    snprintf(expected, sizeof expected, "127.0.0.1:%u: closes",
             ntohs(peer.sin_port));
    lines[0] = '\0';
    reset(fd);
    turn(f);
    expect_lines("info ...:: Connection reset by peer|debug ...:: closes");
    assert_string_equal(latest, expected);
}

static void ignore(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
}

static void of_who_is_not_reached_it_is_the_address(void **state)
{
    static const struct asynchat_handler handler = {.size = sizeof handler,
                                                    .handle_connect = ignore};
    struct fixture *f = *state;
    struct asynchat_channel *ch;
    assert_int_equal(
        asynchat_connect(f->base, "127.0.0.1:1", 0, &handler, NULL, &ch), 0);
    asynchat_set_log(ASYNCHAT_LOG_INFO, record, lines);
    turn(f);
    assert_string_equal(latest, "127.0.0.1:1: Connection refused");
}

static void what_has_no_address_is_a_channel(void **state)
{
    struct fixture *f = start(state);
    lines[0] = '\0';
    asynchat_close(f->ch);
    settle(f);
    assert_int_equal(strncmp(lines, "debug channel: closes", 21), 0);
}

/* A Unix client may give its socket any name. */
static void a_peer_s_name_makes_no_line_of_its_own(void **state)
{
    struct fixture *f = serve(state, unix_address());
    struct sockaddr_un me = {AF_UNIX, ""}, to = {AF_UNIX, ""};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(me.sun_path, sizeof me.sun_path, "%s\n\x1b[31mall is well",
             unix_path());
    snprintf(to.sun_path, sizeof to.sun_path, "%s", unix_path());
    assert_int_equal(bind(fd, (struct sockaddr *)&me, sizeof me), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    turn(f);
    expect_lines(
        "debug unix:/tmp/asynchat-\\xa\\xb[mall is well: is connected");
    hang_up(f, fd);
    assert_int_equal(unlink(me.sun_path), 0);
    assert_null(strpbrk(latest, "\n\x1b"));
}

static void nor_does_that_of_one_that_is_turned_away(void **state)
{
    static const struct asynchat_server_options options = {
        .size = sizeof options, .max_connections = 1, .turn_away = ""};
    struct fixture *f = serve_with(state, unix_address(), &options);
    struct sockaddr_un me = {AF_UNIX, ""}, to = {AF_UNIX, ""};
    int one = dial_server(f);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(me.sun_path + 1, sizeof me.sun_path - 1, "\n%s", unix_path());
    snprintf(to.sun_path, sizeof to.sun_path, "%s", unix_path());
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 2 +
                                strlen(unix_path()));
    assert_int_equal(bind(fd, (struct sockaddr *)&me, len), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    turn(f);
    assert_non_null(strstr(lines, "unix:@\\xa/tmp/asynchat-: is turned away"));
    assert_null(strchr(lines, '\n'));
    close(fd);
    hang_up(f, one);
}

/* --- servers --- */

static void who_is_turned_away_is_told(void **state)
{
    static const struct asynchat_server_options options = {
        .size = sizeof options, .max_connections = 1, .turn_away = ""};
    struct fixture *f = serve_with(state, "127.0.0.1:0", &options);
    asynchat_set_log(ASYNCHAT_LOG_INFO, record, lines);
    int one = dial_server(f), two = dial_server(f);
    turn(f);
    expect_lines("info ...:: is turned away");
    close(two);
    hang_up(f, one);
}

static void without_descriptors_accepting_is_told_once(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    struct rlimit before;
    asynchat_set_log(ASYNCHAT_LOG_INFO, record, lines);
    int one = dial_server(f), two = dial_server(f);
    limit_descriptors(&before, 0);
    for (int i = 0; i < 10; i++) {
        clock_advance(101);
        turn(f);
    }
    expect_lines("warning ...:: Too many open files");
    setrlimit(RLIMIT_NOFILE, &before);
    clock_advance(101);
    turn(f);
    expect_lines("info ...:: accepts again");
    int three = dial_server(f);
    limit_descriptors(&before, 0);
    turn(f);
    expect_lines("warning ...:: Too many open files");
    setrlimit(RLIMIT_NOFILE, &before);
    close(one);
    close(two);
    close(three);
}

static void a_server_that_stops_is_told(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    asynchat_set_log(ASYNCHAT_LOG_INFO, record, lines);
    assert_int_equal(asynchat_server_stop(f->server, 1000, NULL, NULL), 0);
    expect_lines("info ...:: stops");
    assert_int_equal(asynchat_server_stop(f->server, 1000, NULL, NULL), 0);
    f->server = NULL;
    turn(f);
    expect_lines("info ...:: has stopped");
}

/* --- levels --- */

static void below_the_level_nothing_is_told(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    asynchat_set_log(ASYNCHAT_LOG_WARNING, record, lines);
    int fd = dial_server(f);
    turn(f);
    reset(fd);
    turn(f);
    assert_int_equal(calls, 0);
}

static void without_a_function_nothing_is_told(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    asynchat_set_log(ASYNCHAT_LOG_DEBUG, NULL, lines);
    int fd = dial_server(f);
    turn(f);
    hang_up(f, fd);
    assert_int_equal(calls, 0);
}

/* --- batches, and others --- */

static int run_nothing(void *ring, struct asynchat_batch_call *calls,
                       unsigned count)
{
    (void)ring;
    (void)calls;
    (void)count;
    return -ENOSYS;
}

static void a_batch_that_breaks_is_told_once(void **state)
{
    static const struct asynchat_batch_ops ops = {.size = sizeof ops,
                                                  .run = run_nothing};
    struct fixture *f = serve(state, "127.0.0.1:0");
    int fds[5];
    assert_int_equal(asynchat_set_batch(f->base, &ops, NULL), 0);
    for (int i = 0; i < 5; i++)
        fds[i] = dial_server(f);
    turn(f);
    lines[0] = '\0';
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5; i++)
            say(fds[i]);
        turn(f);
        for (int i = 0; i < 5; i++)
            assert_true(is_answered(fds[i]));
    }
    expect_lines("warning batch: Function not implemented");
    assert_int_equal(last.event, ASYNCHAT_LOG_BATCH);
    assert_int_equal(last.code, -ENOSYS);
    asynchat_set_batch(f->base, NULL, NULL);
    for (int i = 0; i < 5; i++)
        hang_up(f, fds[i]);
}

static void others_can_tell_too(void **state)
{
    struct {
        struct asynchat_log_record known;
        int later;
    } r = {.known = {.size = sizeof r.known,
                     .level = ASYNCHAT_LOG_WARNING,
                     .event = ASYNCHAT_LOG_BATCH,
                     .peer = "peer",
                     .code = -EIO,
                     .text = "text"}};
    (void)state;
    assert_int_equal(asynchat_log(&r.known), 0);
    expect_lines("warning peer: text");
    assert_int_equal(last.code, -EIO);
    r.known.size = sizeof r;
    assert_int_equal(asynchat_log(&r.known), 0);
    expect_lines("warning peer: text");
    r.later = 1;
    assert_int_equal(asynchat_log(&r.known), -ENOTSUP);
    r.known.size = sizeof r.known - 1;
    assert_int_equal(asynchat_log(&r.known), -EINVAL);
    r.known.size = sizeof r.known;
    r.known.text = NULL;
    assert_int_equal(asynchat_log(&r.known), -EINVAL);
    r.known.text = "text";
    r.known.peer = NULL;
    assert_int_equal(asynchat_log(&r.known), -EINVAL);
    assert_int_equal(asynchat_log(NULL), -EINVAL);
    asynchat_set_log(ASYNCHAT_LOG_WARNING + 1, record, lines);
    r.known.peer = "peer";
    assert_int_equal(asynchat_log(&r.known), 0);
    expect_lines("");
}

#define LOGGED(kind, test)                                                     \
    {                                                                          \
#test " over " #kind, test, log_setup, log_teardown,                   \
            (void *)(intptr_t)OVER_##kind                                      \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOGGED(TCP, a_channel_is_connected_and_closes),
        LOGGED(SOCKETPAIR, a_layer_without_a_text_adds_nothing),
        LOGGED(TCP, an_error_is_told_with_its_text),
        LOGGED(PAIR, an_error_is_told_with_its_text),
        LOGGED(SOCKETPAIR, an_error_is_told_with_its_text),
        LOGGED(TCP, a_record_has_the_event_its_code_and_the_id),
        LOGGED(TCP, after_a_reset_it_is_still_the_peers_address),
        LOGGED(TCP, of_who_is_not_reached_it_is_the_address),
        LOGGED(PAIR, what_has_no_address_is_a_channel),
        LOGGED(TCP, a_peer_s_name_makes_no_line_of_its_own),
        LOGGED(TCP, nor_does_that_of_one_that_is_turned_away),
        LOGGED(TCP, who_is_turned_away_is_told),
        LOGGED(TCP, without_descriptors_accepting_is_told_once),
        LOGGED(TCP, a_server_that_stops_is_told),
        LOGGED(TCP, below_the_level_nothing_is_told),
        LOGGED(TCP, without_a_function_nothing_is_told),
        LOGGED(TCP, a_batch_that_breaks_is_told_once),
        LOGGED(TCP, others_can_tell_too),
    };
    return RUN(tests);
}
