/* A stream of bytes, cut anywhere, with terminators of every kind, lines,
 * blocks, and bytes that are skipped, which change at any time. The channel must
 * deliver what the model says.
 *
 * The front of the input says what is sent, the back what callbacks do.
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

struct world {
    struct input in;
    struct model model;
    struct event_base *base;
    struct asynchat_channel *ch;  /* NULL when it has closed, or was freed */
    struct asynchat_channel *far; /* the far end over a pair, or else: */
    int peer;
    bool whole;
    bool drops;   /* drops messages over the limit, and goes on */
    bool started; /* handle_connect was called */
    bool eof;     /* handle_eof was called */
    int error;    /* the error given to handle_error */
    bool told;    /* asynchat_close was called */
    bool delivering;
    size_t limit;   /* of messages */
    size_t size;    /* the smallest size of pieces */
    size_t largest; /* the largest size since all was quiet */
    size_t recent;  /* bytes sent since all was quiet */
};

static struct world world;

/* --- what is done to the channel, from inside and outside --- */

static const char *const palette[] = {
    "\r\n", "\n",   "a",      "ab",        "aab",    "abab",           "aaab",
    "aba",  "\r\r", "\r\n\r", "\r\n.\r\n", "abcabd", "--ab\r\n--ab--", "ba"};

static void set_string(struct world *w, const uint8_t *bytes, size_t len)
{
    model_set(&w->model, ASYNCHAT_STRING, bytes, len);
    CHECK(asynchat_set_terminator(w->ch, bytes, len) == 0);
}

static void set_from_palette(struct world *w, unsigned which)
{
    const char *text = palette[which % (sizeof palette / sizeof palette[0])];
    set_string(w, (const uint8_t *)text, strlen(text));
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
    if (asynchat_get_terminator(w->ch, &bytes, &len) == ASYNCHAT_STRING &&
        len > 1)
        set_string(w, (const uint8_t *)bytes + 1, (size_t)len - 1);
}

static void set_length(struct world *w, unsigned len)
{
    CHECK(asynchat_set_terminator_length(w->ch, len) == 0);
    model_set(&w->model, ASYNCHAT_LENGTH, NULL, len);
}

static void set_none(struct world *w)
{
    CHECK(asynchat_set_terminator_none(w->ch) == 0);
    model_set(&w->model, ASYNCHAT_NONE, NULL, 0);
}

static void set_lines(struct world *w, unsigned flags)
{
    model_set_lines(&w->model, flags);
    CHECK(asynchat_set_framing(w->ch, asynchat_framing_lines(flags)) == 0);
}

static void set_block(struct world *w, unsigned len)
{
    model_set_block(&w->model, len);
    CHECK(asynchat_set_block(w->ch, len) == 0);
}

/* Skips, between two messages, bytes that were sent. */
static void skip_bytes(struct world *w, size_t len)
{
    struct model *m = &w->model;
    if (m->begin < m->at || m->due || m->empty)
        return;
    if (len > m->len - m->at)
        len = m->len - m->at;
    int error = asynchat_skip(w->ch, len);
    CHECK(error == 0 || (error == -EBUSY && m->kind == ASYNCHAT_FRAMING));
    if (!error)
        model_skip(m, len);
}

/* Discards only if it is known how much has come: none of the recent bytes, or
 * in one piece all of them. */
static void discard(struct world *w)
{
    if (w->recent > 0 &&
        (!w->delivering || w->recent > w->size || w->recent > 4096))
        return;
    asynchat_discard_buffers(w->ch);
    model_discard(&w->model);
}

