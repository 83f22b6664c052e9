/* The producer of a body in chunks.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "scripted_producer.h"

/* With any room: the wire is the same if all of the script fits, and a body in
 * more chunks if not. */
static void expect_wire(const char *text, const char *wire, int error)
{
    struct script script;
    char got[512];
    for (size_t room = 64; room < 65536; room *= 31) {
        int answer = produce(asynchat_producer_chunked(scripted(&script, text)),
                             room, got, sizeof got);
        assert_string_equal(got, wire);
        assert_int_equal(answer, error);
        assert_int_equal(script.released, 1);
    }
}

static void each_piece_is_a_chunk(void **state)
{
    (void)state;
    expect_wire("hello+ world.", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", 0);
    expect_wire("0123456789abcdefg.", "11\r\n0123456789abcdefg\r\n0\r\n\r\n",
                0);
}

static void an_empty_body_is_the_end_mark(void **state)
{
    (void)state;
    expect_wire(".", "0\r\n\r\n", 0);
    expect_wire("+", "0\r\n\r\n", 0); /* as in Python */
}

static void empty_pieces_are_no_chunks(void **state)
{
    (void)state;
    expect_wire("?a+??b+.", "?1\r\na\r\n??1\r\nb\r\n0\r\n\r\n", 0);
    expect_wire("a?.", "1\r\na\r\n?0\r\n\r\n", 0);
    expect_wire("a??b.", "1\r\na\r\n??1\r\nb\r\n0\r\n\r\n", 0);
}

static void after_an_error_there_is_no_end_mark(void **state)
{
    (void)state;
    expect_wire("!", "", -EIO);
    expect_wire("a+b!", "1\r\na\r\n1\r\nb\r\n", -EIO);
}

/* --- small rooms --- */

/* Reads chunks. Answers the length of the body, or -1: they are not right. */
static long unchunk(const char *wire, char *body)
{
    long len = 0;
    for (;;) {
        char *end;
        long n = strtol(wire, &end, 16);
        if (end == wire || memcmp(end, "\r\n", 2) != 0)
            return -1;
        wire = end + 2;
        if (n == 0)
            return strcmp(wire, "\r\n") == 0 ? len : -1;
        memcpy(body + len, wire, (size_t)n);
        if (memcmp(wire + n, "\r\n", 2) != 0)
            return -1;
        len += n;
        wire += n + 2;
    }
}

static void any_room_gives_the_body(void **state)
{
    struct script script;
    char got[1024], body[128];
    (void)state;
    for (size_t room = 1; room < 80; room++) {
        int error = produce(asynchat_producer_chunked(scripted(
                                &script, "abcdefghijklmnopqrstuvwxyz+0123456789"
                                         "+ABCDEFGHIJKLMNOPQRSTUVWXYZ.")),
                            room, got, sizeof got);
        assert_int_equal(error, 0);
        assert_int_equal(unchunk(got, body), 62);
        assert_memory_equal(body,
                            "abcdefghijklmnopqrstuvwxyz0123456789"
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                            62);
    }
}

/* A chunk has no more bytes than fit, with its marks, into the room. */
static void a_chunk_fits_into_the_room(void **state)
{
    struct script script;
    char got[256];
    (void)state;
    int error = produce(asynchat_producer_chunked(scripted(
                            &script, "01234567890123456789012345678901234567890"
                                     "12301234567890+.")),
                        64, got, sizeof got);
    assert_int_equal(error, 0);
    assert_string_equal(got,
                        "2c\r\n01234567890123456789012345678901234567890123\r\n"
                        "b\r\n01234567890\r\n0\r\n\r\n");
}

static void an_error_in_a_small_room_is_told_at_once(void **state)
{
    struct script script;
    char got[16];
    (void)state;
    int error = produce(asynchat_producer_chunked(scripted(&script, "a!")), 3,
                        got, sizeof got);
    assert_int_equal(error, -EIO);
    assert_string_equal(got, "1\r\n");
    assert_int_equal(script.asked, 1);
}

/* A producer that gives more than there is room for does harm to nobody. */
static void too_much_at_once_is_one_chunk(void **state)
{
    struct script script;
    char got[256];
    (void)state;
    int error =
        produce(asynchat_producer_chunked(scripted(
                    &script, "0123456789012345678901234567890123456789^x.")),
                3, got, sizeof got);
    assert_int_equal(error, 0);
    assert_string_equal(got,
                        "28\r\n0123456789012345678901234567890123456789\r\n"
                        "1\r\nx\r\n0\r\n\r\n");
}

/* What had no room yet goes first. Then the producer is asked again: it may
 * have been resumed in between. */
static void later_in_a_small_room_is_asked_again(void **state)
{
    struct script script;
    char got[64];
    (void)state;
    int error = produce(asynchat_producer_chunked(scripted(&script, "a??b.")),
                        2, got, sizeof got);
    assert_int_equal(error, 0);
    assert_string_equal(got, "1\r\na\r\n?1\r\nb\r\n0\r\n\r\n");
}

/* --- in a channel --- */

static void later_waits_for_resume(void **state)
{
    struct fixture *f = start(state);
    struct script script;
    assert_int_equal(
        asynchat_push_producer(
            f->ch, asynchat_producer_chunked(scripted(&script, "one??two."))),
        0);
    assert_int_equal(asynchat_push(f->ch, "next", 4), 0);
    settle(f);
    expect_got(f, "3\r\none\r\n");
    assert_int_equal(script.asked, 1);
    asynchat_resume_producer(f->ch);
    settle(f);
    assert_int_equal(script.asked, 2);
    asynchat_resume_producer(f->ch);
    settle(f);
    expect_got(f, "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\nnext");
    assert_int_equal(script.released, 1);
}

static void the_peer_of_a_failing_producer_gets_no_end_mark(void **state)
{
    struct fixture *f = start(state);
    struct script script;
    assert_int_equal(
        asynchat_push_producer(
            f->ch, asynchat_producer_chunked(scripted(&script, "one+!"))),
        0);
    settle(f);
    expect(f, "error(-5) closed(-5)");
    expect_got(f, "3\r\none\r\n");
    assert_true(f->got_eof);
    assert_int_equal(script.released, 1);
}

static void dropped_before_it_is_asked(void **state)
{
    struct fixture *f = start(state);
    struct script script;
    assert_int_equal(asynchat_push_producer(f->ch, asynchat_producer_chunked(
                                                       scripted(&script, "."))),
                     0);
    asynchat_discard_buffers(f->ch);
    settle(f);
    expect_got(f, "");
    assert_int_equal(script.asked, 0);
    assert_int_equal(script.released, 1);
}

/* --- memory --- */

static void lack_of_memory(void **state)
{
    (void)state;
    assert_null(asynchat_producer_chunked(NULL));
    each_allocation_fails(asynchat_producer_chunked, "ab+c.", 4096);
    each_allocation_fails(asynchat_producer_chunked, "ab+c.", 3);
    each_allocation_fails(asynchat_producer_chunked, "ab+.", 4096);
}

/* Pieces that leave no room, or little, behind them in libevent's memory: the
 * line end of the chunk needs memory of its own. */
static void lack_of_memory_behind_a_full_piece(void **state)
{
    char text[600];
    (void)state;
    for (size_t len = 456; len <= 470; len++) {
        memset(text, 'x', len);
        memcpy(text + len, "+a.", 4);
        each_allocation_fails(asynchat_producer_chunked, text, 4096);
    }
}

static void an_evbuffer_that_takes_nothing_is_told(void **state)
{
    struct script script;
    struct evbuffer *out = evbuffer_new();
    (void)state;
    struct asynchat_producer *producer =
        asynchat_producer_chunked(scripted(&script, "ab."));
    evbuffer_freeze(out, 0);
    assert_int_equal(asynchat__producer_more(producer, NULL, out, 99), -ENOMEM);
    evbuffer_unfreeze(out, 0);
    assert_int_equal(evbuffer_get_length(out), 0);
    asynchat_producer_free(producer);
    assert_int_equal(script.released, 1);
    evbuffer_free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_piece_is_a_chunk),
        cmocka_unit_test(an_empty_body_is_the_end_mark),
        cmocka_unit_test(empty_pieces_are_no_chunks),
        cmocka_unit_test(after_an_error_there_is_no_end_mark),
        cmocka_unit_test(any_room_gives_the_body),
        cmocka_unit_test(a_chunk_fits_into_the_room),
        cmocka_unit_test(an_error_in_a_small_room_is_told_at_once),
        cmocka_unit_test(too_much_at_once_is_one_chunk),
        cmocka_unit_test(later_in_a_small_room_is_asked_again),
        OVER_ALL(later_waits_for_resume),
        OVER_ALL(the_peer_of_a_failing_producer_gets_no_end_mark),
        OVER_ALL(dropped_before_it_is_asked),
        cmocka_unit_test(lack_of_memory),
        cmocka_unit_test(lack_of_memory_behind_a_full_piece),
        cmocka_unit_test(an_evbuffer_that_takes_nothing_is_told),
    };
    fail_libevent_as_well();
    return RUN(tests);
}
