/* Lines: a framing whose messages end with CR LF or LF, or strictly with CR LF.
 *
 * The one byte that may be held back is a CR.
 *
 * Tested by tests/test_framing.c. SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include <asynchat/error.h>

#include "base/memory.h"
#include "framer/any.h"
#include "framer/framing.h"

struct lines {
    struct asynchat_framing framing;
    bool bad; /* strict: the line has a bare CR or LF */
};

static struct lines *lines_of(struct asynchat_framing *f)
{
    return (struct lines *)f;
}

/* The stream goes on for `len` bytes without the end of a line. */
static struct framing_step lines_go_on(struct asynchat_framing *f,
                                       const uint8_t *bytes, size_t len)
{
    size_t data = f->held + len;
    f->held = bytes[len - 1] == '\r';
    return (struct framing_step){.data = data - f->held, .tail = f->held};
}

/* The line ends with an LF, which has `at` bytes before it, and `cr`, 0 or 1,
 * of those belong to the end. */
static struct framing_step lines_end(struct asynchat_framing *f, size_t at,
                                     size_t cr)
{
    size_t data = f->held + at - cr;
    f->held = 0;
    return (struct framing_step){
        .data = data, .tail = 1 + cr, .verdict = FRAMING_ENDS};
}

/* Whether a CR stands before the byte at `at`. */
static bool lines_cr_before(const struct asynchat_framing *f,
                            const uint8_t *bytes, size_t at)
{
    return at > 0 ? bytes[at - 1] == '\r' : f->held > 0;
}

/* --- CR LF or LF --- */

static struct framing_whole lines_find(struct asynchat_framing *f,
                                       const uint8_t *bytes, size_t len,
                                       const uint8_t **next)
{
    const uint8_t *lf = memchr(bytes, '\n', framing_short(len));
    (void)f;
    if (!lf)
        return framing_not_found();
    size_t at = (size_t)(lf - bytes);
    size_t cr = at > 0 && lf[-1] == '\r';
    *next = lf + 1;
    return (struct framing_whole){bytes, at - cr};
}

static struct framing_step lines_step(struct asynchat_framing *f,
                                      const uint8_t *bytes, size_t len)
{
    const uint8_t *lf = memchr(bytes, '\n', len);
    if (!lf)
        return lines_go_on(f, bytes, len);
    size_t at = (size_t)(lf - bytes);
    return lines_end(f, at, lines_cr_before(f, bytes, at));
}

/* --- CR LF alone --- */

/* The first place of a CR or an LF; or `len`. */
static size_t strict_look(const uint8_t *bytes, size_t len)
{
    return asynchat__any_of_two(bytes, len, '\r', '\n');
}

static struct framing_whole strict_find(struct asynchat_framing *f,
                                        const uint8_t *bytes, size_t len,
                                        const uint8_t **next)
{
    size_t at = strict_look(bytes, framing_short(len));
    (void)f;
    if (len - at < 2 || bytes[at] != '\r' || bytes[at + 1] != '\n')
        return framing_not_found();
    *next = bytes + at + 2;
    return (struct framing_whole){bytes, at};
}

/* The byte behind the next `at` is a CR or an LF that ends no line. */
static struct framing_step strict_fail(struct asynchat_framing *f, size_t at)
{
    lines_of(f)->bad = true;
    return (struct framing_step){.data = at, .verdict = ASYNCHAT_EBARE};
}

/* The rest of a bad line, which only a good end ends. */
static struct framing_step strict_rest(struct asynchat_framing *f,
                                       const uint8_t *bytes, size_t len)
{
    const uint8_t *lf = memchr(bytes, '\n', len);
    while (lf && !lines_cr_before(f, bytes, (size_t)(lf - bytes)))
        lf = memchr(lf + 1, '\n', (size_t)(bytes + len - lf) - 1);
    if (!lf)
        return lines_go_on(f, bytes, len);
    lines_of(f)->bad = false;
    return lines_end(f, (size_t)(lf - bytes), 1);
}

static struct framing_step strict_step(struct asynchat_framing *f,
                                       const uint8_t *bytes, size_t len)
{
    if (lines_of(f)->bad)
        return strict_rest(f, bytes, len);
    if (f->held > 0)
        return *bytes == '\n' ? lines_end(f, 0, 1) : strict_fail(f, 0);
    size_t at = strict_look(bytes, len);
    if (len - at < 2 && (at == len || bytes[at] == '\r'))
        return lines_go_on(f, bytes, len);
    if (bytes[at] != '\r' || bytes[at + 1] != '\n')
        return strict_fail(f, at);
    return lines_end(f, at + 1, 1);
}

/* --- both --- */

static const uint8_t *lines_held(const struct asynchat_framing *f)
{
    (void)f;
    return (const uint8_t *)"\r";
}

static void lines_reset(struct asynchat_framing *f)
{
    f->held = 0;
    lines_of(f)->bad = false;
}

static void lines_release(struct asynchat_framing *f)
{
    asynchat__free(lines_of(f));
}

struct asynchat_framing *asynchat_framing_lines(unsigned flags)
{
    static const struct framing_ops loose = {lines_find, lines_step, lines_held,
                                             lines_release, lines_reset};
    static const struct framing_ops strict = {
        strict_find, strict_step, lines_held, lines_release, lines_reset};
    if (flags & ~ASYNCHAT_LINES_STRICT)
        return NULL;
    struct lines *lines = asynchat__calloc(1, sizeof *lines);
    if (!lines)
        return NULL;
    lines->framing.ops = flags & ASYNCHAT_LINES_STRICT ? &strict : &loose;
    lines->framing.shares = 1;
    return &lines->framing;
}
