/* The addresses that a server listens on: flags, IPv6 with and without IPv4,
 * paths of Unix sockets. SPDX-License-Identifier: BSD-3-Clause */
#include "child.h"
#include "serving.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/bufferevent.h>
#include <event2/event.h>

#include "base/address.h"

static struct fixture *serve_flags(void **state, const char *address,
                                   unsigned flags)
{
    const struct asynchat_server_options options = {.size = sizeof options,
                                                    .flags = flags};
    return serve_with(state, address, &options);
}

/* --- TCP --- */

static bool is_other_end(int fd, int other)
{
    struct sockaddr_in own, peer;
    socklen_t own_len = sizeof own, peer_len = sizeof peer;
    return getsockname(fd, (struct sockaddr *)&own, &own_len) == 0 &&
           getpeername(other, (struct sockaddr *)&peer, &peer_len) == 0 &&
           own_len == peer_len && memcmp(&own, &peer, own_len) == 0;
}

/* Returns the server's end of its first connection. */
static int accepted_descriptor(struct fixture *f)
{
    int fd = dial_server(f);
    turn(f);
    assert_int_equal(connected, 1);
    f->peer = fd; /* closed by the fixture */
    for (int other = 0; other < 1000; other++)
        if (is_other_end(fd, other))
            return other;
    fail_msg("nothing was accepted");
    return -1;
}

static void connections_are_kept_alive_only_if_asked_for(void **state)
{
    struct fixture *f = serve_flags(state, "127.0.0.1:0", ASYNCHAT_KEEPALIVE);
    int fd = accepted_descriptor(f);
    assert_true(has(fd, SOL_SOCKET, SO_KEEPALIVE));
    assert_true(has(fd, IPPROTO_TCP, TCP_NODELAY));
    hang_up(f, f->peer);
    f->peer = -1;
    asynchat_server_free(f->server);
    serve(state, "127.0.0.1:0");
    assert_false(has(accepted_descriptor(f), SOL_SOCKET, SO_KEEPALIVE));
    hang_up(f, f->peer);
    f->peer = -1;
}

static int answer;

/* SO_RCVBUF counts for a connection only if it is set before listen(2). */
static int prepare(int fd, const struct sockaddr *at, socklen_t len, void *arg)
{
    struct fixture *f = arg;
    struct sockaddr_in bound;
    socklen_t room = sizeof bound;
    const int size = 5000;
    assert_int_equal(at->sa_family, AF_INET);
    assert_int_equal(len, sizeof bound);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&bound, &room), 0);
    assert_int_equal(bound.sin_port, 0); /* is not bound */
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size),
                     0);
    f->count++;
    return answer;
}

static void the_socket_can_be_prepared(void **state)
{
    const struct asynchat_server_options options = {.size = sizeof options,
                                                    .prepare = prepare};
    struct fixture *f = *state;
    struct asynchat_server *server = (struct asynchat_server *)f;
    int size = 0;
    socklen_t len = sizeof size;
    for (answer = -EPERM; answer <= 1; answer += 1 - -EPERM)
        assert_int_equal(asynchat_server_new(f->base, "127.0.0.1:0", &echo, f,
                                             &options, &server),
                         answer < 0 ? answer : -ECONNABORTED);
    assert_ptr_equal(server, f);
    answer = 0;
    serve_with(state, "127.0.0.1:0", &options);
    assert_int_equal(f->count, 3);
    int fd = accepted_descriptor(f);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &len), 0);
    assert_int_equal(size, 10000);
    hang_up(f, f->peer);
    f->peer = -1;
}

static void small_writes_may_be_held_back_if_asked_for(void **state)
{
    struct fixture *f = serve_flags(state, "127.0.0.1:0", ASYNCHAT_DELAY);
    assert_false(has(accepted_descriptor(f), IPPROTO_TCP, TCP_NODELAY));
    hang_up(f, f->peer);
    f->peer = -1;
}

/* Connects to a port of the server's by another address of this machine. */
static int dial_as(struct fixture *f, const char *host)
{
    char text[ASYNCHAT_ADDRESS_SIZE];
    snprintf(text, sizeof text, "%s:%d", host, asynchat_server_port(f->server));
    return dial(text);
}

static void need_ipv6(struct fixture *f)
{
    int error = refusal(f, "[::1]:0", &echo, NULL);
    if (error == -EADDRNOTAVAIL || error == -EAFNOSUPPORT) {
        print_message("no ::1 here: %s\n", asynchat_strerror(error));
        skip();
    }
    assert_int_equal(error, 0);
}

