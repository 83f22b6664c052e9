/* The library's side of producers.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_PRODUCER_H
#define ASYNCHAT_SRC_PRODUCER_H

#include <stdbool.h>

#include <asynchat/producer.h>

struct asynchat_producer {
    const struct asynchat_producer_ops *ops;
    void *arg;
    bool trusted; /* more of nothing is not the end */

    /* Set where a producer can move its bytes to a plain socket itself: at most
     * `room` of them, counted in *sent, which is set in any case. Answers as
     * `more` does; -EAGAIN when the socket takes nothing, and -ENOTSUP when it
     * turns out that `more` must do it. */
    int (*send)(void *arg, int socket, size_t room, size_t *sent);
};

/* Asks for the next chunk. An answer that is none is -EINVAL; ASYNCHAT_MORE
 * with nothing appended is the end. */
int asynchat__producer_more(const struct asynchat_producer *producer,
                            struct asynchat_channel *ch, struct evbuffer *out,
                            size_t room);

/* A ready-made producer over a state made by malloc; NULL, with `state`
 * released, for want of memory. */
struct asynchat_producer *asynchat__producer_make(
    const struct asynchat_producer_ops *ops, void *state);

#endif
