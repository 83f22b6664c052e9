/* Each event base of a test program has a batch. The program is linked with
 * --wrap of event_base_new and event_base_free, and has a function that says
 * which batch. SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVERY_BASE_H
#define EVERY_BASE_H

struct event_base;

/* Called for each event base that was made. */
void give_batch(struct event_base *base);

#endif
