/* Memory of the program's own functions.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <string.h>

/* Each block has a mark of its own before it, which memory of the C library
 * does not have. */
#define MARK 0x6b72616d
#define BEFORE 32

static long live, allocations;

static void *own_alloc(size_t size)
{
    char *block = malloc(size + BEFORE);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_ALL(all_memory_is_the_programs),
        OVER(PAIR, memory_that_is_used_keeps_its_functions),
    };
    return cmocka_run_group_tests_name(__FILE__, tests, set_memory,
                                       all_is_given_back);
}
