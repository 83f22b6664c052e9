/* Work to be counted by valgrind: the code inside counted_*() is one scenario.
 *
 * usage: count SCENARIO
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include <asynchat.h>

#include "counts/count.h"
#include "match_step.h"

static size_t fed = 4096; /* bytes given to the matcher at a time */

size_t found;
static size_t collected;

/* --- what is counted --- */

void counted_match(struct match *m, const uint8_t *data, size_t len);

static void feed(struct match *m, const uint8_t *piece, size_t len)
{
    while (len > 0) {
        struct match_step step = match_step(m, piece, len);
        bool complete = match_found(m, step);
        m->held = complete ? 0 : (uint32_t)step.matched;
        found += complete;
        piece += step.used;
        len -= step.used;
    }
}

__attribute__((noinline)) void counted_match(struct match *m,
                                             const uint8_t *data, size_t len)
{
    for (size_t at = 0; at < len; at += fed)
        feed(m, data + at, len - at < fed ? len - at : fed);
}

__attribute__((noinline)) void counted_loop(struct event_base *base)
{
    event_base_loop(base, EVLOOP_NONBLOCK);
}

/* --- the matcher --- */

void expect(int truth, const char *what)
{
    if (truth)
        return;
    fprintf(stderr, "count: %s\n", what);
    exit(1);
}

static void match_run(const char *terminator, const char *pattern, size_t unit,
                      size_t messages)
{
    struct needles recent = {0};
    struct match m = {0};
    uint8_t *data = malloc(MIB);
    size_t n = strlen(pattern);
    for (size_t i = 0; i < MIB; i++)
        data[i] = i % unit < unit - n ? 'x' : pattern[n - unit + i % unit];
    asynchat__match_set(&m, &recent, ASYNCHAT_STRING, terminator,
                        strlen(terminator));
    counted_match(&m, data, MIB);
    expect(found == messages, "a wrong number of messages");
    asynchat__needle_release(m.needle);
    asynchat__needles_free(&recent);
    free(data);
}

static void match_lines_32(void)
{
    match_run("\r\n", "\r\n", 32, MIB / 32);
}

static void match_lines_4096(void)
{
    match_run("\r\n", "\r\n", 4096, MIB / 4096);
}

static void match_single_bytes(void)
{
    fed = 1;
    match_run("\r\n", "\r\n", 32, MIB / 32);
}

static void match_run_of_cr(void)
{
    match_run("\r\n", "\r", 1, 0);
}

