/* A web server:
 *
 *     httpd [--port N] [--max-body N] [--timeout MS] [--read N] [--log] DIR
 *
 * HTTP/1.1, as RFC 9110 and RFC 9112 have it, for the files below DIR, with
 * ranges, conditions and listings; /hello says hello, and what is posted to
 * /echo comes back. It listens on 127.0.0.1, on any free port unless one is
 * given, until SIGINT or SIGTERM.
 *
 * A request is what asynchat was made for: its head ends with a string, its
 * body after a number of bytes, or after a number of chunks. So each step of
 * the conversation sets the terminator of the next, `state` says which it is,
 * and wherever the bytes are cut, no step sees a part of what it waits for.
 *
 * How a client is kept from using more than its share:
 * - What it sends has limits: the message limit of each step, --max-body.
 * - What it does not take holds up what it asks: the channel is joined with
 *   itself, so one that pipelines has one large answer, and one open file.
 * - It has its time, and one who takes longer is told so: asynchat_timeouts.
 *
 * A request that is no proper one is answered and ends the connection: what
 * comes behind it cannot be told from a request that somebody has hidden there.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE 1
#define _FILE_OFFSET_BITS 64
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include <asynchat.h>

#include "httpd/files.h"
#include "httpd/request.h"

#define HEAD_MOST 65536  /* of a request, or of a trailer section */
#define LINE_MOST 1024   /* of a chunk's size, or of a trailer */
#define SMALL_FILE 32768 /* is read, and not sent by the system */
#define WRITE_MOST (1 << 20)
#define OUTPUT_MOST (1 << 20) /* queued, besides the body of an echo */
#define RATE_LEAST 500        /* bytes per second of a body */
#define GRACE 1000            /* milliseconds, at the end */

static struct event_base *base;
static int root = -1; /* DIR */
static uint64_t max_body = 1 << 20;
static unsigned timeout = 20000;   /* milliseconds */
static unsigned read_most = 65536; /* bytes at once */
static int logging;
static bool stops;

/* --- a connection --- */

/* What is waited for. */
enum state {
    REQUEST,    /* "\r\n\r\n" */
    BODY,       /* a number of bytes: all of it, */
    CHUNK_SIZE, /* or: "\r\n", */
    CHUNK,      /* a number of bytes, */
    CHUNK_END,  /* 2 bytes: "\r\n"; and in the end */
    TRAILER,    /* "\r\n", an empty line being the last */
    NOTHING     /* more: see end() */
};

struct connection {
    struct asynchat_channel *ch;
    enum state state;
    struct text head;
    struct text line; /* of a chunked body, behind the head */
    struct request request;
    const struct resource *resource; /* that it is for */
    struct evbuffer *body;           /* of an echo, or NULL */
    uint64_t received; /* of the body, or of the trailer section */
    time_t began;      /* the body */
    int status;        /* of the answer */
    char peer[ASYNCHAT_ADDRESS_SIZE];
};

/* A connection that memory is short for is closed, and the others go on. One
 * that ends already takes no answer. */
static void check_channel(struct connection *c, int error)
{
    if (error && error != ASYNCHAT_ECLOSED)
        asynchat_close(c->ch);
}

/* What comes next ends with a string, or after so many bytes. */
static void expect_string(struct connection *c, enum state state,
                          const char *end, size_t most)
{
    c->state = state;
    c->line.len = 0;
    check_channel(c, asynchat_set_terminator(c->ch, end, strlen(end)));
    check_channel(c, asynchat_set_message_limit(c->ch, most));
}

static void expect_bytes(struct connection *c, enum state state, uint64_t len)
{
    c->state = state;
    c->line.len = 0;
    check_channel(c, asynchat_set_terminator_length(c->ch, len));
    check_channel(c, asynchat_set_message_limit(c->ch, SIZE_MAX));
}

/* A request has its time as a whole; a body has it for every so many bytes. */
static void set_time(struct connection *c, unsigned request, unsigned rate)
{
    const struct asynchat_timeouts times = {
        .size = sizeof times,
        .idle = timeout,
        .write_idle = timeout,
        .message = request,
        .min_rate = rate,
        .rate_time = timeout,
    };
    check_channel(c, asynchat_set_timeouts(c->ch, &times));
}

