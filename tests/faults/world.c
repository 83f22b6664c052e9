/* The world of a scenario: the callbacks of its programs, and the checks.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

static struct world world;
static const struct outcome *expectation;

void complain(struct world *w, const char *format, ...)
{
    va_list args;
    if (*w->complaint)
        return;
    va_start(args, format);
    vsnprintf(w->complaint, sizeof w->complaint, format, args);
    va_end(args);
}

/* --- error codes --- */

/* Returns a place for each code: 0, -errno, and the library's own codes; or
 * -1. */
static int code_place(int error)
{
    if (error <= 0 && error > -200)
        return -error;
    if (error <= ASYNCHAT_EOF && error >= ASYNCHAT_EPROXY)
        return 200 + ASYNCHAT_EOF - error;
    return -1;
}

/* The code by which the program learns of the fault. libevent returns the same
 * for every error of event_add(). */
int fault_code(void)
{
    bool memory = inject.last == CALL_ALLOC || inject.last == CALL_EPOLL_ADD ||
                  inject.last == CALL_EPOLL_MOD;
    return memory ? -ENOMEM : -inject.fault.error;
}

static const char *name_addresses[4]; /* of a name that is looked up */

/* -EAGAIN of a Unix socket is tried again, and by then the server may have
 * taken its path away. */
static bool is_tried_too_late(int error)
{
    return error == -ENOENT && inject.last == CALL_CONNECT &&
           inject.fault.error == EAGAIN;
}

/* The errors of a connection whose other side has a fault, also if its server
 * no longer waits; of a path on which somebody seems to listen; and of the first
 * address of a name, where nobody listens. */
static bool is_consequence(int error)
{
    return error == -EPIPE || error == -ECONNRESET || error == ASYNCHAT_EOF ||
           error == ASYNCHAT_ECLOSED || error == -EADDRINUSE || error == 0 ||
           error == ASYNCHAT_ECUTOFF || error == ASYNCHAT_EHANDSHAKE ||
           (error == -ECONNREFUSED && name_addresses[0]) ||
           error == ASYNCHAT_ELATE || error == ASYNCHAT_EPROXY ||
           is_tried_too_late(error) ||
           (error == ASYNCHAT_ESTOPPED && world.stops > 0);
}

/* An error code is plausible if it also comes without the fault, or because of
 * it. */
static bool is_plausible(int error, int place)
{
    if (!expectation || expectation->seen[place])
        return true;
    return inject.failed > 0 &&
           (error == fault_code() || is_consequence(error));
}

static void code_seen(struct world *w, int error)
{
    int place = code_place(error);
    if (place < 0 || !is_plausible(error, place))
        complain(w, "implausible error code %d", error);
    else
        w->seen[place] = true;
}

void note(struct side *s, int error)
{
    code_seen(s->world, error);
}

/* --- streams --- */

static void stream_add(struct side *s, struct stream *stream, const void *data,
                       size_t len)
{
    if (len > STREAM_SIZE - stream->len) {
        complain(s->world, "more bytes than were ever sent");
        return;
    }
    if (len > 0)
        memcpy(stream->bytes + stream->len, data, len);
    stream->len += len;
}

/* At any time, the bytes that have arrived are the beginning of the bytes
 * sent. */
static void side_got(struct side *s, const void *data, size_t len)
{
    const struct stream *from = s->peer ? &s->peer->sent : NULL;
    size_t at = s->got.len;
    stream_add(s, &s->got, data, len);
    if (!from || (s->world->scenario->flags & LOSES))
        return;
    if (s->got.len > from->len)
        complain(s->world, "%zu bytes received, %zu sent", s->got.len,
                 from->len);
    else if (memcmp(from->bytes + at, s->got.bytes + at, len) != 0)
        complain(s->world, "wrong bytes received after %zu", at);
}

/* --- callbacks --- */

static void side_log(struct side *s, const char *event, int value)
{
    size_t len = strlen(s->log);
    snprintf(s->log + len, sizeof s->log - len, "%s(%d)@%zu ", event, value,
             s->got.len);
}

/* Returns the channel's side. A server gives all its connections the first
 * side. */
static struct side *side_of(struct asynchat_channel *ch, void *arg)
{
    struct side *s = arg;
    while (s->next && (s->made ? s->ch != ch : false))
        s = s->next;
    if (!s->made) {
        s->made = true;
        s->ch = ch;
    }
    if (s->ch != ch)
        complain(s->world, "a callback of a channel that is gone");
    asynchat_set_arg(ch, s);
    return s;
}

/* Every callback begins here. */
static struct side *side_called(struct asynchat_channel *ch, void *arg)
{
    struct side *s = side_of(ch, arg);
    inject_moved();
    if (s->closed || s->freed)
        complain(s->world, "a callback after the last");
    return s;
}

static struct side *side_delivered(struct asynchat_channel *ch, void *arg)
{
    struct side *s = side_called(ch, arg);
    if (!s->connected || s->eof || s->failed)
        complain(s->world, "data %s",
                 s->connected ? "after the end" : "before handle_connect");
    return s;
}

static void run(void (*step)(struct side *s), struct side *s)
{
    if (step)
        step(s);
}

static void on_connect(struct asynchat_channel *ch, void *arg)
{
    struct side *s = side_called(ch, arg);
    if (s->connected || s->eof || s->failed)
        complain(s->world, "handle_connect is not the first");
    s->connected = true;
    side_log(s, "connect", 0);
    run(s->program->connected, s);
}

