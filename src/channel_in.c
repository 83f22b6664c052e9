/* Input: gives what was received to the matcher, piece by piece, and calls the
 * handler. What has to stay is in the evbuffer; a piece of it is drained once,
 * when it is done with, and never pulled up or copied.
 *
 * Any callback may set a terminator, discard, close or free, so after each the
 * state is read again.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "channel.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include <asynchat/error.h>

#include "apart.h"
#include "loop.h"
#include "probe.h"

#define IN_BUFFER_SIZE 65536
#define MESSAGE_LIMIT (1u << 20)
#define MESSAGE_LEAST 256

void asynchat__channel_in_init(struct channel_in *in,
                               const struct asynchat_handler *handler)
{
    in->lines = handler->collect_incoming_data && handler->found_terminator;
    in->limit = handler->message ? MESSAGE_LIMIT : UINT64_MAX;
    in->fresh = (size_t)in->limit;
    in->budget = UINT_MAX;
    in->piece = IN_BUFFER_SIZE;
}

void asynchat__channel_in_free(struct channel_in *in)
{
    asynchat__needle_release(in->match.needle);
    free(in->message.bytes);
}

/* --- the message in progress --- */

/* So many bytes more were delivered of it, or kept. */
static void in_have(struct channel_in *in, size_t len)
{
    in->have += len;
    in->fresh = 0;
}

/* The next one begins. */
static void in_begin(struct channel_in *in)
{
    in->have = 0;
    in->dropped = 0;
    in->fresh = (size_t)in->limit;
    in->timed = false;
}

/* What a wake-up may deliver, and has delivered at its end, is all that messages
 * are counted by. */
static void in_begin_turn(struct channel_in *in)
{
    in->messages += in->allowed - in->turn;
    in->allowed = in->turn = in->budget;
}

/* Without a budget only the counter is full. */
static APART void in_end_turn(struct asynchat_channel *ch)
{
    if (ch->in.budget == UINT_MAX)
        in_begin_turn(&ch->in);
    else
        asynchat__channel_pause(ch, PAUSE_TURN);
}

/* The callback that is due is the last of this wake-up if its budget is spent. */
static inline void in_count_message(struct asynchat_channel *ch)
{
    probe_message(ch);
    if (--ch->in.turn == 0)
        in_end_turn(ch);
}

/* --- whole messages --- */

/* Doubles, so that each byte is copied a bounded number of times, up to the
 * limit and no further. No memory is longer than PTRDIFF_MAX. */
static bool in_grow(struct channel_in *in, uint64_t need)
{
    struct loop_memory *message = &in->message;
    if (need > PTRDIFF_MAX)
        return false;
    size_t capacity =
        message->capacity < MESSAGE_LEAST ? MESSAGE_LEAST : message->capacity;
    while (capacity < need)
        capacity = capacity > PTRDIFF_MAX / 2 ? (size_t)need : capacity * 2;
    if (capacity > in->limit)
        capacity = (size_t)in->limit;
    return asynchat__loop_memory_grow(message, (size_t)in->have, capacity);
}

/* Adds to the message in progress. False: there was no memory. */
static bool in_keep(struct asynchat_channel *ch, const uint8_t *data,
                    size_t len)
{
    struct channel_in *in = &ch->in;
    if (!in->message.bytes)
        in->message = asynchat__loop_take(ch->transport.loop);
    if (in->have + len > in->message.capacity && !in_grow(in, in->have + len))
        return false;
    memcpy(in->message.bytes + (size_t)in->have, data, len);
    in_have(in, len);
    return true;
}

/* Between messages an idle connection keeps no memory for them. */
static void in_forget(struct asynchat_channel *ch)
{
    if (ch->in.message.bytes)
        asynchat__loop_give(ch->transport.loop, ch->in.message);
    ch->in.message = (struct loop_memory){NULL, 0};
}

/* The two ways to hand over a message: from where it arrived, or from where its
 * pieces were kept. */
static void in_message(struct asynchat_channel *ch, const void *data,
                       size_t len)
{
    in_count_message(ch);
    ch->handler->message(ch, data, len, ch->arg);
}

