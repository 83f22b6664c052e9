/* The marks of an output: whether more bytes than the high mark wait for the
 * peer, which is too much, and whether no more than the low mark wait again.
 *
 * Tested by tests/test_marks.c. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_MARKS_H
#define ASYNCHAT_MARKS_H

#include <stdbool.h>
#include <stddef.h>

enum marks_level {
    MARKS_CALM,
    MARKS_BUSY, /* the low mark was passed */
    /* the high mark was passed; the bytes have not fallen to the low mark
     * since */
    MARKS_HIGH,
    MARKS_TOLD /* the same, and the program was told */
};

enum marks_event {
    MARKS_NOTHING,
    MARKS_TELL,   /* the program has to be told of the high mark */
    MARKS_LOW,    /* no more than the low mark waits */
    MARKS_DRAINED /* the same, and more did before */
};

/* The marks are numbers of bytes. Invariant: low < high. */
struct marks {
    size_t low, high;
    enum marks_level level;
};

/* To be called before more bytes wait, then `queued` of them, if the program
 * wants to know when they are sent. */
static inline void marks_push(struct marks *marks, size_t queued)
{
    if (marks->level == MARKS_CALM && queued > marks->low)
        marks->level = MARKS_BUSY;
}

/* To be called when bytes were dropped, so that only `queued` of them wait. The
 * program need not be told that they fell to the low mark. */
static inline void marks_drop(struct marks *marks, size_t queued)
{
    if (queued <= marks->low)
        marks->level = MARKS_CALM;
}

/* To be called when more bytes wait, now `queued` of them. True: they have just
 * passed the high mark. */
bool asynchat__marks_rise(struct marks *marks, size_t queued);

/* Answers what the program has to be told when `queued` bytes wait. After
 * MARKS_TELL another MARKS_TELL comes only when MARKS_DRAINED has come. */
enum marks_event asynchat__marks_look(struct marks *marks, size_t queued);

#endif
