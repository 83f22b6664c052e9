/* A restart on a signal: this program starts itself again, with an argument
 * that says what the new process does. What it says comes by a pipe, which is
 * its standard output. SPDX-License-Identifier: BSD-3-Clause */
#include "child.h"
#include "serving.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "server/server.h"

#define SIGNAL SIGUSR2
#define LIMIT 60 /* seconds after which each process ends in any case */

static const char *program;

/* --- the new process --- */

static struct event_base *base;

static int to_test, from_test; /* pipes */

static void say_numbers(const char *what, int a, int b)
{
    dprintf(to_test, "%s %d %d\n", what, a, b);
}

static void greet(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_push(ch, "hello", 5);
    asynchat_close_when_done(ch);
}

static const struct asynchat_handler greeter = {.size = sizeof greeter,
                                                .handle_connect = greet};

static struct asynchat_server *new_server(unsigned flags)
{
    const struct asynchat_server_options options = {.size = sizeof options,
                                                    .flags = flags};
    struct asynchat_server *server = NULL;
    int error = asynchat_server_new(base, "127.0.0.1:0", &greeter, NULL,
                                    &options, &server);
    if (error)
        say_numbers("error", error, 0);
    return server;
}

/* Serves on both sockets until it is told to end, by a byte. */
static void serve_both(void)
{
    char byte;
    struct asynchat_server *one = new_server(ASYNCHAT_INHERIT);
    struct asynchat_server *other = new_server(ASYNCHAT_INHERIT);
    struct asynchat_server *third = new_server(ASYNCHAT_INHERIT);
    if (asynchat_server_get_socket(one) != 3 ||
        asynchat_server_get_socket(other) != 4)
        return;
    asynchat_server_free(third); /* it had a socket of its own */
    say_numbers("ports", asynchat_server_port(one),
                asynchat_server_port(other));
    asynchat_restart_done();
    asynchat_restart_done();
    while (read(from_test, &byte, 1) < 0)
        event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    asynchat_server_free(one);
    asynchat_server_free(other);
}

/* Descriptors from 3 on that are open, with a bit each. */
static int descriptors_open(void)
{
    int open = 0;
    for (int fd = 3; fd < 30; fd++)
        open |= fcntl(fd, F_GETFD) >= 0 ? 1 << fd : 0;
    return open;
}

/* Says what it has got, takes one socket, and is ready: the rest is closed. */
static void look(void)
{
    sigset_t blocked;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    int before = descriptors_open(), signals = 0;
    for (int number = 1; number < 32; number++)
        signals += sigismember(&blocked, number);
    struct asynchat_server *one = new_server(ASYNCHAT_INHERIT);
    int first, left = asynchat_inherited_sockets(&first);
    say_numbers("left", left, first);
    for (int fd = first; fd < first + left; fd++)
        close(fd);
    asynchat_restart_done();
    say_numbers("open", before, signals);
    say_numbers("variables", getenv("LISTEN_PID") || getenv("LISTEN_FDS"),
                getenv("ASYNCHAT_READY") || !getenv("TEST_VARIABLE"));
    asynchat_server_free(one);
}

static void leave_one(void)
{
    struct asynchat_server *one = new_server(ASYNCHAT_INHERIT);
    asynchat_restart_done();
    say_numbers("closed", fcntl(4, F_GETFD), fcntl(5, F_GETFD));
    asynchat_server_free(one);
}

static int become(const char *what, const char *pipes)
{
    alarm(LIMIT);
    sscanf(pipes, "%d %d", &to_test, &from_test);
    fcntl(from_test, F_SETFL, O_NONBLOCK);
    base = event_base_new();
    if (strcmp(what, "serve") == 0)
        serve_both();
    if (strcmp(what, "look") == 0)
        look();
    if (strcmp(what, "leave") == 0)
        leave_one();
    event_base_free(base);
    return 0;
}

/* --- this process --- */

static struct fixture *f;
static struct asynchat_server *servers[2];
static FILE *lines;  /* what the new process says */
static int pipes[2]; /* its ends */
static int told, stops, records, last_code;
static char *words[4];

static void note_record(const struct asynchat_log_record *r, void *arg)
{
    (void)arg;
    if (r->event != ASYNCHAT_LOG_RESTART)
        return;
    records++;
    last_code = r->code;
    assert_int_equal(r->level,
                     r->code ? ASYNCHAT_LOG_WARNING : ASYNCHAT_LOG_INFO);
}

static void on_stop(void *arg)
{
    *(struct asynchat_server **)arg = NULL;
    stops++;
}

