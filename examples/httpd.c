/* A web server:
 *
 *     httpd [--port N] [--max-body N] [--timeout MS] [--read N] [--log 1]
 *           [--io-uring] [--tls CERT KEY] DIR      (see ring.h, secure.h)
 *
 * It serves the files below DIR by HTTP/1.1 (RFC 9110 and RFC 9112), with
 * ranges, conditions and listings. /hello says hello, and /echo sends back what
 * is posted to it, or, with "Upgrade: echo", all that follows the request. The
 * server listens on 127.0.0.1, on any free port unless one is given, and ends
 * at SIGINT and SIGTERM. With --tls it upgrades nothing.
 *
 * The head of a request ends with a string, its body after a number of bytes or
 * of chunks. So each step of the conversation sets the terminator for the next.
 * One handler takes heads and lines, whole; another takes bodies, in pieces.
 *
 * The input of a client is limited by the message limit of each step, by
 * --max-body, and by a deadline. A client that does not take its answers is not
 * heard further, since each channel is joined with itself: so a client that
 * pipelines has one large answer and one open file at a time.
 *
 * A malformed request is answered and ends the connection, because the bytes
 * behind it may be a request that somebody has hidden there. A request with an
 * unwanted body ends the connection as well, and the body is not read.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE 1
#define _FILE_OFFSET_BITS 64
#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <regex.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <asynchat.h>
#include <event2/buffer.h>
#include <event2/event.h>

#include "ring.h"
#include "secure.h"

#define HEAD_MOST 65536       /* bytes of a request's head */
#define TARGET_MOST 8000      /* bytes of a request's target, after GET */
#define LINE_MOST 1024        /* bytes of a chunk's size, or of a trailer */
#define EXTRAS_MOST 8192      /* bytes of extensions and trailers of a body */
#define SMALL_FILE 32768      /* up to this size a file is read, not sendfile */
#define WRITE_MOST (1 << 20)  /* bytes in one write */
#define OUTPUT_MOST (1 << 20) /* bytes queued, besides the body of an echo */
#define RATE_LEAST 500        /* bytes per second of a body */
#define GRACE 1000            /* milliseconds when the server stops */

static struct event_base *base;
static int root = -1; /* DIR */
static uint64_t port, max_body = 1 << 20, read_most = 65536, logging;
static uint64_t timeout = 20000;      /* milliseconds */
static const char *certificate, *key; /* NULL without --tls */
static bool stops, io_uring;

/* --- text --- */

/* The characters besides letters and digits of each kind of text: RFC 9110,
 * 5.6.2; RFC 3986, 2 and 3. Browsers send the last five unescaped. */
#define TOKEN "!#$%&'*+-.^_`|~"
#define NAME "!$%&'()*+,-.;=_~"
#define TARGET NAME "/?:@[]{}|^`"

#define BLANKS " \t"
#define DIGITS "0123456789"
#define HEX DIGITS "abcdefABCDEF"
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Returns the first byte that is not of this kind. */
static char *skip(char *s, const char *kind)
{
    while (isalnum((unsigned char)*s) || (*s && strchr(kind, *s)))
        s++;
    return s;
}

/* Whether a text may be the value of a field or a line: RFC 9110, 5.5. */
static bool is_value(const char *s)
{
    while (((unsigned char)*s >= ' ' && *s != 127) || *s == '\t')
        s++;
    return *s == '\0';
}

/* Removes what is around a text. */
static char *trim(char *s, const char *what)
{
    while (*s && strchr(what, *s))
        s++;
    size_t len = strlen(s);
    while (len > 0 && strchr(what, s[len - 1]))
        s[--len] = '\0';
    return s;
}

/* Whether a list, which may be NULL, has this member: RFC 9110, 5.6.1. */
static bool has_member(const char *list, const char *member)
{
    for (; list; list = strchr(list, ',')) {
        list += strspn(list, BLANKS ",");
        const char *end = list + strlen(member);
        if (strncasecmp(list, member, strlen(member)) == 0 &&
            strchr(",", end[strspn(end, BLANKS)]))
            return true;
    }
    return false;
}

/* Reads digits, and nothing else. What is too large becomes UINT64_MAX. */
static bool parse_number(const char *s, int radix, uint64_t *n)
{
    if (!*s || s[strspn(s, radix == 16 ? HEX : DIGITS)])
        return false;
    *n = strtoull(s, NULL, radix);
    return true;
}

/* Joins texts, up to a NULL, faster than printf. Returns the end. */
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

/* Returns a number as text, lent until the fourth call after this. */
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

/* A time and its text, which is made again only when the time has changed. */
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

