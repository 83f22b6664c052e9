/* The channels of a run, what was done to each, and what they may call back.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FUZZ_ENDS_H
#define FUZZ_ENDS_H

#include <asynchat.h>

#include "input.h"
#include "wire.h"

#define ENDS 16
#define LENT 256
#define SOCKETS 8

/* One end of a connection: a channel, or a plain socket. */
struct end {
    struct asynchat_channel *ch; /* NULL before and after its life */
    struct end *peer;            /* or NULL */
    int fd;                      /* of a plain socket, or -1 */
    struct wire sent;
    bool used;
    bool connected, eof, closed; /* what it was told */
    int error;
    bool close, done, dropped; /* what was asked: close, close_when_done,
                                  discard_buffers or channel_free */
    bool counting;             /* a number, which was not reached yet */
    bool due;                  /* it has been: found_terminator comes next */
    bool shut;                 /* its output, by asynchat_shutdown_write */
    bool paused;               /* its input, by the program */
    bool limited, timed;       /* an output limit was set; times were */
    bool pressed;              /* it was told of pressure, */
    bool stopping;             /* and that its server stops */
    size_t high;               /* the mark of that */
    size_t size;               /* of what is written or read, the least */
    uint64_t id;               /* 0 until it was asked for */
};

struct world {
    struct input in;
    struct event_base *base;
    struct asynchat_server *server;
    struct asynchat_rate_group *group; /* made when it is first wanted */
    bool stops; /* asynchat_server_stop was called for one */
    struct end ends[ENDS];
    struct end *waiting[ENDS]; /* to be accepted, in this order */
    unsigned first_waiting, last_waiting;
    unsigned char released[LENT]; /* how often */
    unsigned lent;                /* so many were */
    unsigned deeds;               /* left to be done */
    unsigned inside;              /* callbacks of handlers */
    unsigned depth;               /* of deeds inside deeds */
};

extern struct world world;

/* Those of old, and with all the callbacks there are. */
extern const struct asynchat_handler pieces_handler, whole_handler;
extern const struct asynchat_handler full_pieces_handler, full_whole_handler;

/* One that is not in use; NULL if there is none. */
struct end *end_new(void);

/* The channel is freed by the program: whatever it has, it says no more. */
void end_free(struct end *e);

/* The plain socket has received that. */
void end_got(struct end *e, const void *data, size_t len);

/* What was posted is called, with the end's channel, or NULL if that is gone. */
void end_called(struct end *e, struct asynchat_channel *ch);

/* The server has stopped, and is gone when this returns. */
void server_stopped(void);

/* What a callback does: calls.c's. */
void react(void);

#endif
