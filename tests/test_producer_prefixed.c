/* Producers of a message with its length in front: a prefix, or a netstring.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "scripted_producer.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <asynchat/framing.h>

static struct asynchat_prefix prefix_of(unsigned bytes)
{
    return (struct asynchat_prefix){.size = sizeof(struct asynchat_prefix),
                                    .bytes = bytes};
}

/* A netstring's wire, with each room. */
static void expect_wire(const char *text, uint64_t len, const char *wire,
                        int error)
{
    struct script script;
    char got[256];
    for (size_t room = 1; room < 40; room++) {
        int answer =
            produce(asynchat_producer_netstring(scripted(&script, text), len),
                    room, got, sizeof got);
        assert_string_equal(got, wire);
        assert_int_equal(answer, error);
        assert_int_equal(script.released, 1);
    }
}

/* --- what is given --- */

static void a_netstring(void **state)
{
    (void)state;
    expect_wire("hello.", 5, "5:hello,", 0);
    expect_wire("hel+lo world+!.", 11, "11:hello world", -EIO);
    expect_wire("hel+lo world.", 11, "11:hello world,", 0);
    expect_wire("a?b?c.", 3, "3:a?b?c,", 0);
}

static void an_empty_netstring(void **state)
{
    (void)state;
    expect_wire(".", 0, "0:,", 0);
    expect_wire("+", 0, "0:,", 0);
    expect_wire("?.", 0, "0:?,", 0);
}

/* A producer that has given all may say so later, with nothing. */
static void the_end_may_come_alone(void **state)
{
    (void)state;
    expect_wire("abc+.", 3, "3:abc,", 0);
    expect_wire("abc++", 3, "3:abc,", 0);
    expect_wire("abc+?.", 3, "3:abc?,", 0);
}

static void less_than_announced_fails(void **state)
{
    (void)state;
    expect_wire("abc.", 4, "4:abc", ASYNCHAT_ETRUNCATED);
    expect_wire(".", 1, "1:", ASYNCHAT_ETRUNCATED);
    expect_wire("abc.", UINT64_MAX, "18446744073709551615:abc",
                ASYNCHAT_ETRUNCATED);
}

/* No byte that is too much goes out. */
static void more_than_announced_fails(void **state)
{
    (void)state;
    expect_wire("abc+d.", 3, "3:abc", -EMSGSIZE);
    expect_wire("abcd.", 3, "3:abc", -EMSGSIZE);
    expect_wire("a.", 0, "0:", -EMSGSIZE);
    expect_wire("ab+cdefgh^.", 3, "3:ab", -EMSGSIZE);
}

/* --- prefixes --- */

static void a_prefix_stands_in_front(void **state)
{
    struct asynchat_prefix p = prefix_of(2);
    struct script script;
    char got[16];
    (void)state;
    p.flags = ASYNCHAT_PREFIX_LITTLE | ASYNCHAT_PREFIX_INCLUSIVE;
    p.offset = 1;
    int error =
        produce(asynchat_producer_prefixed(&p, scripted(&script, "abc."), 3),
                99, got, sizeof got);
    assert_int_equal(error, 0);
    assert_memory_equal(got, "\6\0abc", 6);
}

static void a_prefix_in_a_channel(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_prefix p = prefix_of(1);
    struct script script;
    p.adjustment = -'0';
    assert_int_equal(
        asynchat_push_producer(f->ch, asynchat_producer_prefixed(
                                          &p, scripted(&script, "one+."), 3)),
        0);
    assert_int_equal(asynchat_push(f->ch, "next", 4), 0);
    settle(f);
    expect_got(f, "3onenext");
    assert_int_equal(script.released, 1);
}

/* --- what does not fit --- */

/* A producer that says its length, and is never asked. */
static struct asynchat_producer *too_long(struct script *script)
{
    struct asynchat_prefix p = prefix_of(4);
    return asynchat_producer_prefixed(&p, scripted(script, "never."),
                                      (1ull << 32) + 1);
}

