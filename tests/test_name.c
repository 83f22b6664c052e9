/* Names of hosts and services, and numeric addresses, as text.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <string.h>

#include "names/lookup.h"

/* --- what may be looked up --- */

static const struct {
    const char *host, *service;
    int error;
} names[] = {
    {"mail.example", "25", 0},
    {"mail.example.", "smtp", 0},
    {"localhost", "http-alt", 0},
    {"a", "0", 0},
    {"a_b-c.example", "65535", 0},
    {"b\303\274ro.local", "25", 0},
    {"4you.example", "25", 0},
    {"1.example", "25", 0},
    {"0xcafe.example", "25", 0},
    {"0xylo", "25", 0},
    {"0x.example", "25", 0},
    {"192.0.2.1", "smtp", 0},
    {"::1", "smtp", 0},
    {"unix", "25", 0},
    {"", "25", ASYNCHAT_EADDRESS},
    {".", "25", ASYNCHAT_EADDRESS},
    {"..", "25", ASYNCHAT_EADDRESS},
    {".example", "25", ASYNCHAT_EADDRESS},
    {"a..example", "25", ASYNCHAT_EADDRESS},
    {"a..", "25", ASYNCHAT_EADDRESS},
    {"a b", "25", ASYNCHAT_EADDRESS},
    {"a\n", "25", ASYNCHAT_EADDRESS},
    {"a\tb.example", "25", ASYNCHAT_EADDRESS},
    {"a\177", "25", ASYNCHAT_EADDRESS},
    {"a:25", "25", ASYNCHAT_EADDRESS},
    {"a/b", "25", ASYNCHAT_EADDRESS},
    {"a@b", "25", ASYNCHAT_EADDRESS},
    {"a%b", "25", ASYNCHAT_EADDRESS},
    {"[::1]", "25", ASYNCHAT_EADDRESS},
    {"::g", "25", ASYNCHAT_EADDRESS},
    {"http://a", "25", ASYNCHAT_EADDRESS},
    /* other forms of an IPv4 address */
    {"127.1", "25", ASYNCHAT_EADDRESS},
    {"127.0.0.1.", "25", ASYNCHAT_EADDRESS},
    {"010.0.0.1", "25", ASYNCHAT_EADDRESS},
    {"256.0.0.1", "25", ASYNCHAT_EADDRESS},
    {"2130706433", "25", ASYNCHAT_EADDRESS},
    {"0x7f000001", "25", ASYNCHAT_EADDRESS},
    {"127.0.0.0X1", "25", ASYNCHAT_EADDRESS},
    {"a.0x", "25", ASYNCHAT_EADDRESS},
    {"a.0", "25", ASYNCHAT_EADDRESS},
    {"fe80::1%no-such-if", "25", -ENODEV},
    {"a", "", ASYNCHAT_EADDRESS},
    {"a", "65536", ASYNCHAT_EADDRESS},
    {"a", "99999999999999999999999", ASYNCHAT_EADDRESS},
    {"a", "+25", ASYNCHAT_EADDRESS},
    {"a", "-25", ASYNCHAT_EADDRESS},
    {"a", " 25", ASYNCHAT_EADDRESS},
    {"a", "25 ", ASYNCHAT_EADDRESS},
    {"a", "smtp\n", ASYNCHAT_EADDRESS},
    {"a", "/smtp", ASYNCHAT_EADDRESS},
};

static void what_cannot_be_a_name_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (asynchat__name_check(names[i].host, names[i].service) !=
            names[i].error)
            fail_msg("\"%s\", \"%s\": %d", names[i].host, names[i].service,
                     asynchat__name_check(names[i].host, names[i].service));
}

static void each_byte_is_a_part_of_names_or_not(void **state)
{
    static const char good[] = "-_.abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    (void)state;
    for (int byte = 1; byte < 256; byte++) {
        char host[] = {'a', (char)byte, 'a', '\0'};
        bool may = byte >= 128 || strchr(good, byte);
        assert_int_equal(asynchat__name_check(host, "25"),
                         may ? 0 : ASYNCHAT_EADDRESS);
    }
}

static void names_have_at_most_so_many_bytes(void **state)
{
    char host[NAME_HOST + 1], service[NAME_SERVICE + 1];
    (void)state;
    memset(host, 'a', sizeof host);
    memset(service, 'a', sizeof service);
    host[NAME_HOST - 1] = service[NAME_SERVICE - 1] = '\0';
    assert_int_equal(asynchat__name_check(host, service), 0);
    host[NAME_HOST - 1] = 'a';
    host[NAME_HOST] = '\0';
    assert_int_equal(asynchat__name_check(host, service), -ENAMETOOLONG);
    host[NAME_HOST - 1] = '\0';
    service[NAME_SERVICE - 1] = 'a';
    service[NAME_SERVICE] = '\0';
    assert_int_equal(asynchat__name_check(host, service), -ENAMETOOLONG);
}

/* --- numeric --- */

