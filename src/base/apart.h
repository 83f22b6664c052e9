/* APART marks a function that must not be inlined, so that the fast path does
 * not save registers for it. WITHIN marks one of the fast path that must be
 * inlined wherever it is called.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_APART_H
#define ASYNCHAT_APART_H

#if defined(__GNUC__)
#define APART __attribute__((noinline))
#define WITHIN __attribute__((always_inline)) inline
#else
#define APART
#define WITHIN inline
#endif

#endif
