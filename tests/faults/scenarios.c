/* The scenarios in which faults happen. A scenario is a function and a row of
 * the table at the end. In each scenario all channels end by themselves.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "../toy.h"

/* --- programs that more than one scenario uses --- */

/* Asks three times, and closes. */
static void asker_next(struct side *s)
{
    static const char *const questions[] = {"one\r\n", "two\r\n", "three\r\n"};
    if (s->step < 3)
        say(s, questions[s->step++]);
    else
        close_when_done(s);
}

static void asker_connected(struct side *s)
{
    crlf(s);
    asker_next(s);
}

static void once_connected(struct side *s)
{
    crlf(s);
    say(s, "one\r\n");
}

static const struct program asker = {.connected = asker_connected,
                                     .message = asker_next};

static void echo(struct side *s)
{
    push(s, s->line, s->line_len);
    say(s, "\r\n");
}

static const struct program echoer = {.connected = crlf, .message = echo};
static const struct program lines = {.connected = crlf};
static const struct program collector = {.connected = terminator_none};

static void pour(struct side *s)
{
    push(s, pattern(), PATTERN_SIZE);
    close_when_done(s);
}

static const struct program pourer = {.connected = pour};

/* The same with all that a request may have: a deadline, another handler for
 * each, answers that leave at once, and an end. */
static void ask_once_more(struct side *s)
{
    deadline(s, s->step < 3 ? 100000 : 0);
    set_whole(s, s->step % 2);
    asker_next(s);
    flush(s);
}

static void ask_and_end(struct side *s)
{
    if (s->step < 3)
        ask_once_more(s);
    else
        close_after(s);
}

static void ask_first(struct side *s)
{
    crlf(s);
    ask_once_more(s);
}

static void answer(struct side *s)
{
    deadline(s, 100000);
    echo(s);
    flush(s);
    set_whole(s, s->step++ % 2);
}

static const struct program requester = {.connected = ask_first,
                                         .message = ask_and_end};
static const struct program answerer = {.connected = crlf, .message = answer};

/* --- conversations over each kind of connection --- */

static void lines_over_sockets(struct world *w)
{
    over_sockets(w, &asker, &echoer);
}

static void lines_over_a_pair(struct world *w)
{
    over_pair(w, &asker, &echoer);
}

static void lines_over_bufferevents(struct world *w)
{
    over_bufferevents(w, &asker, &echoer);
}

static void requests_over_sockets(struct world *w)
{
    over_sockets(w, &requester, &answerer);
}

static void requests_over_a_pair(struct world *w)
{
    over_pair(w, &requester, &answerer);
}

static void requests_over_bufferevents(struct world *w)
{
    over_bufferevents(w, &requester, &answerer);
}

static void lines_over_filters(struct world *w)
{
    over_filters(w, &asker, &echoer);
}

static void lines_over_tcp(struct world *w)
{
    if (serve(w, "127.0.0.1:0", &echoer, 1))
        connect_to_server(w, &asker);
}

static void lines_over_unix(struct world *w)
{
    if (serve(w, unix_address(), &echoer, 1))
        connect_to_server(w, &asker);
}

/* A path that was left behind is taken over, and gets the mode. */
static void a_path_is_taken_over(struct world *w)
{
    const struct asynchat_server_options options = {.size = sizeof options,
                                                    .mode = 0600};
    leave_path();
    if (serve_with(w, unix_address(), &echoer, 1, &options))
        connect_to_server(w, &asker);
    else
        remove_path();
}

static void a_socket_is_handed_over(struct world *w)
{
    if (serve(w, unix_address(), &echoer, 1) && take_over(w))
        connect_to_server(w, &asker);
}

static void ipv6_with_every_flag(struct world *w)
{
    const struct asynchat_server_options options = {
        .size = sizeof options,
        .flags = ASYNCHAT_REUSE_PORT | ASYNCHAT_DELAY | ASYNCHAT_KEEPALIVE |
                 ASYNCHAT_IPV6_ONLY};
    if (serve_with(w, "[::1]:0", &echoer, 1, &options))
        connect_to_server(w, &asker);
}

static void lines_from_a_connecting_bufferevent(struct world *w)
{
    if (serve(w, "127.0.0.1:0", &echoer, 1))
        connect_bufferevent(w, &asker);
}

/* If one client is refused, it is not known which side is whose peer. */
static void ask(struct world *w, int clients)
{
    for (int i = 0; i < clients; i++)
        connect_to_server(w, &asker);
    for (int i = 0; i < w->count; i++)
        w->sides[i].peer = NULL;
}

static void several_clients(struct world *w)
{
    if (serve(w, unix_address(), &echoer, 3))
        ask(w, 3);
}

static void clients_wait_for_a_full_server(struct world *w)
{
    const struct asynchat_server_options options = {.size = sizeof options,
                                                    .max_connections = 1};
    if (serve_with(w, unix_address(), &echoer, 3, &options))
        ask(w, 3);
}

static void a_full_server_turns_away(struct world *w)
{
    const struct asynchat_server_options options = {
        .size = sizeof options, .max_connections = 1, .turn_away = "busy\r\n"};
    if (serve_with(w, unix_address(), &echoer, 3, &options))
        ask(w, 3);
}

static void an_address_has_too_many(struct world *w)
{
    const struct asynchat_server_options options = {
        .size = sizeof options, .max_per_address = 2, .turn_away = "busy\r\n"};
    if (serve_with(w, "127.0.0.1:0", &echoer, 3, &options))
        ask(w, 3);
}

static void connections_outlive_the_server(struct world *w)
{
    if (!serve(w, unix_address(), &echoer, 1))
        return;
    connect_to_server(w, &lines);
    settle(w);
    asynchat_server_free(w->server);
    w->server = NULL;
    say(&w->sides[1], "still\r\n");
    close_when_done(&w->sides[1]);
}

static void a_server_is_freed_with_connections_waiting(struct world *w)
{
    if (!serve(w, unix_address(), &echoer, 1))
        return;
    connect_to_server(w, &asker);
    asynchat_server_free(w->server);
    w->server = NULL;
}

static void stopped_between_messages(struct world *w)
{
    if (!serve(w, unix_address(), &echoer, 2))
        return;
    connect_to_server(w, &lines);
    settle(w);
    stop(w, 1000);
}

/* A connection that cannot be accepted then is lost; only the log says so. */
static void stopped_with_connections_waiting(struct world *w)
{
    if (!serve(w, unix_address(), &echoer, 2))
        return;
    connect_to_server(w, &asker);
    stop(w, 1000);
}

static void stopped_by_a_signal(struct world *w)
{
    if (!serve(w, unix_address(), &echoer, 2))
        return;
    connect_to_server(w, &lines);
    settle(w);
    stop_by_signal(w, 1000);
}

static void stopped_in_the_middle(struct world *w, const char *rest)
{
    if (!serve(w, unix_address(), &echoer, 1) || !connect_to_server(w, &lines))
        return;
    say(&w->sides[1], "one\r\ntw");
    settle(w);
    stop(w, 1000);
    say(&w->sides[1], rest);
}

static void stopped_and_a_message_is_finished(struct world *w)
{
    stopped_in_the_middle(w, "o\r\n");
}

static void stopped_and_time_is_up(struct world *w)
{
    stopped_in_the_middle(w, "o, but");
}

static void stop_and_echo(struct side *s)
{
    stop(s->world, 1000);
    echo(s);
}

static void goodbye(struct side *s)
{
    say(s, "bye\r\n");
    close_when_done(s);
}

static void stopped_in_a_callback(struct world *w)
{
    static const struct program stopper = {
        .connected = crlf, .message = stop_and_echo, .stopping = goodbye};
    static const struct program once = {.connected = once_connected};
    if (serve(w, unix_address(), &stopper, 1))
        connect_to_server(w, &once);
}

