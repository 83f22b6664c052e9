/* What the files of smtpd share: session.c, text.c, auth.c, mail.c and lmtp.c.
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

#include <asynchat.h>
#include <asynchat/tls.h>
#include <event2/event.h>

#define BAD_MOST 20      /* refusals, until a client has to go */
#define LMTP_TIME 180000 /* milliseconds; a client waits longer */

/* The command line. Times are in milliseconds, sizes in bytes. */
extern struct settings {
    uint64_t port, tls_port, max_size, max_recipients, max_connections,
        max_per_address, command_time, data_time;
    bool discard, no_fsync, plain_auth, proxy;
    const char *certificate, *key, *users, *lmtp;
} settings;

extern struct event_base *base;
extern struct asynchat_tls *tls; /* or NULL */
extern char host[256];
extern const struct asynchat_handler lines;

/* Takes a line and gives the answer, or NULL if that comes later. */
struct session;
typedef const char *step_fn(struct session *s, char *line);

struct session {
    struct asynchat_channel *ch;
    step_fn *next;     /* what the next line is for */
    char *peer, *helo; /* `helo` is NULL until the client has said it */
    char *name;        /* a name that wants to log in, or has done so */
    bool known;        /* it has */
    bool extended;     /* the client has said EHLO, and not HELO */
    struct mail *mail; /* from MAIL on until its data has come, or NULL */
    bool chunks, last; /* the data comes in chunks; this chunk is the last */
    bool stops;        /* the server does, and waits for the mail */
    unsigned bad;
};

struct recipient {
    struct recipient *next;
    int code; /* the last answer of LMTP, or 0 so far */
    char *address;
};

/* A mail, from MAIL on. It belongs to its session until all of its data has
 * come, and then to the functions that store it. */
struct mail {
    char *sender, *peer;
    bool utf8, eight; /* parameters of MAIL */
    struct recipient *first, **end;
    uint64_t recipients, size; /* how many; the bytes that came so far */
    const char *failed;        /* the answer to it, or NULL so far */
    char id[96];               /* the file's name; "" until its data comes */
    char date[40];
    FILE *file;                 /* in tmp/, or NULL */
    struct asynchat_slot *slot; /* for the answer */
    struct mail *next;          /* of those that wait for an fsync */
    int step;                   /* of LMTP */
    struct recipient *at;       /* whose answer is next */
    char *answer;               /* the worst one, or NULL */
};

/* main.c, which a test replaces */
void stamp(struct mail *m);
int connect_lmtp(const struct asynchat_handler *handler, struct mail *m);

/* text.c: texts of the protocol */
void *allocate(size_t size);
char *copy(const char *text);
bool has_prefix(const char *text, const char *prefix);
bool parse_number(const char *text, uint64_t *n);
char *take_path(char **args, const char *keyword);
const char *check_path(const char *path, bool utf8);
int decode_base64(char *text);

/* session.c: the conversation with a client */
step_fn run_command;
void reply(struct session *s, const char *text);

/* auth.c: who a client is */
bool may_log_in(const struct session *s);
step_fn run_auth;

/* mail.c: mails, and where they go */
void mail_open(const char *folder);
void mail_close(void);
void threads_start(void);
void run_aside(void (*work)(struct event_base *, unsigned, void *), void *arg);
struct mail *mail_new(const char *sender, const char *peer);
void mail_recipient(struct mail *m, const char *address);
const char *mail_begin(struct mail *m, const char *from, const char *with);
void mail_write(struct mail *m, const void *data, size_t len);
void mail_end(struct mail *m);
void mail_finish(struct mail *m);
void mail_free(struct mail *m);

/* lmtp.c: mails go to another server */
void lmtp_deliver(struct mail *m);

#endif
