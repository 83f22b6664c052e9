/* How often a channel writes in one wake-up. The system calls are replaced:
 * they take everything, like a peer that is always ready, or a part of it.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include <cmocka.h>

#include <asynchat.h>

#define CHUNK ((size_t)65536)

/* --- the system --- */

static unsigned writes; /* the writes since the last look */
static size_t longest;  /* the longest of these writes */
static uint64_t taken;  /* how many bytes were taken in all */
static size_t room;     /* how much of each write is taken */

static ssize_t take(size_t len)
{
    size_t n = len < room ? len : room;
    writes++;
    taken += n;
    longest = len > longest ? len : longest;
    return (ssize_t)n;
}

ssize_t send(int fd, const void *data, size_t len, int flags)
{
    (void)fd;
    (void)data;
    (void)flags;
    return take(len);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    size_t len = 0;
    (void)fd;
    (void)flags;
    for (size_t i = 0; i < message->msg_iovlen; i++)
        len += message->msg_iov[i].iov_len;
    return take(len);
}

ssize_t sendfile(int out, int in, off_t *offset, size_t len)
{
    (void)out;
    (void)in;
    (void)offset;
    return take(len);
}

/* --- the channel --- */

static struct event_base *base;
static struct asynchat_channel *ch;
static int peer;
static char *block;          /* 300 chunks */
static void (*act)(void);    /* called for the next message */
static unsigned in_callback; /* how many writes it made */

static void message(struct asynchat_channel *channel, const void *data,
                    size_t len, void *arg)
{
    unsigned before = writes;
    (void)channel;
    (void)data;
    (void)len;
    (void)arg;
    act();
    in_callback = writes - before;
}

static const struct asynchat_handler handler = {
    .size = sizeof handler,
    .message = message,
};

