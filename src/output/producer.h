/* What the library knows of a producer, and how it asks one for bytes.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_PRODUCER_H
#define ASYNCHAT_SRC_PRODUCER_H

#include <stdbool.h>

#include <asynchat/producer.h>

struct asynchat_producer {
    const struct asynchat_producer_ops *ops;
    void *arg;
    bool trusted; /* ASYNCHAT_MORE with nothing appended is not the end */
    int error;    /* below 0: it can only fail, and a push refuses it */

    /* Sends at most `room` bytes of the producer straight to a plain socket,
     * and gives in *sent how many bytes went, on an error too. Answers as
     * `more` does; or -EAGAIN: the socket takes nothing now; or -ENOTSUP:
     * `more` has to be asked instead. NULL: the producer cannot do this. */
    int (*send)(void *arg, int socket, size_t room, size_t *sent);
};

/* Asks the producer for its next chunk, of at most `room` bytes. An answer that
 * does not exist becomes -EINVAL. ASYNCHAT_MORE with nothing appended becomes
 * ASYNCHAT_DONE, unless the producer is trusted. */
int asynchat__producer_more(const struct asynchat_producer *producer,
                            struct asynchat_channel *ch, struct evbuffer *out,
                            size_t room);

/* Makes a ready-made producer, and takes `state`, which `ops` releases. NULL:
 * there is no memory, and `state` was released. */
struct asynchat_producer *asynchat__producer_make(
    const struct asynchat_producer_ops *ops, void *state);

#endif
