/* Compares the matcher with memchr and memmem: prints one row for each kind of
 * input. All figures of a row come from this run, in turns.
 * SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE 1
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "match_step.h"

#define ROUNDS 31
#define MIB (1u << 20)

static uint8_t input[MIB];
static struct needles recent;

/* One way to find all messages. Returns how many there are. */
typedef size_t way(const struct match *m, size_t len);

/* --- the ways --- */

/* The least cost of any search: finds the last byte of each terminator. */
static size_t by_memchr(const struct match *m, size_t len)
{
    size_t found = 0;
    uint8_t last = needle_bytes(m->needle)[m->needle->len - 1];
    const uint8_t *at = input, *end = input + len;
    while ((at = memchr(at, last, (size_t)(end - at)))) {
        at++;
        found++;
    }
    return found;
}

static size_t by_memmem(const struct match *m, size_t len)
{
    size_t found = 0, n = m->needle->len;
    const uint8_t *at = input, *end = input + len;
    const uint8_t *needle = needle_bytes(m->needle);
    while ((at = memmem(at, (size_t)(end - at), needle, n))) {
        at += n;
        found++;
    }
    return found;
}

/* One step, as in the channel. Returns whether a message is complete. */
static inline bool feed(struct match *m, const uint8_t *piece, size_t len,
                        size_t *used)
{
    struct match_step step = match_step(m, piece, len);
    bool found = match_found(m, step);
    m->held = found ? 0 : (uint32_t)step.matched;
    *used = step.used;
    return found;
}

static size_t by_match(const struct match *m, size_t len)
{
    struct match copy = *m;
    size_t found = 0, used;
    for (size_t at = 0; at < len; at += used)
        found += feed(&copy, input + at, len - at, &used);
    return found;
}

static size_t by_single_bytes(const struct match *m, size_t len)
{
    struct match copy = *m;
    size_t found = 0, used;
    for (size_t at = 0; at < len; at++)
        found += feed(&copy, input + at, 1, &used);
    return found;
}

/* --- measuring --- */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *figures)
{
    qsort(figures, ROUNDS, sizeof *figures, compare);
    return figures[ROUNDS / 2];
}

/* Makes enough passes for a turn to take some 100 microseconds. */
static double turn(way *run, const struct match *m, size_t len, size_t expected)
{
    size_t passes = 4 * MIB / len;
    double began = now();
    for (size_t i = 0; i < passes; i++) {
        if (run(m, len) != expected) {
            fprintf(stderr, "match: a wrong count\n");
            exit(1);
        }
    }
    return (now() - began) / (double)passes;
}

/* Compares `run` with `other`: nanoseconds for each message, or GB/s where
 * there is no message. */
static void row(const char *title, const char *terminator, size_t len, way *run,
                const char *other_name, way *other)
{
    double ours[ROUNDS], theirs[ROUNDS], ratios[ROUNDS];
    struct match m = {0};
    asynchat__match_set(&m, &recent, ASYNCHAT_STRING, terminator,
                        strlen(terminator));
    size_t found = by_match(&m, len), other_found = other(&m, len);
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = turn(run, &m, len, found);
        theirs[i] = turn(other, &m, len, other_found);
        ratios[i] = ours[i] / theirs[i];
    }
    double per = found > 0 ? (double)found : 1, n = (double)len;
    double our = median(ours), their = median(theirs), ratio = median(ratios);
    printf("%-34s %9.1f %7.2f   %-8s %9.1f %7.2f   %.2f (%.2f to %.2f)\n",
           title, our / per, n / our, other_name, their / per, n / their, ratio,
           ratios[0], ratios[ROUNDS - 1]);
    asynchat__needle_release(m.needle);
}

/* --- the inputs --- */

static size_t lines(size_t len, size_t line)
{
    len -= len % line;
    memset(input, 'x', len);
    for (size_t end = line; end <= len; end += line)
        memcpy(input + end - 2, "\r\n", 2);
    return len;
}

static size_t repeated(uint8_t byte)
{
    memset(input, byte, MIB);
    return MIB;
}

static size_t random_text(size_t len)
{
    for (size_t i = 0; i < len; i++)
        input[i] = (uint8_t)(' ' + rand() % 95);
    return len;
}

static size_t base64(size_t len)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqr"
                                  "stuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i++)
        input[i] = (uint8_t)letters[rand() % 64];
    for (size_t i = 78; i <= len; i += 78)
        memcpy(input + i - 2, "\r\n", 2);
    return len;
}

int main(void)
{
    const char *boundary = "\r\n------------------------5f1d2a0c7b9e3864";
    const char *as = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";
    printf("%-34s %9s %7s   %-8s %9s %7s   %s\n", "matcher, medians of 31",
           "ns", "GB/s", "beside", "ns", "GB/s", "ratio of times");
    row("lines of 2 B", "\r\n", lines(65536, 2), by_match, "memchr", by_memchr);
    row("lines of 32 B", "\r\n", lines(65536, 32), by_match, "memchr",
        by_memchr);
    row("lines of 1000 B", "\r\n", lines(65536, 1000), by_match, "memchr",
        by_memchr);
    row("lines of 4000 B", "\r\n", lines(65536, 4000), by_match, "memchr",
        by_memchr);
    row("lines of 32 B", "\r\n", lines(65536, 32), by_match, "memmem",
        by_memmem);
    row("boundary in random text, 64 KiB", boundary, random_text(65536),
        by_match, "memmem", by_memmem);
    row("boundary in random text, 1 MiB", boundary, random_text(MIB), by_match,
        "memmem", by_memmem);
    row("boundary in base64, 64 KiB", boundary, base64(65536), by_match,
        "memmem", by_memmem);
    row("boundary in base64, 1 MiB", boundary, base64(MIB), by_match, "memmem",
        by_memmem);
    row("CR x 1 MiB against CRLF", "\r\n", repeated('\r'), by_match, "memchr",
        by_memchr);
    row("a x 1 MiB against a x 31 b", as, repeated('a'), by_match, "memchr",
        by_memchr);
    row("LF x 1 MiB against CRLF", "\r\n", repeated('\n'), by_match, "memchr",
        by_memchr);
    row("one byte per feed, lines of 32 B", "\r\n", lines(65536, 32),
        by_single_bytes, "memchr", by_memchr);
    row("one byte per feed, a against a..ab", as, repeated('a'),
        by_single_bytes, "memchr", by_memchr);
    asynchat__needles_free(&recent);
    return 0;
}
