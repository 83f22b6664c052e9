/* A ring alone: what a run does, and what is done if the kernel refuses.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "uring/ring.h"
#include "wrapped.h"

#define MOST 64
#define SIZE 100

static struct world {
    struct ring *ring;
    int fd[MOST], peer[MOST];
    char bytes[MOST][SIZE];
    struct asynchat_batch_call call[MOST];
    unsigned count;
    int descriptors;
} w;

/* The peer sends its number. */
static void number(unsigned i)
{
    char text[8];
    int len = snprintf(text, sizeof text, "%03u", i);
    assert_int_equal(send(w.peer[i], text, (size_t)len, 0), len);
}

/* Half of the calls receive the number. */
static void add_pair(void)
{
    unsigned i = w.count++;
    int fds[2];
    make_socketpair(fds);
    w.fd[i] = fds[0];
    w.peer[i] = fds[1];
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    number(i);
}

static void make_calls(void)
{
    for (unsigned i = 0; i < w.count; i++) {
        unsigned sends = i % 2;
        w.bytes[i][0] = '\0';
        if (sends)
            snprintf(w.bytes[i], SIZE, "sent %03u", i);
        w.call[i] = (struct asynchat_batch_call){w.fd[i], sends, w.bytes[i],
                                                 sends ? 8 : SIZE, 12345};
    }
}

static int run(void)
{
    make_calls();
    return asynchat__ring_ops.run(w.ring, w.call, w.count);
}

/* Call `i` has done what it should. */
static void expect_made(unsigned i)
{
    char text[SIZE], got[SIZE] = "";
    int len = snprintf(text, sizeof text, i % 2 ? "sent %03u" : "%03u", i);
    assert_int_equal(w.call[i].result, len);
    if (i % 2)
        assert_int_equal(recv(w.peer[i], got, SIZE, 0), len);
    assert_string_equal(i % 2 ? got : w.bytes[i], text);
}

static void expect_nothing(unsigned i)
{
    char byte;
    assert_int_equal(w.call[i].result, -EAGAIN);
    assert_int_equal(recv(w.peer[i], &byte, 1, 0), -1);
    assert_int_equal(recv(w.fd[i], &byte, 1, MSG_PEEK | MSG_DONTWAIT), 1);
}

static void close_pairs(void)
{
    for (unsigned i = 0; i < w.count; i++) {
        close(w.fd[i]);
        close(w.peer[i]);
    }
    w.count = 0;
}

static int setup(void **state)
{
    (void)state;
    memset(&wrapped, 0, sizeof wrapped);
    memset(&w, 0, sizeof w);
    w.descriptors = count_descriptors();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close_pairs();
    asynchat__ring_free(w.ring);
    assert_int_equal(wrapped.opened, wrapped.closed);
    assert_int_equal(count_descriptors(), w.descriptors);
    return 0;
}

/* Skips a test where the kernel refuses. */
static void open_ring(unsigned pairs)
{
    const char *text;
    int error = asynchat__ring_new(&w.ring, &text);
    if (error == -ENOTSUP) {
        print_message("skipped: %s\n", text);
        skip();
    }
    assert_int_equal(error, 0);
    while (w.count < pairs)
        add_pair();
}

/* --- results --- */

static void one_system_call_makes_all(void **state)
{
    (void)state;
    open_ring(MOST);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(run(), 0);
        for (unsigned i = 0; i < MOST; i++)
            expect_made(i);
        for (unsigned i = 0; i < MOST; i += 2)
            number(i);
    }
    assert_int_equal(wrapped.calls, 3);
    assert_int_equal(wrapped.queued, 3 * MOST);
}

static void completions_may_have_any_order(void **state)
{
    (void)state;
    open_ring(9);
    wrapped.backwards = true;
    assert_int_equal(run(), 0);
    for (unsigned i = 0; i < 9; i++)
        expect_made(i);
}

