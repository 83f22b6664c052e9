/* Peers that do what they should not, or what few do.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "peer.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "tls/codec.h"

static struct world world;

static const struct codec *codec_of(const struct asynchat_channel *ch)
{
    return asynchat_get_layer(ch, &asynchat__tls_codec);
}

/* Each request gets an answer, which the peer does not read. */
static void requests_to_renegotiate_take_no_memory(void **state)
{
    static struct talk talk;
    struct peer peer;
    (void)state;
    SSL_CTX *ctx = peer_context(true, world.identity, TLS1_2_VERSION);
    peer_new(&peer, &talk, ctx, false, world.client);
    peer_shake(&peer, &talk);
    size_t most = 0;
    for (int i = 0; i < 100000 && talk.client.ch; i++) {
        SSL_renegotiate(peer.ssl);
        SSL_do_handshake(peer.ssl);
        peer_send(&peer, SIZE_MAX);
        event_base_loop(talk.base, EVLOOP_NONBLOCK);
        const struct codec *codec = codec_of(talk.client.ch);
        if (codec && codec->wire.kept_room > most)
            most = codec->wire.kept_room;
    }
    expect(&talk.client, "connect error(EPROTOCOL) close(EPROTOCOL)");
    assert_string_equal(talk.client.text, "the peer does not read the answers "
                                          "to what it asks for");
    assert_true(most <= 131072);
    peer_free(&peer);
    talk_end(&talk);
    SSL_CTX_free(ctx);
}

static int setup(void **state)
{
    (void)state;
    world_new(&world);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_free(&world);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_to_renegotiate_take_no_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
