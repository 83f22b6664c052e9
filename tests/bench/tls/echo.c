/* A closed loop of messages over many connections, as load_echo.c, with TLS. What
 * is due is sent in one record. SPDX-License-Identifier: BSD-3-Clause */
#include "client.h"

#include "../load.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

struct connection {
    SSL *ssl;
    int fd;
    size_t sent_at, received_at; /* places on the tape */
    size_t part; /* bytes that have arrived of the next answer */
    size_t due;  /* messages to send */
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
    c->due += messages;
}

/* The socket has room for all that may be in flight, so this does not block. */
static void send_due(struct connection *c)
{
    if (c->due == 0)
        return;
    tls_gathered_write(c->ssl, c->fd, tape.bytes + c->sent_at, c->due * size);
    c->sent_at = (c->sent_at + c->due * size) % tape.period;
    c->due = 0;
}

static void receive(struct connection *c)
{
    static char data[1 << 16];
    size_t most = in_flight * size + 1; /* one byte more would be too much */
    int n;
    if (!tls_gathered_receive(c->fd))
        return;
    if (most > sizeof data)
        most = sizeof data;
    while ((n = SSL_read(c->ssl, data, (int)most)) > 0) {
        if (memcmp(data, tape.bytes + c->received_at, (size_t)n) != 0)
            wrong("another byte than was sent");
        c->received_at = (c->received_at + (size_t)n) % tape.period;
        c->part += (size_t)n;
        answered += (long)(c->part / size);
        order(c, c->part / size);
        c->part %= size;
    }
    tls_no_more(c->ssl, n);
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

/* Each connection begins with a different message, and with one exchange. */
static void connect_one(struct connection *c, size_t number)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    size_t at = number * size % tape.period;
    c->ssl = tls_open();
    tls_send_all(c->ssl, tape.bytes + at, size);
    tls_compare(c->ssl, tape.bytes + at, size);
    c->sent_at = c->received_at = (at + size) % tape.period;
    c->fd = SSL_get_fd(c->ssl);
    tls_gather(c->ssl);
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event);
}

static void open(char **argument)
{
    count = (size_t)atol(argument[0]);
    in_flight = (size_t)atol(argument[1]);
    size = (size_t)atol(argument[2]);
    make_tape(&tape, size, 23, in_flight * size + 1);
    connections = calloc(count, sizeof *connections);
    poll_fd = epoll_create1(0);
    if (!connections || poll_fd < 0)
        fail("open");
    for (size_t i = 0; i < count; i++)
        connect_one(&connections[i], i);
}

const struct load load_tls_echo = {"echo", 3, open, run};
