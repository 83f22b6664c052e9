/* CRC32C. SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "framer/crc32c.h"

/* RFC 3720, B.4, and the usual check. */
static void sums_are_those_of_the_rfc(void **state)
{
    uint8_t bytes[32] = {0};
    (void)state;
    assert_int_equal(asynchat__crc32c(0, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(asynchat__crc32c(0, bytes, 32), 0x62a8ab43);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(asynchat__crc32c(0, bytes, 32), 0x46dd794e);
    assert_int_equal(asynchat__crc32c(0, "123456789", 9), 0xe3069283);
}

static void a_sum_goes_on_where_another_ended(void **state)
{
    (void)state;
    for (size_t cut = 0; cut <= 9; cut++) {
        uint32_t sum = asynchat__crc32c(0, "123456789", cut);
        sum = asynchat__crc32c(sum, &"123456789"[cut], 9 - cut);
        assert_int_equal(sum, 0xe3069283);
    }
    assert_int_equal(asynchat__crc32c(0, NULL, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_the_rfc),
        cmocka_unit_test(a_sum_goes_on_where_another_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
