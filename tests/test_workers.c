/* Workers: beginning, serving, posts, ending, and what goes wrong.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#define WORKERS 3

/* The results of the threads, which may not call cmocka. */
static struct {
    pthread_mutex_t lock;
    char order[WORKERS * 32];   /* the words of `start`, in order */
    char says[WORKERS][256];    /* the later words of each worker */
    pthread_t threads[WORKERS]; /* the thread of each worker */
    int wrong; /* calls that failed, or came from another thread */
    int connected, closed, posted, gone;
    int served[WORKERS]; /* connections */
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct asynchat_workers *workers;
static struct asynchat_server *servers[WORKERS];
static char address[ASYNCHAT_ADDRESS_SIZE];
static unsigned linger;  /* with which channels begin */
static unsigned failing; /* the worker whose start fails */
static int descriptors;

/* Workers free their descriptors before they are joined, so the program can
 * count its own. */
static int setup(void **state)
{
    (void)state;
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    memset(&seen, 0, sizeof seen);
    seen.lock = lock;
    memset(servers, 0, sizeof servers);
    workers = NULL;
    linger = 30000;
    address[0] = '\0';
    failing = WORKERS;
    descriptors = count_descriptors();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(count_descriptors(), descriptors);
    assert_int_equal(seen.wrong, 0);
    return 0;
}

static void add(int *count)
{
    pthread_mutex_lock(&seen.lock);
    ++*count;
    pthread_mutex_unlock(&seen.lock);
}

static int get(const int *count)
{
    pthread_mutex_lock(&seen.lock);
    int value = *count;
    pthread_mutex_unlock(&seen.lock);
    return value;
}

static void wait_for(const int *count, int value)
{
    for (int i = 0; i < 5000 && get(count) < value; i++)
        usleep(1000);
    assert_int_equal(get(count), value);
}

static void check(bool right)
{
    if (!right)
        add(&seen.wrong);
}

/* Each worker writes to a place of its own. */
static void say(const char *word)
{
    char *text = seen.says[asynchat_worker_index()];
    size_t len = strlen(text);
    snprintf(text + len, sizeof seen.says[0] - len, "%s%s", len > 0 ? " " : "",
             word);
}

static void is_in(unsigned index)
{
    check(asynchat_worker_index() == (int)index &&
          pthread_equal(seen.threads[index], pthread_self()));
}

/* --- what workers do --- */

static int say_start(struct event_base *base, unsigned index, void *arg)
{
    size_t len = strlen(seen.order);
    snprintf(seen.order + len, sizeof seen.order - len, "%u ", index);
    seen.threads[index] = pthread_self();
    check(base != NULL && asynchat_worker_index() == (int)index);
    check(arg == &seen);
    say("start");
    return index == failing ? -ENOTCONN : 0;
}

static void say_stop(struct event_base *base, unsigned index, void *arg)
{
    is_in(index);
    check(base != NULL && arg == &seen);
    say("stop");
}

static const struct asynchat_worker_ops says = {sizeof says, say_start,
                                                say_stop};

static void begin(const struct asynchat_worker_ops *ops)
{
    assert_int_equal(asynchat_workers_new(WORKERS, ops, &seen, &workers), 0);
    assert_non_null(workers);
}

static void end(void)
{
    assert_int_equal(asynchat_workers_free(workers), 0);
}

static void expect_says(const char *words)
{
    for (int i = 0; i < WORKERS; i++)
        assert_string_equal(seen.says[i], words);
}

/* --- beginning and ending --- */

static void they_start_one_after_the_other_and_end(void **state)
{
    (void)state;
    begin(&says);
    assert_string_equal(seen.order, "0 1 2 ");
    end();
    expect_says("start stop");
}

static void they_need_no_ops(void **state)
{
    (void)state;
    assert_int_equal(asynchat_workers_new(1, NULL, NULL, &workers), 0);
    end();
    begin(&(struct asynchat_worker_ops){.size = sizeof says});
    end();
}

static void NULL_is_no_workers(void **state)
{
    (void)state;
    assert_int_equal(asynchat_workers_free(NULL), 0);
    assert_int_equal(asynchat_worker_index(), -1);
}

static int refusal(unsigned count, const void *ops)
{
    struct asynchat_workers *const none = (void *)&seen, *out = none;
    int error = asynchat_workers_new(count, ops, &seen, &out);
    assert_ptr_equal(out, none);
    return error;
}

static void bad_arguments_are_refused(void **state)
{
    struct {
        struct asynchat_worker_ops known;
        size_t later;
    } ops = {.known = {sizeof ops, say_start, say_stop}, .later = 1};
    (void)state;
    assert_int_equal(refusal(0, &says), -EINVAL);
    assert_int_equal(refusal(ASYNCHAT_WORKERS_MAX + 1, &says), -EINVAL);
    assert_int_equal(asynchat_workers_new(1, &says, &seen, NULL), -EINVAL);
    assert_int_equal(refusal(1, &ops), -ENOTSUP);
    ops.known.size = sizeof says - 1;
    assert_int_equal(refusal(1, &ops), -EINVAL);
    assert_string_equal(seen.order, "");
}

/* `stop` is not called for the worker that failed, but for the others. */
static _Atomic int released;

static int no_run(void *ring, struct asynchat_batch_call *calls, unsigned count)
{
    (void)ring;
    (void)calls;
    (void)count;
    return -ENOSYS;
}

static void release(void *ring)
{
    (void)ring;
    released++;
}

static int start_batch(struct event_base *base, unsigned index, void *arg)
{
    static const struct asynchat_batch_ops ops = {sizeof ops, no_run, release};
    (void)index;
    (void)arg;
    return asynchat_set_batch(base, &ops, NULL);
}

static void their_batches_end_with_them(void **state)
{
    static const struct asynchat_worker_ops ops = {.size = sizeof ops,
                                                   .start = start_batch};
    struct asynchat_workers *workers;
    (void)state;
    released = 0;
    assert_int_equal(asynchat_workers_new(3, &ops, NULL, &workers), 0);
    assert_int_equal(asynchat_workers_free(workers), 0);
    assert_int_equal(released, 3);
}

static void a_start_that_fails_ends_those_before(void **state)
{
    (void)state;
    failing = 1;
    assert_int_equal(refusal(WORKERS, &says), -ENOTCONN);
    assert_string_equal(seen.order, "0 1 ");
    assert_string_equal(seen.says[0], "start stop");
    assert_string_equal(seen.says[1], "start");
    assert_string_equal(seen.says[2], "");
}

/* Makes workers while only `count` descriptors are free. */
static int new_with_descriptors(int count)
{
    enum { LIMIT = 64 };
    struct rlimit before, less;
    int taken[LIMIT], n = 0;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    less = before;
    less.rlim_cur = LIMIT;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &less), 0);
    while ((taken[n] = dup(STDERR_FILENO)) >= 0)
        n++;
    for (int i = 0; i < count; i++)
        close(taken[--n]);
    int error = asynchat_workers_new(WORKERS, NULL, NULL, &workers);
    while (n > 0)
        close(taken[--n]);
    setrlimit(RLIMIT_NOFILE, &before);
    return error;
}

