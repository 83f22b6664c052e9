/* Memory that fails when a test wants it to.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TESTING_ALLOC_H
#define ASYNCHAT_TESTING_ALLOC_H

#include <stdbool.h>

/* Has the allocation of this number fail, from 1 on, once; 0: none. Those count
 * that are made while memory is `exposed`. Answers whether it was before. */
void asynchat__alloc_fail(unsigned long number);
bool asynchat__alloc_expose(bool exposed);

/* Whether it has failed. */
bool asynchat__alloc_has_failed(void);

/* How many allocations of libasynchat and libevent are not given back. */
long asynchat__alloc_live(void);

#endif
