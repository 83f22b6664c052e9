/* Event bases and workers whose channels work by rings.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "child.h"
#include "serving.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <event2/event.h>

#include <asynchat/uring.h>

#include "wrapped.h"

#define CLIENTS 50

/* --- the log --- */

static struct {
    atomic_int count;
    int code;
    char text[200];
} told;

static void tell(const struct asynchat_log_record *r, void *arg)
{
    (void)arg;
    if (r->event != ASYNCHAT_LOG_BATCH)
        return;
    told.count++;
    told.code = r->code;
    snprintf(told.text, sizeof told.text, "%s: %s", r->peer, r->text);
}

static void expect_told(int code, const char *text)
{
    assert_int_equal(told.count, 1);
    assert_int_equal(told.code, code);
    if (!strstr(told.text, text))
        fail_msg("\"%s\" is not in: %s", text, told.text);
    told.count = 0;
}

static int setup(void **state)
{
    memset(&wrapped, 0, sizeof wrapped);
    told.count = 0;
    asynchat_set_log(ASYNCHAT_LOG_WARNING, tell, NULL);
    return fixture_setup(state);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    asynchat_set_batch(f->base, NULL, NULL);
    assert_int_equal(fixture_teardown(state), 0);
    assert_int_equal(wrapped.opened, wrapped.closed);
    asynchat_set_log(ASYNCHAT_LOG_WARNING, NULL, NULL);
    return 0;
}

/* --- a server and its clients --- */

/* Skips a test where the kernel refuses. */
static void use_ring(struct event_base *base)
{
    int error = asynchat_uring_use(base);
    if (error == -ENOTSUP) {
        print_message("skipped: %s\n", told.text);
        skip();
    }
    assert_int_equal(error, 0);
    assert_int_equal(told.count, 0);
}

static int fds[CLIENTS];

/* Over Unix sockets, where what is sent is there at once. */
static struct fixture *serve_clients(void **state)
{
    char name[64];
    snprintf(name, sizeof name, "unix:@asynchat-uring-%d", (int)getpid());
    struct fixture *f = serve(state, name);
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = dial_server(f);
    turn(f);
    assert_int_equal(connected, CLIENTS);
    return f;
}

static void say_line(int i, int round)
{
    char line[64];
    int len = snprintf(line, sizeof line, "client %d, round %d\n", i, round);
    assert_int_equal(send(fds[i], line, (size_t)len, MSG_NOSIGNAL), len);
}

static void expect_answer(int i, int round)
{
    char line[64], got[64] = "";
    int len = snprintf(line, sizeof line, "client %d, round %d\n", i, round);
    assert_int_equal(recv(fds[i], got, sizeof got - 1, MSG_DONTWAIT), len);
    assert_string_equal(got, line);
}

static void exchange(struct fixture *f, int rounds)
{
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < CLIENTS; i++)
            say_line(i, round);
        turn(f);
        for (int i = 0; i < CLIENTS; i++)
            expect_answer(i, round);
    }
}

static void hang_up_all(struct fixture *f)
{
    for (int i = 0; i < CLIENTS; i++)
        hang_up(f, fds[i]);
    turn(f);
    assert_int_equal(closed, CLIENTS);
}

/* --- one loop --- */

static void fifty_echo_lines_by_the_ring(void **state)
{
    struct fixture *f = *state;
    use_ring(f->base);
    serve_clients(state);
    wrapped.calls = wrapped.queued = 0;
    exchange(f, 20);
    assert_int_equal(wrapped.queued, 20 * CLIENTS * 2);
    assert_in_range(wrapped.calls, 20 * 4, 20 * 8);
    assert_int_equal(wrapped.waits, 0);
    hang_up_all(f);
}

static void any_order_and_any_length_will_do(void **state)
{
    struct fixture *f = *state;
    use_ring(f->base);
    serve_clients(state);
    wrapped.backwards = true;
    for (wrapped.short_len = 1; wrapped.short_len < 16; wrapped.short_len++)
        exchange(f, 1);
    assert_true(wrapped.queued > CLIENTS * 15);
    hang_up_all(f);
}

/* Whether the call with this number was made, and failed. */
static bool survives(struct fixture *f, unsigned number, unsigned times,
                     int error)
{
    use_ring(f->base);
    serve_clients((void **)&f);
    wrapped.calls = 0;
    wrapped.fail_at = number;
    wrapped.fail_for = times;
    wrapped.fail_error = error;
    exchange(f, 3);
    bool failed = wrapped.calls >= number;
    hang_up_all(f);
    asynchat_server_free(f->server);
    f->server = NULL;
    asynchat_set_batch(f->base, NULL, NULL);
    wrapped.fail_at = 0;
    return failed;
}

/* A ring that has made some calls of a run says only at the next one that it
 * can make no more. */
