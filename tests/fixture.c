/* One channel under test, over each kind of connection.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

/* --- recording --- */

static void log_text(struct fixture *f, const char *text)
{
    size_t len = strlen(text);
    if (f->log_len + len + 1 > sizeof f->log)
        fail_msg("the record is full");
    memcpy(f->log + f->log_len, text, len + 1);
    f->log_len += len;
}

static void log_bytes(struct fixture *f, const unsigned char *bytes, size_t len)
{
    char text[8];
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '\r')
            strcpy(text, "\\r");
        else if (bytes[i] == '\n')
            strcpy(text, "\\n");
        else if (isprint(bytes[i]))
            snprintf(text, sizeof text, "%c", bytes[i]);
        else
            snprintf(text, sizeof text, "\\x%02x", bytes[i]);
        log_text(f, text);
    }
}

static void log_event(struct fixture *f, const char *event)
{
    if (f->log_len > 0)
        log_text(f, " ");
    log_text(f, event);
    f->in_data = false;
}

static const char *status_name(int status)
{
    static char text[16];
    switch (status) {
    case ASYNCHAT_EOF:
        return "EOF";
    case ASYNCHAT_ETOOLONG:
        return "ETOOLONG";
    case ASYNCHAT_ETRUNCATED:
        return "ETRUNCATED";
    case ASYNCHAT_EFULL:
        return "EFULL";
    case ASYNCHAT_EIDLE:
        return "EIDLE";
    case ASYNCHAT_ESTALLED:
        return "ESTALLED";
    case ASYNCHAT_ESLOW:
        return "ESLOW";
    case ASYNCHAT_ESTOPPED:
        return "ESTOPPED";
    case ASYNCHAT_EDEADLINE:
        return "EDEADLINE";
    case ASYNCHAT_ENONAME:
        return "ENONAME";
    case ASYNCHAT_ENOADDRESS:
        return "ENOADDRESS";
    case ASYNCHAT_ETRYAGAIN:
        return "ETRYAGAIN";
    case ASYNCHAT_EPROXY:
        return "EPROXY";
    case ASYNCHAT_EBARE:
        return "EBARE";
    case ASYNCHAT_EFRAMING:
        return "EFRAMING";
    case -ECONNRESET:
        return "ECONNRESET";
    case -EPIPE:
        return "EPIPE";
    case -ETIMEDOUT:
        return "ETIMEDOUT";
    case -ENOMEM:
        return "ENOMEM";
    default:
        snprintf(text, sizeof text, "%d", status);
        return text;
    }
}

static void log_status(struct fixture *f, const char *event, int status)
{
    char text[64];
    snprintf(text, sizeof text, "%s(%s)", event, status_name(status));
    log_event(f, text);
}

static void call(hook hook, struct fixture *f)
{
    if (hook)
        hook(f);
}

/* --- the channel's callbacks --- */

static void record_connect(struct asynchat_channel *ch, void *arg)
{
    struct fixture *f = arg;
    f->ch = ch;
    log_event(f, "connect");
    call(f->on_connect, f);
}

static void record_data(struct asynchat_channel *ch, const void *data,
                        size_t len, void *arg)
{
    struct fixture *f = arg;
    (void)ch;
    if (f->in_data && f->log_len > 0)
        f->log_len--; /* joins data: overwrites the ")" */
    else
        log_event(f, "data(");
    log_bytes(f, data, len);
    log_text(f, ")");
    f->in_data = true;
    f->data = data;
    f->data_len = len;
    if (len > f->data_max)
        f->data_max = len;
    call(f->on_data, f);
}

static void record_found(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    log_event(arg, "found");
    call(((struct fixture *)arg)->on_found, arg);
}

static void record_message(struct asynchat_channel *ch, const void *data,
                           size_t len, void *arg)
{
    struct fixture *f = arg;
    (void)ch;
    log_event(f, "message(");
    log_bytes(f, data, len);
    log_text(f, ")");
    f->data = data;
    f->data_len = len;
    call(f->on_message, f);
}

