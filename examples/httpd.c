/* A web server:
 *
 *     httpd [--port N] [--max-body N] [--timeout MS] [--read N] [--log 1] DIR
 *
 * HTTP/1.1, as RFC 9110 and RFC 9112 have it, for the files below DIR, with
 * ranges, conditions and listings; /hello says hello, and what is posted to
 * /echo comes back. It listens on 127.0.0.1, on any free port unless one is
 * given, until SIGINT or SIGTERM.
 *
 * A request is what asynchat was made for: its head ends with a string, its
 * body after a number of bytes, or after a number of chunks. So each step of
 * the conversation sets the terminator of the next, and says which it is; and
 * wherever the bytes are cut, no step sees a part of what it waits for.
 *
 * How a client is kept from using more than its share:
 * - What it sends has limits: the message limit of each step, --max-body.
 * - What it does not take holds up what it asks: the channel is joined with
 *   itself, so one that pipelines has one large answer, and one open file.
 * - It has its time, and one who takes longer is told so: asynchat_timeouts.
 *
 * A request that is no proper one is answered and ends the connection: what
 * comes behind it cannot be told from a request that somebody has hidden there.
 * So does one with a body that nobody wants, which is not read.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE 1
#define _FILE_OFFSET_BITS 64
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include <asynchat.h>

#define HEAD_MOST 65536    /* of a request */
#define TARGET_MOST 8000   /* what is after GET */
#define LINE_MOST 1024     /* of a chunk's size, or of a trailer */
#define TRAILERS_MOST 100  /* lines */
#define TEXT_KEPT 4096     /* memory that may stay behind a request */
#define SMALL_FILE 32768   /* is read, and not sent by the system */
#define LISTING_MOST 10000 /* names */
#define WRITE_MOST (1 << 20)
#define OUTPUT_MOST (1 << 20) /* queued, besides the body of an echo */
#define RATE_LEAST 500        /* bytes per second of a body */
#define GRACE 1000            /* milliseconds, at the end */

static struct event_base *base;
static int root = -1; /* DIR */
static uint64_t port, max_body = 1 << 20;
static uint64_t timeout = 20000;   /* milliseconds */
static uint64_t read_most = 65536; /* bytes at once */
static uint64_t logging;
static bool stops;

/* --- text --- */

/* What else than letters and digits these are made of: RFC 9110, 5.6.2; RFC
 * 3986, 2 and 3. The last five browsers send as they are. */
#define TOKEN "!#$%&'*+-.^_`|~"
#define NAME "!$%&'()*+,-.;=_~"
#define TARGET NAME "/?:@[]{}|^`"

#define DIGITS "0123456789"
#define HEX DIGITS "abcdefABCDEF"
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The first byte that is no part of it. */
static char *skip(char *s, const char *kind)
{
    while (isalnum((unsigned char)*s) || (*s && strchr(kind, *s)))
        s++;
    return s;
}

/* Of a field, or of a line: RFC 9110, 5.5. */
static bool is_value(const char *s)
{
    while (((unsigned char)*s >= ' ' && *s != 127) || *s == '\t')
        s++;
    return *s == '\0';
}

/* Without the blanks around it. */
static char *trim(char *s)
{
    s += strspn(s, " \t");
    size_t len = strlen(s);
    while (len > 0 && strchr(" \t", s[len - 1]))
        s[--len] = '\0';
    return s;
}

/* One digit or more, and nothing else. What is too large is UINT64_MAX. */
static bool parse_number(const char *s, int radix, uint64_t *n)
{
    if (!*s || s[strspn(s, radix == 16 ? HEX : DIGITS)])
        return false;
    *n = strtoull(s, NULL, radix);
    return true;
}

/* Puts texts together, up to a NULL. Gives the end, where the NUL is. */
static char *join(char *to, ...)
{
    const char *text;
    va_list texts;
    va_start(texts, to);
    while ((text = va_arg(texts, const char *)))
        to = stpcpy(to, text);
    va_end(texts);
    return to;
}

/* Lends the text of one of the last four numbers. */
static const char *number_text(uint64_t n)
{
    static char all[4][21];
    static unsigned turn;
    char *at = all[turn++ % 4] + 20;
    do
        *--at = (char)('0' + n % 10);
    while (n /= 10);
    return at;
}

/* A time, and its text, which is made anew only when it is another. */
static struct date {
    time_t at;
    char text[32];
} now;

