/* Drives a framing as the framer does, and knows nothing of the framing: feeds
 * a stream in spans, does what each step says, and keeps what comes out, as a
 * trace. Each span ends at a guard page. The trace is to be the naive model's.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FRAMING_DRIVER_H
#define FRAMING_DRIVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <asynchat/error.h>
#include <asynchat/framer.h>

#include "every.h"
#include "find_step.h"
#include "framer/framing.h"
#include "naive.h"
#include "no_memory.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* --- what comes out --- */

enum {
    TRACE_DATA = 0,        /* a byte of a message */
    TRACE_END = 1 << 16,   /* of a message: the number of its terminator */
    TRACE_ERROR = 2 << 16, /* the error code, without its sign */
    /* The end of a message with an error: its length. */
    TRACE_DROPPED = 3 << 16,
    TRACE_CUT = 4 << 16 /* the stream has ended in a message */
};

#define TRACE_MOST 16384

struct trace {
    uint32_t what[TRACE_MOST];
    size_t len;
};

static void trace_add(struct trace *t, uint32_t kind, size_t value)
{
    assert_true(t->len < TRACE_MOST && value < 1 << 16);
    t->what[t->len++] = kind | (uint32_t)value;
}

static void trace_bytes(struct trace *t, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        trace_add(t, TRACE_DATA, bytes[i]);
}

/* The trace as a text: "|" is the end of a message, "|2|" one by terminator 2,
 * "!17" an error, "(5)" the end of a message that was dropped, and "~" the end
 * of the stream in a message. Bytes that cannot be printed are "_". */
static const char *trace_text(const struct trace *t)
{
    static char text[8 * TRACE_MOST + 1];
    static const char *const forms[] = {"%c", "|%u|", "!%u", "(%u)", "~"};
    size_t n = 0;
    text[0] = '\0';
    for (size_t i = 0; i < t->len; i++) {
        uint32_t kind = t->what[i] >> 16, value = t->what[i] & 0xffff;
        bool shown = kind > 0 || (value >= ' ' && value <= '~');
        const char *form =
            kind == TRACE_END >> 16 && value == 0 ? "|" : forms[kind];
        n += (size_t)sprintf(text + n, form, shown ? value : '_');
    }
    return text;
}

/* --- what the model says --- */

static void trace_message(struct trace *t, const struct naive_message *m,
                          const uint8_t *stream)
{
    for (size_t i = 0; i < m->count && i < m->bad; i++)
        trace_add(t, TRACE_DATA, stream[m->at[i]]);
    if (m->error)
        trace_add(t, TRACE_ERROR, (size_t)-m->error);
    if (m->error && !m->fatal)
        trace_add(t, TRACE_DROPPED, m->count);
    else if (m->ended)
        trace_add(t, TRACE_END, m->matched);
}

/* Behind an error that is fatal, nothing is told. */
static void trace_model(struct trace *t, const struct naive *ends,
                        const uint8_t *stream, size_t len)
{
    static struct naive_message m;
    struct naive now = *ends;
    size_t at = 0;
    t->len = 0;
    do {
        naive_read(&now, stream, len, at, &m);
        trace_message(t, &m, stream);
        now.first = false;
        at = m.end;
    } while (m.ended);
    if (!m.fatal && (m.count > 0 || m.begun))
        trace_add(t, TRACE_CUT, 0);
}

/* --- the driver --- */

struct driver {
    struct asynchat_framing *f;
    bool finds; /* takes the short way where there is one */
    const uint8_t *stream;
    size_t at;   /* what was handed out ends here; what is held back begins */
    size_t held; /* how much is held back */
    size_t have; /* of the message in progress */
    bool amid;   /* a message has begun by a step, and did not end */
    uint64_t whole;  /* what was told of it in advance, or 0 */
    bool bad;        /* the message has an error: its bytes are dropped */
    bool failed;     /* for good */
    unsigned shorts; /* how often the short way was taken */
    struct trace trace;
};

#define SPAN_MOST ((size_t)1 << 17)

