/* The ring: what makes the calls of a batch.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_URING_RING_H
#define ASYNCHAT_URING_RING_H

#include <asynchat/batch.h>

struct ring;

/* What a batch does with a ring. */
extern const struct asynchat_batch_ops asynchat__ring_ops;

/* Makes a ring for this thread, and gives it in *out. On failure *text says
 * why. */
int asynchat__ring_new(struct ring **out, const char **text);

/* NULL is allowed. */
void asynchat__ring_free(struct ring *r);

#endif
