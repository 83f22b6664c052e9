/* What an event base keeps while it has no loop.
 *
 * Tested by tests/test_batch.c. SPDX-License-Identifier: BSD-3-Clause */
#include "loop/parked.h"

#include <pthread.h>
#include <stddef.h>

static pthread_mutex_t mutex_of_parked = PTHREAD_MUTEX_INITIALIZER;
static struct parked *all_parked;

void asynchat__parked_lock(void)
{
    pthread_mutex_lock(&mutex_of_parked);
}

void asynchat__parked_unlock(void)
{
    pthread_mutex_unlock(&mutex_of_parked);
}

void asynchat__park(struct parked *parked)
{
    asynchat__parked_lock();
    parked->next = all_parked;
    all_parked = parked;
    asynchat__parked_unlock();
}

struct parked *asynchat__unpark(const struct event_base *base)
{
    asynchat__parked_lock();
    struct parked **at = &all_parked;
    while (*at && (*at)->base != base)
        at = &(*at)->next;
    struct parked *found = *at;
    if (found)
        *at = found->next;
    asynchat__parked_unlock();
    return found;
}
