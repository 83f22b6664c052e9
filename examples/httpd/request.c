/* Reads the head of a request, strictly: what two readers of it could take for
 * two things is refused.
 *
 * What is wrong is answered as a status, and nothing with 0. The sections are
 * those of RFC 9112, unless another is named. SPDX-License-Identifier: BSD-3-Clause */
#include "request.h"

#include <string.h>

static const struct {
    struct span name;
    enum method method;
} methods[] = {
    {TEXT("GET"), GET},     {TEXT("HEAD"), HEAD},     {TEXT("POST"), POST},
    {TEXT("PUT"), KNOWN},   {TEXT("DELETE"), KNOWN},  {TEXT("OPTIONS"), KNOWN},
    {TEXT("TRACE"), KNOWN}, {TEXT("CONNECT"), KNOWN}, {TEXT("PATCH"), KNOWN},
};

static const struct {
    struct span name;
    bool is_list; /* and may be there more than once */
} known[UNKNOWN] = {
    [HOST] = {TEXT("Host"), false},
    [CONTENT_LENGTH] = {TEXT("Content-Length"), false},
    [TRANSFER_ENCODING] = {TEXT("Transfer-Encoding"), false},
    [CONNECTION] = {TEXT("Connection"), true},
    [EXPECT] = {TEXT("Expect"), false},
    [RANGE] = {TEXT("Range"), false},
    [IF_RANGE] = {TEXT("If-Range"), false},
    [IF_MATCH] = {TEXT("If-Match"), true},
    [IF_NONE_MATCH] = {TEXT("If-None-Match"), true},
    [IF_MODIFIED_SINCE] = {TEXT("If-Modified-Since"), false},
    [IF_UNMODIFIED_SINCE] = {TEXT("If-Unmodified-Since"), false},
};

/* --- asking --- */

bool next_value(const struct request *r, enum field name, unsigned *at,
                struct span *value)
{
    while (*at < r->count && r->fields[*at].name != name)
        (*at)++;
    if (*at == r->count)
        return false;
    *value = r->fields[(*at)++].value;
    return true;
}

bool value_of(const struct request *r, enum field name, struct span *value)
{
    unsigned at = 0;
    return next_value(r, name, &at, value);
}

bool has(const struct request *r, enum field name)
{
    struct span value;
    return value_of(r, name, &value);
}

/* Whether a list has a word, in any of the field's lines. */
static bool lists(const struct request *r, enum field name, struct span word)
{
    struct span value;
    unsigned at = 0;
    while (next_value(r, name, &at, &value))
        while (value.len > 0)
            if (is(trim(cut(&value, ',')), word))
                return true;
    return false;
}

/* --- reading --- */

/* A name or an address, and perhaps a port: RFC 9110, 4.2.1 and 7.2. */
static bool is_host(struct span s)
{
    struct span name;
    if (!begins(s, SPAN("["))) {
        name = cut(&s, ':');
        return is_all(name, HOST_NAME) && is_all(s, DIGIT);
    }
    if (!memchr(s.at, ']', s.len))
        return false;
    name = skip(cut(&s, ']'), 1);
    if (s.len > 0 && s.at[0] != ':')
        return false;
    return is_all(name, ADDRESS) && is_all(s.len > 0 ? skip(s, 1) : s, DIGIT);
}

/* "/path?query", or that after "http://host": RFC 9112, 3.2. */
static int parse_target(struct request *r, struct span target)
{
    struct span scheme = SPAN("http://");
    if (target.len > TARGET_MOST)
        return 414;
    if (!is_all(target, TARGET))
        return 400;
    if (r->method == KNOWN) /* they have other forms, and are refused anyway */
        target = SPAN("/");
    if (begins(target, scheme)) {
        struct span host = target = skip(target, scheme.len);
        host.len = 0;
        while (host.len < target.len && !strchr("/?", host.at[host.len]))
            host.len++;
        if (host.len == 0 || !is_host(host))
            return 400;
        target = skip(target, host.len);
    } else if (!begins(target, SPAN("/"))) {
        return 400;
    }
    r->path = cut(&target, '?');
    r->query = target;
    return 0;
}

static int parse_version(struct request *r, struct span version)
{
    if (version.len != 8 || memcmp(version.at, "HTTP/", 5) != 0 ||
        !is_all((struct span){version.at + 5, 1}, DIGIT) ||
        version.at[6] != '.' || !is_all(skip(version, 7), DIGIT))
        return 400;
    r->minor = (unsigned)(version.at[7] - '0');
    return version.at[5] == '1' ? 0 : 505;
}

