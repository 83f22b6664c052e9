/* Output: fills the evbuffer from the queue, and has the transport send it.
 *
 * Everything that is pushed during a wake-up is sent once, at its end. A
 * producer is asked only while less than half a write waits to be sent. So
 * small chunks share a write, and no more than that is prepared for a slow
 * peer.
 *
 * Tested by tests/test_channel_out.c and tests/test_writes.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "channel/object.h"

#include <errno.h>
#include <stdlib.h>

#include <event2/buffer.h>

#include <asynchat/error.h>

#include "output/block.h"
#include "output/producer.h"

/* The most writes in one wake-up, for a peer that takes all it can get. Such a
 * peer needs fewer wake-ups, and the other channels do not wait long. If the
 * program sets a smaller out_buffer_size, one write of that size is made at a
 * time, as in Python. The same holds for a size of which several could not be
 * counted in 32 bits. */
#define OUT_WRITES 4
#define OUT_WRITES_MOST (ASYNCHAT_BUFFER_SIZE_MAX / OUT_WRITES)

/* The most writes of a push that is sent from where it lies. It has more
 * writes, since the rest would have to be copied, which keeps the other
 * channels waiting for as long as these writes do. */
#define OUT_WRITES_NOW 16

void asynchat__channel_out_init(struct channel_out *out)
{
    asynchat__outq_init(&out->queue);
    out->chunk = CHANNEL_OUT_BUFFER_SIZE;
    asynchat__channel_pressure_init(out);
}

/* How many bytes have left the queue, and are not with the system yet. */
static size_t out_pending(const struct asynchat_channel *ch)
{
    return asynchat__transport_pending(&ch->transport);
}

/* How many bytes have left the queue, are not with the system yet, and are not
 * just kept by a bufferevent until more follows them. */
static size_t out_moving(const struct asynchat_channel *ch)
{
    return asynchat__transport_moving(&ch->transport);
}

/* --- from the queue to the evbuffer --- */

static struct asynchat_producer *out_producer(const struct asynchat_channel *ch)
{
    return ch->out.queue.first->producer;
}

/* Whether the next entry is a producer that writes to the socket itself. */
static bool out_is_sender(const struct asynchat_channel *ch)
{
    return channel_out_is_ready(ch) && out_producer(ch) &&
           out_producer(ch)->send &&
           asynchat__transport_fd(&ch->transport) >= 0;
}

/* A producer has failed: the bytes that it gave before are sent, and nothing
 * after them. */
static void out_failed(struct asynchat_channel *ch, int error)
{
    struct outq_entry *entries = asynchat__outq_take(&ch->out.queue);
    channel_out_lose(ch);
    asynchat__outq_free(&ch->out.queue, entries);
    asynchat__channel_stop(ch, error, 0);
}

/* Deals with the answer of the first producer, which stays first if the answer
 * is ASYNCHAT_MORE or ASYNCHAT_LATER. */
static void out_answered(struct asynchat_channel *ch, int answer)
{
    if (asynchat__outq_answered(&ch->out.queue, answer) && answer < 0)
        out_failed(ch, answer);
}

/* Tells the transcript what a producer has given: the output from `from` on. */
static void out_tell(struct asynchat_channel *ch, size_t from)
{
    struct evbuffer *output = ch->transport.output;
    size_t now = evbuffer_get_length(output);
    if (now <= from)
        return;
    struct transport_lending before = asynchat__channel_out_lend(ch, now);
    asynchat__transcript_added(ch, output, from, now - from);
    asynchat__channel_out_take_back(ch, before);
}

/* Asks the first producer. False: it wants to be asked later.
 *
 * A producer may discard everything, itself included, and still give bytes.
 * Pushes go to the queue meanwhile, so all that the evbuffer has then was given
 * by the producer. It is dropped before the producer's release callback can
 * push. */
