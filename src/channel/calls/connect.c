/* The client: a channel that connects to an address, or to a name.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/connect.h>

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "base/address.h"
#include "base/handler.h"
#include "base/socket.h"
#include "base/table.h"
#include "channel/calls/dial.h"
#include "channel/object.h"
#include "names/lookup.h"

#define ATTEMPT_DELAY 250

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
static int connect_address(struct event_base *base, const char *name,
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
    return connect_address(base, address, &to, &options, handler, arg, out);
}

/* --- names --- */

/* Copies what was asked for, or the defaults. */
static int options_check(struct asynchat_connect_options *copy,
                         const struct asynchat_connect_options *options)
{
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): a pointer is last */
    const size_t least = TABLE_SIZE(struct asynchat_connect_options, candidate);
    *copy = (struct asynchat_connect_options){.size = sizeof *copy};
    int error =
        options ? asynchat__table_check(options, least, sizeof *options) : 0;
    if (error)
        return error;
    if (options)
        asynchat__table_copy(copy, options, sizeof *copy);
    if ((copy->flags & ~ASYNCHAT_CONNECT_HANDSHAKE) ||
        copy->timeout > INT_MAX || copy->delay > INT_MAX)
        return -EINVAL;
    if (copy->timeout == 0)
        copy->timeout = CHANNEL_CONNECT_TIME;
    if (copy->delay == 0)
        copy->delay = ATTEMPT_DELAY;
    return 0;
}

/* Looks the name up, unless it is an address. */
static int connect_host(struct event_base *base,
                        const struct dial_target *target,
                        const struct asynchat_connect_options *options,
                        const struct asynchat_handler *handler, void *arg,
                        struct asynchat_channel **out)
{
    struct address to;
    int error = asynchat__name_numeric(target->host, target->service, &to);
    if (error == ASYNCHAT_EADDRESS)
        return asynchat__dial(base, target, options, handler, arg, out);
    return error ? error
                 : connect_address(base, target->host, &to, options, handler,
                                   arg, out);
}

/* `text` is an address, or a host and a service. */
static int connect_text(struct event_base *base, const char *text,
                        const struct asynchat_connect_options *options,
                        const struct asynchat_handler *handler, void *arg,
                        struct asynchat_channel **out)
{
    char host[NAME_HOST], service[NAME_SERVICE];
    const struct dial_target target = {.host = host, .service = service};
    struct address to;
    int error = asynchat__address_parse(&to, text);
    if (error != ASYNCHAT_EADDRESS)
        return error ? error
                     : connect_address(base, text, &to, options, handler, arg,
                                       out);
    error =
        asynchat__name_split(text, host, sizeof host, service, sizeof service);
    return error ? error
                 : connect_host(base, &target, options, handler, arg, out);
}

int asynchat_connect_name(struct event_base *base, const char *host,
                          const char *service,
                          const struct asynchat_connect_options *options,
                          const struct asynchat_handler *handler, void *arg,
                          struct asynchat_channel **out)
{
    const struct dial_target target = {.host = host, .service = service};
    struct asynchat_connect_options copy;
    if (!base || !host || !out)
        return -EINVAL;
    int error = asynchat__handler_check(handler);
    if (!error)
        error = options_check(&copy, options);
    if (error)
        return error;
    return service ? connect_host(base, &target, &copy, handler, arg, out)
                   : connect_text(base, host, &copy, handler, arg, out);
}
