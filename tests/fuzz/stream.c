/* A stream of bytes, cut anywhere, with terminators of every kind, framings,
 * blocks, and bytes that are skipped, which change at any time. The channel must
 * deliver what the model says.
 *
 * The front of the input says what is sent, the back what callbacks do. With
 * FUZZ_FRAMING in the environment, each framing is the one of that name, and
 * the stream begins with it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/bufferevent.h>
#include <event2/event.h>

#include <asynchat.h>

#include "input.h"
#include "model.h"

#define CHUNK_MOST 8192
#define SENDS_MOST 100 /* each has a price in the socket's buffer */

struct world {
    struct input in;
    struct model model;
    struct event_base *base;
    struct asynchat_channel *ch;  /* NULL when it has closed, or was freed */
    struct asynchat_channel *far; /* the far end over a pair; or NULL */
    int peer;                     /* the far end over a socket; or -1 */
    bool whole;                   /* messages come whole */
    bool drops;      /* drops messages over the limit, and goes on */
    bool started;    /* handle_connect was called */
    bool eof;        /* handle_eof was called */
    int error;       /* the error given to handle_error */
    bool told;       /* asynchat_close was called */
    bool delivering; /* in a callback about bytes that were received */
    bool outside;    /* what is done is done outside of callbacks */
    size_t size;     /* the smallest size of pieces */
    size_t largest;  /* the largest size since all was quiet */
    size_t recent;   /* how many bytes were sent since all was quiet */
    unsigned sends;  /* in how many parts they were sent */
};

static struct world world;

static const char *const framings[] = {"lines",   "dotted", "alternatives",
                                       "prefix",  "varint", "netstring",
                                       "function"};
#define FRAMINGS (sizeof framings / sizeof framings[0])

/* --- what is done to the channel, from inside and outside --- */

static const char *const palette[] = {
    "\r\n", "\n",   "a",      "ab",        "aab",    "abab",           "aaab",
    "aba",  "\r\r", "\r\n\r", "\r\n.\r\n", "abcabd", "--ab\r\n--ab--", "ba"};

static void model_now(struct world *w, const struct naive *ends)
{
    model_set(&w->model, ends, !w->outside);
}

static void set_string(struct world *w, const void *bytes, size_t len)
{
    struct naive ends = {.kind = len > 0 ? NAIVE_WORDS : NAIVE_NONE,
                         .words = {{bytes, len}},
                         .count = 1};
    CHECK(asynchat_set_terminator(w->ch, bytes, len) == 0);
    model_now(w, &ends);
}

static const char *from_palette(unsigned which)
{
    return palette[which % (sizeof palette / sizeof palette[0])];
}

static void set_from_palette(struct world *w, unsigned which)
{
    const char *text = from_palette(which);
    set_string(w, text, strlen(text));
}

/* A run with one other byte near its end, which falls back without end. */
static void set_long(struct world *w, unsigned len, unsigned other)
{
    uint8_t bytes[TERMINATOR_MOST];
    size_t n = 2 + len;
    memset(bytes, 'a', n);
    bytes[n - 1 - other % 2] = "bc\n-"[other / 2 % 4];
    set_string(w, bytes, n);
}

/* Sets the rest of the terminator in force, from the bytes that it lends. */
static void set_rest(struct world *w)
{
    const void *bytes;
    uint64_t len;
    if (asynchat_get_terminator(w->ch, &bytes, &len) != ASYNCHAT_STRING ||
        len <= 1)
        return;
    struct naive ends = {.kind = NAIVE_WORDS, .count = 1};
    ends.words[0].data = w->model.bytes + 1;
    ends.words[0].len = (size_t)len - 1;
    CHECK(asynchat_set_terminator(w->ch, (const uint8_t *)bytes + 1,
                                  (size_t)len - 1) == 0);
    model_now(w, &ends);
}

static void set_length(struct world *w, unsigned len)
{
    struct naive ends = {.kind = len > 0 ? NAIVE_NUMBER : NAIVE_NONE,
                         .number = len};
    CHECK(asynchat_set_terminator_length(w->ch, len) == 0);
    model_now(w, &ends);
}

static void set_none(struct world *w)
{
    struct naive ends = {.kind = NAIVE_NONE};
    CHECK(asynchat_set_terminator_none(w->ch) == 0);
    model_now(w, &ends);
}

