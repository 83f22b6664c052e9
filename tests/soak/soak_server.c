/* The server that tests/thorough/soak puts under load. It answers each line
 * with the line's number in the connection and the line.
 *
 * usage: soak_server UNIX-SOCKET [CERTIFICATE KEY]
 *
 * It prints its port, and at each SIGUSR1 a line of counts. At SIGTERM it stops
 * listening, and exits with 0 if nothing is left in the loop then.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/bufferevent.h>
#include <event2/event.h>

#include <asynchat.h>
#ifdef SOAK_TLS
#include <asynchat/tls.h>
#endif

#include "descriptors.h"

#define MESSAGE_LIMIT 65536
#define LINGER 2000       /* milliseconds */
#define SEND_BUFFER 65536 /* the system's buffer; the rest waits in the queue */

struct connection {
    unsigned lines;
    int error; /* the error given to handle_error */
    int errors;
};

static struct {
    unsigned connected, closed;
    unsigned lines, told; /* told: how many lines began with "+" */
    unsigned ended, eof, too_long, timed_out, broken;
    unsigned wrong; /* events that contradict the manual */
} counts;

static struct event_base *base;
static struct asynchat_server *servers[2];
static struct event *signals[2];

static void check(int error, const char *what)
{
    if (error) {
        fprintf(stderr, "soak_server: %s: %s\n", what,
                asynchat_strerror(error));
        exit(1);
    }
}

/* --- the conversation --- */

static void connected(struct asynchat_channel *ch, void *arg)
{
    struct connection *c = calloc(1, sizeof *c);
    int size = SEND_BUFFER;
    (void)arg;
    check(c ? 0 : -ENOMEM, "connection");
    counts.connected++;
    setsockopt(bufferevent_getfd(asynchat_get_bufferevent(ch)), SOL_SOCKET,
               SO_SNDBUF, &size, sizeof size);
    asynchat_set_arg(ch, c);
    check(asynchat_set_terminator(ch, "\r\n", 2), "terminator");
    check(asynchat_set_message_limit(ch, MESSAGE_LIMIT), "limit");
    check(asynchat_set_linger(ch, LINGER), "linger");
}

static void line(struct asynchat_channel *ch, const void *data, size_t len,
                 void *arg)
{
    struct connection *c = arg;
    char number[16];
    int digits = snprintf(number, sizeof number, "%u ", ++c->lines);
    counts.lines++;
    counts.told += len > 0 && *(const char *)data == '+';
    if (asynchat_push(ch, number, (size_t)digits) ||
        asynchat_push(ch, data, len) || asynchat_push(ch, "\r\n", 2))
        counts.wrong++;
    if (len == 3 && memcmp(data, "bye", 3) == 0)
        asynchat_close_when_done(ch);
}

static void failed(struct asynchat_channel *ch, int error, void *arg)
{
    struct connection *c = arg;
    c->error = error;
    c->errors++;
    if (error == ASYNCHAT_ETOOLONG && asynchat_push(ch, "too long\r\n", 10))
        counts.wrong++;
}

static void count_status(int status)
{
    if (status == 0)
        counts.ended++;
    else if (status == ASYNCHAT_EOF)
        counts.eof++;
    else if (status == ASYNCHAT_ETOOLONG)
        counts.too_long++;
    else if (status == -ETIMEDOUT)
        counts.timed_out++;
    else
        counts.broken++;
}

/* An error is reported once by handle_error and once by handle_close. */
static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    struct connection *c = arg;
    int error = status == ASYNCHAT_EOF ? 0 : status;
    (void)ch;
    counts.closed++;
    count_status(status);
    if (c->error != error || c->errors != (error != 0))
        counts.wrong++;
    free(c);
}

static const struct asynchat_handler handler = {
    .size = sizeof handler,
    .message = line,
    .handle_connect = connected,
    .handle_error = failed,
    .handle_close = closed,
};

/* --- counting --- */

static void report(evutil_socket_t number, short what, void *arg)
{
    malloc_trim(0); /* memory kept by malloc does not count */
    struct mallinfo2 memory = mallinfo2();
    (void)number;
    (void)what;
    (void)arg;
    printf("open %u lines %u told %u ended %u eof %u too_long %u timed_out %u "
           "broken %u wrong %u descriptors %d heap %zu\n",
           counts.connected - counts.closed, counts.lines, counts.told,
           counts.ended, counts.eof, counts.too_long, counts.timed_out,
           counts.broken, counts.wrong, count_descriptors(),
           memory.uordblks + memory.hblkhd);
    fflush(stdout);
}

/* --- from start to stop --- */

static void stop(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    (void)arg;
    for (int i = 0; i < 2; i++) {
        asynchat_server_free(servers[i]);
        event_free(signals[i]);
    }
}

static struct event *at_signal(int number, event_callback_fn act)
{
    struct event *event = evsignal_new(base, number, act, NULL);
    check(event ? event_add(event, NULL) : -ENOMEM, "signal");
    return event;
}

static int left_in_loop(void)
{
    int left = event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED |
                                                   EVENT_BASE_COUNT_ACTIVE);
    if (left)
        fprintf(stderr, "soak_server: %d events are left in the loop\n", left);
    return left;
}

#ifdef SOAK_TLS
static struct asynchat_tls *tls;

/* Clients that end their half do so without a close_notify, as Python's do. */
static void secure(const char *certificate, const char *key)
{
    const struct asynchat_tls_options options = {
        .size = sizeof options,
        .flags = ASYNCHAT_TLS_CUT_OFF_IS_EOF,
        .certificate = certificate,
        .key = key};
    check(asynchat_tls_new(&options, &tls), certificate);
    for (int i = 0; i < 2; i++)
        check(asynchat_tls_serve(servers[i], tls), "TLS");
}

static void insecure(void)
{
    asynchat_tls_free(tls);
}
#else
static void secure(const char *certificate, const char *key)
{
    (void)key;
    check(-ENOTSUP, certificate);
}

static void insecure(void)
{
}
#endif

int main(int argc, char **argv)
{
    char path[ASYNCHAT_ADDRESS_SIZE];
    if (argc != 2 && argc != 4) {
        fprintf(stderr, "usage: soak_server UNIX-SOCKET [CERTIFICATE KEY]\n");
        return 1;
    }
    base = event_base_new();
    check(base ? 0 : -ENOMEM, "event_base_new");
    snprintf(path, sizeof path, "unix:%s", argv[1]);
    check(asynchat_server_new(base, "127.0.0.1:0", &handler, NULL, NULL,
                              &servers[0]),
          "server");
    check(asynchat_server_new(base, path, &handler, NULL, NULL, &servers[1]),
          path);
    if (argc == 4)
        secure(argv[2], argv[3]);
    signals[0] = at_signal(SIGUSR1, report);
    signals[1] = at_signal(SIGTERM, stop);
    printf("%d\n", asynchat_server_port(servers[0]));
    fflush(stdout);

    /* 1: nothing is left to wait for */
    int ran = event_base_dispatch(base);
    int left = left_in_loop();
    event_base_free(base);
    insecure();
    return ran == 1 && left == 0 ? 0 : 1;
}
