/* fork(2): servers of several processes, and children that free what they have
 * inherited, or go on with it.
 *
 * In children nothing of cmocka is called: each answers 0, or the line of what
 * was wrong.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "child.h"
#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#define PROCESSES 4
#define CONNECTIONS 400

/* --- processes --- */

#define CHILD_CHECK(right)                                                     \
    do                                                                         \
        if (!(right))                                                          \
            return __LINE__ % 251 + 1;                                         \
    while (0)

/* Runs the function in a child. A child that hangs is ended. */
static pid_t run_child(int (*function)(void *arg), void *arg)
{
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        child_exit(function(arg));
    }
    assert_true(child > 0);
    return child;
}

static void expect_well(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status))
        fail_msg("the child was ended by signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        fail_msg("the child failed at a line whose rest by 251 is %d",
                 WEXITSTATUS(status) - 1);
}

/* --- a server --- */

static void opened(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    (void)asynchat_set_terminator(ch, "\n", 1);
}

static void answer(struct asynchat_channel *ch, const void *data, size_t len,
                   void *arg)
{
    (void)arg;
    (void)asynchat_push(ch, data, len);
    (void)asynchat_push(ch, "\n", 1);
}

static const struct asynchat_handler echo = {
    .size = sizeof echo, .message = answer, .handle_connect = opened};

static int connect_to(const struct sockaddr *address, socklen_t len)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, address, len), 0);
    return fd;
}

static int connect_port(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)port);
    return connect_to((struct sockaddr *)&to, sizeof to);
}

static void send_line(int fd)
{
    assert_int_equal(send(fd, "hello\n", 6, MSG_NOSIGNAL), 6);
}

static void expect_line(int fd)
{
    char got[6];
    assert_int_equal(recv(fd, got, 6, MSG_WAITALL), 6);
    assert_memory_equal(got, "hello\n", 6);
}

static void turn(struct event_base *base)
{
    for (int i = 0; i < 10; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

/* --- several processes with one socket --- */

static int ready[2]; /* a pipe where children say that they serve */

/* Serves the inherited socket in an event base of its own, until SIGTERM. */
static int serve(void *arg)
{
    struct asynchat_server *server;
    struct event_base *base = event_base_new();
    CHILD_CHECK(base);
    CHILD_CHECK(asynchat_server_new_socket(base, *(int *)arg, &echo, NULL, NULL,
                                           &server) == 0);
    CHILD_CHECK(
        asynchat_server_stop_on_signal(server, SIGTERM, 1000, NULL, NULL) == 0);
    CHILD_CHECK(write(ready[1], "x", 1) == 1);
    CHILD_CHECK(event_base_dispatch(base) == 1);
    event_base_free(base);
    return 0;
}

/* Some connections are used in the order in which they were made, and others in
 * the opposite order. */
static void serve_by_children(int listening, int port)
{
    static int fds[CONNECTIONS];
    pid_t children[PROCESSES];
    char byte;
    assert_int_equal(pipe(ready), 0);
    for (int i = 0; i < PROCESSES; i++)
        children[i] = run_child(serve, &listening);
    for (int i = 0; i < PROCESSES; i++)
        assert_int_equal(read(ready[0], &byte, 1), 1);
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = connect_port(port);
        send_line(fds[i]);
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        expect_line(fds[i]);
        send_line(fds[i]);
    }
    for (int i = CONNECTIONS - 1; i >= 0; i--) {
        expect_line(fds[i]);
        close(fds[i]);
    }
    for (int i = 0; i < PROCESSES; i++)
        kill(children[i], SIGTERM);
    for (int i = 0; i < PROCESSES; i++)
        expect_well(children[i]);
    close(ready[0]);
    close(ready[1]);
}

static void children_serve_a_socket_made_before_any_event_base(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, SOMAXCONN), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    serve_by_children(fd, ntohs(at.sin_port));
    close(fd);
}

