/* The framer: bytes in, events out. It splits a stream into messages, and does
 * nothing else: it has no I/O, no callback and no event loop.
 *
 *     framer_feed(&cursor, bytes, len);
 *     while ((event = framer_next(f, &cursor)) != FRAMER_MORE)
 *         ...            // cursor.data, cursor.len: the bytes of the event
 *
 * Between two events the caller may do anything to the framer: set a
 * terminator, drop, or stop calling. The framer looks again at all input that
 * it has not handed out. This input has three parts, in this order:
 *
 * - the replay: bytes that were held back under an earlier terminator;
 * - the bytes that are held back under the terminator in force;
 * - the rest of the span that was fed.
 *
 * The framer keeps no copy of the input. Bytes that it holds back are the
 * beginning of a terminator, so a share in that terminator is all it needs.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_FRAMER_H
#define ASYNCHAT_SRC_FRAMER_H

#include "framer/match.h"

enum framer_event {
    FRAMER_MORE, /* there is no event: feed more */
    FRAMER_DATA, /* bytes of the message in progress */
    /* Bytes of the message in progress, which ends with them if framer_end()
     * agrees. */
    FRAMER_LAST,
    FRAMER_END,     /* the message is complete */
    FRAMER_DROPPED, /* the end of a message of which bytes were dropped */
    /* The stream has ended, and it has ended a message that nothing else would
     * have ended. */
    FRAMER_OVER,
    /* A message is longer than the limit, and the framer does not drop. */
    FRAMER_TOO_LONG,
    FRAMER_SILENT /* inside the framer: there is no event yet */
};

/* What the framer has to deal with before it looks at the span. */
enum {
    /* The end of a message was found. */
    FRAMER_FOUND = 1,
    /* Beside FOUND: framer_quick() has given LAST for a message that came
     * whole, and no byte of this message is counted. */
    FRAMER_QUICK = 2,
    /* A step was found, and a part of it was not handed out. */
    FRAMER_PLAN = 4,
    /* There is a replay, or something is lent, or the stream has ended. */
    FRAMER_OTHER = 8,
    /* The caller takes no events: see asynchat__framer_pause(). */
    FRAMER_PAUSED = 16
};

/* Whether more of the stream comes. */
enum framer_end {
    FRAMER_GOES_ON,
    FRAMER_ENDED,  /* the stream is over */
    FRAMER_CUT_OFF /* the stream is over, and a message was cut off */
};

/* What belongs to one turn of the caller: the span, and the last event. */
struct framer_cursor {
    const uint8_t *at, *end; /* the part of the span that was not handed out */
    const uint8_t *data;     /* the bytes of the last event */
    size_t len;              /* how many bytes the last event has */
    uint64_t total;          /* the length of the message that has ended */
    /* How many bytes of that message were handed out. */
    uint64_t kept;
    /* How far framer_quick() has searched the span in vain. */
    size_t looked;
    /* A step that was found, and is not all handed out. */
    struct match_step plan;
};

/* Invariants:
 *
 * - The bytes that are held back are `match.held` bytes of the terminator in
 *   force: with a plan from `said` on, otherwise from the beginning.
 * - The replay, if there is one, is the bytes `from` to `to` of its needle.
 *   Bytes that are held back meanwhile were the last to be taken from the
 *   replay.
 * - `fresh` is the limit while no byte of a message is counted, in `have` or
 *   `dropped`, and 0 later. */
struct framer {
    struct match match;
    /* How many bytes of the message in progress were handed out. */
    uint64_t have;
    /* How many bytes of the message in progress were dropped. They come behind
     * those that were handed out. */
    uint64_t dropped;
    /* The most bytes of a message; SIZE_MAX: there is no limit. */
    size_t limit;
    /* See the invariants. */
    size_t fresh;
    /* The terminator whose bytes are the replay; or NULL. */
    struct needle *replay;
    /* The terminator that the last event may point into; or NULL. */
    struct needle *lent;
    /* Where the replay begins and ends in its needle. */
    uint32_t from, to;
    /* With a plan: how many of the bytes that were held back were handed
     * out. */
    uint32_t said;
    /* With FOUND: how many bytes of the terminator are left in the source. */
    uint32_t ends;
    /* The most bytes of an event about bytes that were held back. The caller
     * also makes its spans of this size. */
    uint32_t piece;
    /* What is to be dealt with before the span: FRAMER_FOUND and the others. */
    uint8_t busy;
    /* Whether bytes over the limit are dropped, and the framer goes on. */
    bool drops;
    enum framer_end end : 8;
};

/* Gives the framer the next span of the stream. To be called when the last span
 * is used up, or was left. */