static void expect_request(struct connection *c)
{
    if (c->state != REQUEST) {
        expect_string(c, REQUEST, "\r\n\r\n", HEAD_MOST);
        set_time(c, timeout, 0);
    }
    forget_text(&c->head);
    forget_text(&c->line);
}

/* --- answering --- */

static void send_bytes(struct connection *c, const void *data, size_t len)
{
    check_channel(c, asynchat_push(c->ch, data, len));
}

static void send_text(struct connection *c, const char *text)
{
    send_bytes(c, text, strlen(text));
}

static void send_number(struct connection *c, uint64_t n)
{
    char digits[20], *at = digits + sizeof digits;
    do
        *--at = (char)('0' + n % 10);
    while (n /= 10);
    send_bytes(c, at, (size_t)(digits + sizeof digits - at));
}

static void send_field(struct connection *c, const char *name,
                       const char *value)
{
    send_text(c, name);
    send_text(c, value);
    send_bytes(c, "\r\n", 2);
}

static const char *now_text(void)
{
    static struct date now;
    return date_text(&now, time(NULL));
}

static void begin_answer(struct connection *c, int status)
{
    c->status = status;
    send_text(c, "HTTP/1.1 ");
    send_field(c, status_text(status), "");
    send_field(c, "Date: ", now_text());
}

/* One that reads the log may hold the server up: it is for a file. */
static void log_answer(const struct connection *c, uint64_t len)
{
    const struct request *r = &c->request;
    bool is_text = r->line.len > 0 && is_all(r->line, VALUE);
    printf("%s [%s] \"%.*s\" %d %" PRIu64 "\n", c->peer, now_text(),
           is_text ? (int)r->line.len : 1, is_text ? r->line.at : "-",
           c->status, len);
}

/* `len` is that of the body, which follows unless only the head was asked for.
 */
static void end_head(struct connection *c, uint64_t len)
{
    const struct request *r = &c->request;
    if (c->status != 304) {
        send_text(c, "Content-Length: ");
        send_number(c, len);
        send_bytes(c, "\r\n", 2);
    }
    if (!r->persists)
        send_text(c, "Connection: close\r\n");
    else if (r->minor == 0)
        send_text(c, "Connection: keep-alive\r\n");
    send_bytes(c, "\r\n", 2);
    if (logging)
        log_answer(c, r->method == HEAD || c->status == 304 ? 0 : len);
}

/* An answer that is only a status, and one field, unless `name` is NULL. */
static void answer_status_with(struct connection *c, int status,
                               const char *name, const char *value)
{
    const char *text = status_text(status);
    begin_answer(c, status);
    if (name)
        send_field(c, name, value);
    send_text(c, "Content-Type: text/plain\r\n");
    end_head(c, strlen(text) + 1);
    if (c->request.method == HEAD || status == 304)
        return;
    send_text(c, text);
    send_bytes(c, "\n", 1);
}

static void answer_status(struct connection *c, int status)
{
    answer_status_with(c, status, NULL, NULL);
}

/* --- ending --- */

/* Nothing more is answered. The client may still be sending, the rest of a body
 * or further requests, and is not to lose the answer by it. */
static void end(struct connection *c)
{
    c->state = NOTHING;
    check_channel(c, asynchat_set_terminator_none(c->ch));
    check_channel(c, asynchat_set_message_limit(c->ch, SIZE_MAX));
    check_channel(c, asynchat_close_in_stages(c->ch));
}

static void refuse(struct connection *c, int status)
{
    c->request.persists = false;
    answer_status(c, status);
    end(c);
}

/* --- what there is --- */

static void answer_hello(struct connection *c)
{
    static const char hello[] = "Hello, World!";
    begin_answer(c, 200);
    send_text(c, "Content-Type: text/plain\r\n");
    end_head(c, sizeof hello - 1);
    if (c->request.method != HEAD)
        send_bytes(c, hello, sizeof hello - 1);
}

static void answer_echo(struct connection *c)
{
    begin_answer(c, 200);
    send_text(c, "Content-Type: application/octet-stream\r\n");
    end_head(c, c->body ? evbuffer_get_length(c->body) : 0);
    if (c->body)
        check_channel(c, asynchat_push_evbuffer(c->ch, c->body));
}