/* Each worker takes two to six descriptors, depending on libevent's version and
 * on how it gets signals. A lack of them for the last worker may be noticed in
 * any place. */
static void without_descriptors_none_is_left(void **state)
{
    int error, count = 0;
    (void)state;
    while ((error = new_with_descriptors(count)) == -EMFILE) {
        assert_int_equal(count_descriptors(), descriptors);
        assert_in_range(++count, 1, 6 * WORKERS);
    }
    assert_int_equal(error, 0);
    assert_in_range(count, 2 * WORKERS, 6 * WORKERS);
    end();
}

static void free_oneself(struct event_base *base, unsigned index, void *arg)
{
    (void)base;
    (void)arg;
    is_in(index);
    check(asynchat_workers_free(workers) == -EDEADLK);
    add(&seen.posted);
}

static void a_worker_cannot_free_itself(void **state)
{
    (void)state;
    begin(&says);
    assert_int_equal(asynchat_workers_post(workers, 1, free_oneself, NULL), 0);
    wait_for(&seen.posted, 1);
    end();
}

static void free_others(struct event_base *base, unsigned index, void *arg)
{
    (void)base;
    is_in(index);
    check(asynchat_workers_free(arg) == 0);
    add(&seen.posted);
}

static void a_worker_can_free_others(void **state)
{
    static const struct asynchat_worker_ops none = {.size = sizeof none};
    struct asynchat_workers *others = NULL;
    (void)state;
    begin(&says);
    assert_int_equal(asynchat_workers_new(1, &none, NULL, &others), 0);
    assert_int_equal(asynchat_workers_post(workers, 1, free_others, others), 0);
    wait_for(&seen.posted, 1);
    end();
}

