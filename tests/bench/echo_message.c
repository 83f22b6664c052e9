/* What echo_line does, with whole messages.
 *
 * usage: echo_message PORT      on 127.0.0.1, until it is killed
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include <event2/event.h>

#include <asynchat.h>

static void start(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_set_terminator(ch, "\r\n", 2);
}

static void message(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    (void)arg;
    asynchat_push(ch, data, len);
    asynchat_push(ch, "\r\n", 2);
}

static const struct asynchat_handler echo = {
    .size = sizeof echo,
    .handle_connect = start,
    .message = message,
};

int main(int argc, char **argv)
{
    char address[64];
    struct asynchat_server *server;
    struct event_base *base = event_base_new();
    if (!base || argc != 2) {
        fprintf(stderr, "usage: echo_message PORT\n");
        return 2;
    }
    snprintf(address, sizeof address, "127.0.0.1:%s", argv[1]);
    int error = asynchat_server_new(base, address, &echo, NULL, NULL, &server);
    if (error) {
        fprintf(stderr, "%s: %s\n", address, asynchat_strerror(error));
        return 1;
    }
    event_base_dispatch(base);
    return 0;
}
