/* Drives a framing, of which it knows nothing, over a stream that is cut in
 * many ways, and compares what the framing finds with what a model says that
 * sees the whole stream.
 *
 * Both are written down in the same form: "5:hello " for a message of five
 * bytes, of which the first sixteen are written; "!-10017" for an error, behind
 * which nothing is written; and at the end "~2+3" if a message is cut off of
 * which two bytes came, and three bytes are held back.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef LENGTH_DRIVER_H
#define LENGTH_DRIVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "find_step.h"
#include "framer/framing.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define SAID_MOST 65536
#define SHOWN 16

/* --- what was found --- */

struct said {
    char text[SAID_MOST];
    size_t len;
    bool failed;
    char shown[SHOWN + 1]; /* of the message in progress */
    uint64_t got;
};

static void said_add(struct said *s, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len && s->got + i < SHOWN; i++)
        s->shown[s->got + i] = ((const char *)bytes)[i];
    s->got += len;
}

static void said_end(struct said *s)
{
    size_t shown = s->got < SHOWN ? (size_t)s->got : SHOWN;
    assert_true(s->len + 64 < SAID_MOST);
    s->len +=
        (size_t)sprintf(s->text + s->len, "%llu:", (unsigned long long)s->got);
    memcpy(s->text + s->len, s->shown, shown);
    s->len += shown;
    s->text[s->len++] = ' ';
    s->got = 0;
}

static void said_message(struct said *s, const void *bytes, size_t len)
{
    said_add(s, bytes, len);
    said_end(s);
}

static void said_error(struct said *s, int error)
{
    s->failed = true;
    s->len += (size_t)sprintf(s->text + s->len, "!%d", error);
}

static void said_cut(struct said *s, size_t held)
{
    s->len += (size_t)sprintf(s->text + s->len, "~%llu+%zu",
                              (unsigned long long)s->got, held);
}

/* --- one run --- */

struct drive {
    struct asynchat_framing *f;
    struct said said;
    bool plain;     /* `find` is not used */
    uint64_t whole; /* of the message in progress, as announced */
    uint64_t count; /* the bytes that were dealt with */
};

/* The bytes `from` to `from + len` of those that were held, and the new ones. */
static void drive_say(struct drive *d, const uint8_t *held, size_t held_len,
                      const uint8_t *bytes, size_t from, size_t len)
{
    size_t old = from < held_len ? held_len - from : 0;
    if (old > len)
        old = len;
    if (old > 0)
        said_add(&d->said, held + from, old);
    if (len > old)
        said_add(&d->said, bytes + (from + old - held_len), len - old);
}

/* The tail is held back: the framing has the bytes of it. */
static void drive_check_held(const struct drive *d, const uint8_t *before,
                             size_t held, const uint8_t *bytes, size_t tail_at)
{
    const uint8_t *now = d->f->ops->held(d->f);
    for (size_t i = 0; i < d->f->held; i++) {
        size_t at = tail_at + i;
        assert_int_equal(now[i], at < held ? before[at] : bytes[at - held]);
    }
}

static void drive_step(struct drive *d, const struct framing_step *step,
                       const uint8_t *held, size_t held_len,
                       const uint8_t *bytes)
{
    d->count += step->skip;
    if (d->said.failed) {
        d->count += step->data + step->tail;
        return;
    }
    if (step->verdict < 0) {
        assert_true(d->f->begun);
        assert_int_equal(d->f->error, step->verdict);
        assert_null(d->f->ops->find);
        d->count += step->data + step->tail;
        said_error(&d->said, step->verdict);
        return;
    }
    if (step->whole > 0) {
        assert_int_equal(d->said.got, 0);
        d->whole = step->whole;
    }
    drive_say(d, held, held_len, bytes, step->skip, step->data);
    d->count += step->data;
    assert_int_equal(d->f->begun,
                     step->verdict == FRAMING_GOES_ON &&
                         (d->whole > 0 || d->f->held > 0 || d->f->begun));
    if (step->verdict == FRAMING_ENDS) {
        assert_int_equal(d->said.got, d->whole);
        said_end(&d->said);
        d->whole = 0;
        d->count += step->tail;
    }
}

/* Has the framing look once. Answers how many of the new bytes were dealt with;
 * the bytes that were held and are left over are fed first, from memory of
 * their own. */