/* The message that was kept. Its memory stays until the wake-up ends, as the
 * callback has it, but may call for it to be dropped. */
static void in_kept_message(struct asynchat_channel *ch)
{
    size_t len = (size_t)ch->in.have;
    in_begin(&ch->in);
    in_message(ch, len > 0 ? (const void *)ch->in.message.bytes : "", len);
}

/* --- messages that are too long --- */

/* So much may still come of the message in progress. Whatever reaches further is
 * looked at in two parts, as if it had come in two: the first is delivered, and
 * the rest is too long. */
static uint64_t in_room(const struct channel_in *in)
{
    return in->dropped > 0 || in->have > in->limit ? 0 : in->limit - in->have;
}

static size_t in_part(const struct channel_in *in, size_t len)
{
    uint64_t room = in_room(in);
    return room > 0 && room < len ? (size_t)room : len;
}

static void in_too_long(struct asynchat_channel *ch, size_t len)
{
    if (ch->handler->message_dropped)
        ch->in.dropped += len;
    else
        asynchat__channel_stop(ch, ASYNCHAT_ETOOLONG, 0);
}

/* The end of one of which something was dropped. */
static void in_dropped(struct asynchat_channel *ch)
{
    struct channel_in *in = &ch->in;
    uint64_t total = in->have + in->dropped;
    const void *first = ch->handler->message ? in->message.bytes : NULL;
    size_t len = in->have < ASYNCHAT_DROPPED_FIRST ? (size_t)in->have
                                                   : ASYNCHAT_DROPPED_FIRST;
    in->too_long++;
    in->too_long_bytes += total;
    in_begin(in);
    in_count_message(ch);
    ch->handler->message_dropped(ch, first ? first : "", first ? len : 0, total,
                                 ch->arg);
}

/* --- delivery --- */

/* Bytes of the message in progress. */
static void in_collect(struct asynchat_channel *ch, const uint8_t *data,
                       size_t len)
{
    if (len == 0)
        return;
    if (in_room(&ch->in) == 0) {
        in_too_long(ch, len);
    } else if (ch->handler->message) {
        if (!in_keep(ch, data, len))
            asynchat__channel_stop(ch, -ENOMEM, 0);
    } else {
        in_have(&ch->in, len);
        if (ch->handler->collect_incoming_data)
            ch->handler->collect_incoming_data(ch, data, len, ch->arg);
    }
}

/* The message is complete. */
static void in_found(struct asynchat_channel *ch)
{
    if (ch->in.dropped > 0) {
        in_dropped(ch);
    } else if (ch->handler->message) {
        in_kept_message(ch);
    } else {
        in_begin(&ch->in);
        in_count_message(ch);
        if (ch->handler->found_terminator)
            ch->handler->found_terminator(ch, ch->arg);
    }
}

/* Bytes that were held back are the message's after all. They are in no
 * evbuffer any more, but they are the terminator's first ones. `back` is what a
 * new terminator would have to match again: those not delivered yet, and those
 * still held back behind them. */
static void in_release(struct asynchat_channel *ch, size_t len)
{
    if (len == 0)
        return;
    struct channel_in *in = &ch->in;
    struct needle *needle = asynchat__needle_share(in->match.needle);
    uint32_t epoch = in->epoch;
    in->back = needle_bytes(needle);
    in->back_len = in->match.held;
    in->match.held -= (uint32_t)len;
    while (len > 0 && epoch == in->epoch) {
        size_t part = in_part(in, len < in->piece ? len : in->piece);
        const uint8_t *data = in->back;
        len -= part;
        in->back += part;
        in->back_len -= part;
        in_collect(ch, data, part);
    }
    if (len > 0 && in->back && ch->in.paused && !asynchat__channel_put_back(ch))
        asynchat__channel_end(ch, -ENOMEM);
    in->back = NULL;
    asynchat__needle_release(needle);
}

/* The data of a step counts as delivered before it is: a terminator set
 * meanwhile is not counted down. */
static void in_count(struct match *m, size_t data)
{
    if (m->kind == ASYNCHAT_LENGTH && m->left > 0)
        m->left -= data;
}

