/* Descriptors that are too large for a loop with select(2): each call returns
 * an error. This is tried in a child, because without the error the C library
 * would end the process. SPDX-License-Identifier: BSD-3-Clause */
#include "child.h"
#include "clock.h"
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/bufferevent.h>
#include <event2/event.h>

#define ENOUGH (FD_SETSIZE + 100) /* descriptors */

/* In the child: returns the line of a check that failed. */
#define CHECK(right)                                                           \
    do                                                                         \
        if (!(right))                                                          \
            return __LINE__;                                                   \
    while (0)

static _Atomic int connected, served; /* a worker may count */

static void on_connect(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    connected++;
    (void)asynchat_set_terminator(ch, "\n", 1);
}

static void on_message(struct asynchat_channel *ch, const void *data,
                       size_t len, void *arg)
{
    (void)arg;
    served++;
    (void)asynchat_push(ch, data, len);
}

static const struct asynchat_handler handler = {
    .size = sizeof handler,
    .handle_connect = on_connect,
    .message = on_message,
};

/* Uses up all descriptors below FD_SETSIZE except `but` of them. Returns the
 * largest descriptor in use. */
static int use_up(int but)
{
    int fd;
    do
        fd = dup(0);
    while (fd >= 0 && fd < FD_SETSIZE - 1);
    for (int i = 0; i < but; i++)
        close(fd - i);
    return fd - but;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void turn_base(struct event_base *base)
{
    for (int i = 0; i < 20; i++)
        event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

/* --- calls --- */

static int calls_are_refused(struct event_base *base)
{
    struct asynchat_channel *const none = (void *)&connected, *ch = none;
    struct asynchat_server *server = (void *)&connected;
    char path[64], unix_text[80];
    int fds[2], next, listening = socket(AF_INET, SOCK_STREAM, 0);
    snprintf(path, sizeof path, "/tmp/asynchat-%d", (int)getpid());
    snprintf(unix_text, sizeof unix_text, "unix:%s", path);
    CHECK(listen(listening, 5) == 0);
    use_up(0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    CHECK(fds[0] >= FD_SETSIZE);
    CHECK(asynchat_channel_new_socket(base, fds[0], &handler, NULL, &ch) ==
          -EMFILE);
    CHECK(asynchat_connect(base, "127.0.0.1:9", 0, &handler, NULL, &ch) ==
          -EMFILE);
    CHECK(asynchat_server_new(base, "127.0.0.1:0", &handler, NULL, NULL,
                              &server) == -EMFILE);
    CHECK(asynchat_server_new(base, unix_text, &handler, NULL, NULL, &server) ==
          -EMFILE);
    CHECK(access(path, F_OK) < 0);
    CHECK((next = dup(listening)) >= FD_SETSIZE);
    CHECK(asynchat_server_new_socket(base, next, &handler, NULL, NULL,
                                     &server) == -EMFILE);
    CHECK(is_open(next) && is_open(fds[0]));
    CHECK(dup(0) == next + 1); /* no other descriptor is left */
    struct bufferevent *bev = bufferevent_socket_new(base, fds[1], 0);
    CHECK(bev);
    CHECK(asynchat_channel_new(bev, 0, &handler, NULL, &ch) == -EMFILE);
    bufferevent_free(bev);
    CHECK(ch == none && server == (void *)&connected);
    event_base_loop(base, EVLOOP_NONBLOCK);
    return 0;
}

static int what_wakes_the_loop_for_others_is_refused(struct event_base *base)
{
    struct asynchat_channel *ch;
    struct asynchat_workers *workers;
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    CHECK(asynchat_channel_new_socket(base, fds[0], &handler, NULL, &ch) == 0);
    int last = use_up(0);
    CHECK(asynchat_get_id(ch) == 0);
    CHECK(asynchat_workers_new(1, NULL, NULL, &workers) == -EMFILE);
    close(last);
    CHECK(asynchat_get_id(ch) != 0);
    turn_base(base);
    CHECK(connected == 1);
    asynchat_channel_free(ch);
    return 0;
}

/* --- accepting --- */

static int client_of(const struct asynchat_server *server, int fd)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)asynchat_server_port(server));
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        return -errno;
    return send(fd, "hello\n", 6, MSG_NOSIGNAL) == 6 ? 0 : -errno;
}