static enum method find_method(struct span name)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (name.len == methods[i].name.len &&
            memcmp(name.at, methods[i].name.at, name.len) == 0)
            return methods[i].method;
    return OTHER;
}

/* RFC 9112, 3: one space, and no other, on each side of the target. What is
 * wrong with the form comes first, then what this server has not. */
static int parse_request_line(struct request *r, struct span line)
{
    r->line = line;
    struct span method = cut(&line, ' ');
    struct span target = cut(&line, ' ');
    if (method.len == 0 || !is_all(method, TOKEN))
        return 400;
    int status = parse_version(r, line);
    if (status)
        return status;
    r->method = find_method(method);
    return r->method ? parse_target(r, target) : 501;
}

static enum field field_of(struct span name)
{
    int i = 0;
    while (i < UNKNOWN && !is(name, known[i].name))
        i++;
    return (enum field)i;
}

/* RFC 9112, 5. A line that begins with a space, which goes on with the one
 * before in older versions, has no name; nor has one with a space before the
 * colon. */
int parse_field(struct request *r, struct span line)
{
    if (!memchr(line.at, ':', line.len))
        return 400;
    struct span name = cut(&line, ':');
    if (name.len == 0 || !is_all(name, TOKEN) || !is_all(line, VALUE))
        return 400;
    enum field field = field_of(name);
    if (!r || field == UNKNOWN)
        return 0;
    if (!known[field].is_list && has(r, field))
        return 400;
    if (r->count == FIELDS_MOST)
        return 431;
    r->fields[r->count].name = field;
    r->fields[r->count++].value = trim(line);
    return 0;
}

static struct span next_line(struct span *text)
{
    struct span line = cut(text, '\n');
    if (line.len > 0 && text->at[-1] == '\n')
        line.len--; /* the '\r' */
    return line;
}

/* RFC 9112, 6.1 and 6.3. */
static int parse_coding(struct request *r, struct span value)
{
    struct span chunked = SPAN("chunked");
    struct span last = value;
    if (r->minor == 0 || has(r, CONTENT_LENGTH))
        return 400;
    r->chunked = is(value, chunked);
    if (r->chunked)
        return 0;
    while (memchr(last.at, ',', last.len))
        if (is(trim(cut(&last, ',')), chunked))
            return 400;
    return is(trim(last), chunked) ? 501 : 400;
}

/* How long the body is. */
static int parse_length(struct request *r)
{
    struct span value;
    if (value_of(r, TRANSFER_ENCODING, &value))
        return parse_coding(r, value);
    if (value_of(r, CONTENT_LENGTH, &value) &&
        !parse_number(value, 10, &r->length))
        return 400;
    return 0;
}

/* What the fields say of the connection, and of the request. */
static int parse_fields(struct request *r)
{
    struct span value;
    bool has_host = value_of(r, HOST, &value);
    if (has_host ? !is_host(value) : r->minor > 0)
        return 400;
    int status = parse_length(r);
    if (status)
        return status;
    if (r->minor > 0 && value_of(r, EXPECT, &value) &&
        !is(value, SPAN("100-continue")))
        return 417;
    r->persists = r->minor > 0 ? !lists(r, CONNECTION, SPAN("close"))
                               : lists(r, CONNECTION, SPAN("keep-alive"));
    return 0;
}

int parse_head(struct request *r, struct span text)
{
    int status = parse_request_line(r, next_line(&text));
    while (!status && text.len > 0)
        status = parse_field(r, next_line(&text));
    return status ? status : parse_fields(r);
}

const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } all[] = {
        {200, "200 OK"},
        {206, "206 Partial Content"},
        {301, "301 Moved Permanently"},
        {304, "304 Not Modified"},
        {400, "400 Bad Request"},
        {403, "403 Forbidden"},
        {404, "404 Not Found"},
        {405, "405 Method Not Allowed"},
        {408, "408 Request Timeout"},
        {411, "411 Length Required"},
        {412, "412 Precondition Failed"},
        {413, "413 Content Too Large"},
        {414, "414 URI Too Long"},
        {416, "416 Range Not Satisfiable"},
        {417, "417 Expectation Failed"},
        {431, "431 Request Header Fields Too Large"},
        {501, "501 Not Implemented"},
        {503, "503 Service Unavailable"},
        {505, "505 HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i].status == status)
            return all[i].text;
    return "500 Internal Server Error";
}
