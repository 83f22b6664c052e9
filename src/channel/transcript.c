/* The transcript: a table of our callbacks takes the place of the handler.
 * These callbacks tell the transcript, and call the handler's own. Pushes take
 * the long way, which tells the transcript too. So a channel without a
 * transcript does no work for it.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/transcript.h>

#include <errno.h>

#include <event2/buffer.h>

#include "base/handler.h"
#include "base/memory.h"
#include "base/table.h"
#include "channel/object.h"

/* A transcript that was made stays until the channel is freed, since its
 * callbacks may be running. */
struct channel_transcript {
    struct asynchat_handler ours;
    struct asynchat_handler theirs;
    /* The program's own table, which `theirs` is a copy of. */
    const struct asynchat_handler *handler;
    void (*tell)(struct asynchat_channel *ch, enum asynchat_transcript what,
                 const void *data, size_t len, void *arg);
    void *arg;
    bool secret;
};

/* --- telling --- */

static void transcribe(struct asynchat_channel *ch,
                       enum asynchat_transcript what, const void *data,
                       size_t len)
{
    const struct channel_transcript *t = ch->transcript;
    if (t->tell)
        t->tell(ch, what, t->secret ? NULL : data, len, t->arg);
}

void asynchat__transcript_sent(struct asynchat_channel *ch, const void *data,
                               size_t len)
{
    if (len > 0)
        transcribe(ch, ASYNCHAT_TRANSCRIPT_SENT, data, len);
}

void asynchat__transcript_added(struct asynchat_channel *ch,
                                struct evbuffer *buffer, size_t from,
                                size_t len)
{
    struct evbuffer_iovec piece;
    struct evbuffer_ptr at;
    for (size_t told = 0; told < len; told += piece.iov_len) {
        evbuffer_ptr_set(buffer, &at, from + told, EVBUFFER_PTR_SET);
        evbuffer_peek(buffer, -1, &at, &piece, 1);
        if (piece.iov_len > len - told)
            piece.iov_len = len - told; /* `tell` has pushed more */
        asynchat__transcript_sent(ch, piece.iov_base, piece.iov_len);
    }
}

/* --- the callbacks that take the place of the handler's ---
 * Each looks at the handler first: `tell` may set another one, which is for the
 * next event. */

/* Tells the transcript of input. False: `tell` has ended the channel, and the
 * handler gets nothing. */
static bool tell_received(struct asynchat_channel *ch,
                          enum asynchat_transcript what, const void *data,
                          size_t len)
{
    transcribe(ch, what, data, len);
    return channel_receives(ch);
}

static void tell_data(struct asynchat_channel *ch, const void *data, size_t len,
                      void *arg)
{
    const struct asynchat_handler theirs = ch->transcript->theirs;
    if (tell_received(ch, ASYNCHAT_TRANSCRIPT_RECEIVED, data, len) &&
        theirs.collect_incoming_data)
        theirs.collect_incoming_data(ch, data, len, arg);
}

static void tell_found(struct asynchat_channel *ch, void *arg)
{
    const struct asynchat_handler theirs = ch->transcript->theirs;
    if (tell_received(ch, ASYNCHAT_TRANSCRIPT_FOUND, NULL, 0) &&
        theirs.found_terminator)
        theirs.found_terminator(ch, arg);
}

static void tell_message(struct asynchat_channel *ch, const void *data,
                         size_t len, void *arg)
{
    const struct asynchat_handler theirs = ch->transcript->theirs;
    bool told =
        len == 0 || tell_received(ch, ASYNCHAT_TRANSCRIPT_RECEIVED, data, len);
    if (told && tell_received(ch, ASYNCHAT_TRANSCRIPT_FOUND, NULL, 0))
        theirs.message(ch, data, len, arg);
}

static void tell_dropped(struct asynchat_channel *ch, const void *data,
                         size_t len, uint64_t total, void *arg)
{
    const struct asynchat_handler theirs = ch->transcript->theirs;
    size_t told = total < SIZE_MAX ? (size_t)total : SIZE_MAX;
    if (tell_received(ch, ASYNCHAT_TRANSCRIPT_FOUND, NULL, told))
        theirs.message_dropped(ch, data, len, total, arg);
}

/* --- making --- */

static void transcript_take(struct channel_transcript *t,
                            const struct asynchat_handler *handler)
{
    t->handler = handler;
    asynchat__table_copy(&t->theirs, handler, sizeof t->theirs);
    t->ours = t->theirs;
    if (t->theirs.message) {
        t->ours.message = tell_message;
    } else {
        t->ours.collect_incoming_data = tell_data;
        t->ours.found_terminator = tell_found;
    }
    if (t->theirs.message_dropped)
        t->ours.message_dropped = tell_dropped;
}

static int transcript_make(struct asynchat_channel *ch)
{
    if (ch->transcript)
        return 0;
    struct channel_transcript *t = asynchat__calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    transcript_take(t, ch->handler);
    ch->transcript = t;
    return 0;
}

const struct asynchat_handler *asynchat__transcript_follow(
    struct channel_transcript *t, const struct asynchat_handler *handler)
{
    transcript_take(t, handler);
    return t->tell ? &t->ours : handler;
}

const struct asynchat_handler *asynchat__transcript_handler(
    const struct channel_transcript *t)
{
    return t->handler;
}

void asynchat__transcript_free(struct channel_transcript *t)
{
    asynchat__free(t);
}

int asynchat_set_transcript(struct asynchat_channel *ch,
                            void (*tell)(struct asynchat_channel *ch,
                                         enum asynchat_transcript what,
                                         const void *data, size_t len,
                                         void *arg),
                            void *arg)
{
    int error = !ch ? -EINVAL : transcript_make(ch);
    if (error)
        return error;
    struct channel_transcript *t = ch->transcript;
    t->tell = tell;
    t->arg = arg;
    ch->handler = tell ? &t->ours : t->handler;
    channel_out_busy(ch);
    return 0;
}

void asynchat_set_secret(struct asynchat_channel *ch, int secret)
{
    if (ch && ch->transcript)
        ch->transcript->secret = secret != 0;
}