static const char *date_text(struct date *date, time_t at)
{
    struct tm tm;
    if (date->at == at && date->text[0])
        return date->text;
    date->at = at;
    if (!gmtime_r(&at, &tm))
        gmtime_r(&(time_t){0}, &tm);
    strftime(date->text, sizeof date->text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    return date->text;
}

/* In one of three forms: RFC 9110, 5.6.7. -1 is none, and that of NULL. */
static time_t parse_date(const char *text)
{
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT",
                                        "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %e %H:%M:%S %Y"};
    for (int i = 0; text && i < 3; i++) {
        struct tm tm = {0};
        const char *end = strptime(text, forms[i], &tm);
        if (end && !*end)
            return timegm(&tm);
    }
    return -1;
}

/* --- a request: what is wrong with it is a status, and nothing 0 --- */

enum { GET = 1, HEAD = 2, POST = 4 };
static const char *const methods[] = {
    [GET] = "GET", [HEAD] = "HEAD", [POST] = "POST"};

/* The fields that mean something here. */
enum {
    HOST,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    EXPECT,
    RANGE,
    IF_RANGE,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
    IF_MATCH,
    IF_NONE_MATCH,
    CONNECTION,
    UNKNOWN
};
static const char *const names[] = {
    "Host",     "Content-Length", "Transfer-Encoding", "Expect",
    "Range",    "If-Range",       "If-Modified-Since", "If-Unmodified-Since",
    "If-Match", "If-None-Match",  "Connection"};

struct request {
    int method;
    const char *target;    /* "/path?query" */
    int minor;             /* the version is 1.minor */
    char *fields[UNKNOWN]; /* what they say, or NULL; but Connection's says */
    bool close, keep_alive;
    uint64_t length; /* of the body, if it is not */
    bool chunked;
    bool persists; /* the connection, after the answer */
};

/* A name or an address, and perhaps a port: RFC 9110, 4.2.1 and 7.2. */
static char *skip_host(char *s)
{
    char *end = skip(s, NAME);
    if (*s == '[') {
        end = s + 1 + strspn(s + 1, HEX ":.");
        if (*end++ != ']')
            return s;
    }
    return *end == ':' ? end + 1 + strspn(end + 1, DIGITS) : end;
}

/* "/path?query", or that after "http://host": RFC 9112, 3.2. */
static int parse_target(struct request *r, char *target)
{
    bool is_absolute = strncasecmp(target, "http://", 7) == 0;
    char *host = target + 7;
    if (strlen(target) > TARGET_MOST)
        return 414;
    if (*skip(target, TARGET) || (is_absolute && skip_host(host) == host))
        return 400;
    r->target = is_absolute ? skip_host(host) : target;
    return *r->target == '/' || (is_absolute && strchr("?", *r->target)) ? 0
                                                                         : 400;
}

static bool is_version(const char *s)
{
    return strncmp(s, "HTTP/", 5) == 0 && strspn(s + 5, DIGITS) == 1 &&
           s[6] == '.' && strspn(s + 7, DIGITS) == 1 && !s[8];
}

/* RFC 9112, 2.3 and 3: one space, and no other, on each side of the target. What
 * is wrong with the form comes first, then what this server has not. */
static int parse_request_line(struct request *r, char *line)
{
    char *method = strsep(&line, " ");
    char *target = strsep(&line, " ");
    if (!line || !*method || *skip(method, TOKEN) || !is_version(line))
        return 400;
    if (line[5] != '1')
        return 505;
    r->minor = line[7] - '0';
    for (r->method = GET; r->method <= POST; r->method *= 2)
        if (strcmp(method, methods[r->method]) == 0)
            return parse_target(r, target);
    return 501;
}

static void parse_connection(struct request *r, char *list)
{
    while (list) {
        const char *word = trim(strsep(&list, ","));
        r->close |= strcasecmp(word, "close") == 0;
        r->keep_alive |= strcasecmp(word, "keep-alive") == 0;
    }
}

/* RFC 9112, 5. A line that begins with a space, which goes on with the one
 * before in older versions, has no name; nor has one with a space before the
 * colon. Those of a trailer section are for no request. */
static int parse_field(struct request *r, char *line)
{
    char *name = strsep(&line, ":");
    int field = 0;
    if (!line || !*name || *skip(name, TOKEN) || !is_value(line))
        return 400;
    while (field < UNKNOWN && ((*name ^ *names[field]) & 0x1f ||
                               strcasecmp(name, names[field]) != 0))
        field++; /* most begin with another letter */
    if (!r || field == UNKNOWN)
        return 0;
    if (field == CONNECTION)
        parse_connection(r, line);
    else if (!r->fields[field])
        r->fields[field] = trim(line);
    else if (field < IF_MATCH) /* the others are lists; the first counts */
        return 400;
    return 0;
}

