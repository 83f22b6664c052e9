/* Blocks: bytes that are made once and pushed to many channels.
 *
 *     static void tell_all(struct asynchat_channel **members, size_t count,
 *                          const char *text, size_t len)
 *     {
 *         struct asynchat_block *line = asynchat_block_new(text, len);
 *         for (size_t i = 0; line && i < count; i++)
 *             asynchat_push_shared(members[i], line);
 *         asynchat_block_free(line);
 *     }
 *
 * A block is counted: the program has one share of it, and each channel that
 * still has to send bytes of the block has another. The block is freed with its
 * last share, whatever the order in which the channels send, end, or are freed.
 * The bytes of a block never change.
 *
 * Blocks may be pushed to channels of any loop, and shared between threads: the
 * count is atomic. Only asynchat_push_shared() needs the channel's own thread.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_BLOCK_H
#define ASYNCHAT_BLOCK_H

#include <asynchat/channel.h>

ASYNCHAT_BEGIN_DECLS

struct asynchat_block;

/* Makes a block of `len` bytes, with one allocation. Copies. Gives the block,
 * or NULL: there is no memory, `data` is NULL and `len` is not 0, or `len` is
 * larger than any object. May be called from any thread. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD struct asynchat_block *asynchat_block_new(
    const void *data, size_t len);

/* Gives the program's share of a block back. From now on the program may not
 * use the block. To be called exactly once for each block that was made, before
 * or after the channels have sent it. NULL is allowed. May be called from any
 * thread. Since 0.1. */
ASYNCHAT_API void asynchat_block_free(struct asynchat_block *block);

/* Queues the bytes of a block behind everything that was pushed before. Shares
 * `block`: the program's share stays the program's in every case, and the
 * channel has a share of its own for as long as it needs one. The bytes count
 * in asynchat_get_queued(), in marks and limits, and in the statistics, as
 * those of asynchat_push() do. A push that is refused ends the channel in the
 * same cases: see channel.h.
 *
 * If nothing else is queued on the channel of a socket, the call allocates
 * nothing, and the bytes are sent from where they lie, when the wake-up ends or
 * from the loop. Bytes that have to wait behind others, or that the peer does
 * not take at once, stay in the block too; but fewer than 1024 bytes are
 * copied, so that many short blocks leave in one write. A block of 0 bytes is
 * allowed and does nothing.
 *
 * Errors: -EINVAL (`ch` or `block` is NULL), -ENOMEM, ASYNCHAT_ECLOSED (the
 * channel has ended, or was told to close when done), ASYNCHAT_EFULL (more than
 * the output limit is queued). Since 0.1. */
ASYNCHAT_API int asynchat_push_shared(struct asynchat_channel *ch,
                                      struct asynchat_block *block);

ASYNCHAT_END_DECLS

#endif
