/* Batches by io_uring for the examples. EXAMPLE_URING is defined if there is
 * libasynchat-uring. Without it, or if the kernel refuses, a warning says so,
 * and everything goes on by plain calls.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef RING_H
#define RING_H

#include <err.h>
#include <stdbool.h>

#include <asynchat.h>

#ifdef EXAMPLE_URING
#include <asynchat/uring.h>
#endif

/* Does nothing unless it is asked to. To be called before there are channels.
 * ring_stop() ends it. */
static inline void ring_start(struct event_base *base, bool asked)
{
#ifdef EXAMPLE_URING
    int error = asked ? asynchat_uring_use(base) : 0;
    if (error)
        warnx("no io_uring: %s", asynchat_strerror(error));
#else
    (void)base;
    if (asked)
        warnx("this build has no io_uring");
#endif
}

/* To be called before event_base_free(). */
static inline void ring_stop(struct event_base *base)
{
    asynchat_set_batch(base, NULL, NULL);
}

#endif
