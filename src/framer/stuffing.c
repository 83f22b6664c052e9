/* Passes over lines of dotted data in which there is nothing to do: 64 places
 * at a time, each compared together with the place before it. Without AVX2, the
 * caller looks at all lines.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "framer/stuffing.h"

#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__)) &&         \
    !defined(ASYNCHAT_NO_VECTOR)
#define STUFFING_VECTOR 1
#include <immintrin.h>
#endif

#ifdef STUFFING_VECTOR

/* The two vectors of a block. */
#define STUFFING_HALF ((size_t)32)

__attribute__((target("avx2"))) static inline __m256i stuffing_is(
    const uint8_t *place, char byte)
{
    return _mm256_cmpeq_epi8(_mm256_loadu_si256((const void *)place),
                             _mm256_set1_epi8(byte));
}

/* Sets the bytes of places where there is something to do. */
__attribute__((target("avx2"))) static inline __m256i stuffing_in_half(
    const uint8_t *place, bool strict)
{
    __m256i dots =
        _mm256_and_si256(stuffing_is(place, '.'), stuffing_is(place - 1, '\n'));
    if (!strict)
        return dots;
    return _mm256_or_si256(dots,
                           _mm256_xor_si256(stuffing_is(place, '\n'),
                                            stuffing_is(place - 1, '\r')));
}

__attribute__((target("avx2"))) static inline size_t stuffing_blocks(
    const uint8_t *piece, size_t at, size_t len, bool strict)
{
    for (; at + 2 * STUFFING_HALF <= len; at += 2 * STUFFING_HALF) {
        __m256i any = _mm256_or_si256(
            stuffing_in_half(piece + at, strict),
            stuffing_in_half(piece + at + STUFFING_HALF, strict));
        if (!_mm256_testz_si256(any, any))
            break;
    }
    return at;
}

/* A loop for each kind. */
__attribute__((target("avx2"))) static size_t stuffing_by_blocks(
    const uint8_t *piece, size_t at, size_t len, bool strict)
{
    return strict ? stuffing_blocks(piece, at, len, true)
                  : stuffing_blocks(piece, at, len, false);
}

#endif

size_t asynchat__stuffing_pass(const uint8_t *piece, size_t at, size_t len,
                               bool strict)
{
#ifdef STUFFING_VECTOR
    if (__builtin_cpu_supports("avx2"))
        return stuffing_by_blocks(piece, at, len, strict);
#else
    (void)piece;
    (void)len;
    (void)strict;
#endif
    return at;
}