static size_t drive_look(struct drive *d, const uint8_t *bytes, size_t len)
{
    struct framing_step step;
    struct asynchat_framing *f = d->f;
    size_t held = f->held;
    uint8_t before[256];
    const uint8_t *lent = f->ops->held(f);
    assert_true(held < sizeof before);
    memcpy(before, lent, held);
    if (!d->plain && held == 0 && !f->begun && f->ops->find &&
        find_step(f, bytes, len, &step))
        step.whole = step.data;
    else
        step = f->ops->step(f, bytes, len);
    size_t used = step.skip + step.data + step.tail;
    assert_true(used <= held + len);
    assert_int_equal(f->held, step.verdict == FRAMING_GOES_ON ? step.tail : 0);
    if (step.verdict == FRAMING_GOES_ON)
        assert_true(used > held);
    drive_step(d, &step, lent, held, bytes);
    drive_check_held(d, before, held, bytes, step.skip + step.data);
    for (size_t at = used; at < held;)
        at += drive_look(d, before + at, held - at);
    return used > held ? used - held : 0;
}

/* Feeds a copy, so that a sanitizer sees each read behind it. */
static void drive_feed(struct drive *d, const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len + 1) /* of no byte, too */;
    uint8_t *span = copy + 1;
    memcpy(span, bytes, len);
    for (size_t at = 0; at < len;)
        at += drive_look(d, span + at, len - at);
    free(copy);
}

static void drive_finish(struct drive *d, size_t len)
{
    if (!d->said.failed) {
        assert_int_equal(d->count + d->f->held, len);
        if (d->f->begun)
            said_cut(&d->said, d->f->held);
        else
            assert_int_equal(d->f->held, 0);
    }
    d->f->ops->release(d->f);
}

/* --- all cuts --- */

typedef struct asynchat_framing *maker(const void *what);

struct stream {
    maker *make;
    const void *what;
    const uint8_t *bytes;
    size_t len;
    const struct said *model;
};

/* Feeds pieces whose ends `next` tells. */
static void stream_run(const struct stream *s, bool plain,
                       size_t next(size_t at, size_t cut), size_t cut)
{
    static struct drive d;
    d.f = s->make(s->what);
    d.said.len = 0;
    d.said.failed = false;
    d.said.got = d.whole = d.count = 0;
    d.plain = plain;
    assert_non_null(d.f);
    for (size_t at = 0; at < s->len;) {
        size_t end = next(at, cut);
        end = end < s->len ? end : s->len;
        drive_feed(&d, s->bytes + at, end - at);
        at = end;
    }
    drive_finish(&d, s->len);
    d.said.text[d.said.len] = '\0';
    if (d.said.len != s->model->len ||
        memcmp(d.said.text, s->model->text, d.said.len) != 0)
        fail_msg("cut %zu%s:\n%s\n%s", cut, plain ? ", plain" : "", d.said.text,
                 s->model->text);
}

static size_t next_cut(size_t at, size_t cut)
{
    return at < cut ? cut : SIZE_MAX;
}

static size_t next_piece(size_t at, size_t cut)
{
    return at + cut;
}

static size_t next_random(size_t at, size_t cut)
{
    (void)cut;
    return at + 1 + (size_t)rand() % 9;
}

/* Whole, in two pieces at each place, in pieces of 1 to 5 bytes, and at
 * random. */
static void stream_check(maker *make, const void *what, const uint8_t *bytes,
                         size_t len, struct said *model)
{
    struct stream s = {make, what, bytes, len, model};
    size_t last = len < 300 ? len : 300;
    model->text[model->len] = '\0';
    for (int plain = 0; plain < 2; plain++) {
        for (size_t cut = 0; cut <= last; cut++)
            stream_run(&s, plain, next_cut, cut);
        for (size_t piece = 1; piece <= 5; piece++)
            stream_run(&s, plain, next_piece, piece);
        for (unsigned i = 0; i < 4; i++)
            stream_run(&s, plain, next_random, 0);
    }
}

/* The same with what is expected written out. */
static void stream_expect(maker *make, const void *what, const void *bytes,
                          size_t len, const char *expected)
{
    static struct said said;
    said.len = strlen(expected);
    memcpy(said.text, expected, said.len + 1);
    stream_check(make, what, bytes, len, &said);
}

static void said_begin(struct said *s)
{
    s->len = 0;
    s->failed = false;
    s->got = 0;
}

/* --- memory that fails --- */

static bool no_memory;
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
    return no_memory ? NULL : __real_calloc(count, size);
}

static void expect_no_memory(maker *make, const void *what)
{
    no_memory = true;
    assert_null(make(what));
    no_memory = false;
}

/* A framing that was made of bad arguments says so, and never ends a message. */
static inline void expect_bad(struct asynchat_framing *f, int error)
{
    static struct drive d;
    memset(&d, 0, sizeof d);
    d.f = f;
    assert_non_null(f);
    assert_int_equal(f->error, error);
    for (int i = 0; i < 3; i++)
        drive_feed(&d, (const uint8_t *)"\1a\1b", 4);
    assert_true(d.said.failed);
    assert_int_equal(d.count, 12);
    drive_finish(&d, 12);
}

#endif