static void on_data(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    struct side *s = side_delivered(ch, arg);
    if (len == 0 || len > asynchat_get_in_buffer_size(ch))
        complain(s->world, "%zu bytes of data at once", len);
    side_got(s, data, len);
    run(s->program->data, s);
}

/* The terminator is not data, but it was received as well. */
static void side_terminated(struct side *s)
{
    const void *bytes;
    uint64_t len;
    enum asynchat_terminator kind =
        asynchat_get_terminator(s->ch, &bytes, &len);
    if (kind == ASYNCHAT_STRING)
        side_got(s, bytes, (size_t)len);
    else if (kind == ASYNCHAT_FRAMING)
        side_got(s, "\r\n", 2);
}

static void on_found(struct asynchat_channel *ch, void *arg)
{
    struct side *s = side_delivered(ch, arg);
    s->line = (const char *)s->got.bytes + s->line_at;
    s->line_len = s->got.len - s->line_at;
    side_terminated(s);
    s->line_at = s->got.len;
    side_log(s, "found", (int)s->line_len);
    run(s->program->message, s);
}

static void on_message(struct asynchat_channel *ch, const void *data,
                       size_t len, void *arg)
{
    struct side *s = side_delivered(ch, arg);
    side_got(s, data, len);
    side_terminated(s);
    s->line = data;
    s->line_len = len;
    side_log(s, "message", (int)len);
    run(s->program->message, s);
}

static void on_eof(struct asynchat_channel *ch, int cut_off, void *arg)
{
    struct side *s = side_delivered(ch, arg);
    s->eof = true;
    side_log(s, "eof", cut_off);
    run(s->program->eof, s);
}

static void on_error(struct asynchat_channel *ch, int error, void *arg)
{
    struct side *s = side_called(ch, arg);
    if (s->failed || error == 0 || error == ASYNCHAT_EOF)
        complain(s->world, "handle_error(%d) %s", error,
                 s->failed ? "once more" : "for no error");
    s->failed = true;
    s->error = error;
    code_seen(s->world, error);
    side_log(s, "error", error);
    run(s->program->failed, s);
}

static void on_close(struct asynchat_channel *ch, int status, void *arg)
{
    struct side *s = side_called(ch, arg);
    bool good = status == 0 || status == ASYNCHAT_EOF;
    if (s->failed ? status != s->error : !good)
        complain(s->world, "handle_close(%d) after handle_error(%d)", status,
                 s->error);
    s->status = status;
    code_seen(s->world, status);
    side_log(s, "close", status);
    run(s->program->closed, s);
    s->closed = true;
    s->ch = NULL;
}

static void on_drained(struct asynchat_channel *ch, void *arg)
{
    struct side *s = side_called(ch, arg);
    if (!s->pushed)
        complain(s->world, "drained of nothing");
    s->pushed = false;
    run(s->program->drained, s);
}

static void on_stopping(struct asynchat_channel *ch, void *arg)
{
    struct side *s = side_called(ch, arg);
    if (!s->connected || s->told || s->world->stops == 0)
        complain(s->world, "handle_stopping %s",
                 s->told ? "once more" : "too early");
    s->told = true;
    side_log(s, "stopping", 0);
    run(s->program->stopping, s);
}

static void on_pressure(struct asynchat_channel *ch, void *arg)
{
    struct side *s = side_called(ch, arg);
    if (asynchat_get_queued(ch) == 0)
        complain(s->world, "pressure of nothing");
    side_log(s, "pressure", 0);
    run(s->program->pressed, s);
}

static void on_idle(struct asynchat_channel *ch, void *arg)
{
    struct side *s = side_delivered(ch, arg);
    side_log(s, "idle", 0);
    run(s->program->idle, s);
}

/* The program does not get the dropped bytes. */
static void on_dropped(struct asynchat_channel *ch, const void *data,
                       size_t len, uint64_t total, void *arg)
{
    struct side *s = side_delivered(ch, arg);
    if (!data || total <= asynchat_get_message_limit(ch))
        complain(s->world, "%zu of %llu bytes dropped", len,
                 (unsigned long long)total);
    side_log(s, "dropped", (int)total);
    run(s->program->dropped, s);
}

static const struct asynchat_handler pieces_handler = {
    .size = sizeof pieces_handler,
    .collect_incoming_data = on_data,
    .found_terminator = on_found,
    .handle_connect = on_connect,
    .handle_eof = on_eof,
    .handle_error = on_error,
    .handle_close = on_close,
    .handle_drained = on_drained,
};

static const struct asynchat_handler whole_handler = {
    .size = sizeof whole_handler,
    .message = on_message,
    .handle_connect = on_connect,
    .handle_eof = on_eof,
    .handle_error = on_error,
    .handle_close = on_close,
    .handle_drained = on_drained,
};

static const struct asynchat_handler stopping_handler = {
    .size = sizeof stopping_handler,
    .collect_incoming_data = on_data,
    .found_terminator = on_found,
    .handle_connect = on_connect,
    .handle_eof = on_eof,
    .handle_error = on_error,
    .handle_close = on_close,
    .handle_drained = on_drained,
    .handle_stopping = on_stopping,
};

static const struct asynchat_handler full_pieces_handler = {
    .size = sizeof full_pieces_handler,
    .collect_incoming_data = on_data,
    .found_terminator = on_found,
    .handle_connect = on_connect,
    .handle_eof = on_eof,
    .handle_error = on_error,
    .handle_close = on_close,
    .handle_drained = on_drained,
    .handle_pressure = on_pressure,
    .handle_idle = on_idle,
    .message_dropped = on_dropped,
};