static void record_eof(struct asynchat_channel *ch, int cut_off, void *arg)
{
    (void)ch;
    log_event(arg, cut_off ? "eof(cut off)" : "eof");
    call(((struct fixture *)arg)->on_eof, arg);
}

static void record_error(struct asynchat_channel *ch, int error, void *arg)
{
    (void)ch;
    log_status(arg, "error", error);
    call(((struct fixture *)arg)->on_error, arg);
}

static void record_close(struct asynchat_channel *ch, int status, void *arg)
{
    struct fixture *f = arg;
    assert_ptr_equal(f->ch, ch);
    f->status = status;
    log_status(f, "closed", status);
    call(f->on_close, f);
    f->ch = NULL;
}

static void record_drained(struct asynchat_channel *ch, void *arg)
{
    struct fixture *f = arg;
    (void)ch;
    if (f->on_drained)
        f->on_drained(f);
}

static void record_dropped(struct asynchat_channel *ch, const void *data,
                           size_t len, uint64_t total, void *arg)
{
    struct fixture *f = arg;
    char text[32];
    (void)ch;
    log_event(f, "dropped(");
    log_bytes(f, data, len);
    snprintf(text, sizeof text, ",%llu)", (unsigned long long)total);
    log_text(f, text);
    call(f->on_dropped, f);
}

const struct asynchat_handler recorder = {
    .size = sizeof recorder,
    .collect_incoming_data = record_data,
    .found_terminator = record_found,
    .handle_connect = record_connect,
    .handle_eof = record_eof,
    .handle_error = record_error,
    .handle_close = record_close,
    .handle_drained = record_drained,
};

const struct asynchat_handler whole_recorder = {
    .size = sizeof whole_recorder,
    .message = record_message,
    .handle_connect = record_connect,
    .handle_eof = record_eof,
    .handle_error = record_error,
    .handle_close = record_close,
    .handle_drained = record_drained,
};

const struct asynchat_handler dropping_recorder = {
    .size = sizeof dropping_recorder,
    .collect_incoming_data = record_data,
    .found_terminator = record_found,
    .handle_connect = record_connect,
    .handle_eof = record_eof,
    .handle_error = record_error,
    .handle_close = record_close,
    .message_dropped = record_dropped,
};

const struct asynchat_handler dropping_whole_recorder = {
    .size = sizeof dropping_whole_recorder,
    .message = record_message,
    .handle_connect = record_connect,
    .handle_eof = record_eof,
    .handle_error = record_error,
    .handle_close = record_close,
    .message_dropped = record_dropped,
};

/* --- the far end --- */

static void got(struct fixture *f, const void *data, size_t len)
{
    if (f->got_len + len >= f->got_room) {
        f->got_room = 2 * (f->got_len + len + 1);
        f->got = realloc(f->got, f->got_room);
        assert_non_null(f->got);
    }
    memcpy(f->got + f->got_len, data, len);
    f->got_len += len;
    f->got[f->got_len] = '\0';
}

static void far_data(struct asynchat_channel *ch, const void *data, size_t len,
                     void *arg)
{
    (void)ch;
    got(arg, data, len);
}

static void far_eof(struct asynchat_channel *ch, int cut_off, void *arg)
{
    (void)ch;
    (void)cut_off;
    ((struct fixture *)arg)->got_eof = true;
}

static void far_close(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    (void)status;
    ((struct fixture *)arg)->far = NULL;
}

static const struct asynchat_handler far_handler = {
    .size = sizeof far_handler,
    .collect_incoming_data = far_data,
    .handle_eof = far_eof,
    .handle_close = far_close,
};

static bool far_read(struct fixture *f)
{
    char data[65536];
    if (f->peer < 0 || f->got_eof)
        return false;
    ssize_t n = recv(f->peer, data, sizeof data, MSG_DONTWAIT);
    if (n > 0)
        got(f, data, (size_t)n);
    else if (n == 0 || errno != EAGAIN)
        f->got_eof = true;
    return n >= 0;
}