/* RFC 9112, 6.1 and 6.3. */
static int parse_coding(struct request *r, char *coding)
{
    char *comma = strrchr(coding, ',');
    r->chunked = strcasecmp(coding, "chunked") == 0;
    if (r->minor == 0 || r->fields[CONTENT_LENGTH])
        return 400;
    if (r->chunked)
        return 0;
    return comma && strcasecmp(trim(comma + 1), "chunked") == 0 ? 501 : 400;
}

/* What the fields say of the connection, and of the request. */
static int parse_fields(struct request *r)
{
    char *host = r->fields[HOST], *length = r->fields[CONTENT_LENGTH];
    const char *expects = r->minor > 0 ? r->fields[EXPECT] : NULL;
    int status = 0;
    if (host ? *skip_host(host) != '\0' : r->minor > 0)
        return 400;
    if (r->fields[TRANSFER_ENCODING])
        status = parse_coding(r, r->fields[TRANSFER_ENCODING]);
    else if (length && !parse_number(length, 10, &r->length))
        status = 400;
    else if (r->length > max_body)
        status = 413;
    if (!status && expects && strcasecmp(expects, "100-continue") != 0)
        status = 417;
    r->persists = r->minor > 0 ? !r->close : r->keep_alive;
    return status;
}

/* Cuts off a line; the last has no end, and leaves NULL. A '\n' alone ends
 * none: RFC 9112, 2.2. */
static char *next_line(char **text)
{
    char *line = *text;
    char *end = strstr(line, "\r\n");
    *text = end ? end + 2 : NULL;
    if (end)
        *end = '\0';
    return line;
}

static int parse_head(struct request *r, char *text)
{
    int status = parse_request_line(r, next_line(&text));
    while (!status && text)
        status = parse_field(r, next_line(&text));
    return status ? status : parse_fields(r);
}

/* --- a connection --- */

struct connection {
    struct asynchat_channel *ch;

    /* Who gets what is waited for; NULL when that is nothing more. */
    void (*step)(struct connection *c, char *text);

    char *text; /* collected, with a NUL: what was of a body, from `mark` on */
    size_t mark, len, room; /* what is waited for */
    struct request request;
    const struct resource *resource; /* that it is for */
    time_t began;                    /* the body */
    unsigned trailers;               /* lines behind it */
};

static void got_request(struct connection *c, char *text);
static void got_chunk_size(struct connection *c, char *line);
static void got_trailer(struct connection *c, char *line);

/* A connection that memory is short for is closed, and the others go on. One
 * that ends already takes no answer. */
static void check(struct connection *c, int error)
{
    if (error && error != ASYNCHAT_ECLOSED)
        asynchat_close(c->ch);
}

/* What comes next ends with a string, and has at most so many bytes; or it has
 * so many, and `end` is NULL. */
static void expect(struct connection *c,
                   void (*step)(struct connection *c, char *text),
                   const char *end, uint64_t most)
{
    c->step = step;
    c->len = c->mark;
    check(c, end ? asynchat_set_terminator(c->ch, end, strlen(end))
                 : asynchat_set_terminator_length(c->ch, most));
    check(c, asynchat_set_message_limit(c->ch, end ? most : SIZE_MAX));
}

/* A request has its time as a whole; a body has it for every so many bytes. */
static void set_time(struct connection *c, uint64_t request, unsigned rate)
{
    const struct asynchat_timeouts times = {
        .size = sizeof times,
        .idle = (unsigned)timeout,
        .write_idle = (unsigned)timeout,
        .message = (unsigned)request,
        .min_rate = rate,
        .rate_time = (unsigned)timeout,
    };
    check(c, asynchat_set_timeouts(c->ch, &times));
}

static void expect_request(struct connection *c)
{
    if (c->room > TEXT_KEPT) {
        free(c->text);
        c->text = NULL;
        c->room = 0;
    }
    c->mark = c->len = 0;
    c->request = (struct request){.method = 0};
    if (c->step == got_request)
        return;
    expect(c, got_request, "\r\n\r\n", HEAD_MOST);
    set_time(c, timeout, 0);
}

/* --- answering --- */

