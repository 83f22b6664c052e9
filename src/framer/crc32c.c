/* CRC32C, four bits at a time.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "framer/crc32c.h"

/* The sums of the numbers from 0 to 15. */
static const uint32_t crc_nibbles[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
    0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
    0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t asynchat__crc32c(uint32_t sum, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    sum = ~sum;
    for (size_t i = 0; i < len; i++) {
        sum ^= at[i];
        sum = sum >> 4 ^ crc_nibbles[sum & 15];
        sum = sum >> 4 ^ crc_nibbles[sum & 15];
    }
    return ~sum;
}