static void expect_refused(struct fixture *f,
                           struct asynchat_producer *producer,
                           const struct script *script, int error)
{
    assert_int_equal(asynchat_push_producer(f->ch, producer), error);
    assert_int_equal(script->asked, 0);
    assert_int_equal(script->released, 1);
}

static void what_does_not_fit_is_refused_and_the_channel_goes_on(void **state)
{
    struct fixture *f = start(state);
    struct script script;
    expect_refused(f, too_long(&script), &script, -EMSGSIZE);
    for (unsigned bytes = 1; bytes < 4; bytes++) {
        struct asynchat_prefix p = prefix_of(bytes);
        expect_refused(f,
                       asynchat_producer_prefixed(&p, scripted(&script, "."),
                                                  1ull << (8 * bytes)),
                       &script, -EMSGSIZE);
    }
    assert_int_equal(asynchat_push(f->ch, "on", 2), 0);
    settle(f);
    expect(f, "");
    expect_got(f, "on");
}

static void it_is_refused_inside_another_producer(void **state)
{
    struct fixture *f = start(state);
    struct script script;
    struct asynchat_producer *parts[] = {asynchat_producer_simple("t", 1, 0),
                                         too_long(&script)};
    expect_refused(f, asynchat_producer_concat(parts, 2), &script, -EMSGSIZE);
    expect_refused(f, asynchat_producer_chunked(too_long(&script)), &script,
                   -EMSGSIZE);
    expect_refused(f, asynchat_producer_netstring(too_long(&script), 9),
                   &script, -EMSGSIZE);
    settle(f);
    expect(f, "");
    expect_got(f, "");
}

static void bad_tables_are_refused(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_prefix p = prefix_of(5);
    struct script script;
    expect_refused(f, asynchat_producer_prefixed(&p, scripted(&script, "."), 0),
                   &script, -EINVAL);
    expect_refused(f,
                   asynchat_producer_prefixed(NULL, scripted(&script, "."), 0),
                   &script, -EINVAL);
}

/* A program's own producer may hold one that can only fail. */
static void it_fails_if_it_is_asked(void **state)
{
    struct script script;
    char got[16];
    (void)state;
    assert_int_equal(produce(too_long(&script), 9, got, sizeof got), -EMSGSIZE);
    assert_string_equal(got, "");
    assert_int_equal(script.asked, 0);
    assert_int_equal(script.released, 1);
}

static void a_failing_producer_ends_the_channel(void **state)
{
    struct fixture *f = start(state);
    struct script script;
    assert_int_equal(
        asynchat_push_producer(
            f->ch, asynchat_producer_netstring(scripted(&script, "ab."), 3)),
        0);
    settle(f);
    expect(f, "error(ETRUNCATED) closed(ETRUNCATED)");
    expect_got(f, "3:ab");
    assert_int_equal(script.released, 1);
}

/* --- files, which a socket may send itself --- */

static int make_file(const void *data, size_t len)
{
    int fd = memfd_create("test_producer_prefixed", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    return fd;
}

static void files_are_sent_in_their_place(void **state)
{
    struct fixture *f = start(state);
    size_t len = 1 << 20;
    char *data = big(len);
    int fd = make_file(data, len);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            asynchat_push_producer(
                f->ch, asynchat_producer_netstring(
                           asynchat_producer_file(dup(fd), 0, len), len)),
            0);
    close(fd);
    settle(f);
    expect(f, "");
    assert_int_equal(f->got_len, 2 * (len + 9));
    for (int i = 0; i < 2; i++) {
        unsigned char *got = f->got + (size_t)i * (len + 9);
        assert_memory_equal(got, "1048576:", 8);
        assert_memory_equal(got + 8, data, len);
        assert_int_equal(got[len + 8], ',');
    }
    free(data);
}