static void children_serve_the_socket_of_a_server(void **state)
{
    struct event_base *base = event_base_new();
    struct asynchat_server *server;
    (void)state;
    assert_int_equal(
        asynchat_server_new(base, "127.0.0.1:0", &echo, NULL, NULL, &server),
        0);
    serve_by_children(asynchat_server_get_socket(server),
                      asynchat_server_port(server));
    asynchat_server_free(server);
    event_base_free(base);
}

/* --- what a child inherits --- */

/* A loop with a channel that has an id, and a server on a path. */
struct inherited {
    struct event_base *base;
    struct asynchat_channel *ch;
    struct asynchat_server *server;
    char path[64], address[80];
    int far; /* the channel's peer */
    uint64_t id;
    bool reinit; /* the child calls event_reinit() */
    pid_t process;
    int ran, strange; /* posts: all, and those of another process */
};

static struct inherited *it;

static void begin(void)
{
    static struct inherited anew;
    static int count;
    int fds[2];
    it = &anew;
    memset(it, 0, sizeof *it);
    it->process = getpid();
    it->base = event_base_new();
    make_socketpair(fds);
    it->far = fds[1];
    assert_int_equal(
        asynchat_channel_new_socket(it->base, fds[0], &echo, NULL, &it->ch), 0);
    it->id = asynchat_get_id(it->ch);
    snprintf(it->path, sizeof it->path, "/tmp/asynchat-fork-%d-%d", getpid(),
             count++);
    snprintf(it->address, sizeof it->address, "unix:%s", it->path);
    assert_int_equal(asynchat_server_new(it->base, it->address, &echo, NULL,
                                         NULL, &it->server),
                     0);
    turn(it->base);
}

static void end(void)
{
    asynchat_channel_free(it->ch);
    asynchat_server_free(it->server);
    turn(it->base);
    event_base_free(it->base);
    close(it->far);
}

static void ran(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    it->ran++;
    it->strange += *(pid_t *)arg != getpid();
}

static pid_t *myself(void)
{
    static pid_t processes[2];
    pid_t *mine = &processes[getpid() != it->process];
    *mine = getpid();
    return mine;
}

static int post(void)
{
    return asynchat_post(it->id, ran, myself());
}

/* Checks the old connection, a new one, and posts. */
static void expect_unharmed(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct stat there;
    int before = it->ran;
    assert_int_equal(stat(it->path, &there), 0);
    snprintf(to.sun_path, sizeof to.sun_path, "%s", it->path);
    int fd = connect_to((struct sockaddr *)&to, sizeof to);
    send_line(fd);
    send_line(it->far);
    assert_int_equal(post(), 0);
    turn(it->base);
    expect_line(fd);
    expect_line(it->far);
    assert_int_equal(it->ran, before + 1);
    assert_int_equal(it->strange, 0);
    close(fd);
    turn(it->base);
}

static int free_all(void *arg)
{
    (void)arg;
    if (it->reinit)
        CHILD_CHECK(event_reinit(it->base) == 0);
    asynchat_channel_free(it->ch);
    asynchat_server_free(it->server);
    event_base_loop(it->base, EVLOOP_NONBLOCK);
    event_base_free(it->base);
    CHILD_CHECK(it->ran == 0);
    return 0;
}

static void child_that_frees(bool reinit, bool posted)
{
    begin();
    it->reinit = reinit;
    if (posted)
        assert_int_equal(post(), 0);
    expect_well(run_child(free_all, NULL));
    turn(it->base);
    assert_int_equal(it->ran, posted);
    expect_unharmed();
    end();
}

static void a_child_that_frees_all_does_not_harm_its_parent(void **state)
{
    (void)state;
    child_that_frees(true, false);
}

/* --- children without descriptors --- */

/* The library's own descriptor by which threads wake the loop: the last that is
 * for events. */
static int wake_descriptor(void)
{
    int found = -1;
    for (int fd = 0; fd < 256; fd++) {
        char path[64], target[64] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink(path, target, sizeof target - 1) > 0 &&
            strstr(target, "eventfd"))
            found = fd;
    }
    return found;
}

/* Forks when no descriptor from `limit` on can be had. If `full`, those below
 * are in use. The child has its limit back. */
