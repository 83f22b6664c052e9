/* Memory: what the library takes from the program's functions, or from the C
 * library. No other file of the library calls malloc or free.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_MEMORY_H
#define ASYNCHAT_MEMORY_H

#include <stddef.h>

/* Like malloc, calloc and strdup. NULL: there is no memory. Any thread. */
void *asynchat__malloc(size_t size);
void *asynchat__calloc(size_t count, size_t size);
char *asynchat__strdup(const char *text);

/* Frees memory of the functions above; NULL is allowed. Any thread. */
void asynchat__free(void *memory);

/* Like aligned_alloc. The memory is freed by asynchat__free_aligned(), and by
 * nothing else. Any thread. */
void *asynchat__aligned_alloc(size_t alignment, size_t size);
void asynchat__free_aligned(void *memory);

#endif