static inline void framer_feed(struct framer_cursor *c, const void *bytes,
                               size_t len)
{
    c->at = bytes;
    c->end = c->at + len;
}

/* The long way to the next event. */
enum framer_event asynchat__framer_step(struct framer *f,
                                        struct framer_cursor *c);

/* The short way to FRAMER_LAST, for the common case: a message that lies in the
 * span with its end. To be called only while nothing is `busy` and the span is
 * not empty. (For an empty message at - 1 wraps, and is too large.) */
static inline bool framer_quick(struct framer *f, struct framer_cursor *c)
{
    struct match *m = &f->match;
    size_t at, len = (size_t)(c->end - c->at);
    if (match_find(m, c->at, len, &at) && at - 1 < f->fresh) {
        f->ends = m->needle->len;
    } else if (m->kind == ASYNCHAT_LENGTH && m->left - 1 < len &&
               m->left <= f->fresh) {
        at = (size_t)m->left;
        m->left = 0;
        f->ends = 0;
    } else {
        c->looked = at;
        return false;
    }
    c->data = c->at;
    c->len = at;
    c->at += at;
    f->busy = FRAMER_FOUND | FRAMER_QUICK;
    return true;
}

/* Gives the next event. */
static inline enum framer_event framer_next(struct framer *f,
                                            struct framer_cursor *c)
{
    if (!f->busy && framer_quick(f, c))
        return FRAMER_LAST;
    return asynchat__framer_step(f, c);
}

/* After FRAMER_LAST: whether the bytes of this event are all of the message. */
static inline bool framer_is_whole(const struct framer *f,
                                   const struct framer_cursor *c)
{
    return (f->busy & FRAMER_QUICK) || f->have == c->len;
}

bool asynchat__framer_end(struct framer *f, struct framer_cursor *c);

/* The short way to the end after framer_quick(), if nothing has happened
 * since. */
static inline bool framer_quick_end(struct framer *f, struct framer_cursor *c)
{
    if (f->busy != (FRAMER_FOUND | FRAMER_QUICK))
        return false;
    c->at += f->ends;
    f->busy = 0;
    return true;
}

/* To be called after FRAMER_LAST. True: the message is complete, as FRAMER_END
 * would say. False: a string has not been found after all, since another
 * terminator was set meanwhile; or everything was dropped. A number that was
 * reached stays reached. */
static inline bool framer_end(struct framer *f, struct framer_cursor *c)
{
    return framer_quick_end(f, c) || asynchat__framer_end(f, c);
}

/* Makes a framer of memory that is all zero. Its terminator is none, and it has
 * no limit. */
void asynchat__framer_init(struct framer *f);
void asynchat__framer_free(struct framer *f);

/* Sets the terminator, which holds from the next byte that was not handed out:
 * see asynchat__match_set(). -ENOMEM, which only a string can cause, changes
 * nothing. */
int asynchat__framer_set(struct framer *f, struct framer_cursor *c,
                         struct needles *recent, enum asynchat_terminator kind,
                         const void *bytes, uint64_t len);

/* Sets the most bytes of a message. The limit holds for the message in
 * progress, too. */
void asynchat__framer_limit(struct framer *f, struct framer_cursor *c,
                            size_t limit, bool drops);

/* `on`: the caller takes no events from now on. The framer gives events in any
 * case. But a framer that is paused is `busy`, so the caller's loop has to look
 * at nothing but `busy`. */
void asynchat__framer_pause(struct framer *f, struct framer_cursor *c, bool on);

/* Sets the most bytes of an event. If the span in hand is longer it is cut, and
 * the caller feeds the rest of it again. */
void asynchat__framer_piece(struct framer *f, struct framer_cursor *c,
                            uint32_t piece);

/* Drops all input that was not handed out, and the message in progress. The
 * terminator stays. Within a turn, a number that was reached stays reached. */
void asynchat__framer_drop(struct framer *f, struct framer_cursor *c);

/* Ends the turn, whatever is left of the span. The next turn begins with the
 * bytes behind those that were handed out. Outside of a turn `c` is NULL in
 * every call. */
void asynchat__framer_leave(struct framer *f, struct framer_cursor *c);

/* Says that nothing more comes behind the span. Bytes that are held back are
 * data then, and a message that nothing else would end is over. */
void asynchat__framer_finish(struct framer *f);

/* Whether no byte of the next message has come, and no end of a message is
 * due. */
static inline bool framer_is_between(const struct framer *f)
{
    return f->fresh > 0 && f->match.held == 0 && !f->replay &&
           !(f->busy & FRAMER_FOUND);
}

/* How many bytes are held back, including those of the replay. */
static inline size_t framer_held(const struct framer *f)
{
    return f->match.held + (f->replay ? f->to - f->from : 0);
}

#endif