/* Reads a date in one of its three forms, or returns -1: RFC 9110, 5.6.7. */
static time_t parse_date(const char *text)
{
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT",
                                        "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %e %H:%M:%S %Y"};
    for (int i = 0; text && i < 3; i++) {
        struct tm tm = {0};
        char again[64];
        time_t date = strptime(text, forms[i], &tm) ? timegm(&tm) : -1;
        strftime(again, sizeof again, forms[i], &tm);
        if (date != -1 && strcmp(text, again) == 0)
            return date;
    }
    return -1;
}

/* --- a request: what is wrong with it is a status, and nothing NULL --- */

static const char OK[] = "200 OK";
static const char NO_CONTENT[] = "204 No Content";
static const char PARTIAL[] = "206 Partial Content";
static const char NOT_MODIFIED[] = "304 Not Modified";
static const char BAD[] = "400 Bad Request";
static const char NO_RANGE[] = "416 Range Not Satisfiable";

/* The methods that are known: RFC 9110, 9.3; RFC 5789. */
enum { GET, HEAD, OPTIONS, POST };
static const char *const methods[] = {"GET", "HEAD",   "OPTIONS", "POST",
                                      "PUT", "DELETE", "TRACE",   "PATCH"};

/* The fields that this server uses. From LISTS on, several fields of a name are
 * joined to one: they are lists, and two dates are no date. */
enum { CONTENT_LENGTH, IF_RANGE, HOST, RANGE, LISTS };
enum { TRANSFER_ENCODING = LISTS, CONNECTION, EXPECT, UPGRADE, DATES };
enum { IF_UNMODIFIED_SINCE = DATES, IF_MODIFIED_SINCE, TAGS };
enum { IF_NONE_MATCH = TAGS, IF_MATCH, UNKNOWN };
static const char *const names[] = {
    "Content-Length",      "If-Range",          "Host",          "Range",
    "Transfer-Encoding",   "Connection",        "Expect",        "Upgrade",
    "If-Unmodified-Since", "If-Modified-Since", "If-None-Match", "If-Match"};

struct request {
    int method, minor;     /* the version is 1.minor */
    const char *target;    /* "/path?query", or "*" */
    bool is_echo;          /* the path is /echo */
    char *fields[UNKNOWN]; /* the value of each field, or NULL */
    uint64_t length;       /* the length of the body, unless it is chunked */
    bool chunked;          /* the body is chunked */
    bool persists;         /* the connection goes on after the answer */
    bool upgrades;         /* it may go on as an echo */
};

/* Skips a host and its port, or returns NULL: RFC 9110, section 4.2.1. */
static char *skip_host(char *s)
{
    int in = *s == '['; /* the brackets of an address */
    char *end = in ? s + 1 + strspn(s + 1, HEX ":.") : skip(s, NAME);
    if (end == s + in || (in && *end++ != ']'))
        return NULL;
    return *end == ':' ? end + 1 + strspn(end + 1, DIGITS) : end;
}

/* The path of the last request, decoded, without its first slashes. */
static char file_name[TARGET_MOST + 1];

/* No name has a NUL or a slash. */
static const char *decode_path(const char *path, char *name)
{
    for (path += strspn(path, "/"); *path && *path != '?'; path++, name++) {
        *name = *path;
        if (*path != '%')
            continue;
        if (strspn(path + 1, HEX) < 2 ||
            sscanf(path + 1, "%2hhx", (unsigned char *)name) != 1 || !*name ||
            *name == '/')
            return BAD;
        path += 2;
    }
    *name = '\0';
    return NULL;
}

/* Reads "/path?query", with or without "http://host" before it, or the "*" of
 * OPTIONS: RFC 9112, 3.2. */
static const char *parse_target(struct request *r, char *target)
{
    char *host = strncasecmp(target, "http://", 7) == 0 ? target + 7 : NULL;
    const char *path = host ? skip_host(host) : target;
    if (strlen(target) > TARGET_MOST)
        return "414 URI Too Long";
    if (*skip(target, TARGET) || !path ||
        (*path != '/' && !(host && strchr("?", *path)) &&
         !(r->method == OPTIONS && strcmp(target, "*") == 0)))
        return BAD;
    r->target = path;
    const char *status = decode_path(path, file_name);
    r->is_echo = !status && strcmp(file_name, "echo") == 0;
    return status;
}

/* RFC 9112, 2.3 and 3: exactly one space on each side of the target. Errors of
 * form are reported before features that this server does not have. */
static const char *parse_request_line(struct request *r, char *line)
{
    char *method = strsep(&line, " "), *target = strsep(&line, " ");
    if (!line || !*method || *skip(method, TOKEN))
        return BAD;
    if (strncmp(line, "HTTP/1.", 7) != 0 || strspn(line + 7, DIGITS) != 1 ||
        line[8])
        return fnmatch("HTTP/[0-9].[0-9]", line, 0) == 0
                   ? "505 HTTP Version Not Supported"
                   : BAD;
    r->minor = line[7] - '0';
    for (r->method = GET; r->method < (int)COUNT(methods); r->method++)
        if (strcmp(method, methods[r->method]) == 0)
            return parse_target(r, target);
    return "501 Not Implemented";
}

