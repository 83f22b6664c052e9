/* The client: a channel that connects to a name.
 *
 * Tested by tests/test_dial.c. SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/connect.h>

#include <errno.h>
#include <limits.h>

#include "base/address.h"
#include "base/handler.h"
#include "base/table.h"
#include "channel/calls/dial.h"
#include "channel/object.h"
#include "names/lookup.h"

#define ATTEMPT_DELAY 250

/* Copies what was asked for, or the defaults. */
static int connect_check(struct asynchat_connect_options *copy,
                         const struct asynchat_connect_options *options)
{
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): a pointer is last */
    const size_t least = TABLE_SIZE(struct asynchat_connect_options, candidate);
    int error = asynchat__table_take(copy, options, least, sizeof *copy);
    if (error)
        return error;
    if ((copy->flags & ~ASYNCHAT_CONNECT_HANDSHAKE) ||
        copy->timeout > INT_MAX || copy->delay > INT_MAX)
        return -EINVAL;
    if (copy->timeout == 0)
        copy->timeout = CHANNEL_CONNECT_TIME;
    if (copy->delay == 0)
        copy->delay = ATTEMPT_DELAY;
    return 0;
}

static const struct dial_lookup by_resolver = {asynchat__lookup_begin,
                                               asynchat__lookup_cancel};

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
                 : asynchat__dial_address(base, target->host, &to, options,
                                          handler, arg, out);
}

/* `text` is an address, or a host and a service. */
static int connect_text(struct event_base *base, const char *text,
                        const struct asynchat_connect_options *options,
                        const struct asynchat_handler *handler, void *arg,
                        struct asynchat_channel **out)
{
    char host[NAME_HOST], service[NAME_SERVICE];
    const struct dial_target target = {
        .host = host, .service = service, .lookup = &by_resolver};
    struct address to;
    int error = asynchat__address_parse(&to, text);
    if (error != ASYNCHAT_EADDRESS)
        return error ? error
                     : asynchat__dial_address(base, text, &to, options, handler,
                                              arg, out);
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
    const struct dial_target target = {
        .host = host, .service = service, .lookup = &by_resolver};
    struct asynchat_connect_options copy;
    if (!base || !host || !out)
        return -EINVAL;
    int error = asynchat__handler_check(handler);
    if (!error)
        error = connect_check(&copy, options);
    if (error)
        return error;
    return service ? connect_host(base, &target, &copy, handler, arg, out)
                   : connect_text(base, host, &copy, handler, arg, out);
}
