/* A closed loop of messages over many connections. Each connection keeps
 * IN_FLIGHT messages of SIZE bytes on their way, and sends a new message for
 * each answer. SPDX-License-Identifier: BSD-3-Clause */
#include "load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

struct connection {
    int fd;
    size_t sent_at, received_at; /* places on the tape */
    size_t part;    /* bytes that have arrived of the next answer */
    size_t to_send; /* bytes of the messages that are due */
    int waits;      /* it waits until the socket takes more */
};

static struct tape tape;
static struct connection *connections;
static size_t count, in_flight, size;
static long left, answered;
static int poll_fd;

static void order(struct connection *c, size_t messages)
{
    if ((long)messages > left)
        messages = (size_t)left;
    left -= (long)messages;
    c->to_send += messages * size;
}

static void wait_for_room(struct connection *c, int waits)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (waits == c->waits)
        return;
    if (waits)
        event.events |= EPOLLOUT;
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, c->fd, &event);
    c->waits = waits;
}

static void send_due(struct connection *c)
{
    while (c->to_send > 0) {
        ssize_t n = send(c->fd, tape.bytes + c->sent_at, c->to_send,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            fail("send");
        c->to_send -= (size_t)n;
        c->sent_at = (c->sent_at + (size_t)n) % tape.period;
    }
    wait_for_room(c, c->to_send > 0);
}

static void receive(struct connection *c)
{
    static char data[1 << 18];
    size_t most = in_flight * size + 1; /* one byte more would be too much */
    ssize_t n = recv(c->fd, data, most < sizeof data ? most : sizeof data,
                     MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n < 0)
        fail("recv");
    if (n == 0)
        wrong("the connection ended");
    if (memcmp(data, tape.bytes + c->received_at, (size_t)n) != 0)
        wrong("another byte than was sent");
    c->received_at = (c->received_at + (size_t)n) % tape.period;
    c->part += (size_t)n;
    answered += (long)(c->part / size);
    order(c, c->part / size);
    c->part %= size;
}

static void run(long messages, struct result *result)
{
    struct epoll_event events[256];
    left = messages;
    answered = 0;
    for (size_t i = 0; i < count; i++) {
        order(&connections[i], in_flight);
        send_due(&connections[i]);
    }
    while (answered < messages) {
        int n = epoll_wait(poll_fd, events, 256, TIMEOUT * 1000);
        if (n == 0)
            wrong("none, the server has stopped answering");
        for (int i = 0; i < n; i++) {
            receive(events[i].data.ptr);
            send_due(events[i].data.ptr);
        }
    }
    if (answered > messages)
        wrong("more than was asked");
    result->count = answered;
}

/* Each connection begins with a different message. */
static void connect_one(struct connection *c, size_t number)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    c->fd = open_connection();
    c->sent_at = c->received_at = number * size % tape.period;
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event);
}

/* Waits for an exchange, so that never too many connections wait to be
 * accepted. */
static void wait_until_accepted(struct connection *c)
{
    char *answer = malloc(size);
    if (!answer)
        fail("malloc");
    send_all(c->fd, tape.bytes + c->sent_at, size);
    receive_all(c->fd, answer, size);
    if (memcmp(answer, tape.bytes + c->sent_at, size) != 0)
        wrong("another byte than was sent");
    c->sent_at = c->received_at = (c->sent_at + size) % tape.period;
    free(answer);
}

static void open_kind(char **argument, enum framed kind)
{
    count = (size_t)atol(argument[0]);
    in_flight = (size_t)atol(argument[1]);
    size = (size_t)atol(argument[2]);
    make_framed_tape(&tape, kind, size, size < 100000 ? 23 : 3,
                     in_flight * size + 1);
    connections = calloc(count, sizeof *connections);
    poll_fd = epoll_create1(0);
    if (!connections || poll_fd < 0)
        fail("open");
    for (size_t i = 0; i < count; i++) {
        connect_one(&connections[i], i);
        if (i % 500 == 499)
            wait_until_accepted(&connections[i]);
    }
}

static void open(char **argument)
{
    open_kind(argument, FRAMED_STRING);
}

static void open_framed(char **argument)
{
    enum framed kind = framed_find(argument[3]);
    if (kind == FRAMED_KINDS)
        wrong("to ask for that framing");
    open_kind(argument, kind);
}

const struct load load_echo = {"echo", 3, open, run};
const struct load load_framed = {"echo", 4, open_framed, run};