/* RFC 9112, 5. A line that begins with a space, or has one before its colon,
 * has no name. For a field of a trailer section, `r` is NULL. */
static const char *parse_field(struct request *r, char *line)
{
    static char values[UNKNOWN][HEAD_MOST]; /* the values of the last request */
    char *name = strsep(&line, ":");
    int field = 0;
    if (!line || !*name || *skip(name, TOKEN) || !is_value(line))
        return BAD;
    while (field < UNKNOWN && ((*name ^ *names[field]) & 0x1f ||
                               strcasecmp(name, names[field]) != 0))
        field++; /* most fields begin with another letter */
    if (!r || field == UNKNOWN)
        return NULL;
    if (!r->fields[field])
        r->fields[field] = strcpy(values[field], trim(line, BLANKS));
    else if (field >= LISTS) /* RFC 9110, 5.3, 13.1.3, 13.1.4 */
        strcat(strcat(values[field], ","), trim(line, BLANKS));
    else
        return BAD;
    return NULL;
}

/* RFC 9112, 3.2, 6 and 9.3; RFC 9110, 10.1.1. */
static const char *parse_fields(struct request *r)
{
    char **f = r->fields, *host = f[HOST], *coding = f[TRANSFER_ENCODING];
    const char *length = f[CONTENT_LENGTH], *list = f[CONNECTION];
    bool is_good = host ? (host = skip_host(host)) && !*host : r->minor == 0;
    r->persists = (r->minor > 0 || has_member(list, "keep-alive")) &&
                  !has_member(list, "close");
    r->upgrades = r->is_echo && r->method == GET && r->minor > 0 &&
                  has_member(list, "upgrade") &&
                  has_member(f[UPGRADE], "echo") && !certificate;
    r->chunked =
        coding && strcasecmp(coding = trim(coding, BLANKS ","), "chunked") == 0;
    /* If another coding is sent in chunks, the body has an end, and is only not
     * implemented. Without chunks the body has no end: a bad request. */
    if (coding && fnmatch("*[, \t]chunked", coding, FNM_CASEFOLD) == 0)
        return "501 Not Implemented";
    if (!is_good || (coding && (!r->chunked || length || r->minor == 0)) ||
        (length && !parse_number(length, 10, &r->length)))
        return BAD;
    if (r->length > max_body)
        return "413 Content Too Large";
    if (f[EXPECT] && r->minor > 0 && !has_member(f[EXPECT], "100-continue"))
        return "417 Expectation Failed";
    return NULL;
}

static const char *parse_head(struct request *r, char *text)
{
    const char *status = parse_request_line(r, strsep(&text, "\r"));
    while (!status && text) /* a lone '\r' does not end a line: RFC 9112, 2.2 */
        status = *text == '\n' ? parse_field(r, strsep(&text, "\r") + 1) : BAD;
    return status ? status : parse_fields(r);
}

/* The size of a chunk, and extensions: RFC 9112, 7.1. */
#define WORD "[-!#$%&'*+.^_`|~0-9A-Za-z]+"
#define QUOTED "\"([^\"\\]|\\\\.)*\""
#define CHUNK_LINE                                                             \
    "^[0-9A-Fa-f]+([ \t]*;[ \t]*" WORD "([ \t]*=[ \t]*(" WORD "|" QUOTED       \
    "))?)*$"
static regex_t chunk_line;

/* --- a connection --- */

struct client;
typedef void step_fn(struct client *c, char *text);

struct client {
    struct asynchat_channel *ch;
    step_fn *step; /* gets the next head or line; NULL while a body comes */
    char *body;    /* what has come of it, `len` bytes */
    size_t len;
    struct request request;
    size_t extras; /* bytes of extensions and trailers so far */
};

static const struct asynchat_handler texts, bodies;
static step_fn got_request, got_chunk_size, got_trailer;

/* Without memory, a connection is closed. One that is ending needs none. */
static void check(struct client *c, int error)
{
    if (error && error != ASYNCHAT_ECLOSED)
        asynchat_close(c->ch);
}

/* Sets the next step: a text of at most `n` bytes, which ends with `end`; or,
 * without a step, `n` bytes of a body, which may be none. */
static void expect(struct client *c, step_fn *step, const char *end, size_t n)
{
    c->step = step;
    check(c, asynchat_set_handler(c->ch, step ? &texts : &bodies));
    check(c, step ? asynchat_set_terminator(c->ch, end, strlen(end))
                  : asynchat_set_block(c->ch, n));
    asynchat_set_message_limit(c->ch, step ? n : SIZE_MAX);
}

