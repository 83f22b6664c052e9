/* The producer of a file, by sendfile and by pread.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <event2/event.h>

/* --- files --- */

static int make_file(const void *data, size_t len)
{
    int fd = memfd_create("test_producer_file", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    return fd;
}

static void push(struct fixture *f, const char *text)
{
    assert_int_equal(asynchat_push(f->ch, text, strlen(text)), 0);
}

static void push_file(struct fixture *f, int fd, uint64_t offset, uint64_t len)
{
    assert_int_equal(
        asynchat_push_producer(f->ch, asynchat_producer_file(fd, offset, len)),
        0);
}

static void expect_closed(int fd)
{
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

/* --- sent --- */

static void a_file_is_sent_whole(void **state)
{
    struct fixture *f = start(state);
    size_t len = 3 << 20;
    char *data = big(len);
    int fd = make_file(data, len);
    push_file(f, fd, 0, len);
    settle(f);
    assert_int_equal(f->got_len, len);
    assert_memory_equal(f->got, data, len);
    expect(f, "");
    expect_closed(fd);
    free(data);
}

static void a_file_is_sent_from_an_offset_and_in_its_place(void **state)
{
    struct fixture *f = start(state);
    int fd = make_file("0123456789", 10);
    int same = dup(fd);
    assert_int_equal(lseek(fd, 7, SEEK_SET), 7);
    push(f, "<");
    push_file(f, fd, 3, 4);
    push(f, "|");
    push_file(f, dup(same), 9, 1);
    push(f, ">");
    settle(f);
    expect_got(f, "<3456|9>");
    assert_int_equal(lseek(same, 0, SEEK_CUR), 7); /* it did not move */
    expect_closed(fd);
    close(same);
}

/* The offsets need more than 32 bits, and so does the length of the second. */
static void a_file_may_have_more_than_4_gib(void **state)
{
    struct fixture *f = start(state);
    uint64_t border = UINT64_C(1) << 32;
    int fd = make_file("", 0);
    assert_int_equal(pwrite(fd, "before|behind", 13, (off_t)border - 6), 13);
    push_file(f, dup(fd), border - 6, 13);
    settle(f);
    expect_got(f, "before|behind");
    push_file(f, fd, border + 1, border + 3);
    settle(f);
    expect_got(f, "before|behindbehind");
    assert_int_equal(f->status, ASYNCHAT_ETRUNCATED);
}

static void no_bytes_of_a_file_are_nothing(void **state)
{
    struct fixture *f = start(state);
    int fd = make_file("", 0);
    push_file(f, fd, 0, 0);
    push(f, "next");
    settle(f);
    expect(f, "");
    expect_got(f, "next");
    expect_closed(fd);
}

static void a_file_goes_out_in_chunks_of_out_buffer_size(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_set_out_buffer_size(f->ch, 3), 0);
    push_file(f, make_file("0123456789", 10), 0, 10);
    push_file(f, make_file("ab", 2), 0, 2);
    settle(f);
    expect_got(f, "0123456789ab");
}

static void a_file_is_a_part_as_any_other(void **state)
{
    struct fixture *f = start(state);
    int fd = make_file("file", 4), never = make_file("never", 5);
    struct asynchat_producer *parts[4] = {
        asynchat_producer_simple("<", 1, 0), asynchat_producer_file(fd, 0, 4),
        asynchat_producer_file(-1, 0, 1), asynchat_producer_file(never, 0, 5)};
    assert_int_equal(
        asynchat_push_producer(f->ch, asynchat_producer_concat(parts, 4)), 0);
    settle(f);
    expect_got(f, "<file");
    assert_int_equal(f->status, -EBADF);
    expect_closed(fd);
    expect_closed(never);
}

static void a_file_without_sendfile_is_sent_as_well(void **state)
{
    struct fixture *f = start(state);
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    char text[16];
    if (fd < 0 || pread(fd, text, sizeof text, 0) != sizeof text)
        skip();
    push_file(f, fd, 0, sizeof text);
    settle(f);
    expect(f, "");
    assert_int_equal(f->got_len, sizeof text);
    assert_memory_equal(f->got, text, sizeof text);
}

/* --- failed --- */

/* The bytes before the file are sent, then the bytes that the file has, and
 * nothing after them. */
static void expect_failure(void **state, int fd, uint64_t offset, uint64_t len,
                           int error, const char *sent)
{
    struct fixture *f = start(state);
    char events[64] = "error(ETRUNCATED) closed(ETRUNCATED)";
    push(f, "before ");
    push_file(f, fd, offset, len);
    push(f, "never");
    settle(f);
    if (error != ASYNCHAT_ETRUNCATED)
        snprintf(events, sizeof events, "error(%d) closed(%d)", error, error);
    expect(f, events);
    expect_got(f, sent);
    assert_true(f->got_eof);
    expect_closed(fd);
}

static void a_bad_descriptor_is_EBADF(void **state)
{
    expect_failure(state, -1, 0, 1, -EBADF, "before ");
}

static void a_closed_descriptor_is_EBADF(void **state)
{
    expect_failure(state, 1000, 0, 1, -EBADF, "before ");
}

static void a_file_not_open_for_reading_is_EBADF(void **state)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    expect_failure(state, fd, 0, 1, -EBADF, "before ");
}

