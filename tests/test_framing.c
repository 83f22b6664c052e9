/* Framings in the framer: the same events for every cut, with limits, with
 * turns that end anywhere, and with terminators that change anywhere, as a
 * naive model says that sees the whole stream. This program does not link
 * libevent.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>

#include <cmocka.h>

#include <asynchat/error.h>

#include "every.h"
#include "framer/framer.h"
#include "naive.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof(a)[0])
#define MOST 64 /* the longest stream */

/* --- a framing that does all that a framing can ---
 *
 * "N3abc" is the message "abc", and "n3abc" is "n3abc"; their length is known
 * from the beginning. "Labc" is the message "La", and "bc" is left over. Any
 * other message is a text that ends with "=.", where "==" stands for "=", and
 * of "=:" any byte is a part. "!"
 * in a text, or at its beginning, is an error, and a bad text goes on until
 * ";". */

enum toy_mode { START, COUNT, TEXT, BAD };

struct toy {
    struct asynchat_framing framing;
    enum toy_mode mode;
    size_t left;          /* COUNT: bytes that are still to come */
    uint8_t block[2][16]; /* what is held back, in turns: what was stays */
    int which;
    const uint8_t *bytes; /* of the step */
};

static int toys; /* made and not released */

static struct toy *toy_of(const struct asynchat_framing *f)
{
    return (struct toy *)(uintptr_t)f;
}

static const uint8_t *toy_held(const struct asynchat_framing *f)
{
    assert_true(f->held > 0);
    return toy_of(f)->block[toy_of(f)->which];
}

static uint8_t toy_byte(const struct toy *t, size_t i)
{
    size_t held = t->framing.held;
    return i < held ? t->block[t->which][i] : t->bytes[i - held];
}

/* Ends a step: from `at` on bytes are held back, up to `end`. */
static struct framing_step toy_hold(struct toy *t, struct framing_step step,
                                    size_t end)
{
    size_t at = step.skip + step.data;
    uint8_t *to = t->block[!t->which];
    if (step.verdict == FRAMING_ENDS)
        at += step.tail;
    else
        step.tail = end > at ? end - at : 0;
    if (end < t->framing.held)
        end = t->framing.held;
    assert_true(end <= at + 16);
    for (size_t i = at; i < end; i++)
        to[i - at] = toy_byte(t, i);
    t->framing.held = end > at ? (uint32_t)(end - at) : 0;
    t->which = !t->which;
    t->framing.begun = t->mode == COUNT;
    return step;
}

static struct framing_step toy_bad(struct toy *t, size_t total)
{
    struct framing_step step = {0};
    while (step.data < total && toy_byte(t, step.data) != ';')
        step.data++;
    if (step.data < total) {
        step.tail = 1;
        step.verdict = FRAMING_ENDS;
        t->mode = START;
    }
    return toy_hold(t, step, 0);
}

static struct framing_step toy_text(struct toy *t, size_t total)
{
    struct framing_step step = {0};
    size_t i = 0;
    t->mode = TEXT;
    while (i < total && toy_byte(t, i) != '=' && toy_byte(t, i) != '!')
        i++;
    step.data = i;
    if (i == total)
        return toy_hold(t, step, 0);
    if (toy_byte(t, i) == '!') {
        t->mode = BAD;
        step.verdict = ASYNCHAT_EFRAMING;
        return toy_hold(t, step, 0);
    }
    if (total - i == 1 || (total - i == 2 && toy_byte(t, i + 1) == ':'))
        return toy_hold(t, step, total);
    if (toy_byte(t, i + 1) == ':') {
        step.data += 3;
        return toy_hold(t, step, 0);
    }
    if (toy_byte(t, i + 1) == '.') {
        t->mode = START;
        step.tail = 2;
        step.verdict = FRAMING_ENDS;
        return toy_hold(t, step, 0);
    }
    if (toy_byte(t, i + 1) != '=') {
        step.data += 2;
        return toy_hold(t, step, 0);
    }
    if (i > 0)
        return toy_hold(t, step, i + 1);
    step.skip = 1;
    step.data = 1;
    return toy_hold(t, step, 0);
}

static struct framing_step toy_count(struct toy *t, size_t total)
{
    struct framing_step step = {.data = total < t->left ? total : t->left};
    t->left -= step.data;
    if (t->left == 0) {
        t->mode = START;
        step.verdict = FRAMING_ENDS;
    }
    return toy_hold(t, step, 0);
}

