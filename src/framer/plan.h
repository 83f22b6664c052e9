/* Plans: what a framing has found in the stream is handed out.
 *
 * Tested by tests/test_framing.c. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_FRAMER_PLAN_H
#define ASYNCHAT_SRC_FRAMER_PLAN_H

#include "framer/framer.h"

/* Gives the next event of a stream with a framing, or FRAMER_SILENT.
 * FRAMER_MORE: all of the source is used up. */
enum framer_event asynchat__plan_next(struct framer *f,
                                      struct framer_cursor *c);

/* Hands out bytes that are held back, since nothing more comes. */
enum framer_event asynchat__plan_released(struct framer *f,
                                          struct framer_cursor *c, size_t len);

/* To be called when the end of a message has been said. */
void asynchat__plan_over(struct framer *f);

/* The message in progress, and all input that came, is dropped. */
void asynchat__plan_reset(struct framer *f);

#endif
