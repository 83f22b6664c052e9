/* Memory: the C library's, or the program's own.
 *
 * Tested by tests/test_memory.c. SPDX-License-Identifier: BSD-3-Clause */
#include "base/memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <asynchat/hooks.h>

/* The program's functions, or NULL twice. They change only before the first
 * allocation, so they need no lock. So far no memory of the library is resized,
 * so the program's function for that is not kept. */
static struct {
    void *(*alloc)(size_t size);
    void (*release)(void *memory);
} memory_own;

/* Whether there was an allocation. */
static atomic_bool memory_used;

/* Reads first: a store for each allocation would move the cache line between
 * the processors. */
static void memory_is_used(void)
{
    if (!atomic_load_explicit(&memory_used, memory_order_relaxed))
        atomic_store_explicit(&memory_used, true, memory_order_relaxed);
}

int asynchat_set_mem_functions(void *(*alloc)(size_t size),
                               void *(*again)(void *old, size_t size),
                               void (*release)(void *memory))
{
    if (!alloc != !again || !alloc != !release)
        return -EINVAL;
    if (atomic_load_explicit(&memory_used, memory_order_relaxed))
        return -EBUSY;
    memory_own.alloc = alloc;
    memory_own.release = release;
    return 0;
}

void *asynchat__malloc(size_t size)
{
    memory_is_used();
    return memory_own.alloc ? memory_own.alloc(size) : malloc(size);
}

void *asynchat__calloc(size_t count, size_t size)
{
    memory_is_used();
    if (!memory_own.alloc)
        return calloc(count, size);
    if (size > 0 && count > SIZE_MAX / size)
        return NULL;
    void *memory = memory_own.alloc(count * size);
    if (memory)
        memset(memory, 0, count * size);
    return memory;
}

char *asynchat__strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = asynchat__malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

void asynchat__free(void *memory)
{
    if (!memory_own.release)
        free(memory);
    else if (memory)
        memory_own.release(memory);
}

/* The program's functions know nothing of alignment. So the memory lies in a
 * larger block, whose address is right before it. */
static void *own_aligned(size_t alignment, size_t size)
{
    const size_t more = alignment + sizeof(void *);
    if (size > SIZE_MAX - more)
        return NULL;
    char *block = memory_own.alloc(size + more);
    if (!block)
        return NULL;
    char *after = block + sizeof block;
    char *memory = after + (alignment - (uintptr_t)after % alignment);
    memcpy(memory - sizeof block, &block, sizeof block);
    return memory;
}

void *asynchat__aligned_alloc(size_t alignment, size_t size)
{
    memory_is_used();
    return memory_own.alloc ? own_aligned(alignment, size)
                            : aligned_alloc(alignment, size);
}

void asynchat__free_aligned(void *memory)
{
    void *block;
    if (!memory_own.release || !memory) {
        free(memory);
        return;
    }
    memcpy(&block, (char *)memory - sizeof block, sizeof block);
    memory_own.release(block);
}
