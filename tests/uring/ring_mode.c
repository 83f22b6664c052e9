/* Each event base of a test program has a ring, and a batch may be of one
 * socket. A program in which no ring was used fails, and where the kernel
 * refuses, it is skipped. SPDX-License-Identifier: BSD-3-Clause */
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <event2/event.h>
#include <liburing.h>

#include <asynchat/uring.h>

#define SKIPPED 77

static atomic_uint runs;

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring)
{
    runs++;
    return __real_io_uring_submit(ring);
}

struct event_base *__real_event_base_new(void);
struct event_base *__wrap_event_base_new(void);
struct event_base *__wrap_event_base_new(void)
{
    struct event_base *base = __real_event_base_new();
    if (base)
        asynchat_uring_use(base);
    return base;
}

void __real_event_base_free(struct event_base *base);
void __wrap_event_base_free(struct event_base *base);
void __wrap_event_base_free(struct event_base *base)
{
    asynchat_set_batch(base, NULL, NULL);
    __real_event_base_free(base);
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
