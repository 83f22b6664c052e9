/* Output: fills the evbuffer from the queue, and has the transport send it.
 *
 * What is pushed during a wake-up is sent once, at its end. A producer is asked
 * while less than half of what one write takes is waiting to be sent: small
 * chunks share a write, and a slow peer has no more than that prepared for it.
 *
 * Tested by tests/test_channel_out.c and tests/test_writes.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "channel/object.h"

#include <errno.h>
#include <stdlib.h>

#include <event2/buffer.h>

#include <asynchat/error.h>

#include "output/producer.h"

/* Writes in one wake-up, for a peer that takes all it can get: fewer wake-ups for
 * it, and no long wait for the others. Who sets a smaller size gets one write of
 * it at a time, as in Python; and so does who sets one of which more would be
 * too much to be counted in 32 bits. */
#define OUT_WRITES 4
#define OUT_WRITES_MOST (ASYNCHAT_BUFFER_SIZE_MAX / OUT_WRITES)

/* A push that is sent from where it lies has more. What is left of it has to be
 * copied, which keeps the others waiting as well: for as long as these writes. */
#define OUT_WRITES_NOW 16

void asynchat__channel_out_init(struct channel_out *out)
{
    asynchat__outq_init(&out->queue);
    out->chunk = CHANNEL_OUT_BUFFER_SIZE;
    asynchat__channel_pressure_init(out);
}

/* What is on its way: out of the queue, and not with the system yet. */
static size_t out_pending(const struct asynchat_channel *ch)
{
    return asynchat__transport_pending(&ch->transport);
}

/* And what of that does not only wait for more to follow it. */
static size_t out_moving(const struct asynchat_channel *ch)
{
    return asynchat__transport_moving(&ch->transport);
}

/* --- from the queue to the evbuffer --- */

static struct asynchat_producer *out_producer(const struct asynchat_channel *ch)
{
    return ch->out.queue.first->producer;
}

/* A producer that writes to the socket itself. */
static bool out_is_sender(const struct asynchat_channel *ch)
{
    return channel_out_is_ready(ch) && out_producer(ch) &&
           out_producer(ch)->send &&
           asynchat__transport_fd(&ch->transport) >= 0;
}

/* A producer failed: what it gave before is sent, and nothing after it. */
static void out_failed(struct asynchat_channel *ch, int error)
{
    struct outq_entry *entries = asynchat__outq_take(&ch->out.queue);
    channel_out_lose(ch);
    asynchat__outq_free(&ch->out.queue, entries);
    asynchat__channel_stop(ch, error, 0);
}

/* ASYNCHAT_MORE and ASYNCHAT_LATER leave the producer where it is: first. */
static void out_answered(struct asynchat_channel *ch, int answer)
{
    if (asynchat__outq_answered(&ch->out.queue, answer) && answer < 0)
        out_failed(ch, answer);
}

/* What it has given, from `from` on. */
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
 * A producer that has itself discarded may still have gone on: as pushes go to the
 * queue meanwhile, all that is in the evbuffer then is its own, and goes before its
 * release callback can push. */
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

/* Bytes go over whole: they take no more memory there than here. False: there
 * was none. (The evbuffer that they go to may have a callback of the program's,
 * which finds nothing of them in the queue.) */
static bool out_move(struct asynchat_channel *ch)
{
    struct outq_entry *entry = asynchat__outq_shift(&ch->out.queue);
    bool moved = evbuffer_add_buffer(ch->transport.output, entry->bytes) == 0;
    if (!moved)
        asynchat__channel_end(ch, -ENOMEM);
    asynchat__outq_free(&ch->out.queue, entry);
    return moved;
}

/* Room for another chunk: see the top of this file. A producer that gives a lot
 * is asked once, one that gives little until half a write has come together. */
static bool out_has_room(const struct asynchat_channel *ch)
{
    return channel_sends(ch) && channel_out_is_ready(ch) &&
           out_moving(ch) < (ch->out.chunk + 1) / 2;
}