static void any_ipv6_address_is_any_ipv4_address_too(void **state)
{
    need_ipv6(*state);
    struct fixture *f = serve(state, "[::]:0");
    int four = dial_as(f, "127.0.0.1"), six = dial_as(f, "[::1]");
    assert_true(four >= 0 && six >= 0);
    expect_served(f, four);
    expect_served(f, six);
    hang_up(f, four);
    hang_up(f, six);
}

static void for_ipv6_only_there_is_no_ipv4(void **state)
{
    need_ipv6(*state);
    struct fixture *f = serve_flags(state, "[::]:0", ASYNCHAT_IPV6_ONLY);
    assert_int_equal(dial_as(f, "127.0.0.1"), -ECONNREFUSED);
    int six = dial_as(f, "[::1]");
    expect_served(f, six);
    hang_up(f, six);
}

/* --- the path of a Unix socket --- */

/* A socket at the path, of that type, which listens with that backlog unless it
 * is -1. */
static int occupy(int type, int backlog)
{
    struct address at;
    assert_int_equal(asynchat__address_parse(&at, unix_address()), 0);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at.storage, at.len), 0);
    if (backlog >= 0)
        assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static bool is_there(void)
{
    struct stat file;
    return lstat(unix_path(), &file) == 0;
}

/* Nobody can listen there, and what is there stays. */
static void expect_occupied(struct fixture *f)
{
    assert_int_equal(refusal(f, unix_address(), &echo, NULL), -EADDRINUSE);
    assert_true(is_there());
    assert_int_equal(remove(unix_path()), 0);
}

static void a_path_that_a_server_has_left_is_taken_over(void **state)
{
    close(occupy(SOCK_STREAM, 5));
    assert_true(is_there());
    struct fixture *f = serve(state, unix_address());
    int fd = dial_server(f);
    expect_served(f, fd);
    asynchat_server_free(f->server);
    f->server = NULL;
    assert_false(is_there());
    hang_up(f, fd);
}

static void a_path_is_occupied_by_a_server_too_busy_to_accept(void **state)
{
    int clients[2], fd = occupy(SOCK_STREAM, 0);
    clients[0] = dial(unix_address());
    assert_true(clients[0] >= 0);
    expect_occupied(*state);
    close(clients[0]);
    close(fd);
}

static void a_path_is_occupied_by_a_socket_for_datagrams(void **state)
{
    int fd = occupy(SOCK_DGRAM, -1);
    expect_occupied(*state);
    close(fd);
}

