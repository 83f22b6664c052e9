/* A client and a server that exchange a megabyte of lines, each of which comes
 * back, and then a file. Both compare every byte.
 *
 * usage: talk server ADDRESS
 *        talk client ADDRESS CONNECT-TIMEOUT
 *
 * Both print what happens to a connection as a line of events, such as
 * "connect lines file close(EOF)". The server ends at SIGTERM, the client with
 * its connection.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include <asynchat.h>

#define LINES 18000 /* 1.03 MB */
#define LINE_SIZE 128
#define FILE_SIZE 262144

static unsigned char file[FILE_SIZE];

struct talk {
    int lines; /* how many lines came */
    struct asynchat_server *server;
    struct event *stop;
};

static void check(int error, const char *what)
{
    if (error) {
        fprintf(stderr, "talk: %s: %s\n", what, asynchat_strerror(error));
        exit(1);
    }
}

/* --- what is said --- */

/* Makes the i-th line, with its end. Returns its length. */
static size_t make_line(int i, char text[LINE_SIZE])
{
    int len = sprintf(text, "%06d ", i);
    size_t fill = (size_t)(i * 37 % 100);
    memset(text + len, 'a' + i % 26, fill);
    text[(size_t)len + fill] = '\n';
    return (size_t)len + fill + 1;
}

static void make_file(void)
{
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof file; i++) {
        x = x * 1664525 + 1013904223;
        file[i] = (unsigned char)(x >> 24);
    }
}

static int open_file(void)
{
    char name[] = "/tmp/talk-XXXXXX";
    int fd = mkstemp(name);
    if (fd >= 0)
        unlink(name);
    if (fd < 0 || write(fd, file, sizeof file) != (ssize_t)sizeof file)
        check(-errno, name);
    return fd;
}

static void say(const char *event)
{
    printf("%s ", event);
    fflush(stdout);
}

static void say_status(const char *event, int status)
{
    const char *name = status == 0              ? "0"
                       : status == ASYNCHAT_EOF ? "EOF"
                                                : strerrorname_np(-status);
    printf("%s(%s) ", event, name ? name : "?");
    fflush(stdout);
}

/* Whether the data is the next line. */
static int expect_line(struct talk *talk, const void *data, size_t len)
{
    char text[LINE_SIZE];
    size_t expected = make_line(talk->lines++, text) - 1;
    int same = len == expected && memcmp(data, text, len) == 0;
    if (!same)
        say("WRONG-LINE");
    return same;
}

/* --- both sides --- */

static void connected(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    say("connect");
    check(asynchat_set_terminator(ch, "\n", 1), "terminator");
}

static void failed(struct asynchat_channel *ch, int error, void *arg)
{
    (void)ch;
    (void)arg;
    say_status("error", error);
}

static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    (void)arg;
    say_status("close", status);
    printf("\n");
    fflush(stdout);
}

/* --- the server --- */

/* A broken connection still delivers what it has received. */
static void push(struct asynchat_channel *ch, const void *data, size_t len)
{
    int error = asynchat_push(ch, data, len);
    check(error == ASYNCHAT_ECLOSED ? 0 : error, "push");
}

static void send_file(struct asynchat_channel *ch)
{
    say("lines");
    int error = asynchat_push_producer(
        ch, asynchat_producer_file(open_file(), 0, sizeof file));
    if (!error)
        error = asynchat_close_when_done(ch);
    check(error == ASYNCHAT_ECLOSED ? 0 : error, "file");
}

static void server_line(struct asynchat_channel *ch, const void *data,
                        size_t len, void *arg)
{
    struct talk *talk = arg;
    if (len == 4 && memcmp(data, "file", 4) == 0 && talk->lines == LINES) {
        send_file(ch);
    } else if (expect_line(talk, data, len)) {
        push(ch, data, len);
        push(ch, "\n", 1);
    }
}

static const struct asynchat_handler server_handler = {
    .size = sizeof server_handler,
    .message = server_line,
    .handle_connect = connected,
    .handle_error = failed,
    .handle_close = closed,
};

static void stop(evutil_socket_t number, short what, void *arg)
{
    struct talk *talk = arg;
    (void)number;
    (void)what;
    asynchat_server_free(talk->server);
    event_free(talk->stop);
}

static void serve(struct event_base *base, const char *address,
                  struct talk *talk)
{
    check(asynchat_server_new(base, address, &server_handler, talk, NULL,
                              &talk->server),
          address);
    talk->stop = evsignal_new(base, SIGTERM, stop, talk);
    check(talk->stop ? event_add(talk->stop, NULL) : -ENOMEM, "signal");
    printf("listen\n");
    fflush(stdout);
}

/* --- the client --- */

static void client_connected(struct asynchat_channel *ch, void *arg)
{
    char text[LINE_SIZE];
    connected(ch, arg);
    for (int i = 0; i < LINES; i++)
        check(asynchat_push(ch, text, make_line(i, text)), "push");
    check(asynchat_push(ch, "file\n", 5), "push");
}

static void client_message(struct asynchat_channel *ch, const void *data,
                           size_t len, void *arg)
{
    struct talk *talk = arg;
    if (talk->lines == LINES) {
        say(len == sizeof file && memcmp(data, file, len) == 0 ? "file"
                                                               : "WRONG-FILE");
    } else if (expect_line(talk, data, len) && talk->lines == LINES) {
        say("lines");
        check(asynchat_set_terminator_length(ch, sizeof file), "terminator");
    }
}

static const struct asynchat_handler client_handler = {
    .size = sizeof client_handler,
    .message = client_message,
    .handle_connect = client_connected,
    .handle_error = failed,
    .handle_close = closed,
};

/* --- both, again --- */

int main(int argc, char **argv)
{
    struct talk talk = {0};
    struct event_base *base = event_base_new();
    struct asynchat_channel *ch;
    check(base ? 0 : -ENOMEM, "event_base_new");
    make_file();
    if (argc == 3 && strcmp(argv[1], "server") == 0) {
        serve(base, argv[2], &talk);
    } else if (argc == 4 && strcmp(argv[1], "client") == 0) {
        check(asynchat_connect(base, argv[2], (unsigned)atoi(argv[3]),
                               &client_handler, &talk, &ch),
              argv[2]);
    } else {
        fprintf(stderr, "usage: talk server ADDRESS\n"
                        "       talk client ADDRESS CONNECT-TIMEOUT\n");
        return 1;
    }
    event_base_dispatch(base);
    event_base_free(base);
    return 0;
}