static void ignore(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
}

/* A channel in another event base than the worker's belongs to that loop. */
static void use_another_base(struct event_base *base, unsigned index, void *arg)
{
    static const struct asynchat_handler quiet = {.size = sizeof quiet,
                                                  .found_terminator = ignore};
    const struct asynchat_handler *handlers[2] = {&quiet, &quiet};
    struct asynchat_channel *pair[2] = {NULL, NULL};
    struct event_base *other = event_base_new();
    (void)arg;
    is_in(index);
    check(other && asynchat_pair_new(other, handlers, NULL, pair) == 0);
    check(asynchat_get_base(pair[0]) == other && other != base);
    check(asynchat_push(pair[0], "x", 1) == 0);
    for (int i = 0; i < 3; i++)
        event_base_loop(other, EVLOOP_NONBLOCK);
    check(asynchat_get_queued(pair[0]) == 0);
    asynchat_channel_free(pair[0]);
    asynchat_channel_free(pair[1]);
    event_base_loop(other, EVLOOP_NONBLOCK);
    event_base_free(other);
    add(&seen.posted);
}

static void a_worker_can_have_another_loop(void **state)
{
    (void)state;
    begin(&says);
    assert_int_equal(asynchat_workers_post(workers, 1, use_another_base, NULL),
                     0);
    wait_for(&seen.posted, 1);
    end();
}

/* The workers block the signal, so this thread gets it. */
static void signals_stay_with_the_program(void **state)
{
    sigset_t user, before, waiting;
    (void)state;
    begin(&says);
    sigemptyset(&user);
    sigaddset(&user, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &user, &before);
    kill(getpid(), SIGUSR1);
    usleep(10000);
    sigpending(&waiting);
    assert_int_equal(sigismember(&waiting, SIGUSR1), 1);
    int number;
    sigwait(&user, &number);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    end();
}

static void break_loop(struct event_base *base, unsigned index, void *arg)
{
    (void)arg;
    is_in(index);
    event_base_loopbreak(base);
    add(&seen.posted);
}

static void a_loop_that_is_broken_goes_on(void **state)
{
    (void)state;
    begin(&says);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(asynchat_workers_post(workers, 0, break_loop, NULL),
                         0);
        wait_for(&seen.posted, i);
    }
    end();
    expect_says("start stop");
}

/* --- posts --- */

static void say_posted(struct event_base *base, unsigned index, void *arg)
{
    is_in(index);
    check(base != NULL);
    say(arg);
    add(&seen.posted);
}

static void posts_run_in_their_worker_and_in_order(void **state)
{
    static char words[5][2] = {"a", "b", "c", "d", "e"};
    (void)state;
    begin(&says);
    for (int i = 0; i < 5; i++)
        for (unsigned w = 0; w < WORKERS; w++)
            assert_int_equal(
                asynchat_workers_post(workers, w, say_posted, words[i]), 0);
    end();
    expect_says("start a b c d e stop");
}

static void bad_posts_are_refused(void **state)
{
    (void)state;
    begin(&says);
    assert_int_equal(asynchat_workers_post(NULL, 0, say_posted, NULL), -EINVAL);
    assert_int_equal(asynchat_workers_post(workers, 0, NULL, NULL), -EINVAL);
    assert_int_equal(asynchat_workers_post(workers, WORKERS, say_posted, NULL),
                     -EINVAL);
    end();
}

