/* The line by which the bytes of a conformance script come to a channel. Each
 * program that replays scripts has one kind of line; there is one at a time.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef REPLAY_H
#define REPLAY_H

#include <asynchat.h>

/* Makes a channel at the end of a new line. The program ends if that fails. */
struct asynchat_channel *line_open(struct event_base *base,
                                   const struct asynchat_handler *handler,
                                   void *arg);

/* The channel receives these bytes. 0 or -1. */
int line_send(struct event_base *base, const void *data, size_t len);

void line_close(void);

#endif
