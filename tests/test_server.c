/* The server: listening, accepting, running out of descriptors.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "serving.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/bufferevent.h>
#include <event2/event.h>

/* --- listening --- */

static void port_0_is_any_and_can_be_asked(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    char text[ASYNCHAT_ADDRESS_SIZE], expected[ASYNCHAT_ADDRESS_SIZE];
    int port = asynchat_server_port(f->server);
    assert_true(port > 0 && port < 65536);
    snprintf(expected, sizeof expected, "127.0.0.1:%d", port);
    assert_int_equal(
        asynchat_server_address(f->server, text, strlen(expected) + 1), 0);
    assert_string_equal(text, expected);
    int fd = dial(text);
    expect_served(f, fd);
    hang_up(f, fd);
}

static void serves_ipv6(void **state)
{
    struct fixture *f = *state;
    int error =
        asynchat_server_new(f->base, "[::1]:0", &echo, f, NULL, &f->server);
    if (error == -EADDRNOTAVAIL || error == -EAFNOSUPPORT) {
        print_message("no ::1 here: %s\n", asynchat_strerror(error));
        skip();
    }
    assert_int_equal(error, 0);
    assert_true(asynchat_server_port(f->server) > 0);
    int fd = dial_server(f);
    expect_served(f, fd);
    hang_up(f, fd);
}

static void a_port_in_use_is_refused(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    const struct asynchat_server_options share = {.size = sizeof share,
                                                  .flags = ASYNCHAT_REUSE_PORT};
    char text[ASYNCHAT_ADDRESS_SIZE];
    assert_int_equal(asynchat_server_address(f->server, text, sizeof text), 0);
    assert_int_equal(refusal(f, text, &echo, NULL), -EADDRINUSE);
    assert_int_equal(refusal(f, text, &echo, &share), -EADDRINUSE);
}

static void a_port_is_free_again_at_once(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    char text[ASYNCHAT_ADDRESS_SIZE];
    assert_int_equal(asynchat_server_address(f->server, text, sizeof text), 0);
    int fd = dial(text);
    expect_served(f, fd);
    asynchat_server_free(f->server);
    f->server = NULL;
    assert_int_equal(refusal(f, text, &echo, NULL), 0);
    hang_up(f, fd);
}

static void servers_share_a_port_when_all_ask_for_it(void **state)
{
    const struct asynchat_server_options share = {.size = sizeof share,
                                                  .flags = ASYNCHAT_REUSE_PORT};
    struct fixture *f = serve_with(state, "127.0.0.1:0", &share);
    char text[ASYNCHAT_ADDRESS_SIZE];
    assert_int_equal(asynchat_server_address(f->server, text, sizeof text), 0);
    assert_int_equal(refusal(f, text, &echo, &share), 0);
    assert_int_equal(refusal(f, text, &echo, NULL), -EADDRINUSE);
}

static void an_address_that_cannot_be_is_refused(void **state)
{
    struct fixture *f = *state;
    char path[256] = "unix:/tmp/";
    memset(path + 10, 'x', sizeof path - 11);
    path[sizeof path - 1] = '\0';
    assert_int_equal(refusal(f, "", &echo, NULL), ASYNCHAT_EADDRESS);
    assert_int_equal(refusal(f, "localhost:0", &echo, NULL), ASYNCHAT_EADDRESS);
    assert_int_equal(refusal(f, "127.0.0.1", &echo, NULL), ASYNCHAT_EADDRESS);
    assert_int_equal(refusal(f, "127.0.0.1:65536", &echo, NULL),
                     ASYNCHAT_EADDRESS);
    assert_int_equal(refusal(f, "[fe80::1%nosuch]:0", &echo, NULL), -ENODEV);
    assert_int_equal(refusal(f, "192.0.2.1:0", &echo, NULL), -EADDRNOTAVAIL);
    assert_int_equal(refusal(f, "unix:/nowhere/x", &echo, NULL), -ENOENT);
    assert_int_equal(refusal(f, path, &echo, NULL), -ENAMETOOLONG);
}