static void free_page(const void *data, size_t len, void *page)
{
    (void)data;
    (void)len;
    free(page);
}

static void answer_listing(struct connection *c, int fd)
{
    size_t len;
    char *page = list_folder(fd, &len);
    if (!page) {
        answer_status(c, 503);
        return;
    }
    begin_answer(c, 200);
    send_text(c, "Content-Type: text/html; charset=utf-8\r\n");
    end_head(c, len);
    if (c->request.method == HEAD)
        free(page);
    else
        check_channel(
            c, asynchat_push_reference(c->ch, page, len, free_page, page));
}

/* Links in a listing are relative to the folder, so that has a slash. Two at
 * the beginning would be another server. */
static void answer_folder(struct connection *c, int fd)
{
    const struct request *r = &c->request;
    struct span path = r->path;
    char where[TARGET_MOST + 3];
    if (path.len == 0 || path.at[path.len - 1] == '/') {
        answer_listing(c, fd);
        return;
    }
    close(fd);
    while (begins(path, SPAN("//")))
        path = skip(path, 1);
    snprintf(where, sizeof where, "%.*s/%s%.*s", (int)path.len, path.at,
             r->query.len > 0 ? "?" : "", (int)r->query.len, r->query.at);
    answer_status_with(c, 301, "Location: ", where);
}

static void send_file_head(struct connection *c, const struct file *f,
                           int status, struct part p)
{
    static struct date modified;
    begin_answer(c, status);
    send_field(c, "ETag: ", f->tag);
    send_field(c, "Last-Modified: ", date_text(&modified, f->modified));
    if (status == 206) {
        send_text(c, "Content-Range: bytes ");
        send_number(c, p.first);
        send_text(c, "-");
        send_number(c, p.first + p.len - 1);
        send_text(c, "/");
        send_number(c, f->size);
        send_text(c, "\r\n");
    }
    if (status != 304) {
        send_field(c, "Content-Type: ", type_of(c->request.path));
        send_text(c, "Accept-Ranges: bytes\r\n");
    }
    end_head(c, p.len);
}

/* A small part is read at once, which costs less than to have it sent. */
static void answer_part(struct connection *c, const struct file *f, int status,
                        struct part p)
{
    static char bytes[SMALL_FILE];
    bool wanted = c->request.method != HEAD && status != 304;
    bool small = p.len <= sizeof bytes;
    if (wanted && small && p.len > 0 &&
        pread(f->fd, bytes, p.len, (off_t)p.first) != (ssize_t)p.len) {
        close(f->fd);
        answer_status(c, 500); /* it was cut short just now */
        return;
    }
    send_file_head(c, f, status, p);
    if (wanted && !small) {
        check_channel(
            c, asynchat_push_producer(
                   c->ch, asynchat_producer_file(f->fd, p.first, p.len)));
        return;
    }
    close(f->fd);
    if (wanted)
        send_bytes(c, bytes, p.len);
}

static void answer_content(struct connection *c, const struct file *f)
{
    const struct request *r = &c->request;
    struct part p = {0, f->size};
    struct span range;
    char size[32];
    int status = check_conditions(r, f);
    if (!status && r->method == GET && value_of(r, RANGE, &range) &&
        is_same(r, f))
        status = choose_range(range, f->size, &p);
    if (status != 412 && status != 416) {
        answer_part(c, f, status ? status : 200, p);
        return;
    }
    close(f->fd);
    snprintf(size, sizeof size, "bytes */%" PRIu64, f->size);
    answer_status_with(c, status, status == 416 ? "Content-Range: " : NULL,
                       size);
}

static void answer_file(struct connection *c)
{
    char name[TARGET_MOST + 1];
    struct file f;
    int status = decode_path(c->request.path, name);
    if (!status)
        status = open_file(root, name, &f);
    if (status)
        answer_status(c, status);
    else if (f.is_folder)
        answer_folder(c, f.fd);
    else
        answer_content(c, &f);
}

static const struct resource {
    struct span path;
    int methods;
    const char *allow;
    void (*answer)(struct connection *c);
} resources[] = {
    {TEXT("/hello"), GET | HEAD, "GET, HEAD", answer_hello},
    {TEXT("/echo"), POST, "POST", answer_echo},
    {TEXT(""), GET | HEAD, "GET, HEAD", answer_file}, /* everything else */
};

