/* Setting the terminator: from outside, or in a callback in the middle of the
 * input.
 *
 * Bytes that are held back were matched with the old one and are in no evbuffer
 * any more. They go back to its front, where the new one finds them.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "channel.h"

#include <errno.h>

#include <event2/buffer.h>

#include "apart.h"
#include "loop.h"

/* What is held back, or is just being given back, in an evbuffer; NULL for want
 * of memory. */
static struct evbuffer *terminator_held(const struct channel_in *in)
{
    struct evbuffer *held = evbuffer_new();
    const uint8_t *bytes = in->back ? in->back : needle_bytes(in->match.needle);
    size_t len = in->back ? in->back_len : in->match.held;
    if (held && evbuffer_add(held, bytes, len) == 0)
        return held;
    if (held)
        evbuffer_free(held);
    return NULL;
}

/* To the front of the input, to be matched again, from the loop if not in the
 * delivery that is under way. (The input may have a callback of the program's.) */
static void terminator_put_back(struct asynchat_channel *ch,
                                struct evbuffer *held)
{
    if (!ch->in.lent)
        ch->transport.ops->wake(&ch->transport);
    bool running = channel_keep(ch);
    asynchat__channel_in_put_back(ch, held);
    asynchat__channel_let_go(ch, running);
}

bool asynchat__channel_put_back(struct asynchat_channel *ch)
{
    struct evbuffer *held = terminator_held(&ch->in);
    if (!held)
        return false;
    ch->in.epoch++;
    ch->in.back = NULL;
    ch->in.match.held = 0;
    terminator_put_back(ch, held);
    return true;
}

static int terminator_set_new(struct asynchat_channel *ch,
                              enum asynchat_terminator kind, const void *bytes,
                              uint64_t len)
{
    struct needles *recent = &ch->transport.loop->needles;
    int error = asynchat__match_set(&ch->in.match, recent, kind, bytes, len);
    if (!error)
        ch->in.epoch++;
    return error;
}

/* Bytes held back under the old terminator are looked at under the new one. */
static APART int terminator_set_anew(struct asynchat_channel *ch,
                                     enum asynchat_terminator kind,
                                     const void *bytes, uint64_t len)
{
    struct match *m = &ch->in.match;
    struct evbuffer *held = terminator_held(&ch->in);
    if (!held)
        return -ENOMEM;
    int error = terminator_set_new(ch, kind, bytes, len);
    if (error) {
        evbuffer_free(held);
        return error;
    }
    ch->in.back = NULL;
    m->held = 0;
    terminator_put_back(ch, held);
    return 0;
}

static int terminator_set(struct asynchat_channel *ch,
                          enum asynchat_terminator kind, const void *bytes,
                          uint64_t len)
{
    if (ch->in.match.held > 0 || (ch->in.back && ch->in.back_len > 0))
        return terminator_set_anew(ch, kind, bytes, len);
    return terminator_set_new(ch, kind, bytes, len);
}

/* With the string that is in force already, what is held back would be matched to
 * the same end: nothing has changed. (A number begins anew.) */
static APART int terminator_set_next(struct asynchat_channel *ch,
                                     const void *bytes, size_t len)
{
    return match_is(&ch->in.match, bytes, len)
               ? 0
               : terminator_set(ch, ASYNCHAT_STRING, bytes, len);
}

int asynchat_set_terminator(struct asynchat_channel *ch, const void *bytes,
                            size_t len)
{
    size_t most = bytes ? ASYNCHAT_TERMINATOR_MAX : 0;
    if (!ch || len > most)
        return -EINVAL;
    if (ch->in.match.kind == ASYNCHAT_STRING)
        return terminator_set_next(ch, bytes, len);
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
    const struct match *m = ch ? &ch->in.match : &none;
    if (bytes)
        *bytes = m->kind == ASYNCHAT_STRING && m->left > 0
                     ? needle_bytes(m->needle)
                     : NULL;
    if (len)
        *len = m->left;
    return m->kind;
}
