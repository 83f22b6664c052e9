/* What the files of smtpd share: session.c, mail.c and text.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SMTPD_H
#define SMTPD_H

#define _GNU_SOURCE 1
#define _FILE_OFFSET_BITS 64
#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <asynchat.h>

/* The command line. Times are in milliseconds, sizes in bytes. */
struct settings {
    uint64_t port, max_size, max_recipients, max_connections, max_per_address;
    uint64_t command_time, data_time;
    uint64_t discard, no_fsync; /* 0 or 1 */
};

struct recipient {
    struct recipient *next;
    char address[];
};

/* A mail, from MAIL on. It belongs to its session until all of its data has
 * come, and then to the functions that store it. */
struct mail {
    char *sender, *peer;
    struct recipient *first, **end;
    uint64_t recipients, size; /* how many; the bytes that came so far */
    bool utf8;                 /* a parameter of MAIL */
    const char *failed;        /* the answer to it, or NULL so far */
    char id[96];               /* its name as a file; "" until its data comes */
    FILE *file;                /* in tmp/, or NULL */
    struct asynchat_slot *slot; /* for the answer */
    struct mail *next;          /* of those that wait for an fsync */
};

extern struct settings settings;
#define WORKERS 4 /* threads that wait for the disk */

extern struct event_base *base;
extern struct asynchat_workers *workers; /* NULL: no threads */
extern char host[256];
extern const struct asynchat_handler lines;

/* text.c */

#define HOST_NAME                                                              \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"                     \
    "0123456789.-_:[]"

char *copy(const char *text);
bool parse_number(const char *text, uint64_t *n);
bool has_prefix(const char *text, const char *prefix);
char *take_path(char **args, const char *keyword);
const char *check_path(const char *path, bool utf8);

/* mail.c */

void folder_open(const char *folder);
struct mail *mail_new(const char *peer);
void mail_recipient(struct mail *m, const char *address);
const char *mail_begin(struct mail *m, const char *from, const char *with);
void mail_write(struct mail *m, const void *data, size_t len);
void mail_end(struct mail *m);
void mail_free(struct mail *m);

#endif
