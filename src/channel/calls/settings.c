/* The settings of a channel: its terminator, times, sizes and limits. The
 * program may change them from outside, or in a callback in the middle of the
 * input.
 *
 * Tested by tests/test_channel_in.c, tests/test_channel_out.c and
 * tests/test_channel_time.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "channel/object.h"

#include <errno.h>
#include <limits.h>

#include "base/table.h"
#include "channel/times.h"
#include "loop/loop.h"

/* Bytes that were held back under the old terminator may be due under the new
 * one without another byte. The delivery under way deals with them; if there is
 * none, the loop is asked for a turn. */
static int terminator_set(struct asynchat_channel *ch,
                          enum asynchat_terminator kind, const void *bytes,
                          uint64_t len)
{
    struct framer *f = &ch->in.framer;
    struct needles *recent = &ch->transport.loop->needles;
    int error =
        asynchat__framer_set(f, ch->in.cursor, recent, kind, bytes, len);
    if ((f->busy & FRAMER_OTHER) && !ch->in.cursor)
        ch->transport.ops->wake(&ch->transport);
    return error;
}

int asynchat_set_terminator(struct asynchat_channel *ch, const void *bytes,
                            size_t len)
{
    size_t most = bytes ? ASYNCHAT_TERMINATOR_MAX : 0;
    if (!ch || len > most)
        return -EINVAL;
    return terminator_set(ch, ASYNCHAT_STRING, bytes, len);
}

int asynchat_set_terminator_length(struct asynchat_channel *ch, uint64_t len)
{
    if (!ch || len > INT64_MAX)
        return -EINVAL;
    return terminator_set(ch, ASYNCHAT_LENGTH, NULL, len);
}

int asynchat_set_terminator_none(struct asynchat_channel *ch)
{
    if (!ch)
        return -EINVAL;
    return terminator_set(ch, ASYNCHAT_NONE, NULL, 0);
}

enum asynchat_terminator asynchat_get_terminator(
    const struct asynchat_channel *ch, const void **bytes, uint64_t *len)
{
    static const struct match none = {.kind = ASYNCHAT_NONE};
    const struct match *m = ch ? &ch->in.framer.match : &none;
    bool framing = m->kind == ASYNCHAT_FRAMING;
    if (bytes)
        *bytes = m->kind == ASYNCHAT_STRING && m->left > 0
                     ? needle_bytes(m->needle)
                     : NULL;
    if (len)
        *len = framing ? 0 : m->left;
    return m->kind;
}

/* --- times --- */

int asynchat_set_linger(struct asynchat_channel *ch, unsigned milliseconds)
{
    if (!ch || milliseconds == 0 || milliseconds > INT_MAX)
        return -EINVAL;
    ch->linger = milliseconds;
    if (ch->time) {
        ch->time->clocks.limit[CLOCK_LINGER] = milliseconds;
        asynchat__channel_time_changed(ch);
    }
    return 0;
}

unsigned asynchat_get_linger(const struct asynchat_channel *ch)
{
    return ch ? ch->linger : 0;
}

int asynchat_set_connect_time(struct asynchat_channel *ch,
                              unsigned milliseconds)
{
    if (!ch || milliseconds == 0 || milliseconds > INT_MAX)
        return -EINVAL;
    if (ch->state != CHANNEL_CONNECTING)
        return 0;
    return asynchat__channel_time_connect(ch, asynchat_get_base(ch),
                                          milliseconds);
}

unsigned asynchat_get_connect_time(const struct asynchat_channel *ch)
{
    bool connecting = ch && ch->state == CHANNEL_CONNECTING;
    return connecting && ch->time ? ch->time->clocks.limit[CLOCK_CONNECT] : 0;
}

int asynchat__timeouts_check(const struct asynchat_timeouts *times)
{
    int error = asynchat__table_check(
        times, TABLE_SIZE(struct asynchat_timeouts, rate_time), sizeof *times);
    if (error)
        return error;
    const unsigned all[] = {times->idle,    times->read_idle, times->write_idle,
                            times->message, times->min_rate,  times->rate_time};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i] > INT_MAX)
            return -EINVAL;
    return 0;
}

