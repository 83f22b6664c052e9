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

#include "framer/framer.h"

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

/* --- the model: one message, in a stream that is known --- */

enum what { NONE, NUMBER, BLOCK, STRING, LINES, STRICT, TOY, TOY_FOUND, WHATS };

/* Of the data, the last `held` bytes come only when the stream ends. */
struct message {
    size_t at[2 * MOST], count, held;
    bool ended, begun;
    size_t end;   /* where the next message begins */
    size_t bad;   /* so many bytes of data come before the error */
    int error;    /* or 0 */
    size_t whole; /* what is told in advance, or 0 */
};

struct model {
    const char *stream;
    size_t len;
    enum what what;
    size_t number;
    const char *string;
};

static void add(struct message *m, size_t at)
{
    m->at[m->count++] = at;
}

static void add_held(struct message *m, size_t at, size_t end)
{
    for (; at < end; at++, m->held++)
        add(m, at);
}

static void ends(struct message *m, size_t at)
{
    m->ended = true;
    m->end = at;
}

static void read_number(const struct model *k, size_t at, struct message *m)
{
    size_t end = at + k->number;
    for (; at < k->len && at < end; at++)
        add(m, at);
    m->begun = k->what == BLOCK;
    if (at == end)
        ends(m, end);
}

static void read_string(const struct model *k, size_t at, struct message *m)
{
    size_t n = strlen(k->string);
    for (; at < k->len; at++) {
        size_t left = k->len - at < n ? k->len - at : n;
        bool stands = memcmp(k->stream + at, k->string, left) == 0;
        if (stands && left < n) {
            add_held(m, at, k->len);
            return;
        }
        if (stands) {
            ends(m, at + n);
            return;
        }
        add(m, at);
    }
}

static void read_lines(const struct model *k, size_t at, struct message *m)
{
    const char *s = k->stream;
    for (; at < k->len; at++) {
        bool cr = s[at] == '\r';
        if (cr && at + 1 == k->len) {
            add_held(m, at, k->len);
            return;
        }
        if (cr && s[at + 1] == '\n') {
            ends(m, at + 2);
            return;
        }
        if (k->what == LINES && s[at] == '\n') {
            ends(m, at + 1);
            return;
        }
        if ((cr || s[at] == '\n') && k->what == STRICT && !m->error) {
            m->error = ASYNCHAT_EBARE;
            m->bad = m->count;
        }
        add(m, at);
    }
}

static void read_bad(const struct model *k, size_t at, struct message *m)
{
    m->bad = m->count;
    m->error = ASYNCHAT_EFRAMING;
    for (; at < k->len && k->stream[at] != ';'; at++)
        add(m, at);
    if (at < k->len)
        ends(m, at + 1);
}

static void read_text(const struct model *k, size_t at, struct message *m)
{
    const char *s = k->stream;
    while (at < k->len && s[at] != '!') {
        bool colon = s[at] == '=' && at + 1 < k->len && s[at + 1] == ':';
        if (s[at] == '=' && at + (colon ? 2 : 1) == k->len) {
            add_held(m, at, k->len);
            return;
        }
        if (colon) {
            add(m, at++);
            add(m, at++);
            add(m, at++);
            continue;
        }
        if (s[at] == '=' && s[at + 1] == '.') {
            ends(m, at + 2);
            return;
        }
        if (s[at] == '=') {
            if (s[at + 1] != '=')
                add(m, at);
            at++;
        }
        add(m, at++);
    }
    if (at < k->len)
        read_bad(k, at, m);
}

static void read_toy(const struct model *k, size_t at, struct message *m)
{
    size_t have = k->len - at;
    char first = have > 0 ? k->stream[at] : 0;
    bool header = first == 'N' || first == 'n';
    if ((header && have < 2) || (first == 'L' && have < 4)) {
        add_held(m, at, k->len);
    } else if (header) {
        struct model count = *k;
        count.what = BLOCK;
        count.number = k->stream[at + 1] & 7;
        m->whole = count.number + (first == 'n' ? 2 : 0);
        for (size_t i = 0; first == 'n' && i < 2; i++)
            add(m, at + i);
        read_number(&count, at + 2, m);
    } else if (first == 'L') {
        add(m, at);
        add(m, at + 1);
        ends(m, at + 2);
    } else {
        read_text(k, at, m);
    }
}

static void read_message(const struct model *k, size_t at, struct message *m)
{
    memset(m, 0, sizeof *m);
    m->bad = SIZE_MAX;
    if (at > k->len) /* some of what is skipped does not come */
        m->begun = true;
    else if (k->what == BLOCK || (k->what == NUMBER && k->number > 0))
        read_number(k, at, m);
    else if (k->what == STRING)
        read_string(k, at, m);
    else if (k->what == LINES || k->what == STRICT)
        read_lines(k, at, m);
    else if (k->what == TOY || k->what == TOY_FOUND)
        read_toy(k, at, m);
    else
        for (; at < k->len; at++)
            add(m, at);
}

/* --- a framer beside the model --- */

struct run {
    struct framer f;
    struct framer_cursor c;
    struct needles recent;
    struct model k;
    struct message m;
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
    read_message(&r->k, from, &r->m);
}

/* How many bytes of the message in the model may be handed out, and why no
 * more. */
static size_t allowed(const struct run *r, int *error)
{
    const struct message *m = &r->m;
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
        assert_int_equal(r->c.data[i], r->k.stream[r->m.at[r->said + i]]);
    r->said += r->c.len;
}

