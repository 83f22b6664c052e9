/* Two channels that talk TLS with each other, and what happens to each.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TALK_H
#define TALK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <asynchat.h>
#include <asynchat/tls.h>

#include "authority.h"

/* One side. Its messages are lines. Each callback is a word in `log`:
 * "connect", "secure" (the `done` of asynchat_tls_start()), "line(TEXT)",
 * "eof", "error(CODE)", "close(CODE)". */
struct side {
    struct asynchat_channel *ch;
    char log[65536];
    size_t len;
    char text[256]; /* asynchat_tls_get_error() at the last error */
    /* What the test does in a callback; or NULL. */
    void (*on_connect)(struct side *side);
    void (*on_secure)(struct side *side);
    void (*on_line)(struct side *side, const char *line, size_t len);
    void (*on_end)(struct side *side); /* at eof, error and close */
    void *arg;                         /* the test's own */
};

struct talk {
    struct event_base *base;
    struct side server, client;
    struct asynchat_server *listener; /* or NULL */
};

extern const struct asynchat_handler side_handler;

/* What everybody in a test uses: one authority, and contexts with its
 * certificates for "a.example" and 127.0.0.1. */
struct world {
    struct authority *authority;
    struct identity *identity;
    struct asynchat_tls *server, *client;
};

void world_new(struct world *made);
void world_free(struct world *made);

/* The one that the tests of a program share, and what makes and frees it. */
extern struct world world;
int world_setup(void **state);
int world_teardown(void **state);

/* Makes a context of these options, which must be possible. */
struct asynchat_tls *context(const struct asynchat_tls_options *options);

/* Two channels in memory. If a context is NULL, that side is plain. `name` is
 * the client's for the server. */
void talk_pair(struct talk *talk, struct asynchat_tls *server,
               struct asynchat_tls *client, const char *name);

/* The same over TCP: a server and a connection to it. */
void talk_tcp(struct talk *talk, struct asynchat_tls *server,
              struct asynchat_tls *client, const char *name);

/* Runs the loop until nothing happens any more. */
void talk_run(struct talk *talk);

/* Runs the loop until the side's log ends with `word`; fails after 20 s. */
void talk_until(struct talk *talk, const struct side *side, const char *word);

/* Runs the loop until both sides are connected, and nothing else has
 * happened. */
void connect_both(struct talk *talk);

/* What has happened to the side since the last call. */
void expect(struct side *side, const char *log);

/* Pushes a text. */
void say(struct side *side, const char *text);

void talk_end(struct talk *talk);

/* Returns the name of a code, lent until the next call. */
const char *code_name(int code);

#endif
