/* Counting connections by address. SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include "server/peers.h"

static uint64_t key(const char *text)
{
    struct address address;
    uint64_t key;
    assert_int_equal(asynchat__address_parse(&address, text), 0);
    assert_true(asynchat__peers_key(&address, &key));
    return key;
}

static void ipv4_addresses_are_counted_by_all_their_bits(void **state)
{
    (void)state;
    assert_true(key("192.0.2.1:1") == key("192.0.2.1:2"));
    assert_true(key("192.0.2.1:1") != key("192.0.2.2:1"));
    assert_true(key("192.0.2.1:1") != key("193.0.2.1:1"));
}

static void ipv6_addresses_are_counted_by_their_first_64_bits(void **state)
{
    (void)state;
    assert_true(key("[2001:db8:1:2::1]:1") == key("[2001:db8:1:2:ff::]:2"));
    assert_true(key("[2001:db8:1:2::1]:1") != key("[2001:db8:1:3::1]:1"));
    assert_true(key("[2001:db8:1:2::1]:1") != key("[3001:db8:1:2::1]:1"));
    assert_true(key("[::1]:1") == key("[::2]:1"));
}

static void link_local_addresses_are_counted_by_their_last_48_bits(void **state)
{
    (void)state;
    assert_true(key("[fe80::1]:1") == key("[fe80::1]:2"));
    assert_true(key("[fe80::1]:1") != key("[fe80::2]:1"));
    assert_true(key("[fe80::1:0:1]:1") != key("[fe80::1]:1"));
    assert_true(key("[fe80::2001:db8:0:1]:1") != key("[2001:db8:0:1::]:1"));
    assert_true(key("[fe80::ffff:102:304]:1") != key("1.2.3.4:1"));
    assert_true(key("[fec0::1]:1") == key("[fec0::2]:1"));
}

static void ipv4_addresses_in_ipv6_are_those_of_ipv4(void **state)
{
    (void)state;
    assert_true(key("[::ffff:192.0.2.1]:1") == key("192.0.2.1:1"));
    assert_true(key("[::ffff:192.0.2.1]:1") != key("[::ffff:192.0.2.2]:1"));
    assert_true(key("[::ffff:0.0.0.1]:1") != key("[::1]:1"));
}

static void unix_addresses_are_not_counted(void **state)
{
    struct address address;
    uint64_t key;
    (void)state;
    assert_int_equal(asynchat__address_parse(&address, "unix:/x"), 0);
    assert_false(asynchat__peers_key(&address, &key));
}

static const struct channel_owner nobody;

static void each_address_has_its_count(void **state)
{
    struct peers peers = {0};
    (void)state;
    assert_int_equal(asynchat__peers_count(&peers, 1), 0);
    struct peer *one = asynchat__peers_add(&peers, 1, &nobody);
    struct peer *other = asynchat__peers_add(&peers, 2, &nobody);
    assert_ptr_not_equal(one, other);
    assert_ptr_equal(asynchat__peers_add(&peers, 1, &nobody), one);
    assert_int_equal(asynchat__peers_count(&peers, 1), 2);
    assert_int_equal(asynchat__peers_count(&peers, 2), 1);
    asynchat__peers_remove(&peers, one);
    asynchat__peers_remove(&peers, other);
    assert_int_equal(asynchat__peers_count(&peers, 1), 1);
    assert_int_equal(asynchat__peers_count(&peers, 2), 0);
    asynchat__peers_remove(&peers, one);
    assert_null(peers.tree);
}

#define MANY 5000

static void nothing_is_kept_of_many_that_are_gone(void **state)
{
    static struct peer *all[MANY];
    struct peers peers = {0};
    (void)state;
    for (uint64_t i = 0; i < MANY; i++)
        all[i] = asynchat__peers_add(&peers, i * 7919 % MANY << 40, &nobody);
    for (uint64_t i = 0; i < MANY; i++)
        assert_int_equal(asynchat__peers_count(&peers, i << 40), 1);
    for (uint64_t i = 0; i < MANY; i++)
        asynchat__peers_remove(&peers, all[i]);
    assert_null(peers.tree);
}

static void all_of_them_can_be_freed(void **state)
{
    struct peers peers = {0};
    (void)state;
    for (uint64_t i = 0; i < 100; i++)
        asynchat__peers_add(&peers, i / 2, &nobody);
    asynchat__peers_free(&peers);
    assert_null(peers.tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_addresses_are_counted_by_all_their_bits),
        cmocka_unit_test(ipv6_addresses_are_counted_by_their_first_64_bits),
        cmocka_unit_test(
            link_local_addresses_are_counted_by_their_last_48_bits),
        cmocka_unit_test(ipv4_addresses_in_ipv6_are_those_of_ipv4),
        cmocka_unit_test(unix_addresses_are_not_counted),
        cmocka_unit_test(each_address_has_its_count),
        cmocka_unit_test(nothing_is_kept_of_many_that_are_gone),
        cmocka_unit_test(all_of_them_can_be_freed),
    };
    return RUN(tests);
}
