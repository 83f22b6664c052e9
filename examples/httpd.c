/* A web server:
 *
 *     httpd [--port N] [--max-body N] [--timeout MS] [--read N] [--log 1]
 *           [--tls CERT KEY] DIR
 *
 * It serves the files below DIR by HTTP/1.1 (RFC 9110 and RFC 9112), with
 * ranges, conditions and listings. /hello says hello, and /echo sends back what
 * is posted to it. The server listens on 127.0.0.1, on any free port unless one
 * is given, until SIGINT or SIGTERM. With --tls, it speaks HTTPS: see secure.h.
 *
 * asynchat was made for requests like these: the head ends with a string, the
 * body ends after a number of bytes or after a number of chunks. So each step of
 * the conversation sets the terminator for the next step, and names that step.
 * However the bytes are cut, a step always gets its whole message. Heads and
 * lines come as whole messages, bodies in pieces: each kind has its handler.
 *
 * The input of a client is limited by the message limit of each step and by
 * --max-body. A client that does not take its answers is not heard further,
 * since each channel is joined with itself: so a client that pipelines has one
 * large answer and one open file at a time. A deadline ends a client that takes
 * too long, with an answer that says so.
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
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <asynchat.h>
#include <event2/event.h>

#include "secure.h"

#define HEAD_MOST 65536       /* bytes of a request's head */
#define TARGET_MOST 8000      /* bytes of a request's target, after GET */
#define LINE_MOST 1024        /* bytes of a chunk's size, or of a trailer */
#define TRAILERS_MOST 100     /* lines of trailers */
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
static bool stops;

/* --- text --- */

/* The characters besides letters and digits of each kind of text: RFC 9110,
 * 5.6.2; RFC 3986, 2 and 3. Browsers send the last five unescaped. */
#define TOKEN "!#$%&'*+-.^_`|~"
#define NAME "!$%&'()*+,-.;=_~"
#define TARGET NAME "/?:@[]{}|^`"

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

/* Removes the blanks around a text. */
static char *trim(char *s)
{
    while (isblank((unsigned char)*s))
        s++;
    size_t len = strlen(s);
    while (len > 0 && isblank((unsigned char)s[len - 1]))
        s[--len] = '\0';
    return s;
}

/* Reads one or more digits, and nothing else. A number that is too large becomes
 * UINT64_MAX. */
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

/* Reads a date in one of its three forms: RFC 9110, 5.6.7. Returns -1 if the
 * text is NULL or not a date. */
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
static const char PARTIAL[] = "206 Partial Content";
static const char NOT_MODIFIED[] = "304 Not Modified";
static const char BAD[] = "400 Bad Request";
static const char NO_RANGE[] = "416 Range Not Satisfiable";

enum { GET, HEAD, POST };
static const char *const methods[] = {"GET", "HEAD", "POST"};

/* The fields that this server uses. The last of them are lists. */
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
    int method, minor;     /* the version is 1.minor */
    const char *target;    /* "/path?query" */
    char *fields[UNKNOWN]; /* the value of each field, or NULL */
    uint64_t length;       /* the length of the body, unless it is chunked */
    bool chunked;          /* the body is chunked */
    bool expects;          /* the client waits for a 100 */
    bool persists;         /* the connection goes on after the answer */
};

/* Skips a name or an address, and a port if there is one: RFC 9110, 4.2.1 and
 * 7.2. */
static char *skip_host(char *s)
{
    char *end = *s == '[' ? s + 1 + strspn(s + 1, HEX ":.") : skip(s, NAME);
    if (*s == '[' && *end++ != ']')
        return s;
    return *end == ':' ? end + 1 + strspn(end + 1, DIGITS) : end;
}

/* Reads "/path?query", with or without "http://host" before it: RFC 9112, 3.2. */
static const char *parse_target(struct request *r, char *target)
{
    char *host = strncasecmp(target, "http://", 7) == 0 ? target + 7 : NULL;
    const char *path = host ? skip_host(host) : target;
    if (strlen(target) > TARGET_MOST)
        return "414 URI Too Long";
    if (*skip(target, TARGET) || path == host ||
        (*path != '/' && !(host && strchr("?", *path))))
        return BAD;
    r->target = path;
    return NULL;
}

/* RFC 9112, 2.3 and 3: exactly one space on each side of the target. Errors of
 * form are reported before features that this server does not have. */