static void a_pipe_is_ESPIPE(void **state)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    expect_failure(state, fds[0], 0, 1, -ESPIPE, "before ");
    close(fds[1]);
}

static void a_directory_is_EISDIR(void **state)
{
    int fd = open("/", O_RDONLY | O_CLOEXEC);
    expect_failure(state, fd, 0, 1, -EISDIR, "before ");
}

static void an_end_past_2_to_63_is_EINVAL(void **state)
{
    expect_failure(state, make_file("x", 1), 1, INT64_MAX, -EINVAL, "before ");
}

static void an_offset_past_2_to_63_is_EINVAL(void **state)
{
    expect_failure(state, make_file("x", 1), (uint64_t)INT64_MAX + 1, 0,
                   -EINVAL, "before ");
}

static void an_offset_past_the_end_is_ETRUNCATED(void **state)
{
    expect_failure(state, make_file("x", 1), 2, 1, ASYNCHAT_ETRUNCATED,
                   "before ");
}

/* The file is on a disk, where sendfile(2) refuses such an offset. A file in
 * memory has no such limit. */
static void the_last_offset_is_ETRUNCATED(void **state)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    int fd = fcntl(fileno(file), F_DUPFD_CLOEXEC, 0);
    fclose(file);
    expect_failure(state, fd, INT64_MAX - 1, 1, ASYNCHAT_ETRUNCATED, "before ");
}

static void a_file_too_short_is_ETRUNCATED_after_what_there_is(void **state)
{
    expect_failure(state, make_file("0123456789", 10), 2, 9,
                   ASYNCHAT_ETRUNCATED, "before 23456789");
}

static void a_file_that_shrinks_is_ETRUNCATED(void **state)
{
    struct fixture *f = start(state);
    size_t len = 8 << 20, left = 100000;
    char *data = big(len);
    int fd = make_file(data, len);
    push_file(f, fd, 0, len);
    event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK); /* sends a part */
    assert_int_equal(ftruncate(fd, (off_t)left), 0);
    settle(f);
    expect(f, "error(ETRUNCATED) closed(ETRUNCATED)");
    assert_true(f->got_len >= left && f->got_len < len);
    assert_memory_equal(f->got, data, left);
    expect_closed(fd);
    free(data);
}

/* --- dropped --- */

static void a_file_never_sent_is_closed(void **state)
{
    struct fixture *f = start(state);
    int fd = make_file("x", 1);
    asynchat_producer_free(asynchat_producer_file(fd, 0, 1));
    expect_closed(fd);
    fd = make_file("x", 1);
    push_file(f, fd, 0, 1);
    asynchat_discard_buffers(f->ch);
    expect_closed(fd);
    fd = make_file("x", 1);
    push_file(f, fd, 0, 1);
    asynchat_close(f->ch);
    settle(f);
    expect_closed(fd);
    expect_got(f, "");
}

static void a_file_refused_is_closed(void **state)
{
    struct fixture *f = start(state);
    int fd = make_file("x", 1);
    asynchat_close(f->ch);
    assert_int_equal(
        asynchat_push_producer(f->ch, asynchat_producer_file(fd, 0, 1)),
        ASYNCHAT_ECLOSED);
    expect_closed(fd);
}

static void a_file_whose_peer_goes_away_is_closed(void **state)
{
    struct fixture *f = start(state);
    size_t len = 8 << 20;
    char *data = big(len);
    int fd = make_file(data, len);
    push_file(f, fd, 0, len);
    event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    feed_reset(f);
    settle(f);
    assert_null(f->ch);
    expect_closed(fd);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_ALL(a_file_is_sent_whole),
        OVER_ALL(a_file_is_sent_from_an_offset_and_in_its_place),
        OVER_ALL(a_file_may_have_more_than_4_gib),
        OVER_ALL(no_bytes_of_a_file_are_nothing),
        OVER_ALL(a_file_goes_out_in_chunks_of_out_buffer_size),
        OVER_ALL(a_file_is_a_part_as_any_other),
        OVER_ALL(a_file_without_sendfile_is_sent_as_well),
        OVER_ALL(a_bad_descriptor_is_EBADF),
        OVER_ALL(a_closed_descriptor_is_EBADF),
        OVER_ALL(a_file_not_open_for_reading_is_EBADF),
        OVER_ALL(a_pipe_is_ESPIPE),
        OVER_ALL(a_directory_is_EISDIR),
        OVER_ALL(an_end_past_2_to_63_is_EINVAL),
        OVER_ALL(an_offset_past_2_to_63_is_EINVAL),
        OVER_ALL(an_offset_past_the_end_is_ETRUNCATED),
        OVER_ALL(the_last_offset_is_ETRUNCATED),
        OVER_ALL(a_file_too_short_is_ETRUNCATED_after_what_there_is),
        OVER_SOCKETS(a_file_that_shrinks_is_ETRUNCATED),
        OVER(BUFFEREVENT, a_file_that_shrinks_is_ETRUNCATED),
        OVER_ALL(a_file_never_sent_is_closed),
        OVER_ALL(a_file_refused_is_closed),
        OVER_ALL(a_file_whose_peer_goes_away_is_closed),
    };
    return RUN(tests);
}