static const struct asynchat_handler full_whole_handler = {
    .size = sizeof full_whole_handler,
    .message = on_message,
    .handle_connect = on_connect,
    .handle_eof = on_eof,
    .handle_error = on_error,
    .handle_close = on_close,
    .handle_drained = on_drained,
    .handle_pressure = on_pressure,
    .handle_idle = on_idle,
    .message_dropped = on_dropped,
};

static const struct asynchat_handler *handler_of(const struct program *program)
{
    if (program->dropped || program->pressed || program->idle)
        return program->whole ? &full_whole_handler : &full_pieces_handler;
    return program->stopping ? &stopping_handler
           : program->whole  ? &whole_handler
                             : &pieces_handler;
}

/* --- making --- */

struct side *side(struct world *w, const struct program *program)
{
    struct side *s = &w->sides[w->count++];
    s->world = w;
    s->program = program;
    return s;
}

/* The value of *out until there is a channel. */
static struct asynchat_channel *const untouched = (void *)&world;

/* A constructor has returned. On failure nothing else has changed. */
static bool side_made(struct side *s, int error)
{
    if (error) {
        code_seen(s->world, error);
        if (error == ASYNCHAT_ECLOSED || error == ASYNCHAT_EOF || error > 0)
            complain(s->world, "made with %d", error);
        if (s->ch != untouched)
            complain(s->world, "*out has changed though it failed");
        s->ch = NULL;
    }
    s->made = !error;
    return !error;
}

static bool side_socket(struct side *s, int fd)
{
    s->ch = untouched;
    int error = asynchat_channel_new_socket(s->world->base, fd,
                                            handler_of(s->program), s, &s->ch);
    if (side_made(s, error))
        return true;
    if (!inject_is_open(fd))
        complain(s->world, "the descriptor was closed though it failed");
    inject_close(fd);
    return false;
}

/* `bev` may be NULL. */
static bool side_bufferevent(struct side *s, struct bufferevent *bev,
                             unsigned flags)
{
    s->ch = untouched;
    int error = bev ? asynchat_channel_new(bev, flags, handler_of(s->program),
                                           s, &s->ch)
                    : -ENOMEM;
    if (side_made(s, error))
        return true;
    if (bev)
        bufferevent_free(bev);
    return false;
}

static void make_sockets(int fds[2], int buffer)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                   fds) < 0)
        abort();
    inject.armed = false;
    for (int i = 0; i < 2 && buffer > 0; i++)
        setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    inject.armed = true;
}

/* Makes two sides that are each other's peer. */
static struct side *two_sides(struct world *w, const struct program *a,
                              const struct program *b)
{
    struct side *first = side(w, a), *second = side(w, b);
    first->peer = second;
    second->peer = first;
    return first;
}

static bool two_sockets(struct world *w, const struct program *a,
                        const struct program *b, int buffer)
{
    int fds[2];
    struct side *sides = two_sides(w, a, b);
    make_sockets(fds, buffer);
    bool first = side_socket(&sides[0], fds[0]);
    return side_socket(&sides[1], fds[1]) && first;
}

bool over_sockets(struct world *w, const struct program *a,
                  const struct program *b)
{
    return two_sockets(w, a, b, 0);
}

bool over_small_sockets(struct world *w, const struct program *a,
                        const struct program *b)
{
    return two_sockets(w, a, b, 1);
}

bool over_pair(struct world *w, const struct program *a,
               const struct program *b)
{
    struct side *sides = two_sides(w, a, b);
    const struct asynchat_handler *handlers[2] = {handler_of(a), handler_of(b)};
    void *args[2] = {&sides[0], &sides[1]};
    struct asynchat_channel *out[2] = {untouched, untouched};
    int error = asynchat_pair_new(w->base, handlers, args, out);
    sides[0].ch = out[0];
    sides[1].ch = out[1];
    bool first = side_made(&sides[0], error);
    return side_made(&sides[1], error) && first;
}

static struct bufferevent *make_bufferevent(struct world *w, int fd)
{
    struct bufferevent *bev =
        bufferevent_socket_new(w->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!bev)
        inject_close(fd);
    return bev;
}

bool over_bufferevents(struct world *w, const struct program *a,
                       const struct program *b)
{
    int fds[2];
    struct side *sides = two_sides(w, a, b);
    make_sockets(fds, 0);
    bool first = side_bufferevent(&sides[0], make_bufferevent(w, fds[0]), 0);
    return side_bufferevent(&sides[1], make_bufferevent(w, fds[1]), 0) && first;
}

static enum bufferevent_filter_result pass(struct evbuffer *from,
                                           struct evbuffer *to,
                                           ev_ssize_t limit,
                                           enum bufferevent_flush_mode mode,
                                           void *arg)
{
    (void)limit;
    (void)mode;
    (void)arg;
    if (evbuffer_get_length(from) == 0)
        return BEV_NEED_MORE;
    return evbuffer_add_buffer(to, from) < 0 ? BEV_ERROR : BEV_OK;
}

static struct bufferevent *make_filter(struct world *w, int fd)
{
    struct bufferevent *below = make_bufferevent(w, fd);
    struct bufferevent *filter =
        below ? bufferevent_filter_new(below, pass, pass, BEV_OPT_CLOSE_ON_FREE,
                                       NULL, NULL)
              : NULL;
    if (below && !filter)
        bufferevent_free(below);
    return filter;
}

bool over_filters(struct world *w, const struct program *a,
                  const struct program *b)
{
    int fds[2];
    struct side *sides = two_sides(w, a, b);
    make_sockets(fds, 0);
    bool first = side_bufferevent(&sides[0], make_filter(w, fds[0]), 0);
    return side_bufferevent(&sides[1], make_filter(w, fds[1]), 0) && first;
}