void feed(struct fixture *f, const void *data, size_t len)
{
    const char *at = data;
    if (f->far) {
        assert_int_equal(asynchat_push(f->far, data, len), 0);
        return;
    }
    while (len > 0) {
        ssize_t n = send(f->peer, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            fail_msg("send: %s", strerror(errno));
        if (n < 0)
            settle(f);
        else
            at += n, len -= (size_t)n;
    }
}

void feed_string(struct fixture *f, const char *text)
{
    feed(f, text, strlen(text));
}

void feed_eof(struct fixture *f)
{
    if (f->far)
        assert_int_equal(asynchat_close_when_done(f->far), 0);
    else
        assert_int_equal(shutdown(f->peer, SHUT_WR), 0);
}

void feed_reset(struct fixture *f)
{
    struct linger none = {.l_onoff = 1};
    if (f->far) {
        asynchat_close(f->far);
        return;
    }
    setsockopt(f->peer, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(f->peer);
    f->peer = -1;
}

/* --- the loop --- */

void turn_loop(struct fixture *f)
{
    for (int i = 0; i < 4; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
}

void settle_closed(struct fixture *f)
{
    time_t end = time(NULL) + 5;
    while (f->ch && time(NULL) <= end)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    assert_null(f->ch);
}

void settle(struct fixture *f)
{
    int quiet = 0;
    while (quiet < 4) {
        size_t before = f->log_len + f->got_len;
        event_base_loop(f->base, EVLOOP_NONBLOCK);
        bool read = far_read(f);
        quiet = read || f->log_len + f->got_len != before ? 0 : quiet + 1;
    }
}

/* --- asserting --- */

void expect(struct fixture *f, const char *events)
{
    assert_string_equal(f->log, events);
    f->log_len = 0;
    f->log[0] = '\0';
    f->in_data = false;
}

void expect_got(struct fixture *f, const char *text)
{
    assert_string_equal(f->got ? (char *)f->got : "", text);
}

void feed_bytes_every_way(struct fixture *f, const void *data, size_t len,
                          const char *events)
{
    const char *bytes = data;
    for (size_t cut = 0; cut <= len; cut++) {
        feed(f, bytes, cut);
        settle(f);
        feed(f, bytes + cut, len - cut);
        settle(f);
        expect(f, events);
    }
    for (size_t i = 0; i < len; i++) {
        feed(f, bytes + i, 1);
        settle(f);
    }
    expect(f, events);
}

void feed_every_way(struct fixture *f, const char *text, const char *events)
{
    feed_bytes_every_way(f, text, strlen(text), events);
}

void need_edges(const struct fixture *f)
{
    if (f->over != OVER_PAIR &&
        !(event_base_get_features(f->base) & EV_FEATURE_ET))
        skip();
}

void set_crlf(struct fixture *f)
{
    assert_int_equal(asynchat_set_terminator(f->ch, "\r\n", 2), 0);
}

uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);
    return value ? strtoull(value, NULL, 10) : otherwise;
}

char *big(size_t len)
{
    char *data = malloc(len + 1);
    size_t have = len < 23 ? len : 23;
    assert_non_null(data);
    memcpy(data, "abcdefghijklmnopqrstuvw", have);
    for (; have < len; have *= 2)
        memcpy(data + have, data, have < len - have ? have : len - have);
    data[len] = '\0';
    return data;
}

/* --- opening --- */

void make_socketpair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
                     0);
}

static void open_pair(struct fixture *f, const struct asynchat_handler *handler)
{
    struct asynchat_channel *pair[2];
    const struct asynchat_handler *handlers[2] = {handler, &far_handler};
    void *args[2] = {f, f};
    assert_int_equal(asynchat_pair_new(f->base, handlers, args, pair), 0);
    f->ch = pair[0];
    f->far = pair[1];
}

static void open_socketpair(struct fixture *f,
                            const struct asynchat_handler *handler)
{
    int fds[2];
    make_socketpair(fds);
    assert_int_equal(
        asynchat_channel_new_socket(f->base, fds[0], handler, f, &f->ch), 0);
    f->peer = fds[1];
}