/* Delivers the `data` bytes of a step, before which nothing is held back any
 * more, and that the message is complete if it is `found`. Answers how many bytes
 * of the piece are dealt with: what followed the data is to be matched again if
 * there is a new terminator. */
static size_t in_deliver(struct asynchat_channel *ch, const uint8_t *piece,
                         size_t data, struct match_step step, bool found)
{
    uint32_t epoch = ch->in.epoch;
    in_count(&ch->in.match, data);
    in_collect(ch, piece, data);
    ch->in.due = found && step.used == data && ch->in.paused;
    if (!channel_delivers(ch))
        return data;
    if (epoch == ch->in.epoch)
        ch->in.match.held = found ? 0 : (uint32_t)step.matched;
    else if (step.used > data)
        return data;
    if (found)
        in_found(ch);
    return step.used;
}

/* Whether all of a message is here, its end included: nothing of it came before
 * these bytes. */
static bool in_is_line(const struct asynchat_channel *ch, size_t data)
{
    const struct channel_in *in = &ch->in;
    return data > 0 && data <= in->fresh && (in->lines || ch->handler->message);
}

/* The short way through such messages, which most are. */
static size_t in_line(struct asynchat_channel *ch, const uint8_t *piece,
                      size_t data, size_t used)
{
    const struct asynchat_handler *handler = ch->handler;
    if (handler->message) {
        in_message(ch, piece, data);
        return used;
    }
    uint32_t epoch = ch->in.epoch;
    handler->collect_incoming_data(ch, piece, data, ch->arg);
    if (epoch != ch->in.epoch) {
        if (!ch->in.discarded)
            in_have(&ch->in, data);
        return data;
    }
    in_count_message(ch);
    handler->found_terminator(ch, ch->arg);
    return used;
}

/* The same of a message that is so many bytes, and wanted whole. */
static bool in_is_block(const struct asynchat_channel *ch, size_t len)
{
    const struct channel_in *in = &ch->in;
    return in->match.kind == ASYNCHAT_LENGTH && in->match.left <= len &&
           in->match.left <= in->fresh && in->match.left > 0 &&
           ch->handler->message;
}

static size_t in_block(struct asynchat_channel *ch, const uint8_t *piece)
{
    size_t data = (size_t)ch->in.match.left;
    ch->in.match.left = 0;
    in_message(ch, piece, data);
    return data;
}

/* The long way of a step: what was held back goes first, and of data that reaches
 * over the limit only what does not. */
static APART size_t in_any(struct asynchat_channel *ch, const uint8_t *piece,
                           struct match_step step)
{
    const struct match *m = &ch->in.match;
    bool found = match_found(m, step);
    if (m->held > 0) {
        uint32_t epoch = ch->in.epoch;
        in_release(ch, match_released(m, step));
        if (epoch != ch->in.epoch)
            return 0;
    }
    size_t data = match_data(step);
    size_t part = in_part(&ch->in, data);
    if (part < data)
        return in_deliver(ch, piece, part, (struct match_step){part, 0}, false);
    return in_deliver(ch, piece, data, step, found);
}

/* One step over a piece, from the bytes that were held back before it on.
 * Answers how many bytes of the piece are dealt with. */
static size_t in_step(struct asynchat_channel *ch, const uint8_t *piece,
                      size_t len)
{
    const struct match *m = &ch->in.match;
    size_t at;
    if (match_find(m, piece, len, &at) && in_is_line(ch, at))
        return in_line(ch, piece, at, at + m->needle->len);
    if (in_is_block(ch, len))
        return in_block(ch, piece);
    return in_any(ch, piece, asynchat__match_from(m, piece, at, len));
}

static bool in_goes_on(const struct asynchat_channel *ch)
{
    return !ch->in.anew && channel_delivers(ch);
}

/* Steps through a piece, until it is done with or the evbuffer has changed
 * before it. */
