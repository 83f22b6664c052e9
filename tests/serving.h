/* A server that answers lines, and its clients, which are plain sockets.
 *
 * Server and clients are in one thread. A client's call blocks, so a client
 * does only what the system does without the server; the server runs in turn().
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SERVING_H
#define SERVING_H

#include "fixture.h"

#include <sys/resource.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

extern _Atomic int connected, closed; /* channels of the server */

/* Answers each line. `arg` is the fixture, whose on_connect is called. */
extern const struct asynchat_handler echo;

/* Makes f->server with the handler above. */
struct fixture *serve(void **state, const char *address);
struct fixture *serve_with(void **state, const char *address,
                           const struct asynchat_server_options *options);
/* Returns the error of listening on `address`. If that works, it ends at
 * once. */
int refusal(struct fixture *f, const char *address,
            const struct asynchat_handler *handler,
            const struct asynchat_server_options *options);

/* A Unix address that only this program uses, and its path. */
const char *unix_address(void);
const char *unix_path(void);

/* Runs the loop long enough for anything in these tests. EVLOOP_NONBLOCK alone
 * would not return while something spins. */
void turn(struct fixture *f);

/* Connects to an address, or to f->server, and returns a descriptor. dial() may
 * also return -errno. */
int dial(const char *text);
int dial_server(struct fixture *f);
/* Connects to f->server, which listens on 127.0.0.1, from the address `host`. */
int dial_from(struct fixture *f, const char *host);

/* Sends a line, and tells whether its answer is there. */
void say(int fd);
bool is_answered(int fd);
/* Sends a line, gives the server its turn, and expects the answer. */
void expect_served(struct fixture *f, int fd);

/* Closes a client, in order or by a reset. */
void hang_up(struct fixture *f, int fd);
void reset(int fd);

/* From now on no descriptor is free, or only `count` descriptors. */
void limit_descriptors(struct rlimit *before, int count);

/* Whether an option of a socket is not 0. */
bool has(int fd, int level, int name);

#endif
