/* The client: a channel that connects to an address.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/connect.h>

#include <errno.h>
#include <unistd.h>

#include "base/address.h"
#include "base/handler.h"
#include "base/socket.h"
#include "channel/calls/dial.h"
#include "channel/object.h"

/* Connects to one address, without hooks. If the peer cannot be reached, this
 * is reported from the loop, even if connect(2) has said so already: so the
 * program has one place to deal with it. */
static int connect_plainly(struct event_base *base, const struct address *to,
                           unsigned timeout,
                           const struct asynchat_handler *handler, void *arg,
                           struct asynchat_channel **out)
{
    struct asynchat_channel *ch;
    int fd = asynchat__socket_new(to->storage.ss_family);
    if (fd < 0)
        return fd;
    int error = asynchat__channel_socket(base, fd, to, handler, arg, &ch);
    if (error) {
        close(fd);
        return error;
    }
    int begun = asynchat__dial_connect(fd, to);
    error = asynchat__transport_connect(&ch->transport, begun);
    if (!error && ch->transport.phase == TRANSPORT_CONNECTING && timeout > 0)
        error = asynchat__channel_time_connect(ch, base, timeout);
    if (!error && begun == -EAGAIN && to->storage.ss_family == AF_UNIX)
        error = begun;
    if (error) {
        asynchat_channel_free(ch);
        return error;
    }
    if (ch->transport.phase != TRANSPORT_CONNECTING)
        asynchat__channel_wake(ch);
    *out = ch;
    return 0;
}

/* -EAGAIN says that the queue of a Unix socket is full: such a socket is
 * dialed, and so it is tried again. */
int asynchat__dial_address(struct event_base *base, const char *name,
                           const struct address *to,
                           const struct asynchat_connect_options *options,
                           const struct asynchat_handler *handler, void *arg,
                           struct asynchat_channel **out)
{
    const struct dial_target target = {.address = to, .host = name};
    int error = -EAGAIN;
    if (!options->prepare && !options->candidate)
        error = connect_plainly(base, to, options->timeout, handler, arg, out);
    return error == -EAGAIN
               ? asynchat__dial(base, &target, options, handler, arg, out)
               : error;
}

int asynchat_connect(struct event_base *base, const char *address,
                     unsigned timeout, const struct asynchat_handler *handler,
                     void *arg, struct asynchat_channel **out)
{
    const struct asynchat_connect_options options = {.timeout = timeout};
    struct address to;
    if (!base || !address || !out)
        return -EINVAL;
    int error = asynchat__handler_check(handler);
    if (!error)
        error = asynchat__address_parse(&to, address);
    if (error)
        return error;
    return asynchat__dial_address(base, address, &to, &options, handler, arg,
                                  out);
}