/* From the queue, in its order, as far as there is room. A callback may end the
 * channel or empty the queue, so each turn looks again. */
static void out_fill(struct asynchat_channel *ch)
{
    bool more = true;
    while (more && out_has_room(ch) && !out_is_sender(ch))
        more = out_producer(ch) ? out_ask(ch) : out_move(ch);
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

/* At most so many bytes for the next write. */
static size_t out_most(struct asynchat_channel *ch)
{
    return asynchat__channel_get_rate(ch) ? asynchat__channel_rate_send(ch)
                                          : ch->out.chunk;
}

/* It has sent so much itself. False: it was discarded meanwhile. */
static bool out_tell_sent(struct asynchat_channel *ch, size_t sent)
{
    asynchat__outq_hold(&ch->out.queue);
    asynchat__transcript_sent(ch, NULL, sent);
    return asynchat__outq_let_go(&ch->out.queue);
}

/* The first producer's own turn to write, when all before it is out. */
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
        producer->send = NULL; /* it is asked for bytes, at the next wake-up */
    else if (!broken && answer != -EAGAIN)
        out_answered(ch, answer);
    return sent;
}

/* What is in the evbuffer: one write. Answers how much the peer took. */
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

/* One write, or one each of the evbuffer and of the producer behind it. Answers
 * how much the peer took. */
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

/* The peer has its time; not for a producer of ours that lets it wait. */
static void out_linger(struct asynchat_channel *ch, bool progress)
{
    if (out_pending(ch) == 0 && !outq_is_ready(&ch->out.queue))
        asynchat__channel_linger_stop(ch);
    else
        asynchat__channel_linger(ch, progress);
}

/* Has the transport call again when it is able to send, if there is something
 * that only waits for that. */
static void out_watch(struct asynchat_channel *ch)
{
    bool ready = out_moving(ch) > 0 || channel_out_is_ready(ch);
    ready = ready && channel_sends(ch) && out_most(ch) > 0;
    if (ch->transport.ops->write(&ch->transport, ready) < 0)
        asynchat__channel_end(ch, -ENOMEM);
}

/* Fills and sends, and again while whole writes are taken, within the budget of
 * a wake-up. True: the peer took something. */
static bool out_move_on(struct asynchat_channel *ch)
{
    bool progress = out_pending(ch) < ch->out.left; /* a bufferevent's own */
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

/* A peer that takes nothing more is no loss as long as there is nothing for it;
 * bytes that there was no memory for are gone. */
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

/* The short way through most wake-ups: what was pushed in this one, if anything,
 * is all there is to send, and nobody is to be told that it went. False: there
 * is more to do. */
static bool out_run_pushed(struct asynchat_channel *ch)
{
    struct transport *t = &ch->transport;
    if (ch->out.way == WAY_LONG)
        return false;
    ch->out.way = WAY_SHORT;
    if (t->broken || ch->out.marks.level != MARKS_CALM)
        return false;
    if (t->pushed == 0)
        return true;
    if (t->ops->send_pushed(t, ch->out.chunk))
        return true;
    channel_out_busy(ch);
    ch->out.left = evbuffer_get_length(t->output);
    out_watch(ch);
    return !t->broken && ch->out.left <= ch->out.marks.high;
}

/* There is nothing to follow what waits for more. */
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
           !ch->out.queue.ends && ch->out.left == 0 && channel_is_plain(ch);
}

/* The long way. */
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
        ch->out.queue.ends = true; /* handle_eof, handle_error have pushed */
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

/* A write was made. If the peer did not take all of it, the wake-up has no more. */
static bool out_now_taken(struct asynchat_channel *ch, bool all)
{
    ch->out.writes = all ? (uint8_t)(ch->out.writes + 1) : OUT_WRITES_NOW;
    return all;
}

/* What was pushed before goes first. */
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
