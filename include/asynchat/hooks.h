/* Hooks: the memory of the library can be the program's own.
 *
 * A program that calls none of these functions pays nothing for them.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_HOOKS_H
#define ASYNCHAT_HOOKS_H

#include <asynchat/api.h>

ASYNCHAT_BEGIN_DECLS

/* Sets the functions by which the library gets all of its memory: they do what
 * malloc, realloc and free do. Three times NULL stands for these, which is how
 * it begins. The functions are called by every thread that uses the library,
 * and never with a NULL to release or with a size of 0.
 *
 * To be called before anything else of the library: memory of one function must
 * not reach another. libevent has a function of its own for its memory,
 * event_set_mem_functions(); OpenSSL has CRYPTO_set_mem_functions();
 * libasynchat-framer.a, if it is linked beside the shared library, uses malloc.
 * On failure nothing has changed. Errors: -EINVAL (only some of the functions
 * are NULL), -EBUSY (the library has used memory before). Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_set_mem_functions(
    void *(*alloc)(size_t size), void *(*again)(void *old, size_t size),
    void (*release)(void *memory));

ASYNCHAT_END_DECLS

#endif
