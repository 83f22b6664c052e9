/* Messages whose length stands in front of them, and limits at their borders,
 * through a channel: what users of other libraries have met.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include "channel/object.h"

#define BYTES(text) text, sizeof(text) - 1

/* --- framings --- */

static struct asynchat_framing *prefix(unsigned bytes, unsigned flags,
                                       int adjustment)
{
    const struct asynchat_prefix p = {.size = sizeof p,
                                      .bytes = bytes,
                                      .flags = flags,
                                      .adjustment = adjustment};
    return asynchat_framing_prefix(&p);
}

static void set_framing(struct fixture *f, struct asynchat_framing *framing)
{
    assert_int_equal(asynchat_set_framing(f->ch, framing), 0);
}

/* A channel with this framing. `limit` 0: the usual limit. */
static struct fixture *start_framed(void **state,
                                    const struct asynchat_handler *handler,
                                    struct asynchat_framing *framing,
                                    size_t limit)
{
    struct fixture *f = start_with(state, handler);
    expect(f, "connect");
    set_framing(f, framing);
    if (limit > 0)
        assert_int_equal(asynchat_set_message_limit(f->ch, limit), 0);
    return f;
}

/* --- cut off --- */

/* The end comes where more was asked for: a message is cut off, also if no byte
 * of it has come. */
static void expect_end(void **state, struct asynchat_framing *framing,
                       const void *data, size_t len, const char *events)
{
    struct fixture *f = start_framed(state, &whole_recorder, framing, 0);
    feed(f, data, len);
    settle(f);
    feed_eof(f);
    settle_closed(f);
    expect(f, events);
    close_connection(f);
}

static void the_end_in_the_middle_is_told(void **state)
{
    static const char cut[] = "eof(cut off) closed(EOF)";
    expect_end(state, prefix(4, 0, 0), BYTES("\0\0"), cut);
    expect_end(state, prefix(4, 0, 0), BYTES("\0\0\0\5"), cut);
    expect_end(state, prefix(4, 0, 0), BYTES("\0\0\0\5abcd"), cut);
    expect_end(state, asynchat_framing_varint(0, 0), BYTES("\x80"), cut);
    expect_end(state, asynchat_framing_varint(0, 0), BYTES("\1"), cut);
    expect_end(state, asynchat_framing_netstring(), BYTES("1"), cut);
    expect_end(state, asynchat_framing_netstring(), BYTES("0:"), cut);
    expect_end(state, asynchat_framing_netstring(), BYTES("1:a"), cut);
    expect_end(state, asynchat_framing_dotted(0), BYTES(""), cut);
    expect_end(state, asynchat_framing_dotted(0), BYTES("hello\r\n"), cut);
    expect_end(state, asynchat_framing_dotted(0), BYTES("hello\r\n.\r"), cut);
}

static void the_end_between_messages_is_in_order(void **state)
{
    expect_end(state, prefix(4, 0, 0), BYTES(""), "eof closed(EOF)");
    expect_end(state, prefix(1, 0, 0), BYTES("\1a\0"),
               "message(a) message() eof closed(EOF)");
    expect_end(state, asynchat_framing_varint(0, 0), BYTES("\1a"),
               "message(a) eof closed(EOF)");
    expect_end(state, asynchat_framing_netstring(), BYTES("1:a,"),
               "message(a) eof closed(EOF)");
    expect_end(state, asynchat_framing_dotted(0), BYTES("a\r\n.\r\n"),
               "message(a\\r\\n) eof closed(EOF)");
}

/* --- over the limit --- */

/* The channel ends as soon as the length is known, with nothing kept. */
static void expect_too_long(void **state, struct asynchat_framing *framing,
                            size_t limit, const void *data, size_t len)
{
    struct fixture *f = start_framed(state, &whole_recorder, framing, limit);
    feed(f, data, len);
    settle(f);
    expect(f, f->ch ? "error(ETOOLONG)" : "error(ETOOLONG) closed(ETOOLONG)");
    if (f->ch) /* over a socket it waits for the peer's end */
        assert_int_equal(f->ch->in.message.capacity, 0);
    close_connection(f);
}