/* A number that was reached is none. */
static void next_message(struct run *r)
{
    r->before = 0;
    if (r->k.what == NUMBER || r->k.what == BLOCK)
        r->k.what = NONE;
    look(r, r->m.end);
}

static void check_end(struct run *r)
{
    int error;
    size_t count = allowed(r, &error);
    assert_int_equal(error, 0);
    assert_true(r->m.ended);
    assert_int_equal(r->said, count);
    assert_int_equal(r->c.total, r->before + count);
    next_message(r);
}

static void check_dropped(struct run *r)
{
    int error;
    size_t count = allowed(r, &error);
    assert_int_equal(r->f.error, error);
    assert_int_equal(r->said, count);
    assert_int_equal(r->c.kept, r->before + count);
    assert_true(r->m.ended || r->finished);
    assert_int_equal(r->c.total, r->before + r->m.count);
    if (r->m.ended)
        next_message(r);
}

static void check_bad(struct run *r, enum framer_event event)
{
    int error;
    size_t count = allowed(r, &error);
    assert_false(r->drops);
    assert_int_equal(r->said, count);
    assert_int_equal(r->f.error, error);
    assert_int_equal(event == FRAMER_TOO_LONG, error == ASYNCHAT_ETOOLONG);
    r->bad = true;
}

/* --- changes --- */

static const char *const strings[] = {"\r\n", "=.", "\n", "aa=", "3"};

static void set_string(struct run *r)
{
    r->k.string = strings[dice(r, ARRAY_SIZE(strings))];
    assert_int_equal(asynchat__framer_set(&r->f, &r->c, &r->recent,
                                          ASYNCHAT_STRING, r->k.string,
                                          strlen(r->k.string)),
                     0);
}

static void set(struct run *r, enum what what)
{
    r->k.what = what;
    r->k.number = what == BLOCK ? dice(r, 6) : 1 + dice(r, 5);
    if (what == STRING)
        set_string(r);
    else if (what == BLOCK)
        asynchat__framer_set_block(&r->f, &r->c, r->k.number);
    else if (what == LINES || what == STRICT)
        asynchat__framer_set_framing(
            &r->f, &r->c,
            asynchat_framing_lines(what == STRICT ? ASYNCHAT_LINES_STRICT : 0));
    else if (what == TOY || what == TOY_FOUND)
        asynchat__framer_set_framing(&r->f, &r->c, toy_new(what == TOY_FOUND));
    else
        assert_int_equal(asynchat__framer_set(
                             &r->f, &r->c, &r->recent,
                             what == NUMBER ? ASYNCHAT_LENGTH : ASYNCHAT_NONE,
                             NULL, what == NUMBER ? r->k.number : 0),
                         0);
}

/* Where the next byte is that was not handed out. */
static size_t place(const struct run *r)
{
    return r->said > 0 ? r->m.at[r->said - 1] + 1 : r->from;
}

/* The message goes on from `at` on. `last`: its last data was handed out, and
 * its end is due if nothing is left of it. */
static void go_on(struct run *r, bool last, size_t at)
{
    bool number = r->k.what == NUMBER || r->k.what == BLOCK;
    r->due = last && r->m.end == place(r);
    r->before += r->said;
    if (number && r->due)
        r->k.what = NONE;
    else if (number)
        r->k.number -= r->said;
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
    bool within = r->said > 0 && !(last && r->m.end == place(r));
    if (r->k.what >= LINES && within)
        assert_int_equal(error, -EBUSY);
    if (error)
        assert_true(error == -EBUSY && r->f.framing);
    else if (len > 0)
        go_on(r, last, place(r) + len);
}

/* Drops all that was fed. An end that is due stays. */
static void discard(struct run *r, bool last)
{
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
    return r->k.what < TOY || r->said > 0 || r->from == r->fed ||
           r->k.stream[r->from] != 'N';
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

static void check_event(struct run *r, enum framer_event event)
{
    switch (event) {
    case FRAMER_DATA:
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
    bool have = r->before + r->m.count > 0 || r->m.error;
    bool ends = r->k.what >= STRING || (r->k.number > 0 && r->k.what != NONE);
    return (have && ends) || (r->m.begun && !r->m.ended);
}

static void end(struct run *r)
{
    int error;
    if (!r->bad) {
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
    memset(r, 0, sizeof *r);
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
                                        [TOY_FOUND] = "ab=.!;NnL1230=:NN"};

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
        if (changes > 0 && i % 2)
            letters = "a\r\n=.N2L!;=:";
        size_t len = random_stream(&dicer, letters, stream);
        stream_all(&how, stream, len);
    }
}

static void framings_say_what_the_model_says_for_every_cut(void **state)
{
    (void)state;
    every_stream(0, 0, 3000);
}

static void a_turn_may_end_anywhere(void **state)
{
    (void)state;
    every_stream(0, 6, 3000);
}

static void terminators_may_change_anywhere(void **state)
{
    (void)state;
    every_stream(3, 0, 3000);
    every_stream(3, 4, 3000);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(framings_say_what_the_model_says_for_every_cut),
        cmocka_unit_test(a_turn_may_end_anywhere),
        cmocka_unit_test(terminators_may_change_anywhere),
        cmocka_unit_test(a_part_of_a_tail_is_matched_again),
    };
    return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
