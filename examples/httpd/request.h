/* What a client asks for, for httpd: RFC 9110 and RFC 9112.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef HTTPD_REQUEST_H
#define HTTPD_REQUEST_H

#include "text.h"

#define TARGET_MOST 8000 /* what is after GET */
#define FIELDS_MOST 16   /* of those that mean something here */

enum method { OTHER = 0, GET = 1, HEAD = 2, POST = 4, KNOWN = 8 };

/* The fields that mean something here. */
enum field {
    HOST,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    CONNECTION,
    EXPECT,
    RANGE,
    IF_RANGE,
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
    UNKNOWN
};

/* All spans lie in the text it was read from. */
struct request {
    struct span line;
    struct span path;
    struct span query; /* with its question mark */
    enum method method;
    unsigned minor; /* the version is 1.minor */
    unsigned count;
    struct {
        enum field name;
        struct span value;
    } fields[FIELDS_MOST];
    uint64_t length; /* of the body, if it is not */
    bool chunked;
    bool persists; /* the connection, after the answer */
};

/* Reads a head, without its last two line ends, into a request that is all 0.
 * 0, or the status that answers what is wrong with it. */
int parse_head(struct request *r, struct span text);

/* Reads one field of it, or of a trailer section: `r` is NULL. */
int parse_field(struct request *r, struct span line);

/* The next value of a field, *at being 0 at first; the first; whether there is
 * one. */
bool next_value(const struct request *r, enum field name, unsigned *at,
                struct span *value);
bool value_of(const struct request *r, enum field name, struct span *value);
bool has(const struct request *r, enum field name);

/* A status as it is written, such as "404 Not Found". */
const char *status_text(int status);

#endif