static void each_call_may_fail(void **state)
{
    static const struct {
        int error;
        bool for_good;
    } rows[] = {{-EINTR, false},
                {-EAGAIN, false},
                {-EBUSY, false},
                {-EBADF, true},
                {-ENOMEM, true}};
    for (size_t i = 0; i < 2 * COUNT(rows); i++) {
        bool some = i >= COUNT(rows), failed = true;
        int error = rows[i % COUNT(rows)].error;
        wrapped.most = some ? 7 : 0;
        for (unsigned number = 1; failed; number++) {
            failed = survives(*state, number, 1, error);
            if (failed && rows[i % COUNT(rows)].for_good && !some)
                expect_told(error, "batch: ");
            assert_in_range(told.count, 0, some);
            told.count = 0;
        }
    }
}

static void a_ring_may_refuse_for_long(void **state)
{
    assert_true(survives(*state, 2, 10, -EAGAIN));
    assert_int_equal(told.count, 0);
    assert_true(survives(*state, 2, 10000, -EAGAIN));
}

static void it_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(asynchat_uring_use(NULL), -EINVAL);
    assert_int_equal(asynchat_uring_use_workers(NULL), -EINVAL);
    assert_int_equal(told.count, 0);
    wrapped.open_refusals = 1;
    wrapped.open_error = -EPERM;
    assert_int_equal(asynchat_uring_use(f->base), -ENOTSUP);
    expect_told(-ENOTSUP, "io_uring: io_uring is forbidden");
    wrapped.open_refusals = 1;
    wrapped.open_error = -EMFILE;
    assert_int_equal(asynchat_uring_use(f->base), -EMFILE);
    expect_told(-EMFILE, "io_uring: Too many open files");
    serve_clients(state);
    exchange(f, 2);
    assert_int_equal(wrapped.calls, 0);
    hang_up_all(f);
}

static void it_needs_a_descriptor(void **state)
{
    struct fixture *f = *state;
    struct rlimit before;
    use_ring(f->base);
    assert_int_equal(asynchat_set_batch(f->base, NULL, NULL), 0);
    limit_descriptors(&before, 0);
    int error = asynchat_uring_use(f->base);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(error, -EMFILE);
    expect_told(-EMFILE, "io_uring: Too many open files");
}

static void another_takes_its_place(void **state)
{
    struct fixture *f = *state;
    use_ring(f->base);
    use_ring(f->base);
    assert_int_equal(wrapped.opened, 2);
    assert_int_equal(wrapped.closed, 1);
    assert_int_equal(asynchat_set_batch(f->base, NULL, NULL), 0);
    assert_int_equal(wrapped.closed, 2);
}

static int busy; /* the result, inside a batch */

static void use_inside(struct asynchat_channel *ch, const void *data,
                       size_t len, void *arg)
{
    (void)arg;
    busy = asynchat_uring_use(asynchat_get_base(ch));
    assert_int_equal(asynchat_push(ch, data, len), 0);
}

static void not_while_one_is_served(void **state)
{
    static const struct asynchat_handler handler = {.size = sizeof handler,
                                                    .message = use_inside};
    struct fixture *f = *state;
    struct asynchat_channel *ch[5];
    int peers[5];
    use_ring(f->base);
    for (int i = 0; i < 5; i++) {
        int pair[2];
        make_socketpair(pair);
        peers[i] = pair[1];
        assert_int_equal(asynchat_channel_new_socket(f->base, pair[0], &handler,
                                                     NULL, &ch[i]),
                         0);
        assert_int_equal(asynchat_set_terminator(ch[i], "\n", 1), 0);
    }
    turn(f);
    for (int i = 0; i < 5; i++)
        assert_int_equal(send(peers[i], "x\n", 2, 0), 2);
    turn(f);
    assert_int_equal(busy, -EBUSY);
    assert_int_equal(told.count, 5);
    assert_int_equal(wrapped.opened, wrapped.closed + 1);
    for (int i = 0; i < 5; i++) {
        asynchat_channel_free(ch[i]);
        close(peers[i]);
    }
}

/* --- processes --- */

/* All clients get an answer. */
static bool child_echoes(struct fixture *f)
{
    char got[64];
    int answers = 0;
    for (int i = 0; i < CLIENTS; i++)
        answers -= send(fds[i], "child\n", 6, 0) != 6;
    turn(f);
    for (int i = 0; i < CLIENTS; i++)
        answers += recv(fds[i], got, sizeof got, MSG_DONTWAIT) == 6;
    return answers == CLIENTS;
}

static bool goes_on(void *arg)
{
    struct fixture *f = arg;
    unsigned calls = wrapped.calls, own = wrapped.closed + 1;
    return event_reinit(f->base) == 0 && child_echoes(f) &&
           wrapped.calls == calls &&
           asynchat_set_batch(f->base, NULL, NULL) == 0 &&
           wrapped.closed == own;
}

/* In place of the inherited one. */
static bool has_a_new_one(void *arg)
{
    struct fixture *f = arg;
    unsigned calls = wrapped.calls;
    return event_reinit(f->base) == 0 && asynchat_uring_use(f->base) == 0 &&
           child_echoes(f) && wrapped.calls > calls && told.count == 0 &&
           asynchat_set_batch(f->base, NULL, NULL) == 0;
}