/* Posts from one worker to the next, until the post has gone round. */
static void pass_on(struct event_base *base, unsigned index, void *arg)
{
    (void)base;
    (void)arg;
    is_in(index);
    add(&seen.posted);
    if (get(&seen.posted) < 100)
        check(asynchat_workers_post(workers, (index + 1) % WORKERS, pass_on,
                                    NULL) == 0);
}

static void workers_post_to_each_other(void **state)
{
    (void)state;
    begin(&says);
    assert_int_equal(asynchat_workers_post(workers, 0, pass_on, NULL), 0);
    wait_for(&seen.posted, 100);
    end();
}

/* It depends on which worker ends first whether the post is accepted. If it is,
 * it runs. */
static void post_to_the_next(struct event_base *base, unsigned index, void *arg)
{
    (void)base;
    (void)arg;
    int error = asynchat_workers_post(workers, (index + 1) % WORKERS,
                                      say_posted, "late");
    check(error == 0 || error == ASYNCHAT_ECLOSED);
    if (error == 0)
        add(&seen.gone);
}

static void posts_to_those_that_end_run_or_are_refused(void **state)
{
    static const struct asynchat_worker_ops ops = {sizeof ops, say_start,
                                                   post_to_the_next};
    for (int i = 0; i < 100; i++) {
        setup(state);
        begin(&ops);
        end();
        assert_int_equal(seen.gone, seen.posted);
    }
}

static void greet(struct asynchat_channel *ch, void *arg)
{
    unsigned index = (unsigned)asynchat_worker_index();
    (void)arg;
    check(asynchat_workers_post(workers, (index + 1) % WORKERS, say_posted,
                                "greeted") == 0);
    asynchat_channel_free(ch);
}

static int start_greeting(struct event_base *base, unsigned index, void *arg)
{
    static const struct asynchat_handler greeter = {.size = sizeof greeter,
                                                    .handle_connect = greet};
    const struct asynchat_handler *handlers[2] = {&greeter, &greeter};
    struct asynchat_channel *pair[2];
    return say_start(base, index, arg) +
           asynchat_pair_new(base, handlers, NULL, pair);
}

/* The first action in a loop may be a post to another loop. */
static void they_know_each_other_when_they_begin(void **state)
{
    static const struct asynchat_worker_ops ops = {.size = sizeof ops,
                                                   .start = start_greeting};
    for (int i = 0; i < 50; i++) {
        setup(state);
        begin(&ops);
        wait_for(&seen.posted, 2 * WORKERS);
        end();
        expect_says("start greeted greeted");
        assert_int_equal(seen.wrong, 0);
    }
}

/* --- serving --- */

static const struct asynchat_handler echo;

static void opened(struct asynchat_channel *ch, void *arg)
{
    int index = asynchat_worker_index();
    (void)arg;
    check(index >= 0 && asynchat_set_terminator(ch, "\n", 1) == 0);
    check(asynchat_get_linger(ch) == linger);
    add(&seen.served[index >= 0 ? index : 0]);
    add(&seen.connected);
}

static void answer(struct asynchat_channel *ch, const void *data, size_t len,
                   void *arg)
{
    (void)arg;
    check(asynchat_push(ch, data, len) == 0);
    check(asynchat_push(ch, "\n", 1) == 0);
}

/* The ending worker closes the channel. Then nothing new can begin. */
static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    struct event_base *base = asynchat_get_base(ch);
    struct asynchat_channel *again;
    struct asynchat_server *server;
    (void)arg;
    check(status == 0 || status == ASYNCHAT_EOF);
    if (status == 0 && get(&seen.gone) == 0) {
        check(asynchat_connect(base, "127.0.0.1:9", 0, &echo, NULL, &again) ==
              -ECANCELED);
        check(asynchat_server_new(base, "127.0.0.1:0", &echo, NULL, NULL,
                                  &server) == -ECANCELED);
    }
    add(&seen.closed);
}

