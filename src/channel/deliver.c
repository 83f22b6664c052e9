/* Input: gives the bytes received to the framer, a span at a time, and calls
 * the handler for the framer's events. Input that has to stay is kept in the
 * evbuffer, in front of what is received later. A piece of the evbuffer is
 * drained once, when the framer is done with it.
 *
 * Any callback may set a terminator, discard, pause, close or free. If a
 * callback changes the framer, the framer's next event takes account of it.
 * Whether a callback has changed the channel is looked at after each callback.
 *
 * Tested by tests/test_channel_in.c, tests/test_asynchat.c and
 * tests/test_message_limit.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "channel/object.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <event2/buffer.h>

#include <asynchat/error.h>

#include "base/apart.h"
#include "base/memory.h"
#include "base/probe.h"
#include "loop/loop.h"

#define MESSAGE_LEAST 256

void asynchat__channel_in_init(struct channel_in *in,
                               const struct asynchat_handler *handler)
{
    asynchat__framer_init(&in->framer);
    asynchat__framer_limit(&in->framer, NULL, channel_in_limit(handler),
                           handler->message_dropped != NULL);
    asynchat__framer_pause(&in->framer, NULL, true);
    in->budget = UINT_MAX;
}

void asynchat__channel_in_free(struct channel_in *in)
{
    asynchat__framer_free(&in->framer);
    asynchat__spare_free(in->message);
}

/* --- messages in a wake-up --- */

/* The counter of messages has run out. Without a budget it just begins anew. */
static APART void in_end_turn(struct asynchat_channel *ch)
{
    if (ch->in.budget == UINT_MAX)
        channel_in_begin_turn(&ch->in);
    else
        asynchat__channel_pause(ch, PAUSE_TURN);
}

/* Counts a message whose callback is due. If the budget is used up by it, this
 * callback is the last one of the wake-up. */
static inline void in_count_message(struct asynchat_channel *ch)
{
    probe_message(ch);
    if (--ch->in.turn == 0)
        in_end_turn(ch);
}

/* --- the memory of a message --- */

/* Doubles the memory, so that each byte is copied a bounded number of times,
 * but makes it no larger than the message limit. No object can be larger than
 * PTRDIFF_MAX. */
static bool in_grow(struct channel_in *in, size_t used, uint64_t need)
{
    struct spare *message = &in->message;
    size_t limit = in->framer.limit;
    if (need > PTRDIFF_MAX)
        return false;
    size_t capacity =
        message->capacity < MESSAGE_LEAST ? MESSAGE_LEAST : message->capacity;
    while (capacity < need)
        capacity = capacity > PTRDIFF_MAX / 2 ? (size_t)need : capacity * 2;
    if (capacity > limit)
        capacity = limit;
    return asynchat__spare_grow(message, used, capacity);
}

/* Adds bytes to the message in progress. The framer has counted them already.
 * False: there is no memory. */
static bool in_keep(struct asynchat_channel *ch, const uint8_t *data,
                    size_t len)
{
    struct channel_in *in = &ch->in;
    size_t have = channel_in_kept(in);
    size_t used = have - len;
    if (!in->message.bytes)
        in->message = asynchat__spares_take(&ch->transport.loop->spares);
    if (have > in->message.capacity && !in_grow(in, used, have))
        return false;
    memcpy(in->message.bytes + used, data, len);
    return true;
}

/* --- events, and their callbacks --- */

static WITHIN void in_message(struct asynchat_channel *ch, const void *data,
                              size_t len)
{
    in_count_message(ch);
    ch->handler->message(ch, data, len, ch->arg);
}

/* Delivers what was kept of a message of `total` bytes. Its memory stays until
 * the wake-up ends: the callback uses it, and may discard everything
 * meanwhile. */
static void in_kept_message(struct asynchat_channel *ch, uint64_t total)
{
    size_t len = (size_t)(total - ch->in.given);
    const void *data = len > 0 ? (const void *)ch->in.message.bytes : "";
    ch->in.given = 0;
    in_message(ch, data, len);
}

static WITHIN void in_found(struct asynchat_channel *ch)
{
    in_count_message(ch);
    if (ch->handler->found_terminator)
        ch->handler->found_terminator(ch, ch->arg);
}