/* Copies the bytes to where reading on is a fault. */
static const uint8_t *driver_span(const uint8_t *bytes, size_t len)
{
    static uint8_t *guard;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (!guard) {
        guard = mmap(NULL, SPAN_MOST + page, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(guard, MAP_FAILED);
        guard += SPAN_MOST;
        assert_int_equal(mprotect(guard, page, PROT_NONE), 0);
    }
    assert_true(len <= SPAN_MOST);
    return memcpy(guard - len, bytes, len);
}

static bool driver_short(struct driver *d, const uint8_t *bytes, size_t len,
                         struct framing_step *step)
{
    const struct framing_ops *ops = d->f->ops;
    if (!d->finds || !ops->find || d->held > 0 || d->amid)
        return false;
    struct asynchat_framing before = *d->f;
    if (find_step(d->f, bytes, len, step))
        return d->shorts++ % 2 == 0; /* or it is thrown away */
    assert_memory_equal(d->f, &before, sizeof before);
    return false;
}

/* What the step has dealt with for good. */
static size_t driver_used(const struct framing_step *s)
{
    return s->skip + s->data + (s->verdict == FRAMING_ENDS ? s->tail : 0);
}

/* What is held back then are the tail, and bytes that were held back before and
 * are left over. */
static void driver_check(const struct driver *d, const struct framing_step *s,
                         size_t len)
{
    size_t used = driver_used(s), left = used < d->held ? d->held - used : 0;
    size_t tail = s->verdict == FRAMING_ENDS ? 0 : s->tail;
    bool goes_on = s->verdict == FRAMING_GOES_ON;
    assert_true(s->verdict <= FRAMING_ENDS && used + tail <= d->held + len);
    assert_true(!goes_on || used + tail > (len > 0 ? d->held : 0));
    assert_true(!goes_on || left <= tail);
    assert_int_equal(d->f->held, left > tail ? left : tail);
    if (d->f->held > 0)
        assert_memory_equal(d->f->ops->held(d->f), d->stream + d->at + used,
                            d->f->held);
}

static void driver_say(struct driver *d, const uint8_t *bytes, size_t len)
{
    if (!d->bad)
        trace_bytes(&d->trace, bytes, len);
    d->have += len;
}

static void driver_end(struct driver *d)
{
    assert_true(d->whole == 0 || d->have == d->whole);
    d->whole = 0;
    if (d->bad)
        trace_add(&d->trace, TRACE_DROPPED, d->have);
    else
        trace_add(&d->trace, TRACE_END, d->f->matched);
    d->have = 0;
    d->bad = false;
}

/* A framing that has failed for good looks at nothing any more. */
static void driver_fail(struct driver *d, int verdict)
{
    assert_false(d->bad); /* one error for a message */
    d->bad = true;
    d->failed = d->f->error;
    trace_add(&d->trace, TRACE_ERROR, (size_t)-verdict);
    if (!d->failed)
        return;
    assert_int_equal(d->f->error, verdict);
    assert_true(d->f->begun);
    assert_null(d->f->ops->find);
}

static void driver_apply(struct driver *d, const struct framing_step *s)
{
    assert_true(s->whole == 0 || d->have == 0);
    if (s->whole > 0)
        d->whole = s->whole;
    driver_say(d, d->stream + d->at + s->skip, s->data);
    d->at += driver_used(s);
    d->held = d->f->held;
    d->amid = s->verdict != FRAMING_ENDS;
    if (s->verdict == FRAMING_ENDS)
        driver_end(d);
    if (s->verdict < 0)
        driver_fail(d, s->verdict);
}

/* Feeds the stream up to `end`, in one span. */
static void driver_feed(struct driver *d, size_t end)
{
    while (d->at + d->held < end) {
        struct framing_step step = {0};
        size_t from = d->at + d->held, before = d->at, held = d->held;
        const uint8_t *bytes = driver_span(d->stream + from, end - from);
        const uint8_t *lent = held > 0 ? d->f->ops->held(d->f) : NULL;
        if (!driver_short(d, bytes, end - from, &step))
            step = d->f->ops->step(d->f, bytes, end - from);
        driver_check(d, &step, end - from);
        driver_apply(d, &step);
        for (size_t i = step.skip; i < held && i < step.skip + step.data; i++)
            assert_int_equal(lent[i], d->stream[before + i]);
    }
}

static void driver_finish(struct driver *d)
{
    bool cut = d->held > 0 || d->have > 0 || d->bad || d->f->begun;
    driver_say(d, d->stream + d->at, d->held);
    if (d->failed)
        cut = false;
    else if (d->bad)
        trace_add(&d->trace, TRACE_DROPPED, d->have);
    if (cut)
        trace_add(&d->trace, TRACE_CUT, 0);
    assert_int_equal(d->f->shares, 1);
    d->f->ops->release(d->f);
}

/* --- a stream at many cuts --- */

/* Makes a fresh framing. */
typedef struct asynchat_framing *maker(const struct naive *ends);

/* What a test gives, and the trace that is to be made. */
struct drive {
    maker *make;
    struct naive ends;
    const uint8_t *stream;
    size_t len;
    struct trace wanted;
    unsigned shorts;
};

static const char *drive_name(const struct drive *v, size_t cut, size_t length)
{
    static char name[4 * TRACE_MOST];
    int n = snprintf(name, sizeof name, "cut at %zu, then every %zu: ", cut,
                     length);
    for (size_t i = 0; i < v->len && i < 1000; i++)
        n += snprintf(name + n, sizeof name - (size_t)n, "\\x%02x",
                      v->stream[i]);
    return name;
}

static void trace_compare(const struct trace *is, const struct trace *wanted,
                          const struct drive *v, size_t cut, size_t length)
{
    if (is->len == wanted->len &&
        memcmp(is->what, wanted->what, is->len * sizeof is->what[0]) == 0)
        return;
    print_error("%s\n", drive_name(v, cut, length));
    print_error("is:     %s\n", trace_text(is));
    print_error("wanted: %s\n", trace_text(wanted));
    fail();
}

static void drive_begin(const struct drive *v, struct driver *d, bool finds)
{
    memset(d, 0, offsetof(struct driver, trace));
    d->f = v->make(&v->ends);
    assert_non_null(d->f);
    d->finds = finds;
    d->stream = v->stream;
    d->trace.len = 0;
}

/* The next events of the framer. An error that is not fatal has none of its
 * own. False: the stream has failed. */
static bool framer_trace(struct asynchat_framer *f, struct trace *t)
{
    enum asynchat_framer_event event;
    const void *data;
    size_t len;
    while ((event = asynchat_framer_next(f, &data, &len)) !=
           ASYNCHAT_FRAMER_MORE) {
        if (event == ASYNCHAT_FRAMER_DATA) {
            trace_bytes(t, data, len);
        } else if (event == ASYNCHAT_FRAMER_END) {
            trace_add(t, TRACE_END, asynchat_framer_get_matched(f));
        } else {
            trace_add(t, TRACE_ERROR, (size_t)-asynchat_framer_get_error(f));
            if (event == ASYNCHAT_FRAMER_BAD)
                return false;
            assert_int_equal(event, ASYNCHAT_FRAMER_DROPPED);
            trace_add(t, TRACE_DROPPED, (size_t)asynchat_framer_get_total(f));
        }
    }
    return true;
}

/* A random number below `most`, the same in each run of the program. */
static unsigned random_below(unsigned most)
{
    static uint32_t seed = 2463534242u;
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % most;
}

/* Where the next span ends: `length` 0 is any. */
static size_t drive_next(const struct drive *v, size_t end, size_t length)
{
    end += length > 0 ? length : 1 + random_below(9);
    return end < v->len ? end : v->len;
}

/* The trace with each error right before its message is dropped. The framer's
 * is that already: a dropped message gives no data behind its error. */
static void drive_framer(struct drive *v, size_t cut, size_t length)
{
    static struct trace t;
    struct asynchat_framer *f = asynchat_framer_new();
    bool good = true;
    assert_int_equal(asynchat_framer_set_limit(f, SIZE_MAX, 1), 0);
    assert_int_equal(asynchat_framer_set_framing(f, v->make(&v->ends)), 0);
    t.len = 0;
    for (size_t at = 0, end = cut; good && at < v->len;
         at = end, end = drive_next(v, end, length)) {
        const uint8_t *span = driver_span(v->stream + at, end - at);
        assert_int_equal(asynchat_framer_feed(f, span, end - at), 0);
        good = framer_trace(f, &t);
    }
    asynchat_framer_finish(f);
    if (good && framer_trace(f, &t) && asynchat_framer_is_cut_off(f))
        trace_add(&t, TRACE_CUT, 0);
    asynchat_framer_free(f);
    trace_compare(&t, &v->wanted, v, cut, length);
}

/* The first span has `cut` bytes, and the others have `length`. */
static void drive_cut(struct drive *v, size_t cut, size_t length)
{
    static struct driver d;
    for (int finds = 0; finds < 2; finds++) {
        drive_begin(v, &d, finds);
        for (size_t end = cut; end < v->len; end = drive_next(v, end, length))
            driver_feed(&d, end);
        driver_feed(&d, v->len);
        driver_finish(&d);
        v->shorts += d.shorts;
        trace_compare(&d.trace, &v->wanted, v, cut, length);
    }
    drive_framer(v, cut, length);
}

/* How many streams were driven at all their cuts. */
static unsigned driven;

/* For the end of a group of tests. */
static inline int print_driven(void **state)
{
    (void)state;
    printf("%u streams\n", driven);
    return 0;
}

/* Whole, byte by byte, and at every cut; a longer stream also in short pieces,
 * and at random. */
static void drive(struct drive *v)
{
    driven++;
    size_t most = v->len < 300 ? v->len : 300;
    drive_cut(v, 1, 1);
    for (size_t length = most > 10 ? 0 : 6; length < 6; length++)
        drive_cut(v, length, length);
    for (size_t cut = 1; cut <= most; cut++)
        drive_cut(v, cut, v->len);
    if (v->len == 0 || v->len > most)
        drive_cut(v, v->len, 1);
}

/* The same for a stream, beside the model. */
static inline struct drive *drive_prepare(maker *make, const struct naive *ends,
                                          const void *stream, size_t len)
{
    static struct drive v;
    v.make = make;
    v.ends = *ends;
    v.stream = stream;
    v.len = len;
    v.shorts = 0;
    trace_model(&v.wanted, ends, stream, len);
    return &v;
}

static inline unsigned drive_stream(maker *make, const struct naive *ends,
                                    const void *stream, size_t len)
{
    struct drive *v = drive_prepare(make, ends, stream, len);
    drive(v);
    return v->shorts;
}

/* The same for one of many streams. */
static inline void drive_one(maker *make, const struct naive *ends,
                             const void *stream, size_t len)
{
    if (!is_left_out())
        drive_stream(make, ends, stream, len);
}

/* The same, with what is expected written out as a text. */
static inline void drive_expect(maker *make, const struct naive *ends,
                                const void *stream, size_t len,
                                const char *wanted)
{
    struct drive *v = drive_prepare(make, ends, stream, len);
    assert_string_equal(trace_text(&v->wanted), wanted);
    drive(v);
}

/* --- framings that cannot be made --- */

static inline void expect_no_memory(maker *make, const struct naive *ends)
{
    no_memory = true;
    struct asynchat_framing *f = make(ends);
    no_memory = false;
    assert_null(f);
}

/* A framing that was made of bad arguments says so, and never ends a message. */
static inline void expect_bad(struct asynchat_framing *f, int error)
{
    static struct driver d;
    d = (struct driver){.f = f, .stream = (const uint8_t *)"\1a\1b\1c"};
    assert_non_null(f);
    assert_int_equal(f->error, error);
    for (size_t end = 2; end <= 6; end += 2)
        driver_feed(&d, end);
    assert_true(d.failed);
    assert_int_equal(d.have, 6);
    driver_finish(&d);
    assert_int_equal(d.trace.len, 1);
}

/* --- all strings over some letters --- */

/* Makes the next string of `len` letters; false after the last one. Begins with
 * `len` times the first letter. */
static inline bool string_next(uint8_t *string, size_t len, const char *letters)
{
    for (size_t i = 0; i < len; i++) {
        const char *letter = strchr(letters, string[i]);
        if (letter[1] != '\0') {
            string[i] = (uint8_t)letter[1];
            return true;
        }
        string[i] = (uint8_t)letters[0];
    }
    return false;
}

#endif