static void set_block(struct world *w, unsigned len)
{
    struct naive ends = {.kind = NAIVE_BLOCK, .number = len};
    CHECK(asynchat_set_block(w->ch, len) == 0);
    model_now(w, &ends);
}

/* --- framings --- */

static struct asynchat_framing *make_words(struct naive *ends, struct world *w,
                                           unsigned (*next)(struct input *))
{
    ends->kind = NAIVE_WORDS;
    ends->count = 2 + next(&w->in) % 3;
    for (size_t i = 0; i < ends->count; i++) {
        const char *text = from_palette(next(&w->in));
        ends->words[i] = (struct asynchat_bytes){text, strlen(text)};
    }
    return asynchat_framing_alternatives(ends->words, ends->count);
}

static struct asynchat_framing *make_prefix(struct naive *ends, struct world *w,
                                            unsigned (*next)(struct input *))
{
    static const unsigned bytes[] = {1, 2, 3, 4, 8}, offsets[] = {0, 1, 3, 56};
    unsigned form = next(&w->in), more = next(&w->in);
    ends->kind = NAIVE_PREFIX;
    ends->prefix = (struct asynchat_prefix){.size = sizeof ends->prefix,
                                            .bytes = bytes[form % 5],
                                            .flags = form / 5 % 8,
                                            .offset = offsets[more % 4],
                                            .adjustment = (int)(more / 4 % 8)};
    if (ends->prefix.adjustment > 2)
        ends->prefix.adjustment = 4 - ends->prefix.adjustment;
    return asynchat_framing_prefix(&ends->prefix);
}

static struct asynchat_framing *make_varint(struct naive *ends, unsigned form)
{
    static const unsigned offsets[] = {0, 1, 2, 54};
    ends->kind = NAIVE_VARINT;
    ends->prefix.offset = offsets[form % 4];
    ends->prefix.flags =
        form / 4 % 4 * ASYNCHAT_PREFIX_KEPT; /* and ASYNCHAT_VARINT_MQTT */
    return asynchat_framing_varint(ends->prefix.offset, ends->prefix.flags);
}

static struct asynchat_framing *make_function(struct naive *ends, unsigned form)
{
    static const size_t most[] = {6, 7, 35, 64};
    ends->kind = NAIVE_FUNCTION;
    ends->look = naive_look;
    ends->most = most[form % 4];
    return asynchat_framing_function(naive_look, ends->most, NULL);
}

/* Makes a framing, and says in `ends` what it is. */
static struct asynchat_framing *make_framing(struct naive *ends,
                                             struct world *w, unsigned which,
                                             unsigned (*next)(struct input *))
{
    ends->strict = which / FRAMINGS % 2;
    switch (which % FRAMINGS) {
    case 0:
        ends->kind = NAIVE_LINES;
        return asynchat_framing_lines(ends->strict ? ASYNCHAT_LINES_STRICT : 0);
    case 1:
        ends->kind = NAIVE_DOTTED;
        ends->first = true;
        return asynchat_framing_dotted(ends->strict ? ASYNCHAT_DOTTED_STRICT
                                                    : 0);
    case 2:
        return make_words(ends, w, next);
    case 3:
        return make_prefix(ends, w, next);
    case 4:
        return make_varint(ends, next(&w->in));
    case 5:
        ends->kind = NAIVE_NETSTRING;
        return asynchat_framing_netstring();
    default:
        return make_function(ends, next(&w->in));
    }
}

/* The number of the only framing that is wanted; or FRAMINGS. */
static unsigned only_framing(void)
{
    const char *name = getenv("FUZZ_FRAMING");
    unsigned which = 0;
    while (name && which < FRAMINGS && strcmp(name, framings[which]) != 0)
        which++;
    CHECK(!name || which < FRAMINGS);
    return name ? which : FRAMINGS;
}

static void set_framing(struct world *w, unsigned (*next)(struct input *))
{
    struct naive ends = {.kind = NAIVE_NONE};
    unsigned which = next(&w->in), only = only_framing();
    if (only < FRAMINGS)
        which = which % 2 * FRAMINGS + only;
    CHECK(asynchat_set_framing(w->ch, make_framing(&ends, w, which, next)) ==
          0);
    model_now(w, &ends);
}