/* Ends a message that was not dropped. */
static void in_end(struct asynchat_channel *ch, uint64_t total)
{
    ch->in.timed = false;
    if (ch->handler->message)
        in_kept_message(ch, total);
    else
        in_found(ch);
}

/* A handler without message_dropped may have come in the middle of the
 * message. */
static APART void in_dropped(struct asynchat_channel *ch,
                             const struct framer_cursor *c)
{
    struct channel_in *in = &ch->in;
    const void *first = ch->handler->message ? in->message.bytes : NULL;
    uint64_t kept = c->kept - in->given;
    size_t len =
        kept < ASYNCHAT_DROPPED_FIRST ? (size_t)kept : ASYNCHAT_DROPPED_FIRST;
    in->given = 0;
    in->timed = false;
    if (!ch->handler->message_dropped) {
        asynchat__channel_stop(ch, in->framer.error, 0);
        return;
    }
    in->too_long++;
    in->too_long_bytes += c->total;
    in_count_message(ch);
    ch->handler->message_dropped(ch, first ? first : "", first ? len : 0,
                                 c->total, ch->arg);
}

/* Keeps or delivers bytes of the message in progress. */
static void in_data(struct asynchat_channel *ch, const struct framer_cursor *c)
{
    const struct asynchat_handler *handler = ch->handler;
    if (handler->message) {
        if (!in_keep(ch, c->data, c->len))
            asynchat__channel_stop(ch, -ENOMEM, 0);
    } else if (handler->collect_incoming_data) {
        handler->collect_incoming_data(ch, c->data, c->len, ch->arg);
    }
}

/* Delivers a whole message from where it lies. */
static WITHIN void in_whole_message(struct asynchat_channel *ch,
                                    struct framer_cursor *c)
{
    framer_end(&ch->in.framer, c);
    in_message(ch, c->data, c->len);
}

/* Whether the message ends with the bytes that were just delivered. */
static APART bool in_end_now(struct asynchat_channel *ch,
                             struct framer_cursor *c)
{
    return channel_delivers(ch) && framer_end(&ch->in.framer, c);
}

/* The same, for found_terminator. A handler with `message` may have come: it
 * gets the rest of the message, of which there is nothing. */
static APART bool in_found_now(struct asynchat_channel *ch,
                               struct framer_cursor *c)
{
    bool ends = in_end_now(ch, c);
    bool whole = ch->handler->message;
    if (ends && whole)
        in_end(ch, c->total);
    return ends && !whole;
}

/* Deals with the last bytes of a message. */
static void in_last(struct asynchat_channel *ch, struct framer_cursor *c)
{
    if (ch->handler->message && ch->in.framer.have == c->len) {
        in_whole_message(ch, c);
        return;
    }
    in_data(ch, c);
    if (in_end_now(ch, c))
        in_end(ch, c->total);
}

/* Delivers a message that came whole, in one piece, as most messages do. */
static WITHIN void in_whole(struct asynchat_channel *ch,
                            struct framer_cursor *c)
{
    const struct asynchat_handler *handler = ch->handler;
    if (handler->message) {
        in_whole_message(ch, c);
        return;
    }
    if (handler->collect_incoming_data)
        handler->collect_incoming_data(ch, c->data, c->len, ch->arg);
    if (framer_quick_end(&ch->in.framer, c) || in_found_now(ch, c))
        in_found(ch);
}

/* The next message of a framing, if it came whole. */
static inline bool in_framed_message(struct asynchat_channel *ch,
                                     struct framer_cursor *c)
{
    bool takes = framer_take_framed(&ch->in.framer, c);
    if (takes)
        in_message(ch, c->data, c->len);
    return takes;
}

static APART bool in_framed_pieces(struct asynchat_channel *ch,
                                   struct framer_cursor *c)
{
    bool takes = framer_quick_framing(&ch->in.framer, c);
    if (takes)
        in_whole(ch, c);
    return takes;
}

/* Delivers messages of a framing that came whole, one after the other. The
 * first one was found. */
static APART void in_framed(struct asynchat_channel *ch,
                            struct framer_cursor *c)
{
    const struct framer *f = &ch->in.framer;
    bool more = true;
    in_whole(ch, c);
    while (more && !f->busy && f->framing && c->at != c->end)
        more = ch->handler->message ? in_framed_message(ch, c)
                                    : in_framed_pieces(ch, c);
}

