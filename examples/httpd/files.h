/* Files below one folder, for httpd. Statuses are those of RFC 9110.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef HTTPD_FILES_H
#define HTTPD_FILES_H

#include <time.h>

#include "request.h"

struct file {
    int fd;
    bool is_folder;
    uint64_t size;
    time_t modified;
    char tag[64];
};

/* A part of it. */
struct part {
    uint64_t first, len;
};

/* Decodes what is behind the slashes that a path begins with. `name` has room
 * for TARGET_MOST and a NUL. 0, or a status. */
int decode_path(struct span path, char *name);

/* Opens what is below `root`, over no link, and nothing else. Changes `name`. 0,
 * or a status. */
int open_file(int root, char *name, struct file *f);

/* The media type, by the end of the name. */
const char *type_of(struct span path);

/* A time as text, made anew only when it is another. */
struct date {
    time_t at;
    char text[32];
};

const char *date_text(struct date *date, time_t at);

/* 0, or the status that the request's conditions make of it. */
int check_conditions(const struct request *r, const struct file *f);

/* Whether the file is still what the client has a part of: If-Range. */
bool is_same(const struct request *r, const struct file *f);

/* What a Range asks for: 206 and *p, 416, or 200 for the whole, with which
 * several ranges are answered, and what is none. */
int choose_range(struct span value, uint64_t size, struct part *p);

/* A page with links to all that is in a folder, to be freed, or NULL when it
 * cannot be made. Takes `fd`. */
char *list_folder(int fd, size_t *len);

#endif
