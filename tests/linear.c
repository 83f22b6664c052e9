/* The work is linear in bytes, in lines, and in the bytes of terminators that
 * are set, however the input is cut, and for hostile input. Four times the
 * input takes four times the basic blocks, which are counted exactly.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include <cmocka.h>

#include <asynchat.h>

/* Called at each basic block of the library. */
void __sanitizer_cov_trace_pc(void);

static unsigned long long blocks;

void __sanitizer_cov_trace_pc(void)
{
    blocks++;
}

static size_t collected, found;
static const char *next[2]; /* terminators to be set, in turns, with each piece;
                               NULL: none */

static void set_next(struct asynchat_channel *ch)
{
    const char *set = next[0];
    next[0] = next[1];
    next[1] = set;
    assert_int_equal(asynchat_set_terminator(ch, set, strlen(set)), 0);
}

static void collect(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    (void)data;
    (void)arg;
    collected += len;
    if (next[0])
        set_next(ch);
}

static void count_found(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
    found++;
}

static const struct asynchat_handler counter = {
    .size = sizeof counter,
    .collect_incoming_data = collect,
    .found_terminator = count_found,
};

static void count_message(struct asynchat_channel *ch, const void *data,
                          size_t len, void *arg)
{
    (void)ch;
    (void)data;
    (void)arg;
    collected += len;
    found++;
}

static const struct asynchat_handler whole_counter = {
    .size = sizeof whole_counter,
    .message = count_message,
};

struct stream {
    const struct asynchat_handler *handler;
    const char *terminator;
    const char *pattern; /* repeated to make the stream */
    size_t piece;        /* bytes fed at a time; 0: all at once */
};

/* In place of the terminator; or NULL. */
static struct asynchat_framing *(*make)(void);

static char *repeat(const char *pattern, size_t len)
{
    char *data = malloc(len);
    size_t n = strlen(pattern);
    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = pattern[i % n];
    return data;
}

