/* A PROXY header that is sent before everything else.
 *
 * Until the connection is up the header lies with the channel, and not in the
 * output: a layer may come, which the header goes before, and nothing that
 * drops output drops the header.
 *
 * Tested by tests/test_push_proxy.c. SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include <sys/socket.h>

#include <event2/bufferevent.h>

#include "base/memory.h"
#include "channel/proxied.h"

/* --- whom the header is about --- */

static struct peer_address told_by_socket(const struct asynchat_channel *ch,
                                          int (*name)(int, struct sockaddr *,
                                                      socklen_t *))
{
    struct peer_address kept = {.family = 0};
    struct address address;
    int fd = bufferevent_getfd(ch->transport.bev);
    if (fd >= 0 && asynchat__address_of(fd, name, &address) == 0)
        asynchat__address_keep(&kept, &address);
    return kept;
}

/* After a reset only the address that was kept is known. */
static struct peer_address source_of(const struct asynchat_channel *ch)
{
    return ch->peer.family ? ch->peer : told_by_socket(ch, getpeername);
}

static struct peer_address destination_of(const struct asynchat_channel *ch)
{
    const struct channel_proxy *p = ch->proxy;
    return p && p->state == PROXIED_CAME && !p->in.header.local
               ? p->in.header.to
               : told_by_socket(ch, getsockname);
}

/* --- making and pushing --- */

static int push_proxy_check(const struct asynchat_channel *ch, unsigned version,
                            const struct asynchat_proxy_tlv *tlvs)
{
    bool has_tlvs = tlvs && tlvs->type;
    if (!ch || version < 1 || version > 2 || (version == 1 && has_tlvs))
        return -EINVAL;
    const struct transport *t = &ch->transport;
    if (ch->state > CHANNEL_OPEN ||
        (ch->state == CHANNEL_OPEN && ch->out.queue.ends))
        return ASYNCHAT_ECLOSED;
    bool sent = t->sent > 0 || (t->ops->given && t->ops->given(t) > 0);
    return ch->proxy || t->stage || sent || channel_out_is_lent(ch) ? -EBUSY
                                                                    : 0;
}

static int push_proxy_make(const struct asynchat_channel *from,
                           unsigned version,
                           const struct asynchat_proxy_tlv *tlvs,
                           struct channel_proxy **out)
{
    struct peer_address source = {.family = 0}, destination = source;
    size_t room = asynchat__proxy_room(version, tlvs);
    if (room == 0)
        return -EMSGSIZE;
    if (from) {
        source = source_of(from);
        destination = destination_of(from);
    }
    struct channel_proxy *p = asynchat__calloc(1, sizeof *p);
    if (p)
        p->bytes = asynchat__malloc(room);
    if (!p || !p->bytes) {
        asynchat__free(p);
        return -ENOMEM;
    }
    p->state = PROXIED_GOES;
    p->len =
        asynchat__proxy_write(p->bytes, version, source, destination, tlvs);
    *out = p;
    return 0;
}

/* The connection is up, and nothing was sent: what was pushed is put into the
 * output, and the header in front of it. */
static int push_proxy_now(struct asynchat_channel *ch)
{
    if (ch->out.queue.block && asynchat__channel_out_unblock(ch) < 0)
        return -ENOMEM;
    channel_out_busy(ch);
    asynchat__transport_settle(&ch->transport);
    asynchat__proxied_up(ch);
    return 0;
}

int asynchat_push_proxy(struct asynchat_channel *ch, unsigned version,
                        const struct asynchat_channel *from,
                        const struct asynchat_proxy_tlv *tlvs)
{
    struct channel_proxy *p;
    int error = push_proxy_check(ch, version, tlvs);
    if (!error)
        error = push_proxy_make(from, version, tlvs, &p);
    if (error)
        return error;
    ch->proxy = p;
    if (ch->state == CHANNEL_CONNECTING)
        return 0;
    bool running = channel_keep(ch);
    error = push_proxy_now(ch);
    if (error) {
        ch->proxy = NULL;
        asynchat__proxied_free(p);
    }
    asynchat__channel_let_go(ch, running);
    return error;
}