bool over_raw(struct world *w, const struct program *program)
{
    int fds[2];
    make_sockets(fds, 0);
    w->raw[0] = fds[1];
    return side_socket(side(w, program), fds[0]);
}

/* --- servers and clients --- */

struct side *serve(struct world *w, const char *address,
                   const struct program *program, int count)
{
    return serve_with(w, address, program, count, NULL);
}

struct side *serve_with(struct world *w, const char *address,
                        const struct program *program, int count,
                        const struct asynchat_server_options *options)
{
    struct asynchat_server *const none = (void *)&world;
    struct side *first = side(w, program), *last = first;
    for (int i = 1; i < count; i++) {
        last->next = side(w, program);
        last = last->next;
    }
    w->server = none;
    int error = asynchat_server_new(w->base, address, handler_of(program),
                                    first, options, &w->server);
    if (!error)
        return first;
    code_seen(w, error);
    if (w->server != none)
        complain(w, "*out has changed though it failed");
    w->server = NULL;
    return NULL;
}

static void on_stopped(void *arg)
{
    struct world *w = arg;
    if (w->stopped++ > 0 || asynchat_server_connections(w->server) > 0)
        complain(w, "stopped too often, or with %zu connections",
                 asynchat_server_connections(w->server));
    w->server = NULL;
}

void stop(struct world *w, unsigned grace)
{
    if (!w->server)
        return;
    int error = asynchat_server_stop(w->server, grace, on_stopped, w);
    if (error)
        complain(w, "asynchat_server_stop: %d", error);
    w->stops++;
}

void stop_by_signal(struct world *w, unsigned grace)
{
    const int number = SIGWINCH;
    if (!w->server)
        return;
    int error =
        asynchat_server_stop_on_signal(w->server, number, grace, on_stopped, w);
    if (error) {
        code_seen(w, error);
        stop(w, grace);
        return;
    }
    w->stops++;
    raise(number);
}

bool take_over(struct world *w)
{
    struct asynchat_server *const none = (void *)&world, *server = none;
    struct side *first = &w->sides[0];
    int fd = dup(asynchat_server_get_socket(w->server));
    int error = asynchat_server_new_socket(
        w->base, fd, handler_of(first->program), first, NULL, &server);
    if (error) {
        code_seen(w, error);
        if (server != none || !inject_is_open(fd))
            complain(w, "*out or the descriptor has changed though it failed");
        inject_close(fd);
        return false;
    }
    asynchat_server_set_remove_path(w->server, 0);
    asynchat_server_set_remove_path(server, 1);
    asynchat_server_free(w->server);
    w->server = server;
    w->taken_over = true;
    return true;
}

bool connect_to(struct world *w, const char *address, unsigned timeout,
                const struct program *program)
{
    struct side *s = side(w, program);
    s->ch = untouched;
    return side_made(s, asynchat_connect(w->base, address, timeout,
                                         handler_of(program), s, &s->ch));
}

/* Finds the server's side for this client: the one that has no peer yet. */
static void pair_up(struct world *w, struct side *client)
{
    struct side *s = &w->sides[0];
    while (s->peer && s->next)
        s = s->next;
    s->peer = client;
    client->peer = s;
}

bool connect_to_server(struct world *w, const struct program *program)
{
    char address[ASYNCHAT_ADDRESS_SIZE];
    asynchat_server_address(w->server, address, sizeof address);
    if (!connect_to(w, address, 5000, program))
        return false;
    pair_up(w, &w->sides[w->count - 1]);
    return true;
}

/* --- names --- */

/* The addresses, and what a call has failed with: that is the error of the
 * look-up. */
static int begin_lookup(struct asynchat_lookup *lookup, const char *host,
                        const char *service, void *arg)
{
    struct world *w = arg;
    int error = 0;
    if (strcmp(host, "name.test") != 0 || strcmp(service, "echo") != 0)
        complain(w, "%s %s was asked for", host, service);
    for (int i = 0; name_addresses[i] && !error; i++) {
        struct sockaddr_storage at;
        int len = sizeof at;
        evutil_parse_sockaddr_port(name_addresses[i], (struct sockaddr *)&at,
                                   &len);
        error =
            asynchat_lookup_add(lookup, (struct sockaddr *)&at, (socklen_t)len);
    }
    if (!error)
        asynchat_lookup_done(lookup, 0);
    code_seen(w, error);
    return error;
}

/* Never happens: all is answered at once. */
static void cancel_lookup(struct asynchat_lookup *lookup, void *arg)
{
    (void)lookup;
    (void)arg;
}

static const struct asynchat_resolver resolver = {
    .size = sizeof resolver, .begin = begin_lookup, .cancel = cancel_lookup};

static bool connect_to_name(struct world *w, const struct program *program)
{
    struct side *s = side(w, program);
    s->ch = untouched;
    return side_made(s,
                     asynchat_connect_name(w->base, "name.test", "echo", NULL,
                                           handler_of(program), s, &s->ch));
}

bool connect_to_server_by_name(struct world *w, const struct program *program,
                               const char *first)
{
    char address[ASYNCHAT_ADDRESS_SIZE];
    asynchat_server_address(w->server, address, sizeof address);
    name_addresses[0] = first;
    name_addresses[1] = address;
    int error = asynchat_set_resolver(w->base, &resolver, w);
    code_seen(w, error);
    if (error || !connect_to_name(w, program))
        return false;
    pair_up(w, &w->sides[w->count - 1]);
    return true;
}

