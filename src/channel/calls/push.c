/* Pushing: bytes and producers that the program gives go behind those that are
 * queued already, and are sent at the end of the wake-up. A push begins no
 * wake-up itself: outside of one, it asks the loop for one.
 *
 * Tested by tests/test_channel_out.c and tests/test_hooks.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "channel/calls/push.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <asynchat/block.h>
#include <asynchat/error.h>
#include <asynchat/producer.h>

#include "base/apart.h"
#include "base/memory.h"
#include "channel/proxied.h"
#include "loop/loop.h"
#include "output/block.h"
#include "output/producer.h"

int asynchat__push_failed(struct asynchat_channel *ch, int error)
{
    channel_out_busy(ch);
    ch->transport.broken = error;
    asynchat__channel_wake(ch);
    return error;
}

/* Whether there is room for `len` more bytes. The size of the queue with them,
 * and with the chunk that a producer adds, must fit into a size_t. Bytes pushed
 * by reference need no memory, so on 32 bits a program without an output limit
 * can come to that. */
static bool push_has_room(const struct asynchat_channel *ch, size_t len)
{
    uint64_t queued = asynchat_get_queued(ch);
    return queued <= ch->out.limit && queued + len <= PTRDIFF_MAX;
}

int asynchat__push_refused(struct asynchat_channel *ch, size_t len)
{
    if (ch->state != CHANNEL_CONNECTING && !channel_sends(ch))
        return ASYNCHAT_ECLOSED;
    if (channel_out_gap(ch))
        return ch->transport.broken;
    return push_has_room(ch, len) ? 0
                                  : asynchat__push_failed(ch, ASYNCHAT_EFULL);
}

/* 0: `len` bytes may be pushed, and will be sent. Otherwise the error of the
 * push. */
static int push_refused(struct asynchat_channel *ch, size_t len)
{
    return ch->out.queue.ends ? ASYNCHAT_ECLOSED
                              : asynchat__push_refused(ch, len);
}

static int push_no_memory(struct asynchat_channel *ch)
{
    if (push_refused(ch, 0) == 0)
        asynchat__push_failed(ch, -ENOMEM);
    return -ENOMEM;
}

/* Notes whether handle_drained is due when the queue and `len` more bytes are
 * sent. */
static void push_count(struct asynchat_channel *ch, size_t len)
{
    if (ch->handler->handle_drained)
        marks_push(&ch->out.marks, asynchat_get_queued(ch) + len);
}

/* Output that is pushed during a wake-up is sent at its end. Outside of one, a
 * push asks for a wake-up, in which all pushes until then are sent together. */
static void push_done(struct asynchat_channel *ch)
{
    if (ch->joined)
        asynchat__channel_press(ch);
    asynchat__channel_wake(ch);
}

/* Sends a push at once that is too long for the loop's buffer, if nothing has
 * to go before it. The bytes that the system takes then need not be copied.
 * Answers how many it took. */
static size_t push_now(struct asynchat_channel *ch, const void *data,
                       size_t len)
{
    const struct transport *t = &ch->transport;
    if (ch->out.way == WAY_LONG || t->broken || !t->ops->send_now ||
        len < LOOP_BUFFER)
        return 0;
    return asynchat__channel_out_now(ch, data, len);
}

static int push_add(struct evbuffer *target, const struct pushed *what,
                    size_t sent)
{
    if (what->buffer)
        return evbuffer_add_buffer(target, what->buffer);
    if (what->shared)
        return evbuffer_add_reference(target, what->data, what->len,
                                      what->release, what->arg);
    return evbuffer_add(target, (const char *)what->data + sent,
                        what->len - sent);
}

static void push_tell(struct asynchat_channel *ch, struct evbuffer *target,
                      size_t from, const struct pushed *what)
{
    if (ch->transcript && what->buffer)
        asynchat__transcript_added(ch, target, from, what->len);
    else if (ch->transcript)
        asynchat__transcript_sent(ch, what->data, what->len);
}

/* Adds the bytes of a push at the end of the evbuffer. The callbacks of the
 * evbuffer, and those of an evbuffer of the program, run meanwhile, so the
 * bytes are counted before. -1: nothing was added, and no callback has run. */
static int push_to(struct asynchat_channel *ch, struct evbuffer *target,
                   const struct pushed *what, size_t sent)
{
    bool queued = target != ch->transport.output;
    size_t len = what->len - sent, from = evbuffer_get_length(target);
    size_t left = asynchat__transport_left(&ch->transport) + (queued ? 0 : len);
    struct transport_lending before = asynchat__channel_out_lend(ch, left);
    ch->out.queue.size += queued ? len : 0;
    int added = push_add(target, what, sent);
    if (added == 0)
        push_tell(ch, target, from, what);
    else
        ch->out.queue.size -= queued ? len : 0;
    asynchat__channel_out_take_back(ch, before);
    return added;
}

