/* How long a line of SIZE bytes takes there and back on one connection, while
 * another connection keeps WINDOW bytes of pipelined lines on their way and
 * reads the answers. A delay ends when the kernel has the answer, by the
 * kernel's time stamp, so it does not matter what this program does then. The
 * time in which the server waited for its core, which other programs may have
 * used, does not count either. SPDX-License-Identifier: BSD-3-Clause */
#include "load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define WINDOW 262144
#define PART 65536

static struct tape tape;
static size_t size;

/* --- the full stream --- */

static int stream;
static size_t sent, received; /* in all */

/* Sends at most this many bytes; returns how many. */
static size_t stream_send(size_t most)
{
    size_t room = WINDOW - (sent - received);
    ssize_t n = send(stream, tape.bytes + sent % tape.period,
                     room < most ? room : most, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN)
        fail("send");
    if (n < 0)
        n = 0;
    sent += (size_t)n;
    return (size_t)n;
}

static void stream_receive(void)
{
    static char data[PART];
    ssize_t n = recv(stream, data, sizeof data, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n < 0)
        fail("recv");
    if (n == 0 || (size_t)n > sent - received)
        wrong("the connection ended, or more than was sent");
    if (memcmp(data, tape.bytes + received % tape.period, (size_t)n) != 0)
        wrong("another byte than was sent");
    received += (size_t)n;
}

/* --- the single line --- */

static int single;

static double stamp_of(struct msghdr *message)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(message);
    struct timespec stamp;
    if (!c || c->cmsg_type != SCM_TIMESTAMPNS)
        wrong("one without a stamp");
    memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
    return (double)stamp.tv_sec + (double)stamp.tv_nsec / 1e9;
}

/* Returns when the answer arrived, or 0 if it has not. */
static double single_receive(const char *expected)
{
    char data[256], control[256];
    struct iovec part = {data, sizeof data};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    ssize_t n = recvmsg(single, &message, 0);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n < 0)
        fail("recvmsg");
    if ((size_t)n != size || memcmp(data, expected, size) != 0)
        wrong("another byte than was sent");
    return stamp_of(&message);
}

static double realtime(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Returns the delay in microseconds. */
static double exchange(const char *line)
{
    double waited = server_waited(), began = realtime(), arrived;
    send_all(single, line, size);
    while ((arrived = single_receive(line)) == 0) {
        stream_send(PART);
        stream_receive();
        if (realtime() - began > TIMEOUT)
            wrong("none, the server has stopped answering");
    }
    return (arrived - began - (server_waited() - waited)) * 1e6;
}

/* --- both --- */

/* Sends the rest of the current line, and waits until all lines have come
 * back. */
static void drain_stream(void)
{
    size_t rest = (size - sent % size) % size;
    double began = now();
    while (rest > 0 || received < sent) {
        rest -= stream_send(rest);
        stream_receive();
        if (now() - began > TIMEOUT)
            wrong("none, the server has stopped answering");
    }
}

static void run(long count, struct result *result)
{
    double *delays = calloc((size_t)count, sizeof *delays);
    size_t before = received;
    if (!delays)
        fail("calloc");
    for (long i = 0; i < count; i++)
        delays[i] = exchange(tape.bytes + (size_t)i * size % tape.period);
    drain_stream();
    put_delays(delays, count, result);
    result->count = (long)((received - before) / size);
    free(delays);
}

static void open(char **argument)
{
    int on = 1;
    size = (size_t)atol(argument[0]);
    make_tape(&tape, size, 23, WINDOW);
    stream = open_connection();
    single = open_connection();
    make_nonblocking(stream);
    make_nonblocking(single);
    setsockopt(single, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
}

const struct load load_fair = {"fair", 1, open, run};