static struct framing_step toy_header(struct toy *t, size_t total)
{
    struct framing_step step = {0};
    bool kept = toy_byte(t, 0) == 'n';
    if (total < 2)
        return toy_hold(t, step, total);
    t->left = toy_byte(t, 1) & 7;
    step.skip = kept ? 0 : 2;
    step.data = kept ? 2 : 0;
    step.whole = t->left + step.data;
    if (t->left == 0)
        step.verdict = FRAMING_ENDS;
    else
        t->mode = COUNT;
    return toy_hold(t, step, 0);
}

static struct framing_step toy_left_over(struct toy *t, size_t total)
{
    if (total < 4)
        return toy_hold(t, (struct framing_step){0}, total);
    return toy_hold(
        t, (struct framing_step){.data = 2, .verdict = FRAMING_ENDS}, 0);
}

static struct framing_step toy_step(struct asynchat_framing *f,
                                    const uint8_t *bytes, size_t len)
{
    struct toy *t = toy_of(f);
    size_t total = f->held + len;
    assert_true(total > 0);
    t->bytes = bytes;
    if (t->mode == COUNT)
        return toy_count(t, total);
    if (t->mode == BAD)
        return toy_bad(t, total);
    if (t->mode == START && (toy_byte(t, 0) | 0x20) == 'n')
        return toy_header(t, total);
    if (t->mode == START && toy_byte(t, 0) == 'L')
        return toy_left_over(t, total);
    return toy_text(t, total);
}

static struct framing_whole toy_find(struct asynchat_framing *f,
                                     const uint8_t *bytes, size_t len,
                                     const uint8_t **next)
{
    struct toy *t = toy_of(f);
    assert_int_equal(f->held, 0);
    assert_int_equal(t->mode, START);
    assert_true(len > 0);
    if (len < 2 || (bytes[0] | 0x20) != 'n' || len - 2 < (bytes[1] & 7u))
        return (struct framing_whole){NULL, 0};
    size_t data = bytes[1] & 7;
    size_t skip = bytes[0] == 'N' ? 2 : 0;
    *next = bytes + data + 2;
    return (struct framing_whole){bytes + skip, data + 2 - skip};
}

static void toy_reset(struct asynchat_framing *f)
{
    toy_of(f)->mode = START;
    f->held = 0;
    f->begun = false;
}

static void toy_release(struct asynchat_framing *f)
{
    toys--;
    explicit_bzero(toy_of(f)->block, sizeof toy_of(f)->block);
    free(toy_of(f));
}

static struct asynchat_framing *toy_new(bool quick)
{
    static const struct framing_ops ops[2] = {
        {NULL, toy_step, toy_held, toy_release, toy_reset},
        {toy_find, toy_step, toy_held, toy_release, toy_reset}};
    struct toy *t = calloc(1, sizeof *t);
    assert_non_null(t);
    toys++;
    t->framing.ops = &ops[quick];
    t->framing.shares = 1;
    return &t->framing;
}

/* --- the model: the naive one, and the toy's --- */

enum what {
    NONE,
    NUMBER,
    BLOCK,
    STRING,
    LINES,
    STRICT,
    TOY,
    TOY_FOUND,
    DOTTED,
    DOTTED_STRICT,
    WORDS,
    PREFIX,
    KEPT,
    VARINT,
    NETSTRING,
    FUNCTION,
    WHATS
};

struct model {
    const char *stream;
    size_t len;
    enum what what;
    struct naive ends;
};

static void read_bad(const struct model *k, size_t at, struct naive_message *m)
{
    m->bad = m->count;
    m->error = ASYNCHAT_EFRAMING;
    for (; at < k->len && k->stream[at] != ';'; at++)
        naive_add(m, at);
    if (at < k->len)
        naive_end(m, at + 1);
}

static void read_text(const struct model *k, size_t at, struct naive_message *m)
{
    const char *s = k->stream;
    while (at < k->len && s[at] != '!') {
        bool colon = s[at] == '=' && at + 1 < k->len && s[at + 1] == ':';
        if (s[at] == '=' && at + (colon ? 2 : 1) == k->len) {
            naive_add_held(m, at, k->len);
            return;
        }
        if (colon) {
            naive_add(m, at++);
            naive_add(m, at++);
            naive_add(m, at++);
            continue;
        }
        if (s[at] == '=' && s[at + 1] == '.') {
            naive_end(m, at + 2);
            return;
        }
        if (s[at] == '=') {
            if (s[at + 1] != '=')
                naive_add(m, at);
            at++;
        }
        naive_add(m, at++);
    }
    if (at < k->len)
        read_bad(k, at, m);
}