static void a_file_that_is_no_socket_is_never_removed(void **state)
{
    char other[80];
    close(open(unix_path(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    expect_occupied(*state);
    assert_int_equal(mkdir(unix_path(), 0700), 0);
    expect_occupied(*state);
    assert_int_equal(mkfifo(unix_path(), 0600), 0);
    expect_occupied(*state);
    close(occupy(SOCK_STREAM, 5));
    snprintf(other, sizeof other, "%s.other", unix_path());
    assert_int_equal(rename(unix_path(), other), 0);
    assert_int_equal(symlink(other, unix_path()), 0);
    expect_occupied(*state);
    assert_int_equal(remove(other), 0);
}

static void a_path_that_is_another_s_by_now_stays(void **state)
{
    struct fixture *f = serve(state, unix_address());
    assert_int_equal(unlink(unix_path()), 0);
    int fd = occupy(SOCK_STREAM, 5);
    asynchat_server_free(f->server);
    f->server = NULL;
    assert_true(is_there());
    close(fd);
    assert_int_equal(unlink(unix_path()), 0);
}

static unsigned permissions(void)
{
    struct stat file;
    assert_int_equal(stat(unix_path(), &file), 0);
    return file.st_mode & 07777;
}

static void a_path_s_permissions_are_as_set_or_what_the_umask_leaves(
    void **state)
{
    struct asynchat_server_options options = {.size = sizeof options,
                                              .mode = 0666};
    mode_t before = umask(027);
    struct fixture *f = serve_with(state, unix_address(), &options);
    assert_int_equal(permissions(), 0666);
    asynchat_server_free(f->server);
    serve(state, unix_address());
    assert_int_equal(permissions(), 0750);
    umask(before);
}

/* As long as the system allows: a NUL is only behind it. */
static void a_path_that_fills_its_place_is_removed_as_well(void **state)
{
    char address[5 + 108 + 1];
    struct stat file;
    snprintf(address, sizeof address, "%s%0108d", unix_address(), 0);
    struct fixture *f = serve(state, address);
    assert_int_equal(lstat(address + 5, &file), 0);
    int fd = dial_server(f);
    expect_served(f, fd);
    hang_up(f, fd);
    asynchat_server_free(f->server);
    f->server = NULL;
    assert_int_equal(lstat(address + 5, &file), -1);
}

/* --- names in the abstract namespace --- */

static const char *abstract_address(void)
{
    static char text[64];
    snprintf(text, sizeof text, "unix:@asynchat-%d", (int)getpid());
    return text;
}

static void an_abstract_name_is_listened_on(void **state)
{
    struct fixture *f = serve(state, abstract_address());
    char text[ASYNCHAT_ADDRESS_SIZE];
    assert_int_equal(asynchat_server_address(f->server, text, sizeof text), 0);
    assert_string_equal(text, abstract_address());
    assert_int_equal(access(abstract_address() + 5, F_OK), -1);
    int fd = dial_server(f);
    expect_served(f, fd);
    assert_int_equal(refusal(f, abstract_address(), &echo, NULL), -EADDRINUSE);
    hang_up(f, fd);
    asynchat_server_set_remove_path(f->server, 1);
    asynchat_server_free(f->server);
    f->server = NULL;
    assert_int_equal(refusal(f, abstract_address(), &echo, NULL), 0);
}

static void an_abstract_name_has_no_permissions(void **state)
{
    const struct asynchat_server_options options = {.size = sizeof options,
                                                    .mode = 0600};
    assert_int_equal(refusal(*state, abstract_address(), &echo, &options),
                     -EINVAL);
}

/* --- two at once --- */

static void begin_lines(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    (void)asynchat_set_terminator(ch, "\n", 1);
}

static void answer_line(struct asynchat_channel *ch, const void *data,
                        size_t len, void *arg)
{
    (void)arg;
    (void)asynchat_push(ch, data, len);
    (void)asynchat_push(ch, "\n", 1);
}

/* In a child nothing of cmocka is called. */
static const struct asynchat_handler plain_echo = {
    .size = sizeof plain_echo,
    .handle_connect = begin_lines,
    .message = answer_line,
};

/* Another server begins on the path when this one is in the middle of it. */
static struct fixture *meanwhile;
static bool in_unlink;
static int other_error;

static void begin_another(void)
{
    struct fixture *f = meanwhile;
    meanwhile = NULL;
    if (f)
        other_error =
            asynchat_server_new(f->base, unix_address(), &echo, f, NULL,
                                (struct asynchat_server **)&f->own);
}

int unlink(const char *path)
{
    if (in_unlink && strcmp(path, unix_path()) == 0)
        begin_another();
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int listen(int fd, int backlog)
{
    if (!in_unlink)
        begin_another();
    return (int)syscall(SYS_listen, fd, backlog);
}

static void expect_one(void **state, bool while_unlinking)
{
    struct fixture *f = *state;
    close(occupy(SOCK_STREAM, 5));
    meanwhile = f;
    in_unlink = while_unlinking;
    other_error = 1;
    serve(state, unix_address());
    assert_null(meanwhile);
    assert_int_equal(other_error, -EADDRINUSE);
    int fd = dial_server(f);
    expect_served(f, fd);
    hang_up(f, fd);
}

static void who_removes_what_was_left_removes_no_other_server(void **state)
{
    expect_one(state, true);
}

static void a_server_that_does_not_listen_yet_is_not_removed(void **state)
{
    expect_one(state, false);
}

/* One of two that begin: says how that went, and serves if it can. */
static _Noreturn void begin_in_a_child(const char *address, int start,
                                       int result)
{
    struct event_base *base = event_base_new();
    struct asynchat_server *server;
    char byte;
    if (read(start, &byte, 1) != 1)
        child_exit(1);
    int error =
        asynchat_server_new(base, address, &plain_echo, NULL, NULL, &server);
    (void)!write(result, &error, sizeof error);
    alarm(60);
    if (!error)
        event_base_dispatch(base);
    child_exit(0);
}

static pid_t start_child(int start, int result)
{
    const char *address = unix_address(); /* which is this process's */
    pid_t child = fork();
    if (child == 0)
        begin_in_a_child(address, start, result);
    assert_true(child > 0);
    return child;
}

static void expect_one_of_two(int start[2], int result[2])
{
    pid_t children[2] = {start_child(start[0], result[1]),
                         start_child(start[0], result[1])};
    int errors[2];
    char line[6];
    assert_int_equal(write(start[1], "go", 2), 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(read(result[0], &errors[i], sizeof errors[i]),
                         sizeof errors[i]);
    for (int i = 0; i < 3; i++) {
        int fd = dial(unix_address());
        assert_true(fd >= 0);
        say(fd);
        assert_int_equal(recv(fd, line, sizeof line, MSG_WAITALL), sizeof line);
        close(fd);
    }
    assert_int_equal(errors[0] + errors[1], -EADDRINUSE);
    assert_true(errors[0] == 0 || errors[1] == 0);
    for (int i = 0; i < 2; i++) {
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
    }
}

/* Each round leaves its path to the next. */
static void of_two_processes_that_begin_at_once_one_serves(void **state)
{
    int start[2], result[2];
    (void)state;
    assert_int_equal(pipe(start) + pipe(result), 0);
    close(occupy(SOCK_STREAM, 5));
    for (int i = 0; i < 200; i++)
        expect_one_of_two(start, result);
    assert_int_equal(unlink(unix_path()), 0);
    for (int i = 0; i < 2; i++) {
        close(start[i]);
        close(result[i]);
    }
}

static const char *lock_file(void)
{
    static char name[80];
    const char *path = unix_path();
    snprintf(name, sizeof name, "/tmp/.%s.asynchat", strrchr(path, '/') + 1);
    return name;
}

/* As by a process that was killed. */
static void a_lock_file_that_was_left_is_removed(void **state)
{
    close(open(lock_file(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    struct fixture *f = serve(state, unix_address());
    assert_int_equal(access(lock_file(), F_OK), -1);
    int fd = dial_server(f);
    expect_served(f, fd);
    hang_up(f, fd);
}

static void while_another_has_the_lock_the_path_is_in_use(void **state)
{
    int fd = open(lock_file(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(refusal(*state, unix_address(), &echo, NULL), -EADDRINUSE);
    assert_int_equal(access(lock_file(), F_OK), 0);
    assert_int_equal(unlink(lock_file()), 0);
    close(fd);
}

/* What the next calls fail with, for a test; or the lock file is gone in
 * between. */
static int open_error, flock_error;
static int replaced;

int open64(const char *path, int flags, ...)
{
    if (open_error && strcmp(path, lock_file()) == 0) {
        errno = open_error;
        return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
}

int flock(int fd, int operation)
{
    if (flock_error) {
        errno = flock_error;
        return -1;
    }
    if (replaced > 0 && unlink(lock_file()) == 0 && --replaced % 2)
        close(open(lock_file(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    return (int)syscall(SYS_flock, fd, operation);
}

/* By one that was quicker, and is about to be done; or by another one after
 * it. */
static void a_lock_file_that_is_another_by_now_is_no_lock(void **state)
{
    replaced = 4;
    struct fixture *f = serve(state, unix_address());
    assert_int_equal(replaced, 0);
    assert_int_equal(access(lock_file(), F_OK), -1);
    asynchat_server_free(f->server);
    f->server = NULL;
    replaced = 1000;
    assert_int_equal(refusal(f, unix_address(), &echo, NULL), -EADDRINUSE);
    replaced = 0;
    (void)unlink(lock_file());
}

static void where_no_lock_can_be_made_there_is_none(void **state)
{
    for (int i = 0; i < 2; i++) {
        open_error = i == 0 ? EACCES : 0;
        flock_error = i == 1 ? EOPNOTSUPP : 0;
        close(occupy(SOCK_STREAM, 5));
        struct fixture *f = serve(state, unix_address());
        open_error = flock_error = 0;
        assert_int_equal(access(lock_file(), F_OK), -1);
        int fd = dial_server(f);
        expect_served(f, fd);
        hang_up(f, fd);
        asynchat_server_free(f->server);
        f->server = NULL;
    }
}

static void other_errors_of_locking_are_answered(void **state)
{
    open_error = ENOSPC;
    assert_int_equal(refusal(*state, unix_address(), &echo, NULL), -ENOSPC);
    open_error = 0;
    assert_false(is_there());
}

static void an_error_leaves_neither_path_nor_lock(void **state)
{
    char address[64];
    snprintf(address, sizeof address, "%s/no", unix_address());
    assert_int_equal(refusal(*state, address, &echo, NULL), -ENOENT);
    close(open(unix_path(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(refusal(*state, unix_address(), &echo, NULL), -EADDRINUSE);
    assert_int_equal(access(lock_file(), F_OK), -1);
    assert_int_equal(unlink(unix_path()), 0);
}

/* --- a socket that is there --- */

/* As if it were another process's: a socket of this one's server. */
static int handed_over(struct fixture *f)
{
    int fd = dup(asynchat_server_get_socket(f->server));
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
    return fd;
}

static void take(struct fixture *f, int fd,
                 const struct asynchat_server_options *options)
{
    f->server = NULL;
    assert_int_equal(
        asynchat_server_new_socket(f->base, fd, &echo, f, options, &f->server),
        0);
}

static void a_listening_socket_can_be_handed_over(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    struct asynchat_server *old = f->server;
    int port = asynchat_server_port(old), fd = handed_over(f);
    int early = dial_server(f);
    take(f, fd, NULL);
    assert_int_equal(asynchat_server_port(f->server), port);
    assert_int_equal(asynchat_server_get_socket(f->server), fd);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    asynchat_server_free(old);
    int late = dial_server(f);
    expect_served(f, early);
    expect_served(f, late);
    hang_up(f, early);
    hang_up(f, late);
}

static void connections_of_one_handed_over_have_the_options(void **state)
{
    const struct asynchat_server_options options = {
        .size = sizeof options,
        .flags = ASYNCHAT_DELAY | ASYNCHAT_KEEPALIVE | ASYNCHAT_IPV6_ONLY};
    struct fixture *f = serve(state, "127.0.0.1:0");
    struct asynchat_server *old = f->server;
    take(f, handed_over(f), &options);
    asynchat_server_free(old);
    int fd = accepted_descriptor(f);
    assert_true(has(fd, SOL_SOCKET, SO_KEEPALIVE));
    assert_false(has(fd, IPPROTO_TCP, TCP_NODELAY));
    hang_up(f, f->peer);
    f->peer = -1;
}

static void a_path_handed_over_stays_if_the_old_one_says_so(void **state)
{
    struct fixture *f = serve(state, unix_address());
    struct asynchat_server *old = f->server;
    take(f, handed_over(f), NULL);
    asynchat_server_set_remove_path(old, 0);
    asynchat_server_free(old);
    assert_true(is_there());
    int fd = dial_server(f);
    expect_served(f, fd);
    asynchat_server_free(f->server);
    f->server = NULL;
    assert_true(is_there());
    hang_up(f, fd);
    assert_int_equal(unlink(unix_path()), 0);
}

static void the_last_one_may_remove_the_path(void **state)
{
    struct fixture *f = serve(state, unix_address());
    struct asynchat_server *old = f->server;
    take(f, handed_over(f), NULL);
    asynchat_server_set_remove_path(old, 0);
    asynchat_server_free(old);
    asynchat_server_set_remove_path(f->server, 1);
    asynchat_server_free(f->server);
    f->server = NULL;
    assert_false(is_there());
}

/* Another server's, or what else is there by then. */
static void a_path_that_is_not_the_sockets_stays(void **state)
{
    struct fixture *f = serve(state, unix_address());
    struct asynchat_server *old = f->server;
    int fd = handed_over(f);
    asynchat_server_set_remove_path(old, 0);
    asynchat_server_free(old);
    assert_int_equal(unlink(unix_path()), 0);
    close(open(unix_path(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    take(f, fd, NULL);
    asynchat_server_set_remove_path(f->server, 1);
    asynchat_server_free(f->server);
    f->server = NULL;
    assert_true(is_there());
    assert_int_equal(unlink(unix_path()), 0);
}

/* What taking a descriptor fails with, which stays the caller's. */
static int take_refusal(struct fixture *f, int fd)
{
    struct asynchat_server *const none = (void *)f, *server = none;
    int error =
        asynchat_server_new_socket(f->base, fd, &echo, f, NULL, &server);
    assert_ptr_equal(server, none);
    assert_true(fd < 0 || fcntl(fd, F_GETFD) >= 0);
    return error;
}

static void what_does_not_listen_for_streams_is_refused(void **state)
{
    struct fixture *f = *state;
    struct asynchat_server *server;
    int fds[2];
    make_socketpair(fds);
    assert_int_equal(take_refusal(f, fds[0]), -EINVAL);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(take_refusal(f, fds[0]), -ENOTSOCK);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(take_refusal(f, -1), -EBADF);
    int fd = occupy(SOCK_SEQPACKET, 5);
    assert_int_equal(take_refusal(f, fd), -EINVAL);
    assert_int_equal(
        asynchat_server_new_socket(NULL, fd, &echo, f, NULL, &server), -EINVAL);
    assert_int_equal(
        asynchat_server_new_socket(f->base, fd, &echo, f, NULL, NULL), -EINVAL);
    assert_int_equal(
        asynchat_server_new_socket(f->base, fd, NULL, f, NULL, &server),
        -EINVAL);
    close(fd);
    assert_int_equal(unlink(unix_path()), 0);
    assert_int_equal(asynchat_server_get_socket(NULL), -EINVAL);
    asynchat_server_set_remove_path(NULL, 0);
}

/* --- accepting by turns --- */

static void so_many_are_accepted_in_a_wake_up(void **state)
{
    const struct asynchat_server_options options = {.size = sizeof options,
                                                    .accept_budget = 2};
    struct fixture *f = serve_with(state, "127.0.0.1:0", &options);
    int fds[5], expected[] = {2, 4, 5};
    for (size_t i = 0; i < COUNT(fds); i++)
        fds[i] = dial_server(f);
    for (size_t i = 0; i < COUNT(expected); i++) {
        event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        assert_int_equal(connected, expected[i]);
    }
    for (size_t i = 0; i < COUNT(fds); i++)
        close(fds[i]);
    turn(f);
}

static void unless_set_64_are_accepted_in_a_wake_up(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    int fds[70];
    for (size_t i = 0; i < COUNT(fds); i++)
        fds[i] = dial_server(f);
    event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assert_int_equal(connected, 64);
    for (size_t i = 0; i < COUNT(fds); i++)
        close(fds[i]);
    turn(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER(TCP, connections_are_kept_alive_only_if_asked_for),
        OVER(TCP, the_socket_can_be_prepared),
        OVER(TCP, small_writes_may_be_held_back_if_asked_for),
        OVER(TCP, any_ipv6_address_is_any_ipv4_address_too),
        OVER(TCP, for_ipv6_only_there_is_no_ipv4),
        OVER(TCP, a_path_that_a_server_has_left_is_taken_over),
        OVER(TCP, a_path_is_occupied_by_a_server_too_busy_to_accept),
        OVER(TCP, a_path_is_occupied_by_a_socket_for_datagrams),
        OVER(TCP, a_file_that_is_no_socket_is_never_removed),
        OVER(TCP, a_path_that_is_another_s_by_now_stays),
        OVER(TCP, a_path_s_permissions_are_as_set_or_what_the_umask_leaves),
        OVER(TCP, a_path_that_fills_its_place_is_removed_as_well),
        OVER(TCP, an_abstract_name_is_listened_on),
        OVER(TCP, an_abstract_name_has_no_permissions),
        OVER(TCP, of_two_processes_that_begin_at_once_one_serves),
        OVER(TCP, who_removes_what_was_left_removes_no_other_server),
        OVER(TCP, a_server_that_does_not_listen_yet_is_not_removed),
        OVER(TCP, a_lock_file_that_was_left_is_removed),
        OVER(TCP, while_another_has_the_lock_the_path_is_in_use),
        OVER(TCP, a_lock_file_that_is_another_by_now_is_no_lock),
        OVER(TCP, where_no_lock_can_be_made_there_is_none),
        OVER(TCP, other_errors_of_locking_are_answered),
        OVER(TCP, an_error_leaves_neither_path_nor_lock),
        OVER(TCP, a_listening_socket_can_be_handed_over),
        OVER(TCP, connections_of_one_handed_over_have_the_options),
        OVER(TCP, a_path_handed_over_stays_if_the_old_one_says_so),
        OVER(TCP, the_last_one_may_remove_the_path),
        OVER(TCP, a_path_that_is_not_the_sockets_stays),
        OVER(TCP, what_does_not_listen_for_streams_is_refused),
        OVER(TCP, so_many_are_accepted_in_a_wake_up),
        OVER(TCP, unless_set_64_are_accepted_in_a_wake_up),
    };
    return RUN(tests);
}
