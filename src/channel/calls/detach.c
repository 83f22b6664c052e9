/* A connection leaves its channel, with all bytes that were received and not
 * delivered; and comes to another channel, with bytes that were received
 * before.
 *
 * Everything that can fail is done first, and calls nobody. A callback that is
 * running may still look at the bytes that it was lent, so as long as there is
 * a cursor these bytes stay where they are, and those behind them are copied.
 *
 * Tested by tests/test_detach.c. SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/detach.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "channel/object.h"
#include "channel/proxied.h"
#include "loop/loop.h"

/* --- whether the connection can leave --- */

/* Whether the end of the input, which was seen and not told, will be seen
 * again. */
static bool detach_end_stays(const struct transport *t)
{
    return t->ended == ASYNCHAT_EOF && bufferevent_getfd(t->bev) >= 0 &&
           !bufferevent_get_underlying(t->bev);
}

/* Whether both directions of the connection are open. */
static bool detach_is_open(const struct asynchat_channel *ch)
{
    const struct transport *t = &ch->transport;
    return ch->state <= CHANNEL_OPEN && !ch->out.queue.ends &&
           t->phase != TRANSPORT_FAILED && !t->broken &&
           (!t->ended || detach_end_stays(t));
}

/* Whether libevent works on the input now, and code of the program has called
 * us from there. */
static bool detach_is_inside(const struct channel_in *in)
{
    return in->buffer == BUFFER_DRAINS ||
           (in->buffer == BUFFER_DROPPED && !in->cursor);
}

/* Whether the next bytes of the stream are to be dropped. */
static bool detach_loses(const struct framer *f)
{
    return f->spoiled || (f->busy & FRAMER_PASS);
}

/* 0 or an error. `can`: the transport can do it. */
static int detach_check(const struct asynchat_channel *ch, bool can)
{
    const struct transport *t = &ch->transport;
    if (!detach_is_open(ch))
        return ASYNCHAT_ECLOSED;
    if (t->phase == TRANSPORT_CONNECTING)
        return -ENOTCONN;
    if (t->stage || !can)
        return -ENOTSUP;
    if (!asynchat__channel_out_empty(ch) || t->hold != OUTPUT_FREE ||
        detach_loses(&ch->in.framer) || detach_is_inside(&ch->in))
        return -EBUSY;
    return 0;
}

/* --- the bytes that were not delivered --- */

static bool detach_copy(struct evbuffer *to, const void *bytes, size_t len)
{
    return len == 0 || evbuffer_add(to, bytes, len) == 0;
}

/* Copies what the framer has taken: the message in progress, as far as it was
 * kept and not delivered, and what is held back. */
static bool detach_copy_begun(const struct asynchat_channel *ch,
                              struct evbuffer *to)
{
    const struct channel_in *in = &ch->in;
    const uint8_t *held = NULL;
    size_t len = asynchat__framer_lend(&in->framer, &held);
    bool keeps = ch->handler->message || (in->framer.busy & FRAMER_ASIDE);
    size_t kept = keeps ? channel_in_kept(in) : 0;
    return (kept == 0 || detach_copy(to, channel_in_kept_bytes(in), kept)) &&
           detach_copy(to, held, len);
}

/* Copies the bytes of the input from `from` on. */
static bool detach_copy_input(struct evbuffer *input, size_t from,
                              struct evbuffer *to)
{
    struct evbuffer_iovec piece = {NULL, from};
    struct evbuffer_ptr at;
    evbuffer_ptr_set(input, &at, 0, EVBUFFER_PTR_SET);
    for (size_t left = evbuffer_get_length(input) - from; left > 0;
         left -= piece.iov_len) {
        evbuffer_ptr_set(input, &at, piece.iov_len, EVBUFFER_PTR_ADD);
        evbuffer_peek(input, -1, &at, &piece, 1);
        if (!detach_copy(to, piece.iov_base, piece.iov_len))
            return false;
    }
    return true;
}

/* How many bytes lie in loop->received. */
static size_t detach_received(const struct asynchat_channel *ch)
{
    return ch->transport.received + (ch->proxy ? ch->proxy->behind : 0);
}

/* Whether the bytes in loop->received are behind the input, and not in it. They
 * are while they are delivered from where they lie, and in handle_connect. */
static bool detach_has_received(const struct asynchat_channel *ch)
{
    return detach_received(ch) > 0 &&
           (!ch->in.cursor || ch->in.buffer == BUFFER_EMPTY);
}

/* How many bytes of the input, from its beginning on, the framer has taken. The
 * cursor is in the first piece, or not in the input. */
static size_t detach_taken(const struct asynchat_channel *ch,
                           struct evbuffer *input)
{
    const struct framer_cursor *c = ch->in.cursor;
    struct evbuffer_iovec piece;
    if (!c || detach_has_received(ch) ||
        evbuffer_peek(input, 1, NULL, &piece, 1) < 1)
        return 0;
    uintptr_t at = (uintptr_t)c->at, first = (uintptr_t)piece.iov_base;
    return at >= first && at - first <= piece.iov_len ? at - first : 0;
}