static const struct resource *find_resource(struct span path)
{
    const struct resource *resource = resources;
    while (resource->path.len > 0 &&
           (path.len != resource->path.len ||
            memcmp(path.at, resource->path.at, path.len) != 0))
        resource++;
    return resource;
}

/* --- the conversation --- */

/* The request is complete, and is answered. */
static void answer(struct connection *c)
{
    struct request *r = &c->request;
    if (stops)
        r->persists = false;
    if (c->resource->methods & (int)r->method)
        c->resource->answer(c);
    else
        answer_status_with(c, 405, "Allow: ", c->resource->allow);
    if (c->body)
        evbuffer_free(c->body);
    c->body = NULL;
    if (r->persists)
        expect_request(c);
    else
        end(c);
}

static bool is_post(const struct connection *c)
{
    return (c->resource->methods & (int)c->request.method) == POST;
}

/* A body that nobody wants is read all the same, for what comes behind it. */
static void expect_body(struct connection *c)
{
    const struct request *r = &c->request;
    c->received = 0;
    c->began = time(NULL);
    set_time(c, 0, RATE_LEAST);
    if (r->minor > 0 && has(r, EXPECT))
        send_text(c, "HTTP/1.1 100 Continue\r\n\r\n");
    if (is_post(c) && !(c->body = evbuffer_new()))
        asynchat_close(c->ch);
    if (r->chunked)
        expect_string(c, CHUNK_SIZE, "\r\n", LINE_MOST);
    else
        expect_bytes(c, BODY, r->length);
}

/* The client waits for 100, and is told at once what it would be told in the
 * end. It may send the body or not, so the connection ends. */
static void answer_without_body(struct connection *c)
{
    c->request.persists = false;
    answer(c);
}

static void got_request(struct connection *c)
{
    struct request *r = &c->request;
    struct span text = span_of(&c->head);
    *r = (struct request){.count = 0};
    while (begins(text, SPAN("\r\n"))) /* RFC 9112, 2.2 */
        text = skip(text, 2);
    if (text.len == 0) {
        c->head.len = 0;
        return;
    }
    int status = parse_head(r, text);
    if (!status && r->length > max_body)
        status = 413;
    if (status) {
        refuse(c, status);
        return;
    }
    c->resource = find_resource(r->path);
    bool has_body = r->chunked || r->length > 0;
    if (is_post(c) && !has_body && !has(r, CONTENT_LENGTH))
        refuse(c, 411);
    else if (!has_body)
        answer(c);
    else if (is_post(c) || !has(r, EXPECT))
        expect_body(c);
    else
        answer_without_body(c);
}

/* The library has the time for a message, which here is a chunk; for all of
 * them together it is here. */
static bool takes_too_long(const struct connection *c)
{
    uint64_t seconds = timeout / 1000 + 1 + c->received / RATE_LEAST;
    return (uint64_t)(time(NULL) - c->began) > seconds;
}

/* What is before the extensions, and the blanks that these may begin with. */
static struct span size_part(struct span line)
{
    struct span size = cut(&line, ';');
    bool extended = size.at + size.len < line.at;
    while (extended && size.len > 0 && is_blank(size.at[size.len - 1]))
        size.len--;
    return size;
}

/* RFC 9112, 7.1. */
static void got_chunk_size(struct connection *c)
{
    struct span line = span_of(&c->line);
    uint64_t size = 0;
    if (!is_all(line, VALUE) || !parse_number(size_part(line), 16, &size))
        refuse(c, 400);
    else if (size > max_body - c->received)
        refuse(c, 413);
    else if (takes_too_long(c))
        refuse(c, 408);
    else if (size > 0)
        expect_bytes(c, CHUNK, size);
    else
        expect_string(c, TRAILER, "\r\n", LINE_MOST);
    c->received += size;
}

static void got_chunk_end(struct connection *c)
{
    if (memcmp(span_of(&c->line).at, "\r\n", 2) == 0)
        expect_string(c, CHUNK_SIZE, "\r\n", LINE_MOST);
    else
        refuse(c, 400);
}