static const char *status_text(int status)
{
    static const char *const all[] = {
        "200 OK",
        "206 Partial Content",
        "301 Moved Permanently",
        "304 Not Modified",
        "400 Bad Request",
        "403 Forbidden",
        "404 Not Found",
        "405 Method Not Allowed",
        "408 Request Timeout",
        "411 Length Required",
        "412 Precondition Failed",
        "413 Content Too Large",
        "414 URI Too Long",
        "416 Range Not Satisfiable",
        "417 Expectation Failed",
        "431 Header Fields Too Large",
        "501 Not Implemented",
        "503 Service Unavailable",
        "505 HTTP Version Not Supported",
        "500 Internal Server Error",
    };
    size_t i = 0;
    while (i + 1 < COUNT(all) && atoi(all[i]) != status)
        i++;
    return all[i];
}

/* One that reads the log may hold the server up: it is for a file. */
static void log_answer(const struct connection *c, int status, uint64_t len)
{
    const struct request *r = &c->request;
    char peer[ASYNCHAT_ADDRESS_SIZE] = "-", line[TARGET_MOST + 30] = "-";
    (void)asynchat_peer_address(c->ch, peer, sizeof peer);
    if (r->target)
        join(line, methods[r->method], " ", r->target, " HTTP/1.",
             number_text((uint64_t)r->minor), NULL);
    printf("%s [%s] \"%s\" %d %" PRIu64 "\n", peer, date_text(&now, time(NULL)),
           line, status, len);
}

/* Whether the body is to follow. It has `len` bytes in any case. */
static bool send_head(struct connection *c, int status, const char *fields,
                      uint64_t len)
{
    static char head[TARGET_MOST + 1000];
    const struct request *r = &c->request;
    bool has_body = r->method != HEAD && status != 304;
    const char *keeps = r->minor == 0 ? "Connection: keep-alive\r\n" : "";
    const char *end =
        join(head, "HTTP/1.1 ", status_text(status),
             "\r\nDate: ", date_text(&now, time(NULL)), "\r\n", fields,
             "Content-Length: ", number_text(len), "\r\n",
             r->persists ? keeps : "Connection: close\r\n", "\r\n", NULL);
    check(c, asynchat_push(c->ch, head, (size_t)(end - head)));
    if (logging)
        log_answer(c, status, has_body ? len : 0);
    return has_body;
}

static void answer_bytes(struct connection *c, int status, const char *fields,
                         const void *data, size_t len)
{
    if (send_head(c, status, fields, len))
        check(c, asynchat_push(c->ch, data, len));
}

/* An answer that is only a status, and perhaps a field. */
static void answer_status(struct connection *c, int status, const char *field)
{
    char body[64], fields[TARGET_MOST + 100];
    const char *end = join(body, status_text(status), "\n", NULL);
    join(fields, field, "Content-Type: text/plain\r\n", NULL);
    answer_bytes(c, status, fields, body, (size_t)(end - body));
}

/* Nothing more is answered. The client may still be sending, the rest of a body
 * or further requests, and is not to lose the answer by it. */
static void end(struct connection *c)
{
    expect(c, NULL, NULL, 0);
    check(c, asynchat_close_in_stages(c->ch));
}

static void refuse(struct connection *c, int status)
{
    c->request.persists = false;
    answer_status(c, status, "");
    end(c);
}

/* --- finding a file --- */

/* Decodes what is behind the slashes that a path begins with. */
static int decode_path(const char *path, char *name)
{
    for (path += strspn(path, "/"); *path && *path != '?'; path++) {
        *name = *path;
        if (*path == '%') {
            if (strspn(path + 1, HEX) < 2)
                return 400;
            char digits[] = {path[1], path[2], '\0'};
            *name = (char)strtoul(digits, NULL, 16);
            path += 2;
        }
        if (*name == '\0')
            return 400;
        if (*name == '/' && *path != '/')
            return 404; /* it would be part of a name, where none can be */
        name++;
    }
    *name = '\0';
    return 0;
}

static int status_of(int error)
{
    if (error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG)
        return 404;
    if (error == EMFILE || error == ENFILE || error == ENOMEM)
        return 503;
    /* with ELOOP it is a link, with ENXIO a socket */
    return error == EACCES || error == EPERM || error == ELOOP || error == ENXIO
               ? 403
               : 500;
}

/* Each step of the way goes neither up nor over a link, so that none leads out.
 * What is neither a file nor a folder, such as a pipe, does not hold the server
 * up. Cuts `name` to pieces. A file descriptor, or -1 with errno. */