/* --- other calls --- */

/* Skips, between two messages, bytes that were sent. */
static void skip_bytes(struct world *w, size_t len)
{
    struct model *m = &w->model;
    if (!model_is_between(m))
        return;
    if (len > model_rest(m, !w->outside))
        len = model_rest(m, !w->outside);
    int error = asynchat_skip(w->ch, len);
    CHECK(error == 0 ||
          (error == -EBUSY &&
           asynchat_get_terminator(w->ch, NULL, NULL) == ASYNCHAT_FRAMING));
    if (!error && len > 0)
        model_skip(m, len, !w->outside);
}

/* Discards only if it is known how much has come: none of the recent bytes, or
 * in one piece all of them. */
static void discard(struct world *w)
{
    if (w->recent > 0 &&
        (!w->delivering || w->recent > w->size || w->recent > 4096))
        return;
    if (!w->outside && !model_has_looked(&w->model))
        return;
    asynchat_discard_buffers(w->ch);
    model_discard(&w->model, !w->outside);
}

static void set_limit(struct world *w, size_t limit)
{
    if (!model_is_between(&w->model) ||
        (w->outside && model_message(&w->model)->begun))
        return; /* it would apply to a message that is half there */
    CHECK(asynchat_set_message_limit(w->ch, limit) == 0);
    w->model.limit = limit;
}

/* Bytes received already may still come in pieces of the old size. */
static void set_size(struct world *w, size_t size)
{
    CHECK(asynchat_set_in_buffer_size(w->ch, size) == 0);
    if (size < w->size || w->recent == 0)
        w->size = size;
    if (size > w->largest)
        w->largest = size;
}

/* Does one action; 0 is none. */
static void act(struct world *w, unsigned what,
                unsigned (*next)(struct input *))
{
    if (what < 0x80)
        return;
    if (what == 0xff) {
        asynchat_close(w->ch);
        w->told = true;
    } else if (what == 0xfe) {
        asynchat_channel_free(w->ch);
        w->ch = NULL;
    } else {
        switch (what % 15) {
        case 0:
            set_length(w, next(&w->in));
            break;
        case 1:
            set_none(w);
            break;
        case 2:
            set_string(w, NULL, 0);
            break;
        case 3:
            set_rest(w);
            break;
        case 4: {
            unsigned len = next(&w->in);
            set_long(w, len, next(&w->in));
            break;
        }
        case 5:
            discard(w);
            break;
        case 6:
            set_limit(w, 1 + next(&w->in));
            break;
        case 7:
            set_size(w, 1 + next(&w->in));
            break;
        case 8:
        case 9:
            set_framing(w, next);
            break;
        case 10:
            set_block(w, next(&w->in) % 8);
            break;
        case 11:
            skip_bytes(w, next(&w->in) % 8);
            break;
        default:
            set_from_palette(w, next(&w->in));
        }
    }
}

/* --- callbacks --- */

/* Every callback except the first begins here. */
static struct world *called(struct asynchat_channel *ch, struct world *w)
{
    CHECK(w->ch == ch && w->started);
    return w;
}

static void react(struct world *w)
{
    if (!w->told)
        act(w, input_back(&w->in), input_back);
}

static void on_connect(struct asynchat_channel *ch, void *arg)
{
    struct world *w = arg;
    CHECK(!w->started);
    w->started = true;
    react(called(ch, w));
}

static void may_deliver(const struct world *w)
{
    CHECK(!w->eof && !w->error && !w->told);
}

/* Lent bytes do not change, whatever was called. */
static uint8_t lent[STREAM_MOST];

static void react_to_data(struct world *w, const void *data, size_t len,
                          bool received)
{
    if (len > 0)
        memcpy(lent, data, len);
    w->delivering = received;
    react(w);
    w->delivering = false;
    CHECK(len == 0 || memcmp(lent, data, len) == 0);
}

static void on_data(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    struct world *w = called(ch, arg);
    may_deliver(w);
    CHECK(len <= w->largest);
    CHECK(model_data(&w->model, data, len));
    react_to_data(w, data, len, true);
}

/* The number of the terminator that has ended the message. */
static unsigned matched(struct world *w)
{
    return w->model.due ? 0 : model_message(&w->model)->matched;
}