static void match_run_of_a(void)
{
    match_run("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "a", 1, 0);
}

static void match_boundary(void)
{
    match_run("\r\n------------------------5f1d2a0c7b9e", "\r\n--", 78, 0);
}

/* --- channels --- */

static void collect(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    (void)ch;
    (void)data;
    (void)arg;
    collected += len;
}

static void count_found(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
    found++;
}

static void count_message(struct asynchat_channel *ch, const void *data,
                          size_t len, void *arg)
{
    collect(ch, data, len, arg);
    found++;
}

/* As in RESP: a line, then a number of bytes, and a line again. */
static void count_and_change(struct asynchat_channel *ch, const void *data,
                             size_t len, void *arg)
{
    count_message(ch, data, len, arg);
    if (found % 2 == 1)
        asynchat_set_terminator_length(ch, len + 1);
    else
        asynchat_set_terminator(ch, "\n", 1);
}

static void echo_piece(struct asynchat_channel *ch, const void *data,
                       size_t len, void *arg)
{
    (void)arg;
    asynchat_push(ch, data, len);
}

static void echo_end(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    found++;
    asynchat_push(ch, "\r\n", 2);
}

static const struct asynchat_handler streaming = {
    .size = sizeof streaming,
    .collect_incoming_data = collect,
    .found_terminator = count_found,
};

static const struct asynchat_handler whole = {
    .size = sizeof whole,
    .message = count_message,
};

static const struct asynchat_handler changing = {
    .size = sizeof changing,
    .message = count_and_change,
};

static const struct asynchat_handler echo = {
    .size = sizeof echo,
    .collect_incoming_data = echo_piece,
    .found_terminator = echo_end,
};

void pair_begin(struct pair *pair, const struct asynchat_handler *handler,
                size_t piece)
{
    const struct asynchat_handler *handlers[2] = {handler, &whole};
    pair->base = event_base_new();
    expect(asynchat_pair_new(pair->base, handlers, NULL, pair->ch) == 0,
           "no pair");
    asynchat_set_in_buffer_size(pair->ch[0], piece);
    asynchat_set_out_buffer_size(pair->ch[1], ASYNCHAT_BUFFER_SIZE_MAX);
    event_base_loop(pair->base, EVLOOP_NONBLOCK);
}

void pair_end(struct pair *pair)
{
    asynchat_channel_free(pair->ch[0]);
    asynchat_channel_free(pair->ch[1]);
    event_base_loop(pair->base, EVLOOP_NONBLOCK);
    event_base_free(pair->base);
}

/* `len` bytes of lines in one read over a pair, of which the channel takes
 * `piece` bytes at a time. */
static void pair_run(const struct asynchat_handler *handler, size_t len,
                     size_t line, size_t piece)
{
    struct pair pair;
    char *data = malloc(len);
    memset(data, 'x', len);
    for (size_t end = line; end <= len; end += line)
        data[end - 1] = '\n';
    pair_begin(&pair, handler, piece);
    asynchat_set_terminator(pair.ch[0], "\n", 1);
    asynchat_push(pair.ch[1], data, len);
    counted_loop(pair.base);
    expect(found == len / line, "a wrong number of lines");
    pair_end(&pair);
    free(data);
}

static void pair_lines_2_in_1_mib(void)
{
    pair_run(&streaming, MIB, 2, ASYNCHAT_BUFFER_SIZE_MAX);
}

static void pair_lines_and_lengths_8(void)
{
    pair_run(&changing, MIB, 8, ASYNCHAT_BUFFER_SIZE_MAX);
}

static void pair_lines_2_in_4_mib(void)
{
    pair_run(&streaming, 4 * MIB, 2, ASYNCHAT_BUFFER_SIZE_MAX);
}

static void pair_lines_32(void)
{
    pair_run(&streaming, MIB, 32, ASYNCHAT_BUFFER_SIZE_MAX);
}

static void pair_lines_32_whole(void)
{
    pair_run(&whole, MIB, 32, ASYNCHAT_BUFFER_SIZE_MAX);
}

static void pair_lines_32_by_bytes(void)
{
    pair_run(&streaming, MIB, 32, 1);
}

/* Sets every limit, but no limit is reached and no time runs out. The times
 * differ, as in a real server. */
static void set_all_limits(struct asynchat_channel *ch)
{
    static const struct asynchat_timeouts times = {
        .size = sizeof times,
        .idle = 600000,
        .read_idle = 600000,
        .write_idle = 400000,
        .message = 300000,
        .min_rate = 1,
        .rate_time = 200000,
    };
    expect(asynchat_set_timeouts(ch, &times) == 0, "no timeouts");
    expect(asynchat_set_linger(ch, 600000) == 0, "no linger");
    expect(asynchat_set_message_limit(ch, 1000) == 0, "no message limit");
    expect(asynchat_set_message_budget(ch, 64) == 0, "no budget");
    expect(asynchat_set_output_marks(ch, 1000, 2000) == 0, "no marks");
    expect(asynchat_set_output_limit(ch, 4000) == 0, "no output limit");
    expect(asynchat_join(ch, ch) == 0, "no pressure on itself");
}

/* Lines of 32 bytes over a socket, `in_flight` of them in each of 1000 reads,
 * and echoed. */
static void socket_run(size_t in_flight, bool limited)
{
    char lines[16 * 32], answer[sizeof lines];
    struct event_base *base = event_base_new();
    struct asynchat_channel *ch;
    int fds[2];
    memset(lines, 'x', sizeof lines);
    for (size_t end = 32; end <= sizeof lines; end += 32)
        memcpy(lines + end - 2, "\r\n", 2);
    expect(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0, "no socketpair");
    expect(asynchat_channel_new_socket(base, fds[0], &echo, NULL, &ch) == 0,
           "no channel");
    asynchat_set_terminator(ch, "\r\n", 2);
    if (limited)
        set_all_limits(ch);
    event_base_loop(base, EVLOOP_NONBLOCK);
    for (int i = 0; i < 1000; i++) {
        ssize_t len = (ssize_t)in_flight * 32;
        expect(write(fds[1], lines, (size_t)len) == len, "no write");
        counted_loop(base);
        expect(read(fds[1], answer, sizeof answer) == len, "no answer");
        expect(memcmp(answer, lines, (size_t)len) == 0, "a wrong answer");
    }
    asynchat_channel_free(ch);
    event_base_free(base);
    close(fds[1]);
}

static void socket_echo_1(void)
{
    socket_run(1, false);
}

static void socket_echo_16(void)
{
    socket_run(16, false);
}

static void socket_echo_1_limits(void)
{
    socket_run(1, true);
}

static void socket_echo_16_limits(void)
{
    socket_run(16, true);
}

#define ROW(name)                                                              \
    {                                                                          \
#name, name                                                            \
    }
static const struct {
    const char *name;
    void (*run)(void);
} scenarios[] = {
    ROW(match_lines_32),
    ROW(match_lines_4096),
    ROW(match_run_of_cr),
    ROW(match_run_of_a),
    ROW(pair_lines_and_lengths_8),
    ROW(match_boundary),
    ROW(match_single_bytes),
    ROW(pair_lines_2_in_1_mib),
    ROW(pair_lines_2_in_4_mib),
    ROW(pair_lines_32),
    ROW(pair_lines_32_whole),
    ROW(pair_lines_32_by_bytes),
    ROW(socket_echo_1),
    ROW(socket_echo_16),
    ROW(socket_echo_1_limits),
    ROW(socket_echo_16_limits),
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        if (argc != 2 || strcmp(argv[1], scenarios[i].name) != 0)
            continue;
        scenarios[i].run();
        return 0;
    }
    if (argc == 2 && (framed_scenario(argv[1]) || tell_scenario(argv[1])))
        return 0;
    fprintf(stderr, "usage: count SCENARIO\n");
    return 2;
}
