/* A peer on libasynchat that takes whole messages.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "asynchat.h"

static void line(struct asynchat_channel *ch, const void *data, size_t len,
                 void *arg)
{
    (void)arg;
    asynchat_push(ch, data, len);
    asynchat_push(ch, "\r\n", 2);
}

static void length(struct asynchat_channel *ch, const void *data, size_t len,
                   void *arg)
{
    (void)arg;
    asynchat_push(ch, data, len);
    asynchat_set_terminator_length(ch, PEER_MESSAGE);
}

static void upload(struct asynchat_channel *ch, const void *data, size_t len,
                   void *arg)
{
    struct peer_upload *upload = arg;
    (void)data;
    upload->length = len;
    sink_line(ch, upload);
}

static const struct asynchat_handler echo_line = {
    .size = sizeof echo_line,
    .handle_connect = start,
    .message = line,
};

static const struct asynchat_handler echo_length = {
    .size = sizeof echo_length,
    .handle_connect = start,
    .message = length,
};

static const struct asynchat_handler sink = {
    .size = sizeof sink,
    .handle_connect = start_sink,
    .message = upload,
    .handle_close = finish,
};

const struct asynchat_handler *echo_handler(void)
{
    static const struct asynchat_handler *const handlers[] = {
        &echo_line, &echo_length, &sink};
    return handlers[peer_mode];
}