static void stopped_and_freed(struct world *w)
{
    static const struct program freer = {.connected = crlf,
                                         .stopping = free_now};
    if (!serve(w, "127.0.0.1:0", &freer, 1))
        return;
    connect_to_server(w, &lines);
    settle(w);
    stop(w, 0);
}

static void pushed_before_it_is_connected(struct world *w)
{
    if (!serve(w, unix_address(), &lines, 1) || !connect_to_server(w, &lines))
        return;
    struct side *client = &w->sides[1];
    say(client, "early\r\n");
    push_producer(client, asynchat_producer_simple("bird\r\n", 6, 2),
                  "bird\r\n", 6);
    push_reference(client, "worm\r\n");
    close_when_done(client);
}

static const char *const networks[] = {"127.0.0.0/8", "::1/128", NULL};
static const struct asynchat_proxy_options headers = {
    .size = sizeof headers,
    .flags = ASYNCHAT_PROXY_KEEP_TLVS,
    .from = networks};

static void asked_whose_it_is(struct side *s)
{
    struct asynchat_proxy said = {.size = sizeof said};
    note(s, asynchat_get_proxy(s->ch, &said));
    crlf(s);
}

static const struct program proxied_echoer = {.connected = asked_whose_it_is,
                                              .message = echo};

static const struct asynchat_proxy_tlv few_tlvs[] = {
    {ASYNCHAT_PROXY_ALPN, 2, "h2"},
    {ASYNCHAT_PROXY_CRC32C, 0, NULL},
    {0, 0, NULL}};

static void a_header_before_everything(struct world *w)
{
    const struct asynchat_server_options options = {
        .size = sizeof options, .max_per_address = 2, .proxy = &headers};
    if (serve_with(w, "127.0.0.1:0", &proxied_echoer, 1, &options) &&
        connect_to_server(w, &asker))
        push_proxy(&w->sides[1], few_tlvs);
}

/* It comes in many pieces. */
static void a_long_header(struct world *w)
{
    static const uint8_t zeroes[60000];
    static const struct asynchat_proxy_tlv tlvs[] = {
        {0xe0, sizeof zeroes, zeroes}, {0, 0, NULL}};
    const struct asynchat_options small = {.size = sizeof small,
                                           .in_buffer_size = 10000};
    const struct asynchat_server_options options = {
        .size = sizeof options, .channels = &small, .proxy = &headers};
    if (serve_with(w, "127.0.0.1:0", &proxied_echoer, 1, &options) &&
        connect_to_server(w, &asker))
        push_proxy(&w->sides[1], tlvs);
}

static void one_asks_for_addresses(struct side *s)
{
    char text[ASYNCHAT_ADDRESS_SIZE];
    note(s, asynchat_peer_address(s->ch, text, sizeof text));
    note(s, asynchat_local_address(s->ch, text, sizeof text));
    close_when_done(s);
}

static void addresses(struct world *w)
{
    static const struct program curious = {.connected = one_asks_for_addresses};
    if (serve(w, "127.0.0.1:0", &curious, 1))
        connect_to_server(w, &lines);
}

/* --- names --- */

/* Whatever fails before the connection is up may be made good by another
 * attempt, so nobody needs to hear of it. */
static void lines_by_name(struct world *w)
{
    if (serve(w, "127.0.0.1:0", &echoer, 1))
        connect_to_server_by_name(w, &asker, "127.0.0.1:1");
}

/* --- failing to connect --- */

static void refused_by_tcp(struct world *w)
{
    connect_to(w, "127.0.0.1:1", 1000, &asker);
}

static void no_such_path(struct world *w)
{
    connect_to(w, "unix:/nowhere/at/all", 0, &asker);
}

static void no_answer_in_time(struct world *w)
{
    connect_to(w, blackhole(), 1000, &asker);
}

static void never_connected(struct world *w)
{
    connect_nowhere(w, &asker);
}

static void closed_while_connecting(struct world *w)
{
    if (connect_to(w, blackhole(), 1000, &asker))
        close_now(&w->sides[0]);
}

/* --- input --- */

/* Two long lines and an empty one. */
static void long_lines(struct side *s)
{
    push(s, pattern(), 700);
    say(s, "\r\n\r\n");
    push(s, pattern() + 5, 1500);
    say(s, "\r\n");
    close_when_done(s);
}

static const struct program long_writer = {.connected = long_lines};

/* Sends the same, and waits until everything is echoed. */
static void long_lines_asked(struct side *s)
{
    crlf(s);
    push(s, pattern(), 700);
    say(s, "\r\n\r\n");
    push(s, pattern() + 5, 1500);
    say(s, "\r\n");
}

static void close_after_three(struct side *s)
{
    if (++s->step == 3)
        close_when_done(s);
}

static const struct program long_asker = {.connected = long_lines_asked,
                                          .message = close_after_three};

static void in_bits(struct side *s)
{
    crlf(s);
    asynchat_set_in_buffer_size(s->ch, 100);
}

static void whole_messages(struct world *w)
{
    static const struct program reader = {
        .whole = true, .connected = in_bits, .message = echo};
    over_sockets(w, &long_asker, &reader);
}

static void whole_messages_over_a_pair(struct world *w)
{
    static const struct program reader = {
        .whole = true, .connected = in_bits, .message = echo};
    over_pair(w, &long_asker, &reader);
}

static void whole_message_until_the_end(struct world *w)
{
    static const struct program reader = {.whole = true,
                                          .connected = terminator_none};
    over_sockets(w, &pourer, &reader);
}

static void limited(struct side *s)
{
    crlf(s);
    asynchat_set_in_buffer_size(s->ch, 100);
    asynchat_set_message_limit(s->ch, 600);
}

/* After other errors it is not known how much was sent before. */
static void apologize(struct side *s)
{
    if (s->error <= ASYNCHAT_EOF || s->error == -EDOM)
        say(s, "sorry\r\n");
}

static void a_message_too_long(struct world *w)
{
    static const struct program reader = {
        .whole = true, .connected = limited, .failed = apologize};
    over_sockets(w, &long_asker, &reader);
}

/* A number, and that number of bytes; 0 is the last number. */
static void number_or_bytes(struct side *s)
{
    if (s->step++ % 2 == 0)
        s->left = s->line_len > 0 ? (size_t)(s->line[0] - '0') : 0;
    else
        s->left = 0;
    if (s->left > 0)
        terminator_length(s, s->left);
    else if (s->step % 2 == 0)
        crlf(s);
    else
        close_when_done(s);
}

static void numbers(struct side *s)
{
    say(s, "5\r\nhello3\r\nabc9\r\nninebytes0\r\n");
}

static void terminators_that_change(struct world *w)
{
    static const struct program writer = {.connected = numbers};
    static const struct program reader = {.connected = crlf,
                                          .message = number_or_bytes};
    over_sockets(w, &writer, &reader);
}

/* A line with a number, and a block of so many bytes. Behind the second block
 * of 0 bytes comes a third one, and then the end. */
static void line_or_block(struct side *s)
{
    if (s->left == 2)
        close_when_done(s);
    else if (s->left == 1 || s->line_len == 0)
        block(s, 0);
    else if (s->step++ % 2 == 0)
        block(s, (uint64_t)(s->line[0] - '0'));
    else
        strict_lines(s);
    s->left += s->line_len == 0;
}

static void framings_and_blocks(struct world *w)
{
    static const struct program writer = {.connected = numbers};
    static const struct program reader = {.connected = strict_lines,
                                          .message = line_or_block};
    over_sockets(w, &writer, &reader);
}

static void blank_line(struct side *s)
{
    terminator(s, "\r\n\r\n");
}

