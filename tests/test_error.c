/* The texts of error codes, and the version.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static const int own[] = {0,
                          ASYNCHAT_EOF,
                          ASYNCHAT_ECLOSED,
                          ASYNCHAT_ETOOLONG,
                          ASYNCHAT_ETRUNCATED,
                          ASYNCHAT_EFULL,
                          ASYNCHAT_EIDLE,
                          ASYNCHAT_ESTALLED,
                          ASYNCHAT_ESLOW,
                          ASYNCHAT_ESTOPPED,
                          ASYNCHAT_EADDRESS,
                          ASYNCHAT_EHANDSHAKE,
                          ASYNCHAT_ELATE,
                          ASYNCHAT_ECERTIFICATE,
                          ASYNCHAT_ECUTOFF,
                          ASYNCHAT_EPROTOCOL,
                          ASYNCHAT_EBARE,
                          ASYNCHAT_EFRAMING,
                          ASYNCHAT_EDEADLINE,
                          ASYNCHAT_ENONAME,
                          ASYNCHAT_ENOADDRESS,
                          ASYNCHAT_ETRYAGAIN,

                          ASYNCHAT_EPROXY};
static const size_t own_count = sizeof own / sizeof own[0];

static void every_own_code_has_a_text_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < own_count; i++) {
        char text[128];
        strcpy(text, asynchat_strerror(own[i]));
        assert_true(text[0] != '\0');
        assert_true(text[strlen(text) - 1] != '.');
        assert_string_not_equal(text, "unknown error");
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(text, asynchat_strerror(own[j]));
    }
}

static void what_the_system_said_has_the_system_s_text(void **state)
{
    (void)state;
    assert_string_equal(asynchat_strerror(-ECONNREFUSED),
                        strerror(ECONNREFUSED));
    assert_string_equal(asynchat_strerror(-EPERM), strerror(EPERM));
    assert_string_equal(asynchat_strerror(-ENOMEM), strerror(ENOMEM));
}

static void a_code_that_is_none_is_unknown(void **state)
{
    (void)state;
    assert_string_equal(asynchat_strerror(1), "unknown error");
    assert_string_equal(asynchat_strerror(ENOMEM), "unknown error");
    assert_string_equal(asynchat_strerror(INT_MAX), "unknown error");
    assert_string_equal(asynchat_strerror(INT_MIN), "unknown error");
    assert_string_equal(asynchat_strerror(own[own_count - 1] - 1),
                        "unknown error");
}

static void no_code_gives_NULL(void **state)
{
    (void)state;
    for (int code = -20000; code < 200; code++)
        assert_non_null(asynchat_strerror(code));
}

static void the_version_is_the_header_s(void **state)
{
    (void)state;
    assert_string_equal(asynchat_version(), ASYNCHAT_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_own_code_has_a_text_of_its_own),
        cmocka_unit_test(what_the_system_said_has_the_system_s_text),
        cmocka_unit_test(a_code_that_is_none_is_unknown),
        cmocka_unit_test(no_code_gives_NULL),
        cmocka_unit_test(the_version_is_the_header_s),
    };
    return RUN(tests);
}
