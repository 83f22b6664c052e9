/* A line for conformance scripts: a socket. Each piece is one read.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

static int peer;

struct asynchat_channel *line_open(struct event_base *base,
                                   const struct asynchat_handler *handler,
                                   void *arg)
{
    struct asynchat_channel *ch;
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0 ||
        asynchat_channel_new_socket(base, fds[0], handler, arg, &ch) < 0) {
        fprintf(stderr, "replay: there is no line\n");
        exit(1);
    }
    peer = fds[1];
    return ch;
}

int line_send(struct event_base *base, const void *data, size_t len)
{
    int result = send(peer, data, len, 0) == (ssize_t)len ? 0 : -1;
    event_base_loop(base, EVLOOP_NONBLOCK);
    return result;
}

void line_close(void)
{
    close(peer);
}
