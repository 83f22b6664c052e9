/* The framer: bytes in, events out. It splits a stream into messages, and does
 * nothing else: no I/O, no callback, no event loop.
 *
 *     framer_feed(&cursor, bytes, len);
 *     while ((event = framer_next(f, &cursor)) != FRAMER_MORE)
 *         ...            // cursor.data, cursor.len: what the event is about
 *
 * Between two events the caller may do anything to the framer: set a terminator,
 * drop, stop calling. What was not handed out yet is looked at again. The input
 * that was not handed out is, in this order: the replay, which are bytes that
 * were held back under an earlier terminator; the bytes that are held back under
 * the terminator in force; and the rest of the span that was fed.
 *
 * The framer keeps no copy of the input. Bytes that it holds back are the
 * beginning of a terminator, and a share in that terminator is all it needs.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_FRAMER_H
#define ASYNCHAT_SRC_FRAMER_H

#include "match.h"

enum framer_event {
    FRAMER_MORE,     /* all that can be said was said: feed more */
    FRAMER_DATA,     /* bytes of the message in progress */
    FRAMER_LAST,     /* the same, and the message ends with them, if
                       framer_end() agrees */
    FRAMER_END,      /* the message is complete */
    FRAMER_DROPPED,  /* the end of a message of which bytes were dropped */
    FRAMER_OVER,     /* the stream has ended, and with it a message that nothing
                        else would have ended */
    FRAMER_TOO_LONG, /* a message is over the limit, and nothing is dropped */
    FRAMER_SILENT    /* inside the framer: nothing was said yet */
};

/* What is to be said before the span is looked at. */
enum {
    FRAMER_FOUND = 1,  /* the end of a message */
    FRAMER_QUICK = 2,  /* beside FOUND: LAST was said of a message that came
                         whole, of which nothing was counted */
    FRAMER_PLAN = 4,   /* the rest of a step that was found */
    FRAMER_OTHER = 8,  /* a replay, something lent, or the end of the stream */
    FRAMER_PAUSED = 16 /* the caller takes no events: see framer_pause() */
};

/* Whether more comes. */
enum framer_end {
    FRAMER_GOES_ON,
    FRAMER_ENDED,  /* the stream is over */
    FRAMER_CUT_OFF /* the same, and a message was not finished then */
};

/* Of one turn of the caller. */
struct framer_cursor {
    const uint8_t *at, *end; /* the span, from where it was not handed out */
    const uint8_t *data;     /* the bytes of the last event, */
    size_t len;              /* and how many there are */
    uint64_t total;          /* the length of the message that has ended, */
    uint64_t kept;           /* and how many bytes of it were said */
    size_t looked;           /* framer_quick() has looked so far in the span */
    struct match_step plan;  /* a step that was found, and not yet all said */
};

/* Invariants: the bytes held back are the `match.held` bytes of its needle from
 * the beginning, or with a plan from `said` on. The replay, if there is one, is needle bytes `from` to `to`, and what
 * is held back under the terminator in force was taken from its end. `fresh` is
 * the limit while nothing of a message was said or dropped, and 0 later. */
struct framer {
    struct match match;
    uint64_t have;    /* bytes of the message in progress that were said, */
    uint64_t dropped; /* and bytes behind these that were dropped */
    size_t limit;     /* of a message, in bytes; SIZE_MAX is none */
    size_t fresh;
    struct needle *replay;
    struct needle *lent; /* that the last event may point into */
    uint32_t from, to;   /* of the replay */
    uint32_t said;       /* with a plan: of what was held back before */
    uint32_t ends;       /* with FOUND: bytes of the terminator that are left */
    uint32_t piece;      /* the most bytes of an event about held bytes, and
                            what the caller makes its spans of */
    uint8_t busy;        /* what is to be done before the span is looked at */
    bool drops;          /* what is over the limit, and goes on */
    enum framer_end end : 8;
};

static inline void framer_feed(struct framer_cursor *c, const void *bytes,
                               size_t len)
{
    c->at = bytes;
    c->end = c->at + len;
}

enum framer_event asynchat__framer_step(struct framer *f,
                                        struct framer_cursor *c);

/* The short way to FRAMER_LAST, while nothing is `busy` and the span not empty: a
 * message that lies in the span with its end, which is the common case. (at - 1
 * is too large for an empty message.) */
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

static inline enum framer_event framer_next(struct framer *f,
                                            struct framer_cursor *c)
{
    if (!f->busy && framer_quick(f, c))
        return FRAMER_LAST;
    return asynchat__framer_step(f, c);
}

/* After FRAMER_LAST: these bytes are all of the message. */
static inline bool framer_is_whole(const struct framer *f,
                                   const struct framer_cursor *c)
{
    return (f->busy & FRAMER_QUICK) || f->have == c->len;
}

bool asynchat__framer_end(struct framer *f, struct framer_cursor *c);

/* The short way to the end behind framer_quick(), if nothing has happened since. */
static inline bool framer_quick_end(struct framer *f, struct framer_cursor *c)
{
    if (f->busy != (FRAMER_FOUND | FRAMER_QUICK))
        return false;
    c->at += f->ends;
    f->busy = 0;
    return true;
}

/* After FRAMER_LAST: the message is complete, as FRAMER_END would say. False: a
 * string has not been found after all, as another terminator was set meanwhile;
 * or everything was dropped. A number that was reached stays reached. */
static inline bool framer_end(struct framer *f, struct framer_cursor *c)
{
    return framer_quick_end(f, c) || asynchat__framer_end(f, c);
}

/* A framer of zeros becomes one with the terminator none and no limit. */
void asynchat__framer_init(struct framer *f);
void asynchat__framer_free(struct framer *f);

/* The terminator, from the next byte that was not handed out: as
 * asynchat__match_set(). -ENOMEM, for a string only, changes nothing. */
int asynchat__framer_set(struct framer *f, struct framer_cursor *c,
                         struct needles *recent, enum asynchat_terminator kind,
                         const void *bytes, uint64_t len);

/* The longest message; also of the one in progress. */
void asynchat__framer_limit(struct framer *f, struct framer_cursor *c,
                            size_t limit, bool drops);

/* Whether the caller takes events. The framer says them in any case; that it is
 * `busy` then has the caller's loop look no further than at that. */
void asynchat__framer_pause(struct framer *f, struct framer_cursor *c, bool on);

/* The most bytes of an event. The span in hand gets shorter, and the caller feeds
 * the rest of it again. */
void asynchat__framer_piece(struct framer *f, struct framer_cursor *c,
                            uint32_t piece);

/* Drops all that was not handed out, and the message in progress. The terminator
 * stays; within a turn, a number that was reached stays reached. */
void asynchat__framer_drop(struct framer *f, struct framer_cursor *c);

/* The turn is over, whatever is left of the span: the next one begins with the
 * bytes behind what was handed out. Outside of a turn `c` is NULL everywhere. */
void asynchat__framer_leave(struct framer *f, struct framer_cursor *c);

/* No more comes behind the span: bytes held back are data then, and a message
 * that nothing else ends ends. */
void asynchat__framer_finish(struct framer *f);

/* Nothing of the next message has come, nor is the end of one due. */
static inline bool framer_is_between(const struct framer *f)
{
    return f->fresh > 0 && f->match.held == 0 && !f->replay &&
           !(f->busy & FRAMER_FOUND);
}

/* How many bytes were held back, those of the replay included. */
static inline size_t framer_held(const struct framer *f)
{
    return f->match.held + (f->replay ? f->to - f->from : 0);
}

#endif