static int open_below(char *name)
{
    int fd = root;
    while (name && fd >= 0) {
        int folder = fd;
        const char *one = strsep(&name, "/");
        int flags =
            name ? O_PATH | O_DIRECTORY : O_RDONLY | O_NONBLOCK | O_NOCTTY;
        errno = EACCES;
        fd = strcmp(one, "..") == 0 ? -1
                                    : openat(folder, *one ? one : ".",
                                             flags | O_NOFOLLOW | O_CLOEXEC);
        if (folder != root)
            close(folder);
    }
    return fd;
}

static const char *type_of(const char *name)
{
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"},
        {".txt", "text/plain; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".json", "application/json"},
        {".pdf", "application/pdf"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".jpg", "image/jpeg"},
        {".gif", "image/gif"},
    };
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < COUNT(types); i++)
        if (strcasecmp(dot, types[i][0]) == 0)
            return types[i][1];
    return "application/octet-stream";
}

/* --- a file: conditions and ranges are those of RFC 9110, 13 and 14 --- */

struct file {
    int fd; /* -1 when it was given away */
    const char *type;
    uint64_t size;
    time_t modified;
    char tag[64];
};

/* Whether a list of tags, or "*", has that of the file; one that begins with W/
 * only if `weak`. A tag has its quotes, and none inside. */
static bool matches(const char *list, const char *tag, bool weak)
{
    const char *at = list;
    while ((at = strstr(at, tag)) && !weak && at > list && at[-1] == '/')
        at++;
    return at || strcmp(list, "*") == 0;
}

/* 200, or the status that the request's conditions make of it. */
static int check_conditions(const struct request *r, const struct file *f)
{
    const char *these = r->fields[IF_MATCH], *others = r->fields[IF_NONE_MATCH];
    time_t same = parse_date(r->fields[IF_UNMODIFIED_SINCE]);
    time_t since = parse_date(r->fields[IF_MODIFIED_SINCE]);
    if (these ? !matches(these, f->tag, false)
              : same != -1 && f->modified > same)
        return 412;
    if (others ? matches(others, f->tag, true)
               : since != -1 && f->modified <= since)
        return 304;
    return 200;
}

/* What is asked for: 206 and from where how much, 416, or 200 for the whole,
 * with which several ranges are answered, and what is none. */
static int choose_range(char *range, uint64_t *at, uint64_t *len)
{
    uint64_t size = *len, first = 0, last = UINT64_MAX;
    char *to = range + strlen("bytes=");
    if (strncasecmp(range, "bytes=", strlen("bytes=")) != 0)
        return 200;
    const char *from = strsep(&to, "-");
    if (!to || !(*from || *to) || (*from && !parse_number(from, 10, &first)) ||
        (*to && !parse_number(to, 10, &last)) || (*from && first > last))
        return 200;
    if (!*from) { /* the last so many bytes */
        first = last < size ? size - last : 0;
        last = UINT64_MAX;
    }
    if (first >= size)
        return 416;
    *at = first;
    *len = (last < size ? last + 1 : size) - first;
    return 206;
}

static const char *file_fields(int status, const struct file *f, uint64_t at,
                               uint64_t len)
{
    static char fields[600];
    static struct date modified;
    char *end = join(fields, "ETag: ", f->tag,
                     "\r\nLast-Modified: ", date_text(&modified, f->modified),
                     "\r\n", NULL);
    if (status != 304)
        end = join(end, "Content-Type: ", f->type,
                   "\r\nAccept-Ranges: bytes\r\n", NULL);
    if (status == 206)
        join(end, "Content-Range: bytes ", number_text(at), "-",
             number_text(at + len - 1), "/", number_text(f->size), "\r\n",
             NULL);
    return fields;
}

/* A small part is read at once, which costs less than to have it sent. */
static void answer_part(struct connection *c, int status, struct file *f,
                        uint64_t at, uint64_t len)
{
    static char bytes[SMALL_FILE];
    const char *fields = file_fields(status, f, at, len);
    bool is_small = len <= sizeof bytes && status != 304;
    if (is_small && pread(f->fd, bytes, len, (off_t)at) != (ssize_t)len)
        answer_status(c, 500, ""); /* it was cut short just now */
    else if (is_small)
        answer_bytes(c, status, fields, bytes, len);
    else if (send_head(c, status, fields, len)) {
        check(c, asynchat_push_producer(
                     c->ch, asynchat_producer_file(f->fd, at, len)));
        f->fd = -1;
    }
}