static void on_found(struct asynchat_channel *ch, void *arg)
{
    struct world *w = called(ch, arg);
    may_deliver(w);
    CHECK(asynchat_get_matched(ch) == matched(w));
    bool received = w->model.due || !model_is_empty_block(&w->model);
    CHECK(model_found(&w->model));
    react_to_data(w, NULL, 0, received);
}

static void on_message(struct asynchat_channel *ch, const void *data,
                       size_t len, void *arg)
{
    struct world *w = called(ch, arg);
    may_deliver(w);
    CHECK(data && len <= w->model.limit);
    CHECK(asynchat_get_matched(ch) == matched(w));
    bool received = !model_is_empty_block(&w->model);
    CHECK(model_whole(&w->model, data, len));
    react_to_data(w, data, len, received);
}

static void on_dropped(struct asynchat_channel *ch, const void *data,
                       size_t len, uint64_t total, void *arg)
{
    struct world *w = called(ch, arg);
    may_deliver(w);
    CHECK(data && len <= (w->whole ? ASYNCHAT_DROPPED_FIRST : 0));
    CHECK(model_kept(&w->model, data, len));
    CHECK(model_dropped(&w->model, total, asynchat_get_dropped_error(ch)));
    react_to_data(w, data, len, true);
}

static void on_eof(struct asynchat_channel *ch, int cut_off, void *arg)
{
    struct world *w = called(ch, arg);
    struct model *m = &w->model;
    may_deliver(w);
    CHECK(m->ended && model_quiet(m, w->whole));
    CHECK(cut_off == model_is_cut_off(m));
    w->eof = true;
    react(w);
}

static void on_error(struct asynchat_channel *ch, int error, void *arg)
{
    struct world *w = called(ch, arg);
    may_deliver(w);
    CHECK(model_failed(&w->model, error, w->drops));
    w->error = error;
    react(w);
}

static void on_close(struct asynchat_channel *ch, int status, void *arg)
{
    struct world *w = arg;
    CHECK(w->ch == ch); /* perhaps the only callback */
    CHECK(status == (w->error ? w->error : w->eof ? ASYNCHAT_EOF : 0));
    CHECK(w->told || w->error || w->eof);
    w->ch = NULL;
}

static const struct asynchat_handler handlers[4] = {
    {.size = sizeof handlers[0],
     .collect_incoming_data = on_data,
     .found_terminator = on_found,
     .handle_connect = on_connect,
     .handle_eof = on_eof,
     .handle_error = on_error,
     .handle_close = on_close},
    {.size = sizeof handlers[0],
     .message = on_message,
     .handle_connect = on_connect,
     .handle_eof = on_eof,
     .handle_error = on_error,
     .handle_close = on_close},
    {.size = sizeof handlers[0],
     .collect_incoming_data = on_data,
     .found_terminator = on_found,
     .message_dropped = on_dropped,
     .handle_connect = on_connect,
     .handle_eof = on_eof,
     .handle_error = on_error,
     .handle_close = on_close},
    {.size = sizeof handlers[0],
     .message = on_message,
     .message_dropped = on_dropped,
     .handle_connect = on_connect,
     .handle_eof = on_eof,
     .handle_error = on_error,
     .handle_close = on_close}};

/* --- the far end --- */

static void far_close(struct asynchat_channel *ch, int status, void *arg)
{
    struct world *w = arg;
    CHECK(w->far == ch && status <= 0);
    w->far = NULL;
}

static const struct asynchat_handler far_handler = {.size = sizeof far_handler,
                                                    .handle_close = far_close};

static void open_channel(struct world *w, unsigned over)
{
    const struct asynchat_handler *handler = &handlers[w->whole + 2 * w->drops];
    int fds[2];
    if (over == 0) {
        const struct asynchat_handler *both[2] = {handler, &far_handler};
        struct asynchat_channel *out[2];
        CHECK(asynchat_pair_new(w->base, both, (void *[2]){w, w}, out) == 0);
        w->ch = out[0];
        w->far = out[1];
        return;
    }
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    w->peer = fds[1];
    if (over == 1) {
        struct bufferevent *bev =
            bufferevent_socket_new(w->base, fds[0], BEV_OPT_CLOSE_ON_FREE);
        CHECK(bev && asynchat_channel_new(bev, 0, handler, w, &w->ch) == 0);
        return;
    }
    CHECK(asynchat_channel_new_socket(w->base, fds[0], handler, w, &w->ch) ==
          0);
}

