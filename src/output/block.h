/* A block: bytes with a count of shares.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_BLOCK_H
#define ASYNCHAT_SRC_BLOCK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <asynchat/block.h>

struct evbuffer;

/* Fewer bytes than this are copied where they have to wait for others. A
 * reference to them would take as much memory in an evbuffer, and a piece of
 * its own in each write. */
#define BLOCK_LEAST 1024

struct asynchat_block {
    atomic_size_t shares;
    size_t len;
    uint8_t bytes[];
};

/* Takes one more share, which asynchat_block_free() gives back. */
void asynchat__block_share(struct asynchat_block *block);

/* The `release` of bytes of a block, which is `arg`: gives a share back. */
void asynchat__block_sent(const void *data, size_t len, void *arg);

/* Adds the bytes of the block from `at` on at the end of the evbuffer, which
 * has a share of the block for as long as it needs one. 0; or -1: nothing was
 * added. */
int asynchat__block_add(struct evbuffer *to, struct asynchat_block *block,
                        size_t at);

#endif