static const char *parse_request_line(struct request *r, char *line)
{
    char *method = strsep(&line, " ");
    char *target = strsep(&line, " ");
    if (!line || !*method || *skip(method, TOKEN) || strlen(line) != 8 ||
        strncmp(line, "HTTP/", 5) != 0 || strspn(line + 5, DIGITS) != 1 ||
        line[6] != '.' || strspn(line + 7, DIGITS) != 1)
        return BAD;
    if (line[5] != '1')
        return "505 HTTP Version Not Supported";
    r->minor = line[7] - '0';
    for (r->method = GET; r->method <= POST; r->method++)
        if (strcmp(method, methods[r->method]) == 0)
            return parse_target(r, target);
    return "501 Not Implemented";
}

/* RFC 9112, 5. A line that begins with a space, which continues the previous
 * line in older versions, has no name. A line with a space before the colon has
 * no name either. For a field of a trailer section, `r` is NULL. */
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
        r->fields[field] = strcpy(values[field], trim(line));
    else if (field >= IF_MATCH) /* lists are joined: RFC 9110, 5.3 */
        strcat(strcat(values[field], ","), trim(line));
    else
        return BAD;
    return NULL;
}

/* RFC 9112, 3.2, 6 and 9.3; RFC 9110, 10.1.1. */
static const char *parse_fields(struct request *r)
{
    char *host = r->fields[HOST], *list = r->fields[CONNECTION], *word;
    const char *coding = r->fields[TRANSFER_ENCODING];
    const char *length = r->fields[CONTENT_LENGTH];
    bool closes = false, keeps = r->minor > 0;
    while ((word = strsep(&list, ","))) {
        word = trim(word);
        closes = closes || strcasecmp(word, "close") == 0;
        keeps = keeps || strcasecmp(word, "keep-alive") == 0;
    }
    r->persists = keeps && !closes;
    r->expects = r->fields[EXPECT] && r->minor > 0;
    r->chunked = coding && strcasecmp(coding, "chunked") == 0;
    /* If another coding is sent in chunks, the body has an end, and is only not
     * implemented. Without chunks the body has no end, and the request is bad. */
    if (coding && fnmatch("*[, \t]chunked", coding, FNM_CASEFOLD) == 0)
        return "501 Not Implemented";
    if ((host ? *skip_host(host) != '\0' : r->minor > 0) ||
        (coding && (!r->chunked || length || r->minor == 0)) ||
        (length && !parse_number(length, 10, &r->length)))
        return BAD;
    if (r->length > max_body)
        return "413 Content Too Large";
    if (r->expects && strcasecmp(r->fields[EXPECT], "100-continue") != 0)
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

/* --- a connection --- */

struct client;
typedef void step_fn(struct client *c, char *text);

struct client {
    struct asynchat_channel *ch;
    step_fn *step; /* gets the next head or line; NULL while a body comes */
    char *body;    /* what has come of it, `len` bytes */
    size_t len;
    struct request request;
    unsigned trailers; /* lines of trailers so far */
};

static const struct asynchat_handler texts, bodies;
static step_fn got_request, got_chunk_size, got_trailer;

/* If there is no memory for a connection, it is closed; the others go on. If a
 * connection is ending already, it takes no more output, which is no error. */
static void check(struct client *c, int error)
{
    if (error && error != ASYNCHAT_ECLOSED)
        asynchat_close(c->ch);
}

/* Sets the next step: a text of at most `most` bytes, which ends with `end`. */
static void expect(struct client *c, step_fn *step, const char *end,
                   size_t most)
{
    c->step = step;
    check(c, asynchat_set_handler(c->ch, &texts));
    check(c, asynchat_set_terminator(c->ch, end, strlen(end)));
    asynchat_set_message_limit(c->ch, most);
}

/* Sets the next step: exactly `len` bytes, which may be none. */
static void expect_bytes(struct client *c, uint64_t len)
{
    c->step = NULL;
    check(c, asynchat_set_handler(c->ch, &bodies));
    check(c, asynchat_set_block(c->ch, len));
    asynchat_set_message_limit(c->ch, SIZE_MAX);
}

static void set_deadline(struct client *c, uint64_t ms)
{
    check(c, asynchat_set_deadline(c->ch, (unsigned)ms));
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
    set_deadline(c, 2 * timeout);
}

/* --- answering --- */

/* The log is meant for a file: a slow reader would hold the server up. */
static void log_answer(const struct client *c, const char *status, uint64_t len)
{
    const struct request *r = &c->request;
    char peer[ASYNCHAT_ADDRESS_SIZE] = "-";
    (void)asynchat_peer_address(c->ch, peer, sizeof peer);
    printf("%s [%s] \"", peer, date_text(&now, time(NULL)));
    if (r->target)
        printf("%s %s HTTP/1.%d", methods[r->method], r->target, r->minor);
    else
        printf("-");
    printf("\" %.3s %" PRIu64 "\n", status, len);
}

/* Sends an answer with `len` bytes of data. If `data` is NULL, the data is a
 * file. Returns whether the data belongs to the answer: then the caller has to
 * send the file. */
static bool send_answer(struct client *c, const char *status,
                        const char *fields, const void *data, uint64_t len)
{
    static char head[TARGET_MOST + 1000];
    const struct request *r = &c->request;
    bool has_body = r->method != HEAD && status != NOT_MODIFIED;
    const char *end =
        join(head, "HTTP/1.1 ", status,
             "\r\nDate: ", date_text(&now, time(NULL)), "\r\n", fields,
             "\r\nContent-Length: ", number_text(len), "\r\nConnection: ",
             r->persists ? "keep-alive\r\n\r\n" : "close\r\n\r\n", NULL);
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
    join(fields, field, "Content-Type: text/plain", NULL);
    send_answer(c, status, fields, body, (size_t)(end - body));
}

/* Ends the connection after this answer. The client may still be sending the
 * rest of a body or further requests, and must not lose the answer by that. */
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

/* Decodes a path, without the slashes at its beginning. */
static const char *decode_path(const char *path, char *name)
{
    for (path += strspn(path, "/"); *path && *path != '?'; path++, name++) {
        *name = *path;
        if (*path != '%')
            continue;
        if (strspn(path + 1, HEX) < 2 ||
            sscanf(path + 1, "%2hhx", (unsigned char *)name) != 1)
            return BAD;
        path += 2;
        if (*name == '\0')
            return BAD;
        if (*name == '/')
            return "404 Not Found"; /* no name has a slash */
    }
    *name = '\0';
    return NULL;
}

static const char *status_of(int error)
{
    if (error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG)
        return "404 Not Found";
    /* ELOOP means a link, ENXIO a socket */
    if (error == EACCES || error == EPERM || error == ELOOP || error == ENXIO)
        return "403 Forbidden";
    return "503 Service Unavailable";
}

/* Opens a file or folder below DIR. No step of the path goes up or follows a
 * link, so that none leads out of DIR. Special files, such as a pipe, do not
 * hold the server up. Cuts `name` to pieces. Returns a file descriptor, or -1
 * with errno. */
static int open_below(char *name)
{
    int fd = root;
    while (name && fd >= 0) {
        int folder = fd;
        const char *one = strsep(&name, "/");
        int how =
            name ? O_PATH | O_DIRECTORY : O_RDONLY | O_NONBLOCK | O_NOCTTY;
        errno = EACCES;
        fd = -1;
        if (strcmp(one, "..") != 0)
            fd = openat(folder, *one ? one : ".", how | O_NOFOLLOW | O_CLOEXEC);
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
        {".jpg", "image/jpeg"},
    };
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
 * with W/ counts only if `weak`. A tag has quotes around it, and none inside. */
static bool matches(const char *list, const char *tag, bool weak)
{
    const char *at = list;
    while ((at = strstr(at, tag)) && !weak && at > list && at[-1] == '/')
        at++;
    return at || strcmp(list, "*") == 0;
}

/* Returns PARTIAL, NO_RANGE, or OK for the whole file. OK is also the answer to
 * several ranges, and to a text that is not a range. */
static const char *choose_range(struct file *f, char *range)
{
    uint64_t first = 0, last = UINT64_MAX;
    const char *unit = strsep(&range, "="), *from = strsep(&range, "-");
    if (!range || strcasecmp(unit, "bytes") != 0 || !(*from || *range) ||
        (*from && !parse_number(from, 10, &first)) ||
        (*range && !parse_number(range, 10, &last)) || (*from && first > last))
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

/* The status that follows from the request's conditions and its range. */
static const char *try_request(const struct request *r, struct file *f)
{
    const char *these = r->fields[IF_MATCH], *others = r->fields[IF_NONE_MATCH];
    const char *same = r->fields[IF_RANGE];
    time_t until = parse_date(r->fields[IF_UNMODIFIED_SINCE]);
    time_t since = parse_date(r->fields[IF_MODIFIED_SINCE]);
    if (these ? !matches(these, f->tag, false)
              : until != -1 && f->modified > until)
        return "412 Precondition Failed";
    if (others ? matches(others, f->tag, true)
               : since != -1 && f->modified <= since)
        return NOT_MODIFIED;
    /* A date cannot distinguish two versions from the same second: 13.1.5. */
    if (r->method == GET && r->fields[RANGE] &&
        (!same || strcmp(same, f->tag) == 0))
        return choose_range(f, r->fields[RANGE]);
    return OK;
}

static const char *file_fields(const char *status, const struct file *f)
{
    static char fields[600];
    static struct date modified;
    const char *size = number_text(f->size);
    char *end = fields;
    *end = '\0';
    if (status == NO_RANGE)
        join(end, "Content-Range: bytes */", size, "\r\n", NULL);
    if (*status == '4')
        return fields;
    end = join(end, "Accept-Ranges: bytes\r\nETag: ", f->tag,
               "\r\nLast-Modified: ", date_text(&modified, f->modified), NULL);
    if (status != NOT_MODIFIED)
        end = join(end, "\r\nContent-Type: ", f->type, NULL);
    if (status == PARTIAL)
        join(end, "\r\nContent-Range: bytes ", number_text(f->at), "-",
             number_text(f->at + f->len - 1), "/", size, NULL);
    return fields;
}

/* A small part is read at once, which costs less than sendfile. */
static void answer_content(struct client *c, struct file *f)
{
    static char bytes[SMALL_FILE];
    const char *status = try_request(&c->request, f);
    const char *fields = file_fields(status, f);
    bool is_small = f->len <= sizeof bytes;
    if (*status == '4')
        send_status(c, status, fields);
    else if (is_small &&
             pread(f->fd, bytes, f->len, (off_t)f->at) != (ssize_t)f->len)
        send_status(c, "503 Service Unavailable", ""); /* cut short just now */
    else if (is_small)
        send_answer(c, status, fields, bytes, f->len);
    else if (send_answer(c, status, fields, NULL, f->len)) {
        asynchat_push_producer(c->ch,
                               asynchat_producer_file(f->fd, f->at, f->len));
        f->fd = -1;
    }
}

/* --- a folder --- */

/* Prints a name both as a link and as a text. */
static void print_entry(FILE *page, const char *name, const char *slash)
{
    fputs("<li><a href=\"./", page);
    for (const char *s = name; *s; s++) {
        bool is_plain = isalnum((unsigned char)*s) || strchr("-._~", *s);
        fprintf(page, is_plain ? "%c" : "%%%02X", (unsigned char)*s);
    }
    fprintf(page, "%s\">", slash);
    for (const char *s = name; *s; s++)
        fprintf(page, strchr("&<>\"'", *s) ? "&#%d;" : "%c", (unsigned char)*s);
    fprintf(page, "%s</a>\n", slash);
}

static void answer_listing(struct client *c, int folder)
{
    struct dirent **all = NULL;
    char *text = NULL;
    size_t len;
    int count = scandirat(folder, ".", &all, NULL, alphasort);
    const char *status = count < 0 ? status_of(errno) : OK;
    FILE *page = open_memstream(&text, &len);
    if (page)
        fputs("<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n"
              "<title>Listing</title>\n<ul>\n",
              page);
    for (int i = 0; i < count; i++) {
        if (page && *all[i]->d_name != '.')
            print_entry(page, all[i]->d_name,
                        all[i]->d_type == DT_DIR ? "/" : "");
        free(all[i]);
    }
    free(all);
    if (!page || fclose(page) != 0)
        status = status_of(ENOMEM);
    if (status == OK)
        send_answer(c, OK, "Content-Type: text/html; charset=utf-8", text, len);
    else
        send_status(c, status, "");
    free(text);
}

/* Links in a listing are relative to the folder, so the folder's path ends with
 * a slash. Two slashes at its beginning would name another server. */
static void answer_folder(struct client *c, int folder)
{
    const char *path = c->request.target;
    char where[TARGET_MOST + 20];
    int len = (int)strcspn(path, "?");
    if (len == 0 || path[len - 1] == '/') {
        answer_listing(c, folder);
        return;
    }
    for (; path[1] == '/'; path++)
        len--;
    snprintf(where, sizeof where, "Location: %.*s/%s\r\n", len, path,
             path + len);
    send_status(c, "301 Moved Permanently", where);
}

static void answer_file(struct client *c)
{
    char name[TARGET_MOST + 1];
    struct stat about = {0};
    struct file f = {.fd = -1};
    const char *status = decode_path(c->request.target, name);
    if (!status) {
        f.type = type_of(name);
        f.fd = open_below(name);
        status = f.fd < 0 || fstat(f.fd, &about) < 0 ? status_of(errno)
                                                     : "403 Forbidden";
    }
    f.size = f.len = (uint64_t)about.st_size;
    f.modified = about.st_mtim.tv_sec; /* never in future: RFC 9110, 8.8.2.1 */
    if (f.modified > time(NULL))
        f.modified = time(NULL);
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

/* --- the conversation --- */

/* Whether the request is for this path, with or without a query. */
static bool is_for(const struct request *r, const char *path)
{
    size_t len = strlen(path);
    return strncmp(r->target, path, len) == 0 && strchr("?", r->target[len]);
}

/* Answers a request that is complete. */
static void answer(struct client *c)
{
    struct request *r = &c->request;
    bool is_echo = is_for(r, "/echo");
    r->persists = r->persists && !stops;
    if (is_echo != (r->method == POST))
        send_status(c, "405 Method Not Allowed",
                    is_echo ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n");
    else if (is_echo)
        send_answer(c, OK, "Content-Type: application/octet-stream", c->body,
                    c->len);
    else if (is_for(r, "/hello"))
        send_answer(c, OK, "Content-Type: text/plain", "Hello, World!", 13);
    else
        answer_file(c);
    if (r->persists)
        expect_request(c);
    else
        end(c);
}

/* Waits for the body of an echo. The head is not needed any more. */
static void expect_body(struct client *c)
{
    struct request *r = &c->request;
    r->target = "/echo";
    c->trailers = 0;
    set_deadline(c, timeout);
    if (r->expects)
        asynchat_push(c->ch, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    if (r->chunked)
        expect(c, got_chunk_size, "\r\n", LINE_MOST);
    else
        expect_bytes(c, r->length);
}

static void got_request(struct client *c, char *text)
{
    struct request *r = &c->request;
    while (strncmp(text, "\r\n", 2) == 0) /* RFC 9112, 2.2 */
        text += 2;
    if (!*text)
        return;
    const char *status = parse_head(r, text);
    bool has_body = r->chunked || r->length > 0;
    bool is_echo = !status && r->method == POST && is_for(r, "/echo");
    r->persists = r->persists && (is_echo || !has_body);
    if (is_echo && !has_body && !r->fields[CONTENT_LENGTH])
        status = "411 Length Required";
    if (status)
        refuse(c, status);
    else if (is_echo)
        expect_body(c);
    else
        answer(c);
}

/* RFC 9112, 7.1. There may be extensions, with blanks before them. */
static void got_chunk_size(struct client *c, char *line)
{
    uint64_t size;
    char *digits = strsep(&line, ";");
    if ((line && (!is_value(line) || isblank((unsigned char)*digits))) ||
        !parse_number(line ? trim(digits) : digits, 16, &size))
        refuse(c, BAD);
    else if (size > max_body - c->len)
        refuse(c, "413 Content Too Large");
    else if (size > 0)
        expect_bytes(c, size + 2);
    else
        expect(c, got_trailer, "\r\n", LINE_MOST);
}

/* A line of the trailers; the last one is empty. */
static void got_trailer(struct client *c, char *line)
{
    if (c->trailers++ == TRAILERS_MOST)
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
    if (!body) {
        asynchat_close(ch);
        return;
    }
    memcpy(body + c->len, data, len);
    c->body = body;
    c->len += len;
    set_deadline(c, ms < timeout ? ms : timeout);
}

/* The whole body has come, or a chunk and its "\r\n". */
static void got_bytes(struct asynchat_channel *ch, void *arg)
{
    struct client *c = arg;
    (void)ch;
    if (!c->request.chunked) {
        answer(c);
        return;
    }
    c->len -= 2;
    if (memcmp(c->body + c->len, "\r\n", 2) == 0)
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
    if (!c)
        return;
    if (error == ASYNCHAT_EIDLE || error == ASYNCHAT_EDEADLINE) {
        if (is_busy(c))
            refuse(c, "408 Request Timeout");
    } else if (error == ASYNCHAT_ETOOLONG && c->step == got_chunk_size)
        refuse(c, BAD);
    else if (error == ASYNCHAT_ETOOLONG) {
        size_t len = asynchat_get_collected(ch, &text);
        refuse(c, c->step == got_request && !memchr(text, '\n', len)
                      ? "414 URI Too Long"
                      : "431 Header Fields Too Large");
    }
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

/* What both handlers have. */
#define COMMON                                                                 \
    .size = sizeof(struct asynchat_handler), .handle_eof = ended,              \
    .handle_error = failed, .handle_close = closed,                            \
    .handle_stopping = stopping

static const struct asynchat_handler texts = {
    COMMON, .handle_connect = connected, .message = got_text};
static const struct asynchat_handler bodies = {
    COMMON, .collect_incoming_data = collect, .found_terminator = got_bytes};

/* --- from start to stop --- */

static const struct {
    const char *name;
    uint64_t least, most, *value;
} options[] = {
    {"--port", 0, 65535, &port},
    {"--max-body", 0, SIZE_MAX / 4, &max_body},
    {"--timeout", 1, INT32_MAX / 2, &timeout},
    {"--read", 1, 65536, &read_most},
    {"--log", 0, 1, &logging},
};

static bool set_option(const char *name, const char *text)
{
    for (size_t i = 0; i < COUNT(options); i++)
        if (strcmp(name, options[i].name) == 0)
            return parse_number(text, 10, options[i].value) &&
                   *options[i].value >= options[i].least &&
                   *options[i].value <= options[i].most;
    return false;
}

/* Returns the place of DIR. */
static int set_options(int argc, char **argv)
{
    int i = 1;
    while (i + 1 < argc)
        if (i + 3 < argc && strcmp(argv[i], "--tls") == 0) {
            certificate = argv[i + 1];
            key = argv[i + 2];
            i += 3;
        } else if (set_option(argv[i], argv[i + 1]))
            i += 2;
        else
            break;
    if (i + 1 != argc)
        errx(2, "usage: httpd [--port 0..65535] [--max-body N] [--timeout MS] "
                "[--read 1..65536] [--log 0..1] [--tls CERT KEY] DIR");
    return i;
}

/* What the command line says of each connection. */
static struct asynchat_options channel_options(struct asynchat_timeouts *times)
{
    unsigned ms = (unsigned)timeout;
    *times = (struct asynchat_timeouts){
        .size = sizeof *times, .idle = ms, .write_idle = ms};
    return (struct asynchat_options){.size = sizeof(struct asynchat_options),
                                     .output_limit = max_body + OUTPUT_MOST,
                                     .high_mark = 1,
                                     .in_buffer_size = read_most,
                                     .out_buffer_size = WRITE_MOST,
                                     .linger = ms,
                                     .timeouts = times};
}

static int serve(const char *address, struct asynchat_server **server)
{
    struct asynchat_timeouts times;
    const struct asynchat_options channels = channel_options(&times);
    const struct asynchat_server_options options = {.size = sizeof options,
                                                    .channels = &channels};
    return asynchat_server_new(base, address, &texts, NULL, &options, server);
}

static void listen_here(void)
{
    static const int signals[] = {SIGINT, SIGTERM};
    char address[ASYNCHAT_ADDRESS_SIZE];
    struct asynchat_server *server;
    snprintf(address, sizeof address, "127.0.0.1:%" PRIu64, port);
    int error = serve(address, &server);
    for (size_t n = 0; !error && n < COUNT(signals); n++)
        error = asynchat_server_stop_on_signal(server, signals[n], GRACE,
                                               secure_stopped, NULL);
    if (error)
        errx(1, "%s: %s", address, asynchat_strerror(error));
    if (certificate)
        secure_server(base, server, certificate, key);
    if (dprintf(STDOUT_FILENO, "listening on 127.0.0.1:%d\n",
                asynchat_server_port(server)) < 0)
        err(1, "standard output");
}

int main(int argc, char **argv)
{
    const char *folder = argv[set_options(argc, argv)];
    root = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        err(1, "%s", folder);
    base = event_base_new();
    if (!base)
        errx(1, "no event base");
    listen_here();

    /* The loop ends by itself when the server and the last connection are gone. */
    int ran = event_base_dispatch(base);

    secure_free();
    event_base_free(base);
    close(root);
    return ran < 0 || fflush(stdout) != 0 ? 1 : 0;
}
