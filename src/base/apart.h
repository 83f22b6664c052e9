/* APART marks a function that must not be inlined, so that the fast path does
 * not save registers for it.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_APART_H
#define ASYNCHAT_APART_H

#if defined(__GNUC__)
#define APART __attribute__((noinline))
#else
#define APART
#endif

#endif