/* A quiet client is ended by `idle`. So one that begins with a request in time
 * has `timeout` for it at least. Empty lines gain no time. */
static void expect_request(struct client *c)
{
    free(c->body);
    c->body = NULL;
    c->len = 0;
    c->request = (struct request){.method = 0};
    if (c->step != got_request)
        expect(c, got_request, "\r\n\r\n", HEAD_MOST);
    if (asynchat_get_deadline(c->ch) < 2 * timeout) /* asking costs less */
        check(c, asynchat_set_deadline(c->ch, (unsigned)(3 * timeout)));
}

/* --- answering --- */

/* The log is meant for a file: a slow reader would hold the server up. */
static void log_answer(const struct client *c, const char *status, uint64_t len)
{
    const struct request *r = &c->request;
    printf("%s [%s] \"%s %s HTTP/1.%d\" %.3s %" PRIu64 "\n",
           asynchat_get_peer(c->ch), date_text(&now, time(NULL)),
           r->target ? methods[r->method] : "-", r->target ? r->target : "-",
           r->minor, status, len);
}

/* Sends an answer with lines of fields, and `len` bytes of data. Returns
 * whether data belongs to it: if `data` is NULL, the caller sends a file. */
static bool send_answer(struct client *c, const char *status,
                        const char *fields, const void *data, uint64_t len)
{
    static char head[TARGET_MOST + 1000];
    const struct request *r = &c->request;
    bool has_body = r->method != HEAD && status != NOT_MODIFIED;
    char *end = join(head, "HTTP/1.1 ", status,
                     "\r\nDate: ", date_text(&now, time(NULL)),
                     r->persists ? "\r\nConnection: keep-alive\r\n"
                                 : "\r\nConnection: close\r\n",
                     fields, NULL);
    end = status == NO_CONTENT ? stpcpy(end, "\r\n")
                               : join(end, "Content-Length: ", number_text(len),
                                      "\r\n\r\n", NULL);
    asynchat_push(c->ch, head, (size_t)(end - head));
    if (has_body && data)
        asynchat_push(c->ch, data, len);
    if (logging)
        log_answer(c, status, has_body ? len : 0);
    return has_body;
}

/* Sends an answer that is only a status, and a field unless it is "". */
static void send_status(struct client *c, const char *status, const char *field)
{
    char body[64], fields[TARGET_MOST + 100];
    const char *end = join(body, status, "\n", NULL);
    join(fields, field, "Content-Type: text/plain\r\n", NULL);
    send_answer(c, status, fields, body, (size_t)(end - body));
}

/* The client may still be sending, and must not lose the answer by that. */
static void end(struct client *c)
{
    asynchat_close_after(c->ch);
    asynchat_close_in_stages(c->ch);
}

static void refuse(struct client *c, const char *status)
{
    c->request.persists = false;
    send_status(c, status, "");
    end(c);
}

/* --- finding a file --- */

static const char *status_of(int error)
{
    if (error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG)
        return "404 Not Found";
    if (error == EACCES || error == EPERM || error == ELOOP || error == ENXIO)
        return "403 Forbidden"; /* ELOOP means a link, ENXIO a socket */
    return "503 Service Unavailable";
}

/* Opens a file or folder below DIR: no step of the path goes up or follows a
 * link. Special files, such as a pipe, do not hold the server up. Cuts `name`
 * to pieces. Returns -1 with errno. */
static int open_below(char *name)
{
    int fd = root;
    while (name && fd >= 0) {
        int folder = fd;
        const char *one = strsep(&name, "/");
        int how =
            name ? O_PATH | O_DIRECTORY : O_RDONLY | O_NONBLOCK | O_NOCTTY;
        errno = EACCES;
        fd = strcmp(one, "..") == 0 ? -1
                                    : openat(folder, *one ? one : ".",
                                             how | O_NOFOLLOW | O_CLOEXEC);
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
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".jpg", "image/jpeg"}};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < COUNT(types); i++)
        if (strcasecmp(dot, types[i][0]) == 0)
            return types[i][1];
    return "application/octet-stream";
}

/* --- a file: conditions and ranges are those of RFC 9110, 13 and 14 --- */

struct file {
    int fd; /* -1 once it was given away */
    const char *type;
    uint64_t size, at, len; /* the whole size; the requested part */
    time_t modified;
    char tag[64];
};

/* Whether a list of tags has the tag of the file, or is "*". A tag that begins
 * with W/ counts only if `weak`. A tag has quotes around it, none inside. */
static bool matches(const char *list, const char *tag, bool weak)
{
    const char *at = tag ? list : NULL;
    while (at && (at = strstr(at, tag)) && !weak && at > list && at[-1] == '/')
        at++;
    return at || strcmp(list, "*") == 0;
}

