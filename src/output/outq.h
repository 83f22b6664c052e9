/* The output queue: bytes and producers in the order they go out, and whether
 * the channel closes after them. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_OUTQ_H
#define ASYNCHAT_OUTQ_H

#include <stdbool.h>

#include <asynchat/api.h>

/* What a producer counts as: of what it will give nothing is known. */
#define OUTQ_PRODUCER_SIZE 512

struct outq_entry {
    struct outq_entry *next;
    struct evbuffer *bytes;             /* either these */
    struct asynchat_producer *producer; /* or this */
    bool dropped; /* discarded while its producer was being asked: it counts no
                     more */
};

struct outq {
    struct outq_entry *first;
    struct outq_entry **last; /* where the next entry goes */
    struct outq_entry
        *asking; /* the first one, while its producer is being asked */
    struct outq_entry *dropped; /* freed while the queue is lent */
    size_t size;                /* of what is in it, in bytes */
    bool ends;                  /* the channel closes when the queue is empty */
    bool lent;
};

void asynchat__outq_init(struct outq *q);

/* Empties the queue, the end included, and gives what was in it. An entry that
 * is being asked goes when asynchat__outq_asked() is called. */
struct outq_entry *asynchat__outq_take(struct outq *q);

/* Frees what was taken; if the queue is lent, when it is taken back. Release
 * callbacks run, which may push. */
void asynchat__outq_free(struct outq *q, struct outq_entry *entries);

/* Where bytes go that are to be last in the queue; NULL for want of memory. Who
 * adds there counts them in `size`. */
struct evbuffer *asynchat__outq_bytes(struct outq *q);

/* Around work on what asynchat__outq_bytes() answered, during which code of the
 * program may run, and discard. The first answers what the second needs. */
bool asynchat__outq_lend(struct outq *q);
void asynchat__outq_take_back(struct outq *q, bool before);

/* Appends a producer. 0 or -ENOMEM; the producer is the queue's only when it is
 * 0. */
int asynchat__outq_producer(struct outq *q, struct asynchat_producer *producer);

/* Takes the first entry out, to be freed by asynchat__outq_free(); or frees it. */
struct outq_entry *asynchat__outq_shift(struct outq *q);
void asynchat__outq_pop(struct outq *q);

/* Around asking the first entry's producer, which may call anything. True: it
 * is still in the queue. */
void asynchat__outq_ask(struct outq *q);
bool asynchat__outq_asked(struct outq *q);

#endif