static void got_trailer(struct connection *c)
{
    struct span line = span_of(&c->line);
    int status = line.len > 0 ? parse_field(NULL, line) : 0;
    c->received += line.len;
    if (!status && c->received > max_body + HEAD_MOST)
        status = 431;
    if (!status && takes_too_long(c))
        status = 408;
    if (status)
        refuse(c, status);
    else if (line.len > 0)
        c->line.len = 0;
    else
        answer(c);
}

/* --- the callbacks --- */

static void connected(struct asynchat_channel *ch, void *arg)
{
    struct connection *c = calloc(1, sizeof *c);
    (void)arg;
    asynchat_set_arg(ch, c);
    if (!c) {
        asynchat_close(ch);
        return;
    }
    c->ch = ch;
    expect_string(c, REQUEST, "\r\n\r\n", HEAD_MOST);
    set_time(c, timeout, 0);
    check_channel(c, asynchat_join(ch, ch));
    check_channel(c, asynchat_set_output_marks(ch, 0, 1));
    check_channel(c, asynchat_set_output_limit(ch, max_body + OUTPUT_MOST));
    check_channel(c, asynchat_set_out_buffer_size(ch, WRITE_MOST));
    check_channel(c, asynchat_set_in_buffer_size(ch, read_most));
    check_channel(c, asynchat_set_linger(ch, timeout));
    if (logging && asynchat_peer_address(ch, c->peer, sizeof c->peer))
        strcpy(c->peer, "-");
}

/* Whether what was added to a text ends a line with '\n' alone: RFC 9112, 2.2.
 * It is found at once, as such a request would be waited for without end. */
static bool has_bare_newline(const struct text *text, size_t added)
{
    const char *end = text->bytes + text->len;
    const char *at = end - added;
    while ((at = memchr(at, '\n', (size_t)(end - at)))) {
        if (at == text->bytes || at[-1] != '\r')
            return true;
        at++;
    }
    return false;
}

static void keep_line(struct connection *c, struct text *text, const void *data,
                      size_t len)
{
    if (!keep_text(text, data, len))
        asynchat_close(c->ch);
    else if (c->state != CHUNK_END && has_bare_newline(text, len))
        refuse(c, 400);
}

static void collect(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    struct connection *c = arg;
    switch (c->state) {
    case REQUEST:
        keep_line(c, &c->head, data, len);
        break;
    case CHUNK_SIZE:
    case CHUNK_END:
    case TRAILER:
        keep_line(c, &c->line, data, len);
        break;
    case BODY:
    case CHUNK:
        if (c->body && evbuffer_add(c->body, data, len) < 0)
            asynchat_close(ch);
        break;
    case NOTHING:
        break;
    }
}

static void found(struct asynchat_channel *ch, void *arg)
{
    struct connection *c = arg;
    (void)ch;
    switch (c->state) {
    case REQUEST:
        got_request(c);
        break;
    case CHUNK_SIZE:
        got_chunk_size(c);
        break;
    case CHUNK:
        expect_bytes(c, CHUNK_END, 2);
        break;
    case CHUNK_END:
        got_chunk_end(c);
        break;
    case TRAILER:
        got_trailer(c);
        break;
    case BODY:
        answer(c);
        break;
    case NOTHING:
        break;
    }
}

static int status_of_failure(const struct connection *c, int error)
{
    bool is_begun = c->state != REQUEST || c->head.len > 0;
    if (error == ASYNCHAT_ESLOW || (error == ASYNCHAT_EIDLE && is_begun))
        return 408;
    if (error != ASYNCHAT_ETOOLONG)
        return 0;
    if (c->state == CHUNK_SIZE)
        return 400;
    return c->state == TRAILER || memchr(c->head.bytes, '\n', c->head.len)
               ? 431
               : 414;
}

static void failed(struct asynchat_channel *ch, int error, void *arg)
{
    struct connection *c = arg;
    (void)ch;
    int status = status_of_failure(c, error);
    if (status == 0 || c->state == NOTHING)
        return;
    if (c->state == REQUEST)
        c->request = (struct request){.count = 0};
    refuse(c, status);
}

