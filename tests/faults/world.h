/* The world of a scenario: channels, and programs that use them as they should,
 * in one loop.
 *
 * If a call fails, the program tries it once more, since a failed call has
 * changed nothing; then it closes its channel. The bytes that each side sends
 * are remembered and compared with the bytes that its peer receives. The
 * promises of the headers are checked as things happen, and the others at the
 * end.
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

/* The actions of a side. Each field may be NULL. */
struct program {
    bool whole; /* messages are handed over whole */
    void (*connected)(struct side *s);
    void (*data)(struct side *s);
    void (*message)(struct side *s); /* line, line_len */
    void (*eof)(struct side *s);
    void (*failed)(struct side *s);
    void (*drained)(struct side *s);
    void (*closed)(struct side *s);
    void (*stopping)(struct side *s); /* NULL: the library closes the channel */
    /* If one of these three is set, the handler has all three callbacks. */
    void (*dropped)(struct side *s);
    void (*pressed)(struct side *s);
    void (*idle)(struct side *s);
};

struct stream {
    unsigned char bytes[STREAM_SIZE];
    size_t len;
};

/* A channel and its program. */
struct side {
    struct world *world;
    const struct program *program;
    struct side *peer; /* the side that gets what this one sends, or NULL */
    struct side *next; /* the side for a server's next connection */
    struct asynchat_channel *ch;
    bool made, freed, closed; /* the channel was, `freed` by the program */
    bool connected, eof, failed, told;
    bool done;        /* the channel was told to close when done */
    bool given_up;    /* it was closed or emptied with bytes still to send */
    bool pushed;      /* something was pushed since it was drained */
    int error;        /* the error given to handle_error */
    int status;       /* the status given to handle_close */
    const char *line; /* the message being delivered */
    size_t line_len;
    size_t line_at; /* where it begins in `got` */
    int step;       /* for use by the program */
    size_t left;
    struct stream sent, got;
    char log[LOG_SIZE]; /* callbacks, with the bytes received by then */
};

struct scenario {
    const char *name;
    void (*run)(struct world *w);
    enum {
        LOSES = 1,   /* bytes are dropped on purpose */
        TIMED = 2,   /* the events depend on how bytes are cut */
        WAITS = 4,   /* the scenario goes on when there is memory again */
        SYSTEM = 8,  /* over TCP, where the kernel takes its time */
        FAILS = 16,  /* a later failure is not the reason of the end */
        LINGERS = 32 /* nor is a failed call, once all is sent */
    } flags;
};

#define CODES 256 /* see code_place */

struct world {
    const struct scenario *scenario;
    struct event_base *base;
    struct asynchat_server *server;
    struct side sides[SIDES];
    int count;           /* sides in use */
    int stops, stopped;  /* calls of asynchat_server_stop; of `stopped` */
    bool taken_over;     /* another server has its socket */
    int raw[4];          /* descriptors to be closed at the end, or -1 */
    int lent, released;  /* references and producers of programs */
    bool seen[CODES];    /* error codes that a program got */
    char complaint[512]; /* the first thing that went wrong */
};

/* --- for the sweeps --- */

/* The outcome of a run, to be compared. */
struct outcome {
    int count;
    char logs[SIDES][LOG_SIZE];
    bool seen[CODES];
    unsigned calls, total;      /* calls that could have failed; system calls */
    unsigned waits;             /* how often time had to pass */
    unsigned char trace[TRACE]; /* the first of these calls */
};

/* Runs a scenario. Returns NULL, or what was wrong: a promise that was not
 * kept, something left behind, or, if `expected` is not NULL, a difference from
 * it that the fault does not explain. */
const char *world_run(const struct scenario *scenario, bool memory,
                      const struct fault *fault,
                      const struct outcome *expected);
void world_outcome(struct outcome *outcome);

/* Prepares, before the first run, what all runs share. */
void world_prepare(void);

/* The end of the table has no name. */
extern const struct scenario scenarios[];

/* --- for scenarios --- */

void complain(struct world *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Runs the loop until nothing happens any more. */
void settle(struct world *w);

/* Makes a side without a channel. */
struct side *side(struct world *w, const struct program *program);

/* Makes two connected sides. Returns false if that failed. */
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

/* Makes one side over a socket. The test has the other end in w->raw[0]. */
bool over_raw(struct world *w, const struct program *program);

/* Makes a server with this number of sides, and returns the first one; clients
 * of it, or of another address; a client over a bufferevent of its own. */
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
/* The same, by a name whose first address is `first`. */
bool connect_to_server_by_name(struct world *w, const struct program *program,
                               const char *first);
bool connect_bufferevent(struct world *w, const struct program *program);
/* Makes a channel that is said to be connecting but is not, for 20
 * milliseconds. */
bool connect_nowhere(struct world *w, const struct program *program);
/* Makes a connection of the test's own, in w->raw[0]. */
bool connect_raw(struct world *w);

/* Actions of programs. */
void crlf(struct side *s);
void terminator(struct side *s, const char *bytes);
void terminator_length(struct side *s, uint64_t len);
void terminator_none(struct side *s);
void strict_lines(struct side *s);
void block(struct side *s, uint64_t len);
void say(struct side *s, const char *text);
void push(struct side *s, const void *data, size_t len);
void push_printf(struct side *s, const char *text);
void push_reference(struct side *s, const char *text);
/* Sends a PROXY header of version 2, and closes the channel if that fails. */
void push_proxy(struct side *s, const struct asynchat_proxy_tlv *tlvs);
void push_evbuffer(struct side *s, const char *text);
/* Makes a block, which may be pushed to several sides; pushes it; gives it
 * back. */
struct asynchat_block *make_block(struct side *s, const void *data, size_t len);
void push_shared(struct side *s, struct asynchat_block *block, const void *data,
                 size_t len);
/* Takes the producer, which produces these bytes. NULL means that memory ran
 * out. */
/* Reserves a slot, or NULL; says what it will give, in the order of the slots;
 * fills it, perhaps from another thread; finishes it. */
struct asynchat_slot *reserve(struct side *s);
void will_give(struct side *s, const void *data, size_t len);
void give(struct side *s, struct asynchat_slot *slot, const void *data,
          size_t len);
void give_block(struct side *s, struct asynchat_slot *slot,
                struct asynchat_block *block);
void give_elsewhere(struct asynchat_slot *slot, const char *text);
void finish(struct side *s, struct asynchat_slot *slot);
void push_producer(struct side *s, struct asynchat_producer *producer,
                   const void *expected, size_t len);
void budget(struct side *s, unsigned messages);
void timeouts(struct side *s, const struct asynchat_timeouts *times);
void deadline(struct side *s, unsigned milliseconds);
void set_whole(struct side *s, bool whole);
void flush(struct side *s);
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
void close_after(struct side *s);
void close_now(struct side *s);
void discard(struct side *s);
void free_now(struct side *s);
bool line_is(const struct side *s, const char *text);

/* Notes an error that the program got. Returns the error by which it learns of
 * the fault. */
void note(struct side *s, int error);
int fault_code(void);

/* An address for servers that no other program uses. The second one has the
 * path that an earlier server has left. */
const char *unix_address(void);
void leave_path(void);
void remove_path(void);

/* The descriptor of a file with FILE_SIZE bytes of pattern(); the address of a
 * port that never answers. */
#define FILE_SIZE 20000
int file(void);
const char *blackhole(void);
const char *pattern(void); /* PATTERN_SIZE bytes */
#define PATTERN_SIZE 70000

#endif