static void held_bytes_are_matched_again(struct world *w)
{
    static const struct program reader = {.connected = blank_line};
    if (!over_sockets(w, &lines, &reader))
        return;
    settle(w);
    say(&w->sides[0], "one\r\n\r");
    settle(w);
    terminator(&w->sides[1], "\n");
    settle(w);
    say(&w->sides[0], "two\nthree\r\n\r");
    terminator(&w->sides[1], "\r\n\r\n");
    settle(w);
    terminator_length(&w->sides[1], 2);
    settle(w);
    terminator_none(&w->sides[1]);
    close_when_done(&w->sides[0]);
}

/* Changes the terminator while bytes that were held back are delivered. */
static void change_of_mind(struct side *s)
{
    if (s->got.len == 1)
        terminator(s, ";");
    if (s->got.len == 9)
        terminator(s, "bb");
}

static void one_at_a_time(struct side *s)
{
    terminator(s, "aab");
    asynchat_set_in_buffer_size(s->ch, 1);
}

static void held(struct side *s)
{
    say(s, "aaxaab;y;aabbcbb;b");
    close_when_done(s);
}

static void a_terminator_set_among_bytes_held_back(struct world *w)
{
    static const struct program writer = {.connected = held};
    static const struct program reader = {.connected = one_at_a_time,
                                          .data = change_of_mind};
    over_sockets(w, &writer, &reader);
}

static void ab(struct side *s)
{
    terminator(s, "aab");
}

static void change_once(struct side *s)
{
    if (s->step++ == 0)
        terminator(s, ";");
}

/* 3000 bytes are held back, and given back in pieces. */
static void long_held(struct side *s)
{
    static char bytes[3002];
    memset(bytes, 'l', 3000);
    bytes[3000] = '!';
    terminator(s, bytes);
    if (s->ch)
        asynchat_set_in_buffer_size(s->ch, 2000);
}

/* The terminator is set at the first piece. The other bytes are matched again,
 * and the rest of the input is kept behind them, for which there is no room
 * yet. */
static void a_terminator_set_while_more_is_received(struct world *w)
{
    static char bytes[3000];
    static const struct program reader = {.connected = long_held,
                                          .data = change_once};
    if (!over_sockets(w, &lines, &reader))
        return;
    settle(w);
    memset(bytes, 'l', sizeof bytes);
    push(&w->sides[0], bytes, sizeof bytes);
    settle(w);
    push(&w->sides[0], pattern(), 4000);
    say(&w->sides[0], ";cde;");
    close_when_done(&w->sides[0]);
}

static void the_same_over_a_pair(struct world *w)
{
    static const struct program writer = {.connected = held};
    static const struct program reader = {.connected = ab, .data = change_once};
    over_pair(w, &writer, &reader);
}

static char long_bytes[301];

static void long_one(struct side *s)
{
    memset(long_bytes, 'l', 300);
    terminator(s, long_bytes);
}

static void short_one(struct side *s)
{
    if (s->step++ % 2 == 0)
        crlf(s);
    else
        long_one(s);
}

static void long_terminator_written(struct side *s)
{
    memset(long_bytes, 'l', 300);
    say(s, "x");
    say(s, long_bytes);
    say(s, "yy\r\nz");
    say(s, long_bytes);
    say(s, "\r\nlll");
    close_when_done(s);
}

static void long_terminators(struct world *w)
{
    static const struct program writer = {.connected = long_terminator_written};
    static const struct program reader = {.connected = long_one,
                                          .message = short_one};
    over_sockets(w, &writer, &reader);
}

/* At the end of file some bytes are held back, and the program answers. */
static void answer_the_end(struct side *s)
{
    terminator(s, "\r");
    say(s, "so soon?");
}

static void unfinished(struct side *s)
{
    say(s, "line\r\n\r\nrest\r\n\r");
    close_when_done(s);
}

static void the_end_in_the_middle(struct world *w)
{
    static const struct program writer = {.connected = unfinished};
    static const struct program reader = {.connected = blank_line,
                                          .eof = answer_the_end};
    over_sockets(w, &writer, &reader);
}

/* --- output --- */

static void much_over_sockets(struct world *w)
{
    over_sockets(w, &pourer, &collector);
}

static void much_over_small_sockets(struct world *w)
{
    over_small_sockets(w, &pourer, &collector);
}

static void much_over_tcp(struct world *w)
{
    if (serve(w, "127.0.0.1:0", &collector, 1))
        connect_to_server(w, &pourer);
}

static void odd_writes(struct side *s)
{
    if (s->ch)
        asynchat_set_out_buffer_size(s->ch, 5000);
    push(s, pattern(), 9000);
    pour(s);
}

static const struct program odd_pourer = {.connected = odd_writes};

static void much_over_a_pair(struct world *w)
{
    over_pair(w, &odd_pourer, &collector);
}

static void much_over_bufferevents(struct world *w)
{
    over_bufferevents(w, &odd_pourer, &collector);
}

static void much_over_filters(struct world *w)
{
    over_filters(w, &odd_pourer, &collector);
}

static void next_piece(struct side *s)
{
    if (s->step++ < 4)
        push(s, pattern() + s->step, 20000);
    else
        close_when_done(s);
}

static const struct program draining = {.connected = next_piece,
                                        .drained = next_piece};

static void more_when_it_is_drained(struct world *w)
{
    over_small_sockets(w, &draining, &collector);
}

static void more_when_a_pair_is_drained(struct world *w)
{
    over_pair(w, &draining, &collector);
}

/* An answer that is too long to be copied is sent at once, if nothing is before
 * it. */
static void long_answer(struct side *s)
{
    say(s, "before");
    push(s, pattern(), PATTERN_SIZE);
    push(s, pattern(), PATTERN_SIZE);
    say(s, "\r\n");
}

static void long_answers(struct world *w)
{
    static const struct program answerer = {.connected = crlf,
                                            .message = long_answer};
    over_sockets(w, &asker, &answerer);
}

/* A text that is too long to be formatted without memory. */
static const char *long_text(void)
{
    static char text[1000];
    memset(text, 'x', sizeof text - 1);
    return text;
}

/* Pushes that leave room for more in the same wake-up. */
static void small_and_large(struct side *s)
{
    push(s, pattern(), 60000);
    push(s, pattern(), 10000);
    say(s, "small");
    push_printf(s, long_text());
    push_reference(s, "reference");
    push_evbuffer(s, "evbuffer");
    say(s, "small again");
    close_when_done(s);
}

/* From outside, where the first block lies, and in a callback. */
static void share_blocks(struct side *s)
{
    struct asynchat_block *small = make_block(s, "block", 5);
    struct asynchat_block *large = make_block(s, pattern(), PATTERN_SIZE);
    push_shared(s, large, pattern(), PATTERN_SIZE);
    push_shared(s, small, "block", 5);
    push_shared(s, small, "block", 5);
    push_shared(s, large, pattern(), PATTERN_SIZE);
    say(s, "small");
    asynchat_block_free(small);
    asynchat_block_free(large);
}

static void share_blocks_and_close(struct side *s)
{
    share_blocks(s);
    close_when_done(s);
}

static const struct program sharer = {.message = share_blocks_and_close,
                                      .connected = crlf};
static const struct program shared_with = {.connected = once_connected};

static void share_over(struct world *w)
{
    struct side *s = &w->sides[0];
    settle(w);
    struct asynchat_block *block = make_block(s, pattern(), PATTERN_SIZE);
    push_shared(s, block, pattern(), PATTERN_SIZE);
    asynchat_block_free(block);
    settle(w);
    share_blocks(s);
    settle(w);
}

static void blocks_over_sockets(struct world *w)
{
    if (over_sockets(w, &sharer, &shared_with))
        share_over(w);
}

static void blocks_to_a_slow_reader(struct world *w)
{
    if (over_small_sockets(w, &sharer, &shared_with))
        share_over(w);
}

static void blocks_over_a_pair(struct world *w)
{
    if (over_pair(w, &sharer, &shared_with))
        share_over(w);
}