/* The system, or a bufferevent, still has some of what was sent. */
static bool on_its_way(const struct world *w)
{
    int unread = 0;
    if (w->ch && w->peer >= 0)
        ioctl(bufferevent_getfd(asynchat_get_bufferevent(w->ch)), FIONREAD,
              &unread);
    return unread > 0;
}

/* Runs the loop until nothing more happens. */
static void settle(struct world *w)
{
    unsigned passes = 0;
    for (int quiet = 0; quiet < 4; passes++) {
        event_base_loop(w->base, EVLOOP_NONBLOCK);
        quiet = on_its_way(w) ? 0 : quiet + 1;
        CHECK(passes < 10 * STREAM_MOST);
    }
    w->recent = 0;
    w->sends = 0;
    if (w->ch)
        w->largest = asynchat_get_in_buffer_size(w->ch);
    if (!w->ch || w->told || w->error)
        return;
    CHECK(w->started && model_quiet(&w->model, w->whole));
    CHECK(w->drops || w->model.before + w->model.said <= w->model.limit);
}

static void send_chunk(struct world *w, const uint8_t *bytes, size_t len)
{
    struct model *m = &w->model;
    if (len > STREAM_MOST - m->len)
        len = STREAM_MOST - m->len;
    if (len == 0)
        return;
    memmove(m->stream + m->len, bytes, len);
    w->recent += len;
    w->sends++;
    if (w->far)
        CHECK(asynchat_push(w->far, m->stream + m->len, len) == 0);
    else if (w->peer >= 0 && w->ch)
        CHECK(send(w->peer, m->stream + m->len, len, MSG_NOSIGNAL) ==
              (ssize_t)len);
    m->len += len;
}

static void send_end(struct world *w)
{
    w->model.ended = true;
    if (w->far)
        asynchat_close_when_done(w->far);
    else if (w->peer >= 0)
        shutdown(w->peer, SHUT_WR);
}

/* --- what is sent --- */

/* The letters of which most of what is sent consists. */
static const char *letters_for(const struct world *w, unsigned which)
{
    if (w->model.ends.kind == NAIVE_FUNCTION && which % 2)
        return "GGMSbxLK";
    return w->model.ends.kind == NAIVE_NETSTRING ? "012:,,:3" : "ab\r\n.-ca";
}

static void send_bytes(struct world *w, size_t len, const char *letters)
{
    uint8_t bytes[64];
    for (size_t i = 0; i < len; i++) {
        unsigned byte = input_front(&w->in);
        bytes[i] = letters ? (uint8_t)letters[byte % 8] : (uint8_t)byte;
    }
    send_chunk(w, bytes, len);
}

/* Sends the beginning of the terminator, and then all of it, or a byte. */
static void send_word(struct world *w, unsigned part)
{
    uint8_t bytes[2 * TERMINATOR_MOST];
    const struct naive *ends = &w->model.ends;
    struct asynchat_bytes word = ends->words[part / 2 % ends->count];
    size_t len = word.len > 0 ? part / 2 % word.len : 0;
    size_t rest = part % 2 ? word.len : 0;
    memcpy(bytes, word.data, len);
    memcpy(bytes + len, word.data, rest);
    send_chunk(w, bytes, len + rest);
}

/* Bytes that stand in front of a number. */
static size_t put_offset(uint8_t *to, unsigned offset)
{
    memset(to, 'o', offset);
    return offset;
}

static size_t put_prefix(const struct asynchat_prefix *p, uint8_t *to,
                         unsigned number)
{
    size_t n = put_offset(to, p->offset);
    if (asynchat_prefix_write(p, number, to + n) != 0)
        memset(to + n, (int)number, p->bytes);
    return n + p->bytes;
}

/* Sometimes with more bytes than the number needs. */
static size_t put_varint(const struct asynchat_prefix *p, uint8_t *to,
                         unsigned number)
{
    size_t n = put_offset(to, p->offset);
    if (number % 8 == 7)
        to[n++] = (uint8_t)(number | 0x80);
    to[n++] = (uint8_t)(number / 2 & 0x7f);
    return n;
}

