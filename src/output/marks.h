/* The marks of an output: whether too much waits for the peer, and when that is
 * over.
 *
 * Tested by tests/test_marks.c. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_MARKS_H
#define ASYNCHAT_MARKS_H

#include <stdbool.h>
#include <stddef.h>

enum marks_level {
    MARKS_CALM,
    MARKS_BUSY, /* the low mark was passed */
    MARKS_HIGH, /* the high mark was passed, and the low one not since */
    MARKS_TOLD  /* and the program knows */
};

enum marks_event {
    MARKS_NOTHING,
    MARKS_TELL,   /* the program is to know of the high mark */
    MARKS_LOW,    /* no more than the low mark waits */
    MARKS_DRAINED /* the same, and more did before */
};

/* In bytes. Invariant: low < high. */
struct marks {
    size_t low, high;
    enum marks_level level;
};

/* More is about to wait, for a program that wants to know when it is sent. */
static inline void marks_push(struct marks *marks, size_t queued)
{
    if (marks->level == MARKS_CALM && queued > marks->low)
        marks->level = MARKS_BUSY;
}

/* More waits. True: the high mark was passed just now. */
bool asynchat__marks_rise(struct marks *marks, size_t queued);

/* What there is to tell of `queued` bytes that wait. MARKS_TELL comes once,
 * until MARKS_DRAINED has come. */
enum marks_event asynchat__marks_look(struct marks *marks, size_t queued);

#endif