/* The later answer is ready first. */
static void answer_by_slots(struct side *s)
{
    struct asynchat_block *block = make_block(s, pattern(), PATTERN_SIZE);
    struct asynchat_slot *first = reserve(s), *second = reserve(s);
    will_give(s, "one", 3);
    will_give(s, pattern(), PATTERN_SIZE);
    will_give(s, "two", 3);
    give(s, second, pattern(), PATTERN_SIZE);
    give(s, second, "two", 3);
    say(s, "pushed");
    finish(s, second);
    give(s, first, "one", 3);
    finish(s, first);
    first = reserve(s);
    will_give(s, pattern(), PATTERN_SIZE);
    close_when_done(s);
    give_block(s, first, block);
    finish(s, first);
    asynchat_block_free(block);
}

static const struct program by_slots = {.connected = crlf,
                                        .message = answer_by_slots};

static void slots_over_sockets(struct world *w)
{
    over_sockets(w, &by_slots, &shared_with);
}

static void slots_to_a_slow_reader(struct world *w)
{
    over_small_sockets(w, &by_slots, &shared_with);
}

static void slots_over_a_pair(struct world *w)
{
    over_pair(w, &by_slots, &shared_with);
}

/* While something of another thread is under way, everything is posted. */
static void answer_by_posts(struct side *s)
{
    struct asynchat_block *block = make_block(s, "block", 5);
    struct asynchat_slot *first = reserve(s), *second = reserve(s);
    will_give(s, "elsewhere block", 15);
    will_give(s, "there here", 10);
    give_elsewhere(second, "there ");
    give(s, second, "here", 4);
    close_when_done(s);
    give_elsewhere(first, "elsewhere ");
    give_block(s, first, block);
    finish(s, first);
    finish(s, second);
    asynchat_block_free(block);
}

static void slots_of_other_threads(struct world *w)
{
    static const struct program by_posts = {.connected = crlf,
                                            .message = answer_by_posts};
    over_sockets(w, &by_posts, &shared_with);
}

static void slots_that_are_gone(struct world *w)
{
    if (!over_sockets(w, &lines, &lines))
        return;
    settle(w);
    struct side *s = &w->sides[0];
    struct asynchat_slot *first = reserve(s), *second = reserve(s);
    will_give(s, "never sent", 10);
    give(s, second, "never sent", 10);
    give_elsewhere(second, "nor this");
    free_now(s);
    give(s, first, "nor this", 8);
    finish(s, second);
    finish(s, first);
}

static void pushes_of_all_kinds(struct world *w)
{
    static const struct program writer = {.connected = small_and_large};
    over_sockets(w, &writer, &collector);
}

static void pushes_of_all_kinds_to_a_slow_reader(struct world *w)
{
    static const struct program writer = {.connected = small_and_large};
    over_small_sockets(w, &writer, &collector);
}

static void pushes_of_all_kinds_over_a_pair(struct world *w)
{
    static const struct program writer = {.connected = small_and_large};
    over_pair(w, &writer, &collector);
}

/* Sizes as small as they can be. */
static void tiny(struct side *s)
{
    crlf(s);
    if (s->ch) {
        asynchat_set_in_buffer_size(s->ch, 2);
        asynchat_set_out_buffer_size(s->ch, 3);
    }
    if (s == &s->world->sides[0])
        asker_next(s);
}

static const struct program tiny_asker = {.connected = tiny,
                                          .message = asker_next};
static const struct program tiny_echoer = {.connected = tiny, .message = echo};

static void lines_in_tiny_pieces(struct world *w)
{
    over_sockets(w, &tiny_asker, &tiny_echoer);
}

static void lines_in_tiny_pieces_over_bufferevents(struct world *w)
{
    over_bufferevents(w, &tiny_asker, &tiny_echoer);
}

/* --- producers --- */

/* A producer of the program's own: bytes of the pattern, in chunks. */
struct maker {
    struct side *side;
    size_t at, len;
    int chunks; /* given so far */
    int odd;    /* the answer after two chunks, or 0 */
    void (*meanwhile)(struct side *s);
};

static int maker_more(struct asynchat_channel *ch, struct evbuffer *out,
                      size_t room, void *arg)
{
    struct maker *maker = arg;
    size_t n = maker->len - maker->at;
    (void)ch;
    if (maker->chunks++ == 2 && maker->odd)
        return maker->odd;
    n = n < 700 ? n : 700;
    n = n < room ? n : room;
    if (evbuffer_add(out, pattern() + maker->at, n) < 0)
        return -ENOMEM;
    maker->at += n;
    if (maker->meanwhile && maker->chunks == 2)
        maker->meanwhile(maker->side);
    return maker->at < maker->len ? ASYNCHAT_MORE : ASYNCHAT_DONE;
}

static void maker_release(void *arg)
{
    ((struct maker *)arg)->side->world->released++;
}

/* Returns NULL if there is no memory. There is one such producer at a time. */
static struct asynchat_producer *make_maker(struct side *s, int odd,
                                            void (*meanwhile)(struct side *s))
{
    static const struct asynchat_producer_ops ops = {
        .size = sizeof ops, .more = maker_more, .release = maker_release};
    static struct maker maker;
    struct asynchat_producer *producer = NULL;
    maker = (struct maker){
        .side = s, .len = 3000, .odd = odd, .meanwhile = meanwhile};
    int error = asynchat_producer_new(&ops, &maker, &producer);
    note(s, error);
    s->world->lent += !error;
    return producer;
}

static void push_file(struct side *s)
{
    push_producer(s, asynchat_producer_file(file(), 10, FILE_SIZE - 10),
                  pattern() + 10, FILE_SIZE - 10);
}

static void push_concat(struct side *s)
{
    struct asynchat_producer *parts[] = {
        asynchat_producer_simple("first ", 6, 2),
        asynchat_producer_concat(NULL, 0),
        asynchat_producer_file(file(), 0, 3000),
        asynchat_producer_simple(" last", 5, 0),
    };
    static char expected[6 + 3000 + 5];
    memcpy(expected, "first ", 6);
    memcpy(expected + 6, pattern(), 3000);
    memcpy(expected + 3006, " last", 5);
    push_producer(s, asynchat_producer_concat(parts, 4), expected,
                  sizeof expected);
}

static void push_dotted(struct side *s)
{
    struct asynchat_producer *parts[] = {
        asynchat_producer_simple("..a\n", 4, 1),
        asynchat_producer_simple(".b", 2, 0),
    };
    static const char expected[] = "...a\r\n..b\r\n.\r\n";
    push_producer(s,
                  asynchat_producer_dotted(asynchat_producer_concat(parts, 2)),
                  expected, sizeof expected - 1);
}

/* Pushes all kinds of producers, one after the other. */
static void produce_all(struct side *s)
{
    say(s, "begin ");
    push_producer(s, asynchat_producer_simple(pattern(), 2000, 0), pattern(),
                  2000);
    say(s, " one ");
    push_reference(s, "two ");
    push_evbuffer(s, "three ");
    push_file(s);
    push_concat(s);
    push_dotted(s);
    push_producer(s, make_maker(s, 0, NULL), pattern(), 3000);
    push_evbuffer(s, "four ");
    say(s, "five");
    push_reference(s, " six");
    close_when_done(s);
}

static const struct program producing = {.connected = produce_all};

static void producers_over_sockets(struct world *w)
{
    over_sockets(w, &producing, &collector);
}

static void producers_to_a_slow_reader(struct world *w)
{
    over_small_sockets(w, &producing, &collector);
}

static void producers_over_a_pair(struct world *w)
{
    over_pair(w, &producing, &collector);
}

static void producers_over_bufferevents(struct world *w)
{
    over_bufferevents(w, &producing, &collector);
}

static void producers_over_filters(struct world *w)
{
    over_filters(w, &producing, &collector);
}

static void file_first(struct side *s)
{
    push_file(s);
    push_file(s);
    close_when_done(s);
}

static void files_only(struct world *w)
{
    static const struct program sender = {.connected = file_first};
    over_small_sockets(w, &sender, &collector);
}

