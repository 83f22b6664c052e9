/* The channels of a run, the calls made for each, and the callbacks they may
 * make. SPDX-License-Identifier: BSD-3-Clause */
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
    int fd;                      /* the descriptor of a plain socket, or -1 */
    struct wire sent;
    bool used;
    bool connected, eof, closed; /* callbacks it has had */
    int error;
    bool close, done, dropped; /* calls it has had: close, close_when_done,
                                  discard_buffers or channel_free */
    bool counting;             /* the terminator is a number, not reached yet */
    bool due;                  /* it is reached: found_terminator comes next */
    bool after;                /* asynchat_close_after was called */
    bool shut;                 /* its output ended by asynchat_shutdown_write */
    bool paused;               /* its input is paused by the program */
    bool limited, timed;       /* an output limit, or times, were set */
    bool pressed;              /* handle_pressure was called */
    bool stopping;             /* handle_stopping was called */
    unsigned slots;            /* reserved, and not finished */
    size_t high;               /* the high mark */
    size_t size;               /* the smallest size of a write or read */
    uint64_t id;               /* 0 until it was asked for */
};

struct world {
    struct input in;
    struct event_base *base;
    struct asynchat_server *server;
    struct asynchat_rate_group *group; /* made when it is first needed */
    bool stops;                        /* asynchat_server_stop was called */
    struct end ends[ENDS];
    struct end *waiting[ENDS]; /* ends to be accepted, in this order */
    unsigned first_waiting, last_waiting;
    unsigned char released[LENT]; /* how often each loan was released */
    unsigned lent;                /* how many loans there were */
    unsigned deeds;               /* actions left to be done */
    unsigned inside;              /* how many handler callbacks are running */
    unsigned depth;               /* how deep actions are nested */
};

extern struct world world;

/* Handlers in pieces and with whole messages, each with all callbacks. */
extern const struct asynchat_handler pieces_handler, whole_handler;
extern const struct asynchat_handler full_pieces_handler, full_whole_handler;

/* Returns an end that is not in use, or NULL if there is none. */
struct end *end_new(void);

/* The program frees the channel: from now on it may call nothing back. */
void end_free(struct end *e);

/* The plain socket has received these bytes. */
void end_got(struct end *e, const void *data, size_t len);

/* A posted function is called, with the end's channel, or NULL if that is
 * gone. */
void end_called(struct end *e, struct asynchat_channel *ch);

/* The server has stopped, and is gone when this returns. */
void server_stopped(void);

/* The actions of a callback; defined in calls.c. */
void react(void);

#endif