static bool out_ask(struct asynchat_channel *ch)
{
    struct evbuffer *output = ch->transport.output;
    size_t before = evbuffer_get_length(output);
    int answer = asynchat__outq_ask(&ch->out.queue, ch, output, ch->out.chunk);
    if (ch->transcript)
        out_tell(ch, before);
    if (asynchat__outq_is_dropped(&ch->out.queue))
        asynchat__transport_discard(&ch->transport);
    out_answered(ch, answer);
    return answer != ASYNCHAT_LATER;
}

/* Moves what the first slot, which is not finished, has now. A callback of the
 * evbuffer, which may be the program's, may discard the slot meanwhile. */
static bool out_move_part(struct asynchat_channel *ch)
{
    struct outq *q = &ch->out.queue;
    asynchat__outq_lend(q);
    struct evbuffer *bytes = asynchat__outq_part(q);
    bool moved = evbuffer_add_buffer(ch->transport.output, bytes) == 0;
    if (!moved)
        asynchat__channel_end(ch, -ENOMEM);
    asynchat__outq_take_back(q);
    return moved;
}

/* Moves the bytes of the first entry to the evbuffer of the output, all of
 * them: they take no more memory there than in the queue. The entry leaves the
 * queue before, so that a callback of the evbuffer, which may be the program's,
 * does not find the bytes in both places. False: there was no memory, and the
 * bytes are missing. */
static bool out_move(struct asynchat_channel *ch)
{
    if (ch->out.queue.first->slot)
        return out_move_part(ch);
    struct outq_entry *entry = asynchat__outq_shift(&ch->out.queue);
    bool moved = evbuffer_add_buffer(ch->transport.output, entry->bytes) == 0;
    if (!moved)
        ch->transport.broken = -ENOMEM;
    asynchat__outq_free(&ch->out.queue, entry);
    return moved;
}

/* Whether there is room for another chunk: see the top of this file. A producer
 * that gives much is asked once; a producer that gives little is asked until
 * half a write has come together. */
static bool out_has_room(const struct asynchat_channel *ch)
{
    return channel_sends(ch) && channel_out_is_ready(ch) &&
           out_moving(ch) < (ch->out.chunk + 1) / 2;
}

/* Moves output from the queue to the evbuffer, in order, as long as there is
 * room. A callback may end the channel or empty the queue, so each round looks
 * again. */
static void out_fill(struct asynchat_channel *ch)
{
    bool more = true;
    while (more && out_has_room(ch) && !out_is_sender(ch))
        more = out_producer(ch) ? out_ask(ch) : out_move(ch);
}

/* --- a block that is sent from where it lies --- */

/* Puts the bytes of the block from `at` on into the output, and takes the block
 * out of the queue before that, so that a callback of the evbuffer does not
 * find the bytes in both places. 0 or -ENOMEM. */
static int out_move_block(struct asynchat_channel *ch, size_t at)
{
    struct asynchat_block *block = asynchat__outq_unblock(&ch->out.queue);
    struct transport_lending before =
        asynchat__channel_out_lend(ch, block->len - at);
    bool moved = asynchat__block_add(ch->transport.output, block, at) == 0;
    asynchat__channel_out_take_back(ch, before);
    asynchat_block_free(block);
    return moved ? 0 : -ENOMEM;
}

/* If there is no memory, no callback has run. */
int asynchat__channel_out_unblock(struct asynchat_channel *ch)
{
    struct asynchat_block *block = ch->out.queue.block;
    asynchat__block_share(block);
    int error = out_move_block(ch, 0);
    if (error)
        asynchat__outq_block(&ch->out.queue, block);
    asynchat_block_free(block);
    return error;
}

/* --- from the evbuffer to the peer --- */

static bool out_is_fast(const struct asynchat_channel *ch)
{
    return ch->out.chunk >= CHANNEL_OUT_BUFFER_SIZE &&
           ch->out.chunk <= OUT_WRITES_MOST;
}