static void answer_content(struct connection *c, struct file *f)
{
    const struct request *r = &c->request;
    const char *same = r->fields[IF_RANGE];
    char size[64] = "";
    uint64_t at = 0, len = f->size;
    int status = check_conditions(r, f);
    if (status == 200 && r->method == GET && r->fields[RANGE] &&
        (!same || strcmp(same, f->tag) == 0 || parse_date(same) == f->modified))
        status = choose_range(r->fields[RANGE], &at, &len);
    if (status == 416)
        join(size, "Content-Range: bytes */", number_text(len), "\r\n", NULL);
    if (status == 412 || status == 416)
        answer_status(c, status, size);
    else
        answer_part(c, status, f, at, len);
}

/* --- a folder --- */

static void print_name(FILE *page, const char *name, bool is_link)
{
    for (; *name; name++) {
        int byte = (unsigned char)*name;
        if (is_link && !isalnum(byte) && !strchr("-._~", byte))
            fprintf(page, "%%%02X", byte);
        else if (strchr("&<>\"'", byte))
            fprintf(page, "&#%d;", byte);
        else
            putc(byte, page);
    }
}

static void print_entry(FILE *page, const struct dirent *entry)
{
    const char *slash = entry->d_type == DT_DIR ? "/" : "";
    fprintf(page, "<li><a href=\"./");
    print_name(page, entry->d_name, true);
    fprintf(page, "%s\">", slash);
    print_name(page, entry->d_name, false);
    fprintf(page, "%s</a>\n", slash);
}

static unsigned listed;

static int is_listed(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && listed++ < LISTING_MOST;
}

/* To be freed, or NULL with errno. */
static char *make_page(int folder, size_t *len)
{
    struct dirent **entries = NULL;
    char *text = NULL;
    FILE *page = open_memstream(&text, len);
    listed = 0;
    int count =
        page ? scandirat(folder, ".", &entries, is_listed, alphasort) : -1;
    if (page)
        fputs("<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n"
              "<title>Listing</title>\n<ul>\n",
              page);
    for (int i = 0; i < count; i++) {
        print_entry(page, entries[i]);
        free(entries[i]);
    }
    free(entries);
    if (page && fclose(page) == 0 && count >= 0)
        return text;
    free(text);
    return NULL;
}

static void answer_listing(struct connection *c, int folder)
{
    size_t len;
    char *page = make_page(folder, &len);
    if (page)
        answer_bytes(c, 200, "Content-Type: text/html; charset=utf-8\r\n", page,
                     len);
    else
        answer_status(c, status_of(errno), "");
    free(page);
}

/* Links in a listing are relative to the folder, so that has a slash. Two at
 * the beginning would be another server. */
static void answer_folder(struct connection *c, int folder)
{
    const char *path = c->request.target;
    char where[TARGET_MOST + 20];
    size_t len = strcspn(path, "?");
    if (len == 0 || path[len - 1] == '/') {
        answer_listing(c, folder);
        return;
    }
    for (; path[1] == '/'; path++)
        len--;
    snprintf(where, sizeof where, "Location: %.*s/%s\r\n", (int)len, path,
             path + len);
    answer_status(c, 301, where);
}

/* --- what there is --- */

static void answer_file(struct connection *c)
{
    char name[TARGET_MOST + 1];
    struct stat about = {0};
    struct file f = {.fd = -1};
    int status = decode_path(c->request.target, name);
    if (!status) {
        f.type = type_of(name);
        f.fd = open_below(name);
        status = f.fd < 0 || fstat(f.fd, &about) < 0 ? status_of(errno) : 0;
    }
    f.size = (uint64_t)about.st_size;
    f.modified = about.st_mtim.tv_sec;
    join(f.tag, "\"", number_text((uint64_t)f.modified), "-",
         number_text((uint64_t)about.st_mtim.tv_nsec), "-", number_text(f.size),
         "\"", NULL);
    if (S_ISDIR(about.st_mode))
        answer_folder(c, f.fd);
    else if (S_ISREG(about.st_mode))
        answer_content(c, &f);
    else
        answer_status(c, status ? status : 403, "");
    if (f.fd >= 0)
        close(f.fd);
}

static void answer_hello(struct connection *c)
{
    answer_bytes(c, 200, "Content-Type: text/plain\r\n", "Hello, World!", 13);
}

static void answer_echo(struct connection *c)
{
    answer_bytes(c, 200, "Content-Type: application/octet-stream\r\n", c->text,
                 c->mark);
}

static const struct resource {
    const char *path;
    int methods;
    const char *allow;
    void (*answer)(struct connection *c);
} resources[] = {
    {"/hello", GET | HEAD, "Allow: GET, HEAD\r\n", answer_hello},
    {"/echo", POST, "Allow: POST\r\n", answer_echo},
    {NULL, GET | HEAD, "Allow: GET, HEAD\r\n", answer_file},
};

