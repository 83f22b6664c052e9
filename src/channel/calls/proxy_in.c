/* A channel waits for a PROXY header, and has it.
 *
 * Until the header is complete, the transport calls a function of this file in
 * place of the channel, which is CONNECTING all the while: so nobody else has
 * to look whether there is a header.
 *
 * Tested by tests/test_proxy.c. SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "base/memory.h"
#include "base/table.h"
#include "channel/calls/proxy.h"
#include "channel/proxied.h"

_Static_assert(sizeof(struct asynchat_proxy) ==
                   sizeof(size_t) + 4 * sizeof(int) + 6 * sizeof(void *) +
                       6 * sizeof(size_t) +
                       sizeof(char[2][ASYNCHAT_ADDRESS_SIZE]),
               "asynchat_proxy has padding");

/* --- the wait is over --- */

static void wait_end(struct channel_proxy *p)
{
    policy_leave(p->policy);
    asynchat__policy_release(p->policy);
    p->policy = NULL;
}

/* These bytes are no header: the log shows them. */
static void wait_refuse(struct asynchat_channel *ch, const void *bytes,
                        size_t len)
{
    struct channel_proxy *p = ch->proxy;
    p->wrong = p->in.have > 0 ? p->in.kept.bytes : bytes;
    p->wrong_len = p->in.have > 0 ? p->in.have : len;
    channel_end_now(ch, ASYNCHAT_EPROXY);
}

/* The peer has ended before its header. If no byte came, this is no error: so
 * balancers look whether somebody accepts. */
static void wait_cut(struct asynchat_channel *ch)
{
    if (ch->proxy->in.have > 0 && ch->transport.ended == ASYNCHAT_EOF)
        wait_refuse(ch, NULL, 0);
    else
        channel_end_now(ch, ch->transport.ended);
}

/* Keeps what asynchat_get_proxy() needs. 0 or -ENOMEM. */
static int wait_keep(struct channel_proxy *p)
{
    const struct proxy_header *h = &p->in.header;
    if ((p->policy->flags & ASYNCHAT_PROXY_KEEP_TLVS) && h->tlvs_len > 0) {
        p->bytes = asynchat__malloc(h->tlvs_len);
        if (!p->bytes)
            return -ENOMEM;
        memcpy(p->bytes, p->in.bytes + h->tlvs, h->tlvs_len);
        p->len = h->tlvs_len;
    }
    p->in.bytes = NULL;
    asynchat__proxy_free(&p->in);
    return 0;
}

/* A channel that leaves waits for input that had arrived, by its number of
 * bytes. The header does not count, and behind a layer the number means
 * nothing: then one byte is waited for. */
static void wait_count(struct asynchat_channel *ch, size_t used)
{
    uint32_t awaits = asynchat__channel_awaits(ch), more = awaits;
    if (awaits == 0 || used == 0)
        return;
    if (ch->proxy->make)
        more = 1;
    else if (used < awaits && awaits > 1)
        more = awaits - (uint32_t)used;
    else if (awaits > 1)
        more = 0;
    ch->transport.until = (uint32_t)ch->in.received + more;
}

/* What came behind the header is the layer's: as with asynchat_unread(). */
static int wait_make_layer(struct asynchat_channel *ch)
{
    struct channel_proxy *p = ch->proxy;
    struct transport *t = &ch->transport;
    size_t len = t->received;
    t->received = 0;
    if (p->owned && !ch->owner)
        return ASYNCHAT_ESTOPPED; /* `arg` may have gone with the server */
    if (len > 0) {
        if (evbuffer_add(asynchat__transport_input(t), t->loop->received, len) <
            0)
            return -ENOMEM;
        ch->in.received += len;
        ch->in.buffer = BUFFER_HOLDS;
    }
    return p->make(ch, p->arg);
}

/* The channel has a turn for handle_connect, and then one for what came behind
 * the header: from the second one on, pushes take the short way. A channel that
 * leaves waits for the second one. */