static void NULL_is_refused(void **state)
{
    struct fixture *f = *state;
    struct asynchat_server *const none = (void *)f, *server = none;
    char text[ASYNCHAT_ADDRESS_SIZE];
    assert_int_equal(
        asynchat_server_new(NULL, "127.0.0.1:0", &echo, f, NULL, &server),
        -EINVAL);
    assert_ptr_equal(server, none);
    assert_int_equal(
        asynchat_server_new(f->base, "127.0.0.1:0", &echo, f, NULL, NULL),
        -EINVAL);
    assert_int_equal(refusal(f, NULL, &echo, NULL), -EINVAL);
    assert_int_equal(refusal(f, "127.0.0.1:0", NULL, NULL), -EINVAL);
    assert_int_equal(asynchat_server_address(NULL, text, sizeof text), -EINVAL);
    assert_int_equal(asynchat_server_port(NULL), 0);
    asynchat_server_free(NULL);
    serve(state, "127.0.0.1:0");
    assert_int_equal(asynchat_server_address(f->server, NULL, 0), -EINVAL);
}

static int try_options(struct fixture *f, const void *options)
{
    return refusal(f, "127.0.0.1:0", &echo, options);
}

static void bad_options_are_refused(void **state)
{
    struct fixture *f = *state;
    struct asynchat_server_options options = {.size = sizeof options};
    assert_int_equal(try_options(f, &options), 0);
    options.backlog = -1;
    assert_int_equal(try_options(f, &options), -EINVAL);
    options.backlog = 0;
    for (int bit = 5; bit < 32; bit++) {
        options.flags = 1u << bit;
        assert_int_equal(try_options(f, &options), -EINVAL);
        options.flags |= ASYNCHAT_REUSE_PORT;
        assert_int_equal(try_options(f, &options), -EINVAL);
    }
    options.flags = 0;
    for (int bit = 9; bit < 32; bit++) {
        options.mode = 1u << bit;
        assert_int_equal(try_options(f, &options), -EINVAL);
    }
    options.mode = 0;
    /* Those of the first version ended with `workers`. */
    for (size_t size = 0;
         size < offsetof(struct asynchat_server_options, channels); size++) {
        options.size = size;
        assert_int_equal(try_options(f, &options), -EINVAL);
    }
}

/* They would be those of each worker, or of none. */
static void limits_are_not_for_workers(void **state)
{
    struct fixture *f = *state;
    struct asynchat_workers *workers;
    assert_int_equal(asynchat_workers_new(1, NULL, NULL, &workers), 0);
    const struct asynchat_server_options options[] = {
        {.size = sizeof *options, .workers = workers},
        {.size = sizeof *options, .workers = workers, .max_connections = 1},
        {.size = sizeof *options, .workers = workers, .max_per_address = 1},
        {.size = sizeof *options, .workers = workers, .turn_away = "full\n"}};
    assert_int_equal(try_options(f, &options[0]), 0);
    for (size_t i = 1; i < COUNT(options); i++)
        assert_int_equal(try_options(f, &options[i]), -EINVAL);
    assert_int_equal(asynchat_workers_free(workers), 0);
}

static void options_of_a_later_version_are_taken_if_they_ask_nothing_new(
    void **state)
{
    struct fixture *f = *state;
    struct {
        struct asynchat_server_options known;
        size_t later;
    } options = {.known.size = sizeof options};
    assert_int_equal(try_options(f, &options), 0);
    options.later = 1;
    assert_int_equal(try_options(f, &options), -ENOTSUP);
}

static int try_handler(struct fixture *f,
                       const struct asynchat_handler *handler)
{
    return refusal(f, "127.0.0.1:0", handler, NULL);
}

static void bad_handlers_are_refused(void **state)
{
    struct fixture *f = *state;
    struct {
        struct asynchat_handler known;
        void *later;
    } handler = {.known = echo};
    struct asynchat_handler *known = &handler.known;
    known->size = sizeof handler;
    assert_int_equal(try_handler(f, known), 0);
    handler.later = f;
    assert_int_equal(try_handler(f, known), -ENOTSUP);
    known->size = 0;
    assert_int_equal(try_handler(f, known), -EINVAL);
    known->size = sizeof *known - 1;
    assert_int_equal(try_handler(f, known), -EINVAL);
    *known = recorder;
    known->message = echo.message;
    assert_int_equal(try_handler(f, known), -EINVAL);
    *known = (struct asynchat_handler){.size = sizeof *known};
    assert_int_equal(try_handler(f, known), -EINVAL);
}

/* --- Unix sockets --- */