/* Returns PARTIAL, NO_RANGE, or OK for the whole file, also if there are
 * several ranges or none. A date does not say which version it was: 13.1.5. */
static const char *choose_range(const struct request *r, struct file *f)
{
    char *range = r->fields[RANGE], *same = r->fields[IF_RANGE];
    uint64_t first = 0, last = UINT64_MAX;
    if (!range || r->method != GET || (same && strcmp(same, f->tag) != 0))
        return OK;
    const char *unit = strsep(&range, "="), *from = strsep(&range, "-");
    if (!range || strcasecmp(unit, "bytes") != 0 || !(*from || *range) ||
        (*from && !parse_number(from, 10, &first)) ||
        (*range && !parse_number(range, 10, &last)) || (*from && first > last))
        return OK;
    if (!*from && last > 0 && f->size == 0) /* all of an empty file */
        return OK;
    if (!*from) { /* a number of bytes at the end */
        first = last < f->size ? f->size - last : 0;
        last = UINT64_MAX;
    }
    if (first >= f->size)
        return NO_RANGE;
    f->at = first;
    f->len = (last < f->size ? last + 1 : f->size) - first;
    return PARTIAL;
}

/* What has no tag has no date either. */
static const char *try_conditions(const struct request *r, const char *tag,
                                  time_t modified)
{
    const char *these = r->fields[IF_MATCH], *others = r->fields[IF_NONE_MATCH];
    time_t until = tag ? parse_date(r->fields[IF_UNMODIFIED_SINCE]) : -1;
    time_t since = tag ? parse_date(r->fields[IF_MODIFIED_SINCE]) : -1;
    if (these ? !matches(these, tag, false) : until != -1 && modified > until)
        return "412 Precondition Failed";
    if (others ? matches(others, tag, true) : since != -1 && modified <= since)
        return NOT_MODIFIED;
    return OK;
}

static const char *file_fields(const char *status, const struct file *f)
{
    static char fields[600];
    static struct date modified;
    const char *size = number_text(f->size);
    char *end = fields;
    *end = '\0';
    if (*status == '4') {
        join(end, status == NO_RANGE ? "Content-Range: bytes */" : NULL, size,
             "\r\n", NULL);
        return fields;
    }
    end = join(end, "Accept-Ranges: bytes\r\nETag: ", f->tag,
               "\r\nLast-Modified: ", date_text(&modified, f->modified), "\r\n",
               NULL);
    if (status != NOT_MODIFIED)
        end = join(end, "Content-Type: ", f->type, "\r\n", NULL);
    if (status == PARTIAL)
        join(end, "Content-Range: bytes ", number_text(f->at), "-",
             number_text(f->at + f->len - 1), "/", size, "\r\n", NULL);
    return fields;
}

/* A small part is read at once, which costs less than sendfile. */
static void answer_content(struct client *c, struct file *f)
{
    static char bytes[SMALL_FILE];
    const char *status = try_conditions(&c->request, f->tag, f->modified);
    if (status == OK)
        status = choose_range(&c->request, f);
    const char *fields = file_fields(status, f);
    bool is_read = f->len <= sizeof bytes &&
                   pread(f->fd, bytes, f->len, (off_t)f->at) == (ssize_t)f->len;
    if (*status == '4')
        send_status(c, status, fields);
    else if (send_answer(c, status, fields, is_read ? bytes : NULL, f->len) &&
             !is_read) {
        asynchat_push_producer(c->ch,
                               asynchat_producer_file(f->fd, f->at, f->len));
        f->fd = -1;
    }
}

/* Answers with a text, which has no tag and no date. */
static void answer_text(struct client *c, const char *type, const char *text,
                        size_t len)
{
    const char *status = try_conditions(&c->request, NULL, 0);
    if (*status == '4')
        send_status(c, status, "");
    else
        send_answer(c, status, status == OK ? type : "", text, len);
}

/* --- a folder --- */

/* Prints a name both as a link and as a text. */
static void print_entry(FILE *page, const struct dirent *entry)
{
    const char *slash = entry->d_type == DT_DIR ? "/" : "";
    fputs("<li><a href=\"./", page);
    for (const char *s = entry->d_name; *s; s++) {
        bool is_plain = isalnum((unsigned char)*s) || strchr("-._~", *s);
        fprintf(page, is_plain ? "%c" : "%%%02X", (unsigned char)*s);
    }
    fprintf(page, "%s\">", slash);
    for (const char *s = entry->d_name; *s; s++)
        fprintf(page, strchr("&<>\"'", *s) ? "&#%d;" : "%c", (unsigned char)*s);
    fprintf(page, "%s</a>\n", slash);
}

