/* A peer on bare epoll, as a competent programmer would write it: one recv and
 * one send for each wake-up. It is the reference.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "frame.h"
#include "peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER 65536
#define MEMBERS 10001  /* with the one that has looked whether it listens */
#define LINE_MOST 4096 /* of the lines that go to all */
#define TURNS 16 /* sends for one connection before the others get a turn */

struct connection {
    int fd;
    unsigned watched;       /* events */
    size_t out_len, out_at; /* output that the socket has not taken yet */
    char *out;
    uint64_t left; /* bytes to send from memory or file */
    off_t at;      /* the place in it, or in a message that is received */
    struct peer_request request;
    struct peer_upload upload;
    char held; /* see peer_line_end */
    struct frame frame;
    struct mail mail;
    size_t member; /* its place among them, in the mode tell */
    char *part;    /* what has come of a line that goes to all, or NULL */
    size_t part_len;
};

static _Alignas(4096) char input[BUFFER]; /* recv is slow into some places */
static char output[BUFFER];

static int poll_fd;

/* All connections, in the mode tell. */
static struct connection *members[MEMBERS];
static size_t count_of_members;

static void enter(struct connection *c)
{
    if (count_of_members == MEMBERS)
        abort();
    c->member = count_of_members;
    members[count_of_members++] = c;
}

static void leave(struct connection *c)
{
    struct connection *last = members[--count_of_members];
    last->member = c->member;
    members[c->member] = last;
}

static void end(struct connection *c)
{
    if (peer_mode == PEER_TELL)
        leave(c);
    close(c->fd);
    free(c->out);
    free(c->part);
    free(c);
}

static void watch(struct connection *c, unsigned events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (c->watched == events)
        return;
    epoll_ctl(poll_fd, c->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd,
              &event);
    c->watched = events;
}

/* --- sending: 0, or -1 when the connection is to end --- */

static int keep(struct connection *c, const char *rest, size_t len)
{
    char *out = realloc(c->out, c->out_len + len);
    if (!out)
        return -1;
    memcpy(out + c->out_len, rest, len);
    c->out = out;
    c->out_len += len;
    watch(c, EPOLLOUT);
    return 0;
}

static int flush(struct connection *c, const char *data, size_t len)
{
    ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN)
        return -1;
    if (n < 0)
        n = 0;
    return (size_t)n == len ? 0 : keep(c, data + n, len - (size_t)n);
}

static int flush_rest(struct connection *c)
{
    ssize_t n =
        send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN ? 0 : -1;
    c->out_at += (size_t)n;
    if (c->out_at < c->out_len)
        return 0;
    free(c->out);
    c->out = NULL;
    c->out_len = c->out_at = 0;
    watch(c, EPOLLIN);
    return 0;
}

static ssize_t send_some(struct connection *c)
{
    size_t n = c->left < PEER_CHUNK ? (size_t)c->left : PEER_CHUNK;
    if (peer_mode == PEER_FILE)
        return sendfile(c->fd, peer_file, &c->at, n);
    ssize_t sent = send(c->fd, peer_block((uint64_t)c->at), n, MSG_NOSIGNAL);
    if (sent > 0)
        c->at += sent;
    return sent;
}

static int pump(struct connection *c)
{
    for (int turn = 0; turn < TURNS && c->left > 0; turn++) {
        ssize_t n = send_some(c);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0)
            return -1;
        c->left -= (uint64_t)n;
    }
    watch(c, c->left > 0 ? EPOLLOUT : EPOLLIN);
    return 0;
}

/* --- the modes: what is done with bytes received; 0, or -1 as above --- */

static size_t copy(size_t out, const char *data, size_t len)
{
    memcpy(output + out, data, len);
    return out + len;
}

/* Every line is found, and copied to the output with its end. */
static int line(struct connection *c, const char *data, size_t len)
{
    const char *end = data + len;
    size_t out = 0;
    while (data < end) {
        const char *next = peer_line_end(&c->held, data, end);
        size_t n = (size_t)((next ? next : end) - data);
        out = copy(out, data, n);
        data += n;
    }
    return flush(c, output, out);
}