static void fork_without_descriptors(int limit, bool full,
                                     int (*function)(void *arg))
{
    struct rlimit before, less;
    int kept[256], count = 0, fd;
    while (full && (fd = dup(STDERR_FILENO)) >= 0 && fd < limit)
        kept[count++] = fd;
    if (full)
        close(fd);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    less = before;
    less.rlim_cur = (rlim_t)limit;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &less), 0);
    pid_t child = fork();
    (void)setrlimit(RLIMIT_NOFILE, &before);
    if (child == 0) {
        alarm(20);
        child_exit(function(NULL));
    }
    while (count > 0)
        close(kept[--count]);
    assert_true(child > 0);
    expect_well(child);
}

static int post_and_run(void *arg)
{
    (void)arg;
    CHILD_CHECK(event_reinit(it->base) == 0);
    CHILD_CHECK(post() == 0);
    turn(it->base);
    CHILD_CHECK(it->ran == 1 && it->strange == 0);
    asynchat_channel_free(it->ch);
    return 0;
}

/* A descriptor is there as soon as the old one is closed. */
static void a_child_with_one_descriptor_can_be_posted_to(void **state)
{
    (void)state;
    begin();
    if (wake_descriptor() < 0)
        skip();
    fork_without_descriptors(wake_descriptor() + 1, true, post_and_run);
    expect_unharmed();
    end();
}

static bool is_refused(void *arg)
{
    return post() == *(int *)arg;
}

/* The loop of the parent has a post, which the child's loop leaves alone. If
 * there is no descriptor below the old one's number, the old one is closed, and
 * its number may be another's when the loop goes. */
static int post_in_vain(void *arg)
{
    int error = post(), others[8];
    (void)arg;
    CHILD_CHECK(error == -EMFILE || error == -EBADF);
    CHILD_CHECK(event_reinit(it->base) == 0 || error == -EMFILE);
    turn(it->base);
    CHILD_CHECK(it->ran == 0);
    CHILD_CHECK(post() == error);
    CHILD_CHECK(child_runs(is_refused, &error) == 1);
    for (int i = 0; i < 8; i++)
        others[i] = dup(STDERR_FILENO);
    asynchat_channel_free(it->ch);
    asynchat_server_free(it->server);
    for (int i = 0; i < 8; i++)
        CHILD_CHECK(fcntl(others[i], F_GETFD) >= 0);
    return 0;
}

static void a_child_without_descriptors_refuses_posts(void **state)
{
    (void)state;
    for (int some = 0; some < 2; some++) {
        int hole = dup(STDERR_FILENO);
        begin();
        int wakes = wake_descriptor();
        close(hole);
        if (wakes < hole)
            skip();
        assert_int_equal(post(), 0);
        fork_without_descriptors(some ? wakes : 0, false, post_in_vain);
        turn(it->base);
        assert_int_equal(it->ran, 1);
        expect_unharmed();
        end();
    }
}

static void nor_does_one_that_has_not_called_event_reinit(void **state)
{
    (void)state;
    child_that_frees(false, false);
}

static void posts_accepted_before_run_in_the_parent_only(void **state)
{
    (void)state;
    child_that_frees(true, true);
    child_that_frees(false, true);
}

static int free_server(void *arg)
{
    (void)arg;
    asynchat_server_free(it->server);
    asynchat_channel_free(it->ch);
    event_base_free(it->base);
    return 0;
}

static void a_server_that_is_freed_first_is_no_harm(void **state)
{
    (void)state;
    begin();
    expect_well(run_child(free_server, NULL));
    expect_unharmed();
    end();
}

/* The last of several processes may remove the path. */
static int remove_path(void *arg)
{
    struct stat there;
    (void)arg;
    CHILD_CHECK(event_reinit(it->base) == 0);
    asynchat_server_set_remove_path(it->server, 1);
    asynchat_server_free(it->server);
    CHILD_CHECK(stat(it->path, &there) < 0);
    return 0;
}

static void a_child_may_remove_the_path_when_it_says_so(void **state)
{
    (void)state;
    begin();
    expect_well(run_child(remove_path, NULL));
    end();
}