/* A socket may send the file once the head is given, until all is sent. */
static void the_file_can_be_sent_by_the_socket(void **state)
{
    struct asynchat_producer *producer = asynchat_producer_netstring(
        asynchat_producer_file(make_file("abc", 3), 0, 3), 3);
    struct evbuffer *out = evbuffer_new();
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_null(producer->send);
        assert_int_equal(asynchat__producer_more(producer, NULL, out, 1),
                         ASYNCHAT_MORE);
    }
#ifdef __linux__
    assert_non_null(producer->send);
#endif
    assert_int_equal(asynchat__producer_more(producer, NULL, out, 9),
                     ASYNCHAT_MORE);
    assert_null(producer->send);
    evbuffer_free(out);
    asynchat_producer_free(producer);
}

static void a_file_of_another_length_fails(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(
        asynchat_push_producer(
            f->ch,
            asynchat_producer_netstring(
                asynchat_producer_file(make_file("abcdef", 6), 0, 6), 4)),
        0);
    settle(f);
    expect(f, "error(-90) closed(-90)");
    expect_got(f, "4:abcd");
}

static void an_empty_file(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(
        asynchat_push_producer(
            f->ch, asynchat_producer_netstring(
                       asynchat_producer_file(make_file("", 0), 0, 0), 0)),
        0);
    settle(f);
    expect(f, "");
    expect_got(f, "0:,");
}

/* --- memory --- */

static struct asynchat_producer *make_netstring(struct asynchat_producer *inner)
{
    return asynchat_producer_netstring(inner, 3);
}

static struct asynchat_producer *make_prefixed(struct asynchat_producer *inner)
{
    struct asynchat_prefix p = prefix_of(8);
    return asynchat_producer_prefixed(&p, inner, 3);
}

static void lack_of_memory(void **state)
{
    (void)state;
    assert_null(make_netstring(NULL));
    assert_null(make_prefixed(NULL));
    each_allocation_fails(make_netstring, "ab+c.", 4096);
    each_allocation_fails(make_netstring, "ab+c.", 1);
    each_allocation_fails(make_prefixed, "ab+c.", 4096);
}

/* The head is given, and the evbuffer takes no more. */
static void an_evbuffer_that_takes_nothing_is_told(void **state)
{
    struct script script;
    struct evbuffer *out = evbuffer_new();
    (void)state;
    struct asynchat_producer *producer =
        make_netstring(scripted(&script, "abc."));
    assert_int_equal(asynchat__producer_more(producer, NULL, out, 99),
                     ASYNCHAT_MORE);
    size_t head = evbuffer_get_length(out);
    evbuffer_freeze(out, 0);
    assert_int_equal(asynchat__producer_more(producer, NULL, out, 99), -ENOMEM);
    evbuffer_unfreeze(out, 0);
    assert_int_equal(evbuffer_get_length(out), head);
    asynchat_producer_free(producer);
    assert_int_equal(script.released, 1);
    evbuffer_free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_netstring),
        cmocka_unit_test(an_empty_netstring),
        cmocka_unit_test(the_end_may_come_alone),
        cmocka_unit_test(less_than_announced_fails),
        cmocka_unit_test(more_than_announced_fails),
        cmocka_unit_test(a_prefix_stands_in_front),
        OVER_ALL(a_prefix_in_a_channel),
        OVER_ALL(what_does_not_fit_is_refused_and_the_channel_goes_on),
        OVER_ALL(it_is_refused_inside_another_producer),
        OVER(PAIR, bad_tables_are_refused),
        cmocka_unit_test(it_fails_if_it_is_asked),
        OVER_ALL(a_failing_producer_ends_the_channel),
        OVER_ALL(files_are_sent_in_their_place),
        cmocka_unit_test(the_file_can_be_sent_by_the_socket),
        OVER_ALL(a_file_of_another_length_fails),
        OVER_ALL(an_empty_file),
        cmocka_unit_test(lack_of_memory),
        cmocka_unit_test(an_evbuffer_that_takes_nothing_is_told),
    };
    fail_libevent_as_well();
    return RUN(tests);
}