static void read_header(const struct model *k, size_t at,
                        struct naive_message *m)
{
    bool kept = k->stream[at] == 'n';
    size_t end = at + 2 + ((size_t)k->stream[at + 1] & 7);
    m->whole = end - at - (kept ? 0 : 2);
    m->begun = true;
    for (at += kept ? 0 : 2; at < k->len && at < end; at++)
        naive_add(m, at);
    if (at == end)
        naive_end(m, end);
}

static void read_toy(const struct model *k, size_t at, struct naive_message *m)
{
    size_t have = k->len - at;
    char first = have > 0 ? k->stream[at] : 0;
    bool header = first == 'N' || first == 'n';
    naive_begin(m);
    if ((header && have < 2) || (first == 'L' && have < 4)) {
        naive_add_held(m, at, k->len);
    } else if (header) {
        read_header(k, at, m);
    } else if (first == 'L') {
        naive_add(m, at);
        naive_add(m, at + 1);
        naive_end(m, at + 2);
    } else {
        read_text(k, at, m);
    }
}

static bool is_toy(const struct model *k)
{
    return k->what == TOY || k->what == TOY_FOUND;
}

static void read_message(const struct model *k, size_t at,
                         struct naive_message *m)
{
    if (is_toy(k) && at <= k->len)
        read_toy(k, at, m);
    else
        naive_read(&k->ends, (const uint8_t *)k->stream, k->len, at, m);
}

/* --- a framer beside the model --- */

struct run {
    struct framer f;
    struct framer_cursor c;
    struct needles recent;
    struct model k;
    struct naive_message *m;
    size_t from;   /* where the message, or the terminator, begins */
    size_t before; /* bytes of the message before that */
    size_t said;   /* bytes of `m` that were handed out */
    bool finished; /* nothing more comes */
    bool due;      /* the end of a message is */
    bool bad;      /* the stream ended with an error */
    bool spoiled;  /* a message in progress was, under another terminator */
    size_t limit;
    bool drops;
    size_t fed;       /* bytes of the stream */
    unsigned changes; /* how likely a change is, of 32 */
    unsigned leaves;  /* how likely a turn ends behind an event, of 16 */
    uint32_t random;
    uint8_t *rest; /* the rest of a span after such an end; */
    size_t more;   /* bytes of it that are not fed yet */
    char *log;     /* the events, to compare */
};

static unsigned dice(struct run *r, unsigned sides)
{
    r->random = r->random * 1664525u + 1013904223u;
    return (r->random >> 16) % sides;
}

static void look(struct run *r, size_t from)
{
    r->from = from;
    r->said = 0;
    read_message(&r->k, from, r->m);
}

/* How many bytes of the message in the model may be handed out, and why no
 * more. */
static size_t allowed(const struct run *r, int *error)
{
    const struct naive_message *m = r->m;
    size_t room = r->limit > r->before ? r->limit - r->before : 0;
    *error = 0;
    if (r->limit == SIZE_MAX)
        room = SIZE_MAX;
    if (m->whole > room) {
        *error = ASYNCHAT_ETOOLONG;
        return 0;
    }
    size_t count = r->finished ? m->count : m->count - m->held;
    if (m->error && m->bad <= room) {
        *error = m->error;
        return m->bad;
    }
    if (count > room) {
        *error = ASYNCHAT_ETOOLONG;
        return room;
    }
    return count;
}

static void check_data(struct run *r)
{
    int error;
    assert_true(r->c.len > 0);
    assert_true(r->said + r->c.len <= allowed(r, &error));
    for (size_t i = 0; i < r->c.len; i++)
        assert_int_equal(r->c.data[i],
                         (uint8_t)r->k.stream[r->m->at[r->said + i]]);
    r->said += r->c.len;
}

static bool is_number(const struct run *r)
{
    return r->k.what == NUMBER || r->k.what == BLOCK;
}

static void set_none(struct run *r)
{
    r->k.what = NONE;
    r->k.ends.kind = NAIVE_NONE;
}

/* A number that was reached is none. */
static void next_message(struct run *r)
{
    r->before = 0;
    if (is_number(r))
        set_none(r);
    r->k.ends.first = false;
    look(r, r->m->end);
}

static void check_end(struct run *r)
{
    int error;
    size_t count = allowed(r, &error);
    assert_int_equal(error, 0);
    assert_true(r->m->ended);
    assert_int_equal(r->said, count);
    assert_int_equal(r->c.total, r->before + count);
    assert_int_equal(framer_matched(&r->f), r->m->matched);
    next_message(r);
}