static const struct asynchat_handler echo = {
    .size = sizeof echo,
    .message = answer,
    .handle_connect = opened,
    .handle_close = closed,
};

/* The first worker finds a port, and the others share it. */
static int serve(struct event_base *base, unsigned index, void *arg)
{
    static const struct asynchat_server_options share = {
        .size = sizeof share, .flags = ASYNCHAT_REUSE_PORT};
    (void)arg;
    int error = asynchat_server_new(base, index == 0 ? "127.0.0.1:0" : address,
                                    &echo, NULL, &share, &servers[index]);
    if (!error && index == 0)
        error = asynchat_server_address(servers[0], address, sizeof address);
    return error;
}

static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void expect_line(int fd, const char *line)
{
    char got[64];
    size_t len = strlen(line);
    assert_int_equal(recv(fd, got, len, MSG_WAITALL), len);
    assert_memory_equal(got, line, len);
}

static void expect_end(int fd)
{
    char byte;
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
}

static void expect_served(int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        assert_int_equal(send(fds[i], "hello\n", 6, MSG_NOSIGNAL), 6);
        expect_line(fds[i], "hello\n");
    }
}

/* Channels and servers are left to the workers, whose loops end with them. */
static void each_has_a_server_on_one_port(void **state)
{
    static const struct asynchat_worker_ops ops = {.size = sizeof ops,
                                                   .start = serve};
    int fds[20];
    (void)state;
    begin(&ops);
    for (int i = 0; i < 20; i++)
        fds[i] = dial();
    expect_served(fds, 20);
    end();
    for (int i = 0; i < 20; i++)
        expect_end(fds[i]);
    assert_int_equal(seen.connected, 20);
    assert_int_equal(seen.closed, 20);
}

/* The loop stands still until the clients have come. */
static void stop_server(struct event_base *base, unsigned index, void *arg)
{
    (void)base;
    (void)arg;
    add(&seen.posted);
    while (get(&seen.gone) == 0)
        usleep(1000);
    check(asynchat_server_stop(servers[index], 60000, NULL, NULL) == 0);
}

/* By then the system has given it connections that it has not accepted. */
static void one_of_several_on_a_port_may_stop(void **state)
{
    static const struct asynchat_worker_ops ops = {.size = sizeof ops,
                                                   .start = serve};
    int fds[40];
    (void)state;
    begin(&ops);
    assert_int_equal(asynchat_workers_post(workers, 0, stop_server, NULL), 0);
    wait_for(&seen.posted, 1);
    for (int i = 0; i < 40; i++) {
        fds[i] = dial();
        assert_int_equal(send(fds[i], "hello\n", 6, MSG_NOSIGNAL), 6);
    }
    add(&seen.gone);
    for (int i = 0; i < 40; i++)
        expect_line(fds[i], "hello\n");
    end();
    for (int i = 0; i < 40; i++)
        expect_end(fds[i]);
    assert_int_equal(seen.connected, 40);
    assert_int_equal(seen.closed, 40);
}

static void free_server(struct event_base *base, unsigned index, void *arg)
{
    (void)base;
    (void)arg;
    asynchat_server_free(servers[index]);
}

static void a_server_may_be_freed_in_stop(void **state)
{
    static const struct asynchat_worker_ops ops = {sizeof ops, serve,
                                                   free_server};
    (void)state;
    begin(&ops);
    int fd = dial();
    expect_served(&fd, 1);
    end();
    expect_end(fd);
}

static int serve_and_fail(struct event_base *base, unsigned index, void *arg)
{
    int error = serve(base, index, arg);
    return index == WORKERS - 1 ? -ENOTCONN : error;
}

static void a_start_that_fails_leaves_no_server(void **state)
{
    static const struct asynchat_worker_ops ops = {.size = sizeof ops,
                                                   .start = serve_and_fail};
    (void)state;
    assert_int_equal(refusal(WORKERS, &ops), -ENOTCONN);
}