/* --- both go on --- */

static int go_on(void *arg)
{
    (void)arg;
    CHILD_CHECK(event_reinit(it->base) == 0);
    turn(it->base);
    CHILD_CHECK(it->ran == 0);
    for (int i = 0; i < 100; i++) {
        CHILD_CHECK(post() == 0);
        usleep(200);
        event_base_loop(it->base, EVLOOP_NONBLOCK);
    }
    turn(it->base);
    CHILD_CHECK(it->ran == 100 && it->strange == 0);
    return 0;
}

static void both_go_on_and_each_has_its_posts(void **state)
{
    (void)state;
    begin();
    assert_int_equal(post(), 0);
    pid_t child = run_child(go_on, NULL);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(post(), 0);
        usleep(200);
        event_base_loop(it->base, EVLOOP_NONBLOCK);
    }
    expect_well(child);
    turn(it->base);
    assert_int_equal(it->ran, 101);
    assert_int_equal(it->strange, 0);
    expect_unharmed();
    end();
}

/* One channel ends in the middle of the loop, and the others go on. */
static int end_one(void *arg)
{
    struct asynchat_channel *ch;
    char got[6];
    int fds[2];
    (void)arg;
    CHILD_CHECK(event_reinit(it->base) == 0);
    CHILD_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    CHILD_CHECK(
        asynchat_channel_new_socket(it->base, fds[0], &echo, NULL, &ch) == 0);
    asynchat_close(ch);
    turn(it->base);
    CHILD_CHECK(recv(fds[1], got, 1, 0) == 0);
    CHILD_CHECK(send(it->far, "hello\n", 6, MSG_NOSIGNAL) == 6);
    CHILD_CHECK(post() == 0);
    turn(it->base);
    CHILD_CHECK(recv(it->far, got, 6, MSG_DONTWAIT) == 6);
    CHILD_CHECK(it->ran == 1);
    return 0;
}

static void a_channel_that_ends_in_a_child_leaves_the_others(void **state)
{
    (void)state;
    begin();
    expect_well(run_child(end_one, NULL));
    expect_unharmed();
    end();
}

/* The child has an event counter of its own even in this case. */
static void a_child_without_free_descriptors_has_its_posts(void **state)
{
    struct rlimit before, less;
    int taken[64], n = 0;
    (void)state;
    begin();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    less = before;
    less.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &less), 0);
    while ((taken[n] = dup(STDERR_FILENO)) >= 0)
        n++;
    pid_t child = run_child(go_on, NULL);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(post(), 0);
        usleep(200);
        event_base_loop(it->base, EVLOOP_NONBLOCK);
    }
    while (n > 0)
        close(taken[--n]);
    setrlimit(RLIMIT_NOFILE, &before);
    expect_well(child);
    assert_int_equal(it->ran, 100);
    end();
}

/* --- inside what was posted --- */

static pid_t batch_child;

static void fork_inside(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
    batch_child = fork();
    if (batch_child == 0)
        alarm(20);
}

/* Returns in the child as well, and the child goes on with the loop. */
static void a_posted_function_that_forks_runs_the_rest_in_the_parent(
    void **state)
{
    (void)state;
    begin();
    assert_int_equal(post(), 0);
    assert_int_equal(asynchat_post(it->id, fork_inside, NULL), 0);
    assert_int_equal(post(), 0);
    assert_int_equal(post(), 0);
    event_base_loop(it->base, EVLOOP_ONCE);
    if (batch_child == 0)
        child_exit(it->ran == 1 ? 0 : 1);
    expect_well(batch_child);
    assert_int_equal(it->ran, 3);
    expect_unharmed();
    end();
}

/* --- other threads --- */

