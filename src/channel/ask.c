/* What a channel answers about itself.
 *
 * Tested by tests/test_channel.c and tests/test_stats.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/stats.h>

#include <errno.h>

#include <sys/socket.h>

#include <event2/bufferevent.h>

#include "base/address.h"
#include "base/table.h"
#include "channel/object.h"

_Static_assert(sizeof(struct asynchat_stats) == 7 * sizeof(uint64_t),
               "asynchat_stats has padding");

void asynchat_set_arg(struct asynchat_channel *ch, void *arg)
{
    if (ch)
        ch->arg = arg;
}

void *asynchat_get_arg(const struct asynchat_channel *ch)
{
    return ch ? ch->arg : NULL;
}

struct bufferevent *asynchat_get_bufferevent(const struct asynchat_channel *ch)
{
    return ch ? ch->transport.bev : NULL;
}

struct event_base *asynchat_get_base(const struct asynchat_channel *ch)
{
    return ch ? bufferevent_get_base(ch->transport.bev) : NULL;
}

/* Asks the socket each time, since keeping an address would take 128 bytes.
 * Only the address of an internet peer is kept, in fewer bytes: see
 * asynchat_peer_address(). */
static int channel_address(const struct asynchat_channel *ch,
                           int (*name)(int, struct sockaddr *, socklen_t *),
                           char *text, size_t size)
{
    struct address address;
    if (!ch || !text)
        return -EINVAL;
    int fd = bufferevent_getfd(ch->transport.bev);
    int error = fd < 0 ? -ENOTSOCK : asynchat__address_of(fd, name, &address);
    return error ? error : asynchat__address_format(&address, text, size);
}

int asynchat_peer_address(const struct asynchat_channel *ch, char *text,
                          size_t size)
{
    struct address kept;
    if (ch && text && asynchat__address_kept(&ch->peer, &kept))
        return asynchat__address_format(&kept, text, size);
    return channel_address(ch, getpeername, text, size);
}

const char *asynchat_get_peer(const struct asynchat_channel *ch)
{
    static _Thread_local char text[ASYNCHAT_ADDRESS_SIZE];
    return asynchat_peer_address(ch, text, sizeof text) < 0 ? "unknown" : text;
}

int asynchat_local_address(const struct asynchat_channel *ch, char *text,
                           size_t size)
{
    return channel_address(ch, getsockname, text, size);
}

/* `queued` is left 0: a channel that is gone has nothing queued any more. */
struct asynchat_stats asynchat__channel_stats(const struct asynchat_channel *ch)
{
    return (struct asynchat_stats){
        .received = ch->in.received,
        .sent = ch->transport.sent,
        .messages = channel_messages(ch) - ch->in.too_long,
        .dropped = ch->in.too_long,
        .dropped_bytes = ch->in.too_long_bytes,
        .pressures = ch->out.pressures,
    };
}

int asynchat_get_stats(const struct asynchat_channel *ch,
                       struct asynchat_stats *stats, size_t size)
{
    if (!ch || !stats)
        return -EINVAL;
    struct asynchat_stats all = asynchat__channel_stats(ch);
    all.queued = asynchat_get_queued(ch);
    asynchat__table_answer(stats, size, &all, sizeof all);
    return 0;
}
