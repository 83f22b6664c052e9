/* Messages at a pace: each of CONNECTIONS sends one message of SIZE bytes a
 * second, in turn and evenly over the second. The delay of an answer begins
 * when its message was due, so it includes any lateness of the server or of the
 * load. With RATE, all connections together send so many messages a second, and
 * the load never sleeps.
 *
 * Each thousand connections come from an address of their own, from
 * 127.0.FIRST.1 on, since one address has only some 28,000 ports.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define FOR_AN_ADDRESS 1000

struct connection {
    int fd;
    size_t sent_at, received_at; /* places on the tape, equal when answered */
    double due;
};

static struct tape tape;
static struct connection *connections;
static size_t count, size;
static double rate; /* messages in a second */
static int sleeps;
static long answered;
static double *delays;
static int poll_fd;

static void receive(struct connection *c)
{
    char data[4096];
    ssize_t n = recv(c->fd, data, sizeof data, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n < 0)
        fail("recv");
    if (n == 0)
        wrong("the connection ended");
    if ((size_t)n > c->sent_at - c->received_at)
        wrong("more than was asked");
    if (memcmp(data, tape.bytes + c->received_at % tape.period, (size_t)n) != 0)
        wrong("another byte than was sent");
    c->received_at += (size_t)n;
    if (c->received_at == c->sent_at)
        delays[answered++] = (now() - c->due) * 1e6;
}

static void receive_for(int milliseconds)
{
    struct epoll_event events[256];
    int n = epoll_wait(poll_fd, events, 256, milliseconds);
    if (n == 0 && milliseconds == TIMEOUT * 1000)
        wrong("none, the server has stopped answering");
    for (int i = 0; i < n; i++)
        receive(events[i].data.ptr);
}

/* One message is on its way at a time: a late message delays the next. */
static void send_message(struct connection *c, double due)
{
    while (c->received_at < c->sent_at)
        receive_for(TIMEOUT * 1000);
    c->due = due;
    send_all(c->fd, tape.bytes + c->sent_at % tape.period, size);
    c->sent_at += size;
}

static void wait_until(double due)
{
    double left;
    while ((left = due - now()) > 0)
        receive_for(sleeps ? (int)(left * 1000) + 1 : 0);
}

static void run(long messages, struct result *result)
{
    double began = now();
    delays = calloc((size_t)messages, sizeof *delays);
    if (!delays)
        fail("calloc");
    answered = 0;
    for (long i = 0; i < messages; i++) {
        double due = began + (double)i / rate;
        wait_until(due);
        send_message(&connections[(size_t)i % count], due);
    }
    while (answered < messages)
        receive_for(TIMEOUT * 1000);
    result->count = answered;
    put_delays(delays, answered, result);
    free(delays);
}

/* Each connection begins with a different message. */
static void open(char **argument)
{
    unsigned first = (unsigned)atoi(argument[2]) << 8;
    count = (size_t)atol(argument[0]);
    size = (size_t)atol(argument[1]);
    make_tape(&tape, size, 23, size);
    connections = calloc(count, sizeof *connections);
    poll_fd = epoll_create1(0);
    if (!connections || poll_fd < 0)
        fail("open");
    for (size_t i = 0; i < count; i++) {
        struct connection *c = &connections[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        c->fd = open_connection_from(LOOPBACK_NET + first + 1 +
                                     (unsigned)(i / FOR_AN_ADDRESS));
        c->sent_at = c->received_at = i * size % tape.period;
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event);
    }
}

static void open_slowly(char **argument)
{
    open(argument);
    rate = (double)count;
    sleeps = 1;
}

static void open_rate(char **argument)
{
    open(argument);
    rate = atof(argument[3]);
}

const struct load load_pace = {"pace", 3, open_slowly, run};
const struct load load_rate = {"pace", 4, open_rate, run};
