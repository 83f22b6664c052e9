/* Pushing, for the other calls that queue output.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_PUSH_H
#define ASYNCHAT_SRC_PUSH_H

#include <event2/buffer.h>

#include "channel/object.h"

struct asynchat_block;

/* What a push gives: bytes to be copied, bytes by reference, or the bytes of an
 * evbuffer. */
struct pushed {
    const void *data;
    size_t len;
    struct evbuffer *buffer;
    bool shared;                     /* the bytes are not copied */
    evbuffer_ref_cleanup_cb release; /* of shared bytes; or NULL */
    void *arg;
};

/* 0: `len` bytes may be added to a slot, and will be sent. Otherwise the error
 * of the push. */
int asynchat__push_refused(struct asynchat_channel *ch, size_t len);

/* Ends the channel when a push is refused: everything that is pushed later
 * would follow a gap. Answers `error`. */
int asynchat__push_failed(struct asynchat_channel *ch, int error);

/* Adds bytes to an evbuffer of the queue. 0 or an error of a push. The channel
 * has to be kept. */
int asynchat__push_part(struct asynchat_channel *ch, struct evbuffer *target,
                        const struct pushed *what);

#endif