/* The malloc of sanitizers has locks that it does not handle at fork(2), and
 * ThreadSanitizer ends a child that starts a thread. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#define SANITIZED                                                              \
    (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED false
#endif

static struct {
    pthread_mutex_t lock;
    bool over;
} hammering = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool hammers(void)
{
    pthread_mutex_lock(&hammering.lock);
    bool goes_on = !hammering.over;
    pthread_mutex_unlock(&hammering.lock);
    return goes_on;
}

static void ignore(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
}

static void *hammer_posts(void *arg)
{
    (void)arg;
    while (hammers()) {
        for (int i = 0; i < 20; i++)
            (void)!asynchat_post(it->id, ignore, NULL);
        usleep(100);
    }
    return NULL;
}

/* Loops come and go, and their mailboxes with them. */
static void *hammer_loops(void *arg)
{
    (void)arg;
    while (hammers()) {
        const struct asynchat_handler *handlers[2] = {&echo, &echo};
        struct asynchat_channel *pair[2];
        struct event_base *base = event_base_new();
        if (asynchat_pair_new(base, handlers, NULL, pair))
            abort();
        if (asynchat_get_id(pair[0]) == 0)
            abort();
        asynchat_channel_free(pair[0]);
        asynchat_channel_free(pair[1]);
        event_base_loop(base, EVLOOP_NONBLOCK);
        event_base_free(base);
    }
    return NULL;
}

/* Uses everything that has a lock. */
static int use_all(void *arg)
{
    const struct asynchat_handler *handlers[2] = {&echo, &echo};
    struct asynchat_channel *pair[2];
    struct event_base *base = event_base_new();
    (void)arg;
    CHILD_CHECK(asynchat_pair_new(base, handlers, NULL, pair) == 0);
    uint64_t id = asynchat_get_id(pair[0]);
    CHILD_CHECK(id != 0 && asynchat_post(id, ran, myself()) == 0);
    turn(base);
    CHILD_CHECK(it->ran == 1);
    CHILD_CHECK(event_reinit(it->base) == 0 && post() == 0);
    turn(it->base);
    CHILD_CHECK(it->ran == 2);
    asynchat_channel_free(it->ch);
    asynchat_server_free(it->server);
    return 0;
}

static void locks_of_other_threads_do_not_hang_a_child(void **state)
{
    pthread_t threads[3];
    const char *modes = getenv("ASYNCHAT_TEST_LIBEVENT");
    (void)state;
    /* In its debug mode libevent has one lock for all events, which may be
     * locked in the child (tests/libevent_modes.c). */
    if (SANITIZED || (modes && strstr(modes, "debug")))
        skip();
    begin();
    hammering.over = false;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL,
                                        i < 2 ? hammer_posts : hammer_loops,
                                        NULL),
                         0);
    for (int i = 0; i < 50; i++) {
        expect_well(run_child(use_all, NULL));
        turn(it->base);
    }
    pthread_mutex_lock(&hammering.lock);
    hammering.over = true;
    pthread_mutex_unlock(&hammering.lock);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    turn(it->base);
    assert_int_equal(it->ran, 0);
    end();
}

/* --- workers --- */

static struct asynchat_workers *workers;
static uint64_t of_a_worker; /* a channel's id */
static int gates[2];         /* a pipe at which a worker waits */

static void visit(struct event_base *base, unsigned index, void *arg)
{
    (void)base;
    (void)index;
    (void)arg;
}

static int give_id(struct event_base *base, unsigned index, void *arg)
{
    const struct asynchat_handler *handlers[2] = {&echo, &echo};
    struct asynchat_channel *pair[2];
    (void)arg;
    int error = asynchat_pair_new(base, handlers, NULL, pair);
    if (!error && index == 0)
        of_a_worker = asynchat_get_id(pair[0]);
    return error;
}

static const struct asynchat_worker_ops with_id = {.size = sizeof with_id,
                                                   .start = give_id};

static int make_workers(void)
{
    struct asynchat_workers *others;
    CHILD_CHECK(asynchat_workers_new(2, &with_id, NULL, &others) == 0);
    CHILD_CHECK(asynchat_workers_post(workers, 0, visit, NULL) ==
                ASYNCHAT_ECLOSED);
    CHILD_CHECK(asynchat_workers_post(others, 1, visit, NULL) == 0);
    CHILD_CHECK(asynchat_post(of_a_worker, ignore, NULL) == 0);
    CHILD_CHECK(asynchat_workers_free(others) == 0);
    return 0;
}

