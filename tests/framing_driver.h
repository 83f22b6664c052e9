/* Drives a framing as the framer does, and knows nothing of the framing: feeds
 * a stream in spans, does what each step says, and keeps what comes out, as a
 * trace. Each span ends at a guard page.
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

#include "find_step.h"
#include "framer/framing.h"

/* --- what comes out --- */

enum {
    TRACE_DATA = 0,        /* a byte of a message */
    TRACE_END = 1 << 16,   /* and the number of the terminator */
    TRACE_ERROR = 2 << 16, /* the error code, without its sign */
    TRACE_DROPPED =
        3 << 16,        /* the end of a message with an error: its length */
    TRACE_CUT = 4 << 16 /* the stream has ended in a message */
};

#define TRACE_MOST 8192

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

static void trace_print(const char *name, const struct trace *t)
{
    static const char *const kinds[] = {"", "|", "!", "dropped", "cut"};
    print_error("%s:", name);
    for (size_t i = 0; i < t->len; i++)
        print_error(" %s%02x", kinds[t->what[i] >> 16], t->what[i] & 0xffff);
    print_error("\n");
}

/* --- the driver --- */

struct driver {
    struct asynchat_framing *f;
    bool finds; /* takes the short way where there is one */
    const uint8_t *stream;
    size_t at;   /* what was handed out ends here; what is held back begins */
    size_t held; /* how much is held back */
    size_t have; /* of the message in progress */
    bool again;  /* and is left over by the last step */
    bool bad;    /* the message has an error: its bytes are dropped */
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
    if (!d->finds || !ops->find || d->held > 0 || d->have > 0 || d->bad)
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
    if (d->bad)
        trace_add(&d->trace, TRACE_DROPPED, d->have);
    else
        trace_add(&d->trace, TRACE_END, d->f->matched);
    d->have = 0;
    d->bad = false;
}

static void driver_apply(struct driver *d, const struct framing_step *s)
{
    driver_say(d, d->stream + d->at + s->skip, s->data);
    d->at += driver_used(s);
    d->held = d->f->held;
    d->again = s->verdict != FRAMING_GOES_ON && d->held > 0;
    if (s->verdict == FRAMING_ENDS)
        driver_end(d);
    if (s->verdict >= 0)
        return;
    assert_false(d->bad); /* one error for a message */
    d->bad = true;
    trace_add(&d->trace, TRACE_ERROR, (size_t)-s->verdict);
}

/* Feeds the stream up to `end`, in one span. Bytes that are held back and left
 * over are looked at again, even if there is no new one. */
static void driver_feed(struct driver *d, size_t end)
{
    while (d->at + d->held < end || d->again) {
        struct framing_step step = {0};
        size_t from = d->at + d->held, before = d->at, held = d->held;
        const uint8_t *bytes = driver_span(d->stream + from, end - from);
        const uint8_t *lent = held > 0 ? d->f->ops->held(d->f) : NULL;
        if (!driver_short(d, bytes, end - from, &step))
            step = d->f->ops->step(d->f, bytes, end - from);
        driver_check(d, &step, end - from);
        driver_apply(d, &step);
        if (held > 0)
            assert_memory_equal(lent, d->stream + before, held);
    }
}

static void driver_finish(struct driver *d)
{
    bool cut = d->held > 0 || d->have > 0 || d->bad || d->f->begun;
    driver_say(d, d->stream + d->at, d->held);
    if (d->bad)
        trace_add(&d->trace, TRACE_DROPPED, d->have);
    if (cut)
        trace_add(&d->trace, TRACE_CUT, 0);
    assert_int_equal(d->f->shares, 1);
    d->f->ops->release(d->f);
}

/* --- a stream at many cuts --- */

/* What a test gives: a fresh framing, and the trace that it should make. */
struct drive {
    struct asynchat_framing *(*make)(void *arg);
    void *arg;
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
    trace_print("is", is);
    trace_print("wanted", wanted);
    fail();
}

static void drive_begin(const struct drive *v, struct driver *d, bool finds)
{
    d->f = v->make(v->arg);
    assert_non_null(d->f);
    d->finds = finds;
    d->stream = v->stream;
    d->at = d->held = d->have = 0;
    d->again = d->bad = false;
    d->shorts = 0;
    d->trace.len = 0;
}

/* The next events of the framer. An error has none of its own. */
static void framer_trace(struct asynchat_framer *f, struct trace *t)
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
            assert_int_equal(event, ASYNCHAT_FRAMER_DROPPED);
            trace_add(t, TRACE_ERROR, (size_t)-asynchat_framer_get_error(f));
            trace_add(t, TRACE_DROPPED, (size_t)asynchat_framer_get_total(f));
        }
    }
}

/* The trace with each error right before its message is dropped. The framer's
 * is that already: a dropped message gives no data behind its error. */
static void drive_framer(struct drive *v, size_t cut, size_t length)
{
    static struct trace t;
    struct asynchat_framer *f = asynchat_framer_new();
    assert_int_equal(asynchat_framer_set_limit(f, SIZE_MAX, 1), 0);
    assert_int_equal(asynchat_framer_set_framing(f, v->make(v->arg)), 0);
    t.len = 0;
    for (size_t at = 0, end = cut; at < v->len; at = end, end += length) {
        end = end < v->len ? end : v->len;
        const uint8_t *span = driver_span(v->stream + at, end - at);
        assert_int_equal(asynchat_framer_feed(f, span, end - at), 0);
        framer_trace(f, &t);
    }
    asynchat_framer_finish(f);
    framer_trace(f, &t);
    if (asynchat_framer_is_cut_off(f))
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
        for (size_t end = cut; end < v->len; end += length)
            driver_feed(&d, end);
        driver_feed(&d, v->len);
        driver_finish(&d);
        v->shorts += d.shorts;
        trace_compare(&d.trace, &v->wanted, v, cut, length);
    }
    drive_framer(v, cut, length);
}

/* Whole, byte by byte, and at every cut. */
static void drive(struct drive *v)
{
    drive_cut(v, 1, 1);
    for (size_t cut = 1; cut <= v->len; cut++)
        drive_cut(v, cut, v->len);
    if (v->len == 0)
        drive_cut(v, 0, 1);
}

/* --- all strings over some letters --- */

/* Makes the next string of `len` letters; false after the last one. Begins with
 * `len` times the first letter. */
static bool string_next(uint8_t *string, size_t len, const char *letters)
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

/* A random number below `most`, the same in each run of the program. */
static unsigned random_below(unsigned most)
{
    static uint32_t seed = 2463534242u;
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % most;
}

#endif