static bool out_may_write(const struct asynchat_channel *ch)
{
    return ch->out.writes < (out_is_fast(ch) ? OUT_WRITES : 1);
}

/* The most bytes of the next write. */
static size_t out_most(struct asynchat_channel *ch)
{
    return asynchat__channel_get_rate(ch) ? asynchat__channel_rate_send(ch)
                                          : ch->out.chunk;
}

/* Tells the transcript that the first producer has sent bytes itself. False:
 * the producer was discarded meanwhile. */
static bool out_tell_sent(struct asynchat_channel *ch, size_t sent)
{
    asynchat__outq_hold(&ch->out.queue);
    asynchat__transcript_sent(ch, NULL, sent);
    return asynchat__outq_let_go(&ch->out.queue);
}

/* Has the first producer write to the socket itself. Everything before it has
 * been sent. Answers how many bytes the producer has sent. */
static size_t out_send_producer(struct asynchat_channel *ch, size_t most)
{
    size_t sent;
    struct asynchat_producer *producer = out_producer(ch);
    int answer = producer->send(
        producer->arg, asynchat__transport_fd(&ch->transport), most, &sent);
    bool broken = answer == -EPIPE || answer == -ECONNRESET;
    ch->transport.sent += sent;
    if (broken)
        ch->transport.broken = answer;
    if (ch->transcript && !out_tell_sent(ch, sent))
        return sent;
    if (answer == -ENOTSUP)
        producer->send = NULL; /* `more` is asked, at the next wake-up */
    else if (!broken && answer != -EAGAIN)
        out_answered(ch, answer);
    return sent;
}

/* Sends the evbuffer, in one write. Answers how many bytes went. */
static size_t out_send_output(struct asynchat_channel *ch)
{
    size_t pending = out_pending(ch), most = out_most(ch);
    if (pending == 0 || most == 0)
        return 0;
    ch->out.writes++;
    ch->transport.ops->send(&ch->transport, most);
    size_t left = out_pending(ch);
    return left < pending ? pending - left : 0;
}

/* Makes one write of the evbuffer. If this empties it, a producer that comes
 * next makes one write as well. Answers how many bytes went. */
static size_t out_send(struct asynchat_channel *ch)
{
    size_t sent = out_send_output(ch), most;
    if (!ch->transport.broken && out_pending(ch) == 0 && out_is_sender(ch) &&
        out_may_write(ch) && (most = out_most(ch)) > 0) {
        ch->out.writes++;
        sent += out_send_producer(ch, most);
    }
    return sent;
}

/* Has the bytes sent at the end of the loop's batch, if nobody has to be told
 * when they are sent. */
static bool out_put_off(struct asynchat_channel *ch,
                        const struct asynchat_block *block, size_t most)
{
    struct transport *t = &ch->transport;
    return t->ops->put_off && ch->state == CHANNEL_OPEN &&
           !ch->out.queue.ends && !ch->handler->handle_drained &&
           t->ops->put_off(t, block->bytes, most);
}

/* Sends the block, and moves what the peer does not take at once to the output.
 * If nothing can be sent any more, the block stays where it is. Answers how
 * many bytes went. */
static size_t out_send_block(struct asynchat_channel *ch)
{
    const struct asynchat_block *block = ch->out.queue.block;
    struct transport *t = &ch->transport;
    size_t most = out_most(ch), sent = 0;
    if (most > block->len)
        most = block->len;
    if (most > 0) {
        ch->out.writes++;
        sent = out_put_off(ch, block, most)
                   ? most
                   : t->ops->send_now(t, block->bytes, most);
    }
    if (sent < most)
        ch->out.writes = OUT_WRITES;
    if (sent == block->len)
        asynchat_block_free(asynchat__outq_unblock(&ch->out.queue));
    else if (!t->broken && out_move_block(ch, sent) < 0)
        t->broken = -ENOMEM;
    return sent;
}

