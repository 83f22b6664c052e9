/* A server of echoes for many clients:
 * echo_server [--tls CERT KEY] [--proxy-protocol[=NETWORK]] PORT
 *
 * A client sends a command, "ECHO 5", ended by a newline, and then that number
 * of bytes, which the server sends back. Then the client sends the next
 * command. The server listens on 127.0.0.1, on any free port if PORT is 0. At
 * SIGINT or SIGTERM it finishes the messages in progress, within half a second,
 * and ends. With --tls, it speaks TLS: see secure.h. With --proxy-protocol,
 * each connection has to begin with a PROXY header; if there is a NETWORK, each
 * connection from there: a balancer is in it, and a monitor elsewhere needs no
 * header.
 *
 * Its handler takes whole messages: a line, then a number of bytes. The
 * terminator tells which of them comes next, so a connection needs no state of
 * its own.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include <asynchat.h>

#include "secure.h"

#define LINE_LIMIT 64
#define MESSAGE_LIMIT (1 << 20)
#define GRACE 500 /* milliseconds */

static struct event_base *base;

static void check(int error, const char *what)
{
    if (error) {
        fprintf(stderr, "echo_server: %s: %s\n", what,
                asynchat_strerror(error));
        exit(1);
    }
}

/* --- the conversation --- */

/* If there is no memory for a connection, it is closed; the others go on. After
 * a refusal nothing more can be pushed, although the client's lines are still
 * delivered until the refusal is sent. That is no error. */
static void check_channel(struct asynchat_channel *ch, int error)
{
    if (error && error != ASYNCHAT_ECLOSED)
        asynchat_close(ch);
}

/* A server that stops closes the channels that are not busy. */
static void expect_line(struct asynchat_channel *ch)
{
    asynchat_set_busy(ch, 0);
    check_channel(ch, asynchat_set_terminator(ch, "\n", 1));
    check_channel(ch, asynchat_set_message_limit(ch, LINE_LIMIT));
}

/* The bytes and the command that announces them belong together. */
static void expect_message(struct asynchat_channel *ch, size_t len)
{
    asynchat_set_busy(ch, 1);
    check_channel(ch, asynchat_set_terminator_length(ch, len));
    check_channel(ch, asynchat_set_message_limit(ch, MESSAGE_LIMIT));
}

static void refuse(struct asynchat_channel *ch, const char *answer)
{
    asynchat_push(ch, answer, strlen(answer));
    check_channel(ch, asynchat_close_when_done(ch));
}

/* Whether the line is "ECHO n"; gives n. The message limit ensures that `len`
 * is at most LINE_LIMIT. */
static int parse(const void *data, size_t len, unsigned long *n)
{
    char line[LINE_LIMIT + 1], *end;
    memcpy(line, data, len);
    if (len > 0 && line[len - 1] == '\r')
        len--;
    line[len] = '\0';
    if (strncmp(line, "ECHO ", 5) != 0 || !isdigit((unsigned char)line[5]))
        return 0;
    *n = strtoul(line + 5, &end, 10);
    return end == line + len;
}

static void got_line(struct asynchat_channel *ch, const void *data, size_t len)
{
    unsigned long n;
    if (!parse(data, len, &n))
        refuse(ch, "bad command: not ECHO and a number\n");
    else if (n > MESSAGE_LIMIT)
        refuse(ch, "bad command: more than 1048576 bytes\n");
    else if (n > 0) /* 0 would mean no terminator; there is no message */
        expect_message(ch, n);
}

static void got_message(struct asynchat_channel *ch, const void *data,
                        size_t len)
{
    asynchat_push(ch, data, len);
    expect_line(ch);
}

/* --- the callbacks --- */

static void connected(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    expect_line(ch);
}

static void message(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    (void)arg;
    if (asynchat_get_terminator(ch, NULL, NULL) == ASYNCHAT_STRING)
        got_line(ch, data, len);
    else
        got_message(ch, data, len);
}

static void failed(struct asynchat_channel *ch, int error, void *arg)
{
    (void)arg;
    if (error == ASYNCHAT_ETOOLONG) /* the message limit was passed */
        refuse(ch, "bad command: more than 64 bytes\n");
}

static const struct asynchat_handler handler = {
    .size = sizeof handler,
    .handle_connect = connected,
    .message = message,
    .handle_error = failed,
};

/* --- from start to stop --- */

struct arguments {
    const char *certificate, *key; /* or NULL */
    const char *network[2];        /* or NULL */
    bool proxied;
    const char *port;
};

/* False: they are not as they should be. */
static bool read_arguments(char **argv, struct arguments *a)
{
    for (; *argv && strncmp(*argv, "--", 2) == 0; argv++) {
        if (strcmp(*argv, "--tls") == 0 && argv[1] && argv[2]) {
            a->certificate = *++argv;
            a->key = *++argv;
        } else if (strncmp(*argv, "--proxy-protocol", 16) == 0) {
            a->proxied = true;
            a->network[0] = (*argv)[16] == '=' ? *argv + 17 : NULL;
        } else {
            return false;
        }
    }
    a->port = *argv;
    return argv[0] && !argv[1];
}

static struct asynchat_server *listen_to(const char *address,
                                         const struct arguments *a)
{
    const struct asynchat_proxy_options proxy = {
        .size = sizeof proxy, .from = a->network[0] ? a->network : NULL};
    const struct asynchat_server_options options = {
        .size = sizeof options, .proxy = a->proxied ? &proxy : NULL};
    struct asynchat_server *server;
    check(asynchat_server_new(base, address, &handler, NULL, &options, &server),
          address);
    return server;
}

int main(int argc, char **argv)
{
    struct arguments a = {0};
    if (argc < 2 || !read_arguments(argv + 1, &a)) {
        fprintf(stderr, "usage: echo_server [--tls CERT KEY] "
                        "[--proxy-protocol[=NETWORK]] PORT\n");
        return 1;
    }
    base = event_base_new();
    if (!base)
        check(-ENOMEM, "event_base_new");

    char address[ASYNCHAT_ADDRESS_SIZE];
    snprintf(address, sizeof address, "127.0.0.1:%s", a.port);
    struct asynchat_server *server = listen_to(address, &a);
    check(asynchat_server_address(server, address, sizeof address), "address");
    secure_server(server, a.certificate, a.key);
    check(asynchat_server_stop_on_termination(server, GRACE, NULL, NULL),
          "signals");
    if (printf("listening on %s\n", address) < 0 || fflush(stdout) != 0)
        check(-errno, "standard output");

    int ran = event_base_dispatch(base); /* until the server has stopped */

    secure_free();
    event_base_free(base);
    return ran < 0 ? 1 : 0;
}