static void answer_listing(struct client *c, int folder)
{
    struct dirent **all = NULL;
    char *text = NULL;
    size_t len;
    int count = scandirat(folder, ".", &all, NULL, alphasort);
    FILE *page = count < 0 ? NULL : open_memstream(&text, &len);
    if (page)
        fprintf(page,
                "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
                "\n<title>Listing</title>\n<ul>\n");
    for (int i = 0; i < count; i++) {
        if (page && *all[i]->d_name != '.')
            print_entry(page, all[i]);
        free(all[i]);
    }
    free(all);
    if (!page || fclose(page) != 0)
        send_status(c, status_of(errno), "");
    else
        answer_text(c, "Content-Type: text/html; charset=utf-8\r\n", text, len);
    free(text);
}

/* Links in a listing are relative to a path that ends with a slash. */
static void answer_folder(struct client *c, int folder)
{
    const char *path = c->request.target, *end = path + strcspn(path, "?");
    char where[TARGET_MOST + 20];
    if (end == path || end[-1] == '/') {
        answer_listing(c, folder);
        return;
    }
    path = (char *)memrchr(path, '/', (size_t)(end - path)) + 1;
    snprintf(where, sizeof where, "Location: ./%.*s/%s\r\n", (int)(end - path),
             path, end);
    send_status(c, "301 Moved Permanently", where);
}

static void answer_file(struct client *c)
{
    struct stat about = {0};
    struct file f = {.type = type_of(file_name)};
    f.fd = open_below(file_name);
    const char *status = f.fd < 0 || fstat(f.fd, &about) < 0 ? status_of(errno)
                                                             : "403 Forbidden";
    f.size = f.len = (uint64_t)about.st_size;
    time_t changed = about.st_mtim.tv_sec, present = time(NULL);
    f.modified = changed < present ? changed : present; /* 8.8.2.1 */
    join(f.tag, "\"", number_text((uint64_t)about.st_mtim.tv_sec), "-",
         number_text((uint64_t)about.st_mtim.tv_nsec), "-", number_text(f.size),
         "\"", NULL);
    if (S_ISDIR(about.st_mode))
        answer_folder(c, f.fd);
    else if (S_ISREG(about.st_mode))
        answer_content(c, &f);
    else
        send_status(c, status, "");
    if (f.fd >= 0)
        close(f.fd);
}

/* --- another protocol, on another channel: unknown to the server --- */

static void echo_back(struct asynchat_channel *ch, const void *data, size_t len,
                      void *arg)
{
    (void)arg;
    asynchat_push(ch, data, len);
}

/* The Echo Protocol (RFC 862), for at most `timeout`. The connection leaves its
 * channel together with what has come behind the request. */
static void upgrade(struct client *c)
{
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\n"
                                 "Connection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    static const struct asynchat_handler echo = {
        .size = sizeof echo, .collect_incoming_data = echo_back};
    struct evbuffer *rest = evbuffer_new();
    struct asynchat_channel *ch = NULL;
    asynchat_push(c->ch, answer, strlen(answer));
    asynchat_flush(c->ch);
    if (logging)
        log_answer(c, answer + strlen("HTTP/1.1 "), 0);
    int fd = rest ? asynchat_detach(c->ch, rest) : -ENOMEM;
    if (fd < 0)
        asynchat_close(c->ch); /* it takes no answers, for example */
    else
        free(c);
    if (fd >= 0 && asynchat_channel_new_socket(base, fd, &echo, NULL, &ch) != 0)
        close(fd);
    asynchat_unread(ch, rest);
    asynchat_join(ch, ch);
    if (asynchat_set_steady_deadline(ch, (unsigned)timeout) != 0)
        asynchat_close(ch);
    if (rest)
        evbuffer_free(rest);
}

/* --- the conversation --- */

/* Answers a request that is complete. */
static void answer(struct client *c)
{
    struct request *r = &c->request;
    const char *allow = r->is_echo ? "Allow: OPTIONS, POST\r\n"
                                   : "Allow: GET, HEAD, OPTIONS\r\n";
    r->persists = r->persists && !stops;
    if (r->method == OPTIONS)
        send_answer(c, NO_CONTENT, allow, NULL, 0);
    else if (r->is_echo ? r->method != POST : r->method > HEAD)
        send_status(c, "405 Method Not Allowed", allow);
    else if (r->is_echo)
        send_answer(c, OK, "Content-Type: application/octet-stream\r\n",
                    c->body, c->len);
    else if (strcmp(file_name, "hello") == 0)
        answer_text(c, "Content-Type: text/plain\r\n", "Hello, World!", 13);
    else
        answer_file(c);
    if (r->persists)
        expect_request(c);
    else
        end(c);
}