static size_t in_piece(struct asynchat_channel *ch, const uint8_t *piece,
                       size_t len)
{
    size_t done = 0;
    uint32_t epoch = ch->in.epoch;
    ch->in.anew = false;
    ch->in.lent = true;
    while (done < len && (epoch == ch->in.epoch || in_goes_on(ch))) {
        size_t left = len - done;
        epoch = ch->in.epoch;
        done += in_step(ch, piece + done,
                        left < ch->in.piece ? left : ch->in.piece);
    }
    ch->in.lent = false;
    return done;
}

/* Over a bufferevent what came is counted as it is drained; what was put back has
 * been before. (What a socket received is counted at once.) */
static void in_count_received(struct channel_in *in, size_t len)
{
    size_t again = len < in->again ? len : in->again;
    in->again -= (uint32_t)again;
    in->received += len - again;
}

/* What is put back goes first. (Prepending a buffer cannot fail, and then have
 * added a part of it, as evbuffer_prepend can.) */
static void in_prepend(struct asynchat_channel *ch, struct evbuffer *held)
{
    if (!ch->transport.ops->is_socket)
        ch->in.again += (uint32_t)evbuffer_get_length(held);
    evbuffer_prepend_buffer(asynchat__transport_input(&ch->transport), held);
    evbuffer_free(held);
}

/* While a piece of the input is being delivered, it waits until the part that is
 * dealt with is gone. */
void asynchat__channel_in_put_back(struct asynchat_channel *ch,
                                   struct evbuffer *held)
{
    ch->in.anew = true;
    if (ch->in.lent || ch->in.draining)
        ch->in.aside = held;
    else
        in_prepend(ch, held);
}

/* References that came over a pair are released by this, and the callbacks may
 * call anything: whatever changes the evbuffer waits until it is done. */
static void in_drain(struct asynchat_channel *ch, size_t len)
{
    struct evbuffer *aside;
    if (!ch->transport.ops->is_socket)
        in_count_received(&ch->in, len);
    ch->in.draining = true;
    evbuffer_drain(asynchat__transport_input(&ch->transport), len);
    ch->in.draining = false;
    aside = ch->in.aside;
    if (aside) {
        ch->in.aside = NULL;
        in_prepend(ch, aside);
    }
}

/* Whether discard_buffers was called while the input could not be touched; and
 * does it now. */
static bool in_discarded(struct asynchat_channel *ch)
{
    struct evbuffer *input = asynchat__transport_input(&ch->transport);
    bool discarded = false;
    while (ch->in.discarded) {
        discarded = true;
        ch->in.discarded = false;
        ch->transport.received = 0;
        in_drain(ch, evbuffer_get_length(input));
    }
    return discarded;
}

/* What was just received is delivered from where it lies. It goes to the
 * evbuffer only behind what is there already, or if a callback put something
 * there, or paused. True: it did. */
static bool in_run_received(struct asynchat_channel *ch, struct evbuffer *input)
{
    const uint8_t *at = ch->transport.loop->received;
    bool anew = ch->in.anew;
    while (ch->transport.received > 0 && !anew && channel_delivers(ch)) {
        size_t left = ch->transport.received;
        size_t done = in_piece(ch, at, left);
        if (in_discarded(ch))
            return false;
        at += done;
        ch->transport.received = left - done;
        anew = ch->in.anew;
    }
    if (anew || (ch->transport.received > 0 && ch->in.paused)) {
        in_drain(ch, 0); /* what was put back comes first */
        if (evbuffer_add(input, at, ch->transport.received) < 0)
            ch->transport.ended = -ENOMEM;
    }
    ch->transport.received = 0;
    return anew;
}

bool asynchat__channel_in_waits(const struct asynchat_channel *ch)
{
    const struct channel_in *in = &ch->in;
    size_t arrived =
        evbuffer_get_length(asynchat__transport_input(&ch->transport));
    return in->paused && channel_receives(ch) &&
           (arrived > 0 || in->match.held > 0 || in->due || in->dropped > 0 ||
            (ch->handler->message && in->have > 0));
}

