/* The matcher: finds terminators in a stream, seeing each byte once.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "match.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Room for "\r\n" and "\r\n\r\n" alike, so that a protocol that alternates
 * between them allocates once. */
#define NEEDLE_LEAST 4

/* A terminator longer than this gives its memory back when the next one is set.
 */
#define NEEDLE_REUSED 64

/* --- the terminator --- */

/* The bytes stand behind the table, which has room for `capacity` of them. */
static uint8_t *needle_storage(struct needle *needle)
{
    return (uint8_t *)(needle->border + needle->capacity);
}

const uint8_t *asynchat__needle_bytes(const struct needle *needle)
{
    return (const uint8_t *)(needle->border + needle->capacity);
}

struct needle *asynchat__needle_share(struct needle *needle)
{
    needle->shares++;
    return needle;
}

void asynchat__needle_release(struct needle *needle)
{
    if (needle && --needle->shares == 0)
        free(needle);
}

/* A terminator that somebody else still looks at must not be written over. */
static bool needle_reusable(const struct needle *needle, size_t len)
{
    return needle && needle->shares == 1 && len <= needle->capacity &&
           needle->capacity <= NEEDLE_REUSED;
}

static struct needle *needle_new(size_t len)
{
    size_t capacity = len < NEEDLE_LEAST ? NEEDLE_LEAST : len;
    struct needle *needle =
        malloc(sizeof *needle + capacity * (sizeof needle->border[0] + 1));
    if (!needle)
        return NULL;
    needle->shares = 1;
    needle->capacity = (uint32_t)capacity;
    return needle;
}

/* The table of Knuth, Morris and Pratt, in one pass: `prefix` is the border of
 * the bytes before k, and grows by one or falls back to a shorter border.
 * `bytes` may be this needle's own. */
static void needle_fill(struct needle *needle, const void *bytes, size_t len)
{
    uint8_t *storage = needle_storage(needle);
    memmove(storage, bytes, len);
    needle->len = (uint32_t)len;

    uint32_t prefix = 0;
    needle->border[0] = 0;
    for (uint32_t k = 1; k < needle->len; k++) {
        needle->border[k] = prefix;
        while (prefix > 0 && storage[k] != storage[prefix])
            prefix = needle->border[prefix];
        if (storage[k] == storage[prefix])
            prefix++;
    }
}

/* Most programs set the same few terminators again and again; what is set
 * already costs a comparison. */
static int match_set_needle(struct match *m, const void *bytes, size_t len)
{
    if (m->needle && m->needle->len == len &&
        memcmp(asynchat__needle_bytes(m->needle), bytes, len) == 0)
        return 0;
    struct needle *needle = m->needle;
    if (!needle_reusable(needle, len)) {
        needle = needle_new(len);
        if (!needle)
            return -ENOMEM;
    }
    needle_fill(needle, bytes, len);
    if (needle != m->needle)
        asynchat__needle_release(m->needle);
    m->needle = needle;
    return 0;
}

int asynchat__match_set(struct match *m, enum asynchat_terminator kind,
                        const void *bytes, uint64_t len)
{
    if (kind == ASYNCHAT_STRING && len > 0) {
        int error = match_set_needle(m, bytes, (size_t)len);
        if (error)
            return error;
    }
    m->kind = kind;
    m->left = kind == ASYNCHAT_NONE ? 0 : len;
    return 0;
}

bool asynchat__match_ends(const struct match *m)
{
    return m->left > 0;
}

/* --- the search --- */

static struct match_step length_step(const struct match *m, size_t len)
{
    size_t data = len < m->left ? len : (size_t)m->left;
    return (struct match_step){
        .data = data, .used = data, .found = data == m->left};
}

/* What lies before the match that ends at piece + used, and of which `matched`
 * bytes are there, is data. */
static struct match_step string_result(const struct match *m, size_t used,
                                       uint32_t matched)
{
    size_t before = m->held + used - matched;
    size_t released = before < m->held ? before : m->held;
    bool found = matched == m->needle->len;
    return (struct match_step){
        .released = released,
        .data = before - released,
        .used = used,
        .held = found ? 0 : matched,
        .found = found,
    };
}

/* Each turn of the loop takes a byte, or shortens the match, which only bytes
 * taken have made longer: at most two turns for each byte. Where nothing has
 * matched, memchr goes on to the first byte that could begin a match; in a run
 * of such bytes it is not called, as the loop itself is faster then. */
static struct match_step string_step(const struct match *m,
                                     const uint8_t *piece, size_t len)
{
    const struct needle *needle = m->needle;
    const uint8_t *bytes = asynchat__needle_bytes(needle);
    uint32_t matched = m->held;
    size_t at = 0;

    while (at < len && matched < needle->len) {
        if (piece[at] == bytes[matched]) {
            at++;
            matched++;
        } else if (matched > 0) {
            matched = needle->border[matched];
        } else {
            const uint8_t *first = memchr(piece + at, bytes[0], len - at);
            at = first ? (size_t)(first - piece) : len;
        }
    }
    return string_result(m, at, matched);
}

struct match_step asynchat__match_step(const struct match *m,
                                       const uint8_t *piece, size_t len)
{
    if (!asynchat__match_ends(m))
        return (struct match_step){.data = len, .used = len};
    if (m->kind == ASYNCHAT_LENGTH)
        return length_step(m, len);
    return string_step(m, piece, len);
}
