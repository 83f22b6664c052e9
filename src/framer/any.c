/* The first of some bytes in a piece: one byte by memchr, and more than one
 * with vectors of 32 places, which look up both halves of each byte, or compare
 * with two bytes; or, without AVX2, with a table or by memchr.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "framer/any.h"

#include <string.h>

#include "base/apart.h"

#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__)) &&         \
    !defined(ASYNCHAT_NO_VECTOR)
#define ANY_VECTOR 1
#include <immintrin.h>
#endif

/* How many places a vector has. */
#define ANY_WIDTH ((size_t)32)

void asynchat__any_add(struct any *any, uint8_t byte)
{
    uint8_t *group = &any->upper[byte >> 4];
    if (any_is(any, byte))
        return;
    if (any->count++ == 0)
        any->one = byte;
    if (*group == 0)
        *group = (uint8_t)(1 << any->groups++ % 8);
    any->lower[byte & 15] |= *group;
    any->table[byte >> 5] |= (uint32_t)1 << (byte & 31);
#ifdef ANY_VECTOR
    any->wide = __builtin_cpu_supports("avx2");
#endif
}

/* How many bytes are before the first that is `byte`. */
static inline size_t any_before(const uint8_t *piece, size_t len, uint8_t byte)
{
    const uint8_t *hit = memchr(piece, byte, len);
    return hit ? (size_t)(hit - piece) : len;
}

static APART size_t two_by_bytes(const uint8_t *piece, size_t at, size_t len,
                                 uint8_t one, uint8_t other)
{
    piece += at;
    return at + any_before(piece, any_before(piece, len - at, one), other);
}

static size_t any_by_table(const struct any *any, const uint8_t *piece,
                           size_t at, size_t len)
{
    while (at < len && !any_is(any, piece[at]))
        at++;
    return at;
}

#ifdef ANY_VECTOR

__attribute__((target("avx2"))) static inline __m256i any_load(
    const uint8_t *table)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)table));
}

/* One bit for each of the ANY_WIDTH places at which one of the bytes may
 * stand. */
__attribute__((target("avx2"))) static inline unsigned any_in_block(
    __m256i lower, __m256i upper, const uint8_t *place)
{
    __m256i half = _mm256_set1_epi8(15);
    __m256i block = _mm256_loadu_si256((const void *)place);
    __m256i low = _mm256_and_si256(block, half);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(block, 4), half);
    __m256i both = _mm256_and_si256(_mm256_shuffle_epi8(lower, low),
                                    _mm256_shuffle_epi8(upper, high));
    both = _mm256_cmpeq_epi8(both, _mm256_setzero_si256());
    return ~(unsigned)_mm256_movemask_epi8(both);
}

/* The first place of a block at which one of the bytes does stand, or
 * ANY_WIDTH. */
static inline size_t any_of_places(const struct any *any, const uint8_t *block,
                                   unsigned places)
{
    for (; places != 0; places &= places - 1) {
        size_t place = (size_t)__builtin_ctz(places);
        if (any_is(any, block[place]))
            return place;
    }
    return ANY_WIDTH;
}

/* The piece has at least ANY_WIDTH bytes. The last block ends where the piece
 * ends, and what of it lies before `at` is left out. */
__attribute__((target("avx2"))) static size_t any_by_blocks(
    const struct any *any, const uint8_t *piece, size_t at, size_t len)
{
    __m256i lower = any_load(any->lower), upper = any_load(any->upper);
    for (; at + ANY_WIDTH <= len; at += ANY_WIDTH) {
        unsigned places = any_in_block(lower, upper, piece + at);
        size_t place = any_of_places(any, piece + at, places);
        if (place < ANY_WIDTH)
            return at + place;
    }
    if (at == len)
        return len;
    size_t last = len - ANY_WIDTH;
    unsigned places = any_in_block(lower, upper, piece + last);
    return last + any_of_places(any, piece + last,
                                places >> (at - last) << (at - last));
}

__attribute__((target("avx2"))) static inline unsigned two_in_block(
    __m256i one, __m256i other, const uint8_t *place)
{
    __m256i block = _mm256_loadu_si256((const void *)place);
    return (unsigned)_mm256_movemask_epi8(_mm256_or_si256(
        _mm256_cmpeq_epi8(block, one), _mm256_cmpeq_epi8(block, other)));
}

/* The piece has at least ANY_WIDTH bytes. */
__attribute__((target("avx2"))) static size_t two_by_blocks(
    const uint8_t *piece, size_t len, uint8_t one, uint8_t other)
{
    __m256i a = _mm256_set1_epi8((char)one), b = _mm256_set1_epi8((char)other);
    size_t at = 0;
    do {
        unsigned places = two_in_block(a, b, piece + at);
        if (places != 0)
            return at + (size_t)__builtin_ctz(places);
        at += ANY_WIDTH;
    } while (at + ANY_WIDTH <= len);
    return two_by_bytes(piece, at, len, one, other);
}

#else
#define any_by_blocks any_by_table
#endif

size_t asynchat__any_find(const struct any *any, const uint8_t *piece,
                          size_t at, size_t len)
{
    if (any->count == 1)
        return at + any_before(piece + at, len - at, any->one);
    if (any->wide && len >= ANY_WIDTH)
        return any_by_blocks(any, piece, at, len);
    return any_by_table(any, piece, at, len);
}

size_t asynchat__any_of_two(const uint8_t *piece, size_t len, uint8_t one,
                            uint8_t other)
{
#ifdef ANY_VECTOR
    if (len < ANY_WIDTH)
        return two_by_bytes(piece, 0, len, one, other);
    if (__builtin_cpu_supports("avx2"))
        return two_by_blocks(piece, len, one, other);
#endif
    return two_by_bytes(piece, 0, len, one, other);
}