static void resume(struct side *s)
{
    asynchat_resume_producer(s->ch);
}

static void produce_late(struct side *s)
{
    push_producer(s, make_maker(s, ASYNCHAT_LATER, NULL), pattern(), 3000);
    say(s, "after it");
    close_when_done(s);
}

static void a_producer_that_waits(struct world *w)
{
    static const struct program sender = {.connected = produce_late};
    over_sockets(w, &sender, &collector);
    settle(w);
    resume(&w->sides[0]);
}

static void a_producer_that_waits_over_a_pair(struct world *w)
{
    static const struct program sender = {.connected = produce_late};
    over_pair(w, &sender, &collector);
    settle(w);
    resume(&w->sides[0]);
}

/* The producer fails after 1400 of 3000 bytes. Nothing comes after that. */
static void produce_badly(struct side *s)
{
    push_producer(s, make_maker(s, -EDOM, NULL), pattern(), 1400);
    note(s, asynchat_push(s->ch, "never sent", 10));
}

static void a_producer_that_fails(struct world *w)
{
    static const struct program sender = {.connected = produce_badly,
                                          .failed = apologize};
    over_sockets(w, &sender, &collector);
}

static void produce_and(struct side *s, void (*meanwhile)(struct side *s))
{
    push_producer(s, make_maker(s, 0, meanwhile), pattern(), 3000);
    say(s, "behind it");
}

static void discard_and_go(struct side *s)
{
    discard(s);
    say(s, "after all");
    close_when_done(s);
}

static void produce_and_discard(struct side *s)
{
    produce_and(s, discard_and_go);
}

static void a_producer_that_discards_itself(struct world *w)
{
    static const struct program sender = {.connected = produce_and_discard};
    over_sockets(w, &sender, &collector);
}

static void produce_and_close(struct side *s)
{
    produce_and(s, close_now);
}

static void a_producer_that_closes(struct world *w)
{
    static const struct program sender = {.connected = produce_and_close};
    over_sockets(w, &sender, &collector);
}

static void produce_and_free(struct side *s)
{
    produce_and(s, free_now);
}

static void a_producer_that_frees(struct world *w)
{
    static const struct program sender = {.connected = produce_and_free};
    over_sockets(w, &sender, &collector);
}

static void more_than_the_file(struct side *s)
{
    push_producer(s, asynchat_producer_file(file(), 0, FILE_SIZE + 100),
                  pattern(), FILE_SIZE);
    close_when_done(s);
}

static const struct program cutter = {.connected = more_than_the_file,
                                      .failed = apologize};

static void a_file_that_is_too_short(struct world *w)
{
    over_sockets(w, &cutter, &collector);
}

static void a_file_that_is_too_short_over_a_pair(struct world *w)
{
    over_pair(w, &cutter, &collector);
}

static void send_a_pipe(struct side *s)
{
    int ends[2];
    if (pipe(ends) < 0)
        abort();
    inject_close(ends[1]);
    say(s, "before");
    push_producer(s, asynchat_producer_file(ends[0], 0, 10), "", 0);
    close_when_done(s);
}

static void a_pipe_is_no_file(struct world *w)
{
    static const struct program sender = {.connected = send_a_pipe};
    over_sockets(w, &sender, &collector);
}

/* --- ending --- */

static void three_lines(struct side *s)
{
    crlf(s);
    say(s, "one\r\ntwo\r\nthree\r\n");
}

static const struct program talker = {.connected = three_lines};

static void small_reads(struct side *s)
{
    crlf(s);
    if (s->ch)
        asynchat_set_in_buffer_size(s->ch, 5);
}

static void say_bye(struct side *s)
{
    say(s, "bye\r\n");
    close_when_done(s);
}

/* It closes before all lines of its peer are read, so it has to linger. */
static void closing_with_input_unread(struct world *w)
{
    static const struct program leaver = {.connected = small_reads,
                                          .message = say_bye};
    over_sockets(w, &talker, &leaver);
}

static void closing_with_input_unread_over_a_pair(struct world *w)
{
    static const struct program leaver = {.connected = small_reads,
                                          .message = say_bye};
    over_pair(w, &talker, &leaver);
}

static void closing_in_a_callback(struct world *w)
{
    static const struct program closer = {.connected = crlf,
                                          .message = close_now};
    over_sockets(w, &talker, &closer);
}

static void freeing_in_a_callback(struct world *w)
{
    static const struct program freer = {.connected = crlf,
                                         .message = free_now};
    over_sockets(w, &talker, &freer);
}

static void freeing_in_a_callback_over_a_pair(struct world *w)
{
    static const struct program freer = {.connected = crlf,
                                         .message = free_now};
    over_pair(w, &talker, &freer);
}

static void freeing_from_outside(struct world *w)
{
    if (!over_sockets(w, &lines, &lines))
        return;
    settle(w);
    say(&w->sides[0], "never sent");
    push_reference(&w->sides[0], "nor this");
    push_producer(&w->sides[0], make_maker(&w->sides[0], 0, NULL), "", 0);
    free_now(&w->sides[0]);
}

static void closing_with_a_queue(struct world *w)
{
    if (!over_sockets(w, &lines, &lines))
        return;
    settle(w);
    push_producer(&w->sides[0], make_maker(&w->sides[0], 0, NULL), "", 0);
    push_reference(&w->sides[0], "dropped");
    push_file(&w->sides[0]);
    close_now(&w->sides[0]);
}

static void discarding_output(struct world *w)
{
    if (!over_sockets(w, &lines, &lines))
        return;
    settle(w);
    push_reference(&w->sides[0], "dropped");
    push_producer(&w->sides[0], make_maker(&w->sides[0], 0, NULL), "", 0);
    discard(&w->sides[0]);
    say(&w->sides[0], "kept\r\n");
    close_when_done(&w->sides[0]);
}

static void discard_once(struct side *s)
{
    if (s->step++ == 0)
        asynchat_discard_buffers(s->ch);
}

static void discarding_input(struct world *w)
{
    static const struct program dropper = {.connected = crlf,
                                           .message = discard_once};
    over_sockets(w, &long_writer, &dropper);
}

/* --- peers that are not ours --- */

static void pour_and_linger(struct side *s)
{
    asynchat_set_linger(s->ch, 20);
    for (int i = 0; i < 7; i++)
        push(s, pattern(), PATTERN_SIZE);
    close_when_done(s);
}

static void a_peer_that_does_not_read(struct world *w)
{
    static const struct program sender = {.connected = pour_and_linger};
    over_raw(w, &sender);
}

/* The other end may already be gone. */
static void raw_write(struct world *w, const char *text)
{
    (void)!write(w->raw[0], text, strlen(text));
}

static void bye_and_linger(struct side *s)
{
    asynchat_set_linger(s->ch, 20);
    say_bye(s);
}

static void a_peer_that_does_not_hang_up(struct world *w)
{
    static const struct program leaver = {.connected = small_reads,
                                          .message = bye_and_linger};
    if (!over_raw(w, &leaver))
        return;
    settle(w);
    raw_write(w, "one\r\ntwo\r\nthree\r\n");
}

static void a_peer_that_only_listens(struct world *w)
{
    static const struct program reader = {
        .connected = crlf, .message = echo, .eof = answer_the_end};
    if (!over_raw(w, &reader))
        return;
    raw_write(w, "one\r\ntwo");
    inject.armed = false;
    shutdown(w->raw[0], SHUT_WR);
    inject.armed = true;
}

/* The peer is gone before this side sends something; the peer's bytes are
 * there. */
static void a_peer_that_came_and_went(struct world *w)
{
    static const struct program greeter = {.connected = three_lines};
    if (!over_raw(w, &greeter))
        return;
    raw_write(w, "one\r\ntwo\r\n");
    inject_close(w->raw[0]);
    w->raw[0] = -1;
}