/* The same with each message of another framing. */
static int framed(struct connection *c, const char *data, size_t len)
{
    frame_end *next_end = frame_ends[peer_framing];
    const char *end = data + len;
    size_t out = 0;
    while (data < end) {
        const char *next = next_end(&c->frame, data, end);
        if (c->frame.broken)
            return -1;
        size_t n = (size_t)((next ? next : end) - data);
        out = copy(out, data, n);
        data += n;
    }
    return flush(c, output, out);
}

static int length(struct connection *c, const char *data, size_t len)
{
    c->at = (off_t)(((size_t)c->at + len) % PEER_MESSAGE);
    return flush(c, data, len);
}

static int sink(struct connection *c, const char *data, size_t len)
{
    const char *end = data + len;
    while (data < end) {
        char answer[PEER_ANSWER];
        const char *next = peer_line_end(&c->held, data, end);
        c->upload.length += (size_t)((next ? next : end) - data);
        if (!next)
            return 0;
        data = next;
        c->upload.length -= 2;
        size_t n = peer_upload_line(&c->upload, answer);
        if (n > 0 && flush(c, answer, n) < 0)
            return -1;
    }
    return 0;
}

static int dotted(struct connection *c, const char *data, size_t len)
{
    const char *end = data + len;
    while (data && data < end) {
        char answer[PEER_ANSWER];
        data = mail_end(&c->mail, data, end, &c->upload.length);
        size_t n = data ? peer_upload_line(&c->upload, answer) : 0;
        if (n > 0 && flush(c, answer, n) < 0)
            return -1;
    }
    return 0;
}

/* A line goes to all by a send for each. -1: the connection of the line has to
 * end; others that have to are ended here. */
static int tell_all(struct connection *c, const char *text, size_t len)
{
    int result = 0;
    for (size_t i = count_of_members; i-- > 0;) {
        struct connection *to = members[i];
        int told = to->out ? keep(to, text, len) : flush(to, text, len);
        if (told < 0 && to == c)
            result = -1;
        else if (told < 0)
            end(to);
    }
    return result;
}

static int add_part(struct connection *c, const char *data, size_t len)
{
    if (!c->part && !(c->part = malloc(LINE_MOST)))
        return -1;
    if (len > LINE_MOST - c->part_len)
        return -1;
    memcpy(c->part + c->part_len, data, len);
    c->part_len += len;
    return 0;
}

static int tell(struct connection *c, const char *data, size_t len)
{
    const char *end = data + len, *next;
    int result = 0;
    while (result == 0 && (next = peer_line_end(&c->held, data, end))) {
        if (c->part) {
            result = add_part(c, data, (size_t)(next - data));
            result = result < 0 ? -1 : tell_all(c, c->part, c->part_len);
            free(c->part);
            c->part = NULL;
            c->part_len = 0;
        } else {
            result = tell_all(c, data, (size_t)(next - data));
        }
        data = next;
    }
    return result == 0 && data < end ? add_part(c, data, (size_t)(end - data))
                                     : result;
}

static int request(struct connection *c, const char *data, size_t len)
{
    if (!peer_request(&c->request, data, len, &c->left))
        return 0;
    c->at = 0;
    return pump(c);
}

static int received(struct connection *c, const char *data, size_t len)
{
    static int (*const modes[])(struct connection *, const char *, size_t) = {
        line, length, sink, request, request, framed, dotted, tell};
    return modes[peer_mode](c, data, len);
}

/* --- the loop --- */

static void readable(struct connection *c)
{
    ssize_t n = recv(c->fd, input, sizeof input, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || received(c, input, (size_t)n) < 0)
        end(c);
}

static void writable(struct connection *c)
{
    if ((c->out ? flush_rest(c) : pump(c)) < 0)
        end(c);
}

static void acceptable(int listening)
{
    int fd;
    while ((fd = accept4(listening, NULL, NULL,
                         SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        if (!c)
            abort();
        c->fd = fd;
        if (peer_mode == PEER_TELL)
            enter(c);
        watch(c, EPOLLIN);
    }
}

static void loop(int listening)
{
    struct epoll_event events[64];
    for (;;) {
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

int main(int argc, char **argv)
{
    int on = 1, listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    peer_begin(argc, argv, PEER_TELL);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    peer_nodelay(listening);
    if (bind(listening, (struct sockaddr *)&peer_address, sizeof peer_address) <
            0 ||
        listen(listening, PEER_BACKLOG) < 0) {
        perror("epoll");
        return 1;
    }
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, listening, &event);
    loop(listening);
}