/* The last is everything else. */
static const struct resource *find_resource(const char *target)
{
    const struct resource *one = resources;
    size_t len = strcspn(target, "?");
    while (one->path &&
           (strlen(one->path) != len || memcmp(one->path, target, len) != 0))
        one++;
    return one;
}

/* --- the conversation --- */

/* The request is complete, and is answered. */
static void answer(struct connection *c)
{
    c->request.persists = c->request.persists && !stops;
    if (c->resource->methods & c->request.method)
        c->resource->answer(c);
    else
        answer_status(c, 405, c->resource->allow);
    if (c->request.persists)
        expect_request(c);
    else
        end(c);
}

/* All of it, or a chunk and its "\r\n". */
static void got_body(struct connection *c, char *text)
{
    size_t behind = c->request.chunked ? 2 : 0;
    c->mark = c->len - behind;
    text = c->text + c->mark;
    if (behind == 0)
        answer(c);
    else if (memcmp(text, "\r\n", behind) == 0)
        expect(c, got_chunk_size, "\r\n", LINE_MOST);
    else
        refuse(c, 400);
}

/* The head is not needed any more. */
static void expect_body(struct connection *c)
{
    struct request *r = &c->request;
    r->target = c->resource->path;
    c->trailers = 0;
    c->began = time(NULL);
    set_time(c, 0, RATE_LEAST);
    if (r->minor > 0 && r->fields[EXPECT])
        check(c, asynchat_push(c->ch, "HTTP/1.1 100 Continue\r\n\r\n", 25));
    if (r->chunked)
        expect(c, got_chunk_size, "\r\n", LINE_MOST);
    else
        expect(c, got_body, NULL, r->length);
}

static void got_request(struct connection *c, char *text)
{
    struct request *r = &c->request;
    while (strncmp(text, "\r\n", 2) == 0) /* RFC 9112, 2.2 */
        text += 2;
    if (!*text) {
        c->len = 0;
        return;
    }
    int status = parse_head(r, text);
    if (status) {
        refuse(c, status);
        return;
    }
    c->resource = find_resource(r->target);
    bool has_body = r->chunked || r->length > 0;
    bool is_post = c->resource->methods & r->method & POST;
    if (is_post && has_body)
        expect_body(c);
    else if (is_post && !r->fields[CONTENT_LENGTH])
        refuse(c, 411);
    else {
        r->persists &= !has_body;
        answer(c);
    }
}

/* RFC 9112, 7.1. There may be extensions, and blanks before them. */
static void got_chunk_size(struct connection *c, char *line)
{
    uint64_t size;
    bool is_text = is_value(line);
    char *digits = strsep(&line, ";");
    if (line)
        trim(digits);
    if (!is_text || !parse_number(digits, 16, &size))
        refuse(c, 400);
    else if (size > max_body - c->mark)
        refuse(c, 413);
    else if (size > 0)
        expect(c, got_body, NULL, size + 2);
    else
        expect(c, got_trailer, "\r\n", LINE_MOST);
}

/* The last one is an empty line. */
static void got_trailer(struct connection *c, char *line)
{
    int status = *line ? parse_field(NULL, line) : 0;
    if (!status && c->trailers++ == TRAILERS_MOST)
        status = 431;
    if (status)
        refuse(c, status);
    else if (c->len > c->mark)
        c->len = c->mark;
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
    expect_request(c);
    check(c, asynchat_join(ch, ch));
    check(c, asynchat_set_output_marks(ch, 0, 1));
    check(c, asynchat_set_output_limit(ch, max_body + OUTPUT_MOST));
    check(c, asynchat_set_out_buffer_size(ch, WRITE_MOST));
    check(c, asynchat_set_in_buffer_size(ch, read_most));
    check(c, asynchat_set_linger(ch, (unsigned)timeout));
}

static void collect(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    struct connection *c = arg;
    size_t least = c->len + len + 1;
    if (!c->step)
        return;
    if (c->room < least) {
        char *text = realloc(c->text, 2 * least);
        if (!text) {
            asynchat_close(ch);
            return;
        }
        c->text = text;
        c->room = 2 * least;
    }
    memcpy(c->text + c->len, data, len);
    c->len += len;
    c->text[c->len] = '\0';
}

/* A NUL would hide what is behind it, but for a body, which may have any. The
 * library has the time for a message, which may be a chunk; for all of them
 * together it is here. */
