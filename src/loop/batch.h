/* A batch: sockets of one loop that receive together, have their turns one
 * after the other, and send together.
 *
 * A batch knows transports by their pointers. Transports queue for it when
 * libevent reports them, and an event that runs after everything that libevent
 * reports in the pass serves them. So spans, which are bytes that wait to be
 * sent together, exist only while a batch is served, and leave in that pass.
 *
 * If event_base_loopbreak() is called while a batch is served, the spans leave,
 * and the transports that have not had their turn get it when the loop goes on.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_LOOP_BATCH_H
#define ASYNCHAT_LOOP_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include <asynchat/batch.h>

/* The most transports of a batch: a bound for memory, and for how long other
 * events wait. */
#define BATCH_MOST 32

/* Fewer calls than these are plain calls. A test may want a batch of one. */
#ifndef BATCH_LEAST
#define BATCH_LEAST 4
#endif

/* The most bytes that a transport receives, or puts off, in a batch. Copying
 * more takes longer than a system call. */
#define BATCH_SLOT 8192

/* The most bytes that all transports of a batch put off. */
#define BATCH_SPANS 131072

/* Result of a call that was not made. */
#define BATCH_NOT INT32_MIN

struct batch;
struct loop;
struct transport;
struct transport_ops;

/* What is done with transports, and what they need themselves. */
struct batch_user {
    const struct transport_ops *ops;
    void (*readable)(int fd, short what, void *arg); /* of the read event */

    /* Gives a transport its turn. It was to receive `most` bytes, if that is
     * not 0. `result` is that of receiving, and the bytes are lent; BATCH_NOT:
     * it receives by itself. */
    void (*serve)(struct transport *t, uint32_t most, const uint8_t *bytes,
                  int result);

    /* Tells of bytes that were put off: `result` is that of sending. */
    void (*sent)(struct transport *t, const uint8_t *bytes, uint32_t len,
                 int result);

    /* Bytes that were put off have been sent; or some of them could not be, and
     * these are output again. */
    void (*moved)(struct transport *t, bool again);
};

/* Makes a batch, or none if `ops` is NULL, in place of the loop's. A batch that
 * has transports now ends when they have been served. 0, -EBUSY (the batch has
 * transports now, and `ops` is not NULL; or it is ending), or -ENOMEM. */
int asynchat__batch_set(struct loop *loop, const struct batch_user *user,
                        const struct asynchat_batch_ops *ops, void *ring);

/* To be called when no transport is left and the event base is about to be
 * freed: the loop's batch ends, if there is one. */
void asynchat__batch_drop(struct loop *loop);

/* Queues a transport that is not queued yet in the batch of its loop, to
 * receive at most `most` bytes from `fd`, if that is not 0, and to have a turn.
 * False: it must have its turn now. True: it may have had its turn, and be
 * gone. */
bool asynchat__batch_queue(struct loop *loop, struct transport *t, int fd,
                           uint32_t most);

/* The transport, which is queued, is to receive at most `most` bytes, or
 * nothing if that is 0; unless it has received by now. */
void asynchat__batch_ask(struct batch *b, const struct transport *t,
                         uint32_t most);

/* Takes the transport out of the queue. Answers what was received for it: the
 * result, and bytes that are lent until the loop goes on; BATCH_NOT: nothing
 * was tried. */
int asynchat__batch_leave(struct batch *b, const struct transport *t,
                          const uint8_t **bytes);

const struct batch_user *asynchat__batch_user(const struct batch *b);

/* The priority of the transports that the batch takes. */
int asynchat__batch_priority(const struct batch *b);

/* Puts bytes off until all transports of the batch have had their turns. True:
 * they were copied. False: they are to be sent now. A transport can put bytes
 * off once. */
bool asynchat__batch_put_off(struct batch *b, struct transport *t, int fd,
                             const void *bytes, size_t len);

/* How many bytes of the transport are put off; in its own turn 0. */
size_t asynchat__batch_waiting(const struct batch *b,
                               const struct transport *t);

/* Takes the bytes back that the transport has put off. Answers the result if
 * they have been sent, or BATCH_NOT. The bytes are lent for the moment. */
int asynchat__batch_take(struct batch *b, const struct transport *t,
                         const uint8_t **bytes, uint32_t *len);

#endif