/* The handler does nothing but set blocks of 0 bytes: other channels go
 * first. */
static APART void in_rest(struct asynchat_channel *ch)
{
    if (asynchat__channel_time_make(ch) < 0)
        asynchat__channel_stop(ch, -ENOMEM, 0);
    else
        asynchat__channel_pause(ch, PAUSE_TURN);
}

/* Deals with all other events, which are few. False: there is no event. */
static APART bool in_event(struct asynchat_channel *ch, struct framer_cursor *c)
{
    enum framer_event event = asynchat__framer_step(&ch->in.framer, c);
    if (event == FRAMER_DATA)
        in_data(ch, c);
    else if (event == FRAMER_LAST)
        in_last(ch, c);
    else if (event == FRAMER_WHOLE)
        in_framed(ch, c);
    else if (event == FRAMER_DROPPED)
        in_dropped(ch, c);
    else if (event == FRAMER_TOO_LONG || event == FRAMER_BAD)
        asynchat__channel_stop(ch, ch->in.framer.error, 0);
    else if (event == FRAMER_REST)
        in_rest(ch);
    else if (event == FRAMER_END ||
             (event == FRAMER_OVER && ch->handler->message))
        in_end(ch, c->total);
    return event != FRAMER_MORE;
}

/* Deals with all events of a span. False: delivery had to stop before the end
 * of the span. */
static bool in_events(struct asynchat_channel *ch, struct framer_cursor *c)
{
    struct framer *f = &ch->in.framer;
    for (;;) {
        if (!f->busy && c->at == c->end)
            return true;
        if (!f->busy && framer_quick(f, c))
            in_whole(ch, c);
        else if (!channel_delivers(ch))
            return false;
        else if (!in_event(ch, c))
            return true;
    }
}

/* Delivers a piece of input, in spans that are no longer than the program
 * wants. Answers how many bytes of the piece were dealt with. */
static size_t in_piece(struct asynchat_channel *ch, const uint8_t *piece,
                       size_t len)
{
    const struct framer *f = &ch->in.framer;
    struct framer_cursor c;
    size_t done = 0;
    ch->in.cursor = &c;
    do {
        size_t span = len - done < f->piece ? len - done : f->piece;
        framer_feed(&c, piece + done, span);
        if (!in_events(ch, &c))
            len = 0; /* deliver no more of this piece */
        done = (size_t)(c.at - piece);
    } while (done < len && ch->in.buffer != BUFFER_DROPPED);
    ch->in.cursor = NULL;
    return done;
}

/* --- where input comes from --- */

/* Whether the evbuffer holds input. */
static void in_look(struct asynchat_channel *ch)
{
    struct evbuffer *input = asynchat__transport_input(&ch->transport);
    ch->in.buffer =
        evbuffer_get_length(input) > 0 ? BUFFER_HOLDS : BUFFER_EMPTY;
}

/* What was called meanwhile may have asked for all of it to go. */
static void in_drained(struct asynchat_channel *ch)
{
    if (ch->in.buffer == BUFFER_DRAINS)
        in_look(ch);
}

/* Drains input that was dealt with. This releases references that came over a
 * pair, and their release callbacks may call anything. If such a callback calls
 * asynchat_discard_buffers(), the rest of the input is discarded when the
 * draining is done. */
static void in_drain(struct asynchat_channel *ch, size_t len)
{
    const struct transport *t = &ch->transport;
    if (t->ops->drained)
        ch->in.received += t->ops->drained(t, len);
    ch->in.buffer = BUFFER_DRAINS;
    evbuffer_drain(asynchat__transport_input(t), len);
    in_drained(ch);
}

/* Discards the input if asynchat_discard_buffers() was called while the input
 * could not be touched. Answers whether it was called. */
static bool in_discarded(struct asynchat_channel *ch)
{
    struct evbuffer *input = asynchat__transport_input(&ch->transport);
    bool discarded = false;
    while (ch->in.buffer == BUFFER_DROPPED) {
        discarded = true;
        ch->transport.received = 0;
        in_drain(ch, evbuffer_get_length(input));
    }
    return discarded;
}

