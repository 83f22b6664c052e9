/* The output queue: bytes and producers in the order they go out, and whether
 * the channel closes after them. The queue asks producers, and never a channel,
 * which it only hands on.
 *
 * Tested by tests/test_outq.c. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_OUTQ_H
#define ASYNCHAT_OUTQ_H

#include <stdbool.h>
#include <stddef.h>

#include <asynchat/api.h>

struct asynchat_channel;
struct evbuffer;

/* What a producer counts as: of what it will give nothing is known. */
#define OUTQ_PRODUCER_SIZE 512

enum outq_state {
    OUTQ_READY,
    OUTQ_LATER,   /* its producer has answered ASYNCHAT_LATER */
    OUTQ_ASKED,   /* its producer is being asked */
    OUTQ_RESUMED, /* its producer is being asked, and was resumed meanwhile */
    OUTQ_DROPPED  /* its producer is being asked, and was discarded meanwhile */
};

/* Invariants: an entry has either bytes or a producer, or is a border and has
 * neither. Only the first entry of a queue is in another state than READY. */
struct outq_entry {
    struct outq_entry *next;
    struct evbuffer *bytes;
    struct asynchat_producer *producer;
    enum outq_state state;
};

/* Invariants: `last` is where the pointer to the next entry goes. `size` counts
 * the bytes, and OUTQ_PRODUCER_SIZE for each producer, of all entries that are
 * not DROPPED. `dropped` is NULL while nobody has lent the queue. */
struct outq {
    struct outq_entry *first;
    struct outq_entry **last;
    struct outq_entry *dropped; /* to be freed when the queue is taken back */
    size_t size;
    unsigned lent; /* how many have lent it */
    bool ends;     /* the channel closes when the queue is empty */
    bool bordered; /* one of the entries is a border */
};

/* What is behind a border waits for a layer. */
static inline bool outq_is_border(const struct outq_entry *entry)
{
    return !entry->bytes && !entry->producer;
}

/* Whether the first entry can go. */
static inline bool outq_is_ready(const struct outq *q)
{
    return q->first && q->first->state != OUTQ_LATER &&
           q->first->state != OUTQ_ASKED;
}

void asynchat__outq_init(struct outq *q);

/* Empties the queue, the end included, and gives what was in it. An entry that
 * is being asked goes when it has answered. */
struct outq_entry *asynchat__outq_take(struct outq *q);

/* Frees what was taken; if the queue is lent, when it is taken back. Release
 * callbacks run, which may push. */
void asynchat__outq_free(struct outq *q, struct outq_entry *entries);

/* Where bytes go that are to be last in the queue; NULL for want of memory. Who
 * adds there counts them in `size`. */
struct evbuffer *asynchat__outq_bytes(struct outq *q);

/* Around work on what asynchat__outq_bytes() answered, during which code of the
 * program may run, and discard. */
void asynchat__outq_lend(struct outq *q);
void asynchat__outq_take_back(struct outq *q);

/* Appends a producer. 0 or -ENOMEM; the producer is the queue's only when it is
 * 0. */
int asynchat__outq_producer(struct outq *q, struct asynchat_producer *producer);

/* Appends a border, where something is in front of it. 0 or -ENOMEM. */
int asynchat__outq_border(struct outq *q);

/* Of a queue that has one: whether all that was in front of it is gone. A border that
 * has nothing in front of it is no entry, nor one that was discarded with that. */
static inline bool outq_is_at_border(const struct outq *q)
{
    return !q->bordered || outq_is_border(q->first);
}

/* The border is no more. */
void asynchat__outq_pass(struct outq *q);

/* Takes the first entry out, to be freed by asynchat__outq_free(); or frees it.
 */
struct outq_entry *asynchat__outq_shift(struct outq *q);
void asynchat__outq_pop(struct outq *q);

/* Asks the first entry's producer for at most `room` bytes, which go to the end
 * of `to`. It may call anything: what it pushes goes behind it. Answers what
 * the producer answers. asynchat__outq_answered() follows. */
int asynchat__outq_ask(struct outq *q, struct asynchat_channel *ch,
                       struct evbuffer *to, size_t room);

/* Whether the queue was emptied while the producer was asked. */
bool asynchat__outq_is_dropped(const struct outq *q);

/* What the answer means for the queue: a producer that is done goes, and so
 * does one that was dropped, for which this answers false. */
bool asynchat__outq_answered(struct outq *q, int answer);

/* Around other code of the program's during which the first entry has to stay.
 * False: the queue was emptied meanwhile, and the entry has gone. */
void asynchat__outq_hold(struct outq *q);
bool asynchat__outq_let_go(struct outq *q);

/* A producer that is to be asked later can be asked again. False: it was not to
 * be asked later. */
bool asynchat__outq_resume(struct outq *q);

#endif
