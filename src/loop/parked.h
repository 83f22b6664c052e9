/* What an event base keeps while it has no loop. A loop ends with its last
 * channel or server, and a batch is for those that come later, too. A batch has
 * no share of the loop, or the loop would not end.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_LOOP_PARKED_H
#define ASYNCHAT_LOOP_PARKED_H

struct event_base;

/* The beginning of what is kept. */
struct parked {
    const struct event_base *base;
    struct parked *next;
};

/* Keeps it for the next loop of its event base. */
void asynchat__park(struct parked *parked);

/* Gives what was kept for the event base, or NULL. */
struct parked *asynchat__unpark(const struct event_base *base);

/* The lock, for fork(2). */
void asynchat__parked_lock(void);
void asynchat__parked_unlock(void);

#endif
