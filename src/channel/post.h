/* What posting to channels needs of them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_POST_H
#define ASYNCHAT_SRC_POST_H

#include <asynchat/post.h>

struct event_base;

/* A channel is about to be made. A worker knows all that are in its loop: there
 * is room for it then, or this is -ENOMEM, or -ECANCELED when the worker ends.
 * Otherwise 0. */
int asynchat__post_expect(struct event_base *base);

/* And now it is there, with its transport. */
void asynchat__post_enrol(struct asynchat_channel *ch);

/* It is about to go: posts will find NULL. */
void asynchat__post_forget(struct asynchat_channel *ch);

/* A channel of the loop that this thread runs; or NULL. For those of workers. */
struct mailbox;
struct asynchat_channel *asynchat__post_channel(const struct mailbox *mailbox,
                                                size_t *place);

#endif
