/* The client: a channel that connects to an address.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/connect.h>

#include <errno.h>
#include <unistd.h>

#include "base/address.h"
#include "base/handler.h"
#include "base/socket.h"
#include "channel/object.h"

/* An interrupted connect(2) goes on by itself, as a connect(2) in progress
 * does. */
static int connect_begin(int fd, const struct address *address)
{
    if (connect(fd, (const struct sockaddr *)&address->storage, address->len) ==
        0)
        return 0;
    return errno == EINTR ? -EINPROGRESS : -errno;
}

/* An error is answered at once only if the channel cannot be made. If the peer
 * cannot be reached, this is reported from the loop, even if connect(2) has
 * said so already: so the program has one place to deal with it. */
int asynchat_connect(struct event_base *base, const char *address,
                     unsigned timeout, const struct asynchat_handler *handler,
                     void *arg, struct asynchat_channel **out)
{
    struct address to;
    struct asynchat_channel *ch;
    if (!base || !address || !out)
        return -EINVAL;
    int error = asynchat__handler_check(handler);
    if (!error)
        error = asynchat__address_parse(&to, address);
    if (error)
        return error;

    int fd = asynchat__socket_new(to.storage.ss_family);
    if (fd < 0)
        return fd;
    error = asynchat__channel_socket(base, fd, &to, handler, arg, &ch);
    if (error) {
        close(fd);
        return error;
    }
    error = asynchat__transport_connect(&ch->transport, connect_begin(fd, &to));
    if (!error && ch->transport.phase == TRANSPORT_CONNECTING && timeout > 0)
        error = asynchat__channel_time_connect(ch, base, timeout);
    if (error) {
        asynchat_channel_free(ch);
        return error;
    }
    if (ch->transport.phase != TRANSPORT_CONNECTING)
        asynchat__channel_wake(ch);
    *out = ch;
    return 0;
}
