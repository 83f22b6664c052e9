/* The world of a scenario: channels, and programs that use them as they should,
 * in one loop.
 *
 * A program that is refused something tries it once more, as a call that fails
 * has changed nothing; then it closes its channel. What each side sends is
 * remembered and compared with what its peer receives. Everything that the
 * headers promise is checked as it happens, and the rest when all is over.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FAULTS_WORLD_H
#define FAULTS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <asynchat.h>

#include "inject.h"

#define SIDES 8
#define STREAM_SIZE (512 * 1024)
#define LOG_SIZE 1024

struct side;
struct world;

/* What a side does. Each field may be NULL. */
struct program {
    bool whole; /* messages are handed over whole */
    void (*connected)(struct side *s);
    void (*data)(struct side *s);
    void (*message)(struct side *s); /* line, line_len */
    void (*eof)(struct side *s);
    void (*failed)(struct side *s);
    void (*drained)(struct side *s);
    void (*closed)(struct side *s);
    void (*stopping)(struct side *s); /* NULL: the library closes it */
    void (*dropped)(struct side *s);  /* these three make a handler that has */
    void (*pressed)(struct side *s);  /* them all, whole or not */
    void (*idle)(struct side *s);
};

struct stream {
    unsigned char bytes[STREAM_SIZE];
    size_t len;
};

/* A channel, and the program that has it. */
struct side {
    struct world *world;
    const struct program *program;
    struct side *peer; /* who gets what this one sends; or NULL */
    struct side *next; /* where a server's next connection goes */
    struct asynchat_channel *ch;
    bool made, freed, closed; /* the channel was, by the program, by itself */
    bool connected, eof, failed, told;
    bool done;        /* told to close when done, */
    bool given_up;    /* or closed or emptied, with bytes still to send */
    bool pushed;      /* since it was drained */
    int error;        /* of handle_error */
    int status;       /* of handle_close */
    const char *line; /* the message being delivered */
    size_t line_len;
    size_t line_at; /* where it begins in `got` */
    int step;       /* the program's own */
    size_t left;
    struct stream sent, got;
    char log[LOG_SIZE]; /* callbacks, and how much had been received then */
};

struct scenario {
    const char *name;
    void (*run)(struct world *w);
    enum {
        LOSES = 1,   /* bytes are dropped on purpose */
        TIMED = 2,   /* what happens depends on how bytes are cut */
        WAITS = 4,   /* goes on when there is memory again */
        SYSTEM = 8,  /* the kernel takes its time: TCP */
        FAILS = 16,  /* what fails after that is not the reason any more */
        LINGERS = 32 /* nor, for a channel that has sent all, a failed call */
    } flags;
};

#define CODES 256 /* see code_place */

struct world {
    const struct scenario *scenario;
    struct event_base *base;
    struct asynchat_server *server;
    struct side sides[SIDES];
    int count;           /* sides in use */
    int stops, stopped;  /* calls of asynchat_server_stop, of its callback */
    bool taken_over;     /* its socket is another's */
    int raw[4];          /* descriptors to be closed at the end, or -1 */
    int lent, released;  /* references and producers of a program's own */
    bool seen[CODES];    /* error codes that a program was given */
    char complaint[512]; /* what went wrong first */
};

/* --- for the sweeps --- */

/* How a run ended, to be compared. */
struct outcome {
    int count;
    char logs[SIDES][LOG_SIZE];
    bool seen[CODES];
    unsigned calls, total;      /* that could have failed; system calls */
    unsigned waits;             /* how often time had to pass */
    unsigned char trace[TRACE]; /* which the first of them were */
};

/* Runs a scenario. Answers NULL, or what was wrong: a promise that was not
 * kept, something left behind, or a difference from `expected`, unless that is
 * NULL, which the fault does not explain. */
const char *world_run(const struct scenario *scenario, bool memory,
                      const struct fault *fault,
                      const struct outcome *expected);
void world_outcome(struct outcome *outcome);

/* Before the first run: what all of them share. */
void world_prepare(void);

/* The end of the table has no name. */
extern const struct scenario scenarios[];

/* --- for scenarios --- */

void complain(struct world *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Runs the loop until nothing happens any more. */
void settle(struct world *w);

/* A side that has no channel yet. */
struct side *side(struct world *w, const struct program *program);

/* Two sides, connected; false when that failed. */
bool over_sockets(struct world *w, const struct program *a,
                  const struct program *b);
bool over_small_sockets(struct world *w, const struct program *a,
                        const struct program *b);
bool over_pair(struct world *w, const struct program *a,
               const struct program *b);
bool over_bufferevents(struct world *w, const struct program *a,
                       const struct program *b);
bool over_filters(struct world *w, const struct program *a,
                  const struct program *b);

/* One side over a socket, and the test has the other end: w->raw[0]. */
bool over_raw(struct world *w, const struct program *program);

/* A server of so many sides, the first is given; clients of it, or of another
 * address; a client over a bufferevent of its own. */
struct side *serve(struct world *w, const char *address,
                   const struct program *program, int count);
struct side *serve_with(struct world *w, const char *address,
                        const struct program *program, int count,
                        const struct asynchat_server_options *options);
/* The server stops, if there is one. */
void stop(struct world *w, unsigned grace);
void stop_by_signal(struct world *w, unsigned grace);
/* Another server takes the socket of the first, and its place. */
bool take_over(struct world *w);
bool connect_to(struct world *w, const char *address, unsigned timeout,
                const struct program *program);
bool connect_to_server(struct world *w, const struct program *program);
bool connect_bufferevent(struct world *w, const struct program *program);
/* One that is said to be connecting, and is not, for 20 milliseconds. */
bool connect_nowhere(struct world *w, const struct program *program);
/* The test's own connection, in w->raw[0]. */
bool connect_raw(struct world *w);

/* What programs do. */
void crlf(struct side *s);
void terminator(struct side *s, const char *bytes);
void terminator_length(struct side *s, uint64_t len);
void terminator_none(struct side *s);
void say(struct side *s, const char *text);
void push(struct side *s, const void *data, size_t len);
void push_printf(struct side *s, const char *text);
void push_reference(struct side *s, const char *text);
void push_evbuffer(struct side *s, const char *text);
/* Takes the producer, which produces these bytes; NULL is want of memory. */
void push_producer(struct side *s, struct asynchat_producer *producer,
                   const void *expected, size_t len);
void budget(struct side *s, unsigned messages);
void timeouts(struct side *s, const struct asynchat_timeouts *times);
void rates(struct side *s, const struct asynchat_rates *rates);
void rate_group(struct side *s, struct asynchat_rate_group *group);
void transcript(struct side *s,
                void (*tell)(struct asynchat_channel *ch,
                             enum asynchat_transcript what, const void *data,
                             size_t len, void *arg),
                void *arg);
void join(struct side *s, struct side *other);
void shutdown_write(struct side *s);
void close_when_done(struct side *s);
void close_in_stages(struct side *s);
void close_now(struct side *s);
void discard(struct side *s);
void free_now(struct side *s);
bool line_is(const struct side *s, const char *text);

/* An error that the program was given; and the one by which it hears of the
 * fault. */
void note(struct side *s, int error);
int fault_code(void);

/* Where servers may listen; no other program does. A server was there, and has
 * left its path. */
const char *unix_address(void);
void leave_path(void);
void remove_path(void);

/* Descriptor of a file of FILE_SIZE bytes, which are pattern(); of a port that
 * answers nothing. */
#define FILE_SIZE 20000
int file(void);
const char *blackhole(void);
const char *pattern(void); /* PATTERN_SIZE bytes */
#define PATTERN_SIZE 70000

#endif