static void a_length_over_the_limit_is_told_from_the_head(void **state)
{
    expect_too_long(state, prefix(4, 0, 0), 1 << 20, BYTES("\x7f\xff\xff\xff"));
    expect_too_long(state, prefix(4, 0, 0), 1 << 20, BYTES("\0\x10\0\1"));
    expect_too_long(state, prefix(8, 0, 0), 100, BYTES("\0\0\0\1\0\0\0\5"));
    expect_too_long(state, prefix(8, 0, 0), 100, BYTES("\x80\0\0\0\0\0\0\0"));
    expect_too_long(state, prefix(8, 0, 1), 100,
                    BYTES("\xff\xff\xff\xff\xff\xff\xff\xff"));
    expect_too_long(state, asynchat_framing_varint(0, 0), 100,
                    BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"));
    expect_too_long(state, asynchat_framing_varint(0, ASYNCHAT_VARINT_MQTT),
                    1 << 20, BYTES("\xff\xff\xff\x7f"));
    expect_too_long(state, asynchat_framing_netstring(), 100,
                    BYTES("18446744073709551615:"));
}

/* The limit is the length of what `message` gets. */
static void the_length_is_adjusted_before_it_is_compared(void **state)
{
    static const struct {
        unsigned flags;
        int adjustment;
        unsigned char ten, none, eleven; /* the numbers for such lengths */
    } rows[] = {{ASYNCHAT_PREFIX_INCLUSIVE, 0, 14, 4, 15},
                {0, -4, 14, 4, 15},
                {0, 0, 10, 0, 11}};
    for (size_t i = 0; i < 3; i++) {
        char stream[18] = "\0\0\0\0abcdefghij", head[4] = "";
        struct fixture *f =
            start_framed(state, &whole_recorder,
                         prefix(4, rows[i].flags, rows[i].adjustment), 10);
        stream[3] = (char)rows[i].ten;
        stream[17] = (char)rows[i].none;
        feed_bytes_every_way(f, stream, sizeof stream,
                             "message(abcdefghij) message()");
        close_connection(f);
        head[3] = (char)rows[i].eleven;
        expect_too_long(state, prefix(4, rows[i].flags, rows[i].adjustment), 10,
                        head, sizeof head);
    }
}

/* Nothing inside of a message that is dropped is looked at, and the next one is
 * whole. */
static void what_is_dropped_is_not_looked_at(void **state)
{
    static const char bytes[] = "\0\12\0\1x\0\2yz\r\nq\0\0\0\3abc\0\4abcd\0\0"
                                "\0\1d";
    static const char *const events[] = {
        "dropped(,10) message() message(abc) dropped(,4) message() message(d)",
        "dropped(,10) found data(abc) found dropped(,4) found data(d) found"};
    const struct asynchat_handler *handlers[] = {&dropping_whole_recorder,
                                                 &dropping_recorder};
    for (int i = 0; i < 2; i++) {
        struct fixture *f =
            start_framed(state, handlers[i], prefix(2, 0, 0), 3);
        feed_bytes_every_way(f, bytes, sizeof bytes - 1, events[i]);
        feed(f, BYTES("\0\12abc"));
        settle(f);
        feed_eof(f);
        settle_closed(f);
        expect(f, "dropped(,3) eof(cut off) closed(EOF)");
        close_connection(f);
    }
}

/* A length that no stream has: what has come is told. */
static void a_length_of_64_bits_is_dropped(void **state)
{
    struct fixture *f =
        start_framed(state, &dropping_whole_recorder, prefix(8, 0, 0), 100);
    feed(f, BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\1a"));
    settle(f);
    feed_eof(f);
    settle_closed(f);
    expect(f, "dropped(,9) eof(cut off) closed(EOF)");
}

/* --- broken --- */

/* A broken head is no data, and neither is what is behind a message that lacks
 * its comma; and the error is the same, however much of that has come. */
static void expect_broken(void **state, const struct asynchat_handler *handler,
                          const char *stream, const char *events)
{
    for (size_t cut = 0; cut <= strlen(stream); cut++) {
        struct fixture *f =
            start_framed(state, handler, asynchat_framing_netstring(), 4);
        feed(f, stream, cut);
        settle(f);
        if (f->ch)
            feed_string(f, stream + cut);
        settle(f);
        if (f->ch) { /* over a socket it waits for the peer's end */
            feed_eof(f);
            settle_closed(f);
        }
        expect(f, events);
        close_connection(f);
    }
}

static void what_is_broken_is_told_alike_at_every_cut(void **state)
{
    static const char head[] = "1:a,,:toolong,", comma[] = "1:a,3:abcdefghi,",
                      too_long[] = "5:abcdefghi,";
    expect_broken(state, &recorder, head,
                  "data(a) found error(EFRAMING) closed(EFRAMING)");
    expect_broken(state, &dropping_recorder, head,
                  "data(a) found error(EFRAMING) closed(EFRAMING)");
    expect_broken(state, &dropping_whole_recorder, head,
                  "message(a) error(EFRAMING) closed(EFRAMING)");
    expect_broken(state, &recorder, comma,
                  "data(a) found data(abc) error(EFRAMING) closed(EFRAMING)");
    expect_broken(state, &dropping_recorder, comma,
                  "data(a) found data(abc) error(EFRAMING) closed(EFRAMING)");
    expect_broken(state, &dropping_whole_recorder, too_long,
                  "error(EFRAMING) closed(EFRAMING)");
    expect_broken(state, &recorder, too_long,
                  "error(ETOOLONG) closed(ETOOLONG)");
}

/* --- memory --- */

/* Memory follows what came, and not what was announced. */
static void a_length_reserves_nothing(void **state)
{
    struct fixture *f =
        start_framed(state, &whole_recorder, prefix(4, 0, 0), 1 << 30);
    feed(f, BYTES("\77\0\0\0x"));
    settle(f);
    expect(f, "");
    assert_in_range(f->ch->in.message.capacity, 1, 4096);
    close_connection(f);
    f = start_framed(state, &whole_recorder, asynchat_framing_netstring(),
                     1 << 30);
    feed(f, BYTES("1000000000:x"));
    settle(f);
    assert_in_range(f->ch->in.message.capacity, 1, 4096);
    assert_int_equal(asynchat_set_block(f->ch, 1 << 30), 0);
    feed(f, BYTES("x"));
    settle(f);
    assert_in_range(f->ch->in.message.capacity, 1, 4096);
}

/* --- varints --- */

static void keep_length(struct asynchat_channel *ch, const void *data,
                        size_t len, void *arg)
{
    struct fixture *f = arg;
    (void)ch;
    (void)data;
    f->log_len = (size_t)sprintf(f->log, "%zu", len);
    f->count++;
}

static const struct asynchat_handler keeps_length = {
    .size = sizeof keeps_length, .message = keep_length};

static size_t put_varint(char *to, uint32_t number)
{
    size_t n = 0;
    for (; number > 127; number >>= 7)
        to[n++] = (char)(number | 0x80);
    to[n++] = (char)number;
    return n;
}

/* Feeds a message of that length, whose head is cut, and one of a byte. */
static void feed_length(struct fixture *f, uint32_t length, size_t cut)
{
    char head[8], wanted[16], *body = calloc(1, length);
    size_t len = put_varint(head, length), first = cut < len ? cut : len;
    assert_non_null(body);
    feed(f, head, first);
    settle(f);
    feed(f, head + first, len - first);
    feed(f, body, length);
    settle(f);
    sprintf(wanted, "%u", (unsigned)length);
    expect(f, wanted);
    feed(f, BYTES("\1z"));
    settle(f);
    expect(f, "1");
    free(body);
}

/* Where the lower groups are 0, a reader that stops too early sees an empty
 * message, and many false ones behind it. */
static void lengths_with_lower_bits_of_0(void **state)
{
    static const uint32_t lengths[] = {127,   128,     16383,
                                       16384, 2097151, 2097152};
    struct fixture *f = start_with(state, &keeps_length);
    set_framing(f, asynchat_framing_varint(0, 0));
    assert_int_equal(asynchat_set_message_limit(f->ch, 1 << 22), 0);
    for (size_t cut = 0; cut <= 5; cut++)
        for (size_t i = 0; i < 6; i++)
            feed_length(f, lengths[i], cut);
    assert_int_equal(f->count, 6 * 6 * 2);
}

/* --- many empty messages --- */

#define EMPTY 100000

struct neighbour {
    struct fixture *f;
    struct asynchat_channel *ch, *far;
    int said_at, seen_at; /* how many messages the other channel had by then */
};

static void neighbour_hears(struct asynchat_channel *ch, const void *data,
                            size_t len, void *arg)
{
    struct neighbour *n = arg;
    (void)data;
    (void)len;
    if (ch == n->ch)
        n->seen_at = n->f->count;
}

static const struct asynchat_handler hears = {
    .size = sizeof hears, .collect_incoming_data = neighbour_hears};

static void count_empty(struct fixture *f)
{
    f->count += f->data_len == 0;
    f->log_len = 0;
}

/* They count for the budget, so others get their turn. */
static void empty_messages_starve_nobody(void **state)
{
    struct fixture *f =
        start_framed(state, &whole_recorder, prefix(4, 0, 0), 0);
    struct neighbour n = {.f = f, .seen_at = -1};
    const struct asynchat_handler *handlers[2] = {&hears, &hears};
    struct asynchat_channel *pair[2];
    void *args[2] = {&n, &n};
    char *heads = calloc(EMPTY, 4);
    assert_int_equal(asynchat_set_message_budget(f->ch, 10), 0);
    assert_int_equal(asynchat_pair_new(f->base, handlers, args, pair), 0);
    n.ch = pair[0];
    n.far = pair[1];
    settle(f);
    f->on_message = count_empty;
    feed(f, heads, (size_t)EMPTY * 4);
    n.said_at = f->count;
    assert_int_equal(asynchat_push(n.far, "line", 4), 0);
    while (f->count < EMPTY)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    settle(f);
    assert_int_equal(f->count, EMPTY);
    assert_in_range(n.seen_at - n.said_at, 0, 100);
    asynchat_channel_free(n.ch);
    asynchat_channel_free(n.far);
    free(heads);
}

/* --- alternatives --- */

static void write_matched(struct fixture *f)
{
    f->log_len += (size_t)sprintf(f->log + f->log_len, "|%u",
                                  asynchat_get_matched(f->ch));
}

/* Which of them has ended the message is known in the callback, and nothing
 * waits for a longer one. */
static void it_is_known_which_alternative_matched(void **state)
{
    static const struct asynchat_bytes ends[] = {
        {"\r", 1}, {"\r\n", 2}, {"\n", 1}, {"END", 3}};
    struct fixture *f = start_framed(state, &whole_recorder,
                                     asynchat_framing_alternatives(ends, 4), 0);
    f->on_message = write_matched;
    feed_bytes_every_way(f, BYTES("a\r\nbENDc\nEN\r"),
                         "message(a)|0 message()|2 message(b)|3 message(c)|2 "
                         "message(EN)|0");
    feed_string(f, "d\r");
    settle(f);
    expect(f, "message(d)|0");
    feed_eof(f);
    settle_closed(f);
    expect(f, "eof closed(EOF)");
}

/* --- at the limit, in each framing --- */

static int look_at_head(const void *bytes, size_t len,
                        struct asynchat_head *head, void *arg)
{
    (void)len;
    (void)arg;
    head->skip = 1;
    head->length = *(const unsigned char *)bytes;
    return ASYNCHAT_HEAD_KNOWN;
}

enum { LINES, STRICT, TWO, PREFIX, VARINT, NETSTRING, FUNCTION, DOTTED, FORMS };

static struct asynchat_framing *make_form(int form)
{
    static const struct asynchat_bytes two[] = {{"\r\n", 2}, {"--", 2}};
    switch (form) {
    case LINES:
        return asynchat_framing_lines(0);
    case STRICT:
        return asynchat_framing_lines(ASYNCHAT_LINES_STRICT);
    case TWO:
        return asynchat_framing_alternatives(two, 2);
    case PREFIX:
        return prefix(1, 0, 0);
    case VARINT:
        return asynchat_framing_varint(0, 0);
    case NETSTRING:
        return asynchat_framing_netstring();
    case FUNCTION:
        return asynchat_framing_function(look_at_head, 4, NULL);
    default:
        return asynchat_framing_dotted(0);
    }
}

/* Writes a message of `len` bytes as the form has it. Of dotted data the last
 * two are a line end. */
static size_t put_message(int form, char *to, size_t len)
{
    static const char *const ends[] = {[LINES] = "\r\n",
                                       [STRICT] = "\r\n",
                                       [TWO] = "--",
                                       [NETSTRING] = ",",
                                       [DOTTED] = "\r\n.\r\n"};
    size_t n = 0, body = form == DOTTED ? len - 2 : len;
    if (form == PREFIX || form == VARINT || form == FUNCTION)
        to[n++] = (char)len;
    if (form == NETSTRING)
        n += (size_t)sprintf(to, "%zu:", len);
    memset(to + n, 'x', body);
    n += body;
    return n + (size_t)(ends[form] ? sprintf(to + n, "%s", ends[form]) : 0);
}

/* What is dropped because its length was announced was never seen. */
static void tell_message(char *to, int form, size_t len, size_t limit)
{
    static const char *const dotted[] = {"\\r\\n", "x\\r\\n", "xx\\r"};
    bool announced = form >= PREFIX && form<DOTTED, drops = len> limit;
    int shown = (int)(announced && drops ? 0 : drops ? limit : len);
    to += strlen(to);
    to += sprintf(to, " %s(", drops ? "dropped" : "message");
    if (form == DOTTED)
        to += sprintf(to, "%s", dotted[len - 2]);
    else
        to += sprintf(to, "%.*s", shown, "xxx");
    if (drops)
        sprintf(to, ",%zu)", len);
    else
        sprintf(to, ")");
}

/* A message of just the limit is delivered, and one of a byte more is dropped
 * with its true length, however the bytes are cut. */
static void just_at_the_limit(void **state)
{
    for (int form = 0; form < FORMS; form++)
        for (size_t limit = form == DOTTED ? 3 : 1; limit <= 3; limit++) {
            char stream[128], events[256] = "";
            size_t n = 0;
            for (size_t len = limit - 1; len <= limit + 1; len++) {
                n += put_message(form, stream + n, len);
                tell_message(events, form, len, limit);
            }
            n += put_message(form, stream + n, limit);
            tell_message(events, form, limit, limit);
            struct fixture *f = start_framed(state, &dropping_whole_recorder,
                                             make_form(form), limit);
            feed_bytes_every_way(f, stream, n, events + 1);
            close_connection(f);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_ALL(the_end_in_the_middle_is_told),
        OVER_ALL(the_end_between_messages_is_in_order),
        OVER_ALL(a_length_over_the_limit_is_told_from_the_head),
        OVER_ALL(the_length_is_adjusted_before_it_is_compared),
        OVER_ALL(what_is_dropped_is_not_looked_at),
        OVER_ALL(a_length_of_64_bits_is_dropped),
        OVER_ALL(what_is_broken_is_told_alike_at_every_cut),
        OVER_ALL(a_length_reserves_nothing),
        OVER(PAIR, lengths_with_lower_bits_of_0),
        OVER_ALL(empty_messages_starve_nobody),
        OVER_ALL(it_is_known_which_alternative_matched),
        OVER_ALL(just_at_the_limit),
    };
    return RUN(tests);
}