static void completions_may_be_short(void **state)
{
    char got[SIZE] = "";
    (void)state;
    open_ring(4);
    wrapped.short_len = 2;
    assert_int_equal(run(), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(w.call[i].result, 2);
    assert_string_equal(w.bytes[2], "00");
    assert_int_equal(recv(w.peer[1], got, SIZE, 0), 2);
    assert_string_equal(got, "se");
}

static int fed;

static void feed_first(void)
{
    if (fed++ == 0)
        assert_int_equal(send(w.peer[0], "late", 4, 0), 4);
}

/* As if MSG_DONTWAIT were not heeded. */
static void a_run_waits_for_what_is_put_off(void **state)
{
    char got[8];
    (void)state;
    open_ring(5);
    assert_int_equal(recv(w.fd[0], got, 3, 0), 3);
    wrapped.blocks = true;
    wrapped.on_wait = feed_first;
    fed = 0;
    assert_int_equal(run(), 0);
    assert_int_equal(wrapped.waits, 1);
    assert_int_equal(w.call[0].result, 4);
    for (unsigned i = 1; i < 5; i++)
        expect_made(i);
}

/* Signals come while it waits, or what would make a ring useless. */
static void a_run_waits_again(void **state)
{
    static const int errors[] = {-EINTR, -EBADF, -EAGAIN};
    char got[8];
    (void)state;
    open_ring(0);
    for (int i = 0; i < 3; i++) {
        close_pairs();
        while (w.count < 5)
            add_pair();
        assert_int_equal(recv(w.fd[0], got, 3, 0), 3);
        wrapped.calls = wrapped.waits = 0;
        fed = 0;
        wrapped.fail_at = 2;
        wrapped.fail_for = 3;
        wrapped.fail_error = errors[i];
        wrapped.blocks = true;
        wrapped.on_wait = feed_first;
        assert_int_equal(run(), 0);
        assert_int_equal(wrapped.waits, 4);
        assert_int_equal(w.call[0].result, 4);
    }
}

/* --- as by plain calls --- */

static int tcp_pair(int fds[2], bool resets)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int l = socket(AF_INET, SOCK_STREAM, 0);
    struct linger none = {1, 0};
    assert_int_equal(bind(l, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(l, 1), 0);
    assert_int_equal(getsockname(l, (struct sockaddr *)&a, &len), 0);
    fds[1] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fds[1], (struct sockaddr *)&a, len), 0);
    fds[0] = accept4(l, NULL, NULL, SOCK_NONBLOCK);
    close(l);
    if (resets) {
        setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &none, sizeof none);
        close(fds[1]);
        fds[1] = -1;
    }
    return fds[0];
}

enum kind { HAS, NOTHING, END, RESET, GONE, FULL, FREE, FILE_, ALONE, KINDS };