/* The ends of the pipes are passed on, and out of the way. */
static void make_pipes(void)
{
    static char numbers[20];
    int out[2], in[2];
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    pipes[0] = fcntl(out[1], F_DUPFD, 60);
    pipes[1] = fcntl(in[0], F_DUPFD, 60);
    close(out[1]);
    close(in[0]);
    lines = fdopen(out[0], "r");
    told = in[1];
    snprintf(numbers, sizeof numbers, "%d %d", pipes[0], pipes[1]);
    words[2] = numbers;
}

/* Makes two servers, which restart as a process that does this. */
static void begin(void **state, const char *what)
{
    f = serve(state, "127.0.0.1:0");
    servers[0] = f->server;
    f->server = NULL; /* which the fixture would free */
    assert_int_equal(asynchat_server_new(f->base, "127.0.0.1:0", &echo, f, NULL,
                                         &servers[1]),
                     0);
    make_pipes();
    stops = records = 0;
    asynchat_set_log(ASYNCHAT_LOG_INFO, note_record, NULL);
    words[0] = (char *)(size_t)program;
    words[1] = (char *)(size_t)what;
    for (int i = 0; i < 2; i++)
        assert_int_equal(asynchat_server_restart_on_signal(servers[i], SIGNAL,
                                                           words, 0, on_stop,
                                                           &servers[i]),
                         0);
}

/* The new process has ended when nothing more comes from it. */
static void end(void)
{
    char line[100];
    close(pipes[0]);
    close(pipes[1]);
    close(told);
    if (fgets(line, sizeof line, lines))
        fail_msg("it also says %s", line);
    fclose(lines);
    for (int i = 0; i < 2; i++)
        asynchat_server_free(servers[i]);
    asynchat_set_log(ASYNCHAT_LOG_INFO, NULL, NULL);
}

static void expect_numbers(const char *what, int *a, int *b)
{
    char line[100], format[20];
    snprintf(format, sizeof format, "%s %%d %%d", what);
    assert_non_null(fgets(line, sizeof line, lines));
    if (sscanf(line, format, a, b) != 2)
        fail_msg("%s in place of %s", line, what);
}

static void run_until(const int *count, int wanted)
{
    while (*count < wanted)
        event_base_loop(f->base, EVLOOP_ONCE);
}

static void expect_answer(int port)
{
    char address[40], answer[16];
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    int fd = dial(address);
    assert_true(fd >= 0);
    assert_int_equal(recv(fd, answer, sizeof answer, 0), 5);
    close(fd);
}

/* --- tests --- */

/* The second signal does nothing, since a process starts. */
static void all_servers_restart_together(void **state)
{
    int one, other;
    begin(state, "serve");
    int ports[] = {asynchat_server_port(servers[0]),
                   asynchat_server_port(servers[1])};
    raise(SIGNAL);
    raise(SIGNAL);
    run_until(&stops, 2);
    expect_numbers("ports", &one, &other);
    assert_int_equal(one, ports[0]);
    assert_int_equal(other, ports[1]);
    assert_int_equal(records, 1);
    assert_int_equal(last_code, 0);
    expect_answer(one);
    expect_answer(other);
    assert_int_equal(write(told, "x", 1), 1);
    end();
}

/* The server that acts for all is gone when the new process is ready. */
static void the_others_stop_if_the_oldest_one_is_gone(void **state)
{
    int one, other;
    begin(state, "serve");
    raise(SIGNAL);
    while (!servers[0]->signals->successor)
        event_base_loop(f->base, EVLOOP_ONCE);
    asynchat_server_free(servers[0]);
    servers[0] = NULL;
    run_until(&stops, 1);
    assert_int_equal(records, 1);
    assert_int_equal(last_code, 0);
    expect_numbers("ports", &one, &other);
    expect_answer(other);
    assert_int_equal(write(told, "x", 1), 1);
    end();
}

/* Of this process it has the sockets, and what every process has. */
static void the_new_process_has_nothing_else(void **state)
{
    int a, b;
    sigset_t urgent;
    begin(state, "look");
    setenv("TEST_VARIABLE", "x", 1);
    setenv("LISTEN_FDS", "9", 1);
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    sigprocmask(SIG_BLOCK, &urgent, NULL);
    raise(SIGNAL);
    run_until(&stops, 2);
    expect_numbers("left", &a, &b);
    assert_int_equal(a, 1);
    assert_int_equal(b, 4);
    expect_numbers("open", &a, &b);
    assert_int_equal(a & 7 << 3, 7 << 3); /* two sockets, and the way back */
    assert_int_equal(b, 0);
    expect_numbers("variables", &a, &b);
    assert_int_equal(a, 0);
    assert_int_equal(b, 0);
    unsetenv("LISTEN_FDS");
    sigprocmask(SIG_UNBLOCK, &urgent, NULL);
    end();
}