static bool detach_copy_received(const struct asynchat_channel *ch,
                                 struct evbuffer *to)
{
    const uint8_t *bytes = ch->transport.loop->received;
    const uint8_t *end = bytes + detach_received(ch);
    const uint8_t *at = ch->in.cursor ? ch->in.cursor->at : bytes;
    return !detach_has_received(ch) || detach_copy(to, at, (size_t)(end - at));
}

/* Whether the input can go as a whole, without a copy. */
static bool detach_moves(const struct asynchat_channel *ch)
{
    return !ch->in.cursor && !detach_has_received(ch);
}

/* Collects all bytes that were not delivered; but those of an input that moves,
 * or is to be dropped, are left where they are. NULL: there is no memory. */
static struct evbuffer *detach_collect(struct asynchat_channel *ch,
                                       size_t taken)
{
    struct evbuffer *input = asynchat__transport_input(&ch->transport);
    struct evbuffer *all = evbuffer_new();
    bool stays = detach_moves(ch) || ch->in.buffer == BUFFER_DROPPED;
    if (ch->in.cursor)
        asynchat__framer_leave(&ch->in.framer, ch->in.cursor);
    if (!all || (detach_copy_begun(ch, all) &&
                 (stays || detach_copy_input(input, taken, all)) &&
                 detach_copy_received(ch, all)))
        return all;
    evbuffer_free(all);
    return NULL;
}

/* --- leaving --- */

/* From here on nothing fails. In a child, the event base has to be the child's
 * own before an event leaves it. */
static void detach_end(struct asynchat_channel *ch)
{
    asynchat__loop_part(ch->transport.loop);
    asynchat__channel_enter(ch, CHANNEL_FREED);
}

/* A frozen evbuffer does not take even 0 bytes. */
static bool detach_is_frozen(struct evbuffer *buffer)
{
    return evbuffer_commit_space(buffer, NULL, 0) < 0;
}

int asynchat_detach(struct asynchat_channel *ch, struct evbuffer *rest)
{
    if (!ch || !rest || detach_is_frozen(rest))
        return -EINVAL;
    struct transport *t = &ch->transport;
    int error = detach_check(ch, t->ops->give_socket);
    if (error)
        return error;
    struct evbuffer *input = asynchat__transport_input(t);
    size_t taken = detach_taken(ch, input);
    struct evbuffer *all = detach_collect(ch, taken);
    if (!all)
        return -ENOMEM;
    bool running = channel_keep(ch), moves = detach_moves(ch);
    detach_end(ch);
    int fd = t->ops->give_socket(t);
    if (moves)
        evbuffer_add_buffer(all, input);
    evbuffer_add_buffer(rest, all);
    evbuffer_free(all);
    asynchat__channel_let_go(ch, running);
    return fd;
}

/* Puts the bytes where the bufferevent's owner finds them. Bytes that a
 * callback was lent go to `aside`, which lives as long as the channel. */
static void detach_put(struct bufferevent *bev, struct evbuffer *all,
                       struct evbuffer *aside)
{
    struct evbuffer *input = bufferevent_get_input(bev);
    if (aside)
        evbuffer_prepend_buffer(aside, input);
    evbuffer_prepend_buffer(input, all);
    evbuffer_free(all);
}

int asynchat_detach_bufferevent(struct asynchat_channel *ch,
                                struct bufferevent **bev)
{
    if (!ch || !bev)
        return -EINVAL;
    struct transport *t = &ch->transport;
    int error = detach_check(ch, t->ops->give_bufferevent);
    if (error)
        return error;
    size_t taken = detach_taken(ch, asynchat__transport_input(t));
    struct bufferevent *instead =
        bufferevent_socket_new(asynchat_get_base(ch), -1, 0);
    struct evbuffer *all = instead ? detach_collect(ch, taken) : NULL;
    if (!all) {
        if (instead)
            bufferevent_free(instead);
        return -ENOMEM;
    }
    bool running = channel_keep(ch), moves = detach_moves(ch);
    detach_end(ch);
    *bev = t->ops->give_bufferevent(t, instead);
    detach_put(*bev, all, moves ? NULL : bufferevent_get_input(instead));
    asynchat__channel_let_go(ch, running);
    return 0;
}

/* --- coming --- */

static int unread_check(const struct asynchat_channel *ch)
{
    if (ch->state >= CHANNEL_ENDED)
        return ASYNCHAT_ECLOSED;
    if (ch->state != CHANNEL_CONNECTING)
        return -EBUSY;
    return ch->transport.stage ? -ENOTSUP : 0;
}

/* Over a bufferevent, bytes count as received when they are drained. */
int asynchat_unread(struct asynchat_channel *ch, struct evbuffer *bytes)
{
    int error = ch && bytes ? unread_check(ch) : -EINVAL;
    if (error)
        return error;
    struct transport *t = &ch->transport;
    size_t len = evbuffer_get_length(bytes);
    bool running = channel_keep(ch);
    if (evbuffer_prepend_buffer(asynchat__transport_input(t), bytes) < 0)
        error = -EINVAL;
    if (!error && !t->ops->drained && len > 0) {
        ch->in.received += len;
        ch->in.buffer = BUFFER_HOLDS;
    }
    asynchat__channel_let_go(ch, running);
    return error;
}