static void wait_take_turns(struct asynchat_channel *ch)
{
    struct channel_proxy *p = ch->proxy;
    struct transport *t = &ch->transport;
    bool gone = false;
    if (asynchat__channel_awaits(ch) < t->received)
        t->until = (uint32_t)ch->in.received + t->received;
    p->gone = &gone;
    p->behind = t->received;
    t->received = 0;
    t->ready(t);
    if (gone)
        return;
    p->gone = NULL;
    t->received = p->behind;
    p->behind = 0;
    if (t->received > 0)
        t->ready(t);
}

/* The channel goes on as one that was just accepted. */
static void wait_go_on(struct asynchat_channel *ch)
{
    struct channel_proxy *p = ch->proxy;
    struct transport *t = &ch->transport;
    wait_end(p);
    p->state = PROXIED_CAME;
    if (ch->time)
        asynchat__channel_time_up(ch);
    t->phase = TRANSPORT_UP;
    t->ready = p->ready;
    int error = p->make ? wait_make_layer(ch) : 0;
    if (error) {
        t->phase = TRANSPORT_FAILED;
        t->ended = error;
    }
    wait_take_turns(ch);
}

/* The header is complete, in `used` of the bytes that have just come. */
static void wait_arrived(struct asynchat_channel *ch, size_t used)
{
    struct channel_proxy *p = ch->proxy;
    struct transport *t = &ch->transport;
    int error = wait_keep(p);
    t->received -= (uint32_t)used;
    memmove(t->loop->received, t->loop->received + used, t->received);
    if (!p->in.header.local)
        ch->peer = p->in.header.from;
    if (!error && !p->in.header.local && ch->owner && ch->owner->meet)
        error = ch->owner->meet(ch->owner, ch);
    if (error == ASYNCHAT_ECLOSED) {
        asynchat_channel_free(ch);
    } else if (error) {
        channel_end_now(ch, error);
    } else {
        wait_count(ch, used);
        wait_go_on(ch);
    }
}

/* --- the wait --- */

/* Whether the channel is over, or one of its times may be. */
static bool wait_is_over(const struct asynchat_channel *ch)
{
    return ch->state >= CHANNEL_ENDED || ch->leave == LEAVE_NOW ||
           ch->transport.phase == TRANSPORT_FAILED ||
           asynchat__channel_time_has_fired(ch);
}

/* Mostly a header has come when the connection is accepted, and needs no
 * timer. 0 or -ENOMEM. */
static int wait_begin_time(struct asynchat_channel *ch)
{
    struct channel_proxy *p = ch->proxy;
    bool begins = !p->timed;
    p->timed = true;
    return begins ? asynchat__channel_time_shake(ch, p->policy->time) : 0;
}

/* What the transport calls until the header is complete. Whatever there is to
 * be done for a channel that has no header, the channel does itself. */
static void wait_ready(struct transport *t)
{
    struct asynchat_channel *ch = (struct asynchat_channel *)t;
    struct channel_proxy *p = ch->proxy;
    size_t used, len = t->received;
    if (wait_is_over(ch)) {
        t->received = 0;
        p->ready(t);
        return;
    }
    int answer = asynchat__proxy_take(&p->in, t->loop->received, len, &used);
    if (answer > 0) {
        wait_arrived(ch, used);
        return;
    }
    t->received = 0;
    wait_count(ch, used);
    if (answer == ASYNCHAT_EPROXY)
        wait_refuse(ch, t->loop->received, len);
    else if (answer == 0 && t->ended)
        wait_cut(ch);
    else if (answer < 0 || wait_begin_time(ch) < 0)
        channel_end_now(ch, -ENOMEM);
}

int asynchat__proxy_await(struct asynchat_channel *ch,
                          struct proxy_policy *policy,
                          int (*make)(struct asynchat_channel *ch, void *arg),
                          void *arg)
{
    struct channel_proxy *p = asynchat__calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    asynchat__address_fold(&ch->peer);
    p->ready = ch->transport.ready;
    p->end = wait_end;
    p->policy = asynchat__policy_share(policy);
    p->make = make;
    p->arg = arg;
    p->owned = ch->owner != NULL;
    p->in.limit = policy->limit;
    p->balancer = ch->peer;
    ch->proxy = p;
    ch->transport.ready = wait_ready;
    ch->transport.phase = TRANSPORT_CONNECTING;
    return 0;
}

