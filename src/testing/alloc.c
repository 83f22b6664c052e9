/* Memory that fails when a test wants it to. The functions are set before
 * main() begins, since memory that is used already keeps its functions.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "testing/alloc.h"

#include <errno.h>
#include <stdlib.h>

#include <event2/event.h>

#include <asynchat/hooks.h>

static struct {
    bool exposed;
    bool failed;
    unsigned long left; /* until one fails, or 0 */
    long live;
} allocs;

static bool alloc_fails(void)
{
    if (!allocs.exposed || allocs.left == 0 || --allocs.left > 0)
        return false;
    allocs.failed = true;
    errno = ENOMEM;
    return true;
}

static void *alloc_new(size_t size)
{
    void *memory = alloc_fails() ? NULL : malloc(size);
    __atomic_add_fetch(&allocs.live, memory != NULL, __ATOMIC_RELAXED);
    return memory;
}

static void *alloc_again(void *old, size_t size)
{
    void *memory = alloc_fails() ? NULL : realloc(old, size);
    __atomic_add_fetch(&allocs.live, !old && memory, __ATOMIC_RELAXED);
    return memory;
}

static void alloc_release(void *memory)
{
    __atomic_sub_fetch(&allocs.live, memory != NULL, __ATOMIC_RELAXED);
    free(memory);
}

/* If the program has functions of its own, no allocation ever fails here, and
 * whoever wants that is told that the fault was never reached. */
__attribute__((constructor)) static void alloc_begin(void)
{
    (void)!asynchat_set_mem_functions(alloc_new, alloc_again, alloc_release);
    event_set_mem_functions(alloc_new, alloc_again, alloc_release);
}

void asynchat__alloc_fail(unsigned long number)
{
    allocs.left = number;
    allocs.failed = false;
    allocs.exposed = false;
}

bool asynchat__alloc_expose(bool exposed)
{
    bool before = allocs.exposed;
    allocs.exposed = exposed;
    return before;
}

bool asynchat__alloc_has_failed(void)
{
    return allocs.failed;
}

long asynchat__alloc_live(void)
{
    return __atomic_load_n(&allocs.live, __ATOMIC_RELAXED);
}