static struct sockaddr_in server_address(struct world *w)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)asynchat_server_port(w->server)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
}

bool connect_bufferevent(struct world *w, const struct program *program)
{
    struct sockaddr_in to = server_address(w);
    struct side *s = side(w, program);
    struct bufferevent *bev =
        bufferevent_socket_new(w->base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (!side_bufferevent(s, bev, ASYNCHAT_CONNECTING))
        return false;
    if (bufferevent_socket_connect(bev, (struct sockaddr *)&to, sizeof to) <
        0) {
        code_seen(w, fault_code());
        free_now(s);
        return false;
    }
    pair_up(w, s);
    return true;
}

bool connect_nowhere(struct world *w, const struct program *program)
{
    struct side *s = side(w, program);
    struct bufferevent *bev =
        bufferevent_socket_new(w->base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (!side_bufferevent(s, bev, ASYNCHAT_CONNECTING))
        return false;
    int error = asynchat_set_connect_time(s->ch, 20);
    if (error)
        complain(w, "the timer that there is cannot be set");
    return !error;
}

bool connect_raw(struct world *w)
{
    struct sockaddr_in to = server_address(w);
    inject.armed = false;
    w->raw[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = connect(w->raw[0], (struct sockaddr *)&to, sizeof to) == 0;
    inject.armed = true;
    return good;
}

/* --- what programs do --- */

/* Whether to try again, since there may be memory again. If not, the program
 * does without the channel. */
static bool again(struct side *s, int error, int *tries)
{
    note(s, error);
    if (error == -ENOMEM && (*tries)++ == 0)
        return true;
    if (error && error != ASYNCHAT_ECLOSED)
        close_now(s);
    return false;
}

static void set(struct side *s, enum asynchat_terminator kind,
                const char *bytes, uint64_t len)
{
    int error, tries = 0;
    uint64_t before, after;
    const void *old, *now;
    if (!s->ch)
        return;
    do {
        enum asynchat_terminator was =
            asynchat_get_terminator(s->ch, &old, &before);
        error = kind == ASYNCHAT_STRING
                    ? asynchat_set_terminator(s->ch, bytes, (size_t)len)
                : kind == ASYNCHAT_LENGTH
                    ? asynchat_set_terminator_length(s->ch, len)
                : kind == ASYNCHAT_FRAMING
                    ? asynchat_set_framing(
                          s->ch, asynchat_framing_lines(ASYNCHAT_LINES_STRICT))
                    : asynchat_set_terminator_none(s->ch);
        if (error && (asynchat_get_terminator(s->ch, &now, &after) != was ||
                      old != now || before != after))
            complain(s->world, "a terminator was changed by what failed");
    } while (again(s, error, &tries));
}

void crlf(struct side *s)
{
    terminator(s, "\r\n");
}

void terminator(struct side *s, const char *bytes)
{
    set(s, ASYNCHAT_STRING, bytes, strlen(bytes));
}

void terminator_length(struct side *s, uint64_t len)
{
    set(s, ASYNCHAT_LENGTH, NULL, len);
}

void terminator_none(struct side *s)
{
    set(s, ASYNCHAT_NONE, NULL, 0);
}

void strict_lines(struct side *s)
{
    set(s, ASYNCHAT_FRAMING, NULL, 0);
}

void block(struct side *s, uint64_t len)
{
    if (s->ch && asynchat_set_block(s->ch, len) != 0)
        complain(s->world, "a block was refused");
}

static void side_sent(struct side *s, const void *data, size_t len)
{
    stream_add(s, &s->sent, data, len);
    s->pushed = s->pushed || len > 0;
}

/* A channel that has no memory for a push takes no more pushes, and ends by
 * itself. The peer may get a part of the push. */
static void pushed(struct side *s, int error, const void *data, size_t len)
{
    note(s, error);
    if (error == 0 || error == -ENOMEM)
        side_sent(s, data, len);
    else if (error != ASYNCHAT_ECLOSED)
        close_now(s);
    if (error == -ENOMEM && asynchat_push(s->ch, "x", 1) == 0)
        complain(s->world, "more is taken behind what was refused");
}

void push(struct side *s, const void *data, size_t len)
{
    if (s->ch)
        pushed(s, asynchat_push(s->ch, data, len), data, len);
}

void push_printf(struct side *s, const char *text)
{
    if (s->ch)
        pushed(s, asynchat_push_printf(s->ch, "%s", text), text, strlen(text));
}

void say(struct side *s, const char *text)
{
    push(s, text, strlen(text));
}

void push_proxy(struct side *s, const struct asynchat_proxy_tlv *tlvs)
{
    int error = s->ch ? asynchat_push_proxy(s->ch, 2, s->ch, tlvs) : 0;
    note(s, error);
    if (error)
        close_now(s);
}

static void release(const void *data, size_t len, void *arg)
{
    struct world *w = arg;
    (void)data;
    (void)len;
    w->released++;
}

void push_reference(struct side *s, const char *text)
{
    struct world *w = s->world;
    size_t len = strlen(text);
    int before = w->released;
    if (!s->ch)
        return;
    w->lent++;
    int error = asynchat_push_reference(s->ch, text, len, release, w);
    if (error && w->released != before + 1)
        complain(w, "a reference was refused and not released");
    pushed(s, error, text, len);
}

static struct evbuffer *make_evbuffer(const char *text)
{
    struct evbuffer *buffer = evbuffer_new();
    if (buffer && evbuffer_add(buffer, text, strlen(text)) == 0)
        return buffer;
    if (buffer)
        evbuffer_free(buffer);
    return NULL;
}

void push_evbuffer(struct side *s, const char *text)
{
    if (!s->ch)
        return;
    struct evbuffer *buffer = make_evbuffer(text);
    if (!buffer)
        buffer = make_evbuffer(text);
    if (!buffer) {
        note(s, -ENOMEM);
        close_now(s);
        return;
    }
    int error = asynchat_push_evbuffer(s->ch, buffer);
    if (evbuffer_get_length(buffer) != (error ? strlen(text) : 0))
        complain(s->world, "an evbuffer was changed by what failed");
    evbuffer_free(buffer);
    pushed(s, error, text, strlen(text));
}

struct asynchat_block *make_block(struct side *s, const void *data, size_t len)
{
    struct asynchat_block *block = asynchat_block_new(data, len);
    if (!block)
        block = asynchat_block_new(data, len);
    if (!block) {
        note(s, -ENOMEM);
        close_now(s);
    }
    return block;
}

void push_shared(struct side *s, struct asynchat_block *block, const void *data,
                 size_t len)
{
    if (s->ch && block)
        pushed(s, asynchat_push_shared(s->ch, block), data, len);
}

struct asynchat_slot *reserve(struct side *s)
{
    struct asynchat_slot *slot = NULL;
    int error, tries = 0;
    if (!s->ch)
        return NULL;
    do
        error = asynchat_reserve(s->ch, &slot);
    while (again(s, error, &tries));
    if (error && slot)
        complain(s->world, "*out has changed though it failed");
    return slot;
}

void will_give(struct side *s, const void *data, size_t len)
{
    if (s->ch)
        side_sent(s, data, len);
}

/* If something is missing in a slot, the channel ends by itself. */
static void given(struct side *s, struct asynchat_slot *slot, int error)
{
    note(s, error);
    if (error && asynchat_slot_push(slot, "x", 1) == 0)
        complain(s->world, "more is taken behind what was refused");
}

void give(struct side *s, struct asynchat_slot *slot, const void *data,
          size_t len)
{
    if (slot)
        given(s, slot, asynchat_slot_push(slot, data, len));
}

void give_block(struct side *s, struct asynchat_slot *slot,
                struct asynchat_block *block)
{
    if (slot && block)
        given(s, slot, asynchat_slot_push_shared(slot, block));
}

struct errand {
    struct asynchat_slot *slot;
    const char *text;
};

static void *run_errand(void *arg)
{
    const struct errand *errand = arg;
    asynchat_slot_push(errand->slot, errand->text, strlen(errand->text));
    return NULL;
}

/* Calls of the other thread do not count. */
void give_elsewhere(struct asynchat_slot *slot, const char *text)
{
    struct errand errand = {slot, text};
    bool armed = inject.armed;
    pthread_t thread;
    if (!slot)
        return;
    inject.armed = false;
    assert_int_equal(pthread_create(&thread, NULL, run_errand, &errand), 0);
    pthread_join(thread, NULL);
    inject.armed = armed;
}

/* A slot whose end could not be told stays open. */
void finish(struct side *s, struct asynchat_slot *slot)
{
    int error = slot ? asynchat_slot_finish(slot) : 0;
    note(s, error);
    if (s->ch && error && error != ASYNCHAT_ECLOSED && error != -ENOMEM)
        close_now(s);
}

void push_producer(struct side *s, struct asynchat_producer *producer,
                   const void *expected, size_t len)
{
    if (!s->ch) {
        asynchat_producer_free(producer);
        return;
    }
    int error = asynchat_push_producer(s->ch, producer);
    pushed(s, error, expected, len);
    if (!error)
        s->pushed = true;
}

void budget(struct side *s, unsigned messages)
{
    int error, tries = 0;
    if (!s->ch)
        return;
    do
        error = asynchat_set_message_budget(s->ch, messages);
    while (again(s, error, &tries));
}

void timeouts(struct side *s, const struct asynchat_timeouts *times)
{
    int error, tries = 0;
    if (!s->ch)
        return;
    do
        error = asynchat_set_timeouts(s->ch, times);
    while (again(s, error, &tries));
}

void deadline(struct side *s, unsigned milliseconds)
{
    int error, tries = 0;
    if (!s->ch)
        return;
    do
        error = asynchat_set_deadline(s->ch, milliseconds);
    while (again(s, error, &tries));
}

/* Another handler needs no memory. */
void set_whole(struct side *s, bool whole)
{
    const struct asynchat_handler *handler =
        whole ? &whole_handler : &pieces_handler;
    if (s->ch && asynchat_set_handler(s->ch, handler) != 0)
        complain(s->world, "a handler was refused");
}

void flush(struct side *s)
{
    if (s->ch)
        note(s, asynchat_flush(s->ch));
}

void rates(struct side *s, const struct asynchat_rates *rates)
{
    int error, tries = 0;
    if (!s->ch)
        return;
    do
        error = asynchat_set_rates(s->ch, rates);
    while (again(s, error, &tries));
}

void rate_group(struct side *s, struct asynchat_rate_group *group)
{
    int error, tries = 0;
    if (!s->ch)
        return;
    do
        error = asynchat_set_rate_group(s->ch, group);
    while (again(s, error, &tries));
}

void transcript(struct side *s,
                void (*tell)(struct asynchat_channel *ch,
                             enum asynchat_transcript what, const void *data,
                             size_t len, void *arg),
                void *arg)
{
    int error, tries = 0;
    if (!s->ch)
        return;
    do
        error = asynchat_set_transcript(s->ch, tell, arg);
    while (again(s, error, &tries));
}

void join(struct side *s, struct side *other)
{
    if (s->ch && asynchat_join(s->ch, other->ch))
        complain(s->world, "two channels of one loop cannot be joined");
}

void shutdown_write(struct side *s)
{
    if (s->ch)
        note(s, asynchat_shutdown_write(s->ch));
}

static void close_by(struct side *s, int (*close)(struct asynchat_channel *ch))
{
    if (!s->ch)
        return;
    int error = close(s->ch);
    note(s, error);
    if (error && error != ASYNCHAT_ECLOSED)
        complain(s->world, "close_when_done: %d", error);
    s->done = s->done || !error;
}

void close_when_done(struct side *s)
{
    close_by(s, asynchat_close_when_done);
}

void close_in_stages(struct side *s)
{
    close_by(s, asynchat_close_in_stages);
}

void close_after(struct side *s)
{
    close_by(s, asynchat_close_after);
}

void close_now(struct side *s)
{
    asynchat_close(s->ch);
    s->given_up = true;
}

void discard(struct side *s)
{
    if (!s->ch)
        return;
    asynchat_discard_buffers(s->ch);
    s->given_up = true;
    s->done = false;
}

void free_now(struct side *s)
{
    struct asynchat_channel *ch = s->ch;
    if (!ch)
        return;
    s->freed = true;
    s->ch = NULL;
    asynchat_channel_free(ch);
}

bool line_is(const struct side *s, const char *text)
{
    return s->line_len == strlen(text) &&
           memcmp(s->line, text, s->line_len) == 0;
}

/* --- things that all worlds share --- */

const char *unix_address(void)
{
    static char text[64];
    snprintf(text, sizeof text, "unix:faults.%d.socket", (int)getpid());
    return text;
}

static const char *unix_path(void)
{
    return unix_address() + strlen("unix:");
}

void leave_path(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    inject.armed = false;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(at.sun_path, unix_path());
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0)
        abort();
    inject_close(fd);
    inject.armed = true;
}

void remove_path(void)
{
    inject.armed = false;
    unlink(unix_path());
    inject.armed = true;
}

const char *pattern(void)
{
    static char bytes[PATTERN_SIZE];
    for (size_t i = 0; i < PATTERN_SIZE && !bytes[PATTERN_SIZE - 1]; i++)
        bytes[i] = (char)('a' + (i + i / 101) % 23);
    return bytes;
}

/* One file for all worlds, since producers do not move its position. */
int file(void)
{
    static int kept = -1;
    if (kept < 0) {
        kept = memfd_create("file", MFD_CLOEXEC);
        if (write(kept, pattern(), FILE_SIZE) != FILE_SIZE)
            abort();
    }
    return dup(kept);
}

/* A port whose backlog is full: attempts to connect are not answered. */
const char *blackhole(void)
{
    static char text[32];
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof to;
    if (*text)
        return text;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&to, sizeof to) < 0 || listen(fd, 0) < 0 ||
        getsockname(fd, (struct sockaddr *)&to, &len) < 0)
        abort();
    for (int i = 0; i < 4; i++)
        (void)!connect(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0),
                       (struct sockaddr *)&to, sizeof to);
    snprintf(text, sizeof text, "127.0.0.1:%d", ntohs(to.sin_port));
    return text;
}

