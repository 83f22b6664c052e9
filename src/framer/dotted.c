/* The framing of dotted data: a line that is a single dot ends the message, and
 * other lines lose a dot at their beginning.
 *
 * Held back are at most a dot at the beginning of a line, the CR behind this
 * dot, and in strict data the CR that is the last byte. A step goes up to a
 * line that begins with a dot, and the next step begins with this dot.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/framing.h>

#include <errno.h>
#include <string.h>

#include <asynchat/error.h>

#include "base/memory.h"
#include "framer/framing.h"
#include "framer/stuffing.h"

/* Lines of this length are looked for one by one. */
#define DOTTED_LONG ((size_t)256)

/* Where in a line the next byte stands. */
enum dotted_place {
    PLACE_BEGIN, /* at the beginning of a line */
    PLACE_IN,
    PLACE_CR /* behind a CR that was handed out */
};

struct dotted {
    struct asynchat_framing framing;
    bool strict;
    bool bad; /* strict, and the message has its error */
    enum dotted_place place;
};

static const uint8_t dotted_end[] = {'.', '\r', '\n'};

/* What is held back at the beginning of a line is a part of the end mark. In a
 * line it is the CR of it. */
static const uint8_t *dotted_held(const struct asynchat_framing *f)
{
    const struct dotted *d = (const struct dotted *)f;
    return dotted_end + (d->place == PLACE_BEGIN ? 0 : 1);
}

/* How many bytes of the end mark the `len` bytes begin with; or 0 if they are
 * more than that, and do not go on with the mark. */
static size_t mark_length(const uint8_t *bytes, size_t len)
{
    size_t n = 0;
    while (n < len && n < sizeof dotted_end && bytes[n] == dotted_end[n])
        n++;
    return n == len || n == sizeof dotted_end ? n : 0;
}

/* --- lines --- */

static bool dotted_is_strict(const struct dotted *d)
{
    return d->strict && !d->bad;
}

/* Passes over more lines like the last one, of `line` bytes, if there are
 * likely to be many. Stops in a line, or before the end of one. */
static size_t lines_pass_more(struct dotted *d, const uint8_t *bytes, size_t at,
                              size_t len, size_t line)
{
    if (line >= DOTTED_LONG)
        return at;
    size_t to = asynchat__stuffing_pass(bytes, at, len, dotted_is_strict(d));
    if (to > at)
        d->place = PLACE_IN;
    if (to > at && bytes[to - 1] == '\n')
        to--;
    if (to > at && bytes[to - 1] == '\r')
        to--;
    return to;
}

/* Goes from `at` on to the first line that begins with a dot, and answers where
 * it begins; or answers `len`. */
static size_t lines_pass(struct dotted *d, const uint8_t *bytes, size_t at,
                         size_t len)
{
    const uint8_t *lf;
    while ((lf = memchr(bytes + at, '\n', len - at))) {
        size_t line = (size_t)(lf - bytes) - at;
        bool ends = line > 0 ? lf[-1] == '\r' : d->place == PLACE_CR;
        at += line + 1;
        d->place = ends ? PLACE_BEGIN : PLACE_IN;
        if (ends && (at == len || bytes[at] == '.'))
            return at;
        at = lines_pass_more(d, bytes, at, len, line);
    }
    if (at < len)
        d->place = bytes[len - 1] == '\r' ? PLACE_CR : PLACE_IN;
    return len;
}

/* The same for strict data, in which no CR is handed out by itself. Stops also
 * at a CR or LF that is bare, or is a CR and the last byte: such a byte does
 * not stand at the beginning of a line, as a dot does. */
static size_t lines_pass_strict(struct dotted *d, const uint8_t *bytes,
                                size_t at, size_t len)
{
    while (at < len) {
        const uint8_t *from = bytes + at;
        const uint8_t *lf = memchr(from, '\n', len - at);
        size_t line = lf ? (size_t)(lf - from) : len - at;
        const uint8_t *cr = memchr(from, '\r', line);
        d->place = PLACE_IN;
        if (!lf || !cr || cr + 1 != lf)
            return cr ? (size_t)(cr - bytes) : at + line;
        at += line + 1;
        d->place = PLACE_BEGIN;
        if (at == len || bytes[at] == '.')
            return at;
        at = lines_pass_more(d, bytes, at, len, line);
    }
    return at;
}

/* --- steps --- */

/* The next message, if there is one, begins with its first byte. */
static void dotted_over(struct dotted *d)
{
    d->place = PLACE_BEGIN;
    d->bad = false;
    d->framing.begun = false;
}

static struct framing_step dotted_ends(struct dotted *d,
                                       struct framing_step step)
{
    dotted_over(d);
    step.tail = sizeof dotted_end;
    step.verdict = FRAMING_ENDS;
    return step;
}

static struct framing_step dotted_holds(struct dotted *d,
                                        struct framing_step step, size_t len)
{
    d->framing.held = (uint32_t)len;
    step.tail = len;
    return step;
}

/* All bytes before the bare one were handed out, at every cut. The next step
 * begins with it, and `held` says whether it is a CR that was held back. */