/* The connection is accepted, and waits for a free descriptor. */
static int a_connection_waits(struct event_base *base,
                              const struct asynchat_server_options *options)
{
    struct asynchat_server *server;
    struct asynchat_server_stats stats;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(asynchat_server_new(base, "127.0.0.1:0", &handler, NULL, options,
                              &server) == 0);
    int last = use_up(0);
    CHECK(client_of(server, fd) == 0);
    for (int i = 0; i < 3; i++) {
        turn_base(base);
        CHECK(connected == 0);
        clock_advance(100);
    }
    asynchat_server_get_stats(server, &stats, sizeof stats);
    CHECK(stats.pauses == 1 && stats.accepted == 0);
    close(last);
    char text[6] = "";
    for (int i = 0; i < 200 && recv(fd, text, 6, MSG_DONTWAIT) < 0; i++) {
        turn_base(base);
        clock_advance(100);
        usleep(options ? 1000 : 0);
    }
    CHECK(memcmp(text, "hello", 5) == 0);
    asynchat_server_get_stats(server, &stats, sizeof stats);
    CHECK(stats.accepted == 1 && connected == 1 && served == 1);
    CHECK(!is_open(FD_SETSIZE + 1));
    asynchat_server_free(server);
    return 0;
}

static int a_connection_waits_for_a_descriptor(struct event_base *base)
{
    return a_connection_waits(base, NULL);
}

static int also_one_for_workers(struct event_base *base)
{
    struct asynchat_server_options options = {.size = sizeof options};
    CHECK(asynchat_workers_new(1, NULL, NULL, &options.workers) == 0);
    int line = a_connection_waits(base, &options);
    asynchat_workers_free(options.workers);
    return line;
}

static int one_that_waits_when_it_stops_is_lost(struct event_base *base)
{
    struct asynchat_server *server;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(asynchat_server_new(base, "127.0.0.1:0", &handler, NULL, NULL,
                              &server) == 0);
    use_up(0);
    CHECK(client_of(server, fd) == 0);
    turn_base(base);
    CHECK(asynchat_server_stop(server, 0, NULL, NULL) == 0);
    turn_base(base);
    CHECK(connected == 0 && !is_open(FD_SETSIZE));
    return 0;
}

/* --- the child --- */

static _Noreturn void run(int (*test)(struct event_base *base))
{
    alarm(60);
    setenv("EVENT_NOEPOLL", "1", 1);
    setenv("EVENT_NOPOLL", "1", 1);
    struct event_base *base = event_base_new();
    int line = strcmp(event_base_get_method(base), "select") == 0 ? test(base)
                                                                  : __LINE__;
    if (line != 0)
        fprintf(stderr, "%s:%d: not so\n", __FILE__, line);
    child_exit(line != 0);
}

static void in_a_child(int (*test)(struct event_base *base))
{
    struct rlimit limit;
    int status;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max < ENOUGH) {
        print_message("no more than %d descriptors\n", (int)limit.rlim_max);
        skip();
    }
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        limit.rlim_cur = ENOUGH;
        setrlimit(RLIMIT_NOFILE, &limit);
        run(test);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

#define IN_A_CHILD(test)                                                       \
    static void test##_(void **state)                                          \
    {                                                                          \
        (void)state;                                                           \
        in_a_child(test);                                                      \
    }

IN_A_CHILD(calls_are_refused)
IN_A_CHILD(what_wakes_the_loop_for_others_is_refused)
IN_A_CHILD(a_connection_waits_for_a_descriptor)
IN_A_CHILD(also_one_for_workers)
IN_A_CHILD(one_that_waits_when_it_stops_is_lost)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_refused_),
        cmocka_unit_test(what_wakes_the_loop_for_others_is_refused_),
        cmocka_unit_test(a_connection_waits_for_a_descriptor_),
        cmocka_unit_test(also_one_for_workers_),
        cmocka_unit_test(one_that_waits_when_it_stops_is_lost_),
    };
    return RUN(tests);
}
