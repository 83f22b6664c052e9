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
 * beginning of a terminator, or lie in a framing, so a share in that terminator
 * or framing is all it needs.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_FRAMER_H
#define ASYNCHAT_SRC_FRAMER_H

#include "framer/framing.h"
#include "framer/match.h"

enum framer_event {
    FRAMER_MORE, /* there is no event: feed more */
    FRAMER_DATA, /* bytes of the message in progress */
    /* Bytes of the message in progress, which ends with them if framer_end()
     * agrees. */
    FRAMER_LAST,
    /* The same, for a message that lies in the span with its end. */
    FRAMER_WHOLE,
    FRAMER_END,     /* the message is complete */
    FRAMER_DROPPED, /* the end of a message of which bytes were dropped */
    /* The stream has ended, and it has ended a message that nothing else would
     * have ended. */
    FRAMER_OVER,
    /* A message is longer than the limit, and the framer does not drop. */
    FRAMER_TOO_LONG,
    /* The framing of a message is broken, by `error`, and the framer does not
     * drop. */
    FRAMER_BAD,
    /* The next event is the end of a second block of 0 bytes, with no byte
     * between the two: the caller ends its turn, so that nobody starves. */
    FRAMER_REST,
    FRAMER_SILENT /* inside the framer: there is no event yet */
};

/* What the framer has to deal with before it looks at the span. */
enum {
    /* The end of a message was found. */
    FRAMER_FOUND = 1,
    /* Beside FOUND: a message that came whole was given by a short way, and no
     * byte of this message is counted. */
    FRAMER_QUICK = 2,
    /* A step was found, and a part of it was not handed out. */
    FRAMER_PLAN = 4,
    /* There is a replay, or something is lent, or the stream has ended. */
    FRAMER_OTHER = 8,
    /* The caller takes no events: see asynchat__framer_pause(). */
    FRAMER_PAUSED = 16,
    /* `ends` bytes of the stream are passed over, as they come. */
    FRAMER_PASS = 32,
    /* A block of 0 bytes was set: the message ends before another byte. */
    FRAMER_EMPTY = 64,
    /* The last event was the end of a block of 0 bytes. */
    FRAMER_EMPTIED = 128,
    /* The caller has something to do before the next event. The framer does not
     * look at this; but it forgets it when everything is dropped. */
    FRAMER_ASIDE = 256,
    /* What is to be dealt with before the terminator. */
    FRAMER_DUE = FRAMER_FOUND | FRAMER_OTHER | FRAMER_PASS | FRAMER_EMPTY |
                 FRAMER_EMPTIED,
    /* With one of these the framer is not between messages. */
    FRAMER_WITHIN = FRAMER_FOUND | FRAMER_PLAN | FRAMER_PASS | FRAMER_EMPTY
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
    /* A step that was found, and is not all handed out; a framing has its
     * own. */
    struct match_step plan;
    /* With this plan: how many of the bytes that were held back were handed
     * out. */
    uint32_t said;
};

/* Invariants:
 *
 * - The bytes that are held back are `match.held` bytes of the terminator in
 *   force: with a plan from its `said` on, otherwise from the beginning. Those
 *   of a framing are bytes of its `old`, always from its `said` on.
 * - The replay, if there is one, is the bytes `from` to `to` of its needle, or
 *   of the `old` of its framing. Bytes that are held back meanwhile were the
 *   last to be taken from the replay.
 * - `fresh` is the limit while no byte of a message is counted, in `have` or
 *   `dropped`, and the message is not `spoiled`; and 0 later.
 * - There is a `framing` exactly while the kind of `match` is FRAMING.
 * - The plan of a string, a number or none ends with the turn. The plan of a
 *   framing stays. */
