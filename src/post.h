/* What posting to channels needs of them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_POST_H
#define ASYNCHAT_SRC_POST_H

#include <asynchat/post.h>

/* It is about to go: posts will find NULL. */
void asynchat__post_forget(struct asynchat_channel *ch);

#endif