static void a_unix_path_lives_as_long_as_its_server(void **state)
{
    struct fixture *f = serve(state, unix_address());
    char text[ASYNCHAT_ADDRESS_SIZE];
    assert_int_equal(asynchat_server_port(f->server), 0);
    assert_int_equal(asynchat_server_address(f->server, text, sizeof text), 0);
    assert_string_equal(text, unix_address());
    assert_int_equal(access(unix_path(), F_OK), 0);
    int fd = dial(text);
    expect_served(f, fd);
    asynchat_server_free(f->server);
    f->server = NULL;
    assert_int_equal(access(unix_path(), F_OK), -1);
    expect_served(f, fd);
    hang_up(f, fd);
}

static void a_unix_path_in_use_stays_its_server_s(void **state)
{
    struct fixture *f = serve(state, unix_address());
    assert_int_equal(refusal(f, unix_address(), &echo, NULL), -EADDRINUSE);
    int fd = dial_server(f);
    expect_served(f, fd);
    hang_up(f, fd);
}

static void a_file_at_a_unix_path_is_left_alone(void **state)
{
    struct fixture *f = *state;
    close(open(unix_path(), O_CREAT | O_WRONLY, 0600));
    assert_int_equal(refusal(f, unix_address(), &echo, NULL), -EADDRINUSE);
    assert_int_equal(unlink(unix_path()), 0);
}

/* --- descriptors --- */

static int listening_descriptor(void)
{
    for (int fd = 0; fd < 1024; fd++)
        if (has(fd, SOL_SOCKET, SO_ACCEPTCONN))
            return fd;
    fail_msg("nothing listens");
    return -1;
}

static void expect_flags(int fd)
{
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(has(fd, IPPROTO_TCP, TCP_NODELAY));
}

static void sockets_are_nonblocking_close_on_exec_and_without_delay(
    void **state)
{
    struct fixture *f = start(state);
    expect_flags(listening_descriptor());
    expect_flags(bufferevent_getfd(asynchat_get_bufferevent(f->ch)));
}

static unsigned backlog(void)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    assert_int_equal(
        getsockopt(listening_descriptor(), IPPROTO_TCP, TCP_INFO, &info, &len),
        0);
    return info.tcpi_sacked; /* the backlog, for a listening socket */
}

static void the_backlog_is_as_set(void **state)
{
    const struct asynchat_server_options options = {.size = sizeof options,
                                                    .backlog = 3};
    struct fixture *f = serve_with(state, "127.0.0.1:0", &options);
    assert_int_equal(backlog(), 3);
    asynchat_server_free(f->server);
    serve(state, "127.0.0.1:0");
    assert_true(backlog() >= 128);
}

/* --- connections --- */

static void connections_are_served_side_by_side(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    int fds[200];
    for (size_t i = 0; i < COUNT(fds); i++)
        fds[i] = dial_server(f);
    turn(f);
    assert_int_equal(connected, COUNT(fds));
    for (size_t i = 0; i < COUNT(fds); i++)
        say(fds[i]);
    turn(f);
    for (size_t i = 0; i < COUNT(fds); i++) {
        assert_true(is_answered(fds[i]));
        close(fds[i]);
    }
    turn(f);
    assert_int_equal(closed, COUNT(fds));
}

static void a_connection_begins_with_the_server_s_arg(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(asynchat_server_new(f->base, "127.0.0.1:0", &recorder, f,
                                         NULL, &f->server),
                     0);
    int fd = dial_server(f);
    say(fd);
    settle(f);
    expect(f, "connect data(hello\\n)");
    assert_ptr_equal(asynchat_get_arg(f->ch), f);
    hang_up(f, fd);
}

static void a_reset_before_it_is_accepted_breaks_nothing(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    for (int i = 0; i < 3; i++)
        reset(dial_server(f));
    int fd = dial_server(f);
    turn(f);
    expect_served(f, fd);
    assert_int_equal(connected, closed + 1);
    hang_up(f, fd);
}

/* --- freeing --- */

static void free_server(struct fixture *f)
{
    asynchat_server_free(f->server);
    f->server = NULL;
}

static void freed_in_handle_connect_it_keeps_those_accepted(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    int fds[3];
    f->on_connect = free_server;
    for (size_t i = 0; i < COUNT(fds); i++)
        fds[i] = dial_server(f);
    turn(f);
    assert_null(f->server);
    assert_int_equal(connected, COUNT(fds));
    for (size_t i = 0; i < COUNT(fds); i++) {
        expect_served(f, fds[i]);
        hang_up(f, fds[i]);
    }
}