/* Makes a pair whose handle_connect has not been called yet. */
static int make_pair(struct event_base *base, unsigned index, void *arg)
{
    const struct asynchat_handler *handlers[2] = {&echo, &echo};
    struct asynchat_channel *pair[2];
    (void)arg;
    check(asynchat_pair_new(base, handlers, NULL, pair) == 0);
    return index == failing ? -ENOTCONN : 0;
}

static void handle_connect_comes_first_at_the_end_as_well(void **state)
{
    static const struct asynchat_worker_ops ops = {.size = sizeof ops,
                                                   .start = make_pair};
    (void)state;
    failing = WORKERS - 1;
    assert_int_equal(refusal(WORKERS, &ops), -ENOTCONN);
    assert_int_equal(seen.connected, 2 * WORKERS);
    assert_int_equal(seen.closed, 2 * WORKERS);
}

static struct asynchat_channel *kept[WORKERS][2];

static int keep_pair(struct event_base *base, unsigned index, void *arg)
{
    const struct asynchat_handler *handlers[2] = {&echo, &echo};
    (void)arg;
    return asynchat_pair_new(base, handlers, NULL, kept[index]);
}

static void free_pair(struct event_base *base, unsigned index, void *arg)
{
    (void)base;
    (void)arg;
    asynchat_channel_free(kept[index][0]);
    asynchat_channel_free(kept[index][1]);
}

static void channels_may_be_freed_in_stop(void **state)
{
    static const struct asynchat_worker_ops ops = {sizeof ops, keep_pair,
                                                   free_pair};
    (void)state;
    begin(&ops);
    end();
    assert_int_equal(seen.closed, 0);
}

static void begin_anew(struct event_base *base, unsigned index, void *arg)
{
    const struct asynchat_handler *handlers[2] = {&echo, &echo};
    struct asynchat_channel *pair[2];
    is_in(index);
    check(asynchat_pair_new(base, handlers, NULL, pair) == -ECANCELED);
    add(&seen.posted);
    if (arg)
        check(asynchat_workers_post(workers, index, begin_anew, NULL) == 0);
}

/* This post and the posts it makes must run, although there is no channel for
 * which the loop would run once more. */
static void post_to_itself(struct event_base *base, unsigned index, void *arg)
{
    (void)base;
    check(asynchat_workers_post(workers, index, begin_anew, arg) == 0);
}

static void what_runs_at_the_end_cannot_begin_anew(void **state)
{
    static const struct asynchat_worker_ops ops = {sizeof ops, say_start,
                                                   post_to_itself};
    (void)state;
    begin(&ops);
    end();
    assert_int_equal(seen.posted, 2 * WORKERS);
}

/* Makes channels in memory, which are over bufferevents, and one that
 * connects. */
static int make_channels(struct event_base *base, unsigned index, void *arg)
{
    const struct asynchat_handler *handlers[2] = {&echo, &echo};
    struct asynchat_channel *pair[2], *ch;
    (void)index;
    (void)arg;
    check(asynchat_pair_new(base, handlers, NULL, pair) == 0);
    check(asynchat_connect(base, address, 0, &echo, NULL, &ch) == 0);
    return 0;
}

static void channels_of_every_kind_are_closed(void **state)
{
    static const struct asynchat_worker_ops ops = {.size = sizeof ops,
                                                   .start = make_channels};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof to;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(listen(fd, WORKERS), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &len), 0);
    snprintf(address, sizeof address, "127.0.0.1:%d", ntohs(to.sin_port));
    begin(&ops);
    end();
    close(fd);
    assert_int_equal(seen.closed, 3 * WORKERS);
}

/* --- one server, whose connections the workers get --- */

struct shared {
    struct event_base *base;
    struct asynchat_server *server;
};

static void share_begin(struct shared *s)
{
    const struct asynchat_options channels = {.size = sizeof channels,
                                              .linger = 77};
    struct asynchat_server_options options = {
        .size = sizeof options, .workers = workers, .channels = &channels};
    linger = channels.linger;
    s->base = event_base_new();
    assert_int_equal(asynchat_server_new(s->base, "127.0.0.1:0", &echo, NULL,
                                         &options, &s->server),
                     0);
    asynchat_server_address(s->server, address, sizeof address);
}

