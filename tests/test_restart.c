/* A server is replaced again and again by its next version, while clients talk
 * to it. No client is refused, and every client gets its answer.
 *
 * Each version is a process: this program with an argument. It starts the next
 * version, which gets the listening socket as from a service manager. It stops
 * when the next version says that it is ready. All versions report in lines
 * that the test reads, so nothing here waits for a fixed time.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "child.h"
#include "serving.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#define RESTARTS 20
#define CLIENTS 3
#define ANSWERS 30 /* answers of each version before the next one starts */
#define LIMIT 60   /* seconds after which each process ends in any case */
#define FIRST 3    /* the first descriptor that a service manager passes */

/* --- a version of the server --- */

static struct event_base *base;
static struct asynchat_server *server;
static const char *program, *address;
static bool can_start, stopping, failed;
static int answers;

static void tell(const char *what)
{
    char line[64 + ASYNCHAT_ADDRESS_SIZE], at[ASYNCHAT_ADDRESS_SIZE] = "";
    asynchat_server_address(server, at, sizeof at);
    snprintf(line, sizeof line, "%s %d %s\n", what, (int)getpid(), at);
    (void)!write(STDOUT_FILENO, line, strlen(line)); /* short, so it is whole */
}

static void begin_lines(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_set_terminator(ch, "\n", 1);
}

/* The last answer of a version says that it is the last. */
static void answer(struct asynchat_channel *ch, const void *data, size_t len,
                   void *arg)
{
    (void)arg;
    asynchat_push(ch, stopping ? "!" : " ", 1);
    asynchat_push(ch, data, len);
    asynchat_push(ch, "\n", 1);
    if (stopping)
        asynchat_close_when_done(ch);
    if (++answers == ANSWERS)
        tell("served");
}

/* A connected client may still ask something. */
static void go_on(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
}

static void note_error(struct asynchat_channel *ch, int error, void *arg)
{
    (void)ch;
    (void)arg;
    fprintf(stderr, "server: %s\n", asynchat_strerror(error));
    failed = true;
}

static const struct asynchat_handler handler = {
    .size = sizeof handler,
    .handle_connect = begin_lines,
    .message = answer,
    .handle_error = note_error,
    .handle_stopping = go_on,
};

static int serve_version(void);

/* In the child: starts this program again. Under an emulator that is not
 * possible, so the child goes on as it is, and closes what it should not
 * have. */
static _Noreturn void become_version(int first)
{
    for (int other = first; other < 256; other++)
        close(other);
    if (can_start)
        execl(program, program, address, (char *)NULL);
    answers = 0;
    child_exit(serve_version());
}

/* Only the socket is passed to the next version. */
static void become_next(int fd)
{
    char own[16];
    snprintf(own, sizeof own, "%d", (int)getpid());
    setenv("LISTEN_PID", own, 1);
    setenv("LISTEN_FDS", "1", 1);
    dup2(fd, FIRST);
    fcntl(FIRST, F_SETFD, 0);
    become_version(FIRST + 1);
}

static void start_next(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    (void)arg;
    if (fork() == 0)
        become_next(asynchat_server_get_socket(server));
}

static void leave(void *arg)
{
    (void)arg;
    tell("gone");
    event_base_loopbreak(base);
}

/* After SIGINT this version is the last one. */
static void stop(evutil_socket_t number, short what, void *arg)
{
    (void)what;
    (void)arg;
    stopping = true;
    asynchat_server_set_remove_path(server, number == SIGINT);
    asynchat_server_stop(server, LIMIT * 1000, leave, NULL);
}

static void on_signal(int number, event_callback_fn callback)
{
    struct event *event = evsignal_new(base, number, callback, NULL);
    if (!event || event_add(event, NULL) < 0)
        child_exit(1);
}

static int serve_version(void)
{
    int first;
    alarm(LIMIT);
    base = event_base_new();
    int error =
        asynchat_inherited_sockets(&first) == 1
            ? asynchat_server_new_socket(base, first, &handler, NULL, NULL,
                                         &server)
            : asynchat_server_new(base, address, &handler, NULL, NULL, &server);
    if (error) {
        fprintf(stderr, "server: %s\n", asynchat_strerror(error));
        return 1;
    }
    on_signal(SIGHUP, start_next);
    on_signal(SIGTERM, stop);
    on_signal(SIGINT, stop);
    tell("ready");
    event_base_dispatch(base);
    return failed;
}

/* --- a client --- */

static void expect_of_client(bool truth, const char *what)
{
    if (truth)
        return;
    perror(what);
    child_exit(1);
}

static bool is_hung_up(int pipe)
{
    struct pollfd one = {.fd = pipe};
    return poll(&one, 1, 0) > 0;
}

/* Returns whether more answers follow. */
static bool exchange(int fd, int number)
{
    char question[32], got[32];
    size_t have = 0;
    size_t len = (size_t)snprintf(question, sizeof question, "%d\n", number);
    expect_of_client(send(fd, question, len, MSG_NOSIGNAL) == (ssize_t)len,
                     "send");
    while (have < len + 1) {
        ssize_t n = recv(fd, got + have, sizeof got - have, 0);
        expect_of_client(n > 0, n == 0 ? "the end came first" : "recv");
        have += (size_t)n;
    }
    expect_of_client(have == len + 1 && memcmp(got + 1, question, len) == 0,
                     "a wrong answer");
    return got[0] == ' ';
}