static void check_dropped(struct run *r)
{
    int error;
    size_t count = allowed(r, &error);
    assert_int_equal(r->f.error, error);
    assert_int_equal(r->said, count);
    assert_int_equal(r->c.kept, r->before + count);
    assert_true(r->m->ended || r->finished);
    assert_int_equal(r->c.total, r->before + r->m->count);
    if (r->m->ended)
        next_message(r);
}

static void check_bad(struct run *r, enum framer_event event)
{
    int error;
    size_t count = allowed(r, &error);
    if (r->drops)
        error = r->m->fatal ? r->m->error : 0;
    assert_int_equal(r->said, count);
    assert_int_equal(r->f.error, error);
    assert_int_equal(event == FRAMER_TOO_LONG, error == ASYNCHAT_ETOOLONG);
    r->bad = true;
}

/* --- changes --- */

/* The numbers of lengths are letters: "a" is 0. */
#define LETTER_PREFIX(...)                                                     \
    {                                                                          \
        .kind = NAIVE_PREFIX, .prefix = {                                      \
            .size = sizeof(struct asynchat_prefix),                            \
            .bytes = 1,                                                        \
            .adjustment = -'a',                                                \
            __VA_ARGS__                                                        \
        }                                                                      \
    }

static const struct naive ends_of[WHATS] = {
    [NONE] = {.kind = NAIVE_NONE},
    [NUMBER] = {.kind = NAIVE_NUMBER},
    [BLOCK] = {.kind = NAIVE_BLOCK},
    [STRING] = {.kind = NAIVE_WORDS, .count = 1},
    [LINES] = {.kind = NAIVE_LINES},
    [STRICT] = {.kind = NAIVE_LINES, .strict = true},
    [DOTTED] = {.kind = NAIVE_DOTTED, .first = true},
    [DOTTED_STRICT] = {.kind = NAIVE_DOTTED, .first = true, .strict = true},
    [WORDS] = {.kind = NAIVE_WORDS,
               .words = {{"\n", 1}, {"\r\n", 2}, {"aba", 3}, {"ab\r", 3}},
               .count = 4},
    [PREFIX] = LETTER_PREFIX(.offset = 1),
    [KEPT] = LETTER_PREFIX(.flags = ASYNCHAT_PREFIX_KEPT),
    [VARINT] = {.kind = NAIVE_VARINT},
    [NETSTRING] = {.kind = NAIVE_NETSTRING},
    [FUNCTION] = {.kind = NAIVE_FUNCTION, .look = naive_look, .most = 6},
};

static struct asynchat_framing *make_framing(enum what what,
                                             const struct naive *ends)
{
    if (ends->kind == NAIVE_LINES)
        return asynchat_framing_lines(ends->strict ? ASYNCHAT_LINES_STRICT : 0);
    if (ends->kind == NAIVE_DOTTED)
        return asynchat_framing_dotted(ends->strict ? ASYNCHAT_DOTTED_STRICT
                                                    : 0);
    if (ends->kind == NAIVE_WORDS)
        return asynchat_framing_alternatives(ends->words, ends->count);
    if (ends->kind == NAIVE_PREFIX)
        return asynchat_framing_prefix(&ends->prefix);
    if (ends->kind == NAIVE_VARINT)
        return asynchat_framing_varint(0, 0);
    if (ends->kind == NAIVE_NETSTRING)
        return asynchat_framing_netstring();
    if (ends->kind == NAIVE_FUNCTION)
        return asynchat_framing_function(naive_look, ends->most, NULL);
    return toy_new(what == TOY_FOUND);
}

static int set_terminator(struct run *r, enum asynchat_terminator kind,
                          const void *bytes, uint64_t len)
{
    return asynchat__framer_set(&r->f, &r->c, &r->recent, kind, bytes, len);
}

static void set_string(struct run *r)
{
    static const char *const strings[] = {"\r\n", "=.", "\n", "aa=", "3"};
    const char *string = strings[dice(r, ARRAY_SIZE(strings))];
    r->k.ends.words[0] = (struct asynchat_bytes){string, strlen(string)};
    assert_int_equal(set_terminator(r, ASYNCHAT_STRING, string, strlen(string)),
                     0);
}