/* Gives the peer the linger time. The time does not run while the peer waits
 * for a producer that has nothing yet. */
static void out_linger(struct asynchat_channel *ch, bool progress)
{
    if (out_pending(ch) == 0 && !outq_is_ready(&ch->out.queue))
        asynchat__channel_linger_stop(ch);
    else
        asynchat__channel_linger(ch, progress);
}

/* Has the transport call when it can send again, if some output waits for
 * nothing but that. */
static void out_watch(struct asynchat_channel *ch)
{
    bool ready = out_moving(ch) > 0 || channel_out_is_ready(ch);
    ready = ready && channel_sends(ch) && out_most(ch) > 0;
    if (ch->transport.ops->write(&ch->transport, ready) < 0)
        asynchat__channel_end(ch, -ENOMEM);
}

/* Fills the evbuffer and sends it, and does so again while whole writes are
 * taken, within the budget of a wake-up. True: the peer took something. */
static bool out_move_on(struct asynchat_channel *ch)
{
    bool progress = out_pending(ch) < ch->out.left; /* sent by a bufferevent */
    if (ch->out.queue.block && channel_sends(ch) && !ch->transport.broken)
        progress = out_send_block(ch) > 0;
    while (out_may_write(ch)) {
        size_t sent = 0;
        if (channel_sends(ch))
            out_fill(ch);
        if (channel_sends(ch) && !ch->transport.broken)
            sent = out_send(ch);
        progress = progress || sent > 0;
        if (sent < ch->out.chunk)
            break;
    }
    ch->out.writes = 0;
    return progress;
}

/* Whether output is lost, because nothing can be sent any more and something
 * waits to be sent, or because bytes were refused. */
static bool out_is_broken(const struct asynchat_channel *ch)
{
    int error = ch->transport.broken;
    bool lost = channel_out_gap(ch) || !asynchat__channel_out_empty(ch);
    return channel_sends(ch) && error && lost;
}

void asynchat__channel_out_begin(struct asynchat_channel *ch)
{
    if (ch->out.way == WAY_SHORT && ch->transport.ops->send_pushed)
        ch->out.way = WAY_OPEN;
}

/* The short way through most wake-ups: there is nothing to send but what was
 * pushed in this wake-up, if anything, and no callback is due when it is sent.
 * False: there is more to do. */
static bool out_run_pushed(struct asynchat_channel *ch)
{
    struct transport *t = &ch->transport;
    if (t->broken || ch->out.marks.level != MARKS_CALM)
        channel_out_busy(ch);
    if (ch->out.way == WAY_LONG)
        return false;
    ch->out.way = WAY_SHORT;
    if (t->pushed == 0)
        return true;
    if (t->ops->send_pushed(t, ch->out.chunk))
        return true;
    channel_out_busy(ch);
    ch->out.left = evbuffer_get_length(t->output);
    out_watch(ch);
    return !t->broken && ch->out.left <= ch->out.marks.high;
}

/* If all output that is left only waits for more to follow it, tells the
 * transport that nothing follows. */
static void out_last(struct asynchat_channel *ch)
{
    const struct transport_ops *ops = ch->transport.ops;
    if (ops->last && !ch->out.queue.first && out_moving(ch) == 0 &&
        out_pending(ch) > 0)
        ops->last(&ch->transport);
}

/* Nothing is there to send, nor anybody who has to look at a push. */
static bool out_is_idle(const struct asynchat_channel *ch)
{
    return ch->state == CHANNEL_OPEN && !ch->out.queue.first &&
           !ch->out.queue.block && !ch->out.queue.ends && ch->out.left == 0 &&
           channel_is_plain(ch);
}