void world_prepare(void)
{
    pattern();
    blackhole();
    inject_close(file());
}

/* --- a run --- */

static void leave_loop(void)
{
    event_base_loopbreak(world.base);
}

/* This runs inside the library, so there is no way back: the test ends here. */
static void report_spin(void)
{
    fail_msg("%s: nothing moves, and there is no end of it (fault at %u: %s)",
             world.scenario->name, inject.fault.at,
             call_errors[inject.last].name);
}

void settle(struct world *w)
{
    inject.quiet = false;
    while (!inject.quiet && event_base_loop(w->base, 0) == 0)
        continue;
}

static void world_begin(struct world *w, const struct scenario *scenario)
{
    for (int i = 0; i < w->count; i++)
        memset(&w->sides[i], 0, offsetof(struct side, sent));
    for (int i = 0; i < SIDES; i++) {
        w->sides[i].sent.len = w->sides[i].got.len = 0;
        w->sides[i].log[0] = '\0';
    }
    w->scenario = scenario;
    w->server = NULL;
    w->taken_over = false;
    w->stops = w->stopped = 0;
    w->count = 0;
    name_addresses[0] = NULL;
    w->lent = w->released = 0;
    memset(w->seen, 0, sizeof w->seen);
    memset(w->raw, -1, sizeof w->raw);
    w->complaint[0] = '\0';
    w->base = event_base_new();
    inject.left = leave_loop;
    inject.spun = report_spin;
    inject.grace = scenario->flags & SYSTEM ? 2 : 0;
}

