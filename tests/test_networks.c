/* Networks. SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include <asynchat/error.h>

#include "base/networks.h"

static bool is_in(const char *text, const char *host)
{
    struct network network;
    struct peer_address address = {.family = AF_INET};
    if (inet_pton(AF_INET, host, address.ip) != 1) {
        address.family = AF_INET6;
        assert_int_equal(inet_pton(AF_INET6, host, address.ip), 1);
        asynchat__address_fold(&address);
    }
    memset(&network, 0xff, sizeof network);
    assert_int_equal(asynchat__network_parse(&network, text), 0);
    return asynchat__network_has(&network, &address);
}

static void a_network_has_the_addresses_that_begin_like_it(void **state)
{
    (void)state;
    assert_true(is_in("192.0.2.0/24", "192.0.2.255"));
    assert_false(is_in("192.0.2.0/24", "192.0.3.0"));
    assert_true(is_in("192.0.2.77/24", "192.0.2.1"));
    assert_true(is_in("192.0.2.128/25", "192.0.2.128"));
    assert_false(is_in("192.0.2.128/25", "192.0.2.127"));
    assert_true(is_in("192.0.2.4/31", "192.0.2.5"));
    assert_false(is_in("192.0.2.4/31", "192.0.2.6"));
    assert_true(is_in("127.0.0.1", "127.0.0.1"));
    assert_false(is_in("127.0.0.1", "127.0.0.2"));
    assert_true(is_in("0.0.0.0/0", "203.0.113.9"));
    assert_true(is_in("2001:db8::/32", "2001:db8:ffff::1"));
    assert_false(is_in("2001:db8::/32", "2001:db9::"));
    assert_true(is_in("2001:db8::8000:0/97", "2001:db8::ffff:1"));
    assert_false(is_in("2001:db8::8000:0/97", "2001:db8::7fff:1"));
    assert_true(is_in("::1", "::1"));
    assert_true(is_in("::/0", "2001::"));
}

static void the_families_are_apart(void **state)
{
    (void)state;
    assert_false(is_in("0.0.0.0/0", "::1"));
    assert_false(is_in("::/0", "192.0.2.1"));
    assert_true(is_in("192.0.2.0/24", "::ffff:192.0.2.1"));
    assert_true(is_in("::ffff:192.0.2.0/120", "192.0.2.1"));
    assert_false(is_in("::ffff:192.0.2.0/120", "192.0.3.1"));
}

static void an_address_without_a_family_is_in_no_network(void **state)
{
    struct network network;
    struct peer_address none = {.family = 0};
    (void)state;
    assert_int_equal(asynchat__network_parse(&network, "0.0.0.0/0"), 0);
    assert_false(asynchat__network_has(&network, &none));
    assert_int_equal(asynchat__network_parse(&network, "::/0"), 0);
    assert_false(asynchat__network_has(&network, &none));
}

static void other_texts_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "a",
        "192.0.2",
        "192.0.2.0/33",
        "::/129",
        "192.0.2.0/",
        "192.0.2.0/+1",
        "192.0.2.0/1x",
        "/24",
        "192.0.2.0/ ",
        "192.0.2.0/999",
        "192.0.2.0/0001",
        "fe80::1%lo",
        "[::1]",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/1"};
    struct network network;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(asynchat__network_parse(&network, texts[i]),
                         ASYNCHAT_EADDRESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_has_the_addresses_that_begin_like_it),
        cmocka_unit_test(the_families_are_apart),
        cmocka_unit_test(an_address_without_a_family_is_in_no_network),
        cmocka_unit_test(other_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
