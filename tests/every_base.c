/* Each event base of a test program has a batch.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "every_base.h"

#include <stddef.h>

#include <event2/event.h>

#include <asynchat/batch.h>

struct event_base *__real_event_base_new(void);
struct event_base *__wrap_event_base_new(void);
struct event_base *__wrap_event_base_new(void)
{
    struct event_base *base = __real_event_base_new();
    if (base)
        give_batch(base);
    return base;
}

void __real_event_base_free(struct event_base *base);
void __wrap_event_base_free(struct event_base *base);
void __wrap_event_base_free(struct event_base *base)
{
    asynchat_set_batch(base, NULL, NULL);
    __real_event_base_free(base);
}