static void open_bufferevent(struct fixture *f,
                             const struct asynchat_handler *handler)
{
    int fds[2];
    make_socketpair(fds);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    struct bufferevent *bev =
        bufferevent_socket_new(f->base, fds[0], BEV_OPT_CLOSE_ON_FREE);
    assert_non_null(bev);
    assert_int_equal(asynchat_channel_new(bev, 0, handler, f, &f->ch), 0);
    f->peer = fds[1];
}

/* Each process has an address of its own. A connection leaves its port in use
 * for a minute. Thousands of tests leave so few free ports on one address that
 * the system takes most of a millisecond to find one, or fails. */
static struct sockaddr_in own_address(uint16_t port)
{
    uint32_t process = (uint32_t)getpid() & 0x3fffff;
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 0x10000 + process),
    };
}

#define SERVER_PORT 7007

static void listen_tcp(struct fixture *f,
                       const struct asynchat_handler *handler)
{
    struct sockaddr_in own = own_address(SERVER_PORT);
    char ip[INET_ADDRSTRLEN], address[INET_ADDRSTRLEN + 8];
    inet_ntop(AF_INET, &own.sin_addr, ip, sizeof ip);
    snprintf(address, sizeof address, "%s:%d", ip, SERVER_PORT);
    assert_int_equal(
        asynchat_server_new(f->base, address, handler, f, NULL, &f->server), 0);
}

static int dial_tcp(void)
{
    struct sockaddr_in from = own_address(0), to = own_address(SERVER_PORT);
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void open_tcp(struct fixture *f, const struct asynchat_handler *handler)
{
    listen_tcp(f, handler);
    f->peer = dial_tcp();
}

struct fixture *start_with(void **state, const struct asynchat_handler *handler)
{
    static void (*const opens[OVER_KINDS])(struct fixture *,
                                           const struct asynchat_handler *) = {
        open_pair, open_socketpair, open_tcp, open_bufferevent};
    struct fixture *f = *state;
    opens[f->over](f, handler);
    settle(f);
    return f;
}

static struct fixture *start_quietly(void **state,
                                     const struct asynchat_handler *handler)
{
    struct fixture *f = start_with(state, handler);
    expect(f, "connect");
    assert_non_null(f->ch);
    return f;
}

struct fixture *start(void **state)
{
    return start_quietly(state, &recorder);
}

struct fixture *start_whole(void **state)
{
    return start_quietly(state, &whole_recorder);
}

/* --- around each test --- */

int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    f->over = (enum over)(intptr_t)*state;
    f->descriptors = count_descriptors();
    f->peer = -1;
    f->base = event_base_new();
    *state = f;
    return f->base ? 0 : -1;
}

static struct event_base *base_by(const char *method)
{
    struct event_config *config = event_config_new();
    const char **known = event_get_supported_methods();
    if (!config)
        return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
    for (; *known; known++)
        if (strcmp(*known, method) != 0)
            event_config_avoid_method(config, *known);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

int fixture_setup_by(void **state, const char *method)
{
    if (fixture_setup(state) < 0)
        return -1;
    struct fixture *f = *state;
    event_base_free(f->base);
    f->base = base_by(method);
    return f->base ? 0 : -1;
}

/* A bufferevent with a deferred callback is freed after that callback. */
void close_connection(struct fixture *f)
{
    asynchat_channel_free(f->ch);
    asynchat_channel_free(f->far);
    asynchat_server_free(f->server);
    if (f->peer >= 0)
        close(f->peer);
    f->ch = f->far = NULL;
    f->server = NULL;
    f->peer = -1;
    f->got_eof = f->in_data = false;
    f->log_len = 0;
    f->log[0] = '\0';
    event_base_loop(f->base, EVLOOP_NONBLOCK);
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    close_connection(f);
    event_base_free(f->base);
    int left = count_descriptors() - f->descriptors;
    if (left)
        print_error("%d descriptors were left open\n", left);
    free(f->got);
    free(f);
    return left;
}