static void set(struct run *r, enum what what)
{
    struct naive *ends = &r->k.ends;
    *ends = ends_of[what];
    r->k.what = what;
    if (what == NUMBER)
        ends->number = 1 + dice(r, 5);
    if (what == BLOCK)
        ends->number = dice(r, 6);
    if (what == STRING)
        set_string(r);
    else if (what == BLOCK)
        asynchat__framer_set_block(&r->f, &r->c, ends->number);
    else if (what == NUMBER)
        assert_int_equal(set_terminator(r, ASYNCHAT_LENGTH, NULL, ends->number),
                         0);
    else if (what == NONE)
        assert_int_equal(set_terminator(r, ASYNCHAT_NONE, NULL, 0), 0);
    else
        asynchat__framer_set_framing(&r->f, &r->c, make_framing(what, ends));
}

/* Where the next byte is that was not handed out. */
static size_t place(const struct run *r)
{
    return r->said > 0 ? r->m->at[r->said - 1] + 1u : r->from;
}

/* The message goes on from `at` on. `last`: its last data was handed out, and
 * its end is due if nothing is left of it. */
static void go_on(struct run *r, bool last, size_t at)
{
    r->due = last && r->m->ended && r->m->end == place(r);
    r->before += r->said;
    if (is_number(r) && r->due)
        set_none(r);
    else if (is_number(r))
        r->k.ends.number -= r->said;
    look(r, at);
}

/* Sets another terminator behind the last event. */
static void change(struct run *r, bool last)
{
    go_on(r, last, place(r));
    set(r, (enum what)dice(r, WHATS));
    look(r, r->from);
}

/* Skips bytes behind the last event. */
static void skip_some(struct run *r, bool last)
{
    size_t len = dice(r, 5);
    int error = asynchat__framer_skip(&r->f, &r->c, len);
    bool within = r->said > 0 && !(last && r->m->end == place(r));
    if (r->k.what >= LINES && within)
        assert_int_equal(error, -EBUSY);
    if (error)
        assert_true(error == -EBUSY && r->f.framing);
    else if (len > 0)
        go_on(r, last, place(r) + len);
}

/* Drops all that was fed. An end that is due stays. How far a framing has
 * looked is not known here, so only those are tried that begin anew. */
static void discard(struct run *r, bool last)
{
    if (r->k.what > TOY_FOUND)
        return;
    asynchat__framer_drop(&r->f, &r->c);
    r->more = 0;
    if (!r->due)
        go_on(r, last, r->fed);
    look(r, r->fed);
    r->before = 0;
}

static void limit(struct run *r)
{
    r->limit = 1 + dice(r, 5);
    asynchat__framer_limit(&r->f, &r->c, r->limit, r->drops);
}

/* Does something, or most often nothing, between two events. */
static void act(struct run *r, bool last, bool end)
{
    unsigned what = dice(r, 64) / r->changes;
    if (what <= 1)
        change(r, last);
    else if (what == 2)
        skip_some(r, last);
    else if (what == 4 && end)
        limit(r);
    if (what == 3 || (what == 0 && dice(r, 4) == 0))
        discard(r, last);
}

/* When all is used up, it is known where in the stream that is, unless bytes
 * were skipped in silence. */
static bool may_act(const struct run *r)
{
    int error;
    allowed(r, &error);
    if (r->changes == 0 || r->due || r->finished || error || r->from > r->fed)
        return false;
    if (r->said > 0 || r->from == r->fed || r->k.what < TOY)
        return true;
    return is_toy(&r->k) && r->k.stream[r->from] != 'N';
}

/* Begins another turn, with spans that may be cut elsewhere. */
static void leave(struct run *r)
{
    size_t left = (size_t)(r->c.end - r->c.at) + r->more;
    size_t part = dice(r, 2) ? dice(r, (unsigned)left + 1) : left;
    uint8_t *rest = malloc(left + 1);
    if (left > 0)
        memcpy(rest, r->c.at, left);
    asynchat__framer_leave(&r->f, &r->c);
    free(r->rest);
    r->rest = rest;
    r->more = left - part;
    memset(&r->c, 0xee, sizeof r->c);
    framer_feed(&r->c, rest, part);
}

/* The next span of such a turn. False: there is none. */
static bool go_on_feeding(struct run *r)
{
    size_t part = r->more > 0 ? 1 + dice(r, (unsigned)r->more) : 0;
    if (part == 0)
        return false;
    r->more -= part;
    framer_feed(&r->c, r->c.end, part);
    return true;
}

/* --- one stream --- */

/* The last byte of a message, if nothing stands behind it, is the end. */
static void check_more_comes(const struct run *r)
{
    const struct naive_message *m = r->m;
    assert_false(m->ended && r->said == m->count && m->end == place(r));
}