static int use_workers(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 2; i++)
        CHILD_CHECK(asynchat_workers_post(workers, i, visit, NULL) ==
                    ASYNCHAT_ECLOSED);
    CHILD_CHECK(asynchat_post(of_a_worker, ignore, NULL) == ASYNCHAT_ECLOSED);
    CHILD_CHECK(asynchat_workers_free(workers) == ASYNCHAT_ECLOSED);
    return SANITIZED ? 0 : make_workers();
}

static void workers_stay_with_the_parent(void **state)
{
    (void)state;
    assert_int_equal(asynchat_workers_new(2, &with_id, NULL, &workers), 0);
    expect_well(run_child(use_workers, NULL));
    assert_int_equal(asynchat_workers_post(workers, 1, visit, NULL), 0);
    assert_int_equal(asynchat_post(of_a_worker, ignore, NULL), 0);
    assert_int_equal(asynchat_workers_free(workers), 0);
}

static void wait_at_gate(struct event_base *base, unsigned index, void *arg)
{
    char byte;
    (void)base;
    (void)index;
    (void)arg;
    (void)!read(gates[0], &byte, 1);
}

static int linger(void *arg)
{
    char byte;
    close(gates[1]);
    return read(*(int *)arg, &byte, 1) == 0 ? 0 : 1;
}

/* Otherwise the peer would not see its end as long as the child exists. */
static void a_child_does_not_keep_a_connection_on_its_way_to_a_worker(
    void **state)
{
    struct event_base *base = event_base_new();
    struct asynchat_server *server;
    char byte;
    int until[2];
    (void)state;
    assert_int_equal(pipe(gates), 0);
    assert_int_equal(pipe(until), 0);
    assert_int_equal(asynchat_workers_new(1, NULL, NULL, &workers), 0);
    assert_int_equal(asynchat_workers_post(workers, 0, wait_at_gate, NULL), 0);
    const struct asynchat_server_options options = {.size = sizeof options,
                                                    .workers = workers};
    assert_int_equal(asynchat_server_new(base, "127.0.0.1:0", &echo, NULL,
                                         &options, &server),
                     0);
    int fd = connect_port(asynchat_server_port(server));
    turn(base);
    pid_t child = fork();
    if (child == 0) {
        close(until[1]);
        close(fd);
        alarm(20);
        child_exit(linger(&until[0]));
    }
    assert_int_equal(write(gates[1], "x", 1), 1);
    assert_int_equal(asynchat_workers_free(workers), 0);
    struct timeval soon = {.tv_sec = 5};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(until[1]);
    expect_well(child);
    close(until[0]);
    close(gates[0]);
    close(gates[1]);
    close(fd);
    asynchat_server_free(server);
    event_base_free(base);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_serve_a_socket_made_before_any_event_base),
        cmocka_unit_test(children_serve_the_socket_of_a_server),
        cmocka_unit_test(a_child_that_frees_all_does_not_harm_its_parent),
        cmocka_unit_test(nor_does_one_that_has_not_called_event_reinit),
        cmocka_unit_test(a_child_with_one_descriptor_can_be_posted_to),
        cmocka_unit_test(a_child_without_descriptors_refuses_posts),
        cmocka_unit_test(posts_accepted_before_run_in_the_parent_only),
        cmocka_unit_test(a_server_that_is_freed_first_is_no_harm),
        cmocka_unit_test(a_child_may_remove_the_path_when_it_says_so),
        cmocka_unit_test(both_go_on_and_each_has_its_posts),
        cmocka_unit_test(a_channel_that_ends_in_a_child_leaves_the_others),
        cmocka_unit_test(a_child_without_free_descriptors_has_its_posts),
        cmocka_unit_test(
            a_posted_function_that_forks_runs_the_rest_in_the_parent),
        cmocka_unit_test(locks_of_other_threads_do_not_hang_a_child),
        cmocka_unit_test(workers_stay_with_the_parent),
        cmocka_unit_test(
            a_child_does_not_keep_a_connection_on_its_way_to_a_worker),
    };
    return RUN(tests);
}
