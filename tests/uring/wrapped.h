/* liburing, as far as libasynchat-uring calls it, with faults that a test asks
 * for. SPDX-License-Identifier: BSD-3-Clause */
#ifndef WRAPPED_H
#define WRAPPED_H

#include <stdatomic.h>
#include <stdbool.h>

#include <liburing.h>

/* What the wrappers do, and how often they were called. Workers count too. */
extern struct wrapped {
    atomic_uint opened, closed; /* rings */
    atomic_uint calls;          /* io_uring_submit, io_uring_submit_and_wait */
    atomic_uint waits;          /* the latter alone */
    atomic_uint queued;         /* what was in the queues */

    unsigned open_refusals; /* so many openings fail by the error */
    int open_error;
    atomic_uint flags; /* with which a ring was opened */
    bool no_probe, no_memory;
    int no_operation; /* of the kernel; 0: it has all */

    unsigned fail_at,
        fail_for;       /* so many of `calls` from this one on, from 1 */
    int fail_error;     /* a code: before the call does anything */
    bool fails_after;   /* or when it has done everything */
    unsigned most;      /* so many are taken by a call, or 0: all */
    bool backwards;     /* completions are in the other order */
    unsigned short_len; /* nothing moves more bytes, or 0: all */
    bool blocks; /* the first of a run's calls may be put off by the kernel */
    void (*on_wait)(void);
} wrapped;

#endif