static void got_request(struct client *c, char *text)
{
    struct request *r = &c->request;
    while (strncmp(text, "\r\n", 2) == 0) /* RFC 9112, 2.2 */
        text += 2;
    if (!*text)
        return;
    const char *status = parse_head(r, text);
    bool is_echo = !status && r->method == POST && r->is_echo;
    r->persists = r->persists && (is_echo || (!r->chunked && r->length == 0));
    if (status || (is_echo && !r->chunked && !r->fields[CONTENT_LENGTH]))
        refuse(c, status ? status : "411 Length Required");
    else if (r->upgrades && r->persists && !stops)
        upgrade(c);
    else if (!is_echo)
        answer(c);
    else {
        r->target = "/echo"; /* the head is not needed any more */
        c->extras = 0;
        check(c, asynchat_set_deadline(c->ch, (unsigned)timeout));
        if (r->fields[EXPECT] && r->minor > 0)
            asynchat_push(c->ch, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        expect(c, r->chunked ? got_chunk_size : NULL, "\r\n",
               r->chunked ? LINE_MOST : r->length);
    }
}

static void got_chunk_size(struct client *c, char *line)
{
    size_t digits = strspn(line, HEX);
    uint64_t size;
    c->extras += strlen(line + digits);
    bool is_good =
        !line[digits] || (c->extras <= EXTRAS_MOST && is_value(line) &&
                          regexec(&chunk_line, line, 0, NULL, 0) == 0);
    line[digits] = '\0';
    if (!is_good || !parse_number(line, 16, &size))
        refuse(c, BAD);
    else if (size > max_body - c->len)
        refuse(c, "413 Content Too Large");
    else if (size > 0)
        expect(c, NULL, NULL, size + 2);
    else
        expect(c, got_trailer, "\r\n", LINE_MOST);
}

/* A line of the trailers; the last one is empty. */
static void got_trailer(struct client *c, char *line)
{
    if ((c->extras += strlen(line)) > EXTRAS_MOST)
        refuse(c, "431 Header Fields Too Large");
    else if (!*line)
        answer(c);
    else if (parse_field(NULL, line))
        refuse(c, BAD);
}

/* --- the callbacks --- */

/* A head, or a line. A NUL would hide the bytes behind it. */
static void got_text(struct asynchat_channel *ch, const void *data, size_t len,
                     void *arg)
{
    static char text[HEAD_MOST + 1];
    struct client *c = arg;
    (void)ch;
    memcpy(text, data, len);
    text[len] = '\0';
    if (strlen(text) < len)
        refuse(c, BAD);
    else
        c->step(c, text);
}

/* Each byte gains time, but there is never more than at first. So a body may be
 * long, but not slow, however it is cut. */
static void collect(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    struct client *c = arg;
    uint64_t ms = asynchat_get_deadline(ch) + len * 1000 / RATE_LEAST;
    char *body = realloc(c->body, c->len + len);
    if (body) {
        memcpy(body + c->len, data, len);
        c->body = body;
        c->len += len;
    }
    ms = ms < timeout ? ms : timeout;
    check(c, body ? asynchat_set_deadline(ch, (unsigned)ms) : -ENOMEM);
}

/* The whole body has come, or a chunk and its "\r\n". */
static void got_bytes(struct asynchat_channel *ch, void *arg)
{
    struct client *c = arg;
    (void)ch;
    bool is_chunk = c->request.chunked;
    c->len -= is_chunk ? 2 : 0;
    if (!is_chunk)
        answer(c);
    else if (memcmp(c->body + c->len, "\r\n", 2) == 0)
        expect(c, got_chunk_size, "\r\n", LINE_MOST);
    else
        refuse(c, BAD);
}

static void connected(struct asynchat_channel *ch, void *arg)
{
    struct client *c = calloc(1, sizeof *c);
    (void)arg;
    if (!c) {
        asynchat_channel_free(ch);
        return;
    }
    asynchat_set_arg(ch, c);
    c->ch = ch;
    expect_request(c);
    asynchat_join(ch, ch);
}

/* Whether a client has begun with a request. An empty line is none. */
static bool is_busy(const struct client *c)
{
    const void *text;
    size_t len = asynchat_get_collected(c->ch, &text);
    while (len > 0 && memchr("\r\n", ((const char *)text)[len - 1], 2))
        len--;
    return c->step != got_request || len > 0;
}

/* Without a client, a handshake has failed. */
static void failed(struct asynchat_channel *ch, int error, void *arg)
{
    struct client *c = arg;
    const void *text;
    size_t len = asynchat_get_collected(ch, &text);
    bool is_late = error == ASYNCHAT_EIDLE || error == ASYNCHAT_EDEADLINE;
    if (c && is_late && is_busy(c))
        refuse(c, "408 Request Timeout");
    if (c && error == ASYNCHAT_ETOOLONG)
        refuse(c, c->step == got_chunk_size ? BAD
                  : c->step == got_request && !memchr(text, '\n', len)
                      ? "414 URI Too Long"
                      : "431 Header Fields Too Large");
}

/* A request that was cut off gets an answer, even if nobody may read it. */
static void ended(struct asynchat_channel *ch, int cut_off, void *arg)
{
    struct client *c = arg;
    (void)ch;
    (void)cut_off;
    if (is_busy(c))
        refuse(c, BAD);
}

/* A request in progress is still answered; then the connection ends. */
static void stopping(struct asynchat_channel *ch, void *arg)
{
    struct client *c = arg;
    (void)ch;
    stops = true;
    if (c && !is_busy(c))
        end(c);
}

static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    struct client *c = arg;
    (void)ch;
    (void)status;
    if (c)
        free(c->body);
    free(c);
}

