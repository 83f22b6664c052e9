/* The search: skips to where in a piece a terminator could begin.
 *
 * memchr looks for one of the terminator's two rarest bytes. If it finds this
 * byte and the other one is not in its place, both are looked for together, 32
 * places at a time, for a stretch that doubles each time. So text in which one
 * of the two is rare costs a memchr, any other text costs little more, and
 * hostile input does not cost a call for each byte.
 *
 * Few files depend on the platform: this one, framer/any.c,
 * framer/stuffing.c, base/socket.c and output/producer_file.c. Without AVX2,
 * memchr looks for the first byte.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "framer/search.h"

#include <stdbool.h>
#include <string.h>

#include "base/apart.h"

#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__)) &&         \
    !defined(ASYNCHAT_NO_VECTOR)
#define SEARCH_VECTOR 1
#include <immintrin.h>
#endif

/* How many places are looked at together, and how many the first stretch
 * has. */
#define BLOCK ((size_t)32)
#define STRETCH 128u

/* The most bytes of a long terminator that the search looks at. Bytes that come
 * behind a place, and are not in the piece yet, are left to the matcher. */
#define REACH_MOST 64

static size_t search_first(const struct search *s, const uint8_t *piece,
                           size_t at, size_t len)
{
    const uint8_t *first = memchr(piece + at, s->first, len - at);
    return first ? (size_t)(first - piece) : len;
}

/* --- two bytes at a time --- */

#ifdef SEARCH_VECTOR

static bool both_at(const struct search *s, const uint8_t *place)
{
    return place[s->rare[0].at] == s->rare[0].byte &&
           place[s->rare[1].at] == s->rare[1].byte;
}

/* Looks at which of BLOCK places both bytes stand. For each such place, all
 * bits of its byte are set in the answer. */
__attribute__((target("avx2"))) static inline __m256i both_in_block(
    const struct search *s, const uint8_t *place)
{
    __m256i one = _mm256_loadu_si256((const void *)(place + s->rare[0].at));
    __m256i two = _mm256_loadu_si256((const void *)(place + s->rare[1].at));
    one = _mm256_cmpeq_epi8(one, _mm256_set1_epi8((char)s->rare[0].byte));
    two = _mm256_cmpeq_epi8(two, _mm256_set1_epi8((char)s->rare[1].byte));
    return _mm256_and_si256(one, two);
}

/* The first of the places from `at` to `end` where both bytes stand. Only whole
 * blocks are looked at. If both stand nowhere there, the answer is the place
 * behind these blocks. */
__attribute__((target("avx2"))) static size_t skip_blocks(
    const struct search *s, const uint8_t *piece, size_t at, size_t end)
{
    for (; at + 4 * BLOCK <= end; at += 4 * BLOCK) {
        __m256i any = both_in_block(s, piece + at);
        for (size_t i = 1; i < 4; i++)
            any =
                _mm256_or_si256(any, both_in_block(s, piece + at + i * BLOCK));
        if (!_mm256_testz_si256(any, any))
            break;
    }
    for (; at + BLOCK <= end; at += BLOCK) {
        __m256i both = both_in_block(s, piece + at);
        unsigned places = (unsigned)_mm256_movemask_epi8(both);
        if (places != 0)
            return at + (size_t)__builtin_ctz(places);
    }
    return at;
}

/* The first place before `end` where the terminator could begin, judged by
 * `rare` alone; or `end`. */
static inline size_t find_byte(const struct search_byte *rare,
                               const uint8_t *piece, size_t at, size_t end)
{
    const uint8_t *hit = memchr(piece + at + rare->at, rare->byte, end - at);
    return hit ? (size_t)(hit - piece) - rare->at : end;
}

/* Goes on from a place where only one of the two bytes stands. Which of the two
 * memchr looks for changes with each stretch. Near the end of the piece, where
 * no block fits, the first byte is enough. */
APART static size_t search_on(const struct search *s, const uint8_t *piece,
                              size_t at, size_t len)
{
    size_t stretch = STRETCH, end = len - s->reach + 1;
    for (unsigned turn = 1; at + BLOCK <= end; turn ^= 1) {
        at = skip_blocks(s, piece, at, end - at < stretch ? end : at + stretch);
        if (at < end && both_at(s, piece + at))
            return at;
        at = find_byte(&s->rare[turn], piece, at, end);
        if (at < end && both_at(s, piece + at))
            return at;
        stretch *= 2;
    }
    return search_first(s, piece, at, len);
}

APART static size_t search_memchr(const struct search *s, const uint8_t *piece,
                                  size_t at, size_t len)
{
    if (len - at < s->reach)
        return search_first(s, piece, at, len);
    size_t end = len - s->reach + 1;
    at = find_byte(&s->rare[0], piece, at, end);
    if (at < end && both_at(s, piece + at))
        return at;
    return search_on(s, piece, at, len);
}

/* Looks at the first block before it calls anything, since short messages end
 * there. */
__attribute__((target("avx2"))) static size_t search_rare(
    const struct search *s, const uint8_t *piece, size_t at, size_t len)
{
    if (len - at < s->reach + BLOCK)
        return search_memchr(s, piece, at, len);
    unsigned places =
        (unsigned)_mm256_movemask_epi8(both_in_block(s, piece + at));
    if (places == 0)
        return search_memchr(s, piece, at + BLOCK, len);
    return at + (size_t)__builtin_ctz(places);
}

#endif

/* --- the bytes to look for --- */

/* How common a byte is, in text and in other data, by its kind. */
static unsigned byte_rank(uint8_t byte)
{
    if (byte < ' ' || byte > '~')
        return 0;
    if (byte >= 'a' && byte <= 'z')
        return 3;
    if ((byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9'))
        return 2;
    return byte == ' ' ? 4 : 1;
}

/* Whether `byte` is a better second byte than `than`. The second byte is of
 * another kind than the first, if there is such a byte, and far from the first.
 * So with "\r\n--boundary", the end of each line is no reason to stop. */
static bool better_second(const struct search *s, uint8_t than, uint8_t byte)
{
    unsigned first = byte_rank(s->rare[0].byte);
    unsigned old = byte_rank(than), new = byte_rank(byte);
    if ((old == first) != (new == first))
        return old == first;
    return new <= old;
}

void asynchat__search_set(struct search *s, const uint8_t *bytes, size_t len)
{
    uint8_t end = len < REACH_MOST ? (uint8_t)len : REACH_MOST;
    s->first = bytes[0];
    s->rare[0] = (struct search_byte){bytes[0], 0};
    for (uint8_t i = 1; i < end; i++)
        if (byte_rank(bytes[i]) < byte_rank(s->rare[0].byte))
            s->rare[0] = (struct search_byte){bytes[i], i};
    uint8_t first = s->rare[0].at;
    s->rare[1] = s->rare[0];
    for (uint8_t i = 0; i < end; i++)
        if (i != first && (s->rare[1].at == first ||
                           better_second(s, s->rare[1].byte, bytes[i])))
            s->rare[1] = (struct search_byte){bytes[i], i};
    s->reach = 1 + (first > s->rare[1].at ? first : s->rare[1].at);
    s->run = search_first;
#ifdef SEARCH_VECTOR
    if (__builtin_cpu_supports("avx2"))
        s->run = search_rare;
#endif
}