int asynchat__push_part(struct asynchat_channel *ch, struct evbuffer *target,
                        const struct pushed *what)
{
    enum marks_level level = ch->out.marks.level;
    int error = asynchat__push_refused(ch, what->len);
    if (error)
        return error;
    push_count(ch, what->len);
    if (push_to(ch, target, what, 0) == 0) {
        push_done(ch);
        return 0;
    }
    ch->out.marks.level = level;
    return asynchat__push_failed(ch, -ENOMEM);
}

/* The evbuffer for bytes that are to be sent last; NULL: there is no memory. */
static struct evbuffer *push_target(struct asynchat_channel *ch)
{
    channel_out_busy(ch);
    if (ch->out.queue.block && asynchat__channel_out_unblock(ch) < 0)
        return NULL;
    if (ch->out.queue.first || ch->transport.hold != OUTPUT_FREE ||
        (ch->in.paused & PAUSE_BORDER))
        return asynchat__outq_bytes(&ch->out.queue);
    return ch->transport.output;
}

/* Pushes bytes behind all others. -EINVAL: the bytes of an evbuffer cannot be
 * taken, since the program has frozen it. */
static int push_last(struct asynchat_channel *ch, const struct pushed *what)
{
    enum marks_level level = ch->out.marks.level;
    bool copied = !what->buffer && !what->shared;
    push_count(ch, what->len);
    size_t sent = copied ? push_now(ch, what->data, what->len) : 0;
    struct evbuffer *target = push_target(ch);
    if (target && push_to(ch, target, what, sent) == 0) {
        push_done(ch);
        return 0;
    }
    ch->out.marks.level = level;
    return target && what->buffer ? -EINVAL
                                  : asynchat__push_failed(ch, -ENOMEM);
}

/* Every push ends here, except pushes of producers and those that take the
 * short way. */
static int push_pushed(struct asynchat_channel *ch, const struct pushed *what)
{
    int error = push_refused(ch, what->len);
    if (error || what->len == 0)
        return error;
    bool running = channel_keep(ch);
    error = push_last(ch, what);
    asynchat__channel_let_go(ch, running);
    return error;
}

static APART int push_bytes(struct asynchat_channel *ch, const void *data,
                            size_t len)
{
    if (!ch || (!data && len > 0) || len > PTRDIFF_MAX)
        return -EINVAL;
    return push_pushed(ch, &(struct pushed){.data = data, .len = len});
}

/* The short way is open while everything that the long way asks is known to be
 * in order. (A length of 0 does not take it: 0 - 1 is more than any room.) The
 * copy comes last, when nothing else is needed any more, so no registers are
 * saved. */
int asynchat_push(struct asynchat_channel *ch, const void *data, size_t len)
{
    if (!ch || !data || ch->out.way != WAY_OPEN ||
        len - 1 >= ch->transport.room - ch->transport.pushed)
        return push_bytes(ch, data, len);
    uint8_t *to = ch->transport.loop->pushed + ch->transport.pushed;
    ch->transport.pushed += (uint32_t)len;
    memcpy(to, data, len);
    return 0;
}

/* --- formatted as by printf --- */

#define TEXT_MOST 512 /* a text shorter than this is made on the stack */

/* Answers why vsnprintf has failed, which may be for want of memory too. */
static int push_no_text(struct asynchat_channel *ch)
{
    if (errno == ENOMEM)
        return push_no_memory(ch);
    return errno > 0 ? -errno : -EINVAL;
}

/* Formats a text that is too long for the stack. The second time the text may
 * come out shorter. %m stands for the error of the caller. */
static int push_long_text(struct asynchat_channel *ch, const char *format,
                          va_list args, size_t len, int error)
{
    char *text = asynchat__malloc(len + 1);
    if (!text)
        return push_no_memory(ch);
    errno = error;
    int made = vsnprintf(text, len + 1, format, args);
    if (made >= 0 && (size_t)made < len)
        len = (size_t)made;
    error = made < 0 ? push_no_text(ch) : asynchat_push(ch, text, len);
    asynchat__free(text);
    return error;
}

int asynchat_push_vprintf(struct asynchat_channel *ch, const char *format,
                          va_list args)
{
    char text[TEXT_MOST];
    va_list again;
    int error = errno;
    if (!ch || !format)
        return -EINVAL;
    va_copy(again, args);
    int len = vsnprintf(text, sizeof text, format, args);
    if (len < 0)
        error = push_no_text(ch);
    else if ((size_t)len < sizeof text)
        error = asynchat_push(ch, text, (size_t)len);
    else
        error = push_long_text(ch, format, again, (size_t)len, error);
    va_end(again);
    return error;
}

