/* The echo conversation of Python's asynchat tutorial: server, handler, client
 * and producer in one loop.
 *
 * The client sends a command, "ECHO 166", ended by a newline, and then that
 * number of bytes from a producer. The handler reads the command with a byte
 * string as its terminator. It reads the message with a number as its
 * terminator, and echoes it. All buffers have 64 bytes, so that the pieces can
 * be seen.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include <asynchat.h>

#define BUFFER_SIZE 64

static const char message[] =
    "Lorem ipsum dolor sit amet, consectetuer adipiscing elit. Donec\n"
    "egestas, enim et consectetuer ullamcorper, lectus ligula rutrum\n"
    "leo, a elementum elit tortor eu\n"
    "quam.\n";
static const size_t message_len = sizeof message - 1;

static void check(int error, const char *what)
{
    if (error) {
        fprintf(stderr, "%s: %s\n", what, asynchat_strerror(error));
        exit(1);
    }
}

static void quote(const void *data, size_t len)
{
    printf("\"\"\"%.*s\"\"\"\n", (int)len, (const char *)data);
}

static void set_buffers(struct asynchat_channel *ch)
{
    check(asynchat_set_in_buffer_size(ch, BUFFER_SIZE), "in_buffer_size");
    check(asynchat_set_out_buffer_size(ch, BUFFER_SIZE), "out_buffer_size");
}

/* --- the handler: one connection of the server --- */

struct handler {
    struct asynchat_server *server;
    char received[1024];
    size_t len;
    int in_message; /* the command is over */
};

static void handler_connect(struct asynchat_channel *ch, void *arg)
{
    struct handler *h = arg;
    asynchat_server_free(h->server); /* it waits for no other client */
    h->server = NULL;
    set_buffers(ch);
    check(asynchat_set_terminator(ch, "\n", 1), "terminator");
}

static void handler_collect(struct asynchat_channel *ch, const void *data,
                            size_t len, void *arg)
{
    struct handler *h = arg;
    printf("EchoHandler: collect_incoming_data() -> (%zu bytes)\n", len);
    quote(data, len);
    if (len >= sizeof h->received - h->len) {
        asynchat_close(ch);
        return;
    }
    memcpy(h->received + h->len, data, len);
    h->len += len;
    h->received[h->len] = '\0';
}

static void process_command(struct asynchat_channel *ch, struct handler *h)
{
    unsigned len;
    printf("EchoHandler: _process_command() \"%s\"\n", h->received);
    if (sscanf(h->received, "ECHO %u", &len) != 1) {
        check(asynchat_push(ch, "what?\n", 6), "push");
        check(asynchat_close_when_done(ch), "close_when_done");
        return;
    }
    check(asynchat_set_terminator_length(ch, len), "terminator");
    h->in_message = 1;
}

static void process_message(struct asynchat_channel *ch, struct handler *h)
{
    printf("EchoHandler: _process_message() echoing\n");
    quote(h->received, h->len);
    check(asynchat_push(ch, h->received, h->len), "push");
}

static void handler_found(struct asynchat_channel *ch, void *arg)
{
    struct handler *h = arg;
    printf("EchoHandler: found_terminator()\n");
    if (h->in_message)
        process_message(ch, h);
    else
        process_command(ch, h);
    h->len = 0;
}

static const struct asynchat_handler echo_handler = {
    .size = sizeof echo_handler,
    .handle_connect = handler_connect,
    .collect_incoming_data = handler_collect,
    .found_terminator = handler_found,
};

/* --- the producer of the client's message --- */

static int producer_more(struct asynchat_channel *ch, struct evbuffer *out,
                         size_t room, void *arg)
{
    size_t *sent = arg;
    size_t n = message_len - *sent;
    (void)ch;
    if (n > room)
        n = room;
    printf("EchoProducer: more() -> (%zu bytes)\n", n);
    quote(message + *sent, n);
    if (evbuffer_add(out, message + *sent, n) < 0)
        return -ENOMEM;
    *sent += n;
    return ASYNCHAT_MORE; /* to append nothing means that nothing is left */
}

static const struct asynchat_producer_ops echo_producer = {
    .size = sizeof echo_producer,
    .more = producer_more,
};

/* --- the client --- */

struct client {
    size_t sent;
    char received[1024];
    size_t len;
};

static void client_connect(struct asynchat_channel *ch, void *arg)
{
    struct client *c = arg;
    struct asynchat_producer *producer;
    char command[32];
    printf("EchoClient: handle_connect()\n");
    set_buffers(ch);
    check(asynchat_set_terminator_length(ch, message_len), "terminator");
    int len = snprintf(command, sizeof command, "ECHO %zu\n", message_len);
    check(asynchat_push(ch, command, (size_t)len), "push");
    check(asynchat_producer_new(&echo_producer, &c->sent, &producer),
          "producer");
    check(asynchat_push_producer(ch, producer), "push_producer");
}

static void client_collect(struct asynchat_channel *ch, const void *data,
                           size_t len, void *arg)
{
    struct client *c = arg;
    (void)ch;
    printf("EchoClient: collect_incoming_data() -> (%zu)\n", len);
    quote(data, len);
    memcpy(c->received + c->len, data, len); /* at most message_len bytes */
    c->len += len;
}

static void client_found(struct asynchat_channel *ch, void *arg)
{
    struct client *c = arg;
    int same =
        c->len == message_len && memcmp(c->received, message, c->len) == 0;
    printf("EchoClient: found_terminator()\n");
    printf("EchoClient: %s\n", same ? "RECEIVED COPY OF MESSAGE" : "ERROR");
    asynchat_close(ch);
}

static void client_error(struct asynchat_channel *ch, int error, void *arg)
{
    (void)ch;
    (void)arg;
    fprintf(stderr, "EchoClient: %s\n", asynchat_strerror(error));
}

static const struct asynchat_handler echo_client = {
    .size = sizeof echo_client,
    .handle_connect = client_connect,
    .collect_incoming_data = client_collect,
    .found_terminator = client_found,
    .handle_error = client_error,
};

/* --- both in one loop, which ends when neither has anything left to do --- */

int main(void)
{
    struct event_base *base = event_base_new();
    if (!base)
        check(-ENOMEM, "event_base_new");

    struct handler handler = {0};
    check(asynchat_server_new(base, "127.0.0.1:0", &echo_handler, &handler,
                              NULL, &handler.server),
          "server");

    struct client client = {0};
    struct asynchat_channel *ch;
    char address[ASYNCHAT_ADDRESS_SIZE];
    check(asynchat_server_address(handler.server, address, sizeof address),
          "address");
    printf("EchoClient: connecting to ('127.0.0.1', %d)\n",
           asynchat_server_port(handler.server));
    check(asynchat_connect(base, address, 0, &echo_client, &client, &ch),
          "connect");

    event_base_dispatch(base);
    event_base_free(base);
    return client.len == message_len ? 0 : 1;
}