static struct side *side_alive(struct world *w)
{
    for (int i = 0; i < w->count; i++)
        if (w->sides[i].made && !w->sides[i].closed && !w->sides[i].freed)
            return &w->sides[i];
    return NULL;
}

/* A channel that has not ended by now never will. */
static void check_ended(struct world *w)
{
    if (side_alive(w)) {
        inject.grace *= 50;
        settle(w);
    }
    struct side *s = side_alive(w);
    if (s)
        complain(w, "side %d has not ended: %s| %s", (int)(s - w->sides),
                 w->sides[0].log, w->sides[1].log);
}

/* A side that closed when done, with status 0, has sent everything; and a peer
 * that got the end of file has received everything. */
static void check_all_arrived(struct world *w)
{
    bool loses = w->scenario->flags & LOSES;
    for (int i = 0; i < w->count && !loses; i++) {
        struct side *s = &w->sides[i], *peer = s->peer;
        bool sent = s->done && s->closed && s->status == 0 && !s->given_up;
        if (sent && peer && peer->closed && peer->status == ASYNCHAT_EOF &&
            !peer->given_up && peer->got.len != s->sent.len)
            complain(w, "side %d sent %zu bytes, and %zu arrived", i,
                     s->sent.len, peer->got.len);
    }
}

static void world_free(struct world *w)
{
    for (int i = 0; i < w->count; i++)
        free_now(&w->sides[i]);
    for (int i = 0; i < 4; i++)
        inject_close(w->raw[i]);
    if (asynchat_set_resolver(w->base, NULL, NULL) < 0)
        complain(w, "the resolver stays");
    event_base_loop(w->base, EVLOOP_NONBLOCK); /* frees bufferevents */
    event_base_free(w->base);
}