static void a_peer_that_resets(struct world *w)
{
    struct linger none = {.l_onoff = 1};
    if (!serve(w, "127.0.0.1:0", &echoer, 1) || !connect_raw(w))
        return;
    raw_write(w, "one\r\ntw");
    settle(w);
    inject.armed = false;
    setsockopt(w->raw[0], SOL_SOCKET, SO_LINGER, &none, sizeof none);
    inject.armed = true;
    inject_close(w->raw[0]);
    w->raw[0] = -1;
}

/* --- pausing, and pressure --- */

static void pause_and_echo(struct side *s)
{
    asynchat_pause_reading(s->ch);
    echo(s);
}

static const struct program pauser = {.connected = crlf,
                                      .message = pause_and_echo};

/* Each resume gives a message; after the messages comes the end of file. */
static void resume_again_and_again(struct world *w)
{
    for (int i = 0; i < 4; i++) {
        settle(w);
        asynchat_resume_reading(w->sides[1].ch);
    }
    close_when_done(&w->sides[0]);
    settle(w);
    asynchat_resume_reading(w->sides[1].ch);
}

static void paused_at_each_message(struct world *w)
{
    if (over_sockets(w, &talker, &pauser))
        resume_again_and_again(w);
}

static void paused_at_each_message_over_a_pair(struct world *w)
{
    if (over_pair(w, &talker, &pauser))
        resume_again_and_again(w);
}

static void paused_at_each_message_over_bufferevents(struct world *w)
{
    if (over_bufferevents(w, &talker, &pauser))
        resume_again_and_again(w);
}

/* When it pauses, not all bytes that were held back are delivered. */
static void one_byte_and_pause(struct side *s)
{
    asynchat_pause_reading(s->ch);
}

static void paused_among_bytes_held_back(struct world *w)
{
    static const struct program writer = {.connected = held};
    static const struct program reader = {.connected = one_at_a_time,
                                          .data = one_byte_and_pause};
    if (!over_sockets(w, &writer, &reader))
        return;
    for (int i = 0; i < 20; i++) {
        settle(w);
        asynchat_resume_reading(w->sides[1].ch);
    }
}

static void one_in_a_turn(struct side *s)
{
    crlf(s);
    budget(s, 1);
}

static void one_message_in_a_wake_up(struct world *w)
{
    static const struct program reader = {.connected = one_in_a_turn,
                                          .message = echo};
    over_sockets(w, &long_asker, &reader);
}

static void one_message_in_a_wake_up_over_a_pair(struct world *w)
{
    static const struct program reader = {.connected = one_in_a_turn,
                                          .message = echo};
    over_pair(w, &long_asker, &reader);
}

/* From the first connection to the second: sides 0 and 1, 2 and 3. */
static void forward(struct side *s)
{
    struct side *out = &s->world->sides[2];
    size_t len = s->got.len - s->left;
    push(out, s->got.bytes + s->left, len);
    s->left = s->got.len;
}

static void forward_end(struct side *s)
{
    close_when_done(&s->world->sides[2]);
}

static void marks(struct side *s)
{
    if (s->ch && asynchat_set_output_marks(s->ch, 1000, 4000))
        complain(s->world, "the marks are refused");
}

/* If one fails, the other is told as well. */
static void let_go(struct side *s)
{
    struct world *w = s->world;
    close_now(&w->sides[3 - (s - w->sides)]);
}

static void a_proxy(struct world *w)
{
    static const struct program in = {
        .data = forward, .eof = forward_end, .failed = let_go};
    static const struct program out = {.connected = marks, .failed = let_go};
    if (!over_sockets(w, &pourer, &in) ||
        !over_small_sockets(w, &out, &collector))
        return;
    join(&w->sides[1], &w->sides[2]);
}

static void marks_and_much(struct side *s)
{
    marks(s);
    push(s, pattern(), PATTERN_SIZE);
    push(s, pattern(), PATTERN_SIZE);
}

static void pressed(struct side *s)
{
    s->step++;
}

/* Only the one that has more closes. */
static void pressed_before(struct side *s)
{
    if (s->step > 0)
        close_when_done(s);
}

static void pressure_to_a_slow_reader(struct world *w)
{
    static const struct program sender = {.connected = marks_and_much,
                                          .pressed = pressed,
                                          .drained = pressed_before};
    over_small_sockets(w, &sender, &collector);
}

static void too_much(struct side *s)
{
    if (!s->ch)
        return;
    asynchat_set_output_limit(s->ch, 1000);
    for (int i = 0; i < 7 && s->ch && !s->given_up; i++)
        push(s, pattern(), PATTERN_SIZE);
}

static void more_than_the_output_limit(struct world *w)
{
    static const struct program sender = {.connected = too_much};
    over_raw(w, &sender);
}

/* --- messages that are dropped --- */

static void reader_goes_on(struct side *s)
{
    say(s, "too long\r\n");
}

static void a_message_is_dropped(struct world *w)
{
    static const struct program reader = {
        .connected = limited, .message = echo, .dropped = reader_goes_on};
    over_sockets(w, &long_asker, &reader);
}

static void a_whole_message_is_dropped(struct world *w)
{
    static const struct program reader = {.whole = true,
                                          .connected = limited,
                                          .message = echo,
                                          .dropped = reader_goes_on};
    over_sockets(w, &long_asker, &reader);
}

/* --- time --- */

static const struct asynchat_timeouts idle_20 = {.size = sizeof idle_20,
                                                 .idle = 20};
static const struct asynchat_timeouts message_20 = {.size = sizeof message_20,
                                                    .message = 20};
static const struct asynchat_timeouts write_20 = {.size = sizeof write_20,
                                                  .write_idle = 20};
static const struct asynchat_timeouts rate_20 = {
    .size = sizeof rate_20, .min_rate = 1000000, .rate_time = 20};

static void not_idle(struct side *s)
{
    crlf(s);
    timeouts(s, &idle_20);
}

static void a_peer_that_says_nothing(struct world *w)
{
    static const struct program waiting = {.connected = not_idle};
    over_raw(w, &waiting);
}

static void a_peer_that_is_reminded(struct world *w)
{
    static const struct program waiting = {.connected = not_idle,
                                           .idle = say_bye};
    over_raw(w, &waiting);
}

static void not_for_ever(struct side *s)
{
    crlf(s);
    timeouts(s, &message_20);
}

static void a_peer_that_does_not_finish(struct world *w)
{
    static const struct program waiting = {.connected = not_for_ever,
                                           .message = echo};
    if (!over_raw(w, &waiting))
        return;
    settle(w);
    raw_write(w, "one\r\ntw");
}

static void not_too_slow(struct side *s)
{
    crlf(s);
    timeouts(s, &rate_20);
}

static void a_peer_that_is_too_slow(struct world *w)
{
    static const struct program waiting = {.connected = not_too_slow};
    if (!over_raw(w, &waiting))
        return;
    settle(w);
    raw_write(w, "o");
}

static void pour_and_wait(struct side *s)
{
    timeouts(s, &write_20);
    for (int i = 0; i < 7; i++)
        push(s, pattern(), PATTERN_SIZE);
}

static void a_peer_that_takes_nothing(struct world *w)
{
    static const struct program sender = {.connected = pour_and_wait};
    over_raw(w, &sender);
}

/* --- rates --- */

static const struct asynchat_rates not_so_fast = {.size = sizeof not_so_fast,
                                                  .read = 1000000,
                                                  .write = 1000000,
                                                  .read_burst = 10000,
                                                  .write_burst = 10000};

static void pour_slowly(struct side *s)
{
    rates(s, &not_so_fast);
    pour(s);
}

static void take_slowly(struct side *s)
{
    rates(s, &not_so_fast);
}

static const struct program slow_pourer = {.connected = pour_slowly};
static const struct program slow_taker = {.connected = take_slowly};

