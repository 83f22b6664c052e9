/* A block: bytes with a count of shares.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "output/block.h"

#include <string.h>

#include <event2/buffer.h>

#include "base/memory.h"

struct asynchat_block *asynchat_block_new(const void *data, size_t len)
{
    struct asynchat_block *block = NULL;
    if ((data || len == 0) && len <= PTRDIFF_MAX - sizeof *block)
        block = asynchat__malloc(sizeof *block + len);
    if (!block)
        return NULL;
    atomic_init(&block->shares, 1);
    block->len = len;
    if (len > 0)
        memcpy(block->bytes, data, len);
    return block;
}

/* A new share comes from a share, so nobody can see the count at 0 meanwhile,
 * and no order is needed. */
void asynchat__block_share(struct asynchat_block *block)
{
    atomic_fetch_add_explicit(&block->shares, 1, memory_order_relaxed);
}

/* Whoever gives the last share back has to see that all others are done with
 * the bytes. */
void asynchat_block_free(struct asynchat_block *block)
{
    if (block &&
        atomic_fetch_sub_explicit(&block->shares, 1, memory_order_acq_rel) == 1)
        asynchat__free(block);
}

void asynchat__block_sent(const void *data, size_t len, void *arg)
{
    (void)data;
    (void)len;
    asynchat_block_free(arg);
}

int asynchat__block_add(struct evbuffer *to, struct asynchat_block *block,
                        size_t at)
{
    const uint8_t *bytes = block->bytes + at;
    size_t len = block->len - at;
    if (len < BLOCK_LEAST)
        return evbuffer_add(to, bytes, len);
    asynchat__block_share(block);
    int added =
        evbuffer_add_reference(to, bytes, len, asynchat__block_sent, block);
    if (added < 0)
        asynchat_block_free(block);
    return added;
}