static void sockets_that_nobody_takes_are_closed(void **state)
{
    int a, b;
    begin(state, "leave");
    raise(SIGNAL);
    run_until(&stops, 2);
    expect_numbers("closed", &a, &b);
    assert_int_equal(a, -1);
    assert_int_equal(b, -1);
    end();
}

static void if_the_new_process_fails_the_servers_go_on(void **state)
{
    begin(state, "fail");
    for (int i = 1; i <= 2; i++) {
        raise(SIGNAL);
        run_until(&records, i);
        assert_int_equal(last_code, ASYNCHAT_ECLOSED);
    }
    words[0] = "/nowhere/nothing";
    raise(SIGNAL);
    run_until(&records, 3);
    assert_int_equal(last_code, ASYNCHAT_ECLOSED);
    assert_int_equal(stops, 0);
    f->server = servers[0];
    int fd = dial_server(f);
    expect_served(f, fd);
    hang_up(f, fd);
    f->server = NULL;
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left */
    end();
}

/* How many allocations still succeed. */
static int allocations = INT_MAX;

static void *get_memory(size_t size)
{
    return allocations-- > 0 ? malloc(size) : NULL;
}

static void *resize_memory(void *old, size_t size)
{
    return allocations-- > 0 ? realloc(old, size) : NULL;
}

static void without_memory_the_servers_go_on(void **state)
{
    begin(state, "leave");
    for (int count = 0; count < 3; count++) {
        allocations = count;
        raise(SIGNAL);
        turn(f);
        allocations = INT_MAX;
        assert_int_equal(records, count + 1);
        assert_int_equal(last_code, -ENOMEM);
    }
    raise(SIGNAL);
    run_until(&stops, 2);
    int a, b;
    expect_numbers("closed", &a, &b);
    end();
}

/* A server that stops takes no part any more, and waits for nothing. */
static void a_server_that_is_gone_is_left_out(void **state)
{
    int one, other;
    begin(state, "look");
    asynchat_server_free(servers[0]);
    servers[0] = NULL;
    raise(SIGNAL);
    run_until(&stops, 1);
    expect_numbers("left", &one, &other);
    assert_int_equal(one, 0);
    expect_numbers("open", &one, &other);
    expect_numbers("variables", &one, &other);
    end();
    begin(state, "fail");
    raise(SIGNAL);
    turn(f);
    end();
}

static void what_cannot_be_is_refused(void **state)
{
    char *none[] = {NULL};
    begin(state, "fail");
    assert_int_equal(
        asynchat_server_restart_on_signal(NULL, SIGNAL, words, 0, NULL, NULL),
        -EINVAL);
    assert_int_equal(asynchat_server_restart_on_signal(servers[0], SIGNAL, NULL,
                                                       0, NULL, NULL),
                     -EINVAL);
    assert_int_equal(asynchat_server_restart_on_signal(servers[0], SIGNAL, none,
                                                       0, NULL, NULL),
                     -EINVAL);
    assert_int_equal(
        asynchat_server_restart_on_signal(servers[0], SIGNAL, words,
                                          (unsigned)INT_MAX + 1, NULL, NULL),
        -EINVAL);
    assert_int_equal(asynchat_server_restart_on_signal(servers[0], SIGKILL,
                                                       words, 0, NULL, NULL),
                     -EINVAL);
    asynchat_restart_done(); /* nobody waits */
    end();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        OVER(TCP, all_servers_restart_together),
        OVER(TCP, the_others_stop_if_the_oldest_one_is_gone),
        OVER(TCP, the_new_process_has_nothing_else),
        OVER(TCP, sockets_that_nobody_takes_are_closed),
        OVER(TCP, if_the_new_process_fails_the_servers_go_on),
        OVER(TCP, without_memory_the_servers_go_on),
        OVER(TCP, a_server_that_is_gone_is_left_out),
        OVER(TCP, what_cannot_be_is_refused),
    };
    if (argc > 2)
        return become(argv[1], argv[2]);
    alarm(LIMIT);
    program = realpath("/proc/self/exe", NULL);
    if (asynchat_set_mem_functions(get_memory, resize_memory, free) != 0)
        return 1;
    int wrong = RUN(tests);
    free((char *)(size_t)program);
    return wrong;
}
