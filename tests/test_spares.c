/* Memory for whole messages: no loop. SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "framer/spares.h"

static struct spare make(size_t capacity)
{
    struct spare memory = {NULL, 0};
    assert_true(asynchat__spare_grow(&memory, 0, capacity));
    assert_int_equal(memory.capacity, capacity);
    return memory;
}

static void what_is_given_is_taken_again(void **state)
{
    struct spares spares = {{{NULL, 0}}};
    struct spare one = make(100);
    (void)state;
    assert_null(asynchat__spares_take(&spares).bytes);
    asynchat__spares_give(&spares, one);
    assert_ptr_equal(asynchat__spares_take(&spares).bytes, one.bytes);
    assert_null(asynchat__spares_take(&spares).bytes);
    asynchat__spares_give(&spares, one);
    asynchat__spares_free(&spares);
}

/* Nothing leaks, as ASan and memcheck see. */
static void too_many_and_too_large_ones_are_freed(void **state)
{
    struct spares spares = {{{NULL, 0}}};
    (void)state;
    asynchat__spares_give(&spares, make(SPARES_MOST + 1));
    assert_null(asynchat__spares_take(&spares).bytes);
    asynchat__spares_give(&spares, make(SPARES_MOST));
    for (int i = 0; i < SPARES_COUNT; i++)
        asynchat__spares_give(&spares, make(1000));
    size_t count = 0;
    struct spare memory;
    while ((memory = asynchat__spares_take(&spares)).bytes) {
        count++;
        struct spares others = {{memory}};
        asynchat__spares_free(&others);
    }
    assert_int_equal(count, SPARES_COUNT);
}

static void none_is_given_as_well(void **state)
{
    struct spares spares = {{{NULL, 0}}};
    (void)state;
    asynchat__spares_give(&spares, (struct spare){NULL, 0});
    assert_null(asynchat__spares_take(&spares).bytes);
}

static void growing_keeps_what_is_used(void **state)
{
    struct spares spares = {{{NULL, 0}}};
    struct spare memory = make(16);
    (void)state;
    memcpy(memory.bytes, "0123456789", 10);
    assert_true(asynchat__spare_grow(&memory, 10, 3 * SPARES_PAGE + 1));
    assert_memory_equal(memory.bytes, "0123456789", 10);
    assert_int_equal(memory.capacity, 3 * SPARES_PAGE + 1);
    asynchat__spares_give(&spares, memory);
    asynchat__spares_free(&spares);
}

static void long_memory_begins_at_a_page(void **state)
{
    struct spares spares = {{{NULL, 0}}};
    (void)state;
    struct spare memory = make(SPARES_PAGE);
    assert_int_equal((uintptr_t)memory.bytes % SPARES_PAGE, 0);
    asynchat__spares_give(&spares, memory);
    asynchat__spares_free(&spares);
}

static void more_than_there_can_be_is_refused(void **state)
{
    struct spares spares = {{{NULL, 0}}};
    struct spare memory = make(10);
    const struct spare before = memory;
    (void)state;
    assert_false(asynchat__spare_grow(&memory, 10, SIZE_MAX - 1));
    assert_ptr_equal(memory.bytes, before.bytes);
    assert_int_equal(memory.capacity, 10);
    asynchat__spares_give(&spares, memory);
    asynchat__spares_free(&spares);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_given_is_taken_again),
        cmocka_unit_test(too_many_and_too_large_ones_are_freed),
        cmocka_unit_test(none_is_given_as_well),
        cmocka_unit_test(growing_keeps_what_is_used),
        cmocka_unit_test(long_memory_begins_at_a_page),
        cmocka_unit_test(more_than_there_can_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
