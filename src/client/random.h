/* Random numbers, with which clients avoid each other.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_RANDOM_H
#define ASYNCHAT_RANDOM_H

#include <stdint.h>

/* 32 random bits, other ones in each process, also after fork(2). Any
 * thread. */
uint32_t asynchat__random(void);

#endif
