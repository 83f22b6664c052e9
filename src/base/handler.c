/* Checks the table of callbacks that a program gives.
 *
 * Tested by tests/test_channel.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/handler.h"

#include <errno.h>
#include <stdbool.h>

#include "base/table.h"

_Static_assert(sizeof(struct asynchat_handler) == 13 * sizeof(void *),
               "asynchat_handler has padding");

static bool delivers_pieces(const struct asynchat_handler *handler)
{
    return handler->collect_incoming_data || handler->found_terminator;
}

/* Whether the table has any callback. If it has none, the program has forgotten
 * to fill it in. */
static bool has_callback(const struct asynchat_handler *handler)
{
    return delivers_pieces(handler) || handler->message ||
           handler->handle_connect || handler->handle_eof ||
           handler->handle_error || handler->handle_close ||
           handler->handle_drained || handler->handle_pressure ||
           handler->message_dropped || handler->handle_idle ||
           handler->handle_stopping;
}

int asynchat__handler_check(const struct asynchat_handler *handler)
{
    int error = asynchat__table_check(
        handler, TABLE_SIZE(struct asynchat_handler, handle_stopping),
        sizeof *handler);
    if (error)
        return error;
    if (!has_callback(handler))
        return -EINVAL;
    return handler->message && delivers_pieces(handler) ? -EINVAL : 0;
}
