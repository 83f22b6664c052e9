/* One channel under test, over each kind of connection, and the far end of it.
 *
 * The callbacks of the channel are recorded as one string, such as "connect
 * data(ab) found eof closed(EOF)". Runs of data are joined, since it depends on
 * the connection how bytes are split between calls. A test may hook any
 * callback. Teardown checks that no descriptor was left open.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <asynchat.h>

#include "descriptors.h"

enum over {
    OVER_PAIR,        /* asynchat_pair_new */
    OVER_SOCKETPAIR,  /* asynchat_channel_new_socket */
    OVER_TCP,         /* asynchat_server_new, and a plain client */
    OVER_BUFFEREVENT, /* asynchat_channel_new, over a socket bufferevent */
    OVER_KINDS
};

struct fixture;
typedef void (*hook)(struct fixture *f);

struct fixture {
    enum over over;
    struct event_base *base;
    int descriptors;

    struct asynchat_channel *ch; /* NULL once it has closed */
    struct asynchat_server *server;
    int status; /* the status given to handle_close */

    int peer;                     /* the far end, a descriptor; */
    struct asynchat_channel *far; /* over a pair, a channel */
    unsigned char *got;           /* what the far end received */
    size_t got_len, got_room;
    bool got_eof;

    char log[1 << 20];
    size_t log_len;
    bool in_data;
    size_t data_len; /* of the last piece collected */
    size_t data_max; /* of the longest piece */

    hook on_connect, on_data, on_found, on_message, on_eof, on_error, on_close,
        on_drained, on_dropped;
    const void *data; /* for on_data and on_message: the bytes */
    int count;        /* a test's own */
    void *own;
};

/* A row of a test table for every kind of connection, or for one. */
#define OVER(kind, test)                                                       \
    {                                                                          \
#test " over " #kind, test, fixture_setup, fixture_teardown,           \
            (void *)(intptr_t)OVER_##kind                                      \
    }
#define OVER_ALL(test)                                                         \
    OVER(PAIR, test), OVER(SOCKETPAIR, test), OVER(TCP, test),                 \
        OVER(BUFFEREVENT, test)
#define OVER_SOCKETS(test) OVER(SOCKETPAIR, test), OVER(TCP, test)

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Like fixture_setup(), but the loop waits by "epoll", "poll" or "select",
 * whatever the environment tells libevent. */
int fixture_setup_by(void **state, const char *method);

/* The handlers that record: messages in pieces, or whole. */
extern const struct asynchat_handler recorder, whole_recorder;
/* The same handlers, but with message_dropped: they go on after a message that
 * was too long. */
extern const struct asynchat_handler dropping_recorder, dropping_whole_recorder;

/* Opens the connection and waits until it is up. None of this is recorded. */
struct fixture *start(void **state);
struct fixture *start_whole(void **state);

/* Opens the connection with any handler, whatever happens then. */
struct fixture *start_with(void **state,
                           const struct asynchat_handler *handler);

/* Ends the connection and clears the record; another connection may be opened.
 */
void close_connection(struct fixture *f);

/* Runs the loop until nothing happens any more. */
void settle(struct fixture *f);
/* Runs the loop for a few passes. The far end does not read. */
void turn_loop(struct fixture *f);
/* Runs the loop until the channel has closed, for at most 5 seconds. The far
 * end does not read. */
void settle_closed(struct fixture *f);

/* The far end sends; ends its output; goes away, with a reset on sockets. */
void feed(struct fixture *f, const void *data, size_t len);
void feed_string(struct fixture *f, const char *text);
void feed_eof(struct fixture *f);
void feed_reset(struct fixture *f);

/* What was recorded since the last call, or what the far end received. */
void expect(struct fixture *f, const char *events);
void expect_got(struct fixture *f, const char *text);

/* Feeds a text, or bytes, in two pieces, cut at each place in turn, and then one
 * by one. What is recorded must be the same each time. */
void feed_every_way(struct fixture *f, const char *text, const char *events);
void feed_bytes_every_way(struct fixture *f, const void *data, size_t len,
                          const char *events);

/* Skips a test that needs news of a peer while nothing is read from it, if the
 * channel is over a socket and the loop is not edge-triggered. */
void need_edges(const struct fixture *f);

/* The terminator "\r\n". */
void set_crlf(struct fixture *f);
/* Runs a table of tests, except those that the environment names, with * and ?.
 * An emulator may lack what these tests need. */
#define RUN(tests)                                                             \
    (cmocka_set_skip_filter(getenv("LEAVE_OUT")),                              \
     cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL))

/* Returns `len` bytes of a pattern, NUL-terminated, to be freed. */
char *big(size_t len);

/* A number that the environment gives, or else another. */
uint64_t from_environment(const char *name, uint64_t otherwise);

/* Two connected sockets, the first as the library wants it. */
void make_socketpair(int fds[2]);

#endif
