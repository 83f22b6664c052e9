/* After many records the key is changed: here after 100, in a library made for
 * that. SPDX-License-Identifier: BSD-3-Clause */
#include "talk.h"

#include <string.h>

static void keys_change_on_the_way(void **state)
{
    static struct talk talk;
    struct asynchat_tls_stats stats;
    (void)state;
    world_new(&world);
    talk_tcp(&talk, world.server, world.client, "a.example");
    talk_until(&talk, &talk.server, "connect");
    talk_until(&talk, &talk.client, "connect");
    for (int i = 0; i < 250; i++) {
        say(&talk.client, "a\n");
        talk_until(&talk, &talk.server, "line(a)");
        talk.server.len = 0;
        say(&talk.server, "b\n");
        talk_until(&talk, &talk.client, "line(b)");
        talk.client.len = 0;
    }
    assert_int_equal(asynchat_tls_get_stats(world.server, &stats, sizeof stats),
                     0);
    assert_int_equal(stats.key_updates, 2);
    asynchat_tls_get_stats(world.client, &stats, sizeof stats);
    assert_int_equal(stats.key_updates, 2);
    talk_end(&talk);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_change_on_the_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
