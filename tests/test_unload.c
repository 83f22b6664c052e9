/* The shared library stays in a program that has loaded it, since a thread of
 * its own may hang in a call of the system.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <dlfcn.h>

static void dlclose_leaves_the_library_where_it_is(void **state)
{
    const char *(*version)(void);
    (void)state;
    void *library = dlopen(LIBRARY, RTLD_NOW);
    assert_non_null(library);
    *(void **)&version = dlsym(library, "asynchat_version");
    assert_non_null(version);
    assert_int_equal(dlclose(library), 0);
    assert_non_null(dlopen(LIBRARY, RTLD_NOW | RTLD_NOLOAD));
    assert_string_equal(version(), ASYNCHAT_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dlclose_leaves_the_library_where_it_is),
    };
    return RUN(tests);
}
