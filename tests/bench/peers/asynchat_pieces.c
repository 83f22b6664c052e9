/* A peer on libasynchat that takes messages piece by piece, as they come.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "asynchat.h"

/* --- line and length --- */

static void piece(struct asynchat_channel *ch, const void *data, size_t len,
                  void *arg)
{
    (void)arg;
    asynchat_push(ch, data, len);
}

static void line(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_push(ch, "\r\n", 2);
}

static void message(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_set_terminator_length(ch, PEER_MESSAGE);
}

static const struct asynchat_handler echo_line = {
    .size = sizeof echo_line,
    .handle_connect = start,
    .collect_incoming_data = piece,
    .found_terminator = line,
};

static const struct asynchat_handler echo_length = {
    .size = sizeof echo_length,
    .handle_connect = start,
    .collect_incoming_data = piece,
    .found_terminator = message,
};

/* --- sink --- */

static const struct asynchat_handler sink = {
    .size = sizeof sink,
    .handle_connect = start_sink,
    .collect_incoming_data = sink_piece,
    .found_terminator = sink_end,
    .handle_close = finish,
};

const struct asynchat_handler *echo_handler(void)
{
    static const struct asynchat_handler *const handlers[] = {
        &echo_line, &echo_length, &sink};
    return handlers[peer_mode];
}