static void in_run_evbuffer(struct asynchat_channel *ch, struct evbuffer *input)
{
    struct evbuffer_iovec piece;
    while (channel_delivers(ch) && evbuffer_get_length(input) > 0) {
        evbuffer_peek(input, 1, NULL, &piece, 1);
        size_t done = in_piece(ch, piece.iov_base, piece.iov_len);
        if (!in_discarded(ch))
            in_drain(ch, done);
        in_discarded(ch);
    }
}

void asynchat__channel_in_run(struct asynchat_channel *ch)
{
    struct evbuffer *input = asynchat__transport_input(&ch->transport);
    ch->in.received += ch->transport.received;
    in_begin_turn(&ch->in);
    if (ch->in.due && channel_delivers(ch)) {
        ch->in.due = false;
        in_found(ch);
    }
    if (ch->transport.received == 0 || in_run_received(ch, input))
        in_run_evbuffer(ch, input);
    if (ch->in.have == 0)
        in_forget(ch);
    if (ch->state == CHANNEL_LINGERING)
        in_drain(ch, evbuffer_get_length(input));
}

/* No more can come to complete a terminator: what was held back is data; or, if
 * a callback sets another terminator now, is to be matched with that. */
int asynchat__channel_in_finish(struct asynchat_channel *ch)
{
    while (ch->in.match.held > 0 && channel_delivers(ch)) {
        in_release(ch, ch->in.match.held);
        asynchat__channel_in_run(ch);
    }
    bool ends = match_ends(&ch->in.match);
    int cut_off = ends && ch->in.fresh == 0;
    bool last = !ends && ch->handler->message && ch->in.have > 0;
    if ((ch->in.dropped > 0 || last) && channel_delivers(ch))
        in_found(ch);
    return cut_off;
}

/* While a callback has a pointer into the evbuffer, it is only marked. */
void asynchat__channel_in_discard(struct asynchat_channel *ch)
{
    ch->in.match.held = 0;
    ch->in.back = NULL;
    in_begin(&ch->in);
    ch->in.due = false;
    ch->in.epoch++;
    ch->in.anew = true;
    ch->in.discarded = true;
    if (ch->in.aside)
        evbuffer_free(ch->in.aside);
    ch->in.aside = NULL;
    if (!ch->in.lent && !ch->in.draining)
        in_discarded(ch);
}

/* --- sizes --- */

/* The transport reads no more than that, and an evbuffer that holds more is
 * delivered in such pieces. */
int asynchat_set_in_buffer_size(struct asynchat_channel *ch, size_t size)
{
    if (!ch || size == 0 || size > ASYNCHAT_BUFFER_SIZE_MAX)
        return -EINVAL;
    ch->in.piece = (uint32_t)size;
    if (!ch->rate || size < ch->transport.read_size)
        ch->transport.read_size = (unsigned)size;
    return 0;
}

size_t asynchat_get_in_buffer_size(const struct asynchat_channel *ch)
{
    return ch ? ch->in.piece : 0;
}

int asynchat_set_message_budget(struct asynchat_channel *ch, unsigned messages)
{
    if (!ch || messages == 0)
        return -EINVAL;
    int error = asynchat__channel_time_make(ch);
    if (error)
        return error;
    ch->in.budget = messages;
    in_begin_turn(&ch->in);
    return 0;
}

unsigned asynchat_get_message_budget(const struct asynchat_channel *ch)
{
    return ch ? ch->in.budget : 0;
}

int asynchat_set_message_limit(struct asynchat_channel *ch, size_t limit)
{
    if (!ch || limit == 0)
        return -EINVAL;
    ch->in.limit = limit < SIZE_MAX ? limit : UINT64_MAX;
    ch->in.fresh = ch->in.have == 0 ? limit : 0;
    return 0;
}

size_t asynchat_get_message_limit(const struct asynchat_channel *ch)
{
    return ch ? (size_t)ch->in.limit : 0;
}

size_t asynchat_get_collected(const struct asynchat_channel *ch,
                              const void **data)
{
    bool keeps = ch && ch->handler->message && ch->in.have > 0;
    if (data)
        *data = keeps ? ch->in.message.bytes : NULL;
    return keeps ? (size_t)ch->in.have : 0;
}