static void check_event(struct run *r, enum framer_event event)
{
    switch (event) {
    case FRAMER_DATA:
        check_data(r);
        check_more_comes(r);
        break;
    case FRAMER_LAST:
    case FRAMER_WHOLE:
        check_data(r);
        break;
    case FRAMER_END:
        if (r->due) {
            assert_int_equal(r->c.total, r->before);
            r->before = 0;
            r->due = false;
        } else {
            check_end(r);
        }
        break;
    case FRAMER_OVER:
        assert_true(r->finished);
        break;
    case FRAMER_DROPPED:
        check_dropped(r);
        break;
    case FRAMER_REST:
        break;
    default:
        check_bad(r, event);
    }
}

/* The short way to the end says no total. */
static void end_now(struct run *r)
{
    bool whole = framer_is_whole(&r->f, &r->c);
    if (!framer_end(&r->f, &r->c))
        return;
    if (whole)
        r->c.total = r->c.len;
    check_event(r, FRAMER_END);
}

static void take(struct run *r, enum framer_event event)
{
    bool last = event == FRAMER_LAST || event == FRAMER_WHOLE;
    bool end = event == FRAMER_END || event == FRAMER_DROPPED;
    char lent[2 * MOST];
    check_event(r, event);
    if (r->finished)
        return;
    size_t len = last || event == FRAMER_DATA ? r->c.len : 0;
    if (len > 0)
        memcpy(lent, r->c.data, len);
    if (r->changes > 0 && !r->due && (last || end || event == FRAMER_DATA))
        act(r, last, end);
    if (len > 0)
        assert_int_equal(memcmp(lent, r->c.data, len), 0);
    if (last && dice(r, 2))
        end_now(r);
    if (dice(r, 16) < r->leaves)
        leave(r);
}

static void take_all(struct run *r)
{
    enum framer_event event;
    while (!r->bad) {
        event = framer_next(&r->f, &r->c);
        if (event != FRAMER_MORE)
            take(r, event);
        else if (dice(r, 4) == 0 && may_act(r))
            act(r, false, false);
        else if (!go_on_feeding(r))
            return;
    }
}

static void feed(struct run *r, const char *bytes, size_t len)
{
    uint8_t *copy = malloc(len + 1);
    memcpy(copy, bytes, len);
    framer_feed(&r->c, copy, len);
    r->fed += len;
    if (!r->bad)
        take_all(r);
    framer_feed(&r->c, "", 0);
    free(copy);
}

static bool is_cut_off(const struct run *r)
{
    bool have = r->before + r->m->count > 0 || r->m->error;
    bool ends = r->k.what >= STRING || (is_number(r) && r->k.ends.number > 0);
    return (have && ends) || (r->m->begun && !r->m->ended);
}

static void end(struct run *r)
{
    int error;
    if (!r->bad) {
        assert_false(r->m->fatal);
        assert_int_equal(r->said, allowed(r, &error));
        r->finished = true;
        asynchat__framer_finish(&r->f);
        bool cut_off = is_cut_off(r);
        take_all(r);
        if (!r->bad)
            assert_int_equal(r->f.end == FRAMER_CUT_OFF, cut_off);
    }
    asynchat__framer_free(&r->f);
    asynchat__needles_free(&r->recent);
    free(r->rest);
    assert_int_equal(toys, 0);
}

struct how {
    enum what what;
    size_t number, limit;
    bool drops;
    uint32_t piece;
    unsigned changes, leaves;
    uint32_t seed;
};

static void begin(struct run *r, const struct how *how, const char *stream,
                  size_t len)
{
    static struct naive_message message;
    memset(r, 0, sizeof *r);
    r->m = &message;
    r->random = how->seed;
    r->limit = how->limit;
    r->drops = how->drops;
    r->changes = how->changes;
    r->leaves = how->leaves;
    r->k.stream = stream;
    r->k.len = len;
    asynchat__framer_init(&r->f);
    asynchat__framer_limit(&r->f, NULL, how->limit, how->drops);
    asynchat__framer_piece(&r->f, NULL, how->piece);
    framer_feed(&r->c, "", 0);
    set(r, how->what);
    look(r, 0);
}

