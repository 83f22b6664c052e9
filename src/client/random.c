/* Random numbers of the system.
 *
 * If the system gives none, as a filter of system calls may have it, the time
 * and the process are mixed: processes that were started in the same second
 * have different numbers still. SPDX-License-Identifier: BSD-3-Clause */
#include "client/random.h"

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include <sys/random.h>

/* The mixing step of splitmix64 (Steele, Lea and Flood, 2014). */
static uint32_t random_mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(x >> 32);
}

static uint32_t random_of_process(void)
{
    static _Atomic uint64_t calls;
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    seed ^= (uint64_t)getpid() << 40;
    return random_mix(seed +
                      ++calls * UINT64_C(0x9e3779b97f4a7c15)); /* golden */
}

uint32_t asynchat__random(void)
{
    uint32_t bits;
    if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) == sizeof bits)
        return bits;
    return random_of_process();
}