static void freed_it_keeps_its_channels_and_takes_no_more(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    char text[ASYNCHAT_ADDRESS_SIZE];
    assert_int_equal(asynchat_server_address(f->server, text, sizeof text), 0);
    int fd = dial(text);
    turn(f);
    free_server(f);
    assert_int_equal(dial(text), -ECONNREFUSED);
    expect_served(f, fd);
    hang_up(f, fd);
    assert_int_equal(closed, 1);
    assert_int_equal(event_base_dispatch(f->base), 1); /* nothing to wait for */
}

static void freed_before_the_loop_ran_it_leaves_nothing(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    int fd = dial_server(f);
    free_server(f);
    turn(f);
    assert_int_equal(connected, 0);
    hang_up(f, fd);
}

/* --- without descriptors --- */

static void stop_waiting(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    *(bool *)arg = true;
}

/* Counts how often the loop wakes up in this time. */
static int count_wakeups(struct fixture *f, int milliseconds)
{
    bool over = false;
    int count = 0;
    struct timeval time = {.tv_usec = milliseconds * 1000};
    struct event *timer = evtimer_new(f->base, stop_waiting, &over);
    assert_int_equal(evtimer_add(timer, &time), 0);
    while (!over) {
        event_base_loop(f->base, EVLOOP_ONCE);
        count++;
    }
    event_free(timer);
    return count;
}

static void without_descriptors_accepting_pauses_and_resumes(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    struct rlimit before;
    int first = dial_server(f);
    turn(f);
    int second = dial_server(f);
    int third = dial_server(f);
    limit_descriptors(&before, 0);
    say(second);
    int wakeups = count_wakeups(f, 350);
    say(first);
    turn(f);
    bool served = is_answered(first);
    close(first); /* then the server's end is free as well */
    count_wakeups(f, 150);
    bool resumed = is_answered(second);
    setrlimit(RLIMIT_NOFILE, &before);
    count_wakeups(f, 150);
    assert_true(wakeups < 20); /* it tries every 100 ms */
    assert_true(served);
    assert_true(resumed);
    expect_served(f, third);
    int fourth = dial_server(f);
    expect_served(f, fourth); /* as before the pause */
    assert_int_equal(connected, 4);
    hang_up(f, second);
    hang_up(f, third);
    hang_up(f, fourth);
}

static void freed_while_accepting_pauses(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    struct rlimit before;
    int fd = dial_server(f);
    limit_descriptors(&before, 0);
    turn(f);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(connected, 0);
    free_server(f);
    assert_int_equal(event_base_dispatch(f->base), 1);
    hang_up(f, fd);
}

static void without_a_descriptor_there_is_no_server(void **state)
{
    struct fixture *f = *state;
    struct rlimit before;
    limit_descriptors(&before, 0);
    int error = refusal(f, "127.0.0.1:0", &echo, NULL);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(error, -EMFILE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER(TCP, port_0_is_any_and_can_be_asked),
        OVER(TCP, serves_ipv6),
        OVER(TCP, a_port_in_use_is_refused),
        OVER(TCP, a_port_is_free_again_at_once),
        OVER(TCP, servers_share_a_port_when_all_ask_for_it),
        OVER(TCP, an_address_that_cannot_be_is_refused),
        OVER(TCP, NULL_is_refused),
        OVER(TCP, bad_options_are_refused),
        OVER(TCP, limits_are_not_for_workers),
        OVER(TCP, options_of_a_later_version_are_taken_if_they_ask_nothing_new),
        OVER(TCP, bad_handlers_are_refused),
        OVER(TCP, a_unix_path_lives_as_long_as_its_server),
        OVER(TCP, a_unix_path_in_use_stays_its_server_s),
        OVER(TCP, a_file_at_a_unix_path_is_left_alone),
        OVER(TCP, sockets_are_nonblocking_close_on_exec_and_without_delay),
        OVER(TCP, the_backlog_is_as_set),
        OVER(TCP, connections_are_served_side_by_side),
        OVER(TCP, a_connection_begins_with_the_server_s_arg),
        OVER(TCP, a_reset_before_it_is_accepted_breaks_nothing),
        OVER(TCP, freed_in_handle_connect_it_keeps_those_accepted),
        OVER(TCP, freed_it_keeps_its_channels_and_takes_no_more),
        OVER(TCP, freed_before_the_loop_ran_it_leaves_nothing),
        OVER(TCP, without_descriptors_accepting_pauses_and_resumes),
        OVER(TCP, freed_while_accepting_pauses),
        OVER(TCP, without_a_descriptor_there_is_no_server),
    };
    return RUN(tests);
}
