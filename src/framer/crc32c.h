/* CRC32C, the sum of RFC 3720, B.4.
 *
 * Tested by tests/test_crc32c.c. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_CRC32C_H
#define ASYNCHAT_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The sum of bytes that follow others, of which `sum` is the sum; 0: they
 * follow none. */
uint32_t asynchat__crc32c(uint32_t sum, const void *bytes, size_t len);

#endif
