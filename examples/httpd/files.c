/* Files below one folder: found, compared with what a client has, and listed.
 * SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE 1
#define _FILE_OFFSET_BITS 64
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LISTING_MOST 10000 /* names */

/* --- finding --- */

int decode_path(struct span path, char *name)
{
    while (path.len > 0 && path.at[0] == '/')
        path = skip(path, 1);
    char *to = name;
    while (path.len > 0) {
        bool coded = path.at[0] == '%';
        uint64_t byte = (unsigned char)path.at[0];
        if (coded && (path.len < 3 ||
                      !parse_number((struct span){path.at + 1, 2}, 16, &byte)))
            return 400;
        if (byte == '\0')
            return 400;
        if (coded && byte == '/')
            return 404; /* it would be part of a name, where none can be */
        *to++ = (char)byte;
        path = skip(path, coded ? 3 : 1);
    }
    *to = '\0';
    return 0;
}

static int status_of(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
        return 404;
    case EACCES:
    case EPERM:
    case ELOOP: /* a link */
    case ENXIO: /* a socket, or a device that is not there */
        return 403;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
        return 503;
    default:
        return 500;
    }
}

static void set_tag(struct file *f, const struct stat *about)
{
    static const char digits[] = "0123456789abcdef";
    const uint64_t parts[] = {(uint64_t)about->st_mtim.tv_sec,
                              (uint64_t)about->st_mtim.tv_nsec, f->size};
    char *to = f->tag;
    *to++ = '"';
    for (int i = 0; i < 3; i++) {
        int shift = 60;
        while (shift > 0 && parts[i] >> shift == 0)
            shift -= 4;
        for (; shift >= 0; shift -= 4)
            *to++ = digits[parts[i] >> shift & 15];
        *to++ = i < 2 ? '-' : '"';
    }
    *to = '\0';
}

/* One step of the way: neither up nor over a link, so that none leads out. A
 * file descriptor, or -errno. */
