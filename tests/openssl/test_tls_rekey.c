/* After many records the key is changed: here after 100, in a library made for
 * that. SPDX-License-Identifier: BSD-3-Clause */
#include "talk.h"

#include <string.h>

static void exchange(struct talk *talk, int count)
{
    while (count-- > 0) {
        say(&talk->client, "a\n");
        talk_until(talk, &talk->server, "line(a)");
        talk->server.len = 0;
        say(&talk->server, "b\n");
        talk_until(talk, &talk->client, "line(b)");
        talk->client.len = 0;
    }
}

static int only_1_2(SSL_CTX *ctx, void *arg)
{
    (void)arg;
    return SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION) ? 0 : -1;
}

/* TLS 1.2 has no message for it, and does not need it. */
static void but_not_in_tls_1_2(void **state)
{
    static struct talk talk;
    struct asynchat_tls_stats stats;
    (void)state;
    world_new(&world);
    struct asynchat_tls *server = context(&(struct asynchat_tls_options){
        .certificate_text = world.identity->certificate,
        .key_text = world.identity->key,
        .configure = only_1_2});
    talk_tcp(&talk, server, world.client, "a.example");
    connect_both(&talk);
    exchange(&talk, 150);
    assert_int_equal(asynchat_tls_get_stats(server, &stats, sizeof stats), 0);
    assert_int_equal(stats.key_updates, 0);
    talk_end(&talk);
    asynchat_tls_free(server);
    world_free(&world);
}

static void keys_change_on_the_way(void **state)
{
    static struct talk talk;
    struct asynchat_tls_stats stats;
    (void)state;
    world_new(&world);
    talk_tcp(&talk, world.server, world.client, "a.example");
    connect_both(&talk);
    exchange(&talk, 250);
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
        cmocka_unit_test(but_not_in_tls_1_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
