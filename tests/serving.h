/* A server that answers lines, and its clients, which are plain sockets.
 *
 * Who serves and who asks are in one thread: a client's call blocks, so it asks
 * only what the system answers by itself, and turn() is where the server is.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SERVING_H
#define SERVING_H

#include "fixture.h"

#include <sys/resource.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

extern int connected, closed; /* channels of the server */

/* Answers each line; arg is the fixture, whose on_connect is called. */
extern const struct asynchat_handler echo;

/* Makes f->server, with that handler. */
struct fixture *serve(void **state, const char *address);
struct fixture *serve_with(void **state, const char *address,
                           const struct asynchat_server_options *options);
/* What listening on `address` fails with; or else it ends at once. */
int refusal(struct fixture *f, const char *address,
            const struct asynchat_handler *handler,
            const struct asynchat_server_options *options);

/* Where only this program listens, and its path. */
const char *unix_address(void);
const char *unix_path(void);

/* Runs the loop for as long as anything here takes. EVLOOP_NONBLOCK alone would
 * not return while something spins. */
void turn(struct fixture *f);

/* Connects to an address, or to f->server: a descriptor; dial() also answers
 * -errno. */
int dial(const char *text);
int dial_server(struct fixture *f);

/* Sends a line; whether its answer is there. */
void say(int fd);
bool is_answered(int fd);
/* Both, and the server's turn between them. */
void expect_served(struct fixture *f, int fd);

/* Closes a client, in order or by a reset. */
void hang_up(struct fixture *f, int fd);
void reset(int fd);

/* No descriptor is free from now on, or `count` more than then. */
void limit_descriptors(struct rlimit *before, int count);

/* Whether an option of a socket is not 0. */
bool has(int fd, int level, int name);

#endif