/* Feeds the stream cut in two at `cut`, or else by bytes, or anyhow. */
static void stream_cut(const struct how *how, const char *stream, size_t len,
                       size_t cut)
{
    struct run r;
    begin(&r, how, stream, len);
    if (cut <= len) {
        feed(&r, stream, cut);
        feed(&r, stream + cut, len - cut);
    } else {
        for (size_t at = 0, n; at < len; at += n) {
            n = cut == len + 1 ? 1 : 1 + dice(&r, 5);
            n = n < len - at ? n : len - at;
            feed(&r, stream + at, n);
        }
    }
    end(&r);
}

static void stream_all(const struct how *how, const char *stream, size_t len)
{
    for (size_t cut = 0; cut <= len + 4; cut++)
        stream_cut(how, stream, len, cut);
}

/* --- tests --- */

static const char *const alphabets[] = {[NONE] = "a",
                                        [NUMBER] = "a",
                                        [BLOCK] = "ab",
                                        [STRING] = "a\r\n",
                                        [LINES] = "a\r\n\n",
                                        [STRICT] = "aa\r\n\r\n",
                                        [TOY] = "ab=.!;NnL1230=::;",
                                        [TOY_FOUND] = "ab=.!;NnL1230=:NN",
                                        [DOTTED] = "..\r\n\r\na",
                                        [DOTTED_STRICT] = ".a\r\n",
                                        [WORDS] = "\r\naab",
                                        [PREFIX] = "aabbcdef",
                                        [KEPT] = "aabbcdef`",
                                        [VARINT] = "\1\2\3\1\2\x81",
                                        [NETSTRING] = "0123:::,,,,",
                                        [FUNCTION] = "GGMSbcxLKLKz"};

static size_t random_stream(struct run *r, const char *letters, char *stream)
{
    size_t len = dice(r, MOST);
    for (size_t i = 0; i < len; i++)
        stream[i] = letters[dice(r, (unsigned)strlen(letters))];
    return len;
}

static void every_stream(unsigned changes, unsigned leaves, unsigned rounds)
{
    static const size_t limits[] = {SIZE_MAX, 1, 2, 3, 7};
    struct run dicer = {.random = 7};
    char stream[MOST];
    for (unsigned i = 0; i < rounds; i++) {
        struct how how = {.what = (enum what)dice(&dicer, WHATS),
                          .limit = limits[dice(&dicer, 5)],
                          .drops = dice(&dicer, 4) > 0,
                          .piece = dice(&dicer, 2) ? 65536 : 1 + i % 3,
                          .changes = changes,
                          .leaves = leaves,
                          .seed = i};
        const char *letters =
            alphabets[changes > 0 ? (unsigned)TOY : (unsigned)how.what];
        if (changes > 0 && i % 3 > 0)
            letters = i % 3 == 1 ? "a\r\n=.N2L!;=:" : "a\r\n.1:,GLbxa";
        size_t len = random_stream(&dicer, letters, stream);
        if (!is_left_out())
            stream_all(&how, stream, len);
    }
}

static void framings_say_what_the_model_says_for_every_cut(void **state)
{
    (void)state;
    every_stream(0, 0, 8000);
}

static void a_turn_may_end_anywhere(void **state)
{
    (void)state;
    every_stream(0, 6, 8000);
}

static void terminators_may_change_anywhere(void **state)
{
    (void)state;
    every_stream(3, 0, 8000);
    every_stream(3, 4, 8000);
}

/* Of two bytes that are to be held back, one has come in the next turn. */
static void a_part_of_a_tail_is_matched_again(void **state)
{
    static const struct how how = {
        .what = TOY, .limit = SIZE_MAX, .piece = 65536};
    static const uint8_t bytes[] = "ab=:";
    struct run r;
    (void)state;
    begin(&r, &how, "ab=:", 4);
    framer_feed(&r.c, bytes, 4);
    assert_int_equal(framer_next(&r.f, &r.c), FRAMER_DATA);
    check_data(&r);
    asynchat__framer_leave(&r.f, &r.c);
    framer_feed(&r.c, bytes + 2, 1);
    assert_int_equal(framer_next(&r.f, &r.c), FRAMER_MORE);
    assert_int_equal(framer_held(&r.f), 1);
    set(&r, NONE);
    look(&r, 2);
    assert_int_equal(framer_next(&r.f, &r.c), FRAMER_DATA);
    check_data(&r);
    framer_feed(&r.c, bytes + 3, 1);
    assert_int_equal(framer_next(&r.f, &r.c), FRAMER_DATA);
    check_data(&r);
    r.before = 2;
    end(&r);
}

/* A program that goes on with a message that is too long may cut the bytes anew
 * that are skipped. */