/* The long way through a wake-up. */
static void out_run_all(struct asynchat_channel *ch)
{
    bool progress = out_move_on(ch);
    if (out_is_broken(ch))
        asynchat__channel_broken(ch, ch->transport.broken);
    else
        asynchat__channel_pressure(ch);
    if (channel_sends(ch) && channel_closing(ch))
        out_last(ch);
    if (channel_sends(ch) && channel_closing(ch) &&
        asynchat__channel_out_empty(ch))
        asynchat__channel_sent(ch);
    if (channel_sends(ch) && channel_closing(ch)) {
        ch->out.queue.ends = true; /* handle_eof and handle_error have run */
        out_linger(ch, progress);
    }
    asynchat__transport_settle(&ch->transport);
    if (out_is_broken(ch))
        asynchat__channel_broken(ch, ch->transport.broken);
    ch->out.left = out_pending(ch);
    if (ch->state != CHANNEL_CONNECTING)
        out_watch(ch);
    ch->out.way = out_is_idle(ch) ? WAY_SHORT : WAY_LONG;
}

void asynchat__channel_out_run(struct asynchat_channel *ch)
{
    if (ch->transport.pushed > 0 && ch->handler->handle_drained)
        marks_push(&ch->out.marks, ch->transport.pushed);
    if (!out_run_pushed(ch))
        out_run_all(ch);
}

/* Counts a write. If the peer did not take all of it, this wake-up has no more
 * writes. */
static bool out_now_taken(struct asynchat_channel *ch, bool all)
{
    ch->out.writes = all ? (uint8_t)(ch->out.writes + 1) : OUT_WRITES_NOW;
    return all;
}

/* Sends the bytes that were pushed before, which go first. False: some are
 * left. */
static bool out_now_pushed(struct asynchat_channel *ch)
{
    struct transport *t = &ch->transport;
    return t->pushed == 0 ||
           out_now_taken(ch, t->ops->send_pushed(t, ch->out.chunk));
}

size_t asynchat__channel_out_now(struct asynchat_channel *ch, const void *data,
                                 size_t len)
{
    unsigned writes = out_is_fast(ch) ? OUT_WRITES_NOW : 1;
    size_t sent = 0;
    if (ch->out.chunk < CHANNEL_OUT_BUFFER_SIZE || !out_now_pushed(ch))
        return 0;
    while (sent < len && ch->out.writes < writes) {
        size_t most = len - sent < ch->out.chunk ? len - sent : ch->out.chunk;
        size_t n = ch->transport.ops->send_now(&ch->transport,
                                               (const char *)data + sent, most);
        sent += n;
        out_now_taken(ch, n == most);
    }
    return sent;
}

/* --- a flush --- */

/* Sends once, from the queue and from what is pending. Answers how many bytes
 * went. A bufferevent is given bytes only when all earlier ones have gone. */
static size_t out_flush_once(struct asynchat_channel *ch)
{
    const struct transport *t = &ch->transport;
    bool moves = true;
    while (moves && out_has_room(ch) && !out_producer(ch))
        moves = out_move(ch);
    size_t pending = out_pending(ch), most = out_most(ch);
    if (!channel_sends(ch) || t->broken || pending == 0 || most == 0)
        return 0;
    t->ops->send(&ch->transport, most);
    if (t->ops->flush)
        t->ops->flush(&ch->transport);
    size_t left = out_pending(ch);
    return left < pending ? pending - left : 0;
}

/* What release callbacks push meanwhile has no claim to be sent as well: so the
 * flush comes to its end, whatever they push. Whether handle_drained is due is
 * noted before, since bytes of the short way are counted only when they are
 * sent. */
void asynchat__channel_out_flush(struct asynchat_channel *ch)
{
    size_t left = asynchat_get_queued(ch), sent = 1;
    if (ch->transport.pushed > 0 && ch->handler->handle_drained)
        marks_push(&ch->out.marks, ch->transport.pushed);
    channel_out_busy(ch);
    if (ch->out.queue.block && channel_sends(ch) && !ch->transport.broken)
        out_send_block(ch);
    while (left > 0 && sent > 0) {
        sent = out_flush_once(ch);
        left -= sent < left ? sent : left;
    }
}
