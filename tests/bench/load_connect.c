/* A new connection for each exchange of one line, AT_ONCE of them at a time.
 * The load ends its side, then the server ends its own, and only then the
 * exchange counts. With a PROXY header, this comes in front of the line.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "load.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
    int fd;
    size_t received;
    const char *line;
};

#define SIZE_MOST 4096

/* Version 2, from 192.0.2.7 to 192.0.2.1. */
static const char header[28] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
                               "\xc0\0\2\7\xc0\0\2\1\x12\x67\0\x19";

static bool proxied;
static struct tape tape;
static struct connection *connections;
static size_t at_once, size;
static long begun, done, wanted;
static int poll_fd;

static void begin(struct connection *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (begun == wanted)
        return;
    c->fd = open_connection();
    c->received = 0;
    c->line = tape.bytes + (size_t)begun * size % tape.period;
    begun++;
    if (proxied) {
        char both[sizeof header + SIZE_MOST];
        memcpy(both, header, sizeof header);
        memcpy(both + sizeof header, c->line, size);
        send_all(c->fd, both, sizeof header + size);
    } else {
        send_all(c->fd, c->line, size);
    }
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event);
}

static void proceed(struct connection *c)
{
    char data[4096];
    ssize_t n = recv(c->fd, data, sizeof data, 0);
    if (n < 0)
        fail("recv");
    if (n == 0 && c->received < size)
        wrong("the connection ended");
    if (n == 0) {
        close(c->fd);
        done++;
        begin(c);
        return;
    }
    if ((size_t)n > size - c->received ||
        memcmp(data, c->line + c->received, (size_t)n) != 0)
        wrong("another byte than was sent");
    c->received += (size_t)n;
    if (c->received == size)
        shutdown(c->fd, SHUT_WR);
}

static void run(long count, struct result *result)
{
    struct epoll_event events[256];
    wanted = count;
    begun = done = 0;
    for (size_t i = 0; i < at_once; i++)
        begin(&connections[i]);
    while (done < count) {
        int n = epoll_wait(poll_fd, events, 256, TIMEOUT * 1000);
        if (n == 0)
            wrong("none, the server has stopped answering");
        for (int i = 0; i < n; i++)
            proceed(events[i].data.ptr);
    }
    result->count = count;
}

static void open(char **argument)
{
    at_once = (size_t)atol(argument[0]);
    size = (size_t)atol(argument[1]);
    make_tape(&tape, size, 23, 0);
    connections = calloc(at_once, sizeof *connections);
    poll_fd = epoll_create1(0);
    if (!connections || poll_fd < 0)
        fail("open");
}

static void open_proxied(char **argument)
{
    proxied = true;
    open(argument);
    if (size > SIZE_MOST)
        fail("open");
}

const struct load load_connect = {"connect", 2, open, run};
const struct load load_proxied = {"proxied", 2, open_proxied, run};
