/* What the files of smtpd share. SPDX-License-Identifier: BSD-3-Clause */
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

#include <asynchat.h>
#include <asynchat/tls.h>
#include <event2/event.h>
#include <glib.h>

#define THREADS 8        /* that wait for the disk, and check passwords */
#define BAD_MOST 20      /* refusals, until a client has to go */
#define LMTP_TIME 180000 /* milliseconds; a client waits longer */

/* The command line. Times are in milliseconds, sizes in bytes. */
extern struct settings {
    unsigned max_size, max_recipients, max_connections, max_per_address,
        command_time, data_time;
    gboolean discard, no_fsync, plain_auth, proxy, io_uring;
    char *address, *port, *tls_port, *certificate, *key, *users, *lmtp;
} settings;

extern struct event_base *base;
extern struct asynchat_tls *tls;         /* or NULL */
extern struct asynchat_workers *workers; /* or NULL */
extern char host[256];
extern const struct asynchat_handler lines;

/* Takes a line and gives the answer, or NULL if that comes later. */
struct session;
typedef const char *step_fn(struct session *s, char *line);

struct session {
    struct asynchat_channel *ch;
    step_fn *next;     /* what the next line is for */
    char *helo;        /* NULL until the client has said it */
    char *name;        /* a name that wants to log in */
    bool known;        /* the client has logged in */
    bool extended;     /* the client has said EHLO, and not HELO */
    struct mail *mail; /* from MAIL on until its data has come, or NULL */
    bool chunks, last; /* the data comes in chunks; this chunk is the last */
    unsigned bad;
};

/* A mail, from MAIL on. It belongs to its session until all of its data has
 * come, and then to the functions that store it. */
struct mail {
    char *sender, *peer;
    bool utf8, eight;   /* parameters of MAIL */
    GPtrArray *to;      /* recipients; with LMTP those without an answer */
    GString *log;       /* recipients, and what LMTP has answered for them */
    uint64_t size;      /* the bytes that came so far */
    const char *failed; /* the answer to it, or NULL so far */
    char *id;           /* the file's name; NULL until the data comes */
    const char *date;   /* when that was; lent by stamp() */
    FILE *file;         /* in tmp/, or NULL */
    struct asynchat_slot *slot; /* for the answer */
    struct mail *next;          /* of those that wait for an fsync */
    unsigned step, at; /* of LMTP; `at` is the recipient that it names */
    char *answer;      /* the worst one of LMTP, or NULL */
};

#define RECIPIENT(m, i) ((const char *)g_ptr_array_index((m)->to, i))

/* main.c, which a test replaces */
void stamp(struct mail *m);

/* path.c: addresses */
char *take_path(char **args, const char *keyword);
const char *check_path(const char *path, bool utf8);

/* session.c: the conversation with a client */
step_fn run_command;
void reply(struct session *s, const char *text);

/* auth.c: who a client is */
bool may_log_in(const struct session *s);
step_fn run_auth;

/* mail.c: mails, and where they go */
void mail_open(const char *folder);
const char *mail_begin(struct mail *m, const char *from, const char *with);
void mail_write(struct mail *m, const void *data, size_t len);
void mail_end(struct mail *m);
void mail_finish(struct mail *m);
void mail_free(struct mail *m);

/* lmtp.c: mails go to another server */
void lmtp_deliver(struct mail *m);

#endif