static int open_one(int folder, const char *name, int flags)
{
    if (strcmp(name, "..") == 0)
        return -EACCES;
    int fd = openat(folder, *name ? name : ".", flags | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* What is neither a file nor a folder, such as a pipe, does not hold the server
 * up. Cuts `name` to pieces. */
static int open_below(int root, char *name)
{
    int folder = root;
    char *end;
    while (folder >= 0 && (end = strchr(name, '/'))) {
        *end = '\0';
        int inner = open_one(folder, name, O_PATH | O_DIRECTORY);
        if (folder != root)
            close(folder);
        folder = inner;
        name = end + 1;
    }
    if (folder < 0)
        return folder;
    int fd = open_one(folder, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (folder != root)
        close(folder);
    return fd;
}

int open_file(int root, char *name, struct file *f)
{
    struct stat about;
    f->fd = open_below(root, name);
    if (f->fd < 0)
        return status_of(-f->fd);
    int status = fstat(f->fd, &about) < 0 ? status_of(errno) : 0;
    if (!status && !S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode))
        status = 403;
    if (status) {
        close(f->fd);
        return status;
    }
    f->is_folder = S_ISDIR(about.st_mode);
    f->size = (uint64_t)about.st_size;
    f->modified = about.st_mtim.tv_sec;
    set_tag(f, &about);
    return 0;
}

const char *type_of(struct span path)
{
    static const struct {
        struct span end;
        const char *type;
    } types[] = {
        {TEXT(".html"), "text/html; charset=utf-8"},
        {TEXT(".htm"), "text/html; charset=utf-8"},
        {TEXT(".txt"), "text/plain; charset=utf-8"},
        {TEXT(".md"), "text/plain; charset=utf-8"},
        {TEXT(".c"), "text/plain; charset=utf-8"},
        {TEXT(".h"), "text/plain; charset=utf-8"},
        {TEXT(".css"), "text/css; charset=utf-8"},
        {TEXT(".js"), "text/javascript; charset=utf-8"},
        {TEXT(".json"), "application/json"},
        {TEXT(".pdf"), "application/pdf"},
        {TEXT(".svg"), "image/svg+xml"},
        {TEXT(".png"), "image/png"},
        {TEXT(".jpg"), "image/jpeg"},
        {TEXT(".jpeg"), "image/jpeg"},
        {TEXT(".gif"), "image/gif"},
        {TEXT(".webp"), "image/webp"},
        {TEXT(".wasm"), "application/wasm"},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (path.len >= types[i].end.len &&
            is(skip(path, path.len - types[i].end.len), types[i].end))
            return types[i].type;
    return "application/octet-stream";
}

const char *date_text(struct date *date, time_t at)
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

/* --- conditions and ranges: RFC 9110, 13 and 14 --- */

/* Whether "*" or a list of quoted tags has one; those that begin with W/ only
 * if `weak`. */
static bool has_tag(struct span list, struct span tag, bool weak)
{
    if (is(list, SPAN("*")))
        return true;
    while (list.len > 0) {
        bool is_weak = list.len > 2 && memcmp(list.at, "W/", 2) == 0;
        if (is_weak)
            list = skip(list, 2);
        if (list.at[0] != '"')
            return false;
        struct span one = list;
        list = skip(list, 1);
        if (!memchr(list.at, '"', list.len))
            return false;
        one.len = cut(&list, '"').len + 2;
        if ((weak || !is_weak) && one.len == tag.len &&
            memcmp(one.at, tag.at, tag.len) == 0)
            return true;
        cut(&list, ',');
        list = trim(list);
    }
    return false;
}

static bool matches(const struct request *r, enum field name,
                    const struct file *f)
{
    struct span value, tag = {f->tag, strlen(f->tag)};
    unsigned at = 0;
    while (next_value(r, name, &at, &value))
        if (has_tag(value, tag, name == IF_NONE_MATCH))
            return true;
    return false;
}

/* In one of three forms: RFC 9110, 5.6.7. */
static bool parse_date(struct span s, time_t *at)
{
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT",
                                        "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %e %H:%M:%S %Y"};
    char text[64];
    if (s.len >= sizeof text)
        return false;
    memcpy(text, s.at, s.len);
    text[s.len] = '\0';
    for (int i = 0; i < 3; i++) {
        struct tm tm = {0};
        const char *end = strptime(text, forms[i], &tm);
        *at = end && !*end ? timegm(&tm) : -1;
        if (*at != -1)
            return true;
    }
    return false;
}

static bool date_of(const struct request *r, enum field name, time_t *at)
{
    struct span value;
    return value_of(r, name, &value) && parse_date(value, at);
}

int check_conditions(const struct request *r, const struct file *f)
{
    time_t at;
    if (has(r, IF_MATCH)
            ? !matches(r, IF_MATCH, f)
            : date_of(r, IF_UNMODIFIED_SINCE, &at) && f->modified > at)
        return 412;
    if (has(r, IF_NONE_MATCH)
            ? matches(r, IF_NONE_MATCH, f)
            : date_of(r, IF_MODIFIED_SINCE, &at) && f->modified <= at)
        return 304;
    return 0;
}

bool is_same(const struct request *r, const struct file *f)
{
    struct span value;
    time_t at;
    if (!value_of(r, IF_RANGE, &value))
        return true;
    if (date_of(r, IF_RANGE, &at))
        return at == f->modified;
    return is(value, (struct span){f->tag, strlen(f->tag)});
}

int choose_range(struct span value, uint64_t size, struct part *p)
{
    struct span unit = SPAN("bytes=");
    uint64_t first, last = UINT64_MAX;
    if (!begins(value, unit) || !memchr(value.at, '-', value.len))
        return 200;
    value = skip(value, unit.len);
    struct span from = cut(&value, '-');
    if (value.len > 0 && !parse_number(value, 10, &last))
        return 200;
    if (from.len == 0 && value.len > 0) { /* the last so many bytes */
        first = last < size ? size - last : 0;
        if (size == 0 && last > 0)
            return 200;
        last = UINT64_MAX;
    } else if (!parse_number(from, 10, &first) || first > last) {
        return 200;
    }
    if (first >= size)
        return 416;
    *p = (struct part){first, (last < size ? last + 1 : size) - first};
    return 206;
}

/* --- listing --- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void print_escaped(FILE *page, const char *text)
{
    for (; *text; text++) {
        const char *special = strchr("&<>\"'", *text);
        if (special)
            fprintf(page, "&#%d;", *special);
        else
            putc(*text, page);
    }
}

static void print_coded(FILE *page, const char *name)
{
    for (; *name; name++) {
        int byte = (unsigned char)*name;
        if (byte == '/' || ((kinds[byte] & TOKEN) &&
                            (kinds[byte] & HOST_NAME) && !strchr("%'&", byte)))
            putc(byte, page);
        else
            fprintf(page, "%%%02X", byte);
    }
}

static void print_page(FILE *page, char **names, size_t count)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n"
          "<title>Listing</title>\n<ul>\n",
          page);
    for (size_t i = 0; i < count; i++) {
        fputs("<li><a href=\"./", page);
        print_coded(page, names[i]);
        fputs("\">", page);
        print_escaped(page, names[i]);
        fputs("</a>\n", page);
    }
    fputs(count < LISTING_MOST ? "</ul>\n" : "</ul>\n<p>and more\n", page);
}

/* A name for the listing, a folder's with a slash; NULL for want of memory. */
static char *listed_name(const struct dirent *entry)
{
    char *name;
    bool is_folder = entry->d_type == DT_DIR;
    return asprintf(&name, "%s%s", entry->d_name, is_folder ? "/" : "") < 0
               ? NULL
               : name;
}

static size_t read_names(DIR *folder, char **names)
{
    const struct dirent *entry;
    size_t count = 0;
    while (count < LISTING_MOST && (entry = readdir(folder)))
        if (strcmp(entry->d_name, ".") != 0 &&
            strcmp(entry->d_name, "..") != 0 &&
            (names[count] = listed_name(entry)))
            count++;
    return count;
}

static char *make_page(DIR *folder, size_t *len)
{
    static char *names[LISTING_MOST];
    char *text = NULL;
    FILE *page = open_memstream(&text, len);
    if (!page)
        return NULL;
    size_t count = read_names(folder, names);
    qsort(names, count, sizeof names[0], compare_names);
    print_page(page, names, count);
    while (count > 0)
        free(names[--count]);
    bool failed = ferror(page);
    if (fclose(page) == 0 && !failed)
        return text;
    free(text);
    return NULL;
}

char *list_folder(int fd, size_t *len)
{
    DIR *folder = fdopendir(fd);
    if (!folder) {
        close(fd);
        return NULL;
    }
    char *page = make_page(folder, len);
    closedir(folder);
    return page;
}