static void sent_at_a_rate(struct world *w)
{
    over_sockets(w, &slow_pourer, &collector);
}

static void taken_at_a_rate(struct world *w)
{
    over_sockets(w, &pourer, &slow_taker);
}

static void at_a_rate_over_a_pair(struct world *w)
{
    over_pair(w, &slow_pourer, &slow_taker);
}

static void at_a_rate_over_bufferevents(struct world *w)
{
    over_bufferevents(w, &slow_pourer, &slow_taker);
}

/* The group is freed in the middle. */
static void at_a_groups_rate(struct world *w)
{
    struct asynchat_rate_group *group = NULL;
    int error = asynchat_rate_group_new(w->base, &not_so_fast, &group);
    if (!over_sockets(w, &pourer, &collector)) {
        asynchat_rate_group_free(group);
        return;
    }
    if (!error) {
        rate_group(&w->sides[0], group);
        rate_group(&w->sides[1], group);
    }
    settle(w);
    asynchat_rate_group_free(group);
}

/* --- the transcript --- */

static void tell_nothing(struct asynchat_channel *ch,
                         enum asynchat_transcript what, const void *data,
                         size_t len, void *arg)
{
    struct side *s = arg;
    (void)data;
    (void)len;
    if (ch != s->ch || what > ASYNCHAT_TRANSCRIPT_SENT)
        complain(s->world, "the transcript is another's");
}

static void transcribed(struct side *s)
{
    transcript(s, tell_nothing, s);
    crlf(s);
}

static void asker_transcribed(struct side *s)
{
    transcript(s, tell_nothing, s);
    asker_connected(s);
}

static const struct program transcribed_asker = {.connected = asker_transcribed,
                                                 .message = asker_next};
static const struct program transcribed_echoer = {.connected = transcribed,
                                                  .message = echo};

static void with_a_transcript(struct world *w)
{
    over_sockets(w, &transcribed_asker, &transcribed_echoer);
}

static void with_a_transcript_over_a_pair(struct world *w)
{
    over_pair(w, &transcribed_asker, &transcribed_echoer);
}

/* --- half a connection --- */

static void ask_and_shut(struct side *s)
{
    three_lines(s);
    shutdown_write(s);
}

static const struct program half = {.connected = ask_and_shut};

static void the_output_ends_before_the_input(struct world *w)
{
    over_sockets(w, &half, &echoer);
}

static void the_output_ends_before_the_input_over_a_pair(struct world *w)
{
    over_pair(w, &half, &echoer);
}

static void keep(struct side *s)
{
    asynchat_keep_open(s->ch);
}

/* The client asks and ends its side; the answer takes its time. */
static void the_output_outlives_the_input(struct world *w)
{
    static const struct program keeper = {.connected = crlf, .eof = keep};
    if (!over_sockets(w, &half, &keeper)) {
        close_now(&w->sides[1]);
        return;
    }
    settle(w);
    say(&w->sides[1], "late\r\n");
    settle(w);
    close_when_done(&w->sides[1]);
}

/* It sends something; a second push is refused while the other still sends. */
static void refuse_more(struct side *s)
{
    say(s, "enough\r\n");
    close_in_stages(s);
}

static void closed_in_stages(struct world *w)
{
    static const struct program refuser = {.connected = crlf,
                                           .message = refuse_more};
    over_sockets(w, &long_asker, &refuser);
}

static void abort_now(struct side *s)
{
    asynchat_abort(s->ch);
    s->given_up = true;
}

static void aborted(struct world *w)
{
    static const struct program aborter = {.connected = crlf,
                                           .message = abort_now};
    if (serve(w, "127.0.0.1:0", &aborter, 1))
        connect_to_server(w, &talker);
}

/* In threads.c. */
void posts_over_sockets(struct world *w);
void posts_over_a_pair(struct world *w);
void workers_that_talk(struct world *w);
void connections_for_workers(struct world *w);

#define SCENARIO(name, flags)                                                  \
    {                                                                          \
#name, name, flags                                                     \
    }

/* --- layers --- */

static struct toy layers_of[SIDES];
static struct world *layers_world;

static void layer_release(void *layer)
{
    ((struct toy *)layer)->calls++; /* none comes after this */
    layers_world->released++;
}

static void layer_set(struct side *s, int steps)
{
    static struct asynchat_layer_ops ops;
    struct world *w = s->world;
    struct toy *toy = &layers_of[s - w->sides];
    *toy = (struct toy){.client = s == w->sides, .steps = steps, .half = -1};
    toy->talks = 2;
    toy->waits = s == w->sides ? 0 : 3;
    ops = toy_ops;
    ops.release = layer_release;
    layers_world = w;
    int error = asynchat_set_layer(s->ch, &ops, toy, NULL);
    note(s, error);
    if (error)
        close_now(s);
    else
        w->lent++;
}

static void layers_set(struct world *w, int steps)
{
    for (int i = 0; i < w->count; i++)
        if (w->sides[i].ch)
            layer_set(&w->sides[i], steps);
}

static void lines_in_layers(struct world *w)
{
    if (over_sockets(w, &asker, &echoer))
        layers_set(w, 3);
}

static void lines_in_layers_over_a_pair(struct world *w)
{
    if (over_pair(w, &asker, &echoer))
        layers_set(w, 3);
}

static void much_in_layers_over_small_sockets(struct world *w)
{
    if (over_small_sockets(w, &pourer, &collector))
        layers_set(w, 2);
}

static void much_in_layers_over_a_pair(struct world *w)
{
    if (over_pair(w, &pourer, &collector))
        layers_set(w, 2);
}

static void starter_connected(struct side *s)
{
    layer_set(s, 3);
    asker_connected(s);
}

static void started_connected(struct side *s)
{
    layer_set(s, 3);
    crlf(s);
}

static const struct program starter = {.connected = starter_connected,
                                       .message = asker_next};
static const struct program started = {.connected = started_connected,
                                       .message = echo};

static void layers_that_begin_later(struct world *w)
{
    over_sockets(w, &starter, &started);
}

static void layers_that_begin_later_over_a_pair(struct world *w)
{
    over_pair(w, &starter, &started);
}

/* The border waits for a producer. */
static void border_connected(struct side *s)
{
    crlf(s);
    push_producer(s, asynchat_producer_simple("go\r\n", 4, 2), "go\r\n", 4);
    layer_set(s, 3);
    if (s->ch)
        asker_next(s);
}

static void border_message(struct side *s)
{
    if (s->step++ == 0)
        layer_set(s, 3);
    else
        echo(s);
}

static void layers_that_begin_behind_a_producer(struct world *w)
{
    static const struct program first = {.connected = border_connected,
                                         .message = asker_next};
    static const struct program second = {.connected = crlf,
                                          .message = border_message};
    over_sockets(w, &first, &second);
}