/* Puts bytes that were received behind those in the evbuffer. */
static APART void in_store(struct asynchat_channel *ch, const uint8_t *bytes,
                           size_t len)
{
    struct evbuffer *input = asynchat__transport_input(&ch->transport);
    if (evbuffer_add(input, bytes, len) < 0)
        ch->transport.ended = -ENOMEM;
    ch->in.buffer = BUFFER_HOLDS;
}

/* Delivers the bytes that were just received from where they lie. */
static void in_run_received(struct asynchat_channel *ch)
{
    const uint8_t *bytes = ch->transport.loop->received;
    size_t len = ch->transport.received;
    size_t done = in_piece(ch, bytes, len);
    if (ch->in.buffer == BUFFER_DROPPED)
        in_discarded(ch);
    else if (done < len && ch->in.paused)
        in_store(ch, bytes + done, len - done);
}

/* Gives what was kept to a handler that takes pieces. */
static void in_run_aside(struct asynchat_channel *ch)
{
    while ((ch->in.framer.busy & FRAMER_ASIDE) && channel_delivers(ch))
        asynchat__channel_in_aside(ch);
}

/* Deals with what is due without another byte. */
static void in_run_due(struct asynchat_channel *ch)
{
    in_run_aside(ch);
    if (ch->in.framer.busy && channel_delivers(ch)) {
        in_piece(ch, ch->transport.loop->received, 0);
        in_discarded(ch);
    }
}

static void in_run_evbuffer(struct asynchat_channel *ch)
{
    struct evbuffer *input = asynchat__transport_input(&ch->transport);
    struct evbuffer_iovec piece;
    in_run_due(ch);
    while (channel_delivers(ch) && evbuffer_get_length(input) > 0) {
        evbuffer_peek(input, 1, NULL, &piece, 1);
        size_t done = in_piece(ch, piece.iov_base, piece.iov_len);
        if (!in_discarded(ch))
            in_drain(ch, done);
        in_discarded(ch);
        in_run_aside(ch);
    }
    in_look(ch);
}

void asynchat__channel_in_run(struct asynchat_channel *ch)
{
    struct transport *t = &ch->transport;
    ch->in.received += t->received;
    channel_in_begin_turn(&ch->in);
    if (t->received > 0 && ch->in.buffer == BUFFER_EMPTY) {
        in_run_received(ch);
    } else {
        if (t->received > 0)
            in_store(ch, t->loop->received, t->received);
        in_run_evbuffer(ch);
    }
    t->received = 0;
    if (ch->in.message.bytes && ch->in.framer.have == 0)
        channel_in_forget(ch);
    if (ch->state == CHANNEL_LINGERING) {
        in_drain(ch, evbuffer_get_length(asynchat__transport_input(t)));
        in_discarded(ch);
        if (asynchat__channel_linger_over(ch))
            asynchat__channel_end(ch, ch->status);
    }
}

bool asynchat__channel_in_waits(const struct asynchat_channel *ch)
{
    const struct framer *f = &ch->in.framer;
    size_t arrived =
        evbuffer_get_length(asynchat__transport_input(&ch->transport));
    return ch->in.paused && channel_receives(ch) &&
           (arrived > 0 || framer_held(f) > 0 ||
            (f->busy &
             (FRAMER_FOUND | FRAMER_PLAN | FRAMER_EMPTY | FRAMER_ASIDE)) ||
            f->spoiled || (ch->handler->message && f->have > 0));
}

/* No more bytes can come to complete a terminator, so the bytes held back are
 * data. If a callback sets another terminator now, the bytes held back are
 * matched with that one. */
int asynchat__channel_in_finish(struct asynchat_channel *ch)
{
    struct framer *f = &ch->in.framer;
    if (channel_delivers(ch)) {
        asynchat__framer_finish(f);
        in_run_due(ch);
    }
    return f->end == FRAMER_CUT_OFF || framer_is_within(f);
}

/* While a callback has a pointer into the evbuffer, or the evbuffer is being
 * drained, the evbuffer is only marked, and emptied later. */
void asynchat__channel_in_discard(struct asynchat_channel *ch)
{
    bool later = ch->in.cursor || ch->in.buffer >= BUFFER_DRAINS;
    channel_in_drop(&ch->in);
    ch->in.buffer = BUFFER_DROPPED;
    if (!later)
        in_discarded(ch);
}
