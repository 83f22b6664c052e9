/* The framings of ../framed.h, as libasynchat has them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef PEER_FRAMING_H
#define PEER_FRAMING_H

#include <asynchat.h>

#include "../framed.h"

/* The table of FRAMED_PREFIX. */
extern const struct asynchat_prefix framing_prefix;

/* Sets the terminator of a channel. `size` is the length of a block. Returns 0,
 * or a code. */
int framing_set(struct asynchat_channel *ch, enum framed kind, size_t size);

#endif
