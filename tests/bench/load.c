/* The load: a closed loop of messages over many connections, and what they cost
 * the server in CPU time, as the kernel accounts for it.
 *
 * usage: load PORT PID CONNECTIONS IN_FLIGHT SIZE MESSAGES
 *
 * Each connection keeps IN_FLIGHT lines of SIZE bytes ("\r\n" included) on
 * their way and sends another one for each that is answered. Every answer is
 * compared. Prints: CPU nanoseconds of process PID per message, messages per
 * second.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct connection {
    int fd;
    size_t at;      /* bytes of the answer in progress */
    size_t to_send; /* bytes of the messages that are due */
    size_t sent_at; /* where in a message the next byte to send is */
};

static char *message; /* twice, for sending from any place in it */
static size_t size, batch;
static long left, answered, total;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static long cpu_nanoseconds(const char *pid)
{
    char path[64];
    long ns;
    snprintf(path, sizeof path, "/proc/%s/schedstat", pid);
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%ld", &ns) != 1)
        fail(path);
    fclose(file);
    return ns;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* --- one connection --- */

static int open_connection(int port)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void order(struct connection *c, long messages)
{
    if (messages > left)
        messages = left;
    left -= messages;
    c->to_send += (size_t)messages * size;
}

static void send_due(struct connection *c)
{
    while (c->to_send > 0) {
        size_t n = batch * size - c->sent_at;
        ssize_t sent = send(c->fd, message + c->sent_at,
                            n < c->to_send ? n : c->to_send, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent < 0)
            fail("send");
        c->to_send -= (size_t)sent;
        c->sent_at = (c->sent_at + (size_t)sent) % size;
    }
}

static void receive(struct connection *c)
{
    static char data[1 << 20];
    ssize_t n = recv(c->fd, data, sizeof data, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        fail("recv");
    for (size_t done = 0; done < (size_t)n;) {
        size_t part = size - c->at;
        if (part > (size_t)n - done)
            part = (size_t)n - done;
        if (memcmp(data + done, message + c->at, part) != 0) {
            fprintf(stderr, "load: a wrong answer\n");
            exit(1);
        }
        done += part;
        c->at += part;
        if (c->at == size) {
            c->at = 0;
            answered++;
            order(c, 1);
        }
    }
    send_due(c);
}

/* --- all of them --- */

static void make_message(long in_flight)
{
    batch = (size_t)in_flight + 1;
    message = malloc(batch * size);
    if (!message)
        fail("malloc");
    for (size_t i = 0; i < batch * size; i++)
        message[i] = (char)('a' + i % size % 26);
    for (size_t i = 1; i <= batch; i++)
        memcpy(message + i * size - 2, "\r\n", 2);
}

static void run(struct connection *all, long count, long in_flight,
                long messages, int poll)
{
    struct epoll_event events[256];
    left = messages;
    total = messages;
    answered = 0;
    for (long i = 0; i < count; i++) {
        order(&all[i], in_flight);
        send_due(&all[i]);
    }
    while (answered < total) {
        int n = epoll_wait(poll, events, 256, 10000);
        if (n <= 0)
            fail("the server has stopped answering");
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            receive(c);
            send_due(c);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: load PORT PID CONNECTIONS IN_FLIGHT SIZE "
                        "MESSAGES\n");
        return 2;
    }
    long count = atol(argv[3]), in_flight = atol(argv[4]);
    long messages = atol(argv[6]);
    size = (size_t)atol(argv[5]);
    make_message(in_flight);
    struct connection *all = calloc((size_t)count, sizeof *all);
    int poll = epoll_create1(0);
    for (long i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        all[i].fd = open_connection(atoi(argv[1]));
        epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &event);
    }
    run(all, count, in_flight, messages / 10 + count * in_flight, poll);
    long cpu = cpu_nanoseconds(argv[2]);
    double began = now();
    run(all, count, in_flight, messages, poll);
    double seconds = now() - began;
    cpu = cpu_nanoseconds(argv[2]) - cpu;
    printf("%.1f %.0f\n", (double)cpu / (double)messages,
           (double)messages / seconds);
    return 0;
}
