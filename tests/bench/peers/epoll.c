/* Echoes lines on bare epoll: one recv and one send for each wake-up, as a
 * competent hand would write it.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER 65536

struct connection {
    int fd;
    size_t out_len, out_at; /* what the socket did not take yet */
    char *out;
    char held; /* a '\r' at the end of the last read */
};

static char input[BUFFER];
static char output[2 * BUFFER];

static int poll_fd;

static void end(struct connection *c)
{
    close(c->fd);
    free(c->out);
    free(c);
}

static void watch(struct connection *c, unsigned events, int how)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    epoll_ctl(poll_fd, how, c->fd, &event);
}

static int flush(struct connection *c, const char *data, size_t len)
{
    ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN)
        return -1;
    if (n < 0)
        n = 0;
    if ((size_t)n == len)
        return 0;
    char *rest = malloc(len - (size_t)n);
    if (!rest)
        return -1;
    memcpy(rest, data + n, len - (size_t)n);
    free(c->out);
    c->out = rest;
    c->out_len = len - (size_t)n;
    c->out_at = 0;
    watch(c, EPOLLOUT, EPOLL_CTL_MOD);
    return 0;
}

static void writable(struct connection *c)
{
    ssize_t n =
        send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        end(c);
        return;
    }
    if (n > 0)
        c->out_at += (size_t)n;
    if (c->out_at == c->out_len) {
        free(c->out);
        c->out = NULL;
        watch(c, EPOLLIN, EPOLL_CTL_MOD);
    }
}

/* Every line is found, and copied to the output with its end. */
static size_t echo_lines(struct connection *c, const char *data, size_t len)
{
    size_t out = 0;
    const char *end_of_data = data + len;
    if (c->held && len > 0) {
        output[out++] = '\r';
        if (*data == '\n')
            output[out++] = *data++;
        c->held = 0;
    }
    while (data < end_of_data) {
        const char *cr = memchr(data, '\r', (size_t)(end_of_data - data));
        if (!cr) {
            memcpy(output + out, data, (size_t)(end_of_data - data));
            return out + (size_t)(end_of_data - data);
        }
        if (cr + 1 == end_of_data) {
            memcpy(output + out, data, (size_t)(cr - data));
            c->held = 1;
            return out + (size_t)(cr - data);
        }
        size_t n = (size_t)(cr - data) + 1 + (cr[1] == '\n');
        memcpy(output + out, data, n);
        out += n;
        data += n;
    }
    return out;
}

static void readable(struct connection *c)
{
    ssize_t n = recv(c->fd, input, sizeof input, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        end(c);
        return;
    }
    size_t len = echo_lines(c, input, (size_t)n);
    if (len > 0 && flush(c, output, len) < 0)
        end(c);
}

static void acceptable(int listening)
{
    int on = 1;
    int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct connection *c = fd < 0 ? NULL : calloc(1, sizeof *c);
    if (!c)
        return;
    c->fd = fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(c, EPOLLIN, EPOLL_CTL_ADD);
}

int main(int argc, char **argv)
{
    int on = 1, listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(argv[argc - 1])),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listening, (struct sockaddr *)&at, sizeof at) < 0 ||
        listen(listening, 4096) < 0) {
        perror("epoll");
        return 1;
    }
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, listening, &event);
    for (;;) {
        struct epoll_event events[64];
        int n = epoll_wait(poll_fd, events, 64, -1);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c)
                acceptable(listening);
            else if (events[i].events & EPOLLOUT)
                writable(c);
            else
                readable(c);
        }
    }
}