static void share_end(struct shared *s)
{
    asynchat_server_free(s->server);
    event_base_free(s->base);
}

static void connections_are_given_in_turn(void **state)
{
    struct shared s;
    int fds[5 * WORKERS];
    (void)state;
    begin(NULL);
    share_begin(&s);
    for (int i = 0; i < 5 * WORKERS; i++)
        fds[i] = dial();
    event_base_loop(s.base, EVLOOP_NONBLOCK);
    expect_served(fds, 5 * WORKERS);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(get(&seen.served[i]), 5);
    share_end(&s);
    end();
    for (int i = 0; i < 5 * WORKERS; i++)
        expect_end(fds[i]);
    assert_int_equal(seen.closed, 5 * WORKERS);
}

/* Waiting connections go to the workers, whose channels do not end with the
 * server. */
static void connections_that_wait_when_it_stops_are_given_as_well(void **state)
{
    struct shared s;
    int fds[5 * WORKERS];
    (void)state;
    begin(NULL);
    share_begin(&s);
    for (int i = 0; i < 5 * WORKERS; i++)
        fds[i] = dial();
    assert_int_equal(asynchat_server_stop(s.server, 1000, NULL, NULL), 0);
    expect_served(fds, 5 * WORKERS);
    event_base_loop(s.base, 0);
    event_base_free(s.base);
    end();
    for (int i = 0; i < 5 * WORKERS; i++)
        expect_end(fds[i]);
    assert_int_equal(seen.closed, 5 * WORKERS);
}

/* A connection given to an ending worker is closed there, with or without
 * having been a channel. */
static void connections_given_to_those_that_end_are_closed(void **state)
{
    for (int i = 0; i < 30; i++) {
        struct shared s;
        int fds[WORKERS];
        setup(state);
        begin(NULL);
        share_begin(&s);
        for (int j = 0; j < WORKERS; j++)
            fds[j] = dial();
        event_base_loop(s.base, EVLOOP_NONBLOCK);
        share_end(&s);
        end();
        for (int j = 0; j < WORKERS; j++)
            expect_end(fds[j]);
        assert_int_equal(seen.connected, seen.closed);
        teardown(state);
    }
}

static void wait_for_gifts(struct event_base *base, unsigned index, void *arg)
{
    (void)base;
    (void)index;
    (void)arg;
    add(&seen.posted);
    while (get(&seen.gone) == 0)
        usleep(1000);
}

static void *end_in_a_thread(void *arg)
{
    check(asynchat_workers_free(arg) == 0);
    return NULL;
}

/* The connections come when the workers are about to end, and do not become
 * channels. */
static void connections_that_come_too_late_are_closed(void **state)
{
    static const struct asynchat_worker_ops ops = {sizeof ops, say_start,
                                                   wait_for_gifts};
    struct shared s;
    pthread_t thread;
    int fds[WORKERS];
    (void)state;
    begin(&ops);
    share_begin(&s);
    assert_int_equal(pthread_create(&thread, NULL, end_in_a_thread, workers),
                     0);
    wait_for(&seen.posted, WORKERS);
    for (int i = 0; i < WORKERS; i++)
        fds[i] = dial();
    event_base_loop(s.base, EVLOOP_NONBLOCK);
    add(&seen.gone);
    pthread_join(thread, NULL);
    share_end(&s);
    for (int i = 0; i < WORKERS; i++)
        expect_end(fds[i]);
    assert_int_equal(seen.connected, 0);
    assert_int_equal(seen.closed, 0);
}

/* --- a broadcast --- */

/* One channel of each worker, under the lock. */
static uint64_t members[WORKERS];

static void join(struct asynchat_channel *ch, void *arg)
{
    pthread_mutex_lock(&seen.lock);
    members[asynchat_worker_index()] = asynchat_get_id(ch);
    pthread_mutex_unlock(&seen.lock);
    opened(ch, arg);
}