static void found(struct asynchat_channel *ch, void *arg)
{
    struct connection *c = arg;
    uint64_t most = timeout / 1000 + 1 + c->len / RATE_LEAST;
    collect(ch, "", 0, c); /* so that there is a text, if an empty one */
    if (!c->step || !c->text)
        return;
    char *text = c->text + c->mark;
    if (c->step != got_body && strlen(text) < c->len - c->mark)
        refuse(c, 400);
    else if (c->step != got_request && (uint64_t)(time(NULL) - c->began) > most)
        refuse(c, 408);
    else
        c->step(c, text);
}

static void failed(struct asynchat_channel *ch, int error, void *arg)
{
    struct connection *c = arg;
    bool in_head = c->step == got_request;
    int status = 0;
    (void)ch;
    if (error == ASYNCHAT_ESLOW ||
        (error == ASYNCHAT_EIDLE && !(in_head && c->len == 0)))
        status = 408;
    else if (error == ASYNCHAT_ETOOLONG && c->step == got_chunk_size)
        status = 400;
    else if (error == ASYNCHAT_ETOOLONG)
        status = in_head && !strchr(c->text, '\n') ? 414 : 431;
    if (status && c->step)
        refuse(c, status);
}

/* A request that was cut off gets an answer, though nobody may want it. */
static void ended(struct asynchat_channel *ch, int cut_off, void *arg)
{
    struct connection *c = arg;
    (void)ch;
    if (c->step && (c->step != got_request || cut_off))
        refuse(c, 400);
}

/* A request in progress is answered, which then ends the connection. */
static void stopping(struct asynchat_channel *ch, void *arg)
{
    struct connection *c = arg;
    (void)ch;
    stops = true;
    if (c->step == got_request && c->len == 0)
        end(c);
}

static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    struct connection *c = arg;
    (void)ch;
    (void)status;
    if (c)
        free(c->text);
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

static void must(int error, const char *what)
{
    if (error) {
        fprintf(stderr, "httpd: %s: %s\n", what, asynchat_strerror(error));
        exit(1);
    }
}

/* The loop ends by itself, when the server and the last connection are gone. */
static void stop_on(int number, struct asynchat_server *server)
{
    must(asynchat_server_stop_on_signal(server, number, GRACE, NULL, NULL),
         "signal");
}

static const struct {
    const char *name;
    uint64_t least, most, *value;
} options[] = {
    {"--port", 0, 65535, &port},
    {"--max-body", 0, SIZE_MAX / 4, &max_body},
    {"--timeout", 1, INT32_MAX, &timeout},
    {"--read", 1, 65536, &read_most},
    {"--log", 0, 1, &logging},
};

static bool set_option(const char *name, const char *text)
{
    uint64_t n;
    for (size_t i = 0; i < COUNT(options); i++)
        if (strcmp(name, options[i].name) == 0 && parse_number(text, 10, &n) &&
            n >= options[i].least && n <= options[i].most) {
            *options[i].value = n;
            return true;
        }
    return false;
}

/* Gives DIR. */
static const char *read_options(int argc, char **argv)
{
    int i = 1;
    while (i + 1 < argc && set_option(argv[i], argv[i + 1]))
        i += 2;
    if (i + 1 == argc)
        return argv[i];
    if (i < argc)
        fprintf(stderr,
                "httpd: %s %s: no such option, or not with this value\n",
                argv[i], argv[i + 1]);
    fputs("usage: httpd [--port 0..65535] [--max-body N] [--timeout MS] "
          "[--read 1..65536] [--log 0..1] DIR\n",
          stderr);
    exit(2);
}

static struct asynchat_server *listen_at(uint64_t at)
{
    char address[ASYNCHAT_ADDRESS_SIZE];
    struct asynchat_server *server;
    snprintf(address, sizeof address, "127.0.0.1:%" PRIu64, at);
    must(asynchat_server_new(base, address, &handler, NULL, NULL, &server),
         address);
    must(asynchat_server_address(server, address, sizeof address), "address");
    if (printf("listening on %s\n", address) < 0 || fflush(stdout) != 0)
        must(-errno, "standard output");
    return server;
}

int main(int argc, char **argv)
{
    const char *folder = read_options(argc, argv);
    root = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        must(-errno, folder);
    base = event_base_new();
    if (!base)
        must(-ENOMEM, "event_base_new");
    struct asynchat_server *server = listen_at(port);
    stop_on(SIGINT, server);
    stop_on(SIGTERM, server);

    int ran = event_base_dispatch(base); /* until the server has stopped */

    event_base_free(base);
    close(root);
    return ran < 0 || fflush(stdout) != 0 ? 1 : 0;
}
