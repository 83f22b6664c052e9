/* What framer.c and plan.c share: the message in progress, where its bytes come
 * from, and events about bytes that were held back.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_FRAMER_SAY_H
#define ASYNCHAT_SRC_FRAMER_SAY_H

#include <asynchat/error.h>

#include "framer/framer.h"

/* --- the message in progress --- */

/* How many bytes may still come of the message in progress. Without a limit
 * nothing is counted down, since a message may be longer than a size_t can
 * say. */
static inline size_t message_room(const struct framer *f)
{
    if (f->spoiled)
        return 0;
    if (f->limit == SIZE_MAX)
        return SIZE_MAX;
    return f->have < f->limit ? (size_t)(f->limit - f->have) : 0;
}

/* Bytes that reach over the limit are handed out in two parts, as if they had
 * come in two. The first part is within the limit, and the rest is too long.
 * Answers the length of the first part. */
static inline size_t message_part(const struct framer *f, size_t len)
{
    size_t room = message_room(f);
    return room > 0 && room < len ? room : len;
}

/* Whatever still comes of the message in progress is dropped. The first error
 * counts. */
static inline enum framer_event message_spoil(struct framer *f, int error)
{
    if (!f->spoiled)
        f->error = (int16_t)error;
    f->spoiled = true;
    f->fresh = 0;
    if (f->drops)
        return FRAMER_SILENT;
    return f->error == ASYNCHAT_ETOOLONG ? FRAMER_TOO_LONG : FRAMER_BAD;
}

/* Hands out bytes of the message in progress, or drops them if they are over
 * the limit, or the message is spoiled. */
static inline enum framer_event message_say(struct framer *f,
                                            struct framer_cursor *c,
                                            const uint8_t *data, size_t len,
                                            enum framer_event event)
{
    c->data = data;
    c->len = len;
    f->fresh = 0;
    if (message_room(f) > 0) {
        f->have += len;
        return event;
    }
    f->dropped += len;
    return message_spoil(f, ASYNCHAT_ETOOLONG);
}

/* --- where the bytes come from --- */

static inline const uint8_t *replay_bytes(const struct framer *f)
{
    if (f->replay_framing)
        return ((const struct asynchat_framing *)f->replay)->old;
    return needle_bytes(f->replay);
}

static inline const uint8_t *source(const struct framer *f,
                                    const struct framer_cursor *c, size_t *len)
{
    if (f->replay) {
        *len = f->to - f->from < f->piece ? f->to - f->from : f->piece;
        return replay_bytes(f) + f->from;
    }
    *len = (size_t)(c->end - c->at);
    return c->at;
}

static inline void source_take(struct framer *f, struct framer_cursor *c,
                               size_t len)
{
    if (f->replay)
        f->from += (uint32_t)len;
    else
        c->at += len;
}

/* --- bytes that were held back --- */

/* Hands out `len` of the bytes that were held back, or fewer, which are the
 * message's after all. They begin at *said in `bytes`. */
static inline enum framer_event say_held(struct framer *f,
                                         struct framer_cursor *c,
                                         const uint8_t *bytes, uint32_t *said,
                                         size_t len)
{
    if (message_room(f) > 0 && len > f->piece)
        len = f->piece;
    len = message_part(f, len);
    f->busy |= FRAMER_OTHER;
    bytes += *said;
    f->match.held -= (uint32_t)len;
    *said += (uint32_t)len;
    return message_say(f, c, bytes, len, FRAMER_DATA);
}

#endif