static uint64_t member(int worker)
{
    pthread_mutex_lock(&seen.lock);
    uint64_t id = members[worker];
    pthread_mutex_unlock(&seen.lock);
    return id;
}

static void hear(struct asynchat_channel *ch, void *arg)
{
    char *text = arg;
    if (ch)
        check(asynchat_push(ch, text, strlen(text)) == 0);
    free(text);
    add(ch ? &seen.posted : &seen.gone);
}

/* A line from one client goes to all clients, by a post to each. */
static void tell_all(struct asynchat_channel *ch, const void *data, size_t len,
                     void *arg)
{
    (void)ch;
    (void)arg;
    for (int i = 0; i < WORKERS; i++) {
        char *text = calloc(1, len + 2);
        memcpy(text, data, len);
        text[len] = '\n';
        if (asynchat_post(member(i), hear, text)) {
            free(text);
            add(&seen.wrong);
        }
    }
}

static const struct asynchat_handler chat = {
    .size = sizeof chat,
    .message = tell_all,
    .handle_connect = join,
};

static void a_broadcast_reaches_the_channels_of_all_workers(void **state)
{
    struct asynchat_server_options options = {.size = sizeof options};
    struct shared s = {.base = event_base_new()};
    int fds[WORKERS];
    (void)state;
    begin(NULL);
    options.workers = workers;
    assert_int_equal(asynchat_server_new(s.base, "127.0.0.1:0", &chat, NULL,
                                         &options, &s.server),
                     0);
    asynchat_server_address(s.server, address, sizeof address);
    for (int i = 0; i < WORKERS; i++)
        fds[i] = dial();
    event_base_loop(s.base, EVLOOP_NONBLOCK);
    wait_for(&seen.connected, WORKERS);
    for (int round = 0; round < 50; round++)
        for (int from = 0; from < WORKERS; from++) {
            assert_int_equal(send(fds[from], "all\n", 4, MSG_NOSIGNAL), 4);
            for (int to = 0; to < WORKERS; to++)
                expect_line(fds[to], "all\n");
        }
    assert_int_equal(get(&seen.posted), 50 * WORKERS * WORKERS);
    /* Some posts are on their way when it ends. */
    for (int from = 0; from < WORKERS; from++)
        assert_int_equal(send(fds[from], "late\n", 5, MSG_NOSIGNAL), 5);
    share_end(&s);
    end();
    for (int i = 0; i < WORKERS; i++)
        close(fds[i]);
    seen.wrong = 0; /* posts that were refused then */
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(they_start_one_after_the_other_and_end),
        TEST(they_need_no_ops),
        TEST(NULL_is_no_workers),
        TEST(bad_arguments_are_refused),
        TEST(their_batches_end_with_them),
        TEST(a_start_that_fails_ends_those_before),
        TEST(without_descriptors_none_is_left),
        TEST(a_worker_cannot_free_itself),
        TEST(a_worker_can_free_others),
        TEST(a_worker_can_have_another_loop),
        TEST(signals_stay_with_the_program),
        TEST(a_loop_that_is_broken_goes_on),
        TEST(posts_run_in_their_worker_and_in_order),
        TEST(bad_posts_are_refused),
        TEST(workers_post_to_each_other),
        TEST(posts_to_those_that_end_run_or_are_refused),
        TEST(they_know_each_other_when_they_begin),
        TEST(each_has_a_server_on_one_port),
        TEST(one_of_several_on_a_port_may_stop),
        TEST(a_server_may_be_freed_in_stop),
        TEST(a_start_that_fails_leaves_no_server),
        TEST(handle_connect_comes_first_at_the_end_as_well),
        TEST(channels_may_be_freed_in_stop),
        TEST(what_runs_at_the_end_cannot_begin_anew),
        TEST(channels_of_every_kind_are_closed),
        TEST(connections_are_given_in_turn),
        TEST(connections_that_wait_when_it_stops_are_given_as_well),
        TEST(connections_given_to_those_that_end_are_closed),
        TEST(connections_that_come_too_late_are_closed),
        TEST(a_broadcast_reaches_the_channels_of_all_workers),
    };
    return RUN(tests);
}