static struct framing_step dotted_fails(struct dotted *d, size_t skip,
                                        uint32_t held)
{
    d->place = PLACE_IN;
    d->bad = true;
    d->framing.held = held;
    return (struct framing_step){.skip = skip, .verdict = ASYNCHAT_EBARE};
}

/* The lines from `at` on. What the step has before them is in `step`. */
static struct framing_step dotted_lines(struct dotted *d,
                                        struct framing_step step,
                                        const uint8_t *bytes, size_t at,
                                        size_t len)
{
    size_t stop = dotted_is_strict(d) ? lines_pass_strict(d, bytes, at, len)
                                      : lines_pass(d, bytes, at, len);
    step.data += stop - at;
    if (stop == len)
        return step;
    if (d->place == PLACE_BEGIN) {
        size_t mark = mark_length(bytes + stop, len - stop);
        return mark == sizeof dotted_end ? dotted_ends(d, step) : step;
    }
    if (stop + 1 == len && bytes[stop] == '\r')
        return dotted_holds(d, step, 1);
    return step.data > 0 ? step : dotted_fails(d, step.skip, 0);
}

/* A line that begins with a dot. The first `held` bytes of it, which are the
 * end mark's, were held back. */
static struct framing_step dotted_dot(struct dotted *d, size_t held,
                                      const uint8_t *bytes, size_t len)
{
    uint8_t line[sizeof dotted_end] = {0};
    size_t n = 0;
    if (held == 0 && len > 1 && bytes[1] != '\r') {
        d->place = PLACE_IN;
        return dotted_lines(d, (struct framing_step){.skip = 1}, bytes, 1, len);
    }
    for (; n < sizeof line && n < held + len; n++)
        line[n] = n < held ? dotted_end[n] : bytes[n - held];
    size_t mark = mark_length(line, n);
    struct framing_step step = {0};
    if (mark == sizeof line)
        return dotted_ends(d, step);
    if (mark == n)
        return dotted_holds(d, step, n);
    step.skip = 1;
    if (line[1] == '\r' && dotted_is_strict(d))
        return dotted_fails(d, step.skip, held > 1);
    step.data = held > 1 ? held - 1 : 0;
    d->place = PLACE_IN;
    return dotted_lines(d, step, bytes, held > 0 ? 0 : 1, len);
}

/* What is behind a CR that was held back in strict data. If the CR is bare, the
 * first look is the error, and the second one goes on; there may be no byte
 * then. */
static struct framing_step dotted_behind_cr(struct dotted *d,
                                            const uint8_t *bytes, size_t len)
{
    if (d->bad) {
        d->place = PLACE_CR;
        return dotted_lines(d, (struct framing_step){.data = 1}, bytes, 0, len);
    }
    if (*bytes != '\n')
        return dotted_fails(d, 0, 1);
    d->place = PLACE_BEGIN;
    return (struct framing_step){.data = 2};
}

static struct framing_step dotted_step(struct asynchat_framing *f,
                                       const uint8_t *bytes, size_t len)
{
    struct dotted *d = (struct dotted *)f;
    size_t held = f->held;
    f->begun = true;
    f->held = 0;
    if (d->place == PLACE_BEGIN && (held > 0 || *bytes == '.'))
        return dotted_dot(d, held, bytes, len);
    if (held > 0)
        return dotted_behind_cr(d, bytes, len);
    return dotted_lines(d, (struct framing_step){0}, bytes, 0, len);
}

/* A message in which no dot is taken away is one step, which is tried with a
 * copy. */
static struct framing_whole dotted_find(struct asynchat_framing *f,
                                        const uint8_t *bytes, size_t len,
                                        const uint8_t **next)
{
    struct dotted *d = (struct dotted *)f, look = *d;
    struct framing_step step =
        dotted_step(&look.framing, bytes, framing_short(len));
    if (step.verdict != FRAMING_ENDS)
        return framing_not_found();
    dotted_over(d);
    bytes += step.skip;
    *next = bytes + step.data + step.tail;
    return (struct framing_whole){bytes, step.data};
}

/* A message that was in progress still is: its end is due. */
static void dotted_reset(struct asynchat_framing *f)
{
    struct dotted *d = (struct dotted *)f;
    f->held = 0;
    d->place = PLACE_BEGIN;
    d->bad = false;
}

static void dotted_release(struct asynchat_framing *f)
{
    asynchat__free(f);
}

static const struct framing_ops dotted_ops = {
    .find = dotted_find,
    .step = dotted_step,
    .held = dotted_held,
    .reset = dotted_reset,
    .release = dotted_release,
};

struct asynchat_framing *asynchat_framing_dotted(unsigned flags)
{
    if (flags & ~ASYNCHAT_DOTTED_STRICT) {
        errno = EINVAL;
        return NULL;
    }
    struct dotted *d = asynchat__calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->framing.ops = &dotted_ops;
    d->framing.shares = 1;
    d->framing.begun = true;
    d->strict = flags & ASYNCHAT_DOTTED_STRICT;
    d->place = PLACE_BEGIN;
    return &d->framing;
}