/* Makes a socket, or none, and its peer. */
static void make_kind(enum kind kind, int fds[2])
{
    static char block[4096];
    fds[0] = fds[1] = -1;
    if (kind == RESET) {
        tcp_pair(fds, true);
        return;
    }
    if (kind == FILE_)
        fds[0] = open("/dev/null", O_RDWR);
    if (kind == ALONE)
        fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (kind == FREE)
        fds[0] = 1000000;
    if (fds[0] >= 0)
        return;
    make_socketpair(fds);
    if (kind == HAS)
        assert_int_equal(send(fds[1], "abcdef", 6, 0), 6);
    if (kind == END)
        shutdown(fds[1], SHUT_WR);
    if (kind == GONE) {
        close(fds[1]);
        fds[1] = -1;
    }
    while (kind == FULL &&
           send(fds[0], block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        ;
}

static int by_plain_call(const struct asynchat_batch_call *c)
{
    ssize_t n = c->sends
                    ? send(c->fd, c->data, c->len, MSG_DONTWAIT | MSG_NOSIGNAL)
                    : recv(c->fd, c->data, c->len, MSG_DONTWAIT);
    return n < 0 ? -errno : (int)n;
}

/* Blocking sockets do not block either. */
static void results_are_those_of_plain_calls(void **state)
{
    static char twin_bytes[2 * KINDS][SIZE];
    int twin[2 * KINDS][2];
    (void)state;
    open_ring(0);
    w.count = 2 * KINDS;
    for (unsigned i = 0; i < w.count; i++) {
        int fds[2];
        make_kind((enum kind)(i / 2), fds);
        make_kind((enum kind)(i / 2), twin[i]);
        w.fd[i] = fds[0];
        w.peer[i] = fds[1];
        if (i / 2 == NOTHING)
            fcntl(w.fd[i], F_SETFL, 0);
    }
    assert_int_equal(run(), 0);
    for (unsigned i = 0; i < w.count; i++) {
        struct asynchat_batch_call c = w.call[i];
        c.fd = twin[i][0];
        c.data = i % 2 ? w.bytes[i] : twin_bytes[i];
        if (w.call[i].result != by_plain_call(&c))
            fail_msg("call %u of kind %u: %d", i % 2, i / 2, w.call[i].result);
        if (!(i % 2))
            assert_string_equal(w.bytes[i], twin_bytes[i]);
        close(twin[i][0]);
        close(twin[i][1]);
    }
    assert_int_equal(w.call[2 * GONE + 1].result, -EPIPE);
    assert_int_equal(w.call[2 * RESET].result, -ECONNRESET);
    assert_int_equal(w.call[2 * FREE].result, -EBADF);
    assert_int_equal(w.call[2 * FULL + 1].result, -EAGAIN);
    assert_int_equal(w.call[2 * NOTHING].result, -EAGAIN);
    assert_int_equal(w.call[2 * END].result, 0);
    assert_int_equal(wrapped.waits, 0);
}

/* --- refusals --- */

/* The kernel takes a few calls at a time. */
static void all_are_made_even_if_not_at_once(void **state)
{
    (void)state;
    open_ring(11);
    wrapped.most = 3;
    assert_int_equal(run(), 0);
    assert_int_equal(wrapped.calls, 4);
    for (unsigned i = 0; i < 11; i++)
        expect_made(i);
}

/* Whether the ring can be used by now. */
static void expect_usable(bool usable, int error)
{
    close_pairs();
    while (w.count < 8)
        add_pair();
    wrapped.fail_at = 0;
    assert_int_equal(run(), usable ? 0 : error);
    for (unsigned i = 0; usable && i < 8; i++)
        expect_made(i);
}

/* The call with this number fails, when three calls have been made by each one
 * before. */
static void refuse(unsigned number, int error, bool for_now)
{
    wrapped.most = 3;
    wrapped.calls = 0;
    wrapped.fail_at = number;
    wrapped.fail_for = 1;
    wrapped.fail_error = error;
    int result = run();
    assert_int_equal(result, for_now || number > 1 ? 0 : error);
    for (unsigned i = 0; i < 8 && result == 0; i++)
        if (i < 3 * (number - 1))
            expect_made(i);
        else
            expect_nothing(i);
    wrapped.most = 0;
    expect_usable(for_now, error);
}

static void what_is_refused_is_not_made_later(void **state)
{
    static const struct {
        int error;
        bool for_now;
    } rows[] = {{-EAGAIN, true},  {-EBUSY, true},   {-EBADF, false},
                {-EEXIST, false}, {-EBADFD, false}, {-ENOMEM, false}};
    (void)state;
    for (unsigned number = 1; number <= 3; number++)
        for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            close_pairs();
            open_ring(8);
            refuse(number, rows[i].error, rows[i].for_now);
            asynchat__ring_free(w.ring);
            w.ring = NULL;
        }
}

static void signals_refuse_nothing(void **state)
{
    (void)state;
    for (unsigned number = 1; number <= 3; number++)
        for (int after = 0; after < 2; after++) {
            close_pairs();
            open_ring(8);
            wrapped.most = 3;
            wrapped.calls = 0;
            wrapped.fail_at = number;
            wrapped.fail_for = 2;
            wrapped.fail_error = -EINTR;
            wrapped.fails_after = after;
            assert_int_equal(run(), 0);
            for (unsigned i = 0; i < 8; i++)
                expect_made(i);
            asynchat__ring_free(w.ring);
            w.ring = NULL;
        }
}

static void *run_elsewhere(void *result)
{
    *(int *)result = run();
    return NULL;
}

/* Linux allows it if IORING_SETUP_SINGLE_ISSUER is not set. */
static void another_thread_may_be_refused(void **state)
{
    for (unsigned refusals = 0; refusals < 2; refusals++) {
        pthread_t thread;
        int result = 1;
        (void)state;
        wrapped.open_refusals = refusals;
        wrapped.open_error = -EINVAL;
        close_pairs();
        open_ring(8);
        assert_int_equal(pthread_create(&thread, NULL, run_elsewhere, &result),
                         0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(
            result, wrapped.flags & IORING_SETUP_SINGLE_ISSUER ? -EEXIST : 0);
        for (unsigned i = 0; i < 8; i++)
            if (result == 0)
                expect_made(i);
            else
                expect_nothing(i);
        asynchat__ring_free(w.ring);
        w.ring = NULL;
    }
}

/* A loop would spin. */
static void refusals_without_end_are_one_for_good(void **state)
{
    int runs = 1;
    (void)state;
    open_ring(6);
    wrapped.fail_at = 1;
    wrapped.fail_for = 1000;
    wrapped.fail_error = -EAGAIN;
    for (; run() == 0; runs++)
        for (unsigned i = 0; i < 6; i++)
            expect_nothing(i);
    assert_int_equal(runs, 16);
    expect_usable(false, -EAGAIN);
}

static void refusals_before_are_forgotten(void **state)
{
    (void)state;
    open_ring(6);
    for (int round = 0; round < 3; round++) {
        wrapped.calls = 0;
        wrapped.fail_at = 1;
        wrapped.fail_for = 15;
        wrapped.fail_error = -EBUSY;
        for (int i = 0; i < 15; i++)
            assert_int_equal(run(), 0);
        expect_usable(true, 0);
    }
}

static void a_run_that_makes_something_is_no_refusal(void **state)
{
    (void)state;
    open_ring(8);
    for (int i = 0; i < 40; i++) {
        close_pairs();
        while (w.count < 8)
            add_pair();
        wrapped.most = 5;
        wrapped.calls = 0;
        wrapped.fail_at = 2;
        wrapped.fail_for = 1;
        wrapped.fail_error = -EAGAIN;
        assert_int_equal(run(), 0);
        expect_made(4);
        expect_nothing(5);
    }
}

/* --- making a ring --- */

/* The first ways of opening are refused. */
static void an_older_kernel_gets_fewer_flags(void **state)
{
    unsigned before = ~0u;
    (void)state;
    open_ring(0);
    for (unsigned refusals = 0; refusals < 3; refusals++) {
        asynchat__ring_free(w.ring);
        close_pairs();
        wrapped.open_refusals = refusals;
        wrapped.open_error = -EINVAL;
        open_ring(8);
        assert_int_not_equal(wrapped.flags, before);
        before = wrapped.flags;
        assert_int_equal(run(), 0);
        for (unsigned i = 0; i < 8; i++)
            expect_made(i);
    }
    assert_int_equal(before, 0);
}

static void expect_no_ring(int error, const char *text)
{
    const char *said;
    assert_int_equal(asynchat__ring_new(&w.ring, &said), error);
    assert_null(w.ring);
    if (text)
        assert_non_null(strstr(said, text));
    else
        assert_null(said);
}

static void a_kernel_may_refuse(void **state)
{
    static const struct {
        int error, code;
        const char *text;
    } rows[] = {{-ENOSYS, -ENOTSUP, "no io_uring"},
                {-EPERM, -ENOTSUP, "forbidden"},
                {-EACCES, -ENOTSUP, "forbidden"},
                {-EINVAL, -ENOTSUP, "too old"},
                {-ENOMEM, -ENOMEM, NULL},
                {-EMFILE, -EMFILE, NULL},
                {-ENFILE, -ENFILE, NULL}};
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wrapped.open_refusals = 100;
        wrapped.open_error = rows[i].error;
        expect_no_ring(rows[i].code, rows[i].text);
        assert_int_equal(100 - wrapped.open_refusals,
                         rows[i].error == -EINVAL ? 3 : 1);
    }
    wrapped.open_refusals = 0;
    wrapped.no_memory = true;
    expect_no_ring(-ENOMEM, NULL);
    wrapped.no_memory = false;
}

static void a_kernel_may_lack_operations(void **state)
{
    (void)state;
    open_ring(0);
    asynchat__ring_free(w.ring);
    w.ring = NULL;
    wrapped.no_probe = true;
    expect_no_ring(-ENOTSUP, "too old");
    wrapped.no_probe = false;
    wrapped.no_operation = IORING_OP_SEND;
    expect_no_ring(-ENOTSUP, "too old");
    wrapped.no_operation = IORING_OP_RECV;
    expect_no_ring(-ENOTSUP, "too old");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(one_system_call_makes_all),
        TEST(completions_may_have_any_order),
        TEST(completions_may_be_short),
        TEST(a_run_waits_for_what_is_put_off),
        TEST(a_run_waits_again),
        TEST(results_are_those_of_plain_calls),
        TEST(all_are_made_even_if_not_at_once),
        TEST(what_is_refused_is_not_made_later),
        TEST(signals_refuse_nothing),
        TEST(another_thread_may_be_refused),
        TEST(refusals_without_end_are_one_for_good),
        TEST(refusals_before_are_forgotten),
        TEST(a_run_that_makes_something_is_no_refusal),
        TEST(an_older_kernel_gets_fewer_flags),
        TEST(a_kernel_may_refuse),
        TEST(a_kernel_may_lack_operations),
    };
    return RUN(tests);
}