int asynchat_push_printf(struct asynchat_channel *ch, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int error = asynchat_push_vprintf(ch, format, args);
    va_end(args);
    return error;
}

/* --- without a copy --- */

static int push_reference(struct asynchat_channel *ch, const void *data,
                          size_t len, evbuffer_ref_cleanup_cb release,
                          void *arg)
{
    struct pushed what = {data, len, NULL, true, release, arg};
    if (!ch || !data || len > PTRDIFF_MAX)
        return -EINVAL;
    return push_pushed(ch, &what);
}

/* `release` is called in every case. This function calls it in those cases in
 * which libevent never got the bytes. */
int asynchat_push_reference(
    struct asynchat_channel *ch, const void *data, size_t len,
    void (*release)(const void *data, size_t len, void *arg), void *arg)
{
    int error = len > 0 ? push_reference(ch, data, len, release, arg)
                        : asynchat_push(ch, data, len);
    if (release && (error || len == 0))
        release(data, len, arg);
    return error;
}

int asynchat_push_evbuffer(struct asynchat_channel *ch, struct evbuffer *buffer)
{
    if (!ch || !buffer)
        return -EINVAL;
    struct pushed what = {.len = evbuffer_get_length(buffer), .buffer = buffer};
    return push_pushed(ch, &what);
}

/* --- a block --- */

/* Whether a block can wait where it lies: nothing has to go before it, nobody
 * looks at it, and the transport can send it from there. In a wake-up of its
 * channel a short block is better copied together with other pushes. */
static bool push_can_lie(const struct asynchat_channel *ch, size_t len)
{
    const struct transport *t = &ch->transport;
    return (ch->out.way == WAY_SHORT ||
            (ch->out.way == WAY_OPEN && len >= BLOCK_LEAST)) &&
           t->pushed == 0 && t->ops->send_now;
}

/* Nothing is refused here: the way would be long. */
static int push_lying(struct asynchat_channel *ch, struct asynchat_block *block)
{
    if (block->len == 0)
        return 0;
    push_count(ch, block->len);
    channel_out_busy(ch);
    asynchat__outq_block(&ch->out.queue, block);
    push_done(ch);
    return 0;
}

/* `release` is called by libevent only if it gets the bytes. */
static int push_block(struct asynchat_channel *ch, struct asynchat_block *block)
{
    asynchat__block_share(block);
    int error = push_reference(ch, block->bytes, block->len,
                               asynchat__block_sent, block);
    if (error)
        asynchat_block_free(block);
    return error;
}

int asynchat_push_shared(struct asynchat_channel *ch,
                         struct asynchat_block *block)
{
    if (!ch || !block)
        return -EINVAL;
    if (push_can_lie(ch, block->len))
        return push_lying(ch, block);
    return block->len < BLOCK_LEAST
               ? asynchat_push(ch, block->bytes, block->len)
               : push_block(ch, block);
}

/* --- producers --- */

int asynchat_push_producer(struct asynchat_channel *ch,
                           struct asynchat_producer *producer)
{
    if (!producer)
        return ch ? push_no_memory(ch) : -ENOMEM;
    int error = ch ? push_refused(ch, OUTQ_PRODUCER_SIZE) : -EINVAL;
    if (!error)
        error = producer->error;
    if (!error && asynchat__outq_producer(&ch->out.queue, producer) < 0)
        error = asynchat__push_failed(ch, -ENOMEM);
    if (error) {
        asynchat_producer_free(producer);
        return error;
    }
    channel_out_busy(ch);
    push_count(ch, 0);
    push_done(ch);
    return 0;
}

/* --- resuming a producer, and discarding --- */

void asynchat_resume_producer(struct asynchat_channel *ch)
{
    if (ch && asynchat__outq_resume(&ch->out.queue))
        asynchat__channel_wake(ch);
}

void asynchat_discard_buffers(struct asynchat_channel *ch)
{
    if (!ch || ch->state >= CHANNEL_ENDED)
        return;
    /* Release callbacks, also those of references in the input, may push: what
     * they push stays. */
    bool running = channel_keep(ch);
    if (ch->state == CHANNEL_OPEN || ch->half == HALF_KEPT)
        asynchat__channel_linger_stop(ch);
    if (ch->half == HALF_STAGES)
        asynchat__channel_halve(ch, HALF_NEITHER);
    if (ch->leave == LEAVE_BETWEEN)
        asynchat__channel_take_leave(ch, LEAVE_NOT);
    asynchat__channel_resume(ch, PAUSE_CLOSE);
    asynchat__channel_out_discard(ch);
    asynchat__channel_in_discard(ch);
    if (ch->proxy)
        ch->proxy->behind = 0;
    asynchat__channel_let_go(ch, running);
}