/* A request that was cut off gets an answer, though nobody may want it. */
static void ended(struct asynchat_channel *ch, int cut_off, void *arg)
{
    struct connection *c = arg;
    (void)ch;
    if (c->state == NOTHING || (c->state == REQUEST && !cut_off))
        return;
    c->request = (struct request){.count = 0};
    answer_status(c, 400);
}

/* A request in progress is answered, which then ends the connection. */
static void stopping(struct asynchat_channel *ch, void *arg)
{
    struct connection *c = arg;
    (void)ch;
    if (c->state == REQUEST && c->head.len == 0)
        end(c);
}

static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    struct connection *c = arg;
    (void)ch;
    (void)status;
    if (!c)
        return;
    if (c->body)
        evbuffer_free(c->body);
    free(c->head.bytes);
    free(c->line.bytes);
    free(c);
}

static const struct asynchat_handler handler = {
    .size = sizeof handler,
    .collect_incoming_data = collect,
    .found_terminator = found,
    .handle_connect = connected,
    .handle_eof = ended,
    .handle_error = failed,
    .handle_close = closed,
    .handle_stopping = stopping,
};

/* --- from start to stop --- */

static void check(int error, const char *what)
{
    if (error) {
        fprintf(stderr, "httpd: %s: %s\n", what, asynchat_strerror(error));
        exit(1);
    }
}

static void stopped(void *arg)
{
    (void)arg;
    event_base_loopbreak(base);
}

static void stop(evutil_socket_t number, short what, void *server)
{
    (void)number;
    (void)what;
    stops = true;
    check(asynchat_server_stop(server, GRACE, stopped, NULL), "stop");
}

static struct event *stop_at(int number, struct asynchat_server *server)
{
    struct event *event = evsignal_new(base, number, stop, server);
    if (!event || event_add(event, NULL) < 0)
        check(-ENOMEM, "signal");
    return event;
}

static uint64_t number_option(const char *what, uint64_t least, uint64_t most)
{
    uint64_t n;
    struct span text = {optarg, strlen(optarg)};
    if (parse_number(text, 10, &n) && n >= least && n <= most)
        return n;
    fprintf(stderr, "httpd: --%s is a number from %" PRIu64 " to %" PRIu64 "\n",
            what, least, most);
    exit(2);
}

/* Gives the port. */
static unsigned read_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"max-body", required_argument, NULL, 'b'},
        {"timeout", required_argument, NULL, 't'},
        {"read", required_argument, NULL, 'r'},
        {"log", no_argument, &logging, 1},
        {NULL, 0, NULL, 0},
    };
    unsigned port = 0;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'p')
            port = (unsigned)number_option("port", 0, 65535);
        else if (option == 'b')
            max_body = number_option("max-body", 0, SIZE_MAX / 4);
        else if (option == 't')
            timeout = (unsigned)number_option("timeout", 1, INT32_MAX);
        else if (option == 'r')
            read_most = (unsigned)number_option("read", 1, 65536);
        else if (option != 0)
            exit(2);
    }
    if (optind + 1 == argc)
        return port;
    fprintf(stderr, "usage: httpd [--port N] [--max-body N] [--timeout MS] "
                    "[--read N] [--log] DIR\n");
    exit(2);
}

static void open_root(const char *folder)
{
    root = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        check(-errno, folder);
}

static struct asynchat_server *listen_at(unsigned port)
{
    char address[ASYNCHAT_ADDRESS_SIZE];
    struct asynchat_server *server;
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    check(asynchat_server_new(base, address, &handler, NULL, NULL, &server),
          address);
    check(asynchat_server_address(server, address, sizeof address), "address");
    if (printf("listening on %s\n", address) < 0 || fflush(stdout) != 0)
        check(-errno, "standard output");
    return server;
}

int main(int argc, char **argv)
{
    unsigned port = read_options(argc, argv);
    set_kinds();
    open_root(argv[optind]);
    base = event_base_new();
    if (!base)
        check(-ENOMEM, "event_base_new");
    struct asynchat_server *server = listen_at(port);
    struct event *interrupt = stop_at(SIGINT, server);
    struct event *terminate = stop_at(SIGTERM, server);

    int ran = event_base_dispatch(base); /* until the server has stopped */

    event_free(interrupt);
    event_free(terminate);
    event_base_free(base);
    close(root);
    return ran < 0 || fflush(stdout) != 0 ? 1 : 0;
}