static void skipped_bytes_may_come_in_another_turn(void **state)
{
    static const struct how how = {.what = PREFIX, .limit = 2, .piece = 65536};
    static const uint8_t bytes[] = "xdabc";
    struct run r;
    (void)state;
    begin(&r, &how, "xdabc", 5);
    framer_feed(&r.c, bytes, 5);
    assert_int_equal(framer_next(&r.f, &r.c), FRAMER_TOO_LONG);
    asynchat__framer_leave(&r.f, &r.c);
    framer_feed(&r.c, bytes, 1);
    assert_int_equal(framer_next(&r.f, &r.c), FRAMER_MORE);
    framer_feed(&r.c, bytes + 1, 4);
    assert_int_equal(framer_next(&r.f, &r.c), FRAMER_TOO_LONG);
    assert_int_equal(framer_next(&r.f, &r.c), FRAMER_DROPPED);
    assert_int_equal(r.c.total, 3);
    r.bad = true;
    end(&r);
}

/* It was told before a byte of it came, and another terminator ends it. */
static void a_message_that_is_too_long_stays_so(void **state)
{
    static const struct how how = {
        .what = PREFIX, .limit = 2, .drops = true, .piece = 65536};
    (void)state;
    for (int ends = 0; ends < 2; ends++) {
        struct run r;
        begin(&r, &how, "xd", 2);
        framer_feed(&r.c, "xd", 2);
        assert_int_equal(framer_next(&r.f, &r.c), FRAMER_MORE);
        set(&r, STRICT);
        framer_feed(&r.c, "ab\r\n", ends ? 4 : 0);
        if (!ends)
            asynchat__framer_finish(&r.f);
        assert_int_equal(framer_next(&r.f, &r.c), FRAMER_DROPPED);
        assert_int_equal(r.f.error, ASYNCHAT_ETOOLONG);
        assert_int_equal(r.c.total, ends ? 2 : 0);
        assert_int_equal(r.f.end, ends ? FRAMER_GOES_ON : FRAMER_CUT_OFF);
        r.bad = true;
        end(&r);
    }
}

/* A message of one byte is over a limit that other bytes have reached. */
static void one_byte_too_many_is_told_before_it_comes(void **state)
{
    static const struct how how = {.what = NONE, .limit = 3, .piece = 65536};
    struct run r;
    (void)state;
    begin(&r, &how, "abcxb", 5);
    framer_feed(&r.c, "abc", 3);
    assert_int_equal(framer_next(&r.f, &r.c), FRAMER_DATA);
    assert_int_equal(framer_next(&r.f, &r.c), FRAMER_MORE);
    set(&r, PREFIX);
    framer_feed(&r.c, "xb", 2);
    assert_int_equal(framer_next(&r.f, &r.c), FRAMER_TOO_LONG);
    r.bad = true;
    end(&r);
}

/* Behind a discard a message begins, unless the rest of one is counted. */
static void what_was_discarded_is_no_message(void **state)
{
    static const struct how how = {
        .what = LINES, .limit = SIZE_MAX, .piece = 65536};
    struct run r;
    (void)state;
    begin(&r, &how, "", 0);
    framer_feed(&r.c, "ab", 2);
    assert_int_equal(framer_next(&r.f, &r.c), FRAMER_DATA);
    assert_int_equal(asynchat__framer_skip(&r.f, &r.c, 1), -EBUSY);
    asynchat__framer_drop(&r.f, &r.c);
    assert_int_equal(asynchat__framer_skip(&r.f, &r.c, 1), 0);
    set(&r, PREFIX);
    asynchat__framer_drop(&r.f, &r.c);
    framer_feed(&r.c, "xcz", 3);
    assert_int_equal(framer_next(&r.f, &r.c), FRAMER_DATA);
    asynchat__framer_drop(&r.f, &r.c);
    assert_int_equal(asynchat__framer_skip(&r.f, &r.c, 1), -EBUSY);
    r.bad = true;
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(framings_say_what_the_model_says_for_every_cut),
        cmocka_unit_test(a_turn_may_end_anywhere),
        cmocka_unit_test(terminators_may_change_anywhere),
        cmocka_unit_test(a_part_of_a_tail_is_matched_again),
        cmocka_unit_test(skipped_bytes_may_come_in_another_turn),
        cmocka_unit_test(a_message_that_is_too_long_stays_so),
        cmocka_unit_test(one_byte_too_many_is_told_before_it_comes),
        cmocka_unit_test(what_was_discarded_is_no_message),
    };
    return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
