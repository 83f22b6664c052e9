/* The common part of the loads. Each fails with a message and status 1 as soon
 * as a server answers wrongly, or not at all for TIMEOUT seconds.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef LOAD_H
#define LOAD_H

#include <stddef.h>

#include "framed.h"

#define TIMEOUT 20

/* The result of one slice of work. */
struct result {
    long count;      /* messages, bytes or connections, by the kind of load */
    double delay[3]; /* median, 99th percentile, maximum, in microseconds */
};

struct load {
    const char *name;
    int arguments;
    void (*open)(char **argument);                 /* connects */
    void (*run)(long work, struct result *result); /* one slice */
};

extern const struct load load_echo, load_framed, load_sink, load_mail,
    load_source, load_connect, load_proxied, load_fair, load_pace, load_rate,
    load_tell;

/* The loads of this program, up to NULL. */
extern const struct load *const loads[];

/* End the program: with errno's text, and because of a wrong answer. */
void fail(const char *what);
void wrong(const char *what);

/* Returns a connection to the server, which blocks for at most TIMEOUT. */
int open_connection(void);
/* Returns a connection from a given address of this machine, in the host's byte
 * order. */
int open_connection_from(unsigned address);
#define LOOPBACK_NET 0x7f000000u /* 127.0.0.0 */
void make_nonblocking(int fd);

/* Send or receive all bytes, on a blocking connection. */
void send_all(int fd, const char *data, size_t len);
void receive_all(int fd, char *data, size_t len);

/* Sorts delays, and gives three of them. */
void put_delays(double *delays, long count, struct result *result);

/* Seconds of a clock, and seconds in which the server was ready to run but
 * waited for its core. */
double now(void);
double server_waited(void);

/* The stream that is sent and comes back: COUNT different messages over and
 * over, so that a message that is lost, doubled, or somebody else's is noticed.
 * From any place below `period`, `more` bytes follow. make_tape() makes one of
 * lines. */
struct tape {
    char *bytes;
    size_t period;
};

void make_framed_tape(struct tape *tape, enum framed kind, size_t size,
                      size_t count, size_t more);
void make_tape(struct tape *tape, size_t size, size_t count, size_t more);

#endif