int asynchat_set_timeouts(struct asynchat_channel *ch,
                          const struct asynchat_timeouts *times)
{
    if (!ch || !times)
        return -EINVAL;
    int error = asynchat__timeouts_check(times);
    if (!error)
        error = asynchat__channel_time_make(ch);
    if (!error)
        asynchat__channel_time_limits(ch, times);
    return error;
}

/* --- sizes and limits of the input --- */

/* The transport reads at most `size` bytes at a time, and an evbuffer that
 * holds more is delivered in pieces of that size. */
int asynchat_set_in_buffer_size(struct asynchat_channel *ch, size_t size)
{
    if (!ch || size == 0 || size > ASYNCHAT_BUFFER_SIZE_MAX)
        return -EINVAL;
    asynchat__framer_piece(&ch->in.framer, ch->in.cursor, (uint32_t)size);
    if (!asynchat__channel_get_rate(ch) || size < ch->transport.read_size)
        ch->transport.read_size = (unsigned)size;
    return 0;
}

size_t asynchat_get_in_buffer_size(const struct asynchat_channel *ch)
{
    return ch ? ch->in.framer.piece : 0;
}

int asynchat_set_quick_ack(struct asynchat_channel *ch, int on)
{
    if (!ch || (on != 0 && on != 1))
        return -EINVAL;
    ch->transport.quick = on;
    if (ch->transport.ops->quick)
        ch->transport.ops->quick(&ch->transport);
    return 0;
}

int asynchat_get_quick_ack(const struct asynchat_channel *ch)
{
    return ch ? ch->transport.quick : 0;
}

int asynchat_set_message_budget(struct asynchat_channel *ch, unsigned messages)
{
    if (!ch || messages == 0)
        return -EINVAL;
    int error = asynchat__channel_time_make(ch);
    if (error)
        return error;
    ch->in.budget = messages;
    channel_in_begin_turn(&ch->in);
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
    struct framer *f = &ch->in.framer;
    asynchat__framer_limit(f, ch->in.cursor, limit, f->drops);
    ch->limited = true;
    return 0;
}

size_t asynchat_get_message_limit(const struct asynchat_channel *ch)
{
    return ch ? ch->in.framer.limit : 0;
}

size_t asynchat_get_collected(const struct asynchat_channel *ch,
                              const void **data)
{
    bool whole = ch && ch->handler->message;
    size_t kept = whole ? channel_in_kept(&ch->in) : 0;
    if (data)
        *data = kept > 0 ? channel_in_kept_bytes(&ch->in) : NULL;
    return kept;
}

/* --- sizes and limits of the output --- */

int asynchat_set_out_buffer_size(struct asynchat_channel *ch, size_t size)
{
    if (!ch || size == 0 || size > ASYNCHAT_BUFFER_SIZE_MAX)
        return -EINVAL;
    ch->out.chunk = (uint32_t)size;
    return 0;
}

size_t asynchat_get_out_buffer_size(const struct asynchat_channel *ch)
{
    return ch ? ch->out.chunk : 0;
}

int asynchat_set_output_marks(struct asynchat_channel *ch, size_t low,
                              size_t high)
{
    if (!ch || low >= high)
        return -EINVAL;
    ch->out.marks.low = low;
    ch->out.marks.high = high;
    asynchat__channel_wake(ch);
    return 0;
}

int asynchat_set_output_limit(struct asynchat_channel *ch, size_t limit)
{
    if (!ch || limit == 0)
        return -EINVAL;
    ch->out.limit = limit;
    asynchat__channel_out_room(ch);
    return 0;
}

size_t asynchat_get_output_limit(const struct asynchat_channel *ch)
{
    return ch ? ch->out.limit : 0;
}