struct framer {
    struct match match;
    struct asynchat_framing *framing;
    /* How many bytes of the message in progress were handed out. */
    uint64_t have;
    /* How many bytes of the message in progress were dropped. They come behind
     * those that were handed out. */
    uint64_t dropped;
    /* The most bytes of a message; SIZE_MAX: there is no limit. */
    size_t limit;
    /* See the invariants. */
    size_t fresh;
    /* The needle, or the framing, whose bytes are the replay; or NULL. */
    void *replay;
    /* The needle, or the framing, that the last event may point into; or
     * NULL. */
    void *lent;
    /* With FOUND: how many bytes of the terminator are left in the source. With
     * PASS: how many bytes are still passed over. With both, FOUND has none. */
    uint64_t ends;
    /* Where the replay begins and ends. */
    uint32_t from, to;
    /* The most bytes of an event about bytes that were held back. The caller
     * also makes its spans of this size. */
    uint32_t piece;
    /* Why the message in progress is spoiled, or else why the last one that was
     * dropped was; 0: there was none. */
    int16_t error;
    /* What is to be dealt with before the span: FRAMER_FOUND and the others. */
    uint16_t busy;
    /* Whether bytes over the limit, and what a framing finds bad, are dropped,
     * and the framer goes on. */
    bool drops : 1;
    /* Whatever still comes of the message in progress is dropped. */
    bool spoiled : 1;
    /* Whether `replay` and `lent` are framings. */
    bool replay_framing : 1, lent_framing : 1;
    /* The terminator is a block or a framing, so that the end of the stream may
     * cut a message off of which no byte has come. */
    bool asked : 1;
    enum framer_end end : 2;
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

/* A whole message of the framing, and its end: the cursor is behind them. To be
 * called under the same conditions, if there is a framing. A message that is
 * over the limit goes the long way. */
static inline bool framer_take_framed(struct framer *f, struct framer_cursor *c)
{
    struct asynchat_framing *framing = f->framing;
    const uint8_t *next;
    if (framing->amid || !framing->ops->find || f->fresh == 0)
        return false;
    struct framing_whole whole =
        framing->ops->find(framing, c->at, (size_t)(c->end - c->at), &next);
    if (!whole.data || whole.len > f->fresh)
        return false;
    c->data = whole.data;
    c->len = whole.len;
    c->at = next;
    return true;
}

/* The same for FRAMER_WHOLE: only the bytes of the message are taken, and its
 * end is due. A message without bytes goes the long way, too. */
static inline bool framer_quick_framing(struct framer *f,
                                        struct framer_cursor *c)
{
    const uint8_t *at = c->at;
    if (!framer_take_framed(f, c))
        return false;
    if (c->len == 0) {
        c->at = at;
        return false;
    }
    f->ends = (size_t)(c->at - c->data) - c->len;
    c->at = c->data + c->len;
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

/* After FRAMER_LAST or FRAMER_WHOLE: whether the bytes of this event are all of
 * the message. */
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

/* To be called after FRAMER_LAST or FRAMER_WHOLE. True: the message is
 * complete, as FRAMER_END would say. False: a string has not been found after
 * all, since another terminator was set meanwhile; or everything was dropped. A
 * number that was reached stays reached. */
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

/* The same for a framing, which is taken: its share goes to the framer. */
void asynchat__framer_set_framing(struct framer *f, struct framer_cursor *c,
                                  struct asynchat_framing *framing);

/* The same for a block: the message ends after `len` bytes. A block of 0 bytes
 * is FRAMER_END without another byte. */
void asynchat__framer_set_block(struct framer *f, struct framer_cursor *c,
                                uint64_t len);

/* Passes over the next `len` bytes that were not handed out, as they come; the
 * terminator holds from the byte behind them. -EBUSY: a framing is in the
 * middle of a message; -EINVAL: with the bytes that are to be passed over
 * already there are more than INT64_MAX. Both change nothing. */
int asynchat__framer_skip(struct framer *f, struct framer_cursor *c,
                          uint64_t len);

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

/* Drops all input that was not handed out, and the message in progress; passes
 * nothing over any more. The terminator stays. Within a turn, a number that was
 * reached stays reached. */
void asynchat__framer_drop(struct framer *f, struct framer_cursor *c);

/* Ends the turn, whatever is left of the span. The next turn begins with the
 * bytes behind those that were handed out. Outside of a turn `c` is NULL in
 * every call. */
void asynchat__framer_leave(struct framer *f, struct framer_cursor *c);

/* Says that nothing more comes behind the span. Bytes that are held back are
 * data then, and a message that nothing else would end is over. */
void asynchat__framer_finish(struct framer *f);

/* Whether more bytes are due, although perhaps no byte of the message has
 * come: of a block, or since a framing has begun, or to be passed over. */
static inline bool framer_awaits(const struct framer *f)
{
    if (f->busy & (FRAMER_PASS | FRAMER_PLAN))
        return true;
    return f->framing ? f->framing->begun : f->asked && f->match.left > 0;
}

/* Whether no byte of the next message has come, nothing else of it is due, and
 * no end of a message is due. */
static inline bool framer_is_between(const struct framer *f)
{
    return f->fresh > 0 && f->match.held == 0 && !f->replay &&
           !(f->busy & FRAMER_WITHIN) && !(f->asked && framer_awaits(f));
}

/* Whether the end of the stream would cut a message off. */
static inline bool framer_is_within(const struct framer *f)
{
    return (f->fresh == 0 && match_ends(&f->match)) || framer_awaits(f);
}

/* Which of the terminators of a framing has ended the last message. */
static inline uint32_t framer_matched(const struct framer *f)
{
    return f->framing ? f->framing->matched : 0;
}

/* How many bytes are held back, including those of the replay. */
static inline size_t framer_held(const struct framer *f)
{
    return f->match.held + (f->replay ? f->to - f->from : 0);
}

/* Lends the bytes that are held back, including those of the replay, until the
 * framer is called again. Answers how many they are. If there is a cursor,
 * asynchat__framer_leave() has to be called before. */
size_t asynchat__framer_lend(const struct framer *f, const uint8_t **bytes);

#endif