static void set_limit(struct world *w, size_t limit)
{
    if (w->model.begin < w->model.at)
        return; /* it would apply to a message that is half there */
    CHECK(asynchat_set_message_limit(w->ch, limit) == 0);
    w->limit = limit;
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
    if (what < 0x80 || (what < 0xfe && model_bad(&w->model)))
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
            set_lines(w, next(&w->in) % 2);
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

static void react_to_data(struct world *w)
{
    w->delivering = true;
    react(w);
    w->delivering = false;
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
static void still_lent(const struct world *w, size_t at, const void *data,
                       size_t len)
{
    CHECK(len == 0 || memcmp(w->model.stream + at, data, len) == 0);
}

static void on_data(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    struct world *w = called(ch, arg);
    may_deliver(w);
    CHECK(len <= w->largest);
    size_t at = w->model.at;
    CHECK(model_data(&w->model, data, len));
    CHECK(w->model.at - w->model.begin <= w->limit);
    react_to_data(w);
    still_lent(w, at, data, len);
}

static void on_found(struct asynchat_channel *ch, void *arg)
{
    struct world *w = called(ch, arg);
    may_deliver(w);
    CHECK(model_found(&w->model));
    react_to_data(w);
}

static void on_message(struct asynchat_channel *ch, const void *data,
                       size_t len, void *arg)
{
    struct world *w = called(ch, arg);
    may_deliver(w);
    CHECK(data && len <= w->limit);
    size_t at = w->model.begin;
    CHECK(model_message(&w->model, data, len));
    react_to_data(w);
    still_lent(w, at, data, len);
}

/* Why the message in progress is dropped. */
static int reason(struct world *w)
{
    struct model *m = &w->model;
    return model_bad(m) && model_end(m).bad - m->begin <= w->limit
               ? ASYNCHAT_EBARE
               : ASYNCHAT_ETOOLONG;
}

static void on_dropped(struct asynchat_channel *ch, const void *data,
                       size_t len, uint64_t total, void *arg)
{
    struct world *w = called(ch, arg);
    size_t at = w->model.begin;
    may_deliver(w);
    CHECK(data && len <= (w->whole ? ASYNCHAT_DROPPED_FIRST : 0));
    CHECK(total > w->limit || model_bad(&w->model));
    CHECK(asynchat_get_dropped_error(ch) == reason(w));
    CHECK(model_dropped(&w->model, total));
    still_lent(w, at, data, len);
    react_to_data(w);
}

static void on_eof(struct asynchat_channel *ch, int cut_off, void *arg)
{
    struct world *w = called(ch, arg);
    struct model *m = &w->model;
    may_deliver(w);
    CHECK(m->ended && model_quiet(m, w->whole));
    CHECK(cut_off ==
          ((m->at > m->begin || (m->block && model_ends(m))) && model_ends(m)));
    w->eof = true;
    react(w);
}

static void on_error(struct asynchat_channel *ch, int error, void *arg)
{
    struct world *w = called(ch, arg);
    may_deliver(w);
    CHECK(!w->drops && error == reason(w));
    CHECK(error == ASYNCHAT_EBARE ||
          model_end(&w->model).at - w->model.begin > w->limit);
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
    if (w->ch)
        w->largest = asynchat_get_in_buffer_size(w->ch);
    if (!w->ch || w->told || w->error)
        return;
    bool full = w->model.at - w->model.begin >= w->limit; /* drops the rest */
    full = full || model_bad(&w->model);
    CHECK(w->started && model_quiet(&w->model, w->whole || full));
    CHECK(w->drops || w->model.at - w->model.begin <= w->limit);
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
static void send_terminator(struct world *w, unsigned part)
{
    uint8_t bytes[2 * TERMINATOR_MOST];
    const struct model *m = &w->model;
    size_t len = m->bytes_len > 0 ? part / 2 % m->bytes_len : 0;
    size_t rest = part % 2 ? m->bytes_len : 0;
    memcpy(bytes, m->bytes, len);
    memcpy(bytes + len, m->bytes, rest);
    send_chunk(w, bytes, len + rest);
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
        send_bytes(w, 1 + value % 64, "ab\r\n.-ca");
        break;
    case 4:
    case 5:
        send_terminator(w, value);
        break;
    case 6:
        send_again(w, 1 + value % 32, 1 + input_front(&w->in));
        break;
    default: /* bytes that are put back are delivered without more */
        settle(w);
        if (!w->ch || w->told)
            return;
        act(w, 0x80 | value, input_front);
        settle(w);
    }
    if (what & 0x20 || w->recent > CHUNK_MOST)
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
    w->limit = 1 << 20;
    w->size = w->largest = 65536;
    open_channel(w, mode % 4);
    if (mode & 8)
        set_limit(w, 1 + input_front(&w->in));
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