/* Connections of 1 to 50 exchanges, until the pipe is closed. */
static _Noreturn void ask(const char *at, int until)
{
    char end;
    for (int number = 0; !is_hung_up(until);) {
        int fd = dial(at);
        expect_of_client(fd >= 0, "connect");
        bool goes_on = true;
        for (int left = 1 + number % 50; goes_on && left > 0; left--)
            goes_on = exchange(fd, number++);
        if (!goes_on)
            expect_of_client(recv(fd, &end, 1, 0) == 0, "not the end");
        close(fd);
    }
    child_exit(0);
}

/* --- the test --- */

struct restarts {
    FILE *lines;   /* the lines of all versions */
    int said;      /* the end to which they write */
    int until;     /* the pipe that clients watch */
    int go_on;     /* its other end, closed to end them */
    pid_t version; /* the latest version */
    int gone;      /* how many have said that they are gone */
    pid_t clients[CLIENTS];
    char at[ASYNCHAT_ADDRESS_SIZE];
};

/* Returns the next line, or NULL at the end. */
static const char *next_line(struct restarts *r, pid_t *process)
{
    static char word[16];
    int id;
    if (fscanf(r->lines, "%15s %d %127s", word, &id, r->at) != 3)
        return NULL;
    *process = id;
    return word;
}

/* Earlier versions may report at any time that they are gone. Any other line
 * must be the expected one. Returns the process that wrote it. */
static pid_t expect_line(struct restarts *r, const char *expected)
{
    pid_t process = 0;
    const char *line = next_line(r, &process);
    for (; line && strcmp(line, "gone") == 0; line = next_line(r, &process))
        r->gone++;
    assert_non_null(line);
    assert_string_equal(line, expected);
    return process;
}

static void start_first_version(const struct restarts *r)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return;
    dup2(r->said, STDOUT_FILENO);
    become_version(FIRST);
}

static pid_t start_client(const struct restarts *r)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return child;
    alarm(LIMIT);
    close(r->said);
    close(r->go_on);
    ask(r->at, r->until);
}

static void begin(struct restarts *r)
{
    int lines[2], ends[2];
    alarm(LIMIT);
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* so that it can wait for versions */
    assert_int_equal(pipe2(lines, O_CLOEXEC), 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    *r = (struct restarts){.lines = fdopen(lines[0], "r"),
                           .said = lines[1],
                           .until = ends[0],
                           .go_on = ends[1]};
    start_first_version(r);
    r->version = expect_line(r, "ready");
    for (int i = 0; i < CLIENTS; i++)
        r->clients[i] = start_client(r);
}

static void restart(struct restarts *r)
{
    pid_t old = r->version;
    assert_int_equal(expect_line(r, "served"), old);
    assert_int_equal(kill(old, SIGHUP), 0);
    r->version = expect_line(r, "ready");
    assert_int_not_equal(r->version, old);
    assert_int_equal(kill(old, SIGTERM), 0);
}

static void expect_good_end(pid_t process)
{
    int status;
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* The clients leave, and then the last version does. */
static void end(struct restarts *r)
{
    pid_t process;
    expect_line(r, "served");
    close(r->go_on);
    for (int i = 0; i < CLIENTS; i++)
        expect_good_end(r->clients[i]);
    close(r->said);
    assert_int_equal(kill(r->version, SIGINT), 0);
    while (next_line(r, &process))
        r->gone++;
    assert_int_equal(r->gone, RESTARTS + 1);
    fclose(r->lines);
    close(r->until);
    alarm(0);
}

/* Waits for all versions that are children of this process. */
static void expect_all_well(void)
{
    int status;
    while (waitpid(-1, &status, 0) > 0)
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void restart_again_and_again(void)
{
    struct restarts r;
    begin(&r);
    for (int i = 0; i < RESTARTS; i++)
        restart(&r);
    end(&r);
    expect_all_well();
}

static void restarted_20_times_it_loses_no_connection(void **state)
{
    (void)state;
    address = "127.0.0.1:0";
    restart_again_and_again();
}

static void restarted_20_times_over_unix_it_loses_no_connection(void **state)
{
    (void)state;
    address = unix_address();
    restart_again_and_again();
    assert_int_equal(access(unix_path(), F_OK), -1);
}

/* Starts this program with nothing to do. */
static bool try_to_start(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        execl(program, program, "", (char *)NULL);
        child_exit(1);
    }
    return waitpid(child, &status, 0) == child && status == 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restarted_20_times_it_loses_no_connection),
        cmocka_unit_test(restarted_20_times_over_unix_it_loses_no_connection),
    };
    program = realpath("/proc/self/exe", NULL);
    if (argc > 1) {
        address = argv[1];
        can_start = true;
        return *address ? serve_version() : 0;
    }
    can_start = try_to_start();
    int wrong = RUN(tests);
    free((char *)program);
    return wrong;
}