/* Sends what means something to the terminator in force. */
static void send_meaning(struct world *w, unsigned value)
{
    static const char *const parts[] = {
        ".", ".\r\n", "\r\n.\r\n", "\r\n.", "\r\n..\r\n", "..", "\r\n", "."};
    static const char letters[] = "GGGGGMSxxyzLLLGMbcdefSabcdxKKE";
    const struct naive *ends = &w->model.ends;
    uint8_t to[80];
    size_t n = 0;
    if (ends->kind == NAIVE_WORDS)
        send_word(w, value);
    else if (ends->kind == NAIVE_PREFIX)
        n = put_prefix(&ends->prefix, to, value % 24);
    else if (ends->kind == NAIVE_VARINT)
        n = put_varint(&ends->prefix, to, value % 48);
    else if (ends->kind == NAIVE_NETSTRING && ends->inside)
        n = (size_t)sprintf((char *)to, ",");
    else if (ends->kind == NAIVE_NETSTRING)
        n = (size_t)sprintf((char *)to, "%u:%.*s%s", value % 12,
                            (int)(value % 12), "0:,1:,2:,3:,",
                            value % 40 == 39 ? "" : ",");
    else if (ends->kind == NAIVE_FUNCTION)
        for (; n < 1 + value % 4; n++)
            to[n] = (uint8_t)letters[(value / 4 * 7 + n * 11) % 30];
    else
        n = (size_t)sprintf((char *)to, "%s", parts[value % 8]);
    send_chunk(w, to, n);
}

static void send_again(struct world *w, size_t len, size_t times)
{
    uint8_t bytes[CHUNK_MOST];
    struct model *m = &w->model;
    size_t n = 0;
    if (len > m->len)
        len = m->len;
    for (; times > 0 && n + len <= sizeof bytes; times--, n += len)
        memcpy(bytes + n, m->stream + m->len - len, len);
    send_chunk(w, bytes, n);
}

/* One turn: sends something, or does something from outside. */
static void turn(struct world *w)
{
    unsigned what = input_front(&w->in);
    unsigned value = what >= 0xc0 ? 0 : input_front(&w->in);
    switch (what % 8) {
    case 0:
    case 1:
        send_bytes(w, 1 + value % 64, NULL);
        break;
    case 2:
    case 3:
        send_bytes(w, 1 + value % 64, letters_for(w, what / 8));
        break;
    case 4:
    case 5:
        send_meaning(w, value);
        break;
    case 6:
        send_again(w, 1 + value % 32, 1 + input_front(&w->in));
        break;
    default: /* bytes that are put back are delivered without more */
        settle(w);
        if (!w->ch || w->told)
            return;
        w->outside = true;
        act(w, 0x80 | value, input_front);
        w->outside = false;
        settle(w);
    }
    if (what & 0x20 || w->recent > CHUNK_MOST || w->sends > SENDS_MOST)
        settle(w);
}

static void close_world(struct world *w)
{
    asynchat_channel_free(w->ch);
    asynchat_channel_free(w->far);
    if (w->peer >= 0)
        close(w->peer);
    event_base_loop(w->base, EVLOOP_NONBLOCK);
    event_base_free(w->base);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world *w = &world;
    memset(w, 0, sizeof *w);
    w->in = (struct input){data, data + size};
    unsigned mode = input_front(&w->in);
    w->base = event_base_new();
    w->peer = -1;
    w->whole = mode & 4;
    w->drops = mode & 32;
    model_begin(&w->model);
    w->size = w->largest = 65536;
    open_channel(w, mode % 4);
    w->model.limit = asynchat_get_message_limit(w->ch);
    if (mode & 8)
        set_limit(w, 1 + input_front(&w->in));
    if (mode & 64 || only_framing() < FRAMINGS)
        set_framing(w, input_front);
    if (mode & 16)
        set_size(w, 1 + input_front(&w->in) % 16);
    while (w->ch && !w->told && w->in.at < w->in.end)
        turn(w);
    if (w->ch)
        settle(w);
    send_end(w);
    settle(w);
    CHECK(!w->ch);
    close_world(w);
    return 0;
}