const struct scenario scenarios[] = {
    SCENARIO(lines_over_sockets, 0),
    SCENARIO(lines_over_a_pair, 0),
    SCENARIO(lines_over_bufferevents, WAITS),
    SCENARIO(lines_over_filters, WAITS),
    SCENARIO(requests_over_sockets, 0),
    SCENARIO(requests_over_a_pair, 0),
    SCENARIO(requests_over_bufferevents, WAITS),
    SCENARIO(lines_over_tcp, SYSTEM | WAITS),
    SCENARIO(lines_over_unix, WAITS),
    SCENARIO(a_path_is_taken_over, WAITS | FAILS),
    SCENARIO(a_socket_is_handed_over, WAITS),
    SCENARIO(ipv6_with_every_flag, SYSTEM | WAITS),
    SCENARIO(lines_from_a_connecting_bufferevent, SYSTEM | WAITS),
    SCENARIO(several_clients, WAITS),
    SCENARIO(long_answers, 0),
    SCENARIO(clients_wait_for_a_full_server, WAITS),
    SCENARIO(a_full_server_turns_away, WAITS | TIMED | FAILS),
    SCENARIO(an_address_has_too_many, SYSTEM | WAITS | TIMED | FAILS),
    SCENARIO(connections_outlive_the_server, WAITS),
    SCENARIO(a_server_is_freed_with_connections_waiting, WAITS | TIMED),
    SCENARIO(stopped_between_messages, WAITS),
    SCENARIO(stopped_with_connections_waiting, WAITS | TIMED | FAILS),
    SCENARIO(stopped_by_a_signal, WAITS),
    SCENARIO(stopped_and_a_message_is_finished, WAITS | TIMED),
    SCENARIO(stopped_and_time_is_up, WAITS | FAILS),
    SCENARIO(stopped_in_a_callback, WAITS),
    SCENARIO(stopped_and_freed, SYSTEM | WAITS),
    SCENARIO(pushed_before_it_is_connected, WAITS),
    SCENARIO(a_header_before_everything, SYSTEM | WAITS | TIMED | FAILS),
    SCENARIO(a_long_header, SYSTEM | WAITS | TIMED | FAILS),
    SCENARIO(addresses, SYSTEM | WAITS),
    SCENARIO(lines_by_name, SYSTEM | WAITS | FAILS),
    SCENARIO(refused_by_tcp, SYSTEM),
    SCENARIO(no_such_path, 0),
    SCENARIO(no_answer_in_time, SYSTEM),
    SCENARIO(never_connected, 0),
    SCENARIO(closed_while_connecting, SYSTEM),
    SCENARIO(whole_messages, 0),
    SCENARIO(whole_messages_over_a_pair, 0),
    SCENARIO(whole_message_until_the_end, 0),
    SCENARIO(a_message_too_long, FAILS),
    SCENARIO(terminators_that_change, 0),
    SCENARIO(framings_and_blocks, 0),
    SCENARIO(held_bytes_are_matched_again, 0),
    SCENARIO(a_terminator_set_among_bytes_held_back, 0),
    SCENARIO(a_terminator_set_while_more_is_received, 0),
    SCENARIO(the_same_over_a_pair, 0),
    SCENARIO(long_terminators, 0),
    SCENARIO(the_end_in_the_middle, 0),
    SCENARIO(much_over_sockets, 0),
    SCENARIO(much_over_small_sockets, 0),
    SCENARIO(much_over_tcp, SYSTEM | WAITS),
    SCENARIO(much_over_a_pair, 0),
    SCENARIO(much_over_bufferevents, WAITS),
    SCENARIO(much_over_filters, WAITS),
    SCENARIO(more_when_it_is_drained, 0),
    SCENARIO(more_when_a_pair_is_drained, 0),
    SCENARIO(pushes_of_all_kinds, 0),
    SCENARIO(pushes_of_all_kinds_to_a_slow_reader, 0),
    SCENARIO(pushes_of_all_kinds_over_a_pair, 0),
    SCENARIO(blocks_over_sockets, 0),
    SCENARIO(blocks_to_a_slow_reader, 0),
    SCENARIO(blocks_over_a_pair, 0),
    SCENARIO(slots_over_sockets, 0),
    SCENARIO(slots_to_a_slow_reader, 0),
    SCENARIO(slots_over_a_pair, 0),
    SCENARIO(slots_of_other_threads, 0),
    SCENARIO(slots_that_are_gone, LOSES),
    SCENARIO(lines_in_tiny_pieces, 0),
    SCENARIO(lines_in_tiny_pieces_over_bufferevents, WAITS),
    SCENARIO(producers_over_sockets, 0),
    SCENARIO(producers_to_a_slow_reader, 0),
    SCENARIO(producers_over_a_pair, 0),
    SCENARIO(producers_over_bufferevents, WAITS),
    SCENARIO(producers_over_filters, WAITS),
    SCENARIO(files_only, 0),
    SCENARIO(a_producer_that_waits, 0),
    SCENARIO(a_producer_that_waits_over_a_pair, 0),
    SCENARIO(a_producer_that_fails, FAILS),
    SCENARIO(a_producer_that_discards_itself, LOSES),
    SCENARIO(a_producer_that_closes, LOSES | TIMED),
    SCENARIO(a_producer_that_frees, LOSES | TIMED),
    SCENARIO(a_file_that_is_too_short, FAILS),
    SCENARIO(a_file_that_is_too_short_over_a_pair, FAILS),
    SCENARIO(a_pipe_is_no_file, FAILS),
    SCENARIO(closing_with_input_unread, LINGERS | TIMED),
    SCENARIO(closing_with_input_unread_over_a_pair, 0),
    SCENARIO(closing_in_a_callback, LINGERS | TIMED),
    SCENARIO(freeing_in_a_callback, TIMED),
    SCENARIO(freeing_in_a_callback_over_a_pair, 0),
    SCENARIO(freeing_from_outside, LOSES),
    SCENARIO(closing_with_a_queue, LOSES),
    SCENARIO(discarding_output, LOSES),
    SCENARIO(discarding_input, LOSES | TIMED),
    SCENARIO(a_peer_that_does_not_read, 0),
    SCENARIO(a_peer_that_does_not_hang_up, LINGERS | TIMED),
    SCENARIO(a_peer_that_only_listens, 0),
    SCENARIO(a_peer_that_came_and_went, 0),
    SCENARIO(a_peer_that_resets, SYSTEM | WAITS),
    SCENARIO(paused_at_each_message, 0),
    SCENARIO(paused_at_each_message_over_a_pair, 0),
    SCENARIO(paused_at_each_message_over_bufferevents, WAITS),
    SCENARIO(paused_among_bytes_held_back, 0),
    SCENARIO(one_message_in_a_wake_up, 0),
    SCENARIO(one_message_in_a_wake_up_over_a_pair, 0),
    SCENARIO(a_proxy, 0),
    SCENARIO(pressure_to_a_slow_reader, 0),
    SCENARIO(more_than_the_output_limit, 0),
    SCENARIO(a_message_is_dropped, LOSES),
    SCENARIO(a_whole_message_is_dropped, LOSES),
    SCENARIO(a_peer_that_says_nothing, 0),
    SCENARIO(a_peer_that_is_reminded, 0),
    SCENARIO(a_peer_that_does_not_finish, 0),
    SCENARIO(a_peer_that_is_too_slow, 0),
    SCENARIO(a_peer_that_takes_nothing, 0),
    SCENARIO(sent_at_a_rate, 0),
    SCENARIO(taken_at_a_rate, 0),
    SCENARIO(at_a_rate_over_a_pair, 0),
    SCENARIO(at_a_rate_over_bufferevents, WAITS),
    SCENARIO(at_a_groups_rate, WAITS),
    SCENARIO(with_a_transcript, 0),
    SCENARIO(with_a_transcript_over_a_pair, 0),
    SCENARIO(the_output_ends_before_the_input, LINGERS),
    SCENARIO(the_output_ends_before_the_input_over_a_pair, 0),
    SCENARIO(the_output_outlives_the_input, LINGERS),
    SCENARIO(closed_in_stages, LOSES | LINGERS | TIMED),
    SCENARIO(aborted, SYSTEM | WAITS | LINGERS),
    SCENARIO(posts_over_sockets, 0),
    SCENARIO(posts_over_a_pair, 0),
    SCENARIO(lines_in_layers, LINGERS),
    SCENARIO(lines_in_layers_over_a_pair, LINGERS),
    SCENARIO(much_in_layers_over_small_sockets, TIMED | LINGERS),
    SCENARIO(much_in_layers_over_a_pair, LINGERS),
    SCENARIO(layers_that_begin_later, LINGERS),
    SCENARIO(layers_that_begin_later_over_a_pair, LINGERS),
    SCENARIO(layers_that_begin_behind_a_producer, LINGERS),
    SCENARIO(workers_that_talk, 0),
    SCENARIO(connections_for_workers, SYSTEM | WAITS),
    {0},
};