#define COMMON                                                                 \
    .size = sizeof(struct asynchat_handler), .handle_connect = connected,      \
    .handle_eof = ended, .handle_error = failed, .handle_close = closed,       \
    .handle_stopping = stopping

static const struct asynchat_handler texts = {COMMON, .message = got_text};
static const struct asynchat_handler bodies = {
    COMMON, .collect_incoming_data = collect, .found_terminator = got_bytes};

/* --- from start to stop --- */

static const struct {
    const char *name;
    uint64_t least, most, *value;
} options[] = {{"--port", 0, 65535, &port},
               {"--max-body", 0, SIZE_MAX / 4, &max_body},
               {"--timeout", 1, INT32_MAX / 3, &timeout},
               {"--read", 1, 65536, &read_most},
               {"--log", 0, 1, &logging}};

static bool set_option(char **words)
{
    for (size_t i = 0; i < COUNT(options); i++)
        if (strcmp(words[0], options[i].name) == 0)
            return parse_number(words[1], 10, options[i].value) &&
                   *options[i].value >= options[i].least &&
                   *options[i].value <= options[i].most;
    return false;
}

/* Returns the place of DIR. */
static int set_options(int argc, char **argv)
{
    int i = 1;
    for (; i + 1 < argc; i++)
        if (strcmp(argv[i], "--io-uring") == 0) {
            io_uring = true;
        } else if (i + 3 < argc && strcmp(argv[i], "--tls") == 0) {
            certificate = argv[++i];
            key = argv[++i];
        } else if (!set_option(&argv[i++])) {
            i = argc; /* which is an error */
        }
    if (i + 1 != argc)
        errx(2, "usage: httpd [--port N] [--max-body N] [--timeout MS] "
                "[--read N] [--log 1] [--io-uring] [--tls CERT KEY] DIR");
    return i;
}

/* What the command line says of each connection. */
static const struct asynchat_options *channel_options(void)
{
    static struct asynchat_timeouts times = {.size = sizeof times};
    static struct asynchat_options all = {.size = sizeof all, .high_mark = 1};
    all.timeouts = &times;
    all.out_buffer_size = WRITE_MOST;
    all.output_limit = max_body + OUTPUT_MOST;
    all.in_buffer_size = read_most;
    all.linger = times.idle = times.write_idle = (unsigned)timeout;
    return &all;
}

static void listen_here(void)
{
    const struct asynchat_server_options all = {.size = sizeof all,
                                                .channels = channel_options()};
    char address[ASYNCHAT_ADDRESS_SIZE];
    struct asynchat_server *server;
    snprintf(address, sizeof address, "127.0.0.1:%" PRIu64, port);
    int error = asynchat_server_new(base, address, &texts, NULL, &all, &server);
    if (!error)
        error = asynchat_server_stop_on_termination(server, GRACE, NULL, NULL);
    if (error)
        errx(1, "%s: %s", address, asynchat_strerror(error));
    secure_server(server, certificate, key);
    if (dprintf(STDOUT_FILENO, "listening on 127.0.0.1:%d\n",
                asynchat_server_port(server)) < 0)
        err(1, "standard output");
}

int main(int argc, char **argv)
{
    const char *folder = argv[set_options(argc, argv)];
    setenv("TZ", "UTC0", 1); /* dates are in GMT: no file of a zone is read */
    root = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        err(1, "%s", folder);
    base = event_base_new();
    if (!base || regcomp(&chunk_line, CHUNK_LINE, REG_EXTENDED | REG_NOSUB))
        errx(1, "no memory");
    ring_start(base, io_uring);
    listen_here();
    /* The loop ends when the server and the last connection are gone. */
    int ran = event_base_dispatch(base);
    secure_free();
    ring_stop(base);
    event_base_free(base);
    regfree(&chunk_line);
    close(root);
    return ran < 0 || fflush(stdout) != 0 ? 1 : 0;
}