static int open_channel(void **state)
{
    int fds[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    base = event_base_new();
    block = calloc(300, CHUNK);
    assert_non_null(base);
    assert_non_null(block);
    assert_int_equal(
        asynchat_channel_new_socket(base, fds[0], &handler, NULL, &ch), 0);
    peer = fds[1];
    assert_int_equal(asynchat_set_terminator(ch, "\n", 1), 0);
    event_base_loop(base, EVLOOP_NONBLOCK);
    writes = 0;
    longest = taken = 0;
    room = SIZE_MAX;
    return 0;
}

static int close_channel(void **state)
{
    (void)state;
    asynchat_channel_free(ch);
    event_base_loop(base, EVLOOP_NONBLOCK);
    event_base_free(base);
    close(peer);
    free(block);
    return 0;
}

/* Counts the writes of one pass of the loop. */
static unsigned pass(void)
{
    writes = 0;
    event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    return writes;
}

/* Counts the writes of the pass in whose callback `what` runs. */
static unsigned pass_with(void (*what)(void))
{
    act = what;
    assert_int_equal(write(peer, "x\n", 2), 2);
    return pass();
}

/* Everything queued is sent, with at most `most` writes in each pass. */
static void expect_rest(unsigned most, uint64_t len)
{
    for (int i = 0; i < 1000 && asynchat_get_queued(ch) > 0; i++)
        assert_in_range(pass(), 1, most);
    assert_int_equal(asynchat_get_queued(ch), 0);
    assert_true(taken == len);
    assert_int_equal(pass(), 0);
}

static void push(size_t len)
{
    assert_int_equal(asynchat_push(ch, block, len), 0);
}

/* --- blocks --- */

static void share_ten_lines(void)
{
    struct asynchat_block *line = asynchat_block_new(block, 64);
    for (int i = 0; i < 10; i++)
        assert_int_equal(asynchat_push_shared(ch, line), 0);
    asynchat_block_free(line);
}

static void ten_lines_that_are_shared_leave_in_one_write(void **state)
{
    (void)state;
    assert_int_equal(pass_with(share_ten_lines), 1);
    share_ten_lines();
    assert_int_equal(pass(), 1);
    assert_int_equal(taken, 2 * 640);
}

static void share_16_chunks(void)
{
    struct asynchat_block *shared = asynchat_block_new(block, 16 * CHUNK);
    assert_int_equal(asynchat_push_shared(ch, shared), 0);
    asynchat_block_free(shared);
}

static void a_long_block_has_four_writes(void **state)
{
    (void)state;
    assert_int_equal(pass_with(share_16_chunks), 4);
    assert_int_equal(in_callback, 0);
    assert_int_equal(longest, CHUNK);
    expect_rest(4, 16 * CHUNK);
}

/* A peer that does not take a whole write is not asked again at once. */
static void a_short_write_of_a_block_is_the_last(void **state)
{
    (void)state;
    room = 1000;
    assert_int_equal(pass_with(share_16_chunks), 1);
    room = SIZE_MAX;
    expect_rest(4, 16 * CHUNK);
}

/* --- pushes that begin at once --- */

static void push_300_chunks(void)
{
    push(300 * CHUNK);
}

static void a_long_push_begins_with_sixteen_writes_and_has_then_four(
    void **state)
{
    (void)state;
    assert_int_equal(pass_with(push_300_chunks), 16);
    assert_int_equal(in_callback, 16);
    assert_int_equal(longest, CHUNK);
    expect_rest(4, 300 * CHUNK);
}

static void push_16_chunks(void)
{
    push(16 * CHUNK);
    assert_int_equal(asynchat_get_queued(ch), 0); /* none of it was copied */
}

static void a_push_that_fits_is_sent_from_where_it_lies(void **state)
{
    (void)state;
    assert_int_equal(pass_with(push_16_chunks), 16);
    expect_rest(4, 16 * CHUNK);
}

static void push_some_chunks(void)
{
    push(10);
    push(2 * CHUNK);
    push(50 * CHUNK);
    push(50 * CHUNK);
}

/* The short push takes one write, and the first long push takes two: so two are
 * left. */
static void what_follows_has_what_is_left_of_four(void **state)
{
    (void)state;
    assert_int_equal(pass_with(push_some_chunks), 5 - 1);
    assert_int_equal(in_callback, 3);
    expect_rest(4, 10 + 102 * CHUNK);
}

static void a_push_from_outside_counts_for_the_wake_up_to_come(void **state)
{
    (void)state;
    push(30 * CHUNK);
    assert_int_equal(writes, 16);
    push(30 * CHUNK);
    assert_int_equal(writes, 16);
    assert_int_equal(pass(), 0);
    expect_rest(4, 60 * CHUNK);
}

/* The peer took less than it was given: it is asked again when it is ready. */
static void a_push_that_is_not_taken_waits(void **state)
{
    (void)state;
    room = 1000;
    assert_int_equal(pass_with(push_300_chunks), 1);
    assert_int_equal(pass(), 1);
    room = SIZE_MAX;
    expect_rest(4, 300 * CHUNK);
}

static void a_smaller_size_has_one_write_at_a_time(void **state)
{
    (void)state;
    assert_int_equal(asynchat_set_out_buffer_size(ch, CHUNK - 1), 0);
    assert_int_equal(pass_with(push_300_chunks), 1);
    assert_int_equal(in_callback, 0);
    expect_rest(1, 300 * CHUNK);
}

/* --- what is sent at the end of a wake-up --- */

static void push_references(void)
{
    for (int i = 0; i < 30; i++)
        assert_int_equal(
            asynchat_push_reference(ch, block, 10 * CHUNK, NULL, NULL), 0);
}

static void references_have_four_writes(void **state)
{
    (void)state;
    assert_int_equal(pass_with(push_references), 4);
    expect_rest(4, 300 * CHUNK);
}

/* A header and a file, again and again, as for requests that come together. */
static void push_files(void)
{
    for (int i = 0; i < 10; i++) {
        int fd = memfd_create("test_writes", MFD_CLOEXEC);
        assert_true(fd >= 0);
        push(100);
        assert_int_equal(
            asynchat_push_producer(
                ch, asynchat_producer_file(fd, 0, 2 * (uint64_t)CHUNK)),
            0);
    }
}

static void a_file_and_what_is_before_it_have_four_in_all(void **state)
{
    (void)state;
    assert_int_equal(pass_with(push_files), 4);
    expect_rest(4, 10 * (100 + 2 * CHUNK));
}

static void with_a_smaller_size_they_have_one(void **state)
{
    (void)state;
    assert_int_equal(asynchat_set_out_buffer_size(ch, 10000), 0);
    assert_int_equal(pass_with(push_files), 1);
    expect_rest(1, 10 * (100 + 2 * CHUNK));
}

/* Four of them could not be counted in 32 bits. */
static void the_largest_size_has_one_write_at_a_time(void **state)
{
    (void)state;
    assert_int_equal(asynchat_set_out_buffer_size(ch, ASYNCHAT_BUFFER_SIZE_MAX),
                     0);
    assert_int_equal(asynchat_set_output_limit(ch, SIZE_MAX), 0);
    assert_int_equal(pass_with(push_300_chunks), 1);
    assert_int_equal(in_callback, 1);
    expect_rest(0, 300 * CHUNK);
    assert_int_equal(
        asynchat_push_producer(
            ch, asynchat_producer_file(memfd_create("test_writes", MFD_CLOEXEC),
                                       0, UINT64_C(5) << 30)),
        0);
    expect_rest(1, 300 * CHUNK + (UINT64_C(5) << 30));
}

#define ROW(test)                                                              \
    cmocka_unit_test_setup_teardown(test, open_channel, close_channel)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(ten_lines_that_are_shared_leave_in_one_write),
        ROW(a_long_block_has_four_writes),
        ROW(a_short_write_of_a_block_is_the_last),
        ROW(a_long_push_begins_with_sixteen_writes_and_has_then_four),
        ROW(a_push_that_fits_is_sent_from_where_it_lies),
        ROW(what_follows_has_what_is_left_of_four),
        ROW(a_push_from_outside_counts_for_the_wake_up_to_come),
        ROW(a_push_that_is_not_taken_waits),
        ROW(a_smaller_size_has_one_write_at_a_time),
        ROW(references_have_four_writes),
        ROW(a_file_and_what_is_before_it_have_four_in_all),
        ROW(with_a_smaller_size_they_have_one),
        ROW(the_largest_size_has_one_write_at_a_time),
    };
    return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
