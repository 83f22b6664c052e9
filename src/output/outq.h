/* The output queue: bytes and producers, in the order in which they are sent,
 * and whether the channel closes after them. The first block of an empty queue
 * waits without an entry. The queue calls producers. It never looks into the
 * channel, which it only passes on to them.
 *
 * Tested by tests/test_outq.c. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_OUTQ_H
#define ASYNCHAT_OUTQ_H

#include <stdbool.h>
#include <stddef.h>

#include <asynchat/api.h>

struct asynchat_block;
struct asynchat_channel;
struct evbuffer;
struct outq_slots;
struct slot;

/* How many bytes a producer counts in the size of the queue. How many bytes it
 * will give is not known. */
#define OUTQ_PRODUCER_SIZE 512

enum outq_state {
    OUTQ_READY,
    OUTQ_LATER,   /* its producer has answered ASYNCHAT_LATER */
    OUTQ_OPEN,    /* a slot that is not finished, and has no bytes now */
    OUTQ_ASKED,   /* its producer is being asked */
    OUTQ_RESUMED, /* its producer is being asked, and was resumed meanwhile */
    OUTQ_DROPPED  /* its producer is being asked, and was discarded meanwhile */
};

/* Invariants: an entry has either bytes or a producer; a border has neither; a
 * slot has bytes. Only the first entry of a queue can have another state than
 * READY, but for slots, which can be OPEN. */
struct outq_entry {
    struct outq_entry *next;
    struct evbuffer *bytes;
    struct asynchat_producer *producer;
    struct slot *slot; /* until it is finished; or NULL */
    enum outq_state state : 8;
    bool counted; /* it is, or was, a slot */
};

/* Invariants: `last` is where the pointer to the next entry goes. `size` counts
 * the bytes, and OUTQ_PRODUCER_SIZE for each producer, of all entries that are
 * not DROPPED, and the bytes of the block. `dropped` is NULL while the queue is
 * not lent. The block goes before the entries, and behind nothing. */
struct outq {
    struct asynchat_block *block; /* sent from where it lies; or NULL */
    struct outq_entry *first;
    struct outq_entry **last;
    struct outq_entry *dropped; /* to be freed when the queue is taken back */
    struct outq_slots *slots;   /* made when first needed; or NULL */
    size_t size;
    unsigned lent; /* how many times the queue is lent now */
    bool ends;     /* the channel closes when the queue is empty */
    bool bordered; /* one of the entries is a border */
};

/* What is behind a border waits for a layer. */
static inline bool outq_is_border(const struct outq_entry *entry)
{
    return !entry->bytes && !entry->producer;
}

/* Whether there is a first entry, and it can be sent or asked now. */
static inline bool outq_is_ready(const struct outq *q)
{
    return q->first &&
           (q->first->state < OUTQ_LATER || q->first->state > OUTQ_ASKED);
}

void asynchat__outq_init(struct outq *q);

/* Puts the block, of which the queue gets a share, into the queue, which has to
 * be empty. Nothing may be pending. */
void asynchat__outq_block(struct outq *q, struct asynchat_block *block);

/* Takes the block out of the queue, and gives the queue's share of it. */
struct asynchat_block *asynchat__outq_unblock(struct outq *q);

/* Empties the queue, after which the channel does not close any more, and gives
 * the entries that were in it. A block is gone, and so are slots. An entry
 * whose producer is being asked stays until the producer has answered. */
struct outq_entry *asynchat__outq_take(struct outq *q);

/* Frees entries that were taken out of the queue. While the queue is lent, they
 * are freed when it is taken back. Release callbacks run, and may push. */
void asynchat__outq_free(struct outq *q, struct outq_entry *entries);

/* The evbuffer for bytes that are to be last in the queue; NULL: there is no
 * memory. The caller counts the bytes that it adds there in `size`. */
struct evbuffer *asynchat__outq_bytes(struct outq *q);

/* To be called before and after work on the evbuffer of asynchat__outq_bytes()
 * during which code of the program may run. If such code empties the queue, the
 * evbuffer is freed only when the queue is taken back. */
void asynchat__outq_lend(struct outq *q);
void asynchat__outq_take_back(struct outq *q);

/* Appends a producer, and takes it on success. 0 or -ENOMEM. */
int asynchat__outq_producer(struct outq *q, struct asynchat_producer *producer);

/* Appends a border, unless nothing is in front of it. 0 or -ENOMEM. */
int asynchat__outq_border(struct outq *q);

/* Of a queue that was given a border: whether all that was in front of it is
 * gone. A border that had nothing in front of it is no entry, nor is one that
 * was discarded together with what was in front of it. */
static inline bool outq_is_at_border(const struct outq *q)
{
    return !q->bordered || outq_is_border(q->first);
}

/* Takes the border away. */
void asynchat__outq_pass(struct outq *q);

/* Makes what a queue with slots needs, if need be. 0 or -ENOMEM. */
int asynchat__outq_need_slots(struct outq *q);

/* Appends a slot, which then has one share more. 0 or -ENOMEM. */
int asynchat__outq_slot(struct outq *q, struct slot *slot);

/* The slot of the entry is finished, and the entry is as any other that has
 * bytes. Gives the entry's share back. */
void asynchat__outq_finish(struct outq *q, struct outq_entry *entry);

/* All slots are gone. If one of them was not finished, gives the entries behind
 * the first such slot, up to a border, as asynchat__outq_take() gives all; the
 * bytes of that slot are sent. */
struct outq_entry *asynchat__outq_give_up(struct outq *q);

/* To be called before the bytes of the first entry, which is a slot that is not
 * finished, are taken: they do not count any more. Gives their evbuffer. */
struct evbuffer *asynchat__outq_part(struct outq *q);

/* Takes the first entry out of the queue; asynchat__outq_free() frees it. */
struct outq_entry *asynchat__outq_shift(struct outq *q);
/* Takes the first entry out of the queue, and frees it. */
void asynchat__outq_pop(struct outq *q);

/* Asks the producer of the first entry for at most `room` bytes, which it
 * appends to `to`. The producer may call anything: whatever it pushes goes
 * behind its own entry. Answers what the producer has answered.
 * asynchat__outq_answered() has to follow. */
int asynchat__outq_ask(struct outq *q, struct asynchat_channel *ch,
                       struct evbuffer *to, size_t room);

/* Whether the queue was emptied while the producer of the first entry was
 * asked. */
bool asynchat__outq_is_dropped(const struct outq *q);

/* Deals with the answer of the first producer: a producer that is done is
 * freed, and so is a producer that was dropped. False: it was dropped. */
bool asynchat__outq_answered(struct outq *q, int answer);

/* To be called before and after other code of the program during which the
 * first entry has to stay. The second call answers false if the queue was
 * emptied meanwhile: then the entry is gone. */
void asynchat__outq_hold(struct outq *q);
bool asynchat__outq_let_go(struct outq *q);

/* Lets the first producer be asked again, if it has answered ASYNCHAT_LATER, or
 * is being asked and may still answer that. False: neither is the case. */
bool asynchat__outq_resume(struct outq *q);

#endif