static bool has_its_own(void *arg)
{
    struct event_base *base = event_base_new();
    (void)arg;
    bool done = asynchat_uring_use(base) == 0 &&
                asynchat_set_batch(base, NULL, NULL) == 0;
    event_base_free(base);
    return done;
}

static void a_child_makes_plain_calls(void **state)
{
    struct fixture *f = *state;
    use_ring(f->base);
    serve_clients(state);
    exchange(f, 2);
    assert_int_equal(child_runs(goes_on, f), 1);
    assert_int_equal(child_runs(has_a_new_one, f), 1);
    assert_int_equal(child_runs(has_its_own, f), 1);
    wrapped.calls = 0;
    exchange(f, 2);
    assert_true(wrapped.calls > 0);
    hang_up_all(f);
}

/* A sandbox, as of a container, does not allow it. A kernel without filters
 * passes. */
static bool is_forbidden(void *arg)
{
    struct fixture *f = arg;
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog filter = {COUNT(program), program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
        return true;
    return asynchat_uring_use(f->base) == -ENOTSUP && told.count == 1 &&
           strstr(told.text, "seccomp");
}

static void seccomp_forbids(void **state)
{
    assert_int_equal(child_runs(is_forbidden, *state), 1);
}

/* --- workers --- */

#define WORKERS 3

static int start_ring(struct event_base *base, unsigned index, void *arg)
{
    (void)index;
    (void)arg;
    return asynchat_uring_use(base);
}

static struct fixture *serve_by_workers(void **state,
                                        struct asynchat_workers *workers)
{
    struct asynchat_server_options options = {.size = sizeof options,
                                              .workers = workers};
    struct fixture *f = serve_with(state, "127.0.0.1:0", &options);
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = dial_server(f);
    while (connected < CLIENTS)
        turn(f);
    return f;
}

/* The threads answer when they like. */
static void exchange_with_workers(void)
{
    for (int round = 0; round < 50; round++) {
        char got[64];
        for (int i = 0; i < CLIENTS; i++)
            assert_int_equal(send(fds[i], "line\n", 5, MSG_NOSIGNAL), 5);
        for (int i = 0; i < CLIENTS; i++)
            assert_int_equal(recv(fds[i], got, 5, MSG_WAITALL), 5);
    }
}

static void end_workers(struct fixture *f, struct asynchat_workers *workers)
{
    asynchat_server_free(f->server);
    f->server = NULL;
    assert_int_equal(asynchat_workers_free(workers), 0);
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    assert_int_equal(wrapped.opened, wrapped.closed);
}

static void workers_have_rings(void **state)
{
    struct asynchat_workers *workers;
    use_ring(((struct fixture *)*state)->base);
    assert_int_equal(asynchat_workers_new(WORKERS, NULL, NULL, &workers), 0);
    assert_int_equal(asynchat_uring_use_workers(workers), 0);
    struct fixture *f = serve_by_workers(state, workers);
    asynchat_set_batch(f->base, NULL, NULL);
    exchange_with_workers();
    assert_int_equal(wrapped.opened, 2 + WORKERS);
    assert_true(wrapped.queued > 0);
    end_workers(f, workers);
}

static void they_may_have_them_from_the_start(void **state)
{
    static const struct asynchat_worker_ops ops = {.size = sizeof ops,
                                                   .start = start_ring};
    struct asynchat_workers *workers;
    use_ring(((struct fixture *)*state)->base);
    asynchat_set_batch(((struct fixture *)*state)->base, NULL, NULL);
    assert_int_equal(asynchat_workers_new(WORKERS, &ops, NULL, &workers), 0);
    assert_int_equal(wrapped.opened, 1 + WORKERS);
    struct fixture *f = serve_by_workers(state, workers);
    exchange_with_workers();
    assert_true(wrapped.queued > 0);
    end_workers(f, workers);
}

static void for_workers_it_is_refused(void **state)
{
    struct asynchat_workers *workers;
    (void)state;
    assert_int_equal(asynchat_workers_new(WORKERS, NULL, NULL, &workers), 0);
    wrapped.open_refusals = 1;
    wrapped.open_error = -ENOSYS;
    assert_int_equal(asynchat_uring_use_workers(workers), -ENOTSUP);
    expect_told(-ENOTSUP, "io_uring: the kernel has no io_uring");
    assert_int_equal(wrapped.opened, 0);
    assert_int_equal(asynchat_workers_free(workers), 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(fifty_echo_lines_by_the_ring),
        TEST(any_order_and_any_length_will_do),
        TEST(each_call_may_fail),
        TEST(a_ring_may_refuse_for_long),
        TEST(it_is_refused),
        TEST(it_needs_a_descriptor),
        TEST(another_takes_its_place),
        TEST(not_while_one_is_served),
        TEST(a_child_makes_plain_calls),
        TEST(seccomp_forbids),
        TEST(workers_have_rings),
        TEST(they_may_have_them_from_the_start),
        TEST(for_workers_it_is_refused),
    };
    return RUN(tests);
}
