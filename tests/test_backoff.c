/* Back-off: how long clients wait, and how many of them come at once after an
 * outage: a simulation of 10,000, with numbers that are the same each time.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "client/backoff.h"

static struct backoff begin(uint32_t first, uint32_t most)
{
    struct backoff b = {.first = first, .most = most};
    asynchat__backoff_begin(&b);
    return b;
}

static void a_time_is_anywhere_in_the_window(void **state)
{
    (void)state;
    const uint32_t windows[] = {1, 2, 1000, 5000, INT32_MAX};
    for (int i = 0; i < 5; i++) {
        struct backoff b = begin(windows[i], windows[i]);
        assert_int_equal(asynchat__backoff_next(&b, 0), 0);
        assert_int_equal(asynchat__backoff_next(&b, UINT32_MAX), windows[i]);
        assert_int_equal(asynchat__backoff_next(&b, 1u << 31),
                         ((uint64_t)windows[i] + 1) / 2);
    }
}

static void windows_are_doubled_up_to_the_longest(void **state)
{
    (void)state;
    struct backoff b = begin(5000, 60000);
    const uint32_t windows[] = {5000, 10000, 20000, 40000, 60000, 60000};
    for (int i = 0; i < 6; i++)
        assert_int_equal(asynchat__backoff_next(&b, UINT32_MAX), windows[i]);
    asynchat__backoff_begin(&b);
    assert_int_equal(asynchat__backoff_next(&b, UINT32_MAX), 5000);
}

static void the_longest_window_may_be_any(void **state)
{
    (void)state;
    struct backoff b = begin(1, INT32_MAX);
    for (int i = 0; i < 40; i++)
        asynchat__backoff_next(&b, 0);
    assert_int_equal(asynchat__backoff_next(&b, UINT32_MAX), INT32_MAX);
    b = begin(3, 3);
    asynchat__backoff_next(&b, 0);
    assert_int_equal(asynchat__backoff_next(&b, UINT32_MAX), 3);
}

/* --- after an outage --- */

#define CLIENTS 10000
#define SECONDS 200

static uint64_t seed;

/* splitmix64 */
static uint32_t chance(void)
{
    uint64_t x = seed += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(x >> 32);
}

/* All clients are lost at 0, and the server is back at 1000 ms. Answers the
 * attempts of the worst second, in percent of the clients. */
static double worst_second(uint32_t window)
{
    static unsigned attempts[SECONDS];
    unsigned worst = 0;
    seed = 16;
    for (int i = 0; i < SECONDS; i++)
        attempts[i] = 0;
    for (int i = 0; i < CLIENTS; i++) {
        struct backoff b = begin(window, 60000);
        uint32_t at = 0;
        do {
            at += asynchat__backoff_next(&b, chance());
            attempts[at / 1000]++;
        } while (at < 1000);
    }
    for (int i = 0; i < SECONDS; i++)
        worst = attempts[i] > worst ? attempts[i] : worst;
    return worst * 100.0 / CLIENTS;
}

static void clients_do_not_come_at_once(void **state)
{
    static const struct {
        uint32_t window;
        double percent;
    } rows[] = {{1000, 127}, {2000, 63}, {4000, 29}, {5000, 23}, {8000, 14}};
    (void)state;
    for (int i = 0; i < 5; i++) {
        double worst = worst_second(rows[i].window);
        print_message("%u ms: %.1f %%\n", (unsigned)rows[i].window, worst);
        assert_true(worst > rows[i].percent - 3);
        assert_true(worst < rows[i].percent + 3);
    }
    assert_true(worst_second(5000) <= 25); /* the window of asynchat_client */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_is_anywhere_in_the_window),
        cmocka_unit_test(windows_are_doubled_up_to_the_longest),
        cmocka_unit_test(the_longest_window_may_be_any),
        cmocka_unit_test(clients_do_not_come_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