/* --- what the header has said --- */

/* What stands in front of the TLVs of TLS. */
#define SSL_CLIENT 7u

static void told_ssl(struct asynchat_proxy *out,
                     const struct asynchat_proxy_tlv *ssl)
{
    static const uint8_t good[4];
    const uint8_t *bytes = ssl->value;
    struct asynchat_proxy_tlv tlv;
    size_t at = 5;
    out->ssl = *bytes & SSL_CLIENT;
    out->verified = (out->ssl & (ASYNCHAT_PROXY_CERTIFICATE |
                                 ASYNCHAT_PROXY_CERTIFICATE_BEFORE)) &&
                    memcmp(bytes + 1, good, sizeof good) == 0;
    while (asynchat__proxy_next(bytes, ssl->len, &at, &tlv)) {
        if (tlv.type == ASYNCHAT_PROXY_SSL_VERSION) {
            out->ssl_version = tlv.value;
            out->ssl_version_len = tlv.len;
        } else if (tlv.type == ASYNCHAT_PROXY_SSL_NAME) {
            out->ssl_name = tlv.value;
            out->ssl_name_len = tlv.len;
        }
    }
}

static void told_tlv(struct asynchat_proxy *out,
                     const struct asynchat_proxy_tlv *tlv)
{
    if (tlv->type == ASYNCHAT_PROXY_ALPN) {
        out->alpn = tlv->value;
        out->alpn_len = tlv->len;
    } else if (tlv->type == ASYNCHAT_PROXY_AUTHORITY) {
        out->authority = tlv->value;
        out->authority_len = tlv->len;
    } else if (tlv->type == ASYNCHAT_PROXY_UNIQUE_ID) {
        out->unique_id = tlv->value;
        out->unique_id_len = tlv->len;
    } else if (tlv->type == ASYNCHAT_PROXY_SSL) {
        told_ssl(out, tlv);
    }
}

static void told_tlvs(struct asynchat_proxy *out, const struct channel_proxy *p)
{
    struct asynchat_proxy_tlv tlv;
    size_t at = 0;
    out->tlvs = p->bytes;
    out->tlvs_len = p->len;
    while (asynchat__proxy_next(p->bytes, p->len, &at, &tlv))
        told_tlv(out, &tlv);
}

/* Leaves the text empty if there is no address. */
static void told_address(const struct peer_address *kept, char *text)
{
    struct address address;
    if (asynchat__address_kept(kept, &address))
        (void)asynchat__address_format(&address, text, ASYNCHAT_ADDRESS_SIZE);
}

/* Only internet addresses were kept. */
static void told_balancer(struct asynchat_proxy *out,
                          const struct asynchat_channel *ch)
{
    struct address address;
    int fd = bufferevent_getfd(ch->transport.bev);
    if (ch->proxy->balancer.family)
        told_address(&ch->proxy->balancer, out->balancer);
    else if (fd >= 0 && asynchat__address_of(fd, getpeername, &address) == 0)
        (void)asynchat__address_format(&address, out->balancer,
                                       sizeof out->balancer);
}

int asynchat_get_proxy(const struct asynchat_channel *ch,
                       struct asynchat_proxy *out)
{
    struct asynchat_proxy all;
    if (!ch || !out || out->size < sizeof *out)
        return -EINVAL;
    const struct channel_proxy *p = ch->proxy;
    if (!p || p->state != PROXIED_CAME)
        return -ENOENT;
    memset(&all, 0, sizeof all);
    all.size = out->size;
    all.version = p->in.header.version;
    all.local = p->in.header.local;
    told_tlvs(&all, p);
    told_balancer(&all, ch);
    told_address(&p->in.header.to, all.destination);
    asynchat__table_answer(out, out->size, &all, sizeof all);
    return 0;
}