/* Counts the blocks that are run to deliver `len` bytes of a stream. */
static unsigned long long cost(const struct stream *s, size_t len)
{
    struct event_base *base = event_base_new();
    const struct asynchat_handler *handlers[2] = {s->handler, &counter};
    struct asynchat_channel *pair[2];
    char *data = repeat(s->pattern, len);
    size_t piece = s->piece ? s->piece : len;
    assert_int_equal(asynchat_pair_new(base, handlers, NULL, pair), 0);
    asynchat_set_in_buffer_size(pair[0], ASYNCHAT_BUFFER_SIZE_MAX);
    asynchat_set_out_buffer_size(pair[1], ASYNCHAT_BUFFER_SIZE_MAX);
    asynchat_set_message_limit(pair[0], SIZE_MAX);
    if (make)
        assert_int_equal(asynchat_set_framing(pair[0], make()), 0);
    else
        asynchat_set_terminator(pair[0], s->terminator, strlen(s->terminator));
    event_base_loop(base, EVLOOP_NONBLOCK);

    blocks = collected = found = 0;
    for (size_t at = 0; at < len; at += piece) {
        asynchat_push(pair[1], data + at, len - at < piece ? len - at : piece);
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
    unsigned long long result = blocks;
    asynchat_channel_free(pair[0]);
    asynchat_channel_free(pair[1]);
    event_base_loop(base, EVLOOP_NONBLOCK);
    event_base_free(base);
    free(data);
    return result;
}

/* With the same terminator set, or two in turns, whenever something is
 * collected. */
static unsigned long long cost_with_sets(const struct stream *s, size_t len,
                                         const char *other)
{
    next[0] = other;
    next[1] = s->terminator;
    unsigned long long result = cost(s, len);
    next[0] = next[1] = NULL;
    return result;
}

static const char *shown(const char *pattern)
{
    static char text[40];
    size_t n = 0;
    for (; pattern[n] != '\0' && n + 1 < sizeof text; n++)
        text[n] = pattern[n];
    text[n] = '\0';
    for (size_t i = 0; i < n; i++)
        if (text[i] < ' ')
            text[i] = text[i] == '\r' ? '<' : text[i] == '\n' ? '>' : '?';
    return text;
}

static void expect_linear(const struct stream *s, size_t len)
{
    unsigned long long one = cost(s, len), four = cost(s, 4 * len);
    print_message("%4.1f blocks/byte, four times the input: %.4f  (%s)\n",
                  (double)one / (double)len, (double)four / (double)one,
                  shown(s->pattern));
    assert_true(one > 0);
    assert_true(four * 100 <= one * 410);
    assert_true(collected > 0 || found > 0);
}

static const char boundary[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";

static void many_short_lines_in_one_read(void **state)
{
    (void)state;
    expect_linear(&(struct stream){&counter, "\n", "x\n", 0}, 1 << 18);
    expect_linear(&(struct stream){&counter, "\r\n", "\r\n", 0}, 1 << 18);
    expect_linear(&(struct stream){&whole_counter, "\n", "x\n", 0}, 1 << 18);
}

static void the_beginning_of_the_terminator_again_and_again(void **state)
{
    (void)state;
    expect_linear(&(struct stream){&counter, "\r\n", "\r", 0}, 1 << 16);
    expect_linear(&(struct stream){&counter, boundary, "a", 0}, 1 << 16);
    expect_linear(&(struct stream){&counter, "\r\n", "\n", 0}, 1 << 18);
    expect_linear(&(struct stream){&counter, boundary, "aaaaaaaac", 0},
                  1 << 18);
}

static void byte_by_byte(void **state)
{
    (void)state;
    expect_linear(&(struct stream){&counter, "\r\n", "\r", 1}, 1 << 13);
    expect_linear(&(struct stream){&counter, boundary, "a", 1}, 1 << 13);
    expect_linear(&(struct stream){&counter, "\r\n", "x", 1}, 1 << 13);
    expect_linear(&(struct stream){&whole_counter, "\r\n", "abc\r\n", 1},
                  1 << 13);
}

static void a_long_message_in_pieces(void **state)
{
    (void)state;
    expect_linear(&(struct stream){&counter, "\r\n", "x", 1000}, 1 << 20);
    expect_linear(&(struct stream){&counter, boundary, "a", 7}, 1 << 15);
}

/* Returns a run of `len` equal bytes, followed by a "b". */
static char *run_of(char byte, size_t len)
{
    char *text = malloc(len + 2);
    assert_non_null(text);
    memset(text, byte, len);
    strcpy(text + len, "b");
    return text;
}

/* Bytes that are held back are not matched again, however many there are. */
static void the_same_terminator_set_again_and_again_is_no_work(void **state)
{
    char *short_one = run_of('a', 1000), *long_one = run_of('a', 100000);
    const struct stream brief = {&counter, short_one, "a", 100};
    const struct stream vast = {&counter, long_one, "a", 100};
    (void)state;
    unsigned long long one = cost_with_sets(&brief, 1 << 18, short_one);
    unsigned long long hundred = cost_with_sets(&vast, 1 << 18, long_one);
    unsigned long long four = cost_with_sets(&vast, 1 << 20, long_one);
    print_message("terminators of 1000 and 100000 bytes, set again for each "
                  "100 bytes: %.1f and %.1f blocks/byte\n",
                  (double)one / (1 << 18), (double)hundred / (1 << 18));
    assert_true(hundred <= one + one / 10);
    assert_true(four * 100 <=
                hundred * 450); /* at first nothing is collected */
    free(short_one);
    free(long_one);
}

/* A different terminator is matched again, beginning with the bytes held back:
 * each set costs no more than the lengths of both terminators. */
static void terminators_set_in_turns_cost_their_lengths(void **state)
{
    char *a = run_of('a', 500), *c = run_of('a', 501);
    const struct stream s = {&counter, a, "a", 100};
    (void)state;
    unsigned long long one = cost_with_sets(&s, 1 << 17, c);
    unsigned long long four = cost_with_sets(&s, 1 << 19, c);
    unsigned long long sets = (1 << 17) / 100;
    print_message("two terminators of 500 bytes in turns: %.1f blocks for each "
                  "byte of them\n",
                  (double)one / (double)(sets * 500));
    assert_true(four * 100 <= one * 410);
    assert_true(one <= sets * 500 * 100);
    free(a);
    free(c);
}

/* The search finds where the terminator can begin next. It looks for two bytes
 * only with AVX2; otherwise it knows only the first byte. */
static void a_match_that_falls_back_again_and_again_is_given_up(void **state)
{
    const struct stream falls = {&counter, boundary, "a", 20000};
    const struct stream none = {&counter, boundary, "x", 20000};
    (void)state;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        assert_true(cost(&falls, 1 << 18) < 10 * cost(&none, 1 << 18));
        return;
    }
#endif
    (void)falls;
    (void)none;
    skip();
}

static void a_long_message_is_kept_for_little_more_than_its_pieces(void **state)
{
    const struct stream whole = {&whole_counter, "\n", "x", 1000};
    const struct stream pieces = {&counter, "\n", "x", 1000};
    (void)state;
    assert_true(2 * cost(&whole, 1 << 20) < 3 * cost(&pieces, 1 << 20));
}

/* --- framings --- */

static void count_dropped(struct asynchat_channel *ch, const void *data,
                          size_t len, uint64_t total, void *arg)
{
    (void)ch;
    (void)data;
    (void)len;
    (void)total;
    (void)arg;
    found++;
}

static const struct asynchat_handler goes_on = {
    .size = sizeof goes_on,
    .collect_incoming_data = collect,
    .found_terminator = count_found,
    .message_dropped = count_dropped};

static struct asynchat_framing *lines(void)
{
    return asynchat_framing_lines(0);
}

static struct asynchat_framing *strict(void)
{
    return asynchat_framing_lines(ASYNCHAT_LINES_STRICT);
}

static struct asynchat_framing *dotted(void)
{
    return asynchat_framing_dotted(0);
}

static struct asynchat_framing *strictly_dotted(void)
{
    return asynchat_framing_dotted(ASYNCHAT_DOTTED_STRICT);
}

static struct asynchat_framing *alternatives(void)
{
    static const struct asynchat_bytes list[] = {
        {boundary, sizeof boundary - 1},
        {"aaaaaac", 7},
        {"\r\n", 2},
        {"bb", 2}};
    return asynchat_framing_alternatives(list, 4);
}

static struct asynchat_framing *prefix(void)
{
    static const struct asynchat_prefix p = {.size = sizeof p, .bytes = 1};
    return asynchat_framing_prefix(&p);
}

static struct asynchat_framing *varint(void)
{
    return asynchat_framing_varint(0, 0);
}

/* Wants to see 32 bytes, and knows of no message. */
static int look(const void *bytes, size_t len, struct asynchat_head *head,
                void *arg)
{
    (void)bytes;
    (void)arg;
    head->skip = 1;
    if (len < 32)
        return ASYNCHAT_HEAD_MORE;
    found++;
    return ASYNCHAT_HEAD_SKIP;
}

static struct asynchat_framing *function(void)
{
    return asynchat_framing_function(look, 32, NULL);
}

/* What is held back, dropped or passed over again and again. */
static void framings_are_linear(void **state)
{
    static const struct {
        struct asynchat_framing *(*make)(void);
        const char *pattern;
    } rows[] = {{lines, "x\r\n"},
                {lines, "\n"},
                {lines, "\r"},
                {strict, "x\r\n"},
                {strict, "\n\n\n\r\n"},
                {strict, "\r\r\n"},
                {dotted, "..a\r\n"},
                {dotted, "\r\n.\r"},
                {dotted, "."},
                {dotted, "a\r\n.\r\n"},
                {strictly_dotted, "a\n."},
                {alternatives, "a"},
                {alternatives, "aaaaaad"},
                {alternatives, "b"},
                {prefix, "\3abc"},
                {prefix, "\1"},
                {varint, "\3abc"},
                {varint, "\201\200\200\1"},
                {function, "a"},
                {asynchat_framing_netstring, "3:abc,"}};
    static const size_t pieces[] = {0, 1, 7};
    (void)state;
    for (size_t i = 0; i < 3 * sizeof rows / sizeof rows[0]; i++) {
        const struct stream s = {&goes_on, NULL, rows[i / 3].pattern,
                                 pieces[i % 3]};
        make = rows[i / 3].make;
        expect_linear(&s, s.piece ? 1 << 13 : 1 << 16);
    }
    make = NULL;
}

/* A message that does not end, in pieces, and kept to be given whole. */
static void a_long_message_in_each_framing(void **state)
{
    struct asynchat_framing *(*const makes[])(void) = {
        lines, strict, dotted, strictly_dotted, alternatives};
    (void)state;
    for (size_t i = 0; i < sizeof makes / sizeof makes[0]; i++) {
        const struct stream whole = {&whole_counter, NULL, "x", 1000};
        const struct stream pieces = {&counter, NULL, "x", 1000};
        make = makes[i];
        expect_linear(&pieces, 1 << 20);
        assert_true(2 * cost(&whole, 1 << 20) < 3 * cost(&pieces, 1 << 20));
    }
    make = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_short_lines_in_one_read),
        cmocka_unit_test(the_beginning_of_the_terminator_again_and_again),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(a_long_message_in_pieces),
        cmocka_unit_test(the_same_terminator_set_again_and_again_is_no_work),
        cmocka_unit_test(terminators_set_in_turns_cost_their_lengths),
        cmocka_unit_test(a_match_that_falls_back_again_and_again_is_given_up),
        cmocka_unit_test(
            a_long_message_is_kept_for_little_more_than_its_pieces),
        cmocka_unit_test(framings_are_linear),
        cmocka_unit_test(a_long_message_in_each_framing),
    };
    return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
