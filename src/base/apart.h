/* For what the common case is to pass by without saving registers for it.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_APART_H
#define ASYNCHAT_APART_H

#if defined(__GNUC__)
#define APART __attribute__((noinline))
#else
#define APART
#endif

#endif
