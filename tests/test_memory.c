/* Memory of the program's own functions.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"

/* Each block has a mark of its own before it, which memory of the C library
 * does not have. */
#define MARK 0x6b72616d
#define BEFORE 32

static long live, allocations;
static bool own_fails;

static void *own_alloc(size_t size)
{
    char *block = own_fails ? NULL : malloc(size + BEFORE);
    if (!block)
        return NULL;
    assert_true(size > 0);
    memcpy(block, &(int){MARK}, sizeof(int));
    memset(block + BEFORE, 0xa5, size);
    live++;
    allocations++;
    return block + BEFORE;
}

static char *own_block(void *memory)
{
    char *block = (char *)memory - BEFORE;
    assert_memory_equal(block, &(int){MARK}, sizeof(int));
    memset(block, 0, sizeof(int));
    return block;
}

static void own_release(void *memory)
{
    assert_non_null(memory);
    free(own_block(memory));
    live--;
}

static void *own_again(void *old, size_t size)
{
    (void)old;
    (void)size;
    return NULL;
}

static int set_memory(void **state)
{
    (void)state;
    return asynchat_set_mem_functions(own_alloc, NULL, own_release) ==
                       -EINVAL &&
                   asynchat_set_mem_functions(NULL, own_again, NULL) ==
                       -EINVAL &&
                   asynchat_set_mem_functions(own_alloc, own_again, NULL) ==
                       -EINVAL &&
                   asynchat_set_mem_functions(NULL, NULL, NULL) == 0
               ? asynchat_set_mem_functions(own_alloc, own_again, own_release)
               : -1;
}

static int all_is_given_back(void **state)
{
    (void)state;
    if (live != 0)
        print_error("%ld allocations are left\n", live);
    return live != 0;
}

/* The message is longer than a page, and has aligned memory. */
static void all_memory_is_the_programs(void **state)
{
    struct fixture *f = start_whole(state);
    char *text = big(3 * 4096);
    long before = allocations;
    set_crlf(f);
    for (size_t i = 0; i < 3; i++) {
        feed(f, text + 4096 * i, 4096);
        settle(f);
    }
    feed_string(f, "\r\n");
    settle(f);
    assert_true(allocations > before);
    assert_true(f->log_len > 3 * 4096);
    close_connection(f);
    free(text);
}

static void memory_that_is_used_keeps_its_functions(void **state)
{
    start(state);
    assert_int_equal(asynchat_set_mem_functions(NULL, NULL, NULL), -EBUSY);
    assert_int_equal(
        asynchat_set_mem_functions(own_alloc, own_again, own_release), -EBUSY);
}

static bool is_zero(const char *memory, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (memory[i] != 0)
            return false;
    return true;
}

/* What the C library does with its memory is done with the program's. */
static void each_kind_of_memory_is_as_the_c_library_s(void **state)
{
    (void)state;
    long before = live;
    char *zeros = asynchat__calloc(3, 5), *text = asynchat__strdup("text");
    assert_true(is_zero(zeros, 15));
    assert_string_equal(text, "text");
    assert_int_equal(live, before + 2);
    asynchat__free(text);
    asynchat__free(zeros);
    asynchat__free(NULL);
    asynchat__free_aligned(NULL);
    assert_int_equal(live, before);
}

static void aligned_memory_is_aligned(void **state)
{
    (void)state;
    long before = live;
    for (size_t alignment = sizeof(void *); alignment <= 4096; alignment *= 2) {
        char *memory = asynchat__aligned_alloc(alignment, alignment);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % alignment, 0);
        memset(memory, 1, alignment);
        assert_int_equal(live, before + 1);
        asynchat__free_aligned(memory);
        assert_int_equal(live, before);
    }
}

/* The program's functions are not asked for a size that has wrapped around. */
static void memory_that_cannot_be_is_refused(void **state)
{
    (void)state;
    long before = allocations;
    assert_null(asynchat__calloc(SIZE_MAX / 2, 3));
    assert_null(asynchat__calloc(SIZE_MAX, SIZE_MAX));
    assert_null(asynchat__aligned_alloc(64, SIZE_MAX - 64));
    assert_int_equal(allocations, before);
}

static void want_of_the_program_s_memory_is_told(void **state)
{
    (void)state;
    long before = live;
    own_fails = true;
    void *all[] = {asynchat__malloc(1), asynchat__calloc(1, 1),
                   asynchat__strdup("x"), asynchat__aligned_alloc(64, 64)};
    own_fails = false;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_null(all[i]);
    assert_int_equal(live, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_ALL(all_memory_is_the_programs),
        OVER(PAIR, memory_that_is_used_keeps_its_functions),
        cmocka_unit_test(each_kind_of_memory_is_as_the_c_library_s),
        cmocka_unit_test(aligned_memory_is_aligned),
        cmocka_unit_test(memory_that_cannot_be_is_refused),
        cmocka_unit_test(want_of_the_program_s_memory_is_told),
    };
    return cmocka_run_group_tests_name(__FILE__, tests, set_memory,
                                       all_is_given_back);
}