static const struct {
    const char *host, *service;
    int error;
    const char *address;
} numbers[] = {
    {"192.0.2.1", "25", 0, "192.0.2.1:25"},
    {"2001:db8::1", "25", 0, "[2001:db8::1]:25"},
    {"::1", "0", 0, "[::1]:0"},
    {"::ffff:192.0.2.1", "25", 0, "[::ffff:192.0.2.1]:25"},
    {"fe80::1%lo", "25", 0, "[fe80::1%lo]:25"},
    {"fe80::1%no-such-if", "25", -ENODEV, NULL},
    {"192.0.2.1", "smtp", ASYNCHAT_EADDRESS, NULL},
    {"192.0.2.1", "65536", ASYNCHAT_EADDRESS, NULL},
    {"192.0.2.1", "", ASYNCHAT_EADDRESS, NULL},
    {"", "25", ASYNCHAT_EADDRESS, NULL},
    {"127.1", "25", ASYNCHAT_EADDRESS, NULL},
    {"010.0.0.1", "25", ASYNCHAT_EADDRESS, NULL},
    {"localhost", "25", ASYNCHAT_EADDRESS, NULL},
    {"unix", "25", ASYNCHAT_EADDRESS, NULL},
    {"unix:/x", "25", ASYNCHAT_EADDRESS, NULL},
    {"[::1]", "25", ASYNCHAT_EADDRESS, NULL},
    {"1:2", "25", ASYNCHAT_EADDRESS, NULL},
};

static void numeric_addresses_are_no_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct address address;
        char text[ASYNCHAT_ADDRESS_SIZE];
        int error = asynchat__name_numeric(numbers[i].host, numbers[i].service,
                                           &address);
        if (error != numbers[i].error)
            fail_msg("\"%s\": %d", numbers[i].host, error);
        if (error)
            continue;
        assert_int_equal(asynchat__address_format(&address, text, sizeof text),
                         0);
        assert_string_equal(text, numbers[i].address);
    }
}

static void a_host_that_is_too_long_is_not_numeric(void **state)
{
    char host[1000];
    struct address address;
    (void)state;
    memset(host, '1', sizeof host - 1);
    host[sizeof host - 1] = '\0';
    assert_int_equal(asynchat__name_numeric(host, "25", &address),
                     ASYNCHAT_EADDRESS);
    assert_int_equal(asynchat__name_numeric("192.0.2.1", host, &address),
                     ASYNCHAT_EADDRESS);
}

/* --- in one text --- */

static const struct {
    const char *text;
    int error;
    const char *host, *service;
} splits[] = {
    {"mail.example:smtp", 0, "mail.example", "smtp"},
    {"192.0.2.1:25", 0, "192.0.2.1", "25"},
    {"[::1]:25", 0, "::1", "25"},
    {"[fe80::1%lo]:25", 0, "fe80::1%lo", "25"},
    {"[a]:25", ASYNCHAT_EADDRESS, NULL, NULL},
    {"[192.0.2.1]:25", ASYNCHAT_EADDRESS, NULL, NULL},
    {"123456789012345:25", 0, "123456789012345", "25"},
    {"1234567890123456:25", -ENAMETOOLONG, NULL, NULL},
    {"a:1234567", 0, "a", "1234567"},
    {"a:12345678", -ENAMETOOLONG, NULL, NULL},
    {"", ASYNCHAT_EADDRESS, NULL, NULL},
    {"a", ASYNCHAT_EADDRESS, NULL, NULL},
    {":", ASYNCHAT_EADDRESS, NULL, NULL},
    {":25", ASYNCHAT_EADDRESS, NULL, NULL},
    {"a:", ASYNCHAT_EADDRESS, NULL, NULL},
    {"[]:25", ASYNCHAT_EADDRESS, NULL, NULL},
    {"[::1]", ASYNCHAT_EADDRESS, NULL, NULL},
    {"[:25", 0, "[", "25"}, /* refused as a name */
    {"::1:25", ASYNCHAT_EADDRESS, NULL, NULL},
    {"a:b:25", ASYNCHAT_EADDRESS, NULL, NULL},
    {"[::1]a:25", ASYNCHAT_EADDRESS, NULL, NULL},
};

static void a_text_is_divided_at_its_last_colon(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof splits / sizeof splits[0]; i++) {
        char host[16] = "xxxxxxxxxxxxxxx", service[8] = "xxxxxxx";
        int error = asynchat__name_split(splits[i].text, host, sizeof host,
                                         service, sizeof service);
        if (error != splits[i].error)
            fail_msg("\"%s\": %d", splits[i].text, error);
        if (error)
            continue;
        assert_string_equal(host, splits[i].host);
        assert_string_equal(service, splits[i].service);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_a_name_is_refused),
        cmocka_unit_test(each_byte_is_a_part_of_names_or_not),
        cmocka_unit_test(names_have_at_most_so_many_bytes),
        cmocka_unit_test(numeric_addresses_are_no_names),
        cmocka_unit_test(a_host_that_is_too_long_is_not_numeric),
        cmocka_unit_test(a_text_is_divided_at_its_last_colon),
    };
    return RUN(tests);
}
