/* How channels get the numbers by which threads post to them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_POST_H
#define ASYNCHAT_SRC_POST_H

#include <stdbool.h>

#include <asynchat/post.h>

struct event_base;

/* To be called before a channel is made. A worker knows all channels in its
 * loop by number, so this makes room for one number more. 0; -ENOMEM; or
 * -ECANCELED: the worker ends. */
int asynchat__post_expect(struct event_base *base);

/* To be called when a channel is made, and has its transport. In a worker's
 * loop, the channel gets its number now. */
void asynchat__post_enrol(struct asynchat_channel *ch);

/* To be called before a channel is freed: posts to it find NULL from now on. */
void asynchat__post_forget(struct asynchat_channel *ch);

/* The channel in the loop of `mailbox` that has this number; or NULL. */
struct mailbox;
struct asynchat_channel *asynchat__post_find(const struct mailbox *mailbox,
                                             uint64_t id);

/* Whether the event base of a channel that has a number is still there. */
bool asynchat__post_reaches(const struct asynchat_channel *ch);

/* For workers: the next channel in the loop of `mailbox`, or NULL. `place` is
 * as in asynchat__ids_next(). */
struct asynchat_channel *asynchat__post_channel(const struct mailbox *mailbox,
                                                size_t *place);

#endif
