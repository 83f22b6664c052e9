/* A client of echo_server: echo_client [--tls CA NAME] HOST PORT < message
 *
 * HOST is a name or an address. The client sends "ECHO n", a newline, and the n
 * bytes of the message, which a producer gives. It prints the bytes that come
 * back, and exits with 0 if they are the message. With --tls, the server must
 * have a certificate for NAME by one of the file CA.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include <asynchat.h>

#include "secure.h"

#define CONNECT_TIMEOUT 5000 /* milliseconds */

struct client {
    char *message;
    size_t len;
    size_t received;          /* how many bytes of the message came back */
    int error;                /* why not all of the message came back */
    char why[128];            /* more about that, or "" */
    const char *trust, *name; /* for TLS; or NULL */
};

/* --- the conversation --- */

static int send_all(struct asynchat_channel *ch, const struct client *c)
{
    char command[32];
    int len = snprintf(command, sizeof command, "ECHO %zu\n", c->len);
    int error = asynchat_push(ch, command, (size_t)len);
    if (!error)
        error = asynchat_push_producer(
            ch, asynchat_producer_simple(c->message, c->len, 0));
    if (!error)
        error = asynchat_set_terminator_length(ch, c->len);
    if (!error && c->len == 0) /* then nothing comes back */
        error = asynchat_close_when_done(ch);
    return error;
}

static void connected(struct asynchat_channel *ch, void *arg)
{
    struct client *c = arg;
    c->error = send_all(ch, c);
    if (c->error)
        asynchat_close(ch);
}

static void collect(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    struct client *c = arg;
    fwrite(data, 1, len, stdout); /* main() checks for errors */
    if (len <= c->len - c->received &&
        memcmp(data, c->message + c->received, len) == 0)
        c->received += len;
    else
        asynchat_close(ch);
}

static void found(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_close(ch);
}

static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    struct client *c = arg;
    if (status)
        c->error = status;
    snprintf(c->why, sizeof c->why, "%s", secure_error(ch));
}

static const struct asynchat_handler handler = {
    .size = sizeof handler,
    .handle_connect = connected,
    .collect_incoming_data = collect,
    .found_terminator = found,
    .handle_close = closed,
};

/* --- before and after --- */

/* Reads all of standard input. Returns 0, or -1. */
static int read_message(struct client *c)
{
    size_t n;
    do {
        char *more = realloc(c->message, c->len + BUFSIZ);
        if (!more)
            return -1;
        c->message = more;
        n = fread(c->message + c->len, 1, BUFSIZ, stdin);
        c->len += n;
    } while (n > 0);
    return ferror(stdin) ? -1 : 0;
}

/* Returns what went wrong, or NULL. */
static const char *run(struct client *c, const char *host, const char *port)
{
    const struct asynchat_connect_options options = {
        .size = sizeof options, .timeout = CONNECT_TIMEOUT};
    struct asynchat_channel *ch;
    struct event_base *base = event_base_new();
    if (!base)
        return "no event base";
    int error =
        asynchat_connect_name(base, host, port, &options, &handler, c, &ch);
    if (!error && c->name)
        secure_client(ch, c->trust, c->name);
    if (!error) /* the loop ends when the channel has closed */
        error = event_base_dispatch(base) < 0 ? -EIO : c->error;
    secure_free();
    event_base_free(base);
    if (*c->why)
        return c->why;
    if (error)
        return asynchat_strerror(error);
    return c->received == c->len ? NULL : "what came back is not the message";
}

int main(int argc, char **argv)
{
    struct client client = {.message = NULL};
    if (argc == 6 && strcmp(argv[1], "--tls") == 0) {
        client.trust = argv[2];
        client.name = argv[3];
    } else if (argc != 3) {
        fprintf(stderr,
                "usage: echo_client [--tls CA NAME] HOST PORT < message\n");
        return 1;
    }
    const char *problem = "standard input cannot be read";
    if (read_message(&client) == 0)
        problem = run(&client, argv[argc - 2], argv[argc - 1]);
    if (fflush(stdout) != 0 || ferror(stdout))
        problem = "standard output cannot be written";
    if (problem)
        fprintf(stderr, "echo_client: %s\n", problem);
    free(client.message);
    return problem ? 1 : 0;
}