static bool is_same(const struct outcome *expected, const struct world *w)
{
    for (int i = 0; i < SIDES; i++)
        if (strcmp(expected->logs[i], w->sides[i].log) != 0)
            return false;
    return true;
}

/* A call that may be tried again changes nothing. Any other fault that changes
 * something is reported. */
static void check_difference(struct world *w, const struct outcome *expected)
{
    bool harmless = call_errors[inject.last].harmless[0] != 0 &&
                    inject.fault.kind != FAULT_FROM;
    for (int i = 0; harmless && inject.fault.kind != FAULT_SHORT; i++) {
        if (call_errors[inject.last].harmless[i] == inject.fault.error)
            break;
        harmless = call_errors[inject.last].harmless[i] != 0;
    }
    if (is_same(expected, w) || inject.failed == 0)
        return;
    if (harmless && !(w->scenario->flags & TIMED))
        complain(w, "not what happens otherwise: %s| %s", w->sides[0].log,
                 w->sides[1].log);
    bool late = w->scenario->flags & (inject.memory ? FAILS : FAILS | LINGERS);
    bool heard = w->seen[code_place(fault_code())] ||
                 (w->seen[code_place(-ENOENT)] && is_tried_too_late(-ENOENT));
    if (!harmless && !late && !heard)
        complain(w, "nobody heard of it: %s| %s", w->sides[0].log,
                 w->sides[1].log);
}

static void check_left(struct world *w, long live, int descriptors)
{
    if (w->lent != w->released)
        complain(w, "%d lent, %d released", w->lent, w->released);
    if (inject.live != live)
        complain(w, "%ld allocations are left", inject.live - live);
    if (inject_descriptors() != descriptors)
        complain(w, "%d descriptors are left",
                 inject_descriptors() - descriptors);
    bool unknown = w->taken_over && inject.last == CALL_LSTAT;
    if (unlink(unix_path()) == 0 && inject.last != CALL_UNLINK && !unknown)
        complain(w, "the path of a socket is left");
    if (inject.bad_descriptor)
        complain(w, "a descriptor was used that is not open");
}

/* If there is no room for a connection, the server does not try again at once.
 * An error of a single connection does not delay the next one. */
static void check_pause(struct world *w, const struct outcome *expected)
{
    int error = inject.fault.error;
    bool no_room = error == EMFILE || error == ENFILE || error == ENOBUFS ||
                   error == ENOMEM;
    bool paused = inject.waits > expected->waits;
    if (inject.fault.kind != FAULT_ONCE || inject.last != CALL_ACCEPT ||
        w->stops > 0)
        return;
    if (no_room != paused)
        complain(w, "accepting %s", paused ? "paused" : "did not pause");
}

static void check_bounds(struct world *w, const struct outcome *expected)
{
    if (inject.fault.kind == FAULT_ONCE &&
        inject.total > 2 * expected->total + 100)
        complain(w, "%u system calls instead of %u", inject.total,
                 expected->total);
    if (inject.failed >= INJECT_PATIENCE && inject.fault.kind == FAULT_FROM &&
        !(w->scenario->flags & WAITS))
        complain(w, "failed %u times and did not give up", inject.failed);
}

const char *world_run(const struct scenario *scenario, bool memory,
                      const struct fault *fault, const struct outcome *expected)
{
    struct world *w = &world;
    int descriptors = inject_descriptors();
    long live = inject.live;
    expectation = expected;
    inject_begin(memory, fault);
    world_begin(w, scenario);
    inject.armed = true;
    scenario->run(w);
    settle(w);
    if (w->stops > 0 && w->stopped != 1)
        complain(w, "stopped %d times", w->stopped);
    asynchat_server_free(w->server);
    settle(w);
    check_ended(w);
    check_all_arrived(w);
    inject.armed = false;
    world_free(w);
    check_left(w, live, descriptors);
    if (expected) {
        check_difference(w, expected);
        check_bounds(w, expected);
        check_pause(w, expected);
    }
    return *w->complaint ? w->complaint : NULL;
}

void world_outcome(struct outcome *outcome)
{
    *outcome = (struct outcome){.count = world.count,
                                .calls = inject.count,
                                .total = inject.total,
                                .waits = inject.waits};
    memcpy(outcome->trace, inject.trace, sizeof outcome->trace);
    memcpy(outcome->seen, world.seen, sizeof outcome->seen);
    for (int i = 0; i < SIDES; i++)
        memcpy(outcome->logs[i], world.sides[i].log, LOG_SIZE);
}
