/* Each event base of a test program has a ring, and a batch may be of one
 * socket. A program in which no ring was used fails, and where the kernel
 * refuses, it is skipped. SPDX-License-Identifier: BSD-3-Clause */
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <liburing.h>

#include <asynchat/uring.h>

#include "../every_base.h"

#define SKIPPED 77

static atomic_uint runs;

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring)
{
    runs++;
    return __real_io_uring_submit(ring);
}

void give_batch(struct event_base *base)
{
    asynchat_uring_use(base);
}

__attribute__((constructor)) static void ring_needed(void)
{
    struct io_uring ring;
    int error = io_uring_queue_init(1, &ring, 0);
    if (error < 0) {
        fprintf(stderr, "skipped, without io_uring: error %d\n", -error);
        _exit(SKIPPED);
    }
    io_uring_queue_exit(&ring);
}

__attribute__((destructor)) static void ring_counted(void)
{
    fprintf(stderr, "%u system calls by rings\n", (unsigned)runs);
    if (runs == 0)
        _exit(1);
}
